// A source that counts: records start, start + 1, ... start + records - 1 of stream "counters", each a
// function of its index alone, so that any run from any checkpoint can be checked byte for byte.
//
// Configuration (all optional): {"records": 1000, "payload_bytes": 200, "batch": 100,
//                                "incompressible": false, "start": 0}
// The state is the next index in decimal. It checkpoints after every `batch` records and at the end.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sluice/sluice.h"

SLUICE_PLUGIN_NOTE

enum { BATCH_MAX = 64, PAYLOAD_MIN = 48, PAYLOAD_MAX = 64 * 1024, KEY_BYTES = 24 };

static struct {
    const sluice_host_t *host;
    uint64_t records, payload_bytes, batch, start;
    int incompressible;
    uint8_t *payloads;  // BATCH_MAX payloads of payload_bytes
} counter;

static sluice_slice_t text(const char *s) { return (sluice_slice_t){s, strlen(s)}; }

// Finds `"name":` in a flat JSON object and reads the number or the word behind it. The host has already
// checked the configuration against the manifest's schema.
static uint64_t config_number(const char *json, const char *name, uint64_t otherwise) {
    char quoted[40];
    snprintf(quoted, sizeof quoted, "\"%s\"", name);
    const char *at = strstr(json, quoted);
    if (at == NULL) return otherwise;
    at += strlen(quoted);
    at += strspn(at, " \t\r\n:");
    if (strncmp(at, "true", 4) == 0) return 1;
    return *at >= '0' && *at <= '9' ? strtoull(at, NULL, 10) : otherwise;
}

static uint64_t mix(uint64_t x) {  // splitmix64
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

// Writes exactly payload_bytes of JSON: {"index":I,"kind":"counter","fill":"..."}.
static void write_payload(uint8_t *out, uint64_t index) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    int head = snprintf((char *)out, PAYLOAD_MIN + 16, "{\"index\":%llu,\"kind\":\"counter\",\"fill\":\"",
                        (unsigned long long)index);
    uint64_t bits = 0, end = counter.payload_bytes - 2;
    for (uint64_t i = (uint64_t)head, n = 0; i < end; i++, n++) {
        if (n % 10 == 0) bits = mix(index * UINT64_C(0x10001) + n);
        // 6 bits in 8: no compressor gains more than a third.
        out[i] = counter.incompressible ? (uint8_t)letters[(bits >> (6 * (n % 10))) & 63] : 'x';
    }
    memcpy(out + end, "\"}", 2);
}

static sluice_status_t fail(sluice_status_t status, const char *code, const char *message) {
    sluice_error_t error = {sizeof error, 0, -1, text(code), text(message)};
    counter.host->set_error(counter.host, &error);
    return status;
}

static sluice_status_t emit_some(const sluice_slice_t *stream, uint64_t first, uint64_t count) {
    static char keys[BATCH_MAX][KEY_BYTES];
    sluice_record_t records[BATCH_MAX];
    for (uint64_t i = 0; i < count; i++) {
        uint8_t *payload = counter.payloads + i * counter.payload_bytes;
        write_payload(payload, first + i);
        int key_len = snprintf(keys[i], KEY_BYTES, "c%llu", (unsigned long long)(first + i));
        records[i] = (sluice_record_t){
            .struct_size = sizeof records[i],
            .op = SLUICE_OP_UPSERT,
            .event_time_ms = INT64_C(1700000000000) + (int64_t)(first + i),
            .source_ordinal = first + i + 1,
            .key = {keys[i], (uint64_t)key_len},
            .payload = {payload, counter.payload_bytes},
        };
    }
    return counter.host->emit(counter.host, stream, records, count, NULL);
}

static sluice_status_t save(const sluice_slice_t *stream, uint64_t next) {
    char state[KEY_BYTES];
    int len = snprintf(state, sizeof state, "%llu", (unsigned long long)next);
    sluice_checkpoint_t checkpoint = {sizeof checkpoint, 1, INT64_C(1700000000000) + (int64_t)next, *stream,
                                      {state, (uint64_t)len}};
    return counter.host->checkpoint(counter.host, &checkpoint);
}

