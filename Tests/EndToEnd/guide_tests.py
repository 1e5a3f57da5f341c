"""The ways that guides print are gone as they are printed: in an empty folder, with what `make install` installs."""
import sys

from rig import *

LISTS = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s#]+)(?:#[^)]*)?\)")
# What only a checkout has.
SOURCE = re.compile(r"(?:^|[\s`\"=/])((?:Sources|Plugins|Tests|manifests|sandbox|Benchmarks|deploy)/[\w./*-]*)", re.M)


def section(guide, heading=None):
    """A guide's section of that heading; its first one when none is given."""
    with open(os.path.join(PROJECT, "docs", "guides", guide)) as f:
        parts = f.read().split("\n## ")
    return next(part for part in parts[1:] if heading is None or part.startswith(heading + "\n"))


def way(guide, heading=None):
    """The listings of such a section, each with its language."""
    return LISTS.findall(section(guide, heading))


def installed(rig):
    """Where everything is installed, and the environment of somebody who has it in their path."""
    prefix = rig.path("prefix")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    done = subprocess.run(["make", "install", f"PREFIX={prefix}", f"RELEASE={os.path.abspath(Settings.programs)}"], cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=120)
    expect_equal(done.returncode, 0, f"exit of make install ({done.stdout + done.stderr})")
    environment["PATH"] = f"{prefix}/bin:{environment['PATH']}"
    return prefix, environment


