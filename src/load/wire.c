/* SPDX-License-Identifier: MIT
 * Client side of seed frames and HTTP/1.1.
 */
#include "load/wire_private.h"

#include "net/peer.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The replies of all servers we measure carry one "bbox" per object, and {"error":{"code":…}} on failure.
 * Inside a JSON string the quotes would be escaped, so neither pattern can appear in a text. */
void sg_bench_read_json(const uint8_t *data, size_t size, struct sg_bench_reply *reply)
{
    static const char box[] = "\"bbox\":", error[] = "\"error\":{\"code\":\"";
    const uint8_t *at = data, *end = data + size;
    size_t i;

    while ((at = memmem(at, (size_t)(end - at), box, sizeof(box) - 1))) {
        reply->objects++;
        at += sizeof(box) - 1;
    }
    at = memmem(data, size, error, sizeof(error) - 1);
    if (!at)
        return;
    at += sizeof(error) - 1;
    for (i = 0; i + 1 < sizeof(reply->code) && at + i < end && (isalnum(at[i]) || at[i] == '_'); i++)
        reply->code[i] = (char)at[i];
    reply->code[i] = '\0';
    if (i == 0)
        snprintf(reply->code, sizeof(reply->code), "unnamed");
}

static int seed_head(const struct sg_bench_target *target, size_t image_bytes, struct sg_buf *out)
{
    uint8_t length[4] = {(uint8_t)image_bytes, (uint8_t)(image_bytes >> 8), (uint8_t)(image_bytes >> 16),
                         (uint8_t)(image_bytes >> 24)};

    (void)target;
    return image_bytes > INT32_MAX ? SG_E_TOO_LARGE : sg_buf_append(out, length, sizeof(length));
}

/* A seed reply is one JSON object without length or terminator: its end is its last brace. */
static int64_t seed_reply(struct sg_bench_scan *scan, const uint8_t *data, size_t size,
                          struct sg_bench_reply *reply)
{
    if (size > 0 && data[0] != '{')
        return SG_E_FRAMING;
    for (; scan->at < size; scan->at++) {
        uint8_t c = data[scan->at];

        if (scan->escaped)
            scan->escaped = false;
        else if (scan->text && c == '\\')
            scan->escaped = true;
        else if (c == '"')
            scan->text = !scan->text;
        else if (!scan->text && c == '{')
            scan->depth++;
        else if (!scan->text && c == '}' && --scan->depth == 0)
            break;
    }
    if (scan->at == size)
        return size > SG_BENCH_REPLY_MAX ? SG_E_FRAMING : 0;
    size = scan->at + 1;
    sg_bench_read_json(data, size, reply);
    *scan = (struct sg_bench_scan){0};
    return (int64_t)size;
}

static int http_head(const struct sg_bench_target *target, size_t image_bytes, struct sg_buf *out)
{
    char deadline[48] = "";

    if (target->deadline_ms > 0)
        snprintf(deadline, sizeof(deadline), "%cdeadline_ms=%lld", strchr(target->path, '?') ? '&' : '?',
                 (long long)target->deadline_ms);
    return sg_buf_printf(out,
                         "POST %s%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/octet-stream\r\n"
                         "Content-Length: %zu\r\n\r\n",
                         target->path, deadline, target->host, image_bytes);
}

static bool header_is(const char *line, size_t size, const char *name, const char **out_value)
{
    size_t length = strlen(name);

    if (size <= length || strncasecmp(line, name, length) != 0 || line[length] != ':')
        return false;
    line += length + 1;
    *out_value = line + strspn(line, " \t");
    return true;
}

/* Status line and headers, all of which are at data. */
static int http_headers(struct sg_bench_scan *scan, const char *data)
{
    const char *end = data + scan->head, *line = data, *value;
    bool length_known = false;

    if (scan->head < 16 || strncmp(data, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)data[9]))
        return SG_E_FRAMING;
    scan->status = atoi(data + 9);
    scan->close = data[7] == '0';
    while ((line = memmem(line, (size_t)(end - line), "\r\n", 2)) && line + 2 < end) {
        size_t size;

        line += 2;
        size = (size_t)(end - line);
        if (header_is(line, size, "content-length", &value)) {
            scan->body = (size_t)strtoull(value, NULL, 10);
            length_known = true;
        } else if (header_is(line, size, "transfer-encoding", &value)) {
            scan->chunked = strncasecmp(value, "chunked", 7) == 0;
        } else if (header_is(line, size, "connection", &value)) {
            scan->close = strncasecmp(value, "close", 5) == 0;
        }
    }
    if (!length_known && !scan->chunked && scan->status >= 200 && scan->status != 204)
        return SG_E_FRAMING; /* a body that ends with the connection: no server we measure sends it */
    return scan->body > SG_BENCH_REPLY_MAX ? SG_E_FRAMING : 0;
}

/* Bytes of the chunked body at data, 0 when its end is not there yet. scan->body remembers where the next
 * chunk's size line starts. */
