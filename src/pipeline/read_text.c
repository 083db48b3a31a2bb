/* SPDX-License-Identifier: MIT
 * The reading step: every quad straightened, turned when it is upside down, and read. Called by the worker's
 * thread.
 */
#include "base/clock.h"
#include "img/warp.h"
#include "pipeline/order.h"
#include "pipeline/pipeline_private.h"

#include <math.h>
#include <string.h>

#define READ_TALL       1.5f /* lines higher than 1.5 x their width are read turned by a quarter (PP-OCR) */
#define READ_MAX_WIDTH  4096 /* input pixels of one line */
#define READ_WIDTH_STEP 32   /* widths of inputs come in steps, so that few shapes are seen */

static float distance(struct sg_point a, struct sg_point b)
{
    return hypotf(a.x - b.x, a.y - b.y);
}

static void quad_size(const struct sg_point quad[4], float *width, float *height)
{
    *width = fmaxf(distance(quad[0], quad[1]), distance(quad[3], quad[2]));
    *height = fmaxf(distance(quad[0], quad[3]), distance(quad[1], quad[2]));
}

/* Input width for a line of this aspect, and how much of it the line takes. */
static int line_width(const struct sg_model *model, float aspect, int *filled)
{
    int height = model->transform.height;
    float width = ceilf((float)height * aspect);
    int input = model->transform.width;

    if (model->dynamic_width) {
        width = fminf(width, READ_MAX_WIDTH);
        input = ((int)width + READ_WIDTH_STEP - 1) / READ_WIDTH_STEP * READ_WIDTH_STEP;
    }
    *filled = (int)fmaxf(1.0f, fminf(width, (float)input));
    return input < 1 ? READ_WIDTH_STEP : input;
}

/* Cuts a line at the height of the model's input. */
static int straighten(struct run *run, const struct sg_model *model, const struct sg_point quad[4],
                      const struct sg_image *image, struct sg_image *line)
{
    float width, height;
    int filled, code;
    bool tall;

    quad_size(quad, &width, &height);
    tall = height >= READ_TALL * width;
    line_width(model, tall ? height / fmaxf(width, 1.0f) : width / fmaxf(height, 1.0f), &filled);
    if (!tall)
        return sg_warp_quad(image, quad, filled, model->transform.height, line, run->err);
    code = sg_warp_quad(image, quad, model->transform.height, filled, line, run->err);
    /* Three quarter turns clockwise are one counter-clockwise: the line's top comes to the left. */
    return code < 0 ? code : sg_image_turn(line, 3, run->err);
}

/* Fills item `index` of the tensor with a line at its left; the rest is padding. */
static int place_line(struct run *run, const struct sg_transform *transform, const struct sg_image *line,
                      void *item)
{
    struct sg_box whole = {0.0f, 0.0f, (float)line->width, (float)line->height};
    struct sg_transform fitted = *transform;
    struct sg_placement placement;

    fitted.fit = SG_FIT_LETTERBOX_TOPLEFT;
    sg_letterbox_place(&fitted, &whole, &placement);
    return sg_letterbox_run(&run->ws->letterbox, line, &fitted, &placement, item, run->err);
}

static int run_line(struct run *run, struct sg_model *model, const struct sg_image *line,
                    struct sg_answers *answers)
{
    struct sg_transform transform = model->transform;
    struct sg_runner *runner = NULL;
    const struct sg_tensor *outputs;
    struct sg_tensor tensor;
    size_t item_bytes;
    int code, count, filled;

    transform.width = line_width(model, (float)line->width / (float)line->height, &filled);
    code = sg_model_borrow(model, run_wide(run, model), &runner, run->err);
    if (code == 0)
        code = sg_model_shape(model, runner, &transform, 1, &tensor, &item_bytes, run->err);
    if (code == 0)
        code = place_line(run, &transform, line, tensor.data);
    if (code == 0)
        code = sg_model_run(model, runner, (size_t)transform.width * (size_t)transform.height, run->err);
    if (code < 0)
        goto out;
    outputs = sg_runner_outputs(runner, &count);
    code = sg_head_answer(model->head, outputs, count, 0, 1, (const char *const *)model->labels.items,
                          model->labels.count, answers, run->err);
out:
    sg_model_return(model, &runner);
    return code;
}

static void stand_on_head(struct sg_point quad[4])
{
    struct sg_point turned[4] = {quad[2], quad[3], quad[0], quad[1]};

    memcpy(quad, turned, sizeof(turned));
}

