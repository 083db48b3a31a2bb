/* SPDX-License-Identifier: MIT
 * Man pages from the table of commands and their option tables. The build calls it, once per page.
 */
#ifndef SG_APP_MANUAL_H
#define SG_APP_MANUAL_H

#include <stdio.h>

/* page: "sight", or a command's: "sight-detect" (which has those below it too). SG_E_NOT_FOUND, SG_E_IO. */
int sg_manual_write(const char *page, FILE *to);

#endif
