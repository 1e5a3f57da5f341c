// The machine's clock as plugins see it. Time comes from clock_now() alone (ABI-5.9), and no filter can hold a plugin to that:
// the C library reads the clock in its own memory, without a system call. So its functions come through here, because the
// program's symbols go before a library's. They say what the C library's own say, except for the conformance kit, which has
// the real time set back in one of two runs that must be equal (`--real-time-back`). A host never asks for it.
//
// Back, never ahead: who waits until a real time (pthread_cond_timedwait) goes on at once instead of after weeks. Monotonic
// and processor clocks stay as they are: the worker's own deadlines and the waits of languages' runtimes are measured by them.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "worker.h"

enum { MS_PER_S = 1000, NS_PER_MS = 1000000, NS_PER_S = 1000000000, NS_PER_US = 1000 };
typedef int (*read_clock_t)(clockid_t, struct timespec *);
typedef int (*read_base_t)(struct timespec *, int);
static read_clock_t read_clock;
static read_base_t read_base;
static uint64_t back_ms;

void clocks_begin(const options_t *options) {
    *(void **)&read_clock = dlsym(RTLD_NEXT, "clock_gettime");
    *(void **)&read_base = dlsym(RTLD_NEXT, "timespec_get");
    back_ms = options->real_time_back_ms;
}

static void set_back(struct timespec *now) {
    now->tv_sec -= (time_t)(back_ms / MS_PER_S);
    now->tv_nsec -= (long)(back_ms % MS_PER_S) * NS_PER_MS;
    if (now->tv_nsec >= 0) return;
    now->tv_nsec += NS_PER_S;
    now->tv_sec -= 1;
}

static bool is_real(clockid_t clock) {
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_REALTIME_ALARM || clock == CLOCK_TAI;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int answer = read_clock != NULL ? read_clock(clock, now) : (int)syscall(SYS_clock_gettime, clock, now);
    if (answer == 0 && is_real(clock)) set_back(now);
    return answer;
}

// From the coarse clock, as the C library does it.
time_t time(time_t *at) {
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (at != NULL) *at = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    if (zone != NULL) *(struct timezone *)zone = (struct timezone){0, 0};
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
    *at = (struct timeval){now.tv_sec, now.tv_nsec / NS_PER_US};
    return 0;
}

int timespec_get(struct timespec *now, int base) {
    int answer = read_base != NULL ? read_base(now, base) : 0;
    if (answer == TIME_UTC) set_back(now);
    return answer;
}
