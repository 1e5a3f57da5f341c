// The attacks of the hostile plugin, for tests only.
#ifndef HOSTILE_H
#define HOSTILE_H

#include "sluice/sluice.h"

// One forbidden request to the kernel. Returns the errno it got, 0 when it was allowed.
typedef struct kernel_attack {
    const char *name;
    int (*run)(void);
} kernel_attack_t;

extern const kernel_attack_t kernel_attacks[];  // ends with a NULL name
int kernel_attack_run(const char *name, int *error_number);  // 0: no such attack

// One breach of the host's rules. Returns what the operation returns.
sluice_status_t rule_attack_run(const sluice_host_t *host, const char *name, int *found);

// Emits {"attack":name,key:value} on stream "attacks" and logs it.
sluice_status_t leak(const sluice_host_t *host, const char *what);
sluice_status_t report(const sluice_host_t *host, const char *name, const char *key, const char *value);

#endif
