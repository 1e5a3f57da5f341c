"""Credentials of every scheme on their way out, tokens that end and rotate, and an operator's proxy."""
import base64
import hashlib
import hmac
import http.server
import ssl
import threading
import urllib.parse

import hostile_tests
from certificates import Authority, TLSFront
from rig import *
from secret_tests import CANARY, findings, forms, memory_holds
from upstream_tests import LIST, done_well, finish_writing, outcomes

TOKEN = "POST /oauth/token"
REFRESH = "scheme: oauth2_refresh_token\n    token: {endpoint: crm, path: /oauth/token}\n    client_auth: body\n    endpoint: crm"
CLIENT = "scheme: oauth2_client_credentials\n    token: {endpoint: crm, path: /oauth/token}\n    client_auth: basic\n    scopes: [crm.read]\n    endpoint: crm"


def oauth(rig, slot=REFRESH, name="s", days=3, start=True, mode="observe", crash=None, expires_in=3600):
    """A scenario whose source has its slot by OAuth; with mode act its executor too, by a client of the same kind."""
    actions = slot.replace("\n    ", ", ").replace(": crm,", ": crm,")
    scenario = rig.scenario(name, mode=mode, world=("--seed", Settings.seed, "--opportunities", 80, "--days", days),
                            manifests={"crm": ("scheme: bearer\n    endpoint: crm", slot), "crm_actions": ("scheme: bearer, endpoint: crm", actions)})
    scenario.world.control("POST", "tokens", {"expires_in": expires_in})
    keys = scenario.world.secrets
    client = {"client_id": keys["client_id"], "client_secret": keys["client_secret"]}
    if slot is REFRESH:
        client["refresh_token"] = keys["refresh_token"]
    # `set_up` stores what a bearer slot needs: here it is the client instead.
    keys["static"], keys["token"] = keys["token"], json.dumps(client)
    lists = scenario.world.list
    scenario.world.list = lambda stream: past_the_slot(scenario.world, lists, stream)
    if start:
        scenario.start(crash)
    return scenario


def past_the_slot(world, lists, stream):
    """The test reads by the token that never ends."""
    kept, world.secrets["token"] = world.secrets["token"], world.secrets["static"]
    try:
        return lists(stream)
    finally:
        world.secrets["token"] = kept


def tokens(scenario):
    return scenario.world.control("GET", "status")["tokens"]


def made_tokens(count=12):
    """The world derives its tokens from its seed, in the order in which it makes them."""
    return [f"{kind}_" + hashlib.sha256(f"sluice-world/{Settings.seed}/{kind}/{n}".encode()).hexdigest()[:40] for kind in ("access", "refresh") for n in range(1, count + 1)]


def test_client_credentials(rig):
    """a token by client credentials is asked for once, serves every stream, is renewed once it has ended, and stands nowhere"""
    scenario = oauth(rig, CLIENT, days=3)
    scenario.process_day()
    expect_equal(tokens(scenario), {"given": 1, "refused": 0, "reused": 0}, "tokens after the first day")
    scenario.world.control("POST", "tokens", {"expire": True})
    scenario.world.close_day()
    scenario.process_day()
    expect_equal(tokens(scenario)["given"], 2, "tokens after the first one was ended")
    expect_equal(scenario.host.metric("sluice_requests_total", status="401"), 1, "requests that were refused")
    done_well(scenario)
    expect_equal(findings(scenario.folder, [scenario.world.secrets["client_secret"], *made_tokens()]), [], "files that hold a token or the client's secret")
    expect_equal(scenario.host.metric("sluice_tokens_total", ending="given"), tokens(scenario)["given"], "tokens counted")


def test_token_before_its_end(rig):
    """a token is renewed shortly before its end, so that no request is refused for it"""
    scenario = oauth(rig, CLIENT, days=4, expires_in=1)
    for _ in range(3):
        scenario.process_day()
        last = made_tokens()[tokens(scenario)["given"] - 1]
        wait_for(lambda: request(scenario.world.address, "GET", "/api/v1/reps", headers={"Authorization": "Bearer " + last})[0] == 401, "the token has ended")
        scenario.world.close_day()
    expect(tokens(scenario)["given"] >= 3, f"{tokens(scenario)}")
    expect_equal(scenario.host.metric("sluice_requests_total", status="401"), 0, "requests that were refused")


