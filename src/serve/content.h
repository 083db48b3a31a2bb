/* SPDX-License-Identifier: MIT
 * What bytes are that should be a picture, for error messages and for finding where a picture begins. Pure;
 * any thread. Whether a picture can be read is img's to say: here only its first bytes are looked at.
 */
#ifndef SG_SERVE_CONTENT_H
#define SG_SERVE_CONTENT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SG_CONTENT_LOOK_BYTES 64 /* more than these are not needed to tell a kind, but for plain text */

enum sg_content_kind {
    SG_CONTENT_UNKNOWN,
    SG_CONTENT_PICTURE, /* a kind of picture, read here or not */
    SG_CONTENT_FILE,    /* a file of another kind: PDF, ZIP, a video */
    SG_CONTENT_PACKED,  /* a picture, or its name, inside of something: JSON, base64, a URL */
    SG_CONTENT_TEXT,    /* text of no kind that is known */
};

struct sg_content {
    enum sg_content_kind kind;
    const char *what;   /* "a PDF"; NULL when UNKNOWN */
    const char *advice; /* how to send it right, or NULL */
    unsigned magic;     /* bytes that were recognised */
};

struct sg_content sg_content_look(const uint8_t *bytes, size_t size);

/* A picture of which a client has taken every NUL and line end out, as `curl -d @file` does. */
bool sg_content_stripped(const uint8_t *bytes, size_t size);

/* What is no picture, in words: SG_E_UNSUPPORTED (a file of another kind), SG_E_INVALID (sent in the wrong
 * wrapping), SG_E_BAD_IMAGE (plain text). 0 for pictures and for what is not known. `subject` is how the
 * message begins: "the body is". */
int sg_content_check(const uint8_t *bytes, size_t size, const char *subject, struct sg_error *err);

#endif
