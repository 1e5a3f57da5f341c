// sluice-worker: one plugin, one instance, one operation at a time, in a sandbox.
//
// In: frames on fd 3 (docs/frames.md). Out: frames on fd 3. Never: files, sockets, children, secrets.
#ifndef SLUICE_WORKER_H
#define SLUICE_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/sluice.h"
#include "sluice_frames.h"

enum { CHANNEL_FD = 3 };

// Exit statuses. A signal is the plugin's own doing, or the host's.
enum { EXIT_USAGE = 64, EXIT_PROTOCOL = 70, EXIT_LOAD_FAILED = 71, EXIT_HOST_GONE = 72 };

// arguments.c
enum { ALLOW_READ_MAX = 16, GROUPS_MAX = 4 };
typedef struct options {
    const char *plugin;
    const char *allow_read[ALLOW_READ_MAX];
    uint32_t allow_read_count;
    bool degraded;          // run although the kernel lacks a protection
    bool probe;             // print what the kernel offers and stop
    bool describe;          // print what the library says of itself and stop
    uint32_t checking;      // CHECK_*: what to watch the plugin for
    uint64_t fail_at;       // the call of each operation that fails; 0: none, they are counted
    uint64_t real_time_back_ms;  // for the conformance kit; 0: the plugin sees the machine's time
    const char *groups[GROUPS_MAX];  // control groups to join, as folders
    uint32_t group_count;
    bool threads_counted;   // one of them holds the threads to their number
    bool netns;             // own network namespace (and user namespace, unless root)
    long parent;            // expected parent process; 0: not checked
    long uid, gid;          // -1: keep
    uint64_t threads;       // how many threads the plugin may start
    uint64_t address_bytes; // RLIMIT_AS; 0: none
    uint64_t cpu_seconds;   // RLIMIT_CPU; 0: none
    uint64_t files;         // RLIMIT_NOFILE
} options_t;
bool options_parse(int argc, char **argv, options_t *out);

// report.c: how the worker says that it cannot start
typedef struct protections {
    uint32_t active, missing;   // bits of sluice_protection_t
    uint32_t landlock_abi;
} protections_t;
_Noreturn void load_failed(sluice_load_step_t step, int error_number, const char *text);
void load_watch_begin(sluice_load_step_t step);  // from now on a crash or an exit is reported as this step
void load_watch_end(void);

// sandbox.c, identity.c, landlock.c, seccomp.c: each ends in load_failed() or sets bits in `p`
void sandbox_enter(const options_t *options, int plugin_fd, protections_t *p);   // up to the first filter
void sandbox_tighten(const options_t *options, protections_t *p);                // the second filter
void sandbox_missing(const options_t *options, protections_t *p, sluice_protection_t what, bool required,
                     sluice_load_step_t step, int error_number);
void identity_drop(const options_t *options, protections_t *p);
void namespaces_enter(const options_t *options, protections_t *p);
int capabilities_drop(void);
uint32_t landlock_abi(void);
void landlock_enter(const options_t *options, int plugin_fd, protections_t *p);
typedef enum filter { FILTER_LOAD, FILTER_RUN } filter_t;
bool seccomp_available(void);
int seccomp_enter(filter_t which, const options_t *options);
int probe_print(void);

// refusals.c: what the sandbox refuses is told to the host
void refusals_begin(const options_t *options);
void deaths_watch(const int *signals, size_t count);
void memory_refused(void);  // an allocation failed (allocations.c)

// load.c
const sluice_plugin_t *plugin_load(int plugin_fd, const options_t *options, protections_t *p);
extern const sluice_plugin_t *(*plugin_entry)(void);

// checking.c, for the conformance kit: what the plugin is watched for
enum { CHECK_POISON = 1, CHECK_CALLS = 2, CHECK_NEWER_HOST = 4, CHECK_SYSCALLS = 8, CHECK_DESCRIPTORS = 16, CHECK_FAILURE = 32 };
void checking_begin(const options_t *options);
const sluice_host_t *checking_host(void);                        // what create() is given: host_table, or one that watches
void checking_input(const uint8_t *bytes, size_t len);           // the plugin is about to be lent this
void checking_done(uint8_t *bytes, size_t len);                  // and has given it back

