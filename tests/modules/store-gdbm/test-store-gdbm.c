/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * store-gdbm as a store: the operations, before and after a restart, before and after their sync; scans in
 * order; expiry and the sweep; compaction.
 */
#include "config.h"

#include "fixture.h"

#include <glib/gstdio.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <string.h>

static void
set_up (Fixture *f, gconstpointer data)
{
    fixture_init (f);
    fixture_open (f);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
    fixture_clear (f);
}

static void
reopen (Fixture *f)
{
    fixture_close (f);
    fixture_open (f);
}

/* --- Operations ------------------------------------------------------------------------------- */

static void
operations (Fixture *f)
{
    fixture_assert_value (f, "k", NULL);
    g_assert_cmpuint (fixture_put (f, "k", "one", 0), ==, RELAIS_STORE_FOUND);
    fixture_assert_value (f, "k", "one");
    g_assert_cmpuint (fixture_put (f, "k", "", 0), ==, RELAIS_STORE_FOUND);
    fixture_assert_value (f, "k", "");
    g_assert_cmpuint (fixture_remove (f, "k"), ==, RELAIS_STORE_FOUND);
    g_assert_cmpuint (fixture_remove (f, "k"), ==, RELAIS_STORE_ABSENT);
    fixture_assert_value (f, "k", NULL);
    g_assert_cmpuint (fixture_increment (f, "n", 5, 0), ==, RELAIS_STORE_FOUND);
    g_assert_cmpint (relais_store_reply_get_number (f->reply), ==, 5);
    g_assert_cmpuint (fixture_increment (f, "n", -7, RELAIS_STORE_LAZY), ==, RELAIS_STORE_FOUND);
    g_assert_cmpint (relais_store_reply_get_number (f->reply), ==, -2);
    fixture_assert_value (f, "n", "-2");
    g_assert_cmpuint (fixture_compare (f, "c", "x", "y"), ==, RELAIS_STORE_CONFLICT);
    g_assert_null (relais_store_reply_get_value (f->reply, NULL));
    g_assert_cmpuint (fixture_compare (f, "c", NULL, "one"), ==, RELAIS_STORE_FOUND);
    g_assert_cmpuint (fixture_compare (f, "c", NULL, "two"), ==, RELAIS_STORE_CONFLICT);
    g_assert_cmpuint (fixture_compare (f, "c", "one", "two"), ==, RELAIS_STORE_FOUND);
    g_assert_cmpuint (fixture_compare (f, "c", "two", NULL), ==, RELAIS_STORE_FOUND);
    g_assert_cmpuint (fixture_compare (f, "c", NULL, NULL), ==, RELAIS_STORE_FOUND);
    fixture_assert_value (f, "c", NULL);
    fixture_remove (f, "n");
}

static void
test_operations (Fixture *f, gconstpointer data)
{
    operations (f);
    reopen (f);
    operations (f);
}

static void
test_numbers (Fixture *f, gconstpointer data)
{
    static const char *const bad[] = {
        "", "x", "1x", " 1", "9223372036854775808", "000000000000000000001"};

    fixture_put (f, "n", "9223372036854775806", 0);
    g_assert_cmpuint (fixture_increment (f, "n", 1, 0), ==, RELAIS_STORE_FOUND);
    g_assert_cmpuint (fixture_increment (f, "n", 1, 0), ==, RELAIS_STORE_ERROR);
    g_assert_nonnull (strstr (fixture_error (f), "64 bits"));
    fixture_assert_value (f, "n", "9223372036854775807");
    fixture_put (f, "n", "-9223372036854775808", 0);
    g_assert_cmpuint (fixture_increment (f, "n", -1, RELAIS_STORE_LAZY), ==, RELAIS_STORE_ERROR);
    g_assert_cmpuint (fixture_increment (f, "n", G_MAXINT64, 0), ==, RELAIS_STORE_FOUND);
    fixture_assert_value (f, "n", "-1");
    for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
        fixture_put (f, "n", bad[i], 0);
        g_assert_cmpuint (fixture_increment (f, "n", 1, 0), ==, RELAIS_STORE_ERROR);
        g_assert_nonnull (strstr (fixture_error (f), "no number"));
        fixture_assert_value (f, "n", bad[i]);
    }
}

