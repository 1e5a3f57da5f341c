"""What would be: plans and dry runs of connectors, tools and held calls, of which nothing comes, here or outside."""
import hashlib
import threading

from approval_tests import api, holding, state_of, user
from browser_tests import Browser, link
from hostile_tests import MANIFEST as HOSTILE, fixture
from queue_tests import drained, kept, queue_host
from rig import *
from upstream_tests import faults_met


def enable(host, scenario, *words, name="crm.yaml", instance="crm"):
    done = sluice("connector", "enable", os.path.join(scenario.plugins, name), "--as", instance, "--endpoint", f"crm={scenario.world.url}",
                  "--allow-private", *words, "--json", "--data-dir", host.data)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def standing(scenario):
    """Before any connector is enabled: a tenant with its rules."""
    scenario.host.start()
    scenario.host.ask("tenant.create")
    scenario.host.ask("apply", folder=scenario.rules())
    return scenario.host


def traces(host):
    """What nothing may change: the journal, what is known, what is to be looked at."""
    return host.head(), host.ask("deadletter.list"), host.ask("checkpoint.show"), [row for row in host.ask("record.versions", instance="crm", stream="opportunities")]


def test_plan_of_enabling(rig):
    """enabling with --plan says what it would mean and lacks, refuses what enabling would refuse, and changes nothing; so does a plan of another version"""
    scenario = rig.scenario(world=("--seed", Settings.seed, "--opportunities", 30, "--days", 2))
    host = standing(scenario)
    head = host.head()
    code, plan = enable(host, scenario, "--plan")
    expect_equal((code, plan["enabled"], plan["change"], plan["kind"]), (0, False, "added", "source"), "the plan")
    expect_equal((plan["lacks_secrets"], plan["endpoints"]), (["api", "webhook"], {"crm": scenario.world.url}), "slots without a secret, and where it asks")
    expect(any("reads GET" in line for line in plan["asks"]), f"what it asks for is not told: {plan['asks']}")
    expect_equal((host.ask("connector.list"), host.head()), ([], head), "connectors and the journal after a plan")
    config = os.path.join(scenario.folder, "bad.json")
    with open(config, "w") as file:
        file.write('{"page_size": "many"}')
    code, told = enable(host, scenario, "--config", config, "--plan")
    expect("connector.bad_config" in told, f"a plan with a faulty configuration: {told}")
    expect_equal(enable(host, scenario)[0], 0, "exit of enabling")
    expect_equal(enable(host, scenario, "--plan")[1]["change"], "unchanged", "a plan of what is in force")
    with open(config, "w") as file:
        file.write('{"page_size": 7}')
    plan = enable(host, scenario, "--config", config, "--plan")[1]
    expect_equal((plan["change"], plan["asks"]), ("changed", []), "a plan of another configuration")
    path = os.path.join(scenario.plugins, "crm.yaml")
    with open(path) as file:
        text = file.read()
    with open(path, "w") as file:
        file.write(re.sub(r"(?m)^version: .*", "version: 9.9.9", text).replace("effect: read}", "effect: read, query: [everything]}", 1))
    plan = enable(host, scenario, "--plan")[1]
    expect_equal((plan["change"], plan["version"]), ("upgraded", "9.9.9"), "a plan of another version")
    expect_equal(host.ask("connector.show", instance="crm")["config"], {}, "the configuration in force")


