// A plugin that attacks, for tests. Configuration: {"attack": NAME}; pull() on any stream commits it.
// Kernel attacks report {"attack":NAME,"errno":WORD}; a "constructor_" before such a name asks what the
// same attempt got while the library was being loaded. "kernel_all" runs every one of them.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hostile.h"

SLUICE_PLUGIN_NOTE

enum { ATTACKS_MAX = 128 };

static const sluice_host_t *host;
static char attack[64];
static char configuration[256];
static int in_constructor[ATTACKS_MAX];

#ifndef QUIET_CONSTRUCTOR
__attribute__((constructor)) static void attack_while_loading(void) {
    for (size_t i = 0; kernel_attacks[i].name != NULL && i < ATTACKS_MAX; i++) {
        // dlopen() inside dlopen(), a library in reach: both are allowed while loading, and harmless.
        in_constructor[i] = kernel_attacks[i].run();
    }
}
#endif

static const char *word(int error_number) {
    const char *name = error_number == 0 ? "none" : strerrorname_np(error_number);
    return name != NULL ? name : "unknown";
}

static sluice_status_t report_constructor(const char *name) {
    for (size_t i = 0; kernel_attacks[i].name != NULL; i++) {
        if (strcmp(name, "all") != 0 && strcmp(kernel_attacks[i].name, name) != 0) continue;
        sluice_status_t status = report(host, kernel_attacks[i].name, "errno", word(in_constructor[i]));
        if (status != SLUICE_OK) return status;
    }
    return SLUICE_OK;
}

static sluice_status_t run_all(void) {
    sluice_status_t status = SLUICE_OK;
    for (size_t i = 0; kernel_attacks[i].name != NULL && status == SLUICE_OK; i++) {
        status = report(host, kernel_attacks[i].name, "errno", word(kernel_attacks[i].run()));
    }
    return status;
}

static sluice_status_t pull(const sluice_source_t *source, const sluice_pull_t *request) {
    (void)source, (void)request;
    int found = 0, error_number = 0;
    if (strcmp(attack, "kernel_all") == 0) return run_all();
    if (strcmp(attack, "tell_delivery") == 0 || strcmp(attack, "slow_delivery") == 0) return SLUICE_OK;
    if (strcmp(attack, "leak_config") == 0) return leak(host, configuration);
    if (strncmp(attack, "constructor_", 12) == 0) return report_constructor(attack + 12);
    if (kernel_attack_run(attack, &error_number)) return report(host, attack, "errno", word(error_number));
    sluice_status_t status = rule_attack_run(host, attack, &found);
    return found ? status : SLUICE_E_CONFIG;
}

static sluice_status_t nothing(const sluice_source_t *source) {
    (void)source;
    return SLUICE_OK;
}
// "tell_delivery" is no attack: it tells what a plugin sees of a delivery.
static sluice_status_t tell(const sluice_delivery_t *delivery) {
    char words[2048];
    size_t used = (size_t)snprintf(words, sizeof words, "%.*s|%.*s|%.*s", (int)delivery->method.len, (const char *)delivery->method.ptr,
                                   (int)delivery->path.len, (const char *)delivery->path.ptr, (int)delivery->query.len,
                                   (const char *)delivery->query.ptr);
    for (uint32_t i = 0; i < delivery->header_count && used < sizeof words; i++) {
        const sluice_pair_t *header = &delivery->headers[i];
        used += (size_t)snprintf(words + used, sizeof words - used, "|%.*s: %.*s", (int)header->name.len, (const char *)header->name.ptr,
                                 (int)header->value.len, (const char *)header->value.ptr);
    }
    return leak(host, words);
}

static sluice_status_t receive(const sluice_source_t *source, const sluice_delivery_t *delivery) {
    // Another one that is no attack: a plugin that takes less than its senders give.
    const struct timespec quarter = {.tv_nsec = 250 * 1000 * 1000};
    if (strcmp(attack, "slow_delivery") == 0) return nanosleep(&quarter, NULL), SLUICE_OK;
    return strcmp(attack, "tell_delivery") == 0 ? tell(delivery) : pull(source, NULL);
}
static void destroy(const sluice_source_t *source) { (void)source; }
static const void *extension(const sluice_source_t *source, const char *id) {
    static const sluice_webhook_t webhook = {sizeof webhook, 0, receive};
    (void)source;
    return strcmp(id, SLUICE_EXT_WEBHOOK) == 0 ? &webhook : NULL;
}

static const sluice_source_t hostile = {sizeof hostile, 0, NULL, destroy, extension, nothing, nothing, pull};

static sluice_status_t create(const sluice_host_t *given, const sluice_slice_t *id, const sluice_slice_t *config,
                              const sluice_source_t **out) {
    (void)id;
    host = given;
    if (config->len > 0 && config->len < sizeof configuration) memcpy(configuration, config->ptr, config->len);
    const char *at = strstr(configuration, "\"attack\"");
    if (at == NULL || sscanf(at + 8, " : \"%63[a-z0-9_]\"", attack) != 1) return SLUICE_E_CONFIG;
    *out = &hostile;
    return SLUICE_OK;
}

static const sluice_descriptor_t *descriptor(uint32_t index) {
    static const sluice_descriptor_t only = {sizeof only, 0, {"hostile", 7}, {"Hostile", 7}, {"1.0.0", 5}};
    (void)index;
    return &only;
}

static const void *get_factory(const char *id) {
    static const sluice_source_factory_t factory = {sizeof factory, 1, descriptor, create};
    return strcmp(id, SLUICE_SOURCE_FACTORY) == 0 ? &factory : NULL;
}

const sluice_plugin_t *sluice_plugin_entry(void) {
    static const sluice_plugin_t plugin = {sizeof plugin, SLUICE_MAGIC, SLUICE_ABI_MAJOR, SLUICE_ABI_MINOR, 0, get_factory};
    return &plugin;
}
