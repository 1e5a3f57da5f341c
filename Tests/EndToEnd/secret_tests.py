"""Where a secret must never be found, and proof that the search would find it."""
import base64
import urllib.parse

from rig import *


def forms(secret):
    """The secret as it may stand somewhere: as it is, percent-encoded, in hex, and in base64 at each of its three alignments."""
    raw = secret.encode()
    found = {raw, urllib.parse.quote(secret, safe="").encode(), urllib.parse.quote_plus(secret).encode(), raw.hex().encode(), raw.hex().upper().encode(),
             json.dumps(secret)[1:-1].encode(), secret.replace("/", "\\/").encode(), secret.encode("utf-16-le")}
    for shift in range(3):
        # Only what the secret alone decides: the first and last characters depend on its neighbours.
        coded = base64.b64encode(b"\0" * shift + raw).rstrip(b"=")
        inner = coded[(0, 2, 3)[shift]:len(coded) - 1]
        found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return {form for form in found if len(form) >= 12}


def findings(folder, secrets, but=("hostkey",)):
    wanted = [form for secret in secrets for form in forms(secret)]
    found = []
    for base, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(base, name)
            if not os.path.isfile(path):
                continue
            with open(path, "rb") as f:
                data = f.read()
            found += [f"{os.path.relpath(path, folder)}" for form in wanted if form in data]
    return sorted(set(found))


def memory_holds(pid, secrets):
    """Whether the memory of a process holds one of the secrets, in any form."""
    wanted = [form for secret in secrets for form in forms(secret)]
    regions = 0
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, mode = line.split()[:2]
            begin, stop = (int(x, 16) for x in span.split("-"))
            if "r" not in mode or "[v" in line:
                continue
            try:
                memory.seek(begin)
                data = memory.read(stop - begin)
            except (OSError, ValueError, OverflowError):
                continue
            regions += 1
            if any(form in data for form in wanted):
                return True
    expect(regions > 5, f"the memory of {pid} could not be read")
    return False


CANARY = "canary/9fK+q2 ZpW=5x&Lr7?uT"


