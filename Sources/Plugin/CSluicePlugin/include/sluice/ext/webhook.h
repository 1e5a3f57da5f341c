// Extension "sluice.webhook/1", on the plugin's side: a source that also takes webhook deliveries.
//
// The source gives the table from get_extension(). A source without it takes none: the host asks nothing of it.
#ifndef SLUICE_EXT_WEBHOOK_H
#define SLUICE_EXT_WEBHOOK_H

#include "../source.h"

#ifdef __cplusplus
extern "C" {
#endif

static const char SLUICE_EXT_WEBHOOK[] = "sluice.webhook/1";

// A webhook delivery the host has already verified, stored and answered.
typedef struct sluice_delivery {
    uint32_t struct_size;
    uint32_t header_count;
    int64_t received_at_ms;
    sluice_slice_t id;          // unique; the same id may come twice (after a crash)
    sluice_slice_t method;      // this, `query` and `headers` hold what the manifest declares, and are empty otherwise
    sluice_slice_t path;        // below the instance's own webhook address; empty: a host of 1.0 takes nothing below it
    sluice_slice_t query;       // without "?"
    sluice_slice_t body;
    const sluice_pair_t *headers; // names in lower case; may be NULL when header_count is 0
} sluice_delivery_t;

typedef struct sluice_webhook {
    uint32_t struct_size;
    uint32_t reserved;

    // Turns one delivery into records. Runs after the response, off its path. Must give the same records
    // for the same delivery. `delivery` and what it points to live until the call returns.
    // An operation like pull(): emit(), checkpoint() and wait_durable() are allowed.
    // Returns OK, an error class, or CANCELLED.
    sluice_status_t (*receive)(const sluice_source_t *source, const sluice_delivery_t *delivery);
} sluice_webhook_t;

#ifdef __cplusplus
}
#endif
#endif
