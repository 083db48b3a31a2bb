/* SPDX-License-Identifier: MIT
 * Shared by the files of the load generator alone.
 */
#ifndef SG_LOAD_LOAD_PRIVATE_H
#define SG_LOAD_LOAD_PRIVATE_H

#include "load/load.h"

void sg_bench_totals_code(struct sg_bench_totals *totals, const char *code, uint64_t count);

/* A request on the way. */
struct sg_bench_request {
    int64_t began_us; /* sent, or due */
    uint64_t id;      /* of its connection, from 1 */
    int picture;
    bool answered; /* before it was sent whole: the rest still has to go out */
};

/* One connection. Requests are answered in their order, or by id. */
struct sg_bench_conn {
    int fd; /* -1 = closed */
    bool connecting;
    int64_t retry_us;              /* closed: not before */
    struct sg_bench_request *ring; /* depth of them */
    int first, count;
    int sent;      /* of count, whole requests handed to the socket */
    size_t offset; /* bytes of the next one already handed over */
    uint64_t last_id;
    uint8_t greeting[SG_BENCH_GREETING_MAX];
    size_t greeting_bytes, greeted;     /* greeted: handed over */
    uint8_t head[SG_BENCH_ID_HEAD_MAX]; /* of the next one, with its id; only where there are ids */
    struct sg_buf in;
    size_t in_used; /* bytes at the start of `in` that belong to replies already read */
    struct sg_bench_scan scan;
};

enum sg_bench_event { SG_BENCH_ALIVE, SG_BENCH_LOST };

/* Socket work of one connection; load is what they report to. */
int sg_bench_conn_open(struct sg_bench_conn *conn, const struct sg_bench_target *target);
void sg_bench_conn_close(struct sg_bench_conn *conn);
/* Hands over as much as the socket takes. heads are the bytes before each picture. */
enum sg_bench_event sg_bench_conn_send(struct sg_bench_conn *conn, const struct sg_bench_wire *wire,
                                       const struct sg_bench_picture *heads,
                                       const struct sg_bench_plan *plan);
/* The request on the way that has that id, -1 = none: a place from `first` on. */
int sg_bench_conn_find(const struct sg_bench_conn *conn, int depth, uint64_t id);
/* Forgets the request at that place; those behind it move up. */
void sg_bench_conn_remove(struct sg_bench_conn *conn, int depth, int place);
/* Takes in what has come. */
enum sg_bench_event sg_bench_conn_receive(struct sg_bench_conn *conn);

struct sg_bench_load {
    struct sg_bench_target target;
    struct sg_bench_plan plan;
    struct sg_buf head_bytes;
    struct sg_bench_picture *heads; /* as many as pictures, into head_bytes */
    int *objects;                   /* in the first result of each picture, -1 = none yet */
    struct sg_bench_conn *conns;
    struct sg_bench_request *rings;
    int epoll_fd, timer_fd;
    int next_picture, cursor; /* cursor: where the search for a free connection starts */
    int connect_error;        /* errno of the last connect that failed */
    bool ever_connected;
    bool sending;    /* false while waiting for what is on the way */
    uint64_t pushed; /* requests of this run */
    struct sg_bench_schedule schedule;
    int64_t measure_from_us, measure_to_us;
    struct sg_bench_totals *totals;
};

/* replies.c: what comes of requests, in the totals. */
bool sg_bench_measuring(const struct sg_bench_load *load, int64_t at_us);
/* False when it does not count: outside the time that is measured. */
bool sg_bench_count_failure(struct sg_bench_load *load, const char *code, int64_t began_us, int64_t now_us);
/* The connection is gone, and with it every request on it. */
void sg_bench_lose(struct sg_bench_load *load, struct sg_bench_conn *conn, const char *code);
/* Takes the replies in the buffer; false when the connection was closed. */
bool sg_bench_read_replies(struct sg_bench_load *load, struct sg_bench_conn *conn);

#endif
