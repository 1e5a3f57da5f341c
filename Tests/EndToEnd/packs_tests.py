"""A journal that stops growing: segments become packs, old packs go; kills, damage, backups and full disks meanwhile."""
import signal

from disk_tests import Filler, small_disk
from keep_tests import Kept, ask, crash_points
from rig import *

SMALL = "sluice: 1\ndisk:\n  low_water_bytes: {low}\n  ballast_bytes: 0\njournal:\n  segment_bytes: 65536\n  pack: {pack}\n  pack_bytes: 32768\n"


def settings(rig, pack="true", low=0, more=""):
    path = os.path.join(rig.folder, f"sluice-{pack}-{low}-{len(more)}.yaml")
    with open(path, "w") as f:
        f.write(SMALL.format(pack=pack, low=low) + more)
    return path


def small(rig, days=2, pack="false", **options):
    """A host with many small segments behind it. It packs when it is told, unless it is to pack by itself."""
    kept = Kept.__new__(Kept)
    kept.rig, kept.count = rig, 0
    kept.scenario = rig.scenario(mode="act", world=("--seed", Settings.seed, "--opportunities", 80, "--days", 6), **options)
    kept.host = kept.scenario.host
    kept.host.options = ("--config", settings(rig, pack))
    kept.key = kept.host.data + ".hostkey"
    kept.scenario.start()
    kept.scenario.run(days=days)
    return kept


def files(folder, tenant="demo"):
    segments = sorted(name for name in os.listdir(os.path.join(folder, "journal")) if name.endswith(".segment"))
    place = os.path.join(folder, "tenants", tenant, "packs")
    packs = sorted((name for name in os.listdir(place)), key=lambda name: int(name.split("-")[0])) if os.path.isdir(place) else []
    return segments, packs


def status(host, tenant="demo"):
    answer = host.ask("journal.status")
    return next(row for row in answer["partitions"] if row["tenant"] == tenant), answer


def check_contiguous(packs, first=1):
    for name in packs:
        low, high = map(int, name.removesuffix(".pack").split("-"))
        expect_equal(low, first, f"where {name} begins")
        first = high + 1
    return first - 1


def test_segments_become_packs(rig):
    """a host packs by itself what it has applied; nothing is lost, repeated or slower to prove, and replay, doctor and ledger say what they said"""
    kept = small(rig, days=3, pack="true")
    host = kept.host
    wait_for(lambda: len(files(host.data)[0]) == 1, lambda: f"every closed segment is packed: {files(host.data)[0]}", 60)
    segments, packs = files(host.data)
    row, whole = status(host)
    through = check_contiguous(packs)
    expect_equal((row["packed_through"], row["packs"], row["first_position"]), (through, len(packs), 1), "the status")
    expect(host.metric("sluice_journal_packs", tenant="demo") == len(packs) > 3, "the metric of packs")
    expect(host.metric("sluice_journal_packed_entries_total") >= through, "the metric of packed entries")
    head = row["last_position"]
    # What was taken in once is known although its segment is gone.
    kept.scenario.run()
    kept.scenario.catch_up()
    kept.scenario.check_records()
    kept.scenario.check_sound()
    expect(status(host)[0]["last_position"] > head, "the journal goes on")
    replayed = json.loads(ask(0, "decision", "replay", "--data-dir", host.data).stdout)
    expect_equal((replayed["same"], replayed["from"]), (True, 1), "replay")
    host.stop()
    host.start()
    kept.scenario.set_up()
    kept.scenario.check_sound()
    shown = ask(0, "journal", "status", "--data-dir", host.data)
    expect("packed_through" in shown.stdout, f"journal status: {shown.stdout[:200]}")
    return f"{len(packs)} packs of {through} entries, {whole['pack_bytes']:,} bytes"


