/* SPDX-License-Identifier: MIT
 * Text of one line by CTC, greedy (Graves et al. 2006): the best class of each of T steps, repeats collapsed,
 * blanks (class 0) dropped. Class k > 0 is labels[k - 1]; a class past the labels is the space that PP-OCR
 * appends to its key file; with as many labels as classes labels[0] names the blank.
 */
#include "head/find.h"
#include "head/kinds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STEPS 65536

struct ctc {
    int classes;
    bool logits;
};

/* Looks at a few steps: rows of a softmax add up to one. */
static bool rows_add_up(const struct sg_tensor *tensor)
{
    int64_t steps = tensor->dims[1], classes = tensor->dims[2], step = steps > 8 ? steps / 8 : 1, t, k;

    for (t = 0; t < steps; t += step) {
        float sum = 0.0f;

        for (k = 0; k < classes; k++) {
            float value = sg_tensor_at(tensor, t * classes + k);

            if (!(value >= 0.0f && value <= 1.0f))
                return false;
            sum += value;
        }
        if (!(fabsf(sum - 1.0f) < 0.02f))
            return false;
    }
    return steps > 0;
}

static int prepare(const struct sg_tensor *outputs, int count, const struct sg_head_spec *spec,
                   struct ctc *state, struct sg_error *err)
{
    const int64_t want[] = {-1, -1, -1};
    int code = sg_count_check(err, "ctc", count, 1);

    if (code == SG_OK)
        code = sg_shape_check(err, &outputs[0], 0, 3, want, "NxTxK: T steps of K characters and a blank");
    if (code < 0)
        return code;
    if (outputs[0].dims[2] < 2 || outputs[0].dims[2] > SG_HEAD_MAX_CLASSES || outputs[0].dims[1] > MAX_STEPS)
        return sg_shape_error(err, &outputs[0], "NxTxK with 2 to %d classes and at most %d steps",
                              SG_HEAD_MAX_CLASSES, MAX_STEPS);
    state->classes = (int)outputs[0].dims[2];
    state->logits =
        spec->scores == SG_SCORES_DECIDE ? !rows_add_up(&outputs[0]) : spec->scores != SG_SCORES_PROBABILITY;
    return SG_OK;
}

/* A line is low and wide, and its steps are slices of 4 or 8 pixels of its width. */
static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct ctc state = {0};
    int64_t steps;

    (void)signature;
    if (count != 1 || prepare(outputs, count, spec, &state, NULL) < 0)
        return;
    steps = outputs[0].dims[1];
    if (spec->input_height < 16 || spec->input_height > 64 || spec->input_width < spec->input_height ||
        steps < spec->input_width / 8 - 2 || steps > spec->input_width / 4 + 2 || state.classes < 11)
        return;
    guess->confidence = state.logits ? 60 : 88;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "%lld steps over %d pixels, %d classes%s: characters and a blank", (long long)steps,
             spec->input_width, state.classes, state.logits ? "" : " that add up to one");
    sg_guess_plain(guess, SG_CHANNELS_BGR, SG_FIT_LETTERBOX_TOPLEFT, 127.5f, 127.5f, 127.5f,
                   "PP-OCR: BGR, -1..1, full height, the rest of the width grey");
    guess->class_count = state.classes;
}

static int create(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, void **out_state, struct sg_error *err)
{
    struct ctc *state = calloc(1, sizeof(*state));
    int code;

    (void)signature;
    if (!state)
        return sg_error_set(err, SG_E_NOMEM, "out of memory");
    code = prepare(outputs, count, spec, state, err);
    if (code < 0) {
        free(state);
        return code;
    }
    *out_state = state;
    return SG_OK;
}

/* Best class of a step and its probability; a step without a finite number is a blank. */
static int best_of(const struct ctc *state, const float *step, float *out_score)
{
    float most = -INFINITY, sum = 0.0f;
    int best = 0, k;

    for (k = 0; k < state->classes; k++) {
        if (isfinite(step[k]) && step[k] > most) {
            most = step[k];
            best = k;
        }
    }
    for (k = 0; state->logits && k < state->classes; k++)
        sum += isfinite(step[k]) ? expf(step[k] - most) : 0.0f;
    *out_score = state->logits ? 1.0f / sum : most;
    return best;
}

/* Text of a class, or NULL when there are no labels for it. */
static const char *letter(const struct ctc *state, int class_id, const char *const *labels, int label_count)
{
    int at = label_count == state->classes ? class_id : class_id - 1;

    if (at < label_count)
        return labels[at];
    return at == label_count ? " " : NULL;
}

static int answer(const void *opaque, const struct sg_tensor *outputs, int count, int item, int top_k,
                  const char *const *labels, int label_count, struct sg_answers *out, struct sg_error *err)
{
    const struct ctc *state = opaque;
    const int64_t want[] = {-1, -1, state->classes};
    int code = sg_count_check(err, "ctc", count, 1);
    const float *floats = NULL;
    size_t used = 0;
    float total = 0.0f;
    int last = 0, kept = 0;
    int64_t t;

    (void)top_k;
    if (code == SG_OK)
        code = sg_shape_check(err, &outputs[0], item < 0 ? 0 : item, 3, want, "NxTxK as at start");
    if (code == SG_OK)
        code = sg_head_floats(&outputs[0], &out->scratch, &out->scratch_count, &floats, err);
    for (t = 0; code == SG_OK && t < outputs[0].dims[1]; t++) {
        float score;
        int best = best_of(state, floats + (item * outputs[0].dims[1] + t) * state->classes, &score);
        const char *text = best != last && best != 0 ? letter(state, best, labels, label_count) : NULL;
        size_t size = text ? strlen(text) : 0;

        if (best != last && best != 0 && !text)
            return sg_error_set(err, SG_E_CONFIG,
                                "`labels` has %d entries, the model reads class %d of %d: give its key file",
                                label_count, best, state->classes);
        last = best;
        if (size == 0 || used + size >= sizeof(out->text)) /* a longer line is cut at a character */
            continue;
        memcpy(out->text + used, text, size);
        used += size;
        total += score;
        kept++;
    }
    out->text[used] = '\0';
    out->text_score = kept ? total / (float)kept : 0.0f;
    return code;
}

const struct sg_head_ops sg_head_ctc = {
    .name = "ctc",
    .summary = "text of one line: best character of each step, repeats and blanks dropped",
    .task = SG_TASK_TEXT_READ,
    .match = match,
    .create = create,
    .destroy = free,
    .answer = answer,
};
