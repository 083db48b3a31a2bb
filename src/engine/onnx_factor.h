/* SPDX-License-Identifier: MIT
 * Sizes in the arithmetic of an ONNX file: a graph that multiplies boxes in 0..1 by 640 runs at any size and
 * is right at one. Private to the engine; pure, any thread.
 */
#ifndef SG_ENGINE_ONNX_FACTOR_H
#define SG_ENGINE_ONNX_FACTOR_H

#include <stddef.h>
#include <stdint.h>

/* Does a product or quotient of the outermost graph have a constant of at most 8 elements, one of which is
 * `height` or `width` (sides below 32 are too common as numbers)? That side, else 0. What cannot be read has
 * none. */
int64_t sg_onnx_factor(const uint8_t *bytes, size_t size, int64_t height, int64_t width);

#endif