def test_rotation_over_a_restart(rig):
    """rotated refresh tokens are kept over kills and restarts, and none is shown twice"""
    scenario = oauth(rig, days=5)
    for number in range(4):
        scenario.process_day()
        scenario.world.control("POST", "tokens", {"expire": True})
        scenario.world.close_day()
        if number % 2:
            scenario.host.kill()
            scenario.host.start()
            scenario.set_up()
    done_well(scenario)
    seen = tokens(scenario)
    expect(seen["given"] >= 5 and seen["reused"] == seen["refused"] == 0, f"{seen}")
    expect_equal(findings(scenario.folder, [scenario.world.secrets["client_secret"], *made_tokens()]), [], "files that hold a token")


def test_death_after_a_rotation_is_kept(rig):
    """a host that dies once a rotated token is durable has not used what came with it, and the next one goes on with the rotated one"""
    scenario = oauth(rig, start=False)
    scenario.rules()
    before = scenario.world.control("GET", "status")["requests"]["total"]
    scenario.host.start("token.after_kept:1")
    with contextlib.suppress(HostDied):
        scenario.set_up()
        wait_for(lambda: not scenario.host.alive(), "the host dies")
    scenario.host.process.wait(10)
    status = scenario.world.control("GET", "status")
    expect_equal((status["tokens"]["given"], status["requests"]["total"] - before), (1, 0), "tokens given, and requests of the host")
    scenario.start()
    scenario.process_day()
    done_well(scenario)
    expect_equal(tokens(scenario)["reused"], 0, "refresh tokens shown twice")


def test_death_before_a_rotation_is_kept(rig):
    """a host that dies between a rotation and its durability cannot know the new token: the upstream takes the old one for stolen, the connector is parked and says what to do, and goes on once that is done"""
    scenario = oauth(rig, start=False)
    scenario.host.start("token.before_kept:1")
    with contextlib.suppress(HostDied):
        scenario.set_up()
        wait_for(lambda: not scenario.host.alive(), "the host dies")
    scenario.host.process.wait(10)
    scenario.start()
    state = scenario.wait_parked("invalid_grant", "sluice secret set crm api", "sluice connector resume crm")
    expect_equal(tokens(scenario)["reused"], 1, "refresh tokens shown twice")
    authorize(scenario)
    scenario.process_day()
    done_well(scenario)
    return state


def authorize(scenario):
    """A person consents again, and an operator stores what that gave."""
    client = json.loads(scenario.world.secrets["token"])
    client["refresh_token"] = scenario.world.control("POST", "tokens", {"authorize": True})["refresh_token"]
    scenario.world.secrets["token"] = json.dumps(client)
    done = subprocess.run([program("sluice"), "secret", "set", "crm", "api", "--data-dir", scenario.host.data, "--tenant", "demo"],
                          input=json.dumps(client), text=True, capture_output=True, cwd=PROJECT)
    expect_equal(done.returncode, 0, f"exit of secret set ({done.stderr})")


def test_revoked_grant_parks(rig):
    """a revoked grant parks the connector with what to do; nothing is asked again until that is done; then nothing is missing"""
    scenario = oauth(rig)
    scenario.process_day()
    scenario.world.control("POST", "tokens", {"revoke": True})
    scenario.world.close_day()
    scenario.host.ask("connector.run", instance="crm")
    scenario.wait_parked("credential", "invalid_grant", "sluice secret set crm api")
    before = scenario.host.metric("sluice_requests_total")
    expect_equal(scenario.host.reply("connector.run", instance="crm").get("error", {}).get("code"), "connector.rests", "a pull of a parked connector")
    expect(scenario.connector().startswith("parked"), "it stays parked")
    expect_equal(scenario.host.metric("sluice_requests_total"), before, "requests of a parked connector")
    authorize(scenario)
    done_well(scenario)


def test_token_endpoint_fails(rig):
    """a token endpoint that is slow, fails, or answers nonsense costs time, which is counted as waiting for a token, and loses nothing"""
    scenario = oauth(rig, CLIENT, days=7)
    # Only a new day makes sure that a pull is still to come.
    scenario.process_day()
    scenario.world.close_day()
    for fault in ({"kind": "status", "status": 503}, {"kind": "garbage"}, {"kind": "cut_before_apply"}, {"kind": "slow_ms", "slow_ms": 700}):
        # In this order: a round of pulls may still be under way, and asks for a token at once.
        scenario.world.faults({"match": TOKEN, **fault})
        scenario.world.control("POST", "tokens", {"expire": True})
        scenario.process_day()
        (met,) = scenario.world.control("GET", "status")["faults"]
        expect_equal(met["fired"], 1, f"times that {fault} was met")
        scenario.world.close_day()
    waited = scenario.host.metric("sluice_wait_seconds_total", instance="demo/crm", cause="token")
    expect(waited >= 0.7, f"waited {waited} s for tokens")
    scenario.world.faults()
    done_well(scenario)
    return f"{waited:.1f} s"


