"""Decisions recomputed from stored bytes alone: without a network, under other policies, and with evidence that was changed."""
from rig import *
from tamper_tests import SEGMENT, execute


def decided(rig):
    """A pipeline with proposals of several kinds, its host running."""
    scenario = rig.scenario(mode="act", world=("--seed", Settings.seed, "--opportunities", 60, "--days", 3))
    scenario.start()
    scenario.run()
    scenario.catch_up()
    rows = scenario.host.ask("decision.list", limit=1000)
    kinds = {row["playbook"]: row["id"] for row in rows}
    expect(len(kinds) >= 2, f"only {list(kinds)} were decided: the test tells nothing")
    return scenario, kinds


def replayed(host, *words, under=()):
    command = [*under, program("sluice"), "decision", "replay", *words, "--json", "--data-dir", host.data]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=PROJECT)


def without_network():
    words = ("unshare", "-rn")
    if shutil.which("unshare") is None or subprocess.run([*words, "true"], capture_output=True).returncode != 0:
        raise NotAllowed("unshare -rn is not allowed here")
    return words


def test_replay_without_network(rig):
    """decisions replay to the same bytes without any network, one and all, and each stage is shown with both hashes"""
    under = without_network()
    scenario, kinds = decided(rig)
    scenario.host.stop()
    scenario.world.end()
    done = replayed(scenario.host, under=under)
    expect_equal(done.returncode, 0, f"exit of decision replay ({done.stderr})")
    whole = json.loads(done.stdout)
    expect(whole["same"] is True and whole["decisions"] >= len(kinds) and whole["derived"] > whole["decisions"] / 100, done.stdout[:300])
    for identifier in kinds.values():
        done = replayed(scenario.host, identifier, under=under)
        expect_equal(done.returncode, 0, f"exit of decision replay {identifier} ({done.stderr})")
        stages = json.loads(done.stdout)["stages"]
        expect_equal([s["stage"] for s in stages], ["tick", "signals", "proposals", "verdicts"], "stages")
        expect(all(s["recorded"] == s["derived"] for s in stages), f"{stages}")
    done = replayed(scenario.host, "0" * 64, under=under)
    expect_equal((done.returncode, "[host.unknown]" in done.stderr), (1, True), f"a decision that nobody made ({done.stderr})")
    return f"{whole['decisions']} verdicts from {whole['entries']} entries"


def other_rules(rig):
    """The project's rules with other numbers, another policy and a playbook less."""
    folder = rig.path("rules")
    for name in ("policies", "playbooks"):
        shutil.copytree(os.path.join(PROJECT, name), os.path.join(folder, name))
    for file, old, new in (("policies/governance.yaml", "holds_per_approver_per_day: 10", "holds_per_approver_per_day: 1"),
                           ("policies/thresholds.yaml", "share_milli: 800", "share_milli: 300"),
                           ("policies/autonomous.cedar", "> 500000", "> 1"), ("playbooks/product-alias.yaml", "per_day_max: 20", "per_day_max: 2")):
        path = os.path.join(folder, file)
        with open(path) as f:
            text = f.read()
        expect(old in text, f"{file} has no {old!r}")
        with open(path, "w") as f:
            f.write(text.replace(old, new, 1))
    return folder


def test_replay_after_policies_changed(rig):
    """decisions replay to the same bytes after other policies, thresholds and playbooks were put into effect, and after a restart"""
    scenario, kinds = decided(rig)
    host = scenario.host
    before = {i: json.loads(replayed(host, i).stdout) for i in kinds.values()}
    done = sluice("apply", "-f", other_rules(rig), "--yes", "--data-dir", host.data)
    expect_equal(done.returncode, 0, f"exit of apply ({done.stderr})")
    expect_equal({i: json.loads(replayed(host, i).stdout) for i in kinds.values()}, before, "replays under other rules")
    host.stop()
    host.start()
    expect_equal({i: json.loads(replayed(host, i).stdout) for i in kinds.values()}, before, "replays under other rules, after a restart")
    done = replayed(host)
    expect_equal(done.returncode, 0, f"exit of a whole replay over the change of rules ({done.stderr})")


def test_replay_of_changed_evidence(rig):
    """with one byte of a record that a decision rests on flipped, its replay fails and names the stage and the entry, until the byte is put back"""
    scenario, kinds = decided(rig)
    host = scenario.host
    host.stop()
    # The first decision of the first day rests on what the first intake of deals brought.
    (position, body), = sqlite_rows(host, "SELECT position, body FROM entry WHERE partition='demo' AND kind='intake' ORDER BY length(body) DESC LIMIT 1")
    changed = bytearray(body)
    changed[len(changed) // 2] ^= 1
    execute(SEGMENT, "UPDATE entry SET body=? WHERE partition='demo' AND position=?", bytes(changed), position)(host.data)
    for identifier in kinds.values():
        done = replayed(host, identifier)
        expect_equal(done.returncode, 1, f"exit of decision replay ({done.stdout})")
        for word in ("stage `intake`", f"ntry {position} ", "[replay.input_damaged]"):
            expect(word in done.stderr, f"no {word!r} in: {done.stderr}")
    execute(SEGMENT, "UPDATE entry SET body=? WHERE partition='demo' AND position=?", body, position)(host.data)
    expect_equal(replayed(host).returncode, 0, "exit of decision replay with the byte put back")


def sqlite_rows(host, sql):
    with contextlib.closing(sqlite3.connect(os.path.join(host.data, SEGMENT))) as base:
        return base.execute(sql).fetchall()
