/* SPDX-License-Identifier: MIT
 * A JSON request body, {"image": "<base64>", "pipeline": "faces", "threshold": 0.4}, turned into parameters
 * and the picture's bytes in place: the picture is neither copied nor seen by the JSON parser. Pure.
 */
#ifndef SG_HTTP_HTTP_JSON_H
#define SG_HTTP_HTTP_JSON_H

#include "base/buf.h"
#include "http/http_params.h"

#define SG_HTTP_JSON_REST_MAX ((size_t)64 << 10) /* bytes of a body apart from its long strings */

/* body holds the whole text; afterwards it holds the picture's bytes. SG_E_INVALID (not JSON, a member that
 * is not known or of the wrong type, not base64), SG_E_EMPTY_IMAGE, SG_E_TOO_LARGE, SG_E_NOMEM. */
int sg_http_json_read(struct sg_buf *body, struct sg_http_params *params, struct sg_error *err);

/* Decodes size characters of base64 (RFC 4648, plain or URL-safe alphabet, padded or not; blanks and line
 * ends are skipped, also those escaped as in JSON text, and "\\/" is a slash) to out, which may be the same
 * memory or any before it. Returns the number of bytes, or -1. */
ptrdiff_t sg_http_base64(const char *text, size_t size, uint8_t *out);

#endif
