/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * store-gdbm on files that are not as they were written: journals cut at every octet of the last record,
 * flipped bits, lost files. Never a value that was not once put under that key, never a crash, and what
 * is missing is told.
 */
#include "config.h"

#include "fixture.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

enum { KEYS = 20, ROUNDS = 3, FLIPS = 1000, INDEX_FLIPS = 300 };

static void
set_up (Fixture *f, gconstpointer data)
{
    fixture_init (f);
    fixture_fast = 1;
    fixture_open (f);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
    fixture_clear (f);
}

static char *
read_file (const char *path, gsize *size)
{
    char *content;

    g_assert_true (g_file_get_contents (path, &content, size, NULL));
    return content;
}

/* Puts KEYS keys ROUNDS times: "kN" has "rR-kN". */
static void
fill (Fixture *f)
{
    for (guint round = 0; round < ROUNDS; round++)
        for (guint i = 0; i < KEYS; i++) {
            g_autofree char *key = g_strdup_printf ("k%u", i);
            g_autofree char *value = g_strdup_printf ("r%u-%s", round, key);

            fixture_put (f, key, value, 0);
        }
}

/* How many keys have the newest value; each has one of its own, or none. */
static guint
count_newest (Fixture *f)
{
    guint newest = 0;

    for (guint i = 0; i < KEYS; i++) {
        g_autofree char *key = g_strdup_printf ("k%u", i);
        g_autofree char *tail = g_strdup_printf ("-%s", key);
        g_autofree char *value = NULL;
        gconstpointer bytes;
        gsize size;

        g_assert_cmpuint (fixture_get (f, key), !=, RELAIS_STORE_ERROR);
        bytes = relais_store_reply_get_value (f->reply, &size);
        if (bytes == NULL)
            continue;
        value = g_strndup (bytes, size);
        g_assert_cmpuint (size, ==, 2 + strlen (tail));
        g_assert_true (value[0] == 'r' && g_str_has_suffix (value, tail));
        newest += value[1] == '0' + ROUNDS - 1;
    }
    return newest;
}

/* --- The end ---------------------------------------------------------------------------------- */

static void
test_torn (Fixture *f, gconstpointer data)
{
    g_autofree char *path = sg_file_path (f->dir, false, 1);
    g_autofree char *content = NULL;
    gsize before, size;

    fixture_put (f, "a", "1", 0);
    fixture_put (f, "b", "1", 0);
    fixture_close (f);
    g_free (read_file (path, &before));
    fixture_open (f);
    fixture_put (f, "a", "two", 0);
    fixture_close (f);
    content = read_file (path, &size);
    g_assert_cmpuint (size, >, before + 50);
    for (gsize cut = before; cut <= size; cut++) {
        fixture_write_file (path, content, cut);
        fixture_open (f);
        fixture_assert_value (f, "a", cut == size ? "two" : "1");
        fixture_assert_value (f, "b", "1");
        /* It goes on where the good part ends. */
        fixture_put (f, "c", "after", 0);
        fixture_crash (f);
        fixture_open (f);
        fixture_assert_value (f, "a", cut == size ? "two" : "1");
        fixture_assert_value (f, "c", "after");
        fixture_close (f);
    }
    g_assert_false (fixture_logged (f, "BAD"));
    g_assert_true (fixture_logged (f, "cut off 1 octets"));
}

/* A journal that was being made: nothing, or a part of a head. */
static void
test_short_head (Fixture *f, gconstpointer data)
{
    g_autofree char *path = sg_file_path (f->dir, false, 2);

    fixture_put (f, "a", "1", 0);
    fixture_close (f);
    for (gsize size = 0; size < SG_FILE_HEAD_BYTES; size++) {
        fixture_write_file (
            path,
            "RelaisSG that is no head, but as long as the longest part of one, and then "
            "some more",
            size);
        fixture_open (f);
        fixture_assert_value (f, "a", "1");
        fixture_close (f);
        g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
    }
    g_assert_false (fixture_logged (f, "BAD"));
}

/* --- Flipped bits ----------------------------------------------------------------------------- */

typedef struct {
    guint told;
} Ear;

static void
hear (gpointer data, const char *text)
{
    ((Ear *)data)->told++;
}

