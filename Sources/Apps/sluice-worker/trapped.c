// A system call that a filter has trapped: what it asked for, and what it gets.
//
// Files that are opened while a plugin is loaded pass through here. Landlock alone would refuse them without a word, so the
// filter lets a file be opened from one place only, below, and traps whoever asks from elsewhere: the handler asks instead, and
// tells. Who jumps to that place is not told of, and reaches no more than anybody: what may be opened is Landlock's to say.
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "trapped.h"

// Answers as the kernel does: a descriptor, or the error's number below zero.
long opening_ask(long folder, long path, long flags, long mode) __attribute__((visibility("hidden")));

#if defined(__x86_64__)
__asm__(".text\n"
        ".globl opening_ask\n.hidden opening_ask\n.type opening_ask, @function\n"
        "opening_ask:\n"
        "    mov %rcx, %r10\n"
        "    mov $257, %eax\n"
        "    syscall\n"
        ".globl opening_place\n.hidden opening_place\n"
        "opening_place:\n"
        "    ret\n"
        ".size opening_ask, . - opening_ask\n");
_Static_assert(SYS_openat == 257, "the number above");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl opening_ask\n.hidden opening_ask\n.type opening_ask, %function\n"
        "opening_ask:\n"
        "    mov x8, #56\n"
        "    svc #0\n"
        ".globl opening_place\n.hidden opening_place\n"
        "opening_place:\n"
        "    ret\n"
        ".size opening_ask, . - opening_ask\n");
_Static_assert(SYS_openat == 56, "the number above");
#endif

// C and Swift runtimes look there, for the bounds of the first stack or for the program's arguments, and do without.
static const char own_map[] = "/proc/self/maps";
static volatile bool is_loading;

void opening_allow(bool allowed) { is_loading = allowed; }

trapped_t trapped_call(const siginfo_t *info, const void *context) {
    const ucontext_t *at = context;
#if defined(__x86_64__)
    const greg_t *r = at->uc_mcontext.gregs;
    return (trapped_t){info->si_syscall, {r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10]}};
#elif defined(__aarch64__)
    const unsigned long long *r = at->uc_mcontext.regs;
    return (trapped_t){info->si_syscall, {(long)r[0], (long)r[1], (long)r[2], (long)r[3]}};
#endif
}

bool trapped_refuse(const trapped_t *call, void *context) {
    long answer = -EPERM;
    bool opens = is_loading && call->number == SYS_openat && (call->arguments[2] & OPEN_FLAGS_REFUSED) == 0;
    if (opens) answer = opening_ask(call->arguments[0], call->arguments[1], call->arguments[2], call->arguments[3]);
    ucontext_t *at = context;
#if defined(__x86_64__)
    at->uc_mcontext.gregs[REG_RAX] = answer;
#elif defined(__aarch64__)
    at->uc_mcontext.regs[0] = (unsigned long long)answer;
#endif
    // The kernel has read the path, so it can be read.
    return !opens || (answer == -EACCES && strcmp((const char *)call->arguments[1], own_map) != 0);
}
