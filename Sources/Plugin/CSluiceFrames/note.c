// Reads ELF64 by hand: <elf.h> would tie the host to the machine it was built on.
#include "cursor.h"

#include <string.h>

enum { PROGRAM_HEADER_BYTES = 56, PROGRAM_HEADERS_MAX = 64, PT_NOTE_TYPE = 4, ET_DYN_TYPE = 3, NOTE_TYPE = 1 };
enum { NOTE_MAGIC = 0x31434C53 };

static uint64_t number_at(sluice_bytes_t bytes, size_t at, unsigned width) {
    if (at > bytes.len || width > bytes.len - at) return 0;
    in_t in = in_open((sluice_bytes_t){bytes.ptr + at, width});
    return in_number(&in, width);
}

static bool is_shared_library(sluice_bytes_t file) {
    static const uint8_t ident[6] = {0x7f, 'E', 'L', 'F', 2, 1};  // 64-bit, little-endian
    return file.len >= 64 && memcmp(file.ptr, ident, sizeof ident) == 0 && number_at(file, 16, 2) == ET_DYN_TYPE &&
           number_at(file, 54, 2) == PROGRAM_HEADER_BYTES;
}

// Walks one segment of notes: {u32 owner length, u32 description length, u32 type, owner, description}.
static sluice_note_error_t find_in(sluice_bytes_t notes, sluice_note_t *out) {
    size_t at = 0;
    while (notes.len - at >= 12) {
        uint64_t owner_len = number_at(notes, at, 4), text_len = number_at(notes, at + 4, 4);
        uint64_t type = number_at(notes, at + 8, 4);
        uint64_t owner_room = (owner_len + 3) & ~UINT64_C(3), text_room = (text_len + 3) & ~UINT64_C(3);
        if (owner_room + text_room > notes.len - at - 12) return SLUICE_NOTE_MISSING;
        const uint8_t *owner = notes.ptr + at + 12;
        if (owner_len == 7 && memcmp(owner, "Sluice", 7) == 0 && type == NOTE_TYPE && text_len >= 8) {
            size_t text = at + 12 + (size_t)owner_room;
            out->magic = (uint32_t)number_at(notes, text, 4);
            out->abi_major = (uint16_t)number_at(notes, text + 4, 2);
            out->abi_minor = (uint16_t)number_at(notes, text + 6, 2);
            return out->magic == NOTE_MAGIC ? SLUICE_NOTE_OK : SLUICE_NOTE_WRONG_MAGIC;
        }
        at += 12 + (size_t)(owner_room + text_room);
    }
    return SLUICE_NOTE_MISSING;
}

sluice_note_error_t sluice_note_find(sluice_bytes_t file, sluice_note_t *out) {
    *out = (sluice_note_t){0, 0, 0};
    if (!is_shared_library(file)) return SLUICE_NOTE_NOT_ELF;
    uint64_t table = number_at(file, 32, 8), count = number_at(file, 56, 2);
    if (count > PROGRAM_HEADERS_MAX || table > file.len || count * PROGRAM_HEADER_BYTES > file.len - table) {
        return SLUICE_NOTE_DAMAGED;
    }
    for (uint64_t i = 0; i < count; i++) {
        size_t header = (size_t)(table + i * PROGRAM_HEADER_BYTES);
        if (number_at(file, header, 4) != PT_NOTE_TYPE) continue;
        uint64_t start = number_at(file, header + 8, 8), len = number_at(file, header + 32, 8);
        if (start > file.len || len > file.len - start) return SLUICE_NOTE_DAMAGED;
        sluice_note_error_t error = find_in((sluice_bytes_t){file.ptr + start, (size_t)len}, out);
        if (error != SLUICE_NOTE_MISSING) return error;
    }
    return SLUICE_NOTE_MISSING;
}

const char *sluice_note_error_name(sluice_note_error_t error) {
    static const char *const names[] = {"ok", "not_elf", "damaged", "missing", "wrong_magic"};
    return (unsigned)error < sizeof names / sizeof *names ? names[error] : "unknown";
}
