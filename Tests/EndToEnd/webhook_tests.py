"""What reaches the webhook door and may not pass, and what passes twice and may not count twice."""
import base64
import hashlib
import hmac
import http.client
import ssl
import threading

from certificates import Authority, TLSFront, fingerprint
from connector_tests import hello
import hostile_tests as hostile
from rig import *


def signed(secret, body, identifier, timestamp=None):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    timestamp = str(int(time.time()) if timestamp is None else timestamp)
    mark = hmac.new(key, f"{identifier}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {"webhook-id": identifier, "webhook-timestamp": timestamp, "webhook-signature": "v1," + base64.b64encode(mark).decode(),
            "Content-Type": "application/json"}


def ready(rig, days=4):
    scenario = rig.scenario(mode="observe", world=("--seed", Settings.seed, "--opportunities", 80, "--days", days), hooks=False)
    scenario.start()
    scenario.process_day()
    return scenario


def post(scenario, headers, body, path=None):
    return request(scenario.host.address, "POST", path or scenario.hook_path, body, headers)


def announcement(scenario):
    deal = next(d for d in scenario.world.list("opportunities").values() if d.get("stage") == "Engaging")
    return deal, json.dumps({"type": "opportunity.changed", "data": deal}).encode()


def shape(answer):
    status, headers, body = answer
    return status, sorted(k for k in headers if k != "date"), body


def test_unidentified_deliveries_look_alike(rig):
    """a wrong signature, a missing header, an old or future timestamp and an unknown address get the very same 401, and nothing is kept"""
    scenario = ready(rig)
    secret = scenario.world.secrets["webhook_secret"]
    _, body = announcement(scenario)
    # Pulls may still be under way and bring entries of their own; a delivery would be one of another kind.
    good = signed(secret, body, "msg-1")
    other = "whsec_" + base64.b64encode(b"another secret of enough bytes!!").decode()
    answers = {
        "unknown address": post(scenario, good, body, "/hooks/" + "0" * 48),
        "no address": post(scenario, good, body, "/hooks/"),
        "another secret": post(scenario, signed(other, body, "msg-1"), body),
        "another body": post(scenario, good, body + b" "),
        "another id": post(scenario, {**good, "webhook-id": "msg-2"}, body),
        "an old timestamp": post(scenario, signed(secret, body, "msg-1", int(time.time()) - 301), body),
        "a future timestamp": post(scenario, signed(secret, body, "msg-1", int(time.time()) + 302), body),
        "a timestamp at the end of time": post(scenario, signed(secret, body, "msg-1", 9223372036854775807), body),
        "a timestamp in words": post(scenario, signed(secret, body, "msg-1", "yesterday"), body),
        "another version of signature": post(scenario, {**good, "webhook-signature": "v2," + good["webhook-signature"][3:]}, body),
        "an endless id": post(scenario, signed(secret, body, "m" * 300), body),
    }
    big = body + b" " * (300_000 - len(body))
    answers |= {"a large body for an unknown address": post(scenario, signed(secret, big, "msg-1"), big, "/hooks/" + "0" * 48),
                "a large body by another secret": post(scenario, signed(other, big, "msg-1"), big)}
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        answers[f"no {name}"] = post(scenario, {k: v for k, v in good.items() if k != name}, body)
    expected = shape(answers["another secret"])
    expect_equal((expected[0], expected[2]), (401, b""), "the answer to a wrong signature")
    for name, answer in answers.items():
        expect_equal(shape(answer), expected, f"the answer to {name}")
    expect_equal(scenario.host.entry_kinds().get("delivery", 0), 0, "deliveries in the journal after refused ones")
    huge = b" " * ((1 << 20) + 1)
    expect_equal(shape(post(scenario, good, huge)), shape(post(scenario, good, huge, "/hooks/" + "0" * 48)), "the answers to what no address takes")
    counted = sum(scenario.host.metric("sluice_deliveries_total", outcome=o) for o in ("wrong_signature", "missing_headers", "outside_window", "unknown_address"))
    expect_equal(counted, float(len(answers)), "refused deliveries that are counted")
    expect_equal(post(scenario, good, body)[0], 202, "the answer to the right delivery")
    expect_equal(scenario.host.entry_kinds().get("delivery", 0), 1, "deliveries in the journal after the right one")


