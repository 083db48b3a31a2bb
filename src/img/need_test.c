/* SPDX-License-Identifier: MIT
 * What decodes are foreseen to take, by JPEGs that libjpeg writes and by headers written here. Expected: ITU
 * T.81 has 64 coefficients of two bytes per block; RGB24 has three bytes, twice where a picture is turned.
 * Against what decodes really take: tests/test_decode_memory.py.
 */
#include "img/need.h"

#include "img/heif_testing.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h> /* needs stdio.h before it */

#include <cmocka.h>

#define WIDTH  4000
#define HEIGHT 3000
#define PIXELS ((size_t)WIDTH * HEIGHT)
#define SPARE  ((size_t)512 << 10) /* said for every picture */
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

static size_t need(const uint8_t *bytes, size_t size, const struct sg_decode_wish *wish)
{
    size_t bytes_in_all = sg_decode_need(bytes, size, WIDTH, HEIGHT, wish);

    assert_true(bytes_in_all >= SPARE);
    return bytes_in_all - SPARE;
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

/* A small picture of the files below, and the bytes that it is foreseen to take besides its RGB pixels. */
#define SMALL_WIDTH  400
#define SMALL_HEIGHT 300
#define SMALL        ((size_t)SMALL_WIDTH * SMALL_HEIGHT)

static struct heif_file file; /* any file: bytes that are put one behind the other */

static void begin_file(const char *bytes, size_t size)
{
    memset(&file, 0, sizeof(file));
    put_bytes(&file, bytes, size);
}

static size_t besides_rgb(void)
{
    const struct sg_decode_wish wish = {0};
    size_t all = sg_decode_need(file.bytes, file.size, SMALL_WIDTH, SMALL_HEIGHT, &wish);

    assert_true(all >= SPARE + SMALL * 3);
    return all - SPARE - SMALL * 3;
}

static void put_little(uint32_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        put(&file, value >> 8 * i & 255, 1);
}

static void put_attribute(const char *name, const char *type, const void *value, uint32_t size)
{
    put_bytes(&file, name, strlen(name) + 1);
    put_bytes(&file, type, strlen(type) + 1);
    put_little(size, 4);
    put_bytes(&file, value, size);
}

/* One of EXR's channels: name, type (1: halves, 2: floats), 12 bytes more. */
#define CHANNEL(name, type) name "\0" type "\0\0\0............"
#define FOUR                CHANNEL("A", "\1") CHANNEL("B", "\1") CHANNEL("G", "\2") CHANNEL("R", "\0") "\0"
#define LIGHT               CHANNEL("Y", "\2") "\0"
#define THREE               CHANNEL("B", "\1") CHANNEL("G", "\1") CHANNEL("R", "\1") "\0"
#define BOTH                CHANNEL("R", "\1") CHANNEL("Y", "\1") "\0"
#define NAMED               CHANNEL("AB", "\1") CHANNEL("Rx", "\1") CHANNEL("Y", "\1") "\0"

/* OpenEXR's file layout: rows of a block by compression (none, RLE, ZIPS 1; ZIP, PXR24 16; PIZ, B44 32),
 * bytes of the stored channels. FFmpeg makes floats of grey, RGB or RGBA. */
static void exr(void **state)
{
    static const struct {
        const char *channels;
        size_t channels_size;
        unsigned char packing;
        uint32_t tile_width, tile_height;
        size_t floats, rest;
    } rows[] = {
        {FOUR, sizeof(FOUR) - 1, 0, 0, 0, 4, 0},
        {FOUR, sizeof(FOUR) - 1, 1, 0, 0, 4, (size_t)1 * 400 * 12 * 3},
        {FOUR, sizeof(FOUR) - 1, 2, 0, 0, 4, (size_t)1 * 400 * 12 * 3},
        {FOUR, sizeof(FOUR) - 1, 3, 0, 0, 4, (size_t)16 * 400 * 12 * 3},
        {THREE, sizeof(THREE) - 1, 4, 0, 0, 3, (size_t)32 * 400 * 6 * 6 + (1 << 20)},
        {LIGHT, sizeof(LIGHT) - 1, 5, 0, 0, 1, (size_t)16 * 400 * 4 * 3},
        {BOTH, sizeof(BOTH) - 1, 6, 0, 0, 3, (size_t)32 * 400 * 4 * 3},
        {NAMED, sizeof(NAMED) - 1, 7, 0, 0, 1, (size_t)32 * 400 * 6 * 3},
        {THREE, sizeof(THREE) - 1, 8, 0, 0, 3, (size_t)32 * 400 * 6 * 6 + (1 << 20)}, /* not known */
        {THREE, sizeof(THREE) - 1, 3, 64, 48, 3, (size_t)64 * 48 * 6 * 3},
        {THREE, sizeof(THREE) - 1, 3, 4096, 2048, 3, (size_t)400 * 300 * 6 * 3},
        {THREE, sizeof(THREE) - 2 - 18, 3, 0, 0, 3, (size_t)16 * 400 * 4 * 3}, /* the third is cut off */
        {LIGHT, sizeof(LIGHT) - 1 - 2, 3, 0, 0, 3, 0},                         /* the only one is */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t tiles[9] = {0}, window[16] = {10, 0, 0, 0, 7, 0, 0, 0, 153, 1, 0, 0, 50, 1, 0, 0};

        begin_file("\x76\x2F\x31\x01\2\0\0\0", 8);
        put_attribute("channels", "chlist", rows[i].channels, (uint32_t)rows[i].channels_size);
        put_attribute("compression", "compression", &rows[i].packing, 1);
        put_attribute("dataWindow", "box2i", window, 16); /* 10 to 409 */
        for (int k = 0; k < 4; k++) {
            tiles[k] = (uint8_t)(rows[i].tile_width >> 8 * k);
            tiles[4 + k] = (uint8_t)(rows[i].tile_height >> 8 * k);
        }
        if (rows[i].tile_width)
            put_attribute("tiles", "tiledesc", tiles, 9);
        put(&file, 0, 1);
        assert_int_equal(besides_rgb(), file.size + SMALL * 4 * rows[i].floats + rows[i].rest);
    }
}

/* What an attribute does not hold is not read: behind the end of the file lie other bytes. */
static void exr_short(void **state)
{
    static const uint8_t window[16] = {0, 0, 0, 0, 0, 0, 0, 0, 143, 1, 0, 0, 43, 1, 0, 0};
    size_t without_window;

    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        begin_file("\x76\x2F\x31\x01\2\0\0\0", 8);
        put_attribute("channels", "chlist", THREE, sizeof(THREE) - 1);
        without_window = file.size;
        put_attribute("dataWindow", "box2i", window, 16);
        if (kind == 0) {
            put_attribute("compression", "compression", "\3", 1);
            put_attribute("tiles", "tiledesc", "\2\0\0\0\2\0\0\0", 7);
            memcpy(file.bytes + file.size, "\0\0\0\0", 4);
            assert_int_equal(besides_rgb(), file.size + SMALL * 12 + (size_t)16 * 400 * 6 * 3);
        } else {
            put_attribute("compression", "compression", "", 0); /* PIZ is the most */
            assert_int_equal(besides_rgb(), file.size + SMALL * 12 + (size_t)32 * 400 * 6 * 6 + (1 << 20));
        }
    }
    file.size = without_window;
    assert_int_equal(besides_rgb(), 0);
    put_attribute("dataWindow", "box2i", window, 15);
    assert_int_equal(besides_rgb(), 0);
    begin_file("\x76\x2F\x31\x01\2\0\0\0", 8);
    put_attribute("dataWindow", "box2i", window, 16);
    assert_int_equal(besides_rgb(), 0);
}

