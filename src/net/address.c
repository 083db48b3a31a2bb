/* SPDX-License-Identifier: MIT
 * Parsing of listen addresses.
 */
#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define EXPECTED "expected HOST:PORT, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080, or unix:/PATH"

static int parse_port(const char *text, const char *whole, uint16_t *port, struct sg_error *err)
{
    unsigned long value = 0;
    const char *p;

    for (p = text; *p; p++) {
        if (*p < '0' || *p > '9' || value > 65535)
            break;
        value = value * 10 + (unsigned long)(*p - '0');
    }
    if (p == text || *p || value > 65535)
        return sg_error_set(err, SG_E_INVALID,
                            "listen address \"%s\": port \"%s\" is not a number from 0 to 65535; " EXPECTED,
                            whole, text);
    *port = (uint16_t)value;
    return 0;
}

/* Splits into host and port text; port NULL when none was given. */
static int split(const char *text, struct sg_address *address, const char **port, struct sg_error *err)
{
    const char *host = text, *end;

    if (*text == '[') {
        host = text + 1;
        end = strchr(host, ']');
        if (!end || (end[1] != '\0' && end[1] != ':'))
            return sg_error_set(err, SG_E_INVALID, "listen address \"%s\": unclosed bracket; " EXPECTED,
                                text);
        *port = end[1] == ':' ? end + 2 : NULL;
    } else {
        end = strrchr(text, ':');
        if (end && strchr(text, ':') != end)
            return sg_error_set(err, SG_E_INVALID,
                                "listen address \"%s\": an IPv6 address needs brackets, such as [%s]:8080",
                                text, text);
        *port = end ? end + 1 : NULL;
        if (!end)
            end = text + strlen(text);
    }
    if ((size_t)(end - host) >= sizeof(address->host))
        return sg_error_set(err, SG_E_INVALID, "listen address: the host has %zu characters, the most is %d",
                            (size_t)(end - host), SG_ADDRESS_HOST_MAX - 1);
    memcpy(address->host, host, (size_t)(end - host));
    address->host[end - host] = '\0';
    return 0;
}

static int parse_path(const char *path, struct sg_address *address, struct sg_error *err)
{
    size_t length = strlen(path);

    if (length == 0 || length > SG_ADDRESS_PATH_MAX)
        return sg_error_set(
            err, SG_E_INVALID,
            "listen address \"unix:%.200s\": a path of 1 to %d bytes is expected, this one has %zu", path,
            SG_ADDRESS_PATH_MAX, length);
    address->kind = SG_ADDRESS_UNIX;
    memcpy(address->host, path, length + 1);
    return 0;
}

int sg_address_parse(const char *text, struct sg_address *address, struct sg_error *err)
{
    const char *port = NULL;
    int code;

    *address = (struct sg_address){.port = SG_ADDRESS_DEFAULT_PORT};
    if (!text || !*text)
        return sg_error_set(err, SG_E_INVALID, "the listen address is empty; " EXPECTED);
    if (strncmp(text, "unix:", 5) == 0)
        return parse_path(text + 5, address, err);
    if (strcmp(text, "inherited") == 0) {
        address->kind = SG_ADDRESS_INHERITED;
        return 0;
    }
    if (strstr(text, "://"))
        return sg_error_set(
            err, SG_E_INVALID,
            "listen address \"%s\" has a scheme, and every protocol is on the one port; " EXPECTED, text);
    if (strspn(text, "0123456789") == strlen(text)) {
        strcpy(address->host, "127.0.0.1");
        return parse_port(text, text, &address->port, err);
    }
    code = split(text, address, &port, err);
    if (code < 0)
        return code;
    if (strpbrk(address->host, " \t/@[]"))
        return sg_error_set(err, SG_E_INVALID, "listen address \"%s\" is not a host and a port; " EXPECTED,
                            text);
    if (strcmp(address->host, "*") == 0)
        address->host[0] = '\0';
    return port ? parse_port(port, text, &address->port, err) : 0;
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
