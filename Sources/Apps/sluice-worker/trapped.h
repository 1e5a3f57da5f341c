// A system call that a filter has trapped: what it asked for, and what it gets.
#ifndef SLUICE_TRAPPED_H
#define SLUICE_TRAPPED_H

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>

enum { OPEN_FLAGS_REFUSED = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY) };

typedef struct trapped {
    long number;
    long arguments[4];
} trapped_t;

trapped_t trapped_call(const siginfo_t *info, const void *context);
bool trapped_refuse(const trapped_t *call, void *context);  // false: a file was opened in its stead, or does not exist
void opening_allow(bool allowed);
extern const char opening_place[];                          // behind the one instruction that may open a file

#endif
