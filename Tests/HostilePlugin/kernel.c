// Forbidden requests to the kernel. Raw system calls, so that no library refuses before the sandbox does.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile.h"

#define ATTEMPT(call) ((call) < 0 ? errno : 0)
#define NAMED(name, call) static int name(void) { return ATTEMPT(call); }

static pid_t parent(void) { return (pid_t)syscall(SYS_getppid); }

NAMED(open_etc_passwd, syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY))
NAMED(open_proc_maps, syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY))
NAMED(open_library, syscall(SYS_openat, AT_FDCWD, "/etc/ld.so.cache", O_RDONLY))
NAMED(create_file, syscall(SYS_openat, AT_FDCWD, "/tmp/hostile", O_WRONLY | O_CREAT, 0600))
NAMED(stat_etc_passwd, syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", (char[256]){0}, 0))
NAMED(socket_inet, syscall(SYS_socket, AF_INET, SOCK_STREAM, 0))
NAMED(socket_unix, syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0))
NAMED(socket_pair, syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, (int[2]){0}))
NAMED(connect_channel, syscall(SYS_connect, 3, &(struct sockaddr){.sa_family = AF_UNIX}, sizeof(struct sockaddr)))
NAMED(exec, syscall(SYS_execve, "/bin/true", (char *[]){"true", NULL}, (char *[]){NULL}))
NAMED(kill_parent, syscall(SYS_kill, parent(), SIGKILL))
NAMED(kill_everyone, syscall(SYS_kill, -1, SIGCONT))
NAMED(tgkill_parent, syscall(SYS_tgkill, parent(), parent(), SIGKILL))
NAMED(tkill_parent, syscall(SYS_tkill, parent(), SIGKILL))
NAMED(queue_parent, syscall(SYS_rt_sigqueueinfo, parent(), SIGKILL, &(siginfo_t){0}))
NAMED(ptrace_parent, syscall(SYS_ptrace, PTRACE_ATTACH, parent(), 0, 0))
NAMED(prlimit_parent, syscall(SYS_prlimit64, parent(), RLIMIT_NOFILE, &(struct rlimit){3, 3}, NULL))
NAMED(prlimit_parent_read, syscall(SYS_prlimit64, parent(), RLIMIT_NOFILE, NULL, &(struct rlimit){0, 0}))
NAMED(prlimit_self_write, syscall(SYS_prlimit64, 0, RLIMIT_CORE, &(struct rlimit){0, 0}, NULL))
NAMED(affinity_parent, syscall(SYS_sched_setaffinity, parent(), 8, (unsigned long[]){1}))
NAMED(scheduler_parent, syscall(SYS_sched_setscheduler, parent(), SCHED_IDLE, &(struct sched_param){0}))
NAMED(priority_parent, syscall(SYS_setpriority, PRIO_PROCESS, parent(), 19))
NAMED(ioprio_parent, syscall(SYS_ioprio_set, 1, parent(), IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0)))
NAMED(read_parent_memory, syscall(SYS_process_vm_readv, parent(), NULL, 0, NULL, 0, 0))
NAMED(pidfd_parent, syscall(SYS_pidfd_open, parent(), 0))
NAMED(own_channel, syscall(SYS_fcntl, 3, F_SETOWN, parent()))
NAMED(channel_signal, syscall(SYS_fcntl, 3, F_SETSIG, SIGKILL))
NAMED(send_fd, syscall(SYS_sendmsg, 3, &(struct msghdr){0}, 0))
NAMED(receive_fd, syscall(SYS_recvmsg, 3, &(struct msghdr){0}, MSG_DONTWAIT))
NAMED(memfd, syscall(SYS_memfd_create, "x", 0))
NAMED(io_uring, syscall(SYS_io_uring_setup, 1, (char[256]){0}))
NAMED(userfault, syscall(SYS_userfaultfd, 0))
NAMED(perf, syscall(SYS_perf_event_open, (char[256]){0}, 0, -1, -1, 0))
NAMED(load_bpf, syscall(SYS_bpf, 5, (char[256]){0}, 128))
NAMED(kernel_keys, syscall(SYS_keyctl, 0, -1, 0))
NAMED(unshare_user, syscall(SYS_unshare, CLONE_NEWUSER))
NAMED(set_namespace, syscall(SYS_setns, 3, 0))
NAMED(mount_tmp, syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL))
NAMED(shared_memory, syscall(SYS_shmget, 1, 4096, 01600))
NAMED(message_queue, syscall(SYS_msgget, 1, 01600))
NAMED(semaphores, syscall(SYS_semget, 1, 1, 01600))
NAMED(dumpable, syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0))
NAMED(outlive_parent, syscall(SYS_prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0))
NAMED(become_root, syscall(SYS_setresuid, 0, 0, 0))
NAMED(personality, syscall(SYS_personality, 0x0040000))
NAMED(another_filter, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL))
NAMED(device_control, syscall(SYS_ioctl, 3, 0x8901 /* FIOSETOWN */, &(int){1}))
NAMED(clone_modern, syscall(SYS_clone3, (char[256]){0}, 88))

