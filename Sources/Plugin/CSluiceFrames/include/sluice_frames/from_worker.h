// What a worker says. Decoders for the host, encoders for the worker (and for tests).
#ifndef SLUICE_FRAMES_FROM_WORKER_H
#define SLUICE_FRAMES_FROM_WORKER_H

#include "base.h"

// Protections of the sandbox: one bit each, in READY and in `sluice-worker --probe`.
typedef enum sluice_protection {
    SLUICE_PROTECTION_PARENT_DEATH = 1 << 0,
    SLUICE_PROTECTION_NOT_DUMPABLE = 1 << 1,
    SLUICE_PROTECTION_CLOSE_RANGE = 1 << 2,
    SLUICE_PROTECTION_RLIMITS = 1 << 3,
    SLUICE_PROTECTION_NO_NEW_PRIVS = 1 << 4,
    SLUICE_PROTECTION_OWN_UID = 1 << 5,
    SLUICE_PROTECTION_NO_CAPABILITIES = 1 << 6,
    SLUICE_PROTECTION_USER_NAMESPACE = 1 << 7,
    SLUICE_PROTECTION_NETWORK_NAMESPACE = 1 << 8,
    SLUICE_PROTECTION_LANDLOCK_FILES = 1 << 9,
    SLUICE_PROTECTION_LANDLOCK_NETWORK = 1 << 10,
    SLUICE_PROTECTION_LANDLOCK_SCOPE = 1 << 11,
    SLUICE_PROTECTION_SECCOMP_LOAD = 1 << 12,
    SLUICE_PROTECTION_SECCOMP_RUN = 1 << 13,
    SLUICE_PROTECTION_THREAD_LIMIT = 1 << 14
} sluice_protection_t;
enum { SLUICE_PROTECTION_COUNT = 15 };

// Static NUL-terminated name of bit `index` < SLUICE_PROTECTION_COUNT, such as "landlock_files".
const char *sluice_protection_name(uint32_t index);

typedef enum SLUICE_CLOSED_ENUM sluice_load_step {
    SLUICE_LOAD_ARGUMENTS = 1,
    SLUICE_LOAD_PARENT_DEATH = 2,
    SLUICE_LOAD_RLIMITS = 3,
    SLUICE_LOAD_IDENTITY = 4,         // uid, gid, capabilities
    SLUICE_LOAD_NAMESPACES = 5,
    SLUICE_LOAD_LANDLOCK = 6,
    SLUICE_LOAD_SECCOMP_LOAD = 7,
    SLUICE_LOAD_OPEN_FILE = 8,        // the plugin's file cannot be opened
    SLUICE_LOAD_NOTE = 9,             // no ELF note, wrong magic or wrong ABI major; no code ran
    SLUICE_LOAD_DLOPEN = 10,          // refused by the dynamic linker, or a constructor died
    SLUICE_LOAD_SYMBOL = 11,          // sluice_plugin_entry is missing
    SLUICE_LOAD_ENTRY = 12,           // it died, or returned nothing
    SLUICE_LOAD_ABI = 13,             // what it returned has the wrong magic, ABI major or a NULL slot
    SLUICE_LOAD_SECCOMP_RUN = 14
} sluice_load_step_t;

const char *sluice_load_step_name(sluice_load_step_t step);

typedef struct sluice_frame_ready {
    uint16_t abi_major;               // the plugin's
    uint16_t abi_minor;
    uint32_t protections_active;      // bits of sluice_protection_t
    uint32_t protections_missing;     // what the kernel lacks; strict lets only the second layers through
    uint32_t landlock_abi;            // 0: none
    uint32_t load_us;                 // time from exec's first line to here
} sluice_frame_ready_t;

typedef struct sluice_frame_load_failed {
    sluice_load_step_t step;
    int32_t error_number;             // errno, or 0
    sluice_bytes_t text;
} sluice_frame_load_failed_t;

// A batch of records of one stream. `section` is the journal's record section, byte for byte:
// `count` records in the layout named by SLUICE_FRAME_RECORD_LAYOUT, nothing before, between or after.
typedef struct sluice_frame_emit {
    sluice_bytes_t stream;
    uint32_t count;
    sluice_bytes_t section;
} sluice_frame_emit_t;

typedef enum SLUICE_CLOSED_ENUM sluice_record_op {
    SLUICE_RECORD_UPSERT = 1,
    SLUICE_RECORD_DELETE = 2
} sluice_record_op_t;

typedef struct sluice_frame_record {
    sluice_record_op_t op;
    int64_t event_time_ms;            // or SLUICE_FRAME_TIME_NONE
    uint64_t source_ordinal;
    sluice_bytes_t key;
    sluice_bytes_t source_version;
    sluice_bytes_t payload;           // meant to be JSON; not checked here
    sluice_bytes_t whole;             // the record as stored
} sluice_frame_record_t;

typedef struct sluice_frame_checkpoint {
    sluice_bytes_t stream;
    sluice_bytes_t state;
    uint32_t state_version;
    int64_t watermark_ms;             // or SLUICE_FRAME_TIME_NONE
} sluice_frame_checkpoint_t;

typedef struct sluice_frame_http_open {
    uint32_t handle;                  // chosen by the worker: 1 to 8; free again after HTTP_CLOSE
    sluice_bytes_t endpoint, method, path, query, slot, idempotency_key;
    sluice_pairs_t headers;
    sluice_bytes_t body;
} sluice_frame_http_open_t;

typedef struct sluice_frame_http_read {
    uint32_t handle;
    uint32_t window;                  // 1 to SLUICE_FRAME_WINDOW_BYTES_MAX: bytes wanted in the reply
} sluice_frame_http_read_t;

