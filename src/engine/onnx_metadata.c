/* SPDX-License-Identifier: MIT
 * Metadata of ONNX files; see onnx_metadata.h. Numbers of fields are those of onnx.proto. Fields are read one
 * by one instead of from a mapping: a graph takes one look at its length, and a file that is cut while it is
 * read is short instead of fatal.
 */
#include "engine/onnx_metadata.h"

#include "data/protobuf.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_MAX_BYTES   24                /* of a field's key and its length or number, ten bytes each */
#define FIELDS_MAX      (1 << 16)         /* of a ModelProto: graph, opsets, functions, metadata */
#define VALUE_MAX_BYTES ((size_t)1 << 24) /* of one text; longer ones are passed over */

enum { MODEL_PRODUCER_NAME = 2, MODEL_METADATA_PROPS = 14 };
enum { PAIR_KEY = 1, PAIR_VALUE = 2 };

/* Text of a field, up to a NUL as C has it; NULL when there is no memory. */
static char *text_of(const struct sg_protobuf *message, const struct sg_protobuf_field *field)
{
    return strndup((const char *)message->data + field->at, (size_t)field->size);
}

/* A pair of a key that is there already replaces its value. Takes both texts. */
static void put_pair(struct sg_signature *signature, char **take_key, char **take_value)
{
    int i;

    for (i = 0; i < signature->meta_count && strcmp(signature->meta[i].key, *take_key) != 0; i++)
        ;
    if (i == SG_SIGNATURE_MAX_META)
        return;
    if (i == signature->meta_count) {
        signature->meta[signature->meta_count++] = (struct sg_meta){.key = *take_key, .value = *take_value};
        *take_key = NULL;
    } else {
        free(signature->meta[i].value);
        signature->meta[i].value = *take_value;
    }
    *take_value = NULL;
}

static int read_pair(struct sg_signature *signature, struct sg_protobuf pair, struct sg_error *err)
{
    struct sg_protobuf_field field, key = {0}, value = {0}; /* "" where the file has none, as protobuf says */
    char *key_text, *value_text;
    int code = 0;

    while (sg_protobuf_next(&pair, &field) == SG_PROTOBUF_FIELD) {
        if (field.wire == SG_PROTOBUF_BYTES && field.number == PAIR_KEY)
            key = field;
        else if (field.wire == SG_PROTOBUF_BYTES && field.number == PAIR_VALUE)
            value = field;
    }
    key_text = text_of(&pair, &key);
    value_text = text_of(&pair, &value);
    if (key_text && value_text)
        put_pair(signature, &key_text, &value_text);
    else
        code = sg_error_set(err, SG_E_NOMEM, "no memory for model metadata");
    free(key_text);
    free(value_text);
    return code;
}

/* All bytes asked for, or false. */
static bool read_at(int fd, void *out, size_t size, size_t at)
{
    size_t have = 0;

    while (have < size) {
        ssize_t n = pread(fd, (char *)out + have, size - have, (off_t)(at + have));

        if (n <= 0)
            return false;
        have += (size_t)n;
    }
    return true;
}

/* A text field of the model, `size` bytes from `at` on. */
static int read_text(int fd, uint32_t number, size_t at, size_t size, struct sg_signature *signature,
                     struct sg_error *err)
{
    uint8_t *bytes;
    bool whole;
    int code = 0;

    if (size > VALUE_MAX_BYTES)
        return 0;
    bytes = calloc(1, size + 1);
    if (!bytes)
        return sg_error_set(err, SG_E_NOMEM, "no memory for model metadata");
    whole = read_at(fd, bytes, size, at);
    if (whole && number == MODEL_METADATA_PROPS)
        code = read_pair(signature, (struct sg_protobuf){.data = bytes, .end = size}, err);
    else if (whole)
        snprintf(signature->producer, sizeof(signature->producer), "%s", (const char *)bytes);
    free(bytes);
    return code;
}

/* The field at `at`, of which out_next is the end; false: no whole field is there. */
static bool next_field(int fd, size_t at, size_t size, struct sg_protobuf_field *out, size_t *out_next)
{
    uint8_t key[KEY_MAX_BYTES];
    size_t have = size - at < sizeof(key) ? size - at : sizeof(key);
    struct sg_protobuf message = {.data = key, .end = have};

    if (!read_at(fd, key, have, at))
        return false;
    if (sg_protobuf_next(&message, out) == SG_PROTOBUF_FIELD) {
        *out_next = at + message.at;
        return true;
    }
    /* Longer than what was read of it. Of anything else that is not whole the size is not known, and 0. */
    if (out->size == 0 || out->size > size - at - out->at)
        return false;
    *out_next = at + out->at + (size_t)out->size;
    return true;
}

int sg_onnx_metadata(const char *path, struct sg_signature *signature, struct sg_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), code = 0, i;
    struct sg_protobuf_field field;
    size_t size = 0, at = 0, next;
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0)
        size = (size_t)st.st_size;
    for (i = 0; i < FIELDS_MAX && code == 0 && at < size && next_field(fd, at, size, &field, &next); i++) {
        if (field.wire == SG_PROTOBUF_BYTES &&
            (field.number == MODEL_PRODUCER_NAME || field.number == MODEL_METADATA_PROPS))
            code = read_text(fd, field.number, at + field.at, (size_t)field.size, signature, err);
        at = next;
    }
    if (fd >= 0)
        close(fd);
    return code;
}
