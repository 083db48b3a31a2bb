/* SPDX-License-Identifier: MIT
 * The decoder on files of fuzz/corpus/decode, on photographs that set-up brings (skipped when they are
 * absent) and on files written here byte by byte. Equality with OpenCV is held by tests/test_decode.py.
 */
#include "img/decode.h"

#include "base/buf.h"
#include "img/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <cmocka.h>

#define ZIDANE "deps/tests/pictures/zidane.jpg"

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

/* Reads a file below the root of the checkout; skips the test, with a line that says so, when it is absent.
 */
static void load(struct bench *bench, const char *name)
{
    const char *root = getenv("SIGHT_ROOT");
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", root ? root : ".", name);
    sg_buf_clear(&bench->file);
    if (sg_buf_append_file(&bench->file, path) < 0) {
        print_message("skipped: %s is absent (scripts/deps --tests)\n", path);
        skip();
    }
}

/* A file of the fuzz target's corpus, which begins with a byte of its own. */
static void load_seed(struct bench *bench, const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "fuzz/corpus/decode/%s", name);
    load(bench, path);
    memmove(bench->file.data, bench->file.data + 1, --bench->file.size);
}

static void give(struct bench *bench, const void *bytes, size_t size)
{
    sg_buf_clear(&bench->file);
    assert_int_equal(sg_buf_append(&bench->file, bytes, size), 0);
}

static int decode(struct bench *bench, const struct sg_decode_wish *wish)
{
    sg_error_clear(&bench->err);
    return sg_decoder_decode(bench->decoder, bench->file.data, bench->file.size, wish, &bench->image,
                             &bench->err);
}

/* Formats, upright sizes and orientations as Pillow reads them. */
static void headers_tell_the_upright_size(void **state)
{
    static const struct {
        const char *name, *format;
        int width, height, orientation;
    } rows[] = {
        {"jpeg", "jpeg", 20, 12, 1}, {"jpeg-exif", "jpeg", 12, 20, 6}, {"jpeg-cmyk", "jpeg", 20, 12, 1},
        {"png", "png", 12, 20, 6},   {"bmp", "bmp", 20, 12, 1},        {"webp-lossy", "webp", 20, 12, 1},
        {"gif", "gif", 20, 12, 1},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_picture picture;

        load_seed(bench, rows[i].name);
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

/* A PNG of 30000x30000 pixels of one bit: its head alone, with the checksum that it needs. */
static const char bomb[] = "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x75\x30\0\0\x75\x30\x01\0\0\0\0"
                           "\x4e\x5c\xc5\x17"
                           ""
                           "\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82";

static void hostile_files_get_their_error(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        int code;
        const char *text;
    } rows[] = {
        {"this is no image", 16, SG_E_BAD_IMAGE, "not an image: the first bytes are 74 68 69 73"},
        {bomb, sizeof(bomb) - 1, SG_E_TOO_LARGE,
         "png of 30000x30000 has 900000000 pixels, the limit is 100000000 (--max-pixels)"},
        {"", 0, SG_E_EMPTY_IMAGE, "no image bytes were sent"},
        {"\0\0\0\x18"
         "ftypisom\0\0\2\0isomiso2\0\0\0\x08mdat",
         32, SG_E_UNSUPPORTED, "this is a video"},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        give(bench, rows[i].bytes, rows[i].size);
        assert_int_equal(decode(bench, &whole), rows[i].code);
        assert_int_equal(bench->err.code, rows[i].code);
        assert_non_null(strstr(bench->err.text, rows[i].text));
    }
    load(bench, ZIDANE);
    bench->file.size = 30000;
    assert_int_equal(decode(bench, &whole), SG_E_BAD_IMAGE);
    assert_non_null(strstr(bench->err.text, "JPEG data ends early: 30000 bytes"));
}

/* 3000x12 gray JPEG, written by libjpeg. */
static void extreme_shapes_decode(void **state)
{
    const struct sg_decode_wish small = {.min_width = 640, .min_height = 2};
    struct bench *bench = *state;
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL, row[3000] = {0};
    unsigned long size = 0;
    JSAMPROW rows[] = {row};

    give(bench, "P6 1 1 255\nabc", 14);
    assert_int_equal(decode(bench, &whole), 0);
    assert_true(bench->image.width == 1 && bench->image.height == 1);
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &size);
    jpeg.image_width = 3000;
    jpeg.image_height = 12;
    jpeg.input_components = 1;
    jpeg.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < 12)
        jpeg_write_scanlines(&jpeg, rows, 1);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    give(bench, bytes, size);
    free(bytes);
    assert_int_equal(decode(bench, &small), 0);
    assert_true(bench->image.width == 750 && bench->image.height == 3);
    /* The same as a differential frame, which ITU T.81 table B.1 has at 0xC5: libjpeg says what it has not.
     */
    for (size_t i = 0; i + 1 < size; i++)
        if (bench->file.data[i] == 0xff && bench->file.data[i + 1] == 0xc0)
            bench->file.data[i + 1] = 0xc5;
    assert_int_equal(decode(bench, &small), SG_E_UNSUPPORTED);
    assert_string_equal(bench->err.text, "cannot decode JPEG: Unsupported JPEG process: SOF type 0xc5");
}

