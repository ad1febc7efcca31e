/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/spool on a disk that forgot or changed something: whatever byte is flipped, the other messages
 * are there and right; what is left of a damaged message is kept; what cannot be read now is left alone.
 */
#include "config.h"

#include "fixture.h"
#include "spool/record.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void
test_missing_body_file (void)
{
    Fixture f;
    g_autofree char *bodies = NULL;
    g_autoptr (GHashTable) found = NULL;
    RelaisSpoolFigures figures;

    fixture_init (&f);
    fixture_open (&f);
    fixture_accept (&f, 1, 400000);
    fixture_accept (&f, 2, 400);
    fixture_close (&f);
    bodies = g_build_filename (f.spool_dir, "bodies", NULL);
    fixture_remove_dir (bodies);
    fixture_open (&f);
    found = fixture_recover (&f);
    g_assert_cmpuint (g_hash_table_size (found), ==, 1);
    relais_spool_figures (f.spool, &figures);
    g_assert_cmpuint (figures.quarantined, ==, 1);
    fixture_clear (&f);
}

/* Changes the byte `text` begins with in every file of a directory that has it. */
static void
spoil_text (const char *dir, const char *text)
{
    GDir *files = g_dir_open (dir, 0, NULL);
    const char *name;
    guint spoiled = 0;

    while ((name = g_dir_read_name (files)) != NULL) {
        g_autofree char *path = g_build_filename (dir, name, NULL);
        g_autofree char *bytes = NULL;
        gsize size = 0;
        char *at;

        if (!g_file_get_contents (path, &bytes, &size, NULL) || size == 0)
            continue;
        at = memmem (bytes, size, text, strlen (text));
        if (at == NULL)
            continue;
        *at ^= 1;
        spoiled++;
        g_assert_true (g_file_set_contents (path, bytes, (gssize)size, NULL));
    }
    g_dir_close (files);
    g_assert_cmpuint (spoiled, >, 0);
}

static char *
only_file (const char *dir, const char *prefix)
{
    GDir *files = g_dir_open (dir, 0, NULL);
    const char *name;
    char *found = NULL;

    while ((name = g_dir_read_name (files)) != NULL)
        if (g_str_has_prefix (name, prefix)) {
            g_assert_null (found);
            found = g_build_filename (dir, name, NULL);
        }
    g_dir_close (files);
    return found;
}

/* A body file whose envelope was damaged is nobody's any more, but it is not thrown away. */
static void
test_body_of_damaged_envelope (void)
{
    Fixture f;
    g_autofree char *bodies = NULL, *quarantine = NULL, *file = NULL, *kept = NULL, *before = NULL,
                    *after = NULL;
    g_autoptr (GHashTable) found = NULL;
    gsize size, kept_size;

    fixture_init (&f);
    fixture_open (&f);
    fixture_accept (&f, 1, 400000);
    fixture_accept (&f, 2, 400);
    fixture_close (&f);
    bodies = g_build_filename (f.spool_dir, "bodies", NULL);
    quarantine = g_build_filename (f.spool_dir, "quarantine", NULL);
    file = only_file (bodies, "");
    g_assert_true (g_file_get_contents (file, &before, &size, NULL));
    spoil_text (f.spool_dir, "s1@sender.test");
    fixture_open (&f);
    found = fixture_recover (&f);
    g_assert_cmpuint (g_hash_table_size (found), ==, 1);
    g_assert_false (g_file_test (file, G_FILE_TEST_EXISTS));
    kept = only_file (quarantine, "0");
    g_assert_nonnull (kept);
    g_assert_true (g_file_get_contents (kept, &after, &kept_size, NULL));
    g_assert_cmpuint (kept_size, ==, size);
    g_assert_cmpint (memcmp (after, before, size), ==, 0);
    fixture_clear (&f);
}

