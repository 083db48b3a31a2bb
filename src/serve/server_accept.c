/* SPDX-License-Identifier: MIT
 * From an accepted socket to its protocol: a place, the first bytes, or why there is neither. Loop thread.
 */
#include "serve/server_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "serve/places.h"
#include "serve/protocol.h"

#define SERVER_REFUSE_MS 1000 /* how long one that got no place may stay silent */
#define SERVER_WAIT_MS   2000 /* and wait for a place that comes free by itself */

/* A connection that says nothing is looked at now and then, so that one that sends less than a protocol's
 * name is seen, and closed when idle_timeout says so. */
static void await_first_bytes(const struct sg_server *server, struct sg_conn *conn)
{
    int64_t wait_us = server->options.receive_timeout_ms * 1000;
    int64_t idle_us = server->options.idle_timeout_ms * 1000 - sg_conn_age_us(conn);

    if (server->options.idle_timeout_ms > 0 && idle_us < wait_us)
        wait_us = idle_us > 0 ? idle_us : 1;
    sg_conn_set_deadline(conn, sg_clock_us() + wait_us);
}

void server_accept(struct sg_server *server, bool on)
{
    int i;

    for (i = 0; i < server->listener_count; i++)
        sg_listener_accept(server->listeners[i], on);
}

void server_on_accepted(void *user, int fd, const struct sockaddr *peer, socklen_t peer_size)
{
    struct sg_server *server = user;
    struct sg_conn *conn;
    int64_t soon_us;
    int count, code;

    if (sg_conn_add(server->conns, fd, peer, peer_size, &conn) < 0) {
        sg_log(SG_LOG_WARN, "a connection could not be taken", "open=%d", sg_conn_table_count(server->conns));
        return;
    }
    sg_counter_add(&server->intake.counters.accepted, 1);
    code = sg_places_take(server->conns, &server->options, conn, &soon_us);
    if (code < 0) {
        sg_counter_add(&server->intake.counters.refused, 1);
        sg_conn_set_refused(conn, code);
        sg_conn_set_deadline(conn, sg_clock_us() + SERVER_REFUSE_MS * 1000);
    } else {
        await_first_bytes(server, conn);
    }
    if (code == SG_E_DROPPED)
        sg_conn_close(&conn);
    count = sg_conn_table_count(server->conns);
    if (count >= server->options.max_connections + server->options.max_refused) {
        server->over_full = true;
        server_accept(server, false);
    }
}

/* late: its first bytes did not come in time, or NULL. */
static void open_protocol(struct sg_server *server, struct sg_conn *conn, const uint8_t *head, int count,
                          const struct sg_error *late)
{
    int which = sg_protocol_find(server->options.protocols, head, count);
    const struct sg_protocol_ops *protocol = server->options.protocols[which];
    const struct sg_error *refusal = late;
    struct sg_error busy;

    if (sg_log_enabled(SG_LOG_DEBUG)) {
        char peer[64];

        sg_log(SG_LOG_DEBUG, "connection", "conn=%llu peer=%s protocol=%s",
               (unsigned long long)sg_conn_id(conn), sg_conn_peer(conn, peer, sizeof(peer)), protocol->name);
    }
    if (sg_conn_refused(conn)) {
        sg_places_explain(server->conns, &server->options, sg_conn_refused(conn), &busy);
        refusal = &busy;
    }
    protocol->open(server->shared[which], conn, &server->intake, &server->options, refusal);
}

/* One that got no place asks once more when it speaks, and waits where a silent one gives way soon. True: it
 * waits. */
static bool wait_for_place(struct sg_server *server, struct sg_conn *conn)
{
    int64_t soon_us, age_us = sg_conn_age_us(conn);
    int code;

    sg_conn_set_refused(conn, 0);
    code = sg_places_take(server->conns, &server->options, conn, &soon_us);
    sg_conn_set_refused(conn, code == SG_E_DROPPED ? SG_E_TOO_MANY : code);
    if (code == 0 || soon_us == 0 || age_us + soon_us > SERVER_WAIT_MS * 1000)
        return false;
    sg_conn_hold(conn, sg_clock_us() + soon_us);
    return true;
}

static void on_sniffed(void *user, struct sg_conn *conn, const uint8_t head[SG_SNIFF_BYTES])
{
    if (sg_conn_refused(conn) && wait_for_place(user, conn))
        return;
    open_protocol(user, conn, head, SG_SNIFF_BYTES, NULL);
}

static void on_silent(void *user, struct sg_conn *conn, const uint8_t head[SG_SNIFF_BYTES], int count)
{
    const struct sg_server *server = user;
    int64_t idle_ms = server->options.idle_timeout_ms;
    struct sg_error late;

    if (count > 0 || sg_conn_refused(conn)) {
        /* A refused client that waits for the server to speak first is told why it is closed. */
        sg_error_set(
            &late, SG_E_TIMEOUT,
            "the request did not arrive in time: %d bytes of it after %lld ms (receive_timeout); the "
            "connection closes",
            count, (long long)sg_conn_age_us(conn) / 1000);
        open_protocol(user, conn, head, count, &late);
    } else if (idle_ms > 0 && sg_conn_age_us(conn) >= idle_ms * 1000) {
        sg_conn_close(&conn);
    } else {
        await_first_bytes(server, conn);
    }
}

static void on_left(void *user)
{
    struct sg_server *server = user;

    if (!server->over_full || server->stop_seen)
        return;
    server->over_full = false;
    server_accept(server, true);
}

const struct sg_conn_table_ops server_table_ops = {
    .sniffed = on_sniffed, .silent = on_silent, .left = on_left};
