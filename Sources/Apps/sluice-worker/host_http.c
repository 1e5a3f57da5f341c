// Extension sluice.http/1. The worker only carries: what may leave is judged by the host.
#include <string.h>

#include "sized.h"
#include "worker.h"

typedef struct opened {
    bool open, ended;
} opened_t;

static opened_t responses[SLUICE_HTTP_OPEN_MAX];  // handle = index + 1
static sluice_pair_t headers[SLUICE_HTTP_HEADERS_MAX];
// What a plugin was given stays whole during its next call: it may pass a response's header or part on.
static uint8_t request_list[SLUICE_FRAME_PAIRS_BYTES_MAX];
static uint8_t header_list[SLUICE_FRAME_PAIRS_BYTES_MAX];
static uint8_t part_bytes[SLUICE_HTTP_WINDOW_BYTES_MAX];
static uint8_t whole_body[SLUICE_HTTP_SEND_BYTES_MAX];

void http_reset(void) { memset(responses, 0, sizeof responses); }

static bool list_ok(const sluice_pair_t *pairs, uint32_t count) {
    if (pairs == NULL && count > 0) return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!slice_ok(&pairs[i].name) || !slice_ok(&pairs[i].value) || pairs[i].name.len == 0) return false;
    }
    return true;
}

static sluice_status_t read_request(const sluice_http_request_t *given, sluice_http_request_t *r) {
    if (!sized_read(r, sizeof *r, given, HTTP_REQUEST_SIZE_MIN)) return SLUICE_E_INVALID;
    const struct { const sluice_slice_t *slice; size_t max; bool needed; } parts[] = {
        {&r->endpoint, SLUICE_FRAME_NAME_BYTES_MAX, true}, {&r->method, SLUICE_FRAME_NAME_BYTES_MAX, true},
        {&r->path, SLUICE_FRAME_TARGET_BYTES_MAX, true}, {&r->query, SLUICE_FRAME_TARGET_BYTES_MAX, false},
        {&r->slot, SLUICE_FRAME_NAME_BYTES_MAX, false}, {&r->idempotency_key, SLUICE_FRAME_NAME_BYTES_MAX, false},
        {&r->body, SLUICE_FRAME_BODY_BYTES_MAX, false},
    };
    bool fits = r->header_count <= SLUICE_FRAME_PAIRS_MAX;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!slice_ok(parts[i].slice) || (parts[i].needed && parts[i].slice->len == 0)) return SLUICE_E_INVALID;
        if (parts[i].slice->len > parts[i].max) fits = false;
    }
    if (!fits) return SLUICE_E_TOO_LARGE;
    return list_ok(r->headers, r->header_count) ? SLUICE_OK : SLUICE_E_INVALID;
}

static uint32_t free_handle(void) {
    for (uint32_t i = 0; i < SLUICE_HTTP_OPEN_MAX; i++) {
        if (!responses[i].open) return i + 1;
    }
    return 0;
}

static bool is_open(uint32_t handle) {
    return handle >= 1 && handle <= SLUICE_HTTP_OPEN_MAX && responses[handle - 1].open;
}

// Host errors reach the plugin as the call's status; the reason waits in the error fields for a plugin
// that returns that status without a reason of its own.
static sluice_status_t take_error(const sluice_frame_t *reply) {
    sluice_frame_http_error_t error;
    if (sluice_decode_http_error(reply->payload, &error).error != SLUICE_FRAME_OK) protocol_error("http_error");
    if (error.code.len > 0) memcpy(error_code, error.code.ptr, error.code.len);
    if (error.message.len > 0) memcpy(error_message, error.message.ptr, error.message.len);
    operation.code_len = error.code.len;
    operation.message_len = error.message.len;
    operation.retry_after_ms = error.retry_after_ms;
    return error.status;
}

// The list is copied, so that http_send() can read the body while the headers stay.
static void take_headers(sluice_pairs_t list, sluice_http_response_t *response) {
    if (list.raw.len > 0) memcpy(header_list, list.raw.ptr, list.raw.len);
    list.raw.ptr = header_list;
    uint32_t count = 0;
    sluice_bytes_t name, value;
    while (sluice_pairs_next(&list, &name, &value)) {
        headers[count++] = (sluice_pair_t){{name.ptr, name.len}, {value.ptr, value.len}};
    }
    response->headers = headers;
    response->header_count = count;
}

static sluice_status_t send_request(const sluice_http_request_t *r, uint32_t handle, uint32_t call) {
    sluice_frame_http_open_t m = {
        .handle = handle, .endpoint = slice_bytes(&r->endpoint), .method = slice_bytes(&r->method),
        .path = slice_bytes(&r->path), .query = slice_bytes(&r->query), .slot = slice_bytes(&r->slot),
        .idempotency_key = slice_bytes(&r->idempotency_key), .body = slice_bytes(&r->body),
    };
    if (!pairs_encode(r->headers, r->header_count, request_list, &m.headers)) return SLUICE_E_TOO_LARGE;
    size_t size = sluice_encode_http_open(&m, operation.id, call, channel_out, sizeof channel_out);
    if (size == 0) return SLUICE_E_TOO_LARGE;
    channel_send(size);
    return SLUICE_OK;
}

static bool sized_response(const sluice_http_response_t *response) {
    sluice_http_response_t known;
    return sized_read(&known, sizeof known, response, HTTP_RESPONSE_SIZE_MIN);
}

