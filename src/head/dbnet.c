/* SPDX-License-Identifier: MIT
 * Text lines by Differentiable Binarization (Liao et al. 2020), post-processing as in PP-OCR: regions of the
 * probability map above 0.3, each scored by its mean probability, the rectangle of least area around it grown
 * on all sides by area * unclip / perimeter.
 */
#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"
#include "head/region.h"

#include <stdio.h>
#include <string.h>

#define MAX_REGIONS     1000 /* PP-OCR's max_candidates */
#define MIN_SIDE        3.0f /* map pixels, before growing */
#define MIN_GROWN       5.0f /* after */
#define MAP_THRESHOLD   0.3f
#define SCORE_THRESHOLD 0.6f
#define UNCLIP          1.5f

struct dbnet {
    int columns, rows; /* of the map */
    float scale_x, scale_y, map_threshold, unclip;
};

/* The size of the map, which follows the picture where the graph takes any. */
static int measure(const struct sg_tensor *outputs, int count, int item, struct dbnet *state,
                   struct sg_error *err)
{
    const int64_t want[] = {-1, 1, -1, -1};
    int code = sg_count_check(err, "dbnet", count, 1);

    if (code == SG_OK)
        code = sg_shape_check(err, &outputs[0], item, 4, want, "Nx1xHxW, a map of text probability");
    if (code < 0)
        return code;
    if (outputs[0].dims[2] < 1 || outputs[0].dims[3] < 1 || outputs[0].dims[2] > SG_IMAGE_MAX_SIDE ||
        outputs[0].dims[3] > SG_IMAGE_MAX_SIDE ||
        !sg_regions_bytes((int)outputs[0].dims[3], (int)outputs[0].dims[2]))
        return sg_shape_error(err, &outputs[0], "Nx1xHxW with sides of 1 to %d", SG_IMAGE_MAX_SIDE);
    state->rows = (int)outputs[0].dims[2];
    state->columns = (int)outputs[0].dims[3];
    return SG_OK;
}

static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    struct dbnet *state = opaque;
    int code = measure(outputs, count, 0, state, err);

    (void)signature;
    if (code < 0)
        return code;
    if (sg_input_sized(spec, err) < 0)
        return SG_E_MODEL;
    state->scale_x = (float)spec->input_width / (float)state->columns;
    state->scale_y = (float)spec->input_height / (float)state->rows;
    state->map_threshold = spec->mask_threshold > 0.0f ? spec->mask_threshold : MAP_THRESHOLD;
    state->unclip = spec->unclip > 0.0f ? spec->unclip : UNCLIP;
    return SG_OK;
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    /* Means of RGB on BGR pictures: so the models were trained. */
    static const float mean[3] = {123.675f, 116.28f, 103.53f}, std[3] = {58.395f, 57.12f, 57.375f};
    struct dbnet state = {0};
    int64_t n, step, i;

    (void)signature;
    if (count != 1 || init(signature, outputs, count, spec, &state, NULL) < 0 ||
        state.columns != spec->input_width || state.rows != spec->input_height || state.rows < 32)
        return;
    n = (int64_t)state.columns * state.rows;
    step = n > 4096 ? n / 4096 : 1;
    for (i = 0; i < n; i += step) {
        float value = sg_tensor_at(&outputs[0], i);

        if (!(value >= 0.0f && value <= 1.0f))
            return;
    }
    guess->confidence = 75;
    snprintf(guess->evidence, sizeof(guess->evidence), "one map of 0..1 as large as the input, %dx%d",
             state.columns, state.rows);
    snprintf(guess->ambiguity, sizeof(guess->ambiguity),
             "a map of text probability is assumed; any segmentation in one channel looks alike");
    sg_guess_transform(guess, SG_CHANNELS_BGR, SG_FIT_LETTERBOX_TOPLEFT, mean, std, 0.0f,
                       "PP-OCR: BGR, mean and std of ImageNet in the order of RGB");
    guess->threshold = SCORE_THRESHOLD;
    guess->class_count = 1;
    snprintf(guess->labels, sizeof(guess->labels), "text");
}

/* Corners in a walk around the rectangle. */
static void corners(const struct sg_rotated *r, struct sg_point out[4])
{
    static const float signs[4][2] = {{-0.5f, -0.5f}, {0.5f, -0.5f}, {0.5f, 0.5f}, {-0.5f, 0.5f}};
    int i;

    for (i = 0; i < 4; i++) {
        float along = signs[i][0] * r->width, across = signs[i][1] * r->height;

        out[i] =
            (struct sg_point){r->x + along * r->ux - across * r->uy, r->y + along * r->uy + across * r->ux};
    }
}

