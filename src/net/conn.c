/* SPDX-License-Identifier: MIT
 * Connections over uv_poll: one handle from accept to close, reads straight into the protocol's memory.
 */
#include "net/conn_private.h"

#include "base/clock.h"
#include "base/thread.h"
#include "net/address.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void on_event(uv_poll_t *poll, int status, int events);

static void count_up(_Atomic uint64_t *counter, uint64_t n)
{
    /* One writer: a plain load and store are enough and cost no locked instruction. */
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);

    atomic_store_explicit(counter, now + n, memory_order_relaxed);
}

void sg_conn_watch(struct sg_conn *conn)
{
    int events = 0;

    switch (conn->state) {
    case CONN_SNIFFING:
        events = conn->held ? 0 : conn->partial ? UV_DISCONNECT : UV_READABLE | UV_DISCONNECT;
        break;
    case CONN_OPEN:
        if (!conn->eof && !conn->paused)
            events = UV_READABLE;
        else if (!conn->eof && !conn->peer_shut)
            events = UV_DISCONNECT; /* paused: still hear of a reset */
        break;
    case CONN_LINGERING:
        events = UV_READABLE;
        break;
    case CONN_FINISHING:
    case CONN_CLOSED:
        break;
    }
    if (conn->out.size > 0 && conn->state != CONN_CLOSED)
        events |= UV_WRITABLE;
    if (events == conn->events || conn->state == CONN_CLOSED)
        return;
    conn->events = events;
    if (events)
        uv_poll_start(&conn->poll, events, on_event);
    else
        uv_poll_stop(&conn->poll);
}

static void on_closed(uv_handle_t *handle)
{
    struct sg_conn *conn = handle->data;

    sg_buf_fini(&conn->out);
    free(conn);
}

/* Leaves the table; the struct lives until the loop has seen the handle off. */
static void detach(struct sg_conn *conn)
{
    struct sg_conn_table *table = conn->table;
    int slot = (int)(conn->id & (SG_CONN_TABLE_MAX - 1));

    SG_ASSERT_THREAD(table->thread);
    conn->state = CONN_CLOSED;
    conn->user = NULL;
    table->out_bytes -= conn->out.size - conn->out_from;
    table->slots[slot] = NULL;
    table->free_slots[table->free_count++] = slot;
    table->count--;
    uv_close((uv_handle_t *)&conn->poll, on_closed);
    if (table->ops->left)
        table->ops->left(table->user);
}

static void close_now(struct sg_conn *conn)
{
    detach(conn); /* takes the descriptor out of epoll before it can be reused */
    conn->transport.ops->close(&conn->transport);
}

void sg_conn_lose(struct sg_conn *conn, int code)
{
    if (conn->state == CONN_OPEN)
        conn->ops->lost(conn->user, code);
    else
        close_now(conn);
}

static void begin_linger(struct sg_conn *conn)
{
    conn->state = CONN_LINGERING;
    conn->transport.ops->shutdown(&conn->transport);
    if (conn->eof || conn->linger_ms <= 0) {
        close_now(conn);
        return;
    }
    conn->deadline_us = sg_clock_us() + conn->linger_ms * 1000;
    sg_conn_watch(conn);
}

static void linger(struct sg_conn *conn)
{
    uint8_t scratch[16384];
    int i;

    for (i = 0; i < 64; i++) {
        ssize_t n = conn->transport.ops->read(&conn->transport, scratch, sizeof(scratch));

        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n > 0)
            conn->lingered += (size_t)n;
        if (n <= 0 || conn->lingered > SG_CONN_LINGER_MAX) {
            close_now(conn);
            return;
        }
    }
}

