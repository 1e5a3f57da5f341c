// Bytes, limits, errors, the frame header, and the two lists that occur inside frames.
#ifndef SLUICE_FRAMES_BASE_H
#define SLUICE_FRAMES_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Not for Swift: hostile numbers reach these types, and a closed Swift enum may hold no other value.
#if defined(__has_attribute) && !defined(__swift__)
#if __has_attribute(enum_extensibility)
#define SLUICE_CLOSED_ENUM __attribute__((enum_extensibility(closed)))
#endif
#endif
#ifndef SLUICE_CLOSED_ENUM
#define SLUICE_CLOSED_ENUM
#endif

// Borrowed bytes. When `len` is 0, `ptr` is not read and may be NULL.
typedef struct sluice_bytes {
    const uint8_t *ptr;
    size_t len;
} sluice_bytes_t;

// Every limit of the wire. A frame that exceeds one is refused by the decoder and cannot be encoded.
enum {
    SLUICE_FRAME_VERSION = 1,
    SLUICE_FRAME_HEADER_BYTES = 16,
    SLUICE_FRAME_BYTES_MAX = 1024 * 1024,       // header included
    SLUICE_FRAME_PAYLOAD_BYTES_MAX = 1024 * 1024 - 16,
    SLUICE_FRAME_RECORD_LAYOUT = 1,             // version of the record layout inside EMIT
    SLUICE_FRAME_RECORD_HEADER_BYTES = 32,
    SLUICE_FRAME_RECORD_BYTES_MAX = 512 * 1024, // header + key + version + payload
    SLUICE_FRAME_RECORDS_MAX = 4096,            // records in one EMIT
    SLUICE_FRAME_STREAM_BYTES_MAX = 128,
    SLUICE_FRAME_KEY_BYTES_MAX = 1024,
    SLUICE_FRAME_VERSION_BYTES_MAX = 256,
    SLUICE_FRAME_STATE_BYTES_MAX = 256 * 1024,
    SLUICE_FRAME_TEXT_BYTES_MAX = 4096,         // messages, and every value of a log field
    SLUICE_FRAME_NAME_BYTES_MAX = 256,          // ids, codes, endpoint, method, slot, names in pairs
    SLUICE_FRAME_TARGET_BYTES_MAX = 8192,       // path, query
    SLUICE_FRAME_VALUE_BYTES_MAX = 16 * 1024,   // one value in a list of pairs
    SLUICE_FRAME_PAIRS_MAX = 128,               // pairs in one list
    SLUICE_FRAME_PAIRS_BYTES_MAX = 64 * 1024,   // one list of pairs
    SLUICE_FRAME_NAMES_MAX = 32,                // names in one list of names
    SLUICE_FRAME_JSON_BYTES_MAX = 512 * 1024,   // configuration, action input, result
    SLUICE_FRAME_BODY_BYTES_MAX = 768 * 1024,   // HTTP request body, webhook delivery body
    SLUICE_FRAME_WINDOW_BYTES_MAX = 256 * 1024, // one HTTP_BODY
    SLUICE_FRAME_RANDOM_BYTES_MAX = 4096        // one RANDOM_REPLY
};

// "None" for every time on the wire.
static const int64_t SLUICE_FRAME_TIME_NONE = INT64_MIN;

// Why bytes were refused. `SLUICE_FRAME_INCOMPLETE` is no fault: more bytes are needed.
typedef enum SLUICE_CLOSED_ENUM sluice_frame_error {
    SLUICE_FRAME_OK = 0,
    SLUICE_FRAME_INCOMPLETE = 1,      // the buffer ends inside a frame
    SLUICE_FRAME_BAD_VERSION = 2,     // header: version is not SLUICE_FRAME_VERSION
    SLUICE_FRAME_BAD_TYPE = 3,        // header: unknown type, or a type the other side sends
    SLUICE_FRAME_BAD_FLAGS = 4,       // header: a flag that this type does not have
    SLUICE_FRAME_TOO_LARGE = 5,       // header: longer than SLUICE_FRAME_BYTES_MAX
    SLUICE_FRAME_TRUNCATED = 6,       // a field or a list goes beyond the payload
    SLUICE_FRAME_TRAILING = 7,        // bytes are left after the last field
    SLUICE_FRAME_FIELD_TOO_LONG = 8,  // a field exceeds its limit
    SLUICE_FRAME_FIELD_EMPTY = 9,     // a field that must not be empty is
    SLUICE_FRAME_BAD_VALUE = 10,      // a number outside its closed list
    SLUICE_FRAME_RESERVED = 11,       // a reserved field is not zero
    SLUICE_FRAME_BAD_COUNT = 12,      // a count does not match what follows, or exceeds its limit
    SLUICE_FRAME_BAD_RECORD = 13      // a record's length is not the sum of its parts
} sluice_frame_error_t;

