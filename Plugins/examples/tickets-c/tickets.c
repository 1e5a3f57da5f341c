// Opens and closes issues at a help desk: permitted calls, each sent once.
//
// It decides nothing and keeps nothing. What an executor owes its host is the truth about its one write: done, refused, to be
// tried later, or unknown. When in doubt it is unknown: the host then asks `probe`, and in the end a person.
#include "sluice/kit.h"

// The one write of a call, as the manifest declares it.
typedef struct command {
    const char *method;
    char path[128];
    sluice_slice_t body;
} command_t;

static const sluice_slice_t nothing;

// Reads a call. The host has checked its arguments by the manifest's schema; 0 when they cannot be used all the same. The
// body must be the argument as it came: the host lets nothing else out.
static int read_command(const sluice_action_t *action, command_t *command) {
    char id[65];
    sluice_out_t path = sluice_out(command->path, sizeof command->path - 1);
    sluice_put(&path, "/v1/issues");
    if (sluice_is(action->name, "open")) {
        command->method = "POST";
        command->body = sluice_json_member(action->input, "issue");
    } else {
        if (!sluice_json_text(sluice_json_member(action->input, "id"), id, sizeof id)) return 0;
        sluice_put(&path, "/");
        sluice_put_segment(&path, sluice_text(id));
        command->method = "PATCH";
        command->body = sluice_json_member(action->input, "set");
    }
    command->path[path.len] = 0;
    return command->body.len > 0 && !path.full;
}

static int32_t bad_arguments(const sluice_host_t *host) {
    return sluice_fail(host, SLUICE_OUTCOME_REJECTED, "tickets.bad_arguments", "An argument is missing or unusable.");
}

// States what was done: the issue and its version. Until a source has read it again, the next call is checked against that
// version. 0 when the desk's answer does not say so.
static int tell(const sluice_host_t *host, sluice_slice_t issue) {
    char json[256];
    int64_t version;
    sluice_slice_t id = sluice_json_member(issue, "id"), result;
    sluice_out_t out = sluice_out(json, sizeof json);
    if (!sluice_json_text(id, json, sizeof json) || !sluice_json_integer(sluice_json_member(issue, "version"), &version)) return 0;
    sluice_put(&out, "{\"id\":");
    sluice_put_slice(&out, id);
    sluice_put(&out, ",\"version\":");
    sluice_put_integer(&out, version);
    sluice_put(&out, "}");
    result = sluice_out_slice(&out);
    return !out.full && host->set_result(host, &result) == SLUICE_OK;
}

static int32_t check(const sluice_host_t *host) {
    sluice_slice_t list;
    return sluice_get_json(host, "tickets", "api", sluice_text("/v1/issues"), sluice_text("limit=1"), &list);
}

// What the desk's answer to a write means.
static int32_t outcome(const sluice_host_t *host, const sluice_http_response_t *answer) {
    uint32_t status = answer->status;
    char words[64];
    if (status == 401) return sluice_http_class(host, "tickets", answer);
    if (status == 429) {
        sluice_error_t later = {sizeof later, 0, sluice_retry_after_ms(answer), sluice_text("plugin.retry_after"),
                                sluice_text("The desk asked to slow down (429).")};
        host->set_error(host, &later);
        return SLUICE_OUTCOME_RETRY_AFTER;
    }
    if (status == 412) return sluice_fail(host, SLUICE_OUTCOME_REJECTED, "tickets.version_mismatch", "The issue has changed since.");
    if (status >= 200 && status <= 299 && sluice_json_check(answer->body) && tell(host, answer->body)) return SLUICE_OUTCOME_DONE;
    sluice_out_t text = sluice_out(words, sizeof words - 1);
    sluice_put(&text, "The desk answered with status ");
    sluice_put_integer(&text, status);
    sluice_put(&text, ".");
    words[text.len] = 0;
    // A yes that cannot be read, a redirect, a time-out, a fault: nobody knows how far the write came.
    if (status < 400 || status == 408 || status == 425 || status >= 500) {
        return sluice_fail(host, SLUICE_OUTCOME_UNKNOWN, "tickets.unclear", words);
    }
    return sluice_fail(host, SLUICE_OUTCOME_REJECTED, "tickets.refused", words);
}

