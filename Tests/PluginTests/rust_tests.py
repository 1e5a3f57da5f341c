"""What the Rust crate does at the border. Each docstring is the sentence that is printed."""
import re
import subprocess

from plugin_host import *

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def panics(start, place):
    if not os.path.exists(os.path.join(start.build, "rust/panics.so")):
        raise needs("cargo")
    worker = start("rust/panics.so")
    worker.__class__ = PluginWorker
    return worker, worker.configured(f'{{"where":"{place}"}}')


def test_panics(start):
    """a panic in any function of a Rust source is a bug with a reason; the worker lives, and does not use the source again"""
    worker, configured = panics(start, "create")
    with worker:
        assert (configured["status"], configured["code"]) == (BUG, "plugin.panic"), configured
    for place, kind in (("check", CHECK), ("discover", DISCOVER), ("pull", PULL), ("receive", RECEIVE), ("migrate", MIGRATE)):
        worker, configured = panics(start, place)
        with worker as w:
            assert configured["status"] == 0, configured
            run = w.run(kind, name="readings", state=b"1")
            assert (run.status, run.code) == (BUG, "plugin.panic"), run.result
            assert re.fullmatch(r"The plugin panicked at \S*panics\.rs:\d+(: .*)?\.", run.message), run.result
            assert len(run.records) == (1 if kind == PULL else 0)
            run = w.run(CHECK, operation=3)
            assert (run.status, run.code) == (BUG, "plugin.panicked"), run.result
            w.send(SHUTDOWN)
            assert w.end() == 0
    with panics(start, "destroy")[0] as w:
        assert w.run(CHECK).status == 0
        w.send(SHUTDOWN)
        assert w.end() == 0


def test_executor_panics(start):
    """a panic in execute is a bug with a reason, as an error class that the host weighs against what it saw leave"""
    if not os.path.exists(os.path.join(start.build, "rust/refuser.so")):
        raise needs("cargo")
    worker = start("rust/refuser.so")
    worker.__class__, worker.factory = PluginWorker, "sluice.executor/1"
    with worker as w:
        assert w.configured("{}")["status"] == 0
        run = w.run(EXECUTE, name="open", key="k", body=b'{"say":"panic"}')
        assert (run.status, run.outcome, run.code) == (BUG, 0, "plugin.panic"), run.result
        assert re.fullmatch(r"The plugin panicked at \S*refuser\.rs:\d+: as it was told\.", run.message), run.result
        run = w.run(EXECUTE, name="open", key="k", body=b'{"say":"no"}', operation=3)
        assert (run.status, run.code) == (BUG, "plugin.panicked"), run.result


def test_executor_without_dry_run(start):
    """an executor in Rust that has no dry run says so, as the one answer that is allowed there"""
    if not os.path.exists(os.path.join(start.build, "rust/refuser.so")):
        raise needs("cargo")
    worker = start("rust/refuser.so")
    worker.__class__, worker.factory = PluginWorker, "sluice.executor/1"
    with worker as w:
        assert w.configured("{}")["status"] == 0
        assert w.run(DRY_RUN, name="open", key="k", body=b"{}").status == UNSUPPORTED


def test_migrate(start):
    """a Rust source writes an old state anew through the trait"""
    with panics(start, "nowhere")[0] as w:
        run = w.run(MIGRATE, name="readings", state=b"old")
        assert run.status == 0 and [c[0] for c in run.checkpoints] == [b"old"], run.result


def test_crate(start):
    """the crate's own tests pass, with JSON that was changed at random"""
    if not os.path.exists(os.path.join(start.build, "rust/tests")):
        raise needs("cargo")
    run = subprocess.run([os.path.join(start.build, "rust/tests")], capture_output=True, text=True)
    assert run.returncode == 0 and re.search(r"[1-9]\d* passed; 0 failed", run.stdout), run.stdout + run.stderr


def test_tables(start):
    """the crate's structs and constants are those of the frozen headers, field by field"""
    with open(os.path.join(ROOT, "docs/abi-1.0.txt")) as f:
        frozen = f.read()
    with open(os.path.join(ROOT, "Sources/Plugin/sluice-rs/src/abi.rs")) as f:
        ours = f.read()
    kinds = {"u32": "uint32_t", "u64": "uint64_t", "u16": "uint16_t", "i64": "int64_t", "Slice": "sluice_slice_t", "*mut c_void": "void *",
             "*const u8": "const void *", "*const Pair": "const sluice_pair_t *"}
    with open(os.path.join(ROOT, "Sources/Plugin/VERSION")) as f, open(os.path.join(ROOT, "Sources/Plugin/sluice-rs/Cargo.toml")) as crate:
        assert f'version = "{f.read().strip()}"' in crate.read(), "the crate has another version than the SDK"
    known = 0
    for name, body in re.findall(r"pub struct (?:Raw)?(\w+) \{(.*?)\n\}", ours, re.S):
        c_name = "sluice_" + re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
        rows = re.search(rf"struct {c_name}, .*\n((?: .*\n)+)", frozen)[1]
        wanted = re.findall(r"^ +\d+ +\d+  (\w+)  (.*)$", rows, re.M)
        found = re.findall(r"pub (\w+): (.*),", body)
        assert [f for f, _ in found] == [f for f, _ in wanted], c_name
        for (field, rust), (_, c) in zip(found, wanted):
            if "fn(" in rust:
                assert rust.split("fn(")[1].split(")")[0].count(",") == c.split(" (")[1].count(","), (c_name, field)
            else:
                assert kinds[rust] == c, (c_name, field)
        known += 1
    assert known == len(re.findall(r"^struct ", frozen, re.M))
    for name, value in re.findall(r"pub const (E_\w+|OK): Status = (-?\d+);", ours):
        assert f"SLUICE_{name} {value}\n" in frozen, name
