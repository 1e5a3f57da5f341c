// Extension "sluice.rate-hint/1", on the host's side: what the upstream said about its own limits.
#ifndef SLUICE_EXT_RATE_HINT_H
#define SLUICE_EXT_RATE_HINT_H

#include "../host.h"

#ifdef __cplusplus
extern "C" {
#endif

static const char SLUICE_EXT_RATE_HINT[] = "sluice.rate-hint/1";

typedef struct sluice_rate {
    uint32_t struct_size;
    uint32_t reserved;
    sluice_slice_t endpoint;    // a name of the manifest
    int64_t limit;              // requests per window; negative when unknown
    int64_t remaining;          // requests left in this window; negative when unknown
    int64_t reset_at_ms;        // when the window ends, wall time; SLUICE_TIME_NONE when unknown
} sluice_rate_t;

typedef struct sluice_rate_hint {
    uint32_t struct_size;
    uint32_t reserved;

    // Tells the host's throttle: until reset_at_ms the endpoint gets at most `remaining` requests, evenly,
    // never more than the manifest's cap. Ends at reset_at_ms, after an hour, or with the next hint for this
    // endpoint. Changes nothing when `remaining` or reset_at_ms is unknown. Does not wait.
    // [in an operation but migrate]  CANCELLED, INVALID, TOO_LARGE, STATE.
    sluice_status_t (*rate_hint)(const sluice_host_t *host, const sluice_rate_t *rate);
} sluice_rate_hint_t;

#ifdef __cplusplus
}
#endif
#endif
