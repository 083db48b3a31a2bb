/* SPDX-License-Identifier: MIT
 * What the steps of a pipeline share: building (pipeline.c), running (run.c), picture.c, detect.c,
 * classify.c, read.c. Private to those files.
 */
#ifndef SG_PIPELINE_PIPELINE_PRIVATE_H
#define SG_PIPELINE_PIPELINE_PRIVATE_H

#include "pipeline/batch.h"
#include "pipeline/pipeline.h"

/* Set of class ids; all = everything passes. */
struct class_set {
    bool all;
    bool *has; /* count entries */
    int count;
};

struct classify_stage {
    struct sg_model *model;
    struct class_set on;
    float expand;
    bool square, pad, align;
    int top_k;
    float threshold; /* answers below are left out; 0 = none */
    int min_size;
};

struct detect_stage {
    struct sg_model *model;
    float threshold, iou;
    bool agnostic;
    int max_objects, min_size;
    struct class_set keep;
    float *class_thresholds; /* per class id, negative = threshold; or NULL */
    int class_threshold_count;
    bool has_region;
    float region[4];
    bool has_look;
    struct sg_recipe_second_look look;
    struct sg_batcher *batcher; /* NULL: never with pictures of other jobs */
    bool batch_always;          /* also where the measurement saw no gain */
    /* inside another detector's boxes */
    struct class_set on;
    float expand;
    bool square, pad;
    struct classify_stage *classify;
    int classify_count;
};

struct read_stage {
    struct sg_model *orient, *recognise; /* orient may be NULL */
    float orient_threshold, threshold;
    bool boxes; /* no text detector in the pipeline: the boxes found (the inner ones, if any) are the lines */
};

struct sg_pipeline {
    char *name, *description;
    bool exact;
    bool has_detect, has_read;
    struct detect_stage detect;
    struct detect_stage *inside;
    int inside_count;
    struct classify_stage *classify;
    int classify_count;
    struct read_stage read;
    struct sg_model *models[2 * SG_PIPELINE_MAX_STAGES + 4];
    int model_count;
};

struct sg_workspace {
    struct sg_workspace_options options;
    struct sg_decoder *decoder;
    size_t held;            /* of options.memory, by the frame that is at work */
    struct sg_image image;  /* the decoded picture */
    struct sg_image detail; /* a second, larger decode for crops */
    struct sg_image line;   /* a straightened text line */
    struct sg_letterbox letterbox;
    struct sg_detections detections;
    struct sg_answers answers;
};

/* One call of sg_pipeline_run on its way through the steps. */
struct run {
    const struct sg_pipeline *pipeline;
    struct sg_workspace *ws;
    const struct sg_frame *frame;
    const struct sg_request *request;
    struct sg_result *result;
    struct sg_error *err;
    bool exact;
    const struct sg_image *picture; /* what has been decoded */
    int object_capacity;
    bool has_detail; /* ws->detail holds a decode of this frame */
};

/* step.c, for the files of the steps below, which know neither run.c nor, but for second_look.c and detect.c,
 * each other. */
bool class_set_has(const struct class_set *set, int class_id);

/* Adds the time since *since to a stage and moves *since to now. */
void run_tick(struct run *run, enum sg_stage stage, int64_t *since);
/* Between steps: SG_E_DEADLINE, SG_E_CANCELLED or 0. */
int run_check(struct run *run);
/* Whether this frame is alone and may use all cores. */
bool run_alone(const struct run *run);
/* The model's next run is on all cores: the job is alone, and they are faster. */
bool run_wide(const struct run *run, struct sg_model *model);

/* Room for more objects behind the present ones; NULL (err set) when the limit is reached. */
struct sg_object *result_grow(struct run *run, int more);
/* Appends an attribute to an object, or to the picture when object is NULL. SG_E_NOMEM. */
int result_add_attribute(struct run *run, struct sg_object *object, const struct sg_attribute *attribute);

/* picture.c: header, size and limits; then the first decode, at least as large as a model needs `region` to
 * be. */
int picture_open(struct run *run);
int picture_decode(struct run *run, const struct sg_box *region, const struct sg_model *model,
                   const struct sg_placement *placement);
/* Makes sure `boxes` can be cut at a scale of `scale` stored pixels per original pixel (or full size):
 * decodes again, only the rows needed, when the picture at hand is smaller. *out_image is what to cut from.
 */
int picture_detail(struct run *run, const struct sg_box *cover, float scale,
                   const struct sg_image **out_image);
/* The part of image that crop covers, as a borrowed view: samples beyond it repeat the crop's edge, as when
 * the crop had been cut out and resized on its own. crop is in whole original pixels. */
void picture_view(const struct sg_image *image, const struct sg_box *crop, struct sg_image *view);
/* box grown by expand (share of its size, half on each side), made square, whole pixels outward, clipped
 * unless pad. */
struct sg_box picture_crop(const struct run *run, const struct sg_box *box, float expand, bool square,
                           bool pad);
/* Where model's input shows region, and the transform with the real size of this frame's input. */
void picture_place(const struct run *run, const struct sg_model *model, const struct sg_box *region,
                   struct sg_transform *transform, struct sg_placement *placement);

/* detect.c: runs a detector on a region; objects are appended to the result with `parent`. */
int detect_run(struct run *run, const struct detect_stage *stage, const struct sg_box *region, int parent);
/* Inner detectors of every object they are for; then all objects best first again. */
int detect_inside_run(struct run *run, const struct detect_stage *stage);

/* second_look.c: looks again at the objects from `first` on that score low; those it does not confirm are
 * dropped.
 */
int look_again(struct run *run, const struct detect_stage *stage, int first);

/* classify.c: attributes of the objects from `first` on that the stage is for; of the whole picture when
 * objects is false. */
int classify_run(struct run *run, const struct classify_stage *stage, int parent_from, bool objects);

/* read_text.c: text of every object with a quad; of every box when the stage says so. */
int read_run(struct run *run, const struct read_stage *stage);

#endif