def test_too_large_delivery(rig):
    """a rightly signed delivery beyond the manifest's size, and one beyond the door's, get 413; one of exactly that size is taken"""
    scenario = ready(rig)
    secret, limit = scenario.world.secrets["webhook_secret"], 262_144
    _, body = announcement(scenario)
    for number, (size, expected) in enumerate(((limit, 202), (limit + 1, 413), ((1 << 20) + 1, 413))):
        padded = body + b" " * (size - len(body))
        expect_equal(post(scenario, signed(secret, padded, f"msg-{number}"), padded)[0], expected, f"the answer to {size} bytes")
    scenario.run()
    expect_equal(scenario.host.versions(), sum(d["version"] for d in scenario.world.list("opportunities").values()), "versions taken in")


def test_replayed_delivery(rig):
    """a delivery sent ten times is taken ten times and counted once: signals and versions stay as they were"""
    scenario = ready(rig)
    host, secret = scenario.host, scenario.world.secrets["webhook_secret"]
    deal, body = announcement(scenario)
    before = (host.signals(), host.versions())
    duplicates = host.state.value("perception.count", "duplicates/crm/opportunities") or 0
    headers = signed(secret, body, "msg-1")
    for _ in range(10):
        expect_equal(post(scenario, headers, body)[0], 202, "the answer to a delivery")
    wait_for(lambda: not host.state.space("fabric.delivery"), lambda: f"the deliveries are dealt with: {host.ask('connector.list')}")
    expect(host.state.value("perception.count", "duplicates/crm/opportunities") >= duplicates + 10, "ten duplicates are counted")
    expect_equal((host.signals(), host.versions()), before, "signals and versions")
    scenario.run()
    scenario.check_records()


def test_hostile_bodies(rig):
    """rightly signed nonsense is answered, kept out of the state, and does not stop what follows"""
    scenario = ready(rig)
    host, secret = scenario.host, scenario.world.secrets["webhook_secret"]
    before = host.signals()
    for number, body in enumerate((b'{"type":"invoice.paid","data":{}}', b'{"type":"opportunity.changed","data":{"id":"X","version":1,"updated_at":"2999-01-01","stage":"Won"},"deep":'
                                   + b"[" * 40 + b"]" * 40 + b"}")):
        expect_equal(post(scenario, signed(secret, body, f"odd-{number}"), body)[0], 202, f"the answer to {body[:40]}")
    wait_for(lambda: not host.state.space("fabric.delivery"), lambda: f"the deliveries are dealt with: {host.ask('connector.list')}")
    wait_for(host.is_settled, "the host settles")
    expect_equal(host.signals(), before, "signals")
    scenario.run()
    records = {k for k in scenario.host.state.space("perception.entity") if k.startswith("opportunity/")}
    expect(records >= {"opportunity/" + i for i in scenario.world.list("opportunities")}, "records are missing")


def test_delivery_that_no_plugin_takes(rig):
    """a delivery that its plugin cannot take is a dead letter with the reason, stops nothing behind it, and is shown, replayed and dropped by hand"""
    scenario = ready(rig)
    host, secret = scenario.host, scenario.world.secrets["webhook_secret"]

    def letters():
        return [row for row in host.ask("deadletter.list") if row["id"].startswith("delivery-")]
    for number in range(2):
        expect_equal(post(scenario, signed(secret, b"no JSON", f"poison-{number}"), b"no JSON")[0], 202, "the answer")
    wait_for(lambda: len(letters()) == 2, lambda: f"both are dead letters: {host.ask('connector.list')}")
    expect_equal(host.metric("sluice_dead_letters", instance="demo/crm"), 2, "what the metric counts of the instance")
    first, second = letters()
    expect_equal((first["instance"], first["code"], bool(first["reason"])), ("crm", "fabric.delivery_failed", True), "the first letter")
    expect_equal(host.ask("deadletter.show", id=first["id"])["body"], "no JSON", "what was kept of it")
    host.ask("deadletter.replay", id=first["id"])
    wait_for(lambda: [row["id"] for row in letters()] == [first["id"], second["id"]] and not host.state.space("fabric.delivery"), "the first was tried again, and is back")
    for row in (first, second):
        host.ask("deadletter.drop", id=row["id"])
    expect_equal(letters(), [], "letters after they were dropped")
    scenario.run()
    scenario.check_sound()


