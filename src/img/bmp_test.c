/* SPDX-License-Identifier: MIT
 * Run lengths and headers of BMP, written byte by byte; expected: Microsoft's description of BI_RLE8 and
 * BI_RLE4. Rows are stored from the bottom up. All kinds of pixels: tests/test_decode_bmp.py.
 */
#include "img/decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COLOURS "\0\0\0\0\1\2\3\0\x0A\x14\x1E\0\xFF\xFE\xFD\0" /* blue, green, red, 0 */
#define HEAD    "BM\0\0\0\0\0\0\0\0\x46\0\0\0\x28\0\0\0\4\0\0\0\2\0\0\0\1\0"
#define TAIL    "\0\0\0\0\0\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0" COLOURS
#define RLE8    HEAD "\x08\0\1\0\0\0" TAIL /* 4 x 2 */
#define RLE4    HEAD "\4\0\2\0\0\0" TAIL

static int decode(const char *head, const char *codes, size_t size, struct sg_image *image,
                  struct sg_error *err)
{
    static const struct sg_decode_limits limits = {SG_DECODE_MAX_BYTES, SG_DECODE_MAX_PIXELS};
    static const struct sg_decode_wish wish = {0};
    struct sg_decoder *decoder = NULL;
    uint8_t *file = malloc(70 + size);
    int code;

    assert_non_null(file);
    memcpy(file, head, 70);
    memcpy(file + 70, codes, size);
    sg_error_clear(err);
    assert_int_equal(sg_decoder_create(&limits, &decoder), 0);
    code = sg_decoder_decode(decoder, file, 70 + size, &wish, image, err);
    sg_decoder_destroy(&decoder);
    free(file);
    return code;
}

/* Colours by number, the lower row first. */
static void expect_pixels(const struct sg_image *image, const char *numbers)
{
    static const uint8_t colours[4][3] = {{0, 0, 0}, {3, 2, 1}, {30, 20, 10}, {253, 254, 255}};

    assert_int_equal(image->width, 4);
    assert_int_equal(image->height, 2);
    for (int i = 0; i < 8; i++)
        assert_memory_equal(image->data + (size_t)(1 - i / 4) * image->stride_bytes + (size_t)(i % 4) * 3,
                            colours[numbers[i] - '0'], 3);
}

#define EARLY(size) "bmp data ends early (" #size " bytes)"
#define PAST        "bmp data is damaged: a run goes past the edge of the picture"
#define GAPS        "this bmp is not supported: its runs leave pixels out"

static void runs(void **state)
{
    static const struct {
        const char *head, *codes;
        size_t size;
        const char *numbers; /* NULL: refused with the text */
        const char *text;
    } rows[] = {
        {RLE8, "\4\1\0\0\4\2\0\1", 8, "11112222", NULL},
        {RLE8, "\4\1\0\0\4\2", 6, "11112222", NULL}, /* the end is left out */
        {RLE8, "\1\1\1\2\2\3\0\0\0\4\3\2\1\0", 14, "12333210", NULL},
        {RLE8, "\1\1\0\3\1\2\3\0\0\0\4\1\0\1", 14, "11231111", NULL}, /* three and one of padding */
        {RLE8, "\4\1\0\0\1\2\0\3\3\2\1", 11, "11112321", NULL},       /* the padding is left out */
        {RLE8, "\2\1\0\2\0\0\2\2\0\0\4\3\0\1", 14, "11223333", NULL}, /* a step to the same place */
        {RLE8, "\2\1\0\2\1\0\1\2\0\0\4\3\0\1", 14, NULL, GAPS},
        {RLE8, "\2\1\0\2\2\0\1\2\0\0\4\3\0\1", 14, NULL, PAST},
        {RLE8, "\2\1\0\2\0\1\2\3\0\1", 10, NULL, GAPS},
        {RLE8, "\4\1\0\0\0\2\0\1\4\3\0\1", 12, NULL, PAST},
        {RLE8, "\2\1\0\2\0", 5, NULL, EARLY(75)},
        {RLE8, "\2\1\0\2", 4, NULL, EARLY(74)},
        {RLE8, "\2\1\0", 3, NULL, EARLY(73)},
        {RLE8, "\2\1", 2, NULL, EARLY(72)},
        {RLE8, "", 0, NULL, EARLY(70)},
        {RLE8, "\4\1\0\0\1\2\0\3\3\2", 10, NULL, EARLY(80)}, /* two of three */
        {RLE8, "\4\1\0\0\4\2\0\0\1\1", 10, "11112222", NULL},
        {RLE8, "\5\1\0\0\4\2\0\1", 8, NULL, PAST},
        {RLE8, "\4\1\0\0\0\0\1\2\0\1", 10, NULL, PAST},
        {RLE8, "\4\1\0\0\3\2\0\1", 8, NULL, GAPS},
        {RLE8, "\0\1\4\1", 4, NULL, GAPS},
        {RLE4, "\4\x12\0\0\3\x23\1\x10\0\1", 10, "12122321", NULL},
        {RLE4, "\0\4\x12\x30\0\0\0\3\x12\x30\1\x30\0\1", 14, "12301233", NULL},
        {RLE4, "\4\x11\0\0\1\x10\0\3\x23\x10", 10, "11111231", NULL},
        {RLE4, "\4\x11\0\0\1\x10\0\3\x23", 9, NULL, EARLY(79)},
        {RLE4, "\0\5\x11\x11\x10\0", 6, NULL, PAST},
    };
    struct sg_image image = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_error err = {0};
        int code = decode(rows[i].head, rows[i].codes, rows[i].size, &image, &err);

        if (rows[i].numbers) {
            assert_int_equal(code, 0);
            expect_pixels(&image, rows[i].numbers);
        } else {
            assert_int_equal(code, strcmp(rows[i].text, GAPS) == 0 ? SG_E_UNSUPPORTED : SG_E_BAD_IMAGE);
            assert_string_equal(err.text, rows[i].text);
        }
    }
    sg_image_fini(&image);
}

