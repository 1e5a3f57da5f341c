"""Workers killed amid their work: the host stays, nothing is lost, nothing happens twice."""
import random
import threading

from rig import *


def kill_while(scenario, plugin, is_under_way, what):
    """Kills the workers of a plugin at a moment at which the condition holds."""
    wait_for(is_under_way, what, 20, 0.002)
    pids = scenario.host.workers(plugin)
    expect(pids, f"no worker of {plugin} runs")
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return len(pids)


def test_worker_killed_during_pull(rig):
    """a source's worker killed between the pages of a pull is replaced, and its pull goes on: no record is missing, none counts twice"""
    scenario = rig.scenario(mode="observe", page_size=9, world=("--seed", Settings.seed, "--opportunities", 80, "--days", 6))
    scenario.start()
    kills = 0
    while not scenario.world.finished:
        scenario.world.faults({"match": "GET /api/v1/opportunities", "kind": "slow_ms", "slow_ms": 400, "after": 1, "times": 1})
        before = scenario.world.control("GET", "status")["requests"]
        scenario.host.ask("connector.run", instance="crm")
        kills += kill_while(scenario, "crm-source.so", lambda: scenario.connector() == "pull opportunities", f"a pull is under way after {before}")
        scenario.world.faults()
        scenario.host.wait_processed(scenario.world.day)
        scenario.world.close_day()
    scenario.check_records()
    expect_equal(scenario.host.versions(), sum(d["version"] for d in scenario.world.list("opportunities").values()), "versions of opportunities")
    scenario.check_sound()
    return f"{kills} workers killed"


def test_worker_killed_during_execute(rig):
    """an executor's worker killed while its write is under way leaves an unknown outcome, which is cleared up by asking: one effect"""
    scenario = rig.scenario(mode="act", world=("--seed", Settings.seed, "--opportunities", 80, "--days", 5))
    scenario.start()
    kills = 0
    while not scenario.world.finished:
        kind = ("PATCH", "POST")[kills % 2]
        scenario.world.faults({"match": f"{kind} /api/v1/", "kind": "slow_ms", "slow_ms": 500, "times": 1})
        before = scenario.host.head()
        scenario.host.ask("connector.run", instance="crm")

        def writing():
            if scenario.host.head() > before and scenario.host.ticked() >= scenario.world.day and scenario.host.is_settled() and not scenario.host.queued() and scenario.host.is_quiet():
                return "over"
            return slow_write(scenario) and "writing"
        if wait_for(writing, "a write is under way", 30, 0.002) == "writing":
            pids = scenario.host.workers("crm-executor.so")
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            kills += len(pids)
        scenario.world.faults()
        scenario.host.wait_processed(scenario.world.day)
        scenario.world.close_day()
    scenario.catch_up()
    scenario.check_records()
    effects = scenario.check_effects()
    unknown = scenario.host.metric("sluice_effects_total", outcome="unknown")
    expect(kills >= 2 and unknown >= 2, f"{kills} workers were killed and {unknown} outcomes unknown: the test tells nothing")
    expect_equal([e for e in scenario.world.effects() if e["replays"]], [], "effects that were sent again")
    scenario.check_sound()
    return f"{kills} workers killed, {unknown:g} outcomes unknown, {len(effects)} effects"


def slow_write(scenario):
    """One call is under way for longer than a call takes."""
    now = time.time() * 1000
    for key, state in scenario.host.state.space("action.open").items():
        if state == "started" and now - scenario.host.state.value("action.action", key)["sinceMs"] > 150:
            return True
    return False


def test_workers_killed_at_random(rig):
    """workers killed at random over a whole pipeline: the host lives on, every record is in, every effect happened once"""
    scenario = rig.scenario(mode="act", page_size=15, world=("--seed", Settings.seed, "--opportunities", 160, "--days", 16))
    scenario.start()
    chance, over, killed = random.Random(Settings.seed), threading.Event(), []

    def killer():
        while not over.wait(0.05 + chance.random() * 0.3):
            pids = scenario.host.workers("sluice-worker")
            if pids:
                pid = chance.choice(pids)
                try:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                except ProcessLookupError:
                    pass
    thread = threading.Thread(target=killer)
    thread.start()
    try:
        while not scenario.world.finished:
            scenario.process_day()
            if scenario.connector().startswith("parked"):
                scenario.host.ask("connector.resume", instance="crm")
            scenario.world.close_day()
    finally:
        over.set()
        thread.join()
    scenario.catch_up()
    scenario.check_records()
    effects = scenario.check_effects()
    expect(len(killed) >= 5, f"only {len(killed)} workers were killed")
    scenario.check_sound()
    return f"{len(killed)} workers killed, {len(effects)} effects"