/* Closes the spool, and leaves the segment as a crash would have: with no index, and a first record that is none any more. */
static void
crash_with_damage (Fixture *f, const char *segment)
{
    g_autofree char *bytes = NULL;
    gsize size = 0;

    g_assert_true (g_file_get_contents (segment, &bytes, &size, NULL));
    fixture_close (f);
    g_assert_cmpuint (size, >, RELAIS_SEGMENT_HEADER_BYTES + 8);
    bytes[RELAIS_SEGMENT_HEADER_BYTES + 8] ^= 1;
    g_assert_true (g_file_set_contents (segment, bytes, (gssize)size, NULL));
}

/* What the quarantine has of segments: each is taken away and a directory put where its copy would be made. */
static GPtrArray *
bar_copies (const char *quarantine)
{
    GPtrArray *bars = g_ptr_array_new_with_free_func (g_free);
    GDir *files = g_dir_open (quarantine, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name (files)) != NULL) {
        g_autofree char *path = g_build_filename (quarantine, name, NULL);

        g_assert_cmpint (g_unlink (path), ==, 0);
        g_ptr_array_add (bars, g_strconcat (path, ".part", NULL));
    }
    g_dir_close (files);
    g_assert_cmpuint (bars->len, ==, 2); /* the octets and the header */
    for (guint i = 0; i < bars->len; i++)
        g_assert_cmpint (g_mkdir (g_ptr_array_index (bars, i), 0700), ==, 0);
    return bars;
}

static void
lift_bars (GPtrArray *bars)
{
    for (guint i = 0; i < bars->len; i++)
        g_assert_cmpint (g_rmdir (g_ptr_array_index (bars, i)), ==, 0);
}

/* Damage that cannot be copied to the quarantine keeps its segment, also when nothing else lives there, and the next
 * start copies it. */
static void
test_quarantine_that_takes_nothing (void)
{
    Fixture f;
    g_autofree char *quarantine = NULL, *name = NULL, *segment = NULL;
    g_autoptr (GHashTable) found = NULL;
    g_autoptr (GPtrArray) bars = NULL;
    GHashTableIter iter;
    guint64 *id;

    fixture_init (&f);
    fixture_open (&f);
    fixture_accept (&f, 1, 400);
    fixture_accept (&f, 2, 400);
    name = fixture_first_segment (&f);
    segment = g_build_filename (f.spool_dir, name, NULL);
    quarantine = g_build_filename (f.spool_dir, "quarantine", NULL);
    crash_with_damage (&f, segment);
    fixture_open (&f);
    fixture_close (&f);
    bars = bar_copies (quarantine);

    fixture_open (&f);
    found = fixture_recover (&f);
    g_assert_cmpuint (g_hash_table_size (found), ==, 1);
    g_hash_table_iter_init (&iter, found);
    g_assert_true (g_hash_table_iter_next (&iter, (gpointer *)&id, NULL));
    fixture_done (&f, *id);
    for (guint i = 0; i < 200; i++) /* segments come and go */
        fixture_done (&f, fixture_accept (&f, i, 4000));
    g_assert_true (g_file_test (segment, G_FILE_TEST_EXISTS));
    fixture_close (&f);

    lift_bars (bars);
    fixture_open (&f);
    for (guint i = 0; i < bars->len; i++) {
        g_autofree char *path = g_strndup (g_ptr_array_index (bars, i),
                                           strlen (g_ptr_array_index (bars, i)) - strlen (".part"));

        g_assert_true (g_file_test (path, G_FILE_TEST_IS_REGULAR));
    }
    fixture_clear (&f);
}

static bool
count_line (gpointer data, const char *line, gsize size)
{
    ++*(guint *)data;
    return true;
}

/* Opens the spool with its event log, and sees that so many messages are found and so many damaged. */
static void
check_start (Fixture *f, guint living, guint damaged, guint events)
{
    g_autofree char *log = g_build_filename (f->dir, "log", NULL);
    g_autoptr (GHashTable) found = NULL;
    g_autoptr (GError) error = NULL;
    RelaisSpoolFigures figures;
    guint n = 0;

    f->events = relais_event_log_open (log, f->loop, &error);
    g_assert_no_error (error);
    fixture_open (f);
    found = fixture_recover (f);
    g_assert_cmpuint (g_hash_table_size (found), ==, living);
    relais_spool_figures (f->spool, &figures);
    g_assert_cmpuint (figures.quarantined, ==, damaged);
    fixture_close (f);
    g_clear_pointer (&f->events, relais_event_log_close);
    g_assert_true (
        relais_event_log_search (log, "\"type\":\"quarantined\"", count_line, &n, &error));
    g_assert_cmpuint (n, ==, events);
}

