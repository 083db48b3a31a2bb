/* SPDX-License-Identifier: MIT
 * Looks at every connection of the table: that happens for each new one that finds no place, so without
 * system calls, a table of 4,096 in some ten microseconds. Only those that look best are asked by their
 * sockets.
 */
#include "serve/places.h"

#include "base/clock.h"
#include "base/log.h"
#include "serve/protocol.h"

#include <string.h>

#define UNSPOKEN_GRACE_US 1000000 /* of connections that have never said anything */
#define BEST_MAX          8       /* found in one pass over the table */
#define PASSES_MAX        4       /* where all of those have just begun to speak */
#define AGAIN_US          10000   /* until the next try, where all did */

struct candidate {
    struct sg_conn *conn;
    int64_t silent_us, left_us; /* for how long it is; until it may give way, 0 or less: now */
};

struct search {
    const struct sg_conn *conn;
    uint8_t key[SG_ADDRESS_KEY_BYTES];
    bool same_address; /* look only at those */
    int64_t now, grace_us;
    int count, refused;              /* of the address: with a place, conn itself included; without */
    struct candidate best[BEST_MAX]; /* the best first */
    int best_count;
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
    return sg_conn_sniffing(conn) && !sg_conn_begun(conn) ? sg_conn_age_us(conn) : 0;
}

/* Of those that may give way the one that has been silent longest; else the one that may soonest. */
static bool is_better(const struct candidate *a, const struct candidate *b)
{
    if (a->left_us <= 0 && b->left_us <= 0)
        return a->silent_us > b->silent_us;
    return a->left_us < b->left_us;
}

static void look(void *arg, struct sg_conn *conn)
{
    struct search *search = arg;
    struct candidate one = {.conn = conn};
    int64_t grace_us;
    int i;

    if (conn == search->conn || sg_conn_refused(conn) ||
        (search->same_address && !same_address(search, conn)))
        return;
    one.silent_us = silence_us(search, conn, &grace_us);
    if (one.silent_us <= 0)
        return;
    one.left_us = grace_us - one.silent_us;
    if (search->best_count == BEST_MAX && !is_better(&one, &search->best[BEST_MAX - 1]))
        return;
    i = search->best_count < BEST_MAX ? search->best_count++ : BEST_MAX - 1;
    for (; i > 0 && is_better(&one, &search->best[i - 1]); i--)
        search->best[i] = search->best[i - 1];
    search->best[i] = one;
}

/* Bytes have come that nobody has read yet: it is not silent, and not looked at in the next pass. */
static bool has_begun(struct sg_conn *conn)
{
    struct sg_session *session = sg_conn_user(conn);
    uint8_t first;

    if (!session)
        return sg_conn_begins(conn);
    return sg_conn_peek(conn, &first, 1) > 0;
}

/* The best one that is silent indeed, NULL when none is; *out_again: not all could be asked. */
static const struct candidate *find_silent(struct sg_conn_table *conns, struct search *search,
                                           bool *out_again)
{
    int pass, i;

    *out_again = false;
    for (pass = 0; pass < PASSES_MAX && search->grace_us > 0; pass++) {
        search->best_count = 0;
        sg_conn_each(conns, look, search);
        for (i = 0; i < search->best_count; i++)
            if (!has_begun(search->best[i].conn))
                return &search->best[i];
        *out_again = search->best_count == BEST_MAX;
        if (!*out_again)
            break;
    }
    return NULL;
}

/* Ends the connection that has been silent longest; false when none has been long enough. *out_soon_us: see
 * sg_places_take. */
static bool give_way(struct sg_conn_table *conns, struct search *search, int64_t *out_soon_us)
{
    struct sg_session *session;
    struct sg_conn *conn;
    char peer[64];
    bool again;
    const struct candidate *found = find_silent(conns, search, &again);

    if (!found || found->left_us > 0) {
        *out_soon_us = found ? found->left_us : again ? AGAIN_US : 0;
        return false;
    }
    conn = found->conn;
    session = sg_conn_user(conn);
    sg_log(SG_LOG_INFO, "a silent connection gives way", "conn=%llu peer=%s silent_ms=%lld",
           (unsigned long long)sg_conn_id(conn), sg_conn_peer(conn, peer, sizeof(peer)),
           (long long)found->silent_us / 1000);
    if (session)
        session->ops->drain(session);
    else
        sg_conn_close(&conn);
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
    if ((!full && !search.same_address) || give_way(conns, &search, out_soon_us))
        return 0;
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
