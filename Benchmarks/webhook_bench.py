"""(d) Webhooks a second answered 202 once they are durable, beside a Node server that stores and checks nothing.

One load generator, the same requests, the same connections, in turns. Each run of Sluice is a new data folder; the
records of its deliveries are taken in by a sandboxed worker at the same time, as always.
"""
import base64
import json
import os
import statistics
import subprocess

from rig import Rig, end, expect_equal
from table import ratio, show

SECRET = "whsec_" + base64.b64encode(b"the secret of a benchmark, thirty-two").decode()


def load(options, port, path, count, prefix):
    done = subprocess.run([os.path.join(options.tools, "webhook_load"), str(port), path, str(count), str(options.connections), "60", prefix],
                          input=SECRET + "\n", capture_output=True, text=True, timeout=90)
    expect_equal(done.returncode, 0, f"exit of webhook_load ({done.stderr})")
    found = json.loads(done.stdout)
    expect_equal(found["accepted"], found["answered"], "requests answered 202")
    return found


def sluice(options, rig, number):
    host = rig.host(f"hooks-{number}")
    host.start()
    host.ask("tenant.create")
    host.ask("secret.set", instance="records", slot="webhook", value=SECRET)
    host.ask("connector.enable", name=os.path.join(options.tools, "records.yaml"), instance="records", config={"records": 0})
    path = host.ask("connector.hook", instance="records")["path"]
    load(options, host.port, path, 200, "warm")
    found = load(options, host.port, path, options.deliveries, "msg")
    found["taken_in"] = host.metric("sluice_operations_total", kind="receive", ending="ok")
    kept = host.entry_kinds().get("delivery", 0)
    expect_equal(kept, found["answered"] + 200, "deliveries in the journal")
    end(host.process, 9)
    return found


def node(options):
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "silent_server.js")
    server = subprocess.Popen(["node", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline())
        load(options, port, "/", 200, "warm")
        return load(options, port, "/", options.deliveries, "msg")
    finally:
        end(server)


def run(options):
    ours, theirs = [], []
    with Rig() as rig:
        for number in range(options.runs):
            theirs.append(node(options))
            ours.append(sluice(options, rig, number))
    median = lambda runs, key: statistics.median(r[key] for r in runs)
    entry = lambda name, runs: [name, median(runs, "per_second"), median(runs, "p50_ms"), median(runs, "p99_ms"),
                                ratio(median(ours, "per_second"), median(runs, "per_second"))]
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    show(f"(d) {options.deliveries:,} webhooks of 1 KB, {options.connections} connections, {options.runs} runs, in turns",
         ["answered 202", "per second", "p50 ms", "p99 ms", "sluice / this"],
         [entry("sluice: signature checked, durable", ours), entry(f"node {version}: nothing checked, nothing stored", theirs)],
         [f"While they came, {median(ours, 'taken_in'):.0f} of them were given to the plugin, their records journaled and applied."])
    return {"sluice": ours, "node": theirs}
