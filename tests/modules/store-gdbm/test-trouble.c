/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * store-gdbm on a disk that fails: what was answered with ERROR did not happen, what was acknowledged is
 * not lost, reads go on, and so does all once the disk is well.
 */
#include "config.h"

#include "fixture.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <xxhash.h>

static void
set_up (Fixture *f, gconstpointer data)
{
    fixture_init (f);
    fixture_open (f);
    fixture_put (f, "a", "1", 0);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
    fixture_clear (f);
}

static void
assert_refused (Fixture *f, RelaisStoreResult result, const char *words)
{
    g_assert_cmpuint (result, ==, RELAIS_STORE_ERROR);
    if (strstr (fixture_error (f), words) == NULL)
        g_error ("'%s', wanted '%s'", fixture_error (f), words);
}

static bool
writes_again (Fixture *f)
{
    return fixture_put (f, "probe", "x", 0) == RELAIS_STORE_FOUND;
}

/* A write that fails in the middle of a record: the half is never read. */
static void
test_write (Fixture *f, gconstpointer data)
{
    g_atomic_int_set (&fixture_tear, 30);
    g_atomic_int_set (&fixture_fail_write, ENOSPC);
    assert_refused (f, fixture_put (f, "a", "2", 0), "No space left");
    assert_refused (f, fixture_put (f, "b", "2", 0), "No space left");
    assert_refused (f, fixture_increment (f, "n", 1, RELAIS_STORE_LAZY), "No space left");
    assert_refused (f, fixture_remove (f, "a"), "No space left");
    fixture_assert_value (f, "a", "1");
    fixture_assert_value (f, "b", NULL);
    fixture_assert_value (f, "n", NULL);
    g_assert_true (fixture_logged (f, "BAD writes are refused"));
    g_atomic_int_set (&fixture_fail_write, 0);
    fixture_wait (f, writes_again);
    g_assert_true (fixture_logged (f, "a new journal was made"));
    fixture_put (f, "c", "3", 0);
    fixture_crash (f);
    fixture_open (f);
    fixture_assert_value (f, "a", "1");
    fixture_assert_value (f, "b", NULL);
    fixture_assert_value (f, "c", "3");
    g_assert_false (fixture_logged (f, "damaged"));
}

/* A sync that fails: the same, although the record is in the file. */
static void
test_sync (Fixture *f, gconstpointer data)
{
    g_atomic_int_set (&fixture_fail_sync, EIO);
    assert_refused (f, fixture_put (f, "a", "2", 0), "Input/output error");
    assert_refused (f, fixture_put (f, "b", "2", 0), "Input/output error");
    fixture_assert_value (f, "a", "1");
    fixture_assert_value (f, "b", NULL);
    g_atomic_int_set (&fixture_fail_sync, 0);
    fixture_wait (f, writes_again);
    fixture_crash (f);
    fixture_open (f);
    fixture_assert_value (f, "a", "1");
    fixture_assert_value (f, "b", NULL);
    g_assert_false (fixture_logged (f, "damaged"));
}

static bool
sync_failed (Fixture *f)
{
    return fixture_logged (f, "BAD writes are refused");
}

static bool
all_was_paid (Fixture *f)
{
    return fixture_get (f, "n") == RELAIS_STORE_FOUND && writes_again (f);
}

static void
break_index (SgStore *store, gpointer data)
{
    g_assert_cmpint (truncate (store->index_path, 0), ==, 0);
}

/* Increments that were acknowledged before a sync that failed are made again; those that were not, and
 * what durable writes did to the same key, are not. */
static void
test_lazy (Fixture *f, gconstpointer data)
{
    fixture_put (f, "n", "100", 0);
    g_atomic_int_set (&fixture_fail_sync, EIO);
    g_assert_cmpuint (fixture_increment (f, "n", 1, RELAIS_STORE_LAZY), ==, RELAIS_STORE_FOUND);
    g_assert_cmpuint (fixture_increment (f, "m", 1, RELAIS_STORE_LAZY), ==, RELAIS_STORE_FOUND);
    g_assert_cmpuint (fixture_increment (f, "n", 1, RELAIS_STORE_LAZY), ==, RELAIS_STORE_FOUND);
    assert_refused (f, fixture_put (f, "n", "5000", 0), "Input/output error");
    fixture_wait (f, sync_failed);
    assert_refused (f, fixture_increment (f, "n", 1, RELAIS_STORE_LAZY), "Input/output error");
    fixture_assert_value (f, "n", "100");
    g_atomic_int_set (&fixture_fail_sync, 0);
    fixture_wait (f, all_was_paid);
    fixture_assert_value (f, "n", "102");
    fixture_assert_value (f, "m", "1");
    fixture_crash (f);
    fixture_open (f);
    fixture_assert_value (f, "n", "102");
    fixture_assert_value (f, "m", "1");
}

/* The disk gets well only while the store is closed: what is owed is made then. */
static void
test_lazy_at_close (Fixture *f, gconstpointer data)
{
    g_atomic_int_set (&fixture_fail_sync, EIO);
    fixture_increment (f, "n", 7, RELAIS_STORE_LAZY);
    fixture_wait (f, sync_failed);
    g_atomic_int_set (&fixture_fail_sync, 0);
    fixture_close (f);
    fixture_open (f);
    fixture_assert_value (f, "n", "7");
}

