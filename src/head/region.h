/* SPDX-License-Identifier: MIT
 * Regions of a map: 8-connected components above a threshold, their convex hull and the rectangle of least
 * area around it. Points are pixel centres: pixel (x, y) is the point (x + 0.5, y + 0.5). Pure; any thread;
 * all memory is the caller's.
 */
#ifndef SG_HEAD_REGION_H
#define SG_HEAD_REGION_H

#include "data/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A walk over the regions of one map. Private, but for width and height. */
struct sg_regions {
    const float *map;
    int width, height;
    float threshold;
    int64_t next;         /* where the search goes on */
    unsigned char *taken; /* width * height */
    int32_t *stack;       /* width * height */
    int32_t *left, *right;
};

/* Rows top .. bottom of the picture; left[y], right[y] are the outermost pixels of row y of the region. */
struct sg_region {
    int top, bottom;
    const int32_t *left, *right;
    int64_t pixels;
    double sum; /* of the map over those pixels; those that are not finite count as 0 */
};

/* A rectangle at any angle: `width` along the unit vector (ux, uy), `height` along (-uy, ux). */
struct sg_rotated {
    float x, y, ux, uy, width, height;
};

/* Bytes of scratch for a walk; 0 when the map is empty or has more than 2^31 - 1 pixels. */
size_t sg_regions_bytes(int width, int height);
/* Starts a walk; memory holds sg_regions_bytes and is aligned for pointers. */
void sg_regions_init(struct sg_regions *regions, const float *map, int width, int height, float threshold,
                     void *memory);
/* The next region in reading order of its first pixel; its rows live until the next call. A pixel belongs
 * when its value is greater than the threshold; NaN does not. */
bool sg_regions_next(struct sg_regions *regions, struct sg_region *out_region);

/* Most points that a hull of the region may need room for. */
int sg_region_hull_max(const struct sg_region *region);
/* Convex hull of the pixel centres, positive area in (x, y), no three on a line; returns the count (>= 1). */
int sg_region_hull(const struct sg_region *region, struct sg_point *hull);
/* Rectangle of least area around a hull as above, by rotating calipers (Toussaint 1983). */
struct sg_rotated sg_region_rectangle(const struct sg_point *hull, int count);

#endif
