#define _GNU_SOURCE
#include "csync.h"

#include <errno.h>
#include <unistd.h>

int sluice_syncfs(int descriptor) { return syncfs(descriptor) == 0 ? 0 : errno; }
