"""What the ABI promises over versions and extensions. Each docstring is the sentence that is printed."""
import json

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
