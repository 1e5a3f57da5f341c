// An executor that answers what its input asks for, {"say": WORD}, for tests; rust/tickets.rs is the same.
#include "sluice/kit.h"

static sluice_slice_t result;

static int32_t said(const sluice_host_t *host, int32_t outcome, int64_t retry_after_ms, const char *code, const char *message) {
    sluice_error_t error = {sizeof error, 0, retry_after_ms, sluice_text(code), sluice_text(message)};
    host->set_error(host, &error);
    return outcome;
}

static int asks(const sluice_action_t *action, const char *word) {
    char found[32];
    return sluice_json_text(sluice_json_member(action->input, "say"), found, sizeof found) && strcmp(found, word) == 0;
}

static int32_t done(const sluice_host_t *host, const sluice_action_t *action, int32_t outcome) {
    static char json[256];
    sluice_out_t out = sluice_out(json, sizeof json);
    sluice_put(&out, "{\"id\":\"");
    sluice_put_slice(&out, action->key);
    sluice_put(&out, "\",\"version\":3}");
    result = sluice_out_slice(&out);
    host->set_result(host, &result);
    return outcome;
}

static int32_t execute(const sluice_host_t *host, const sluice_action_t *action) {
    if (asks(action, "done")) return done(host, action, SLUICE_OUTCOME_DONE);
    if (asks(action, "rejected")) return said(host, SLUICE_OUTCOME_REJECTED, -1, "tickets.refused", "The desk is closed.");
    if (asks(action, "later")) return said(host, SLUICE_OUTCOME_RETRY_AFTER, 5000, "plugin.retry_after", "The desk is full.");
    if (asks(action, "unknown")) return said(host, SLUICE_OUTCOME_UNKNOWN, -1, "tickets.lost", "The answer was lost.");
    return sluice_fail(host, SLUICE_E_TRANSIENT, "tickets.fault", "Nothing was sent.");
}

static int32_t probe(const sluice_host_t *host, const sluice_action_t *action) {
    if (asks(action, "done")) return done(host, action, SLUICE_PROBE_DONE);
    if (asks(action, "absent")) return SLUICE_PROBE_ABSENT;
    return said(host, SLUICE_PROBE_CANNOT_TELL, -1, "plugin.cannot_tell", "The desk has no list.");
}

static int32_t dry_run(const sluice_host_t *host, const sluice_action_t *action) {
    if (asks(action, "done")) return done(host, action, SLUICE_OUTCOME_DONE);
    if (asks(action, "rejected")) return said(host, SLUICE_OUTCOME_REJECTED, -1, "tickets.refused", "The desk is closed.");
    return SLUICE_E_UNSUPPORTED;
}

static const sluice_kit_executor_t tickets = {
    .id = "tickets", .name = "Tickets", .version = "1.0.0", .execute = execute, .probe = probe, .dry_run = dry_run,
};
SLUICE_EXECUTOR_PLUGIN(tickets)
