// The host table: what a plugin calls, turned into frames.
#include <string.h>

#include "sized.h"
#include "worker.h"

static bool http_granted, rate_hint_granted;

bool slice_ok(const sluice_slice_t *slice) { return slice->len == 0 || slice->ptr != NULL; }

sluice_bytes_t slice_bytes(const sluice_slice_t *slice) {
    return (sluice_bytes_t){slice->len > 0 ? slice->ptr : NULL, (size_t)slice->len};
}

static bool text_ok(const sluice_slice_t *slice) { return slice != NULL && slice_ok(slice); }

static sluice_bytes_t cut(const sluice_slice_t *slice, size_t max) {
    sluice_bytes_t bytes = slice_bytes(slice);
    if (bytes.len <= max) return bytes;
    bytes.len = max;
    while (bytes.len > 0 && (bytes.ptr[bytes.len] & 0xC0) == 0x80) bytes.len--;  // not inside a character
    return bytes;
}

bool pairs_encode(const sluice_pair_t *pairs, uint32_t count, uint8_t *out, sluice_pairs_t *list) {
    size_t used = 0;
    list->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!slice_ok(&pairs[i].name) || !slice_ok(&pairs[i].value)) return false;
        if (!sluice_pairs_append(out, SLUICE_FRAME_PAIRS_BYTES_MAX, &used, &list->count, slice_bytes(&pairs[i].name),
                                 slice_bytes(&pairs[i].value))) return false;
    }
    list->raw = (sluice_bytes_t){out, used};
    return true;
}

static bool answers_calls(void) { return operation_reaches_out() || operation.creating; }

// In migrate() the state is handed over: nothing is sent before the operation ends well.
static sluice_status_t keep_migrated(const sluice_checkpoint_t *c) {
    bool same = c->stream.len == operation.stream.len && memcmp(c->stream.ptr, operation.stream.ptr, c->stream.len) == 0;
    if (!same || c->state.len == 0) return SLUICE_E_INVALID;
    memcpy(migrated_state, c->state.ptr, c->state.len);
    operation.migrated_len = c->state.len;
    operation.migrated_version = c->state_version;
    return SLUICE_OK;
}

static sluice_status_t host_checkpoint(const sluice_host_t *host, const sluice_checkpoint_t *checkpoint) {
    (void)host;
    sluice_checkpoint_t c;
    if (!operation.under_way || !(operation.emits || operation.migrates)) return SLUICE_E_STATE;
    if (operation_over()) return SLUICE_E_CANCELLED;
    if (!sized_read(&c, sizeof c, checkpoint, CHECKPOINT_SIZE_MIN) || !slice_ok(&c.stream) || !slice_ok(&c.state) ||
        c.stream.len == 0) return SLUICE_E_INVALID;
    if (c.stream.len > SLUICE_FRAME_STREAM_BYTES_MAX || c.state.len > SLUICE_FRAME_STATE_BYTES_MAX) {
        return SLUICE_E_TOO_LARGE;
    }
    if (operation.migrates) return keep_migrated(&c);
    batch_flush();
    sluice_frame_checkpoint_t m = {slice_bytes(&c.stream), slice_bytes(&c.state), c.state_version, c.watermark_ms};
    channel_send(sluice_encode_checkpoint(&m, operation.id, channel_out, sizeof channel_out));
    return SLUICE_OK;
}

static sluice_status_t host_wait_durable(const sluice_host_t *host) {
    (void)host;
    if (!operation.under_way || !operation.emits) return SLUICE_E_STATE;
    if (operation_over()) return SLUICE_E_CANCELLED;
    batch_flush();
    uint32_t call = ++operation.call;
    channel_send(sluice_encode_wait_durable(operation.id, call, channel_out, sizeof channel_out));
    sluice_frame_t reply;
    if (!operation_await(call, &reply)) return SLUICE_E_CANCELLED;
    if (reply.type != SLUICE_FRAME_DURABLE) protocol_error("wait_durable was not answered by durable");
    return SLUICE_OK;
}

