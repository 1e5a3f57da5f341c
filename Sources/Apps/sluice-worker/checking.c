// What the conformance kit has the worker watch: `--check WHAT`. A host never asks for it. Each violation is one log line,
// `sluice.check.WHAT`. The plugin gets tables of its own here, whose calls look at what passes and then do the real thing.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "trapped.h"
#include "worker.h"

enum { POISON = 0xDB, HANDED_MAX = 16, KEPT_MAX = 64, REPORTS_MAX = 32, UNKNOWN_SLOTS = 8 };

static uint32_t checking;
static int files;
static pthread_t main_thread;
static bool threads_granted;
static volatile int inside;

// Nobody listens while an instance is made: what was found by then is told at the end of the first operation.
static struct { char code[64], text[96]; } found[REPORTS_MAX];
static uint32_t found_count;

static void checking_report(const char *what, const char *text) {
    static volatile int writing;
    if (checking == 0 || found_count >= REPORTS_MAX || __sync_lock_test_and_set(&writing, 1) != 0) return;
    snprintf(found[found_count].code, sizeof found[0].code, "sluice.check.%s", what);
    snprintf(found[found_count].text, sizeof found[0].text, "%s", text);
    found_count++;
    __sync_lock_release(&writing);
}

static void tell(void) {
    for (uint32_t i = 0; i < found_count; i++) {
        sluice_bytes_t code = {(const uint8_t *)found[i].code, strlen(found[i].code)};
        sluice_bytes_t text = {(const uint8_t *)found[i].text, strlen(found[i].text)};
        sluice_frame_log_t m = {SLUICE_LOG_ERROR, code, text, {{NULL, 0}, 0}};
        channel_send(sluice_encode_log(&m, operation.id, channel_out, sizeof channel_out));
    }
    found_count = 0;
}

// Memory that was handed to the plugin: copies, so that they can be spoiled when their time is over.
typedef struct handed { uint8_t *bytes; size_t len; } handed_t;
static handed_t now[HANDED_MAX], before[HANDED_MAX], spoiled[KEPT_MAX];
static size_t now_count, before_count, spoiled_at;

static const void *hand(const void *bytes, size_t len) {
    if ((checking & CHECK_POISON) == 0 || len == 0 || now_count == HANDED_MAX) return bytes;
    uint8_t *copy = malloc(len);
    if (copy == NULL) return bytes;
    memcpy(copy, bytes, len);
    now[now_count++] = (handed_t){copy, len};
    return copy;
}

// Spoiled memory stays for a while, so that a late reader finds the poison and not something new.
static void spoil(handed_t *list, size_t *count) {
    for (size_t i = 0; i < *count; i++) {
        memset(list[i].bytes, POISON, list[i].len);
        free(spoiled[spoiled_at % KEPT_MAX].bytes);
        spoiled[spoiled_at++ % KEPT_MAX] = list[i];
    }
    *count = 0;
}

static void enter(const sluice_host_t *host, const char *call) {
    char text[96];
    if (host != checking_host()) {
        snprintf(text, sizeof text, "%s was called with a host that is not the plugin's.", call);
        checking_report("object", text);
    }
    if (!threads_granted && !pthread_equal(pthread_self(), main_thread)) {
        snprintf(text, sizeof text, "%s was called from another thread than the operation's.", call);
        checking_report("thread", text);
    }
    // Told of, then made to wait, so that what is found does not depend on who was faster.
    for (bool first = true; __sync_lock_test_and_set(&inside, 1) != 0; first = false) {
        snprintf(text, sizeof text, "%s was called while another call was under way.", call);
        if (first) checking_report("thread", text);
        sched_yield();
    }
    memcpy(before, now, sizeof now);
    before_count = now_count;
    now_count = 0;
}

