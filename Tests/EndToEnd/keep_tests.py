"""Keeping a host: backups while it runs, restores into a new log, tenants that pause and tenants that are gone."""
import signal

from disk_tests import Filler, small_disk
from rig import *

LEDGER = os.path.join("tenants", "demo", "ledger")


# A file system without hard links.
LINKLESS = """
#include <errno.h>
int link(const char *from, const char *to) {
  (void)from, (void)to;
  errno = EPERM;
  return -1;
}
"""


class Kept:
    """A host with some days behind it, and what is done with its backups."""

    def __init__(self, rig, days=1, mode="act"):
        self.rig, self.count = rig, 0
        self.scenario = rig.scenario(mode=mode, world=("--seed", Settings.seed, "--opportunities", 60, "--days", 4))
        self.scenario.start()
        self.scenario.run(days=days)
        self.host = self.scenario.host
        self.key = self.host.data + ".hostkey"

    def path(self, name):
        self.count += 1
        return os.path.join(self.rig.folder, f"{name}{self.count}")

    def create(self, **options):
        """A backup, made by whoever has the folder."""
        to = self.path("backup")
        done = ask(0, "backup", "create", "--to", to, "--data-dir", self.host.data, **options)
        expect_equal(json.loads(done.stdout)["path"], to, "path of the backup")
        return to

    def restore(self, backup, *more, to=None, code=0, **options):
        to = to or self.path("restored")
        return to, ask(code, "restore", backup, "--data-dir", to, "--host-key", self.key, *more, **options)

    def opened(self, folder):
        """A host on a restored folder."""
        host = Host(folder)
        host.data, host.options = folder, ("--host-key", self.key)
        host.state = Database(os.path.join(folder, "tenants", "demo", "state.db"))
        host.log = folder + ".log"
        self.rig.closing.append(lambda: host.process and end(host.process, signal.SIGKILL))
        return host

    def check_sound(self, folder, *more):
        answers = []
        for words in (("ledger", "verify", *more), ("doctor", "--deep"), ("decision", "replay")):
            answers.append(json.loads(ask(0, *words, "--data-dir", folder, "--host-key", self.key).stdout))
        return answers[0]


def ask(code, *words, names=(), seconds=300, **options):
    """Runs a command, which must end with this code and name these things."""
    done = sluice(*words, *(() if words[0] == "up" else ("--json",)), seconds=seconds, **options)
    expect_equal(done.returncode, code, f"exit of {' '.join(map(str, words))} ({done.stdout}{done.stderr})")
    for name in names:
        expect(str(name) in done.stderr, f"{' '.join(map(str, words))}: {name!r} is not in {done.stderr}")
    return done


def parts(path):
    """Names of the parts of a backup and where their bytes begin, as another program reads them."""
    import tarfile
    with tarfile.open(path) as tar:
        return {member.name: (member.offset_data, member.size) for member in tar.getmembers()}


def flipped(path, at, to):
    shutil.copy(path, to)
    with open(to, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 1]))
    return to


def entries(folder):
    host = Host(folder)
    host.data = folder
    return host.journal()


def test_backup_of_a_running_host(rig):
    """a backup of a host that works verifies, holds neither key nor high-water mark nor anything in clear that the folder seals, and `tar` reads it"""
    kept = Kept(rig)
    kept.host.ask("connector.run", instance="crm")
    backup = kept.create()
    found = parts(backup)
    answer = json.loads(ask(0, "backup", "verify", backup).stdout)
    expect_equal(answer["sound"], True, "backup verify")
    row = answer["tenants"][0]
    expect_equal((row["tenant"], row["ledger_size"] > 0, row["position"] > 0), ("demo", True, True), "the tenant in the backup")
    expect_equal(os.stat(backup).st_mode & 0o777, 0o600, "mode of the backup")
    for name in ("keystore.db", "journal/0000000001.segment", "ledger/demo/checkpoint", "manifest.json"):
        expect(name in found, f"{name} is not in the backup: {sorted(found)[:5]}")
    expect(not [name for name in found if "high-water" in name or "hostkey" in name or "state.db" in name], f"too much: {sorted(found)[:9]}")
    with open(kept.key) as f:
        key = f.read().strip()
    with open(backup, "rb") as f:
        data = f.read()
    for secret in (key.encode(), bytes.fromhex(key), kept.scenario.world.secrets["token"].encode()):
        expect(secret not in data, "the backup holds a key or a secret in clear")
    # Into a folder it gets a name of its own; over a file it is never written.
    folder = kept.rig.path("folder")
    ask(0, "backup", "create", "--to", folder, "--data-dir", kept.host.data)
    name, = os.listdir(folder)
    ask(0, "backup", "verify", os.path.join(folder, name))
    ask(1, "backup", "create", "--to", backup, "--data-dir", kept.host.data, names=("backup.exists", backup))
    # A folder that no host runs on is backed up as well.
    kept.host.stop()
    ask(0, "backup", "verify", kept.create())