def walk(folder, environment, script, seconds=120):
    """Runs what a guide prints, up to the first command that fails, and gives what it said."""
    going = subprocess.Popen(["bash", "-c", "set -euo pipefail\n" + script], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        said, _ = going.communicate(timeout=seconds)
        expect_equal(going.returncode, 0, f"exit of what the guide prints ({said[-3000:]})")
        return said
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(going.pid, signal.SIGKILL)


def test_author_in_c_from_nothing(rig):
    """the way that the guide prints for authors leads as it is printed from `plugin new` to an enabled connector that pulls"""
    author_from_nothing(rig, "c", "cc")


def test_author_in_swift_from_nothing(rig):
    """the same way with the one word changed to swift"""
    author_from_nothing(rig, "swift", "swiftc")


def test_author_in_rust_from_nothing(rig):
    """the same way with the one word changed to rust"""
    author_from_nothing(rig, "rust", "cargo")


def test_author_in_cpp_from_nothing(rig):
    """the same way with the one word changed to cpp"""
    author_from_nothing(rig, "cpp", "c++")


def author_from_nothing(rig, language, compiler):
    if not shutil.which(compiler):
        raise Skip(f"needs {compiler}")
    (_, upstream), (_, author), (_, operator), *_ = way("write-a-connector.md")
    folder, gauge, listen = rig.path("nothing"), str(free_port()), f"127.0.0.1:{free_port()}"
    expect("up --data-dir data &" in operator and author.count("8099") == 1 and author.count("--lang c ") == 1, "the guide's words for language, port and host")
    author = author.replace("--lang c ", f"--lang {language} ")
    with open(os.path.join(folder, "upstream.py"), "w") as f:
        f.write(upstream.replace("8099", gauge))
    # What is printed is there in a moment; a person who is too quick looks again.
    looks = [line for line in operator.splitlines() if line.startswith(("sluice checkpoint", "sluice account", "sluice deadletter"))]
    expect_equal([line.split()[1] for line in looks], ["checkpoint", "account", "deadletter"], "where the guide says to look")
    for look in looks[:2]:
        operator = operator.replace(look, f"until {look.split('#')[0]}; do sleep 0.2; done" if "account" in look else f"until {look.split('#')[0]} | grep -qw 3; do sleep 0.2; done")
    script = f"{author}\n{operator.replace('data &', f'data --listen {listen} & host=$!', 1)}\necho left: $({looks[2].split('#')[0]})\nkill $host; wait $host\n"
    prefix, environment = installed(rig)
    expect(os.path.exists(f"{prefix}/share/doc/sluice/guides/write-a-connector.md"), "the guide is installed")
    server = subprocess.Popen([sys.executable, "upstream.py"], cwd=folder, stderr=subprocess.DEVNULL)
    try:
        said = walk(folder, environment, script.replace("8099", gauge), seconds=300)
        expect("gauge-1.0.0.sluice" in said, f"the pack's name: {said[-3000:]}")
        expect("brest-3 (3, found by name)" in said, f"the last reading as an account: {said[-3000:]}")
        expect_equal(said.split("left: ")[1].splitlines()[0], "Nothing.", f"dead letters ({said[-3000:]})")
    finally:
        end(server)


def test_executor_in_c_from_nothing(rig):
    """the way that the guide prints for executors leads as it is printed from `plugin new` to an issue at the desk, and to a tool that says what it would do"""
    executor_from_nothing(rig, "c", "cc")


def test_executor_in_cpp_from_nothing(rig):
    """the same way with the one word changed to cpp"""
    executor_from_nothing(rig, "cpp", "c++")


def test_executor_in_swift_from_nothing(rig):
    """the same way with the one word changed to swift"""
    executor_from_nothing(rig, "swift", "swiftc")


def test_executor_in_rust_from_nothing(rig):
    """the same way with the one word changed to rust"""
    executor_from_nothing(rig, "rust", "cargo")


def executor_from_nothing(rig, language, compiler):
    if not shutil.which(compiler):
        raise Skip(f"needs {compiler}")
    (_, upstream), (_, author), (_, operator), *_ = way("write-a-connector.md", "An executor")
    folder, desk, listen = rig.path("nothing"), str(free_port()), f"127.0.0.1:{free_port()}"
    expect(author.count("8098") == 1 and author.count("--lang c ") == 1 and operator.count("data &") == 1, "the guide's words for language, port and host")
    with open(os.path.join(folder, "desk.py"), "w") as f:
        f.write(upstream.replace("8098", desk))
    script = f"{author.replace('--lang c ', f'--lang {language} ')}\n{operator.replace('data &', f'data --listen {listen} & host=$!')}\nkill $host; wait $host\n"
    prefix, environment = installed(rig)
    server = subprocess.Popen([sys.executable, "desk.py"], cwd=folder, stderr=subprocess.DEVNULL)
    try:
        said = walk(folder, environment, script.replace("8098", desk), seconds=300)
        for words in ("hardened | desk 1.0.0", 'dryRun: would be done {"create":"issue"}', 'execute: done {"id":"i-1","version":1}', "desk-1.0.0.sluice", "desk.close", "desk.open", "would be done"):
            expect(words in said, f"nothing says {words!r}: {said[-3000:]}")
        _, _, body = request(f"127.0.0.1:{desk}", "GET", "/v1/issues")
        expect_equal([(i["id"], i["title"]) for i in json.loads(body)], [("i-1", "The gauge is silent")], "issues: one was made, and nothing by dry runs")
    finally:
        end(server)


def test_small_sources_outside_a_checkout(rig):
    """the guide's small sources in C and C++ are built by its commands and stamped by the manifest's, where no checkout is, and run on a host"""
    prefix, environment = installed(rig)
    folder = rig.path("nothing")
    (_, hello), (_, build) = way("write-a-connector.md", "In C")
    (_, other), (_, build_other) = way("write-a-connector.md", "In C++")
    manifest = next(text for language, text in way("write-a-connector.md", "The manifest") if language == "yaml" and "name: hello\n" in text)
    stamp, enable, *looks = way("manifest.md", "Try it")[0][1].splitlines()
    expect(stamp.startswith("sed ") and enable.startswith("sluice connector enable ./hello.yaml") and looks[1].startswith("sluice checkpoint show"), "what the guide prints of trying it")
    for name, text in (("hello.c", hello), ("hello.cpp", other), ("hello.in.yaml", manifest), ("c.json", '{"greeting": "oh hello"}'),
                       ("cpp.in.yaml", manifest.replace("hello.so", "hello-cpp.so") + "config:\n  type: object\n  required: [greeting]\n  properties: {greeting: {type: string, description: What is said.}}\n")):
        with open(os.path.join(folder, name), "w") as f:
            f.write(text)
    host = f"sluice up --listen 127.0.0.1:{free_port()} & host=$!\nuntil sluice ready; do sleep 0.2; done\nsluice tenant create acme\n"
    looks[1] = f"until {looks[1].split('#')[0]} | grep -w said; do sleep 0.2; done"
    said = walk(folder, environment, "\n".join([build, stamp, "sluice plugin check hello.yaml --level standard", host, enable, *looks, "kill $host; wait $host"]))
    expect("said" in said and "hello" in said, f"what the host says: {said[-3000:]}")
    if shutil.which("c++"):
        said = walk(folder, environment, "\n".join([build_other, stamp.replace("hello.so", "hello-cpp.so").replace("hello.in.yaml", "cpp.in.yaml").replace("> hello.yaml", "> cpp.yaml"),
                                                    "sluice plugin run cpp.yaml --config c.json"]))
        expect('"say":"oh hello"' in said, f"what the source in C++ says: {said[-3000:]}")


def test_installed_documents(rig):
    """in the documents that are installed every link leads to what is there, and no guide sends a reader to what only a checkout has without saying so"""
    prefix, environment = installed(rig)
    place = f"{prefix}/share/doc/sluice"
    links = outside = 0
    for at, _, names in os.walk(place):
        for name in names:
            expect(name.endswith((".md", ".txt")), f"{name} is installed, which is no document")
            path = os.path.join(at, name)
            with open(path) as f:
                text = f.read()
            prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
            for target in LINK.findall(re.sub(r"`[^`\n]*`(?!\])", "", prose)):
                if "://" in target or target.startswith("mailto:"):
                    continue
                links += 1
                found = os.path.normpath(os.path.join(at, target))
                expect(os.path.exists(found) and found.startswith(prefix), f"{os.path.relpath(path, place)}: {target} leads nowhere")
                outside += not found.startswith(place)
            if os.path.basename(at) != "guides":
                continue
            for heading in text.split("\n## "):
                sent = SOURCE.findall(heading)
                expect(not sent or "checkout" in heading, f"{name} sends to {sent} in {heading.splitlines()[0]!r}, and does not say that it is in a checkout")
    expect(links > 60 and outside >= 8, f"{links} links, {outside} of them to what is installed elsewhere: the test tells little")
    for example in ("tides", "tickets"):
        for language in ("c", "cpp", "swift", "rust"):
            expect(os.path.exists(f"{prefix}/lib/sluice/sdk/examples/{example}-{language}/README.md"), f"{example} in {language} is not installed")
    return f"{links} links"


def test_operator_from_nothing(rig):
    """the way that the guide prints for operators leads as it is printed from an empty folder to a source and an executor at work, a backup, and a restored host that goes on and does nothing twice"""
    if not shutil.which("curl"):
        raise Skip("needs curl")
    prefix, environment = installed(rig)
    blocks = [text for language, text in way("operate.md") if language == "sh"]
    *steps, leaving = blocks
    expect("/usr/local/share/sluice/rules" in "".join(steps) and "7171" in steps[0] and "".join(steps).count("up --data-dir $DIR &") == 2, "the guide's words for ports and hosts")
    world, listen = free_port(), free_port()
    # What the CRM saw of it, asked before the guide ends it.
    seen = 'curl -fsS -H "Authorization: Bearer $(said control_token)" http://127.0.0.1:7171/control/effects?after=0 > effects.json\n'
    script = "\n".join([*steps, seen, leaving]).replace("up --data-dir $DIR &", f"up --data-dir $DIR --listen 127.0.0.1:{listen} &")
    for printed, here in (("/usr/local", prefix), ("7171", str(world)), ("127.0.0.1:7070", f"127.0.0.1:{listen}")):
        script = script.replace(printed, here)
    folder = rig.path("nothing")
    said = walk(folder, environment, script)
    with open(os.path.join(folder, "effects.json")) as f:
        effects = [json.dumps([e["method"], e["path"], e["body"]], sort_keys=True) for e in json.load(f)["items"] if e["status"] < 300]
    expect(effects, f"nothing was done in the CRM: {said[-3000:]}")
    expect_equal(sorted(set(effects)), sorted(effects), "what was done in the CRM, once each, before and after the restore")
    expect("/epoch-2-" in said and "parked" not in said, f"a new log, and nothing parked: {said[-3000:]}")
    return f"{len(effects)} effects"
