/* SPDX-License-Identifier: MIT
 * Drawing: pixels change where they should and nowhere else, and hostile results do no harm (the sanitizers
 * watch the edges: pictures own no byte more than they need).
 */
#include "img/draw.h"

#include "img/font.h"
#include "img/paint.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GRAY 128

static void make(struct sg_image *image, int width, int height)
{
    assert_int_equal(sg_image_resize(image, SG_PIXEL_RGB24, width, height), 0);
    memset(image->data, GRAY, image->stride_bytes * (size_t)height);
}

static bool is_changed(const struct sg_image *image, int x, int y)
{
    const uint8_t *at = image->data + (size_t)y * image->stride_bytes + 3 * (size_t)x;

    return at[0] != GRAY || at[1] != GRAY || at[2] != GRAY;
}

static int changed_in(const struct sg_image *image, int x1, int y1, int x2, int y2)
{
    int x, y, count = 0;

    for (y = y1; y < y2; y++) {
        for (x = x1; x < x2; x++)
            count += is_changed(image, x, y);
    }
    return count;
}

static struct sg_painter *painter_or_null(void)
{
    struct sg_painter *painter = NULL;

    assert_int_equal(sg_painter_create(NULL, &painter, NULL), 0);
    return painter;
}

static void a_box_is_drawn_where_it_is(void **state)
{
    struct sg_object object = {
        .box = {100, 100, 300, 200}, .class_id = 2, .label = "car", .score = 0.9f, .parent = -1};
    struct sg_result result = {.objects = &object, .object_count = 1};
    struct sg_painter *painter = painter_or_null();
    struct sg_image image = {0};

    (void)state;
    make(&image, 512, 400);
    assert_int_equal(sg_painter_draw(painter, &image, &result, NULL), 0);
    /* 512 / 500 + 1 = 2 pixels of stroke on every side */
    assert_int_equal(changed_in(&image, 100, 100, 102, 200), 200);
    assert_int_equal(changed_in(&image, 298, 100, 300, 200), 200);
    assert_int_equal(changed_in(&image, 100, 198, 300, 200), 400);
    assert_int_equal(changed_in(&image, 110, 110, 290, 190), 0);
    assert_int_equal(changed_in(&image, 320, 0, 512, 400), 0);
    assert_int_equal(changed_in(&image, 0, 220, 512, 400), 0);
    if (sg_painter_has_font(painter))
        assert_true(changed_in(&image, 100, 80, 140, 99) > 500);
    else
        puts("skipped: no font here, tags not tested");
    sg_image_fini(&image);
    sg_painter_destroy(&painter);
    assert_null(painter);
}

/* A picture at half size, drawn in original pixels. */
static void scale_and_origin_count(void **state)
{
    struct sg_object object = {.box = {200, 220, 600, 420}, .score = 0.5f, .parent = -1};
    struct sg_result result = {.objects = &object, .object_count = 1};
    struct sg_painter *painter = painter_or_null();
    struct sg_image image = {0};

    (void)state;
    make(&image, 512, 400);
    image.scale_x = image.scale_y = 0.5f;
    image.origin_y = 20;
    assert_int_equal(sg_painter_draw(painter, &image, &result, NULL), 0);
    assert_int_equal(changed_in(&image, 100, 100, 102, 200), 200);
    assert_int_equal(changed_in(&image, 110, 110, 290, 190), 0);
    sg_image_fini(&image);
    sg_painter_destroy(&painter);
}

static void masks_quads_and_dots(void **state)
{
    const struct sg_point polygon[] = {{50, 50}, {150, 50}, {150, 150}, {100, 180}, {50, 150}};
    const struct sg_keypoint points[] = {{300, 100, -1}, {350, 100, 0.1f}};
    struct sg_object objects[] = {
        {.box = {50, 50, 150, 180}, .polygon = polygon, .polygon_count = 5, .parent = -1},
        {.box = {280, 80, 380, 130}, .class_id = 1, .landmarks = points, .landmark_count = 2, .parent = -1},
        {.box = {200, 250, 400, 330},
         .class_id = 2,
         .has_quad = true,
         .quad = {{200, 270}, {390, 250}, {400, 310}, {210, 330}},
         .text = "欢迎 Grüße \xff\xc3",
         .parent = -1}};
    struct sg_result result = {.objects = objects, .object_count = 3};
    struct sg_painter *painter = painter_or_null();
    struct sg_image image = {0};

    (void)state;
    make(&image, 512, 400);
    assert_int_equal(sg_painter_draw(painter, &image, &result, NULL), 0);
    assert_int_equal(changed_in(&image, 60, 60, 140, 140), 6400); /* the fill */
    assert_true(is_changed(&image, 300, 100));
    assert_false(is_changed(&image, 350, 100)); /* not visible enough */
    assert_true(is_changed(&image, 295, 260));  /* the quad's upper edge: 270 - 20 * 95 / 190 */
    assert_false(is_changed(&image, 300, 290));
    sg_image_fini(&image);
    sg_painter_destroy(&painter);
}

