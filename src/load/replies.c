/* SPDX-License-Identifier: MIT
 * What comes of the requests of the load generator: replies told to the request they belong to, and counted.
 */
#include "base/clock.h"
#include "load/load_private.h"

#include <string.h>

#define RETRY_US 20000

bool sg_bench_measuring(const struct sg_bench_load *load, int64_t at_us)
{
    return at_us >= load->measure_from_us && at_us < load->measure_to_us;
}

bool sg_bench_count_failure(struct sg_bench_load *load, const char *code, int64_t began_us, int64_t now_us)
{
    if (!sg_bench_measuring(load, load->plan.rate > 0 ? began_us : now_us))
        return false;
    load->totals->failed++;
    sg_bench_totals_code(load->totals, code, 1);
    return true;
}

static void count_reply(struct sg_bench_load *load, const struct sg_bench_request *request,
                        const struct sg_bench_reply *reply)
{
    struct sg_bench_totals *totals = load->totals;
    int64_t now = sg_clock_us();
    bool counts = sg_bench_measuring(load, load->plan.rate > 0 ? request->began_us : now);

    if (reply->code[0]) {
        sg_bench_count_failure(load, reply->code, request->began_us, now);
        if (counts)
            sg_bench_histogram_add(&totals->refused, now - request->began_us);
        return;
    }
    if (load->objects[request->picture] < 0)
        load->objects[request->picture] = reply->objects;
    if (sg_bench_measuring(load, now)) {
        totals->ok++;
        totals->objects += (uint64_t)reply->objects;
        totals->changed += reply->objects != load->objects[request->picture];
        totals->late +=
            load->target.deadline_ms > 0 && now - request->began_us > load->target.deadline_ms * 1000;
    }
    if (counts)
        sg_bench_histogram_add(&totals->latency, now - request->began_us);
}

void sg_bench_lose(struct sg_bench_load *load, struct sg_bench_conn *conn, const char *code)
{
    int64_t now = sg_clock_us();
    int i;

    for (i = 0; i < conn->count; i++) {
        const struct sg_bench_request *request = &conn->ring[(conn->first + i) % load->plan.depth];

        if (!request->answered && !sg_bench_count_failure(load, code, request->began_us, now) &&
            !load->sending)
            load->totals->unanswered++;
    }
    sg_bench_conn_close(conn);
    conn->retry_us = now + RETRY_US;
}

/* The reply of a protocol without ids: of the oldest request. False when the connection is to be closed. */
static bool take_in_order(struct sg_bench_load *load, struct sg_bench_conn *conn,
                          const struct sg_bench_reply *reply)
{
    bool early = conn->sent == 0;

    count_reply(load, &conn->ring[conn->first], reply);
    sg_bench_conn_remove(conn, load->plan.depth, 0);
    /* Answered before it was sent whole: the rest of it would be taken for the next request. */
    if (!early && !reply->close)
        return true;
    sg_bench_lose(load, conn, "closed");
    conn->retry_us = 0;
    return false;
}

/* The same where replies name their request. What is answered early is still sent to its end. */
static bool take_by_id(struct sg_bench_load *load, struct sg_bench_conn *conn,
                       const struct sg_bench_reply *reply)
{
    int place;

    if (reply->close) {
        sg_bench_lose(load, conn, reply->code[0] ? reply->code : "closed");
        return false;
    }
    if (reply->no_reply)
        return true;
    place = sg_bench_conn_find(conn, load->plan.depth, reply->id);
    if (place < 0 || place > conn->sent || (place == conn->sent && conn->offset == 0)) {
        sg_bench_lose(load, conn, "bad_reply"); /* nobody asked */
        return false;
    }
    count_reply(load, &conn->ring[(conn->first + place) % load->plan.depth], reply);
    if (place < conn->sent)
        sg_bench_conn_remove(conn, load->plan.depth, place);
    else
        conn->ring[(conn->first + place) % load->plan.depth].answered = true;
    return true;
}

bool sg_bench_read_replies(struct sg_bench_load *load, struct sg_bench_conn *conn)
{
    while (conn->in.size > conn->in_used) {
        struct sg_bench_reply reply = {0};
        const struct sg_bench_wire *wire = load->target.wire;
        int64_t used = conn->count == 0 && !wire->set_id
                           ? SG_E_FRAMING /* nobody asked */
                           : wire->reply(&conn->scan, conn->in.data + conn->in_used,
                                         conn->in.size - conn->in_used, &reply);

        if (used < 0) {
            sg_bench_lose(load, conn, "bad_reply");
            return false;
        }
        if (used == 0)
            break;
        conn->in_used += (size_t)used;
        if (!(wire->set_id ? take_by_id : take_in_order)(load, conn, &reply))
            return false;
    }
    memmove(conn->in.data, conn->in.data + conn->in_used, conn->in.size - conn->in_used);
    conn->in.size -= conn->in_used;
    conn->in_used = 0;
    return true;
}
