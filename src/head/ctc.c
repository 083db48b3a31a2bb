/* SPDX-License-Identifier: MIT
 * Text of one line by CTC, greedy (Graves et al. 2006): the best class of each of T steps, repeats collapsed,
 * blanks (class 0) dropped. Class k > 0 is labels[k - 1]; a class past the labels is the space that PP-OCR
 * appends to its key file; with as many labels as classes labels[0] names the blank.
 *
 * Spaces are not left to the best class: between words PP-OCR's Chinese models put most of the mass on the
 * blank and the rest on the space, while inside words the space gets next to nothing. So one space is written
 * between two characters when it is likely enough that one stands anywhere between them (docs/DECISIONS.md
 * has figures).
 */
#include "head/find.h"
#include "head/kinds.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STEPS 65536
/* Figures: docs/DECISIONS-text.md. */
#define SPACE         0.02f /* between letters and digits */
#define SPACE_AT_MARK 0.3f  /* beside most punctuation, which stands in white of its own */

struct ctc {
    int classes;
    bool logits;
    float space; /* least probability of a space between two letters */
};

/* What one step says. */
struct step {
    int best;
    float score, space; /* probabilities of the best class and of the space */
};

/* The line as it is put together. */
struct line {
    char *text;
    size_t capacity, used;
    float total; /* of the scores of the characters, spaces aside */
    int kept;
    float no_space; /* probability that no space stands between the last character and here */
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
    state->space = spec->space > 0.0f ? spec->space : SPACE;
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

/* A step without a finite number is a blank. space < 0: the model knows no space. */
static struct step look_at(const struct ctc *state, const float *scores, int space)
{
    struct step step = {0};
    float most = -INFINITY, sum = 0.0f;
    int k;

    for (k = 0; k < state->classes; k++) {
        if (isfinite(scores[k]) && scores[k] > most) {
            most = scores[k];
            step.best = k;
        }
    }
    for (k = 0; state->logits && k < state->classes; k++)
        sum += isfinite(scores[k]) ? expf(scores[k] - most) : 0.0f;
    step.score = state->logits ? 1.0f / sum : most;
    if (space >= 0 && isfinite(scores[space]))
        step.space = state->logits ? expf(scores[space] - most) / sum : scores[space];
    return step;
}

/* Text of a class, or NULL when there are no labels for it. */
static const char *letter(const struct ctc *state, int class_id, const char *const *labels, int label_count)
{
    int at = label_count == state->classes ? class_id : class_id - 1;

    if (at < label_count)
        return labels[at];
    return at == label_count ? " " : NULL;
}

/* The class that reads " ", usually the last; or -1. */
static int space_class(const struct ctc *state, const char *const *labels, int label_count)
{
    int k;

    for (k = state->classes - 1; k > 0; k--) {
        const char *text = letter(state, k, labels, label_count);

        if (text && strcmp(text, " ") == 0)
            return k;
    }
    return -1;
}

/* A longer line is cut at a character. */
static bool put(struct line *line, const char *text)
{
    size_t size = strlen(text);

    if (size == 0 || line->used + size >= line->capacity)
        return false;
    memcpy(line->text + line->used, text, size);
    line->used += size;
    return true;
}

static bool is_mark(char c)
{
    return (unsigned char)c < 0x80 && ispunct((unsigned char)c);
}

/* Least probability of a space between the last byte of one character and the first of the next. Marks that
 * end a phrase or a sentence are followed by spaces as words are, and marks that open are preceded by them;
 * the full stop of a name (example.com) and the colon of a time are not. */
static float least_space(const struct ctc *state, char left, char right)
{
    bool hard = is_mark(left) && !strchr(",;!?)%", left);

    if (left == '.')
        hard = islower((unsigned char)right);
    else if (left == ':')
        hard = !isupper((unsigned char)right);
    return hard || (is_mark(right) && !strchr("#($", right)) ? fmaxf(state->space, SPACE_AT_MARK)
                                                             : state->space;
}

static int read_steps(const struct ctc *state, const float *scores, int64_t count, const char *const *labels,
                      int label_count, struct line *line, struct sg_error *err)
{
    int space = space_class(state, labels, label_count), last = 0;
    int64_t t;

    line->no_space = 1.0f;
    for (t = 0; t < count; t++) {
        struct step step = look_at(state, scores + t * state->classes, space);
        bool repeats = step.best == last;
        const char *text;

        last = step.best;
        if (step.best == 0 || step.best == space) {
            line->no_space *= step.best == 0 ? 1.0f - step.space : 0.0f;
            continue;
        }
        if (repeats)
            continue;
        text = letter(state, step.best, labels, label_count);
        if (!text)
            return sg_error_set(err, SG_E_CONFIG,
                                "`labels` has %d entries, the model reads class %d of %d: give its key file",
                                label_count, step.best, state->classes);
        if (line->used > 0 &&
            1.0f - line->no_space >= least_space(state, line->text[line->used - 1], text[0]))
            put(line, " ");
        line->no_space = 1.0f;
        if (put(line, text)) {
            line->total += step.score;
            line->kept++;
        }
    }
    return SG_OK;
}

static int answer(const void *opaque, const struct sg_tensor *outputs, int count, int item, int top_k,
                  const char *const *labels, int label_count, struct sg_answers *out, struct sg_error *err)
{
    const struct ctc *state = opaque;
    const int64_t want[] = {-1, -1, state->classes};
    struct line line = {.text = out->text, .capacity = sizeof(out->text)};
    int code = sg_count_check(err, "ctc", count, 1);
    const float *floats = NULL;

    (void)top_k;
    if (code == SG_OK)
        code = sg_shape_check(err, &outputs[0], item < 0 ? 0 : item, 3, want, "NxTxK as at start");
    if (code == SG_OK)
        code = sg_head_floats(&outputs[0], &out->scratch, &out->scratch_count, &floats, err);
    if (code == SG_OK)
        code = read_steps(state, floats + item * outputs[0].dims[1] * state->classes, outputs[0].dims[1],
                          labels, label_count, &line, err);
    out->text[line.used] = '\0';
    out->text_score = line.kept ? line.total / (float)line.kept : 0.0f;
    return code;
}

const struct sg_head_ops sg_head_ctc = {
    .name = "ctc",
    .summary = "text of one line: best character of each step, repeats and blanks dropped",
    .task = SG_TASK_TEXT_READ,
    .keys = SG_KEY_SCORES | SG_KEY_SPACE,
    .match = match,
    .create = create,
    .destroy = free,
    .answer = answer,
};
