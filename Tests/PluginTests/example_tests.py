"""The example in three languages: the same connector, frame by frame. Each docstring is the sentence that is printed."""
import json
import re
import subprocess

from fake_crm import *
from plugin_host import *

LANGUAGES = ("c", "swift", "rust")


def libraries(build):
    """What was built of the examples, below the build's folder."""
    wanted = [f"examples/tides-{language}/build/tides.{ending}" for language in LANGUAGES for ending in ("so", "yaml")]
    wanted += ["rust/panics.so", "rust/tickets.so", "rust/tests", "tests/tickets.so", "tests/kit"]
    return [name for name in wanted if os.path.exists(os.path.join(build, name))]


def here(start):
    """The languages whose example was built. Without cargo the others are compared all the same, unless REQUIRE is set."""
    found = [l for l in LANGUAGES if os.path.exists(os.path.join(start.build, f"examples/tides-{l}/build/tides.so"))]
    assert found[:2] == ["c", "swift"], found
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
    """the example in C, Swift and Rust reads everything once with the same frames, and goes on from each other's checkpoints"""
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


def test_states(start):
    """a state of nobody is refused for good, in every language with the same words"""
    for state, version in ((b"x", 1), (b"7", 9), (b"99999999999999999999", 1), (b"1 2", 1), (b"-1", 1), (b"-9223372036854775808", 1), (b"+7", 1), (b"07", 1), (b" 7", 1)):
        result = pulls(start, None, state=state, version=version)[1]
        assert (result["status"], result["code"]) == (PERMANENT, "tides.bad_state"), result


def test_deliveries(start):
    """a delivery becomes one record, one that is no reading is refused for good, and none of the three writes states anew"""
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


def test_executors(start):
    """an executor by the C kit and one by the Rust crate give the same answers, each with its words and its result"""
    asked = {EXECUTE: ("done", "rejected", "later", "unknown", "fault"), PROBE: ("done", "absent", "else"), DRY_RUN: ("done", "rejected", "else")}
    said = []
    for library in ("tests/tickets.so", "rust/tickets.so"):
        if not os.path.exists(os.path.join(start.build, library)):
            raise needs("cargo")
        worker = start(library)
        worker.__class__, worker.factory = PluginWorker, "sluice.executor/1"
        with worker as w:
            assert w.configured("{}")["status"] == 0 and w.run(CHECK, operation=90).status == 0
            said.append([(kind, word, w.run(kind, name="open", key="k1", body=json.dumps({"say": word}).encode(), operation=10 * kind + i).result)
                         for kind, words in asked.items() for i, word in enumerate(words)])
            w.send(SHUTDOWN)
            assert w.end() == 0
    assert said[0] == said[1], said
    answers = {(kind, word): r for kind, word, r in said[0]}
    assert [answers[EXECUTE, word]["outcome"] for word in asked[EXECUTE]] == [DONE, REJECTED, RETRY_AFTER, UNKNOWN, 0]
    assert [answers[PROBE, word]["outcome"] for word in asked[PROBE]] == [PROBE_DONE, ABSENT, CANNOT_TELL]
    assert [answers[DRY_RUN, word]["outcome"] for word in asked[DRY_RUN]] == [DONE, REJECTED, 0]
    assert answers[EXECUTE, "done"]["json"] == b'{"id":"k1","version":3}' and answers[EXECUTE, "later"]["retry_after_ms"] == 5000
    assert answers[EXECUTE, "fault"]["status"] == TRANSIENT and answers[DRY_RUN, "else"]["status"] == UNSUPPORTED


def test_libraries(start):
    """each example is one file that shows one symbol, needs nothing of its language, and whose manifest names it"""
    for language in here(start):
        path = os.path.join(start.build, f"examples/tides-{language}/build/tides.so")
        shown = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=True).stdout
        assert [line.split()[-1] for line in shown.splitlines()] == ["sluice_plugin_entry"], shown
        needed = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True).stdout
        assert set(re.findall(r"NEEDED.*\[(.*?)\.so", needed)) <= {"libc", "libm", "libstdc++", "libgcc_s", "ld-linux-x86-64", "ld-linux-aarch64"}, needed
        digest = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0]
        with open(path.replace(".so", ".yaml")) as f:
            assert f"  sha256: {digest}\n" in f.read()


def test_kit(start):
    """the C kit reads numbers and JSON as its tables say, and no changed document makes it read past its end"""
    run = subprocess.run([os.path.join(start.build, "tests/kit")], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
