// Breaches of the host's rules: crashes, hangs, lies on the channel, requests nobody declared.
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "hostile.h"

enum { CHANNEL_FD = 3 };

static sluice_slice_t text(const char *s) { return (sluice_slice_t){s, strlen(s)}; }

static sluice_status_t emit(const sluice_host_t *host, const char *stream, const char *key, const void *payload,
                            uint64_t len) {
    sluice_slice_t name = text(stream);
    sluice_record_t record = {sizeof record, SLUICE_OP_UPSERT, SLUICE_TIME_NONE, 0, text(key), {"", 0}, {payload, len}};
    return host->emit(host, &name, &record, 1, NULL);
}

sluice_status_t report(const sluice_host_t *host, const char *name, const char *key, const char *value) {
    char json[512];
    int len = snprintf(json, sizeof json, "{\"attack\":\"%s\",\"%s\":\"%s\"}", name, key, value);
    sluice_slice_t code = text("hostile.report"), message = {json, (uint64_t)len};
    host->log(host, SLUICE_LOG_INFO, &code, &message, NULL, 0);
    return emit(host, "attacks", name, json, (uint64_t)len);
}

// Tells everybody what it was given, as careless plugins do.
sluice_status_t leak(const sluice_host_t *host, const char *what) {
    sluice_slice_t code = text("hostile.leak"), message = text(what);
    host->log(host, SLUICE_LOG_ERROR, &code, &message, NULL, 0);
    return emit(host, "attacks", "leak", what, strlen(what));
}

static sluice_status_t report_status(const sluice_host_t *host, const char *name, sluice_status_t status) {
    char value[16];
    snprintf(value, sizeof value, "%d", (int)status);
    return report(host, name, "status", value);
}

static sluice_status_t lie(const void *bytes, size_t len) {
    return write(CHANNEL_FD, bytes, len) < 0 ? SLUICE_E_BUG : SLUICE_OK;
}

static volatile int never;

static sluice_status_t die(const char *name) {
    if (strcmp(name, "segfault") == 0) *(volatile int *)(uintptr_t)(8 + never) = 1;
    if (strcmp(name, "abort") == 0) abort();
    if (strcmp(name, "exit") == 0) exit(0);
    if (strcmp(name, "quick_exit") == 0) _exit(0);
    if (strcmp(name, "busy") == 0) for (;;) never = 0;
    if (strcmp(name, "blocked_refusal") == 0) {  // whose report cannot be delivered
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, NULL);
        syscall(SYS_socket, 2, 1, 0);
    }
    if (strcmp(name, "memory_death") == 0) {
        for (;;) {  // as a plugin does that looks at no result
            char *p = malloc(4 << 20);
            memset(p, 1, 4 << 20);
        }
    }
    if (strcmp(name, "hang") == 0) for (;;) sleep(1000);
#if defined(__x86_64__)
    if (strcmp(name, "x32_call") == 0) syscall(0x40000000 | SYS_getpid);
    if (strcmp(name, "i386_call") == 0) {
        long number = 20;  // getpid of the 32-bit table
        __asm__ volatile("int $0x80" : "+a"(number) : : "memory");
    }
#endif
    return SLUICE_OK;
}

// Asks the host for the time, for ever.
static sluice_status_t clock_flood(const sluice_host_t *host) {
    int64_t now;
    for (;;) {
        host->clock_now(host, SLUICE_CLOCK_MONOTONIC, &now);  // and does not look whether it is cancelled
        sched_yield();
    }
    return SLUICE_OK;
}

// Not an attack: 0.4 s of honest work.
static sluice_status_t burn(void) {
    struct timespec from, now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    do clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    while ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 < 400);
    return SLUICE_OK;
}

// No attack either: each way in which the C library tells the time, in milliseconds.
static int64_t ms(time_t seconds, long nanoseconds) { return (int64_t)seconds * 1000 + nanoseconds / 1000000; }

static int64_t clock_ms(clockid_t clock) {
    struct timespec now = {0, 0};
    clock_gettime(clock, &now);
    return ms(now.tv_sec, now.tv_nsec);
}

