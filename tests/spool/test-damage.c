/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/spool on a disk that forgot or changed something: whatever byte is flipped, the other messages
 * are there and right; what is left of a damaged message is kept; what cannot be read now is left alone.
 */
#include "config.h"

#include "fixture.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
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

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    fixture_allow_warnings ();
    g_test_add_func ("/spool/damage/missing-body-file", test_missing_body_file);
    g_test_add_func ("/spool/damage/body-of-damaged-envelope", test_body_of_damaged_envelope);
    g_test_add_func ("/spool/damage/cut-segment", test_cut_segment);
    g_test_add_func ("/spool/damage/unreadable-segment", test_unreadable_segment);
    g_test_add_func ("/spool/damage/bad-block", test_bad_block);
    g_test_add_func ("/spool/damage/flips/sealed", test_flips_sealed);
    g_test_add_func ("/spool/damage/flips/unsealed", test_flips_unsealed);
    return g_test_run ();
}
