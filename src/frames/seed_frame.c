/* SPDX-License-Identifier: MIT
 * The state machine of seed framing.
 */
#include "frames/seed_frame.h"

void sg_seed_frame_init(struct sg_seed_frame *frame, size_t max_bytes)
{
    *frame = (struct sg_seed_frame){.max_bytes = max_bytes};
}

void sg_seed_frame_next(struct sg_seed_frame *frame)
{
    frame->state = SG_SEED_HEADER;
    frame->header_bytes = 0;
    frame->length = 0;
}

bool sg_seed_frame_partial(const struct sg_seed_frame *frame)
{
    return frame->state == SG_SEED_PAYLOAD || (frame->state == SG_SEED_HEADER && frame->header_bytes > 0);
}

void sg_seed_frame_header(struct sg_seed_frame *frame, uint8_t **out_data, size_t *out_size)
{
    *out_data = frame->header + frame->header_bytes;
    *out_size = SG_SEED_HEADER_BYTES - frame->header_bytes;
}

int sg_seed_frame_header_got(struct sg_seed_frame *frame, size_t n, struct sg_error *err)
{
    const uint8_t *h = frame->header;

    frame->header_bytes += (unsigned)n;
    if (frame->header_bytes < SG_SEED_HEADER_BYTES)
        return 0;
    frame->length =
        (int32_t)((uint32_t)h[0] | (uint32_t)h[1] << 8 | (uint32_t)h[2] << 16 | (uint32_t)h[3] << 24);
    frame->state = SG_SEED_BROKEN;
    if (frame->length == 0)
        return sg_error_set(err, SG_E_EMPTY_IMAGE,
                            "the frame's length is 0: no image bytes were sent; the connection closes");
    if (frame->length < 0)
        return sg_error_set(
            err, SG_E_FRAMING,
            "the frame's length is %d: a seed frame begins with a 4-byte little-endian length "
            "above 0; the connection closes",
            (int)frame->length);
    if ((size_t)frame->length > frame->max_bytes)
        return sg_error_set(err, SG_E_TOO_LARGE,
                            "the frame's length is %d bytes, the limit is %zu (max_image_bytes); the "
                            "connection closes",
                            (int)frame->length, frame->max_bytes);
    frame->state = SG_SEED_PAYLOAD;
    return 0;
}

size_t sg_seed_frame_capacity(const struct sg_seed_frame *frame, const struct sg_buf *bytes)
{
    size_t length = (size_t)frame->length, capacity = bytes->capacity;

    if (bytes->size < capacity)
        return capacity;
    capacity = capacity < SG_SEED_FIRST_BYTES / 2 ? SG_SEED_FIRST_BYTES : capacity * 2;
    return capacity < length ? capacity : length;
}

int sg_seed_frame_payload(const struct sg_seed_frame *frame, struct sg_buf *bytes, uint8_t **out_data,
                          size_t *out_size)
{
    size_t capacity = sg_seed_frame_capacity(frame, bytes), missing = (size_t)frame->length - bytes->size;
    int code;

    /* The buffer may grow to what was charged for, and not a byte further. */
    bytes->max_bytes = capacity;
    code = sg_buf_reserve(bytes, capacity - bytes->size);
    if (code < 0)
        return SG_E_NOMEM;
    *out_data = bytes->data + bytes->size;
    *out_size = bytes->capacity - bytes->size < missing ? bytes->capacity - bytes->size : missing;
    return 0;
}

void sg_seed_frame_payload_got(struct sg_seed_frame *frame, struct sg_buf *bytes, size_t n)
{
    bytes->size += n;
    if (bytes->size == (size_t)frame->length)
        frame->state = SG_SEED_COMPLETE;
}
