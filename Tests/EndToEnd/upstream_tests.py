"""An upstream that refuses, stalls, lies or breaks off, and what becomes of reading and of writing then."""

from approval_tests import Clock
from rig import *
from serving import Handler, Serving
from secret_tests import findings, forms

LIST = "GET /api/v1/opportunities"


def ready(rig, mode="observe", days=3, opportunities=80, **options):
    scenario = rig.scenario(mode=mode, world=("--seed", Settings.seed, "--opportunities", opportunities, "--days", days), **options)
    scenario.start()
    scenario.process_day()
    scenario.world.close_day()
    return scenario


def done_well(scenario):
    # A pull that was interrupted claims no more than the day on which it began: one more round claims today.
    scenario.catch_up()
    scenario.run()
    scenario.catch_up()
    scenario.check_records()


def faults_met(scenario):
    return scenario.world.control("GET", "status")["faults"]


def test_refused_credential_parks(rig):
    """a 401 parks the connector with the reason; nothing is asked again until an operator resumes it; then nothing is missing"""
    scenario = ready(rig)
    scenario.world.faults({"match": LIST, "kind": "status", "status": 401, "times": 1})
    scenario.host.ask("connector.run", instance="crm")
    scenario.wait_parked("credential", "401")
    parked = lambda: scenario.host.metric("sluice_instances_parked")
    expect_equal(parked(), 1, "instances that are parked")
    before = scenario.host.metric("sluice_requests_total")
    expect_equal(scenario.host.reply("connector.run", instance="crm").get("error", {}).get("code"), "connector.rests", "a pull of a parked connector")
    time.sleep(0.5)
    expect_equal(scenario.host.metric("sluice_requests_total"), before, "requests of a parked connector")
    expect_equal(sluice("connector", "resume", "crm", "--data-dir", scenario.host.data).returncode, 0, "exit of connector resume")
    expect_equal(parked(), 0, "instances that are parked after the resuming")
    scenario.world.faults({"match": LIST, "kind": "status", "status": 401, "times": 1})
    scenario.host.ask("connector.run", instance="crm")
    wait_for(lambda: parked() == 1, "it is parked again")
    scenario.host.ask("connector.disable", instance="crm")
    expect_equal(parked(), 0, "instances that are parked once it is off")
    scenario.world.faults()
    scenario.set_up()
    done_well(scenario)


def test_retry_after_is_kept(rig):
    """a 429 with Retry-After is waited out, by the whole second, without parking"""
    scenario = ready(rig)
    scenario.world.faults({"match": LIST, "kind": "status", "status": 429, "retry_after": 2, "times": 1})
    begin = time.monotonic()
    # Two whole rounds of pulls more: the list may have been asked for just before the upstream was told to say 429.
    scenario.catch_up()
    scenario.catch_up()
    took = time.monotonic() - begin
    (met,) = faults_met(scenario)
    expect_equal(met["fired"], 1, "times that 429 was said")
    expect(took >= 2, f"the next round was done after {took:.2f} s")
    scenario.process_day()
    done_well(scenario)
    return f"{took:.1f} s"


def test_broken_answers_are_overcome(rig):
    """500, 503, garbage, half of a body, a cut connection and a stalling answer cost time and lose nothing"""
    scenario = ready(rig, days=8)
    ways = [{"kind": "status", "status": 500}, {"kind": "status", "status": 503, "retry_after": 1}, {"kind": "garbage"}, {"kind": "truncated"},
            {"kind": "cut_before_apply"}, {"kind": "slow_ms", "slow_ms": 700}]
    for way in ways:
        scenario.world.faults({"match": LIST, "times": 1, **way})
        scenario.process_day()
        (met,) = faults_met(scenario)
        expect_equal(met["fired"], 1, f"times that {way} was met")
        state = scenario.connector()
        expect(not state.startswith(("waiting", "parked")), f"after {way}: {state}")
        scenario.world.close_day()
    scenario.world.faults()
    done_well(scenario)


def test_abandoned_request_frees_its_place(rig):
    """a request that nobody waits for any more holds no place: the next operation sends at once, though only one may be under way"""
    scenario = rig.scenario(world=("--seed", Settings.seed, "--opportunities", 80, "--days", 2), manifests={"crm": ("concurrency: 2", "concurrency: 1")})
    scenario.start()
    scenario.process_day()
    scenario.world.close_day()
    scenario.world.faults({"match": LIST, "kind": "slow_ms", "slow_ms": 120_000, "times": 1})
    scenario.host.ask("connector.run", instance="crm")
    wait_for(lambda: faults_met(scenario)[0]["fired"] == 1, "the request that is never answered has been sent")
    scenario.host.ask("connector.disable", instance="crm")
    scenario.set_up()
    scenario.process_day(seconds=30)
    done_well(scenario)


