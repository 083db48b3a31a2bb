/* SPDX-License-Identifier: MIT
 * Where results go: a format, and the file, folder or stream it is written to. A picture is formatted by the
 * thread that has its result, and put by one thread in the order of the pictures. What is on disk is whole at
 * every moment: lines are appended at once, documents and files appear when they are complete; an output that
 * was cut off goes on where it ended (`resume`).
 */
#ifndef SG_SINK_SINK_H
#define SG_SINK_SINK_H

#include "base/buf.h"
#include "base/error.h"
#include "data/result.h"
#include "sink/guard.h"

#define SG_SINK_ITEM_MAX ((size_t)64 << 20) /* bytes of one picture's text */

enum sg_sink_format { SG_SINK_TABLE, SG_SINK_JSONL, SG_SINK_JSON, SG_SINK_CSV, SG_SINK_COCO, SG_SINK_YOLO };

/* One picture. All borrowed. */
struct sg_sink_item {
    const char *source; /* its path as it was given */
    const char *name;   /* unique, below the folder given, with its ending: "sub/a.jpg" */
    const char *stem;   /* unique, for files named after it: "sub/a" */
    const struct sg_result *result;
    const struct sg_error *err; /* NULL or SG_OK: it went well */
};

struct sg_sink_options {
    enum sg_sink_format format;
    const char *output; /* file, or folder of yolo; NULL = standard output */
    bool resume;        /* go on with what is there */
    bool no_timing;     /* leave timing_us out */
    bool colour;        /* the table's */
    bool narrow;        /* likewise: two short lines for an object */
    struct sg_guard
        *guard; /* of what may be written to; NULL = everything. Borrowed until the sink is closed */
};

struct sg_sink;

/* Names of the formats in the order of the enum, NULL-terminated. */
extern const char *const sg_sink_words[];
/* The format that a file's ending stands for: .csv, .json, else JSON lines. */
enum sg_sink_format sg_sink_format_of(const char *output);

/* Whether the output may be written, before anything is done: SG_E_INVALID with what is in the way. */
int sg_sink_look(const struct sg_sink_options *options, struct sg_error *err);
/* Opens, and with `resume` reads, the output; a torn last line is cut off. SG_E_INVALID for options that do
 * not go together, SG_E_CONFIG for an output that this format did not write, SG_E_IO. */
int sg_sink_open(const struct sg_sink_options *options, struct sg_sink **out_sink, struct sg_error *err);
/* Names of the classes, index = class id, entries may be NULL: what yolo's classes.txt begins with. */
int sg_sink_classes(struct sg_sink *sink, const char *const *labels, int count, struct sg_error *err);
/* Whether the output holds this picture, and as one that failed; asked once for each time it is named. Only
 * source, name and stem are read. */
bool sg_sink_holds(struct sg_sink *sink, const struct sg_sink_item *item, bool *out_failed);
/* Pictures that the output held when it was opened (0 for yolo, which is asked file by file). */
size_t sg_sink_held(const struct sg_sink *sink);

/* Appends what the picture becomes; nothing for an error in a format that has no place for it. Any thread.
 * SG_E_NOMEM, SG_E_TOO_LARGE. */
int sg_sink_format_item(const struct sg_sink *sink, const struct sg_sink_item *item, struct sg_buf *out);
/* The file that a picture of this stem gets (yolo), in out (SG_FILE_PATH_MAX bytes); "" when it gets none of
 * its own. SG_E_INVALID when the name is too long. */
int sg_sink_file_of(const struct sg_sink_options *options, const char *stem, char *out, struct sg_error *err);
/* Writes what sg_sink_format_item gave; of the item only source and stem are read. SG_E_IO: the output is as
 * it was before. SG_E_INVALID: the picture's own file cannot be had, others can. */
int sg_sink_put(struct sg_sink *sink, const struct sg_sink_item *item, const struct sg_buf *text,
                struct sg_error *err);
/* Ends the output. `complete`: all pictures were put; a document that is not stays in its .part file, to be
 * resumed. NULLs the sink, also after an error. */
int sg_sink_close(struct sg_sink **sink, bool complete, struct sg_error *err);

#endif
