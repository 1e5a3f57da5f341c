"""What a worker must do, each as one function whose docstring is the sentence that is printed."""
import json
import os
import signal
import subprocess
import time

from host import *

RATE, HTTP = "sluice.rate-hint/1", "sluice.http/1"
ALLOWED_WHILE_LOADING = {"open_library", "dlopen_late", "mprotect_exec", "another_filter"}
# Not forbidden by EPERM but by something else that is as good.
OTHER_REFUSALS = {"clone3": {"ENOSYS"}, "thread": {"EPERM", "EAGAIN"}}


def identities(build):
    """Yields (name, a function that starts a worker as that user)."""
    def start(options, wrapper):
        def worker(plugin, *more, parent=None):
            path = plugin if plugin.startswith("/") else os.path.join(build, plugin)
            return Worker(build, path, [*options, *more], wrapper, parent)
        worker.build, worker.options, worker.wrapper = build, options, wrapper
        return worker
    if os.geteuid() != 0:
        yield "unprivileged", start([], [])
        return
    yield "root, own uid", start(["--uid", "20001", "--gid", "20001"], [])
    drop = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    yield "uid 65534", start([], drop)
    yield "uid 65534, netns", start(["--netns"], drop)


def all_tests():
    return [f for name, f in globals().items() if name.startswith("test_")]


def counter(worker, config, *options):
    w = worker("plugins/counter.so", *options)
    ready = w.ready()
    assert "abi" in ready, ready
    result = w.configure(json.dumps(config))
    assert result["status"] == 0, result
    return w


def hostile(worker, attack, *options, extensions=()):
    w = worker("tests/hostile.so", *options)
    ready = w.ready()
    assert "abi" in ready, ready
    assert w.configure(json.dumps({"attack": attack}), extensions)["status"] == 0
    return w


def reports(found):
    return {r[0]: json.loads(r[5]) for r in found}


def test_ready(worker):
    """a worker names every protection as active before it is ready"""
    with worker("plugins/counter.so") as w:
        ready = w.ready()
        assert ready["abi"] == (1, 0), ready
        wanted = {"parent_death", "not_dumpable", "close_range", "rlimits", "no_new_privs", "no_capabilities",
                  "landlock_files", "seccomp_load", "seccomp_run", "thread_limit"}
        if "--uid" in worker.options:
            wanted |= {"own_uid"}
        if "--netns" in worker.options:
            wanted |= {"network_namespace", "user_namespace"}
        assert wanted <= set(ready["active"]), ready


def test_kernel_view(worker):
    """the kernel confirms: no capabilities, no_new_privs, two filters, one thread, own uid"""
    with counter(worker, {}) as w:
        with open(f"/proc/{w.process.pid}/status") as f:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2" and status["Seccomp_filters"] == "2", status
        assert all(int(status[c], 16) == 0 for c in ("CapEff", "CapPrm", "CapInh", "CapAmb")), status
        assert status["Threads"] == "1"
        uid = "20001" if "--uid" in worker.options else "65534"
        assert os.geteuid() != 0 or set(status["Uid"].split()) == {uid}, status["Uid"]
        if "--uid" in worker.options:
            assert int(status["CapBnd"], 16) == 0 and status["Groups"].strip() == "", status
        assert set(os.listdir(f"/proc/{w.process.pid}/fd")) == {"0", "1", "2", "3"}


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
    """check, discover and receive answer with status, result JSON and error words"""
    with counter(worker, {}) as w:
        w.start(CHECK, 2)
        assert w.result()["status"] == 0
        w.start(DISCOVER, 3)
        assert json.loads(w.result()["json"])[0]["stream"] == "counters"
        w.start(RECEIVE, 4, "delivery-1")
        result = w.result()
        assert result["status"] == -5 and result["code"] == "counter.no_webhooks", result


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


def test_parent_death(worker):
    """the worker dies with its host, and refuses to start for another parent"""
    with worker("plugins/counter.so", parent=1) as w:
        assert w.ready()["step"] == "parent_death"
    keep, give = os.pipe()
    child = os.fork()
    if child == 0:
        w = worker("plugins/counter.so")
        w.ready()
        os.write(give, str(w.process.pid).encode())
        time.sleep(60)
    pid = int(os.read(keep, 20))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for _ in range(100):
        try:
            with open(f"/proc/{pid}/stat") as f:
                if f.read().rsplit(")", 1)[1].split()[0] == "Z":
                    break
        except OSError:  # gone, or (ESRCH) going
            break
        time.sleep(0.02)
    else:
        raise AssertionError("the worker outlived its host")


def test_kernel_attacks(worker):
    """after loading, every forbidden system call is refused"""
    with hostile(worker, "kernel_all") as w:
        result, found, _ = w.pull()
        got = {name: r["errno"] for name, r in reports(found).items()}
        assert result["status"] == 0 and len(got) >= 54, (result, len(got))
        bad = {n: e for n, e in got.items() if e not in OTHER_REFUSALS.get(n, {"EPERM"})}
        assert not bad, bad


def test_constructor_attacks(worker):
    """a constructor is as confined: files by Landlock, the rest by the first filter"""
    with hostile(worker, "constructor_all") as w:
        _, found, _ = w.pull()
        got = {name: r["errno"] for name, r in reports(found).items()}
        files = {"open_etc_passwd": {"EACCES"}, "open_proc_maps": {"EACCES"}, "create_file": {"EPERM"}}
        bad = {n: e for n, e in got.items() if n not in ALLOWED_WHILE_LOADING and
               e not in {**OTHER_REFUSALS, **files}.get(n, {"EPERM"})}
        assert not bad and len(got) >= 54, bad


