/* SPDX-License-Identifier: MIT
 * A multipart/form-data body (RFC 7578, 2046) as it arrives, in pieces cut anywhere. What the parts hold is
 * handed on from those pieces and never kept here. Names of headers and parameters are read in any case,
 * parameters in any order, quoted or not; what stands before the first boundary and behind the last is
 * passed over. Pure.
 */
#ifndef SG_HTTP_HTTP_FORM_H
#define SG_HTTP_HTTP_FORM_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define SG_HTTP_FORM_BOUNDARY_MAX 70 /* RFC 2046, 5.1.1 */
#define SG_HTTP_FORM_NAME_MAX     63
#define SG_HTTP_FORM_CODING_MAX   40
#define SG_HTTP_FORM_HEADER_MAX   8192 /* bytes of all headers of a part */

/* Of a part's headers. What is longer is cut: no such name is known. */
struct sg_http_form_part {
    char name[SG_HTTP_FORM_NAME_MAX + 1];       /* "" = it has none */
    char encoding[SG_HTTP_FORM_CODING_MAX + 1]; /* Content-Transfer-Encoding, "" = none */
    bool has_filename;
};

/* All return 0, or an error in err that ends the reading. */
struct sg_http_form_ops {
    int (*begin)(void *arg, const struct sg_http_form_part *part, struct sg_error *err);
    int (*data)(void *arg, const char *data, size_t size, struct sg_error *err); /* size above 0 */
    int (*end)(void *arg, struct sg_error *err);
};

enum sg_http_form_state {
    SG_HTTP_FORM_PREAMBLE,
    SG_HTTP_FORM_BOUNDARY, /* behind a boundary, before the end of its line */
    SG_HTTP_FORM_HEADER,
    SG_HTTP_FORM_DATA,
    SG_HTTP_FORM_EPILOGUE,
};

struct sg_http_form {
    const struct sg_http_form_ops *ops;
    void *arg;
    enum sg_http_form_state state;
    char delimiter[4 + SG_HTTP_FORM_BOUNDARY_MAX]; /* CR LF - - boundary */
    size_t delimiter_size;
    size_t matched; /* bytes of the delimiter that the bytes before this one are */
    size_t assumed; /* how many of them were no bytes of the part: a boundary may stand at its very start */
    char line[SG_HTTP_FORM_HEADER_MAX + 1]; /* what has come of a boundary's rest or a header */
    size_t line_size, header_size;
    struct sg_http_form_part part;
};

/* content_type is the request's header. SG_E_INVALID: no boundary, or none of 1 to 70 visible characters. */
int sg_http_form_init(struct sg_http_form *form, const char *content_type, const struct sg_http_form_ops *ops,
                      void *arg, struct sg_error *err);
/* SG_E_INVALID: what is no form; else an error of an op. Not to be called again after an error. */
int sg_http_form_feed(struct sg_http_form *form, const char *data, size_t size, struct sg_error *err);
/* SG_E_INVALID when the last boundary has not come. */
int sg_http_form_finish(const struct sg_http_form *form, struct sg_error *err);

/* The value of a header's parameter ("; name=value" or "; name=\"value\""), cut to room - 1 bytes. False when
 * there is none. */
bool sg_http_form_param(const char *header, const char *name, char *out, size_t room);

#endif
