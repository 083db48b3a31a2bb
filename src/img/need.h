/* SPDX-License-Identifier: MIT
 * What a decode will allocate, foreseen from the header. Pure; any thread.
 */
#ifndef SG_IMG_NEED_H
#define SG_IMG_NEED_H

#include "img/decode.h"

/* Bytes that sg_decoder_decode of this picture of width x height upright pixels holds at its most: never less
 * for a sound file, and no more than half as much again, or 512 KiB (tests/test_decode_memory.py). Reads
 * headers only. A damaged file may get any answer. */
size_t sg_decode_need(const void *bytes, size_t size, int width, int height,
                      const struct sg_decode_wish *wish);

#endif
