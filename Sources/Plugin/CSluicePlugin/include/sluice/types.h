// Words shared by every call: slices, statuses, the clock's "none".
//
// Rules for every struct that crosses the border (ABI-1):
//   - it starts with `uint32_t struct_size`, set by the side whose memory it is to its own sizeof;
//   - both sides touch only bytes inside struct_size; a field beyond it counts as zero, and is not written;
//   - it is at least as large as in 1.0; a shorter one is refused with SLUICE_E_INVALID;
//   - fields are added at the end only, and only in a new minor version; a table keeps each slot's signature;
//   - reserved fields are zero, and another value is refused;
//   - a function pointer in a table that was handed out is never NULL.
// Slices and pairs have no struct_size and never change. The ABI is for 64-bit little-endian processors.
#ifndef SLUICE_TYPES_H
#define SLUICE_TYPES_H

#include <stdint.h>

#if defined(__SIZEOF_POINTER__) && defined(__BYTE_ORDER__)
#if __SIZEOF_POINTER__ != 8 || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "The Sluice ABI is defined for 64-bit little-endian processors."
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

// Borrowed bytes. When `len` is 0, `ptr` may be anything, NULL included, and is not read.
// Text is UTF-8 and is not NUL-terminated.
typedef struct sluice_slice {
    const void *ptr;
    uint64_t len;
} sluice_slice_t;

// One name and one value: an HTTP header, a field of a log line.
typedef struct sluice_pair {
    sluice_slice_t name;
    sluice_slice_t value;
} sluice_pair_t;

// Answer of every call that can fail. 0 is success, negative is failure. A later minor version may add
// answers of host calls: take one that you do not know for a failure of which nothing was taken.
typedef int32_t sluice_status_t;

enum {
    SLUICE_OK = 0,

    // Error classes: the closed list an operation may return. What the host does is part of the ABI.

    // What follows is about sources. In execute() an error class means that nothing was sent, see executor.h.

    // The configuration cannot work. The host parks the instance with the message; nothing is retried until
    // an operator enables it with another configuration or resumes it.
    SLUICE_E_CONFIG = -1,
    // The upstream refused the credential. The host parks the instance with the message, until an operator
    // has set a new one and resumes it.
    SLUICE_E_AUTH = -2,
    // The upstream asked to slow down. The host waits sluice_error.retry_after_ms, or a second, and runs the
    // operation again from the last durable checkpoint.
    SLUICE_E_RATE_LIMITED = -3,
    // It may work later. The host retries with exponential back-off from the last durable checkpoint; after
    // six failures in a row it parks the instance. Those in which the host itself saw the upstream give no
    // answer, or 408, 429 or 5xx, do not count: they are retried for as long as that lasts.
    SLUICE_E_TRANSIENT = -4,
    // It will not work however often it is tried. The host parks the instance with the message, until an
    // operator resumes it.
    SLUICE_E_PERMANENT = -5,
    // The plugin is wrong. The host retries as for TRANSIENT, and says whose fault it is. Any value outside
    // this list counts as BUG.
    SLUICE_E_BUG = -6,

    // Answers of host calls. Returned by an operation, only CANCELLED has a meaning; the rest count as BUG.

    // The operation was cancelled or is past its deadline. Every later host call of the operation answers
    // the same. Return soon: after the grace period the worker is killed.
    SLUICE_E_CANCELLED = -16,
    // The manifest does not declare it (endpoint, host, request, slot, effect), or this operation
    // may not do it. Asking again gives the same answer.
    SLUICE_E_DENIED = -17,
    // A stated limit is exceeded. The operation goes on; what was too large was not taken.
    SLUICE_E_TOO_LARGE = -18,
    // An argument is malformed: unknown handle, empty name, bad operation code, NULL with a length.
    SLUICE_E_INVALID = -19,
    // The call is not allowed in this state, such as emit() outside pull() and receive().
    SLUICE_E_STATE = -20,
    // The other side does not implement it. Of operations, only dry_run() may answer it.
    SLUICE_E_UNSUPPORTED = -21
};

// Times are milliseconds since 1970-01-01T00:00:00Z. This value means "none"; in C it is no constant
// expression, so write INT64_MIN in an initialiser.
static const int64_t SLUICE_TIME_NONE = INT64_MIN;

// Limits. A host may set a lower one for records. What exceeds one is refused with SLUICE_E_TOO_LARGE, unless it
// says that it is cut. They only rise within a major version.
enum {
    SLUICE_NAME_BYTES_MAX = 256,            // an id, a code, an endpoint, a method, a slot, a key, a name in a pair
    SLUICE_STREAM_BYTES_MAX = 128,          // a stream's name
    SLUICE_KEY_BYTES_MAX = 1024,            // a record's key
    SLUICE_VERSION_BYTES_MAX = 256,         // a record's opaque source version
    SLUICE_RECORD_BYTES_MAX = 512 * 1024,   // key + version + payload + 32 bytes of header
    SLUICE_STATE_BYTES_MAX = 256 * 1024,    // the state of a checkpoint
    SLUICE_RESULT_BYTES_MAX = 512 * 1024,   // the JSON given to set_result()
    SLUICE_INPUT_BYTES_MAX = 512 * 1024,    // what the host gives: a configuration, an action's input
    SLUICE_DELIVERY_BYTES_MAX = 768 * 1024, // what the host gives: a delivery's body
    SLUICE_TEXT_BYTES_MAX = 4096,           // a log message or an error message; longer ones are cut
    SLUICE_FIELD_BYTES_MAX = 1024,          // the value of a field of a log line; longer ones are cut
    SLUICE_FIELDS_MAX = 32,                 // fields of one log line; more are left out
    SLUICE_HTTP_HEADERS_MAX = 128,          // headers of one request or response
    SLUICE_HTTP_HEADER_BYTES_MAX = 16 * 1024, // one header's value
    SLUICE_HTTP_HEADERS_BYTES_MAX = 64 * 1024, // all names and values, and 6 bytes for each header
    SLUICE_HTTP_TARGET_BYTES_MAX = 8 * 1024, // a path, a query
    SLUICE_HTTP_BODY_BYTES_MAX = 768 * 1024, // the body of a request
    SLUICE_HTTP_SEND_BYTES_MAX = 1024 * 1024, // the response body of http_send()
    SLUICE_HTTP_WINDOW_BYTES_MAX = 256 * 1024, // one http_read()
    SLUICE_HTTP_OPEN_MAX = 8                // responses open at the same time
};

#ifdef __cplusplus
}
#endif
#endif
