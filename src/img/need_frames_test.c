/* SPDX-License-Identifier: MIT
 * What decodes of EXR, TIFF, HEIF and WebP are foreseen to take besides their RGB pixels, by headers written
 * here. Expected: the formats' documents, worked out by hand; against what decodes really take:
 * tests/test_decode_memory.py.
 */
#include "img/need_testing.h"

#include "img/heif_testing.h"

static void put_little(uint32_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        put(value >> 8 * i & 255, 1);
}

static void put_attribute(const char *name, const char *type, const void *value, uint32_t size)
{
    put_bytes(name, strlen(name) + 1);
    put_bytes(type, strlen(type) + 1);
    put_little(size, 4);
    put_bytes(value, size);
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
        put(0, 1);
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
        put(count, 1);
        for (unsigned k = 0; k < count; k++) {
            put(k < 2 ? 256 + k : rows[i].tags[k - 2].tag, 2);
            put(4, 2); /* LONG */
            put(1, 4);
            put(k == 0 ? SMALL_WIDTH : k == 1 ? SMALL_HEIGHT : rows[i].tags[k - 2].value, 4);
        }
        file.size = 200;
        put_jpeg(0xC2, 3, false);
        assert_int_equal(besides_rgb(), rows[i].expected);
    }
}

/* Item 1 of 400x300, coded in 10 bytes that begin with `unit`; with `tiles` a grid of 2 x 1 in front of it.
 */
static void write_heif(const char *type, const char *config_type, const char *config, size_t config_size,
                       const char *unit, size_t unit_size, bool tiles)
{
    begin_file("", 0);
    begin("ftyp");
    put_bytes("avif\0\0\0\0", 8);
    end();
    begin_full("meta", 0, 0);
    put_pitm(tiles ? 2 : 1);
    begin_full("iinf", 0, 0);
    put(2, 2);
    put_infe(1, type);
    put_infe(2, "grid");
    end();
    begin("idat");
    put_bytes(unit, unit_size);
    put(0, 10);
    end();
    begin_full("iloc", 1, 0);
    put(0x4400, 2);
    put(1, 2);
    put_place(1, 0, (unsigned)unit_size);
    end();
    begin_full("iref", 0, 0);
    begin("dimg");
    put(0x000200010001, 6); /* of item 2, one part: 1 */
    end();
    end();
    begin("iprp");
    begin("ipco");
    put_ispe(SMALL_WIDTH, SMALL_HEIGHT);
    begin(config_type);
    put_bytes(config, config_size);
    end();
    put_ispe(200, 100);
    end();
    begin_full("ipma", 0, 0);
    put(2, 4);
    put_links(1, tiles ? 2 : 1, 2);
    put_links(2, 1, 1);
    end();
    end();
    end();
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
        put_bytes(rows[i].chunks, rows[i].size);
        put_bytes("zzzz\0\1\0\0.............", 21); /* not read: it is cut off */
        assert_int_equal(besides_rgb(), SMALL * rows[i].held);
    }
    begin_file("RIFF....WEBPzzzz\6\0\0\0......VP8L\0\0\0", 33); /* its length is cut off */
    assert_int_equal(besides_rgb(), 0);
    /* a frame of 200 x 100 of an animation; one that is larger than the picture is not believed */
    for (int large = 0; large < 2; large++) {
        begin_file("RIFF....WEBPANMF\x18\0\0\0\0\0\0\0\0\0", 26);
        put_little(large ? 999 : 199, 3);
        put_little(large ? 999 : 99, 3);
        put(0, 4);
        put_bytes("VP8L\2\0\0\0..", 10);
        assert_int_equal(besides_rgb(), large ? SMALL * 4 : 20000 * 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exr), cmocka_unit_test(exr_short), cmocka_unit_test(tiffs),
        cmocka_unit_test(av1), cmocka_unit_test(hevc),      cmocka_unit_test(webps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
