/* SPDX-License-Identifier: MIT
 * Text of one line by CTC, greedy (Graves et al. 2006): the best class of each of T steps, repeats collapsed,
 * blanks dropped. The other classes are the labels in their order, which have an entry for the blank where
 * they are as many as the classes; a class past the labels is the space that PP-OCR appends to its key file.
 * Which class is the blank: ctc_blank.h. Which axis is which, and graphs that choose the classes themselves:
 * ctc_layout.h.
 *
 * Spaces are not left to the best class: between words PP-OCR's Chinese models put most of the mass on the
 * blank and the rest on the space, while inside words the space gets next to nothing. So one space is written
 * between two characters when it is likely enough that one stands anywhere between them (docs/DECISIONS.md
 * has figures).
 */
#include "head/ctc_blank.h"
#include "head/find.h"
#include "head/kinds.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Figures: docs/DECISIONS-text.md. */
#define SPACE         0.02f /* between letters and digits */
#define SPACE_AT_MARK 0.3f  /* beside most punctuation, which stands in white of its own */

struct ctc {
    struct sg_ctc_layout layout;
    struct sg_ctc_blank blank;
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

static int prepare(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                   const struct sg_head_spec *spec, struct ctc *state, struct sg_ctc_steps *steps,
                   struct sg_head_guess *guess, struct sg_error *err)
{
    int code = sg_count_check(err, "ctc", count, 1);

    if (code == SG_OK)
        code = sg_ctc_tell(signature, outputs, count, spec, &state->layout, err);
    if (code == SG_OK)
        code = sg_ctc_steps(&state->layout, outputs, count, 0, steps, err);
    if (code < 0)
        return code;
    sg_ctc_find_blank(signature, outputs, &state->layout, steps, spec, &state->blank, guess);
    state->logits = state->layout.classes > 0 &&
                    (spec->scores == SG_SCORES_DECIDE
                         ? !sg_ctc_adds_up(&outputs[state->layout.output], steps, state->layout.classes)
                         : spec->scores != SG_SCORES_PROBABILITY);
    state->space = spec->space > 0.0f ? spec->space : SPACE;
    return SG_OK;
}

/* Labels for each class, for each but the blank, or for each but the blank and the space. */
static bool labels_fit(const struct ctc *state, int labels)
{
    int classes = state->layout.classes;

    return labels > 1 && (classes == labels || classes == labels + 1 || classes == labels + 2);
}

static void describe(const struct ctc *state, const struct sg_tensor *output, int64_t steps, int width,
                     struct sg_head_guess *guess)
{
    const struct sg_ctc_layout *layout = &state->layout;

    if (layout->classes == 0)
        snprintf(guess->evidence, sizeof(guess->evidence),
                 "\"%.64s\": %lld steps over %d pixels, the class of each was chosen in the graph",
                 output->name, (long long)steps, width);
    else
        snprintf(guess->evidence, sizeof(guess->evidence),
                 "%lld steps over %d pixels, %d classes%s: characters and a blank%s", (long long)steps, width,
                 layout->classes, state->logits ? "" : " that add up to one",
                 layout->step < layout->item     ? "; steps before pictures"
                 : layout->class_ < layout->step ? "; classes before steps"
                                                 : "");
}

/* A line is low and wide, and its steps are slices of 4 or 8 pixels of its width; where the alphabet is known
 * and has as many characters, of any width. */
static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct sg_ctc_steps steps = {0};
    struct ctc state = {0};
    bool ids, known, slices;

    if (count < 1 || count > 2 || prepare(signature, outputs, count, spec, &state, &steps, guess, NULL) < 0)
        return;
    ids = state.layout.classes == 0;
    if (count != 1 && !ids)
        return;
    known = !ids && labels_fit(&state, spec->class_count);
    slices = steps.count >= spec->input_width / 8 - 2 && steps.count <= spec->input_width / 4 + 2;
    if (spec->input_height < 16 || spec->input_height > 64 || spec->input_width < spec->input_height ||
        (!slices && !(known && steps.count > 1 && steps.count <= spec->input_width)) ||
        (!ids && !known && state.layout.classes < 11))
        return;
    guess->confidence = known ? 95 : ids ? 70 : state.logits ? 60 : 88;
    describe(&state, &outputs[state.layout.output], steps.count, spec->input_width, guess);
    sg_guess_plain(guess, SG_CHANNELS_BGR, SG_FIT_LETTERBOX_TOPLEFT, 127.5f, 127.5f, 127.5f,
                   "PP-OCR: BGR, -1..1, full height, the rest of the width grey");
    guess->class_count = state.layout.classes;
}

static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    struct ctc *state = opaque;
    struct sg_ctc_steps steps;
    int code = prepare(signature, outputs, count, spec, state, &steps, NULL, err);

    if (code == SG_OK && state->layout.classes > 0 && state->blank.spec > state->layout.classes)
        return sg_error_set(err, SG_E_CONFIG, "`blank: %d`: the classes are 0 to %d", state->blank.spec - 1,
                            state->layout.classes - 1);
    return code;
}

