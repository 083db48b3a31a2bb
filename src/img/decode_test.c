/* SPDX-License-Identifier: MIT
 * The decoder on real files (skipped when they are absent) and on files written here byte by byte. Equality
 * with OpenCV is held by tests/test_decode.py.
 */
#include "img/decode.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct sg_decode_limits defaults = {SG_DECODE_MAX_BYTES, SG_DECODE_MAX_PIXELS};
static const struct sg_decode_wish whole = {0};

struct bench {
    struct sg_decoder *decoder;
    struct sg_image image;
    struct sg_buf file;
    struct sg_error err;
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    assert_non_null(bench);
    sg_buf_init(&bench->file, SG_DECODE_MAX_BYTES);
    assert_int_equal(sg_decoder_create(&defaults, &bench->decoder), 0);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    sg_decoder_destroy(&bench->decoder);
    assert_null(bench->decoder);
    sg_image_fini(&bench->image);
    sg_buf_fini(&bench->file);
    free(bench);
    return 0;
}

/* False, with a line that says so, when the shared test data is absent. */
static bool load(struct bench *bench, const char *name)
{
    const char *shared = getenv("SIGHT_SHARED");
    char path[512];

    snprintf(path, sizeof(path), "%s/assets/images/%s", shared ? shared : "../shared", name);
    sg_buf_clear(&bench->file);
    if (sg_buf_append_file(&bench->file, path) == 0)
        return true;
    printf("skipped: %s is not there\n", path);
    return false;
}

static int decode(struct bench *bench, const struct sg_decode_wish *wish)
{
    sg_error_clear(&bench->err);
    return sg_decoder_decode(bench->decoder, bench->file.data, bench->file.size, wish, &bench->image,
                             &bench->err);
}

/* Sizes and orientations from shared/assets/MANIFEST.md. */
static void headers_tell_the_upright_size(void **state)
{
    static const struct {
        const char *name, *format;
        int width, height, orientation;
    } rows[] = {
        {"zidane.jpg", "jpeg", 1280, 720, 1},         {"dog_exif6.jpg", "jpeg", 768, 576, 6},
        {"dog_exif3.jpg", "jpeg", 768, 576, 3},       {"dog_cmyk.jpg", "jpeg", 768, 576, 1},
        {"astronaut.png", "png", 512, 512, 1},        {"horses.avif", "avif", 773, 512, 1},
        {"horses_lzw.tif", "tiff", 773, 512, 1},      {"horses.bmp", "bmp", 773, 512, 1},
        {"two_dogs_lossy.webp", "webp", 640, 427, 1}, {"street_vtest_anim.gif", "gif", 512, 384, 1},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_picture picture;

        if (!load(bench, rows[i].name))
            continue;
        assert_int_equal(
            sg_decoder_probe(bench->decoder, bench->file.data, bench->file.size, &picture, &bench->err), 0);
        assert_string_equal(picture.format, rows[i].format);
        assert_int_equal(picture.width, rows[i].width);
        assert_int_equal(picture.height, rows[i].height);
        assert_int_equal(picture.orientation, rows[i].orientation);
        assert_int_equal(decode(bench, &whole), 0);
        assert_int_equal(bench->image.width, rows[i].width);
        assert_int_equal(bench->image.full_height, rows[i].height);
        assert_int_equal(bench->image.format, SG_PIXEL_RGB24);
    }
}

static void hostile_files_get_their_error(void **state)
{
    static const struct {
        const char *name;
        int code;
        const char *text;
    } rows[] = {
        {"edge/truncated.jpg", SG_E_BAD_IMAGE, "JPEG data ends early: 80000 bytes"},
        {"edge/not_an_image.jpg", SG_E_BAD_IMAGE, "not an image: the first bytes are 74 68 69 73"},
        {"edge/bomb_30000x30000_1bit.png", SG_E_TOO_LARGE,
         "png of 30000x30000 has 900000000 pixels, the limit is 100000000 (--max-pixels)"},
        {"edge/empty.jpg", SG_E_EMPTY_IMAGE, "no image bytes were sent"},
        {"street_vtest_h264.mp4", SG_E_UNSUPPORTED, "this is a video"},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!load(bench, rows[i].name))
            continue;
        assert_int_equal(decode(bench, &whole), rows[i].code);
        assert_int_equal(bench->err.code, rows[i].code);
        assert_non_null(strstr(bench->err.text, rows[i].text));
    }
}