static float odd_number(uint32_t *seed)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY, 1e30f, -1e30f, 0, -0.5f, 1e-30f, 65535, -1};

    *seed = *seed * 1664525u + 1013904223u;
    if ((*seed >> 9) % 3 == 0)
        return odd[(*seed >> 12) % 10];
    return (float)(int)((*seed >> 12) % 600) - 200.0f;
}

static void hostile_results_do_no_harm(void **state)
{
    static const int sizes[][2] = {{1, 1}, {2, 300}, {300, 2}, {64, 64}};
    struct sg_painter *painter = painter_or_null();
    struct sg_attribute attribute = {.model = "m", .class_id = -1, .has_value = true, .value = NAN};
    uint32_t seed = 99;
    int round, i, k;

    (void)state;
    for (round = 0; round < 120; round++) {
        struct sg_object objects[6];
        struct sg_point polygons[6][9];
        struct sg_keypoint points[6][17];
        struct sg_result result = {
            .objects = objects, .object_count = 6, .attributes = &attribute, .attribute_count = 1};
        struct sg_image image = {0};

        make(&image, sizes[round % 4][0], sizes[round % 4][1]);
        for (i = 0; i < 6; i++) {
            struct sg_object *o = &objects[i];

            *o = (struct sg_object){
                .box = {odd_number(&seed), odd_number(&seed), odd_number(&seed), odd_number(&seed)},
                .class_id = i * 1000000 - 1,
                .score = odd_number(&seed),
                .has_quad = i % 2,
                .text = i % 3 ? NULL : "\xf0\x9f\x98\x80 line\nbreak",
                .polygon = polygons[i],
                .polygon_count = 9,
                .landmarks = points[i],
                .landmark_count = 17,
                .attributes = &attribute,
                .attribute_count = 1,
                .parent = -1};
            for (k = 0; k < 4; k++)
                o->quad[k] = (struct sg_point){odd_number(&seed), odd_number(&seed)};
            for (k = 0; k < 9; k++)
                polygons[i][k] = (struct sg_point){odd_number(&seed), odd_number(&seed)};
            for (k = 0; k < 17; k++)
                points[i][k] = (struct sg_keypoint){odd_number(&seed), odd_number(&seed), odd_number(&seed)};
        }
        assert_int_equal(sg_painter_draw(painter, &image, &result, NULL), 0);
        sg_image_fini(&image);
    }
    sg_painter_destroy(&painter);
}

