/* SPDX-License-Identifier: MIT
 * Pixel formats of decoded stills. The common packed ones have loops of their own, any other RGB or grey goes
 * through libavutil's sample reader.
 */
#include "img/convert.h"
#include "img/decode_kind.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/frame.h>
#include <libavutil/pixdesc.h>

void sg_convert_fini(struct sg_convert *convert)
{
    free(convert->row);
    *convert = (struct sg_convert){0};
}

static uint8_t *image_row(const struct sg_image *image, int y)
{
    return image->data + (size_t)y * image->stride_bytes;
}

static const uint8_t *frame_row(const AVFrame *frame, int plane, int y)
{
    return frame->data[plane] + (ptrdiff_t)y * frame->linesize[plane];
}

/* Where red, green and blue lie in a packed pixel of whole bytes; step 0 when the format is no such. */
struct layout {
    int step, red, green, blue;
};

static struct layout layout_of(int format)
{
    switch (format) {
    case AV_PIX_FMT_RGB24:
        return (struct layout){3, 0, 1, 2};
    case AV_PIX_FMT_BGR24:
        return (struct layout){3, 2, 1, 0};
    case AV_PIX_FMT_RGBA:
    case AV_PIX_FMT_RGB0:
        return (struct layout){4, 0, 1, 2};
    case AV_PIX_FMT_BGRA:
    case AV_PIX_FMT_BGR0:
        return (struct layout){4, 2, 1, 0};
    case AV_PIX_FMT_ARGB:
    case AV_PIX_FMT_0RGB:
        return (struct layout){4, 1, 2, 3};
    case AV_PIX_FMT_ABGR:
    case AV_PIX_FMT_0BGR:
        return (struct layout){4, 3, 2, 1};
    case AV_PIX_FMT_GRAY8:
        return (struct layout){1, 0, 0, 0};
    case AV_PIX_FMT_YA8:
        return (struct layout){2, 0, 0, 0};
    default:
        return (struct layout){0, 0, 0, 0};
    }
}

static void convert_packed(const AVFrame *frame, struct layout at, struct sg_image *image)
{
    for (int y = 0; y < image->height; y++) {
        const uint8_t *in = frame_row(frame, 0, y);
        uint8_t *out = image_row(image, y);

        if (at.step == 3 && at.red == 0) {
            memcpy(out, in, (size_t)image->width * 3);
            continue;
        }
        for (int x = 0; x < image->width; x++, in += at.step, out += 3) {
            out[0] = in[at.red];
            out[1] = in[at.green];
            out[2] = in[at.blue];
        }
    }
}

static void convert_palette(const AVFrame *frame, struct sg_image *image)
{
    uint32_t palette[256]; /* alpha, red, green, blue from the highest byte down, in this machine's order */

    memcpy(palette, frame->data[1], sizeof(palette));
    for (int y = 0; y < image->height; y++) {
        const uint8_t *in = frame_row(frame, 0, y);
        uint8_t *out = image_row(image, y);

        for (int x = 0; x < image->width; x++, out += 3) {
            uint32_t colour = palette[in[x]];

            out[0] = (uint8_t)(colour >> 16);
            out[1] = (uint8_t)(colour >> 8);
            out[2] = (uint8_t)colour;
        }
    }
}

static uint8_t sample_to_byte(unsigned value, int depth)
{
    if (depth >= 8)
        return (uint8_t)(value >> (depth - 8));
    return (uint8_t)(depth == 1 ? value * 255 : value << (8 - depth));
}

static int grow_row(struct sg_convert *convert, int width)
{
    uint16_t *row;

    if (width <= convert->row_width)
        return 0;
    row = realloc(convert->row, (size_t)width * sizeof(*row));
    if (!row)
        return SG_E_NOMEM;
    convert->row = row;
    convert->row_width = width;
    return 0;
}

/* Any integer RGB or grey format, planar or packed. */
static int convert_samples(struct sg_convert *convert, const AVFrame *frame, const AVPixFmtDescriptor *about,
                           struct sg_image *image)
{
    bool colour = about->nb_components >= 3;
    uint8_t invert = frame->format == AV_PIX_FMT_MONOWHITE ? 255 : 0;

