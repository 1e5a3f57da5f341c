"""Deaths of the host at every place where something becomes durable or leaves. Nothing is lost, nothing is done twice."""
import random
import re

from rig import *


def crash_points():
    with open(os.path.join(PROJECT, "Sources/Core/Domain/Ports/Crash.swift")) as f:
        points = re.findall(r'case \w+ = "([a-z_.]+)"', f.read())
    # What a host meets in its daily work; queue_tests, keep_tests, packs_tests, plugin_tests, upgrade_tests and tenant_tests die at the others.
    others = ("ack.", "roll.", "pack.", "trim.", "backup.", "restore.", "plugin.", "upgrade.", "migration.", "erasure.")
    points = [point for point in points if not point.startswith(others)]
    expect(len(points) >= 12, f"Crash.swift lists only {points}")
    # egress_tests dies where a rotated token is kept: no pipeline here has one.
    return [point for point in points if not point.startswith("token.")]


class Sweep:
    """Runs pipelines to their end while the host dies at one planned visit after the other."""

    def __init__(self, rig, name):
        self.rig = rig
        self.name = name
        self.hits = {point: 0 for point in crash_points()}
        self.random = random.Random(Settings.seed)
        self.runs = 0
        self.deaths = []

    def visit(self, point):
        # What is reached once a day or more rarely must be met early, the rest somewhere in a day's work.
        if point.startswith("keystore."):
            return self.random.randint(1, 2)
        if point.startswith("ledger."):
            return self.random.choice((1, 1, 2, 3))
        return self.random.choice((1, 2, self.random.randint(3, 25)))

    def run(self, plan, days, opportunities):
        """One pipeline from the empty folder to its last day; the plan's points one start after the other."""
        self.runs += 1
        seed = self.random.randrange(1, 100_000)
        scenario = self.rig.scenario(f"{self.name}{self.runs}", mode="act", page_size=self.random.choice((7, 50, 200)),
                                     world=("--seed", seed, "--opportunities", opportunities, "--days", days, "--webhook-loss", "0.3"))
        plan = list(plan)
        deaths = []
        try:
            ready = False
            while not scenario.world.finished or not ready:
                crash = f"{plan[0]}:{self.visit(plan[0])}" if plan else None
                try:
                    if not scenario.host.alive():
                        scenario.host.start(crash)
                        ready = False
                    if not ready:
                        scenario.set_up()
                        ready = True
                    scenario.process_day()
                    scenario.world.close_day()
                except HostDied:
                    expect_equal(scenario.host.process.wait(10), -9, f"the host's end ({scenario.host.log_text()[-1500:]})")
                    scenario.host.state.close()
                    expect(plan, "the host died though nothing killed it")
                    self.hits[plan[0]] += 1
                    deaths.append(f"{crash} on {scenario.world.day}")
                    plan.pop(0)
            # The last point was not reached any more: the next start is without it.
            if plan:
                scenario.host.kill()
                scenario.host.start()
            scenario.process_day()
            scenario.catch_up()
            self.check(scenario)
        except Exception as error:
            raise AssertionError(f"pipeline of seed {seed}, page size {scenario.page_size}, after {deaths}: {error}") from error
        finally:
            end(scenario.host.process, signal.SIGKILL)
            scenario.host.state.close()
            scenario.world.end()
        self.deaths += deaths
        return plan

    def check(self, scenario):
        scenario.check_records()
        expect(scenario.check_effects(), "nothing was done: the test tells nothing")
        open_states = set(scenario.host.state.space("action.open").values())
        expect(not open_states & {"started", "probing", "unresolved"}, f"effects are left in {open_states}")
        scenario.check_sound()


def test_death_at_every_crash_point(rig):
    """the host dies at every crash point of the list and goes on: every record is in, every effect happened once, with start and receipt"""
    sweep = Sweep(rig, "sweep")
    points = crash_points()
    rounds, days, opportunities = (12, 60, 400) if Settings.whole else (2, 24, 160)
    keys = [p for p in points if p.startswith("keystore.")]
    rest = [p for p in points if p not in keys]
    for _ in range(rounds):
        # The keystore is written while a tenant is set up, so its points come first, on a new folder.
        order = rest * (3 if Settings.whole else 1)
        sweep.random.shuffle(order)
        for _ in range(4):
            order = sweep.run(keys + order if order else [], days, opportunities)
            order = [p for p in order if p in rest]
            if not order:
                break
    # What a quick pipeline publishes a few times only may not have come to its turn.
    for _ in range(6):
        left = [p for p in rest if sweep.hits[p] == 0]
        if not left:
            break
        sweep.run(left, days, opportunities)
    missing = [p for p, hits in sweep.hits.items() if hits == 0]
    note = f"{sweep.runs} pipelines, {len(sweep.deaths)} deaths: " + ", ".join(f"{p} {n}" for p, n in sweep.hits.items())
    expect(not missing, f"never reached: {missing}; {note}")
    return note


def test_deaths_change_nothing_in_what_is_found(rig):
    """a run in which the host is killed at odd moments finds the same signals and does the same as one that is left alone"""
    world = ("--seed", Settings.seed, "--opportunities", 150, "--days", 12)
    results = []
    chance = random.Random(Settings.seed)
    for name, kills in (("calm", 0), ("killed", 8)):
        scenario = rig.scenario(name, mode="act", world=world)
        scenario.start()
        days = set(chance.sample(range(12), min(kills, 12)))
        number = 0
        while not scenario.world.finished:
            if number in days:
                scenario.host.ask("connector.run", instance="crm")
                time.sleep(chance.random() * 0.15)
                scenario.host.kill()
                scenario.host.start()
            scenario.process_day()
            scenario.world.close_day()
            number += 1
        scenario.catch_up()
        scenario.check_records()
        effects = scenario.check_effects()
        signals = sorted(json.dumps(s, sort_keys=True) for s in scenario.host.signals())
        proposals = sorted(scenario.host.state.space("decision.proposal"))
        results.append((signals, proposals, effects))
        scenario.check_sound()
        scenario.host.kill()
    for part, killed, calm in zip(("signals", "proposals", "effects"), results[1], results[0]):
        expect_equal(killed, calm, f"{part} after kills")
    return f"{len(results[0][0])} signals, {len(results[0][2])} effects, both times"
