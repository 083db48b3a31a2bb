/* SPDX-License-Identifier: MIT
 * The one table of error codes and HTTP statuses. Pure.
 */
#ifndef SG_HTTP_HTTP_STATUS_H
#define SG_HTTP_HTTP_STATUS_H

#include <stdbool.h>

/* The status of an error code (SG_OK = 200); 500 for a number that is no code. */
unsigned sg_http_status(int code);
/* The reason phrase (RFC 9110, 15) of a status that this server answers; "" for others. */
const char *sg_http_status_reason(unsigned status);
/* True for statuses that come with Retry-After: the same request may succeed later. */
bool sg_http_status_retry(unsigned status);

#endif
