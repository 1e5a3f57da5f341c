"""The ways that guides print are gone as they are printed: in an empty folder, with what `make install` installs."""
import sys

from rig import *

LISTS = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


def way(guide):
    """The listings of a guide's first section, each with its language."""
    with open(os.path.join(PROJECT, "docs", "guides", guide)) as f:
        return LISTS.findall(f.read().split("\n## ")[1])


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
