/* SPDX-License-Identifier: MIT
 * Addresses for those of this room: listeners and peers. Nobody else includes it.
 */
#ifndef SG_NET_ADDRESS_PRIVATE_H
#define SG_NET_ADDRESS_PRIVATE_H

#include "net/address.h"

#include <sys/un.h>

/* All of an address but its port, whose text, or NULL, is left to address_port or to who knows more of ports.
 */
int address_split(const struct sg_address_use *use, const char *text, struct sg_address *address,
                  const char **out_port, struct sg_error *err);
int address_port(const struct sg_address_use *use, const char *text, const char *port, uint16_t *out_port,
                 struct sg_error *err);
/* Of an address of SG_ADDRESS_UNIX. */
struct sockaddr_un address_local(const struct sg_address *address);

#endif
