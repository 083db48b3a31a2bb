/* SPDX-License-Identifier: MIT
 * Paths of requests and the patterns of routes. A pattern is a path whose segments are words, parameters (any
 * one segment: "/v1/pipelines/{name}") or, as the last one, everything below ("/page/" and a star). Paths are
 * split at their slashes first and their escapes are read afterwards: "%2F" never splits. Pure.
 */
#ifndef SG_HTTP_HTTP_PATH_H
#define SG_HTTP_HTTP_PATH_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SG_HTTP_PATH_VALUES_MAX   4   /* of one pattern */
#define SG_HTTP_PATH_VALUES_BYTES 512 /* of one path, each with its NUL; what is longer is no route's */

/* What stands in a path where its pattern has parameters, in their order, and last what is below: UTF-8. */
struct sg_http_path_values {
    char text[SG_HTTP_PATH_VALUES_BYTES];
    uint16_t at[SG_HTTP_PATH_VALUES_MAX]; /* where each begins in text; a NUL ends it */
    int count;
    size_t used; /* of text */
};

/* The byte 0..255 that "%xy" at p stands for; -1: no escape is there. */
int sg_http_path_escaped(const char *p);
/* Whether it can be a path at all. SG_E_INVALID: an escape that is none, an escaped NUL, no UTF-8. */
int sg_http_path_check(const char *path, struct sg_error *err);
/* Of a path that was checked. A value is never empty, "." or ".."; a slash in it was escaped. What is below
 * may be empty; else it is such segments with slashes between them, none of them with a slash of its own. */
bool sg_http_path_matches(const char *pattern, const char *path, struct sg_http_path_values *out_values);
/* Order of patterns: of those that match a path the first one is its route. Words come before parameters,
 * and both before patterns for all that is below. 0: both match the same paths. */
int sg_http_path_order(const char *a, const char *b);
/* Whether it is written as above. */
bool sg_http_path_is_pattern(const char *text);

#endif
