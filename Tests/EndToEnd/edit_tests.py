"""Edits that people make in the CRM, and versions that come late: what each one is told as, and what is told of none."""
import csv
import datetime

from rig import *
from webhook_tests import post, signed

DEALS = ("EDIT0001", "EDIT0002", "EDIT0003")


def pipeline(rig):
    """A small made-up pipeline with three open deals of ours in it. Returns its folder, its first day and two owners."""
    folder = rig.generate("data", Settings.seed, opportunities=30, days=9)

    def column(file, name):
        with open(os.path.join(folder, file), newline="") as f:
            return [row[name] for row in csv.DictReader(f)]
    first = min(datetime.datetime.strptime(day, "%m/%d/%Y").date() for day in column("sales_pipeline.csv", "engage_date") if day)
    owners = column("sales_teams.csv", "sales_agent")[:2]
    product, account = column("products.csv", "product")[0], column("accounts.csv", "account")[0]
    with open(os.path.join(folder, "sales_pipeline.csv"), "a", newline="") as f:
        for deal in DEALS:
            csv.writer(f, lineterminator="\n").writerow([deal, owners[0], product, account, "Engaging", f"{first.month}/{first.day}/{first.year}", "", ""])
    return folder, first, owners


def day_after(first, days):
    return (first + datetime.timedelta(days)).isoformat()


def subject_id(name):
    return name.lower().replace(" ", "-")


def plan(first, owners):
    """Edits by day, and the signals that follow from them: nothing else does."""
    owner, slip, value = DEALS
    one, two = owners
    steps = [
        # (day, deal, what is set, what is told)
        (1, owner, {"owner": two}, ("deal.owner_changed", {"from": subject_id(one), "to": subject_id(two)})),
        (2, owner, {"owner": two}, None),
        (3, owner, {"owner": one}, ("deal.owner_changed", {"from": subject_id(two), "to": subject_id(one)})),
        (4, owner, {"owner": two}, ("deal.owner_changed", {"from": subject_id(one), "to": subject_id(two)})),
        (1, slip, {"expected_close_date": "2031-03-01"}, None),
        (2, slip, {"expected_close_date": "2031-03-31"}, ("deal.close_slipped", {"from": "2031-03-01", "to": "2031-03-31", "days": 30})),
        (3, slip, {"expected_close_date": "2031-03-31"}, None),
        (4, slip, {"expected_close_date": "2031-03-01"}, None),
        (5, slip, {"expected_close_date": "3/31/2031"}, ("deal.close_slipped", {"from": "2031-03-01", "to": "2031-03-31", "days": 30})),
        (1, value, {"close_value": 1000}, None),
        (2, value, {"close_value": 901}, None),
        (3, value, {"close_value": 500.5}, ("deal.value_dropped", {"from_cents": 90100, "to_cents": 50050})),
        (4, value, {"close_value": 500.5}, None),
        (5, value, {"close_value": 901}, None),
        (6, value, {"close_value": 500.5}, ("deal.value_dropped", {"from_cents": 90100, "to_cents": 50050})),
    ]
    edits = [{"day": day_after(first, day), "stream": "opportunities", "id": deal, "set": fields} for day, deal, fields, _ in steps]
    told = sorted((day_after(first, day), deal, told[0], json.dumps(told[1], sort_keys=True)) for day, deal, _, told in steps if told)
    return edits, told


def run(rig, name, folder, *options, edits=()):
    scenario = rig.scenario(name, world=("--data", folder, *options))
    scenario.start()
    while not scenario.world.finished:
        today = [{k: v for k, v in edit.items() if k != "day"} for edit in edits if edit["day"] == scenario.world.day]
        if today:
            scenario.world.edit(*today)
        if edits and scenario.host.ask("connector.list")[0]["state"].startswith("paused"):
            scenario.host.ask("connector.resume", instance="crm")
        scenario.process_day()
        if edits:
            # Nobody reads the new day before it is edited: what a round under way had missed would belong to the next one.
            scenario.host.ask("connector.pause", instance="crm", drain=True)
        scenario.world.close_day()
    if edits:
        scenario.host.ask("connector.resume", instance="crm")
    scenario.check_records()
    expect_equal(scenario.host.versions(), sum(d["version"] for d in scenario.world.list("opportunities").values()), "versions taken in")
    return scenario


