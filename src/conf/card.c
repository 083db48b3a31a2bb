/* SPDX-License-Identifier: MIT
 * The rows of a model card, and what rows cannot say about it. Read at start and on reload, main thread.
 */
#include "conf/card.h"

#include "conf/bind.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BLANK_DIGITS    5
#define ROWS(rows)          rows, (int)(sizeof(rows) / sizeof((rows)[0]))
#define INPUT(member_name)  .offset = offsetof(struct sg_card_input, member_name)
#define INPUT_SET(has)      .set_offset = offsetof(struct sg_card_input, has)
#define OUTPUT(member_name) .offset = offsetof(struct sg_card_output, member_name)
#define OBJECT(member_name) .offset = offsetof(struct sg_card_golden_object, member_name)
#define OBJECT_SET(has)     .set_offset = offsetof(struct sg_card_golden_object, has)
#define GOLDEN(member_name) .offset = offsetof(struct sg_card_golden, member_name)
#define CARD(member_name)   .offset = offsetof(struct sg_card, member_name)
#define CARD_SET(has)       .set_offset = offsetof(struct sg_card, has)

/* In the order of the enums that they are read into. */
static const char *const color_words[] = {"rgb", "bgr", "gray", NULL};
static const char *const fit_words[] = {"stretch", "letterbox", "letterbox-topleft", "center-crop", NULL};
static const char *const layout_words[] = {"nchw", "nhwc", NULL};
static const char *const score_words[] = {"auto", "probability", "softmax", "sigmoid", "multilabel", NULL};
static const char *const batch_words[] = {"auto", "never", NULL};

static const struct sg_option input_rows[] = {
    {.key = "size",
     .type = SG_OPTION_INTS,
     INPUT(size),
     INPUT_SET(has_size),
     .flags = SG_OPTION_SPREAD,
     .min_count = 2,
     .max_count = 2,
     .minimum = 1,
     .maximum = 8192,
     .absent = "the graph's own",
     .unit = "pixels",
     .help =
         "width and height, for a graph that leaves them open; of one that declares other sizes they are set "
         "free, and it is refused if it does not run so"},
    {.key = "color",
     .type = SG_OPTION_ENUM,
     INPUT(color),
     INPUT_SET(has_color),
     .choices = color_words,
     .absent = "the family's",
     .help = "order of the channels that the model was trained on"},
    {.key = "resize",
     .type = SG_OPTION_ENUM,
     INPUT(resize),
     INPUT_SET(has_resize),
     .choices = fit_words,
     .absent = "the family's",
     .help = "how the picture is fitted into the input"},
    {.key = "layout",
     .type = SG_OPTION_ENUM,
     INPUT(layout),
     INPUT_SET(has_layout),
     .choices = layout_words,
     .absent = "read off the shape",
     .help = "order of the input's axes"},
    {.key = "shorter_side",
     .type = SG_OPTION_INT,
     INPUT(shorter_side),
     INPUT_SET(has_shorter_side),
     .minimum = 1,
     .maximum = 8192,
     .absent = "the input's shorter side",
     .unit = "pixels",
     .help = "center-crop: the picture's shorter side before the cut, 256 for most 224 inputs"},
    {.key = "scale",
     .type = SG_OPTION_FLOAT,
     INPUT(scale),
     INPUT_SET(has_scale),
     .flags = SG_OPTION_EXCLUSIVE,
     .minimum = 0,
     .maximum = 1000,
     .absent = "1",
     .help = "pixels 0..255 are multiplied by it first; 0.00392157 makes 0..1"},
    {.key = "mean",
     .type = SG_OPTION_FLOATS,
     INPUT(mean),
     INPUT_SET(has_mean),
     .flags = SG_OPTION_SPREAD,
     .min_count = 3,
     .max_count = 3,
     .minimum = -100000,
     .maximum = 100000,
     .absent = "the family's",
     .help = "taken off after scale, in the model's channel order"},
    {.key = "std",
     .type = SG_OPTION_FLOATS,
     INPUT(std),
     INPUT_SET(has_std),
     .flags = SG_OPTION_SPREAD | SG_OPTION_EXCLUSIVE,
     .min_count = 3,
     .max_count = 3,
     .minimum = 0,
     .maximum = 100000,
     .absent = "the family's",
     .help = "divides what is left"},
    {.key = "pad",
     .type = SG_OPTION_FLOATS,
     INPUT(pad),
     INPUT_SET(has_pad),
     .flags = SG_OPTION_SPREAD,
     .min_count = 3,
     .max_count = 3,
     .minimum = 0,
     .maximum = 255,
     .absent = "the family's",
     .help = "pixel value beside the picture"},
    {.key = "margin",
     .type = SG_OPTION_FLOAT,
     INPUT(margin),
     INPUT_SET(has_margin),
     .minimum = 1,
     .maximum = 16,
     .absent = "2",
     .help = "pixels per input pixel, on each axis, that a reduced decode keeps; more is closer to decode: "
             "exact"},
};
static const struct sg_option_table input_table = {
    "input", "How pixels become the model's tensor: value = (pixel * scale - mean) / std.", ROWS(input_rows),
    .struct_bytes = sizeof(struct sg_card_input)};

