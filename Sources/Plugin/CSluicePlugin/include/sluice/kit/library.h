// A library that holds one source or one executor: its entry, note, factory and tables from one struct of functions.
// Part of sluice/kit.h.
#ifndef SLUICE_KIT_LIBRARY_H
#define SLUICE_KIT_LIBRARY_H

#include "calls.h"

// What you write of a source. The functions get the host and return what the ABI says; an answer of a host call that
// they pass on becomes the right class. One process makes one instance (ABI-3.6): keep its state in statics.
typedef struct sluice_kit_source {
    const char *id, *name, *version;
    sluice_status_t (*configure)(const sluice_host_t *host, sluice_slice_t config);            // NULL: takes any
    sluice_status_t (*check)(const sluice_host_t *host);                                       // NULL: nothing to check
    sluice_status_t (*discover)(const sluice_host_t *host);
    sluice_status_t (*pull)(const sluice_host_t *host, const sluice_pull_t *pull);
    sluice_status_t (*receive)(const sluice_host_t *host, const sluice_delivery_t *delivery);  // NULL: no webhooks
    sluice_status_t (*migrate)(const sluice_host_t *host, const sluice_old_state_t *old);      // NULL: no migration
    void (*destroy)(void);                                                                     // NULL: nothing to free
} sluice_kit_source_t;

// The same of an executor. Answers of execute, probe and dry_run as in executor.h.
typedef struct sluice_kit_executor {
    const char *id, *name, *version;
    sluice_status_t (*configure)(const sluice_host_t *host, sluice_slice_t config);            // NULL: takes any
    sluice_status_t (*check)(const sluice_host_t *host);                                       // NULL: nothing to check
    int32_t (*execute)(const sluice_host_t *host, const sluice_action_t *action);
    int32_t (*probe)(const sluice_host_t *host, const sluice_action_t *action);
    int32_t (*dry_run)(const sluice_host_t *host, const sluice_action_t *action);              // NULL: unsupported
    void (*destroy)(void);
} sluice_kit_executor_t;

// The one instance.
typedef struct sluice_kit_instance {
    const sluice_host_t *host;
    const sluice_kit_source_t *source;
    const sluice_kit_executor_t *executor;
} sluice_kit_instance_t;
static sluice_kit_instance_t sluice_kit;

static inline sluice_descriptor_t sluice_kit_descriptor(const char *id, const char *name, const char *version) {
    sluice_descriptor_t descriptor = {sizeof descriptor, 0, sluice_text(id), sluice_text(name), sluice_text(version)};
    return descriptor;
}

static inline sluice_status_t sluice_kit_configure(
    const sluice_host_t *host, const sluice_slice_t *id, const char *wanted, const sluice_slice_t *config,
    sluice_status_t (*configure)(const sluice_host_t *host, sluice_slice_t config)) {
    sluice_kit.host = host;
    if (!sluice_is(*id, wanted)) return sluice_fail(host, SLUICE_E_CONFIG, "plugin.unknown_id", "The library has nothing of that id.");
    sluice_json_in_t in = sluice_json_open(*config);
    if (config->len > 0 && !(sluice_json_check(*config) && sluice_json_take(&in, '{'))) {
        return sluice_fail(host, SLUICE_E_CONFIG, "config.invalid", "The configuration is no JSON object.");
    }
    return configure == NULL ? SLUICE_OK : sluice_answer(configure(host, *config));
}

static inline void sluice_kit_source_destroy(const sluice_source_t *source) {
    (void)source;
    if (sluice_kit.source->destroy != NULL) sluice_kit.source->destroy();
}
static inline sluice_status_t sluice_kit_source_check(const sluice_source_t *source) {
    (void)source;
    return sluice_kit.source->check == NULL ? SLUICE_OK : sluice_answer(sluice_kit.source->check(sluice_kit.host));
}
static inline sluice_status_t sluice_kit_source_discover(const sluice_source_t *source) {
    (void)source;
    return sluice_answer(sluice_kit.source->discover(sluice_kit.host));
}
static inline sluice_status_t sluice_kit_source_pull(const sluice_source_t *source, const sluice_pull_t *pull) {
    (void)source;
    return sluice_answer(sluice_kit.source->pull(sluice_kit.host, pull));
}
static inline sluice_status_t sluice_kit_source_receive(const sluice_source_t *source, const sluice_delivery_t *delivery) {
    (void)source;
    return sluice_answer(sluice_kit.source->receive(sluice_kit.host, delivery));
}
static inline sluice_status_t sluice_kit_source_migrate(const sluice_source_t *source, const sluice_old_state_t *old) {
    (void)source;
    return sluice_answer(sluice_kit.source->migrate(sluice_kit.host, old));
}

static inline const void *sluice_kit_source_extension(const sluice_source_t *source, const char *id) {
    static const sluice_webhook_t webhook = {sizeof webhook, 0, sluice_kit_source_receive};
    static const sluice_state_migrate_t state_migrate = {sizeof state_migrate, 0, sluice_kit_source_migrate};
    (void)source;
    if (sluice_kit.source->receive != NULL && strcmp(id, SLUICE_EXT_WEBHOOK) == 0) return &webhook;
    if (sluice_kit.source->migrate != NULL && strcmp(id, SLUICE_EXT_STATE_MIGRATE) == 0) return &state_migrate;
    return NULL;
}

