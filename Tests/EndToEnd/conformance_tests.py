"""The conformance kit: our own plugins pass it, plugins that are broken on purpose do not, and each fault has its name."""
import glob
import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

from rig import *

MUTANT_FOLDER = os.path.join(PROJECT, "Tests", "Mutants")
sys.path.insert(0, MUTANT_FOLDER)
from mutants import ANY, MUTANTS, without

ABI = os.path.join(PROJECT, "Sources", "Plugin", "CSluicePlugin", "include")
FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-fPIC", "-shared", "-fvisibility=hidden", f"-I{ABI}"]
FILES = {"gauge": ("source.c", "gauge.yaml", "gauge-1.0.yaml", "gauge.check.yaml"), "valve": ("executor.c", "valve.yaml", "valve-0.9.yaml", "valve.check.yaml"),
         "queue": ("queue.c", "queue.yaml", "queue.check.yaml")}


def build(rig, plugin, switches=(), edit=None, name=None):
    """A folder with one of the three plugins, right or wrong; the path of its manifest."""
    folder = rig.path(name or plugin)
    source, *others = FILES[plugin]
    for file in others:
        shutil.copy(os.path.join(MUTANT_FOLDER, file), folder)
    if edit:
        file, before, after = edit
        path = os.path.join(folder, file)
        with open(path) as f:
            text = f.read()
        expect_equal(text.count(before), 1, f"how often {before!r} stands in {file}")
        with open(path, "w") as f:
            f.write(text.replace(before, after))
    compiled(source, switches, os.path.join(folder, f"{plugin}.so"))
    return os.path.join(folder, f"{plugin}.yaml")


def compiled(source, switches, library):
    done = subprocess.run(["cc", *FLAGS, *(f"-DM_{switch}" for switch in switches), os.path.join(MUTANT_FOLDER, source),
                           "-o", library, "-lpthread"], capture_output=True, text=True, timeout=60)
    expect_equal((done.returncode, done.stderr), (0, ""), f"what the compiler says of {library}")


def check(plugin, *options):
    """The kit's report as JSON, and its exit."""
    done = sluice("plugin", "check", plugin, "--json", *options)
    expect(done.stdout.startswith("{"), lambda: f"the kit did not report: {done.stderr}")
    return json.loads(done.stdout), done.returncode


def before(rig):
    """The library of the gauge's version before, built once for a test."""
    path = os.path.join(rig.path("before"), "gauge-1.0.so")
    compiled("source.c", ["BEFORE"], path)
    return path


def previous(manifest, library):
    """What a check is compared with: the manifest of the version before, where there is one, and the library of the gauge's beside it."""
    folder = os.path.dirname(manifest)
    for older in glob.glob(os.path.join(folder, "*-[0-9].[0-9].yaml")):
        if "gauge" in older:
            shutil.copy(library, folder)
        return ("--previous", older)
    return ()


def failing(report):
    starts = not any(c["name"] in ("load-rtld-now", "configure-ok") and c["status"] == "fail" for c in report["checks"])
    bad = ("fail", "crash", "timeout") + (("blocked",) if starts else ())
    return {c["name"]: c for c in report["checks"] if c["status"] in bad}


def test_own_plugins_pass(rig):
    """every plugin of ours passes at the level hardened, with nothing skipped and nothing to warn of"""
    manifests = sorted(f for f in os.listdir(os.path.join(Settings.programs, "plugins")) if f.endswith(".yaml") and not f.endswith(".check.yaml"))
    expect(len(manifests) >= 3, f"too few plugins: {manifests}")
    notes = []
    for manifest in manifests:
        report, status = check(os.path.join(Settings.programs, "plugins", manifest))
        odd = [(c["name"], c["status"], c["reason"]) for c in report["checks"] if c["status"] not in ("pass", "n/a") and c["name"] != "load-time"]
        expect_equal((report["level"], odd, status), ("hardened", [], 0), f"what the kit says of {manifest}")
        notes.append(f"{report['plugin']} {sum(c['status'] == 'pass' for c in report['checks'])} in {report['spent_ms'] / 1000:.1f} s")
    return ", ".join(notes)


def test_right_ones_pass(rig):
    """the three plugins that mutants are made of pass everything while nothing is wrong with them"""
    older = before(rig)
    for plugin in FILES:
        manifest = build(rig, plugin)
        report, status = check(manifest, *previous(manifest, older))
        expect_equal(({n: c["reason"] for n, c in failing(report).items()}, report["level"], status), ({}, "hardened", 0), f"what the kit says of {plugin}")