static void what_cannot_be_drawn_is_refused(void **state)
{
    static const uint8_t pixels[48];
    struct sg_painter *painter = painter_or_null(), *none = NULL;
    struct sg_result result = {0};
    struct sg_image image = {0};
    struct sg_error err;

    (void)state;
    sg_image_borrow(&image, SG_PIXEL_RGB24, 4, 4, 12, pixels, NULL);
    assert_int_equal(sg_painter_draw(painter, &image, &result, &err), SG_E_INVALID);
    assert_int_equal(sg_painter_create("/nonexistent/font.ttf", &none, &err), SG_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nonexistent/font.ttf"));
    assert_null(none);
    sg_painter_destroy(&painter);
}

static void draw_label(struct sg_painter *painter, const char *label, struct sg_image *image)
{
    struct sg_object object = {.box = {50, 80, 350, 180}, .label = label, .score = 0.5f, .parent = -1};
    const struct sg_result result = {.objects = &object, .object_count = 1};

    make(image, 400, 200);
    assert_int_equal(sg_painter_draw(painter, image, &result, NULL), 0);
}

static bool same(const struct sg_image *a, const struct sg_image *b)
{
    return memcmp(a->data, b->data, a->stride_bytes * (size_t)a->height) == 0;
}

/* Two characters that no font has look alike, as boxes; Chinese ones look like neither them nor each other.
 */
static void chinese_is_drawn(void **state)
{
    struct sg_painter *painter = painter_or_null();
    struct sg_image images[4] = {{0}};
    static const char *const labels[] = {"\U0010fffd\U0010fffd", "\U0010fffc\U0010fffc", "马犬", "鸟鱼"};
    int i, k;

    (void)state;
    if (!sg_painter_has_glyph(painter, 0x9a6c)) {
        printf("skipped: no font with Chinese characters is installed\n");
        sg_painter_destroy(&painter);
        skip();
    }
    assert_false(sg_painter_has_glyph(painter, 0x10fffd));
    for (i = 0; i < 4; i++)
        draw_label(painter, labels[i], &images[i]);
    for (i = 0; i < 4; i++) {
        for (k = 0; k < i; k++)
            assert_int_equal(same(&images[i], &images[k]), i == 1 && k == 0);
    }
    for (i = 0; i < 4; i++)
        sg_image_fini(&images[i]);
    sg_painter_destroy(&painter);
}

/* A label is drawn as it is, with a share of two decimals; a class without one as its model and number, a
 * value with its name: two pictures are the same when the words are. */
static void attributes_are_words(void **state)
{
    static struct sg_attribute many[40];
    const struct {
        struct sg_attribute one, other;
        bool same;
    } rows[] = {
        {{.model = "m", .class_id = 7, .score = 0.25f},
         {.label = "m 7", .class_id = 1, .score = 0.25f},
         true},
        {{.model = "m", .name = "n", .class_id = 0, .score = 1}, {.label = "n 0", .score = 1}, true},
        {{.class_id = 7, .score = 0.25f}, {.label = " 7", .class_id = 1, .score = 0.25f}, true},
        {{.name = "turn", .class_id = -1, .has_value = true, .value = 9.5f},
         {.label = "turn", .score = 9.5f},
         true},
        {{.name = "turn", .class_id = -1, .has_value = true, .value = 10.0f},
         {.label = "turn", .score = 10.0f},
         false},
        {{.name = "turn", .class_id = -1, .has_value = true, .value = -9.5f},
         {.label = "turn", .score = -9.5f},
         true},
        {{.name = "turn", .class_id = -1}, {.label = "turn"}, false},
    };
    struct sg_painter *painter = painter_or_null();
    struct sg_image images[2] = {{0}, {0}};
    size_t i;

    (void)state;
    if (!sg_painter_has_font(painter)) {
        sg_painter_destroy(&painter);
        puts("skipped: no font here");
        skip();
    }
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]) + 2; i++) {
        size_t row = i < sizeof(rows) / sizeof(rows[0]) ? i : 0;

        for (int k = 0; k < 2; k++) {
            struct sg_attribute one = k ? rows[row].other : rows[row].one;
            struct sg_object object = {.box = {20, 20, 380, 380},
                                       .label = "x",
                                       .attributes = &one,
                                       .attribute_count = 1,
                                       .parent = -1};
            const struct sg_result result = {.objects = &object, .object_count = 1};

            if (row != i) { /* more lines than a tag has: the rest is left out */
                for (size_t m = 0; m < 40; m++)
                    many[m] = (struct sg_attribute){.label = "line", .score = (float)m / 100.0f};
                object.attributes = many;
                object.attribute_count = i == sizeof(rows) / sizeof(rows[0]) ? 39 + k : 1 + k;
            }
            make(&images[k], 400, 400);
            assert_int_equal(sg_painter_draw(painter, &images[k], &result, NULL), 0);
        }
        assert_int_equal(same(&images[0], &images[1]),
                         row == i ? rows[row].same : i == sizeof(rows) / sizeof(rows[0]));
    }
    sg_image_fini(&images[0]);
    sg_image_fini(&images[1]);
    sg_painter_destroy(&painter);
}

