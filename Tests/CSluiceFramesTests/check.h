// The smallest test kit: sentences, counts, no dependency.
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "sluice_frames.h"

extern unsigned passed, failed;

static inline void expect(bool truth, const char *sentence) {
    if (truth) passed++;
    else failed++, printf("FAIL  %s\n", sentence);
}

static inline sluice_bytes_t bytes_of(const char *s) { return (sluice_bytes_t){(const uint8_t *)s, strlen(s)}; }

static inline bool same(sluice_bytes_t a, sluice_bytes_t b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

// One frame of every type, for the round trip and as the fuzzer's seeds.
enum { SAMPLES = 26, SAMPLE_BYTES = 2048 };
typedef struct sample {
    uint8_t bytes[SAMPLE_BYTES];
    size_t len;
    sluice_frame_sender_t sender;
} sample_t;
void samples_build(sample_t samples[SAMPLES]);

// Decodes a payload by its type and touches everything the decoder returned.
sluice_frame_check_t decode_any(const sluice_frame_t *frame, uint64_t *sum);

void test_frames(void);
void test_records(void);
void test_note(void);
void fuzz(uint64_t seed, unsigned milliseconds);

#endif