typedef struct sluice_frame_log {
    uint32_t level;                   // 1 debug, 2 info, 3 warning, 4 error
    sluice_bytes_t code, message;
    sluice_pairs_t fields;
} sluice_frame_log_t;

typedef struct sluice_frame_rate_hint {
    sluice_bytes_t endpoint;
    int64_t limit, remaining;         // negative: unknown
    int64_t reset_at_ms;
} sluice_frame_rate_hint_t;

// The end of an operation (or of CONFIGURE). `status` is 0, an error class -1 to -6, or -16 cancelled
// (-21 for dry_run, and for receive and migrate when the source lacks the extension). `outcome` is what
// execute, dry_run or probe answered, else 0.
typedef struct sluice_frame_result {
    int32_t status;
    int32_t outcome;
    int64_t retry_after_ms;           // negative: unknown
    uint64_t records;                 // emitted in this operation
    sluice_bytes_t code, message;     // empty when the plugin gave none
    sluice_bytes_t json;              // empty when the plugin gave none
} sluice_frame_result_t;

sluice_frame_check_t sluice_decode_ready(sluice_bytes_t payload, sluice_frame_ready_t *out);
sluice_frame_check_t sluice_decode_load_failed(sluice_bytes_t payload, sluice_frame_load_failed_t *out);
// Checks every record too: walking a decoded section cannot fail.
sluice_frame_check_t sluice_decode_emit(sluice_bytes_t payload, sluice_frame_emit_t *out);
sluice_frame_check_t sluice_decode_checkpoint(sluice_bytes_t payload, sluice_frame_checkpoint_t *out);
sluice_frame_check_t sluice_decode_http_open(sluice_bytes_t payload, sluice_frame_http_open_t *out);
sluice_frame_check_t sluice_decode_http_read(sluice_bytes_t payload, sluice_frame_http_read_t *out);
sluice_frame_check_t sluice_decode_http_close(sluice_bytes_t payload, uint32_t *handle);
sluice_frame_check_t sluice_decode_log(sluice_bytes_t payload, sluice_frame_log_t *out);
sluice_frame_check_t sluice_decode_clock(sluice_bytes_t payload, uint32_t *clock);    // 1 wall, 2 monotonic
sluice_frame_check_t sluice_decode_random(sluice_bytes_t payload, uint32_t *count);
sluice_frame_check_t sluice_decode_rate_hint(sluice_bytes_t payload, sluice_frame_rate_hint_t *out);
sluice_frame_check_t sluice_decode_result(sluice_bytes_t payload, sluice_frame_result_t *out);
sluice_frame_check_t sluice_decode_pong(sluice_bytes_t payload, uint64_t *token);
// WAIT_DURABLE has no payload.
sluice_frame_check_t sluice_decode_empty(sluice_bytes_t payload);

// Takes the first record off `*section` (of a decoded EMIT, or read back from the journal).
// OK fills `*out`; INCOMPLETE: the section is empty, the walk is over; else the section is damaged.
sluice_frame_check_t sluice_record_next(sluice_bytes_t *section, sluice_frame_record_t *out);

// Appends one record at out[*used]. Returns false, changing nothing, when it exceeds a limit or `capacity`.
bool sluice_record_append(uint8_t *out, size_t capacity, size_t *used, const sluice_frame_record_t *record);

// Bytes a record takes in a section, whatever its limits.
size_t sluice_record_size(size_t key_len, size_t version_len, size_t payload_len);

size_t sluice_encode_ready(const sluice_frame_ready_t *m, uint8_t *out, size_t capacity);
size_t sluice_encode_load_failed(const sluice_frame_load_failed_t *m, uint8_t *out, size_t capacity);
size_t sluice_encode_emit(const sluice_frame_emit_t *m, uint32_t operation, uint8_t *out, size_t capacity);
// Writes all but the section, for a caller that sends the section from where it lies. Returns the head's size.
size_t sluice_encode_emit_head(const sluice_frame_emit_t *m, uint32_t operation, uint8_t *out, size_t capacity);
size_t sluice_encode_checkpoint(const sluice_frame_checkpoint_t *m, uint32_t operation, uint8_t *out, size_t capacity);
size_t sluice_encode_wait_durable(uint32_t operation, uint32_t call, uint8_t *out, size_t capacity);
size_t sluice_encode_http_open(const sluice_frame_http_open_t *m, uint32_t operation, uint32_t call, uint8_t *out,
                               size_t capacity);
size_t sluice_encode_http_read(const sluice_frame_http_read_t *m, uint32_t operation, uint32_t call, uint8_t *out,
                               size_t capacity);
size_t sluice_encode_http_close(uint32_t handle, uint32_t operation, uint8_t *out, size_t capacity);
size_t sluice_encode_log(const sluice_frame_log_t *m, uint32_t operation, uint8_t *out, size_t capacity);
size_t sluice_encode_clock(uint32_t clock, uint32_t operation, uint32_t call, uint8_t *out, size_t capacity);
size_t sluice_encode_random(uint32_t count, uint32_t operation, uint32_t call, uint8_t *out, size_t capacity);
size_t sluice_encode_rate_hint(const sluice_frame_rate_hint_t *m, uint32_t operation, uint8_t *out, size_t capacity);
size_t sluice_encode_result(const sluice_frame_result_t *m, uint32_t operation, uint8_t *out, size_t capacity);
size_t sluice_encode_pong(uint64_t token, uint8_t *out, size_t capacity);

#endif
