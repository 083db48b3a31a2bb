/* SPDX-License-Identifier: MIT
 * Boxes of HEIF written here byte by byte (ISO 14496-12, 23008-12): what is read of them, and what each
 * damage is called. With coded pictures inside: tests/test_decode_heif.py.
 */
#include "img/heif_boxes.h"

#include "img/heif_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define PAYLOAD "0123456789abcdef"

static struct heif_file file;

static int clean(void **state)
{
    (void)state;
    memset(&file, 0, sizeof(file));
    return 0;
}

/* The place behind the type of the first box of that type. */
static uint8_t *body_of(const char *type)
{
    uint8_t *found = memmem(file.bytes, file.size, type, 4);

    assert_non_null(found);
    return found + 4;
}

/* Item 7, an HEVC picture of 640x480 whose bytes lie in idat, and item 9, a grid of it. */
static void write_head(void)
{
    begin(&file, "ftyp");
    put_bytes(&file, "heic\0\0\0\0", 8);
    end(&file);
    begin_full(&file, "meta", 0, 0);
    put_pitm(&file, 7);
    begin_full(&file, "iinf", 0, 0);
    put(&file, 2, 2);
    put_infe(&file, 9, "grid");
    put_infe(&file, 7, "hvc1");
    end(&file);
    begin(&file, "idat");
    put_bytes(&file, PAYLOAD, 16);
    put_bytes(&file, "\0\0\0\1\1\x40\0\xF0", 8); /* 1 row of 2, 320x240 */
    end(&file);
}

static void write_places(void)
{
    begin_full(&file, "iloc", 1, 0);
    put(&file, 0x4400, 2);
    put(&file, 2, 2);
    put_place(&file, 7, 0, 16);
    put_place(&file, 9, 16, 8);
    end(&file);
    begin_full(&file, "iref", 0, 0);
    begin(&file, "dimg");
    put(&file, 9, 2);
    put(&file, 2, 2);
    put(&file, 7, 2);
    put(&file, 0x123, 2);
    end(&file);
    end(&file);
}

static void write_properties(void)
{
    begin(&file, "iprp");
    begin(&file, "ipco");
    put_ispe(&file, 640, 480);
    end(&file);
    begin_full(&file, "ipma", 0, 0);
    put(&file, 1, 4);
    put_links(&file, 7, 1, 1);
    end(&file);
    end(&file);
}

static void write_whole(void)
{
    clean(NULL);
    write_head();
    write_places();
    write_properties();
    end(&file); /* meta */
}

static void expect_refused(int expected, const char *text)
{
    struct sg_heif heif;
    struct sg_error err = {0};

    assert_int_equal(sg_heif_parse(file.bytes, file.size, &heif, &err), expected);
    assert_int_equal(err.code, expected);
    assert_string_equal(err.text, text);
    sg_heif_fini(&heif);
}

static void expect_size(unsigned width, unsigned height)
{
    struct sg_heif heif;
    struct sg_heif_look look;
    struct sg_error err = {0};

    assert_int_equal(sg_heif_parse(file.bytes, file.size, &heif, &err), 0);
    assert_int_equal(heif.primary, 7);
    assert_non_null(sg_heif_find(&heif, 7));
    assert_int_equal(sg_heif_look(&heif, sg_heif_find(&heif, 7), &look, &err), 0);
    assert_int_equal(look.width, width);
    assert_int_equal(look.height, height);
    sg_heif_fini(&heif);
}

