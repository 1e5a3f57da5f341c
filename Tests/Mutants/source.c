// A gauge's readings, by a feed of changes and by webhook: a source that keeps every rule, unless it is compiled with
// -DM_SOMETHING, which breaks one, or with -DM_BEFORE, which makes the version before of it. Tests/Mutants/mutants.py says which check of the conformance kit must notice.
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

#ifndef M_NO_NOTE
SLUICE_PLUGIN_NOTE
#endif

enum { PAGE_MAX = 100, STATE_VERSION = M(BEFORE) ? 0 : 1, STATE_MAX = 8192 };
static char station[64];
static int64_t limit;
static bool was_cancelled;
static char seen[4096];

#ifdef M_UNRESOLVED
extern int nobody_defines_this(void);
#define UNRESOLVED_CALL() nobody_defines_this()
#else
#define UNRESOLVED_CALL() 0
#endif

#ifdef M_EXTRA_EXPORT
__attribute__((visibility("default"))) int gauge_helper(void);
int gauge_helper(void) { return 1; }
#endif

#if defined(M_CONSTRUCTOR_SOCKET) || defined(M_CONSTRUCTOR_SLEEPS)
__attribute__((constructor)) static void at_load(void) {
    struct timespec wait = {0, 120 * 1000 * 1000};
    if (M(CONSTRUCTOR_SLEEPS)) nanosleep(&wait, NULL);
    if (M(CONSTRUCTOR_SOCKET)) close(socket(AF_INET, SOCK_STREAM, 0));
}
#endif

