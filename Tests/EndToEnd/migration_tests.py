"""A data folder of an older version: what `up` does with it, and that nothing else touches it."""
import glob
import hashlib
import tarfile

from rig import *

# Written by the last version of format 1: a tenant `acme` with a user, a counter that gave 20 records and is paused, a kill switch.
GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "data-format-1.tar.xz")


def older_host(rig, name="h"):
    host = rig.host(name)
    host.tenant = "acme"
    with tarfile.open(GOLDEN) as archive:
        archive.extractall(host.folder)
    host.state = Database(os.path.join(host.data, "tenants", "acme", "state.db"))
    return host


def sums(folder):
    """What is in each file, but for those that SQLite keeps beside a database it reads."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            if not name.endswith(("-shm", "-wal", "lock")):
                with open(os.path.join(parent, name), "rb") as file:
                    found[os.path.relpath(os.path.join(parent, name), folder)] = hashlib.sha256(file.read()).hexdigest()
    return found


def format_of(host):
    with open(os.path.join(host.data, "format")) as file:
        return file.read()


def backups(host):
    return sorted(glob.glob(os.path.join(host.folder, "data.format-1*.backup")))


def check_contents(host):
    expect_equal([row["tenant"] for row in host.ask("tenant.list")], ["acme"], "tenants")
    row, = host.ask("checkpoint.show", instance="counter")
    expect_equal(row["state"], "20", "where the counter goes on")
    done = sluice("doctor", "--deep", "--tenant", "acme", "--data-dir", host.data, "--json")
    expect_equal(done.returncode, 0, f"doctor --deep ({done.stderr})")


def test_up_migrates_after_a_backup(rig):
    """`up` on a folder of the older format makes a backup, says so, brings the folder to its own format once, and all is as it was"""
    host = older_host(rig)
    host.start()
    expect_equal(format_of(host), "2\n", "format")
    made, = backups(host)
    expect("host.migrated" in host.log_text() and made in host.log_text(), "the log tells of it and names the backup")
    expect_equal(os.stat(made).st_mode & 0o777, 0o600, "mode of the backup")
    # What the older version, which is to restore it one day, reads.
    with tarfile.open(made) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))
        expect_equal((manifest["format"], manifest["dataFormat"]), (2, 1), "formats that the backup names")
        expect(not [name for name in archive.getnames() if name.startswith("past/")], "parts that the older version does not know")
    check_contents(host)
    done = sluice("ledger", "verify", "--tenant", "acme", "--data-dir", host.data)
    expect_equal(done.returncode, 0, f"ledger verify ({done.stderr})")
    host.ask("connector.resume", instance="counter")
    host.stop()
    host.start()
    expect_equal(backups(host), [made], "one migration, one backup")
    host.stop()

    restored = rig.host("restored")
    restored.tenant = "acme"
    key = os.path.join(host.folder, "data.hostkey")
    answer = sluice("restore", made, "--data-dir", restored.data, "--host-key", key, "--json")
    expect_equal(answer.returncode, 0, f"restore of that backup ({answer.stderr})")
    restored.options = ("--host-key", key)
    restored.start()
    check_contents(restored)


def test_only_up_migrates(rig):
    """every other command refuses a folder of an older format, names what to do, and changes nothing in it"""
    host = older_host(rig)
    before = sums(host.data)
    for words in (("tenant", "list"), ("doctor", "--deep", "--tenant", "acme"), ("backup", "create", "--to", os.path.join(host.folder, "b")), ("kill", "all", "--reason", "x")):
        done = sluice(*words, "--data-dir", host.data)
        expect_equal(done.returncode, 1, f"exit of {words}")
        expect("[host.older_folder]" in done.stderr and "sluice up" in done.stderr, f"{words}: {done.stderr}")
    expect_equal(sums(host.data), before, "the folder's files")
    for wrong in ("0", "3", "1.5", "", "one"):
        with open(os.path.join(host.data, "format"), "w") as file:
            file.write(wrong)
        done = sluice("up", "--data-dir", host.data, "--listen", "127.0.0.1:0", seconds=30)
        expect_equal(done.returncode, 1, f"exit on format {wrong!r}")
        expect("[host.folder_format]" in done.stderr, f"format {wrong!r}: {done.stderr}")
    expect_equal(backups(host), [], "backups of a folder that is of no known format")


def test_killed_while_migrating(rig):
    """killed while it backs up, before and after the format is told, `up` goes on from there; what it says is done has its backup"""
    points = ("backup.before_parts", "backup.before_name", "backup.after_name", "migration.before_format", "migration.after_format")
    for number, point in enumerate(points):
        host = older_host(rig, f"h{number}")
        try:
            host.start(crash=f"{point}:1")
            raise AssertionError(f"{point} was not reached")
        except HostDied:
            pass
        done = point == "migration.after_format"
        expect_equal(format_of(host), "2\n" if done else "1\n", f"format after a kill at {point}")
        if point.startswith("migration"):
            expect_equal(sluice("backup", "verify", backups(host)[0]).returncode, 0, "the backup that was there before")
        host.start()
        expect_equal(format_of(host), "2\n", "format")
        backup, = backups(host)
        expect_equal(sluice("backup", "verify", backup).returncode, 0, f"backup verify {backup}")
        expect_equal(glob.glob(os.path.join(host.folder, "*.making")), [], f"what a kill at {point} left")
        check_contents(host)
        host.stop()


def test_no_backup_no_migration(rig):
    """where no backup can be made, or the key is another one, the folder stays as it is"""
    host = older_host(rig)
    before = sums(host.data)
    other = os.path.join(host.folder, "other.key")
    with open(other, "w") as file:
        file.write("ab" * 32)
    os.chmod(other, 0o600)
    done = sluice("up", "--data-dir", host.data, "--host-key", other, "--listen", "127.0.0.1:0", seconds=30)
    expect_equal(done.returncode, 1, "exit with another key")
    expect("[vault." in done.stderr, f"another key: {done.stderr}")
    os.remove(os.path.join(host.data, "keystore.db"))
    done = sluice("up", "--data-dir", host.data, "--listen", "127.0.0.1:0", seconds=30)
    expect("[host.no_keystore]" in done.stderr, f"without keystore: {done.stderr}")
    del before["keystore.db"]
    expect_equal(sums(host.data), before, "the folder's files")
    expect_equal(backups(host), [], "backups")
    host = older_host(rig, "behind")
    # A log of which the state knows nothing: it would be left out.
    log = os.path.join(host.data, "tenants", "acme", "ledger", "epoch-2-0123456789abcdef")
    os.mkdir(log)
    done = sluice("up", "--data-dir", host.data, "--listen", "127.0.0.1:0", seconds=30)
    expect("[host.state_behind]" in done.stderr and "epoch-2-0123456789abcdef" in done.stderr, f"a state that is behind: {done.stderr}")
    expect_equal((format_of(host), backups(host)), ("1\n", []), "format and backups")
