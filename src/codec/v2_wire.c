/* SPDX-License-Identifier: MIT
 * The state machine of v2: hello, then frames of a header and a body. A request's body is a head, the name of
 * the pipeline and the picture; head and name are collected in `small`, the picture goes to the caller.
 */
#include "codec/v2_wire.h"

#include "codec/json.h"
#include "codec/v2_bytes.h"
#include "codec/v2_client.h"
#include "data/result.h"

#include <string.h>

static void expect(struct sg_v2_reader *reader, enum sg_v2_state state, size_t need)
{
    reader->state = state;
    reader->need = need;
}

static void next_frame(struct sg_v2_reader *reader)
{
    reader->have = 0;
    expect(reader, SG_V2_AT_HEADER, SG_V2_HEADER_BYTES);
}

void sg_v2_reader_init(struct sg_v2_reader *reader, const struct sg_v2_limits *limits)
{
    *reader = (struct sg_v2_reader){.limits = *limits};
    expect(reader, SG_V2_AT_HELLO, SG_V2_HELLO_BYTES);
}

bool sg_v2_reader_partial(const struct sg_v2_reader *reader)
{
    return reader->state != SG_V2_BROKEN && (reader->state != SG_V2_AT_HEADER || reader->have > 0);
}

void sg_v2_reader_place(struct sg_v2_reader *reader, uint8_t **out_data, size_t *out_size)
{
    *out_data = reader->small + reader->have;
    *out_size = reader->need - reader->have;
}

static enum sg_v2_event broken(struct sg_v2_reader *reader)
{
    reader->state = SG_V2_BROKEN;
    return SG_V2_GOT_BROKEN;
}

static enum sg_v2_event got_hello(struct sg_v2_reader *reader, struct sg_error *err)
{
    const uint8_t *p = reader->small;

    if (memcmp(p, SG_V2_MAGIC, 4) != 0) {
        sg_error_set(err, SG_E_FRAMING, "the hello does not begin with %s", SG_V2_MAGIC);
        return broken(reader);
    }
    reader->hello = (struct sg_v2_hello){.version_min = v2_u16(p + 4),
                                         .version_max = v2_u16(p + 6),
                                         .policy = SG_V2_BLOCK,
                                         .window = v2_u16(p + 10)};
    if (reader->hello.version_min > SG_V2_VERSION || reader->hello.version_max < SG_V2_VERSION) {
        sg_error_set(err, SG_E_UNSUPPORTED, "the client speaks versions %u to %u, the server speaks %d",
                     (unsigned)reader->hello.version_min, (unsigned)reader->hello.version_max, SG_V2_VERSION);
        return broken(reader);
    }
    if (p[8] > SG_V2_OLDEST || p[9] != 0 || v2_u32(p + 12) != 0) {
        sg_error_set(
            err, SG_E_FRAMING,
            "the hello's policy is %u (0 block, 1 newest, 2 oldest) and its reserved bytes must be 0",
            (unsigned)p[8]);
        return broken(reader);
    }
    reader->hello.policy = (enum sg_v2_policy)p[8];
    next_frame(reader);
    return SG_V2_GOT_HELLO;
}

/* Past the rest of the frame, whose first `have` body bytes have come. */
static void skip_from(struct sg_v2_reader *reader, size_t left)
{
    reader->left = left;
    if (left == 0)
        next_frame(reader);
    else
        reader->state = SG_V2_AT_SKIP;
}

static enum sg_v2_event bad_header(struct sg_v2_reader *reader, struct sg_error *err, const char *what)
{
    sg_error_set(err, SG_E_FRAMING,
                 "a frame of type 0x%02x with %lu bytes and id %llu: %s; the connection closes",
                 (unsigned)reader->header.type, (unsigned long)reader->header.body_bytes,
                 (unsigned long long)reader->header.id, what);
    return broken(reader);
}

static enum sg_v2_event got_header(struct sg_v2_reader *reader, struct sg_error *err)
{
    struct sg_v2_header *header = &reader->header;
    const uint8_t *p = reader->small;

