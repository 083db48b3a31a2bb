/* SPDX-License-Identifier: MIT
 * Headers written here byte by byte, each cut off and each with its limits. Sources of the layouts: header.c.
 */
#include "img/header.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct row {
    sg_header_fn read;
    const char *bytes;
    size_t size;
    int64_t width, height; /* 0: refused */
    bool ends_early;
};

/* Reads a copy that ends where the header does, so that AddressSanitizer sees what reads on. */
static bool read_copy(const struct row *row, size_t size, struct sg_header *header)
{
    uint8_t *copy = malloc(size ? size : 1);
    bool known;

    assert_non_null(copy);
    memcpy(copy, row->bytes, size);
    memset(header, 0, sizeof(*header));
    known = row->read(copy, size, header);
    free(copy);
    return known;
}

static void expect(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct sg_header header;
        bool known = read_copy(&rows[i], rows[i].size, &header);

        assert_int_equal(known, rows[i].width > 0);
        if (!known)
            continue;
        assert_int_equal(header.width, rows[i].width);
        assert_int_equal(header.height, rows[i].height);
        assert_int_equal(header.orientation, 1);
        assert_int_equal(header.ends_early, rows[i].ends_early);
    }
}

#define EXPECT(rows) expect(rows, sizeof(rows) / sizeof((rows)[0]))

#define GIF_HEAD  "GIF89a\x05\1\7\0"     /* 261 x 7 */
#define GIF_DATA  "\2\1\x0C\2\x0D\x0E\0" /* the least code, blocks of 1 and 2 bytes, the end */
#define GIF_WHOLE ",\0\0\0\0\5\1\7\0\0" GIF_DATA

static void gif(void **state)
{
    static const struct row rows[] = {
        {sg_header_gif, GIF_HEAD "\0\0\0" GIF_WHOLE, 30, 261, 7, false},
        {sg_header_gif, GIF_HEAD "\0\0\0" GIF_WHOLE, 29, 261, 7, true},
        {sg_header_gif, GIF_HEAD "\0\0\0" GIF_WHOLE, 28, 261, 7, true},
        {sg_header_gif, GIF_HEAD "\0\0\0" GIF_WHOLE, 13, 261, 7, true},
        {sg_header_gif, GIF_HEAD "\0\0\0", 12, 0, 0, false},
        {sg_header_gif, "GIF89a\0\0\7\0\0\0\0" GIF_WHOLE, 30, 0, 0, false},
        {sg_header_gif, "GIF89a\7\0\0\0\0\0\0" GIF_WHOLE, 30, 0, 0, false},
        /* palettes: of the screen 4 colours, of the picture 2 */
        {sg_header_gif, GIF_HEAD "\x81\0\0............" GIF_WHOLE, 42, 261, 7, false},
        {sg_header_gif, GIF_HEAD "\x01\0\0............" GIF_WHOLE, 42, 261, 7, true},
        {sg_header_gif, GIF_HEAD "\0\0\0,\0\0\0\0\5\1\7\0\x80......" GIF_DATA, 36, 261, 7, false},
        {sg_header_gif, GIF_HEAD "\0\0\0,\0\0\0\0\5\1\7\0\x80......" GIF_DATA, 35, 261, 7, true},
        /* an extension in front; something that is none */
        {sg_header_gif, GIF_HEAD "\0\0\0!\xF9\4....\0" GIF_WHOLE, 38, 261, 7, false},
        {sg_header_gif, GIF_HEAD "\0\0\0!\xF9\4....\0" GIF_WHOLE, 37, 261, 7, true},
        {sg_header_gif, GIF_HEAD "\0\0\0;!\xF9\4....\0" GIF_WHOLE, 39, 261, 7, true},
    };
    /* left, top, width, height of a picture on the screen of 261 x 7 */
    static const struct {
        const char *place;
        bool inside;
    } places[] = {{"\0\0\0\0\5\1\7\0", true},  {"\1\0\0\0\4\1\7\0", true},    {"\1\0\0\0\5\1\7\0", false},
                  {"\0\0\0\0\6\1\7\0", false}, {"\0\0\0\0\5\1\x08\0", false}, {"\0\0\2\0\5\1\5\0", true},
                  {"\0\0\2\0\5\1\6\0", false}};

    (void)state;
    EXPECT(rows);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        uint8_t bytes[30];
        struct sg_header header;

        memcpy(bytes, GIF_HEAD "\0\0\0" GIF_WHOLE, 30);
        memcpy(bytes + 14, places[i].place, 8);
        assert_true(sg_header_gif(bytes, 30, &header));
        if (places[i].inside)
            assert_null(header.unsupported);
        else
            assert_string_equal(header.unsupported, "its first frame is larger than its screen");
    }
}

