// Opens and closes issues at a help desk: permitted calls, each sent once.
//
// It decides nothing and keeps nothing. What an executor owes its host is the truth about its one write: done, refused, to be
// tried later, or unknown. When in doubt it is unknown: the host then asks `probe`, and in the end a person.
#include <exception>
#include <string>

#include "sluice/kit.h"

namespace {

// What an operation ends with before its end: an outcome or a class that the host has been told the reason of.
struct Ended {
    int32_t answer;
};

// Runs one function of the plugin. No exception may cross the border: whatever is thrown ends here. A fault behind a write
// is a class as well: the host saw the write leave, and takes it for unknown.
template <typename Body> int32_t fenced(const sluice_host_t *host, Body body) {
    try {
        return body();
    } catch (const Ended &ended) {
        return ended.answer;
    } catch (const std::exception &) {
        return sluice_fail(host, SLUICE_E_BUG, "tickets.exception", "The plugin threw an exception.");
    } catch (...) {
        return sluice_fail(host, SLUICE_E_BUG, "tickets.exception", "The plugin threw something.");
    }
}

[[noreturn]] void end(const sluice_host_t *host, int32_t answer, const char *code, const std::string &message) {
    throw Ended{sluice_fail(host, answer, code, message.c_str())};
}

sluice_slice_t slice(const std::string &text) { return sluice_bytes(text.data(), text.size()); }
std::string text(sluice_slice_t slice) { return std::string(static_cast<const char *>(slice.ptr), slice.len); }

std::string segment(sluice_slice_t word) {
    std::string out(3 * word.len, '\0');
    sluice_out_t to = sluice_out(&out[0], out.size());
    sluice_put_segment(&to, word);
    out.resize(to.len);
    return out;
}

// The one write of a call, as the manifest declares it.
struct Command {
    const char *method;
    std::string path;
    sluice_slice_t body;
};

// Reads a call. The host has checked its arguments by the manifest's schema; one that cannot be used all the same is refused.
// The body must be the argument as it came: the host lets nothing else out.
Command read_command(const sluice_host_t *host, const sluice_action_t *action) {
    Command command = {"POST", "/v1/issues", sluice_json_member(action->input, "issue")};
    char id[65] = "";
    if (!sluice_is(action->name, "open")) {
        command.method = "PATCH";
        command.body = sluice_json_member(action->input, "set");
        if (!sluice_json_text(sluice_json_member(action->input, "id"), id, sizeof id)) command.body.len = 0;
        command.path += "/" + segment(sluice_text(id));
    }
    if (command.body.len == 0) {
        end(host, SLUICE_OUTCOME_REJECTED, "tickets.bad_arguments", "An argument is missing or unusable.");
    }
    return command;
}

// The whole answer, which lives until the next host call.
sluice_http_response_t get(const sluice_host_t *host, const std::string &path) {
    sluice_http_response_t answer;
    const sluice_slice_t nothing = {};
    const sluice_status_t status = sluice_send(host, "GET", "tickets", "api", slice(path), nothing, nothing, &answer);
    if (status != SLUICE_OK) throw Ended{status};
    return answer;
}

// The body of a good answer; 404 is for the caller to have looked at.
sluice_slice_t good(const sluice_host_t *host, const sluice_http_response_t &answer) {
    if (answer.status < 200 || answer.status > 299) throw Ended{sluice_http_class(host, "tickets", &answer)};
    return sluice_json_check(answer.body) ? answer.body : sluice_text("null");
}

void tell(const sluice_host_t *host, const std::string &json) {
    const sluice_slice_t result = slice(json);
    const sluice_status_t status = host->set_result(host, &result);
    if (status != SLUICE_OK) throw Ended{status};
}

// States what was done: the issue and its version. Until a source has read it again, the next call is checked against that
// version. False when the desk's answer does not say so.
bool tell_done(const sluice_host_t *host, sluice_slice_t issue) {
    char scratch[256];
    int64_t version;
    const sluice_slice_t id = sluice_json_member(issue, "id");
    if (!sluice_json_text(id, scratch, sizeof scratch) || !sluice_json_integer(sluice_json_member(issue, "version"), &version)) return false;
    tell(host, "{\"id\":" + text(id) + ",\"version\":" + std::to_string(version) + "}");
    return true;
}

sluice_status_t check(const sluice_host_t *host) {
    sluice_slice_t list;
    return sluice_get_json(host, "tickets", "api", sluice_text("/v1/issues"), sluice_text("limit=1"), &list);
}

// What the desk's answer to a write means.
int32_t outcome(const sluice_host_t *host, const sluice_http_response_t &answer) {
    const uint32_t status = answer.status;
    const std::string words = "The desk answered with status " + std::to_string(status) + ".";
    if (status == 401) return sluice_http_class(host, "tickets", &answer);
    if (status == 429) {
        const sluice_error_t later = {sizeof later, 0, sluice_retry_after_ms(&answer), sluice_text("plugin.retry_after"),
                                      sluice_text("The desk asked to slow down (429).")};
        host->set_error(host, &later);
        return SLUICE_OUTCOME_RETRY_AFTER;
    }
    if (status == 412) end(host, SLUICE_OUTCOME_REJECTED, "tickets.version_mismatch", "The issue has changed since.");
    if (status >= 200 && status <= 299 && sluice_json_check(answer.body) && tell_done(host, answer.body)) return SLUICE_OUTCOME_DONE;
    // A yes that cannot be read, a redirect, a time-out, a fault: nobody knows how far the write came.
    const bool unclear = status < 400 || status == 408 || status == 425 || status >= 500;
    if (unclear) end(host, SLUICE_OUTCOME_UNKNOWN, "tickets.unclear", words);
    end(host, SLUICE_OUTCOME_REJECTED, "tickets.refused", words);
}

// Sends the write once. The host adds the permit's key, and the version that the issue must have.
int32_t execute(const sluice_host_t *host, const sluice_action_t *action) {
    return fenced(host, [&]() -> int32_t {
        const Command command = read_command(host, action);
        const sluice_slice_t nothing = {};
        sluice_http_response_t answer;
        const sluice_status_t status =
            sluice_send(host, command.method, "tickets", "api", slice(command.path), nothing, command.body, &answer);
        // Lost on its way there or back. Any other failure says that nothing was sent, and which class it is.
        if (status == SLUICE_E_TRANSIENT || status == SLUICE_E_TOO_LARGE) {
            end(host, SLUICE_OUTCOME_UNKNOWN, "tickets.no_answer", "The desk did not answer; it may have been done.");
        }
        return status != SLUICE_OK ? status : outcome(host, answer);
    });
}

// Asks what became of an earlier write, by its key. Reads only.
int32_t probe(const sluice_host_t *host, const sluice_action_t *action) {
    return fenced(host, [&]() -> int32_t {
        const sluice_http_response_t answer = get(host, "/v1/keys/" + segment(action->key));
        if (answer.status == 404) return SLUICE_PROBE_ABSENT;
        if (tell_done(host, sluice_json_member(good(host, answer), "issue"))) return SLUICE_PROBE_DONE;
        end(host, SLUICE_PROBE_CANNOT_TELL, "plugin.cannot_tell", "The desk does not say what became of it.");
    });
}

// Says what `execute` would do: what an approver is shown before the answer.
int32_t dry_run(const sluice_host_t *host, const sluice_action_t *action) {
    return fenced(host, [&]() -> int32_t {
        const Command command = read_command(host, action);
        int64_t version, wanted;
        if (sluice_is(action->name, "open")) {
            tell(host, "{\"create\":\"issue\"}");
            return SLUICE_OUTCOME_DONE;
        }
        const sluice_http_response_t answer = get(host, command.path);
        if (answer.status == 404) end(host, SLUICE_OUTCOME_REJECTED, "tickets.not_found", "The desk has no such issue.");
        const sluice_slice_t issue = good(host, answer), state = sluice_json_member(issue, "state");
        if (state.len == 0 || !sluice_json_integer(sluice_json_member(issue, "version"), &version)) {
            end(host, SLUICE_E_TRANSIENT, "tickets.odd_answer", "The desk's answer is no issue.");
        }
        if (sluice_json_integer(sluice_json_member(action->input, "expect_version"), &wanted) && wanted != version) {
            end(host, SLUICE_OUTCOME_REJECTED, "tickets.version_mismatch", "The issue has changed since.");
        }
        tell(host, "{\"fields\":[{\"field\":\"state\",\"before\":" + text(state) + ",\"after\":\"closed\"}]}");
        return SLUICE_OUTCOME_DONE;
    });
}

// In the order of sluice_kit_executor_t: C++ before C++20 names no members.
const sluice_kit_executor_t tickets = {
    "tickets", "Tickets", "1.0.0", nullptr, check, execute, probe, dry_run, nullptr,
};

}  // namespace

SLUICE_EXECUTOR_PLUGIN(tickets)
