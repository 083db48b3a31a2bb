/* SPDX-License-Identifier: MIT
 * Texts of unknown origin: what of them is UTF-8, their characters, where they may be cut. Pure.
 */
#ifndef SG_BASE_UTF8_H
#define SG_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SG_UTF8_MAX_BYTES 4 /* of a character */

/* Bytes of the well-formed character of two to four bytes at text (Unicode, table 3-7), 0 when there is none:
 * for ASCII too. No more than size bytes are read; of a text that ends with a NUL nothing behind it either,
 * so that SG_UTF8_MAX_BYTES will do. */
size_t sg_utf8_bytes(const char *text, size_t size);

/* The code point at *text, which is moved behind it; U+FFFD for a byte that is no UTF-8; 0 at the end. */
uint32_t sg_utf8_next(const char **text);

/* Of the first size bytes of a text: how many are left without half a character at their end. */
size_t sg_utf8_whole(const char *text, size_t size);

/* Of well-formed text: whether a character begins with this byte, so that each counts once. */
static inline bool sg_utf8_begins(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

#endif
