/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Files in which we keep state or secrets: whether one may be used, how it is said that one cannot be, and the
 * syncing of its directory. Owns nothing; any thread that may block.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>
#include <sys/stat.h>

/* Say "PATH: WHAT: errno's text", or "PATH: WHAT"; always false. */
bool relais_kept_file_fail (GError **error, const char *path, const char *what);
bool relais_kept_file_refuse (GError **error, const char *path, const char *what);

/* Looks at an open file that holds secrets: a regular one of at most `most` octets, with none of the bits
 * `forbidden` in its mode. `other` is said of what is no such file. */
bool relais_kept_file_check (const char *path, int fd, gsize most, mode_t forbidden,
                             const char *other, struct stat *info, GError **error);

/* What an open file holds, `size` octets or as much as there is, with a NUL behind it; owned. NULL with an error of
 * G_IO_ERROR, and nothing of it stays in memory: it may be secret. */
char *relais_kept_file_take (const char *path, int fd, gsize size, GError **error);
/* The text of a regular file of at most `most` octets, with a NUL behind it; owned. NULL with an error of G_IO_ERROR
 * (NOT_FOUND where there is none). Follows no link, and does not wait for a pipe's other end. */
char *relais_kept_file_read (const char *path, gsize most, GError **error);

/* Syncs the directory that the file lies in; errno if it cannot. */
bool relais_kept_file_sync_dir (const char *path);
