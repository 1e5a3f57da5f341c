"""A disk that runs full, for real: the data folder on a file system of a few megabytes. And one that is slow: each flush takes its time."""
import errno

from rig import *
from webhook_tests import post, signed

DISK_MB, LOW_MB, BALLAST_MB = 96, 16, 4


@contextlib.contextmanager
def small_disk(rig, folder):
    """A file system of its own for the host's data folder; needs root."""
    if os.geteuid() != 0:
        raise NotAllowed("only root may mount a small file system")
    path = os.path.join(folder, "data")
    os.makedirs(path, mode=0o700)
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=700", "sluice-test", path], capture_output=True, text=True)
    if made.returncode != 0:
        raise NotAllowed(f"no small file system can be mounted here: {made.stderr.strip()}")
    try:
        yield path
    finally:
        for scenario in rig.scenarios:
            scenario.close()
        subprocess.run(["umount", "--lazy", path], check=True)


def free_bytes(path):
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


class Filler:
    """A file of somebody else's that takes the room."""

    def __init__(self, disk):
        self.disk, self.path = disk, os.path.join(disk, "somebody-elses")

    def leave(self, size):
        """Takes all but so many bytes."""
        try:
            # Where there is no room for the file itself, others have taken it all.
            with open(self.path, "ab") as f:
                rest = free_bytes(self.disk) - size
                while rest > 0:
                    rest -= f.write(b"\0" * min(rest, 1 << 16))
                    f.flush()
        except OSError as error:
            expect_equal(error.errno, errno.ENOSPC, "why the filler stopped")

    def go(self):
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.path)


def settings(folder):
    # Without packs: entries are counted in the segments here; packs_tests fills a disk under packs.
    path = os.path.join(folder, "sluice.yaml")
    with open(path, "w") as f:
        f.write(f"sluice: 1\ndisk:\n  low_water_bytes: {LOW_MB << 20}\n  ballast_bytes: {BALLAST_MB << 20}\njournal:\n  segment_bytes: 2000000\n  pack: false\n")
    return path


def test_full_disk(rig):
    """on a low disk intake pauses and says why, people's answers and receipts still commit, on a full one too; with room again everything goes on and nothing is lost"""
    scenario = rig.scenario(mode="act", world=("--seed", 11, "--opportunities", 150, "--days", 12, "--webhook-loss", "0.2"))
    with small_disk(rig, scenario.folder) as disk:
        host = scenario.host
        host.options = ("--config", settings(scenario.folder))
        scenario.start()
        host.ask("tenant.mode", mode="propose")  # every call waits for a person
        scenario.process_day()
        held = host.ask("approval.list")
        expect(held, "nothing is held: the test tells nothing")
        host.ask("user.create", name="demo-approver", roles=["approver"])
        token = host.ask("user.token", name="demo-approver")["token"]
        filler = Filler(disk)
        filler.leave((LOW_MB << 20) - 500_000)

        # Low: nothing comes in, and everybody who asks is told.
        scenario.world.close_day()
        host.ask("connector.run", instance="crm")
        wait_for(lambda: "intake pauses" in scenario.connector(), lambda: f"the connector says why it waits: {scenario.connector()}")
        status, _, body = request(host.address, "GET", "/readyz", headers={"Host": host.address})
        expect((status, b"intake pauses" in body) == (503, True), f"/readyz: {status} {body}")
        body = b'{"type":"test"}'
        status, headers, _ = post(scenario, signed(scenario.world.secrets["webhook_secret"], body, "msg_disk"), body)
        expect_equal((status, headers.get("retry-after")), (503, "5"), "answer to a webhook on a low disk")
        before = host.head()

        # Full to the last byte: an answer and its effect are kept all the same, by the ballast.
        filler.leave(0)
        approve(host, held[0], token)
        expect(not os.path.exists(os.path.join(disk, "ballast")), "the ballast is still there: the disk was not full")
        expect(host.head() > before, "nothing was written on the full disk")
        check = {row["id"]: row for row in host.ask("action.list", limit=1000)}[held[0]["id"]]
        expect_equal(check["state"], "done", f"the approved action ({check})")

        # Room again: intake resumes by itself, the ballast is taken back.
        filler.go()
        scenario.process_day()
        wait_for(lambda: os.path.exists(os.path.join(disk, "ballast")), "the ballast is taken back")
        scenario.world.close_day()
        scenario.run()
        scenario.catch_up()
        scenario.check_records()
        scenario.check_effects()
        scenario.check_sound()
        segments = [name for name in os.listdir(os.path.join(disk, "journal")) if name.endswith(".segment")]
        return f"{len(segments)} segments, {host.head()} entries"