// Of which a plugin cannot know the pid: every one near its own but itself and its parent.
static int neighbours(long (*attempt)(pid_t)) {
    pid_t self = (pid_t)syscall(SYS_getpid);
    for (pid_t pid = self > 64 ? self - 64 : 1; pid < self + 64; pid++) {
        if (pid != self && pid != parent() && attempt(pid) >= 0) return 0;
    }
    return errno;
}
static long end_one(pid_t pid) { return syscall(SYS_kill, pid, SIGKILL); }
static long end_thread(pid_t pid) { return syscall(SYS_tgkill, pid, pid, SIGKILL); }
static long starve_one(pid_t pid) { return syscall(SYS_prlimit64, pid, RLIMIT_NOFILE, &(struct rlimit){3, 3}, NULL); }
static long slow_one(pid_t pid) { return syscall(SYS_setpriority, PRIO_PROCESS, pid, 19); }
static long pin_one(pid_t pid) { return syscall(SYS_sched_setaffinity, pid, 8, (unsigned long[]){1}); }
static long trace_one(pid_t pid) { return syscall(SYS_ptrace, PTRACE_ATTACH, pid, 0, 0); }
static int kill_neighbours(void) { return neighbours(end_one); }
static int tgkill_neighbours(void) { return neighbours(end_thread); }
static int limit_neighbours(void) { return neighbours(starve_one); }
static int slow_neighbours(void) { return neighbours(slow_one); }
static int pin_neighbours(void) { return neighbours(pin_one); }
static int trace_neighbours(void) { return neighbours(trace_one); }

// A whole message with a descriptor in it, each way.
static int pass_fd(int receive) {
    union { struct cmsghdr head; char bytes[CMSG_SPACE(sizeof(int))]; } control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    char byte = 0;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    memcpy(CMSG_DATA(&control.head), &(int){2}, sizeof(int));
    return ATTEMPT(syscall(receive ? SYS_recvmsg : SYS_sendmsg, 3, &message, receive ? MSG_DONTWAIT : 0));
}
static int pass_fd_out(void) { return pass_fd(0); }
static int pass_fd_in(void) { return pass_fd(1); }
NAMED(copy_fd, syscall(SYS_dup, 3))
NAMED(replace_fd, syscall(SYS_dup3, 3, 2, 0))
NAMED(close_errors, syscall(SYS_close, 2))
NAMED(set_clock, syscall(SYS_clock_settime, CLOCK_REALTIME, &(struct timespec){0, 0}))
NAMED(set_time, syscall(SYS_settimeofday, &(struct timespec){0, 0}, NULL))
NAMED(bend_clock, syscall(SYS_adjtimex, (char[256]){1}))
NAMED(alarm_clock, syscall(SYS_setitimer, ITIMER_REAL, &(struct itimerval){{0, 1}, {0, 1}}, NULL))
NAMED(timer, syscall(SYS_timer_create, CLOCK_REALTIME, NULL, &(int){0}))
NAMED(alarm_host, syscall(SYS_timer_create, CLOCK_REALTIME, &(struct sigevent){.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL}, &(int){0}))
NAMED(hide_refusals, syscall(SYS_rt_sigaction, SIGSYS, (char[64]){0}, NULL, 8))

static int forked(long child) {
    if (child == 0) _exit(0);
    return child < 0 ? errno : 0;
}
static int fork_child(void) { return forked(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)); }
static int clone_parent(void) { return forked(syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0)); }
// As many as it gets; 0 when one was born.
static int fork_bomb(void) {
    int born = 0, error = 0;
    for (int i = 0; i < 1000; i++) {
        long child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        if (child == 0) for (;;) syscall(SYS_sched_yield);
        if (child < 0) error = errno;
        else born++;
    }
    return born > 0 ? 0 : error;
}
#ifdef SYS_fork
static int old_fork(void) { return forked(syscall(SYS_fork)); }
NAMED(old_open, syscall(SYS_open, "/etc/passwd", O_RDONLY))
NAMED(old_stat, syscall(SYS_stat, "/etc/passwd", (char[256]){0}))
#endif

