/* SPDX-License-Identifier: MIT
 * Frames as clients write and read them.
 */
#include "codec/v2_client.h"

#include "codec/v2_bytes.h"

void sg_v2_hello_write(uint8_t out[SG_V2_HELLO_BYTES], const struct sg_v2_hello *hello)
{
    int i;

    memset(out, 0, SG_V2_HELLO_BYTES);
    for (i = 0; i < 4; i++)
        out[i] = (uint8_t)SG_V2_MAGIC[i];
    v2_put(out + 4, hello->version_min, 2);
    v2_put(out + 6, hello->version_max, 2);
    out[8] = (uint8_t)hello->policy;
    v2_put(out + 10, hello->window, 2);
}

static uint8_t picture_kind(const struct sg_job_pixels *pixels)
{
    if (!pixels->raw)
        return 0;
    switch (pixels->format) {
    case SG_PIXEL_RGB24:
        return 1;
    case SG_PIXEL_BGR24:
        return 2;
    case SG_PIXEL_GRAY8:
        return 3;
    default:
        return 4;
    }
}

size_t sg_v2_infer_write(uint8_t out[SG_V2_REQUEST_HEAD_MAX], uint64_t id, const struct sg_v2_infer *infer,
                         size_t picture_bytes)
{
    size_t name_bytes = strnlen(infer->pipeline, SG_V2_NAME_MAX);
    uint64_t body_bytes = (uint64_t)SG_V2_INFER_BYTES + name_bytes + picture_bytes;
    const struct sg_v2_header header = {.body_bytes = (uint32_t)body_bytes, .type = SG_V2_INFER, .id = id};
    uint8_t *p = out + SG_V2_HEADER_BYTES;

    if (body_bytes > UINT32_MAX)
        return 0;
    sg_v2_header_write(out, &header);
    memset(p, 0, SG_V2_INFER_BYTES);
    v2_put(p, SG_V2_INFER_BYTES, 2);
    p[2] = (uint8_t)name_bytes;
    p[3] = picture_kind(&infer->pixels);
    p[4] = (uint8_t)infer->format;
    p[5] = (uint8_t)infer->options.decode;
    v2_put(p + 8, infer->deadline_ms, 4);
    v2_put_f32(p + 12, infer->options.threshold);
    v2_put_f32(p + 16, infer->options.iou);
    v2_put(p + 20, (uint64_t)infer->options.max_objects, 4);
    v2_put(p + 24, (uint64_t)infer->options.top_k, 2);
    if (infer->pixels.raw) {
        v2_put(p + 28, (uint64_t)infer->pixels.width, 4);
        v2_put(p + 32, (uint64_t)infer->pixels.height, 4);
        v2_put(p + 36, infer->pixels.stride_bytes, 4);
    }
    memcpy(p + SG_V2_INFER_BYTES, infer->pipeline, name_bytes);
    return SG_V2_HEADER_BYTES + SG_V2_INFER_BYTES + name_bytes;
}

void sg_v2_infer_set_id(uint8_t *head, uint64_t id)
{
    v2_put(head + 8, id, 8);
}

void sg_v2_header_read(const uint8_t in[SG_V2_HEADER_BYTES], struct sg_v2_header *header)
{
    *header = (struct sg_v2_header){.body_bytes = v2_u32(in),
                                    .type = in[4],
                                    .flags = in[5],
                                    .format = v2_u16(in + 6),
                                    .id = v2_u64(in + 8)};
}

int sg_v2_error_read(const uint8_t *body, size_t size, struct sg_v2_refusal *refusal)
{
    size_t code_bytes;

    if (size < SG_V2_ERROR_BODY_BYTES)
        return SG_E_FRAMING;
    code_bytes = v2_u16(body + 4);
    if (code_bytes > size - SG_V2_ERROR_BODY_BYTES)
        return SG_E_FRAMING;
    *refusal = (struct sg_v2_refusal){.retry_after_ms = v2_u32(body),
                                      .code = (const char *)body + SG_V2_ERROR_BODY_BYTES,
                                      .code_bytes = code_bytes,
                                      .message = (const char *)body + SG_V2_ERROR_BODY_BYTES + code_bytes,
                                      .message_bytes = size - SG_V2_ERROR_BODY_BYTES - code_bytes};
    return 0;
}

int sg_v2_greeting_read(const uint8_t *body, size_t size, struct sg_v2_greeting *greeting)
{
    if (size < SG_V2_HELLO_BODY_BYTES || v2_u16(body + 6) < SG_V2_HELLO_BODY_BYTES)
        return SG_E_FRAMING;
    if (v2_u16(body) != SG_V2_VERSION)
        return SG_E_UNSUPPORTED;
    *greeting = (struct sg_v2_greeting){.policy = (enum sg_v2_policy)body[22],
                                        .window = v2_u16(body + 20),
                                        .max_image_bytes = v2_u32(body + 8),
                                        .pipelines = v2_u16(body + 24)};
    return 0;
}

bool sg_v2_greeting_name(const uint8_t *body, size_t size, int index, char out[SG_V2_NAME_MAX + 1],
                         bool *out_default)
{
    size_t at = v2_u16(body + 6);
    int i;

    if (index < 0 || index > v2_u16(body + 24))
        return false;
    for (i = 0; at + 2 <= size && at + 2 + body[at + 1] <= size; i++) {
        if (i == index) {
            memcpy(out, body + at + 2, body[at + 1]);
            out[body[at + 1]] = '\0';
            *out_default = body[at] & 1;
            return true;
        }
        at += 2u + body[at + 1];
    }
    return false;
}
