/* SPDX-License-Identifier: MIT
 * The two leaves of JSON that need care: texts of unknown origin, and numbers.
 */
#include "codec/json.h"

#include "base/utf8.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define NUMBER_MAX_BYTES 32
#define FIXED_MAX        1e15 /* below it value * 10^decimals stays exact enough in 64 bits */

static int put_special(unsigned char c, struct sg_buf *out)
{
    switch (c) {
    case '"':
        return sg_buf_append(out, "\\\"", 2);
    case '\\':
        return sg_buf_append(out, "\\\\", 2);
    case '\n':
        return sg_buf_append(out, "\\n", 2);
    case '\r':
        return sg_buf_append(out, "\\r", 2);
    case '\t':
        return sg_buf_append(out, "\\t", 2);
    default:
        return c < 0x80 ? sg_buf_printf(out, "\\u%04x", c) : sg_buf_append(out, "\xef\xbf\xbd", 3);
    }
}

int sg_json_text(const char *text, struct sg_buf *out)
{
    const unsigned char *at = (const unsigned char *)text, *plain = at;
    int code;

    if (!text)
        return sg_buf_append(out, "null", 4);
    code = sg_buf_append(out, "\"", 1);
    while (code == 0) {
        size_t length = *at >= 0x80 ? sg_utf8_bytes((const char *)at, SG_UTF8_MAX_BYTES) : 0;

        if (length > 0 || (*at >= 0x20 && *at < 0x7f && *at != '"' && *at != '\\')) {
            at += length ? length : 1;
            continue;
        }
        code = sg_buf_append(out, plain, (size_t)(at - plain));
        if (code < 0 || !*at)
            break;
        code = put_special(*at, out);
        plain = ++at;
    }
    return code < 0 ? code : sg_buf_append(out, "\"", 1);
}

int sg_json_repair(const char *text, struct sg_buf *out)
{
    const unsigned char *at = (const unsigned char *)text, *good = at;
    int code = 0;

    while (code == 0) {
        size_t length = *at < 0x80 ? *at != '\0' : sg_utf8_bytes((const char *)at, SG_UTF8_MAX_BYTES);

        at += length;
        if (length > 0)
            continue;
        code = sg_buf_append(out, good, (size_t)(at - good));
        if (code < 0 || !*at)
            break;
        code = put_special(*at, out);
        good = ++at;
    }
    return code;
}

int sg_json_number(double value, int decimals, struct sg_buf *out)
{
    static const int64_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
    char text[NUMBER_MAX_BYTES], *at = text + sizeof(text);
    bool negative = value < 0;
    uint64_t scaled;
    int i, printed;

    if (!isfinite(value))
        return sg_buf_append(out, "null", 4);
    if (fabs(value) * (double)powers[decimals] >= FIXED_MAX) {
        printed = snprintf(text, sizeof(text), "%.15g", value);
        return sg_buf_append(out, text, (size_t)printed);
    }
    scaled = (uint64_t)llround(fabs(value) * (double)powers[decimals]);
    if (scaled == 0)
        return sg_buf_append(out, "0", 1);
    for (; decimals > 0 && scaled % 10 == 0; decimals--)
        scaled /= 10;
    for (i = 0; i < decimals || scaled > 0 || i == decimals; i++) {
        if (i == decimals && decimals > 0)
            *--at = '.';
        *--at = (char)('0' + scaled % 10);
        scaled /= 10;
    }
    if (negative)
        *--at = '-';
    return sg_buf_append(out, at, (size_t)(text + sizeof(text) - at));
}