def test_backup_without_links(rig):
    """where a file system has no hard links a backup is whole or none: killed when its name is taken it leaves nothing that verifies, the next one is made in its place, and no file of others is touched"""
    kept = Kept(rig)
    kept.host.stop()
    environment = {"LD_PRELOAD": rig.preload("links", LINKLESS)}
    backup = kept.create(environment=environment)
    ask(0, "backup", "verify", backup)
    kept.check_sound(kept.restore(backup)[0])
    with open(backup, "rb") as f:
        whole = f.read()
    ask(1, "backup", "create", "--to", backup, "--data-dir", kept.host.data, environment=environment, names=("backup.exists", backup))
    with open(backup, "rb") as f:
        expect(f.read() == whole, "a backup was written over")
    to = kept.path("backup")
    ask(-9, "backup", "create", "--to", to, "--data-dir", kept.host.data, environment={**environment, "SLUICE_CRASH_AT": "backup.after_claim:1"})
    making, = [name for name in os.listdir(rig.folder) if name.endswith(".making")]
    with open(to) as f:
        expect_equal(f.read(), f"This name is taken for {making}\n", "what the dead left under the name")
    ask(1, "backup", "verify", to, names=("[backup.",))
    ask(0, "backup", "create", "--to", to, "--data-dir", kept.host.data, environment=environment)
    ask(0, "backup", "verify", to)
    expect_equal([name for name in os.listdir(rig.folder) if name.endswith(".making")], [], "what is left beside it")


def test_backups_of_a_busy_host(rig):
    """backups made one after the other while a host takes in, decides and acts are each restored whole, and the running host's log extends what each restore has signed of it"""
    kept = Kept(rig)
    kept.host.ask("connector.run", instance="crm")
    backups = [kept.create() for _ in range(4)]
    kept.host.wait_processed(kept.scenario.world.day)
    kept.host.ask("ledger.publish")
    sizes = set()
    for backup in backups:
        to, done = kept.restore(backup)
        row, = json.loads(done.stdout)["tenants"]
        sizes.add(row["restored_size"])
        kept.check_sound(to)
        ask(0, "ledger", "verify", "--since", os.path.join(to, LEDGER, "checkpoint"), "--data-dir", kept.host.data)
        # What was restored is a beginning of the journal; the new log's entry follows.
        restored, whole = entries(to), kept.host.journal()
        at = next(n for n, entry in enumerate(restored) if entry[1] == "epoch")
        expect_equal(restored[:at], whole[:at], "entries before the new log")
    expect(len(sizes) > 1, f"the host was not busy: every backup holds a log of {sizes} entries")
    return f"restored sizes {sorted(sizes)}"


def test_copies_stand_outside(rig):
    """neither a backup nor an exported log is made within the data folder, by whatever way its name leads there; a log does not go into another tenant's"""
    kept = Kept(rig)
    data, log, link = kept.host.data, rig.path("log"), os.path.join(kept.scenario.folder, "link")
    os.symlink(os.path.join(data, "journal"), link)
    before = sorted(os.listdir(data))
    for to in (data, os.path.join(data, "x"), os.path.join(data, "journal", "a", "b"), os.path.join(link, "x")):
        for words in (("backup", "create"), ("ledger", "export")):
            ask(1, *words, "--to", to, "--data-dir", data, names=("host.inside_folder",))
    expect_equal(sorted(os.listdir(data)), before, "what is in the data folder")
    kept.host.ask("tenant.create", tenant="other")
    kept.host.ask("ledger.publish", tenant="other")
    ask(0, "ledger", "export", "--to", log, "--data-dir", data)
    with open(os.path.join(log, "checkpoint"), "rb") as f:
        checkpoint = f.read()
    ask(1, "ledger", "export", "--tenant", "other", "--to", log, "--data-dir", data, names=("ledger.other_log",))
    with open(os.path.join(log, "checkpoint"), "rb") as f:
        expect_equal(f.read(), checkpoint, "the checkpoint of the log that was there")
    ask(0, "ledger", "export", "--to", log, "--data-dir", data)


