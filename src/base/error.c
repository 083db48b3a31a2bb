/* SPDX-License-Identifier: MIT
 * Error texts and code names. Pure; any thread.
 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int sg_error_set(struct sg_error *err, enum sg_err code, const char *format, ...)
{
    char text[SG_ERROR_TEXT_MAX];
    va_list args;

    if (!err)
        return code;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    err->code = code;
    err->detail[0] = '\0';
    memcpy(err->text, text, strlen(text) + 1);
    return code;
}

void sg_error_detail(struct sg_error *err, const char *format, ...)
{
    char detail[SG_ERROR_DETAIL_MAX];
    va_list args;

    if (!err)
        return;
    va_start(args, format);
    vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    memcpy(err->detail, detail, strlen(detail) + 1);
}

int sg_error_prefix(struct sg_error *err, const char *format, ...)
{
    char text[SG_ERROR_TEXT_MAX];
    va_list args;
    size_t keep;
    int used;

    if (!err)
        return SG_E_INTERNAL;
    va_start(args, format);
    used = vsnprintf(text, sizeof(text) - 2, format, args);
    va_end(args);
    if (used < 0 || (size_t)used >= sizeof(text) - 2)
        return err->code;
    text[used++] = ':';
    text[used++] = ' ';
    keep = strnlen(err->text, sizeof(err->text) - (size_t)used - 1);
    memmove(text + used, err->text, keep);
    text[(size_t)used + keep] = '\0';
    memcpy(err->text, text, sizeof(text));
    return err->code;
}

void sg_error_clear(struct sg_error *err)
{
    if (!err)
        return;
    err->code = SG_OK;
    err->text[0] = '\0';
    err->detail[0] = '\0';
}

const char *sg_err_name(int code)
{
    static const char *const names[] = {
#define SG_ERR_NAME(name, wire, text) wire,
        SG_ERR_TABLE(SG_ERR_NAME)
#undef SG_ERR_NAME
    };

    if (code == SG_OK)
        return "ok";
    if (code > -1 || code < -SG_ERR_COUNT)
        return "internal";
    return names[-1 - code];
}

int sg_err_find(const char *name, size_t size)
{
    int code;

    for (code = -1; code >= -SG_ERR_COUNT; code--)
        if (strlen(sg_err_name(code)) == size && memcmp(sg_err_name(code), name, size) == 0)
            return code;
    return SG_E_INTERNAL;
}
