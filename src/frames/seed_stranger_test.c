/* SPDX-License-Identifier: MIT
 * First bytes that are no seed frame's, and legal ones that look like them. The ClientHellos are written by
 * hand after RFC 8446, 4.1.2 and RFC 5246, E.2; lengths as struct.pack writes them.
 */
#include "frames/seed_stranger.h"
#include "serve/content.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define JPEG "\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
#define PNG  "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1"
#define FORTY                                                                                                \
    "0123456789012345678901234567890123456789" /* stands for the random bytes and all behind them            \
                                                */

struct bytes {
    const char *data;
    size_t size;
};
#define BYTES(text) {text, sizeof(text) - 1}

static struct sg_seed_stranger fed(const struct bytes *stream)
{
    struct sg_seed_stranger stranger = {.count = 0};

    sg_seed_stranger_add(&stranger, (const uint8_t *)stream->data, stream->size);
    return stranger;
}

static void what_is_sure(void **state)
{
    static const struct {
        struct bytes stream;
        const char *said; /* NULL = may be a seed frame */
    } cases[] = {
        {BYTES("\x16\3\1\2\0\1\0\1\xfc\3\3" FORTY), "TLS ClientHello"},   /* 512 bytes: OpenSSL */
        {BYTES("\x16\3\3\0\xc8\1\0\0\xc4\3\1" FORTY), "TLS ClientHello"}, /* 200 bytes, TLS 1.0 */
        {BYTES("\x16\3\1\0\x64\1\0\6\xfc\3\3" FORTY), "TLS ClientHello"}, /* cut into records of 100 bytes */
        {BYTES("\x80\x2e\1\3\1\0\x15\0\0\0\x10" FORTY), "TLS ClientHello"}, /* 9 + 21 + 16 = 46 */
        {BYTES("\x16\3\1\2\0\1\0\1\xfc\3"), NULL},                          /* a byte too few to be sure */
        {BYTES("\x16\3\1\2\0\2\0\1\xfc\3\3" FORTY), NULL},                  /* a ServerHello */
        {BYTES("\x16\3\1\2\0\1\0\1\xfb\3\3" FORTY), NULL},                  /* lengths that do not agree */
        {BYTES("\x16\3\1\0" JPEG), NULL},                                   /* a JPEG of 66,326 bytes */
        {BYTES("\x16\3\1\0" PNG), NULL},
        {BYTES("\x80\x2e\1\3" JPEG), NULL},
        {BYTES("\x88\x13\0\0\0\0\0\0" JPEG), "64-bit"},
        {BYTES("\x88\x13\0\0\0\0\0\0\x80\4\x95" FORTY), "5000"}, /* a pickle, as in many a tutorial */
        {BYTES("\x88\x13\0\0\0\0\0\0" FORTY), NULL},             /* zeros, but no picture behind them */
        {BYTES("\x88\x13\0\0" JPEG), NULL},
        {BYTES("\0\1\x87\0" JPEG), NULL},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sg_seed_stranger stranger = fed(&cases[i].stream);
        struct sg_error err = {0};

        if (sg_seed_stranger_sure(&stranger, &err) != (cases[i].said != NULL))
            fail_msg("case %zu: \"%s\"", i, err.text);
        if (cases[i].said && !strstr(err.text, cases[i].said))
            fail_msg("case %zu: \"%s\"", i, err.text);
        assert_int_equal(err.code, cases[i].said ? SG_E_FRAMING : SG_OK);
        stranger.known = true; /* it has sent pictures before */
        assert_false(sg_seed_stranger_sure(&stranger, &err));
    }
}

static void lengths_counted_otherwise(void **state)
{
    static const struct {
        struct bytes begin;
        uint64_t total;
        const char *said;
    } cases[] = {
        {BYTES("\0\1\x87\0" JPEG), 4 + 100096, "big-endian"},
        {BYTES("\0\1\x87\0" JPEG), 4 + 100095, NULL},
        {BYTES("\0\1\x87\0" JPEG), 4 + 100097, NULL},
        {BYTES("\0\1\x87\0" JPEG), 4 + 0x870100, NULL},
        {BYTES("\0\1\0\0" JPEG), 4 + 65536, "big-endian"},
        {BYTES("\x88\x13\0\0\0\0\0\0" FORTY), 8 + 5000, "64-bit"},
        {BYTES("\x88\x13\0\0\0\0\0\0" FORTY), 4 + 5000, NULL},
        {BYTES("100\n" JPEG), 4 + 100, "ASCII"},
        {BYTES("100\n" JPEG), 4 + 99, NULL},
        {BYTES("BM\x36\1\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x08\0\0\0"), 0x136, "BMP"},
        {BYTES("BM\x36\1\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x08\0\0\0"), 0x137, NULL},
        {BYTES("BM\x36\0" JPEG), 0x36, NULL}, /* a JPEG of 3,558,722 bytes */
        {BYTES("II*\0\x08\0\0\0\x0c\0\0\1\3\0\1\0"), 3000, "TIFF"},
        {BYTES("II*\0" JPEG), 3000, NULL}, /* a JPEG of 2,771,273 bytes */
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sg_seed_stranger stranger = fed(&cases[i].begin);
        struct sg_error err = {0};

        stranger.total = cases[i].total;
        if (sg_seed_stranger_counted(&stranger, &err) != (cases[i].said != NULL))
            fail_msg("case %zu: \"%s\"", i, err.text);
        if (cases[i].said && !strstr(err.text, cases[i].said))
            fail_msg("case %zu: \"%s\"", i, err.text);
        assert_int_equal(sg_seed_stranger_counted(&stranger, NULL), cases[i].said != NULL);
        stranger.known = true;
        assert_false(sg_seed_stranger_counted(&stranger, NULL));
    }
}