static void what_the_boxes_say(void **state)
{
    struct sg_heif heif;
    struct sg_heif_grid grid;
    struct sg_error err = {0};
    const struct sg_heif_item *one, *both;
    uint8_t bytes[16];
    size_t size = 0;

    (void)state;
    write_whole();
    assert_int_equal(sg_heif_parse(file.bytes, file.size, &heif, &err), 0);
    assert_int_equal(heif.item_count, 2);
    assert_int_equal(heif.property_count, 1);
    assert_int_equal(heif.idat_size, 24);
    one = sg_heif_find(&heif, 7);
    both = sg_heif_find(&heif, 9);
    assert_null(sg_heif_find(&heif, 8));
    assert_int_equal(one->type, SG_HEIF_HEVC);
    assert_int_equal(both->type, SG_HEIF_GRID);
    assert_int_equal(sg_heif_payload(&heif, one, bytes, &size, &err), 0);
    assert_int_equal(size, 16);
    assert_memory_equal(bytes, PAYLOAD, 16);
    assert_ptr_equal(sg_heif_first_bytes(&heif, one, &size), body_of("idat"));
    assert_int_equal(size, 16);
    assert_ptr_equal(sg_heif_first_bytes(&heif, both, &size), body_of("idat") + 16);
    assert_int_equal(size, 8);
    assert_int_equal(sg_heif_grid(&heif, both, &grid, &err), 0);
    assert_int_equal(grid.rows, 1);
    assert_int_equal(grid.columns, 2);
    assert_int_equal(grid.width, 320);
    assert_int_equal(grid.height, 240);
    assert_int_equal(sg_heif_part(&heif, both, 0), 7);
    assert_int_equal(sg_heif_part(&heif, both, 1), 0x123);
    assert_int_equal(both->properties, 0);
    sg_heif_fini(&heif);
}

/* A size of 1 stands for eight bytes behind the type, 0 for "to the end" (14496-12, 4.2). */
static void sizes_of_boxes(void **state)
{
    size_t size;

    (void)state;
    write_whole();
    memset(file.bytes + 16, 0, 4);
    expect_size(640, 480);
    for (int spare = 0; spare < 2; spare++) {
        write_whole();
        size = file.size - 16;
        memmove(file.bytes + 32, file.bytes + 24, size - 8);
        file.size = 16;
        put(&file, 1, 4);
        put_bytes(&file, "meta", 4);
        put(&file, size + 8 + (size_t)spare, 8);
        file.size += size - 8;
        if (spare) /* a byte more than there is */
            expect_refused(SG_E_BAD_IMAGE,
                           "HEIF data is damaged or ends early: it has no header of pictures (meta)");
        else
            expect_size(640, 480);
    }
    write_whole();
    file.bytes[19] = 7; /* less than its own head */
    memset(file.bytes + 16, 0, 3);
    expect_refused(SG_E_BAD_IMAGE, "HEIF data is damaged or ends early: it has no header of pictures (meta)");
    file.size = 16;
    expect_refused(SG_E_BAD_IMAGE, "HEIF data is damaged or ends early: it has no header of pictures (meta)");
    begin(&file, "moov");
    end(&file);
    expect_refused(SG_E_UNSUPPORTED, "this HEIF is not supported: it is a sequence without a still picture");
    put(&file, 0, 4); /* torn */
    expect_refused(SG_E_BAD_IMAGE, "HEIF data is damaged or ends early: it has no header of pictures (meta)");
    file.size = 16;
    begin(&file, "meta");
    put(&file, 0, 3);
    end(&file);
    expect_refused(SG_E_BAD_IMAGE, "HEIF data is damaged or ends early: its header");
}

static void damaged(const char *type, int at, unsigned value, const char *text)
{
    char whole[128] = "HEIF data is damaged or ends early: ";

    write_whole();
    body_of(type)[at] = (uint8_t)value;
    expect_refused(SG_E_BAD_IMAGE, strcat(whole, text));
}

