/* SPDX-License-Identifier: MIT
 * CSV after RFC 4180 (lines end in LF). A picture has a row for each object and each answer about the whole
 * picture, one row when there is none; row and rows count them, so that a picture cut off is told apart.
 */
#include "codec/json.h"
#include "sink/sink_private.h"

#include <stdlib.h>
#include <string.h>

#define CSV_HEADER                                                                                           \
    "source,row,rows,width,height,class_id,label,score,x,y,w,h,text,attributes,error_code,error\n"
#define CSV_FIELDS   16
#define CSV_ERROR    14 /* error_code, counted from 0 */
#define FIELD_BYTES  ((size_t)1 << 20)
#define BOX_DECIMALS 2

static int put_field(const char *text, size_t size, struct sg_buf *out)
{
    int code = 0;
    size_t i;

    if (size == 0 || (!memchr(text, '"', size) && !memchr(text, ',', size) && !memchr(text, '\n', size) &&
                      !memchr(text, '\r', size)))
        return sg_buf_append(out, text, size);
    code = sg_buf_append(out, "\"", 1);
    for (i = 0; i < size && code == 0; i++)
        code = text[i] == '"' ? sg_buf_append(out, "\"\"", 2) : sg_buf_append(out, text + i, 1);
    return code < 0 ? code : sg_buf_append(out, "\"", 1);
}

static int put_text(const char *text, struct sg_buf *out)
{
    return text ? put_field(text, strlen(text), out) : 0;
}

static int put_key(const struct sg_sink_item *item, struct sg_buf *out)
{
    return put_text(item->source, out);
}

/* "expression happy 0.93" */
static int put_attribute(const struct sg_attribute *a, struct sg_buf *out)
{
    int code = sg_buf_append_text(out, a->name ? a->name : a->model ? a->model : "");

    if (code == 0 && a->class_id >= 0 && a->label)
        code = sg_buf_printf(out, " %s ", a->label);
    else if (code == 0 && a->class_id >= 0)
        code = sg_buf_printf(out, " %d ", a->class_id);
    if (code == 0 && a->class_id >= 0)
        code = sg_json_number(a->score, 4, out);
    if (code == 0 && a->has_value) {
        code = sg_buf_append(out, " ", 1);
        if (code == 0)
            code = sg_json_number(a->value, 4, out);
        if (code == 0 && a->unit)
            code = sg_buf_printf(out, " %s", a->unit);
    }
    return code;
}

static int put_attributes(const struct sg_object *object, struct sg_buf *out)
{
    struct sg_buf text;
    int code = 0, i;

    sg_buf_init(&text, FIELD_BYTES);
    for (i = 0; i < object->attribute_count && code == 0; i++) {
        if (i > 0)
            code = sg_buf_append(&text, "; ", 2);
        if (code == 0)
            code = put_attribute(&object->attributes[i], &text);
    }
    if (code == 0)
        code = put_field((const char *)text.data, text.size, out);
    sg_buf_fini(&text);
    return code;
}

static int put_numbers(const double *numbers, int count, int decimals, struct sg_buf *out)
{
    int code = 0, i;

    for (i = 0; i < count && code == 0; i++) {
        code = sg_json_number(numbers[i], decimals, out);
        if (code == 0)
            code = sg_buf_append(out, ",", 1);
    }
    return code;
}

/* class_id, label and score, each with its comma. */
static int put_class(int class_id, const char *label, float score, struct sg_buf *out)
{
    int code = sg_buf_printf(out, "%d,", class_id);

    if (code == 0)
        code = put_text(label, out);
    if (code == 0)
        code = sg_buf_append(out, ",", 1);
    return code < 0 ? code : put_numbers((const double[]){(double)score}, 1, 4, out);
}

static int put_object(const struct sg_object *o, struct sg_buf *out)
{
    const double box[] = {o->box.x1, o->box.y1, (double)o->box.x2 - o->box.x1, (double)o->box.y2 - o->box.y1};
    int code = put_class(o->class_id, o->label, o->score, out);

    if (code == 0)
        code = put_numbers(box, 4, BOX_DECIMALS, out);
    if (code == 0)
        code = put_text(o->text, out);
    if (code == 0)
        code = sg_buf_append(out, ",", 1);
    if (code == 0)
        code = put_attributes(o, out);
    return code < 0 ? code : sg_buf_append_text(out, ",,\n");
}

