"""A real host process: stopping, restarting, and what it refuses to start on."""
import signal

from door_tests import CODE, check_well, ready
from rig import *


def act_scenario(rig, days=6, opportunities=80, **options):
    return rig.scenario(mode="act", world=("--seed", Settings.seed, "--opportunities", opportunities, "--days", days), **options)


def test_sigterm_drains_and_restart_goes_on(rig):
    """SIGTERM drains and exits 0, at rest and amid work; the next start goes on without loss or a second effect"""
    scenario = act_scenario(rig, days=9)
    host = scenario.host
    scenario.start()
    for day in range(8):
        if day % 2:
            # Amid work: a pull has been asked for and nobody waits for its end.
            host.ask("connector.run", instance="crm")
        expect_equal(host.stop(), 0, f"exit after SIGTERM ({host.log_text()[-600:]})")
        expect("host.stopped" in host.log_text(), "the host did not say that everything is durable")
        expect(not os.path.exists(os.path.join(host.data, "control.sock")), "the control socket is left behind")
        host.start()
        scenario.run(days=1)
    scenario.run()
    scenario.catch_up()
    scenario.check_records()
    effects = scenario.check_effects()
    expect(effects, "nothing was done: the test tells nothing")
    expect_equal(host.stop(), 0, "exit after SIGTERM")
    return f"{len(effects)} effects over 9 starts"


def test_sigint_stops_too(rig):
    """SIGINT stops like SIGTERM"""
    host = rig.host()
    host.start()
    expect_equal(end(host.process, signal.SIGINT), 0, "exit after SIGINT")


def refused(host, code, *words, options=()):
    done = sluice("up", "--data-dir", host.data, "--listen", "127.0.0.1:0", *options, seconds=30)
    expect_equal(done.returncode, 1, f"exit of a refused host ({done.stderr})")
    expect(f"[{code}]" in done.stderr, f"no code {code} in: {done.stderr}")
    for word in words:
        expect(str(word) in done.stderr, f"no {word!r} in: {done.stderr}")
    return done.stderr


def test_second_host_is_refused(rig):
    """a second host on the same folder is refused, and the first one is not disturbed"""
    host = rig.host()
    host.start()
    refused(host, "host.folder_in_use", host.data)
    expect_equal(host.ask("tenant.list"), [], "tenants")
    host.kill()
    host.start()
    expect_equal(host.stop(), 0, "exit")


def test_newer_format_is_refused(rig):
    """a folder of another format is refused with both numbers, and left as it is"""
    host = rig.host()
    host.start()
    host.stop()
    path = os.path.join(host.data, "format")
    for number in ("3", "99"):
        with open(path, "w") as f:
            f.write(number + "\n")
        refused(host, "host.folder_format", f'format "{number}";', "format 2.")
        with open(path) as f:
            expect_equal(f.read(), number + "\n", "the format file")


def test_newer_database_is_refused(rig):
    """a tenant's database and a journal segment of a newer format are refused with both numbers"""
    host = rig.host()
    host.start()
    host.ask("tenant.create")
    host.stop()
    for path in (host.state.path, os.path.join(host.data, "journal", "0000000001.segment")):
        base = sqlite3.connect(path)
        (before,) = base.execute("SELECT value FROM meta WHERE key='format'").fetchone()
        base.execute("UPDATE meta SET value=77 WHERE key='format'")
        base.commit()
        base.close()
        refused(host, "storage.format_mismatch", "format 77;", f"format {before}.")
        base = sqlite3.connect(path)
        base.execute("UPDATE meta SET value=? WHERE key='format'", (before,))
        base.commit()
        base.close()
    host.start()
    expect_equal([t["tenant"] for t in host.ask("tenant.list")], ["demo"], "tenants")


def test_open_folder_is_refused(rig):
    """a data folder that others may read is refused with the remedy"""
    host = rig.host()
    os.makedirs(host.data)
    for mode in (0o755, 0o750, 0o701):
        os.chmod(host.data, mode)
        refused(host, "host.folder_not_private", "chmod 700")
    expect_equal(os.listdir(host.data), [], "files in a refused folder")


