/* SPDX-License-Identifier: MIT
 * YOLO labels: for each picture a file of lines "class cx cy w h score", centre and size as shares of the
 * picture, and classes.txt, whose line n (from 0) names class n.
 */
#include "codec/json.h"
#include "sink/file.h"
#include "sink/sink_private.h"

#include <stdlib.h>
#include <string.h>

#define CLASSES_MAX   65536
#define CLASSES_BYTES ((size_t)16 << 20)
#define DECIMALS      6

static int put_box(const struct sg_object *o, const struct sg_result *result, struct sg_buf *out)
{
    const double width = result->width, height = result->height;
    const double numbers[] = {
        ((double)o->box.x1 + o->box.x2) / 2 / width, ((double)o->box.y1 + o->box.y2) / 2 / height,
        ((double)o->box.x2 - o->box.x1) / width, ((double)o->box.y2 - o->box.y1) / height, o->score};
    int code = sg_buf_printf(out, "%d", o->class_id);
    size_t i;

    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && code == 0; i++) {
        code = sg_buf_append(out, " ", 1);
        if (code == 0)
            code = sg_json_number(numbers[i], DECIMALS, out);
    }
    return code < 0 ? code : sg_buf_append(out, "\n", 1);
}

/* The name of a class as a line of classes.txt: a line end in it would give the names behind it to others. */
static void make_one_line(char *text, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++)
        if (text[i] == '\n' || text[i] == '\r')
            text[i] = ' ';
}

static int put_class(const struct sg_object *o, struct sg_buf *out)
{
    int code = sg_buf_printf(out, "%d ", o->class_id);
    size_t at = out->size;

    if (code == 0 && o->label)
        code = sg_buf_append_text(out, o->label);
    if (code == 0 && out->size > at)
        make_one_line((char *)out->data + at, out->size - at);
    return code == 0 ? sg_buf_append(out, "\n", 1) : code;
}

static int format(const struct sg_sink_options *options, const struct sg_sink_item *item, struct sg_buf *out)
{
    const struct sg_result *result = item->result;
    int code = 0, i;

    (void)options;
    if (item->err && item->err->code != SG_OK)
        return 0;
    for (i = 0; i < result->object_count && code == 0; i++)
        code = put_box(&result->objects[i], result, out);
    if (code == 0)
        code = sg_buf_append(out, "", 1);
    for (i = 0; i < result->object_count && code == 0; i++)
        code = put_class(&result->objects[i], out);
    return code;
}

int sg_classes_note(struct sg_classes *classes, int class_id, const char *label, bool *out_changed)
{
    if (class_id < 0 || class_id >= CLASSES_MAX)
        return 0;
    if (class_id >= classes->count) {
        char **labels = realloc(classes->labels, (size_t)(class_id + 1) * sizeof(*labels));

        if (!labels)
            return SG_E_NOMEM;
        memset(labels + classes->count, 0, (size_t)(class_id + 1 - classes->count) * sizeof(*labels));
        classes->labels = labels;
        classes->count = class_id + 1;
        *out_changed = true;
    }
    if (classes->labels[class_id] || !label || !*label)
        return 0;
    classes->labels[class_id] = strdup(label);
    if (!classes->labels[class_id])
        return SG_E_NOMEM;
    make_one_line(classes->labels[class_id], strlen(label));
    *out_changed = true;
    return 0;
}

/* A class without a name is written as class_N, and read back as nameless. */
static int read_classes(struct sg_classes *classes, struct sg_error *err)
{
    struct sg_buf text;
    const char *at;
    bool changed;
    int id = 0, code = 0;

    sg_buf_init(&text, CLASSES_BYTES);
    if (sg_buf_append_file(&text, classes->path) == 0 && (at = sg_buf_text(&text)) != NULL) {
        for (; *at && code == 0; id++) {
            size_t length = strcspn(at, "\n");
            char *line = strndup(at, length), plain[24];

            snprintf(plain, sizeof(plain), "class_%d", id);
            code = line ? sg_classes_note(classes, id, strcmp(line, plain) == 0 ? NULL : line, &changed)
                        : SG_E_NOMEM;
            free(line);
            at += length + (at[length] == '\n');
        }
    }
    sg_buf_fini(&text);
    return code < 0 ? sg_error_set(err, SG_E_NOMEM, "no memory for the classes") : 0;
}

