"""(j) What the journal writes for each byte it is given, and what is left once it is packed and trimmed.

`sluice bench journal` gives the same batches to a journal without compression and to one with it, one after the other in
one process, on the disk of the temporary folder. Records: the deals of the simulated CRM as its pages carry them, each with another
number in it; and text of random letters, of which compression can take a third at most.
"""
import csv
import json
import os
import random
import tempfile

from rig import expect, expect_equal, sluice, program
from table import ratio, show
import subprocess

BATCH = 1_000


def crm_lines(folder):
    made = subprocess.run([program("sluice-world"), "generate", "--seed", "1", "--to", folder, "--opportunities", "20000", "--days", "200"],
                          capture_output=True, text=True, timeout=300)
    expect_equal(made.returncode, 0, f"exit of generate ({made.stderr})")
    lines, chance = [], random.Random(1)
    with open(os.path.join(folder, "sales_pipeline.csv"), newline="") as f:
        for row in csv.DictReader(f):
            deal = {"id": row["opportunity_id"], "account": row["account"], "owner": row["sales_agent"], "product": row["product"],
                    "stage": row["deal_stage"], "engaged": row["engage_date"], "closed": row["close_date"] or None, "amount": row["close_value"] or None,
                    "version": chance.randrange(1, 9), "updated_at": f"2026-{chance.randrange(1, 13):02d}-{chance.randrange(1, 29):02d}T{chance.randrange(24):02d}:00:00Z",
                    "deleted": False}
            lines.append(json.dumps(deal, separators=(",", ":")))
    return lines


def random_lines():
    chance = random.Random(2)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return [json.dumps({"id": f"b{n:08d}", "note": "".join(chance.choices(letters, k=300))}) for n in range(20_000)]


def run(options):
    found, rows, notes = {}, [], []
    for name, share in (("deals", 1), ("random letters", 0.25)):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "lines")
            with open(path, "w") as f:
                f.write("\n".join(crm_lines(folder) if name == "deals" else random_lines()) + "\n")
            done = sluice("bench", "journal", "--lines", path, "--bytes", int(options.journal_gb * share * 1e9), "--batch", BATCH, "--json", seconds=7200)
        expect_equal(done.returncode, 0, f"exit of sluice bench journal ({done.stderr})")
        found[name] = figures = json.loads(done.stdout)
        for kind in ("plain", "compressed"):
            one = figures[kind]
            given, row = one["given_bytes"], [f"{name}, {kind}"]
            row += [given / one["append_ms"] / 1e3, one["append_written_bytes"] / given, one["appended_bytes"] / given]
            if kind == "compressed":
                row += [one["pack_written_bytes"] / given, one["packed_bytes"] / given, one["trimmed_bytes"] / given]
            else:
                row += ["-", "-", "-"]
            rows.append(row)
        plain, compressed = figures["plain"], figures["compressed"]
        # What does not compress further may grow by its index.
        expect(compressed["packed_bytes"] < compressed["appended_bytes"] * 1.01, f"{name}: packing made it larger: {figures}")
        expect(compressed["appended_bytes"] < plain["appended_bytes"] * 1.01, f"{name}: compressing made it larger: {figures}")
        notes.append(f"{name}: {compressed['given_bytes'] / 1e9:.2f} GB in {compressed['entries']:,} entries; append rate with compression "
                     f"{ratio(plain['append_ms'], compressed['append_ms'])} of that without; packed in {compressed['pack_ms'] / 1e3:.1f} s into {compressed['packs']} packs; "
                     f"all read again in {compressed['read_ms'] / 1e3:.1f} s; a known id recognized in {compressed['known_us']} us with its commit.")
    show(f"(j) {options.journal_gb:g} GB of records into a journal, {BATCH:,} to an entry, 4 writers",
         ["", "append MB/s", "written/given", "files/given", "packing writes/given", "packed/given", "half trimmed/given"], rows,
         ["Bytes by /proc/self/io (write_bytes) and by the sizes of all files; given: bytes of entry bodies.", *notes])
    return found
