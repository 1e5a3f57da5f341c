// Extension "sluice.state-migrate/1", on the plugin's side: a source that can write an old state anew.
//
// After another version of the library was installed, the host may ask for each stored state once, before the
// first pull(). A source without the extension gets its old states in pull() and must read them there, or
// answer PERMANENT.
#ifndef SLUICE_EXT_STATE_MIGRATE_H
#define SLUICE_EXT_STATE_MIGRATE_H

#include "../source.h"

#ifdef __cplusplus
extern "C" {
#endif

static const char SLUICE_EXT_STATE_MIGRATE[] = "sluice.state-migrate/1";

// A state as an earlier version of the library gave it to checkpoint().
typedef struct sluice_old_state {
    uint32_t struct_size;
    uint32_t state_version;     // as given to checkpoint()
    sluice_slice_t stream;
    sluice_slice_t state;       // never empty
} sluice_old_state_t;

typedef struct sluice_state_migrate {
    uint32_t struct_size;
    uint32_t reserved;

    // Writes `old` in the format of today and hands it over with checkpoint(), which copies it: the same
    // stream, the same place in it, today's state_version. Nobody owns anything after that. The last
    // checkpoint() before the return counts; its watermark is not looked at, the host keeps the one it has.
    // A state that is of today already is handed over as it is. `old` and its slices live until the return.
    // A function of `old` alone: emit(), wait_durable(), set_result(), clock_now(), random() and the calls of
    // every extension answer STATE here; checkpoint() of another stream answers INVALID.
    // Returns OK after a checkpoint(); PERMANENT when the state is of no version it knows (a newer one, say):
    // the host then keeps the old state and parks the instance with the message; another error class; or
    // CANCELLED. OK without a checkpoint() counts as BUG. What was handed over counts only with OK.
    sluice_status_t (*migrate)(const sluice_source_t *source, const sluice_old_state_t *old);
} sluice_state_migrate_t;

#ifdef __cplusplus
}
#endif
#endif
