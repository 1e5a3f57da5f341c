"""Plugins that attack, in the real host: each is ended and named, its neighbour goes on, and what it leaks is no secret."""
import base64
import hashlib
import http.server
import threading
import urllib.parse

from rig import *
from secret_tests import CANARY, findings

MANIFEST = """sluice: 1
name: hostile
version: 1.0.0
summary: Attacks.
kind: source
library: {{file: hostile.so, sha256: {sha256}, abi: 1}}
endpoints:
  api: {{base: "https://api.example.com"}}
  second: {{base: "https://second.example.com"}}
slots:
  main: {{scheme: bearer, endpoint: api}}
  other: {{scheme: bearer, endpoint: second}}
requests:
  - {{id: echo, endpoint: api, method: GET, path: /echo, slot: main, effect: read}}
  - {{id: items, endpoint: api, method: GET, path: /items, slot: main, effect: read}}
  - {{id: add, endpoint: api, method: POST, path: /items, slot: main, effect: write}}
streams:
  - {{name: attacks, delivery: replayable}}
schedule: {{interval_ms: 60000}}
limits: {{operation_timeout_ms: 1500, grace_ms: 200, record_bytes_max: 65536, memory_bytes: 268435456}}
config:
  type: object
  additionalProperties: false
  properties:
    attack: {{type: string}}
    canary: {{type: string}}
"""

# attack → what the instance's state says of it, or None where the attack is refused and the operation ends well.
ATTACKS = {
    "segfault": "signal 11", "abort": "signal 6", "exit": "ended", "busy": "deadline", "hang": "deadline", "x32_call": "signal", 
    "frame_length_lie": "frame", "frame_unknown_type": "frame", "frame_record_lie": "frame", "frame_truncated": "ended", "frame_garbage": "frame",
    "frame_host_type": "frame", "frame_version_lie": "frame", "undeclared_stream": "does not declare", "flood": "deadline", "wrong_status": "wrong",
    "malformed": None, "oversized": None, "memory_bomb": None, "thread_bomb": None, "undeclared_request": None, "undeclared_host": None, "slot_mismatch": None, "write_in_pull": None,
    "ip_literal": None, "host_header": None, "own_authorization": None, "header_injection": None,
}
REFUSED = ("undeclared_request", "undeclared_host", "slot_mismatch", "write_in_pull", "ip_literal", "host_header", "own_authorization", "header_injection")


class Echo(http.server.BaseHTTPRequestHandler):
    """An upstream that gives the credential back, in the forms in which programs echo it."""
    asked = 0

    def do_GET(self):
        Echo.asked += 1
        given = self.headers.get("Authorization", "")
        secret = given.removeprefix("Bearer ")
        told = "\n".join([given, json.dumps(secret), urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret),
                          base64.b64encode(secret.encode()).decode(), base64.urlsafe_b64encode(secret.encode()).decode()]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.send_header("X-Echo", given)
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_):
        pass


def fixture(name):
    library = os.path.join(os.environ.get("SLUICE_C_BUILD", os.path.join(PROJECT, ".build", "c")), "tests", name)
    if not os.path.exists(library):
        raise Skip(f"{name} is not built: make c-plugins")
    return library


def ready(rig):
    host = rig.host()
    host.start()
    host.ask("tenant.create")
    folder = rig.path("plugins")
    library = fixture("hostile.so")
    shutil.copy(library, folder)
    with open(library, "rb") as f, open(os.path.join(folder, "hostile.yaml"), "w") as manifest:
        manifest.write(MANIFEST.format(sha256=hashlib.sha256(f.read()).hexdigest()))
    return host, folder


def enable(host, folder, attack, endpoints=None, **config):
    host.ask("secret.set", instance=attack, slot="main", value=CANARY)
    host.ask("connector.enable", name=os.path.join(folder, "hostile.yaml"), instance=attack, config={"attack": attack, **config},
             endpoints=endpoints or {}, allow_private=bool(endpoints))


def states(host):
    return {row["instance"]: row["state"] for row in host.ask("connector.list")}


def ended(host, instance, ending=None):
    return host.metric("sluice_operations_total", instance=f"demo/{instance}", **({"ending": ending} if ending else {}))


def test_every_attack_is_named(rig):
    """two dozen hostile plugins at once: each is ended or refused by name, and the neighbour between them brings all its records"""
    host, folder = ready(rig)
    for attack in ATTACKS:
        enable(host, folder, attack)
    host.ask("connector.enable", name="counter", instance="neighbour", config={"records": 5000})
    wait_for(lambda: host.metric("sluice_records_total", instance="demo/neighbour") == 5000, lambda: f"the neighbour's records: {states(host)}", 60)
    for attack, words in ATTACKS.items():
        if words is None:
            wait_for(lambda: ended(host, attack, "ok") >= 1, lambda: f"{attack} ends well: {states(host)[attack]}", 30)
        else:
            wait_for(lambda: ended(host, attack) >= 1 and words in states(host)[attack].lower(), lambda: f"{attack} is named by {words!r}: {states(host)[attack]}", 30)
    for attack in REFUSED:
        expect(host.metric("sluice_requests_refused_total", instance=f"demo/{attack}") >= 1, f"the refusal of {attack} is not counted")
        expect(attack in host.log_text() or f'"instance":"{attack}"' in host.log_text(), f"the refusal of {attack} is not logged")
    expect_equal(host.metric("sluice_requests_total"), 0, "requests that left")
    expect(host.alive(), "the host died")
    return f"{len(ATTACKS)} attacks"