/* One bit anywhere in the journal: at most one key has not its newest value, and that is told, or it was
 * the last record, which counts as torn. */
static void
test_flips (Fixture *f, gconstpointer data)
{
    g_autofree char *path = sg_file_path (f->dir, false, 1);
    g_autofree char *index = g_build_filename (f->dir, "index.gdbm", NULL);
    g_autofree char *content = NULL;
    gsize size;

    fill (f);
    fixture_close (f);
    g_unlink (index);
    content = read_file (path, &size);
    for (guint i = 0; i < FLIPS; i++) {
        const gsize at = (gsize)g_test_rand_int_range (SG_FILE_HEAD_BYTES, (gint32)size);
        const char bit = (char)(1 << g_test_rand_int_range (0, 8));
        g_autoptr (GPtrArray) files = NULL;
        Ear ear = {0};
        const SgVisitor visitor = {NULL, hear, &ear};
        SgReading reading;
        guint newest;

        content[at] ^= bit;
        fixture_write_file (path, content, size);
        files = sg_files_list (f->dir, NULL);
        g_assert_true (sg_files_read (files, &visitor, &reading, NULL));
        g_assert_true (ear.told > 0 || reading.torn_bytes > 0);
        fixture_open (f);
        newest = count_newest (f);
        g_assert_cmpuint (newest, >=, KEYS - 1);
        fixture_close (f);
        content[at] ^= bit;
        g_unlink (index); /* closed in order, but of a damaged journal */
    }
    g_assert_true (fixture_logged (f, "BAD"));
}

/* --- The index -------------------------------------------------------------------------------- */

static void
assert_all_newest (Fixture *f)
{
    g_assert_cmpuint (count_newest (f), ==, KEYS);
}

/* One bit anywhere in an index that was closed in order: no key is missed, and none has another value. */
static void
test_index_flips (Fixture *f, gconstpointer data)
{
    g_autofree char *index = g_build_filename (f->dir, "index.gdbm", NULL);

    fill (f);
    for (guint i = 0; i < INDEX_FLIPS; i++) {
        g_autofree char *content = NULL;
        gsize size, at;

        fixture_close (f);
        content = read_file (index, &size);
        at = (gsize)g_test_rand_int_range (0, (gint32)size);
        content[at] ^= (char)(1 << g_test_rand_int_range (0, 8));
        fixture_write_file (index, content, size);
        fixture_open (f);
        assert_all_newest (f);
    }
    g_assert_false (fixture_logged (f, "BAD"));
}

/* Without what says how the index was, it is not trusted. */
static void
test_index_sum (Fixture *f, gconstpointer data)
{
    g_autofree char *sum = g_build_filename (f->dir, "index.gdbm.sum", NULL);

    fill (f);
    fixture_close (f);
    fixture_open (f);
    assert_all_newest (f);
    g_assert_false (fixture_logged (f, "built anew"));
    fixture_close (f);
    g_assert_cmpint (g_unlink (sum), ==, 0);
    fixture_open (f);
    assert_all_newest (f);
    g_assert_true (fixture_logged (f, "not as it was when it was closed"));
}

/* Writes into a file as if nobody had: the disk alone does that. */
static void
write_unseen (const char *path, gconstpointer bytes, gsize size)
{
    struct stat before;

    g_assert_cmpint (stat (path, &before), ==, 0);
    fixture_write_file (path, bytes, size);
    g_assert_cmpint (
        utimensat (AT_FDCWD, path, (struct timespec[]){before.st_atim, before.st_mtim}, 0), ==, 0);
}

/* While the store is up: an error once, then it is what was put. */
static void
test_index_value (Fixture *f, gconstpointer data)
{
    g_autofree char *index = g_build_filename (f->dir, "index.gdbm", NULL);
    g_autofree char *content = NULL;
    gsize size, at;

    fixture_put (f, "a", "a value that is easily found", 0);
    fixture_put (f, "c", "1", 0);
    fixture_close (f);
    fixture_open (f);
    fixture_assert_value (f, "b", NULL); /* it is up */
    content = read_file (index, &size);
    for (at = 0; memcmp (content + at, "easily", 6) != 0; at++)
        g_assert_cmpuint (at + 6, <, size);
    content[at] ^= 1;
    write_unseen (index, content, size);
    fixture_assert_value (f, "c", "1"); /* GDBM keeps the last that it read */
    g_assert_cmpuint (fixture_get (f, "a"), ==, RELAIS_STORE_ERROR);
    fixture_assert_value (f, "a", "a value that is easily found");
    g_assert_true (fixture_logged (f, "an entry is damaged"));
}

