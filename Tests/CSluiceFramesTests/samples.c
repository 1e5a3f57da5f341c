#include "check.h"

static sluice_pairs_t two_pairs(uint8_t *room, size_t capacity) {
    size_t used = 0;
    uint32_t count = 0;
    sluice_pairs_append(room, capacity, &used, &count, bytes_of("content-type"), bytes_of("application/json"));
    sluice_pairs_append(room, capacity, &used, &count, bytes_of("x-empty"), bytes_of(""));
    return (sluice_pairs_t){{room, used}, count};
}

static size_t from_worker(unsigned i, uint8_t *out, size_t n) {
    static uint8_t list[256], section[512];
    size_t used = 0;
    sluice_pairs_t pairs = two_pairs(list, sizeof list);
    sluice_frame_record_t r = {SLUICE_RECORD_UPSERT, 1700000000000, 7, bytes_of("k1"), bytes_of("v"), bytes_of("{\"a\":1}"), {NULL, 0}};
    sluice_record_append(section, sizeof section, &used, &r);
    r = (sluice_frame_record_t){SLUICE_RECORD_DELETE, SLUICE_FRAME_TIME_NONE, 0, bytes_of("k2"), {NULL, 0}, {NULL, 0}, {NULL, 0}};
    sluice_record_append(section, sizeof section, &used, &r);
    switch (i) {
    case 0: return sluice_encode_ready(&(sluice_frame_ready_t){1, 0, 0x3fff, 0, 7, 900}, out, n);
    case 1: return sluice_encode_load_failed(&(sluice_frame_load_failed_t){SLUICE_LOAD_DLOPEN, 2, bytes_of("no")}, out, n);
    case 2: return sluice_encode_emit(&(sluice_frame_emit_t){bytes_of("deals"), 2, {section, used}}, 9, out, n);
    case 3: return sluice_encode_checkpoint(&(sluice_frame_checkpoint_t){bytes_of("deals"), bytes_of("s"), 1, SLUICE_FRAME_TIME_NONE}, 9, out, n);
    case 4: return sluice_encode_wait_durable(9, 3, out, n);
    case 5: return sluice_encode_http_open(&(sluice_frame_http_open_t){1, bytes_of("api"), bytes_of("GET"), bytes_of("/x"),
            bytes_of("a=1"), bytes_of("main"), bytes_of("idem"), pairs, bytes_of("body")}, 9, 4, out, n);
    case 6: return sluice_encode_http_read(&(sluice_frame_http_read_t){1, 4096}, 9, 5, out, n);
    case 7: return sluice_encode_http_close(1, 9, out, n);
    case 8: return sluice_encode_log(&(sluice_frame_log_t){2, bytes_of("a.b"), bytes_of("Hello."), pairs}, 9, out, n);
    case 9: return sluice_encode_clock(1, 9, 6, out, n);
    case 10: return sluice_encode_random(16, 9, 7, out, n);
    case 11: return sluice_encode_rate_hint(&(sluice_frame_rate_hint_t){bytes_of("api"), 100, -1, 5}, 9, out, n);
    case 12: return sluice_encode_result(&(sluice_frame_result_t){-3, 0, 1000, 2, bytes_of("c"), bytes_of("m"), bytes_of("{}")}, 9, out, n);
    default: return sluice_encode_pong(5, out, n);
    }
}

static size_t from_host(unsigned i, uint8_t *out, size_t n) {
    static uint8_t list[256];
    size_t used = 0;
    uint32_t count = 0;
    sluice_names_append(list, sizeof list, &used, &count, bytes_of("sluice.http/1"));
    sluice_names_t names = {{list, used}, count};
    static uint8_t pair_list[256];
    sluice_pairs_t pairs = two_pairs(pair_list, sizeof pair_list);
    switch (i) {
    case 0: return sluice_encode_configure(&(sluice_frame_configure_t){65536, 64, 65536, bytes_of("sluice.source/1"),
            bytes_of("counter"), bytes_of("{}"), names}, 1, out, n);
    case 1: return sluice_encode_start(&(sluice_frame_start_t){SLUICE_OPERATION_RECEIVE, 1, 5000, 77, bytes_of("d1"), bytes_of("key"),
            bytes_of("POST"), bytes_of("/hook"), bytes_of("q=1"), bytes_of("state"), bytes_of("{}"), pairs}, 9, out, n);
    case 2: return sluice_encode_credit(&(sluice_frame_credit_t){64, 65536}, 9, out, n);
    case 3: return sluice_encode_durable(9, 3, out, n);
    case 4: return sluice_encode_http_head(&(sluice_frame_http_head_t){200, 15, pairs}, 9, 4, out, n);
    case 5: return sluice_encode_http_body(bytes_of("part"), true, 9, 5, out, n);
    case 6: return sluice_encode_http_error(&(sluice_frame_http_error_t){-17, -1, bytes_of("c"), bytes_of("m")}, 9, 4, out, n);
    case 7: return sluice_encode_clock_reply(-5, 9, 6, out, n);
    case 8: return sluice_encode_random_reply(bytes_of("0123456789abcdef"), 9, 7, out, n);
    case 9: return sluice_encode_cancel(500, 9, out, n);
    case 10: return sluice_encode_ping(5, out, n);
    default: return sluice_encode_shutdown(out, n);
    }
}

void samples_build(sample_t samples[SAMPLES]) {
    for (unsigned i = 0; i < SAMPLES; i++) {
        bool worker = i < 14;
        samples[i].sender = worker ? SLUICE_FRAME_SENDER_WORKER : SLUICE_FRAME_SENDER_HOST;
        samples[i].len = worker ? from_worker(i, samples[i].bytes, SAMPLE_BYTES) : from_host(i - 14, samples[i].bytes, SAMPLE_BYTES);
    }
}
