/* SPDX-License-Identifier: MIT
 * WebP through libwebp, lossy and lossless; of an animation the first frame, where it lies on the canvas.
 * What the frame does not cover is black: alpha is dropped, and there is nothing beneath.
 */
#include "img/decode_kind.h"
#include "img/header.h"

#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

static const char *webp_sniff(const uint8_t *bytes, size_t size)
{
    return size >= 12 && !memcmp(bytes, "RIFF", 4) && !memcmp(bytes + 8, "WEBP", 4) ? "webp" : NULL;
}

static int webp_probe(void *state, const struct sg_encoded *encoded, struct sg_stored *stored,
                      struct sg_error *err)
{
    (void)state;
    return sg_header_probe(sg_header_webp, encoded, stored, err);
}

static int report(VP8StatusCode status, const struct sg_encoded *encoded, struct sg_error *err)
{
    switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY:
        return sg_error_set(err, SG_E_NOMEM, "out of memory decoding webp");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return sg_error_set(err, SG_E_UNSUPPORTED, "this variant of webp is not supported");
    default:
        return sg_error_set(err, SG_E_BAD_IMAGE, "webp data is damaged or ends early (%zu bytes)",
                            encoded->size);
    }
}

/* The frame's pixels into their place; the demuxer has seen to it that the frame is inside the canvas. */
static int decode_frame(const WebPIterator *frame, const struct sg_encoded *encoded, struct sg_image *image,
                        struct sg_error *err)
{
    WebPDecoderConfig config;
    VP8StatusCode status;

    if (frame->x_offset < 0 || frame->y_offset < 0 || frame->width < 1 || frame->height < 1 ||
        frame->width > image->width - frame->x_offset || frame->height > image->height - frame->y_offset)
        return report(VP8_STATUS_BITSTREAM_ERROR, encoded, err);
    if (frame->width != image->width || frame->height != image->height)
        memset(image->data, 0, (size_t)image->height * image->stride_bytes);
    if (!WebPInitDecoderConfig(&config))
        return sg_error_set(err, SG_E_INTERNAL, "libwebp is of another version than it was built for");
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba =
        image->data + (size_t)frame->y_offset * image->stride_bytes + (size_t)frame->x_offset * 3;
    config.output.u.RGBA.stride = (int)image->stride_bytes;
    config.output.u.RGBA.size = (size_t)(frame->height - 1) * image->stride_bytes + (size_t)frame->width * 3;
    status = WebPGetFeatures(frame->fragment.bytes, frame->fragment.size, &config.input);
    if (status == VP8_STATUS_OK &&
        (config.input.width != frame->width || config.input.height != frame->height))
        status = VP8_STATUS_BITSTREAM_ERROR;
    if (status == VP8_STATUS_OK)
        status = WebPDecode(frame->fragment.bytes, frame->fragment.size, &config);
    return status == VP8_STATUS_OK ? 0 : report(status, encoded, err);
}

static int webp_decode(void *state, const struct sg_encoded *encoded, const struct sg_stored *stored,
                       const struct sg_stored_wish *wish, struct sg_image *image, struct sg_error *err)
{
    const WebPData data = {encoded->bytes, encoded->size};
    WebPDemuxer *demuxer = WebPDemux(&data);
    WebPIterator frame = {0};
    int code;

    (void)state;
    (void)wish;
    if (!demuxer || !WebPDemuxGetFrame(demuxer, 1, &frame) || !frame.complete ||
        WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_WIDTH) != (uint32_t)stored->width ||
        WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_HEIGHT) != (uint32_t)stored->height) {
        code = report(VP8_STATUS_BITSTREAM_ERROR, encoded, err);
    } else {
        code = sg_decode_room(image, stored->width, stored->height, err);
        if (code == 0)
            code = decode_frame(&frame, encoded, image, err);
    }
    WebPDemuxReleaseIterator(&frame);
    WebPDemuxDelete(demuxer);
    return code;
}

const struct sg_decode_ops sg_decode_webp_ops = {
    .sniff = webp_sniff,
    .probe = webp_probe,
    .decode = webp_decode,
};
