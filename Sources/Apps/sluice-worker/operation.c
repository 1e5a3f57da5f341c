// The worker's life after READY: CONFIGURE once, then one START after the other.
#include <string.h>
#include <unistd.h>

#include "worker.h"

operation_t operation;
uint8_t result_json[SLUICE_FRAME_JSON_BYTES_MAX];
uint8_t migrated_state[SLUICE_FRAME_STATE_BYTES_MAX];
uint8_t error_code[SLUICE_FRAME_NAME_BYTES_MAX], error_message[SLUICE_FRAME_TEXT_BYTES_MAX];

static uint8_t input[SLUICE_FRAME_BYTES_MAX];  // START's or CONFIGURE's payload: it outlives host calls

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

bool operation_reaches_out(void) { return operation.under_way && !operation.migrates; }

void operation_say(const char *code, const char *message) {
    operation.code_len = strlen(code);
    operation.message_len = strlen(message);
    memcpy(error_code, code, operation.code_len);
    memcpy(error_message, message, operation.message_len);
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

// migrate() that ended well hands its state over as the one checkpoint of the operation.
static int32_t send_migrated(int32_t returned) {
    if (returned != SLUICE_OK) return returned;
    if (operation.migrated_len == 0) {
        operation_say("plugin.no_state", "migrate() answered OK without handing over a state.");
        return SLUICE_E_BUG;
    }
    sluice_frame_checkpoint_t m = {operation.stream, {migrated_state, operation.migrated_len}, operation.migrated_version,
                                   SLUICE_FRAME_TIME_NONE};
    channel_send(sluice_encode_checkpoint(&m, operation.id, channel_out, sizeof channel_out));
    return SLUICE_OK;
}

// What a plugin may return; anything else is a bug of the plugin (ABI-4). `absent` is our own word.
static void send_result(int32_t returned, int32_t outcome_max, bool absent) {
    bool unsupported = returned == SLUICE_E_UNSUPPORTED && (absent || operation.kind == SLUICE_OPERATION_DRY_RUN);
    if (operation.migrates && !absent) returned = send_migrated(returned);
    sluice_frame_result_t m = {0, 0, operation.retry_after_ms, operation.records,
                               {error_code, operation.code_len}, {error_message, operation.message_len},
                               {result_json, operation.result_len}};
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

// The host may ask for what the source does not have; it is no fault of the plugin.
static int32_t lacks(const char *code, const char *message, bool *absent) {
    *absent = true;
    operation_say(code, message);
    return SLUICE_E_UNSUPPORTED;
}

static int32_t receive(const sluice_frame_start_t *start, bool *absent) {
    static sluice_pair_t headers[SLUICE_HTTP_HEADERS_MAX];
    if (instance.webhook.struct_size == 0) return lacks("plugin.no_webhooks", "The source takes no deliveries.", absent);
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
    return instance.webhook.receive(instance.source, &delivery);
}

static int32_t migrate(const sluice_frame_start_t *start, bool *absent) {
    if (start->name.len == 0 || start->state.len == 0) protocol_error("migrate without a stream or a state");
    if (instance.state_migrate.struct_size == 0) {
        return lacks("plugin.no_migration", "The source does not write old states anew.", absent);
    }
    sluice_old_state_t old = {
        .struct_size = sizeof old, .state_version = start->state_version, .stream = slice(start->name),
        .state = slice(start->state),
    };
    return instance.state_migrate.migrate(instance.source, &old);
}

static int32_t run_source(const sluice_frame_start_t *start, bool *absent) {
    const sluice_source_t *source = instance.source;
    sluice_pull_t pull = {.struct_size = sizeof pull, .state_version = start->state_version,
                          .stream = slice(start->name), .state = slice(start->state)};
    switch (start->kind) {
    case SLUICE_OPERATION_CHECK: return source->check(source);
    case SLUICE_OPERATION_DISCOVER: return source->discover(source);
    case SLUICE_OPERATION_PULL: return source->pull(source, &pull);
    case SLUICE_OPERATION_RECEIVE: return receive(start, absent);
    case SLUICE_OPERATION_MIGRATE: return migrate(start, absent);
    default: protocol_error("an operation that a source does not have");
    }
}

static int32_t run_executor(const sluice_frame_start_t *start, int32_t *outcome_max) {
    const sluice_executor_t *executor = instance.executor;
    sluice_action_t action = {.struct_size = sizeof action, .name = slice(start->name), .input = slice(start->body),
                              .key = slice(start->key)};
    switch (start->kind) {
    case SLUICE_OPERATION_CHECK: return executor->check(executor);
    case SLUICE_OPERATION_EXECUTE: *outcome_max = 4; return executor->execute(executor, &action);
    case SLUICE_OPERATION_PROBE: *outcome_max = 3; return executor->probe(executor, &action);
    case SLUICE_OPERATION_DRY_RUN: *outcome_max = 2; return executor->dry_run(executor, &action);
    default: protocol_error("an operation that an executor does not have");
    }
}

static void handle_start(const sluice_frame_t *frame) {
    sluice_frame_start_t start;
    memcpy(input, frame->payload.ptr, frame->payload.len);
    sluice_bytes_t payload = {input, frame->payload.len};
    if (sluice_decode_start(payload, &start).error != SLUICE_FRAME_OK) protocol_error("start");
    bool exists = instance.source != NULL || instance.executor != NULL;
    if (!exists || frame->operation == 0) protocol_error("start before configure");
    begin(frame->operation);
    operation.under_way = true;
    operation.kind = start.kind;
    operation.emits = start.kind == SLUICE_OPERATION_PULL || start.kind == SLUICE_OPERATION_RECEIVE;
    operation.migrates = start.kind == SLUICE_OPERATION_MIGRATE;
    operation.stream = start.name;
    if (start.deadline_ms > 0 && start.deadline_ms < INT64_MAX / 2000000) {
        operation.deadline_ns = monotonic_ns() + (int64_t)start.deadline_ms * 1000000;
    }
    int32_t outcome_max = 0;
    bool absent = false;
    checking_input(input, frame->payload.len);
    size_t input_len = frame->payload.len;
    int32_t returned = instance.source != NULL ? run_source(&start, &absent) : run_executor(&start, &outcome_max);
    checking_done(input, input_len);
    send_result(returned, outcome_max, absent);
}

static void handle_configure(const sluice_plugin_t *plugin, const sluice_frame_t *frame) {
    sluice_frame_configure_t configure;
    memcpy(input, frame->payload.ptr, frame->payload.len);
    sluice_bytes_t payload = {input, frame->payload.len};
    if (sluice_decode_configure(payload, &configure).error != SLUICE_FRAME_OK) protocol_error("configure");
    if (instance.source != NULL || instance.executor != NULL) protocol_error("configured twice");
    limits = (limits_t){configure.record_bytes_max, configure.batch_records, configure.batch_bytes};
    extensions_grant(configure.extensions);
    begin(frame->operation);
    operation.creating = true;
    size_t input_len = frame->payload.len;
    checking_input(input, input_len);
    sluice_status_t status = instance_create(plugin, &configure);
    checking_done(input, input_len);
    operation.creating = false;
    send_result(status, 0, false);
}

void operation_loop(const sluice_plugin_t *plugin) {
    for (;;) {
        sluice_frame_t frame;
        if (channel_next(&frame, -1) != WAIT_FRAME) continue;
        if (frame.type == SLUICE_FRAME_CONFIGURE) handle_configure(plugin, &frame);
        else if (frame.type == SLUICE_FRAME_START) handle_start(&frame);
        else {
            // Between operations there is time to end in order; during one the process just ends.
            if (frame.type == SLUICE_FRAME_SHUTDOWN) instance_destroy();
            operation_handle(&frame);
        }
    }
}