// INVALID and STATE answer a plugin that does not know the rules.
static sluice_status_t leave(const char *call, sluice_status_t status) {
    char text[96];
    spoil(before, &before_count);
    if (status == SLUICE_E_STATE && operation.creating) {
        snprintf(text, sizeof text, "%s was called in create().", call);
        checking_report("create", text);
    } else if (status == SLUICE_E_INVALID || status == SLUICE_E_STATE) {
        snprintf(text, sizeof text, "%s answered %s.", call, status == SLUICE_E_STATE ? "STATE" : "INVALID");
        checking_report("call", text);
    }
    __sync_lock_release(&inside);
    return status;
}

// Counted from the operation's beginning: one that is answered as no header says, and not done (ABI-5.16).
enum { UNKNOWN_ANSWER = -77 };
static uint64_t fail_at, call_count;
static bool fails(void) { return !operation.creating && ++call_count == fail_at; }

static sluice_status_t c_emit(const sluice_host_t *h, const sluice_slice_t *stream, const sluice_record_t *records,
                              uint64_t count, uint64_t *accepted) {
    enter(h, "emit");
    if (fails()) return leave("emit", UNKNOWN_ANSWER);
    return leave("emit", host_table.emit(&host_table, stream, records, count, accepted));
}
static sluice_status_t c_checkpoint(const sluice_host_t *h, const sluice_checkpoint_t *checkpoint) {
    enter(h, "checkpoint");
    if (fails()) return leave("checkpoint", UNKNOWN_ANSWER);
    return leave("checkpoint", host_table.checkpoint(&host_table, checkpoint));
}
static sluice_status_t c_wait_durable(const sluice_host_t *h) {
    enter(h, "wait_durable");
    if (fails()) return leave("wait_durable", UNKNOWN_ANSWER);
    return leave("wait_durable", host_table.wait_durable(&host_table));
}
static sluice_status_t c_log(const sluice_host_t *h, uint32_t level, const sluice_slice_t *code,
                             const sluice_slice_t *message, const sluice_pair_t *fields, uint32_t count) {
    enter(h, "log");
    if (fails()) return leave("log", UNKNOWN_ANSWER);
    return leave("log", host_table.log(&host_table, level, code, message, fields, count));
}
static sluice_status_t c_clock_now(const sluice_host_t *h, uint32_t clock, int64_t *out_ms) {
    enter(h, "clock_now");
    if (fails()) return leave("clock_now", UNKNOWN_ANSWER);
    return leave("clock_now", host_table.clock_now(&host_table, clock, out_ms));
}
static sluice_status_t c_random(const sluice_host_t *h, void *bytes, uint64_t count) {
    enter(h, "random");
    if (fails()) return leave("random", UNKNOWN_ANSWER);
    return leave("random", host_table.random(&host_table, bytes, count));
}
static uint32_t c_cancel_requested(const sluice_host_t *h) {
    enter(h, "cancel_requested");
    uint32_t answer = host_table.cancel_requested(&host_table);
    leave("cancel_requested", SLUICE_OK);
    return answer;
}
static int64_t c_deadline(const sluice_host_t *h) {
    enter(h, "deadline");
    int64_t answer = host_table.deadline(&host_table);
    leave("deadline", SLUICE_OK);
    return answer;
}
static sluice_status_t c_set_error(const sluice_host_t *h, const sluice_error_t *error) {
    enter(h, "set_error");
    if (fails()) return leave("set_error", UNKNOWN_ANSWER);
    return leave("set_error", host_table.set_error(&host_table, error));
}
static sluice_status_t c_set_result(const sluice_host_t *h, const sluice_slice_t *json) {
    enter(h, "set_result");
    if (fails()) return leave("set_result", UNKNOWN_ANSWER);
    return leave("set_result", host_table.set_result(&host_table, json));
}

