"""crm-source in the real worker. Each docstring is the sentence that is printed."""
import json

from fake_crm import *
from plugin_host import *

DAY = 86400000
MARCH_1 = 17226 * DAY  # 2017-03-01


def crm_of(count=23, per_day=9):
    """Deals that tie: nine changed on one day."""
    crm = FakeCRM("2017-02-27")
    for i in range(count):
        crm.day = f"2017-02-{27 + i // per_day:02}" if i < 2 * per_day else "2017-03-01"
        crm.put("opportunities", f"D{(i * 7) % count:03}", owner="Zoë \"Z\" Levy", close_value=12345678901234567890)
    crm.day = "2017-03-01"
    return crm


def source(start, config='{"page_size":4}', **more):
    worker = start("plugins/crm-source.so")
    worker.__class__, worker.factory = PluginWorker, "sluice.source/1"
    result = worker.configured(config, **more)
    assert result["status"] == 0, result
    return worker


def pull(start, crm, stream="opportunities", config='{"page_size":4}', **more):
    with source(start, config) as w:
        return w.run(PULL, crm, name=stream, **more)


def versions(found):
    return {r[0]: r[3] for r in found}


def test_pages(start):
    """a pull over pages with ties brings every record once, in order of change, byte for byte"""
    crm = crm_of()
    run = pull(start, crm)
    assert run.status == 0, run.result
    order = sorted(crm.streams["opportunities"].values(), key=lambda r: (r["updated_at"], r["id"]))
    assert [r[0] for r in run.records] == [r["id"] for r in order]
    assert [r[5] for r in run.records] == [text(r) for r in order]
    assert len(run.requests) == 6 and run.requests[0].line == "GET /api/v1/opportunities?limit=4"
    assert run.requests[1].query == "limit=4&updated_since=2017-02-27&after_id=" + run.records[3][0]
    first = run.records[0]
    assert first[1:5] == (1, MARCH_1 - 2 * DAY, 1, b"1"), first


def test_claim(start):
    """only the last checkpoint of a pull claims a day, and claims it to its last millisecond"""
    found = pull(start, crm_of()).checkpoints
    assert [w for _, w, _ in found] == [NO_WATERMARK] * 5 + [MARCH_1 + DAY - 1], found
    assert json.loads(found[-1][0]) == {"day": "2017-03-01"}
    assert json.loads(found[0][0])["as_of"] == "2017-03-01"


def test_resume(start):
    """a pull resumed from each checkpoint brings exactly what is missing, or starts its day again"""
    crm = crm_of()
    whole = pull(start, crm)
    with source(start) as w:
        for i, (state, _, count) in enumerate(whole.checkpoints):
            rest = w.run(PULL, crm, name="opportunities", state=state, operation=10 + i)
            last = i == len(whole.checkpoints) - 1
            assert rest.status == 0 and rest.checkpoints[-1] == (b'{"day":"2017-03-01"}', MARCH_1 + DAY - 1, len(rest.records))
            assert rest.records == (whole.records[18:] if last else whole.records[count:]), (i, rest.requests[0].line)


def test_behind_cursor(start):
    """a write of today behind the cursor is brought by the next pull"""
    crm = crm_of()
    done = pull(start, crm)
    crm.put("opportunities", "A-sorts-first")
    again = pull(start, crm, state=done.checkpoints[-1][0])
    assert again.requests[0].query == "limit=4&updated_since=2017-03-01"
    assert "A-sorts-first" in versions(again.records)


def test_new_day_while_paging(start):
    """when the day changes between pages, the pull claims the earlier day, and the next pull misses nothing"""
    crm = crm_of()

    def before(request):
        if "after_id" in request.query and crm.day == "2017-03-01" and "2017-03-01" in request.query:
            crm.put("opportunities", "A-behind")  # still the old day, before the cursor
            crm.day = "2017-03-02"
            crm.put("opportunities", "B-new")
    crm.before = before
    run = pull(start, crm)
    assert run.checkpoints[-1][:2] == (b'{"day":"2017-03-01"}', MARCH_1 + DAY - 1), run.checkpoints
    assert "A-behind" not in versions(run.records) and "B-new" in versions(run.records)
    again = pull(start, crm, state=run.checkpoints[-1][0])
    assert {**versions(run.records), **versions(again.records)} == crm.now("opportunities")
    assert again.checkpoints[-1][1] == MARCH_1 + 2 * DAY - 1


def test_new_day_while_down(start):
    """what changed behind the cursor while the plugin was down is brought after the resumed pull"""
    crm = crm_of()
    run = pull(start, crm)
    state, _, count = run.checkpoints[4]
    assert json.loads(state)["day"] == "2017-03-01"
    crm.put("opportunities", "A-behind")
    crm.day = "2017-03-05"
    rest = pull(start, crm, state=state)
    assert json.loads(rest.checkpoints[-1][0]) == {"day": "2017-03-01"}
    again = pull(start, crm, state=rest.checkpoints[-1][0])
    found = {**versions(run.records[:count]), **versions(rest.records), **versions(again.records)}
    assert found == crm.now("opportunities") and json.loads(again.checkpoints[-1][0]) == {"day": "2017-03-05"}


