#include "check.h"

// Reads every byte, so that the address sanitizer sees a slice that is too long.
static uint64_t touch(sluice_bytes_t bytes) {
    uint64_t sum = bytes.len;
    for (size_t i = 0; i < bytes.len; i++) sum = sum * 31 + bytes.ptr[i];
    return sum;
}

static uint64_t touch_pairs(sluice_pairs_t pairs) {
    sluice_bytes_t name, value;
    uint64_t sum = 0;
    uint32_t wanted = pairs.count, seen = 0;
    while (sluice_pairs_next(&pairs, &name, &value)) sum += touch(name) + touch(value), seen++;
    if (seen != wanted || pairs.raw.len != 0) expect(false, "a decoded list of pairs has exactly its count");
    return sum;
}

static uint64_t touch_section(const sluice_frame_emit_t *emit) {
    sluice_bytes_t rest = emit->section;
    sluice_frame_record_t r;
    uint64_t sum = 0;
    uint32_t seen = 0;
    while (sluice_record_next(&rest, &r).error == SLUICE_FRAME_OK) {
        sum += touch(r.key) + touch(r.source_version) + touch(r.payload) + touch(r.whole);
        seen++;
    }
    if (seen != emit->count || rest.len != 0) expect(false, "a decoded section has exactly its count");
    return sum;
}

static union {
    sluice_frame_ready_t ready; sluice_frame_load_failed_t load_failed; sluice_frame_emit_t emit;
    sluice_frame_checkpoint_t checkpoint; sluice_frame_http_open_t http_open; sluice_frame_http_read_t http_read;
    sluice_frame_log_t log; sluice_frame_rate_hint_t rate_hint; sluice_frame_result_t result;
    sluice_frame_configure_t configure; sluice_frame_start_t start; sluice_frame_credit_t credit;
    sluice_frame_http_head_t http_head; sluice_frame_http_error_t http_error;
    uint32_t n32; uint64_t n64; int64_t i64;
} m;

static sluice_frame_check_t decode_only(const sluice_frame_t *f) {
    sluice_frame_check_t ok = {SLUICE_FRAME_OK, 0};
    switch (f->type) {
    case SLUICE_FRAME_READY: return sluice_decode_ready(f->payload, &m.ready);
    case SLUICE_FRAME_LOAD_FAILED: return sluice_decode_load_failed(f->payload, &m.load_failed);
    case SLUICE_FRAME_EMIT: return sluice_decode_emit(f->payload, &m.emit);
    case SLUICE_FRAME_CHECKPOINT: return sluice_decode_checkpoint(f->payload, &m.checkpoint);
    case SLUICE_FRAME_HTTP_OPEN: return sluice_decode_http_open(f->payload, &m.http_open);
    case SLUICE_FRAME_HTTP_READ: return sluice_decode_http_read(f->payload, &m.http_read);
    case SLUICE_FRAME_HTTP_CLOSE: return sluice_decode_http_close(f->payload, &m.n32);
    case SLUICE_FRAME_LOG: return sluice_decode_log(f->payload, &m.log);
    case SLUICE_FRAME_CLOCK: return sluice_decode_clock(f->payload, &m.n32);
    case SLUICE_FRAME_RANDOM: return sluice_decode_random(f->payload, &m.n32);
    case SLUICE_FRAME_RATE_HINT: return sluice_decode_rate_hint(f->payload, &m.rate_hint);
    case SLUICE_FRAME_RESULT: return sluice_decode_result(f->payload, &m.result);
    case SLUICE_FRAME_PONG: return sluice_decode_pong(f->payload, &m.n64);
    case SLUICE_FRAME_CONFIGURE: return sluice_decode_configure(f->payload, &m.configure);
    case SLUICE_FRAME_START: return sluice_decode_start(f->payload, &m.start);
    case SLUICE_FRAME_CREDIT: return sluice_decode_credit(f->payload, &m.credit);
    case SLUICE_FRAME_HTTP_HEAD: return sluice_decode_http_head(f->payload, &m.http_head);
    case SLUICE_FRAME_HTTP_ERROR: return sluice_decode_http_error(f->payload, &m.http_error);
    case SLUICE_FRAME_CLOCK_REPLY: return sluice_decode_clock_reply(f->payload, &m.i64);
    case SLUICE_FRAME_CANCEL: return sluice_decode_cancel(f->payload, &m.n32);
    case SLUICE_FRAME_PING: return sluice_decode_ping(f->payload, &m.n64);
    case SLUICE_FRAME_HTTP_BODY: case SLUICE_FRAME_RANDOM_REPLY: return ok;
    case SLUICE_FRAME_WAIT_DURABLE: case SLUICE_FRAME_DURABLE: case SLUICE_FRAME_SHUTDOWN: break;
    }
    return sluice_decode_empty(f->payload);
}

sluice_frame_check_t decode_any(const sluice_frame_t *f, uint64_t *sum) {
    sluice_frame_check_t check = decode_only(f);
    *sum += touch(f->payload);
    if (check.error != SLUICE_FRAME_OK) return check;
    switch (f->type) {
    case SLUICE_FRAME_EMIT: *sum += touch_section(&m.emit) + touch(m.emit.stream); break;
    case SLUICE_FRAME_HTTP_OPEN:
        *sum += touch_pairs(m.http_open.headers) + touch(m.http_open.body) + touch(m.http_open.path); break;
    case SLUICE_FRAME_LOG: *sum += touch_pairs(m.log.fields) + touch(m.log.message) + touch(m.log.code); break;
    case SLUICE_FRAME_RESULT: *sum += touch(m.result.code) + touch(m.result.message) + touch(m.result.json); break;
    case SLUICE_FRAME_START: *sum += touch_pairs(m.start.headers) + touch(m.start.body) + touch(m.start.state); break;
    case SLUICE_FRAME_HTTP_HEAD: *sum += touch_pairs(m.http_head.headers); break;
    case SLUICE_FRAME_CONFIGURE: {
        sluice_bytes_t name;
        while (sluice_names_next(&m.configure.extensions, &name)) *sum += touch(name);
        *sum += touch(m.configure.config);
        break;
    }
    default: break;
    }
    return check;
}