static void
test_limits (Fixture *f, gconstpointer data)
{
    g_autofree char *key = g_strnfill (RELAIS_STORE_KEY_BYTES, 'k');
    g_autofree char *value = g_strnfill (RELAIS_STORE_VALUE_BYTES, 'v');

    g_assert_cmpuint (fixture_put (f, key, value, 0), ==, RELAIS_STORE_FOUND);
    fixture_assert_value (f, key, value);
    reopen (f);
    fixture_assert_value (f, key, value);
    fixture_crash (f);
    fixture_open (f);
    fixture_assert_value (f, key, value);
}

/* --- Restarts --------------------------------------------------------------------------------- */

static void
test_restart (Fixture *f, gconstpointer data)
{
    fixture_put (f, "a", "1", 0);
    fixture_put (f, "b", "2", 0);
    fixture_remove (f, "a");
    fixture_increment (f, "n", 41, RELAIS_STORE_LAZY);
    reopen (f);
    g_assert_false (fixture_logged (f, "built anew"));
    fixture_assert_value (f, "a", NULL);
    fixture_assert_value (f, "b", "2");
    fixture_increment (f, "n", 1, 0);
    fixture_crash (f);
    fixture_open (f);
    fixture_assert_value (f, "a", NULL);
    fixture_assert_value (f, "b", "2");
    fixture_assert_value (f, "n", "42");
    g_assert_true (fixture_logged (f, "built anew: "));
}

/* Every way in which an index is not what the journal says: it is built anew. */
static void
test_index (Fixture *f, gconstpointer data)
{
    g_autofree char *index = g_build_filename (f->dir, "index.gdbm", NULL);
    g_autofree char *sum = g_build_filename (f->dir, "index.gdbm.sum", NULL);
    g_autofree char *old = NULL, *old_sum = NULL, *content = NULL;
    gsize old_size, sum_size, size;

    fixture_put (f, "a", "1", 0);
    fixture_close (f);
    g_file_get_contents (index, &old, &old_size, NULL);
    g_file_get_contents (sum, &old_sum, &sum_size, NULL);
    fixture_open (f);
    fixture_put (f, "a", "2", 0);
    fixture_close (f);
    g_file_set_contents (index, old, (gssize)old_size, NULL); /* of an earlier moment */
    g_file_set_contents (sum, old_sum, (gssize)sum_size, NULL);
    fixture_open (f);
    fixture_assert_value (f, "a", "2");
    g_assert_true (fixture_logged (f, "not of the same moment"));
    fixture_close (f);
    g_file_set_contents (index, "garbage", -1, NULL);
    fixture_open (f);
    fixture_assert_value (f, "a", "2");
    fixture_close (f);
    g_file_get_contents (index, &content, &size, NULL);
    g_file_set_contents (index, content, (gssize)size / 2, NULL);
    fixture_open (f);
    fixture_assert_value (f, "a", "2");
    fixture_close (f);
    g_unlink (index);
    fixture_open (f);
    fixture_assert_value (f, "a", "2");
}

/* An index of another store, whatever it looks like. */
static void
test_foreign_index (Fixture *f, gconstpointer data)
{
    g_autofree char *index = g_build_filename (f->dir, "index.gdbm", NULL);
    g_autofree char *sum = g_build_filename (f->dir, "index.gdbm.sum", NULL);
    g_autofree char *foreign = NULL, *foreign_sum = NULL;
    gsize size, sum_size;
    Fixture other;

    fixture_init (&other);
    fixture_open (&other);
    fixture_put (f, "a", "1", 0);
    fixture_put (&other, "a", "9", 0);
    fixture_close (f);
    fixture_close (&other);
    {
        g_autofree char *path = g_build_filename (other.dir, "index.gdbm", NULL);
        g_autofree char *beside = g_build_filename (other.dir, "index.gdbm.sum", NULL);

        g_file_get_contents (path, &foreign, &size, NULL);
        g_file_get_contents (beside, &foreign_sum, &sum_size, NULL);
    }
    g_file_set_contents (index, foreign, (gssize)size, NULL);
    g_file_set_contents (sum, foreign_sum, (gssize)sum_size, NULL);
    fixture_clear (&other);
    fixture_open (f);
    fixture_assert_value (f, "a", "1");
    g_assert_true (fixture_logged (f, "another store"));
}

