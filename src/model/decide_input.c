/* SPDX-License-Identifier: MIT
 * Which input of a graph is the picture, its layout, type and size, and what the other inputs are fed. Called
 * once per model by model.c.
 */
#include "data/picture_slot.h"
#include "model/model_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DECIDE_DEFAULT_SIDE 640 /* what most detectors are exported at */
#define DECIDE_READER_WIDTH 320 /* of a text reader's probe; each line then has its own */
#define DECIDE_MAX_SIDE     8192

#define KNOWN_COUNT (sizeof(known) / sizeof(known[0]))
static const struct {
    const char *name;
    enum sg_aux_kind kind;
    const char *what;
} known[] = {
    {"scale_factor", SG_AUX_ONES, "1, 1: boxes stay in input pixels"},
    {"orig_target_sizes", SG_AUX_WIDTH_HEIGHT,
     "width, height of the model input: boxes stay in input pixels"},
    {"im_shape", SG_AUX_HEIGHT_WIDTH, "height, width of the model input"},
    {"image_shape", SG_AUX_HEIGHT_WIDTH, "height, width of the model input: boxes stay in input pixels"},
};

static int refuse_input(const struct sg_slot *slot, struct sg_error *err)
{
    char names[128] = "";
    size_t used = 0, i;

    for (i = 0; i < KNOWN_COUNT && used < sizeof(names); i++)
        used +=
            (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i > 0 ? ", " : "", known[i].name);
    return sg_error_set(
        err, SG_E_MODEL,
        "input \"%s\" is neither a picture (4 dimensions, 1 or 3 channels) nor one that can be filled "
        "(%s); export the model without it",
        slot->name, names);
}

static int decide_aux(struct sg_model *model, int index, struct sg_error *err)
{
    const struct sg_slot *slot = &model->signature->inputs[index];
    size_t i;

    for (i = 0; i < KNOWN_COUNT; i++) {
        if (strcmp(slot->name, known[i].name) != 0)
            continue;
        if (slot->rank < 1 || slot->rank > 2 ||
            (slot->dims[slot->rank - 1] != 2 && slot->dims[slot->rank - 1] != -1))
            return sg_error_set(err, SG_E_MODEL,
                                "input \"%s\": expected Nx2, the graph declares another shape", slot->name);
        if (model->aux_count == (int)(sizeof(model->aux) / sizeof(model->aux[0])))
            break;
        model->aux[model->aux_count++] = (struct sg_model_aux){.index = index, .kind = known[i].kind};
        sg_model_decide(model, known[i].name, known[i].what, false, "a second input of this name");
        return 0;
    }
    return refuse_input(slot, err);
}

/* "[480, 640]" of Ultralytics' imgsz is height, width; one number is both. */
bool sg_model_imgsz(const struct sg_signature *signature, int *width, int *height)
{
    const char *text = sg_signature_meta(signature, "imgsz");
    char *end;
    long a, b;

    if (!text)
        return false;
    text += strspn(text, "[( ");
    a = strtol(text, &end, 10);
    end += strspn(end, ", ");
    b = strtol(end, NULL, 10);
    if (b <= 0)
        b = a;
    if (a < 1 || b < 1 || a > DECIDE_MAX_SIDE || b > DECIDE_MAX_SIDE)
        return false;
    *height = (int)a;
    *width = (int)b;
    return true;
}

/* As the graph has it, without the batch that was thought of. */
static const char *shape_text(const struct sg_model *model, const struct sg_slot *slot, char *out,
                              size_t out_bytes)
{
    return sg_dims_text(slot->dims + model->no_batch_axis, slot->rank - model->no_batch_axis, out, out_bytes);
}

static int decide_layout(struct sg_model *model, const struct sg_slot *slot, struct sg_error *err)
{
    struct sg_transform *t = &model->transform;
    const struct sg_card_input *card = &model->card.input;
    char shape[96];
    int64_t channels;

    shape_text(model, slot, shape, sizeof(shape));
    t->layout = card->has_layout ? card->layout : sg_slot_layout(slot);
    channels = t->layout == SG_LAYOUT_NCHW ? slot->dims[1] : slot->dims[3];
    if (channels != -1 && !sg_is_channels(channels))
        return sg_error_set(err, SG_E_MODEL,
                            "input \"%s\" is %s: expected 1 or 3 channels, got %lld; `input: {layout: …}` in "
                            "the card if the channels lie elsewhere",
                            slot->name, shape, (long long)channels);
    if (card->has_color && channels != -1 && (channels == 1) != (card->color == SG_CHANNELS_GRAY))
        return sg_error_set(
            err, SG_E_CONFIG,
            "the card says `input: {color: %s}`, but input \"%s\" is %s, with %lld channel%s; %s",
            card->color == SG_CHANNELS_GRAY ? "gray" : "rgb or bgr", slot->name, shape, (long long)channels,
            channels == 1 ? "" : "s", channels == 1 ? "leave it out" : "rgb or bgr is meant");
    if (channels == 1 || (channels == -1 && card->has_color && card->color == SG_CHANNELS_GRAY))
        t->channels = SG_CHANNELS_GRAY;
    sg_model_decide(model, "layout", t->layout == SG_LAYOUT_NCHW ? "nchw" : "nhwc", false, "%s \"%s\" is %s",
                    card->has_layout ? "the card; input" : "input", slot->name, shape);
    return 0;
}

