/* SPDX-License-Identifier: MIT
 * Helpers of the kinds; see find.h.
 */
#include "head/find.h"

#include "data/literal.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static size_t bare_length(const char *name)
{
    size_t length = strlen(name);

    return length > 2 && strcmp(name + length - 2, ":0") == 0 ? length - 2 : length;
}

int sg_find_output(const struct sg_tensor *outputs, int count, const char *name)
{
    size_t length = strlen(name);
    int i;

    for (i = 0; i < count; i++)
        if (outputs[i].name && bare_length(outputs[i].name) == length &&
            strncasecmp(outputs[i].name, name, length) == 0)
            return i;
    return -1;
}

bool sg_name_has(const char *name, const char *part)
{
    return name && strcasestr(name, part);
}

int sg_find_output_with(const struct sg_tensor *outputs, int count, const char *part)
{
    int found = -1, i;

    for (i = 0; i < count; i++) {
        if (!sg_name_has(outputs[i].name, part))
            continue;
        if (found >= 0)
            return -1;
        found = i;
    }
    return found;
}

bool sg_tensor_readable(const struct sg_tensor *tensor)
{
    int64_t count = sg_tensor_count(tensor);

    return tensor->dtype != SG_DTYPE_OTHER && count >= 0 && (count == 0 || tensor->data);
}

int sg_shape_error(struct sg_error *err, const struct sg_tensor *tensor, const char *expected, ...)
{
    char want[160], got[96];
    va_list args;

    va_start(args, expected);
    vsnprintf(want, sizeof(want), expected, args);
    va_end(args);
    return sg_error_set(
        err, SG_E_MODEL, "output \"%s\": expected %s, got %s %s", tensor->name ? tensor->name : "", want,
        sg_dims_text(tensor->dims, tensor->rank, got, sizeof(got)), sg_dtype_name(tensor->dtype));
}

const char *sg_outputs_text(const struct sg_tensor *outputs, int count, char *out, size_t out_bytes)
{
    char dims[64];
    size_t used = 0;
    int i;

    snprintf(out, out_bytes, "(none)");
    for (i = 0; i < count && used < out_bytes; i++) {
        int n = snprintf(out + used, out_bytes - used, "%s\"%s\" %s %s", i ? ", " : "",
                         outputs[i].name ? outputs[i].name : "",
                         sg_dims_text(outputs[i].dims, outputs[i].rank, dims, sizeof(dims)),
                         sg_dtype_name(outputs[i].dtype));

        used += n > 0 ? (size_t)n : 0;
    }
    return out;
}

int sg_outputs_error(struct sg_error *err, const struct sg_tensor *outputs, int count, const char *expected)
{
    char got[256];

    return sg_error_set(err, SG_E_MODEL, "expected outputs %s, got %s", expected,
                        sg_outputs_text(outputs, count, got, sizeof(got)));
}

int sg_shape_check(struct sg_error *err, const struct sg_tensor *tensor, int item, int rank,
                   const int64_t *want, const char *expected)
{
    if (!sg_shape_is(tensor, rank, want) || !sg_tensor_readable(tensor))
        return sg_shape_error(err, tensor, "%s", expected);
    if (item >= 0 && (rank < 1 || item >= tensor->dims[0]))
        return sg_shape_error(err, tensor, "%s with at least %d pictures", expected, item + 1);
    return SG_OK;
}

int sg_count_check(struct sg_error *err, const char *kind, int count, int need)
{
    if (count >= need)
        return SG_OK;
    return sg_error_set(err, SG_E_MODEL, "head %s: expected %d outputs, got %d", kind, need, count);
}

int sg_head_push(struct sg_detections *detections, const struct sg_detection *detection, struct sg_error *err)
{
    int code = sg_detections_push(detections, detection);

    if (code == SG_E_TOO_LARGE)
        sg_error_set(err, SG_E_TOO_LARGE, "more than %d candidates pass the threshold; raise `threshold`",
                     SG_HEAD_MAX_DETECTIONS);
    else if (code < 0)
        sg_error_set(err, SG_E_NOMEM, "out of memory while listing detections");
    return code;
}

