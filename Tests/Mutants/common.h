// What gauge and valve share, which are broken on purpose: a strict JSON reader, one way to fetch.
#ifndef MUTANTS_COMMON_H
#define MUTANTS_COMMON_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sluice/sluice.h"
#include "switches.h"

static const sluice_host_t *host;
static const sluice_http_t *http;

static inline sluice_slice_t text(const char *s) { return (sluice_slice_t){s, strlen(s)}; }

static inline sluice_status_t fail(sluice_status_t status, const char *code, const char *message) {
    sluice_error_t error = {.struct_size = sizeof error, .retry_after_ms = -1, .code = text(code), .message = text(message)};
    host->set_error(host, &error);
    return status;
}

static inline bool same(sluice_slice_t slice, const char *s) {
    return slice.len == strlen(s) && memcmp(slice.ptr, s, slice.len) == 0;
}

// JSON (RFC 8259), strictly, at most 16 deep. Each function takes a place and gives the one behind, or NULL.
enum { DEPTH_MAX = 16 };
static const char *json_value(const char *p, const char *end, int depth);

static inline const char *json_blank(const char *p, const char *end) {
    while (p != NULL && p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) p++;
    return p;
}

static inline const char *json_string(const char *p, const char *end) {
    if (p >= end || *p != '"') return NULL;
    for (p++; p < end && *p != '"'; p++) {
        if ((unsigned char)*p < 0x20) return NULL;
        if (*p == '\\' && ++p >= end) return NULL;
    }
    return p < end ? p + 1 : NULL;
}

static inline const char *json_list(const char *p, const char *end, int depth, char close, bool named) {
    p = json_blank(p + 1, end);
    if (p < end && *p == close) return p + 1;
    for (;;) {
        if (named) {
            p = json_blank(json_string(json_blank(p, end), end), end);
            if (p == NULL || p >= end || *p++ != ':') return NULL;
        }
        p = json_blank(json_value(p, end, depth), end);
        if (p == NULL || p >= end) return NULL;
        if (*p == close) return p + 1;
        if (*p++ != ',') return NULL;
    }
}

static const char *json_value(const char *p, const char *end, int depth) {
    p = json_blank(p, end);
    if (p >= end) return NULL;
    if (depth >= DEPTH_MAX && !M(DEEP_RECURSION)) return NULL;
    if (*p == '{') return json_list(p, end, depth + 1, '}', true);
    if (*p == '[') return json_list(p, end, depth + 1, ']', false);
    if (*p == '"') return json_string(p, end);
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < 3; i++) {
        size_t len = strlen(words[i]);
        if ((size_t)(end - p) >= len && memcmp(p, words[i], len) == 0) return p + len;
    }
    const char *start = p;
    while (p < end && (strchr("+-.eE", *p) != NULL || (*p >= '0' && *p <= '9'))) p++;
    return p > start && (*start == '-' || (*start >= '0' && *start <= '9')) ? p : NULL;
}

static inline bool json_is(sluice_slice_t json) {
    const char *p = json.ptr, *end = p + json.len;
    if (json.len == 0) return false;
    return json_blank(json_value(p, end, 0), end) == end;
}

// The value of a member of a valid object, or an empty slice.
static inline sluice_slice_t json_member(sluice_slice_t object, const char *name) {
    const char *p = object.ptr, *end = p + object.len;
    if (object.len == 0 || *p != '{') return (sluice_slice_t){NULL, 0};
    p = json_blank(p + 1, end);
    while (p != NULL && p < end && *p == '"') {
        const char *key = p + 1;
        p = json_string(p, end);
        size_t key_len = (size_t)(p - 1 - key);
        const char *value = json_blank(json_blank(p, end) + 1, end);
        p = json_value(value, end, 0);
        if (key_len == strlen(name) && memcmp(key, name, key_len) == 0) return (sluice_slice_t){value, (uint64_t)(p - value)};
        p = json_blank(json_blank(p, end) + 1, end);
    }
    return (sluice_slice_t){NULL, 0};
}

// The next item of a valid array: `*at` is where to look, the array itself first.
static inline bool json_next(sluice_slice_t array, const char **at, sluice_slice_t *item) {
    const char *end = (const char *)array.ptr + array.len;
    const char *p = json_blank(*at == NULL ? (const char *)array.ptr + 1 : *at, end);
    if (p < end && *p == ',') p = json_blank(p + 1, end);
    if (p >= end || *p == ']') return false;
    const char *behind = json_value(p, end, 0);
    *item = (sluice_slice_t){p, (uint64_t)(behind - p)};
    *at = behind;
    return true;
}

static inline bool json_integer(sluice_slice_t value, int64_t *out) {
    char digits[24] = "";
    if (value.len == 0 || value.len >= sizeof digits) return false;
    memcpy(digits, value.ptr, value.len);
    char *behind = digits;
    *out = strtoll(digits, &behind, 10);
    return *behind == '\0' && behind != digits && digits[0] != ' ' && digits[0] != '+';
}

// A string without escapes: names and ids have none here.
static inline bool json_name(sluice_slice_t value, sluice_slice_t *out) {
    const char *p = value.ptr;
    if (value.len < 3 || *p != '"' || memchr(p, '\\', value.len) != NULL) return false;
    *out = (sluice_slice_t){p + 1, value.len - 2};
    return true;
}

