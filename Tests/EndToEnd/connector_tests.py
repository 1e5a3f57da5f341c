"""What an operator does with a running connector: pause, drain, resume, other times."""
import hashlib
import http.server
import re
import subprocess
import threading

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
    error = host.reply("connector.run", instance="crm")["error"]
    expect((error["code"], "quarter end" in error["message"]) == ("connector.rests", True), f"a pull of a paused connector: {error}")
    expect_equal((scenario.connector(), scenario.pulls()), ("paused: quarter end", pulls), "the connector after it")
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


def test_limits_of_an_instance(rig):
    """an operator holds an instance below its manifest's limits, by command line or by file: it keeps to them, also in a later version; a limit that is raised, unknown or none is refused by name and changes nothing"""
    scenario = ready(rig)
    host, manifest = scenario.host, os.path.join(scenario.plugins, "crm.yaml")

    def enable(*words):
        done = sluice("connector", "enable", manifest, "--as", "crm", "--endpoint", f"crm={scenario.world.url}", "--allow-private", *words, "--data-dir", host.data)
        return done.returncode, done.stderr
    for limit, word in (("requests_per_second=100000", "at most the manifest's"), ("cpu_seconds=-1", "integer"), ("speed=3", "speed"), ("window_bytes=4096", "twice record_bytes_max")):
        code, told = enable("--limit", limit)
        expect((code, word in told) == (1, True), f"--limit {limit}: {told}")
    expect_equal(enable("--limit", "many")[0], 2, "exit of a limit that is none")
    expect_equal(host.ask("connector.show", instance="crm")["limits"], None, "limits after what was refused")
    # One request a second: the rest of a round waits, by name.
    waited = host.metric("sluice_wait_seconds_total", instance="demo/crm", cause="throttled")
    expect_equal(enable("--limit", "requests_per_second=1", "--limit", "request_burst=1", "--limit", "concurrency=1"), (0, ""), "limits by command line")
    pulls = scenario.pulls()
    host.ask("connector.run", instance="crm")
    wait_for(lambda: scenario.pulls() >= pulls + 4, "a round within the limits", 30)
    expect(host.metric("sluice_wait_seconds_total", instance="demo/crm", cause="throttled") > waited, "nothing waited for the limits")
    shown = host.ask("connector.show", instance="crm")
    expect_equal(shown["limits"], {"requests_per_second": 1, "request_burst": 1, "concurrency": 1}, "limits as shown")
    with open(manifest) as file:
        text = file.read()
    with open(manifest, "w") as file:
        file.write(re.sub(r"(?m)^version: .*", "version: 9.9.9", text))
    expect_equal(sluice("connector", "upgrade", "crm", "--to", manifest, "--data-dir", host.data).returncode, 0, "exit of an upgrade")
    expect_equal(host.ask("connector.show", instance="crm")["limits"], shown["limits"], "limits after an upgrade")
    folder = os.path.join(scenario.folder, "files")
    shutil.copytree(scenario.rules(), folder)
    os.makedirs(os.path.join(folder, "connectors"))

    def apply(limits, *words):
        with open(os.path.join(folder, "connectors", "crm.yaml"), "w") as file:
            json.dump({"connector": manifest, "endpoints": {"crm": scenario.world.url}, "allow_private": True, "limits": limits}, file)
        return sluice("apply", "-f", folder, "--yes", *words, "--data-dir", host.data)
    done = apply({"concurrency": 200})
    expect(done.returncode == 1 and "at most the manifest's" in done.stderr, f"a file that raises: {done.stderr}")
    expect_equal(apply({"operation_timeout_ms": 300}).returncode, 0, "exit of apply")
    cut = host.metric("sluice_operations_total", instance="demo/crm", kind="pull", ending="cancelled")
    # An operation that is cut off at the instance's own deadline.
    scenario.world.faults({"match": "GET /api/v1/accounts", "kind": "slow_ms", "slow_ms": 1_500, "times": 1})
    host.ask("connector.run", instance="crm")
    wait_for(lambda: host.metric("sluice_operations_total", instance="demo/crm", kind="pull", ending="cancelled") > cut, "the deadline ends a pull", 20)
    done = enable()
    expect_equal((done, host.ask("connector.show", instance="crm")["limits"]), ((0, ""), None), "enabled again without limits")
    scenario.catch_up()
    scenario.check_records()


