/* SPDX-License-Identifier: MIT
 * The framing of seed requests, apart from sockets: a 4-byte signed little-endian length, then that many
 * bytes. Pure; fed any split of the stream. The payload goes straight into the buffer of a job.
 */
#ifndef SG_FRAMES_SEED_FRAME_H
#define SG_FRAMES_SEED_FRAME_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SG_SEED_HEADER_BYTES 4
#define SG_SEED_FIRST_BYTES  ((size_t)128 << 10) /* memory given to a frame before it has sent anything */

enum sg_seed_state {
    SG_SEED_HEADER,  /* the length is not complete */
    SG_SEED_PAYLOAD, /* the length is known, bytes are missing */
    SG_SEED_COMPLETE,
    SG_SEED_BROKEN, /* the length is not allowed: the stream cannot be followed any further */
};

struct sg_seed_frame {
    size_t max_bytes;
    enum sg_seed_state state;
    uint8_t header[SG_SEED_HEADER_BYTES];
    unsigned header_bytes;
    int32_t length; /* as sent; valid from PAYLOAD on, and when BROKEN */
};

void sg_seed_frame_init(struct sg_seed_frame *frame, size_t max_bytes);
/* Ready for the next frame. */
void sg_seed_frame_next(struct sg_seed_frame *frame);
/* True when part of a frame has come, but not all. */
bool sg_seed_frame_partial(const struct sg_seed_frame *frame);
/* HEADER: where its missing bytes belong. */
void sg_seed_frame_header(struct sg_seed_frame *frame, uint8_t **out_data, size_t *out_size);
/* HEADER: n bytes have arrived there. Sets the state; BROKEN fills err (SG_E_EMPTY_IMAGE for 0, SG_E_FRAMING
 * below 0, SG_E_TOO_LARGE). */
int sg_seed_frame_header_got(struct sg_seed_frame *frame, size_t n, struct sg_error *err);
/* PAYLOAD: the capacity that bytes must have before more can be received. Doubles as bytes arrive, so that a
 * length alone costs nothing. */
size_t sg_seed_frame_capacity(const struct sg_seed_frame *frame, const struct sg_buf *bytes);
/* PAYLOAD: makes that capacity and says where the next bytes belong (never past the frame). SG_E_NOMEM. */
int sg_seed_frame_payload(const struct sg_seed_frame *frame, struct sg_buf *bytes, uint8_t **out_data,
                          size_t *out_size);
/* PAYLOAD: n bytes have arrived there. */
void sg_seed_frame_payload_got(struct sg_seed_frame *frame, struct sg_buf *bytes, size_t n);

#endif
