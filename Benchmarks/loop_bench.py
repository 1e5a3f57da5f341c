"""(b) The whole loop on a pipeline, day by day, and (c) spawning and holding sandboxed workers."""
import json
import os
import subprocess
import sys
import time

from rig import PROJECT, Rig, expect_equal, program
from table import show


def demo(options, rig, mode):
    folder = rig.path(f"demo-{mode}")
    arguments = ["demo", "--auto", "--mode", mode, "--listen", "127.0.0.1:0", "--summary", folder + "/summary.json"]
    if options.data:
        arguments += ["--data", options.data]
    begun = time.monotonic()
    with open(folder + "/screen.txt", "w") as screen:
        process = subprocess.Popen([program("sluice"), *arguments], stdout=screen, stderr=screen, cwd=PROJECT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    with open(folder + "/screen.txt") as screen:
        expect_equal(process.returncode, 0, f"exit of sluice demo ({screen.read()[-800:]})")
    with open(folder + "/summary.json") as f:
        summary = json.load(f)
    return {"mode": mode, "seconds": time.monotonic() - begun, "user": usage.ru_utime, "system": usage.ru_stime,
            "peak_bytes": usage.ru_maxrss * 1024, "played": summary["seconds"], "summary": summary}


def loop(options):
    with Rig() as rig:
        runs = [demo(options, rig, mode) for mode in ("observe", "act")]
    first = runs[0]["summary"]
    where = "the public pipeline" if options.data else "a pipeline that was made up"
    show(f"(b) {where}: {first['opportunities']:,} deals in {first['opportunity_versions']:,} versions, {first['business_days']} business days",
         ["mode", "days played s", "whole run s", "CPU s", "peak", "versions/s", "ledger entries"],
         [[r["mode"], r["played"], r["seconds"], f"{r['user']:.0f} + {r['system']:.0f}", f"{r['peak_bytes'] / 1e6:.0f} MB",
           first["opportunity_versions"] / max(r["played"], 1), r["summary"]["ledger"]["size"]] for r in runs],
         ["The whole run verifies the ledger and recomputes every decision too. CPU is user + system, without the world."])
    return runs


def figures(*command):
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=600, cwd=PROJECT)
    expect_equal(done.returncode, 0, f"exit of {command[0]} ({done.stderr[-800:]})")
    return json.loads(done.stdout)


def workers(options):
    c = figures("Tests/WorkerTests/bench.py", options.c_build)
    plugins = figures("Tests/PluginTests/bench.py", options.c_build)
    named = [("C (counter)", c["worker"]), ("C (counter), own network namespace", c["worker_netns"]),
             *((name, found) for name, found in plugins.items() if isinstance(found, dict))]
    show("(c) Spawn to ready, and memory when idle",
         ["plugin", "p50 ms", "p99 ms", "to configured p50 ms", "p99 ms", "resident", "private", "library"],
         [[name, found["spawn_to_ready_ms_p50"], found["spawn_to_ready_ms_p99"], found.get("spawn_to_configured_ms_p50", "-"), found.get("spawn_to_configured_ms_p99", "-"),
           f"{found['rss_kib'] / 1024:.2f} MB", f"{found['private_kib'] / 1024:.2f} MB", f"{found['library_bytes'] / 1e6:.2f} MB" if "library_bytes" in found else "-"] for name, found in named],
         ["200 spawns each; tides is the same connector in four languages, configured with its factory created.",
          "The host side is Python, whose fork is part of the figure. Aim for C: at most 3 ms and 2 MB; of all: p99 below 50 ms."])
    return {"c": c, "plugins": plugins}
