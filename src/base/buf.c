/* SPDX-License-Identifier: MIT
 * Growing bytes. Doubles up to its maximum; never grows past it.
 */
#include "base/buf.h"

#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST_BYTES 256u
#define BUF_FILE_STEP   65536u

void sg_buf_init(struct sg_buf *buf, size_t max_bytes)
{
    *buf = (struct sg_buf){.max_bytes = max_bytes};
}

void sg_buf_fini(struct sg_buf *buf)
{
    free(buf->data);
    buf->data = NULL;
    buf->size = 0;
    buf->capacity = 0;
}

void sg_buf_clear(struct sg_buf *buf)
{
    buf->size = 0;
}

int sg_buf_reserve(struct sg_buf *buf, size_t more)
{
    size_t need, capacity;
    uint8_t *data;

    if (more > buf->max_bytes || buf->size > buf->max_bytes - more)
        return SG_E_TOO_LARGE;
    need = buf->size + more;
    if (need <= buf->capacity)
        return 0;
    capacity = buf->capacity ? buf->capacity : BUF_FIRST_BYTES;
    while (capacity < need)
        capacity = capacity > buf->max_bytes / 2 ? buf->max_bytes : capacity * 2;
    if (capacity < need)
        capacity = need;
    data = realloc(buf->data, capacity);
    if (!data)
        return SG_E_NOMEM;
    buf->data = data;
    buf->capacity = capacity;
    return 0;
}

int sg_buf_append(struct sg_buf *buf, const void *data, size_t size)
{
    int code;

    if (size == 0)
        return 0;
    code = sg_buf_reserve(buf, size);
    if (code < 0)
        return code;
    memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    return 0;
}

int sg_buf_append_text(struct sg_buf *buf, const char *text)
{
    return sg_buf_append(buf, text, strlen(text));
}

int sg_buf_printf(struct sg_buf *buf, const char *format, ...)
{
    va_list args;
    int length, code;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        return SG_E_INVALID;
    code = sg_buf_reserve(buf, (size_t)length + 1);
    if (code < 0)
        return code;
    va_start(args, format);
    vsnprintf((char *)buf->data + buf->size, (size_t)length + 1, format, args);
    va_end(args);
    buf->size += (size_t)length;
    return 0;
}

const char *sg_buf_text(struct sg_buf *buf)
{
    if (sg_buf_reserve(buf, 1) < 0)
        return NULL;
    buf->data[buf->size] = '\0';
    return (const char *)buf->data;
}

int sg_buf_append_file(struct sg_buf *buf, const char *path)
{
    FILE *file = fopen(path, "rbe");
    int code = 0, saved;

    if (!file)
        return errno == ENOENT || errno == ENOTDIR ? SG_E_NOT_FOUND : SG_E_IO;
    for (;;) {
        size_t step = buf->max_bytes - buf->size < BUF_FILE_STEP ? buf->max_bytes - buf->size : BUF_FILE_STEP;
        size_t got;

        if (step == 0) {
            /* At the limit: one more byte in the file means that it is too large. */
            code = fgetc(file) == EOF ? 0 : SG_E_TOO_LARGE;
            break;
        }
        code = sg_buf_reserve(buf, step);
        if (code < 0)
            break;
        got = fread(buf->data + buf->size, 1, step, file);
        buf->size += got;
        if (got < step)
            break;
    }
    if (code == 0 && ferror(file))
        code = SG_E_IO;
    saved = errno;
    fclose(file);
    errno = saved;
    return code;
}
