/* SPDX-License-Identifier: MIT
 * Pixels to JPEG or PNG. Any thread.
 */
#ifndef SG_IMG_ENCODE_H
#define SG_IMG_ENCODE_H

#include "base/buf.h"
#include "base/error.h"
#include "data/image.h"

#define SG_ENCODE_QUALITY 90

/* image is RGB24, BGR24 or GRAY8; appended to out. quality 1..100. */
int sg_encode_jpeg(const struct sg_image *image, int quality, struct sg_buf *out, struct sg_error *err);
int sg_encode_png(const struct sg_image *image, struct sg_buf *out, struct sg_error *err);

#endif