// Sends the write once. The host adds the permit's key, and the version that the issue must have.
static int32_t execute(const sluice_host_t *host, const sluice_action_t *action) {
    command_t command;
    sluice_http_response_t answer;
    if (!read_command(action, &command)) return bad_arguments(host);
    sluice_status_t status =
        sluice_send(host, command.method, "tickets", "api", sluice_text(command.path), nothing, command.body, &answer);
    // Lost on its way there or back. Any other failure says that nothing was sent, and which class it is.
    if (status == SLUICE_E_TRANSIENT || status == SLUICE_E_TOO_LARGE) {
        return sluice_fail(host, SLUICE_OUTCOME_UNKNOWN, "tickets.no_answer", "The desk did not answer; it may have been done.");
    }
    return status != SLUICE_OK ? status : outcome(host, &answer);
}

// Asks what became of an earlier write, by its key. Reads only.
static int32_t probe(const sluice_host_t *host, const sluice_action_t *action) {
    char path[320];
    sluice_http_response_t answer;
    sluice_out_t to = sluice_out(path, sizeof path);
    sluice_put(&to, "/v1/keys/");
    sluice_put_segment(&to, action->key);
    sluice_status_t status = sluice_send(host, "GET", "tickets", "api", sluice_out_slice(&to), nothing, nothing, &answer);
    if (status != SLUICE_OK) return status;
    if (answer.status == 404) return SLUICE_PROBE_ABSENT;
    if (answer.status < 200 || answer.status > 299) return sluice_http_class(host, "tickets", &answer);
    if (sluice_json_check(answer.body) && tell(host, sluice_json_member(answer.body, "issue"))) return SLUICE_PROBE_DONE;
    return sluice_fail(host, SLUICE_PROBE_CANNOT_TELL, "plugin.cannot_tell", "The desk does not say what became of it.");
}

// Says what `execute` would do: what an approver is shown before the answer.
static int32_t dry_run(const sluice_host_t *host, const sluice_action_t *action) {
    command_t command;
    sluice_slice_t issue, state, result;
    sluice_http_response_t answer;
    int64_t version, wanted;
    char json[1024];
    sluice_out_t would = sluice_out(json, sizeof json);
    if (!read_command(action, &command)) return bad_arguments(host);
    if (sluice_is(action->name, "open")) {
        sluice_put(&would, "{\"create\":\"issue\"}");
    } else {
        sluice_status_t status = sluice_send(host, "GET", "tickets", "api", sluice_text(command.path), nothing, nothing, &answer);
        if (status != SLUICE_OK) return status;
        if (answer.status == 404) return sluice_fail(host, SLUICE_OUTCOME_REJECTED, "tickets.not_found", "The desk has no such issue.");
        if (answer.status < 200 || answer.status > 299) return sluice_http_class(host, "tickets", &answer);
        issue = answer.body, state = sluice_json_member(issue, "state");
        if (!sluice_json_check(issue) || state.len == 0 || !sluice_json_integer(sluice_json_member(issue, "version"), &version)) {
            return sluice_fail(host, SLUICE_E_TRANSIENT, "tickets.odd_answer", "The desk's answer is no issue.");
        }
        if (sluice_json_integer(sluice_json_member(action->input, "expect_version"), &wanted) && wanted != version) {
            return sluice_fail(host, SLUICE_OUTCOME_REJECTED, "tickets.version_mismatch", "The issue has changed since.");
        }
        sluice_put(&would, "{\"fields\":[{\"field\":\"state\",\"before\":");
        sluice_put_slice(&would, state);
        sluice_put(&would, ",\"after\":\"closed\"}]}");
    }
    result = sluice_out_slice(&would);
    return would.full ? SLUICE_E_UNSUPPORTED : host->set_result(host, &result) == SLUICE_OK ? SLUICE_OUTCOME_DONE : SLUICE_E_BUG;
}

static const sluice_kit_executor_t tickets = {
    .id = "tickets", .name = "Tickets", .version = "1.0.0", .check = check, .execute = execute, .probe = probe,
    .dry_run = dry_run,
};
SLUICE_EXECUTOR_PLUGIN(tickets)
