/* SPDX-License-Identifier: MIT
 * Addresses as people write them, and socket addresses as logs show them. Pure.
 */
#ifndef SG_NET_ADDRESS_H
#define SG_NET_ADDRESS_H

#include "base/error.h"

#include <stdint.h>
#include <sys/socket.h>

#define SG_ADDRESS_HOST_MAX     256
#define SG_ADDRESS_TEXT_MAX     (SG_ADDRESS_HOST_MAX + 16)
#define SG_ADDRESS_DEFAULT_PORT 8080

#define SG_ADDRESS_PATH_MAX 107 /* bytes of a unix socket's path: sun_path of unix(7) */

enum sg_address_kind {
    SG_ADDRESS_TCP,
    SG_ADDRESS_UNIX,
    SG_ADDRESS_INHERITED, /* sockets that systemd hands over; of listeners only */
};

struct sg_address {
    enum sg_address_kind kind;
    char host[SG_ADDRESS_HOST_MAX]; /* without brackets; "" = every interface. SG_ADDRESS_UNIX: its path */
    uint16_t port;                  /* 0 = the system picks a free one */
};

/* What an address is for, where that makes a difference. */
struct sg_address_use {
    const char *what;      /* the word for it in messages: "listen address" */
    const char *expected;  /* the form that is right: "HOST:PORT, such as 127.0.0.1:8080" */
    uint16_t default_port; /* of an address that has none; 0 = it needs one */
};

/* Of a listener. "127.0.0.1:8080", "localhost:0", "[::1]:8080", ":8080" and "*:8080" (every interface),
 * "8080" (127.0.0.1), "myhost" and "[::1]" (port 8080); "unix:/run/sightd.sock"; "inherited". SG_E_INVALID
 * says what is wrong and shows the form that is right. */
int sg_address_parse(const char *text, struct sg_address *address, struct sg_error *err);

/* "127.0.0.1:8080", "[::1]:8080" or "unix:PATH" into out. Returns out. */
const char *sg_address_text(const struct sockaddr *address, socklen_t size, char *out, size_t out_bytes);

#define SG_ADDRESS_KEY_BYTES 16
/* What tells one client's machine from another: an IPv4 address, mapped or not, whole; of an IPv6 address the
 * first 64 bits, which is what one machine or site gets. Zeroes for what is neither. */
void sg_address_key(const struct sockaddr *address, uint8_t out[SG_ADDRESS_KEY_BYTES]);

#endif