/* A changed byte of a box; offsets are from behind its type. */
static void each_damage_has_its_name(void **state)
{
    (void)state;
    damaged("pitm", -5, 13, "its primary picture"); /* of two bytes but one */
    damaged("pitm", 0, 1, "its primary picture");   /* version 1: four bytes */
    damaged("iinf", -1, 'x', "it has no list of items");
    damaged("iinf", -5, 13, "its list of items"); /* of a count of two bytes but one */
    damaged("infe", -5, 7, "its list of items");
    damaged("infe", -8, 1, "its list of items"); /* larger than the list */
    damaged("infe", 0, 3, "its list of items");  /* version 3: two bytes more than there are */
    damaged("iloc", -1, 'x', "where its items lie");
    damaged("iloc", 0, 3, "where its items lie");
    damaged("iloc", 4, 0x94, "where its items lie"); /* numbers of nine bytes */
    damaged("iloc", 4, 0x49, "where its items lie");
    damaged("iloc", 5, 0x90, "where its items lie");
    damaged("iloc", 5, 0x09, "where its items lie");
    damaged("iloc", 7, 3, "where its items lie"); /* three items in the room of two */
    damaged("dimg", 3, 3, "the references between its items");
    damaged("dimg", -5, 2, "the references between its items");
    damaged("iprp", -1, 'x', "it has no properties");
    damaged("ipco", -1, 'x', "it has no properties");
    damaged("ispe", -5, 21, "its properties");
    damaged("ipma", 7, 2, "which properties an item has");
    write_whole();
    body_of("pitm")[-1] = 'x';
    expect_refused(SG_E_UNSUPPORTED, "this HEIF is not supported: it names no primary picture");
    write_whole();
    body_of("iloc")[4] = 0x88; /* eight bytes are read: the second item is behind the end */
    expect_refused(SG_E_BAD_IMAGE, "HEIF data is damaged or ends early: where its items lie");
}

static void items(void **state)
{
    struct sg_heif heif;
    struct sg_error err = {0};

    (void)state;
    write_whole();
    body_of("iinf")[4] = 20001 >> 8;
    body_of("iinf")[5] = 20001 & 255;
    expect_refused(SG_E_TOO_LARGE, "HEIF of 20001 items, the limit is 20000");
    body_of("iinf")[5] = 20000 & 255; /* they end before */
    expect_size(640, 480);

    write_whole();
    body_of("iinf")[0] = 1; /* a count of four bytes: 0x20000 */
    expect_refused(SG_E_TOO_LARGE, "HEIF of 131072 items, the limit is 20000");

    write_whole();
    body_of("infe")[0] = 1; /* has no type: is passed over */
    assert_int_equal(sg_heif_parse(file.bytes, file.size, &heif, &err), 0);
    assert_int_equal(heif.item_count, 1);
    assert_null(sg_heif_find(&heif, 9));
    assert_non_null(sg_heif_find(&heif, 7));
    sg_heif_fini(&heif);

    write_whole();
    body_of("iinf")[5] = 0;
    assert_int_equal(sg_heif_parse(file.bytes, file.size, &heif, &err), 0);
    assert_null(sg_heif_find(&heif, 7));
    sg_heif_fini(&heif);

    write_whole();
    body_of("iinf")[5] = 1; /* the second is not counted */
    assert_int_equal(sg_heif_parse(file.bytes, file.size, &heif, &err), 0);
    assert_non_null(sg_heif_find(&heif, 9));
    assert_null(sg_heif_find(&heif, 7));
    sg_heif_fini(&heif);
}

static void many_properties(void **state)
{
    static const char *const texts[] = {NULL, "HEIF of 20001 properties, the limit is 20000"};

    (void)state;
    for (int more = 0; more < 2; more++) {
        clean(NULL);
        write_head();
        write_places();
        begin(&file, "iprp");
        begin(&file, "ipco");
        put_ispe(&file, 11, 12);
        for (int i = 1; i < 20000 + more; i++) {
            begin(&file, "free");
            end(&file);
        }
        end(&file);
        begin_full(&file, "ipma", 0, 0);
        put(&file, 1, 4);
        put_links(&file, 7, 1, 1);
        end(&file);
        end(&file);
        end(&file);
        if (more)
            expect_refused(SG_E_TOO_LARGE, texts[1]);
        else
            expect_size(11, 12);
    }
}

