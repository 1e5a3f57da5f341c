"""Figures of the worker: bench.py BUILD_DIR. Spawn to ready, memory when idle, records per second."""
import json
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from host import *

BUILD = os.path.abspath(sys.argv[1])
OPTIONS = ["--uid", "20001", "--gid", "20001"] if os.geteuid() == 0 else []
PLUGIN = os.path.join(BUILD, "plugins/counter.so")


def memory(pid):
    wanted = {"Rss": 0, "Private_Clean": 0, "Private_Dirty": 0}
    with open(f"/proc/{pid}/smaps_rollup") as f:
        for line in f:
            name = line.split(":")[0]
            if name in wanted:
                wanted[name] = int(line.split()[1])
    return wanted["Rss"], wanted["Private_Clean"] + wanted["Private_Dirty"]


def spawns(options, count=200):
    total, inside, rss, private = [], [], 0, 0
    for _ in range(count):
        with Worker(BUILD, PLUGIN, options) as w:
            ready = w.ready()
            total.append((time.perf_counter() - w.started) * 1000)
            inside.append(ready["load_us"] / 1000)
            rss, private = memory(w.process.pid)
    total.sort(), inside.sort()
    return {"spawn_to_ready_ms_min": round(total[0], 2), "spawn_to_ready_ms_p50": round(statistics.median(total), 2),
            "spawn_to_ready_ms_p99": round(total[int(count * 0.99)], 2), "inside_worker_ms_p50": round(statistics.median(inside), 2),
            "rss_kib": rss, "private_kib": private, "spawns": count}


def throughput(payload_bytes, seconds=2):
    """What the channel carries when the host only splits frames (in Python, so the host is the slower side)."""
    with Worker(BUILD, PLUGIN, OPTIONS) as w:
        w.ready()
        w.configure(json.dumps({"records": 1 << 40, "payload_bytes": payload_bytes, "batch": 64}))
        w.start(PULL, 2, "counters")
        w.credit(1 << 30, (1 << 32) - 1)
        count, end = 0, time.perf_counter() + seconds
        started = time.perf_counter()
        while time.perf_counter() < end:
            kind, _, _, payload = w.next()
            if kind == EMIT:
                count += struct.unpack_from("<I", payload, 4)[0]
                w.credit(64, len(payload))
        return round(count / (time.perf_counter() - started))


if __name__ == "__main__":
    print(json.dumps({"worker": spawns(OPTIONS), "worker_netns": spawns([*OPTIONS, "--netns"]),
                      "records_per_second_200_bytes": throughput(200), "records_per_second_1_kb": throughput(1000),
                      "note": "the host side of this bench is Python; spawn includes its fork"}, indent=2))
