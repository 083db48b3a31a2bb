/* SPDX-License-Identifier: MIT
 * Shapes: every one ends in `blend`, and every loop runs over a range that was cut to the picture first.
 */
#include "img/paint.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define CROSSINGS_MAX 256 /* of one row with an outline; a wilder outline loses the rest */
#define FARTHEST      1e5f

static uint8_t *pixel_at(struct sg_image *image, int x, int y)
{
    return image->data + (size_t)y * image->stride_bytes + 3 * (size_t)x;
}

/* alpha 0..256 */
static void blend(uint8_t *pixel, struct sg_color color, int alpha)
{
    pixel[0] = (uint8_t)(pixel[0] + ((color.r - pixel[0]) * alpha + 128) / 256);
    pixel[1] = (uint8_t)(pixel[1] + ((color.g - pixel[1]) * alpha + 128) / 256);
    pixel[2] = (uint8_t)(pixel[2] + ((color.b - pixel[2]) * alpha + 128) / 256);
}

static int cut(int value, int low, int high)
{
    if (value < low)
        return low;
    return value > high ? high : value;
}

/* First whole number not below `value`, inside 0..high; far and non-finite values are cut too. */
static int cut_ceil(float value, int high)
{
    if (!(value > 0))
        return 0;
    return value < (float)high ? (int)ceilf(value) : high;
}

static bool is_usable(struct sg_point p)
{
    return fabsf(p.x) <= FARTHEST && fabsf(p.y) <= FARTHEST; /* false for NaN */
}

static void blend_run(struct sg_image *image, int y, int x1, int x2, struct sg_color color, int alpha)
{
    int x;

    if (y < 0 || y >= image->height)
        return;
    x1 = cut(x1, 0, image->width);
    x2 = cut(x2, 0, image->width);
    for (x = x1; x < x2; x++)
        blend(pixel_at(image, x, y), color, alpha);
}

void sg_paint_rect(struct sg_image *image, struct sg_rect rect, struct sg_color color, int alpha)
{
    int y, end = cut(rect.y2, 0, image->height);

    for (y = cut(rect.y1, 0, image->height); y < end; y++)
        blend_run(image, y, rect.x1, rect.x2, color, alpha);
}

void sg_paint_frame(struct sg_image *image, struct sg_rect rect, int width, struct sg_color color, int alpha)
{
    int top, bottom, left, right;

    if (rect.x1 >= rect.x2 || rect.y1 >= rect.y2 || width < 1)
        return;
    top = cut(rect.y1 + width, rect.y1, rect.y2);
    bottom = cut(rect.y2 - width, top, rect.y2);
    left = cut(rect.x1 + width, rect.x1, rect.x2);
    right = cut(rect.x2 - width, left, rect.x2);
    sg_paint_rect(image, (struct sg_rect){rect.x1, rect.y1, rect.x2, top}, color, alpha);
    sg_paint_rect(image, (struct sg_rect){rect.x1, bottom, rect.x2, rect.y2}, color, alpha);
    sg_paint_rect(image, (struct sg_rect){rect.x1, top, left, bottom}, color, alpha);
    sg_paint_rect(image, (struct sg_rect){right, top, rect.x2, bottom}, color, alpha);
}

/* Coverage of a pixel whose centre lies `distance` from the middle of a stroke. */
static int coverage(float distance, float radius)
{
    float share = radius + 0.5f - distance;

    if (!(share > 0))
        return 0;
    return share < 1.0f ? (int)(share * SG_PAINT_OPAQUE) : SG_PAINT_OPAQUE;
}

/* Distance of p to the segment from a along d. */
static float distance_to(struct sg_point p, struct sg_point a, struct sg_point d, float length2)
{
    float t = length2 > 0 ? ((p.x - a.x) * d.x + (p.y - a.y) * d.y) / length2 : 0.0f;

    t = fminf(fmaxf(t, 0.0f), 1.0f);
    return hypotf(p.x - a.x - t * d.x, p.y - a.y - t * d.y);
}