/* Looks at a picture whose only property has this type and body. 0x80 in `word`: essential. */
static int look_at(const char *type, const void *body, size_t size, unsigned word, struct sg_heif_look *look,
                   struct sg_error *err)
{
    struct sg_heif heif;
    int code;

    clean(NULL);
    write_head();
    write_places();
    begin(&file, "iprp");
    begin(&file, "ipco");
    begin(&file, type);
    put_bytes(&file, body, size);
    end(&file);
    end(&file);
    begin_full(&file, "ipma", 0, 0);
    put(&file, 1, 4);
    put_links(&file, 7, word, 1);
    end(&file);
    end(&file);
    end(&file);
    assert_int_equal(sg_heif_parse(file.bytes, file.size, &heif, err), 0);
    code = sg_heif_look(&heif, sg_heif_find(&heif, 7), look, err);
    sg_heif_fini(&heif);
    return code;
}

static void properties(void **state)
{
    static const uint8_t cut[32] = {0, 0, 1, 0, 0, 0, 0, 2, 0,    0,    0,    9,    0, 0, 0, 3,
                                    0, 0, 0, 5, 0, 0, 0, 4, 0xFF, 0xFF, 0xFF, 0xFE, 0, 0, 0, 6};
    static const struct {
        const char *type, *body;
        size_t size;
        unsigned word;
        int code;
        const char *text;
    } rows[] = {
        {"lsel", "\xFF\xFF", 2, 0x81, 0, ""}, /* all layers */
        {"lsel", "\xFF\xFE", 2, 0x81, SG_E_UNSUPPORTED, "this HEIF is not supported: one layer of several"},
        {"lsel", "\0\0", 2, 1, SG_E_UNSUPPORTED, "this HEIF is not supported: one layer of several"},
        {"a1op", "\0", 1, 0x81, 0, ""},
        {"a1op", "\1", 1, 0x81, SG_E_UNSUPPORTED, "this HEIF is not supported: an operating point of AV1"},
        {"ispe", "\0\0\0\0\0\0\0\1\0\0\0", 11, 1, SG_E_BAD_IMAGE,
         "HEIF data is damaged or ends early: a property that is too short"},
        {"irot", "", 0, 1, SG_E_BAD_IMAGE,
         "HEIF data is damaged or ends early: a property that is too short"},
        {"pixi", "", 0, 0x81, 0, ""},
        {"pasp", "", 0, 0x81, 0, ""},
        {"zzzz", "", 0, 0x01, 0, ""},
        {"zzzz", "", 0, 0x81, SG_E_UNSUPPORTED,
         "this HEIF is not supported: an essential property that is not known"},
        {"zzzz", "", 0, 0x80, 0, ""}, /* no property at all */
        {"ispe", "", 0, 0x02, SG_E_BAD_IMAGE,
         "HEIF data is damaged or ends early: a property that is not there"},
        {"clap", "", 0, 1, SG_E_BAD_IMAGE, "HEIF data is damaged or ends early: its clean aperture"},
    };
    struct sg_heif_look look;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_error err = {0};

        assert_int_equal(look_at(rows[i].type, rows[i].body, rows[i].size, rows[i].word, &look, &err),
                         rows[i].code);
        assert_string_equal(err.text, rows[i].text);
    }
    for (size_t zero = 0; zero <= sizeof(cut); zero += 4) { /* a denominator of 0 */
        struct sg_error err = {0};
        uint8_t bytes[sizeof(cut)];

        memcpy(bytes, cut, sizeof(cut));
        if (zero < sizeof(cut))
            memset(bytes + zero, 0, 4);
        assert_int_equal(look_at("clap", bytes, sizeof(bytes), 1, &look, &err),
                         zero % 8 == 4 ? SG_E_BAD_IMAGE : 0);
    }
    assert_int_equal(look.turn_count, 1);
    assert_int_equal(look.turns[0].orientation, 0);
    assert_int_equal(look.turns[0].width[0], 256);
    assert_int_equal(look.turns[0].width[1], 2);
    assert_int_equal(look.turns[0].height[0], 9);
    assert_int_equal(look.turns[0].height[1], 3);
    assert_int_equal(look.turns[0].right[0], 5);
    assert_int_equal(look.turns[0].right[1], 4);
    assert_int_equal(look.turns[0].down[0], -2);
    assert_int_equal(look.turns[0].down[1], 6);
}