int sg_head_points(struct sg_detections *detections, struct sg_detection *found, int count,
                   struct sg_error *err)
{
    int first = sg_detections_points(detections, count);

    if (first == SG_E_TOO_LARGE)
        return sg_error_set(err, first, "%d landmarks more are too many in one picture; raise `threshold`",
                            count);
    if (first < 0)
        return sg_error_set(err, first, "out of memory while listing points");
    found->first_point = first;
    found->point_count = count;
    return first;
}

int sg_head_put_points(struct sg_detections *detections, struct sg_detection *found, int count,
                       const float *points, struct sg_point at, float reach, struct sg_error *err)
{
    int first = sg_head_points(detections, found, count, err), k;

    for (k = 0; k < count && first >= 0; k++)
        detections->points[first + k] = (struct sg_keypoint){
            .x = at.x + points[2 * k] * reach, .y = at.y + points[2 * k + 1] * reach, .score = -1.0f};
    return first < 0 ? first : SG_OK;
}

int sg_head_read_points(struct sg_detections *detections, struct sg_detection *found,
                        const struct sg_landmarks *landmarks, struct sg_error *err)
{
    int first = sg_head_points(detections, found, landmarks->count, err), k;

    for (k = 0; k < landmarks->count && first >= 0; k++) {
        int64_t x = landmarks->first + (int64_t)k * landmarks->values * landmarks->step;
        int64_t y = x + landmarks->step;

        detections->points[first + k] = (struct sg_keypoint){
            .x = landmarks->scale[0] * sg_tensor_at(landmarks->tensor, x),
            .y = landmarks->scale[1] * sg_tensor_at(landmarks->tensor, y),
            .score = landmarks->values == 3 ? sg_tensor_at(landmarks->tensor, y + landmarks->step) : -1.0f};
    }
    return first < 0 ? first : SG_OK;
}

float sg_head_threshold(const struct sg_head_options *options, int class_id)
{
    if (options->class_thresholds && class_id >= 0 && class_id < options->class_threshold_count &&
        options->class_thresholds[class_id] >= 0.0f)
        return options->class_thresholds[class_id];
    return options->threshold;
}

float sg_head_lowest_threshold(const struct sg_head_options *options)
{
    float lowest = options->threshold;
    int i;

    for (i = 0; options->class_thresholds && i < options->class_threshold_count; i++)
        if (options->class_thresholds[i] >= 0.0f && options->class_thresholds[i] < lowest)
            lowest = options->class_thresholds[i];
    return lowest;
}

bool sg_class_id(float value, int offset, int *out_class_id)
{
    if (!(value >= (float)offset && value < (float)offset + SG_HEAD_MAX_CLASSES) || value != floorf(value))
        return false;
    *out_class_id = (int)value - offset;
    return true;
}

int sg_meta_class_count(const struct sg_signature *signature)
{
    const char *names = sg_signature_meta(signature, "names");
    int count = names ? sg_literal_names(names, strlen(names), NULL, NULL) : 0;

    return count > 0 && count <= SG_HEAD_MAX_CLASSES ? count : 0;
}

const char *sg_meta_task(const struct sg_signature *signature)
{
    const char *task = sg_signature_meta(signature, "task");

    return task ? task : "";
}

int sg_meta_ints(const struct sg_signature *signature, const char *key, int *out, int max)
{
    const char *at = sg_signature_meta(signature, key);
    int found = 0;

    while (at && *at && found < max) {
        char *end;
        long value;

        if (!isdigit((unsigned char)*at)) {
            at++;
            continue;
        }
        value = strtol(at, &end, 10);
        out[found++] = value > 1 << 20 ? 1 << 20 : (int)value;
        at = end;
    }
    return found;
}

