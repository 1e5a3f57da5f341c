"""What is not yet as it must be. Each of these fails until its cause is mended; then it belongs into the file of its subject."""
from approval_tests import api, holding, user
from door_tests import CODE, check_well, ready
from rig import *
from tamper_tests import SEGMENT, STATE, Folder, execute


def test_limits(rig):
    """a limit below zero, beyond all bounds or of another type is refused with a code, and no answer grows without end"""
    host = ready(rig)
    token = user(host, "anna", "auditor")
    for command in ("decision.list", "action.list", "signal.list", "deadletter.list"):
        for limit in (-1, -(2**53) + 1, 10**9, 1.5, "many", True):
            status, code = api(host, token, command, limit=limit)
            expect(status == 409 and code == "command.bad_limit", f"{command} with limit {limit!r}: {status} {code}")
    check_well(host)


def test_sigterm_amid_a_body(rig):
    """SIGTERM ends a host within ten seconds although a client never finishes its body"""
    host = ready(rig)
    with socket.socket() as s:
        s.connect(("127.0.0.1", host.port))
        s.sendall(b"POST /hooks/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        check_well(host)
        expect_equal(end(host.process, seconds=10), 0, "exit after SIGTERM")


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
        for words in (("tenant", "create", "demo"), ("apply", "-f", "."), ("connector", "enable", "crm", "--endpoint", "crm=http://127.0.0.1:1", "--allow-private")):
            sluice(*words, "--data-dir", host.data)
        wait_for(lambda: "waiting" in sluice("connector", "list", "--data-dir", host.data).stdout or "parked" in sluice("connector", "list", "--data-dir", host.data).stdout, "the connector fails and says so", 20, 0.3)
        expect(healthy(), f"the host died, its standard error {name}")
        os.killpg(process.pid, signal.SIGTERM)


def test_journal_behind_its_state(rig):
    """a journal that is older than the state beside it, or gone, does not start, whether or not the database was put back too"""
    folder = Folder(rig)

    def older(copy):
        shutil.rmtree(os.path.join(copy, "journal"))
        shutil.copytree(os.path.join(folder.old, "journal"), os.path.join(copy, "journal"))
    for what, change in (("older", older), ("gone", lambda copy: shutil.rmtree(os.path.join(copy, "journal"))),
                         ("without its segment", lambda copy: os.remove(os.path.join(copy, SEGMENT)))):
        folder.check_found(f"a journal that is {what}", change, ("tenant", "list"), None, "demo")

    def without_mark(copy):
        older(copy)
        shutil.rmtree(os.path.join(copy, "high-water"))
        for name in os.listdir(os.path.join(copy, "tenants", "demo")):
            if name.startswith("state.db"):
                os.remove(os.path.join(copy, "tenants", "demo", name))
    folder.check_found("an older journal without the high-water mark, under a published checkpoint", without_mark, ("tenant", "list"), None, "demo")


def test_rows_of_nothing(rig):
    """`doctor --deep` names a row in a space in which the journal gives none"""
    folder = Folder(rig)
    for space in ("policy.kill", "no.such.space", "perception.dead_letter"):
        folder.check_found(f"a row in {space}", execute(STATE, "INSERT INTO state VALUES(?, '~added', '1')", space), ("doctor", "--deep"), "doctor.state_differs", f"{space}/~added")


def test_entries_are_sealed_whole(rig):
    """`doctor --deep` names an entry whose time, cause, salt or codec was changed"""
    folder = Folder(rig)
    (position,), = folder.query(SEGMENT, "SELECT position FROM entry WHERE partition='demo' AND kind='intake' LIMIT 1")
    for what in ("recorded_at_ms=recorded_at_ms+1", "salt=zeroblob(16)", "cause=1", "codec=1", "kind='delivery'"):
        folder.check_found(what, execute(SEGMENT, f"UPDATE entry SET {what} WHERE partition='demo' AND position=?", position), ("doctor", "--deep"), "journal.damaged", f"Entry {position} ")


def test_damaged_databases_are_named(rig):
    """a database that is none, and a row that is no JSON, are refused with a code and the path"""
    folder = Folder(rig)

    def garbage(file):
        def change(copy):
            for name in (file, file + "-wal", file + "-shm"):
                if os.path.exists(os.path.join(copy, name)):
                    with open(os.path.join(copy, name), "wb") as f:
                        f.write(b"garbage" * 2000)
        return change
    for file in (STATE, SEGMENT, "keystore.db"):
        folder.check_found(f"garbage in {file}", garbage(file), ("doctor", "--deep"), None, file)
    folder.check_found("a row that is no JSON", execute(STATE, "UPDATE state SET value='{' WHERE space='perception.clock'"), ("doctor", "--deep"), "storage.damaged_row", STATE, "perception.clock/clock")

    def half_mark(copy):
        with open(os.path.join(copy, "high-water", "demo.json"), "w") as f:
            f.write("{")
    folder.check_found("half a high-water mark", half_mark, ("tenant", "list"), None, "high-water/demo.json")


def test_orders_that_do_nothing(rig):
    """an order that stops, takes back, resolves, replays or revokes nothing exits 1 and says why"""
    host = ready(rig)
    for words in (("kill", "tol:crm.reassign"), ("kill", ""), ("kill", "tool:"), ("unkill", "tool:none"), ("action", "undo", "0" * 64), ("action", "resolve", "0" * 64, "done"),
                  ("action", "resolve", "0" * 64, "perhaps"), ("deadletter", "replay", "7/1"), ("secret", "revoke", "crm", "none"), ("user", "create", "eve", "--role", "emperor"),
                  ("secret", "set", "crm", "../api")):
        done = sluice(*words, "--data-dir", host.data, input="x")
        expect(done.returncode in (1, 2) and done.stderr, f"{' '.join(words)}: {done.returncode} {done.stdout}")


def test_paths_are_the_callers(rig):
    """a relative path means the caller's folder, not the host's, for export, verify, apply and enable"""
    host = ready(rig)
    folder = rig.path("elsewhere")
    for name in ("policies", "playbooks"):
        shutil.copytree(os.path.join(PROJECT, name), os.path.join(folder, name))
    plugins(folder)

    def say(*words):
        return subprocess.run([program("sluice"), *words, "--data-dir", host.data], capture_output=True, text=True, cwd=folder)
    with open(os.path.join(folder, "policies", "thresholds.yaml"), "a") as f:
        f.write("surprise: 1\n")
    expect("surprise" in say("apply", "-f", ".").stderr, "apply -f . read another folder")
    host.ask("apply", folder=PROJECT)
    try:
        done = say("ledger", "export", "--to", "log")
        expect(os.path.exists(os.path.join(folder, "log", "checkpoint")), f"the export went elsewhere: {done.stdout}")
        expect_equal(say("ledger", "verify", "--since", "log/checkpoint").returncode, 0, "exit of ledger verify --since")
    finally:
        shutil.rmtree(os.path.join(PROJECT, "log"), ignore_errors=True)
    expect_equal(say("connector", "enable", "plugins/crm.yaml", "--endpoint", "crm=http://127.0.0.1:1", "--allow-private").returncode, 0, "exit of connector enable")


def test_files_that_are_none(rig):
    """a file that is missing, a folder, or no JSON is named with a code"""
    host = ready(rig)
    host.ask("apply", folder=PROJECT)
    bad = os.path.join(rig.folder, "bad.json")
    with open(bad, "w") as f:
        f.write("{")
    for path in ("/nope", rig.folder, bad):
        for words in (("connector", "enable", "crm", "--config", path), *([("secret", "set", "crm", "api", "--file", path), ("ledger", "verify", "--since", path)] if path != bad else [])):
            done = sluice(*words, "--data-dir", host.data)
            expect(done.returncode == 1 and CODE.search(done.stderr) and path in done.stderr and "NSCocoa" not in done.stderr, f"{' '.join(words)}: {done.returncode} {done.stderr}")
    for path in ("/proc/x", "/etc/passwd"):
        done = sluice("ledger", "export", "--to", path, "--data-dir", host.data)
        expect(done.returncode == 1 and "NSCocoa" not in done.stderr, f"export to {path}: {done.stderr}")
    os.symlink(os.path.join(rig.folder, "nowhere"), os.path.join(rig.folder, "dangling"))
    for path in (os.path.join(rig.folder, "dangling"), "/proc/x", os.path.join(bad, "x"), ""):
        done = sluice("up", "--data-dir", path, "--listen", "127.0.0.1:0", seconds=20)
        expect(done.returncode == 1 and CODE.search(done.stderr), f"up on {path!r}: {done.returncode} {done.stderr}")


def test_configuration_fits_its_schema(rig):
    """an instance's configuration that its manifest's schema does not allow is refused with the key; a port beyond 65535 too"""
    host = ready(rig)
    path = os.path.join(rig.folder, "config.json")
    for config in ({"page_size": "many"}, {"page_size": 0}, {"surprise": 1}):
        with open(path, "w") as f:
            json.dump(config, f)
        done = sluice("connector", "enable", "crm", "--config", path, "--data-dir", host.data)
        expect(done.returncode == 1 and next(iter(config)) in done.stderr, f"{config}: {done.returncode} {done.stdout}{done.stderr}")
    done = sluice("connector", "enable", "crm", "--endpoint", "crm=http://127.0.0.1:99999", "--allow-private", "--data-dir", host.data)
    expect_equal((done.returncode, "[connector.bad_override]" in done.stderr), (1, True), f"a port beyond 65535 ({done.stdout})")


def test_control_socket_held_open(rig):
    """clients that say nothing, or read no answer, keep nobody else from the host and the host not from stopping"""
    host = ready(rig)
    host.ask("apply", folder=PROJECT)
    host.stop()
    base = sqlite3.connect(host.state.path)
    base.executemany("INSERT INTO state VALUES('toolplane.signal', ?, ?)", ((f"9{n:012d}", json.dumps({"text": "x" * 400})) for n in range(3000)))
    base.commit()
    base.close()
    host.start()
    held = []
    try:
        for number in range(80):
            s = socket.socket(socket.AF_UNIX)
            s.connect(os.path.join(host.data, "control.sock"))
            if number < 4:
                s.sendall(b'{"command":"signal.list","arguments":{"tenant":"demo","limit":3000}}\n')
            held.append(s)
        expect_equal(sluice("top", "--data-dir", host.data, seconds=15).returncode, 0, "exit of top")
        check_well(host)
        expect_equal(end(host.process, seconds=15), 0, "exit after SIGTERM")
    finally:
        for s in held:
            s.close()


def test_provenance_of_an_answer(rig):
    """an answer bears the door it came through, which no caller can choose; a note has a bound"""
    scenario, (first, second, third, *_) = holding(rig)
    host = scenario.host
    token = user(host, "anna", "approver")
    sluice("approval", "approve", first["id"], "--call-hash", first["call_hash"], "--data-dir", host.data)
    api(host, token, "approval.approve", id=second["id"], call_hash=second["call_hash"], through="console")
    through = {body["proposal"]: body["through"] for _, kind, body in host.ledgered() if kind == "choice"}
    expect_equal(through, {first["id"]: "cli", second["id"]: "api"}, "the doors")
    expect_equal(api(host, token, "approval.approve", id=third["id"], call_hash=third["call_hash"], note="n" * 900_000)[0], 409, "a note of 900 kB")


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


def test_damaged_verdict_is_named_as_one(rig):
    """a replay over a verdict whose bytes were changed names the stage `verdicts`, not another"""
    folder = Folder(rig)
    (position, body), = folder.query(SEGMENT, "SELECT position, body FROM entry WHERE partition='demo' AND kind='verdicts' LIMIT 1")
    changed = bytes([body[0] ^ 1]) + body[1:]
    folder.check_found("a byte of a verdict", execute(SEGMENT, "UPDATE entry SET body=? WHERE partition='demo' AND position=?", changed, position), ("decision", "replay"),
                       "replay.input_damaged", f"ntry {position} ", "stage `verdicts`")


def test_commands_at_once_on_a_stopped_folder(rig):
    """commands that meet on the folder of a stopped host wait for one another"""
    host = ready(rig)
    host.stop()
    running = [subprocess.Popen([program("sluice"), "tenant", "list", "--data-dir", host.data], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for process in running:
        _, errors = process.communicate(timeout=60)
        expect_equal(process.returncode, 0, f"exit of tenant list ({errors})")


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


def test_sigterm_while_starting(rig):
    """SIGTERM at any moment of the start ends the host at once, and the folder serves afterwards"""
    host = rig.host()
    ends = set()
    for delay in [10 * (n % 50) for n in range(100)]:
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