def test_edits(rig):
    """owner changes, close-date slips and value drops, from a file and by hand: each is one signal, the same value again is none, A to B to A is two"""
    folder, first, owners = pipeline(rig)
    edits, expected = plan(first, owners)
    path = os.path.join(rig.folder, "edits.json")
    with open(path, "w") as f:
        json.dump(edits, f)
    plain = [s for s in run(rig, "plain", folder).host.signals()]
    for name, options, by_hand in (("file", ("--edits", path), ()), ("hand", (), edits)):
        scenario = run(rig, name, folder, *options, edits=by_hand)
        status = scenario.world.control("GET", "status")["edits"]
        expect_equal((status["applied"], status["missed"]), (len(edits), []), f"edits of the world by {name}")
        found = [s for s in scenario.host.signals() if s not in plain]
        # Facts about the deal itself stand beside those of the change.
        keys = {kind: set(json.loads(facts)) for _, _, kind, facts in expected}
        told = sorted((s["day"], s["subject"]["id"], s["kind"], json.dumps({k: v for k, v in s["facts"].items() if k in keys.get(s["kind"], ())}, sort_keys=True))
                      for s in found)
        expect_equal(told, expected, f"signals that follow from the edits by {name}")
        expect_equal([s for s in plain if s not in scenario.host.signals()], [], f"signals that are missing with edits by {name}")
        scenario.host.kill()
    return f"{len(edits)} edits, {len(expected)} signals, both ways"


def entity(scenario, deal):
    return scenario.host.state.value("perception.entity", f"opportunity/{deal}")


def deliver(scenario, number, record, kind="opportunity.changed"):
    body = json.dumps({"type": kind, "data": record}).encode()
    expect_equal(post(scenario, signed(scenario.world.secrets["webhook_secret"], body, f"late-{number}"), body)[0], 202, "the answer to a delivery")
    wait_for(lambda: not scenario.host.state.space("fabric.delivery"), "the delivery is dealt with")


def test_older_versions_and_tombstones(rig):
    """an older version that comes late is stored and never applied, and a tombstone deletes, for late versions too"""
    folder, first, owners = pipeline(rig)
    scenario = rig.scenario(world=("--data", folder), hooks=False)
    scenario.start()
    host, world, (deal, gone, _) = scenario.host, scenario.world, DEALS
    scenario.process_day()
    world.close_day()
    kept = {d: world.list("opportunities")[d] for d in DEALS}
    # Two changes on one day: a pull finds only the second.
    world.edit({"stream": "opportunities", "id": deal, "set": {"owner": owners[1]}})
    second = world.list("opportunities")[deal]
    world.edit({"stream": "opportunities", "id": deal, "set": {"expected_close_date": "2031-03-01"}})
    world.edit({"stream": "opportunities", "id": gone, "delete": True})
    scenario.process_day()
    world.close_day()
    changed = [(s["kind"], s["subject"]["id"]) for s in host.signals() if s["subject"]["id"] in (deal, gone) and s["kind"] != "deal.engaged"]
    expect_equal(changed, [("deal.owner_changed", deal)], "signals of the deals")
    expect_equal((entity(scenario, deal)["ordinal"], entity(scenario, gone)["deleted"], entity(scenario, gone).get("fields", {})), ("3", True, {}), "the deals' state")
    signals, versions, older = host.signals(), host.versions(), host.state.value("perception.count", "older_versions/crm/opportunities") or 0
    before = {d: entity(scenario, d) for d in (deal, gone)}
    deliver(scenario, 1, second)
    deliver(scenario, 2, {**kept[gone], "version": 0})
    deliver(scenario, 3, second)
    expect_equal({d: entity(scenario, d) for d in (deal, gone)}, before, "the deals after older versions came")
    expect_equal(host.versions(), versions + 2, "versions that are stored")
    expect_equal(host.state.value("perception.count", "older_versions/crm/opportunities"), older + 2, "older versions that are counted")
    scenario.process_day()
    world.close_day()
    expect_equal([s for s in host.signals() if s not in signals and s["subject"]["id"] in DEALS], [], "signals of older versions")
    # A deal whose tombstone comes by webhook is gone before the next pull, and stays so.
    last = {"id": DEALS[2], "deleted": True, "updated_at": world.day, "version": 2}
    world.edit({"stream": "opportunities", "id": DEALS[2], "delete": True})
    deliver(scenario, 4, last, "opportunity.deleted")
    scenario.process_day()
    expect_equal(entity(scenario, DEALS[2])["deleted"], True, "the deal whose tombstone came by webhook")
    open_deals = [key for key in host.state.space("perception.open") if any(d in key for d in (gone, DEALS[2]))]
    expect_equal(open_deals, [], "open deals that are deleted")
    world.close_day()
    scenario.run()
    scenario.check_records()
    scenario.check_sound()


