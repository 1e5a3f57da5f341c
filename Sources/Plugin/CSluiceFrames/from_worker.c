// Codecs of what a worker says, each as the list of its fields. EMIT is in records.c.
#include "cursor.h"

sluice_frame_check_t sluice_decode_ready(sluice_bytes_t payload, sluice_frame_ready_t *out) {
    const uint64_t bits = (UINT64_C(1) << SLUICE_PROTECTION_COUNT) - 1;
    in_t in = in_open(payload);
    out->abi_major = (uint16_t)in_number(&in, 2);
    out->abi_minor = (uint16_t)in_number(&in, 2);
    out->protections_active = (uint32_t)in_between(&in, 4, 0, bits);
    out->protections_missing = (uint32_t)in_between(&in, 4, 0, bits);
    out->landlock_abi = (uint32_t)in_number(&in, 4);
    out->load_us = (uint32_t)in_number(&in, 4);
    return in_close(&in);
}

size_t sluice_encode_ready(const sluice_frame_ready_t *m, uint8_t *out, size_t capacity) {
    out_t o = out_open(SLUICE_FRAME_READY, 0, 0, 0, out, capacity);
    out_number(&o, m->abi_major, 2);
    out_number(&o, m->abi_minor, 2);
    out_number(&o, m->protections_active, 4);
    out_number(&o, m->protections_missing, 4);
    out_number(&o, m->landlock_abi, 4);
    out_number(&o, m->load_us, 4);
    return out_close(&o);
}

sluice_frame_check_t sluice_decode_load_failed(sluice_bytes_t payload, sluice_frame_load_failed_t *out) {
    in_t in = in_open(payload);
    out->step = (sluice_load_step_t)in_between(&in, 4, SLUICE_LOAD_ARGUMENTS, SLUICE_LOAD_SECCOMP_RUN);
    out->error_number = (int32_t)(uint32_t)in_number(&in, 4);
    out->text = in_bytes(&in, 0, SLUICE_FRAME_TEXT_BYTES_MAX);
    return in_close(&in);
}

size_t sluice_encode_load_failed(const sluice_frame_load_failed_t *m, uint8_t *out, size_t capacity) {
    out_t o = out_open(SLUICE_FRAME_LOAD_FAILED, 0, 0, 0, out, capacity);
    out_between(&o, (uint64_t)m->step, 4, SLUICE_LOAD_ARGUMENTS, SLUICE_LOAD_SECCOMP_RUN);
    out_number(&o, (uint32_t)m->error_number, 4);
    out_bytes(&o, m->text, 0, SLUICE_FRAME_TEXT_BYTES_MAX);
    return out_close(&o);
}

sluice_frame_check_t sluice_decode_checkpoint(sluice_bytes_t payload, sluice_frame_checkpoint_t *out) {
    in_t in = in_open(payload);
    out->state_version = (uint32_t)in_number(&in, 4);
    out->watermark_ms = (int64_t)in_number(&in, 8);
    out->stream = in_bytes(&in, 1, SLUICE_FRAME_STREAM_BYTES_MAX);
    out->state = in_bytes(&in, 0, SLUICE_FRAME_STATE_BYTES_MAX);
    return in_close(&in);
}

size_t sluice_encode_checkpoint(const sluice_frame_checkpoint_t *m, uint32_t operation, uint8_t *out, size_t capacity) {
    out_t o = out_open(SLUICE_FRAME_CHECKPOINT, 0, operation, 0, out, capacity);
    out_number(&o, m->state_version, 4);
    out_number(&o, (uint64_t)m->watermark_ms, 8);
    out_bytes(&o, m->stream, 1, SLUICE_FRAME_STREAM_BYTES_MAX);
    out_bytes(&o, m->state, 0, SLUICE_FRAME_STATE_BYTES_MAX);
    return out_close(&o);
}

sluice_frame_check_t sluice_decode_empty(sluice_bytes_t payload) {
    in_t in = in_open(payload);
    return in_close(&in);
}

size_t sluice_encode_wait_durable(uint32_t operation, uint32_t call, uint8_t *out, size_t capacity) {
    out_t o = out_open(SLUICE_FRAME_WAIT_DURABLE, 0, operation, call, out, capacity);
    return out_close(&o);
}