/* Another's writes are seen, whatever GDBM finds there: what it does not find is not "absent". */
static void
test_index_foreign_write (Fixture *f, gconstpointer data)
{
    g_autofree char *index = g_build_filename (f->dir, "index.gdbm", NULL);
    g_autofree char *content = NULL;
    gsize size;

    fill (f);
    fixture_close (f);
    fixture_open (f);
    fixture_assert_value (f, "b", NULL); /* it is up */
    content = read_file (index, &size);
    for (gsize i = 4096; i < size; i++)
        content[i] = (char)g_test_rand_int_range (0, 256);
    fixture_write_file (index, content, size);
    g_assert_cmpuint (fixture_get (f, "k0"), ==, RELAIS_STORE_ERROR);
    assert_all_newest (f);
    g_assert_true (fixture_logged (f, "somebody else wrote into it"));
    /* Nor is it vouched for at the end. */
    fixture_write_file (index, content, size);
    fixture_close (f);
    fixture_open (f);
    assert_all_newest (f);
}

/* --- Heads ------------------------------------------------------------------------------------ */

/* A head without which nothing can be read. */
static void
test_bad_head (Fixture *f, gconstpointer data)
{
    g_autofree char *path = sg_file_path (f->dir, false, 1);
    g_autofree char *content = NULL;
    gsize size;

    fixture_put (f, "a", "1", 0);
    fixture_close (f);
    content = read_file (path, &size);
    content[20] ^= 1;
    fixture_write_file (path, content, size);
    fixture_open (f);
    fixture_assert_value (f, "a", NULL);
    g_assert_true (fixture_logged (f, "BAD"));
    g_assert_true (fixture_logged (f, "the head is damaged"));
    fixture_put (f, "b", "2", 0);
    fixture_crash (f);
    fixture_open (f);
    fixture_assert_value (f, "b", "2");
}

/* --- Snapshots and missing files -------------------------------------------------------------- */

static guint64 wanted_snapshot;

static bool
is_compacted (Fixture *f)
{
    SgFigures figures;

    fixture_figures (f, &figures);
    return figures.snapshot == wanted_snapshot && !figures.compacting;
}

static void
compact (Fixture *f, guint64 number)
{
    sg_store_compact (f->sg);
    wanted_snapshot = number;
    fixture_wait (f, is_compacted);
}

/* A damaged snapshot: the older generation gives everything back. */
static void
test_snapshot (Fixture *f, gconstpointer data)
{
    g_autofree char *path = sg_file_path (f->dir, true, 3);
    g_autofree char *first = sg_file_path (f->dir, true, 2);
    g_autofree char *content = NULL;
    gsize size;

    fill (f);
    compact (f, 2);
    fixture_put (f, "a", "1", 0);
    compact (f, 3);
    fixture_put (f, "b", "2", 0);
    fixture_crash (f);
    content = read_file (path, &size);
    for (gsize at = 0; at < size; at += 37) {
        content[at] ^= 4;
        fixture_write_file (path, content, size);
        fixture_open (f);
        g_assert_cmpuint (count_newest (f), ==, KEYS);
        fixture_assert_value (f, "a", "1");
        fixture_assert_value (f, "b", "2");
        fixture_crash (f);
        content[at] ^= 4;
    }
    g_assert_true (fixture_logged (f, "BAD"));
    /* Both are damaged: what can be read of them is. */
    fixture_write_file (path, content, size - 10);
    g_free (g_steal_pointer (&content));
    content = read_file (first, &size);
    fixture_write_file (first, content, size - 10);
    fixture_open (f);
    g_assert_cmpuint (count_newest (f), ==, KEYS);
    fixture_assert_value (f, "b", "2");
}

