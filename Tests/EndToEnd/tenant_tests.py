"""The life of a tenant: suspended and resumed, bounded in what it takes of the disk, erased for good."""
import glob
import re
import threading

from disk_tests import Filler, approve, settings, small_disk
from keep_tests import Kept, ask, crash_points
import packs_tests
from rig import *
from webhook_tests import post, signed


def neighbour(host):
    """Another tenant with a name of its own and something in its journal."""
    host.ask("tenant.create", tenant="other")
    host.ask("tenant.mode", tenant="other", mode="propose")


def check_neighbour(host):
    expect_equal(host.ask("doctor.deep", tenant="other")["same"], True, "the neighbour's state")
    expect(host.ask("ledger.verify", tenant="other")["sound"], "the neighbour's log")
    host.ask("tenant.mode", tenant="other", mode="observe")


def refusal(host, command, **arguments):
    return host.reply(command, **arguments).get("error", {"code": None, "message": ""})


def delivery(scenario, name):
    body = b'{"type":"test"}'
    status, headers, _ = post(scenario, signed(scenario.world.secrets["webhook_secret"], body, name), body)
    return status, headers.get("retry-after")


def row(host, tenant="demo"):
    return host.ask("tenant.show", tenant=tenant)


def bytes_of(folder):
    """Every file of a folder, by its path."""
    found = {}
    for base, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(base, name)
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            with open(path, "rb") as f:
                found[os.path.relpath(path, folder)] = f.read()
    return found


def wrapped(data, tenant="demo"):
    """The tenant's wrapped keys and sealed secrets, as the keystore's rows hold them."""
    with contextlib.closing(sqlite3.connect(os.path.join(data, "keystore.db"))) as base:
        rows = base.execute("SELECT name, value FROM keystore WHERE instr(name, '/' || ? || '/') > 0", (tenant,)).fetchall()
    return {name: value for name, value in rows}


