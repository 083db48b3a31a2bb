/* SPDX-License-Identifier: MIT
 * Running a model once on a synthetic picture, to see what its outputs really are: declared shapes may lie,
 * and whether values are logits or probabilities stands in no signature.
 */
#include "img/letterbox.h"
#include "model/model_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PROBE_TOLERANCE                                                                                      \
    1e-3f /* relative to the largest value; kernels of other batch sizes sum in another order */

#define PROBE_WHITE (-1) /* a seed: nothing on the picture */

/* Soft shapes and some grain: neither flat (softmax ties) nor noise alone (values no picture has). The mates
 * of the first picture have all the contrast there can be: a scale taken over the whole batch must show. */
static int probe_picture(int seed, struct sg_image *image)
{
    uint32_t grain = 0x9e3779b9u * (uint32_t)(seed + 1);
    int code = sg_image_resize(image, SG_PIXEL_RGB24, 160, 120);
    int x, y, c;

    if (code < 0)
        return code;
    if (seed == PROBE_WHITE) {
        memset(image->data, UINT8_MAX, image->stride_bytes * (size_t)image->height);
        return 0;
    }
    for (y = 0; y < image->height; y++)
        for (x = 0; x < image->width; x++)
            for (c = 0; c < 3; c++) {
                float wave =
                    sinf((float)x * 0.07f + (float)c + (float)seed) * cosf((float)y * 0.05f * (float)(c + 1));
                float disc = hypotf((float)x - 80.0f, (float)y - 60.0f) < 30.0f ? 60.0f : 0.0f;

                grain = grain * 1664525u + 1013904223u;
                image->data[(size_t)y * image->stride_bytes + (size_t)x * 3 + (size_t)c] =
                    seed > 0 ? (wave > 0.0f ? UINT8_MAX : 0)
                             : (uint8_t)(90.0f + 50.0f * wave + disc + (float)(grain >> 28));
            }
    return 0;
}

static int fill_item(const struct sg_model *model, int seed, void *item, struct sg_error *err)
{
    struct sg_letterbox letterbox = {0};
    struct sg_image image = {0};
    struct sg_placement placement;
    struct sg_box region;
    int code = probe_picture(seed, &image);

    if (code < 0) {
        sg_error_set(err, code, "no memory for the probe picture");
    } else {
        region = (struct sg_box){0.0f, 0.0f, (float)image.width, (float)image.height};
        sg_letterbox_place(&model->transform, &region, &placement);
        code = sg_letterbox_run(&letterbox, &image, &model->transform, &placement, item, err);
    }
    sg_letterbox_fini(&letterbox);
    sg_image_fini(&image);
    return code;
}

int sg_probe_white(struct sg_model *model, struct sg_runner *runner, struct sg_error *err)
{
    struct sg_tensor tensor;
    size_t item_bytes;
    int code = sg_model_shape(model, runner, &model->transform, 1, &tensor, &item_bytes, err);

    if (code == 0)
        code = fill_item(model, PROBE_WHITE, tensor.data, err);
    return code < 0 ? code : sg_runner_run(runner, err);
}

int sg_probe_run(struct sg_model *model, struct sg_runner *runner, int items, struct sg_error *err)
{
    struct sg_tensor tensor;
    size_t item_bytes;
    int code, i;

    code = sg_model_shape(model, runner, &model->transform, items, &tensor, &item_bytes, err);
    for (i = 0; i < items && code == 0; i++)
        code = fill_item(model, i, (char *)tensor.data + (size_t)i * item_bytes, err);
    if (code == 0)
        code = sg_runner_run(runner, err);
    return code;
}

/* The first item of every output as floats, into a fresh array. Outputs without a batch dimension of `items`
 * make the answer "cannot tell": *out_values NULL. */
static int first_items(struct sg_runner *runner, int items, float **out_values, size_t *out_count,
                       struct sg_error *err)
{
    const struct sg_tensor *outputs;
    int count, i;
    size_t total = 0, used = 0;
    int64_t k;

    *out_values = NULL;
    *out_count = 0;
    outputs = sg_runner_outputs(runner, &count);
    for (i = 0; i < count; i++) {
        if (outputs[i].rank < 1 || outputs[i].dims[0] != items)
            return 0;
        total += (size_t)(sg_tensor_count(&outputs[i]) / items);
    }
    *out_values = calloc(total ? total : 1, sizeof(float));
    if (!*out_values)
        return sg_error_set(err, SG_E_NOMEM, "no memory for the batch probe");
    for (i = 0; i < count; i++)
        for (k = 0; k < sg_tensor_count(&outputs[i]) / items; k++)
            (*out_values)[used++] = sg_tensor_at(&outputs[i], k);
    *out_count = total;
    return 0;
}

int sg_probe_batch(struct sg_model *model, struct sg_runner *runner, bool *out_told, bool *out_independent,
                   struct sg_error *err)
{
    float *alone = NULL, *together = NULL, largest = 0.0f, apart = 0.0f;
    size_t alone_count = 0, together_count = 0, i;
    int code;

    *out_told = *out_independent = false;
    code = sg_probe_run(model, runner, 1, err);
    if (code == 0)
        code = first_items(runner, model->fixed_batch ? model->fixed_batch : 1, &alone, &alone_count, err);
    if (code == 0)
        code = sg_probe_run(model, runner, 2, err);
    if (code == 0)
        code =
            first_items(runner, model->fixed_batch ? model->fixed_batch : 2, &together, &together_count, err);
    if (code < 0 || !alone || !together || alone_count != together_count)
        goto out;
    *out_told = true;
    for (i = 0; i < alone_count; i++) {
        if (isfinite(alone[i]))
            largest = fmaxf(largest, fabsf(alone[i]));
        if (isfinite(alone[i]) != isfinite(together[i]))
            apart = INFINITY;
        else if (isfinite(alone[i]))
            apart = fmaxf(apart, fabsf(alone[i] - together[i]));
    }
    *out_independent = apart <= PROBE_TOLERANCE * largest;
out:
    free(alone);
    free(together);
    return code;
}
