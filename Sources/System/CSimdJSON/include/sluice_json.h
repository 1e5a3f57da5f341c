#ifndef SLUICE_JSON_H
#define SLUICE_JSON_H

// A C face of simdjson (DOM) and the canonical form of RFC 8785 (JCS) over it.
//
// Input is any bytes; nothing needs to be padded or terminated. A document nests at most SLUICE_JSON_DEPTH_MAX deep,
// repeats no key within an object, and holds only integers that a double represents exactly (I-JSON, RFC 7493).

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SLUICE_JSON_DEPTH_MAX = 128 };

typedef enum sluice_json_status {
  SLUICE_JSON_OK = 0,
  SLUICE_JSON_MALFORMED = 1,          // not JSON; see simdjson's message
  SLUICE_JSON_DUPLICATE_KEY = 2,      // the same key twice in one object
  SLUICE_JSON_NUMBER_OUT_OF_RANGE = 3,// an integer beyond +-(2^53 - 1), or a number that is not finite
  SLUICE_JSON_TOO_DEEP = 4,
  SLUICE_JSON_OUT_OF_MEMORY = 5,
} sluice_json_status;

typedef enum sluice_json_kind {
  SLUICE_JSON_NULL = 0,
  SLUICE_JSON_FALSE = 1,
  SLUICE_JSON_TRUE = 2,
  SLUICE_JSON_INTEGER = 3,  // value in `integer`
  SLUICE_JSON_DOUBLE = 4,   // value in `number`
  SLUICE_JSON_STRING = 5,   // UTF-8 at `text`, `count` bytes
  SLUICE_JSON_ARRAY = 6,    // `count` values follow
  SLUICE_JSON_OBJECT = 7,   // `count` pairs follow: a string token, then a value
} sluice_json_kind;

typedef struct sluice_json_token {
  uint32_t kind;
  uint32_t count;
  int64_t integer;
  double number;
  const char *text;
} sluice_json_token;

typedef struct sluice_json_document sluice_json_document;

// Parses `length` bytes into a pre-order list of tokens, owned by the document until it is freed.
sluice_json_status sluice_json_parse(const uint8_t *bytes, size_t length, sluice_json_document **document);
const sluice_json_token *sluice_json_tokens(const sluice_json_document *document, size_t *count);
void sluice_json_free(sluice_json_document *document);

// Writes the canonical form (RFC 8785) into a buffer of the thread's own, valid until the thread's next call.
sluice_json_status sluice_json_canonicalize(
    const uint8_t *bytes, size_t length, const uint8_t **out, size_t *out_length);

// Writes `value` as ECMAScript's Number::toString does (RFC 8785, 3.2.2.3). `out` holds at least 32 bytes.
// Returns the length, or 0 when the value is not finite.
size_t sluice_json_write_number(double value, char *out);

// <0, 0, >0: the order of two UTF-8 keys by UTF-16 code units (RFC 8785, 3.2.3).
int sluice_json_compare_keys(const char *left, size_t left_length, const char *right, size_t right_length);

#ifdef __cplusplus
}
#endif
#endif