/* A font of dots alone cannot be had in every size. */
static void fonts_of_dots_are_refused(void **state)
{
    static const char dots[] = "STARTFONT 2.1\nFONT -a-b-c-d-e--8-80-75-75-C-80-ISO10646-1\nSIZE 8 75 75\n"
                               "FONTBOUNDINGBOX 8 8 0 0\nSTARTPROPERTIES 2\nFONT_ASCENT 8\nFONT_DESCENT 0\n"
                               "ENDPROPERTIES\nCHARS 1\nSTARTCHAR A\nENCODING 65\nSWIDTH 500 0\nDWIDTH 8 0\n"
                               "BBX 8 8 0 0\nBITMAP\nFF\nFF\nFF\nFF\nFF\nFF\nFF\nFF\nENDCHAR\nENDFONT\n";
    char path[] = "/tmp/draw_test.XXXXXX";
    struct sg_font *font = NULL;
    struct sg_error err;
    int fd = mkstemp(path), code;
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;

    (void)state;
    assert_non_null(file);
    assert_true(fputs(dots, file) >= 0);
    assert_int_equal(fclose(file), 0);
    code = sg_font_open(path, &font, &err);
    remove(path);
    assert_int_equal(code, SG_E_NOT_FOUND);
    assert_null(font);
}

/* From 6 to 160 pixels; the base line lies at 15/16 of that, and lines are 5/4 apart. */
static void sizes_have_limits(void **state)
{
    static const int rows[][3] = {{5, 5, 7},    {6, 5, 7},       {-9, 5, 7},
                                  {16, 15, 20}, {160, 150, 200}, {161, 150, 200}};
    struct sg_font *font = NULL;
    size_t i;

    (void)state;
    if (sg_font_open(NULL, &font, NULL) != 0)
        skip();
    assert_int_equal(sg_font_ascent(font), 15); /* 16 at first */
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        sg_font_set_size(font, 40);
        sg_font_set_size(font, rows[i][0]);
        assert_int_equal(sg_font_ascent(font), rows[i][1]);
        assert_int_equal(sg_font_line_height(font), rows[i][2]);
    }
    sg_font_close(&font);
    assert_null(font);
}

/* First and last row of a text's ink, drawn with its base line at row 50, and the first column. */
static void ink_of(struct sg_font *font, const char *text, int *top, int *bottom, int *left)
{
    struct sg_image image = {0};
    int y, x;

    make(&image, 100, 80);
    sg_font_draw(font, &image, 10, 50, text, (struct sg_color){0, 0, 0});
    *top = 80;
    *bottom = -1;
    *left = 100;
    for (y = 0; y < 80; y++) {
        for (x = 0; x < 100; x++) {
            if (!is_changed(&image, x, y))
                continue;
            *top = y < *top ? y : *top;
            *bottom = y;
            *left = x < *left ? x : *left;
        }
    }
    sg_image_fini(&image);
}

/* As every font has it: a full stop stands on the base line, an l is as much higher as letters are, a p
 * reaches below, a quote hangs above; and what comes second is to the right. */
static void letters_stand_on_the_base_line(void **state)
{
    struct sg_font *font = NULL;
    int stop_top, stop_bottom, l_top, l_bottom, p_top, p_bottom, quote_top, quote_bottom, left, second;
    int code = sg_font_open(NULL, &font, NULL);

    (void)state;
    if (code == SG_E_NOT_FOUND)
        skip();
    assert_int_equal(code, 0);
    sg_font_set_size(font, 40);
    ink_of(font, ".", &stop_top, &stop_bottom, &left);
    ink_of(font, "l", &l_top, &l_bottom, &left);
    ink_of(font, "p", &p_top, &p_bottom, &second);
    ink_of(font, "'", &quote_top, &quote_bottom, &second);
    assert_in_range(stop_bottom, 48, 50);
    assert_in_range(stop_top, 40, 48);
    assert_in_range(l_bottom, 48, 50);
    assert_in_range(l_top, 15, 25); /* 0.62 to 0.87 of the size */
    assert_in_range(p_bottom, 54, 64);
    assert_in_range(p_top, 22, 36);
    assert_in_range(quote_bottom, 20, 38);
    assert_in_range(left, 10, 18);
    ink_of(font, " l", &l_top, &l_bottom, &second);
    assert_in_range(second - left, 6, 20); /* a blank is a quarter to a third of the size */
    sg_font_close(&font);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_stand_on_the_base_line),
        cmocka_unit_test(a_box_is_drawn_where_it_is),
        cmocka_unit_test(scale_and_origin_count),
        cmocka_unit_test(masks_quads_and_dots),
        cmocka_unit_test(hostile_results_do_no_harm),
        cmocka_unit_test(what_cannot_be_drawn_is_refused),
        cmocka_unit_test(chinese_is_drawn),
        cmocka_unit_test(attributes_are_words),
        cmocka_unit_test(fonts_of_dots_are_refused),
        cmocka_unit_test(sizes_have_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
