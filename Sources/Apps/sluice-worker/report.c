// Failing before READY: always as a LOAD_FAILED frame that names the step, even from a crash.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker.h"

static sluice_load_step_t watched;     // 0: not watching
static uint8_t spare_stack[32 * 1024];  // a constructor that overflowed its stack leaves none

// Async-signal-safe: encoding only copies bytes.
static void send_failure(sluice_load_step_t step, int error_number, const char *text) {
    uint8_t frame[SLUICE_FRAME_HEADER_BYTES + 12 + 1024];
    size_t len = strnlen(text, 1024);
    sluice_frame_load_failed_t failed = {step, error_number, {(const uint8_t *)text, len}};
    size_t size = sluice_encode_load_failed(&failed, frame, sizeof frame);
    // The host may be gone; there is nobody else to tell.
    if (size > 0 && write(CHANNEL_FD, frame, size) < 0) return;
}

void load_failed(sluice_load_step_t step, int error_number, const char *text) {
    watched = 0;
    send_failure(step, error_number, text);
    fprintf(stderr, "sluice-worker: cannot start, step %s: %s%s%s\n", sluice_load_step_name(step), text,
            error_number != 0 ? ": " : "", error_number != 0 ? strerror(error_number) : "");
    _exit(EXIT_LOAD_FAILED);
}

static void on_crash(int signal_number) {
    static const struct { int number; const char *text; } words[] = {
        {SIGSEGV, "the plugin died of SIGSEGV"}, {SIGBUS, "the plugin died of SIGBUS"},
        {SIGILL, "the plugin died of SIGILL"},   {SIGFPE, "the plugin died of SIGFPE"},
        {SIGABRT, "the plugin aborted"},         {SIGTRAP, "the plugin died of SIGTRAP"},
    };
    const char *text = "the plugin died of a signal";
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (words[i].number == signal_number) text = words[i].text;
    }
    if (watched != 0) send_failure(watched, 0, text);
    _exit(EXIT_LOAD_FAILED);
}

static void on_exit_during_load(void) {
    if (watched == 0) return;
    send_failure(watched, 0, "the plugin called exit()");
    _exit(EXIT_LOAD_FAILED);
}

static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};

void load_watch_begin(sluice_load_step_t step) {
    if (watched == 0) {
        stack_t stack = {.ss_sp = spare_stack, .ss_size = sizeof spare_stack};
        sigaltstack(&stack, NULL);
        struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK};
        for (size_t i = 0; i < sizeof crash_signals / sizeof *crash_signals; i++) {
            sigaction(crash_signals[i], &action, NULL);
        }
        atexit(on_exit_during_load);
    }
    watched = step;
}

void load_watch_end(void) {
    watched = 0;
    // From here on a crash is the plugin's: the host sees the signal itself.
    deaths_watch(crash_signals, sizeof crash_signals / sizeof *crash_signals);
}