    sg_v2_header_read(p, header);
    if (header->flags != 0 || header->format != 0)
        return bad_header(reader, err, "bytes 5 to 7 must be 0");
    switch (header->type) {
    case SG_V2_INFER:
        if (header->id == 0)
            return bad_header(reader, err, "the id of a request must not be 0");
        if (header->body_bytes < SG_V2_INFER_BYTES)
            return bad_header(reader, err, "a request has a head of 40 bytes");
        if (header->body_bytes > SG_V2_SKIP_MAX)
            return bad_header(reader, err, "no picture is that large");
        reader->have = 0;
        expect(reader, SG_V2_AT_SMALL, SG_V2_INFER_BYTES);
        return SG_V2_NOTHING;
    case SG_V2_CANCEL:
    case SG_V2_GOODBYE:
        if (header->body_bytes != 0)
            return bad_header(reader, err, "it has no body");
        next_frame(reader);
        return SG_V2_GOT_CONTROL;
    case SG_V2_PING:
        if (header->body_bytes > SG_V2_CONTROL_MAX)
            return bad_header(reader, err, "a ping has at most 64 bytes");
        reader->have = 0;
        if (header->body_bytes > 0) {
            expect(reader, SG_V2_AT_SMALL, header->body_bytes);
            return SG_V2_NOTHING;
        }
        next_frame(reader);
        return SG_V2_GOT_CONTROL;
    default:
        return bad_header(reader, err, "no such type of frame");
    }
}

uint64_t sg_v2_pixels_bytes(const struct sg_job_pixels *pixels)
{
    uint64_t rows = (uint64_t)pixels->height, stride = (uint64_t)pixels->stride_bytes;

    if (pixels->width < 1 || pixels->height < 1 || pixels->width > SG_IMAGE_MAX_SIDE ||
        pixels->height > SG_IMAGE_MAX_SIDE ||
        stride < (uint64_t)pixels->width * (uint64_t)sg_pixel_bytes(pixels->format))
        return 0;
    if (pixels->format == SG_PIXEL_NV12) {
        if ((pixels->width | pixels->height) & 1)
            return 0;
        rows += rows / 2;
    }
    return rows * stride;
}

static int read_pixels(const uint8_t *p, uint64_t bytes, int64_t max_pixels, struct sg_job_pixels *pixels,
                       struct sg_error *err)
{
    static const enum sg_pixel formats[] = {SG_PIXEL_RGB24, SG_PIXEL_BGR24, SG_PIXEL_GRAY8, SG_PIXEL_NV12};
    uint32_t width = v2_u32(p + 28), height = v2_u32(p + 32), stride = v2_u32(p + 36);
    uint64_t expected;

    *pixels = (struct sg_job_pixels){0};
    if (p[3] == 0)
        return width | height | stride
                   ? sg_error_set(err, SG_E_INVALID,
                                  "width, height and stride must be 0 with an encoded image")
                   : 0;
    if (p[3] > sizeof(formats) / sizeof(formats[0]))
        return sg_error_set(err, SG_E_INVALID,
                            "the kind of picture is %u: 0 encoded, 1 RGB24, 2 BGR24, 3 GRAY8, 4 NV12",
                            (unsigned)p[3]);
    pixels->raw = true;
    pixels->format = formats[p[3] - 1];
    pixels->width = width <= SG_IMAGE_MAX_SIDE ? (int)width : 0;
    pixels->height = height <= SG_IMAGE_MAX_SIDE ? (int)height : 0;
    pixels->stride_bytes = stride;
    expected = sg_v2_pixels_bytes(pixels);
    if (expected == 0)
        return sg_error_set(
            err, SG_E_INVALID,
            "%lu x %lu pixels with a stride of %lu bytes: sides are 1 to %d (NV12: even), the "
            "stride is at least a row",
            (unsigned long)width, (unsigned long)height, (unsigned long)stride, SG_IMAGE_MAX_SIDE);
    if ((int64_t)pixels->width * pixels->height > max_pixels)
        return sg_error_set(err, SG_E_TOO_LARGE, "%d x %d are %lld pixels, the limit is %lld (--max-pixels)",
                            pixels->width, pixels->height, (long long)pixels->width * pixels->height,
                            (long long)max_pixels);
    if (expected != bytes)
        return sg_error_set(err, SG_E_INVALID, "%llu bytes of pixels were sent, the sizes given make %llu",
                            (unsigned long long)bytes, (unsigned long long)expected);
    return 0;
}