def test_threads(worker):
    """threads are refused by default, and allowed up to the number where the user is ours alone"""
    with worker("tests/hostile.so", "--threads", "2") as w:
        ready = w.ready()
        if "--uid" not in worker.options and "--netns" not in worker.options:
            assert "thread_limit" in ready["text"], ready
            return
        w.configure('{"attack":"thread"}')
        assert reports(w.pull()[1])["thread"]["errno"] == "none"
        assert reports(w.pull(operation=3)[1])["thread"]["errno"] == "none"
    # A uid nobody else has: even a zombie that waits for its reaper counts against RLIMIT_NPROC.
    alone = ["--uid", "20002", "--gid", "20002"] if "--uid" in worker.options else []
    for granted in (0, 2):
        with hostile(worker, "thread_bomb", *alone, "--threads", str(granted)) as w:
            count = reports(w.pull()[1])["thread_bomb"]["count"]
            assert count == str(granted), (granted, count)


def test_deaths(worker):
    """a plugin that dies takes only its worker with it, and the host sees how"""
    ends = {"segfault": -signal.SIGSEGV, "abort": -signal.SIGABRT, "exit": 0, "quick_exit": 0,
            "x32_call": -signal.SIGSYS, "i386_call": (-signal.SIGSYS, -signal.SIGSEGV)}
    for attack, status in ends.items():
        with hostile(worker, attack) as w:
            w.start(PULL, 2, "attacks")
            try:
                frame = w.next()
                raise AssertionError((attack, frame))
            except Gone:
                pass
            assert w.end() == status or (isinstance(status, tuple) and w.end() in status), (attack, w.end())


def test_hang(worker):
    """a hang or a busy loop ends by the host's kill, and processor time by its own limit"""
    for attack in ("hang", "busy"):
        with hostile(worker, attack) as w:
            w.start(PULL, 2, "attacks")
            w.send(CANCEL, struct.pack("<I", 10), operation=2)
            try:
                w.next(0.1)
                raise AssertionError(attack)
            except TimeoutError:
                w.process.kill()
                assert w.end() == -signal.SIGKILL
    with hostile(worker, "busy", "--cpu-seconds", "1") as w:
        w.start(PULL, 2, "attacks")
        assert w.end() in (-signal.SIGXCPU, -signal.SIGKILL)


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


def test_memory(worker):
    """a memory bomb ends at the address limit"""
    with hostile(worker, "memory_bomb", "--address-bytes", str(128 << 20)) as w:
        assert int(reports(w.pull()[1])["memory_bomb"]["mib"]) < 128


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


def test_load_failures(worker):
    """each way of failing to load reports its step"""
    steps = {"NOTE_MAGIC": "note", "NOTE_MAJOR": "note", "NOTE_MISSING": "note", "CONSTRUCTOR_CRASH": "dlopen",
             "CONSTRUCTOR_ABORT": "dlopen", "CONSTRUCTOR_EXIT": "dlopen", "UNRESOLVED": "dlopen", "SYMBOL": "symbol",
             "ENTRY_NULL": "entry", "ENTRY_CRASH": "entry", "ENTRY_MAGIC": "abi", "ENTRY_MAJOR": "abi", "ENTRY_SLOT": "abi"}
    for name, step in steps.items():
        with worker(f"tests/broken_{name}.so") as w:
            failure = w.ready()
            assert failure.get("step") == step, (name, failure)
            assert w.end() == 71
    for path, step in (("/nowhere/at/all.so", "open_file"), ("sluice-worker", "note"), (__file__, "note"), ("/tmp", "open_file")):
        with worker(path) as w:
            assert w.ready().get("step") == step, path
    with worker("tests/broken_NOTE_MAJOR.so") as w:
        assert "9.4" in (text := w.ready()["text"]) and "1.0" in text, text


def test_hang_in_load(worker):
    """a constructor that hangs stays without a frame until the host kills it"""
    with worker("tests/broken_CONSTRUCTOR_HANG.so") as w:
        try:
            w.next(0.2)
            raise AssertionError
        except TimeoutError:
            pass


def test_strict_root(worker):
    """root without a uid to become is refused, unless degraded, which says what is missing"""
    if "--uid" not in worker.options:
        return
    options, worker.options[:] = list(worker.options), []
    try:
        with worker("plugins/counter.so") as w:
            assert "own_uid" in w.ready()["text"]
        with worker("plugins/counter.so", "--sandbox=degraded") as w:
            assert w.ready()["missing"] == ["own_uid"]
    finally:
        worker.options[:] = options


def test_private_folder(worker):
    """the plugin is reached by descriptor: its folder may be closed to the worker's user"""
    if "--uid" not in worker.options:
        return
    folder = os.path.join(worker.build, "private")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    subprocess.run(["cp", os.path.join(worker.build, "plugins/counter.so"), folder], check=True)
    with worker(os.path.join(folder, "counter.so")) as w:
        assert "abi" in w.ready()


def test_probe(worker):
    """--probe prints JSON that names every protection"""
    out = subprocess.run([*worker.wrapper, os.path.join(worker.build, "sluice-worker"), "--probe"], capture_output=True)
    assert set(json.loads(out.stdout)["protections"]) == set(PROTECTIONS)
