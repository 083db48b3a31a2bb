/* SPDX-License-Identifier: MIT
 * Regions drawn by hand; hulls and rectangles against brute force over all directions.
 */
#include "head/region.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define W 24
#define H 16

static float map[W * H];

static void draw(const char *const *rows)
{
    int x, y;

    memset(map, 0, sizeof(map));
    for (y = 0; rows[y]; y++)
        for (x = 0; rows[y][x]; x++)
            map[y * W + x] = rows[y][x] == '#' ? 0.9f : rows[y][x] == '?' ? NAN : 0.1f;
}

static void finds_eight_connected_regions(void **state)
{
    static const char *const rows[] = {"##....#", "..#...#", "...#.?#", ".......", "#.....#", NULL};
    struct sg_regions walk;
    struct sg_region region;
    void *memory = malloc(sg_regions_bytes(W, H));

    (void)state;
    draw(rows);
    sg_regions_init(&walk, map, W, H, 0.3f, memory);
    assert_true(sg_regions_next(&walk, &region));
    assert_int_equal(region.pixels, 4); /* joined by corners */
    assert_int_equal(region.bottom, 2);
    assert_int_equal(region.left[0], 0);
    assert_int_equal(region.right[0], 1);
    assert_int_equal(region.left[2], 3);
    assert_true(sg_regions_next(&walk, &region));
    assert_int_equal(region.pixels, 3); /* NaN joins nothing */
    assert_true(sg_regions_next(&walk, &region));
    assert_int_equal(region.top, 4);
    assert_true(sg_regions_next(&walk, &region));
    assert_false(sg_regions_next(&walk, &region));
    assert_int_equal(sg_regions_bytes(0, 5), 0);
    assert_int_equal(sg_regions_bytes(65535, 65535), 0);
    free(memory);
}

/* The extent of all pixel centres of a region in a direction. */
static void extent(const struct sg_region *region, float ux, float uy, float *low, float *high)
{
    int y;

    *low = INFINITY;
    *high = -INFINITY;
    for (y = region->top; y <= region->bottom; y++) {
        float a = ((float)region->left[y] + 0.5f) * ux + ((float)y + 0.5f) * uy;
        float b = ((float)region->right[y] + 0.5f) * ux + ((float)y + 0.5f) * uy;

        *low = fminf(*low, fminf(a, b));
        *high = fmaxf(*high, fmaxf(a, b));
    }
}

static void check_rectangle(const struct sg_region *region)
{
    struct sg_point hull[2 * H + 2];
    int count = sg_region_hull(region, hull), i;
    struct sg_rotated r = sg_region_rectangle(hull, count);
    float low, high;

    assert_true(count <= sg_region_hull_max(region));
    for (i = 0; count > 2 && i < count; i++) { /* strictly convex */
        struct sg_point a = hull[i], b = hull[(i + 1) % count], c = hull[(i + 2) % count];

        assert_true((b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x) > 0.0f);
    }
    extent(region, r.ux, r.uy, &low, &high); /* it fits closely around the pixels */
    assert_true(fabsf(high - low - r.width) < 1e-3f);
    assert_true(fabsf((high + low) / 2 - (r.x * r.ux + r.y * r.uy)) < 1e-3f);
    extent(region, -r.uy, r.ux, &low, &high);
    assert_true(fabsf(high - low - r.height) < 1e-3f);
    assert_true(fabsf((high + low) / 2 - (r.y * r.ux - r.x * r.uy)) < 1e-3f);
    for (i = 0; i < 900; i++) { /* no direction in steps of 0.1 degree does better */
        float ux = cosf((float)i * 0.00174533f), uy = sinf((float)i * 0.00174533f), a, b, c, d;

        extent(region, ux, uy, &a, &b);
        extent(region, -uy, ux, &c, &d);
        assert_true((b - a) * (d - c) >= r.width * r.height - 1e-2f);
    }
}

static void rectangles_are_least(void **state)
{
    struct sg_regions walk;
    struct sg_region region;
    void *memory = malloc(sg_regions_bytes(W, H));
    uint32_t seed = 7;
    int round, i, seen = 0;

    (void)state;
    for (round = 0; round < 40; round++) {
        for (i = 0; i < W * H; i++) {
            seed = seed * 1664525u + 1013904223u;
            map[i] = (float)(seed >> 8) / (float)(1 << 24);
        }
        sg_regions_init(&walk, map, W, H, 0.62f, memory);
        for (; sg_regions_next(&walk, &region); seen++)
            check_rectangle(&region);
    }
    assert_true(seen > 200);
    free(memory);
}

static void knows_simple_shapes(void **state)
{
    static const char *const bar[] = {"......", ".####.", ".####.", NULL};
    static const char *const diamond[] = {"..#..", ".###.", "#####", ".###.", "..#..", NULL};
    struct sg_point hull[2 * H + 2];
    struct sg_regions walk;
    struct sg_region region;
    struct sg_rotated r;
    void *memory = malloc(sg_regions_bytes(W, H));

    (void)state;
    draw(bar);
    sg_regions_init(&walk, map, W, H, 0.3f, memory);
    assert_true(sg_regions_next(&walk, &region));
    assert_int_equal(sg_region_hull(&region, hull), 4);
    r = sg_region_rectangle(hull, 4);
    assert_true(r.width * r.height == 3.0f && r.x == 3.0f && r.y == 2.0f);
    draw(diamond); /* a square of side 2 sqrt 2 on its corner */
    sg_regions_init(&walk, map, W, H, 0.3f, memory);
    assert_true(sg_regions_next(&walk, &region));
    assert_int_equal(sg_region_hull(&region, hull), 4);
    r = sg_region_rectangle(hull, 4);
    assert_true(fabsf(r.width - 2.828427f) < 1e-4f && fabsf(r.height - 2.828427f) < 1e-4f);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_eight_connected_regions),
        cmocka_unit_test(rectangles_are_least),
        cmocka_unit_test(knows_simple_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
