/* SPDX-License-Identifier: MIT
 * The first bytes of a connection, looked at without taking them, so that the protocol they choose (or a
 * transport that is begun on it) gets the stream whole. Loop thread, non-blocking.
 */
#ifndef SG_NET_SNIFF_H
#define SG_NET_SNIFF_H

#include "net/transport.h"

#include <stdint.h>

#define SG_SNIFF_BYTES 4

enum sg_sniff {
    SG_SNIFF_WAIT,  /* fewer than 4 bytes so far */
    SG_SNIFF_READY, /* head holds the first 4 bytes, still to be read */
    SG_SNIFF_EOF,   /* the client closed before it sent 4 bytes */
};

/* Asks the kernel to call it readable only when 4 bytes (or the end) are there: no spinning on 1 to 3 bytes.
 */
void sg_sniff_begin(const struct sg_transport *transport);
/* Peeks; on READY and EOF restores its ordinary readiness. closing: poll reported that the peer has shut its
 * side down, so no more bytes will come. */
enum sg_sniff sg_sniff_look(struct sg_transport *transport, int closing, uint8_t head[SG_SNIFF_BYTES]);
/* How many of the first bytes are there, 0 to 4. */
int sg_sniff_count(struct sg_transport *transport, uint8_t head[SG_SNIFF_BYTES]);

#endif