def test_kill_at_each_step_of_packing(rig):
    """killed at each step of packing, a host goes on with every entry once, and packs the rest"""
    kept = small(rig, days=2)
    host = kept.host
    host.stop()
    before = os.path.join(rig.folder, "before")
    shutil.copytree(host.data, before)
    deaths = 0
    with open(os.path.join(PROJECT, "Sources/Core/Domain/Ports/Crash.swift")) as f:
        points = re.findall(r'"(pack\.[a-z_]+)"', f.read())
    expect_equal(len(points), 6, "crash points of packing")
    for point in points:
        for visit in (1, 2, 5) if Settings.whole else (2,):
            died = Host(os.path.join(rig.folder, f"{point}-{visit}"))
            shutil.copytree(before, died.data)
            shutil.copy(kept.key, died.data + ".hostkey")
            done = sluice("journal", "pack", "--data-dir", died.data, environment={"SLUICE_CRASH_AT": f"{point}:{visit}"})
            expect_equal(done.returncode, -9, f"end at {point}:{visit} ({done.stdout}{done.stderr})")
            deaths += 1
            for words in (("doctor", "--deep"), ("decision", "replay"), ("ledger", "verify"), ("journal", "pack"), ("doctor", "--deep")):
                ask(0, *words, "--data-dir", died.data)
            segments, packs = files(died.data)
            expect_equal(len(segments), 1, f"segments after {point}:{visit}")
            check_contiguous(packs)
            shutil.rmtree(died.folder if hasattr(died, "folder") else died.data, ignore_errors=True)
    return f"{deaths} deaths"


def test_kill_at_each_step_of_a_new_segment(rig):
    """killed while it makes a segment, also when its next start makes up for that, a host goes on in the new one with every entry once, and the new one tells all that the old ones told"""
    kept = small(rig, days=1)
    points = crash_points("roll.")
    expect_equal(len(points), 2, "crash points of a new segment")
    for point in points:
        # What stands only in a segment that is about to go: the next one has to be told of it.
        kept.host.ask("journal.pack")
        kept.host.stop()
        dies_at(kept.host, point, lambda: (kept.scenario.set_up(), kept.scenario.run()))
        *old, new = files(kept.host.data)[0]
        told = {sql: rows(kept.host, old[-1], sql) for sql in (LEASES, PACKS)}
        expect(told[LEASES] and told[PACKS], "the segment before tells nothing: the test tells nothing")
        isTold = point == "roll.after_commit"
        for sql in (LEASES, PACKS):
            expect_equal(rows(kept.host, new, sql), told[sql] if isTold else [], f"what {new} tells after {point}: {sql}")
        if not isTold:
            for again in points:
                dies_at(kept.host, again, lambda: None)
            expect_equal(rows(kept.host, new, PACKS), told[PACKS], f"packs of {new} after the start that makes up for it")
        check_goes_on(kept, old, new, f"after {point}")
        # The old ones go: now nobody else tells who owns what, and where the packs are.
        kept.host.start()
        kept.host.ask("journal.pack")
        segments, packs = files(kept.host.data)
        expect(not set(old) & set(segments), f"segments of before are left: {segments}")
        check_contiguous(packs)
        kept.host.stop()
        epochs = dict(rows(kept.host, segments[-1], LEASES))
        expect(all(epochs.get(tenant, 0) >= epoch for tenant, epoch in told[LEASES]), f"leases {epochs}, before {told[LEASES]}")
        kept.check_sound(kept.host.data)
        kept.scenario.start()
    return f"{len(packs)} packs"


ENTRIES, LEASES, PACKS = "SELECT partition, position, id FROM entry ORDER BY 1, 2", "SELECT * FROM lease ORDER BY 1", "SELECT * FROM pack ORDER BY 1, 2"


def rows(host, segment, sql):
    # Read only: what a dead host left is for its next start to put in order.
    with contextlib.closing(Database(os.path.join(host.data, "journal", segment))) as base:
        return base.rows(sql)


def dies_at(host, point, work):
    try:
        host.start(f"{point}:1")
        work()
    except HostDied:
        expect_equal(host.process.wait(10), -9, f"end at {point} ({host.log_text()[-1500:]})")
        host.state.close()
    else:
        raise AssertionError(f"{point} was not reached")


