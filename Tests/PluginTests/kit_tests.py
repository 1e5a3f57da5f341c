"""What SluiceKit does at the border, and the guide's listings. Each docstring is the sentence that is printed."""
import hashlib
import json
import re
import subprocess

from fake_crm import *
from plugin_host import *
from source_tests import source


def guide(start, name, config):
    worker = start(f"guide/{name}.so")
    worker.__class__ = PluginWorker
    return worker, worker.configured(config)


def gauge(count):
    """A tide gauge with `count` readings."""
    def answer(request):
        assert request.path == "/v1/stations/dover/readings" and (request.endpoint, request.slot) == ("tides", "api")
        after, limit = (int(part.split("=")[1]) for part in request.query.split("&"))
        found = [{"at": 1489000000000 + i, "id": i, "level": 1.5} for i in range(after + 1, count + 1)][:limit]
        return 200, {}, text(found)
    return answer


def test_tides(start):
    """the guide's Swift connector reads everything once, and goes on from its checkpoint"""
    worker, configured = guide(start, "tides", '{"station":"dover"}')
    with worker as w:
        assert configured["status"] == 0, configured
        run = w.run(PULL, gauge(250), name="readings")
        assert run.status == 0 and [r[0] for r in run.records] == [str(i) for i in range(1, 251)], run.result
        assert [c[0] for c in run.checkpoints] == [b"100", b"200", b"250"] and run.records[6][2] == 1489000000007
        assert run.records[0][5] == b'{"at":1489000000001,"id":1,"level":1.5}'
        rest = w.run(PULL, gauge(251), name="readings", state=b"200", operation=3)
        assert [r[0] for r in rest.records] == [str(i) for i in range(201, 252)]


def test_tides_faults(start):
    """what the guide's connector does not handle, the kit turns into the right class with a reason"""
    wanted = [(lambda r: (200, {}, b"<html>"), TRANSIENT, "plugin.unreadable"), (always(401), AUTH, "tides.unauthorized"),
              (always(429, retry_after="5"), RATE_LIMITED, "tides.rate_limited"), (always(503), TRANSIENT, "tides.unavailable")]
    with guide(start, "tides", '{"station":"dover"}')[0] as w:
        for i, (upstream, kind, code) in enumerate(wanted):
            run = w.run(PULL, upstream, name="readings", operation=10 + i)
            assert (run.status, run.code) == (kind, code) and run.message.endswith("."), run.result
        run = w.run(RECEIVE, name="m", body=b"{}", operation=20)
        assert (run.status, run.code) == (PERMANENT, "plugin.no_webhooks"), run.result
    worker, configured = guide(start, "tides", "{}")
    with worker:
        assert (configured["status"], configured["message"]) == (CONFIG, "`station` is missing."), configured


def test_hello(start):
    """the guide's C connector says hello once"""
    worker, configured = guide(start, "hello", "{}")
    with worker as w:
        run = w.run(PULL, name="greetings")
        assert configured["status"] == run.status == 0 and [r[0] for r in run.records] == ["hello"]
        assert not w.run(PULL, name="greetings", state=run.checkpoints[0][0], operation=3).records


def test_many(start):
    """pages larger than what the kit emits at once arrive whole, and wait for credit"""
    crm = FakeCRM()
    for i in range(1201):
        crm.put("accounts", f"a{i:04}", name="x" * 300)
    with source(start, '{"page_size":500}') as w:
        run = w.run(PULL, crm, name="accounts")
        assert run.status == 0 and [r[0] for r in run.records] == sorted(crm.streams["accounts"]) and len(run.requests) == 3


def test_destroy(start):
    """an instance is destroyed in order when the host shuts the worker down"""
    with source(start) as w:
        assert w.run(PULL, FakeCRM(), name="accounts").status == 0
        w.send(SHUTDOWN)
        assert w.end() == 0


def test_exports(start):
    """a Swift plugin shows one symbol and needs nothing of a Swift installation"""
    for name in ("plugins/crm-source.so", "plugins/crm-executor.so", "plugins/stripe.so", "guide/tides.so"):
        path = os.path.join(start.build, name)
        shown = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=True).stdout
        assert [line.split()[-1] for line in shown.splitlines()] == ["sluice_plugin_entry"], shown
        needed = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True).stdout
        assert "swift" not in needed.lower() and "RUNPATH" not in needed, needed


def test_manifests(start):
    """a built manifest carries its library's SHA-256"""
    for name, library in (("crm-actions", "crm-executor.so"), ("counter", "counter.so")):
        folder = os.path.join(start.build, "plugins")
        with open(os.path.join(folder, library), "rb") as f:
            digest = hashlib.sha256(f.read()).hexdigest()
        with open(os.path.join(folder, f"{name}.yaml")) as f:
            assert re.findall(r"^  sha256: (\w+)$", f.read(), re.M) == [digest]