static void bmp_png_webp(void **state)
{
    static const struct row rows[] = {
        {sg_header_bmp, "BM............\x0C\0\0\0\2\1\3\1....", 26, 258, 259, false},
        {sg_header_bmp, "BM............\x0C\0\0\0\2\1\3\1....", 25, 0, 0, false},
        {sg_header_bmp, "BM............\x28\0\0\0\2\1\0\0\3\1\0\0", 26, 258, 259, false},
        {sg_header_bmp, "BM............\x28\0\0\0\2\1\0\0\xFD\xFE\xFF\xFF", 26, 258, 259, false}, /* -259 */
        {sg_header_bmp, "BM............\x28\0\0\0\2\1\0\0\0\0\0\0", 26, 0, 0, false},
        {sg_header_bmp, "BM............\x28\0\0\0\xFF\xFF\xFF\xFF\1\0\0\0", 26, 0, 0, false},
        {sg_header_bmp, "BM............\x28\0\0\0\1\0\0\0\0\0\0\x80", 26, 1, 0x80000000, false},
        {sg_header_png, "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\2\0\0\1\3\x08\x02\0\0\0....", 33, 258, 259,
         false},
        {sg_header_png, "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\2\0\0\1\3\x08\x02\0\0\0....", 32, 0, 0, false},
        {sg_header_png, "\x89PNG\r\n\x1a\n\0\0\0\rIHDr\0\0\1\2\0\0\1\3\x08\x02\0\0\0....", 33, 0, 0, false},
        {sg_header_webp, "RIFF....WEBPVP8X\x0A\0\0\0\0\0\0\0\1\1\0\2\1\0", 30, 258, 259, false},
        {sg_header_webp, "RIFF....WEBPVP8X\x0A\0\0\0\0\0\0\0\1\1\0\2\1\0", 29, 0, 0, false},
        /* width and height less one, 14 bits each: 257 | 258 << 14 */
        {sg_header_webp, "RIFF....WEBPVP8L....\x2F\x01\x81\x40\0", 25, 258, 259, false},
        {sg_header_webp, "RIFF....WEBPVP8L....\x2F\x01\x81\x40\xF0", 25, 258, 259,
         false}, /* the rest is not of it */
        {sg_header_webp, "RIFF....WEBPVP8L....\x2F\x01\x81\x40\0", 24, 0, 0, false},
        {sg_header_webp, "RIFF....WEBPVP8L....\x2E\x01\x81\x40\0", 25, 0, 0, false},
        {sg_header_webp, "RIFF....WEBPVP8 .......\x9D\1\x2A\2\1\3\1", 30, 258, 259, false},
        {sg_header_webp, "RIFF....WEBPVP8 .......\x9D\1\x2A\2\x41\3\xC1", 30, 258, 259, false}, /* scales */
        {sg_header_webp, "RIFF....WEBPVP8 .......\x9D\1\x2A\2\1\3\1", 29, 0, 0, false},
        {sg_header_webp, "RIFF....WEBPVP8 .......\x9C\1\x2A\2\1\3\1", 30, 0, 0, false},
        {sg_header_webp, "RIFF....WEBPVP8 .......\x9D\2\x2A\2\1\3\1", 30, 0, 0, false},
        {sg_header_webp, "RIFF....WEBPVP8 .......\x9D\1\x2B\2\1\3\1", 30, 0, 0, false},
        {sg_header_webp, "RIFF....WEBPVP8 .......\x9D\1\x2A\0\0\3\1", 30, 0, 0, false},
        {sg_header_webp, "RIFF....WEBPzzzz.......\x9D\1\x2A\2\1\3\1", 30, 0, 0, false},
    };

    (void)state;
    EXPECT(rows);
}