static int read_options(const uint8_t *p, struct sg_v2_infer *infer, struct sg_error *err)
{
    struct sg_job_options *options = &infer->options;
    float threshold = v2_f32(p + 12), iou = v2_f32(p + 16);
    uint32_t max_objects = v2_u32(p + 20);

    sg_job_options_init(options);
    if (p[4] > SG_V2_RECORDS)
        return sg_error_set(err, SG_E_INVALID, "the reply format is %u: 0 JSON, 1 records", (unsigned)p[4]);
    if (p[5] > SG_DECODE_EXACT)
        return sg_error_set(err, SG_E_INVALID, "decode is %u: 0 as the pipeline says, 1 fast, 2 exact",
                            (unsigned)p[5]);
    if (v2_u16(p + 6) != 0 || v2_u16(p + 26) != 0)
        return sg_error_set(err, SG_E_INVALID, "reserved bytes of the request's head must be 0");
    if (!(threshold <= 1.0f) || !(iou <= 1.0f))
        return sg_error_set(err, SG_E_INVALID,
                            "threshold and iou are numbers from 0 to 1, or below 0 for the pipeline's own");
    if (max_objects > SG_RESULT_MAX_OBJECTS)
        return sg_error_set(err, SG_E_INVALID, "max_objects is %lu, the limit is %d",
                            (unsigned long)max_objects, SG_RESULT_MAX_OBJECTS);
    if (v2_u16(p + 24) > SG_JOB_TOP_K_MAX)
        return sg_error_set(err, SG_E_INVALID, "top_k is %u, the limit is %d", (unsigned)v2_u16(p + 24),
                            SG_JOB_TOP_K_MAX);
    infer->format = (enum sg_v2_format)p[4];
    infer->deadline_ms = v2_u32(p + 8);
    options->decode = (enum sg_decode_mode)p[5];
    options->threshold = threshold < 0.0f ? -1.0f : threshold;
    options->iou = iou < 0.0f ? -1.0f : iou;
    options->max_objects = (int)max_objects;
    options->top_k = v2_u16(p + 24);
    return 0;
}

/* Head and name are complete. */
static enum sg_v2_event got_infer(struct sg_v2_reader *reader, struct sg_error *err)
{
    const uint8_t *p = reader->small;
    size_t head_bytes = v2_u16(p), name_bytes = p[2];
    size_t picture = reader->header.body_bytes - head_bytes - name_bytes;
    int code;

    memcpy(reader->infer.pipeline, p + head_bytes, name_bytes);
    reader->infer.pipeline[name_bytes] = '\0';
    code = read_options(p, &reader->infer, err);
    if (code == 0 && memchr(p + head_bytes, '\0', name_bytes))
        code = sg_error_set(err, SG_E_INVALID, "the pipeline's name has a NUL in it");
    if (code == 0 && picture == 0)
        code = sg_error_set(err, SG_E_EMPTY_IMAGE, "no image bytes were sent");
    if (code == 0 && picture > reader->limits.max_image_bytes)
        code =
            sg_error_set(err, SG_E_TOO_LARGE, "the picture has %zu bytes, the limit is %zu (max_image_bytes)",
                         picture, reader->limits.max_image_bytes);
    if (code == 0)
        code = read_pixels(p, picture, reader->limits.max_pixels, &reader->infer.pixels, err);
    if (code < 0) {
        skip_from(reader, picture);
        return SG_V2_GOT_BAD;
    }
    reader->picture_bytes = reader->left = picture;
    reader->state = SG_V2_AT_PICTURE;
    return SG_V2_GOT_INFER;
}

static enum sg_v2_event got_small(struct sg_v2_reader *reader, struct sg_error *err)
{
    size_t head_bytes, whole;

    if (reader->header.type != SG_V2_INFER) {
        next_frame(reader);
        return SG_V2_GOT_CONTROL;
    }
    head_bytes = v2_u16(reader->small);
    whole = head_bytes + reader->small[2];
    if (head_bytes < SG_V2_INFER_BYTES || head_bytes > SG_V2_INFER_HEAD_MAX ||
        whole > reader->header.body_bytes)
        return bad_header(reader, err, "head_bytes or name_bytes of the request's head is wrong");
    if (reader->have < whole) {
        reader->need = whole;
        return SG_V2_NOTHING;
    }
    return got_infer(reader, err);
}

static enum sg_v2_event got_body(struct sg_v2_reader *reader, size_t n)
{
    bool picture = reader->state == SG_V2_AT_PICTURE;

    reader->left -= n;
    if (reader->left > 0)
        return SG_V2_NOTHING;
    next_frame(reader);
    return picture ? SG_V2_GOT_PICTURE : SG_V2_NOTHING;
}