/* What a start finds damaged is put aside and told of once, in the event log too; if it cannot be put aside, the next
 * start does. */
static void
test_told_once (void)
{
    Fixture f;
    g_autofree char *bodies = NULL, *name = NULL, *bar = NULL;

    fixture_init (&f);
    fixture_open (&f);
    fixture_accept (&f, 1, 400000);
    fixture_accept (&f, 2, 400);
    fixture_accept (&f, 3, 400);
    name = fixture_first_segment (&f);
    fixture_close (&f);
    bodies = g_build_filename (f.spool_dir, "bodies", NULL);
    bar = g_strdup_printf ("%s/quarantine/%s-0-4096.part", f.spool_dir, name);
    fixture_remove_dir (bodies);
    spoil_text (f.spool_dir, "s2@sender.test");
    g_assert_cmpint (g_mkdir (bar, 0700), ==, 0);
    check_start (&f, 1, 2, 0);
    g_assert_cmpint (g_rmdir (bar), ==, 0);
    check_start (&f, 1, 2, 2);
    check_start (&f, 1, 0, 2);
    fixture_clear (&f);
}

/* A segment that lost its end is damage, not a tear: it is told of, and the bodies of what was lost are kept. */
static void
test_cut_segment (void)
{
    Fixture f;
    g_autofree char *quarantine = NULL, *name = NULL, *path = NULL, *kept = NULL;
    g_autoptr (GHashTable) found = NULL;
    RelaisSpoolFigures figures;

    fixture_init (&f);
    fixture_open (&f);
    fixture_accept (&f, 1, 400);
    fixture_accept (&f, 2, 400000);
    name = fixture_first_segment (&f);
    fixture_close (&f);
    path = g_build_filename (f.spool_dir, name, NULL);
    quarantine = g_build_filename (f.spool_dir, "quarantine", NULL);
    g_assert_cmpint (truncate (path, 4096), ==, 0);
    fixture_open (&f);
    found = fixture_recover (&f);
    g_assert_cmpuint (g_hash_table_size (found), ==, 0);
    relais_spool_figures (f.spool, &figures);
    g_assert_cmpuint (figures.quarantined, ==, 1);
    kept = only_file (quarantine, "0");
    g_assert_nonnull (kept);
    fixture_clear (&f);
}

/* What cannot be read now may be read later: its body file stays. */
static void
test_unreadable_segment (void)
{
    Fixture f;
    g_autofree char *bodies = NULL, *file = NULL, *name = NULL, *path = NULL, *aside = NULL;
    g_autoptr (GHashTable) none = NULL;
    g_autoptr (GHashTable) found = NULL;

    fixture_init (&f);
    fixture_open (&f);
    fixture_accept (&f, 1, 400000);
    name = fixture_first_segment (&f);
    fixture_close (&f);
    bodies = g_build_filename (f.spool_dir, "bodies", NULL);
    file = only_file (bodies, "");
    path = g_build_filename (f.spool_dir, name, NULL);
    aside = g_build_filename (f.dir, "aside", NULL);
    fixture_open (&f);
    g_assert_cmpint (g_rename (path, aside), ==, 0);
    none = fixture_recover (&f);
    g_assert_cmpuint (g_hash_table_size (none), ==, 0);
    g_assert_true (g_file_test (file, G_FILE_TEST_EXISTS));
    g_assert_cmpint (g_rename (aside, path), ==, 0);
    fixture_close (&f);
    fixture_open (&f);
    found = fixture_recover (&f);
    g_assert_cmpuint (g_hash_table_size (found), ==, 1);
    fixture_clear (&f);
}

/* From this offset on every file gives EIO, as a bad block does: what stands before it is read. */
static gint64 bad_from = G_MAXINT64;

