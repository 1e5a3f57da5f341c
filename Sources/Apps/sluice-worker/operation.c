// The worker's life after READY: CONFIGURE once, then one START after the other.
#include <string.h>
#include <unistd.h>

#include "worker.h"

operation_t operation;
uint8_t result_json[SLUICE_FRAME_JSON_BYTES_MAX];
uint8_t error_code[SLUICE_FRAME_NAME_BYTES_MAX], error_message[SLUICE_FRAME_TEXT_BYTES_MAX];

static uint8_t input[SLUICE_FRAME_BYTES_MAX];  // START's or CONFIGURE's payload: it outlives host calls
static const sluice_source_t *source;
static const sluice_executor_t *executor;

static void handle_credit(const sluice_frame_t *frame) {
    sluice_frame_credit_t credit;
    if (sluice_decode_credit(frame->payload, &credit).error != SLUICE_FRAME_OK) protocol_error("credit");
    if (frame->operation != operation.id) return;  // for an operation that is over
    operation.credit_records += credit.records;
    operation.credit_bytes += credit.bytes;
}

void operation_handle(const sluice_frame_t *frame) {
    uint64_t token;
    uint32_t grace_ms;
    switch (frame->type) {
    case SLUICE_FRAME_CREDIT: handle_credit(frame); return;
    case SLUICE_FRAME_CANCEL:
        if (sluice_decode_cancel(frame->payload, &grace_ms).error != SLUICE_FRAME_OK) protocol_error("cancel");
        if (frame->operation == operation.id) operation.cancelled = true;
        return;
    case SLUICE_FRAME_PING:
        if (sluice_decode_ping(frame->payload, &token).error != SLUICE_FRAME_OK) protocol_error("ping");
        channel_send(sluice_encode_pong(token, channel_out, sizeof channel_out));
        return;
    case SLUICE_FRAME_SHUTDOWN: _exit(0);
    default: break;
    }
    // A reply that nobody waits for any more: its call ended with CANCELLED, or its operation is over.
    bool stale = frame->operation != operation.id || frame->call <= operation.call;
    if (frame->call == 0 || !stale) protocol_error(sluice_frame_type_name(frame->type));
}

bool operation_over(void) {
    sluice_frame_t frame;
    while (!operation.cancelled && channel_has_input()) {
        if (channel_next(&frame, 0) == WAIT_TIMEOUT) break;
        operation_handle(&frame);
    }
    if (operation.deadline_ns != INT64_MAX && monotonic_ns() >= operation.deadline_ns) operation.cancelled = true;
    return operation.cancelled;
}

// Waits for one frame. False: the deadline came first.
static bool next_frame(sluice_frame_t *frame) {
    int timeout_ms = -1;
    if (operation.deadline_ns != INT64_MAX) {
        int64_t left = (operation.deadline_ns - monotonic_ns() + 999999) / 1000000;
        timeout_ms = left <= 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
    }
    if (channel_next(frame, timeout_ms) == WAIT_FRAME) return true;
    if (monotonic_ns() >= operation.deadline_ns) operation.cancelled = true;
    return false;
}

bool operation_await(uint32_t call, sluice_frame_t *reply) {
    while (!operation.cancelled) {
        if (!next_frame(reply)) continue;
        if (reply->call == call && reply->operation == operation.id) return true;
        operation_handle(reply);
    }
    return false;
}

sluice_status_t operation_wait_credit(size_t bytes) {
    while (operation.credit_records == 0 || operation.credit_bytes < bytes) {
        batch_flush();  // the host cannot give back credit for what it has not got
        if (operation_over()) return SLUICE_E_CANCELLED;
        if (operation.credit_records > 0 && operation.credit_bytes >= bytes) break;
        sluice_frame_t frame;
        if (next_frame(&frame)) operation_handle(&frame);
        if (operation.cancelled) return SLUICE_E_CANCELLED;
    }
    return SLUICE_OK;
}

static sluice_slice_t slice(sluice_bytes_t bytes) { return (sluice_slice_t){bytes.ptr, bytes.len}; }

static void begin(uint32_t id) {
    operation = (operation_t){.id = id, .deadline_ns = INT64_MAX, .retry_after_ms = -1};
    batch_drop();
    http_reset();
}

// What a plugin may return; anything else is a bug of the plugin (ABI-4).
static void send_result(int32_t returned, int32_t outcome_max) {
    sluice_frame_result_t m = {0, 0, operation.retry_after_ms, operation.records,
                               {error_code, operation.code_len}, {error_message, operation.message_len},
                               {result_json, operation.result_len}};
    bool unsupported = operation.kind == SLUICE_OPERATION_DRY_RUN && returned == SLUICE_E_UNSUPPORTED;
    if (outcome_max > 0 && returned >= 1 && returned <= outcome_max) m.outcome = returned;
    else if ((returned == 0 && outcome_max == 0) || (returned < 0 && returned >= SLUICE_E_BUG) ||
             returned == SLUICE_E_CANCELLED || unsupported) m.status = returned;
    else m.status = SLUICE_E_BUG;
    // A plugin that finished although it was cancelled has finished: its answer stands.
    batch_flush();
    operation.under_way = false;
    size_t size = sluice_encode_result(&m, operation.id, channel_out, sizeof channel_out);
    channel_send(size);
}

