/* SPDX-License-Identifier: MIT
 * The rows of a pipeline's recipe, and what rows cannot say about it. Read at start and on reload.
 */
#include "conf/recipe.h"

#include "conf/bind.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define ROWS(rows)            rows, (int)(sizeof(rows) / sizeof((rows)[0]))
#define CLASSIFY(member_name) .offset = offsetof(struct sg_recipe_classify, member_name)
#define CLASSIFY_SET(has)     .set_offset = offsetof(struct sg_recipe_classify, has)
#define DETECT(member_name)   .offset = offsetof(struct sg_recipe_detect, member_name)
#define DETECT_SET(has)       .set_offset = offsetof(struct sg_recipe_detect, has)
#define READ(member_name)     .offset = offsetof(struct sg_recipe_read, member_name)
#define RECIPE(member_name)   .offset = offsetof(struct sg_recipe, member_name)
#define RECIPE_SET(has)       .set_offset = offsetof(struct sg_recipe, has)

static const char *const decode_words[] = {"fast", "exact", NULL};
static const char *const align_words[] = {"none", "landmarks", NULL};

#define HELP_ON     "classes of the objects that go in, by label or number"
#define HELP_EXPAND "share of the box added around it, half on each side"
#define HELP_SQUARE "crops are squares around the box's centre, as wide as its longer side"
#define HELP_PAD    "crops keep their shape at the picture's border, which is repeated; false clips them"

static const struct sg_option classify_rows[] = {
    {.key = "model",
     .type = SG_OPTION_TEXT,
     CLASSIFY(model),
     .flags = SG_OPTION_REQUIRED,
     .help = "name of the classifier"},
    {.key = "on", .type = SG_OPTION_TEXTS, CLASSIFY(on), .absent = "all", .help = HELP_ON},
    {.key = "min_size",
     .type = SG_OPTION_INT,
     CLASSIFY(min_size),
     .minimum = 0,
     .maximum = 65535,
     .value_default = "0",
     .unit = "pixels",
     .help = "objects whose shorter side is smaller are left out"},
    {.key = "expand",
     .type = SG_OPTION_FLOAT,
     CLASSIFY(expand),
     .minimum = -0.9,
     .maximum = 10,
     .value_default = "0",
     .help = HELP_EXPAND},
    {.key = "square",
     .type = SG_OPTION_BOOL,
     CLASSIFY(square),
     .value_default = "false",
     .help = HELP_SQUARE},
    {.key = "pad", .type = SG_OPTION_BOOL, CLASSIFY(pad), .value_default = "false", .help = HELP_PAD},
    {.key = "align",
     .type = SG_OPTION_ENUM,
     CLASSIFY(align),
     .choices = align_words,
     .value_default = "none",
     .help = "landmarks: the crop is turned until the eyes are level"},
    {.key = "top_k",
     .type = SG_OPTION_INT,
     CLASSIFY(top_k),
     CLASSIFY_SET(has_top_k),
     .minimum = 1,
     .maximum = 64,
     .absent = "the card's, else 1",
     .help = "how many classes are reported"},
    {.key = "threshold",
     .type = SG_OPTION_FLOAT,
     CLASSIFY(threshold),
     CLASSIFY_SET(has_threshold),
     .minimum = 0,
     .maximum = 1,
     .absent = "every best answer is reported",
     .help = "answers with a lower probability are left out"},
};
static const struct sg_option_table classify_table = {
    "classify",
    "A classifier on the objects found, or on the whole picture when there is no detector.",
    ROWS(classify_rows),
    .struct_bytes = sizeof(struct sg_recipe_classify),
    .shorthand = "model",
    .line_offset = offsetof(struct sg_recipe_classify, line)};

static const struct sg_option threshold_rows[] = {
    {.key = "threshold",
     .type = SG_OPTION_FLOAT,
     .offset = offsetof(struct sg_recipe_threshold, threshold),
     .flags = SG_OPTION_REQUIRED,
     .minimum = 0,
     .maximum = 1,
     .help = "least score of an object of that class"},
};
static const struct sg_option_table threshold_table = {"thresholds",
                                                       "Least score of one label.",
                                                       ROWS(threshold_rows),
                                                       .struct_bytes = sizeof(struct sg_recipe_threshold),
                                                       .shorthand = "threshold",
                                                       .name_offset =
                                                           offsetof(struct sg_recipe_threshold, label)};

