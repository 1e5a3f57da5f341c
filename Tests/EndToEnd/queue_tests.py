"""An upstream that forgets what it is told to: nothing is forgotten there that is not durable here, wherever anything dies."""
import hashlib
import re
import shutil
import threading
import urllib.request

from hostile_tests import fixture
from rig import *
from serving import Handler, Serving

ITEMS, PAGE = 400, 10
MANIFEST = """
sluice: 1
name: queue
version: 1.0.0
summary: Reads a queue that forgets.
kind: source
library: {{file: queue.so, sha256: {sha256}, abi: 1}}
endpoints: {{queue: {{base: "https://queue.example"}}}}
requests:
  - {{id: items, endpoint: queue, method: GET, path: /items, effect: read}}
  - {{id: forget, endpoint: queue, method: POST, path: "/forget/{{last}}", effect: ack}}
streams:
  - {{name: items, delivery: prune_on_ack}}
schedule: {{interval_ms: 60000}}
config: {{type: object, required: [prune], properties: {{prune: {{type: string, enum: [never, saved, hasty, breaks]}}}}}}
"""


class Counting(Serving):
    """Knows how many are connected."""

    def __init__(self, handler):
        self.open, self.counting = 0, threading.Lock()
        super().__init__(handler)

    def process_request(self, connection, address):
        with self.counting:
            self.open += 1
        super().process_request(connection, address)

    def shutdown_request(self, connection):
        super().shutdown_request(connection)
        with self.counting:
            self.open -= 1


class Queue:
    """Items 1 to ITEMS, a page at a time; what it was told to forget is gone."""

    def __init__(self):
        self.forgotten = 0
        self.tellings = []
        self.served = []  # the first item of each page
        self.lock = threading.Lock()
        self.free = threading.Event()  # pages are answered only while it is set
        self.free.set()
        queue = self

        class Pages(Handler):
            def do_GET(self):
                if self.path == "/still":
                    return self.answer(204)
                queue.free.wait(60)
                after = int(re.search(r"after=(\d+)", self.path).group(1))
                with queue.lock:
                    first = max(after, queue.forgotten) + 1
                    queue.served.append(first)
                self.answer(200, json.dumps([{"id": n} for n in range(first, min(first + PAGE, ITEMS + 1))]).encode())

            def do_POST(self):
                last = int(self.path.rsplit("/", 1)[1])
                with queue.lock:
                    queue.tellings.append(last)
                    queue.forgotten = max(queue.forgotten, last)
                self.answer(204)
        self.server = Counting(Pages)

    def settle(self):
        """Until what a host asked before its death is answered: who connects now comes behind it."""
        with urllib.request.urlopen(f"{self.server.url}/still"):
            pass
        wait_for(lambda: self.server.open == 0, "nobody asks the queue any more")


def queue_host(rig, name, prune):
    queue = Queue()
    rig.closing.append(queue.server.close)
    host = rig.host(name)
    folder = os.path.join(host.folder, "plugins")
    os.makedirs(folder)
    shutil.copy(fixture("queue.so"), folder)
    with open(os.path.join(folder, "queue.so"), "rb") as library, open(os.path.join(folder, "queue.yaml"), "w") as manifest:
        manifest.write(MANIFEST.format(sha256=hashlib.sha256(library.read()).hexdigest()))
    done = sluice("tenant", "create", "demo", "--data-dir", host.data)
    expect_equal(done.returncode, 0, f"tenant create ({done.stderr})")
    config = os.path.join(host.folder, "config.json")
    with open(config, "w") as file:
        json.dump({"prune": prune}, file)
    done = sluice("connector", "enable", os.path.join(folder, "queue.yaml"), "--config", config, "--endpoint", f"queue={queue.server.url}",
                  "--allow-private", "--data-dir", host.data)
    expect_equal(done.returncode, 0, f"connector enable ({done.stderr})")
    return host, queue


def kept(host):
    """The numbers of the items that are durable and applied."""
    rows = host.state.rows("SELECT key FROM state WHERE space='perception.version'")
    return {int(key.split("/")[2]) for key, in rows}


def durable(host):
    """The last checkpoint of a folder that nobody has open: what is durable is applied to tell it."""
    done = sluice("checkpoint", "show", "--json", "--data-dir", host.data)
    expect_equal(done.returncode, 0, f"exit of checkpoint show ({done.stderr})")
    rows = json.loads(done.stdout)
    return int(rows[0]["state"]) if rows else 0


def checkpoint(host):
    """The last checkpoint that a host that runs has applied."""
    rows = host.ask("checkpoint.show")
    return int(rows[0]["state"]) if rows else 0


