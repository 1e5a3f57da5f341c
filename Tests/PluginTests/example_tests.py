"""The examples in four languages: the same connectors, frame by frame. Each docstring is the sentence that is printed."""
import json
import re
import subprocess

from fake_crm import *
from plugin_host import *

LANGUAGES = ("c", "cpp", "swift", "rust")


def libraries(build):
    """What was built of the examples, below the build's folder."""
    wanted = [f"examples/{name}-{language}/build/{name}.{ending}" for name in ("tides", "tickets") for language in LANGUAGES for ending in ("so", "yaml")]
    wanted += ["rust/panics.so", "rust/refuser.so", "rust/tests", "tests/kit"]
    return [name for name in wanted if os.path.exists(os.path.join(build, name))]


def here(start):
    """The languages whose example was built. Without cargo the others are compared all the same, unless REQUIRE is set."""
    found = [l for l in LANGUAGES if os.path.exists(os.path.join(start.build, f"examples/tides-{l}/build/tides.so"))]
    assert found[:3] == ["c", "cpp", "swift"], found
    if "rust" not in found and os.environ.get("REQUIRE"):
        raise needs("cargo")
    if "rust" not in found:
        print("      without Rust: cargo is missing")
    return found


def tides(start, language, config='{"station":"dover"}', **configured):
    worker = start(f"examples/tides-{language}/build/tides.so")
    worker.__class__ = PluginWorker
    return worker, worker.configured(config, **configured)


def everywhere(start, scenario):
    """Plays `scenario(language)` with each library and gives what all of them said, which is one and the same."""
    said = {language: scenario(language) for language in here(start)}
    for language in said:
        assert said[language] == said["c"], f"{language} differs from c:\n{said[language]}\n{said['c']}"
    return said["c"]


def gauge(readings):
    """A tide gauge. Its JSON is as compact as it can be: a connector may pass on what it got or write it anew."""
    def answer(request):
        assert request.path == "/v1/stations/dover/readings" and (request.endpoint, request.slot) == ("tides", "api")
        after, limit = (int(part.split("=")[1]) for part in request.query.split("&"))
        found = [r for r in readings if r["id"] > after][:limit]
        return 200, {}, json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()
    return answer


def readings(count):
    return [{"at": 1489000000000 + i, "id": i, "level": 1.5, "by": 'Zoë "x" 𝄞'} for i in range(1, count + 1)]


def frames(run, words=True):
    """Every frame that the worker sent, byte by byte; without `words`, the message of the result is left out."""
    result = dict(run.result)
    if not words:
        result["message"] = None
    return [f for f in run.frames if f[0] != RESULT], result


def pulls(start, upstream, words=True, **more):
    def scenario(language):
        with tides(start, language)[0] as w:
            return frames(w.run(PULL, upstream, name="readings", **more), words)
    return everywhere(start, scenario)


def test_pull(start):
    """the source in C, C++, Swift and Rust reads everything once with the same frames, and goes on from each other's checkpoints"""
    def scenario(language):
        with tides(start, language)[0] as w:
            whole = w.run(PULL, gauge(readings(250)), name="readings")
            rest = w.run(PULL, gauge(readings(251)), name="readings", state=b"200", operation=3)
            assert [r[0] for r in whole.records] == [str(i) for i in range(1, 251)], whole.result
            assert [c[:2] for c in whole.checkpoints] == [(b"100", NO_WATERMARK), (b"200", NO_WATERMARK), (b"250", NO_WATERMARK), (b"250", NOW - 1)]
            assert [r[0] for r in rest.records] == [str(i) for i in range(201, 252)]
            assert whole.records[6][2] == 1489000000007 and json.loads(whole.records[6][5]) == readings(7)[6]
            return frames(whole), frames(rest)
    assert everywhere(start, scenario)[0][1]["status"] == 0


