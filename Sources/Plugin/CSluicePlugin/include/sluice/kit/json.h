// Reads JSON (RFC 8259) where it stands: nothing is allocated, nothing is copied but a text that is asked for. Part of
// sluice/kit.h.
//
// A value is the slice of its text. Check a document once with sluice_json_check(); every function is safe on any
// bytes, but only what was checked is sure to be JSON. Nesting is bounded.
#ifndef SLUICE_KIT_JSON_H
#define SLUICE_KIT_JSON_H

#include "text.h"

enum { SLUICE_JSON_DEPTH_MAX = 64 };

typedef struct sluice_json_in {
    const uint8_t *at, *end;
} sluice_json_in_t;

static inline sluice_json_in_t sluice_json_open(sluice_slice_t slice) {
    const uint8_t *at = (const uint8_t *)(slice.len > 0 ? slice.ptr : "");
    sluice_json_in_t in = {at, at + slice.len};
    return in;
}

static inline void sluice_json_space(sluice_json_in_t *in) {
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' || *in->at == '\r')) in->at++;
}

static inline int sluice_json_take(sluice_json_in_t *in, char wanted) {
    sluice_json_space(in);
    if (in->at == in->end || *in->at != (uint8_t)wanted) return 0;
    in->at++;
    return 1;
}

// One character that is not escaped, as UTF-8 without surrogates or overlong forms.
static inline int sluice_json_character(sluice_json_in_t *in) {
    uint8_t first = *in->at;
    int more = first < 0x80 ? 0 : first >= 0xC2 && first < 0xE0 ? 1 : first >= 0xE0 && first < 0xF0 ? 2
               : first >= 0xF0 && first < 0xF5 ? 3 : -1;
    if (more < 0 || first < 0x20 || in->end - in->at <= more) return 0;
    for (int i = 1; i <= more; i++) {
        uint8_t low = 0x80, high = 0xBF;
        if (i == 1 && first == 0xE0) low = 0xA0;
        if (i == 1 && first == 0xED) high = 0x9F;
        if (i == 1 && first == 0xF0) low = 0x90;
        if (i == 1 && first == 0xF4) high = 0x8F;
        if (in->at[i] < low || in->at[i] > high) return 0;
    }
    in->at += more + 1;
    return 1;
}

static inline int sluice_json_hex(sluice_json_in_t *in, uint32_t *unit) {
    *unit = 0;
    if (in->end - in->at < 4) return 0;
    for (int i = 0; i < 4; i++, in->at++) {
        uint8_t c = *in->at, digit = c >= '0' && c <= '9' ? (uint8_t)(c - '0') : c >= 'a' && c <= 'f' ? (uint8_t)(c - 'a' + 10)
                                     : c >= 'A' && c <= 'F' ? (uint8_t)(c - 'A' + 10) : 16;
        if (digit > 15) return 0;
        *unit = *unit << 4 | digit;
    }
    return 1;
}

// What follows a backslash, as a Unicode scalar. Half a surrogate pair is refused.
static inline int sluice_json_escape(sluice_json_in_t *in, uint32_t *scalar) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    uint32_t low;
    if (in->at == in->end) return 0;
    uint8_t kind = *in->at++;
    const char *simple = kind != 0 ? strchr(from, kind) : NULL;
    if (simple != NULL) {
        *scalar = (uint8_t)to[simple - from];
        return 1;
    }
    if (kind != 'u' || !sluice_json_hex(in, scalar) || (*scalar >= 0xDC00 && *scalar < 0xE000)) return 0;
    if (*scalar < 0xD800 || *scalar >= 0xE000) return 1;
    if (in->end - in->at < 6 || in->at[0] != '\\' || in->at[1] != 'u') return 0;
    in->at += 2;
    if (!sluice_json_hex(in, &low) || low < 0xDC00 || low > 0xDFFF) return 0;
    *scalar = 0x10000 + ((*scalar - 0xD800) << 10) + (low - 0xDC00);
    return 1;
}

static inline void sluice_put_scalar(sluice_out_t *out, uint32_t scalar) {
    uint8_t bytes[4];
    size_t len = scalar < 0x80 ? 1 : scalar < 0x800 ? 2 : scalar < 0x10000 ? 3 : 4;
    static const uint8_t marks[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = len; i-- > 1; scalar >>= 6) bytes[i] = (uint8_t)(0x80 | (scalar & 0x3F));
    bytes[0] = (uint8_t)(marks[len] | scalar);
    sluice_put_slice(out, sluice_bytes(bytes, len));
}

// Reads a text; `out` may be NULL.
static inline int sluice_json_string(sluice_json_in_t *in, sluice_out_t *out) {
    if (!sluice_json_take(in, '"')) return 0;
    while (in->at < in->end && *in->at != '"') {
        const uint8_t *start = in->at;
        uint32_t scalar = 0;
        if (*in->at == '\\') {
            in->at++;
            if (!sluice_json_escape(in, &scalar)) return 0;
            if (out != NULL) sluice_put_scalar(out, scalar);
        } else {
            if (!sluice_json_character(in)) return 0;
            if (out != NULL) sluice_put_slice(out, sluice_bytes(start, (size_t)(in->at - start)));
        }
    }
    return sluice_json_take(in, '"');
}

