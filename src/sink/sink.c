/* SPDX-License-Identifier: MIT
 * The registry of formats, and the output: a descriptor lines are appended to, or a folder.
 */
#include "sink/sink.h"

#include "base/mapping.h"
#include "base/path.h"
#include "sink/file.h"
#include "sink/sink_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct sg_sink_ops *const kinds[] = {&sg_sink_table, &sg_sink_jsonl, &sg_sink_json,
                                                  &sg_sink_csv,   &sg_sink_coco,  &sg_sink_yolo};
const char *const sg_sink_words[] = {"table", "jsonl", "json", "csv", "coco", "yolo", NULL};

struct sg_sink {
    struct sg_sink_options options;
    const struct sg_sink_ops *ops;
    char *path;  /* of the file that lines go to: the output, its .part, or "standard output" */
    int fd;      /* or -1 */
    FILE *lines; /* DOCUMENT on standard output: a nameless file */
    struct sg_written written;
    struct sg_classes classes; /* of yolo */
};

enum sg_sink_format sg_sink_format_of(const char *output)
{
    if (sg_path_ends_in_any_case(output, ".csv"))
        return SG_SINK_CSV;
    return sg_path_ends_in_any_case(output, ".json") ? SG_SINK_JSON : SG_SINK_JSONL;
}

/* What is there, as memory; nothing when there is none. */
static int map_file(const char *path, struct sg_mapping *out, struct sg_error *err)
{
    int code = sg_mapping_open(out, path, false, err);

    return code == SG_E_NOT_FOUND ? 0 : code < 0 ? sg_error_prefix(err, "cannot resume \"%s\"", path) : 0;
}

/* A finished document becomes lines again, so that more can be added. */
static int reopen_document(struct sg_sink *sink, struct sg_error *err)
{
    struct sg_mapping text;
    char *part = NULL;
    size_t part_size = 0;
    FILE *to = NULL;
    int code = 0;

    if (access(sink->path, F_OK) == 0)
        return 0; /* its .part is there and has the same or more */
    code = map_file(sink->options.output, &text, err);
    if (code < 0 || !text.bytes)
        return code;
    to = open_memstream(&part, &part_size);
    code = to ? sink->ops->lines((const char *)text.bytes, text.size, to, err)
              : sg_error_set(err, SG_E_NOMEM, "no memory");
    if (code < 0)
        sg_error_prefix(err, "cannot resume \"%s\"", sink->options.output);
    if (to && fclose(to) != 0 && code == 0)
        code = sg_error_set(err, SG_E_NOMEM, "no memory");
    if (code == 0)
        code = sg_file_put(sink->path, part, part_size, err);
    free(part);
    sg_mapping_close(&text);
    return code;
}

/* Reads what is there and cuts off a torn end. */
static int read_back(struct sg_sink *sink, struct sg_error *err)
{
    size_t size, whole = 0;
    struct sg_mapping text;
    int code = map_file(sink->path, &text, err);

    if (code < 0 || !text.bytes)
        return code;
    size = text.size;
    code = sink->ops->scan((const char *)text.bytes, size, &sink->written, &whole, err);
    sg_mapping_close(&text);
    if (code < 0)
        return sg_error_prefix(err, "cannot resume \"%s\"", sink->path);
    sg_written_sort(&sink->written);
    if (whole < size && truncate(sink->path, (off_t)whole) != 0)
        return sg_error_set(err, SG_E_IO, "cannot cut the torn end of \"%s\": %s", sink->path,
                            strerror(errno));
    return 0;
}

/* The output and, of a document, its .part: an output that goes on is known to be sightd's by its lines. */
static int look_at(const struct sg_sink_options *options, const char *lines_path, struct sg_error *err)
{
    struct sg_guard *guard = options->guard;
    int code = 0;

    if (!guard)
        return 0;
    if (!options->resume || strcmp(lines_path, options->output) != 0)
        code = sg_guard_claim(guard, options->output, NULL, err);
    if (code == 0 && !options->resume)
        code = sg_guard_claim(guard, lines_path, NULL, err);
    return code < 0 ? sg_error_prefix(err, "%s", options->resume ? "cannot resume" : "--output") : 0;
}

