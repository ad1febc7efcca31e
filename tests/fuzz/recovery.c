/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Recovery of a spool whose files a bad disk changed (core/spool/recovery.c, load.c, body-file.c).
 * The input is a list of changes (edits.h) to the files of a spool with messages, states and
 * outcomes. Properties: opening ends in a spool or an error; a message that recovery finds and that
 * can be read has the envelope and body it was accepted with; the spool takes new mail afterwards.
 *
 * Parsers: core/spool/recovery.c.
 */
#include "config.h"

#include <glib/gstdio.h>

#include "edits.h"
#include "fixture.h"
#include "fuzz.h"

static const char *const words[] = {"\1", "\2", "\3", "\4", "\20", "\60", NULL};
const FuzzTarget fuzz_target = {150, words};

enum {
    MESSAGES = 7, /* more than a segment holds */
    LARGE_BYTES = 300 << 10,
    SMALL_BYTES = 3000
};

typedef struct {
    char *name; /* below the spool's directory */
    char *bytes;
    gsize size;
} File;

static Fixture fixture;
static GArray *files; /* File */
static guint64
    accepted[MESSAGES]; /* ids; the second is done, and may be back if its DONE is lost */

static gsize
size_of (guint i)
{
    return i == 2 ? LARGE_BYTES : SMALL_BYTES * (i + 1);
}

/* --- The spool, as it was ----------------------------------------------------------------------- */

static void
keep_files (const char *below)
{
    g_autofree char *path = g_build_filename (fixture.spool_dir, below, NULL);
    g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
    const char *name;

    g_assert_nonnull (dir);
    while ((name = g_dir_read_name (dir)) != NULL) {
        File file = {.name = g_build_filename (below, name, NULL)};
        g_autofree char *whole = g_build_filename (fixture.spool_dir, file.name, NULL);

        if (g_file_test (whole, G_FILE_TEST_IS_DIR)) {
            keep_files (file.name);
            g_free (file.name);
        } else {
            g_assert_true (g_file_get_contents (whole, &file.bytes, &file.size, NULL));
            g_array_append_val (files, file);
        }
    }
}

static int
compare_files (gconstpointer a, gconstpointer b)
{
    return strcmp (((const File *)a)->name, ((const File *)b)->name);
}

static void
clear_all (void)
{
    fixture_clear (&fixture);
}

/* An outcome: a state that is not the last one, and its event. */
static void
note_outcome (guint64 id, guint16 attempts)
{
    g_autoptr (RelaisMessage) message = fixture_load (&fixture, id, NULL);
    g_autoptr (GBytes) event = g_bytes_new_static ("{\"type\":\"deferred\"}", 19);
    RelaisGroup *group = relais_group_new (fixture.spool);
    Outcome outcome;

    message->states[0].attempts = attempts;
    relais_message_set_state_reply (&message->states[0], "451 later");
    relais_group_add_state (group, message);
    relais_group_add_event (group, event);
    fixture_submit (&fixture, group, RELAIS_GROUP_URGENT, &outcome);
    g_assert_no_error (outcome.error);
}

static void
build (void)
{
    fuzz_quiet ();
    fixture_init (&fixture);
    fixture_open (&fixture);
    for (guint i = 0; i < MESSAGES; i++)
        accepted[i] = fixture_accept (&fixture, i, size_of (i));
    note_outcome (accepted[0], 1);
    note_outcome (accepted[0], 2);
    fixture_done (&fixture, accepted[1]);
    fixture_close (&fixture);
    files = g_array_new (FALSE, FALSE, sizeof (File));
    keep_files (".");
    g_array_sort (files, compare_files);
    g_assert_cmpuint (files->len, >=, 2);
    atexit (clear_all);
}

/* --- The spool, changed ------------------------------------------------------------------------- */

static void
write_file (const File *file, const guint8 *bytes, gsize size)
{
    g_autofree char *path = g_build_filename (fixture.spool_dir, file->name, NULL);
    g_autofree char *dir = g_path_get_dirname (path);
    FILE *to;

    g_assert_cmpint (g_mkdir_with_parents (dir, 0700), ==, 0);
    to = fopen (path, "we");
    g_assert_nonnull (to);
    g_assert_true (size == 0 || fwrite (bytes, 1, size, to) == size);
    fclose (to);
}

/* Every change goes to the file that its last octet names; most go to where the records are. */
static void
write_changed (guint i, const guint8 *bytes, gsize size)
{
    const File *file = &g_array_index (files, File, i);
    g_autofree guint8 *changed = g_memdup2 (file->bytes, file->size);
    gsize n = file->size, from, to;

    for (guint k = 0; k < FUZZ_EDITS && size >= FUZZ_EDIT_BYTES; k++) {
        const bool ours = bytes[0] / (FUZZ_EDIT_COPY + 1) % files->len == i;
        FuzzEdit edit;

        if (!fuzz_next_edit (&bytes, &size, n, &edit))
            break;
        if (ours)
            n = fuzz_apply_edit (&edit, changed, n, &from, &to);
    }
    write_file (file, changed, n);
}

static void
check_message (guint64 id)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (RelaisMessage) message = fixture_load (&fixture, id, &error);
    g_autofree guint8 *bytes = NULL;
    g_autoptr (GError) read_error = NULL;
    gsize size;

    if (message == NULL) {
        g_assert_nonnull (error);
        return;
    }
    size = (gsize)relais_body_facts (message->body)->size_bytes;
    bytes = g_malloc (size);
    if (!relais_body_read (message->body, 0, bytes, size, &read_error)) {
        g_assert_nonnull (read_error);
        return;
    }
    for (guint i = 0; i < MESSAGES; i++)
        if (accepted[i] == id) {
            fixture_check (message, i, size_of (i));
            return;
        }
    g_assert_not_reached ();
}

static void
check_spool (void)
{
    g_autoptr (GHashTable) found = fixture_recover (&fixture);
    GHashTableIter iter;
    gpointer id;

    g_hash_table_iter_init (&iter, found);
    while (g_hash_table_iter_next (&iter, &id, NULL))
        check_message (*(const guint64 *)id);
    fixture_accept (&fixture, 99, SMALL_BYTES);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    g_autoptr (GError) error = NULL;

    if (files == NULL)
        build ();
    fixture_remove_dir (fixture.spool_dir);
    for (guint i = 0; i < files->len; i++)
        write_changed (i, bytes, size);
    fixture.options.dir = fixture.spool_dir;
    fixture.spool = relais_spool_open (&fixture.options, fixture.loop, fixture.pool, NULL, &error);
    if (fixture.spool == NULL) {
        g_assert_nonnull (error);
        return 0;
    }
    check_spool ();
    fixture_close (&fixture);
    return 0;
}
