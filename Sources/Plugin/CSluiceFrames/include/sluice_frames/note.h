// The ELF note that states a plugin's ABI version, read from the bytes of the file: no code runs.
#ifndef SLUICE_FRAMES_NOTE_H
#define SLUICE_FRAMES_NOTE_H

#include "base.h"

typedef enum SLUICE_CLOSED_ENUM sluice_note_error {
    SLUICE_NOTE_OK = 0,
    SLUICE_NOTE_NOT_ELF = 1,       // not a 64-bit little-endian ELF shared library
    SLUICE_NOTE_DAMAGED = 2,       // a table goes beyond the file
    SLUICE_NOTE_MISSING = 3,       // no note of owner "Sluice", type 1
    SLUICE_NOTE_WRONG_MAGIC = 4
} sluice_note_error_t;

typedef struct sluice_note {
    uint32_t magic;
    uint16_t abi_major;
    uint16_t abi_minor;
} sluice_note_t;

// Finds the note in `file`, the whole file. Hostile bytes are expected. `*out` is zero unless found.
sluice_note_error_t sluice_note_find(sluice_bytes_t file, sluice_note_t *out);

// "ok", "not_elf"...
const char *sluice_note_error_name(sluice_note_error_t error);

#endif
