/* SPDX-License-Identifier: MIT
 * From the words of the command line to a run over all pictures.
 */
#include "app/picture_command.h"

#include "app/annotate.h"
#include "app/names.h"
#include "app/progress.h"
#include "app/watch.h"
#include "base/clock.h"
#include "sink/file.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LABELS_MAX 65536
#define NARROW     64    /* columns: a row of the table is two lines */
#define LOOK_MAX   10000 /* pictures whose files are looked at beforehand; all are when they are written */

/* What feeds the workers: the list, then the folder watched. */
struct feed {
    const struct sg_picture_command *command;
    struct sg_pictures pictures;
    struct sg_names names;
    struct sg_guard guard;
    struct sg_sink *sink;
    struct sg_watch *watch;
    int next, skipped, skipped_failed;
    bool gone; /* the folder watched */
};

static atomic_int stop_signal; /* written by the handler, on whatever thread; read by workers too */

static void on_signal(int number)
{
    stop_signal = number;
}

bool sg_picture_command_stopping(void)
{
    return stop_signal != 0;
}

/* Whether the folder for results is the one that is watched. */
static bool goes_back(const char *watched, const char *results)
{
    struct stat a, b;

    return results && stat(watched, &a) == 0 && stat(results, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* A wish of the command line that cannot be had; NULL when all is well. */
static const char *conflict(const struct sg_picture_command_args *args, int words)
{
    if (words == 0 && !args->watch.value && !args->files_from.value)
        return "IMAGE… is missing; name pictures or folders, or use --watch DIR or --files-from FILE";
    if (args->json && args->format > 0 && args->format != 1 + SG_SINK_JSONL)
        return "--json is --format jsonl; give one of them";
    if (args->resume && !args->output.value)
        return "--resume skips what an output holds: name it with --output";
    if (args->format == 1 + SG_SINK_YOLO && !args->output.value)
        return "--format yolo writes a file per picture: name a folder with --output DIR";
    if (args->resume && args->overwrite)
        return "--resume keeps what the output holds, --overwrite replaces it; give one of them";
    if (args->watch.value && goes_back(args->watch.value, args->annotate.value))
        return "--annotate writes into the folder that --watch watches, and would draw its own drawings; "
               "name "
               "another folder";
    if (args->watch.value && goes_back(args->watch.value, args->crop.value))
        return "--crop writes into the folder that --watch watches, and would cut its own cuts; name another "
               "folder";
    if (args->resume && args->format == 1 + SG_SINK_TABLE)
        return "a table cannot be resumed; choose another --format";
    return NULL;
}

static enum sg_sink_format format_of(const struct sg_picture_command_args *args)
{
    if (args->json)
        return SG_SINK_JSONL;
    if (args->format > 0)
        return (enum sg_sink_format)(args->format - 1);
    if (args->output.value)
        return sg_sink_format_of(args->output.value);
    return isatty(STDOUT_FILENO) ? SG_SINK_TABLE : SG_SINK_JSONL;
}

/* The names in one line of a list; find -print0 has NULs where others have line ends. */
static int add_line(struct sg_pictures *pictures, char *line, size_t size, struct sg_error *err)
{
    size_t at, length;
    int code = 0;

    if (size > 0 && line[size - 1] == '\n')
        line[--size] = '\0';
    for (at = 0; at < size && code == 0; at += length + 1) {
        char *name = line + at;

        length = strlen(name);
        if (length > 1 && name[length - 1] == '\r' && access(name, F_OK) != 0)
            name[length - 1] = '\0'; /* a list from Windows */
        if (name[0])
            code = sg_pictures_add(pictures, name, err);
    }
    return code;
}

static int add_names_from(struct sg_pictures *pictures, const char *path, struct sg_error *err)
{
    FILE *from = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    int before = pictures->count, code = 0;
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;

    if (!from)
        return sg_error_set(err, SG_E_NOT_FOUND, "cannot read \"%s\": %s", path, strerror(errno));
    errno = 0;
    while (code == 0 && (size = getline(&line, &capacity, from)) > 0)
        code = add_line(pictures, line, (size_t)size, err);
    if (code == 0 && !feof(from))
        code = sg_error_set(err, SG_E_IO, "cannot read \"%s\": %s", path, strerror(errno));
    else if (code == 0 && pictures->count == before)
        code = sg_error_set(err, SG_E_NOT_FOUND, "no picture is named in %s%s%s", from == stdin ? "" : "\"",
                            from == stdin ? "standard input" : path, from == stdin ? "" : "\"");
    free(line);
    if (from != stdin)
        (void)fclose(from);
    return code;
}

static int collect(struct feed *feed, struct sg_error *err)
{
    const struct sg_picture_command_args *args = feed->command->args;
    const struct sg_args *words = feed->command->words;
    const char *const results[] = {args->annotate.value, args->crop.value};
    size_t k;
    int i, code = 0;

    for (k = 0; k < sizeof(results) / sizeof(results[0]); k++) {
        if (results[k] && code == 0)
            code = sg_folder_make(results[k], err);
        if (results[k] && code == 0)
            sg_pictures_keep_out(&feed->pictures, results[k]);
    }
    if (code == 0 && args->watch.value)
        code = sg_watch_open(args->watch.value, &feed->pictures, &feed->watch, err);
    for (i = 0; i < words->positional_count && code == 0; i++)
        code = sg_pictures_add(&feed->pictures, words->positionals[i], err);
    if (code == 0 && args->files_from.value)
        code = add_names_from(&feed->pictures, args->files_from.value, err);
    if (code == 0 && args->watch.value && args->resume) {
        struct sg_error empty = {0}; /* a folder without pictures is what one expects here */

        code = sg_pictures_add(&feed->pictures, args->watch.value, &empty);
        code = code == SG_E_NOT_FOUND ? 0 : code;
    }
    return code < 0 ? code : sg_names_init(&feed->names, &feed->pictures, err);
}

static int keep(void *ctx, const char *path, struct sg_error *err)
{
    struct feed *feed = ctx;

    return sg_guard_keep(&feed->guard, path, err);
}

/* What is read besides pictures, as far as it is known before a model is loaded. */
static int keep_reads(struct feed *feed, struct sg_error *err)
{
    const struct sg_picture_command *command = feed->command;
    const char *list = command->args->files_from.value, *font = getenv("SIGHT_FONT");
    int code = 0, i;

    if (list)
        code = keep(feed, strcmp(list, "-") == 0 ? "/dev/stdin" : list, err);
    if (code == 0 && font)
        code = keep(feed, font, err);
    for (i = 0; i < SG_PICTURE_COMMAND_READS_MAX && code == 0; i++)
        if (command->reads[i])
            code = keep(feed, command->reads[i], err);
    return code;
}

static int give(struct feed *feed, const char *path, int name_at, struct sg_batch_picture *out)
{
    struct sg_name name;
    struct sg_sink_item item = {.source = path, .name = name.name, .stem = name.stem};
    bool failed;

    sg_names_of(&feed->names, path, name_at, &name);
    if (sg_sink_holds(feed->sink, &item, &failed)) {
        feed->skipped++;
        feed->skipped_failed += failed;
        return SG_BATCH_NONE_YET;
    }
    *out = (struct sg_batch_picture){strdup(path), strdup(name.name), strdup(name.stem)};
    return out->path && out->name && out->stem ? SG_BATCH_GIVEN : SG_E_NOMEM;
}

static int feed_next(void *feed_ctx, struct sg_batch_picture *out)
{
    struct feed *feed = feed_ctx;
    char *path = NULL;
    int got = 0, name_at = 0;

    while (feed->next < feed->pictures.count) {
        int i = feed->next++;

        got = give(feed, feed->pictures.paths[i], feed->pictures.name_at[i], out);
        if (got != SG_BATCH_NONE_YET)
            return got;
    }
    if (!feed->watch)
        return SG_BATCH_END;
    got = sg_watch_next(feed->watch, &path, &name_at);
    if (got > 0) {
        if (sg_guard_keep(&feed->guard, path, NULL) < 0)
            got = SG_E_NOMEM;
        else
            got = give(feed, path, name_at, out);
        free(path);
    } else if (got == SG_E_NOT_FOUND) {
        feed->gone = true;
        return SG_BATCH_END;
    }
    return got;
}

static int give_labels(const struct sg_picture_command *command, struct sg_sink *sink, struct sg_error *err)
{
    const char **labels;
    int i, count = 0, code = 0;

    if (!command->label)
        return 0;
    (void)command->label(command->ctx, 0, &count);
    labels = calloc((size_t)count + 1, sizeof(*labels));
    for (i = 0; labels && i < count && i < LABELS_MAX; i++)
        labels[i] = command->label(command->ctx, i, &count);
    if (labels)
        code = sg_sink_classes(sink, labels, count < LABELS_MAX ? count : LABELS_MAX, err);
    free(labels);
    return code;
}

static void warn_of_fonts(const struct sg_picture_command *command)
{
    struct sg_painter *painter = NULL;
    struct sg_error err = {0};

    if (!command->args->annotate.value || sg_painter_create(NULL, &painter, &err) < 0)
        return;
    if (!sg_painter_has_font(painter))
        fprintf(stderr, "%s: no font found; boxes are drawn without labels (install fonts-dejavu-core)\n",
                command->self->args.name);
    else if (!sg_painter_has_glyph(painter, 0x4e2d))
        fprintf(stderr,
                "%s: no font with Chinese characters found; they are drawn as boxes (install "
                "fonts-droid-fallback, or set SIGHT_FONT to a font file)\n",
                command->self->args.name);
    sg_painter_destroy(&painter);
}

/* "a.jpg, b.jpg and 3 more" */
static void name_failures(const char *command, const struct sg_batch_totals *totals)
{
    char names[SG_BATCH_NAMED_MAX * 256] = "";
    size_t used = 0;
    int i;

    for (i = 0; i < totals->failed && i < SG_BATCH_NAMED_MAX; i++)
        used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%.240s", i ? ", " : "",
                                 totals->failures[i]);
    if (totals->failed > SG_BATCH_NAMED_MAX)
        snprintf(names + used, sizeof(names) - used, " and %d more", totals->failed - SG_BATCH_NAMED_MAX);
    sg_command_say(command, "%d of %d pictures failed: %s", totals->failed, totals->done, names);
}

/* Counts and time on standard error: when something is worth saying, or someone looks. */
static void summary(const struct feed *feed, const struct sg_batch_totals *totals, int64_t took_us,
                    bool to_file)
{
    const char *name = feed->command->self->args.name;
    int seen = totals->done + feed->skipped;
    char time[48];

    if (feed->skipped > 0)
        fprintf(stderr, "%s: %d of %d pictures were in the output already%s", name, feed->skipped,
                feed->pictures.count, feed->skipped_failed ? "" : "\n");
    if (feed->skipped_failed > 0)
        fprintf(stderr, ", %d of them as failed\n", feed->skipped_failed);
    if (totals->failed && (totals->done > 1 || feed->watch))
        name_failures(name, totals);
    if (feed->gone)
        fprintf(stderr, "%s: the folder \"%s\" has gone\n", name, feed->command->args->watch.value);
    if (totals->stopped && !feed->watch)
        fprintf(stderr, "%s: stopped after %d of %d pictures%s\n", name, seen, feed->pictures.count,
                to_file ? "; --resume goes on" : "");
    else if (totals->stopped)
        fprintf(stderr, "%s: stopped after %d pictures\n", name, seen);
    if (to_file && isatty(STDERR_FILENO)) {
        sg_progress_time((double)took_us / 1e6, time, sizeof(time));
        fprintf(stderr, "%s: %d pictures in %s, %.1f/s\n", name, totals->done, time,
                totals->done * 1e6 / (double)(took_us + 1));
    }
}

static struct sg_sink_options sink_options(struct feed *feed)
{
    const struct sg_picture_command_args *args = feed->command->args;
    int columns = sg_args_columns(stdout);

    return (struct sg_sink_options){.format = format_of(args),
                                    .output = args->output.value,
                                    .resume = args->resume,
                                    .no_timing = args->no_timing,
                                    .colour = !args->output.value && sg_args_colour(stdout),
                                    .narrow = !args->output.value && columns > 0 && columns < NARROW,
                                    .guard = &feed->guard};
}

/* Whether the files that are named after a picture may be written. */
static int look_at_files(struct feed *feed, const struct sg_sink_options *options, int index,
                         struct sg_error *err)
{
    const char *source = feed->pictures.paths[index], *drawn = feed->command->args->annotate.value;
    char path[SG_FILE_PATH_MAX] = "";
    struct sg_name name;
    int code;

    sg_names_of(&feed->names, source, feed->pictures.name_at[index], &name);
    code = sg_sink_file_of(options, name.stem, path, err);
    if (code == 0 && path[0])
        code = sg_guard_claim(&feed->guard, path, source, err);
    if (code < 0)
        return sg_error_prefix(err, "--output");
    if (drawn)
        code = sg_annotator_path(drawn, name.name, path, err);
    if (code == 0 && drawn)
        code = sg_guard_claim(&feed->guard, path, source, err);
    return code < 0 ? sg_error_prefix(err, "--annotate") : 0;
}

/* What is in the way of the outputs is told before a model is loaded; nothing is done then. */
static int look_at_outputs(struct feed *feed, struct sg_error *err)
{
    const struct sg_sink_options options = sink_options(feed);
    struct sg_error other;
    int i, wrong = 0, code = sg_sink_look(&options, err);

    if (code < 0 || options.resume) /* then files of pictures that are done may be there */
        return code;
    for (i = 0; i < feed->pictures.count && i < LOOK_MAX; i++) {
        sg_error_clear(&other);
        if (look_at_files(feed, &options, i, &other) < 0 && wrong++ == 0)
            *err = other;
    }
    if (wrong > 1)
        sg_error_set(err, err->code, "%s (and %d more)", err->text, wrong - 1);
    return wrong > 0 ? err->code : 0;
}

static int run_all(struct feed *feed, int workers, struct sg_batch_totals *totals, struct sg_error *err)
{
    const struct sg_picture_command_args *args = feed->command->args;
    const struct sg_sink_options options = sink_options(feed);
    struct sg_batch_plan plan = {.ops = feed->command->ops,
                                 .ctx = feed->command->ctx,
                                 .command = feed->command->self->args.name,
                                 .annotate = args->annotate.value,
                                 .crop = args->crop.value,
                                 .guard = &feed->guard,
                                 .workers = workers,
                                 .note_drawn = options.format == SG_SINK_TABLE,
                                 .tell_failures = options.format != SG_SINK_JSONL,
                                 .progress = args->progress && (options.output || !isatty(STDOUT_FILENO)),
                                 .max_image_bytes = args->max_image_bytes,
                                 .max_pixels = args->max_pixels,
                                 .feed = feed_next,
                                 .feed_ctx = feed,
                                 .stop = &stop_signal};
    int code = sg_sink_open(&options, &feed->sink, err), closing;
    int64_t began = sg_clock_us();

    if (code < 0)
        return code;
    plan.sink = feed->sink;
    plan.total = feed->watch ? 0 : feed->pictures.count - (int)sg_sink_held(feed->sink);
    code = give_labels(feed->command, feed->sink, err);
    if (code == 0)
        code = sg_batch_run(&plan, totals, err);
    closing =
        sg_sink_close(&feed->sink, code == 0 && (!totals->stopped || feed->watch), code == 0 ? err : NULL);
    code = code < 0 ? code : closing;
    summary(feed, totals, sg_clock_us() - began, options.output != NULL);
    return code;
}

static bool writes(const struct sg_picture_command_args *args)
{
    return args->output.value || args->annotate.value || args->crop.value;
}

/* Runs and tells; the exit code. */
static int run_feed(struct feed *feed)
{
    const struct sg_picture_command *command = feed->command;
    struct sg_batch_totals totals = {0};
    struct sg_error err = {0};
    int workers = 1, i, code = collect(feed, &err);

    sg_guard_inputs(&feed->guard, feed->pictures.paths, feed->pictures.count);
    if (code == 0)
        code = keep_reads(feed, &err);
    if (code == 0)
        code = look_at_outputs(feed, &err);
    if (code < 0)
        return sg_command_fail(command->self, &err);
    if (command->prepare(command->ctx, feed->watch ? 0 : feed->pictures.count, &workers) < 0)
        return SG_EXIT_FAILED;
    if (command->files && writes(command->args)) { /* there are more of them than the command line names */
        code = command->files(command->ctx, keep, feed, &err);
        if (code == 0)
            code = look_at_outputs(feed, &err);
        if (code < 0)
            return sg_command_fail(command->self, &err);
    }
    warn_of_fonts(command);
    code = run_all(feed, workers, &totals, &err);
    for (i = 0; i < SG_BATCH_NAMED_MAX; i++)
        free(totals.failures[i]);
    if (code < 0)
        (void)sg_command_fail(command->self, &err);
    if (code < 0 && !totals.stopped)
        return SG_EXIT_FAILED;
    if (totals.stopped && (!feed->watch || stop_signal == SIGINT))
        return 128 + stop_signal;
    return totals.failed || feed->pictures.failed || feed->gone ? SG_EXIT_FAILED : SG_EXIT_OK;
}

int sg_picture_command_run(struct sg_picture_command *command)
{
    /* A second one ends the process at once. */
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    const char *wrong = conflict(command->args, command->words->positional_count);
    struct feed feed = {.command = command};
    int status;

    if (wrong)
        return sg_command_usage(command->self, wrong);
    stop_signal = 0;
    sg_guard_init(&feed.guard, command->args->overwrite);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    status = run_feed(&feed);
    sg_watch_close(&feed.watch);
    sg_names_fini(&feed.names);
    sg_guard_fini(&feed.guard);
    sg_pictures_fini(&feed.pictures);
    return status;
}
