// Sets a valve: an executor that keeps every rule, unless it is compiled with -DM_SOMETHING, which breaks one.
#include "common.h"

SLUICE_PLUGIN_NOTE

static sluice_status_t check(const sluice_executor_t *executor) {
    (void)executor;
    answer_t answer = {0, {NULL, 0}};
    sluice_http_request_t request = {
        .struct_size = sizeof request, .endpoint = text("valve"), .method = text("GET"), .path = text("/v1/valves"), .slot = text("api"),
    };
    sluice_status_t status = fetch(&request, &answer);
    return status == SLUICE_OK ? judged(&answer) : status;
}

static bool segment(sluice_slice_t name) {
    const char *p = name.ptr;
    if (name.len == 0 || name.len > 64 || (name.len == 1 && *p == '.') || (name.len == 2 && p[0] == '.' && p[1] == '.')) return false;
    for (uint64_t i = 0; i < name.len; i++) {
        if (!((p[i] >= 'a' && p[i] <= 'z') || (p[i] >= 'A' && p[i] <= 'Z') || (p[i] >= '0' && p[i] <= '9') || strchr("-_.", p[i]))) return false;
    }
    return true;
}

// A call's valve and the body of its write.
static bool arguments(const sluice_action_t *action, sluice_slice_t *valve, sluice_slice_t *set) {
    if (M(CRASHES_ON_SHAPE) && (action->input.len == 0 || *(const char *)action->input.ptr != '{')) abort();
    if (!json_is(action->input)) return false;
    *set = json_member(action->input, "set");
    return set->len > 0 && json_name(json_member(action->input, "valve"), valve) && segment(*valve);
}

static int32_t reject(const char *code, const char *message) {
    fail(SLUICE_OK, code, message);
    return SLUICE_OUTCOME_REJECTED;
}

static sluice_status_t send(const char *method, sluice_slice_t valve, sluice_slice_t set, answer_t *answer) {
    char path[128];
    snprintf(path, sizeof path, "/v1/valves/%.*s", (int)valve.len, (const char *)valve.ptr);
    sluice_http_request_t request = {
        .struct_size = sizeof request, .endpoint = text("valve"), .method = text(method), .path = text(path), .slot = text("api"), .body = set,
    };
    return fetch_once(&request, answer);
}

static int32_t unknown(const char *message) {
    if (M(SILENCE_IS_NO)) return reject("valve.failed", message);
    fail(SLUICE_OK, "valve.unknown", message);
    return SLUICE_OUTCOME_UNKNOWN;
}

static bool probed;

static int32_t execute(const sluice_executor_t *executor, const sluice_action_t *action) {
    (void)executor;
    sluice_slice_t valve, set;
    answer_t answer = {0, {NULL, 0}};
    static bool before;
    if (M(PROBE_BREAKS) && probed) return reject("valve.probed", "It was probed before.");
    static char changed[4096];
    if (!same(action->name, "set_level")) return reject("valve.unknown_action", "The valve has the action set_level and no other.");
    if (!arguments(action, &valve, &set)) return reject("valve.bad_arguments", "Give `valve` and `set`.");
    sluice_slice_t result = text("{\"set\":true}");
    if (M(SAYS_DONE) || (M(DONE_ONCE_ONLY) && before)) {
        if (M(DONE_ONCE_ONLY)) return reject("valve.again", "It was done before.");
        host->set_result(host, &result);
        return SLUICE_OUTCOME_DONE;
    }
    before = true;
    if (M(CHANGES_BODY) && set.len < sizeof changed) {
        // Takes every character for one byte: what is not ASCII becomes a question mark.
        memcpy(changed, set.ptr, set.len);
        for (uint64_t i = 0; i < set.len; i++) if ((unsigned char)changed[i] >= 0x80) changed[i] = '?';
        set.ptr = changed;
    }
    sluice_status_t status = send("PUT", valve, set, &answer);
    if (M(REPEATS_WRITE) && status == SLUICE_OK && answer.status >= 500) status = send("PUT", valve, set, &answer);
    if (M(UNKNOWN_SEND_IS_DONE) && status < SLUICE_E_UNSUPPORTED) { host->set_result(host, &result); return SLUICE_OUTCOME_DONE; }
    if (status == SLUICE_E_TRANSIENT || status == SLUICE_E_TOO_LARGE) return unknown("The valve did not answer.");
    if (M(CANCELLED_IS_NO) && status == SLUICE_E_CANCELLED) return reject("valve.stopped", "It was stopped.");
    if (status != SLUICE_OK) return translated(status);
    if (answer.status >= 200 && answer.status < 300) {
        host->set_result(host, &result);
        return SLUICE_OUTCOME_DONE;
    }
    if (answer.status == 401 || answer.status == 403) {
        if (M(REFUSED_IS_DONE)) { host->set_result(host, &result); return SLUICE_OUTCOME_DONE; }
        return fail(SLUICE_E_AUTH, "valve.unauthorized", "The valve refused the credential.");
    }
    if (answer.status == 429) return SLUICE_OUTCOME_RETRY_AFTER;
    if (answer.status >= 500 || answer.status < 400 || answer.status == 408 || answer.status == 425) return unknown("The valve's answer is unclear.");
    if (M(NO_IS_UNKNOWN)) return unknown("The valve said no.");
    return reject("valve.refused", "The valve refused the write.");
}