def mutant(rig, number, wrong, older):
    manifest = build(rig, wrong.plugin, wrong.switches, wrong.edit, f"m{number}")
    report, status = check(manifest, *previous(manifest, older), *(("--only", wrong.checks[0]) if wrong.only else ()))
    bad = failing(report)
    found = {c["name"] for c in report["checks"] if c["status"] == "warn"} if wrong.warns else set(bad)
    faults = [f"{wrong.name}: {name} did not notice" for name in wrong.checks if name not in found]
    # Where a warning is what must come, nothing may fail by itself.
    right = wrong.collateral if wrong.warns else wrong.collateral | set(wrong.checks)
    if ANY not in wrong.collateral:
        faults += [f"{wrong.name}: {name} fails as well: {bad[name]['reason'][:200]}" for name in sorted(set(bad) - right)]
    return faults + ([] if status == (1 if bad or not wrong.warns else 0) else [f"{wrong.name}: exit {status}"])


def test_mutants_are_caught(rig):
    """each plugin that is broken on purpose fails the check that is named for its fault, and no other that is not declared"""
    older = before(rig)
    with ThreadPoolExecutor(2) as pool:
        faults = [fault for some in pool.map(lambda pair: mutant(rig, *pair, older), enumerate(MUTANTS)) for fault in some]
    expect(not faults, lambda: "faults of the kit:\n" + "\n".join(faults))
    return f"{len(MUTANTS)} mutants"


def test_every_check_has_a_mutant(rig):
    """there is no check of which nobody has seen that it can fail"""
    listed = json.loads(sluice("plugin", "check", "--list", "--json").stdout)
    names = [c["name"] for c in listed]
    expect_equal(len(names), len(set(names)), "names of checks")
    expect_equal(sorted(set(names) - {name for wrong in MUTANTS for name in wrong.checks}), [], "checks without a mutant")
    with open(os.path.join(PROJECT, "docs", "abi.md")) as f:
        abi = f.read()
    with open(os.path.join(PROJECT, "docs", "guides", "manifest.md")) as f:
        manifest = f.read()
    clauses = {c["clause"] for c in listed}
    lost = [c for c in clauses if not re.search(rf"(\*\*|## ){re.escape(c)}\b", abi if c.startswith("ABI") else manifest)]
    expect_equal(lost, [], "clauses that no document has")
    with open(os.path.join(PROJECT, "docs", "conformance.md")) as f:
        page = f.read()
    rows = ["| `{name}` | {level} | {clause} | {sentence} |".format(**c) for c in listed]
    expect_equal([row for row in rows if row not in page], [], "rows that docs/conformance.md lacks")
    return f"{len(names)} checks"


def test_list_is_answered_for(rig):
    """each of the eighty entries that the kit began from has its row: a check that exists, a suite that does, or why it does not apply"""
    checks = {c["name"] for c in json.loads(sluice("plugin", "check", "--list", "--json").stdout)}
    with open(os.path.join(PROJECT, "docs", "conformance.md")) as f:
        rows = re.findall(r"^\| (\d+) \| (.+) \| (.+) \|$", f.read(), re.M)
    expect_equal([int(number) for number, _, _ in rows], list(range(1, 81)), "numbers of the rows")
    claimed = set()
    for number, _, here in rows:
        for word in re.findall(r"`([a-z0-9-]+)`", here):
            expect(word in checks or word == "replayable" or word == "ack", f"row {number} names {word}, which is no check")
            claimed.add(word)
        places = re.findall(r"`(Tests/[\w/.]+)`", here)
        expect_equal([place for place in places if not os.path.exists(os.path.join(PROJECT, place))], [], f"suites of row {number} that are not there")
        expect(claimed & set(re.findall(r"`([a-z0-9-]+)`", here)) or places or "does not apply: " in here or number == "80", f"row {number} answers for nothing: {here}")
    anchors = os.path.join(Settings.shared, "research", "plugin-host-anchors.md")
    if not os.path.exists(anchors):
        return f"{len(rows)} rows, not compared with the research"
    with open(anchors) as f:
        asked = {number: re.findall(r"`([^`]+)`", names) for number, names in re.findall(r"^\| (\d+) \| ([^|]+) \|", f.read(), re.M)}
    expect_equal({number: re.findall(r"`([^`]+)`", names) for number, names, _ in rows}, asked, "what was asked for")
    return f"{len(rows)} rows, {len(claimed & checks)} of {len(checks)} checks"


