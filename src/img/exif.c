/* SPDX-License-Identifier: MIT
 * Orientation. Every orientation is one optional exchange of the axes followed by optional mirrorings.
 */
#include "img/exif.h"

#include "img/header.h"

#include <string.h>

#define TAG_ORIENTATION 0x0112u
#define TURN_TILE       32 /* pixels; 32 rows of a tile stay in the first-level cache */

struct turn {
    bool swap;           /* exchange x and y first */
    bool flip_x, flip_y; /* then mirror */
};

static struct turn turn_of(int orientation)
{
    static const struct turn turns[9] = {
        [2] = {false, true, false}, [3] = {false, true, true}, [4] = {false, false, true},
        [5] = {true, false, false}, [6] = {true, true, false}, [7] = {true, true, true},
        [8] = {true, false, true},
    };

    return orientation >= 1 && orientation <= 8 ? turns[orientation] : turns[1];
}

bool sg_exif_swaps_sides(int orientation)
{
    return turn_of(orientation).swap;
}

int sg_exif_orientation(const uint8_t *tiff, size_t size)
{
    uint32_t value;

    if (!sg_tiff_find(tiff, size, TAG_ORIENTATION, &value))
        return 1;
    return value >= 1 && value <= 8 ? (int)value : 1;
}

int sg_exif_orientation_jpeg(const uint8_t *bytes, size_t size)
{
    static const uint8_t name[6] = {'E', 'x', 'i', 'f', 0, 0};
    size_t at = 2;

    while (at + 4 <= size && bytes[at] == 0xFF) {
        unsigned marker = bytes[at + 1];
        size_t length;

        if (marker == 0xFF) { /* fill byte */
            at++;
            continue;
        }
        if (marker == 0xDA || marker == 0xD9)
            break;
        length = sg_be16(bytes + at + 2);
        if (length < 2 || length > size - at - 2)
            break;
        if (marker == 0xE1 && length >= 2 + sizeof(name) && !memcmp(bytes + at + 4, name, sizeof(name)))
            return sg_exif_orientation(bytes + at + 4 + sizeof(name), length - 2 - sizeof(name));
        at += 2 + length;
    }
    return 1;
}

int sg_exif_orientation_png(const uint8_t *bytes, size_t size)
{
    size_t at = 8;

    while (size - at >= 12) {
        size_t length = sg_be32(bytes + at);

        if (length > size - at - 12)
            break;
        if (!memcmp(bytes + at + 4, "eXIf", 4))
            return sg_exif_orientation(bytes + at + 8, length);
        at += 12 + length;
    }
    return 1;
}

int sg_exif_orientation_webp(const uint8_t *bytes, size_t size)
{
    size_t at = 12;

    while (size - at >= 8) {
        size_t length = sg_le32(bytes + at + 4);

        if (length > size - at - 8)
            break;
        if (!memcmp(bytes + at, "EXIF", 4)) {
            const uint8_t *block = bytes + at + 8;
            size_t skip =
                length >= 6 && !memcmp(block, "Exif\0\0", 6) ? 6 : 0; /* some writers keep JPEG's prefix */

            return sg_exif_orientation(block + skip, length - skip);
        }
        at += 8 + length;
        if (length & 1 && at < size) /* chunks are padded to even sizes */
            at++;
    }
    return 1;
}

struct sg_box sg_exif_box_to_stored(int orientation, int stored_width, int stored_height,
                                    const struct sg_box *upright)
{
    struct turn turn = turn_of(orientation);
    float width = (float)(turn.swap ? stored_height : stored_width);
    float height = (float)(turn.swap ? stored_width : stored_height);
    struct sg_box box = *upright;

    if (turn.flip_x)
        box = (struct sg_box){width - box.x2, box.y1, width - box.x1, box.y2};
    if (turn.flip_y)
        box = (struct sg_box){box.x1, height - box.y2, box.x2, height - box.y1};
    if (turn.swap)
        box = (struct sg_box){box.y1, box.x1, box.y2, box.x2};
    return box;
}

static void mirror_rows(struct sg_image *image)
{
    for (int y = 0; y < image->height; y++) {
        uint8_t *left = image->data + (size_t)y * image->stride_bytes;
        uint8_t *right = left + (size_t)(image->width - 1) * 3;

        for (; left < right; left += 3, right -= 3) {
            uint8_t keep[3];

            memcpy(keep, left, 3);
            memcpy(left, right, 3);
            memcpy(right, keep, 3);
        }
    }
}

static void swap_bytes(uint8_t *a, uint8_t *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t keep = a[i];

        a[i] = b[i];
        b[i] = keep;
    }
}

static void flip_columns(struct sg_image *image)
{
    for (int top = 0, bottom = image->height - 1; top < bottom; top++, bottom--)
        swap_bytes(image->data + (size_t)top * image->stride_bytes,
                   image->data + (size_t)bottom * image->stride_bytes, (size_t)image->width * 3);
}

/* One tile of the transposed copy: rows y1..y2 and columns x1..x2 of `to`. */
static void turn_tile(const struct sg_image *from, struct sg_image *to, struct turn turn, int x1, int y1)
{
    int x2 = x1 + TURN_TILE < to->width ? x1 + TURN_TILE : to->width;
    int y2 = y1 + TURN_TILE < to->height ? y1 + TURN_TILE : to->height;

    for (int y = y1; y < y2; y++) {
        size_t from_x = (size_t)(turn.flip_y ? to->height - 1 - y : y);
        uint8_t *out = to->data + (size_t)y * to->stride_bytes + (size_t)x1 * 3;

        for (int x = x1; x < x2; x++, out += 3) {
            size_t from_y = (size_t)(turn.flip_x ? to->width - 1 - x : x);

            memcpy(out, from->data + from_y * from->stride_bytes + from_x * 3, 3);
        }
    }
}

static int turn_pixels(struct sg_image *image, struct turn turn, struct sg_image *scratch)
{
    struct sg_image keep = *image;

    if (!turn.swap) {
        if (turn.flip_x)
            mirror_rows(image);
        if (turn.flip_y)
            flip_columns(image);
        return 0;
    }
    if (sg_image_resize(scratch, SG_PIXEL_RGB24, image->height, image->width) < 0)
        return SG_E_NOMEM;
    for (int y = 0; y < scratch->height; y += TURN_TILE)
        for (int x = 0; x < scratch->width; x += TURN_TILE)
            turn_tile(image, scratch, turn, x, y);
    *image = *scratch;
    *scratch = keep;
    return 0;
}

int sg_exif_apply(int orientation, struct sg_image *image, struct sg_image *scratch)
{
    struct turn turn = turn_of(orientation);
    struct sg_image stored = *image;

    if (turn_pixels(image, turn, scratch) < 0)
        return SG_E_NOMEM;
    image->full_width = turn.swap ? stored.full_height : stored.full_width;
    image->full_height = turn.swap ? stored.full_width : stored.full_height;
    image->scale_x = turn.swap ? stored.scale_y : stored.scale_x;
    image->scale_y = turn.swap ? stored.scale_x : stored.scale_y;
    image->origin_x = turn.swap ? stored.origin_y : stored.origin_x;
    image->origin_y = turn.swap ? stored.origin_x : stored.origin_y;
    /* The edge that was last is first now. */
    if (turn.flip_x)
        image->origin_x = (float)image->full_width - (image->origin_x + (float)image->width / image->scale_x);
    if (turn.flip_y)
        image->origin_y =
            (float)image->full_height - (image->origin_y + (float)image->height / image->scale_y);
    return 0;
}
