/* SPDX-License-Identifier: MIT
 * docs/openapi.json as it was when the program was built; scripts/embed writes the other side.
 * The same of index.txt.
 */
#ifndef SG_HTTP_EMBEDDED_H
#define SG_HTTP_EMBEDDED_H

#include <stddef.h>

extern const unsigned char sg_openapi_json[];
extern const size_t sg_openapi_json_bytes;
extern const char sg_openapi_json_etag[];
extern const unsigned char sg_index_txt[];
extern const size_t sg_index_txt_bytes;
extern const char sg_index_txt_etag[];

#endif