static int64_t chunked_end(struct sg_bench_scan *scan, const uint8_t *data, size_t size)
{
    for (;;) {
        const uint8_t *line_end =
            size > scan->body ? memmem(data + scan->body, size - scan->body, "\r\n", 2) : NULL;
        size_t start, chunk;

        if (!line_end)
            return 0;
        chunk = (size_t)strtoull((const char *)data + scan->body, NULL, 16);
        start = (size_t)(line_end - data) + 2;
        if (chunk > SG_BENCH_REPLY_MAX || start + chunk > SG_BENCH_REPLY_MAX)
            return SG_E_FRAMING;
        if (start + chunk + 2 > size)
            return 0;
        if (chunk == 0)
            return (int64_t)(start + 2);
        scan->body = start + chunk + 2;
    }
}

static int64_t http_reply(struct sg_bench_scan *scan, const uint8_t *data, size_t size,
                          struct sg_bench_reply *reply)
{
    int64_t body;

    if (scan->head == 0) {
        const uint8_t *blank = memmem(data, size, "\r\n\r\n", 4);
        int code;

        if (!blank)
            return size > SG_BENCH_REPLY_MAX ? SG_E_FRAMING : 0;
        scan->head = (size_t)(blank - data) + 4;
        code = http_headers(scan, (const char *)data);
        if (code < 0)
            return code;
    }
    if (scan->status == 100) { /* Continue: the answer proper follows */
        size_t skip = scan->head;

        *scan = (struct sg_bench_scan){0};
        body = http_reply(scan, data + skip, size - skip, reply);
        if (body == 0)
            *scan = (struct sg_bench_scan){0};
        return body > 0 ? body + (int64_t)skip : body;
    }
    body = scan->chunked ? chunked_end(scan, data + scan->head, size - scan->head)
                         : (size - scan->head >= scan->body ? (int64_t)scan->body : 0);
    if (body < 0 || (body == 0 && (scan->chunked || scan->body > 0)))
        return body;
    sg_bench_read_json(data + scan->head, (size_t)body, reply);
    if (scan->status != 200 && !reply->code[0])
        snprintf(reply->code, sizeof(reply->code), "http_%d", scan->status);
    reply->close = scan->close;
    body += (int64_t)scan->head;
    *scan = (struct sg_bench_scan){0};
    return body;
}

static const struct sg_bench_wire seed_wire = {
    .scheme = "seed", .summary = "4-byte length and image", .head = seed_head, .reply = seed_reply};
static const struct sg_bench_wire http_wire = {
    .scheme = "http", .summary = "POST of the image, keep-alive", .head = http_head, .reply = http_reply};

static const struct sg_bench_wire *const wires[] = {&seed_wire, &http_wire, &sg_bench_wire_v2, NULL};

const struct sg_bench_wire *const *sg_bench_wires(void)
{
    return wires;
}

static int look_up(struct sg_bench_target *target, bool allow_remote, struct sg_error *err)
{
    static const struct sg_address_use use = {
        .what = "target", .expected = "host:port, seed://host:port, v2://host:port or http://host:port/path"};
    struct sg_peer peer;
    int code = sg_peer_find(&use, target->host, &peer, err);

    if (code < 0)
        return code;
    if (peer.name.kind != SG_ADDRESS_TCP)
        return sg_error_set(err, SG_E_INVALID, "target \"%s\" is a unix socket; expected %s", target->name,
                            use.expected);
    if (!allow_remote && !sg_peer_is_here(&peer.places[0]))
        return sg_error_set(err, SG_E_INVALID,
                            "target \"%s\" is not this machine; load for others needs --allow-remote",
                            target->name);
    target->address = peer.places[0].address;
    target->address_bytes = peer.places[0].bytes;
    return 0;
}

int sg_bench_target_parse(const char *text, bool allow_remote, struct sg_bench_target *target,
                          struct sg_error *err)
{
    const char *rest = strstr(text, "://");
    size_t length;
    int i;

    *target = (struct sg_bench_target){.wire = wires[0]};
    snprintf(target->name, sizeof(target->name), "%s", text);
    if (rest) {
        for (i = 0; wires[i]; i++)
            if (strlen(wires[i]->scheme) == (size_t)(rest - text) &&
                strncmp(wires[i]->scheme, text, (size_t)(rest - text)) == 0)
                break;
        if (!wires[i])
            return sg_error_set(err, SG_E_INVALID,
                                "target \"%s\": no protocol \"%.*s\"; there are seed, v2, http", text,
                                (int)(rest - text), text);
        target->wire = wires[i];
    }
    rest = rest ? rest + 3 : text;
    length = strcspn(rest, "/");
    if (length >= sizeof(target->host) || strlen(rest + length) >= sizeof(target->path) ||
        strlen(text) >= sizeof(target->name))
        return sg_error_set(err, SG_E_INVALID, "target \"%.64s…\" is too long", text);
    if (rest[length] && target->wire != &http_wire)
        return sg_error_set(err, SG_E_INVALID, "target \"%s\": only http:// has a path", text);
    memcpy(target->host, rest, length);
    target->host[length] = '\0';
    snprintf(target->path, sizeof(target->path), "%s", rest[length] ? rest + length : "/v1/infer");
    return look_up(target, allow_remote, err);
}
