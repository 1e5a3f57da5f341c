// A queue that forgets what it is told to: a source that keeps every rule, unless it is compiled with -DM_SOMETHING.
//
// The state is the number of the last item, in decimal. The queue is told of it once it is saved, and again when a pull begins:
// what was saved just before a death it may not have heard.
#include "sluice/kit.h"
#include "switches.h"

enum { STATE_VERSION = 1, PAGE = 50 };

static sluice_status_t odd_answer(const sluice_host_t *host) {
    return sluice_fail(host, SLUICE_E_TRANSIENT, "queue.odd_answer", "The queue's answer is no list of items.");
}

static sluice_status_t items(const sluice_host_t *host, int64_t after, sluice_slice_t *list) {
    char query[32];
    sluice_out_t with = sluice_out(query, sizeof query);
    sluice_put(&with, "after=");
    sluice_put_integer(&with, after);
    sluice_status_t status = sluice_get_json(host, "queue", "", sluice_text("/v1/items"), sluice_out_slice(&with), list);
    return status != SLUICE_OK || sluice_json_is_list(*list) ? status : odd_answer(host);
}

static sluice_status_t forget(const sluice_host_t *host, int64_t last) {
    char path[48];
    sluice_out_t to = sluice_out(path, sizeof path);
    const sluice_http_t *http = (const sluice_http_t *)host->get_extension(host, SLUICE_EXT_HTTP);
    if (http == NULL) return sluice_fail(host, SLUICE_E_PERMANENT, "queue.no_http", "The queue needs sluice.http/1.");
    sluice_http_response_t response = {.struct_size = sizeof response};
    sluice_put(&to, "/v1/forgotten/");
    sluice_put_integer(&to, M(TELLS_TOO_MUCH) ? last + 2 : last);
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
        if (!sluice_json_integer(sluice_json_member(item, "id"), last)) return odd_answer(host);
        sluice_put_integer(&key, *last);
        records[*count] = sluice_upsert(sluice_out_slice(&key), item, SLUICE_TIME_NONE);
        *count += 1;
    }
    return *count > 0 ? sluice_emit(host, stream, records, (uint64_t)*count) : SLUICE_OK;
}

static sluice_status_t pull(const sluice_host_t *host, const sluice_pull_t *pull) {
    int64_t last = 0;
    if (!sluice_is(pull->stream, "items")) {
        return sluice_fail(host, SLUICE_E_CONFIG, "queue.unknown_stream", "The queue has the stream `items` and no other.");
    }
    if (pull->state.len > 0 && (pull->state_version != STATE_VERSION || !sluice_parse_integer(pull->state, &last) || last < 0)) {
        return sluice_fail(host, SLUICE_E_PERMANENT, "queue.bad_state", "The checkpoint is not one of this plugin's; reset it.");
    }
    sluice_status_t status = last > 0 ? forget(host, last) : SLUICE_OK;
    while (status == SLUICE_OK) {
        char state[24];
        sluice_slice_t list;
        int count;
        int64_t before = last;
        status = items(host, last, &list);
        if (status == SLUICE_OK) status = emit_page(host, pull->stream, list, &last, &count);
        if (status != SLUICE_OK || count == 0) return status;
        if (last <= before) return sluice_fail(host, SLUICE_E_TRANSIENT, "queue.no_progress", "The queue gave the same items again.");
        sluice_out_t text = sluice_out(state, sizeof state);
        sluice_put_integer(&text, last);
        status = sluice_save(host, pull->stream, STATE_VERSION, sluice_out_slice(&text), SLUICE_TIME_NONE);
        if (status == SLUICE_OK) status = forget(host, last);
    }
    return status;
}

static const sluice_kit_source_t queue = {
    .id = "queue", .name = "Queue", .version = "1.0.0", .check = check, .discover = discover, .pull = pull,
};
SLUICE_SOURCE_PLUGIN(queue)
