"""Plays the host: spawns a worker on a socketpair, speaks frames (docs/frames.md), judges what comes back."""
import os
import select
import signal
import socket
import struct
import subprocess
import time

READY, LOAD_FAILED, EMIT, CHECKPOINT, WAIT_DURABLE, HTTP_OPEN, HTTP_READ, HTTP_CLOSE = range(1, 9)
LOG, CLOCK, RANDOM, RATE_HINT, RESULT, PONG = range(9, 15)
(CONFIGURE, START, CREDIT, DURABLE, HTTP_HEAD, HTTP_BODY, HTTP_ERROR, CLOCK_REPLY, RANDOM_REPLY, CANCEL, PING,
 SHUTDOWN) = range(32, 44)
CHECK, DISCOVER, PULL, RECEIVE, EXECUTE, PROBE, DRY_RUN, MIGRATE = range(1, 9)
STEPS = ["", "arguments", "parent_death", "rlimits", "identity", "namespaces", "landlock", "seccomp_load", "open_file",
         "note", "dlopen", "symbol", "entry", "abi", "seccomp_run"]
PROTECTIONS = ["parent_death", "not_dumpable", "close_range", "rlimits", "no_new_privs", "own_uid", "no_capabilities",
               "user_namespace", "network_namespace", "landlock_files", "landlock_network", "landlock_scope",
               "seccomp_load", "seccomp_run", "thread_limit"]
FRAME_MAX = 1 << 20
CANCELLED, DENIED, TOO_LARGE, INVALID, STATE, UNSUPPORTED = range(-16, -22, -1)


class Refused(Exception):
    """The worker's bytes were not a frame."""


class Gone(Exception):
    """The worker closed the channel."""


def field(value):
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<I", len(data)) + data


def pairs(items):
    raw = b"".join(struct.pack("<HI", len(n), len(v)) + n.encode() + v.encode() for n, v in items)
    return struct.pack("<I", len(items)) + field(raw)


def names(items):
    raw = b"".join(struct.pack("<H", len(n)) + n.encode() for n in items)
    return struct.pack("<I", len(items)) + field(raw)


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, layout):
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values if len(values) > 1 else values[0]

    def field(self):
        size = self.take("I")
        self.at += size
        if self.at > len(self.data):
            raise Refused("a field goes beyond the payload")
        return self.data[self.at - size:self.at]


def records(payload):
    """Splits an EMIT payload into (stream, [(key, op, time, ordinal, version, payload)])."""
    cursor = Cursor(payload)
    layout, zero, count = cursor.take("HHI")
    stream, found = cursor.field().decode(), []
    for _ in range(count):
        size, op, _, key_len, version_len, _, body_len, when, ordinal = cursor.take("IBBHHHIqQ")
        if size != 32 + key_len + version_len + body_len or cursor.at + size - 32 > len(payload):
            raise Refused("a record's length lies")
        parts = []
        for part in (key_len, version_len, body_len):
            parts.append(payload[cursor.at:cursor.at + part])
            cursor.at += part
        found.append((parts[0].decode(), op, when, ordinal, parts[1], parts[2]))
    if layout != 1 or zero != 0 or cursor.at != len(payload):
        raise Refused("an EMIT with bytes left over")
    return stream, found


