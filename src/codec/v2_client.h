/* SPDX-License-Identifier: MIT
 * The client's half of frame protocol v2 (docs/PROTOCOL.md): what a client writes and how it reads what the
 * server says. Pure, so that blocking clients and event loops share it.
 */
#ifndef SG_CLIENT_V2_CLIENT_H
#define SG_CLIENT_V2_CLIENT_H

#include "codec/v2_wire.h"

/* Bytes of a request before its picture, at the most. */
#define SG_V2_REQUEST_HEAD_MAX (SG_V2_HEADER_BYTES + SG_V2_INFER_BYTES + SG_V2_NAME_MAX)

void sg_v2_hello_write(uint8_t out[SG_V2_HELLO_BYTES], const struct sg_v2_hello *hello);
/* Header, head and pipeline name of a request for picture_bytes bytes of picture, which follow. Returns their
 * bytes. Pictures that do not fit a frame (4 GiB) give 0. */
size_t sg_v2_infer_write(uint8_t out[SG_V2_REQUEST_HEAD_MAX], uint64_t id, const struct sg_v2_infer *infer,
                         size_t picture_bytes);
/* Changes the id of a request so written. */
void sg_v2_infer_set_id(uint8_t *head, uint64_t id);
void sg_v2_header_read(const uint8_t in[SG_V2_HEADER_BYTES], struct sg_v2_header *header);

/* The body of an error frame; code and message point into it and are not terminated. */
struct sg_v2_refusal {
    uint32_t retry_after_ms;
    const char *code, *message;
    size_t code_bytes, message_bytes;
};

/* 0, or SG_E_FRAMING: the body is too short for what it says. */
int sg_v2_error_read(const uint8_t *body, size_t size, struct sg_v2_refusal *refusal);

/* The body of the server's hello. */
struct sg_v2_greeting {
    enum sg_v2_policy policy;
    unsigned window;
    size_t max_image_bytes;
    int pipelines; /* how many names follow that of the server */
};

/* SG_E_FRAMING: the body is not what the protocol says; SG_E_UNSUPPORTED: another version. */
int sg_v2_greeting_read(const uint8_t *body, size_t size, struct sg_v2_greeting *greeting);
/* Name `index` of the body, 0 = the server's, then its pipelines; copied, terminated. False past the last. */
bool sg_v2_greeting_name(const uint8_t *body, size_t size, int index, char out[SG_V2_NAME_MAX + 1],
                         bool *out_default);

#endif
