"""What an upstream is asked: how much, by whom in turn, and how soon after it had enough."""
import threading
import urllib.parse

from rig import *
from scenario import plugins
from serving import Handler, Serving

DAY = "2023-01-02"


class Upstream:
    """A CRM whose lists never end. It keeps when and by which base path it is asked, and answers as it is told."""

    def __init__(self, answer_ms=5):
        self.answer_ms = answer_ms
        self.refusals = {}  # how many requests of a base path are answered 429 still
        self.asked = []  # (monotonic seconds, base path)
        self.open = self.most_open = 0
        self.lock = threading.Lock()
        upstream = self

        class Lists(Handler):
            def do_GET(self):
                base = self.path.split("/")[1]
                with upstream.lock:
                    upstream.asked.append((time.monotonic(), base))
                    upstream.open += 1
                    upstream.most_open = max(upstream.most_open, upstream.open)
                    refused = upstream.refusals.get(base, 0)
                    upstream.refusals[base] = max(0, refused - 1)
                time.sleep(upstream.answer_ms / 1000)  # how long this upstream takes to answer: nobody waits for an event here
                status, body = (429, b"{}") if refused else (200, upstream.page(self.path))
                with upstream.lock:
                    upstream.open -= 1
                self.answer(status, body, Content_Type="application/json")
        self.server = Serving(Lists)
        self.url = self.server.url

    @staticmethod
    def page(path):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
        last = f"{int(query.get('after_id', ['0'])[0]) + 1:010}"
        return json.dumps({"items": [], "next": {"updated_at": DAY, "id": last, "after_id": last}, "as_of": DAY}).encode()

    def between(self, begin, end):
        with self.lock:
            return [(at, base) for at, base in self.asked if begin <= at < end]

    def close(self):
        self.server.close()


def jain(shares):
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))


def most_in_a_second(times):
    first = most = 0
    for last, at in enumerate(times):
        while at - times[first] >= 1:
            first += 1
        most = max(most, last - first + 1)
    return most


def flood(rig, upstream, tenants, **limits):
    """A host on which each tenant has so many instances, all with one credential; each tenant is known by its base path."""
    rig.closing.append(upstream.close)
    host = rig.host()
    host.start()
    folder = plugins(host.folder, crm=("requests_per_second: 50\n  request_burst: 100\n  concurrency: 2",
                                       "requests_per_second: {rate}\n  request_burst: {burst}\n  concurrency: {places}".format(**limits)))
    for tenant, count in tenants.items():
        host.ask("tenant.create", tenant=tenant)
        for number in range(count):
            name = f"crm{number}"
            host.ask("secret.set", tenant=tenant, instance=name, slot="api", value="one-token-for-all-of-them")
            host.ask("secret.set", tenant=tenant, instance=name, slot="webhook", value="whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            host.ask("connector.enable", tenant=tenant, name=os.path.join(folder, "crm.yaml"), instance=name,
                     endpoints={"crm": f"{upstream.url}/{tenant}"}, allow_private=True)
    asks = lambda tenant, number: host.metric("sluice_requests_total", instance=f"{tenant}/crm{number}") > 0
    wait_for(lambda: all(asks(tenant, number) for tenant, count in tenants.items() for number in range(count)), "every instance asks")
    return host


def watched(upstream, seconds):
    """What is asked in so many seconds."""
    begin = time.monotonic()
    wait_for(lambda: time.monotonic() >= begin + seconds, "the time is over", seconds + 10, 0.05)
    return upstream.between(begin, begin + seconds)


def test_flooding_tenant(rig):
    """of two tenants that share a credential one floods with five instances: the other keeps its half, and together they ask no more than the rate"""
    upstream = Upstream()
    rate, burst, seconds = 20, 4, 6
    host = flood(rig, upstream, {"loud": 5, "quiet": 1}, rate=rate, burst=burst, places=4)
    asked = watched(upstream, seconds)
    by = {tenant: sum(base == tenant for _, base in asked) for tenant in ("loud", "quiet")}
    index = jain(list(by.values()))
    expect(index >= 0.95, f"Jain's index is {index:.3f}: {by}")
    times = [at for at, _ in upstream.between(0, time.monotonic())]
    expect(most_in_a_second(times) <= rate + burst + 2, f"{most_in_a_second(times)} requests in one second")
    expect(0.85 * rate * seconds <= len(asked) <= rate * seconds + burst + 2, f"{len(asked)} requests in {seconds} s")
    expect(upstream.most_open <= 4, f"{upstream.most_open} requests at once")
    expect(host.metric("sluice_throttle_queued", instance="loud/crm0") + host.metric("sluice_throttle_in_flight", instance="loud/crm0") <= 2, "what is seen of one instance")
    return f"{by}, Jain {index:.4f}; asked {rate}/s, observed {len(asked) / seconds:.2f}/s"