static const struct sg_option output_rows[] = {
    {.key = "as",
     .type = SG_OPTION_TEXT,
     OUTPUT(rename),
     .absent = "the output's name",
     .help = "what the reply calls it"},
    {.key = "labels",
     .type = SG_OPTION_TEXTS,
     OUTPUT(labels),
     .flags = SG_OPTION_NUMBERED,
     .absent = "none",
     .help = "names of its classes: as `labels:` of the card"},
    {.key = "value",
     .type = SG_OPTION_BOOL,
     OUTPUT(value),
     .value_default = "false",
     .help = "the output is a number, not classes"},
    {.key = "unit", .type = SG_OPTION_TEXT, OUTPUT(unit), .absent = "none", .help = "unit of that number"},
};
static const struct sg_option_table output_table = {
    "outputs",
    "One output of a graph that answers several things; the key is the output's name.",
    ROWS(output_rows),
    .struct_bytes = sizeof(struct sg_card_output),
    .shorthand = "labels",
    .name_offset = offsetof(struct sg_card_output, name)};

static const struct sg_option object_rows[] = {
    {.key = "label",
     .type = SG_OPTION_TEXT,
     OBJECT(label),
     .absent = "not compared",
     .help = "class expected, by name; beside value, the output's name"},
    {.key = "class_id",
     .type = SG_OPTION_INT,
     OBJECT(class_id),
     OBJECT_SET(has_class_id),
     .minimum = 0,
     .maximum = 65535,
     .absent = "not compared",
     .help = "class expected, by number"},
    {.key = "text", .type = SG_OPTION_TEXT, OBJECT(text), .absent = "not compared", .help = "text expected"},
    {.key = "box",
     .type = SG_OPTION_FLOATS,
     OBJECT(box),
     OBJECT_SET(has_box),
     .min_count = 4,
     .max_count = 4,
     .minimum = -65535,
     .maximum = 65535,
     .absent = "not compared",
     .unit = "pixels",
     .help = "x1, y1, x2, y2 in the original picture"},
    {.key = "score",
     .type = SG_OPTION_FLOAT,
     OBJECT(score),
     OBJECT_SET(has_score),
     .minimum = 0,
     .maximum = 1,
     .absent = "not compared",
     .help = "score expected"},
    {.key = "value",
     .type = SG_OPTION_FLOAT,
     OBJECT(value),
     OBJECT_SET(has_value),
     .minimum = -1e9,
     .maximum = 1e9,
     .absent = "not compared",
     .help = "number expected"},
};
static const struct sg_option_table object_table = {
    "golden.objects", "One thing that must be found in the golden picture.", ROWS(object_rows),
    .struct_bytes = sizeof(struct sg_card_golden_object),
    .line_offset = offsetof(struct sg_card_golden_object, line)};

