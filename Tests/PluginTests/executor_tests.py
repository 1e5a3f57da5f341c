"""crm-executor in the real worker, behind the requests of its manifest. Each docstring is the sentence that is printed."""
import json

from fake_crm import *
from plugin_host import *

MANIFEST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../manifests/crm-actions.yaml")
ABOUT = {"stream": "opportunities", "id": "D1"}
ACTIONS = {  # name: (input, method, path, the argument that is the body)
    "close_lost": ({"opportunity": "D1", "set": {"stage": "Lost", "close_date": "3/1/2017"}, "expect_version": 1}, "PATCH",
                   "/api/v1/opportunities/D1", "set"),
    "reopen": ({"opportunity": "D1", "set": {"stage": "Engaging"}}, "PATCH", "/api/v1/opportunities/D1", "set"),
    "reassign": ({"opportunity": "D1", "set": {"owner": "Zoë Levy"}}, "PATCH", "/api/v1/opportunities/D1", "set"),
    "fix_product": ({"opportunity": "D1", "set": {"product": "GTX Pro"}}, "PATCH", "/api/v1/opportunities/D1", "set"),
    "create_task": ({"task": {"about": ABOUT, "assignee": "Zoë", "text": "Call \"them\"\n"}}, "POST", "/api/v1/tasks", "task"),
    "create_note": ({"note": {"about": ABOUT, "text": "x", "to": "Zoë"}}, "POST", "/api/v1/notes", "note"),
    "draft_brief": ({"draft": {"about": ABOUT, "kind": "brief", "text": "x"}}, "POST", "/api/v1/drafts", "draft"),
}


def crm_of():
    crm = FakeCRM()
    crm.put("opportunities", "D1", owner="Old Owner", product="GTXPro", stage="Engaging")
    return crm


def executor(start):
    worker = start("plugins/crm-executor.so")
    worker.__class__, worker.factory = PluginWorker, "sluice.executor/1"
    result = worker.configured()
    assert result["status"] == 0, result
    return worker


def act(w, kind, crm, name, given=None, key="permit-1", operation=2):
    given = given or ACTIONS[name][0]
    upstream = guarded(bound(crm, given, key) if kind == EXECUTE else crm, MANIFEST, writes=kind == EXECUTE)
    return w.run(kind, upstream, name=name, body=text(given), key=key, operation=operation)


def test_execute(start):
    """each action sends its one write, with exactly the permitted body and nothing that is the host's to set, and says what was done"""
    for i, (name, (given, method, path, argument)) in enumerate(ACTIONS.items()):
        with executor(start) as w:
            run = act(w, EXECUTE, crm_of(), name)
            assert (run.status, run.outcome) == (0, DONE), (name, run.result)
            request, = run.requests
            assert (request.method, request.path, request.query, request.key) == (method, path, "", "")
            assert json.loads(request.body) == given[argument], (name, request.body)
            assert request.headers == {"content-type": "application/json"}
            made = {"id": f"{argument}-1", "status": 201, "version": None}
            wanted = made if method == "POST" else {"id": "D1", "status": 200, "version": 2}
            assert json.loads(run.result["json"]) == wanted, run.result


def test_same_key(start):
    """the same permit sent twice takes effect once, and both say the same"""
    crm = crm_of()
    with executor(start) as w:
        first, second = (act(w, EXECUTE, crm, "create_task", operation=n) for n in (10, 11))
    assert first.result["json"] == second.result["json"] and len(crm.made) == 1


