/* SPDX-License-Identifier: MIT
 * From a field of values to the outline of its largest region. Pure; any thread.
 */
#ifndef SG_HEAD_OUTLINE_H
#define SG_HEAD_OUTLINE_H

#include "data/image.h"

#include <stddef.h>

/* Bytes of scratch that a field of width x height values needs. */
size_t sg_outline_scratch(int width, int height);

/* The field's border values must all be < level (the caller pads). Writes the closed outline of the region >=
 * level with the largest outline area, in field coordinates (value i lies at x = i), clockwise on screen,
 * crossings interpolated between neighbours (half-way where the outer one is infinite), points nearer than
 * tolerance to the line of their neighbours left out (Douglas and Peucker 1973). *out_points lies in scratch.
 * Returns the number of points; 0 when no value reaches the level. */
int sg_outline(const float *field, int width, int height, float level, float tolerance, void *scratch,
               const struct sg_point **out_points);

#endif
