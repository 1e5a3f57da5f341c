"""Somebody changes a byte of what stands on disk: it is found, and what was changed is named."""
from rig import *

LEDGER = "tenants/demo/ledger"
SEGMENT = "journal/0000000001.segment"
STATE = "tenants/demo/state.db"


class Folder:
    """The data folder of a stopped host, to be changed in copies."""

    def __init__(self, rig):
        scenario = rig.scenario(mode="act", world=("--seed", Settings.seed, "--opportunities", 40, "--days", 2))
        scenario.start()
        scenario.run(days=1)
        scenario.host.stop()
        self.rig, self.path, self.copies = rig, scenario.host.data, 0
        self.old = os.path.join(rig.folder, "old")
        shutil.copytree(self.path, self.old)
        scenario.host.start()
        scenario.set_up()
        scenario.run()
        self.key = self.path + ".hostkey"
        expect_equal(sluice("ledger", "verify", "--data-dir", self.path).returncode, 0, "exit of ledger verify on what nobody touched")
        scenario.host.stop()
        scenario.world.end()

    def files(self, folder):
        """Paths in the data folder, the largest first."""
        found = [os.path.join(base, name) for base, _, names in os.walk(os.path.join(self.path, folder)) for name in names]
        return [os.path.relpath(path, self.path) for path in sorted(found, key=os.path.getsize, reverse=True)]

    def query(self, file, sql, *arguments):
        with contextlib.closing(sqlite3.connect(os.path.join(self.path, file))) as base:
            return base.execute(sql, arguments).fetchall()

    def after(self, change, *words):
        """What a command says of a copy that was changed."""
        self.copies += 1
        copy = os.path.join(self.rig.folder, f"copy{self.copies}")
        shutil.copytree(self.path, copy)
        change(copy)
        done = sluice(*words, "--data-dir", copy, "--host-key", self.key)
        shutil.rmtree(copy)
        return done

    def check_found(self, what, change, words, code, *names):
        done = self.after(change, *words)
        expect_equal(done.returncode, 1, f"exit of {' '.join(words)} after {what} ({done.stdout}{done.stderr})")
        expect(f"[{code}]" in done.stderr if code else "[" in done.stderr, f"{what}: no code {code} in {done.stderr}")
        for name in names:
            expect(str(name) in done.stderr, f"{what}: {name!r} is not named in {done.stderr}")


def flip(file, at):
    def change(folder):
        with open(os.path.join(folder, file), "r+b") as f:
            f.seek(at)
            byte = f.read(1)[0]
            f.seek(at)
            f.write(bytes([byte ^ 1]))
    return change


def execute(file, sql, *arguments):
    def change(folder):
        with contextlib.closing(sqlite3.connect(os.path.join(folder, file))) as base:
            base.execute(sql, arguments)
            base.commit()
    return change


def test_changed_log(rig):
    """a flipped byte in a tile, an entry bundle, a checkpoint or a payload, and a missing tile, fail `ledger verify`, which names the place"""
    folder = Folder(rig)
    verify = ("ledger", "verify")
    expect_equal(folder.after(lambda _: None, *verify).returncode, 0, "exit of ledger verify on a copy")
    tile, bundle, payload = (folder.files(LEDGER + "/" + part)[0] for part in ("tile/0", "tile/entries", "payload"))
    inside = {path: os.path.relpath(path, LEDGER) for path in (tile, bundle, payload)}
    folder.check_found("a byte of the tile", flip(tile, 40), verify, "ledger.tile_differs", "Hash 1", inside[tile])
    folder.check_found("a byte of a payload", flip(payload, 50), verify, "ledger.payload_differs", inside[payload], "entry ")
    folder.check_found("a byte of a payload's salt", flip(payload, 5), verify, "ledger.payload_differs", inside[payload])
    # The third entry: each is two bytes of length and as many of text.
    with open(os.path.join(folder.path, bundle), "rb") as f:
        data = f.read()
    at = 0
    for _ in range(2):
        at += 2 + int.from_bytes(data[at:at + 2], "big")
    folder.check_found("a brace of an entry", flip(bundle, at + 2), verify, "ledger.entry_malformed", "Entry 2")
    for place in (0, 14, 90, os.path.getsize(os.path.join(folder.path, LEDGER, "checkpoint")) - 5):
        folder.check_found(f"byte {place} of the checkpoint", flip(LEDGER + "/checkpoint", place), verify, None, "checkpoint")
    folder.check_found("the tile is gone", lambda copy: os.remove(os.path.join(copy, tile)), verify, "ledger.tile_missing", inside[tile])
    folder.check_found("the bundle is gone", lambda copy: os.remove(os.path.join(copy, bundle)), verify, "ledger.bundle_missing", inside[bundle])
    earlier = max((name for name in os.listdir(os.path.join(folder.path, LEDGER)) if name.startswith("checkpoint.")), key=len)
    done = folder.after(lambda _: None, *verify, "--since", os.path.join(folder.path, LEDGER, earlier))
    expect_equal(done.returncode, 0, f"exit of ledger verify since {earlier} ({done.stderr})")