static sluice_status_t host_log(const sluice_host_t *host, uint32_t level, const sluice_slice_t *code,
                                const sluice_slice_t *message, const sluice_pair_t *fields, uint32_t count) {
    (void)host;
    static uint8_t list[SLUICE_FRAME_PAIRS_BYTES_MAX];
    if (level < SLUICE_LOG_DEBUG || level > SLUICE_LOG_ERROR || !text_ok(code) || !text_ok(message) ||
        (fields == NULL && count > 0)) return SLUICE_E_INVALID;
    for (uint32_t i = 0; i < count && i < SLUICE_FIELDS_MAX; i++) {
        if (!slice_ok(&fields[i].name) || !slice_ok(&fields[i].value)) return SLUICE_E_INVALID;
    }
    size_t used = 0;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count && i < SLUICE_FIELDS_MAX; i++) {
        sluice_bytes_t name = cut(&fields[i].name, SLUICE_FRAME_NAME_BYTES_MAX);
        sluice_bytes_t value = cut(&fields[i].value, SLUICE_FIELD_BYTES_MAX);
        sluice_pairs_append(list, sizeof list, &used, &kept, name, value);  // an empty name is left out
    }
    sluice_frame_log_t m = {level, cut(code, SLUICE_FRAME_NAME_BYTES_MAX), cut(message, SLUICE_FRAME_TEXT_BYTES_MAX),
                            {{list, used}, kept}};
    channel_send(sluice_encode_log(&m, operation.id, channel_out, sizeof channel_out));
    return SLUICE_OK;
}

static sluice_status_t host_clock_now(const sluice_host_t *host, uint32_t clock, int64_t *out_ms) {
    (void)host;
    if (!answers_calls()) return SLUICE_E_STATE;
    if (out_ms == NULL || clock < SLUICE_CLOCK_WALL || clock > SLUICE_CLOCK_MONOTONIC) return SLUICE_E_INVALID;
    if (operation_over()) return SLUICE_E_CANCELLED;
    uint32_t call = ++operation.call;
    channel_send(sluice_encode_clock(clock, operation.id, call, channel_out, sizeof channel_out));
    sluice_frame_t reply;
    if (!operation_await(call, &reply)) return SLUICE_E_CANCELLED;
    if (reply.type != SLUICE_FRAME_CLOCK_REPLY ||
        sluice_decode_clock_reply(reply.payload, out_ms).error != SLUICE_FRAME_OK) protocol_error("clock_reply");
    return SLUICE_OK;
}

static sluice_status_t host_random(const sluice_host_t *host, void *bytes, uint64_t count) {
    (void)host;
    if (!answers_calls()) return SLUICE_E_STATE;
    if (bytes == NULL && count > 0) return SLUICE_E_INVALID;
    uint8_t *at = bytes;
    while (count > 0) {
        if (operation_over()) return SLUICE_E_CANCELLED;
        uint32_t part = count < SLUICE_FRAME_RANDOM_BYTES_MAX ? (uint32_t)count : SLUICE_FRAME_RANDOM_BYTES_MAX;
        uint32_t call = ++operation.call;
        channel_send(sluice_encode_random(part, operation.id, call, channel_out, sizeof channel_out));
        sluice_frame_t reply;
        if (!operation_await(call, &reply)) return SLUICE_E_CANCELLED;
        if (reply.type != SLUICE_FRAME_RANDOM_REPLY || reply.payload.len != part) protocol_error("random_reply");
        memcpy(at, reply.payload.ptr, part);
        at += part;
        count -= part;
    }
    return SLUICE_OK;
}

static uint32_t host_cancel_requested(const sluice_host_t *host) {
    (void)host;
    return operation_over() ? 1 : 0;
}

static int64_t host_deadline(const sluice_host_t *host) {
    (void)host;
    if (!operation.under_way || operation.deadline_ns == INT64_MAX) return INT64_MAX;
    int64_t left = operation.deadline_ns - monotonic_ns();
    return left > 0 ? left / 1000000 : 0;
}

