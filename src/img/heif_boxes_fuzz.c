/* SPDX-License-Identifier: MIT
 * libFuzzer target: any bytes as the boxes of a HEIF, and every question about every item. Seeds:
 * fuzz/corpus/heif_boxes.
 */
#include "base/fuzzing.h"
#include "img/heif_boxes.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sg_heif heif;
    struct sg_error err = {0};

    if (sg_heif_parse(data, size, &heif, &err) < 0 && !err.text[0])
        abort(); /* every failure has a text */
    for (size_t i = 0; i < heif.item_count && i < 64; i++) {
        const struct sg_heif_item *item = &heif.items[i];
        struct sg_heif_look look;
        struct sg_heif_grid grid;
        size_t bytes = 0;

        (void)sg_heif_look(&heif, item, &look, &err);
        if (sg_heif_payload(&heif, item, NULL, &bytes, &err) == 0) {
            uint8_t *copy = malloc(bytes);

            if (bytes > size || (copy && sg_heif_payload(&heif, item, copy, &bytes, &err) < 0))
                abort();
            free(copy);
        }
        if (sg_heif_grid(&heif, item, &grid, &err) == 0)
            for (uint32_t part = 0; part < grid.rows * grid.columns; part++)
                (void)sg_heif_find(&heif, sg_heif_part(&heif, item, part));
    }
    sg_heif_fini(&heif);
    return 0;
}