/* nclx: primaries, transfer, matrix, and the range in the highest bit; ICC profiles are passed over. */
static void colours(void **state)
{
    struct sg_heif_look look;
    struct sg_error err = {0};

    (void)state;
    assert_int_equal(look_at("colr", "nclx\0\x09\0\x10\1\x0A\x80", 11, 1, &look, &err), 0);
    assert_true(look.has_colours);
    assert_true(look.full_range);
    assert_int_equal(look.primaries, 9);
    assert_int_equal(look.matrix, 0x10A);
    assert_int_equal(look_at("colr", "nclx\0\x09\0\x10\0\x0A\x7F", 11, 1, &look, &err), 0);
    assert_false(look.full_range);
    assert_int_equal(look_at("colr", "prof\0\x09\0\x10\0\x0A\x80", 11, 1, &look, &err), 0);
    assert_false(look.has_colours);
    assert_int_equal(look.matrix, 0);
    assert_int_equal(look_at("hvcC", "12345", 5, 1, &look, &err), 0);
    assert_int_equal(look.config_size, 5);
    assert_int_equal(look.config_at, body_of("hvcC") - file.bytes);
}

/* Eight turns are done, a ninth is refused. */
static void turns(void **state)
{
    static const int orientations[] = {1, 8, 3, 6, 4, 2, 8, 4};

    (void)state;
    for (unsigned count = 8; count < 10; count++) {
        struct sg_heif heif;
        struct sg_heif_look look;
        struct sg_error err = {0};

        clean(NULL);
        write_head();
        write_places();
        begin(&file, "iprp");
        begin(&file, "ipco");
        for (unsigned i = 0; i < count; i++) {
            bool mirrors = i == 4 || i == 5 || i == 7;

            begin(&file, mirrors ? "imir" : "irot");
            put(&file, mirrors ? i == 5 : i == 6 ? 1 : i & 3, 1);
            end(&file);
        }
        end(&file);
        begin_full(&file, "ipma", 0, 0);
        put(&file, 1, 4);
        put_links(&file, 7, 1, count);
        end(&file);
        end(&file);
        end(&file);
        assert_int_equal(sg_heif_parse(file.bytes, file.size, &heif, &err), 0);
        if (count == 8) {
            assert_int_equal(sg_heif_look(&heif, sg_heif_find(&heif, 7), &look, &err), 0);
            assert_int_equal(look.turn_count, 8);
            for (int i = 0; i < 8; i++)
                assert_int_equal(look.turns[i].orientation, orientations[i]);
        } else {
            assert_int_equal(sg_heif_look(&heif, sg_heif_find(&heif, 7), &look, &err), SG_E_UNSUPPORTED);
            assert_string_equal(err.text, "this HEIF is not supported: it is turned and cut too often");
        }
        sg_heif_fini(&heif);
    }
}

/* iloc of version 0 points into the file itself: base and offsets of two bytes, lengths of one. */
static void write_extents(unsigned base, unsigned count, const unsigned *at, const unsigned *bytes)
{
    clean(NULL);
    write_head();
    begin_full(&file, "iloc", 0, 0);
    put(&file, 0x2120, 2);
    put(&file, 1, 2);
    put(&file, 7, 2);
    put(&file, 0, 2);
    put(&file, base, 2);
    put(&file, count, 2);
    for (unsigned i = 0; i < count; i++) {
        put(&file, at[i], 2);
        put(&file, bytes[i], 1);
    }
    end(&file);
    write_properties();
    end(&file);
}