def approve(host, held, token):
    """Approves a held call as an approver and waits until it has been carried out."""
    body = json.dumps({"tenant": host.tenant, "id": held["id"], "call_hash": held["call_hash"]})
    status, _, data = request(host.address, "POST", "/api/v1/approval.approve", body,
                              {"Host": host.address, "Authorization": "Bearer " + token, "Content-Type": "application/json"})
    expect_equal(status, 200, f"status of the approval ({data[:300]})")
    wait_for(lambda: host.is_quiet() and not host.queued(), "the approved call was carried out")


def test_disk_full_in_mid_commit(rig):
    """a disk that runs full in the middle of a commit takes nothing in half: the source is told and waits, what was durable stays, and with room again all of it comes in, nothing twice but what came since the last checkpoint"""
    host = rig.host()
    with small_disk(rig, host.folder) as disk:
        path = os.path.join(host.folder, "sluice.yaml")
        with open(path, "w") as f:
            f.write(f"sluice: 1\ndisk:\n  low_water_bytes: 1048576\n  ballast_bytes: {BALLAST_MB << 20}\njournal:\n  pack: false\n")
        host.options = ("--config", path)
        host.start()
        rig.closing.append(host.kill)
        host.ask("tenant.create")
        filler = Filler(disk)
        host.ask("connector.enable", name="counter", instance="c", config={"records": RECORDS, "payload_bytes": RECORD_BYTES, "batch": 10, "incompressible": True})

        # Somebody else takes the rest while commits are under way: they meet the end before the watermark does.
        wait_for(lambda: host.check_alive() or len(copies(host, "c")) >= RECORDS // 10, "the pull is under way", 30, 0.001)
        filler.leave(0)

        def told():
            """Why nothing comes in: what the source waits for when its commit met the end, the whole host's words when applying did."""
            host.check_alive()
            state = host.ask("connector.list")[0]["state"]
            status, _, body = request(host.address, "GET", "/readyz", headers={"Host": host.address})
            said = f"{state}; {body.decode().strip()}"
            return said if free_bytes(disk) < 1 << 20 and status == 503 and "intake pauses" in said else None
        wait_for(told, lambda: f"the host says that the disk is full: {host.reply('connector.list')}, {free_bytes(disk):,} bytes free", 60)
        said, held = told(), len(copies(host, "c"))
        expect(0 < held < RECORDS, f"{held} of {RECORDS} records: the disk was not full in the middle")
        # A host that dies there finds no room to begin with, and says so; what it has is as it was.
        host.kill()
        host.state.close()
        filler.leave(0)
        try:
            host.start()
        except HostDied as death:
            # Of files of the log, the words of the file system: none of them says that anything is damaged.
            expect("[storage.disk_full]" in str(death) or "No space left" in str(death), f"why it does not begin: {death}")
            expect("backup" not in str(death), f"what to do: {death}")
            host.state.close()
            filler.go()
            host.start()
        filler.go()
        wait_for(lambda: host.check_alive() or len(copies(host, "c")) == RECORDS, lambda: f"all comes in: {len(copies(host, 'c'))} of {RECORDS}; {host.reply('connector.list')}", 120)
        found = copies(host, "c")
        expect_equal(sorted(found), list(range(RECORDS)), "records")
        twice = sum(1 for count in found.values() if count > 1)
        done = sluice("doctor", "--deep", "--data-dir", host.data)
        expect_equal(done.returncode, 0, f"exit of doctor --deep ({done.stdout}{done.stderr})")
        host.stop()
        return f"{held} of {RECORDS} before the end of the disk; {twice} came twice; it said: {said}"


def test_begins_on_a_full_disk(rig):
    """a host that died on a disk without a byte left begins again: it gives up its ballast, says so, and kill switches work; with room the ballast is back"""
    host = rig.host()
    with small_disk(rig, host.folder) as disk:
        host.options = ("--config", settings(host.folder))
        host.start()
        rig.closing.append(host.kill)
        host.ask("tenant.create")
        host.ask("connector.enable", name="counter", instance="c", config={"records": 10})
        wait_for(lambda: len(copies(host, "c")) == 10, "records")
        filler = Filler(disk)
        filler.leave(0)
        host.kill()
        host.state.close()
        filler.leave(0)
        begin = os.path.getsize(host.log)
        host.start()
        expect('"disk.ballast_spent"' in host.log_text(begin) and not os.path.exists(os.path.join(disk, "ballast")), f"what it says: {host.log_text(begin)}")
        head = host.head()
        expect_equal(sluice("kill", "all", "--data-dir", host.data).returncode, 0, "exit of kill")
        expect(host.head() > head, "the kill switch is not written")
        filler.go()
        wait_for(lambda: host.ask("tenant.show")["intake_pauses"] is None and os.path.exists(os.path.join(disk, "ballast")), "the ballast is back")
        expect('"disk.ballast_back"' in host.log_text(begin), "that it is back")


# A disk whose every flush takes as many milliseconds as the file says now.
SLOW = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
static void wait_a_while(void) {
  const char *path = getenv("SLOW_DISK");
  FILE *file = path ? fopen(path, "r") : NULL;
  long ms = 0;
  if (file == NULL) return;
  if (fscanf(file, "%ld", &ms) != 1) ms = 0;
  fclose(file);
  nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}
int fdatasync(int file) {
  wait_a_while();
  return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(file);
}
int fsync(int file) {
  wait_a_while();
  return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(file);
}
"""
SLOW_MS, RECORDS, RECORD_BYTES, WINDOW_BYTES = 400, 400, 65_536, 4 << 20


def most_memory(host):
    """The most bytes that the host has ever had in memory."""
    with open(f"/proc/{host.process.pid}/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM:"))


def copies(host, instance):
    """How often each record of an instance came, by its number: what is durable and applied."""
    rows = host.state.rows("SELECT key, value FROM state WHERE space='perception.version' AND key GLOB ?", f"{instance}/*")
    return {int(key.split("/")[2][1:]): json.loads(value)["copies"] for key, value in rows}


def counted(host, instance, meanwhile=lambda: None):
    """Lets a counter bring all its records. Returns the most bytes that were on their way, and what `meanwhile` gave at the half."""
    held, seen = [0], []

    def is_all():
        host.check_alive()
        held.append(host.metric("sluice_intake_held_bytes", tenant="demo"))
        count = len(copies(host, instance))
        if count >= RECORDS // 2 and not seen:
            seen.append(meanwhile())
        return count == RECORDS
    host.ask("connector.enable", name="counter", instance=instance, config={"records": RECORDS, "payload_bytes": RECORD_BYTES, "batch": 10, "incompressible": True})
    wait_for(is_all, lambda: f"{instance} brings all: {len(copies(host, instance))} of {RECORDS}; {host.reply('connector.list')}", 180)
    wait_for(lambda: host.metric("sluice_operations_total", instance=f"demo/{instance}", ending="ok") == 1, "the pull has ended")
    expect_equal(copies(host, instance), {number: 1 for number in range(RECORDS)}, "records, once each")
    return max(held), seen[0]


def waited(host, instance):
    return {cause: host.metric("sluice_wait_seconds_total", instance=f"demo/{instance}", cause=cause) for cause in ("storage_slow", "apply_lag", "no_credit", "plugin_slow")}


def test_slow_disk(rig):
    """a disk that takes its time for every flush slows the source to its pace, and is what metrics and `top` name as the cause; the host's memory stays flat, everything arrives once and nothing is dropped"""
    host = rig.host()
    pace = os.path.join(rig.folder, "pace")
    host.start(environment={"LD_PRELOAD": rig.preload("slow", SLOW), "SLOW_DISK": pace})
    host.ask("tenant.create")
    counted(host, "quick")
    quick, before = waited(host, "quick"), most_memory(host)
    with open(pace, "w") as f:
        f.write(str(SLOW_MS))
    held, shown = counted(host, "slow", lambda: sluice("top", "--once", "--data-dir", host.data).stdout)
    slow, grown = waited(host, "slow"), most_memory(host) - before
    # At most a window on its way, so at least so many flushes, one after the other, each as slow as the disk.
    flushes = RECORDS * RECORD_BYTES // WINDOW_BYTES
    expect(slow["storage_slow"] >= flushes * SLOW_MS / 1000 and slow["storage_slow"] > quick["storage_slow"], f"waits for the disk: {slow}, quick: {quick}")
    expect(slow["storage_slow"] > max(slow["apply_lag"], slow["plugin_slow"]) and slow["no_credit"] > 0, f"the disk is not the cause: {slow}")
    bottleneck = next((line for line in shown.splitlines() if "bottleneck" in line), shown)
    expect("slow waited" in bottleneck and "the disk" in bottleneck, f"what top names: {shown}")
    expect(0 < held <= WINDOW_BYTES + RECORD_BYTES, f"{held} bytes were on their way; the window is {WINDOW_BYTES}")
    # Less than half of what came, and no more than a few windows: memory does not follow the disk.
    expect(grown < 12 << 20, f"memory grew by {grown / 1e6:.0f} MB over {before / 1e6:.0f} MB while {RECORDS * RECORD_BYTES / 1e6:.0f} MB came")
    for name in ("sluice_requests_refused_total", "sluice_retries_total"):
        expect_equal(host.metric(name), 0, name)
    expect_equal(host.metric("sluice_dead_letters"), 2 * RECORDS, "letters, since nothing maps what the counter brings")
    return f"waits {slow}; {held / 1e6:.1f} MB on their way, memory {before / 1e6:.0f} MB and {grown / 1e6:.1f} MB more; {bottleneck}"


# Whatever is written into a tenant's state takes as many milliseconds a page as the file says now; the journal is as quick as ever.
SLOW_STATE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
static void wait_a_while(int number) {
  char link[64], name[4096];
  long ms = 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", number);
  ssize_t length = readlink(link, name, sizeof name - 1);
  if (length < 0) return;
  name[length] = 0;
  if (strstr(name, "/state.db-wal") == NULL) return;
  FILE *file = fopen(getenv("SLOW_STATE"), "r");
  if (file == NULL) return;
  if (fscanf(file, "%ld", &ms) != 1) ms = 0;
  fclose(file);
  nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}
#define SLOWED(NAME, OFFSET) \\
  ssize_t NAME(int file, const void *bytes, size_t count, OFFSET at) { \\
    wait_a_while(file); \\
    return ((ssize_t (*)(int, const void *, size_t, OFFSET))dlsym(RTLD_NEXT, #NAME))(file, bytes, count, at); \\
  }
SLOWED(pwrite, off_t)
SLOWED(pwrite64, off64_t)
"""
SLOW_PAGE_MS = 1


def test_slow_perception(rig):
    """a loop that perceives more slowly than a source gives slows the source to its pace, and is what metrics and `top` name as the cause; what waits to be applied and the host's memory stay bounded, everything arrives once and nothing is dropped"""
    host = rig.host()
    pace = os.path.join(rig.folder, "pace")
    host.start(environment={"LD_PRELOAD": rig.preload("slow", SLOW_STATE), "SLOW_STATE": pace})
    host.ask("tenant.create")
    counted(host, "quick")
    quick, before = waited(host, "quick"), most_memory(host)
    with open(pace, "w") as f:
        f.write(str(SLOW_PAGE_MS))
    behind = []

    def look():
        for _ in range(20):
            behind.append(host.ask("top")["unapplied"])
        return sluice("top", "--once", "--data-dir", host.data).stdout
    held, shown = counted(host, "slow", look)
    slow, grown = waited(host, "slow"), most_memory(host) - before
    expect(slow["apply_lag"] > quick["apply_lag"] and slow["apply_lag"] > max(slow["storage_slow"], slow["plugin_slow"]) and slow["no_credit"] > 0, f"the loop is not the cause: {slow}, quick: {quick}")
    bottleneck = next((line for line in shown.splitlines() if "bottleneck" in line), shown)
    expect("slow waited" in bottleneck and "the loop" in bottleneck, f"what top names: {shown}")
    expect(0 < held <= WINDOW_BYTES + RECORD_BYTES, f"{held} bytes were on their way; the window is {WINDOW_BYTES}")
    expect(0 < max(behind) <= 300, f"{behind} entries waited to be applied")
    expect(grown < 12 << 20, f"memory grew by {grown / 1e6:.0f} MB over {before / 1e6:.0f} MB while {RECORDS * RECORD_BYTES / 1e6:.0f} MB came")
    for name in ("sluice_requests_refused_total", "sluice_retries_total"):
        expect_equal(host.metric(name), 0, name)
    return f"waits {slow}; {max(behind)} entries and {held / 1e6:.1f} MB on their way, memory {before / 1e6:.0f} MB and {grown / 1e6:.1f} MB more; {bottleneck}"
