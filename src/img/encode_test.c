/* SPDX-License-Identifier: MIT
 * What was written is read back by the libraries' own decoders: libjpeg for JPEG, FFmpeg for PNG.
 */
#include "img/encode.h"

#include <libavcodec/avcodec.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <cmocka.h>

#define LIMIT ((size_t)1 << 24)

/* Soft colours, so that chroma at half size costs little. */
static void make(struct sg_image *image, enum sg_pixel format, int width, int height)
{
    int x, y, c, bytes = format == SG_PIXEL_GRAY8 ? 1 : 3;

    assert_int_equal(sg_image_resize(image, format, width, height), 0);
    for (y = 0; y < height; y++) {
        for (x = 0; x < width; x++) {
            uint8_t rgb[3] = {(uint8_t)(40 + x), (uint8_t)(60 + y), (uint8_t)(200 - x)};

            for (c = 0; c < bytes; c++)
                image->data[(size_t)y * image->stride_bytes + (size_t)(x * bytes + c)] =
                    rgb[format == SG_PIXEL_BGR24 ? 2 - c : c];
        }
    }
}

static void a_jpeg_reads_back(void **state)
{
    static const enum sg_pixel formats[] = {SG_PIXEL_RGB24, SG_PIXEL_BGR24, SG_PIXEL_GRAY8};
    struct sg_image image = {0};
    size_t k;

    (void)state;
    for (k = 0; k < 3; k++) {
        struct jpeg_decompress_struct jpeg = {0};
        struct jpeg_error_mgr fault;
        struct sg_buf buf;
        uint8_t row[3 * 101];
        JSAMPROW rows = row;
        int channels = k == 2 ? 1 : 3;

        make(&image, formats[k], 101, 67);
        sg_buf_init(&buf, LIMIT);
        assert_int_equal(sg_encode_jpeg(&image, 95, &buf, NULL), 0);
        jpeg.err = jpeg_std_error(&fault);
        jpeg_create_decompress(&jpeg);
        jpeg_mem_src(&jpeg, buf.data, buf.size);
        assert_int_equal(jpeg_read_header(&jpeg, TRUE), JPEG_HEADER_OK);
        assert_int_equal(jpeg.image_width, 101);
        assert_int_equal(jpeg.num_components, channels);
        assert_int_equal(jpeg.comp_info[0].h_samp_factor, channels == 3 ? 2 : 1); /* 4:2:0 */
        (void)jpeg_start_decompress(&jpeg);
        while (jpeg.output_scanline < jpeg.output_height) {
            int y = (int)jpeg.output_scanline;

            (void)jpeg_read_scanlines(&jpeg, &rows, 1);
            assert_in_range(abs(row[50 * channels] - 90), 0, 5);
            if (channels == 3)
                assert_in_range(abs(row[50 * 3 + 1] - (60 + y)), 0, 5);
        }
        jpeg_destroy_decompress(&jpeg);
        sg_buf_fini(&buf);
    }
    sg_image_fini(&image);
}

static void a_png_reads_back_to_the_bit(void **state)
{
    static const enum sg_pixel formats[] = {SG_PIXEL_RGB24, SG_PIXEL_BGR24, SG_PIXEL_GRAY8};
    struct sg_image image = {0};
    size_t k;
    int x, y;

    (void)state;
    for (k = 0; k < 3; k++) {
        AVCodecContext *codec = avcodec_alloc_context3(avcodec_find_decoder(AV_CODEC_ID_PNG));
        AVPacket *packet = av_packet_alloc();
        AVFrame *frame = av_frame_alloc();
        struct sg_buf buf;

        make(&image, formats[k], 101, 67);
        sg_buf_init(&buf, LIMIT);
        assert_int_equal(sg_encode_png(&image, &buf, NULL), 0);
        assert_int_equal(av_new_packet(packet, (int)buf.size), 0);
        memcpy(packet->data, buf.data, buf.size);
        assert_int_equal(avcodec_open2(codec, NULL, NULL), 0);
        assert_int_equal(avcodec_send_packet(codec, packet), 0);
        assert_int_equal(avcodec_receive_frame(codec, frame), 0);
        assert_int_equal(frame->width, 101);
        assert_int_equal(frame->height, 67);
        assert_int_equal(frame->format, k == 2 ? AV_PIX_FMT_GRAY8 : AV_PIX_FMT_RGB24);
        for (y = 0; y < 67; y++) {
            for (x = 0; x < 101; x++) {
                const uint8_t *at = frame->data[0] + y * frame->linesize[0] + x * (k == 2 ? 1 : 3);

                assert_int_equal(at[0], 40 + x);
                if (k != 2)
                    assert_true(at[1] == 60 + y && at[2] == 200 - x);
            }
        }
        av_frame_free(&frame);
        av_packet_free(&packet);
        avcodec_free_context(&codec);
        sg_buf_fini(&buf);
    }
    sg_image_fini(&image);
}

static void nonsense_is_refused(void **state)
{
    struct sg_image image = {0};
    struct sg_error err;
    struct sg_buf buf;

    (void)state;
    sg_buf_init(&buf, 100);
    assert_int_equal(sg_encode_jpeg(&image, 90, &buf, &err), SG_E_INVALID);
    make(&image, SG_PIXEL_RGB24, 101, 67);
    assert_int_equal(sg_encode_jpeg(&image, 0, &buf, &err), SG_E_INVALID);
    assert_int_equal(sg_encode_jpeg(&image, 101, &buf, &err), SG_E_INVALID);
    assert_int_equal(sg_encode_jpeg(&image, 90, &buf, &err), SG_E_TOO_LARGE);
    assert_int_equal(sg_encode_png(&image, &buf, &err), SG_E_TOO_LARGE);
    assert_int_equal(buf.size, 0);
    make(&image, SG_PIXEL_GRAY8, 65535, 1); /* libjpeg ends at 65500 */
    assert_int_equal(sg_encode_jpeg(&image, 90, &buf, &err), SG_E_INVALID);
    assert_non_null(strstr(err.text, "65500"));
    image.format = SG_PIXEL_NV12;
    assert_int_equal(sg_encode_png(&image, &buf, &err), SG_E_INVALID);
    sg_image_fini(&image);
    sg_buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_jpeg_reads_back),
        cmocka_unit_test(a_png_reads_back_to_the_bit),
        cmocka_unit_test(nonsense_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
