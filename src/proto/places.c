/* SPDX-License-Identifier: MIT
 * Looks at every connection of the table: that happens once for each new one, and a table of 4,096 takes some
 * ten microseconds.
 */
#include "proto/places.h"

#include "base/clock.h"
#include "base/log.h"
#include "proto/proto.h"

#include <string.h>

#define UNSPOKEN_GRACE_US 1000000 /* of connections that have never said anything */

struct search {
    const struct sg_conn *conn;
    uint8_t key[SG_ADDRESS_KEY_BYTES];
    bool same_address; /* look only at those */
    int64_t now, grace_us;
    int count, refused; /* of the address: with a place, conn itself included; without */
    struct sg_conn *longest;
    int64_t longest_us;
    int64_t soon_us; /* until the next one has been silent for long enough; 0 = none is silent */
};

static bool same_address(const struct search *search, const struct sg_conn *conn)
{
    uint8_t key[SG_ADDRESS_KEY_BYTES];

    sg_conn_key(conn, key);
    return memcmp(key, search->key, sizeof(key)) == 0;
}

static void count(void *arg, struct sg_conn *conn)
{
    struct search *search = arg;

    if (!same_address(search, conn))
        return;
    if (sg_conn_refused(conn))
        search->refused++;
    else
        search->count++;
}

/* For how long it has been silent, 0 when it is not; in *out_grace_us how long it may be. */
static int64_t silence_us(const struct search *search, struct sg_conn *conn, int64_t *out_grace_us)
{
    struct sg_session *session = sg_conn_user(conn);
    int64_t since_us;

    *out_grace_us = search->grace_us;
    if (session) {
        since_us = session->ops->idle_since(session);
        return since_us > 0 ? search->now - since_us : 0;
    }
    if (search->grace_us > UNSPOKEN_GRACE_US)
        *out_grace_us = UNSPOKEN_GRACE_US;
    return sg_conn_sniffing(conn) ? sg_conn_age_us(conn) : 0;
}

static void look(void *arg, struct sg_conn *conn)
{
    struct search *search = arg;
    int64_t silent_us, grace_us;
    uint8_t first;

    if (conn == search->conn || sg_conn_refused(conn) ||
        (search->same_address && !same_address(search, conn)))
        return;
    silent_us = silence_us(search, conn, &grace_us);
    if (silent_us <= 0 || (silent_us >= grace_us && silent_us <= search->longest_us) ||
        sg_conn_peek(conn, &first, 1) > 0)
        return;
    if (silent_us >= grace_us) {
        search->longest = conn;
        search->longest_us = silent_us;
    } else if (search->soon_us == 0 || grace_us - silent_us < search->soon_us) {
        search->soon_us = grace_us - silent_us;
    }
}

/* Ends the connection that has been silent longest; false when none has been long enough. */
static bool give_way(struct sg_conn_table *conns, struct search *search)
{
    struct sg_session *session;
    char peer[64];

    search->longest = NULL;
    search->longest_us = 0;
    if (search->grace_us > 0)
        sg_conn_each(conns, look, search);
    if (!search->longest)
        return false;
    session = sg_conn_user(search->longest);
    sg_log(SG_LOG_INFO, "a silent connection gives way", "conn=%llu peer=%s silent_ms=%lld",
           (unsigned long long)sg_conn_id(search->longest), sg_conn_peer(search->longest, peer, sizeof(peer)),
           (long long)search->longest_us / 1000);
    if (session)
        session->ops->drain(session);
    else
        sg_conn_close(&search->longest);
    return true;
}

int sg_places_per_address(const struct sg_server_options *options)
{
    int most = options->max_connections_per_address;

    return most > 0 ? most : options->max_connections - options->max_connections / 4;
}

int sg_places_take(struct sg_conn_table *conns, const struct sg_server_options *options, struct sg_conn *conn,
                   int64_t *out_soon_us)
{
    struct search search = {.conn = conn, .now = sg_clock_us(), .grace_us = options->idle_grace_ms * 1000};
    bool full;

    full = sg_conn_table_count(conns) > options->max_connections;
    sg_conn_key(conn, search.key);
    /* With few connections open nobody needs to be counted. */
    if (sg_conn_table_count(conns) > sg_places_per_address(options))
        sg_conn_each(conns, count, &search);
    search.same_address = search.count > sg_places_per_address(options);
    *out_soon_us = 0;
    if ((!full && !search.same_address) || give_way(conns, &search))
        return 0;
    *out_soon_us = search.soon_us;
    if (full)
        return SG_E_BUSY;
    /* They wait for a second to be told: one address must not fill the table with those either. */
    return search.refused < options->max_refused ? SG_E_TOO_MANY : SG_E_DROPPED;
}

void sg_places_explain(const struct sg_conn_table *conns, const struct sg_server_options *options, int code,
                       struct sg_error *err)
{
    if (code == SG_E_TOO_MANY)
        sg_error_set(
            err, SG_E_TOO_MANY,
            "your address has more than %d connections open (max_connections_per_address); close some, or "
            "try again later",
            sg_places_per_address(options));
    else
        sg_error_set(err, SG_E_BUSY,
                     "the server has %d connections open, the limit is %d (max_connections); try again later",
                     sg_conn_table_count(conns) - 1, options->max_connections);
}
