/* SPDX-License-Identifier: MIT
 * The flags that `sight detect` and `sight send` share.
 */
#include "app/picture_command.h"

#include <stddef.h>

#define AT(member_name)                                                                                      \
    .offset = offsetof(struct sg_picture_command_args, member_name), .flags = SG_OPTION_FLAG_ONLY

static const char *const format_words[] = {"auto", "table", "jsonl", "json", "csv", "coco", "yolo", NULL};

static const struct sg_option rows[] = {
    {.key = "watch",
     .type = SG_OPTION_TEXT,
     AT(watch),
     .short_flag = 'w',
     .value_name = "DIR",
     .section = "Which pictures",
     .help =
         "every picture that comes into DIR or its folders from now on, as soon as it is complete; Ctrl-C "
         "ends it. With "
         "--resume also those that are there and not yet in the output"},
    {.key = "files_from",
     .type = SG_OPTION_TEXT,
     AT(files_from),
     .value_name = "FILE",
     .help = "pictures named in FILE, one a line; - reads the names from standard input"},
    {.key = "format",
     .type = SG_OPTION_ENUM,
     AT(format),
     .choices = format_words,
     .short_flag = 'f',
     .value_name = "FORMAT",
     .value_default = "auto",
     .section = "What comes out",
     .help =
         "table (for people), jsonl (one native reply per picture and line), json (an array of them), csv "
         "(one row per object), coco (a COCO document), yolo (a label file per picture and classes.txt). "
         "auto is what --output ends with, else the table on a terminal and jsonl in a pipe"},
    {.key = "json",
     .type = SG_OPTION_BOOL,
     AT(json),
     .short_flag = 'j',
     .value_default = "false",
     .help = "the same as --format jsonl"},
    {.key = "output",
     .type = SG_OPTION_TEXT,
     AT(output),
     .short_flag = 'o',
     .value_name = "FILE",
     .help = "write there, not to standard output; for yolo a folder"},
    {.key = "resume",
     .type = SG_OPTION_BOOL,
     AT(resume),
     .short_flag = 'r',
     .value_default = "false",
     .help = "skip the pictures that --output already holds and add the others; an output that was cut off "
             "goes on where it ended"},
    {.key = "overwrite",
     .type = SG_OPTION_BOOL,
     AT(overwrite),
     .value_default = "false",
     .help =
         "also replace files that are there and were not written by sightd; what the run reads (pictures, "
         "models, lists) never is"},
    {.key = "annotate",
     .type = SG_OPTION_TEXT,
     AT(annotate),
     .short_flag = 'a',
     .value_name = "DIR",
     .help = "also write each picture with its objects drawn in, as DIR/NAME.jpg"},
    {.key = "crop",
     .type = SG_OPTION_TEXT,
     AT(crop),
     .value_name = "DIR",
     .help = "also cut every object out, as DIR/NAME_NUMBER_LABEL.jpg"},
    {.key = "no_timing",
     .type = SG_OPTION_BOOL,
     AT(no_timing),
     .value_default = "false",
     .help = "leave timing_us out of replies, so that they can be compared"},
    {.key = "progress",
     .type = SG_OPTION_BOOL,
     AT(progress),
     .value_default = "true",
     .help = "no line of progress, which is shown on a terminal only"},
    {.key = "max_pixels",
     .type = SG_OPTION_COUNT,
     AT(max_pixels),
     .minimum = 1,
     .maximum = 4e9,
     .value_default = "100M",
     .section = "Limits",
     .unit = "pixels",
     .help = "larger pictures are refused"},
    {.key = "max_image_bytes",
     .type = SG_OPTION_SIZE,
     AT(max_image_bytes),
     .minimum = 1024,
     .maximum = 1 << 29,
     .value_default = "64MiB",
     .help = "larger files are refused"},
};

const struct sg_option_table sg_picture_command_table = {.name = "picture_command",
                                                         .rows = rows,
                                                         .row_count = sizeof(rows) / sizeof(rows[0]),
                                                         .struct_bytes =
                                                             sizeof(struct sg_picture_command_args)};

void sg_found_options(const struct sg_found_args *found, struct sg_job_options *out_options)
{
    sg_job_options_init(out_options);
    if (found->has_threshold)
        out_options->threshold = found->threshold;
    if (found->has_nms)
        out_options->iou = found->nms;
    out_options->max_objects = found->max_objects;
    out_options->top_k = found->top_k;
}
