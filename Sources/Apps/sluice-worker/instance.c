// The instance: made once from CONFIGURE, destroyed when the host asks for the worker's end.
#include <string.h>

#include "sized.h"
#include "worker.h"

instance_t instance;

static sluice_slice_t slice(sluice_bytes_t bytes) { return (sluice_slice_t){bytes.ptr, bytes.len}; }

static bool names_factory(const sluice_frame_configure_t *c, const char *id) {
    return c->factory.len == strlen(id) && memcmp(c->factory.ptr, id, c->factory.len) == 0;
}

// False: the source has it and its table is wrong. A source that lacks it leaves struct_size 0.
static bool read_extension(const char *id, void *to, size_t size, uint32_t size_min) {
    const void *table = instance.source->get_extension(instance.source, id);
    return table == NULL || sized_read(to, size, table, size_min);
}

static bool source_is_whole(void) {
    sluice_source_t *s = &instance.source_calls;
    if (!sized_read(s, sizeof *s, instance.source, SOURCE_SIZE_MIN) || s->reserved != 0 || !s->destroy ||
        !s->get_extension || !s->check || !s->discover || !s->pull) return false;
    sluice_webhook_t *w = &instance.webhook;
    sluice_state_migrate_t *m = &instance.state_migrate;
    return read_extension(SLUICE_EXT_WEBHOOK, w, sizeof *w, WEBHOOK_SIZE_MIN) &&
           (w->struct_size == 0 || (w->reserved == 0 && w->receive)) &&
           read_extension(SLUICE_EXT_STATE_MIGRATE, m, sizeof *m, STATE_MIGRATE_SIZE_MIN) &&
           (m->struct_size == 0 || (m->reserved == 0 && m->migrate));
}

static bool executor_is_whole(void) {
    sluice_executor_t *e = &instance.executor_calls;
    return sized_read(e, sizeof *e, instance.executor, EXECUTOR_SIZE_MIN) && e->reserved == 0 && e->destroy &&
           e->get_extension && e->check && e->execute && e->probe && e->dry_run;
}

static sluice_status_t wrong(const char *message) {
    instance = (instance_t){0};
    operation_say("plugin.table", message);
    return SLUICE_E_BUG;
}

sluice_status_t instance_create(const sluice_plugin_t *plugin, const sluice_frame_configure_t *c) {
    sluice_slice_t config = slice(c->config), component = slice(c->component);
    // Both factories have the same shape up to the type of `out`.
    bool is_source = names_factory(c, SLUICE_SOURCE_FACTORY);
    if (!is_source && !names_factory(c, SLUICE_EXECUTOR_FACTORY)) return SLUICE_E_CONFIG;
    const void *found = plugin->get_factory(is_source ? SLUICE_SOURCE_FACTORY : SLUICE_EXECUTOR_FACTORY);
    if (found == NULL) {
        operation_say("plugin.no_factory", "The library has no factory of the kind that the manifest names.");
        return SLUICE_E_CONFIG;
    }
    sluice_source_factory_t sources;
    if (!sized_read(&sources, sizeof sources, found, FACTORY_SIZE_MIN) || sources.count == 0 ||
        sources.descriptor == NULL || sources.create == NULL) return wrong("A factory has no descriptor or an empty slot.");
    if (component.len == 0) {
        sluice_descriptor_t first;
        if (!sized_read(&first, sizeof first, sources.descriptor(0), DESCRIPTOR_SIZE_MIN) || first.reserved != 0) {
            return wrong("A factory's first descriptor is missing or malformed.");
        }
        component = first.id;
    }
    const sluice_executor_factory_t *executors = found;
    sluice_status_t status = is_source ? sources.create(checking_host(), &component, &config, &instance.source)
                                       : executors->create(checking_host(), &component, &config, &instance.executor);
    if (status != SLUICE_OK) {
        instance = (instance_t){0};
        return status;
    }
    bool is_whole = is_source ? source_is_whole() : executor_is_whole();
    return is_whole ? SLUICE_OK : wrong("What create() gave, or an extension of it, is too short or has an empty slot.");
}

void instance_destroy(void) {
    if (instance.source != NULL) instance.source_calls.destroy(instance.source);
    if (instance.executor != NULL) instance.executor_calls.destroy(instance.executor);
    instance = (instance_t){0};
}