def test_previous_needs_its_library(rig):
    """with the version before only what is there is compared: its library, its manifest alone, or an installed one; a library of another version is not taken for it"""
    manifest = build(rig, "gauge")
    folder = os.path.dirname(manifest)
    older = os.path.join(folder, "gauge-1.0.yaml")
    names = ("spec-backward-compatible", "catalog-backward-compatible", "keys-backward-compatible", "state-backward-compatible")

    def compared(*options):
        report, status = check(manifest, *(f"--only={name}" for name in names), *options)
        return [(c["status"], c["reason"]) for c in report["checks"]]

    def without_library(reason):
        return [("pass", ""), ("pass", ""), ("n/a", reason), ("n/a", reason)]
    expect_equal(compared(), [("n/a", "There is no earlier version here.")] * 4, "without an earlier version")
    expect_equal(compared("--previous", older), without_library("The library of 1.0.0 is not beside its manifest."), "with its manifest alone")
    shutil.copy(os.path.join(folder, "gauge.so"), os.path.join(folder, "gauge-1.0.so"))
    expect_equal(compared("--previous", older), without_library("The library beside the manifest of 1.0.0 is the one that is checked."), "with the same library")
    shutil.copy(before(rig), folder)
    expect_equal(compared("--previous", older), [("pass", "")] * 4, "with its library")
    expect_equal(compared("--previous", os.path.join(folder, "gauge-1.0.so")), [("pass", "")] * 4, "by its library")
    # As it is shipped: stamped, packed and installed.
    with open(older) as f:
        text = f.read()
    for digest in ("0" * 63 + "1", hashlib.sha256(open(os.path.join(folder, "gauge-1.0.so"), "rb").read()).hexdigest()):
        with open(older, "w") as f:
            f.write(text.replace("sha256: built", f'sha256: "{digest}"'))
        if digest.endswith("0001"):
            expect_equal(compared("--previous", older), without_library("The library beside the manifest of 1.0.0 is not the one that it names."), "with another library")
    data = rig.path("data")
    os.chmod(data, 0o700)
    pack = sluice("plugin", "pack", older, "--to", rig.path("packs")).stdout.strip()
    done = sluice("plugin", "install", pack, "--data-dir", data, "--unsigned", "--accept")
    expect_equal(done.returncode, 0, f"exit of plugin install ({done.stderr})")
    expect_equal(compared("--previous", "gauge@1.0.0", "--data-dir", data), [("pass", "")] * 4, "with an installed one")


def test_reports(rig):
    """a report is text, JSON or JUnit, names the clause, and says how to see a fault again; the same seed finds the same"""
    manifest = build(rig, "gauge", ["ANY_STREAM"])
    junit = os.path.join(rig.folder, "junit.xml")
    done = sluice("plugin", "check", manifest, "--junit", junit)
    expect_equal(done.returncode, 1, "exit of a check that failed")
    expect("fail     illegal-order" in done.stdout and "[ABI-7.7]" in done.stdout, f"what is said of it: {done.stdout[-2000:]}")
    expect(f"sluice plugin check {manifest} --only illegal-order --reproduce 1" in done.stdout, f"how to see it again: {done.stdout[-600:]}")
    expect(done.stdout.splitlines()[-1].startswith("sluice conformance: basic | gauge 1.1.0 | ABI 1.0 | "), f"the badge: {done.stdout.splitlines()[-1]}")
    # The version is what the library's note states, whatever the entry says.
    with open(os.path.join(os.path.dirname(manifest), "gauge.so"), "r+b") as f:
        at = f.read().index(b"SLC1\x01\x00\x00\x00")
        f.seek(at + 6)
        f.write(b"\x07\x00")
    later = sluice("plugin", "check", manifest, "--only", "version-triple-match")
    expect((later.returncode, "| ABI 1.7 |" in later.stdout.splitlines()[-1]) == (1, True), f"the badge of a library of 1.7: {later.stdout}")
    suite = ElementTree.parse(junit).getroot()
    expect_equal((suite.get("failures"), suite.get("errors")), ("1", "0"), "failures and errors in JUnit")
    (case,) = [c for c in suite if c.find("failure") is not None]
    expect_equal((case.get("name"), case.get("classname")), ("illegal-order", "standard"), "the case that failed")
    wrong = build(rig, "gauge", ["CRASHES_ON_TEAPOT"], name="teapot")
    seen = [check(wrong, "--only", "fuzz-http", "--seed", "11")[0]["checks"][0] for _ in range(2)]
    expect_equal(seen[0]["reason"], seen[1]["reason"], "what one seed finds")


