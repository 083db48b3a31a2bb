/* SPDX-License-Identifier: MIT
 * Shapes put onto RGB24 pixels, smooth at the edges and clipped to the picture whatever the coordinates are
 * (numbers that are not finite draw nothing). Stored pixels. Private to img.
 */
#ifndef SG_IMG_PAINT_H
#define SG_IMG_PAINT_H

#include "data/image.h"

#define SG_PAINT_OPAQUE 256

struct sg_color {
    uint8_t r, g, b;
};

/* x1,y1 inclusive, x2,y2 exclusive. */
struct sg_rect {
    int x1, y1, x2, y2;
};

void sg_paint_rect(struct sg_image *image, struct sg_rect rect, struct sg_color color, int alpha);
/* The outline of rect, `width` pixels to its inside. */
void sg_paint_frame(struct sg_image *image, struct sg_rect rect, int width, struct sg_color color, int alpha);
void sg_paint_line(struct sg_image *image, struct sg_point a, struct sg_point b, float width,
                   struct sg_color color);
void sg_paint_disc(struct sg_image *image, struct sg_point centre, float radius, struct sg_color color);
/* Even-odd fill of a closed outline. */
void sg_paint_polygon(struct sg_image *image, const struct sg_point *points, int count, struct sg_color color,
                      int alpha);
/* 8-bit coverage, its top left at x,y. */
void sg_paint_coverage(struct sg_image *image, int x, int y, const uint8_t *bits, int width, int height,
                       struct sg_color color);

#endif
