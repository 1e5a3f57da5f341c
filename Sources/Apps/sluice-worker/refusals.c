// What the sandbox refused, told to the host as lines on fd 2:
//
//   sluice-worker: refused call 41 socket
//   sluice-worker: limit threads | files | memory
//   sluice-worker: maybe limit memory
//
// They are words of a process that runs foreign code: good for a report, never for a decision. The refusal itself is the
// kernel's and does not depend on any of this; a plugin that takes the report away (by blocking SIGSYS) is ended by it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trapped.h"
#include "worker.h"

enum { CALLS_KNOWN = 512, TERMINAL_QUESTION = 0x5401 /* TCGETS */ };
static atomic_flag told_calls[CALLS_KNOWN], told_threads = ATOMIC_FLAG_INIT, told_files = ATOMIC_FLAG_INIT, told_memory = ATOMIC_FLAG_INIT;
static uint64_t threads_granted, address_bytes;
typedef int (*create_thread_t)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
static create_thread_t create_thread;

#define NAME(call) {SYS_##call, #call}
static const struct { int number; const char *name; } call_names[] = {
    NAME(openat), NAME(socket), NAME(socketpair), NAME(connect), NAME(bind), NAME(listen), NAME(accept4), NAME(sendto), NAME(sendmsg),
    NAME(recvmsg), NAME(execve), NAME(clone), NAME(kill), NAME(tkill), NAME(tgkill), NAME(rt_sigqueueinfo), NAME(rt_sigaction),
    NAME(ptrace), NAME(prlimit64), NAME(setrlimit), NAME(sched_setaffinity), NAME(sched_setscheduler), NAME(setpriority), NAME(ioprio_set),
    NAME(process_vm_readv), NAME(process_vm_writev), NAME(pidfd_open), NAME(fcntl), NAME(memfd_create), NAME(io_uring_setup),
    NAME(userfaultfd), NAME(perf_event_open), NAME(bpf), NAME(keyctl), NAME(add_key), NAME(unshare), NAME(setns), NAME(mount),
    NAME(shmget), NAME(msgget), NAME(semget), NAME(prctl), NAME(setresuid), NAME(personality), NAME(seccomp), NAME(ioctl), NAME(mmap),
    NAME(mprotect), NAME(newfstatat), NAME(clock_settime), NAME(settimeofday), NAME(adjtimex), NAME(clock_adjtime), NAME(setitimer),
    NAME(timer_create), NAME(timerfd_create), NAME(close), NAME(dup), NAME(dup3), NAME(chdir), NAME(unlinkat), NAME(renameat2),
#ifdef SYS_fork
    NAME(fork), NAME(vfork), NAME(open), NAME(stat), NAME(access), NAME(dup2),
#endif
};

// No stdio: this runs in signal handlers.
static void say(const char *what, const char *detail, const char *name) {
    char line[96] = "sluice-worker: ";
    const char *parts[] = {what, detail, name[0] != '\0' ? " " : "", name, "\n"};
    size_t used = strlen(line);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t len = strnlen(parts[i], sizeof line - used);
        memcpy(line + used, parts[i], len);
        used += len;
    }
    // Not write(): that is a point at which a thread may be cancelled, and malloc() is none.
    if (syscall(SYS_write, STDERR_FILENO, line, used) < 0) return;  // nobody listens
}

static void tell_call(int number) {
    if (number < 0 || number >= CALLS_KNOWN || atomic_flag_test_and_set(&told_calls[number])) return;
    char digits[12];
    int at = sizeof digits - 1;
    digits[at] = '\0';
    for (int rest = number; at > 0; rest /= 10) {
        digits[--at] = (char)('0' + rest % 10);
        if (rest < 10) break;
    }
    const char *name = "";
    for (size_t i = 0; i < sizeof call_names / sizeof *call_names; i++) {
        if (call_names[i].number == number) name = call_names[i].name;
    }
    say("refused call ", digits + at, name);
}

// The filter traps what it refuses: told of here.
static void on_refused(int signal_number, siginfo_t *info, void *context) {
    (void)signal_number;
    int saved = errno;
    trapped_t call = trapped_call(info, context);
    // Every C runtime asks whether a stream is a terminal, and does without an answer.
    bool asks_for_terminal = call.number == SYS_ioctl && call.arguments[1] == TERMINAL_QUESTION;
    if (trapped_refuse(&call, context) && !asks_for_terminal) tell_call((int)call.number);
    errno = saved;
}

void refusals_begin(const options_t *options) {
    threads_granted = options->threads;
    address_bytes = options->address_bytes;
    *(void **)&create_thread = dlsym(RTLD_NEXT, "pthread_create");
    struct sigaction action = {.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
    if ((options->checking & CHECK_SYSCALLS) == 0) sigaction(SIGSYS, &action, NULL);
}

static bool has_address_space(size_t len) {
    void *found = (void *)syscall(SYS_mmap, NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (found != MAP_FAILED) syscall(SYS_munmap, found, len);
    return found != MAP_FAILED;
}

// A thread's stack that there is no address space for looks as a thread too many does.
static bool has_stack(const pthread_attr_t *attributes) {
    pthread_attr_t defaults;
    size_t bytes = 0;
    if (attributes != NULL) return pthread_attr_getstacksize(attributes, &bytes) != 0 || has_address_space(bytes);
    if (pthread_getattr_default_np(&defaults) != 0) return true;
    pthread_attr_getstacksize(&defaults, &bytes);
    pthread_attr_destroy(&defaults);
    return has_address_space(bytes);
}

// Plugins' threads come through here, because the program's symbols go before a library's: the C library blocks all
// signals while it asks for a thread, so that a refused one could not be told of. Who asks the kernel itself is trapped.
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
    int error = threads_granted == 0 || create_thread == NULL ? EAGAIN : create_thread(thread, attributes, run, argument);
    if (error == EAGAIN && threads_granted > 0 && !has_stack(attributes)) memory_refused();
    else if (error != 0 && !atomic_flag_test_and_set(&told_threads)) say("limit threads", "", "");
    return error;
}

// What opens files while a plugin runs, in the same way: with threads granted it may make these, up to its limit.
static int told_of(int fd) {
    int saved = errno;
    if (fd < 0 && saved == EMFILE && !atomic_flag_test_and_set(&told_files)) say("limit files", "", "");
    errno = saved;
    return fd;
}

int eventfd(unsigned int count, int flags) { return told_of((int)syscall(SYS_eventfd2, count, flags)); }

int epoll_create1(int flags) { return told_of((int)syscall(SYS_epoll_create1, flags)); }

int epoll_create(int size) {
    if (size > 0) return epoll_create1(0);
    errno = EINVAL;
    return -1;
}

void memory_refused(void) {
    int saved = errno;
    if (address_bytes > 0 && !atomic_flag_test_and_set(&told_memory)) say("limit memory", "", "");
    errno = saved;
}

// Too little is left of its address space for a quarter of it in one piece. What it died of may have begun with memory that
// it did not get; a plugin that uses much and dies of something else looks the same, so the host is told "maybe".
static void on_death(int signal_number) {
    if (address_bytes > 0 && !has_address_space(address_bytes / 4)) say("maybe limit memory", "", "");
    signal(signal_number, SIG_DFL);
    raise(signal_number);  // delivered when this returns: the host sees the death that it was
}

void deaths_watch(const int *signals, size_t count) {
    struct sigaction action = {.sa_handler = on_death, .sa_flags = SA_ONSTACK};
    for (size_t i = 0; i < count; i++) sigaction(signals[i], &action, NULL);
}
