/* SPDX-License-Identifier: MIT
 * A quadrilateral of a picture, straightened: text lines, plates. Pure; any thread.
 */
#ifndef SG_IMG_WARP_H
#define SG_IMG_WARP_H

#include "base/error.h"
#include "data/image.h"

/* Cuts quad (original pixels, clockwise from the top left of what it shows) out of image into a width x
 * height RGB24 picture by the perspective transform that maps the quad's corners to the corners of the
 * result, bilinear; outside the picture its edge is repeated (cv2.BORDER_REPLICATE). out is resized.
 * SG_E_INVALID for a degenerate quad. */
int sg_warp_quad(const struct sg_image *image, const struct sg_point quad[4], int width, int height,
                 struct sg_image *out, struct sg_error *err);

/* Turns a picture in place by quarter turns clockwise (1..3); scale and origin are reset to 1 and 0. */
int sg_image_turn(struct sg_image *image, int quarter_turns, struct sg_error *err);

#endif