def test_changed_journal_or_state(rig):
    """a flipped byte in the journal, a lost entry, and a changed, removed or added row of a projection fail `doctor --deep`, which names them"""
    folder = Folder(rig)
    deep = ("doctor", "--deep")
    expect_equal(folder.after(lambda _: None, *deep).returncode, 0, "exit of doctor on a copy")

    def flip_body(position):
        (body,), = folder.query(SEGMENT, "SELECT body FROM entry WHERE partition='demo' AND position=?", position)
        body = bytearray(body)
        body[len(body) // 2] ^= 1
        return execute(SEGMENT, "UPDATE entry SET body=? WHERE partition='demo' AND position=?", bytes(body), position)
    places = dict(folder.query(SEGMENT, "SELECT kind, max(position) FROM entry WHERE partition='demo' GROUP BY kind"))
    for kind in ("intake", "activation", "verdicts", "receipt"):
        folder.check_found(f"a byte of the body of {kind}", flip_body(places[kind]), deep, "journal.damaged", f"Entry {places[kind]} ")
    entry = places["receipt"]
    folder.check_found("another id", execute(SEGMENT, "UPDATE entry SET id=zeroblob(32) WHERE partition='demo' AND position=?", entry), deep, None, f"ntry {entry} ")
    folder.check_found("an entry is gone", execute(SEGMENT, "DELETE FROM entry WHERE partition='demo' AND position=?", entry), deep, None, f"{entry + 1} ", f"{entry - 1}")
    for space in ("perception.entity", "action.action", "ledger.leaf"):
        (key, value), = folder.query(STATE, "SELECT key, value FROM state WHERE space=? LIMIT 1", space)
        row = f"{space}/{key}"
        changed = json.dumps({**json.loads(value), "zz": 1}) if value.startswith("{") else "7"
        folder.check_found("a changed row", execute(STATE, "UPDATE state SET value=? WHERE space=? AND key=?", changed, space, key), deep, "doctor.state_differs", row)
        folder.check_found("a removed row", execute(STATE, "DELETE FROM state WHERE space=? AND key=?", space, key), deep, "doctor.state_differs", row, "missing")
        folder.check_found("an added row", execute(STATE, "INSERT INTO state VALUES(?, '~added', '1')", space), deep, "doctor.state_differs", f"{space}/~added")


def test_older_journal_is_refused(rig):
    """an older journal put back behind the high-water mark does not start, says how much was published, and goes on once the newer one is back"""
    folder = Folder(rig)

    def put_back(copy):
        shutil.rmtree(os.path.join(copy, "journal"))
        shutil.copytree(os.path.join(folder.old, "journal"), os.path.join(copy, "journal"))
        for name in os.listdir(os.path.join(copy, "tenants", "demo")):
            if name.startswith("state.db"):
                os.remove(os.path.join(copy, "tenants", "demo", name))
    with open(os.path.join(folder.path, "high-water", "demo.json")) as f:
        mark = json.load(f)
    folder.check_found("an older journal", put_back, ("up", "--listen", "127.0.0.1:0"), "ledger.behind_high_water", "demo", mark["size"])
    folder.check_found("an older journal", put_back, ("tenant", "list"), "ledger.behind_high_water", mark["size"])
    # A database that is only gone is made again, from the whole journal.
    done = folder.after(lambda copy: os.remove(os.path.join(copy, STATE)), "doctor", "--deep")
    expect_equal(done.returncode, 0, f"exit of doctor on a folder whose database is gone ({done.stderr})")


def test_journal_behind_its_state(rig):
    """a journal that is older than the state beside it, or gone, does not start, whether or not the database was put back too"""
    folder = Folder(rig)

    def older(copy):
        shutil.rmtree(os.path.join(copy, "journal"))
        shutil.copytree(os.path.join(folder.old, "journal"), os.path.join(copy, "journal"))
    for what, change in (("older", older), ("gone", lambda copy: shutil.rmtree(os.path.join(copy, "journal"))),
                         ("without its segment", lambda copy: os.remove(os.path.join(copy, SEGMENT)))):
        folder.check_found(f"a journal that is {what}", change, ("tenant", "list"), None, "demo")

    def without_mark(copy):
        older(copy)
        shutil.rmtree(os.path.join(copy, "high-water"))
        for name in os.listdir(os.path.join(copy, "tenants", "demo")):
            if name.startswith("state.db"):
                os.remove(os.path.join(copy, "tenants", "demo", name))
    folder.check_found("an older journal without the high-water mark, under a published checkpoint", without_mark, ("tenant", "list"), None, "demo")


def test_rows_of_nothing(rig):
    """`doctor --deep` names a row in a space in which the journal gives none"""
    folder = Folder(rig)
    for space in ("policy.kill", "no.such.space", "perception.dead_letter"):
        folder.check_found(f"a row in {space}", execute(STATE, "INSERT INTO state VALUES(?, '~added', '1')", space), ("doctor", "--deep"), "doctor.state_differs", f"{space}/~added")


def test_entries_are_sealed_whole(rig):
    """`doctor --deep` names an entry whose time, cause, salt or codec was changed"""
    folder = Folder(rig)
    (position,), = folder.query(SEGMENT, "SELECT position FROM entry WHERE partition='demo' AND kind='intake' LIMIT 1")
    for what in ("recorded_at_ms=recorded_at_ms+1", "salt=zeroblob(16)", "cause=1", "codec=1-codec", "kind='delivery'"):
        folder.check_found(what, execute(SEGMENT, f"UPDATE entry SET {what} WHERE partition='demo' AND position=?", position), ("doctor", "--deep"), "journal.damaged", f"Entry {position} ")


def test_damaged_databases_are_named(rig):
    """a database that is none, and a row that is no JSON, are refused with a code and the path"""
    folder = Folder(rig)

    def garbage(file):
        def change(copy):
            for name in (file, file + "-wal", file + "-shm"):
                if os.path.exists(os.path.join(copy, name)):
                    with open(os.path.join(copy, name), "wb") as f:
                        f.write(b"garbage" * 2000)
        return change
    for file in (STATE, SEGMENT, "keystore.db"):
        folder.check_found(f"garbage in {file}", garbage(file), ("doctor", "--deep"), None, file)
    folder.check_found("a row that is no JSON", execute(STATE, "UPDATE state SET value='{' WHERE space='perception.clock'"), ("doctor", "--deep"), "storage.damaged_row", STATE, "perception.clock/clock")

    def half_mark(copy):
        with open(os.path.join(copy, "high-water", "demo.json"), "w") as f:
            f.write("{")
    folder.check_found("half a high-water mark", half_mark, ("tenant", "list"), None, "high-water/demo.json")


def test_damaged_verdict_is_named_as_one(rig):
    """a replay over a verdict whose bytes were changed names the stage `verdicts`, not another"""
    folder = Folder(rig)
    (position, body), = folder.query(SEGMENT, "SELECT position, body FROM entry WHERE partition='demo' AND kind='verdicts' LIMIT 1")
    changed = bytes([body[0] ^ 1]) + body[1:]
    folder.check_found("a byte of a verdict", execute(SEGMENT, "UPDATE entry SET body=? WHERE partition='demo' AND position=?", changed, position), ("decision", "replay"),
                       "replay.input_damaged", f"ntry {position} ", "stage `verdicts`")
