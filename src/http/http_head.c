/* SPDX-License-Identifier: MIT
 * Heads of requests: kept as they came, then looked at as a whole: which bodies have one length (RFC 9112,
 * 6.3), HTTP/1.1 with its one Host (3.2), targets without what C strings or logs would trip over.
 */
#include "http/http_private.h"

#include <stdlib.h>
#include <string.h>

#define HEAD_KEEP_BYTES ((size_t)4 << 10) /* memory of usual heads stays with their connection */

void http_head_init(struct http_head *head)
{
    sg_buf_init(&head->text, HTTP_HEAD_MAX);
    head->count = 0;
}

void http_head_fini(struct http_head *head)
{
    sg_buf_fini(&head->text);
}

void http_head_clear(struct http_head *head)
{
    if (head->text.capacity > HEAD_KEEP_BYTES)
        sg_buf_fini(&head->text);
    sg_buf_clear(&head->text);
    head->count = 0;
    head->fields[0].name = 0;
}

int http_head_add(struct http_head *head, const char *at, size_t size)
{
    return sg_buf_append(&head->text, at, size);
}

/* Ends a piece; the next one begins at *out_next. */
static int end_piece(struct http_head *head, uint32_t *out_next)
{
    int code = sg_buf_append(&head->text, "", 1);

    *out_next = (uint32_t)head->text.size;
    return code;
}

int http_head_end_target(struct http_head *head)
{
    return end_piece(head, &head->fields[0].name);
}

int http_head_end_name(struct http_head *head)
{
    if (head->count == HTTP_FIELDS_MAX)
        return SG_E_TOO_LARGE;
    return end_piece(head, &head->fields[head->count].value);
}

int http_head_end_value(struct http_head *head)
{
    struct sg_buf *text = &head->text;

    while (text->size > head->fields[head->count].value &&
           (text->data[text->size - 1] == ' ' || text->data[text->size - 1] == '\t'))
        text->size--;
    head->count++;
    return end_piece(head, &head->fields[head->count].name);
}

static const char *name_of(const struct http_head *head, int i)
{
    return (const char *)head->text.data + head->fields[i].name;
}

static const char *value_of(const struct http_head *head, int i)
{
    return (const char *)head->text.data + head->fields[i].value;
}

const char *http_header(const struct http_request *request, const char *name)
{
    const struct http_head *head = request->session ? &request->session->head : NULL;
    int i;

    for (i = 0; head && i < head->count; i++)
        if (strcasecmp(name_of(head, i), name) == 0)
            return value_of(head, i);
    return NULL;
}

/* "http://host/path" is the form for proxies, and every server must take it (RFC 9112, 3.2.2). */
static char *path_of(char *target)
{
    char *host = NULL;

    if (strncasecmp(target, "http://", 7) == 0)
        host = target + 7;
    else if (strncasecmp(target, "https://", 8) == 0)
        host = target + 8;
    return host ? host + strcspn(host, "/") : target;
}

/* Of a form: in place. %00 stays as it is, as text: what follows it must not get lost. */
static char *unescape(char *text)
{
    const char *in = text;
    char *out = text;

    while (*in) {
        int byte = sg_http_path_escaped(in);

        *out++ = byte > 0 ? (char)byte : *in == '+' ? ' ' : *in;
        in += byte > 0 ? 3 : 1;
    }
    *out = '\0';
    return text;
}

static void split_target(struct http_request *request)
{
    char *target = (char *)request->session->head.text.data, *path;

    request->query = strchr(target, '?');
    if (request->query)
        *request->query++ = '\0';
    path = path_of(target);
    request->path = *path || path == target ? path : "/"; /* "http://host" */
}

int http_query(struct http_request *request,
               int (*each)(struct http_request *request, const char *name, const char *value))
{
    char *rest = request->query, *name, *value;
    int code = 0;

    while (code == 0 && (name = strsep(&rest, "&"))) {
        value = strchr(name, '=');
        if (value)
            *value++ = '\0';
        if (*name || value)
            code = each(request, unescape(name), value ? unescape(value) : "");
    }
    request->query = NULL;
    return code;
}

static bool is_plain(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;

    while (*p > ' ' && *p != 0x7f)
        p++;
    return *p == '\0';
}

/* RFC 3986, 3.2.2 and 3.2.3: a name or an address, and a port; may be empty. */
static bool is_host(const char *host)
{
    const char *p = host;

    while ((*p >= '0' && *p <= '9') || ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z') ||
           (*p && strchr("-._~%!$&'()*+;=:[]", *p)))
        p++;
    return *p == '\0';
}

/* Where a request ends must be the same for us and for a proxy in front of us. */
static int check_length(const struct http_request *request, int lengths, int codings, struct sg_error *err)
{
    const char *coding = http_header(request, "Transfer-Encoding");

    if (codings > 1)
        return sg_error_set(err, SG_E_FRAMING, "the request has %d Transfer-Encoding headers", codings);
    if (codings && lengths)
        return sg_error_set(err, SG_E_FRAMING,
                            "the request has both Content-Length and Transfer-Encoding; send one of them");
    if (codings && strcasecmp(coding, "chunked") != 0)
        return sg_error_set(err, SG_E_UNSUPPORTED,
                            "Transfer-Encoding \"%.40s\" is not read; send chunked or a Content-Length",
                            coding);
    if (codings && request->session->parser.http_minor == 0)
        return sg_error_set(err, SG_E_FRAMING, "HTTP/1.0 has no Transfer-Encoding; send a Content-Length");
    return 0;
}

static int count(const struct http_head *head, const char *name)
{
    int i, found = 0;

    for (i = 0; i < head->count; i++)
        found += strcasecmp(name_of(head, i), name) == 0;
    return found;
}

int http_head_check(struct http_request *request, struct sg_error *err)
{
    const struct http_session *session = request->session;
    const struct http_head *head = &session->head;
    int hosts = count(head, "Host");

    if (session->protocol_at != 4)
        return sg_error_set(err, SG_E_INVALID, "the request line is not \"METHOD /path HTTP/1.1\"");
    if (!is_plain((const char *)head->text.data))
        return sg_error_set(err, SG_E_INVALID, "the request line's path has a blank or a control character");
    split_target(request);
    if (session->parser.http_major == 0)
        return sg_error_set(err, SG_E_INVALID,
                            "the request line is not \"METHOD /path HTTP/1.1\": its version is missing");
    if (session->parser.http_major != 1) {
        request->status = 505;
        return sg_error_set(err, SG_E_UNSUPPORTED, "HTTP/%d.%d is not spoken here; send HTTP/1.1",
                            session->parser.http_major, session->parser.http_minor);
    }
    if (check_length(request, count(head, "Content-Length"), count(head, "Transfer-Encoding"), err) < 0)
        return err->code;
    if (hosts == 1 && !is_host(http_header(request, "Host")))
        return sg_error_set(err, SG_E_INVALID, "the request's Host is no name and port");
    if (hosts > 1)
        return sg_error_set(err, SG_E_INVALID, "the request has %d Host headers", hosts);
    if (hosts == 0 && session->parser.http_minor != 0)
        return sg_error_set(err, SG_E_INVALID, "the request has no Host header; HTTP/1.1 asks for one");
    return 0;
}