def test_library_that_is_not_there(rig):
    """enabling what has no library, or another one than its manifest promises, says so at once, in a plan too"""
    folder = hello(rig)
    host = rig.host()
    host.start()
    host.ask("tenant.create")
    library, manifest = os.path.join(folder, "hello.so"), os.path.join(folder, "hello.yaml")
    with open(library, "ab") as f:
        f.write(b"more")
    for code, change in (("connector.other_library", lambda: os.remove(library)), ("connector.no_library", lambda: None)):
        for plan in (True, False):
            findings = host.ask("connector.enable", name=manifest, plan=plan)["findings"]
            expect(len(findings) == 1 and f"[{code}]" in findings[0] and library in findings[0], f"plan {plan}: {findings}")
        change()


def test_quota_of_instances(rig):
    """a tenant has no more connectors enabled than its quota lets it, by command line or by file and however many try at once; at its quota it changes, pauses, upgrades and disables what it has"""
    scenario = ready(rig)
    host, manifest = scenario.host, os.path.join(scenario.plugins, "crm.yaml")

    def quota(text):
        done = sluice("tenant", "quota", "demo", f"--instances={text}", "--data-dir", host.data)
        return done.returncode, done.stderr.split("]")[0].split("[")[-1]

    def enabling(name, *words):
        return ("connector", "enable", manifest, "--as", name, "--endpoint", f"crm={scenario.world.url}", "--allow-private", *words, "--data-dir", host.data)

    def enabled():
        return sorted(row["instance"] for row in host.ask("connector.list") if row["state"] != "disabled")
    had = enabled()
    for text in ("-1", "many", "1.5", "1000001"):
        expect_equal(quota(text), (1, "tenant.bad_instance_quota"), f"quota {text!r}")
    expect_equal(sluice("tenant", "quota", "demo", "--data-dir", host.data).returncode, 1, "exit of a quota of nothing")
    expect_equal(quota(str(len(had) + 1))[0], 0, "exit of a quota")
    trying = [subprocess.Popen([program("sluice"), *enabling(f"more-{number}")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for number in range(5)]
    told = [(process.communicate(timeout=60)[1], process.returncode) for process in trying]
    expect_equal(sorted(code for _, code in told), [0, 1, 1, 1, 1], f"exits of five at once: {told}")
    expect_equal(sum("[tenant.instance_quota]" in text for text, _ in told), 4, f"refusals: {told}")
    more, = set(enabled()) - set(had)
    head = host.head()
    folder = os.path.join(scenario.folder, "files")
    shutil.copytree(scenario.rules(), folder)
    os.makedirs(os.path.join(folder, "connectors"))
    for name in (*had, more, "yet-another"):
        with open(os.path.join(folder, "connectors", f"{name}.yaml"), "w") as file:
            json.dump({"connector": manifest, "endpoints": {"crm": scenario.world.url}, "allow_private": True}, file)
    done = sluice("apply", "-f", folder, "--yes", "--data-dir", host.data)
    expect((done.returncode, "[tenant.instance_quota]" in done.stderr) == (1, True), f"apply beyond the quota: {done.stderr}")
    expect(host.head() == head and enabled() == sorted([*had, more]), "apply beyond the quota changed something")
    # One place is left, and a folder and a command want it at once.
    expect_equal(quota(str(len(had) + 2))[0], 0, "exit of a quota with one place left")
    for _ in range(6):
        trying = [subprocess.Popen([program("sluice"), *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                  for words in (("apply", "-f", folder, "--yes", "--data-dir", host.data), enabling("at-once"))]
        told = [process.communicate(timeout=60)[1] for process in trying]
        expect(len(enabled()) <= len(had) + 2, f"more than the quota: {enabled()} ({told})")
        for name in set(enabled()) - {*had, more}:
            host.ask("connector.disable", instance=name)
    # A quota below what there is takes nothing away, and is in nobody's way.
    expect_equal(quota("0")[0], 0, "exit of a quota of none")
    expect_equal(sluice(*enabling(more, "--limit", "concurrency=1")).returncode, 0, "exit of a change at the quota")
    for word in ("pause", "resume", "disable"):
        expect_equal(sluice("connector", word, more, "--data-dir", host.data).returncode, 0, f"exit of connector {word}")
    done = sluice(*enabling(more))
    expect((done.returncode, "[tenant.instance_quota]" in done.stderr) == (1, True), f"enabled again beyond the quota: {done.stderr}")
    shown = host.ask("tenant.show", tenant="demo")
    expect_equal((shown["instances"], shown["instance_quota"]), (len(had), 0), "connectors and quota as shown")
    expect_equal(quota("none")[0], 0, "exit without a quota")
    expect_equal(sluice(*enabling(more)).returncode, 0, "exit once there is no quota")
    expect_equal(quota("default")[0], 0, "exit of the host's quota")


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
    scenario = rig.scenario(mode="observe", world=("--seed", 7, "--opportunities", 300, "--days", 20),
                            manifests={"crm": (values, values.replace("Lost: lost", "Lots: lost"))})
    scenario.start()
    scenario.run()
    host = scenario.host
    letters = host.ask("deadletter.list", limit=10_000)
    lost = [deal for deal in scenario.world.list("opportunities").values() if deal["stage"] == "Lost"]
    expect_equal(sorted(letter["key"] for letter in letters), sorted(deal["id"] for deal in lost), "keys of dead letters")
    expect(len(letters) >= 3, "too few deals were lost: the test tells nothing")
    expect_equal(host.metric("sluice_dead_letters", instance="demo/crm"), len(letters), "dead letters that the metric counts of the instance")
    (row,) = host.ask("top")["instances"]
    expect_equal(row["dead_letters"], len(letters), "dead letters that top counts of the instance")
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
    done = sluice("connector", "enable", reviewed, "--as", "crm", "--endpoint", f"crm={scenario.world.url}", "--allow-private", "--accept", *words)
    expect_equal(done.returncode, 0, f"exit of connector enable ({done.stderr})")
    for letter in letters:
        if letter["id"] != third:
            answer = json.loads(sluice("deadletter", "replay", letter["id"], "--json", *words).stdout)
            expect_equal(answer["taken"], True, f"the replay of {letter['id']} ({answer})")
    expect_equal(host.ask("deadletter.list"), [], "dead letters at the end")
    expect_equal(host.metrics().get('sluice_dead_letters{instance="demo/crm"}'), 0, "what the metric counts at the end")
    scenario.catch_up()
    scenario.check_sound()
    stored = {key.split("/", 1)[1]: row for key, row in host.state.space("perception.entity").items() if key.startswith("opportunity/")}
    given_up = next(letter["key"] for letter in letters if letter["id"] == third)
    expect_equal({deal["id"] for deal in lost if int(stored[deal["id"]]["ordinal"]) != deal["version"]}, {given_up}, "deals that are not at their last version")
    return f"{len(letters)} dead letters"


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def listing(guide, language, needle):
    """The one listing of a guide in that language that holds the needle."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", guide, re.M | re.S)
    (found,) = [b for b in blocks if needle in b]
    return found


def hello(rig, change=lambda c: c, declares=""):
    """The guide's C source, built as the guide says, with its manifest; or one that differs from it."""
    with open(os.path.join(PROJECT, "docs", "guides", "write-a-connector.md")) as f:
        guide = f.read()
    folder = rig.path("hello")
    write(os.path.join(folder, "hello.c"), change(listing(guide, "c", "SLUICE_SOURCE_PLUGIN(hello)")))
    command = next(line for line in listing(guide, "sh", "-o hello.so").splitlines() if line.startswith("cc "))
    environment = {**os.environ, "PATH": f"{Settings.programs}:{os.environ['PATH']}"}
    done = subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True)
    expect_equal((done.returncode, done.stderr), (0, ""), "what the compiler says")
    with open(os.path.join(folder, "hello.so"), "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    write(os.path.join(folder, "hello.yaml"), listing(guide, "yaml", "name: hello").replace("sha256: built", f"sha256: {digest}") + declares)
    return folder


def test_guide_for_authors(rig):
    """what the guide for authors prints builds, is enabled, and its record becomes an entity: no dead letter"""
    folder = hello(rig)
    host = rig.host()
    host.start()
    host.ask("tenant.create")
    host.ask("connector.enable", name=os.path.join(folder, "hello.yaml"))
    wait_for(lambda: host.state.space("perception.entity").get("account/hello"), lambda: f"the record is an entity: {host.ask('connector.list')} {host.ask('deadletter.list')}")
    expect_equal(host.ask("deadletter.list"), [], "dead letters")


def test_secret_slots(rig):
    """a secret is stored only in a slot that the manifest declares; one stored before there was a manifest is named when the connector is enabled"""
    host = rig.host()
    host.start()
    host.ask("tenant.create")
    host.ask("secret.set", instance="crm", slot="api", value="a-token")
    host.ask("secret.set", instance="crm", slot="spare", value="a-token")
    answer = host.ask("connector.enable", name="crm")
    (finding,) = answer["findings"]
    expect("[secret.unknown_slot]" in finding and "spare" in finding and "api, webhook" in finding, f"the finding: {finding}")
    host.ask("secret.set", instance="crm", slot="webhook", value="whsec_" + "A" * 32)
    done = sluice("secret", "set", "crm", "apy", "--data-dir", host.data, input="a-token")
    expect_equal(done.returncode, 1, "exit of secret set")
    expect("[secret.unknown_slot]" in done.stderr and "api, webhook" in done.stderr, done.stderr)
    expect_equal(sorted(row["slot"] for row in host.ask("secret.list")), ["api", "spare", "webhook"], "slots")
    host.ask("secret.revoke", instance="crm", slot="spare")
    expect("findings" not in host.ask("connector.enable", name="crm"), "a finding of what is gone")


def test_plugin_that_logs_too_much(rig):
    """a plugin that writes one line after the other does not fill the log: what was left out is counted and said"""
    pull = """static sluice_status_t pull(const sluice_host_t *host, const sluice_pull_t *request) {
    (void)request;
    sluice_slice_t code = sluice_text("hello.again"), message = sluice_text("Again.");
    for (int i = 0; i < 5000; i++) host->log(host, SLUICE_LOG_WARNING, &code, &message, NULL, 0);
    return SLUICE_OK;
}
"""
    folder = hello(rig, lambda c: re.sub(r"static sluice_status_t pull\(.*?^}\n", lambda _: pull, c, flags=re.M | re.S))
    host = rig.host()
    host.start()
    host.ask("tenant.create")
    host.ask("connector.enable", name=os.path.join(folder, "hello.yaml"))
    wait_for(lambda: host.metric("sluice_operations_total", instance="demo/hello", ending="ok") >= 1, lambda: f"a pull ends: {host.ask('connector.list')}")
    wait_for(lambda: "instance.log_limited" in host.log_text(), "what was left out is said")
    lines = [json.loads(line) for line in host.log_text().splitlines()]
    kept = sum(line["code"] == "plugin.hello.again" for line in lines)
    left_out = sum(int(line["lines"]) for line in lines if line["code"] == "instance.log_limited")
    expect(100 <= kept <= 1000, f"lines that were kept: {kept}")
    expect_equal(kept + left_out, 5000, "lines kept and left out")


def test_slow_plugin_is_named(rig):
    """a plugin that takes its time although nothing keeps it from sending is what an operator is told to wait for"""
    busy = """int64_t from = 0, now = 0;
    host->clock_now(host, SLUICE_CLOCK_MONOTONIC, &from);
    do host->clock_now(host, SLUICE_CLOCK_MONOTONIC, &now); while (now - from < 700);
    if (request->state.len > 0)"""
    folder = hello(rig, lambda c: c.replace("if (request->state.len > 0)", busy))
    host = rig.host()
    host.start()
    host.ask("tenant.create")
    host.ask("connector.enable", name=os.path.join(folder, "hello.yaml"))
    host.ask("connector.enable", name="counter", config={"records": 5000})
    wait_for(lambda: host.metric("sluice_operations_total", instance="demo/hello", ending="ok") >= 1, lambda: f"a pull ends: {host.ask('connector.list')}")
    wait_for(lambda: host.metric("sluice_records_total", instance="demo/counter") == 5000, "the counter has counted")
    waited = host.metric("sluice_wait_seconds_total", instance="demo/hello", cause="plugin_slow")
    expect(0.5 <= waited <= 5, f"seconds waited for it: {waited}")
    return f"{waited} s"


HINTED = """const sluice_http_t *http = host->get_extension(host, SLUICE_EXT_HTTP);
    int64_t now = 0;
    host->clock_now(host, SLUICE_CLOCK_WALL, &now);
    if (sluice_hint(host, "api", 10, 0, now + 1500) != SLUICE_OK) return SLUICE_E_BUG;
    sluice_http_request_t asked = {.struct_size = sizeof asked, .endpoint = sluice_text("api"), .method = sluice_text("GET"), .path = sluice_text("/x")};
    sluice_http_response_t response = {.struct_size = sizeof response};
    if (http->http_send(host, &asked, &response) != SLUICE_OK || response.status != 302) return SLUICE_E_BUG;
    if (request->state.len > 0)"""


class Redirecting(http.server.BaseHTTPRequestHandler):
    asked = []

    def do_GET(self):
        Redirecting.asked.append((time.monotonic(), self.path))
        self.send_response(302)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_rate_hint_is_kept(rig):
    """a plugin that tells of a spent request budget gets its next answer when that is renewed; a redirect within the endpoint is its own to read"""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Redirecting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rig.closing.append(server.shutdown)
    Redirecting.asked.clear()
    folder = hello(rig, lambda c: c.replace("if (request->state.len > 0)", HINTED), """endpoints:
  api: {base: "https://api.example.com"}
requests:
  - {id: x, endpoint: api, method: GET, path: /x, effect: read}
""")
    host = rig.host()
    host.start()
    host.ask("tenant.create")
    begin = time.monotonic()
    host.ask("connector.enable", name=os.path.join(folder, "hello.yaml"), endpoints={"api": f"http://127.0.0.1:{server.server_port}"}, allow_private=True)
    wait_for(lambda: host.metric("sluice_operations_total", instance="demo/hello", ending="ok") >= 1, lambda: f"a pull ends: {host.ask('connector.list')}")
    expect_equal([path for _, path in Redirecting.asked], ["/x"], "requests")
    waited = Redirecting.asked[0][0] - begin
    expect(waited >= 1.4, f"it was asked after {waited:.2f} s")
    expect(1.3 <= host.metric("sluice_wait_seconds_total", instance="demo/hello", cause="throttled") <= 5, "the wait is counted as throttled")
    return f"{waited:.2f} s"


def test_held_back_by_the_host(rig):
    """a source whose request waits for its turn until its deadline is at no fault: it pauses and is never parked, however often that happens"""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Redirecting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rig.closing.append(server.shutdown)
    Redirecting.asked.clear()
    folder = hello(rig, lambda c: c.replace("if (request->state.len > 0)", HINTED.replace("now + 1500", "now + 600000").replace(
        "if (http->http_send(host, &asked, &response) != SLUICE_OK || response.status != 302) return SLUICE_E_BUG;",
        "sluice_status_t answered = http->http_send(host, &asked, &response);\n    if (answered != SLUICE_OK) return answered;")), """limits: {operation_timeout_ms: 1000, grace_ms: 1000}
endpoints:
  api: {base: "https://api.example.com"}
requests:
  - {id: x, endpoint: api, method: GET, path: /x, effect: read}
""")
    host = rig.host()
    host.start()
    host.ask("tenant.create")
    host.ask("connector.enable", name=os.path.join(folder, "hello.yaml"), endpoints={"api": f"http://127.0.0.1:{server.server_port}"}, allow_private=True)

    def state():
        (row,) = host.ask("connector.list")
        return row["state"]
    for round in range(1, 9):  # six faults in a row would park it
        wait_for(lambda: host.metric("sluice_operations_total", instance="demo/hello", ending="cancelled") >= round, lambda: f"operation {round} is cancelled: {state()}", 20)
        wait_for(lambda: state().startswith("waiting: Its requests waited for their turn"), lambda: f"it pauses: {state()}", 5)
        host.ask("connector.run", instance="hello")
    expect_equal((Redirecting.asked, host.metric("sluice_instances_parked", instance="demo/hello")), ([], 0), "requests that left, and parkings")


def test_threads_end_with_their_operation(rig):
    """a worker that may start threads serves one operation, since what they did afterwards would be under no limit; any other serves many"""
    host = rig.host()
    host.start()
    host.ask("tenant.create")
    for name, limits in (("alone", ""), ("threaded", "limits: {threads: 1}\n")):
        host.ask("connector.enable", name=os.path.join(hello(rig, declares=limits), "hello.yaml"), instance=name)
        for round in range(1, 4):
            wait_for(lambda: host.metric("sluice_operations_total", instance=f"demo/{name}", ending="ok") >= round, lambda: f"pull {round}: {host.ask('connector.list')}")
            host.ask("connector.run", instance=name)
    expect_equal(host.metric("sluice_worker_spawns_total", instance="demo/alone"), 1, "workers without threads")
    spawned, ended = (host.metric(f"sluice_{what}_total", instance="demo/threaded") for what in ("worker_spawns", "operations"))
    expect(spawned >= 3 and ended >= 3, f"{spawned} workers for {ended} operations with threads")


def test_room_of_the_host(rig):
    """of many that flood at once the host holds no more than it may: they wait for room, by that name, another tenant enables and goes on beside them, and everything arrives"""
    host = rig.host()
    path = os.path.join(host.folder, "sluice.yaml")
    with open(path, "w") as f:
        f.write(f"sluice: 1\nintake: {{bytes_max: {1 << 20}}}\n")
    host.options = ("--config", path)
    count, records, held = 12, 4_000, []
    manifest = os.path.join(Settings.programs, "plugins", "counter.yaml")
    config = os.path.join(host.folder, "loud.json")
    with open(config, "w") as f:
        json.dump({"records": records, "payload_bytes": 1000}, f)
    words = [("tenant", "create", tenant) for tenant in ("loud", "quiet")]
    words += [("connector", "enable", manifest, "--as", f"loud{number}", "--config", config, "--tenant", "loud") for number in range(count)]
    # Before the host runs, so that all of them begin with it: one after the other, each flood might be over when the next begins.
    for command in words:
        done = sluice(*command, "--data-dir", host.data)
        expect_equal(done.returncode, 0, f"exit of {command[:2]} ({done.stderr})")
    host.start()

    def waited():
        held.append(host.metric("sluice_intake_held_bytes", tenant="loud"))
        return sum(host.metric("sluice_wait_seconds_total", instance=f"loud/loud{n}", cause="intake_limit") for n in range(count))
    ended = threading.Event()
    rig.closing.append(ended.set)

    def look():
        with contextlib.suppress(OSError):
            while not ended.wait(0.01):
                waited()
    watcher = threading.Thread(target=look)
    watcher.start()
    wait_for(lambda: waited() > 0 and max(held) > 0, lambda: f"somebody holds records and waits for room: {max(held)} held", 60)
    begun = time.monotonic()
    host.ask("connector.enable", tenant="quiet", name=manifest, instance="quiet", config={"records": 5_000, "payload_bytes": 1000})
    wait_for(lambda: waited() and host.metric("sluice_records_total", instance="quiet/quiet") == 5_000, lambda: f"the quiet tenant's records: {host.metric('sluice_records_total', instance='quiet/quiet')}", 60)
    took = time.monotonic() - begun
    wait_for(lambda: waited() and all(host.metric("sluice_records_total", instance=f"loud/loud{n}") >= records for n in range(count)), "everything has come", 120)
    # The bound, and twice the largest record of each.
    most = (1 << 20) + count * 2 * 131_072
    ended.set()
    watcher.join()
    expect(max(held) <= most, f"{max(held)} bytes were held; {most} may be")
    wait_for(lambda: waited() and held[-1] == 0, lambda: f"nothing is held in the end: {held[-1]}", 60)
    return f"{waited():.1f} s of waiting for room, {max(held) / 1e6:.1f} MB held at most; a quiet tenant's 5 MB in {took:.1f} s"
