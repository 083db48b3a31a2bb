/* SPDX-License-Identifier: MIT
 * The blank among a reader's classes; see ctc_blank.h.
 */
#include "head/ctc_blank.h"

#include "head/find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* An entry that can only be the blank's. "" and NULL too. */
static bool is_blank(const char *label)
{
    static const char *const names[] = {"blank", "<blank>", "[blank]", "<blk>",      "<b>",    "<pad>",
                                        "[PAD]", "<ctc>",   "[CTC]",   "[CTCblank]", "\u03b5", "\u2423"};
    size_t i;

    if (!label || !label[0])
        return true;
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcasecmp(label, names[i]) == 0)
            return true;
    return false;
}

/* One that may be, at an end of an alphabet that has an entry for each class. */
static bool may_be_blank(const char *label)
{
    return is_blank(label) || (label[1] == '\0' && strchr("-_~#|", label[0]));
}

int sg_ctc_step_class(const struct sg_tensor *outputs, const struct sg_ctc_layout *layout,
                      const struct sg_ctc_steps *steps, int64_t t)
{
    const struct sg_tensor *tensor = &outputs[layout->output];
    int64_t at = steps->first + t * steps->step;
    float most = -INFINITY;
    int best = -1, k;

    if (layout->classes == 0)
        return sg_class_id(sg_tensor_at(tensor, at), 0, &best) ? best : -1;
    for (k = 0; k < layout->classes; k++) {
        float value = sg_tensor_at(tensor, at + k * steps->class_);

        if (isfinite(value) && value > most) {
            most = value;
            best = k;
        }
    }
    return best;
}

struct sg_ctc_alphabet sg_ctc_alphabet(const struct sg_ctc_blank *blank, const char *const *labels, int count)
{
    struct sg_ctc_alphabet a = {.labels = labels, .count = count, .space = true};

    switch (blank->spec) {
    case SG_BLANK_NONE:
        a.blank = -1;
        a.named = true; /* every class is a letter */
        a.space = false;
        return a;
    case SG_BLANK_LAST:
        a.blank = blank->classes > 0                                      ? blank->classes - 1
                  : count > 0 && (!labels || is_blank(labels[count - 1])) ? count - 1
                                                                          : count;
        a.space = blank->classes > 0;
        break;
    default:
        a.blank = blank->spec - 1;
    }
    a.named = blank->classes > 0 ? count == blank->classes
                                 : a.blank < count && (!labels || is_blank(labels[a.blank]));
    return a;
}

const char *sg_ctc_letter(const struct sg_ctc_alphabet *alphabet, int class_id)
{
    int at = alphabet->named || class_id < alphabet->blank ? class_id : class_id - 1;

    if (at >= 0 && at < alphabet->count)
        return alphabet->labels[at];
    return at == alphabet->count && alphabet->space ? " " : NULL;
}

/* What exporters write beside a model: a class, "first" or "last". */
static bool in_metadata(const struct sg_signature *signature, const struct sg_ctc_layout *layout, int *out,
                        const char **out_key)
{
    static const char *const keys[] = {"blank", "blank_index", "blank_id", "blank_idx", "ctc_blank"};
    size_t i;

    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *text = sg_signature_meta(signature, keys[i]);
        char *end;
        long number;

        if (!text)
            continue;
        number = strtol(text, &end, 10);
        *out_key = keys[i];
        *out = strcasecmp(text, "first") == 0 ? 1 : SG_BLANK_LAST;
        if (strcasecmp(text, "first") == 0 || strcasecmp(text, "last") == 0)
            return true;
        *out = number == -1 ? SG_BLANK_LAST : (int)number + 1;
        if (end != text && *end == '\0' && number >= -1 &&
            number < (layout->classes ? layout->classes : SG_HEAD_MAX_CLASSES))
            return true;
    }
    return false;
}

