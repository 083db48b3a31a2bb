/* SPDX-License-Identifier: MIT
 * Texts of others on a terminal: names of files, labels and what was read in pictures may hold anything, and
 * a terminal obeys what are controls to it. Pure; any thread.
 */
#ifndef SG_BASE_TERMINAL_H
#define SG_BASE_TERMINAL_H

#include <stddef.h>

/* Makes '?' of every byte of a control character, in place: those of ASCII (line ends and TAB among them) and
 * those of ISO 6429 from U+0080 to U+009F in UTF-8. size: bytes of the text. */
void sg_terminal_tame(char *text, size_t size);

#endif