void sg_paint_line(struct sg_image *image, struct sg_point a, struct sg_point b, float width,
                   struct sg_color color)
{
    struct sg_point d = {b.x - a.x, b.y - a.y};
    float radius = width / 2, reach = radius + 1.0f, length2 = d.x * d.x + d.y * d.y;
    int y, end;

    if (!is_usable(a) || !is_usable(b))
        return;
    end = cut_ceil(fmaxf(a.y, b.y) + reach, image->height);
    for (y = cut_ceil(fminf(a.y, b.y) - reach, image->height); y < end; y++) {
        /* The part of the segment near this row bounds the columns. */
        float t1 = 0, t2 = 1, x1, x2;
        int x, last;

        if (fabsf(d.y) > 1e-3f) {
            float low = ((float)y - reach - a.y) / d.y, high = ((float)y + 1 + reach - a.y) / d.y;

            t1 = fminf(fmaxf(fminf(low, high), 0), 1);
            t2 = fminf(fmaxf(fmaxf(low, high), 0), 1);
        }
        x1 = a.x + t1 * d.x;
        x2 = a.x + t2 * d.x;
        last = cut_ceil(fmaxf(x1, x2) + reach, image->width);
        for (x = cut_ceil(fminf(x1, x2) - reach, image->width); x < last; x++) {
            struct sg_point centre = {(float)x + 0.5f, (float)y + 0.5f};
            int alpha = coverage(distance_to(centre, a, d, length2), radius);

            if (alpha > 0)
                blend(pixel_at(image, x, y), color, alpha);
        }
    }
}

void sg_paint_disc(struct sg_image *image, struct sg_point centre, float radius, struct sg_color color)
{
    sg_paint_line(image, centre, centre, 2 * radius, color);
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* Where the outline crosses the middle of row y, in order. */
static int crossings_of(const struct sg_point *points, int count, float y, float *crossings)
{
    int found = 0, i;

    for (i = 0; i < count && found < CROSSINGS_MAX; i++) {
        struct sg_point a = points[i], b = points[(i + 1) % count];

        if (is_usable(a) && is_usable(b) && (a.y <= y) != (b.y <= y))
            crossings[found++] = a.x + (y - a.y) / (b.y - a.y) * (b.x - a.x);
    }
    qsort(crossings, (size_t)found, sizeof(*crossings), compare_floats);
    return found;
}

void sg_paint_polygon(struct sg_image *image, const struct sg_point *points, int count, struct sg_color color,
                      int alpha)
{
    float crossings[CROSSINGS_MAX], low = FARTHEST, high = -FARTHEST;
    int i, y, end;

    for (i = 0; i < count; i++) {
        if (is_usable(points[i])) {
            low = fminf(low, points[i].y);
            high = fmaxf(high, points[i].y);
        }
    }
    end = cut_ceil(high, image->height);
    for (y = cut_ceil(low - 1, image->height); y < end; y++) {
        int found = crossings_of(points, count, (float)y + 0.5f, crossings);

        for (i = 0; i + 1 < found; i += 2)
            blend_run(image, y, cut_ceil(crossings[i] - 0.5f, image->width),
                      cut_ceil(crossings[i + 1] - 0.5f, image->width), color, alpha);
    }
}

void sg_paint_coverage(struct sg_image *image, int x, int y, const uint8_t *bits, int width, int height,
                       struct sg_color color)
{
    int i, k, first = cut(-x, 0, width), last = cut(image->width - x, first, width);
    int top = cut(-y, 0, height), bottom = cut(image->height - y, top, height);

    for (i = top; i < bottom; i++) {
        for (k = first; k < last; k++) {
            int alpha = bits[(size_t)i * (size_t)width + (size_t)k];

            if (alpha)
                blend(pixel_at(image, x + k, y + i), color, alpha + (alpha >> 7));
        }
    }
}