/* Reads the line in quad; the object keeps what it says unless an earlier reading was surer. */
static int recognise(struct run *run, const struct read_stage *stage, const struct sg_image *image,
                     const struct sg_point quad[4], struct sg_object *object)
{
    struct sg_answers *answers = &run->ws->answers;
    int code = straighten(run, stage->recognise, quad, image, &run->ws->line);

    if (code == 0)
        code = run_line(run, stage->recognise, &run->ws->line, answers);
    if (code < 0 || (object->text && answers->text_score <= object->text_score))
        return code;
    object->text = sg_result_strdup(run->result, answers->text, strlen(answers->text));
    if (!object->text)
        return sg_error_set(run->err, SG_E_NOMEM, "no memory for text");
    object->text_score = answers->text_score;
    memcpy(object->quad, quad, sizeof(object->quad));
    return 0;
}

/* A line whose orientation is in doubt, as that of a short one may be, is read both ways. */
static int read_line(struct run *run, const struct read_stage *stage, const struct sg_image *image,
                     struct sg_object *object)
{
    struct sg_answers *answers = &run->ws->answers;
    struct sg_point quad[4];
    bool doubt = false;
    int code;

    memcpy(quad, object->quad, sizeof(quad));
    if (stage->orient) {
        code = straighten(run, stage->orient, quad, image, &run->ws->line);
        if (code == 0)
            code = run_line(run, stage->orient, &run->ws->line, answers);
        if (code < 0)
            return code;
        doubt = answers->count > 0 && answers->items[0].score < stage->orient_threshold;
        if (answers->count > 0 && answers->items[0].class_id == 1)
            stand_on_head(quad);
    }
    code = recognise(run, stage, image, quad, object);
    if (code == 0 && doubt) {
        stand_on_head(quad);
        code = recognise(run, stage, image, quad, object);
    }
    return code;
}

/* The picture lines are cut from: large enough that the smallest line is as high as the reader wants it. */
static int image_for(struct run *run, const struct read_stage *stage, const struct sg_image **out_image)
{
    const struct sg_result *result = run->result;
    struct sg_box cover = {1e9f, 1e9f, -1e9f, -1e9f};
    float scale = 0.0f, width, height;
    int i;

    for (i = 0; i < result->object_count; i++) {
        const struct sg_object *object = &result->objects[i];

        if (!object->has_quad)
            continue;
        quad_size(object->quad, &width, &height);
        scale = fmaxf(scale, (float)stage->recognise->transform.height / fmaxf(1.0f, fminf(width, height)));
        cover = (struct sg_box){fminf(cover.x1, object->box.x1), fminf(cover.y1, object->box.y1),
                                fmaxf(cover.x2, object->box.x2), fmaxf(cover.y2, object->box.y2)};
    }
    return picture_detail(run, &cover, scale, out_image);
}

/* Boxes of detectors that give no quads become lines themselves. */
static void boxes_to_quads(struct sg_result *result, bool inner_only)
{
    int i;

    for (i = 0; i < result->object_count; i++) {
        struct sg_object *object = &result->objects[i];
        const struct sg_box *box = &object->box;

        if (object->has_quad || (inner_only && object->parent < 0))
            continue;
        object->has_quad = true;
        object->quad[0] = (struct sg_point){box->x1, box->y1};
        object->quad[1] = (struct sg_point){box->x2, box->y1};
        object->quad[2] = (struct sg_point){box->x2, box->y2};
        object->quad[3] = (struct sg_point){box->x1, box->y2};
    }
}

int read_run(struct run *run, const struct read_stage *stage)
{
    struct sg_result *result = run->result;
    const struct sg_image *image;
    bool *keep;
    int64_t since;
    int code, i;

    if (stage->boxes)
        boxes_to_quads(result, run->pipeline->inside_count > 0);
    keep = sg_result_alloc(result, (size_t)result->object_count + 1);
    if (!keep || sg_order_reading(result) < 0)
        return sg_error_set(run->err, SG_E_NOMEM, "no memory to sort lines");
    if (result->object_count == 0)
        return 0;
    code = image_for(run, stage, &image);
    since = sg_clock_us();
    for (i = 0; i < result->object_count && code == 0; i++) {
        struct sg_object *object = &result->objects[i];

        code = run_check(run);
        if (code == 0 && object->has_quad)
            code = read_line(run, stage, image, object);
        keep[i] = !object->has_quad || object->text_score >= stage->threshold;
    }
    if (code == 0 && sg_order_keep(result, keep) < 0)
        code = sg_error_set(run->err, SG_E_NOMEM, "no memory to sort lines");
    run_tick(run, SG_STAGE_READ, &since);
    return code;
}