static int open_file(struct sg_sink *sink, struct sg_error *err)
{
    const struct sg_sink_options *options = &sink->options;
    int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (options->resume ? 0 : O_TRUNC), code = 0;
    struct stat st;

    if (options->resume && !sink->ops->scan)
        return sg_error_set(err, SG_E_INVALID, "the format %s cannot be resumed", sink->ops->word);
    code = sg_folder_make_above(options->output, err);
    if (code == 0 && options->resume && sink->ops->way == SG_SINK_DOCUMENT)
        code = reopen_document(sink, err);
    if (code == 0 && options->resume)
        code = read_back(sink, err);
    if (code == 0)
        code = look_at(options, sink->path, err);
    if (code < 0)
        return code;
    sink->fd = open(sink->path, flags, 0666);
    if (sink->fd < 0)
        return sg_error_set(err, SG_E_IO, "cannot write \"%s\": %s", sink->path, strerror(errno));
    if (options->guard)
        code = sg_guard_keep(options->guard, sink->path, err);
    if (code == 0 && sink->ops->header && (fstat(sink->fd, &st) != 0 || st.st_size == 0))
        code = sg_file_append(sink->fd, sink->path, sink->ops->header, strlen(sink->ops->header), err);
    return code;
}

static int open_stream(struct sg_sink *sink, struct sg_error *err)
{
    if (sink->ops->way == SG_SINK_DOCUMENT) {
        sink->lines = tmpfile();
        if (!sink->lines)
            return sg_error_set(err, SG_E_IO, "cannot make a temporary file: %s", strerror(errno));
        sink->fd = fileno(sink->lines);
        return 0;
    }
    sink->fd = STDOUT_FILENO;
    return sink->ops->header
               ? sg_file_append(sink->fd, sink->path, sink->ops->header, strlen(sink->ops->header), err)
               : 0;
}

/* Where lines go: the output, or what a document is made of. *out_path is the caller's. */
static int lines_path(const struct sg_sink_options *options, char **out_path, struct sg_error *err)
{
    const struct sg_sink_ops *ops = kinds[options->format];
    const char *output = options->output;
    bool special = output && sg_file_is_special(output);
    bool part = output && !special && ops->way == SG_SINK_DOCUMENT;
    struct stat st;

    if (special && ops->way != SG_SINK_FILES && stat(output, &st) == 0 && S_ISDIR(st.st_mode))
        return sg_error_set(err, SG_E_INVALID, "\"%s\" is a folder; --output takes a file for %s", output,
                            ops->word);
    if (asprintf(out_path, "%s%s", output ? output : "standard output", part ? ".part" : "") < 0) {
        *out_path = NULL;
        return sg_error_set(err, SG_E_NOMEM, "no memory");
    }
    return 0;
}

/* /dev/stdout and its like: the stream is there, and opening its file anew would cut off what it holds. */
static bool is_standard_output(const char *path)
{
    struct stat st, out;

    return stat(path, &st) == 0 && fstat(STDOUT_FILENO, &out) == 0 && st.st_dev == out.st_dev &&
           st.st_ino == out.st_ino;
}

int sg_sink_look(const struct sg_sink_options *options, struct sg_error *err)
{
    char *path = NULL;
    int code;

    if (!options->output || (!options->resume && is_standard_output(options->output)))
        return 0;
    code = lines_path(options, &path, err);
    if (code == 0 && kinds[options->format]->way != SG_SINK_FILES)
        code = look_at(options, path, err);
    free(path);
    return code;
}

static int open_output(struct sg_sink *sink, struct sg_error *err)
{
    const char *output;
    bool part;
    int code;

    if (sink->options.output && !sink->options.resume && is_standard_output(sink->options.output))
        sink->options.output = NULL;
    output = sink->options.output;
    code = lines_path(&sink->options, &sink->path, err);
    if (code < 0 || !sink->path)
        return code;
    part = output && strcmp(sink->path, output) != 0;
    if (sink->ops->way != SG_SINK_FILES)
        return output && (part || sink->ops->way == SG_SINK_LINES) ? open_file(sink, err)
                                                                   : open_stream(sink, err);
    if (!output)
        return sg_error_set(err, SG_E_INVALID,
                            "the format yolo writes a file per picture: name a folder with --output DIR");
    if (sg_folder_make(output, err) < 0)
        return err->code;
    sink->classes.guard = sink->options.guard;
    return sg_classes_open(&sink->classes, output, sink->options.resume, err);
}

int sg_sink_open(const struct sg_sink_options *options, struct sg_sink **out_sink, struct sg_error *err)
{
    struct sg_sink *sink = calloc(1, sizeof(*sink));
    int code;

    *out_sink = NULL;
    if (!sink)
        return sg_error_set(err, SG_E_NOMEM, "no memory");
    sink->options = *options;
    sink->ops = kinds[options->format];
    sink->fd = -1;
    sg_written_init(&sink->written);
    code = open_output(sink, err);
    if (code < 0)
        (void)sg_sink_close(&sink, false, NULL);
    *out_sink = sink;
    return code;
}

