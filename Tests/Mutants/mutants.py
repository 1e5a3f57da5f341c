"""Plugins that are each wrong in one way, and the check of the conformance kit that must notice.

A mutant is one of the three plugins of this folder with a switch (`-DM_SWITCH`) or with a changed file; the switch BEFORE makes the
version before of the gauge, with which each is compared. Besides the check that
is named for it only its collateral may fail. `ANY` is for what breaks a worker at a moment that nobody can foretell.
"""
import os
import re

ANY = "*"


def without(plugin, part):
    """An edit that leaves a part out of a plugin's fixtures."""
    file = f"{plugin}.check.yaml"
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), file)) as f:
        return file, re.search(rf"^{part}:.*\n(?: .*\n)*", f.read(), re.M)[0], ""


class Mutant:
    def __init__(self, check, switches="", *collateral, plugin="gauge", edit=None, warns=False, only=False):
        self.checks = check.split()
        self.switches = switches.split()
        self.collateral = set(collateral)
        self.plugin = plugin
        self.edit = edit  # (file, before, after)
        self.warns = warns  # a warning, not a failure, is what must come
        self.only = only  # the rest of the kit would take too long
        self.name = "+".join(self.switches) or f"{self.checks[0]} by {edit[0]}"


PREVIOUS = ("keys-backward-compatible", "state-backward-compatible")
RESUMING = ("resume-from-every-checkpoint", "kill9-sweep", "token-expires-mid-sync")
WHOLE = RESUMING + ("write-between-restarts", "state-migrate", "credit-scarce", "429-retry-after")
CHECKING = ("newer-minor-host", "operations-any-order", "illegal-order", "restart-100", "thread-tags", "leak-at-end",
            "cancel-each-call", "cancel-in-request", "deadline-passed")

# A. Library and load
LIBRARY = [
    Mutant("load-rtld-now", "UNRESOLVED", "configure-ok"),
    Mutant("load-time", "CONSTRUCTOR_SLEEPS", warns=True, only=True),
    Mutant("exports-only-entry", "EXTRA_EXPORT"),
    Mutant("entry-null-unknown-factory", "FACTORY_BY_PREFIX"),
    Mutant("entry-pure", "ENTRY_CHANGES"),
    Mutant("create-trailing-garbage-id", "ID_BY_PREFIX"),
    Mutant("version-triple-match", "ENTRY_MINOR"),
    Mutant("newer-minor-host", "NEEDS_THIS_HOST"),
    Mutant("no-constructor-side-effects", "CONSTRUCTOR_SOCKET", "no-direct-syscalls"),
]

# B. Descriptor, manifest, configuration
DESCRIPTOR = [
    Mutant("descriptor-consistency", "OTHER_VERSION"),
    Mutant("descriptor-fields", "NAME_WITH_BLANK"),
    Mutant("components-unique", "TWO_OF_A_NAME"),
    Mutant("params-described", edit=("gauge.yaml", ", description: Readings on one page.", "")),
    Mutant("config-schema-valid", edit=("gauge.yaml", "default: 2", "default: 200")),
    Mutant("configure-ok", "REFUSES_GOOD_CONFIG", "load-rtld-now", "spec-backward-compatible"),
    Mutant("configure-missing-each-required", "IGNORES_MISSING"),
    Mutant("configure-missing-each-required", "REFUSES_WITHOUT_A_WORD"),
    Mutant("configure-optional-absent", "NEEDS_OPTIONAL", "spec-backward-compatible", *PREVIOUS),
    Mutant("secret-fields-are-slots", "", edit=("gauge.yaml", "    limit: {", "    api_token: {type: string, description: A token.}\n    limit: {")),
    Mutant("egress-declared", edit=("gauge.yaml", "endpoints:", "endpoints:\n  other: {base: \"https://other.example\"}")),
    Mutant("spec-backward-compatible", edit=("gauge.yaml", "{1,63}", "{5,63}")),
    Mutant("spec-backward-compatible", "REFUSES_X"),
    Mutant("catalog-backward-compatible", edit=("gauge-1.0.yaml", "streams:", "streams:\n  - {name: levels, delivery: replayable}")),
    Mutant("inputs-backward-compatible", plugin="valve", edit=("valve.yaml", "maximum: 100}", "maximum: 50}")),
    Mutant("keys-backward-compatible", "KEY_WITH_STATION", "state-backward-compatible"),
    Mutant("keys-backward-compatible", "KEYS_TURNED", "state-backward-compatible"),
    Mutant("state-backward-compatible", "MIGRATES_TOO_FAR"),
    Mutant("state-backward-compatible", "NO_MIGRATION", "state-migrate"),
    Mutant("state-backward-compatible", "MIGRATES_TO_BEGINNING", warns=True),
]

