"""(a) Records a second from a sandboxed worker to the durable acknowledgement that the worker sees, beside raw SQLite.

Every run is one connector in one new data folder of a real `sluice up`; the clock is the plugin's, from its first emit
until `wait_durable` has answered. The baselines write the same records in the same run, on the same disk.
"""
import contextlib
import datetime
import json
import os
import statistics
import subprocess
import time

from rig import Rig, expect, expect_equal, wait_for
from table import megabytes, ratio, show

RATIO_MAX = 1.5
# Of every record; see record_text.h.
DAY = "2026-01-05"


def tool(options, name, *arguments):
    done = subprocess.run([os.path.join(options.tools, name), *map(str, arguments)], capture_output=True, text=True, timeout=600)
    expect_equal(done.returncode, 0, f"exit of {name} ({done.stderr})")
    return json.loads(done.stdout)


def written_bytes(pid):
    """What a process had written to storage; None where the kernel does not tell us."""
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/io") as f:
            for line in f:
                if line.startswith("write_bytes:"):
                    return int(line.split()[1])
    return None


def durable_line(host):
    for line in host.log_text().splitlines():
        if '"plugin.records.durable"' in line:
            return json.loads(line)
    return None


def through_sluice(options, rig, number):
    host = rig.host(f"intake-{number}")
    host.start()
    host.ask("tenant.create")
    before = written_bytes(host.process.pid)
    host.ask("connector.enable", name=os.path.join(options.tools, "records.yaml"), instance="records",
             config={"records": options.records, "batch": options.batch})
    stuck = lambda: f"the records are durable; {host.reply('connector.list')} {host.log_text()[-1000:]}"
    line = wait_for(lambda: durable_line(host), stuck, 600)
    lag = next(row["unapplied"] for row in host.ask("tenant.list"))
    # The last checkpoint completes the records' day: its tick is part of what follows from them.
    wait_for(lambda: host.ticked() >= DAY and host.is_settled(), "all is applied", 600)
    until_applied = time.time() - datetime.datetime.fromisoformat(line["at"].replace("Z", "+00:00")).timestamp()
    expect_equal(host.versions("account"), options.records, "records applied")
    after = written_bytes(host.process.pid)
    seconds = int(line["plugin.ms"]) / 1000
    found = {"seconds": seconds, "per_second": options.records / seconds,
             "applied_seconds": seconds + until_applied, "lag": lag,
             "written_bytes": None if before is None or after is None else after - before,
             "entries": host.entry_kinds().get("intake", 0)}
    expect_equal(host.stop(), 0, "exit of the host")
    return found


def run(options):
    packed = tool(options, "sqlite_baseline", "ratio", options.records)
    expect(packed["ratio"] <= RATIO_MAX, f"zstd shrinks the records by {packed['ratio']}, more than {RATIO_MAX}")
    ours, rows, blobs = [], [], []
    with Rig() as rig:
        for number in range(options.runs):
            path = rig.path(f"sqlite-{number}")
            rows.append(tool(options, "sqlite_baseline", "rows", path + "/rows.db", options.records, options.batch))
            blobs.append(tool(options, "sqlite_baseline", "blobs", path + "/blobs.db", options.records, options.batch))
            ours.append(through_sluice(options, rig, number))
    rate = lambda runs: statistics.median(r["per_second"] for r in runs)
    entry = lambda name, runs: [name, rate(runs), min(r["per_second"] for r in runs), max(r["per_second"] for r in runs),
                                megabytes(runs[0]["written_bytes"]), ratio(rate(ours), rate(runs))]
    applied = statistics.median(options.records / r["applied_seconds"] for r in ours)
    show(f"(a) {options.records:,} records of {packed['record_bytes']} bytes, {options.batch:,} a batch, {options.runs} runs, in turns",
         ["to the durable ack", "records/s (median)", "least", "most", "written", "sluice / this"],
         [entry("sluice, from a sandboxed worker", ours), entry("SQLite in C, one row a record", rows),
          entry("SQLite in C, one blob a batch", blobs)],
         [f"zstd shrinks the records by {packed['ratio']} (at most {RATIO_MAX} is allowed); both sides: WAL, synchronous=FULL.",
          f"Until every record is applied: {applied:,.0f} records/s; {ours[0]['lag']:.0f} of {ours[0]['entries']} entries were not applied at the ack.",
          "What sluice wrote includes applying: versions, entities and the world model in the tenant's database."])
    return {"records": options.records, "ratio": packed["ratio"], "sluice": ours, "rows": rows, "blobs": blobs}
