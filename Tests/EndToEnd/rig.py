"""Runs the real programs: a host on a data folder, the simulated SaaS beside it, and what stands on disk between them."""
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time

PROJECT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
STREAMS = ("accounts", "products", "reps", "opportunities")


class Settings:
    programs = os.path.join(PROJECT, ".build", "debug")
    seed = 7
    whole = False
    shared = os.environ.get("SLUICE_SHARED", "")


class Skip(Exception):
    """Why a test cannot tell anything here."""


class HostDied(Exception):
    pass


def program(name):
    return os.path.join(Settings.programs, name)


def expect(condition, message):
    if not condition:
        raise AssertionError(message() if callable(message) else message)


def expect_equal(found, expected, what):
    if found != expected:
        raise AssertionError(f"{what}: found {short(found)}, expected {short(expected)}{difference(found, expected)}")


def short(value, size=600):
    text = repr(value)
    return text if len(text) <= size else text[:size] + "…"


def difference(found, expected):
    if isinstance(found, dict) and isinstance(expected, dict):
        keys = [k for k in sorted(set(found) | set(expected), key=str) if found.get(k) != expected.get(k)]
        return "; differing: " + "; ".join(f"{k}: {short(found.get(k), 200)} for {short(expected.get(k), 200)}" for k in keys[:8])
    if isinstance(found, (list, set)) and isinstance(expected, (list, set)):
        more, less = [x for x in found if x not in expected], [x for x in expected if x not in found]
        return f"; {len(more)} too many: {short(more, 300)}; {len(less)} missing: {short(less, 300)}"
    return ""


def wait_for(condition, what, seconds=30.0, every=0.01):
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what() if callable(what) else what}")
        time.sleep(every)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def sluice(*arguments, input=None, seconds=120, environment=None):
    """Runs the command line to its end."""
    return subprocess.run([program("sluice"), *map(str, arguments)], input=input, capture_output=True, text=True,
                          timeout=seconds, cwd=PROJECT, env={**os.environ, **(environment or {})})


def request(address, method, path, body=None, headers=None, seconds=60):
    connection = http.client.HTTPConnection(address, timeout=seconds)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    finally:
        connection.close()


class World:
    """One `sluice-world`."""

    def __init__(self, folder, *options):
        secrets = os.path.join(folder, "world.json")
        self.process = subprocess.Popen([program("sluice-world"), *map(str, options), "--credentials", secrets],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder)
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("the world ended: " + self.process.stderr.read())
        self.started = json.loads(line)
        self.address = self.started["listening"]
        self.url = f"http://{self.address}"
        self.day = self.started["first_day"]
        self.finished = False
        with open(secrets) as f:
            self.secrets = json.load(f)
        os.remove(secrets)

    def control(self, method, path, body=None):
        headers = {"Authorization": "Bearer " + self.secrets["control_token"], "Content-Type": "application/json"}
        status, _, data = request(self.address, method, "/control/" + path, None if body is None else json.dumps(body), headers)
        expect(status == 200, lambda: f"the world answered {method} {path} with {status}: {data[:300]}")
        return json.loads(data)

    def faults(self, *faults):
        self.control("POST", "faults", list(faults))

    def edit(self, *edits):
        answer = self.control("POST", "edits", list(edits))
        expect_equal(answer.get("missed"), [], "edits that fit nothing")

    def close_day(self):
        answer = self.control("POST", "barrier", {"day": self.day})
        self.finished = answer["finished"]
        if not self.finished:
            self.day = answer["day"]

    def effects(self):
        items, after = [], 0
        while True:
            answer = self.control("GET", f"effects?after={after}")
            if not answer["items"]:
                return items
            items += answer["items"]
            after = answer["last"]

    def list(self, stream):
        """Every record as it is now, by id, past every fault."""
        items, cursor = {}, ""
        while cursor is not None:
            status, _, data = request(self.address, "GET", f"/api/v1/{stream}{cursor}", headers={"Authorization": "Bearer " + self.secrets["token"]})
            expect(status == 200, lambda: f"the world answered {status}: {data[:200]}")
            page = json.loads(data)
            items.update({item["id"]: item for item in page["items"]})
            after = page["next"]
            cursor = after and f"?updated_since={after['updated_at']}&after_id={after['id']}"
        return items

    def end(self):
        end(self.process)


def end(process, number=signal.SIGTERM, seconds=10):
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()
    return process.returncode


class Database:
    """A tenant's state.db, read beside the host."""

    def __init__(self, path):
        self.path = path
        self.open = None

    def rows(self, sql, *arguments):
        for _ in range(200):
            try:
                if self.open is None:
                    self.open = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=5, check_same_thread=False)
                return self.open.execute(sql, arguments).fetchall()
            except sqlite3.OperationalError as error:
                self.close()
                last = error
                time.sleep(0.02)
        raise last

    def space(self, space):
        return {key: json.loads(value) for key, value in self.rows("SELECT key, value FROM state WHERE space=? ORDER BY key", space)}

    def value(self, space, key):
        found = self.rows("SELECT value FROM state WHERE space=? AND key=?", space, key)
        return json.loads(found[0][0]) if found else None

    def close(self):
        if self.open is not None:
            self.open.close()
            self.open = None


