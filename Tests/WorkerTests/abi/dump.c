// Prints the ABI as this compiler sees it: each struct with its size and fields, each slot with its signature, each
// constant. docs/abi-1.0.txt is what it printed when 1.0 was frozen; a test compares. That each type is what is
// written here, the compiler checks; that nothing of the headers is missing, header_tests.py does.
#include <stddef.h>
#include <stdio.h>

#include "sluice/sluice.h"

#define SAME(type, field, wanted) \
    _Static_assert(__builtin_types_compatible_p(__typeof__(((struct type *)0)->field), wanted), #type "." #field)
#define ROW(type, field, text) \
    printf("  %3zu %2zu  %s  %s\n", offsetof(struct type, field), sizeof(((struct type *)0)->field), #field, text)
#define STRUCT(type) printf("\nstruct %s, %zu bytes, aligned to %zu\n", #type, sizeof(struct type), _Alignof(struct type))
#define FIELD(type, field, wanted) SAME(type, field, __typeof__(wanted)); ROW(type, field, #wanted)
#define SLOT(type, field, returns, parameters) \
    SAME(type, field, __typeof__(returns(*) parameters)); ROW(type, field, #returns " " #parameters)
#define CONSTANT(name) printf("%s %lld\n", #name, (long long)name)
#define TEXT(name) printf("%s \"%s\"\n", #name, name)

static void words(void) {
    STRUCT(sluice_slice);
    FIELD(sluice_slice, ptr, const void *);
    FIELD(sluice_slice, len, uint64_t);

    STRUCT(sluice_pair);
    FIELD(sluice_pair, name, sluice_slice_t);
    FIELD(sluice_pair, value, sluice_slice_t);
}

static void host(void) {
    STRUCT(sluice_record);
    FIELD(sluice_record, struct_size, uint32_t);
    FIELD(sluice_record, op, uint32_t);
    FIELD(sluice_record, event_time_ms, int64_t);
    FIELD(sluice_record, source_ordinal, uint64_t);
    FIELD(sluice_record, key, sluice_slice_t);
    FIELD(sluice_record, source_version, sluice_slice_t);
    FIELD(sluice_record, payload, sluice_slice_t);

    STRUCT(sluice_checkpoint);
    FIELD(sluice_checkpoint, struct_size, uint32_t);
    FIELD(sluice_checkpoint, state_version, uint32_t);
    FIELD(sluice_checkpoint, watermark_ms, int64_t);
    FIELD(sluice_checkpoint, stream, sluice_slice_t);
    FIELD(sluice_checkpoint, state, sluice_slice_t);

    STRUCT(sluice_error);
    FIELD(sluice_error, struct_size, uint32_t);
    FIELD(sluice_error, reserved, uint32_t);
    FIELD(sluice_error, retry_after_ms, int64_t);
    FIELD(sluice_error, code, sluice_slice_t);
    FIELD(sluice_error, message, sluice_slice_t);

    STRUCT(sluice_host);
    FIELD(sluice_host, struct_size, uint32_t);
    FIELD(sluice_host, abi_major, uint16_t);
    FIELD(sluice_host, abi_minor, uint16_t);
    FIELD(sluice_host, host_data, void *);
    SLOT(sluice_host, get_extension, const void *, (const sluice_host_t *, const char *));
    SLOT(sluice_host, emit, sluice_status_t, (const sluice_host_t *, const sluice_slice_t *,
        const sluice_record_t *, uint64_t, uint64_t *));
    SLOT(sluice_host, checkpoint, sluice_status_t, (const sluice_host_t *, const sluice_checkpoint_t *));
    SLOT(sluice_host, wait_durable, sluice_status_t, (const sluice_host_t *));
    SLOT(sluice_host, log, sluice_status_t, (const sluice_host_t *, uint32_t, const sluice_slice_t *,
        const sluice_slice_t *, const sluice_pair_t *, uint32_t));
    SLOT(sluice_host, clock_now, sluice_status_t, (const sluice_host_t *, uint32_t, int64_t *));
    SLOT(sluice_host, random, sluice_status_t, (const sluice_host_t *, void *, uint64_t));
    SLOT(sluice_host, cancel_requested, uint32_t, (const sluice_host_t *));
    SLOT(sluice_host, deadline, int64_t, (const sluice_host_t *));
    SLOT(sluice_host, set_error, sluice_status_t, (const sluice_host_t *, const sluice_error_t *));
    SLOT(sluice_host, set_result, sluice_status_t, (const sluice_host_t *, const sluice_slice_t *));
}

static void operations(void) {
    STRUCT(sluice_pull);
    FIELD(sluice_pull, struct_size, uint32_t);
    FIELD(sluice_pull, state_version, uint32_t);
    FIELD(sluice_pull, stream, sluice_slice_t);
    FIELD(sluice_pull, state, sluice_slice_t);

    STRUCT(sluice_source);
    FIELD(sluice_source, struct_size, uint32_t);
    FIELD(sluice_source, reserved, uint32_t);
    FIELD(sluice_source, plugin_data, void *);
    SLOT(sluice_source, destroy, void, (const sluice_source_t *));
    SLOT(sluice_source, get_extension, const void *, (const sluice_source_t *, const char *));
    SLOT(sluice_source, check, sluice_status_t, (const sluice_source_t *));
    SLOT(sluice_source, discover, sluice_status_t, (const sluice_source_t *));
    SLOT(sluice_source, pull, sluice_status_t, (const sluice_source_t *, const sluice_pull_t *));

    STRUCT(sluice_action);
    FIELD(sluice_action, struct_size, uint32_t);
    FIELD(sluice_action, reserved, uint32_t);
    FIELD(sluice_action, name, sluice_slice_t);
    FIELD(sluice_action, input, sluice_slice_t);
    FIELD(sluice_action, key, sluice_slice_t);

    STRUCT(sluice_executor);
    FIELD(sluice_executor, struct_size, uint32_t);
    FIELD(sluice_executor, reserved, uint32_t);
    FIELD(sluice_executor, plugin_data, void *);
    SLOT(sluice_executor, destroy, void, (const sluice_executor_t *));
    SLOT(sluice_executor, get_extension, const void *, (const sluice_executor_t *, const char *));
    SLOT(sluice_executor, check, sluice_status_t, (const sluice_executor_t *));
    SLOT(sluice_executor, execute, int32_t, (const sluice_executor_t *, const sluice_action_t *));
    SLOT(sluice_executor, probe, int32_t, (const sluice_executor_t *, const sluice_action_t *));
    SLOT(sluice_executor, dry_run, int32_t, (const sluice_executor_t *, const sluice_action_t *));
}

static void library(void) {
    STRUCT(sluice_descriptor);
    FIELD(sluice_descriptor, struct_size, uint32_t);
    FIELD(sluice_descriptor, reserved, uint32_t);
    FIELD(sluice_descriptor, id, sluice_slice_t);
    FIELD(sluice_descriptor, name, sluice_slice_t);
    FIELD(sluice_descriptor, version, sluice_slice_t);

    STRUCT(sluice_source_factory);
    FIELD(sluice_source_factory, struct_size, uint32_t);
    FIELD(sluice_source_factory, count, uint32_t);
    SLOT(sluice_source_factory, descriptor, const sluice_descriptor_t *, (uint32_t));
    SLOT(sluice_source_factory, create, sluice_status_t, (const sluice_host_t *, const sluice_slice_t *,
        const sluice_slice_t *, const sluice_source_t **));

    STRUCT(sluice_executor_factory);
    FIELD(sluice_executor_factory, struct_size, uint32_t);
    FIELD(sluice_executor_factory, count, uint32_t);
    SLOT(sluice_executor_factory, descriptor, const sluice_descriptor_t *, (uint32_t));
    SLOT(sluice_executor_factory, create, sluice_status_t, (const sluice_host_t *, const sluice_slice_t *,
        const sluice_slice_t *, const sluice_executor_t **));

    STRUCT(sluice_plugin);
    FIELD(sluice_plugin, struct_size, uint32_t);
    FIELD(sluice_plugin, magic, uint32_t);
    FIELD(sluice_plugin, abi_major, uint16_t);
    FIELD(sluice_plugin, abi_minor, uint16_t);
    FIELD(sluice_plugin, reserved, uint32_t);
    SLOT(sluice_plugin, get_factory, const void *, (const char *));
}

static void host_extensions(void) {
    STRUCT(sluice_http_request);
    FIELD(sluice_http_request, struct_size, uint32_t);
    FIELD(sluice_http_request, header_count, uint32_t);
    FIELD(sluice_http_request, endpoint, sluice_slice_t);
    FIELD(sluice_http_request, method, sluice_slice_t);
    FIELD(sluice_http_request, path, sluice_slice_t);
    FIELD(sluice_http_request, query, sluice_slice_t);
    FIELD(sluice_http_request, slot, sluice_slice_t);
    FIELD(sluice_http_request, idempotency_key, sluice_slice_t);
    FIELD(sluice_http_request, body, sluice_slice_t);
    FIELD(sluice_http_request, headers, const sluice_pair_t *);

    STRUCT(sluice_http_response);
    FIELD(sluice_http_response, struct_size, uint32_t);
    FIELD(sluice_http_response, handle, uint32_t);
    FIELD(sluice_http_response, status, uint32_t);
    FIELD(sluice_http_response, throttled_ms, uint32_t);
    FIELD(sluice_http_response, header_count, uint32_t);
    FIELD(sluice_http_response, reserved, uint32_t);
    FIELD(sluice_http_response, headers, const sluice_pair_t *);
    FIELD(sluice_http_response, body, sluice_slice_t);

    STRUCT(sluice_http);
    FIELD(sluice_http, struct_size, uint32_t);
    FIELD(sluice_http, reserved, uint32_t);
    SLOT(sluice_http, http_open, sluice_status_t, (const sluice_host_t *, const sluice_http_request_t *,
        sluice_http_response_t *));
    SLOT(sluice_http, http_read, sluice_status_t, (const sluice_host_t *, uint32_t, uint32_t, sluice_slice_t *));
    SLOT(sluice_http, http_close, sluice_status_t, (const sluice_host_t *, uint32_t));
    SLOT(sluice_http, http_send, sluice_status_t, (const sluice_host_t *, const sluice_http_request_t *,
        sluice_http_response_t *));

    STRUCT(sluice_rate);
    FIELD(sluice_rate, struct_size, uint32_t);
    FIELD(sluice_rate, reserved, uint32_t);
    FIELD(sluice_rate, endpoint, sluice_slice_t);
    FIELD(sluice_rate, limit, int64_t);
    FIELD(sluice_rate, remaining, int64_t);
    FIELD(sluice_rate, reset_at_ms, int64_t);

    STRUCT(sluice_rate_hint);
    FIELD(sluice_rate_hint, struct_size, uint32_t);
    FIELD(sluice_rate_hint, reserved, uint32_t);
    SLOT(sluice_rate_hint, rate_hint, sluice_status_t, (const sluice_host_t *, const sluice_rate_t *));
}

static void plugin_extensions(void) {
    STRUCT(sluice_delivery);
    FIELD(sluice_delivery, struct_size, uint32_t);
    FIELD(sluice_delivery, header_count, uint32_t);
    FIELD(sluice_delivery, received_at_ms, int64_t);
    FIELD(sluice_delivery, id, sluice_slice_t);
    FIELD(sluice_delivery, method, sluice_slice_t);
    FIELD(sluice_delivery, path, sluice_slice_t);
    FIELD(sluice_delivery, query, sluice_slice_t);
    FIELD(sluice_delivery, body, sluice_slice_t);
    FIELD(sluice_delivery, headers, const sluice_pair_t *);

    STRUCT(sluice_webhook);
    FIELD(sluice_webhook, struct_size, uint32_t);
    FIELD(sluice_webhook, reserved, uint32_t);
    SLOT(sluice_webhook, receive, sluice_status_t, (const sluice_source_t *, const sluice_delivery_t *));

    STRUCT(sluice_old_state);
    FIELD(sluice_old_state, struct_size, uint32_t);
    FIELD(sluice_old_state, state_version, uint32_t);
    FIELD(sluice_old_state, stream, sluice_slice_t);
    FIELD(sluice_old_state, state, sluice_slice_t);

    STRUCT(sluice_state_migrate);
    FIELD(sluice_state_migrate, struct_size, uint32_t);
    FIELD(sluice_state_migrate, reserved, uint32_t);
    SLOT(sluice_state_migrate, migrate, sluice_status_t, (const sluice_source_t *, const sluice_old_state_t *));
}

static void constants(void) {
    CONSTANT(SLUICE_OUTCOME_DONE);
    CONSTANT(SLUICE_OUTCOME_REJECTED);
    CONSTANT(SLUICE_OUTCOME_RETRY_AFTER);
    CONSTANT(SLUICE_OUTCOME_UNKNOWN);
    CONSTANT(SLUICE_PROBE_DONE);
    CONSTANT(SLUICE_PROBE_ABSENT);
    CONSTANT(SLUICE_PROBE_CANNOT_TELL);
    CONSTANT(SLUICE_OP_UPSERT);
    CONSTANT(SLUICE_OP_DELETE);
    CONSTANT(SLUICE_LOG_DEBUG);
    CONSTANT(SLUICE_LOG_INFO);
    CONSTANT(SLUICE_LOG_WARNING);
    CONSTANT(SLUICE_LOG_ERROR);
    CONSTANT(SLUICE_CLOCK_WALL);
    CONSTANT(SLUICE_CLOCK_MONOTONIC);
    CONSTANT(SLUICE_MAGIC);
    CONSTANT(SLUICE_ABI_MAJOR);
    CONSTANT(SLUICE_ABI_MINOR);
    CONSTANT(SLUICE_NOTE_TYPE);
    CONSTANT(SLUICE_OK);
    CONSTANT(SLUICE_E_CONFIG);
    CONSTANT(SLUICE_E_AUTH);
    CONSTANT(SLUICE_E_RATE_LIMITED);
    CONSTANT(SLUICE_E_TRANSIENT);
    CONSTANT(SLUICE_E_PERMANENT);
    CONSTANT(SLUICE_E_BUG);
    CONSTANT(SLUICE_E_CANCELLED);
    CONSTANT(SLUICE_E_DENIED);
    CONSTANT(SLUICE_E_TOO_LARGE);
    CONSTANT(SLUICE_E_INVALID);
    CONSTANT(SLUICE_E_STATE);
    CONSTANT(SLUICE_E_UNSUPPORTED);
    CONSTANT(SLUICE_NAME_BYTES_MAX);
    CONSTANT(SLUICE_STREAM_BYTES_MAX);
    CONSTANT(SLUICE_KEY_BYTES_MAX);
    CONSTANT(SLUICE_VERSION_BYTES_MAX);
    CONSTANT(SLUICE_RECORD_BYTES_MAX);
    CONSTANT(SLUICE_STATE_BYTES_MAX);
    CONSTANT(SLUICE_RESULT_BYTES_MAX);
    CONSTANT(SLUICE_INPUT_BYTES_MAX);
    CONSTANT(SLUICE_DELIVERY_BYTES_MAX);
    CONSTANT(SLUICE_TEXT_BYTES_MAX);
    CONSTANT(SLUICE_FIELD_BYTES_MAX);
    CONSTANT(SLUICE_FIELDS_MAX);
    CONSTANT(SLUICE_HTTP_HEADERS_MAX);
    CONSTANT(SLUICE_HTTP_HEADER_BYTES_MAX);
    CONSTANT(SLUICE_HTTP_HEADERS_BYTES_MAX);
    CONSTANT(SLUICE_HTTP_TARGET_BYTES_MAX);
    CONSTANT(SLUICE_HTTP_BODY_BYTES_MAX);
    CONSTANT(SLUICE_HTTP_SEND_BYTES_MAX);
    CONSTANT(SLUICE_HTTP_WINDOW_BYTES_MAX);
    CONSTANT(SLUICE_HTTP_OPEN_MAX);
    CONSTANT(SLUICE_TIME_NONE);
}

static void texts(void) {
    TEXT(SLUICE_EXT_HTTP);
    TEXT(SLUICE_EXT_RATE_HINT);
    TEXT(SLUICE_EXT_STATE_MIGRATE);
    TEXT(SLUICE_EXT_WEBHOOK);
    TEXT(SLUICE_SOURCE_FACTORY);
    TEXT(SLUICE_EXECUTOR_FACTORY);
}

int main(void) {
    puts("The binary interface of plugins as frozen with 1.0. Written by `make -f worker.mk abi-dump`; docs/abi.md says what");
    puts("may change. Offset, size, name and type of each field; 64-bit, little-endian.");
    words(), host(), operations(), library(), host_extensions(), plugin_extensions();
    puts("\nconstants");
    constants(), texts();
    return 0;
}