def check_goes_on(kept, old, new, when):
    """What comes next stands in the new segment and those that follow, right after what the old ones hold, and they stay as they are."""
    def held(names):
        return [(name, *row) for name in names for row in rows(kept.host, name, ENTRIES)]
    before = held(old)
    expect_equal(held([new]), [], f"entries {when}")
    kept.scenario.start()
    kept.scenario.run(days=1)
    kept.scenario.catch_up()
    kept.scenario.check_records()
    keys = [effect["key"] for effect in kept.scenario.world.effects()]
    expect_equal(sorted(set(keys)), sorted(keys), f"effects by key {when}")
    kept.host.stop()
    expect_equal(held(old), before, f"entries of the segments before, {when}")
    after = held([name for name in files(kept.host.data)[0] if name not in old])
    positions = [position for _, tenant, position, _ in before + after if tenant == kept.host.tenant]
    expect_equal(positions, list(range(positions[0], positions[0] + len(positions))), f"positions, segment after segment, {when}")
    expect(len(after) > 20, f"{len(after)} entries were added {when}: the test tells nothing")


def test_backup_of_packs(rig):
    """a backup of a host that packs meanwhile verifies and restores into the same journal; one made after everything is packed too"""
    kept = small(rig, days=2, pack="true")
    host = kept.host
    backups = [kept.create()]
    kept.scenario.run(days=1)
    backups.append(kept.create())
    wait_for(lambda: len(files(host.data)[0]) == 1, "every closed segment is packed", 60)
    backups.append(kept.create())
    whole = host.ask("journal.status")
    host.stop()
    for backup in backups:
        ask(0, "backup", "verify", backup)
        to, _ = kept.restore(backup)
        kept.check_sound(to)
        check_contiguous(files(to)[1])
    import tarfile
    with tarfile.open(backups[-1]) as tar:
        names = [name for name in tar.getnames() if name.startswith("past/demo/packs/")]
    expect_equal(len(names), next(row["packs"] for row in whole["partitions"] if row["tenant"] == "demo"), "packs in the last backup")
    restored = Host(to)
    restored.data = to
    done = json.loads(ask(0, "journal", "pack", "--data-dir", to, "--host-key", kept.key).stdout)
    expect_equal(done["segments"], 0, "segments to pack in a restored folder")
    return f"{len(names)} packs in a backup"