#define SIZ(kind, x, y, from_x, from_y)                                                                      \
    "\xFF\x4F\xFF\x51\0\x29\0" kind "\0\0" x "\0\0" y "\0\0" from_x "\0\0" from_y

static void jpeg2000(void **state)
{
    static const struct row rows[] = {
        {sg_header_jpeg2000, SIZ("\0", "\1\4", "\1\x09", "\0\2", "\0\6"), 24, 258, 259, false},
        {sg_header_jpeg2000, SIZ("\0", "\1\4", "\1\x09", "\0\2", "\0\6"), 23, 0, 0, false},
        {sg_header_jpeg2000, SIZ("\0", "\1\4", "\1\x09", "\1\4", "\0\6"), 24, 0, 0, false},
        {sg_header_jpeg2000, SIZ("\0", "\1\4", "\1\x09", "\0\2", "\1\x0A"), 24, 0, 0, false},
        {sg_header_jpeg2000, "\xFF\x4F\xFF\x50................................", 34, 0, 0, false},
        /* boxes: to the end, of eight bytes' length, behind others of both kinds */
        {sg_header_jpeg2000, "\0\0\0\0jp2c" SIZ("\0", "\1\4", "\1\x09", "\0\2", "\0\6"), 32, 258, 259, false},
        {sg_header_jpeg2000, "\0\0\0\0jp2c" SIZ("\0", "\1\4", "\1\x09", "\0\2", "\0\6"), 31, 0, 0, false},
        {sg_header_jpeg2000, "\0\0\0\1jp2c\0\0\0\0\0\0\0\x28" SIZ("\0", "\1\4", "\1\x09", "\0\2", "\0\6"), 40,
         258, 259, false},
        {sg_header_jpeg2000,
         "\0\0\0\x0Axxxx..\0\0\0\1yyyy\0\0\0\0\0\0\0\x12..\0\0\0\x20jp2c" SIZ("\0", "\1\4", "\1\x09", "\0\2",
                                                                              "\0\6"),
         60, 258, 259, false},
        {sg_header_jpeg2000, "\0\0\0\x07xxxx\0\0\0\x20jp2c" SIZ("\0", "\1\4", "\1\x09", "\0\2", "\0\6"), 40,
         0, 0, false},
        {sg_header_jpeg2000,
         "\0\0\0\1yyyy\0\0\0\0\0\0\0\x0F\0\0\0\x20jp2c" SIZ("\0", "\1\4", "\1\x09", "\0\2", "\0\6"), 48, 0, 0,
         false},
        {sg_header_jpeg2000,
         "\0\0\0\1yyyy\0\0\0\1\0\0\0\x10\0\0\0\x20jp2c" SIZ("\0", "\1\4", "\1\x09", "\0\2", "\0\6"), 48, 0, 0,
         false},
        {sg_header_jpeg2000, "\0\0\0\x09xxxx", 8, 0, 0, false},
        {sg_header_jpeg2000, "\0\0\0\x08xxxx", 8, 0, 0, false},
        {sg_header_jpeg2000, "\0\0\0\1jp2c\0\0\0", 11, 0, 0, false},
    };
    static const struct {
        const char *bytes;
        bool cinema;
    } kinds[] = {{SIZ("\0", "\1\4", "\1\x09", "\0\2", "\0\6"), false},
                 {SIZ("\2", "\1\4", "\1\x09", "\0\2", "\0\6"), false},
                 {SIZ("\3", "\1\4", "\1\x09", "\0\2", "\0\6"), true},
                 {SIZ("\7", "\1\4", "\1\x09", "\0\2", "\0\6"), true},
                 {SIZ("\x08", "\1\4", "\1\x09", "\0\2", "\0\6"), false}};

    (void)state;
    EXPECT(rows);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct sg_header header;

        assert_true(sg_header_jpeg2000((const uint8_t *)kinds[i].bytes, 24, &header));
        if (kinds[i].cinema)
            assert_string_equal(header.unsupported, "a frame of digital cinema (XYZ colours)");
        else
            assert_null(header.unsupported);
    }
}

