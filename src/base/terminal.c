/* SPDX-License-Identifier: MIT
 * Controls in texts; see terminal.h.
 */
#include "base/terminal.h"

void sg_terminal_tame(char *text, size_t size)
{
    unsigned char *bytes = (unsigned char *)text;
    size_t i;

    for (i = 0; i < size; i++) {
        if (bytes[i] < 0x20 || bytes[i] == 0x7f) {
            bytes[i] = '?';
        } else if (bytes[i] == 0xc2 && i + 1 < size && bytes[i + 1] >= 0x80 && bytes[i + 1] <= 0x9f) {
            bytes[i] = '?';
            bytes[++i] = '?';
        }
    }
}
