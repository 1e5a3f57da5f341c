// A source for the benchmarks: makes `records` records first, then hands them over as fast as it is allowed to, with a
// checkpoint after every `batch`, and logs how long it took by the host's clock from the first emit until the last
// record was durable. A delivery becomes one record. It reaches nothing.
//
// Configuration (all optional): {"records": 100000, "batch": 1000, "wait": 0}. With "wait": 1 each batch is awaited
// before the next one is given.
#include <stdlib.h>

#include "../record_text.h"
#include "sluice/sluice.h"

SLUICE_PLUGIN_NOTE

enum { BATCH_MAX = 4096 };
// 2026-01-05 and, as the watermark that completes it, 2026-01-07.
static const int64_t EVENT_TIME_MS = INT64_C(1767571200000), COMPLETE_MS = INT64_C(1767744000000);

static struct {
    const sluice_host_t *host;
    uint64_t records, batch, wait;
    char *payloads;
    char (*keys)[RECORD_KEY_BYTES];
} bench;

static sluice_slice_t text(const char *s) { return (sluice_slice_t){s, strlen(s)}; }

static sluice_status_t fail(sluice_status_t status, const char *code, const char *message) {
    sluice_error_t error = {sizeof error, 0, -1, text(code), text(message)};
    bench.host->set_error(bench.host, &error);
    return status;
}

// Finds `"name":` in a flat JSON object that the host has checked against the manifest's schema.
static uint64_t config_number(const char *json, const char *name, uint64_t otherwise) {
    const char *at = strstr(json, name);
    if (at == NULL) return otherwise;
    at += strlen(name);
    at += strspn(at, " \t\r\n:");
    return *at >= '0' && *at <= '9' ? strtoull(at, NULL, 10) : otherwise;
}

static int make_records(void) {
    bench.payloads = malloc(bench.records * RECORD_BYTES);
    bench.keys = malloc(bench.records * sizeof *bench.keys);
    if (bench.payloads == NULL || bench.keys == NULL) return 0;
    for (uint64_t i = 0; i < bench.records; i++) {
        record_text(bench.payloads + i * RECORD_BYTES, i);
        record_key(bench.keys[i], i);
    }
    return 1;
}

static sluice_record_t record(const char *key, const char *payload, uint64_t payload_len, uint64_t ordinal) {
    return (sluice_record_t){
        .struct_size = sizeof(sluice_record_t),
        .op = SLUICE_OP_UPSERT,
        .event_time_ms = EVENT_TIME_MS,
        .source_ordinal = ordinal,
        .key = text(key),
        .payload = {payload, payload_len},
    };
}

static sluice_status_t save(const sluice_slice_t *stream, uint64_t next, int64_t watermark_ms) {
    char state[RECORD_KEY_BYTES];
    sluice_checkpoint_t checkpoint = {sizeof checkpoint, 1, watermark_ms, *stream, {state, record_key(state, next)}};
    return bench.host->checkpoint(bench.host, &checkpoint);
}

static sluice_status_t emit_batch(const sluice_slice_t *stream, uint64_t first) {
    static sluice_record_t records[BATCH_MAX];
    uint64_t count = bench.records - first < bench.batch ? bench.records - first : bench.batch;
    for (uint64_t i = 0; i < count; i++) {
        records[i] = record(bench.keys[first + i], bench.payloads + (first + i) * RECORD_BYTES, RECORD_BYTES, 1);
    }
    sluice_status_t status = bench.host->emit(bench.host, stream, records, count, NULL);
    if (status != SLUICE_OK) return status;
    uint64_t next = first + count;
    return save(stream, next, next == bench.records ? COMPLETE_MS : SLUICE_TIME_NONE);
}

static void report(int64_t ms) {
    char count[RECORD_KEY_BYTES], time[RECORD_KEY_BYTES];
    snprintf(count, sizeof count, "%llu", (unsigned long long)bench.records);
    snprintf(time, sizeof time, "%lld", (long long)ms);
    const sluice_pair_t fields[] = {{text("records"), text(count)}, {text("ms"), text(time)}};
    sluice_slice_t code = text("records.durable"), message = text("Every record is durable.");
    bench.host->log(bench.host, SLUICE_LOG_INFO, &code, &message, fields, 2);
}

