// Brings the plugin in. By its descriptor, not by its path: what was opened first (while we still may
// reach it) is what Landlock allows, what the note was read from, and what is loaded.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sized.h"
#include "worker.h"

static void check_note(int fd) {
    struct stat status;
    if (fstat(fd, &status) != 0) load_failed(SLUICE_LOAD_OPEN_FILE, errno, "fstat");
    if (!S_ISREG(status.st_mode)) load_failed(SLUICE_LOAD_OPEN_FILE, 0, "not a regular file");
    size_t len = status.st_size > 0 ? (size_t)status.st_size : 0;
    if (len == 0) load_failed(SLUICE_LOAD_NOTE, 0, "the file is empty");
    void *file = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (file == MAP_FAILED) load_failed(SLUICE_LOAD_OPEN_FILE, errno, "mmap");

    sluice_note_t note;
    sluice_note_error_t error = sluice_note_find((sluice_bytes_t){file, len}, &note);
    char text[128];
    if (error != SLUICE_NOTE_OK) {
        snprintf(text, sizeof text, "the file's ABI note: %s", sluice_note_error_name(error));
        load_failed(SLUICE_LOAD_NOTE, 0, text);
    }
    if (note.abi_major != SLUICE_ABI_MAJOR) {
        snprintf(text, sizeof text, "the plugin was built for ABI %u.%u; this worker speaks %u.%u",
                 note.abi_major, note.abi_minor, SLUICE_ABI_MAJOR, SLUICE_ABI_MINOR);
        load_failed(SLUICE_LOAD_NOTE, 0, text);
    }
    munmap(file, len);
}

static void check_plugin(const sluice_plugin_t *plugin) {
    char text[128];
    if (plugin == NULL) load_failed(SLUICE_LOAD_ENTRY, 0, "sluice_plugin_entry() returned NULL");
    if (plugin->struct_size < PLUGIN_SIZE_MIN || plugin->magic != SLUICE_MAGIC) {
        load_failed(SLUICE_LOAD_ABI, 0, "what sluice_plugin_entry() returned has no Sluice magic or is too short");
    }
    if (plugin->abi_major != SLUICE_ABI_MAJOR) {
        snprintf(text, sizeof text, "the plugin states ABI %u.%u; this worker speaks %u.%u", plugin->abi_major,
                 plugin->abi_minor, SLUICE_ABI_MAJOR, SLUICE_ABI_MINOR);
        load_failed(SLUICE_LOAD_ABI, 0, text);
    }
    if (plugin->reserved != 0) load_failed(SLUICE_LOAD_ABI, 0, "a reserved field is not zero");
    if (plugin->get_factory == NULL) load_failed(SLUICE_LOAD_ABI, 0, "get_factory is NULL");
}

const sluice_plugin_t *(*plugin_entry)(void);

const sluice_plugin_t *plugin_load(int plugin_fd, const options_t *options, protections_t *p) {
    check_note(plugin_fd);
    char by_fd[64];
    snprintf(by_fd, sizeof by_fd, "/proc/self/fd/%d", plugin_fd);
    // Else a Swift runtime looks around its library for a program that shows backtraces, and the operator is told of it.
    setenv("SWIFT_BACKTRACE", "enable=no,swift-backtrace=/", 1);
    load_watch_begin(SLUICE_LOAD_DLOPEN);
    void *library = dlopen(by_fd, RTLD_NOW | RTLD_LOCAL);  // never closed: the process's end is the unload
    if (library == NULL) {
        const char *text = dlerror();
        load_failed(SLUICE_LOAD_DLOPEN, 0, text != NULL ? text : "dlopen");
    }
    close(plugin_fd);
    // A debugger opens what it finds as the library's name: that of our descriptor is one of its own there, and it waits for ever.
    struct link_map *map;
    if (dlinfo(library, RTLD_DI_LINKMAP, &map) == 0) map->l_name = (char *)options->plugin;

    *(void **)&plugin_entry = dlsym(library, "sluice_plugin_entry");
    if (plugin_entry == NULL) load_failed(SLUICE_LOAD_SYMBOL, 0, "the library does not export sluice_plugin_entry");
    load_watch_begin(SLUICE_LOAD_ENTRY);
    const sluice_plugin_t *plugin = plugin_entry();
    load_watch_begin(SLUICE_LOAD_ABI);
    check_plugin(plugin);
    load_watch_end();
    sandbox_tighten(options, p);
    return plugin;
}