def test_refusals(start):
    """what the CRM refuses is rejected in its own words"""
    crm = crm_of()
    refused = [("close_lost", {"opportunity": "D9", "set": {"stage": "Lost"}}, "no record"),
               ("close_lost", {"opportunity": "D1", "set": {"stage": "Lost"}, "expect_version": 7}, "at version 1"),
               ("reassign", {"opportunity": "D1", "set": {"owner": "Nobody"}}, "reps have no 'Nobody'")]
    with executor(start) as w:
        for i, (name, given, words) in enumerate(refused):
            run = act(w, EXECUTE, crm, name, given, key=f"k{i}", operation=10 + i)
            assert run.outcome == REJECTED and words in run.message, run.result
            assert act(w, PROBE, crm, name, given, key=f"k{i}", operation=20 + i).outcome == ABSENT
        for status in (400, 403, 404, 409, 412, 422):
            run = act(w, EXECUTE, always(status), "reassign", operation=status)
            assert run.outcome == REJECTED and str(status) in run.message, (status, run.result)


def test_unusable(start):
    """arguments that no path can carry are rejected before anything is sent"""
    with executor(start) as w:
        for i, (name, given) in enumerate([("reassign", {"opportunity": "a/b", "set": {"owner": "x"}}),
                                           ("reassign", {"opportunity": "..", "set": {"owner": "x"}}),
                                           ("reassign", {"opportunity": "D1", "set": {}}),
                                           ("create_task", {"task": {"assignee": "x"}}), ("delete_all", {"a": 1})]):
            for kind in (EXECUTE, DRY_RUN):
                run = act(w, kind, crm_of(), name, given, operation=10 + 2 * i + (kind == DRY_RUN))
                assert run.outcome == REJECTED and not run.requests and run.message, run.result
            assert act(w, PROBE, crm_of(), name, given, operation=40 + i).outcome == CANNOT_TELL


def test_auth_and_rate(start):
    """a refused credential is an error class; a full budget asks to come back later and is not tried again at once"""
    with executor(start) as w:
        run = act(w, EXECUTE, always(401), "reassign")
        assert (run.status, run.outcome) == (AUTH, 0), run.result
        run = act(w, EXECUTE, always(429, retry_after="3"), "reassign", operation=3)
        assert (run.outcome, run.retry_after_ms, len(run.requests)) == (RETRY_AFTER, 3000, 1), run.result
        assert act(w, EXECUTE, always(429), "reassign", operation=4).retry_after_ms == -1


def after(crm):
    """Applies the write, then loses the answer."""
    def lose(request):
        crm.route(request)
        raise Lost(TRANSIENT, -1, "The response broke off.")
    return lose


def before(request):
    raise Lost(TRANSIENT, -1, "The connection was reset.")


def garbage_after(crm):
    def lose(request):
        crm.route(request)
        return 200, {}, b"<html>"
    return lose


def body_lost_after(crm):
    def lose(request):
        crm.route(request)
        return 200, {}, Lost(TRANSIENT, -1, "The response broke off.")
    return lose


def test_unknown(start):
    """a write without a clear answer is unknown, and the probe finds out whether it took effect"""
    for i, name in enumerate(("reassign", "create_task")):
        for fault, found in ((after, PROBE_DONE), (garbage_after, PROBE_DONE), (body_lost_after, PROBE_DONE),
                             (lambda crm: before, ABSENT), (lambda crm: always(500), ABSENT),
                             (lambda crm: always(503), ABSENT), (lambda crm: always(302), ABSENT)):
            crm = crm_of()
            crm.faults = [fault(crm)]
            with executor(start) as w:
                run = act(w, EXECUTE, crm, name)
                assert (run.status, run.outcome) == (0, UNKNOWN) and run.message, run.result
                probe = act(w, PROBE, crm, name, operation=3)
                assert probe.outcome == found, (name, probe.result)
                if found == PROBE_DONE:
                    again = act(w, EXECUTE, crm, name, operation=4)
                    assert json.loads(again.result["json"]) == json.loads(probe.result["json"])
                assert len(crm.made) + crm.now("opportunities")["D1"] - 1 == (found == PROBE_DONE)


