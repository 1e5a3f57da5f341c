"""What a service manager and a container's health check see of a host."""
import re
import shutil
import signal

from rig import *

UNIT = os.path.join(PROJECT, "deploy", "systemd", "sluice.service")


def started_by_systemd(rig, watchdog_us):
    """A host that was started as systemd starts one, and the socket to which it tells how it fares."""
    path = os.path.join(rig.folder, "notify.sock")
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(path)
    told.settimeout(60)
    host = rig.host()
    host.start(environment={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": str(watchdog_us)})
    return host, told


def words(told):
    return told.recv(4096).decode().split("\n")


def test_it_tells_systemd(rig):
    """started by systemd, a host says when it serves, gives signs of life, and says that it stops"""
    host, told = started_by_systemd(rig, 300_000)
    first = words(told)
    expect_equal(first, ["READY=1", f"STATUS=Serving http://{host.address}"], "what it says first")
    for _ in range(3):
        expect_equal(words(told), ["WATCHDOG=1"], "a sign of life")
    host.stop()
    rest = []
    told.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            rest.append(words(told))
    expect_equal(rest[-1][0], "STOPPING=1", "the last word")


def test_no_sign_of_life_is_given_for_a_host_that_stands_still(rig):
    """a host whose threads stand still gives no sign of life, and gives them again when it goes on"""
    host, told = started_by_systemd(rig, 3_000)
    words(told)
    expect_equal(words(told), ["WATCHDOG=1"], "a sign of life")
    os.kill(host.process.pid, signal.SIGSTOP)
    # Stopped when waitid says so: what it told before that is still to be read.
    os.waitid(os.P_PID, host.process.pid, os.WSTOPPED | os.WNOWAIT)
    told.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            words(told)
    try:
        raise AssertionError(f"a process that stands still said {words(told)}")
    except BlockingIOError:
        pass
    os.kill(host.process.pid, signal.SIGCONT)
    told.settimeout(60)
    expect_equal(words(told), ["WATCHDOG=1"], "a sign of life")


def test_ready(rig):
    """`sluice ready` answers for a health check: whether a host runs and what is in its way, and it never makes or opens a folder"""
    host = rig.host()

    def refused():
        done = sluice("ready", "--data-dir", host.data)
        expect_equal(done.returncode, 1, "exit")
        return done.stderr
    expect("[host.not_running]" in refused(), "no host runs there")
    expect(not os.path.exists(host.data), "asking made a folder")
    host.start()
    done = sluice("ready", "--data-dir", host.data, "--json")
    expect_equal(done.returncode, 0, f"exit ({done.stderr})")
    answer = json.loads(done.stdout)
    expect_equal((answer["obstacles"], answer["address"]), ([], f"http://{host.address}"), "answer")
    host.stop()
    expect("[host.not_running]" in refused(), "no host runs there any more")

    settings = os.path.join(rig.folder, "sluice.yaml")
    with open(settings, "w") as file:
        file.write(f"sluice: 1\ndisk: {{low_water_bytes: {1 << 50}, ballast_bytes: 0}}\n")
    host.options = ("--config", settings)
    host.start()
    expect("[host.not_ready]" in refused() and "pauses below" in refused() and ".." not in refused(), f"a disk that is low stands in the way: {refused()}")


def test_the_unit_is_sound(rig):
    """the systemd unit is understood by systemd, leaves it little to expose, and gives every option that `up` knows"""
    if not shutil.which("systemd-analyze"):
        raise Skip("systemd-analyze is not installed")
    with open(UNIT) as file:
        text = file.read()
    unit = os.path.join(rig.folder, "sluice.service")
    with open(unit, "w") as file:
        file.write(text.replace("/usr/local/bin/sluice", program("sluice")))
    looked = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, timeout=60)
    expect_equal((looked.returncode, looked.stderr), (0, ""), "systemd-analyze verify")
    exposed = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=20", unit], capture_output=True, text=True, timeout=60)
    expect_equal(exposed.returncode, 0, f"systemd-analyze security\n{exposed.stdout[-400:]}")
    command = re.search(r"^ExecStart=\S+ (.*)$", text, re.M).group(1).split()
    expect_equal(command[0], "up", "the command")
    known = sluice("up", "--help").stdout
    for option in (word for word in command if word.startswith("--")):
        expect(f"{option} " in known, f"`up` does not know {option}")


def test_the_image_runs_what_up_knows(rig):
    """the container file's command and health check are commands of this version, and its packages are those the programs link"""
    folder = os.path.join(PROJECT, "deploy", "container")
    with open(os.path.join(folder, "Containerfile")) as file:
        text = file.read()
    up, check = (json.loads(re.search(rf"^{start}(\[.*\])$", text, re.M).group(1)) for start in ("CMD ", r"HEALTHCHECK .*CMD "))
    for command in (up, check[1:]):
        known = sluice(command[0], "--help").stdout
        for option in (word for word in command if word.startswith("--")):
            expect(f"{option} " in known, f"`{command[0]}` does not know {option}")
    if not shutil.which("dpkg-query"):
        raise Skip("only Debian knows which package brings a library")
    with open(os.path.join(folder, "runtime-packages.txt")) as file:
        packages = set(file.read().split())
    # What they link by name; what those libraries need in turn is their packages' to say.
    linked = subprocess.run(["readelf", "-d", program("sluice"), program("sluice-worker")], capture_output=True, text=True, timeout=60).stdout
    system = [name for name in re.findall(r"NEEDED.*\[(.*)\]", linked) if os.path.exists(f"/usr/lib/x86_64-linux-gnu/{name}")]
    expect(system, "nothing of the system is linked: the test tells nothing")
    for name in set(system):
        owner = subprocess.run(["dpkg-query", "-S", f"*/{name}"], capture_output=True, text=True, timeout=60).stdout.split(":")[0]
        expect(owner in packages | {"libc6", "libgcc-s1"}, f"{name} comes from {owner}, which the image does not install")
