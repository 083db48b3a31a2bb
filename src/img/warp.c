/* SPDX-License-Identifier: MIT
 * Perspective crops and quarter turns. The homography is the closed form of the map from the unit square to a
 * quadrilateral (Heckbert, Fundamentals of Texture Mapping, 1989, section 2.2.3).
 */
#include "img/warp.h"

#include "img/nv12.h"

#include <math.h>
#include <string.h>

#define SHARE_BITS 8 /* of a sample's position between two pixels */
#define SHARE_ONE  (1 << SHARE_BITS)
#define MIN_AREA   1e-3 /* square pixels of the triangle at a corner: less is no picture */

/* (u, v) of the unit square to stored pixel centres: x = (xu u + xv v + x1) / (du u + dv v + 1), y alike. */
struct homography {
    double xu, xv, x1, yu, yv, y1, du, dv;
};

static double corner_area(struct sg_point a, struct sg_point b, struct sg_point c)
{
    return ((double)b.x - a.x) * ((double)c.y - b.y) - ((double)b.y - a.y) * ((double)c.x - b.x);
}

/* Convex, with area at every corner; either way round. */
static bool quad_is_sane(const struct sg_point quad[4])
{
    double sign = 0;
    int i;

    for (i = 0; i < 4; i++) {
        double area = corner_area(quad[i], quad[(i + 1) % 4], quad[(i + 2) % 4]);

        if (!isfinite(quad[i].x) || !isfinite(quad[i].y) || fabsf(quad[i].x) > 1e6f ||
            fabsf(quad[i].y) > 1e6f || !(fabs(area) >= MIN_AREA) || area * sign < 0)
            return false;
        sign = area;
    }
    return true;
}

static int solve(const struct sg_image *image, const struct sg_point quad[4], struct homography *h)
{
    double x[4], y[4], dx1, dx2, dx3, dy1, dy2, dy3, det;
    int i;

    for (i = 0; i < 4; i++) {
        x[i] = ((double)quad[i].x - image->origin_x) * image->scale_x - 0.5;
        y[i] = ((double)quad[i].y - image->origin_y) * image->scale_y - 0.5;
    }
    dx1 = x[1] - x[2], dx2 = x[3] - x[2], dx3 = x[0] - x[1] + x[2] - x[3];
    dy1 = y[1] - y[2], dy2 = y[3] - y[2], dy3 = y[0] - y[1] + y[2] - y[3];
    det = dx1 * dy2 - dx2 * dy1;
    if (!(fabs(det) > 1e-12))
        return SG_E_INVALID;
    h->du = (dx3 * dy2 - dx2 * dy3) / det;
    h->dv = (dx1 * dy3 - dx3 * dy1) / det;
    h->xu = x[1] - x[0] + h->du * x[1];
    h->xv = x[3] - x[0] + h->dv * x[3];
    h->x1 = x[0];
    h->yu = y[1] - y[0] + h->du * y[1];
    h->yv = y[3] - y[0] + h->dv * y[3];
    h->y1 = y[0];
    return 0;
}

static int clamp(int value, int high)
{
    if (value < 0)
        return 0;
    return value > high ? high : value;
}

static void fetch(const struct sg_image *image, int x, int y, uint8_t rgb[3])
{
    const uint8_t *row = image->data + (size_t)y * image->stride_bytes;

    switch (image->format) {
    case SG_PIXEL_RGB24:
        memcpy(rgb, row + 3 * (size_t)x, 3);
        return;
    case SG_PIXEL_BGR24:
        row += 3 * (size_t)x;
        rgb[0] = row[2], rgb[1] = row[1], rgb[2] = row[0];
        return;
    case SG_PIXEL_GRAY8:
        memset(rgb, row[x], 3);
        return;
    case SG_PIXEL_NV12:
        sg_nv12_pixel(row, image->chroma + (size_t)(y / 2) * image->stride_bytes, x, rgb);
        return;
    }
}

static void mix(const uint8_t *a, const uint8_t *b, const uint8_t *c, const uint8_t *d, int share_x,
                int share_y, uint8_t *to)
{
    int k;

    for (k = 0; k < 3; k++) {
        int upper = a[k] * (SHARE_ONE - share_x) + b[k] * share_x;
        int lower = c[k] * (SHARE_ONE - share_x) + d[k] * share_x;

        to[k] = (uint8_t)((upper * (SHARE_ONE - share_y) + lower * share_y + SHARE_ONE * SHARE_ONE / 2) >>
                          (2 * SHARE_BITS));
    }
}