/* Clockwise from the top left as PP-OCR orders them: of the two leftmost the upper one comes first. */
static void order(struct sg_point quad[4])
{
    struct sg_point p[4];
    int i, j, upper_left, upper_right;

    memcpy(p, quad, sizeof(p));
    for (i = 1; i < 4; i++)
        for (j = i; j > 0 && p[j].x < p[j - 1].x; j--) {
            struct sg_point swap = p[j];

            p[j] = p[j - 1];
            p[j - 1] = swap;
        }
    upper_left = p[0].y <= p[1].y ? 0 : 1;
    upper_right = p[2].y <= p[3].y ? 2 : 3;
    quad[0] = p[upper_left];
    quad[1] = p[upper_right];
    quad[2] = p[5 - upper_right];
    quad[3] = p[1 - upper_left];
}

static int push(const struct dbnet *state, struct sg_rotated *r, float score, int64_t row,
                struct sg_detections *out, struct sg_error *err)
{
    struct sg_detection found = {.score = score, .row = row, .polygon_count = 4, .has_quad = true};
    float grow = r->width * r->height * state->unclip / (r->width + r->height); /* twice the distance */
    struct sg_point quad[4];
    int i;

    r->width += grow;
    r->height += grow;
    if (fminf(r->width, r->height) < MIN_GROWN)
        return SG_OK;
    corners(r, quad);
    order(quad);
    found.first_polygon = sg_detections_points(out, 4);
    if (found.first_polygon < 0)
        return sg_error_set(err, found.first_polygon, "out of memory while listing points");
    found.box = (struct sg_box){INFINITY, INFINITY, -INFINITY, -INFINITY};
    for (i = 0; i < 4; i++) {
        struct sg_keypoint point = {quad[i].x * state->scale_x, quad[i].y * state->scale_y, -1.0f};

        out->points[found.first_polygon + i] = point;
        found.box.x1 = fminf(found.box.x1, point.x);
        found.box.y1 = fminf(found.box.y1, point.y);
        found.box.x2 = fmaxf(found.box.x2, point.x);
        found.box.y2 = fmaxf(found.box.y2, point.y);
    }
    return sg_head_push(out, &found, err);
}

static int walk(const struct dbnet *state, const float *map, void *memory, float threshold,
                struct sg_detections *out, struct sg_error *err)
{
    size_t walk_bytes = (sg_regions_bytes(state->columns, state->rows) + 15) / 16 * 16;
    struct sg_point *hull = (struct sg_point *)(void *)((char *)memory + walk_bytes);
    struct sg_regions regions;
    struct sg_region region;
    int code = SG_OK, n;

    sg_regions_init(&regions, map, state->columns, state->rows, state->map_threshold, memory);
    for (n = 0; n < MAX_REGIONS && code == SG_OK && sg_regions_next(&regions, &region); n++) {
        struct sg_rotated r;
        float score;

        if (region.pixels < (int64_t)MIN_SIDE * (int64_t)MIN_SIDE)
            continue;
        r = sg_region_rectangle(hull, sg_region_hull(&region, hull));
        if (fminf(r.width, r.height) < MIN_SIDE)
            continue;
        /* Over the region itself, not its rectangle as is PP-OCR's "fast" score: a line that bends fills
         * little of its rectangle, and clear ones fell below the threshold. */
        score = (float)(region.sum / (double)region.pixels);
        if (score >= threshold)
            code = push(state, &r, score, n, out, err);
    }
    return code;
}

static int detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    struct dbnet state = *(const struct dbnet *)opaque;
    const struct sg_tensor *tensor = outputs;
    const float *map = NULL;
    void *memory = NULL;
    size_t bytes = 0;
    int code = measure(outputs, count, item, &state, err);

    if (code == SG_OK)
        /* The hull of a region of all rows is the longest. */
        bytes = sg_regions_bytes(state.columns, state.rows) + 16 +
                (2 * (size_t)state.rows + 2) * sizeof(struct sg_point);
    if (code == SG_OK)
        code = sg_head_views(&tensor, 1, item, out, bytes, &map, &memory, err);
    if (code == SG_OK)
        code = walk(&state, map, memory, sg_head_threshold(options, 0), out, err);
    return code;
}

const struct sg_head_ops sg_head_dbnet = {
    .name = "dbnet",
    .summary = "text lines as quads from a map of probability (PP-OCR detection)",
    .task = SG_TASK_TEXT_DETECT,
    .keys = SG_KEY_MASK_THRESHOLD | SG_KEY_UNCLIP,
    .match = match,
    .state_bytes = sizeof(struct dbnet),
    .init = init,
    .detect = detect,
};
