/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What programs ask of `sendmail`, read from its options: the words of relaisctl's command that does it. Pure but for
 * getopt's state; one thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct {
    char *conf_dir;   /* -C; NULL: the usual ones */
    GPtrArray *words; /* "inject", ...; NULL-terminated, char *, owned */
} RelaisSendmail;

/* 0 with `sendmail`, or an exit status of sysexits.h with what is wrong; both owned. `argv` is reordered. */
int relais_sendmail_read (int argc, char **argv, RelaisSendmail *sendmail, char **problem);
void relais_sendmail_clear (RelaisSendmail *sendmail);
