"""People who answer for held calls: by API and command line, twice, at once, too late, and without the right to."""
import threading

from rig import *

CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
static volatile const int64_t *ahead;
__attribute__((constructor)) static void open_clock(void) {
  const char *path = getenv("CLOCK_AHEAD");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *map = mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
  if (map != MAP_FAILED) ahead = map;
}
int clock_gettime(clockid_t clock, struct timespec *now) {
  static int (*next)(clockid_t, struct timespec *);
  if (!next) next = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int result = next(clock, now);
  if (!result && ahead && clock == CLOCK_REALTIME) now->tv_sec += *ahead;
  return result;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec exact;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &exact)) return -1;
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}
"""


class Clock:
    """A wall clock for one host that can be put forward, and back by a negative number, while it runs."""

    def __init__(self, rig):
        self.path = os.path.join(rig.folder, "ahead")
        self.environment = {"LD_PRELOAD": rig.preload("clock", CLOCK), "CLOCK_AHEAD": self.path}
        self.put_forward(0)
        os.chmod(self.path, 0o644)

    def put_forward(self, seconds):
        with open(self.path, "r+b" if os.path.exists(self.path) else "wb") as f:
            f.write(seconds.to_bytes(8, "little", signed=True))


def holding(rig, **options):
    """A tenant in mode propose after its first day: what could be done waits for a person."""
    scenario = rig.scenario(mode="propose", world=("--seed", Settings.seed, "--opportunities", 60, "--days", 3))
    scenario.start(**options)
    scenario.process_day()
    held = scenario.host.ask("approval.list")
    expect(len(held) >= 6, f"only {len(held)} calls are held: the test tells nothing")
    return scenario, held


def user(host, name, *roles, tenant="demo"):
    """A new user's API token."""
    host.ask("user.create", name=name, roles=list(roles), tenant=tenant)
    return host.ask("user.token", name=name)["token"]


def api(host, token, command, **arguments):
    headers = {"Content-Type": "application/json", **({"Authorization": "Bearer " + token} if token is not None else {})}
    status, _, body = request(host.address, "POST", "/api/v1/" + command, json.dumps({"tenant": "demo", **arguments}), headers)
    answer = json.loads(body)
    return status, answer["error"]["code"] if status != 200 else answer


def answer(host, token, held, verb="approve", **changes):
    return api(host, token, "approval." + verb, **{"id": held["id"], "call_hash": held["call_hash"], **changes})


def state_of(host, held):
    return host.ask("approval.show", id=held["id"])["state"]


def settled(scenario, count):
    """The effects in the world, once there are so many and nothing is on its way."""
    wait_for(lambda: scenario.host.is_settled() and not scenario.host.queued() and scenario.host.is_quiet(), "what was approved is done", 30)
    effects = [e for e in scenario.world.effects() if e["status"] < 300]
    expect_equal(len(effects), count, "effects in the world")
    return effects


def test_who_may_answer_what(rig):
    """an answer counts from an approver of the tenant, for the call that was shown, and not from the one who asked; what is refused changes nothing"""
    scenario, (first, second, *_) = holding(rig)
    host = scenario.host
    anna, olga, carl, loop = (user(host, *words) for words in (("anna", "approver"), ("olga", "operator"), ("carl", "auditor"), ("loop", "approver")))
    host.ask("tenant.create", tenant="other")
    stranger = user(host, "stranger", "approver", tenant="other")
    cases = [
        ("nobody", answer(host, None, first), (401, "api.not_identified")), ("a wrong token", answer(host, anna[:-1] + "x", first), (401, "api.not_identified")),
        ("an operator", answer(host, olga, first), (403, "command.not_allowed")), ("an auditor", answer(host, carl, first), (403, "command.not_allowed")),
        ("somebody of another tenant", answer(host, stranger, first), (403, "command.not_allowed")),
        ("the one who asked", answer(host, loop, first), (403, "approval.own_request")),
        ("another call's hash", answer(host, anna, first, call_hash=second["call_hash"]), (409, "approval.call_changed")),
        ("half a hash", answer(host, anna, first, call_hash=first["call_hash"][:32]), (409, "command.bad_id")),
        ("no hash", api(host, anna, "approval.approve", id=first["id"]), (400, "command.missing_argument")),
        ("a call that nobody made", answer(host, anna, first, id="0" * 64), (404, "approval.unknown")),
        ("the same call elsewhere", answer(host, stranger, first, tenant="other"), (404, "approval.unknown")),
    ]
    for who, found, expected in cases:
        expect_equal(found, expected, f"the answer to {who}")
    expect_equal(state_of(host, first), "pending", "the call after answers that do not count")
    expect_equal(host.state.value("decision.proposal", first["id"])["state"], "held", "its proposal after answers that do not count")
    settled(scenario, 0)
    expect_equal(answer(host, anna, first)[0], 200, "the answer to an approver")
    (effect,) = settled(scenario, 1)
    start = next(r["start"] for r in host.permits().values() if r["start"]["proposal"] == first["id"])
    expect_equal((start["approvedBy"], start["idempotencyKey"]), ("anna", effect["key"]), "who approved it, and its key")
    for verb in ("approve", "reject"):
        expect_equal(answer(host, anna, first, verb), (409, "approval.not_pending"), f"a second answer: {verb}")
    settled(scenario, 1)


