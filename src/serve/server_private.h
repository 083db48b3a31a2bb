/* SPDX-License-Identifier: MIT
 * The server as its own files see it: server.c makes it and runs the loop, server_accept.c brings connections
 * to their protocols, server_stop.c ends it all in order. Loop thread but where it is said.
 */
#ifndef SG_SERVE_SERVER_PRIVATE_H
#define SG_SERVE_SERVER_PRIVATE_H

#include "net/conn.h"
#include "net/listen.h"
#include "serve/job_intake.h"
#include "serve/late_load.h"
#include "serve/metrics.h"
#include "serve/protocol.h"
#include "serve/reload.h"
#include "serve/server.h"

#include <stdatomic.h>
#include <uv.h>

#define SERVER_SIGNALS 3

struct sg_server {
    struct sg_server_options options;
    uv_loop_t loop;
    bool loop_ready;
    uv_async_t stop_async;
    int replies_fd; /* eventfd: workers write, the loop polls */
    uv_poll_t replies;
    uv_prepare_t turn;
    uv_timer_t drain_timer, delay_timer;
    bool delaying;                       /* after SIGTERM, until stop_delay is over */
    uv_signal_t signals[SERVER_SIGNALS]; /* SIGINT, SIGTERM, SIGHUP */
    struct sg_listener *listeners[SG_SERVER_LISTENERS_MAX];
    int listener_count;
    struct sg_conn_table *conns;
    void *shared[SG_SERVER_PROTOCOLS_MAX]; /* what sg_protocol_ops.start returned, or NULL */
    struct sg_intake intake;
    struct sg_job_owner connections; /* owner_key: a connection's id */
    struct sg_metrics metrics;
    struct sg_reload reload;
    struct sg_late_load late_load;
    bool failed; /* and why: late_load.error */
    atomic_int stop_asked;
    int stop_seen;  /* 0 serving, 1 draining, 2 at once */
    bool over_full; /* the listeners rest because of max_refused */
    int abandoned;
};

/* All listeners. */
void server_accept(struct sg_server *server, bool on);
/* A connection has come; user is the server. */
void server_on_accepted(void *user, int fd, const struct sockaddr *peer, socklen_t peer_size);
/* What becomes of those that have not said yet what they speak, and of their places. */
extern const struct sg_conn_table_ops server_table_ops;

/* server_protocols.c: what each protocol's connections share. end: also after a start that failed. */
int server_protocols_start(struct sg_server *server, const struct sg_server_view *view, struct sg_error *err);
void server_protocols_leave(struct sg_server *server);
void server_protocols_drain(struct sg_server *server);
void server_protocols_end(struct sg_server *server);

/* Makes the handles that ask for the end; fini closes them (the loop must turn once more). */
void server_stop_init(struct sg_server *server);
void server_stop_fini(struct sg_server *server);
/* SIGINT, SIGTERM and SIGHUP are the server's from now on, SIGPIPE is nobody's. */
void server_stop_on_signals(struct sg_server *server);
/* And the system's again. */
void server_stop_no_signals(struct sg_server *server);
void server_stop_listening(struct sg_server *server);
/* Nothing more is accepted and read; what was admitted has drain_timeout_ms. */
void server_stop_begin(struct sg_server *server);
/* All connections end, answered or not. */
void server_stop_abandon(struct sg_server *server);

#endif
