// The order of the sandbox. Each step closes what the next one no longer needs.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker.h"

void sandbox_missing(const options_t *options, protections_t *p, sluice_protection_t what, bool required,
                     sluice_load_step_t step, int error_number) {
    p->missing |= (uint32_t)what;
    if (!required) return;
    char text[160];
    snprintf(text, sizeof text, "protection %s is not available here (--sandbox=degraded goes on without it)",
             sluice_protection_name((uint32_t)__builtin_ctz((unsigned)what)));
    if (!options->degraded) load_failed(step, error_number, text);
}

// The kernel forgets both when credentials change, so this runs again after identity and namespaces.
static void bind_to_parent(const options_t *options, protections_t *p) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) load_failed(SLUICE_LOAD_PARENT_DEATH, errno, "PR_SET_PDEATHSIG");
    if (prctl(PR_SET_DUMPABLE, 0) != 0) load_failed(SLUICE_LOAD_PARENT_DEATH, errno, "PR_SET_DUMPABLE");
    // It may have died before the first line of this function.
    if (options->parent != 0 && getppid() != options->parent) {
        load_failed(SLUICE_LOAD_PARENT_DEATH, 0, "the parent is not the expected process");
    }
    p->active |= SLUICE_PROTECTION_PARENT_DEATH | SLUICE_PROTECTION_NOT_DUMPABLE;
}

static void close_inherited(int keep, protections_t *p) {
    unsigned kept = (unsigned)keep, first = CHANNEL_FD + 1;
    bool done = (kept == first || syscall(SYS_close_range, first, kept - 1, 0) == 0) &&
                syscall(SYS_close_range, kept + 1, ~0u, 0) == 0;
    if (!done) {
        struct rlimit files;
        int max = getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 1 << 20 ? (int)files.rlim_cur : 1 << 20;
        for (int fd = CHANNEL_FD + 1; fd < max; fd++) {
            if (fd != keep) close(fd);
        }
    }
    p->active |= SLUICE_PROTECTION_CLOSE_RANGE;
}

static void limit(int resource, rlim_t most) {
    struct rlimit old, new = {most, most};
    if (getrlimit(resource, &old) == 0 && old.rlim_max < most) new.rlim_cur = new.rlim_max = old.rlim_max;
    if (setrlimit(resource, &new) != 0) load_failed(SLUICE_LOAD_RLIMITS, errno, "setrlimit");
}

static void limit_resources(const options_t *options, protections_t *p) {
    signal(SIGXFSZ, SIG_IGN);  // stderr should be a pipe; if it is a file, writes fail instead of killing
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_MEMLOCK, 0);
    limit(RLIMIT_MSGQUEUE, 0);
    limit(RLIMIT_NOFILE, options->files);
    if (options->address_bytes > 0) limit(RLIMIT_AS, options->address_bytes);
    if (options->cpu_seconds > 0) limit(RLIMIT_CPU, options->cpu_seconds);
    p->active |= SLUICE_PROTECTION_RLIMITS;
}

// By the worker itself and before anything of the plugin: what a child's parent wrote could come too late.
static void join_groups(const options_t *options) {
    for (uint32_t i = 0; i < options->group_count; i++) {
        char path[4096];
        int len = snprintf(path, sizeof path, "%s/cgroup.procs", options->groups[i]);
        int fd = len < (int)sizeof path ? open(path, O_WRONLY | O_CLOEXEC) : -1;
        if (fd < 0 || write(fd, "0", 1) != 1) load_failed(SLUICE_LOAD_RLIMITS, errno, options->groups[i]);
        close(fd);
    }
}

// The filters can allow threads or not; who counts them is a control group, or RLIMIT_NPROC, which counts per user:
// its number holds where the user is ours alone, by its own uid or its own user namespace.
static void limit_threads(const options_t *options, protections_t *p) {
    if (options->threads == 0) {
        p->active |= SLUICE_PROTECTION_THREAD_LIMIT;  // clone is refused
        return;
    }
    bool alone = (p->active & (SLUICE_PROTECTION_OWN_UID | SLUICE_PROTECTION_USER_NAMESPACE)) != 0;
    if (!alone && options->threads_counted) {
        p->active |= SLUICE_PROTECTION_THREAD_LIMIT;
        return;
    }
    if (!alone) {
        sandbox_missing(options, p, SLUICE_PROTECTION_THREAD_LIMIT, true, SLUICE_LOAD_RLIMITS, 0);
        return;
    }
    limit(RLIMIT_NPROC, options->threads + 1);
    p->active |= SLUICE_PROTECTION_THREAD_LIMIT;
}

static void enter_filter(filter_t which, const options_t *options, protections_t *p, sluice_protection_t what,
                         sluice_load_step_t step) {
    int error = seccomp_enter(which, options);
    if (error == 0) p->active |= (uint32_t)what;
    else sandbox_missing(options, p, what, true, step, error);
}

void sandbox_enter(const options_t *options, int plugin_fd, protections_t *p) {
    bind_to_parent(options, p);
    close_inherited(plugin_fd, p);
    join_groups(options);
    limit_resources(options, p);
    namespaces_enter(options, p);
    identity_drop(options, p);
    bind_to_parent(options, p);
    limit_threads(options, p);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        load_failed(SLUICE_LOAD_IDENTITY, errno, "PR_SET_NO_NEW_PRIVS");
    }
    p->active |= SLUICE_PROTECTION_NO_NEW_PRIVS;
    landlock_enter(options, plugin_fd, p);
    enter_filter(FILTER_LOAD, options, p, SLUICE_PROTECTION_SECCOMP_LOAD, SLUICE_LOAD_SECCOMP_LOAD);
}

void sandbox_tighten(const options_t *options, protections_t *p) {
    enter_filter(FILTER_RUN, options, p, SLUICE_PROTECTION_SECCOMP_RUN, SLUICE_LOAD_SECCOMP_RUN);
}
