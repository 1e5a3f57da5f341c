// Who the worker is: namespaces, user, capabilities.
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker.h"

void namespaces_enter(const options_t *options, protections_t *p) {
    if (!options->netns) return;
    // Root needs no user namespace, and without one its uid stays meaningful for identity_drop().
    bool root = geteuid() == 0;
    int flags = CLONE_NEWNET | CLONE_NEWIPC | (root ? 0 : CLONE_NEWUSER);
    if (unshare(flags) != 0) {
        int error = errno;
        sandbox_missing(options, p, SLUICE_PROTECTION_NETWORK_NAMESPACE, true, SLUICE_LOAD_NAMESPACES, error);
        return;
    }
    p->active |= SLUICE_PROTECTION_NETWORK_NAMESPACE | (root ? 0u : SLUICE_PROTECTION_USER_NAMESPACE);
}

static void empty_bounding_set(void) {
    for (int cap = 0; cap < 64; cap++) {
        // EINVAL: past the kernel's last capability. EPERM: without CAP_SETPCAP the set stays, and
        // cannot matter: no_new_privs and no exec.
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0) break;
    }
}

// Empties the other four sets. Returns 0 or an errno.
int capabilities_drop(void) {
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
    return syscall(SYS_capset, &header, none) == 0 ? 0 : errno;
}

static void become(const options_t *options, protections_t *p) {
    uid_t uid = (uid_t)options->uid;
    gid_t gid = (gid_t)options->gid;
    if (setgroups(0, NULL) != 0) load_failed(SLUICE_LOAD_IDENTITY, errno, "setgroups");
    if (setresgid(gid, gid, gid) != 0) load_failed(SLUICE_LOAD_IDENTITY, errno, "setresgid");
    if (setresuid(uid, uid, uid) != 0) load_failed(SLUICE_LOAD_IDENTITY, errno, "setresuid");
    p->active |= SLUICE_PROTECTION_OWN_UID;
}

void identity_drop(const options_t *options, protections_t *p) {
    bool root = geteuid() == 0;
    empty_bounding_set();  // while we still may
    if (options->uid >= 0) become(options, p);
    else if (root) sandbox_missing(options, p, SLUICE_PROTECTION_OWN_UID, true, SLUICE_LOAD_IDENTITY, EPERM);

    int error = capabilities_drop();
    if (error != 0) load_failed(SLUICE_LOAD_IDENTITY, error, "capset");
    p->active |= SLUICE_PROTECTION_NO_CAPABILITIES;
}