static inline size_t sluice_json_digits(sluice_json_in_t *in) {
    const uint8_t *start = in->at;
    while (in->at < in->end && *in->at >= '0' && *in->at <= '9') in->at++;
    return (size_t)(in->at - start);
}

static inline int sluice_json_number(sluice_json_in_t *in) {
    if (in->at < in->end && *in->at == '-') in->at++;
    const uint8_t *whole = in->at;
    size_t digits = sluice_json_digits(in);
    if (digits == 0 || (digits > 1 && *whole == '0')) return 0;
    if (in->at < in->end && *in->at == '.') {
        in->at++;
        if (sluice_json_digits(in) == 0) return 0;
    }
    if (in->at == in->end || (*in->at != 'e' && *in->at != 'E')) return 1;
    in->at++;
    if (in->at < in->end && (*in->at == '+' || *in->at == '-')) in->at++;
    return sluice_json_digits(in) > 0;
}

static inline int sluice_json_word(sluice_json_in_t *in, const char *word) {
    size_t len = strlen(word);
    if ((size_t)(in->end - in->at) < len || memcmp(in->at, word, len) != 0) return 0;
    in->at += len;
    return 1;
}

static inline int sluice_json_skip(sluice_json_in_t *in, int depth) {
    sluice_json_space(in);
    if (in->at == in->end || depth > SLUICE_JSON_DEPTH_MAX) return 0;
    uint8_t first = *in->at;
    if (first == '"') return sluice_json_string(in, NULL);
    if (first == 't') return sluice_json_word(in, "true");
    if (first == 'f') return sluice_json_word(in, "false");
    if (first == 'n') return sluice_json_word(in, "null");
    if (first != '{' && first != '[') return sluice_json_number(in);
    in->at++;
    char close = first == '{' ? '}' : ']';
    if (sluice_json_take(in, close)) return 1;
    do {
        if (first == '{' && !(sluice_json_string(in, NULL) && sluice_json_take(in, ':'))) return 0;
        if (!sluice_json_skip(in, depth + 1)) return 0;
    } while (sluice_json_take(in, ','));
    return sluice_json_take(in, close);
}

// 1 when the bytes are one JSON value and nothing else.
static inline int sluice_json_check(sluice_slice_t document) {
    sluice_json_in_t in = sluice_json_open(document);
    if (!sluice_json_skip(&in, 1)) return 0;
    sluice_json_space(&in);
    return in.at == in.end;
}

// The next value of `in` as a slice of its own. 0 when there is none.
static inline int sluice_json_value(sluice_json_in_t *in, sluice_slice_t *value) {
    sluice_json_space(in);
    const uint8_t *start = in->at;
    if (!sluice_json_skip(in, 1)) return 0;
    *value = sluice_bytes(start, (size_t)(in->at - start));
    return 1;
}

// 1 when the value is a list.
static inline int sluice_json_is_list(sluice_slice_t value) {
    sluice_json_in_t in = sluice_json_open(value);
    return sluice_json_take(&in, '[');
}

// Walks the items of a list: set `*place` to NULL, call until 0. No list has no items.
static inline int sluice_json_item(sluice_slice_t list, const uint8_t **place, sluice_slice_t *item) {
    sluice_json_in_t in = sluice_json_open(list);
    if (*place == NULL) {
        if (!sluice_json_take(&in, '[')) return 0;
    } else {
        in.at = *place;
        if (!sluice_json_take(&in, ',')) return 0;
    }
    if (!sluice_json_value(&in, item)) return 0;
    *place = in.at;
    return 1;
}

// The member of that name, or a slice of length 0 when this is no object that has one. The first of a name counts.
static inline sluice_slice_t sluice_json_member(sluice_slice_t object, const char *name) {
    sluice_json_in_t in = sluice_json_open(object);
    sluice_slice_t none = {NULL, 0}, value = none;
    char found[SLUICE_NAME_BYTES_MAX];
    if (!sluice_json_take(&in, '{')) return none;
    do {
        sluice_out_t key = sluice_out(found, sizeof found);
        if (!sluice_json_string(&in, &key) || !sluice_json_take(&in, ':') || !sluice_json_value(&in, &value)) return none;
        if (!key.full && sluice_is(sluice_out_slice(&key), name)) return value;
    } while (sluice_json_take(&in, ','));
    return none;
}

// A whole number of 64 bits. 0 when the value is none.
static inline int sluice_json_integer(sluice_slice_t value, int64_t *out) { return sluice_parse_integer(value, out); }

// A text, unescaped and NUL-terminated. 0 when the value is none, does not fit, or holds a NUL.
static inline int sluice_json_text(sluice_slice_t value, char *text, size_t capacity) {
    sluice_json_in_t in = sluice_json_open(value);
    sluice_out_t out = sluice_out(text, capacity > 0 ? capacity - 1 : 0);
    if (capacity == 0 || !sluice_json_string(&in, &out) || in.at != in.end || out.full) return 0;
    if (memchr(text, 0, out.len) != NULL) return 0;
    text[out.len] = 0;
    return 1;
}

#endif