def test_lasting_failure_waits_and_recovers(rig):
    """an upstream that fails for long is asked ever more rarely, parks nobody, and is read on by itself once it answers; the wait has the upstream's name"""
    scenario = ready(rig)
    host = scenario.host
    scenario.world.faults({"match": LIST, "kind": "status", "status": 500, "times": 0})
    host.ask("connector.run", instance="crm")
    failed = lambda: host.metric("sluice_retries_total", instance="demo/crm", cause="upstream")
    for count in range(1, 10):
        wait_for(lambda: failed() >= count, lambda: f"try {count} has failed: {scenario.connector()}", 20)
        expect(not scenario.connector().startswith("parked"), f"after {count} failures: {scenario.connector()}")
        host.ask("connector.run", instance="crm")
    wait_for(lambda: scenario.connector().startswith("waiting") and "500" in scenario.connector(), lambda: f"the reason: {scenario.connector()}")
    expect_equal(host.metric("sluice_instances_parked", instance="demo/crm"), 0, "instances that are parked")
    before = failed()
    # From now on nobody pokes it: it goes on by itself.
    scenario.world.faults()
    wait_for(lambda: scenario.connector() == "idle", lambda: f"it reads again: {scenario.connector()}", 90)
    expect(host.metric("sluice_wait_seconds_total", instance="demo/crm", cause="upstream_slow") >= 1, "the wait for the upstream")
    done_well(scenario)
    return f"{before:.0f} failures"


def test_short_outage_while_writing(rig):
    """an upstream that is away for a while, in reading and writing, costs time: what was not sent is sent, what has no clear end is asked after, and nothing is done twice or parked"""
    scenario = ready(rig, mode="act", days=6)
    host = scenario.host
    scenario.world.faults({"match": LIST, "kind": "cut_before_apply", "times": 4}, {"match": "POST /api/v1/tasks", "kind": "status", "status": 503, "times": 3},
                          {"match": "PATCH /api/v1/", "kind": "cut_before_apply", "times": 2})
    for _ in range(3):
        scenario.process_day(seconds=120)
        scenario.world.close_day()
    expect([f for f in faults_met(scenario) if f["fired"]], "no fault was met")
    expect(not any(row["state"].startswith("parked") for row in host.ask("connector.list")), f"{host.ask('connector.list')}")
    expect_equal(host.metric("sluice_instances_parked"), 0, "instances that are parked")
    expect_equal([e for e in scenario.world.effects() if e["replays"]], [], "effects that were sent again")
    scenario.world.faults()
    finish_writing(scenario)
    return f"{outcomes(scenario)}"


def test_endless_list_parks(rig):
    """a list that leads back to its beginning for ever is recognised and parked; nothing of it counts twice"""
    scenario = ready(rig, page_size=20)
    versions = scenario.host.versions()
    scenario.world.faults({"match": LIST, "kind": "endless", "times": 0})
    scenario.host.ask("connector.run", instance="crm")
    scenario.wait_parked("again and again")
    expect(scenario.host.versions() <= versions + 60, "versions grew without end")
    scenario.world.faults()
    scenario.host.ask("connector.resume", instance="crm")
    done_well(scenario)


def memory_peak(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) // 1024 for line in f if line.startswith("VmHWM"))


def test_huge_body_is_cut(rig):
    """a body of 100 MB is cut at the manifest's limit: the connector is parked, and the host has not grown by it"""
    scenario = ready(rig)
    before = memory_peak(scenario.host.process.pid)
    scenario.world.faults({"match": LIST, "kind": "huge", "bytes": 100_000_000, "times": 1})
    scenario.host.ask("connector.run", instance="crm")
    scenario.wait_parked("larger")
    grown = memory_peak(scenario.host.process.pid) - before
    expect(grown < 60, f"the host grew by {grown} MB")
    scenario.host.ask("connector.resume", instance="crm")
    done_well(scenario)
    return f"{grown} MB more at the peak"


def written(rig, fault, count=2, name="s"):
    """A run in mode act in which the first writes meet a fault."""
    scenario = rig.scenario(name, mode="act", world=("--seed", Settings.seed, "--opportunities", 80, "--days", 3))
    # Before the start: the first pull begins as soon as the connector is enabled.
    scenario.world.faults({"match": "PATCH /api/v1/", "times": count, **fault}, {"match": "POST /api/v1/", "times": count, **fault})
    scenario.start()
    scenario.process_day()
    return scenario


def outcomes(scenario):
    return {o: scenario.host.metric("sluice_effects_total", outcome=o) for o in ("done", "unknown", "not_started", "rejected")}


def finish_writing(scenario):
    scenario.world.close_day()
    scenario.run()
    scenario.catch_up()
    scenario.check_records()
    scenario.check_sound()
    return scenario.check_effects()