/* While a sync runs a write fails: what the sync covers is acknowledged all the same. */
static void
test_both (Fixture *f, gconstpointer data)
{
    const RelaisStoreCall call = {
        .op = RELAIS_STORE_PUT, .key = "a", .key_size = 1, .value = "2", .value_size = 1};
    gint syncs = g_atomic_int_get (&fixture_n_syncs);

    g_atomic_int_set (&fixture_hold_sync, 1);
    relais_store_submit (f->store, "t", &call, NULL, NULL);
    fixture_increment (f, "n", 1, RELAIS_STORE_LAZY); /* written after the sync began, or before */
    g_atomic_int_set (&fixture_fail_write, EIO);
    assert_refused (f, fixture_increment (f, "n", 1, RELAIS_STORE_LAZY), "Input/output error");
    g_assert_cmpint (g_atomic_int_get (&fixture_n_syncs), ==, syncs);
    g_atomic_int_set (&fixture_hold_sync, 0);
    relais_store_settle (f->store);
    fixture_assert_value (f, "a", "2");
    g_atomic_int_set (&fixture_fail_write, 0);
    fixture_wait (f, all_was_paid);
    fixture_crash (f);
    fixture_open (f);
    fixture_assert_value (f, "a", "2");
    fixture_assert_value (f, "n", "1");
    g_assert_false (fixture_logged (f, "damaged"));
}

static void
test_full (Fixture *f, gconstpointer data)
{
    fixture_close (f);
    f->options.min_free_bytes = 1000;
    fixture_open (f);
    __atomic_store_n (&fixture_free_bytes, 1000, __ATOMIC_RELAXED);
    g_assert_cmpuint (fixture_put (f, "a", "2", 0), ==, RELAIS_STORE_FOUND);
    __atomic_store_n (&fixture_free_bytes, 999, __ATOMIC_RELAXED);
    assert_refused (f, fixture_put (f, "a", "3", 0), "999 octets are free");
    assert_refused (f, fixture_increment (f, "n", 1, RELAIS_STORE_LAZY), "octets are free");
    fixture_assert_value (f, "a", "2");
    g_assert_cmpuint (fixture_scan (f, "", NULL, 10), ==, RELAIS_STORE_FOUND);
    __atomic_store_n (&fixture_free_bytes, 1000, __ATOMIC_RELAXED);
    g_assert_cmpuint (fixture_put (f, "a", "3", 0), ==, RELAIS_STORE_FOUND);
}

/* A start on a disk that cannot be written to: reads are answered. */
static void
test_start (Fixture *f, gconstpointer data)
{
    fixture_close (f);
    g_atomic_int_set (&fixture_fail_sync, EIO);
    fixture_open (f);
    fixture_assert_value (f, "a", "1");
    assert_refused (f, fixture_put (f, "a", "2", 0), "Input/output error");
    g_atomic_int_set (&fixture_fail_sync, 0);
    fixture_wait (f, writes_again);
    fixture_assert_value (f, "a", "1");
}

static bool
compaction_failed (Fixture *f)
{
    return fixture_logged (f, "no snapshot could be made");
}

static bool
compaction_done (Fixture *f)
{
    SgFigures figures;

    fixture_figures (f, &figures);
    return figures.snapshot != 0 && !figures.compacting;
}

/* They are made again, too, if the index turns out to be lost when it is asked what they are added to. */
static void
test_lazy_unreadable (Fixture *f, gconstpointer data)
{
    fixture_put (f, "n", "100", 0);
    g_atomic_int_set (&fixture_fail_sync, EIO);
    g_assert_cmpuint (fixture_increment (f, "n", 1, RELAIS_STORE_LAZY), ==, RELAIS_STORE_FOUND);
    assert_refused (f, fixture_put (f, "m", "1", 0), "Input/output error");
    sg_store_ask (f->sg, break_index, NULL);
    g_atomic_int_set (&fixture_fail_sync, 0);
    fixture_wait (f, writes_again);
    fixture_assert_value (f, "n", "101");
    g_assert_false (fixture_logged (f, "a counter lost"));
    fixture_crash (f);
    fixture_open (f);
    fixture_assert_value (f, "n", "101");
}

/* A disk that has no room for the lock's pid, which is for people, is read all the same. */
static void
test_no_room_at_start (Fixture *f, gconstpointer data)
{
    struct rlimit limit, none;

    fixture_close (f);
    g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &limit), ==, 0);
    none = (struct rlimit){0, limit.rlim_max};
    signal (SIGXFSZ, SIG_IGN);
    g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &none), ==, 0);
    fixture_open (f);
    g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
    fixture_wait (f, writes_again);
    fixture_assert_value (f, "a", "1");
}

