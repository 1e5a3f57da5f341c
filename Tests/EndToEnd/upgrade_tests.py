"""Versions of a connector: one takes another's place while it runs, and goes back; and connectors as files."""
import hashlib
import threading

from plugin_tests import CANARY, Gauge
from rig import *

EXAMPLE = os.path.join(PROJECT, "Plugins", "examples", "tides-c")
INCLUDE = os.path.join(PROJECT, "Sources", "Plugin", "CSluicePlugin", "include")
MIGRATE = """
static sluice_status_t migrate(const sluice_host_t *host, const sluice_old_state_t *old) {
    if (old->state_version != 1 && old->state_version != STATE_VERSION) {
        return sluice_fail(host, SLUICE_E_PERMANENT, "tides.bad_state", "The checkpoint is of no version that is known.");
    }
    return sluice_save(host, old->stream, STATE_VERSION, old->state, SLUICE_TIME_NONE);
}
"""
# What each version does otherwise than the example: replacements in its source, and in its manifest.
VERSIONS = {
    "1.0.0": ([], []),
    # Writes its states in another format, and can read the old one.
    "2.0.0": ([("STATE_VERSION = 1", "STATE_VERSION = 2"), ("static const sluice_kit_source_t", MIGRATE + "\nstatic const sluice_kit_source_t"),
               (".receive = receive", ".receive = receive, .migrate = migrate")], []),
    # The same, and cannot.
    "3.0.0": ([("STATE_VERSION = 1", "STATE_VERSION = 3"), ("static const sluice_kit_source_t", MIGRATE.replace("!= 1", "!= 7") + "\nstatic const sluice_kit_source_t"),
               (".receive = receive", ".receive = receive, .migrate = migrate")], []),
    # Takes no configuration at all.
    "4.0.0": ([('static const char *const keys[] = {"station", NULL};', 'static const char *const keys[] = {"place", NULL};')], []),
    # Never says whether it works.
    "6.0.0": ([("static sluice_status_t check(const sluice_host_t *host) {", "static sluice_status_t check(const sluice_host_t *host) {\n    for (volatile int forever = 1; forever;) {}")], []),
    # Asks for more.
    "5.0.0": ([], [("requests:\n", 'requests:\n  - {id: all, endpoint: tides, method: GET, path: "/v1/all", slot: api, effect: read}\n')]),
}


def readings(count):
    return [{"id": n, "at": 1767225600000 + n * 60000, "name": f"reading {n}"} for n in range(1, count + 1)]