static void
test_locked (Fixture *f, gconstpointer data)
{
    Fixture second;
    g_autoptr (GError) error = NULL;

    fixture_init (&second);
    second.options.dir = f->dir;
    error = fixture_try_open (&second);
    g_assert_error (error, SG_ERROR, SG_ERROR_LOCKED);
    g_assert_nonnull (strstr (error->message, "another process has this store"));
    fixture_put (f, "a", "1", 0);
    fixture_assert_value (f, "a", "1");
    fixture_clear (&second);
}

/* --- Order of syncs --------------------------------------------------------------------------- */

typedef struct {
    GString *order;
    const char *name;
} Note;

static void
note (gpointer data, const RelaisStoreReply *reply)
{
    const Note *n = data;

    g_string_append_printf (n->order, "%s:%u ", n->name, relais_store_reply_get_result (reply));
}

static void
submit (Fixture *f, const RelaisStoreCall *call, Note *n)
{
    relais_store_submit (f->store, "t", call, note, n);
}

static bool
all_but_three_ended (Fixture *f)
{
    relais_loop_turn (f->loop, false);
    return relais_store_n_waiting (f->store) == 3;
}

/* While a sync runs: a write waits for it, who reads that write waits too, and all others do not. What came
 * in meanwhile shares one more sync. */
static void
test_sync (Fixture *f, gconstpointer data)
{
    g_autoptr (GString) order = g_string_new (NULL);
    Note notes[] = {{order, "put"},  {order, "read"},  {order, "other"},
                    {order, "lazy"}, {order, "count"}, {order, "again"}};
    gint syncs;

    fixture_put (f, "other", "x", 0);
    syncs = g_atomic_int_get (&fixture_n_syncs);
    g_atomic_int_set (&fixture_hold_sync, 1);
    submit (f,
            &(RelaisStoreCall){
                .op = RELAIS_STORE_PUT, .key = "k", .key_size = 1, .value = "v", .value_size = 1},
            &notes[0]);
    submit (f, &(RelaisStoreCall){.op = RELAIS_STORE_GET, .key = "k", .key_size = 1}, &notes[1]);
    submit (f, &(RelaisStoreCall){.op = RELAIS_STORE_GET, .key = "other", .key_size = 5},
            &notes[2]);
    submit (f,
            &(RelaisStoreCall){.op = RELAIS_STORE_INCREMENT,
                               .flags = RELAIS_STORE_LAZY,
                               .key = "n",
                               .key_size = 1,
                               .delta = 1},
            &notes[3]);
    submit (f, &(RelaisStoreCall){.op = RELAIS_STORE_GET, .key = "n", .key_size = 1}, &notes[4]);
    submit (f, &(RelaisStoreCall){.op = RELAIS_STORE_REMOVE, .key = "other", .key_size = 5},
            &notes[5]);
    fixture_wait (f, all_but_three_ended);
    relais_loop_turn (f->loop, false);
    g_assert_null (strstr (order->str, "put"));
    g_assert_null (strstr (order->str, "read"));
    g_assert_null (strstr (order->str, "again"));
    g_assert_nonnull (strstr (order->str, "other:1"));
    g_assert_nonnull (strstr (order->str, "lazy:1"));
    g_assert_nonnull (strstr (order->str, "count:1"));
    g_atomic_int_set (&fixture_hold_sync, 0);
    relais_store_settle (f->store);
    g_assert_nonnull (strstr (order->str, "put:1"));
    g_assert_nonnull (strstr (order->str, "read:1"));
    g_assert_nonnull (strstr (order->str, "again:1"));
    g_assert_cmpint (g_atomic_int_get (&fixture_n_syncs) - syncs, <=, 6);
}

