/* SPDX-License-Identifier: MIT
 * A pipeline's recipe: pipelines/NAME.yaml. Names of models and labels are not looked up here; their line and
 * column are kept for whoever does. No globals; a recipe belongs to its caller.
 */
#ifndef SG_CONF_RECIPE_H
#define SG_CONF_RECIPE_H

#include "base/option.h"
#include "conf/problems.h"

enum sg_recipe_decode { SG_RECIPE_DECODE_FAST, SG_RECIPE_DECODE_EXACT };
enum sg_recipe_align { SG_RECIPE_ALIGN_NONE, SG_RECIPE_ALIGN_LANDMARKS };

/* A classifier on the objects of a detector, or on the whole picture. */
struct sg_recipe_classify {
    struct sg_text model;
    struct sg_texts on; /* labels; count 0 = all */
    float expand;       /* share of the box's size added, half on each side; 0.2 = 1.2 x as wide and high */
    bool square;        /* the crop is made square around the box's centre, by its longer side */
    bool pad;           /* beyond the picture its edge is repeated; false: the crop is clipped */
    enum sg_recipe_align align; /* LANDMARKS: the crop is turned so that the eyes are level */
    int top_k;
    bool has_top_k; /* absent: the card's, else 1 */
    float threshold;
    bool has_threshold; /* absent: every best answer is given */
    int min_size;       /* objects with a shorter side below it are not classified, original pixels */
    int line, column;
};

struct sg_recipe_classifies {
    struct sg_recipe_classify *items;
    int count;
};

struct sg_recipe_threshold {
    struct sg_text label;
    float threshold;
};

struct sg_recipe_thresholds {
    struct sg_recipe_threshold *items;
    int count;
};

/* Doubtful objects are looked at again, closer. */
struct sg_recipe_second_look {
    float below;     /* objects that score less are doubtful */
    float zoom;      /* the crop is a square of so many times the box's longer side */
    float threshold; /* what the object must score there; box and score are then those of the second look */
};

/* Pictures of several requests in one run of the detector. */
enum sg_recipe_batch_use { SG_RECIPE_BATCH_MEASURED, SG_RECIPE_BATCH_ALWAYS, SG_RECIPE_BATCH_NEVER };

struct sg_recipe_batch {
    enum sg_recipe_batch_use use;
    int max;
    int delay_ms;
};

/* A detector on the picture, or (detect_inside) inside the boxes of the first one. */
struct sg_recipe_detect {
    struct sg_text model;
    float threshold;
    bool has_threshold; /* absent: the card's or the family's */
    float nms;
    bool has_nms; /* IoU; 0 = off */
    bool agnostic, has_agnostic;
    struct sg_texts classes; /* labels kept; count 0 = all */
    struct sg_recipe_thresholds thresholds;
    int max_objects;
    bool has_max_objects;
    int min_size;    /* shorter side in original pixels, 0 = any */
    float region[4]; /* x1, y1, x2, y2 as shares 0..1 of the picture */
    bool has_region;
    struct sg_recipe_second_look second_look;
    bool has_second_look;
    struct sg_recipe_batch batch;
    bool has_batch;
    /* detect_inside only */
    struct sg_texts on;
    float expand;
    bool square, pad;
    struct sg_recipe_classifies classify; /* of what this detector found */
    int line, column;
};

struct sg_recipe_detects {
    struct sg_recipe_detect *items;
    int count;
};

/* Reading the text lines that a text detector found. */
struct sg_recipe_read {
    struct sg_text orient;  /* 0/180 degrees classifier, or NULL */
    float orient_threshold; /* where it is less sure a line is read both ways */
    struct sg_text recognise;
    float threshold; /* lines whose mean character probability is lower are dropped */
    int line, column;
};

struct sg_recipe {
    char *path;
    struct sg_text name; /* never NULL after load: the file's name without .yaml */
    struct sg_text description;
    struct sg_recipe_detect detect;
    bool has_detect;
    struct sg_recipe_classifies classify;
    struct sg_recipe_detects detect_inside;
    struct sg_recipe_read read;
    bool has_read;
    enum sg_recipe_decode decode;
    bool has_decode; /* absent: the server's */
};

extern const struct sg_option_table sg_recipe_table;

int sg_recipe_init(struct sg_recipe *recipe);
void sg_recipe_fini(struct sg_recipe *recipe);
/* As sg_card_load. Also wrong: neither detect nor classify; read or detect_inside without detect. */
int sg_recipe_load(const char *path, struct sg_recipe *recipe, struct sg_conf_problems *problems);
int sg_recipe_parse(const char *path, const char *yaml, size_t size, struct sg_recipe *recipe,
                    struct sg_conf_problems *problems);

#endif