static void hand_response(sluice_http_response_t *r) {
    if ((checking & CHECK_POISON) == 0) return;
    // One block: the pairs, then what they point to.
    size_t bytes = r->header_count * sizeof(sluice_pair_t);
    for (uint32_t i = 0; i < r->header_count; i++) bytes += r->headers[i].name.len + r->headers[i].value.len;
    uint8_t *block = bytes > 0 && now_count < HANDED_MAX ? malloc(bytes) : NULL;
    if (block != NULL) {
        sluice_pair_t *pairs = (sluice_pair_t *)(void *)block;
        uint8_t *at = block + r->header_count * sizeof(sluice_pair_t);
        for (uint32_t i = 0; i < r->header_count; i++) {
            sluice_pair_t p = r->headers[i];
            memcpy(at, p.name.ptr, p.name.len);
            pairs[i].name = (sluice_slice_t){at, p.name.len};
            at += p.name.len;
            if (p.value.len > 0) memcpy(at, p.value.ptr, p.value.len);
            pairs[i].value = (sluice_slice_t){at, p.value.len};
            at += p.value.len;
        }
        r->headers = pairs;
        now[now_count++] = (handed_t){block, bytes};
    }
    r->body.ptr = hand(r->body.ptr, r->body.len);
}

static sluice_status_t c_http_open(const sluice_host_t *h, const sluice_http_request_t *request,
                                   sluice_http_response_t *response) {
    enter(h, "http_open");
    if (fails()) return leave("http_open", UNKNOWN_ANSWER);
    sluice_status_t status = http_table.http_open(&host_table, request, response);
    if (status == SLUICE_OK) hand_response(response);
    return leave("http_open", status);
}
static sluice_status_t c_http_read(const sluice_host_t *h, uint32_t handle, uint32_t window, sluice_slice_t *part) {
    enter(h, "http_read");
    if (fails()) return leave("http_read", UNKNOWN_ANSWER);
    sluice_status_t status = http_table.http_read(&host_table, handle, window, part);
    if (status == SLUICE_OK) part->ptr = hand(part->ptr, part->len);
    return leave("http_read", status);
}
static sluice_status_t c_http_close(const sluice_host_t *h, uint32_t handle) {
    enter(h, "http_close");
    if (fails()) return leave("http_close", UNKNOWN_ANSWER);
    return leave("http_close", http_table.http_close(&host_table, handle));
}
static sluice_status_t c_http_send(const sluice_host_t *h, const sluice_http_request_t *request,
                                   sluice_http_response_t *response) {
    enter(h, "http_send");
    if (fails()) return leave("http_send", UNKNOWN_ANSWER);
    sluice_status_t status = http_table.http_send(&host_table, request, response);
    if (status == SLUICE_OK) hand_response(response);
    return leave("http_send", status);
}
static sluice_status_t c_rate_hint(const sluice_host_t *h, const sluice_rate_t *rate) {
    enter(h, "rate_hint");
    if (fails()) return leave("rate_hint", UNKNOWN_ANSWER);
    return leave("rate_hint", rate_hint_table.rate_hint(&host_table, rate));
}

// A host of a later minor version: larger tables, whose new slots nobody built for 1.0 may touch.
static void from_the_future(void) { abort(); }
static struct { sluice_host_t host; void (*later[UNKNOWN_SLOTS])(void); } newer_host;
static struct { sluice_http_t http; void (*later[UNKNOWN_SLOTS])(void); } newer_http;
static struct { sluice_rate_hint_t hint; void (*later[UNKNOWN_SLOTS])(void); } newer_hint;

static const void *c_get_extension(const sluice_host_t *h, const char *id) {
    enter(h, "get_extension");
    const void *found = host_table.get_extension(&host_table, id);
    leave("get_extension", SLUICE_OK);
    if (found == &http_table) return &newer_http;
    if (found == &rate_hint_table) return &newer_hint;
    return found;
}