// Opens into a response of ours: what the plugin gave may be of another size.
static sluice_status_t open_response(const sluice_http_request_t *request, sluice_http_response_t *response) {
    sluice_http_request_t known;
    sluice_status_t status = read_request(request, &known);
    if (status != SLUICE_OK) return status;
    uint32_t handle = free_handle(), call = ++operation.call;
    if (handle == 0) return SLUICE_E_STATE;
    batch_flush();  // the wait may be long; what is batched must not wait with us
    status = send_request(&known, handle, call);
    if (status != SLUICE_OK) return status;

    sluice_frame_t reply;
    if (!operation_await(call, &reply)) return SLUICE_E_CANCELLED;
    if (reply.type == SLUICE_FRAME_HTTP_ERROR) return take_error(&reply);
    sluice_frame_http_head_t head;
    if (reply.type != SLUICE_FRAME_HTTP_HEAD ||
        sluice_decode_http_head(reply.payload, &head).error != SLUICE_FRAME_OK) protocol_error("http_head");
    responses[handle - 1] = (opened_t){true, false};
    *response = (sluice_http_response_t){.handle = handle, .status = head.status, .throttled_ms = head.throttled_ms};
    take_headers(head.headers, response);
    return SLUICE_OK;
}

static sluice_status_t http_open(const sluice_host_t *host, const sluice_http_request_t *request,
                                 sluice_http_response_t *response) {
    (void)host;
    if (!operation_reaches_out()) return SLUICE_E_STATE;
    if (operation_over()) return SLUICE_E_CANCELLED;
    if (!sized_response(response)) return SLUICE_E_INVALID;
    sluice_http_response_t opened = {0};
    sluice_status_t status = open_response(request, &opened);
    sized_write(response, &opened, sizeof opened);
    return status;
}

static sluice_status_t http_read(const sluice_host_t *host, uint32_t handle, uint32_t window, sluice_slice_t *part) {
    (void)host;
    if (!operation_reaches_out()) return SLUICE_E_STATE;
    if (operation_over()) return SLUICE_E_CANCELLED;
    if (part == NULL || !is_open(handle)) return SLUICE_E_INVALID;
    *part = (sluice_slice_t){NULL, 0};
    if (responses[handle - 1].ended) return SLUICE_OK;
    if (window == 0 || window > SLUICE_FRAME_WINDOW_BYTES_MAX) window = SLUICE_FRAME_WINDOW_BYTES_MAX;
    batch_flush();
    uint32_t call = ++operation.call;
    sluice_frame_http_read_t m = {handle, window};
    channel_send(sluice_encode_http_read(&m, operation.id, call, channel_out, sizeof channel_out));
    sluice_frame_t reply;
    if (!operation_await(call, &reply)) return SLUICE_E_CANCELLED;
    if (reply.type == SLUICE_FRAME_HTTP_ERROR) return take_error(&reply);
    bool end = (reply.flags & SLUICE_FRAME_FLAG_END) != 0;
    if (reply.type != SLUICE_FRAME_HTTP_BODY || reply.payload.len > window || (reply.payload.len == 0 && !end)) {
        protocol_error("http_body");
    }
    responses[handle - 1].ended = end;
    memcpy(part_bytes, reply.payload.ptr, reply.payload.len);
    *part = (sluice_slice_t){part_bytes, reply.payload.len};
    return SLUICE_OK;
}

static sluice_status_t http_close(const sluice_host_t *host, uint32_t handle) {
    (void)host;
    if (!operation_reaches_out()) return SLUICE_E_STATE;
    if (!is_open(handle)) return SLUICE_E_INVALID;
    responses[handle - 1].open = false;
    channel_send(sluice_encode_http_close(handle, operation.id, channel_out, sizeof channel_out));
    return SLUICE_OK;
}

static sluice_status_t read_whole(const sluice_host_t *host, uint32_t handle, sluice_slice_t *body) {
    size_t len = 0;
    sluice_slice_t part = {NULL, 0};
    do {
        sluice_status_t status = http_read(host, handle, 0, &part);
        if (status != SLUICE_OK) return status;
        if (part.len > sizeof whole_body - len) return SLUICE_E_TOO_LARGE;
        if (part.len > 0) memcpy(whole_body + len, part.ptr, part.len);
        len += part.len;
    } while (part.len > 0);
    *body = (sluice_slice_t){whole_body, len};
    return SLUICE_OK;
}

static sluice_status_t http_send(const sluice_host_t *host, const sluice_http_request_t *request,
                                 sluice_http_response_t *response) {
    if (!operation_reaches_out()) return SLUICE_E_STATE;
    if (operation_over()) return SLUICE_E_CANCELLED;
    if (!sized_response(response)) return SLUICE_E_INVALID;
    sluice_http_response_t whole = {0};
    sluice_status_t status = open_response(request, &whole);
    if (status == SLUICE_OK) {
        status = read_whole(host, whole.handle, &whole.body);
        http_close(host, whole.handle);
    }
    whole.handle = 0;
    sized_write(response, &whole, sizeof whole);
    return status;
}

const sluice_http_t http_table = {
    .struct_size = sizeof http_table, .http_open = http_open, .http_read = http_read, .http_close = http_close,
    .http_send = http_send,
};
