// One of a crowd of sources, for the benchmarks: {"do": "steady"} brings the same ten records with every pull; "crash" dies,
// "hang" never answers, "flood" brings new records as fast as it is let, for ever. It reaches nothing.
#include <stdlib.h>
#include <unistd.h>

#include "../record_text.h"
#include "sluice/sluice.h"

SLUICE_PLUGIN_NOTE

enum { STEADY_RECORDS = 10, FLOOD_BATCH = 500 };
static const int64_t EVENT_TIME_MS = INT64_C(1767571200000);

static const sluice_host_t *host;
static char conduct[16];
static uint64_t flooded;

static sluice_slice_t text(const char *s) { return (sluice_slice_t){s, strlen(s)}; }

static sluice_status_t bring(const sluice_slice_t *stream, uint64_t first, uint64_t count) {
    static char payloads[FLOOD_BATCH][RECORD_BYTES], keys[FLOOD_BATCH][RECORD_KEY_BYTES];
    static sluice_record_t records[FLOOD_BATCH];
    for (uint64_t i = 0; i < count; i++) {
        record_text(payloads[i], first + i);
        record_key(keys[i], first + i);
        records[i] = (sluice_record_t){.struct_size = sizeof(sluice_record_t), .op = SLUICE_OP_UPSERT, .event_time_ms = EVENT_TIME_MS,
                                       .source_ordinal = 1, .key = text(keys[i]), .payload = {payloads[i], RECORD_BYTES}};
    }
    sluice_status_t status = host->emit(host, stream, records, count, NULL);
    if (status != SLUICE_OK) return status;
    char state[RECORD_KEY_BYTES];
    sluice_checkpoint_t checkpoint = {sizeof checkpoint, 1, SLUICE_TIME_NONE, *stream, {state, record_key(state, first + count)}};
    return host->checkpoint(host, &checkpoint);
}

static sluice_status_t pull(const sluice_source_t *source, const sluice_pull_t *request) {
    (void)source;
    if (strcmp(conduct, "crash") == 0) abort();
    if (strcmp(conduct, "hang") == 0) for (;;) sleep(1000);
    if (strcmp(conduct, "flood") != 0) return bring(&request->stream, 0, STEADY_RECORDS);
    for (;;) {
        sluice_status_t status = bring(&request->stream, flooded, FLOOD_BATCH);
        if (status != SLUICE_OK) return status;
        flooded += FLOOD_BATCH;
    }
}

static sluice_status_t nothing(const sluice_source_t *source) {
    (void)source;
    return SLUICE_OK;
}
static void destroy(const sluice_source_t *source) { (void)source; }
static const void *extension(const sluice_source_t *source, const char *id) {
    (void)source, (void)id;
    return NULL;
}

static sluice_status_t create(const sluice_host_t *given, const sluice_slice_t *id, const sluice_slice_t *config,
                              const sluice_source_t **out) {
    static const sluice_source_t source = {sizeof source, 0, NULL, destroy, extension, nothing, nothing, pull};
    (void)id;
    char json[128] = "";
    host = given;
    if (config->len >= sizeof json) return SLUICE_E_CONFIG;
    memcpy(json, config->ptr, config->len);
    if (sscanf(json, "{\"do\":\"%15[a-z]\"}", conduct) != 1) return SLUICE_E_CONFIG;
    *out = &source;
    return SLUICE_OK;
}

static const sluice_descriptor_t *descriptor(uint32_t index) {
    static const sluice_descriptor_t only = {sizeof only, 0, {"crowd", 5}, {"Crowd", 5}, {"1.0.0", 5}};
    (void)index;
    return &only;
}

static const void *get_factory(const char *id) {
    static const sluice_source_factory_t factory = {sizeof factory, 1, descriptor, create};
    return strcmp(id, SLUICE_SOURCE_FACTORY) == 0 ? &factory : NULL;
}

const sluice_plugin_t *sluice_plugin_entry(void) {
    static const sluice_plugin_t plugin = {sizeof plugin, SLUICE_MAGIC, SLUICE_ABI_MAJOR, SLUICE_ABI_MINOR, 0, get_factory};
    return &plugin;
}