def test_suspension(rig):
    """a suspended tenant has no worker, starts no effect, takes nothing in, says who, since when and why, also after a restart; all can be read; resumed it goes on, and its approvals with it"""
    scenario = rig.scenario(mode="act", world=("--seed", Settings.seed, "--opportunities", 80, "--days", 6))
    scenario.start()
    host = scenario.host
    neighbour(host)
    scenario.run(days=2)
    host.ask("tenant.mode", mode="propose")
    scenario.process_day()
    held = host.ask("approval.list")
    expect(held, "nothing is held: the test tells nothing")
    host.ask("user.create", name="demo-approver", roles=["approver"])
    token = host.ask("user.token", name="demo-approver")["token"]
    code = re.search(r"code=(\w+)", host.ask("user.link", name="demo-approver")["path"]).group(1)
    expect_equal(refusal(host, "tenant.suspend", reason="  ")["code"], "tenant.bad_reason", "suspension without a reason")
    host.ask("tenant.suspend", reason="unpaid since March")
    expect_equal(host.workers(), [], "workers of a suspended tenant")
    for restarted in (False, True):
        if restarted:
            host.kill()
            host.start()
        head, effects = host.head(), len(host.ask("effect.list", limit=10_000))
        found = row(host)
        expect_equal((found["state"], found["suspended"]["reason"]), ("suspended", "unpaid since March"), "tenant show")
        expect(found["suspended"]["by"].startswith("os-") and found["suspended"]["since_ms"] > 0, f"who and when: {found}")
        for command, arguments in (("connector.run", {"instance": "crm"}), ("connector.resume", {"instance": "crm"}), ("tenant.mode", {"mode": "act"}),
                                   ("approval.approve", {"id": held[0]["id"], "plan": True}), ("apply", {"folder": scenario.rules()}), ("secret.revoke", {"instance": "crm", "slot": "api", "plan": True}),
                                   ("tenant.suspend", {"reason": "again"})):
            error = refusal(host, command, **arguments)
            expect_equal(error["code"], "tenant.suspended", f"refusal of {command}")
            expect(all(word in error["message"] for word in ("os-", "unpaid since March", "tenant resume", "T")), error["message"])
        status, _, body = request(host.address, "POST", "/api/v1/approval.approve", headers={"Host": host.address, "Authorization": f"Bearer {token}", "Content-Type": "application/json"},
                                  body=json.dumps({"tenant": "demo", "id": held[0]["id"]}).encode())
        expect_equal((status, json.loads(body)["error"]["code"]), (409, "tenant.suspended"), "an approval by the API")
        expect_equal(delivery(scenario, f"msg_suspended_{restarted}"), (503, "300"), "answer to a webhook")
        expect_equal((host.head(), len(host.ask("effect.list", limit=10_000))), (head, effects), "what the journal holds, and effects")
        expect(host.ask("apply", folder=scenario.rules(), plan=True), "a plan is only read")
        expect_equal([each["state"] for each in host.ask("connector.list")], ["suspended"] * 2, "connector list")
        for command in ("doctor.deep", "decision.list", "approval.list", "ledger.verify", "top"):
            host.ask(command)
        check_neighbour(host)
    entry = host.journal()
    expect(entry, "the journal can be read")
    ask(0, "backup", "verify", json.loads(ask(0, "backup", "create", "--to", rig.path("b"), "--data-dir", host.data).stdout)["path"])
    code = re.search(r"code=(\w+)", host.ask("user.link", name="demo-approver")["path"]).group(1)
    _, headers, _ = request(host.address, "GET", f"/sign-in?code={code}", headers={"Host": host.address})
    _, _, page = request(host.address, "GET", "/", headers={"Host": host.address, "Cookie": headers["set-cookie"].split(";")[0]})
    expect(b"suspended" in page and b"unpaid since March" in page, "the console does not say that the tenant is suspended")
    host.ask("tenant.resume")
    expect_equal(refusal(host, "tenant.resume")["code"], "tenant.not_suspended", "resumed twice")
    host.ask("tenant.mode", mode="act")
    scenario.process_day()
    expect_equal(delivery(scenario, "msg_resumed")[0], 202, "a webhook after the suspension")
    scenario.run()
    scenario.catch_up()
    scenario.check_records()
    scenario.check_effects()
    scenario.check_sound()


