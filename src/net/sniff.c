/* SPDX-License-Identifier: MIT
 * Peeking with SO_RCVLOWAT: TCP sockets honour it in poll since Linux 2.6, unix sockets do not.
 */
#include "net/sniff.h"

#include <errno.h>
#include <sys/socket.h>

static void low_water(int fd, int bytes)
{
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
}

void sg_sniff_begin(int fd)
{
    low_water(fd, SG_SNIFF_BYTES);
}

static ssize_t peek(int fd, uint8_t head[SG_SNIFF_BYTES])
{
    ssize_t n;

    do
        n = recv(fd, head, SG_SNIFF_BYTES, MSG_PEEK | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n;
}

int sg_sniff_count(int fd, uint8_t head[SG_SNIFF_BYTES])
{
    ssize_t n = peek(fd, head);

    return n > 0 ? (int)n : 0;
}

enum sg_sniff sg_sniff_look(int fd, int closing, uint8_t head[SG_SNIFF_BYTES])
{
    ssize_t n = peek(fd, head);

    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return SG_SNIFF_WAIT;
    if (n > 0 && n < SG_SNIFF_BYTES && !closing)
        return SG_SNIFF_WAIT;
    low_water(fd, 1);
    return n == SG_SNIFF_BYTES ? SG_SNIFF_READY : SG_SNIFF_EOF;
}
