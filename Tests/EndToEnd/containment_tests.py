"""What a plugin may attack, one attack by one: each is refused and reported, under a host that is root and under one that is nobody.

The table in SECURITY.md names these rooms' rows; a test compares them.
"""
import hashlib
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "Benchmarks"))
from attacks import *
from crowd_bench import crash, standing
from hostile_tests import MANIFEST, fixture, states
from rig import *

NOBODY = 65534
# In the constructor of a library these are harmless, and needed to load others.
WHILE_LOADING = ("open_library", "dlopen_late", "mprotect_exec", "another_filter")


def started(rig, who, name):
    host = rig.host(name)
    if who != "root":
        os.chown(host.folder, NOBODY, NOBODY)
        host.wrapper = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    host.start()
    host.ask("tenant.create")
    return host


def identities():
    """The users as which a host is tried here."""
    if os.geteuid() != 0:
        return ["unprivileged"]
    return ["root"] + (["unprivileged"] if shutil.which("setpriv") else [])


def install(rig, host, name, library, timeout_ms=1500):
    folder = rig.path(f"plugins-{name}")
    shutil.copy(fixture(library), os.path.join(folder, "hostile.so"))
    with open(os.path.join(folder, "hostile.so"), "rb") as f, open(os.path.join(folder, "hostile.yaml"), "w") as manifest:
        text = MANIFEST.format(sha256=hashlib.sha256(f.read()).hexdigest())
        manifest.write(text.replace("limits: {operation_timeout_ms: 1500,", f"limits: {{operation_timeout_ms: {timeout_ms}, cpu_seconds: 1,"))
    return os.path.join(folder, "hostile.yaml")


def enable(host, manifest, instance, attack):
    for slot in ("main", "other"):
        host.ask("secret.set", instance=instance, slot=slot, value="x")
    host.ask("connector.enable", name=manifest, instance=instance, config={"attack": attack})


def limits_of(pid):
    with open(f"/proc/{pid}/limits") as f:
        return f.read(), os.getpriority(os.PRIO_PROCESS, pid), os.sched_getaffinity(pid)


def attacks_are_refused(rig, who):
    host = started(rig, who, who)
    manifest = install(rig, host, who, "attacker.so")
    patient = install(rig, host, who + "-patient", "attacker.so", timeout_ms=60_000)
    # One whose worker has done its work and lives on, and one that works meanwhile.
    host.ask("connector.enable", name="counter", instance="bystander", config={"records": 1})
    wait_for(lambda: host.metric("sluice_records_total", instance="demo/bystander") == 1 and len(host.workers()) == 1, "the bystander's worker is idle", 60)
    bystander = host.workers()[0]
    host.ask("connector.enable", name="counter", instance="neighbour", config={"records": 20000})
    before = [limits_of(pid) for pid in (host.process.pid, bystander)]
    count = 0
    # Those aimed at neighbours first: they try the process ids near their own.
    for what in sorted(ATTACKS, key=lambda what: "neighbour" not in what):
        for attack in ATTACKS[what]:
            enable(host, patient if attack == "busy" else manifest, attack.replace("_", "-"), attack)
            count += 1
    for what, attacks in ATTACKS.items():
        for attack, wanted in attacks.items():
            met = wait_for(lambda: is_met(attack, wanted, states(host), host.log_text()),
                           lambda: f"as {who}, {what}: {attack} is refused and told as {wanted}: {states(host)[attack.replace('_', '-')]} {[t.get(attack.replace('_', '-')) for t in told(host.log_text())]}", 60, 0.1)
            if not met.startswith("state:"):
                expect(host.metric("sluice_sandbox_refusals_total", instance=f"demo/{attack.replace('_', '-')}", call=met) >= 1, f"{attack} is not counted")
    wait_for(lambda: host.metric("sluice_records_total", instance="demo/neighbour") == 20000, lambda: f"the neighbour's records: {states(host)['neighbour']}", 60)
    expect(bystander in host.workers(), "the idle neighbour's worker is another one")
    expect_equal([limits_of(pid) for pid in (host.process.pid, bystander)], before, "limits, priority and processors of the host and of an idle neighbour")
    refused, _ = told(host.log_text())
    expect("neighbour" not in refused, f"an honest plugin is told of: {refused.get('neighbour')}")
    expect_equal(host.metric("sluice_operations_total", instance="demo/neighbour", ending="worker.died"), 0, "deaths of the neighbour")
    expect(host.alive() and not os.path.exists(os.path.join(tempfile.gettempdir(), "hostile")), "the host died, or a file was made")
    return count


def test_attacks_are_refused_and_told(rig):
    """each attack of SECURITY.md's table, as root and as an unprivileged user, is refused, told in the log and counted; host and neighbour are as before"""
    counts = {who: attacks_are_refused(rig, who) for who in identities()}
    if "unprivileged" not in counts:
        raise Skip(f"{counts['root']} attacks as root, none as an unprivileged user: there is no setpriv")
    return "; ".join(f"{count} attacks as {who}" for who, count in counts.items())


