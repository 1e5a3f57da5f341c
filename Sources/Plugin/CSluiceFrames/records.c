// Records and EMIT. The layout is the journal's: changing it is a new SLUICE_FRAME_RECORD_LAYOUT.
#include "cursor.h"

#include <string.h>

size_t sluice_record_size(size_t key_len, size_t version_len, size_t payload_len) {
    return SLUICE_FRAME_RECORD_HEADER_BYTES + key_len + version_len + payload_len;
}

sluice_frame_check_t sluice_record_next(sluice_bytes_t *section, sluice_frame_record_t *out) {
    if (section->len == 0) {
        sluice_frame_check_t over = {SLUICE_FRAME_INCOMPLETE, 0};
        return over;
    }
    in_t in = in_open(*section);
    size_t whole = (size_t)in_number(&in, 4);
    uint8_t op = (uint8_t)in_between(&in, 1, SLUICE_RECORD_UPSERT, SLUICE_RECORD_DELETE);
    in_zero(&in, 1);
    size_t key_len = (size_t)in_number(&in, 2);
    size_t version_len = (size_t)in_number(&in, 2);
    in_zero(&in, 2);
    size_t payload_len = (size_t)in_number(&in, 4);
    out->event_time_ms = (int64_t)in_number(&in, 8);
    out->source_ordinal = in_number(&in, 8);

    if (key_len == 0) in_fail(&in, SLUICE_FRAME_FIELD_EMPTY, 6);
    if (key_len > SLUICE_FRAME_KEY_BYTES_MAX) in_fail(&in, SLUICE_FRAME_FIELD_TOO_LONG, 6);
    if (version_len > SLUICE_FRAME_VERSION_BYTES_MAX) in_fail(&in, SLUICE_FRAME_FIELD_TOO_LONG, 8);
    if (whole > SLUICE_FRAME_RECORD_BYTES_MAX) in_fail(&in, SLUICE_FRAME_FIELD_TOO_LONG, 0);
    // Widened, so that a payload length near 2^32 cannot wrap on a 32-bit size_t.
    uint64_t sum = (uint64_t)SLUICE_FRAME_RECORD_HEADER_BYTES + key_len + version_len + payload_len;
    if (whole != sum) in_fail(&in, SLUICE_FRAME_BAD_RECORD, 0);
    if (whole > section->len) in_fail(&in, SLUICE_FRAME_TRUNCATED, 0);
    if (in.check.error != SLUICE_FRAME_OK) return in.check;

    const uint8_t *at = section->ptr + SLUICE_FRAME_RECORD_HEADER_BYTES;
    out->op = (sluice_record_op_t)op;
    out->key = (sluice_bytes_t){at, key_len};
    out->source_version = (sluice_bytes_t){at + key_len, version_len};
    out->payload = (sluice_bytes_t){at + key_len + version_len, payload_len};
    out->whole = (sluice_bytes_t){section->ptr, whole};
    section->ptr += whole;
    section->len -= whole;
    return in.check;
}

static uint8_t *put_number(uint8_t *at, uint64_t value, unsigned width) {
    for (unsigned i = 0; i < width; i++) at[i] = (uint8_t)(value >> (8 * i));
    return at + width;
}

static uint8_t *put_bytes(uint8_t *at, sluice_bytes_t bytes) {
    if (bytes.len > 0) memcpy(at, bytes.ptr, bytes.len);
    return at + bytes.len;
}