static void
count_reply (gpointer data, const RelaisStoreReply *reply)
{
    guint *counts = data;

    counts[relais_store_reply_get_result (reply)]++;
}

/* A thousand writes that wait for a sync share the one after it. */
static void
test_group (Fixture *f, gconstpointer data)
{
    guint counts[4] = {0};
    gint syncs;

    fixture_put (f, "first", "x", 0);
    syncs = g_atomic_int_get (&fixture_n_syncs);
    g_atomic_int_set (&fixture_hold_sync, 1);
    for (guint i = 0; i < 1000; i++) {
        g_autofree char *key = g_strdup_printf ("%u", i);

        relais_store_submit (f->store, "t",
                             &(RelaisStoreCall){.op = RELAIS_STORE_PUT,
                                                .key = key,
                                                .key_size = strlen (key),
                                                .value = key,
                                                .value_size = strlen (key)},
                             count_reply, counts);
    }
    g_atomic_int_set (&fixture_hold_sync, 0);
    relais_store_settle (f->store);
    g_assert_cmpuint (counts[RELAIS_STORE_FOUND], ==, 1000);
    g_assert_cmpint (g_atomic_int_get (&fixture_n_syncs) - syncs, <, 100);
    fixture_assert_value (f, "999", "999");
}

static bool
lazy_was_synced (Fixture *f)
{
    SgFigures figures;

    fixture_figures (f, &figures);
    return figures.syncs > 0;
}

static void
test_lazy (Fixture *f, gconstpointer data)
{
    for (guint i = 0; i < 10; i++)
        fixture_increment (f, "n", 1, RELAIS_STORE_LAZY);
    fixture_wait (f, lazy_was_synced);
    fixture_assert_value (f, "n", "10");
    /* More keys than wait for their time are synced before it. */
    fixture_close (f);
    f->options.lazy_us = G_MAXINT32 * G_GINT64_CONSTANT (1000000);
    fixture_open (f);
    for (guint i = 0; i < SG_LAZY_KEYS; i++) {
        g_autofree char *key = g_strdup_printf ("%u", i);

        fixture_increment (f, key, 1, RELAIS_STORE_LAZY);
    }
    fixture_wait (f, lazy_was_synced);
}

/* --- Scans ------------------------------------------------------------------------------------ */

static void
assert_scan (Fixture *f, const char *prefix, const char *after, guint32 limit, const char *rows)
{
    RelaisStoreResult result = fixture_scan (f, prefix, after, limit);
    g_autofree char *found = fixture_rows (f);

    g_assert_cmpuint (result, ==, rows[0] != '\0' ? RELAIS_STORE_FOUND : RELAIS_STORE_ABSENT);
    g_assert_cmpstr (found, ==, rows);
}

static void
test_scan (Fixture *f, gconstpointer data)
{
    static const char *const keys[] = {"b", "aa", "a", "ab", "aaa", "c"};

    relais_store_submit (
        f->store, "other",
        &(RelaisStoreCall){
            .op = RELAIS_STORE_PUT, .key = "a", .key_size = 1, .value = "x", .value_size = 1},
        NULL, NULL);
    for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
        fixture_put (f, keys[i], keys[i], 0);
    for (guint round = 0; round < 2; round++) {
        assert_scan (f, "", NULL, 10, "a=a aa=aa aaa=aaa ab=ab b=b c=c");
        assert_scan (f, "aa", NULL, 10, "aa=aa aaa=aaa");
        assert_scan (f, "a", "aa", 10, "aaa=aaa ab=ab");
        assert_scan (f, "", NULL, 2, "a=a aa=aa ...");
        assert_scan (f, "", "aa", 2, "aaa=aaa ab=ab ...");
        assert_scan (f, "", "ab", 2, "b=b c=c");
        assert_scan (f, "", "c", 2, "");
        assert_scan (f, "b", "a", 2, "b=b");
        assert_scan (f, "a", "b", 2, "");
        assert_scan (f, "x", NULL, 2, "");
        reopen (f);
    }
    /* What is put and removed between two pages. */
    assert_scan (f, "", NULL, 2, "a=a aa=aa ...");
    fixture_put (f, "aaaa", "new", 0);
    fixture_put (f, "a", "old", 0);
    fixture_remove (f, "ab");
    fixture_put (f, "d", "end", 0);
    assert_scan (f, "", "aa", 10, "aaa=aaa aaaa=new b=b c=c d=end");
}