/* The longest side is JPEG's: 16 bits. */
static void sides_have_a_limit(void **state)
{
    static const struct {
        const char *header;
        int code;
    } rows[] = {{"P4 65535 1\n", 0},
                {"P4 1 65535\n", 0},
                {"P4 65536 1\n", SG_E_TOO_LARGE},
                {"P4 1 65536\n", SG_E_TOO_LARGE}};
    static uint8_t file[65536 + 16];
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        memcpy(file, rows[i].header, strlen(rows[i].header));
        give(bench, file, sizeof(file));
        assert_int_equal(decode(bench, &whole), rows[i].code);
        if (rows[i].code)
            assert_non_null(strstr(bench->err.text, ": no side may be longer than 65535 pixels"));
        else
            assert_int_equal(bench->image.width * bench->image.height, 65535);
    }
}

/* A header that ends before its 32 bytes says nothing, whatever its sizes are. */
static void a_short_sun_raster_has_no_size(void **state)
{
    const uint8_t bytes[32] = {0x59, 0xa6, 0x6a, 0x95, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 24};
    struct sg_header header = {0};

    (void)state;
    assert_false(sg_header_sun(bytes, 31, &header));
    assert_true(sg_header_sun(bytes, 32, &header));
    assert_true(header.width == 2 && header.height == 3);
}

static void an_error_leaves_the_decoder_usable(void **state)
{
    struct bench *bench = *state;

    for (int i = 0; i < 3; i++) {
        load(bench, ZIDANE);
        bench->file.size /= 2;
        assert_int_equal(decode(bench, &whole), SG_E_BAD_IMAGE);
        load_seed(bench, "jpeg-progressive");
        bench->file.size -= bench->file.size / 4;
        assert_int_equal(decode(bench, &whole), SG_E_BAD_IMAGE);
        load(bench, ZIDANE);
        assert_int_equal(decode(bench, &whole), 0);
    }
}

static void picture_memory_is_kept(void **state)
{
    struct bench *bench = *state;
    uint8_t *data[2];

    load(bench, ZIDANE);
    assert_int_equal(decode(bench, &whole), 0);
    data[0] = bench->image.data;
    assert_int_equal(decode(bench, &whole), 0);
    assert_ptr_equal(bench->image.data, data[0]);
    /* A turned picture changes places with the scratch picture: two memories, no third. */
    load_seed(bench, "jpeg-exif");
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

    load(bench, ZIDANE);
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
        cmocka_unit_test(a_short_sun_raster_has_no_size),
        cmocka_unit_test_setup_teardown(sides_have_a_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(an_error_leaves_the_decoder_usable, setup, teardown),
        cmocka_unit_test_setup_teardown(picture_memory_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(the_smallest_sufficient_scale_is_chosen, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_above_the_limit_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_hand_written_pixmap_keeps_its_colours, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