static int put_answer(const struct sg_attribute *a, struct sg_buf *out)
{
    const struct sg_object whole = {.attributes = (struct sg_attribute *)(uintptr_t)a, .attribute_count = 1};
    int code =
        a->class_id >= 0 ? put_class(a->class_id, a->label, a->score, out) : sg_buf_append_text(out, ",,,");

    if (code == 0)
        code = sg_buf_append_text(out, ",,,,,");
    if (code == 0)
        code = put_attributes(&whole, out);
    return code < 0 ? code : sg_buf_append_text(out, ",,\n");
}

static int put_head(const struct sg_sink_item *item, int row, int rows, struct sg_buf *out)
{
    int code = put_key(item, out);

    if (code == 0)
        code = sg_buf_printf(out, ",%d,%d,", row, rows);
    if (code == 0 && item->result && item->result->width > 0)
        return sg_buf_printf(out, "%d,%d,", item->result->width, item->result->height);
    return code < 0 ? code : sg_buf_append_text(out, ",,");
}

static int format(const struct sg_sink_options *options, const struct sg_sink_item *item, struct sg_buf *out)
{
    const struct sg_result *result = item->result;
    bool failed = item->err && item->err->code != SG_OK;
    int objects = failed ? 0 : result->object_count, answers = failed ? 0 : result->attribute_count;
    int rows = objects + answers > 0 ? objects + answers : 1, i, code = 0;

    (void)options;
    for (i = 0; i < rows && code == 0; i++) {
        code = put_head(item, i + 1, rows, out);
        if (code < 0)
            break;
        if (i < objects)
            code = put_object(&result->objects[i], out);
        else if (i < objects + answers)
            code = put_answer(&result->attributes[i - objects], out);
        else if (!failed)
            code = sg_buf_append_text(out, ",,,,,,,,,,\n");
        else {
            code = sg_buf_printf(out, ",,,,,,,,,%s,", sg_err_name(item->err->code));
            if (code == 0)
                code = put_text(item->err->text, out);
            if (code == 0)
                code = sg_buf_append(out, "\n", 1);
        }
    }
    return code;
}

/* One row: where its fields are. Returns the bytes with the line end, 0 when it is torn. */
static size_t read_row(const char *text, size_t size, size_t starts[CSV_FIELDS + 1], int *out_fields)
{
    bool quoted = false;
    size_t i;

    *out_fields = 1;
    starts[0] = 0;
    for (i = 0; i < size; i++) {
        if (text[i] == '"') {
            quoted = !quoted; /* a doubled one toggles twice */
        } else if (!quoted && (text[i] == ',' || text[i] == '\n')) {
            if (*out_fields <= CSV_FIELDS)
                starts[*out_fields] = i + 1;
            if (text[i] == '\n')
                return i + 1;
            ++*out_fields;
        }
    }
    return 0;
}

static int scan(const char *text, size_t size, struct sg_written *written, size_t *out_whole,
                struct sg_error *err)
{
    size_t header = strlen(CSV_HEADER), at = header, starts[CSV_FIELDS + 1], bytes;
    int fields;

    *out_whole = 0;
    if (memcmp(text, CSV_HEADER, size < header ? size : header) != 0)
        return sg_error_set(err, SG_E_CONFIG, "its first line is not this format's");
    if (size < header)
        return 0;
    *out_whole = at;
    while ((bytes = read_row(text + at, size - at, starts, &fields)) > 0) {
        long row = 0, rows = 0;

        if (fields == CSV_FIELDS) {
            row = strtol(text + at + starts[1], NULL, 10);
            rows = strtol(text + at + starts[2], NULL, 10);
        }
        if (row < 1 || row > rows)
            return sg_error_set(err, SG_E_CONFIG, "the row at byte %zu was not written by this format", at);
        if (row == rows) {
            bool failed = starts[CSV_ERROR + 1] - starts[CSV_ERROR] > 1;

            if (sg_written_add(written, text + at, starts[1] - 1, failed) < 0)
                return sg_error_set(err, SG_E_NOMEM, "no memory for the names of the pictures it holds");
            *out_whole = at + bytes;
        }
        at += bytes;
    }
    return 0;
}

const struct sg_sink_ops sg_sink_csv = {.word = "csv",
                                        .way = SG_SINK_LINES,
                                        .header = CSV_HEADER,
                                        .format = format,
                                        .key = put_key,
                                        .scan = scan};
