"""Plays the host for one plugin: answers its HTTP frames from a fake CRM, and keeps what it says, in order."""
import copy
import os
import re
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "WorkerTests"))
from host import *

HTTP = "sluice.http/1"
CONFIG, AUTH, RATE_LIMITED, TRANSIENT, PERMANENT, BUG = range(-1, -7, -1)
DONE, REJECTED, RETRY_AFTER, UNKNOWN = range(1, 5)
PROBE_DONE, ABSENT, CANNOT_TELL = range(1, 4)
NO_WATERMARK = -(1 << 63)
NOW = 1489017600000  # 2017-03-09, at midnight


class Skipped(Exception):
    """Something that the test needs is not here: raise needs("what")."""


def needs(what):
    return AssertionError(f"{what} is missing, and REQUIRE is set") if os.environ.get("REQUIRE") else Skipped(f"{what} is missing")


class Lost(Exception):
    """The host has no response to give: raise Lost(status, retry_after_ms, message)."""


class Request:
    def __init__(self, payload):
        cursor = Cursor(payload)
        self.handle = cursor.take("I")
        self.endpoint, self.method, self.path, self.query, self.slot, self.key = (
            cursor.field().decode() for _ in range(6))
        count = cursor.take("I")
        raw = Cursor(cursor.field())
        self.headers = {}
        for _ in range(count):
            name, value = raw.take("HI")
            self.headers[raw.data[raw.at:raw.at + name].decode().lower()] = (
                raw.data[raw.at + name:raw.at + name + value].decode())
            raw.at += name + value
        self.body = cursor.field()

    @property
    def line(self):
        return f"{self.method} {self.path}" + (f"?{self.query}" if self.query else "")


def bound(upstream, given, key):
    """The upstream behind a host that puts the permit's key and version into what is sent, and leaves the plugin's request as it was."""
    def send(request):
        sent = copy.copy(request)
        assert sent.key in ("", key), sent.key
        version = given.get("expect_version")
        sent.key, sent.headers = key, {**request.headers, **({"if-match": f'"{version}"'} if version and request.method == "PATCH" else {})}
        return upstream(sent)
    return send


class Run:
    """What one operation said: `events` in order, the rest picked out of them."""

    def __init__(self):
        self.events, self.requests, self.logs, self.result = [], [], [], None
        self.frames = []  # (type, call, payload) of everything the worker said

    @property
    def records(self):
        return [r for e in self.events if e[0] == "emit" for r in e[2]]

    @property
    def checkpoints(self):
        """(state, watermark, how many records came before)"""
        found, count = [], 0
        for event in self.events:
            if event[0] == "emit":
                count += len(event[2])
            else:
                found.append((event[2], event[3], count))
        return found

    def __getattr__(self, name):
        return self.result[name]


class PluginWorker(Worker):
    factory = "sluice.source/1"

    def configured(self, config="{}", extensions=(HTTP,), record_max=262144):
        ready = self.ready()
        assert "abi" in ready, ready
        self.send(CONFIGURE, struct.pack("<III", record_max, 256, 1 << 18) + field(self.factory) + field("") +
                  field(config) + names(extensions), operation=1)
        return self.result()

    def begin(self, kind, name="", state=b"", key="", body=b"", version=1, operation=2):
        self.send(START, struct.pack("<IIQq", kind, version, 0, 1489000000000) + field(name) + field(key) + field("POST") +
                  field("") + field("") + field(state) + field(body) + pairs([]), operation=operation)
        self.credit(1 << 20, 1 << 30, operation)

    def run(self, kind, upstream=None, timeout=10.0, **start):
        """Runs one operation to its end. `upstream(request)` gives (status, headers, body) or raises Lost."""
        run, bodies, operation = Run(), {}, start.get("operation", 2)
        self.begin(kind, **start)
        while run.result is None:
            frame, _, call, payload = self.next(timeout)
            run.frames.append((frame, call, payload))
            if frame == EMIT:
                stream, found = records(payload)
                run.events.append(("emit", stream, found))
                self.credit(len(found), len(payload), operation)
            elif frame == CHECKPOINT:
                cursor = Cursor(payload)
                _, watermark = cursor.take("Iq")
                run.events.append(("checkpoint", cursor.field().decode(), cursor.field(), watermark))
            elif frame == HTTP_OPEN:
                self.respond(run, Request(payload), upstream, bodies, operation, call)
            elif frame == HTTP_READ:
                self.give(bodies, *struct.unpack("<II", payload), operation, call)
            elif frame == CLOCK:
                self.send(CLOCK_REPLY, struct.pack("<q", NOW), operation, call)
            elif frame == LOG:
                cursor = Cursor(payload)
                cursor.take("I")
                run.logs.append(cursor.field().decode())
            elif frame == RESULT:
                run.result = parse_result(payload)
        return run

    def respond(self, run, request, upstream, bodies, operation, call):
        run.requests.append(request)
        try:
            status, headers, body = upstream(request)
        except Lost as lost:
            self.lose(lost, operation, call)
            return
        bodies[request.handle] = body
        self.send(HTTP_HEAD, struct.pack("<II", status, 0) + pairs(sorted(headers.items())), operation, call)

    def give(self, bodies, handle, window, operation, call):
        body = bodies[handle]
        if isinstance(body, Lost):
            self.lose(body, operation, call)
            return
        bodies[handle] = body[window:] if isinstance(body, bytes) else body.rest(window)
        part = body[:window]
        self.send(HTTP_BODY, part, operation, call, flags=0 if len(bodies[handle]) else 1)

    def lose(self, lost, operation, call):
        status, retry_after_ms, message = lost.args
        self.send(HTTP_ERROR, struct.pack("<iq", status, retry_after_ms) + field("egress.test") + field(message), operation,
                  call)


class Zeros:
    """A body that is too large to keep."""

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, part):
        return b" " * min(part.stop, self.size)

    def rest(self, count):
        return Zeros(max(0, self.size - count))


def declared(manifest):
    """The (method, path pattern, effect) of each request of a manifest, read from its entries."""
    line = re.compile(r'^  - \{id: \w+, endpoint: crm, method: (\w+), path: "?([^",]+)"?, slot: api, effect: (\w+)[,}]', re.M)
    with open(manifest) as f:
        return [(m, re.compile(re.sub(r"\{\w+\}", "[^/]+", p) + "$"), e) for m, p, e in line.findall(f.read())]


def guarded(upstream, manifest, writes):
    """Denies what the manifest does not declare, and writes unless `writes`, as the host's egress does."""
    allowed = declared(manifest)

    def answer(request):
        effects = [e for m, p, e in allowed if m == request.method and p.match(request.path)]
        if not effects or (effects[0] != "read" and not writes) or (request.endpoint, request.slot) != ("crm", "api"):
            raise Lost(DENIED, -1, f"not declared: {request.line}")
        return upstream(request)
    return answer