sluice_frame_check_t sluice_decode_http_open(sluice_bytes_t payload, sluice_frame_http_open_t *out) {
    in_t in = in_open(payload);
    out->handle = (uint32_t)in_between(&in, 4, 1, UINT32_MAX);
    out->endpoint = in_bytes(&in, 1, SLUICE_FRAME_NAME_BYTES_MAX);
    out->method = in_bytes(&in, 1, SLUICE_FRAME_NAME_BYTES_MAX);
    out->path = in_bytes(&in, 1, SLUICE_FRAME_TARGET_BYTES_MAX);
    out->query = in_bytes(&in, 0, SLUICE_FRAME_TARGET_BYTES_MAX);
    out->slot = in_bytes(&in, 0, SLUICE_FRAME_NAME_BYTES_MAX);
    out->idempotency_key = in_bytes(&in, 0, SLUICE_FRAME_NAME_BYTES_MAX);
    out->headers = in_pairs(&in);
    out->body = in_bytes(&in, 0, SLUICE_FRAME_BODY_BYTES_MAX);
    return in_close(&in);
}

size_t sluice_encode_http_open(const sluice_frame_http_open_t *m, uint32_t operation, uint32_t call, uint8_t *out,
                               size_t capacity) {
    out_t o = out_open(SLUICE_FRAME_HTTP_OPEN, 0, operation, call, out, capacity);
    out_between(&o, m->handle, 4, 1, UINT32_MAX);
    out_bytes(&o, m->endpoint, 1, SLUICE_FRAME_NAME_BYTES_MAX);
    out_bytes(&o, m->method, 1, SLUICE_FRAME_NAME_BYTES_MAX);
    out_bytes(&o, m->path, 1, SLUICE_FRAME_TARGET_BYTES_MAX);
    out_bytes(&o, m->query, 0, SLUICE_FRAME_TARGET_BYTES_MAX);
    out_bytes(&o, m->slot, 0, SLUICE_FRAME_NAME_BYTES_MAX);
    out_bytes(&o, m->idempotency_key, 0, SLUICE_FRAME_NAME_BYTES_MAX);
    out_pairs(&o, &m->headers);
    out_bytes(&o, m->body, 0, SLUICE_FRAME_BODY_BYTES_MAX);
    return out_close(&o);
}

sluice_frame_check_t sluice_decode_http_read(sluice_bytes_t payload, sluice_frame_http_read_t *out) {
    in_t in = in_open(payload);
    out->handle = (uint32_t)in_between(&in, 4, 1, UINT32_MAX);
    out->window = (uint32_t)in_between(&in, 4, 1, SLUICE_FRAME_WINDOW_BYTES_MAX);
    return in_close(&in);
}

size_t sluice_encode_http_read(const sluice_frame_http_read_t *m, uint32_t operation, uint32_t call, uint8_t *out,
                               size_t capacity) {
    out_t o = out_open(SLUICE_FRAME_HTTP_READ, 0, operation, call, out, capacity);
    out_between(&o, m->handle, 4, 1, UINT32_MAX);
    out_between(&o, m->window, 4, 1, SLUICE_FRAME_WINDOW_BYTES_MAX);
    return out_close(&o);
}

// A frame that is one number between two bounds.
static sluice_frame_check_t one_number(sluice_bytes_t payload, uint64_t low, uint64_t high, uint32_t *out) {
    in_t in = in_open(payload);
    *out = (uint32_t)in_between(&in, 4, low, high);
    return in_close(&in);
}

static size_t put_one_number(out_t o, uint64_t value, uint64_t low, uint64_t high) {
    out_between(&o, value, 4, low, high);
    return out_close(&o);
}

sluice_frame_check_t sluice_decode_http_close(sluice_bytes_t payload, uint32_t *handle) {
    return one_number(payload, 1, UINT32_MAX, handle);
}

size_t sluice_encode_http_close(uint32_t handle, uint32_t operation, uint8_t *out, size_t capacity) {
    return put_one_number(out_open(SLUICE_FRAME_HTTP_CLOSE, 0, operation, 0, out, capacity), handle, 1, UINT32_MAX);
}

sluice_frame_check_t sluice_decode_clock(sluice_bytes_t payload, uint32_t *clock) {
    return one_number(payload, 1, 2, clock);
}

size_t sluice_encode_clock(uint32_t clock, uint32_t operation, uint32_t call, uint8_t *out, size_t capacity) {
    return put_one_number(out_open(SLUICE_FRAME_CLOCK, 0, operation, call, out, capacity), clock, 1, 2);
}

sluice_frame_check_t sluice_decode_random(sluice_bytes_t payload, uint32_t *count) {
    return one_number(payload, 1, SLUICE_FRAME_RANDOM_BYTES_MAX, count);
}