def test_write_with_an_ended_token(rig):
    """a write that is refused with 401 is sent again once, with a new token and the same key; its permit is spent once, and it happens once"""
    scenario = oauth(rig, CLIENT, mode="act", start=False)
    # Two in a row at the first task: the second refusal is the upstream's word.
    scenario.world.faults({"match": "PATCH /api/v1/", "kind": "status", "status": 401, "times": 1}, {"match": "POST /api/v1/tasks", "kind": "status", "status": 401, "times": 2})
    scenario.start()
    scenario.host.ask("connector.run", instance="crm")
    # The second refusal is the upstream's word on the credential: nothing more is asked until somebody has seen to it.
    parked(scenario)
    effects = len(scenario.world.effects())
    scenario.host.ask("connector.resume", instance="crm-actions")
    wait_for(lambda: len(scenario.world.effects()) > effects and all(row["state"] == "done" for row in scenario.host.ask("action.list")), lambda: f"every call is done: {outcomes(scenario)}", 60)
    faults = scenario.world.control("GET", "status")["faults"]
    expect_equal([f["fired"] for f in faults], [1, 2], "refusals that were met")
    seen = outcomes(scenario)
    # What was refused twice was not applied: it is not asked after, and started anew; nothing else is.
    expect(seen["not_started"] == 1 and seen["unknown"] == 0 and seen["rejected"] == 0 and seen["done"] >= 2, f"outcomes: {seen}")
    expect_equal(sorted(p["tries"] for p in scenario.host.permits().values())[-2:], [1, 2], "the most starts of a call")
    expect_equal([e for e in scenario.world.effects() if e["replays"]], [], "effects that were sent again")
    finish_writing(scenario)
    return f"{seen}"


def test_write_whose_token_cannot_be_renewed(rig):
    """a write that is refused with 401, and for which there is no other token, was not applied: its executor is parked, nothing is asked after, and it is done once with a new grant"""
    scenario = oauth(rig, CLIENT, mode="act", days=4)
    scenario.process_day()
    expect(outcomes(scenario)["done"], "nothing was written: the executor holds no token")
    before = outcomes(scenario)
    # The source goes on by the token that it holds.
    scenario.world.faults({"match": "PATCH /api/v1/", "kind": "status", "status": 401, "times": 0}, {"match": "POST /api/v1/tasks", "kind": "status", "status": 401, "times": 0},
                          {"match": TOKEN, "kind": "status", "status": 401, "times": 0})
    scenario.world.close_day()
    scenario.host.ask("connector.run", instance="crm")
    reason = parked(scenario)
    expect("token.refused" in scenario.host.log_text() and "credential" in reason, f"the reason: {reason}")
    wait_for(lambda: outcomes(scenario)["not_started"] == before["not_started"] + 1, lambda: f"one call is held up: {outcomes(scenario)}")
    expect_equal(outcomes(scenario)["unknown"], before["unknown"], "unknown effects")
    expect_equal(scenario.host.metric("sluice_operations_total", kind="probe"), 0, "questions after an effect")
    scenario.world.faults()
    # Written otherwise, it is another secret to the host, which asks with it at once.
    another = json.dumps(json.loads(scenario.world.secrets["token"]), separators=(",", ":"))
    scenario.host.ask("secret.set", instance="crm-actions", slot="api", value=another)
    scenario.host.ask("connector.run", instance="crm")
    wait_for(lambda: all(row["state"] == "done" for row in scenario.host.ask("action.list")), lambda: f"every call is done: {outcomes(scenario)}", 60)
    expect_equal([e for e in scenario.world.effects() if e["replays"]], [], "effects that were sent again")
    finish_writing(scenario)
    return f"{outcomes(scenario)}"


def parked(scenario):
    """Why the executor is parked."""
    def state():
        return next(row["state"] for row in scenario.host.ask("connector.list") if row["instance"] == "crm-actions")
    wait_for(lambda: state().startswith("parked: "), lambda: f"the executor is parked: {state()}", 30)
    expect_equal(scenario.host.metric("sluice_instances_parked", instance="demo/crm-actions"), 1, "the gauge of what is parked")
    return state()