class Worker:
    """One worker process. `identity` is a list of options such as ["--uid", "20001", "--gid", "20001"]."""

    def __init__(self, build, plugin, options=(), wrapper=(), parent=None):
        self.channel, theirs = socket.socketpair()
        self.buffer, self.frames = b"", []
        fd = theirs.fileno()
        read_end, write_end = os.pipe()
        command = [*wrapper, os.path.join(build, "sluice-worker"), "--parent", str(parent or os.getpid()), *options, plugin]
        shift = lambda: (os.dup2(fd, 3), os.set_inheritable(3, True))
        self.started = time.perf_counter()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=write_end,
                                        env={}, preexec_fn=shift, pass_fds=(3, fd), close_fds=True)
        theirs.close()
        os.close(write_end)
        self.stderr = read_end

    def send(self, kind, payload=b"", operation=0, call=0, flags=0):
        try:
            self.channel.sendall(struct.pack("<IBBHII", len(payload), 1, kind, flags, operation, call) + payload)
        except BrokenPipeError:
            pass  # what the worker said before it ended is still to be read

    def next(self, timeout=5.0):
        """The next frame as (type, operation, call, payload). TimeoutError, Gone or Refused."""
        end = time.monotonic() + timeout
        while True:
            if len(self.buffer) >= 16:
                size, version, kind, flags, operation, call = struct.unpack_from("<IBBHII", self.buffer)
                if version != 1 or not READY <= kind <= PONG or flags or size > FRAME_MAX - 16:
                    raise Refused(f"header {self.buffer[:16].hex()}")
                if len(self.buffer) >= 16 + size:
                    payload, self.buffer = self.buffer[16:16 + size], self.buffer[16 + size:]
                    return kind, operation, call, payload
            if not select.select([self.channel], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError
            try:
                data = self.channel.recv(1 << 18)
            except ConnectionResetError:
                data = b""
            if not data:
                raise Gone
            self.buffer += data

    def ready(self):
        kind, _, _, payload = self.next()
        if kind == LOAD_FAILED:
            cursor = Cursor(payload)
            step, error = cursor.take("Ii")
            return {"step": STEPS[step], "errno": error, "text": cursor.field().decode()}
        major, minor, active, missing, landlock, load_us = Cursor(payload).take("HHIIII")
        named = lambda bits: [n for i, n in enumerate(PROTECTIONS) if bits >> i & 1]
        return {"abi": (major, minor), "active": named(active), "missing": named(missing), "load_us": load_us}

    def configure(self, config, extensions=(), record_max=65536, batch=(64, 65536)):
        self.send(CONFIGURE, struct.pack("<III", record_max, *batch) + field("sluice.source/1") + field("") +
                  field(config) + names(extensions), operation=1)
        return self.result()

    def start(self, kind, operation=2, name="", state=b"", version=1, deadline_ms=0, body=b""):
        self.send(START, struct.pack("<IIQq", kind, version, deadline_ms, 0) + field(name) + field("") + field("") +
                  field("") + field("") + field(state) + field(body) + pairs([]), operation=operation)

    def credit(self, count, size, operation=2):
        self.send(CREDIT, struct.pack("<II", count, size), operation=operation)

    def result(self, timeout=5.0):
        """Waits for RESULT; keeps what comes before it in self.frames."""
        while True:
            frame = self.next(timeout)
            if frame[0] == RESULT:
                return parse_result(frame[3])
            self.frames.append(frame)

    def pull(self, state=b"", operation=2, credit=True, window=(1 << 20, 1 << 30), deadline_ms=0, stream="counters",
             answer=None, timeout=5.0):
        """Runs a pull to its end. Returns (result, records, last checkpoint's state)."""
        self.start(PULL, operation, stream, state, deadline_ms=deadline_ms)
        if credit:
            self.credit(*window, operation=operation)
        found, last = [], None
        while True:
            kind, _, call, payload = self.next(timeout)
            if kind == EMIT:
                batch = records(payload)[1]
                found += batch
                if credit:
                    self.credit(len(batch), len(payload), operation)
            elif kind == CHECKPOINT:
                cursor = Cursor(payload)
                cursor.take("Iq"), cursor.field()
                last = cursor.field()
            elif kind == RESULT:
                return parse_result(payload), found, last
            elif answer is not None:
                answer(self, kind, call, payload)

    def told(self):
        """What the worker said on its pipe so far, by lines."""
        os.set_blocking(self.stderr, False)
        text = b""
        try:
            while part := os.read(self.stderr, 65536):
                text += part
        except BlockingIOError:
            pass
        return text.decode(errors="replace").splitlines()

    def end(self):
        """Waits for the process's end and returns its exit status (negative: signal)."""
        try:
            return self.process.wait(5)
        except subprocess.TimeoutExpired:
            return None

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.channel.close()
        os.close(self.stderr)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def parse_result(payload):
    cursor = Cursor(payload)
    status, outcome, retry, count = cursor.take("iiqQ")
    return {"status": status, "outcome": outcome, "retry_after_ms": retry, "records": count,
            "code": cursor.field().decode(), "message": cursor.field().decode(), "json": cursor.field()}