def test_dry_run_before_enabling(rig):
    """a dry run before enabling tries the secrets that are stored, shows the first records and what becomes of them, and leaves no trace; a wrong secret and a stream without a mapping are named"""
    scenario = rig.scenario(world=("--seed", Settings.seed, "--opportunities", 30, "--days", 2))
    host = standing(scenario)
    host.ask("secret.set", instance="crm", slot="api", value="wrong")
    code, plan = enable(host, scenario, "--dry-run")
    expect_equal(code, 1, f"exit of a dry run of what does not work ({plan})")
    expect("401" in plan["dry_run"]["check"] and "streams" not in plan["dry_run"], f"a refused secret is not told: {plan['dry_run']}")
    host.ask("secret.set", instance="crm", slot="api", value=scenario.world.secrets["token"])
    head = host.head()
    plan = enable(host, scenario, "--dry-run")[1]["dry_run"]
    expect_equal(plan["check"], "ok", "the check")
    streams = {row["stream"]: row for row in plan["streams"]}
    expect_equal(sorted(streams), ["accounts", "opportunities", "products", "reps"], "streams of a dry run")
    row = streams["opportunities"]
    expect_equal((len(row["records"]), row["ending"], row["from"]), (5, "there is more", None), "the first stream")
    world = scenario.world.list("opportunities")
    for record in row["records"]:
        expect(record["key"] in world and record["becomes"] == "opportunity" and record["fields"], f"a record: {short(record)}")
    expect_equal((host.head(), host.ask("connector.list"), host.ask("deadletter.list")), (head, [], []), "what is left of it")
    path = os.path.join(scenario.plugins, "crm.yaml")
    with open(path) as file:
        text = file.read()
    cut = re.sub(r"(?ms)^    reps:\n(      .*\n)+", "", text)
    expect(cut != text, "the manifest maps no reps: the test tells nothing")
    with open(path, "w") as file:
        file.write(cut)
    rows = next(row for row in enable(host, scenario, "--dry-run")[1]["dry_run"]["streams"] if row["stream"] == "reps")["records"]
    expect(rows and all(r["becomes"] == "a dead letter" and "record.unmapped_stream" in r["reason"] for r in rows), f"records that nobody maps: {short(rows)}")


def test_dry_run_needs_consent(rig):
    """a dry run of a version that asks for more than was granted is refused until that is accepted: no request of it leaves with the secrets that are stored"""
    scenario = rig.scenario(world=("--seed", Settings.seed, "--opportunities", 30, "--days", 2), hooks=False)
    scenario.start()
    host = scenario.host
    host.ask("connector.pause", instance="crm", drain=True)
    path = os.path.join(scenario.plugins, "crm.yaml")
    with open(path) as file:
        text = file.read()
    with open(path, "w") as file:
        file.write(re.sub(r"(?m)^version: .*", "version: 9.9.9", text).replace("effect: read}", "effect: read, query: [everything]}", 1))
    asked, head = host.metric("sluice_requests_total", instance="demo/crm"), host.head()
    code, told = enable(host, scenario, "--dry-run")
    expect(code != 0 and "connector.more_authority" in told, f"a dry run of what nobody granted: {told}")
    expect_equal(host.metric("sluice_requests_total", instance="demo/crm"), asked, "requests of it")
    expect_equal(enable(host, scenario, "--plan")[0], 0, "exit of a plan, which shows what is asked")
    code, plan = enable(host, scenario, "--dry-run", "--accept")
    expect_equal((code, plan["dry_run"]["check"], plan["change"]), (1, "ok", "upgraded"), "a dry run of what is granted, and sends a query that it does not declare any more")
    expect(host.metric("sluice_requests_total", instance="demo/crm") > asked, "the dry run asked nothing: the test tells nothing")
    expect_equal((host.head(), host.ask("connector.show", instance="crm")["manifest"]["version"] == "9.9.9"), (head, False), "what is in force")


def test_dry_run_leaves_nothing_to_be_seen(rig):
    """a dry run of what does not run leaves no place at a throttle to be seen; what is disabled is not asked, and a dry run that is under way ends with it"""
    scenario = rig.scenario(world=("--seed", Settings.seed, "--opportunities", 30, "--days", 2), hooks=False)
    host = standing(scenario)
    host.ask("secret.set", instance="crm", slot="api", value=scenario.world.secrets["token"])
    expect_equal(enable(host, scenario, "--dry-run")[1]["dry_run"]["check"], "ok", "the check")
    shown = [name for name in host.metrics() if name.startswith("sluice_throttle_limit{") and 'instance="demo/crm"' in name]
    expect_equal(shown, [], "places at the throttle after a dry run")
    expect_equal(enable(host, scenario)[0], 0, "exit of enabling")
    scenario.world.faults({"match": "GET /api/v1/opportunities", "kind": "slow_ms", "slow_ms": 8_000, "times": 2})
    host.ask("connector.pause", instance="crm", reason="a look")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(host.reply("connector.dry_run", instance="crm", stream="opportunities")))
    fired = faults_met(scenario)[-1]["fired"]
    thread.start()
    wait_for(lambda: faults_met(scenario)[-1]["fired"] > fired or answers, "the dry run asks", 20)
    expect_equal(answers, [], "the answer of a dry run whose upstream is slow")
    host.ask("connector.disable", instance="crm")
    thread.join()
    expect_equal(answers[0].get("error", {}).get("code"), "dry_run.given_up", "the dry run of what was disabled")
    expect_equal(host.reply("connector.dry_run", instance="crm")["error"]["code"], "dry_run.rests", "a dry run of what is disabled")


