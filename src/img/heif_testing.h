/* SPDX-License-Identifier: MIT
 * Writes HEIF boxes (ISO 14496-12) byte by byte. For unit tests.
 */
#ifndef SG_IMG_HEIF_TESTING_H
#define SG_IMG_HEIF_TESTING_H

#include <stdint.h>
#include <string.h>

struct heif_file {
    uint8_t bytes[1 << 18];
    size_t size;
    size_t open[8]; /* where boxes begin that are not closed yet */
    int depth;
};

/* Big-endian; bytes above the eighth are zeros before it. */
static inline void put(struct heif_file *file, uint64_t value, unsigned bytes)
{
    while (bytes-- > 0)
        file->bytes[file->size++] = bytes < 8 ? (uint8_t)(value >> bytes * 8) : 0;
}

static inline void put_bytes(struct heif_file *file, const void *bytes, size_t size)
{
    if (size)
        memcpy(file->bytes + file->size, bytes, size);
    file->size += size;
}

static inline void begin(struct heif_file *file, const char *type)
{
    file->open[file->depth++] = file->size;
    put(file, 0, 4);
    put_bytes(file, type, 4);
}

static inline void begin_full(struct heif_file *file, const char *type, unsigned version, unsigned flags)
{
    begin(file, type);
    put(file, version << 24 | flags, 4);
}

static inline void end(struct heif_file *file)
{
    size_t at = file->open[--file->depth], end = file->size;

    file->size = at;
    put(file, end - at, 4);
    file->size = end;
}

static inline void put_ispe(struct heif_file *file, unsigned width, unsigned height)
{
    begin_full(file, "ispe", 0, 0);
    put(file, width, 4);
    put(file, height, 4);
    end(file);
}

static inline void put_pitm(struct heif_file *file, unsigned id)
{
    begin_full(file, "pitm", 0, 0);
    put(file, id, 2);
    end(file);
}

static inline void put_infe(struct heif_file *file, unsigned id, const char *type)
{
    begin_full(file, "infe", 2, 0);
    put(file, id, 2);
    put(file, 0, 2); /* not protected */
    put_bytes(file, type, 4);
    end(file);
}

/* iloc, version 1, of numbers of four bytes: one extent in the idat box. */
static inline void put_place(struct heif_file *file, unsigned id, unsigned at, unsigned bytes)
{
    put(file, id, 2);
    put(file, 1, 2); /* idat */
    put(file, 0, 2);
    put(file, 1, 2);
    put(file, at, 4);
    put(file, bytes, 4);
}

/* ipma of narrow words: the properties from 1 to count. */
static inline void put_links(struct heif_file *file, unsigned id, unsigned first, unsigned count)
{
    put(file, id, 2);
    put(file, count, 1);
    for (unsigned i = 0; i < count; i++)
        put(file, first + i, 1);
}

#endif
