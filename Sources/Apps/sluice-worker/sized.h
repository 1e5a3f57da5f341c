// Structs of the border, which a plugin of another minor version gives shorter or longer than ours (ABI-1).
#ifndef SLUICE_WORKER_SIZED_H
#define SLUICE_WORKER_SIZED_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "sluice/sluice.h"

// What every plugin gives at least: the sizes of 1.0. They never change; ours grow.
enum {
    RECORD_SIZE_MIN = 72, CHECKPOINT_SIZE_MIN = 48, ERROR_SIZE_MIN = 48, HTTP_REQUEST_SIZE_MIN = 128,
    HTTP_RESPONSE_SIZE_MIN = 48, RATE_SIZE_MIN = 48, DESCRIPTOR_SIZE_MIN = 56, FACTORY_SIZE_MIN = 24,
    PLUGIN_SIZE_MIN = 24, SOURCE_SIZE_MIN = 56, EXECUTOR_SIZE_MIN = 64, WEBHOOK_SIZE_MIN = 16,
    STATE_MIGRATE_SIZE_MIN = 16
};

// Copies the struct at `from` into the `size` bytes of `to`: what it has of it, and zero beyond.
// False: there is none, or it is shorter than in 1.0.
static inline bool sized_read(void *to, size_t size, const void *from, uint32_t size_min) {
    uint32_t given;
    if (from == NULL) return false;
    memcpy(&given, from, sizeof given);
    if (given < size_min) return false;
    memset(to, 0, size);
    memcpy(to, from, given < size ? given : size);
    return true;
}

// Writes ours into a struct of the plugin, inside the size that it states, which stays.
static inline void sized_write(void *to, const void *from, size_t size) {
    uint32_t room;
    memcpy(&room, to, sizeof room);
    if (room > size) memset((uint8_t *)to + size, 0, room - size);
    memcpy((uint8_t *)to + sizeof room, (const uint8_t *)from + sizeof room, (room < size ? room : size) - sizeof room);
}

#endif
