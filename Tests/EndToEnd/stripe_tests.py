"""Stripe's own payloads, by list, by event and by signed webhook, into entities."""
import copy
import hashlib
import hmac

from rig import *

LONG_AGO = 2 * 86_400


class Billing:
    """A host with the Stripe connector, and a world that serves Stripe's published fixtures."""

    def __init__(self, rig, **config):
        fixtures = os.path.join(Settings.shared, "data", "stripe", "fixtures3.json")
        if not Settings.shared or not os.path.exists(fixtures):
            raise Skip("SLUICE_SHARED holds no data/stripe/fixtures3.json")
        with open(fixtures) as f:
            self.real = json.load(f)["resources"]
        self.world = World(rig.folder, "--stripe", fixtures, "--seed", Settings.seed, "--opportunities", 2, "--days", 2)
        rig.closing.append(self.world.end)
        self.host = rig.host()
        self.host.start()
        self.host.ask("tenant.create")
        self.host.ask("secret.set", instance="stripe", slot="api", value=self.world.secrets["stripe_key"])
        self.host.ask("secret.set", instance="stripe", slot="webhook", value=self.world.secrets["stripe_webhook_secret"])
        self.config = config

    def enable(self):
        self.host.ask("connector.enable", name="stripe", instance="stripe", endpoints={"stripe": self.world.url}, allow_private=True, config=self.config)
        self.path = self.host.ask("connector.hook", instance="stripe")["path"]

    def change(self, type, object, webhook=False, age=LONG_AGO):
        """Somebody changes something in Stripe, on a day that is over: that counts at once. Returns the event."""
        body = {"type": type, "object": object, "webhook": webhook, "created": int(time.time()) - age}
        return self.world.control("POST", "stripe/changes", body)["event"]

    def customer(self, number, **changes):
        found = copy.deepcopy(self.real["customer"])
        return {**found, "id": f"cus_{number:014}", "created": found["created"] + number, **changes}

    def entities(self, kind):
        return {k.split("/", 1)[1]: row for k, row in self.host.state.space("perception.entity").items() if k.startswith(kind + "/") and not row.get("deleted")}

    def names(self, kind="account"):
        return {k: row["fields"].get("name") for k, row in self.entities(kind).items()}

    def pulled(self, rounds):
        count = lambda: self.host.metric("sluice_operations_total", kind="pull", ending="ok")
        wait_for(lambda: count() >= 5 * rounds, lambda: f"{rounds} rounds of pulls: {self.host.ask('connector.list')} {self.host.log_text()[-600:]}", 60)
        wait_for(self.host.is_settled, "the host settles")

    def pull(self):
        self.host.ask("connector.run", instance="stripe")

    def counted(self, name):
        return sum(v for k, v in self.host.state.space("perception.count").items() if k.startswith(name + "/"))

    def signed(self, body, secret=None, stamp=None):
        stamp = int(time.time()) if stamp is None else stamp
        mark = hmac.new((secret or self.world.secrets["stripe_webhook_secret"]).encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        return {"Stripe-Signature": f"t={stamp},v1={mark}", "Content-Type": "application/json; charset=utf-8"}

    def post(self, body, headers, path=None):
        status, headers, answer = request(self.host.address, "POST", path or self.path, body, headers)
        return status, sorted(k for k in headers if k != "date"), answer


def test_real_objects_by_list_and_event(rig):
    """Stripe's own customers and products become accounts and products, each once, over pages and a killed host; what has no entity waits as a dead letter"""
    billing = Billing(rig, page_size=40)
    for number in range(1, 151):
        billing.change("customer.created", billing.customer(number, name=f"Company {number}"))
    billing.enable()
    wait_for(lambda: billing.host.metric("sluice_records_total", instance="demo/stripe") > 0, "the first page is under way")
    billing.host.kill()
    billing.host.start()
    wait_for(lambda: len(billing.names()) == 151, lambda: f"every customer is an account: {len(billing.names())} {billing.host.ask('connector.list')}", 60)
    first = billing.real["customer"]["id"]
    expect_equal(billing.names(), {first: None, **{f"cus_{n:014}": f"Company {n}" for n in range(1, 151)}}, "accounts")
    expect_equal(billing.names("product"), {billing.real["product"]["id"]: "T-shirt"}, "products")
    waiting = {(row["stream"], row["code"], row["key"]) for row in billing.host.ask("deadletter.list")}
    expect_equal(waiting, {(name + "s", "record.unmapped_stream", billing.real[name]["id"]) for name in ("subscription", "invoice", "charge")}, "dead letters")
    wait_for(lambda: billing.host.ask("connector.list")[0]["state"] == "idle", "the first round ends", 60)

    billing.change("customer.updated", billing.customer(7, name="Renamed"))
    billing.change("customer.deleted", billing.customer(8))
    billing.pull()
    wait_for(lambda: billing.names().get("cus_00000000000007") == "Renamed" and "cus_00000000000008" not in billing.names(),
             lambda: f"what changed is known: {short(billing.host.ask('connector.list'))}", 60)
    expect_equal(len(billing.names()), 150, "accounts after one was deleted")


def test_signed_events(rig):
    """Stripe's signed events become what their objects say, each once however often it comes and by whichever way; what is not Stripe's is refused like an unknown address"""
    billing = Billing(rig)
    billing.enable()
    billing.pulled(1)
    billing.world.control("POST", "stripe/webhooks", {"url": f"http://{billing.host.address}{billing.path}"})
    real = billing.real["customer"]
    event = billing.change("customer.updated", {**real, "name": "Jenny Rosen"}, webhook=True)
    wait_for(lambda: billing.names().get(real["id"]) == "Jenny Rosen", lambda: f"the account has its name: {billing.names()} {billing.host.ask('connector.list')}")
    versions, body = billing.host.versions("account"), json.dumps(event, indent=2).encode()
    for _ in range(3):
        expect_equal(billing.post(body, billing.signed(body))[0], 202, "the answer to the event again")
    wait_for(lambda: not billing.host.state.space("fabric.delivery"), "the deliveries are dealt with")
    billing.pull()
    billing.pulled(2)
    expect_equal(billing.host.versions("account"), versions, "versions after the same event came four times, by webhook and by pull")
    expect(billing.counted("duplicates") >= 4, "the copies are counted")

    new = json.dumps({**event, "id": "evt_other", "data": {"object": {**real, "name": "Somebody else"}}}).encode()
    good = billing.signed(new)
    answers = {
        "an unknown address": billing.post(new, good, "/hooks/" + "0" * 48),
        "another secret": billing.post(new, billing.signed(new, "whsec_another")),
        "another body": billing.post(new + b" ", good),
        "an old time": billing.post(new, billing.signed(new, stamp=int(time.time()) - 301)),
        "an impossible time": billing.post(new, billing.signed(new, stamp=9223372036854775807)),
        "no signature": billing.post(new, {"Content-Type": "application/json"}),
        "an older scheme": billing.post(new, {"Stripe-Signature": good["Stripe-Signature"].replace("v1=", "v0=")}),
    }
    expect_equal({name: answer for name, answer in answers.items() if answer != answers["an unknown address"]}, {}, "answers that differ")
    expect_equal(answers["an unknown address"][0], 401, "the answer to an unknown address")
    expect_equal(billing.names(), {real["id"]: "Jenny Rosen"}, "accounts after what was refused")

    # The fixture's own event is about a plan, which has no stream: taken, and of no consequence.
    plan = json.dumps(billing.real["event"]).encode()
    expect_equal(billing.post(plan, billing.signed(plan))[0], 202, "the answer to the fixture's event")
    wait_for(lambda: "stripe.event_ignored" in billing.host.log_text() and not billing.host.state.space("fabric.delivery"), "the event is taken and told")
    billing.change("customer.deleted", real, webhook=True)
    wait_for(lambda: billing.names() == {}, lambda: f"the deleted customer is gone: {billing.names()}")
    billing.change("customer.subscription.deleted", {**billing.real["subscription"], "status": "canceled"}, webhook=True)
    wait_for(lambda: not billing.host.state.space("fabric.delivery") and [r for r in billing.host.ask("deadletter.list") if r["stream"] == "subscriptions" and r["version"].startswith("evt_")],
             lambda: f"a subscription that ended stays as a record: {billing.host.ask('deadletter.list')}")
