/* SPDX-License-Identifier: MIT
 * Files that are linked into the program, as answers (RFC 9110, 8.8.3 and 13.1.2): whoever has the same bytes
 * already is told so.
 */
#include "http/http_private.h"

#include <stdio.h>
#include <string.h>

#define CACHE_ALWAYS_ASK "no-cache" /* keep it, but ask each time whether it is still the same */

bool http_etag_listed(const char *list, const char *etag)
{
    size_t size = strlen(etag);
    const char *p = list, *end;

    if (strcmp(list, "*") == 0)
        return true;
    for (;;) {
        p += strspn(p, " \t,");
        p += strncmp(p, "W/", 2) == 0 ? 2 : 0; /* compared weakly, as 13.1.2 wants it */
        end = *p == '"' ? strchr(p + 1, '"') : NULL;
        if (!end)
            return false;
        if (strncmp(p, etag, size) == 0) /* both end with the quote */
            return true;
        p = end + 1;
    }
}

static int write_headers(const struct http_file *file, char *out, size_t size)
{
    return snprintf(out, size, "ETag: %s\r\nCache-Control: %s\r\n", file->etag,
                    file->cache ? file->cache : CACHE_ALWAYS_ASK);
}

bool http_file_is_whole(const struct http_file *file)
{
    char headers[HTTP_FILE_HEADERS_MAX];

    return file->type && file->bytes && file->size && file->etag &&
           write_headers(file, headers, sizeof(headers)) < (int)sizeof(headers);
}

void http_file_serve(struct http_request *request)
{
    const struct http_file *file = request->route->file;
    const char *known = http_header(request, "If-None-Match");
    char headers[HTTP_FILE_HEADERS_MAX];
    struct http_answer answer = {.status = 304, .headers = headers};

    write_headers(file, headers, sizeof(headers));
    if (!known || !http_etag_listed(known, file->etag))
        answer = (struct http_answer){
            .status = 200, .type = file->type, .body = file->bytes, .size = *file->size, .headers = headers};
    http_reply(request, &answer);
}
