/* SPDX-License-Identifier: MIT
 * One connection of the load generator: non-blocking connect, gathered writes, reads into a buffer. Both
 * directions go on until the socket would block, as edge-triggered epoll asks.
 */
#include "app/bench_private.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/uio.h>
#include <unistd.h>

#define READ_BYTES ((size_t)64 << 10)

int sg_bench_conn_open(struct sg_bench_conn *conn, const struct sg_bench_target *target)
{
    int one = 1;

    conn->fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        return -errno;
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    conn->connecting = true;
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
    conn->scan = (struct sg_bench_scan){0};
    sg_buf_clear(&conn->in);
}

enum sg_bench_event sg_bench_conn_send(struct sg_bench_conn *conn, const struct sg_bench_picture *heads,
                                       const struct sg_bench_plan *plan)
{
    while (conn->sent < conn->count) {
        int picture = conn->ring[(conn->first + conn->sent) % plan->depth].picture;
        const struct sg_bench_picture *head = &heads[picture], *body = &plan->pictures[picture];
        size_t in_body = conn->offset > head->size ? conn->offset - head->size : 0;
        struct iovec parts[2] = {
            {(void *)(uintptr_t)(head->bytes + (conn->offset < head->size ? conn->offset : head->size)),
             conn->offset < head->size ? head->size - conn->offset : 0},
            {(void *)(uintptr_t)(body->bytes + in_body), body->size - in_body}};
        const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        ssize_t done = sendmsg(conn->fd, &message, MSG_NOSIGNAL);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? SG_BENCH_ALIVE : SG_BENCH_LOST;
        conn->offset += (size_t)done;
        if (conn->offset == head->size + body->size) {
            conn->offset = 0;
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
