"""What SluiceKit does at the border, and the guide's listings. Each docstring is the sentence that is printed."""
import hashlib
import re
import subprocess

from fake_crm import *
from plugin_host import *
from source_tests import source


ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def guide(start, name, config):
    worker = start(f"guide/{name}.so")
    worker.__class__ = PluginWorker
    return worker, worker.configured(config)


def test_hello(start):
    """the guide's C connector says hello once"""
    worker, configured = guide(start, "hello", "{}")
    with worker as w:
        run = w.run(PULL, name="greetings")
        assert configured["status"] == run.status == 0 and [r[0] for r in run.records] == ["hello"]
        assert run.checkpoints[0][1] == 19724 * 86400000
        assert not w.run(PULL, name="greetings", state=run.checkpoints[0][0], operation=3).records


def test_cpp(start):
    """the guide's C++ connector says its greeting once, and an exception of it is a bug with a reason"""
    worker, configured = guide(start, "hello-cpp", '{"greeting":"oh hello"}')
    with worker as w:
        run = w.run(PULL, name="greetings")
        assert configured["status"] == run.status == 0 and [(r[0], r[5]) for r in run.records] == [(" hello", b'{"say":"oh hello"}')], run.result
        assert not w.run(PULL, name="greetings", state=b"said", operation=3).records
    with guide(start, "hello-cpp", '{"greeting":"o"}')[0] as w:
        run = w.run(PULL, name="greetings")
        assert (run.status, run.code) == (BUG, "hello.exception"), run.result
    path = os.path.join(start.build, "guide/hello-cpp.so")
    shown = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=True).stdout
    assert [line.split()[-1] for line in shown.splitlines()] == ["sluice_plugin_entry"], shown


def test_migrate(start):
    """a Swift source writes old states anew through its protocol, hands over none of another stream, and has no webhooks"""
    worker = start("tests/migrating.so")
    worker.__class__ = PluginWorker
    with worker as w:
        assert w.configured()["status"] == 0
        for version, status, code, states in ((1, 0, "", [b"v2:s"]), (2, 0, "", [b"s"]), (3, BUG, "plugin.host_call", []),
                                              (9, PERMANENT, "migrating.newer", [])):
            run = w.run(MIGRATE, name="things", state=b"s", version=version, operation=2 + version)
            assert (run.status, run.code, [c[0] for c in run.checkpoints]) == (status, code, states), run.result
        run = w.run(RECEIVE, name="d", operation=20)
        assert (run.status, run.code) == (UNSUPPORTED, "plugin.no_webhooks"), run.result


def test_guide(start):
    """the guide's listings of the examples stand there as they are printed"""
    with open(os.path.join(ROOT, "docs/guides/write-a-connector.md")) as f:
        text = f.read()
    wanted = {"c": [None, "tickets-c/tickets.c"], "swift": ["tides-swift/Tides.swift", "tickets-swift/Tickets.swift"],
              "rust": ["tides-rust/src/lib.rs", "tickets-rust/src/lib.rs"]}
    for language, paths in wanted.items():
        blocks = re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)
        assert len(blocks) == len(paths), f"the guide has {len(blocks)} listings in {language}"
        for block, path in zip(blocks, paths):
            if path is None:
                continue  # built and run: test_hello
            with open(os.path.join(ROOT, "Plugins/examples", path)) as f:
                assert block in f.read(), f"the guide's {language} is not what {path} holds"


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
    for name in ("plugins/crm-source.so", "plugins/crm-executor.so", "plugins/stripe.so"):
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
