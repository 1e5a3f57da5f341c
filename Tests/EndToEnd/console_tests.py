"""The console over a real run: each page shows what there is, and asks the host for nothing that it does not answer."""
import html.parser

from rig import *

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
    # Not every action needs an approver or has a reason, and not every signal an account.
    may_be_empty = {"Approved by", "Reason", "Account", "Owner"}
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
