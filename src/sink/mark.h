/* SPDX-License-Identifier: MIT
 * What tells a file that sightd wrote from any other: texts by how they begin, pictures by a comment that
 * says how many bytes they had when they were drawn. Any thread.
 */
#ifndef SG_SINK_MARK_H
#define SG_SINK_MARK_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>

#define SG_MARK_HEAD_BYTES ((size_t)16384) /* of a file are enough to tell */

/* Puts the comment into a whole JPEG, behind its first segment. SG_E_NOMEM, SG_E_TOO_LARGE; SG_E_INTERNAL for
 * what is no JPEG. */
int sg_mark_jpeg(struct sg_buf *jpeg);
/* Whether a file that begins so and has so many bytes is one of sightd's that has not been changed since
 * (pictures), or one in a format of its own (texts). */
bool sg_mark_in(const void *head, size_t head_bytes, uint64_t file_bytes);
/* The same of a regular file; false for one that cannot be read. */
bool sg_mark_found(const char *path);

#endif
