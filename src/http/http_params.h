/* SPDX-License-Identifier: MIT
 * What a request may ask for, by name: the same names in the query, in form fields and in a JSON body. Pure.
 */
#ifndef SG_HTTP_HTTP_PARAMS_H
#define SG_HTTP_HTTP_PARAMS_H

#include "admission/job.h"
#include "base/error.h"

#define SG_HTTP_PIPELINE_MAX 128      /* bytes of a pipeline's name */
#define SG_HTTP_VALUE_MAX    256      /* bytes of a parameter's value */
#define SG_HTTP_DEADLINE_MAX 86400000 /* ms */

struct sg_http_params {
    char pipeline[SG_HTTP_PIPELINE_MAX]; /* "" = the default one */
    struct sg_job_options options;
    enum sg_job_annotate annotate;
    int64_t deadline_ms; /* from the moment the request is complete; 0 = none */
    bool no_timing;
};

void sg_http_params_init(struct sg_http_params *params);
/* One parameter; value of size bytes, not terminated. SG_E_INVALID names it, what was given and what is
 * allowed, or the parameters there are. */
int sg_http_params_set(struct sg_http_params *params, const char *name, const char *value, size_t size,
                       struct sg_error *err);
/* A request id as a client may give it: 1 to SG_JOB_NAME_MAX visible ASCII characters without quotes,
 * backslashes and the like, so that it can stand in logs, headers and JSON as it is. */
bool sg_http_id_valid(const char *id);

#endif