ssize_t __real_pread (int fd, void *to, size_t size, off_t offset);
ssize_t __wrap_pread (int fd, void *to, size_t size, off_t offset);

ssize_t
__wrap_pread (int fd, void *to, size_t size, off_t offset)
{
    if (offset < bad_from)
        return __real_pread (fd, to, MIN (size, (size_t)(bad_from - offset)), offset);
    errno = EIO;
    return -1;
}

/* A read that ends at a bad block is no damage: the messages there are not taken out of circulation. */
static void
test_bad_block (void)
{
    enum { N = 20, STEP = 23, STEPS = 40 };
    Fixture f;

    fixture_init (&f);
    fixture_open (&f);
    for (guint i = 0; i < N; i++)
        fixture_accept (&f, i, 400);
    fixture_close (&f);
    /* Behind the header and some messages: in a record's own header, its envelope, its body. */
    for (guint i = 0; i < STEPS; i++) {
        g_autoptr (GHashTable) found = NULL;
        RelaisSpoolFigures figures;

        fixture_open (&f);
        bad_from = 4096 + 4000 + i * STEP;
        found = fixture_recover (&f);
        bad_from = G_MAXINT64;
        relais_spool_figures (f.spool, &figures);
        g_assert_cmpuint (figures.quarantined, ==, 0);
        g_assert_cmpuint (g_hash_table_size (found), >, 0);
        g_assert_cmpuint (g_hash_table_size (found), <, N);
        fixture_close (&f);
    }
    fixture_open (&f);

    g_autoptr (GHashTable) all = fixture_recover (&f);

    g_assert_cmpuint (g_hash_table_size (all), ==, N);
    fixture_clear (&f);
}

/* A message that cannot be read now, or whose state cannot, is not loaded, and is not damaged: without its state, those
 * who were served would count as queued, and be written down so. */
static void
test_bad_block_of_state (void)
{
    enum { STEP = 8, STEPS = 60 };
    Fixture f;
    g_autoptr (RelaisMessage) message = NULL;
    g_autoptr (GError) error = NULL;
    RelaisGroup *group;
    Outcome outcome;
    guint64 id;
    guint n = 0;

    fixture_init (&f);
    fixture_open (&f);
    id = fixture_accept (&f, 1, 9000);
    message = fixture_load (&f, id, &error);
    g_assert_no_error (error);
    message->states[0].kind = RELAIS_STATE_DELIVERED;
    group = relais_group_new (f.spool);
    relais_group_add_state (group, message);
    fixture_submit (&f, group, RELAIS_GROUP_URGENT, &outcome);
    outcome_clear (&outcome);
    g_clear_pointer (&message, relais_message_unref);
    relais_spool_cool (f.spool, id);
    for (guint i = 0; i < STEPS; i++) {
        bad_from = 4096 + 9000 + i * STEP;
        message = fixture_load (&f, id, &error);
        bad_from = G_MAXINT64;
        if (message != NULL)
            g_assert_cmpuint (message->states[0].kind, ==, RELAIS_STATE_DELIVERED);
        else
            g_assert_error (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_IO);
        n += message != NULL;
        g_clear_pointer (&message, relais_message_unref);
        g_clear_error (&error);
    }
    g_assert_cmpuint (n, >, 0);
    g_assert_cmpuint (n, <, STEPS);
    fixture_clear (&f);
}

/* The same where a record says which body file is its own: that this cannot be read now says nothing of the file. */
static void
test_bad_block_of_file (void)
{
    enum { STEP = 8, STEPS = 50 };
    Fixture f;

    fixture_init (&f);
    fixture_open (&f);
    fixture_accept (&f, 1, 400000);
    fixture_close (&f);
    for (guint i = 1; i <= STEPS; i++) {
        g_autoptr (GHashTable) found = NULL;
        RelaisSpoolFigures figures;

        fixture_open (&f);
        bad_from = 4096 + i * STEP;
        found = fixture_recover (&f);
        bad_from = G_MAXINT64;
        relais_spool_figures (f.spool, &figures);
        g_assert_cmpuint (figures.quarantined, ==, 0);
        fixture_close (&f);
    }
    fixture_open (&f);

    g_autoptr (GHashTable) all = fixture_recover (&f);

    g_assert_cmpuint (g_hash_table_size (all), ==, 1);
    fixture_clear (&f);
}

