"""An upstream that forgets what it is told to: nothing is forgotten there that is not durable here, wherever anything dies."""
import hashlib
import re
import shutil
import threading

from hostile_tests import fixture
from rig import *
from serving import Handler, Serving

ITEMS = 400
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
config: {{type: object, required: [prune], properties: {{prune: {{type: string, enum: [never, saved, hasty]}}}}}}
"""


class Queue:
    """Items 1 to ITEMS, ten at a time; what it was told to forget is gone."""

    def __init__(self):
        self.forgotten = 0
        self.tellings = []
        self.served = []  # the first item of each page
        self.lock = threading.Lock()
        queue = self

        class Pages(Handler):
            def do_GET(self):
                after = int(re.search(r"after=(\d+)", self.path).group(1))
                with queue.lock:
                    first = max(after, queue.forgotten) + 1
                    queue.served.append(first)
                self.answer(200, json.dumps([{"id": n} for n in range(first, min(first + 10, ITEMS + 1))]).encode())

            def do_POST(self):
                last = int(self.path.rsplit("/", 1)[1])
                with queue.lock:
                    queue.tellings.append(last)
                    queue.forgotten = max(queue.forgotten, last)
                self.answer(204)
        self.server = Serving(Pages)


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
        deaths = 0
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
        host.start()
        drained(host)
        expect_equal(sorted(kept(host)), list(range(1, ITEMS + 1)), "items that are durable")
        expect(deaths > 10, f"only {deaths} deaths: the test tells little")
        if prune == "never":
            expect_equal(queue.tellings, [], "what the queue was told")
        else:
            wait_for(lambda: queue.forgotten == ITEMS, lambda: f"the queue forgets all: {queue.forgotten} of {ITEMS}", 60)
            expect_equal(sorted(queue.tellings), queue.tellings, "it is told in order")
        host.stop()
        notes.append(f"prune {prune}: {deaths} deaths, {len(queue.served)} pages for {ITEMS // 10}, told {len(queue.tellings)} times")
    return "; ".join(notes)


def test_worker_killed_amid_pulls(rig):
    """workers of such a queue are killed amid their pulls, again and again: no item is lost"""
    host, queue = queue_host(rig, "w", "saved")
    host.start()
    kills = 0

    def goes_on():
        # A plugin that keeps dying is parked; whoever resumes it says that it is to go on.
        row, = host.ask("connector.list")
        if row["state"].startswith(("parked", "waiting")):
            host.ask("connector.resume", instance="queue")
        host.ask("connector.run", instance="queue")
        return host.workers("queue") or len(kept(host)) == ITEMS
    while len(kept(host)) < ITEMS and kills < 20:
        before = len(kept(host))
        wait_for(goes_on, "a worker", 60)
        for process in host.workers("queue"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
                kills += 1
        expect(len(kept(host)) >= before, "what is durable stays")
    wait_for(goes_on, "it goes on", 60)
    drained(host)
    expect_equal(sorted(kept(host)), list(range(1, ITEMS + 1)), "items that are durable")
    expect(kills, "no worker was killed: the test tells nothing")
    return f"{kills} workers killed, told {len(queue.tellings)} times"


def test_hasty_plugin_is_refused(rig):
    """a plugin that lets its upstream forget before it has a checkpoint is refused by name, and its upstream is told nothing"""
    host, queue = queue_host(rig, "h", "hasty")
    host.start()
    host.ask("connector.run", instance="queue")
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
