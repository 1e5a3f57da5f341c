// Libraries that must not load, one per -DBROKEN_... (worker.mk builds all of them); those that READ load, and look around first.
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sluice/sluice.h"

#if defined(BROKEN_NOTE_MAGIC) || defined(BROKEN_NOTE_MAJOR)
#ifdef BROKEN_NOTE_MAGIC
#define WORDS ".long 0x12345678\n.short 1, 0\n"
#else
#define WORDS ".long 0x31434C53\n.short 9, 4\n"
#endif
__asm__(".pushsection .note.sluice,\"a\",%note\n.balign 4\n.long 7, 8, 1\n.asciz \"Sluice\"\n.balign 4\n" WORDS ".popsection\n");
#elif !defined(BROKEN_NOTE_MISSING)
SLUICE_PLUGIN_NOTE
#endif

static volatile int never;

__attribute__((constructor)) static void construct(void) {
#if defined(BROKEN_CONSTRUCTOR_CRASH)
    *(volatile int *)(uintptr_t)(8 + never) = 1;
#elif defined(BROKEN_CONSTRUCTOR_ABORT)
    abort();
#elif defined(BROKEN_CONSTRUCTOR_EXIT)
    exit(0);
#elif defined(BROKEN_CONSTRUCTOR_HANG)
    for (;;) never = 0;
#elif defined(BROKEN_CONSTRUCTOR_READ)
    // One that is there and one that is not; what it may open is opened as ever.
    if (open("/etc/passwd", O_RDONLY) >= 0 || open("/usr/lib/no-such-library.so", O_RDONLY) >= 0) abort();
    if (open("/etc/ld.so.cache", O_RDONLY) < 0) abort();
#elif defined(BROKEN_CONSTRUCTOR_READ_MISSING)
    if (open("/usr/lib/no-such-library.so", O_RDONLY) >= 0 || open("/proc/self/maps", O_RDONLY) >= 0) abort();
#endif
}

static const void *get_factory(const char *id) {
    (void)id;
    return NULL;
}

#ifndef BROKEN_SYMBOL
const sluice_plugin_t *sluice_plugin_entry(void) {
    static sluice_plugin_t plugin = {sizeof plugin, SLUICE_MAGIC, SLUICE_ABI_MAJOR, SLUICE_ABI_MINOR, 0, get_factory};
#if defined(BROKEN_ENTRY_NULL)
    return NULL;
#elif defined(BROKEN_ENTRY_CRASH)
    *(volatile int *)(uintptr_t)(8 + never) = 1;
#elif defined(BROKEN_ENTRY_MAGIC)
    plugin.magic = 7;
#elif defined(BROKEN_ENTRY_MAJOR)
    plugin.abi_major = 9;
#elif defined(BROKEN_ENTRY_RESERVED)
    plugin.reserved = 1;
#elif defined(BROKEN_ENTRY_SLOT)
    plugin.get_factory = NULL;
#endif
    return &plugin;
}
#endif
#ifdef BROKEN_UNRESOLVED
void nobody_defines_this(void);
void use(void);
void use(void) { nobody_defines_this(); }
#endif
