"""A plugin's way from `sluice plugin new` to an enabled connector, as a third party goes it: outside the checkout."""
import hashlib
import threading
from urllib.parse import parse_qs, urlparse

from rig import *
from serving import Handler, Serving

LANGUAGES = {"c": "cc", "cpp": "c++", "swift": "swiftc", "rust": "cargo"}
CANARY = "canary-0123456789abcdef"


class Gauge:
    """An upstream that serves readings, five to a page, to whoever has the token."""

    def __init__(self, readings):
        gauge = self
        self.readings, self.seen, self.echoes = readings, [], False
        self.answers = threading.Event()
        self.answers.set()

        class Pages(Handler):
            def do_GET(self):
                gauge.seen.append((self.path, self.headers.get("Authorization")))
                gauge.answers.wait()
                after = int(parse_qs(urlparse(self.path).query).get("after", ["0"])[0])
                allowed = self.headers.get("Authorization") == f"Bearer {CANARY}"
                body = json.dumps([r for r in gauge.readings if r["id"] > after][:5] if allowed else {"error": "no"}).encode()
                self.answer(200 if allowed else 401, body, **({"X_Echo": self.headers.get("Authorization") or ""} if gauge.echoes else {}))
        self.server = Serving(Pages)
        self.url = self.server.url

    def close(self):
        self.answers.set()
        self.server.close()


def readings(count):
    return [{"id": n, "at": 1767225600000 + n * 60000, "name": f"brest-{n}", "level": 400 + n} for n in range(1, count + 1)]


