// emit(): records are encoded where they will be sent from, and sent when the batch is full, when the
// stream changes, before any wait, and at the operation's end.
#include <string.h>

#include "sized.h"
#include "worker.h"

limits_t limits;

static uint8_t section[SLUICE_FRAME_RECORD_BYTES_MAX];
static size_t section_len;
static uint32_t section_count;
static uint8_t stream_name[SLUICE_FRAME_STREAM_BYTES_MAX];
static size_t stream_len;

void batch_drop(void) {
    section_len = 0;
    section_count = 0;
}

void batch_flush(void) {
    if (section_count == 0) return;
    uint8_t head[SLUICE_FRAME_HEADER_BYTES + 12 + SLUICE_FRAME_STREAM_BYTES_MAX];
    sluice_frame_emit_t emit = {{stream_name, stream_len}, section_count, {section, section_len}};
    size_t head_len = sluice_encode_emit_head(&emit, operation.id, head, sizeof head);
    channel_write(head, head_len, section, section_len);
    batch_drop();
}

static void select_stream(const sluice_slice_t *stream) {
    if (stream_len == stream->len && memcmp(stream_name, stream->ptr, stream_len) == 0) return;
    batch_flush();
    memcpy(stream_name, stream->ptr, stream->len);
    stream_len = stream->len;
}

static bool read_record(const sluice_record_t *from, sluice_record_t *record) {
    return sized_read(record, sizeof *record, from, RECORD_SIZE_MIN) && slice_ok(&record->key) &&
           slice_ok(&record->source_version) && slice_ok(&record->payload) && record->key.len > 0 &&
           (record->op == SLUICE_OP_UPSERT || record->op == SLUICE_OP_DELETE);
}

static bool too_large(const sluice_record_t *r) {
    // Each part first: a sum of hostile 64-bit lengths could wrap.
    return r->key.len > SLUICE_FRAME_KEY_BYTES_MAX || r->source_version.len > SLUICE_FRAME_VERSION_BYTES_MAX ||
           r->payload.len > limits.record_bytes ||
           sluice_record_size(r->key.len, r->source_version.len, r->payload.len) > limits.record_bytes;
}

static sluice_status_t append(const sluice_record_t *r) {
    size_t size = sluice_record_size(r->key.len, r->source_version.len, r->payload.len);
    if (section_count > 0 && section_len + size > limits.batch_bytes) batch_flush();
    sluice_status_t status = operation_wait_credit(size);
    if (status != SLUICE_OK) return status;

    sluice_frame_record_t record = {
        .op = (sluice_record_op_t)r->op,
        .event_time_ms = r->event_time_ms,
        .source_ordinal = r->source_ordinal,
        .key = slice_bytes(&r->key),
        .source_version = slice_bytes(&r->source_version),
        .payload = slice_bytes(&r->payload),
    };
    if (!sluice_record_append(section, sizeof section, &section_len, &record)) return SLUICE_E_TOO_LARGE;
    section_count++;
    operation.credit_records -= 1;
    operation.credit_bytes -= size;
    operation.records += 1;
    if (section_count >= limits.batch_records || section_len >= limits.batch_bytes) batch_flush();
    return SLUICE_OK;
}

sluice_status_t host_emit(const sluice_host_t *host, const sluice_slice_t *stream, const sluice_record_t *records,
                          uint64_t count, uint64_t *accepted) {
    (void)host;
    uint64_t done = 0;
    if (accepted != NULL) *accepted = 0;
    if (!operation.under_way || !operation.emits) return SLUICE_E_STATE;
    if (operation_over()) return SLUICE_E_CANCELLED;
    if (stream == NULL || !slice_ok(stream) || stream->len == 0 || (records == NULL && count > 0)) {
        return SLUICE_E_INVALID;
    }
    if (stream->len > SLUICE_FRAME_STREAM_BYTES_MAX) return SLUICE_E_TOO_LARGE;
    select_stream(stream);

    sluice_status_t status = SLUICE_OK;
    const uint8_t *at = (const uint8_t *)records;
    const uint32_t stride = count > 0 ? records[0].struct_size : 0;
    for (; done < count && status == SLUICE_OK; at += stride) {
        sluice_record_t record;
        const sluice_record_t *from = (const sluice_record_t *)(const void *)at;
        if (from->struct_size != stride || !read_record(from, &record)) status = SLUICE_E_INVALID;
        else if (too_large(&record)) status = SLUICE_E_TOO_LARGE;
        else status = append(&record);
        if (status == SLUICE_OK) done++;
    }
    if (accepted != NULL) *accepted = done;
    return status;
}
