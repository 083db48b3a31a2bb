/* SPDX-License-Identifier: MIT
 * Apart from the rest because the kernel's tcp_info, which counts bytes, and the C library's, which does not,
 * cannot meet in one file.
 */
#include "http/http_socket.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

static struct tcp_info look(int fd)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
        info = (struct tcp_info){0};
    return info;
}

uint64_t sg_http_socket_arrived(int fd)
{
    return look(fd).tcpi_bytes_received;
}

uint64_t sg_http_socket_acked(int fd)
{
    return look(fd).tcpi_bytes_acked;
}
