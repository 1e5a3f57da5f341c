// Extension "sluice.http/1", on the host's side: requests to endpoints that the manifest declares.
//
// The plugin names an endpoint and a credential slot; the host resolves and pins the address, requires
// TLS, adds the credential and throttles. It follows no redirect: a 3xx is given to the plugin as it came.
// The plugin never sees a secret: there is no call that returns one.
//
// A request may carry `accept`, `content-type` and the headers that the manifest declares for it; any other
// is refused. So is every header that the host sets or nobody may: credentials, cookies, host, the
// connection's own, method overrides, idempotency key and If-Match. A write has only the query that the
// manifest names; it leaves with the idempotency key and the version of its permit, whatever is asked for.
#ifndef SLUICE_EXT_HTTP_H
#define SLUICE_EXT_HTTP_H

#include "../host.h"

#ifdef __cplusplus
extern "C" {
#endif

static const char SLUICE_EXT_HTTP[] = "sluice.http/1";

typedef struct sluice_http_request {
    uint32_t struct_size;
    uint32_t header_count;              // at most SLUICE_HTTP_HEADERS_MAX
    sluice_slice_t endpoint;            // a name of the manifest, not an address
    sluice_slice_t method;              // "GET", "POST"...
    sluice_slice_t path;                // starts with "/"; matched against the declared templates
    sluice_slice_t query;               // without "?"; percent-encoded by the plugin; names as declared
    sluice_slice_t slot;                // the credential slot; empty for none
    sluice_slice_t idempotency_key;     // empty, or in a write the action's key, which the host sets anyway
    sluice_slice_t body;                // at most SLUICE_HTTP_BODY_BYTES_MAX
    const sluice_pair_t *headers;
} sluice_http_request_t;

typedef struct sluice_http_response {
    uint32_t struct_size;               // set by the plugin before the call
    uint32_t handle;                    // names the open response; 0 after http_send()
    uint32_t status;                    // 100 to 599
    uint32_t throttled_ms;              // how long the host held the request back
    uint32_t header_count;
    uint32_t reserved;
    const sluice_pair_t *headers;       // names in lower case
    sluice_slice_t body;                // http_send() only
} sluice_http_response_t;

typedef struct sluice_http {
    uint32_t struct_size;
    uint32_t reserved;

    // Sends a request and waits for the head of the response. Fill response->struct_size first; the host
    // writes every other field inside it, and means something by them only with OK. Headers in `response`
    // live until the operation's next host call; the handle until http_close() or the operation's end. A
    // response of any status is OK.
    // [in an operation but migrate]
    // CANCELLED; DENIED: not declared, or not allowed in this operation; INVALID; TOO_LARGE (request);
    // STATE: SLUICE_HTTP_OPEN_MAX are open; AUTH: the slot has no usable credential;
    // RATE_LIMITED, TRANSIENT (no connection, reset, time-out), PERMANENT (TLS or address refused).
    sluice_status_t (*http_open)(const sluice_host_t *host, const sluice_http_request_t *request,
                                 sluice_http_response_t *response);

    // Waits for the next part of the body: 1 to `window` bytes, in `*part` until the operation's next
    // host call; an empty part means the end. `window` is at most SLUICE_HTTP_WINDOW_BYTES_MAX,
    // 0 asks for that. The host reads no further ahead than the window.
    // [in an operation but migrate]  CANCELLED, INVALID (handle), STATE, TRANSIENT (broken).
    sluice_status_t (*http_read)(const sluice_host_t *host, uint32_t handle, uint32_t window,
                                 sluice_slice_t *part);

    // Ends a response, read to its end or not. The handle is not valid afterwards.
    // [in an operation but migrate]  INVALID (handle), STATE. Never CANCELLED.
    sluice_status_t (*http_close)(const sluice_host_t *host, uint32_t handle);

    // Sends a request and waits for the whole response, of at most SLUICE_HTTP_SEND_BYTES_MAX bytes.
    // Headers and body in `response` live until the operation's next host call. Nothing is left open.
    // [in an operation but migrate]  As http_open and http_read; TOO_LARGE also when the response is larger.
    sluice_status_t (*http_send)(const sluice_host_t *host, const sluice_http_request_t *request,
                                 sluice_http_response_t *response);
} sluice_http_t;

#ifdef __cplusplus
}
#endif
#endif
