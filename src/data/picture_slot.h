/* SPDX-License-Identifier: MIT
 * Which input of a graph is the picture, and which of its axes are height and width, as far as shapes tell.
 * Pure; any thread.
 */
#ifndef SG_DATA_PICTURE_SLOT_H
#define SG_DATA_PICTURE_SLOT_H

#include "data/transform.h"

#include <stdbool.h>

/* So many are the channels of pictures: 1 or 3. */
bool sg_is_channels(int64_t dim);
/* The first of four dimensions with channels in place, else the first of four dimensions, else the first of
 * 3xHxW or HxWx3 (as torchvision's detectors and Faster R-CNN of the ONNX model zoo are exported). -1: none.
 */
int sg_picture_slot(const struct sg_slot *slots, int count);
/* Where the channels lie, of a slot of three or four dimensions. A convention where the shape does not tell.
 */
enum sg_layout sg_slot_layout(const struct sg_slot *slot);
/* The axes of height and width in a slot of three or four dimensions of that layout. */
void sg_slot_sides(const struct sg_slot *slot, enum sg_layout layout, int *out_height, int *out_width);

#endif
