/* SPDX-License-Identifier: MIT
 * JSON lines, one native reply each, and one JSON document that is an array of them.
 */
#include "codec/json.h"
#include "sink/sink_private.h"

#include <stdlib.h>
#include <string.h>

#define SOURCE_PREFIX "{\"source\":"
#define PIPELINE_NEXT ",\"pipeline\":"
#define FAILED_NEXT   ",\"error\":"

static int put_source(const struct sg_sink_item *item, struct sg_buf *out)
{
    return sg_json_text(item->source, out);
}

static int format_line(const struct sg_sink_options *options, const struct sg_sink_item *item,
                       struct sg_buf *out)
{
    const struct sg_json_native native = {.source = item->source, .no_timing = options->no_timing};
    int code = sg_json_native(item->result, item->err, &native, out);

    return code < 0 ? code : sg_buf_append(out, "\n", 1);
}

/* Bytes of the JSON text at the start, quotes included; 0 when it does not end. */
static size_t text_bytes(const char *text, size_t size)
{
    size_t i;

    if (size < 2 || text[0] != '"')
        return 0;
    for (i = 1; i < size; i++) {
        if (text[i] == '\\')
            i++;
        else if (text[i] == '"')
            return i + 1;
    }
    return 0;
}

/* What follows the source: the pipeline, where the picture got as far, and the error. */
static bool is_failed(const char *text, size_t size)
{
    size_t at = 0;

    if (size > strlen(PIPELINE_NEXT) && memcmp(text, PIPELINE_NEXT, strlen(PIPELINE_NEXT)) == 0) {
        at = strlen(PIPELINE_NEXT);
        at += text_bytes(text + at, size - at);
    }
    return size - at > strlen(FAILED_NEXT) && memcmp(text + at, FAILED_NEXT, strlen(FAILED_NEXT)) == 0;
}

int sg_sink_scan_json(const char *prefix, const char *text, size_t size, struct sg_written *written,
                      size_t *out_whole, struct sg_error *err)
{
    size_t prefix_bytes = strlen(prefix), at = 0, number = 1;

    while (at < size) {
        const char *line = text + at, *end = memchr(line, '\n', size - at);
        size_t bytes = end ? (size_t)(end - line) : size - at, key = 0;
        size_t shared = bytes < prefix_bytes ? bytes : prefix_bytes;

        if (memcmp(line, prefix, shared) == 0 && bytes > prefix_bytes)
            key = text_bytes(line + prefix_bytes, bytes - prefix_bytes);
        if (!end && memcmp(line, prefix, shared) == 0)
            break; /* torn */
        if (!end || key == 0 || line[bytes - 1] != '}')
            return sg_error_set(err, SG_E_CONFIG, "line %zu was not written by this format", number);
        if (sg_written_add(written, line + prefix_bytes, key,
                           is_failed(line + prefix_bytes + key, bytes - prefix_bytes - key)) < 0)
            return sg_error_set(err, SG_E_NOMEM, "no memory for the names of the pictures it holds");
        at += bytes + 1;
        number++;
    }
    *out_whole = at;
    return 0;
}

static int scan(const char *text, size_t size, struct sg_written *written, size_t *out_whole,
                struct sg_error *err)
{
    return sg_sink_scan_json(SOURCE_PREFIX, text, size, written, out_whole, err);
}

static int make_array(FILE *lines, FILE *to, struct sg_error *err)
{
    bool first = true;
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;

    fputs("[", to);
    while ((size = getline(&line, &capacity, lines)) > 0) {
        fputs(first ? "\n" : ",\n", to);
        fwrite(line, 1, (size_t)size - (line[size - 1] == '\n'), to);
        first = false;
    }
    fputs("\n]\n", to);
    free(line);
    return ferror(lines) ? sg_error_set(err, SG_E_IO, "cannot read the lines written before") : 0;
}

/* The array's elements stand one a line. */
static int take_array_apart(const char *text, size_t size, FILE *to, struct sg_error *err)
{
    const char *at = text, *end = text + size;

    if (size < 4 || memcmp(text, "[\n", 2) != 0 || memcmp(end - 3, "\n]\n", 3) != 0)
        return sg_error_set(err, SG_E_CONFIG, "it is not an array that this format wrote");
    for (at += 2; at < end - 2;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t bytes = (size_t)(stop - at);

        bytes -= bytes > 0 && at[bytes - 1] == ',';
        if (bytes > 0) {
            fwrite(at, 1, bytes, to);
            fputc('\n', to);
        }
        at = stop + 1;
    }
    return 0;
}

const struct sg_sink_ops sg_sink_jsonl = {
    .word = "jsonl", .way = SG_SINK_LINES, .format = format_line, .key = put_source, .scan = scan};

const struct sg_sink_ops sg_sink_json = {.word = "json",
                                         .way = SG_SINK_DOCUMENT,
                                         .format = format_line,
                                         .key = put_source,
                                         .scan = scan,
                                         .document = make_array,
                                         .lines = take_array_apart};
