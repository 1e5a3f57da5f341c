// Landlock: the only files are the system's libraries and the plugin, to read and to map executable.
// The numbers are the kernel's, stated here because distributions ship older headers than kernels.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker.h"

enum { ACCESS_EXECUTE = 1 << 0, ACCESS_READ_FILE = 1 << 2, RULE_PATH_BENEATH = 1, VERSION_FLAG = 1 };

typedef struct ruleset {
    uint64_t handled_fs;
    uint64_t handled_net;  // since ABI 4
    uint64_t scoped;       // since ABI 6
} ruleset_t;

typedef struct path_rule {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed)) path_rule_t;

uint32_t landlock_abi(void) {
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION_FLAG);
    return abi > 0 ? (uint32_t)abi : 0;
}

// Everything this kernel can refuse is handled, so that what is not allowed below is refused.
static ruleset_t ruleset_for(uint32_t abi, size_t *size) {
    ruleset_t rules = {(UINT64_C(1) << 13) - 1, 0, 0};
    *size = sizeof rules.handled_fs;
    if (abi >= 2) rules.handled_fs |= 1 << 13;  // rename between directories
    if (abi >= 3) rules.handled_fs |= 1 << 14;  // truncate
    if (abi >= 5) rules.handled_fs |= 1 << 15;  // ioctl on devices
    if (abi >= 4) rules.handled_net = 3, *size = 16;  // TCP bind and connect
    if (abi >= 6) rules.scoped = 3, *size = 24;       // abstract Unix sockets and signals
    return rules;
}

static bool allow_fd(int ruleset, int fd) {
    path_rule_t rule = {ACCESS_EXECUTE | ACCESS_READ_FILE, fd};
    return syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) == 0;
}

static bool allow_path(int ruleset, const char *path) {
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0) return false;
    bool allowed = allow_fd(ruleset, fd);
    int error = errno;
    close(fd);
    errno = error;
    return allowed;
}

static void allow_all(int ruleset, const options_t *options, int plugin_fd) {
    static const char *const system_paths[] = {"/usr/lib", "/lib", "/lib64", "/usr/lib64", "/etc/ld.so.cache"};
    for (size_t i = 0; i < sizeof system_paths / sizeof *system_paths; i++) {
        allow_path(ruleset, system_paths[i]);  // not every system has all of them
    }
    for (uint32_t i = 0; i < options->allow_read_count; i++) {
        if (!allow_path(ruleset, options->allow_read[i])) {
            load_failed(SLUICE_LOAD_LANDLOCK, errno, options->allow_read[i]);
        }
    }
    if (!allow_fd(ruleset, plugin_fd)) load_failed(SLUICE_LOAD_LANDLOCK, errno, "the plugin's file");
}

// A second layer: seccomp already refuses sockets and kill(). Older kernels lack it, so it is reported only.
static void note_layer(const options_t *options, protections_t *p, bool has, sluice_protection_t what) {
    if (has) p->active |= (uint32_t)what;
    else sandbox_missing(options, p, what, false, SLUICE_LOAD_LANDLOCK, 0);
}

void landlock_enter(const options_t *options, int plugin_fd, protections_t *p) {
    p->landlock_abi = landlock_abi();
    note_layer(options, p, p->landlock_abi >= 4, SLUICE_PROTECTION_LANDLOCK_NETWORK);
    note_layer(options, p, p->landlock_abi >= 6, SLUICE_PROTECTION_LANDLOCK_SCOPE);
    if (p->landlock_abi == 0) {
        sandbox_missing(options, p, SLUICE_PROTECTION_LANDLOCK_FILES, true, SLUICE_LOAD_LANDLOCK, ENOSYS);
        return;
    }
    size_t size = 0;
    ruleset_t rules = ruleset_for(p->landlock_abi, &size);
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
    if (ruleset < 0) load_failed(SLUICE_LOAD_LANDLOCK, errno, "landlock_create_ruleset");
    allow_all(ruleset, options, plugin_fd);
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
        load_failed(SLUICE_LOAD_LANDLOCK, errno, "landlock_restrict_self");
    }
    close(ruleset);
    p->active |= SLUICE_PROTECTION_LANDLOCK_FILES;
}
