/* SPDX-License-Identifier: MIT
 * Origins are compared as tuples of scheme, host and port, schemes and hosts without regard to case.
 */
#include "base/origin.h"

#include <string.h>
#include <strings.h>

#define SCHEME_MAX 40 /* bytes; browsers' own are below 20 */

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool is_host_char(char c)
{
    return is_alnum(c) || c == '.' || c == '-' || c == '_';
}

/* A name, an IPv4 address or [an IPv6 address]. Returns its end, or NULL. */
static const char *host_end(const char *p)
{
    const char *start = p;

    if (*p == '[') {
        for (p++; is_alnum(*p) || *p == ':' || *p == '.'; p++)
            ;
        return *p == ']' && p > start + 1 ? p + 1 : NULL;
    }
    while (is_host_char(*p))
        p++;
    return p > start ? p : NULL;
}

/* ":8080" or nothing. Returns its end, or NULL when there is a colon and no port. */
static const char *port_end(const char *p, struct sg_origin *origin)
{
    const char *start = p + 1;
    int port = 0;

    if (*p != ':')
        return p;
    if (*start == '*') {
        origin->any_port = true;
        return start + 1;
    }
    for (p = start; *p >= '0' && *p <= '9' && port <= 65535; p++)
        port = port * 10 + (*p - '0');
    if (p == start || port < 1 || port > 65535)
        return NULL;
    origin->port = port;
    return p;
}

static int scheme_port(const char *scheme, size_t size)
{
    if (size == 4 && strncasecmp(scheme, "http", 4) == 0)
        return 80;
    return size == 5 && strncasecmp(scheme, "https", 5) == 0 ? 443 : 0;
}

bool sg_origin_parse(const char *text, struct sg_origin *origin)
{
    const char *p = text;

    *origin = (struct sg_origin){.scheme = text};
    while (is_alnum(*p) || *p == '+' || *p == '-' || *p == '.')
        p++;
    origin->scheme_size = (size_t)(p - text);
    if (origin->scheme_size == 0 || origin->scheme_size > SCHEME_MAX || strncmp(p, "://", 3) != 0)
        return false;
    origin->port = scheme_port(text, origin->scheme_size);
    origin->host = p + 3;
    p = host_end(origin->host);
    if (!p || p - origin->host > SG_ORIGIN_MAX)
        return false;
    origin->host_size = (size_t)(p - origin->host);
    origin->end = port_end(p, origin);
    return origin->end && (!*origin->end || strchr("/?#", *origin->end));
}

static bool same_text(const char *a, size_t a_size, const char *b, size_t b_size)
{
    return a_size == b_size && strncasecmp(a, b, a_size) == 0;
}

static bool matches(const char *entry, const struct sg_origin *origin)
{
    struct sg_origin allowed;

    return sg_origin_parse(entry, &allowed) &&
           same_text(allowed.scheme, allowed.scheme_size, origin->scheme, origin->scheme_size) &&
           same_text(allowed.host, allowed.host_size, origin->host, origin->host_size) &&
           (allowed.any_port || allowed.port == origin->port);
}

int sg_origin_check(const char *entry, struct sg_error *err)
{
    struct sg_origin origin;

    if (strcmp(entry, "*") == 0 || strcmp(entry, "null") == 0)
        return 0;
    if (!sg_origin_parse(entry, &origin))
        return sg_error_set(
            err, SG_E_INVALID,
            "\"%.200s\" is no origin; write scheme://host[:port] as in http://localhost:3000, "
            "http://localhost:* for every port, or *",
            entry);
    if (*origin.end == '/')
        return sg_error_set(err, SG_E_INVALID, "\"%.200s\" is a URL; its origin is \"%.*s\"", entry,
                            (int)(origin.end - entry), entry);
    if (*origin.end)
        return sg_error_set(err, SG_E_INVALID, "\"%.200s\" is no origin: \"%.40s\" does not belong to it",
                            entry, origin.end);
    return 0;
}

bool sg_origin_allowed(const char *const *entries, int count, const char *text)
{
    struct sg_origin origin = {.host = NULL};
    bool whole = text && sg_origin_parse(text, &origin) && !*origin.end && !origin.any_port;
    int i;

    for (i = 0; text && i < count; i++)
        if (strcmp(entries[i], "*") == 0 || (whole && matches(entries[i], &origin)) ||
            (strcmp(entries[i], "null") == 0 && strcmp(text, "null") == 0))
            return true;
    return false;
}

/* Host names no scheme; a proxy may have ended TLS. So only host and port must agree. */
static bool is_own(const char *url, const char *host)
{
    struct sg_origin origin, own = {.port = 0};
    const char *end = host_end(host);

    if (!end || !sg_origin_parse(url, &origin))
        return false;
    own.host_size = (size_t)(end - host);
    own.port = origin.port == 80 || origin.port == 443 ? origin.port : 0;
    end = port_end(end, &own);
    return end && !*end && !own.any_port && own.port == origin.port &&
           same_text(origin.host, origin.host_size, host, own.host_size);
}

bool sg_origin_is_cross_site(const struct sg_origin_source *source)
{
    const char *from = source->origin ? source->origin : source->referer;

    if (source->fetch_site)
        return strcasecmp(source->fetch_site, "same-origin") != 0 &&
               strcasecmp(source->fetch_site, "none") != 0;
    if (!from)
        return false; /* no browser */
    return !source->host || !is_own(from, source->host);
}
