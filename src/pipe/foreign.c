/* SPDX-License-Identifier: MIT
 * What a file is that was meant to be an ONNX model and is none: told by its first bytes, for a message that
 * helps more than the runtime's. Called by model.c when loading failed.
 */
#include "pipe/model_private.h"

#include <stdio.h>
#include <string.h>

struct magic {
    size_t at, size;
    const char *bytes, *what;
};

#define EXPORT "; export it to ONNX"

/* Each from the format's own description; a Git LFS pointer is what a clone without git-lfs leaves. */
static const struct magic magics[] = {
    {0, 4, "PK\x03\x04", "a zip archive, as PyTorch and Keras save models" EXPORT},
    {0, 2, "\x80\x02", "a Python pickle, as PyTorch saves models" EXPORT},
    {0, 4, "\x89HDF", "HDF5, as Keras saves models" EXPORT},
    {4, 4, "TFL3", "a TensorFlow Lite model" EXPORT},
    {0, 5, "<?xml", "XML, as OpenVINO saves models" EXPORT},
    {0, 23, "version https://git-lfs",
     "a Git LFS pointer and not the model itself; `git lfs pull` fetches that"},
    {0, 9, "<!DOCTYPE", "a web page, perhaps instead of a download"},
    {0, 9, "<!doctype", "a web page, perhaps instead of a download"},
    {0, 5, "<html", "a web page, perhaps instead of a download"},
    {0, 3, "\xff\xd8\xff", "a JPEG picture"},
    {0, 4, "\x89PNG", "a PNG picture"},
};

const char *sg_foreign_file(const char *path)
{
    char start[32] = {0};
    FILE *file = fopen(path, "rb");
    size_t got, i;

    if (!file)
        return NULL;
    got = fread(start, 1, sizeof(start), file);
    fclose(file);
    for (i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
        if (got >= magics[i].at + magics[i].size &&
            memcmp(start + magics[i].at, magics[i].bytes, magics[i].size) == 0)
            return magics[i].what;
    return NULL;
}
