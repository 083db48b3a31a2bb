/* SPDX-License-Identifier: MIT
 * The bytes of frame protocol v2 (docs/PROTOCOL.md), apart from sockets and jobs: reading what clients send,
 * in pieces of any size, and writing headers. Pure. Integers are little-endian.
 */
#ifndef SG_CODEC_V2_WIRE_H
#define SG_CODEC_V2_WIRE_H

#include "base/buf.h"
#include "base/error.h"
#include "data/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SG_V2_MAGIC            "SGT2"
#define SG_V2_VERSION          2
#define SG_V2_HELLO_BYTES      16
#define SG_V2_HEADER_BYTES     16
#define SG_V2_INFER_BYTES      40 /* the head of a request as this version writes it */
#define SG_V2_INFER_HEAD_MAX   128
#define SG_V2_NAME_MAX         255
#define SG_V2_CONTROL_MAX      64 /* body of a ping */
#define SG_V2_SMALL_BYTES      (SG_V2_INFER_HEAD_MAX + SG_V2_NAME_MAX + 1)
#define SG_V2_SKIP_MAX         ((size_t)512 << 20) /* of a refused request that is read past */
#define SG_V2_HELLO_BODY_BYTES 32
#define SG_V2_ERROR_BODY_BYTES 8

enum sg_v2_type {
    SG_V2_INFER = 0x01,
    SG_V2_CANCEL = 0x02,
    SG_V2_PING = 0x03,
    SG_V2_GOODBYE = 0x04,
    SG_V2_HELLO = 0x81,
    SG_V2_RESULT = 0x82,
    SG_V2_ERROR = 0x83,
    SG_V2_PONG = 0x84,
    SG_V2_LEAVING = 0x85,
};

/* What happens to a request when as many wait as the window allows. */
enum sg_v2_policy { SG_V2_BLOCK, SG_V2_NEWEST, SG_V2_OLDEST };
enum sg_v2_format { SG_V2_JSON, SG_V2_RECORDS };

struct sg_v2_hello {
    uint16_t version_min, version_max;
    enum sg_v2_policy policy;
    unsigned window; /* 0 = as the server likes */
};

struct sg_v2_header {
    uint32_t body_bytes;
    uint8_t type;
    uint8_t flags;   /* 0 */
    uint16_t format; /* of a result: enum sg_v2_format; else 0 */
    uint64_t id;
};

/* A request but for its picture. */
struct sg_v2_infer {
    char pipeline[SG_V2_NAME_MAX + 1]; /* "" = the default one */
    enum sg_v2_format format;
    uint32_t deadline_ms; /* 0 = none */
    struct sg_job_options options;
    struct sg_job_pixels pixels;
};

struct sg_v2_limits {
    size_t max_image_bytes;
    int64_t max_pixels; /* of a raw picture; encoded ones are asked when they are decoded */
};

enum sg_v2_state {
    SG_V2_AT_HELLO,
    SG_V2_AT_HEADER,
    SG_V2_AT_SMALL,
    SG_V2_AT_PICTURE,
    SG_V2_AT_SKIP,
    SG_V2_BROKEN
};

/* What the bytes just received completed. */
enum sg_v2_event {
    SG_V2_NOTHING,
    SG_V2_GOT_HELLO,   /* reader.hello */
    SG_V2_GOT_CONTROL, /* reader.header, and body_bytes of reader.small: a cancel, ping or goodbye */
    SG_V2_GOT_INFER, /* reader.infer; the picture of reader.picture_bytes comes next, or sg_v2_reader_skip */
    SG_V2_GOT_PICTURE, /* the last byte of the picture was there */
    SG_V2_GOT_BAD,     /* reader.header.id asks for what cannot be: err says why; it is being skipped */
    SG_V2_GOT_BROKEN,  /* the stream cannot be followed: err says why */
};

struct sg_v2_reader {
    struct sg_v2_limits limits;
    enum sg_v2_state state;
    uint8_t small[SG_V2_SMALL_BYTES];
    size_t have, need; /* of small */
    size_t left;       /* of a picture or of what is skipped */
    struct sg_v2_hello hello;
    struct sg_v2_header header;
    struct sg_v2_infer infer;
    size_t picture_bytes;
};

void sg_v2_reader_init(struct sg_v2_reader *reader, const struct sg_v2_limits *limits);
/* True in the middle of a frame or of the hello. */
bool sg_v2_reader_partial(const struct sg_v2_reader *reader);
/* AT_HELLO, AT_HEADER, AT_SMALL: where the missing bytes belong. */
void sg_v2_reader_place(struct sg_v2_reader *reader, uint8_t **out_data, size_t *out_size);
/* n bytes have arrived there, or (AT_PICTURE, AT_SKIP) in memory of the caller; n is never above what was
 * asked for (place, or reader.left). */
enum sg_v2_event sg_v2_reader_got(struct sg_v2_reader *reader, size_t n, struct sg_error *err);
/* AT_PICTURE: the rest of the picture is not wanted. The caller has answered the request. */
void sg_v2_reader_skip(struct sg_v2_reader *reader);

/* Bytes that a picture of that kind has; 0 when the sizes make no sense or do not fit. */
uint64_t sg_v2_pixels_bytes(const struct sg_job_pixels *pixels);

/* What the server's hello says beside its version and the pipelines. */
struct sg_v2_welcome {
    enum sg_v2_policy policy;
    unsigned window;
    size_t max_image_bytes;
    int64_t receive_timeout_ms;
};

/* The server's hello, appended to out; name_of as in sg_job_ops, may be NULL. */
int sg_v2_welcome_write(const struct sg_v2_welcome *welcome,
                        const char *(*name_of)(void *ctx, int index, bool *out_default), void *ctx,
                        struct sg_buf *out);
void sg_v2_header_write(uint8_t out[SG_V2_HEADER_BYTES], const struct sg_v2_header *header);
/* An error frame, appended to out; id 0 = of the connection. */
int sg_v2_error_write(uint64_t id, const struct sg_error *err, int64_t retry_after_ms, struct sg_buf *out);

#endif