static void pieces(void **state)
{
    struct sg_heif heif;
    struct sg_error err = {0};
    const struct sg_heif_item *item;
    uint8_t bytes[1 << 12];
    size_t size = 0, idat;

    (void)state;
    write_extents(0, 0, NULL, NULL);
    idat = (size_t)(body_of("idat") - file.bytes);
    assert_int_equal(sg_heif_parse(file.bytes, file.size, &heif, &err), 0);
    item = sg_heif_find(&heif, 7);
    assert_int_equal(sg_heif_payload(&heif, item, NULL, &size, &err), SG_E_BAD_IMAGE);
    assert_string_equal(err.text, "HEIF data is damaged or ends early: its picture has no bytes");
    assert_null(sg_heif_first_bytes(&heif, item, &size));
    sg_heif_fini(&heif);

    write_extents((unsigned)idat, 2, (const unsigned[]){10, 2}, (const unsigned[]){6, 3});
    assert_int_equal(sg_heif_parse(file.bytes, file.size, &heif, &err), 0);
    item = sg_heif_find(&heif, 7);
    assert_int_equal(sg_heif_payload(&heif, item, bytes, &size, &err), 0);
    assert_int_equal(size, 9);
    assert_memory_equal(bytes, "abcdef234", 9);
    assert_ptr_equal(sg_heif_first_bytes(&heif, item, &size), file.bytes + idat + 10);
    assert_int_equal(size, 6);
    sg_heif_fini(&heif);

    /* a length of 0 of an only extent: to the end of the file */
    write_extents((unsigned)idat, 1, (const unsigned[]){4}, (const unsigned[]){0});
    assert_int_equal(sg_heif_parse(file.bytes, file.size, &heif, &err), 0);
    item = sg_heif_find(&heif, 7);
    assert_int_equal(sg_heif_payload(&heif, item, bytes, &size, &err), 0);
    assert_int_equal(size, file.size - (idat + 4));
    assert_memory_equal(bytes, file.bytes + idat + 4, size);
    sg_heif_fini(&heif);
    write_extents((unsigned)idat, 2, (const unsigned[]){4, 5}, (const unsigned[]){0, 1});
    assert_int_equal(sg_heif_parse(file.bytes, file.size, &heif, &err), 0);
    assert_int_equal(sg_heif_payload(&heif, sg_heif_find(&heif, 7), bytes, &size, &err), 0);
    assert_int_equal(size, 1);
    assert_int_equal(bytes[0], '5');
    sg_heif_fini(&heif);
}