def test_levels_and_skips(rig):
    """a level runs its checks and those below; what is skipped needs a reason in the manifest, and a check that exists"""
    manifest = build(rig, "gauge", ["OPENS_SOCKET"])
    basic, status = check(manifest, "--level", "basic")
    expect_equal(({c["level"] for c in basic["checks"]}, basic["level"], status), ({"basic"}, "basic", 0), "a run at the level basic")
    whole, status = check(manifest)
    expect_equal((whole["level"], status, list(failing(whole))), ("standard", 1, ["no-direct-syscalls"]), "a run at the level hardened")
    skipped = build(rig, "gauge", ["OPENS_SOCKET"], ("gauge.yaml", "schedule:", "conformance: {skip: {no-direct-syscalls: It asks for a socket to measure the sandbox.}}\nschedule:"), "skips")
    report, status = check(skipped)
    (left_out,) = [c for c in report["checks"] if c["status"] == "skip"]
    expect_equal((left_out["name"], left_out["reason"], status), ("no-direct-syscalls", "It asks for a socket to measure the sandbox.", 0), "what was left out")
    # What was not tried is not claimed.
    expect_equal(report["level"], "standard", "the level of a plugin that skips a check of the level hardened")
    badge = sluice("plugin", "check", skipped).stdout.splitlines()[-1]
    expect(badge.startswith("sluice conformance: standard (hardened but for no-direct-syscalls) | gauge"), f"the badge: {badge}")
    # Neither is what the fixtures leave out, with a reason or without.
    still = build(rig, "gauge", (), without("gauge", "changes"), "still")
    report, status = check(still)
    expect_equal((report["level"], list(failing(report)), status), ("basic", ["every-stream-changes"], 1), "a run whose fixtures change nothing")
    with open(still, "a") as f:
        f.write("conformance: {skip: {every-stream-changes: What was measured stays as it is.}}\n")
    badge = sluice("plugin", "check", still).stdout.splitlines()[-1]
    expect(badge.startswith("sluice conformance: basic (hardened but for every-stream-changes) | gauge"), f"the badge: {badge}")
    for name, skip, code in (("unknown", "no-such-check: It has no such thing.", "kit.unknown_check"), ("bare", "no-direct-syscalls: no", "config.invalid")):
        path = build(rig, "gauge", (), ("gauge.yaml", "schedule:", f"conformance: {{skip: {{{skip}}}}}\nschedule:"), name)
        done = sluice("plugin", "check", path)
        expect((done.returncode, f"[{code}]" in done.stderr) == (1, True), f"a skip that is none: {done.stderr}")


def test_each_stream_must_change(rig):
    """of a source with many streams each must be seen to change, and the one that does not is named"""
    folder = rig.path("crm")
    for file in ("crm.yaml", "crm-source.so", "crm.check.yaml"):
        shutil.copy(os.path.join(Settings.programs, "plugins", file), folder)
    path = os.path.join(folder, "crm.check.yaml")
    with open(path) as f:
        text = f.read()
    gone = "{id: versie-hillebrand, version: 2, updated_at: 2017-01-07, deleted: true}"
    expect_equal(text.count(gone), 2, "how often the rep is gone")
    with open(path, "w") as f:
        f.write(text.replace(gone, "{id: versie-hillebrand, version: 1, updated_at: 2017-01-05, name: Versie Hillebrand, manager: Dustin Brinkmann, regional_office: Central}"))
    report, status = check(os.path.join(folder, "crm.yaml"), "--only", "every-stream-changes")
    (only,) = report["checks"]
    expect((only["status"], status) == ("fail", 1) and only["reason"].startswith("Nothing of reps changes: "), f"what the kit says: {only}")


def test_what_is_no_plugin(rig):
    """what is no library, no manifest or no fixture is refused with a code, and a library without its manifest too"""
    manifest = build(rig, "gauge")
    folder = os.path.dirname(manifest)
    cases = [(("nothing",), "connector.no_plugin"), ((os.path.join(folder, "none.yaml"),), "file.unreadable"),
             ((manifest, "--only", "nothing"), "kit.unknown_check"), ((manifest, "--fixtures", manifest), "config.invalid"),
             ((os.path.join(folder, "lost.so"),), "kit.no_manifest")]
    shutil.copy(os.path.join(folder, "gauge.so"), os.path.join(folder, "lost.so"))
    for arguments, code in cases:
        done = sluice("plugin", "check", *arguments)
        expect((done.returncode, f"[{code}]" in done.stderr) == (1, True), f"check {arguments}: {done.stderr}")
    by_library, status = check(os.path.join(folder, "gauge.so"), "--level", "basic")
    expect_equal((by_library["level"], status), ("basic", 0), "a check by the library's name")
    for junk in (b"", b"\x7fELF", os.urandom(4096)):
        with open(os.path.join(folder, "gauge.so"), "wb") as f:
            f.write(junk)
        report, status = check(manifest)
        expect_equal(({c["status"] for c in report["checks"] if c["name"] in ("load-rtld-now", "descriptor-fields")} <= {"fail", "blocked", "crash"}), True, "a file that is no library")
        expect_equal(({n for n in failing(report)} >= {"load-rtld-now", "exports-only-entry"}, status), (True, 1), "a file that is no library")
