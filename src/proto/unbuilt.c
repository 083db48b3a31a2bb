/* SPDX-License-Identifier: MIT
 * The protocol that has its place on the port but is not built yet: frame protocol v2.
 */
#include "base/log.h"
#include "proto/proto.h"

#include <string.h>

static bool match_any(const uint8_t head[SG_SNIFF_BYTES], const char *const *words)
{
    for (; *words; words++)
        if (memcmp(head, *words, SG_SNIFF_BYTES) == 0)
            return true;
    return false;
}

static bool v2_match(const uint8_t head[SG_SNIFF_BYTES])
{
    static const char *const magic[] = {"SGT2", NULL};

    return match_any(head, magic);
}

static void v2_open(struct sg_conn *conn, struct sg_intake *intake, const struct sg_server_options *options,
                    const struct sg_error *refusal)
{
    char peer[64];

    (void)intake;
    (void)options;
    (void)refusal;
    sg_log(SG_LOG_WARN, "a client speaks frame protocol v2, which this version has not", "peer=%s",
           sg_conn_peer(conn, peer, sizeof(peer)));
    sg_conn_close(&conn);
}

const struct sg_proto_ops sg_proto_v2 = {.name = "v2", .match = v2_match, .open = v2_open};
