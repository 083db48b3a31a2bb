/* SPDX-License-Identifier: MIT
 * The protocols that `sight bench` speaks, as a client: what goes before an image, where a reply ends and
 * what it says. Pure but for sg_bench_target_parse, which looks an address up. Any thread.
 */
#ifndef SG_LOAD_WIRE_H
#define SG_LOAD_WIRE_H

#include "base/buf.h"
#include "base/error.h"
#include "codec/v2_wire.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define SG_BENCH_HEAD_MAX  2048               /* bytes before an image */
#define SG_BENCH_REPLY_MAX ((size_t)64 << 20) /* bytes of one reply */
#define SG_BENCH_CODE_MAX  32

#define SG_BENCH_GREETING_MAX 16
#define SG_BENCH_ID_HEAD_MAX  336 /* bytes before an image, where they hold an id */

struct sg_bench_wire;

/* Where requests go: "127.0.0.1:8080", "seed://host:port", "v2://host:port", "http://host:port/v1/infer?x=y".
 * What is asked of each request is set after parsing; seed frames cannot ask for anything. */
struct sg_bench_target {
    const struct sg_bench_wire *wire;
    char name[256];                    /* as given */
    char host[128];                    /* with port, for the Host header */
    char path[512];                    /* of HTTP */
    char pipeline[SG_V2_NAME_MAX + 1]; /* v2: "" = the default one */
    int64_t deadline_ms;               /* v2, HTTP: 0 = none */
    bool records;                      /* v2: binary results */
    struct sockaddr_storage address;
    socklen_t address_bytes;
};

/* SG_E_INVALID: malformed, no such scheme, or not loopback while allow_remote is false; SG_E_NOT_FOUND: no
 * such host. */
int sg_bench_target_parse(const char *text, bool allow_remote, struct sg_bench_target *target,
                          struct sg_error *err);

/* How far the reply at the start of a buffer has been looked through. Zeroed = nothing seen. */
struct sg_bench_scan {
    size_t at;    /* bytes looked at */
    int depth;    /* of braces */
    bool text;    /* inside a JSON string */
    bool escaped; /* behind a backslash */
    size_t head;  /* HTTP: bytes of status line and headers, once known */
    bool chunked;
    bool close;
    int status;
    size_t body; /* HTTP: bytes of the body still to come or, chunked, of the chunk */
};

struct sg_bench_reply {
    char code[SG_BENCH_CODE_MAX]; /* "" = a result, else the error code it carries */
    int objects;                  /* boxes in it */
    bool close;                   /* the server will close the connection */
    bool no_reply;                /* something else that the server said */
    uint64_t id;                  /* of the request that is answered, where the protocol has ids */
};

struct sg_bench_wire {
    const char *scheme;
    const char *summary;
    /* What a connection begins with; NULL = nothing. Returns its bytes. */
    size_t (*greet)(uint8_t out[SG_BENCH_GREETING_MAX]);
    /* Appends what goes before image_bytes bytes of image. */
    int (*head)(const struct sg_bench_target *target, size_t image_bytes, struct sg_buf *out);
    /* Puts a request's id into such a head. NULL = no ids, replies come in order. */
    void (*set_id)(uint8_t *head, uint64_t id);
    /* Looks for one whole reply at the start of data, going on from scan. Returns its bytes with reply
     * filled and scan zeroed, 0 when more is needed, negative (SG_E_FRAMING) when this is no reply. */
    int64_t (*reply)(struct sg_bench_scan *scan, const uint8_t *data, size_t size,
                     struct sg_bench_reply *reply);
};

/* All, NULL-terminated; the first is what a target without a scheme speaks. */
const struct sg_bench_wire *const *sg_bench_wires(void);

#endif