    if (grow_row(convert, image->width) < 0)
        return SG_E_NOMEM;
    for (int y = 0; y < image->height; y++) {
        for (int c = 0; c < (colour ? 3 : 1); c++) {
            uint8_t *out = image_row(image, y) + c;
            int depth = about->comp[c].depth;

            av_read_image_line(convert->row, (const uint8_t **)frame->data, frame->linesize, about, 0, y, c,
                               image->width, 0);
            for (int x = 0; x < image->width; x++, out += 3)
                *out = sample_to_byte(convert->row[x], depth) ^ invert;
        }
        if (!colour) {
            uint8_t *out = image_row(image, y);

            for (int x = 0; x < image->width; x++, out += 3)
                out[1] = out[2] = out[0];
        }
    }
    return 0;
}

/* Planar floats, 0..1 shown as black..white. */
static void convert_floats(const AVFrame *frame, const AVPixFmtDescriptor *about, struct sg_image *image)
{
    for (int y = 0; y < image->height; y++) {
        for (int c = 0; c < 3; c++) {
            const uint8_t *in = frame_row(frame, about->comp[about->nb_components >= 3 ? c : 0].plane, y);
            uint8_t *out = image_row(image, y) + c;

            for (int x = 0; x < image->width; x++, in += sizeof(float), out += 3) {
                float value;

                memcpy(&value, in, sizeof(value));
                *out = value >= 1.0f ? 255 : value > 0.0f ? (uint8_t)lrintf(value * 255.0f) : 0;
            }
        }
    }
}

/* Multipliers of one conversion to RGB, 16 fraction bits: ITU-T H.273 equations 38 to 40. */
struct yuv {
    int shift_x, shift_y; /* chroma is halved that often */
    int bytes;            /* per sample */
    int black, middle, luma, red_v, green_u, green_v, blue_u;
};

/* Shares of red and blue in luma. */
static bool shares_of(int matrix, double *red, double *blue)
{
    static const struct {
        int matrix;
        double red, blue;
    } rows[] = {{AVCOL_SPC_BT709, 0.2126, 0.0722},    {AVCOL_SPC_FCC, 0.30, 0.11},
                {AVCOL_SPC_BT470BG, 0.299, 0.114},    {AVCOL_SPC_SMPTE170M, 0.299, 0.114},
                {AVCOL_SPC_SMPTE240M, 0.212, 0.087},  {AVCOL_SPC_BT2020_NCL, 0.2627, 0.0593},
                {AVCOL_SPC_UNSPECIFIED, 0.299, 0.114}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].matrix == matrix) {
            *red = rows[i].red;
            *blue = rows[i].blue;
            return true;
        }
    return false;
}

static bool prepare_yuv(struct yuv *yuv, const AVPixFmtDescriptor *about, const struct sg_convert_rule *rule)
{
    int depth = about->comp[0].depth;
    double step = 1 << (depth - 8), red, blue, green, luma, chroma;

    if (about->flags & AV_PIX_FMT_FLAG_BE || !(about->flags & AV_PIX_FMT_FLAG_PLANAR) || depth > 14 ||
        about->comp[0].shift || !shares_of(rule->matrix ? rule->matrix : AVCOL_SPC_UNSPECIFIED, &red, &blue))
        return false;
    green = 1.0 - red - blue;
    luma = 65536.0 * 255.0 / (rule->limited ? 219.0 * step : (1 << depth) - 1);
    chroma = 65536.0 * 255.0 / (rule->limited ? 224.0 * step : (1 << depth) - 1);
    *yuv = (struct yuv){.shift_x = about->log2_chroma_w,
                        .shift_y = about->log2_chroma_h,
                        .bytes = depth > 8 ? 2 : 1,
                        .black = rule->limited ? 16 << (depth - 8) : 0,
                        .middle = 128 << (depth - 8),
                        .luma = (int)lrint(luma),
                        .red_v = (int)lrint(chroma * 2.0 * (1.0 - red)),
                        .green_u = (int)lrint(chroma * 2.0 * blue * (1.0 - blue) / green),
                        .green_v = (int)lrint(chroma * 2.0 * red * (1.0 - red) / green),
                        .blue_u = (int)lrint(chroma * 2.0 * (1.0 - blue))};
    return true;
}

static int plane_sample(const uint8_t *row, int x, int bytes)
{
    return bytes == 1 ? row[x] : row[x * 2] | row[x * 2 + 1] << 8;
}

