"""What an operator does with a running connector: pause, drain, resume, other times."""
from rig import *


def ready(rig):
    scenario = rig.scenario(mode="observe", world=("--seed", Settings.seed, "--opportunities", 60, "--days", 8))
    scenario.start()
    scenario.process_day()
    return scenario


def test_pause_outlasts_a_restart(rig):
    """a paused connector starts nothing, says why, keeps webhooks, and goes on without loss when it is resumed, also after a restart"""
    scenario = ready(rig)
    host = scenario.host
    host.ask("connector.pause", instance="crm", reason="quarter end", drain=True)
    expect_equal(scenario.connector(), "paused: quarter end", "state of a drained connector")
    pulls, head = scenario.pulls(), host.head()
    scenario.world.close_day()
    wait_for(lambda: host.metric("sluice_deliveries_total", outcome="accepted") > 0 or host.head() > head, "a webhook is taken in though the connector pauses", 20)
    host.ask("connector.run", instance="crm")
    expect_equal((scenario.connector(), scenario.pulls()), ("paused: quarter end", pulls), "a pull of a paused connector")
    host.stop()
    host.start()
    wait_for(lambda: scenario.connector() == "paused: quarter end", lambda: f"it is paused after a restart: {scenario.connector()}")
    expect_equal(scenario.pulls(), 0, "pulls of a paused connector after a restart")
    scenario.world.control("POST", "webhooks", {"url": f"http://{host.address}{scenario.hook_path}"})
    done = sluice("connector", "resume", "crm", "--data-dir", host.data)
    expect_equal(done.returncode, 0, f"exit of connector resume ({done.stderr})")
    scenario.run()
    scenario.check_records()
    scenario.check_sound()


def test_own_times(rig):
    """an instance's own times replace its manifest's; wrong ones are refused with their key, and nothing is enabled"""
    scenario = ready(rig)
    host = scenario.host
    words = ("connector", "enable", os.path.join(scenario.plugins, "crm.yaml"), "--as", "crm", "--endpoint", f"crm={scenario.world.url}", "--allow-private", "--data-dir", host.data)
    for options, code, word in ((("--cron", "61 * * * *"), "config.invalid", "61"), (("--cron", "@daily", "--time-zone", "Mars/Base"), "connector.unknown_time_zone", "Mars/Base"),
                                (("--cron", "@daily", "--interval-ms", "5"), "config.invalid", "schedule"), (("--jitter-ms", "5"), "config.invalid", "interval_ms")):
        done = sluice(*words, *options)
        expect((done.returncode, f"[{code}]" in done.stderr, word in done.stderr) == (1, True, True), f"{options}: {done.returncode} {done.stderr}")
    before = scenario.pulls()
    expect_equal(sluice(*words, "--interval-ms", "40").returncode, 0, "exit of connector enable")
    wait_for(lambda: scenario.pulls() >= before + 12, "three more rounds of pulls by themselves", 20)
    done = sluice(*words, "--cron", "0 6 * * MON-FRI", "--time-zone", "Europe/Berlin", "--catch-up", "skip")
    expect_equal(done.returncode, 0, f"exit of connector enable ({done.stderr})")
    shown = json.loads(sluice("connector", "show", "crm", "--json", "--data-dir", host.data).stdout)
    expect_equal(shown["schedule"], {"cron": "0 6 * * MON-FRI", "time_zone": "Europe/Berlin", "catch_up": "skip"}, "the times as shown")
    before = scenario.pulls()
    host.ask("connector.run", instance="crm")
    wait_for(lambda: scenario.pulls() >= before + 4, "a pull by hand", 20)
    wait_for(lambda: scenario.connector() == "idle", "it waits for the morning")


