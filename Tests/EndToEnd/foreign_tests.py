"""A real host's ledger and metrics, checked by other people's programs."""
from approval_tests import holding
from keep_tests import LEDGER, Kept, ask
from rig import *

SOURCE = os.path.join(PROJECT, "Tests", "Foreign", "tlog")
GO = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "", "CGO_ENABLED": "0"}


def verifier(rig):
    """The program in Tests/Foreign/tlog, built from Debian's golang-golang-x-mod-dev without a network."""
    if not shutil.which("go") or not os.path.exists("/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog"):
        raise Skip("needs the packages golang-go and golang-golang-x-mod-dev")
    target = os.path.join(rig.folder, "tlog")
    made = subprocess.run(["go", "build", "-o", target, "main.go"], cwd=SOURCE, env={**os.environ, **GO, "GOCACHE": os.path.join(rig.folder, "cache")},
                          capture_output=True, text=True, timeout=180)
    expect_equal(made.returncode, 0, f"exit of go build ({made.stderr})")
    return target


def test_go_verifies_an_export(rig):
    """Go's checksum database finds an exported log sound, and that it extends what was exported before; not so after a flipped bit"""
    program, log = verifier(rig), os.path.join(rig.folder, "log")
    scenario = rig.scenario(mode="act", world=("--seed", Settings.seed, "--opportunities", 300, "--days", 12))
    scenario.start()
    expect_equal(scenario.host.ask("tenant.create", tenant="other")["ledger_vkey"], scenario.host.ask("ledger.status", tenant="other")["vkey"], "the key that a new tenant's ledger is checked with")
    checkpoints = []
    for day in (2, 5, None):
        scenario.run(**({"days": day} if day else {}))
        scenario.host.ask("ledger.export", to=log)
        with open(os.path.join(log, "checkpoint")) as f:
            checkpoints.append(f.read())
    sizes = [int(text.splitlines()[1]) for text in checkpoints]
    expect(sizes == sorted(set(sizes)) and sizes[-1] > 256, f"sizes of the log: {sizes}")
    with open(os.path.join(log, "log.vkey"), "w") as f:
        f.write(scenario.host.ask("ledger.status")["vkey"] + "\n")
    for number, text in enumerate(checkpoints, 1):
        with open(os.path.join(log, f"checkpoint.{number}"), "w") as f:
            f.write(text)
    done = subprocess.run([program, log], capture_output=True, text=True, timeout=60)
    expect_equal(done.returncode, 0, f"exit of the foreign verifier ({done.stdout[-500:]})")
    bundle = os.path.join(log, "tile", "entries", "000")
    with open(bundle, "r+b") as f:
        data = bytearray(f.read())
        data[len(data) // 2] ^= 1
        f.seek(0)
        f.write(data)
    expect_equal(subprocess.run([program, log], capture_output=True, timeout=60).returncode, 1, "exit of the foreign verifier after a flipped bit")
    return f"golang.org/x/mod/sumdb: {done.stdout.strip()}"


def test_go_verifies_restored_logs(rig):
    """Go's checksum database finds both logs of a restored tenant sound and joined, and not so when the older one ends elsewhere or the newer one's first payload is another"""
    program, kept = verifier(rig), Kept(rig)
    kept.host.ask("ledger.publish")
    kept.scenario.run(days=1)
    backup = kept.create()
    kept.scenario.run(days=1)
    kept.host.ask("ledger.publish")
    kept.host.stop()
    first, done = kept.restore(backup)
    host = kept.opened(first)
    host.start()
    host.ask("ledger.publish")
    host.stop()
    name = json.loads(done.stdout)["tenants"][0]["log"].rsplit("/", 1)[1]
    checkpoints = (os.path.join(kept.host.data, LEDGER, "checkpoint"), os.path.join(first, LEDGER, name, "checkpoint"))
    to, _ = kept.restore(backup, *(word for path in checkpoints for word in ("--checkpoint", path)))
    log = os.path.join(rig.folder, "log")
    ask(0, "ledger", "export", "--to", log, "--data-dir", to, "--host-key", kept.key)
    newer, = [entry for entry in os.listdir(log) if entry.startswith("epoch-")]
    expect(newer.startswith("epoch-3-"), f"the log of the second restore: {newer}")

    def found(folder):
        done = subprocess.run([program, folder], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout

    code, sound = found(log)
    expect_equal(code, 0, f"exit of the foreign verifier ({sound[-500:]})")
    expect(sound.startswith("2 logs: "), sound)
    number = 0

    def check_found(change, words):
        nonlocal number
        number += 1
        copy = os.path.join(rig.folder, f"changed{number}")
        shutil.copytree(log, copy)
        change(copy)
        code, said = found(copy)
        expect(code == 1 and words in said, f"after a change: {code} {said}")

    def shorten(folder):
        sizes = sorted(int(entry.split(".")[1]) for entry in os.listdir(folder) if entry.startswith("checkpoint."))
        expect(len(sizes) > 1, f"the older log has one checkpoint only: {sizes}")
        shutil.copy(os.path.join(folder, f"checkpoint.{sizes[0]}"), os.path.join(folder, "checkpoint"))

    def rewrite(folder):
        for base, _, names in os.walk(os.path.join(folder, newer, "payload")):
            for entry in names:
                with open(os.path.join(base, entry), "r+b") as f:
                    data = f.read()
                    if b'"alsoPublished"' in data:
                        f.seek(40)
                        f.write(bytes([data[40] ^ 1]))

    check_found(shorten, "goes on where the log before ends")
    check_found(rewrite, "its payload is another one")
    return sound.strip()


def test_promtool_accepts_the_metrics(rig):
    """Prometheus' own check finds nothing to say of the metrics of a host that has worked"""
    if not shutil.which("promtool"):
        raise Skip("needs the package prometheus")
    scenario, _ = holding(rig)
    status, _, metrics = request(scenario.host.address, "GET", "/metrics", headers={"Host": scenario.host.address})
    expect_equal(status, 200, "status of /metrics")
    done = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True, timeout=60)
    expect_equal((done.returncode, (done.stdout + done.stderr).decode()), (0, ""), "what promtool says")
    expect(metrics.count(b"# TYPE ") > 10, "metrics are missing")


def test_promtool_accepts_the_alerts(rig):
    """Prometheus' own check accepts the alert rules, and each of the dashboard's questions as one"""
    if not shutil.which("promtool"):
        raise Skip("needs the package prometheus")
    rules = os.path.join(PROJECT, "deploy", "prometheus", "alerts.yml")
    with open(os.path.join(PROJECT, "deploy", "grafana", "sluice.json")) as f:
        asked = [target["expr"].replace("$__rate_interval", "5m") for panel in json.load(f)["panels"] for target in panel["targets"]]
    board = os.path.join(rig.folder, "board.json")
    with open(board, "w") as f:
        json.dump({"groups": [{"name": "board", "rules": [{"record": f"board:{n}", "expr": e} for n, e in enumerate(asked)]}]}, f)
    for path, count in ((rules, None), (board, len(asked))):
        done = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True, timeout=60)
        expect_equal(done.returncode, 0, f"exit of promtool ({done.stdout}{done.stderr})")
        expect(count is None or f"{count} rules found" in done.stdout, f"{done.stdout}")
    return f"{len(asked)} questions"