bool sluice_record_append(uint8_t *out, size_t capacity, size_t *used, const sluice_frame_record_t *record) {
    const sluice_frame_record_t *r = record;
    if (r->op != SLUICE_RECORD_UPSERT && r->op != SLUICE_RECORD_DELETE) return false;
    if (r->key.len == 0 || r->key.len > SLUICE_FRAME_KEY_BYTES_MAX ||
        r->source_version.len > SLUICE_FRAME_VERSION_BYTES_MAX || r->payload.len > SLUICE_FRAME_RECORD_BYTES_MAX) {
        return false;
    }
    size_t whole = sluice_record_size(r->key.len, r->source_version.len, r->payload.len);
    if (whole > SLUICE_FRAME_RECORD_BYTES_MAX || *used > capacity || whole > capacity - *used) return false;

    uint8_t *at = out + *used;
    at = put_number(at, whole, 4);
    at = put_number(at, (uint64_t)r->op, 2);  // op, then a reserved zero
    at = put_number(at, r->key.len, 2);
    at = put_number(at, r->source_version.len, 4);  // u16 length, then a reserved zero
    at = put_number(at, r->payload.len, 4);
    at = put_number(at, (uint64_t)r->event_time_ms, 8);
    at = put_number(at, r->source_ordinal, 8);
    at = put_bytes(at, r->key);
    at = put_bytes(at, r->source_version);
    put_bytes(at, r->payload);
    *used += whole;
    return true;
}

sluice_frame_check_t sluice_decode_emit(sluice_bytes_t payload, sluice_frame_emit_t *out) {
    in_t in = in_open(payload);
    in_between(&in, 2, SLUICE_FRAME_RECORD_LAYOUT, SLUICE_FRAME_RECORD_LAYOUT);
    in_zero(&in, 2);
    out->count = (uint32_t)in_number(&in, 4);
    if (out->count == 0 || out->count > SLUICE_FRAME_RECORDS_MAX) in_fail(&in, SLUICE_FRAME_BAD_COUNT, 4);
    out->stream = in_bytes(&in, 1, SLUICE_FRAME_STREAM_BYTES_MAX);
    size_t start = in.at;
    out->section = in_rest(&in);
    if (in.check.error != SLUICE_FRAME_OK) return in.check;

    sluice_bytes_t rest = out->section;
    for (uint32_t i = 0; i < out->count; i++) {
        sluice_frame_record_t record;
        size_t at = start + (out->section.len - rest.len);
        sluice_frame_check_t check = sluice_record_next(&rest, &record);
        if (check.error == SLUICE_FRAME_INCOMPLETE) in_fail(&in, SLUICE_FRAME_BAD_COUNT, 4);
        else if (check.error != SLUICE_FRAME_OK) in_fail(&in, check.error, at + check.offset);
        if (in.check.error != SLUICE_FRAME_OK) return in.check;
    }
    if (rest.len != 0) in_fail(&in, SLUICE_FRAME_BAD_COUNT, 4);
    return in.check;
}

size_t sluice_encode_emit_head(const sluice_frame_emit_t *m, uint32_t operation, uint8_t *out, size_t capacity) {
    const size_t head = SLUICE_FRAME_HEADER_BYTES + 12 + m->stream.len;
    uint8_t *bytes = head <= capacity ? out : NULL;
    size_t whole = sluice_encode_emit(&(sluice_frame_emit_t){m->stream, m->count, {NULL, 0}}, operation, bytes, head);
    if (whole != head || m->section.len > SLUICE_FRAME_BYTES_MAX - head) return 0;
    if (bytes != NULL) put_number(bytes, head - SLUICE_FRAME_HEADER_BYTES + m->section.len, 4);
    return head;
}

size_t sluice_encode_emit(const sluice_frame_emit_t *m, uint32_t operation, uint8_t *out, size_t capacity) {
    out_t o = out_open(SLUICE_FRAME_EMIT, 0, operation, 0, out, capacity);
    out_number(&o, SLUICE_FRAME_RECORD_LAYOUT, 2);
    out_number(&o, 0, 2);
    out_between(&o, m->count, 4, 1, SLUICE_FRAME_RECORDS_MAX);
    out_bytes(&o, m->stream, 1, SLUICE_FRAME_STREAM_BYTES_MAX);
    out_raw(&o, m->section);
    return out_close(&o);
}
