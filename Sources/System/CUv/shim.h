#include <malloc.h>
#include <sys/prctl.h>
#include <uv.h>

/* Variadic in C, and so out of Swift's reach. */
static inline int sluice_set_undumpable(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

/* Not in the module that Swift imports. */
static inline int sluice_map_blocks_from(int bytes) { return mallopt(M_MMAP_THRESHOLD, bytes); }
