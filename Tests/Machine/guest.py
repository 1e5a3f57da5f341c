"""Runs inside the machine, as root, once it is up: each step is a sentence, told on the console as a line of JSON."""
import json
import os
import pwd
import socket
import subprocess
import sys
import time

from attacks import ATTACKS, is_met

DATA = "/var/lib/sluice/data"
GROUP = "/sys/fs/cgroup/system.slice/sluice.service"
RECORDS = 2_000_000  # more than can come in before the power fails
COUNTER = "/usr/local/lib/sluice/plugins/counter.so"


def tell(outcome, what):
    print("MACHINE " + json.dumps({"outcome": outcome, "what": what}), flush=True)


def expect(condition, message):
    if not condition:
        raise AssertionError(message)


def run(*arguments, code=0, **options):
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=200, **options)
    expect(code is None or done.returncode == code, f"{' '.join(arguments)} gave {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def sluice(*arguments, tenant=False, code=0, **options):
    which = ["--data-dir", DATA] + (["--tenant", "acme"] if tenant else [])
    return run("sudo", "-u", "sluice", "sluice", *arguments, *which, code=code, **options)


def wait_for(condition, what, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < end, f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.2)


def is_ready():
    return subprocess.run(["sudo", "-u", "sluice", "sluice", "ready", "--data-dir", DATA], capture_output=True).returncode == 0


def main_process():
    return int(run("systemctl", "show", "--property=MainPID", "--value", "sluice"))


def journal():
    return run("journalctl", "--unit=sluice", "--output=cat", "--no-pager")


def state(instance):
    rows = json.loads(sluice("connector", "list", "--json", tenant=True))
    return next(row["state"] for row in rows if row["instance"] == instance)


def ask(command, **arguments):
    """A command on the host's socket, which takes its own user's alone: the program takes seconds to begin here."""
    os.seteuid(pwd.getpwnam("sluice").pw_uid)
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(120)
            s.connect(DATA + "/control.sock")
            s.sendall(json.dumps({"command": command, "arguments": {"tenant": "acme", **arguments}}).encode() + b"\n")
            with s.makefile() as answers:
                reply = json.loads(answers.readline())
    finally:
        os.seteuid(0)
    expect("error" not in reply, f"{command}: {reply.get('error')}")
    return reply["result"]


def groups(host):
    """The groups that a host made for its workers."""
    return [name for name in os.listdir(GROUP) if name.startswith(f"sluice-{host}-")]


def place(instance):
    """Where an instance's first stream goes on: how many records of the counter are durable."""
    rows = json.loads(sluice("checkpoint", "show", "--json", tenant=True))
    return next((int(row["state"]) for row in rows if row["instance"] == instance), 0)


def attack(name):
    for slot in ("main", "other"):
        sluice("secret", "set", name.replace("_", "-"), slot, tenant=True, input="x\n")
    sluice("connector", "enable", "/walk/plugins/hostile.yaml", "--as", name.replace("_", "-"), "--config", f"/walk/{name}.json", tenant=True)


def walks_the_guide():
    """the commands that deploy.md prints lead to a host that serves"""
    run("bash", "/walk/printed.sh", cwd="/checkout")
    sluice("tenant", "create", "acme")


def names_its_groups():
    """its doctor names control groups of version 2 for memory and threads, and the host has moved into its own"""
    limits = json.loads(sluice("doctor", "--json"))["limits"]
    expect((limits["in_force"], limits["groups"]) == ("cgroup v2", {"memory": GROUP, "pids": GROUP}) and limits["not_used"] == [], f"limits: {limits}")
    with open(GROUP + "/host/cgroup.procs") as f:
        expect(f.read().split() == [str(main_process())], "the host is not alone in its own group")


def ends_a_memory_bomb():
    """a worker beyond its memory is ended by its group and named, and the host goes on"""
    attack("memory_bomb")
    wait_for(lambda: "worker.over_limit.memory" in state("memory-bomb"), lambda: state("memory-bomb"))
    expect(is_ready() and run("systemctl", "is-active", "sluice").strip() == "active", "the host is not well")


def counts_threads():
    """a worker gets the threads that it was granted and no more, and it is told, for an unprivileged host"""
    attack("thread_bomb")
    wait_for(lambda: '"limit":"threads"' in journal(), "a limit of threads that was reached")
    wait_for(lambda: '\\"count\\":\\"3\\"' in journal(), "it was granted three")


def withstands_the_attacks():
    """each attack of SECURITY.md's table is refused and told where control groups hold the limits, and the host goes on"""
    host, waiting = main_process(), {attack: wanted for attacks in ATTACKS.values() for attack, wanted in attacks.items()}
    count, names = len(waiting), [attack.replace("_", "-") for attack in waiting]
    for attack, name in zip(list(waiting), names):
        ask("connector.enable", name="/walk/plugins/attacker.yaml", instance="attack-" + name, config={"attack": attack})

    def met():
        # Other instances here have such names without it.
        states = {row["instance"][7:]: row["state"] for row in ask("connector.list") if row["instance"].startswith("attack-")}
        log = "\n".join(line.replace('"attack-', '"') for line in journal().splitlines() if '"attack-' in line)
        for attack in [a for a, wanted in waiting.items() if is_met(a, wanted, states, log)]:
            del waiting[attack]
        return not waiting
    wait_for(met, lambda: f"{waiting}: {[row for row in ask('connector.list') if row['instance'][7:].replace('-', '_') in waiting]}", 300)
    expect(main_process() == host and is_ready(), "the host is not well")
    for name in names:
        ask("connector.disable", instance="attack-" + name)
    return f"{count}"


def leaves_no_groups():
    """each worker has a group, which is gone with it; after the host was killed systemd starts it by itself, and none of its groups is left"""
    sluice("connector", "enable", "counter", "--config", "/walk/counter-few.json", "--as", "few", tenant=True)
    wait_for(lambda: place("few") == 100, lambda: f"the counter's records: {place('few')}, {state('few')}")
    old = main_process()
    some = len(groups(old))
    expect(some > 0, f"no group of a worker: {os.listdir(GROUP)}")
    sluice("connector", "disable", "few", tenant=True)
    wait_for(lambda: len(groups(old)) == some - 1, lambda: f"groups: {groups(old)}, {some} before")
    sluice("connector", "enable", "counter", "--config", "/walk/counter-few.json", "--as", "few", tenant=True)
    wait_for(lambda: len(groups(old)) == some, lambda: f"groups: {groups(old)}, {some} before")
    run("systemctl", "kill", "--kill-who=main", "--signal=SIGKILL", "sluice")
    wait_for(lambda: main_process() not in (0, old) and is_ready(), "the host serves again")
    expect(not groups(old), f"groups left: {groups(old)}")


def is_watched():
    """a host that stands still is killed by systemd's watchdog and started again"""
    old = main_process()
    os.kill(old, 19)
    wait_for(lambda: main_process() not in (0, old) and is_ready(), "the host serves again", 150)


def stops_in_order():
    """a stop ends it in order, and it starts again"""
    run("systemctl", "stop", "sluice")
    expect(run("systemctl", "show", "--property=Result", "--value", "sluice").strip() == "success", "the stop")
    run("systemctl", "start", "sluice")
    wait_for(is_ready, "it serves")


def takes_in():
    """records flow in until the power fails"""
    sluice("connector", "enable", "counter", "--config", "/walk/counter-many.json", "--as", "many", tenant=True)
    wait_for(lambda: place("many") > 5_000, lambda: f"{place('many')}: {state('many')}")
    return f"{place('many')}"


def is_there_after_power():
    """after the power failed the service is up by itself, and everything that was told to be durable is there before anything new comes"""
    wait_for(is_ready, lambda: journal()[-1500:])
    wait_for(lambda: "does not exist" in state("many"), lambda: f"it runs without its library: {state('many')}")
    with open("/proc/cmdline") as f:
        told = int(f.read().split("walk.told=")[1].split()[0])
    expect(place("many") >= told, f"{place('many')} records of {told} that were told to be durable")


def is_whole_after_power():
    """the journal, the ledger and what is made of them are whole"""
    sluice("doctor", "--deep")


def goes_on():
    """the counter goes on where it was"""
    before = place("many")
    os.rename(COUNTER + ".away", COUNTER)
    sluice("connector", "resume", "many", tenant=True)
    wait_for(lambda: place("many") > before, lambda: f"{place('many')}: {state('many')}")


PHASES = {
    "walk": [walks_the_guide, names_its_groups, ends_a_memory_bomb, counts_threads, withstands_the_attacks, leaves_no_groups, is_watched, stops_in_order, takes_in],
    "after-power": [is_there_after_power, is_whole_after_power, goes_on],
}


def hide():
    """Before the service starts after the power failed: nothing more shall come in until what came in has been looked at."""
    if os.path.exists(COUNTER) and "walk.phase=after-power" in open("/proc/cmdline").read():
        os.rename(COUNTER, COUNTER + ".away")


def main():
    if sys.argv[1:] == ["hide"]:
        return hide()
    for name, config in {"memory_bomb": {"attack": "memory_bomb"}, "thread_bomb": {"attack": "thread_bomb"},
                         "counter-few": {"records": 100}, "counter-many": {"records": RECORDS}}.items():
        with open(f"/walk/{name}.json", "w") as f:
            json.dump(config, f)
    with open("/proc/cmdline") as f:
        phase = f.read().split("walk.phase=")[1].split()[0]
    found = None
    for step in PHASES[phase]:
        try:
            found = step()
        except BaseException as failure:
            tell("failed", f"{step.__doc__}: {failure}")
            print(journal()[-4000:] if phase else "", flush=True)
            return
        tell("passed", step.__doc__ + (f" ({found})" if found else ""))
    tell(*(("cut", found) if phase == "walk" else ("done", "")))
    time.sleep(60 if phase == "walk" else 0)


if __name__ == "__main__":
    main()
    sys.exit(0)