static int32_t run(const sluice_frame_start_t *start, int32_t *outcome_max) {
    static sluice_pair_t headers[SLUICE_HTTP_HEADERS_MAX];
    sluice_pull_t pull = {sizeof pull, start->state_version, slice(start->name), slice(start->state)};
    sluice_action_t action = {sizeof action, 0, slice(start->name), slice(start->body), slice(start->key)};
    sluice_delivery_t delivery = {
        .struct_size = sizeof delivery, .received_at_ms = start->time_ms, .id = slice(start->name),
        .method = slice(start->method), .path = slice(start->path), .query = slice(start->query),
        .body = slice(start->body), .headers = headers,
    };
    sluice_pairs_t list = start->headers;
    sluice_bytes_t name, value;
    while (sluice_pairs_next(&list, &name, &value)) {
        headers[delivery.header_count++] = (sluice_pair_t){slice(name), slice(value)};
    }
    switch (start->kind) {
    case SLUICE_OPERATION_CHECK: return source != NULL ? source->check(source) : executor->check(executor);
    case SLUICE_OPERATION_DISCOVER: if (source != NULL) return source->discover(source); break;
    case SLUICE_OPERATION_PULL: if (source != NULL) return source->pull(source, &pull); break;
    case SLUICE_OPERATION_RECEIVE: if (source != NULL) return source->receive(source, &delivery); break;
    case SLUICE_OPERATION_EXECUTE: *outcome_max = 4; if (executor != NULL) return executor->execute(executor, &action); break;
    case SLUICE_OPERATION_PROBE: *outcome_max = 3; if (executor != NULL) return executor->probe(executor, &action); break;
    case SLUICE_OPERATION_DRY_RUN: *outcome_max = 2; if (executor != NULL) return executor->dry_run(executor, &action); break;
    }
    protocol_error("an operation that this factory does not have");
}

static void handle_start(const sluice_frame_t *frame) {
    sluice_frame_start_t start;
    memcpy(input, frame->payload.ptr, frame->payload.len);
    sluice_bytes_t payload = {input, frame->payload.len};
    if (sluice_decode_start(payload, &start).error != SLUICE_FRAME_OK) protocol_error("start");
    if ((source == NULL && executor == NULL) || frame->operation == 0) protocol_error("start before configure");
    begin(frame->operation);
    operation.under_way = true;
    operation.kind = start.kind;
    operation.emits = start.kind == SLUICE_OPERATION_PULL || start.kind == SLUICE_OPERATION_RECEIVE;
    if (start.deadline_ms > 0 && start.deadline_ms < INT64_MAX / 2000000) {
        operation.deadline_ns = monotonic_ns() + (int64_t)start.deadline_ms * 1000000;
    }
    int32_t outcome_max = 0;
    int32_t returned = run(&start, &outcome_max);
    send_result(returned, outcome_max);
}

static bool names_factory(const sluice_frame_configure_t *c, const char *id) {
    return c->factory.len == strlen(id) && memcmp(c->factory.ptr, id, c->factory.len) == 0;
}

static bool no_slot_is_null(void) {
    if (source != NULL) {
        return source->struct_size >= sizeof *source && source->destroy && source->get_extension && source->check &&
               source->discover && source->pull && source->receive;
    }
    return executor != NULL && executor->struct_size >= sizeof *executor && executor->destroy &&
           executor->get_extension && executor->check && executor->execute && executor->probe && executor->dry_run;
}

static sluice_status_t create(const sluice_plugin_t *plugin, const sluice_frame_configure_t *c) {
    sluice_slice_t config = slice(c->config), component = slice(c->component);
    // Both factories have the same shape up to the type of `out`.
    bool is_source = names_factory(c, SLUICE_SOURCE_FACTORY);
    if (!is_source && !names_factory(c, SLUICE_EXECUTOR_FACTORY)) return SLUICE_E_CONFIG;
    const void *found = plugin->get_factory(is_source ? SLUICE_SOURCE_FACTORY : SLUICE_EXECUTOR_FACTORY);
    if (found == NULL) return SLUICE_E_CONFIG;
    const sluice_source_factory_t *sources = found;
    const sluice_executor_factory_t *executors = found;
    if (sources->struct_size < sizeof *sources || sources->count == 0 || sources->descriptor == NULL ||
        sources->create == NULL) return SLUICE_E_BUG;
    if (component.len == 0) {
        const sluice_descriptor_t *first = sources->descriptor(0);
        if (first == NULL || first->struct_size < sizeof *first) return SLUICE_E_BUG;
        component = first->id;
    }
    sluice_status_t status = is_source ? sources->create(&host_table, &component, &config, &source)
                                       : executors->create(&host_table, &component, &config, &executor);
    if (status != SLUICE_OK) source = NULL, executor = NULL;
    else if (!no_slot_is_null()) source = NULL, executor = NULL, status = SLUICE_E_BUG;
    return status;
}

static void handle_configure(const sluice_plugin_t *plugin, const sluice_frame_t *frame) {
    sluice_frame_configure_t configure;
    memcpy(input, frame->payload.ptr, frame->payload.len);
    sluice_bytes_t payload = {input, frame->payload.len};
    if (sluice_decode_configure(payload, &configure).error != SLUICE_FRAME_OK) protocol_error("configure");
    if (source != NULL || executor != NULL) protocol_error("configured twice");
    limits = (limits_t){configure.record_bytes_max, configure.batch_records, configure.batch_bytes};
    extensions_grant(configure.extensions);
    begin(frame->operation);
    operation.creating = true;
    sluice_status_t status = create(plugin, &configure);
    operation.creating = false;
    send_result(status, 0);
}

void operation_loop(const sluice_plugin_t *plugin) {
    for (;;) {
        sluice_frame_t frame;
        if (channel_next(&frame, -1) != WAIT_FRAME) continue;
        if (frame.type == SLUICE_FRAME_CONFIGURE) handle_configure(plugin, &frame);
        else if (frame.type == SLUICE_FRAME_START) handle_start(&frame);
        else operation_handle(&frame);
    }
}
