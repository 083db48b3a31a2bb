/* SPDX-License-Identifier: MIT
 * One NV12 pixel as RGB: BT.601, limited range, in the 20-bit constants of cv2.COLOR_YUV2RGB_NV12. Private to
 * img.
 */
#ifndef SG_IMG_NV12_H
#define SG_IMG_NV12_H

#include "data/image.h"

static inline uint8_t sg_clip8(int value)
{
    if (value < 0)
        return 0;
    return (uint8_t)(value > 255 ? 255 : value);
}

/* luma and chroma are the rows that pixel x lies in. */
static inline void sg_nv12_pixel(const uint8_t *luma, const uint8_t *chroma, int x, uint8_t rgb[3])
{
    int light = 1220542 * (luma[x] > 16 ? luma[x] - 16 : 0) + (1 << 19);
    int u = chroma[x & ~1] - 128, v = chroma[(x & ~1) + 1] - 128;

    rgb[0] = sg_clip8((light + 1673527 * v) >> 20);
    rgb[1] = sg_clip8((light - 852492 * v - 409993 * u) >> 20);
    rgb[2] = sg_clip8((light + 2116026 * u) >> 20);
}

#endif
