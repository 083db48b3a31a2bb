/* SPDX-License-Identifier: MIT
 * The registry of protocols, in the order they are asked.
 */
#include "proto/proto.h"

static const struct sg_proto_ops *const protocols[] = {&sg_proto_v2, &sg_proto_http, &sg_proto_seed};

const struct sg_proto_ops *sg_proto_find(const uint8_t head[SG_SNIFF_BYTES])
{
    size_t i;

    for (i = 0; i < sizeof(protocols) / sizeof(protocols[0]) - 1; i++)
        if (protocols[i]->match(head))
            return protocols[i];
    return &sg_proto_seed;
}