static sluice_status_t tell_time(const sluice_host_t *host) {
    struct timeval of_day;
    struct timespec of_base;
    time_t seconds = 0;
    gettimeofday(&of_day, NULL);
    char text[400];
    int len = snprintf(text, sizeof text, "{\"clock_gettime\":%lld,\"coarse\":%lld,\"gettimeofday\":%lld,\"time\":%lld,\"timespec_get\":%lld,"
        "\"unknown_base\":%d,\"unknown_clock\":%d,\"monotonic\":%lld,\"processor\":%lld}",
        (long long)clock_ms(CLOCK_REALTIME), (long long)clock_ms(CLOCK_REALTIME_COARSE), (long long)ms(of_day.tv_sec, of_day.tv_usec * 1000),
        (long long)ms(time(&seconds), 0), timespec_get(&of_base, TIME_UTC) == TIME_UTC ? (long long)ms(of_base.tv_sec, of_base.tv_nsec) : 0,
        timespec_get(&of_base, 99), clock_gettime(9999, &of_base), (long long)clock_ms(CLOCK_MONOTONIC), (long long)clock_ms(CLOCK_PROCESS_CPUTIME_ID));
    return emit(host, "attacks", "tell_time", text, (uint64_t)len);
}

static sluice_status_t log_flood(const sluice_host_t *host) {
    static char words[2048];
    memset(words, 'x', sizeof words);
    for (int i = 0; i < 20000; i++) host->log(host, SLUICE_LOG_INFO, &(sluice_slice_t){"flood", 5}, &(sluice_slice_t){words, sizeof words}, NULL, 0);
    return SLUICE_OK;
}

static sluice_status_t flood(const sluice_host_t *host) {
    for (uint64_t i = 0;; i++) {
        sluice_status_t status = emit(host, "attacks", "flood", "{\"flood\":true}", 14);
        if (status != SLUICE_OK) return status;
    }
}

// A checkpoint costs no credit and is not answered: one after the other, each of the largest size, behind as many records
// as the host is busy with for a while.
static sluice_status_t checkpoint_flood(const sluice_host_t *host) {
    static char state[SLUICE_STATE_BYTES_MAX];
    static char record[60000] = "{\"x\":\"";
    memset(record + 6, 'x', sizeof record - 8);
    memcpy(record + sizeof record - 2, "\"}", 2);
    for (int i = 0; i < 250; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        sluice_status_t status = emit(host, "attacks", key, record, sizeof record);
        if (status != SLUICE_OK) return status;
    }
    memset(state, 's', sizeof state);
    sluice_checkpoint_t checkpoint = {sizeof checkpoint, 1, SLUICE_TIME_NONE, text("attacks"), {state, sizeof state}};
    for (;;) {
        sluice_status_t status = host->checkpoint(host, &checkpoint);
        if (status != SLUICE_OK) return status;
    }
}

static sluice_status_t oversized(const sluice_host_t *host) {
    static char big[2 * 1024 * 1024];
    memset(big, '1', sizeof big);
    sluice_status_t status = emit(host, "attacks", "big", big, sizeof big);
    return report_status(host, "oversized", status);  // and the stream goes on
}

