#include <sys/prctl.h>
#include <uv.h>

/* Variadic in C, and so out of Swift's reach. */
static inline int sluice_set_undumpable(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }
