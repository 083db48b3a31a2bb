/* SPDX-License-Identifier: MIT
 * Class names of the well-known sets, by 0-based class id. coco91 is the numbering of the COCO annotation
 * files less one (person = 0): ten of its ids were never used and have the name "". Pure; any thread.
 */
#include "head/head.h"

#include <string.h>

static const char *const coco80[] = {"person",        "bicycle",      "car",
                                     "motorcycle",    "airplane",     "bus",
                                     "train",         "truck",        "boat",
                                     "traffic light", "fire hydrant", "stop sign",
                                     "parking meter", "bench",        "bird",
                                     "cat",           "dog",          "horse",
                                     "sheep",         "cow",          "elephant",
                                     "bear",          "zebra",        "giraffe",
                                     "backpack",      "umbrella",     "handbag",
                                     "tie",           "suitcase",     "frisbee",
                                     "skis",          "snowboard",    "sports ball",
                                     "kite",          "baseball bat", "baseball glove",
                                     "skateboard",    "surfboard",    "tennis racket",
                                     "bottle",        "wine glass",   "cup",
                                     "fork",          "knife",        "spoon",
                                     "bowl",          "banana",       "apple",
                                     "sandwich",      "orange",       "broccoli",
                                     "carrot",        "hot dog",      "pizza",
                                     "donut",         "cake",         "chair",
                                     "couch",         "potted plant", "bed",
                                     "dining table",  "toilet",       "tv",
                                     "laptop",        "mouse",        "remote",
                                     "keyboard",      "cell phone",   "microwave",
                                     "oven",          "toaster",      "sink",
                                     "refrigerator",  "book",         "clock",
                                     "vase",          "scissors",     "teddy bear",
                                     "hair drier",    "toothbrush",   NULL};

static const char *const coco91[] = {"person",
                                     "bicycle",
                                     "car",
                                     "motorcycle",
                                     "airplane",
                                     "bus",
                                     "train",
                                     "truck",
                                     "boat",
                                     "traffic light",
                                     "fire hydrant",
                                     "",
                                     "stop sign",
                                     "parking meter",
                                     "bench",
                                     "bird",
                                     "cat",
                                     "dog",
                                     "horse",
                                     "sheep",
                                     "cow",
                                     "elephant",
                                     "bear",
                                     "zebra",
                                     "giraffe",
                                     "",
                                     "backpack",
                                     "umbrella",
                                     "",
                                     "",
                                     "handbag",
                                     "tie",
                                     "suitcase",
                                     "frisbee",
                                     "skis",
                                     "snowboard",
                                     "sports ball",
                                     "kite",
                                     "baseball bat",
                                     "baseball glove",
                                     "skateboard",
                                     "surfboard",
                                     "tennis racket",
                                     "bottle",
                                     "",
                                     "wine glass",
                                     "cup",
                                     "fork",
                                     "knife",
                                     "spoon",
                                     "bowl",
                                     "banana",
                                     "apple",
                                     "sandwich",
                                     "orange",
                                     "broccoli",
                                     "carrot",
                                     "hot dog",
                                     "pizza",
                                     "donut",
                                     "cake",
                                     "chair",
                                     "couch",
                                     "potted plant",
                                     "bed",
                                     "",
                                     "dining table",
                                     "",
                                     "",
                                     "toilet",
                                     "",
                                     "tv",
                                     "laptop",
                                     "mouse",
                                     "remote",
                                     "keyboard",
                                     "cell phone",
                                     "microwave",
                                     "oven",
                                     "toaster",
                                     "sink",
                                     "refrigerator",
                                     "",
                                     "book",
                                     "clock",
                                     "vase",
                                     "scissors",
                                     "teddy bear",
                                     "hair drier",
                                     "toothbrush",
                                     NULL};

static const char *const face[] = {"face", NULL};
static const char *const mask[] = {"Mask", "NoMask", NULL}; /* AIZOO FaceMaskDetection */
static const char *const person[] = {"person", NULL};
static const char *const text[] = {"text", NULL};
/* data/voc.names of darknet */
static const char *const voc20[] = {"aeroplane", "bicycle",   "bird",   "boat",        "bottle",      "bus",
                                    "car",       "cat",       "chair",  "cow",         "diningtable", "dog",
                                    "horse",     "motorbike", "person", "pottedplant", "sheep",       "sofa",
                                    "train",     "tvmonitor", NULL};

#define COUNT(set) ((int)(sizeof(set) / sizeof((set)[0])) - 1) /* without the NULL */

static const struct {
    const char *name;
    const char *const *labels;
    int count;
} sets[] = {
    {"coco80", coco80, COUNT(coco80)}, {"coco91", coco91, COUNT(coco91)}, {"face", face, COUNT(face)},
    {"person", person, COUNT(person)}, {"text", text, COUNT(text)},       {"mask", mask, COUNT(mask)},
    {"voc20", voc20, COUNT(voc20)},
};

const char *const *sg_head_labels(const char *set, int *out_count)
{
    size_t i;

    for (i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        if (strcmp(sets[i].name, set) != 0)
            continue;
        if (out_count)
            *out_count = sets[i].count;
        return sets[i].labels;
    }
    if (out_count)
        *out_count = 0;
    return NULL;
}
