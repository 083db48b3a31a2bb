/* SPDX-License-Identifier: MIT
 * A growing run of bytes with a named maximum. Not shared between threads.
 */
#ifndef SG_BASE_BUF_H
#define SG_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct sg_buf {
    uint8_t *data; /* NULL while empty */
    size_t size;
    size_t capacity;
    size_t max_bytes; /* growing past it fails with SG_E_TOO_LARGE */
};

void sg_buf_init(struct sg_buf *buf, size_t max_bytes);
void sg_buf_fini(struct sg_buf *buf);
/* Forgets the content, keeps the memory. */
void sg_buf_clear(struct sg_buf *buf);
/* Makes room for `more` bytes behind size without changing size. 0, SG_E_TOO_LARGE or SG_E_NOMEM. */
int sg_buf_reserve(struct sg_buf *buf, size_t more);
int sg_buf_append(struct sg_buf *buf, const void *data, size_t size);
int sg_buf_append_text(struct sg_buf *buf, const char *text);
int sg_buf_printf(struct sg_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Terminates with a NUL that is not counted in size and returns the text, or NULL when memory or the limit
 * ran out. */
const char *sg_buf_text(struct sg_buf *buf);
/* Reads a whole file, appended. SG_E_NOT_FOUND, SG_E_IO, SG_E_TOO_LARGE, SG_E_NOMEM; errno is kept for the
 * caller's message. */
int sg_buf_append_file(struct sg_buf *buf, const char *path);

#endif
