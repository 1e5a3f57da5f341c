// The two filters, as raw BPF. Their lists are generated from sandbox/profiles/*.txt; the program is
// built here because our own pid is part of it.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trapped.h"
#include "worker.h"

typedef enum rule {
    RULE_ALLOW,
    RULE_ABSENT,         // answers ENOSYS
    RULE_SELF,           // argument 0, a pid, is 0 or ours
    RULE_SELF_READ,      // prlimit64: and argument 2, the new limit, is NULL
    RULE_NO_EXEC,        // argument 2 has no PROT_EXEC
    RULE_NO_WRITE_EXEC,  // argument 2 has not both PROT_WRITE and PROT_EXEC
    RULE_READ_BY_HAND,   // openat: argument 2 opens for reading, creates nothing; asked from trapped.c's one place
    RULE_FD_ONLY,        // newfstatat: argument 3 is AT_EMPTY_PATH
    RULE_GET_FLAGS,      // fcntl: argument 1 is F_GETFD or F_GETFL
    RULE_NOT_SIGSYS,     // rt_sigaction: argument 0 is another signal
    RULE_NOT_ERRORS,     // close: argument 0 is not fd 2
    RULE_FILTER,         // seccomp: adds a filter, without flags
    RULE_THREAD,         // clone: exactly what pthread_create asks for, and threads are granted
    RULE_WITH_THREADS    // allowed when threads are granted
} rule_t;

typedef struct profile_row {
    uint32_t number;
    rule_t rule;
} profile_row_t;

#include "profile_load.h"
#include "profile_run.h"

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#error "state this processor's AUDIT_ARCH and check its system call table"
#endif

enum {
    PROGRAM_MAX = 1024,
    X32_BIT = 0x40000000,
    THREAD_FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SIGHAND | CLONE_THREAD | CLONE_SETTLS |
                   CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
    DETACHED_FLAG = 0x00400000,  // ignored by the kernel, set by musl
    EMPTY_PATH = 0x1000
};

// Told of (refusals.c; for the kit, checking.c), and answered by trapped.c. Where nobody handles SIGSYS, it ends the worker.
static const uint32_t refused = SECCOMP_RET_TRAP;

typedef struct program {
    struct sock_filter code[PROGRAM_MAX];
    unsigned short len;
} program_t;

static void put(program_t *p, uint16_t code, uint32_t k, uint8_t yes, uint8_t no) {
    if (p->len < PROGRAM_MAX) p->code[p->len++] = (struct sock_filter){code, yes, no, k};
}

static void answer(program_t *p, uint32_t what) { put(p, BPF_RET | BPF_K, what, 0, 0); }

// Loads the low half of an argument. Pids, flags and protections are 32 bits wide to the kernel.
static void load_argument(program_t *p, unsigned index, unsigned half) {
    put(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offsetof(struct seccomp_data, args) + 8 * index + 4 * half), 0, 0);
}

// Loads half of the address behind the instruction that asks.
static void load_place(program_t *p, unsigned half) {
    put(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offsetof(struct seccomp_data, instruction_pointer) + 4 * half), 0, 0);
}

// Each of these refuses unless its condition holds, and goes on to the next instruction if it does.
static void require_equal(program_t *p, uint32_t value) {
    put(p, BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0);
    answer(p, refused);
}

static void require_either(program_t *p, uint32_t one, uint32_t other) {
    put(p, BPF_JMP | BPF_JEQ | BPF_K, one, 2, 0);
    put(p, BPF_JMP | BPF_JEQ | BPF_K, other, 1, 0);
    answer(p, refused);
}

