// The frame header, and the words for logs.
#include "cursor.h"

static bool type_is_from(uint64_t type, sluice_frame_sender_t sender) {
    if (sender == SLUICE_FRAME_SENDER_WORKER) return type >= SLUICE_FRAME_READY && type <= SLUICE_FRAME_PONG;
    return type >= SLUICE_FRAME_CONFIGURE && type <= SLUICE_FRAME_SHUTDOWN;
}

sluice_frame_check_t sluice_frame_next(sluice_bytes_t buffer, sluice_frame_sender_t sender, sluice_frame_t *out) {
    const sluice_frame_check_t incomplete = {SLUICE_FRAME_INCOMPLETE, 0};
    out->size = SLUICE_FRAME_HEADER_BYTES;
    if (buffer.len < SLUICE_FRAME_HEADER_BYTES) return incomplete;

    in_t in = in_open(buffer);
    size_t length = (size_t)in_number(&in, 4);
    uint64_t version = in_number(&in, 1);
    uint64_t type = in_number(&in, 1);
    uint64_t flags = in_number(&in, 2);
    out->operation = (uint32_t)in_number(&in, 4);
    out->call = (uint32_t)in_number(&in, 4);

    // All judged before INCOMPLETE: a hostile length must never decide how long we wait.
    if (version != SLUICE_FRAME_VERSION) in_fail(&in, SLUICE_FRAME_BAD_VERSION, 4);
    if (!type_is_from(type, sender)) in_fail(&in, SLUICE_FRAME_BAD_TYPE, 5);
    uint64_t flags_allowed = type == SLUICE_FRAME_HTTP_BODY ? SLUICE_FRAME_FLAG_END : 0;
    if ((flags & ~flags_allowed) != 0) in_fail(&in, SLUICE_FRAME_BAD_FLAGS, 6);
    if (length > SLUICE_FRAME_PAYLOAD_BYTES_MAX) in_fail(&in, SLUICE_FRAME_TOO_LARGE, 0);
    if (in.check.error != SLUICE_FRAME_OK) return in.check;

    out->type = (sluice_frame_type_t)type;
    out->flags = (uint16_t)flags;
    out->size = SLUICE_FRAME_HEADER_BYTES + length;
    if (buffer.len < out->size) return incomplete;
    out->payload.ptr = buffer.ptr + SLUICE_FRAME_HEADER_BYTES;
    out->payload.len = length;
    return in.check;
}

const char *sluice_frame_error_name(sluice_frame_error_t error) {
    static const char *const names[] = {
        "ok", "incomplete", "bad_version", "bad_type", "bad_flags", "too_large", "truncated", "trailing",
        "field_too_long", "field_empty", "bad_value", "reserved", "bad_count", "bad_record",
    };
    return (unsigned)error < sizeof names / sizeof *names ? names[error] : "unknown";
}

const char *sluice_frame_type_name(sluice_frame_type_t type) {
    static const char *const from_worker[] = {
        "ready", "load_failed", "emit", "checkpoint", "wait_durable", "http_open", "http_read",
        "http_close", "log", "clock", "random", "rate_hint", "result", "pong",
    };
    static const char *const from_host[] = {
        "configure", "start", "credit", "durable", "http_head", "http_body",
        "http_error", "clock_reply", "random_reply", "cancel", "ping", "shutdown",
    };
    if (type_is_from(type, SLUICE_FRAME_SENDER_WORKER)) return from_worker[type - SLUICE_FRAME_READY];
    if (type_is_from(type, SLUICE_FRAME_SENDER_HOST)) return from_host[type - SLUICE_FRAME_CONFIGURE];
    return "unknown";
}

const char *sluice_protection_name(uint32_t index) {
    static const char *const names[] = {
        "parent_death", "not_dumpable", "close_range", "rlimits", "no_new_privs", "own_uid", "no_capabilities",
        "user_namespace", "network_namespace", "landlock_files", "landlock_network", "landlock_scope",
        "seccomp_load", "seccomp_run", "thread_limit",
    };
    return index < SLUICE_PROTECTION_COUNT ? names[index] : "unknown";
}

const char *sluice_load_step_name(sluice_load_step_t step) {
    static const char *const names[] = {
        "unknown", "arguments", "parent_death", "rlimits", "identity", "namespaces", "landlock", "seccomp_load",
        "open_file", "note", "dlopen", "symbol", "entry", "abi", "seccomp_run",
    };
    return (unsigned)step < sizeof names / sizeof *names ? names[step] : names[0];
}
