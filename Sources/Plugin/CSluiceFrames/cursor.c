#include "cursor.h"

#include <string.h>

in_t in_open(sluice_bytes_t bytes) {
    in_t in = {bytes, 0, {SLUICE_FRAME_OK, 0}};
    return in;
}

void in_fail(in_t *in, sluice_frame_error_t error, size_t offset) {
    if (in->check.error != SLUICE_FRAME_OK) return;  // the first fault is the one to report
    in->check.error = error;
    in->check.offset = offset;
}

// Returns the next `count` bytes, or NULL after a fault.
static const uint8_t *in_take(in_t *in, size_t count) {
    if (in->check.error != SLUICE_FRAME_OK) return NULL;
    // `at` never exceeds `len`, so the subtraction cannot wrap; an addition of hostile numbers could.
    if (count > in->bytes.len - in->at) {
        in_fail(in, SLUICE_FRAME_TRUNCATED, in->at);
        return NULL;
    }
    if (in->bytes.ptr == NULL) return NULL;  // empty: NULL + 0 is undefined
    const uint8_t *taken = in->bytes.ptr + in->at;
    in->at += count;
    return taken;
}

uint64_t in_number(in_t *in, unsigned width) {
    const uint8_t *taken = in_take(in, width);
    uint64_t value = 0;
    if (taken == NULL) return 0;
    for (unsigned i = 0; i < width; i++) value |= (uint64_t)taken[i] << (8 * i);
    return value;
}

uint64_t in_between(in_t *in, unsigned width, uint64_t low, uint64_t high) {
    size_t start = in->at;
    uint64_t value = in_number(in, width);
    if (value >= low && value <= high) return value;
    in_fail(in, SLUICE_FRAME_BAD_VALUE, start);
    return low;
}

bool sluice_status_is_known(int32_t status) {
    return (status <= 0 && status >= -6) || (status <= -16 && status >= -21);
}

int32_t in_status(in_t *in) {
    size_t start = in->at;
    int32_t status = (int32_t)(uint32_t)in_number(in, 4);
    if (!sluice_status_is_known(status)) in_fail(in, SLUICE_FRAME_BAD_VALUE, start);
    return status;
}

void in_zero(in_t *in, unsigned width) {
    size_t start = in->at;
    if (in_number(in, width) != 0) in_fail(in, SLUICE_FRAME_RESERVED, start);
}

static sluice_bytes_t in_exactly(in_t *in, size_t len) {
    sluice_bytes_t none = {NULL, 0};
    const uint8_t *taken = in_take(in, len);
    if (taken == NULL) return none;
    sluice_bytes_t bytes = {taken, len};
    return bytes;
}

sluice_bytes_t in_bytes(in_t *in, size_t min, size_t max) {
    size_t start = in->at;
    size_t len = (size_t)in_number(in, 4);
    if (len > max) in_fail(in, SLUICE_FRAME_FIELD_TOO_LONG, start);
    if (len < min) in_fail(in, SLUICE_FRAME_FIELD_EMPTY, start);
    return in_exactly(in, len);
}

// Reads one {u16 name length, [u32 value length], name, [value]}; `value` is NULL in a list of names.
static void in_item(in_t *in, sluice_bytes_t *name, sluice_bytes_t *value) {
    size_t start = in->at;
    size_t name_len = (size_t)in_number(in, 2);
    size_t value_len = value == NULL ? 0 : (size_t)in_number(in, 4);
    if (name_len > SLUICE_FRAME_NAME_BYTES_MAX) in_fail(in, SLUICE_FRAME_FIELD_TOO_LONG, start);
    if (name_len == 0) in_fail(in, SLUICE_FRAME_FIELD_EMPTY, start);
    if (value_len > SLUICE_FRAME_VALUE_BYTES_MAX) in_fail(in, SLUICE_FRAME_FIELD_TOO_LONG, start + 2);
    *name = in_exactly(in, name_len);
    if (value != NULL) *value = in_exactly(in, value_len);
}

