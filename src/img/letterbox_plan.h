/* SPDX-License-Identifier: MIT
 * The letterbox's plan: which source pixels, with which weights, make which column and row of the input, and
 * the scratch rows. Lives in struct sg_letterbox's memory. Private to letterbox*.c.
 */
#ifndef SG_IMG_LETTERBOX_PLAN_H
#define SG_IMG_LETTERBOX_PLAN_H

#include "img/letterbox.h"
#include "img/letterbox_kernel.h"

#include <stdbool.h>

#define SG_LETTERBOX_GEOMETRY_WORDS 24
#define SG_LETTERBOX_LEVEL_WORDS    16

struct sg_letterbox_row {
    int upper, lower; /* source rows */
    int16_t upper_weight, lower_weight;
};

struct sg_letterbox_plan {
    uint32_t geometry[SG_LETTERBOX_GEOMETRY_WORDS],
        level_key[SG_LETTERBOX_LEVEL_WORDS]; /* what the tables below were made for */
    bool has_geometry, has_levels;
    struct sg_letterbox_columns columns;
    struct sg_letterbox_levels levels;
    uint32_t pad[3]; /* an element of padding, as bits, by output channel */
    int first, last; /* source columns used */
    struct sg_letterbox_row *rows;
    int32_t *offsets;
    int16_t *weights;
    int16_t *strip[2]; /* rows resized along their length */
    int strip_row[2];  /* which source row lies there, or -1 */
    uint8_t *pixels;   /* one finished row */
    uint8_t *line;     /* a source row as RGB24, when it is stored otherwise */
};

/* The scratch's plan for this picture, made anew where it does not fit. Arguments were checked. */
int sg_letterbox_plan(struct sg_letterbox *letterbox, const struct sg_image *image,
                      const struct sg_transform *transform, const struct sg_placement *placement,
                      struct sg_letterbox_plan **out_plan);

#endif