/* A damaged journal is put aside, not removed, when it is not needed any more. */
static void
test_put_aside (Fixture *f, gconstpointer data)
{
    g_autofree char *path = sg_file_path (f->dir, false, 1);
    g_autofree char *aside = g_strconcat (path, ".damaged", NULL);
    g_autofree char *content = NULL;
    gsize size;

    fill (f);
    fixture_crash (f);
    content = read_file (path, &size);
    content[200] ^= 1;
    fixture_write_file (path, content, size);
    fixture_open (f);
    g_assert_cmpuint (count_newest (f), ==, KEYS);
    compact (f, 2);
    compact (f, 3);
    compact (f, 4);
    g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
    g_assert_true (g_file_test (aside, G_FILE_TEST_EXISTS));
    fixture_crash (f);
    fixture_open (f);
    g_assert_cmpuint (count_newest (f), ==, KEYS);
}

static void
test_missing (Fixture *f, gconstpointer data)
{
    g_autofree char *first = sg_file_path (f->dir, false, 1);
    g_autofree char *second = sg_file_path (f->dir, false, 2);
    g_autofree char *snapshot = sg_file_path (f->dir, true, 2);

    fixture_put (f, "a", "1", 0);
    compact (f, 2);
    fixture_put (f, "b", "2", 0);
    compact (f, 3);
    fixture_put (f, "c", "3", 0);
    fixture_crash (f);
    {
        g_autofree char *third = sg_file_path (f->dir, true, 3);

        g_unlink (third);
    }
    g_unlink (second);
    fixture_open (f);
    fixture_assert_value (f, "a", "1");
    fixture_assert_value (f, "b", NULL);
    fixture_assert_value (f, "c", "3");
    g_assert_true (fixture_logged (f, "BAD"));
    g_assert_true (fixture_logged (f, "journals 2 to 2 before it are missing"));
    fixture_close (f);
    g_assert_true (g_file_test (snapshot, G_FILE_TEST_EXISTS));
    g_unlink (first);
}

/* A value that looks like a record of ours is no record. */
static void
test_forged (Fixture *f, gconstpointer data)
{
    g_autofree char *path = sg_file_path (f->dir, false, 1);
    GByteArray *forged = g_byte_array_new ();
    g_autofree char *content = NULL;
    gsize size;
    char *found;

    sg_record_append (forged, 42, /* whatever the salt is, it is not this */
                      &(SgRecord){.op = SG_OP_PUT,
                                  .seq = 7,
                                  .key = (const guint8 *)"t\0a",
                                  .key_size = 3,
                                  .value = (const guint8 *)"forged",
                                  .value_size = 6});
    fixture_put (f, "a", "1", 0);
    fixture_run (f, &(RelaisStoreCall){.op = RELAIS_STORE_PUT,
                                       .key = "b",
                                       .key_size = 1,
                                       .value = forged->data,
                                       .value_size = forged->len});
    fixture_put (f, "c", "3", 0);
    fixture_crash (f);
    content = read_file (path, &size);
    found = memmem (content, size, forged->data, forged->len);
    g_assert_nonnull (found);
    found[-10] ^= 1; /* the record around it is damaged */
    fixture_write_file (path, content, size);
    fixture_open (f);
    fixture_assert_value (f, "a", "1");
    fixture_assert_value (f, "b", NULL);
    fixture_assert_value (f, "c", "3");
    g_byte_array_unref (forged);
}

int
main (int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*func) (Fixture *f, gconstpointer data);
    } tests[] = {
        {"/store-gdbm/damage/torn", test_torn},
        {"/store-gdbm/damage/short-head", test_short_head},
        {"/store-gdbm/damage/flips", test_flips},
        {"/store-gdbm/damage/index-flips", test_index_flips},
        {"/store-gdbm/damage/index-sum", test_index_sum},
        {"/store-gdbm/damage/index-value", test_index_value},
        {"/store-gdbm/damage/index-foreign-write", test_index_foreign_write},
        {"/store-gdbm/damage/bad-head", test_bad_head},
        {"/store-gdbm/damage/snapshot", test_snapshot},
        {"/store-gdbm/damage/put-aside", test_put_aside},
        {"/store-gdbm/damage/missing", test_missing},
        {"/store-gdbm/damage/forged", test_forged},
    };

    g_test_init (&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
        g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].func, tear_down);
    return g_test_run ();
}
