// Host calls with fewer words, and what their answers mean for the operation. Part of sluice/kit.h.
#ifndef SLUICE_KIT_CALLS_H
#define SLUICE_KIT_CALLS_H

#include "json.h"

// States why the operation fails and gives the class to return: `return sluice_fail(host, SLUICE_E_CONFIG, ...)`.
static inline sluice_status_t sluice_fail(const sluice_host_t *host, sluice_status_t status, const char *code,
                                          const char *message) {
    sluice_error_t error = {sizeof error, 0, -1, sluice_text(code), sluice_text(message)};
    host->set_error(host, &error);
    return status;
}

// What a host call's answer means when an operation returns it: its own answers become classes (ABI-4.2).
// The host has stated the reason of a refused or lost request by itself.
static inline sluice_status_t sluice_answer(sluice_status_t status) {
    switch (status) {
    case SLUICE_E_DENIED: case SLUICE_E_TOO_LARGE: return SLUICE_E_PERMANENT;
    case SLUICE_E_INVALID: case SLUICE_E_STATE: case SLUICE_E_UNSUPPORTED: return SLUICE_E_BUG;
    default: return status;
    }
}

// A record that sets an object; `payload` is one JSON value. More is set by its fields.
static inline sluice_record_t sluice_upsert(sluice_slice_t key, sluice_slice_t payload, int64_t event_time_ms) {
    sluice_slice_t none = {NULL, 0};
    sluice_record_t record = {sizeof record, SLUICE_OP_UPSERT, event_time_ms, 0, key, none, payload};
    return record;
}

static inline sluice_status_t sluice_emit(const sluice_host_t *host, sluice_slice_t stream, const sluice_record_t *records,
                                          uint64_t count) {
    sluice_status_t status = host->emit(host, &stream, records, count, NULL);
    if (status == SLUICE_E_TOO_LARGE) {
        return sluice_fail(host, SLUICE_E_PERMANENT, "plugin.too_large",
                           "What emit was given or should have brought exceeds a limit.");
    }
    return sluice_answer(status);
}

static inline sluice_status_t sluice_save(const sluice_host_t *host, sluice_slice_t stream, uint32_t version,
                                          sluice_slice_t state, int64_t watermark_ms) {
    sluice_checkpoint_t checkpoint = {sizeof checkpoint, version, watermark_ms, stream, state};
    return sluice_answer(host->checkpoint(host, &checkpoint));
}

// Tells the host what the upstream said of its limits: until `reset_at_ms` the endpoint gets at most `remaining` requests,
// evenly. A host without sluice.rate-hint/1 has nobody to be told.
static inline sluice_status_t sluice_hint(const sluice_host_t *host, const char *endpoint, int64_t limit, int64_t remaining,
                                          int64_t reset_at_ms) {
    const sluice_rate_hint_t *rates = (const sluice_rate_hint_t *)host->get_extension(host, SLUICE_EXT_RATE_HINT);
    sluice_rate_t rate = {sizeof rate, 0, sluice_text(endpoint), limit, remaining, reset_at_ms};
    return rates == NULL ? SLUICE_OK : sluice_answer(rates->rate_hint(host, &rate));
}

// Refuses keys that nobody reads: a misspelled key must not be silently ignored. `keys` ends with NULL.
static inline sluice_status_t sluice_config_allow(const sluice_host_t *host, sluice_slice_t config, const char *const *keys) {
    char found[SLUICE_NAME_BYTES_MAX], message[512];
    sluice_json_in_t in = sluice_json_open(config);
    sluice_slice_t value;
    if (!sluice_json_take(&in, '{')) return SLUICE_OK;
    do {
        sluice_out_t key = sluice_out(found, sizeof found), text = sluice_out(message, sizeof message);
        int known = 0;
        if (!sluice_json_string(&in, &key) || !sluice_json_take(&in, ':') || !sluice_json_value(&in, &value)) return SLUICE_OK;
        for (const char *const *k = keys; *k != NULL; k++) known |= !key.full && sluice_is(sluice_out_slice(&key), *k);
        if (known) continue;
        sluice_put(&text, "`");
        sluice_put_slice(&text, sluice_out_slice(&key));
        sluice_put(&text, "` is unknown; known are ");
        for (const char *const *k = keys; *k != NULL; k++) {
            sluice_put(&text, k == keys ? "" : ", ");
            sluice_put(&text, *k);
        }
        sluice_put(&text, ".");
        sluice_error_t error = {sizeof error, 0, -1, sluice_text("config.invalid"), sluice_out_slice(&text)};
        host->set_error(host, &error);
        return SLUICE_E_CONFIG;
    } while (sluice_json_take(&in, ','));
    return SLUICE_OK;
}

// A text of the configuration. Otherwise CONFIG, stated, with the key in the message.
static inline sluice_status_t sluice_config_text(const sluice_host_t *host, sluice_slice_t config, const char *key, char *out,
                                                 size_t capacity) {
    char message[128];
    sluice_slice_t value = sluice_json_member(config, key);
    if (sluice_json_text(value, out, capacity)) return SLUICE_OK;
    sluice_out_t text = sluice_out(message, sizeof message - 1);
    sluice_put(&text, "`");
    sluice_put(&text, key);
    sluice_put(&text, value.len == 0 ? "` is missing." : "` must be a text.");
    message[text.len] = 0;
    return sluice_fail(host, SLUICE_E_CONFIG, "config.invalid", message);
}