def test_constructors_are_confined(rig):
    """a library that attacks while it is loaded is refused and told of as well; one that never returns is ended"""
    for who in identities():
        host = started(rig, who, who)
        attacker = install(rig, host, who, "hostile.so")
        hanging = install(rig, host, who + "-hanging", "broken_CONSTRUCTOR_HANG.so")
        enable(host, attacker, "constructor", "constructor_all")
        enable(host, hanging, "hanging", "socket")
        wait_for(lambda: host.metric("sluice_records_total", instance="demo/constructor") >= 60, lambda: f"as {who}: {states(host)}", 30)
        refused, got = told(host.log_text())
        calls = {call for attacks in ATTACKS.values() for call in attacks.values() if ":" not in call} - {"mprotect", "seccomp"}
        expect(calls <= refused["constructor"], lambda: f"as {who}, not told: {calls - refused['constructor']}")
        bad = {a: e for a, e in got["constructor"].items() if e not in ERRNOS and a not in WHILE_LOADING}
        expect_equal(bad, {}, f"as {who}, attacks while loading that got through")
        wait_for(lambda: "worker.hung" in states(host)["hanging"], lambda: f"as {who}: {states(host)}", 30)
        expect(host.alive(), "the host died")


def test_table_is_whole(rig):
    """SECURITY.md's table of attacks on the sandbox names each attack that is tried here, and no other"""
    with open(os.path.join(PROJECT, "SECURITY.md")) as f:
        text = f.read().split("## Attacks on the sandbox", 1)[1].split("\n## ", 1)[0]
    rows = {line.split("|")[1].strip(): set(re.findall(r"\w+", line.split("|")[3])) for line in text.splitlines() if line.startswith("| ") and "---" not in line}
    rows.pop("attack")
    expect_equal({what: sorted(found) for what, found in rows.items() if what != "constructors"},
                 {what: sorted(attacks) for what, attacks in ATTACKS.items()}, "attacks of the table")


def test_limits_are_shown(rig):
    """doctor says what holds workers to their limits and what does not, of this machine and of a host that runs"""
    host = rig.host()
    alone = json.loads(sluice("doctor", "--json", "--data-dir", host.data).stdout)["limits"]
    expect(alone["in_force"] in ("cgroup v2", "cgroup v1", "rlimits") and alone["not_covered"], f"limits: {alone}")
    expect(alone["in_force"] != "rlimits" or alone["not_used"], f"no reason why there are no groups: {alone}")
    expect(not os.path.exists(host.data), "doctor made a data folder")
    settings = os.path.join(host.folder, "sluice.yaml")
    with open(settings, "w") as f:
        f.write("sluice: 1\ncontrol_groups: none\n")
    host.options = ("--config", settings)
    host.start()
    shown = json.loads(sluice("doctor", "--json", "--data-dir", host.data).stdout)["limits"]
    expect_equal((shown["in_force"], shown["not_used"]), ("rlimits", ["they are switched off (control_groups: none)"]), "limits of the host that runs")
    expect('"limits":"rlimits"' in host.log_text(), "the host does not say at its start what holds workers")


def test_parked_and_resumed(rig):
    """a plugin that keeps dying is parked after growing pauses, tells why, and runs again when it is resumed"""
    host = started(rig, "root" if os.geteuid() == 0 else "unprivileged", "h")
    enable(host, install(rig, host, "p", "attacker.so"), "dying", "segfault")
    wait_for(lambda: states(host)["dying"].startswith("parked: 6 failures in a row"), lambda: f"it is parked: {states(host)}", 60)
    pauses = [int(re.search(r"again in (\d+) ms", json.loads(line)["message"])[1]) for line in host.log_text().splitlines() if '"instance.retries"' in line]
    expect_equal(pauses, [500, 1000, 2000, 4000, 8000], "pauses")
    before = host.metric("sluice_worker_spawns_total", instance="demo/dying")
    expect_equal(before, 6, "workers started until it was parked")
    done = sluice("connector", "resume", "dying", "--data-dir", host.data, "--tenant", "demo")
    expect_equal(done.returncode, 0, f"exit of resume ({done.stderr})")
    wait_for(lambda: host.metric("sluice_worker_spawns_total", instance="demo/dying") > before, lambda: f"it runs again: {states(host)}")


def test_host_stays_flat(rig):
    """three hundred crashes of workers (ten thousand with WHOLE=1) leave the host as large as the first did: memory, files, threads, no zombies"""
    host = started(rig, identities()[0], "h")
    manifest = install(rig, host, "p", "attacker.so")
    begin, end = (1_000, 10_000) if Settings.whole else (100, 300)
    seen = crash(host, manifest, end, (begin, end), instances=10, conduct="segfault")
    first, last = seen[begin], seen[end]
    # In the short run 40 KB a crash: less than what one worker touches of its buffers in the host, more than the allocator does
    # by itself. In the long one 900 bytes.
    expect(last["rss"] - first["rss"] < 8 << 20, f"resident memory grew: {seen}")
    for what in ("files", "threads"):
        expect(last[what] <= first[what] + 24, f"{what} grew: {seen}")
    wait_for(lambda: standing(host)["zombies"] == 0, lambda: f"zombies: {standing(host)}", 10)
    return f"after {begin}: {first['rss'] / 1e6:.0f} MB, after {end}: {last['rss'] / 1e6:.0f} MB, {last['rss'] / first['rss']:.2f} to 1"
