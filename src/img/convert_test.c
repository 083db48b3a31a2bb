/* SPDX-License-Identifier: MIT
 * Frames made here, of every kind that FFmpeg's picture decoders give. Expected: the layouts by FFmpeg's
 * descriptions of its formats, colours by the equations of ITU-T H.273 in double precision.
 */
#include "img/convert.h"

#include <libavutil/frame.h>
#include <libavutil/pixdesc.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static AVFrame *make_frame(int format, int width, int height)
{
    AVFrame *frame = av_frame_alloc();

    assert_non_null(frame);
    frame->format = format;
    frame->width = width;
    frame->height = height;
    assert_int_equal(av_frame_get_buffer(frame, 0), 0);
    return frame;
}

static void run(const AVFrame *frame, int matrix, bool limited, struct sg_image *image)
{
    const struct sg_convert_rule rule = {.matrix = matrix, .limited = limited};
    struct sg_convert convert = {0};
    struct sg_error err = {0};

    assert_int_equal(sg_convert_run(&convert, frame, &rule, image, &err), 0);
    assert_int_equal(image->width, frame->width);
    assert_int_equal(image->height, frame->height);
    assert_int_equal(image->format, SG_PIXEL_RGB24);
    sg_convert_fini(&convert);
}

static const uint8_t *pixel(const struct sg_image *image, int x, int y)
{
    return image->data + (size_t)y * image->stride_bytes + (size_t)x * 3;
}

/* 2x2 pixels of bytes 1, 2, 3, … in each row of the one plane, the second row 40 more. */
static void packed_bytes(void **state)
{
    static const struct {
        int format, step, red, green, blue;
    } rows[] = {
        {AV_PIX_FMT_RGB24, 3, 0, 1, 2}, {AV_PIX_FMT_BGR24, 3, 2, 1, 0}, {AV_PIX_FMT_RGBA, 4, 0, 1, 2},
        {AV_PIX_FMT_RGB0, 4, 0, 1, 2},  {AV_PIX_FMT_BGRA, 4, 2, 1, 0},  {AV_PIX_FMT_BGR0, 4, 2, 1, 0},
        {AV_PIX_FMT_ARGB, 4, 1, 2, 3},  {AV_PIX_FMT_0RGB, 4, 1, 2, 3},  {AV_PIX_FMT_ABGR, 4, 3, 2, 1},
        {AV_PIX_FMT_0BGR, 4, 3, 2, 1},  {AV_PIX_FMT_GRAY8, 1, 0, 0, 0}, {AV_PIX_FMT_YA8, 2, 0, 0, 0},
    };
    struct sg_image image = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AVFrame *frame = make_frame(rows[i].format, 2, 2);

        for (int y = 0; y < 2; y++)
            for (int k = 0; k < 2 * rows[i].step; k++)
                frame->data[0][y * frame->linesize[0] + k] = (uint8_t)(1 + k + 40 * y);
        run(frame, 0, false, &image);
        for (int y = 0; y < 2; y++)
            for (int x = 0; x < 2; x++) {
                int first = 1 + 40 * y + x * rows[i].step;

                assert_int_equal(pixel(&image, x, y)[0], first + rows[i].red);
                assert_int_equal(pixel(&image, x, y)[1], first + rows[i].green);
                assert_int_equal(pixel(&image, x, y)[2], first + rows[i].blue);
            }
        av_frame_free(&frame);
    }
    sg_image_fini(&image);
}

static void palettes(void **state)
{
    AVFrame *frame = make_frame(AV_PIX_FMT_PAL8, 2, 1);
    struct sg_image image = {0};
    const uint32_t colours[2] = {0x40112233, 0xFFA0B0C0};

    (void)state;
    memcpy(frame->data[1] + 4 * 7, &colours[0], 4);
    memcpy(frame->data[1] + 4 * 255, &colours[1], 4);
    frame->data[0][0] = 255;
    frame->data[0][1] = 7;
    run(frame, 0, false, &image);
    assert_memory_equal(pixel(&image, 0, 0), "\xA0\xB0\xC0\x11\x22\x33", 6);
    av_frame_free(&frame);
    sg_image_fini(&image);
}

static void put_words(AVFrame *frame, int plane, const uint16_t *words, size_t count)
{
    memcpy(frame->data[plane], words, count * sizeof(*words));
}

