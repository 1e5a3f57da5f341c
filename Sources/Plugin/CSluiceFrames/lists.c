// Lists of pairs and of names.
#include "cursor.h"

#include <string.h>

static void drop(sluice_bytes_t *raw, size_t count) {
    raw->ptr += count;
    raw->len -= count;
}

bool sluice_pairs_next(sluice_pairs_t *pairs, sluice_bytes_t *name, sluice_bytes_t *value) {
    if (pairs->count == 0) return false;
    in_t in = in_open(pairs->raw);
    size_t name_len = (size_t)in_number(&in, 2);
    size_t value_len = (size_t)in_number(&in, 4);
    // A decoded list cannot fail here; one that somebody built by hand ends early instead of overrunning.
    if (in.check.error != SLUICE_FRAME_OK || name_len > pairs->raw.len - in.at ||
        value_len > pairs->raw.len - in.at - name_len) {
        pairs->count = 0;
        return false;
    }
    name->ptr = pairs->raw.ptr + in.at;
    name->len = name_len;
    value->ptr = name->ptr + name_len;
    value->len = value_len;
    drop(&pairs->raw, in.at + name_len + value_len);
    pairs->count--;
    return true;
}

bool sluice_names_next(sluice_names_t *names, sluice_bytes_t *name) {
    if (names->count == 0) return false;
    in_t in = in_open(names->raw);
    size_t name_len = (size_t)in_number(&in, 2);
    if (in.check.error != SLUICE_FRAME_OK || name_len > names->raw.len - in.at) {
        names->count = 0;
        return false;
    }
    name->ptr = names->raw.ptr + in.at;
    name->len = name_len;
    drop(&names->raw, in.at + name_len);
    names->count--;
    return true;
}

static bool fits(size_t capacity, size_t used, size_t wanted) {
    return used <= capacity && wanted <= capacity - used && used + wanted <= SLUICE_FRAME_PAIRS_BYTES_MAX;
}

static size_t put(uint8_t *out, size_t at, const void *bytes, size_t len) {
    if (len > 0) memcpy(out + at, bytes, len);
    return at + len;
}

bool sluice_pairs_append(uint8_t *out, size_t capacity, size_t *used, uint32_t *count, sluice_bytes_t name,
                         sluice_bytes_t value) {
    if (name.len == 0 || name.len > SLUICE_FRAME_NAME_BYTES_MAX || value.len > SLUICE_FRAME_VALUE_BYTES_MAX ||
        *count >= SLUICE_FRAME_PAIRS_MAX || !fits(capacity, *used, 6 + name.len + value.len)) return false;
    const uint8_t lengths[6] = {(uint8_t)name.len, (uint8_t)(name.len >> 8), (uint8_t)value.len,
                                (uint8_t)(value.len >> 8), (uint8_t)(value.len >> 16), 0};
    size_t at = put(out, *used, lengths, sizeof lengths);
    at = put(out, at, name.ptr, name.len);
    *used = put(out, at, value.ptr, value.len);
    *count += 1;
    return true;
}

bool sluice_names_append(uint8_t *out, size_t capacity, size_t *used, uint32_t *count, sluice_bytes_t name) {
    if (name.len == 0 || name.len > SLUICE_FRAME_NAME_BYTES_MAX || *count >= SLUICE_FRAME_NAMES_MAX ||
        !fits(capacity, *used, 2 + name.len)) return false;
    const uint8_t length[2] = {(uint8_t)name.len, (uint8_t)(name.len >> 8)};
    size_t at = put(out, *used, length, sizeof length);
    *used = put(out, at, name.ptr, name.len);
    *count += 1;
    return true;
}
