// Sends signed webhooks (Standard Webhooks) to 127.0.0.1 over connections that stay open, one request under way on
// each, every one with an id of its own, until COUNT are answered or SECONDS are over.
//
//   webhook_load PORT PATH COUNT CONNECTIONS SECONDS PREFIX < SECRET      (SECRET: whsec_ and base64)
//
// Prints one JSON object. Ids are PREFIX-number; bodies are {"type":"record.changed","data":RECORD}, about 1 KB.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "record_text.h"

enum { CONNECTIONS_MAX = 1024, COUNT_MAX = 1000000, REQUEST_MAX = 4096, ANSWER_MAX = 8192 };

typedef struct {
    int file;
    size_t sent, size, received;
    double started;
    char request[REQUEST_MAX], answer[ANSWER_MAX];
} connection_t;

static struct {
    const char *path, *prefix;
    unsigned char key[256];
    size_t key_len;
    uint64_t count, begun, answered, accepted;
    double *latencies;
} load;

static void stop(const char *what, const char *why) {
    fprintf(stderr, "webhook_load: %s: %s\n", what, why);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void read_secret(void) {
    char line[320];
    if (fgets(line, sizeof line, stdin) == NULL || strncmp(line, "whsec_", 6) != 0) stop("secret", "no whsec_ in stdin");
    line[strcspn(line, "\r\n")] = '\0';
    int size = EVP_DecodeBlock(load.key, (unsigned char *)line + 6, (int)strlen(line + 6));
    if (size <= 0) stop("secret", "not base64");
    for (size_t at = strlen(line); line[at - 1] == '='; at--) size--;
    load.key_len = (size_t)size;
}

// Base64 of HMAC-SHA-256 over `id.timestamp.body`.
static void sign(char out[64], const char *id, const char *timestamp, const char *body, size_t body_len) {
    unsigned char text[REQUEST_MAX], mark[EVP_MAX_MD_SIZE];
    unsigned mark_len = 0;
    size_t head = (size_t)snprintf((char *)text, sizeof text, "%s.%s.", id, timestamp);
    memcpy(text + head, body, body_len);
    HMAC(EVP_sha256(), load.key, (int)load.key_len, text, head + body_len, mark, &mark_len);
    EVP_EncodeBlock((unsigned char *)out, mark, (int)mark_len);
}

static void prepare(connection_t *c) {
    char id[64], timestamp[24], mark[64], body[RECORD_BYTES + 64];
    uint64_t number = load.begun++;
    snprintf(id, sizeof id, "%s-%llu", load.prefix, (unsigned long long)number);
    snprintf(timestamp, sizeof timestamp, "%lld", (long long)time(NULL));
    size_t len = (size_t)snprintf(body, sizeof body, "{\"type\":\"record.changed\",\"data\":");
    record_text(body + len, number);
    len += RECORD_BYTES;
    body[len++] = '}';
    sign(mark, id, timestamp, body, len);
    int head = snprintf(c->request, sizeof c->request,
        "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nwebhook-id: %s\r\n"
        "webhook-timestamp: %s\r\nwebhook-signature: v1,%s\r\nContent-Length: %zu\r\n\r\n",
        load.path, id, timestamp, mark, len);
    if (head < 0 || (size_t)head + len > sizeof c->request) stop("request", "too long");
    memcpy(c->request + head, body, len);
    c->size = (size_t)head + len;
    c->sent = c->received = 0;
    c->started = now();
}

static void send_rest(connection_t *c) {
    while (c->sent < c->size) {
        ssize_t n = send(c->file, c->request + c->sent, c->size - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) stop("send", strerror(errno));
        c->sent += (size_t)n;
    }
}

// Whether the whole answer is there. The servers give a length, or an answer that has no body.
static int is_complete(connection_t *c) {
    c->answer[c->received] = '\0';
    char *end = strstr(c->answer, "\r\n\r\n");
    if (end == NULL) return 0;
    char *length = strcasestr(c->answer, "content-length:");
    size_t body = length != NULL && length < end ? strtoull(length + 15, NULL, 10) : 0;
    return c->received >= (size_t)(end + 4 - c->answer) + body;
}

static void receive(connection_t *c) {
    while (1) {
        ssize_t n = recv(c->file, c->answer + c->received, ANSWER_MAX - 1 - c->received, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) stop("receive", n == 0 ? "the server closed a connection" : strerror(errno));
        c->received += (size_t)n;
        if (!is_complete(c)) continue;
        load.latencies[load.answered++] = (now() - c->started) * 1000;
        load.accepted += strncmp(c->answer, "HTTP/1.1 202", 12) == 0;
        if (load.begun == load.count) return;
        prepare(c);
        send_rest(c);
    }
}

static void dial(connection_t *c, int port, int poll) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->file = socket(AF_INET, SOCK_STREAM, 0);
    int one = 1;
    setsockopt(c->file, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->file, (struct sockaddr *)&address, sizeof address) != 0) stop("connect", strerror(errno));
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, c->file, &event) != 0) stop("epoll", strerror(errno));
}

static int by_size(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double share(double part) {
    return load.answered == 0 ? 0 : load.latencies[(size_t)(part * (double)(load.answered - 1))];
}

static void print_figures(double seconds) {
    qsort(load.latencies, load.answered, sizeof *load.latencies, by_size);
    printf("{\"answered\": %llu, \"accepted\": %llu, \"seconds\": %.3f, \"per_second\": %.0f, \"p50_ms\": %.2f, "
           "\"p99_ms\": %.2f, \"max_ms\": %.2f}\n",
           (unsigned long long)load.answered, (unsigned long long)load.accepted, seconds,
           (double)load.answered / seconds, share(0.5), share(0.99), share(1));
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: webhook_load PORT PATH COUNT CONNECTIONS SECONDS PREFIX < SECRET\n");
        return 2;
    }
    int port = atoi(argv[1]), connections = atoi(argv[4]);
    double limit = atof(argv[5]);
    load.path = argv[2], load.count = strtoull(argv[3], NULL, 10), load.prefix = argv[6];
    if (load.count == 0 || load.count > COUNT_MAX || connections < 1 || connections > CONNECTIONS_MAX || limit <= 0) {
        stop("arguments", "out of bounds");
    }
    if ((uint64_t)connections > load.count) connections = (int)load.count;
    read_secret();
    load.latencies = calloc(load.count, sizeof *load.latencies);
    connection_t *all = calloc((size_t)connections, sizeof *all);
    if (load.latencies == NULL || all == NULL) stop("memory", "none");
    int poll = epoll_create1(0);
    for (int i = 0; i < connections; i++) dial(&all[i], port, poll);
    double start = now();
    for (int i = 0; i < connections; i++) prepare(&all[i]);
    // A connection's first event says that it is writable, and sends its first request.
    while (load.answered < load.count && now() - start < limit) {
        struct epoll_event events[64];
        int n = epoll_wait(poll, events, 64, 1000);
        for (int i = 0; i < n; i++) {
            connection_t *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) send_rest(c);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(c);
        }
    }
    print_figures(now() - start);
    return 0;
}
