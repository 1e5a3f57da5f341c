"""Tests of the whole product, from outside: real programs, a real folder, kills and faults.

usage: run.py [--programs DIR] [--only WORD] [--seed N|new] [--whole] [--keep]

Without a seed every run plays the same histories, so that one version gets one verdict; `--seed new` looks for others.
With REQUIRE=1 in the environment a test that misses something fails instead of being skipped.
Prints sentences; last line: N passed, N failed. `--whole` runs the crash sweep at every point and many visits.
"""
import argparse
import os
import random
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import NotAllowed, Rig, Settings, Skip

ROOMS = ("pipeline_tests", "host_tests", "crash_tests", "worker_tests", "upstream_tests", "throttle_tests", "egress_tests", "webhook_tests", "secret_tests", "input_tests", "learning_tests",
         "disk_tests", "hostile_tests", "containment_tests", "crowd_tests", "console_tests", "order_tests", "tamper_tests", "edit_tests", "replay_tests", "approval_tests", "browser_tests",
         "connector_tests", "dryrun_tests", "conformance_tests", "plugin_tests", "plugin_executor_tests", "guide_tests", "upgrade_tests", "account_tests", "stripe_tests", "door_tests", "foreign_tests", "manual_tests", "keep_tests", "service_tests", "migration_tests", "queue_tests", "packs_tests", "tenant_tests")


def all_tests():
    for room in ROOMS:
        if os.path.exists(os.path.join(os.path.dirname(os.path.abspath(__file__)), room + ".py")):
            module = __import__(room)
            for name, function in list(vars(module).items()):
                if name.startswith("test_"):
                    yield room.split("_")[0], name, function


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", default=Settings.programs)
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", default=str(Settings.seed))
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    Settings.programs, Settings.whole = os.path.abspath(options.programs), options.whole
    Settings.seed = random.SystemRandom().randrange(1, 1_000_000) if options.seed == "new" else int(options.seed)
    print(f"seed {Settings.seed}", flush=True)
    passed = failed = skipped = 0
    for room, name, test in all_tests():
        if options.only and options.only not in f"{room}.{name}":
            continue
        sentence = f"{room}: {test.__doc__}"
        begin = time.monotonic()
        try:
            with Rig(options.keep) as rig:
                notes = test(rig)
            passed += 1
            print(f"ok    {sentence} ({time.monotonic() - begin:.1f} s){'' if not notes else chr(10) + '      ' + notes}", flush=True)
        except Skip as reason:
            missing = Settings.require and not isinstance(reason, NotAllowed)
            failed, skipped = failed + missing, skipped + (not missing)
            print(f"{'FAIL' if missing else 'skip'}  {sentence}: {reason}", flush=True)
        except Exception:
            failed += 1
            print(f"FAIL  {sentence} [{name}, SEED={Settings.seed}]\n{traceback.format_exc()}", flush=True)
    if skipped:
        print(f"{skipped} skipped")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
