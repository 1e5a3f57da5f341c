"""A crowd of instances of which some crash, some hang and some flood, while the rest go on. `make bench ONLY=crowd` measures it."""
import hashlib

from disk_tests import most_memory
from hostile_tests import fixture, states
from rig import *

CONDUCTS = ("crash", "hang", "flood")
# What every pull of a steady one brings, always the same.
RECORDS = 10
# Rounds of pulls of each steady one, without and with the others.
ROUNDS = 5
INTAKE_BYTES = 4 << 20


class Crowd:
    """A host with instances of one plugin, of which one in twenty crashes, one hangs and one floods: 60, or 1,000 with WHOLE=1."""

    def __init__(self, rig):
        count = 1_000 if Settings.whole else 60
        self.steady = [f"steady-{n}" for n in range(count - 3 * (count // 20))]
        self.bad = {conduct: [f"{conduct}-{n}" for n in range(count // 20)] for conduct in CONDUCTS}
        self.host = rig.host()
        self.manifest = self.install(rig)
        settings = os.path.join(rig.folder, "sluice.yaml")
        with open(settings, "w") as f:
            f.write(f"sluice: 1\nintake:\n  bytes_max: {INTAKE_BYTES}\n")
        self.host.options = ("--config", settings)
        self.host.start()
        self.host.ask("tenant.create")

    @staticmethod
    def install(rig):
        """The benchmarks' plugin; where there are few of them each is pulled more often."""
        folder = rig.path("plugins")
        shutil.copy(fixture("crowd.so"), folder)
        with open(os.path.join(folder, "crowd.so"), "rb") as f:
            digest = hashlib.sha256(f.read()).hexdigest()
        with open(os.path.join(PROJECT, "Benchmarks", "plugin", "crowd.yaml")) as f:
            text = f.read().replace("sha256: built", f"sha256: {digest}")
        if not Settings.whole:
            text = text.replace("interval_ms: 10000\n  jitter_ms: 10000", "interval_ms: 1000\n  jitter_ms: 1000")
            expect("interval_ms: 1000\n" in text, "the crowd's schedule")
        path = os.path.join(folder, "crowd.yaml")
        with open(path, "w") as f:
            f.write(text)
        return path

    def enable(self, names):
        for name in names:
            self.host.ask("connector.enable", name=self.manifest, instance=name, config={"do": name.split("-")[0]})

    def read(self):
        """One look at the counters: {name: {instance: {label values: value}}}."""
        self.host.check_alive()
        found = {}
        for key, value in self.host.metrics().items():
            name, _, labels = key.partition("{")
            instance = re.search(r'instance="demo/([^"]+)"', labels)
            if instance:
                rest = tuple(re.findall(r'(?:ending|cause)="([^"]+)"', labels))
                found.setdefault(name, {}).setdefault(instance.group(1), {})[rest] = value
        return found

    def pulls(self, look=None):
        """How often each steady one has pulled, and ended well."""
        ended = (look or self.read()).get("sluice_operations_total", {})
        return {name: int(ended.get(name, {}).get(("ok",), 0)) for name in self.steady}

    def behind(self):
        top = self.host.ask("top")
        return top["journal_position"] - top["applied_position"]


    def brought(self):
        """How often each record of each steady one has arrived: {instance: {how often}}."""
        found = {}
        for key, value in self.host.state.rows("SELECT key, value FROM state WHERE space='perception.version' AND key GLOB 'steady-*'"):
            found.setdefault(key.split("/")[0], []).append(json.loads(value)["copies"])
        return {name: sorted(copies) for name, copies in found.items()}

    def is_named(self, name, words):
        return any(f'"instance":"{name}"' in line and words in line for line in self.host.log_text().splitlines() if '"instance.retries"' in line)


def rounds(crowd, is_over):
    """Waits until each steady one has pulled so many times more and `is_over`; gives how often each has, and pulls a second of all."""
    begin, clock = crowd.pulls(), time.monotonic()

    def is_done():
        look = crowd.read()
        return is_over(look) and all(count >= begin[name] + ROUNDS for name, count in crowd.pulls(look).items())
    wait_for(is_done, lambda: f"each pulls {ROUNDS} times more, from {begin} on: {crowd.pulls()}; {states(crowd.host)}", 600, 0.2)
    end = crowd.pulls()
    return [end[name] - begin[name] for name in crowd.steady], (sum(end.values()) - sum(begin.values())) / (time.monotonic() - clock)


def test_crowd(rig):
    """of a crowd in which some crash, some hang and some flood, every well-behaved instance goes on pulling as all others do, and what it brings arrives whole; who crashes is parked by name, who hangs is killed and named, who floods is held back, and the host's memory stays bounded"""
    crowd = Crowd(rig)
    host, bad = crowd.host, crowd.bad
    crowd.enable(crowd.steady)
    wait_for(lambda: min(crowd.pulls().values()) >= 1, lambda: f"each pulls: {crowd.pulls()}", 600, 0.1)
    _, alone = rounds(crowd, lambda look: True)

    for conduct in CONDUCTS:
        crowd.enable(bad[conduct])
    behind, memory, hung = [], [], []

    def have_misbehaved(look):
        """Each crash until it is parked, each hang until it is killed; floods all the while."""
        behind.append(crowd.behind())
        flooded = [sum(look.get("sluice_records_total", {}).get(name, {}).values()) for name in bad["flood"]]
        memory.append((sum(flooded), most_memory(host)))
        state, ended = states(host), look.get("sluice_operations_total", {})
        hung[:] = [name for name in bad["hang"] if ended.get(name, {}).get(("worker.hung",))]
        return all(state[name].startswith("parked") for name in bad["crash"]) and hung == bad["hang"] and min(flooded) > 0
    each, among = rounds(crowd, have_misbehaved)
    # Its schedule gives the rate, so it is the same among all; a third leaves room for what a busy machine does.
    expect(among * 3 >= alone, f"the steady pulled {alone:.1f} times a second alone, and {among:.1f} times among all")
    expect(min(each) * 4 >= max(each), f"of the steady some pull {max(each)} times and some {min(each)}")

    for name in bad["crash"]:
        expect("signal 6" in states(host)[name], f"why {name} is parked: {states(host)[name]}")
    expect_equal([name for name in bad["hang"] if not crowd.is_named(name, "[worker.hung]")], [], "who hung and was not named")
    look = crowd.read()
    held = [name for name in bad["flood"] if sum(look["sluice_wait_seconds_total"][name].get((cause,), 0) for cause in ("intake_limit", "no_credit", "apply_lag")) > 0]
    expect_equal(held, bad["flood"], "floods that were held back")
    # By entries on their way into the state (ApplyLag), and by memory, which the second half of the flood finds as the first left it.
    expect(max(behind) <= 2_048 + 2 * len(states(host)), f"{max(behind)} entries were behind")
    total, most = memory[-1]
    half = next(bytes for count, bytes in memory if count * 2 >= total)
    expect(most - half < 32 << 20, f"memory grew from {half / 1e6:.0f} to {most / 1e6:.0f} MB while the second half of {total:,.0f} records came")

    for name in crowd.steady:
        host.ask("connector.pause", instance=name, reason="enough", drain=True)
    look = crowd.read()
    others = {name: ended for name in crowd.steady if (ended := {k for k in look["sluice_operations_total"][name] if k != ("ok",)})}
    expect_equal(others, {}, "pulls of the steady that ended otherwise")
    wait_for(lambda: crowd.brought() == {name: [count] * RECORDS for name, count in crowd.pulls(look).items()},
             lambda: f"each record of each pull has arrived: {crowd.brought()} for {crowd.pulls(look)}", 60)
    expect(host.alive(), "the host died")
    return (f"{len(crowd.steady)} steady: {alone:.1f} pulls/s alone, {among:.1f} among all, {min(each)} to {max(each)} each; {total:,.0f} records of the flood, "
            f"{max(behind)} entries behind at most; memory {half / 1e6:.0f} MB at the half, {most / 1e6:.0f} MB at the end")