static bool configured(sluice_slice_t config) {
    sluice_slice_t name;
    limit = 2;
    if (M(CRASHES_ON_STRANGE_CONFIG) && config.len > 0 && memmem(config.ptr, config.len, "_\":", 3) != NULL) abort();
    if (!json_is(config)) return false;
    sluice_slice_t given = json_member(config, "limit");
    if (given.len > 0 && (!json_integer(given, &limit) || limit < 1 || limit > PAGE_MAX)) return false;
    if (M(NEEDS_OPTIONAL) && given.len == 0) return false;
    sluice_slice_t value = json_member(config, "station");
    if (M(CRASHES_WITHOUT_STATION) && value.len == 0) abort();
    if (M(IGNORES_MISSING) && value.len == 0) { strcpy(station, "brest"); return true; }
    if (!json_name(value, &name) || name.len >= sizeof station) return false;
    for (uint64_t i = 0; i < name.len; i++) {
        char c = ((const char *)name.ptr)[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
        if (M(REFUSES_X) && c == 'x') return false;
    }
    memcpy(station, name.ptr, name.len);
    station[name.len] = '\0';
    return !M(REFUSES_GOOD_CONFIG);
}

static sluice_status_t page(int64_t after, answer_t *answer) {
    char path[160], query[64];
    snprintf(path, sizeof path, "/v1/stations/%s/readings", station);
    snprintf(query, sizeof query, "after=%lld&limit=%lld", (long long)after, (long long)limit);
    sluice_http_request_t request = {
        .struct_size = sizeof request, .endpoint = text("gauge"), .method = text("GET"), .path = text(path),
        .query = text(query), .slot = text("api"),
    };
    shrugs = false;
    sluice_status_t status = fetch(&request, answer);
    if (M(CRASHES_ON_TEAPOT) && status == SLUICE_OK && (answer->status == 204 || answer->status == 418)) abort();
    if (status == SLUICE_OK) status = judged(answer);
    if (status != SLUICE_OK) return status;
    if (shrugs || !json_is(answer->body)) {
        if (shrugs || M(LENIENT)) {
            answer->body = text("{\"readings\":[],\"end\":true}");
            return SLUICE_OK;
        }
        return fail(SLUICE_E_TRANSIENT, "gauge.no_json", "The gauge's answer is not JSON.");
    }
    return SLUICE_OK;
}

// One reading as a record; its slices point into the page.
static bool record_of(sluice_slice_t item, sluice_record_t *record, int64_t *seq) {
    int64_t version = 0, at = 0;
    sluice_slice_t id, deleted = json_member(item, "deleted");
    if (!json_name(json_member(item, "id"), &id) || !json_integer(json_member(item, "version"), &version) || version < 1 ||
        !json_integer(json_member(item, "seq"), seq) || !json_integer(json_member(item, "at"), &at)) return false;
    *record = (sluice_record_t){
        .struct_size = sizeof *record, .op = same(deleted, "true") && !M(DELETES_ARE_UPDATES) ? SLUICE_OP_DELETE : SLUICE_OP_UPSERT,
        .event_time_ms = at, .source_ordinal = M(VERSION_STAYS) ? 1 : (uint64_t)version, .key = id, .payload = item,
    };
    return true;
}

static sluice_status_t emit_page(sluice_slice_t readings, int64_t *after, uint64_t *count) {
    static sluice_record_t records[PAGE_MAX * 2];
    static char changed[PAGE_MAX][512];
    const char *at = NULL;
    sluice_slice_t item;
    int64_t seq = *after;
    *count = 0;
    while (json_next(readings, &at, &item)) {
        if (*count == PAGE_MAX || !record_of(item, &records[*count], &seq)) {
            return fail(SLUICE_E_TRANSIENT, "gauge.bad_reading", "The gauge gave a reading without id, seq, version or time.");
        }
        sluice_record_t *record = &records[*count];
        static char keys[PAGE_MAX][80];
        if (M(KEY_WITH_STATION)) record->key = (sluice_slice_t){keys[*count], (uint64_t)snprintf(keys[*count], sizeof keys[0], "%s/%.*s", station, (int)record->key.len, (const char *)record->key.ptr)};
        if (M(KEYS_TURNED) && *count % 2 == 1) { sluice_slice_t other = records[*count - 1].key; records[*count - 1].key = record->key; record->key = other; }
        char *to = changed[*count];
        unsigned long long number = 0;
        if (M(CHANCE_IN_RECORD)) host->random(host, &number, sizeof number);
        int len = 0;
        if (M(CHANCE_IN_RECORD)) len = snprintf(to, sizeof changed[0], "{\"id\":\"x\",\"level\":1,\"chance\":\"%llu\"}", number);
        if (M(LEVEL_IS_TEXT)) len = snprintf(to, sizeof changed[0], "{\"id\":\"x\",\"level\":\"high\"}");
        if (len > 0) record->payload = (sluice_slice_t){to, (uint64_t)len};
        ++*count;
    }
    if (M(LOSES_LAST_OF_PAGE) && *count > 1) --*count;
    if (M(EMITS_NOTHING)) *count = 0;
    if (M(EMITS_TWICE)) { memcpy(records + *count, records, *count * sizeof *records); *count *= 2; }
    sluice_slice_t stream = text("readings");
    int64_t left = host->deadline(host);
    sluice_status_t status = SLUICE_OK;
    uint64_t done = 0;
    while (*count > 0 && done < *count) {
        uint64_t accepted = 0;
        status = host->emit(host, &stream, records + done, *count - done, &accepted);
        done += accepted;
        if (M(INSISTS) && status == SLUICE_E_CANCELLED) continue;
        if (M(UNKNOWN_EMIT_IS_OK) && status < SLUICE_E_UNSUPPORTED) { done = *count; status = SLUICE_OK; }
        if (M(IGNORES_TOO_LARGE) && status == SLUICE_E_TOO_LARGE) { done++; status = SLUICE_OK; continue; }
        if (status != SLUICE_OK) break;
    }
    if (M(CANCELLED_IS_TRANSIENT) && status == SLUICE_E_CANCELLED) return fail(SLUICE_E_TRANSIENT, "gauge.stopped", "It was stopped.");
    if (status == SLUICE_E_TOO_LARGE) return fail(SLUICE_E_PERMANENT, "gauge.record_too_large", "A reading is too large; raise record_bytes_max.");
    if (status != SLUICE_OK) return status == SLUICE_E_CANCELLED ? status : fail(SLUICE_E_BUG, "gauge.bug", "A record was malformed.");
    *after = seq;
    if (M(HOARDS)) {
        static char *volatile hoard;
        hoard = malloc(2 << 20);
        if (hoard != NULL) memset(hoard, 1, 2 << 20);
    }
    if (M(IMPATIENT) && left - host->deadline(host) > 150) *after = -1;
    return SLUICE_OK;
}

static sluice_status_t save(int64_t after) {
    char state[STATE_MAX];
    unsigned version = STATE_VERSION;
    int len = snprintf(state, sizeof state, "{\"after\":%lld}", (long long)(M(SKIPS_ONE) && after > 0 ? after + 1 : after));
    if (M(BEFORE)) len = snprintf(state, sizeof state, "%lld", (long long)after);
    if (M(TIME_IN_STATE)) {
        int64_t now = 0;
        host->clock_now(host, SLUICE_CLOCK_MONOTONIC, &now);
        len = snprintf(state, sizeof state, "{\"after\":%lld,\"at\":%lld}", (long long)after, (long long)now);
    }
    if (M(STATE_GROWS)) {
        int bytes = after > 10 ? 4000 : (int)after * 400;
        memset(seen, 'x', sizeof seen);
        len = snprintf(state, sizeof state, "{\"after\":%lld,\"seen\":\"%.*s\"}", (long long)after, bytes, seen);
    }
    sluice_checkpoint_t checkpoint = {.struct_size = sizeof checkpoint, .state_version = version, .watermark_ms = SLUICE_TIME_NONE,
                                      .stream = text("readings"), .state = {state, (uint64_t)len}};
    sluice_status_t status = host->checkpoint(host, &checkpoint);
    if (status != SLUICE_OK) return status;
    do status = host->wait_durable(host); while (M(WAITS_FOR_EVER) && status == SLUICE_E_CANCELLED);
    if (M(CANCELLED_WAIT_PERMANENT) && status == SLUICE_E_CANCELLED) return fail(SLUICE_E_PERMANENT, "gauge.stopped", "It was stopped.");
    return status;
}

static sluice_status_t read_state(const sluice_pull_t *pull, int64_t *after) {
    *after = 0;
    if (pull->state.len == 0 || M(FORGETS_STATE)) return SLUICE_OK;
    if (M(CHANGES_INPUT)) *(char *)(uintptr_t)pull->state.ptr = '{' ^ 1;
    if (M(CHANGES_INPUT)) return SLUICE_OK;
    if (M(BEFORE) && pull->state_version == 0 && json_integer(pull->state, after) && *after >= 0) return SLUICE_OK;
    bool known = pull->state_version == STATE_VERSION || M(ANY_VERSION);
    if (M(CRASHES_ON_STATE) && pull->state.len > 200) abort();
    if (known && json_is(pull->state) && json_integer(json_member(pull->state, "after"), after) && *after >= 0) return SLUICE_OK;
    if (M(GARBAGE_IS_BEGINNING) && known) { *after = 0; return SLUICE_OK; }
    if (M(HANDS_STATE_ON) && known && json_integer(pull->state, after)) return SLUICE_OK;
    return fail(SLUICE_E_PERMANENT, "gauge.bad_state", "The checkpoint is not one of this plugin's; reset it.");
}

static sem_t thread_runs;
static volatile bool thread_stops;
static void *log_from_thread(void *ignored) {
    (void)ignored;
    sem_post(&thread_runs);
    sluice_slice_t code = text("gauge.thread"), message = text("From another thread.");
    for (int i = 0; i < 20000 && !thread_stops; i++) host->log(host, SLUICE_LOG_DEBUG, &code, &message, NULL, 0);
    return NULL;
}

static sluice_status_t pull_all(const sluice_pull_t *pull) {
    int64_t after = 0;
    sluice_status_t status = read_state(pull, &after);
    if (status != SLUICE_OK) return status;
    if (M(NEVER_ASKS_AGAIN) && after > 0) return SLUICE_OK;
    static int64_t caught_up = -1;
    if (M(REMEMBERS_THE_END) && after == caught_up) return SLUICE_OK;
    if (M(STEPS_BACK) && after > 2) after = 0;
    int idle = 0;
    for (;;) {
        answer_t answer = {0, {NULL, 0}};
        status = page(after, &answer);
        if (M(EXPIRED_IS_END) && status == SLUICE_E_AUTH && after > 0) return SLUICE_OK;
        if (status != SLUICE_OK) return status;
        sluice_slice_t readings = json_member(answer.body, "readings"), end = json_member(answer.body, "end");
        if (readings.len == 0 || *(const char *)readings.ptr != '[' || end.len == 0) {
            return fail(SLUICE_E_TRANSIENT, "gauge.no_page", "The gauge's answer has no `readings` and `end`.");
        }
        int64_t before = after;
        uint64_t count = 0;
        if (M(SAVES_BEFORE)) {
            const char *at = NULL;
            sluice_slice_t item;
            int64_t last = after;
            while (json_next(readings, &at, &item)) json_integer(json_member(item, "seq"), &last);
            if (last > after && (status = save(last)) != SLUICE_OK) return status;
        }
        status = emit_page(readings, &after, &count);
        if (status != SLUICE_OK) return status;
        if (after == -1) return SLUICE_OK;
        if (after < before || (after == before && !same(end, "true"))) {
            if (!M(READS_IN_CIRCLES)) return fail(SLUICE_E_PERMANENT, "gauge.endless", "The gauge's list leads back to its beginning.");
        }
        if (after > before && !M(SAVES_BEFORE) && !(M(NO_LAST_CHECKPOINT) && same(end, "true"))) {
            if ((status = save(after)) != SLUICE_OK) return status;
        }
        if (!same(end, "true")) continue;
        if (M(POLLS_IDLE) && pull->state.len > 0 && ++idle < 50) continue;
        caught_up = after;
        return SLUICE_OK;
    }
}

static sluice_status_t pull(const sluice_source_t *source, const sluice_pull_t *request) {
    (void)source;
    if (!same(request->stream, "readings") && !M(ANY_STREAM)) {
        return fail(SLUICE_E_CONFIG, "gauge.unknown_stream", "The gauge has the stream \"readings\" and no other.");
    }
    if (M(OPENS_SOCKET)) close(socket(AF_INET, SOCK_STREAM, 0));
    pthread_t thread;
    thread_stops = false;
    sem_init(&thread_runs, 0, 0);
    bool started = M(CALLS_FROM_THREAD) && pthread_create(&thread, NULL, log_from_thread, NULL) == 0;
    if (started) sem_wait(&thread_runs);
    sluice_status_t status = pull_all(request);
    thread_stops = true;
    if (started) pthread_join(thread, NULL);
    was_cancelled = status == SLUICE_E_CANCELLED;
    return status;
}

static void *waits_for_ever(void *ignored) {
    static sem_t never;
    sem_init(&never, 0, 0);
    sem_wait(&never);
    return ignored;
}

static sluice_status_t check(const sluice_source_t *source) {
    (void)source;
    answer_t answer = {0, {NULL, 0}};
    if (M(CRASHES_AFTER_CANCEL) && was_cancelled) abort();
    if (M(LEAKS_MEMORY)) {
        static char *volatile leak;
        leak = malloc(65536);
        if (leak != NULL) memset(leak, 1, 65536);
    }
    static int checks;
    checks++;
    if (M(LEAKS_DESCRIPTORS) || (M(LEAKS_ONE_DESCRIPTOR) && checks == 2)) eventfd(0, 0);
    pthread_t stays;
    if (M(LEAKS_THREADS)) pthread_create(&stays, NULL, waits_for_ever, NULL);
    if (M(CHECK_FAILS)) return fail(SLUICE_E_PERMANENT, "gauge.never", "It never works.");
    sluice_host_t copy = *host;
    sluice_slice_t code = text("gauge.check"), message = text("A check.");
    if (M(COPIES_HOST)) copy.log(&copy, SLUICE_LOG_DEBUG, &code, &message, NULL, 0);
    if (M(LOGS_NONSENSE)) host->log(host, 99, &code, &message, NULL, 0);
    if (M(REAL_TIME)) {
        static char day[48];
        snprintf(day, sizeof day, "It is day %lld.", (long long)time(NULL) / 86400);
        message = text(day);
        host->log(host, SLUICE_LOG_DEBUG, &code, &message, NULL, 0);
    }
    if (M(REAL_CHANCE)) {
        static char number[48];
        unsigned long long drawn = 0;
        if (getrandom(&drawn, sizeof drawn, 0) != sizeof drawn) abort();
        snprintf(number, sizeof number, "It drew %llu.", drawn);
        message = text(number);
        host->log(host, SLUICE_LOG_DEBUG, &code, &message, NULL, 0);
    }
    if (M(UNDECLARED)) {
        sluice_http_request_t request = {.struct_size = sizeof request, .endpoint = text("gauge"), .method = text("GET"), .path = text("/v1/health"), .slot = text("api")};
        fetch_once(&request, &answer);
    }
    if (M(SPOOFS_HOST) || M(OWN_AUTHORIZATION)) {
        sluice_pair_t header = {text(M(SPOOFS_HOST) ? "host" : "authorization"), text(M(SPOOFS_HOST) ? "other.example" : "Bearer mine")};
        char path[160];
        snprintf(path, sizeof path, "/v1/stations/%s/readings", station);
        sluice_http_request_t request = {.struct_size = sizeof request, .endpoint = text("gauge"), .method = text("GET"), .path = text(path), .query = text("after=0"),
                                         .headers = &header, .header_count = 1, .slot = text("api")};
        fetch_once(&request, &answer);
    }
    sluice_status_t status = page(0, &answer);
    if (M(CHECK_TRANSIENT_PAST_DEADLINE) && status == SLUICE_E_CANCELLED) return fail(SLUICE_E_TRANSIENT, "gauge.late", "Too late.");
    return status;
}

static sluice_status_t discover(const sluice_source_t *source) {
    (void)source;
    static int times;
    if (M(DISCOVERS_ONCE) && ++times > 1) return fail(SLUICE_E_BUG, "gauge.again", "It was asked before.");
    static const char one[] = "{\"stream\":\"readings\",\"schema\":{\"type\":\"object\",\"required\":[\"id\"],\"properties\":{\"id\":{\"type\":\"string\"},"
                              "\"level\":{\"type\":[\"number\",\"null\"]}}}}";
    char all[512];
    if (M(DISCOVERS_TWICE)) snprintf(all, sizeof all, "[%s,%s]", one, one);
    else snprintf(all, sizeof all, "[%s]", one);
    sluice_slice_t json = text(all);
    return host->set_result(host, &json);
}

static sluice_status_t receive(const sluice_source_t *source, const sluice_delivery_t *delivery) {
    (void)source;
    static bool taken;
    if (M(RECEIVE_TRAPS)) __builtin_trap();
    if (M(TAKES_A_DELIVERY_ONCE) && taken) return SLUICE_OK;
    sluice_record_t record;
    int64_t seq;
    sluice_slice_t stream = text("readings");
    bool valid = json_is(delivery->body);
    sluice_slice_t type = valid ? json_member(delivery->body, "type") : (sluice_slice_t){NULL, 0};
    if (M(TAKES_NONSENSE) && !valid) {
        record = (sluice_record_t){.struct_size = sizeof record, .op = SLUICE_OP_UPSERT, .key = text("nonsense"), .payload = text("{}")};
        return host->emit(host, &stream, &record, 1, NULL);
    }
    if (M(SHRUGS_AT_NONSENSE) && !valid) return SLUICE_OK;
    if (type.len == 0) return fail(SLUICE_E_PERMANENT, "gauge.bad_delivery", "A delivery is no object with a `type`.");
    if (!same(type, "\"reading\"")) return SLUICE_OK;
    if (!record_of(json_member(delivery->body, "data"), &record, &seq)) {
        return fail(SLUICE_E_PERMANENT, "gauge.bad_delivery", "A delivery's reading lacks id, seq, version or time.");
    }
    sluice_status_t status = host->emit(host, &stream, &record, 1, NULL);
    taken = true;
    if (status == SLUICE_OK || status == SLUICE_E_CANCELLED) return status;
    return fail(SLUICE_E_PERMANENT, "gauge.bad_delivery", "A delivery's reading cannot be taken.");
}

// Version 0 was the number alone.
static sluice_status_t migrate(const sluice_source_t *source, const sluice_old_state_t *old) {
    (void)source;
    int64_t after = 0;
    if (M(MIGRATE_TRAPS)) __builtin_trap();
    if (M(MIGRATION_FORGETS)) {
        sluice_checkpoint_t none = {.struct_size = sizeof none, .state_version = STATE_VERSION, .watermark_ms = SLUICE_TIME_NONE,
                                    .stream = old->stream, .state = text("{\"after\":9}")};
        return host->checkpoint(host, &none);
    }
    if (old->state_version == STATE_VERSION) {
        sluice_checkpoint_t as_it_is = {.struct_size = sizeof as_it_is, .state_version = STATE_VERSION,
                                        .watermark_ms = SLUICE_TIME_NONE, .stream = old->stream, .state = old->state};
        return host->checkpoint(host, &as_it_is);
    }
    if (old->state_version != 0 || !json_integer(old->state, &after) || after < 0) {
        return fail(SLUICE_E_PERMANENT, "gauge.bad_state", "The checkpoint is of no version that this plugin knows.");
    }
    char state[64];
    if (M(MIGRATES_TO_BEGINNING)) after = 0;
    if (M(MIGRATES_TOO_FAR)) after += after % 2;
    int len = snprintf(state, sizeof state, "{\"after\":%lld}", (long long)after);
    sluice_checkpoint_t today = {.struct_size = sizeof today, .state_version = STATE_VERSION, .watermark_ms = SLUICE_TIME_NONE,
                                 .stream = old->stream, .state = {state, (uint64_t)len}};
    return host->checkpoint(host, &today);
}

static void destroy(const sluice_source_t *source) { (void)source; }

static const void *extension(const sluice_source_t *source, const char *id) {
    (void)source;
    static const sluice_webhook_t webhook = {.struct_size = sizeof webhook, .receive = receive};
    static const sluice_state_migrate_t state_migrate = {.struct_size = sizeof state_migrate, .migrate = migrate};
    if (strcmp(id, SLUICE_EXT_WEBHOOK) == 0) return &webhook;
    if (strcmp(id, SLUICE_EXT_STATE_MIGRATE) == 0 && !M(NO_MIGRATION) && !M(BEFORE)) return &state_migrate;
    return NULL;
}

static sluice_status_t create(const sluice_host_t *given, const sluice_slice_t *id, const sluice_slice_t *config,
                              const sluice_source_t **out) {
    static const sluice_source_t gauge = {
        .struct_size = sizeof gauge, .destroy = destroy, .get_extension = extension, .check = check,
        .discover = discover, .pull = pull,
    };
    host = given;
    (void)UNRESOLVED_CALL();
    if (M(NEEDS_THIS_HOST) && given->struct_size != sizeof *given) return fail(SLUICE_E_CONFIG, "gauge.host", "Another host.");
    bool known = M(ID_BY_PREFIX) ? id->len >= 5 && memcmp(id->ptr, "gauge", 5) == 0 : same(*id, "gauge");
    if (!known) return fail(SLUICE_E_CONFIG, "gauge.unknown_id", "The library has the source \"gauge\" and no other.");
    http = host->get_extension(host, SLUICE_EXT_HTTP);
    if (http == NULL && !M(NEEDS_NO_GRANT)) return fail(SLUICE_E_CONFIG, "gauge.no_http", "The gauge needs sluice.http/1.");
    // What create() may do.
    int64_t now = 0;
    uint8_t chance[16];
    sluice_slice_t code = text("gauge.create"), message = text("An instance is made.");
    if (host->clock_now(host, SLUICE_CLOCK_WALL, &now) != SLUICE_OK || now == 0 || host->random(host, chance, sizeof chance) != SLUICE_OK ||
        host->log(host, SLUICE_LOG_DEBUG, &code, &message, NULL, 0) != SLUICE_OK) return fail(SLUICE_E_BUG, "gauge.create", "create() may do less than the rules say.");
    if (M(EMITS_IN_CREATE)) {
        sluice_checkpoint_t early = {.struct_size = sizeof early, .state_version = 1, .watermark_ms = SLUICE_TIME_NONE,
                                     .stream = text("readings"), .state = text("{}")};
        host->checkpoint(host, &early);
    }
    if (M(REFUSES_WITHOUT_A_WORD) && !configured(*config)) return SLUICE_E_CONFIG;
    if (!configured(*config)) return fail(SLUICE_E_CONFIG, "gauge.config", "Give `station`: small letters, digits and hyphens.");
    *out = &gauge;
    return SLUICE_OK;
}

static const sluice_descriptor_t *descriptor(uint32_t index) {
    (void)index;
    static sluice_descriptor_t gauge = {.struct_size = sizeof gauge, .id = {"gauge", 5}, .name = {"Gauge ", 5}, .version = {"1.1.0", 5}};
    if (M(OTHER_VERSION)) gauge.version = text("1.0.9");
    if (M(BEFORE)) gauge.version = text("1.0.0");
    if (M(NAME_WITH_BLANK)) gauge.name = text("Gauge ");
    return &gauge;
}

static const void *get_factory(const char *id) {
    static const sluice_source_factory_t factory = {
        .struct_size = sizeof factory, .count = M(TWO_OF_A_NAME) ? 2 : 1, .descriptor = descriptor, .create = create,
    };
    if (M(FACTORY_BY_PREFIX)) return strncmp(id, SLUICE_SOURCE_FACTORY, 13) == 0 ? &factory : NULL;
    return strcmp(id, SLUICE_SOURCE_FACTORY) == 0 ? &factory : NULL;
}

const sluice_plugin_t *sluice_plugin_entry(void) {
    static const sluice_plugin_t plugin = {
        .struct_size = sizeof plugin, .magic = SLUICE_MAGIC, .abi_major = SLUICE_ABI_MAJOR,
        .abi_minor = M(ENTRY_MINOR) ? 7 : SLUICE_ABI_MINOR, .get_factory = get_factory,
    };
    static sluice_plugin_t other;
    static int times;
    other = plugin;
    return M(ENTRY_CHANGES) && ++times % 2 == 0 ? &other : &plugin;
}