static void netpbm_sun_qoi(void **state)
{
    static const struct row rows[] = {
        {sg_header_pnm, "P6 258 259 255 ", 15, 258, 259, false},
        {sg_header_pnm, "P6\n# 1 2\n258#3\n\t259", 20, 258, 259, false},
        {sg_header_pnm, "P6 258 259", 9, 258, 25, false},
        {sg_header_pnm, "P6 258 259", 6, 0, 0, false},
        {sg_header_pnm, "P6 258 x59", 10, 0, 0, false},
        {sg_header_pnm, "P6 258 -59", 10, 0, 0, false},
        {sg_header_pnm, "P6 0 259 ", 9, 0, 0, false},
        {sg_header_pnm, "P6 123456789 4294967295 ", 24, 123456789, 4294967295, false},
        {sg_header_pnm, "P6 0009 10", 10, 9, 10, false},
        {sg_header_pam, "P7\nHEIGHT 259\nWIDTH 258\n", 24, 258, 259, false},
        {sg_header_pam, "P7\nHEIGHT 259\n#WIDTH 258\n", 25, 0, 0, false},
        {sg_header_pam, "P7\nHEIGHT 259\nWIDTH", 20, 0, 0, false},
        /* Sun: width, height, depth, length, type, kind and bytes of the map. Rows are of whole 16 bits: 3
         * pixels of 24 bits are 10 bytes. */
        {sg_header_sun,
         "\x59\xA6\x6A\x95\0\0\0\3\0\0\0\2\0\0\0\x18....\0\0\0\1....\0\0\0\4....01234567890123456789", 56, 3,
         2, false},
        {sg_header_sun,
         "\x59\xA6\x6A\x95\0\0\0\3\0\0\0\2\0\0\0\x18....\0\0\0\1....\0\0\0\4....01234567890123456789", 55, 3,
         2, true},
        {sg_header_sun, "\x59\xA6\x6A\x95\0\0\0\3\0\0\0\2\0\0\0\x18....\0\0\0\2....\0\0\0\4", 32, 3, 2,
         false},
        {sg_header_sun, "\x59\xA6\x6A\x95\0\0\0\3\0\0\0\2\0\0\0\x18....\0\0\0\2....\0\0\0\4", 31, 0, 0,
         false},
        {sg_header_sun, "\x59\xA6\x6A\x95\0\0\0\x11\0\0\0\1\0\0\0\1....\0\0\0\1....\0\0\0\0....", 36, 17, 1,
         false},
        {sg_header_sun, "\x59\xA6\x6A\x95\0\0\0\x11\0\0\0\1\0\0\0\1....\0\0\0\1....\0\0\0\0....", 35, 17, 1,
         true},
        {sg_header_sun, "\x59\xA6\x6A\x95\0\0\0\0\0\0\0\1\0\0\0\1....\0\0\0\1....\0\0\0\0....", 36, 0, 0,
         false},
        /* QOI: RGB, RGBA, index, difference, luma (two bytes), runs of 1 to 62; eight bytes follow */
        {sg_header_qoi, "qoif\0\0\0\2\0\0\0\1\3\0\xFE...\xFE...\0\0\0\0\0\0\0\1", 30, 2, 1, false},
        {sg_header_qoi, "qoif\0\0\0\2\0\0\0\1\3\0\xFE...\xFE...\0\0\0\0\0\0\0\1", 29, 2, 1, true},
        {sg_header_qoi, "qoif\0\0\0\3\0\0\0\1\3\0\xFE...\xFE...\0\0\0\0\0\0\0\1", 30, 3, 1, true},
        {sg_header_qoi, "qoif\0\0\0\2\0\0\0\1\4\0\xFF....\xFF....\0\0\0\0\0\0\0\1", 32, 2, 1, false},
        {sg_header_qoi, "qoif\0\0\0\2\0\0\0\1\4\0\xFF....\xFF....\0\0\0\0\0\0\0\1", 31, 2, 1, true},
        {sg_header_qoi, "qoif\0\0\0\2\0\0\0\2\4\0\x3F\x40\x7F\x80.\0\0\0\0\0\0\0\1", 27, 2, 2, false},
        {sg_header_qoi, "qoif\0\0\0\2\0\0\0\2\4\0\x3F\x40\x7F\xBF.\0\0\0\0\0\0\0\1", 26, 2, 2, true},
        {sg_header_qoi, "qoif\0\0\0\x3F\0\0\0\1\4\0\xFD\xC0\0\0\0\0\0\0\0\1", 24, 63, 1, false},
        {sg_header_qoi, "qoif\0\0\0\x40\0\0\0\1\4\0\xFD\xC0\0\0\0\0\0\0\0\1", 24, 64, 1, true},
        {sg_header_qoi, "qoif\0\0\0\1\0\0\0\1\4\0\0\0\0\0\0\0\0\1", 21, 1, 1, true},
        {sg_header_qoi, "qoif\0\0\0\1\0\0\0\1\4\0", 14, 1, 1, true},
        {sg_header_qoi, "qoif\0\0\0\1\0\0\0\1\4\0", 13, 0, 0, false},
        {sg_header_qoi, "qoif\0\0\0\1\0\0\0\0\4\0", 14, 0, 0, false},
    };
    char text[4200];
    struct sg_header header;

    (void)state;
    EXPECT(rows);
    memset(text, ' ', sizeof(text)); /* a header is looked for in 4096 bytes */
    memcpy(text, "P6 ", 3);
    memcpy(text + 4089, "258 259 ", 8);
    assert_true(sg_header_pnm((const uint8_t *)text, sizeof(text), &header));
    assert_int_equal(header.height, 259);
    memset(text + 3, ' ', sizeof(text) - 3);
    memcpy(text + 4090, "258 259 ", 8);
    assert_true(sg_header_pnm((const uint8_t *)text, sizeof(text), &header));
    assert_int_equal(header.height, 25);
}

