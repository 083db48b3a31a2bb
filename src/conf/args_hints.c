/* SPDX-License-Identifier: MIT
 * Flags of other tools, and of this one under earlier names: what is to be written here instead. The first
 * row that knows the word and has something for the command is used.
 */
#include "conf/args_hints.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct hint {
    const char *words; /* with a blank around each; without dashes when they have two */
    const char *key; /* of the flag that does it, if the command has it; in capitals: what is written without
                        a flag, if the command takes it; NULL = `otherwise` alone */
    const char *otherwise; /* what holds for every command; or NULL */
};

/* Ultralytics, YOLOv5 and v7, darknet, mmdetection, detectron2, Triton's and wrk's clients. */
static const struct hint hints[] = {
    {" conf conf-thres conf-thresh conf-threshold confidence confidence-threshold thresh score-thr "
     "score-thres "
     "score-threshold min-score -thresh ",
     "threshold", NULL},
    {" iou-thres iou-thresh iou-threshold nms-thres nms-thresh nms-threshold -nms ", "iou", NULL},
    {" source src input image imgs img-path image-path image-dir img-dir dir folder path file files ",
     "images", NULL},
    {" source src input images image imgs img-path image-path image-dir img-dir dir folder path file files "
     "-i ",
     "IMAGE", NULL},
    {" source src input path file files ", "FILE", NULL},
    {" weights weight checkpoint ckpt onnx network net model-path -weights -model ", "model", NULL},
    {" weights model checkpoint ", "models", NULL},
    {" cfg -cfg ", NULL,
     "darknet's .cfg and .weights are exported to ONNX first; a .onnx needs no configuration"},
    {" names data class-names classes-file label-file ", "labels", NULL},
    {" imgsz img img-size image-size input-size size shape ", NULL,
     "the size is the one that the model was exported for; for a model of any size `input: { size: … }` in "
     "its "
     "card says it"},
    {" save save-img save-image show view-img view draw plot visualize save-dir ", "annotate", NULL},
    {" save-txt save-conf ", NULL, "it is --format yolo --output DIR, with the score in every line"},
    {" save-json coco ", NULL, "it is --format coco --output FILE"},
    {" save-crop crops ", "crop", NULL},
    {" project output-dir outdir out-dir out save-path out-file results ", "output", NULL},
    {" max-det max-detections max-objs ", "max_objects", NULL},
    {" topk ", "top_k", NULL},
    {" classes class filter-classes only ", NULL,
     "a pipeline says which: `detect: { model: …, classes: [person, car] }`"},
    {" agnostic-nms agnostic ", NULL, "a card or a pipeline says it: `agnostic: true`"},
    {" device gpu gpus cuda provider providers ", "device",
     "models run on the processor; there is nothing to choose"},
    {" half fp16 int8 precision ", "precision", "the precision is that of the .onnx file"},
    {" concurrency clients threads users -t ", "connections", NULL},
    {" batch batch-size jobs num-workers threads -j ", "workers",
     "all cores are used without being asked to"},
    {" workers ", NULL, "all cores are used without being asked to"},
    {" vid-stride stream-buffer video camera webcam rtsp ", NULL,
     "videos and cameras are not read; send pictures"},
    {" host hostname ip addr address server url endpoint bind port ", "listen", NULL},
    {" host hostname ip addr address server url endpoint port ", "to",
     "a target is named without a flag: HOST:PORT"},
    {" to target ", NULL, "only `sight send` has it"},
    {" time seconds ", "duration", NULL},
    {" verbose debug quiet silent log -v -q ", "log_level",
     "what is told goes to standard error; 2>/dev/null hides it"},
    {" version -V ", NULL, "`sight version` prints it"},
    {" max-jobs queue queue-size backlog ", "max_queue", NULL},
    {" force replace -f -y ", "overwrite", NULL},
    {" recursive -R ", NULL, "folders are read with their folders as it is"},
    /* Letters that meant something else in other commands. */
    {" -l ", "listen", NULL},
    {" -p ", NULL, "for a port it is --listen HOST:PORT, for pipelines --pipelines"},
    {" -m ", "models", NULL},
    {" -d ", "default_pipeline", NULL},
    {" -w ", "workers", NULL},
    {" -c ", "config", NULL},
    {" -r ", "rate", NULL},
};

static bool knows(const struct hint *hint, const char *word)
{
    const char *at = hint->words;
    size_t length = strlen(word);

    while (length > 0 && (at = strstr(at, word)) != NULL) {
        if (at > hint->words && at[-1] == ' ' && at[length] == ' ')
            return true;
        at += length;
    }
    return false;
}

static bool has_key(const struct sg_args_binding *bindings, const char *key)
{
    for (; bindings->table; bindings++) {
        const struct sg_option *row = sg_option_find(bindings->table, key, false);

        if (row && sg_args_shown(row))
            return true;
    }
    return false;
}

static void say_flag(const char *key, char *out, size_t out_bytes)
{
    char *at;

    snprintf(out, out_bytes, "here it is --%s", key);
    for (at = out; *at; at++)
        if (*at == '_')
            *at = '-';
}

const char *sg_args_hint(const struct sg_args_command *command, const struct sg_args_binding *bindings,
                         const char *word, char *out, size_t out_bytes)
{
    char plain[64];
    size_t i;

    snprintf(plain, sizeof(plain), "%s", word);
    for (i = 0; plain[i]; i++)
        if (plain[i] == '_')
            plain[i] = '-';
    for (i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
        const struct hint *hint = &hints[i];

        if (!knows(hint, plain))
            continue;
        if (hint->key && isupper((unsigned char)hint->key[0]) && command->positional &&
            strstr(command->positional, hint->key)) {
            snprintf(out, out_bytes, "write it without a flag: %s %s", command->name, command->positional);
            return out;
        }
        if (hint->key && has_key(bindings, hint->key)) {
            say_flag(hint->key, out, out_bytes);
            return out;
        }
        if (hint->otherwise)
            return hint->otherwise;
    }
    return NULL;
}
