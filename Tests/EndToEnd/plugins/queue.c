// Reads a queue that forgets what it is told to: the item of number N is {"id": N}. The state is the last number.
//
// Configuration: {"prune": "never" | "saved" | "hasty" | "breaks"}: tell the queue nothing; all up to each checkpoint; or, wrongly, what
// has no checkpoint yet. "breaks" is like "never", and of no use any more once it has read two pages from the beginning.
#include <stdbool.h>

#include "sluice/kit.h"

enum { STATE_VERSION = 1, PAGE = 10 };

static char prune[8];
static bool broken;

static sluice_status_t configure(const sluice_host_t *host, sluice_slice_t config) {
    static const char *const keys[] = {"prune", NULL};
    sluice_status_t status = sluice_config_allow(host, config, keys);
    return status != SLUICE_OK ? status : sluice_config_text(host, config, "prune", prune, sizeof prune);
}

static sluice_status_t items(const sluice_host_t *host, int64_t after, sluice_slice_t *list) {
    char query[32];
    sluice_out_t with = sluice_out(query, sizeof query);
    sluice_put(&with, "after=");
    sluice_put_integer(&with, after);
    return sluice_get_json(host, "queue", "", sluice_text("/items"), sluice_out_slice(&with), list);
}

static sluice_status_t acknowledge(const sluice_host_t *host, int64_t last) {
    char path[48];
    sluice_out_t to = sluice_out(path, sizeof path);
    const sluice_http_t *http = (const sluice_http_t *)host->get_extension(host, SLUICE_EXT_HTTP);
    sluice_http_response_t response = {.struct_size = sizeof response};
    sluice_put(&to, "/forget/");
    sluice_put_integer(&to, last);
    sluice_http_request_t request = {.struct_size = sizeof request, .endpoint = sluice_text("queue"), .method = sluice_text("POST"),
                                     .path = sluice_out_slice(&to)};
    sluice_status_t status = http->http_send(host, &request, &response);
    if (status != SLUICE_OK) return sluice_answer(status);
    return response.status == 204 ? SLUICE_OK : sluice_http_class(host, "queue", &response);
}

static sluice_status_t check(const sluice_host_t *host) {
    sluice_slice_t list;
    return items(host, 0, &list);
}

static sluice_status_t discover(const sluice_host_t *host) {
    sluice_slice_t json = sluice_text("[{\"stream\":\"items\",\"schema\":{\"type\":\"object\",\"required\":[\"id\"]}}]");
    return host->set_result(host, &json);
}

static sluice_status_t emit_page(const sluice_host_t *host, sluice_slice_t stream, sluice_slice_t list, int64_t *last, int *count) {
    static char keys[PAGE][24];
    sluice_record_t records[PAGE];
    sluice_slice_t item;
    const uint8_t *place = NULL;
    *count = 0;
    while (*count < PAGE && sluice_json_item(list, &place, &item)) {
        sluice_out_t key = sluice_out(keys[*count], 24);
        if (!sluice_json_integer(sluice_json_member(item, "id"), last)) return SLUICE_E_TRANSIENT;
        sluice_put_integer(&key, *last);
        records[*count] = sluice_upsert(sluice_out_slice(&key), item, SLUICE_TIME_NONE);
        *count += 1;
    }
    return *count > 0 ? sluice_emit(host, stream, records, (uint64_t)*count) : SLUICE_OK;
}

static sluice_status_t pull(const sluice_host_t *host, const sluice_pull_t *pull) {
    int64_t last = 0;
    if (pull->state.len > 0 && !sluice_parse_integer(pull->state, &last)) return SLUICE_E_PERMANENT;
    sluice_slice_t how = sluice_text(prune);
    if (broken) return sluice_fail(host, SLUICE_E_BUG, "queue.broken", "It broke earlier.");
    bool breaks = sluice_is(how, "breaks") && last == 0;
    // What was saved before a crash is told now: the state that a pull is given is durable.
    if (sluice_is(how, "saved") && last > 0) {
        sluice_status_t status = acknowledge(host, last);
        if (status != SLUICE_OK) return status;
    }
    for (;;) {
        char state[24];
        sluice_slice_t list;
        int count;
        sluice_status_t status = items(host, last, &list);
        if (status == SLUICE_OK) status = emit_page(host, pull->stream, list, &last, &count);
        if (status != SLUICE_OK || count == 0) return status;
        if (sluice_is(how, "hasty")) {
            status = acknowledge(host, last);
            if (status != SLUICE_OK) return status;
        }
        sluice_out_t text = sluice_out(state, sizeof state);
        sluice_put_integer(&text, last);
        status = sluice_save(host, pull->stream, STATE_VERSION, sluice_out_slice(&text), SLUICE_TIME_NONE);
        if (status == SLUICE_OK && sluice_is(how, "saved")) status = acknowledge(host, last);
        if (status != SLUICE_OK) return status;
        if (breaks && last >= 2 * PAGE) {
            broken = true;
            return sluice_fail(host, SLUICE_E_BUG, "queue.breaks", "It breaks here.");
        }
    }
}

static const sluice_kit_source_t queue = {
    .id = "queue", .name = "Queue", .version = "1.0.0", .configure = configure, .check = check, .discover = discover, .pull = pull,
};
SLUICE_SOURCE_PLUGIN(queue)