def test_tampered_packs(rig):
    """a flipped byte in a pack, one that is cut off or missing, one of another tenant and an older one in its place fail `doctor --deep`, which names its path and a position"""
    kept = small(rig, days=2)
    host = kept.host
    host.ask("tenant.create", tenant="other")
    host.ask("kill", tenant="other", target="all", reason="something to pack")
    kept.scenario.run(days=1)
    host.ask("journal.pack")
    host.stop()
    packs, others = files(host.data)[1], files(host.data, "other")[1]
    expect(len(packs) > 2 and others, f"packs {packs}, {others}")
    name = packs[len(packs) // 2]
    first = name.split("-")[0]
    inside = f"tenants/demo/packs/{name}"

    def flip(at):
        def change(path):
            with open(path, "r+b") as f:
                f.seek(at if at >= 0 else os.path.getsize(path) + at)
                byte = f.read(1)[0]
                f.seek(-1, 1)
                f.write(bytes([byte ^ 1]))
        return change

    def swap(path):
        shutil.copy(os.path.join(host.data, "tenants", "other", "packs", others[0]), path)
    size = os.path.getsize(os.path.join(host.data, inside))
    changes = {"a byte of a block": flip(10), "a byte of the index": flip(-60), "a byte of the end": flip(-3), "cut off": lambda path: os.truncate(path, size // 2),
               "missing": os.remove, "another tenant's": swap,
               "another one's": lambda path: shutil.copy(os.path.join(host.data, "tenants", "demo", "packs", packs[0]), path)}
    for what, change in changes.items():
        copy = kept.path("copy")
        shutil.copytree(host.data, copy)
        change(os.path.join(copy, inside))
        done = ask(1, "doctor", "--deep", "--data-dir", copy, "--host-key", kept.key, names=("[journal.damaged]", inside, "ntry "))
        expect(f"ntry {first} " in done.stderr or what == "a byte of a block", f"{what}: no position {first} in {done.stderr}")
        ask(0, "tenant", "list", "--data-dir", copy, "--host-key", kept.key)
        shutil.rmtree(copy)
    # The journal's own knowledge of a pack is taken away.
    copy = kept.path("copy")
    shutil.copytree(host.data, copy)
    with contextlib.closing(sqlite3.connect(os.path.join(copy, "journal", files(copy)[0][-1]))) as base:
        base.execute("DELETE FROM pack WHERE partition='demo' AND first=?", (int(first),))
        base.commit()
    ask(1, "doctor", "--deep", "--data-dir", copy, "--host-key", kept.key, names=("[journal.damaged]", f"tenants/demo/packs/{name}", f"ntry {first} "))
    return f"{len(packs)} packs"


def test_packing_on_a_full_disk(rig):
    """packing stops before a disk runs low and when it runs full, loses nothing, says so, and goes on once there is room"""
    kept = small(rig, days=2)
    kept.host.stop()
    folder = rig.path("small")
    with small_disk(rig, folder) as disk:
        data = os.path.join(disk, "d")
        shutil.copytree(kept.host.data, data)
        os.chmod(data, 0o700)
        filler = Filler(disk)
        filler.leave(30_000)
        done = sluice("journal", "pack", "--data-dir", data, "--host-key", kept.key)
        expect_equal(done.returncode, 1, f"exit of journal pack on a full disk ({done.stdout}{done.stderr})")
        expect("[storage.disk_low]" in done.stderr or "[storage.disk_full]" in done.stderr or "No space left" in done.stderr, done.stderr)
        expect(not [name for name in files(data)[1] if name.endswith(".new")], "half a pack is left")
        filler.go()
        # Low by the settings of every command: there is room, and less than intake wants.
        ask(0, "doctor", "--deep", "--data-dir", data, "--host-key", kept.key)


def test_trimming(rig):
    """old packs go once a snapshot stands for them: the order is in the ledger, doctor, replay, restore and a lost database begin at the snapshot, and who asks for more is told where the journal begins"""
    kept = small(rig, days=3)
    host = kept.host
    decision = host.ask("decision.list", limit=1000)[-1]["id"]
    host.ask("journal.pack")
    expect_equal(host.ask("journal.trim"), {"trimmed": False, "first_position": 1}, "a trim without a rule")
    packs = files(host.data)[1]
    trim = host.ask("journal.trim", raw_days=0)
    expect(trim["trimmed"] and trim["packs"] == len(packs) > 2, f"the trim {trim}")
    expect_equal(files(host.data)[1], [], "packs that are left")
    row, _ = status(host)
    expect_equal((row["first_position"], row["trimmed"]["digest"]), (trim["first_position"], trim["digest"]), "the status")
    expect_equal(host.metric("sluice_journal_trimmed_entries_total", tenant="demo"), trim["entries"], "the metric of trimmed entries")
    kept.scenario.run()
    kept.scenario.catch_up()
    kept.scenario.check_records()
    host.ask("ledger.publish")
    backup = kept.create()
    host.stop()
    for path in (host.data, kept.restore(backup)[0]):
        kept.check_sound(path)
    answer, = json.loads(ask(0, "doctor", "--deep", "--data-dir", host.data).stdout)
    expect_equal(answer["from"], trim["snapshot"] + 1, "where doctor begins")
    ask(1, "decision", "replay", decision, "--data-dir", host.data, names=("[journal.trimmed]", trim["snapshot"] + 1))
    # The order is proven by the log: its payload names digest, rule and who asked.
    found = []
    for base, _, names in os.walk(os.path.join(host.data, "tenants", "demo", "ledger", "payload")):
        for name in names:
            with open(os.path.join(base, name), "rb") as f:
                data = f.read()[32:]
            if b'"verb":"trim"' in data:
                found.append(json.loads(data))
    expect_equal(len(found), 1, "orders to trim in the log")
    expect(json.loads(found[0]["argument"])["digest"] == trim["digest"] and found[0]["by"].startswith("os-"), f"the order {found}")
    # A lost database is made again, from the snapshot on; a changed or missing snapshot is named.
    for name in os.listdir(os.path.join(host.data, "tenants", "demo")):
        if name.startswith("state.db"):
            os.remove(os.path.join(host.data, "tenants", "demo", name))
    kept.check_sound(host.data)
    inside = f"tenants/demo/snapshots/{trim['snapshot']}.snapshot"
    for change in (lambda path: os.truncate(path, os.path.getsize(path) - 9), os.remove):
        copy = kept.path("copy")
        shutil.copytree(host.data, copy)
        change(os.path.join(copy, inside))
        ask(1, "doctor", "--deep", "--data-dir", copy, "--host-key", kept.key, names=("[snapshot.damaged]", inside))
    # Somebody hides more entries than the order let go.
    copy = kept.path("copy")
    shutil.copytree(host.data, copy)
    with contextlib.closing(sqlite3.connect(os.path.join(copy, "journal", files(copy)[0][-1]))) as base:
        base.execute("UPDATE kept SET first=first+3 WHERE partition='demo'")
        base.commit()
    ask(1, "doctor", "--deep", "--data-dir", copy, "--host-key", kept.key, names=("[snapshot.unproven]",))
    return f"{trim['entries']} entries went, {trim['packs']} packs"


def test_kill_at_each_step_of_trimming(rig):
    """killed at each step of trimming, a host either has all entries or the snapshot, finishes the order it journaled, and trims again"""
    kept = small(rig, days=2)
    host = kept.host
    host.ask("journal.pack")
    host.stop()
    with open(os.path.join(PROJECT, "Sources/Core/Domain/Ports/Crash.swift")) as f:
        points = re.findall(r'"(trim\.[a-z_]+)"', f.read())
    expect_equal(len(points), 7, "crash points of trimming")
    for point in points:
        copy = kept.path("copy")
        shutil.copytree(host.data, copy)
        key = ("--data-dir", copy, "--host-key", kept.key)
        done = sluice("journal", "trim", "--raw-days", "0", *key, environment={"SLUICE_CRASH_AT": f"{point}:1"})
        expect_equal(done.returncode, -9, f"end at {point} ({done.stdout}{done.stderr})")
        kept.check_sound(copy)
        ask(0, "journal", "trim", "--raw-days", "0", *key)
        ask(0, "journal", "pack", *key)
        kept.check_sound(copy)
        row = json.loads(ask(0, "journal", "status", *key).stdout)["partitions"][0]
        expect(row["first_position"] > 1 and row["packs"] == len(files(copy)[1]) == 0, f"after {point}: {row}, {files(copy)}")
        expect_equal(os.listdir(os.path.join(copy, "tenants", "demo", "snapshots")), [f"{row['trimmed']['snapshot']}.snapshot"], f"snapshots after {point}")
    return f"{len(points)} deaths"


def test_a_million_small_rows(rig):
    """a quarter of a million small entries (a million with WHOLE=1) are packed, read and known again"""
    count = 1_000_000 if Settings.whole else 250_000
    done = sluice("bench", "journal", "--rows", count, "--json", seconds=300)
    expect_equal(done.returncode, 0, f"exit of sluice bench journal --rows ({done.stderr})")
    found = json.loads(done.stdout)
    expect_equal((found["entries"], found["known"]), (count, found["asked"]), "entries and ids")
    expect(found["packed_bytes"] < found["appended_bytes"], f"packing made it larger: {found}")
    return f"appended in {found['append_ms'] / 1000:.1f} s, packed in {found['pack_ms'] / 1000:.1f} s, read in {found['read_ms'] / 1000:.1f} s"