def test_faults(start):
    """what goes wrong upstream has the same class, code and words in every language"""
    answers = [(401, AUTH, "unauthorized"), (403, AUTH, "unauthorized"), (404, CONFIG, "not_found"), (408, TRANSIENT, "unavailable"),
               (425, TRANSIENT, "unavailable"), (429, RATE_LIMITED, "rate_limited"), (500, TRANSIENT, "unavailable"),
               (503, TRANSIENT, "unavailable"), (302, PERMANENT, "unexpected_status"), (418, PERMANENT, "unexpected_status")]
    for status, kind, code in answers:
        said, result = pulls(start, always(status, retry_after="5"))
        assert (result["status"], result["code"]) == (kind, f"tides.{code}") and result["message"].endswith("."), result
        assert result["retry_after_ms"] == (5000 if status == 429 else -1), result
        assert len([f for f in said if f[0] == HTTP_OPEN]) == (3 if status == 429 else 1)
    for body in (b"<html>", b"", b"[1", b'["\xff"]', b"[" * 65 + b"]" * 65):
        result = pulls(start, lambda r: (200, {}, body), words=False)[1]
        assert (result["status"], result["code"]) == (TRANSIENT, "plugin.unreadable"), (body, result)


def test_odd_answers(start):
    """answers that are JSON and no readings, lost requests and an upstream that goes nowhere end alike in every language"""
    result = pulls(start, lambda r: (200, {}, b"[]"))[1]
    assert result["status"] == 0 and result["records"] == 0, result
    # Half a page is none: what would be left out of it would never come again.
    for body in (b"{}", b"null", b'[{"id":"x"}]', b'[{}]', b'[{"id":1},{"at":5}]', b'[{"at":5},{"id":1}]'):
        result = pulls(start, lambda r: (200, {}, body))[1]
        assert (result["status"], result["code"], result["records"]) == (TRANSIENT, "tides.odd_answer", 0), (body, result)
    result = pulls(start, lambda r: (200, {}, b'[{"id":0}]'))[1]
    assert (result["status"], result["code"], result["records"]) == (TRANSIENT, "tides.no_progress", 1), result

    def lost(kind):
        def answer(request):
            raise Lost(kind, 7000, "The host says why.")
        return answer
    for kind, status in ((DENIED, PERMANENT), (AUTH, AUTH), (RATE_LIMITED, RATE_LIMITED), (TRANSIENT, TRANSIENT), (PERMANENT, PERMANENT),
                         (CANCELLED, CANCELLED)):
        result = pulls(start, lost(kind))[1]
        assert (result["status"], result["message"]) == (status, "The host says why."), result


def test_names_in_paths(start):
    """what a name holds is spelled in one way in a path, in every language: encoded where it cannot stand plainly"""
    for name, spelled in (("Pointe du Raz", "Pointe%20du%20Raz"), ("\u00eele d'Aix;?#", "%C3%AEle%20d'Aix%3B%3F%23"), ("a:b@+=,!$'()*", "a:b@+=,!$'()*"), ("../%2e", "..%2F%252e")):
        asked = []

        def answer(request):
            asked.append(request.path)
            return 200, {}, b"[]"

        def scenario(language):
            with tides(start, language, json.dumps({"station": name}))[0] as w:
                return frames(w.run(PULL, answer, name="readings"))
        everywhere(start, scenario)
        assert set(asked) == {f"/v1/stations/{spelled}/readings"}, asked


def test_states(start):
    """a state of nobody is refused for good, in every language with the same words"""
    for state, version in ((b"x", 1), (b"7", 9), (b"99999999999999999999", 1), (b"1 2", 1), (b"-1", 1), (b"-9223372036854775808", 1), (b"+7", 1), (b"07", 1), (b" 7", 1)):
        result = pulls(start, None, state=state, version=version)[1]
        assert (result["status"], result["code"]) == (PERMANENT, "tides.bad_state"), result


def test_deliveries(start):
    """a delivery becomes one record, one that is no reading is refused for good, and none of them writes states anew"""
    def scenario(language):
        with tides(start, language)[0] as w:
            said = [frames(w.run(RECEIVE, name="d", body=body, operation=operation)) for operation, body in enumerate(
                (b'{"id":7,"at":1489000000007,"level":1.50}', b'{"level":1}', b"[]", b"{", b""), 2)]
            return said + [frames(w.run(MIGRATE, name="readings", state=b"7", operation=9))]
    said = everywhere(start, scenario)
    stream, found = records(said[0][0][0][2])
    assert stream == "readings" and found == [("7", 1, 1489000000007, 0, b"", b'{"id":7,"at":1489000000007,"level":1.50}')]
    assert [(r["status"], r["code"]) for _, r in said[1:]] == [(PERMANENT, "tides.no_reading")] * 4 + [(UNSUPPORTED, "plugin.no_migration")]


