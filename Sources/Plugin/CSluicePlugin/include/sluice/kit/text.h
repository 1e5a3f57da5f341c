// Slices and bounded texts. Part of sluice/kit.h.
#ifndef SLUICE_KIT_TEXT_H
#define SLUICE_KIT_TEXT_H

#include <string.h>

#include "../sluice.h"

// A NUL-terminated text as a slice. It lives as long as the text.
static inline sluice_slice_t sluice_text(const char *s) {
    sluice_slice_t slice = {s, (uint64_t)strlen(s)};
    return slice;
}

static inline sluice_slice_t sluice_bytes(const void *ptr, size_t len) {
    sluice_slice_t slice = {ptr, (uint64_t)len};
    return slice;
}

// 1 when the slice says exactly `s`.
static inline int sluice_is(sluice_slice_t slice, const char *s) {
    return slice.len == strlen(s) && (slice.len == 0 || memcmp(slice.ptr, s, (size_t)slice.len) == 0);
}

// Copies a slice as a NUL-terminated text. 0 when it does not fit or holds a NUL.
static inline int sluice_copy_text(sluice_slice_t slice, char *out, size_t capacity) {
    if (slice.len >= capacity || (slice.len > 0 && memchr(slice.ptr, 0, (size_t)slice.len) != NULL)) return 0;
    if (slice.len > 0) memcpy(out, slice.ptr, (size_t)slice.len);
    out[slice.len] = 0;
    return 1;
}

// A text that grows in the caller's memory. What does not fit sets `full` and leaves the text as it was:
// look at it once, when the text is done.
typedef struct sluice_out {
    char *bytes;
    size_t len, capacity;
    int full;
} sluice_out_t;

static inline sluice_out_t sluice_out(char *bytes, size_t capacity) {
    sluice_out_t out = {bytes, 0, capacity, 0};
    return out;
}

static inline sluice_slice_t sluice_out_slice(const sluice_out_t *out) { return sluice_bytes(out->bytes, out->len); }

static inline void sluice_put_slice(sluice_out_t *out, sluice_slice_t slice) {
    if (out->full || slice.len > out->capacity - out->len) {
        out->full = 1;
        return;
    }
    if (slice.len > 0) memcpy(out->bytes + out->len, slice.ptr, (size_t)slice.len);
    out->len += (size_t)slice.len;
}

static inline void sluice_put(sluice_out_t *out, const char *s) { sluice_put_slice(out, sluice_text(s)); }

static inline void sluice_put_integer(sluice_out_t *out, int64_t number) {
    char digits[20];
    size_t at = sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do digits[--at] = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (number < 0) sluice_put(out, "-");
    sluice_put_slice(out, sluice_bytes(digits + at, sizeof digits - at));
}

static inline void sluice_put_encoded_but(sluice_out_t *out, sluice_slice_t slice, const char *also_plain) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", hex[] = "0123456789ABCDEF";
    for (uint64_t i = 0; i < slice.len; i++) {
        uint8_t byte = ((const uint8_t *)slice.ptr)[i];
        char encoded[3] = {'%', hex[byte >> 4], hex[byte & 15]};
        int is_plain = byte != 0 && (strchr(plain, byte) != NULL || strchr(also_plain, byte) != NULL);
        sluice_put_slice(out, is_plain ? sluice_bytes(&((const uint8_t *)slice.ptr)[i], 1) : sluice_bytes(encoded, 3));
    }
}

// Percent-encodes all but RFC 3986's unreserved characters: a name or a value of a query.
static inline void sluice_put_encoded(sluice_out_t *out, sluice_slice_t slice) { sluice_put_encoded_but(out, slice, ""); }

// One segment of a path, in the one spelling that the host takes: what may stand there plainly does, all else is encoded. The
// host refuses a segment of "/", "\", "%", a control character or no UTF-8, and one that says nothing but dots and spaces.
static inline void sluice_put_segment(sluice_out_t *out, sluice_slice_t slice) { sluice_put_encoded_but(out, slice, ":@!$'()*+,="); }

// A whole number of 64 bits in decimal, and nothing else. 0 when it is none.
static inline int sluice_parse_integer(sluice_slice_t slice, int64_t *out) {
    const uint8_t *at = (const uint8_t *)slice.ptr;
    uint64_t i = 0, number = 0, limit = INT64_MAX;
    int negative = slice.len > 0 && at[0] == '-';
    if (negative) i++, limit++;
    if (i == slice.len || (at[i] == '0' && slice.len - i > 1) || (negative && at[i] == '0')) return 0;
    for (; i < slice.len; i++) {
        if (at[i] < '0' || at[i] > '9') return 0;
        uint64_t digit = (uint64_t)(at[i] - '0');
        if (number > (limit - digit) / 10) return 0;
        number = number * 10 + digit;
    }
    *out = negative ? (number == 0 ? 0 : -(int64_t)(number - 1) - 1) : (int64_t)number;
    return 1;
}

#endif
