/* SPDX-License-Identifier: MIT
 * One connection of the load generator: non-blocking connect, gathered writes, reads into a buffer. Both
 * directions go on until the socket would block, as edge-triggered epoll asks.
 */
#include "load/load_private.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define READ_BYTES ((size_t)64 << 10)

static struct sg_bench_request *at(const struct sg_bench_conn *conn, int depth, int place)
{
    return &conn->ring[(conn->first + place) % depth];
}

int sg_bench_conn_find(const struct sg_bench_conn *conn, int depth, uint64_t id)
{
    int place = 0;

    while (place < conn->count && (at(conn, depth, place)->id != id || at(conn, depth, place)->answered))
        place++;
    return place < conn->count ? place : -1;
}

void sg_bench_conn_remove(struct sg_bench_conn *conn, int depth, int place)
{
    if (place < conn->sent)
        conn->sent--;
    for (; place > 0; place--)
        *at(conn, depth, place) = *at(conn, depth, place - 1);
    conn->first = (conn->first + 1) % depth;
    conn->count--;
}

int sg_bench_conn_open(struct sg_bench_conn *conn, const struct sg_bench_target *target)
{
    int one = 1;

    conn->fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        return -errno;
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    conn->connecting = true;
    if (target->wire->greet)
        conn->greeting_bytes = target->wire->greet(conn->greeting);
    if (connect(conn->fd, (const struct sockaddr *)&target->address, target->address_bytes) == 0 ||
        errno == EINPROGRESS)
        return 0;
    one = errno;
    sg_bench_conn_close(conn);
    return -one;
}

void sg_bench_conn_close(struct sg_bench_conn *conn)
{
    if (conn->fd >= 0)
        close(conn->fd);
    conn->fd = -1;
    conn->connecting = false;
    conn->first = conn->count = conn->sent = 0;
    conn->offset = conn->in_used = 0;
    conn->last_id = 0;
    conn->greeting_bytes = conn->greeted = 0;
    conn->scan = (struct sg_bench_scan){0};
    sg_buf_clear(&conn->in);
}

/* The greeting goes out as a part of the first request. */
enum sg_bench_event sg_bench_conn_send(struct sg_bench_conn *conn, const struct sg_bench_wire *wire,
                                       const struct sg_bench_picture *heads, const struct sg_bench_plan *plan)
{
    while (conn->sent < conn->count) {
        const struct sg_bench_request *request = at(conn, plan->depth, conn->sent);
        struct sg_bench_picture head = heads[request->picture], body = plan->pictures[request->picture];
        struct iovec parts[3];
        size_t in_head, in_body;
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
        ssize_t done;

        if (wire->set_id) {
            if (conn->offset == 0) {
                memcpy(conn->head, head.bytes, head.size);
                wire->set_id(conn->head, request->id);
            }
            head.bytes = conn->head;
        }
        in_head = conn->offset < head.size ? conn->offset : head.size;
        in_body = conn->offset - in_head;
        parts[0] = (struct iovec){conn->greeting + conn->greeted, conn->greeting_bytes - conn->greeted};
        parts[1] = (struct iovec){(void *)(uintptr_t)(head.bytes + in_head), head.size - in_head};
        parts[2] = (struct iovec){(void *)(uintptr_t)(body.bytes + in_body), body.size - in_body};
        done = sendmsg(conn->fd, &message, MSG_NOSIGNAL);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? SG_BENCH_ALIVE : SG_BENCH_LOST;
        if ((size_t)done <= parts[0].iov_len) {
            conn->greeted += (size_t)done;
        } else {
            conn->greeted = conn->greeting_bytes;
            conn->offset += (size_t)done - parts[0].iov_len;
        }
        if (conn->offset == head.size + body.size) {
            conn->offset = 0;
            if (request->answered)
                sg_bench_conn_remove(conn, plan->depth, conn->sent);
            else
                conn->sent++;
        }
    }
    return SG_BENCH_ALIVE;
}

enum sg_bench_event sg_bench_conn_receive(struct sg_bench_conn *conn)
{
    for (;;) {
        ssize_t got;

        if (sg_buf_reserve(&conn->in, READ_BYTES) < 0)
            return SG_BENCH_LOST;
        got = recv(conn->fd, conn->in.data + conn->in.size, READ_BYTES, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? SG_BENCH_ALIVE : SG_BENCH_LOST;
        if (got == 0)
            return SG_BENCH_LOST;
        conn->in.size += (size_t)got;
    }
}
