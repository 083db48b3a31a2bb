/* SPDX-License-Identifier: MIT
 * Decode and letterbox together: the tensor from a reduced or partial decode against the one from a full
 * decode of the same photo. They differ by how two filters shrink (the DCT's and bilinear's), not by where
 * things lie: the same tensor moved by one pixel must be several times as far away.
 */
#include "base/buf.h"
#include "img/decode.h"
#include "img/letterbox.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIDE  160
#define LIMIT ((size_t)1 << 26)

static uint8_t whole[SIDE * SIDE], reduced[SIDE * SIDE];

static int read_photo(const char *name, struct sg_buf *buf)
{
    const char *root = getenv("SIGHT_ROOT");
    char path[4096];

    (void)snprintf(path, sizeof(path), "%s/deps/%s", root ? root : ".", name);
    sg_buf_init(buf, LIMIT);
    return sg_buf_append_file(buf, path);
}

/* Mean difference, the second tensor moved by dx, dy. */
static double away(int dx, int dy)
{
    double sum = 0;
    int x, y, count = 0;

    for (y = 4; y < SIDE - 4; y++) {
        for (x = 4; x < SIDE - 4; x++, count++)
            sum += abs(whole[y * SIDE + x] - reduced[(y + dy) * SIDE + x + dx]);
    }
    return sum / count;
}

static void run(struct sg_decoder *decoder, const struct sg_buf *buf, const struct sg_decode_wish *wish,
                const struct sg_box *part, uint8_t *tensor, float *scale)
{
    struct sg_transform t = {.width = SIDE,
                             .height = SIDE,
                             .fit = SG_FIT_STRETCH,
                             .channels = SG_CHANNELS_GRAY,
                             .dtype = SG_DTYPE_U8,
                             .std = {1, 1, 1}};
    struct sg_letterbox letterbox = {0};
    struct sg_placement placement;
    struct sg_image image = {0};
    struct sg_box region;

    assert_int_equal(sg_decoder_decode(decoder, buf->data, buf->size, wish, &image, NULL), 0);
    region = part ? *part : (struct sg_box){0, 0, (float)image.full_width, (float)image.full_height};
    sg_letterbox_place(&t, &region, &placement);
    assert_int_equal(sg_letterbox_run(&letterbox, &image, &t, &placement, tensor, NULL), 0);
    *scale = image.scale_x;
    sg_letterbox_fini(&letterbox);
    sg_image_fini(&image);
}

static void a_reduced_decode_lies_where_the_full_one_does(void **state)
{
    static const char *const photos[] = {"samples/faces/group1.jpg", "samples/faces/group2.jpg",
                                         "samples/faces/group5.jpg", "tests/pictures/zidane.jpg"};
    static const struct sg_box parts[] = {{0, 0, 0, 0}, {101, 53, 741, 555}};
    const struct sg_decode_limits limits = {SG_DECODE_MAX_BYTES, SG_DECODE_MAX_PIXELS};
    const struct sg_decode_wish exact = {.exact = true};
    struct sg_decoder *decoder = NULL;
    size_t i, k;
    int seen = 0;

    (void)state;
    assert_int_equal(sg_decoder_create(&limits, &decoder), 0);
    for (i = 0; i < sizeof(photos) / sizeof(photos[0]); i++) {
        struct sg_buf buf;

        for (k = 0; k < 2 && read_photo(photos[i], &buf) == 0; k++) {
            struct sg_decode_wish wish = {
                .min_width = SIDE, .min_height = SIDE, .has_region = k > 0, .region = parts[k]};
            const struct sg_box *part = k > 0 ? &parts[k] : NULL;
            float scale;
            double here, left, right, up, down;

            run(decoder, &buf, &exact, part, whole, &scale);
            assert_true(scale == 1.0f);
            run(decoder, &buf, &wish, part, reduced, &scale);
            assert_true(scale < 1.0f);
            here = away(0, 0);
            left = away(-1, 0), right = away(1, 0), up = away(0, -1), down = away(0, 1);
            assert_true(here < 5);
            assert_true(2 * here < fmin(fmin(left, right), fmin(up, down)));
            /* A shift by a tenth of a pixel would tip the balance between the two sides. */
            assert_true(fabs(left - right) < 0.05 * (left + right) && fabs(up - down) < 0.05 * (up + down));
            seen++;
            sg_buf_fini(&buf);
        }
    }
    sg_decoder_destroy(&decoder);
    if (seen == 0) {
        puts("skipped: no photographs (scripts/deps --tests)");
        skip();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_reduced_decode_lies_where_the_full_one_does)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
