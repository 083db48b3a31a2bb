/* SPDX-License-Identifier: MIT
 * JPEG 2000 that OpenJPEG writes without loss from samples that are known: colour spaces, depths, signs, and
 * what is refused. Colours by ISO 15444-1 annex M (sYCC, IEC 61966-2-1 amendment 1) in double precision.
 */
#include "img/decode.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openjpeg.h>

#define SIDE 16

struct file {
    uint8_t bytes[1 << 16];
    size_t size, at;
};

static OPJ_SIZE_T write_bytes(void *bytes, OPJ_SIZE_T size, void *user)
{
    struct file *file = user;

    if (size > sizeof(file->bytes) - file->at)
        return (OPJ_SIZE_T)-1;
    memcpy(file->bytes + file->at, bytes, size);
    file->at += size;
    file->size = file->at > file->size ? file->at : file->size;
    return size;
}

static OPJ_OFF_T skip_bytes(OPJ_OFF_T bytes, void *user)
{
    struct file *file = user;

    file->at += (size_t)bytes;
    return bytes;
}

static OPJ_BOOL seek_bytes(OPJ_OFF_T at, void *user)
{
    struct file *file = user;

    file->at = (size_t)at;
    return OPJ_TRUE;
}

struct kind {
    OPJ_COLOR_SPACE space;
    unsigned components, depth, is_signed, step;
    uint32_t
        enumerated; /* what the file says of its colours, where OpenJPEG does not write it; 0: as written */
};

/* Sample c of pixel x, y, of eight bits. */
static int sample_of(unsigned c, unsigned x, unsigned y)
{
    return (int)((c == 0 ? 16 * y + x : c == 1 ? 255 - 13 * x : c == 2 ? 11 * y + 5 * x : 17 * x) & 255);
}

static void write_file(struct file *file, const struct kind *kind)
{
    opj_image_cmptparm_t parts[8] = {0};
    opj_cparameters_t parameters;
    opj_codec_t *codec = opj_create_compress(OPJ_CODEC_JP2);
    opj_stream_t *stream = opj_stream_create(1 << 16, OPJ_FALSE);
    opj_image_t *image;

    memset(file, 0, sizeof(*file));
    for (unsigned c = 0; c < kind->components; c++) {
        unsigned step = c > 0 ? kind->step : 1;

        parts[c] = (opj_image_cmptparm_t){.dx = step,
                                          .dy = step,
                                          .w = SIDE / step,
                                          .h = SIDE / step,
                                          .prec = kind->depth,
                                          .bpp = kind->depth,
                                          .sgnd = kind->is_signed};
    }
    image = opj_image_create(kind->components, parts, kind->space);
    assert_non_null(image);
    image->x1 = image->y1 = SIDE;
    for (unsigned c = 0; c < kind->components; c++)
        for (unsigned y = 0; y < image->comps[c].h; y++)
            for (unsigned x = 0; x < image->comps[c].w; x++) {
                int value = sample_of(c, x, y);

                value = kind->depth >= 8 ? value << (kind->depth - 8) : value >> (8 - kind->depth);
                image->comps[c].data[y * image->comps[c].w + x] =
                    kind->is_signed ? value - (1 << (kind->depth - 1)) : value;
            }
    opj_set_default_encoder_parameters(&parameters);
    parameters.numresolution = 2;
    parameters.tcp_numlayers = 1;
    parameters.cp_disto_alloc = 1;
    parameters.tcp_mct = 0;
    opj_stream_set_user_data(stream, file, NULL);
    opj_stream_set_write_function(stream, write_bytes);
    opj_stream_set_skip_function(stream, skip_bytes);
    opj_stream_set_seek_function(stream, seek_bytes);
    assert_true(opj_setup_encoder(codec, &parameters, image));
    assert_true(opj_start_compress(codec, image, stream) && opj_encode(codec, stream) &&
                opj_end_compress(codec, stream));
    opj_stream_destroy(stream);
    opj_destroy_codec(codec);
    opj_image_destroy(image);
    if (kind->enumerated) {
        uint8_t *colours = memmem(file->bytes, file->size, "colr", 4);

        assert_non_null(colours); /* method, precedence, approximation, then the number */
        for (int i = 0; i < 4; i++)
            colours[7 + i] = (uint8_t)(kind->enumerated >> (24 - 8 * i));
    }
}

static int decode(const struct file *file, struct sg_image *image, struct sg_error *err)
{
    static const struct sg_decode_limits limits = {SG_DECODE_MAX_BYTES, SG_DECODE_MAX_PIXELS};
    static const struct sg_decode_wish wish = {0};
    struct sg_decoder *decoder = NULL;
    int code;

    sg_error_clear(err);
    assert_int_equal(sg_decoder_create(&limits, &decoder), 0);
    code = sg_decoder_decode(decoder, file->bytes, file->size, &wish, image, err);
    sg_decoder_destroy(&decoder);
    return code;
}

static struct file file;

