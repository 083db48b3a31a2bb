/* SPDX-License-Identifier: MIT
 * Results as binary records: packed little-endian structs that `numpy.frombuffer` reads without parsing
 * (docs/PROTOCOL.md, "Result records", has the dtypes). One record block is
 *
 *     head | objects | attributes | floats | texts
 *
 * Offsets count bytes from the start of the block, 0 = absent; every table begins at a multiple of 4. Texts
 * are UTF-8, not terminated. A reader takes the sizes of the structs from the head, so that later versions
 * may append fields, and what earlier ones do not have yet is absent. Pure; any thread.
 */
#ifndef SG_CODEC_RECORD_H
#define SG_CODEC_RECORD_H

#include "base/buf.h"
#include "data/result.h"

#include <stdint.h>

#define SG_RECORD_MAGIC   0x31524753u /* "SGR1" */
#define SG_RECORD_VERSION 1
/* queue, decode, preprocess, detect, postprocess, classify, read, encode, total: later ones go behind */
#define SG_RECORD_STAGES 9
/* Sizes of the first structs: none is shorter. */
#define SG_RECORD_HEAD_LEAST      88
#define SG_RECORD_OBJECT_LEAST    80
#define SG_RECORD_ATTRIBUTE_LEAST 52

struct sg_record_text {
    uint32_t offset, bytes;
};

/* count elements of floats at offset. */
struct sg_record_floats {
    uint32_t offset, count;
};

struct sg_record_head {
    uint32_t magic;
    uint16_t version, head_bytes;
    uint32_t total_bytes;
    uint16_t object_bytes, attribute_bytes; /* of one struct */
    uint32_t width, height;                 /* upright picture */
    uint32_t object_offset, object_count;
    uint32_t attribute_offset, attribute_count; /* the picture's own come first, then those of objects */
    uint32_t picture_attribute_count;
    struct sg_record_text pipeline;
    uint32_t timing_us[SG_RECORD_STAGES];
    struct sg_record_text stream; /* name of the stream that the picture is of */
};

struct sg_record_object {
    float x, y, w, h; /* top left corner and size, pixels of the upright picture */
    int32_t class_id;
    float score;
    int32_t parent; /* index of the object this one was found inside of, or -1 */
    struct sg_record_text label, text;
    float text_score;
    struct sg_record_floats landmarks;         /* triples x, y, score; a score below 0: none */
    struct sg_record_floats quad;              /* 8: x, y clockwise from the top left; or none */
    struct sg_record_floats polygon;           /* pairs x, y */
    uint32_t attribute_first, attribute_count; /* in the table of attributes */
    uint64_t track_id;                         /* 0: none */
};

struct sg_record_attribute {
    struct sg_record_text model, name, label, unit;
    int32_t class_id; /* -1: a value or a vector */
    float score;
    float value;                    /* NaN: none */
    struct sg_record_floats vector; /* embedding */
};

/* The block, appended to out. SG_E_NOMEM, SG_E_TOO_LARGE (out's own limit). */
int sg_record_write(const struct sg_result *result, struct sg_buf *out);
/* Reads one block, of this version, an earlier or a later one, into result (cleared first); everything is
 * copied into the result's own memory. Trusts nothing: whatever does not lie inside the block, counts above
 * the limits of data/result.h and parents that are no object are SG_E_FRAMING. SG_E_UNSUPPORTED (version),
 * SG_E_NOMEM. */
int sg_record_read(const uint8_t *block, size_t size, struct sg_result *result);
/* Puts the times of the result into a block written before; block points at its first byte. */
void sg_record_set_timing(uint8_t *block, const struct sg_result *result);

#endif