static void require_other(program_t *p, uint32_t value) {
    put(p, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
    answer(p, refused);
}

static void require_none_of(program_t *p, uint32_t bits) {
    put(p, BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
    answer(p, refused);
}

static void put_conditions(program_t *p, rule_t rule, uint32_t self) {
    switch (rule) {
    case RULE_ALLOW: case RULE_WITH_THREADS: case RULE_ABSENT: return;
    case RULE_SELF: load_argument(p, 0, 0); require_either(p, 0, self); return;
    case RULE_SELF_READ:
        load_argument(p, 0, 0); require_either(p, 0, self);
        load_argument(p, 2, 0); require_equal(p, 0);
        load_argument(p, 2, 1); require_equal(p, 0);
        return;
    case RULE_NO_EXEC: load_argument(p, 2, 0); require_none_of(p, PROT_EXEC); return;
    case RULE_NO_WRITE_EXEC:
        load_argument(p, 2, 0);
        put(p, BPF_ALU | BPF_AND | BPF_K, PROT_WRITE | PROT_EXEC, 0, 0);
        put(p, BPF_JMP | BPF_JEQ | BPF_K, PROT_WRITE | PROT_EXEC, 0, 1);
        answer(p, refused);
        return;
    case RULE_READ_BY_HAND:
        load_argument(p, 2, 0); require_none_of(p, OPEN_FLAGS_REFUSED);
        load_place(p, 0); require_equal(p, (uint32_t)(uintptr_t)opening_place);
        load_place(p, 1); require_equal(p, (uint32_t)((uintptr_t)opening_place >> 32));
        return;
    case RULE_FD_ONLY: load_argument(p, 3, 0); require_equal(p, EMPTY_PATH); return;
    case RULE_GET_FLAGS: load_argument(p, 1, 0); require_either(p, F_GETFD, F_GETFL); return;
    case RULE_NOT_SIGSYS: load_argument(p, 0, 0); require_other(p, SIGSYS); return;
    case RULE_NOT_ERRORS: load_argument(p, 0, 0); require_other(p, STDERR_FILENO); return;
    case RULE_FILTER:
        load_argument(p, 0, 0); require_equal(p, SECCOMP_SET_MODE_FILTER);
        load_argument(p, 1, 0); require_equal(p, 0);
        return;
    case RULE_THREAD:
        load_argument(p, 0, 0);
        put(p, BPF_ALU | BPF_AND | BPF_K, ~(uint32_t)DETACHED_FLAG, 0, 0);
        require_equal(p, THREAD_FLAGS);
        return;
    }
}

static void put_row(program_t *p, const profile_row_t *row, bool threads, uint32_t self) {
    bool needs_threads = row->rule == RULE_THREAD || row->rule == RULE_WITH_THREADS;
    if (needs_threads && !threads) return;  // falls to the refusal at the end
    unsigned short jump = p->len;
    put(p, BPF_JMP | BPF_JEQ | BPF_K, row->number, 0, 0);
    put_conditions(p, row->rule, self);
    answer(p, row->rule == RULE_ABSENT ? (uint32_t)(SECCOMP_RET_ERRNO | ENOSYS) : (uint32_t)SECCOMP_RET_ALLOW);
    if (p->len < PROGRAM_MAX) p->code[jump].jf = (uint8_t)(p->len - jump - 1);
}

static void build(program_t *p, const profile_row_t *rows, size_t count, bool threads) {
    p->len = 0;
    put(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    put(p, BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0);
    answer(p, SECCOMP_RET_KILL_PROCESS);
    put(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
#if defined(__x86_64__)
    put(p, BPF_JMP | BPF_JSET | BPF_K, X32_BIT, 0, 1);
    answer(p, SECCOMP_RET_KILL_PROCESS);
#endif
    for (size_t i = 0; i < count; i++) put_row(p, &rows[i], threads, (uint32_t)getpid());
    answer(p, refused);
}

bool seccomp_available(void) {
    uint32_t action = SECCOMP_RET_KILL_PROCESS;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

int seccomp_enter(filter_t which, const options_t *options) {
    static program_t program;
    bool threads = options->threads > 0;
    if (which == FILTER_LOAD) build(&program, profile_load, sizeof profile_load / sizeof *profile_load, threads);
    else build(&program, profile_run, sizeof profile_run / sizeof *profile_run, threads);
    if (program.len == PROGRAM_MAX) return E2BIG;
    opening_allow(which == FILTER_LOAD);
    struct sock_fprog installed = {program.len, program.code};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &installed) == 0 ? 0 : errno;
}
