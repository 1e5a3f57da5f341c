"""Bad files and wrong words: refused with the place and the reason, and with the right exit code."""
from approval_tests import api, user
from door_tests import CODE, check_well
from rig import *


def ready(rig):
    host = rig.host()
    host.start()
    host.ask("tenant.create")
    return host


def manifest(rig, name, *changes, source="crm"):
    """A copy of a reviewed manifest with some text replaced, its library beside it."""
    folder = rig.path(name)
    plugins(folder)
    path = os.path.join(folder, "plugins", source + ".yaml")
    with open(path) as f:
        text = f.read()
    for old, new in changes:
        expect(old in text, f"the manifest has no {old!r}")
        text = text.replace(old, new, 1)
    with open(path, "w") as f:
        f.write(text)
    return path, text


def line_of(text, part):
    return next(n for n, line in enumerate(text.splitlines(), 1) if part in line)


def enable(host, path):
    return sluice("connector", "enable", path, "--as", "crm", "--endpoint", "crm=http://127.0.0.1:1", "--allow-private", "--data-dir", host.data)


def test_malformed_manifest(rig):
    """a manifest with an unknown key, a value out of its list or of the wrong type, or broken YAML is refused with key, line and what is allowed"""
    host = ready(rig)
    cases = [
        ("kind", ("kind: source", "kind: sauce"), "kind: sauce", ["kind", "sauce", "source"]),
        ("effect", ("path: /api/v1/reps, slot: api, effect: read", "path: /api/v1/reps, slot: api, effect: reed"), "effect: reed", ["effect", "reed", "read"]),
        ("unknown", ("summary: Accounts", "sumary: Accounts"), "sumary:", ["sumary", "summary"]),
        ("type", ("interval_ms: 60000", "interval_ms: soon"), "interval_ms: soon", ["interval_ms", "soon"]),
        ("slot", ("path: /api/v1/accounts, slot: api", "path: /api/v1/accounts, slot: apu"), "slot: apu", ["apu"]),
        ("syntax", ("endpoints:\n", "endpoints: [\n"), None, ["crm.yaml"]),
    ]
    for name, change, place, words in cases:
        path, text = manifest(rig, name, change)
        done = enable(host, path)
        expect_equal(done.returncode, 1, f"exit for {name} ({done.stderr})")
        for word in words:
            expect(word in done.stderr, f"{name}: no {word!r} in: {done.stderr}")
        if place:
            line = line_of(text, place)
            expect(f"crm.yaml:{line}" in done.stderr or f"line {line}" in done.stderr, f"{name}: line {line} is not named in: {done.stderr}")
    expect_equal(host.ask("connector.list"), [], "connectors")
    path, _ = manifest(rig, "good")
    expect_equal(enable(host, path).returncode, 0, "exit for the manifest as it was")


def parked(host):
    def state():
        rows = host.ask("connector.list")
        return rows and rows[0]["state"] if rows and ("parked" in rows[0]["state"] or "waiting" in rows[0]["state"]) else None
    return wait_for(state, lambda: f"the connector stops: {host.ask('connector.list')}", 30)


def test_wrong_or_missing_library(rig):
    """a library that is missing, or whose bytes are not those of the reviewed manifest, is never run"""
    host = ready(rig)
    path, _ = manifest(rig, "missing", ("file: crm-source.so", "file: no-such.so"))
    done = enable(host, path)
    reason = done.stderr if done.returncode else parked(host)
    expect("no-such.so" in reason, f"the missing library is not named: {reason}")
    path, _ = manifest(rig, "changed")
    with open(os.path.join(os.path.dirname(path), "crm-source.so"), "ab") as f:
        f.write(b"\0")
    done = enable(host, path)
    reason = done.stderr if done.returncode else parked(host)
    expect("SHA-256" in reason and "crm-source.so" in reason, f"the changed library is not named: {reason}")
    expect_equal(host.metrics().get('sluice_operations_total{instance="demo/crm",kind="pull",ending="ok"}'), None, "operations that ended well")
    expect_equal(host.workers(), [], "workers of a library that is not the reviewed one")


def configuration(rig, name):
    folder = rig.path(name)
    for part in ("policies", "playbooks"):
        shutil.copytree(os.path.join(PROJECT, part), os.path.join(folder, part))
    return folder