def test_delivery_to_a_source_without_webhooks(rig):
    """a delivery to a connector whose library has no webhooks is a dead letter at once, and says so; it is not tried again and again"""
    folder = hello(rig, declares="webhook: {scheme: standard_webhooks, slot: hook, tolerance_ms: 300000, body_bytes_max: 65536}\n")
    secret, host = "whsec_" + base64.b64encode(b"a secret of enough bytes for this").decode(), rig.host()
    host.start()
    host.ask("tenant.create")
    host.ask("secret.set", instance="hello", slot="hook", value=secret)
    host.ask("connector.enable", name=os.path.join(folder, "hello.yaml"))
    path = host.ask("connector.hook", instance="hello")["path"]
    expect_equal(request(host.address, "POST", path, b"{}", signed(secret, b"{}", "msg-1"))[0], 202, "the answer to the delivery")

    def letters():
        return [row for row in host.ask("deadletter.list") if row["id"].startswith("delivery-")]
    wait_for(letters, lambda: f"a dead letter: {host.ask('connector.list')}")
    (letter,) = letters()
    expect_equal(letter["reason"], "The source takes no deliveries.", "its reason")
    expect("instance.delivery_retries" not in host.log_text(), "the delivery was tried again")


def test_largest_deliveries(rig):
    """a delivery of the largest size is kept whatever bytes it is made of, one byte more is refused as too large"""
    most = 768 << 10
    folder = hello(rig, declares=f"webhook: {{scheme: standard_webhooks, slot: hook, tolerance_ms: 300000, body_bytes_max: {most}}}\n")
    secret, host = "whsec_" + base64.b64encode(b"a secret of enough bytes for this").decode(), rig.host()
    host.start()
    host.ask("tenant.create")
    host.ask("secret.set", instance="hello", slot="hook", value=secret)
    host.ask("connector.enable", name=os.path.join(folder, "hello.yaml"))
    path = host.ask("connector.hook", instance="hello")["path"]
    bodies = (b'"' * most, b"\x01" * most, b"\xff" * most, b"x" * most, b'{"a":"' + b"\\n" * ((most - 8) // 2) + b'"}')
    for number, body in enumerate(bodies):
        expect_equal(request(host.address, "POST", path, body, signed(secret, body, f"msg-{number}"))[0], 202, f"the answer to a body of {body[:1]}")
    body = b"x" * (most + 1)
    expect_equal(request(host.address, "POST", path, body, signed(secret, body, "msg-more"))[0], 413, "the answer to one byte more")
    wait_for(lambda: len([row for row in host.ask("deadletter.list") if row["id"].startswith("delivery-")]) == len(bodies), lambda: f"each is kept: {host.ask('deadletter.list')}")
    check = host.ask("doctor.deep")
    expect_equal(check["same"], True, "the state of it")


def receiver(host, folder, name, scheme, secret, does="tell_delivery"):
    """An instance that tells what it sees of deliveries, or does something else with them. Returns where they are sent."""
    with open(os.path.join(folder, "hostile.yaml")) as f:
        text = f.read()
    with open(os.path.join(folder, name + ".yaml"), "w") as f:
        f.write(text + f"webhook: {{{scheme}slot: webhook, body_bytes_max: 65536}}\n")
    host.ask("connector.enable", name=os.path.join(folder, name + ".yaml"), instance=name, config={"attack": does})
    host.ask("secret.set", instance=name, slot="webhook", value=secret)
    return host.ask("connector.hook", instance=name)["path"]


def by_github(host, path, secret, body=b"{}"):
    """The status that a delivery gets which GitHub has signed."""
    mark = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return request(host.address, "POST", path, body, {"X-Hub-Signature-256": "sha256=" + mark})[0]


def test_door_that_closes(rig):
    """an address takes nothing once its secret is revoked, its connector is disabled, or is enabled anew without a webhook; and takes again what comes after a new secret, or once it is enabled as before"""
    host, folder = hostile.ready(rig)
    secret = "It's a Secret to Everybody"
    path = receiver(host, folder, "github", "scheme: github, ", secret)

    def answer():
        return by_github(host, path, secret)

    def enable(manifest):
        host.ask("connector.enable", name=os.path.join(folder, manifest + ".yaml"), instance="github", config={"attack": "tell_delivery"}, accept=True)
    expect_equal(answer(), 202, "the answer while all is well")
    host.ask("secret.revoke", instance="github", slot="webhook")
    expect_equal(answer(), 401, "the answer after the secret was revoked")
    host.ask("secret.set", instance="github", slot="webhook", value=secret)
    expect_equal(answer(), 202, "the answer after a secret was set again")
    host.ask("connector.disable", instance="github")
    expect_equal(answer(), 401, "the answer while the connector is disabled")
    host.ask("secret.set", instance="github", slot="webhook", value=secret)
    expect_equal(answer(), 401, "the answer after a secret was set for a disabled connector")
    enable("github")
    expect_equal(answer(), 202, "the answer once it is enabled again")
    host.ask("connector.pause", instance="github", reason="a look at it")
    expect_equal(answer(), 202, "the answer while it is only paused")
    enable("hostile")
    expect_equal(answer(), 401, "the answer under a manifest without a webhook")
    enable("github")
    expect_equal(answer(), 202, "the answer under one with it")


def test_backlog_of_deliveries(rig):
    """deliveries that wait for their plugin are counted with their age and named as the bottleneck; neither a pull nor a pause waits for the end of them, and none is lost"""
    host, folder = hostile.ready(rig)
    secret, count = "It's a Secret to Everybody", 40
    path = receiver(host, folder, "github", "scheme: github, ", secret, does="slow_delivery")
    waiting = lambda: host.metric("sluice_deliveries_waiting", instance="demo/github")
    pulls = lambda: host.metric("sluice_operations_total", instance="demo/github", kind="pull")
    host.ask("connector.pause", instance="github", reason="a look at it", drain=True)
    before = pulls()
    expect_equal([by_github(host, path, secret) for _ in range(count)], [202] * count, "answers while it pauses")
    wait_for(lambda: waiting() == count, lambda: f"all of them are counted as waiting: {waiting()}")
    row = next(row for row in host.ask("top")["instances"] if row["instance"] == "github")
    expect_equal(row["deliveries"]["waiting"], count, "deliveries that top counts")
    expect(0 < host.metric("sluice_deliveries_oldest_wait_timestamp_seconds", instance="demo/github") <= time.time(), "the first of them has its time")
    wait_for(lambda: host.ask("top")["bottleneck"]["kind"] == "backlog", lambda: f"the backlog is the bottleneck: {host.ask('top')['bottleneck']}", 20)
    told = host.ask("top")["bottleneck"]["sentence"]
    expect("github is paused" in told and f"{count} deliveries wait for it" in told, f"what it says: {told}")
    host.ask("connector.resume", instance="github")
    wait_for(lambda: pulls() > before, "a pull, which resume asks for")
    left = waiting()
    expect(0 < left < count, f"it came while deliveries waited, and after some of them: {left} of {count}")
    host.ask("connector.pause", instance="github", reason="another look", drain=True)
    expect_equal(hostile.states(host)["github"], "paused: another look", "its state once it is drained")
    left = waiting()
    expect(0 < left, "it paused while deliveries waited")
    expect_equal((host.ask("top")["instances"][0]["state"], waiting()), ("paused: another look", left), "what waits of a paused one")
    host.ask("connector.resume", instance="github")
    wait_for(lambda: waiting() == 0, lambda: f"all of them are received: {waiting()} wait", 60)
    expect_equal(host.metric("sluice_operations_total", instance="demo/github", kind="receive", ending="ok"), count, "deliveries that it was given")
    return f"{left:.0f} of {count} waited when it paused again"


def test_door_that_stays_open(rig):
    """an address takes every delivery while its connector is enabled anew, again and again; each is given to the plugin"""
    host, folder = hostile.ready(rig)
    secret = "It's a Secret to Everybody"
    path = receiver(host, folder, "github", "scheme: github, ", secret)
    answers, is_enough = [], threading.Event()

    def send():
        while not is_enough.is_set():
            answers.append(by_github(host, path, secret))
    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        for number in range(8):
            host.ask("connector.enable", name=os.path.join(folder, "github.yaml"), instance="github", config={"attack": "tell_delivery", "canary": str(number)})
            sent = len(answers)
            wait_for(lambda: len(answers) > sent, "a delivery is sent")
    finally:
        is_enough.set()
        sender.join()
    expect_equal(set(answers), {202}, f"answers to {len(answers)} deliveries")
    wait_for(lambda: not host.state.space("fabric.delivery"), lambda: f"the deliveries are dealt with: {host.ask('connector.list')}")
    expect_equal([row["id"] for row in host.ask("deadletter.list", limit=1000) if row["id"].startswith("delivery-")], [], "deliveries that are dead letters")
    expect_equal(host.entry_kinds()["delivery"], len(answers), "deliveries in the journal")
    return f"{len(answers)} deliveries"


def test_secret_that_is_replaced(rig):
    """while a webhook's secret is replaced its slot holds the old and the new one, a line each, up to four; a slot that a request uses takes no lines"""
    host, folder = hostile.ready(rig)
    path = receiver(host, folder, "github", "scheme: github, ", "the old one")

    def answers():
        return [by_github(host, path, secret) for secret in ("the old one", "the new one")]

    def store(value, slot="webhook"):
        done = sluice("secret", "set", "github", slot, "--data-dir", host.data, "--tenant", "demo", input=value)
        return "" if done.returncode == 0 else done.stderr
    expect_equal(answers(), [202, 401], "answers before")
    expect_equal(store("the old one\nthe new one\n"), "", "what storing both says")
    expect_equal(answers(), [202, 202], "answers while both count")
    expect_equal(store("the new one\n"), "", "what storing the new one says")
    expect_equal(answers(), [401, 202], "answers after")
    expect("secret.wrong_shape" in store("1\n2\n3\n4\n5\n"), "five lines are refused")
    expect("vault.unusable_secret" in store("a\x07b"), "a bell is refused")
    expect("secret.wrong_shape" in store("a\nX-Evil: 1", "main"), "two lines are refused where a request uses the slot")
    expect_equal(answers(), [401, 202], "answers in the end")


def test_schemes_that_need_the_operator(rig):
    """what signs its own address, and what only a proxy can see, is believed where the operator has said how, and refused everywhere else"""
    host, folder = hostile.ready(rig)
    client, body = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy", b'[{"eventId":1}]'
    fingerprint = hashlib.sha256(b"a certificate").hexdigest()
    hooks = {"hub": receiver(host, folder, "hub", "scheme: hubspot_v3, tolerance_ms: 300000, ", client),
             "mutual": receiver(host, folder, "mutual", "scheme: mtls, ", fingerprint)}

    def from_hubspot(base, query="?a=%2Fb"):
        stamp = str(int(time.time() * 1000))
        signed = f"POST{base}{hooks['hub']}{query.replace('%2F', '/')}".encode() + body + stamp.encode()
        mark = base64.b64encode(hmac.new(client.encode(), signed, hashlib.sha256).digest()).decode()
        return request(host.address, "POST", hooks["hub"] + query, body, {"x-hubspot-signature-v3": mark, "x-hubspot-request-timestamp": stamp})[0]

    def by_certificate(value, name="x-client-certificate"):
        return request(host.address, "POST", hooks["mutual"], body, {name: value})[0]
    for instance, code in (("hub", "ingress.no_public_url"), ("mutual", "ingress.no_proxy")):
        found = host.ask("connector.enable", name=os.path.join(folder, instance + ".yaml"), instance=instance, config={"attack": "tell_delivery"})["findings"]
        expect(len(found) == 1 and code in found[0], f"what enabling {instance} says: {found}")
    expect_equal((from_hubspot(f"http://{host.address}"), by_certificate(fingerprint)), (401, 401), "answers before the operator said anything")
    expect_equal([host.metric("sluice_deliveries_total", outcome=o) for o in ("no_public_url", "no_trusted_proxy")], [1.0, 1.0], "refusals by cause")
    host.stop()
    settings = os.path.join(rig.folder, "sluice.yaml")

    def restart(addresses):
        with open(settings, "w") as f:
            f.write(f"sluice: 1\npublic_url: https://other.example\nproxy: {{addresses: {addresses}, client_certificate_header: X-Client-Certificate}}\n")
        host.options = ("--config", settings, "--public-url", "https://sluice.example.com/in/")
        host.start()
    restart("[10.0.0.0/8, '::1']")
    expect_equal(by_certificate(fingerprint), 401, "the word of a stranger's proxy")
    host.stop()
    restart("[127.0.0.0/8]")
    expect_equal(from_hubspot("https://sluice.example.com/in"), 202, "the answer to HubSpot")
    expect_equal(from_hubspot("https://other.example"), 401, "the answer to who signs another address")
    expect_equal([by_certificate(v) for v in (fingerprint, fingerprint.upper(), hashlib.sha256(b"another").hexdigest(), fingerprint + ", " + fingerprint)],
                 [202, 202, 401, 401], "answers by certificate")
    expect_equal(by_certificate(fingerprint, "x-other"), 401, "the answer without the proxy's header")


def test_sender_with_a_certificate(rig):
    """behind a door that ends TLS a webhook is taken from the client whose certificate the slot names, and from no other, none, or one that only says so"""
    host, folder = hostile.ready(rig)
    authority = Authority(rig.path("certificates"))
    own, other = authority.signed("sender"), authority.signed("another")
    path = receiver(host, folder, "mutual", "scheme: mtls, ", fingerprint(own))
    host.stop()
    settings = os.path.join(rig.folder, "sluice.yaml")
    with open(settings, "w") as f:
        f.write("sluice: 1\nproxy: {addresses: [127.0.0.1], client_certificate_header: X-Client-Certificate}\n")
    host.options = ("--config", settings)
    host.start()

    def told(headers, certificate):
        # As the guide says: what a client sends under this name is taken away.
        headers = {k: v for k, v in headers.items() if k.lower() != "x-client-certificate"}
        return {**headers, **({"X-Client-Certificate": hashlib.sha256(certificate).hexdigest()} if certificate else {})}
    door = TLSFront(authority.context(ssl.CERT_OPTIONAL), host.address, told)
    rig.closing.append(door.close)

    def answer(certificate=None, headers=None):
        context = ssl.create_default_context(cafile=authority.certificate)
        if certificate:
            context.load_cert_chain(certificate)
        connection = http.client.HTTPSConnection("127.0.0.1", door.server_port, timeout=60, context=context)
        try:
            connection.request("POST", path, b'{"id":1}', headers or {})
            return connection.getresponse().status
        finally:
            connection.close()
    expect_equal([answer(own), answer(other), answer(), answer(other, {"X-Client-Certificate": fingerprint(own)})], [202, 401, 401, 401], "answers by certificate")
    expect_equal(host.entry_kinds().get("delivery"), 1, "deliveries that were kept")
    # One that the authority did not sign does not even reach the host.
    stranger = Authority(rig.path("elsewhere")).signed("stranger")
    before = len(door.seen)
    try:
        expect(answer(stranger) is None, "a stranger's certificate was let in")
    except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
        pass
    expect_equal(len(door.seen), before, "requests by a stranger's certificate")


def test_what_a_plugin_sees(rig):
    """a plugin sees of a delivery's request what its manifest declares, and nothing of what proves who sent it"""
    host, folder = hostile.ready(rig)
    path = receiver(host, folder, "github", "scheme: github, methods: [PUT, POST], headers: [X-GitHub-Event, X-Absent], query: [part, more], ", "It's a Secret to Everybody")
    body = b"Hello, World!"
    headers = {"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17", "X-GitHub-Event": "push", "X-Other": "unseen"}
    expect_equal(request(host.address, "PUT", path + "?part=a%2Fb&unseen=1&more=", body, headers)[0], 202, "the answer")
    wait_for(lambda: "PUT||part=a%2Fb&more=|x-github-event: push\"" in host.log_text(), lambda: f"the plugin told what it saw: {host.log_text()[-600:]}")
    expect_equal(request(host.address, "PATCH", path, body, headers)[0], 401, "the answer to a method that is not declared")
    expect_equal(request(host.address, "POST", path, body, {**headers, "X-GitHub-Event": "p" * 16384})[0], 413, "the answer to a header that is too long")
    plain = receiver(host, folder, "plain", "scheme: github, ", "It's a Secret to Everybody")
    expect_equal([request(host.address, m, plain + "?part=1", body, headers)[0] for m in ("PUT", "POST", "GET")], [401, 202, 405], "answers to one that declares nothing")
    wait_for(lambda: '"message":"||"' in host.log_text(), lambda: f"the plugin told what it saw: {host.log_text()[-600:]}")


def test_challenges(rig):
    """who asks whether an address is ours is answered by the manifest's template, signed where it says so, and everybody else as if there were no such address"""
    host, folder = hostile.ready(rig)
    secret = "8f742231b10e8888abcd99yyyzzz85a5"
    path = receiver(host, folder, "slack", """scheme: slack, tolerance_ms: 300000, challenges: [
      {when: {method: POST, body: {type: url_verification}}, signed: true, answer: {text: "{body.challenge}"}},
      {when: {method: GET, query: {hub.mode: subscribe}}, signed: false, token: {query: hub.verify_token, slot: verify}, answer: {text: "{query.hub.challenge}"}},
      {when: {method: POST, query: {validationToken: true}}, signed: false, answer: {json: {token: "{query.validationToken}"}}}], """, secret)

    def asked(body, key=secret):
        stamp = str(int(time.time()))
        mark = hmac.new(key.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
        return request(host.address, "POST", path, body, {"x-slack-request-timestamp": stamp, "x-slack-signature": "v0=" + mark})
    verification = b'{"token":"t","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}'
    status, headers, answer = asked(verification)
    expect_equal((status, headers["content-type"], headers["x-content-type-options"], answer),
                 (200, "text/plain; charset=utf-8", "nosniff", b"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"), "the answer to Slack's question")
    unknown = shape(request(host.address, "POST", "/hooks/" + "0" * 48, verification, {}))
    expect_equal(shape(asked(verification, "another secret")), unknown, "the answer to who only pretends to be Slack")
    expect_equal(shape(asked(verification.replace(b"3eZ", b"<b>"))), unknown, "the answer to a question with markup")
    subscribe = path + "?hub.mode=subscribe&hub.challenge=115520&hub.verify_token="
    nobody = shape(request(host.address, "GET", "/hooks/" + "0" * 48))
    expect_equal(shape(request(host.address, "GET", subscribe + "anything")), nobody, "the answer before the token is stored")
    host.ask("secret.set", instance="slack", slot="verify", value="a token of our own")
    expect_equal([request(host.address, "GET", subscribe + v)[::2] for v in ("a%20token+of%20our%20own", "another")], [(200, b"115520"), (405, b"")], "answers to the token")
    expect_equal(request(host.address, "POST", path + "?validationToken=Validation%3A+x", b"")[::2], (200, b'{"token":"Validation: x"}'), "the answer to an unsigned question")
    expect_equal(shape(request(host.address, "POST", path + "?validationToken=" + "v" * 1025, b"")), unknown, "the answer to an endless question")
    expect_equal(shape(request(host.address, "GET", path)), nobody, "the answer to a look")
    expect_equal(host.entry_kinds().get("delivery", 0), 0, "deliveries that questions became")
    expect_equal(host.metric("sluice_deliveries_total", outcome="challenge"), 3.0, "questions that were answered")
    expect_equal(asked(b'{"type":"event_callback","event_id":"Ev1"}')[0], 202, "the answer to an event")


def test_routes(rig):
    """what comes to one address goes to the instances whose route it matches; what matches none is counted and listed, and taken by a later route; removed routes leave it to its own"""
    host, folder = hostile.ready(rig)
    secret = "a secret of our own"
    path = receiver(host, folder, "front", "scheme: github, headers: [X-GitHub-Event], ", secret)
    for name in ("sales", "audit"):
        receiver(host, folder, name, "scheme: github, headers: [X-GitHub-Event], ", secret)
    rules = os.path.join(rig.folder, "rules")
    for name in ("policies", "playbooks"):
        shutil.copytree(os.path.join(PROJECT, name), os.path.join(rules, name))

    def apply(text=None):
        routes = os.path.join(rules, "routes.yaml")
        if text is None:
            os.remove(routes)
        else:
            with open(routes, "w") as f:
                f.write("sluice: 1\nroutes:\n" + text)
        done = sluice("apply", "-f", rules, "--yes", "--data-dir", host.data, "--tenant", "demo", "--json")
        return done.stderr if done.returncode else {row["kind"]: row["change"] for row in json.loads(done.stdout)}.get("routes")

    def send(body, event):
        mark = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        expect_equal(request(host.address, "POST", path, body, {"X-Hub-Signature-256": "sha256=" + mark, "X-GitHub-Event": event})[0], 202, f"the answer to {event}")

    def taken(name):
        return host.metric("sluice_operations_total", instance=f"demo/{name}", kind="receive", ending="ok")

    def letters():
        return {(row["instance"], row["code"]): row["id"] for row in host.ask("deadletter.list") if row["id"].startswith("delivery-")}
    expect("routes[0].pattern.body.amount[0].numeric" in apply("  - {hook: front, to: [sales], pattern: {body: {amount: [{numeric: [like, 5]}]}}}\n"), "a wrong pattern is named")
    expect_equal(apply("""  - {hook: front, to: [sales, audit], pattern: {body: {amount: [{numeric: [">", 100]}]}}}
  - {hook: front, to: [audit, absent], pattern: {headers: {x-github-event: [{prefix: audit}]}}}
"""), "added", "what apply says of the routes")
    send(b'{"amount": 500}', "push")
    wait_for(lambda: (taken("sales"), taken("audit")) == (1, 1), lambda: f"both took it: {host.ask('connector.list')}")
    send(b'{"amount": 5}', "audit.login")
    wait_for(lambda: taken("audit") == 2, "audit took what is its own")
    send(b'{"amount": 5}', "push")
    wait_for(lambda: len(letters()) == 2, lambda: f"both are listed: {letters()}")
    found = letters()
    expect_equal(set(found), {("front", "fabric.unrouted"), ("absent", "fabric.no_receiver")}, "dead letters")
    wait_for(lambda: [host.metric("sluice_deliveries_total", outcome=o) for o in ("unrouted", "no_receiver")] == [1.0, 1.0], "they are counted by cause")
    expect_equal((taken("front"), taken("sales")), (0, 1), "deliveries taken by others")
    expect_equal(host.ask("deadletter.show", id=found["front", "fabric.unrouted"])["body"], '{"amount": 5}', "what was kept")
    host.kill()
    host.start()
    expect_equal(letters(), found, "dead letters after a restart")
    expect_equal(apply("  - {hook: front, to: [sales], pattern: {body: {amount: [{exists: true}]}}}\n"), "changed", "what apply says of other routes")
    absent = host.ask("deadletter.replay", id=found["absent", "fabric.no_receiver"])
    expect_equal((absent["taken"], absent["given_to"], absent["left"]), (False, [], [found["absent", "fabric.no_receiver"]]), "where a letter went that nobody takes")
    expect("absent, which is no source that is enabled" in absent["reason"] and absent["remedy"], f"why: {absent}")
    again = host.ask("deadletter.replay", id=found["front", "fabric.unrouted"])
    expect_equal((again["given_to"], again["left"], again["reason"]), (["sales"], [], None), "where the other one went")
    wait_for(lambda: taken("sales") == 1 and len(letters()) == 1, lambda: f"the letter is taken: {letters()}")
    host.ask("deadletter.drop", id=found["absent", "fabric.no_receiver"])
    expect_equal((letters(), apply()), ({}, "removed"), "letters left, and what apply says of no routes")
    send(b'{"amount": 5}', "push")
    wait_for(lambda: taken("front") == 1, "the address is its instance's own again")
    expect_equal(sluice("doctor", "--deep", "--data-dir", host.data, "--tenant", "demo").returncode, 0, "exit of doctor --deep")
