/* SPDX-License-Identifier: MIT
 * docs/openapi.json as it was when the program was built; scripts/embed writes the other side.
 */
#ifndef SG_HTTP_OPENAPI_H
#define SG_HTTP_OPENAPI_H

#include <stddef.h>

extern const unsigned char sg_openapi_json[];
extern const size_t sg_openapi_json_bytes;

#endif
