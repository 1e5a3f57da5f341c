// The other side of the boundary's cost: a source in the same process, whose host copies every record that it is given and
// does nothing else. No sandbox, no worker, no frames.
//
// usage: native_host LIBRARY CONFIG. Prints {"records":…,"batches":…,"ns":…}, from the first emit to the last answer.
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sluice/sluice.h"

enum { BUFFER_BYTES = 1 << 20 };

static struct {
    char buffer[BUFFER_BYTES];
    size_t used;
    uint64_t records, batches, first_ns, last_ns;
} native;

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void copy(sluice_slice_t slice) {
    if (slice.len > BUFFER_BYTES - native.used) native.used = 0;
    if (slice.len > BUFFER_BYTES) abort();
    memcpy(native.buffer + native.used, slice.ptr, slice.len);
    native.used += slice.len;
}

static sluice_status_t emit(const sluice_host_t *host, const sluice_slice_t *stream, const sluice_record_t *records,
                            uint64_t count, uint64_t *accepted) {
    (void)host, (void)stream;
    if (native.batches++ == 0) native.first_ns = now_ns();
    for (uint64_t i = 0; i < count; i++) copy(records[i].key), copy(records[i].payload);
    native.records += count;
    if (accepted != NULL) *accepted = count;
    return SLUICE_OK;
}

static sluice_status_t checkpoint(const sluice_host_t *host, const sluice_checkpoint_t *checkpoint) {
    (void)host;
    copy(checkpoint->state);
    return SLUICE_OK;
}

static sluice_status_t wait_durable(const sluice_host_t *host) {
    (void)host;
    native.last_ns = now_ns();
    return SLUICE_OK;
}

static sluice_status_t log_line(const sluice_host_t *host, uint32_t level, const sluice_slice_t *code,
                                const sluice_slice_t *message, const sluice_pair_t *fields, uint32_t count) {
    (void)host, (void)level, (void)code, (void)message, (void)fields, (void)count;
    return SLUICE_OK;
}

static sluice_status_t clock_now(const sluice_host_t *host, uint32_t clock, int64_t *out_ms) {
    (void)host, (void)clock;
    *out_ms = (int64_t)(now_ns() / 1000000);
    return SLUICE_OK;
}

static sluice_status_t set_error(const sluice_host_t *host, const sluice_error_t *error) {
    (void)host;
    fprintf(stderr, "%.*s\n", (int)error->message.len, (const char *)error->message.ptr);
    return SLUICE_OK;
}

static void *need(void *found, const char *what) {
    if (found == NULL) fprintf(stderr, "%s: %s\n", what, dlerror()), exit(1);
    return found;
}

int main(int argc, char **argv) {
    if (argc != 3) return fprintf(stderr, "usage: native_host LIBRARY CONFIG\n"), 2;
    static const sluice_host_t host = {
        .struct_size = sizeof host, .abi_major = SLUICE_ABI_MAJOR, .abi_minor = SLUICE_ABI_MINOR, .emit = emit,
        .checkpoint = checkpoint, .wait_durable = wait_durable, .log = log_line, .clock_now = clock_now,
        .set_error = set_error,
    };
    void *library = need(dlopen(argv[1], RTLD_NOW | RTLD_LOCAL), argv[1]);
    const sluice_plugin_t *(*entry)(void);
    *(void **)&entry = need(dlsym(library, "sluice_plugin_entry"), "sluice_plugin_entry");
    const sluice_source_factory_t *factory = entry()->get_factory(SLUICE_SOURCE_FACTORY);
    const sluice_slice_t id = factory->descriptor(0)->id, config = {argv[2], strlen(argv[2])};
    const sluice_source_t *source = NULL;
    if (factory->create(&host, &id, &config, &source) != SLUICE_OK) return 1;
    const sluice_pull_t pull = {sizeof pull, 0, {"records", 7}, {NULL, 0}};
    if (source->pull(source, &pull) != SLUICE_OK) return 1;
    printf("{\"records\":%llu,\"batches\":%llu,\"ns\":%llu}\n", (unsigned long long)native.records,
           (unsigned long long)native.batches, (unsigned long long)(native.last_ns - native.first_ns));
    return 0;
}
