// The records of the benchmarks: distinct JSON objects of RECORD_BYTES bytes, each a function of its number alone, so
// that the plugin, the SQLite baselines and the load generator handle the same bytes. Most of each is a text of random
// letters, 6 bits in 8: zstd gains at most a third on it, and `sqlite_baseline ratio` checks that.
#ifndef BENCH_RECORD_TEXT_H
#define BENCH_RECORD_TEXT_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { RECORD_BYTES = 1024, RECORD_KEY_BYTES = 24 };

static inline uint64_t record_mix(uint64_t x) {  // splitmix64
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

// Returns the length of the key, which is terminated too.
static inline size_t record_key(char out[RECORD_KEY_BYTES], uint64_t number) {
    return (size_t)snprintf(out, RECORD_KEY_BYTES, "b%08llu", (unsigned long long)number);
}

// Writes exactly RECORD_BYTES bytes and no terminator.
static inline void record_text(char *out, uint64_t number) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char head[160];
    uint64_t seed = record_mix(number ^ UINT64_C(0x51d1ce));
    size_t at = (size_t)snprintf(head, sizeof head,
        "{\"id\":\"b%08llu\",\"name\":\"Account %016llx\",\"employees\":%u,\"updated_at\":\"2026-01-05\",\"note\":\"",
        (unsigned long long)number, (unsigned long long)seed, (unsigned)(seed % 9973));
    memcpy(out, head, at);
    uint64_t bits = 0;
    for (uint64_t n = 0; at < RECORD_BYTES - 2; at++, n++) {
        if (n % 10 == 0) bits = record_mix(seed + n);
        out[at] = letters[(bits >> (6 * (n % 10))) & 63];
    }
    memcpy(out + at, "\"}", 2);
}

#endif
