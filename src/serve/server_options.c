/* SPDX-License-Identifier: MIT
 * Values of a server that nothing is said about, and whether what is said makes sense.
 */
#include "img/decode.h"
#include "net/conn.h"
#include "serve/server.h"

void sg_server_options_init(struct sg_server_options *options)
{
    static const char *const here[] = {"127.0.0.1:8080"};

    *options = (struct sg_server_options){
        .listen = here,
        .listen_count = 1,
        .max_connections = 4096,
        .max_refused = 64,
        .max_pipelined = 64,
        .max_jobs = 256,
        .max_frame_bytes = (size_t)64 << 20,
        .max_pixels = SG_DECODE_MAX_PIXELS,
        .max_queue_bytes = (size_t)512 << 20,
        .max_memory = (size_t)1 << 30,
        .receive_timeout_ms = 30000,
        .send_timeout_ms = 30000,
        .idle_grace_ms = 10000,
        .drain_timeout_ms = 10000,
        .cors_max_age_ms = 600000,
        .handle_signals = true,
    };
}

int sg_server_options_check(const struct sg_server_options *o, struct sg_error *err)
{
    int protocols = 0;

    while (o->protocols && o->protocols[protocols])
        protocols++;
    if (protocols < 1 || protocols > SG_SERVER_PROTOCOLS_MAX)
        return sg_error_set(err, SG_E_INTERNAL, "%d protocols for a server", protocols);
    if (o->listen_count < 1 || o->listen_count > SG_SERVER_LISTENERS_MAX)
        return sg_error_set(err, SG_E_INVALID, "listen has %d addresses, allowed is 1 to %d", o->listen_count,
                            SG_SERVER_LISTENERS_MAX);
    if (o->max_refused < 1 || o->max_refused > SG_CONN_TABLE_MAX / 2)
        return sg_error_set(err, SG_E_INVALID, "max_refused is %d, allowed is 1 to %d", o->max_refused,
                            SG_CONN_TABLE_MAX / 2);
    if (o->max_connections < 1 || o->max_connections > SG_CONN_TABLE_MAX - o->max_refused)
        return sg_error_set(err, SG_E_INVALID, "max_connections is %d, allowed is 1 to %d",
                            o->max_connections, SG_CONN_TABLE_MAX - o->max_refused);
    if (o->max_pipelined < 1 || o->max_jobs < 1 || o->max_frame_bytes < 1)
        return sg_error_set(err, SG_E_INVALID,
                            "max_pipelined, max_queue and max_image_bytes must be at least 1");
    return 0;
}
