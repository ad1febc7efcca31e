/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The fixture of store-gdbm's tests. The disk's functions are the system's unless told otherwise.
 */
#include "config.h"

#include "fixture.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

gint fixture_fail_write, fixture_fail_sync, fixture_hold_sync, fixture_n_syncs, fixture_tear,
    fixture_fast;
gint64 fixture_free_bytes = G_MAXINT64;
gint64 fixture_now_us = G_USEC_PER_SEC;

static gssize
disk_write (int fd, gconstpointer bytes, gsize size)
{
    gint failure = g_atomic_int_get (&fixture_fail_write);
    gsize torn = (gsize)g_atomic_int_get (&fixture_tear);

    if (failure == 0)
        return write (fd, bytes, size);
    if (torn > 0)
        (void)!write (fd, bytes, MIN (torn, size));
    errno = failure;
    return -1;
}

static gint
disk_sync (int fd)
{
    gint failure;

    while (g_atomic_int_get (&fixture_hold_sync) != 0)
        g_usleep (500);
    failure = g_atomic_int_get (&fixture_fail_sync);
    g_atomic_int_inc (&fixture_n_syncs);
    if (failure == 0)
        return g_atomic_int_get (&fixture_fast) != 0 ? 0 : fdatasync (fd);
    errno = failure;
    return -1;
}

static gint64
disk_free_bytes (const char *dir)
{
    return __atomic_load_n (&fixture_free_bytes, __ATOMIC_RELAXED);
}

static const SgIo disk = {disk_write, disk_sync, disk_free_bytes};

static gint64
now_us (gpointer data)
{
    return __atomic_load_n (&fixture_now_us, __ATOMIC_RELAXED);
}

static void
log_line (gpointer data, bool bad, const char *text)
{
    Fixture *f = data;

    g_mutex_lock (&f->mutex);
    g_string_append_printf (f->log, "%s%s\n", bad ? "BAD " : "", text);
    g_mutex_unlock (&f->mutex);
}

static void
remove_dir (const char *path)
{
    GDir *dir = g_dir_open (path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *full = g_build_filename (path, name, NULL);

        (void)g_remove (full);
    }
    g_clear_pointer (&dir, g_dir_close);
    g_rmdir (path);
}

/* In memory where that can be: a directory on a disk would be synced hundreds of times. */
static char *
make_dir (void)
{
    g_autofree char *path = g_build_filename (
        access ("/dev/shm", W_OK) == 0 ? "/dev/shm" : g_get_tmp_dir (), "store-gdbm-XXXXXX", NULL);

    return g_strdup (g_mkdtemp (path));
}

/* Another fixture's store may be running. */
static void
reset_orders (void)
{
    g_atomic_int_set (&fixture_fail_write, 0);
    g_atomic_int_set (&fixture_fail_sync, 0);
    g_atomic_int_set (&fixture_hold_sync, 0);
    g_atomic_int_set (&fixture_tear, 0);
    g_atomic_int_set (&fixture_fast, 0);
    __atomic_store_n (&fixture_free_bytes, G_MAXINT64, __ATOMIC_SEQ_CST);
    __atomic_store_n (&fixture_now_us, G_USEC_PER_SEC, __ATOMIC_SEQ_CST);
}

void
fixture_init (Fixture *f)
{
    *f = (Fixture){
        .dir = make_dir (), .loop = relais_loop_new (NULL, NULL), .log = g_string_new (NULL)};
    g_assert_nonnull (f->dir);
    g_mutex_init (&f->mutex);
    f->options = (SgOptions){.dir = f->dir,
                             .compact_bytes = G_MAXINT64,
                             .lazy_us = 20 * 1000,
                             .probe_us = 10 * 1000,
                             .sweep_us = 1000,
                             .io = &disk,
                             .now_us = now_us,
                             .log = log_line,
                             .data = f};
    reset_orders ();
}

void
fixture_clear (Fixture *f)
{
    fixture_close (f);
    remove_dir (f->dir);
    relais_store_reply_unref (f->reply);
    relais_loop_free (f->loop);
    g_string_free (f->log, TRUE);
    g_mutex_clear (&f->mutex);
    g_free (f->dir);
}

GError *
fixture_try_open (Fixture *f)
{
    GError *error = NULL;

    g_assert_null (f->sg);
    f->sg = sg_store_open (&f->options, &error);
    if (f->sg == NULL)
        return error;
    f->store = relais_store_new (f->loop);
    relais_store_set_backend (f->store, &sg_backend, f->sg);
    relais_store_open (f->store);
    return NULL;
}

void
fixture_open (Fixture *f)
{
    GError *error = fixture_try_open (f);

    g_assert_no_error (error);
}

void
fixture_close (Fixture *f)
{
    if (f->sg == NULL)
        return;
    relais_store_close (f->store);
    sg_store_close (f->sg);
    relais_store_free (f->store);
    f->sg = NULL;
    f->store = NULL;
}

void
fixture_write_file (const char *path, gconstpointer bytes, gsize size)
{
    FILE *file = fopen (path, "w");

    g_assert_nonnull (file);
    g_assert_cmpuint (fwrite (bytes, 1, size, file), ==, size);
    g_assert_cmpint (fclose (file), ==, 0);
}