/* The sample nearest to `at` and the one beyond it, where there is half as much chroma. */
static void neighbours(int at, int shift, int length, int *near, int *far)
{
    *near = at >> shift;
    *far = shift == 1 ? *near + (at & 1 ? 1 : -1) : *near;
    *far = *far < 0 ? 0 : *far >= length ? length - 1 : *far;
}

static uint8_t clip(int value)
{
    value = (value + 32768) >> 16;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* Chroma sits between the pixels: 9/16 of the nearest sample, 3/16 of the next in each direction, 1/16 of the
 * diagonal one; the border repeats. */
static int convert_yuv(const AVFrame *frame, const AVPixFmtDescriptor *about,
                       const struct sg_convert_rule *rule, struct sg_image *image)
{
    struct yuv yuv;
    int chroma_width, chroma_height;

    if (!prepare_yuv(&yuv, about, rule))
        return SG_E_UNSUPPORTED;
    chroma_width = AV_CEIL_RSHIFT(image->width, yuv.shift_x);
    chroma_height = AV_CEIL_RSHIFT(image->height, yuv.shift_y);
    for (int y = 0; y < image->height; y++) {
        const uint8_t *luma = frame_row(frame, 0, y);
        uint8_t *out = image_row(image, y);
        int near_y, far_y, near_x, far_x;

        neighbours(y, yuv.shift_y, chroma_height, &near_y, &far_y);
        for (int x = 0; x < image->width; x++, out += 3) {
            int base = (plane_sample(luma, x, yuv.bytes) - yuv.black) * yuv.luma, mixed[2];

            neighbours(x, yuv.shift_x, chroma_width, &near_x, &far_x);
            for (int c = 0; c < 2; c++) {
                const uint8_t *near = frame_row(frame, c + 1, near_y), *far = frame_row(frame, c + 1, far_y);

                mixed[c] =
                    ((9 * plane_sample(near, near_x, yuv.bytes) + 3 * plane_sample(near, far_x, yuv.bytes) +
                      3 * plane_sample(far, near_x, yuv.bytes) + plane_sample(far, far_x, yuv.bytes) + 8) >>
                     4) -
                    yuv.middle;
            }
            out[0] = clip(base + mixed[1] * yuv.red_v);
            out[1] = clip(base - mixed[0] * yuv.green_u - mixed[1] * yuv.green_v);
            out[2] = clip(base + mixed[0] * yuv.blue_u);
        }
    }
    return 0;
}

/* Grey and RGB of limited range: 16 is black and 235 white. */
static void expand_range(struct sg_image *image)
{
    for (int y = 0; y < image->height; y++) {
        uint8_t *row = image_row(image, y);

        for (int x = 0; x < image->width * 3; x++)
            row[x] = clip((row[x] - 16) * (65536 * 255 / 219));
    }
}

int sg_convert_run(struct sg_convert *convert, const AVFrame *frame, const struct sg_convert_rule *rule,
                   struct sg_image *image, struct sg_error *err)
{
    const AVPixFmtDescriptor *about = av_pix_fmt_desc_get(frame->format);
    struct layout layout = layout_of(frame->format);
    int code = sg_decode_room(image, frame->width, frame->height, err);

    if (code < 0)
        return code;
    if (layout.step)
        convert_packed(frame, layout, image);
    else if (frame->format == AV_PIX_FMT_PAL8)
        convert_palette(frame, image);
    else if (!about || about->flags & (AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BAYER))
        code = SG_E_UNSUPPORTED;
    else if (about->flags & AV_PIX_FMT_FLAG_FLOAT)
        convert_floats(frame, about, image);
    else if (about->flags & AV_PIX_FMT_FLAG_RGB || about->nb_components <= 2)
        code = convert_samples(convert, frame, about, image);
    else
        code = convert_yuv(frame, about, rule, image);
    if (code == 0 && rule->limited && (about->flags & AV_PIX_FMT_FLAG_RGB || about->nb_components <= 2))
        expand_range(image);
    if (code == SG_E_NOMEM)
        return sg_error_set(err, code, "out of memory for a row of %d pixels", frame->width);
    if (code < 0)
        return sg_error_set(err, code, "pixel format %s with colour matrix %d is not supported",
                            about ? about->name : "?", rule->matrix);
    return 0;
}