def test_wrong_host_key_is_refused(rig):
    """a wrong, missing, short or readable host key is refused, and the right one still opens the folder"""
    host = rig.host()
    host.start()
    host.ask("tenant.create")
    host.stop()
    key = host.data + ".hostkey"
    expect_equal(os.stat(key).st_mode & 0o777, 0o600, "mode of the host key")
    with open(key) as f:
        right = f.read()

    def write(path, text, mode=0o600):
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
    other = os.path.join(rig.folder, "other.key")
    write(other, "ab" * 32 + "\n")
    done = sluice("up", "--data-dir", host.data, "--listen", "127.0.0.1:0", "--host-key", other, seconds=30)
    expect_equal(done.returncode, 1, f"exit with another host key ({done.stderr})")
    expect("[" in done.stderr and "key" in done.stderr.lower(), f"the refusal does not speak of the key: {done.stderr}")
    expect(right.strip() not in done.stderr and "ab" * 32 not in done.stderr, "a key stands in the message")
    write(other, "ab" * 16 + "\n")
    refused(host, "host.bad_key", other, options=("--host-key", other))
    write(other, right, 0o644)
    refused(host, "host.bad_key", "chmod 600", options=("--host-key", other))
    refused(host, "host.no_key", options=("--host-key", os.path.join(rig.folder, "none")))
    host.start()
    expect_equal([t["tenant"] for t in host.ask("tenant.list")], ["demo"], "tenants")


def test_command_line_speaks_to_host_or_folder(rig):
    """the command line gives the same answer through the running host and on the folder of a stopped one"""
    host = rig.host()
    host.start()
    for name in ("acme", "demo"):
        done = sluice("tenant", "create", name, "--data-dir", host.data)
        expect_equal(done.returncode, 0, f"exit of tenant create ({done.stderr})")
    done = sluice("secret", "set", "crm", "api", "--data-dir", host.data, input="a-secret")
    expect_equal((done.returncode, "a-secret" in done.stdout + done.stderr), (0, False), "exit and echo of secret set")
    answers = []
    for _ in range(2):
        answers.append([json.loads(sluice(*words, "--json", "--data-dir", host.data).stdout) for words in (("tenant", "list"), ("secret", "list"), ("connector", "list"))])
        # What files take at the moment changes when they are closed.
        for row in answers[-1][0]:
            expect(row.pop("disk_bytes") > 0, f"what a tenant takes: {row}")
        if host.alive():
            host.stop()
    expect_equal(answers[1], answers[0], "answers without a host")
    expect([row["tenant"] for row in answers[0][0]] == ["acme", "demo"], answers[0][0])


def test_commands_make_no_folder_by_accident(rig):
    """a command on a folder that no host has made, or that holds other files, is refused and leaves nothing behind; a long path works"""
    absent = os.path.join(rig.folder, "absent")
    done = sluice("connector", "list", "--data-dir", absent)
    expect_equal((done.returncode, "[host.no_data_folder]" in done.stderr, os.path.exists(absent)), (1, True, False), f"a folder that is not there ({done.stderr})")
    others = rig.path("others")
    os.chmod(others, 0o700)
    with open(os.path.join(others, "letter.txt"), "w") as f:
        f.write("mine")
    host = rig.host("x")
    host.data = others
    refused(host, "host.folder_of_others", others)
    expect_equal(os.listdir(others), ["letter.txt"], "files of somebody else's folder")
    far = rig.host("long/" + "a-name-that-takes-room-" * 5)
    os.makedirs(far.folder, exist_ok=True)
    far.start()
    done = sluice("tenant", "list", "--data-dir", far.data)
    expect_equal(done.returncode, 0, f"a command to a host behind a long path ({done.stderr})")


