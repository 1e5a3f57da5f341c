// Memory that a plugin asked for and did not get, told to the host as a limit that was reached.
//
// A limit on the address space refuses without a word: an allocation fails and the plugin goes on with less, or dies of it
// later and elsewhere. Plugins' allocations come through here, because the program's symbols go before a library's, and the C
// library's own do the work. Who asks the kernel for memory itself is refused all the same, and not told of.
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker.h"

#if defined(__GLIBC__)
extern void *__libc_malloc(size_t len);
extern void *__libc_calloc(size_t count, size_t len);
extern void *__libc_realloc(void *old, size_t len);
extern void *__libc_memalign(size_t alignment, size_t len);

// A block of no length may be NULL and is no refusal; an alignment that is none has an error of its own.
static void *told_of(void *block, size_t len) {
    if (block == NULL && len > 0 && errno == ENOMEM) memory_refused();
    return block;
}

void *malloc(size_t len) { return told_of(__libc_malloc(len), len); }

void *calloc(size_t count, size_t len) { return told_of(__libc_calloc(count, len), count > 0 ? len : 0); }

void *realloc(void *old, size_t len) { return told_of(__libc_realloc(old, len), len); }

void *aligned_alloc(size_t alignment, size_t len) { return told_of(__libc_memalign(alignment, len), len); }

void *memalign(size_t alignment, size_t len) { return told_of(__libc_memalign(alignment, len), len); }

int posix_memalign(void **block, size_t alignment, size_t len) {
    if (alignment % sizeof(void *) != 0 || alignment == 0 || (alignment & (alignment - 1)) != 0) return EINVAL;
    int saved = errno;
    void *found = told_of(__libc_memalign(alignment, len), len);
    errno = saved;
    if (found == NULL) return ENOMEM;
    *block = found;
    return 0;
}
#endif

void *mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset) {
    void *found = (void *)syscall(SYS_mmap, at, len, protection, flags, fd, offset);
    if (found == MAP_FAILED && errno == ENOMEM) memory_refused();
    return found;
}

void *mremap(void *old, size_t old_len, size_t len, int flags, ...) {
    void *to = NULL;
    if ((flags & MREMAP_FIXED) != 0) {
        va_list rest;
        va_start(rest, flags);
        to = va_arg(rest, void *);
        va_end(rest);
    }
    void *found = (void *)syscall(SYS_mremap, old, old_len, len, flags, to);
    // Who does not let it move asks on purpose whether there is room, and has another way.
    if (found == MAP_FAILED && errno == ENOMEM && (flags & MREMAP_MAYMOVE) != 0) memory_refused();
    return found;
}

void *mmap64(void *at, size_t len, int protection, int flags, int fd, off64_t offset) {
    return mmap(at, len, protection, flags, fd, offset);
}
