/* SPDX-License-Identifier: MIT
 * Request parameters over option rows: ranges, words and "did you mean" as everywhere else.
 */
#include "http/http_params.h"

#include "base/option.h"

#include <stddef.h>
#include <string.h>

static const char *const decode_words[] = {"pipeline", "fast", "exact", NULL};
static const char *const annotate_words[] = {"no", "jpeg", "png", NULL};

/* Option rows speak int for words; enums of this struct are read through it. */
struct values {
    float threshold, iou;
    int max_objects, top_k, decode, annotate, deadline_ms;
    bool timing;
};

#define AT(member_name) .offset = offsetof(struct values, member_name)

static const struct sg_option rows[] = {
    {.key = "threshold", .type = SG_OPTION_FLOAT, AT(threshold), .minimum = 0, .maximum = 1},
    {.key = "iou", .type = SG_OPTION_FLOAT, AT(iou), .minimum = 0, .maximum = 1},
    {.key = "max_objects",
     .type = SG_OPTION_INT,
     AT(max_objects),
     .minimum = 1,
     .maximum = SG_RESULT_MAX_OBJECTS},
    {.key = "top_k", .type = SG_OPTION_INT, AT(top_k), .minimum = 1, .maximum = SG_JOB_TOP_K_MAX},
    {.key = "decode", .type = SG_OPTION_ENUM, AT(decode), .choices = decode_words},
    {.key = "annotate", .type = SG_OPTION_ENUM, AT(annotate), .choices = annotate_words},
    {.key = "deadline_ms",
     .type = SG_OPTION_INT,
     AT(deadline_ms),
     .minimum = 1,
     .maximum = SG_HTTP_DEADLINE_MAX},
    {.key = "timing", .type = SG_OPTION_BOOL, AT(timing)},
};
#define ROW_COUNT ((int)(sizeof(rows) / sizeof(rows[0])))

void sg_http_params_init(struct sg_http_params *params)
{
    *params = (struct sg_http_params){0};
    sg_job_options_init(&params->options);
}

static int set_pipeline(struct sg_http_params *params, const char *value, size_t size, struct sg_error *err)
{
    if (size >= sizeof(params->pipeline))
        return sg_error_set(err, SG_E_INVALID, "pipeline: the name has %zu bytes, the most is %d", size,
                            SG_HTTP_PIPELINE_MAX - 1);
    memcpy(params->pipeline, value, size);
    params->pipeline[size] = '\0';
    return 0;
}

static int unknown(const char *name, struct sg_error *err)
{
    const char *names[ROW_COUNT + 1], *close;
    int i;

    for (i = 0; i < ROW_COUNT; i++)
        names[i] = rows[i].key;
    names[ROW_COUNT] = "pipeline";
    close = sg_suggest(name, names, ROW_COUNT + 1);
    if (close)
        return sg_error_set(err, SG_E_INVALID, "unknown parameter \"%.60s\"; did you mean \"%s\"?", name,
                            close);
    return sg_error_set(
        err, SG_E_INVALID,
        "unknown parameter \"%.60s\"; there are pipeline, threshold, iou, max_objects, top_k, "
        "decode, annotate, deadline_ms and timing",
        name);
}

/* What was parsed goes where jobs look for it. */
static void store(struct sg_http_params *params, const struct values *values)
{
    params->options.threshold = values->threshold;
    params->options.iou = values->iou;
    params->options.max_objects = values->max_objects;
    params->options.top_k = values->top_k;
    params->options.decode = (enum sg_decode_mode)values->decode;
    params->annotate = (enum sg_job_annotate)values->annotate;
    params->deadline_ms = values->deadline_ms;
    params->no_timing = !values->timing;
}

int sg_http_params_set(struct sg_http_params *params, const char *name, const char *value, size_t size,
                       struct sg_error *err)
{
    struct values values = {.threshold = params->options.threshold,
                            .iou = params->options.iou,
                            .max_objects = params->options.max_objects,
                            .top_k = params->options.top_k,
                            .decode = (int)params->options.decode,
                            .annotate = (int)params->annotate,
                            .deadline_ms = (int)params->deadline_ms,
                            .timing = !params->no_timing};
    int i;

    if (memchr(value, '\0', size))
        return sg_error_set(err, SG_E_INVALID, "%.60s: the value has a NUL byte", name);
    if (strcmp(name, "pipeline") == 0)
        return set_pipeline(params, value, size, err);
    for (i = 0; i < ROW_COUNT && strcmp(name, rows[i].key) != 0; i++)
        ;
    if (i == ROW_COUNT)
        return unknown(name, err);
    if (size > SG_HTTP_VALUE_MAX)
        return sg_error_set(err, SG_E_INVALID, "%s: the value has %zu bytes, the most is %d", name, size,
                            SG_HTTP_VALUE_MAX);
    if (sg_option_parse(&rows[i], &values, value, size, err) < 0) {
        sg_error_prefix(err, "%s", name);
        if (err)
            err->code = SG_E_INVALID; /* configuration calls it bad_config; here it is a bad request */
        return SG_E_INVALID;
    }
    store(params, &values);
    return 0;
}

bool sg_http_id_valid(const char *id)
{
    size_t length = strlen(id), i;

    if (length < 1 || length > SG_JOB_NAME_MAX)
        return false;
    for (i = 0; i < length; i++)
        if (id[i] <= ' ' || id[i] >= 0x7f || strchr("\"\\<>&'", id[i]))
            return false;
    return true;
}
