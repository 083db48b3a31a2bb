/* SPDX-License-Identifier: MIT
 * JPEG 2000 through OpenJPEG: JP2 files and bare codestreams, high throughput (HTJ2K) too. What the library
 * complains of is an error; its handlers belong to the codec, not to the process.
 */
#include "img/decode_kind.h"
#include "img/header.h"

#include <stdio.h>
#include <string.h>

#include <openjpeg.h>

#define STREAM_BUFFER  65536
#define MAX_COMPONENTS 5
#define MESSAGE_MAX    200

struct source {
    const uint8_t *bytes;
    size_t size, at;
    bool has_message;
    char message[MESSAGE_MAX]; /* the first complaint */
};

static const char *jpeg2000_sniff(const uint8_t *bytes, size_t size)
{
    if (size >= 12 && !memcmp(bytes, "\0\0\0\x0CjP  \r\n\x87\n", 12))
        return "jpeg2000";
    return size >= 4 && !memcmp(bytes, "\xFF\x4F\xFF\x51", 4) ? "jpeg2000" : NULL;
}

static int jpeg2000_probe(void *state, const struct sg_encoded *encoded, struct sg_stored *stored,
                          struct sg_error *err)
{
    (void)state;
    return sg_header_probe(sg_header_jpeg2000, encoded, stored, err);
}

static OPJ_SIZE_T read_bytes(void *out, OPJ_SIZE_T bytes, void *user)
{
    struct source *source = user;
    size_t left = source->size - source->at, count = bytes < left ? bytes : left;

    if (count == 0)
        return (OPJ_SIZE_T)-1;
    memcpy(out, source->bytes + source->at, count);
    source->at += count;
    return count;
}

static OPJ_OFF_T skip_bytes(OPJ_OFF_T bytes, void *user)
{
    struct source *source = user;
    size_t left = source->size - source->at;
    size_t count = bytes < 0 ? 0 : (uint64_t)bytes < left ? (size_t)bytes : left;

    source->at += count;
    return bytes >= 0 && count == 0 && bytes > 0 ? -1 : (OPJ_OFF_T)count;
}

static OPJ_BOOL seek_bytes(OPJ_OFF_T offset, void *user)
{
    struct source *source = user;

    if (offset < 0 || (uint64_t)offset > source->size)
        return OPJ_FALSE;
    source->at = (size_t)offset;
    return OPJ_TRUE;
}

static void keep_message(const char *message, void *user)
{
    struct source *source = user;

    if (source->has_message)
        return;
    source->has_message = true;
    snprintf(source->message, sizeof(source->message), "%s", message);
    source->message[strcspn(source->message, "\n")] = '\0';
}

/* A colour transform that one component cannot have is left out by every reader; scanners of medicine write
 * it. */
static void on_error(const char *message, void *user)
{
    if (!strstr(message, "Number of components (1) is inconsistent with a MCT"))
        keep_message(message, user);
}

/* Most warnings are of unknown boxes and tags; these mean that samples are missing. */
static void on_warning(const char *message, void *user)
{
    static const char *const missing[] = {"too short", "runcated",  "inconsistent", "orrupt",
                                          "artial",    "nexpected", "not enough",   "larger than"};

    for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++)
        if (strstr(message, missing[i]))
            keep_message(message, user);
}

static int report(const struct source *source, struct sg_error *err)
{
    const char *text = source->has_message ? source->message : "the decoder gave up";

    if (strstr(text, "emory"))
        return sg_error_set(err, SG_E_NOMEM, "out of memory decoding jpeg2000");
    if (strstr(text, "upported") || strstr(text, "not implemented"))
        return sg_error_set(err, SG_E_UNSUPPORTED, "this variant of jpeg2000 is not supported: %s", text);
    return sg_error_set(err, SG_E_BAD_IMAGE, "jpeg2000 data is damaged or ends early (%zu bytes): %s",
                        source->size, text);
}

static int refuse(struct sg_error *err, const char *what)
{
    return sg_error_set(err, SG_E_UNSUPPORTED, "this jpeg2000 is not supported: %s", what);
}

