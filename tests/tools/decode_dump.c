/* SPDX-License-Identifier: MIT
 * Test tool: decodes one file and says what came out, so that other decoders can be compared bit by bit.
 *   decode_dump [--exact] [--min WxH] [--region X1,Y1,X2,Y2] [--max-pixels N] [--repeat N] [--memory] FILE
 * [RAW] Prints "ok format width height full_width full_height orientation scale_x scale_y origin_x origin_y
 * ms", or "error code text"; writes the pixels (RGB, rows without padding) to RAW. ms is the median of
 * --repeat runs.
 * --memory decodes once more and prints before that "memory foreseen taken", in bytes: what sg_decode_need
 * says, and by how much the resident memory of the process grew at its highest.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "img/decode.h"
#include "img/need.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_REPEAT    1000
#define MMAPPED_BYTES (128 << 10) /* of this size on memory is mapped, and given back when it is freed */

struct arguments {
    struct sg_decode_limits limits;
    struct sg_decode_wish wish;
    int repeat;
    bool memory;
    const char *file, *raw;
};

static bool parse(int count, char **words, struct arguments *args)
{
    int at = 1;

    for (; at < count && !strncmp(words[at], "--", 2); at++) {
        const char *value = at + 1 < count ? words[at + 1] : "";
        struct sg_box *box = &args->wish.region;

        if (!strcmp(words[at], "--exact")) {
            args->wish.exact = true;
            continue;
        }
        if (!strcmp(words[at], "--memory")) {
            args->memory = true;
            continue;
        }
        if (!strcmp(words[at], "--min")) {
            char *end;

            args->wish.min_width = (int)strtol(value, &end, 10);
            args->wish.min_height = *end ? (int)strtol(end + 1, NULL, 10) : 0;
        } else if (!strcmp(words[at], "--region")) {
            char *end;

            box->x1 = strtof(value, &end);
            box->y1 = *end ? strtof(end + 1, &end) : 0.0f;
            box->x2 = *end ? strtof(end + 1, &end) : 0.0f;
            box->y2 = *end ? strtof(end + 1, &end) : 0.0f;
            args->wish.has_region = true;
        } else if (!strcmp(words[at], "--max-pixels")) {
            args->limits.max_pixels = strtoll(value, NULL, 10);
        } else if (!strcmp(words[at], "--repeat")) {
            args->repeat = (int)strtol(value, NULL, 10);
        } else {
            return false;
        }
        at++;
    }
    args->file = at < count ? words[at] : NULL;
    args->raw = at + 1 < count ? words[at + 1] : NULL;
    return args->file && args->repeat >= 1 && args->repeat <= MAX_REPEAT;
}

static int compare_us(const void *a, const void *b)
{
    const int64_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

static bool write_raw(const char *path, const struct sg_image *image)
{
    FILE *file = fopen(path, "wbe");
    bool good = file != NULL;

    for (int y = 0; good && y < image->height; y++)
        good = fwrite(image->data + (size_t)y * image->stride_bytes, 3, (size_t)image->width, file) ==
               (size_t)image->width;
    if (file && fclose(file) != 0)
        good = false;
    return good;
}

/* A line of /proc/self/status, in bytes; 0 when it is not there. */
static size_t status_bytes(const char *name)
{
    FILE *file = fopen("/proc/self/status", "re");
    size_t bytes = 0, length = strlen(name);
    char line[256];

    while (file && fgets(line, sizeof(line), file))
        if (!strncmp(line, name, length))
            bytes = (size_t)strtoull(line + length, NULL, 10) << 10;
    if (file)
        fclose(file);
    return bytes;
}

/* The libraries' code and tables are there already: everything has been decoded once. */
static void print_memory(const struct arguments *args, const struct sg_buf *input,
                         const struct sg_picture *picture)
{
    FILE *reset = fopen("/proc/self/clear_refs", "we");
    struct sg_decoder *decoder = NULL;
    struct sg_image image = {0};
    struct sg_error err;
    size_t before;

    malloc_trim(0);
    if (reset) {
        fputs("5", reset); /* the highest mark starts again from here */
        fclose(reset);
    }
    before = status_bytes("VmRSS:");
    if (sg_decoder_create(&args->limits, &decoder) == 0)
        sg_decoder_decode(decoder, input->data, input->size, &args->wish, &image, &err);
    printf("memory %zu %zu\n",
           sg_decode_need(input->data, input->size, picture->width, picture->height, &args->wish),
           status_bytes("VmHWM:") - before);
    sg_decoder_destroy(&decoder);
    sg_image_fini(&image);
}

static int dump(struct sg_decoder **decoder, const struct arguments *args, const struct sg_buf *input)
{
    static int64_t took_us[MAX_REPEAT];
    struct sg_error err = {0};
    struct sg_picture picture;
    struct sg_image image = {0};
    size_t middle = (size_t)args->repeat / 2;
    int code = sg_decoder_probe(*decoder, input->data, input->size, &picture, &err);

    for (int i = 0; code == 0 && i < args->repeat; i++) {
        int64_t start = sg_clock_us();

        code = sg_decoder_decode(*decoder, input->data, input->size, &args->wish, &image, &err);
        took_us[i] = sg_clock_us() - start;
    }
    if (code == 0 && args->memory) {
        sg_image_fini(&image);
        sg_decoder_destroy(decoder);
        print_memory(args, input, &picture);
    } else if (code < 0) {
        printf("error %s %s%s%s\n", sg_err_name(code), err.text, err.detail[0] ? " | " : "", err.detail);
    } else {
        qsort(took_us, (size_t)args->repeat, sizeof(took_us[0]), compare_us);
        printf("ok %s %d %d %d %d %d %g %g %g %g %.3f\n", picture.format, image.width, image.height,
               image.full_width, image.full_height, picture.orientation, (double)image.scale_x,
               (double)image.scale_y, (double)image.origin_x, (double)image.origin_y,
               (double)took_us[middle] / 1e3);
        if (args->raw && !write_raw(args->raw, &image))
            code = SG_E_IO;
    }
    sg_image_fini(&image);
    return code;
}

int main(int count, char **words)
{
    struct arguments args = {.limits = {SG_DECODE_MAX_BYTES, SG_DECODE_MAX_PIXELS}, .repeat = 1};
    struct sg_decoder *decoder = NULL;
    struct sg_buf input;
    int code;

    if (!parse(count, words, &args)) {
        fprintf(stderr, "usage: see the head of tests/tools/decode_dump.c\n");
        return 2;
    }
    mallopt(M_MMAP_THRESHOLD, MMAPPED_BYTES);
    sg_buf_init(&input, SG_DECODE_MAX_BYTES);
    code = sg_buf_append_file(&input, args.file);
    if (code == 0)
        code = sg_decoder_create(&args.limits, &decoder);
    if (code == 0)
        code = dump(&decoder, &args, &input);
    else
        printf("error %s\n", sg_err_name(code));
    sg_decoder_destroy(&decoder);
    sg_buf_fini(&input);
    return code < 0 ? 1 : 0;
}
