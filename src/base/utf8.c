/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

/* A NUL is no continuation byte, so nothing behind it is read. */
size_t sg_utf8_bytes(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    unsigned char a = p[0], low = 0x80, high = 0xbf;
    size_t more = a < 0xc2 ? 0 : a < 0xe0 ? 1 : a < 0xf0 ? 2 : a < 0xf5 ? 3 : 0, i;

    if (more == 0)
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