static void read_some(struct sg_conn *conn)
{
    size_t left = SG_CONN_READ_BURST;

    while (conn->state == CONN_OPEN && !conn->eof && left > 0) {
        uint8_t *data = NULL;
        size_t size = 0;
        ssize_t n;

        conn->ops->want(conn->user, &data, &size);
        if (conn->state != CONN_OPEN)
            return;
        if (size == 0) {
            conn->paused = true;
            break;
        }
        if (size > left)
            size = left;
        n = conn->transport.ops->read(&conn->transport, data, size);
        if (n > 0) {
            count_up(&conn->table->counters.bytes_in, (uint64_t)n);
            conn->active_us = sg_clock_us();
            left -= (size_t)n;
            conn->ops->got(conn->user, (size_t)n);
            if ((size_t)n < size)
                break; /* the socket is empty; poll tells of more, and of the end */
        } else if (n == 0) {
            conn->eof = true;
            conn->ops->eof(conn->user);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            break;
        } else {
            conn->ops->lost(conn->user, SG_E_IO);
            return;
        }
    }
    sg_conn_watch(conn);
}

/* Sends from data; returns how much the kernel took, or -1 when the connection is dead. */
static ssize_t push(struct sg_conn *conn, const uint8_t *data, size_t size)
{
    size_t sent = 0;

    while (sent < size) {
        ssize_t n = conn->transport.ops->write(&conn->transport, data + sent, size - sent);

        if (n >= 0)
            sent += (size_t)n;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            break;
        else
            return -1;
    }
    count_up(&conn->table->counters.bytes_out, sent);
    if (sent > 0)
        conn->active_us = sg_clock_us();
    return (ssize_t)sent;
}

void sg_conn_note_progress(struct sg_conn *conn)
{
    conn->progress_us = sg_clock_us();
    if (ioctl(conn->transport.fd, SIOCOUTQ, &conn->kernel_left) != 0)
        conn->kernel_left = 0;
}

static void flush(struct sg_conn *conn)
{
    size_t waiting = conn->out.size - conn->out_from;
    ssize_t n = push(conn, conn->out.data + conn->out_from, waiting);

    if (n < 0) {
        sg_conn_lose(conn, SG_E_IO);
        return;
    }
    conn->out_from += (size_t)n;
    conn->table->out_bytes -= (size_t)n;
    if (n > 0)
        sg_conn_note_progress(conn);
    if (conn->out_from < conn->out.size)
        return;
    conn->out_from = 0;
    sg_buf_fini(&conn->out); /* a slow reader is rare: keep no memory for it */
    if (conn->state == CONN_FINISHING)
        begin_linger(conn);
    else if (conn->state == CONN_OPEN)
        conn->ops->drained(conn->user);
    sg_conn_watch(conn);
}

static void sniff(struct sg_conn *conn, int events)
{
    uint8_t head[SG_SNIFF_BYTES];

    switch (sg_sniff_look(&conn->transport, events & UV_DISCONNECT, head)) {
    case SG_SNIFF_WAIT:
        conn->partial = sg_sniff_count(&conn->transport, head) > 0;
        sg_conn_watch(conn);
        break;
    case SG_SNIFF_EOF:
        close_now(conn);
        break;
    case SG_SNIFF_READY:
        conn->deadline_us = 0;
        conn->table->ops->sniffed(conn->table->user, conn, head);
        break;
    }
}

/* Reading is paused and the peer has shut its side down: by half (fine) or by a reset. */
static void on_disconnect(struct sg_conn *conn)
{
    int error = 0;
    socklen_t size = sizeof(error);

    getsockopt(conn->transport.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        sg_conn_lose(conn, SG_E_IO);
        return;
    }
    conn->peer_shut = true;
    sg_conn_watch(conn);
    if (conn->ops->shut)
        conn->ops->shut(conn->user);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct sg_conn *conn = poll->data;

    if (status < 0) {
        conn->events = 0; /* libuv has stopped the handle */
        sg_conn_lose(conn, SG_E_IO);
        return;
    }
    if ((events & UV_WRITABLE) && conn->out.size > 0)
        flush(conn);
    if (conn->state == CONN_SNIFFING)
        sniff(conn, events);
    else if (conn->state == CONN_LINGERING && (events & UV_READABLE))
        linger(conn);
    else if (conn->state == CONN_OPEN && (events & UV_READABLE) && !conn->paused)
        read_some(conn);
    else if (conn->state == CONN_OPEN && (events & UV_DISCONNECT))
        on_disconnect(conn);
}

