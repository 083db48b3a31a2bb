/* SPDX-License-Identifier: MIT
 * What conn.c (one connection) and conn_table.c (all of them) share. Nobody else includes it.
 */
#ifndef SG_NET_CONN_PRIVATE_H
#define SG_NET_CONN_PRIVATE_H

#include "base/buf.h"
#include "net/conn.h"

/* Low bits of an id: place in the table; the rest counts up and is never reused. */
#define CONN_SLOT_BITS 16

enum conn_state { CONN_SNIFFING, CONN_OPEN, CONN_FINISHING, CONN_LINGERING, CONN_CLOSED };

struct sg_conn {
    uv_poll_t poll;
    struct sg_conn_table *table;
    uint64_t id;
    struct sg_transport transport;
    int events; /* asked of poll now; 0 = stopped */
    enum conn_state state;
    bool paused, eof, peer_shut;
    int refused;  /* a code */
    bool held;    /* sniffing: not listened to until its deadline */
    bool begun;   /* sniffing: some of the first bytes were there at the last look */
    bool partial; /* sniffing: woken for fewer than are needed, where SO_RCVLOWAT does not hold; until a tick
                   */
    int64_t added_us, active_us;
    const struct sg_conn_ops *ops;
    void *user;
    struct sg_buf out; /* unsent from out_from on */
    size_t out_from;
    int64_t deadline_us;
    int64_t
        progress_us; /* last time the kernel took bytes while some were waiting, or the client read some */
    int kernel_left; /* bytes in the kernel at that time, which the client had not acknowledged */
    int64_t linger_ms;
    size_t lingered;
    struct sockaddr_storage peer;
    socklen_t peer_size;
};

struct sg_conn_table {
    uv_loop_t *loop;
    uv_timer_t tick;
    unsigned thread;
    struct sg_conn_table_options options;
    const struct sg_conn_table_ops *ops;
    void *user;
    struct sg_conn **slots;
    int slot_count, slot_used; /* capacity; first never used */
    int *free_slots;
    int free_count;
    int count;
    uint64_t serial;
    size_t out_bytes;
    struct sg_conn_counters counters;
};

/* Asks poll for what the connection's state needs. */
void sg_conn_watch(struct sg_conn *conn);
/* Bytes wait to be read, as of now. */
void sg_conn_note_progress(struct sg_conn *conn);
/* Tells its protocol that the connection is dead, or closes it when it has none. */
void sg_conn_lose(struct sg_conn *conn, int code);

#endif
