/* SPDX-License-Identifier: MIT
 * Classifiers: every output NxC, NxCx1x1, Nx1x1xC with two classes or more is one set of classes, every Nx1 a
 * value (an age). Whether a softmax is still to be done is told from the values of the probe. With
 * `embedding` the outputs are vectors and come back L2-normalised.
 */
#include "head/find.h"
#include "head/kinds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SETS SG_SIGNATURE_MAX_IO

enum finish { FINISH_NONE, FINISH_SOFTMAX, FINISH_SIGMOID };

struct set {
    int output, length; /* length 1: a value */
    enum finish finish;
    char name[SG_TENSOR_NAME_MAX];
};

struct classify {
    int set_count;
    int total; /* numbers of one picture in all sets */
    bool embedding;
    bool named; /* several outputs: answers carry their names */
    struct set sets[MAX_SETS];
};

/* Numbers per picture when all dimensions behind the first but one are 1, else 0. A vector without a batch
 * axis counts as one picture. */
static int64_t flat_length(const struct sg_tensor *tensor)
{
    int64_t length = 1;
    int i, wide = 0;

    if (tensor->rank < 1 || tensor->rank > 4 || !sg_tensor_readable(tensor))
        return 0;
    for (i = tensor->rank == 1 ? 0 : 1; i < tensor->rank; i++) {
        wide += tensor->dims[i] > 1;
        length *= tensor->dims[i];
    }
    return wide <= 1 ? length : 0;
}

enum looks { LOOKS_SOFTMAX, LOOKS_UNIT, LOOKS_LOGITS };

static enum looks look(const struct sg_tensor *tensor, int64_t length)
{
    float sum = 0.0f;
    int64_t i;

    for (i = 0; i < length; i++) {
        float value = sg_tensor_at(tensor, i);

        if (!(value >= 0.0f && value <= 1.0f))
            return LOOKS_LOGITS;
        sum += value;
    }
    return fabsf(sum - 1.0f) < 0.02f ? LOOKS_SOFTMAX : LOOKS_UNIT;
}

static enum finish choose_finish(const struct sg_head_spec *spec, enum looks looks)
{
    switch (spec->scores) {
    case SG_SCORES_PROBABILITY:
        return FINISH_NONE;
    case SG_SCORES_LOGITS_SOFTMAX:
        return FINISH_SOFTMAX;
    case SG_SCORES_LOGITS_SIGMOID:
        return FINISH_SIGMOID;
    case SG_SCORES_MULTILABEL:
        return looks == LOOKS_LOGITS ? FINISH_SIGMOID : FINISH_NONE;
    case SG_SCORES_DECIDE:
        break;
    }
    return looks == LOOKS_LOGITS ? FINISH_SOFTMAX : FINISH_NONE;
}

/* Transformers' exports have a sequence beside the vector (last_hidden_state, pooler_output). It is passed
 * over only when the card asks for this head: a graph of unknown outputs is no classifier because one of them
 * is flat. */
static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    struct classify *state = opaque;
    bool asked = spec->embedding || strcmp(spec->kind, "classify") == 0;
    int i;

    (void)signature;
    for (i = 0; i < count && state->set_count < MAX_SETS; i++) {
        int64_t length = flat_length(&outputs[i]);
        struct set *set = &state->sets[state->set_count];

        if ((length < 1 || length > SG_HEAD_MAX_CLASSES) && asked && (i < count - 1 || state->set_count > 0))
            continue;
        if (length < 1 || length > SG_HEAD_MAX_CLASSES)
            return sg_shape_error(err, &outputs[i],
                                  "NxC, NxCx1x1 or Nx1x1xC with 1 to %d classes of real numbers",
                                  SG_HEAD_MAX_CLASSES);
        set->output = i;
        set->length = (int)length;
        if (length > 1 && !spec->embedding && sg_tensor_count(&outputs[i]) >= length)
            set->finish = choose_finish(spec, look(&outputs[i], length));
        snprintf(set->name, sizeof(set->name), "%s", outputs[i].name ? outputs[i].name : "");
        state->total += set->length;
        state->set_count++;
    }
    if (state->set_count == 0)
        return sg_error_set(err, SG_E_MODEL, "expected an output, got none");
    state->embedding = spec->embedding;
    state->named = state->set_count > 1;
    return SG_OK;
}

/* Caffe's habits show in its names: data or data_0 in, softmaxout_1 or prob out. */
static bool caffe_like(const struct sg_signature *signature)
{
    const char *in = signature->input_count ? signature->inputs[0].name : "";
    const char *out = signature->output_count ? signature->outputs[0].name : "";

    return strcmp(in, "data_0") == 0 || sg_name_has(out, "softmaxout") ||
           (strcmp(in, "data") == 0 && strcmp(out, "prob") == 0);
}

/* What the metadata says of the pictures. Ultralytics' `classify_transforms`: the shorter side to imgsz,
 * centre crop, / 255 and nothing else; YOLOv5's classifiers (`names` and `stride`, no `task`) the same with
 * ImageNet's mean and std. Inputs that are not square are stretched. */
