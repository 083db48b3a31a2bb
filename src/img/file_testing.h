/* SPDX-License-Identifier: MIT
 * For the tests of pictures only: a file written byte by byte.
 */
#ifndef SG_IMG_FILE_TESTING_H
#define SG_IMG_FILE_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct {
    uint8_t bytes[1 << 18];
    size_t size;
    size_t open[8]; /* where boxes of HEIF begin that are not closed yet */
    int depth;
} file;

/* Big-endian; bytes above the eighth are zeros before it. */
static inline void put(uint64_t value, unsigned bytes)
{
    while (bytes-- > 0)
        file.bytes[file.size++] = bytes < 8 ? (uint8_t)(value >> bytes * 8) : 0;
}

static inline void put_bytes(const void *bytes, size_t size)
{
    if (size)
        memcpy(file.bytes + file.size, bytes, size);
    file.size += size;
}

/* Begins anew. */
static inline void begin_file(const char *bytes, size_t size)
{
    memset(&file, 0, sizeof(file));
    put_bytes(bytes, size);
}

#endif
