/* SPDX-License-Identifier: MIT
 * Error codes → HTTP statuses (RFC 9110).
 */
#include "http/http_status.h"

#include "base/error.h"

#include <stddef.h>

static const struct {
    int code;
    unsigned status;
} table[] = {
    {SG_OK, 200},
    {SG_E_NOMEM, 503},
    {SG_E_INTERNAL, 500},
    {SG_E_INVALID, 400},
    {SG_E_FRAMING, 400},
    {SG_E_TOO_LARGE, 413},
    {SG_E_EMPTY_IMAGE, 400},
    {SG_E_BAD_IMAGE, 422},
    {SG_E_UNSUPPORTED, 415},
    {SG_E_NOT_FOUND, 404},
    {SG_E_CONFIG, 422},
    {SG_E_MODEL, 500},
    {SG_E_INFERENCE, 500},
    {SG_E_BUSY, 503},
    {SG_E_DEADLINE, 503},
    {SG_E_CANCELLED, 503},
    {SG_E_DROPPED, 429},
    {SG_E_TIMEOUT, 408},
    {SG_E_IO, 500},
    {SG_E_SHUTDOWN, 503},
    {SG_E_TOO_MANY, 429},
};

unsigned sg_http_status(int code)
{
    size_t i;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].code == code)
            return table[i].status;
    return 500;
}

const char *sg_http_status_reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    size_t i;

    for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return ""; /* allowed, and told by nobody who reads the number */
}

bool sg_http_status_retry(unsigned status)
{
    return status == 429 || status == 503;
}