def test_answer_lost_after_write(rig):
    """a write whose answer is lost is unknown, asked after, found done, and never sent again: one effect, no replay"""
    scenario = written(rig, {"kind": "cut_after_apply"})
    expect_equal([e for e in scenario.world.effects() if e["replays"]], [], "effects that were sent again")
    seen = outcomes(scenario)
    expect(seen["unknown"] >= 4 and seen["not_started"] == 0, f"outcomes: {seen}")
    expect_equal([p["tries"] for p in scenario.host.permits().values() if p["tries"] != 1], [], "calls started more than once")
    finish_writing(scenario)
    return f"{seen}"


def test_connection_cut_before_write(rig):
    """a write that never arrived is unknown, found absent, and started again after the upstream has settled: one effect"""
    scenario = written(rig, {"kind": "cut_before_apply"})
    seen = outcomes(scenario)
    expect(seen["unknown"] >= 4 and seen["not_started"] >= 4, f"outcomes: {seen}")
    expect(sum(1 for p in scenario.host.permits().values() if p["tries"] == 2) >= 4, "no call was started again")
    finish_writing(scenario)
    return f"{seen}"


def test_failing_writes(rig):
    """a write answered with 500, 503 or half a body is unknown and cleared up by asking; one with 429 is tried again; each happens once"""
    for number, fault in enumerate(({"kind": "status", "status": 500}, {"kind": "truncated"}, {"kind": "status", "status": 429, "retry_after": 1})):
        scenario = written(rig, fault, 1, f"s{number}")
        seen = outcomes(scenario)
        expect(seen["unknown" if number < 2 else "not_started"] >= 2, f"outcomes after {fault}: {seen}")
        finish_writing(scenario)
        scenario.close()


def test_refused_write(rig):
    """a write that the upstream refuses ends as rejected, and is not tried again"""
    scenario = written(rig, {"kind": "status", "status": 422}, 1)
    seen = outcomes(scenario)
    expect_equal(seen["rejected"], 2.0, f"rejected effects of {seen}")
    expect_equal([p["tries"] for p in scenario.host.permits().values() if p["tries"] != 1], [], "calls started more than once")
    finish_writing(scenario)


def test_unauthorised_write(rig):
    """a write that is answered 401 was not applied: its executor is parked, its call waits and is not asked after, and all are done once with another secret, however often that is wrong"""
    scenario = rig.scenario(mode="act", world=("--seed", Settings.seed, "--opportunities", 80, "--days", 3))
    host = scenario.host
    scenario.world.faults({"match": "PATCH /api/v1/", "kind": "status", "status": 401, "times": 0}, {"match": "POST /api/v1/", "kind": "status", "status": 401, "times": 0})
    scenario.start()
    host.ask("connector.run", instance="crm")
    # More often than a call may be tried.
    for count in range(1, 6):
        wait_for(lambda: scenario.connector("crm-actions").startswith("parked") and outcomes(scenario)["not_started"] == count, lambda: f"refusal {count}: {outcomes(scenario)}")
        expect("401" in scenario.connector("crm-actions"), f"the reason: {scenario.connector('crm-actions')}")
        if count < 5:
            host.ask("connector.resume", instance="crm-actions")
    # Another one, and nobody resumes it.
    scenario.world.faults()
    expect_equal(sluice("secret", "set", "crm-actions", "api", "--data-dir", host.data, input=scenario.world.secrets["token"]).returncode, 0, "exit of secret set")
    host.wait_processed(scenario.world.day)
    seen = outcomes(scenario)
    expect(seen["done"] >= 2 and seen["not_started"] == 5 and seen["unknown"] == seen["rejected"] == 0, f"outcomes: {seen}")
    expect_equal(host.metric("sluice_operations_total", kind="probe"), 0, "questions after an effect")
    expect_equal([e for e in scenario.world.effects() if e["replays"]], [], "effects that were sent again")
    finish_writing(scenario)
    return f"{seen}"


class Elsewhere:
    """Another server; keeps what it is asked."""

    def __init__(self):
        self.requests = requests = []

        class Lists(Handler):
            def do_GET(self):
                requests.append((self.command, self.path, dict(self.headers)))
                self.answer(200, b'{"items":[],"next":null,"as_of":"2023-01-02"}')
            do_POST = do_PATCH = do_GET
        self.server = Serving(Lists)
        self.url = self.server.url

    def close(self):
        self.server.close()