int sg_sink_classes(struct sg_sink *sink, const char *const *labels, int count, struct sg_error *err)
{
    bool changed = false;
    int i, code = 0;

    if (sink->ops->way != SG_SINK_FILES)
        return 0;
    for (i = 0; i < count && code == 0; i++)
        code = sg_classes_note(&sink->classes, i, labels[i], &changed);
    if (code < 0)
        return sg_error_set(err, (enum sg_err)code, "no memory for the classes");
    return changed ? sg_classes_write(&sink->classes, err) : 0;
}

int sg_sink_file_of(const struct sg_sink_options *options, const char *stem, char *out, struct sg_error *err)
{
    int wrote;

    out[0] = '\0';
    if (kinds[options->format]->way != SG_SINK_FILES)
        return 0;
    wrote = snprintf(out, SG_FILE_PATH_MAX, "%s/%s.txt", options->output, stem);
    if (wrote < 0 || wrote >= SG_FILE_PATH_MAX)
        return sg_error_set(err, SG_E_INVALID, "the name \"%.60s…\" is too long", stem);
    return 0;
}

bool sg_sink_holds(struct sg_sink *sink, const struct sg_sink_item *item, bool *out_failed)
{
    char path[SG_FILE_PATH_MAX];
    struct sg_buf key;
    bool held;

    *out_failed = false;
    if (!sink->options.resume)
        return false;
    if (sink->ops->way == SG_SINK_FILES)
        return sg_sink_file_of(&sink->options, item->stem, path, NULL) == 0 && access(path, F_OK) == 0;
    if (sink->written.count == 0)
        return false;
    sg_buf_init(&key, SG_SINK_ITEM_MAX);
    held = sink->ops->key(item, &key) == 0 && sg_written_take(&sink->written, key.data, key.size, out_failed);
    sg_buf_fini(&key);
    return held;
}

size_t sg_sink_held(const struct sg_sink *sink)
{
    return sink->written.count;
}

int sg_sink_format_item(const struct sg_sink *sink, const struct sg_sink_item *item, struct sg_buf *out)
{
    return sink->ops->format(&sink->options, item, out);
}

int sg_sink_put(struct sg_sink *sink, const struct sg_sink_item *item, const struct sg_buf *text,
                struct sg_error *err)
{
    struct sg_guard *guard = sink->options.guard;
    char path[SG_FILE_PATH_MAX];
    int code = 0;

    if (text->size == 0)
        return 0;
    if (sink->ops->way == SG_SINK_FILES) {
        code = sg_sink_file_of(&sink->options, item->stem, path, err);
        if (code == 0 && guard)
            code = sg_guard_claim(guard, path, item->source, err);
        if (code == 0)
            code = sg_yolo_put(&sink->classes, path, text, err);
        return code == 0 && guard ? sg_guard_wrote(guard, path, item->source, err) : code;
    }
    return sg_file_append(sink->fd, sink->path, text->data, text->size, err);
}

/* Lines to the document under its name; the .part goes only when that is there. */
static int finish_document(struct sg_sink *sink, struct sg_error *err)
{
    char *text = NULL;
    size_t size = 0;
    FILE *lines = sink->lines ? sink->lines : fopen(sink->path, "re"), *to = open_memstream(&text, &size);
    int code = 0;

    if (lines && to) {
        rewind(lines);
        code = sink->ops->document(lines, to, err);
    } else {
        code = sg_error_set(err, SG_E_IO, "cannot read \"%s\" back: %s", sink->path, strerror(errno));
    }
    if (to && fclose(to) != 0 && code == 0)
        code = sg_error_set(err, SG_E_NOMEM, "no memory for the document");
    if (code == 0 && sink->options.output)
        code = sg_file_put(sink->options.output, text, size, err);
    else if (code == 0)
        code = sg_file_append(STDOUT_FILENO, "standard output", text, size, err);
    if (code == 0 && !sink->lines)
        (void)unlink(sink->path);
    if (lines && lines != sink->lines)
        (void)fclose(lines);
    free(text);
    return code;
}

int sg_sink_close(struct sg_sink **sink_at, bool complete, struct sg_error *err)
{
    struct sg_sink *sink = *sink_at;
    int code = 0;

    if (!sink)
        return 0;
    if (sink->ops->way == SG_SINK_DOCUMENT && sink->fd >= 0 && (complete || sink->lines))
        code = finish_document(sink, err);
    if (sink->lines)
        (void)fclose(sink->lines);
    else if (sink->fd >= 0 && sink->fd != STDOUT_FILENO && close(sink->fd) != 0 && code == 0)
        code = sg_error_set(err, SG_E_IO, "cannot write \"%s\": %s", sink->path, strerror(errno));
    sg_written_fini(&sink->written);
    sg_classes_fini(&sink->classes);
    free(sink->path);
    free(sink);
    *sink_at = NULL;
    return code;
}