def test_backup_on_a_full_disk(rig):
    """a backup that finds no room is refused by name and leaves nothing, and the host goes on"""
    kept = Kept(rig)
    folder = rig.path("small")
    with small_disk(rig, folder) as disk:
        Filler(disk).leave(200_000)
        to = os.path.join(disk, "backup")
        ask(1, "backup", "create", "--to", to, "--data-dir", kept.host.data, names=("file.unwritable", to, "No space left", "Make room on that disk"))
        expect_equal(os.listdir(disk), ["somebody-elses"], "what is left on the full disk")
        kept.scenario.run(days=1)
        ask(0, "backup", "verify", kept.create())


def test_damaged_backup(rig):
    """`backup verify` names the part of which a byte was changed, wherever it is, and refuses a backup that is cut off or is none"""
    kept = Kept(rig)
    backup = kept.create()
    found, bad = parts(backup), kept.path("bad")
    payload = next(name for name in found if "/payload/" in name)
    for name in ("journal/0000000001.segment", "keystore.db", "erasures", "ledger/demo/checkpoint", payload, "manifest.json"):
        at, size = found[name]
        for place in (at, at + size // 2, at + size - 1):
            ask(1, "backup", "verify", flipped(backup, place, bad), names=("backup.part_differs", name))
        ask(1, "backup", "verify", flipped(backup, at - 512 + 20, bad), names=("backup.",))
        ask(1, "backup", "verify", flipped(backup, at - 512 + 137, bad), names=("backup.",))
    size = os.path.getsize(backup)
    for place in (0, size - 1, size - 700):
        ask(1, "backup", "verify", flipped(backup, place, bad), names=("[backup.",))
    for length in (0, 100, 512, found["keystore.db"][0] + 100, size - 1024, size - 1):
        shutil.copy(backup, bad)
        os.truncate(bad, length)
        ask(1, "backup", "verify", bad, names=("[backup.",))
    with open(bad, "wb") as f:
        f.write(b"something else" * 1000)
    ask(1, "backup", "verify", bad, names=("backup.not_one", bad))
    to, _ = kept.restore(flipped(backup, found[payload][0], bad), code=1, names=("backup.part_differs", payload))
    expect(not os.path.exists(to), "a refused restore made a folder")


def test_restore_of_yesterdays_backup(rig):
    """yesterday's backup starts in a new log whose first entry commits to the last published checkpoint; what was published before still verifies, and what was lost is counted"""
    kept = Kept(rig)
    backup = kept.create()
    kept.scenario.run(days=2)
    kept.host.ask("ledger.publish")
    kept.host.stop()
    lost = os.path.join(kept.host.data, LEDGER, "checkpoint")
    published = kept.host.published()
    yesterday = json.loads(ask(0, "backup", "verify", backup).stdout)["tenants"][0]
    expect(yesterday["ledger_size"] < published, "nothing was published since the backup: the test tells nothing")

    to, done = kept.restore(backup, "--checkpoint", lost)
    row, = json.loads(done.stdout)["tenants"]
    expect_equal((row["restored_size"], row["published_size"], row["lost_entries"]), (yesterday["ledger_size"], published, published - yesterday["ledger_size"]), "sizes of the restore")
    # The old host's mark names more than this journal has. It speaks of the old log, and the new one has answered it.
    shutil.copy(os.path.join(kept.host.data, "high-water", "demo.json"), os.path.join(to, "high-water", "demo.json"))
    answer = kept.check_sound(to)
    expect_equal([log["log"] for log in answer["logs"]], ["sluice/demo", row["log"]], "the logs that were verified")
    expect_equal(answer["logs"][0]["size"], yesterday["ledger_size"], "size of the old log")
    expect_equal(answer["logs"][1]["goes_on_after"]["published_size"], published, "what the new log's first entry commits to")
    for since in (lost, os.path.join(to, LEDGER, f"checkpoint.{yesterday['ledger_size']}")):
        ask(0, "ledger", "verify", "--since", since, "--data-dir", to, "--host-key", kept.key)
    # What was lost stays lost: a checkpoint between the two cannot be checked here, and that is said.
    between = [n for n in range(yesterday["ledger_size"] + 1, published) if os.path.exists(f"{lost}.{n}")]
    if between:
        ask(1, "ledger", "verify", "--since", f"{lost}.{between[0]}", "--data-dir", to, "--host-key", kept.key, names=("ledger.",))

    # A stranger finds the old checkpoint in the first entry of the new log.
    export = kept.path("export")
    ask(0, "ledger", "export", "--to", export, "--data-dir", to, "--host-key", kept.key)
    new = os.path.join(export, row["log"].rsplit("/", 1)[1])
    bundle = sorted(os.listdir(os.path.join(new, "tile", "entries")))[0]
    bundle = os.path.join(new, "tile", "entries", bundle)
    bundle = bundle if os.path.isfile(bundle) else os.path.join(bundle, sorted(os.listdir(bundle), key=int)[-1])
    with open(bundle, "rb") as f:
        data = f.read()
    leaf = json.loads(data[2:2 + int.from_bytes(data[:2], "big")])
    expect_equal(leaf["kind"], "epoch", "kind of the new log's first entry")
    with open(os.path.join(new, "payload", leaf["commitment"][:2], leaf["commitment"]), "rb") as f:
        beginning = json.loads(f.read()[32:])
    with open(lost) as f:
        expect_equal(beginning["published"], f.read(), "the checkpoint in the new log's first entry")

    # It runs, and does nothing outside before somebody has looked.
    host = kept.opened(to)
    host.start()
    expect_equal([kill["target"] for kill in host.state.space("policy.kill").values()] or list(host.state.space("policy.kill")), ["all"], "kill switches")
    host.ask("unkill", target="all")
    host.ask("ledger.publish")
    host.stop()
    expect_equal(kept.check_sound(to)["logs"][1]["size"] > 1, True, "the new log grows")
    return f"{published} entries published, {yesterday['ledger_size']} restored"


def test_restored_folder_guards_its_own_log(rig):
    """a restored folder whose journal is put back before its new log does not start; restored twice from one backup, the two sign under different names"""
    kept = Kept(rig)
    backup = kept.create()
    kept.host.stop()
    first, done = kept.restore(backup)
    second, again = kept.restore(backup)
    names = {json.loads(d.stdout)["tenants"][0]["log"] for d in (done, again)}
    expect_equal(len(names), 2, f"names of two restored logs {names}")
    marks = os.path.join("high-water", "demo.json")
    shutil.copy(os.path.join(first, marks), os.path.join(second, marks))
    ask(1, "tenant", "list", "--data-dir", second, "--host-key", kept.key, names=("ledger.behind_epoch",))
    # The old folder is older than the new log.
    shutil.copy(os.path.join(first, marks), os.path.join(kept.host.data, marks))
    ask(1, "tenant", "list", "--data-dir", kept.host.data, names=("ledger.behind_epoch", "epoch-2-"))
    # A backup of a restored host is restored into a third log.
    third = kept.path("backup")
    ask(0, "backup", "create", "--to", third, "--data-dir", first, "--host-key", kept.key)
    to, _ = kept.restore(third)
    answer = kept.check_sound(to)
    expect_equal([log["log"].split("/")[-1][:7] for log in answer["logs"]], ["demo", "epoch-2", "epoch-3"], "the logs")


def test_restore_refuses(rig):
    """a restore refuses a folder with anything in it, another host key, a missing list of erasures and a checkpoint of another log, and leaves nothing behind"""
    kept = Kept(rig)
    backup = kept.create()
    full = rig.path("full")
    with open(os.path.join(full, "letter"), "w") as f:
        f.write("mine")
    kept.restore(backup, to=full, code=1, names=("restore.not_empty", full))
    expect_equal(os.listdir(full), ["letter"], "what is in the folder of others")
    kept.restore(backup, to=kept.host.data, code=1, names=("restore.not_empty",))
    to, other = kept.path("restored"), kept.path("other.hostkey")
    with open(other, "w") as f:
        os.chmod(other, 0o600)
        f.write("ab" * 32 + "\n")
    shutil.copy(kept.key + ".erasures", other + ".erasures")
    words = ("restore", backup, "--data-dir", to)
    ask(1, *words, "--host-key", other, names=("vault.wrong_host_key",))
    ask(1, *words, names=("host.no_key", to + ".hostkey"))
    moved = kept.path("moved.hostkey")
    shutil.copy(kept.key, moved)
    ask(1, *words, "--host-key", moved, names=("restore.no_erasures", "--erasures"))
    with open(to + ".checkpoint", "w") as f:
        f.write("no checkpoint")
    ask(1, *words, "--host-key", kept.key, "--checkpoint", to + ".checkpoint", names=("restore.other_log", to + ".checkpoint"))
    expect(not os.path.exists(to) or not os.listdir(to), f"refused restores left {os.path.exists(to) and os.listdir(to)}")
    ask(0, *words, "--host-key", moved, "--erasures", kept.key + ".erasures")
    kept.check_sound(to)


def test_restore_obeys_erasures(rig):
    """a tenant on the list of erasures does not come back with an older backup: neither keys nor payloads, only its log's hashes; and the other tenants do"""
    kept = Kept(rig)
    kept.host.ask("tenant.create", tenant="other")
    backup = kept.create()
    kept.host.stop()
    listed = kept.path("erasures")
    with open(listed, "w") as f:
        json.dump({"format": 1, "erased": [{"tenant": "demo", "erasedAtMs": 1764000000000, "by": "os-0"}]}, f)
    to, done = kept.restore(backup, "--erasures", listed)
    answer = json.loads(done.stdout)
    expect_equal(([row["tenant"] for row in answer["tenants"]], answer["erased"]), (["other"], ["demo"]), "who was restored")
    rows = json.loads(ask(0, "tenant", "list", "--data-dir", to, "--host-key", kept.key).stdout)
    expect_equal([row["tenant"] for row in rows], ["other"], "the tenants of the restored folder")
    with contextlib.closing(sqlite3.connect(os.path.join(to, "keystore.db"))) as base:
        names = [name for name, in base.execute("SELECT name FROM keystore")]
    expect(any("/other/" in name for name in names) and not [name for name in names if "/demo/" in name], f"names in the keystore: {names}")
    left = [os.path.relpath(os.path.join(base, name), to) for base, _, files in os.walk(to) for name in files if "demo" in base.split(os.sep)]
    expect(left and all(path.startswith("erased/demo/ledger/") and "payload" not in path for path in left), f"files of the erased tenant: {left}")
    # The list goes on with the folder, and with its next backup.
    again = kept.path("backup")
    ask(0, "backup", "create", "--to", again, "--data-dir", to, "--host-key", kept.key)
    _, done = kept.restore(again, "--erasures", "none")
    expect_equal(json.loads(done.stdout)["erased"], ["demo"], "erasures in the next backup")


def test_death_in_a_backup(rig):
    """a host that is killed while it makes a backup leaves nothing that verifies unless it is whole, and makes the next one over what was left"""
    kept = Kept(rig)
    # That one is reached where there are no links.
    points = [point for point in crash_points("backup.") if point != "backup.after_claim"]
    expect_equal(len(points), 3, "crash points of a backup")
    for point in points:
        kept.host.stop()
        kept.host.start(crash=f"{point}:1")
        to = kept.path("backup")
        died = sluice("backup", "create", "--to", to, "--data-dir", kept.host.data)
        expect_equal((died.returncode, kept.host.process.wait(10)), (1, -9), f"ends at {point} ({died.stderr})")
        isThere = point == "backup.after_name"
        expect_equal(os.path.exists(to), isThere, f"whether {point} left a backup")
        if isThere:
            ask(0, "backup", "verify", to)
        elif point == "backup.before_parts":
            making, = [name for name in os.listdir(rig.folder) if name.endswith(".making")]
            ask(1, "backup", "verify", os.path.join(rig.folder, making), names=("[backup.",))
        kept.host.start()
        if not isThere:
            ask(0, "backup", "create", "--to", to, "--data-dir", kept.host.data)
            ask(0, "backup", "verify", to)
        left = [name for name in os.listdir(rig.folder) if name.endswith(".making")] + [name for name in os.listdir(kept.host.data) if name == "staging"]
        expect(not left, f"{point}: {left} is left")


def test_death_in_a_restore(rig):
    """a restore that is killed leaves a folder that no host starts on, with what to do; done again elsewhere it is whole"""
    kept = Kept(rig)
    backup = kept.create()
    kept.host.stop()
    for point in crash_points("restore.") + ["journal.before_commit", "journal.after_commit"]:
        to, _ = kept.restore(backup, code=-9, environment={"SLUICE_CRASH_AT": f"{point}:1"})
        whole = point == "restore.after_done"
        for words in (("up", "--listen", "127.0.0.1:0"), ("tenant", "list")):
            if not whole:
                ask(1, *words, "--data-dir", to, "--host-key", kept.key, names=("host.half_restored", to))
        if whole:
            kept.check_sound(to)
        else:
            kept.restore(backup, to=to, code=1, names=("host.half_restored", f"remove {to}"))
            shutil.rmtree(to)
            kept.restore(backup, to=to)
            ask(0, "tenant", "list", "--data-dir", to, "--host-key", kept.key)


def crash_points(prefix):
    with open(os.path.join(PROJECT, "Sources/Core/Domain/Ports/Crash.swift")) as f:
        return re.findall(rf'case \w+ = "({re.escape(prefix)}[a-z_]+)"', f.read())