/* Bits above eight are cut off, missing ones are 0; of one bit 1 is white, in MONOWHITE black. */
static void other_depths(void **state)
{
    struct sg_image image = {0};
    AVFrame *frame;

    (void)state;
    frame = make_frame(AV_PIX_FMT_GRAY16, 2, 1);
    put_words(frame, 0, (const uint16_t[]){0x12FF, 0xFE01}, 2);
    run(frame, 0, false, &image);
    assert_memory_equal(pixel(&image, 0, 0), "\x12\x12\x12\xFE\xFE\xFE", 6);
    av_frame_free(&frame);

    frame = make_frame(AV_PIX_FMT_RGB48, 1, 1);
    put_words(frame, 0, (const uint16_t[]){0x12FF, 0x3401, 0x5680}, 3);
    run(frame, 0, false, &image);
    assert_memory_equal(pixel(&image, 0, 0), "\x12\x34\x56", 3);
    av_frame_free(&frame);

    frame = make_frame(AV_PIX_FMT_GBRP10, 1, 1);
    put_words(frame, 0, (const uint16_t[]){1023}, 1);
    put_words(frame, 1, (const uint16_t[]){7}, 1);
    put_words(frame, 2, (const uint16_t[]){512}, 1);
    run(frame, 0, false, &image);
    assert_memory_equal(pixel(&image, 0, 0), "\x80\xFF\x01", 3);
    av_frame_free(&frame);

    frame = make_frame(AV_PIX_FMT_RGB565, 2, 1);
    put_words(frame, 0, (const uint16_t[]){0x8801, 0x07FF}, 2); /* 17, 0, 1; 0, 63, 31 */
    run(frame, 0, false, &image);
    assert_memory_equal(pixel(&image, 0, 0), "\x88\0\x08\0\xFC\xF8", 6);
    av_frame_free(&frame);

    for (int white = 0; white < 2; white++) {
        frame = make_frame(white ? AV_PIX_FMT_MONOWHITE : AV_PIX_FMT_MONOBLACK, 3, 1);
        frame->data[0][0] = 0xA0;
        run(frame, 0, false, &image);
        assert_memory_equal(pixel(&image, 0, 0),
                            white ? "\0\0\0\xFF\xFF\xFF\0\0\0" : "\xFF\xFF\xFF\0\0\0\xFF\xFF\xFF", 9);
        av_frame_free(&frame);
    }
    sg_image_fini(&image);
}

static void floats(void **state)
{
    static const float values[] = {-1.0f, 0.25f, 0.75f, 0.999f, 1.0f, 7.0f, NAN};
    static const uint8_t expected[] = {0, 64, 191, 255, 255, 255, 0}; /* 63.75, 191.25, 254.7 */
    struct sg_image image = {0};
    AVFrame *frame = make_frame(AV_PIX_FMT_GRAYF32, 7, 1);

    (void)state;
    memcpy(frame->data[0], values, sizeof(values));
    run(frame, 0, false, &image);
    for (int x = 0; x < 7; x++)
        for (int c = 0; c < 3; c++)
            assert_int_equal(pixel(&image, x, 0)[c], expected[x]);
    av_frame_free(&frame);
    frame = make_frame(AV_PIX_FMT_GBRPF32, 3, 1); /* planes: green, blue, red */
    for (int plane = 0; plane < 3; plane++)
        memcpy(frame->data[plane], values + plane, 3 * sizeof(float));
    run(frame, 0, false, &image);
    assert_memory_equal(pixel(&image, 0, 0), "\xBF\0\x40\xFF\x40\xBF\xFF\xBF\xFF", 9);
    av_frame_free(&frame);
    sg_image_fini(&image);
}

/* Of limited range 16 is black and 235 white, in grey and RGB as well. */
static void limited_grey_and_rgb(void **state)
{
    struct sg_image image = {0};
    AVFrame *frame = make_frame(AV_PIX_FMT_GRAY8, 256, 1);

    (void)state;
    for (int x = 0; x < 256; x++)
        frame->data[0][x] = (uint8_t)x;
    run(frame, 0, true, &image);
    for (int x = 0; x < 256; x++) {
        double full = fmin(fmax((x - 16) * 255.0 / 219.0, 0.0), 255.0);

        for (int c = 0; c < 3; c++)
            assert_true(fabs(pixel(&image, x, 0)[c] - full) <= 0.505);
    }
    av_frame_free(&frame);
    frame = make_frame(AV_PIX_FMT_RGB24, 2, 2);
    for (int y = 0; y < 2; y++)
        memcpy(frame->data[0] + y * frame->linesize[0], "\x10\xEB\x0F\xFF\x7D\x7E", 6); /* 125 is 126.9 */
    run(frame, 0, true, &image);
    for (int y = 0; y < 2; y++)
        assert_memory_equal(pixel(&image, 0, y), "\0\xFF\0\xFF\x7F\x80", 6);
    av_frame_free(&frame);
    sg_image_fini(&image);
}

