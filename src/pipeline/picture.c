/* SPDX-License-Identifier: MIT
 * Pixels for the steps of a pipeline: the first decode as small as the first model allows, a second, larger
 * one of only the rows that crops need, views of crops, and where a model's input shows a region. Called by
 * the worker's thread.
 */
#include "img/need.h"
#include "pipeline/pipeline_private.h"

#include <math.h>
#include <string.h>

#define PICTURE_NATIVE_SIDE                                                                                  \
    640 /* longer side fed to graphs that resize by themselves, when the decode may be reduced */
#define PICTURE_TEXT_SIDE                                                                                    \
    960                      /* longer side that text detection works on at most (PP-OCR's limit_side_len)   \
                              */
#define PICTURE_TEXT_STEP 32 /* text detectors take multiples of their largest stride */
#define PICTURE_ENOUGH    0.999f
#define PICTURE_HAIR      0.01f /* pixels: float arithmetic must not ask for one more */

int picture_open(struct run *run)
{
    struct sg_picture picture;
    const struct sg_image *pixels = run->frame->pixels;
    int64_t since = 0;
    int code;

    if (!run->frame->bytes && pixels) {
        run->picture = pixels;
        run->result->width = pixels->full_width;
        run->result->height = pixels->full_height;
        return 0;
    }
    run_tick(run, SG_STAGE_COUNT, &since);
    code = sg_decoder_probe(run->ws->decoder, run->frame->bytes, run->frame->size, &picture, run->err);
    run_tick(run, SG_STAGE_DECODE, &since);
    if (code < 0)
        return code;
    run->result->width = picture.width;
    run->result->height = picture.height;
    return 0;
}

static int round_up(int value, int step)
{
    return (value + step - 1) / step * step;
}

/* Text detectors of dynamic size see the picture at its own aspect: shrunk to the side limit, in steps of 32.
 */
static void text_size(const struct sg_model *model, float width, float height, struct sg_transform *transform)
{
    int side = model->card.input.has_size ? model->transform.width : PICTURE_TEXT_SIDE;
    float scale = fminf(1.0f, (float)side / fmaxf(width, height));

    transform->width = round_up((int)fmaxf(1.0f, roundf(width * scale)), PICTURE_TEXT_STEP);
    transform->height = round_up((int)fmaxf(1.0f, roundf(height * scale)), PICTURE_TEXT_STEP);
    transform->fit = SG_FIT_STRETCH;
}

void picture_place(const struct run *run, const struct sg_model *model, const struct sg_box *region,
                   struct sg_transform *transform, struct sg_placement *placement)
{
    float width = region->x2 - region->x1, height = region->y2 - region->y1;

    *transform = model->transform;
    if (model->native_size) {
        float scale_x, scale_y;

        if (run->picture) {
            scale_x = run->picture->scale_x;
            scale_y = run->picture->scale_y;
        } else {
            scale_x = scale_y = run->exact ? 1.0f : fminf(1.0f, PICTURE_NATIVE_SIDE / fmaxf(width, height));
        }
        transform->width = (int)fmaxf(1.0f, roundf(width * scale_x));
        transform->height = (int)fmaxf(1.0f, roundf(height * scale_y));
        transform->fit = SG_FIT_STRETCH;
    } else if (sg_model_task(model) == SG_TASK_TEXT_DETECT && model->dynamic_width && model->dynamic_height) {
        text_size(model, width, height, transform);
    }
    sg_letterbox_place(transform, region, placement);
    if (model->native_size) {
        /* Boxes come as shares of the picture, which the head has told in pixels of the size it was probed
         * at. */
        placement->box_scale_x = (float)model->transform.width / width;
        placement->box_scale_y = (float)model->transform.height / height;
        placement->box_offset_x = -region->x1 * placement->box_scale_x;
        placement->box_offset_y = -region->y1 * placement->box_scale_y;
    }
}

static bool is_whole(const struct run *run, const struct sg_box *box)
{
    return box->x1 <= 0.0f && box->y1 <= 0.0f && box->x2 >= (float)run->result->width &&
           box->y2 >= (float)run->result->height;
}

/* Memory for one decode, before any of it is allocated. */
static int take_memory(struct run *run, const struct sg_decode_wish *wish, size_t *out_bytes)
{
    struct sg_workspace *ws = run->ws;
    int code;

    *out_bytes = 0;
    if (!ws->options.memory)
        return 0;
    /* One more, so that even a tiny picture's holder is one: see sg_memory_take. */
    *out_bytes = 1 + sg_decode_need(run->frame->bytes, run->frame->size, run->result->width,
                                    run->result->height, wish);
    code = sg_memory_take(ws->options.memory, ws->held, *out_bytes, run->request->deadline_us,
                          run->request->cancelled, run->err);
    if (code == 0)
        ws->held += *out_bytes;
    return code;
}

/* What was only needed while decoding goes back; the picture, and the byte that marks a holder, stay until
 * the frame is done. */
static void keep_picture(struct run *run, const struct sg_image *image, size_t taken)
{
    struct sg_workspace *ws = run->ws;

    if (taken <= image->capacity_bytes)
        return;
    sg_memory_lower(ws->options.memory, taken - image->capacity_bytes - 1);
    ws->held -= taken - image->capacity_bytes - 1;
}

/* Decodes region (whole picture when it covers it) at width x height or larger into image. */
static int decode(struct run *run, const struct sg_box *region, int width, int height, struct sg_image *image)
{
    struct sg_decode_wish wish = {.min_width = width, .min_height = height, .exact = run->exact};
    int64_t since = 0;
    size_t taken;
    int code;

    if (run->exact)
        wish.min_width = wish.min_height = 0;
    if (!is_whole(run, region)) {
        wish.has_region = true;
        wish.region = *region;
    }
    code = take_memory(run, &wish, &taken);
    if (code < 0)
        return code;
    run_tick(run, SG_STAGE_COUNT, &since);
    code = sg_decoder_decode(run->ws->decoder, run->frame->bytes, run->frame->size, &wish, image, run->err);
    keep_picture(run, image, taken);
    run_tick(run, SG_STAGE_DECODE, &since);
    return code;
}

