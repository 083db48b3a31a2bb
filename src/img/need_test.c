/* SPDX-License-Identifier: MIT
 * What decodes are foreseen to take, by JPEGs that libjpeg writes and by headers written here. Expected: ITU
 * T.81 has 64 coefficients of two bytes per block; RGB24 has three bytes, twice where a picture is turned.
 * Against what decodes really take: tests/test_decode_memory.py.
 */
#include "img/need_testing.h"

#include <math.h>
#include <stdio.h>

#include <jpeglib.h> /* needs stdio.h before it */

/* libjpeg's 4:2:0: blocks of luma in pairs both ways, 500 x 376 (3000 is 187.5 pairs of 8), and half of that
 * for each colour both ways. */
#define COEFFICIENTS ((size_t)(500 * 376 + 2 * 250 * 188) * 64 * 2)

static size_t write_jpeg(bool progressive, uint8_t **out)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned long size = 0;
    uint8_t *row = calloc(WIDTH, 3);

    assert_non_null(row);
    *out = NULL;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, out, &size);
    jpeg.image_width = WIDTH;
    jpeg.image_height = HEIGHT;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    if (progressive)
        jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < HEIGHT)
        jpeg_write_scanlines(&jpeg, &row, 1);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    free(row);
    return size;
}

static void jpegs(void **state)
{
    const struct sg_decode_wish whole = {0}, small = {.min_width = 500, .min_height = 375},
                                less = {.min_width = 501, .min_height = 300},
                                exact = {.min_width = 9, .min_height = 9, .exact = true},
                                part = {.min_width = 500,
                                        .min_height = 375,
                                        .has_region = true,
                                        .region = {0, 0, 1000, 750}},
                                shifted = {.min_width = 500,
                                           .min_height = 375,
                                           .has_region = true,
                                           .region = {100.5f, 200.25f, 1100.25f, 950.5f}},
                                outside = {.has_region = true, .region = {9e9f, NAN, -9e9f, 3}};
    uint8_t *bytes;
    size_t size = write_jpeg(false, &bytes), at;

    (void)state;
    assert_int_equal(need(bytes, size, &whole), PIXELS * 3);
    assert_int_equal(need(bytes, size, &exact), PIXELS * 3);
    assert_int_equal(need(bytes, size, &small), PIXELS / 64 * 3);
    assert_int_equal(need(bytes, size, &less), PIXELS / 16 * 3);
    assert_int_equal(need(bytes, size, &part), 502 * 377 * 3);    /* halved, and a border of two */
    assert_int_equal(need(bytes, size, &shifted), 503 * 378 * 3); /* of 1001 x 751 */
    assert_in_range(need(bytes, size, &outside), 1, PIXELS * 3);
    free(bytes);
    size = write_jpeg(true, &bytes);
    assert_int_equal(need(bytes, size, &whole), PIXELS * 3 + COEFFICIENTS);
    assert_int_equal(need(bytes, size, &small), PIXELS / 64 * 3 + COEFFICIENTS);
    for (at = 0; at < 700; at++) /* cut off anywhere */
        assert_in_range(need(bytes, at, &whole), PIXELS * 3, PIXELS * 3 + COEFFICIENTS);
    free(bytes);
}

/* The same with an EXIF block in front that turns the picture: two RGB pictures when the coefficients, here a
 * little larger than one, are gone. */
static void turned(void **state)
{
    static const uint8_t exif[] = {0xFF, 0xD8, 0xFF, 0xE1, 0, 34, 'E', 'x', 'i', 'f',  0, 0, 'I',
                                   'I',  42,   0,    8,    0, 0,  0,   1,   0,   0x12, 1, 3, 0,
                                   1,    0,    0,    0,    6, 0,  0,   0,   0,   0,    0, 0};
    const struct sg_decode_wish whole = {0};

    (void)state;
    for (int progressive = 0; progressive < 2; progressive++) {
        uint8_t *bytes, *both;
        size_t size = write_jpeg(progressive != 0, &bytes);

        both = malloc(sizeof(exif) + size);
        assert_non_null(both);
        memcpy(both, exif, sizeof(exif));
        memcpy(both + sizeof(exif), bytes + 2, size - 2);
        assert_int_equal(need(both, sizeof(exif) + size - 2, &whole),
                         progressive ? PIXELS * 3 + COEFFICIENTS : PIXELS * 6);
        free(both);
        free(bytes);
    }
}