def test_answers_by_command_line(rig):
    """the command line takes an answer once, by hash, and says with code and exit why another one does not count"""
    scenario, (first, second, third, *_) = holding(rig)
    host = scenario.host

    def say(verb, held, *words, hash=None):
        done = sluice("approval", verb, held["id"], "--call-hash", hash or held["call_hash"], *words, "--data-dir", host.data)
        return done.returncode, (re.findall(r"\[([a-z_.]+)\]", done.stderr) or [""])[-1]
    shown = sluice("approval", "show", first["id"], "--data-dir", host.data)
    expect(first["call_hash"] in shown.stdout, f"approval show does not print the hash: {shown.stdout}")
    expect_equal(say("approve", first, hash=second["call_hash"]), (1, "approval.call_changed"), "another call's hash")
    expect_equal(say("approve", first), (0, ""), "yes")
    expect_equal(say("approve", first), (1, "approval.not_pending"), "yes again")
    expect_equal(say("reject", second, "--note", "Nicht so: ☂"), (0, ""), "no")
    expect_equal(say("approve", second), (1, "approval.not_pending"), "yes after no")
    expect_equal(host.ask("approval.show", id=second["id"])["note"], "Nicht so: ☂", "the note")
    expect_equal(sluice("approval", "approve", third["id"], "--data-dir", host.data).returncode, 2, "exit without a hash")
    settled(scenario, 1)
    scenario.check_sound()


def test_answers_at_once(rig):
    """of twelve answers that arrive at once from two people, all yes or mixed, one counts, and what it says happens once"""
    scenario, held = holding(rig)
    host = scenario.host
    tokens = [user(host, name, "approver") for name in ("anna", "bert")]
    approved = 0
    for number, call in enumerate(held[:4]):
        answers, start = [], threading.Barrier(12)

        def send(token, verb):
            start.wait(20)
            answers.append((verb, answer(host, token, call, verb)))
        threads = [threading.Thread(target=send, args=(tokens[n % 2], ("approve", "reject")[n // 2 % 2 * (number % 2)])) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counted = [verb for verb, (status, _) in answers if status == 200]
        expect_equal(len(counted), 1, f"answers that counted of {answers}")
        expect_equal({found for _, found in answers if found[0] != 200}, {(409, "approval.not_pending")}, "the others")
        approved += counted[0] == "approve"
        expect((state_of(host, call) in ("declined", "rejected")) == (counted[0] == "reject"), f"{counted} counted, the call is {state_of(host, call)}")
    expect(approved >= 2, "two calls got nothing but a yes")
    settled(scenario, approved)
    scenario.check_effects()
    return f"{approved} of 4 were approved"


def test_silence_is_denial(rig):
    """a call that nobody answers in time is denied: a later yes gets `approval.expired`, and nothing is done"""
    clock = Clock(rig)
    scenario, (first, second, *_) = holding(rig, environment=clock.environment)
    host = scenario.host
    anna = user(host, "anna", "approver")
    clock.put_forward(72 * 3600 - 600)
    expect_equal(answer(host, anna, first)[0], 200, "a yes just in time")
    wait_for(lambda: host.ask("action.show", id=first["id"])["state"] == "done", "what was approved in time is done in time")
    clock.put_forward(72 * 3600 + 600)
    expect_equal(answer(host, anna, second), (409, "approval.expired"), "a yes that came too late")
    expect_equal(answer(host, anna, second), (409, "approval.expired"), "and again")
    expect_equal(host.ask("action.show", id=second["id"])["state"], "declined", "the call that nobody answered in time")
    expect_equal([row["id"] for row in host.ask("approval.list")], [], "calls that still wait")
    settled(scenario, 1)


def test_only_named_people_answer(rig):
    """when governance names who answers for an approver, nobody else's yes counts, and the named one's does"""
    scenario, (first, *_) = holding(rig)
    host = scenario.host
    rules = rig.path("rules")
    for name in ("policies", "playbooks"):
        shutil.copytree(os.path.join(PROJECT, name), os.path.join(rules, name))
    with open(os.path.join(rules, "policies", "governance.yaml"), "a") as f:
        f.write('\napprovers:\n  "*": [anna]\n')
    anna, bert = user(host, "anna", "approver"), user(host, "bert", "approver")
    host.ask("apply", folder=rules)
    expect_equal(answer(host, anna, first), (409, "approval.call_changed"), "a yes to a call as it was under the old rules")
    scenario.world.close_day()
    scenario.process_day()
    held = host.ask("approval.list")[0]
    expect_equal(answer(host, bert, held), (403, "approval.not_an_approver"), "a yes from somebody who is not named")
    expect_equal(state_of(host, held), "pending", "the call")
    expect_equal(answer(host, anna, held)[0], 200, "a yes from the one who is named")
    settled(scenario, 1)


def test_provenance_of_an_answer(rig):
    """an answer bears the door it came through, which no caller can choose; a note has a bound"""
    scenario, (first, second, third, *_) = holding(rig)
    host = scenario.host
    token = user(host, "anna", "approver")
    sluice("approval", "approve", first["id"], "--call-hash", first["call_hash"], "--data-dir", host.data)
    expect_equal(api(host, token, "approval.approve", id=second["id"], call_hash=second["call_hash"], through="console"), (400, "command.unknown_argument"), "a door of one's choice")
    api(host, token, "approval.approve", id=second["id"], call_hash=second["call_hash"])
    through = {body["proposal"]: body["through"] for _, kind, body in host.ledgered() if kind == "choice"}
    expect_equal(through, {first["id"]: "cli", second["id"]: "api"}, "the doors")
    expect_equal(api(host, token, "approval.approve", id=third["id"], call_hash=third["call_hash"], note="n" * 900_000)[0], 409, "a note of 900 kB")
