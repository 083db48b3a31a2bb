/* SPDX-License-Identifier: MIT
 * libFuzzer target: any bytes through sniffing, header and decoder of every kind, in all ways of asking, and
 * through the estimate of the memory that they will take.
 * Seeds: fuzz/corpus/decode. The first byte of an input chooses the wish, the rest is the file.
 */
#include "base/fuzzing.h"
#include "img/decode.h"
#include "img/need.h"

#include <stdlib.h>

#define FUZZ_MAX_BYTES  ((size_t)1 << 20)
#define FUZZ_SIDE       512
#define FUZZ_MAX_PIXELS 300000 /* small, so that a claim of many pixels does not look like a hang */

static volatile unsigned seen; /* keeps the reads */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sg_decode_wish wishes[] = {
        {0},
        {.exact = true},
        {.min_width = 8, .min_height = 8},
        {.has_region = true, .region = {3.5f, 2.0f, 40.0f, 9.0f}},
        {.min_width = 4, .min_height = 4, .has_region = true, .region = {-5.0f, 7.0f, 30.0f, 1e9f}},
    };
    static struct sg_decoder *decoder; /* kept: state must not leak from one input into the next */
    static struct sg_image image;
    const struct sg_decode_limits limits = {FUZZ_MAX_BYTES, FUZZ_MAX_PIXELS};
    const struct sg_decode_wish *wish;
    struct sg_error err = {0};
    unsigned sum = 0;

    if (size < 1)
        return 0;
    if (!decoder && sg_decoder_create(&limits, &decoder) < 0)
        abort();
    wish = &wishes[data[0] % (sizeof(wishes) / sizeof(wishes[0]))];
    if (sg_decode_need(data + 1, size - 1, FUZZ_SIDE, FUZZ_SIDE, wish) < (size_t)FUZZ_SIDE * FUZZ_SIDE / 64)
        abort(); /* an eighth on each side is the least that comes out */
    if (sg_decoder_decode(decoder, data + 1, size - 1, wish, &image, &err) < 0) {
        if (!err.text[0])
            abort(); /* every failure has a text */
        return 0;
    }
    if (image.width < 1 || image.height < 1 || image.full_width < 1 || !(image.scale_x > 0.0f))
        abort();
    for (int y = 0; y < image.height; y++) /* every pixel must be there to be read */
        for (int x = 0; x < image.width * 3; x++)
            sum += image.data[(size_t)y * image.stride_bytes + (size_t)x];
    seen = sum;
    return 0;
}
