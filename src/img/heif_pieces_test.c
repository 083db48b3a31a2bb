/* SPDX-License-Identifier: MIT
 * Where the bytes of HEIF's items lie and how grids put them together, by boxes written here (ISO 14496-12,
 * 23008-12). What the boxes themselves say: heif_boxes_test.c.
 */
#include "img/heif_boxes.h"

#include "img/heif_testing.h"

/* iloc of version 0 points into the file itself: base and offsets of two bytes, lengths of one. */
static void write_extents(unsigned base, unsigned count, const unsigned *at, const unsigned *bytes)
{
    begin_file("", 0);
    write_head();
    begin_full("iloc", 0, 0);
    put(0x2120, 2);
    put(1, 2);
    put(7, 2);
    put(0, 2);
    put(base, 2);
    put(count, 2);
    for (unsigned i = 0; i < count; i++) {
        put(at[i], 2);
        put(bytes[i], 1);
    }
    end();
    write_properties();
    end();
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
static void write_wide(void)
{
    begin_file("", 0);
    begin_full("meta", 0, 0);
    begin_full("pitm", 1, 0);
    put(0x10007, 4);
    end();
    begin_full("iinf", 1, 0);
    put(2, 4);
    begin_full("infe", 3, 0);
    put(0x10007, 4);
    put(0, 2);
    put_bytes("av01", 4);
    end();
    put_infe(3, "hvc1");
    end();
    begin_full("iloc", 2, 0);
    put(0x8431, 2); /* bytes of an offset, a length, a base, an index */
    put(1, 4);
    put(0x10007, 4);
    put(0xFFF1, 2); /* idat; the other bits are not said */
    put(0, 2);
    put(1, 3); /* base */
    put(2, 2);
    put(0x55, 1);
    put(2, 8);
    put(3, 4);
    put(0x55, 1);
    put(9, 8);
    put(1, 4);
    end();
    begin_full("iref", 1, 0);
    begin("thmb");
    put(0x10007, 4);
    put(0x000100000003, 6);
    end();
    begin("dimg");
    put(0x10007, 4);
    put(2, 2);
    put(3, 4);
    put(0x20003, 4);
    end();
    end();
    begin("idat");
    put_bytes(PAYLOAD, 16);
    end();
    begin("iprp");
    begin("ipco");
    for (unsigned i = 0; i < 300; i++) {
        begin(i == 298 ? "zzzz" : "free");
        end();
    }
    put_ispe(77, 88);
    end();
    begin_full("ipma", 1, 1);
    put(2, 4);
    put(0x10007, 4);
    put(1, 1);
    put(0x8000 | 301, 2);
    put(3, 4);
    put(1, 1);
    put(0x8000 | 299, 2);
    end();
    end();
    end();
}

static void wide_numbers(void **state)
{
    struct sg_heif heif;
    struct sg_heif_look look;
    struct sg_error err = {0};
    const struct sg_heif_item *item;
    uint8_t bytes[16];
    size_t size = 0;

    (void)state;
    write_wide();
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
        cmocka_unit_test(pieces),         cmocka_unit_test(wide_numbers),
        cmocka_unit_test(pieces_outside), cmocka_unit_test(what_lies_elsewhere),
        cmocka_unit_test(grids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
