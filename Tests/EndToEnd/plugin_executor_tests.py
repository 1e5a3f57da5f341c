"""An executor's way from `sluice plugin new` to calls that a playbook makes, as a third party goes it: outside the checkout."""
import threading

from plugin_tests import CANARY, plugin, refused, shipped
from rig import *
from serving import Handler, Serving


class Desk:
    """A help desk: issues with versions, writes once under a key. The first write is done and its answer lost."""

    def __init__(self):
        desk = self
        self.issues, self.keys, self.tries, self.probes, self.loses = {"i:0": {"id": "i:0", "version": 3, "state": "open"}}, {}, [], [], True
        lock = threading.Lock()

        class Pages(Handler):
            def say(self, status, value):
                self.answer(status, json.dumps(value).encode())

            def is_known(self):
                known = self.headers.get("Authorization") == f"Bearer {CANARY}"
                if not known:
                    self.say(401, {})
                return known

            def do_GET(self):
                where, _, name = self.path.partition("?")[0].removeprefix("/v1/").partition("/")
                if not self.is_known():
                    return
                if where == "keys":
                    desk.probes.append(name)
                if where == "issues" and not name:
                    return self.say(200, list(desk.issues.values()))
                found = (desk.issues if where == "issues" else desk.keys).get(name)
                self.say(200 if found else 404, found or {})

            def write(self):
                body, key = json.loads(self.rfile.read(int(self.headers["Content-Length"]))), self.headers["Idempotency-Key"]
                if not self.is_known():
                    return
                with lock:
                    desk.tries.append(key)
                    if key not in desk.keys:
                        id = self.path.removeprefix("/v1/issues").strip("/") or f"i:{len(desk.issues)}"
                        issue = desk.issues.get(id, {"id": id, "version": 0, "state": "open"})
                        if self.command == "PATCH" and self.headers["If-Match"] != f'"{issue["version"]}"':
                            return self.say(412, {})
                        desk.issues[id] = {**issue, **body, "version": issue["version"] + 1}
                        desk.keys[key] = {"issue": desk.issues[id]}
                    loses, desk.loses = desk.loses, False
                if loses:
                    self.close_connection = True
                    return self.connection.close()
                self.say(201, desk.keys[key]["issue"])

            do_POST = do_PATCH = write
        self.server = Serving(Pages)
        self.url = self.server.url

    def close(self):
        self.server.close()


def rules_of(guide):
    """The playbook and the policy that a guide prints."""
    with open(os.path.join(PROJECT, "docs", "guides", guide)) as f:
        text = f.read()
    (playbook,), (policy,) = (re.findall(pattern, text, re.M | re.S) for pattern in (r"^```yaml\n(# playbooks/.*?)^```$", r"^```cedar\n(// policies/.*?)^```$"))
    return playbook, policy


def act_by_hand(rig, manifest, desk):
    """The author tries both actions on the desk: what would be, then for real."""
    secret, ask = (os.path.join(rig.folder, n) for n in ("desk.token", "ask.json"))
    with open(secret, "w") as f:
        f.write(CANARY)

    def run(action, arguments, *words):
        with open(ask, "w") as f:
            json.dump(arguments, f)
        return plugin("run", manifest, "--secret", f"api={secret}", "--endpoint", f"desk={desk.url}", "--action", action, "--input", ask, *words).stderr
    closing = {"id": "i:0", "expect_version": 3, "set": {"state": "closed"}}
    told = run("close", closing)
    expect('dryRun: would be done {"fields":[{"' in told, f"what is said of a dry run: {told}")
    expect_equal((desk.tries, desk.issues["i:0"]["state"]), ([], "open"), "the desk after a dry run")
    desk.loses = False
    told = run("close", closing, "--execute")
    expect('execute: done {"id":"i:0","version":4}' in told, f"what is said of the action: {told}")
    expect_equal((len(desk.tries), desk.issues["i:0"]["state"], desk.issues["i:0"]["version"]), (1, "closed", 4), "the desk after the action")
    told = run("close", closing)
    expect("dryRun: would be rejected" in told and "[desk.version_mismatch]" in told, f"what is said of a call for an older version: {told}")
    desk.tries.clear()
    desk.keys.clear()
    desk.loses = True


def executor_way(rig, language):
    pack, vkey = shipped(rig, language, "desk", "executor")
    desk = Desk()
    rig.closing.append(desk.close)
    act_by_hand(rig, os.path.join(rig.folder, f"{language}-desk", "build", "desk.yaml"), desk)
    scenario = rig.scenario(mode="act", world=("--seed", 7, "--opportunities", 60, "--days", 3), hooks=False)
    host = scenario.host
    host.start()
    host.ask("tenant.create")
    plugin("install", pack, "--data-dir", host.data, "--trust", vkey, "--accept")
    host.ask("secret.set", instance="desk", slot="api", value=CANARY)
    host.ask("connector.enable", name="desk", endpoints={"desk": desk.url}, allow_private=True)
    would = host.ask("tool.dry_run", name="desk.open", arguments={"issue": {"title": "x"}})
    expect_equal((would["answer"], would["result"], desk.tries), ("would be done", {"create": "issue"}, []), "a dry run of the tool")
    for text, path in zip(rules_of("write-a-connector.md"), ("playbooks/desk.yaml", "policies/desk.cedar")):
        with open(os.path.join(scenario.rules(), path), "w") as f:
            f.write(text)
    scenario.set_up()
    scenario.process_day()
    wait_for(lambda: host.is_settled() and host.is_quiet(), "the host is quiet", 60)
    actions = [row for row in host.ask("effect.list") if row["tool"] == "desk.open"]
    expect(len(actions) >= 2 and all(row["outcome"] == "done" for row in actions), lambda: f"effects at the desk: {actions}; {[row for row in host.ask('decision.list') if row['playbook'] == 'ask-the-desk'][:3]}")
    permits = host.permits()
    expect_equal(sorted(desk.keys), sorted(desk.tries), "writes at the desk, each once")
    expect(set(desk.keys) <= set(permits) and all(permits[key]["outcome"] == "done" for key in desk.keys), "permits of what the desk was asked")
    expect_equal(len(desk.keys), len(actions), "issues by actions")
    expect_equal(desk.probes, desk.tries[:1], "the write whose answer was lost, asked after by its key")
    opened = [issue for id, issue in desk.issues.items() if id != "i:0"]
    expect(all(issue["title"] == "A deal without an account" and issue["text"].startswith("The deal ") for issue in opened), f"issues: {opened}")
    scenario.check_sound()
    refused("pack.in_use", "remove", "desk", "--data-dir", host.data)
    return f"{len(actions)} issues"


def test_executor_in_c(rig):
    """an executor in C goes from `plugin new` to a tool whose calls a playbook makes, a policy permits and the desk takes, once each; of a lost answer the probe finds out"""
    return executor_way(rig, "c")


def test_executor_in_cpp(rig):
    """so does an executor in C++"""
    return executor_way(rig, "cpp")


def test_executor_in_swift(rig):
    """so does an executor in Swift"""
    return executor_way(rig, "swift")


def test_executor_in_rust(rig):
    """so does an executor in Rust"""
    return executor_way(rig, "rust")
