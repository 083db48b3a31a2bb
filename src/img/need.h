/* SPDX-License-Identifier: MIT
 * What a decode will allocate, foreseen from the header. Pure; any thread.
 */
#ifndef SG_IMG_NEED_H
#define SG_IMG_NEED_H

#include "img/decode.h"

/* Bytes at the most, but for a decoder's small change, of sg_decoder_decode of this picture of width x height
 * upright pixels. Reads no further than a JPEG's first scan. */
size_t sg_decode_need(const void *bytes, size_t size, int width, int height,
                      const struct sg_decode_wish *wish);

#endif