def test_too_many_requests(rig):
    """429 halves what is asked at once, of the tenant that was told so and of nobody else, and it recovers"""
    upstream = Upstream(answer_ms=40)
    host = flood(rig, upstream, {"told": 6, "other": 2}, rate=500, burst=500, places=8)
    limits = lambda: [host.metric("sluice_throttle_limit", instance=f"told/crm{number}") for number in range(6)]
    halvings = lambda tenant: sum(value for key, value in host.metrics().items()
                                  if key.startswith("sluice_throttle_halvings_total") and 'cause="too_many"' in key and f'"{tenant}/' in key)
    # Six ask one at a time each, so the limit grows to 7 at most.
    wait_for(lambda: min(limits()) >= 4, lambda: f"the limit grows: {limits()}")
    with upstream.lock:
        upstream.refusals["told"] = 1
    # Who was told 429 rests for a second, and shows until then what the limit was after it.
    wait_for(lambda: halvings("told") == 1 and min(limits()) <= 3, lambda: f"the limit is halved: {limits()}")
    halved = min(limits())
    wait_for(lambda: min(limits()) >= 4, lambda: f"the limit is back: {limits()}")
    expect_equal((halvings("told"), halvings("other")), (1, 0), "halvings of the tenant that was told, and of the other")
    return f"halved to {halved:.0f}, then {limits()}"


def test_action_passes_a_flood(rig):
    """an action passes a flood of pulls by the same credential: it waits for a turn, the pulls wait for each other"""
    rate = "requests_per_second: 10\n  request_burst: 2\n  concurrency: 4"
    scenario = rig.scenario(mode="act", world=("--seed", Settings.seed, "--opportunities", 80, "--days", 3), manifests={
        "crm": ("requests_per_second: 50\n  request_burst: 100\n  concurrency: 2", rate),
        "crm_actions": ("  response_bytes_max: 1048576", "  response_bytes_max: 1048576\n  " + rate)})
    scenario.start()
    host = scenario.host
    host.ask("tenant.create", tenant="loud")
    names = [f"crm{number}" for number in range(4)]
    for name in names:
        host.ask("secret.set", tenant="loud", instance=name, slot="api", value=scenario.world.secrets["token"])
        host.ask("secret.set", tenant="loud", instance=name, slot="webhook", value=scenario.world.secrets["webhook_secret"])
        host.ask("connector.enable", tenant="loud", name=os.path.join(scenario.plugins, "crm.yaml"), instance=name,
                 endpoints={"crm": scenario.world.url}, allow_private=True, config={"page_size": 1})

    def done():
        for name in names:
            host.ask("connector.run", tenant="loud", instance=name)
        return host.metric("sluice_effects_total", outcome="done", tenant="demo") >= 4
    host.ask("connector.run", instance="crm")
    wait_for(done, "actions are done amid the flood", 90, 0.2)

    def mean(*instances):
        waited = sum(host.metric("sluice_wait_seconds_total", instance=i, cause="throttled") for i in instances)
        return waited / sum(host.metric("sluice_requests_total", instance=i) for i in instances)
    action, pulls = mean("demo/crm-actions"), mean(*(f"loud/{name}" for name in names))
    expect(action <= 0.4 and pulls >= 2 * action, f"an action's request waits {action:.3f} s, a pull's {pulls:.3f} s")
    return f"an action's request waits {action:.3f} s, a pull's {pulls:.3f} s"


def test_top_names_the_bottleneck(rig):
    """`sluice top` sorts by rate, wait or age, and one sentence of it, as of the console's page, names what holds all up and why"""
    from console_tests import signed_in
    upstream = Upstream()
    host = flood(rig, upstream, {"demo": 3}, rate=1, burst=1, places=4)
    # The other two wait in line for seconds now.
    oldest = lambda: [row["throttle"]["oldest_wait_ms"] or 0 for row in host.ask("top")["instances"]]
    wait_for(lambda: max(oldest()) >= 1200, lambda: f"a request waits: {oldest()}")
    for order in ("rate", "wait", "credit", "drops", "age"):
        done = sluice("top", "--once", "--sort", order, "--data-dir", host.data)
        expect_equal(done.returncode, 0, f"exit of top --sort {order} ({done.stderr})")
        sentence = next((line for line in done.stdout.splitlines() if line.startswith("The bottleneck is the request budget of crm")), "")
        expect("the rate that its limits allow" in sentence, f"top --sort {order} says: {done.stdout}")
    ages = [float(age) for age in re.findall(r" ([0-9.]+) s  ", done.stdout)]
    expect(len(ages) >= 2 and ages == sorted(ages, reverse=True), f"ages of top --sort age: {done.stdout}")
    cookie = signed_in(host)
    page = lambda: request(host.address, "GET", "/flow", headers={"Host": host.address, "Cookie": cookie})[2].decode()
    named = re.compile("The bottleneck is the request budget of crm[^.]*, since its requests reach the rate that its limits allow")
    wait_for(lambda: named.search(page()), "the page names the bottleneck")
    return sentence
