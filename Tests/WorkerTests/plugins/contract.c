// A source that calls everything the ABI of 1.0 has and says what it was answered, for tests: as a library of 1.0 that
// every later host must run (golden/), and with -DLATER_MINOR against headers of a later minor, which this host must run.
//
// Configuration: {"ask": WORD}. "calls": each host call in pull(), its status as a record. "sizes": structs that are
// shorter, longer or unclean; "arguments": what is malformed or too long. "silent", "elsewhere", "twice": how migrate() hands its state over.
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "sluice/sluice.h"

SLUICE_PLUGIN_NOTE

enum { STATE_VERSION = 2 };

static const sluice_host_t *host;
static char ask[32];

static sluice_slice_t text(const char *s) { return (sluice_slice_t){s, strlen(s)}; }

static sluice_status_t fail(sluice_status_t status, const char *code, const char *message) {
    sluice_error_t error = {.struct_size = sizeof error, .retry_after_ms = -1, .code = text(code), .message = text(message)};
    host->set_error(host, &error);
    return status;
}

static sluice_status_t emit_one(const char *key, const char *payload) {
    sluice_slice_t stream = text("answers");
    sluice_record_t record = {
        .struct_size = sizeof record, .op = SLUICE_OP_UPSERT, .event_time_ms = SLUICE_TIME_NONE, .key = text(key),
        .payload = text(payload),
    };
    return host->emit(host, &stream, &record, 1, NULL);
}

static sluice_status_t save(sluice_slice_t stream, uint32_t version, const char *state) {
    sluice_checkpoint_t checkpoint = {
        .struct_size = sizeof checkpoint, .state_version = version, .watermark_ms = 1000, .stream = stream, .state = text(state),
    };
    return host->checkpoint(host, &checkpoint);
}

static int answer(const char *call, sluice_status_t status) {
    char json[64];
    snprintf(json, sizeof json, "%d", (int)status);
    return emit_one(call, json) == SLUICE_OK;
}

static sluice_status_t send(void) {
    const sluice_http_t *http = host->get_extension(host, SLUICE_EXT_HTTP);
    if (http == NULL) return SLUICE_E_UNSUPPORTED;
    sluice_http_request_t request = {
        .struct_size = sizeof request, .endpoint = text("api"), .method = text("GET"), .path = text("/things"),
        .slot = text("main"),
    };
    sluice_http_response_t response = {.struct_size = sizeof response};
    sluice_status_t status = http->http_send(host, &request, &response);
    if (status != SLUICE_OK) return status;
    char body[64] = "";
    if (response.body.len >= sizeof body) return SLUICE_E_TOO_LARGE;
    memcpy(body, response.body.ptr, response.body.len);
    if (!answer("http_status", (sluice_status_t)response.status)) return SLUICE_E_BUG;
    return emit_one("http_body", body);
}

static sluice_status_t hint(void) {
    const sluice_rate_hint_t *rates = host->get_extension(host, SLUICE_EXT_RATE_HINT);
    if (rates == NULL) return SLUICE_E_UNSUPPORTED;
    sluice_rate_t rate = {.struct_size = sizeof rate, .endpoint = text("api"), .limit = 10, .remaining = 5, .reset_at_ms = 99};
    return rates->rate_hint(host, &rate);
}

static sluice_status_t all_calls(const sluice_pull_t *pull) {
    int64_t wall = 0, monotonic = 0;
    uint8_t bytes[16];
    sluice_slice_t code = text("contract.line"), message = text("A line."), json = text("{}");
    sluice_pair_t field = {text("state"), pull->state};
    if (!answer("clock_wall", host->clock_now(host, SLUICE_CLOCK_WALL, &wall))) return SLUICE_E_BUG;
    answer("clock_monotonic", host->clock_now(host, SLUICE_CLOCK_MONOTONIC, &monotonic));
    answer("random", host->random(host, bytes, sizeof bytes));
    answer("log", host->log(host, SLUICE_LOG_INFO, &code, &message, &field, 1));
    answer("set_result", host->set_result(host, &json));
    answer("unknown_extension", host->get_extension(host, "sluice.nobody-has-this/1") != NULL);
    answer("cancel_requested", (sluice_status_t)host->cancel_requested(host));
    answer("deadline", host->deadline(host) > 0);
    answer("http", send());
    answer("rate_hint", hint());
    answer("checkpoint", save(pull->stream, STATE_VERSION, "done"));
    return answer("wait_durable", host->wait_durable(host)) ? SLUICE_OK : SLUICE_E_BUG;
}

