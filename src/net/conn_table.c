/* SPDX-License-Identifier: MIT
 * All connections of a server: places, ids, deadlines. Deadlines are looked at by one tick rather than by a
 * timer each: setting one costs a store, and thousands of idle connections cost a scan a few times a second.
 */
#include "base/clock.h"
#include "base/thread.h"
#include "net/conn_private.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool sg_conn_begun(const struct sg_conn *conn)
{
    return conn->begun;
}

bool sg_conn_begins(struct sg_conn *conn)
{
    uint8_t head[SG_SNIFF_BYTES];

    if (!conn->begun && conn->state == CONN_SNIFFING && sg_sniff_count(&conn->transport, head) > 0) {
        conn->begun = true;
        conn->deadline_us = sg_clock_us() + conn->table->options.receive_timeout_ms * 1000;
    }
    return conn->begun;
}

static void first_bytes_late(struct sg_conn *conn, int64_t now)
{
    const struct sg_conn_table *table = conn->table;
    uint8_t head[SG_SNIFF_BYTES] = {0};
    int count = sg_sniff_count(&conn->transport, head);
    bool seen = conn->begun;

    if (conn->held) {
        conn->held = false;
        sg_conn_watch(conn);
        return;
    }
    if (count == SG_SNIFF_BYTES)
        return; /* all there: this turn's poll tells */
    conn->begun = count > 0;
    if (conn->begun && !seen && !conn->refused)
        conn->deadline_us = now + table->options.receive_timeout_ms * 1000;
    else
        table->ops->silent(table->user, conn, head, count);
}

/* The kernel takes more only when a good part of its buffer is free again: a slow reader may read for longer
 * than is waited, and none of it shows by what was taken. */
static bool has_read(struct sg_conn *conn)
{
    int before = conn->kernel_left;

    sg_conn_note_progress(conn);
    return conn->kernel_left < before;
}

static void check_deadlines(struct sg_conn *conn, int64_t now)
{
    if (conn->out.size > 0 && now - conn->progress_us > conn->table->options.send_timeout_ms * 1000 &&
        !has_read(conn)) {
        sg_conn_lose(conn, SG_E_TIMEOUT);
        return;
    }
    if (conn->partial) {
        conn->partial = false;
        sg_conn_watch(conn);
    }
    if (conn->deadline_us == 0 || now < conn->deadline_us)
        return;
    conn->deadline_us = 0;
    if (conn->state == CONN_OPEN)
        conn->ops->late(conn->user);
    else if (conn->state == CONN_SNIFFING)
        first_bytes_late(conn, now);
    else if (conn->state == CONN_LINGERING)
        sg_conn_close(&conn);
}

static void on_tick(uv_timer_t *timer)
{
    struct sg_conn_table *table = timer->data;
    int64_t now = sg_clock_us();
    int i;

    for (i = 0; i < table->slot_used; i++)
        if (table->slots[i])
            check_deadlines(table->slots[i], now);
}

int sg_conn_table_create(uv_loop_t *loop, const struct sg_conn_table_options *options,
                         const struct sg_conn_table_ops *ops, void *user, struct sg_conn_table **out_table,
                         struct sg_error *err)
{
    struct sg_conn_table *table = calloc(1, sizeof(*table));

    *out_table = NULL;
    if (!table)
        return sg_error_set(err, SG_E_NOMEM, "no memory for the table of connections");
    table->loop = loop;
    table->options = *options;
    table->ops = ops;
    table->user = user;
    uv_timer_init(loop, &table->tick);
    table->tick.data = table;
    *out_table = table;
    return 0;
}

static void on_tick_closed(uv_handle_t *handle)
{
    struct sg_conn_table *table = handle->data;

    free(table->slots);
    free(table->free_slots);
    free(table);
}

void sg_conn_table_destroy(struct sg_conn_table **table)
{
    if (*table)
        uv_close((uv_handle_t *)&(*table)->tick, on_tick_closed);
    *table = NULL;
}

int sg_conn_table_count(const struct sg_conn_table *table)
{
    return table->count;
}

size_t sg_conn_table_out_bytes(const struct sg_conn_table *table)
{
    return table->out_bytes;
}

const struct sg_conn_counters *sg_conn_table_counters(const struct sg_conn_table *table)
{
    return &table->counters;
}

struct sg_conn *sg_conn_find(struct sg_conn_table *table, uint64_t id)
{
    uint64_t slot = id & (SG_CONN_TABLE_MAX - 1);
    struct sg_conn *conn = slot < (uint64_t)table->slot_used ? table->slots[slot] : NULL;

    return conn && conn->id == id ? conn : NULL;
}

void sg_conn_each(struct sg_conn_table *table, void (*visit)(void *arg, struct sg_conn *conn), void *arg)
{
    int i;

    for (i = 0; i < table->slot_used; i++)
        if (table->slots[i])
            visit(arg, table->slots[i]);
}

/* A free place in the table, or -1 when memory or SG_CONN_TABLE_MAX ran out. */
static int take_slot(struct sg_conn_table *table)
{
    if (table->free_count > 0)
        return table->free_slots[--table->free_count];
    if (table->slot_used == table->slot_count) {
        int count = table->slot_count ? table->slot_count * 2 : 64;
        struct sg_conn **slots;
        int *free_slots;

        if (count > SG_CONN_TABLE_MAX)
            return -1;
        slots = realloc(table->slots, (size_t)count * sizeof(struct sg_conn *));
        if (!slots)
            return -1;
        table->slots = slots;
        free_slots = realloc(table->free_slots, (size_t)count * sizeof(*free_slots));
        if (!free_slots)
            return -1;
        table->free_slots = free_slots;
        table->slot_count = count;
    }
    return table->slot_used++;
}

int sg_conn_add(struct sg_conn_table *table, int fd, const struct sockaddr *peer, socklen_t peer_size,
                struct sg_conn **out_conn)
{
    struct sg_conn *conn = NULL;
    int slot = -1, code = SG_E_NOMEM;

    *out_conn = NULL;
    if (table->thread == 0) {
        table->thread = sg_thread_self();
        uv_timer_start(&table->tick, on_tick, (uint64_t)table->options.tick_ms,
                       (uint64_t)table->options.tick_ms);
    }
    SG_ASSERT_THREAD(table->thread);
    conn = calloc(1, sizeof(*conn));
    if (!conn)
        goto out;
    slot = take_slot(table);
    if (slot < 0) {
        code = SG_E_BUSY;
        goto out;
    }
    if (uv_poll_init(table->loop, &conn->poll, fd) < 0) {
        code = SG_E_IO;
        goto out;
    }
    conn->poll.data = conn;
    conn->table = table;
    conn->transport = sg_transport_plain(fd);
    conn->added_us = conn->active_us = sg_clock_us();
    conn->id = ++table->serial << CONN_SLOT_BITS | (uint64_t)slot;
    sg_buf_init(&conn->out, SG_CONN_OUT_MAX_BYTES);
    conn->peer_size = peer_size < sizeof(conn->peer) ? peer_size : sizeof(conn->peer);
    memcpy(&conn->peer, peer, conn->peer_size);
    table->slots[slot] = conn;
    table->count++;
    sg_sniff_begin(&conn->transport);
    sg_conn_watch(conn);
    *out_conn = conn;
    conn = NULL;
    return 0;
out:
    if (slot >= 0) {
        table->slots[slot] = NULL;
        table->free_slots[table->free_count++] = slot;
    }
    free(conn);
    close(fd);
    return code;
}
