/* SPDX-License-Identifier: MIT
 * Places for connections: how many there are, how many of them one address may have, and who gives way when
 * they are short. Loop thread.
 */
#ifndef SG_SERVE_PLACES_H
#define SG_SERVE_PLACES_H

#include "net/conn.h"
#include "serve/server.h"

/* A place for conn, which has just been added to the table. Where there is none the connection that has been
 * silent longest is ended: one of the same address when that has its share. 0; SG_E_BUSY, SG_E_TOO_MANY: it
 * is to be told so; SG_E_DROPPED: to be closed at once. *out_soon_us: after how long one of the silent
 * ones may give way, 0 = none is silent. */
int sg_places_take(struct sg_conn_table *conns, const struct sg_server_options *options, struct sg_conn *conn,
                   int64_t *out_soon_us);
/* What a connection that got none is told; `code` is what sg_places_take said. */
void sg_places_explain(const struct sg_conn_table *conns, const struct sg_server_options *options, int code,
                       struct sg_error *err);
/* Connections that one address may have. */
int sg_places_per_address(const struct sg_server_options *options);

#endif
