/* SPDX-License-Identifier: MIT
 * Results as JSON. Pure; any thread; what is written is always valid UTF-8 JSON: texts are repaired, a number
 * that is not finite becomes null. Boxes carry two decimals, scores four.
 */
#ifndef SG_CODEC_JSON_H
#define SG_CODEC_JSON_H

#include "base/buf.h"
#include "base/error.h"
#include "data/result.h"

#define SG_JSON_SEED_MAX_BYTES 65536 /* of the reply to a seed frame */

/* The seed reply, appended to out. err NULL or SG_OK = success. When it would be larger than max_bytes only
 * the best objects that fit are written, and "truncated":true,"object_total":N says so; likewise of the
 * picture's own answers, first without their vectors, with "classified_total". SG_E_NOMEM, SG_E_TOO_LARGE
 * (out's own limit). */
int sg_json_seed(const struct sg_result *result, const struct sg_error *err, size_t max_bytes,
                 struct sg_buf *out);

struct sg_json_native {
    const char *id;     /* request id, or NULL */
    const char *source; /* path of the picture as it was given, or NULL */
    bool no_timing;     /* leaves timing_us out: replies that must be comparable */
};

/* The native reply, appended to out, without a line end. options NULL = none. With an error only id, source,
 * pipeline, stream and error are written. */
int sg_json_native(const struct sg_result *result, const struct sg_error *err,
                   const struct sg_json_native *options, struct sg_buf *out);

/* text quoted and escaped, invalid UTF-8 replaced by U+FFFD; NULL writes null. */
int sg_json_text(const char *text, struct sg_buf *out);
/* text as it is, invalid UTF-8 replaced likewise. For protocols that promise UTF-8 without being JSON. */
int sg_json_repair(const char *text, struct sg_buf *out);
/* value with at most `decimals` (0..6) decimals, no trailing zeros; null when not finite. */
int sg_json_number(double value, int decimals, struct sg_buf *out);

#endif