def version(rig, name, plugin="tides"):
    """The path of that version's manifest."""
    folder = rig.path(f"{plugin}-{name}")
    in_source, in_manifest = VERSIONS[name]
    texts = {}
    for file, changes in (("tides.c", in_source + [('.version = "1.0.0"', f'.version = "{name}"')]),
                          ("tides.yaml", in_manifest + [('version: "1.0.0"', f'version: "{name}"'), ("interval_ms: 60000", "interval_ms: 20"), ("name: tides\n", f"name: {plugin}\n")])):
        with open(os.path.join(EXAMPLE, file)) as f:
            text = f.read()
        for before, after in changes:
            expect_equal(text.count(before), 1, f"how often {before!r} stands in {file}")
            text = text.replace(before, after)
        texts[file] = text
    with open(os.path.join(folder, "tides.c"), "w") as f:
        f.write(texts["tides.c"])
    done = subprocess.run(["cc", "-std=c11", "-O1", "-fPIC", "-shared", "-fvisibility=hidden", "-I", INCLUDE, "tides.c", "-o", "tides.so"], cwd=folder, capture_output=True, text=True)
    expect_equal((done.returncode, done.stderr), (0, ""), f"what the compiler says of {name}")
    with open(os.path.join(folder, "tides.so"), "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    path = os.path.join(folder, "tides.yaml")
    with open(path, "w") as f:
        f.write(texts["tides.yaml"].replace("sha256: built", f"sha256: {digest}"))
    return path


class Station:
    """A host with one instance of version 1.0.0, and the gauge that it reads."""

    def __init__(self, rig, count=0, enable=True, gauge=None, **otherwise):
        self.rig = rig
        self.gauge = gauge or Gauge(readings(count))
        rig.closing.append(self.gauge.close)
        self.host = rig.host()
        self.host.start()
        self.host.ask("tenant.create")
        self.host.ask("secret.set", instance="tides", slot="api", value=CANARY)
        if enable:
            self.host.ask("connector.enable", name=version(rig, "1.0.0"), config={"station": "brest"}, endpoints={"tides": self.gauge.url}, allow_private=True, **otherwise)

    def grows(self, count):
        self.gauge.readings += [r for r in readings(len(self.gauge.readings) + count)[len(self.gauge.readings):]]

    def known(self):
        return sorted(int(key.split("/")[2]) for key in self.host.state.space("perception.version") if key.startswith("tides/readings/"))

    def wait_for_all(self, what):
        wanted = list(range(1, len(self.gauge.readings) + 1))
        wait_for(lambda: self.known() == wanted, lambda: f"{what}: {len(self.known())} of {len(wanted)}, {self.host.ask('connector.list')}", 30)

    def place(self):
        return [(row["state"], row["state_version"]) for row in self.host.ask("checkpoint.show")]

    def running(self):
        (row,) = self.host.ask("connector.list")
        return row["version"]

    def refused(self, code, command, **arguments):
        reply = self.host.reply(command, **arguments)
        expect_equal(reply.get("error", {}).get("code"), code, f"how {command} {arguments} is refused: {reply}")


def test_upgrade_and_rollback(rig):
    """a version takes over in mid-pull with every place written anew, and goes back to where it was: no reading is missing, whatever was read when"""
    station = Station(rig, 500)
    wait_for(lambda: len(station.known()) > 20, "a pull is under way")
    done = sluice("connector", "upgrade", "tides", "--to", version(rig, "2.0.0"), "--json", "--data-dir", station.host.data)
    expect_equal(done.returncode, 0, f"exit of connector upgrade ({done.stderr})")
    answer = json.loads(done.stdout)
    expect_equal((answer["from"], answer["to"], answer["upgraded"], [(s["place"], s["state_version_before"], s["state_version"]) for s in answer["streams"]]),
                 ("1.0.0", "2.0.0", True, [("goes on, written anew", 1, 2)]), "what is said of the upgrade")
    left = 500 - len(station.known())
    expect(left > 0, "the upgrade came after the pull, not in it")
    station.wait_for_all("after the upgrade")
    wait_for(lambda: station.place() == [("500", 2)], lambda: f"the place in the new format: {station.place()}")
    expect_equal(station.host.ask("deadletter.list"), [], "dead letters")
    station.grows(50)
    station.wait_for_all("more readings")
    # Version 1 cannot read places of version 2: it goes on where it was itself, and what it brings again changes nothing.
    versions = station.host.versions("account")
    done = sluice("connector", "rollback", "tides", "--json", "--data-dir", station.host.data)
    expect_equal(done.returncode, 0, f"exit of connector rollback ({done.stderr})")
    expect_equal(station.running(), "1.0.0", "the version that runs")
    station.grows(50)
    station.wait_for_all("after the way back")
    wait_for(lambda: station.place() == [("600", 1)], lambda: f"the place after the way back: {station.place()}")
    expect_equal(station.host.versions("account"), versions + 50, "versions of entities")
    station.refused("connector.nothing_before", "connector.rollback", instance="tides")
    station.host.stop()
    station.host.start()
    expect_equal(station.running(), "1.0.0", "the version after a restart")
    return f"{left} readings were left at the upgrade"


def test_refused_upgrades(rig):
    """a version that cannot read the places, takes no configuration or is another plugin leaves the one that runs running; more authority needs a word"""
    station = Station(rig, 10)
    station.wait_for_all("the first readings")
    wait_for(lambda: station.place() == [("10", 1)], "the place is durable")
    for name, code in (("3.0.0", "connector.state_not_migrated"), ("4.0.0", "connector.version_does_not_work"), ("5.0.0", "connector.more_authority")):
        station.refused(code, "connector.upgrade", instance="tides", name=version(rig, name))
        station.grows(5)
        station.wait_for_all(f"after {name} was refused")
        expect_equal((station.running(), station.place()[0][1]), ("1.0.0", 1), f"what runs after {name} was refused")
    # The same by enabling it again.
    station.refused("connector.more_authority", "connector.enable", name=version(rig, "5.0.0"), config={"station": "brest"})
    station.refused("connector.other_plugin", "connector.upgrade", instance="tides", name=version(rig, "2.0.0", plugin="waves"))
    station.refused("host.unknown", "connector.upgrade", instance="nothing")
    plan = json.loads(sluice("connector", "upgrade", "tides", "--to", version(rig, "5.0.0"), "--plan", "--json", "--data-dir", station.host.data).stdout)
    expect_equal((plan["upgraded"], plan["asks"]), (False, ['new      requests[all].effect: "read"', 'new      requests[all].endpoint: "tides"', 'new      requests[all].id: "all"',
                 'new      requests[all].method: "GET"', 'new      requests[all].path: "/v1/all"', 'new      requests[all].slot: "api"']), "the plan")
    expect_equal(station.running(), "1.0.0", "what runs after a plan")
    expect_equal(sluice("connector", "upgrade", "tides", "--to", version(rig, "5.0.0"), "--accept", "--data-dir", station.host.data).returncode, 0, "exit with --accept")
    expect_equal(station.running(), "5.0.0", "what runs then")
    # The library that the way back leads to is gone: nothing changes.
    os.remove(os.path.join(rig.path("tides-1.0.0"), "tides.so"))
    station.refused("connector.version_does_not_work", "connector.rollback", instance="tides")
    station.grows(5)
    station.wait_for_all("after a way back that is none")


def test_death_in_an_upgrade(rig):
    """a host that dies in an upgrade amid a pull runs the old version or the new one afterwards, each with places that it can read, and no reading is missing"""
    lefts = []
    for point, wanted in (("upgrade.before_commit", "1.0.0"), ("upgrade.after_commit", "2.0.0")):
        station = Station(rig, 600)
        wait_for(lambda: len(station.known()) > 20 and station.place(), "a pull is under way, and has a place")
        station.host.stop()
        station.host.start(crash=f"{point}:1")
        try:
            station.host.ask("connector.upgrade", instance="tides", name=version(rig, "2.0.0"))
            raise AssertionError(f"the host survived {point}")
        except (HostDied, ConnectionError):
            expect_equal(station.host.process.wait(10), -9, f"the host's end at {point}")
        lefts.append(600 - len(station.known()))
        expect(lefts[-1] > 0, f"the host died at {point} after the pull, not in it")
        station.host.state.close()
        station.host.start()
        expect_equal(station.running(), wanted, f"what runs after {point}")
        station.grows(20)
        station.wait_for_all(f"after {point}")
        expect_equal(station.place()[0][1], int(wanted[0]), f"the format of the place after {point}")
        station.host.stop()
        shutil.rmtree(station.host.data)
    return f"readings that were left at the deaths: {lefts}"


def files(rig, connectors):
    """A folder of rules with these connectors, by name; None for no folder of connectors."""
    folder = os.path.join(rig.folder, "rules")
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("policies", "playbooks"):
        shutil.copytree(os.path.join(PROJECT, name), os.path.join(folder, name))
    if connectors is not None:
        os.mkdir(os.path.join(folder, "connectors"))
        for name, text in connectors.items():
            with open(os.path.join(folder, "connectors", f"{name}.yaml"), "w") as f:
                f.write(text)
    return folder


def test_connectors_as_files(rig):
    """a folder of files is what runs: what it adds, changes, upgrades and takes away is shown first and then done; a wrong file does nothing at all"""
    station = Station(rig, 10, enable=False)
    host = station.host

    def text(manifest, station_name="brest", more=""):
        return f'connector: {manifest}\nendpoints: {{tides: "{station.gauge.url}"}}\nallow_private: true\nconfig: {{station: {station_name}}}\n{more}'

    def apply(folder, *options, code=0):
        done = sluice("apply", "-f", folder, "--json", *(options or ["--yes"]), "--data-dir", host.data)
        expect_equal(done.returncode, code, f"exit of apply {options} ({done.stderr})")
        return done.stderr if code else {row["name"]: row for row in json.loads(done.stdout) if row["kind"] == "instance"}
    one = version(rig, "1.0.0")
    folder = files(rig, {"tides": text(one), "other": text("../../tides-1.0.0/tides.yaml", more="pause: not yet\nschedule: {cron: '@daily'}\n")})
    plan = apply(folder, "--plan")
    expect_equal({n: (r["change"], r.get("lacks_secrets")) for n, r in plan.items()}, {"tides": ("added", ["webhook"]), "other": ("added", ["api", "webhook"])}, "the plan")
    # Nobody there to be asked: the plan is shown, and nothing is done.
    for flag in ((), ("--accept",)):
        done = sluice("apply", "-f", folder, *flag, "--json", "--data-dir", host.data)
        expect((done.returncode, "[apply.not_confirmed]" in done.stderr) == (1, True), f"apply without a word: {done.stderr}")
        expect_equal({row["name"]: row for row in json.loads(done.stdout) if row["kind"] == "instance"}, plan, "the plan that is shown")
    expect_equal(on_terminal(("apply", "-f", folder, "--data-dir", host.data), ("Do that? [y/N] ", b"n\n"))[0], 0, "exit when somebody says no")
    expect_equal(host.ask("connector.list"), [], "connectors after a plan")
    expect_equal(apply(folder), plan, "what was done, and what was planned")
    station.wait_for_all("the first readings")
    expect_equal({r["instance"]: r["state"] for r in host.ask("connector.list")}["other"], "paused: not yet", "the instance that rests")
    expect_equal({r["change"] for r in apply(folder).values()}, {"unchanged"}, "the same again")
    expect_equal({r["change"] for r in apply(files(rig, None)).values()}, set(), "a folder that says nothing of connectors")
    # Wrong files: nothing is done, the right ones among them neither.
    for wrong, code in ((text(one) + "speed: 9\n", "config.invalid"), (text(one).replace("station", "place"), "connector.bad_config"), (text("nothing"), "connector.no_plugin"),
                        (text(version(rig, "5.0.0")), "connector.more_authority"), (text(version(rig, "2.0.0", plugin="waves")), "connector.other_plugin")):
        said = apply(files(rig, {"another": text(one), "tides": wrong}), code=1)
        expect(f"[{code}]" in said, f"a wrong file: {said}")
        expect_equal(sorted(r["instance"] for r in host.ask("connector.list")), ["other", "tides"], f"connectors after {code}")
    expect("[config.invalid]" in apply(files(rig, {"Wrong Name": text(one)}), code=1), "a file whose name is none")
    folder = files(rig, {"tides": text(version(rig, "2.0.0"))})
    code, shown = on_terminal(("apply", "-f", folder, "--data-dir", host.data), ("Do that? [y/N] ", b"y\n"))
    asked = shown.index("Do that?")
    expect(code == 0 and all(0 < shown.index(word) < asked for word in ("upgraded", "removed")), f"an upgrade and a removal, shown and then asked: {code} {shown}")
    expect_equal({r["instance"]: (r["version"], r["state"] == "disabled") for r in host.ask("connector.list")}, {"tides": ("2.0.0", False), "other": ("1.0.0", True)}, "what runs")
    station.grows(5)
    station.wait_for_all("after the upgrade by a file")
    expect_equal({r["change"] for r in apply(folder).values()}, {"unchanged"}, "the same again")
    expect_equal(apply(files(rig, {"tides": text(version(rig, "5.0.0"))}), "--accept", "--yes")["tides"]["change"], "upgraded", "more authority with a word")


def test_two_at_once(rig):
    """of an upgrade and a pause that are asked for at once neither is written over: a pause is always taken, and what was said to be done is so"""
    station = Station(rig, 20)
    station.wait_for_all("the first readings")
    seen = set()
    for round in range(6):
        to = ("2.0.0", "1.0.0")[round % 2]
        before = station.running()
        replies = {}

        def upgrade():
            replies["upgrade"] = station.host.reply(*(("connector.upgrade",) if to == "2.0.0" else ("connector.rollback",)), instance="tides",
                                                    **({"name": version(rig, to)} if to == "2.0.0" else {}))
        thread = threading.Thread(target=upgrade)
        thread.start()
        replies["pause"] = station.host.reply("connector.pause", instance="tides", reason=f"round {round}")
        thread.join()
        expect("result" in replies["pause"], f"the pause in the end: {replies}")
        wait_for(lambda: station.host.ask("connector.list")[0]["state"] == f"paused: round {round}", lambda: f"it pauses: {station.host.ask('connector.list')}, {replies}")
        if "error" in replies["upgrade"]:
            code = replies["upgrade"]["error"]["code"]
            expect(code in ("connector.busy", "connector.upgrade_given_up"), f"an upgrade that gave way: {replies}")
            expect_equal(station.running(), before, "what runs after an upgrade that gave way")
            seen.add(code)
            station.host.ask("connector.resume", instance="tides")
            break
        expect_equal(station.running(), to, "what runs after an upgrade that was done")
        station.host.ask("connector.resume", instance="tides")
    station.host.ask("connector.resume", instance="tides")
    station.grows(5)
    station.wait_for_all("in the end")
    return f"{round + 1} rounds, {seen or 'no upgrade gave way'}"


def test_rest_wins(rig):
    """a pause, with and without --drain, or a disabling while another version is tried cancels the trial at once: the old version stays, and rests"""
    station = Station(rig, 10)
    station.wait_for_all("the first readings")
    host, path = station.host, version(rig, "6.0.0")
    took = {}
    for how, command, arguments, state in (("pause", "connector.pause", {"reason": "enough"}, "paused: enough"), ("drain", "connector.pause", {"reason": "drained", "drain": True}, "paused: drained"),
                                           ("disable", "connector.disable", {}, "disabled")):
        replies, spawns = {}, host.metric("sluice_worker_spawns_total", instance="demo/tides")
        thread = threading.Thread(target=lambda: replies.update(upgrade=host.reply("connector.upgrade", instance="tides", name=path)))
        thread.start()
        # The version that is tried has a worker of its own, and never answers.
        wait_for(lambda: host.metric("sluice_worker_spawns_total", instance="demo/tides") > spawns, "the new version is tried")
        begun = time.monotonic()
        reply = host.reply(command, instance="tides", **arguments)
        took[how] = time.monotonic() - begun
        thread.join()
        expect("result" in reply, f"how {how} is answered: {reply}")
        expect_equal(replies["upgrade"].get("error", {}).get("code"), "connector.upgrade_given_up", f"the upgrade that gave way to {how}")
        wait_for(lambda: host.ask("connector.list")[0]["state"] == state, lambda: f"it rests: {host.ask('connector.list')}")
        expect_equal(station.running(), "1.0.0", f"the version after {how}")
        expect(took[how] < 10, f"{how} took {took[how]:.1f} s")
        # The worker that never answers is gone; the old version may keep its own.
        wait_for(lambda: len(host.workers()) <= 1, lambda: f"workers: {host.workers()}")
        if how != "disable":
            host.ask("connector.resume", instance="tides")
            station.grows(5)
            station.wait_for_all(f"resumed after {how}")
    host.stop()
    host.start()
    expect_equal((station.running(), host.ask("connector.list")[0]["state"]), ("1.0.0", "disabled"), "after a restart")
    return ", ".join(f"{how} {seconds:.1f} s" for how, seconds in took.items())


def test_disabled_ones(rig):
    """a connector that is off stays off through an upgrade and the way back, its places are read all the same, and another configuration keeps the way back"""
    station = Station(rig, 10)
    station.wait_for_all("the first readings")
    wait_for(lambda: station.place() == [("10", 1)], "the place is durable")
    host = station.host
    host.ask("connector.disable", instance="tides")
    host.ask("connector.upgrade", instance="tides", name=version(rig, "2.0.0"))
    expect_equal((station.place(), host.ask("connector.list")[0]["state"]), ([("10", 2)], "disabled"), "a disabled connector after an upgrade")
    host.ask("connector.enable", name=version(rig, "2.0.0"), config={"station": "dover"}, endpoints={"tides": station.gauge.url}, allow_private=True)
    station.grows(5)
    station.wait_for_all("enabled again, with another configuration")
    wait_for(lambda: station.place() == [("15", 2)], "the place of version 2")
    host.ask("connector.disable", instance="tides")
    host.ask("connector.rollback", instance="tides")
    expect_equal((station.place(), station.running(), host.ask("connector.list")[0]["state"]), ([("10", 1)], "1.0.0", "disabled"), "a disabled connector after the way back")
    host.ask("connector.enable", name=version(rig, "1.0.0"), config={"station": "brest"}, endpoints={"tides": station.gauge.url}, allow_private=True)
    station.grows(5)
    station.wait_for_all("enabled after the way back")


def test_executors_as_files(rig):
    """two executors that would offer one tool are refused before anything is journaled, and one may take another's place; the tenant goes on"""
    scenario = rig.scenario(mode="act", world=("--seed", Settings.seed, "--opportunities", 40, "--days", 6))
    scenario.start()
    scenario.process_day()
    host = scenario.host

    def text(plugin):
        return f'connector: {os.path.join(Settings.programs, "plugins", plugin)}.yaml\nendpoints: {{crm: "{scenario.world.url}"}}\nallow_private: true\n'
    before = [(row["instance"], row["state"] != "disabled") for row in host.ask("connector.list")]
    expect(("crm-actions", True) in before, f"the executor is not enabled: {before}")
    crm = text("crm")
    reply = host.reply("apply", folder=files(rig, {"crm": crm, "crm-actions": text("crm-actions"), "second": text("crm-actions")}), accept=True)
    expect(reply.get("error", {}).get("code", "").startswith("tool."), f"two executors of one tool: {reply}")
    expect_equal(host.reply("connector.enable", name="crm-actions", instance="second").get("error", {}).get("code", "")[:5], "tool.", "the same by hand")
    for odd in ("crm.yml", "crm.yaml.bak"):
        folder = files(rig, {"crm": crm, "crm-actions": text("crm-actions")})
        shutil.copy(os.path.join(folder, "connectors", "crm.yaml"), os.path.join(folder, "connectors", odd))
        expect_equal(host.reply("apply", folder=folder).get("error", {}).get("code"), "config.odd_file", f"a file called {odd}")
    expect_equal([(row["instance"], row["state"] != "disabled") for row in host.ask("connector.list")], before, "connectors after what was refused")
    host.ask("secret.set", instance="renamed", slot="api", value=scenario.world.secrets["token"])
    host.ask("apply", folder=files(rig, {"crm": crm, "renamed": text("crm-actions")}), accept=True)
    expect_equal({row["instance"]: row["state"] != "disabled" for row in host.ask("connector.list")}, {"crm": True, "crm-actions": False, "renamed": True}, "after the new name")
    scenario.world.close_day()
    scenario.process_day()
    host.stop()
    host.start()
    scenario.check_sound()


def test_removing_what_a_rollback_needs(rig):
    """an installed version that a rollback would lead to is removed only by force"""
    station = Station(rig, 5, enable=False)
    where = ("--data-dir", station.host.data)
    for name in ("1.0.0", "2.0.0"):
        pack = sluice("plugin", "pack", version(rig, name), "--to", rig.path("packs"))
        expect_equal(pack.returncode, 0, f"exit of plugin pack ({pack.stderr})")
        done = sluice("plugin", "install", pack.stdout.strip(), "--unsigned", "--accept", *where)
        expect_equal(done.returncode, 0, f"exit of plugin install ({done.stderr})")
    station.host.ask("connector.enable", name="tides@1.0.0", config={"station": "brest"}, endpoints={"tides": station.gauge.url}, allow_private=True)
    station.wait_for_all("the first readings")
    station.host.ask("connector.upgrade", instance="tides")
    expect_equal(station.running(), "2.0.0", "the newest installed version")
    for words, code in (((), "pack.way_back"), (("--force",), None)):
        done = sluice("plugin", "remove", "tides@1.0.0", *words, *where)
        expect_equal((done.returncode, code is None or f"[{code}]" in done.stderr), (0 if code is None else 1, True), f"remove {words} ({done.stderr})")
    expect("[pack.in_use]" in sluice("plugin", "remove", "tides@2.0.0", "--force", *where).stderr, "what runs was removed by force")