/* The sample of one component that covers a pixel, as 0..255. OpenJPEG cuts what it decodes to the
 * component's depth; only the colours of a palette may lie outside. */
static int sample(const opj_image_t *image, const opj_image_comp_t *part, int x, int y, bool *outside)
{
    int64_t at_x = ((int64_t)image->x0 + x) / part->dx - part->x0,
            at_y = ((int64_t)image->y0 + y) / part->dy - part->y0;
    int64_t value, top = ((int64_t)1 << part->prec) - 1;

    at_x = at_x < 0 ? 0 : at_x >= part->w ? part->w - 1 : at_x;
    at_y = at_y < 0 ? 0 : at_y >= part->h ? part->h - 1 : at_y;
    value = part->data[at_y * part->w + at_x];
    if (part->sgnd)
        value += (int64_t)1 << (part->prec - 1);
    *outside |= value < 0 || value > top;
    return (int)(part->prec >= 8 ? value >> (part->prec - 8) : (value * 255 + top / 2) / top);
}

static uint8_t clip(double value)
{
    return (uint8_t)(value < 0.0 ? 0.0 : value > 255.0 ? 255.0 : value + 0.5);
}

/* Colours of one pixel: grey, RGB, sYCC (BT.601 of full range) or inks. */
static void put_pixel(OPJ_COLOR_SPACE space, const int *in, int colours, uint8_t *out)
{
    if (space == OPJ_CLRSPC_CMYK) {
        for (int c = 0; c < 3; c++)
            out[c] = (uint8_t)(((255 - in[c]) * (255 - in[3]) + 127) / 255);
    } else if (space == OPJ_CLRSPC_SYCC) {
        out[0] = clip(in[0] + 1.402 * (in[2] - 128));
        out[1] = clip(in[0] - 0.344136 * (in[1] - 128) - 0.714136 * (in[2] - 128));
        out[2] = clip(in[0] + 1.772 * (in[1] - 128));
    } else {
        for (int c = 0; c < 3; c++)
            out[c] = (uint8_t)in[colours == 3 ? c : 0];
    }
}

/* How many components make the colour. Of reduced chroma readers make different pictures, so it is refused.
 */
static int look(const opj_image_t *image, OPJ_COLOR_SPACE *space, int *colours, struct sg_error *err)
{
    const opj_image_comp_t *parts = image->comps;

    if (image->numcomps < 1 || image->numcomps > MAX_COMPONENTS)
        return sg_error_set(err, SG_E_UNSUPPORTED, "this jpeg2000 is not supported: %u components",
                            image->numcomps);
    for (OPJ_UINT32 i = 0; i < image->numcomps; i++) {
        if (!parts[i].data || parts[i].w < 1 || parts[i].h < 1 || parts[i].dx < 1 || parts[i].dy < 1)
            return sg_error_set(err, SG_E_BAD_IMAGE, "jpeg2000 data is damaged: a component has no samples");
        if (parts[i].prec < 1 || parts[i].prec > 31)
            return refuse(err, "the depth of its samples");
        if (parts[i].dx != 1 || parts[i].dy != 1)
            return refuse(err, "components with fewer samples than the picture has pixels");
    }
    *space = image->color_space;
    if (*space == OPJ_CLRSPC_EYCC || (image->icc_profile_buf && image->icc_profile_len == 0))
        return refuse(err, "its colours (e-YCC or L*a*b*)");
    *colours = *space == OPJ_CLRSPC_CMYK ? 4 : image->numcomps < 3 || *space == OPJ_CLRSPC_GRAY ? 1 : 3;
    if (image->numcomps < (OPJ_UINT32)*colours || (*colours == 1 && image->numcomps > 2) ||
        (*space == OPJ_CLRSPC_UNSPECIFIED && image->numcomps > 4))
        return refuse(err, "more components than its colours need");
    return 0;
}