/* Rows that are not synced yet come with their sync. */
static void
test_scan_waits (Fixture *f, gconstpointer data)
{
    const RelaisStoreCall scan = {.op = RELAIS_STORE_SCAN, .key = "", .limit = 10};
    const RelaisStoreCall put = {
        .op = RELAIS_STORE_PUT, .key = "b", .key_size = 1, .value = "v", .value_size = 1};
    guint counts[4] = {0};

    fixture_put (f, "a", "1", 0);
    g_atomic_int_set (&fixture_hold_sync, 1);
    relais_store_submit (f->store, "t", &put, count_reply, counts);
    relais_store_submit (f->store, "t", &scan, count_reply, counts);
    for (guint i = 0; i < 20; i++) {
        g_usleep (500);
        relais_loop_turn (f->loop, false);
    }
    g_assert_cmpuint (counts[RELAIS_STORE_FOUND], ==, 0);
    g_atomic_int_set (&fixture_hold_sync, 0);
    relais_store_settle (f->store);
    g_assert_cmpuint (counts[RELAIS_STORE_FOUND], ==, 2);
}

/* More keys than a listing holds: each of them once, in order. */
static void
test_scan_many (Fixture *f, gconstpointer data)
{
    enum { KEYS = SG_LISTING_KEYS * 2 + 500 };
    g_autofree char *after = NULL;
    guint n = 0, counts[4] = {0};

    for (guint i = 0; i < KEYS; i++) {
        g_autofree char *key = g_strdup_printf ("%08x", i * 2654435761u);

        relais_store_submit (f->store, "t",
                             &(RelaisStoreCall){.op = RELAIS_STORE_INCREMENT,
                                                .flags = RELAIS_STORE_LAZY,
                                                .key = key,
                                                .key_size = 8,
                                                .delta = 1},
                             count_reply, counts);
        if (i % 10000 == 0)
            relais_store_settle (f->store);
    }
    relais_store_settle (f->store);
    g_assert_cmpuint (counts[RELAIS_STORE_FOUND], ==, KEYS);
    while (fixture_scan (f, "", after, 1000) == RELAIS_STORE_FOUND) {
        gconstpointer key, value;
        gsize key_size, value_size;

        for (guint i = 0;
             relais_store_reply_get_row (f->reply, i, &key, &key_size, &value, &value_size); i++) {
            g_autofree char *next = g_strndup (key, key_size);

            g_assert_true (after == NULL || strcmp (after, next) < 0);
            g_free (after);
            after = g_steal_pointer (&next);
            n++;
        }
    }
    g_assert_cmpuint (relais_store_reply_get_result (f->reply), ==, RELAIS_STORE_ABSENT);
    g_assert_cmpuint (n, ==, KEYS);
}

/* Rows of one page stay within so many octets. */
static void
test_scan_large (Fixture *f, gconstpointer data)
{
    g_autofree char *value = g_strnfill (RELAIS_STORE_VALUE_BYTES, 'v');
    enum { FIT = SG_PAGE_BYTES / RELAIS_STORE_VALUE_BYTES };

    for (guint i = 0; i < FIT + 1; i++) {
        g_autofree char *key = g_strdup_printf ("%03u", i);

        fixture_put (f, key, value, 0);
    }
    g_assert_cmpuint (fixture_scan (f, "", NULL, 1000), ==, RELAIS_STORE_FOUND);
    g_assert_cmpuint (relais_store_reply_n_rows (f->reply), ==, FIT);
    g_assert_true (relais_store_reply_get_more (f->reply));
}

