/* SPDX-License-Identifier: MIT
 * Axes of a text reader's output; see ctc_layout.h.
 */
#include "head/ctc_layout.h"

#include "head/find.h"

#define MAX_STEPS 65536

static bool whole(enum sg_dtype dtype)
{
    return dtype == SG_DTYPE_I64 || dtype == SG_DTYPE_I32;
}

/* Pictures of the probe: one, or as many as the graph is fixed at. */
static int64_t pictures(const struct sg_signature *signature)
{
    int i;

    for (i = 0; i < signature->input_count; i++)
        if (signature->inputs[i].rank == 4)
            return signature->inputs[i].dims[0] > 1 ? signature->inputs[i].dims[0] : 1;
    return 1;
}

/* Axes longer than one, but for the first two of those that could be the pictures' or the steps'. Fills axes
 * and returns how many: 1xKx1xT has as many as 1xKxT. */
static int squeeze(const struct sg_tensor *tensor, int most, int axes[4])
{
    int count = 0, spare = tensor->rank - most, i;

    for (i = 0; i < tensor->rank; i++) {
        if (spare > 0 && i > 0 && tensor->dims[i] == 1)
            spare--;
        else
            axes[count++] = i;
    }
    return spare > 0 ? 0 : count;
}

/* Distance of neighbours along an axis, in elements. */
static int64_t distance(const struct sg_tensor *tensor, int axis)
{
    int64_t distance = 1;
    int i;

    for (i = axis + 1; i < tensor->rank; i++)
        distance *= tensor->dims[i];
    return distance;
}

bool sg_ctc_adds_up(const struct sg_tensor *tensor, const struct sg_ctc_steps *steps, int64_t classes)
{
    int64_t every = steps->count > 8 ? steps->count / 8 : 1, t, k;

    for (t = 0; t < steps->count; t += every) {
        float sum = 0.0f;

        for (k = 0; k < classes; k++) {
            float value = sg_tensor_at(tensor, steps->first + t * steps->step + k * steps->class_);

            if (!(value >= 0.0f && value <= 1.0f))
                return false;
            sum += value;
        }
        if (!(fabsf(sum - 1.0f) < 0.02f))
            return false;
    }
    return steps->count > 0;
}

/* Do the values of the first picture add up to one along that axis of classes? */
static bool adds_up(const struct sg_tensor *tensor, int step_axis, int class_axis)
{
    struct sg_ctc_steps steps = {
        .count = tensor->dims[step_axis],
        .step = distance(tensor, step_axis),
        .class_ = distance(tensor, class_axis),
    };

    return sg_ctc_adds_up(tensor, &steps, tensor->dims[class_axis]);
}

/* Is so long an axis that of the alphabet: with a blank and a space, with a blank, or all in the labels? */
static bool fits(int64_t length, int labels)
{
    return labels > 1 && (length == labels || length == labels + 1 || length == labels + 2);
}

static int tell_scores(const struct sg_tensor *tensor, int64_t n, const struct sg_head_spec *spec,
                       struct sg_ctc_layout *out, struct sg_error *err)
{
    int axes[4], count = squeeze(tensor, tensor->rank < 3 ? 2 : 3, axes);

    if (count == 3 && tensor->dims[axes[0]] == n) {
        bool second =
            fits(tensor->dims[axes[1]], spec->class_count) && !fits(tensor->dims[axes[2]], spec->class_count);
        bool last = fits(tensor->dims[axes[2]], spec->class_count);

        second = second || (!last && adds_up(tensor, axes[2], axes[1]) && !adds_up(tensor, axes[1], axes[2]));
        out->item = axes[0];
        out->step = axes[second ? 2 : 1];
        out->class_ = axes[second ? 1 : 2];
    } else if (count == 3 && tensor->dims[axes[1]] == n) {
        out->step = axes[0];
        out->item = axes[1];
        out->class_ = axes[2];
    } else if (count == 2 && tensor->dims[axes[0]] > 1) {
        out->item = -1;
        out->step = axes[0];
        out->class_ = axes[1];
    } else {
        return sg_shape_error(
            err, tensor, "NxTxK, TxNxK or TxK: T steps of K characters and a blank, N = %lld", (long long)n);
    }
    if (tensor->dims[out->class_] < 2 || tensor->dims[out->class_] > SG_HEAD_MAX_CLASSES ||
        tensor->dims[out->step] > MAX_STEPS)
        return sg_shape_error(err, tensor, "NxTxK with 2 to %d classes and at most %d steps",
                              SG_HEAD_MAX_CLASSES, MAX_STEPS);
    out->classes = (int)tensor->dims[out->class_];
    return SG_OK;
}

