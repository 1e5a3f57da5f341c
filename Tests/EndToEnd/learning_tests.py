"""Learning: outcomes suggest thresholds, and a person puts them into effect."""
from rig import *


def rules(rig, percent, enabled):
    """A copy of the project's rules with another percentile."""
    folder = rig.path(f"rules-{percent}-{enabled}")
    for name in ("policies", "playbooks"):
        shutil.copytree(os.path.join(PROJECT, name), os.path.join(folder, name))
    path = os.path.join(folder, "policies", "thresholds.yaml")
    with open(path) as f:
        text = f.read()
    for old, new in (("percent: 100", f"percent: {percent}"), ("enabled: false", f"enabled: {enabled}"), ("stall_percent_min: 80", "stall_percent_min: 50"),
                     ("closed_deals_min: 30", "closed_deals_min: 5")):
        expect(old in text, f"thresholds.yaml has no {old!r}")
        text = text.replace(old, new, 1)
    with open(path, "w") as f:
        f.write(text)
    return folder


def suggested(host):
    return [row for row in host.ask("policy.list") if row["state"] == "suggested"]


def test_learning(rig):
    """off by default; once on, outcomes suggest a threshold inside its bounds, ledgered, and only an operator puts it into effect"""
    data = rig.generate("pipeline", seed=5, opportunities=900, days=120)
    off, on = rig.scenario("off", world=("--data", data)), rig.scenario("on", world=("--data", data))
    for scenario, enabled in ((off, "false"), (on, "true")):
        scenario.start()
        scenario.host.ask("apply", folder=rules(rig, 60, enabled))
        scenario.run()
    expect_equal(suggested(off.host), [], "suggestions with learning off")
    host = on.host
    (found,) = suggested(host)
    advice = [row for row in host.ask("decision.list", limit=10_000) if row["playbook"] == "learning"]
    expect_equal(len(advice), 1, "proposals that tell of the suggestion")
    expect(found["hash"] in host.ask("decision.show", id=advice[0]["id"])["proposal"]["stopReason"], "the proposal does not name the document's hash")
    changes = host.ask("policy.diff", hash=found["hash"])
    expect_equal([(row["path"], row["now"], row["then"]) for row in changes], [("stall.percent", 60, 61)], "what the suggestion would change")
    before = [row["hash"] for row in host.ask("policy.list") if row["kind"] == "thresholds" and row["state"] == "in force"]
    host.ask("policy.activate", hash=found["hash"])
    expect_equal(suggested(host), [], "suggestions after it was activated")
    in_force = [row for row in host.ask("policy.list") if row["kind"] == "thresholds" and row["state"] == "in force"]
    expect_equal([row["hash"] for row in in_force], [found["hash"]], "thresholds in force")
    # The way back is the same command, and the list names it.
    expect(before[0] in [row["hash"] for row in host.ask("policy.list") if row["state"] == "earlier"], "the list does not name the set that was in force before")
    host.ask("policy.activate", hash=before[0])
    expect_equal([row["now"] for row in host.ask("policy.diff", hash=found["hash"])], [60], "percentile after going back")
    refused = host.reply("policy.activate", hash="0" * 64)
    expect_equal(refused.get("error", {}).get("code"), "host.unknown", "answer to a hash that nobody has seen")
    on.check_sound()
