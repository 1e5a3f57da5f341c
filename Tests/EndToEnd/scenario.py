"""A host and a world in lockstep, and what must hold between them."""
import json
import os
import re
import shutil
import signal

from expecting import PROJECT, Refused, Settings, expect, expect_equal, short, wait_for
from host import Host
from programs import end, request, sluice
from world import World


class Scenario:
    """A host and a world, day by day in lockstep, as `sluice demo` does it. It survives deaths of the host."""

    def __init__(self, folder, mode="observe", world=(), page_size=200, manifests=None, replay=True, hooks=True):
        self.folder = folder
        self.mode = mode
        self.page_size = page_size
        self.replay = replay
        self.hooks = hooks
        self.world = World(folder, *world)
        self.host = Host(folder)
        self.plugins = plugins(folder, **(manifests or {}))

    def set_up(self):
        """Every step may be repeated: the host may have died in the middle."""
        host = self.host
        try:
            host.ask("tenant.create")
        except Refused as refusal:
            expect_equal(refusal.code, "host.exists", "refusal of tenant.create")
        host.ask("apply", folder=self.rules())
        host.ask("tenant.mode", mode=self.mode)
        endpoints = {"crm": self.world.url}
        host.ask("secret.set", instance="crm", slot="api", value=self.world.secrets["token"])
        host.ask("secret.set", instance="crm", slot="webhook", value=self.world.secrets["webhook_secret"])
        if self.mode != "observe":
            host.ask("secret.set", instance="crm-actions", slot="api", value=self.world.secrets["token"])
            host.ask("connector.enable", name=os.path.join(self.plugins, "crm-actions.yaml"), instance="crm-actions", endpoints=endpoints, allow_private=True)
        host.ask("connector.enable", name=os.path.join(self.plugins, "crm.yaml"), instance="crm", endpoints=endpoints, allow_private=True,
                 replay=self.replay, config={"page_size": self.page_size})
        self.hook_path = host.ask("connector.hook", instance="crm")["path"]
        if self.hooks:
            self.world.control("POST", "webhooks", {"url": f"http://{host.address}{self.hook_path}"})

    def rules(self):
        """The project's rules, with the managers of this world as the people who may be written to and asked."""
        folder = os.path.join(self.folder, "rules")
        if not os.path.isdir(folder):
            for name in ("policies", "playbooks"):
                shutil.copytree(os.path.join(PROJECT, name), os.path.join(folder, name))
            managers = sorted({rep["manager"] for rep in self.world.list("reps").values() if rep.get("manager")})
            path = os.path.join(folder, "policies", "governance.yaml")
            with open(path) as f:
                text = re.sub(r"(?m)^(  .+: manager\n)+", lambda _: "".join(f"  {json.dumps(name)}: manager\n" for name in managers), f.read())
            expect(all(name in text for name in managers), "the managers of this world are not in governance.yaml")
            with open(path, "w") as f:
                f.write(text)
        return folder

    def start(self, crash=None, **options):
        self.host.start(crash, **options)
        self.set_up()

    def process_day(self, seconds=60):
        self.host.ask("connector.run", instance="crm")
        self.host.wait_processed(self.world.day, seconds)

    def close(self):
        if self.host.process:
            end(self.host.process, signal.SIGKILL)
        self.host.state.close()
        self.world.end()

    def run(self, days=None):
        """Processes that many days, or all; the last processed day stays open unless it is the last of all."""
        while not self.world.finished and days != 0:
            self.process_day()
            if days is not None:
                days -= 1
            self.world.close_day()

    def catch_up(self):
        """Takes in what the loop itself has written since the last pull.

        A round under way may have read some streams before the world changed, and what is taken in may lead to
        another write: so it pulls again while the host is behind, a few times; `check_records` tells what is then missing.
        """
        for _ in range(5):
            rounds = self.pulls()
            self.host.ask("connector.run", instance="crm")
            wait_for(lambda: self.pulls() >= rounds + 4, "another round of pulls", 30)
            wait_for(lambda: self.host.is_settled() and self.host.is_quiet(), "the host settles", 30)
            if not self.behind():
                return

    def pulls(self):
        return self.host.metric("sluice_operations_total", kind="pull", instance="demo/crm", ending="ok")

    def connector(self, instance="crm"):
        """The state of a connector, in words."""
        return next(row["state"] for row in self.host.ask("connector.list") if row["instance"] == instance)

    def wait_parked(self, *words, seconds=30):
        state = wait_for(lambda: self.connector().startswith("parked") and self.connector(), lambda: f"the connector is parked: {self.connector()}", seconds)
        for word in words:
            expect(word.lower() in state.lower(), f"no {word!r} in the reason: {state}")
        return state

    def check_sound(self):
        """The published log verifies, every projection is what the journal says, and no honest plugin was told of."""
        expect('"worker.refused_call"' not in self.host.log_text(), "an honest plugin asked the kernel for what it may not have")
        for words in (("ledger", "verify"), ("doctor", "--deep")):
            done = sluice(*words, "--data-dir", self.host.data, "--tenant", self.host.tenant, seconds=300)
            expect_equal(done.returncode, 0, f"exit of sluice {' '.join(words)} ({done.stdout}{done.stderr})")

    def check_effects(self):
        """No effect twice, each with its start and receipt, none unknown. Returns what was done."""
        effects, permits, seen = self.world.effects(), self.host.permits(), {}
        for effect in effects:
            key = effect["key"]
            expect(key in permits, f"the world has an effect that no permit was spent for: {short(effect)}")
            what = (effect["method"], effect["path"], json.dumps(effect["body"], sort_keys=True))
            if 200 <= effect["status"] < 300:
                expect(what not in seen, lambda: f"done twice, with keys {seen[what]} and {key}: {short(effect)}")
                seen[what] = key
            outcome = permits[key].get("outcome")
            expect(outcome in ("done", "rejected"), f"the world answered {effect['status']}, the last receipt of {key} says {outcome}")
            expect((outcome == "done") == (200 <= effect["status"] < 300), f"the world says {effect['status']}, the receipt {outcome}: {short(effect)}")
        expect_equal(len({e["key"] for e in effects}), len(effects), "effects by key")
        known = {e["key"] for e in effects}
        for key, record in permits.items():
            if record.get("outcome") == "done":
                expect(key in known, f"the receipt of {key} says done, the world knows nothing of it: {short(record)}")
        kinds = self.host.entry_kinds()
        tries = sum(record["tries"] for record in permits.values())
        expect(kinds.get("effect_started", 0) >= tries, f"{tries} tries, {kinds} entries")
        expect(kinds.get("receipt", 0) >= tries, f"{tries} tries, {kinds} entries")
        return sorted(seen)

    def check_records(self):
        """Every record stands in the host's state at the version that the world has."""
        for stream, found, expected in self.versions():
            expect_equal(found, expected, f"versions of {stream}")

    def behind(self):
        """The streams of which the host has other versions than the world."""
        return [stream for stream, found, expected in self.versions() if found != expected]

    def versions(self):
        for stream, entity in (("accounts", "account"), ("products", "product"), ("reps", "rep"), ("opportunities", "opportunity")):
            expected = {i: (r["version"], bool(r.get("deleted"))) for i, r in self.world.list(stream).items()}
            found = {k.split("/", 1)[1]: (int(r["ordinal"]), bool(r.get("deleted"))) for k, r in self.host.state.space("perception.entity").items()
                     if k.startswith(entity + "/")}
            yield stream, found, expected


def plugins(folder, settle_ms=300, timeout_ms=5000, **changes):
    """A copy of the plugins whose actions settle in a moment, so that a test need not wait half a minute."""
    target = os.path.join(folder, "plugins")
    os.makedirs(target, exist_ok=True)
    for name in os.listdir(os.path.join(Settings.programs, "plugins")):
        shutil.copy(os.path.join(Settings.programs, "plugins", name), target)
    path = os.path.join(target, "crm-actions.yaml")
    with open(path) as f:
        text = f.read()
    text = text.replace("settle_ms: 30000", f"settle_ms: {settle_ms}").replace("operation_timeout_ms: 30000", f"operation_timeout_ms: {timeout_ms}")
    with open(path, "w") as f:
        f.write(text)
    for name, (old, new) in changes.items():
        path = os.path.join(target, name.replace("_", "-") + ".yaml")
        with open(path) as f:
            text = f.read()
        expect(old in text, f"{name} has no {old!r}")
        with open(path, "w") as f:
            f.write(text.replace(old, new))
    return target
