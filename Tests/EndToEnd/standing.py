"""What stands on disk: a tenant's database, the journal's segments and the published log, read beside the host."""
import json
import os
import sqlite3
import time

from expecting import expect_equal, short, wait_for


class Database:
    """A tenant's state.db, read beside the host."""

    def __init__(self, path):
        self.path = path
        self.open = None

    def rows(self, sql, *arguments):
        for _ in range(200):
            try:
                if self.open is None:
                    self.open = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=5, check_same_thread=False)
                return self.open.execute(sql, arguments).fetchall()
            except sqlite3.OperationalError as error:
                self.close()
                last = error
                if self.path.endswith(".segment") and not os.path.exists(self.path):
                    break
                time.sleep(0.02)
        raise last

    def space(self, space):
        return {key: json.loads(value) for key, value in self.rows("SELECT key, value FROM state WHERE space=? ORDER BY key", space)}

    def value(self, space, key):
        found = self.rows("SELECT value FROM state WHERE space=? AND key=?", space, key)
        return json.loads(found[0][0]) if found else None

    def close(self):
        if self.open is not None:
            self.open.close()
            self.open = None


class Standing:
    """What a data folder holds of one tenant. `Host` says which folder, and asks the host that runs on it."""

    def segments(self):
        """The journal's files, in order; each as a database. One that is packed meanwhile is gone, and another look shows what it held."""
        folder = os.path.join(self.data, "journal")
        for name in sorted(os.listdir(folder)):
            if name.endswith(".segment"):
                database = Database(os.path.join(folder, name))
                try:
                    yield database
                finally:
                    database.close()

    def looked(self, look):
        """What `look` finds in the segments; again when one of them was packed under its eyes."""
        for _ in range(200):
            try:
                return look()
            except sqlite3.OperationalError as error:
                last = error
        raise last

    def head(self):
        def look():
            heads = [0]
            for database in self.segments():
                for sql in ("SELECT max(position) FROM entry WHERE partition=?", "SELECT max(last) FROM pack WHERE partition=?",
                            "SELECT max(first)-1 FROM kept WHERE partition=?"):
                    heads += [row[0] or 0 for row in database.rows(sql, self.tenant)]
            return max(heads)
        return self.looked(look)

    def entry_kinds(self):
        kinds = {}
        for database in self.segments():
            for kind, count in database.rows("SELECT kind, count(*) FROM entry WHERE partition=? GROUP BY kind", self.tenant):
                kinds[kind] = kinds.get(kind, 0) + count
        return kinds

    def journal(self):
        """Position, kind and id of each entry of the tenant, in order. Bodies are sealed."""
        entries = []
        for name in sorted(os.listdir(os.path.join(self.data, "journal"))):
            if name.endswith(".segment"):
                database = Database(os.path.join(self.data, "journal", name))
                entries += database.rows("SELECT position, kind, lower(hex(id)) FROM entry WHERE partition=? ORDER BY position", self.tenant)
                database.close()
        return entries

    def published(self):
        """How many entries the last signed checkpoint covers."""
        path = os.path.join(self.data, "tenants", self.tenant, "ledger", "checkpoint")
        if not os.path.exists(path):
            return 0
        with open(path) as f:
            return int(f.read().splitlines()[1])

    def ledgered(self):
        """Position, kind and body of what the published log proves, in the journal's order."""
        places, leaves, found = self.state.space("ledger.index"), self.state.space("ledger.leaf"), []
        wait_for(lambda: self.ask("ledger.publish") and self.published() >= len(places), "what is in the log is published")
        for position, kind, identifier in self.journal():
            if identifier in places:
                leaf = json.loads(leaves[f"{places[identifier]:020d}"]["leaf"])
                expect_equal((leaf["kind"], leaf["id"]), (kind, identifier), f"the leaf of entry {position}")
                path = os.path.join(self.data, "tenants", self.tenant, "ledger", "payload", leaf["commitment"][:2], leaf["commitment"])
                with open(path, "rb") as f:
                    found.append((position, kind, json.loads(f.read()[32:])))
        return found

    def ticked(self):
        return (self.state.value("perception.clock", "clock") or {}).get("ticked") or ""

    def is_settled(self):
        # Position and outbox by one statement, as one transaction wrote them, and the journal's head afterwards: when it
        # is still that position, nothing was left to apply or to append.
        applied, waiting = self.state.rows(
            "SELECT (SELECT value FROM state WHERE space='loop.position' AND key='applied'),"
            " (SELECT count(*) FROM state WHERE space='loop.outbox')")[0]
        return waiting == 0 and int(applied or 0) == self.head()

    def is_quiet(self):
        """Nothing is on its way to an effect or from one."""
        for key, state in self.state.space("action.open").items():
            if state in ("started", "probing"):
                return False
            if state == "queued" and self.state.value("action.action", key)["notBeforeMs"] > 0:
                return False
        return True

    def wait_processed(self, day, seconds=60):
        """The day's tick and all that followed from it is applied, and what could be done was done."""
        def is_done():
            self.check_alive()
            return self.ticked() >= day
        wait_for(is_done, lambda: f"{day} is ticked (now {self.ticked()}); {self.reply('connector.list')}", seconds)
        calm = 0

        def is_over():
            nonlocal calm
            self.check_alive()
            calm = calm + 1 if self.is_settled() and self.is_quiet() and not self.queued() else 0
            return calm >= 2
        wait_for(is_over, lambda: f"{day} is processed; open: {short(self.state.space('action.open'))}", seconds, 0.004)

    def queued(self):
        return [key for key, state in self.state.space("action.open").items() if state == "queued"]

    def signals(self):
        """Without evidence, whose commitments are salted: everything else is the same in every run."""
        return [{k: v for k, v in s.items() if k != "evidence"} for s in self.state.space("toolplane.signal").values()]

    def permits(self):
        """idempotency key → the record of its last start."""
        return {record["start"]["idempotencyKey"]: record for record in self.state.space("policy.permit").values()}

    def versions(self, entity="opportunity"):
        """How many versions of records of this type were taken in."""
        return sum(v for k, v in self.state.space("perception.count").items() if k.startswith(f"versions/{entity}/"))