// What a plugin of a later minor gives is longer; what is shorter than 1.0 or unclean is refused.
static sluice_status_t all_sizes(const sluice_pull_t *pull) {
    struct { sluice_record_t record; uint64_t later; } longer[2];
    sluice_slice_t stream = text("answers");
    sluice_record_t record = {.struct_size = sizeof record, .op = SLUICE_OP_UPSERT, .event_time_ms = 1, .key = text("k"),
                              .payload = text("1")};
    for (int i = 0; i < 2; i++) {
        longer[i].record = record;
        longer[i].record.struct_size = sizeof longer[i];
        longer[i].record.key = text(i == 0 ? "longer_first" : "longer_second");
        longer[i].later = UINT64_MAX;
    }
    answer("record_longer", host->emit(host, &stream, &longer[0].record, 2, NULL));
    record.struct_size = 64;
    answer("record_shorter", host->emit(host, &stream, &record, 1, NULL));
    record.struct_size = 0;
    answer("record_without_size", host->emit(host, &stream, &record, 1, NULL));
    sluice_checkpoint_t checkpoint = {.struct_size = 40, .stream = pull->stream, .state = text("x")};
    answer("checkpoint_shorter", host->checkpoint(host, &checkpoint));
    sluice_error_t error = {.struct_size = sizeof error, .reserved = 1, .code = text("contract.unclean")};
    return answer("error_unclean", host->set_error(host, &error)) ? SLUICE_OK : SLUICE_E_BUG;
}

// What no call may take. A number in the key says what is wrong: 1 a NULL with a length, 2 an empty name, 3 an unknown
// number, 4 one byte too many.
static sluice_status_t all_arguments(const sluice_pull_t *pull) {
    static char long_name[SLUICE_HTTP_TARGET_BYTES_MAX + 1];
    const sluice_http_t *http = host->get_extension(host, SLUICE_EXT_HTTP);
    const sluice_rate_hint_t *rates = host->get_extension(host, SLUICE_EXT_RATE_HINT);
    if (http == NULL || rates == NULL) return SLUICE_E_BUG;
    memset(long_name, 'n', sizeof long_name);
    const sluice_slice_t lie = {NULL, 1}, none = {NULL, 0}, name_long = {long_name, SLUICE_NAME_BYTES_MAX + 1};
    const sluice_slice_t target_long = {long_name, sizeof long_name}, fine = text("fine");
    sluice_slice_t stream = text("answers");
    const sluice_record_t good = {.struct_size = sizeof good, .op = SLUICE_OP_UPSERT, .key = fine, .payload = text("1")};
    sluice_record_t record = good;
    int64_t now;
    record.key = lie;
    answer("emit_1", host->emit(host, &stream, &record, 1, NULL));
    record.key = none;
    answer("emit_2", host->emit(host, &stream, &record, 1, NULL));
    record = good;
    record.op = 3;
    answer("emit_3", host->emit(host, &stream, &record, 1, NULL));
    record = good;
    record.key.ptr = long_name;
    record.key.len = SLUICE_KEY_BYTES_MAX + 1;
    answer("emit_4", host->emit(host, &stream, &record, 1, NULL));
    answer("stream_1", host->emit(host, &lie, &good, 1, NULL));
    answer("stream_2", host->emit(host, &none, &good, 1, NULL));
    answer("stream_4", host->emit(host, &name_long, &good, 1, NULL));
    answer("records_1", host->emit(host, &stream, NULL, 1, NULL));
    sluice_pair_t field = {lie, fine}, unnamed = {none, fine}, named_long = {name_long, fine};
    answer("log_1", host->log(host, SLUICE_LOG_INFO, &lie, &fine, NULL, 0));
    answer("log_3", host->log(host, 9, &fine, &fine, NULL, 0));
    answer("field_1", host->log(host, SLUICE_LOG_INFO, &fine, &fine, &field, 1));
    answer("clock_1", host->clock_now(host, SLUICE_CLOCK_WALL, NULL));
    answer("clock_3", host->clock_now(host, 3, &now));
    answer("random_1", host->random(host, NULL, 1));
    sluice_error_t error = {.struct_size = sizeof error, .code = lie};
    answer("error_1", host->set_error(host, &error));
    sluice_rate_t rate = {.struct_size = sizeof rate, .endpoint = none};
    answer("rate_2", rates->rate_hint(host, &rate));
    rate.endpoint = name_long;
    answer("rate_4", rates->rate_hint(host, &rate));
    const sluice_http_request_t get = {.struct_size = sizeof get, .endpoint = fine, .method = text("GET"), .path = text("/")};
    sluice_http_response_t response = {.struct_size = sizeof response};
    sluice_http_request_t request = get;
    request.endpoint = none;
    answer("endpoint_2", http->http_open(host, &request, &response));
    request.endpoint = name_long;
    answer("endpoint_4", http->http_open(host, &request, &response));
    request = get;
    request.path = target_long;
    answer("path_4", http->http_open(host, &request, &response));
    request = get;
    request.body = lie;
    answer("body_1", http->http_send(host, &request, &response));
    request = get;
    request.header_count = 1;
    answer("headers_1", http->http_open(host, &request, &response));
    request.headers = &unnamed;
    answer("headers_2", http->http_open(host, &request, &response));
    request.headers = &named_long;
    answer("headers_4", http->http_open(host, &request, &response));
    sluice_slice_t part;
    answer("handle_3", http->http_read(host, 1, 0, &part));
    return answer("close_3", http->http_close(host, 9)) && pull->stream.len > 0 ? SLUICE_OK : SLUICE_E_BUG;
}

