"""What the sandbox must hold. Each docstring is the sentence that is printed."""
import json
import os
import re
import signal
import subprocess
import time

from host import *
from workers import *

ALLOWED_WHILE_LOADING = {"open_library", "dlopen_late", "mprotect_exec", "another_filter"}
# Not forbidden by EPERM but by something else that is as good.
OTHER_REFUSALS = {"clone3": {"ENOSYS"}, "thread": {"EPERM", "EAGAIN"}}


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


def test_refusals_are_told(worker):
    """each refused system call is told once, by number and name, while loading too; and the report cannot be taken away"""
    with hostile(worker, "kernel_all") as w:
        w.pull()
        lines = w.told()
        calls = [line.split()[-1] for line in lines if line.startswith("sluice-worker: refused call ")]
        wanted = {"openat", "socket", "connect", "clone", "execve", "kill", "tgkill", "ptrace", "prlimit64", "sched_setaffinity", "sendmsg",
                  "recvmsg", "memfd_create", "io_uring_setup", "bpf", "mount", "close", "rt_sigaction", "clock_settime", "timer_create"}
        assert wanted <= set(calls), wanted - set(calls)
        assert len(calls) == len(set(calls)) and not [c for c in calls if c.isdigit()], calls
        assert "sluice-worker: limit threads" in lines, lines
    with counter(worker, {"records": 100}) as w:
        w.pull()
        assert w.told() == [], "an honest plugin is told of"
    with hostile(worker, "blocked_refusal") as w:
        w.start(PULL, 2, "attacks")
        assert w.end() == -signal.SIGSYS


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


def test_memory(worker):
    """a memory bomb ends at the address limit, and is told of once, however it takes its memory"""
    for attack in ("memory_bomb", "memory_regrown", "memory_mapped"):
        with hostile(worker, attack, "--address-bytes", str(128 << 20)) as w:
            assert 0 < int(reports(w.pull()[1])[attack]["mib"]) < 128
            assert w.told().count("sluice-worker: limit memory") == 1, (attack, w.told())
    with hostile(worker, "memory_death", "--address-bytes", str(128 << 20)) as w:
        w.start(PULL, 2, "attacks")
        assert w.end() == -signal.SIGSEGV
        said = w.told()  # after what its constructor attacked
        assert said[-2:] == ["sluice-worker: limit memory", "sluice-worker: maybe limit memory"], said
    with hostile(worker, "segfault") as w:
        w.start(PULL, 2, "attacks")
        assert w.end() == -signal.SIGSEGV and "sluice-worker: maybe limit memory" not in w.told()


def test_stacks(worker):
    """a thread whose stack finds no memory is told of as memory, not as a thread too many"""
    if "--uid" not in worker.options and "--netns" not in worker.options:
        return  # no threads are granted there
    with hostile(worker, "thread_bomb", "--threads", "64", "--address-bytes", str(128 << 20)) as w:
        assert 0 < int(reports(w.pull()[1])["thread_bomb"]["count"]) < 64
        said = w.told()
        assert said[-1] == "sluice-worker: limit memory" and "sluice-worker: limit threads" not in said, said


def test_files(worker):
    """files beyond their number are refused, and named as the limit that they are"""
    if "--uid" not in worker.options and "--netns" not in worker.options:
        return  # no threads are granted there, and without them nothing can be opened
    with hostile(worker, "file_bomb", "--threads", "2", "--files", "32") as w:
        assert 0 < int(reports(w.pull()[1])["file_bomb"]["count"]) < 32
        lines = w.told()
        assert lines.count("sluice-worker: limit files") == 1, lines


def test_load_failures(worker):
    """each way of failing to load reports its step"""
    steps = {"NOTE_MAGIC": "note", "NOTE_MAJOR": "note", "NOTE_MISSING": "note", "CONSTRUCTOR_CRASH": "dlopen",
             "CONSTRUCTOR_ABORT": "dlopen", "CONSTRUCTOR_EXIT": "dlopen", "UNRESOLVED": "dlopen", "SYMBOL": "symbol",
             "ENTRY_NULL": "entry", "ENTRY_CRASH": "entry", "ENTRY_MAGIC": "abi", "ENTRY_MAJOR": "abi", "ENTRY_SLOT": "abi",
             "ENTRY_RESERVED": "abi"}
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


def test_reads_while_loading_are_told(worker):
    """a constructor that opens a file which Landlock refuses is told of; one that looks for a library which is not there, or at itself as runtimes do, is not"""
    for name, wanted in (("READ", ["sluice-worker: refused call 257 openat"]), ("READ_MISSING", [])):
        with worker(f"tests/broken_CONSTRUCTOR_{name}.so") as w:
            assert "step" not in (ready := w.ready()), ready
            told = [re.sub(r"call \d+ ", "call 257 ", line) for line in w.told()]
            assert told == wanted, (name, told)


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


def test_real_time(worker):
    """a plugin reads the machine's clock; set back for the kit, its real time is another and its monotonic time is not"""
    back = 37_264_273_457
    for options, wanted in (((), 0), (("--real-time-back", str(back)), back)):
        with hostile(worker, "tell_time", *options) as w:
            before, monotonic = time.time() * 1000, time.monotonic() * 1000
            _, found, _ = w.pull()
            told = reports(found)["tell_time"]
            for way in ("clock_gettime", "coarse", "gettimeofday", "time", "timespec_get"):
                # `time` knows whole seconds, of a clock that is behind by a tick.
                assert -1_100 < told[way] + wanted - before < 10_000, (options, way, told, before)
            assert -100 < told["monotonic"] - monotonic < 10_000 and 0 <= told["processor"] < 10_000, (told, monotonic)
            assert told["unknown_base"] == 0 and told["unknown_clock"] == -1, told
    with worker("tests/hostile.so", "--real-time-back", "-1") as w:
        assert w.end() == 64


def test_probe(worker):
    """--probe prints JSON that names every protection"""
    out = subprocess.run([*worker.wrapper, os.path.join(worker.build, "sluice-worker"), "--probe"], capture_output=True)
    assert set(json.loads(out.stdout)["protections"]) == set(PROTECTIONS)