def test_redirect_elsewhere(rig):
    """a redirect to another host is not followed, neither by a read nor by a write: the other host is never asked"""
    elsewhere = Elsewhere()
    rig.closing.append(elsewhere.close)
    status, _, _ = request(elsewhere.url[7:], "GET", "/proof", headers={"Authorization": "Bearer x"})
    expect_equal((status, elsewhere.requests.pop()[1]), (200, "/proof"), "what the other host keeps")
    scenario = rig.scenario(mode="act", world=("--seed", Settings.seed, "--opportunities", 80, "--days", 3))
    scenario.start()
    scenario.process_day()
    scenario.world.faults({"match": LIST, "kind": "redirect", "url": elsewhere.url + "/api/v1/opportunities", "times": 1},
                          {"match": "PATCH /api/v1/", "kind": "redirect", "url": elsewhere.url + "/", "times": 1},
                          {"match": "POST /api/v1/", "kind": "redirect", "url": elsewhere.url + "/", "times": 1})
    scenario.world.close_day()
    scenario.host.ask("connector.run", instance="crm")
    state = wait_for(lambda: scenario.host.ticked() >= scenario.world.day and "ticked" or (scenario.connector().startswith("parked") and scenario.connector()),
                     lambda: f"the redirect is dealt with: {scenario.connector()}")
    if state != "ticked":
        scenario.host.ask("connector.resume", instance="crm")
    finish_writing(scenario)
    expect_equal(elsewhere.requests, [], "requests that reached the other host")
    return state


def test_echoed_credential_is_scrubbed(rig):
    """an upstream that repeats the credential in headers and bodies, of reads and of writes, does not get it onto the disk or into a log"""
    scenario = rig.scenario(mode="act", world=("--seed", Settings.seed, "--opportunities", 80, "--days", 3))
    echo = {"kind": "echo_authorization", "times": 4}
    scenario.world.faults(*({"match": match, **echo} for match in ("GET /api/v1/accounts", LIST, "PATCH /api/v1/", "POST /api/v1/", "GET /api/v1/idempotency")))
    scenario.start()
    answers = []
    while not scenario.world.finished:
        # An answer that is no list any more may park the connector; an operator resumes it.
        def is_over():
            if scenario.connector().startswith("parked"):
                scenario.host.ask("connector.resume", instance="crm")
            return scenario.host.ticked() >= scenario.world.day
        scenario.host.ask("connector.run", instance="crm")
        wait_for(is_over, lambda: f"the day is ticked: {scenario.connector()}", 60, 0.1)
        scenario.host.wait_processed(scenario.world.day)
        answers += [json.dumps(scenario.host.reply(c)) for c in ("connector.list", "signal.list", "action.list", "checkpoint.show", "deadletter.list")]
        scenario.world.close_day()
    hit = {f["match"]: f["fired"] for f in faults_met(scenario)}
    expect(all(hit[match] for match in ("GET /api/v1/accounts", LIST, "PATCH /api/v1/", "POST /api/v1/")), f"echoes: {hit}")
    token = scenario.world.secrets["token"]
    expect(not any(form in answer.encode() for answer in answers for form in forms(token)), "the token stands in an answer")
    expect_equal(findings(scenario.folder, [token]), [], "files that hold the token")
    scenario.host.stop()
    expect_equal(findings(scenario.folder, [token]), [], "files that hold the token after the host has ended")


def test_clock_leaps(rig):
    """a wall clock that is put a day and a year forward, and back again, amid pulls, effects and pauses that the upstream asks for, loses nothing, does nothing twice, and lets nobody wait for the time to come round"""
    clock = Clock(rig)
    scenario = rig.scenario(mode="act", world=("--seed", Settings.seed, "--opportunities", 150, "--days", 8, "--webhook-loss", "0.3"))
    host = scenario.host
    scenario.start(environment=clock.environment)
    leaps = []
    for seconds in (86_400, 0, -86_400, 366 * 86_400, -366 * 86_400, 30, 0):
        # Slow answers and pauses, so that the clock leaps while something waits: for an answer, for its turn, for the day.
        scenario.world.faults({"match": "GET /api/v1/opportunities", "kind": "slow_ms", "slow_ms": 200, "times": 2},
                              {"match": "GET /api/v1/accounts", "kind": "status", "status": 429, "retry_after": 1, "times": 1},
                              {"match": "PATCH /api/v1/opportunities", "kind": "slow_ms", "slow_ms": 200, "times": 2})
        host.ask("connector.run", instance="crm")
        wait_for(lambda: scenario.connector().startswith("pull") or scenario.host.ticked() >= scenario.world.day, "a pull is under way", 30, 0.002)
        clock.put_forward(seconds)
        scenario.process_day()
        leaps.append(scenario.connector())
        if scenario.world.finished:
            break
        scenario.world.close_day()
    expect(not any(state.startswith("parked") for state in leaps), f"states after leaps: {leaps}")
    scenario.run()
    scenario.catch_up()
    scenario.check_records()
    effects = scenario.check_effects()
    expect(effects, "nothing was done: the test tells nothing")
    scenario.check_sound()
    clock.put_forward(0)
    host.stop()
    host.start(environment=clock.environment)
    scenario.set_up()
    scenario.catch_up()
    scenario.check_records()
    return f"{len(effects)} effects"
