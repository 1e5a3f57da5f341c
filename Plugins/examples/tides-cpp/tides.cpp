// Reads a tide gauge: each reading once, in order, by pull and by webhook.
//
// Configuration: {"station": NAME}. The state is the number of the last reading, in decimal.
#include <exception>
#include <string>
#include <vector>

#include "sluice/kit.h"

namespace {

constexpr uint32_t state_version = 1;
constexpr size_t page = 100;
constexpr int64_t day_ms = 86400000;

std::string station;

// A failure that the host has been told the reason of.
struct Failed {
    sluice_status_t status;
};

// Runs one function of the plugin. No exception may cross the border: whatever is thrown ends here, as a class.
template <typename Body> sluice_status_t fenced(const sluice_host_t *host, Body body) {
    try {
        body();
        return SLUICE_OK;
    } catch (const Failed &failed) {
        return failed.status;
    } catch (const std::exception &) {
        return sluice_fail(host, SLUICE_E_BUG, "tides.exception", "The plugin threw an exception.");
    } catch (...) {
        return sluice_fail(host, SLUICE_E_BUG, "tides.exception", "The plugin threw something.");
    }
}

void need(sluice_status_t status) {
    if (status != SLUICE_OK) throw Failed{status};
}

[[noreturn]] void fail(const sluice_host_t *host, sluice_status_t status, const char *code, const char *message) {
    throw Failed{sluice_fail(host, status, code, message)};
}

sluice_slice_t slice(const std::string &text) { return sluice_bytes(text.data(), text.size()); }

std::string segment(const std::string &text) {
    std::string out(3 * text.size(), '\0');
    sluice_out_t to = sluice_out(&out[0], out.size());
    sluice_put_segment(&to, slice(text));
    out.resize(to.len);
    return out;
}

// {"id": number, "at": milliseconds, ...}. What it holds of the host lives until the next host call.
struct Reading {
    int64_t id = 0, at = SLUICE_TIME_NONE;
    std::string key;
    sluice_slice_t payload;

    sluice_record_t record() const { return sluice_upsert(slice(key), payload, at); }
};

// False when it is no reading.
bool read(sluice_slice_t json, Reading &reading) {
    if (!sluice_json_integer(sluice_json_member(json, "id"), &reading.id)) return false;
    if (!sluice_json_integer(sluice_json_member(json, "at"), &reading.at)) reading.at = SLUICE_TIME_NONE;
    reading.key = std::to_string(reading.id);
    reading.payload = json;
    return true;
}

[[noreturn]] void odd_answer(const sluice_host_t *host) {
    fail(host, SLUICE_E_TRANSIENT, "tides.odd_answer", "The gauge's answer is no list of readings.");
}

// What comes after number `after`, as a JSON array that lives until the next host call.
sluice_slice_t ask(const sluice_host_t *host, int64_t after, size_t limit) {
    const std::string path = "/v1/stations/" + segment(station) + "/readings";
    const std::string query = "after=" + std::to_string(after) + "&limit=" + std::to_string(limit);
    sluice_slice_t list = {};
    need(sluice_get_json(host, "tides", "api", slice(path), slice(query), &list));
    if (!sluice_json_is_list(list)) odd_answer(host);
    return list;
}

std::vector<Reading> readings(const sluice_host_t *host, int64_t after) {
    const sluice_slice_t list = ask(host, after, page);
    std::vector<Reading> found;
    sluice_slice_t json;
    for (const uint8_t *place = nullptr; found.size() < page && sluice_json_item(list, &place, &json);) {
        found.emplace_back();
        // Left out, it would never come again: the checkpoint lies behind it.
        if (!read(json, found.back())) odd_answer(host);
    }
    return found;
}

void emit(const sluice_host_t *host, const std::vector<Reading> &found) {
    std::vector<sluice_record_t> records;
    for (const Reading &reading : found) records.push_back(reading.record());
    need(sluice_emit(host, sluice_text("readings"), records.data(), records.size()));
}

int64_t start(const sluice_host_t *host, const sluice_pull_t *pull) {
    int64_t last = 0;
    if (!sluice_is(pull->stream, "readings")) {
        fail(host, SLUICE_E_CONFIG, "tides.unknown_stream", "The gauge has the stream `readings` and no other.");
    }
    if (pull->state.len > 0 && (pull->state_version != state_version || !sluice_parse_integer(pull->state, &last) || last < 0)) {
        fail(host, SLUICE_E_PERMANENT, "tides.bad_state", "The checkpoint is not one of this plugin's; reset it.");
    }
    return last;
}

// What a pull that has caught up may promise: all of the days before the one it began on. The gauge knows a reading at once.
int64_t complete_until(const sluice_host_t *host) {
    int64_t began = 0;
    need(sluice_answer(host->clock_now(host, SLUICE_CLOCK_WALL, &began)));
    return began - began % day_ms - 1;
}

sluice_status_t configure(const sluice_host_t *host, sluice_slice_t config) {
    return fenced(host, [&] {
        static const char *const keys[] = {"station", nullptr};
        char name[64];
        need(sluice_config_allow(host, config, keys));
        need(sluice_config_text(host, config, "station", name, sizeof name));
        station = name;
    });
}

sluice_status_t check(const sluice_host_t *host) {
    return fenced(host, [&] { ask(host, 0, 1); });
}

sluice_status_t discover(const sluice_host_t *host) {
    sluice_slice_t json = sluice_text(
        R"([{"stream":"readings","schema":{"type":"object","required":["id","at","level"]}}])");
    return host->set_result(host, &json);
}

sluice_status_t pull(const sluice_host_t *host, const sluice_pull_t *asked) {
    return fenced(host, [&] {
        int64_t last = start(host, asked);
        const int64_t complete = complete_until(host);
        for (;;) {
            const std::vector<Reading> found = readings(host, last);
            const int64_t before = last;
            if (!found.empty()) {
                emit(host, found);
                last = found.back().id;
                if (last <= before) fail(host, SLUICE_E_TRANSIENT, "tides.no_progress", "The gauge gave the same readings again.");
            }
            const std::string state = std::to_string(last);
            need(sluice_save(host, asked->stream, state_version, slice(state), found.empty() ? complete : SLUICE_TIME_NONE));
            if (found.empty()) return;
        }
    });
}

sluice_status_t receive(const sluice_host_t *host, const sluice_delivery_t *delivery) {
    return fenced(host, [&] {
        Reading reading;
        if (!sluice_json_check(delivery->body) || !read(delivery->body, reading)) {
            fail(host, SLUICE_E_PERMANENT, "tides.no_reading", "The delivery holds no reading.");
        }
        emit(host, {reading});
    });
}

// In the order of sluice_kit_source_t: C++ before C++20 names no members.
const sluice_kit_source_t tides = {
    "tides", "Tides", "1.0.0", configure, check, discover, pull, receive, nullptr, nullptr,
};

}  // namespace

SLUICE_SOURCE_PLUGIN(tides)