def test_suspension_in_the_middle(rig):
    """a tenant that is suspended twice at once while it pulls and acts, and killed then, is suspended once, loses nothing and does nothing twice"""
    scenario = rig.scenario(mode="act", world=("--seed", Settings.seed + 1, "--opportunities", 120, "--days", 5), page_size=5)
    scenario.start()
    host = scenario.host
    scenario.run(days=2)
    host.ask("connector.run", instance="crm")
    replies = []
    threads = [threading.Thread(target=lambda n=n: replies.append(host.reply("tenant.suspend", reason=f"reason {n}"))) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = sorted(reply.get("error", {"code": ""})["code"] for reply in replies)
    expect(codes[0] == "" and codes[1] in ("tenant.busy", "tenant.suspended"), f"two suspensions at once: {codes}")
    open_states = set(host.state.space("action.open").values())
    expect(not open_states & {"started"}, f"effects are under way: {open_states}")
    host.kill()
    host.start()
    expect_equal(row(host)["state"], "suspended", "state after the kill")
    host.ask("tenant.resume")
    scenario.process_day()
    scenario.run()
    scenario.catch_up()
    scenario.check_records()
    scenario.check_effects()
    scenario.check_sound()


def test_quota(rig):
    """at its disk quota a tenant's intake pauses by name, people, effects and kill switches go on, and so do others; raised, all of it comes in by itself"""
    scenario = rig.scenario(mode="act", world=("--seed", Settings.seed, "--opportunities", 80, "--days", 5))
    host = scenario.host
    config = os.path.join(scenario.folder, "sluice.yaml")
    with open(config, "w") as f:
        f.write("sluice: 1\ndisk:\n  tenant_quota_bytes: 1099511627776\ninstances:\n  tenant_quota: 50\n")
    host.options = ("--config", config)
    scenario.start()
    neighbour(host)
    host.ask("tenant.mode", mode="propose")
    scenario.process_day()
    held = host.ask("approval.list")
    expect(held, "nothing is held: the test tells nothing")
    host.ask("ledger.publish")
    used = row(host)
    expect_equal(used["disk_quota_bytes"], 1 << 40, "the default of sluice.yaml")
    expect_equal((used["instances"], used["instance_quota"]), (len(host.ask("connector.list")), 50), "connectors, and the default of sluice.yaml")
    sizes = {os.path.basename(path): os.path.getsize(path) for path in glob.glob(os.path.join(host.data, "journal", "*"))}
    expect(0 < used["disk"]["journal"] <= sum(sizes.values()) and used["disk"]["database"] > 0 and used["disk"]["ledger"] > 0, f"what it takes: {used['disk']}, journal {sizes}")
    for text in ("", "much", "-1", "10 GB", "99999999999TiB", "1e3"):
        expect_equal(refusal(host, "tenant.quota", disk=text)["code"], "tenant.bad_quota", f"quota {text!r}")
    expect_equal(host.ask("tenant.quota", disk="none")["disk_quota_bytes"], None, "no quota")
    expect_equal(host.ask("tenant.quota", disk="10GiB")["disk_quota_bytes"], 10 << 30, "a quota")
    host.ask("tenant.quota", disk="100KiB")
    scenario.world.close_day()
    host.ask("connector.run", instance="crm")
    wait_for(lambda: "its quota is 102400" in scenario.connector(), lambda: f"the connector says why it waits: {scenario.connector()}")
    wait_for(lambda: host.metric("sluice_wait_seconds_total", instance="demo/crm", cause="disk_quota"), "the wait has its cause")
    expect_equal(delivery(scenario, "msg_quota"), (503, "60"), "answer to a webhook at the quota")
    counted, head = row(host)["disk"]["journal"], host.head()
    host.kill()
    host.start()
    after = row(host)
    expect_equal((host.head(), after["disk"]["journal"], after["disk_quota_bytes"]), (head, counted, 102400), "what was counted as it was written, counted anew")
    expect(after["intake_pauses"] and "quota" in after["intake_pauses"], f"tenant show: {after}")
    expect_equal(host.metric("sluice_tenant_disk_quota_bytes", tenant="demo"), 102400, "quota metric")
    expect(host.metric("sluice_tenant_disk_bytes", tenant="demo") > 102400, "use metric")
    # What must not wait goes on.
    head = host.head()
    host.ask("user.create", name="demo-approver", roles=["approver"])
    approve(host, held[0], host.ask("user.token", name="demo-approver")["token"])
    host.ask("kill", target="all")
    host.ask("unkill", target="all")
    expect(host.head() > head, "answers and kill switches are not written")
    check_neighbour(host)
    host.ask("tenant.quota", disk="default")
    host.wait_processed(scenario.world.day)
    host.ask("tenant.mode", mode="act")
    expect_equal(delivery(scenario, "msg_raised")[0], 202, "a webhook after that")
    scenario.run()
    scenario.catch_up()
    scenario.check_records()
    scenario.check_sound()


def erasable(rig, days=2, isPacked=False):
    """A host with a tenant that has secrets, users, deliveries and effects, and a neighbour; its past in segments, or in packs, segments and behind a snapshot."""
    scenario = rig.scenario(mode="act", world=("--seed", Settings.seed, "--opportunities", 40, "--days", 4))
    host = scenario.host
    if isPacked:
        host.options = ("--config", packs_tests.settings(rig, "false"))
    scenario.start()
    neighbour(host)
    host.ask("user.create", name="demo-approver", roles=["approver"])
    host.ask("user.token", name="demo-approver")
    host.ask("user.create", tenant="other", name="others-auditor", roles=["auditor"])
    scenario.run(days=days)
    expect_equal(delivery(scenario, "msg_before")[0], 202, "a webhook")
    host.ask("ledger.publish")
    if isPacked:
        host.ask("journal.pack")
        expect(host.ask("journal.trim", raw_days=0)["trimmed"], "nothing was trimmed")
        scenario.run(days=1)
        host.ask("journal.pack")
        scenario.run(days=1)
        host.ask("ledger.publish")
        expect(packs_tests.files(host.data)[1] and len(packs_tests.files(host.data)[0]) > 1 and glob.glob(os.path.join(host.data, "tenants/demo/snapshots/*")),
               f"packs, closed segments and a snapshot: {packs_tests.files(host.data)}")
    return scenario


def check_erased(scenario, keys, checkpoint, names, ended=True):
    """Nothing of the tenant can be read in the folder, its log still extends what was published, and its neighbour goes on."""
    host = scenario.host
    key = host.data + ".hostkey"
    files = bytes_of(host.data)
    secrets = [scenario.world.secrets["token"].encode(), scenario.world.secrets["webhook_secret"].encode(), b"demo-approver"]
    for path, data in files.items():
        if path == "ballast":
            continue
        for value in [*keys.values(), *secrets, *names]:
            expect(value not in data, f"{path} holds {value[:40]}")
    expect(not [path for path in files if path.startswith("tenants/demo")], "files of the tenant are left")
    for path in glob.glob(os.path.join(host.data, "journal", "*.segment")):
        with contextlib.closing(sqlite3.connect(path)) as base:
            for table in ("entry", "pack", "kept", "lease"):
                expect_equal(base.execute(f"SELECT count(*) FROM {table} WHERE partition='demo'").fetchone()[0], 0, f"{table} rows of the tenant in {path}")
    payloads = [path for path in files if path.startswith("erased/demo/") and "payload" in path]
    expect_equal(len(payloads), 1 if ended else 0, "payloads that are kept")
    for path in payloads:
        expect(b"eraseTenant" in files[path], f"{path} is kept")
    expect("high-water/demo.json" in files and "erased/_done/demo" in files, "the mark of the log, and that of the erasure")
    for name in (os.path.join(host.data, "erasures"), key + ".erasures"):
        with open(name) as f:
            expect_equal([each["tenant"] for each in json.load(f)["erased"]], ["demo"], name)
    # The log, for whoever kept a checkpoint.
    kept = os.path.join(scenario.folder, "kept-checkpoint")
    with open(kept, "wb") as f:
        f.write(checkpoint)
    answer = json.loads(ask(0, "ledger", "verify", "--since", kept, "--data-dir", host.data).stdout)
    expect_equal(answer["sound"], True, "the log of an erased tenant")
    if ended:
        expect(answer["erased"]["by"].startswith("os-"), f"the log's end: {answer}")
    if host.alive():
        for command, arguments in (("tenant.create", {}), ("tenant.show", {}), ("doctor.deep", {}), ("connector.run", {"instance": "crm"}), ("tenant.erase", {"confirm": "demo"}),
                                   ("user.create", {"name": "x"}), ("tenant.resume", {})):
            expect_equal(refusal(host, command, **arguments)["code"], "tenant.erased", f"{command} of an erased tenant")
        expect_equal([each["tenant"] for each in host.ask("tenant.list")], ["other"], "tenant list")
        expect(not [name for name in host.metrics() if '"demo' in name], "metrics of the tenant")
        expect_equal(delivery(scenario, "msg_after")[0], 401, "a webhook to an erased tenant")
        expect_equal([each["user"] for each in host.ask("user.list", tenant="other")], ["others-auditor"], "the neighbour's users")
        check_neighbour(host)


def check_restored(scenario, backup, keys, names):
    """A backup made before the erasure does not bring the tenant back, and the restored folder holds nothing of it either."""
    host = scenario.host
    to = os.path.join(scenario.folder, "restored")
    answer = json.loads(ask(0, "restore", backup, "--data-dir", to, "--host-key", host.data + ".hostkey").stdout)
    expect_equal(([each["tenant"] for each in answer["tenants"]], answer["erased"]), (["other"], ["demo"]), "who was restored")
    for path, data in bytes_of(to).items():
        expect(not path.startswith("tenants/demo"), f"the restored folder has {path}")
        for value in [*keys.values(), *names]:
            expect(value not in data, f"the restored {path} holds {value[:40]}")


def known(scenario):
    """What must not be found any more, and the last checkpoint that others have."""
    data = scenario.host.data
    with open(os.path.join(data, "tenants", "demo", "ledger", "checkpoint"), "rb") as f:
        checkpoint = f.read()
    accounts = sorted({each["name"].encode() for each in scenario.world.list("accounts").values()})[:20]
    expect(accounts and any(name in file for file in bytes_of(os.path.join(data, "tenants", "demo")).values() for name in accounts), "no account's name is stored: the test tells nothing")
    keys = wrapped(data)
    expect(len([name for name in keys if name.startswith("key/")]) == 3 and len(keys) > 5, f"rows of the keystore: {sorted(keys)}")
    return keys, checkpoint, accounts


def test_erasure(rig):
    """an erased tenant is refused by name for ever, and neither files nor database pages hold its keys, secrets, users, records or payloads; its log still proves what was published, and that it ended on purpose"""
    scenario = erasable(rig)
    host = scenario.host
    backup = json.loads(ask(0, "backup", "create", "--to", os.path.join(rig.path("older")), "--data-dir", host.data).stdout)["path"]
    keys, checkpoint, names = known(scenario)
    for name, code in (("nobody", "host.unknown"), ("../demo", "domain.bad_name"), ("demo/../other", "domain.bad_name"), ("", "domain.bad_name"), ("_host", "domain.bad_name")):
        expect_equal(refusal(host, "tenant.erase", tenant=name, confirm=name)["code"], code, f"erasing {name!r}")
    # What an older version left of a removed row stands in the file's free room.
    with contextlib.closing(sqlite3.connect(os.path.join(host.data, "keystore.db"))) as base:
        base.execute("PRAGMA secure_delete=OFF")
        for statement in ("INSERT INTO keystore SELECT 'zzz', value FROM keystore WHERE name='key/demo/data'", "DELETE FROM keystore WHERE name='zzz'"):
            base.execute(statement)
            base.commit()
    with open(os.path.join(host.data, "keystore.db"), "rb") as f:
        expect_equal(f.read().count(keys["key/demo/data"]), 2, "copies of a wrapped key in the file")
    plan = host.ask("tenant.erase")
    expect(plan["erased"] is False and plan["goes"] and plan["remains"], f"the plan: {plan}")
    expect_equal(refusal(host, "tenant.erase", confirm="other")["code"], "tenant.not_confirmed", "another name to confirm")
    expect_equal(row(host)["state"], "active", "after the plan")
    host.ask("connector.run", instance="crm")
    done = host.ask("tenant.erase", confirm="demo")
    expect_equal((done["erased"], done["log_says_so"]), (True, True), f"the erasure: {done}")
    check_erased(scenario, keys, checkpoint, names)
    host.stop()
    host.start()
    check_erased(scenario, keys, checkpoint, names)
    check_restored(scenario, backup, keys, names)


def test_lost_lists_of_erasures(rig):
    """both lists of erasures are lost: the next start writes them anew from what remains of the erased, says so, and refuses their names as before"""
    host = rig.host()
    host.start()
    for tenant in ("gone", "also-gone", "stays"):
        host.ask("tenant.create", tenant=tenant)
    for tenant in ("gone", "also-gone"):
        host.ask("tenant.erase", tenant=tenant, confirm=tenant)
    host.stop()
    lists = [os.path.join(host.data, "erasures"), *glob.glob(host.data + "*.erasures")]
    expect_equal(len(lists), 2, f"lists: {lists}")
    for path in lists:
        os.remove(path)
    begin = os.path.getsize(host.log)
    host.start()
    expect('"erasures.list_was_lost"' in host.log_text(begin) and "also-gone, gone" in host.log_text(begin), f"what it says: {host.log_text(begin)}")
    for path in lists:
        with open(path) as file:
            expect_equal(sorted(row["tenant"] for row in json.load(file)["erased"]), ["also-gone", "gone"], f"what {path} names")
    expect_equal(refusal(host, "tenant.create", tenant="gone")["code"], "tenant.erased", "a tenant of an erased name")
    host.stop()
    begin = os.path.getsize(host.log)
    host.start()
    expect('"erasures.list_was_lost"' not in host.log_text(begin), "it says so again")


def test_erasure_of_packs(rig):
    """what a tenant takes counts its packs and snapshot, as they stand and anew; erased, they go from the folder, and from a backup that is restored, while others' packs stay"""
    scenario = erasable(rig, isPacked=True)
    host = scenario.host
    keys, checkpoint, names = known(scenario)
    stored = row(host)["disk"]
    tenant = os.path.join(host.data, "tenants", "demo")
    packed = sum(len(data) for path, data in bytes_of(tenant).items() if path.startswith(("packs/", "snapshots/")))
    expect(0 < packed < stored["journal"], f"{packed} bytes of packs and snapshots, and the count {stored}")
    host.ask("connector.pause", instance="crm")
    host.ask("ledger.publish")
    head, stored = host.head(), row(host)["disk"]
    host.kill()
    host.start()
    after = row(host)["disk"]
    expect_equal((host.head(), after["journal"], after["ledger"]), (head, stored["journal"], stored["ledger"]), "the same, counted anew")
    host.ask("journal.pack")
    backup = json.loads(ask(0, "backup", "create", "--to", rig.path("packed"), "--data-dir", host.data).stdout)["path"]
    host.ask("tenant.erase", confirm="demo")
    check_erased(scenario, keys, checkpoint, names)
    expect_equal(packs_tests.files(host.data, "demo")[1], [], "packs of the erased tenant")
    host.ask("journal.pack", tenant="other")
    expect_equal([each["tenant"] for each in host.ask("journal.status", tenant="other")["partitions"] if each["tenant"] not in ("_host", "other")], [], "whom the journal knows")
    host.stop()
    # What a segment was told of the tenant while it was taken out, by an older version: packs that are gone.
    newest = sorted(glob.glob(os.path.join(host.data, "journal", "*.segment")))[-1]
    with contextlib.closing(sqlite3.connect(newest)) as base:
        base.execute("INSERT INTO pack VALUES('demo', 1, 9, 100, 7, zeroblob(32))")
        base.execute("INSERT INTO lease VALUES('demo', 1)")
        base.commit()
    host.start()
    check_erased(scenario, keys, checkpoint, names)
    after = json.loads(ask(0, "backup", "create", "--to", rig.path("after"), "--data-dir", host.data).stdout)["path"]
    with open(after, "rb") as f:
        archive = f.read()
    expect_equal([name for name, value in keys.items() if value in archive], [], "keys of the tenant in a backup made after its erasure")
    check_restored(scenario, backup, keys, names)


def test_death_in_an_erasure(rig):
    """a host that is killed between any two steps of an erasure finishes it with its next start, before anything else, and its neighbour is as before"""
    points = crash_points("erasure.")
    expect(len(points) >= 9, f"crash points of an erasure: {points}")
    scenario = erasable(rig, isPacked=True)
    host = scenario.host
    host.stop()
    keys, checkpoint, names = known(scenario)
    original, aside = host.data, os.path.join(scenario.folder, "aside")
    shutil.copytree(original, aside, ignore=shutil.ignore_patterns("control.sock"))
    listed = host.data + ".hostkey.erasures"
    def fresh():
        shutil.rmtree(original)
        shutil.copytree(aside, original)
        os.chmod(original, 0o700)
        if os.path.exists(listed):
            os.unlink(listed)
    def is_begun():
        path = os.path.join(host.data, "erasures")
        if not os.path.exists(path):
            return False
        with open(path) as f:
            return [each["tenant"] for each in json.load(f)["erased"]] == ["demo"]
    for point in points + ["keystore.before_commit", "keystore.after_commit", "ledger.before_checkpoint", "journal.after_commit"]:
        fresh()
        if not point.startswith("erasure."):
            # Points that a host also comes by otherwise: the folder is opened by the command alone, and of its visits the
            # first one counts that lies in the erasure.
            for visit in range(1, 60):
                fresh()
                died = sluice("tenant", "erase", "demo", "--confirm", "demo", "--data-dir", host.data, environment={"SLUICE_CRASH_AT": f"{point}:{visit}"})
                expect_equal(died.returncode, -9, f"{point}:{visit}: {died.stderr}")
                if is_begun():
                    break
            expect(is_begun(), f"no visit of {point} lies in the erasure")
            host.start()
        else:
            host.start(crash=f"{point}:1")
            died = sluice("tenant", "erase", "demo", "--confirm", "demo", "--data-dir", host.data)
            expect_equal((died.returncode, host.process.wait(20)), (1, -9), f"ends at {point} ({died.stderr})")
            host.start()
        if point == "erasure.before_list":
            expect_equal(row(host)["state"], "active", "a tenant whose erasure did not begin")
            host.ask("tenant.erase", confirm="demo")
        try:
            check_erased(scenario, keys, checkpoint, names)
        except Exception as error:
            raise AssertionError(f"killed at {point}: {error}") from error
        host.stop()


def test_many_erasures(rig):
    """of many tenants that are made and erased one after the other each is gone before the next one comes: no erasure waits for ever"""
    host = rig.host()
    host.start()
    for number in range(200):
        host.ask("tenant.create", tenant=f"t{number}")
        expect(host.ask("tenant.erase", tenant=f"t{number}", confirm=f"t{number}")["erased"], f"tenant {number}")
    expect_equal(host.ask("tenant.list"), [], "tenants that are left")


def test_erasures_at_once(rig):
    """of two who erase a suspended tenant at once while a backup is being made one does it, none half; a backup under way is waited for by name"""
    scenario = erasable(rig, days=1)
    host = scenario.host
    keys, checkpoint, names = known(scenario)
    host.ask("tenant.suspend", reason="leaves")
    host.ask("ledger.publish")
    replies, backups, waited = [], [], []
    def erase():
        while True:
            reply = host.reply("tenant.erase", confirm="demo")
            if reply.get("error", {}).get("code") != "tenant.backup_under_way":
                return replies.append(reply)
            waited.append(reply)
    busy = os.path.join(scenario.folder, "busy.backup")
    threads = [threading.Thread(target=lambda: backups.append(host.reply("backup.create", to=busy)))] + [threading.Thread(target=erase) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = sorted(reply.get("error", {"code": ""})["code"] for reply in replies)
    expect(codes[0] == "" and codes[1] in ("tenant.busy", "tenant.erased"), f"two erasures at once: {codes}")
    # Either the backup came first, and the erasure waited for it, or it was refused or made of what was left.
    if "result" in backups[0]:
        ask(0, "backup", "verify", busy)
        with open(busy, "rb") as f:
            archive = f.read()
        held = [name for name, value in keys.items() if value in archive]
        expect(waited or not held, f"a backup that no erasure waited for holds {held}")
    else:
        expect_equal(backups[0]["error"]["code"], "backup.erasing", "a backup during an erasure")
        expect(not os.path.exists(busy), "a refused backup is there")
    check_erased(scenario, keys, checkpoint, names)


def test_erasure_on_a_full_disk(rig):
    """a tenant is erased on a disk without a byte left, and its room is free then"""
    scenario = rig.scenario(mode="act", world=("--seed", Settings.seed, "--opportunities", 60, "--days", 4))
    with small_disk(rig, scenario.folder) as disk:
        scenario.host.options = ("--config", settings(scenario.folder))
        scenario.start()
        host = scenario.host
        neighbour(host)
        host.ask("user.create", tenant="other", name="others-auditor", roles=["auditor"])
        scenario.run(days=2)
        host.ask("ledger.publish")
        keys, checkpoint, names = known(scenario)
        filler = Filler(disk)
        filler.leave(0)
        host.ask("tenant.erase", confirm="demo")
        filler.go()
        check_erased(scenario, keys, checkpoint, names)
