"""Odd, huge and hostile input at every door: each is answered with a code or refused, and the host lives on."""
import http.client
import urllib.parse

from approval_tests import api, user
from rig import *

CODE = re.compile(r"\[[a-z_]+\.[a-z_]+\]")


def ready(rig):
    host = rig.host()
    host.start()
    host.ask("tenant.create")
    return host


def check_well(host):
    expect_equal(request(host.address, "GET", "/healthz", None, {"Host": host.address}, seconds=10)[0], 200, f"health ({host.log_text()[-400:]})")
    expect_equal([row["tenant"] for row in host.ask("tenant.list")], ["demo"], "tenants")


def test_hostile_bodies_at_the_api(rig):
    """bodies that are no JSON, too deep, too large, of other types or full of odd names get a code and a status, and change nothing"""
    host = ready(rig)
    token = user(host, "anna", "approver", "operator", "auditor")
    head = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
    entries = host.head()
    bodies = {
        "nothing but brackets": b"[" * 300_000, "too deep": b'{"tenant":"demo","x":' + b"[" * 1500 + b"]" * 1500 + b"}", "half": b'{"tenant":"de', "bytes": b"\xff\xfe\x00",
        "no UTF-8 in a text": b'{"tenant":"\xff\xfe"}', "a key twice": b'{"tenant":"demo","tenant":"other"}', "half a character": b'{"tenant":"\\ud800"}',
        "an endless number": b'{"tenant":"demo","limit":1e999}', "text behind it": b'{"tenant":"demo"} x',
    }
    for name, body in bodies.items():
        status, _, answer = request(host.address, "POST", "/api/v1/signal.list", body, head)
        code = {"too deep": "json.too_deep", "a key twice": "json.duplicate_key", "an endless number": "json.number_out_of_range"}.get(name, "api.not_json")
        expect_equal((status, json.loads(answer)["error"]["code"]), (400, code), f"the answer to {name}")
    expect_equal(request(host.address, "POST", "/api/v1/signal.list", b'{"x":"' + b"a" * 1_200_000 + b'"}', head)[0], 413, "the answer to 1.2 MB")
    for body, code in ((b"[1]", "no_arguments"), (b"null", "no_arguments"), (b'"demo"', "no_arguments"), (b"7", "no_arguments"), (b"{}", "missing_argument"),
                       (b'{"tenant":7}', "bad_argument"), (b'{"tenant":null}', "missing_argument"), (b'{"tenant":["demo"]}', "bad_argument"),
                       (b'{"tenant":"demo","limt":5}', "unknown_argument"), (b'{"tenant":"demo","limit":"many"}', "bad_argument")):
        status, _, answer = request(host.address, "POST", "/api/v1/signal.list", body, head)
        expect_equal((status, json.loads(answer)["error"]["code"]), (400, "command." + code), f"the answer to {body}")
    for command, words, code in (("connector.pause", {"instance": "crm", "reason": 5}, "bad_argument"), ("connector.pause", {"instance": "crm", "drain": "yes"}, "bad_argument"),
                                 ("connector.pause", {"instance": "crm", "x": 1}, "unknown_argument"), ("connector.dry_run", {"instance": "crm", "stream": ["a"]}, "bad_argument")):
        expect_equal(api(host, token, command, **words), (400, "command." + code), f"the answer to {command} {words}")
    for tenant in ("_host", "../demo", "demo/", "Demo", "démo", "a" * 64, "", "demo\n", "demo\u0000"):
        status, code = api(host, token, "signal.list", tenant=tenant)
        expect((status, code) in ((409, "domain.bad_name"), (403, "command.not_allowed")), f"the answer to the tenant {tenant!r}: {status} {code}")
    for command in ("", "nosuch", "signal.list/", "../signal.list", "signal.list%00", "SIGNAL.LIST", "a/b/c", "x" * 5000):
        status, code = api(host, token, urllib.parse.quote(command, safe="/%"))
        expect_equal((status, code), (404, "command.unknown"), f"the answer to the command {command[:40]!r}")
    for command in ("tenant.create", "secret.set", "connector.enable", "apply", "user.create", "user.token", "user.link", "ledger.export", "policy.diff", "tenant.list"):
        expect_equal(api(host, token, command), (403, "command.not_allowed"), f"the answer to {command} through the API")
    for command, words in (("account.show", {"name": "x" * 100_000}), ("account.show", {"name": "x", "as_of": "2023-99-99"}), ("account.show", {"name": "x", "as_of": "9" * 30}),
                           ("decision.show", {"id": "zz"}), ("decision.show", {"id": "0" * 64}), ("action.show", {"id": "\u0000" * 64}), ("connector.run", {"instance": "../x"}),
                           ("connector.run", {"instance": "none"}), ("tenant.mode", {"mode": "god"}), ("policy.show", {"hash": "0" * 64}), ("approval.show", {"id": "0" * 64})):
        status, code = api(host, token, command, **words)
        expect(status in (404, 409) and "." in code, f"the answer to {command} {short(words, 60)}: {status} {code}")
    expect_equal(host.head(), entries, "journal entries after all of it")
    check_well(host)


