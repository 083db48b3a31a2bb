/* SPDX-License-Identifier: MIT
 * Parsing of addresses.
 */
#include "net/address.h"

#include "net/address_private.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

_Static_assert(SG_ADDRESS_PATH_MAX < sizeof(((struct sockaddr_un *)0)->sun_path), "a path ends with a NUL");

/* Splits into host and port text; port NULL when none was given. */
static int split(const struct sg_address_use *use, const char *text, struct sg_address *address,
                 const char **port, struct sg_error *err)
{
    const char *host = text, *end;

    if (*text == '[') {
        host = text + 1;
        end = strchr(host, ']');
        if (!end || (end[1] != '\0' && end[1] != ':'))
            return sg_error_set(err, SG_E_INVALID, "%s \"%s\": unclosed bracket; expected %s", use->what,
                                text, use->expected);
        *port = end[1] == ':' ? end + 2 : NULL;
    } else {
        end = strrchr(text, ':');
        if (end && strchr(text, ':') != end)
            return sg_error_set(err, SG_E_INVALID,
                                "%s \"%s\": an IPv6 address needs brackets, such as [%s]:8080", use->what,
                                text, text);
        *port = end ? end + 1 : NULL;
        if (!end)
            end = text + strlen(text);
    }
    if ((size_t)(end - host) >= sizeof(address->host))
        return sg_error_set(err, SG_E_INVALID, "%s: the host has %zu characters, the most is %d", use->what,
                            (size_t)(end - host), SG_ADDRESS_HOST_MAX - 1);
    memcpy(address->host, host, (size_t)(end - host));
    address->host[end - host] = '\0';
    return 0;
}

static int parse_path(const struct sg_address_use *use, const char *path, struct sg_address *address,
                      struct sg_error *err)
{
    size_t length = strlen(path);

    if (length == 0 || length > SG_ADDRESS_PATH_MAX)
        return sg_error_set(err, SG_E_INVALID,
                            "%s \"unix:%.200s\": a path of 1 to %d bytes is expected, this one has %zu",
                            use->what, path, SG_ADDRESS_PATH_MAX, length);
    address->kind = SG_ADDRESS_UNIX;
    memcpy(address->host, path, length + 1);
    return 0;
}

int address_split(const struct sg_address_use *use, const char *text, struct sg_address *address,
                  const char **out_port, struct sg_error *err)
{
    int code;

    *out_port = NULL;
    *address = (struct sg_address){.port = use->default_port};
    if (!text || !*text)
        return sg_error_set(err, SG_E_INVALID, "the %s is empty; expected %s", use->what, use->expected);
    if (strncmp(text, "unix:", 5) == 0)
        return parse_path(use, text + 5, address, err);
    if (strcmp(text, "inherited") == 0) {
        address->kind = SG_ADDRESS_INHERITED;
        return 0;
    }
    if (strstr(text, "://"))
        return sg_error_set(err, SG_E_INVALID,
                            "%s \"%s\" has a scheme, and every protocol is on the one port; expected %s",
                            use->what, text, use->expected);
    if (strspn(text, "0123456789") == strlen(text)) {
        strcpy(address->host, "127.0.0.1");
        *out_port = text;
        return 0;
    }
    code = split(use, text, address, out_port, err);
    if (code < 0)
        return code;
    if (strpbrk(address->host, " \t/@[]"))
        return sg_error_set(err, SG_E_INVALID, "%s \"%s\" is not a host and a port; expected %s", use->what,
                            text, use->expected);
    if (strcmp(address->host, "*") == 0)
        address->host[0] = '\0';
    return 0;
}

int address_port(const struct sg_address_use *use, const char *text, const char *port, uint16_t *out_port,
                 struct sg_error *err)
{
    unsigned long value = 0;
    const char *p;

    for (p = port; *p; p++) {
        if (*p < '0' || *p > '9' || value > 65535)
            break;
        value = value * 10 + (unsigned long)(*p - '0');
    }
    if (p == port || *p || value > 65535)
        return sg_error_set(err, SG_E_INVALID,
                            "%s \"%s\": port \"%s\" is not a number from 0 to 65535; expected %s", use->what,
                            text, port, use->expected);
    *out_port = (uint16_t)value;
    return 0;
}

int sg_address_parse(const char *text, struct sg_address *address, struct sg_error *err)
{
    static const struct sg_address_use listener = {
        .what = "listen address",
        .expected = "HOST:PORT, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080, or unix:/PATH",
        .default_port = SG_ADDRESS_DEFAULT_PORT};
    const char *port;
    int code = address_split(&listener, text, address, &port, err);

    return code == 0 && port ? address_port(&listener, text, port, &address->port, err) : code;
}

struct sockaddr_un address_local(const struct sg_address *address)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};

    memcpy(local.sun_path, address->host, strnlen(address->host, SG_ADDRESS_PATH_MAX));
    return local;
}

const char *sg_address_text(const struct sockaddr *address, socklen_t size, char *out, size_t out_bytes)
{
    char host[INET6_ADDRSTRLEN] = "?";

    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;

        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        snprintf(out, out_bytes, "%s:%u", host, ntohs(v4->sin_port));
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)address;

        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        snprintf(out, out_bytes, "[%s]:%u", host, ntohs(v6->sin6_port));
    } else if (address->sa_family == AF_UNIX) {
        const struct sockaddr_un *local = (const void *)address;
        int path = (int)size - (int)offsetof(struct sockaddr_un, sun_path);

        snprintf(out, out_bytes, "unix:%.*s", path > 0 ? path : 0, local->sun_path);
    } else {
        snprintf(out, out_bytes, "?");
    }
    return out;
}

void sg_address_key(const struct sockaddr *address, uint8_t out[SG_ADDRESS_KEY_BYTES])
{
    memset(out, 0, SG_ADDRESS_KEY_BYTES);
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;

        out[10] = out[11] = 0xff; /* as in ::ffff:192.0.2.1 */
        memcpy(out + 12, &v4->sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)address;

        memcpy(out, &v6->sin6_addr, IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) ? 16 : 8);
    }
}
