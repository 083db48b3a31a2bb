/* SPDX-License-Identifier: MIT
 * What a pipeline found in one picture. A result owns an arena: every array and copied string in it lives
 * until sg_result_clear or sg_result_fini. One owner at a time.
 */
#ifndef SG_DATA_RESULT_H
#define SG_DATA_RESULT_H

#include "data/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SG_RESULT_MAX_OBJECTS 4096
#define SG_RESULT_MAX_BYTES   ((size_t)64 << 20) /* of one result's arena */

/* Stages of a frame, microseconds each; the names are those of the native reply's timing_us. */
#define SG_STAGE_TABLE(X)                                                                                    \
    X(QUEUE, "queue")                                                                                        \
    X(DECODE, "decode")                                                                                      \
    X(PREPROCESS, "preprocess")                                                                              \
    X(DETECT, "detect")                                                                                      \
    X(POSTPROCESS, "postprocess")                                                                            \
    X(CLASSIFY, "classify")                                                                                  \
    X(READ, "read")                                                                                          \
    X(ENCODE, "encode")                                                                                      \
    X(TOTAL, "total")

enum sg_stage {
#define SG_STAGE_INDEX(name, wire) SG_STAGE_##name,
    SG_STAGE_TABLE(SG_STAGE_INDEX)
#undef SG_STAGE_INDEX
        SG_STAGE_COUNT
};

const char *sg_stage_name(enum sg_stage stage);

/* What a second model says of an object (or of the whole picture). Absent parts: label NULL, class_id -1,
 * has_value false, vector NULL. */
struct sg_attribute {
    const char *model; /* name of the model, "expression" */
    const char *name;  /* what is measured where one model says several things ("gender", "age"), else NULL */
    int class_id;      /* >= 0, or -1 for a value or a vector */
    const char *label; /* label of class_id, or NULL */
    float score;       /* probability of class_id, 0..1 */
    bool has_value;
    float value;         /* regression result, e.g. an age */
    const char *unit;    /* of value ("years"), or NULL */
    const float *vector; /* embedding, L2-normalised, or NULL */
    int vector_length;
};

struct sg_keypoint {
    float x, y;  /* original pixels */
    float score; /* visibility 0..1; negative when the model gives none */
};

struct sg_object {
    struct sg_box box; /* original pixels, clipped to the picture */
    int class_id;
    const char *label; /* NULL when the class has no name */
    float score;       /* 0..1 */
    const struct sg_keypoint *landmarks;
    int landmark_count;
    bool has_quad;
    struct sg_point quad[4];        /* clockwise from the top left of the text line, original pixels */
    const char *text;               /* UTF-8, or NULL */
    float text_score;               /* mean character probability 0..1 */
    const struct sg_point *polygon; /* outline of the mask, original pixels, or NULL */
    int polygon_count;
    struct sg_attribute *attributes; /* in the order of the pipeline's stages */
    int attribute_count;
    int parent;        /* index of the object this one was found inside of, or -1 */
    uint64_t track_id; /* what is followed through a stream, a number that nothing else ever gets; 0 = none */
};

struct sg_result_chunk;

struct sg_result {
    const char *pipeline;      /* name, borrowed from the pipeline */
    const char *stream;        /* name of the stream that the picture is of, borrowed; NULL = of none */
    int width, height;         /* upright original picture; 0 before decode */
    struct sg_object *objects; /* best first */
    int object_count;
    struct sg_attribute *attributes; /* of the whole picture: a pipeline that only classifies */
    int attribute_count;
    int64_t timing_us[SG_STAGE_COUNT];
    float decode_scale; /* decoded pixels per pixel of the picture, on an axis; 0 = none was decoded */
    struct sg_result_chunk *chunks; /* private: the arena */
    size_t arena_bytes;
};

/* Forgets the content, keeps one chunk of memory for reuse. */
void sg_result_clear(struct sg_result *result);
void sg_result_fini(struct sg_result *result);
/* Zeroed memory that lives as long as the content, 16-byte aligned; NULL when memory or SG_RESULT_MAX_BYTES
 * ran out. */
void *sg_result_alloc(struct sg_result *result, size_t bytes);
/* A copy of size bytes of text plus NUL; NULL as above. */
char *sg_result_strdup(struct sg_result *result, const char *text, size_t size);

#endif
