"""The order of verdict, start, effect and receipt, read from the journal after the host was killed between them."""
from rig import *


def small(rig, name="s", **options):
    scenario = rig.scenario(name, mode="act", world=("--seed", Settings.seed, "--opportunities", 60, "--days", 3), hooks=False, **options)
    scenario.host.start()
    return scenario


def check_order(scenario):
    """Every effect has, in this order: a verdict that allows it or a person's yes to a hold, its start, and a receipt."""
    judged, answered, started, receipts = {}, {}, {}, {}
    for position, kind, body in scenario.host.ledgered():
        if kind == "verdicts":
            for verdict in body["verdicts"]:
                judged[verdict["proposal"]] = verdict["outcome"]
        elif kind == "choice" and body["answer"] == "approve":
            answered[body["proposal"]] = position
        elif kind == "effect_started":
            outcome = judged.get(body["proposal"])
            expect(outcome in ("allow", "hold"), f"the start at {position} follows the verdict {outcome}")
            expect(outcome == "allow" or body["proposal"] in answered, f"the start at {position} of a held call follows no answer")
            started[body["permit"]] = (position, body)
        elif kind == "receipt":
            expect(body["permit"] in started, f"the receipt at {position} follows no start")
            receipts.setdefault(body["permit"], []).append((position, body["outcome"]))
    unresolved = {key for key, state in scenario.host.state.space("action.open").items() if state == "unresolved"}
    for permit, (position, start) in started.items():
        ends = [outcome for _, outcome in receipts.get(permit, [])]
        expect(ends, f"the start at {position} has no receipt")
        expect(ends[-1] != "unknown" or start["proposal"] in unresolved, f"the start at {position} ends in {ends}, and no person is asked")
    return {body["idempotencyKey"]: position for position, body in sorted((p, b) for p, b in started.values())[::-1]}, receipts


def test_death_after_every_commit(rig):
    """a host killed after every commit, until six effects have started, has done nothing without a durable verdict and start before it, and every start gets its receipt"""
    scenario = small(rig)
    scenario.set_up()
    scenario.process_day()
    scenario.world.close_day()
    host, deaths, pulling = scenario.host, [], 0
    host.stop()
    while [kind for _, kind, _ in deaths].count("effect_started") < 6:
        try:
            # Each start pulls anew: one that dies at its first page again and again comes to nothing else.
            host.start(f"journal.after_commit:{1 if pulling % 2 else 1 + pulling // 2}")
            scenario.process_day()
            expect(False, f"the day ended after {deaths}")
        except HostDied:
            expect_equal(host.process.wait(10), -9, "the host's end")
            host.state.close()
            deaths.append((host.head(), host.journal()[-1][1], {e["key"] for e in scenario.world.effects()}))
            pulling = pulling + 1 if deaths[-1][1] == "intake" else 0
    host.start()
    scenario.run()
    starts, _ = check_order(scenario)
    for head, kind, keys in deaths:
        for key in keys:
            expect(key in starts and starts[key] <= head, f"at the death behind entry {head} ({kind}) the world had {key}, started at {starts.get(key)}")
    last = [kind for _, kind, _ in deaths]
    expect({"verdicts", "effect_started", "receipt"} <= set(last), f"the deaths came after {last}")
    scenario.check_effects()
    scenario.check_sound()
    return f"{len(deaths)} deaths, {last.count('effect_started')} of them between a start and its receipt"


def die_at(scenario, point):
    """Runs the first day from its beginning until the host dies there. Returns the key that was under way."""
    host = scenario.host
    host.kill()
    try:
        host.start(point)
        scenario.set_up()
        scenario.process_day()
    except HostDied:
        expect_equal(host.process.wait(10), -9, "the host's end")
    host.state.close()
    position, kind = [(position, kind) for position, kind, _ in host.journal() if kind in ("effect_started", "receipt")][-1]
    expect_equal(kind, "effect_started", f"the last step of a host that died at {point}")
    return position


