/* SPDX-License-Identifier: MIT
 * Objects in pictures, in this process: detect [PIPELINE | MODEL.onnx] PICTURE...
 *
 *     cc examples/detect.c -o detect $(pkg-config --cflags --libs sight)
 */
#include <sight.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_file(const char *path, size_t *out_bytes)
{
    FILE *file = fopen(path, "rb");
    char *bytes = NULL;
    long size = -1;

    if (file && fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 && fseek(file, 0, SEEK_SET) == 0)
        bytes = (char *)malloc((size_t)size + 1);
    *out_bytes = bytes ? fread(bytes, 1, (size_t)size, file) : 0;
    if (file)
        fclose(file);
    return bytes;
}

int main(int argc, char **argv)
{
    struct sight_pipeline *pipeline = NULL;
    struct sight_result *result = NULL;
    struct sight_error error = {0, ""};
    int code = 0, failed = 0, arg, i;

    if (argc < 3)
        return fprintf(stderr, "usage: detect PIPELINE|MODEL.onnx PICTURE...\n"), 2;
    code = strstr(argv[1], ".onnx") ? sight_pipeline_open_model(argv[1], NULL, &pipeline, &error)
                                    : sight_pipeline_open(argv[1], NULL, &pipeline, &error);
    if (code < 0 || sight_result_create(&result) < 0)
        return fprintf(stderr, "detect: %s\n", error.message), 1;
    for (arg = 2; arg < argc; arg++) {
        size_t bytes_count;
        char *bytes = read_file(argv[arg], &bytes_count);

        code = sight_infer(pipeline, bytes, bytes_count, NULL, result, &error);
        if (code < 0)
            fprintf(stderr, "detect: %s: %s\n", argv[arg], error.message), failed = 1;
        for (i = 0; code == 0 && i < sight_result_object_count(result); i++) {
            const struct sight_object *o = sight_result_object(result, i);

            printf("%s %s %.2f %.0f,%.0f %.0fx%.0f\n", argv[arg], o->label ? o->label : "?", o->score, o->x,
                   o->y, o->w, o->h);
        }
        free(bytes);
    }
    sight_result_destroy(&result);
    sight_pipeline_close(&pipeline);
    return failed;
}