static const struct sg_option golden_rows[] = {
    {.key = "image",
     .type = SG_OPTION_TEXT,
     GOLDEN(image),
     .flags = SG_OPTION_REQUIRED,
     .value_name = "FILE",
     .help = "picture beside the card"},
    {.key = "objects",
     .type = SG_OPTION_GROUPS,
     GOLDEN(objects),
     .table = &object_table,
     .absent = "nothing must be found",
     .help = "what must be found in it"},
    {.key = "iou",
     .type = SG_OPTION_FLOAT,
     GOLDEN(iou),
     .minimum = 0,
     .maximum = 1,
     .value_default = "0.9",
     .unit = "IoU",
     .help = "least overlap of a box with the expected one"},
    {.key = "score",
     .type = SG_OPTION_FLOAT,
     GOLDEN(score),
     .minimum = 0,
     .maximum = 1,
     .value_default = "0.05",
     .help = "largest difference from an expected score; of a value, as a share of it"},
    {.key = "only",
     .type = SG_OPTION_BOOL,
     GOLDEN(only),
     .value_default = "false",
     .help = "nothing else may be found"},
};
static const struct sg_option_table golden_table = {
    "golden", "A picture whose objects are known; the server is ready only when they are found.",
    ROWS(golden_rows), .struct_bytes = sizeof(struct sg_card_golden)};