#define LOOK(member_name) .offset = offsetof(struct sg_recipe_second_look, member_name)
static const struct sg_option look_rows[] = {
    {.key = "below",
     .type = SG_OPTION_FLOAT,
     LOOK(below),
     .flags = SG_OPTION_REQUIRED,
     .minimum = 0,
     .maximum = 1,
     .help = "objects that score less are looked at again"},
    {.key = "zoom",
     .type = SG_OPTION_FLOAT,
     LOOK(zoom),
     .minimum = 1,
     .maximum = 16,
     .value_default = "4",
     .help = "the detector sees a square of so many times the box's longer side"},
    {.key = "threshold",
     .type = SG_OPTION_FLOAT,
     LOOK(threshold),
     .minimum = 0,
     .maximum = 1,
     .value_default = "0.5",
     .help = "least score there; box and score of the object are then those of the second look"},
};
static const struct sg_option_table look_table = {
    "second_look", "Doubtful objects are looked at again, closer.", ROWS(look_rows),
    .struct_bytes = sizeof(struct sg_recipe_second_look)};

static const char *const batch_words[] = {"measured", "always", "never", NULL};

#define BATCH(member_name) .offset = offsetof(struct sg_recipe_batch, member_name)
static const struct sg_option batch_rows[] = {
    {.key = "use",
     .type = SG_OPTION_ENUM,
     BATCH(use),
     .choices = batch_words,
     .value_default = "measured",
     .help = "measured: where it was faster at start; always: wherever results do not depend on it"},
    {.key = "max",
     .type = SG_OPTION_INT,
     BATCH(max),
     .minimum = 2,
     .maximum = 32,
     .value_default = "8",
     .help = "pictures in one run"},
    {.key = "delay_ms",
     .type = SG_OPTION_INT,
     BATCH(delay_ms),
     .minimum = 0,
     .maximum = 1000,
     .value_default = "2",
     .unit = "ms",
     .help = "how long the first picture waits for others"},
};
static const struct sg_option_table batch_table = {
    "batch", "Pictures of several requests in one run of the detector.", ROWS(batch_rows),
    .struct_bytes = sizeof(struct sg_recipe_batch)};

/* What a first detector and one inside its boxes have in common. */
/* clang-format off */
#define DETECT_ROWS                                                                                          \
    {.key = "model", .type = SG_OPTION_TEXT, DETECT(model), .flags = SG_OPTION_REQUIRED,                     \
     .help = "name of the detector"},                                                                        \
    {.key = "threshold", .type = SG_OPTION_FLOAT, DETECT(threshold), DETECT_SET(has_threshold),              \
     .minimum = 0, .maximum = 1, .absent = "the card's or the family's",                                     \
     .help = "least score of an object"},                                                                    \
    {.key = "thresholds", .type = SG_OPTION_KEYED, DETECT(thresholds), .table = &threshold_table,            \
     .absent = "the same for all", .help = "least score by label or number, {person: 0.4, 16: 0.6}"},        \
    {.key = "iou", .alias = "nms", .type = SG_OPTION_FLOAT, DETECT(nms), DETECT_SET(has_nms), .minimum = 0, .maximum = 1,    \
     .unit = "IoU", .absent = "the card's or the family's",                                                  \
     .help = "boxes that overlap more are one object; 0 = off"},                                             \
    {.key = "agnostic", .type = SG_OPTION_BOOL, DETECT(agnostic), DETECT_SET(has_agnostic),                  \
     .absent = "the card's or the family's",                                                                 \
     .help = "boxes of different classes suppress each other too"},                                          \
    {.key = "classes", .type = SG_OPTION_TEXTS, DETECT(classes), .absent = "all",                            \
     .help = "classes that are kept, by label or number"},                                                   \
    {.key = "max_objects", .type = SG_OPTION_INT, DETECT(max_objects), DETECT_SET(has_max_objects),          \
     .minimum = 1, .maximum = 4096, .absent = "300", .help = "only the best so many are kept"},             \
    {.key = "min_size", .type = SG_OPTION_INT, DETECT(min_size), .minimum = 0, .maximum = 65535,             \
     .value_default = "0", .unit = "pixels", .help = "objects whose shorter side is smaller are dropped"}
/* clang-format on */