/* NxT, TxN, or T alone. */
static int tell_ids(const struct sg_tensor *tensor, int64_t n, struct sg_ctc_layout *out,
                    struct sg_error *err)
{
    int axes[4], count = squeeze(tensor, tensor->rank < 2 ? 1 : 2, axes);

    out->class_ = -1;
    if (count == 1) {
        out->item = -1;
        out->step = axes[0];
    } else if (count == 2 && (tensor->dims[axes[0]] == n || tensor->dims[axes[1]] == n)) {
        out->item = axes[tensor->dims[axes[0]] == n ? 0 : 1];
        out->step = axes[tensor->dims[axes[0]] == n ? 1 : 0];
    } else {
        return sg_shape_error(err, tensor, "class ids NxT or TxN, N = %lld", (long long)n);
    }
    if (tensor->dims[out->step] > MAX_STEPS)
        return sg_shape_error(err, tensor, "class ids of at most %d steps", MAX_STEPS);
    return SG_OK;
}

/* Whole numbers in a float tensor, some above one: ids, which no score can be. */
static bool ids_as_floats(const struct sg_tensor *tensor)
{
    int64_t n = sg_tensor_count(tensor), i;
    bool above = false;

    for (i = 0; i < n; i++) {
        float value = sg_tensor_at(tensor, i);

        if (!(value == floorf(value)))
            return false;
        above = above || value > 1.0f;
    }
    return above;
}

/* Which output has the steps: scores before ids, since they say more. */
static int find_steps(const struct sg_tensor *outputs, int count, bool *out_ids)
{
    int i;

    *out_ids = false;
    for (i = 0; i < count; i++)
        if (!whole(outputs[i].dtype) && sg_tensor_readable(&outputs[i]) && outputs[i].rank >= 2 &&
            outputs[i].rank <= 4 && outputs[i].dims[outputs[i].rank - 1] > 1 &&
            (outputs[i].rank > 2 || outputs[i].dims[0] > 1))
            return i;
    *out_ids = true;
    for (i = 0; i < count; i++)
        if (sg_tensor_readable(&outputs[i]) && outputs[i].rank >= 1 && outputs[i].rank <= 4 &&
            (whole(outputs[i].dtype) || ids_as_floats(&outputs[i])))
            return i;
    return -1;
}

int sg_ctc_tell(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, struct sg_ctc_layout *out, struct sg_error *err)
{
    int64_t n = pictures(signature);
    bool ids;
    int i, code;

    *out = (struct sg_ctc_layout){.output = find_steps(outputs, count, &ids), .scores = -1};
    if (out->output < 0)
        return sg_outputs_error(err, outputs, count,
                                "of a text reader: scores NxTxK, TxNxK or TxK, or class ids NxT");
    out->rank = outputs[out->output].rank;
    code = ids ? tell_ids(&outputs[out->output], n, out, err)
               : tell_scores(&outputs[out->output], n, spec, out, err);
    for (i = 0; i < count && ids && code == SG_OK; i++)
        if (i != out->output && !whole(outputs[i].dtype) && sg_tensor_readable(&outputs[i]) &&
            sg_tensor_count(&outputs[i]) == sg_tensor_count(&outputs[out->output]))
            out->scores = i;
    return code;
}

int sg_ctc_steps(const struct sg_ctc_layout *layout, const struct sg_tensor *outputs, int count, int item,
                 struct sg_ctc_steps *out, struct sg_error *err)
{
    const struct sg_tensor *tensor;
    int last = layout->output > layout->scores ? layout->output : layout->scores;
    int code = sg_count_check(err, "ctc", count, last + 1);

    if (code < 0)
        return code;
    tensor = &outputs[layout->output];
    item = item < 0 ? 0 : item;
    if (tensor->rank != layout->rank || !sg_tensor_readable(tensor) ||
        (layout->class_ >= 0 && tensor->dims[layout->class_] != layout->classes) ||
        item >= (layout->item < 0 ? 1 : tensor->dims[layout->item]))
        return sg_shape_error(err, tensor,
                              "the axes of the start, with %d classes, and picture %d of the batch",
                              layout->classes, item);
    *out = (struct sg_ctc_steps){
        .first = layout->item < 0 ? 0 : item * distance(tensor, layout->item),
        .count = tensor->dims[layout->step],
        .step = distance(tensor, layout->step),
        .class_ = layout->class_ < 0 ? 0 : distance(tensor, layout->class_),
    };
    if (layout->scores >= 0 && sg_tensor_count(&outputs[layout->scores]) != sg_tensor_count(tensor))
        return sg_shape_error(err, &outputs[layout->scores], "a probability for each class id");
    return SG_OK;
}
