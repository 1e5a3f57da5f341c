"""The console over a real run: each page shows what there is, and asks the host for nothing that it does not answer."""
import html
import html.parser
import threading

from plugin_tests import Gauge
from rig import *
from upgrade_tests import Station, readings

PAGES = ("/", "/approvals", "/decisions", "/signals", "/actions", "/flow", "/ledger")


class Tables(html.parser.HTMLParser):
    """Every table of a page: its columns and rows; and the terms of its lists of facts."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.facts, self.open, self.term = [], {}, [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "table":
            self.tables.append(([], []))
        elif tag == "tr":
            self.tables[-1][1].append([])
        elif tag in ("th", "td", "dt", "dd"):
            self.open.append("")

    def handle_data(self, data):
        self.open = [text + data for text in self.open]  # a list of facts may stand inside a cell

    def handle_endtag(self, tag):
        if tag not in ("th", "td", "dt", "dd"):
            return
        text = self.open.pop().strip()
        if tag == "th" and not self.tables[-1][1][-1]:
            self.tables[-1][0].append(text)
        elif tag in ("td", "th"):
            self.tables[-1][1][-1].append(text)
        elif tag == "dt":
            self.term = text
        else:
            self.facts[self.term] = text


def signed_in(host):
    with contextlib.suppress(Refused):
        host.ask("user.create", name="ann", roles=["approver", "auditor"])
    link = host.ask("user.link", name="ann")
    path = link["path"]
    expect_equal(link["url"], f"http://{host.address}{path}", "the link that a person opens")
    status, _, body = request(host.address, "GET", path, headers={"Host": host.address})
    fields = dict(re.findall(r'name="([a-z_]+)" value="([^"]*)"', body.decode()))
    if status == 200 and fields:  # the link shows a form, so that a mail scanner does not use it up
        status, headers, _ = request(host.address, "POST", "/sign-in", "&".join(f"{k}={v}" for k, v in fields.items()),
                                     {"Host": host.address, "Origin": f"http://{host.address}", "Content-Type": "application/x-www-form-urlencoded"})
    else:
        _, headers, _ = status, _, body
    return headers["set-cookie"].split(";")[0]


def test_no_column_is_empty(rig):
    """after a run in act, no column of any page is without a value in all its rows: what a page asks for is what the host answers"""
    scenario = rig.scenario(mode="act", world=("--seed", 3, "--opportunities", 200, "--days", 8))
    scenario.start()
    scenario.run(6)
    host = scenario.host
    host.ask("tenant.mode", mode="propose")
    scenario.process_day()
    expect(host.ask("approval.list"), "nothing is held: the page of approvals tells nothing")
    host.ask("ledger.publish")
    cookie = signed_in(host)
    shown = 0
    # Not every action needs an approver or has a reason, and not every signal an account; between two pulls a connector has no
    # credit and waits for nothing.
    may_be_empty = {"Approved by", "Reason", "Account", "Owner", "Credit", "Waits for ▾"}
    for page in PAGES:
        status, _, body = request(host.address, "GET", page, headers={"Host": host.address, "Cookie": cookie})
        expect_equal(status, 200, f"status of {page}")
        found = Tables(body.decode())
        for columns, rows in found.tables:
            rows = [row for row in rows if row]
            shown += len(rows)
            for number, column in enumerate(columns):
                values = [row[number] for row in rows if len(row) > number]
                expect(column in may_be_empty or any(value not in ("", "–") for value in values), f"{page}: the column {column!r} says nothing in {len(rows)} rows")
        for term, value in found.facts.items():
            expect(value not in ("", "–"), f"{page}: {term!r} has no value")
    expect(shown > 50, f"only {shown} rows were shown")
    return f"{shown} rows"


class HeldGauge(Gauge):
    """One whose answers can be held back."""

    def __init__(self, readings):
        self.free = threading.Event()
        self.free.set()
        super().__init__(readings)

    @property
    def readings(self):
        self.free.wait()
        return self.kept

    @readings.setter
    def readings(self, readings):
        self.kept = readings

    def close(self):
        self.free.set()
        super().close()


def test_flow_of_now(rig):
    """the flow page shows what happens now: rates while a source gives, who holds it back and its credit from the first seconds of a wait that has not ended, as `sluice top` does, and that it is over"""
    gauge = HeldGauge(readings(200))
    # So seldom that nothing waits for most of the time, once all has come.
    station = Station(rig, gauge=gauge, schedule={"interval_ms": 3000})
    host = station.host
    cookie = signed_in(host)

    def page():
        status, headers, body = request(host.address, "GET", "/flow", headers={"Host": host.address, "Cookie": cookie})
        expect_equal(status, 200, "the flow page")
        expect("script-src 'self'; connect-src 'self'" in headers["content-security-policy"], "its script may not run")
        text = html.unescape(body.decode())
        columns, rows = Tables(text).tables[0]
        sentence = re.search(r'<p class="notice lead (\w+)"><bdi>(.*?)</bdi>', text)
        (row,) = [row for row in rows if row]
        return sentence.group(1), sentence.group(2), dict(zip([column.strip(" ▾▴") for column in columns], row))
    held = re.compile(r"The bottleneck is the upstream of tides: tides waited (\d+) % of the last \d+ s for an answer")

    def wait_share(sentence):
        return int(found.group(1)) if (found := held.match(sentence)) else 0
    wait_for(lambda: float(page()[2]["Records/s"]) > 0, lambda: f"records flow: {page()}")
    # Nothing of what follows is counted once it is over only: it is not over.
    gauge.free.clear()
    wait_for(lambda: wait_share(page()[1]) >= 90 and page()[2]["Records/s"] == page()[2]["Requests/s"] == "0.0", lambda: f"the page names who holds it: {page()}")
    tone, sentence, row = page()
    expect_equal((tone, row["In flight"].split(" of ")[0]), ("warm", "1"), f"tone and requests in flight of {row}")
    expect(int(row["Credit"].replace(",", "")) > 0, f"credit of an operation that may send: {row}")
    expect(row["Waits for"].startswith(f"{wait_share(sentence)} % an answer"), f"what it waits for: {row}")
    # The metric grows meanwhile, too.
    waited = lambda: host.metric("sluice_wait_seconds_total", instance="demo/tides", cause="upstream_slow")
    before = waited()
    wait_for(lambda: waited() > before, "the metric counts a wait that lasts")
    done = sluice("top", "--once", "--sort", "credit", "--data-dir", host.data)
    expect_equal(done.returncode, 0, f"exit of top ({done.stderr})")
    lines = done.stdout.splitlines()
    heads, cells = (next(re.split(r"\s{2,}", line.strip()) for line in lines if line.startswith(word)) for word in ("INSTANCE", "tides"))
    top = dict(zip(heads, cells))
    expect_equal((top["CREDIT"], top["RECORDS/S"], top["FLIGHT"][:2]), (row["Credit"].replace(",", ""), "0.0", "1/"), f"what top says: {done.stdout}")
    expect(any(held.match(line) for line in lines), f"top names no bottleneck: {done.stdout}")
    code, shown = on_terminal(("top", "--interval", "3600", "--data-dir", host.data), ("by wait", b">"), ("by rate", b"x<<"), ("by name", b"q"))
    expect(code == 0 and shown.count("INSTANCE") >= 4, f"top on a terminal: {code} {shown}")
    station.gauge.kept = readings(300)
    gauge.free.set()
    wait_for(lambda: float(page()[2]["Records/s"]) > 0, lambda: f"records flow again: {page()}")
    wait_for(lambda: page()[:2] == ("good", "Nothing waits.") and page()[2]["Records/s"] == "0.0", lambda: f"nobody is held any more: {page()}")
    wait_for(lambda: page()[2]["Credit"] == "–", lambda: f"between two pulls there is no credit: {page()}")
    return sentence
