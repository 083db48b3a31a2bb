/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

#define REPLACEMENT 0xfffd

/* A NUL is no continuation byte, so nothing behind it is read. */
size_t sg_utf8_bytes(const char *text, size_t size)
{
    const unsigned char *p = (const unsigned char *)text;
    unsigned char a = size > 0 ? p[0] : 0, low = 0x80, high = 0xbf;
    size_t more = a < 0xc2 ? 0 : a < 0xe0 ? 1 : a < 0xf0 ? 2 : a < 0xf5 ? 3 : 0, i;

    if (more == 0 || more >= size)
        return 0;
    if (a == 0xe0)
        low = 0xa0;
    else if (a == 0xed)
        high = 0x9f; /* no surrogates */
    else if (a == 0xf0)
        low = 0x90;
    else if (a == 0xf4)
        high = 0x8f;
    for (i = 1; i <= more; i++) {
        if (p[i] < low || p[i] > high)
            return 0;
        low = 0x80;
        high = 0xbf;
    }
    return more + 1;
}

uint32_t sg_utf8_next(const char **text)
{
    const unsigned char *at = (const unsigned char *)*text;
    size_t bytes = sg_utf8_bytes(*text, SG_UTF8_MAX_BYTES), i;
    uint32_t code = *at;

    if (code == 0)
        return 0;
    *text += bytes ? bytes : 1;
    if (bytes == 0)
        return code < 0x80 ? code : REPLACEMENT;
    code &= 0x7fu >> bytes;
    for (i = 1; i < bytes; i++)
        code = code << 6 | (at[i] & 0x3fu);
    return code;
}

size_t sg_utf8_whole(const char *text, size_t size)
{
    size_t start = size;

    while (start > 0 && !sg_utf8_begins(text[start - 1]))
        start--;
    if (start == 0 || (unsigned char)text[start - 1] < 0x80)
        return size;
    start--;
    return sg_utf8_bytes(text + start, size - start) > 0 ? size : start;
}
