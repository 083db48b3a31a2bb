/* SPDX-License-Identifier: MIT
 * Lines for people: the picture, then an object a line.
 */
#include "sink/sink_private.h"

#define BOLD  "\033[1m"
#define GREEN "\033[32m"
#define PLAIN "\033[0m"

/* Appends the text, controls shown as '?': names of files, labels and what was read may hold any, and a
 * terminal obeys them. */
static int put_shown(const char *text, struct sg_buf *out)
{
    size_t at = out->size;
    int code = sg_buf_append_text(out, text);

    for (; code == 0 && at < out->size; at++)
        if (out->data[at] < 0x20 || out->data[at] == 0x7f)
            out->data[at] = '?';
    return code;
}

static int put_attribute(const struct sg_attribute *a, struct sg_buf *out)
{
    if (a->has_value)
        return sg_buf_printf(out, "  %s %.4g%s%s", a->name ? a->name : a->model, (double)a->value,
                             a->unit ? " " : "", a->unit ? a->unit : "");
    if (a->vector)
        return sg_buf_printf(out, "  %s [%d numbers]", a->model, a->vector_length);
    if (a->label)
        return sg_buf_printf(out, "  %s %.2f", a->label, (double)a->score);
    return sg_buf_printf(out, "  %s class %d %.2f", a->model, a->class_id, (double)a->score);
}

static int put_object(const struct sg_object *o, const struct sg_sink_options *options, struct sg_buf *out)
{
    char number[24];
    int code, k;

    snprintf(number, sizeof(number), "class %d", o->class_id);
    code = sg_buf_printf(out, "  %s%-14s%s %.2f  %sat %4.0f,%-4.0f size %4.0fx%-4.0f",
                         options->colour ? GREEN : "", o->label ? o->label : number,
                         options->colour ? PLAIN : "", (double)o->score, options->narrow ? "\n    " : "",
                         (double)o->box.x1, (double)o->box.y1, (double)(o->box.x2 - o->box.x1),
                         (double)(o->box.y2 - o->box.y1));
    for (k = 0; k < o->attribute_count && code == 0; k++)
        code = put_attribute(&o->attributes[k], out);
    if (code == 0 && o->text)
        code = sg_buf_append_text(out, "  \"");
    if (code == 0 && o->text)
        code = put_shown(o->text, out);
    if (code == 0 && o->text)
        code = sg_buf_printf(out, "\" %.2f", (double)o->text_score);
    return code < 0 ? code : sg_buf_append(out, "\n", 1);
}

static int put_head(const struct sg_sink_options *options, const struct sg_sink_item *item,
                    struct sg_buf *out)
{
    const struct sg_result *result = item->result;
    int code = sg_buf_append_text(out, options->colour ? BOLD : "");

    if (code == 0)
        code = put_shown(item->source, out);
    return code < 0
               ? code
               : sg_buf_printf(out, "%s  %dx%d  %d object%s", options->colour ? PLAIN : "", result->width,
                               result->height, result->object_count, result->object_count == 1 ? "" : "s");
}

static int format(const struct sg_sink_options *options, const struct sg_sink_item *item, struct sg_buf *out)
{
    const struct sg_result *result = item->result;
    int i, code;

    if (item->err && item->err->code != SG_OK)
        return 0; /* told on standard error */
    code = put_head(options, item, out);
    if (code == 0 && !options->no_timing)
        code = sg_buf_printf(out, "  %.1f ms", (double)result->timing_us[SG_STAGE_TOTAL] / 1000.0);
    if (code == 0)
        code = sg_buf_append(out, "\n", 1);
    for (i = 0; i < result->attribute_count && code == 0; i++) {
        code = put_attribute(&result->attributes[i], out);
        if (code == 0)
            code = sg_buf_append(out, "\n", 1);
    }
    for (i = 0; i < result->object_count && code == 0; i++)
        code = put_object(&result->objects[i], options, out);
    return code;
}

const struct sg_sink_ops sg_sink_table = {.word = "table", .way = SG_SINK_LINES, .format = format};
