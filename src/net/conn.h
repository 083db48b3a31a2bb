/* SPDX-License-Identifier: MIT
 * Connections: a table of sockets with ids, reading into memory the protocol names, writing with a queue,
 * deadlines, and an end that lets the client read the last reply. Loop thread only.
 *
 * Life: add → sniffing → (sniffed) → start or release → reading and sending → close, or finish.
 */
#ifndef SG_NET_CONN_H
#define SG_NET_CONN_H

#include "base/error.h"
#include "net/address.h"
#include "net/sniff.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#define SG_CONN_TABLE_MAX     65536              /* connections of one server, descriptors permitting */
#define SG_CONN_OUT_MAX_BYTES ((size_t)65 << 20) /* unsent replies of one connection */
#define SG_CONN_READ_BURST    ((size_t)1 << 20)  /* read from one connection before others get their turn */
#define SG_CONN_LINGER_MAX    ((size_t)1 << 30)  /* bytes thrown away after a final error */

struct sg_conn;
struct sg_conn_table;

/* What a protocol does with a connection. No callback comes after sg_conn_close, finish or release. */
struct sg_conn_ops {
    /* Where the next bytes belong; size 0 pauses reading until sg_conn_resume. */
    void (*want)(void *user, uint8_t **out_data, size_t *out_size);
    /* n bytes have arrived in the memory that want named. */
    void (*got)(void *user, size_t n);
    /* The client has shut its sending side down; replies may still be sent. */
    void (*eof)(void *user);
    /* Everything handed to send has been taken by the kernel. */
    void (*drained)(void *user);
    /* The socket is dead (code SG_E_IO), or a reply was not read in time (SG_E_TIMEOUT). The protocol closes.
     */
    void (*lost)(void *user, int code);
    /* The deadline set with sg_conn_set_deadline has passed; it is cleared before the call. */
    void (*late)(void *user);
    /* The client has shut its sending side down while reading is paused; what it sent before is still there.
     * May be NULL. */
    void (*shut)(void *user);
};

/* What the server hears about connections whose protocol is not known. */
struct sg_conn_table_ops {
    /* The first bytes are there: start, release or close it. */
    void (*sniffed)(void *user, struct sg_conn *conn, const uint8_t head[SG_SNIFF_BYTES]);
    /* Its deadline passed before 4 bytes came; count of them are in head: start it, close it, or set another
     * deadline. One that has begun to speak has had receive_timeout_ms since that was seen. */
    void (*silent)(void *user, struct sg_conn *conn, const uint8_t head[SG_SNIFF_BYTES], int count);
    /* A connection has left the table (count is already lower). */
    void (*left)(void *user);
};

/* Written by the loop thread, readable by any (relaxed). */
struct sg_conn_counters {
    _Atomic uint64_t bytes_in, bytes_out;
};

struct sg_conn_table_options {
    int64_t receive_timeout_ms; /* for the first bytes, once one is there */
    int64_t send_timeout_ms;    /* without progress of a reply that waits to be read */
    int64_t tick_ms;            /* how often deadlines are looked at */
};

int sg_conn_table_create(uv_loop_t *loop, const struct sg_conn_table_options *options,
                         const struct sg_conn_table_ops *ops, void *user, struct sg_conn_table **out_table,
                         struct sg_error *err);
/* Every connection must have been closed. Memory goes when the loop has run once more. */
void sg_conn_table_destroy(struct sg_conn_table **table);
int sg_conn_table_count(const struct sg_conn_table *table);
/* Unsent bytes of all connections. */
size_t sg_conn_table_out_bytes(const struct sg_conn_table *table);
const struct sg_conn_counters *sg_conn_table_counters(const struct sg_conn_table *table);
/* The connection of that id, or NULL when it has gone. Ids are never reused. */
struct sg_conn *sg_conn_find(struct sg_conn_table *table, uint64_t id);
/* Calls visit for every connection; visit may close it. */
void sg_conn_each(struct sg_conn_table *table, void (*visit)(void *arg, struct sg_conn *conn), void *arg);

/* Takes fd (closed on failure) and starts to sniff. SG_E_NOMEM, SG_E_BUSY (table full), SG_E_IO. */
int sg_conn_add(struct sg_conn_table *table, int fd, const struct sockaddr *peer, socklen_t peer_size,
                struct sg_conn **out_conn);
/* While sniffing: nothing is heard of it until then (sg_clock_us); `sniffed` comes again. */
void sg_conn_hold(struct sg_conn *conn, int64_t until_us);
/* Ends sniffing: reading goes to ops from the first byte on. */
void sg_conn_start(struct sg_conn *conn, const struct sg_conn_ops *ops, void *user);

/* Bytes that have arrived and are still to be read, without taking them; at most size. */
size_t sg_conn_peek(struct sg_conn *conn, void *out, size_t size);

uint64_t sg_conn_id(const struct sg_conn *conn);
/* The user pointer of sg_conn_start; NULL before, and after finish and close. */
void *sg_conn_user(const struct sg_conn *conn);
/* Since it was accepted. */
int64_t sg_conn_age_us(const struct sg_conn *conn);
/* True until start: the protocol is not known. */
bool sg_conn_sniffing(const struct sg_conn *conn);
/* While sniffing: whether some of the first bytes have come, as far as somebody has looked; looks, at the
 * price of a system call. Once they have been seen the rest has receive_timeout to come. */
bool sg_conn_begun(const struct sg_conn *conn);
bool sg_conn_begins(struct sg_conn *conn);
/* Since when no byte has come or gone (sg_clock_us). */
int64_t sg_conn_active_us(const struct sg_conn *conn);
/* A mark for the server, 0 at first: the code of why it got no place. */
void sg_conn_set_refused(struct sg_conn *conn, int code);
int sg_conn_refused(const struct sg_conn *conn);
/* "127.0.0.1:51334", or "unix:", into out. Returns out. */
const char *sg_conn_peer(const struct sg_conn *conn, char *out, size_t out_bytes);
/* Its client's sg_address_key. */
void sg_conn_key(const struct sg_conn *conn, uint8_t out[SG_ADDRESS_KEY_BYTES]);

/* Sends in one go what the kernel takes and keeps a copy of the rest. SG_E_IO: the client has gone;
 * SG_E_TOO_LARGE, SG_E_NOMEM: the queue cannot hold it. On failure the caller closes. */
int sg_conn_send(struct sg_conn *conn, const void *data, size_t size);
size_t sg_conn_unsent(const struct sg_conn *conn);
void sg_conn_resume(struct sg_conn *conn);
/* Monotonic microseconds (sg_clock_us), 0 = none. */
void sg_conn_set_deadline(struct sg_conn *conn, int64_t deadline_us);
/* Closes at once, unsent bytes are lost. */
void sg_conn_close(struct sg_conn **conn);
/* Sends what is unsent, shuts the sending side down and reads on into nothing until the client closes or
 * linger_ms pass: closing with unread bytes would reset the connection and destroy the last reply. */
void sg_conn_finish(struct sg_conn **conn, int64_t linger_ms);

#endif