def check_copies(host, queue):
    """Each item is kept once; what came twice is counted, and no item came here more often than the queue has served it."""
    served = {number: queue.served.count(number - (number - 1) % PAGE) for number in range(1, ITEMS + 1)}
    copies = {int(key.split("/")[2]): json.loads(value)["copies"] for key, value in host.state.rows("SELECT key, value FROM state WHERE space='perception.version'")}
    expect_equal(sorted(copies), list(range(1, ITEMS + 1)), "items that are kept, once each")
    expect_equal({n: c for n, c in copies.items() if c > served[n]}, {}, "items that came more often than they were served")
    counts = host.state.space("perception.count")
    expect_equal(sum(v for k, v in counts.items() if k.startswith("duplicates/")), sum(copies.values()) - ITEMS, "copies that are counted")
    return sum(copies.values()) - ITEMS


def drained(host):
    def all_there():
        host.check_alive()
        row, = host.ask("connector.list")
        expect(not row["state"].startswith("parked"), f"the queue is parked: {row['state']}")
        return len(kept(host)) == ITEMS
    host.ask("connector.run", instance="queue")
    wait_for(all_there, lambda: f"all items are there: {len(kept(host))} of {ITEMS}", 60)


def test_nothing_is_forgotten_that_is_not_durable(rig):
    """a queue is told to forget only what is durable: killed before and after commits, as host and as worker, no item is lost; what comes twice comes since its last checkpoint"""
    points = ("journal.before_commit", "journal.after_commit", "state.before_commit", "state.after_commit")
    notes = []
    for prune in ("saved", "never"):
        host, queue = queue_host(rig, prune, prune)
        deaths = again = begun = at = 0
        for visit in range(3, 23):
            for point in points:
                try:
                    host.start(crash=f"{point}:{visit}")
                    wait_for(lambda: not host.alive() or len(kept(host)) == ITEMS, "the host dies or has all", 60)
                    if host.alive():
                        host.kill()
                    else:
                        deaths += 1
                except HostDied:
                    deaths += 1
                host.process.wait()
                host.state.close()
                # It went on exactly behind its last checkpoint, so nothing from before that came twice, and nothing did while it lived.
                queue.settle()
                pages = queue.served[begun:]
                expect_equal(pages, [at + 1 + n * PAGE for n in range(len(pages))], f"pages of the life that ended at {point}:{visit}, after the checkpoint {at}")
                again += sum(1 for page in pages if page <= ITEMS and page in queue.served[:begun])
                begun, at = len(queue.served), durable(host)
                expect(queue.forgotten <= at, f"killed at {point}:{visit} the queue has forgotten {queue.forgotten}, and {at} is durable")
        host.start()
        drained(host)
        expect_equal(sorted(kept(host)), list(range(1, ITEMS + 1)), "items that are durable")
        expect(deaths > 10, f"only {deaths} deaths: the test tells little")
        if prune == "never":
            expect_equal(queue.tellings, [], "what the queue was told")
        else:
            wait_for(lambda: queue.forgotten == ITEMS, lambda: f"the queue forgets all: {queue.forgotten} of {ITEMS}", 60)
            expect_equal(sorted(queue.tellings), queue.tellings, "it is told in order")
        expect_equal([page for page in queue.served[begun:] if page <= at], [], "pages of the last life from before its checkpoint")
        copies = check_copies(host, queue)
        expect(again, "no page came twice: the test tells little")
        host.stop()
        notes.append(f"prune {prune}: {deaths} deaths, {len(queue.served)} pages for {ITEMS // PAGE}, {again} again, {copies} items twice, told {len(queue.tellings)} times")
    return "; ".join(notes)


def test_host_dies_as_it_tells(rig):
    """a host dies right before and right after it tells such a queue to forget: the queue was told no more than that, and no item comes twice, as all of it was durable"""
    host, queue = queue_host(rig, "t", "saved")
    told = 0
    for visit in range(1, 6):
        for point, last in (("ack.before_send", visit - 1), ("ack.after_send", visit)):
            with contextlib.suppress(HostDied):
                host.start(crash=f"{point}:{visit}")
            wait_for(lambda: not host.alive(), f"the host dies at {point}:{visit}", 60)
            host.process.wait()
            host.state.close()
            queue.settle()
            told += last
            expect_equal(len(queue.tellings), told, f"how often the queue was told when the host had died at {point}:{visit}")
            expect(queue.forgotten <= durable(host), f"killed at {point}:{visit} the queue has forgotten {queue.forgotten}, and {durable(host)} is durable")
    host.start()
    drained(host)
    wait_for(lambda: queue.forgotten == ITEMS, lambda: f"the queue forgets all: {queue.forgotten} of {ITEMS}", 60)
    expect_equal(check_copies(host, queue), 0, "items that came twice")
    return f"10 deaths, told {len(queue.tellings)} times of {ITEMS // PAGE} pages"