size_t sluice_encode_random(uint32_t count, uint32_t operation, uint32_t call, uint8_t *out, size_t capacity) {
    out_t o = out_open(SLUICE_FRAME_RANDOM, 0, operation, call, out, capacity);
    return put_one_number(o, count, 1, SLUICE_FRAME_RANDOM_BYTES_MAX);
}

sluice_frame_check_t sluice_decode_log(sluice_bytes_t payload, sluice_frame_log_t *out) {
    in_t in = in_open(payload);
    out->level = (uint32_t)in_between(&in, 4, 1, 4);
    out->code = in_bytes(&in, 0, SLUICE_FRAME_NAME_BYTES_MAX);
    out->message = in_bytes(&in, 0, SLUICE_FRAME_TEXT_BYTES_MAX);
    out->fields = in_pairs(&in);
    return in_close(&in);
}

size_t sluice_encode_log(const sluice_frame_log_t *m, uint32_t operation, uint8_t *out, size_t capacity) {
    out_t o = out_open(SLUICE_FRAME_LOG, 0, operation, 0, out, capacity);
    out_between(&o, m->level, 4, 1, 4);
    out_bytes(&o, m->code, 0, SLUICE_FRAME_NAME_BYTES_MAX);
    out_bytes(&o, m->message, 0, SLUICE_FRAME_TEXT_BYTES_MAX);
    out_pairs(&o, &m->fields);
    return out_close(&o);
}

sluice_frame_check_t sluice_decode_rate_hint(sluice_bytes_t payload, sluice_frame_rate_hint_t *out) {
    in_t in = in_open(payload);
    out->limit = (int64_t)in_number(&in, 8);
    out->remaining = (int64_t)in_number(&in, 8);
    out->reset_at_ms = (int64_t)in_number(&in, 8);
    out->endpoint = in_bytes(&in, 1, SLUICE_FRAME_NAME_BYTES_MAX);
    return in_close(&in);
}

size_t sluice_encode_rate_hint(const sluice_frame_rate_hint_t *m, uint32_t operation, uint8_t *out, size_t capacity) {
    out_t o = out_open(SLUICE_FRAME_RATE_HINT, 0, operation, 0, out, capacity);
    out_number(&o, (uint64_t)m->limit, 8);
    out_number(&o, (uint64_t)m->remaining, 8);
    out_number(&o, (uint64_t)m->reset_at_ms, 8);
    out_bytes(&o, m->endpoint, 1, SLUICE_FRAME_NAME_BYTES_MAX);
    return out_close(&o);
}

sluice_frame_check_t sluice_decode_result(sluice_bytes_t payload, sluice_frame_result_t *out) {
    in_t in = in_open(payload);
    out->status = in_status(&in);
    out->outcome = (int32_t)in_between(&in, 4, 0, 4);
    out->retry_after_ms = (int64_t)in_number(&in, 8);
    out->records = in_number(&in, 8);
    out->code = in_bytes(&in, 0, SLUICE_FRAME_NAME_BYTES_MAX);
    out->message = in_bytes(&in, 0, SLUICE_FRAME_TEXT_BYTES_MAX);
    out->json = in_bytes(&in, 0, SLUICE_FRAME_JSON_BYTES_MAX);
    return in_close(&in);
}

size_t sluice_encode_result(const sluice_frame_result_t *m, uint32_t operation, uint8_t *out, size_t capacity) {
    out_t o = out_open(SLUICE_FRAME_RESULT, 0, operation, 0, out, capacity);
    out_status(&o, m->status);
    out_between(&o, (uint32_t)m->outcome, 4, 0, 4);
    out_number(&o, (uint64_t)m->retry_after_ms, 8);
    out_number(&o, m->records, 8);
    out_bytes(&o, m->code, 0, SLUICE_FRAME_NAME_BYTES_MAX);
    out_bytes(&o, m->message, 0, SLUICE_FRAME_TEXT_BYTES_MAX);
    out_bytes(&o, m->json, 0, SLUICE_FRAME_JSON_BYTES_MAX);
    return out_close(&o);
}

sluice_frame_check_t sluice_decode_pong(sluice_bytes_t payload, uint64_t *token) {
    in_t in = in_open(payload);
    *token = in_number(&in, 8);
    return in_close(&in);
}

size_t sluice_encode_pong(uint64_t token, uint8_t *out, size_t capacity) {
    out_t o = out_open(SLUICE_FRAME_PONG, 0, 0, 0, out, capacity);
    out_number(&o, token, 8);
    return out_close(&o);
}