def test_refused_client_of_an_executor(rig):
    """an executor whose client is refused is parked with what to do: its calls wait and fail not, the upstream is not asked for each, and with a new secret all are done once"""
    scenario = oauth(rig, CLIENT, mode="act", start=False)
    scenario.start()
    host = scenario.host
    wrong = json.dumps({"client_id": "me", "client_secret": CANARY})
    host.ask("secret.set", instance="crm-actions", slot="api", value=wrong)
    host.ask("connector.run", instance="crm")
    states = lambda: [row["state"] for row in host.ask("action.list")]
    parked(scenario)
    wait_for(lambda: len(states()) >= 5, lambda: f"calls: {states()}")
    # More often than a call may be tried: who resumes it without a new secret only learns the same.
    for _ in range(5):
        reason = parked(scenario)
        expect("credential" in reason and "sluice secret set crm-actions api" in reason, f"the reason: {reason}")
        host.ask("connector.resume", instance="crm-actions")
    parked(scenario)
    expect(len(states()) >= 5 and set(states()) == {"queued"}, f"calls of a parked executor: {states()}")
    expect_equal(scenario.world.effects(), [], "effects")
    refused = tokens(scenario)["refused"]
    expect(1 <= refused <= 7, f"{tokens(scenario)} for {len(states())} calls")
    expect_equal(findings(scenario.folder, [CANARY]), [], "files that hold the client's secret")
    # Nobody resumes it.
    host.ask("secret.set", instance="crm-actions", slot="api", value=scenario.world.secrets["token"])
    expect_equal(host.metric("sluice_instances_parked", instance="demo/crm-actions"), 0, "the gauge after the new secret")
    expect_equal(host.log_text().count("instance.tries_again"), 1, "times that it is said")
    wait_for(lambda: set(states()) == {"done"}, lambda: f"every call is done: {outcomes(scenario)}, {states()}", 120)
    expect_equal([e for e in scenario.world.effects() if e["replays"]], [], "effects that were sent again")
    return f"{len(states())} calls, {refused} refusals"


class Upstream(hostile_tests.Echo):
    """Gives back everything that it is sent, raw and rendered, and keeps it."""
    kept = []

    def do_GET(self):
        Upstream.kept.append((self.path, dict(self.headers)))
        values = [self.path, urllib.parse.unquote(self.path), *self.headers.values()]
        if self.headers.get("Authorization", "").endswith(RENEWED_ACCESS):
            values.append(RENEWED)
        for value in list(values):
            bare = value.split(" ", 1)[-1]
            values += [bare, json.dumps(bare), urllib.parse.quote(bare, safe=""), base64.b64encode(bare.encode()).decode(), bare.encode().hex()]
        told = "\n".join(values).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        for name, value in self.headers.items():
            self.send_header("X-Echo-" + name, value)
        self.end_headers()
        self.wfile.write(told)

    def do_POST(self):
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        given = {"access_token": RENEWED_ACCESS, "refresh_token": RENEWED} if b"refresh_token" in asked else {"access_token": ACCESS}
        told = json.dumps({**given, "expires_in": 60}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)


def signed_by_hmac(path, headers):
    text = f"{headers['X-Time']}\nGET\n{path}".encode()
    expect_equal(headers["X-Signature"], "v1=" + hmac.new(CANARY.encode(), text, hashlib.sha256).hexdigest(), "the signature")
    return headers["X-Signature"][3:]


def signed_for_aws(path, headers):
    """As the AWS documentation computes it, by other code than the host's."""
    day = headers["X-Amz-Date"][:8]
    scope = f"{day}/eu-west-1/execute-api/aws4_request"
    names = ["host", "x-amz-date", "x-amz-security-token"]
    given = {k.lower(): v for k, v in headers.items()}
    canonical = "\n".join(["GET", path, "", *(f"{n}:{given[n]}" for n in names), "", ";".join(names), hashlib.sha256(b"").hexdigest()])
    key = ("AWS4" + CANARY).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = f"AWS4-HMAC-SHA256\n{headers['X-Amz-Date']}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    expect_equal(headers["Authorization"], f"AWS4-HMAC-SHA256 Credential=AKID/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}", "the signature")
    return signature


def bearing(expected):
    def check(path, headers):
        expect_equal(headers["Authorization"], expected, "Authorization")
        return CANARY
    return check


