// The record layout is the journal's: these bytes are golden.
#include "check.h"

static const uint8_t golden[] = {
    42, 0, 0, 0, 1, 0, 2, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0, 0x68, 0xe5, 0xcf, 0x8b, 1, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0,
    'k', '1', 'v', '{', '"', 'a', '"', ':', '1', '}',
};

static sluice_frame_error_t damaged(size_t at, uint8_t value) {
    uint8_t copy[sizeof golden];
    memcpy(copy, golden, sizeof golden);
    copy[at] = value;
    sluice_bytes_t section = {copy, sizeof copy};
    sluice_frame_record_t r;
    return sluice_record_next(&section, &r).error;
}

static void decode_emit(uint32_t count, size_t section_len, sluice_frame_error_t error, const char *sentence) {
    uint8_t frame[256];
    sluice_frame_emit_t e = {bytes_of("deals"), count, {golden, section_len}};
    size_t size = sluice_encode_emit(&e, 1, frame, sizeof frame);
    sluice_frame_emit_t out;
    expect(size > 16 && sluice_decode_emit((sluice_bytes_t){frame + 16, size - 16}, &out).error == error, sentence);
}

void test_records(void) {
    uint8_t out[128], frame[256];
    size_t used = 0;
    sluice_frame_record_t r = {SLUICE_RECORD_UPSERT, 1700000000000, 7, bytes_of("k1"), bytes_of("v"), bytes_of("{\"a\":1}"), {NULL, 0}}, back;
    expect(sluice_record_append(out, sizeof out, &used, &r), "a record is appended");
    expect(used == sizeof golden && memcmp(out, golden, used) == 0, "a record has exactly the documented bytes");
    sluice_bytes_t section = {out, used};
    expect(sluice_record_next(&section, &back).error == SLUICE_FRAME_OK && back.op == r.op && back.event_time_ms == r.event_time_ms &&
           back.source_ordinal == 7 && same(back.key, r.key) && same(back.source_version, r.source_version) &&
           same(back.payload, r.payload) && back.whole.len == used, "and reads back");
    expect(sluice_record_next(&section, &back).error == SLUICE_FRAME_INCOMPLETE, "an empty section ends the walk");
    used = 100;
    expect(!sluice_record_append(out, sizeof out, &used, &r) && used == 100, "a record that does not fit changes nothing");
    r.key.len = 0;
    used = 0;
    expect(!sluice_record_append(out, sizeof out, &used, &r), "a record without a key cannot be appended");

    expect(damaged(0, 43) == SLUICE_FRAME_BAD_RECORD, "a length that is not the sum is refused");
    expect(damaged(4, 3) == SLUICE_FRAME_BAD_VALUE, "an unknown operation is refused");
    expect(damaged(5, 1) == SLUICE_FRAME_RESERVED && damaged(10, 1) == SLUICE_FRAME_RESERVED, "reserved bytes are zero");
    expect(damaged(7, 0xff) == SLUICE_FRAME_FIELD_TOO_LONG, "a key beyond its limit is refused");
    expect(damaged(15, 0xff) == SLUICE_FRAME_BAD_RECORD, "a payload length near 2^32 does not wrap");

    decode_emit(1, sizeof golden, SLUICE_FRAME_OK, "an EMIT of one record decodes");
    decode_emit(2, sizeof golden, SLUICE_FRAME_BAD_COUNT, "fewer records than counted are refused");
    decode_emit(1, sizeof golden - 1, SLUICE_FRAME_TRUNCATED, "a record cut short is refused");
    sluice_frame_emit_t e = {bytes_of("deals"), 1, {golden, sizeof golden}};
    uint8_t head[64];
    size_t whole = sluice_encode_emit(&e, 5, frame, sizeof frame), head_len = sluice_encode_emit_head(&e, 5, head, sizeof head);
    expect(head_len + sizeof golden == whole && memcmp(head, frame, head_len) == 0, "a head alone equals the whole frame's head");
}

// A shared library of one program header and one note, by hand.
void test_note(void) {
    uint8_t file[64 + 56 + 28] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    file[16] = 3, file[32] = 64, file[54] = 56, file[56] = 1;
    file[64] = 4, file[64 + 8] = 120, file[64 + 32] = 28;
    static const uint8_t note[28] = {7, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 'S', 'l', 'u', 'i', 'c', 'e', 0, 0, 'S', 'L', 'C', '1', 1, 0, 2, 0};
    memcpy(file + 120, note, sizeof note);
    sluice_note_t out;
    sluice_bytes_t bytes = {file, sizeof file};
    expect(sluice_note_find(bytes, &out) == SLUICE_NOTE_OK && out.abi_major == 1 && out.abi_minor == 2, "the note is found");
    for (size_t cut = 0; cut < sizeof file; cut++) {
        if (sluice_note_find((sluice_bytes_t){file, cut}, &out) == SLUICE_NOTE_OK) expect(false, "a cut file has no note");
    }
    for (size_t at = 0; at < sizeof file; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            file[at] ^= (uint8_t)(1u << bit);
            sluice_note_find(bytes, &out);  // for the sanitizers
            file[at] ^= (uint8_t)(1u << bit);
        }
    }
    file[140] = 'X';
    expect(sluice_note_find(bytes, &out) == SLUICE_NOTE_WRONG_MAGIC, "a wrong magic is named");
}