static bool guess_ultralytics(const struct sg_signature *signature, const struct sg_head_spec *spec,
                              struct sg_head_guess *guess)
{
    static const float mean[3] = {123.675f, 116.28f, 103.53f}, std[3] = {58.395f, 57.12f, 57.375f};
    bool stated = strcmp(sg_meta_task(signature), "classify") == 0;
    enum sg_fit fit = spec->input_width == spec->input_height ? SG_FIT_CENTER_CROP : SG_FIT_STRETCH;

    if (!stated && (sg_meta_task(signature)[0] || !sg_signature_meta(signature, "stride") ||
                    sg_meta_class_count(signature) == 0))
        return false;
    if (stated)
        sg_guess_plain(guess, SG_CHANNELS_RGB, fit, 0.0f, 255.0f, 0.0f,
                       "Ultralytics (metadata `task: classify`): RGB/255, no mean, shorter side = imgsz");
    else
        sg_guess_transform(guess, SG_CHANNELS_RGB, fit, mean, std, 0.0f,
                           "YOLOv5 (metadata `names` and `stride`): RGB, mean and std of ImageNet, shorter "
                           "side = imgsz");
    if (fit == SG_FIT_CENTER_CROP)
        guess->transform.shorter_side = spec->input_width;
    guess->dynamic_side = 224;
    return true;
}

static void guess_picture(const struct sg_signature *signature, const struct sg_head_spec *spec,
                          struct sg_head_guess *guess)
{
    static const float caffe[3] = {104.0f, 117.0f, 123.0f}, one[3] = {1.0f, 1.0f, 1.0f};
    static const float mean[3] = {123.675f, 116.28f, 103.53f}, std[3] = {58.395f, 57.12f, 57.375f};
    int side = spec->input_width < spec->input_height ? spec->input_width : spec->input_height;
    bool square = spec->input_width == spec->input_height;
    enum sg_fit fit = square && side >= 160 ? SG_FIT_CENTER_CROP : SG_FIT_STRETCH;

    if (guess_ultralytics(signature, spec, guess))
        return;
    if (caffe_like(signature)) {
        sg_guess_transform(guess, SG_CHANNELS_BGR, fit, caffe, one, 0.0f,
                           "names as Caffe gives them: BGR minus 104, 117, 123");
        snprintf(
            guess->ambiguity, sizeof(guess->ambiguity),
            "names are weak evidence; if classes come out wrong set `input: {color, mean, std, resize}`");
    } else {
        sg_guess_transform(guess, SG_CHANNELS_RGB, fit, mean, std, 0.0f,
                           fit == SG_FIT_CENTER_CROP
                               ? "ImageNet habit: RGB, mean and std of ImageNet, centre crop"
                               : "assumed: RGB, mean and std of ImageNet, stretched");
        snprintf(guess->ambiguity, sizeof(guess->ambiguity),
                 "a graph does not say how its pictures were prepared; set `input: {color, mean, std, "
                 "resize}` to what it was trained with");
    }
    if (fit == SG_FIT_CENTER_CROP) /* torchvision: 256 for 224 */
        guess->transform.shorter_side = (int)lroundf((float)side / 0.875f);
}

/* Ultralytics' word for a task that is not ours: one row of its table would pass for classes. */
static bool stated_otherwise(const struct sg_signature *signature)
{
    static const char *const others[] = {"detect", "segment", "pose", "obb"};
    size_t i;

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strcmp(sg_meta_task(signature), others[i]) == 0)
            return true;
    return false;
}

/* A table of detections has rows of its own number; a classifier has one row per picture of the probe. */
static bool row_per_picture(const struct sg_signature *signature, const struct sg_tensor *outputs, int count)
{
    const struct sg_slot *input = &signature->inputs[0];
    int64_t pictures = input->rank == 4 && input->dims[0] > 0 ? input->dims[0] : 1;
    int i;

    if (signature->input_count == 0)
        return true;
    for (i = 0; i < count; i++)
        if (outputs[i].rank > 1 && outputs[i].dims[0] != pictures)
            return false;
    return true;
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct classify state = {0};
    const struct set *first = &state.sets[0];
    char values[32] = "";
    int i, numbers = 0;

    if (stated_otherwise(signature) || !row_per_picture(signature, outputs, count) ||
        init(signature, outputs, count, spec, &state, NULL) < 0)
        return;
    for (i = 0; i < state.set_count; i++) {
        numbers += state.sets[i].length == 1;
        if (first->length == 1)
            first = &state.sets[i];
    }
    /* Below every detector: its shapes say little. */
    guess->confidence = strcmp(sg_meta_task(signature), "classify") == 0 ? 98 : 40;
    if (numbers)
        snprintf(values, sizeof(values), " and %d value%s", numbers, numbers > 1 ? "s" : "");
    if (spec->embedding)
        snprintf(guess->evidence, sizeof(guess->evidence), "asked for: a vector of %d numbers",
                 state.sets[0].length);
    else
        snprintf(guess->evidence, sizeof(guess->evidence), "%d output%s: %d classes in \"%.64s\" (%s)%s",
                 state.set_count, state.set_count > 1 ? "s" : "", first->length, first->name,
                 first->finish == FINISH_SOFTMAX   ? "logits, softmax is done here"
                 : first->finish == FINISH_SIGMOID ? "logits, sigmoid is done here"
                                                   : "already 0..1",
                 values);
    guess_picture(signature, spec, guess);
    guess->class_count = first->length > 1 && !spec->embedding ? first->length : 0;
}