def made(rig, language, name="gauge", flags=(), kind="source"):
    """A new plugin, built where no checkout is. Returns the path of its built manifest."""
    if not shutil.which(LANGUAGES[language]):
        raise Skip(f"needs {LANGUAGES[language]}")
    folder = os.path.join(rig.folder, f"{language}-{name}")
    done = sluice("plugin", "new", *(("--kind", kind) if kind != "source" else ()), "--lang", language, name, "--to", folder)
    expect_equal(done.returncode, 0, f"exit of plugin new ({done.stderr})")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    built = subprocess.run(["make", *flags], cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    expect_equal(built.returncode, 0, f"exit of make ({(built.stdout + built.stderr)[-2000:]})")
    return os.path.join(folder, "build", f"{name}.yaml")


def plugin(*arguments, code=0, **options):
    done = sluice("plugin", *arguments, **options)
    expect_equal(done.returncode, code, f"exit of plugin {' '.join(map(str, arguments))} ({done.stderr})")
    return done


def refused(code, *arguments):
    done = plugin(*arguments, code=1)
    expect(f"[{code}]" in done.stderr, f"plugin {' '.join(map(str, arguments))} was refused otherwise: {done.stderr}")


# What a pack's bill of materials must say of the inside and of the tools, by language: each name with how its version is found.
INSIDE = {"c": ["sluice-c-kit"], "cpp": ["libgcc", "libstdc++", "sluice-c-kit"], "swift": ["SluiceKit", "swift-runtime"], "rust": ["rust-std", "sluice"]}
TOOL = {"c": (["cc", "-dumpfullversion", "-dumpversion"], ("gcc", "clang")), "cpp": (["c++", "-dumpfullversion", "-dumpversion"], ("g++", "clang")),
        "swift": (["swiftc", "--version"], ("swiftc",)), "rust": (["rustc", "--version"], ("rustc",))}


def check_bill(pack, language, name, kind):
    """The bill of materials names the plugin, what is linked into it with versions and licences, what the system must have, and the compiler."""
    done = subprocess.run(["tar", "-xOf", pack, "sbom.cdx.json"], capture_output=True, check=True)
    bill = json.loads(done.stdout)
    this = bill["metadata"]["component"]
    facts = {p["name"]: p["value"] for p in this["properties"]}
    left = " ".join(p["value"] for p in this["properties"] if p["name"] == "sluice:comment")
    expect({"rust": "rustc version", "swift": "clang version"}.get(language, "GCC: " if "gcc" in subprocess.run(["cc", "-v"], capture_output=True, text=True).stderr else "clang") in left, f"what compilers left in the library: {left!r}")
    expect_equal((bill["bomFormat"], bill["specVersion"], this["name"], this["version"]), ("CycloneDX", "1.5", name, "1.0.0"), "what the bill is of")
    expect_equal((facts["sluice:abi"], facts["sluice:kind"], facts["sluice:file"], facts["sluice:machine"]), ("1.0", kind, f"{name}.so", os.uname().machine), "what the library says of itself")
    library = subprocess.run(["tar", "-xOf", pack, f"{name}.so"], capture_output=True, check=True).stdout
    expect_equal(this["hashes"], [{"alg": "SHA-256", "content": hashlib.sha256(library).hexdigest()}], "the library's hash")
    parts = {role: [c for c in bill["components"] if c["properties"] == [{"name": "sluice:role", "value": role}]] for role in ("inside", "system", "built-with")}
    expect_equal(sum(map(len, parts.values())), len(bill["components"]), "components with a role")
    expect_equal([c["name"] for c in parts["inside"]], INSIDE[language], "what is inside")
    for part in parts["inside"]:
        expect(part["version"] and part["scope"] == "required" and part["licenses"][0]["expression"], f"a part without version or license: {part}")
    expect("libc.so.6" in [c["name"] for c in parts["system"]], f"what the system must have: {parts['system']}")
    command, names = TOOL[language]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (tool,) = parts["built-with"]
    expect(tool["name"] in names and tool["version"] in said and tool["scope"] == "excluded", f"the compiler: {tool}, which says {said!r}")
    if language in ("swift", "rust"):
        runtime = next(c for c in parts["inside"] if c["name"] in ("swift-runtime", "rust-std"))
        expect_equal(runtime["version"], tool["version"], "the runtime's version")
    references = [this["bom-ref"]] + [c["bom-ref"] for c in bill["components"]]
    expect_equal(len(set(references)), len(references), "references, each once")
    expect("compositions" not in bill, "the bill says that nobody knows what is inside")


def shipped(rig, language, name, kind):
    """A new plugin that is proven, packed and signed. Returns the pack and the key that it is checked with."""
    manifest = made(rig, language, name, kind=kind)
    folder = os.path.dirname(os.path.dirname(manifest))
    words = "".join(open(os.path.join(folder, f)).read() for f in os.listdir(folder) if os.path.isfile(os.path.join(folder, f)))
    expect("tides" not in words.lower() and "tickets" not in words.lower(), "the example's name is left somewhere")
    report = plugin("check", manifest, "--json")
    expect_equal(json.loads(report.stdout)["level"], "hardened", "the level of a new plugin")
    packs = [plugin("pack", manifest, "--to", rig.path(place)).stdout.strip() for place in ("one", "two")]
    contents = [open(p, "rb").read() for p in packs]
    expect(contents[0] == contents[1], "two packs of one plugin differ")
    listed = subprocess.run(["tar", "-tf", packs[0]], capture_output=True, text=True)
    expect_equal(listed.stdout.split(), sorted(["check.yaml", f"{name}.so", "manifest.yaml", "sbom.cdx.json"]), "what tar finds in a pack")
    check_bill(packs[0], language, name, kind)
    key = os.path.join(rig.folder, "author.key")
    vkey = plugin("sign", "--new-key", "author.example", "--key", key).stdout.strip()
    expect_equal(os.stat(key).st_mode & 0o777, 0o600, "rights of the signing key")
    plugin("sign", packs[0], "--key", key)
    return packs[0], vkey


def whole_way(rig, language):
    pack, vkey = shipped(rig, language, "gauge", "source")
    host = rig.host()
    host.start()
    host.ask("tenant.create")
    where = ("--data-dir", host.data)
    refused("pack.untrusted", "install", pack, *where)
    refused("pack.more_authority", "install", pack, *where, "--trust", vkey)
    # Whose it is counts for what comes later, also where that was learned only afterwards.
    unsigned = shutil.copy(pack, os.path.join(rig.path("unsigned"), os.path.basename(pack)))
    plugin("install", unsigned, *where, "--unsigned", "--accept")
    plugin("install", pack, *where, "--trust", vkey, "--accept")
    done = plugin("install", unsigned, *where, "--unsigned", code=1)
    expect(f"was signed by {vkey}" in done.stderr and "[pack.more_authority]" in done.stderr, f"an unsigned pack after a signed one: {done.stderr}")
    gauge = Gauge(readings(12))
    try:
        host.ask("connector.enable", name="gauge", config={"station": "brest"}, endpoints={"gauge": gauge.url}, allow_private=True)
        host.ask("secret.set", instance="gauge", slot="api", value=CANARY)
        host.ask("connector.resume", instance="gauge")
        wait_for(lambda: host.metric("sluice_records_total", instance="demo/gauge") == 12, lambda: f"all readings: {host.ask('connector.list')}", 20)
        wait_for(lambda: [row["state"] for row in host.ask("checkpoint.show")] == ["12"], lambda: f"the last checkpoint: {host.ask('checkpoint.show')}")
        believed = lambda: host.reply("account.show", name="brest-12").get("result", {}).get("account") or {}
        wait_for(lambda: believed().get("fields", {}).get("name") == "brest-12", lambda: f"the last reading in the world model: {host.reply('account.show', name='brest-12')}")
        expect_equal(len(host.state.space("perception.entity")), 12, "entities")
        expect_equal(host.ask("deadletter.list"), [], "dead letters")
        refused("pack.in_use", "remove", "gauge", *where)
        host.ask("connector.disable", instance="gauge")
        plugin("remove", "gauge@1.0.0", *where)
        expect_equal([row["name"] for row in json.loads(plugin("list", "--json", *where).stdout) if row["name"] == "gauge"], [], "installed after removal")
    finally:
        gauge.close()


def test_whole_way_in_c(rig):
    """a connector in C goes from `plugin new` through kit, pack, signature and installation to an enabled connector that pulls"""
    whole_way(rig, "c")


def test_whole_way_in_swift(rig):
    """so does one in Swift"""
    whole_way(rig, "swift")


def test_whole_way_in_rust(rig):
    """so does one in Rust"""
    whole_way(rig, "rust")


def test_whole_way_in_cpp(rig):
    """so does one in C++"""
    whole_way(rig, "cpp")


def test_new_refuses(rig):
    """a new plugin needs a name that every language can use and a folder of its own; nothing is left of what is refused"""
    for name in ("Gauge", "2tides", "int", "a-b", "", "a" * 32, "../x"):
        refused("plugin.bad_name", "new", "--lang", "c", name, "--to", os.path.join(rig.folder, "new"))
    full = rig.path("full")
    open(os.path.join(full, "mine"), "w").close()
    refused("plugin.folder_not_empty", "new", "--lang", "c", "gauge", "--to", full)
    expect_equal((os.listdir(full), sorted(os.listdir(rig.folder))), (["mine"], ["full"]), "what is there afterwards")
    expect_equal(plugin("new", "--lang", "cobol", "gauge", "--to", "x", code=2).returncode, 2, "exit for an unknown language")
    expect_equal(plugin("new", "--kind", "sink", "--lang", "c", "gauge", "--to", "x", code=2).returncode, 2, "exit for an unknown kind")


def test_names_in_paths(rig):
    """what a path's name cannot say plainly reaches the upstream as it was written; what could become another path is refused"""
    manifest = made(rig, "c")
    with open(manifest) as f:
        text = f.read()
    expect('pattern: "^[a-z0-9-]+$", ' in text, f"the pattern of the station: {text}")
    with open(manifest, "w") as f:
        f.write(text.replace('pattern: "^[a-z0-9-]+$", ', ""))
    gauge = Gauge(readings(7))
    config, secret = (os.path.join(rig.folder, n) for n in ("config.json", "secret"))
    with open(secret, "w") as f:
        f.write(CANARY + "\n")

    def run(station, code):
        with open(config, "w") as f:
            json.dump({"station": station}, f)
        return plugin("run", manifest, "--config", config, "--secret", f"api={secret}", "--endpoint", f"gauge={gauge.url}", code=code)
    try:
        for station, sent in (("Pointe du Raz", "Pointe%20du%20Raz"), ("\u00eele;?#", "%C3%AEle%3B%3F%23")):
            found = [json.loads(line) for line in run(station, 0).stdout.splitlines()]
            expect_equal([r["key"] for r in found], [str(n) for n in range(1, 8)], f"records of {station}")
            expect_equal({path.split("?")[0] for path, _ in gauge.seen}, {f"/v1/stations/{sent}/readings"}, f"what was asked for {station}")
            gauge.seen.clear()
        for station in ("a/b", "..", "a\\b", "%2F", "a\nb", " ", ".. ;x"):
            done = run(station, 1)
            expect("[egress.undeclared_request]" in done.stderr or "is not in the manifest" in done.stderr, f"{station!r}: {done.stderr}")
        expect_equal(gauge.seen, [], "what was asked of paths that lead elsewhere")
    finally:
        gauge.close()


def test_run_and_cassette(rig):
    """a plugin runs by hand against a live upstream, its records a line each; its cassette plays without one, byte for byte, and holds no secret"""
    manifest = made(rig, "c")
    gauge = Gauge(readings(7))
    config, secret, tape = (os.path.join(rig.folder, n) for n in ("config.json", "secret", "tape"))
    for path, text in ((config, '{"station":"brest"}'), (secret, CANARY + "\n")):
        with open(path, "w") as f:
            f.write(text)
    try:
        gauge.echoes = True
        run = plugin("run", manifest, "--config", config, "--secret", f"api={secret}", "--endpoint", f"gauge={gauge.url}", "--trace", "--record", tape)
        found = [json.loads(line) for line in run.stdout.splitlines()]
        expect_equal([r["key"] for r in found], [str(n) for n in range(1, 8)], "records")
        expect_equal(found[0]["payload"], readings(1)[0], "the first record's payload")
        for words in ("GET gauge:/v1/stations/brest/readings?after=0&limit=100 → 200", "checkpoint readings (version 1): 7", "waited:"):
            expect(words in run.stderr, f"the trace lacks {words!r}: {run.stderr}")
        expect(CANARY not in run.stdout + run.stderr + open(tape).read(), "the secret stands in the trace or on the cassette")
        wrong = plugin("run", manifest, "--config", config, "--endpoint", f"gauge={gauge.url}", code=1)
        expect("auth" in wrong.stderr.lower() and "--secret api=FILE" in wrong.stderr and "secret set" not in wrong.stderr, f"a run without a secret: {wrong.stderr}")
        refused("file.exists", "run", manifest, "--config", config, "--record", tape)
        refused("connector.bad_override", "run", manifest, "--config", config, "--endpoint", "gauge=nonsense")
    finally:
        gauge.close()
    played = plugin("run", manifest, "--replay", tape)
    expect_equal(played.stdout, run.stdout, "what a cassette gives")
    lines = open(tape).read().splitlines()
    changed = [n for n, line in enumerate(lines) if '"part"' in line and b'"level": 401'.hex() in line][-1:]  # the pull's, not the check's
    body = json.loads(lines[changed[0]])
    body["part"]["bytes"] = bytes.fromhex(body["part"]["bytes"]).replace(b'"level": 401', b'"level": 999').hex()
    for name, text, code in (("other", "\n".join(lines[:changed[0]] + [json.dumps(body, sort_keys=True, separators=(",", ":"))] + lines[changed[0] + 1:]), "cassette.differs"),
                             ("cut", "\n".join(lines[:-3]), "cassette.differs"), ("noise", "noise\n", "cassette.malformed")):
        path = os.path.join(rig.folder, name)
        with open(path, "w") as f:
            f.write(text + "\n")
        refused(code, "run", manifest, "--replay", path)
    return f"{len(lines)} lines"


def debugger(rig, worker):
    """A debugger on a worker that waits, with a breakpoint in its plugin; nothing where there is none."""
    if not shutil.which("gdb"):
        return None
    ready = os.path.join(rig.folder, "debugger-waits")
    words = [word for command in ("break pull", f"shell touch {ready}", "continue", "backtrace 1", "detach") for word in ("-ex", command)]
    process = subprocess.Popen(["gdb", "-batch", "-nx", "-p", str(worker), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               env={**os.environ, "DEBUGINFOD_URLS": ""})
    rig.closing.append(lambda: end(process, signal.SIGKILL))
    wait_for(lambda: os.path.exists(ready) or process.poll() is not None, "the debugger is on the worker", 60)
    return process


class Waiting:
    """`plugin run --debug` until it waits for Enter, and the worker that it names."""

    def __init__(self, rig, *arguments):
        self.process = subprocess.Popen([program("sluice"), "plugin", "run", *arguments, "--debug"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=PROJECT)
        rig.closing.append(lambda: end(self.process, signal.SIGKILL))
        said = self.process.stderr.readline()
        found = re.fullmatch(r"The worker is process (\d+)\. Attach a debugger as root, then press Enter\.\n", said)
        expect(found, f"what it says first: {said!r}")
        self.worker = int(found[1])
        with open(f"/proc/{self.worker}/cmdline") as f:
            expect("sluice-worker" in f.read(), "the process that it names is a worker")

    def press_enter(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def ended(self):
        said, told = self.process.communicate(timeout=60)
        return self.process.returncode, [json.loads(line)["key"] for line in said.splitlines()], told


def test_debug(rig):
    """`plugin run --debug` names its worker and does nothing until Enter, so that a debugger finds the plugin before its first operation, and then takes longer than a deadline that ends other runs; a cassette is waited for as well"""
    manifest = made(rig, "c", flags=["CFLAGS=-g -O0"])
    with open(manifest) as f:
        text = f.read()
    with open(manifest, "w") as f:
        f.write(text + "\nlimits: {operation_timeout_ms: 1000, grace_ms: 300}\n")
    gauge = Gauge(readings(7))
    rig.closing.append(gauge.close)
    config, secret, tape = (os.path.join(rig.folder, n) for n in ("config.json", "secret", "tape"))
    for path, content in ((config, '{"station":"brest"}'), (secret, CANARY + "\n")):
        with open(path, "w") as f:
            f.write(content)
    live = (manifest, "--config", config, "--secret", f"api={secret}", "--endpoint", f"gauge={gauge.url}")
    keys = [str(n) for n in range(1, 8)]

    run = Waiting(rig, *live, "--record", tape)
    expect_equal((run.process.poll(), gauge.seen), (None, []), "what was done before Enter")
    if os.geteuid() == 0:
        with open(f"/proc/{run.worker}/maps") as f:
            expect("gauge.so" in f.read(), "the plugin is not loaded yet: no breakpoint can be set in it")
    gauge.answers.clear()
    run.press_enter()
    wait_for(lambda: gauge.seen, "the plugin asks its upstream")
    # Begun later, and ended by its deadline: by then that of the first would be over.
    other = plugin("run", *live, code=1)
    expect("deadline" in other.stderr, f"a run without --debug: {other.stderr}")
    expect_equal(run.process.poll(), None, "the run that is debugged, beyond the deadline")
    gauge.answers.set()
    expect_equal(run.ended()[:2], (0, keys), "exit and records of the run that was debugged")

    gauge.close()
    run = Waiting(rig, manifest, "--replay", tape)
    attached = debugger(rig, run.worker)
    run.press_enter()
    if attached is None:
        notes = "no gdb to attach"
    else:
        shown, _ = attached.communicate(timeout=60)
        if "ptrace: Operation not permitted" in shown:
            notes = "gdb may not attach here"
        else:
            expect(re.search(r"Breakpoint 1, pull \(.*gauge\.c:\d+", shown), f"what the debugger shows: {shown}")
            notes = "with gdb"
    code, found, told = run.ended()
    expect_equal((code, found), (0, keys), f"exit and records of the cassette ({told})")
    return notes


def test_packs_refused(rig):
    """a pack that was changed, signed by another, for another pack or by nobody is not installed, and a version is never replaced; trust in an author can be looked at and withdrawn"""
    manifest = made(rig, "c")
    pack = plugin("pack", manifest, "--to", rig.path("packs")).stdout.strip()
    keys = {}
    for name in ("author", "stranger"):
        path = os.path.join(rig.folder, name)
        keys[name] = (path, plugin("sign", "--new-key", f"{name}.example", "--key", path).stdout.strip())
    done = plugin("sign", "--new-key", "again.example", "--key", keys["author"][0], code=1)
    expect("[pack.key_exists]" in done.stderr, f"a key was written over another: {done.stderr}")
    expect_equal(plugin("key", keys["author"][0]).stdout.strip(), keys["author"][1], "what others check with, printed again")
    refused("pack.bad_key_name", "sign", "--new-key", "a b", "--key", os.path.join(rig.folder, "spaced"))
    os.chmod(keys["author"][0], 0o644)
    refused("pack.key_of_others", "sign", pack, "--key", keys["author"][0])
    refused("pack.key_of_others", "key", keys["author"][0])
    os.chmod(keys["author"][0], 0o600)
    data = rig.path("data")
    os.chmod(data, 0o700)
    install = ("install", pack, "--data-dir", data, "--trust", keys["author"][1], "--accept")
    refused("pack.unsigned", *install)
    plugin("sign", pack, "--key", keys["stranger"][0])
    refused("pack.untrusted", *install)
    plugin("sign", pack, "--key", keys["author"][0])
    with open(pack, "rb") as f:
        whole = f.read()
    for at in (600, len(whole) // 2, len(whole) - 5):
        with open(pack, "wb") as f:
            f.write(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
        done = plugin(*install, code=1)
        expect("[pack." in done.stderr or "[config." in done.stderr, f"a changed pack: {done.stderr}")
    with open(pack, "wb") as f:
        f.write(whole[:2000])
    refused("pack.malformed", *install)
    with open(pack, "wb") as f:
        f.write(whole)
    expect_equal(os.listdir(data), [], "what refused packs left")
    plugin(*install)
    # The same version with other content, by the same author.
    text = open(manifest).read()
    with open(manifest, "w") as f:
        f.write(text.replace("summary: Readings", "summary: Other readings"))
    plugin("pack", manifest, "--to", pack)
    refused("pack.forged", *install)
    plugin("sign", pack, "--key", keys["author"][0])
    refused("pack.already_installed", *install)
    # A later version that asks for more.
    more = text.replace('version: "1.0.0"', 'version: "1.1.0"').replace("requests:\n", 'requests:\n  - {id: levels, endpoint: gauge, method: GET, path: /v1/levels, slot: api, effect: read}\n')
    expect(more.count("1.1.0") == 1 and "levels" in more, "the later version was not made")
    with open(manifest, "w") as f:
        f.write(more)
    later = plugin("pack", manifest, "--to", rig.path("packs")).stdout.strip()
    plugin("sign", later, "--key", keys["author"][0])
    done = plugin("install", later, "--data-dir", data, code=1)
    expect('new      requests[levels].path: "/v1/levels"' in done.stderr and "/v1/stations" not in done.stderr, f"what is shown of a later version: {done.stderr}")
    # By another author, though a trusted one, it is not the next version of the same.
    plugin("sign", later, "--key", keys["stranger"][0])
    done = plugin("install", later, "--data-dir", data, "--trust", keys["stranger"][1], code=1)
    expect("another signer: 1.0.0 was signed by author.example" in done.stderr, f"another author's version: {done.stderr}")
    expect_equal(len(open(os.path.join(data, "plugins/.trusted")).readlines()), 1, "keys trusted by what was refused")
    plugin("sign", later, "--key", keys["author"][0])
    plugin("install", later, "--data-dir", data, "--accept")
    versions = [row["version"] for row in json.loads(plugin("list", "--json", "--data-dir", data).stdout) if row["name"] == "gauge"]
    expect_equal(versions, ["1.0.0", "1.1.0"], "versions side by side")
    # Trust can be looked at and taken back.
    where = ("--data-dir", data)
    authors = json.loads(plugin("authors", "--json", *where).stdout)
    expect_equal(authors, [{"author": "author.example", "key": keys["author"][1], "installed": "gauge@1.0.0, gauge@1.1.0"}], "authors")
    refused("pack.author_not_trusted", "distrust", "stranger.example", *where)
    refused("pack.author_not_trusted", "distrust", "author.example", "--data-dir", os.path.join(rig.folder, "nowhere"))
    expect(not os.path.exists(os.path.join(rig.folder, "nowhere")), "a folder was made")
    done = plugin("distrust", "author.example", *where)
    expect_equal(done.stdout.splitlines(), [f"{keys['author'][1]} is trusted no more."] + [f"gauge@{v} was signed with it and stays installed." for v in versions], "what is told")
    refused("pack.untrusted", "install", later, *where, "--accept")
    expect_equal((plugin("authors", "--json", *where).stdout.strip(), len(json.loads(plugin("list", "--json", *where).stdout)) >= 2), ("[]", True), "afterwards")
    expect_equal(json.loads(plugin("show", "gauge", "--json", "--data-dir", data).stdout)["version"], "1.1.0", "what the name alone means")
    # The last of the pack's own dangers: a library that the manifest does not name.
    with open(os.path.join(os.path.dirname(manifest), "gauge.so"), "ab") as f:
        f.write(b"\0")
    refused("pack.other_library", "pack", manifest)


def test_bills_of_materials(rig):
    """what is inside a library its build says, or nobody does, which the bill of materials says then; a bill of the author's own stands in its place, and what is neither is refused"""
    manifest = made(rig, "c")
    parts, own = manifest.replace(".yaml", ".parts.yaml"), os.path.join(rig.folder, "own.json")

    def packed(*words):
        done = plugin("pack", manifest, "--to", rig.path("packs"), *words)
        return json.loads(subprocess.run(["tar", "-xOf", done.stdout.strip(), "sbom.cdx.json"], capture_output=True, check=True).stdout), done.stderr
    with open(parts, "a") as f:
        f.write("  - {name: yacc, version: \"1.9\", license: LicenseRef-Public-Domain}\n")
    bill, told = packed()
    expect_equal(([c["name"] for c in bill["components"]][-1], told), ("yacc", ""), "a tool that the author added")
    with open(parts, "a") as f:
        f.write("  - {name: lex}\n")
    refused("config.invalid", "pack", manifest, "--to", rig.path("packs"))
    os.remove(parts)
    bill, told = packed()
    expect_equal(([c["name"] for c in bill["components"]], bill["compositions"][0]["aggregate"]), (["libc.so.6"], "unknown"), "a bill without parts")
    expect("Nobody says what is linked into gauge.so" in told, f"what is said of it: {told!r}")
    with open(own, "w") as f:
        json.dump({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}, f)
    expect_equal(packed("--sbom", own), ({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}, ""), "a bill of the author's own")
    with open(own, "w") as f:
        f.write("{}")
    refused("pack.malformed", "pack", manifest, "--sbom", own, "--to", rig.path("packs"))


def test_one_bad_version(rig):
    """a version that cannot be read is told of and stands in nobody's way; a data folder that others can read takes no plugin"""
    manifest = made(rig, "c")
    pack = plugin("pack", manifest, "--to", rig.path("packs")).stdout.strip()
    data = rig.path("h/data")
    os.chmod(data, 0o755)
    install = ("install", pack, "--data-dir", data, "--unsigned", "--accept")
    refused("host.folder_not_private", *install)
    os.chmod(data, 0o700)
    refused("pack.bad_trusted_key", *install, "--trust", "no+key")
    plugin(*install)
    broken = os.path.join(data, "plugins/gauge/0.9.0")
    os.mkdir(broken)
    with open(os.path.join(broken, "gauge.yaml"), "w") as f:
        f.write("sluice: 1\n")
    rows = {row["version"]: row["summary"] for row in json.loads(plugin("list", "--json", "--data-dir", data).stdout) if row["name"] == "gauge"}
    expect_equal(sorted(rows), ["0.9.0", "1.0.0"], "versions listed")
    expect("broken" in rows["0.9.0"], f"a broken version is listed as {rows['0.9.0']!r}")
    plugin(*install)
    host = rig.host()
    expect_equal(host.data, data, "the host's data folder")
    host.start()
    host.ask("tenant.create")
    host.ask("connector.enable", name="gauge", config={"station": "brest"})
    # However the folder is named, what runs from it is in use.
    done = subprocess.run([program("sluice"), "plugin", "remove", "gauge@1.0.0", "--data-dir", "./h/../h/data/"], cwd=rig.folder, capture_output=True, text=True)
    expect("[pack.in_use]" in done.stderr, f"a used version by a relative path: {done.stderr}")
    plugin("remove", "gauge@0.9.0", "--data-dir", data)
    expect(not os.path.exists(broken), "the broken version is still there")


def test_install_is_whole_or_not_there(rig):
    """an installation that dies at any point leaves a whole version or none, and succeeds when it is asked again"""
    manifest = made(rig, "c")
    pack = plugin("pack", manifest, "--to", rig.path("packs")).stdout.strip()
    key = os.path.join(rig.folder, "author.key")
    vkey = plugin("sign", "--new-key", "author.example", "--key", key).stdout.strip()
    plugin("sign", pack, "--key", key)
    seen = []
    for point in ("plugin.before_name", "plugin.after_name"):
        for hit in (1, 2):  # once for the key, once for the version
            data = rig.path(f"{point}-{hit}")
            os.chmod(data, 0o700)
            install = ["plugin", "install", pack, "--data-dir", data, "--trust", vkey, "--accept"]
            died = sluice(*install, environment={"SLUICE_CRASH_AT": f"{point}:{hit}"})
            expect_equal(died.returncode, -9, f"exit at {point}:{hit} ({died.stderr})")
            folder = os.path.join(data, "plugins/gauge")
            versions = [v for v in os.listdir(folder) if v[0] != "."] if os.path.isdir(folder) else []
            listed = [row["version"] for row in json.loads(plugin("list", "--json", "--data-dir", data).stdout) if row["name"] == "gauge"]
            expect_equal(listed, versions, f"listed after {point}:{hit}")
            if versions:
                expect_equal(sorted(os.listdir(os.path.join(folder, versions[0]))), ["gauge.check.yaml", "gauge.so", "gauge.yaml", "sbom.cdx.json", "signer"], "a version's files")
            seen.append(len(versions))
            plugin(*install[1:])
            listed = [row["summary"] for row in json.loads(plugin("list", "--json", "--data-dir", data).stdout) if row["name"] == "gauge"]
            expect(len(listed) == 1 and "broken" not in listed[0], f"after the second try at {point}:{hit}: {listed}")
            expect_equal([n for n in os.listdir(folder) if n[0] == "."], [], f"left over after the second try at {point}:{hit}")
    expect_equal(sorted(set(seen)), [0, 1], "whole or none")