static sluice_status_t host_set_error(const sluice_host_t *host, const sluice_error_t *error) {
    (void)host;
    sluice_error_t e;
    if (!operation.under_way && !operation.creating) return SLUICE_E_STATE;
    if (!sized_read(&e, sizeof e, error, ERROR_SIZE_MIN) || e.reserved != 0 || !slice_ok(&e.code) ||
        !slice_ok(&e.message)) return SLUICE_E_INVALID;
    sluice_bytes_t code = cut(&e.code, sizeof error_code), message = cut(&e.message, sizeof error_message);
    if (code.len > 0) memcpy(error_code, code.ptr, code.len);
    if (message.len > 0) memcpy(error_message, message.ptr, message.len);
    operation.code_len = code.len;
    operation.message_len = message.len;
    operation.retry_after_ms = e.retry_after_ms < 0 ? -1 : e.retry_after_ms;
    return SLUICE_OK;
}

static sluice_status_t host_set_result(const sluice_host_t *host, const sluice_slice_t *json) {
    (void)host;
    if (!operation_reaches_out() || operation.emits) return SLUICE_E_STATE;
    if (json == NULL || !slice_ok(json)) return SLUICE_E_INVALID;
    if (json->len > sizeof result_json) return SLUICE_E_TOO_LARGE;
    if (json->len > 0) memcpy(result_json, json->ptr, json->len);
    operation.result_len = json->len;
    return SLUICE_OK;
}

static sluice_status_t rate_hint(const sluice_host_t *host, const sluice_rate_t *rate) {
    (void)host;
    sluice_rate_t r;
    if (!operation_reaches_out()) return SLUICE_E_STATE;
    if (operation_over()) return SLUICE_E_CANCELLED;
    if (!sized_read(&r, sizeof r, rate, RATE_SIZE_MIN) || r.reserved != 0 || !slice_ok(&r.endpoint) ||
        r.endpoint.len == 0) return SLUICE_E_INVALID;
    if (r.endpoint.len > SLUICE_FRAME_NAME_BYTES_MAX) return SLUICE_E_TOO_LARGE;
    sluice_frame_rate_hint_t m = {slice_bytes(&r.endpoint), r.limit, r.remaining, r.reset_at_ms};
    channel_send(sluice_encode_rate_hint(&m, operation.id, channel_out, sizeof channel_out));
    return SLUICE_OK;
}

const sluice_rate_hint_t rate_hint_table = {.struct_size = sizeof rate_hint_table, .rate_hint = rate_hint};

static bool is(sluice_bytes_t name, const char *id) { return name.len == strlen(id) && memcmp(name.ptr, id, name.len) == 0; }

// An extension this worker does not know is left out: the plugin sees it as not granted.
void extensions_grant(sluice_names_t granted) {
    sluice_bytes_t name;
    while (sluice_names_next(&granted, &name)) {
        if (is(name, SLUICE_EXT_HTTP)) http_granted = true;
        if (is(name, SLUICE_EXT_RATE_HINT)) rate_hint_granted = true;
    }
}

static const void *host_get_extension(const sluice_host_t *host, const char *id) {
    (void)host;
    if (id == NULL) return NULL;
    if (http_granted && strcmp(id, SLUICE_EXT_HTTP) == 0) return &http_table;
    if (rate_hint_granted && strcmp(id, SLUICE_EXT_RATE_HINT) == 0) return &rate_hint_table;
    return NULL;
}

const sluice_host_t host_table = {
    .struct_size = sizeof host_table,
    .abi_major = SLUICE_ABI_MAJOR,
    .abi_minor = SLUICE_ABI_MINOR,
    .host_data = NULL,
    .get_extension = host_get_extension,
    .emit = host_emit,
    .checkpoint = host_checkpoint,
    .wait_durable = host_wait_durable,
    .log = host_log,
    .clock_now = host_clock_now,
    .random = host_random,
    .cancel_requested = host_cancel_requested,
    .deadline = host_deadline,
    .set_error = host_set_error,
    .set_result = host_set_result,
};