def test_checkpoints_by_hand(rig):
    """a stream that begins anew brings everything again and changes nothing; a checkpoint is set and reset only while its connector rests"""
    scenario = ready(rig)
    host = scenario.host
    checkpoints = {row["stream"]: row for row in host.ask("checkpoint.show")}
    expect_equal(sorted(checkpoints), sorted(STREAMS), "streams with a checkpoint")
    words = ("--data-dir", host.data)
    done = sluice("checkpoint", "reset", "crm", "opportunities", *words)
    expect((done.returncode, "[checkpoint.not_paused]" in done.stderr) == (1, True), f"reset of a running connector: {done.stderr}")
    done = sluice("checkpoint", "reset", "crm", "nothing", *words)
    expect((done.returncode, "[host.unknown]" in done.stderr) == (1, True), f"reset of an unknown stream: {done.stderr}")
    signals, versions = host.signals(), host.versions()
    expect_equal(sluice("connector", "pause", "crm", "--drain", *words).returncode, 0, "exit of connector pause")
    expect_equal(sluice("checkpoint", "reset", "crm", "opportunities", *words).returncode, 0, "exit of checkpoint reset")
    expect("opportunities" not in [row["stream"] for row in host.ask("checkpoint.show")], "the checkpoint is still there")
    records, pulls = host.metric("sluice_records_total", instance="demo/crm"), scenario.pulls()
    host.ask("connector.resume", instance="crm")
    wait_for(lambda: scenario.pulls() >= pulls + 4 and host.is_settled(), "every stream is pulled", 20)
    expect(host.metric("sluice_records_total", instance="demo/crm") >= records + len(scenario.world.list("opportunities")), "not every deal came again")
    expect_equal((host.signals(), host.versions()), (signals, versions), "signals and versions after everything came again")
    host.ask("connector.pause", instance="crm", drain=True)
    now = {row["stream"]: row for row in host.ask("checkpoint.show")}["opportunities"]["state"]
    done = sluice("checkpoint", "set", "crm", "opportunities", "--state", "nonsense", *words)
    expect_equal(done.returncode, 0, f"exit of checkpoint set ({done.stderr})")
    host.ask("connector.resume", instance="crm")
    state = scenario.wait_parked("checkpoint")
    host.ask("connector.pause", instance="crm")
    expect_equal(sluice("checkpoint", "set", "crm", "opportunities", "--state", now, *words).returncode, 0, "exit of checkpoint set")
    host.ask("connector.resume", instance="crm")
    scenario.run()
    scenario.check_records()
    scenario.check_sound()
    return state


def test_dead_letters_by_hand(rig):
    """records that do not fit are listed and shown with their reason, replayed in vain, taken once the mapping is corrected, or given up"""
    values = "{Prospecting: prospecting, Engaging: engaging, Won: won, Lost: lost}"
    scenario = rig.scenario(mode="observe", world=("--seed", Settings.seed, "--opportunities", 120, "--days", 14),
                            manifests={"crm": (values, values.replace("Lost: lost", "Lots: lost"))})
    scenario.start()
    scenario.run()
    host = scenario.host
    letters = host.ask("deadletter.list", limit=10_000)
    lost = [deal for deal in scenario.world.list("opportunities").values() if deal["stage"] == "Lost"]
    expect_equal(sorted(letter["key"] for letter in letters), sorted(deal["id"] for deal in lost), "keys of dead letters")
    expect(len(letters) >= 3, "too few deals were lost: the test tells nothing")
    words = ("--data-dir", host.data)
    first, second, third = (letter["id"] for letter in letters[:3])
    shown = sluice("deadletter", "show", first, *words).stdout
    expect("stage" in shown and "Lost" in shown, f"what is shown of a dead letter: {shown}")
    answer = json.loads(sluice("deadletter", "replay", first, "--json", *words).stdout)
    expect_equal(answer["taken"], False, f"a replay before anything was corrected ({answer})")
    expect_equal([letter["attempts"] for letter in host.ask("deadletter.list", limit=10_000)][:2], [1, 0], "replays in vain")
    expect_equal(sluice("deadletter", "drop", third, *words).returncode, 0, "exit of deadletter drop")
    expect_equal(sluice("deadletter", "replay", third, *words).returncode, 1, "exit of a replay of one that was given up")
    reviewed = os.path.join(Settings.programs, "plugins", "crm.yaml")
    done = sluice("connector", "enable", reviewed, "--as", "crm", "--endpoint", f"crm={scenario.world.url}", "--allow-private", *words)
    expect_equal(done.returncode, 0, f"exit of connector enable ({done.stderr})")
    for letter in letters:
        if letter["id"] != third:
            answer = json.loads(sluice("deadletter", "replay", letter["id"], "--json", *words).stdout)
            expect_equal(answer["taken"], True, f"the replay of {letter['id']} ({answer})")
    expect_equal(host.ask("deadletter.list"), [], "dead letters at the end")
    scenario.catch_up()
    scenario.check_sound()
    stored = {key.split("/", 1)[1]: row for key, row in host.state.space("perception.entity").items() if key.startswith("opportunity/")}
    given_up = next(letter["key"] for letter in letters if letter["id"] == third)
    expect_equal({deal["id"] for deal in lost if int(stored[deal["id"]]["ordinal"]) != deal["version"]}, {given_up}, "deals that are not at their last version")
    return f"{len(letters)} dead letters"
