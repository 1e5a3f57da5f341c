// Codecs of what the host says, each as the list of its fields.
#include "cursor.h"

sluice_frame_check_t sluice_decode_configure(sluice_bytes_t payload, sluice_frame_configure_t *out) {
    in_t in = in_open(payload);
    out->record_bytes_max = (uint32_t)in_between(&in, 4, 1, SLUICE_FRAME_RECORD_BYTES_MAX);
    out->batch_records = (uint32_t)in_between(&in, 4, 1, SLUICE_FRAME_RECORDS_MAX);
    out->batch_bytes = (uint32_t)in_between(&in, 4, 1, SLUICE_FRAME_RECORD_BYTES_MAX);
    out->factory = in_bytes(&in, 1, SLUICE_FRAME_NAME_BYTES_MAX);
    out->component = in_bytes(&in, 0, SLUICE_FRAME_NAME_BYTES_MAX);
    out->config = in_bytes(&in, 0, SLUICE_FRAME_JSON_BYTES_MAX);
    out->extensions = in_names(&in);
    return in_close(&in);
}

size_t sluice_encode_configure(const sluice_frame_configure_t *m, uint32_t operation, uint8_t *out, size_t capacity) {
    out_t o = out_open(SLUICE_FRAME_CONFIGURE, 0, operation, 0, out, capacity);
    out_between(&o, m->record_bytes_max, 4, 1, SLUICE_FRAME_RECORD_BYTES_MAX);
    out_between(&o, m->batch_records, 4, 1, SLUICE_FRAME_RECORDS_MAX);
    out_between(&o, m->batch_bytes, 4, 1, SLUICE_FRAME_RECORD_BYTES_MAX);
    out_bytes(&o, m->factory, 1, SLUICE_FRAME_NAME_BYTES_MAX);
    out_bytes(&o, m->component, 0, SLUICE_FRAME_NAME_BYTES_MAX);
    out_bytes(&o, m->config, 0, SLUICE_FRAME_JSON_BYTES_MAX);
    out_names(&o, &m->extensions);
    return out_close(&o);
}

sluice_frame_check_t sluice_decode_start(sluice_bytes_t payload, sluice_frame_start_t *out) {
    in_t in = in_open(payload);
    out->kind = (sluice_operation_t)in_between(&in, 4, SLUICE_OPERATION_CHECK, SLUICE_OPERATION_MIGRATE);
    out->state_version = (uint32_t)in_number(&in, 4);
    out->deadline_ms = in_between(&in, 8, 0, INT64_MAX);
    out->time_ms = (int64_t)in_number(&in, 8);
    out->name = in_bytes(&in, 0, SLUICE_FRAME_NAME_BYTES_MAX);
    out->key = in_bytes(&in, 0, SLUICE_FRAME_NAME_BYTES_MAX);
    out->method = in_bytes(&in, 0, SLUICE_FRAME_NAME_BYTES_MAX);
    out->path = in_bytes(&in, 0, SLUICE_FRAME_TARGET_BYTES_MAX);
    out->query = in_bytes(&in, 0, SLUICE_FRAME_TARGET_BYTES_MAX);
    out->state = in_bytes(&in, 0, SLUICE_FRAME_STATE_BYTES_MAX);
    out->body = in_bytes(&in, 0, SLUICE_FRAME_BODY_BYTES_MAX);
    out->headers = in_pairs(&in);
    return in_close(&in);
}

size_t sluice_encode_start(const sluice_frame_start_t *m, uint32_t operation, uint8_t *out, size_t capacity) {
    out_t o = out_open(SLUICE_FRAME_START, 0, operation, 0, out, capacity);
    out_between(&o, (uint64_t)m->kind, 4, SLUICE_OPERATION_CHECK, SLUICE_OPERATION_MIGRATE);
    out_number(&o, m->state_version, 4);
    out_between(&o, m->deadline_ms, 8, 0, INT64_MAX);
    out_number(&o, (uint64_t)m->time_ms, 8);
    out_bytes(&o, m->name, 0, SLUICE_FRAME_NAME_BYTES_MAX);
    out_bytes(&o, m->key, 0, SLUICE_FRAME_NAME_BYTES_MAX);
    out_bytes(&o, m->method, 0, SLUICE_FRAME_NAME_BYTES_MAX);
    out_bytes(&o, m->path, 0, SLUICE_FRAME_TARGET_BYTES_MAX);
    out_bytes(&o, m->query, 0, SLUICE_FRAME_TARGET_BYTES_MAX);
    out_bytes(&o, m->state, 0, SLUICE_FRAME_STATE_BYTES_MAX);
    out_bytes(&o, m->body, 0, SLUICE_FRAME_BODY_BYTES_MAX);
    out_pairs(&o, &m->headers);
    return out_close(&o);
}

sluice_frame_check_t sluice_decode_credit(sluice_bytes_t payload, sluice_frame_credit_t *out) {
    in_t in = in_open(payload);
    out->records = (uint32_t)in_number(&in, 4);
    out->bytes = (uint32_t)in_number(&in, 4);
    return in_close(&in);
}

size_t sluice_encode_credit(const sluice_frame_credit_t *m, uint32_t operation, uint8_t *out, size_t capacity) {
    out_t o = out_open(SLUICE_FRAME_CREDIT, 0, operation, 0, out, capacity);
    out_number(&o, m->records, 4);
    out_number(&o, m->bytes, 4);
    return out_close(&o);
}

