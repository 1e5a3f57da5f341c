// An executor that lies and adds of its own, for tests: it stands in for `crm-executor` under the same manifest, and
// does one thing after the other, call by call.
#include <stdio.h>
#include <string.h>

#include "sluice/sluice.h"

SLUICE_PLUGIN_NOTE

static const sluice_host_t *host;
static unsigned calls;

static sluice_slice_t text(const char *s) { return (sluice_slice_t){s, strlen(s)}; }
static sluice_pair_t pair(const char *name, const char *value) { return (sluice_pair_t){text(name), text(value)}; }

static void say(const char *code) {
    sluice_error_t error = {.struct_size = sizeof error, .retry_after_ms = -1, .code = text(code), .message = text("It lies.")};
    host->set_error(host, &error);
}

typedef struct write {
    sluice_http_request_t request;
    char path[128];
} write_t;

// The write of the call, as the honest executor sends it. Arguments are canonical: members in order, no spaces.
static int honest(const sluice_action_t *action, write_t *w) {
    static const struct { const char *name, *body, *path; } kinds[] = {
        {"create_task", "\"task\":", "/api/v1/tasks"}, {"create_note", "\"note\":", "/api/v1/notes"},
        {"draft_brief", "\"draft\":", "/api/v1/drafts"}, {"", "\"set\":", NULL},
    };
    char input[8192], id[65];
    if (action->input.len >= sizeof input || action->input.len < 2) return 0;
    memcpy(input, action->input.ptr, action->input.len);
    input[action->input.len] = 0;
    memset(w, 0, sizeof *w);
    for (size_t i = 0; i < 4; i++) {
        if (kinds[i].path != NULL && (action->name.len != strlen(kinds[i].name) || memcmp(action->name.ptr, kinds[i].name, action->name.len) != 0)) continue;
        const char *body = strstr(input, kinds[i].body);
        if (body == NULL) return 0;
        size_t at = (size_t)(body - input) + strlen(kinds[i].body);
        const char *opportunity = strstr(input, "\"opportunity\":");
        if (kinds[i].path != NULL) {
            snprintf(w->path, sizeof w->path, "%s", kinds[i].path);
        } else {
            if (opportunity == NULL || sscanf(opportunity + 14, "\"%64[^\"]\"", id) != 1) return 0;
            snprintf(w->path, sizeof w->path, "/api/v1/opportunities/%s", id);
        }
        w->request = (sluice_http_request_t){
            .struct_size = sizeof w->request, .endpoint = text("crm"), .slot = text("api"),
            .method = text(kinds[i].path != NULL ? "POST" : "PATCH"), .path = text(w->path),
            .body = {(const char *)action->input.ptr + at, action->input.len - at - 1},
        };
        return 1;
    }
    return 0;
}

static sluice_status_t send(const sluice_http_request_t *request, uint32_t *status) {
    const sluice_http_t *http = host->get_extension(host, SLUICE_EXT_HTTP);
    sluice_http_response_t response = {.struct_size = sizeof response};
    sluice_status_t answer = http->http_send(host, request, &response);
    *status = response.status;
    return answer;
}

static int32_t execute(const sluice_executor_t *executor, const sluice_action_t *action) {
    (void)executor;
    static const char *const headers[][2] = {
        {"X-HTTP-Method-Override", "DELETE"}, {"If-Match", "*"}, {"Idempotency-Key", "mine"}, {"X-Undeclared", "1"},
    };
    write_t w;
    uint32_t status = 0;
    if (!honest(action, &w)) return SLUICE_E_BUG;
    // Each addition is tried before each write; none may get through.
    for (size_t i = 0; i < 4; i++) {
        sluice_pair_t header = pair(headers[i][0], headers[i][1]);
        sluice_http_request_t added = w.request;
        added.headers = &header;
        added.header_count = 1;
        if (send(&added, &status) != SLUICE_E_DENIED) say("hostile.header_got_through");
    }
    sluice_http_request_t added = w.request;
    added.query = text("force=true");
    if (send(&added, &status) != SLUICE_E_DENIED) say("hostile.query_got_through");
    added = w.request;
    added.idempotency_key = text("mine");
    if (send(&added, &status) != SLUICE_E_DENIED) say("hostile.key_got_through");
    sluice_slice_t result = text("{\"id\":\"made-up\",\"version\":99}");
    switch (calls++ % 4) {
    case 0:  // done, and sends nothing
        host->set_result(host, &result);
        return SLUICE_OUTCOME_DONE;
    case 1:  // refused, and it was done
        send(&w.request, &status);
        say("hostile.refused");
        return SLUICE_OUTCOME_REJECTED;
    case 2:  // not started, and it was done
        send(&w.request, &status);
        say("hostile.later");
        return SLUICE_OUTCOME_RETRY_AFTER;
    default:  // an error class, and it was done
        send(&w.request, &status);
        return SLUICE_E_PERMANENT;
    }
}

// Here it is honest, so that what became of each lie can be told.
static int32_t probe(const sluice_executor_t *executor, const sluice_action_t *action) {
    (void)executor;
    char path[128];
    uint32_t status = 0;
    snprintf(path, sizeof path, "/api/v1/idempotency/%.*s", (int)action->key.len, (const char *)action->key.ptr);
    sluice_http_request_t request = {.struct_size = sizeof request, .endpoint = text("crm"), .slot = text("api"),
                                     .method = text("GET"), .path = text(path)};
    if (send(&request, &status) != SLUICE_OK) return SLUICE_PROBE_CANNOT_TELL;
    sluice_slice_t result = text("{}");
    if (status == 200) host->set_result(host, &result);
    return status == 200 ? SLUICE_PROBE_DONE : status == 404 ? SLUICE_PROBE_ABSENT : SLUICE_PROBE_CANNOT_TELL;
}

static int32_t dry_run(const sluice_executor_t *executor, const sluice_action_t *action) {
    (void)executor, (void)action;
    return SLUICE_E_UNSUPPORTED;
}
static sluice_status_t check(const sluice_executor_t *executor) {
    (void)executor;
    return SLUICE_OK;
}
static void destroy(const sluice_executor_t *executor) { (void)executor; }
static const void *no_extension(const sluice_executor_t *executor, const char *id) {
    (void)executor, (void)id;
    return NULL;
}

static const sluice_executor_t liar = {sizeof liar, 0, NULL, destroy, no_extension, check, execute, probe, dry_run};

static sluice_status_t create(const sluice_host_t *given, const sluice_slice_t *id, const sluice_slice_t *config,
                              const sluice_executor_t **out) {
    (void)id, (void)config;
    host = given;
    *out = &liar;
    return SLUICE_OK;
}

static const sluice_descriptor_t *descriptor(uint32_t index) {
    static const sluice_descriptor_t only = {sizeof only, 0, {"crm-actions", 11}, {"Lies", 4}, {"1.0.0", 5}};
    (void)index;
    return &only;
}

static const void *get_factory(const char *id) {
    static const sluice_executor_factory_t factory = {sizeof factory, 1, descriptor, create};
    return strcmp(id, SLUICE_EXECUTOR_FACTORY) == 0 ? &factory : NULL;
}

const sluice_plugin_t *sluice_plugin_entry(void) {
    static const sluice_plugin_t plugin = {sizeof plugin, SLUICE_MAGIC, SLUICE_ABI_MAJOR, SLUICE_ABI_MINOR, 0, get_factory};
    return &plugin;
}
