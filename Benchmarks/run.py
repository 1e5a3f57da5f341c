"""Every benchmark of the product, on the release build; `make bench` runs this.

usage: run.py --programs DIR --c-build DIR [--data DIR] [--only LETTERS] [--runs N] [--json FILE]

Each benchmark prints one table; what is compared runs in turns within one run of this program. Figures of different
runs or machines are not to be compared.
"""
import argparse
import json
import os
import platform
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "Tests", "EndToEnd"))
import boundary_bench
import crowd_bench
import intake_bench
import journal_bench
import loop_bench
import throttle_bench
import webhook_bench
from rig import Settings, expect_equal, sluice
from table import show


def ledger(options):
    """(e) Ledgered entries a second, and the time from durable to the signed checkpoint."""
    done = sluice("bench", "ledger", "--json", seconds=600)
    expect_equal(done.returncode, 0, f"exit of sluice bench ledger ({done.stderr})")
    found = json.loads(done.stdout)
    show(f"(e) {found['entries']:,} orders by {found['writers']} writers, each with a leaf in the ledger",
         ["durable entries/s", "then applied ms", "then published ms", "durable to checkpoint p50 ms", "p99 ms"],
         [[found["durable_per_second"], found["then_applied_ms"], found["then_published_ms"],
           found["durable_to_checkpoint_p50_ms"], found["durable_to_checkpoint_p99_ms"]]],
         [f"The last two: {found['probes']} entries, one after the other, each published at once.",
          f"Verified afterwards: {found['verified_entries']:,} entries, {found['verified_payloads']:,} payloads."])
    return found


BENCHES = {"intake": intake_bench.run, "loop": loop_bench.loop, "boundary": boundary_bench.run, "workers": loop_bench.workers, "webhooks": webhook_bench.run,
           "ledger": ledger, "crowd": crowd_bench.crowd, "wake": crowd_bench.wake, "crashes": crowd_bench.crashes, "throttle": throttle_bench.run,
           "journal": journal_bench.run}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", required=True)
    parser.add_argument("--c-build", required=True)
    parser.add_argument("--data", default="")
    parser.add_argument("--only", default=",".join(BENCHES))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--batch", type=int, default=1_000)
    parser.add_argument("--deliveries", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--instances", type=int, default=1_000)
    parser.add_argument("--window", type=int, default=30, help="seconds over which the crowd's pulls are counted, twice")
    parser.add_argument("--apart", action="store_true", help="the crowd's misbehaving instances in a tenant of their own")
    parser.add_argument("--crashes", type=int, default=10_000)
    parser.add_argument("--journal-gb", type=float, default=2, help="gigabytes of entries that each journal is given")
    parser.add_argument("--json", default="")
    options = parser.parse_args()
    wanted = options.only.split(",")
    unknown = [name for name in wanted if name not in BENCHES]
    if unknown:
        parser.error(f"no benchmark is called {unknown[0]!r}; there are {', '.join(BENCHES)}")
    Settings.programs = os.path.abspath(options.programs)
    options.c_build = os.path.abspath(options.c_build)
    options.tools = os.path.join(options.c_build, "bench")
    print(f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; programs: {options.programs}")
    results = {name: BENCHES[name](options) for name in BENCHES if name in wanted}
    if options.json:
        with open(options.json, "w") as f:
            json.dump(results, f, indent=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