/* For each pixel what the samples of eight bits are in RGB. */
static void expect(const struct kind *kind, void (*rgb_of)(const double in[4], double rgb[3]), double margin)
{
    struct sg_image image = {0};
    struct sg_error err = {0};

    write_file(&file, kind);
    if (decode(&file, &image, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(image.width, SIDE);
    assert_int_equal(image.height, SIDE);
    for (unsigned y = 0; y < SIDE; y++)
        for (unsigned x = 0; x < SIDE; x++) {
            double in[4], rgb[3];

            for (unsigned c = 0; c < 4; c++)
                in[c] = sample_of(c, x, y);
            rgb_of(in, rgb);
            for (int c = 0; c < 3; c++)
                assert_true(fabs(image.data[y * image.stride_bytes + x * 3 + (unsigned)c] -
                                 fmin(fmax(rgb[c], 0), 255)) <= margin);
        }
    sg_image_fini(&image);
}

static void as_it_is(const double in[4], double rgb[3])
{
    memcpy(rgb, in, 3 * sizeof(*rgb));
}

static void as_grey(const double in[4], double rgb[3])
{
    rgb[0] = rgb[1] = rgb[2] = in[0];
}

/* Of four bits: 0 to 15 are 0 to 255. */
static void of_four_bits(const double in[4], double rgb[3])
{
    for (int c = 0; c < 3; c++)
        rgb[c] = floor(in[c] / 16) * 17;
}

static void of_one_bit(const double in[4], double rgb[3])
{
    for (int c = 0; c < 3; c++)
        rgb[c] = in[0] >= 128 ? 255 : 0;
}

static void from_ycc(const double in[4], double rgb[3])
{
    rgb[0] = in[0] + 2 * (1 - 0.299) * (in[2] - 128);
    rgb[2] = in[0] + 2 * (1 - 0.114) * (in[1] - 128);
    rgb[1] = (in[0] - 0.299 * rgb[0] - 0.114 * rgb[2]) / 0.587;
}

/* Cyan, magenta, yellow and black take red, green and blue away, and light. */
static void from_inks(const double in[4], double rgb[3])
{
    for (int c = 0; c < 3; c++)
        rgb[c] = (255 - in[c]) * (255 - in[3]) / 255;
}

static void pictures(void **state)
{
    (void)state;
    expect(&(struct kind){OPJ_CLRSPC_SRGB, 3, 8, 0, 1, 0}, as_it_is, 0);
    expect(&(struct kind){OPJ_CLRSPC_SRGB, 4, 8, 0, 1, 0}, as_it_is, 0);
    expect(&(struct kind){OPJ_CLRSPC_SRGB, 3, 8, 1, 1, 0}, as_it_is, 0);
    expect(&(struct kind){OPJ_CLRSPC_SRGB, 3, 12, 0, 1, 0}, as_it_is, 0);
    expect(&(struct kind){OPJ_CLRSPC_SRGB, 3, 12, 1, 1, 0}, as_it_is, 0);
    expect(&(struct kind){OPJ_CLRSPC_SRGB, 3, 4, 0, 1, 0}, of_four_bits, 0);
    expect(&(struct kind){OPJ_CLRSPC_GRAY, 1, 8, 0, 1, 0}, as_grey, 0);
    expect(&(struct kind){OPJ_CLRSPC_GRAY, 2, 8, 0, 1, 0}, as_grey, 0);
    expect(&(struct kind){OPJ_CLRSPC_GRAY, 1, 1, 0, 1, 0}, of_one_bit, 0);
    expect(&(struct kind){OPJ_CLRSPC_SYCC, 3, 8, 0, 1, 0}, from_ycc, 0.51);
    expect(&(struct kind){OPJ_CLRSPC_SRGB, 4, 8, 0, 1, 12}, from_inks, 0.51); /* CMYK */
}

static void what_is_refused(void **state)
{
    static const struct {
        struct kind kind;
        const char *text;
    } rows[] = {
        {{OPJ_CLRSPC_SRGB, 6, 8, 0, 1, 0}, "this jpeg2000 is not supported: 6 components"},
        {{OPJ_CLRSPC_SRGB, 3, 8, 0, 2, 0},
         "this jpeg2000 is not supported: components with fewer samples than the picture has pixels"},
        {{OPJ_CLRSPC_SRGB, 3, 8, 0, 1, 24}, "this jpeg2000 is not supported: its colours (e-YCC or L*a*b*)"},
        {{OPJ_CLRSPC_GRAY, 3, 8, 0, 1, 0},
         "this jpeg2000 is not supported: more components than its colours need"},
        {{OPJ_CLRSPC_SRGB, 3, 8, 0, 1, 12},
         "this jpeg2000 is not supported: more components than its colours need"},
    };
    struct sg_image image = {0};
    struct sg_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        write_file(&file, &rows[i].kind);
        assert_int_equal(decode(&file, &image, &err), SG_E_UNSUPPORTED);
        assert_string_equal(err.text, rows[i].text);
    }
    sg_image_fini(&image);
}

/* Cut off anywhere it is damaged, and says how many bytes there are. */
static void cut_off(void **state)
{
    struct sg_image image = {0};
    struct sg_error err = {0};
    size_t whole;
    char bytes[32];

    (void)state;
    write_file(&file, &(struct kind){OPJ_CLRSPC_SRGB, 3, 8, 0, 1, 0});
    whole = file.size;
    for (file.size = 12; file.size < whole - 2; file.size++) { /* the mark of the end may be missing */
        assert_int_equal(decode(&file, &image, &err), SG_E_BAD_IMAGE);
        snprintf(bytes, sizeof(bytes), "(%zu bytes)", file.size);
        assert_non_null(strstr(err.text, bytes));
    }
    sg_image_fini(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pictures), cmocka_unit_test(what_is_refused),
                                       cmocka_unit_test(cut_off)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