enum sg_v2_event sg_v2_reader_got(struct sg_v2_reader *reader, size_t n, struct sg_error *err)
{
    if (reader->state == SG_V2_BROKEN)
        return SG_V2_NOTHING;
    if (reader->state == SG_V2_AT_PICTURE || reader->state == SG_V2_AT_SKIP)
        return got_body(reader, n);
    reader->have += n;
    if (reader->have < reader->need)
        return SG_V2_NOTHING;
    if (reader->state == SG_V2_AT_HELLO)
        return got_hello(reader, err);
    return reader->state == SG_V2_AT_HEADER ? got_header(reader, err) : got_small(reader, err);
}

void sg_v2_reader_skip(struct sg_v2_reader *reader)
{
    if (reader->state == SG_V2_AT_PICTURE)
        skip_from(reader, reader->left);
}

void sg_v2_header_write(uint8_t out[SG_V2_HEADER_BYTES], const struct sg_v2_header *header)
{
    v2_put(out, header->body_bytes, 4);
    out[4] = header->type;
    out[5] = header->flags;
    v2_put(out + 6, header->format, 2);
    v2_put(out + 8, header->id, 8);
}

/* flags and length before it */
static int put_name(const char *name, uint8_t flags, struct sg_buf *out)
{
    size_t bytes = strnlen(name, SG_V2_NAME_MAX);
    uint8_t head[2] = {flags, (uint8_t)bytes};
    int code = sg_buf_append(out, head, sizeof(head));

    return code < 0 ? code : sg_buf_append(out, name, bytes);
}

int sg_v2_welcome_write(const struct sg_v2_welcome *welcome,
                        const char *(*name_of)(void *ctx, int index, bool *out_default), void *ctx,
                        struct sg_buf *out)
{
    uint8_t head[SG_V2_HEADER_BYTES + SG_V2_HELLO_BODY_BYTES] = {0}, *body = head + SG_V2_HEADER_BYTES;
    struct sg_v2_header header = {.type = SG_V2_HELLO};
    size_t start = out->size;
    const char *name = NULL;
    bool is_default = false;
    int code, count = 0;

    v2_put(body, SG_V2_VERSION, 2);
    v2_put(body + 2, SG_V2_VERSION, 2);
    v2_put(body + 4, SG_V2_VERSION, 2);
    v2_put(body + 6, SG_V2_HELLO_BODY_BYTES, 2);
    v2_put(body + 8, welcome->max_image_bytes, 4);
    v2_put(body + 12, SG_RESULT_MAX_OBJECTS, 4);
    v2_put(body + 16, (uint64_t)welcome->receive_timeout_ms, 4);
    v2_put(body + 20, welcome->window, 2);
    body[22] = (uint8_t)welcome->policy;
    code = sg_buf_append(out, head, sizeof(head));
    if (code == 0)
        code = put_name("sightd " SIGHT_VERSION, 0, out);
    while (code == 0 && name_of && (name = name_of(ctx, count, &is_default))) {
        code = put_name(name, is_default ? 1 : 0, out);
        count++;
    }
    if (code < 0)
        return code;
    header.body_bytes = (uint32_t)(out->size - start - SG_V2_HEADER_BYTES);
    sg_v2_header_write(out->data + start, &header);
    v2_put(out->data + start + SG_V2_HEADER_BYTES + 24, (uint64_t)count, 2);
    return 0;
}

int sg_v2_error_write(uint64_t id, const struct sg_error *err, int64_t retry_after_ms, struct sg_buf *out)
{
    const char *name = sg_err_name(err->code);
    size_t name_bytes = strlen(name), start = out->size;
    struct sg_v2_header header = {.type = SG_V2_ERROR, .id = id};
    uint8_t head[SG_V2_HEADER_BYTES + SG_V2_ERROR_BODY_BYTES] = {0};
    int code;

    if (retry_after_ms < 0)
        retry_after_ms = 0;
    v2_put(head + SG_V2_HEADER_BYTES,
           (uint64_t)(retry_after_ms < (int64_t)UINT32_MAX ? retry_after_ms : UINT32_MAX), 4);
    v2_put(head + SG_V2_HEADER_BYTES + 4, name_bytes, 2);
    code = sg_buf_append(out, head, sizeof(head));
    if (code == 0)
        code = sg_buf_append(out, name, name_bytes);
    if (code == 0)
        code = sg_json_repair(err->text, out); /* it may quote what a client sent */
    if (code < 0)
        return code;
    header.body_bytes = (uint32_t)(out->size - start - SG_V2_HEADER_BYTES);
    sg_v2_header_write(out->data + start, &header);
    return 0;
}
