/* SPDX-License-Identifier: MIT
 * A result drawn into a picture: boxes, labels with scores, landmarks, quads, text, masks. Any thread, own
 * painter each.
 */
#ifndef SG_IMG_DRAW_H
#define SG_IMG_DRAW_H

#include "base/error.h"
#include "data/image.h"
#include "data/result.h"

struct sg_painter;

/* Opens the fonts (Latin and CJK, found at run time; font_path NULL = the usual places of Debian). Without
 * any font boxes are still drawn and sg_painter_has_font is false. */
int sg_painter_create(const char *font_path, struct sg_painter **out_painter, struct sg_error *err);
void sg_painter_destroy(struct sg_painter **painter);
bool sg_painter_has_font(const struct sg_painter *painter);
/* Whether a font has the character (Unicode); one that none has is drawn as a box. */
bool sg_painter_has_glyph(const struct sg_painter *painter, uint32_t code);
/* Draws into image (RGB24, owned pixels). Line width and text size follow the picture's size; one colour per
 * class. */
int sg_painter_draw(struct sg_painter *painter, struct sg_image *image, const struct sg_result *result,
                    struct sg_error *err);

#endif
