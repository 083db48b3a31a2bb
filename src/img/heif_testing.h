/* SPDX-License-Identifier: MIT
 * For the tests of pictures only: boxes of HEIF (ISO 14496-12) written byte by byte.
 */
#ifndef SG_IMG_HEIF_TESTING_H
#define SG_IMG_HEIF_TESTING_H

#include "img/file_testing.h"

static inline void begin(const char *type)
{
    file.open[file.depth++] = file.size;
    put(0, 4);
    put_bytes(type, 4);
}

static inline void begin_full(const char *type, unsigned version, unsigned flags)
{
    begin(type);
    put(version << 24 | flags, 4);
}

static inline void end(void)
{
    size_t at = file.open[--file.depth], end = file.size;

    file.size = at;
    put(end - at, 4);
    file.size = end;
}

static inline void put_ispe(unsigned width, unsigned height)
{
    begin_full("ispe", 0, 0);
    put(width, 4);
    put(height, 4);
    end();
}

static inline void put_pitm(unsigned id)
{
    begin_full("pitm", 0, 0);
    put(id, 2);
    end();
}

static inline void put_infe(unsigned id, const char *type)
{
    begin_full("infe", 2, 0);
    put(id, 2);
    put(0, 2); /* not protected */
    put_bytes(type, 4);
    end();
}

/* iloc, version 1, of numbers of four bytes: one extent in the idat box. */
static inline void put_place(unsigned id, unsigned at, unsigned bytes)
{
    put(id, 2);
    put(1, 2); /* idat */
    put(0, 2);
    put(1, 2);
    put(at, 4);
    put(bytes, 4);
}

/* ipma of narrow words: the properties from 1 to count. */
static inline void put_links(unsigned id, unsigned first, unsigned count)
{
    put(id, 2);
    put(count, 1);
    for (unsigned i = 0; i < count; i++)
        put(first + i, 1);
}

#define PAYLOAD "0123456789abcdef"

/* The place behind the type of the first box of that type. */
static inline uint8_t *body_of(const char *type)
{
    uint8_t *found = memmem(file.bytes, file.size, type, 4);

    assert_non_null(found);
    return found + 4;
}

/* Item 7, an HEVC picture of 640x480 whose bytes lie in idat, and item 9, a grid of it. */
static inline void write_head(void)
{
    begin("ftyp");
    put_bytes("heic\0\0\0\0", 8);
    end();
    begin_full("meta", 0, 0);
    put_pitm(7);
    begin_full("iinf", 0, 0);
    put(2, 2);
    put_infe(9, "grid");
    put_infe(7, "hvc1");
    end();
    begin("idat");
    put_bytes(PAYLOAD, 16);
    put_bytes("\0\0\0\1\1\x40\0\xF0", 8); /* 1 row of 2, 320x240 */
    end();
}

static inline void write_places(void)
{
    begin_full("iloc", 1, 0);
    put(0x4400, 2);
    put(2, 2);
    put_place(7, 0, 16);
    put_place(9, 16, 8);
    end();
    begin_full("iref", 0, 0);
    begin("dimg");
    put(9, 2);
    put(2, 2);
    put(7, 2);
    put(0x123, 2);
    end();
    end();
}

/* Ends ipco; ipma gives item 7 `count` properties from `first`, and ends iprp. */
static inline void end_properties(unsigned first, unsigned count)
{
    end();
    begin_full("ipma", 0, 0);
    put(1, 4);
    put_links(7, first, count);
    end();
    end();
}

static inline void write_properties(void)
{
    begin("iprp");
    begin("ipco");
    put_ispe(640, 480);
    end_properties(1, 1);
}

static inline void write_whole(void)
{
    begin_file("", 0);
    write_head();
    write_places();
    write_properties();
    end(); /* meta */
}

#endif
