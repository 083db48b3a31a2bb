/* SPDX-License-Identifier: MIT
 * What libmicrohttpd lets pass in a request's head and must not be served: targets that C strings cut short,
 * header lines that others read otherwise (RFC 9112, 5.1), bodies of more than one length (6.3),
 * HTTP/1.1 without its one Host (3.2).
 */
#include "http/http_private.h"

#include <stdlib.h>
#include <string.h>

struct head {
    int hosts, lengths, codings;
    const char *coding;
    bool odd; /* a name that is no token, or a value with a control character */
};

static struct http_session *session_of(struct MHD_Connection *mhd)
{
    return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

void *http_on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
    struct http_session *session = session_of(mhd);
    const unsigned char *p = (const unsigned char *)target;

    (void)cls;
    while (*p > ' ' && *p != 0x7f)
        p++;
    session->target = target;
    session->target_end = (const char *)p;
    return NULL; /* the request begins when its head is complete */
}

/* "http://host/path" is the form for proxies, and every server must take it (RFC 9112, 3.2.2). */
static const char *path_of(const char *target)
{
    const char *host = NULL;

    if (strncasecmp(target, "http://", 7) == 0)
        host = target + 7;
    else if (strncasecmp(target, "https://", 8) == 0)
        host = target + 8;
    return host ? host + strcspn(host, "/") : target;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that "%xy" at p stands for. %00 stays as it is, as text: what follows it must not get lost. */
static int escaped(const char *p)
{
    int high = p[0] == '%' ? hex_digit(p[1]) : -1;
    int low = high >= 0 ? hex_digit(p[2]) : -1;

    return low >= 0 && high + low > 0 ? high * 16 + low : -1;
}

size_t http_on_unescape(void *cls, struct MHD_Connection *mhd, char *text)
{
    bool whole = text == session_of(mhd)->target; /* else a name or a value of the query */
    const char *in = whole ? path_of(text) : text;
    bool rooted = in > text && *in == '\0'; /* "http://host" */
    char *out = text;

    (void)cls;
    while (*in) {
        int byte = escaped(in);

        *out++ = byte < 0 ? *in : (char)byte;
        in += byte < 0 ? 1 : 3;
    }
    if (rooted)
        *out++ = '/';
    *out = '\0';
    return (size_t)(out - text);
}

/* "Content-Length : 3" comes as a name with a blank; so does a line folded before another colon. */
static bool is_token(const char *text)
{
    const char *p = text;

    while ((*p >= '0' && *p <= '9') || ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z') ||
           (*p && strchr("!#$%&'*+-.^_`|~", *p)))
        p++;
    return p > text && *p == '\0';
}

/* A lone CR is a line end to some. */
static bool is_plain(const char *value)
{
    const unsigned char *p = (const unsigned char *)value;

    while ((*p >= ' ' && *p != 0x7f) || *p == '\t')
        p++;
    return *p == '\0';
}

static enum MHD_Result look(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_size,
                            const char *value, size_t value_size)
{
    struct head *head = cls;

    (void)kind;
    (void)key_size;
    (void)value_size;
    head->odd = head->odd || !is_token(key) || (value && !is_plain(value));
    if (strcasecmp(key, MHD_HTTP_HEADER_HOST) == 0) {
        head->hosts++;
    } else if (strcasecmp(key, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
        head->lengths++;
    } else if (strcasecmp(key, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
        head->codings++;
        head->coding = value ? value : "";
    }
    return MHD_YES;
}

/* Where a request ends must be the same for us and for a proxy in front of us. */
static int check_length(const struct head *head, const char *version, struct sg_error *err)
{
    if (head->lengths > 1)
        return sg_error_set(err, SG_E_FRAMING, "the request has %d Content-Length headers", head->lengths);
    if (head->codings > 1)
        return sg_error_set(err, SG_E_FRAMING, "the request has %d Transfer-Encoding headers", head->codings);
    if (head->codings && head->lengths)
        return sg_error_set(err, SG_E_FRAMING,
                            "the request has both Content-Length and Transfer-Encoding; send one of them");
    if (head->codings && strcasecmp(head->coding, "chunked") != 0)
        return sg_error_set(err, SG_E_UNSUPPORTED,
                            "Transfer-Encoding \"%.40s\" is not read; send chunked or a Content-Length",
                            head->coding);
    if (head->codings && strcmp(version, MHD_HTTP_VERSION_1_0) == 0)
        return sg_error_set(err, SG_E_FRAMING, "%.10s has no Transfer-Encoding; send a Content-Length",
                            version);
    return 0;
}

/* A NUL byte ends the target that we see. Before 1.0 the library passes it on: what is cut off shows by the
 * version not standing right behind the target and its blank, in a buffer whose layout no release changes any
 * more. From 1.0 on it closes the connection by itself, and where things lie is its own affair. */
static bool is_cut(const struct http_session *session, const char *version)
{
    return MHD_get_version()[0] == '0' && session->target_end + 1 != version;
}

int http_head_check(struct http_request *request, const char *version, struct sg_error *err)
{
    const struct http_session *session = request->session;
    struct head head = {0};

    if (*session->target_end || is_cut(session, version))
        return sg_error_set(err, SG_E_INVALID,
                            "the request line is not \"METHOD /path HTTP/1.1\", or its path has a blank or a "
                            "control character");
    MHD_get_connection_values_n(request->mhd, MHD_HEADER_KIND, look, &head);
    if (head.odd)
        return sg_error_set(
            err, SG_E_INVALID,
            "a header's name is none (is there a blank before its colon?), or its value has a control "
            "character");
    if (check_length(&head, version, err) < 0)
        return err->code;
    if (head.hosts > 1)
        return sg_error_set(err, SG_E_INVALID, "the request has %d Host headers", head.hosts);
    if (head.hosts == 0 && strcmp(version, MHD_HTTP_VERSION_1_0) != 0)
        return sg_error_set(err, SG_E_INVALID, "the request has no Host header; HTTP/1.1 asks for one");
    return 0;
}