// The whole answer of a request, in `body`.
enum { BODY_MAX = 256 * 1024 };
static char body[BODY_MAX];
static bool shrugs;  // a mutant that takes what it cannot read for an empty page
typedef struct answer { uint32_t status; sluice_slice_t body; } answer_t;

static sluice_status_t fetch_once(const sluice_http_request_t *request, answer_t *answer) {
    sluice_http_response_t response = {.struct_size = sizeof response};
    sluice_status_t status = http->http_open(host, request, &response);
    if (M(CANCELLED_OPEN_TRANSIENT) && status == SLUICE_E_CANCELLED) return SLUICE_E_TRANSIENT;
    if (status != SLUICE_OK) return status;
    if (M(FEW_HEADERS) && response.header_count > 5) return fail(SLUICE_E_BUG, "gauge.headers", "Too many headers.");
    answer->status = response.status;
    sluice_slice_t kept = {NULL, 0};
    if (M(KEEPS_HEADER) && response.header_count > 0) kept = response.headers[0].name;
    size_t len = 0;
    sluice_slice_t part = {NULL, 0};
    do {
        status = http->http_read(host, response.handle, 0, &part);
        if (M(CANCELLED_READ_TRANSIENT) && status == SLUICE_E_CANCELLED) status = fail(SLUICE_E_TRANSIENT, "gauge.read", "The answer stopped.");
        if (M(BROKEN_IS_END) && status == SLUICE_E_TRANSIENT) { status = SLUICE_OK; shrugs = true; break; }
        if (status != SLUICE_OK) break;
        if (part.len > BODY_MAX - len) {
            if (M(TOO_LARGE_IS_EMPTY)) { len = 0; shrugs = true; break; }
            status = fail(SLUICE_E_PERMANENT, "gauge.too_large", "An answer is larger than 256 KiB.");
            break;
        }
        if (part.len > 0) memcpy(body + len, part.ptr, part.len);
        len += part.len;
    } while (part.len > 0);
    if (M(KEEPS_HEADER)) {
        sluice_slice_t code = text("gauge.header");
        host->log(host, SLUICE_LOG_INFO, &code, &kept, NULL, 0);
    }
    if (M(BAD_HANDLE)) http->http_close(host, response.handle + 5);
    bool leaves_open = M(LEAVES_OPEN) || (M(LEAVES_WRITE_OPEN) && same(request->method, "PUT"));
    if (!leaves_open) http->http_close(host, response.handle);
    answer->body = (sluice_slice_t){body, len};
    return status;
}

// What the host's answers to a request mean for an operation (ABI-4.2).
static sluice_status_t translated(sluice_status_t status) {
    switch (status) {
    case SLUICE_E_DENIED: return fail(SLUICE_E_CONFIG, "gauge.denied", "The manifest does not allow a request.");
    case SLUICE_E_AUTH: return fail(SLUICE_E_AUTH, "gauge.no_credential", "The slot has no usable credential.");
    case SLUICE_E_TRANSIENT:
        if (M(UNREACHABLE_PERMANENT)) return fail(SLUICE_E_PERMANENT, "gauge.unreachable", "The gauge cannot be reached.");
        return fail(status, "gauge.unreachable", "The gauge cannot be reached.");
    case SLUICE_E_TOO_LARGE: case SLUICE_E_INVALID: case SLUICE_E_STATE: return fail(SLUICE_E_BUG, "gauge.bug", "A request was malformed.");
    default:
        if (M(ABORTS_ON_UNKNOWN) && status < SLUICE_E_UNSUPPORTED) abort();
        return status;
    }
}

static sluice_status_t fetch(const sluice_http_request_t *request, answer_t *answer) {
    sluice_status_t status = fetch_once(request, answer);
    for (int i = 0; M(RETRIES_DENIED) && status == SLUICE_E_DENIED && i < 50; i++) status = fetch_once(request, answer);
    for (int i = 0; M(HAMMERS_WHEN_TOLD) && status == SLUICE_OK && answer->status == 429 && i < 50; i++) status = fetch_once(request, answer);
    for (int i = 0; M(HAMMERS) && status == SLUICE_OK && answer->status == 503 && i < 50; i++) status = fetch_once(request, answer);
    return status == SLUICE_OK ? status : translated(status);
}

static inline sluice_status_t judged(const answer_t *answer) {
    switch (answer->status) {
    case 401: case 403:
        if (M(AUTH_PERMANENT)) return fail(SLUICE_E_PERMANENT, "gauge.refused", "The gauge refused the request.");
        return fail(SLUICE_E_AUTH, "gauge.unauthorized", "The gauge refused the credential.");
    case 429:
        if (M(WAIT_IS_END)) { shrugs = true; return SLUICE_OK; }
        return fail(SLUICE_E_RATE_LIMITED, "gauge.slow_down", "The gauge asked to slow down.");
    case 200: return SLUICE_OK;
    default: break;
    }
    if (answer->status >= 300 && answer->status < 400 && M(REDIRECT_IS_OK)) { shrugs = true; return SLUICE_OK; }
    if (answer->status == 503 && M(DOWN_PERMANENT)) return fail(SLUICE_E_PERMANENT, "gauge.down", "The gauge is down.");
    if (answer->status >= 500) return fail(SLUICE_E_TRANSIENT, "gauge.down", "The gauge is down.");
    return fail(SLUICE_E_PERMANENT, "gauge.refused", "The gauge refused the request.");
}

#endif
