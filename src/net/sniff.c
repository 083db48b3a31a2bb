/* SPDX-License-Identifier: MIT
 * Peeking with SO_RCVLOWAT: TCP sockets honour it in poll since Linux 2.6, unix sockets do not.
 */
#include "net/sniff.h"

#include <errno.h>
#include <sys/socket.h>

static void low_water(const struct sg_transport *transport, int bytes)
{
    setsockopt(transport->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
}

void sg_sniff_begin(const struct sg_transport *transport)
{
    low_water(transport, SG_SNIFF_BYTES);
}

int sg_sniff_count(struct sg_transport *transport, uint8_t head[SG_SNIFF_BYTES])
{
    ssize_t n = transport->ops->peek(transport, head, SG_SNIFF_BYTES);

    return n > 0 ? (int)n : 0;
}

enum sg_sniff sg_sniff_look(struct sg_transport *transport, int closing, uint8_t head[SG_SNIFF_BYTES])
{
    ssize_t n = transport->ops->peek(transport, head, SG_SNIFF_BYTES);

    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return SG_SNIFF_WAIT;
    if (n > 0 && n < SG_SNIFF_BYTES && !closing)
        return SG_SNIFF_WAIT;
    low_water(transport, 1);
    return n == SG_SNIFF_BYTES ? SG_SNIFF_READY : SG_SNIFF_EOF;
}