static sluice_status_t pull(const sluice_source_t *source, const sluice_pull_t *request) {
    (void)source;
    if (request->state.len > 0 && request->state_version != STATE_VERSION) {
        return fail(SLUICE_E_PERMANENT, "contract.state", "The state is of another version.");
    }
    if (strcmp(ask, "arguments") == 0) return all_arguments(request);
    return strcmp(ask, "sizes") == 0 ? all_sizes(request) : all_calls(request);
}

static sluice_status_t receive(const sluice_source_t *source, const sluice_delivery_t *delivery) {
    (void)source;
    sluice_slice_t stream = text("deliveries");
    sluice_record_t record = {
        .struct_size = sizeof record, .op = SLUICE_OP_UPSERT, .event_time_ms = delivery->received_at_ms,
        .key = delivery->id, .payload = delivery->body,
    };
    return host->emit(host, &stream, &record, 1, NULL);
}

// Version 1 held the state bare; version 2 has "v2:" before it. Says what the calls answer that it may not make.
static sluice_status_t migrate(const sluice_source_t *source, const sluice_old_state_t *old) {
    (void)source;
    char state[64] = "v2:", line[128];
    int64_t now = 0;
    uint8_t byte = 0;
    sluice_slice_t code = text("contract.migrate"), message, json = text("{}");
    snprintf(line, sizeof line, "emit %d durable %d clock %d random %d result %d http %d", (int)emit_one("k", "1"),
             (int)host->wait_durable(host), (int)host->clock_now(host, SLUICE_CLOCK_WALL, &now),
             (int)host->random(host, &byte, 1), (int)host->set_result(host, &json), (int)send());
    message = text(line);
    host->log(host, SLUICE_LOG_INFO, &code, &message, NULL, 0);
    if (old->state_version > STATE_VERSION) return fail(SLUICE_E_PERMANENT, "contract.newer", "The state is of a newer version.");
    if (old->state.len > sizeof state - 4) return fail(SLUICE_E_PERMANENT, "contract.long", "The state is too long.");
    memcpy(state + 3, old->state.ptr, old->state.len);
    const char *new_state = old->state_version == 1 ? state : state + 3;
    if (strcmp(ask, "silent") == 0) return SLUICE_OK;
    if (strcmp(ask, "elsewhere") == 0) return save(text("elsewhere"), 2, new_state) == SLUICE_E_INVALID ? SLUICE_E_CONFIG : SLUICE_OK;
    if (strcmp(ask, "twice") == 0) save(old->stream, 2, "not this one");
    return save(old->stream, 2, new_state) == SLUICE_OK ? SLUICE_OK : SLUICE_E_BUG;
}