def test_dry_run_of_a_running_source(rig):
    """a dry run goes on from the checkpoint and moves nothing: not beside a pull that is under way, not of a paused or parked connector; two at once are told apart"""
    scenario = rig.scenario(world=("--seed", Settings.seed, "--opportunities", 60, "--days", 3), hooks=False)
    scenario.start()
    host = scenario.host
    scenario.process_day()
    scenario.catch_up()

    def ask(**words):
        return {row["stream"]: row for row in host.ask("connector.dry_run", instance="crm", **words)["streams"]}
    before = traces(host)
    told = ask()
    expect_equal([(len(row["records"]), row["ending"]) for row in told.values()], [(0, "that is all")] * 4, "a dry run with nothing new")
    scenario.world.close_day()
    told = ask(stream="opportunities", records=3)
    expect_equal(list(told), ["opportunities"], "streams when one is asked for")
    expect(told["opportunities"]["records"] and told["opportunities"]["from"], f"what is new is not shown: {short(told)}")
    done = sluice("connector", "dry-run", "crm", "--records", "2", "--data-dir", host.data)
    expect(done.returncode == 0 and "check: ok" in done.stdout and "→ opportunity of " in done.stdout, f"as people read it: {done.stdout}{done.stderr}")
    expect_equal(traces(host), before, "what is known after dry runs")
    host.ask("connector.pause", instance="crm", reason="quarter end", drain=True)
    expect(ask(stream="opportunities")["opportunities"]["records"], "a paused connector shows nothing")
    expect_equal((scenario.connector(), traces(host)[1:]), ("paused: quarter end", before[1:]), "the paused connector")
    host.ask("secret.set", instance="crm", slot="api", value="wrong")
    host.ask("connector.resume", instance="crm")
    host.ask("connector.run", instance="crm")
    scenario.wait_parked("401")
    expect("401" in host.ask("connector.dry_run", instance="crm")["check"], "a parked connector's check")
    host.ask("secret.set", instance="crm", slot="api", value=scenario.world.secrets["token"])
    # Slow answers: a pull is under way, and a dry run beside it.
    scenario.world.faults({"match": "GET /api/v1/opportunities", "kind": "slow_ms", "slow_ms": 400, "times": 6})
    host.ask("connector.run", instance="crm")
    wait_for(lambda: scenario.connector().startswith("pull"), "a pull is under way", 30)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(host.reply("connector.dry_run", instance="crm", stream="opportunities"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    good = [a for a in answers if "error" not in a]
    refused = [a["error"]["code"] for a in answers if "error" in a]
    expect(len(good) >= 1 and set(refused) <= {"dry_run.busy"}, f"three at once: {short(answers)}")
    scenario.catch_up()
    scenario.run()
    scenario.catch_up()
    scenario.check_records()
    for number in (0, 101, -1):
        expect_equal(host.reply("connector.dry_run", instance="crm", records=number)["error"]["code"], "dry_run.too_many", f"{number} records")
    expect_equal(host.reply("connector.dry_run", instance="crm", stream="nobody")["error"]["code"], "host.unknown", "an unknown stream")
    return f"{len(good)} of three at once answered, {len(refused)} told to wait"


def test_dry_run_lets_no_queue_forget(rig):
    """a dry run of a queue that forgets what it is told to makes it forget nothing, however much it shows: what asks for that ends there, with the reason"""
    host, queue = queue_host(rig, "q", "saved")
    done = sluice("connector", "pause", "queue", "--data-dir", host.data)
    expect_equal(done.returncode, 0, f"exit of a pause ({done.stderr})")
    host.start()
    for records, shown, ending in ((1, 1, "there is more"), (5, 5, "there is more"), (100, 10, "egress.effect_not_allowed")):
        row, = host.ask("connector.dry_run", instance="queue", records=records)["streams"]
        expect_equal((len(row["records"]), ending in row["ending"]), (shown, True), f"{records} records: {short(row)}")
    expect_equal((queue.tellings, kept(host)), ([], set()), "what the queue was told, and what is kept")
    host.ask("connector.resume", instance="queue")
    drained(host)
    row, = host.ask("connector.dry_run", instance="queue")["streams"]
    expect_equal((row["records"], "egress.effect_not_allowed" in row["ending"]), ([], True), "a dry run that begins with what was saved")
    wait_for(lambda: queue.forgotten == 400, "the queue was told all by the pulls", 30)


def test_dry_run_of_a_plugin_that_fails(rig):
    """a plugin that dies or never answers in a dry run is ended and named, and its instance works on as before"""
    host = rig.host("f")
    folder = os.path.join(host.folder, "plugins")
    os.makedirs(folder)
    shutil.copy(fixture("hostile.so"), folder)
    with open(os.path.join(folder, "hostile.so"), "rb") as library, open(os.path.join(folder, "hostile.yaml"), "w") as manifest:
        manifest.write(HOSTILE.format(sha256=hashlib.sha256(library.read()).hexdigest()))
    host.start()
    host.ask("tenant.create")
    for attack, word in (("segfault", "signal 11"), ("hang", "deadline"), ("undeclared_stream", "does not declare"), ("frame_garbage", "frame")):
        arguments = {"name": os.path.join(folder, "hostile.yaml"), "instance": attack.replace("_", "-"), "config": {"attack": attack}}
        answer = host.reply("connector.enable", dry_run=True, **arguments)
        told = short(answer.get("error") or answer["result"]["dry_run"])
        expect(word in told.lower(), f"{attack}: {told}")
    expect_equal(host.ask("connector.list"), [], "connectors after dry runs that failed")
    wait_for(lambda: not host.workers("hostile"), "no worker is left", 20)


def test_dry_run_of_tools(rig):
    """an executor says what a call would do, with and without anybody's proposal: nothing is written, spent or journaled; a kill switch, a pause and bad arguments refuse it by name"""
    scenario, held = holding(rig)
    host = scenario.host
    wait_for(lambda: host.is_settled() and host.is_quiet(), "the host is quiet", 30)
    anna, olga, carl = (user(host, *words) for words in (("anna", "approver"), ("olga", "operator"), ("carl", "auditor")))
    head, effects = host.head(), scenario.world.effects()
    shown = {item["id"]: host.ask("approval.show", id=item["id"]) for item in held}
    change = next(item for item in shown.values() if item["change"])
    status, preview = api(host, anna, "approval.dry_run", id=change["id"])
    expect_equal((status, preview["answer"], preview["tool"]), (200, "would be done", change["tool"]), "what a held call would do")
    fields = {row["field"]: row["after"] for row in preview["result"]["fields"]}
    expect_equal(fields, {row["field"]: row["to"] for row in change["change"]}, "the fields that it would set")
    expect_equal(api(host, carl, "approval.dry_run", id=change["id"]), (403, "command.not_allowed"), "an auditor")
    expect_equal(api(host, anna, "tool.dry_run", name=change["tool"], arguments=change["arguments"]), (403, "command.not_allowed"), "an approver's own call")
    expect_equal(api(host, anna, "approval.dry_run", id="0" * 64), (404, "host.unknown"), "a call that nobody made")
    status, own = api(host, olga, "tool.dry_run", name=change["tool"], arguments=change["arguments"])
    expect_equal((status, own), (200, preview), "the same by an operator")
    name = next(key for key, value in change["arguments"].items() if isinstance(value, str) and value in scenario.world.list("opportunities"))
    gone = {**change["arguments"], name: "NOBODY00"}
    found = api(host, olga, "tool.dry_run", name=change["tool"], arguments=gone)
    expect("would be rejected" in str(found), f"a call of what is not there: {found}")
    code = api(host, olga, "tool.dry_run", name=change["tool"], arguments={"id": 7})
    expect_equal((code[0] != 200, code[1].startswith("tool.")), (True, True), f"bad arguments: {code}")
    expect_equal(api(host, olga, "tool.dry_run", name="crm.nothing", arguments={})[0] != 200, True, "an unknown tool")
    done = sluice("approval", "dry-run", change["id"], "--data-dir", host.data)
    expect(done.returncode == 0 and "would be done" in done.stdout, f"by command line: {done.stdout}{done.stderr}")
    done = sluice("tool", "dry-run", change["tool"], "--arguments", json.dumps(change["arguments"]), "--data-dir", host.data)
    expect(done.returncode == 0 and "would be done" in done.stdout, f"by command line: {done.stdout}{done.stderr}")
    expect_equal((host.head(), scenario.world.effects(), host.permits()), (head, effects, {}), "journal, effects and permits after dry runs")
    host.ask("kill", target=f"tool:{change['tool']}")
    expect_equal(api(host, anna, "approval.dry_run", id=change["id"])[1], "permit.killed", "a tool that was stopped")
    host.ask("unkill", target=f"tool:{change['tool']}")
    host.ask("connector.pause", instance="crm-actions", reason="quarter end")
    expect_equal(api(host, anna, "approval.dry_run", id=change["id"])[1], "dry_run.rests", "an executor that rests")
    host.ask("connector.resume", instance="crm-actions")
    host.ask("tenant.suspend", reason="unpaid")
    expect_equal(api(host, anna, "approval.dry_run", id=change["id"])[1], "tenant.suspended", "a suspended tenant")
    host.ask("tenant.resume")
    expect_equal(api(host, anna, "approval.dry_run", id=change["id"])[0], 200, "after all that")


def test_dry_run_on_a_page(rig):
    """an approver asks the executor from a held call's page, as often as they like: the page says what it would do, and the answer is still to be given; an auditor is offered nothing"""
    scenario, held = holding(rig)
    host = scenario.host
    wait_for(lambda: host.is_settled() and host.is_quiet(), "the host is quiet", 30)
    change = next(item for item in held if host.ask("approval.show", id=item["id"])["change"])
    anna, carl = Browser(host), Browser(host)
    anna.sign_in(link(host))
    carl.sign_in(link(host, "carl", "auditor"))
    for _ in range(2):
        status, _, text = anna.send(change, anna.form(change, "dry_run"))
        expect_equal(status, 200, "the answer to a dry run")
        expect("It would be done." in text and "Ask again" in text, f"what the executor says is not shown: {text[:3000]}")
    expect_equal(state_of(host, change), "pending", "the call after dry runs")
    expect("dry_run" not in carl.ask("GET", f"/approvals/{change['id']}")[2], "an auditor is offered a dry run")
    fields = {**anna.form(change, "dry_run"), "form_token": "0" * 64}
    expect_equal(anna.send(change, fields)[0], 403, "a form of another session")
    scenario.world.edit({"stream": "opportunities", "id": change["subject"]["id"], "delete": True})
    text = anna.send(change, anna.form(change, "dry_run"))[2]
    expect("It would be rejected" in text, f"a record that has gone: {text[:3000]}")


def test_dry_run_ends_with_its_tenant(rig):
    """a dry run that is under way when its tenant is suspended, or its host stops, ends then and holds up neither"""
    scenario = rig.scenario(world=("--seed", Settings.seed, "--opportunities", 30, "--days", 2), hooks=False)
    scenario.start()
    host = scenario.host
    scenario.process_day()
    for end in ("suspend", "stop"):
        host.ask("connector.pause", instance="crm", drain=True)
        host.ask("checkpoint.reset", instance="crm", stream="opportunities")
        scenario.world.faults({"match": "GET /api/v1/opportunities", "kind": "slow_ms", "slow_ms": 8_000, "times": 1})
        answers = []
        thread = threading.Thread(target=lambda: answers.append(sluice("connector", "dry-run", "crm", "--data-dir", host.data)))
        thread.start()
        wait_for(lambda: faults_met(scenario)[-1]["fired"] == 1, "the dry run asks", 20)
        begin = time.monotonic()
        if end == "suspend":
            host.ask("tenant.suspend", reason="unpaid")
        else:
            host.stop()
        thread.join()
        expect(time.monotonic() - begin < 7, f"{end} waited for the upstream")
        expect(answers[0].returncode == 0 or "dry_run." in answers[0].stderr or "tenant.suspended" in answers[0].stderr, f"{end}: {answers[0]}")
        if end == "suspend":
            host.ask("tenant.resume")
    host.start()
    host.ask("connector.resume", instance="crm")
    scenario.set_up()
    scenario.run()
    scenario.catch_up()
    scenario.check_records()