/* R = Y + 2 (1 - Kr) V, B = Y + 2 (1 - Kb) U, and G so that Kr R + Kg G + Kb B = Y. */
static void expect_yuv(const uint8_t *rgb, const double yuv[3], double red, double blue, double margin)
{
    double r = yuv[0] + 2 * (1 - red) * yuv[2], b = yuv[0] + 2 * (1 - blue) * yuv[1];
    double expected[3] = {r, (yuv[0] - red * r - blue * b) / (1 - red - blue), b};

    for (int c = 0; c < 3; c++)
        assert_true(fabs(rgb[c] - fmin(fmax(expected[c], 0.0), 255.0)) <= margin);
}

static void colours_of_every_matrix(void **state)
{
    static const struct {
        int matrix;
        double red, blue;
    } rows[] = {{1, 0.2126, 0.0722}, {2, 0.299, 0.114}, {4, 0.30, 0.11},     {5, 0.299, 0.114},
                {6, 0.299, 0.114},   {7, 0.212, 0.087}, {9, 0.2627, 0.0593}, {0, 0.299, 0.114}};
    static const int formats[] = {AV_PIX_FMT_YUV444P, AV_PIX_FMT_YUV444P10, AV_PIX_FMT_YUV444P12};
    struct sg_image image = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int f = 0; f < 3; f++)
            for (int limited = 0; limited < 2; limited++) {
                AVFrame *frame = make_frame(formats[f], 9, 9);
                int depth = f == 0 ? 8 : f == 1 ? 10 : 12, top = (1 << depth) - 1;

                for (int y = 0; y < 9; y++)
                    for (int x = 0; x < 9; x++)
                        for (int p = 0; p < 3; p++) { /* all of V by rows, U by columns, luma in between */
                            int value = (p == 0 ? 4 + (x + 2 * y) % 5 : p == 1 ? x + 1 : y + 1) * top / 11;

                            if (depth == 8)
                                frame->data[p][y * frame->linesize[p] + x] = (uint8_t)value;
                            else
                                memcpy(frame->data[p] + y * frame->linesize[p] + 2 * x,
                                       &(uint16_t){(uint16_t)value}, 2);
                        }
                run(frame, rows[i].matrix, limited != 0, &image);
                for (int y = 0; y < 9; y++)
                    for (int x = 0; x < 9; x++) {
                        const int stored[3] = {(4 + (x + 2 * y) % 5) * top / 11, (x + 1) * top / 11,
                                               (y + 1) * top / 11};
                        double luma = stored[0], step = 1 << (depth - 8);
                        double u = stored[1] - 128 * step, v = stored[2] - 128 * step;
                        double wide = limited ? 224 * step : top;
                        const double yuv[3] = {limited ? (luma - 16 * step) * 255 / (219 * step)
                                                       : luma * 255 / top,
                                               u * 255 / wide, v * 255 / wide};

                        expect_yuv(pixel(&image, x, y), yuv, rows[i].red, rows[i].blue, 0.55);
                    }
                av_frame_free(&frame);
            }
    sg_image_fini(&image);
}

/* Chroma of half the size sits between the pixels: linear between its samples, the border repeats. */
static double between(const double *line, int count, double at)
{
    int left = (int)floor(at);
    double share = at - left;

    return line[left < 0 ? 0 : left] * (1 - share) + line[left + 1 >= count ? count - 1 : left + 1] * share;
}

