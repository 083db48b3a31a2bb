/* SPDX-License-Identifier: MIT
 * Archives and compressed files that were given as a model: what they are and what is inside. Formats:
 * PKWARE's APPNOTE 4.3 (zip), RFC 1952 (gzip), POSIX ustar.
 */
#include "model/file_kind.h"

#include <stdio.h>
#include <string.h>

#define ZIP_MAX_ENTRIES 4096
#define ZIP_END_BYTES   22
#define ZIP_END_MAX     (ZIP_END_BYTES + 65535) /* with the longest comment */
#define ZIP_ENTRY_BYTES 46
#define NAME_SHOWN      64

static uint32_t little(const uint8_t *at, int bytes)
{
    uint32_t value = 0;
    int i;

    for (i = bytes - 1; i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

static bool ends_with(const uint8_t *name, size_t size, const char *end)
{
    size_t length = strlen(end);

    return size >= length && memcmp(name + size - length, end, length) == 0;
}

/* Where the directory of a zip file begins and how many entries it has; false when the file ends early. */
static bool find_directory(const struct sg_file_kind *file, size_t *out_at, uint32_t *out_entries)
{
    size_t back;

    for (back = ZIP_END_BYTES; back <= file->size && back <= ZIP_END_MAX; back++) {
        const uint8_t *end = file->data + file->size - back;

        if (memcmp(end, "PK\x05\x06", 4) != 0)
            continue;
        *out_entries = little(end + 10, 2);
        *out_at = little(end + 16, 4);
        return true;
    }
    return false;
}

/* What programs keep in zip files, by a name inside. The first that fits tells. */
static const struct {
    const char *end, *what;
} insides[] = {
    {"constants.pkl", "a TorchScript model (a zip archive); export it to ONNX"},
    {"data.pkl", "a zip archive, as PyTorch saves models; export it to ONNX"},
    {"model.weights.h5", "a Keras model (a zip archive); export it to ONNX"},
    {"saved_model.pb", "a zip archive with a TensorFlow SavedModel; export that to ONNX"},
    {".mlmodel", "a zip archive with a Core ML model; export it to ONNX"},
    {".npy", "NumPy arrays (a zip archive)"},
};

static bool zip(const struct sg_file_kind *file, char *out, size_t out_bytes)
{
    char name[NAME_SHOWN + 8];
    const char *what = "a zip archive, as PyTorch and Keras save models; export it to ONNX";
    uint32_t entries = 0, i;
    size_t at = 0, best = sizeof(insides) / sizeof(insides[0]), k;

    if (!sg_file_kind_has(file, 0, "PK\x03\x04", 4))
        return false;
    if (!find_directory(file, &at, &entries))
        entries = 0;
    for (i = 0; i < entries && i < ZIP_MAX_ENTRIES; i++) {
        const uint8_t *entry = file->data + at;
        size_t size;

        if (!sg_file_kind_has(file, at, "PK\x01\x02", 4) || file->size - at < ZIP_ENTRY_BYTES)
            break;
        size = little(entry + 28, 2);
        if (file->size - at - ZIP_ENTRY_BYTES < size)
            break;
        if (ends_with(entry + ZIP_ENTRY_BYTES, size, ".onnx")) {
            snprintf(out, out_bytes, "is no ONNX file but a zip archive with %s inside; unpack it",
                     sg_file_kind_quote(entry + ZIP_ENTRY_BYTES, size, NAME_SHOWN, name, sizeof(name)));
            return true;
        }
        for (k = 0; k < best; k++)
            if (ends_with(entry + ZIP_ENTRY_BYTES, size, insides[k].end))
                best = k;
        at += ZIP_ENTRY_BYTES + size + little(entry + 30, 2) + little(entry + 32, 2);
    }
    if (best < sizeof(insides) / sizeof(insides[0]))
        what = insides[best].what;
    snprintf(out, out_bytes, "is no ONNX file but %s", what);
    return true;
}

static bool gzip(const struct sg_file_kind *file, char *out, size_t out_bytes)
{
    char name[NAME_SHOWN + 8], inside[NAME_SHOWN + 24] = "";
    size_t at = 10, size;

    if (!sg_file_kind_has(file, 0, "\x1f\x8b", 2))
        return false;
    if (file->size > 12 && file->data[3] & 4) /* FEXTRA */
        at += 2 + little(file->data + 10, 2);
    if (file->size > at && file->data[3] & 8) { /* FNAME */
        size = strnlen((const char *)file->data + at, file->size - at);
        snprintf(inside, sizeof(inside), ", of a file %s",
                 sg_file_kind_quote(file->data + at, size, NAME_SHOWN, name, sizeof(name)));
    }
    snprintf(out, out_bytes,
             "is no ONNX file but GZIP data%s; unpack it (`gunzip`, or `tar xzf` for an archive)", inside);
    return true;
}

bool sg_file_kind_pack(const struct sg_file_kind *file, char *out, size_t out_bytes)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *what;
    } others[] = {
        {"\xfd"
         "7zXZ",
         5, "xz"},
        {"BZh", 3, "bzip2"},
        {"\x28\xb5\x2f\xfd", 4, "zstd"},
        {"7z\xbc\xaf\x27\x1c", 6, "a 7z archive"},
        {"Rar!\x1a\x07", 6, "a RAR archive"},
        {"\x04\x22\x4d\x18", 4, "lz4"},
    };
    char name[NAME_SHOWN + 8];
    size_t i;

    if (zip(file, out, out_bytes) || gzip(file, out, out_bytes))
        return true;
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (sg_file_kind_has(file, 0, others[i].bytes, others[i].size)) {
            snprintf(out, out_bytes, "is no ONNX file but %s; unpack it", others[i].what);
            return true;
        }
    if (!sg_file_kind_has(file, 257, "ustar", 5))
        return false;
    snprintf(out, out_bytes, "is no ONNX file but a tar archive that begins with %s; unpack it",
             sg_file_kind_quote(file->data, strnlen((const char *)file->data, 100), NAME_SHOWN, name,
                                sizeof(name)));
    return true;
}
