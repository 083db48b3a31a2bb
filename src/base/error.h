/* SPDX-License-Identifier: MIT
 * Errors: one code per kind of failure, a public sentence for the client, a private detail for the log.
 * Any thread; a struct sg_error belongs to its caller.
 */
#ifndef SG_BASE_ERROR_H
#define SG_BASE_ERROR_H

#include <stdbool.h>
#include <stddef.h>

/* One row per code: enum name, wire name, what it means. The wire name is what JSON replies carry. */
#define SG_ERR_TABLE(X)                                                                                      \
    X(NOMEM, "out_of_memory", "the server could not allocate memory")                                        \
    X(INTERNAL, "internal", "a fault of the server itself")                                                  \
    X(INVALID, "invalid_argument", "an argument is missing, of the wrong type or out of range")              \
    X(FRAMING, "bad_framing", "the byte stream is not what the protocol allows; the connection closes")      \
    X(TOO_LARGE, "too_large", "bytes, pixels or counts are above a configured limit")                        \
    X(EMPTY_IMAGE, "empty_image", "no image bytes were sent")                                                \
    X(BAD_IMAGE, "bad_image", "the bytes are damaged or are not an image")                                   \
    X(UNSUPPORTED, "unsupported", "a format or feature that is not supported")                               \
    X(NOT_FOUND, "not_found", "no such pipeline, model or file")                                             \
    X(CONFIG, "bad_config", "a configuration file, card or option is wrong")                                 \
    X(MODEL, "bad_model", "a model cannot be loaded or its head cannot be told")                             \
    X(INFERENCE, "inference_failed", "the inference runtime refused to run the model")                       \
    X(BUSY, "busy", "the server has as much work as it admits; try again later")                             \
    X(DEADLINE, "deadline_exceeded", "the deadline of the request has passed or cannot be met")              \
    X(CANCELLED, "cancelled", "the request was cancelled or its client has gone")                            \
    X(DROPPED, "dropped", "another frame of the same stream was given its place")                            \
    X(TIMEOUT, "timeout", "the client did not send in time")                                                 \
    X(IO, "io", "a file or socket operation failed")                                                         \
    X(SHUTDOWN, "shutting_down", "the server is stopping")                                                   \
    X(TOO_MANY, "too_many_requests", "the client has as much work under way as is its share")

enum sg_err_index {
#define SG_ERR_INDEX(name, wire, text) SG_ERR_INDEX_##name,
    SG_ERR_TABLE(SG_ERR_INDEX)
#undef SG_ERR_INDEX
        SG_ERR_COUNT
};

/* 0 is success; every code is negative, so `if (f() < 0)` is the test for failure. */
enum sg_err {
    SG_OK = 0,
#define SG_ERR_CODE(name, wire, text) SG_E_##name = -1 - SG_ERR_INDEX_##name,
    SG_ERR_TABLE(SG_ERR_CODE)
#undef SG_ERR_CODE
};

#define SG_ERROR_TEXT_MAX   512
#define SG_ERROR_DETAIL_MAX 256

struct sg_error {
    enum sg_err code;
    char text[SG_ERROR_TEXT_MAX];     /* for the client: what failed, subject, got, limit, what to change */
    char detail[SG_ERROR_DETAIL_MAX]; /* for the log only; may be empty */
};

/* Sets code and text (truncated to fit, always terminated), clears the detail. err may be NULL.
 * Returns code, so that a function can end with `return sg_error_set(err, SG_E_…, "…");`.
 * The arguments may be err's own text and detail: "no server there: %s", err->text. */
int sg_error_set(struct sg_error *err, enum sg_err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds the private detail to an error already set. */
void sg_error_detail(struct sg_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "prefix: " before the text, as an error travels up through floors that know more. Returns the code. */
int sg_error_prefix(struct sg_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

void sg_error_clear(struct sg_error *err);

/* "bad_image" for SG_E_BAD_IMAGE, "ok" for SG_OK, "internal" for a number that is no code. Never NULL. */
const char *sg_err_name(int code);
/* The code of a wire name of `size` bytes; SG_E_INTERNAL when there is none. */
int sg_err_find(const char *name, size_t size);

#endif