/* --- Between journal and index ------------------------------------------------------------------ */

static void
count_settled (SgStore *store, gpointer data)
{
    *(guint *)data = g_hash_table_size (store->settled->entries);
}

/* How many keys are synced, and not in the index. */
static guint
settled (Fixture *f)
{
    guint n = 0;

    sg_store_ask (f->sg, count_settled, &n);
    return n;
}

/* What is not in the index yet is read, changed, removed and listed as if it were; a close puts it there, and
 * after a crash the journal has it. */
static void
test_settled (Fixture *f, gconstpointer data)
{
    fixture_put (f, "old", "1", 0);
    fixture_put (f, "gone", "1", 0);
    fixture_close (f);
    f->options.settle_us = G_MAXINT32 * G_GINT64_CONSTANT (1000000);
    fixture_open (f);
    g_assert_cmpuint (settled (f), ==, 0);
    fixture_put (f, "old", "2", 0);
    fixture_put (f, "new", "1", 0);
    fixture_increment (f, "n", 41, 0);
    fixture_increment (f, "n", 1, RELAIS_STORE_LAZY);
    fixture_remove (f, "gone");
    fixture_put (f, "end", "1", 0);
    g_assert_cmpuint (settled (f), ==, 5);
    fixture_assert_value (f, "old", "2");
    fixture_assert_value (f, "n", "42");
    fixture_assert_value (f, "gone", NULL);
    assert_scan (f, "", NULL, 10, "end=1 n=42 new=1 old=2");
    fixture_close (f);
    fixture_open (f);
    g_assert_false (fixture_logged (f, "built anew"));
    g_assert_cmpuint (settled (f), ==, 0);
    fixture_assert_value (f, "n", "42");
    fixture_assert_value (f, "gone", NULL);
    fixture_put (f, "gone", "3", 0);
    fixture_crash (f);
    fixture_open (f);
    fixture_assert_value (f, "gone", "3");
    fixture_assert_value (f, "n", "42");
}

/* More keys, or octets, than it holds go into the index before their time. */
static void
test_settled_limits (Fixture *f, gconstpointer data)
{
    g_autofree char *value = g_strnfill (RELAIS_STORE_VALUE_BYTES, 'v');

    g_atomic_int_set (&fixture_fast, 1);
    fixture_close (f);
    f->options.settle_us = G_MAXINT32 * G_GINT64_CONSTANT (1000000);
    fixture_open (f);
    for (guint i = 0; i < SG_SETTLED_KEYS - 1; i++) {
        g_autofree char *key = g_strdup_printf ("%u", i);

        fixture_increment (f, key, 1, RELAIS_STORE_LAZY);
    }
    fixture_put (f, "sync", "1", 0);
    while (settled (f) == SG_SETTLED_KEYS)
        relais_loop_turn (f->loop, false);
    g_assert_cmpuint (settled (f), >, 0);
    fixture_close (f);
    fixture_open (f);
    for (guint i = 0; i < SG_SETTLED_BYTES / RELAIS_STORE_VALUE_BYTES; i++) {
        g_autofree char *key = g_strdup_printf ("large%u", i);

        g_assert_cmpuint (settled (f), ==, i);
        fixture_put (f, key, value, 0);
    }
    while (settled (f) > 0)
        relais_loop_turn (f->loop, false);
    fixture_assert_value (f, "large0", value);
}

/* --- Expiry ----------------------------------------------------------------------------------- */

static void
pass_time (gint64 us)
{
    __atomic_fetch_add (&fixture_now_us, us, __ATOMIC_RELAXED);
}

static bool
one_was_swept (Fixture *f)
{
    SgFigures figures;

    fixture_figures (f, &figures);
    return figures.swept == 1;
}