def test_configurations(start):
    """configurations are refused with the same words in every language, and check and discover say the same"""
    wanted = {"{}": "`station` is missing.", '{"station":7}': "`station` must be a text.", "": "`station` is missing.",
              '{"station":"a","depth":1}': "`depth` is unknown; known are station.", "[]": "The configuration is no JSON object."}

    def scenario(language):
        said = []
        for config, message in wanted.items():
            worker, configured = tides(start, language, config)
            with worker:
                assert (configured["status"], configured["message"]) == (CONFIG, message), (language, configured)
                said.append(configured)
        with tides(start, language)[0] as w:
            said += [frames(w.run(CHECK, gauge(readings(3)))), frames(w.run(DISCOVER, operation=3))]
            said.append(frames(w.run(CHECK, always(401), operation=4)))
            w.send(SHUTDOWN)
            assert w.end() == 0, language
        with tides(start, language, extensions=())[0] as w:
            said.append(frames(w.run(PULL, name="readings")))
        return said
    said = everywhere(start, scenario)
    assert json.loads(said[-3][1]["json"])[0]["stream"] == "readings" and said[-1][1]["code"] == "plugin.not_granted"


CALLS = {"open": {"issue": {"text": "Since noon.", "title": 'The gauge is "silent" ✓'}}, "close": {"expect_version": 3, "id": "i-7", "set": {"state": "closed"}}}
ISSUE = {"id": "i-7", "state": "open", "version": 3}


def act(start, kind, upstream, action="close", given=..., words=True):
    """One operation of the executor in each language, on a worker of its own: what all of them said."""
    def scenario(language):
        worker = start(f"examples/tickets-{language}/build/tickets.so")
        worker.__class__, worker.factory = PluginWorker, "sluice.executor/1"
        with worker as w:
            assert w.configured("{}")["status"] == 0
            run = w.run(kind, upstream, name=action, key="k-1", body=text(CALLS[action] if given is ... else given))
            return frames(run, words), [(r.line, r.headers, r.body, r.endpoint, r.slot) for r in run.requests]
    (_, result), requests = everywhere(start, scenario)
    return result, requests


def gives(status, body=b"{}", **headers):
    return lambda request: (status, {k.replace("_", "-"): v for k, v in headers.items()}, text(body) if isinstance(body, (dict, list)) else body)


def test_execute(start):
    """the executor in C, C++, Swift and Rust sends the one write of each action, with the permitted body as it came, and says what was done"""
    wanted = {"open": ("POST /v1/issues", "issue"), "close": ("PATCH /v1/issues/i-7", "set")}
    for action, (line, argument) in wanted.items():
        result, requests = act(start, EXECUTE, gives(200, {"id": "i-7", "version": 4, "more": [1]}), action)
        assert requests == [(line, {"content-type": "application/json"}, text(CALLS[action][argument]), "tickets", "api")], requests
        assert (result["outcome"], result["json"]) == (DONE, b'{"id":"i-7","version":4}'), result


def test_outcomes(start):
    """what became of a write is said alike in every language: refused, asked to wait, without credential, or unknown whenever that is not sure"""
    for status, outcome, code in ((400, REJECTED, "refused"), (403, REJECTED, "refused"), (404, REJECTED, "refused"), (409, REJECTED, "refused"),
                                  (412, REJECTED, "version_mismatch"), (422, REJECTED, "refused"), (302, UNKNOWN, "unclear"),
                                  (408, UNKNOWN, "unclear"), (425, UNKNOWN, "unclear"), (500, UNKNOWN, "unclear"), (503, UNKNOWN, "unclear")):
        result, requests = act(start, EXECUTE, gives(status))
        assert (result["outcome"], result["code"]) == (outcome, f"tickets.{code}") and result["message"].endswith("."), result
        assert len(requests) == 1, requests
    result, _ = act(start, EXECUTE, gives(401))
    assert (result["status"], result["code"]) == (AUTH, "tickets.unauthorized"), result
    result, requests = act(start, EXECUTE, gives(429, retry_after="5"))
    assert (result["outcome"], result["retry_after_ms"], len(requests)) == (RETRY_AFTER, 5000, 1), result
    for body in (b"", b"<html>", b"{}", b"[]", b'{"id":7,"version":1}', b'{"id":"i"}', b'{"id":"i","version":"1"}', b'{"id":"i","version":1.5}'):
        result, _ = act(start, EXECUTE, gives(201, body))
        assert (result["outcome"], result["code"]) == (UNKNOWN, "tickets.unclear"), (body, result)

    def lost(kind):
        def answer(request):
            raise Lost(kind, -1, "The host says why.")
        return answer
    result, _ = act(start, EXECUTE, lost(TRANSIENT))
    assert (result["outcome"], result["code"]) == (UNKNOWN, "tickets.no_answer"), result
    result, _ = act(start, EXECUTE, gives(200, Zeros(2 << 20)), words=False)
    assert (result["outcome"], result["code"]) == (UNKNOWN, "tickets.no_answer"), result
    for kind, status in ((DENIED, PERMANENT), (AUTH, AUTH), (RATE_LIMITED, RATE_LIMITED), (PERMANENT, PERMANENT), (CANCELLED, CANCELLED)):
        result, _ = act(start, EXECUTE, lost(kind))
        assert (result["status"], result["message"]) == (status, "The host says why."), result