/* The widths of other versions: ids of four bytes, places of eight with an index of one, words of two. */
static void wide_numbers(void **state)
{
    struct sg_heif heif;
    struct sg_heif_look look;
    struct sg_error err = {0};
    const struct sg_heif_item *item;
    uint8_t bytes[16];
    size_t size = 0;

    (void)state;
    clean(NULL);
    begin_full(&file, "meta", 0, 0);
    begin_full(&file, "pitm", 1, 0);
    put(&file, 0x10007, 4);
    end(&file);
    begin_full(&file, "iinf", 1, 0);
    put(&file, 2, 4);
    begin_full(&file, "infe", 3, 0);
    put(&file, 0x10007, 4);
    put(&file, 0, 2);
    put_bytes(&file, "av01", 4);
    end(&file);
    put_infe(&file, 3, "hvc1");
    end(&file);
    begin_full(&file, "iloc", 2, 0);
    put(&file, 0x8431, 2); /* bytes of an offset, a length, a base, an index */
    put(&file, 1, 4);
    put(&file, 0x10007, 4);
    put(&file, 0xFFF1, 2); /* idat; the other bits are not said */
    put(&file, 0, 2);
    put(&file, 1, 3); /* base */
    put(&file, 2, 2);
    put(&file, 0x55, 1);
    put(&file, 2, 8);
    put(&file, 3, 4);
    put(&file, 0x55, 1);
    put(&file, 9, 8);
    put(&file, 1, 4);
    end(&file);
    begin_full(&file, "iref", 1, 0);
    begin(&file, "thmb");
    put(&file, 0x10007, 4);
    put(&file, 0x000100000003, 6);
    end(&file);
    begin(&file, "dimg");
    put(&file, 0x10007, 4);
    put(&file, 2, 2);
    put(&file, 3, 4);
    put(&file, 0x20003, 4);
    end(&file);
    end(&file);
    begin(&file, "idat");
    put_bytes(&file, PAYLOAD, 16);
    end(&file);
    begin(&file, "iprp");
    begin(&file, "ipco");
    for (unsigned i = 0; i < 300; i++) {
        begin(&file, i == 298 ? "zzzz" : "free");
        end(&file);
    }
    put_ispe(&file, 77, 88);
    end(&file);
    begin_full(&file, "ipma", 1, 1);
    put(&file, 2, 4);
    put(&file, 0x10007, 4);
    put(&file, 1, 1);
    put(&file, 0x8000 | 301, 2);
    put(&file, 3, 4);
    put(&file, 1, 1);
    put(&file, 0x8000 | 299, 2);
    end(&file);
    end(&file);
    end(&file);
    assert_int_equal(sg_heif_parse(file.bytes, file.size, &heif, &err), 0);
    assert_int_equal(heif.primary, 0x10007);
    item = sg_heif_find(&heif, 0x10007);
    assert_int_equal(item->type, SG_HEIF_AV1);
    assert_int_equal(sg_heif_payload(&heif, item, bytes, &size, &err), 0);
    assert_int_equal(size, 4);
    assert_memory_equal(bytes, "345a", 4);
    assert_int_equal(item->parts, 2);
    assert_int_equal(sg_heif_part(&heif, item, 0), 3);
    assert_int_equal(sg_heif_part(&heif, item, 1), 0x20003);
    assert_int_equal(sg_heif_look(&heif, item, &look, &err), 0);
    assert_int_equal(look.width, 77);
    assert_int_equal(look.height, 88);
    assert_int_equal(sg_heif_look(&heif, sg_heif_find(&heif, 3), &look, &err), SG_E_UNSUPPORTED);
    sg_heif_fini(&heif);
}