# C. Lifecycle, threads, memory
LIFECYCLE = [
    Mutant("operations-any-order", "DISCOVERS_ONCE"),
    Mutant("operations-any-order", "PROBE_BREAKS", plugin="valve"),
    Mutant("illegal-order", "ANY_STREAM"),
    Mutant("init-error-clean", "CRASHES_WITHOUT_STATION", "configure-missing-each-required", "fuzz-config"),
    Mutant("restart-100", "LEAKS_MEMORY"),
    Mutant("restart-100", "LEAKS_DESCRIPTORS", "leak-at-end", edit=("gauge.yaml", "limits: {", "limits: {threads: 1, ")),
    Mutant("restart-100", "LEAKS_THREADS", "leak-at-end", edit=("gauge.yaml", "limits: {", "limits: {threads: 8, ")),
    Mutant("host-call-in-create-refused", "EMITS_IN_CREATE"),
    Mutant("call-arguments", "LOGS_NONSENSE"),
    Mutant("call-arguments", "BAD_HANDLE"),
    Mutant("object-validity", "COPIES_HOST"),
    Mutant("thread-tags", "CALLS_FROM_THREAD", ANY, edit=("gauge.yaml", "limits: {", "limits: {threads: 1, ")),
    Mutant("absent-extension-tolerated", "NEEDS_NO_GRANT"),
    Mutant("borrowed-slices-poisoned", "KEEPS_HEADER"),
    Mutant("unknown-answers", "UNKNOWN_EMIT_IS_OK"),
    Mutant("unknown-answers", "ABORTS_ON_UNKNOWN"),
    Mutant("unknown-answers", "UNKNOWN_SEND_IS_DONE", plugin="valve"),
    Mutant("input-not-modified", "CHANGES_INPUT", "state-unknown-version", "state-garbage"),
    Mutant("leak-at-end", "LEAVES_OPEN"),
    Mutant("leak-at-end", "LEAVES_WRITE_OPEN", plugin="valve"),
    Mutant("leak-at-end", "LEAKS_ONE_DESCRIPTOR", edit=("gauge.yaml", "limits: {", "limits: {threads: 1, ")),
]

# D. Source semantics
SOURCE = [
    Mutant("check-succeeds", "CHECK_FAILS", *CHECKING),
    Mutant("check-bad-auth", "AUTH_PERMANENT", "token-expires-mid-sync"),
    Mutant("check-unreachable", "UNREACHABLE_PERMANENT", "truncated-answer"),
    Mutant("discover-valid", "DISCOVERS_TWICE"),
    Mutant("read-snapshot", "LOSES_LAST_OF_PAGE", "mutations-detected", *PREVIOUS),
    Mutant("every-stream-returns", "EMITS_NOTHING", "read-snapshot", "every-stream-changes", "write-between-restarts", "state-migrate", "mutations-detected", *PREVIOUS),
    Mutant("checkpoint-last", "NO_LAST_CHECKPOINT"),
    Mutant("record-matches-schema", "LEVEL_IS_TEXT", "mutations-detected"),
    Mutant("primary-key-unique", "EMITS_TWICE"),
    Mutant("sequential-reads-consistent", "CHANCE_IN_RECORD", *WHOLE, "read-live"),
    Mutant("read-idle", "POLLS_IDLE", "write-between-restarts", "mutations-detected", "read-live", "state-backward-compatible"),
    Mutant("resume-from-every-checkpoint", "SKIPS_ONE", "read-idle", "write-between-restarts", "mutations-detected", *RESUMING, "read-live", "duplicates-bounded"),
    Mutant("write-between-restarts", "NEVER_ASKS_AGAIN", "state-migrate", "mutations-detected", *RESUMING, "read-live", "state-backward-compatible"),
    Mutant("read-live", "REMEMBERS_THE_END"),
    Mutant("duplicates-bounded", "STEPS_BACK", warns=True),
    Mutant("state-unknown-version", "ANY_VERSION"),
    Mutant("state-garbage", "GARBAGE_IS_BEGINNING"),
    Mutant("state-garbage", "FORGETS_STATE", "state-unknown-version"),
    # Its upstream, which the kit plays, has no such page: that is no refusal of the plugin.
    Mutant("state-garbage", "HANDS_STATE_ON"),
    Mutant("state-stable", "TIME_IN_STATE", "credit-scarce"),
    Mutant("state-size-bounded", "STATE_GROWS"),
    Mutant("state-migrate", "MIGRATION_FORGETS", "state-backward-compatible"),
    Mutant("mutations-detected", "VERSION_STAYS"),
    Mutant("mutations-detected", "DELETES_ARE_UPDATES", "state-backward-compatible"),
    Mutant("deliveries", "TAKES_A_DELIVERY_ONCE"),
    Mutant("delivery-garbage", "TAKES_NONSENSE"),
    Mutant("delivery-garbage", "SHRUGS_AT_NONSENSE"),
]

