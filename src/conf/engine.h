/* SPDX-License-Identifier: MIT
 * Which engine runs models and how, as a card, the server's settings and commands may fix it: rows for their
 * tables.
 */
#ifndef SG_CONF_ENGINE_H
#define SG_CONF_ENGINE_H

#include "base/option.h"

enum sg_engine_precision { SG_ENGINE_PRECISION_AUTO, SG_ENGINE_PRECISION_F32, SG_ENGINE_PRECISION_BF16 };

/* All zero = auto: what is measured to be fastest and agrees. */
struct sg_engine_conf {
    struct sg_text engine; /* NULL or "auto" = measured */
    int precision;         /* enum sg_engine_precision */
    struct sg_text device; /* NULL or "" = the processor */
};

extern const char *const sg_engine_precision_words[];

/* Whether an engine is named. */
bool sg_engine_name_fixed(const struct sg_engine_conf *conf);

/* Rows for the table of struct `owner`, whose member `engine` is a struct sg_engine_conf. more_flags: of
 * enum sg_option_flag; heading: of their section, or NULL. */
#define SG_ENGINE_ROWS(owner, more_flags, heading)                                                           \
    {.key = "engine",                                                                                        \
     .type = SG_OPTION_TEXT,                                                                                 \
     .offset = offsetof(owner, engine.engine),                                                               \
     .flags = (more_flags),                                                                                  \
     .value_name = "NAME",                                                                                   \
     .value_default = "auto",                                                                                \
     .section = (heading),                                                                                   \
     .help = "runtime of the models, of those that `sight version` lists; auto measures, once for a file, "  \
             "which is the fastest of those that agree"},                                                    \
        {.key = "precision",                                                                                 \
         .type = SG_OPTION_ENUM,                                                                             \
         .offset = offsetof(owner, engine.precision),                                                        \
         .flags = (more_flags),                                                                              \
         .choices = sg_engine_precision_words,                                                               \
         .value_default = "auto",                                                                            \
         .help =                                                                                             \
             "numbers that models compute in; auto is f32; bf16 is faster where the processor has it, and "  \
             "differs"},                                                                                     \
        {.key = "device",                                                                                    \
         .type = SG_OPTION_TEXT,                                                                             \
         .offset = offsetof(owner, engine.device),                                                           \
         .flags = (more_flags),                                                                              \
         .value_name = "NAME",                                                                               \
         .absent = "the processor",                                                                          \
         .help = "what models run on, as the engine calls it, such as GPU; goes with `engine`"}

#endif