/* Segments of a JPEG by ITU T.81 up to its first scan. 400x300 of 4:2:0 are 25 x 19 units of 16 x 16 pixels:
 * 50 x 38 blocks of luma and 25 x 19 of each colour. */
#define SMALL_COEFFICIENTS ((size_t)(50 * 38 + 2 * 25 * 19) * 64 * 2)

static void put_jpeg(unsigned marker, unsigned scan_components, bool decorated)
{
    static const uint8_t segment[] = {0, 17, 8, 1, 44, 1, 144, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1};

    put(&file, 0xFFD8, 2);
    if (decorated) {
        put(&file, 0xFFFFFF, 3); /* bytes of filling */
        put(&file, 0x01FFD0, 3);
        put(&file, 0xFFD7, 2);
    }
    put(&file, 0xFF00 | marker, 2);
    put_bytes(&file, segment, sizeof(segment));
    for (unsigned other = 0xC4; decorated && other <= 0xCC; other += 4) { /* these are no frames */
        put(&file, 0xFF00 | other, 2);
        put_bytes(&file, "\0\x11\x08\x40\0\x40\0\3\1\x44\0\2\x11\1\3\x11\1", 17);
    }
    put(&file, 0xFFDA, 2);
    put(&file, 6 + 2 * scan_components, 2);
    put(&file, scan_components, 1);
    put(&file, 0, 40);
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

/* TIFF 6.0: strips and tiles as libtiff reads them, by tags. */
static void tiffs(void **state)
{
    static const struct {
        struct {
            unsigned tag;
            uint32_t value;
        } tags[7];
        size_t expected;
    } rows[] = {
        {{{258, 8}, {277, 3}, {278, 300}}, 0},
        {{{258, 8}, {277, 3}, {322, 128}, {323, 64}}, 128 * 64 * 3},
        {{{258, 16}, {277, 1}, {322, 128}, {323, 64}}, 128 * 64 * 2},
        {{{258, 1}, {277, 1}, {322, 128}, {323, 64}}, 128 * 64 / 8},
        {{{322, 128}, {323, 64}}, 128 * 64 / 8}, /* a bit and a sample where it does not say */
        {{{258, 8}, {277, 3}, {322, 4096}, {323, 4096}}, SMALL * 2 * 3},           /* clipped */
        {{{258, 8}, {277, 3}, {322, 400}, {323, 600}}, SMALL * 2 * 3},             /* not clipped */
        {{{258, 8}, {277, 4}, {284, 2}, {322, 128}, {323, 64}}, 128 * 64 + SMALL}, /* planes */
        {{{258, 8}, {277, 3}, {284, 2}, {322, 128}, {323, 64}}, 128 * 64},
        {{{258, 8}, {277, 3}, {259, 34887}, {278, 10}}, 400 * 10 * 3 * 2},                /* LERC */
        {{{258, 8}, {277, 3}, {259, 34887}, {278, 1000}}, 400 * 300 * 3 * 2},             /* one strip */
        {{{258, 8}, {277, 3}, {259, 50001}, {278, 10}}, 400 * 10 * (3 + 4)},              /* WebP */
        {{{258, 8}, {277, 3}, {259, 5}, {262, 6}, {278, 10}}, 400 * 10 * (3 + 4)},        /* YCbCr */
        {{{258, 8}, {277, 3}, {259, 1}, {262, 6}, {278, 300}}, 400 * (3 + 4)},            /* row by row */
        {{{258, 8}, {277, 3}, {259, 5}, {262, 6}}, 400 * 300 * (3 + 4)},                  /* one strip */
        {{{258, 8}, {277, 3}, {259, 7}, {262, 6}, {273, 200}}, SMALL_COEFFICIENTS},       /* JPEG */
        {{{258, 8}, {277, 3}, {259, 7}, {262, 6}, {278, 10}, {273, 9999}}, 400 * 10 * 7}, /* not there */
        {{{258, 8}, {277, 3}, {259, 7}, {262, 6}, {322, 16}, {323, 32}, {324, 200}},
         16 * 32 * 3 + SMALL_COEFFICIENTS},
        {{{258, 65}, {277, 3}, {259, 34887}}, 0}, /* refused */
        {{{258, 8}, {277, 65}, {259, 34887}}, 0},
        {{{258, 64}, {277, 64}, {259, 34887}, {278, 1}}, (size_t)400 * 64 * 8 * 2},
        {{{274, 6}}, SMALL * 3}, /* is turned: two RGB pictures */
        {{{274, 3}}, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned count = 2;

        begin_file("MM\0\x2A\0\0\0\x08\0", 9);
        while (count < 9 && rows[i].tags[count - 2].tag)
            count++;
        put(&file, count, 1);
        for (unsigned k = 0; k < count; k++) {
            put(&file, k < 2 ? 256 + k : rows[i].tags[k - 2].tag, 2);
            put(&file, 4, 2); /* LONG */
            put(&file, 1, 4);
            put(&file, k == 0 ? SMALL_WIDTH : k == 1 ? SMALL_HEIGHT : rows[i].tags[k - 2].value, 4);
        }
        file.size = 200;
        put_jpeg(0xC2, 3, false);
        assert_int_equal(besides_rgb(), rows[i].expected);
    }
}

static void put_codestream(unsigned tile_width, unsigned tile_height, unsigned components)
{
    put(&file, 0xFF4FFF51, 4);
    put(&file, 38 + 3 * components, 2);
    put(&file, 0, 2);
    put(&file, SMALL_WIDTH, 4);
    put(&file, SMALL_HEIGHT, 4);
    put(&file, 0, 8);
    put(&file, tile_width, 4);
    put(&file, tile_height, 4);
    put(&file, 0, 8);
    put(&file, components, 2);
    for (unsigned i = 0; i < components; i++)
        put(&file, 0x070101, 3);
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
        put_bytes(&file, rows[i].segments, rows[i].segments_size);
        put(&file, 0xFFD9, 2);
        assert_int_equal(besides_rgb(), file.size + rows[i].samples * 4 + rows[i].structures);
    }
    for (int palette = 0; palette < 2; palette++) { /* three colours of one index */
        begin_file("\0\0\0\x0CjP  \r\n\x87\n", 12);
        put_bytes(&file, palette ? "\0\0\0\x08pclr" : "\0\0\0\x08pclx", 8);
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

/* Item 1 of 400x300, coded in 10 bytes that begin with `unit`; with `tiles` a grid of 2 x 1 in front of it.
 */
static void write_heif(const char *type, const char *config_type, const char *config, size_t config_size,
                       const char *unit, size_t unit_size, bool tiles)
{
    begin_file("", 0);
    begin(&file, "ftyp");
    put_bytes(&file, "avif\0\0\0\0", 8);
    end(&file);
    begin_full(&file, "meta", 0, 0);
    put_pitm(&file, tiles ? 2 : 1);
    begin_full(&file, "iinf", 0, 0);
    put(&file, 2, 2);
    put_infe(&file, 1, type);
    put_infe(&file, 2, "grid");
    end(&file);
    begin(&file, "idat");
    put_bytes(&file, unit, unit_size);
    put(&file, 0, 10);
    end(&file);
    begin_full(&file, "iloc", 1, 0);
    put(&file, 0x4400, 2);
    put(&file, 1, 2);
    put_place(&file, 1, 0, (unsigned)unit_size);
    end(&file);
    begin_full(&file, "iref", 0, 0);
    begin(&file, "dimg");
    put(&file, 0x000200010001, 6); /* of item 2, one part: 1 */
    end(&file);
    end(&file);
    begin(&file, "iprp");
    begin(&file, "ipco");
    put_ispe(&file, SMALL_WIDTH, SMALL_HEIGHT);
    begin(&file, config_type);
    put_bytes(&file, config, config_size);
    end(&file);
    put_ispe(&file, 200, 100);
    end(&file);
    begin_full(&file, "ipma", 0, 0);
    put(&file, 2, 4);
    put_links(&file, 1, tiles ? 2 : 1, 2);
    put_links(&file, 2, 1, 1);
    end(&file);
    end(&file);
    end(&file);
}

/* av1C: of its third byte bit 6 is high depth, 4 grey, 3 and 2 colours of half the columns and rows. A sample
 * is a byte or two, twice where the picture may have film grain, and 0.4 bytes a pixel more. */
static void av1(void **state)
{
    static const struct {
        unsigned char config;
        unsigned tenths;
    } depths[] = {{0x0C, 15}, {0x08, 20}, {0, 30},    {0x1C, 10}, {0x4C, 30},
                  {0x48, 40}, {0x40, 60}, {0x5C, 20}, {0xAF, 15}};
    /* AV1 5.5.1, 5.3.4: the last bit of the sequence header that is 1 ends it, that before it is the grain.
     */
    static const struct {
        const char *unit;
        size_t size;
        bool grain;
    } units[] = {
        {"\x12\0\x0A\3\0\0\3", 7, true},
        {"\x12\0\x0A\3\0\xFF\xFD", 7, false},
        {"\x12\0\x0A\3\0\xFF\xFA", 7, false},
        {"\x12\0\x0A\3\0\0\6", 7, true},
        {"\x12\0\x0A\3\0\1\x80", 7, true},
        {"\x12\0\x0A\3\xFF\xFE\x80", 7, false},
        {"\x12\0\x0A\4\xFF\xFE\x80\0", 8, false}, /* zeros behind it */
        {"\x12\0\x0A\4\0\1\x80\0", 8, true},
        {"\x0A\3\xFF\xFF\xF9", 5, false}, /* without a delimiter */
        {"\x0B\3\xFF\xFF\xF9", 5, false},
        {"\x0A\2\xFE\x80", 4, false}, /* the shortest */
        {"\x0A\1\xF9", 3, true},      /* shorter */
        {"\x0A\2\xF9\0", 4, true},
        {"\x0A\3\0\0\0", 5, true},         /* of zeros alone */
        {"\x0A\x80\xFF\xFF\xF9", 5, true}, /* a length of two bytes */
        {"\x0A\4\xFF\xFF\xF9", 5, true},   /* longer than the item */
        {"\x32\0\x0A\3\xFF\xFF\xF9", 7, true},
        {"\x32\3\xFF\xFF\xF9", 5, true}, /* another unit first */
        {"\x12\1\x0A\3\xFF\xFF\xF9", 7, true},
        {"\x0A\3", 2, true},
    };

    (void)state;
    for (size_t d = 0; d < sizeof(depths) / sizeof(depths[0]); d++)
        for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
            const char config[4] = {(char)0x81, 0, (char)depths[d].config, 0};

            write_heif("av01", "av1C", config, 4, units[u].unit, units[u].size, false);
            assert_int_equal(besides_rgb(),
                             file.size + SMALL * (depths[d].tenths * (units[u].grain ? 2 : 1) + 4) / 10);
        }
    write_heif("av01", "av1C", "\x81\0\x0C", 3, "\x0A\2\xFE\x80", 4, false); /* a byte too short */
    assert_int_equal(besides_rgb(), file.size);
    write_heif("av01", "av1C", "\x81\0\x0C\0", 4, "\x0A\2\xFE\x80", 4, true); /* a tile, and its RGB */
    assert_int_equal(besides_rgb(), file.size + 20000 * 19 / 10 + 20000 * 3);
    assert_int_equal(need(file.bytes, file.size, &(struct sg_decode_wish){0}),
                     PIXELS * 3 + besides_rgb()); /* said to be larger before */
}

/* hvcC: byte 16 is the kind of chroma, 17 the depth of luma less 8. FFmpeg copies the coded bytes once more.
 */
static void hevc(void **state)
{
    static const struct {
        char chroma, depth;
        unsigned tenths;
    } rows[] = {{(char)0xFC, (char)0xF8, 14}, {(char)0xFD, (char)0xF8, 19}, {(char)0xFE, (char)0xF8, 24},
                {(char)0xFF, (char)0xF8, 34}, {(char)0xFD, (char)0xFA, 34}, {(char)0xFC, (char)0xFC, 24}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char config[19] = {[16] = rows[i].chroma, [17] = rows[i].depth};

        write_heif("hvc1", "hvcC", config, 19, "....", 4, false);
        assert_int_equal(besides_rgb(), 2 * file.size + SMALL * rows[i].tenths / 10);
        write_heif("hvc1", "hvcC", config, 18, "....", 4, false);
        assert_int_equal(besides_rgb(), 2 * file.size);
    }
    file.size -= 30; /* damaged */
    assert_int_equal(besides_rgb(), 0);
}

/* WebP's chunks: what libwebp holds besides RGB. Alpha is raw or packed by the lowest bits of its first byte.
 */
static void webps(void **state)
{
    static const struct {
        const char *chunks;
        size_t size, held;
    } rows[] = {
        {"VP8 \2\0\0\0..", 10, 0},
        {"VP8L\2\0\0\0..", 10, 4},
        {"VP8X\3\0\0\0....VP8L\2\0\0\0..", 22, 4}, /* an odd length is padded */
        {"ALPH\1\0\0\0\x04.VP8 \2\0\0\0..", 20, 1},
        {"ALPH\1\0\0\0\x05.VP8 \2\0\0\0..", 20, 5},
        {"ALPH\1\0\0\0\2.VP8 \2\0\0\0..VP8L\2\0\0\0..", 30, 5}, /* the picture ends it */
        {"zzzz\x99\0\0\0..VP8L\2\0\0\0..", 20, 0},              /* longer than the file */
        {"zzzz\2\0\0\0..VP8L\2\0\0\0..", 20, 4},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin_file("RIFF....WEBP", 12);
        put_bytes(&file, rows[i].chunks, rows[i].size);
        put_bytes(&file, "zzzz\0\1\0\0.............", 21); /* not read: it is cut off */
        assert_int_equal(besides_rgb(), SMALL * rows[i].held);
    }
    begin_file("RIFF....WEBPzzzz\6\0\0\0......VP8L\0\0\0", 33); /* its length is cut off */
    assert_int_equal(besides_rgb(), 0);
    /* a frame of 200 x 100 of an animation; one that is larger than the picture is not believed */
    for (int large = 0; large < 2; large++) {
        begin_file("RIFF....WEBPANMF\x18\0\0\0\0\0\0\0\0\0", 26);
        put_little(large ? 999 : 199, 3);
        put_little(large ? 999 : 99, 3);
        put(&file, 0, 4);
        put_bytes(&file, "VP8L\2\0\0\0..", 10);
        assert_int_equal(besides_rgb(), large ? SMALL * 4 : 20000 * 4);
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jpegs),    cmocka_unit_test(turned),        cmocka_unit_test(headers),
        cmocka_unit_test(exr),      cmocka_unit_test(exr_short),     cmocka_unit_test(tiffs),
        cmocka_unit_test(jpeg2000), cmocka_unit_test(scans_of_jpeg), cmocka_unit_test(av1),
        cmocka_unit_test(hevc),     cmocka_unit_test(webps),         cmocka_unit_test(more_headers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