/* With an entry for each class one of them is the blank's: the one with a name for it, at either end. */
static bool in_labels(const struct sg_ctc_layout *layout, const struct sg_head_spec *spec, int *out)
{
    const char *const *labels = spec->labels;
    int last = spec->class_count - 1;

    if (!labels || last < 1)
        return false;
    if (layout->classes == 0) { /* how many classes there are is not known: only a sure name counts */
        *out = is_blank(labels[0]) ? 1 : SG_BLANK_LAST;
        return is_blank(labels[0]) != is_blank(labels[last]);
    }
    if (layout->classes != spec->class_count)
        return false;
    *out = is_blank(labels[0]) || (may_be_blank(labels[0]) && !is_blank(labels[last])) ? 1 : SG_BLANK_LAST;
    return is_blank(labels[0]) != is_blank(labels[last]) ||
           (!is_blank(labels[0]) && may_be_blank(labels[0]) != may_be_blank(labels[last]));
}

/* Could the last class be the blank, and which is it? Not where the alphabet leaves two classes over: those
 * are PP-OCR's blank and space. -1: no. */
static int last_class(const struct sg_ctc_layout *layout, const struct sg_head_spec *spec)
{
    int count = spec->class_count;

    if (layout->classes > 0)
        return count == 0 || count == layout->classes || count == layout->classes - 1 ? layout->classes - 1
                                                                                      : -1;
    return count;
}

struct wins {
    int64_t steps, first, last;
};

static struct wins count_wins(const struct sg_tensor *outputs, const struct sg_ctc_layout *layout,
                              const struct sg_ctc_steps *steps, int last)
{
    struct wins wins = {.steps = steps->count};
    int64_t t;

    for (t = 0; t < steps->count; t++) {
        int best = sg_ctc_step_class(outputs, layout, steps, t);

        wins.first += best == 0;
        wins.last += best > 0 && best == last;
    }
    return wins;
}

/* On a picture without text a reader says little else but blank. */
static bool in_values(const struct wins *wins, int *out)
{
    bool first = wins->first * 2 > wins->steps && wins->last * 8 < wins->steps;
    bool last = wins->last * 2 > wins->steps && wins->first * 8 < wins->steps;

    *out = last ? SG_BLANK_LAST : 1;
    return first || last;
}

static void name_blank(const struct sg_ctc_blank *blank, char *out, size_t out_bytes)
{
    if (blank->spec == SG_BLANK_NONE)
        snprintf(out, out_bytes, "none");
    else if (blank->spec == SG_BLANK_LAST && blank->classes > 0)
        snprintf(out, out_bytes, "last, class %d", blank->classes - 1);
    else if (blank->spec == SG_BLANK_LAST)
        snprintf(out, out_bytes, "last");
    else if (blank->spec == 1)
        snprintf(out, out_bytes, "first, class 0");
    else
        snprintf(out, out_bytes, "class %d", blank->spec - 1);
}

void sg_ctc_find_blank(const struct sg_signature *signature, const struct sg_tensor *outputs,
                       const struct sg_ctc_layout *layout, const struct sg_ctc_steps *steps,
                       const struct sg_head_spec *spec, struct sg_ctc_blank *out, struct sg_head_guess *guess)
{
    struct wins wins = count_wins(outputs, layout, steps, last_class(layout, spec));
    const char *key = NULL;
    char why[sizeof(guess->blank_evidence)];
    bool told = true;

    *out = (struct sg_ctc_blank){.spec = spec->blank, .classes = layout->classes};
    if (spec->blank != SG_BLANK_DECIDE) {
        snprintf(why, sizeof(why), "the card");
    } else if (in_metadata(signature, layout, &out->spec, &key)) {
        snprintf(why, sizeof(why), "metadata %s", key);
    } else if (in_labels(layout, spec, &out->spec)) {
        snprintf(why, sizeof(why), "the labels name it");
    } else if (in_values(&wins, &out->spec)) {
        snprintf(why, sizeof(why), "measured: it is the best of %lld of %lld steps of a picture without text",
                 (long long)(out->spec == 1 ? wins.first : wins.last), (long long)wins.steps);
    } else {
        out->spec = 1;
        told = false;
        snprintf(why, sizeof(why),
                 "usual; nothing tells: `blank: last` (Keras, TensorFlow), or %sits class, if texts come out "
                 "wrong",
                 layout->classes == 0 ? "none where the graph has taken it out, or " : "");
    }
    if (guess) {
        name_blank(out, guess->blank, sizeof(guess->blank));
        snprintf(guess->blank_evidence, sizeof(guess->blank_evidence), "%s", why);
        guess->blank_guessed = !told;
    }
}