int sg_classes_open(struct sg_classes *classes, const char *folder, bool resume, struct sg_error *err)
{
    *classes = (struct sg_classes){.guard = classes->guard};
    if (asprintf(&classes->path, "%s/classes.txt", folder) < 0) {
        classes->path = NULL;
        return sg_error_set(err, SG_E_NOMEM, "no memory");
    }
    if (!resume)
        return 0;
    classes->guard = NULL; /* what it says is kept */
    return read_classes(classes, err);
}

void sg_classes_fini(struct sg_classes *classes)
{
    int i;

    for (i = 0; i < classes->count; i++)
        free(classes->labels[i]);
    free(classes->labels);
    free(classes->path);
    *classes = (struct sg_classes){0};
}

/* Then it is left as it is, whoever wrote it. */
static bool says_so_already(const struct sg_classes *classes, const struct sg_buf *text)
{
    struct sg_buf before;
    bool same;

    sg_buf_init(&before, CLASSES_BYTES);
    same = sg_buf_append_file(&before, classes->path) == 0 && before.size == text->size &&
           memcmp(before.data, text->data, text->size) == 0;
    sg_buf_fini(&before);
    return same;
}

/* Whether the file may be replaced; asked once. */
static int may_write(struct sg_classes *classes, struct sg_error *err)
{
    int code = classes->guard ? sg_guard_claim(classes->guard, classes->path, NULL, err) : 0;

    if (code == 0)
        classes->guard = NULL;
    else
        sg_error_set(err, SG_E_IO, "the classes' names: %s", err->text);
    return code == 0 ? 0 : SG_E_IO; /* without them no label can be read: the run ends */
}

int sg_classes_write(struct sg_classes *classes, struct sg_error *err)
{
    struct sg_buf text;
    int code = 0, i;

    sg_buf_init(&text, CLASSES_BYTES);
    for (i = 0; i < classes->count && code == 0; i++)
        code = classes->labels[i] ? sg_buf_printf(&text, "%s\n", classes->labels[i])
                                  : sg_buf_printf(&text, "class_%d\n", i);
    if (code < 0)
        sg_error_set(err, (enum sg_err)code, "no memory for the classes");
    else if (!says_so_already(classes, &text) && (code = may_write(classes, err)) == 0)
        code = sg_file_put(classes->path, text.data, text.size, err);
    sg_buf_fini(&text);
    return code;
}

int sg_yolo_put(struct sg_classes *classes, const char *path, const struct sg_buf *text, struct sg_error *err)
{
    const char *bytes = (const char *)text->data, *at, *end = bytes + text->size;
    bool changed = false;
    int code = 0;

    if (text->size == 0)
        return 0;
    at = memchr(bytes, '\0', text->size);
    for (at = at ? at + 1 : end; at < end && code == 0;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at)), *blank = memchr(at, ' ', (size_t)(end - at));
        char *label;

        if (!stop || !blank)
            break;
        label = strndup(blank + 1, (size_t)(stop - blank - 1));
        code = label ? sg_classes_note(classes, (int)strtol(at, NULL, 10), label, &changed) : SG_E_NOMEM;
        free(label);
        at = stop + 1;
    }
    if (code < 0)
        return sg_error_set(err, (enum sg_err)code, "no memory for the classes");
    /* The classes first: a file that is there can be read. */
    if (changed)
        code = sg_classes_write(classes, err);
    if (code == 0)
        code = sg_folder_make_above(path, err);
    return code < 0 ? code : sg_file_put(path, bytes, strlen(bytes), err);
}

const struct sg_sink_ops sg_sink_yolo = {.word = "yolo", .way = SG_SINK_FILES, .format = format};
