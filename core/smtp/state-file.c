/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * State files: written beside and renamed, so that there is always a whole one. At most one writing is under way;
 * what changes meanwhile is written by the next. Loop thread, but write_text ().
 */
#include "config.h"

#include "smtp/state-file-private.h"

#include "conf/kept-file-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const gint64 RETRY_US = RELAIS_USEC_PER_MIN;

struct RelaisStateFile {
    RelaisStateFileOptions options;
    char *path;
    RelaisTimer timer;
    bool dirty, writing;
    bool warned;
};

typedef struct {
    RelaisStateFile *file;
    GString *text;
    GError *error;
} Writing;

RelaisStateFile *
relais_state_file_new (const RelaisStateFileOptions *options)
{
    RelaisStateFile *file = g_new0 (RelaisStateFile, 1);

    file->options = *options;
    file->path = g_strdup (options->path);
    return file;
}

char *
relais_state_file_read (RelaisStateFile *file)
{
    const gsize head = strlen (file->options.first_line);
    g_autoptr (GError) error = NULL;
    g_autofree char *text = relais_kept_file_read (file->path, RELAIS_STATE_FILE_BYTES, &error);

    if (text != NULL) {
        if (g_str_has_prefix (text, file->options.first_line) && text[head] == '\n')
            return g_strdup (text + head + 1);
        g_warning ("%s: \"%s\" is of another kind", file->options.lost, file->path);
    } else if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
        g_warning ("%s: %s", file->options.lost, error->message);
    return NULL;
}

/* --- Writing ------------------------------------------------------------------------------------ */

static void
write_text (gpointer data)
{
    Writing *writing = data;
    const char *path = writing->file->path;

    if (g_file_set_contents_full (path, writing->text->str, (gssize)writing->text->len,
                                  G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                  0600, &writing->error) &&
        !relais_kept_file_sync_dir (path))
        g_set_error (&writing->error, G_IO_ERROR, (gint)g_io_error_from_errno (errno),
                     "cannot sync the directory of \"%s\"", path);
}

static Writing *
begin_writing (RelaisStateFile *file)
{
    Writing *writing = g_new0 (Writing, 1);
    g_autofree char *first = g_strconcat (file->options.first_line, "\n", NULL);

    file->dirty = false;
    file->writing = true;
    writing->file = file;
    writing->text = file->options.text (file->options.data);
    g_string_prepend (writing->text, first);
    return writing;
}

static void
end_writing (gpointer data)
{
    Writing *writing = data;
    RelaisStateFile *file = writing->file;

    file->writing = false;
    if (writing->error != NULL && !file->warned)
        g_warning ("state is not kept: %s", writing->error->message);
    file->warned = writing->error != NULL;
    if (writing->error != NULL)
        file->dirty = true;
    if (file->dirty && file->options.loop != NULL)
        relais_timer_set (&file->timer, file->warned ? RETRY_US : file->options.delay_us);
    g_string_free (writing->text, TRUE);
    g_clear_error (&writing->error);
    g_free (writing);
}

static void
on_timer (gpointer data)
{
    RelaisStateFile *file = data;
    Writing *writing;

    if (file->writing)
        return; /* its end sets the timer */
    writing = begin_writing (file);
    if (relais_pool_run (file->options.pool, write_text, end_writing, writing))
        return;
    file->writing = false;
    file->dirty = true;
    relais_timer_set (&file->timer, file->options.delay_us);
    g_string_free (writing->text, TRUE);
    g_free (writing);
}

void
relais_state_file_mark (RelaisStateFile *file)
{
    if (file->timer.func == NULL)
        relais_timer_init (&file->timer, file->options.loop, on_timer, file);
    file->dirty = true;
    if (!file->writing && !relais_timer_is_set (&file->timer))
        relais_timer_set (&file->timer, file->options.delay_us);
}

void
relais_state_file_free (RelaisStateFile *file)
{
    if (file == NULL)
        return;
    g_assert (!file->writing);
    relais_timer_stop (&file->timer);
    if (file->dirty) {
        Writing *writing = begin_writing (file);

        relais_assert_may_block ();
        file->options.loop = NULL;
        write_text (writing);
        end_writing (writing);
    }
    g_free (file->path);
    g_free (file);
}
