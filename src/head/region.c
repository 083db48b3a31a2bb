/* SPDX-License-Identifier: MIT
 * Connected components by flood fill, hull by Andrew's monotone chain (1979), rectangle by calipers.
 */
#include "head/region.h"

#include <math.h>
#include <string.h>

size_t sg_regions_bytes(int width, int height)
{
    size_t pixels;

    if (width < 1 || height < 1 || (int64_t)width * height > INT32_MAX)
        return 0;
    pixels = (size_t)width * (size_t)height;
    return pixels * sizeof(int32_t) + 2 * (size_t)height * sizeof(int32_t) + pixels;
}

void sg_regions_init(struct sg_regions *regions, const float *map, int width, int height, float threshold,
                     void *memory)
{
    size_t pixels = (size_t)width * (size_t)height;
    int32_t *words = memory;

    *regions = (struct sg_regions){.map = map, .width = width, .height = height, .threshold = threshold};
    regions->stack = words;
    regions->left = words + pixels;
    regions->right = regions->left + height;
    regions->taken = (unsigned char *)(regions->right + height);
    memset(regions->taken, 0, pixels);
}

/* Marks and stacks the pixels around (x, y) that belong. */
static int64_t spread(struct sg_regions *regions, int x, int y, int64_t depth)
{
    int row, column;

    for (row = y > 0 ? y - 1 : 0; row <= y + 1 && row < regions->height; row++)
        for (column = x > 0 ? x - 1 : 0; column <= x + 1 && column < regions->width; column++) {
            int64_t at = (int64_t)row * regions->width + column;

            if (regions->taken[at] || !(regions->map[at] > regions->threshold))
                continue;
            regions->taken[at] = 1;
            regions->stack[depth++] = (int32_t)at;
        }
    return depth;
}

bool sg_regions_next(struct sg_regions *regions, struct sg_region *out_region)
{
    int64_t pixels = (int64_t)regions->width * regions->height, at = regions->next, depth = 0;
    int y;

    while (at < pixels && (regions->taken[at] || !(regions->map[at] > regions->threshold)))
        at++;
    regions->next = at + 1;
    if (at >= pixels)
        return false;
    *out_region =
        (struct sg_region){.top = (int)(at / regions->width), .left = regions->left, .right = regions->right};
    for (y = out_region->top; y < regions->height; y++) {
        regions->left[y] = regions->width;
        regions->right[y] = -1;
    }
    out_region->bottom = out_region->top;
    regions->taken[at] = 1;
    regions->stack[depth++] = (int32_t)at;
    while (depth > 0) {
        int32_t pixel = regions->stack[--depth];
        int x = pixel % regions->width;

        y = pixel / regions->width;
        out_region->pixels++;
        out_region->sum += isfinite(regions->map[pixel]) ? regions->map[pixel] : 0.0f;
        out_region->bottom = y > out_region->bottom ? y : out_region->bottom;
        regions->left[y] = x < regions->left[y] ? x : regions->left[y];
        regions->right[y] = x > regions->right[y] ? x : regions->right[y];
        depth = spread(regions, x, y, depth);
    }
    return true;
}

int sg_region_hull_max(const struct sg_region *region)
{
    return 2 * (region->bottom - region->top + 1) + 2;
}

/* Twice the signed area of a triangle. Exact: coordinates are halves of small integers. */
static double turn(struct sg_point o, struct sg_point a, struct sg_point b)
{
    return ((double)a.x - o.x) * ((double)b.y - o.y) - ((double)a.y - o.y) * ((double)b.x - o.x);
}

/* Adds a point, dropping those before it that it makes superfluous while at least `need` are there. */
static int add(struct sg_point *hull, int count, int need, struct sg_point point)
{
    if (hull[count - 1].x == point.x && hull[count - 1].y == point.y)
        return count;
    while (count >= need && turn(hull[count - 2], hull[count - 1], point) <= 0.0)
        count--;
    hull[count] = point;
    return count + 1;
}

int sg_region_hull(const struct sg_region *region, struct sg_point *hull)
{
    int count = 1, need, y;

    /* Down the right side, up the left: rows are sorted already. The lowest point of the right side stays. */
    hull[0] = (struct sg_point){(float)region->left[region->top] + 0.5f, (float)region->top + 0.5f};
    for (y = region->top; y <= region->bottom; y++)
        count = add(hull, count, 2, (struct sg_point){(float)region->right[y] + 0.5f, (float)y + 0.5f});
    need = count + 1;
    for (y = region->bottom; y >= region->top; y--)
        count = add(hull, count, need, (struct sg_point){(float)region->left[y] + 0.5f, (float)y + 0.5f});
    if (count > 1 && hull[count - 1].x == hull[0].x && hull[count - 1].y == hull[0].y)
        count--;
    return count;
}

static float along(struct sg_point point, float ux, float uy)
{
    return point.x * ux + point.y * uy;
}

/* Index of the farthest point in a direction, walking on from `at` while it still grows. */
static int climb(const struct sg_point *hull, int count, int at, float ux, float uy)
{
    int steps;

    for (steps = 0; steps < count; steps++) {
        int next = (at + 1) % count;

        if (along(hull[next], ux, uy) < along(hull[at], ux, uy))
            break;
        at = next;
    }
    return at;
}

struct sg_rotated sg_region_rectangle(const struct sg_point *hull, int count)
{
    struct sg_rotated best = {.x = hull[0].x, .y = hull[0].y, .ux = 1.0f};
    float least = INFINITY;
    int far_right = 0, far_up = 0, far_left = 0, i;

    for (i = 0; i < count && count > 1; i++) {
        struct sg_point from = hull[i], to = hull[(i + 1) % count];
        float length = hypotf(to.x - from.x, to.y - from.y);
        float ux = (to.x - from.x) / length, uy = (to.y - from.y) / length;
        float low, high, side, width, height;

        far_right = climb(hull, count, i == 0 ? 1 % count : far_right, ux, uy);
        far_up = climb(hull, count, i == 0 ? far_right : far_up, -uy, ux);
        far_left = climb(hull, count, i == 0 ? far_up : far_left, -ux, -uy);
        low = along(hull[far_left], ux, uy);
        high = along(hull[far_right], ux, uy);
        side = along(from, -uy, ux);
        width = high - low;
        height = along(hull[far_up], -uy, ux) - side;
        if (width * height >= least)
            continue;
        least = width * height;
        best = (struct sg_rotated){.ux = ux, .uy = uy, .width = width, .height = height};
        best.x = 0.5f * (low + high) * ux - (side + 0.5f * height) * uy;
        best.y = 0.5f * (low + high) * uy + (side + 0.5f * height) * ux;
    }
    return best;
}