/* Attributes: name, type, length, value. */
static size_t put(uint8_t *bytes, size_t at, const char *name, const void *value, uint8_t size)
{
    memcpy(bytes + at, name, strlen(name) + 1);
    at += strlen(name) + 1;
    memcpy(bytes + at, "type", 5);
    at += 5;
    memcpy(bytes + at, (const uint8_t[]){size, 0, 0, 0}, 4);
    memcpy(bytes + at + 4, value, size);
    return at + 4 + size;
}

static void exr(void **state)
{
    static const uint8_t window[16] = {3, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 4, 1, 0, 0, 1, 1, 0, 0},
                         other[16] = {3, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 4, 1, 0, 0, 2, 1, 0, 0};
    static const struct {
        const uint8_t *stored;
        uint8_t shown_size, stored_size, packing;
        const char *channels;
        uint8_t channels_size;
        const char *unsupported; /* "": is read; NULL: is refused */
    } rows[] = {
        {window, 16, 16, 0, "R\0................Y\0................", 37, ""}, /* 3 to 260, -1 to 257 */
        {window, 15, 16, 0, "R\0................", 19, NULL},
        {window, 16, 15, 0, "R\0................", 19, "its pixels are not those of its display window"},
        {other, 16, 16, 0, "R\0................", 19, "its pixels are not those of its display window"},
        {NULL, 16, 16, 0, "R\0................", 19, "its pixels are not those of its display window"},
        {window, 16, 16, 7, "R\0................", 19, ""},
        {window, 16, 16, 8, "R\0................", 19, "DWA compression, of which FFmpeg makes other pixels"},
        {window, 16, 16, 9, "R\0................", 19, "DWA compression, of which FFmpeg makes other pixels"},
        {window, 16, 16, 10, "R\0................", 19, ""},
        {window, 16, 16, 0, "BY\0................Y\0................", 38,
         "colours as luminance and chroma (Y, RY, BY)"},
        {window, 16, 16, 0, "R\0................RY\0................", 38,
         "colours as luminance and chroma (Y, RY, BY)"},
        {window, 16, 16, 0, "R\0................RY\0...............", 36, ""}, /* cut off */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t bytes[512] = {0};
        size_t size = put(bytes, 8, "displayWindow", window, rows[i].shown_size);
        struct sg_header header;

        size = put(bytes, size, "compression", &rows[i].packing, 1);
        size = put(bytes, size, "channels", rows[i].channels, rows[i].channels_size);
        if (rows[i].stored)
            size = put(bytes, size, "dataWindow", rows[i].stored, rows[i].stored_size);
        assert_int_equal(sg_header_exr(bytes, size + 1, &header), rows[i].unsupported != NULL);
        if (!rows[i].unsupported)
            continue;
        assert_int_equal(header.width, 258);
        assert_int_equal(header.height, 259);
        if (rows[i].unsupported[0])
            assert_string_equal(header.unsupported, rows[i].unsupported);
        else
            assert_null(header.unsupported);
    }
}

