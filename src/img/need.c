/* SPDX-License-Identifier: MIT
 * JPEG by ITU T.81: a picture in several scans is held as coefficients of all its blocks, two bytes each
 * (libjpeg's JCOEF), at full size however small it is decoded; one scan goes out row by row.
 */
#include "img/need.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define OUT_BYTES   6  /* of a pixel: RGB24, and once more where the picture is turned */
#define OTHER_BYTES 8  /* of a pixel as other formats' decoders hold it: four channels of 16 bits */
#define JP2K_BYTES  20 /* of a pixel as OpenJPEG holds it: 32 bits each for up to five components */
#define COEF_BYTES  2
#define SCALE_LEAST 8 /* libjpeg reduces to an eighth at the most */

/* Bytes of coefficients per pixel; 0: one scan. -1: no JPEG. */
static int coefficients(const uint8_t *bytes, size_t size)
{
    int components = 0;
    bool progressive = false;
    size_t at = 2;

    if (size < 4 || bytes[0] != 0xff || bytes[1] != 0xd8)
        return -1;
    while (at + 4 <= size) {
        unsigned marker = bytes[at + 1], length = (unsigned)bytes[at + 2] << 8 | bytes[at + 3];

        if (bytes[at] != 0xff || marker == 0xff) {
            at++;
            continue;
        }
        if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) { /* alone */
            at += 2;
            continue;
        }
        if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc &&
            at + 10 <= size) {
            components = bytes[at + 9] > 4 ? 4 : bytes[at + 9];
            progressive = (marker & 3) == 2;
        }
        if (marker == 0xda)
            return progressive || (at + 5 <= size && bytes[at + 4] < components) ? COEF_BYTES * components
                                                                                 : 0;
        at += 2 + (size_t)(length < 2 ? 2 : length);
    }
    return COEF_BYTES * 4;
}

static bool is_jpeg2000(const uint8_t *bytes, size_t size)
{
    return (size >= 4 && memcmp(bytes, "\xff\x4f\xff\x51", 4) == 0) ||
           (size >= 8 && memcmp(bytes + 4, "jP  ", 4) == 0);
}

/* How many times smaller, on each side, a JPEG comes out. */
static int reduction(int width, int height, const struct sg_decode_wish *wish)
{
    double w = width, h = height;
    int by;

    if (wish->has_region) {
        w = fmin(w, (double)wish->region.x2 - (double)wish->region.x1);
        h = fmin(h, (double)wish->region.y2 - (double)wish->region.y1);
    }
    if (wish->exact || wish->min_width <= 0 || wish->min_height <= 0)
        return 1;
    for (by = SCALE_LEAST; by > 1; by /= 2)
        if (ceil(w / by) >= wish->min_width && ceil(h / by) >= wish->min_height)
            break;
    return by;
}

size_t sg_decode_need(const void *bytes, size_t size, int width, int height,
                      const struct sg_decode_wish *wish)
{
    size_t pixels = (size_t)width * (size_t)height;
    int held = coefficients(bytes, size), by;

    if (held < 0)
        return pixels * ((is_jpeg2000(bytes, size) ? JP2K_BYTES : OTHER_BYTES) + OUT_BYTES);
    by = reduction(width, height, wish);
    return pixels * (size_t)held + pixels / ((size_t)by * (size_t)by) * OUT_BYTES;
}