def test_search_finds_what_is_planted(rig):
    """the search finds a planted secret in a file, a log line, a database and the memory of a process, in each of its forms"""
    folder = rig.path("planted")
    expect_equal(findings(folder, [CANARY]), [], "findings in an empty folder")
    plants = {
        "raw.txt": CANARY.encode(), "log.txt": b'{"message":"header Bearer ' + json.dumps(CANARY)[1:-1].encode() + b'"}\n',
        "basic.txt": b"Authorization: Basic " + base64.b64encode(f"user:{CANARY}".encode()), "basic2.txt": base64.b64encode(f"u:{CANARY}:x".encode()),
        "url.txt": b"https://crm.example/?token=" + urllib.parse.quote_plus(CANARY).encode(), "safe.txt": base64.urlsafe_b64encode(b"ab" + CANARY.encode() + b"z"),
        "hex.txt": CANARY.encode().hex().encode(),
    }
    for name, data in plants.items():
        with open(os.path.join(folder, name), "wb") as f:
            f.write(b"\x00\xff some bytes before " + data + b" and after")
    base = sqlite3.connect(os.path.join(folder, "base.db"))
    base.execute("CREATE TABLE t(v)")
    base.execute("INSERT INTO t VALUES(?)", (CANARY,))
    base.commit()
    base.close()
    expect_equal(findings(folder, [CANARY]), sorted([*plants, "base.db"]), "findings")
    if os.geteuid() == 0:
        holder = subprocess.Popen(["/bin/sh", "-c", "secret=$(cat); echo ready; sleep 60"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        rig.closing.append(lambda: end(holder, signal.SIGKILL))
        holder.stdin.write(CANARY.encode())
        holder.stdin.close()
        holder.stdout.readline()
        expect(memory_holds(holder.pid, [CANARY]), "the memory of a process that holds it")
        expect(not memory_holds(holder.pid, ["another-canary-that-is-nowhere"]), "a secret that nobody holds was found")


def test_secrets_stay_in_the_vault(rig):
    """after a run no file of the data folder, log, answer, metric or worker holds a secret in any form; nor after a refused credential"""
    scenario = rig.scenario(mode="act", world=("--seed", Settings.seed, "--opportunities", 80, "--days", 3))
    scenario.start()
    host = scenario.host
    # A second tenant, whose credential is a canary that the upstream refuses, and whose webhook secret is one too.
    host.ask("tenant.create", tenant="other")
    host.ask("apply", tenant="other", folder=PROJECT)
    host.ask("secret.set", tenant="other", instance="crm", slot="api", value=CANARY)
    hook = "hook-" + CANARY
    host.ask("secret.set", tenant="other", instance="crm", slot="webhook", value=hook)
    host.ask("connector.enable", tenant="other", name=os.path.join(scenario.plugins, "crm.yaml"), instance="crm", endpoints={"crm": scenario.world.url}, allow_private=True)
    path = host.ask("connector.hook", tenant="other", instance="crm")["path"]
    request(host.address, "POST", path, b"{}", {"webhook-id": "1", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,AAAA"})
    scenario.run()
    wait_for(lambda: "parked" in json.dumps(host.ask("connector.list", tenant="other")), "the refused connector is parked")
    secrets = [CANARY, hook, scenario.world.secrets["token"], scenario.world.secrets["webhook_secret"]]
    said = json.dumps([host.reply(command, tenant=tenant) for tenant in ("demo", "other") for command in (
        "connector.list", "secret.list", "checkpoint.show", "signal.list", "action.list", "deadletter.list", "decision.list", "approval.list", "tenant.list", "user.list")])
    _, _, metrics = request(host.address, "GET", "/metrics")
    for secret in secrets:
        for form in forms(secret):
            expect(form not in said.encode() and form not in metrics, f"a secret stands in an answer or a metric, as {form[:8]}…")
    expect_equal(findings(scenario.folder, secrets), [], "files that hold a secret")
    scanned = 0
    if os.geteuid() == 0:
        for pid in host.workers("sluice-worker"):
            expect(not memory_holds(pid, secrets), f"the memory of worker {pid} holds a secret")
            with open(f"/proc/{pid}/environ", "rb") as f, open(f"/proc/{pid}/cmdline", "rb") as g:
                around = f.read() + g.read()
            expect(not any(form in around for s in secrets for form in forms(s)), "a worker's environment or command line holds a secret")
            scanned += 1
        expect(scanned >= 2, f"only {scanned} workers were alive to be searched")
    # The search is not blind here: a planted line is found.
    with open(host.log, "a") as f:
        f.write(f"Authorization: Bearer {CANARY}\n")
    expect_equal(findings(scenario.folder, secrets), ["host.log"], "findings after one was planted")
    return f"{scanned} workers searched" if scanned else "workers not searched: not root"


def test_host_memory_is_closed(rig):
    """another process of the host's own user can neither read its memory nor its environment, and it leaves no core"""
    if os.geteuid() != 0:
        raise NotAllowed("only root can run a host and its neighbour as a third user")
    nobody = 65534
    folder = rig.path("nobody")
    os.chown(folder, nobody, nobody)

    def as_nobody():
        os.setgid(nobody)
        os.setuid(nobody)
    host = subprocess.Popen([program("sluice"), "up", "--data-dir", os.path.join(folder, "data"), "--listen", "127.0.0.1:0"], cwd=folder,
                            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, preexec_fn=as_nobody)
    rig.closing.append(lambda: end(host, signal.SIGKILL))
    line = host.stderr.readline()
    expect("host.started" in line, f"the host runs as another user: {line}")
    for file in ("mem", "environ"):
        read = subprocess.run(["head", "-c", "1", f"/proc/{host.pid}/{file}"], preexec_fn=as_nobody, capture_output=True, text=True)
        expect("Permission denied" in read.stderr, f"{file} of the host: {read.returncode} {read.stderr}")
    neighbour = subprocess.Popen(["sleep", "60"], preexec_fn=as_nobody)
    rig.closing.append(lambda: end(neighbour, signal.SIGKILL))
    read = subprocess.run(["head", "-c", "1", f"/proc/{neighbour.pid}/environ"], preexec_fn=as_nobody, capture_output=True, text=True)
    expect_equal(read.returncode, 0, f"exit of the same look at a process that hides nothing ({read.stderr})")
    with open(f"/proc/{host.pid}/limits") as f:
        limit = next(row for row in f if row.startswith("Max core file size"))
    expect_equal(limit.split()[4:6], ["0", "0"], "limits of a core file")