static void fill_tables(void) {
    bool newer = (checking & CHECK_NEWER_HOST) != 0;
    size_t more = newer ? sizeof newer_host.later : 0;
    newer_host.host = (sluice_host_t){
        .struct_size = (uint32_t)(sizeof(sluice_host_t) + more), .abi_major = SLUICE_ABI_MAJOR,
        .abi_minor = (uint16_t)(SLUICE_ABI_MINOR + (newer ? 9 : 0)), .get_extension = c_get_extension, .emit = c_emit,
        .checkpoint = c_checkpoint, .wait_durable = c_wait_durable, .log = c_log, .clock_now = c_clock_now,
        .random = c_random, .cancel_requested = c_cancel_requested, .deadline = c_deadline, .set_error = c_set_error,
        .set_result = c_set_result,
    };
    newer_http.http = (sluice_http_t){
        .struct_size = (uint32_t)(sizeof(sluice_http_t) + more), .http_open = c_http_open, .http_read = c_http_read,
        .http_close = c_http_close, .http_send = c_http_send,
    };
    newer_hint.hint = (sluice_rate_hint_t){.struct_size = (uint32_t)(sizeof(sluice_rate_hint_t) + more), .rate_hint = c_rate_hint};
    for (size_t i = 0; i < UNKNOWN_SLOTS; i++) {
        newer_host.later[i] = newer_http.later[i] = newer_hint.later[i] = from_the_future;
    }
}

const sluice_host_t *checking_host(void) { return checking == 0 ? &host_table : &newer_host.host; }

// System calls that the profile refuses: they are answered as always, and told of.
static volatile int refused_calls[REPORTS_MAX];
static volatile int refused_count;

// What C runtimes ask at their start and do without: whether a stream is a terminal.
static const int harmless[] = {
#ifdef SYS_ioctl
    SYS_ioctl,
#endif
};

static void on_refused(int number, siginfo_t *info, void *context) {
    (void)number;
    int saved = errno;
    trapped_t call = trapped_call(info, context);
    bool known = !trapped_refuse(&call, context);
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) known = known || harmless[i] == call.number;
    for (int i = 0; i < refused_count; i++) known = known || refused_calls[i] == call.number;
    if (!known && refused_count < REPORTS_MAX) refused_calls[refused_count++] = (int)call.number;
    errno = saved;
}

void checking_begin(const options_t *options) {
    checking = options->checking;
    if (checking == 0) return;
    files = (int)options->files;
    fail_at = options->fail_at;
    main_thread = pthread_self();
    threads_granted = options->threads > 0;
    fill_tables();
    if ((checking & CHECK_SYSCALLS) == 0) return;
    struct sigaction action = {.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
    sigaction(SIGSYS, &action, NULL);
}

static void report_count(const char *what, unsigned long long count) {
    char text[24];
    snprintf(text, sizeof text, "%llu", count);
    checking_report(what, text);
}

// Nobody outside can count them: the worker is not dumpable (proc(5)).
static unsigned open_descriptors(void) {
    unsigned open = 0;
    for (int fd = 0; fd < files; fd++) open += fcntl(fd, F_GETFD) != -1;
    return open;
}

// Before and after the plugin works on an input of the host's: what it was given must be as it was, and is gone afterwards.
static uint8_t original[SLUICE_FRAME_BYTES_MAX];

void checking_input(const uint8_t *bytes, size_t len) {
    if (checking != 0) memcpy(original, bytes, len);
    call_count = 0;
}

void checking_done(uint8_t *bytes, size_t len) {
    if (checking == 0) return;
    if (memcmp(original, bytes, len) != 0) checking_report("input", "The plugin changed what the host had lent it.");
    if ((checking & CHECK_POISON) != 0) memset(bytes, POISON, len);
    spoil(now, &now_count);
    for (int i = 0; i < refused_count; i++) {
        char text[64];
        snprintf(text, sizeof text, "System call %d, which the sandbox refuses.", refused_calls[i]);
        checking_report("syscall", text);
    }
    refused_count = 0;
    if (operation.creating) return;
    if ((checking & CHECK_DESCRIPTORS) != 0) report_count("descriptors", open_descriptors());
    if ((checking & CHECK_FAILURE) != 0) report_count("host-calls", call_count);
    tell();
}
