/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See the header. Keeps nothing; blocks, so never on the loop.
 */
#include "config.h"

#include "conf/kept-file-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <unistd.h>

#include "loop/loop-private.h"

bool
relais_kept_file_fail (GError **error, const char *path, const char *what)
{
    g_set_error (error, G_IO_ERROR, (gint)g_io_error_from_errno (errno), "%s: %s: %s", path, what,
                 g_strerror (errno));
    return false;
}

bool
relais_kept_file_refuse (GError **error, const char *path, const char *what)
{
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s: %s", path, what);
    return false;
}

bool
relais_kept_file_check (const char *path, int fd, gsize most, mode_t forbidden, const char *other,
                        struct stat *info, GError **error)
{
    relais_assert_may_block ();
    if (fstat (fd, info) < 0)
        return relais_kept_file_fail (error, path, _ ("cannot look at it"));
    if (!S_ISREG (info->st_mode) || (guint64)info->st_size > most)
        return relais_kept_file_refuse (error, path, other);
    if ((info->st_mode & forbidden) != 0)
        return relais_kept_file_refuse (
            error, path, _ ("may be read or written by others: its mode must be 0600"));
    return true;
}

char *
relais_kept_file_take (const char *path, int fd, gsize size, GError **error)
{
    g_autofree char *text = g_malloc (size + 1);
    gsize done = 0;
    gssize n = 0;

    do {
        n = read (fd, text + done, size - done);
        if (n > 0)
            done += (gsize)n;
    } while ((n > 0 && done < size) || (n < 0 && errno == EINTR));
    text[done] = '\0';
    if (n >= 0)
        return g_steal_pointer (&text);
    explicit_bzero (text, done);
    relais_kept_file_fail (error, path, _ ("cannot read it"));
    return NULL;
}

char *
relais_kept_file_read (const char *path, gsize most, GError **error)
{
    const int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char *text = NULL;
    struct stat info;

    if (fd < 0) {
        relais_kept_file_fail (error, path, _ ("cannot open it"));
        return NULL;
    }
    if (relais_kept_file_check (path, fd, most, 0, _ ("is no file, or is too large"), &info, error))
        text = relais_kept_file_take (path, fd, (gsize)info.st_size, error);
    close (fd);
    return text;
}

bool
relais_kept_file_sync_dir (const char *path)
{
    g_autofree char *dir = g_path_get_dirname (path);
    int fd;
    bool good;

    relais_assert_may_block ();
    fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    good = fd >= 0 && fsync (fd) == 0;
    if (fd >= 0)
        close (fd);
    return good;
}