static int convert(const opj_image_t *picture, struct sg_image *image, struct sg_error *err)
{
    OPJ_COLOR_SPACE space = OPJ_CLRSPC_UNKNOWN;
    int colours = 0, code = look(picture, &space, &colours, err);
    bool outside = false;

    if (code < 0)
        return code;
    code = sg_decode_room(image, (int)(picture->x1 - picture->x0), (int)(picture->y1 - picture->y0), err);
    if (code < 0)
        return code;
    for (int y = 0; y < image->height; y++) {
        uint8_t *out = image->data + (size_t)y * image->stride_bytes;

        for (int x = 0; x < image->width; x++, out += 3) {
            int values[4] = {0};

            for (int c = 0; c < colours; c++)
                values[c] = sample(picture, &picture->comps[c], x, y, &outside);
            put_pixel(space, values, colours, out);
        }
    }
    if (outside)
        return sg_error_set(err, SG_E_BAD_IMAGE, "jpeg2000 data is damaged: colours beyond their depth");
    return 0;
}

static opj_stream_t *open_stream(struct source *source)
{
    opj_stream_t *stream = opj_stream_create(STREAM_BUFFER, OPJ_TRUE);

    if (!stream)
        return NULL;
    opj_stream_set_user_data(stream, source, NULL);
    opj_stream_set_user_data_length(stream, source->size);
    opj_stream_set_read_function(stream, read_bytes);
    opj_stream_set_skip_function(stream, skip_bytes);
    opj_stream_set_seek_function(stream, seek_bytes);
    return stream;
}

static int run(struct source *source, opj_codec_t *codec, opj_stream_t *stream,
               const struct sg_stored *stored, struct sg_image *image, struct sg_error *err)
{
    opj_dparameters_t parameters;
    opj_image_t *picture = NULL;
    int code = 0;

    opj_set_default_decoder_parameters(&parameters);
    opj_set_error_handler(codec, on_error, source);
    opj_set_warning_handler(codec, on_warning, source);
    if (!opj_setup_decoder(codec, &parameters) || !opj_decoder_set_strict_mode(codec, OPJ_TRUE) ||
        !opj_read_header(stream, codec, &picture))
        code = report(source, err);
    else if (picture->x1 - picture->x0 != (OPJ_UINT32)stored->width ||
             picture->y1 - picture->y0 != (OPJ_UINT32)stored->height)
        code = sg_error_set(err, SG_E_BAD_IMAGE, "jpeg2000 header says another size than its data");
    else if (picture->numcomps > MAX_COMPONENTS)
        code = sg_error_set(err, SG_E_UNSUPPORTED, "this jpeg2000 is not supported: %u components",
                            picture->numcomps);
    else if (!opj_decode(codec, stream, picture) || !opj_end_decompress(codec, stream) || source->has_message)
        code = report(source, err);
    if (code == 0)
        code = convert(picture, image, err);
    opj_image_destroy(picture);
    return code;
}

static int jpeg2000_decode(void *state, const struct sg_encoded *encoded, const struct sg_stored *stored,
                           const struct sg_stored_wish *wish, struct sg_image *image, struct sg_error *err)
{
    struct source source = {.bytes = encoded->bytes, .size = encoded->size};
    opj_codec_t *codec = opj_create_decompress(encoded->bytes[0] == 0xFF ? OPJ_CODEC_J2K : OPJ_CODEC_JP2);
    opj_stream_t *stream = open_stream(&source);
    struct sg_header header = {.width = 0};
    int code;

    (void)state;
    (void)wish;
    if (!codec || !stream)
        code = sg_error_set(err, SG_E_NOMEM, "out of memory for a jpeg2000 decoder");
    else if (sg_header_jpeg2000(encoded->bytes, encoded->size, &header) && header.unsupported)
        code = refuse(err, header.unsupported);
    else
        code = run(&source, codec, stream, stored, image, err);
    if (stream)
        opj_stream_destroy(stream);
    if (codec)
        opj_destroy_codec(codec);
    return code;
}

const struct sg_decode_ops sg_decode_jpeg2000_ops = {
    .sniff = jpeg2000_sniff,
    .probe = jpeg2000_probe,
    .decode = jpeg2000_decode,
};