SESSION = "session/" + CANARY[::-1]
ACCESS, RENEWED_ACCESS, RENEWED = (f"{kind}-" + hashlib.sha256((kind + CANARY).encode()).hexdigest() for kind in ("at", "rat", "rt"))
# scheme → what the manifest says, the secret, and what must have arrived; gives what must not come back.
SCHEMES = {
    "bearer": ("", CANARY, bearing("Bearer " + CANARY)),
    "basic": ("", "user:" + CANARY, bearing("Basic " + base64.b64encode(f"user:{CANARY}".encode()).decode())),
    "header": (", header: X-Key", CANARY, lambda path, headers: expect_equal(headers["X-Key"], CANARY, "X-Key")),
    "query": (", parameter: api_key", CANARY, lambda path, headers: expect_equal(path, "/echo?api_key=" + urllib.parse.quote(CANARY, safe=""), "the path")),
    "hmac": (', algorithm: sha256, sign: "{timestamp}\\n{method}\\n{path}", encoding: hex, header: X-Signature, prefix: "v1=", timestamp_header: X-Time', CANARY, signed_by_hmac),
    "sigv4": (", service: execute-api, region: eu-west-1", json.dumps({"access_key_id": "AKID", "secret_access_key": CANARY, "session_token": SESSION}), signed_for_aws),
    "oauth2_client_credentials": (", token: {endpoint: api, path: /token}, client_auth: body", json.dumps({"client_id": "me", "client_secret": CANARY}), bearing("Bearer " + ACCESS)),
    # What came back once is given back as often as one likes: the refresh token that rotated.
    "oauth2_refresh_token": (", token: {endpoint: api, path: /token}, client_auth: body", json.dumps({"client_id": "me", "refresh_token": CANARY}), bearing("Bearer " + RENEWED_ACCESS)),
}


def test_schemes_on_the_wire(rig):
    """each scheme puts on the wire what its upstream checks; and an upstream that gives all of it back, raw and rendered, gives a leaking plugin nothing"""
    host, folder = hostile_tests.ready(rig)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rig.closing.append(server.shutdown)
    secrets = [CANARY, SESSION, ACCESS, RENEWED_ACCESS, RENEWED]
    for scheme, (keys, secret, check) in SCHEMES.items():
        Upstream.kept.clear()
        instance = "s-" + scheme.replace("_", "-")
        with open(os.path.join(folder, "hostile.yaml")) as f:
            text = f.read().replace("main: {scheme: bearer, endpoint: api}", f"main: {{scheme: {scheme}, endpoint: api{keys}}}")
        expect(scheme in text, "the manifest has the scheme")
        path = os.path.join(folder, instance + ".yaml")
        with open(path, "w") as f:
            f.write(text)
        host.ask("secret.set", instance=instance, slot="main", value=secret)
        answer = host.ask("connector.enable", name=path, instance=instance, config={"attack": "leak_secret"}, endpoints={"api": f"http://127.0.0.1:{server.server_port}"}, allow_private=True)
        expect("findings" not in answer, f"{scheme}: {answer}")
        wait_for(lambda: host.metric("sluice_records_total", instance=f"demo/{instance}") >= 1, lambda: f"{scheme} leaks what it got: {hostile_tests.states(host)}")
        path, headers = Upstream.kept[0]
        found = check(path, headers)
        secrets += [found] if isinstance(found, str) else []
    host.ask("ledger.publish")
    expect("hostile.leak" in host.log_text(), "nothing was echoed: the test tells nothing")
    expect_equal(findings(rig.folder, secrets), [], "files that hold a secret, a token or a signature")
    return f"{len(SCHEMES)} schemes, {len(set(secrets))} values"


def test_secret_of_another_shape(rig):
    """a secret that its slot's scheme can do nothing with is refused when it is stored, named when the connector is enabled, and never sent"""
    host, folder = hostile_tests.ready(rig)
    path, injected = os.path.join(folder, "hostile.yaml"), "{" + CANARY + "\r\nX-Evil: 1"
    host.ask("secret.set", instance="early", slot="main", value=injected)
    answer = host.ask("connector.enable", name=path, instance="early", config={"attack": "leak_secret"})
    expect("secret.wrong_shape" in json.dumps(answer["findings"]), f"{answer}")
    # This plugin hides it: it is logged by the host, whatever a plugin says.
    wait_for(lambda: hostile_tests.ended(host, "early") >= 1, lambda: f"it has run: {hostile_tests.states(host)}")
    expect('"secret.wrong_shape"' in host.log_text() and "one line" in host.log_text(), "the log names it and says what is wanted")
    expect_equal(host.metric("sluice_requests_total"), 0, "requests that left")
    reply = host.reply("secret.set", instance="early", slot="main", value=injected)
    expect_equal(reply["error"]["code"], "secret.wrong_shape", "refusal of a secret of two lines")
    expect_equal(findings(rig.folder, [CANARY]), [], "files that hold it")