/* Opens a copy of the spool in which one byte is flipped: whatever is found is right, or is said to
 * be damaged. */
static guint
open_flipped (Fixture *f, const char *name, const char *bytes, gsize size, gsize at,
              const guint64 *ids, guint n)
{
    g_autofree char *path = g_build_filename (f->spool_dir, name, NULL);
    g_autofree char *flipped = g_memdup2 (bytes, size);
    g_autoptr (GHashTable) found = NULL;
    guint right = 0;

    flipped[at] ^= (char)(1 << at % 7);
    fixture_remove_dir (f->spool_dir);
    g_assert_cmpint (g_mkdir (f->spool_dir, 0700), ==, 0);
    g_assert_true (g_file_set_contents_full (path, flipped, (gssize)size, G_FILE_SET_CONTENTS_NONE,
                                             0600, NULL));
    fixture_open (f);
    found = fixture_recover (f);
    g_assert_cmpuint (g_hash_table_size (found), <=, n);
    for (guint i = 0; i < n; i++) {
        g_autoptr (GError) error = NULL;
        g_autoptr (RelaisMessage) message = NULL;

        if (!g_hash_table_contains (found, &ids[i]))
            continue;
        message = fixture_load (f, ids[i], &error);
        if (message != NULL) {
            fixture_check (message, i, 400);
            right++;
        } else
            g_assert_error (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_DAMAGED);
    }
    fixture_close (f);
    return right;
}

static void
flip_all (bool sealed)
{
    enum { N = 3, USED = 6500, STEP = 37 };
    Fixture f;
    guint64 ids[N];
    g_autofree char *name = NULL;
    g_autofree char *path = NULL;
    g_autofree char *bytes = NULL;
    gsize size;

    fixture_init (&f);
    f.options.segment_bytes = 16384;
    fixture_open (&f);
    for (guint i = 0; i < N; i++)
        ids[i] = fixture_accept (&f, i, 400);
    if (sealed)
        fixture_close (&f);
    name = fixture_first_segment (&f);
    path = g_build_filename (f.spool_dir, name, NULL);
    g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
    fixture_close (&f);
    for (gsize at = 0; at < size; at += at < 4096 || at > USED ? 500 : STEP) {
        guint right = open_flipped (&f, name, bytes, size, at, ids, N);

        g_assert_cmpuint (right, >=, N - 1);
    }
    fixture_clear (&f);
}

static void
test_flips_sealed (void)
{
    flip_all (true);
}

static void
test_flips_unsealed (void)
{
    flip_all (false);
}

/* --- What is no file of the spool's ----------------------------------------------------------- */

enum { PLANTED_SEGMENT = 0xf0, PLANTED_BLANK = 0xf8 };

static char *
place (const Fixture *f, const char *kind, guint number)
{
    g_autofree char *name = strcmp (kind, "bodies") == 0
                                ? g_strdup_printf ("bodies/%016x", number)
                                : g_strdup_printf ("%s-%08x", kind, number);

    return g_build_filename (f->spool_dir, name, NULL);
}

/* A link to `victim`, a second name of it, a pipe, a directory and, as root, a device under the names of that kind. */
static void
plant (const Fixture *f, const char *kind, guint number, const char *victim)
{
    char *names[5];

    for (guint i = 0; i < G_N_ELEMENTS (names); i++)
        names[i] = place (f, kind, number + i);
    g_assert_cmpint (symlink (victim, names[0]), ==, 0);
    g_assert_cmpint (link (victim, names[1]), ==, 0);
    g_assert_cmpint (mkfifo (names[2], 0600), ==, 0);
    g_assert_cmpint (mkdir (names[3], 0700), ==, 0);
    if (mknod (names[4], S_IFCHR | 0600, makedev (1, 3)) < 0)
        g_assert_cmpint (errno, ==, EPERM);
    for (guint i = 0; i < G_N_ELEMENTS (names); i++)
        g_free (names[i]);
}