void sg_conn_hold(struct sg_conn *conn, int64_t until_us)
{
    conn->held = true;
    conn->deadline_us = until_us;
    sg_conn_watch(conn);
}

void sg_conn_start(struct sg_conn *conn, const struct sg_conn_ops *ops, void *user)
{
    conn->state = CONN_OPEN;
    conn->ops = ops;
    conn->user = user;
    conn->deadline_us = 0;
    sg_conn_watch(conn);
}

size_t sg_conn_peek(struct sg_conn *conn, void *out, size_t size)
{
    ssize_t n = conn->transport.ops->peek(&conn->transport, out, size);

    return n > 0 ? (size_t)n : 0;
}

uint64_t sg_conn_id(const struct sg_conn *conn)
{
    return conn->id;
}

void *sg_conn_user(const struct sg_conn *conn)
{
    return conn->user;
}

bool sg_conn_sniffing(const struct sg_conn *conn)
{
    return conn->state == CONN_SNIFFING;
}

int64_t sg_conn_active_us(const struct sg_conn *conn)
{
    return conn->active_us;
}

void sg_conn_set_refused(struct sg_conn *conn, int code)
{
    conn->refused = code;
}

int sg_conn_refused(const struct sg_conn *conn)
{
    return conn->refused;
}

const char *sg_conn_peer(const struct sg_conn *conn, char *out, size_t out_bytes)
{
    if (conn->peer.ss_family == AF_UNIX) { /* what a client calls itself is not for logs */
        snprintf(out, out_bytes, "unix:");
        return out;
    }
    return sg_address_text((const struct sockaddr *)&conn->peer, conn->peer_size, out, out_bytes);
}

int64_t sg_conn_age_us(const struct sg_conn *conn)
{
    return sg_clock_us() - conn->added_us;
}

void sg_conn_key(const struct sg_conn *conn, uint8_t out[SG_ADDRESS_KEY_BYTES])
{
    sg_address_key((const struct sockaddr *)&conn->peer, out);
}

int sg_conn_send(struct sg_conn *conn, const void *data, size_t size)
{
    ssize_t n = 0;
    int code;

    SG_ASSERT_THREAD(conn->table->thread);
    if (conn->out.size == 0) {
        n = push(conn, data, size);
        if (n < 0)
            return SG_E_IO;
        if ((size_t)n == size)
            return 0;
        sg_conn_note_progress(conn);
    }
    code = sg_buf_append(&conn->out, (const uint8_t *)data + n, size - (size_t)n);
    if (code < 0)
        return code;
    conn->table->out_bytes += size - (size_t)n;
    sg_conn_watch(conn);
    return 0;
}

size_t sg_conn_unsent(const struct sg_conn *conn)
{
    return conn->out.size - conn->out_from;
}

void sg_conn_resume(struct sg_conn *conn)
{
    conn->paused = false;
    sg_conn_watch(conn);
}

void sg_conn_set_deadline(struct sg_conn *conn, int64_t deadline_us)
{
    conn->deadline_us = deadline_us;
}

void sg_conn_close(struct sg_conn **conn)
{
    if (*conn && (*conn)->state != CONN_CLOSED)
        close_now(*conn);
    *conn = NULL;
}

void sg_conn_finish(struct sg_conn **conn, int64_t linger_ms)
{
    struct sg_conn *c = *conn;

    *conn = NULL;
    if (!c)
        return;
    c->state = CONN_FINISHING;
    c->ops = NULL;
    c->user = NULL;
    c->deadline_us = 0;
    c->linger_ms = linger_ms;
    if (c->out.size == 0)
        begin_linger(c);
    else
        sg_conn_watch(c);
}
