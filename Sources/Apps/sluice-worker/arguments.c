#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker.h"

static const char usage[] =
    "usage: sluice-worker [options] PLUGIN.so      (the host's end of the channel is fd 3)\n"
    "       sluice-worker --probe\n"
    "  --sandbox=strict|degraded   refuse to run without a protection (default), or report it and go on\n"
    "  --parent PID                stop when this is no longer the parent\n"
    "  --allow-read DIR            another directory of libraries (at most 16)\n"
    "  --uid N --gid N             become this user; needed when started as root\n"
    "  --netns                     own network namespace\n"
    "  --threads N                 threads the plugin may start (default 0)\n"
    "  --address-bytes N           address space (default 1 GiB; 0: unlimited)\n"
    "  --cpu-seconds N             processor time (default 0: unlimited)\n"
    "  --files N                   open files (default 64)\n"
    "  --describe                  print what the library says of itself to fd 3 and stop\n"
    "  --cgroup DIR                join this control group (at most 4)\n"
    "  --threads-counted           a joined group holds the threads to their number\n"
    "  --check WHAT                report poison|calls|newer-host|system-calls|descriptors; for the conformance kit\n"
    "  --fail-at N                 answer the Nth host call of each operation as no header says, and tell their number; for the same\n"
    "  --real-time-back MS         set the C library's real time back for the plugin; for the same\n";

static bool number(const char *text, uint64_t max, uint64_t *out) {
    char *end = NULL;
    if (text == NULL || *text < '0' || *text > '9') return false;
    unsigned long long value = strtoull(text, &end, 10);
    *out = value;
    return *end == '\0' && value <= max;
}

// Options that take a number: where it goes and its largest value.
static bool numeric_option(const char *name, const char *value, options_t *out) {
    uint64_t n = 0;
    const uint64_t id_max = 0x7fffffff;
    if (strcmp(name, "--parent") == 0) return number(value, id_max, &n) && (out->parent = (long)n, true);
    if (strcmp(name, "--uid") == 0) return number(value, id_max, &n) && n > 0 && (out->uid = (long)n, true);
    if (strcmp(name, "--gid") == 0) return number(value, id_max, &n) && n > 0 && (out->gid = (long)n, true);
    if (strcmp(name, "--threads") == 0) return number(value, 256, &out->threads);
    if (strcmp(name, "--address-bytes") == 0) return number(value, UINT64_MAX, &out->address_bytes);
    if (strcmp(name, "--cpu-seconds") == 0) return number(value, 1u << 30, &out->cpu_seconds);
    if (strcmp(name, "--files") == 0) return number(value, 1u << 16, &out->files) && out->files >= 8;
    if (strcmp(name, "--real-time-back") == 0) return number(value, UINT64_C(1) << 40, &out->real_time_back_ms);
    if (strcmp(name, "--fail-at") == 0) return number(value, UINT64_MAX, &out->fail_at) && (out->checking |= CHECK_FAILURE, true);
    return false;
}

static bool checking_option(const char *what, options_t *out) {
    static const struct { const char *name; uint32_t bit; } known[] = {
        {"poison", CHECK_POISON}, {"calls", CHECK_CALLS}, {"newer-host", CHECK_NEWER_HOST}, {"system-calls", CHECK_SYSCALLS},
        {"descriptors", CHECK_DESCRIPTORS},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(what, known[i].name) == 0) { out->checking |= known[i].bit; return true; }
    }
    return false;
}

static bool parse(int argc, char **argv, options_t *out) {
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--probe") == 0) out->probe = true;
        else if (strcmp(name, "--netns") == 0) out->netns = true;
        else if (strcmp(name, "--sandbox=strict") == 0) out->degraded = false;
        else if (strcmp(name, "--sandbox=degraded") == 0) out->degraded = true;
        else if (strcmp(name, "--describe") == 0) out->describe = true;
        else if (strcmp(name, "--threads-counted") == 0) out->threads_counted = true;
        else if (i + 1 >= argc) return false;
        else if (strcmp(name, "--check") == 0) { if (!checking_option(argv[++i], out)) return false; }
        else if (strcmp(name, "--allow-read") == 0) {
            if (out->allow_read_count == ALLOW_READ_MAX) return false;
            out->allow_read[out->allow_read_count++] = argv[++i];
        } else if (strcmp(name, "--cgroup") == 0) {
            if (out->group_count == GROUPS_MAX) return false;
            out->groups[out->group_count++] = argv[++i];
        } else if (!numeric_option(name, argv[++i], out)) return false;
    }
    if (out->probe) return i == argc;
    if ((out->uid < 0) != (out->gid < 0)) return false;
    if (i != argc - 1) return false;
    out->plugin = argv[i];
    return true;
}

bool options_parse(int argc, char **argv, options_t *out) {
    *out = (options_t){.uid = -1, .gid = -1, .address_bytes = UINT64_C(1) << 30, .files = 64};
    if (parse(argc, argv, out)) return true;
    fputs(usage, stderr);
    return false;
}