static void scans_of_jpeg(void **state)
{
    static const struct {
        unsigned marker, scan_components;
        bool coefficients;
    } rows[] = {
        {0xC0, 3, false}, {0xC0, 2, true},  {0xC0, 1, true},  {0xC1, 3, false}, {0xC2, 3, true},
        {0xC3, 3, false}, {0xC6, 3, true},  {0xCA, 3, true},  {0xCE, 3, true},  {0xCF, 3, false},
        {0xC4, 1, false}, {0xC8, 1, false}, {0xCC, 1, false}, {0xBF, 1, false}, {0xE2, 3, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int decorated = 0; decorated < 2; decorated++) {
            begin_file("", 0);
            put_jpeg(rows[i].marker, rows[i].scan_components, decorated);
            assert_int_equal(besides_rgb(), rows[i].coefficients ? SMALL_COEFFICIENTS : 0);
        }
    begin_file("", 0); /* factors of 0 count as 1: 50 x 38 blocks, and 25 x 38 of each colour */
    put_jpeg(0xC2, 3, false);
    file.bytes[13] = 0x20;
    file.bytes[19] = 0x01;
    assert_int_equal(besides_rgb(), (size_t)(50 * 38 + 2 * 25 * 38) * 64 * 2);
    begin_file("", 0); /* its size is that of the frame: 400x300 in a picture that was said to be larger */
    put_jpeg(0xC0, 3, false);
    assert_int_equal(need(file.bytes, file.size, &(struct sg_decode_wish){0}), SMALL * 3);
}

/* Headers alone, of formats with one layout: the file's bytes again, a frame, RGB. */
static void headers(void **state)
{
    static const struct {
        const char *header;
        size_t size;
        unsigned frame_bits;
    } rows[] = {
        {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\x02\0\0\0....", 33, 24},
        {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x10\x06\0\0\0....", 33, 64},
        {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x01\x00\0\0\0....", 33, 1},
        {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x02\x03\0\0\0....", 33, 8},
        {"GIF89a..........................................", 40, 32},
        {"P4 4000 3000                                    ", 40, 1},
        {"P5 4000 # 3\n 3000 255                           ", 40, 8},
        {"P6\n#c\n4000\n3000\n65535\n                       ", 40, 48},
        {"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 4\nMAXVAL 65535\n    ", 45, 64},
        {"qoif\0\0\0\1\0\0\0\1\3..........................", 38, 24},
    };
    const struct sg_decode_wish small = {.min_width = 10, .min_height = 10};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(need((const uint8_t *)rows[i].header, rows[i].size, &small),
                         rows[i].size + PIXELS * rows[i].frame_bits / 8 + PIXELS * 3);
    assert_int_equal(need((const uint8_t *)"", 0, &small), PIXELS * 3); /* is refused */
}

/* FFmpeg's frames: a PNG's transparent colour is a plane more; a Sun raster's depth is at byte 12. */
static void more_headers(void **state)
{
    static const struct {
        const char *header;
        size_t size, bits;
    } rows[] = {
        {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\x02\0\0\0....\0\0\0\6tRNS", 41, 32},
        {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\x00\0\0\0....\0\0\0\2tRNS", 41, 16},
        {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\x03\0\0\0....\0\0\0\2tRNS", 41, 8},
        {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\x04\0\0\0....", 33, 16},
        {"\x59\xA6\x6A\x95\0\0\1\x90\0\0\1\x2C\0\0\0\x18....................", 36, 24},
        {"\x59\xA6\x6A\x95\0\0\1\x90\0\0\1\x2C\0\0\0\x01....................", 36, 1},
        {"\x59\xA6\x6A\x95\0\0\1\x90\0\0\1\x2C\0\0\1\x01....................", 36, 32},
        {"P2 400 300 256                              ", 40, 16},
        {"P3 400 300 255                              ", 40, 24},
        {"P7\nDEPTH 2\nMAXVAL 255\nENDHDR             ", 38, 16},
        {"P7\nDEPTH 9\nMAXVAL 256\nENDHDR             ", 38, 64},
        {"qoif\0\0\0\1\0\0\0\1\4..........................", 38, 32},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin_file(rows[i].header, rows[i].size);
        assert_int_equal(besides_rgb(), rows[i].size + SMALL * rows[i].bits / 8);
    }
    begin_file("P5 400 300", 10);
    memset(file.bytes + 10, ' ', 4200);
    file.size = 4200;
    memcpy(file.bytes + 4090, "65535", 5);
    assert_int_equal(besides_rgb(), file.size + SMALL * 2);
    memcpy(file.bytes + 4090, "    65535", 9); /* 65: the header is looked for in 4096 bytes */
    assert_int_equal(besides_rgb(), file.size + SMALL);
    begin_file("P8 is no kind of file, and this is long enough", 46);
    assert_int_equal(besides_rgb(), 0);
    begin_file("BM is read without help, and this is long enough", 46);
    assert_int_equal(besides_rgb(), 0);
}

static void put_codestream(unsigned tile_width, unsigned tile_height, unsigned components)
{
    put(0xFF4FFF51, 4);
    put(38 + 3 * components, 2);
    put(0, 2);
    put(SMALL_WIDTH, 4);
    put(SMALL_HEIGHT, 4);
    put(0, 8);
    put(tile_width, 4);
    put(tile_height, 4);
    put(0, 8);
    put(components, 2);
    for (unsigned i = 0; i < components; i++)
        put(0x070101, 3);
}

/* ISO 15444-1 annex A: COD and COC. Four bytes a sample; 500 a code-block and 2300 a precinct (measured on
 * OpenJPEG, see need_jpeg2000.c), counted by hand in the comments. */
static void jpeg2000(void **state)
{
    static const struct {
        const char *segments;
        size_t segments_size;
        unsigned tile, components;
        size_t samples, structures; /* of all components */
    } rows[] = {
        /* no level, blocks of 64x64: 120000 / 4096 + 1 = 30 blocks, a precinct */
        {"\xFF\x52\0\x0C\0\0\0\1\0\0\4\4\0\0", 14, 400, 3, SMALL * 3, (size_t)3 * (30 * 500 + 2300)},
        {"\xFF\x52\0\x0C\0\0\0\1\0\0\4\4\0\0", 14, 400, 1, SMALL, 30 * 500 + 2300},
        /* in tiles of 100 x 300: 30000 / 4096 + 1 = 8 */
        {"\xFF\x52\0\x0C\0\0\0\1\0\0\4\4\0\0", 14, 100, 1, SMALL + 30000, 8 * 500 + 2300},
        /* a level: bands of a quarter of the samples, one and three */
        {"\xFF\x52\0\x0C\0\0\0\1\0\1\4\4\0\0", 14, 400, 1, SMALL, (size_t)4 * (8 * 500 + 2300)},
        /* precincts of 128x32 (15 blocks of 64x32, 8 precincts), and of 64x64: blocks and precincts of 32x32
         */
        {"\xFF\x52\0\x0E\1\0\0\1\0\1\4\4\0\0\x57\x66", 16, 400, 1, SMALL,
         15 * 500 + 8 * 2300 + (size_t)3 * 30 * (500 + 2300)},
        /* precincts of one sample above 128x128: none is halved */
        {"\xFF\x52\0\x0E\1\0\0\1\0\1\4\4\0\0\x77\x10", 16, 400, 1, SMALL,
         8 * 500 + 2 * 2300 + (size_t)3 * 30001 * (500 + 2300)},
        {"\xFF\x52\0\x0E\1\0\0\1\0\1\4\4\0\0\x77\x01", 16, 400, 1, SMALL,
         8 * 500 + 2 * 2300 + (size_t)3 * 30001 * (500 + 2300)},
        /* 32 levels, the most: 30 of a block, 30000 / 4 / 4096 + 1 = 2 and 8 blocks in each of three bands */
        {"\xFF\x52\0\x0C\0\0\0\1\0\x20\4\4\0\0", 14, 400, 1, SMALL,
         (size_t)91 * 2800 + (size_t)3 * (2 * 500 + 2300) + (size_t)3 * (8 * 500 + 2300)},
        {"\xFF\x52\0\x0C\0\0\0\1\0\x21\4\4\0\0", 14, 400, 1, SMALL,
         (size_t)91 * 2800 + (size_t)3 * (2 * 500 + 2300) + (size_t)3 * (8 * 500 + 2300)},
        {"\xFF\x52\0\x0E\0\0\0\1\0\1\4\4\0\0\x57\x66", 16, 400, 1, SMALL, (size_t)4 * (8 * 500 + 2300)},
        /* COC of a component: blocks of 4x8, 120000 / 32 + 1 */
        {"\xFF\x52\0\x0C\0\0\0\1\0\0\4\4\0\0\xFF\x53\0\x09\0\0\0\0\1\0\0", 25, 400, 1, SMALL,
         (size_t)3751 * 500 + 2300},
        /* and precincts of 64x32, which are 59 blocks as well */
        {"\xFF\x52\0\x0C\0\0\0\1\0\0\4\4\0\0\xFF\x53\0\x0A\0\1\0\4\4\0\0\x56", 26, 400, 1, SMALL,
         (size_t)59 * (500 + 2300)},
        /* components above 256 are named by two bytes; the first five count */
        {"\xFF\x53\0\x0A\0\0\0\0\0\1\0\0", 12, 400, 257, SMALL * 5, (size_t)5 * (3751 * 500 + 2300)},
        {"\xFF\x53\0\x09\0\0\0\0\3\0\0", 11, 400, 256, SMALL * 5, (size_t)5 * (938 * 500 + 2300)},
        /* longer than what is left of the file */
        {"\xFF\x64\0\2\xFF\x52\0\x0F\0\0\0\1\0\0\4\4\0\0", 18, 400, 1, SMALL, 500 + 2300},
        /* too short, longer than the file, behind the first tile's data, of no kind: blocks of 1024x1024 */
        {"\xFF\x52\0\x0B\0\0\0\1\0\0\0\0\0", 13, 400, 1, SMALL, 500 + 2300},
        {"\xFF\x52\0\xFF\0\0\0\1\0\0\4\4\0\0", 14, 400, 1, SMALL, 500 + 2300},
        {"\xFF\x93\0\2\xFF\x52\0\x0C\0\0\0\1\0\0\4\4\0\0", 18, 400, 1, SMALL, 500 + 2300},
        {"\xFF\x54\0\x0C\0\0\0\1\0\0\4\4\0\0", 14, 400, 1, SMALL, 500 + 2300},
    };
    size_t bare;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin_file("", 0);
        put_codestream(rows[i].tile, 300, rows[i].components);
        put_bytes(rows[i].segments, rows[i].segments_size);
        put(0xFFD9, 2);
        assert_int_equal(besides_rgb(), file.size + rows[i].samples * 4 + rows[i].structures);
    }
    for (int palette = 0; palette < 2; palette++) { /* three colours of one index */
        begin_file("\0\0\0\x0CjP  \r\n\x87\n", 12);
        put_bytes(palette ? "\0\0\0\x08pclr" : "\0\0\0\x08pclx", 8);
        bare = file.size;
        put_codestream(400, 300, 1);
        assert_int_equal(besides_rgb(), file.size + SMALL * 4 * (palette ? 4 : 1) + 500 + 2300);
    }
    file.size = bare + 42; /* the least that says how many components there are */
    assert_int_equal(besides_rgb(), file.size + SMALL * 4 * 4 + 500 + 2300);
    file.size--;
    assert_int_equal(besides_rgb(), 0);
    begin_file("\0\0\0\x0CjP  \r\n\x87\n............................", 40);
    assert_int_equal(besides_rgb(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jpegs),    cmocka_unit_test(turned),        cmocka_unit_test(headers),
        cmocka_unit_test(jpeg2000), cmocka_unit_test(scans_of_jpeg), cmocka_unit_test(more_headers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