// Outcome of a decoder. `offset` is where in the given bytes the fault is; 0 when OK.
typedef struct sluice_frame_check {
    sluice_frame_error_t error;
    size_t offset;
} sluice_frame_check_t;

typedef enum SLUICE_CLOSED_ENUM sluice_frame_type {
    SLUICE_FRAME_READY = 1,           // worker to host
    SLUICE_FRAME_LOAD_FAILED = 2,
    SLUICE_FRAME_EMIT = 3,
    SLUICE_FRAME_CHECKPOINT = 4,
    SLUICE_FRAME_WAIT_DURABLE = 5,
    SLUICE_FRAME_HTTP_OPEN = 6,
    SLUICE_FRAME_HTTP_READ = 7,
    SLUICE_FRAME_HTTP_CLOSE = 8,
    SLUICE_FRAME_LOG = 9,
    SLUICE_FRAME_CLOCK = 10,
    SLUICE_FRAME_RANDOM = 11,
    SLUICE_FRAME_RATE_HINT = 12,
    SLUICE_FRAME_RESULT = 13,
    SLUICE_FRAME_PONG = 14,
    SLUICE_FRAME_CONFIGURE = 32,      // host to worker
    SLUICE_FRAME_START = 33,
    SLUICE_FRAME_CREDIT = 34,
    SLUICE_FRAME_DURABLE = 35,
    SLUICE_FRAME_HTTP_HEAD = 36,
    SLUICE_FRAME_HTTP_BODY = 37,
    SLUICE_FRAME_HTTP_ERROR = 38,
    SLUICE_FRAME_CLOCK_REPLY = 39,
    SLUICE_FRAME_RANDOM_REPLY = 40,
    SLUICE_FRAME_CANCEL = 41,
    SLUICE_FRAME_PING = 42,
    SLUICE_FRAME_SHUTDOWN = 43
} sluice_frame_type_t;

// Flags: HTTP_BODY has one, every other type has none.
enum { SLUICE_FRAME_FLAG_END = 1 };   // HTTP_BODY: nothing follows

// One whole frame. `operation` names the operation it belongs to (0: none); `call` numbers the
// worker's calls within it: a reply repeats the number of its call, other frames carry 0.
typedef struct sluice_frame {
    sluice_frame_type_t type;
    uint16_t flags;
    uint32_t operation;
    uint32_t call;
    sluice_bytes_t payload;
    size_t size;                      // header and payload; INCOMPLETE: bytes needed in the buffer
} sluice_frame_t;

typedef enum SLUICE_CLOSED_ENUM sluice_frame_sender {
    SLUICE_FRAME_SENDER_WORKER = 1,
    SLUICE_FRAME_SENDER_HOST = 2
} sluice_frame_sender_t;

// Takes the first frame off `buffer`, which holds bytes received from `sender`. OK fills `*out`: handle
// it, drop out->size bytes, call again. INCOMPLETE sets out->size to the bytes needed to go on (at least
// 16, at most SLUICE_FRAME_BYTES_MAX). Anything else: the peer broke the protocol and must be ended.
// A frame's payload is not yet checked: give it to its decoder.
sluice_frame_check_t sluice_frame_next(sluice_bytes_t buffer, sluice_frame_sender_t sender, sluice_frame_t *out);

// Static, NUL-terminated, lower-case words for logs: "truncated", "http_open".
const char *sluice_frame_error_name(sluice_frame_error_t error);
const char *sluice_frame_type_name(sluice_frame_type_t type);

// A list of pairs as it stands in a frame: {u16 name length, u32 value length, name, value}...
// Decoders check the whole list, so walking a decoded list cannot fail.
typedef struct sluice_pairs {
    sluice_bytes_t raw;
    uint32_t count;
} sluice_pairs_t;

// Takes the first pair off `*pairs`. Returns false when none is left.
bool sluice_pairs_next(sluice_pairs_t *pairs, sluice_bytes_t *name, sluice_bytes_t *value);

// Appends one pair at out[*used] and counts it. Returns false, changing nothing, when it would exceed
// `capacity` or a limit. To build a list: zero `used` and `count`, append, then use
// {{out, used}, count} as sluice_pairs_t.
bool sluice_pairs_append(uint8_t *out, size_t capacity, size_t *used, uint32_t *count, sluice_bytes_t name,
                         sluice_bytes_t value);

// A list of names: {u16 length, name}... Same rules.
typedef struct sluice_names {
    sluice_bytes_t raw;
    uint32_t count;
} sluice_names_t;

bool sluice_names_next(sluice_names_t *names, sluice_bytes_t *name);
bool sluice_names_append(uint8_t *out, size_t capacity, size_t *used, uint32_t *count, sluice_bytes_t name);

// Every encoder has this shape: it returns the size of the whole frame, and has written it to `out` only
// if that is at most `capacity` (so NULL, 0 asks for the size). 0 means: cannot be encoded, a field
// exceeds its limit or a value is not in its list.

#endif