static void exr_attributes(void **state)
{
    uint8_t bytes[64] = {0};
    size_t length = 0, size = put(bytes, 8, "one", "abc", 3), end = put(bytes, size, "two", "de", 2);

    (void)state;
    assert_ptr_equal(sg_exr_attribute(bytes, end, "one", &length), bytes + 21);
    assert_int_equal(length, 3);
    assert_ptr_equal(sg_exr_attribute(bytes, end, "two", &length), bytes + 37);
    assert_int_equal(length, 2);
    assert_null(sg_exr_attribute(bytes, end, "on", &length));
    assert_null(sg_exr_attribute(bytes, end, "three", &length));
    for (size_t cut = 0; cut < end; cut++) {
        uint8_t *copy = malloc(cut + 1);

        memcpy(copy, bytes, cut);
        assert_null(sg_exr_attribute(copy, cut, "two", &length));
        assert_int_equal(sg_exr_attribute(copy, cut, "one", &length) != NULL, cut >= size);
        free(copy);
    }
}

/* One field of a directory, whose number or place is `value`. */
static bool find(const char *order, bool big, unsigned type, unsigned count, const uint8_t *value,
                 uint32_t *out)
{
    bool little = order[0] == 'I';
    uint8_t bytes[80] = {(uint8_t)order[0], (uint8_t)order[1]};
    size_t at = 2;
    const unsigned numbers[][2] = {{2, big ? 43 : 42},
                                   {big ? 2 : 0, 8},
                                   {big ? 2 : 0, 0},
                                   {big ? 8 : 4, big ? 16 : 8},
                                   {big ? 8 : 2, 2},
                                   {2, 11},
                                   {2, 3},
                                   {big ? 8 : 4, 1},
                                   {big ? 8 : 4, 0},
                                   {2, 12},
                                   {2, type},
                                   {big ? 8 : 4, count}}; /* BigTIFF: 8 bytes an offset, 0 */

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        for (unsigned k = 0; k < numbers[i][0]; k++) {
            unsigned place = little ? k : numbers[i][0] - 1 - k;

            bytes[at++] = place < 4 ? (uint8_t)(numbers[i][1] >> 8 * place) : 0;
        }
    }
    memcpy(bytes + at, value, big ? 8 : 4);
    memcpy(bytes + 76, "\1\2\3\4", 4);
    return sg_tiff_find(bytes, sizeof(bytes), 12, out);
}

