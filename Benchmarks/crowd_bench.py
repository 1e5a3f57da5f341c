"""(g) A thousand instances of which some misbehave, (l) how they begin, and (h) what a host's memory is after ten thousand crashes of workers."""
import concurrent.futures
import os
import time

from rig import Rig, expect, wait_for
from table import show

BAD = ("crash", "hang", "flood")


def memory(pid):
    """Resident bytes of a process."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmRSS:"))


def standing(host):
    """What a host holds beside memory: open files, threads, children that nobody has waited for."""
    pid, zombies = host.process.pid, 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as f:
                    state, parent = f.read().rsplit(") ", 1)[1].split()[:2]
            except OSError:
                continue
            zombies += state == "Z" and int(parent) == pid
    return {"files": len(os.listdir(f"/proc/{pid}/fd")), "threads": len(os.listdir(f"/proc/{pid}/task")), "zombies": zombies}


def processor(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def per_instance(host, name, **labels):
    """{instance: value} of a metric, without its tenant."""
    found = {}
    for key, value in host.metrics().items():
        if key.split("{")[0] == name and all(f'{k}="{v}"' in key for k, v in labels.items()):
            instance = key.split('instance="')[1].split('"')[0].split("/")[1]
            found[instance] = found.get(instance, 0) + value
    return found


def crash(host, manifest, count, at, instances=20, conduct="crash"):
    """Lets workers crash until `count` have, and gives what the host held at each number in `at`.

    An operator resumes each instance as soon as it waits, so that neither pauses nor parking slow it down.
    """
    names = [f"crash-{n}" for n in range(instances)]
    for name in names:
        host.ask("connector.enable", name=manifest, instance=name, config={"do": conduct} if conduct == "crash" else {"attack": conduct})
    seen, begun = {}, time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(4) as crowd:
        while len(seen) < len(at):
            list(crowd.map(lambda name: host.ask("connector.resume", instance=name), names))
            dead = int(host.metric("sluice_operations_total", ending="worker.died"))
            for number in at:
                if number not in seen and dead >= number:
                    seen[number] = {"crashes": dead, "rss": memory(host.process.pid), **standing(host), "seconds": time.monotonic() - begun}
    expect(host.alive(), "the host died")
    return seen


def crashes(options):
    at = [n for n in (100, 1_000, 2_500, 5_000, 10_000) if n <= options.crashes]
    with Rig() as rig:
        host = rig.host("crashes")
        host.start()
        host.ask("tenant.create")
        seen = crash(host, os.path.join(options.tools, "crowd.yaml"), options.crashes, at)
        host.stop()
    first = seen[1_000 if 1_000 in seen else at[0]]["rss"]
    show(f"(h) A host after {at[-1]:,} crashes of workers, by 20 instances that are resumed at once",
         ["crashes", "resident MB", "to that at 1,000", "open files", "threads", "zombies", "crashes/s"],
         [[s["crashes"], s["rss"] / 1e6, s["rss"] / first, s["files"], s["threads"], s["zombies"], s["crashes"] / s["seconds"]] for s in seen.values()])
    return seen


def by_label(host, name, label, prefix):
    """{label's value: sum} of a metric, of the instances whose name begins so."""
    found = {}
    for key, value in host.metrics().items():
        if key.split("{")[0] == name and f"/{prefix}" in key:
            which = key.split(f'{label}="')[1].split('"')[0]
            found[which] = found.get(which, 0) + value
    return found


def rate(host, names, seconds):
    """Pulls a second that ended well of these instances, the least and the sum, over a while."""
    seen = lambda: {**by_label(host, "sluice_operations_total", "ending", "steady-"), **by_label(host, "sluice_wait_seconds_total", "cause", "steady-")}
    was = seen()

    def pulled():
        """How often each has pulled, and when that was: a reading of a busy host takes its time."""
        asked = time.monotonic()
        found = per_instance(host, "sluice_operations_total", ending="ok")
        return found, (asked + time.monotonic()) / 2, time.monotonic() - asked
    before, begun, _ = pulled()
    used, began = processor(host.process.pid), time.monotonic()
    time.sleep(seconds)
    used, lasted = processor(host.process.pid) - used, time.monotonic() - began
    after, ended, reading = pulled()
    spent = ended - begun
    each = [after.get(n, 0) - before.get(n, 0) for n in names]
    now = seen()
    what = {name: round(now[name] - was.get(name, 0), 1) for name in sorted(now) if now[name] - was.get(name, 0) >= 0.1}
    return {"what": what, "per_second": sum(each) / spent, "least": min(each), "idle": sum(1 for e in each if e == 0), "seconds": spent,
            "processor": used / lasted, "reading": reading}


def crowd(options):
    count, bad_each = options.instances, options.instances // 20
    names = {"steady": [f"steady-{n}" for n in range(count - 3 * bad_each)], **{c: [f"{c}-{n}" for n in range(bad_each)] for c in BAD}}
    manifest, window = os.path.join(options.tools, "crowd.yaml"), options.window
    with Rig() as rig:
        host = rig.host("crowd")
        host.start()
        for tenant in ("quiet", "noisy"):
            host.ask("tenant.create", tenant=tenant)
        empty, begun = memory(host.process.pid), time.monotonic()

        def enable(conduct, name):
            tenant = "noisy" if conduct in BAD and options.apart else "quiet"
            host.ask("connector.enable", tenant=tenant, name=manifest, instance=name, config={"do": conduct})
            return tenant
        where = {}
        for name in names["steady"]:
            where[name] = enable("steady", name)
        enabled = time.monotonic() - begun
        pulled = lambda: per_instance(host, "sluice_operations_total", ending="ok")
        wait_for(lambda: len(pulled()) == len(names["steady"]), lambda: f"each has pulled once: {len(pulled())}", 600, 0.2)
        once = time.monotonic() - begun
        spawns = host.metric("sluice_worker_spawns_total")
        time.sleep(5)
        alive = host.workers()
        private = sum(memory(pid) for pid in alive)
        alone = {"rss": memory(host.process.pid), **rate(host, names["steady"], window)}
        for conduct in BAD:
            for name in names[conduct]:
                where[name] = enable(conduct, name)

        resumed = concurrent.futures.ThreadPoolExecutor(1)
        ending = []

        def keep_going():
            while not ending:
                for conduct in BAD:
                    for name in names[conduct]:
                        if not ending:
                            host.ask("connector.resume", tenant=where[name], instance=name)
                        time.sleep(0.02)
        over = resumed.submit(keep_going)
        time.sleep(5)
        among = rate(host, names["steady"], window)
        among["rss"] = memory(host.process.pid)
        ends = {c: sum(v for n, v in per_instance(host, "sluice_operations_total").items() if n.startswith(c + "-")) for c in BAD}
        flooded = sum(v for n, v in per_instance(host, "sluice_records_total").items() if n.startswith("flood-"))
        ending.append(True)
        over.result()
        expect(host.alive(), "the host died")
        held = standing(host)
        host.kill()
    show(f"(g) {count:,} instances of a C plugin: {len(names['steady'])} steady, each a pull every 10 to 20 s; then {bad_each} that crash, {bad_each} that hang, {bad_each} that flood"
         + (", in a tenant of their own" if options.apart else ", in the same tenant"),
         ["", "pulls/s of the steady", "least of one", "without any", "host's processor", "host resident MB"],
         [["steady alone", alone["per_second"], alone["least"], alone["idle"], alone["processor"], alone["rss"] / 1e6],
          ["among all", among["per_second"], among["least"], among["idle"], among["processor"], among["rss"] / 1e6],
          ["ratio", among["per_second"] / alone["per_second"], "", "", "", among["rss"] / alone["rss"]]],
         [f"Empty host {empty / 1e6:.0f} MB. {len(names['steady'])} enabled one by one in {enabled:.1f} s; each had pulled once after {once:.1f} s "
          f"({spawns / once:.0f} spawns/s); {len(alive)} workers alive, {private / max(len(alive), 1) / 1e6:.2f} MB resident each, shared pages included.",
          f"Since they were enabled: operations of those that misbehave: {', '.join(f'{c} {n:.0f}' for c, n in ends.items())}; records of the flood: {flooded:,.0f}; "
          f"then {held['files']} open files, {held['threads']} threads, {held['zombies']} zombies.",
          f"Reading the counters took {alone['reading']:.2f} s and {among['reading']:.2f} s: half of it is the error of the time.",
          f"Endings and seconds of waiting of the steady: alone {alone['what']}; among all {among['what']}."])
    return {"empty": empty, "enabled": enabled, "once": once, "alone": alone, "among": among, "ends": ends, "flooded": flooded}


def bare_processes(count):
    """Seconds to start and end so many processes that do nothing, one after the other: what the kernel alone takes."""
    begun = time.monotonic()
    for _ in range(count):
        os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
    return time.monotonic() - begun


def wake(options):
    """A host that starts with so many enabled instances, all of which are due at once."""
    count, manifest = options.instances, os.path.join(options.tools, "crowd.yaml")
    with Rig() as rig:
        host = rig.host("wake")
        host.start()
        host.ask("tenant.create")
        begun = time.monotonic()
        for number in range(count):
            # Due at every start, then not again while this lasts.
            host.ask("connector.enable", name=manifest, instance=f"steady-{number}", config={"do": "steady"}, schedule={"interval_ms": 3_600_000})
        enabled = time.monotonic() - begun
        host.stop()
        bare = bare_processes(count)
        begun = time.monotonic()
        host.start()
        ready = time.monotonic() - begun
        pulled = lambda: per_instance(host, "sluice_operations_total", kind="pull", ending="ok")
        busy = 0

        def all_have():
            nonlocal busy
            busy = max(busy, memory(host.process.pid))
            return len(pulled()) == count
        wait_for(all_have, lambda: f"each has pulled once: {len(pulled())}", 600, 0.05)
        once = time.monotonic() - begun
        spawns = host.metric("sluice_worker_spawns_total")
        workers = host.workers()
        resident = sum(memory(pid) for pid in workers)
        time.sleep(10)
        idle, used = memory(host.process.pid), processor(host.process.pid)
        time.sleep(10)
        used = (processor(host.process.pid) - used) / 10
        host.kill()
    show(f"(l) {count:,} enabled instances of a C plugin, all due when their host starts",
         ["ready after s", "each pulled once after s", "spawns/s", "to bare processes", "host MB at most", "host MB idle", "idle processor", "workers alive", "MB each"],
         [[ready, once, spawns / once, once / bare, busy / 1e6, idle / 1e6, used, len(workers), resident / max(1, len(workers)) / 1e6]],
         [f"Enabled one by one in {enabled:.1f} s. {count:,} bare processes one after the other: {bare:.2f} s. Seen every 50 ms."])
    return {"enabled": enabled, "ready": ready, "once": once, "bare": bare, "spawns": spawns, "busy": busy, "idle": idle}
