// `--describe`: loads the plugin in the sandbox, writes what it says of itself as lines to fd 3, and ends. For the
// conformance kit; no instance is made.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "worker.h"

static char lines[64 * 1024];
static size_t length;

static void put(const char *text, size_t len) {
    for (size_t i = 0; i < len && length < sizeof lines - 1; i++) {
        // A line stays a line, whatever a plugin calls itself.
        lines[length++] = (uint8_t)text[i] < 0x20 || text[i] == 0x7F ? '?' : text[i];
    }
}

static void field(const char *text, size_t len) {
    if (length < sizeof lines - 1) lines[length++] = '\t';
    put(text, len);
}

static void end_line(void) {
    if (length < sizeof lines - 1) lines[length++] = '\n';
}

static void factory(const sluice_plugin_t *plugin, const char *id) {
    // Both factories have the same shape up to the type of `out`.
    const sluice_source_factory_t *found = plugin->get_factory(id);
    if (found == NULL) return;
    char index[16];
    if (found->struct_size < sizeof *found || found->descriptor == NULL || found->create == NULL || found->count == 0) {
        put("broken", 6), field(id, strlen(id)), end_line();
        return;
    }
    for (uint32_t i = 0; i < found->count && i < 64; i++) {
        const sluice_descriptor_t *d = found->descriptor(i);
        snprintf(index, sizeof index, "%u", i);
        if (d == NULL || d->struct_size < sizeof *d || !slice_ok(&d->id) || !slice_ok(&d->name) || !slice_ok(&d->version)) {
            put("broken", 6), field(id, strlen(id)), field(index, strlen(index)), end_line();
            continue;
        }
        bool again = found->descriptor(i) == d;
        put("descriptor", 10), field(id, strlen(id)), field(d->id.ptr, d->id.len), field(d->name.ptr, d->name.len);
        field(d->version.ptr, d->version.len), field(again ? "same" : "other", again ? 4 : 5), end_line();
    }
}

void describe(const sluice_plugin_t *plugin, const sluice_plugin_t *again) {
    char text[64];
    snprintf(text, sizeof text, "abi\t%u\t%u\n", plugin->abi_major, plugin->abi_minor);
    memcpy(lines, text, length = strlen(text));
    put("entry", 5), field(plugin == again ? "same" : "other", plugin == again ? 4 : 5), end_line();
    static const char *const unknown[] = {"sluice.nothing/1", "sluice.source/99", "sluice.source/1x", ""};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        bool found = plugin->get_factory(unknown[i]) != NULL;
        put("unknown", 7), field(unknown[i], strlen(unknown[i])), field(found ? "found" : "absent", found ? 5 : 6), end_line();
    }
    factory(plugin, SLUICE_SOURCE_FACTORY);
    factory(plugin, SLUICE_EXECUTOR_FACTORY);
    channel_write(lines, length, NULL, 0);
    _exit(0);
}