static void
test_expiry (Fixture *f, gconstpointer data)
{
    fixture_put (f, "k", "v", fixture_now_us + 10);
    fixture_put (f, "stays", "v", 0);
    pass_time (9);
    fixture_assert_value (f, "k", "v");
    g_assert_cmpint (relais_store_reply_get_expires_us (f->reply), ==, fixture_now_us + 1);
    pass_time (1);
    fixture_assert_value (f, "k", NULL);
    assert_scan (f, "", NULL, 10, "stays=v");
    fixture_wait (f, one_was_swept);
    fixture_assert_value (f, "k", NULL);
    g_assert_cmpuint (fixture_compare (f, "k", NULL, "again"), ==, RELAIS_STORE_FOUND);
    fixture_assert_value (f, "k", "again");
    fixture_crash (f);
    fixture_open (f);
    fixture_assert_value (f, "k", "again");
}

/* A value that expired does not let the one before it through, however the store is read. */
static void
test_expired_overwrite (Fixture *f, gconstpointer data)
{
    fixture_put (f, "k", "old", 0);
    fixture_put (f, "k", "new", fixture_now_us + 10);
    pass_time (10);
    fixture_assert_value (f, "k", NULL);
    fixture_crash (f);
    fixture_open (f);
    fixture_assert_value (f, "k", NULL);
    g_assert_cmpuint (fixture_increment (f, "k", 3, 0), ==, RELAIS_STORE_FOUND);
    fixture_assert_value (f, "k", "3");
}

/* --- Compaction ------------------------------------------------------------------------------- */

static bool
is_compacted (Fixture *f)
{
    SgFigures figures;

    fixture_figures (f, &figures);
    return figures.snapshot != 0 && !figures.compacting;
}

static guint
n_files (Fixture *f, const char *prefix)
{
    GDir *dir = g_dir_open (f->dir, 0, NULL);
    const char *name;
    guint n = 0;

    while ((name = g_dir_read_name (dir)) != NULL)
        n += g_str_has_prefix (name, prefix);
    g_dir_close (dir);
    return n;
}

static bool
second_snapshot (Fixture *f)
{
    SgFigures figures;

    fixture_figures (f, &figures);
    return figures.snapshot == 3 && !figures.compacting;
}

static bool
third_snapshot (Fixture *f)
{
    SgFigures figures;

    fixture_figures (f, &figures);
    return figures.snapshot == 4 && !figures.compacting;
}

static void
test_compaction (Fixture *f, gconstpointer data)
{
    for (guint i = 0; i < 500; i++) {
        g_autofree char *key = g_strdup_printf ("%u", i % 50);
        g_autofree char *value = g_strdup_printf ("%u", i);

        fixture_put (f, key, value, i % 50 == 7 ? fixture_now_us + 10 : 0);
    }
    fixture_remove (f, "13");
    pass_time (10);
    sg_store_compact (f->sg);
    fixture_wait (f, is_compacted);
    fixture_put (f, "0", "after", 0);
    g_assert_cmpuint (n_files (f, "journal-"), ==, 2);
    sg_store_compact (f->sg);
    fixture_wait (f, second_snapshot);
    /* The older generation is still there. */
    g_assert_cmpuint (n_files (f, "snapshot-"), ==, 2);
    g_assert_cmpuint (n_files (f, "journal-"), ==, 2);
    sg_store_compact (f->sg);
    fixture_wait (f, third_snapshot);
    g_assert_cmpuint (n_files (f, "snapshot-"), ==, 2);
    g_assert_cmpuint (n_files (f, "journal-"), ==, 2);
    fixture_crash (f);
    fixture_open (f);
    fixture_assert_value (f, "0", "after");
    fixture_assert_value (f, "7", NULL);
    fixture_assert_value (f, "13", NULL);
    fixture_assert_value (f, "49", "499");
    g_assert_false (fixture_logged (f, "BAD"));
}

/* A journal that exceeds the limit is compacted without being asked, while requests go on. */
static void
test_compaction_by_size (Fixture *f, gconstpointer data)
{
    g_autofree char *value = g_strnfill (1000, 'v');
    SgFigures figures;

    fixture_close (f);
    f->options.compact_bytes = 65536;
    fixture_open (f);
    for (guint i = 0; i < 50; i++)
        fixture_put (f, "k", value, 0);
    fixture_figures (f, &figures);
    g_assert_cmpuint (figures.snapshot, ==, 0);
    for (guint i = 0; i < 500; i++)
        fixture_put (f, "k", value, 0);
    fixture_wait (f, is_compacted);
    fixture_figures (f, &figures);
    g_assert_cmpuint (figures.snapshot_bytes, <, 2000);
    reopen (f);
    fixture_assert_value (f, "k", value);
}