static int decide_size(struct sg_model *model, const struct sg_slot *slot, struct sg_error *err)
{
    struct sg_transform *t = &model->transform;
    const struct sg_card_input *card = &model->card.input;
    int64_t height = t->layout == SG_LAYOUT_NCHW ? slot->dims[2] : slot->dims[1];
    int64_t width = t->layout == SG_LAYOUT_NCHW ? slot->dims[3] : slot->dims[2];
    char size[32], shape[96];

    if (height == 0 || width == 0)
        return sg_error_set(err, SG_E_MODEL, "input \"%s\" is %s: a side of no pixels", slot->name,
                            shape_text(model, slot, shape, sizeof(shape)));
    /* Of a graph that did not load with the sizes it declares, those are tried first all the same. */
    if (model->declared && !model->declared->card) {
        height = model->declared->height;
        width = model->declared->width;
    }
    model->dynamic_height = height < 0;
    model->dynamic_width = width < 0;
    t->height = height > INT32_MAX ? INT32_MAX : height > 0 ? (int)height : 0;
    t->width = width > INT32_MAX ? INT32_MAX : width > 0 ? (int)width : 0;
    if (t->height && t->width) {
        snprintf(size, sizeof(size), "%dx%d", t->width, t->height);
        sg_model_decide(model, "size", size, false, "fixed in the graph");
        return 0;
    }
    if (card->has_size) {
        t->width = t->width ? t->width : card->size[0];
        t->height = t->height ? t->height : card->size[1];
        snprintf(size, sizeof(size), "%dx%d", t->width, t->height);
        if (model->declared && model->declared->card)
            sg_model_decide(model, "size", size, false,
                            "the card; the graph declares %s and runs at this one too",
                            sg_dims_text((const int64_t[]){model->declared->width, model->declared->height},
                                         2, shape, sizeof(shape)));
        else
            sg_model_decide(model, "size", size, false, "the card; the graph takes any");
    } else if (sg_model_imgsz(model->signature, &t->width, &t->height)) {
        snprintf(size, sizeof(size), "%dx%d", t->width, t->height);
        sg_model_decide(model, "size", size, false, "metadata imgsz; the graph takes any");
    } else {
        t->width = t->width                       ? t->width
                   : t->height && t->height <= 64 ? DECIDE_READER_WIDTH
                                                  : DECIDE_DEFAULT_SIDE;
        t->height = t->height ? t->height : DECIDE_DEFAULT_SIDE;
        snprintf(size, sizeof(size), "%dx%d", t->width, t->height);
        sg_model_decide(model, "size", size, true, "the graph takes any size");
    }
    return 0;
}

int sg_decide_inputs(struct sg_model *model, struct sg_error *err)
{
    const struct sg_signature *signature;
    struct sg_transform *t = &model->transform;
    const struct sg_slot *slot;
    struct sg_slot batched;
    int code, i;

    code = sg_sides_of_card(model, err);
    if (code < 0)
        return code;
    signature = model->signature; /* of another graph, perhaps */
    model->image_input = sg_picture_slot(signature->inputs, signature->input_count);
    if (model->image_input < 0)
        return sg_error_set(err, SG_E_MODEL,
                            "no input is a picture: expected one of 4 dimensions (or 3xHxW), \"%s\" has %d",
                            signature->inputs[0].name, signature->inputs[0].rank);
    slot = &signature->inputs[model->image_input];
    if (slot->rank == 3) { /* everything below speaks of a batch */
        batched = *slot;
        batched.rank = 4;
        batched.dims[0] = 1;
        for (i = 0; i < 3; i++)
            batched.dims[i + 1] = slot->dims[i];
        model->no_batch_axis = 1;
        slot = &batched;
    }
    if (slot->dtype != SG_DTYPE_F32 && slot->dtype != SG_DTYPE_F16 && slot->dtype != SG_DTYPE_U8 &&
        slot->dtype != SG_DTYPE_I8)
        return sg_error_set(err, SG_E_MODEL,
                            "input \"%s\" is %s; pictures can be fed as float32, float16, uint8 or int8",
                            slot->name, sg_dtype_name(slot->dtype));
    t->dtype = slot->dtype;
    sg_model_decide(model, "dtype", sg_dtype_name(slot->dtype), false, "input \"%s\"", slot->name);
    code = decide_layout(model, slot, err);
    if (code < 0)
        return code;
    code = decide_size(model, slot, err);
    if (code < 0)
        return code;
    if (t->width > DECIDE_MAX_SIDE || t->height > DECIDE_MAX_SIDE)
        return sg_error_set(err, SG_E_MODEL,
                            "input \"%s\" would be %dx%d pixels; at most %d a side are supported", slot->name,
                            t->width, t->height, DECIDE_MAX_SIDE);
    if (slot->dims[0] > SG_MODEL_MAX_BATCH)
        return sg_error_set(
            err, SG_E_MODEL,
            "input \"%s\" has a fixed batch of %lld, at most %d are run; export it with batch 1 "
            "or a dynamic one",
            slot->name, (long long)slot->dims[0], SG_MODEL_MAX_BATCH);
    model->fixed_batch = slot->dims[0] > 1 ? (int)slot->dims[0] : 0;
    model->dynamic_batch = slot->dims[0] == -1;
    /* Quantised graphs whose input is signed have their zero point at -128: black is -128, white 127. */
    for (i = 0; i < 3; i++) {
        t->std[i] = t->dtype == SG_DTYPE_U8 || t->dtype == SG_DTYPE_I8 ? 1.0f : 255.0f;
        t->mean[i] = t->dtype == SG_DTYPE_I8 ? 128.0f : 0.0f;
    }
    for (i = 0; i < signature->input_count && code == 0; i++)
        if (i != model->image_input)
            code = decide_aux(model, i, err);
    return code;
}