static void
remove_blanks (const Fixture *f)
{
    GDir *files = g_dir_open (f->spool_dir, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name (files)) != NULL) {
        g_autofree char *path = g_build_filename (f->spool_dir, name, NULL);

        if (g_str_has_prefix (name, "blank-"))
            g_assert_cmpint (g_unlink (path), ==, 0);
    }
    g_dir_close (files);
}

static void
test_planted (void)
{
    Fixture f;
    g_autofree char *victim = NULL, *linked = NULL, *before = NULL, *after = NULL;
    g_autoptr (GHashTable) found = NULL;
    RelaisSpoolFigures figures;
    gsize size, size_after;

    fixture_init (&f);
    fixture_open (&f);
    fixture_accept (&f, 1, 400);
    fixture_accept (&f, 2, 400000);
    fixture_close (&f);
    /* As long as a segment is, so that it would pass for a blank one. */
    victim = g_build_filename (f.dir, "victim", NULL);
    before = g_strnfill (f.options.segment_bytes, 'v');
    size = f.options.segment_bytes;
    g_assert_true (g_file_set_contents (victim, before, (gssize)size, NULL));
    remove_blanks (&f); /* there is room for two */
    plant (&f, "segment", PLANTED_SEGMENT, victim);
    plant (&f, "blank", PLANTED_BLANK, victim);
    plant (&f, "bodies", 0xabc0, victim);
    fixture_open (&f);
    linked = place (&f, "blank", PLANTED_BLANK + 1);
    g_assert_false (g_file_test (linked, G_FILE_TEST_EXISTS));
    found = fixture_recover (&f);
    g_assert_cmpuint (g_hash_table_size (found), ==, 2);
    for (guint i = 0; i < 200; i++) /* fills blanks */
        fixture_accept (&f, i, 4000);
    relais_spool_figures (f.spool, &figures);
    g_assert_cmpuint (figures.quarantined, >=, 4);
    g_assert_true (g_file_get_contents (victim, &after, &size_after, NULL));
    g_assert_true (size_after == size && memcmp (after, before, size) == 0);
    fixture_clear (&f);
}

/* A directory of the spool's behind a link is somebody else's. */
static void
test_planted_directory (void)
{
    Fixture f;
    g_autofree char *bodies = NULL;
    g_autoptr (GError) error = NULL;

    fixture_init (&f);
    fixture_open (&f);
    fixture_close (&f);
    bodies = g_build_filename (f.spool_dir, "bodies", NULL);
    g_assert_cmpint (g_rmdir (bodies), ==, 0);
    g_assert_cmpint (symlink (f.dir, bodies), ==, 0);
    g_assert_null (relais_spool_open (&f.options, f.loop, f.pool, NULL, &error));
    g_assert_error (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_IO);
    g_assert_cmpint (g_unlink (bodies), ==, 0);
    fixture_clear (&f);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    fixture_allow_warnings ();
    g_test_add_func ("/spool/damage/missing-body-file", test_missing_body_file);
    g_test_add_func ("/spool/damage/body-of-damaged-envelope", test_body_of_damaged_envelope);
    g_test_add_func ("/spool/damage/quarantine-that-takes-nothing",
                     test_quarantine_that_takes_nothing);
    g_test_add_func ("/spool/damage/planted", test_planted);
    g_test_add_func ("/spool/damage/planted-directory", test_planted_directory);
    g_test_add_func ("/spool/damage/told-once", test_told_once);
    g_test_add_func ("/spool/damage/cut-segment", test_cut_segment);
    g_test_add_func ("/spool/damage/unreadable-segment", test_unreadable_segment);
    g_test_add_func ("/spool/damage/bad-block", test_bad_block);
    g_test_add_func ("/spool/damage/bad-block-of-state", test_bad_block_of_state);
    g_test_add_func ("/spool/damage/bad-block-of-file", test_bad_block_of_file);
    g_test_add_func ("/spool/damage/flips/sealed", test_flips_sealed);
    g_test_add_func ("/spool/damage/flips/unsealed", test_flips_unsealed);
    return g_test_run ();
}