class Host:
    """One data folder, and the `sluice up` that runs on it."""

    def __init__(self, folder, tenant="demo"):
        self.folder = folder
        self.data = os.path.join(folder, "data")
        self.tenant = tenant
        self.log = os.path.join(folder, "host.log")
        self.port = free_port()
        self.process = None
        self.options = ()
        self.address = f"127.0.0.1:{self.port}"
        self.state = Database(os.path.join(self.data, "tenants", tenant, "state.db"))

    def start(self, crash=None, environment=None):
        environment = {**{k: v for k, v in os.environ.items() if not k.startswith("SLUICE_")}, **(environment or {})}
        if crash:
            environment["SLUICE_CRASH_AT"] = crash
        begin = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [program("sluice"), "up", "--data-dir", self.data, "--listen", self.address, *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=PROJECT, env=environment)
        self.state.close()

        def is_ready():
            if self.process.poll() is not None:
                raise HostDied(f"the host ended with {self.process.returncode}: {self.log_text(begin)[-1500:]}")
            return '"host.started"' in self.log_text(begin)
        wait_for(is_ready, lambda: f"the host runs: {self.log_text(begin)[-1500:]}", 60)

    def log_text(self, begin=0):
        if not os.path.exists(self.log):
            return ""
        with open(self.log, "rb") as f:
            f.seek(begin)
            return f.read().decode(errors="replace")

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def check_alive(self):
        if not self.alive():
            raise HostDied(f"the host ended with {self.process.returncode if self.process else None}: {self.log_text()[-800:]}")

    def reply(self, command, **arguments):
        """What the control socket answers, a result or an error."""
        self.check_alive()
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            try:
                s.connect(os.path.join(self.data, "control.sock"))
                s.sendall(json.dumps({"command": command, "arguments": {"tenant": self.tenant, **arguments}}).encode() + b"\n")
                line = b""
                while not line.endswith(b"\n"):
                    part = s.recv(1 << 16)
                    if not part:
                        break
                    line += part
            except (ConnectionError, FileNotFoundError):
                line = b""
        if not line.endswith(b"\n"):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
            self.check_alive()
            raise AssertionError(f"the host cut {command} off and lives")
        return json.loads(line)

    def ask(self, command, **arguments):
        reply = self.reply(command, **arguments)
        if "error" in reply:
            raise Refused(reply["error"])
        return reply["result"]

    def stop(self):
        code = end(self.process, seconds=30)
        self.state.close()
        return code

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.state.close()

    def workers(self, plugin=""):
        """Process ids of the sandboxed workers, of one plugin or of all."""
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                with contextlib.suppress(OSError):
                    with open(f"/proc/{name}/stat") as f:
                        rest = f.read().rsplit(") ", 1)[1].split()
                    if int(rest[1]) == self.process.pid and rest[0] != "Z":
                        with open(f"/proc/{name}/cmdline", "rb") as f:
                            if plugin.encode() in f.read():
                                found.append(int(name))
        return found

    def metrics(self):
        status, _, data = request(self.address, "GET", "/metrics", headers={"Host": self.address})
        expect_equal(status, 200, "status of /metrics")
        found = {}
        for line in data.decode().splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                found[name] = float(value)
        return found

    def metric(self, name, **labels):
        return sum(value for key, value in self.metrics().items()
                   if key.split("{")[0] == name and all(f'{k}="{v}"' in key for k, v in labels.items()))

    # What stands in the tenant's state.

    def head(self):
        heads = [0]
        for name in os.listdir(os.path.join(self.data, "journal")):
            if name.endswith(".segment"):
                database = Database(os.path.join(self.data, "journal", name))
                heads += [row[0] or 0 for row in database.rows("SELECT max(position) FROM entry WHERE partition=?", self.tenant)]
                database.close()
        return max(heads)

    def entry_kinds(self):
        kinds = {}
        for name in os.listdir(os.path.join(self.data, "journal")):
            if name.endswith(".segment"):
                database = Database(os.path.join(self.data, "journal", name))
                for kind, count in database.rows("SELECT kind, count(*) FROM entry WHERE partition=? GROUP BY kind", self.tenant):
                    kinds[kind] = kinds.get(kind, 0) + count
                database.close()
        return kinds

    def journal(self):
        """Position, kind and id of each entry of the tenant, in order. Bodies are sealed."""
        entries = []
        for name in sorted(os.listdir(os.path.join(self.data, "journal"))):
            if name.endswith(".segment"):
                database = Database(os.path.join(self.data, "journal", name))
                entries += database.rows("SELECT position, kind, lower(hex(id)) FROM entry WHERE partition=? ORDER BY position", self.tenant)
                database.close()
        return entries

    def published(self):
        """How many entries the last signed checkpoint covers."""
        path = os.path.join(self.data, "tenants", self.tenant, "ledger", "checkpoint")
        if not os.path.exists(path):
            return 0
        with open(path) as f:
            return int(f.read().splitlines()[1])

    def ledgered(self):
        """Position, kind and body of what the published log proves, in the journal's order."""
        places, leaves, found = self.state.space("ledger.index"), self.state.space("ledger.leaf"), []
        wait_for(lambda: self.ask("ledger.publish") and self.published() >= len(places), "what is in the log is published")
        for position, kind, identifier in self.journal():
            if identifier in places:
                leaf = json.loads(leaves[f"{places[identifier]:020d}"]["leaf"])
                expect_equal((leaf["kind"], leaf["id"]), (kind, identifier), f"the leaf of entry {position}")
                path = os.path.join(self.data, "tenants", self.tenant, "ledger", "payload", leaf["commitment"][:2], leaf["commitment"])
                with open(path, "rb") as f:
                    found.append((position, kind, json.loads(f.read()[32:])))
        return found

    def ticked(self):
        return (self.state.value("perception.clock", "clock") or {}).get("ticked") or ""

    def is_settled(self):
        return (self.state.rows("SELECT count(*) FROM state WHERE space='loop.outbox'")[0][0] == 0
                and (self.state.value("loop.position", "applied") or 0) == self.head())

    def is_quiet(self):
        """Nothing is on its way to an effect or from one."""
        for key, state in self.state.space("action.open").items():
            if state in ("started", "probing"):
                return False
            if state == "queued" and self.state.value("action.action", key)["notBeforeMs"] > 0:
                return False
        return True

    def wait_processed(self, day, seconds=60):
        """The day's tick and all that followed from it is applied, and what could be done was done."""
        def is_done():
            self.check_alive()
            return self.ticked() >= day
        wait_for(is_done, lambda: f"{day} is ticked (now {self.ticked()}); {self.reply('connector.list')}", seconds)
        calm = 0

        def is_over():
            nonlocal calm
            self.check_alive()
            calm = calm + 1 if self.is_settled() and self.is_quiet() and not self.queued() else 0
            return calm >= 2
        wait_for(is_over, lambda: f"{day} is processed; open: {short(self.state.space('action.open'))}", seconds, 0.004)

    def queued(self):
        return [key for key, state in self.state.space("action.open").items() if state == "queued"]

    def signals(self):
        """Without evidence, whose commitments are salted: everything else is the same in every run."""
        return [{k: v for k, v in s.items() if k != "evidence"} for s in self.state.space("toolplane.signal").values()]

    def permits(self):
        """idempotency key → the record of its last start."""
        return {record["start"]["idempotencyKey"]: record for record in self.state.space("policy.permit").values()}

    def versions(self, entity="opportunity"):
        """How many versions of records of this type were taken in."""
        return sum(v for k, v in self.state.space("perception.count").items() if k.startswith(f"versions/{entity}/"))


