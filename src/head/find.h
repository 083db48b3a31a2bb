/* SPDX-License-Identifier: MIT
 * What every kind needs: finding outputs, checking shapes with the standard words, thresholds, the exporters'
 * metadata and the families' picture conventions. Pure; any thread.
 */
#ifndef SG_HEAD_FIND_H
#define SG_HEAD_FIND_H

#include "head/head.h"

#include <math.h>

/* Index of the output whose name equals name (letter case and a TensorFlow ":0" ignored), or -1. */
int sg_find_output(const struct sg_tensor *outputs, int count, const char *name);
/* Index of the only output whose name contains part (letter case ignored), -1 when none or several do. */
int sg_find_output_with(const struct sg_tensor *outputs, int count, const char *part);
bool sg_name_has(const char *name, const char *part);

/* Is it a number type that has a float meaning and real, readable data? (an empty tensor is) */
bool sg_tensor_readable(const struct sg_tensor *tensor);
/* Sets SG_E_MODEL `output "x": expected 1x(4+C)xN, got 1x84` and returns it. expected is printf text. */
int sg_shape_error(struct sg_error *err, const struct sg_tensor *tensor, const char *expected, ...)
    __attribute__((format(printf, 3, 4)));
/* `"a" 1x84x8400 float32, "b" 1x4 int64`, or "(none)", into out. Returns out. */
const char *sg_outputs_text(const struct sg_tensor *outputs, int count, char *out, size_t out_bytes);
/* Sets SG_E_MODEL `expected outputs …, got "a" 1x84x8400 float32` and returns it. */
int sg_outputs_error(struct sg_error *err, const struct sg_tensor *outputs, int count, const char *expected);
/* SG_OK, or the error above when the shape does not fit or tensor is not readable, or the batch item is
 * outside dims[0] (item < 0: no batch axis). */
int sg_shape_check(struct sg_error *err, const struct sg_tensor *tensor, int item, int rank,
                   const int64_t *want, const char *expected);
/* The graph has fewer outputs than the head reads: SG_E_MODEL. */
int sg_count_check(struct sg_error *err, const char *kind, int count, int need);

/* sg_detections_push with the reason in err. */
int sg_head_push(struct sg_detections *detections, const struct sg_detection *detection,
                 struct sg_error *err);

/* Landmarks of the detection: pairs of numbers, `points`, each at + pair * reach. SG_OK, or as
 * sg_head_points.
 */
int sg_head_put_points(struct sg_detections *detections, struct sg_detection *found, int count,
                       const float *points, struct sg_point at, float reach, struct sg_error *err);

/* Room for count landmarks of the detection, which from then on has them; the first's index in points[], or a
 * negative code with the reason in err. */
int sg_head_points(struct sg_detections *detections, struct sg_detection *found, int count,
                   struct sg_error *err);
/* Landmarks as a tensor holds them: `values` numbers each, x, y and maybe a score (without one it is -1). */
struct sg_landmarks {
    const struct sg_tensor *tensor;
    int64_t first, step; /* flat index of the first x; from one number to the next */
    int count, values;
    float scale[2]; /* input pixels per unit of x and of y */
};
int sg_head_read_points(struct sg_detections *detections, struct sg_detection *found,
                        const struct sg_landmarks *landmarks, struct sg_error *err);

/* The threshold of a class, and the lowest of all (>= 0). */
float sg_head_threshold(const struct sg_head_options *options, int class_id);
float sg_head_lowest_threshold(const struct sg_head_options *options);

/* A class column as an id counted from offset; false for NaN, fractions, what lies below offset or is too
 * large. */
bool sg_class_id(float value, int offset, int *out_class_id);

/* Ultralytics: the classes in metadata `names` ("{0: 'person', 1: 'bicycle'}"), or 0; `task` or "". */
int sg_meta_class_count(const struct sg_signature *signature);
const char *sg_meta_task(const struct sg_signature *signature);
/* First `max` whole numbers in a metadata text such as "[17, 3]" or "32"; returns how many there were. */
int sg_meta_ints(const struct sg_signature *signature, const char *key, int *out, int max);

/* Fills the transform: value = (pixel - mean) / std in the given channel order. */
void sg_guess_transform(struct sg_head_guess *guess, enum sg_channels channels, enum sg_fit fit,
                        const float mean[3], const float std[3], float pad, const char *evidence);
/* The same with one mean and one std for all channels. */
void sg_guess_plain(struct sg_head_guess *guess, enum sg_channels channels, enum sg_fit fit, float mean,
                    float std, float pad, const char *evidence);
/* SG_E_MODEL when the size of the model's input is not known. */
int sg_input_sized(const struct sg_head_spec *spec, struct sg_error *err);
/* One class, "face", with what its kind takes for a face. */
void sg_guess_face(struct sg_head_guess *guess, float threshold, float iou);
/* class_count, and labels "coco80" when it is 80 (metadata names are taken by the caller of the head). */
void sg_guess_classes(struct sg_head_guess *guess, int class_count);

/* Cells of the grids over the input: sum over strides of ceil(H/s) * ceil(W/s). */
int64_t sg_grid_cells(int width, int height, const int *strides, int stride_count);

/* Is n a whole number (anchors) of boxes for each cell of the usual pyramids (strides 8,16,32; also with 4,
 * 64 or 128, or the card's strides) over the input? anchors >= 1. */
bool sg_is_grid(const struct sg_head_spec *spec, int64_t n, int anchors);
/* Least and most of n elements of the flat tensor from first on, step apart; NaN is passed over, and out of
 * nothing come 0 and 0. For the probe's values: a cold path. */
void sg_range(const struct sg_tensor *tensor, int64_t first, int64_t step, int64_t n, float *out_least,
              float *out_most);

/* log(p / (1 - p)); -INFINITY at and below 0, INFINITY at and above 1. */
float sg_logit(float probability);

/* 1 / (1 + exp(-x)) */
static inline float sg_sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

/* exp(x_i - max) / sum, in place; the maximum is taken off so that nothing overflows. */
void sg_softmax(float *values, int count);

#endif