class Proxy:
    """Leads to what it is asked for, or to where it is told instead, who has the login; keeps what it is asked."""

    def __init__(self, login, instead=None):
        self.asked = []
        self.instead = instead
        self.wanted = "Basic " + base64.b64encode(login.encode()).decode()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, client):
        with contextlib.suppress(OSError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                part = client.recv(1)
                if not part:
                    return
                head += part
            self.asked.append(head.decode())
            if self.wanted not in head.decode():
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            host, port = head.split()[1].decode().rsplit(":", 1)
            upstream = socket.create_connection(self.instead or (host.strip("[]"), int(port)))
            client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            threading.Thread(target=self.copy, args=(upstream, client), daemon=True).start()
            self.copy(client, upstream)

    @staticmethod
    def copy(source, target):
        with contextlib.suppress(OSError):
            while part := source.recv(1 << 16):
                target.sendall(part)
            target.shutdown(socket.SHUT_WR)


def test_proxy(rig):
    """everything of an instance goes through its operator's proxy, which sees addresses and its own login and no credential; the environment's proxies count for nothing"""
    login = "sluice:proxy/" + CANARY
    proxy = Proxy(login)
    rig.closing.append(proxy.listener.close)
    scenario = rig.scenario(world=("--seed", Settings.seed, "--opportunities", 80, "--days", 3))
    scenario.host.start(environment={"http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1", "no_proxy": "127.0.0.1"})
    scenario.set_up()
    scenario.process_day()
    expect_equal(proxy.asked, [], "what the proxy was asked before it was chosen")
    scenario.world.close_day()
    host = scenario.host

    def enable(url):
        return host.reply("connector.enable", name=os.path.join(scenario.plugins, "crm.yaml"), instance="crm", endpoints={"crm": scenario.world.url}, allow_private=True,
                          replay=True, config={"page_size": 200}, proxy=url)
    for bad in ("127.0.0.1:3128", "socks5://127.0.0.1:1080", f"http://user:{CANARY}@127.0.0.1:3128", "http://127.0.0.1:3128/path"):
        reply = enable(bad)
        expect_equal(reply["error"]["code"], "connector.bad_proxy", f"refusal of {bad}")
        expect(CANARY not in json.dumps(reply), "the refusal repeats a login")
    expect("result" in enable(f"http://127.0.0.1:{proxy.port}"), "the proxy is taken")
    host.ask("connector.run", instance="crm")
    scenario.wait_parked("407", "sluice secret set INSTANCE proxy")
    host.ask("secret.set", instance="crm", slot="proxy", value=login)
    scenario.process_day()
    done_well(scenario)
    expect(all(head.startswith(f"CONNECT {scenario.world.address} HTTP/1.1") for head in proxy.asked), f"{proxy.asked[:2]}")
    expect(any(proxy.wanted in head for head in proxy.asked), "the login was never shown")
    expect(not any(form.decode(errors="replace") in head for head in proxy.asked for form in forms(scenario.world.secrets["token"])), "the proxy saw the credential")
    expect_equal(host.ask("connector.list")[0]["proxy"], f"http://127.0.0.1:{proxy.port}", "the proxy that is shown")
    expect_equal(findings(scenario.folder, [CANARY, login]), [], "files that hold the proxy's login")
    return f"{len(proxy.asked)} tunnels"


def test_proxy_of_the_host(rig):
    """a proxy that is set once leads every connector to public addresses; what is private, what no_proxy names and what has a proxy of its own, or none, goes past it; its login stands in a file of its own"""
    login = "sluice:host/" + CANARY
    scenario = rig.scenario(world=("--seed", Settings.seed, "--opportunities", 80, "--days", 4))
    here = scenario.world.address.rsplit(":", 1)
    proxy, own = Proxy(login, instead=(here[0], int(here[1]))), Proxy("", instead=(here[0], int(here[1])))
    own.wanted = ""
    for each in (proxy, own):
        rig.closing.append(each.listener.close)
    # An address of no private range, where nobody answers: the proxy leads to the world instead.
    away = f"http://192.88.99.1:{here[1]}"
    settings, secret = os.path.join(rig.folder, "sluice.yaml"), os.path.join(rig.folder, "proxy-login")

    def write(lines, words=login, mode=0o400):
        if os.path.exists(secret):
            os.remove(secret)
        with open(secret, "w", opener=lambda path, flags: os.open(path, flags, mode)) as f:
            f.write(words + "\n")
        with open(settings, "w") as f:
            f.write("sluice: 1\negress:\n" + "".join(f"  {line}\n" for line in lines))

    def doctor():
        found = sluice("doctor", "--config", settings, "--json")
        return found.returncode, found.stdout + found.stderr
    lines = [f"proxy_url: http://127.0.0.1:{proxy.port}", f"proxy_login_file: {secret}", "no_proxy: [elsewhere.example, 10.0.0.0/8]"]
    for wrong, key in ((lines[:1] + ["proxy_login_file: login"], "egress.proxy_login_file"), (lines[1:], "egress.proxy_login_file"),
                       ([f"proxy_url: http://u:{CANARY}@127.0.0.1:1"], "egress.proxy_url"), (lines[:2] + ["no_proxy: ['10.0.0.0/64']"], "egress.no_proxy[0]")):
        write(wrong)
        code, text = doctor()
        expect(code == 1 and key in text and "sluice.yaml:" in text and CANARY not in text, f"what is said of {key}: {text}")
    for words, mode in ((login, 0o444), ("nocolon", 0o400)):
        write(lines, words, mode)
        code, text = doctor()
        expect(code == 1 and "egress.proxy_login_file" in text and words not in text, f"what is said of a login {mode:o}: {text}")
    write(lines)
    code, text = doctor()
    expect(code == 0 and f"http://127.0.0.1:{proxy.port}" in text and CANARY not in text, f"what the settings come to: {text}")

    host = scenario.host
    host.options = ("--config", settings)
    scenario.start()
    scenario.process_day()
    expect_equal(proxy.asked, [], "what the proxy was asked for a private address")

    def enable(base, **more):
        host.ask("connector.enable", name=os.path.join(scenario.plugins, "crm.yaml"), instance="crm", endpoints={"crm": base}, allow_private=True,
                 replay=True, config={"page_size": 200}, **more)
        scenario.world.close_day()
        host.ask("connector.run", instance="crm")
    enable(away)
    scenario.process_day()
    expect(proxy.asked and all(head.startswith(f"CONNECT 192.88.99.1:{here[1]} HTTP/1.1") and proxy.wanted in head for head in proxy.asked), f"{proxy.asked[:2]}")
    count = len(proxy.asked)
    enable(away, proxy=f"http://127.0.0.1:{own.port}")
    scenario.process_day()
    expect(own.asked, "its own proxy was not asked")
    enable(scenario.world.url, proxy="none")
    expect_equal(host.ask("connector.list")[0]["proxy"], "none", "the proxy that is shown")
    scenario.process_day()
    done_well(scenario)
    expect_equal(len(proxy.asked), count, "tunnels of the host's proxy after that")
    expect_equal(findings(scenario.folder, [CANARY, login]), [], "files that hold the login")
    expect(CANARY not in host.log_text(), "the log holds the login")
    return f"{count} tunnels"


def by_certificate(rig, version=None, mode="act"):
    """A host and a world whose connectors are asked for a client's certificate, by an authority that the settings name."""
    authority = Authority(rig.path("certificates"))
    scenario = rig.scenario(mode=mode, world=("--seed", Settings.seed, "--opportunities", 80, "--days", 4),
                            manifests={"crm": ("scheme: bearer\n    endpoint: crm", "scheme: mtls\n    endpoint: crm"),
                                       "crm_actions": ("scheme: bearer, endpoint: crm", "scheme: mtls, endpoint: crm")})
    token = scenario.world.secrets["token"]
    front = TLSFront(authority.context(ssl.CERT_REQUIRED, version), scenario.world.address, lambda headers, _: {**headers, "Authorization": "Bearer " + token})
    rig.closing.append(front.close)
    scenario.rules()
    scenario.world.url = front.url
    settings = os.path.join(rig.folder, "sluice.yaml")
    with open(settings, "w") as f:
        f.write(f"sluice: 1\negress:\n  ca_file: {authority.certificate}\n")
    scenario.host.options = ("--config", settings)
    return authority, scenario, front, token


def text_of(path):
    with open(path) as f:
        return f.read()


def key_lines(path):
    """The lines of a private key that nobody else has."""
    return [line for line in text_of(path).split("PRIVATE KEY-----")[1].split("\n") if len(line) > 30]


def test_client_certificate(rig):
    """an endpoint that asks for the client's certificate is read and written with the slot's; its key is in no file, log, metric or worker, and an authority that nobody named is not believed"""
    authority, scenario, front, token = by_certificate(rig)
    own = authority.signed("sluice")
    host = scenario.host
    scenario.world.secrets["token"] = text_of(own)
    scenario.start()
    scenario.process_day()
    workers = host.workers()
    expect(workers, "no worker runs: the test tells nothing")
    keys = key_lines(own)
    expect(keys and not [pid for pid in workers if memory_holds(pid, keys)], "a worker's memory holds the key")
    scenario.world.close_day()
    scenario.process_day()
    scenario.world.secrets["token"] = token
    scenario.catch_up()
    scenario.check_records()
    expect(scenario.check_effects(), "nothing was written")
    expect({method for method, _, _ in front.seen} >= {"GET", "POST"}, f"what came: {set(m for m, _, _ in front.seen)}")
    with open(own) as f:
        mine = ssl.PEM_cert_to_DER_cert(f.read().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n")
    expect(all(shown == mine for _, _, shown in front.seen), "another certificate came")
    expect_equal(findings(scenario.folder, keys), [], "files that hold the key")
    _, _, metrics = request(host.address, "GET", "/metrics")
    expect(not [line for line in keys if line.encode() in metrics or line in host.log_text()], "metrics or log hold the key")
    # Without its authority the same upstream is nobody.
    host.stop()
    host.options = ()
    host.start()
    host.ask("connector.run", instance="crm")
    wait_for(lambda: "egress.tls" in host.log_text() or "did not prove who it is" in scenario.connector(), lambda: f"the authority is missed: {scenario.connector()}")
    return f"{len(front.seen)} requests"


def test_client_certificate_that_is_refused(rig):
    """a client's certificate that the upstream does not take is named as that, under TLS 1.2 and 1.3; the connector rests until there is another one, and then goes on"""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with Rig() as inner:
            authority, scenario, front, token = by_certificate(inner, version, mode="observe")
            stranger, own = Authority(inner.path("elsewhere")).signed("stranger"), authority.signed("sluice")
            scenario.world.secrets["token"] = text_of(stranger)
            host = scenario.host
            scenario.start()
            host.ask("connector.run", instance="crm")
            state = scenario.wait_parked("certificate", "sluice secret set")
            expect_equal(front.seen, [], f"what came through with a stranger's certificate ({version.name})")
            # Under TLS 1.3 the upstream's word may have been lost with the first one: then it was asked for it by a second.
            expect(1 <= front.connections <= (2 if version == ssl.TLSVersion.TLSv1_3 else 1), f"{front.connections} connections ({version.name})")
            expect_equal(host.metric("sluice_retries_total", instance="demo/crm"), 0, f"operations that were tried again ({version.name})")
            expect("egress.certificate_refused" in host.log_text() or "egress.certificate_refused" in state, f"the code is told: {state}")
            keys = key_lines(stranger)
            expect_equal(findings(scenario.folder, keys), [], "files that hold the stranger's key")
            expect(not [line for line in keys if line in state or line in host.log_text()], "the key is told")
            scenario.world.secrets["token"] = token
            host.ask("secret.set", instance="crm", slot="api", value=text_of(own))
            scenario.process_day()
            expect(front.seen, "nothing came with the right one")


def test_token_through_a_proxy(rig):
    """a token endpoint behind a proxy that refuses the host's login is named for what it is, at once, and not asked again until an operator has stored the right one"""
    login = "sluice:right"
    proxy = Proxy(login)
    rig.closing.append(proxy.listener.close)
    scenario = oauth(rig, days=3)
    scenario.process_day()
    host = scenario.host
    host.ask("connector.enable", name=os.path.join(scenario.plugins, "crm.yaml"), instance="crm", endpoints={"crm": scenario.world.url}, allow_private=True,
             replay=True, config={"page_size": 200}, proxy=f"http://127.0.0.1:{proxy.port}")
    host.ask("secret.set", instance="crm", slot="proxy", value="sluice:wrong")
    scenario.world.close_day()
    # The one that is held in memory ends with the host.
    host.stop()
    before = len(proxy.asked)
    host.start()
    host.ask("connector.run", instance="crm")
    state = scenario.wait_parked("407", "sluice secret set INSTANCE proxy")
    expect("token.unreachable" not in state, f"the token endpoint is blamed: {state}")
    expect_equal(len(proxy.asked) - before, 1, f"times that the proxy was asked: {state}")
    host.ask("secret.set", instance="crm", slot="proxy", value=login)
    scenario.process_day()
    done_well(scenario)


def test_stop_while_a_token_is_on_its_way(rig):
    """a host that is told to stop while its upstream rotates a refresh token waits for it and keeps it; the next one goes on with it"""
    scenario = oauth(rig, days=3, start=False)
    world = scenario.world
    world.faults({"match": TOKEN, "kind": "slow_ms", "slow_ms": 1_500})
    scenario.start()
    wait_for(lambda: world.control("GET", "status")["faults"][0]["fired"] == 1, "the upstream is asked for a token")
    expect_equal(scenario.host.stop(), 0, "the exit of the host")
    expect_equal(tokens(scenario)["given"], 1, "tokens given")
    world.faults()
    scenario.start()
    scenario.process_day()
    done_well(scenario)
    expect_equal(tokens(scenario)["reused"], 0, "refresh tokens shown twice")