class Refused(Exception):
    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.code, self.message = error["code"], error["message"]


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
        """Takes in what the loop itself has written since the last pull."""
        rounds = self.pulls()
        self.host.ask("connector.run", instance="crm")
        wait_for(lambda: self.pulls() >= rounds + 4, "another round of pulls", 30)
        wait_for(lambda: self.host.is_settled() and self.host.is_quiet(), "the host settles", 30)

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
        """The published log verifies, and every projection is what the journal says."""
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
        for stream, entity in (("accounts", "account"), ("products", "product"), ("reps", "rep"), ("opportunities", "opportunity")):
            expected = {i: (r["version"], bool(r.get("deleted"))) for i, r in self.world.list(stream).items()}
            found = {k.split("/", 1)[1]: (int(r["ordinal"]), bool(r.get("deleted"))) for k, r in self.host.state.space("perception.entity").items()
                     if k.startswith(entity + "/")}
            expect_equal(found, expected, f"versions of {stream}")


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


class Rig:
    """A folder for one test; ends every process that was started in it."""

    def __init__(self, keep=False):
        self.folder = tempfile.mkdtemp(prefix="sluice-e2e-")
        # Workers run as other users and must reach the plugins; each data folder is private by itself.
        os.chmod(self.folder, 0o755)
        self.keep = keep
        self.scenarios = []
        self.closing = []

    def path(self, name):
        path = os.path.join(self.folder, name)
        os.makedirs(path, exist_ok=True)
        return path

    def scenario(self, name="s", **options):
        scenario = Scenario(self.path(name), **options)
        self.scenarios.append(scenario)
        return scenario

    def host(self, name="h"):
        host = Host(self.path(name))
        self.closing.append(lambda: host.process and end(host.process, signal.SIGKILL))
        return host

    def generate(self, name, seed, opportunities=400, days=60):
        target = os.path.join(self.folder, name)
        made = subprocess.run([program("sluice-world"), "generate", "--seed", str(seed), "--to", target, "--opportunities", str(opportunities),
                               "--days", str(days)], capture_output=True, text=True, timeout=60)
        expect_equal(made.returncode, 0, f"exit of generate ({made.stderr})")
        return target

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        for scenario in self.scenarios:
            scenario.close()
        for close in self.closing:
            close()
        if error is not None and not isinstance(error, Skip):
            for scenario in self.scenarios:
                tail = scenario.host.log_text()[-1200:]
                if tail:
                    print(f"      the host's last words: {tail}")
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)