def test_malformed_configuration(rig):
    """a malformed threshold, governance, policy or playbook is refused with file and line, and nothing of its folder takes effect"""
    host = ready(rig)
    cases = [
        ("policies/governance.yaml", ("attempts_max: 3", "attempts_max: many"), "attempts_max"),
        ("policies/governance.yaml", ("quorum: 1", "qorum: 1"), "qorum"),
        ("policies/autonomous.cedar", ("when { context.tool ==", "when { context.tool ="), None),
        ("policies/autonomous.cedar", ("context.expected_value_cents", "context.expected_value_sents"), "expected_value_sents", '@id("autonomous.value_limit")'),
        ("playbooks/product-alias.yaml", ("per_day_max: 20", "per_day_max: -1"), "per_day_max"),
        ("playbooks/product-alias.yaml", ("on: product.unknown", "on: product.unheard_of"), "product.unheard_of"),
        ("playbooks/product-alias.yaml", ("kind: escalate", "kind: guess"), "guess"),
        ("policies/thresholds.yaml", (None, "surprise: 1\n"), "surprise"),
    ]
    for number, (file, (old, new), word, *place) in enumerate(cases):
        folder = configuration(rig, f"case{number}")
        path = os.path.join(folder, file)
        with open(path) as f:
            text = f.read()
        expect(old is None or old in text, f"{file} has no {old!r}")
        text = text + new if old is None else text.replace(old, new, 1)
        with open(path, "w") as f:
            f.write(text)
        entries = host.head()
        reply = host.reply("apply", folder=folder)
        expect("error" in reply, f"{file} with {new!r} was accepted")
        message = reply["error"]["message"]
        # A policy that names what the schema does not have is shown where it begins.
        line = line_of(text, place[0] if place else new.splitlines()[0].strip())
        expect(f"{os.path.basename(file)}:{line}" in message or f"line {line}" in message, f"{file}: line {line} is not named in: {message}")
        expect(os.path.basename(file) in message, f"the file {file} is not named in: {message}")
        expect(word is None or word in message, f"no {word!r} in: {message}")
        expect_equal(host.head(), entries, "journal entries after a refused folder")
    expect_equal(len(host.ask("apply", folder=PROJECT)) > 5, True, "activations of the project's own folder")


def test_exit_codes(rig):
    """wrong usage exits 2 with the usage, a refusal exits 1 with its code, help exits 0"""
    data = rig.path("none") + "/data"
    for words in ((), ("--help",), ("up", "--help"), ("connector", "--help"), ("demo", "--help")):
        done = sluice(*words)
        expect_equal(done.returncode, 0, f"exit of sluice {' '.join(words)} ({done.stderr})")
    for words in (("nonsense",), ("up", "--nonsense"), ("up", "--sandbox", "loose"), ("tenant", "create"), ("connector", "enable"), ("demo", "--mode", "wild"),
                  ("connector", "enable", "crm", "--endpoint", "crm"), ("demo", "--seed", "many")):
        done = sluice(*words, *(("--data-dir", data) if words[0] in ("tenant", "connector", "up") and words != ("up", "--nonsense") else ()))
        expect_equal(done.returncode, 2, f"exit of sluice {' '.join(words)} ({done.stdout}{done.stderr})")
        expect(done.stderr.strip(), f"sluice {' '.join(words)} says nothing on standard error")
        expect(not done.stdout.strip(), f"sluice {' '.join(words)} speaks on standard output: {done.stdout}")
    for words, code in ((("tenant", "create", "Not A Name!"), None), (("connector", "enable", "no-such-connector"), "connector.no_plugin"),
                        (("connector", "run", "crm"), "host.unknown"), (("connector", "enable", "crm", "--endpoint", "crm=http://127.0.0.1:1"), "connector.private_not_allowed"),
                        (("connector", "enable", "crm", "--endpoint", "erp=http://127.0.0.1:1", "--allow-private"), "connector.unknown_endpoint")):
        done = sluice(*words, "--data-dir", data)
        expect_equal(done.returncode, 1, f"exit of sluice {' '.join(words)} ({done.stdout}{done.stderr})")
        expect(f"[{code or ''}" in done.stderr, f"no code {code} in: {done.stderr}")
    done = sluice("demo", "--data", os.path.join(rig.folder, "nowhere"), "--auto", "--listen", "127.0.0.1:0")
    expect_equal(done.returncode, 1, f"exit of a demo without data ({done.stderr})")


