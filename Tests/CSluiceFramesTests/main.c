// Codec tests: frames [SEED [MILLISECONDS]]. The last line is "N passed, N failed".
#include <stdlib.h>
#include <time.h>

#include "check.h"

unsigned passed, failed;

static uint64_t state;
static uint32_t chance(uint32_t below) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (uint32_t)((state >> 16) % below);
}

// Flips, cuts, copies and plants telling numbers.
static void mutate(uint8_t *bytes, size_t *len) {
    static const uint8_t telling[] = {0, 1, 2, 0x7f, 0x80, 0xfe, 0xff};
    for (uint32_t n = 1 + chance(4); n > 0 && *len > 0; n--) {
        size_t at = chance((uint32_t)*len);
        switch (chance(5)) {
        case 0: bytes[at] ^= (uint8_t)(1u << chance(8)); break;
        case 1: bytes[at] = telling[chance(sizeof telling)]; break;
        case 2: *len = at; break;
        case 3: memset(bytes + at, 0xff, *len - at < 4 ? *len - at : 4); break;
        default: memmove(bytes + at, bytes + chance((uint32_t)*len), 1); break;
        }
    }
}

static int64_t now_ms(void) {
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void fuzz(uint64_t seed, unsigned milliseconds) {
    static sample_t samples[SAMPLES];
    samples_build(samples);
    state = seed;
    uint64_t sum = 0, tries = 0, accepted = 0;
    for (int64_t end = now_ms() + milliseconds; now_ms() < end; tries++) {
        const sample_t *s = &samples[chance(SAMPLES)];
        size_t len = s->len;
        uint8_t *copy = malloc(len);  // exact size: one byte too far is seen
        memcpy(copy, s->bytes, len);
        mutate(copy, &len);
        uint8_t *exact = malloc(len > 0 ? len : 1);
        memcpy(exact, copy, len);
        sluice_frame_t f;
        sluice_bytes_t bytes = {exact, len};
        if (sluice_frame_next(bytes, s->sender, &f).error == SLUICE_FRAME_OK) {
            accepted += decode_any(&f, &sum).error == SLUICE_FRAME_OK;
        } else if (len > 16 && sluice_frame_next((sluice_bytes_t){s->bytes, s->len}, s->sender, &f).error == SLUICE_FRAME_OK) {
            f.payload = (sluice_bytes_t){exact + 16, len - 16};  // the payload alone, under a good header
            accepted += decode_any(&f, &sum).error == SLUICE_FRAME_OK;
        }
        free(copy);
        free(exact);
    }
    printf("fuzz: seed %llu, %llu mutations, %llu still valid, sum %llx\n", (unsigned long long)seed,
           (unsigned long long)tries, (unsigned long long)accepted, (unsigned long long)sum);
    expect(tries > 1000, "the fuzzer ran");
}

int main(int argc, char **argv) {
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)now_ms();
    test_frames();
    test_records();
    test_note();
    fuzz(seed != 0 ? seed : 1, argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 5000);
    printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