def test_cannot_tell(start):
    """a probe that gets no clear answer says so, and a key of another request is not taken for this one"""
    crm = crm_of()
    with executor(start) as w:
        for i, upstream in enumerate([always(401), always(500), always(429), lambda r: (200, {}, b"<html>"), before]):
            run = act(w, PROBE, upstream, "reassign", operation=10 + i)
            assert run.outcome == CANNOT_TELL and run.message, run.result
        assert act(w, EXECUTE, crm, "create_task", key="k", operation=20).outcome == DONE
        run = act(w, PROBE, crm, "reassign", key="k", operation=21)
        assert run.outcome == CANNOT_TELL and "another request" in run.message, run.result
        assert act(w, PROBE, crm, "reassign", key="never-used", operation=22).outcome == ABSENT
        assert act(w, PROBE, crm, "reassign", key="a/b", operation=23).outcome == CANNOT_TELL


def test_dry_run(start):
    """a dry run of each action says what would change, and changes nothing"""
    crm = crm_of()
    with executor(start) as w:
        for i, name in enumerate(ACTIONS):
            run = act(w, DRY_RUN, crm, name, operation=10 + i)
            assert (run.status, run.outcome) == (0, DONE), (name, run.result)
            assert [r.line for r in run.requests] == ["GET /api/v1/opportunities/D1"]
        assert crm.now("opportunities") == {"D1": 1} and not crm.made and not crm.keys
        would = json.loads(act(w, DRY_RUN, crm, "reassign", operation=30).result["json"])
        assert would == {"change": ABOUT, "version": 1,
                         "fields": [{"field": "owner", "before": "Old Owner", "after": "Zoë Levy"}]}, would
        would = json.loads(act(w, DRY_RUN, crm, "create_note", operation=31).result["json"])
        assert would == {"create": "notes", "body": ACTIONS["create_note"][0]["note"]}


def test_dry_run_refused(start):
    """a dry run tells what the CRM would refuse"""
    crm = crm_of()
    late = {"opportunity": "D1", "set": {"owner": "x"}, "expect_version": 7}
    gone = {"opportunity": "D9", "set": {"owner": "x"}}
    with executor(start) as w:
        assert "version 1" in act(w, DRY_RUN, crm, "reassign", late, operation=10).message
        assert act(w, DRY_RUN, crm, "reassign", gone, operation=11).outcome == REJECTED
        crm.delete("opportunities", "D1")
        assert act(w, DRY_RUN, crm, "create_task", operation=12).outcome == REJECTED
        assert act(w, DRY_RUN, always(500), "create_task", operation=13).status == TRANSIENT
        assert act(w, DRY_RUN, always(401), "create_task", operation=14).status == AUTH


def test_check(start):
    """check makes one small request"""
    with executor(start) as w:
        run = w.run(CHECK, guarded(crm_of(), MANIFEST, writes=False))
        assert run.status == 0 and [r.line for r in run.requests] == ["GET /api/v1/reps?limit=1"]
        assert w.run(CHECK, always(401), operation=3).status == AUTH


def test_denied(start):
    """a write that the host does not let out is no outcome: nothing was sent"""
    def deny(request):
        raise Lost(DENIED, -1, "outside the permit")
    with executor(start) as w:
        run = act(w, EXECUTE, deny, "reassign")
        assert (run.status, run.outcome, run.message) == (PERMANENT, 0, "outside the permit"), run.result


def test_cancel(start):
    """cancelling a write that waits for its answer ends it at once, and the probe can still be asked"""
    with executor(start) as w:
        w.begin(EXECUTE, name="reassign", body=text(ACTIONS["reassign"][0]), key="k")
        assert w.next()[0] == HTTP_OPEN
        w.send(CANCEL, struct.pack("<I", 1000), operation=2)
        started = time.monotonic()
        result = w.result()
        assert (result["status"], result["outcome"]) == (CANCELLED, 0) and time.monotonic() - started < 0.5, result
        assert act(w, PROBE, crm_of(), "reassign", operation=3).outcome == ABSENT