static const struct sg_option detect_rows[] = {
    DETECT_ROWS,
    {.key = "region",
     .type = SG_OPTION_FLOATS,
     DETECT(region),
     DETECT_SET(has_region),
     .min_count = 4,
     .max_count = 4,
     .minimum = 0,
     .maximum = 1,
     .absent = "the whole picture",
     .help = "x1, y1, x2, y2 as shares of the picture; only this part is looked at"},
    {.key = "second_look",
     .type = SG_OPTION_GROUP,
     DETECT(second_look),
     DETECT_SET(has_second_look),
     .table = &look_table,
     .absent = "one look",
     .help = "look closer at objects that score low, to tell real ones from false ones"},
    {.key = "batch",
     .type = SG_OPTION_GROUP,
     DETECT(batch),
     DETECT_SET(has_batch),
     .table = &batch_table,
     .absent = "where it was measured to be faster",
     .help = "pictures of several requests go through the model at once, if it takes a batch"},
};
static const struct sg_option_table detect_table = {"detect",
                                                    "The detector that looks at the picture.",
                                                    ROWS(detect_rows),
                                                    .struct_bytes = sizeof(struct sg_recipe_detect),
                                                    .shorthand = "model",
                                                    .line_offset = offsetof(struct sg_recipe_detect, line)};

static const struct sg_option inside_rows[] = {
    DETECT_ROWS,
    {.key = "on", .type = SG_OPTION_TEXTS, DETECT(on), .absent = "all", .help = HELP_ON},
    {.key = "expand",
     .type = SG_OPTION_FLOAT,
     DETECT(expand),
     .minimum = -0.9,
     .maximum = 10,
     .value_default = "0",
     .help = HELP_EXPAND},
    {.key = "square", .type = SG_OPTION_BOOL, DETECT(square), .value_default = "false", .help = HELP_SQUARE},
    {.key = "pad", .type = SG_OPTION_BOOL, DETECT(pad), .value_default = "false", .help = HELP_PAD},
    {.key = "classify",
     .type = SG_OPTION_GROUPS,
     DETECT(classify),
     .table = &classify_table,
     .max_count = 16,
     .absent = "none",
     .help = "classifiers on what this detector found"},
};
static const struct sg_option_table inside_table = {
    "detect_inside",      "A detector that looks inside the boxes of the first one: number plates of cars.",
    ROWS(inside_rows),    .struct_bytes = sizeof(struct sg_recipe_detect),
    .shorthand = "model", .line_offset = offsetof(struct sg_recipe_detect, line)};

static const struct sg_option read_rows[] = {
    {.key = "recognise",
     .type = SG_OPTION_TEXT,
     READ(recognise),
     .flags = SG_OPTION_REQUIRED,
     .help = "model that reads one line"},
    {.key = "orient",
     .type = SG_OPTION_TEXT,
     READ(orient),
     .absent = "lines are taken as upright",
     .help = "classifier that tells lines upside down"},
    {.key = "orient_threshold",
     .type = SG_OPTION_FLOAT,
     READ(orient_threshold),
     .minimum = 0,
     .maximum = 1,
     .value_default = "0.99",
     .help = "where that classifier is less sure a line is read both ways, and the better reading kept"},
    {.key = "threshold",
     .type = SG_OPTION_FLOAT,
     READ(threshold),
     .minimum = 0,
     .maximum = 1,
     .value_default = "0.5",
     .help = "lines whose mean character probability is lower are dropped"},
};
static const struct sg_option_table read_table = {
    "read",
    "Reading the lines that a text detector found; without one, the boxes found (the inner ones, if any).",
    ROWS(read_rows),
    .struct_bytes = sizeof(struct sg_recipe_read),
    .shorthand = "recognise",
    .line_offset = offsetof(struct sg_recipe_read, line)};

static const struct sg_option recipe_rows[] = {
    {.key = "name",
     .type = SG_OPTION_TEXT,
     RECIPE(name),
     .absent = "the file's name without .yaml",
     .help = "what requests call it"},
    {.key = "description",
     .type = SG_OPTION_TEXT,
     RECIPE(description),
     .absent = "none",
     .help = "one line for lists of pipelines"},
    {.key = "decode",
     .type = SG_OPTION_ENUM,
     RECIPE(decode),
     RECIPE_SET(has_decode),
     .choices = decode_words,
     .absent = "the server's",
     .help = "fast decodes no more pixels than the model needs, exact all of them: within one level of "
             "OpenCV's (CMYK: two)"},
    {.key = "detect",
     .type = SG_OPTION_GROUP,
     RECIPE(detect),
     RECIPE_SET(has_detect),
     .table = &detect_table,
     .absent = "classify looks at the whole picture",
     .help = "the first model"},
    {.key = "classify",
     .type = SG_OPTION_GROUPS,
     RECIPE(classify),
     .table = &classify_table,
     .max_count = 16,
     .absent = "none",
     .help = "classifiers on what was found"},
    {.key = "detect_inside",
     .type = SG_OPTION_GROUPS,
     RECIPE(detect_inside),
     .table = &inside_table,
     .max_count = 16,
     .absent = "none",
     .help = "detectors inside the boxes of the first one"},
    {.key = "read",
     .type = SG_OPTION_GROUP,
     RECIPE(read),
     RECIPE_SET(has_read),
     .table = &read_table,
     .absent = "text is not read",
     .help = "text recognition on what was found"},
};

