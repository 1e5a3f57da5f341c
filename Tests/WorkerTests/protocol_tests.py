"""What a worker must say and take. Each docstring is the sentence that is printed."""
import json
import time

from host import *
from workers import *


def test_count(worker):
    """the counter runs to its end with exact records and a last checkpoint"""
    with counter(worker, {"records": 1000, "payload_bytes": 128, "batch": 100}) as w:
        result, found, state = w.pull()
        assert result["status"] == 0 and result["records"] == 1000 and state == b"1000", result
        assert [r[0] for r in found] == [f"c{i}" for i in range(1000)]
        assert all(len(r[5]) == 128 and json.loads(r[5])["index"] == i for i, r in enumerate(found))


def test_resume(worker):
    """a pull resumed from a checkpoint gives exactly the rest, in another worker too"""
    config = {"records": 1000, "batch": 100, "incompressible": True}
    with counter(worker, config) as w:
        _, whole, _ = w.pull()
        result, rest, _ = w.pull(state=b"700", operation=3)
        assert result["records"] == 300 and rest == whole[700:]
    with counter(worker, config) as w:
        assert w.pull(state=b"700")[1] == whole[700:]


def test_credit(worker):
    """emit never exceeds its credit in records or bytes, and loses nothing while it waits"""
    with counter(worker, {"records": 500, "payload_bytes": 1000, "batch": 50}) as w:
        for operation, window in ((2, (7, 1 << 30)), (3, (1 << 20, 5000))):
            w.start(PULL, operation, "counters")
            got, granted = [], 0
            while True:
                w.credit(*window, operation=operation)
                granted += 1
                kind, _, _, payload = w.next()
                while kind == CHECKPOINT:
                    kind, _, _, payload = w.next()
                if kind == RESULT:
                    break
                batch = records(payload)[1]
                got += batch
                assert len(got) <= window[0] * granted
                assert sum(32 + len(r[0]) + len(r[4]) + len(r[5]) for r in got) <= window[1] * granted
            assert [r[0] for r in got] == [f"c{i}" for i in range(500)], len(got)


def test_batch(worker):
    """records travel in batches of 64, and a checkpoint flushes a half batch first"""
    with counter(worker, {"records": 100, "batch": 100}) as w:
        w.start(PULL, 2, "counters")
        w.credit(1000, 1 << 20)
        kinds = []
        while True:
            kind, _, _, payload = w.next()
            kinds.append((kind, len(records(payload)[1]) if kind == EMIT else 0))
            if kind == RESULT:
                break
        assert kinds == [(EMIT, 64), (EMIT, 36), (CHECKPOINT, 0), (RESULT, 0)], kinds


def test_cancel(worker):
    """cancelling a blocked emit ends the operation at once, and the worker serves the next one"""
    with counter(worker, {"records": 1000}) as w:
        w.start(PULL, 2, "counters")
        w.credit(10, 1 << 20)
        assert w.next()[0] == EMIT
        started = time.monotonic()
        w.send(CANCEL, struct.pack("<I", 1000), operation=2)
        result = w.result()
        assert result["status"] == CANCELLED and result["records"] == 10, result
        assert time.monotonic() - started < 0.5
        assert w.pull(operation=3)[0]["records"] == 1000


def test_deadline(worker):
    """a blocked emit past its deadline answers cancelled"""
    with counter(worker, {"records": 1000}) as w:
        started = time.monotonic()
        result, _, _ = w.pull(credit=False, deadline_ms=150)
        assert result["status"] == CANCELLED and 0.1 < time.monotonic() - started < 1.5, result


def test_ping(worker):
    """a ping is answered when idle and while waiting for credit"""
    with counter(worker, {}) as w:
        for blocked in (False, True):
            if blocked:
                w.start(PULL, 2, "counters")
            w.send(PING, struct.pack("<Q", 77))
            kind, _, _, payload = w.next()
            assert kind == PONG and struct.unpack("<Q", payload) == (77,)


def test_operations(worker):
    """check and discover answer with status and result JSON; receive and migrate, which the counter lacks, are unsupported"""
    with counter(worker, {}) as w:
        w.start(CHECK, 2)
        assert w.result()["status"] == 0
        w.start(DISCOVER, 3)
        assert json.loads(w.result()["json"])[0]["stream"] == "counters"
        for kind, code in ((RECEIVE, "plugin.no_webhooks"), (MIGRATE, "plugin.no_migration")):
            w.start(kind, 4, "counters", state=b"7")
            result = w.result()
            assert (result["status"], result["code"]) == (UNSUPPORTED, code), result


def test_bad_config(worker):
    """a configuration that cannot work is refused by create with class config and a sentence"""
    with worker("plugins/counter.so") as w:
        w.ready()
        result = w.configure('{"payload_bytes": 5}')
        assert result["status"] == -1 and "payload_bytes" in result["message"], result


