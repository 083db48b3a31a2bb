/* SPDX-License-Identifier: MIT
 * Blocking calls with timeouts on a non-blocking socket. Any thread; one sends and one receives at a time.
 */
#include "client/v2_link_io.h"

#include "base/clock.h"
#include "net/peer.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define IO_MAX_PIECES 64
#define IO_QUEUE_MS   10 /* between two tries to get into a full queue */

/* Waits for events until the deadline; 0 when they are there. */
static int wait_for(int fd, short events, int64_t deadline_us)
{
    for (;;) {
        int64_t left = deadline_us ? (deadline_us - sg_clock_us() + 999) / 1000 : -1;
        struct pollfd poll_fd = {.fd = fd, .events = events};
        int ready;

        if (deadline_us && left <= 0)
            left = 0;
        ready = poll(&poll_fd, 1, left > INT_MAX ? INT_MAX : (int)left);
        if (ready > 0)
            return 0;
        if (ready == 0 && deadline_us)
            return SG_E_TIMEOUT;
        if (ready < 0 && errno != EINTR)
            return SG_E_IO;
    }
}

static int connect_one(const struct sg_peer_place *to, int64_t deadline_us, int *out_fd)
{
    const struct sockaddr *address = (const struct sockaddr *)&to->address;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int failure = 0, one = 1, code = 0;
    socklen_t bytes = sizeof(failure);

    if (fd < 0)
        return SG_E_IO;
    /* A unix socket whose queue is full is not waited for by the system. */
    while ((failure = connect(fd, address, to->bytes)) != 0 && errno == EAGAIN &&
           address->sa_family == AF_UNIX && (deadline_us == 0 || sg_clock_us() < deadline_us))
        poll(NULL, 0, IO_QUEUE_MS);
    if (failure != 0) {
        code = errno == EINPROGRESS ? wait_for(fd, POLLOUT, deadline_us) : SG_E_IO;
        if (code == 0 && (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &bytes) != 0 || failure)) {
            errno = failure;
            code = SG_E_IO;
        }
    }
    if (code < 0) {
        failure = errno;
        close(fd);
        errno = failure;
        return code;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    *out_fd = fd;
    return 0;
}

int link_connect(const char *address, int timeout_ms, int *out_fd, struct sg_error *err)
{
    static const struct sg_address_use use = {
        .what = "address",
        .expected = "HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080, or unix:/PATH",
        .default_port = SG_ADDRESS_DEFAULT_PORT};
    int64_t deadline_us = timeout_ms < 0 ? 0 : sg_clock_us() + (int64_t)timeout_ms * 1000 + 1;
    struct sg_peer peer;
    int code = sg_peer_find(&use, address, &peer, err), i;

    if (code < 0)
        return code;
    code = SG_E_IO;
    for (i = 0; i < peer.count && code < 0; i++)
        code = connect_one(&peer.places[i], deadline_us, out_fd);
    if (code < 0)
        return sg_error_set(err, (enum sg_err)code,
                            "cannot connect to \"%.80s\": %s; is sightd running there?", address,
                            code == SG_E_TIMEOUT ? "no answer in time" : strerror(errno));
    return 0;
}

/* The pieces from byte `at` of head and parts on, as many as fit; *out_count of them. */
static void gather(struct iovec pieces[IO_MAX_PIECES], const void *head, size_t head_bytes,
                   const struct sg_v2_part *parts, int part_count, uint64_t at, int *out_count)
{
    int count = 0, i;

    if (at < head_bytes) {
        pieces[count++] =
            (struct iovec){.iov_base = (char *)(uintptr_t)head + at, .iov_len = (size_t)(head_bytes - at)};
        at = head_bytes;
    }
    at -= head_bytes;
    for (i = 0; i < part_count; i++) {
        const struct sg_v2_part *part = &parts[i];
        bool whole = part->rows == 1 || part->stride_bytes == part->row_bytes;
        size_t row_bytes = whole ? part->row_bytes * (size_t)part->rows : part->row_bytes;
        uint64_t rows = whole ? 1 : (uint64_t)part->rows, row = at / (row_bytes ? row_bytes : 1);

        if (at >= rows * row_bytes) {
            at -= rows * row_bytes;
            continue;
        }
        at -= row * row_bytes;
        for (; row < rows && count < IO_MAX_PIECES; row++, at = 0)
            pieces[count++] =
                (struct iovec){.iov_base = (char *)(uintptr_t)part->data + row * part->stride_bytes + at,
                               .iov_len = (size_t)(row_bytes - at)};
        if (count == IO_MAX_PIECES)
            break;
    }
    *out_count = count;
}

int link_send(int fd, const void *head, size_t head_bytes, const struct sg_v2_part *parts, int part_count,
              int timeout_ms, struct sg_error *err)
{
    uint64_t sent = 0;

    for (;;) {
        struct iovec pieces[IO_MAX_PIECES];
        struct msghdr message = {.msg_iov = pieces};
        int count, code;
        ssize_t n;

        gather(pieces, head, head_bytes, parts, part_count, sent, &count);
        if (count == 0)
            return 0;
        message.msg_iovlen = (size_t)count;
        n = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (n >= 0) {
            sent += (uint64_t)n;
            continue;
        }
        code =
            errno == EINTR ? 0
            : errno == EAGAIN || errno == EWOULDBLOCK
                ? wait_for(fd, POLLOUT, timeout_ms < 0 ? 0 : sg_clock_us() + (int64_t)timeout_ms * 1000 + 1)
                : SG_E_IO;
        if (code == SG_E_TIMEOUT)
            return sg_error_set(err, SG_E_TIMEOUT, "the server read nothing for %d ms", timeout_ms);
        if (code < 0)
            return sg_error_set(err, SG_E_IO, "cannot send to the server: %s", strerror(errno));
    }
}

int link_receive(int fd, void *data, size_t size, int64_t deadline_us, struct sg_error *err)
{
    size_t have = 0;

    while (have < size) {
        ssize_t n = recv(fd, (char *)data + have, size - have, 0);

        if (n > 0) {
            have += (size_t)n;
            continue;
        }
        if (n == 0)
            return sg_error_set(err, SG_E_IO, "the server closed the connection");
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            return sg_error_set(err, SG_E_IO, "cannot receive from the server: %s", strerror(errno));
        if (wait_for(fd, POLLIN, deadline_us) < 0)
            return sg_error_set(err, SG_E_TIMEOUT, "the server did not answer in time");
    }
    return 0;
}