/* --- Threads ---------------------------------------------------------------------------------- */

enum { THREADS = 4, COUNTS = 100 };

static gpointer
count_up (gpointer data)
{
    Fixture *f = data;
    RelaisStoreCall call = {.op = RELAIS_STORE_INCREMENT, .key = "n", .key_size = 1, .delta = 1};

    for (guint i = 0; i < COUNTS; i++) {
        g_autoptr (RelaisStoreReply) reply = NULL;

        call.flags = RELAIS_STORE_LAZY;
        relais_store_submit (f->store, "t", &call, NULL, NULL);
        call.flags = 0;
        reply = relais_store_submit_wait (f->store, "t", &call);
        g_assert_cmpuint (relais_store_reply_get_result (reply), ==, RELAIS_STORE_FOUND);
    }
    return NULL;
}

static void
test_threads (Fixture *f, gconstpointer data)
{
    GThread *threads[THREADS];

    for (guint i = 0; i < THREADS; i++)
        threads[i] = g_thread_new ("worker", count_up, f);
    sg_store_compact (f->sg);
    for (guint i = 0; i < THREADS; i++)
        g_thread_join (threads[i]);
    fixture_assert_value (f, "n", "800");
    fixture_crash (f);
    fixture_open (f);
    fixture_assert_value (f, "n", "800");
}

/* What the store needs in memory does not grow with what is in it. */
static void
test_memory (Fixture *f, gconstpointer data)
{
#ifdef __GLIBC__
    enum { FIRST = 12000, MANY = 48000, MOST_BYTES = 512 << 10 };
    gsize before = 0;

    g_atomic_int_set (&fixture_fast, 1);
    for (guint i = 0; i < MANY; i++) {
        g_autofree char *key = g_strdup_printf ("counter of recipient %u", i);

        g_assert_cmpint (fixture_put (f, key, "1", 0), ==, RELAIS_STORE_FOUND);
        if (i == FIRST)
            before = mallinfo2 ().uordblks;
    }
    g_assert_cmpuint (mallinfo2 ().uordblks, <, before + MOST_BYTES);
    fixture_assert_value (f, "counter of recipient 7", "1");
    g_atomic_int_set (&fixture_fast, 0);
#endif
}

int
main (int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*func) (Fixture *f, gconstpointer data);
    } tests[] = {
        {"/store-gdbm/operations", test_operations},
        {"/store-gdbm/numbers", test_numbers},
        {"/store-gdbm/limits", test_limits},
        {"/store-gdbm/restart", test_restart},
        {"/store-gdbm/index", test_index},
        {"/store-gdbm/foreign-index", test_foreign_index},
        {"/store-gdbm/locked", test_locked},
        {"/store-gdbm/sync", test_sync},
        {"/store-gdbm/group", test_group},
        {"/store-gdbm/lazy", test_lazy},
        {"/store-gdbm/scan", test_scan},
        {"/store-gdbm/scan-waits", test_scan_waits},
        {"/store-gdbm/scan-many", test_scan_many},
        {"/store-gdbm/scan-large", test_scan_large},
        {"/store-gdbm/settled", test_settled},
        {"/store-gdbm/settled-limits", test_settled_limits},
        {"/store-gdbm/expiry", test_expiry},
        {"/store-gdbm/expired-overwrite", test_expired_overwrite},
        {"/store-gdbm/compaction", test_compaction},
        {"/store-gdbm/compaction-by-size", test_compaction_by_size},
        {"/store-gdbm/threads", test_threads},
        {"/store-gdbm/memory", test_memory},
    };

    g_test_init (&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
        g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].func, tear_down);
    return g_test_run ();
}