void sg_guess_transform(struct sg_head_guess *guess, enum sg_channels channels, enum sg_fit fit,
                        const float mean[3], const float std[3], float pad, const char *evidence)
{
    int c;

    guess->transform.channels = channels;
    guess->transform.fit = fit;
    for (c = 0; c < 3; c++) {
        guess->transform.mean[c] = mean[c];
        guess->transform.std[c] = std[c];
        guess->transform.pad[c] = pad;
    }
    snprintf(guess->transform_evidence, sizeof(guess->transform_evidence), "%s", evidence);
}

void sg_guess_plain(struct sg_head_guess *guess, enum sg_channels channels, enum sg_fit fit, float mean,
                    float std, float pad, const char *evidence)
{
    const float means[3] = {mean, mean, mean}, stds[3] = {std, std, std};

    sg_guess_transform(guess, channels, fit, means, stds, pad, evidence);
}

int sg_input_sized(const struct sg_head_spec *spec, struct sg_error *err)
{
    if (spec->input_width > 0 && spec->input_height > 0)
        return SG_OK;
    return sg_error_set(err, SG_E_MODEL, "the model's input size is not known; set `width` and `height`");
}

void sg_guess_face(struct sg_head_guess *guess, float threshold, float iou)
{
    guess->threshold = threshold;
    guess->iou = iou;
    guess->class_count = 1;
    snprintf(guess->labels, sizeof(guess->labels), "face");
}

void sg_guess_classes(struct sg_head_guess *guess, int class_count)
{
    guess->class_count = class_count;
    if (class_count == 80)
        snprintf(guess->labels, sizeof(guess->labels), "coco80");
}

int64_t sg_grid_cells(int width, int height, const int *strides, int stride_count)
{
    int64_t cells = 0;
    int i;

    for (i = 0; i < stride_count; i++)
        if (strides[i] > 0)
            cells +=
                (int64_t)((width + strides[i] - 1) / strides[i]) * ((height + strides[i] - 1) / strides[i]);
    return cells;
}

bool sg_is_grid(const struct sg_head_spec *spec, int64_t n, int anchors)
{
    static const int pyramids[][5] = {
        {8, 16, 32}, {8, 16, 32, 64}, {4, 8, 16, 32}, {16, 32}, {8, 16, 32, 64, 128}};
    static const int counts[] = {3, 4, 4, 2, 5};
    int i;

    if (spec->input_width <= 0 || spec->input_height <= 0 || n <= 0)
        return false;
    if (spec->stride_count > 0)
        return n == anchors * sg_grid_cells(spec->input_width, spec->input_height, spec->strides,
                                            spec->stride_count);
    for (i = 0; i < (int)(sizeof(counts) / sizeof(counts[0])); i++)
        if (n == anchors * sg_grid_cells(spec->input_width, spec->input_height, pyramids[i], counts[i]))
            return true;
    return false;
}

void sg_range(const struct sg_tensor *tensor, int64_t first, int64_t step, int64_t n, float *out_least,
              float *out_most)
{
    float least = INFINITY, most = -INFINITY;
    int64_t i;

    for (i = 0; i < n; i++) {
        float value = sg_tensor_at(tensor, first + i * step);

        least = value < least ? value : least;
        most = value > most ? value : most;
    }
    *out_least = least <= most ? least : 0.0f;
    *out_most = least <= most ? most : 0.0f;
}

float sg_logit(float probability)
{
    if (probability <= 0.0f)
        return -INFINITY;
    return probability >= 1.0f ? INFINITY : logf(probability / (1.0f - probability));
}

void sg_softmax(float *values, int count)
{
    float most = -INFINITY, sum = 0.0f;
    int i;

    for (i = 0; i < count; i++)
        most = values[i] > most ? values[i] : most;
    for (i = 0; i < count; i++) {
        values[i] = expf(values[i] - most);
        sum += values[i];
    }
    for (i = 0; i < count; i++)
        values[i] /= sum;
}