def test_shutdown(worker):
    """shutdown ends the worker with 0, a closed channel with 72, a broken frame with 70"""
    for act, status in ((lambda w: w.send(SHUTDOWN), 0), (lambda w: w.channel.shutdown(2), 72),
                        (lambda w: w.channel.sendall(b"\xff" * 16), 70), (lambda w: w.send(EMIT), 70)):
        with counter(worker, {}) as w:
            act(w)
            assert w.end() == status, (w.end(), status)


def test_frame_lies(worker):
    """a lie on the channel is refused by the decoder, never believed"""
    for lie in ("length_lie", "garbage", "unknown_type", "host_type", "version_lie", "record_lie"):
        with hostile(worker, "frame_" + lie) as w:
            try:
                w.pull()
                raise AssertionError(lie)
            except Refused:
                pass
    with hostile(worker, "frame_truncated") as w:
        try:
            w.pull()
            raise AssertionError("truncated")
        except Gone:
            pass


def test_flood(worker):
    """a flood stops at its credit"""
    with hostile(worker, "flood") as w:
        w.start(PULL, 2, "attacks")
        w.credit(1000, 1 << 20)
        got = 0
        try:
            while True:
                got += len(records(w.next(0.3)[3])[1])
        except TimeoutError:
            assert got == 1000, got
        w.send(CANCEL, struct.pack("<I", 10), operation=2)
        assert w.result()["status"] == CANCELLED


def test_oversized(worker):
    """a record above the limit is a typed error and the stream goes on"""
    with hostile(worker, "oversized") as w:
        result, found, _ = w.pull()
        assert result["status"] == 0 and reports(found)["oversized"]["status"] == "-18", result


def test_wrong_status(worker):
    """an answer outside the list counts as a bug"""
    with hostile(worker, "wrong_status") as w:
        assert w.pull()[0]["status"] == -6


def test_http_absent(worker):
    """an extension that was not granted is absent"""
    with hostile(worker, "undeclared_host") as w:
        assert reports(w.pull()[1])["undeclared_host"] == {"attack": "undeclared_host", "extension": "absent"}


def test_http_denied(worker):
    """the worker passes requests on unjudged, and the host's refusal back as the call's status"""
    wanted = {"undeclared_request": (b"api", b"GET", b"/not/declared", b"main"),
              "undeclared_host": (b"evil.example", b"GET", b"/", b"main"),
              "slot_mismatch": (b"api", b"GET", b"/items", b"other"), "write_in_pull": (b"api", b"POST", b"/items", b"main")}
    for attack, request in wanted.items():
        def answer(w, kind, call, payload):
            if kind == HTTP_OPEN:
                cursor = Cursor(payload)
                cursor.take("I")
                endpoint, method, path, _, slot = (cursor.field() for _ in range(5))
                assert (endpoint, method, path, slot) == request
                w.send(HTTP_ERROR, struct.pack("<iq", -17, -1) + field("egress.denied") + field("not declared"), 2, call)
        with hostile(worker, attack, extensions=[HTTP]) as w:
            assert reports(w.pull(answer=answer)[1])[attack]["status"] == "-17"


def test_http_body(worker):
    """a response arrives whole through bounded windows"""
    parts, seen = [b"a" * 100000, b"b" * 100000, b"c" * 10], []

    def answer(w, kind, call, payload):
        if kind == HTTP_OPEN:
            w.send(HTTP_HEAD, struct.pack("<II", 200, 0) + pairs([("content-type", "text/plain")]), 2, call)
        elif kind == HTTP_READ:
            seen.append(struct.unpack("<II", payload))
            w.send(HTTP_BODY, parts[len(seen) - 1], 2, call, flags=1 if len(seen) == 3 else 0)
    with worker("tests/hostile.so") as w:
        w.ready()
        w.configure('{"attack":"leak_secret"}', [HTTP], record_max=1 << 19)
        w.send(CREDIT, struct.pack("<II", 1, 1), operation=99)  # for an operation that is over: ignored
        result, found, _ = w.pull(answer=answer)
        assert result["status"] == 0 and found[0][5] == b"".join(parts), result
        assert seen == [(1, 262144)] * 3


def test_http_pass_on(worker):
    """what a response gave may be passed to the next call, which waits for credit meanwhile"""
    seen = []

    def answer(w, kind, call, payload):
        if kind == HTTP_OPEN:
            cursor = Cursor(payload)
            cursor.take("I")
            seen.append((cursor.field(), cursor.field(), cursor.field())[2])
            w.send(HTTP_HEAD, struct.pack("<II", 200, 0) + pairs([("link", "/second?page=2"), ("x", "y")]), 2, call)
        elif kind == HTTP_READ:
            w.send(HTTP_BODY, b"[" + b"7" * 5000 + b"]", 2, call, flags=1)
            w.send(PING, struct.pack("<Q", 1))  # moves the worker's buffer before the record is copied
            time.sleep(0.05)
            w.credit(10, 1 << 20)
    with hostile(worker, "follow_link", extensions=[HTTP]) as w:
        result, found, _ = w.pull(answer=answer, window=(0, 0))
        assert result["status"] == 0 and found[0][5] == b"[" + b"7" * 5000 + b"]", result
        assert seen == [b"/first", b"/second?page=2"], seen
