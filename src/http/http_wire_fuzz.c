/* SPDX-License-Identifier: MIT
 * libFuzzer (seeds: fuzz/corpus/http_wire): the first 8 bytes are the sizes of the pieces a connection's
 * bytes arrive in, the rest are the bytes. They go over a socket into real sessions, on whose server no
 * pipeline is. Checks what must hold for any input: everything said is whole replies with statuses of ours,
 * and the pieces do not matter.
 */
#include "base/fuzzing.h"
#include "http/http.h"
#include "http/http_status.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECES      8
#define STATUS_MAX  4096
#define TURNS_MAX   1000
#define HEARD_BYTES ((size_t)4 << 20)

static struct {
    uv_loop_t loop;
    struct sg_conn_table *conns;
    struct sg_intake intake;
    struct sg_metrics metrics;
    struct sg_reload reload;
    struct sg_server_options options;
    void *http;
    bool ready;
} server;

struct seen {
    int statuses[STATUS_MAX];
    int count;
};

static void on_sniffed(void *user, struct sg_conn *conn, const uint8_t head[SG_SNIFF_BYTES])
{
    (void)user;
    (void)head;
    sg_protocol_http.open(server.http, conn, &server.intake, &server.options, NULL);
}

static void on_silent(void *user, struct sg_conn *conn, const uint8_t head[SG_SNIFF_BYTES], int count)
{
    (void)user;
    (void)head;
    (void)count;
    sg_conn_close(&conn);
}

static void *no_pipeline(void *ctx, const char *name, struct sg_error *err)
{
    (void)ctx;
    sg_error_set(err, SG_E_NOT_FOUND, "no pipeline \"%s\"", name ? name : "");
    return NULL;
}

static void no_put(void *ctx, void *pipeline)
{
    (void)ctx;
    (void)pipeline;
    CHECK(false);
}

static void no_gauges(void *arg, struct sg_metrics_gauges *gauges)
{
    (void)arg;
    *gauges = (struct sg_metrics_gauges){0};
}

static void no_wake(void *arg)
{
    (void)arg;
}

static void start(void)
{
    static const struct sg_conn_table_ops table_ops = {.sniffed = on_sniffed, .silent = on_silent};
    static const struct sg_job_ops job_ops = {.pipeline_get = no_pipeline, .pipeline_put = no_put};
    struct sg_conn_table_options table = {
        .receive_timeout_ms = 60000, .send_timeout_ms = 60000, .tick_ms = 1000};
    struct sg_gate_limits limits = {.max_jobs = 8, .max_bytes = 1 << 20, .max_memory = 1 << 24};
    struct sg_server_view view = {.loop = &server.loop,
                                  .intake = &server.intake,
                                  .options = &server.options,
                                  .metrics = &server.metrics,
                                  .reload = &server.reload,
                                  .gauges = no_gauges};
    struct sg_error err;

    sg_server_options_init(&server.options);
    server.options.max_frame_bytes = 1 << 16;
    CHECK(uv_loop_init(&server.loop) == 0);
    sg_metrics_init(&server.metrics);
    sg_intake_init(&server.intake, &limits, no_wake, NULL);
    server.intake.ops = &job_ops;
    server.intake.metrics = &server.metrics;
    CHECK(sg_reload_init(&server.reload, &server.loop, NULL, &server.metrics, &err) == 0);
    CHECK(sg_conn_table_create(&server.loop, &table, &table_ops, NULL, &server.conns, &err) == 0);
    CHECK(sg_protocol_http.start(&view, NULL, &server.http, &err) == 0);
    server.ready = true;
}

static size_t hear(int fd, uint8_t *heard, size_t size)
{
    ssize_t n;

    while (size < HEARD_BYTES && (n = recv(fd, heard + size, HEARD_BYTES - size, MSG_DONTWAIT)) > 0)
        size += (size_t)n;
    CHECK(size < HEARD_BYTES);
    return size;
}

/* Whole replies and nothing else; a HEAD request has none of the body that it tells of. */
static void take_apart(const uint8_t *heard, size_t size, struct seen *seen)
{
    const char *at = (const char *)heard, *stop = at + size;

    while (at < stop) {
        const char *end = memmem(at, (size_t)(stop - at), "\r\n\r\n", 4);
        const char *length = end ? memmem(at, (size_t)(end - at), "\r\nContent-Length: ", 18) : NULL;
        size_t body = length ? strtoul(length + 18, NULL, 10) : 0;
        int status;

        CHECK(end && memcmp(at, "HTTP/1.1 ", 9) == 0);
        status = (int)strtol(at + 9, NULL, 10);
        CHECK(status == 100 || sg_http_status_reason((unsigned)status)[0]);
        at = end + 4;
        if (body > 0 && (size_t)(stop - at) >= body && memcmp(at, "HTTP/1.1 ", 9 < body ? 9 : body) != 0)
            at += body;
        CHECK(at <= stop && seen->count < STATUS_MAX);
        if (status != 100)
            seen->statuses[seen->count++] = status;
    }
}

static void run(const uint8_t *pieces, const uint8_t *data, size_t size, struct seen *seen)
{
    static uint8_t heard[HEARD_BYTES];
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sg_conn *conn;
    size_t used = 0, i = 0;
    int fds[2], turns;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    CHECK(sg_conn_add(server.conns, fds[0], (const struct sockaddr *)&peer, sizeof(peer), &conn) == 0);
    for (turns = 0; size > 0 && turns < TURNS_MAX; turns++) {
        size_t least = i == 0 ? SG_SNIFF_BYTES : 1; /* fewer wait on a unix socket for a tick of the clock */
        size_t n = pieces ? least + (size_t)pieces[i++ % PIECES] * 16 : size;
        ssize_t sent = send(fds[1], data, n < size ? n : size, MSG_NOSIGNAL);

        uv_run(&server.loop, UV_RUN_NOWAIT);
        used = hear(fds[1], heard, used);
        if (sent > 0) {
            data += sent;
            size -= (size_t)sent;
        }
    }
    for (turns = 0; turns < PIECES; turns++) {
        uv_run(&server.loop, UV_RUN_NOWAIT);
        used = hear(fds[1], heard, used);
    }
    close(fds[1]);
    for (turns = 0; sg_conn_table_count(server.conns) > 0 && turns < TURNS_MAX; turns++)
        uv_run(&server.loop, UV_RUN_NOWAIT);
    CHECK(sg_conn_table_count(server.conns) == 0);
    CHECK(server.intake.gate.jobs == 0 && server.intake.gate.bytes == 0);
    take_apart(heard, used, seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct seen cut, whole;

    if (!server.ready)
        start();
    if (size < PIECES + SG_SNIFF_BYTES)
        return 0;
    cut.count = whole.count = 0;
    run(data, data + PIECES, size - PIECES, &cut);
    run(NULL, data + PIECES, size - PIECES, &whole);
    CHECK(cut.count == whole.count &&
          memcmp(cut.statuses, whole.statuses, (size_t)cut.count * sizeof(cut.statuses[0])) == 0);
    return 0;
}