static void halved_chroma(void **state)
{
    static const struct {
        int format, shift_x, shift_y;
    } rows[] = {{AV_PIX_FMT_YUV420P, 1, 1},
                {AV_PIX_FMT_YUV422P, 1, 0},
                {AV_PIX_FMT_YUV440P, 0, 1},
                {AV_PIX_FMT_YUV444P, 0, 0}};
    static const double samples[2][3][3] = {{{100, 140, 128}, {150, 110, 90}, {128, 160, 120}},
                                            {{140, 100, 118}, {90, 130, 160}, {150, 128, 100}}};
    struct sg_image image = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int width = rows[i].shift_x ? 5 : 3, height = rows[i].shift_y ? 5 : 3;
        AVFrame *frame = make_frame(rows[i].format, width, height);

        for (int y = 0; y < height; y++)
            memset(frame->data[0] + y * frame->linesize[0], 128, (size_t)width);
        for (int c = 0; c < 2; c++)
            for (int y = 0; y < 3; y++)
                for (int x = 0; x < 3; x++)
                    frame->data[c + 1][y * frame->linesize[c + 1] + x] = (uint8_t)samples[c][y][x];
        run(frame, 6, false, &image);
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++) {
                double yuv[3] = {128}, lines[3];

                for (int c = 0; c < 2; c++) {
                    for (int k = 0; k < 3; k++)
                        lines[k] = between(samples[c][k], 3, rows[i].shift_x ? (x - 0.5) / 2 : x);
                    yuv[c + 1] = between(lines, 3, rows[i].shift_y ? (y - 0.5) / 2 : y) - 128;
                }
                expect_yuv(pixel(&image, x, y), yuv, 0.299, 0.114, 0.505 + 0.5 * 1.772);
            }
        av_frame_free(&frame);
    }
    sg_image_fini(&image);
}

/* A half of a step of chroma is rounded up: V of 128.5 counts as 129, R is 128 + 1.402. */
static void halves_of_chroma(void **state)
{
    AVFrame *frame = make_frame(AV_PIX_FMT_YUV422P, 4, 1);
    struct sg_image image = {0};

    (void)state;
    memset(frame->data[0], 128, 4);
    memset(frame->data[1], 128, 2);
    memcpy(frame->data[2], "\x80\x82", 2);
    run(frame, 6, false, &image);
    assert_int_equal(pixel(&image, 0, 0)[0], 128);
    assert_int_equal(pixel(&image, 1, 0)[0], 129);
    assert_int_equal(pixel(&image, 2, 0)[0], 131); /* 129.5 counts as 130 */
    assert_int_equal(pixel(&image, 3, 0)[0], 131);
    av_frame_free(&frame);
    sg_image_fini(&image);
}

static void what_is_not_converted(void **state)
{
    static const struct {
        int format, matrix;
        const char *text;
    } rows[] = {
        {AV_PIX_FMT_YUV420P, 8, "pixel format yuv420p with colour matrix 8 is not supported"},
        {AV_PIX_FMT_YUV420P, 10, "pixel format yuv420p with colour matrix 10 is not supported"},
        {AV_PIX_FMT_YUYV422, 1, "pixel format yuyv422 with colour matrix 1 is not supported"},
        {AV_PIX_FMT_P010, 1, "pixel format p010le with colour matrix 1 is not supported"},
        {AV_PIX_FMT_YUV420P10BE, 1, "pixel format yuv420p10be with colour matrix 1 is not supported"},
        {AV_PIX_FMT_YUV420P16, 1, "pixel format yuv420p16le with colour matrix 1 is not supported"},
        {AV_PIX_FMT_BAYER_RGGB8, 0, "pixel format bayer_rggb8 with colour matrix 0 is not supported"},
    };
    struct sg_image image = {0};
    struct sg_convert convert = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct sg_convert_rule rule = {.matrix = rows[i].matrix};
        struct sg_error err = {0};
        AVFrame *frame = make_frame(rows[i].format, 4, 4);

        assert_int_equal(sg_convert_run(&convert, frame, &rule, &image, &err), SG_E_UNSUPPORTED);
        assert_string_equal(err.text, rows[i].text);
        av_frame_free(&frame);
    }
    sg_convert_fini(&convert);
    sg_image_fini(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_bytes),          cmocka_unit_test(palettes),
        cmocka_unit_test(other_depths),          cmocka_unit_test(floats),
        cmocka_unit_test(limited_grey_and_rgb),  cmocka_unit_test(colours_of_every_matrix),
        cmocka_unit_test(halved_chroma),         cmocka_unit_test(halves_of_chroma),
        cmocka_unit_test(what_is_not_converted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
