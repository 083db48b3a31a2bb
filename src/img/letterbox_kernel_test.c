/* SPDX-License-Identifier: MIT
 * Fast kernels against plain C, bit for bit: every pixel format, element type and layout, random geometry,
 * reduced and partial pictures. Pictures and tensors are allocated to the byte, so that a sanitizer sees
 * every step too far.
 */
#include "base/cpu.h"
#include "img/letterbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RUNS 4000

static uint32_t seed = 20240607;

static int draw(int low, int high)
{
    seed = seed * 1664525u + 1013904223u;
    return low + (int)((seed >> 8) % (uint32_t)(high - low + 1));
}

static float draw_float(float low, float high)
{
    return low + (high - low) * (float)draw(0, 1 << 20) / (1 << 20);
}

static int draw_side(int high)
{
    return draw(0, 3) == 0 ? draw(1, 8) : draw(1, high);
}

struct scene {
    struct sg_image image;
    uint8_t *pixels, *chroma;
    struct sg_transform transform;
    struct sg_placement placement;
    struct sg_box region;
};

/* Exactly the bytes of the picture: the last row has no gap behind it. */
static uint8_t *noise(size_t stride, size_t row, int rows)
{
    size_t bytes = stride * (size_t)(rows - 1) + row, i;
    uint8_t *data = malloc(bytes);

    assert_non_null(data);
    for (i = 0; i < bytes; i++)
        data[i] = (uint8_t)draw(0, 255);
    return data;
}

static void draw_image(struct scene *scene, enum sg_pixel format, int width, int height)
{
    size_t row = (size_t)width * (size_t)sg_pixel_bytes(format);
    size_t stride = (format == SG_PIXEL_NV12 ? row + row % 2 : row) + (size_t)draw(0, 1) * 32;

    scene->pixels = noise(stride, row, height);
    scene->chroma = format == SG_PIXEL_NV12 ? noise(stride, row + row % 2, (height + 1) / 2) : NULL;
    scene->image = (struct sg_image){0};
    sg_image_borrow(&scene->image, format, width, height, stride, scene->pixels, scene->chroma);
    if (draw(0, 1)) { /* a reduced, partial decode of something larger */
        struct sg_image *image = &scene->image;

        image->scale_x = draw_float(0.1f, 1.0f);
        image->scale_y = draw_float(0.1f, 1.0f);
        image->origin_x = (float)draw(0, 50);
        image->origin_y = (float)draw(0, 50);
        image->full_width = draw(1, 60) + (int)((float)width / image->scale_x);
        image->full_height = draw(1, 60) + (int)((float)height / image->scale_y);
    }
}

static void draw_region(struct scene *scene)
{
    float width = (float)scene->image.full_width, height = (float)scene->image.full_height;

    scene->region = (struct sg_box){0, 0, width, height};
    if (draw(0, 1)) {
        float x = draw_float(0, width), y = draw_float(0, height);

        scene->region = (struct sg_box){x, y, x + draw_float(0.1f, width), y + draw_float(0.1f, height)};
    }
}

static void draw_transform(struct scene *scene)
{
    static const enum sg_dtype types[] = {SG_DTYPE_F32, SG_DTYPE_F16, SG_DTYPE_U8, SG_DTYPE_I8};
    struct sg_transform *t = &scene->transform;
    bool pass = draw(0, 2) == 0;
    int c;

    *t = (struct sg_transform){.width = draw_side(150),
                               .height = draw_side(100),
                               .fit = (enum sg_fit)draw(0, 3),
                               .shorter_side = draw(0, 1) * draw(1, 200),
                               .channels = (enum sg_channels)draw(0, 2),
                               .layout = (enum sg_layout)draw(0, 1),
                               .dtype = types[draw(0, 3)]};
    for (c = 0; c < 3; c++) {
        t->mean[c] = pass ? 0 : draw_float(0, 255);
        t->std[c] = pass ? 1 : draw_float(0.3f, 300);
        t->pad[c] = (float)draw(0, 255);
    }
}

static void run(const struct scene *scene, struct sg_letterbox *letterbox, unsigned flags, uint8_t *tensor,
                size_t bytes)
{
    memset(tensor, 0xa5, bytes);
    sg_cpu_mask(flags);
    assert_int_equal(
        sg_letterbox_run(letterbox, &scene->image, &scene->transform, &scene->placement, tensor, NULL), 0);
}

