/* SPDX-License-Identifier: MIT
 * Lines of UTF-8 text through FreeType: a list of faces, the first that has a character draws it. Left to
 * right, one glyph per code point. One owner at a time. Private to img.
 */
#ifndef SG_IMG_FONT_H
#define SG_IMG_FONT_H

#include "base/error.h"
#include "img/paint.h"

#include <stdbool.h>

#define SG_FONT_MIN_PX 6
#define SG_FONT_MAX_PX 160

struct sg_font;

/* path, then the environment's SIGHT_FONT, then the usual places of Latin and CJK faces. SG_E_NOT_FOUND when
 * path is given and cannot be opened, or when nothing at all was found; SG_E_NOMEM. */
int sg_font_open(const char *path, struct sg_font **out_font, struct sg_error *err);
/* Whether any of the faces has the character; without it a box is drawn. */
bool sg_font_has(const struct sg_font *font, uint32_t code);
void sg_font_close(struct sg_font **font);
/* Height of what follows, cut to the limits above. */
void sg_font_set_size(struct sg_font *font, int pixels);
/* From the top of a line to its base line, and to the next line's top. */
int sg_font_ascent(const struct sg_font *font);
int sg_font_line_height(const struct sg_font *font);
int sg_font_text_width(struct sg_font *font, const char *text);
/* x is where the pen starts, y the base line. */
void sg_font_draw(struct sg_font *font, struct sg_image *image, int x, int y, const char *text,
                  struct sg_color color);
#endif
