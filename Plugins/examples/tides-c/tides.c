// Reads a tide gauge: each reading once, in order, by pull and by webhook.
//
// Configuration: {"station": NAME}. The state is the number of the last reading, in decimal.
#include "sluice/kit.h"

enum { STATE_VERSION = 1, PAGE = 100 };
#define DAY_MS INT64_C(86400000)

static char station[64];

static sluice_status_t configure(const sluice_host_t *host, sluice_slice_t config) {
    static const char *const keys[] = {"station", NULL};
    sluice_status_t status = sluice_config_allow(host, config, keys);
    return status != SLUICE_OK ? status : sluice_config_text(host, config, "station", station, sizeof station);
}

static sluice_status_t odd_answer(const sluice_host_t *host) {
    return sluice_fail(host, SLUICE_E_TRANSIENT, "tides.odd_answer", "The gauge's answer is no list of readings.");
}

// The readings after number `after`, as a JSON array that lives until the next host call.
static sluice_status_t readings(const sluice_host_t *host, int64_t after, int64_t limit, sluice_slice_t *list) {
    char path[256], query[64];
    sluice_out_t to = sluice_out(path, sizeof path), with = sluice_out(query, sizeof query);
    sluice_put(&to, "/v1/stations/");
    sluice_put_segment(&to, sluice_text(station));
    sluice_put(&to, "/readings");
    sluice_put(&with, "after=");
    sluice_put_integer(&with, after);
    sluice_put(&with, "&limit=");
    sluice_put_integer(&with, limit);
    sluice_status_t status = sluice_get_json(host, "tides", "api", sluice_out_slice(&to), sluice_out_slice(&with), list);
    return status != SLUICE_OK || sluice_json_is_list(*list) ? status : odd_answer(host);
}

// Makes a record of {"id": number, "at": milliseconds, ...}; 0 when it is no reading.
static int make_record(sluice_slice_t reading, char key[24], int64_t *id, sluice_record_t *record) {
    int64_t at;
    if (!sluice_json_integer(sluice_json_member(reading, "id"), id)) return 0;
    if (!sluice_json_integer(sluice_json_member(reading, "at"), &at)) at = SLUICE_TIME_NONE;
    sluice_out_t text = sluice_out(key, 24);
    sluice_put_integer(&text, *id);
    *record = sluice_upsert(sluice_out_slice(&text), reading, at);
    return 1;
}

static sluice_status_t check(const sluice_host_t *host) {
    sluice_slice_t list;
    return readings(host, 0, 1, &list);
}

static sluice_status_t discover(const sluice_host_t *host) {
    sluice_slice_t json = sluice_text(
        "[{\"stream\":\"readings\",\"schema\":{\"type\":\"object\",\"required\":[\"id\",\"at\",\"level\"]}}]");
    return host->set_result(host, &json);
}

// Emits one page and moves `last` to its last reading; `count` is 0 when there was none.
static sluice_status_t emit_page(const sluice_host_t *host, sluice_slice_t stream, sluice_slice_t list, int64_t *last, int *count) {
    static char keys[PAGE][24];
    sluice_record_t records[PAGE];
    sluice_slice_t reading;
    const uint8_t *place = NULL;
    *count = 0;
    while (*count < PAGE && sluice_json_item(list, &place, &reading)) {
        // Left out, it would never come again: the checkpoint lies behind it.
        if (!make_record(reading, keys[*count], last, &records[*count])) return odd_answer(host);
        *count += 1;
    }
    return *count > 0 ? sluice_emit(host, stream, records, (uint64_t)*count) : SLUICE_OK;
}

// What a pull that has caught up may promise: all of the days before the one it began on. The gauge knows a reading at once.
static sluice_status_t complete_until(const sluice_host_t *host, int64_t *end) {
    sluice_status_t status = sluice_answer(host->clock_now(host, SLUICE_CLOCK_WALL, end));
    *end -= *end % DAY_MS + 1;
    return status;
}

static sluice_status_t pull(const sluice_host_t *host, const sluice_pull_t *pull) {
    int64_t last = 0, complete = 0;
    if (!sluice_is(pull->stream, "readings")) {
        return sluice_fail(host, SLUICE_E_CONFIG, "tides.unknown_stream", "The gauge has the stream `readings` and no other.");
    }
    if (pull->state.len > 0 && (pull->state_version != STATE_VERSION || !sluice_parse_integer(pull->state, &last) || last < 0)) {
        return sluice_fail(host, SLUICE_E_PERMANENT, "tides.bad_state", "The checkpoint is not one of this plugin's; reset it.");
    }
    sluice_status_t status = complete_until(host, &complete);
    while (status == SLUICE_OK) {
        char state[24];
        sluice_slice_t list;
        int count;
        int64_t before = last;
        status = readings(host, last, PAGE, &list);
        if (status == SLUICE_OK) status = emit_page(host, pull->stream, list, &last, &count);
        if (status != SLUICE_OK) return status;
        if (count > 0 && last <= before) return sluice_fail(host, SLUICE_E_TRANSIENT, "tides.no_progress", "The gauge gave the same readings again.");
        sluice_out_t text = sluice_out(state, sizeof state);
        sluice_put_integer(&text, last);
        status = sluice_save(host, pull->stream, STATE_VERSION, sluice_out_slice(&text), count > 0 ? SLUICE_TIME_NONE : complete);
        if (count == 0) return status;
    }
    return status;
}

static sluice_status_t receive(const sluice_host_t *host, const sluice_delivery_t *delivery) {
    char key[24];
    int64_t id;
    sluice_record_t record;
    if (!sluice_json_check(delivery->body) || !make_record(delivery->body, key, &id, &record)) {
        return sluice_fail(host, SLUICE_E_PERMANENT, "tides.no_reading", "The delivery holds no reading.");
    }
    return sluice_emit(host, sluice_text("readings"), &record, 1);
}

static const sluice_kit_source_t tides = {
    .id = "tides", .name = "Tides", .version = "1.0.0", .configure = configure, .check = check, .discover = discover,
    .pull = pull, .receive = receive,
};
SLUICE_SOURCE_PLUGIN(tides)