/* A snapshot that cannot be written takes nothing away. */
static void
test_compaction (Fixture *f, gconstpointer data)
{
    g_autofree char *value = g_strnfill (60000, 'v');

    for (guint i = 0; i < 40; i++) {
        g_autofree char *key = g_strdup_printf ("%u", i);

        fixture_put (f, key, value, 0);
    }
    g_atomic_int_set (&fixture_fail_write, ENOSPC);
    sg_store_compact (f->sg);
    fixture_wait (f, compaction_failed);
    fixture_assert_value (f, "a", "1");
    g_atomic_int_set (&fixture_fail_write, 0);
    g_assert_cmpuint (fixture_put (f, "a", "2", 0), ==, RELAIS_STORE_FOUND);
    sg_store_compact (f->sg);
    fixture_wait (f, compaction_done);
    fixture_crash (f);
    fixture_open (f);
    fixture_assert_value (f, "a", "2");
    fixture_assert_value (f, "39", value);
}

/* It is tried while there is something to do. */
static bool
made_eight_journals (Fixture *f)
{
    SgFigures figures;

    fixture_put (f, "c", "1", 0);
    fixture_figures (f, &figures);
    return figures.journal >= 8;
}

/* What cannot be compacted is tried ever more rarely: each try leaves a journal more. */
static void
test_compaction_again (Fixture *f, gconstpointer data)
{
    g_autofree char *value = g_strnfill (60000, 'v');
    gint64 began_us;

    fixture_close (f);
    for (guint i = 2; i < 200; i++) { /* in the way of each snapshot */
        g_autofree char *path = g_strdup_printf ("%s/new-snapshot-%u", f->dir, i);

        g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
    }
    f->options.compact_bytes = 1;
    fixture_open (f);
    began_us = g_get_monotonic_time ();
    fixture_put (f, "b", value, 0);
    fixture_wait (f, made_eight_journals);
    g_assert_cmpint (g_get_monotonic_time () - began_us, >=, 630 * 1000);
    fixture_assert_value (f, "b", value);
}

/* The index cannot be read any more: whoever asks is told so, and it is built anew. */
static void
test_index (Fixture *f, gconstpointer data)
{
    guint errors = 0;

    for (guint i = 0; i < 2000; i++) {
        g_autofree char *key = g_strdup_printf ("%u", i);

        fixture_increment (f, key, i, RELAIS_STORE_LAZY);
    }
    fixture_put (f, "a", "2", 0);
    /* All is in the index then, and nothing of it in memory: what the store wrote into the cut file by itself would
     * make it a file with holes. */
    fixture_close (f);
    fixture_open (f);
    sg_store_ask (f->sg, break_index, NULL);
    for (guint i = 0; i < 2000; i++) {
        g_autofree char *key = g_strdup_printf ("%u", i);
        g_autofree char *value = g_strdup_printf ("%u", i);

        if (fixture_get (f, key) == RELAIS_STORE_ERROR)
            errors++;
        fixture_assert_value (f, key, value);
    }
    g_assert_cmpuint (errors, ==, 1);
    g_assert_true (fixture_logged (f, "the index is lost and built anew"));
    fixture_crash (f);
    fixture_open (f);
    for (guint i = 0; i < 2000; i++) {
        g_autofree char *key = g_strdup_printf ("%u", i);

        fixture_assert_value (f, key, key);
    }
}

/* A format that a later Relais wrote is refused, and left alone. */
static void
test_format (Fixture *f, gconstpointer data)
{
    g_autofree char *path = sg_file_path (f->dir, false, 1);
    g_autofree char *content = NULL;
    g_autoptr (GError) error = NULL;
    guint64 check;
    gsize size;

    fixture_close (f);
    g_assert_true (g_file_get_contents (path, &content, &size, NULL));
    content[8] = SG_FORMAT + 1;
    check = GUINT64_TO_LE (XXH3_64bits (content, 64));
    memcpy (content + 64, &check, sizeof check);
    g_assert_true (g_file_set_contents (path, content, (gssize)size, NULL));
    error = fixture_try_open (f);
    g_assert_error (error, SG_ERROR, SG_ERROR_FORMAT);
    g_assert_nonnull (strstr (error->message, "later Relais"));
}

int
main (int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*func) (Fixture *f, gconstpointer data);
    } tests[] = {
        {"/store-gdbm/trouble/write", test_write},
        {"/store-gdbm/trouble/sync", test_sync},
        {"/store-gdbm/trouble/lazy", test_lazy},
        {"/store-gdbm/trouble/lazy-unreadable", test_lazy_unreadable},
        {"/store-gdbm/trouble/lazy-at-close", test_lazy_at_close},
        {"/store-gdbm/trouble/both", test_both},
        {"/store-gdbm/trouble/full", test_full},
        {"/store-gdbm/trouble/start", test_start},
        {"/store-gdbm/trouble/no-room-at-start", test_no_room_at_start},
        {"/store-gdbm/trouble/compaction", test_compaction},
        {"/store-gdbm/trouble/compaction-again", test_compaction_again},
        {"/store-gdbm/trouble/index", test_index},
        {"/store-gdbm/trouble/format", test_format},
    };

    g_test_init (&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
        g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].func, tear_down);
    return g_test_run ();
}
