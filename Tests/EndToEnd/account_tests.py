"""In mode act, every version of every deal in the world is accounted for: it is stored, or nobody could have read it."""
from rig import *
from serving import Handler, Serving


class Postman:
    """Stands between the world's webhooks and the host, and keeps which versions were announced."""

    def __init__(self, rig, target):
        self.delivered = delivered = set()

        class Door(Handler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    status, _, _ = request(target, "POST", self.path, body, {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")})
                except OSError:
                    status = 503
                if status == 202:
                    data = json.loads(body)["data"]
                    delivered.add((data["id"], data["version"]))
                self.answer(status)
        self.server = Serving(Door)
        self.url = self.server.url
        rig.closing.append(self.server.close)


def written(world):
    """deal and version → the effect of ours that made it, by the world's record."""
    ours = {}
    for effect in world.effects():
        if effect["method"] == "PATCH" and effect["status"] == 200 and effect["subject"]["stream"] == "opportunities":
            place = (effect["subject"]["id"], effect["subject"]["version"])
            expect(place not in ours, f"two effects made the version {place}")
            ours[place] = effect
    return ours


def stored_versions(host):
    """deal → the versions that are stored, each with the permit of the write of ours that it is."""
    found = {}
    for key, row in host.state.space("perception.version").items():
        instance, stream, deal, ordinal = key.split("/")
        if stream == "opportunities":
            found.setdefault(deal, {})[int(ordinal)] = row.get("linked_permit")
    return found


def test_every_version_is_accounted_for(rig):
    """with half of the webhooks lost, each version that is missing here was written by an effect of ours, overwritten unread, and announced to nobody"""
    scenario = rig.scenario(mode="act", page_size=50, hooks=False,
                            world=("--seed", Settings.seed, "--opportunities", 120, "--days", 8, "--webhook-loss", "0.5"))
    scenario.start()
    host, world = scenario.host, scenario.world
    postman = Postman(rig, host.address)
    world.control("POST", "webhooks", {"url": postman.url + scenario.hook_path})
    judge, touched = Judge(host), {}
    while not world.finished:
        scenario.process_day()
        judge.answer_all()
        wait_for(lambda: host.is_settled() and not host.queued() and host.is_quiet(), "the day's answers are done", 30)
        # Somebody changes what we have just changed: half of these versions of ours can be read by nobody.
        for deal in sorted({deal for deal, _ in written(world) if deal not in touched})[:3]:
            touched[deal] = world.list("opportunities")[deal]["version"] + 1
            world.edit({"stream": "opportunities", "id": deal, "set": {"expected_close_date": "2031-03-01"}})
        world.close_day()
    scenario.catch_up()
    deals, stored = world.list("opportunities"), stored_versions(host)
    ours = written(world)
    missing = [(deal, n) for deal, record in deals.items() for n in range(1, record["version"] + 1) if n not in stored.get(deal, {})]
    surplus = [(deal, n) for deal, versions in stored.items() for n in versions if n > deals[deal]["version"]]
    expect_equal(surplus, [], "stored versions that the world never had")
    for deal, n in missing:
        # What somebody wrote behind the day's pull may in turn be overwritten when the next day opens.
        expect((deal, n) in ours or touched.get(deal) == n, f"version {n} of {deal} is missing, and no effect of ours made it: stored {sorted(stored.get(deal, {}))}, {deals[deal]}")
        expect((deal, n) not in postman.delivered, f"version {n} of {deal} is missing, though its webhook was acknowledged")
        expect(n < deals[deal]["version"], f"version {n} of {deal} is missing, though it can still be read")
    # And the other way round: what was announced or can be read is here, and nothing but that is counted.
    total = sum(record["version"] for record in deals.values())
    expect_equal(host.versions(), total - len(missing), "versions that are counted as stored")
    linked = {place for place in ours if stored.get(place[0], {}).get(place[1])}
    expect(ours.keys() & set(missing) and len(ours) >= 5 and linked, f"{len(linked)} of {len(ours)} writes of ours came back as ours: the test tells nothing")
    permits = {record["start"]["permit"]: key for key, record in host.permits().items()}
    for place in linked:
        expect_equal(permits.get(stored[place[0]][place[1]]), ours[place]["key"], f"the effect that version {place} is linked to")
    scenario.check_effects()
    return f"{total} versions in the world, {len(ours)} of them ours; {len(missing)} could be read by nobody: {short(missing, 200)}"


class Judge:
    """A person who approves everything at once."""

    def __init__(self, host):
        host.ask("user.create", name="anna", roles=["approver"])
        self.host, self.token = host, host.ask("user.token", name="anna")["token"]

    def answer_all(self):
        for held in self.host.ask("approval.list"):
            body = json.dumps({"tenant": self.host.tenant, "id": held["id"], "call_hash": held["call_hash"]})
            status, _, answer = request(self.host.address, "POST", "/api/v1/approval.approve", body, {"Authorization": "Bearer " + self.token, "Content-Type": "application/json"})
            expect(status in (200, 409), f"the answer to an approval: {status} {answer}")


def test_what_a_terminal_would_obey(rig):
    """what the CRM's people write reaches a terminal as text: no escape, no other direction, no line of its own"""
    data = rig.generate("data", 3, opportunities=60, days=4)
    with open(os.path.join(data, "accounts.csv"), encoding="utf-8") as f:
        old = f.read().splitlines()[1].split(",")[0]
    new = f"{old}\x1b]0;owned\x07\x1b[31m\u202e\x9b2J"
    for name in os.listdir(data):
        path = os.path.join(data, name)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace(old, new))
    scenario = rig.scenario(world=("--data", data))
    scenario.start()
    scenario.run()
    seen = 0
    for words in (("account", "show", new), ("account", "show", old + "?"), ("signal", "list", "--limit", "1000"), ("decision", "list", "--limit", "1000"), ("deadletter", "list"), ("top", "--once")):
        done = sluice(*words, "--data-dir", scenario.host.data)
        said = done.stdout + done.stderr
        found = [character for character in said if character != "\n" and (ord(character) < 32 or 127 <= ord(character) < 160 or character in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068")]
        expect_equal(found, [], f"characters that a terminal obeys in the answer to {words[0]} {words[1]}")
        seen += said.count("\\u{1b}")
    expect(seen, "the name was never printed")


def test_account_as_of(rig):
    """an account is shown to people as lines, to programs as JSON, as of a day or moment, and as far as it was known then; reads are answered and logged, writes refused"""
    scenario = rig.scenario(world=("--seed", Settings.seed, "--opportunities", 60, "--days", 4), hooks=False)
    scenario.start()
    first = scenario.world.day
    before = time.time()
    scenario.run(2)
    host = scenario.host
    accounts = scenario.world.list("accounts")
    name = next(iter(accounts.values()))["name"]

    def show(*words):
        return sluice("account", "show", name, *words, "--data-dir", host.data, "--tenant", host.tenant)
    page = show()
    expect_equal(page.returncode, 0, f"exit of account show ({page.stderr})")
    expect(page.stdout.startswith(name) and "Open deals: " in page.stdout and "{" not in page.stdout, f"the page: {page.stdout[:400]}")
    now = json.loads(show("--json").stdout)
    by_day, by_moment = (json.loads(show("--as-of", text, "--json").stdout) for text in (first, first + "T15:30:00Z"))
    expect_equal(by_day, by_moment, "what held on a day, and at a moment of it")
    expect_equal(by_day["asOf"]["day"], first, "the day that it is of")
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))
    known = json.loads(show("--known-at", later, "--json").stdout)
    expect_equal({**known, "asOf": None}, {**now, "asOf": None}, "what is known by now")
    early = show("--known-at", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(before - 3600)))
    expect_equal((early.returncode, "world.unknown" in early.stderr), (1, True), f"what was known before anything came ({early.stdout}{early.stderr})")
    expect("command.bad_day" in show("--known-at", "yesterday").stderr, "a time that is none")
    deal = next(iter(scenario.world.list("opportunities")))

    def call(tool, arguments):
        return sluice("tool", "call", tool, "--arguments", arguments, "--json", "--data-dir", host.data, "--tenant", host.tenant)
    read = call("world.deal", json.dumps({"opportunity": deal}))
    expect_equal(read.returncode, 0, f"exit of tool call ({read.stderr})")
    expect_equal((json.loads(read.stdout)["label"], json.loads(read.stdout)["content"]["id"]), ("untrusted", deal), "the answer of a read")
    expect(deal in host.log_text() and "tool.read" in host.log_text(), "the read is in no log")
    expect("tool.arguments_refused" in call("world.deal", "{}").stderr, "arguments that do not fit")
    expect("tool.unknown" in call("world.nothing", "{}").stderr, "a tool that is not there")
    scenario.world.finished = True
