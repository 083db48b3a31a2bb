/* SPDX-License-Identifier: MIT
 * What a file is that was meant to be an ONNX model and is none, told by its bytes, with what to do about it.
 * Only asked when loading failed. Pure but for sg_file_kind_file; any thread.
 */
#ifndef SG_MODEL_FILE_KIND_H
#define SG_MODEL_FILE_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SG_FILE_KIND_TEXT_MAX 320

/* All bytes of a file. */
struct sg_file_kind {
    const uint8_t *data;
    size_t size;
};

/* Writes the end of a sentence that begins with the file ("is no ONNX file but a web page …") into out; false
 * when the file may well be an ONNX model, or nothing is known of such bytes. */
bool sg_file_kind_file(const char *path, char *out, size_t out_bytes);
bool sg_file_kind_tell(const struct sg_file_kind *file, char *out, size_t out_bytes);

/* Room-private parts. file_kind_pack.c: archives and compressed files, with what is inside. */
bool sg_file_kind_pack(const struct sg_file_kind *file, char *out, size_t out_bytes);
/* file_kind_proto.c: protobuf messages of other frameworks, and ONNX that ends early. */
bool sg_file_kind_proto(const struct sg_file_kind *file, char *out, size_t out_bytes);
/* file_kind_text.c: web pages, XML, JSON, settings and plain text. */
bool sg_file_kind_words(const struct sg_file_kind *file, char *out, size_t out_bytes);
/* Does the file have these bytes there? */
bool sg_file_kind_has(const struct sg_file_kind *file, size_t at, const void *bytes, size_t size);
/* Up to `most` bytes, cut at the first that is no printable ASCII, between quotes. Returns out. */
const char *sg_file_kind_quote(const uint8_t *bytes, size_t size, size_t most, char *out, size_t out_bytes);

#endif