static inline sluice_status_t sluice_kit_source_create(const sluice_kit_source_t *kit, const sluice_host_t *host,
                                                       const sluice_slice_t *id, const sluice_slice_t *config,
                                                       const sluice_source_t **out) {
    static const sluice_source_t table = {
        sizeof table, 0, NULL, sluice_kit_source_destroy, sluice_kit_source_extension, sluice_kit_source_check,
        sluice_kit_source_discover, sluice_kit_source_pull,
    };
    sluice_status_t status = sluice_kit_configure(host, id, kit->id, config, kit->configure);
    sluice_kit.source = kit;
    if (status == SLUICE_OK) *out = &table;
    return status;
}

static inline void sluice_kit_executor_destroy(const sluice_executor_t *executor) {
    (void)executor;
    if (sluice_kit.executor->destroy != NULL) sluice_kit.executor->destroy();
}
static inline const void *sluice_kit_executor_extension(const sluice_executor_t *executor, const char *id) {
    (void)executor, (void)id;
    return NULL;
}
static inline sluice_status_t sluice_kit_executor_check(const sluice_executor_t *executor) {
    (void)executor;
    return sluice_kit.executor->check == NULL ? SLUICE_OK : sluice_answer(sluice_kit.executor->check(sluice_kit.host));
}
static inline int32_t sluice_kit_executor_execute(const sluice_executor_t *executor, const sluice_action_t *action) {
    (void)executor;
    return sluice_answer(sluice_kit.executor->execute(sluice_kit.host, action));
}
static inline int32_t sluice_kit_executor_probe(const sluice_executor_t *executor, const sluice_action_t *action) {
    (void)executor;
    return sluice_answer(sluice_kit.executor->probe(sluice_kit.host, action));
}
static inline int32_t sluice_kit_executor_dry_run(const sluice_executor_t *executor, const sluice_action_t *action) {
    (void)executor;
    int32_t answer = sluice_kit.executor->dry_run == NULL ? SLUICE_E_UNSUPPORTED
                                                          : sluice_kit.executor->dry_run(sluice_kit.host, action);
    return answer == SLUICE_E_UNSUPPORTED ? answer : sluice_answer(answer);  // the one place where it is allowed
}

static inline sluice_status_t sluice_kit_executor_create(const sluice_kit_executor_t *kit, const sluice_host_t *host,
                                                         const sluice_slice_t *id, const sluice_slice_t *config,
                                                         const sluice_executor_t **out) {
    static const sluice_executor_t table = {
        sizeof table, 0, NULL, sluice_kit_executor_destroy, sluice_kit_executor_extension, sluice_kit_executor_check,
        sluice_kit_executor_execute, sluice_kit_executor_probe, sluice_kit_executor_dry_run,
    };
    sluice_status_t status = sluice_kit_configure(host, id, kit->id, config, kit->configure);
    sluice_kit.executor = kit;
    if (status == SLUICE_OK) *out = &table;
    return status;
}

// At file level in one C file, after the struct: SLUICE_SOURCE_PLUGIN(tides), SLUICE_EXECUTOR_PLUGIN(tickets).
#define SLUICE_SOURCE_PLUGIN(kit) SLUICE_KIT_PLUGIN(kit, source, SLUICE_SOURCE_FACTORY)
#define SLUICE_EXECUTOR_PLUGIN(kit) SLUICE_KIT_PLUGIN(kit, executor, SLUICE_EXECUTOR_FACTORY)

#define SLUICE_KIT_PLUGIN(kit, kind, factory_id)                                                                  \
    SLUICE_PLUGIN_NOTE                                                                                             \
    static const sluice_descriptor_t *sluice_kit_descriptor_at(uint32_t index) {                                   \
        static sluice_descriptor_t only;                                                                           \
        only = sluice_kit_descriptor((kit).id, (kit).name, (kit).version);                                         \
        return index == 0 ? &only : NULL;                                                                          \
    }                                                                                                              \
    static sluice_status_t sluice_kit_create(const sluice_host_t *host, const sluice_slice_t *id,                  \
                                             const sluice_slice_t *config, const sluice_##kind##_t **out) {        \
        return sluice_kit_##kind##_create(&(kit), host, id, config, out);                                          \
    }                                                                                                              \
    static const void *sluice_kit_factory(const char *id) {                                                        \
        static const sluice_##kind##_factory_t factory = {                                                         \
            sizeof factory, 1, sluice_kit_descriptor_at, sluice_kit_create,                                        \
        };                                                                                                         \
        return strcmp(id, factory_id) == 0 ? &factory : NULL;                                                      \
    }                                                                                                              \
    const sluice_plugin_t *sluice_plugin_entry(void) {                                                             \
        static const sluice_plugin_t plugin = {                                                                    \
            sizeof plugin, SLUICE_MAGIC, SLUICE_ABI_MAJOR, SLUICE_ABI_MINOR, 0, sluice_kit_factory,                \
        };                                                                                                         \
        return &plugin;                                                                                            \
    }

#endif