static const struct sg_option card_rows[] = {
    {.key = "file",
     .type = SG_OPTION_TEXT,
     CARD(file),
     .value_name = "FILE",
     .absent = "the .onnx file of the card's name, else the only one in the folder",
     .help = "the model, relative to the card",
     .section = "What it is"},
    {.key = "name",
     .type = SG_OPTION_TEXT,
     CARD(name),
     .absent = "the folder's or file's name",
     .help = "what pipelines call it"},
    {.key = "description",
     .type = SG_OPTION_TEXT,
     CARD(description),
     .absent = "none",
     .help = "one line for `sight model list`"},
    {.key = "licence",
     .type = SG_OPTION_TEXT,
     CARD(licence),
     .absent = "unknown",
     .help = "licence of the weights, shown by `sight model list`"},
    {.key = "source",
     .type = SG_OPTION_TEXT,
     CARD(source),
     .absent = "unknown",
     .help = "where the weights come from"},
    {.key = "input",
     .type = SG_OPTION_GROUP,
     CARD(input),
     .table = &input_table,
     .absent = "decided from the graph",
     .help = "how pixels become its tensor",
     .section = "What goes in"},
    {.key = "batch",
     .type = SG_OPTION_INT,
     CARD(batch),
     .choices = batch_words,
     .minimum = 0,
     .maximum = 256,
     .value_default = "auto",
     .help = "how many pictures or crops may share one run; `never` where they would influence each other"},
    SG_ENGINE_ROWS(struct sg_card, 0, "What runs it"),
    {.key = "head",
     .type = SG_OPTION_TEXT,
     CARD(head),
     .absent = "decided from the graph",
     .help = "rule that decodes the outputs; `sight model heads` lists them",
     .section = "What comes out"},
    {.key = "labels",
     .type = SG_OPTION_TEXTS,
     CARD(labels),
     .flags = SG_OPTION_NUMBERED,
     .absent = "the graph's metadata",
     .help = "names of the classes: a list, a map {0: person, …}, a known set (coco80, coco91, imagenet1k, "
             "voc20, face, "
             "person, text) or a file beside the card: one name a line, or YAML, JSON or .pbtxt as exporters "
             "write it"},
    {.key = "class_offset",
     .type = SG_OPTION_INT,
     CARD(class_offset),
     CARD_SET(has_class_offset),
     .minimum = 0,
     .maximum = 65535,
     .absent = "the family's",
     .help = "class number of the first label; 1 for TensorFlow's numbering"},
    {.key = "scores",
     .type = SG_OPTION_ENUM,
     CARD(scores),
     .choices = score_words,
     .value_default = "auto",
     .help = "what the graph's scores are; auto decides from the values"},
    {.key = "threshold",
     .type = SG_OPTION_FLOAT,
     CARD(threshold),
     CARD_SET(has_threshold),
     .minimum = 0,
     .maximum = 1,
     .absent = "the family's",
     .help = "least score of an object, unless the pipeline says"},
    {.key = "iou",
     .alias = "nms",
     .type = SG_OPTION_FLOAT,
     CARD(nms),
     CARD_SET(has_nms),
     .minimum = 0,
     .maximum = 1,
     .absent = "the family's",
     .unit = "IoU",
     .help = "boxes that overlap more are one object; 0 = off"},
    {.key = "agnostic",
     .type = SG_OPTION_BOOL,
     CARD(agnostic),
     CARD_SET(has_agnostic),
     .absent = "the family's",
     .help = "boxes of different classes suppress each other too"},
    {.key = "anchors",
     .type = SG_OPTION_FLOATS,
     CARD(anchors),
     .count_offset = offsetof(struct sg_card, anchor_numbers),
     .flags = SG_OPTION_FLATTEN | SG_OPTION_EVEN,
     .min_count = 2,
     .max_count = SG_CARD_MAX_ANCHORS * 2,
     .minimum = 0,
     .maximum = 65535,
     .absent = "the family's",
     .unit = "pixels of the input",
     .help = "width and height of each anchor, small strides first"},
    {.key = "strides",
     .type = SG_OPTION_INTS,
     CARD(strides),
     .count_offset = offsetof(struct sg_card, stride_count),
     .min_count = 1,
     .max_count = SG_CARD_MAX_STRIDES,
     .minimum = 1,
     .maximum = 1024,
     .absent = "the family's",
     .unit = "pixels of the input",
     .help = "cell size of each grid"},
    {.key = "mask_threshold",
     .type = SG_OPTION_FLOAT,
     CARD(mask_threshold),
     CARD_SET(has_mask_threshold),
     .flags = SG_OPTION_EXCLUSIVE,
     .minimum = 0,
     .maximum = 1,
     .absent = "the family's",
     .help = "masks and text maps: least probability"},
    {.key = "unclip",
     .type = SG_OPTION_FLOAT,
     CARD(unclip),
     CARD_SET(has_unclip),
     .flags = SG_OPTION_EXCLUSIVE,
     .minimum = 0,
     .maximum = 10,
     .absent = "the family's",
     .help = "text detection: how far a region is grown"},
    {.key = "space",
     .type = SG_OPTION_FLOAT,
     CARD(space),
     CARD_SET(has_space),
     .flags = SG_OPTION_EXCLUSIVE,
     .minimum = 0,
     .maximum = 1,
     .absent = "the family's",
     .help = "text reading: least probability of a space between two characters; 1 = only where it is best"},
    {.key = "blank",
     .type = SG_OPTION_TEXT,
     CARD(blank),
     .absent = "decided from metadata, labels and values",
     .help =
         "text reading: the class that stands for no character, as first, last or its number; none where the "
         "graph has taken it and repeats out already"},
    {.key = "top_k",
     .type = SG_OPTION_INT,
     CARD(top_k),
     CARD_SET(has_top_k),
     .minimum = 1,
     .maximum = 64,
     .absent = "1",
     .help = "classes that a classifier reports"},
    {.key = "embedding",
     .type = SG_OPTION_BOOL,
     CARD(embedding),
     CARD_SET(has_embedding),
     .absent = "decided from the graph",
     .help = "the reply carries the normalised vector"},
    {.key = "outputs",
     .type = SG_OPTION_KEYED,
     CARD(outputs),
     .table = &output_table,
     .max_count = 64,
     .absent = "named by the graph",
     .help = "naming of a graph that answers several things"},
    {.key = "golden",
     .type = SG_OPTION_GROUP,
     CARD(golden),
     CARD_SET(has_golden),
     .table = &golden_table,
     .absent = "a warm-up only",
     .help = "picture and objects that prove the model at start",
     .section = "What proves it"},
};

