// A source brings records in. One object serves one instance of one tenant and runs one operation
// at a time. Keep nothing that matters in memory: the worker may be killed or replaced between
// operations; what must survive goes into checkpoints.
//
// What not every source can do is an extension of the plugin's side: ext/webhook.h, ext/state-migrate.h.
#ifndef SLUICE_SOURCE_H
#define SLUICE_SOURCE_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

// What pull() is asked to do.
typedef struct sluice_pull {
    uint32_t struct_size;
    uint32_t state_version;     // as given to checkpoint(); 0 when `state` is empty
    sluice_slice_t stream;      // a name from the manifest
    sluice_slice_t state;       // the last durable state; empty means "from the beginning"
} sluice_pull_t;

typedef struct sluice_source sluice_source_t;
struct sluice_source {
    uint32_t struct_size;
    uint32_t reserved;
    void *plugin_data;          // the plugin's own; the host neither reads nor writes it

    // Frees the object. Called at most once, never during another call, and nothing is called after it. May
    // be skipped: the host may end the process instead. May log; makes no other host call.
    void (*destroy)(const sluice_source_t *source);

    // Returns the table of a plugin-side extension, such as "sluice.webhook/1", or NULL when this source has
    // none of that id. `id` is NUL-terminated. The table is constant and lives until destroy(). Pure: no host
    // calls. Called at any time after create() returned and before destroy(), as often as the host likes.
    const void *(*get_extension)(const sluice_source_t *source, const char *id);

    // Checks configuration and credential with as few upstream calls as possible. Emits nothing.
    // Returns OK or an error class.
    sluice_status_t (*check)(const sluice_source_t *source);

    // Gives set_result() a JSON array of {"stream": name, "schema": JSON Schema}: what this account offers.
    // Returns OK or an error class.
    sluice_status_t (*discover)(const sluice_source_t *source);

    // Brings records from `pull->state` on, with checkpoints, and returns OK when it has caught up.
    // `pull` and its slices live until the call returns. After a crash it is called again with the last
    // durable state, so every record after that state must be emitted again.
    // Returns OK, an error class, or CANCELLED.
    sluice_status_t (*pull)(const sluice_source_t *source, const sluice_pull_t *pull);
};

#ifdef __cplusplus
}
#endif
#endif