# D, of the fixtures: what they leave out nobody has tried, however broken it is.
UNTRIED = [
    Mutant("read-snapshot", edit=without("gauge", "expect"), warns=True),
    Mutant("mutations-detected", edit=without("gauge", "changed"), warns=True),
    Mutant("every-stream-returns", "", "write-between-restarts", plugin="queue",
           edit=("queue.check.yaml", "expect: {items: 6}\nupstream:", "expect: {items: 0}\nupstream:\n  - {request: items, body: []}")),
    Mutant("every-stream-changes", "NEVER_ASKS_AGAIN", "state-migrate", "state-backward-compatible", *RESUMING, edit=without("gauge", "changes")),
    Mutant("every-stream-changes", plugin="queue", edit=without("queue", "changes")),
    Mutant("webhook-tried", "RECEIVE_TRAPS", edit=without("gauge", "deliveries")),
    Mutant("webhook-tried", edit=("gauge.check.yaml", "  - {id: evt-1, body: {type: reading, data: {seq: 9, id: e, version: 1, at: 1767225840000, level: 3}}, records: 1}\n", "")),
    Mutant("migration-tried", "MIGRATE_TRAPS", "state-backward-compatible", edit=without("gauge", "states")),
    Mutant("migration-tried", edit=("gauge.check.yaml", 'version: 0, state: "2"', 'version: 1, state: "{\\"after\\":2}"')),
]

# E. Crashes, credit, cancelling
DELIVERY = [
    Mutant("kill9-sweep", "SAVES_BEFORE", "checkpoint-last", *RESUMING),
    Mutant("prune-sweep", "TELLS_TOO_MUCH", plugin="queue"),
    Mutant("ack-delayed", "WAITS_FOR_EVER", "cancel-each-call", "fuzz-lifecycle"),
    Mutant("credit-scarce", "IMPATIENT"),
    Mutant("credit-never", "INSISTS", "fuzz-lifecycle", "cancel-each-call"),
    Mutant("credit-never", "CANCELLED_IS_TRANSIENT"),
    Mutant("slow-consumer-memory-flat", "HOARDS", "restart-100"),
    Mutant("cancel-each-call", "CANCELLED_WAIT_PERMANENT", "ack-delayed"),
    Mutant("cancel-each-call", "CANCELLED_IS_NO", plugin="valve"),
    Mutant("cancel-in-request", "CANCELLED_OPEN_TRANSIENT", "cancel-each-call", "deadline-passed"),
    Mutant("deadline-passed", "CHECK_TRANSIENT_PAST_DEADLINE", "cancel-in-request"),
    Mutant("oversize-record", "IGNORES_TOO_LARGE"),
]

# F. Egress
EGRESS = [
    Mutant("echo-endpoint", "FEW_HEADERS"),
    Mutant("redirect-cross-host", "REDIRECT_IS_OK"),
    Mutant("undeclared-request-handled", "RETRIES_DENIED"),
    Mutant("own-requests-declared", "UNDECLARED"),
    Mutant("own-requests-declared", "SPOOFS_HOST"),
    Mutant("own-requests-declared", "OWN_AUTHORIZATION"),
    Mutant("token-expires-mid-sync", "EXPIRED_IS_END"),
    Mutant("429-retry-after", "WAIT_IS_END"),
    Mutant("429-retry-after", "HAMMERS_WHEN_TOLD"),
    Mutant("503-burst", "DOWN_PERMANENT"),
    Mutant("503-burst", "HAMMERS"),
    Mutant("pagination-loop", "READS_IN_CIRCLES"),
    Mutant("truncated-answer", "BROKEN_IS_END"),
    Mutant("truncated-json", "LENIENT", "deep-json"),
    Mutant("deep-json", "DEEP_RECURSION"),
    Mutant("endless-answer", "TOO_LARGE_IS_EMPTY"),
    Mutant("slow-answer", "CANCELLED_READ_TRANSIENT", "cancel-each-call"),
    Mutant("no-direct-syscalls", "OPENS_SOCKET"),
]