static void compare(const struct scene *scene, struct sg_letterbox *letterbox)
{
    size_t bytes = sg_letterbox_bytes(&scene->transform);
    uint8_t *plain = malloc(bytes), *fast = malloc(bytes);
    struct sg_letterbox fresh = {0};

    run(scene, &fresh, 0, plain, bytes);
    run(scene, letterbox, ~0u, fast, bytes); /* a scratch that was used for other things before */
    if (memcmp(plain, fast, bytes) != 0)
        fail_msg("format %d, type %d, layout %d, channels %d: %dx%d to %dx%d differs", scene->image.format,
                 scene->transform.dtype, scene->transform.layout, scene->transform.channels,
                 scene->image.width, scene->image.height, scene->placement.width, scene->placement.height);
    /* Again with everything cached, and again without room for a mistake in it. */
    run(scene, letterbox, ~0u, fast, bytes);
    assert_memory_equal(plain, fast, bytes);
    sg_letterbox_fini(&fresh);
    free(plain);
    free(fast);
}

static void random_geometry_gives_the_same_bits(void **state)
{
    struct sg_letterbox letterbox = {0};
    int i;

    (void)state;
    for (i = 0; i < RUNS; i++) {
        struct scene scene;

        draw_image(&scene, (enum sg_pixel)draw(0, 3), draw_side(200), draw_side(120));
        draw_region(&scene);
        draw_transform(&scene);
        sg_letterbox_place(&scene.transform, &scene.region, &scene.placement);
        compare(&scene, &letterbox);
        free(scene.pixels);
        free(scene.chroma);
    }
    sg_cpu_mask(~0u);
    sg_letterbox_fini(&letterbox);
}

static void chosen_pictures_give_the_same_bits(void **state)
{
    static const int sizes[][4] = {{1, 1, 640, 640},     {3000, 12, 640, 640}, {12, 3000, 320, 320},
                                   {640, 480, 640, 480}, {640, 480, 320, 240}, {1921, 1081, 416, 416},
                                   {2, 2, 301, 7},       {65535, 1, 64, 64}};
    struct sg_letterbox letterbox = {0};
    size_t i;
    int format;

    (void)state;
    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (format = 0; format < 4; format++) {
            struct scene scene;

            draw_image(&scene, (enum sg_pixel)format, sizes[i][0], sizes[i][1]);
            draw_region(&scene);
            draw_transform(&scene);
            scene.transform.width = sizes[i][2];
            scene.transform.height = sizes[i][3];
            sg_letterbox_place(&scene.transform, &scene.region, &scene.placement);
            compare(&scene, &letterbox);
            free(scene.pixels);
            free(scene.chroma);
        }
    }
    sg_cpu_mask(~0u);
    sg_letterbox_fini(&letterbox);
}

/* All 256 levels under the normalisations that models really use, in every type. */
static void every_level_gives_the_same_bits(void **state)
{
    static const float rules[][2] = {
        {0, 1},        {0, 255},         {123.675f, 58.395f}, {116.28f, 57.12f}, {103.53f, 57.375f},
        {127.5f, 128}, {127.5f, 127.5f}, {127, 128},          {0, 0.0039215f},   {128, 0.0078125f}};
    static const enum sg_dtype types[] = {SG_DTYPE_F32, SG_DTYPE_F16, SG_DTYPE_U8, SG_DTYPE_I8};
    struct sg_letterbox letterbox = {0};
    struct scene scene = {.region = {0, 0, 256, 1}};
    uint8_t levels[256];
    size_t i, k;
    int v;

    (void)state;
    for (v = 0; v < 256; v++)
        levels[v] = (uint8_t)v;
    sg_image_borrow(&scene.image, SG_PIXEL_GRAY8, 256, 1, 256, levels, NULL);
    for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        for (k = 0; k < 8; k++) {
            float a = rules[i][0], b = rules[i][1];

            scene.transform = (struct sg_transform){.width = 256,
                                                    .height = 1,
                                                    .dtype = types[k / 2],
                                                    .layout = (enum sg_layout)(k % 2),
                                                    .mean = {a, a, a},
                                                    .std = {b, b, b}};
            sg_letterbox_place(&scene.transform, &scene.region, &scene.placement);
            compare(&scene, &letterbox);
            if (types[k / 2] == SG_DTYPE_F32 && k % 2 == 0) {
                float tensor[768];

                run(&scene, &letterbox, ~0u, (uint8_t *)tensor, sizeof(tensor));
                for (v = 0; v < 256; v++)
                    assert_true(tensor[v] == ((float)v - a) / b);
            }
        }
    }
    sg_cpu_mask(~0u);
    sg_letterbox_fini(&letterbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_geometry_gives_the_same_bits),
        cmocka_unit_test(chosen_pictures_give_the_same_bits),
        cmocka_unit_test(every_level_gives_the_same_bits),
    };

    if (sg_cpu_flags() == 0) {
        puts("skipped: this processor has no fast kernels to compare");
        return 77; /* meson's and automake's mark of a skipped test */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
