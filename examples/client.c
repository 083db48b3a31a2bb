/* SPDX-License-Identifier: MIT
 * Pictures to a sightd server, all under way at once; replies as they come: client HOST:PORT PICTURE...
 *
 *     cc examples/client.c -o client $(pkg-config --cflags --libs sight)
 */
#include <sight.h>

#include <stdio.h>
#include <stdlib.h>

static char *read_file(const char *path, size_t *out_bytes)
{
    FILE *file = fopen(path, "rb");
    char *bytes = NULL;
    long size = -1;

    if (file && fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 && fseek(file, 0, SEEK_SET) == 0)
        bytes = (char *)malloc((size_t)size + 1);
    *out_bytes = bytes ? fread(bytes, 1, (size_t)size, file) : 0;
    if (file)
        fclose(file);
    return bytes;
}

int main(int argc, char **argv)
{
    struct sight_client *client = NULL;
    struct sight_result *result = NULL;
    struct sight_error error = {0, ""};
    int failed = 0, arg;

    if (argc < 3)
        return fprintf(stderr, "usage: client HOST:PORT PICTURE...\n"), 2;
    if (sight_client_connect(argv[1], NULL, &client, &error) < 0 || sight_result_create(&result) < 0)
        return fprintf(stderr, "client: %s\n", error.message), 1;
    for (arg = 2; arg < argc; arg++) {
        size_t bytes_count;
        char *bytes = read_file(argv[arg], &bytes_count);

        /* Requests are numbered from 1, in the order they are sent. */
        if (sight_client_submit(client, bytes, bytes_count, NULL, NULL, &error) < 0)
            fprintf(stderr, "client: %s: %s\n", argv[arg], error.message), failed = 1;
        free(bytes);
    }
    while (sight_client_pending(client) > 0) {
        uint64_t id;

        if (sight_client_wait(client, 0, -1, result, &id, &error) == 0)
            printf("%lu %s\n", (unsigned long)id, sight_result_json(result, 0, NULL));
        else
            fprintf(stderr, "client: request %lu: %s\n", (unsigned long)id, error.message), failed = 1;
    }
    sight_result_destroy(&result);
    sight_client_close(&client);
    return failed;
}