/* Copies one picture's numbers; the shape must be that of the start. */
static int copy(const struct set *set, const struct sg_tensor *tensor, int item, float *into,
                struct sg_error *err)
{
    int64_t pictures = tensor->rank == 1 ? 1 : tensor->rank > 1 ? tensor->dims[0] : 0;
    int64_t i;

    if (flat_length(tensor) != set->length || item < 0 || item >= pictures)
        return sg_shape_error(err, tensor, "%d numbers for picture %d of the batch", set->length, item);
    if (tensor->dtype == SG_DTYPE_F32)
        memcpy(into, (const float *)tensor->data + (int64_t)item * set->length,
               (size_t)set->length * sizeof(*into));
    else
        for (i = 0; i < set->length; i++)
            into[i] = sg_tensor_at(tensor, (int64_t)item * set->length + i);
    return SG_OK;
}

static void finish(const struct set *set, float *values)
{
    int i;

    if (set->finish == FINISH_SOFTMAX)
        sg_softmax(values, set->length);
    for (i = 0; set->finish == FINISH_SIGMOID && i < set->length; i++)
        values[i] = sg_sigmoid(values[i]);
}

/* The best top_k by insertion; numbers that are not finite are passed over. */
static void rank(const struct set *set, const char *name, const float *values, int top_k,
                 struct sg_answers *out)
{
    struct sg_answer *list = &out->items[out->count];
    int room = SG_HEAD_MAX_ANSWERS - out->count, kept = 0, i, at;

    top_k = top_k > room ? room : top_k;
    for (i = 0; i < set->length; i++) {
        if (!isfinite(values[i]) || (kept == top_k && (kept == 0 || !(values[i] > list[kept - 1].score))))
            continue;
        for (at = kept < top_k ? kept++ : kept - 1; at > 0 && values[i] > list[at - 1].score; at--)
            list[at] = list[at - 1];
        list[at] = (struct sg_answer){.name = name, .class_id = i, .score = values[i]};
    }
    out->count += kept;
}

static void normalise(float *values, int length)
{
    float sum = 0.0f, norm;
    int i;

    for (i = 0; i < length; i++)
        sum += values[i] * values[i];
    norm = sqrtf(sum);
    for (i = 0; i < length && norm > 0.0f; i++)
        values[i] /= norm;
}

static int reserve(struct sg_answers *out, size_t count, struct sg_error *err)
{
    float *grown;

    if (out->scratch_count >= count)
        return SG_OK;
    grown = calloc(count, sizeof(*grown));
    if (!grown)
        return sg_error_set(err, SG_E_NOMEM, "out of memory");
    free(out->scratch);
    out->scratch = grown;
    out->scratch_count = count;
    return SG_OK;
}

static int answer(const void *opaque, const struct sg_tensor *outputs, int count, int item, int top_k,
                  const char *const *labels, int label_count, struct sg_answers *out, struct sg_error *err)
{
    const struct classify *state = opaque;
    int code = sg_count_check(err, "classify", count, state->sets[state->set_count - 1].output + 1);
    float *values;
    int i;

    (void)labels;
    (void)label_count;
    if (code == SG_OK)
        code = reserve(out, (size_t)state->total, err);
    values = out->scratch;
    for (i = 0; i < state->set_count && code == SG_OK; i++) {
        const struct set *set = &state->sets[i];
        const char *name = state->named ? set->name : NULL;

        code = copy(set, &outputs[set->output], item, values, err);
        if (code < 0 || out->count >= SG_HEAD_MAX_ANSWERS)
            break;
        if (state->embedding) {
            normalise(values, set->length);
            out->items[out->count++] = (struct sg_answer){
                .name = name, .class_id = -1, .vector = values, .vector_length = set->length};
        } else if (set->length == 1) {
            if (isfinite(values[0]))
                out->items[out->count++] =
                    (struct sg_answer){.name = name, .class_id = -1, .has_value = true, .value = values[0]};
        } else {
            finish(set, values);
            rank(set, name, values, top_k, out);
        }
        values += set->length;
    }
    return code;
}

const struct sg_head_ops sg_head_classify = {
    .name = "classify",
    .summary = "classes, values or a vector about the whole picture",
    .task = SG_TASK_CLASSIFY,
    .keys = SG_KEY_SCORES | SG_KEY_EMBEDDING,
    .match = match,
    .state_bytes = sizeof(struct classify),
    .init = init,
    .answer = answer,
};