static sluice_status_t pull(const sluice_source_t *source, const sluice_pull_t *request) {
    (void)source;
    // Whatever the checkpoint says, all was sent with it: a benchmark is one pull.
    if (request->state.len > 0 || bench.records == 0) return SLUICE_OK;
    if (!make_records()) return fail(SLUICE_E_PERMANENT, "records.memory", "Raise memory_bytes or lower records.");
    int64_t start = 0, end = 0;
    sluice_status_t status = bench.host->clock_now(bench.host, SLUICE_CLOCK_MONOTONIC, &start);
    for (uint64_t next = 0; status == SLUICE_OK && next < bench.records; next += bench.batch) {
        status = emit_batch(&request->stream, next);
        if (status == SLUICE_OK && bench.wait) status = bench.host->wait_durable(bench.host);
    }
    if (status == SLUICE_OK) status = bench.host->wait_durable(bench.host);
    if (status == SLUICE_OK) status = bench.host->clock_now(bench.host, SLUICE_CLOCK_MONOTONIC, &end);
    if (status == SLUICE_OK) report(end - start);
    free(bench.payloads);
    free(bench.keys);
    return status;
}

static sluice_status_t receive(const sluice_source_t *source, const sluice_delivery_t *delivery) {
    (void)source;
    char key[RECORD_KEY_BYTES] = "";
    size_t len = delivery->id.len < sizeof key - 1 ? delivery->id.len : sizeof key - 1;
    memcpy(key, delivery->id.ptr, len);
    sluice_record_t taken = record(key, delivery->body.ptr, delivery->body.len, 1);
    sluice_slice_t stream = text("records");
    return bench.host->emit(bench.host, &stream, &taken, 1, NULL);
}

static sluice_status_t check(const sluice_source_t *source) {
    (void)source;
    return SLUICE_OK;
}

static sluice_status_t discover(const sluice_source_t *source) {
    (void)source;
    sluice_slice_t json = text("[{\"stream\":\"records\",\"schema\":{\"type\":\"object\"}}]");
    return bench.host->set_result(bench.host, &json);
}

static void destroy(const sluice_source_t *source) { (void)source; }

static const void *extension(const sluice_source_t *source, const char *id) {
    static const sluice_webhook_t webhook = {sizeof webhook, 0, receive};
    (void)source;
    return strcmp(id, SLUICE_EXT_WEBHOOK) == 0 ? &webhook : NULL;
}

static sluice_status_t create(const sluice_host_t *host, const sluice_slice_t *id, const sluice_slice_t *config,
                              const sluice_source_t **out) {
    static const sluice_source_t source = {
        sizeof source, 0, NULL, destroy, extension, check, discover, pull,
    };
    (void)id;
    char json[1024] = "";
    bench.host = host;
    if (config->len >= sizeof json) return fail(SLUICE_E_CONFIG, "records.config", "The configuration is too long.");
    if (config->len > 0) memcpy(json, config->ptr, config->len);
    bench.records = config_number(json, "\"records\"", 100000);
    bench.batch = config_number(json, "\"batch\"", 1000);
    bench.wait = config_number(json, "\"wait\"", 0);
    if (bench.batch == 0 || bench.batch > BATCH_MAX) {
        return fail(SLUICE_E_CONFIG, "records.config", "batch must be between 1 and 4096.");
    }
    *out = &source;
    return SLUICE_OK;
}

static const sluice_descriptor_t *descriptor(uint32_t index) {
    static const sluice_descriptor_t records_descriptor = {
        sizeof records_descriptor, 0, {"records", 7}, {"Records", 7}, {"1.0.0", 5},
    };
    (void)index;
    return &records_descriptor;
}

static const void *get_factory(const char *id) {
    static const sluice_source_factory_t factory = {sizeof factory, 1, descriptor, create};
    return strcmp(id, SLUICE_SOURCE_FACTORY) == 0 ? &factory : NULL;
}

const sluice_plugin_t *sluice_plugin_entry(void) {
    static const sluice_plugin_t plugin = {
        sizeof plugin, SLUICE_MAGIC, SLUICE_ABI_MAJOR, SLUICE_ABI_MINOR, 0, get_factory,
    };
    return &plugin;
}
