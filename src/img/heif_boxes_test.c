/* SPDX-License-Identifier: MIT
 * Boxes of HEIF written here byte by byte (ISO 14496-12, 23008-12): what is read of them, and what each
 * damage is called. With coded pictures inside: tests/test_decode_heif.py.
 */
#include "img/heif_boxes.h"

#include "img/heif_testing.h"

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
        put(1, 4);
        put_bytes("meta", 4);
        put(size + 8 + (size_t)spare, 8);
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
    begin("moov");
    end();
    expect_refused(SG_E_UNSUPPORTED, "this HEIF is not supported: it is a sequence without a still picture");
    put(0, 4); /* torn */
    expect_refused(SG_E_BAD_IMAGE, "HEIF data is damaged or ends early: it has no header of pictures (meta)");
    file.size = 16;
    begin("meta");
    put(0, 3);
    end();
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
        begin_file("", 0);
        write_head();
        write_places();
        begin("iprp");
        begin("ipco");
        put_ispe(11, 12);
        for (int i = 1; i < 20000 + more; i++) {
            begin("free");
            end();
        }
        end_properties(1, 1);
        end();
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

    begin_file("", 0);
    write_head();
    write_places();
    begin("iprp");
    begin("ipco");
    begin(type);
    put_bytes(body, size);
    end();
    end_properties(word, 1);
    end();
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

        begin_file("", 0);
        write_head();
        write_places();
        begin("iprp");
        begin("ipco");
        for (unsigned i = 0; i < count; i++) {
            bool mirrors = i == 4 || i == 5 || i == 7;

            begin(mirrors ? "imir" : "irot");
            put(mirrors ? i == 5 : i == 6 ? 1 : i & 3, 1);
            end();
        }
        end_properties(1, count);
        end();
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
