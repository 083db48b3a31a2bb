/* SPDX-License-Identifier: MIT
 * Lines for people: the picture, then an object a line.
 */
#include "base/terminal.h"
#include "sink/sink_private.h"

#define LABEL_WIDTH ((size_t)14) /* bytes; longer ones push the rest of their line */

#define BOLD  "\033[1m"
#define GREEN "\033[32m"
#define PLAIN "\033[0m"

/* Appends a text that is not ours, a file's name, a label or what was read, as a terminal may have it. */
static int put_shown(const char *text, struct sg_buf *out)
{
    size_t at = out->size;
    int code = sg_buf_append_text(out, text);

    if (code == 0 && out->size > at)
        sg_terminal_tame((char *)out->data + at, out->size - at);
    return code;
}

static int put_value(const struct sg_attribute *a, struct sg_buf *out)
{
    int code = put_shown(a->name ? a->name : a->model, out);

    if (code == 0)
        code = sg_buf_printf(out, " %.4g%s", (double)a->value, a->unit ? " " : "");
    return code == 0 && a->unit ? put_shown(a->unit, out) : code;
}

static int put_attribute(const struct sg_attribute *a, struct sg_buf *out)
{
    int code = sg_buf_append_text(out, "  ");

    if (code < 0)
        return code;
    if (a->has_value)
        return put_value(a, out);
    code = put_shown(!a->vector && a->label ? a->label : a->model, out);
    if (code < 0)
        return code;
    if (a->vector)
        return sg_buf_printf(out, " [%d numbers]", a->vector_length);
    if (a->label)
        return sg_buf_printf(out, " %.2f", (double)a->score);
    return sg_buf_printf(out, " class %d %.2f", a->class_id, (double)a->score);
}

/* The class, in a column of its own. */
static int put_class(const struct sg_object *o, bool colour, struct sg_buf *out)
{
    char number[24];
    size_t at;
    int code = sg_buf_printf(out, "  %s", colour ? GREEN : "");

    snprintf(number, sizeof(number), "class %d", o->class_id);
    at = out->size;
    if (code == 0)
        code = put_shown(o->label ? o->label : number, out);
    if (code == 0 && out->size - at < LABEL_WIDTH)
        code = sg_buf_printf(out, "%*s", (int)(LABEL_WIDTH - (out->size - at)), "");
    return code == 0 ? sg_buf_append_text(out, colour ? PLAIN : "") : code;
}

static int put_object(const struct sg_object *o, const struct sg_sink_options *options, struct sg_buf *out)
{
    int code = put_class(o, options->colour, out), k;

    if (code == 0)
        code = sg_buf_printf(out, " %.2f  %sat %4.0f,%-4.0f size %4.0fx%-4.0f", (double)o->score,
                             options->narrow ? "\n    " : "", (double)o->box.x1, (double)o->box.y1,
                             (double)(o->box.x2 - o->box.x1), (double)(o->box.y2 - o->box.y1));
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
