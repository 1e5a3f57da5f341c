// The host, as a plugin sees it.
//
// The table is given to create() and lives until destroy() returns; when create() fails, until that returns.
// Calls are made from one thread at a time: the thread that runs the operation, unless the manifest grants
// threads and the plugin serialises. None is made while no operation, create() or destroy() is under way.
// Calls BLOCK and are cancellable: once the operation is cancelled or past its deadline, every call that
// returns a status answers SLUICE_E_CANCELLED at once.
//
// Slices the host hands out live until the operation's next host call or its end, whichever is first.
// They may be passed to that next call.
// Slices the plugin passes in are copied or consumed before the call returns.
#ifndef SLUICE_HOST_H
#define SLUICE_HOST_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

// What a record does to its key.
enum {
    SLUICE_OP_UPSERT = 1,   // payload is the whole object
    SLUICE_OP_DELETE = 2    // payload may be empty
};

// One change of one object of one stream. In an array every element has the same struct_size,
// which is the distance between elements.
typedef struct sluice_record {
    uint32_t struct_size;
    uint32_t op;                    // SLUICE_OP_*; another value is INVALID
    int64_t event_time_ms;          // when it happened at the source; SLUICE_TIME_NONE when unknown
    uint64_t source_ordinal;        // orders versions of one key; 0 when the source has no such number
    sluice_slice_t key;             // identifies the object in its stream; 1 to SLUICE_KEY_BYTES_MAX bytes
    sluice_slice_t source_version;  // opaque (an ETag, a revision); may be empty
    sluice_slice_t payload;         // one JSON value in UTF-8
} sluice_record_t;

// A place in a stream from which a later pull() continues.
typedef struct sluice_checkpoint {
    uint32_t struct_size;
    uint32_t state_version;         // the plugin's own version of the format of `state`
    int64_t watermark_ms;           // the stream is complete up to this business time; or SLUICE_TIME_NONE
    sluice_slice_t stream;
    sluice_slice_t state;           // opaque to the host
} sluice_checkpoint_t;

// Why an operation failed, in words for an operator. Never put a secret or personal data in it.
typedef struct sluice_error {
    uint32_t struct_size;
    uint32_t reserved;
    int64_t retry_after_ms;         // wait at least this long; negative when unknown (0 is no wait)
    sluice_slice_t code;            // stable and dotted, such as "crm.cursor_expired"
    sluice_slice_t message;         // one sentence: what happened and what to do
} sluice_error_t;

enum { SLUICE_LOG_DEBUG = 1, SLUICE_LOG_INFO = 2, SLUICE_LOG_WARNING = 3, SLUICE_LOG_ERROR = 4 };

enum {
    SLUICE_CLOCK_WALL = 1,          // milliseconds since 1970; may jump
    SLUICE_CLOCK_MONOTONIC = 2      // milliseconds since an arbitrary start; never goes back
};

typedef struct sluice_host sluice_host_t;
struct sluice_host {
    uint32_t struct_size;
    uint16_t abi_major;
    uint16_t abi_minor;
    void *host_data;                // the host's own; plugins neither read nor write it

    // Returns the table of an extension such as "sluice.http/1", or NULL when it was not granted.
    // `id` is NUL-terminated. The table lives as long as the host table.
    // The same id gives the same table or NULL for the whole life of the instance.
    // [create until destroy]
    const void *(*get_extension)(const sluice_host_t *host, const char *id);

    // Hands `count` records of one stream to the host, in order. Waits for credit; never drops.
    // The records are copied. `*accepted` (when not NULL) is how many were taken, from the front.
    // [in pull and receive]
    // CANCELLED; TOO_LARGE: records[*accepted] exceeds a limit, the stream goes on with the next one;
    // INVALID: records[*accepted] is malformed; STATE: outside pull and receive.
    sluice_status_t (*emit)(const sluice_host_t *host, const sluice_slice_t *stream,
                            const sluice_record_t *records, uint64_t count, uint64_t *accepted);

    // Orders a checkpoint after every record emitted before it. Sends what is batched, does not wait
    // for durability. The state is copied. In migrate() it hands over the state anew: see ext/state-migrate.h.
    // [in pull, receive and migrate]  CANCELLED, TOO_LARGE, INVALID, STATE.
    sluice_status_t (*checkpoint)(const sluice_host_t *host, const sluice_checkpoint_t *checkpoint);

    // Waits until every record and checkpoint so far is durable. Only then may the plugin do what makes the
    // source forget them, such as moving a cursor by a declared read. Sends what is batched first.
    // [in pull and receive]  CANCELLED, STATE.
    sluice_status_t (*wait_durable)(const sluice_host_t *host);

    // Writes one structured line. No format strings: `code` is stable and dotted, `message` is one
    // sentence. Too long is cut; too often is rate-limited by the host, which reports how many it left out.
    // [create until destroy, destroy included]  INVALID. Never CANCELLED: a plugin may say why it stops.
    sluice_status_t (*log)(const sluice_host_t *host, uint32_t level, const sluice_slice_t *code,
                           const sluice_slice_t *message, const sluice_pair_t *fields, uint32_t count);

    // Reads a clock, SLUICE_CLOCK_*. Use no other: time that did not come from here cannot be replayed.
    // [in an operation but migrate, or create]  CANCELLED, INVALID, STATE.
    sluice_status_t (*clock_now)(const sluice_host_t *host, uint32_t clock, int64_t *out_ms);

    // Fills `bytes` with `count` random bytes. Use no other source: they could not be replayed.
    // [in an operation but migrate, or create]  CANCELLED, INVALID, STATE.
    sluice_status_t (*random)(const sluice_host_t *host, void *bytes, uint64_t count);

    // Returns 1 once the operation is cancelled or past its deadline, else 0. Cheap; call it in long loops.
    // [in an operation]
    uint32_t (*cancel_requested)(const sluice_host_t *host);

    // Returns the milliseconds left before the deadline; 0 when it has passed, INT64_MAX when there is none.
    // [in an operation]
    int64_t (*deadline)(const sluice_host_t *host);

    // States why the operation is about to fail (or, in execute(), to be rejected). Copied. The last call
    // before the return counts.
    // [in an operation, or create]  INVALID, STATE.
    sluice_status_t (*set_error)(const sluice_host_t *host, const sluice_error_t *error);

    // Gives the operation's result: one JSON value in UTF-8. Copied. The last call before the return counts.
    // [in discover, execute, dry_run, probe, check]  TOO_LARGE, INVALID, STATE.
    sluice_status_t (*set_result)(const sluice_host_t *host, const sluice_slice_t *json);
};

#ifdef __cplusplus
}
#endif
#endif