static void tiff(void **state)
{
    uint32_t out = 0;

    (void)state;
    for (int big = 0; big < 2; big++) {
        uint8_t place_big[8] = {0}, place_little[8] = {76};

        place_big[big ? 7 : 3] = 76;
        assert_true(find("MM", big, 1, 1, (const uint8_t *)"\x81\2\3\4\5\6\7\x08", &out));
        assert_int_equal(out, 0x81);
        assert_true(find("MM", big, 3, 1, (const uint8_t *)"\x81\2\3\4\5\6\7\x08", &out));
        assert_int_equal(out, 0x8102);
        assert_true(find("II", big, 3, 2, (const uint8_t *)"\x81\2\3\4\5\6\7\x08", &out));
        assert_int_equal(out, 0x281);
        assert_true(find("II", big, 4, 1, (const uint8_t *)"\x81\2\3\4\5\6\7\x08", &out));
        assert_int_equal(out, 0x4030281);
        assert_false(find("II", big, 2, 1, (const uint8_t *)"\x81\2\3\4\5\6\7\x08", &out)); /* ASCII */
        assert_false(find("II", big, 5, 1, (const uint8_t *)"\x81\2\3\4\5\6\7\x08", &out)); /* a fraction */
        /* more than fit lie elsewhere: 4 bytes or 8 hold so many */
        assert_true(find("MM", big, 1, big ? 9 : 5, place_big, &out));
        assert_int_equal(out, 1);
        assert_true(find("MM", big, 3, big ? 5 : 3, place_big, &out));
        assert_int_equal(out, 0x102);
        assert_true(find("II", big, 4, big ? 3 : 2, place_little, &out));
        assert_int_equal(out, 0x4030201);
        assert_true(find("II", big, 1, big ? 8 : 4, place_little, &out));
        assert_int_equal(out, 76);
        place_little[0]++; /* a byte too far for four */
        assert_false(find("II", big, 4, 3, place_little, &out));
        assert_true(find("II", big, 3, 5, place_little, &out));
        assert_int_equal(out, 0x302);
        place_little[0] = 80;
        assert_false(find("II", big, 1, 9, place_little, &out));
        place_little[0] = 255;
        assert_false(find("II", big, 1, 9, place_little, &out));
    }
    assert_false(sg_tiff_find((const uint8_t *)"", 0, 12, &out));
    assert_false(sg_tiff_find((const uint8_t *)"II\x2B\0............", 16, 12, &out));
    assert_false(
        sg_tiff_find((const uint8_t *)"II\x2C\0\x08\0\0\0\1\0\x0C\0\4\0\1\0\0\0\7\0\0\0", 22, 12, &out));
    assert_false(
        sg_tiff_find((const uint8_t *)"IM\x2A\0\x08\0\0\0\1\0\x0C\0\4\0\1\0\0\0\7\0\0\0", 22, 12, &out));
    assert_true(
        sg_tiff_find((const uint8_t *)"II\x2A\0\x08\0\0\0\1\0\x0C\0\4\0\1\0\0\0\7\0\0\0", 22, 12, &out));
    assert_int_equal(out, 7);
    assert_false(
        sg_tiff_find((const uint8_t *)"II\x2A\0\x08\0\0\0\1\0\x0C\0\4\0\1\0\0\0\7\0\0", 21, 12, &out));
    assert_false(
        sg_tiff_find((const uint8_t *)"II\x2A\0\x0F\0\0\0\1\0\x0C\0\4\0\1\0\0\0\7\0\0\0", 22, 12, &out));
}

static bool large(const uint8_t *bytes, size_t size, struct sg_header *header)
{
    *header = (struct sg_header){.width = (int64_t)INT_MAX + bytes[0], .height = INT_MAX, .orientation = 6};
    return size == 3;
}

static void a_probe_says_what_is_wrong(void **state)
{
    struct sg_encoded encoded = {.bytes = (const uint8_t *)"\1..", .size = 3, .format = "zip"};
    struct sg_stored stored = {0};
    struct sg_error err = {0};

    (void)state;
    assert_int_equal(sg_header_probe(large, &encoded, &stored, &err), 0);
    assert_int_equal(stored.width, INT_MAX);
    assert_int_equal(stored.height, INT_MAX);
    assert_int_equal(stored.orientation, 6);
    encoded.size = 2;
    assert_int_equal(sg_header_probe(large, &encoded, &stored, &err), SG_E_BAD_IMAGE);
    assert_string_equal(err.text, "zip header is damaged or incomplete (2 bytes)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gif),      cmocka_unit_test(bmp_png_webp),
        cmocka_unit_test(jpeg2000), cmocka_unit_test(netpbm_sun_qoi),
        cmocka_unit_test(exr),      cmocka_unit_test(exr_attributes),
        cmocka_unit_test(tiff),     cmocka_unit_test(a_probe_says_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