static void pieces_outside(void **state)
{
    const unsigned whole =
        (write_extents(0, 1, (const unsigned[]){0}, (const unsigned[]){0}), (unsigned)file.size);
    const struct {
        unsigned base, at, bytes;
        bool inside;
    } rows[] = {
        {0, whole - 1, 1, true}, {0, whole, 1, false},     {0, whole - 1, 2, false}, {whole, 0, 1, false},
        {whole - 1, 0, 1, true}, {whole - 1, 1, 1, false}, {whole - 2, 1, 1, true},  {whole + 1, 0, 0, false},
        {whole - 3, 0, 3, true}, {whole - 3, 0, 4, false}, {0xFFFF, 2, 1, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_heif heif;
        struct sg_error err = {0};
        const struct sg_heif_item *item;
        size_t size = 0;

        write_extents(rows[i].base, 1, &rows[i].at, &rows[i].bytes);
        assert_int_equal(file.size, whole);
        assert_int_equal(sg_heif_parse(file.bytes, file.size, &heif, &err), 0);
        item = sg_heif_find(&heif, 7);
        if (rows[i].inside) {
            assert_int_equal(sg_heif_payload(&heif, item, NULL, &size, &err), 0);
            assert_int_equal(size, rows[i].bytes);
            assert_ptr_equal(sg_heif_first_bytes(&heif, item, &size), file.bytes + rows[i].base + rows[i].at);
        } else {
            assert_int_equal(sg_heif_payload(&heif, item, NULL, &size, &err), SG_E_BAD_IMAGE);
            assert_string_equal(err.text, "HEIF data is damaged or ends early: the bytes of its picture are "
                                          "not in the file");
            assert_null(sg_heif_first_bytes(&heif, item, &size));
        }
        sg_heif_fini(&heif);
    }
}

/* Offsets from behind `iloc`: 8 id, 10 method, 12 data reference, 14 extents; of `infe` 6 is the protection.
 */
static void what_lies_elsewhere(void **state)
{
    static const struct {
        const char *type, *text;
        int at;
    } rows[] = {
        {"iloc", "this HEIF is not supported: its picture lies in another file or item", 11},
        {"iloc", "this HEIF is not supported: its picture lies in another file or item", 13},
        {"hvc1", "this HEIF is not supported: its picture is encrypted", -5},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_heif heif;
        struct sg_error err = {0};
        size_t size = 0;

        write_whole();
        body_of(rows[i].type)[rows[i].at] = 2;
        assert_int_equal(sg_heif_parse(file.bytes, file.size, &heif, &err), 0);
        assert_int_equal(sg_heif_payload(&heif, sg_heif_find(&heif, 7), NULL, &size, &err), SG_E_UNSUPPORTED);
        assert_string_equal(err.text, rows[i].text);
        assert_null(sg_heif_first_bytes(&heif, sg_heif_find(&heif, 7), &size));
        assert_int_equal(sg_heif_payload(&heif, sg_heif_find(&heif, 9), NULL, &size, &err), 0);
        sg_heif_fini(&heif);
    }
}

/* The shape of a grid: version, flags (1: sides of four bytes), rows and columns less one, width, height. */
static void grids(void **state)
{
    static const struct {
        const char *shape;
        unsigned bytes;
        const char *text;
    } rows[] = {
        {"\0\1\1\0\0\0\1\2\0\0\3\4", 12, ""},
        {"\0\0\1\0\1\2\3\4", 8, ""},
        {"\0\0\0\0\1\2\3\4", 8, "its grid has another number of tiles than it says"},
        {"\0\0\1\1\1\2\3\4", 8, "its grid has another number of tiles than it says"},
        {"\0\1\1\0\1\2\3\4", 8, "its grid has another number of tiles than it says"},
        {"\0\0\1\0\1\2\3", 7, "its grid has another number of tiles than it says"},
        {"\0\0\1\0\1\2\3\4\0\0\0\0\0", 13, "the shape of its grid"},
        {"", 0, "the bytes of its picture are not in the file"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_heif heif;
        struct sg_heif_grid grid = {0};
        struct sg_error err = {0};
        int code;

        write_whole();
        memcpy(body_of("idat"), rows[i].shape, rows[i].bytes);
        memset(body_of("iloc") + 8 + 16 + 8, 0, 8);
        body_of("iloc")[8 + 16 + 8 + 7] = (uint8_t)rows[i].bytes;
        if (!rows[i].bytes) /* a length of 0 reaches to the end: begin behind that */
            body_of("iloc")[8 + 16 + 8 + 3] = 25;
        assert_int_equal(sg_heif_parse(file.bytes, file.size, &heif, &err), 0);
        code = sg_heif_grid(&heif, sg_heif_find(&heif, 9), &grid, &err);
        if (rows[i].text[0]) {
            char text[128] = "HEIF data is damaged or ends early: ";

            assert_int_equal(code, SG_E_BAD_IMAGE);
            assert_string_equal(err.text, strcat(text, rows[i].text));
        } else {
            assert_int_equal(code, 0);
            assert_int_equal(grid.rows, 2);
            assert_int_equal(grid.columns, 1);
            assert_int_equal(grid.width, 0x102);
            assert_int_equal(grid.height, 0x304);
        }
        sg_heif_fini(&heif);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_boxes_say),
        cmocka_unit_test(sizes_of_boxes),
        cmocka_unit_test(each_damage_has_its_name),
        cmocka_unit_test(items),
        cmocka_unit_test(many_properties),
        cmocka_unit_test(properties),
        cmocka_unit_test(colours),
        cmocka_unit_test(turns),
        cmocka_unit_test(pieces),
        cmocka_unit_test(wide_numbers),
        cmocka_unit_test(pieces_outside),
        cmocka_unit_test(what_lies_elsewhere),
        cmocka_unit_test(grids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
