/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Credentials: reading their file. Start-up or a worker.
 */
#include "config.h"

#include "smtp/credentials-private.h"

#include "conf/kept-file-private.h"
#include "loop/loop-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
wipe (char *text)
{
    if (text != NULL)
        OPENSSL_cleanse (text, strlen (text));
    g_free (text);
}

RelaisCredentials *
relais_credentials_new (const char *user, const char *password)
{
    RelaisCredentials *credentials = g_new0 (RelaisCredentials, 1);

    g_atomic_ref_count_init (&credentials->refs);
    credentials->user = g_strdup (user);
    credentials->password = g_strdup (password);
    return credentials;
}

RelaisCredentials *
relais_credentials_ref (RelaisCredentials *credentials)
{
    g_atomic_ref_count_inc (&credentials->refs);
    return credentials;
}

void
relais_credentials_unref (RelaisCredentials *credentials)
{
    if (credentials == NULL || !g_atomic_ref_count_dec (&credentials->refs))
        return;
    g_free (credentials->user);
    wipe (credentials->password);
    g_free (credentials);
}

/* One line of printable text, taken off `*rest`; NULL if it is empty or holds anything else. */
static char *
take_line (char **rest)
{
    char *line = *rest;
    char *end = strchr (line, '\n');

    *rest = end != NULL ? end + 1 : line + strlen (line);
    if (end != NULL)
        *end = '\0';
    for (const char *p = line; *p != '\0'; p++)
        if (g_ascii_iscntrl (*p))
            return NULL;
    return line[0] != '\0' && g_utf8_validate (line, -1, NULL) ? line : NULL;
}

static RelaisCredentials *
parse (const char *path, char *text, GError **error)
{
    char *rest = text;
    const char *user = take_line (&rest);
    const char *password = take_line (&rest);

    if (user != NULL && password != NULL && rest[0] == '\0')
        return relais_credentials_new (user, password);
    relais_kept_file_refuse (error, path, _ ("expected two lines: the name and the password"));
    return NULL;
}

RelaisCredentials *
relais_credentials_load (const char *path, GError **error)
{
    RelaisCredentials *credentials = NULL;
    char text[RELAIS_CREDENTIALS_BYTES + 1];
    struct stat info;
    gssize n = 0;
    int fd;

    relais_assert_may_block ();
    fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        relais_kept_file_fail (error, path, _ ("cannot open it"));
        return NULL;
    }
    if (relais_kept_file_check (path, fd, RELAIS_CREDENTIALS_BYTES, 077,
                                _ ("is no file of credentials"), &info, error)) {
        n = read (fd, text, RELAIS_CREDENTIALS_BYTES);
        if (n < 0)
            relais_kept_file_fail (error, path, _ ("cannot read it"));
        text[MAX (n, 0)] = '\0';
        if (n >= 0)
            credentials = parse (path, text, error);
        OPENSSL_cleanse (text, sizeof text);
    }
    close (fd);
    return credentials;
}