def test_somebody_was_faster(rig):
    """an approved call whose deal somebody has changed meanwhile is refused by its version, changes nothing, and is asked again against the new one"""
    folder = rig.generate("data", Settings.seed, opportunities=30, days=5)
    path = os.path.join(folder, "sales_pipeline.csv")
    with open(path, newline="") as f:
        known = list(csv.DictReader(f))
    first = min((row["engage_date"] for row in known if row["engage_date"]), key=lambda day: datetime.datetime.strptime(day, "%m/%d/%Y"))
    with open(os.path.join(folder, "products.csv"), newline="") as f:
        product = next(row["product"] for row in csv.DictReader(f) if " " in row["product"])
    odd = product.replace(" ", "  ").upper()
    with open(path, "a", newline="") as f:
        csv.writer(f, lineterminator="\n").writerow([DEALS[0], known[0]["sales_agent"], odd, known[0]["account"], "Engaging", first, "", ""])
    scenario = rig.scenario(mode="propose", world=("--data", folder, "--seed", Settings.seed), hooks=False)
    scenario.start()
    host = scenario.host

    def held():
        return [a for a in host.ask("approval.list") if DEALS[0] in json.dumps(a["subject"]) and a["tool"] == "crm.fix_product"]

    def version(approval):
        return host.ask("approval.show", id=approval["id"])["arguments"]["expect_version"]

    def approve(approval):
        host.ask("approval.approve", id=approval["id"], call_hash=approval["call_hash"])
        wait_for(lambda: host.is_settled() and host.is_quiet() and not host.queued(), "the call has ended", 20)
        return host.state.space("decision.proposal")[approval["id"]]
    scenario.process_day()
    (old,) = held()
    decided_on = version(old)
    scenario.world.edit({"stream": "opportunities", "id": DEALS[0], "set": {"expected_close_date": "2031-03-01"}})
    record = approve(old)
    expect_equal(record["state"], "outdated", "the proposal that was approved too late")
    expect("412" in record["reason"], f"its reason: {record['reason']}")
    expect_equal((host.ask("action.show", id=old["id"])["state"], [e for e in scenario.world.effects() if 200 <= e["status"] < 300]), ("rejected", []), "what came of it")
    expect_equal(held(), [], "what is asked on the same day")
    scenario.world.close_day()
    scenario.process_day()
    (new,) = held()
    expect(new["id"] != old["id"] and version(new) > decided_on, f"asked again: {short(new)}")
    expect_equal(approve(new)["state"], "done", "the one that was approved in time")
    scenario.world.close_day()
    scenario.process_day()
    expect_equal(held(), [], "what is asked once it is done")
    scenario.check_effects()
    scenario.check_sound()