const struct sg_option_table sg_recipe_table = {
    "pipeline",
    "A YAML file in a folder of pipelines: which models look at a picture, in which order, at what. "
    "`detect: NAME` is short for `detect: {model: NAME}`.",
    ROWS(recipe_rows), .struct_bytes = sizeof(struct sg_recipe)};

int sg_recipe_init(struct sg_recipe *recipe)
{
    return sg_option_defaults(&sg_recipe_table, recipe);
}

void sg_recipe_fini(struct sg_recipe *recipe)
{
    free(recipe->path);
    sg_option_fini(&sg_recipe_table, recipe);
}

/* pipelines/faces.yaml is called faces. */
static int name_from_path(struct sg_recipe *recipe)
{
    const char *slash = strrchr(recipe->path, '/');
    const char *stem = slash ? slash + 1 : recipe->path;
    const char *dot = strrchr(stem, '.');
    size_t size = dot && dot > stem ? (size_t)(dot - stem) : strlen(stem);

    return recipe->name.value ? 0 : sg_text_set(&recipe->name, stem, size, 0, 0);
}

static int check_recipe(const struct sg_recipe *recipe, struct sg_conf_problems *problems)
{
    const float *region = recipe->detect.region;
    int code = 0;

    if (!recipe->has_detect && recipe->classify.count == 0)
        code = sg_conf_problems_add(problems, recipe->path, 1, 1, NULL,
                                    "a pipeline needs `detect:` or `classify:`");
    if (!recipe->has_detect && recipe->detect_inside.count > 0)
        code = sg_conf_problems_add(problems, recipe->path, recipe->detect_inside.items[0].line,
                                    recipe->detect_inside.items[0].column, NULL,
                                    "`detect_inside:` needs `detect:`, whose boxes it looks into");
    if (!recipe->has_detect && recipe->has_read)
        code = sg_conf_problems_add(problems, recipe->path, recipe->read.line, recipe->read.column, NULL,
                                    "`read:` needs `detect:`, whose boxes it reads");
    if (recipe->detect.has_region && (region[2] <= region[0] || region[3] <= region[1]))
        code = sg_conf_problems_add(problems, recipe->path, recipe->detect.line, recipe->detect.column, NULL,
                                    "detect.region: expected x1, y1, x2, y2 with x1 < x2 and y1 < y2");
    return code;
}

int sg_recipe_parse(const char *path, const char *yaml, size_t size, struct sg_recipe *recipe,
                    struct sg_conf_problems *problems)
{
    int code = sg_recipe_init(recipe);
    bool bound = false;

    if (code < 0)
        return code;
    recipe->path = strdup(path);
    code = recipe->path ? sg_conf_bind(&sg_recipe_table, recipe, path, yaml, size, problems, &bound)
                        : SG_E_NOMEM;
    /* A misspelt `detect:` was told already. */
    if (code == 0 || (code == SG_E_CONFIG && (recipe->has_detect || recipe->classify.count > 0)))
        code = check_recipe(recipe, problems) < 0 ? SG_E_CONFIG : code;
    if (code != SG_E_NOMEM && bound && name_from_path(recipe) < 0)
        code = SG_E_NOMEM;
    if (code == SG_E_NOMEM || !bound)
        sg_recipe_fini(recipe);
    return code;
}

int sg_recipe_load(const char *path, struct sg_recipe *recipe, struct sg_conf_problems *problems)
{
    char *text = NULL;
    size_t size = 0;
    int code = sg_conf_read(path, &text, &size, problems);

    if (code < 0) {
        *recipe = (struct sg_recipe){0};
        return code;
    }
    code = sg_recipe_parse(path, text, size, recipe, problems);
    free(text);
    return code;
}