/* Copies the files aside, closes the store, and puts the copies back. */
void
fixture_crash (Fixture *f)
{
    GHashTable *files =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
    GDir *dir = g_dir_open (f->dir, 0, NULL);
    GHashTableIter iter;
    gpointer path, bytes;
    const char *name;

    while ((name = g_dir_read_name (dir)) != NULL) {
        char *full = g_build_filename (f->dir, name, NULL);
        char *content;
        gsize size;

        g_assert_true (g_file_get_contents (full, &content, &size, NULL));
        g_hash_table_insert (files, full, g_bytes_new_take (content, size));
    }
    g_dir_close (dir);
    fixture_close (f);
    remove_dir (f->dir);
    g_mkdir (f->dir, 0700);
    g_hash_table_iter_init (&iter, files);
    while (g_hash_table_iter_next (&iter, &path, &bytes)) {
        gsize size;
        gconstpointer content = g_bytes_get_data (bytes, &size);

        fixture_write_file (path, content, size);
    }
    g_hash_table_unref (files);
}

/* --- Calls ------------------------------------------------------------------------------------ */

static void
keep_reply (gpointer data, const RelaisStoreReply *reply)
{
    ((Fixture *)data)->reply = relais_store_reply_ref (reply);
}

RelaisStoreResult
fixture_run (Fixture *f, const RelaisStoreCall *call)
{
    g_clear_pointer (&f->reply, relais_store_reply_unref);
    relais_store_submit (f->store, "t", call, keep_reply, f);
    while (f->reply == NULL)
        relais_loop_turn (f->loop, true);
    return relais_store_reply_get_result (f->reply);
}

RelaisStoreResult
fixture_get (Fixture *f, const char *key)
{
    return fixture_run (
        f, &(RelaisStoreCall){.op = RELAIS_STORE_GET, .key = key, .key_size = strlen (key)});
}

RelaisStoreResult
fixture_put (Fixture *f, const char *key, const char *value, gint64 expires_us)
{
    return fixture_run (f, &(RelaisStoreCall){.op = RELAIS_STORE_PUT,
                                              .key = key,
                                              .key_size = strlen (key),
                                              .value = value,
                                              .value_size = strlen (value),
                                              .expires_us = expires_us});
}

RelaisStoreResult
fixture_remove (Fixture *f, const char *key)
{
    return fixture_run (
        f, &(RelaisStoreCall){.op = RELAIS_STORE_REMOVE, .key = key, .key_size = strlen (key)});
}

RelaisStoreResult
fixture_increment (Fixture *f, const char *key, gint64 delta, RelaisStoreFlags flags)
{
    return fixture_run (f, &(RelaisStoreCall){.op = RELAIS_STORE_INCREMENT,
                                              .flags = flags,
                                              .key = key,
                                              .key_size = strlen (key),
                                              .delta = delta});
}

RelaisStoreResult
fixture_compare (Fixture *f, const char *key, const char *expected, const char *value)
{
    return fixture_run (
        f, &(RelaisStoreCall){.op = RELAIS_STORE_COMPARE_AND_SET,
                              .key = key,
                              .key_size = strlen (key),
                              .expected = expected,
                              .expected_size = expected != NULL ? strlen (expected) : 0,
                              .value = value,
                              .value_size = value != NULL ? strlen (value) : 0});
}

RelaisStoreResult
fixture_scan (Fixture *f, const char *prefix, const char *after, guint32 limit)
{
    return fixture_run (f, &(RelaisStoreCall){.op = RELAIS_STORE_SCAN,
                                              .key = prefix,
                                              .key_size = strlen (prefix),
                                              .after = after,
                                              .after_size = after != NULL ? strlen (after) : 0,
                                              .limit = limit});
}

void
fixture_assert_value (Fixture *f, const char *key, const char *value)
{
    RelaisStoreResult result = fixture_get (f, key);
    gsize size = 0;
    gconstpointer bytes = relais_store_reply_get_value (f->reply, &size);
    g_autofree char *found = NULL;

    g_assert_cmpstr (fixture_error (f), ==, NULL);
    g_assert_cmpuint (result, ==, value != NULL ? RELAIS_STORE_FOUND : RELAIS_STORE_ABSENT);
    found = bytes != NULL ? g_strndup (bytes, size) : NULL;
    g_assert_cmpstr (found, ==, value);
}

const char *
fixture_error (Fixture *f)
{
    return relais_store_reply_get_error (f->reply);
}

char *
fixture_rows (Fixture *f)
{
    GString *text = g_string_new (NULL);
    gconstpointer key, value;
    gsize key_size, value_size;

    for (guint i = 0;
         relais_store_reply_get_row (f->reply, i, &key, &key_size, &value, &value_size); i++) {
        g_autofree char *k = g_strndup (key, key_size);
        g_autofree char *v = g_strndup (value, value_size);

        g_string_append_printf (text, "%s%s=%s", i > 0 ? " " : "", k, v);
    }
    if (relais_store_reply_get_more (f->reply))
        g_string_append (text, " ...");
    return g_string_free (text, FALSE);
}

bool
fixture_logged (Fixture *f, const char *words)
{
    bool found;

    g_mutex_lock (&f->mutex);
    found = strstr (f->log->str, words) != NULL;
    g_mutex_unlock (&f->mutex);
    return found;
}

void
fixture_wait (Fixture *f, bool (*check) (Fixture *f))
{
    const gint64 until = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;

    while (!check (f)) {
        g_assert_cmpint (g_get_monotonic_time (), <, until);
        g_usleep (1000);
    }
}

void
fixture_figures (Fixture *f, SgFigures *figures)
{
    sg_store_figures (f->sg, figures);
    g_clear_pointer (&figures->trouble, g_free);
    g_clear_pointer (&figures->compaction, g_free);
}