def test_bad_arguments(start):
    """arguments of another shape are refused before anything is sent, alike in every language"""
    for given in ({}, [], None, "x", {"id": 7, "set": {}}, {"id": "i-7"}, {"set": {"state": "closed"}}):
        for kind in (EXECUTE, DRY_RUN):
            result, requests = act(start, kind, None, given=given)
            assert (result["outcome"], result["code"], requests) == (REJECTED, "tickets.bad_arguments", []), (given, result)


def test_probe(start):
    """a probe asks by the key and tells done, absent and nobody knows apart, alike in every language"""
    for answer, outcome, code in ((gives(200, {"issue": {"id": "i-7", "version": 4}}), PROBE_DONE, ""), (gives(404), ABSENT, ""),
                                  (gives(200, {"issue": None}), CANNOT_TELL, "plugin.cannot_tell"), (gives(200, b"<html>"), CANNOT_TELL, "plugin.cannot_tell")):
        result, requests = act(start, PROBE, answer)
        assert (result["outcome"], result["code"]) == (outcome, code), result
        assert [r[0] for r in requests] == ["GET /v1/keys/k-1"], requests
    for status, kind in ((401, AUTH), (500, TRANSIENT), (418, PERMANENT)):
        assert act(start, PROBE, gives(status))[0]["status"] == kind


def test_dry_runs(start):
    """a dry run says what would be, and what would be refused, alike in every language, and writes nothing"""
    result, requests = act(start, DRY_RUN, None, "open")
    assert (result["outcome"], result["json"], requests) == (DONE, b'{"create":"issue"}', []), result
    result, requests = act(start, DRY_RUN, gives(200, ISSUE))
    assert (result["outcome"], json.loads(result["json"])) == (DONE, {"fields": [{"field": "state", "before": "open", "after": "closed"}]}), result
    assert [r[0] for r in requests] == ["GET /v1/issues/i-7"], requests
    for answer, code in ((gives(404), "not_found"), (gives(200, {**ISSUE, "version": 4}), "version_mismatch")):
        result, _ = act(start, DRY_RUN, answer)
        assert (result["outcome"], result["code"]) == (REJECTED, f"tickets.{code}"), result
    for answer, kind in ((gives(200, b"[]"), TRANSIENT), (gives(200, b"<html>"), TRANSIENT), (gives(403), AUTH), (gives(503), TRANSIENT)):
        assert act(start, DRY_RUN, answer)[0]["status"] == kind


def test_libraries(start):
    """each example is one file that shows one symbol, needs nothing of its language, and whose manifest names it; a name stands in one manifest, whatever the language"""
    for name in ("tides", "tickets"):
        texts = set()
        for language in here(start):
            path = os.path.join(start.build, f"examples/{name}-{language}/build/{name}.so")
            shown = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=True).stdout
            assert [line.split()[-1] for line in shown.splitlines()] == ["sluice_plugin_entry"], shown
            needed = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True).stdout
            allowed = {"libc", "libm", "ld-linux-x86-64", "ld-linux-aarch64"} | (set() if language in ("c", "cpp") else {"libstdc++", "libgcc_s"})
            assert set(re.findall(r"NEEDED.*\[(.*?)\.so", needed)) <= allowed, needed
            digest = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0]
            with open(path.replace(".so", ".yaml")) as f:
                text = f.read()
            assert f"  sha256: {digest}\n" in text
            texts.add(text.replace(digest, "built"))
        assert len(texts) == 1, f"the manifests of {name} differ"


def test_kit(start):
    """the C kit reads numbers and JSON as its tables say, and no changed document makes it read past its end"""
    run = subprocess.run([os.path.join(start.build, "tests/kit")], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