def test_hand_made_state(start):
    """a state that a person wrote continues there and claims no more than its day"""
    run = pull(start, crm_of(), state=b'{"day":"2017-02-28","id":"D005"}')
    assert run.requests[0].query == "limit=4&updated_since=2017-02-28&after_id=D005"
    assert json.loads(run.checkpoints[-1][0]) == {"day": "2017-02-28"}


def test_tombstone(start):
    """a tombstone is a delete that keeps its bytes"""
    crm = crm_of(3)
    crm.delete("opportunities", "D001")
    found = {r[0]: r for r in pull(start, crm).records}
    assert found["D001"][1] == 2 and found["D001"][3] == 2 and found["D000"][1] == 1
    assert json.loads(found["D001"][5])["deleted"] is True


def test_streams(start):
    """each stream is read from its own list, and an empty one is complete too"""
    crm = FakeCRM()
    crm.put("accounts", "isdom", name="Isdom")
    with source(start, "{}") as w:
        for i, stream in enumerate(crm.streams):
            run = w.run(PULL, crm, name=stream, operation=10 + i)
            assert run.status == 0 and run.requests[0].line == f"GET /api/v1/{stream}?limit=200"
            assert len(run.records) == (stream == "accounts") and run.checkpoints[-1][1] == MARCH_1 + DAY - 1
        assert w.run(PULL, crm, name="invoices", operation=20).status == CONFIG


def test_429(start):
    """a 429 is asked again; after three of them the pull says how long to wait, and keeps what it has"""
    crm = crm_of()
    crm.faults = [None, always(429, retry_after="2"), always(429, retry_after="2")]
    assert versions(pull(start, crm).records) == crm.now("opportunities")
    crm.faults = [None] + [always(429, retry_after="2")] * 3
    run = pull(start, crm)
    assert (run.status, run.retry_after_ms, run.code) == (RATE_LIMITED, 2000, "crm.rate_limited"), run.result
    assert len(run.requests) == 4 and len(run.checkpoints) == 1


def test_statuses(start):
    """each status of the CRM has its class"""
    wanted = {401: AUTH, 403: AUTH, 404: CONFIG, 500: TRANSIENT, 503: TRANSIENT, 302: PERMANENT, 418: PERMANENT}
    with source(start) as w:
        for status, kind in wanted.items():
            run = w.run(PULL, always(status), name="accounts", operation=status)
            assert run.status == kind and run.message and not run.checkpoints, (status, run.result)
            assert w.run(CHECK, always(status), operation=1000 + status).status == kind


