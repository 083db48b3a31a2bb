/* SPDX-License-Identifier: MIT
 * The protocols that have their place on the port but are not built yet: HTTP/1.1 and frame protocol v2. A
 * client of theirs gets a proper answer in its own language where there is one.
 */
#include "base/log.h"
#include "proto/proto.h"

#include <stdio.h>
#include <string.h>

#define UNBUILT_LINGER_MS 2000

static bool match_any(const uint8_t head[SG_SNIFF_BYTES], const char *const *words)
{
    for (; *words; words++)
        if (memcmp(head, *words, SG_SNIFF_BYTES) == 0)
            return true;
    return false;
}

static bool http_match(const uint8_t head[SG_SNIFF_BYTES])
{
    static const char *const methods[] = {"GET ", "POST", "HEAD", "PUT ", "DELE",
                                          "OPTI", "PATC", "TRAC", "CONN", NULL};

    return match_any(head, methods);
}

static bool v2_match(const uint8_t head[SG_SNIFF_BYTES])
{
    static const char *const magic[] = {"SGT2", NULL};

    return match_any(head, magic);
}

static void http_open(struct sg_conn *conn, struct sg_intake *intake, const struct sg_server_options *options,
                      const struct sg_error *refusal)
{
    int code = refusal ? (int)refusal->code : SG_E_UNSUPPORTED;
    char body[SG_ERROR_TEXT_MAX + 128], reply[sizeof(body) + 256];
    int size;

    (void)options;
    snprintf(body, sizeof(body), "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}\n", sg_err_name(code),
             refusal ? refusal->text
                     : "this version of sightd has no HTTP yet: send seed frames (docs/PROTOCOL.md) to this "
                       "port");
    size = snprintf(reply, sizeof(reply),
                    "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                    "Connection: close\r\n\r\n%s",
                    refusal ? "503 Service Unavailable\r\nRetry-After: 1" : "501 Not Implemented",
                    strlen(body), body);
    sg_intake_replied(intake, code);
    if (sg_conn_send(conn, reply, (size_t)size) < 0)
        sg_conn_close(&conn);
    else
        sg_conn_finish(&conn, UNBUILT_LINGER_MS);
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

const struct sg_proto_ops sg_proto_http = {.name = "http", .match = http_match, .open = http_open};
const struct sg_proto_ops sg_proto_v2 = {.name = "v2", .match = v2_match, .open = v2_open};
