"""What the ABI promises over versions and extensions. Each docstring is the sentence that is printed."""
import json
import os
import shutil
import subprocess
import tempfile

from host import *
from workers import *

EXTENSIONS = ["sluice.http/1", "sluice.rate-hint/1"]
FORBIDDEN_IN_MIGRATE = "emit -20 durable -20 clock -20 random -20 result -20 http -20"


def contract(worker, ask="calls", library="tests/contract.so", extensions=EXTENSIONS):
    w = worker(library)
    ready = w.ready()
    assert "abi" in ready, ready
    w.abi = ready["abi"]
    result = w.configure(json.dumps({"ask": ask}), extensions)
    assert result["status"] == 0, result
    return w


def serve(w, kind, call, payload, operation=2):
    """Answers every call of the contract plugin as a host would."""
    answers = {CLOCK: (CLOCK_REPLY, struct.pack("<q", 1700000000000)), RANDOM: (RANDOM_REPLY, b"r" * 16), WAIT_DURABLE: (DURABLE, b""),
               HTTP_OPEN: (HTTP_HEAD, struct.pack("<II", 200, 0) + pairs([("content-type", "application/json")]))}
    if kind in answers:
        w.send(answers[kind][0], answers[kind][1], operation, call)
    elif kind == HTTP_READ:
        w.send(HTTP_BODY, b'{"thing":1}', operation, call, flags=1)


def migrate(w, state=b"seven", version=1, operation=2):
    """Gives (result, [(version, watermark, stream, state)], [log messages])."""
    w.frames = []
    w.start(MIGRATE, operation, "answers", state, version)
    result, found, lines = w.result(), [], []
    for kind, _, _, payload in w.frames:
        cursor = Cursor(payload)
        if kind == CHECKPOINT:
            found.append((*cursor.take("Iq"), cursor.field(), cursor.field()))
        elif kind == LOG:
            cursor.take("I"), cursor.field()
            lines.append(cursor.field().decode())
    return result, found, lines


def test_calls(worker):
    """a library of this minor gets every call of the ABI answered as its header says"""
    with contract(worker) as w:
        check_calls(w)


def check_calls(w):
    result, found, state = w.pull(stream="answers", answer=serve, deadline_ms=60000)
    got = {r[0]: json.loads(r[5]) for r in found}
    wanted = {"clock_wall": 0, "clock_monotonic": 0, "random": 0, "log": 0, "set_result": STATE, "unknown_extension": 0,
              "cancel_requested": 0, "deadline": 1, "http_status": 200, "http_body": {"thing": 1}, "http": 0, "rate_hint": 0,
              "checkpoint": 0, "wait_durable": 0}
    assert (result["status"], got, state) == (0, wanted, b"done"), (result, got, state)


def test_sizes(worker):
    """structs may be longer than the host's; what is shorter than in 1.0, or unclean, is refused and nothing else"""
    with contract(worker, "sizes") as w:
        check_sizes(w)


def check_sizes(w):
    result, found, _ = w.pull(stream="answers")
    assert result["status"] == 0 and result["code"] == "", result
    got = {r[0]: json.loads(r[5]) for r in found}
    assert got == {"longer_first": 1, "longer_second": 1, "record_longer": 0, "record_shorter": INVALID, "record_without_size": INVALID,
                   "checkpoint_shorter": INVALID, "error_unclean": INVALID}, got


def test_arguments(worker):
    """malformed arguments of host calls are INVALID, too long ones TOO_LARGE, and nothing of the call is taken"""
    with contract(worker, "arguments") as w:
        result, found, _ = w.pull(stream="answers", answer=serve)
        got = {r[0]: json.loads(r[5]) for r in found}
        assert result["status"] == 0 and len(got) >= 26 and "fine" not in got, (result, got)
        wrong = {call: status for call, status in got.items() if status != (TOO_LARGE if call.endswith("_4") else INVALID)}
        assert not wrong, wrong


def test_broken_tables(worker):
    """an extension's table that is short, unclean or has an empty slot makes create a bug with words"""
    for name in ("WEBHOOK_SLOT", "WEBHOOK_SIZE", "WEBHOOK_RESERVED"):
        with worker(f"tests/contract_{name}.so") as w:
            assert "abi" in w.ready()
            result = w.configure('{"ask":"calls"}')
            assert (result["status"], result["code"]) == (-6, "plugin.table") and result["message"], result


def test_receive(worker):
    """a source with the webhook extension turns a delivery into records"""
    with contract(worker) as w:
        w.start(RECEIVE, 2, "delivery-1", body=b'{"a":1}')
        w.credit(10, 1 << 20)
        assert w.result()["records"] == 1
        stream, found = records(w.frames[0][3])
        assert stream == "deliveries" and (found[0][0], found[0][5]) == ("delivery-1", b'{"a":1}')