// clocks.c
void clocks_begin(const options_t *options);                     // what a plugin reads of the machine's clock

// describe.c
_Noreturn void describe(const sluice_plugin_t *plugin, const sluice_plugin_t *again);

// channel.c
typedef enum wait_end { WAIT_FRAME, WAIT_TIMEOUT } wait_end_t;
void channel_write(const void *head, size_t head_len, const void *body, size_t body_len);
wait_end_t channel_next(sluice_frame_t *out, int timeout_ms);   // the last frame's payload ends here
bool channel_has_input(void);
extern uint8_t channel_out[SLUICE_FRAME_BYTES_MAX];              // where frames are encoded
void channel_send(size_t encoded);                               // sends channel_out; 0 is our own bug
_Noreturn void protocol_error(const char *text);
int64_t monotonic_ns(void);

// operation.c: the operation under way, and what the host says about it
typedef struct operation {
    bool under_way, creating, emits, migrates, cancelled;
    sluice_operation_t kind;
    uint32_t id, call;
    int64_t deadline_ns;        // INT64_MAX: none
    uint64_t credit_records, credit_bytes, records;
    bool has_result;
    int64_t retry_after_ms;
    size_t code_len, message_len, result_len;
    sluice_bytes_t stream;      // migrate: whose state it is
    size_t migrated_len;        // 0: nothing was handed over
    uint32_t migrated_version;
} operation_t;
extern operation_t operation;
bool operation_over(void);                                       // cancelled or past its deadline
bool operation_reaches_out(void);                                // one that may ask the host: all but migrate
void operation_handle(const sluice_frame_t *frame);              // CREDIT, CANCEL, PING, SHUTDOWN
bool operation_await(uint32_t call, sluice_frame_t *reply);      // false: over
sluice_status_t operation_wait_credit(size_t bytes);
_Noreturn void operation_loop(const sluice_plugin_t *plugin);
extern uint8_t result_json[SLUICE_FRAME_JSON_BYTES_MAX];
extern uint8_t migrated_state[SLUICE_FRAME_STATE_BYTES_MAX];
extern uint8_t error_code[SLUICE_FRAME_NAME_BYTES_MAX], error_message[SLUICE_FRAME_TEXT_BYTES_MAX];

// instance.c: the one source or executor, and what it can
typedef struct instance {
    const sluice_source_t *source;      // as the plugin gave them; at most one of the two
    const sluice_executor_t *executor;
    sluice_source_t source_calls;       // what we know of their tables
    sluice_executor_t executor_calls;
    sluice_webhook_t webhook;           // of a source; struct_size 0: it has none
    sluice_state_migrate_t state_migrate;
} instance_t;
extern instance_t instance;
sluice_status_t instance_create(const sluice_plugin_t *plugin, const sluice_frame_configure_t *configure);
void instance_destroy(void);
void operation_say(const char *code, const char *message);       // as set_error() would

// batch.c
typedef struct limits { uint32_t record_bytes, batch_records, batch_bytes; } limits_t;
extern limits_t limits;
sluice_status_t host_emit(const sluice_host_t *host, const sluice_slice_t *stream, const sluice_record_t *records,
                          uint64_t count, uint64_t *accepted);
void batch_flush(void);
void batch_drop(void);

// host_table.c, host_http.c
extern const sluice_host_t host_table;
extern const sluice_http_t http_table;
extern const sluice_rate_hint_t rate_hint_table;
void http_reset(void);
void extensions_grant(sluice_names_t granted);
bool slice_ok(const sluice_slice_t *slice);
sluice_bytes_t slice_bytes(const sluice_slice_t *slice);
bool pairs_encode(const sluice_pair_t *pairs, uint32_t count, uint8_t *out, sluice_pairs_t *list);

#endif