# G. Executors
EXECUTOR = [
    Mutant("execute-ok", "SAYS_DONE", "rejected-is-typed", "write-bad-auth", "idempotent-replay", "unknown-outcome-probe",
           "unknown-answers", plugin="valve"),
    Mutant("every-action-tried", plugin="valve", edit=("valve.yaml", "actions:\n", "actions:\n  close: {summary: Closes it., effect: write, settle_ms: 0, "
           "writes: [{request: put, count_max: 1, path: {valve: valve}, body: set}], input: {type: object}}\n")),
    Mutant("rejected-is-typed", "NO_IS_UNKNOWN", plugin="valve"),
    Mutant("write-bad-auth", "REFUSED_IS_DONE", plugin="valve"),
    Mutant("idempotent-replay", "DONE_ONCE_ONLY", "cancel-each-call", "operations-any-order", plugin="valve"),
    Mutant("one-write", "REPEATS_WRITE", plugin="valve"),
    Mutant("unknown-outcome-probe", "SILENCE_IS_NO", plugin="valve"),
    Mutant("unknown-outcome-probe", "ABSENT_IS_DONE", plugin="valve"),
    Mutant("unknown-outcome-probe", "PROBE_SHRUGS", plugin="valve"),
    Mutant("probe-reads-only", "PROBE_WRITES", "own-requests-declared", plugin="valve"),
    Mutant("dry-run-no-effect", "DRY_RUN_WRITES", plugin="valve"),
    Mutant("dry-run-no-effect", "DRY_RUN_SAYS_NOTHING", plugin="valve"),
    Mutant("strange-arguments", "CHANGES_BODY", plugin="valve"),
    # A pattern that cannot be written by chance does not end the trying.
    Mutant("strange-arguments", "CHANGES_BODY", "inputs-backward-compatible", plugin="valve", edit=("valve.yaml", "^[a-z0-9-]{1,32}$", "^v-[0-9]{1,8}$")),
    Mutant("unknown-argument-shape", "CRASHES_ON_SHAPE", plugin="valve"),
]

# H. Chance
CHANCE = [
    Mutant("fuzz-config", "CRASHES_ON_STRANGE_CONFIG"),
    Mutant("fuzz-http", "CRASHES_ON_TEAPOT"),
    Mutant("fuzz-state", "CRASHES_ON_STATE", "state-garbage"),
    Mutant("fuzz-lifecycle", "CRASHES_AFTER_CANCEL", "cancel-each-call", "cancel-in-request"),
    # By the day: two runs of one moment agree about it.
    Mutant("deterministic-replay", "REAL_TIME"),
    Mutant("deterministic-replay", "REAL_CHANCE", "borrowed-slices-poisoned", "echo-endpoint"),
]

# Wrong in more than one way: one fault must not hide another.
COMBINED = [
    Mutant("exports-only-entry entry-pure", "EXTRA_EXPORT ENTRY_CHANGES"),
    Mutant("descriptor-fields components-unique", "NAME_WITH_BLANK TWO_OF_A_NAME"),
    Mutant("discover-valid primary-key-unique", "DISCOVERS_TWICE EMITS_TWICE"),
    Mutant("read-snapshot record-matches-schema", "LOSES_LAST_OF_PAGE LEVEL_IS_TEXT", "mutations-detected", *PREVIOUS),
    Mutant("leak-at-end redirect-cross-host", "LEAVES_OPEN REDIRECT_IS_OK"),
    Mutant("state-size-bounded mutations-detected", "STATE_GROWS VERSION_STAYS"),
    Mutant("restart-100 oversize-record", "LEAKS_MEMORY IGNORES_TOO_LARGE"),
    Mutant("pagination-loop 503-burst", "READS_IN_CIRCLES HAMMERS"),
    Mutant("configure-missing-each-required create-trailing-garbage-id", "IGNORES_MISSING ID_BY_PREFIX"),
    Mutant("one-write dry-run-no-effect unknown-argument-shape", "REPEATS_WRITE DRY_RUN_WRITES CRASHES_ON_SHAPE", plugin="valve"),
]

MUTANTS = LIBRARY + DESCRIPTOR + LIFECYCLE + SOURCE + UNTRIED + DELIVERY + EGRESS + EXECUTOR + CHANCE + COMBINED