static sluice_status_t check(const sluice_source_t *source) {
    (void)source;
    return emit_one("k", "1") == SLUICE_E_STATE ? SLUICE_OK : SLUICE_E_BUG;
}

// What it sees of the host.
static sluice_status_t discover(const sluice_source_t *source) {
    (void)source;
    char json[128];
    int later = 0;
#ifdef LATER_MINOR
    later = host->struct_size > offsetof(sluice_host_t, later_minor);
#endif
    snprintf(json, sizeof json, "{\"major\":%u,\"minor\":%u,\"table\":%u,\"later\":%d}", host->abi_major, host->abi_minor,
             host->struct_size, later);
    sluice_slice_t result = text(json);
    return host->set_result(host, &result);
}

static void destroy(const sluice_source_t *source) {
    (void)source;
    sluice_slice_t code = text("contract.destroyed"), message = text("In order.");
    host->log(host, SLUICE_LOG_INFO, &code, &message, NULL, 0);
}

static const void *extension(const sluice_source_t *source, const char *id) {
#if defined(BROKEN_WEBHOOK_SLOT)
    static const sluice_webhook_t webhook = {.struct_size = sizeof webhook};
    (void)receive;
#elif defined(BROKEN_WEBHOOK_SIZE)
    static const sluice_webhook_t webhook = {.struct_size = 8, .receive = receive};
#elif defined(BROKEN_WEBHOOK_RESERVED)
    static const sluice_webhook_t webhook = {.struct_size = sizeof webhook, .reserved = 1, .receive = receive};
#else
    static const sluice_webhook_t webhook = {.struct_size = sizeof webhook, .receive = receive};
#endif
    static const sluice_state_migrate_t state_migrate = {.struct_size = sizeof state_migrate, .migrate = migrate};
    (void)source;
    if (strcmp(id, SLUICE_EXT_WEBHOOK) == 0) return &webhook;
    return strcmp(id, SLUICE_EXT_STATE_MIGRATE) == 0 ? &state_migrate : NULL;
}

static sluice_status_t create(const sluice_host_t *given, const sluice_slice_t *id, const sluice_slice_t *config,
                              const sluice_source_t **out) {
    static const sluice_source_t source = {
        .struct_size = sizeof source, .destroy = destroy, .get_extension = extension, .check = check, .discover = discover,
        .pull = pull,
    };
    char json[256] = "";
    host = given;
    if (id->len != 8 || memcmp(id->ptr, "contract", 8) != 0) return fail(SLUICE_E_CONFIG, "contract.id", "No such source.");
    if (config->len >= sizeof json) return fail(SLUICE_E_CONFIG, "contract.config", "The configuration is too long.");
    if (config->len > 0) memcpy(json, config->ptr, config->len);
    const char *at = strstr(json, "\"ask\"");
    if (at == NULL || sscanf(at + 5, " : \"%31[a-z]\"", ask) != 1) return fail(SLUICE_E_CONFIG, "contract.config", "`ask` is missing.");
    *out = &source;
    return SLUICE_OK;
}

static const sluice_descriptor_t *descriptor(uint32_t index) {
    static const sluice_descriptor_t only = {
        .struct_size = sizeof only, .id = {"contract", 8}, .name = {"Contract", 8}, .version = {"1.0.0", 5},
    };
    return index == 0 ? &only : NULL;
}

static const void *get_factory(const char *id) {
    static const sluice_source_factory_t factory = {
        .struct_size = sizeof factory, .count = 1, .descriptor = descriptor, .create = create,
    };
    return strcmp(id, SLUICE_SOURCE_FACTORY) == 0 ? &factory : NULL;
}

const sluice_plugin_t *sluice_plugin_entry(void) {
    static const sluice_plugin_t plugin = {
        .struct_size = sizeof plugin, .magic = SLUICE_MAGIC, .abi_major = SLUICE_ABI_MAJOR, .abi_minor = SLUICE_ABI_MINOR,
        .get_factory = get_factory,
    };
    return &plugin;
}
