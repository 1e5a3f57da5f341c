"""The console as a browser, another site and a thief meet it."""
import html
import urllib.parse

from approval_tests import Clock, holding, settled, state_of
from rig import *
from secret_tests import findings


class Browser:
    """Keeps a cookie, reads forms, and says where it comes from."""

    def __init__(self, host):
        self.host = host
        self.address = host.address
        self.cookie = None

    def ask(self, method, path, body=None, headers=None, cookie=True):
        sent = {"Host": self.address, **({"Cookie": f"sluice_session={self.cookie}"} if cookie and self.cookie else {}), **(headers or {})}
        status, answered, data = request(self.address, method, path, body, sent)
        return status, answered, data.decode()

    def sign_in(self, path):
        status, headers, text = self.ask("GET", path, cookie=False)
        if status == 303:
            self.cookie = re.match(r"sluice_session=([0-9a-f]+);", headers["set-cookie"]).group(1)
        return status, headers, text

    def form(self, held, verb="approve"):
        """The fields of the form that the call's page offers."""
        status, _, text = self.ask("GET", f"/approvals/{held['id']}")
        expect_equal(status, 200, "the page of a held call")
        for form in re.findall(r"<form[^>]*>.*?</form>", text, re.S):
            fields = {html.unescape(n): html.unescape(v) for n, v in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', form)}
            if fields.get("answer") == verb:
                return fields
        raise AssertionError(f"no form to {verb} in {text[:2000]}")

    def send(self, held, fields, headers=None, cookie=True, kind="application/x-www-form-urlencoded"):
        body = urllib.parse.urlencode(fields)
        return self.ask("POST", f"/approvals/{held['id']}", body, {"Content-Type": kind, "Origin": f"http://{self.address}", **(headers or {})}, cookie)


def link(host, name="anna", *roles):
    """A new sign-in link, by the command line."""
    if name not in [row["user"] for row in host.ask("user.list")]:
        host.ask("user.create", name=name, roles=list(roles or ("approver",)))
    done = sluice("user", "link", name, "--json", "--data-dir", host.data)
    expect_equal(done.returncode, 0, f"exit of user link ({done.stderr})")
    return json.loads(done.stdout)["path"]


def test_sign_in_link(rig):
    """a sign-in link opens one session, once, within five minutes, for its user; looking at it does not spend it, and guesses open nothing"""
    clock = Clock(rig)
    scenario, _ = holding(rig, environment=clock.environment)
    browser, other = Browser(scenario.host), Browser(scenario.host)
    path = link(scenario.host)
    expect_equal(browser.ask("HEAD", path)[0], 401, "a look at the link")
    status, headers, _ = browser.sign_in(path)
    expect_equal(status, 303, "the link")
    for word in ("HttpOnly", "SameSite=Strict", "Path=/"):
        expect(word in headers["set-cookie"], f"no {word} in {headers['set-cookie'].split(';', 1)[1]}")
    expect_equal(browser.ask("GET", "/")[0], 200, "the first page")
    status, headers, _ = other.sign_in(path)
    expect_equal((status, "set-cookie" in headers), (401, False), "the link a second time")
    late, just = link(scenario.host), link(scenario.host)
    clock.put_forward(5 * 60 - 20)
    expect_equal(other.sign_in(just)[0], 303, "a link just in time")
    clock.put_forward(5 * 60 + 20)
    expect_equal(Browser(scenario.host).sign_in(late)[0], 401, "a link that is older than five minutes")
    expect_equal(browser.ask("GET", "/")[0], 200, "the session after five minutes")
    clock.put_forward(13 * 3600)
    expect_equal(browser.ask("GET", "/")[0], 401, "the session on the next day")
    for guess in ("0" * 64, "", path.split("=")[1][:-1], "%00", "../../x", "a" * 4000):
        expect_equal(Browser(scenario.host).sign_in(f"/sign-in?code={guess}")[0], 401, f"a guess: {guess[:20]}")
    expect_equal(Browser(scenario.host).ask("GET", "/approvals", headers={"Cookie": "sluice_session=" + "0" * 64})[0], 401, "a made-up session")


def test_links_and_sessions_are_written_nowhere(rig):
    """neither a sign-in code nor a session nor an API token stands in a log or a file of the data folder, used or not"""
    scenario, _ = holding(rig)
    browser = Browser(scenario.host)
    used, unused = link(scenario.host), link(scenario.host, "bert")
    browser.sign_in(used)
    browser.ask("GET", "/")
    browser.sign_in(used)
    token = scenario.host.ask("user.token", name="anna")["token"]
    request(scenario.host.address, "POST", "/api/v1/tenant.mode", '{"tenant":"demo","mode":"act"}', {"Authorization": "Bearer " + token, "Content-Type": "application/json"})
    secrets = [used.split("=")[1], unused.split("=")[1], browser.cookie, token]
    expect(all(len(secret) >= 60 for secret in secrets), "a code or session is short")
    expect_equal(findings(scenario.folder, secrets), [], "files that hold a code, a session or a token")
    scenario.host.stop()
    expect_equal(findings(scenario.folder, secrets), [], "files that hold one after the host has ended")


def test_forms_of_other_sites(rig):
    """a form from another site, without its token, with another session's, or of another kind approves nothing; the right one does, once"""
    scenario, (call, other, *_) = holding(rig)
    host = scenario.host
    anna, bert = Browser(host), Browser(host)
    anna.sign_in(link(host))
    bert.sign_in(link(host, "bert"))
    form = anna.form(call)
    evil = "http://evil.example"
    tries = {
        "another origin": anna.send(call, form, {"Origin": evil}), "no origin": anna.send(call, form, {"Origin": "null"}),
        "another site": anna.send(call, form, {"Sec-Fetch-Site": "cross-site"}), "a site beside": anna.send(call, form, {"Sec-Fetch-Site": "same-site"}),
        "no form token": anna.send(call, {k: v for k, v in form.items() if k != "form_token"}),
        "another session's token": anna.send(call, {**form, "form_token": bert.form(call)["form_token"]}),
        "no session": anna.send(call, form, cookie=False), "another kind of body": anna.send(call, form, kind="text/plain"),
        "another call's page": anna.send(other, form), "an answer that is none": anna.send(call, {**form, "answer": "maybe"}),
        "a request to read": anna.ask("GET", f"/approvals/{call['id']}?" + urllib.parse.urlencode(form)),
        "another method": anna.ask("PUT", f"/approvals/{call['id']}", urllib.parse.urlencode(form)),
        "another call's hash": anna.send(call, {**form, "call_hash": other["call_hash"]}),
    }
    expected = {"no session": 401, "another kind of body": 400, "another call's page": 400, "an answer that is none": 400, "a request to read": 200,
                "another method": 405, "another call's hash": 409}
    for name, (status, _, text) in tries.items():
        expect_equal(status, expected.get(name, 403), f"the answer to {name} ({text[-400:] if status != 200 else ''})")
    expect_equal([state_of(host, held) for held in (call, other)], ["pending", "pending"], "the calls")
    settled(scenario, 0)
    status, headers, _ = anna.send(call, {**form, "note": "Gut."})
    expect_equal((status, headers.get("location")), (303, f"/approvals/{call['id']}"), "the answer to the right form")
    settled(scenario, 1)
    status, _, text = anna.send(call, form)
    expect_equal((status, "approval.not_pending" in text), (409, True), "the same form again")
    expect_equal(bert.send(other, {**bert.form(other, "reject"), "note": "<script>alert(1)</script>"})[0], 303, "the answer to a no")
    for path in (f"/approvals/{other['id']}", "/actions", "/", "/decisions"):
        status, headers, text = anna.ask("GET", path)
        expect_equal((status, "<script" in text), (200, False), f"the page {path} after a hostile note")
    expect("default-src 'none'" in headers["content-security-policy"] and headers["x-frame-options"] == "DENY", f"{headers}")
    settled(scenario, 1)


def test_host_headers(rig):
    """pages, API and metrics are served under the host's own names only, so that another site's name cannot lead a browser to them"""
    scenario, _ = holding(rig)
    host = scenario.host
    browser = Browser(host)
    browser.sign_in(link(host))
    token = host.ask("user.token", name="anna")["token"]
    port = host.port
    for name in ("evil.example", f"evil.example:{port}", f"127.0.0.1.evil.example:{port}", "", f"127.0.0.1:{port}@evil.example", f"127.0.0.1:{port + 1}", "127.0.0.1"):
        for path, headers in (("/", {}), ("/metrics", {}), ("/api/v1/approval.list?tenant=demo", {"Authorization": "Bearer " + token})):
            if path == "/metrics" and re.fullmatch(r"127\.0\.0\.1(:\d+)?", name):
                continue  # an address, which nobody can make to point elsewhere
            status, _, text = browser.ask("GET", path, headers={**headers, "Host": name})
            expect(status in (421, 400) and "deal" not in text, f"{path} under the name {name!r}: {status} {text[:200]}")
    for name in (f"127.0.0.1:{port}", f"localhost:{port}"):
        expect_equal(browser.ask("GET", "/", headers={"Host": name})[0], 200, f"the first page under {name}")
    # Who only reads is offered no form, and may send none.
    carl = Browser(host)
    carl.sign_in(link(host, "carl", "auditor"))
    held = host.ask("approval.list")[0]
    status, _, text = carl.ask("GET", f"/approvals/{held['id']}")
    expect_equal((status, 'name="answer"' in text), (200, False), "the page for an auditor")
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', text)
    fields = {**browser.form(held), **({"form_token": token.group(1)} if token else {})}
    expect_equal(carl.send(held, fields)[0], 403, "an auditor's answer")
    expect_equal(state_of(host, held), "pending", "the call")
