/* SPDX-License-Identifier: MIT
 * JPEG by ITU T.81: a picture in several scans is held as coefficients of all its blocks, two bytes each
 * (libjpeg's JCOEF), at full size however small it is decoded; one scan goes out row by row.
 */
#include "img/exif.h"
#include "img/header.h"
#include "img/need_private.h"

#include <math.h>

#define COEF_BYTES     2
#define BLOCK_SIDE     8
#define MAX_COMPONENTS 4
#define SCALE_LEAST    8 /* libjpeg reduces to an eighth at the most */
#define BORDER         2 /* columns and rows around a window that come out with it */

struct frame {
    bool found, several_scans;
    uint32_t width, height; /* as stored */
    unsigned components, across[MAX_COMPONENTS], down[MAX_COMPONENTS];
};

/* A frame header at `at`, its marker; false when it is cut off. */
static bool read_frame(const uint8_t *bytes, size_t size, size_t at, struct frame *frame)
{
    if (size - at < 10)
        return false;
    frame->height = sg_be16(bytes + at + 5);
    frame->width = sg_be16(bytes + at + 7);
    frame->components = bytes[at + 9] > MAX_COMPONENTS ? MAX_COMPONENTS : bytes[at + 9];
    if (size - at - 10 < (size_t)frame->components * 3)
        return false;
    for (unsigned i = 0; i < frame->components; i++) {
        unsigned sampling = bytes[at + 11 + (size_t)i * 3];

        frame->across[i] = sampling >> 4 ? sampling >> 4 : 1;
        frame->down[i] = sampling & 15 ? sampling & 15 : 1;
    }
    frame->several_scans = (bytes[at + 1] & 3) == 2; /* progressive */
    return true;
}

/* Reads no further than the first scan. */
static struct frame find_frame(const uint8_t *bytes, size_t size)
{
    struct frame frame = {0};
    size_t at = 2;

    while (at < size && size - at >= 4) {
        unsigned marker = bytes[at + 1], length = sg_be16(bytes + at + 2);

        if (bytes[at] != 0xff || marker == 0xff) {
            at++;
            continue;
        }
        if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) { /* alone */
            at += 2;
            continue;
        }
        if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc)
            frame.found = read_frame(bytes, size, at, &frame);
        if (marker == 0xda) {
            if (size - at >= 5 && bytes[at + 4] < frame.components)
                frame.several_scans = true;
            break;
        }
        at += 2 + (size_t)(length < 2 ? 2 : length);
    }
    return frame;
}

static uint64_t blocks(uint32_t pixels, unsigned factor, unsigned most)
{
    uint64_t units = ((uint64_t)pixels + (uint64_t)BLOCK_SIDE * most - 1) / ((uint64_t)BLOCK_SIDE * most);

    return units * factor;
}

static uint64_t coefficients(const struct frame *frame)
{
    unsigned across = 1, down = 1;
    uint64_t count = 0;

    if (!frame->several_scans)
        return 0;
    for (unsigned i = 0; i < frame->components; i++) {
        across = frame->across[i] > across ? frame->across[i] : across;
        down = frame->down[i] > down ? frame->down[i] : down;
    }
    for (unsigned i = 0; i < frame->components; i++)
        count += blocks(frame->width, frame->across[i], across) * blocks(frame->height, frame->down[i], down);
    return count * BLOCK_SIDE * BLOCK_SIDE * COEF_BYTES;
}

uint64_t sg_need_coefficients(const uint8_t *bytes, size_t size)
{
    struct frame frame = find_frame(bytes, size);

    return frame.found ? coefficients(&frame) : 0;
}

/* Pixels that come out, of `width` x `height` upright ones: reduced, and of a region only that. */
static uint64_t out_pixels(double width, double height, const struct sg_decode_wish *wish)
{
    double w = width, h = height;
    int by = 1;

    if (wish->has_region) {
        w = fmin(w, ceil((double)wish->region.x2) - floor((double)wish->region.x1));
        h = fmin(h, ceil((double)wish->region.y2) - floor((double)wish->region.y1));
        w = w >= 1.0 ? w : 1.0; /* also when it is no number */
        h = h >= 1.0 ? h : 1.0;
    }
    if (!wish->exact && wish->min_width > 0 && wish->min_height > 0)
        for (by = SCALE_LEAST; by > 1; by /= 2)
            if (ceil(w / by) >= wish->min_width && ceil(h / by) >= wish->min_height)
                break;
    w = fmin(ceil(w / by) + (wish->has_region ? BORDER : 0), ceil(width / by));
    h = fmin(ceil(h / by) + (wish->has_region ? BORDER : 0), ceil(height / by));
    return (uint64_t)w * (uint64_t)h;
}

void sg_need_jpeg(const uint8_t *bytes, size_t size, const struct sg_decode_wish *wish, struct sg_need *need)
{
    struct frame frame = find_frame(bytes, size);
    int orientation = sg_exif_orientation_jpeg(bytes, size);

    need->turned = sg_exif_swaps_sides(orientation);
    if (!frame.found)
        return;
    need->decoding = coefficients(&frame);
    need->pixels = need->turned ? out_pixels(frame.height, frame.width, wish)
                                : out_pixels(frame.width, frame.height, wish);
}