def proc(pid, file):
    """What the kernel says of a process; nothing of one that is gone."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/{file}") as f:
        return f.read()
    return ""


def children(pid):
    return [child for thread in os.listdir(f"/proc/{pid}/task") for child in proc(f"{pid}/task/{thread}", "children").split()]


def test_demo_ends_when_asked(rig):
    """a demo stops on Ctrl-C amid its days and on the loss of its terminal, and its world ends with it, also when it is killed"""
    for number, code in ((signal.SIGINT, 1), (signal.SIGHUP, 1), (signal.SIGKILL, -9)):
        demo = subprocess.Popen([program("sluice"), "demo", "--auto", "--listen", "127.0.0.1:0", "--data-dir", rig.path(f"demo-{number}")], cwd=PROJECT,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        rig.closing.append(lambda demo=demo: end(demo, signal.SIGKILL))
        wait_for(lambda: "day 1/" in demo.stdout.readline(), "the first day is played")
        worlds = [pid for pid in children(demo.pid) if "sluice-world" in proc(pid, "cmdline")]
        expect_equal(len(worlds), 1, "worlds of the demo")
        demo.send_signal(number)
        expect_equal(demo.wait(20), code, f"exit after {number.name}")
        wait_for(lambda: proc(worlds[0], "stat").rpartition(") ")[2][:1] in ("", "Z"), "the world ended too")
        if code == 1:
            expect("[demo.stopped]" in demo.stderr.read(), f"words after {number.name}")


def test_demo_ends_amid_a_day(rig):
    """a demo whose source somebody has paused by hand, so that its day is never over, still ends when asked"""
    folder = rig.path("demo")
    demo = subprocess.Popen([program("sluice"), "demo", "--auto", "--listen", "127.0.0.1:0", "--data-dir", folder], cwd=PROJECT,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    rig.closing.append(lambda: end(demo, signal.SIGKILL))
    wait_for(lambda: "day 1/" in demo.stdout.readline(), "the first day is played")
    done = sluice("connector", "pause", "crm", "--drain", "--tenant", "demo", "--data-dir", os.path.join(folder, "data"))
    expect_equal(done.returncode, 0, f"exit of connector pause ({done.stderr})")
    demo.send_signal(signal.SIGTERM)
    expect_equal(demo.wait(20), 1, "exit of the demo")
    expect("[demo.stopped]" in demo.stderr.read(), "its words")


def test_ledger_bench(rig):
    """sluice bench ledger leaves a log that verifies, and names every figure"""
    done = sluice("bench", "ledger", "--entries", 300, "--writers", 7, "--probes", 3, "--json")
    expect_equal(done.returncode, 0, f"exit of sluice bench ledger ({done.stderr})")
    figures = json.loads(done.stdout)
    expect_equal((figures["verified_entries"], figures["verified_payloads"]), (303, 303), "verified entries and payloads")
    expect(figures["durable_per_second"] > 0 and figures["durable_to_checkpoint_p50_ms"] > 0, figures)


def test_port_in_use(rig):
    """a port that is taken, and an address that does not exist, are refused with a code, by `up` and by `demo`"""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(1)
        data = rig.generate("data", 1, opportunities=30, days=3)
        for words in (("up", "--data-dir", os.path.join(rig.folder, "a")), ("demo", "--auto", "--data", data)):
            for address in (f"127.0.0.1:{s.getsockname()[1]}", "no.such.host.invalid:0", "300.1.1.1:0"):
                try:
                    done = sluice(*words, "--listen", address, seconds=20)
                except subprocess.TimeoutExpired:
                    raise AssertionError(f"{words[0]} on {address} hangs")
                expect((done.returncode, "[command.cannot_listen]" in done.stderr) == (1, True), f"{words[0]} on {address}: {done.returncode} {done.stderr}")


def test_log_that_cannot_be_written(rig):
    """a host whose standard error is full, closed or read by nobody any more goes on"""
    for name, redirection in (("full", "2>/dev/full"), ("closed", "2>&-"), ("unread", "2>&1 | head -c 10 >/dev/null")):
        host = Host(rig.path(name))
        process = subprocess.Popen(["/bin/sh", "-c", f"{program('sluice')} up --data-dir {host.data} --listen {host.address} {redirection}"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=PROJECT, start_new_session=True)
        rig.closing.append(lambda p=process: p.poll() is None and os.killpg(p.pid, signal.SIGKILL))

        def healthy():
            try:
                return request(host.address, "GET", "/healthz", None, {"Host": host.address}, seconds=5)[0] == 200
            except OSError:
                return False
        wait_for(healthy, f"the host runs with standard error {name}", 15)
        for words in (("tenant", "create", "demo"), ("apply", "-f", ".", "--yes"), ("connector", "enable", "crm", "--endpoint", "crm=http://127.0.0.1:1", "--allow-private")):
            sluice(*words, "--data-dir", host.data)
        wait_for(lambda: "waiting" in sluice("connector", "list", "--data-dir", host.data).stdout or "parked" in sluice("connector", "list", "--data-dir", host.data).stdout, "the connector fails and says so", 20, 0.3)
        expect(healthy(), f"the host died, its standard error {name}")
        os.killpg(process.pid, signal.SIGTERM)


def test_one_tenant_is_made_once(rig):
    """of ten who make the same tenant at once one succeeds, and the others are told that it exists"""
    host = rig.host()
    host.start()
    running = [subprocess.Popen([program("sluice"), "tenant", "create", "demo", "--data-dir", host.data], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(10)]
    ends = []
    for process in running:
        _, errors = process.communicate(timeout=60)
        ends.append((process.returncode, (CODE.findall(errors) or [""])[-1]))
    expect_equal(sorted(ends), [(0, "")] + [(1, "[host.exists]")] * 9, "what they were told")


def test_commands_at_once_on_a_stopped_folder(rig):
    """commands that meet on the folder of a stopped host wait for one another"""
    host = ready(rig)
    host.stop()
    running = [subprocess.Popen([program("sluice"), "tenant", "list", "--data-dir", host.data], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for process in running:
        _, errors = process.communicate(timeout=60)
        expect_equal(process.returncode, 0, f"exit of tenant list ({errors})")


def test_folder_by_two_names(rig):
    """a folder opens under its own name after it was made through a link; a question to a folder that is none makes none"""
    host = rig.host()
    real = rig.path("real")
    os.chmod(real, 0o700)
    os.symlink(real, host.data)
    host.start()
    host.stop()
    done = sluice("tenant", "list", "--data-dir", real)
    expect_equal(done.returncode, 0, f"exit of tenant list under the folder's own name ({done.stderr})")
    typo = os.path.join(rig.folder, "typo")
    done = sluice("top", "--data-dir", typo)
    expect_equal((done.returncode, os.path.exists(typo), os.path.exists(typo + ".hostkey")), (1, False, False), "a question to a folder that is none")
    with open(os.path.join(real, "format"), "wb") as f:
        f.write(b"\xff\xfe")
    done = sluice("tenant", "list", "--data-dir", host.data)
    expect_equal((done.returncode, "[host.folder_format]" in done.stderr), (1, True), "a format that cannot be read")


def test_sigterm_while_starting(rig):
    """SIGTERM at any moment of the start ends the host at once, and the folder serves afterwards"""
    host = rig.host()
    ends = set()
    for delay in range(0, 500, 20):
        process = subprocess.Popen([program("sluice"), "up", "--data-dir", host.data, "--listen", host.address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        rig.closing.append(lambda p=process: p.poll() is None and p.kill())
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(delay / 1000)
        process.send_signal(signal.SIGTERM)
        ends.add(process.wait(20))
    expect(ends <= {0, -15}, f"ends after SIGTERM: {ends}")
    host.start()
    host.ask("tenant.create")
    check_well(host)


def test_world_of_a_killed_demo_ends(rig):
    """the simulated SaaS ends when its demo is killed"""
    data = rig.generate("data", 1, opportunities=30, days=30)
    demo = subprocess.Popen([program("sluice"), "demo", "--auto", "--speed", "1", "--data", data, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=PROJECT)
    while "Console" not in (line := demo.stdout.readline()):
        expect(line, "the demo ended")

    def worlds():
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                with contextlib.suppress(OSError), open(f"/proc/{name}/cmdline", "rb") as f:
                    if data.encode() in (words := f.read()) and b"sluice-world" in words:
                        found.append(int(name))
        return found
    expect(worlds(), "no world runs")
    demo.kill()
    demo.wait()
    demo.stdout.close()
    try:
        wait_for(lambda: not worlds(), "the world has ended", 10)
    finally:
        for pid in worlds():
            os.kill(pid, signal.SIGKILL)


def test_files_of_others(rig):
    """files that the host's user may not use are told as that, never as damage: nobody restores an older one in their place"""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        raise NotAllowed("only root may give files to others")
    folder, nobody = rig.path("others"), 65534
    os.chown(folder, nobody, nobody)
    data = os.path.join(folder, "data")

    def ask(*words):
        done = subprocess.run(["setpriv", "--reuid", str(nobody), "--regid", str(nobody), "--clear-groups", program("sluice"), *words, "--data-dir", data], capture_output=True, text=True, cwd=folder)
        return done.returncode, done.stderr
    expect_equal(ask("tenant", "create", "demo")[0], 0, "exit of tenant create")
    for name, mode in (("keystore.db", 0o000), ("keystore.db", 0o400), ("journal/0000000001.segment", 0o400), ("tenants/demo/state.db", 0o000)):
        path = os.path.join(data, name)
        before = os.stat(path).st_mode
        os.chmod(path, mode)
        code, told = ask("tenant", "create", "another")
        expect((code, "[storage.not_permitted]" in told, "backup" in told) == (1, True, False), f"{name} of mode {mode:o}: {told}")
        os.chmod(path, before)
    os.chown(data, 0, 0)
    code, told = ask("tenant", "list")
    expect((code, "[host.folder_not_permitted]" in told) == (1, True), f"a folder of somebody else: {told}")
    os.chown(data, nobody, nobody)
    expect_equal(ask("tenant", "create", "another")[0], 0, "exit once it is given back")
