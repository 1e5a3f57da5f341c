"""Figures of plugins by language: bench.py BUILD_DIR. Spawn to ready, first answer, memory, library size."""
import json
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_crm import *
from plugin_host import *
from source_tests import source

BUILD = os.path.abspath(sys.argv[1])
OPTIONS = ["--uid", "20001", "--gid", "20001"] if os.geteuid() == 0 else []


def memory(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        found = {line.split(":")[0]: int(line.split()[1]) for line in f if ":" in line and line.split()[1].isdigit()}
    return found["Rss"], found["Private_Clean"] + found["Private_Dirty"]


def spawns(name, factory, config="{}", count=200):
    path, ready, configured, sizes = os.path.join(BUILD, name), [], [], (0, 0)
    for _ in range(count):
        with PluginWorker(BUILD, path, OPTIONS) as w:
            w.factory, ready_now = factory, w.ready
            w.ready = lambda: (ready_now(), ready.append((time.perf_counter() - w.started) * 1000))[0]
            assert w.configured(config)["status"] == 0
            configured.append((time.perf_counter() - w.started) * 1000)
            sizes = memory(w.process.pid)
    ready.sort(), configured.sort()
    return {"library_bytes": os.path.getsize(path), "spawn_to_ready_ms_min": round(ready[0], 2),
            "spawn_to_ready_ms_p50": round(statistics.median(ready), 2),
            "spawn_to_ready_ms_p99": round(ready[int(count * 0.99)], 2),
            "spawn_to_configured_ms_p50": round(statistics.median(configured), 2),
            "spawn_to_configured_ms_p99": round(configured[int(count * 0.99)], 2), "rss_kib": sizes[0],
            "private_kib": sizes[1], "spawns": count}


def pull_rate(count=20000):
    crm = FakeCRM()
    for i in range(count):
        crm.put("opportunities", f"D{i:06}", owner="Zoe Levy", product="GTX Pro", account="Isdom", stage="Engaging")
    pages = {}
    answer = lambda request: pages.setdefault(request.query, crm(request))
    with source(lambda path: PluginWorker(BUILD, os.path.join(BUILD, path), OPTIONS), '{"page_size":500}') as w:
        w.run(PULL, answer, name="opportunities")  # fills `pages`: what is measured is not the fake
        crm_free = lambda request: pages[request.query]
        started = time.perf_counter()
        run = w.run(PULL, crm_free, name="opportunities", operation=3)
        assert len(run.records) == count
        return round(count / (time.perf_counter() - started))


if __name__ == "__main__":
    tides = {language: f"examples/tides-{language}/build/tides.so" for language in ("c", "cpp", "swift", "rust")}
    # The same connector in each language there is a compiler for.
    examples = {f"tides-{language}": spawns(path, "sluice.source/1", '{"station":"dover"}')
                for language, path in tides.items() if os.path.exists(os.path.join(BUILD, path))}
    print(json.dumps({**examples, "crm-source": spawns("plugins/crm-source.so", "sluice.source/1"),
                      "crm-executor": spawns("plugins/crm-executor.so", "sluice.executor/1"),
                      "crm_source_records_per_second": pull_rate(),
                      "note": "the host side of this bench is Python; spawn includes its fork"}, indent=2))
