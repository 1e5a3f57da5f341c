// Frames on fd 3. Reading waits with poll(), so that a deadline can end it. Writing blocks: a host that
// does not read for longer than the grace period kills us anyway.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "worker.h"

uint8_t channel_out[SLUICE_FRAME_BYTES_MAX];
static uint8_t received[SLUICE_FRAME_BYTES_MAX];
static size_t received_len;  // bytes in `received`
static size_t handed_out;    // size of the frame at its start that the caller is done with on the next call

int64_t monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void protocol_error(const char *text) {
    fprintf(stderr, "sluice-worker: the host broke the protocol: %s\n", text);
    _exit(EXIT_PROTOCOL);
}

void channel_write(const void *head, size_t head_len, const void *body, size_t body_len) {
    struct iovec parts[2] = {{(void *)(uintptr_t)head, head_len}, {(void *)(uintptr_t)body, body_len}};
    struct iovec *part = parts, *end = parts + (body_len > 0 ? 2 : 1);
    while (part < end) {
        ssize_t written = writev(CHANNEL_FD, part, (int)(end - part));
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) _exit(EXIT_HOST_GONE);
        size_t left = (size_t)written;
        while (part < end && left >= part->iov_len) left -= part++->iov_len;
        if (part < end) {
            part->iov_base = (uint8_t *)part->iov_base + left;
            part->iov_len -= left;
        }
    }
}

void channel_send(size_t encoded) {
    if (encoded == 0 || encoded > sizeof channel_out) abort();  // a limit was not checked before encoding
    channel_write(channel_out, encoded, NULL, 0);
}

static bool wait_readable(int timeout_ms) {
    struct pollfd channel = {CHANNEL_FD, POLLIN, 0};
    int ready;
    do ready = poll(&channel, 1, timeout_ms);
    while (ready < 0 && errno == EINTR);
    return ready != 0;
}

bool channel_has_input(void) { return received_len > handed_out || wait_readable(0); }

static void read_more(void) {
    ssize_t count;
    do count = read(CHANNEL_FD, received + received_len, sizeof received - received_len);
    while (count < 0 && errno == EINTR);
    if (count <= 0) _exit(EXIT_HOST_GONE);
    received_len += (size_t)count;
}

wait_end_t channel_next(sluice_frame_t *out, int timeout_ms) {
    received_len -= handed_out;
    memmove(received, received + handed_out, received_len);
    handed_out = 0;
    int64_t end = timeout_ms < 0 ? INT64_MAX : monotonic_ns() + (int64_t)timeout_ms * 1000000;
    for (;;) {
        sluice_bytes_t bytes = {received, received_len};
        sluice_frame_check_t check = sluice_frame_next(bytes, SLUICE_FRAME_SENDER_HOST, out);
        if (check.error == SLUICE_FRAME_OK) {
            handed_out = out->size;
            return WAIT_FRAME;
        }
        if (check.error != SLUICE_FRAME_INCOMPLETE) protocol_error(sluice_frame_error_name(check.error));
        if (timeout_ms >= 0) {
            int64_t left = (end - monotonic_ns() + 999999) / 1000000;
            if (!wait_readable(left > 0 ? (int)left : 0)) return WAIT_TIMEOUT;
        }
        read_more();
    }
}