static void extreme_shapes_decode(void **state)
{
    const struct sg_decode_wish small = {.min_width = 640, .min_height = 2};
    struct bench *bench = *state;

    if (load(bench, "edge/one_pixel.png")) {
        assert_int_equal(decode(bench, &whole), 0);
        assert_true(bench->image.width == 1 && bench->image.height == 1);
    }
    if (load(bench, "edge/extreme_aspect_3000x12.jpg")) {
        assert_int_equal(decode(bench, &small), 0);
        assert_true(bench->image.width == 750 && bench->image.height == 3);
    }
}

static void an_error_leaves_the_decoder_usable(void **state)
{
    struct bench *bench = *state;

    for (int i = 0; i < 3; i++) {
        if (!load(bench, "edge/truncated.jpg"))
            return;
        assert_int_equal(decode(bench, &whole), SG_E_BAD_IMAGE);
        assert_true(load(bench, "dog_progressive.jpg"));
        bench->file.size /= 2;
        assert_int_equal(decode(bench, &whole), SG_E_BAD_IMAGE);
        assert_true(load(bench, "zidane.jpg"));
        assert_int_equal(decode(bench, &whole), 0);
    }
}

static void picture_memory_is_kept(void **state)
{
    struct bench *bench = *state;
    uint8_t *data[2];

    if (!load(bench, "zidane.jpg"))
        return;
    assert_int_equal(decode(bench, &whole), 0);
    data[0] = bench->image.data;
    assert_int_equal(decode(bench, &whole), 0);
    assert_ptr_equal(bench->image.data, data[0]);
    /* A turned picture changes places with the scratch picture: two memories, no third. */
    assert_true(load(bench, "dog_exif6.jpg"));
    for (int i = 0; i < 4; i++)
        assert_int_equal(decode(bench, &whole), 0);
    data[0] = bench->image.data;
    assert_int_equal(decode(bench, &whole), 0);
    data[1] = bench->image.data;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(decode(bench, &whole), 0);
        assert_ptr_equal(bench->image.data, data[i & 1]);
    }
}

static void the_smallest_sufficient_scale_is_chosen(void **state)
{
    static const struct {
        int min_width, min_height, width, height;
        float scale;
    } rows[] = {
        {640, 360, 640, 360, 0.5f}, {640, 361, 1280, 720, 1.0f},  {320, 180, 320, 180, 0.25f},
        {100, 90, 160, 90, 0.125f}, {1280, 720, 1280, 720, 1.0f}, {5000, 5, 1280, 720, 1.0f},
        {0, 100, 1280, 720, 1.0f},  {321, 100, 640, 360, 0.5f},
    };
    struct bench *bench = *state;

    if (!load(bench, "zidane.jpg"))
        return;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct sg_decode_wish wish = {.min_width = rows[i].min_width, .min_height = rows[i].min_height};

        assert_int_equal(decode(bench, &wish), 0);
        assert_int_equal(bench->image.width, rows[i].width);
        assert_int_equal(bench->image.height, rows[i].height);
        assert_true(bench->image.scale_x == rows[i].scale && bench->image.scale_y == rows[i].scale);
        assert_true(bench->image.full_width == 1280 && bench->image.full_height == 720);
    }
}

static void bytes_above_the_limit_are_refused(void **state)
{
    const struct sg_decode_limits narrow = {.max_bytes = 10, .max_pixels = 100};
    struct sg_decoder *decoder = NULL;
    struct sg_picture picture;
    struct bench *bench = *state;

    assert_int_equal(sg_decoder_create(&narrow, &decoder), 0);
    assert_int_equal(sg_decoder_probe(decoder, "P6 1 1 255\nabc", 14, &picture, &bench->err), SG_E_TOO_LARGE);
    assert_string_equal(bench->err.text, "image has 14 bytes, the limit is 10 (--max-image-bytes)");
    assert_int_equal(sg_decoder_probe(decoder, "P6 1 1 255", 10, &picture, NULL), 0);
    sg_decoder_destroy(&decoder);
}

static void a_hand_written_pixmap_keeps_its_colours(void **state)
{
    static const char file[] = "P6\n2 1\n255\n\x01\x02\x03\xFD\xFE\xFF";
    struct bench *bench = *state;

    assert_int_equal(sg_decoder_decode(bench->decoder, file, sizeof(file) - 1, &whole, &bench->image, NULL),
                     0);
    assert_memory_equal(bench->image.data, "\x01\x02\x03\xFD\xFE\xFF", 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(headers_tell_the_upright_size, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_files_get_their_error, setup, teardown),
        cmocka_unit_test_setup_teardown(extreme_shapes_decode, setup, teardown),
        cmocka_unit_test_setup_teardown(an_error_leaves_the_decoder_usable, setup, teardown),
        cmocka_unit_test_setup_teardown(picture_memory_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(the_smallest_sufficient_scale_is_chosen, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_above_the_limit_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_hand_written_pixmap_keeps_its_colours, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