static int32_t probe(const sluice_executor_t *executor, const sluice_action_t *action) {
    (void)executor;
    sluice_slice_t valve, set, result = text("{\"set\":true}");
    answer_t answer = {0, {NULL, 0}};
    char path[256];
    if (!arguments(action, &valve, &set) || !segment(action->key)) return SLUICE_PROBE_CANNOT_TELL;
    if (M(PROBE_BREAKS)) probed = true;
    if (M(PROBE_WRITES)) send("PUT", valve, set, &answer);
    snprintf(path, sizeof path, "/v1/keys/%.*s", (int)action->key.len, (const char *)action->key.ptr);
    sluice_http_request_t request = {
        .struct_size = sizeof request, .endpoint = text("valve"), .method = text("GET"), .path = text(path), .slot = text("api"),
    };
    sluice_status_t status = fetch(&request, &answer);
    if (status == SLUICE_OK && answer.status == 404) return M(ABSENT_IS_DONE) ? SLUICE_PROBE_DONE : SLUICE_PROBE_ABSENT;
    if (status == SLUICE_OK) status = judged(&answer);
    if (status != SLUICE_OK) return status;
    if (M(PROBE_SHRUGS)) return SLUICE_PROBE_CANNOT_TELL;
    if (!json_is(answer.body) || !same(json_member(answer.body, "applied"), "true")) return SLUICE_PROBE_CANNOT_TELL;
    host->set_result(host, &result);
    return SLUICE_PROBE_DONE;
}

static int32_t dry_run(const sluice_executor_t *executor, const sluice_action_t *action) {
    (void)executor;
    sluice_slice_t valve, set;
    answer_t answer = {0, {NULL, 0}};
    if (!arguments(action, &valve, &set)) return reject("valve.bad_arguments", "Give `valve` and `set`.");
    if (M(DRY_RUN_WRITES)) send("PUT", valve, set, &answer);
    sluice_slice_t result = text("{\"would\":\"set the valve\"}");
    if (!M(DRY_RUN_SAYS_NOTHING)) host->set_result(host, &result);
    return SLUICE_OUTCOME_DONE;
}

static void destroy(const sluice_executor_t *executor) { (void)executor; }
static const void *extension(const sluice_executor_t *executor, const char *id) { (void)executor, (void)id; return NULL; }

static sluice_status_t create(const sluice_host_t *given, const sluice_slice_t *id, const sluice_slice_t *config,
                              const sluice_executor_t **out) {
    static const sluice_executor_t valve = {
        .struct_size = sizeof valve, .destroy = destroy, .get_extension = extension, .check = check, .execute = execute,
        .probe = probe, .dry_run = dry_run,
    };
    host = given;
    if (!same(*id, "valve")) return fail(SLUICE_E_CONFIG, "valve.unknown_id", "The library has the executor \"valve\" and no other.");
    if (!json_is(*config)) return fail(SLUICE_E_CONFIG, "valve.config", "The configuration is no JSON.");
    http = host->get_extension(host, SLUICE_EXT_HTTP);
    if (http == NULL) return fail(SLUICE_E_CONFIG, "valve.no_http", "The valve needs sluice.http/1.");
    *out = &valve;
    return SLUICE_OK;
}

static const sluice_descriptor_t *descriptor(uint32_t index) {
    static const sluice_descriptor_t valve = {.struct_size = sizeof valve, .id = {"valve", 5}, .name = {"Valve", 5}, .version = {"1.0.0", 5}};
    (void)index;
    return &valve;
}

static const void *get_factory(const char *id) {
    static const sluice_executor_factory_t factory = {.struct_size = sizeof factory, .count = 1, .descriptor = descriptor, .create = create};
    return strcmp(id, SLUICE_EXECUTOR_FACTORY) == 0 ? &factory : NULL;
}

const sluice_plugin_t *sluice_plugin_entry(void) {
    static const sluice_plugin_t plugin = {
        .struct_size = sizeof plugin, .magic = SLUICE_MAGIC, .abi_major = SLUICE_ABI_MAJOR, .abi_minor = SLUICE_ABI_MINOR,
        .get_factory = get_factory,
    };
    return &plugin;
}
