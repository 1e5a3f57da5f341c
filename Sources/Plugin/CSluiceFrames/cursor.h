// Two cursors, private to the codec: `in` reads hostile bytes, `out` writes ours.
// Both stop at the first fault and ignore what follows, so a codec reads as the list of its fields.
#ifndef SLUICE_FRAMES_CURSOR_H
#define SLUICE_FRAMES_CURSOR_H

#include "sluice_frames.h"

typedef struct in {
    sluice_bytes_t bytes;
    size_t at;
    sluice_frame_check_t check;
} in_t;

in_t in_open(sluice_bytes_t bytes);
void in_fail(in_t *in, sluice_frame_error_t error, size_t offset);
uint64_t in_number(in_t *in, unsigned width);                    // little-endian; 0 after a fault
uint64_t in_between(in_t *in, unsigned width, uint64_t low, uint64_t high);
int32_t in_status(in_t *in);                                     // 0, -1..-6, -16..-21
void in_zero(in_t *in, unsigned width);                          // a reserved field
sluice_bytes_t in_bytes(in_t *in, size_t min, size_t max);       // {u32 length, bytes}
sluice_pairs_t in_pairs(in_t *in);                               // {u32 count, u32 length, list}
sluice_names_t in_names(in_t *in);
sluice_bytes_t in_rest(in_t *in);
sluice_frame_check_t in_close(in_t *in);                         // refuses what is left

typedef struct out {
    uint8_t *bytes;
    size_t capacity;
    size_t at;        // grows past `capacity`: then only the size is wanted
    bool refused;
} out_t;

out_t out_open(sluice_frame_type_t type, uint16_t flags, uint32_t operation, uint32_t call, uint8_t *bytes,
               size_t capacity);
void out_number(out_t *out, uint64_t value, unsigned width);
void out_between(out_t *out, uint64_t value, unsigned width, uint64_t low, uint64_t high);
void out_status(out_t *out, int32_t status);
void out_raw(out_t *out, sluice_bytes_t bytes);
void out_bytes(out_t *out, sluice_bytes_t bytes, size_t min, size_t max);
void out_pairs(out_t *out, const sluice_pairs_t *pairs);
void out_names(out_t *out, const sluice_names_t *names);
size_t out_close(out_t *out);                                    // fills in the length; 0 when refused

bool sluice_status_is_known(int32_t status);

#endif