def test_migrate(worker):
    """an old state is handed over anew as the operation's one checkpoint; nothing else may be asked for meanwhile"""
    none = -(1 << 63)
    for ask in ("calls", "twice"):
        with contract(worker, ask) as w:
            result, found, lines = migrate(w)
            assert result["status"] == 0 and lines == [FORBIDDEN_IN_MIGRATE], (result, lines)
            assert found == [(2, none, b"answers", b"v2:seven")], found
            assert migrate(w, b"v2:seven", 2, 3)[1] == [(2, none, b"answers", b"v2:seven")]
            result, found, _ = migrate(w, version=3, operation=4)
            assert (result["status"], result["code"], found) == (-5, "contract.newer", []), result


def test_migrate_faults(worker):
    """a migration that hands over nothing, or another stream's state, changes nothing"""
    for ask, status, code in (("silent", -6, "plugin.no_state"), ("elsewhere", -1, "")):
        with contract(worker, ask) as w:
            result, found, _ = migrate(w)
            assert (result["status"], result["code"], found) == (status, code, []), result


def test_destroy(worker):
    """between operations, a shutdown destroys the instance before the process ends"""
    with contract(worker) as w:
        w.send(SHUTDOWN)
        kind, _, _, payload = w.next()
        cursor = Cursor(payload)
        assert kind == LOG and (cursor.take("I"), cursor.field())[1] == b"contract.destroyed" and w.end() == 0


GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden/abi-1.0")
# What a library of each minor sees of each host: (the host's minor, whether its table reaches a later minor's field).
HOSTS = {"": (0, False), "later": (1, True)}


def on_host(worker, host, library):
    """Starts the worker of this minor, or the one of 1.1 whose structs are longer."""
    folder = os.path.join(worker.build, host)
    return Worker(folder, os.path.join(worker.build, library), worker.options, worker.wrapper)


def behaves(worker, host, library, minor, knows_later):
    """Everything of 1.0 works for this library on this host."""
    for ask, check in (("calls", check_calls), ("sizes", check_sizes)):
        with contract(lambda library: on_host(worker, host, library), ask, library) as w:
            assert w.abi == (1, minor), w.abi
            check(w)
            w.start(DISCOVER, 3)
            seen = json.loads(w.result()["json"])
            host_minor, longer = HOSTS[host]
            assert (seen["major"], seen["minor"]) == (1, host_minor) and seen["later"] == int(knows_later and longer), seen
            assert migrate(w, operation=4)[1][0][3] == b"v2:seven"
            w.start(RECEIVE, 5, "d", body=b"1")
            w.credit(1, 1 << 16, operation=5)
            assert w.result()["records"] == 1
            w.start(CHECK, 6)
            assert w.result()["status"] == 0


def golden(worker):
    """The library as it was built for 1.0, where the worker may read it."""
    if os.uname().machine != "x86_64":
        if os.environ.get("REQUIRE"):
            raise AssertionError("the golden library is for x86_64")
        print(f"      skipped: the golden library is for x86_64, this is {os.uname().machine}")
        return None
    path = os.path.join(worker.build, "tests/golden.so")
    shutil.copy(os.path.join(GOLDEN, "contract-x86_64.so"), path)
    return path


def test_golden(worker):
    """the library built when 1.0 was frozen runs unchanged, on this host and on one of a later minor"""
    library = golden(worker)
    for host in HOSTS if library else ():
        behaves(worker, host, library, 0, False)


def test_golden_source(worker):
    """the golden library is what its source and its build line give, with the compiler that it names"""
    with open(os.path.join(GOLDEN, "build.sh")) as f:
        wanted = f.read()
    here = subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    linker = subprocess.run(["ld", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    if f"# {here}, {linker}\n" not in wanted or os.uname().machine != "x86_64":
        print(f"      skipped: built with another compiler than this one ({here}, {linker})")
        return
    headers = os.path.abspath(os.path.join(GOLDEN, "../../../../Sources/Plugin/CSluicePlugin/include"))
    with tempfile.TemporaryDirectory() as folder:
        built = os.path.join(folder, "contract.so")
        subprocess.run(["sh", os.path.join(GOLDEN, "build.sh"), headers, built], check=True)
        with open(built, "rb") as ours, open(os.path.join(GOLDEN, "contract-x86_64.so"), "rb") as kept:
            assert ours.read() == kept.read()


def test_later_minor(worker):
    """a library of 1.9 runs on this host and on one of 1.1: longer structs are read as far as each knows, and what the host lacks is absent"""
    for host in HOSTS:
        behaves(worker, host, "tests/contract-1.9.so", 9, True)


def test_major(worker):
    """a library of another major is refused before its code runs, with both numbers"""
    for host, minor in (("", 0), ("later", 1)):
        with on_host(worker, host, "tests/contract-2.0.so") as w:
            ready = w.ready()
            assert ready["step"] == "note" and "ABI 2.0" in ready["text"] and f"speaks 1.{minor}" in ready["text"], ready
