/* SPDX-License-Identifier: MIT
 * What a format is. Private to sink.
 */
#ifndef SG_SINK_PRIVATE_H
#define SG_SINK_PRIVATE_H

#include "sink/sink.h"
#include "sink/written.h"

#include <stdio.h>

enum sg_sink_way {
    SG_SINK_LINES,    /* one or more lines per picture, appended */
    SG_SINK_DOCUMENT, /* lines in FILE.part, made into one document at the end */
    SG_SINK_FILES,    /* one file per picture */
};

struct sg_sink_ops {
    const char *word;
    enum sg_sink_way way;
    const char *header; /* LINES: the first line of a new file, with its end; or NULL */
    int (*format)(const struct sg_sink_options *options, const struct sg_sink_item *item, struct sg_buf *out);
    /* What the picture's text begins with, as `scan` adds it. */
    int (*key)(const struct sg_sink_item *item, struct sg_buf *out);
    /* Adds the keys of the text to written. out_whole: bytes of it that are whole pictures. SG_E_CONFIG when
     * it is of another origin: then nothing may be cut. NULL: cannot be resumed. */
    int (*scan)(const char *text, size_t size, struct sg_written *written, size_t *out_whole,
                struct sg_error *err);
    /* DOCUMENT: from lines to the document, and back for resuming. */
    int (*document)(FILE *lines, FILE *to, struct sg_error *err);
    int (*lines)(const char *text, size_t size, FILE *to, struct sg_error *err);
};

extern const struct sg_sink_ops sg_sink_table, sg_sink_jsonl, sg_sink_json, sg_sink_csv, sg_sink_coco,
    sg_sink_yolo;

/* Lines of JSON that begin with `prefix` and a text, which is the key (with its quotes). */
int sg_sink_scan_json(const char *prefix, const char *text, size_t size, struct sg_written *written,
                      size_t *out_whole, struct sg_error *err);

/* The classes.txt of a folder of yolo files. */
struct sg_classes {
    char *path;    /* of classes.txt */
    char **labels; /* by id; NULL = no name known */
    int count;
    struct sg_guard *guard; /* asked before the first write over a file that says otherwise; or NULL */
};

int sg_classes_open(struct sg_classes *classes, const char *folder, bool resume, struct sg_error *err);
void sg_classes_fini(struct sg_classes *classes);
/* A name that is new is remembered; *out_changed is set. SG_E_NOMEM. */
int sg_classes_note(struct sg_classes *classes, int class_id, const char *label, bool *out_changed);
int sg_classes_write(struct sg_classes *classes, struct sg_error *err);
/* yolo's text for a picture: the lines of its file, a NUL, then "id label" lines of its classes. */
int sg_yolo_put(struct sg_classes *classes, const char *path, const struct sg_buf *text,
                struct sg_error *err);

#endif