// Reads {u32 count, u32 length, list} and walks the list, so that nobody after us has to check it.
static sluice_bytes_t in_list(in_t *in, uint32_t count_max, bool with_values, uint32_t *count) {
    size_t start = in->at;
    *count = (uint32_t)in_number(in, 4);
    if (*count > count_max) in_fail(in, SLUICE_FRAME_BAD_COUNT, start);
    sluice_bytes_t raw = in_bytes(in, 0, SLUICE_FRAME_PAIRS_BYTES_MAX);
    if (in->check.error != SLUICE_FRAME_OK) return raw;

    in_t list = in_open(raw);
    sluice_bytes_t name, value;
    uint32_t seen = 0;
    for (; seen < *count && list.check.error == SLUICE_FRAME_OK; seen++) {
        in_item(&list, &name, with_values ? &value : NULL);
    }
    if (list.check.error != SLUICE_FRAME_OK) in_fail(in, list.check.error, start + 8 + list.check.offset);
    if (list.at != raw.len) in_fail(in, SLUICE_FRAME_BAD_COUNT, start);
    return raw;
}

sluice_pairs_t in_pairs(in_t *in) {
    sluice_pairs_t pairs;
    pairs.raw = in_list(in, SLUICE_FRAME_PAIRS_MAX, true, &pairs.count);
    return pairs;
}

sluice_names_t in_names(in_t *in) {
    sluice_names_t names;
    names.raw = in_list(in, SLUICE_FRAME_NAMES_MAX, false, &names.count);
    return names;
}

sluice_bytes_t in_rest(in_t *in) {
    return in_exactly(in, in->check.error == SLUICE_FRAME_OK ? in->bytes.len - in->at : 0);
}

sluice_frame_check_t in_close(in_t *in) {
    if (in->at != in->bytes.len) in_fail(in, SLUICE_FRAME_TRAILING, in->at);
    return in->check;
}

out_t out_open(sluice_frame_type_t type, uint16_t flags, uint32_t operation, uint32_t call, uint8_t *bytes,
               size_t capacity) {
    out_t out = {bytes, bytes == NULL ? 0 : capacity, 0, false};
    out_number(&out, 0, 4);  // the length, known at out_close
    out_number(&out, SLUICE_FRAME_VERSION, 1);
    out_number(&out, (uint64_t)type, 1);
    out_number(&out, flags, 2);
    out_number(&out, operation, 4);
    out_number(&out, call, 4);
    return out;
}

void out_raw(out_t *out, sluice_bytes_t bytes) {
    if (bytes.len > SLUICE_FRAME_BYTES_MAX - out->at) out->refused = true;
    if (out->refused) return;
    if (bytes.len > 0 && out->at + bytes.len <= out->capacity) memcpy(out->bytes + out->at, bytes.ptr, bytes.len);
    out->at += bytes.len;
}

void out_number(out_t *out, uint64_t value, unsigned width) {
    uint8_t bytes[8];
    for (unsigned i = 0; i < width; i++) bytes[i] = (uint8_t)(value >> (8 * i));
    sluice_bytes_t raw = {bytes, width};
    out_raw(out, raw);
}

void out_between(out_t *out, uint64_t value, unsigned width, uint64_t low, uint64_t high) {
    if (value < low || value > high) out->refused = true;
    out_number(out, value, width);
}

void out_status(out_t *out, int32_t status) {
    if (!sluice_status_is_known(status)) out->refused = true;
    out_number(out, (uint32_t)status, 4);
}

void out_bytes(out_t *out, sluice_bytes_t bytes, size_t min, size_t max) {
    if (bytes.len < min || bytes.len > max) out->refused = true;
    out_number(out, bytes.len, 4);
    out_raw(out, bytes);
}

static void out_list(out_t *out, uint32_t count, uint32_t count_max, sluice_bytes_t raw) {
    if (count > count_max) out->refused = true;
    out_number(out, count, 4);
    out_bytes(out, raw, 0, SLUICE_FRAME_PAIRS_BYTES_MAX);
}

void out_pairs(out_t *out, const sluice_pairs_t *pairs) {
    out_list(out, pairs->count, SLUICE_FRAME_PAIRS_MAX, pairs->raw);
}

void out_names(out_t *out, const sluice_names_t *names) {
    out_list(out, names->count, SLUICE_FRAME_NAMES_MAX, names->raw);
}

size_t out_close(out_t *out) {
    if (out->refused) return 0;
    size_t payload = out->at - SLUICE_FRAME_HEADER_BYTES;
    if (out->at <= out->capacity) {
        for (unsigned i = 0; i < 4; i++) out->bytes[i] = (uint8_t)(payload >> (8 * i));
    }
    return out->at;
}