def test_worker_killed_amid_pulls(rig):
    """workers of such a queue are killed amid their pulls, again and again: no item is lost, and nothing that had a durable checkpoint before a kill comes after it"""
    host, queue = queue_host(rig, "w", "saved")
    host.start()
    kills, bounds = 0, []

    def goes_on():
        # A plugin that keeps dying is parked; whoever resumes it says that it is to go on.
        row, = host.ask("connector.list")
        if row["state"].startswith(("parked", "waiting")):
            host.ask("connector.resume", instance="queue")
        # It may have been parked meanwhile, which is said: then it is resumed the next time.
        host.reply("connector.run", instance="queue")
        return host.workers("queue") or len(kept(host)) == ITEMS
    while len(kept(host)) < ITEMS and kills < 20:
        before = len(kept(host))
        wait_for(goes_on, "a worker", 60)
        saved, begun = checkpoint(host), len(queue.served)
        bounds.append((begun, saved))
        for process in host.workers("queue"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
                kills += 1
        expect(len(kept(host)) >= before, "what is durable stays")
    wait_for(goes_on, "it goes on", 60)
    drained(host)
    expect_equal(sorted(kept(host)), list(range(1, ITEMS + 1)), "items that are durable")
    expect(kills, "no worker was killed: the test tells nothing")
    for begun, saved in bounds:
        expect_equal([page for page in queue.served[begun:] if page <= saved], [], f"pages after page {begun} from before the checkpoint {saved}, which was durable")
    return f"{kills} workers killed, {len(queue.served)} pages for {ITEMS // PAGE}, {check_copies(host, queue)} items twice, told {len(queue.tellings)} times"


def test_one_pull_at_a_time(rig):
    """while a pull goes on no other begins, however often and by however many it is asked for; one more follows it"""
    host, queue = queue_host(rig, "o", "never")
    queue.free.clear()
    host.start()
    host.ask("connector.run", instance="queue")
    wait_for(lambda: queue.server.open == 1, "the pull has asked")
    asking = [threading.Thread(target=host.ask, args=("connector.run",), kwargs={"instance": "queue"}) for _ in range(8)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(30)
    expect_equal((len(host.workers("queue")), queue.server.open, queue.served), (1, 1, []), "workers and requests while the first pull waits")
    queue.free.set()
    drained(host)
    wait_for(lambda: host.metric("sluice_operations_total", instance="demo/queue", kind="pull", ending="ok") >= 2, "the pull that was asked for meanwhile")
    expect_equal(queue.served[:ITEMS // PAGE], list(range(1, ITEMS, PAGE)), "pages, one after the other")
    expect_equal(check_copies(host, queue), 0, "items that came twice")


def test_broken_instance_begins_anew(rig):
    """a plugin that answers that it is broken, and would for ever, gets a new worker and goes on where it was; nobody has to do anything"""
    host, queue = queue_host(rig, "b", "breaks")
    host.start()
    workers = set(host.workers("queue"))
    host.ask("connector.run", instance="queue")
    wait_for(lambda: host.metric("sluice_operations_total", instance="demo/queue", ending="bug") == 1, "it breaks", 30)
    drained(host)
    expect_equal(sorted(kept(host)), list(range(1, ITEMS + 1)), "items")
    expect_equal(host.metric("sluice_operations_total", instance="demo/queue", ending="bug"), 1, "how often it broke")
    expect("queue.broken" not in host.log_text() and "It breaks here." in host.log_text(), "why it began anew")
    expect(host.metric("sluice_worker_spawns_total", instance="demo/queue") >= 2 and not workers & set(host.workers("queue")), "a new worker")


def test_hasty_plugin_is_refused(rig):
    """a plugin that lets its upstream forget before it has a checkpoint is refused by name, and its upstream is told nothing"""
    host, queue = queue_host(rig, "h", "hasty")
    host.start()
    wait_for(lambda: "egress.ack_before_checkpoint" in host.log_text(), "the refusal", 60)
    expect_equal(queue.tellings, [], "what the queue was told")


def test_run_outside_a_tenant_tells_nothing(rig):
    """`plugin run` keeps nothing, so it lets an upstream forget nothing, unless it is told to"""
    host, queue = queue_host(rig, "r", "saved")
    words = ("plugin", "run", os.path.join(host.folder, "plugins", "queue.yaml"), "--config", os.path.join(host.folder, "config.json"),
             "--endpoint", f"queue={queue.server.url}")
    done = sluice(*words)
    expect(done.returncode != 0 and "egress.effect_not_allowed" in done.stdout + done.stderr, f"refused: {done.stdout[-300:]} {done.stderr}")
    expect_equal(queue.tellings, [], "what the queue was told")
    done = sluice(*words, "--ack")
    expect_equal(done.returncode, 0, f"exit with --ack ({done.stderr})")
    expect_equal(queue.forgotten, ITEMS, "up to where the queue has forgotten")
