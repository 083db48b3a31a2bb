/* SPDX-License-Identifier: MIT
 * For the tests of what decodes are foreseen to take only: a small picture, of files that are written byte by
 * byte.
 */
#ifndef SG_IMG_NEED_TESTING_H
#define SG_IMG_NEED_TESTING_H

#include "img/need.h"

#include "img/file_testing.h"

#define WIDTH  4000 /* of what need() is asked for */
#define HEIGHT 3000
#define PIXELS ((size_t)WIDTH * HEIGHT)
#define SPARE  ((size_t)512 << 10) /* said for every picture */

/* A small picture of the files below, and the bytes that it is foreseen to take besides its RGB pixels. */
#define SMALL_WIDTH  400
#define SMALL_HEIGHT 300
#define SMALL        ((size_t)SMALL_WIDTH * SMALL_HEIGHT)

static inline size_t need(const uint8_t *bytes, size_t size, const struct sg_decode_wish *wish)
{
    size_t bytes_in_all = sg_decode_need(bytes, size, WIDTH, HEIGHT, wish);

    assert_true(bytes_in_all >= SPARE);
    return bytes_in_all - SPARE;
}

static inline size_t besides_rgb(void)
{
    const struct sg_decode_wish wish = {0};
    size_t all = sg_decode_need(file.bytes, file.size, SMALL_WIDTH, SMALL_HEIGHT, &wish);

    assert_true(all >= SPARE + SMALL * 3);
    return all - SPARE - SMALL * 3;
}

/* Segments of a JPEG by ITU T.81 up to its first scan. 400x300 of 4:2:0 are 25 x 19 units of 16 x 16 pixels:
 * 50 x 38 blocks of luma and 25 x 19 of each colour. */
#define SMALL_COEFFICIENTS ((size_t)(50 * 38 + 2 * 25 * 19) * 64 * 2)

static inline void put_jpeg(unsigned marker, unsigned scan_components, bool decorated)
{
    static const uint8_t segment[] = {0, 17, 8, 1, 44, 1, 144, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1};

    put(0xFFD8, 2);
    if (decorated) {
        put(0xFFFFFF, 3); /* bytes of filling */
        put(0x01FFD0, 3);
        put(0xFFD7, 2);
    }
    put(0xFF00 | marker, 2);
    put_bytes(segment, sizeof(segment));
    for (unsigned other = 0xC4; decorated && other <= 0xCC; other += 4) { /* these are no frames */
        put(0xFF00 | other, 2);
        put_bytes("\0\x11\x08\x40\0\x40\0\3\1\x44\0\2\x11\1\3\x11\1", 17);
    }
    put(0xFFDA, 2);
    put(6 + 2 * scan_components, 2);
    put(scan_components, 1);
    put(0, 40);
}

#endif