/* A step without a finite number is a blank. space < 0: the model knows no space. pitch: distance of two
 * classes. */
static struct step look_at(const struct ctc *state, const float *scores, int64_t pitch, int space, int blank)
{
    struct step step = {.best = blank};
    float most = -INFINITY, sum = 0.0f;
    int classes = state->layout.classes, k;

    for (k = 0; k < classes; k++) {
        if (isfinite(scores[k * pitch]) && scores[k * pitch] > most) {
            most = scores[k * pitch];
            step.best = k;
        }
    }
    for (k = 0; state->logits && k < classes; k++)
        sum += isfinite(scores[k * pitch]) ? expf(scores[k * pitch] - most) : 0.0f;
    step.score = state->logits ? 1.0f / sum : most;
    if (space >= 0 && isfinite(scores[space * pitch]))
        step.space = state->logits ? expf(scores[space * pitch] - most) / sum : scores[space * pitch];
    return step;
}

/* The class that reads " ", usually the last; or -1. */
static int space_class(const struct ctc *state, const struct sg_ctc_alphabet *alphabet)
{
    int k;

    for (k = (state->layout.classes > 0 ? state->layout.classes : alphabet->count + 2) - 1; k >= 0; k--) {
        const char *text = k == alphabet->blank ? NULL : sg_ctc_letter(alphabet, k);

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

/* What step t of a graph's own choice says; ids below zero and ids that are no whole numbers are padding. */
static struct step chosen(const struct ctc *state, const struct sg_tensor *outputs, int64_t at, int blank)
{
    float id = sg_tensor_at(&outputs[state->layout.output], at);
    struct step step = {.score = 1.0f};

    if (!sg_class_id(id, 0, &step.best))
        return (struct step){.best = blank};
    if (state->layout.scores >= 0)
        step.score = sg_tensor_at(&outputs[state->layout.scores], at);
    return step;
}

static int no_letter(const struct ctc *state, int class_id, int label_count, struct sg_error *err)
{
    char of[24] = "";

    if (state->layout.classes > 0)
        snprintf(of, sizeof(of), " of %d", state->layout.classes);
    return sg_error_set(err, SG_E_CONFIG,
                        "`labels` has %d entries, the model reads class %d%s: give its key file", label_count,
                        class_id, of);
}

/* floats: the output's values where the graph gives scores, else NULL. */
static int read_steps(const struct ctc *state, const struct sg_tensor *outputs, const float *floats,
                      const struct sg_ctc_steps *steps, const char *const *labels, int label_count,
                      struct line *line, struct sg_error *err)
{
    const struct sg_ctc_alphabet alphabet = sg_ctc_alphabet(&state->blank, labels, label_count);
    int space = space_class(state, &alphabet), blank = alphabet.blank, last = blank;
    int64_t t;

    line->no_space = 1.0f;
    for (t = 0; t < steps->count; t++) {
        int64_t at = steps->first + t * steps->step;
        struct step step = floats ? look_at(state, floats + at, steps->class_, space, blank)
                                  : chosen(state, outputs, at, blank);
        bool repeats = step.best == last && blank >= 0; /* without blanks a letter may come twice */
        const char *text;

        last = step.best;
        if (step.best == blank || step.best == space) {
            line->no_space *= step.best == blank ? 1.0f - step.space : 0.0f;
            continue;
        }
        if (repeats)
            continue;
        text = sg_ctc_letter(&alphabet, step.best);
        if (!text)
            return no_letter(state, step.best, label_count, err);
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
    struct line line = {.text = out->text, .capacity = sizeof(out->text)};
    struct sg_ctc_steps steps;
    const float *floats = NULL;
    int code = sg_ctc_steps(&state->layout, outputs, count, item, &steps, err);

    (void)top_k;
    /* A text that happens to be empty would hide that nothing can ever be read. */
    if (code == SG_OK && label_count == 0)
        code =
            sg_error_set(err, SG_E_CONFIG,
                         "the reader's alphabet is not known: give its key file (`labels:` in the card, or "
                         "--labels)");
    if (code == SG_OK && state->layout.classes > 0)
        code =
            sg_head_floats(&outputs[state->layout.output], &out->scratch, &out->scratch_count, &floats, err);
    if (code == SG_OK)
        code = read_steps(state, outputs, floats, &steps, labels, label_count, &line, err);
    out->text[line.used] = '\0';
    out->text_score = line.kept ? line.total / (float)line.kept : 0.0f;
    return code;
}

const struct sg_head_ops sg_head_ctc = {
    .name = "ctc",
    .summary = "text of one line: best character of each step, repeats and blanks dropped",
    .task = SG_TASK_TEXT_READ,
    .keys = SG_KEY_SCORES | SG_KEY_SPACE | SG_KEY_BLANK,
    .match = match,
    .state_bytes = sizeof(struct ctc),
    .init = init,
    .answer = answer,
};