const struct sg_option_table sg_card_table = {
    "model card",
    "A YAML file beside a model: FOLDER/model.yaml, or X.yaml beside X.onnx. Every key may be left out; what "
    "is left out is decided from the graph, and `sight model explain` says how. A key that the model's head "
    "does "
    "not use is warned of, with its place.",
    ROWS(card_rows), .struct_bytes = sizeof(struct sg_card),
    .places_offset = offsetof(struct sg_card, places)};
_Static_assert(sizeof(card_rows) / sizeof(card_rows[0]) <= SG_CARD_MAX_KEYS, "SG_CARD_MAX_KEYS is too small");

int sg_card_init(struct sg_card *card)
{
    return sg_option_defaults(&sg_card_table, card);
}

void sg_card_fini(struct sg_card *card)
{
    free(card->path);
    sg_option_fini(&sg_card_table, card);
}

static int check_golden(const struct sg_card *card, struct sg_conf_problems *problems)
{
    int i, code = 0;

    for (i = 0; i < card->golden.objects.count; i++) {
        const struct sg_card_golden_object *object = &card->golden.objects.items[i];

        if (!object->label.value && !object->has_class_id && !object->text.value && !object->has_value)
            code = sg_conf_problems_add(
                problems, card->path, object->line, object->column, NULL,
                "golden.objects[%d]: one of label, class_id, text or value is missing", i);
        if (object->has_box && (object->box[2] <= object->box[0] || object->box[3] <= object->box[1]))
            code = sg_conf_problems_add(problems, card->path, object->line, object->column, NULL,
                                        "golden.objects[%d].box: expected x1, y1, x2, y2 with x1 < x2 and "
                                        "y1 < y2",
                                        i);
    }
    return code;
}

static int check_blank(struct sg_card *card, struct sg_conf_problems *problems)
{
    static const struct {
        const char *word;
        int class_id;
    } words[] = {{"first", 0}, {"last", SG_CARD_BLANK_LAST}, {"none", SG_CARD_BLANK_NONE}};
    const struct sg_text *blank = &card->blank;
    size_t i, length;

    if (!blank->value)
        return 0;
    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(blank->value, words[i].word) == 0) {
            card->blank_class = words[i].class_id;
            return 0;
        }
    length = strspn(blank->value, "0123456789");
    if (length > 0 && length <= MAX_BLANK_DIGITS && !blank->value[length]) {
        card->blank_class = atoi(blank->value);
        return 0;
    }
    return sg_conf_problems_add(problems, card->path, blank->line, blank->column, NULL,
                                "blank: expected first, last, none or the number of a class, got \"%.40s\"",
                                blank->value);
}

int sg_card_parse(const char *path, const char *yaml, size_t size, struct sg_card *card,
                  struct sg_conf_problems *problems)
{
    int code = sg_card_init(card);
    bool bound = false;

    if (code < 0)
        return code;
    card->path = strdup(path);
    code = card->path ? sg_conf_bind(&sg_card_table, card, path, yaml, size, problems, &bound) : SG_E_NOMEM;
    if (code != SG_E_NOMEM && (check_golden(card, problems) < 0) + (check_blank(card, problems) < 0) > 0)
        code = SG_E_CONFIG;
    if (code == SG_E_NOMEM || !bound)
        sg_card_fini(card);
    return code;
}

int sg_card_load(const char *path, struct sg_card *card, struct sg_conf_problems *problems)
{
    char *text = NULL;
    size_t size = 0;
    int code = sg_conf_read(path, &text, &size, problems);

    if (code < 0) {
        *card = (struct sg_card){0};
        return code;
    }
    code = sg_card_parse(path, text, size, card, problems);
    free(text);
    return code;
}