// A whole number of the configuration from `low` to `high`; `otherwise` when it is absent.
static inline sluice_status_t sluice_config_integer(const sluice_host_t *host, sluice_slice_t config, const char *key,
                                                    int64_t low, int64_t high, int64_t otherwise, int64_t *out) {
    char message[160];
    sluice_slice_t value = sluice_json_member(config, key);
    *out = otherwise;
    if (value.len == 0 || (sluice_json_integer(value, out) && *out >= low && *out <= high)) return SLUICE_OK;
    sluice_out_t text = sluice_out(message, sizeof message - 1);
    sluice_put(&text, "`");
    sluice_put(&text, key);
    sluice_put(&text, "` must be a whole number from ");
    sluice_put_integer(&text, low);
    sluice_put(&text, " to ");
    sluice_put_integer(&text, high);
    sluice_put(&text, ".");
    message[text.len] = 0;
    return sluice_fail(host, SLUICE_E_CONFIG, "config.invalid", message);
}

// How long the upstream asked to wait, in milliseconds; -1 when it did not say. Only seconds are read, not dates.
static inline int64_t sluice_retry_after_ms(const sluice_http_response_t *response) {
    int64_t seconds;
    for (uint32_t i = 0; i < response->header_count; i++) {
        if (sluice_is(response->headers[i].name, "retry-after") && sluice_parse_integer(response->headers[i].value, &seconds) &&
            seconds >= 0 && seconds <= 86400) return seconds * 1000;
    }
    return -1;
}

// What a status that is no success means to the host, stated with a code that begins with `system`.
static inline sluice_status_t sluice_http_class(const sluice_host_t *host, const char *system,
                                                const sluice_http_response_t *response) {
    static const struct { sluice_status_t status; const char *code, *before, *after; } kinds[] = {
        {SLUICE_E_AUTH, ".unauthorized", "The upstream refused the credential with status ", "; set a new one."},
        {SLUICE_E_CONFIG, ".not_found", "The upstream has no such address (", "); check the endpoint's base address."},
        {SLUICE_E_RATE_LIMITED, ".rate_limited", "The upstream asked to slow down (", "), again and again."},
        {SLUICE_E_TRANSIENT, ".unavailable", "The upstream answered with status ", "; it is tried again later."},
        {SLUICE_E_PERMANENT, ".unexpected_status", "The upstream answered with status ", ", which it should not."},
    };
    uint32_t status = response->status;
    int kind = status == 401 || status == 403 ? 0 : status == 404 ? 1 : status == 429 ? 2
               : status == 408 || status == 425 || status >= 500 ? 3 : 4;
    char code[SLUICE_NAME_BYTES_MAX], message[160];
    sluice_out_t code_text = sluice_out(code, sizeof code), text = sluice_out(message, sizeof message);
    sluice_put(&code_text, system);
    sluice_put(&code_text, kinds[kind].code);
    sluice_put(&text, kinds[kind].before);
    sluice_put_integer(&text, status);
    sluice_put(&text, kinds[kind].after);
    sluice_error_t error = {sizeof error, 0, kind == 2 ? sluice_retry_after_ms(response) : -1, sluice_out_slice(&code_text),
                            sluice_out_slice(&text)};
    host->set_error(host, &error);
    return kinds[kind].status;
}

// Sends one request, once, and gives the whole answer of any status, with at most 1 MiB of body. It lives until the next
// host call: copy what you keep. A body is JSON. What the host answered is returned as it is, for executors: of a request
// that was lost (TRANSIENT), or whose answer is too large, nobody knows what became.
static inline sluice_status_t sluice_send(const sluice_host_t *host, const char *method, const char *endpoint, const char *slot,
                                          sluice_slice_t path, sluice_slice_t query, sluice_slice_t body,
                                          sluice_http_response_t *response) {
    const sluice_http_t *http = (const sluice_http_t *)host->get_extension(host, SLUICE_EXT_HTTP);
    sluice_pair_t type = {sluice_text("Content-Type"), sluice_text("application/json")};
    sluice_http_request_t request;
    if (http == NULL) {
        return sluice_fail(host, SLUICE_E_PERMANENT, "plugin.not_granted", "The manifest does not grant sluice.http/1.");
    }
    memset(&request, 0, sizeof request);
    memset(response, 0, sizeof *response);
    request.struct_size = sizeof request;
    response->struct_size = sizeof *response;
    request.endpoint = sluice_text(endpoint);
    request.slot = sluice_text(slot);
    request.method = sluice_text(method);
    request.path = path;
    request.query = query;
    request.body = body;
    request.headers = &type;
    request.header_count = body.len > 0 ? 1 : 0;
    return http->http_send(host, &request, response);
}

// Sends a GET and gives the whole body, of at most 1 MiB, checked to be JSON. It lives until the next host call: copy
// what you keep. A 429 is repeated at once, three times at most; the host holds the next request back for as long as the
// upstream asked. Every failure is stated.
static inline sluice_status_t sluice_get_json(const sluice_host_t *host, const char *endpoint, const char *slot,
                                              sluice_slice_t path, sluice_slice_t query, sluice_slice_t *body) {
    sluice_slice_t none = {NULL, 0};
    sluice_http_response_t response;
    for (int attempt = 0; attempt < 3; attempt++) {
        sluice_status_t status = sluice_send(host, "GET", endpoint, slot, path, query, none, &response);
        if (status == SLUICE_E_TOO_LARGE) {
            return sluice_fail(host, SLUICE_E_PERMANENT, "plugin.too_large", "The upstream's answer is larger than 1 MiB.");
        }
        if (status != SLUICE_OK) return sluice_answer(status);
        if (response.status != 429) break;
    }
    if (response.status < 200 || response.status > 299) return sluice_http_class(host, endpoint, &response);
    *body = response.body;
    if (sluice_json_check(*body)) return SLUICE_OK;
    return sluice_fail(host, SLUICE_E_TRANSIENT, "plugin.unreadable", "The upstream sent what is no JSON.");
}

#endif
