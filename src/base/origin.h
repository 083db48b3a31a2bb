/* SPDX-License-Identifier: MIT
 * Origins (RFC 6454; the Origin header of the Fetch standard): which a setting allows, and whether a request
 * comes from a page of another site. Pure; any thread.
 */
#ifndef SG_BASE_ORIGIN_H
#define SG_BASE_ORIGIN_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define SG_ORIGIN_MAX 300 /* bytes of a host; longer ones are none (RFC 1035 allows 255) */

/* scheme://host[:port]. The texts lie in what was parsed. */
struct sg_origin {
    const char *scheme, *host;
    size_t scheme_size, host_size;
    int port;        /* the scheme's own when none was written; 0 = unknown */
    bool any_port;   /* ":*", in a setting only */
    const char *end; /* behind it */
};

/* The origin that text begins with: of an Origin header all of it, of a URL its beginning. False: it is none.
 */
bool sg_origin_parse(const char *text, struct sg_origin *origin);
/* One entry of the setting: "*", "null", or an origin, whose port may be "*". SG_E_INVALID. */
int sg_origin_check(const char *entry, struct sg_error *err);
/* Whether one of the entries allows it; NULL is no origin. */
bool sg_origin_allowed(const char *const *entries, int count, const char *origin);

/* Headers of a request that say where it comes from; NULL = absent. */
struct sg_origin_source {
    const char *host, *origin, *referer, *fetch_site;
};

/* A browser sent it for a page of another origin than the server's own. */
bool sg_origin_is_cross_site(const struct sg_origin_source *source);

#endif