static void put(char *head, size_t at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        head[at + (size_t)i] = (char)(value >> 8 * i);
}

/* A changed number of the header. At 10 where the pixels lie, 14 the header's bytes, 28 bits (of two bytes),
 * 30 compression, 46 colours used. */
static void changed_headers(void **state)
{
    static const struct {
        size_t at;
        uint32_t value;
        int code;
        const char *text;
    } rows[] = {
        {10, 0, 0, ""}, /* some writers leave it out */
        {10, 53, 0, ""},
        {10, 54, SG_E_BAD_IMAGE, "bmp header says that its pixels lie inside its 4 colours"},
        {10, 69, SG_E_BAD_IMAGE, "bmp header says that its pixels lie inside its 4 colours"},
        {10, 71, SG_E_BAD_IMAGE, EARLY(78)}, /* one of colour 0, then four as they are, of three */
        {10, 1000, SG_E_BAD_IMAGE, EARLY(78)},
        {14, 124, SG_E_BAD_IMAGE, EARLY(78)},
        {14, 125, SG_E_UNSUPPORTED, "this bmp is not supported: a header of 125 bytes"},
        {14, 11, SG_E_UNSUPPORTED, "this bmp is not supported: a header of 11 bytes"},
        {14, 13, SG_E_UNSUPPORTED, "this bmp is not supported: a header of 13 bytes"},
        {14, 15, SG_E_UNSUPPORTED, "this bmp is not supported: a header of 15 bytes"},
        {22, (uint32_t)-2, SG_E_UNSUPPORTED,
         "this bmp is not supported: 8 bits with compression 1 from the top down"},
        {28, 4 | 1 << 16, SG_E_UNSUPPORTED, "this bmp is not supported: 4 bits with compression 1"},
        {28, 9, SG_E_UNSUPPORTED, "this bmp is not supported: 9 bits with compression 0"},
        {30, 2, SG_E_UNSUPPORTED, "this bmp is not supported: 8 bits with compression 2"},
        {30, 3, SG_E_UNSUPPORTED, "this bmp is not supported: 8 bits with compression 3"},
        {30, 4, SG_E_UNSUPPORTED, "this bmp is not supported: 8 bits with compression 4"},
        {30, 6, SG_E_UNSUPPORTED, "this bmp is not supported: 8 bits with compression 6"},
        {30, 7, SG_E_UNSUPPORTED, "this bmp is not supported: 8 bits with compression 7"},
        {30, 0, 0, ""}, /* eight bytes of indices as they are */
        {46, 0, 0, ""},
        {46, 5, SG_E_BAD_IMAGE, "bmp header says that its pixels lie inside its 5 colours"},
        {46, 300, SG_E_BAD_IMAGE, "bmp header says that its pixels lie inside its 256 colours"},
    };
    struct sg_image image = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_error err = {0};
        char head[71] = RLE8;
        int code;

        put(head, rows[i].at, rows[i].value);
        code = decode(head, rows[i].at == 30 ? "\3\1\0\0\3\2\0\1" : "\4\1\0\0\4\2\0\1", 8, &image, &err);
        assert_string_equal(err.text, rows[i].text);
        assert_int_equal(code, rows[i].code);
        if (code == 0)
            expect_pixels(&image, rows[i].at == 30 ? "31003201" : "11112222");
    }
    sg_image_fini(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(runs), cmocka_unit_test(changed_headers)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
