/* SPDX-License-Identifier: MIT
 * The letterbox's steps in plain C: the reference of the fast ones, and what other processors run.
 */
#include "img/letterbox_kernel.h"
#include "img/nv12.h"

#include <string.h>

static void gray(const uint8_t *luma, int first, int last, uint8_t *line)
{
    int x;

    for (x = first; x <= last; x++, line += 3)
        memset(line, luma[x], 3);
}

static void nv12(const uint8_t *luma, const uint8_t *chroma, int first, int last, uint8_t *line)
{
    int x;

    for (x = first; x <= last; x++, line += 3)
        sg_nv12_pixel(luma, chroma, x, line);
}

static void across(const struct sg_letterbox_columns *columns, int first, const uint8_t *line, int16_t *row)
{
    int x, c;

    for (x = first; x < columns->count; x++) {
        const uint8_t *left = line + columns->offset[x];
        int left_weight = columns->weight[8 * x], right_weight = columns->weight[8 * x + 1];
        /* A column at the edge has weight 0 on the right, where nothing may lie. */
        const uint8_t *right = right_weight ? left + 3 : left;

        for (c = 0; c < 3; c++)
            row[4 * x + c] = (int16_t)((left[c] * left_weight + right[c] * right_weight) >> 4);
        row[4 * x + 3] = 0;
    }
}

/* The roundings are cv2's (VResizeLinear for 8 bits): each product cut to 10 bits, their sum rounded. */
static void down(const int16_t *upper, const int16_t *lower, int upper_weight, int lower_weight, int count,
                 uint8_t *pixels)
{
    int i;

    for (i = 0; i < 4 * count; i++)
        pixels[i] =
            (uint8_t)((((upper[i] * upper_weight) >> 16) + ((lower[i] * lower_weight) >> 16) + 2) >> 2);
}

/* One body per element type: planes one after the other, or channels side by side. */
/* NOLINTBEGIN(bugprone-macro-parentheses): a type cannot be put in parentheses. */
#define STORE(member, type)                                                                                  \
    static void store_##member##_planes(const struct sg_letterbox_levels *levels, const uint8_t *pixels,     \
                                        int first, int count, void *out, size_t plane)                       \
    {                                                                                                        \
        int x, c;                                                                                            \
                                                                                                             \
        for (c = 0; c < levels->channels; c++) {                                                             \
            const type *table = levels->table.member[c];                                                     \
            type *to = (type *)out + (size_t)c * plane;                                                      \
                                                                                                             \
            for (x = first; x < count; x++)                                                                  \
                to[x] = table[pixels[4 * x + levels->from[c]]];                                              \
        }                                                                                                    \
    }                                                                                                        \
    static void store_##member##_pixels(const struct sg_letterbox_levels *levels, const uint8_t *pixels,     \
                                        int first, int count, void *out, size_t plane)                       \
    {                                                                                                        \
        type *to = (type *)out + (size_t)first * (size_t)levels->channels;                                   \
        int x, c;                                                                                            \
                                                                                                             \
        (void)plane;                                                                                         \
        for (x = first; x < count; x++) {                                                                    \
            for (c = 0; c < levels->channels; c++)                                                           \
                *to++ = levels->table.member[c][pixels[4 * x + levels->from[c]]];                            \
        }                                                                                                    \
    }

STORE(f32, float)
STORE(f16, uint16_t)
STORE(u8, uint8_t)
/* NOLINTEND(bugprone-macro-parentheses) */

int sg_letterbox_dtype_index(enum sg_dtype dtype)
{
    switch (dtype) {
    case SG_DTYPE_F32:
        return 0;
    case SG_DTYPE_F16:
        return 1;
    case SG_DTYPE_U8:
        return 2;
    case SG_DTYPE_I8:
        return 3;
    default:
        return -1;
    }
}

const struct sg_letterbox_kernel sg_letterbox_plain = {
    .gray = gray,
    .nv12 = nv12,
    .across = across,
    .down = down,
    .store = {{store_f32_planes, store_f32_pixels},
              {store_f16_planes, store_f16_pixels},
              {store_u8_planes, store_u8_pixels},
              {store_u8_planes, store_u8_pixels}},
};