def test_broken_http(rig):
    """garbage, endless headers, wrong lengths and requests that stop in the middle are refused or cut off, and others are served meanwhile"""
    host = ready(rig)

    def send(data):
        with socket.socket() as s:
            s.settimeout(10)
            s.connect(("127.0.0.1", host.port))
            try:
                s.sendall(data)
                return s.recv(4096)
            except ConnectionError:
                return b""
    cases = {
        "garbage": b"\x00\xff\xfe garbage\r\n\r\n", "an endless path": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        "endless headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"h%d: v\r\n" % i for i in range(20_000)) + b"\r\n",
        "a negative length": b"POST /hooks/x HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", "two lengths": b"POST /hooks/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        "a length and chunks": b"POST /hooks/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
        "a chunk of wrong size": b"POST /hooks/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabcde\r\n0\r\n\r\n", "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "another host by its path": b"GET http://evil.example/metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", "a tunnel": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    }
    for name, data in cases.items():
        answer = send(data)
        expect(answer == b"" or re.match(rb"HTTP/1.1 (400|401|413|414|421|431|5\d\d) ", answer), f"the answer to {name}: {answer[:200]}")
    waiting = []
    for number in range(200):
        s = socket.socket()
        s.connect(("127.0.0.1", host.port))
        s.sendall((b"", b"GET / HTTP/1.1\r\nHost:", b"GET /healthz HTTP/1.1\r\nX: ")[number % 3])
        waiting.append(s)
    check_well(host)
    begin = time.monotonic()
    expect_equal(host.stop(), 0, "exit after SIGTERM with 200 requests that never end")
    took = time.monotonic() - begin
    for s in waiting:
        s.close()
    expect(took < 10, f"the host stopped after {took:.1f} s")


def test_names_behind_a_proxy(rig):
    """a host that listens everywhere, with a public address and a name more, is reached by health checks, scrapers, its proxy and people, and its links lead where they can"""
    host = rig.host()
    host.options = ("--listen", f"0.0.0.0:{host.port}", "--public-url", "https://sluice.example.com", "--host", "sluice.internal")
    host.start()
    host.ask("tenant.create")
    token = user(host, "anna", "approver", "auditor")
    link = host.ask("user.link", name="anna")["url"]
    expect(link.startswith("https://sluice.example.com/sign-in?code="), f"the link: {link}")

    def status(path, name, **headers):
        return request(host.address, "GET", path, None, {"Host": name, **headers})[0]
    allowed = (f"127.0.0.1:{host.port}", f"localhost:{host.port}", f"[::1]:{host.port}", "sluice.example.com", "sluice.example.com:443", "sluice.internal", "sluice.internal:8080")
    for name in allowed:
        expect_equal([status(p, name, Authorization="Bearer " + token) for p in ("/healthz", "/readyz", "/metrics", "/sign-in", "/api/v1/signal.list?tenant=demo")], [200, 200, 200, 401, 200], f"under {name}")
    for name in ("10.0.0.7:7070", "evil.example", f"0.0.0.0:{host.port}"):
        expect_equal([status(p, name) for p in ("/healthz", "/readyz", "/sign-in", "/api/v1/signal.list?tenant=demo")], [200, 200, 421, 421], f"under {name}")
    expect_equal([status("/metrics", n) for n in ("10.0.0.7:7070", "evil.example")], [200, 421], "metrics by an address, and under another's name")
    _, _, answer = request(host.address, "GET", "/api/v1/signal.list", None, {"Host": "evil.example"})
    expect_equal(json.loads(answer)["error"]["code"], "edge.unknown_host", "the code of a name that is none of the host's")
    host.stop()
    host.options = ("--listen", f"0.0.0.0:{host.port}")
    host.start()
    link = host.ask("user.link", name="anna")["url"]
    expect(link.startswith(f"http://127.0.0.1:{host.port}/sign-in?code="), f"the link without a public address: {link}")
    done = sluice("up", "--data-dir", os.path.join(rig.folder, "x"), "--host", "https://sluice.internal", seconds=20)
    expect(done.returncode == 1 and "[command.bad_host_name]" in done.stderr, f"a name that is none: {done.returncode} {done.stderr}")


def test_flood_of_connections(rig):
    """with few files to open, hundreds of requests that never end leave the command line and the host's own work room; what is too much is closed, counted and told once"""
    host = rig.host()
    # The soft limit is raised to the hard one, which is all that the host may have.
    host.wrapper = ["bash", "-c", 'ulimit -Sn 128 && ulimit -Hn 400 && exec "$@"', "bash"]
    # Behind a proxy all come from one address, and only the sum is bounded.
    host.options = ("--public-url", "https://sluice.example.com")
    host.start()
    host.ask("tenant.create")
    with open(f"/proc/{host.process.pid}/limits") as f:
        expect_equal(next(line.split()[3:5] for line in f if line.startswith("Max open files")), ["400", "400"], "limits of open files")
    flood = []
    try:
        for number in range(700):
            s = socket.socket()
            s.settimeout(10)
            s.connect(("127.0.0.1", host.port))
            flood.append(s)
            with contextlib.suppress(ConnectionError):
                s.sendall((b"POST /hooks/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n", b"GET /heal")[number % 2])
        begin = time.monotonic()
        for words in (("ready",), ("tenant", "list"), ("connector", "list"), ("kill", "all", "--reason", "flood"), ("user", "create", "anna", "--role", "auditor")):
            done = sluice(*words, "--data-dir", host.data, seconds=20)
            expect_equal(done.returncode, 0, f"exit of {' '.join(words)} during the flood ({done.stderr})")
        took = time.monotonic() - begin
        expect(took < 20, f"five commands took {took:.1f} s during the flood")
        open_files = len(os.listdir(f"/proc/{host.process.pid}/fd"))
        expect(open_files < 300, f"{open_files} files are open during the flood")
    finally:
        for s in flood:
            s.close()

    def is_over():
        # Until the host has seen that they are closed, who asks for metrics is turned away too.
        with contextlib.suppress(ConnectionError, http.client.HTTPException):
            return host.metric("sluice_edge_connections") < 10
        return False
    wait_for(is_over, "the connections of the flood are gone")
    expect(host.metric("sluice_edge_turned_away_total") >= 400, f"connections that were turned away: {host.metric('sluice_edge_turned_away_total')}")
    expect_equal(host.log_text().count('"edge.too_many_connections"'), 1, "lines of the log about it")
    check_well(host)


def test_control_socket(rig):
    """lines that are no request get no answer or a code, and the socket belongs to the host's user alone"""
    host = ready(rig)
    path = os.path.join(host.data, "control.sock")
    expect_equal(os.stat(path).st_mode & 0o777, 0o600, "mode of the control socket")

    def say(line):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(path)
            s.sendall(line)
            return s.recv(4096)
    for line in (b"\n", b"{}\n", b"[]\n", b"\xff\xfe\n", b'{"command":5}\n', b'{"x":' + b"[" * 100_000 + b"\n", b'{"command":"tenant.list"}\n{"command":"tenant.list"}\n'):
        expect_equal(json.loads(say(line))["error"]["code"], "command.not_json", f"the answer to {line[:40]}")
    for line, code in ((b'{"command":"nosuch"}\n', "command.unknown"), (b'{"command":"top"}\n', "command.missing_argument"), (b'{"command":"top","arguments":[]}\n', "command.no_arguments"),
                       (b'{"command":"tenant.create","arguments":{"tenant":5}}\n', "command.bad_argument"), (b'{"command":"top","arguments":{"tenant":"demo","x":1}}\n', "command.unknown_argument"), (b'{"command":"tenant.create","arguments":{"tenant":"../x"}}\n', "domain.bad_name")):
        expect_equal(json.loads(say(line))["error"]["code"], code, f"the answer to {line}")
    with socket.socket(socket.AF_UNIX) as gone:
        gone.connect(path)
        gone.sendall(b'{"command":"tenant.list"')
    check_well(host)
    if os.geteuid() == 0:
        # The folder is private; even behind it the kernel tells the host who asks.
        for place in (host.folder, os.path.dirname(host.folder), host.data):
            os.chmod(place, 0o755)
        os.chmod(path, 0o666)
        child = os.fork()
        if child == 0:
            try:
                os.setgid(65534)
                os.setuid(65534)
                answer = say(b'{"command":"tenant.list"}\n')
                os._exit(0 if answer == b"" else 3)
            except OSError:
                os._exit(0)
            finally:
                os._exit(4)
        expect_equal(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0, "another user's end, who must get no answer")
        host.reply("tenant.list")
        os.chmod(host.data, 0o700)


def test_odd_words_at_the_command_line(rig):
    """names that are none, files that are none and ids that are none are refused with a code and exit 1; a secret is taken whole or not"""
    host = ready(rig)
    for words in (("tenant", "create"), ("user", "create"), ("connector", "run"), ("connector", "disable")):
        for name in ("../x", "", "_host", "a/b", "É", "a" * 64, "a b", "-"):
            done = sluice(*words, "--data-dir", host.data, "--", name)
            expect(done.returncode == 1 and CODE.search(done.stderr), f"{' '.join(words)} {name!r}: {done.returncode} {done.stdout}{done.stderr}")
    for words in (("user", "link", "nobody"), ("user", "token", "nobody"), ("decision", "show", "abc"), ("decision", "replay", "abc"), ("approval", "show", "0" * 64),
                  ("action", "show", "0" * 64), ("account", "show", ""), ("account", "show", "x", "--as-of", "soon"), ("policy", "activate", "zz"), ("policy", "check", "/nope"),
                  ("connector", "hook", "none"), ("connector", "enable", "../../etc/passwd"), ("connector", "enable", "crm", "--endpoint", "crm=ftp://x", "--allow-private"),
                  ("apply", "-f", "/nope"), ("apply", "-f", "/etc/passwd"), ("top", "--tenant", "none"), ("tenant", "mode", "god")):
        done = sluice(*words, *(("--data-dir", host.data) if words[:2] != ("policy", "check") else ()))
        expect(done.returncode == 1 and CODE.search(done.stderr), f"{' '.join(words)}: {done.returncode} {done.stdout}{done.stderr}")
    for secret in (b"", b"\n", b"a\r\nX-Evil: 1\n", b"a\0b", b"x" * 1_000_000):
        done = subprocess.run([program("sluice"), "secret", "set", "crm", "api", "--data-dir", host.data], input=secret, capture_output=True)
        expect(done.returncode == 1 and b"[vault.unusable_secret]" in done.stderr, f"secret {secret[:20]}: {done.returncode} {done.stderr}")
    expect_equal(host.ask("secret.list"), [], "secrets")
    check_well(host)


def test_odd_folders_and_addresses(rig):
    """a data folder that is none or not ours and an address that is none are refused with a code; a link to a folder serves"""
    def refused(what, folder, code, *options):
        done = sluice("up", "--data-dir", folder, *(options or ("--listen", "127.0.0.1:0")), seconds=20)
        expect(done.returncode == 1 and CODE.search(done.stderr) and (code or "") in done.stderr, f"{what}: {done.returncode} {done.stderr}")

    def folder(name, **files):
        path = rig.path(name)
        os.chmod(path, 0o700)
        for file, content in files.items():
            file = os.path.join(path, file.replace("_", "."))
            if content is None:
                os.makedirs(file)
            else:
                with open(file, "wb") as f:
                    f.write(content)
        return path
    refused("a file", os.path.join(folder("f", x=b""), "x"), "host.not_a_folder")
    refused("a lock that is a folder", folder("l", format=b"1\n", lock=None), "host.not_a_folder")
    for content in (b"", b"-1", b"2147483648000000000000", b"one"):
        refused(f"the format {content}", folder("v" + content.hex(), format=content), "host.folder_format")
    refused("a socket that is a folder", folder("s", format=b"1\n", control_sock=None), None)
    if os.geteuid() == 0:
        shutil.chown(folder("o"), 65534, 65534)
        refused("another user's folder", os.path.join(rig.folder, "o"), "host.folder_not_private")
    for address in ("x", ":80", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:-1", "127.0.0.1:1:2", ""):
        refused(f"the address {address!r}", os.path.join(rig.folder, "a"), "command.bad_address", "--listen", address)
    host = rig.host()
    os.symlink(folder("real"), host.data)
    host.start()
    host.ask("tenant.create")
    host.kill()
    host.start()
    check_well(host)


def test_many_commands_at_once(rig):
    """twenty commands at once, each through a process of its own, are all answered by the running host"""
    host = ready(rig)
    words = [("tenant", "create", f"t{n}") for n in range(8)] + [("user", "create", f"u{n}") for n in range(6)] + [("top",), ("doctor", "--deep"), ("tenant", "list"), ("ledger", "verify")] * 2
    running = [subprocess.Popen([program("sluice"), *w, "--data-dir", host.data], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for w in words]
    for w, process in zip(words, running):
        _, errors = process.communicate(timeout=60)
        expect_equal(process.returncode, 0, f"exit of {' '.join(w)} ({errors})")
    expect_equal([row["tenant"] for row in host.ask("tenant.list")], ["demo"] + [f"t{n}" for n in range(8)], "tenants")
    expect_equal(len(host.ask("user.list")), 6, "users")


def test_limits(rig):
    """a limit below zero, beyond all bounds or of another type is refused with a code, and no answer grows without end"""
    host = ready(rig)
    token = user(host, "anna", "auditor")
    for command in ("decision.list", "action.list", "signal.list", "deadletter.list"):
        for limit in (-1, -(2**53) + 1, 10**9):
            expect_equal(api(host, token, command, limit=limit), (409, "command.bad_limit"), f"{command} with limit {limit!r}")
        for limit in (1.5, "many", True):
            expect_equal(api(host, token, command, limit=limit), (400, "command.bad_argument"), f"{command} with limit {limit!r}")
    check_well(host)


def test_sigterm_amid_a_body(rig):
    """SIGTERM ends a host within ten seconds although a client never finishes its body"""
    host = ready(rig)
    with socket.socket() as s:
        s.connect(("127.0.0.1", host.port))
        s.sendall(b"POST /hooks/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        check_well(host)
        expect_equal(end(host.process, seconds=10), 0, "exit after SIGTERM")


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