static void lengths_that_are_not_allowed(void **state)
{
    static const struct {
        struct bytes header, more;
        const char *said;
    } cases[] = {
        {BYTES("\0\0\x13\x88"), BYTES(JPEG), "big-endian (network byte order) would be 5000"},
        {BYTES("\0\0\0\0"), BYTES("\0\0\x13\x88" JPEG), "64-bit (8-byte) big-endian number, 5000"},
        {BYTES("\0\0\0\0"), BYTES("\0\0\x13\x88"), "64-bit (8-byte) big-endian number it would be 5000"},
        {BYTES("\0\0\0\0"), BYTES("\x88\x13\0\0" JPEG), NULL}, /* an empty frame, then a right one */
        {BYTES("\0\0\0\0"), BYTES("junkjunk"), NULL},
        {BYTES("\0\0\0\0"), BYTES(""), NULL},
        {BYTES("\xff\xff\xff\xff"), BYTES(""), NULL},
        {BYTES("1753"), BYTES("95\n" JPEG), "ASCII text, \"175395\""},
        {BYTES("99\n\xff"), BYTES("\xd8\xff\xe0"), "3 bytes"},
        {BYTES("hell"), BYTES("o there\n"), "text came (\"hello there\")"},
        {BYTES("{\"im"), BYTES("age\":1}"), "JSON"},
        {BYTES("\xff\xd8\xff\xe0"), BYTES("\0\x10JFIF"), "a JPEG came without its length"},
        {BYTES("\x89PNG"), BYTES("\r\n\x1a\n\0"), "a PNG came without its length"},
        {BYTES("\x13\x88\xff\xd8"), BYTES("\xff\xe0"), "2 bytes (16-bit)"},
        {BYTES("\0\0\0\x13"), BYTES("\x88" JPEG), "5 bytes (40-bit)"},
        {BYTES("\x16\3\1\x06"), BYTES("\x00\1\0\5\xfc\3\3" FORTY),
         "TLS ClientHello"}, /* 1536: above 64 MiB */
        {BYTES("\x16\3\1\x06"), BYTES(JPEG), NULL},
        {BYTES("%PDF"), BYTES("-1.4\n"), "a PDF came"},
        {BYTES("\1\0\0\4"), BYTES(JPEG), "would be 16777220"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sg_seed_stranger stranger = fed(&cases[i].header);
        struct sg_error err;

        sg_error_set(&err, SG_E_TOO_LARGE, "as it was");
        sg_seed_stranger_explain(&stranger, (const uint8_t *)cases[i].more.data, cases[i].more.size,
                                 (size_t)64 << 20, &err);
        if (cases[i].said ? !strstr(err.text, cases[i].said) : strcmp(err.text, "as it was") != 0)
            fail_msg("case %zu: \"%s\"", i, err.text);
        stranger.known = true;
        sg_error_set(&err, SG_E_FRAMING, "as it was");
        sg_seed_stranger_explain(&stranger, NULL, 0, (size_t)64 << 20, &err);
        assert_string_equal(err.text, "as it was");
    }
}

static void later_headers_tell_of_the_first(void **state)
{
    static const struct bytes big = BYTES("\0\1\0\0" JPEG), wide = BYTES("\x88\x13\0\0\0\0\0\0" FORTY);
    struct sg_seed_stranger stranger = fed(&big);
    struct sg_error err;

    (void)state;
    stranger.total = 4 + 256 + 4; /* 65536 reads as 256: that frame is over, and pixels are no length */
    sg_error_set(&err, SG_E_FRAMING, "as it was");
    sg_seed_stranger_explain(&stranger, (const uint8_t *)"x", 1, (size_t)64 << 20, &err);
    assert_string_equal(err.text,
                        "as it was; the first frame's length read big-endian (network byte order) would "
                        "be 65536, but it must be 4 bytes little-endian");
    stranger = fed(&wide);
    stranger.total = 4 + 5000 + 4;
    sg_error_set(&err, SG_E_FRAMING, "as it was");
    sg_seed_stranger_explain(&stranger, NULL, 0, (size_t)64 << 20, &err);
    assert_non_null(strstr(err.text, "5000, sent as a 64-bit (8-byte) number?"));
    sg_error_set(&err, SG_E_FRAMING, "as it was");
    sg_seed_stranger_explain(&stranger, (const uint8_t *)"x", 1, (size_t)64 << 20, &err);
    assert_string_equal(err.text, "as it was");
}

static void kinds_of_content(void **state)
{
    static const struct {
        struct bytes bytes;
        enum sg_content_kind kind;
        const char *what;
    } cases[] = {
        {BYTES(JPEG), SG_CONTENT_PICTURE, "a JPEG"},
        {BYTES(PNG), SG_CONTENT_PICTURE, "a PNG"},
        {BYTES("RIFF\0\0\0\0WEBPVP8 "), SG_CONTENT_PICTURE, "a WebP"},
        {BYTES("RIFF\0\0\0\0AVI LIST"), SG_CONTENT_FILE, "a video (AVI)"},
        {BYTES("ABCD\0\0\0\0WEBPVP8 "), SG_CONTENT_UNKNOWN, NULL},
        {BYTES("\0\0\0\x18"
               "ftypheic\0\0\0\0"),
         SG_CONTENT_PICTURE, "a HEIC"},
        {BYTES("\0\0\0\x18"
               "ftypisom\0\0\0\0"),
         SG_CONTENT_FILE, "a video (MP4, MOV)"},
        {BYTES("BM\x36\1\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"), SG_CONTENT_PICTURE, "a BMP"},
        {BYTES("BMW is a make of cars"), SG_CONTENT_TEXT, "text"},
        {BYTES("P6\n1 1\n255\n..."), SG_CONTENT_PICTURE, "a PBM, PGM, PPM or PAM"},
        {BYTES("%PDF-1.7\n"), SG_CONTENT_FILE, "a PDF"},
        {BYTES("PK\3\4\x14\0"), SG_CONTENT_FILE, "a ZIP file (also .docx, .npz, .cbz)"},
        {BYTES("\xef\xbb\xbf\n <!DOCTYPE html><p>"), SG_CONTENT_FILE, "an HTML page"},
        {BYTES(" {\"image\": 1}"), SG_CONTENT_PACKED, "JSON"},
        {BYTES("HTTPS://example.org/a.jpg"), SG_CONTENT_PACKED, "a URL"},
        {BYTES("/9j/4AAQSkZJRgABAQ"), SG_CONTENT_PACKED, "base64 text of a JPEG"},
        {BYTES("image=@photo.jpg"), SG_CONTENT_PACKED, "a form field (name=value)"},
        {BYTES("My_images[0].x-1=%2F9j"), SG_CONTENT_PACKED, "a form field (name=value)"},
        {BYTES("a b=c"), SG_CONTENT_TEXT, "text"},
        {BYTES("=c"), SG_CONTENT_TEXT, "text"},
        {BYTES("--xyz\r\nContent-Disposition: form-data"), SG_CONTENT_PACKED, "a multipart form"},
        {BYTES("photo.jpg"), SG_CONTENT_TEXT, "text"},
        {BYTES("\1\2\3\4\5"), SG_CONTENT_UNKNOWN, NULL},
        {BYTES(""), SG_CONTENT_UNKNOWN, NULL},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const uint8_t *data = (const uint8_t *)cases[i].bytes.data;
        struct sg_content content = sg_content_look(data, cases[i].bytes.size);
        bool fine = cases[i].kind == SG_CONTENT_PICTURE || cases[i].kind == SG_CONTENT_UNKNOWN;
        struct sg_error err = {0};

        if (content.kind != cases[i].kind)
            fail_msg("case %zu: kind %d", i, (int)content.kind);
        assert_true(!cases[i].what == !content.what);
        if (content.what)
            assert_string_equal(content.what, cases[i].what);
        assert_int_equal(sg_content_check(data, cases[i].bytes.size, "the body is", &err) == 0, fine);
        assert_true(fine || strstr(err.text, cases[i].what));
    }
}

static void what_curl_strips(void **state)
{
    uint8_t picture[400] = JPEG, stripped[400];
    size_t i, size = 0;

    (void)state;
    for (i = 20; i < sizeof(picture); i++)
        picture[i] = (uint8_t)(i * 37);
    assert_false(sg_content_stripped(picture, sizeof(picture)));
    for (i = 0; i < sizeof(picture);
         i++) /* curl(1): "carriage returns, newlines and null bytes are stripped" */
        if (picture[i] != '\r' && picture[i] != '\n' && picture[i] != '\0')
            stripped[size++] = picture[i];
    assert_true(sg_content_stripped(stripped, size));
    assert_false(sg_content_stripped((const uint8_t *)FORTY FORTY, 80));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sure),
        cmocka_unit_test(lengths_counted_otherwise),
        cmocka_unit_test(lengths_that_are_not_allowed),
        cmocka_unit_test(later_headers_tell_of_the_first),
        cmocka_unit_test(kinds_of_content),
        cmocka_unit_test(what_curl_strips),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
