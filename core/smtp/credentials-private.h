/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What we log in with at a next hop: a name and a password out of a file of its own. Counted, immutable;
 * the password is wiped with the last reference, and no message or log ever holds it. Any thread;
 * loading blocks.
 */
#pragma once

#include <gio/gio.h>

typedef struct {
    gatomicrefcount refs;
    char *user, *password; /* neither empty, no control characters */
} RelaisCredentials;

enum { RELAIS_CREDENTIALS_BYTES = 4096 }; /* of the file */

/* The first line of the file is the name, the second the password. Refused if anybody but its owner may
 * read or write it. Blocks. */
RelaisCredentials *relais_credentials_load (const char *path, GError **error);
RelaisCredentials *relais_credentials_new (const char *user, const char *password);
/* Any thread. */
RelaisCredentials *relais_credentials_ref (RelaisCredentials *credentials);
/* NULL ok. */
void relais_credentials_unref (RelaisCredentials *credentials);