def test_bad_answers(start):
    """half an answer, garbage and a foreign shape are transient, and say what is wrong"""
    whole = crm_of().list("opportunities", {"limit": "3"})[2]
    bad = [whole[:len(whole) // 2], b"<html>", b"", b"[]", b"{}", b'{"items":[{}],"next":null,"as_of":"2017-03-01"}',
           whole + b"x", b"\xff", whole.replace(b"2017-03-01", b"2017-02-30"), b"[" * 100000]
    with source(start) as w:
        for i, body in enumerate(bad):
            run = w.run(PULL, lambda r: (200, {}, body), name="opportunities", operation=10 + i)
            assert (run.status, run.code) == (TRANSIENT, "crm.bad_answer"), (body[:40], run.result)
            assert "at byte" in run.message and not run.events, run.result


def test_lost(start):
    """a lost connection keeps the host's own reason, before the head and in the body"""
    def no_head(request):
        raise Lost(TRANSIENT, -1, "crm.example could not be reached.")

    def half(request):
        return 200, {}, Lost(TRANSIENT, -1, "The response broke off.")
    with source(start) as w:
        for i, upstream in enumerate((no_head, half)):
            run = w.run(PULL, upstream, name="accounts", operation=10 + i)
            assert run.status == TRANSIENT and run.code == "egress.test" and run.message, run.result


def test_denied(start):
    """what the manifest does not allow is permanent, with the host's own reason"""
    def deny(request):
        raise Lost(DENIED, -1, "not declared")
    run = pull(start, deny)
    assert (run.status, run.message) == (PERMANENT, "not declared"), run.result
    with source(start, extensions=()) as w:
        run = w.run(CHECK)
        assert (run.status, run.code) == (PERMANENT, "plugin.not_granted"), run.result


def test_endless(start):
    """a list that never ends is permanent and names the cursor; one page of it is kept, once"""
    crm = crm_of()
    first = crm.list("opportunities", {"limit": "4"})
    run = pull(start, lambda request: first)
    cursor = json.loads(first[2])["next"]
    assert (run.status, run.code) == (PERMANENT, "crm.endless_list"), run.result
    assert f"{cursor['updated_at']}/{cursor['id']}" in run.message and len(run.records) == 4 and len(run.requests) == 2


def test_circle(start):
    """a list that goes in a circle is permanent too, also when the pull starts inside it"""
    crm = crm_of()
    pages = [crm.list("opportunities", {"limit": "4"})]
    for _ in range(2):
        cursor = json.loads(pages[-1][2])["next"]
        pages.append(crm.list("opportunities", {"limit": "4", "updated_since": cursor["updated_at"],
                                                "after_id": cursor["id"]}))
    turn = iter(pages * 10)
    run = pull(start, lambda request: next(turn))
    assert run.code == "crm.endless_list" and len(run.requests) == 4
    turn = iter(pages * 10)
    run = pull(start, lambda request: next(turn), state=run.checkpoints[0][0])
    assert run.code == "crm.endless_list" and len(run.requests) == 1


def test_huge(start):
    """an answer above 32 MiB is permanent, and not read to its end"""
    run = pull(start, lambda request: (200, {}, Zeros(100_000_000)), timeout=30.0)
    assert (run.status, run.code) == (PERMANENT, "crm.answer_too_large"), run.result


def test_large_record(start):
    """a record above the host's limit stops the stream by name; what came before it is kept"""
    crm = crm_of(3)
    crm.put("opportunities", "D001", owner="x" * 5000)
    with source(start, record_max=4096) as w:
        run = w.run(PULL, crm, name="opportunities")
        assert (run.status, run.code) == (PERMANENT, "crm.record_too_large") and "D001" in run.message, run.result
        assert [r[0] for r in run.records] == ["D000", "D002"] and not run.checkpoints


def test_bad_state(start):
    """a checkpoint of another plugin or format is refused before anything is asked"""
    with source(start) as w:
        for i, (state, version) in enumerate([(b"700", 1), (b'{"day":"today"}', 1), (b'{"day":"2017-03-01"}', 2)]):
            run = w.run(PULL, crm_of(), name="accounts", state=state, version=version, operation=10 + i)
            assert (run.status, run.code) == (PERMANENT, "crm.bad_state") and not run.requests, run.result


def test_receive(start):
    """a delivery becomes the record that the list gives; what means nothing here is logged"""
    crm = crm_of(3)
    record = crm.streams["opportunities"]["D001"]
    tombstone = {"id": "D001", "deleted": True, "updated_at": "2017-03-01", "version": 2}
    with source(start) as w:
        deliver = lambda body, n: w.run(RECEIVE, name="msg-1", body=body, operation=n)
        run = deliver(b'{"data": ' + text(record) + b', "type":"opportunity.changed"}', 10)
        assert run.status == 0 and run.events[0][1] == "opportunities" and not run.checkpoints
        assert run.records == [r for r in w.run(PULL, crm, name="opportunities", operation=11).records if r[0] == "D001"]
        assert deliver(text({"type": "opportunity.deleted", "data": tombstone}), 12).records[0][1] == 2
        other = deliver(text({"type": "rep.hired", "data": {}}), 13)
        assert other.status == 0 and other.logs == ["crm.event_ignored"] and not other.events
        for i, body in enumerate([b"<html>", b"{}", b'{"type":"opportunity.changed"}']):
            assert deliver(body, 20 + i).code == "crm.bad_delivery"


def test_check_discover(start):
    """check makes one small request, discover none, and names four streams"""
    with source(start) as w:
        run = w.run(CHECK, crm_of())
        assert run.status == 0 and [r.line for r in run.requests] == ["GET /api/v1/opportunities?limit=1"]
        run = w.run(DISCOVER, operation=3)
        offers = json.loads(run.result["json"])
        assert [o["stream"] for o in offers] == ["accounts", "products", "reps", "opportunities"] and not run.requests
        assert offers[3]["schema"]["properties"]["close_value"] == {"type": ["number", "null"]}


def test_config(start):
    """a configuration that cannot work is refused with the key that is wrong"""
    for config, key in (('{"page_size":0}', "page_size"), ('{"page_size":501}', "page_size"), ('{"page_sise":5}', "page_sise"),
                        ('{"page_size":"5"}', "page_size"), ("[]", "object"), ('{"page_size":1,"page_size":2}', "twice")):
        worker = start("plugins/crm-source.so")
        worker.__class__ = PluginWorker
        with worker as w:
            result = w.configured(config)
            assert result["status"] == CONFIG and key in result["message"], (config, result)


def test_cancel(start):
    """cancelling a pull that waits for the CRM ends it at once, and the worker serves the next one"""
    with source(start) as w:
        w.begin(PULL, name="opportunities")
        assert w.next()[0] == HTTP_OPEN
        started = time.monotonic()
        w.send(CANCEL, struct.pack("<I", 1000), operation=2)
        assert w.result()["status"] == CANCELLED and time.monotonic() - started < 0.5
        assert w.run(PULL, crm_of(), name="opportunities", operation=3).status == 0
