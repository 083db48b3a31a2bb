/* SPDX-License-Identifier: MIT
 * What a file is that is no model, by its first bytes; see file_kind.h.
 */
#include "model/file_kind.h"

#include "base/mapping.h"
#include "engine/engine.h"

#include <stdio.h>
#include <string.h>

struct magic {
    size_t at, size;
    const char *bytes, *what;
};

#define EXPORT "; export it to ONNX"

/* Each from the format's own description. */
static const struct magic magics[] = {
    {0, 2, "\x80\x02", "a Python pickle, as PyTorch saves models" EXPORT},
    {0, 2, "\x80\x03", "a Python pickle, as PyTorch saves models" EXPORT},
    {0, 2, "\x80\x04", "a Python pickle, as PyTorch saves models" EXPORT},
    {0, 2, "\x80\x05", "a Python pickle, as PyTorch saves models" EXPORT},
    {0, 4, "\x89HDF", "HDF5, as Keras saves models" EXPORT},
    {4, 4, "TFL3", "a TensorFlow Lite model" EXPORT},
    {0, 4, "GGUF", "GGUF, as llama.cpp has models; they are not for pictures"},
    {0, 4, "lmgg", "GGML, as llama.cpp had models; they are not for pictures"},
    {0, 4, "tjgg", "GGML, as llama.cpp had models; they are not for pictures"},
    {0, 4, "ftrt", "a TensorRT engine; give the ONNX file that it was built from"},
    {0, 4, "ptrt", "a TensorRT engine; give the ONNX file that it was built from"},
    {0, 4, "RKNN", "an RKNN model; give the ONNX file that it was made from"},
    {0, 6, "\x93NUMPY", "a NumPy array"},
    {0, 3, "\xff\xd8\xff", "a JPEG picture"},
    {0, 4, "\x89PNG", "a PNG picture"},
    {0, 4, "GIF8", "a GIF picture"},
    {8, 4, "WEBP", "a WebP picture"},
    {4, 4, "ftyp", "a film or a picture (MP4, HEIF)"},
    {0, 4, "%PDF", "a PDF document"},
    {0, 4,
     "\x7f"
     "ELF",
     "a program or library of Linux"},
    {0, 4, "\xcf\xfa\xed\xfe", "a program or library of macOS"},
    {0, 15, "SQLite format 3", "an SQLite database"},
};

bool sg_file_kind_has(const struct sg_file_kind *file, size_t at, const void *bytes, size_t size)
{
    return at <= file->size && file->size - at >= size && memcmp(file->data + at, bytes, size) == 0;
}

const char *sg_file_kind_quote(const uint8_t *bytes, size_t size, size_t most, char *out, size_t out_bytes)
{
    size_t used = 0, i;

    if (out_bytes < 8)
        return "";
    out[used++] = '"';
    for (i = 0; i < size && i < most && used + 5 < out_bytes && bytes[i] >= ' ' && bytes[i] < 0x7f; i++)
        out[used++] = (char)bytes[i];
    if (i < size)
        used += (size_t)snprintf(out + used, out_bytes - used, "...");
    snprintf(out + used, out_bytes - used, "\"");
    return out;
}

/* A header's length, then JSON: https://github.com/huggingface/safetensors, "Format". */
static bool is_safetensors(const struct sg_file_kind *file)
{
    uint64_t length = 0;
    int i;

    if (file->size < 10)
        return false;
    for (i = 7; i >= 0; i--)
        length = length << 8 | file->data[i];
    return length >= 2 && length <= file->size - 8 && file->data[8] == '{' && file->data[9] == '"';
}

static bool is_zeros(const struct sg_file_kind *file)
{
    size_t i;

    for (i = 0; i < file->size && file->data[i] == 0; i++)
        ;
    return i == file->size && i > 0;
}

bool sg_file_kind_tell(const struct sg_file_kind *file, char *out, size_t out_bytes)
{
    const char *what = NULL;
    size_t i;

    if (sg_file_kind_pack(file, out, out_bytes) || sg_file_kind_words(file, out, out_bytes))
        return true;
    for (i = 0; i < sizeof(magics) / sizeof(magics[0]) && !what; i++)
        if (sg_file_kind_has(file, magics[i].at, magics[i].bytes, magics[i].size))
            what = magics[i].what;
    if (!what)
        what = sg_engine_own_format(file->data, file->size);
    if (!what && is_safetensors(file))
        what = "weights in Safetensors, without a graph" EXPORT;
    if (!what && is_zeros(file))
        what = "nothing but zeros, perhaps a download that was not finished";
    if (!what)
        return sg_file_kind_proto(file, out, out_bytes);
    snprintf(out, out_bytes, "is no ONNX file but %s", what);
    return true;
}

bool sg_file_kind_file(const char *path, char *out, size_t out_bytes)
{
    struct sg_mapping map;
    bool told;

    (void)sg_mapping_open(&map, path, false, NULL);
    told = map.bytes &&
           sg_file_kind_tell(&(struct sg_file_kind){.data = map.bytes, .size = map.size}, out, out_bytes);
    sg_mapping_close(&map);
    return told;
}
