// The least that a process of its own can cost: so many bytes through a socket to another process, and a byte back, with
// nothing done on either side.
//
// usage: round_trip BYTES COUNT. Prints {"bytes":…,"count":…,"ns":…}.
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

// Whether all of it went.
static int pass(ssize_t (*step)(int, char *, size_t), int end, char *buffer, size_t bytes) {
    for (size_t done = 0; done < bytes;) {
        ssize_t part = step(end, buffer + done, bytes - done);
        if (part <= 0) return 0;
        done += (size_t)part;
    }
    return 1;
}

static ssize_t give(int end, char *buffer, size_t bytes) { return write(end, buffer, bytes); }
static ssize_t take(int end, char *buffer, size_t bytes) { return read(end, buffer, bytes); }

static void answer(int end, char *buffer, size_t bytes) {
    while (pass(take, end, buffer, bytes) && pass(give, end, buffer, 1)) continue;
    _exit(0);
}

int main(int argc, char **argv) {
    if (argc != 3) return fprintf(stderr, "usage: round_trip BYTES COUNT\n"), 2;
    size_t bytes = strtoull(argv[1], NULL, 10);
    uint64_t count = strtoull(argv[2], NULL, 10);
    char *buffer = calloc(1, bytes + 1);
    int ends[2];
    if (bytes == 0 || buffer == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return perror("round_trip"), 1;
    pid_t child = fork();
    if (child < 0) return perror("fork"), 1;
    if (child == 0) close(ends[0]), answer(ends[1], buffer, bytes);
    close(ends[1]);
    uint64_t from = now_ns();
    for (uint64_t i = 0; i < count; i++) {
        if (!pass(give, ends[0], buffer, bytes) || !pass(take, ends[0], buffer, 1)) return perror("round_trip"), 1;
    }
    uint64_t to = now_ns();
    close(ends[0]);
    waitpid(child, NULL, 0);
    printf("{\"bytes\":%zu,\"count\":%llu,\"ns\":%llu}\n", bytes, (unsigned long long)count, (unsigned long long)(to - from));
    return 0;
}