def test_wrong_instance_config(rig):
    """a configuration that its manifest's schema does not allow is refused with the path of each fault, before anything is enabled"""
    host = ready(rig)
    for config, *paths in (({"page_size": 0}, "page_size"), ({"page_size": "200"}, "page_size"), ({"pagesize": 200, "page_size": 0}, "`pagesize` is not known", "`page_size` is less"), ([1], "the whole")):
        reply = host.reply("connector.enable", name="crm", config=config)
        expect_equal(reply.get("error", {}).get("code"), "connector.bad_config", f"answer to {config}: {reply}")
        for path in paths:
            expect(path in reply["error"]["message"], f"no {path!r} in: {reply['error']['message']}")
    expect_equal(host.ask("connector.list"), [], "connectors")
    expect(host.ask("connector.enable", name="crm", config={"page_size": 10})["enabled"], "a good configuration")
    path, _ = manifest(rig, "schema", ("page_size: {type: integer,", "page_size: {format: integer,"))
    done = enable(host, path)
    expect_equal(("format" in done.stderr, done.returncode), (True, 1), f"a schema with a keyword that is not checked ({done.stderr})")


def test_orders_that_do_nothing(rig):
    """an order that stops, takes back, resolves, replays or revokes nothing exits 1 and says why"""
    host = ready(rig)
    for words in (("kill", "tol:crm.reassign"), ("kill", "tool:crm.reasign"), ("kill", "playbook:none"), ("kill", "account:Nobody"), ("kill", "owner:Nobody"), ("kill", ""), ("kill", "tool:"), ("unkill", "tool:none"), ("action", "undo", "0" * 64), ("action", "resolve", "0" * 64, "done"),
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


def test_documents_that_are_none(rig):
    """what the host reads must be a file of bounded size in UTF-8: a folder, a pipe that nobody writes to, a file that is missing, binary or too large is named and refused, and nobody waits for it"""
    host = ready(rig)
    paths = {name: os.path.join(rig.folder, name + ".yaml") for name in ("missing", "folder", "pipe", "binary", "large")}
    os.mkdir(paths["folder"])
    os.mkfifo(paths["pipe"])
    with open(paths["binary"], "wb") as f:
        f.write(b"\xff\xfe\x00")
    with open(paths["large"], "wb") as f:
        f.truncate(17 << 20)
    codes = {"missing": "file.unreadable", "folder": "file.not_a_file", "pipe": "file.not_a_file", "binary": "file.not_text", "large": "file.too_large"}
    for kind, path in paths.items():
        rules = configuration(rig, kind)
        playbook = os.path.join(rules, "playbooks", "odd.yaml")
        os.symlink(path, playbook)
        for words, named in ((("connector", "enable", path, "--data-dir", host.data), path), (("doctor", "--config", path), path), (("up", "--config", path, "--data-dir", host.data), path),
                             (("apply", "-f", rules, "--yes", "--data-dir", host.data), playbook)):
            done = sluice(*words, seconds=20)
            expect(done.returncode == 1 and f"[{codes[kind]}]" in done.stderr and named in done.stderr, f"{' '.join(words)}: {done.returncode} {done.stderr}")
    for path, code in (("/nope", "config.no_folder"), (paths["binary"], "config.not_a_folder")):
        done = sluice("apply", "-f", path, "--yes", "--data-dir", host.data)
        expect((done.returncode, f"[{code}]" in done.stderr, path + "/" in done.stderr) == (1, True, False), f"apply -f {path}: {done.stderr}")
    check_well(host)


def test_settings_with_many_faults(rig):
    """all that is wrong with a host's settings is told at once, each with line and code, and no host starts on them"""
    settings, data = os.path.join(rig.path("settings"), "sluice.yaml"), os.path.join(rig.path("settings"), "data")
    with open(settings, "w") as f:
        f.write("sluice: 1\nlisten: nowhere\ndisk:\n  low_water_bytes: -1\n  balast_bytes: 0\nsandbox: off\n")
    for words in (("doctor", "--config", settings), ("up", "--config", settings, "--data-dir", data)):
        done = sluice(*words, seconds=20)
        told = [line.split(" is ")[0].removeprefix("sluice: sluice.yaml") for line in done.stderr.splitlines()]
        wanted = [":2:9: `listen`", ":4:20: `disk.low_water_bytes`", ":5:17: `disk.balast_bytes`", ":6:10: `sandbox`"]
        expect_equal((done.returncode, told, done.stderr.count("[config.invalid]"), os.path.exists(data)), (1, wanted, 4, False), words[0])


def test_more_than_a_host_takes(rig):
    """a number that JSON does not carry and a secret that is too large or no text are refused before they are sent"""
    host = ready(rig)
    words = ("--data-dir", host.data)
    done = sluice("connector", "enable", "crm", "--interval-ms", str(2**53 + 1), *words)
    expect((done.returncode, "[command.bad_argument]" in done.stderr, "schedule.interval_ms" in done.stderr) == (1, True, True), f"a large number: {done.stderr}")
    secret = os.path.join(rig.folder, "secret")
    for content, code in ((b"a" * (17 << 20), "file.too_large"), (b"\x01" * (16 << 20), "command.too_large"), (b"\xff\xfe", "file.not_text")):
        with open(secret, "wb") as f:
            f.write(content)
        with open(secret, "rb") as f:
            done = subprocess.run([program("sluice"), "secret", "set", "crm", "api", *words], stdin=f, capture_output=True, text=True)
        expect((done.returncode, f"[{code}]" in done.stderr) == (1, True), f"a secret of {len(content)} bytes: {done.stderr}")
    check_well(host)


def test_connector_that_does_not_run(rig):
    """what needs a running connector says that no host runs, or that it is disabled or paused and why, and changes nothing"""
    host = ready(rig)
    host.ask("connector.enable", name="crm", endpoints={"crm": "http://127.0.0.1:1"}, allow_private=True)

    def refused(code, *names):
        for words in (("pause", "crm", "--drain"), ("run", "crm"), ("hook", "crm")):
            done = sluice("connector", *words, "--data-dir", host.data)
            expect((done.returncode, f"[{code}]" in done.stderr) == (1, True) and all(n in done.stderr for n in names), f"connector {' '.join(words)}: {done.stderr}")
    host.ask("connector.pause", instance="crm", reason="quarter end")
    done = sluice("connector", "run", "crm", "--data-dir", host.data)
    expect((done.returncode, "[connector.rests]" in done.stderr, "quarter end" in done.stderr) == (1, True, True), f"a run while it is paused: {done.stderr}")
    host.ask("connector.resume", instance="crm")
    host.stop()
    refused("connector.no_host", host.data)
    shown = json.loads(sluice("connector", "show", "crm", "--data-dir", host.data, "--json").stdout)
    expect_equal((shown["settings"].get("pausedFor"), shown["state"]), (None, "not running"), "the connector after a pause that was refused")
    top = sluice("top", "--once", "--data-dir", host.data).stdout
    expect("No host runs" in top and "Nothing waits" not in top, f"top without a host: {top}")
    host.start()
    host.ask("connector.disable", instance="crm")
    refused("connector.disabled")


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
    done = sluice("connector", "enable", "crm", "--endpoint", "crm=http://anna:CANARY@127.0.0.1:1", "--allow-private", "--data-dir", host.data)
    expect_equal((done.returncode, "[connector.bad_override]" in done.stderr, "CANARY" in done.stdout + done.stderr), (1, True, False), f"an address with a login: {done.stderr}")


def test_customers_own_host(rig):
    """a customer's own host is one label of the configuration: anything else is refused by its path, in a file with its line; another public host needs no --allow-private, and gets no private address"""
    host = ready(rig)
    path, _ = manifest(rig, "desk", ("base: https://crm.example.com", 'base: "https://{subdomain}.crm.example"'),
                       ("  properties:\n    page_size", "  required: [subdomain]\n  properties:\n    subdomain: {type: string, description: The name before .crm.example.}\n    page_size"))
    config = os.path.join(rig.folder, "config.json")

    def asked(subdomain, *words):
        with open(config, "w") as f:
            json.dump({"subdomain": subdomain}, f)
        return sluice("connector", "enable", path, "--as", "crm", "--config", config, *words, "--json", "--data-dir", host.data)
    wrong = ("evil.com#", "a.b", "127", "", "Acme", "-a", "a/b", "a@b")
    for value in wrong:
        for words in ((), ("--plan",), ("--endpoint", "crm=https://crm.acme.example")):
            done = asked(value, *words)
            expect(done.returncode == 1 and "[connector.bad_config]" in done.stderr and "`subdomain`" in done.stderr, f"{value!r}: {done.returncode} {done.stderr}")
    expect_equal(host.ask("connector.list"), [], "connectors after what was refused")
    connectors = os.path.join(rig.folder, "wanted", "connectors")
    os.makedirs(connectors)
    for rules in ("policies", "playbooks"):
        shutil.copytree(os.path.join(PROJECT, rules), os.path.join(rig.folder, "wanted", rules))
    with open(os.path.join(connectors, "crm.yaml"), "w") as f:
        f.write(f'connector: {path}\nconfig: {{subdomain: "a.b"}}\n')
    done = sluice("apply", "-f", os.path.dirname(connectors), "--plan", "--data-dir", host.data)
    expect(done.returncode == 1 and "connectors/crm.yaml:2" in done.stderr and "`subdomain`" in done.stderr, f"in a file: {done.stderr}")
    plan = json.loads(asked("acme", "--plan").stdout)
    expect_equal(plan["endpoints"], {"crm": "https://acme.crm.example"}, "where it would go")
    expect(any(line.startswith("reaches https://{subdomain}.crm.example (crm)") for line in plan["asks"]), f"what it asks for: {plan['asks']}")
    for base in ("http://crm.acme.example", "https://127.0.0.1", "https://localhost"):
        done = asked("acme", "--endpoint", f"crm={base}")
        expect(done.returncode == 1 and "[connector.private_not_allowed]" in done.stderr, f"{base}: {done.stderr}")
    expect_equal(asked("acme", "--endpoint", "crm=https://crm.acme.example").returncode, 0, "another public host")
    shown = host.ask("connector.show", instance="crm")
    expect_equal((shown["endpoints"], shown["allow_private"]), ({"crm": "https://crm.acme.example"}, []), "where it goes")


def test_apply_is_one_change(rig):
    """apply makes what is in force equal to the folder, in one step: what is new, changed, the same and gone is told, and a diff tells it before"""
    host = ready(rig)
    host.ask("apply", folder=PROJECT)
    names = {row["name"] for row in host.ask("policy.list") if row["kind"] == "playbooks" and row["state"] == "in force"}
    expect_equal({row["change"] for row in host.ask("apply", folder=PROJECT)}, {"unchanged"}, "changes of the same folder")
    folder = rig.path("rules")
    for name in ("policies", "playbooks"):
        shutil.copytree(os.path.join(PROJECT, name), os.path.join(folder, name))
    gone, changed = sorted(names)[:2]
    os.remove(os.path.join(folder, "playbooks", gone))
    path = os.path.join(folder, "playbooks", changed)
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(re.sub(r"(?m)^summary: .*$", "summary: Something else.", text))
    differing = {row["name"] for row in host.ask("policy.diff", folder=folder)}
    expect_equal(differing, {gone, changed}, "sets that differ")
    entries = host.head()
    told = {row["name"]: row["change"] for row in host.ask("apply", folder=folder)}
    expect_equal({name: change for name, change in told.items() if change != "unchanged"}, {gone: "removed", changed: "changed"}, "what apply did")
    expect_equal(host.head() - entries, 2, "entries that apply made")
    expect_equal({row["name"] for row in host.ask("policy.list") if row["kind"] == "playbooks" and row["state"] == "in force"}, names - {gone}, "playbooks in force")


def test_apply_and_death(rig):
    """a host that dies while a folder is applied has put all of its rules and connectors into force, or none"""
    host = ready(rig)
    host.ask("apply", folder=PROJECT)
    folder, count, seen, deaths = rig.path("rules"), 40, [], 0
    shutil.copytree(os.path.join(PROJECT, "policies"), os.path.join(folder, "policies"))
    shutil.copytree(os.path.join(PROJECT, "playbooks"), os.path.join(folder, "playbooks"))
    os.makedirs(os.path.join(folder, "connectors"))
    for trial, (point, visit) in enumerate((p, v) for v in (1, 2, 3, 10) for p in ("journal.before_commit", "journal.after_commit")):
        for number in range(count):
            with open(os.path.join(folder, "connectors", f"counter-{number}.yaml"), "w") as f:
                json.dump({"connector": "counter", "config": {"records": trial + 1}, "pause": "only to be applied"}, f)
        host.stop()
        host.start(crash=f"{point}:{visit}")
        told = sluice("apply", "-f", folder, "--yes", "--data-dir", host.data)
        # Where it was not reached, the host has done the whole of it.
        if told.returncode == 0:
            host.kill()
        else:
            expect_equal(host.process.wait(20), -9, f"the host's end ({told.stderr})")
            host.state.close()
            deaths += 1
        host.start()
        changes = [row["change"] for row in host.ask("apply", folder=folder, plan=True) if row["kind"] == "instance"]
        expect(len(set(changes)) == 1 and len(changes) == count, f"at {point}:{visit} a part is in force: {sorted(changes)} ({told.stderr})")
        seen.append(changes[0])
    expect(deaths >= 2 and len(set(seen)) == 2, f"{deaths} deaths, of which some left all and some nothing: {seen}")
    return f"{deaths} deaths: {', '.join(seen)}"


def test_users_come_and_go(rig):
    """a user belongs to a tenant that exists; a role that is revoked counts no more, and a user that is removed is nobody at once"""
    host = ready(rig)
    done = sluice("user", "create", "zed", "--role", "operator", "--tenant", "nosuch", "--data-dir", host.data)
    expect((done.returncode, "[host.unknown]" in done.stderr) == (1, True), f"a user of no tenant: {done.stderr}")
    token = user(host, "anna", "operator", "auditor")
    expect_equal(api(host, token, "ledger.publish")[0], 200, "what an operator may")
    words = ("--data-dir", host.data)
    expect_equal(sluice("user", "revoke", "anna", "--role", "operator", *words).returncode, 0, "exit of user revoke")
    expect_equal(api(host, token, "ledger.publish"), (403, "command.not_allowed"), "what she may no more")
    expect_equal(api(host, token, "signal.list")[0], 200, "what she may still")
    expect("[identity.no_role]" in sluice("user", "revoke", "anna", "--role", "operator", *words).stderr, "a role that she has not")
    expect_equal(sluice("user", "remove", "anna", *words).returncode, 0, "exit of user remove")
    expect_equal((api(host, token, "signal.list"), host.ask("user.list")), ((401, "api.not_identified"), []), "a user who is gone")
    expect("[identity.no_user]" in sluice("user", "remove", "anna", *words).stderr, "a user who is gone is removed")


def test_every_tenant_is_looked_at(rig):
    """doctor --deep looks at every tenant unless one is named"""
    host = ready(rig)
    host.ask("tenant.create", tenant="acme")
    done = sluice("doctor", "--deep", "--json", "--data-dir", host.data)
    expect_equal(sorted((row["tenant"], row["same"]) for row in json.loads(done.stdout)), [("acme", True), ("demo", True)], "the tenants")
    done = sluice("doctor", "--deep", "--tenant", "acme", "--json", "--data-dir", host.data)
    expect_equal(json.loads(done.stdout)["same"], True, "one tenant")


def test_strange_files_in_the_folder(rig):
    """a stray file among the tenants is told of and left; a checkpoint that is none stops the start with its path, and is signed anew once it is moved away"""
    host = ready(rig)
    host.ask("kill", target="all", reason="something to publish")
    host.ask("ledger.publish")
    host.stop()
    stray = os.path.join(host.data, "tenants", "notes.txt")
    open(stray, "w").close()
    checkpoint = os.path.join(host.data, "tenants", "demo", "ledger", "checkpoint")
    with open(checkpoint) as f:
        was = f.read().splitlines()[:3]
    with open(checkpoint, "w") as f:
        f.write("garbage")
    done = sluice("tenant", "list", "--data-dir", host.data)
    expect(done.returncode == 1 and "[ledger.checkpoint_damaged]" in done.stderr and checkpoint in done.stderr, f"a checkpoint that is none: {done.stderr}")
    os.remove(checkpoint)
    host.start()
    expect("host.odd_tenant" in host.log_text() and stray in host.log_text(), "the stray file is not told of")
    expect_equal(host.ask("ledger.verify")["sound"], True, "the log")
    with open(checkpoint) as f:
        expect_equal(f.read().splitlines()[:3], was, "the checkpoint that was signed anew")
