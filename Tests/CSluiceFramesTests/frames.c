// The header, the round trip of every type, and every kind of refusal.
#include "check.h"

static sluice_frame_check_t next(const uint8_t *bytes, size_t len, sluice_frame_sender_t sender, sluice_frame_t *f) {
    return sluice_frame_next((sluice_bytes_t){bytes, len}, sender, f);
}

static void round_trip(void) {
    static sample_t samples[SAMPLES];
    samples_build(samples);
    for (unsigned i = 0; i < SAMPLES; i++) {
        sample_t *s = &samples[i];
        sluice_frame_t f;
        uint64_t sum = 0;
        expect(s->len >= 16 && next(s->bytes, s->len, s->sender, &f).error == SLUICE_FRAME_OK && f.size == s->len,
               "every type encodes to one whole frame");
        expect(decode_any(&f, &sum).error == SLUICE_FRAME_OK, sluice_frame_type_name(f.type));
        sluice_frame_sender_t other = s->sender == SLUICE_FRAME_SENDER_HOST ? SLUICE_FRAME_SENDER_WORKER : SLUICE_FRAME_SENDER_HOST;
        expect(next(s->bytes, s->len, other, &f).error == SLUICE_FRAME_BAD_TYPE, "a type the other side sends is refused");
        for (size_t cut = 0; cut < s->len; cut++) {
            sluice_frame_check_t check = next(s->bytes, cut, s->sender, &f);
            if (check.error != SLUICE_FRAME_INCOMPLETE || f.size <= cut) expect(false, "a cut frame is incomplete and says what it needs");
        }
        for (size_t cut = 0; cut + 16 < s->len; cut++) {  // the payload cut, by a header that agrees
            next(s->bytes, s->len, s->sender, &f);
            f.payload.len = cut;
            bool whole = f.type == SLUICE_FRAME_HTTP_BODY || f.type == SLUICE_FRAME_RANDOM_REPLY;
            if (!whole && decode_any(&f, &sum).error == SLUICE_FRAME_OK) expect(false, "a cut payload is refused");
        }
    }
}

static void refuses(unsigned at, uint8_t value, sluice_frame_error_t error, size_t offset, const char *sentence) {
    uint8_t frame[16 + 8];
    sluice_frame_t f;
    sluice_encode_pong(1, frame, sizeof frame);
    frame[at] = value;
    sluice_frame_check_t check = next(frame, sizeof frame, SLUICE_FRAME_SENDER_WORKER, &f);
    expect(check.error == error && check.offset == offset, sentence);
}

static void headers(void) {
    refuses(4, 2, SLUICE_FRAME_BAD_VERSION, 4, "another version is refused");
    refuses(5, 0, SLUICE_FRAME_BAD_TYPE, 5, "type 0 is refused");
    refuses(5, 200, SLUICE_FRAME_BAD_TYPE, 5, "an unknown type is refused");
    refuses(6, 1, SLUICE_FRAME_BAD_FLAGS, 6, "a flag this type does not have is refused");
    refuses(3, 0x7f, SLUICE_FRAME_TOO_LARGE, 0, "a length beyond the limit is refused before waiting for it");
    refuses(2, 0x10, SLUICE_FRAME_TOO_LARGE, 0, "a length one frame header above the limit is refused");
}

static void limits(void) {
    static uint8_t big[SLUICE_FRAME_BYTES_MAX], out[SLUICE_FRAME_BYTES_MAX];
    sluice_frame_checkpoint_t c = {bytes_of("s"), {big, SLUICE_FRAME_STATE_BYTES_MAX}, 1, 0};
    size_t size = sluice_encode_checkpoint(&c, 1, NULL, 0);
    expect(size == 16 + 4 + 8 + 5 + 4 + SLUICE_FRAME_STATE_BYTES_MAX, "an encoder without room states the size");
    expect(sluice_encode_checkpoint(&c, 1, out, sizeof out) == size, "and writes it when there is room");
    c.state.len++;
    expect(sluice_encode_checkpoint(&c, 1, out, sizeof out) == 0, "a field beyond its limit cannot be encoded");
    sluice_frame_result_t r = {-7, 0, -1, 0, {NULL, 0}, {NULL, 0}, {NULL, 0}};
    expect(sluice_encode_result(&r, 1, out, sizeof out) == 0, "a status outside the list cannot be encoded");
    expect(sluice_encode_http_body((sluice_bytes_t){NULL, 0}, false, 1, 1, out, sizeof out) == 0, "an empty part that is not the end cannot be encoded");
    uint32_t n;
    expect(sluice_decode_clock((sluice_bytes_t){(const uint8_t *)"\3\0\0\0", 4}, &n).error == SLUICE_FRAME_BAD_VALUE, "a clock outside the list is refused");
    expect(sluice_decode_clock((sluice_bytes_t){(const uint8_t *)"\1\0\0\0\0", 5}, &n).error == SLUICE_FRAME_TRAILING, "trailing bytes are refused");
    expect(sluice_decode_empty((sluice_bytes_t){NULL, 0}).error == SLUICE_FRAME_OK, "no payload is no payload");

    size_t used = 0;
    uint32_t count = 0;
    while (sluice_pairs_append(big, sizeof big, &used, &count, bytes_of("n"), bytes_of("v"))) continue;
    expect(count == SLUICE_FRAME_PAIRS_MAX, "a list of pairs ends at its limit");
    expect(!sluice_pairs_append(big, 3, &(size_t){0}, &(uint32_t){0}, bytes_of("n"), bytes_of("v")), "a list does not exceed its room");
    sluice_pairs_t lying = {{big, 4}, 9};
    sluice_bytes_t name, value;
    expect(!sluice_pairs_next(&lying, &name, &value), "a list built by hand that lies ends early");
}

void test_frames(void) {
    round_trip();
    headers();
    limits();
}