static sluice_status_t read_state(const sluice_pull_t *pull, uint64_t *next) {
    char state[KEY_BYTES] = "";
    if (pull->state.len == 0) return SLUICE_OK;
    if (pull->state.len >= sizeof state || pull->state_version != 1) {
        return fail(SLUICE_E_PERMANENT, "counter.bad_state", "The checkpoint is not one of this plugin's; reset it.");
    }
    memcpy(state, pull->state.ptr, pull->state.len);
    // Exactly as save() writes it: strtoull() alone would take "-1" and " 7" too.
    if (strspn(state, "0123456789") == pull->state.len) {
        *next = strtoull(state, NULL, 10);
        return SLUICE_OK;
    }
    return fail(SLUICE_E_PERMANENT, "counter.bad_state", "The checkpoint is not a number; reset it.");
}

static sluice_status_t pull(const sluice_source_t *source, const sluice_pull_t *request) {
    (void)source;
    uint64_t next = counter.start, end = counter.start + counter.records;
    if (request->stream.len != 8 || memcmp(request->stream.ptr, "counters", 8) != 0) {
        return fail(SLUICE_E_CONFIG, "counter.unknown_stream", "The counter has the stream \"counters\" and no other.");
    }
    sluice_status_t status = read_state(request, &next);
    while (status == SLUICE_OK && next < end) {
        uint64_t in_batch = (next - counter.start) % counter.batch;
        uint64_t count = counter.batch - in_batch;
        if (count > end - next) count = end - next;
        if (count > BATCH_MAX) count = BATCH_MAX;
        status = emit_some(&request->stream, next, count);
        if (status != SLUICE_OK) break;
        next += count;
        if ((next - counter.start) % counter.batch == 0 || next == end) status = save(&request->stream, next);
    }
    return status == SLUICE_E_TOO_LARGE ? fail(SLUICE_E_CONFIG, "counter.too_large", "Lower payload_bytes.") : status;
}

static sluice_status_t check(const sluice_source_t *source) {
    (void)source;
    return SLUICE_OK;
}

static sluice_status_t discover(const sluice_source_t *source) {
    (void)source;
    sluice_slice_t json = text("[{\"stream\":\"counters\",\"schema\":{\"type\":\"object\"}}]");
    return counter.host->set_result(counter.host, &json);
}

static void destroy(const sluice_source_t *source) {
    (void)source;
    free(counter.payloads);
}

static const void *no_extension(const sluice_source_t *source, const char *id) {
    (void)source, (void)id;
    return NULL;
}

static const sluice_source_t counter_source = {
    sizeof counter_source, 0, NULL, destroy, no_extension, check, discover, pull,
};

static sluice_status_t create(const sluice_host_t *host, const sluice_slice_t *id, const sluice_slice_t *config,
                              const sluice_source_t **out) {
    static char json[1024];
    counter.host = host;
    if (id->len != 7 || memcmp(id->ptr, "counter", 7) != 0) {
        return fail(SLUICE_E_CONFIG, "counter.unknown_id", "The library has the source \"counter\" and no other.");
    }
    if (config->len >= sizeof json) return fail(SLUICE_E_CONFIG, "counter.config", "The configuration is too long.");
    if (config->len > 0) memcpy(json, config->ptr, config->len);
    counter.records = config_number(json, "records", 1000);
    counter.payload_bytes = config_number(json, "payload_bytes", 200);
    counter.batch = config_number(json, "batch", 100);
    counter.start = config_number(json, "start", 0);
    counter.incompressible = (int)config_number(json, "incompressible", 0);
    if (counter.batch == 0) counter.batch = 1;
    if (counter.payload_bytes < PAYLOAD_MIN + 16 || counter.payload_bytes > PAYLOAD_MAX) {
        return fail(SLUICE_E_CONFIG, "counter.config", "payload_bytes must be between 64 and 65536.");
    }
    counter.payloads = malloc(BATCH_MAX * counter.payload_bytes);
    if (counter.payloads == NULL) return fail(SLUICE_E_TRANSIENT, "counter.memory", "Out of memory.");
    *out = &counter_source;
    return SLUICE_OK;
}

static const sluice_descriptor_t *descriptor(uint32_t index) {
    static const sluice_descriptor_t counter_descriptor = {
        sizeof counter_descriptor, 0, {"counter", 7}, {"Counter", 7}, {"1.0.0", 5},
    };
    (void)index;
    return &counter_descriptor;
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