// Takes memory until it gets no more, in each of the ways in which plugins do, and keeps it.
static sluice_status_t memory_bomb(const sluice_host_t *host, const char *name) {
    size_t mib = 0, wanted = 1 << 20;
    if (strcmp(name, "memory_regrown") == 0) {
        char *block = NULL, *more;
        for (; (more = realloc(block, wanted)) != NULL; wanted *= 2) memset(block = more, 1, wanted);
        mib = wanted >> 21;
    } else if (strcmp(name, "memory_mapped") == 0) {
        for (; mib < 1 << 20; mib++) {
            char *p = mmap(NULL, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (p == MAP_FAILED) break;
            memset(p, 1, wanted);
        }
    } else {
        for (; mib < 1 << 20; mib++) {
            char *p = malloc(wanted);
            if (p == NULL) break;
            memset(p, 1, wanted);
        }
    }
    char value[24];
    snprintf(value, sizeof value, "%zu", mib);
    return report(host, name, "mib", value);
}

static void *sleep_for_ever(void *p) {
    for (;;) sleep(1000);
    return p;
}

static sluice_status_t thread_bomb(const sluice_host_t *host) {
    pthread_t thread;
    int count = 0;
    while (count < 1000 && pthread_create(&thread, NULL, sleep_for_ever, NULL) == 0) count++;
    char value[16];
    snprintf(value, sizeof value, "%d", count);
    return report(host, "thread_bomb", "count", value);
}

// What a plugin with threads may open: as many as its limit of files leaves.
static sluice_status_t file_bomb(const sluice_host_t *host) {
    int count = 0;
    while (count < 10000 && (count % 2 == 0 ? eventfd(0, 0) : epoll_create1(0)) >= 0) count++;
    char value[16];
    snprintf(value, sizeof value, "%d", count);
    return report(host, "file_bomb", "count", value);
}

static sluice_status_t headed(const sluice_host_t *host, const char *name, const char *header, const char *value) {
    const sluice_http_t *http = host->get_extension(host, SLUICE_EXT_HTTP);
    if (http == NULL) return report(host, name, "extension", "absent");
    sluice_pair_t pair = {.name = text(header), .value = text(value)};
    sluice_http_request_t r = {.struct_size = sizeof r, .endpoint = text("api"), .method = text("GET"), .path = text("/items"),
                               .slot = text("main"), .headers = &pair, .header_count = 1};
    sluice_http_response_t response = {.struct_size = sizeof response};
    return report_status(host, name, http->http_send(host, &r, &response));
}

static sluice_status_t request(const sluice_host_t *host, const char *name, const char *endpoint, const char *method,
                               const char *path, const char *slot) {
    const sluice_http_t *http = host->get_extension(host, SLUICE_EXT_HTTP);
    if (http == NULL) return report(host, name, "extension", "absent");
    sluice_http_request_t r = {.struct_size = sizeof r, .endpoint = text(endpoint), .method = text(method),
                               .path = text(path), .slot = text(slot)};
    sluice_http_response_t response = {.struct_size = sizeof response};
    sluice_status_t status = http->http_send(host, &r, &response);
    if (strcmp(name, "leak_secret") == 0 && status == SLUICE_OK) {
        // Everything that came back goes everywhere it can go.
        sluice_slice_t code = text("hostile.leak");
        host->log(host, SLUICE_LOG_ERROR, &code, &response.body, response.headers, response.header_count);
        return emit(host, "attacks", "leak", response.body.ptr, response.body.len);
    }
    return report_status(host, name, status);
}

// Not an attack but a right: passing what one response gave straight on to the next call.
static sluice_status_t follow_link(const sluice_host_t *host) {
    const sluice_http_t *http = host->get_extension(host, SLUICE_EXT_HTTP);
    sluice_http_request_t r = {.struct_size = sizeof r, .endpoint = text("api"), .method = text("GET"), .path = text("/first")};
    sluice_http_response_t response = {.struct_size = sizeof response};
    sluice_status_t status = http->http_open(host, &r, &response);
    if (status != SLUICE_OK || response.header_count == 0) return SLUICE_E_BUG;
    r.path = response.headers[0].value;
    r.headers = response.headers;
    r.header_count = response.header_count;
    status = http->http_open(host, &r, &response);
    sluice_slice_t part;
    if (status == SLUICE_OK) status = http->http_read(host, response.handle, 0, &part);
    return status != SLUICE_OK ? status : emit(host, "attacks", "part", part.ptr, part.len);
}

static sluice_status_t lie_on_channel(const char *name) {
    static const uint8_t length_lie[16] = {0xff, 0xff, 0xff, 0x7f, 1, 3};
    static const uint8_t unknown_type[16] = {0, 0, 0, 0, 1, 99};
    static const uint8_t host_type[16] = {0, 0, 0, 0, 1, 43};
    static const uint8_t version_lie[16] = {0, 0, 0, 0, 200, 3};
    // One record whose length says more than the frame holds.
    static const uint8_t record_lie[16 + 12 + 7 + 32] = {51, 0, 0, 0, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        1, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 'a', 't', 't', 'a', 'c', 'k', 's', 0xff, 0xff, 7, 0, 1, 0, 1};
    static uint8_t garbage[65536];
    if (strcmp(name, "frame_length_lie") == 0) return lie(length_lie, sizeof length_lie);
    if (strcmp(name, "frame_unknown_type") == 0) return lie(unknown_type, sizeof unknown_type);
    if (strcmp(name, "frame_host_type") == 0) return lie(host_type, sizeof host_type);
    if (strcmp(name, "frame_version_lie") == 0) return lie(version_lie, sizeof version_lie);
    if (strcmp(name, "frame_record_lie") == 0) return lie(record_lie, sizeof record_lie);
    if (strcmp(name, "frame_truncated") == 0) return lie(record_lie, 20), _exit(0), SLUICE_OK;
    for (size_t i = 0; i < sizeof garbage; i++) garbage[i] = (uint8_t)(i * 2654435761u >> 13);
    return lie(garbage, sizeof garbage);
}

sluice_status_t rule_attack_run(const sluice_host_t *host, const char *name, int *found) {
    static const char *const deaths[] = {"segfault", "abort", "exit", "quick_exit", "busy", "hang", "blocked_refusal", "memory_death", "x32_call", "i386_call"};
    *found = 1;
    for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++) {
        if (strcmp(name, deaths[i]) == 0) return die(name);
    }
    if (strncmp(name, "frame_", 6) == 0) return lie_on_channel(name);
    if (strcmp(name, "flood") == 0) return flood(host);
    if (strcmp(name, "checkpoint_flood") == 0) return checkpoint_flood(host);
    if (strcmp(name, "log_flood") == 0) return log_flood(host);
    if (strcmp(name, "clock_flood") == 0) return clock_flood(host);
    if (strcmp(name, "burn") == 0) return burn();
    if (strcmp(name, "tell_time") == 0) return tell_time(host);
    if (strcmp(name, "oversized") == 0) return oversized(host);
    if (strcmp(name, "malformed") == 0) return emit(host, "attacks", "bad", "{\"not json", 10);
    if (strcmp(name, "undeclared_stream") == 0) return emit(host, "nobody_declared_me", "k", "{}", 2);
    if (strcmp(name, "memory_bomb") == 0 || strcmp(name, "memory_regrown") == 0 || strcmp(name, "memory_mapped") == 0) return memory_bomb(host, name);
    if (strcmp(name, "thread_bomb") == 0) return thread_bomb(host);
    if (strcmp(name, "file_bomb") == 0) return file_bomb(host);
    if (strcmp(name, "follow_link") == 0) return follow_link(host);
    if (strcmp(name, "wrong_status") == 0) return 12345;
    if (strcmp(name, "undeclared_request") == 0) return request(host, name, "api", "GET", "/not/declared", "main");
    if (strcmp(name, "undeclared_host") == 0) return request(host, name, "evil.example", "GET", "/", "main");
    if (strcmp(name, "ip_literal") == 0) return request(host, name, "169.254.169.254", "GET", "/items", "main");
    if (strcmp(name, "host_header") == 0) return headed(host, name, "Host", "evil.example");
    if (strcmp(name, "own_authorization") == 0) return headed(host, name, "Authorization", "Bearer mine");
    if (strcmp(name, "header_injection") == 0) return headed(host, name, "Accept", "a\r\nAuthorization: Bearer mine");
    if (strcmp(name, "slot_mismatch") == 0) return request(host, name, "api", "GET", "/items", "other");
    if (strcmp(name, "write_in_pull") == 0) return request(host, name, "api", "POST", "/items", "main");
    if (strcmp(name, "leak_secret") == 0) return request(host, name, "api", "GET", "/echo", "main");
    *found = 0;
    return SLUICE_OK;
}
