"""(k) What it costs that a plugin is a process of its own, for each batch and each record.

The same source hands the same records over, with a checkpoint after each batch: to a host in its own process, which copies them, and
through its sandboxed worker to ours, which reads each record and keeps none. Either as fast as it is allowed to, or one
batch after the other, each answered before the next one is given. Beside those: the same bytes to a bare process and a byte back,
which no host whose plugins are processes can go below.
"""
import json
import os
import statistics
import subprocess

from rig import expect_equal, sluice
from table import show

BATCHES = (1, 10, 100, 1_000)
# With its key and what stands beside it.
RECORD_BYTES = 1_033
# Redpanda Connect's documentation, on another machine (Apple M3 Pro): its Go plugin, for each message.
PUBLISHED_US = {1: 44.9, 10: 5.9, 100: 1.6}


def tool(options, name, *arguments):
    done = subprocess.run([os.path.join(options.tools, name), *map(str, arguments)], capture_output=True, text=True, timeout=60)
    expect_equal(done.returncode, 0, f"exit of {name} ({done.stderr})")
    return json.loads(done.stdout)


def native(options, batch, wait, count):
    config = json.dumps({"records": count, "batch": batch, "wait": wait})
    return tool(options, "native_host", os.path.join(options.tools, "records.so"), config)


def through(options, batch, wait, count):
    done = sluice("bench", "boundary", "--manifest", os.path.join(options.tools, "records.yaml"), "--records", count, "--batch", batch, *(["--wait"] if wait else []), "--json", seconds=120)
    expect_equal(done.returncode, 0, f"exit of sluice bench boundary ({done.stderr})")
    return json.loads(done.stdout)


def run(options):
    rows, found = [], {}
    for wait in (1, 0):
        for batch in BATCHES:
            # Enough for a second or so; a batch that is awaited takes tens of microseconds.
            count = min(200_000, batch * (20_000 if wait else 100_000))
            inside, ours, bare = [], [], []
            for _ in range(options.runs):
                if wait:
                    bare.append(tool(options, "round_trip", batch * RECORD_BYTES, count // batch))
                inside.append(native(options, batch, wait, count))
                ours.append(through(options, batch, wait, count))
            for each in inside + ours:
                expect_equal(each["records"], count, "records handed over")
            middle = lambda runs, name: statistics.median(each[name] for each in runs) / count
            a_record, a_native, cpu = middle(ours, "ns"), middle(inside, "ns"), middle(ours, "host_cpu_ns")
            a_trip = statistics.median(each["ns"] / each["count"] for each in bare) if bare else None
            found[f"batch {batch}, {'awaited' if wait else 'as fast as allowed'}"] = {"ours": ours, "native": inside, "bare": bare}
            published = PUBLISHED_US.get(batch) if wait else None
            rows.append([f"{batch:,} a batch, {'each awaited' if wait else 'not awaited'}", a_record * batch / 1000, a_record / 1000,
                         cpu / 1000, a_native / 1000, f"{a_record / a_native:,.0f}x", a_trip / 1000 if a_trip else "-",
                         f"{a_record * batch / a_trip:,.1f}x" if a_trip else "-", published if published else "-"])
    show(f"(k) A record of 1,024 bytes over the boundary, medians of {options.runs} runs, in turns",
         ["", "us a batch", "us a record", "of that the host's CPU", "in one process", "ours / in one process",
          "bare round trip, a batch", "ours / bare", "published, Redpanda's Go plugin"], rows,
         ["In one process: the same source and calls, a host that copies each record. Ours reads each record too.",
          "A bare round trip: the same bytes through a socket to another process, and a byte back.",
          "Published figures are another machine's (Apple M3 Pro), another message's, and both ways."])
    return found