size_t sluice_encode_durable(uint32_t operation, uint32_t call, uint8_t *out, size_t capacity) {
    out_t o = out_open(SLUICE_FRAME_DURABLE, 0, operation, call, out, capacity);
    return out_close(&o);
}

sluice_frame_check_t sluice_decode_http_head(sluice_bytes_t payload, sluice_frame_http_head_t *out) {
    in_t in = in_open(payload);
    out->status = (uint32_t)in_between(&in, 4, 100, 599);
    out->throttled_ms = (uint32_t)in_number(&in, 4);
    out->headers = in_pairs(&in);
    return in_close(&in);
}

size_t sluice_encode_http_head(const sluice_frame_http_head_t *m, uint32_t operation, uint32_t call, uint8_t *out,
                               size_t capacity) {
    out_t o = out_open(SLUICE_FRAME_HTTP_HEAD, 0, operation, call, out, capacity);
    out_between(&o, m->status, 4, 100, 599);
    out_number(&o, m->throttled_ms, 4);
    out_pairs(&o, &m->headers);
    return out_close(&o);
}

size_t sluice_encode_http_body(sluice_bytes_t part, bool end, uint32_t operation, uint32_t call, uint8_t *out,
                               size_t capacity) {
    uint16_t flags = end ? SLUICE_FRAME_FLAG_END : 0;
    out_t o = out_open(SLUICE_FRAME_HTTP_BODY, flags, operation, call, out, capacity);
    // An empty part that is not the end would make the worker ask again for ever.
    if (part.len > SLUICE_FRAME_WINDOW_BYTES_MAX || (part.len == 0 && !end)) o.refused = true;
    out_raw(&o, part);
    return out_close(&o);
}

sluice_frame_check_t sluice_decode_http_error(sluice_bytes_t payload, sluice_frame_http_error_t *out) {
    in_t in = in_open(payload);
    out->status = in_status(&in);
    if (out->status == 0) in_fail(&in, SLUICE_FRAME_BAD_VALUE, 0);
    out->retry_after_ms = (int64_t)in_number(&in, 8);
    out->code = in_bytes(&in, 0, SLUICE_FRAME_NAME_BYTES_MAX);
    out->message = in_bytes(&in, 0, SLUICE_FRAME_TEXT_BYTES_MAX);
    return in_close(&in);
}

size_t sluice_encode_http_error(const sluice_frame_http_error_t *m, uint32_t operation, uint32_t call, uint8_t *out,
                                size_t capacity) {
    out_t o = out_open(SLUICE_FRAME_HTTP_ERROR, 0, operation, call, out, capacity);
    if (m->status == 0) o.refused = true;
    out_status(&o, m->status);
    out_number(&o, (uint64_t)m->retry_after_ms, 8);
    out_bytes(&o, m->code, 0, SLUICE_FRAME_NAME_BYTES_MAX);
    out_bytes(&o, m->message, 0, SLUICE_FRAME_TEXT_BYTES_MAX);
    return out_close(&o);
}

sluice_frame_check_t sluice_decode_clock_reply(sluice_bytes_t payload, int64_t *ms) {
    in_t in = in_open(payload);
    *ms = (int64_t)in_number(&in, 8);
    return in_close(&in);
}

size_t sluice_encode_clock_reply(int64_t ms, uint32_t operation, uint32_t call, uint8_t *out, size_t capacity) {
    out_t o = out_open(SLUICE_FRAME_CLOCK_REPLY, 0, operation, call, out, capacity);
    out_number(&o, (uint64_t)ms, 8);
    return out_close(&o);
}

size_t sluice_encode_random_reply(sluice_bytes_t bytes, uint32_t operation, uint32_t call, uint8_t *out,
                                  size_t capacity) {
    out_t o = out_open(SLUICE_FRAME_RANDOM_REPLY, 0, operation, call, out, capacity);
    if (bytes.len == 0 || bytes.len > SLUICE_FRAME_RANDOM_BYTES_MAX) o.refused = true;
    out_raw(&o, bytes);
    return out_close(&o);
}

sluice_frame_check_t sluice_decode_cancel(sluice_bytes_t payload, uint32_t *grace_ms) {
    in_t in = in_open(payload);
    *grace_ms = (uint32_t)in_number(&in, 4);
    return in_close(&in);
}

size_t sluice_encode_cancel(uint32_t grace_ms, uint32_t operation, uint8_t *out, size_t capacity) {
    out_t o = out_open(SLUICE_FRAME_CANCEL, 0, operation, 0, out, capacity);
    out_number(&o, grace_ms, 4);
    return out_close(&o);
}

sluice_frame_check_t sluice_decode_ping(sluice_bytes_t payload, uint64_t *token) {
    in_t in = in_open(payload);
    *token = in_number(&in, 8);
    return in_close(&in);
}

size_t sluice_encode_ping(uint64_t token, uint8_t *out, size_t capacity) {
    out_t o = out_open(SLUICE_FRAME_PING, 0, 0, 0, out, capacity);
    out_number(&o, token, 8);
    return out_close(&o);
}

size_t sluice_encode_shutdown(uint8_t *out, size_t capacity) {
    out_t o = out_open(SLUICE_FRAME_SHUTDOWN, 0, 0, 0, out, capacity);
    return out_close(&o);
}