static int map_write_exec(void) {
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? errno : 0;
}
static int make_executable(void) {
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? errno : ATTEMPT(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}
static int load_library(void) {
    static int loaded;  // a library that is loaded already is no attempt
    return dlopen(loaded++ == 0 ? "libm.so.6" : "libresolv.so.2", RTLD_NOW) == NULL ? EPERM : 0;
}
static void *nothing(void *p) { return p; }
static int thread(void) {
    pthread_t t;
    int error = pthread_create(&t, NULL, nothing, NULL);
    if (error == 0) pthread_join(t, NULL);
    return error;
}

const kernel_attack_t kernel_attacks[] = {
    {"open_etc_passwd", open_etc_passwd}, {"open_proc_maps", open_proc_maps}, {"open_library", open_library},
    {"create_file", create_file}, {"stat_etc_passwd", stat_etc_passwd}, {"socket", socket_inet},
    {"socket_unix", socket_unix}, {"socket_pair", socket_pair}, {"connect_channel", connect_channel},
    {"fork", fork_child}, {"clone_parent", clone_parent}, {"exec", exec}, {"kill_parent", kill_parent},
    {"kill_everyone", kill_everyone}, {"tgkill_parent", tgkill_parent}, {"tkill_parent", tkill_parent},
    {"queue_parent", queue_parent}, {"ptrace_parent", ptrace_parent}, {"prlimit_parent", prlimit_parent},
    {"prlimit_parent_read", prlimit_parent_read}, {"prlimit_self_write", prlimit_self_write},
    {"affinity_parent", affinity_parent}, {"scheduler_parent", scheduler_parent},
    {"priority_parent", priority_parent}, {"ioprio_parent", ioprio_parent},
    {"read_parent_memory", read_parent_memory}, {"pidfd_parent", pidfd_parent}, {"own_channel", own_channel},
    {"channel_signal", channel_signal}, {"send_fd", send_fd}, {"receive_fd", receive_fd}, {"memfd", memfd},
    {"io_uring", io_uring}, {"userfault", userfault}, {"perf", perf}, {"bpf", load_bpf},
    {"kernel_keys", kernel_keys}, {"unshare", unshare_user}, {"set_namespace", set_namespace},
    {"mount", mount_tmp}, {"shared_memory", shared_memory}, {"message_queue", message_queue},
    {"semaphores", semaphores}, {"dumpable", dumpable}, {"outlive_parent", outlive_parent},
    {"become_root", become_root}, {"personality", personality}, {"another_filter", another_filter},
    {"kill_neighbours", kill_neighbours}, {"tgkill_neighbours", tgkill_neighbours}, {"limit_neighbours", limit_neighbours},
    {"slow_neighbours", slow_neighbours}, {"pin_neighbours", pin_neighbours}, {"trace_neighbours", trace_neighbours},
    {"pass_fd_out", pass_fd_out}, {"pass_fd_in", pass_fd_in}, {"copy_fd", copy_fd}, {"replace_fd", replace_fd},
    {"close_errors", close_errors}, {"set_clock", set_clock}, {"set_time", set_time}, {"bend_clock", bend_clock},
    {"alarm_clock", alarm_clock}, {"timer", timer}, {"alarm_host", alarm_host}, {"hide_refusals", hide_refusals},
    {"fork_bomb", fork_bomb},
    {"device_control", device_control}, {"clone3", clone_modern}, {"mmap_rwx", map_write_exec},
    {"mprotect_exec", make_executable}, {"dlopen_late", load_library}, {"thread", thread},
#ifdef SYS_fork
    {"old_fork", old_fork}, {"old_open", old_open}, {"old_stat", old_stat},
#endif
    {NULL, NULL},
};

int kernel_attack_run(const char *name, int *error_number) {
    for (const kernel_attack_t *a = kernel_attacks; a->name != NULL; a++) {
        if (strcmp(a->name, name) != 0) continue;
        *error_number = a->run();
        return 1;
    }
    return 0;
}