int picture_decode(struct run *run, const struct sg_box *region, const struct sg_model *model,
                   const struct sg_placement *placement)
{
    int width = 0, height = 0, code;

    if (run->picture)
        return 0;
    if (model) {
        width = (int)ceilf(placement->scale_x * model->margin * (region->x2 - region->x1) - PICTURE_HAIR);
        height = (int)ceilf(placement->scale_y * model->margin * (region->y2 - region->y1) - PICTURE_HAIR);
    }
    code = decode(run, region, width, height, &run->ws->image);
    if (code < 0)
        return code;
    run->picture = &run->ws->image;
    run->result->decode_scale = run->picture->scale_x;
    return 0;
}

static bool covers(const struct run *run, const struct sg_image *image, const struct sg_box *box)
{
    float x2 = image->origin_x + (float)image->width / image->scale_x;
    float y2 = image->origin_y + (float)image->height / image->scale_y;

    return image->origin_x <= fmaxf(box->x1, 0.0f) && image->origin_y <= fmaxf(box->y1, 0.0f) &&
           x2 >= fminf(box->x2, (float)run->result->width) &&
           y2 >= fminf(box->y2, (float)run->result->height);
}

int picture_detail(struct run *run, const struct sg_box *cover, float scale,
                   const struct sg_image **out_image)
{
    const struct sg_image *have = run->picture;
    struct sg_box region = {fmaxf(0.0f, cover->x1), fmaxf(0.0f, cover->y1),
                            fminf((float)run->result->width, cover->x2),
                            fminf((float)run->result->height, cover->y2)};
    int code;

    *out_image = have;
    scale = fminf(scale, 1.0f);
    if (!run->frame->bytes ||
        (fminf(have->scale_x, have->scale_y) >= scale * PICTURE_ENOUGH && covers(run, have, &region)))
        return 0;
    have = &run->ws->detail;
    /* The second picture of this frame may serve several stages. */
    if (run->has_detail && fminf(have->scale_x, have->scale_y) >= scale * PICTURE_ENOUGH &&
        covers(run, have, &region)) {
        *out_image = have;
        return 0;
    }
    if (region.x2 - region.x1 < 1.0f || region.y2 - region.y1 < 1.0f)
        return 0; /* a crop wholly outside: any picture repeats its edge */
    code = decode(run, &region, (int)ceilf((region.x2 - region.x1) * scale),
                  (int)ceilf((region.y2 - region.y1) * scale), &run->ws->detail);
    if (code < 0)
        return code;
    run->has_detail = true;
    *out_image = have;
    return 0;
}

void picture_view(const struct sg_image *image, const struct sg_box *crop, struct sg_image *view)
{
    int bytes = sg_pixel_bytes(image->format);
    int x1 = (int)floorf((crop->x1 - image->origin_x) * image->scale_x);
    int y1 = (int)floorf((crop->y1 - image->origin_y) * image->scale_y);
    int x2 = (int)ceilf((crop->x2 - image->origin_x) * image->scale_x);
    int y2 = (int)ceilf((crop->y2 - image->origin_y) * image->scale_y);

    /* NV12 has two pixels to a chroma sample, and a view may not begin between them. */
    if (image->format == SG_PIXEL_NV12) {
        x1 &= ~1;
        y1 &= ~1;
    }
    x1 = x1 < 0 ? 0 : x1 >= image->width ? image->width - 1 : x1;
    y1 = y1 < 0 ? 0 : y1 >= image->height ? image->height - 1 : y1;
    x2 = x2 <= x1 ? x1 + 1 : x2 > image->width ? image->width : x2;
    y2 = y2 <= y1 ? y1 + 1 : y2 > image->height ? image->height : y2;
    *view = *image;
    view->capacity_bytes = 0;
    view->width = x2 - x1;
    view->height = y2 - y1;
    view->data = image->data + (size_t)y1 * image->stride_bytes + (size_t)(x1 * bytes);
    if (image->chroma)
        view->chroma = image->chroma + (size_t)(y1 / 2) * image->stride_bytes + (size_t)x1;
    view->origin_x = image->origin_x + (float)x1 / image->scale_x;
    view->origin_y = image->origin_y + (float)y1 / image->scale_y;
}

struct sg_box picture_crop(const struct run *run, const struct sg_box *box, float expand, bool square,
                           bool pad)
{
    float width = (box->x2 - box->x1) * (1.0f + expand), height = (box->y2 - box->y1) * (1.0f + expand);
    float x = (box->x1 + box->x2) / 2.0f, y = (box->y1 + box->y2) / 2.0f;
    struct sg_box crop;

    if (square)
        width = height = fmaxf(width, height);
    crop = (struct sg_box){floorf(x - width / 2.0f), floorf(y - height / 2.0f), ceilf(x + width / 2.0f),
                           ceilf(y + height / 2.0f)};
    if (!pad) {
        crop.x1 = fmaxf(crop.x1, 0.0f);
        crop.y1 = fmaxf(crop.y1, 0.0f);
        crop.x2 = fminf(crop.x2, (float)run->result->width);
        crop.y2 = fminf(crop.y2, (float)run->result->height);
    }
    crop.x2 = fmaxf(crop.x2, crop.x1 + 1.0f);
    crop.y2 = fmaxf(crop.y2, crop.y1 + 1.0f);
    return crop;
}
