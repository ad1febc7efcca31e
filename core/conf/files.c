/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which files are configuration, in which order, and their bytes. A file in conf.d that is not read
 * is told, unless its name says that it is a left-over: nothing is silently off.
 */
#include "config.h"

#include "conf/conf-private.h"
#include "conf/line-private.h"

#include "loop/loop-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FINDINGS = 500 };

static void
finding_free (gpointer data)
{
    RelaisConfigFinding *finding = data;

    g_free (finding->file);
    g_free (finding->text);
    g_free (finding);
}

GPtrArray *
relais_config_findings_new (void)
{
    return g_ptr_array_new_with_free_func (finding_free);
}

char *
relais_config_finding_to_string (const RelaisConfigFinding *finding)
{
    const char *severity = finding->is_error ? _ ("error") : _ ("warning");

    if (finding->file == NULL)
        return g_strdup_printf ("%s: %s", severity, finding->text);
    if (finding->line == 0)
        return g_strdup_printf ("%s: %s: %s", finding->file, severity, finding->text);
    return g_strdup_printf ("%s:%u: %s: %s", finding->file, finding->line, severity, finding->text);
}

void
relais_conf_add_finding (GPtrArray *findings, bool is_error, const char *file, guint line,
                         char *text)
{
    RelaisConfigFinding *finding;

    /* The first errors are what helps; a binary file has one a line. The last place is kept for an
     * error, so that there is one if any was found. */
    if (findings == NULL || findings->len >= MAX_FINDINGS + (is_error ? 1 : 0)) {
        g_free (text);
        return;
    }
    finding = g_new0 (RelaisConfigFinding, 1);
    finding->is_error = is_error;
    finding->file = g_strdup (file);
    finding->line = line;
    finding->text = text;
    g_ptr_array_add (findings, finding);
}

static void
file_free (gpointer data)
{
    RelaisConfFile *file = data;

    g_free (file->path);
    g_free (file->bytes);
    g_free (file);
}

static bool
is_left_over (const char *name)
{
    return name[0] == '.' || g_str_has_suffix (name, "~") || strstr (name, ".dpkg-") != NULL;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
    return strcmp (*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *
list_names (GDir *dir)
{
    GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
    const char *name;

    while ((name = g_dir_read_name (dir)) != NULL)
        if (!is_left_over (name))
            g_ptr_array_add (names, g_strdup (name));
    g_ptr_array_sort (names, compare_names);
    return names;
}

/* Reads what `fd` holds up to its size at this moment; a file that shrinks meanwhile is shorter. */
static bool
read_all (int fd, gsize size, RelaisConfFile *file)
{
    file->bytes = g_malloc (size + 1);
    while (file->size < size) {
        ssize_t n = read (fd, file->bytes + file->size, size - file->size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0)
            break;
        file->size += (gsize)n;
    }
    return true;
}

/* NULL, with a finding, if the file cannot be read. O_NONBLOCK: a FIFO must not hang the start. */
static RelaisConfFile *
load_file (const char *path, GPtrArray *findings)
{
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    RelaisConfFile *file = g_new0 (RelaisConfFile, 1);
    struct stat status;
    char *problem = NULL;

    file->path = g_strdup (path);
    if (fd < 0 || fstat (fd, &status) < 0)
        problem = g_strdup_printf (_ ("cannot be opened: %s"), g_strerror (errno));
    else if (!S_ISREG (status.st_mode))
        problem = g_strdup (_ ("is not a regular file"));
    else if (status.st_size > RELAIS_CONF_FILE_BYTES)
        problem = g_strdup_printf (_ ("is larger than %d octets"), RELAIS_CONF_FILE_BYTES);
    else if (!read_all (fd, (gsize)status.st_size, file))
        problem = g_strdup_printf (_ ("cannot be read: %s"), g_strerror (errno));
    if (fd >= 0)
        close (fd);
    if (problem == NULL)
        return file;
    relais_conf_add_finding (findings, true, path, 0, problem);
    file_free (file);
    return NULL;
}

static void
load_dir (const char *path, GDir *dir, GPtrArray *files, GPtrArray *findings)
{
    g_autoptr (GPtrArray) names = list_names (dir);

    for (guint i = 0; i < names->len; i++) {
        g_autofree char *file_path = g_build_filename (path, g_ptr_array_index (names, i), NULL);
        RelaisConfFile *file;

        if (!g_str_has_suffix (file_path, ".conf")) {
            relais_conf_add_finding (findings, false, file_path, 0,
                                     g_strdup (_ ("not read: its name does not end in .conf")));
            continue;
        }
        file = load_file (file_path, findings);
        if (file != NULL)
            g_ptr_array_add (files, file);
    }
}

/* A directory that is not there is a warning, as the administrator's may not have been made yet;
 * none at all is an error: a check of nothing must not say that all is well. */
GPtrArray *
relais_conf_files_load (const char *const *dirs, GPtrArray *findings)
{
    GPtrArray *files = g_ptr_array_new_with_free_func (file_free);
    guint opened = 0;

    relais_assert_may_block ();
    for (gsize i = 0; dirs[i] != NULL; i++) {
        g_autoptr (GError) error = NULL;
        GDir *dir = g_dir_open (dirs[i], 0, &error);

        if (dir == NULL) {
            bool missing = g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);

            relais_conf_add_finding (
                findings, !missing, dirs[i], 0,
                missing ? g_strdup (_ ("the directory does not exist"))
                        : g_strdup_printf (_ ("cannot be opened: %s"), error->message));
            continue;
        }
        opened++;
        load_dir (dirs[i], dir, files, findings);
        g_dir_close (dir);
    }
    if (opened == 0)
        relais_conf_add_finding (findings, true, NULL, 0,
                                 g_strdup (_ ("no configuration directory could be read")));
    return files;
}
