// `sluice-worker --probe`: which protections this kernel offers to this user, as JSON.
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker.h"

// Tried in a child, because it cannot be undone.
static bool can_unshare(int flags) {
    pid_t child = fork();
    if (child == 0) _exit(unshare(flags) == 0 ? 0 : 1);
    int status = 1;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

int probe_print(void) {
    bool root = geteuid() == 0;
    uint32_t abi = landlock_abi(), offered = 0;
    offered |= SLUICE_PROTECTION_PARENT_DEATH | SLUICE_PROTECTION_NOT_DUMPABLE | SLUICE_PROTECTION_CLOSE_RANGE |
               SLUICE_PROTECTION_RLIMITS | SLUICE_PROTECTION_NO_NEW_PRIVS | SLUICE_PROTECTION_NO_CAPABILITIES;
    if (root) offered |= SLUICE_PROTECTION_OWN_UID;
    if (can_unshare(CLONE_NEWUSER)) offered |= SLUICE_PROTECTION_USER_NAMESPACE;
    if (can_unshare(CLONE_NEWNET | CLONE_NEWIPC | (root ? 0 : CLONE_NEWUSER))) {
        offered |= SLUICE_PROTECTION_NETWORK_NAMESPACE;
    }
    if (abi >= 1) offered |= SLUICE_PROTECTION_LANDLOCK_FILES;
    if (abi >= 4) offered |= SLUICE_PROTECTION_LANDLOCK_NETWORK;
    if (abi >= 6) offered |= SLUICE_PROTECTION_LANDLOCK_SCOPE;
    if (seccomp_available()) offered |= SLUICE_PROTECTION_SECCOMP_LOAD | SLUICE_PROTECTION_SECCOMP_RUN;
    if (root || (offered & SLUICE_PROTECTION_USER_NAMESPACE)) offered |= SLUICE_PROTECTION_THREAD_LIMIT;

    printf("{\"abi\":\"%d.%d\",\"frame_version\":%d,\"landlock_abi\":%u,\"root\":%s,\"protections\":{", SLUICE_ABI_MAJOR,
           SLUICE_ABI_MINOR, SLUICE_FRAME_VERSION, abi, root ? "true" : "false");
    for (uint32_t i = 0; i < SLUICE_PROTECTION_COUNT; i++) {
        printf("%s\"%s\":%s", i == 0 ? "" : ",", sluice_protection_name(i), (offered >> i) & 1 ? "true" : "false");
    }
    puts("}}");
    return 0;
}
