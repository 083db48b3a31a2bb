/* SPDX-License-Identifier: MIT
 * PaddleDetection exports with their post-processing: a table of class, score, x1, y1, x2, y2 for all
 * pictures of the batch one after the other, and how many rows each picture has. Boxes are divided by the
 * input `scale_factor`; the pipeline feeds (1, 1), so they stay in input pixels. Declared shapes are often
 * wrong, real ones count.
 */
#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"

#include <stdio.h>

struct state {
    int table, counts; /* outputs */
    int class_offset;
};

#define COLUMNS 6

static bool tell(const struct sg_tensor *outputs, int count, struct state *state)
{
    int i;

    state->table = state->counts = -1;
    for (i = 0; i < count; i++) {
        if (outputs[i].rank == 2 && outputs[i].dims[1] == COLUMNS && outputs[i].dtype == SG_DTYPE_F32 &&
            state->table < 0)
            state->table = i;
        else if (outputs[i].rank <= 1 &&
                 (outputs[i].dtype == SG_DTYPE_I32 || outputs[i].dtype == SG_DTYPE_I64) && state->counts < 0)
            state->counts = i;
    }
    return state->table >= 0 && state->counts >= 0 && sg_tensor_readable(&outputs[state->table]) &&
           sg_tensor_readable(&outputs[state->counts]);
}

static const struct sg_slot *input_named(const struct sg_signature *signature, const char *part)
{
    int i;

    for (i = 0; i < signature->input_count; i++)
        if (sg_name_has(signature->inputs[i].name, part))
            return &signature->inputs[i];
    return NULL;
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    /* ImageNet's, times 255: configs/picodet and configs/ppyolo of PaddleDetection */
    static const float mean[3] = {123.675f, 116.28f, 103.53f}, std[3] = {58.395f, 57.12f, 57.375f};
    const struct sg_slot *scale = input_named(signature, "scale_factor");
    bool detr = input_named(signature, "im_shape");
    struct state state;

    (void)spec;
    if (count < 2 || count > 3 || !tell(outputs, count, &state))
        return;
    guess->confidence = scale ? 97 : 80;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "\"%s\" is a table of class, score and box, \"%s\" its row counts%s", outputs[state.table].name,
             outputs[state.counts].name, scale ? "; input \"scale_factor\"" : "");
    if (detr)
        sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_STRETCH, 0.0f, 255.0f, 0.0f,
                       "PaddleDetection with input \"im_shape\" (DETR kinds): RGB/255, stretched");
    else
        sg_guess_transform(guess, SG_CHANNELS_RGB, SG_FIT_STRETCH, mean, std, 0.0f,
                           "PaddleDetection: RGB, ImageNet mean and std, stretched");
    snprintf(guess->ambiguity, sizeof(guess->ambiguity),
             "PP-YOLOE+ and RT-DETR take mean 0, std 255; others %s",
             "ImageNet's: `mean:` and `std:` of the card, from the export's infer_cfg.yml");
    guess->threshold = 0.3f;
    sg_guess_classes(guess, sg_meta_class_count(signature));
}

static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    struct state *state = opaque;

    (void)signature;
    if (!tell(outputs, count, state))
        return count > 0
                   ? sg_shape_error(err, &outputs[0], "a table Nx6 and a whole-number count per picture")
                   : sg_count_check(err, "paddle", count, 2);
    state->class_offset = spec->class_offset;
    return SG_OK;
}

/* Rows of the table that belong to picture item. */
static int rows_of(const struct sg_tensor *counts, int item, int64_t rows, int64_t *out_first,
                   int64_t *out_count)
{
    int64_t pictures = sg_tensor_count(counts), first = 0, i;

    if (item >= pictures)
        return SG_E_MODEL;
    for (i = 0; i <= item; i++) {
        float number = sg_tensor_at(counts, i);
        int64_t mine = number > 0.0f ? number < (float)rows ? (int64_t)number : rows : 0;

        *out_first = first > rows ? rows : first;
        *out_count = mine < rows - *out_first ? mine : rows - *out_first;
        first += mine;
    }
    return SG_OK;
}

static int detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const int64_t want[2] = {-1, COLUMNS};
    const struct state *state = opaque;
    const struct sg_tensor *table, *counts;
    int64_t first = 0, rows = 0, row;
    const float *v;
    int code = sg_count_check(err, "paddle", count,
                              (state->table > state->counts ? state->table : state->counts) + 1);

    if (code < 0)
        return code;
    table = &outputs[state->table];
    counts = &outputs[state->counts];
    code = sg_shape_check(err, table, -1, 2, want, "Nx6");
    if (code == SG_OK &&
        (!sg_tensor_readable(counts) || rows_of(counts, item, table->dims[0], &first, &rows) < 0))
        code = sg_shape_error(err, counts, "a count for each picture");
    if (code == SG_OK)
        code = sg_head_views(&table, 1, -1, out, 0, &v, NULL, err);
    for (row = first; code == SG_OK && row < first + rows; row++) {
        const float *values = v + row * COLUMNS;
        struct sg_detection found = {.score = values[1], .row = row};

        /* "Nothing found" is one row of class -1. */
        if (!sg_class_id(values[0], state->class_offset, &found.class_id) ||
            !(found.score >= sg_head_threshold(options, found.class_id)))
            continue;
        found.box = (struct sg_box){values[2], values[3], values[4], values[5]};
        code = sg_head_push(out, &found, err);
    }
    return code;
}

const struct sg_head_ops sg_head_paddle = {
    .name = "paddle",
    .summary = "PaddleDetection with post-processing: rows of class, score, box, and a count per picture",
    .task = SG_TASK_DETECT,
    .graph_nms = true,
    .keys = SG_KEY_CLASS_OFFSET,
    .match = match,
    .state_bytes = sizeof(struct state),
    .init = init,
    .detect = detect,
};
