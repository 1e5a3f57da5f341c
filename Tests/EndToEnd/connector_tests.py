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
