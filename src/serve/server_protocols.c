/* SPDX-License-Identifier: MIT
 * What the protocols of a server share among their connections, from its start to its end. Loop thread.
 */
#include "serve/protocol.h"
#include "serve/server_private.h"

int server_protocols_start(struct sg_server *server, const struct sg_server_view *view, struct sg_error *err)
{
    const struct sg_protocol_ops *const *protocols = server->options.protocols;
    int i, code = 0;

    for (i = 0; protocols[i] && code == 0; i++)
        if (protocols[i]->start)
            code = protocols[i]->start(view, protocols[i]->setup, &server->shared[i], err);
    return code;
}

void server_protocols_leave(struct sg_server *server)
{
    int i;

    for (i = 0; server->options.protocols[i]; i++)
        if (server->shared[i])
            server->options.protocols[i]->leave(server->shared[i]);
}

void server_protocols_drain(struct sg_server *server)
{
    int i;

    for (i = 0; server->options.protocols[i]; i++)
        if (server->shared[i])
            server->options.protocols[i]->drain(server->shared[i]);
}

void server_protocols_end(struct sg_server *server)
{
    int i;

    for (i = 0; server->options.protocols[i]; i++)
        if (server->shared[i])
            server->options.protocols[i]->end(&server->shared[i]);
}