def peak_bytes(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM:"))


def test_checkpoints_are_bounded(rig):
    """a source that hands the largest checkpoints over without end waits for those before, and takes no more of the host's memory than one is worth many times over"""
    host, folder = ready(rig)
    enable(host, folder, "malformed")
    wait_for(lambda: ended(host, "malformed", "ok") >= 1, "a first operation", 30)
    before = peak_bytes(host.process.pid)
    manifest = os.path.join(folder, "hostile.yaml")
    with open(manifest) as f:
        patient = f.read().replace("operation_timeout_ms: 1500", "operation_timeout_ms: 6000")
    with open(manifest, "w") as f:
        f.write(patient)
    enable(host, folder, "checkpoint_flood")
    wait_for(lambda: ended(host, "checkpoint_flood") >= 1, lambda: f"it ends: {states(host)['checkpoint_flood']}", 60)
    grown = peak_bytes(host.process.pid) - before
    # The records themselves, and what applying a group of them takes, are most of it.
    expect(grown < 120 << 20, f"the host grew by {grown >> 20} MB")
    expect("deadline" in states(host)["checkpoint_flood"], f"how it ended: {states(host)['checkpoint_flood']}")
    return f"grew by {grown >> 20} MB, {host.head()} entries"


def test_leaks_are_scrubbed_or_found(rig):
    """an upstream that echoes the credential in every form gives a leaking plugin nothing; and the search finds what such a plugin does know"""
    host, folder = ready(rig)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rig.closing.append(server.shutdown)
    Echo.asked = 0
    enable(host, folder, "leak_secret", endpoints={"api": f"http://127.0.0.1:{server.server_port}"})
    wait_for(lambda: host.metric("sluice_records_total", instance="demo/leak_secret") >= 1, lambda: f"it leaks what it got: {states(host)}")
    expect(Echo.asked >= 1 and "hostile.leak" in host.log_text(), "nothing was echoed: the test tells nothing")
    host.ask("ledger.publish")
    expect_equal(findings(rig.folder, [CANARY]), [], "files that hold the secret")
    told = "what-a-careless-plugin-knows/7Qw+x"
    enable(host, folder, "leak_config", canary=told)
    wait_for(lambda: host.metric("sluice_records_total", instance="demo/leak_config") >= 1, lambda: f"it leaks: {states(host)}")
    found = findings(rig.folder, [told])
    expect(any(name.endswith("host.log") for name in found), f"the search does not find what a plugin logged: {found}")


ADDED = {"egress.reserved_header": 3, "egress.undeclared_header": 1, "egress.undeclared_query": 1, "egress.outside_permit": 1}


def test_lying_executor(rig):
    """an executor that adds headers, a query or a key of its own to a permitted write sends nothing; and one that lies about what became of a write is not believed"""
    library = fixture("hostile-executor.so")
    scenario = rig.scenario(mode="act", world=("--seed", Settings.seed, "--opportunities", 80, "--days", 3))
    path, manifest = os.path.join(scenario.plugins, "crm-executor.so"), os.path.join(scenario.plugins, "crm-actions.yaml")
    with open(path, "rb") as honest, open(library, "rb") as liar, open(manifest) as f:
        text = f.read().replace(hashlib.sha256(honest.read()).hexdigest(), hashlib.sha256(liar.read()).hexdigest())
    shutil.copy(library, path)
    with open(manifest, "w") as f:
        f.write(text)
    scenario.start()
    scenario.process_day()
    host = scenario.host
    seen = {o: host.metric("sluice_effects_total", outcome=o) for o in ("done", "unknown", "not_started", "rejected")}
    expect(seen["unknown"] >= 8 and seen["done"] >= 3 and seen["rejected"] == 0, f"outcomes of lies: {seen}")
    tries = host.metric("sluice_operations_total", kind="execute", instance="demo/crm-actions")
    expect(tries >= 8, f"executions: {tries}")
    for code, times in ADDED.items():
        expect_equal(host.metric("sluice_requests_refused_total", instance="demo/crm-actions", reason=code), tries * times, f"refusals by {code}")
    expect("got_through" not in host.log_text() and "got_through" not in json.dumps(host.permits()), "an addition got through")
    expect_equal([r["reason"] for r in host.permits().values() if "made-up" in json.dumps(r)], [], "receipts that hold what was made up")
    scenario.world.close_day()
    scenario.run()
    scenario.catch_up()
    scenario.check_sound()
    scenario.check_effects()
    return f"{seen}"
