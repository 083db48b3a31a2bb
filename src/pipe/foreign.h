/* SPDX-License-Identifier: MIT
 * What a file is that was meant to be an ONNX model and is none, told by its bytes, with what to do about it.
 * Only asked when loading failed. Pure but for sg_foreign_file; any thread.
 */
#ifndef SG_PIPE_FOREIGN_H
#define SG_PIPE_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SG_FOREIGN_TEXT_MAX 320

/* All bytes of a file. */
struct sg_foreign {
    const uint8_t *data;
    size_t size;
};

/* Writes the end of a sentence that begins with the file ("is no ONNX file but a web page …") into out; false
 * when the file may well be an ONNX model, or nothing is known of such bytes. */
bool sg_foreign_file(const char *path, char *out, size_t out_bytes);
bool sg_foreign_tell(const struct sg_foreign *file, char *out, size_t out_bytes);

/* Room-private parts. foreign_pack.c: archives and compressed files, with what is inside. */
bool sg_foreign_pack(const struct sg_foreign *file, char *out, size_t out_bytes);
/* foreign_proto.c: protobuf messages of other frameworks, and ONNX that ends early. */
bool sg_foreign_proto(const struct sg_foreign *file, char *out, size_t out_bytes);
/* foreign_text.c: web pages, XML, JSON, settings and plain text. */
bool sg_foreign_words(const struct sg_foreign *file, char *out, size_t out_bytes);
/* Does the file have these bytes there? */
bool sg_foreign_has(const struct sg_foreign *file, size_t at, const void *bytes, size_t size);
/* Up to `most` bytes, cut at the first that is no printable ASCII, between quotes. Returns out. */
const char *sg_foreign_quote(const uint8_t *bytes, size_t size, size_t most, char *out, size_t out_bytes);

#endif
