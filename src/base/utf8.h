/* SPDX-License-Identifier: MIT
 * Texts of unknown origin: what of them is UTF-8. Pure.
 */
#ifndef SG_BASE_UTF8_H
#define SG_BASE_UTF8_H

#include <stddef.h>

/* Bytes of the well-formed character of two to four bytes at text (Unicode, table 3-7), 0 when there is none:
 * for ASCII too. Of a text that ends with a NUL nothing behind it is read. */
size_t sg_utf8_bytes(const char *text);

#endif