/* x, y in shares of a pixel. */
static void sample(const struct sg_image *image, int x, int y, uint8_t *to)
{
    int left = x >> SHARE_BITS, top = y >> SHARE_BITS;
    int share_x = x & (SHARE_ONE - 1), share_y = y & (SHARE_ONE - 1);
    uint8_t rgb[4][3];
    int k;

    if (image->format == SG_PIXEL_RGB24 && left >= 0 && top >= 0 && left < image->width - 1 &&
        top < image->height - 1) {
        const uint8_t *at = image->data + (size_t)top * image->stride_bytes + 3 * (size_t)left;

        mix(at, at + 3, at + image->stride_bytes, at + image->stride_bytes + 3, share_x, share_y, to);
        return;
    }
    for (k = 0; k < 4; k++)
        fetch(image, clamp(left + k % 2, image->width - 1), clamp(top + k / 2, image->height - 1), rgb[k]);
    mix(rgb[0], rgb[1], rgb[2], rgb[3], share_x, share_y, to);
}

/* Beyond one pixel outside nothing changes any more; also keeps the conversion to int defined. */
static int to_shares(float position, int size)
{
    position = fminf(fmaxf(position, -1.0f), (float)size);
    return (int)floorf(position * SHARE_ONE + 0.5f);
}

static void warp_row(const struct sg_image *image, const struct homography *h, int y, struct sg_image *out)
{
    uint8_t *to = out->data + (size_t)y * out->stride_bytes;
    double v = (y + 0.5) / out->height, step = 1.0 / out->width, u = 0.5 * step;
    float x_at = (float)(h->xu * u + h->xv * v + h->x1), x_step = (float)(h->xu * step);
    float y_at = (float)(h->yu * u + h->yv * v + h->y1), y_step = (float)(h->yu * step);
    float d_at = (float)(h->du * u + h->dv * v + 1.0), d_step = (float)(h->du * step);
    int x;

    for (x = 0; x < out->width; x++, to += 3) {
        float i = (float)x, scale = 1.0f / (d_at + i * d_step);

        sample(image, to_shares((x_at + i * x_step) * scale, image->width),
               to_shares((y_at + i * y_step) * scale, image->height), to);
    }
}

int sg_warp_quad(const struct sg_image *image, const struct sg_point quad[4], int width, int height,
                 struct sg_image *out, struct sg_error *err)
{
    struct homography h;
    int y, code;

    if (!image->data || image->width < 1 || image->height < 1 || !quad_is_sane(quad) ||
        solve(image, quad, &h) < 0)
        return sg_error_set(err, SG_E_INVALID,
                            "cannot straighten the quad (%g,%g) (%g,%g) (%g,%g) (%g,%g): its corners must go "
                            "round a convex area",
                            quad[0].x, quad[0].y, quad[1].x, quad[1].y, quad[2].x, quad[2].y, quad[3].x,
                            quad[3].y);
    code = sg_image_resize(out, SG_PIXEL_RGB24, width, height);
    if (code < 0)
        return sg_error_set(err, (enum sg_err)code, "cannot make a %dx%d picture (limit %d a side)", width,
                            height, SG_IMAGE_MAX_SIDE);
    for (y = 0; y < height; y++)
        warp_row(image, &h, y, out);
    return 0;
}

/* One plane of `bytes` per pixel, turned clockwise; width and height are those of the source. */
static void turn_plane(const uint8_t *from, size_t from_stride, int width, int height, size_t bytes,
                       int turns, uint8_t *to, size_t to_stride)
{
    int x, y;

    for (y = 0; y < height; y++) {
        for (x = 0; x < width; x++) {
            int to_x = turns == 1 ? height - 1 - y : turns == 2 ? width - 1 - x : y;
            int to_y = turns == 1 ? x : turns == 2 ? height - 1 - y : width - 1 - x;

            memcpy(to + (size_t)to_y * to_stride + (size_t)to_x * bytes,
                   from + (size_t)y * from_stride + (size_t)x * bytes, bytes);
        }
    }
}

int sg_image_turn(struct sg_image *image, int quarter_turns, struct sg_error *err)
{
    struct sg_image turned = {0};
    bool lies = quarter_turns != 2;
    int code;

    if (!image->data || quarter_turns < 1 || quarter_turns > 3)
        return sg_error_set(err, SG_E_INVALID, "a picture turns by 1 to 3 quarters, not by %d",
                            quarter_turns);
    code = sg_image_resize(&turned, image->format, lies ? image->height : image->width,
                           lies ? image->width : image->height);
    if (code < 0)
        return sg_error_set(err, (enum sg_err)code, "no memory to turn a %dx%d picture", image->width,
                            image->height);
    turn_plane(image->data, image->stride_bytes, image->width, image->height,
               (size_t)sg_pixel_bytes(image->format), quarter_turns, turned.data, turned.stride_bytes);
    if (image->format == SG_PIXEL_NV12)
        turn_plane(image->chroma, image->stride_bytes, (image->width + 1) / 2, (image->height + 1) / 2, 2,
                   quarter_turns, turned.chroma, turned.stride_bytes);
    sg_image_fini(image);
    *image = turned;
    return 0;
}
