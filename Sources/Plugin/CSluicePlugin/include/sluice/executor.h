// An executor performs permitted actions in an outside system. It must be honest about what it does not
// know: a request that was sent and not answered is SLUICE_OUTCOME_UNKNOWN, never a failure.
#ifndef SLUICE_EXECUTOR_H
#define SLUICE_EXECUTOR_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

// Answers of execute() and dry_run(). An error class (negative) means that nothing was sent; if the host
// saw a write request leave, it treats an error as UNKNOWN. What the host saw comes first: DONE counts when
// every write that left was answered with 2xx and there was one, REJECTED when each was answered with a 4xx
// other than 408, 425 and 429, RETRY_AFTER when none left. Everything else is UNKNOWN, and probed.
enum {
    SLUICE_OUTCOME_DONE = 1,        // it is so; set_result() describes what was done
    SLUICE_OUTCOME_REJECTED = 2,    // the upstream refused; nothing changed; set_error() says why
    SLUICE_OUTCOME_RETRY_AFTER = 3, // nothing was sent; the host tries again, at times of its own
    SLUICE_OUTCOME_UNKNOWN = 4      // it may or may not be so; the host will probe, then ask a person
};

// Answers of probe().
enum {
    SLUICE_PROBE_DONE = 1,          // the effect exists; set_result() as execute() would have
    SLUICE_PROBE_ABSENT = 2,        // the effect does not exist now
    SLUICE_PROBE_CANNOT_TELL = 3
};

// One permitted call.
typedef struct sluice_action {
    uint32_t struct_size;
    uint32_t reserved;
    sluice_slice_t name;            // an action of the manifest
    sluice_slice_t input;           // its canonical arguments: RFC 8785 JSON, valid by the manifest's schema
    sluice_slice_t key;             // idempotency key, the same for every try of the same call; the host sends
                                    // it where the manifest says, probe() may ask by it
} sluice_action_t;

typedef struct sluice_executor sluice_executor_t;
struct sluice_executor {
    uint32_t struct_size;
    uint32_t reserved;
    void *plugin_data;

    // As in sluice_source.
    void (*destroy)(const sluice_executor_t *executor);
    const void *(*get_extension)(const sluice_executor_t *executor, const char *id);

    // As in sluice_source.
    sluice_status_t (*check)(const sluice_executor_t *executor);

    // Performs the action once. Only here may a request of effect `write` leave, and only those that the
    // action declares. `action` and its slices live until the call returns.
    // Returns SLUICE_OUTCOME_*, an error class (nothing was sent), or CANCELLED (counts as UNKNOWN once a
    // write request left).
    int32_t (*execute)(const sluice_executor_t *executor, const sluice_action_t *action);

    // Finds out whether an earlier execute() with `action->key` took effect. Reads only.
    // Returns SLUICE_PROBE_*, an error class, or CANCELLED.
    int32_t (*probe)(const sluice_executor_t *executor, const sluice_action_t *action);

    // Says what execute() would do, through set_result(), and changes nothing.
    // Returns SLUICE_OUTCOME_DONE or SLUICE_OUTCOME_REJECTED, an error class, CANCELLED, or
    // SLUICE_E_UNSUPPORTED (the one place where that is an allowed answer).
    int32_t (*dry_run)(const sluice_executor_t *executor, const sluice_action_t *action);
};

#ifdef __cplusplus
}
#endif
#endif
