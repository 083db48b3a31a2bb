/* SPDX-License-Identifier: MIT */
#include "base/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int sg_mapping_open(struct sg_mapping *mapping, const char *path, bool writable, struct sg_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), code = 0;
    void *bytes = NULL;
    struct stat st;

    *mapping = (struct sg_mapping){0};
    if (fd < 0 || fstat(fd, &st) != 0)
        code = sg_error_set(err, fd < 0 && errno == ENOENT ? SG_E_NOT_FOUND : SG_E_IO, "cannot read it: %s",
                            strerror(errno));
    else if (S_ISREG(st.st_mode) && st.st_size > 0)
        bytes =
            mmap(NULL, (size_t)st.st_size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        code = sg_error_set(err, SG_E_NOMEM, "no memory to map it: %s", strerror(errno));
    else if (bytes)
        *mapping = (struct sg_mapping){.bytes = bytes, .size = (size_t)st.st_size};
    if (fd >= 0)
        close(fd);
    return code;
}

void sg_mapping_close(struct sg_mapping *mapping)
{
    if (mapping->bytes)
        munmap(mapping->bytes, mapping->size);
    *mapping = (struct sg_mapping){0};
}