def test_death_around_sending(rig):
    """a host that dies before or after sending leaves a start without receipt; the next one writes unknown, asks, and neither loses nor doubles it"""
    notes = []
    for point, arrives in (("effect.before_send:2", False), ("effect.after_send:2", True)):
        scenario = small(rig, point.split(":")[0])
        host = scenario.host
        position = die_at(scenario, point)
        before = {e["key"] for e in scenario.world.effects()}
        host.start()
        wait_for(lambda: any(kind == "receipt" and at > position for at, kind, _ in host.journal()), "the receipt of what was under way", 20)
        scenario.process_day()
        starts, receipts = check_order(scenario)
        (key,) = [key for key, at in starts.items() if at == position] or [None]
        permits = host.permits()
        tries = [b for at, kind, b in host.ledgered() if kind == "effect_started" and (at == position or b["idempotencyKey"] == key)]
        first = [outcome for _, outcome in receipts[next(b["permit"] for at, kind, b in host.ledgered() if at == position)]]
        expect_equal(first[0], "unknown", f"the first receipt after {point}")
        expect_equal(first[-1], "done" if arrives else "not_started", f"what was found out after {point}")
        expect_equal(len(tries), 1 if arrives else 2, f"starts of the call under way at {point}")
        expect_equal((tries[0]["idempotencyKey"] in before), arrives, f"whether the world knew of it after {point}")
        expect_equal(permits[tries[0]["idempotencyKey"]]["outcome"], "done", "how it ended")
        scenario.check_effects()
        notes.append(f"{point}: {', '.join(first)}")
        scenario.close()
    return "; ".join(notes)


def test_unknown_ends_at_a_person(rig):
    """an effect of which nobody can tell whether it happened waits for a person, whose word is journaled and ends it"""
    scenario = small(rig)
    host = scenario.host
    die_at(scenario, "effect.after_send:1")
    scenario.world.faults({"match": "GET /api/v1/idempotency", "kind": "status", "status": 500, "times": 0})
    host.start()

    def unresolved():
        return [key for key, state in host.state.space("action.open").items() if state == "unresolved"]
    (action,) = wait_for(unresolved, lambda: f"a person is asked: {short(host.state.space('action.open'))}", 60)
    wait_for(lambda: host.is_settled() and host.is_quiet(), "nothing else is under way", 30)
    check_order(scenario)
    scenario.world.faults()
    done = sluice("action", "resolve", action, "done", "--data-dir", host.data)
    expect_equal(done.returncode, 0, f"exit of action resolve ({done.stderr})")
    expect_equal(host.ask("action.show", id=action)["state"], "done", "the action after a person's word")
    sluice("action", "resolve", action, "failed", "--data-dir", host.data)
    expect_equal(host.ask("action.show", id=action)["state"], "done", "the action after a second word")
    orders = [body for _, kind, body in host.ledgered() if kind == "order" and body["target"] == action]
    expect(orders and orders[0]["by"] == f"os-{os.geteuid()}", f"the person's word in the log: {short(orders)}")


def test_kill_switch(rig):
    """a kill switch stops what it names before the next action, also after a restart, until it is taken back"""
    scenario = rig.scenario(mode="act", world=("--seed", Settings.seed, "--opportunities", 60, "--days", 4), hooks=False)
    host = scenario.host
    host.start()
    host.ask("tenant.create")
    for words in (("kill", "tool:crm.create_task", "--reason", "quarter end", "--unseen"), ("kill", "all")):
        done = sluice(*words, "--data-dir", host.data)
        expect_equal(done.returncode, 0, f"exit of {' '.join(words)} ({done.stderr})")
    scenario.set_up()
    scenario.process_day()
    expect_equal(scenario.world.effects(), [], "effects while all is stopped")
    host.stop()
    host.start()
    scenario.world.close_day()
    scenario.process_day()
    expect_equal((scenario.world.effects(), host.entry_kinds().get("effect_started", 0)), ([], 0), "effects after a restart")
    verdicts = [verdict for _, kind, body in host.ledgered() if kind == "verdicts" for verdict in body["verdicts"]]
    stopped = [verdict for verdict in verdicts if any(reason["rule"] == "kill.all" for reason in verdict["reasons"])]
    expect(stopped and not [v for v in verdicts if v["outcome"] == "allow"], f"verdicts while all is stopped: {short(verdicts)}")
    expect_equal(sluice("unkill", "all", "--data-dir", host.data).returncode, 0, "exit of unkill all")
    while not scenario.world.finished:
        scenario.world.close_day()
        if not scenario.world.finished:
            scenario.process_day()
    paths = {e["path"].split("/")[3] for e in scenario.world.effects()}
    expect(paths and "tasks" not in paths, f"with one tool stopped, the world was asked for {paths}")
    scenario.check_effects()
