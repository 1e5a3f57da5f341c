// What the host says. Encoders for the host, decoders for the worker (and for tests).
#ifndef SLUICE_FRAMES_FROM_HOST_H
#define SLUICE_FRAMES_FROM_HOST_H

#include "base.h"

// Creates the instance. Sent once, after READY and before the first START; answered by RESULT with the
// operation id of its header.
typedef struct sluice_frame_configure {
    uint32_t record_bytes_max;        // at most SLUICE_FRAME_RECORD_BYTES_MAX and half the byte window
    uint32_t batch_records;           // the worker sends a batch at this many records...
    uint32_t batch_bytes;             // ...or at this many bytes
    sluice_bytes_t factory;           // "sluice.source/1" or "sluice.executor/1"
    sluice_bytes_t component;         // a descriptor's id; empty: the factory's first
    sluice_bytes_t config;            // one JSON object
    sluice_names_t extensions;        // granted: "sluice.http/1"...
} sluice_frame_configure_t;

typedef enum SLUICE_CLOSED_ENUM sluice_operation {
    SLUICE_OPERATION_CHECK = 1,
    SLUICE_OPERATION_DISCOVER = 2,
    SLUICE_OPERATION_PULL = 3,
    SLUICE_OPERATION_RECEIVE = 4,
    SLUICE_OPERATION_EXECUTE = 5,
    SLUICE_OPERATION_PROBE = 6,
    SLUICE_OPERATION_DRY_RUN = 7,
    SLUICE_OPERATION_MIGRATE = 8
} sluice_operation_t;

// Starts one operation, whose id is in the header and is not 0. What the kind does not use is empty:
//   pull, migrate: name = stream, state, state_version (migrate: none is empty)
//   execute, probe, dry_run: name = action, body = input JSON, key = idempotency key
//   receive: name = delivery id, method, path, query, headers, body, time_ms = received at
typedef struct sluice_frame_start {
    sluice_operation_t kind;
    uint32_t state_version;
    uint64_t deadline_ms;             // from now; 0: none
    int64_t time_ms;
    sluice_bytes_t name, key, method, path, query;
    sluice_bytes_t state;
    sluice_bytes_t body;
    sluice_pairs_t headers;
} sluice_frame_start_t;

// Adds to the operation's credit, which is 0 at START. Bytes count encoded records (sluice_record_size).
typedef struct sluice_frame_credit {
    uint32_t records;
    uint32_t bytes;
} sluice_frame_credit_t;

typedef struct sluice_frame_http_head {
    uint32_t status;                  // 100 to 599
    uint32_t throttled_ms;
    sluice_pairs_t headers;
} sluice_frame_http_head_t;

typedef struct sluice_frame_http_error {
    int32_t status;                   // as http_open and http_read may answer: see docs/frames.md
    int64_t retry_after_ms;           // negative: unknown
    sluice_bytes_t code, message;
} sluice_frame_http_error_t;

sluice_frame_check_t sluice_decode_configure(sluice_bytes_t payload, sluice_frame_configure_t *out);
sluice_frame_check_t sluice_decode_start(sluice_bytes_t payload, sluice_frame_start_t *out);
sluice_frame_check_t sluice_decode_credit(sluice_bytes_t payload, sluice_frame_credit_t *out);
sluice_frame_check_t sluice_decode_http_head(sluice_bytes_t payload, sluice_frame_http_head_t *out);
sluice_frame_check_t sluice_decode_http_error(sluice_bytes_t payload, sluice_frame_http_error_t *out);
sluice_frame_check_t sluice_decode_clock_reply(sluice_bytes_t payload, int64_t *ms);
sluice_frame_check_t sluice_decode_cancel(sluice_bytes_t payload, uint32_t *grace_ms);
sluice_frame_check_t sluice_decode_ping(sluice_bytes_t payload, uint64_t *token);
// HTTP_BODY and RANDOM_REPLY are their payload; DURABLE and SHUTDOWN have none.

size_t sluice_encode_configure(const sluice_frame_configure_t *m, uint32_t operation, uint8_t *out, size_t capacity);
size_t sluice_encode_start(const sluice_frame_start_t *m, uint32_t operation, uint8_t *out, size_t capacity);
size_t sluice_encode_credit(const sluice_frame_credit_t *m, uint32_t operation, uint8_t *out, size_t capacity);
size_t sluice_encode_durable(uint32_t operation, uint32_t call, uint8_t *out, size_t capacity);
size_t sluice_encode_http_head(const sluice_frame_http_head_t *m, uint32_t operation, uint32_t call, uint8_t *out,
                               size_t capacity);
size_t sluice_encode_http_body(sluice_bytes_t part, bool end, uint32_t operation, uint32_t call, uint8_t *out,
                               size_t capacity);
size_t sluice_encode_http_error(const sluice_frame_http_error_t *m, uint32_t operation, uint32_t call, uint8_t *out,
                                size_t capacity);
size_t sluice_encode_clock_reply(int64_t ms, uint32_t operation, uint32_t call, uint8_t *out, size_t capacity);
size_t sluice_encode_random_reply(sluice_bytes_t bytes, uint32_t operation, uint32_t call, uint8_t *out,
                                  size_t capacity);
size_t sluice_encode_cancel(uint32_t grace_ms, uint32_t operation, uint8_t *out, size_t capacity);
size_t sluice_encode_ping(uint64_t token, uint8_t *out, size_t capacity);
size_t sluice_encode_shutdown(uint8_t *out, size_t capacity);

#endif
