/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The index of deliveries: what was delivered is found by name and by Message-ID, wherever its line is kept;
 * what is not in the log is absent only when all of it was read; the index's files may be deleted or damaged
 * at any time.
 */
#include "config.h"

#include "event/index-private.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "event/files-private.h"

#define DAY_ONE (G_GINT64_CONSTANT (1782000000) * RELAIS_USEC_PER_SEC) /* 2026-06-21 UTC */

typedef struct {
    RelaisClock clock;
    gint64 wall_us; /* atomic enough: changed while nothing is queued */
} TestClock;

static gint64
test_wall (const RelaisClock *self)
{
    return ((const TestClock *)self)->wall_us;
}

static gint64
test_mono (const RelaisClock *self)
{
    return g_get_monotonic_time ();
}

typedef struct {
    TestClock clock;
    RelaisLoop *loop;
    char *dir;
    RelaisEventLog *log;
    guint64 seq;
} Bed;

static void
open_log (Bed *bed)
{
    GError *error = NULL;

    bed->log = relais_event_log_open (bed->dir, bed->loop, &error);
    g_assert_no_error (error);
}

static void
restart (Bed *bed)
{
    relais_event_log_close (bed->log);
    open_log (bed);
}

static void
set_up (Bed *bed, gconstpointer data)
{
    *bed = (Bed){.clock = {{test_wall, test_mono}, DAY_ONE}};
    bed->loop = relais_loop_new (&bed->clock.clock, NULL);
    bed->dir = g_dir_make_tmp ("relais-index-XXXXXX", NULL);
    g_assert_nonnull (bed->dir);
    open_log (bed);
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
    return strcmp (*(const char *const *)a, *(const char *const *)b);
}

/* Names of the index's files, as "events-20260621.0.idx ...". */
static char *
list_files (Bed *bed)
{
    g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
    GDir *dir = g_dir_open (bed->dir, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name (dir)) != NULL)
        if (strstr (name, ".idx") != NULL)
            g_ptr_array_add (names, g_strdup (name));
    g_dir_close (dir);
    g_ptr_array_sort (names, compare_names);
    g_ptr_array_add (names, NULL);
    return g_strjoinv (" ", (char **)names->pdata);
}

static void
remove_all (Bed *bed, const char *part)
{
    GDir *dir = g_dir_open (bed->dir, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *path = g_build_filename (bed->dir, name, NULL);

        if (strstr (name, part) != NULL)
            g_unlink (path);
    }
    g_dir_close (dir);
}

static void
tear_down (Bed *bed, gconstpointer data)
{
    relais_event_log_close (bed->log);
    remove_all (bed, "");
    g_rmdir (bed->dir);
    g_free (bed->dir);
    relais_loop_free (bed->loop);
}

static void
append (Bed *bed, const char *type, const char *queue_id, guint32 number, const char *message_id,
        const char *recipient)
{
    RelaisEventLine *line =
        relais_event_line_new (type, bed->clock.wall_us, queue_id, (int)number, 1);
    g_autoptr (GBytes) bytes = NULL;

    relais_event_line_add (line, "message_id", message_id);
    relais_event_line_add (line, "sender", "news@sender.test");
    relais_event_line_add (line, "recipient", recipient);
    relais_event_line_add (line, "tenant", "acme");
    bytes = relais_event_line_end (line);
    relais_event_log_append (bed->log, ++bed->seq, bytes);
}

/* `n` deliveries of messages that are numbered from `first` on. */
static void
append_many (Bed *bed, guint first, guint n)
{
    for (guint i = first; i < first + n; i++) {
        char queue_id[14], message_id[32];

        g_snprintf (queue_id, sizeof queue_id, "%013u", i);
        g_snprintf (message_id, sizeof message_id, "<%u@sender.test>", i);
        append (bed, "delivered", queue_id, i % 7, message_id, "user@rcpt.test");
    }
}

static void
sync_log (Bed *bed)
{
    g_assert_true (relais_event_log_sync (bed->log, bed->seq));
}

/* Until the index has read what is there: a find of what is not there says so then. */
static void
settle (Bed *bed)
{
    sync_log (bed);
    relais_event_index_settle (relais_event_log_get_index (bed->log));
}

/* The line with which the log turns its page stands on the old one. */
static void
next_day (Bed *bed, guint days)
{
    sync_log (bed);
    bed->clock.wall_us += days * RELAIS_USEC_PER_DAY;
    append (bed, "deferred", "00000000000a1", 0, NULL, NULL);
    settle (bed);
}

static void
assert_found (Bed *bed, guint i)
{
    g_autofree char *queue_id = g_strdup_printf ("%013u", i);
    g_autofree char *message_id = g_strdup_printf ("<%u@sender.test>", i);
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) found =
        relais_event_log_find (bed->log, queue_id, i % 7, bed->clock.wall_us, &error);
    g_autoptr (GPtrArray) by_id = NULL;
    const RelaisDelivered *delivered;

    g_assert_no_error (error);
    g_assert_cmpuint (found->len, ==, 1);
    delivered = g_ptr_array_index (found, 0);
    g_assert_cmpstr (delivered->queue_id, ==, queue_id);
    g_assert_cmpuint (delivered->number, ==, i % 7);
    g_assert_cmpstr (delivered->message_id, ==, message_id);
    g_assert_cmpstr (delivered->recipient, ==, "user@rcpt.test");
    g_assert_cmpstr (delivered->sender, ==, "news@sender.test");
    g_assert_cmpstr (delivered->tenant, ==, "acme");
    g_assert_null (delivered->campaign);
    by_id = relais_event_log_find_message_id (bed->log, message_id, 10, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (by_id->len, ==, 1);
    g_assert_cmpstr (((RelaisDelivered *)g_ptr_array_index (by_id, 0))->queue_id, ==, queue_id);
}

static void
assert_absent (Bed *bed, const char *queue_id, guint32 number)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) found =
        relais_event_log_find (bed->log, queue_id, number, bed->clock.wall_us, &error);

    g_assert_no_error (error);
    g_assert_cmpuint (found->len, ==, 0);
}

/* --- Lines -------------------------------------------------------------------------------------- */

static void
test_lines (Bed *bed, gconstpointer data)
{
    g_autoptr (GPtrArray) found = NULL;

    append (bed, "delivered", "00000000000a1", 3, "<a \"b\\\" \xe9 c@sender.test>", "a@rcpt.test");
    append (bed, "bounced", "00000000000a2", 0, "<b@sender.test>", "b@rcpt.test");
    append (bed, "deferred", "00000000000a1", 4, "<b@sender.test>", "b@rcpt.test");
    append (bed, "delivered", "00000000000a3", 0, NULL, "\",\"message_id\":\"<x@y>\"@rcpt.test");
    settle (bed);
    assert_absent (bed, "00000000000a2", 0);
    assert_absent (bed, "00000000000a1", 4);
    assert_absent (bed, "00000000000a1", 2);
    assert_absent (bed, "no-queue-id", 3);
    assert_absent (bed, "00000000000a3", 1 << 24);
    found = relais_event_log_find_message_id (bed->log, "<x@y>", 10, NULL);
    g_assert_cmpuint (found->len, ==, 0);
    g_ptr_array_unref (found);
    /* Octets that are no UTF-8 are told as the characters of their numbers. */
    found =
        relais_event_log_find_message_id (bed->log, "<a \"b\\\" \xc3\xa9 c@sender.test>", 10, NULL);
    g_assert_cmpuint (found->len, ==, 0);
    g_ptr_array_unref (found);
    found = relais_event_log_find (bed->log, "00000000000a3", 0, DAY_ONE, NULL);
    g_assert_cmpuint (found->len, ==, 1);
    g_assert_null (((RelaisDelivered *)g_ptr_array_index (found, 0))->message_id);
    g_assert_cmpint (((RelaisDelivered *)g_ptr_array_index (found, 0))->delivered_us, ==, DAY_ONE);
}

/* All the deliveries of one message, newest first, no more than asked for. */
static void
test_message_id (Bed *bed, gconstpointer data)
{
    g_autoptr (GPtrArray) found = NULL;

    for (guint i = 0; i < 50; i++) {
        append (bed, "delivered", "00000000000a1", i, "<same@sender.test>", "a@rcpt.test");
        append (bed, "delivered", "00000000000a2", i, "<other@sender.test>", "a@rcpt.test");
        sync_log (bed);
        bed->clock.wall_us += RELAIS_USEC_PER_SEC;
    }
    append (bed, "delivered", "00000000000a1", 49, "<same@sender.test>", "told again");
    settle (bed);
    found = relais_event_log_find_message_id (bed->log, "<same@sender.test>", 1000, NULL);
    g_assert_cmpuint (found->len, ==, 50);
    for (guint i = 0; i < 50; i++)
        g_assert_cmpuint (((RelaisDelivered *)g_ptr_array_index (found, i))->number, ==, 49 - i);
    g_ptr_array_unref (found);
    found = relais_event_log_find_message_id (bed->log, "<same@sender.test>", 8, NULL);
    g_assert_cmpuint (found->len, <=, 8);
}

/* --- Where lines are kept ----------------------------------------------------------------------- */

/* In memory, in files, read again after a start; over days. */
static void
test_places (Bed *bed, gconstpointer data)
{
    g_autofree char *files = NULL;

    append_many (bed, 0, RELAIS_EVENT_RUN_ENTRIES + 10);
    settle (bed);
    files = list_files (bed);
    g_assert_cmpstr (files, ==, "events-20260621.0.idx");
    assert_found (bed, 0);
    assert_found (bed, RELAIS_EVENT_RUN_ENTRIES - 1);
    assert_found (bed, RELAIS_EVENT_RUN_ENTRIES);
    assert_found (bed, RELAIS_EVENT_RUN_ENTRIES + 9);
    assert_absent (bed, "0000000099999", 0);

    restart (bed);
    settle (bed);
    assert_found (bed, 77);
    assert_found (bed, RELAIS_EVENT_RUN_ENTRIES + 9);
    next_day (bed, 1);
    append_many (bed, 100000, 20);
    settle (bed);
    g_free (files);
    files = list_files (bed);
    g_assert_cmpstr (files, ==, "events-20260621.0.idx events-20260621.1.idx");
    assert_found (bed, RELAIS_EVENT_RUN_ENTRIES + 9);
    assert_found (bed, 100019);
    for (guint i = 0; i < 1000; i++)
        assert_found (bed, (guint)g_test_rand_int_range (0, RELAIS_EVENT_RUN_ENTRIES));
}

/* A restart a line leaves no file a line. */
static void
test_many_starts (Bed *bed, gconstpointer data)
{
    g_autofree char *files = NULL;

    for (guint i = 0; i < 20; i++) {
        append_many (bed, i, 1);
        restart (bed);
        settle (bed);
    }
    files = list_files (bed);
    g_assert_cmpstr (files, ==, "");
    for (guint i = 0; i < 20; i++)
        assert_found (bed, i);
}

static void
test_deleted (Bed *bed, gconstpointer data)
{
    g_autofree char *files = NULL;

    append_many (bed, 0, RELAIS_EVENT_RUN_ENTRIES + 10);
    next_day (bed, 1);
    append_many (bed, 200000, 10);
    settle (bed);
    relais_event_log_close (bed->log);
    remove_all (bed, ".idx");
    open_log (bed);
    settle (bed);
    assert_found (bed, 0);
    assert_found (bed, RELAIS_EVENT_RUN_ENTRIES + 9);
    assert_found (bed, 200009);
    assert_absent (bed, "0000000099999", 0);

    /* While it is in use: what is not found is not known, and then made anew. */
    remove_all (bed, "20260621.0.idx");
    {
        g_autoptr (GError) error = NULL;
        g_autoptr (GPtrArray) found = NULL;

        g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "event index:*made anew");
        found = relais_event_log_find (bed->log, "0000000000005", 5, DAY_ONE, &error);
        g_test_assert_expected_messages ();
        g_assert_null (found);
        g_assert_nonnull (error);
    }
    settle (bed);
    assert_found (bed, 5);
}

/* A day file that is gone takes its index with it. */
static void
test_log_deleted (Bed *bed, gconstpointer data)
{
    g_autofree char *files = NULL;

    append_many (bed, 0, RELAIS_EVENT_RUN_ENTRIES);
    next_day (bed, 1);
    append_many (bed, 200000, 1);
    settle (bed);
    remove_all (bed, "20260621.jsonl");
    assert_absent (bed, "0000000000005", 5);
    restart (bed);
    settle (bed);
    files = list_files (bed);
    g_assert_cmpstr (files, ==, "");
    assert_absent (bed, "0000000000005", 5);
    assert_found (bed, 200000);
}

static void
test_old (Bed *bed, gconstpointer data)
{
    g_autofree char *files = NULL;

    append_many (bed, 0, 100);
    next_day (bed, RELAIS_EVENT_INDEX_DAYS);
    append_many (bed, 200000, 1);
    settle (bed);
    files = list_files (bed);
    g_assert_cmpstr (files, ==, "events-20260621.0.idx");
    next_day (bed, 1);
    append_many (bed, 200001, 1);
    settle (bed);
    g_free (files);
    files = list_files (bed);
    g_assert_null (strstr (files, "20260621"));
    restart (bed);
    settle (bed);
    g_free (files);
    files = list_files (bed);
    g_assert_null (strstr (files, "20260621"));
    assert_absent (bed, "0000000000005", 5);
}

/* --- Damage ------------------------------------------------------------------------------------- */

/* The file that has a whole run. Owned. */
static char *
find_run (Bed *bed)
{
    g_autofree char *files = list_files (bed);
    g_auto (GStrv) names = g_strsplit (files, " ", -1);

    for (guint i = 0; names[i] != NULL; i++) {
        g_autofree char *path = g_build_filename (bed->dir, names[i], NULL);
        GStatBuf st;

        if (g_stat (path, &st) == 0 && st.st_size > 100 * RELAIS_EVENT_PAGE_BYTES)
            return g_steal_pointer (&path);
    }
    g_assert_not_reached ();
}

/* Changes one octet of it; with `size` positive it is cut there instead. */
static void
damage (Bed *bed, goffset at, goffset size)
{
    g_autofree char *path = find_run (bed);
    const int fd = g_open (path, O_RDWR, 0);
    guint8 octet;

    g_assert_cmpint (pread (fd, &octet, 1, at), ==, 1);
    octet ^= 1;
    g_assert_cmpint (pwrite (fd, &octet, 1, at), ==, 1);
    if (size > 0)
        g_assert_cmpint (ftruncate (fd, size), ==, 0);
    close (fd);
}

/* Each page of a file in turn: whatever is asked then is found, or not known, and found later. */
static void
test_damaged (Bed *bed, gconstpointer data)
{
    const guint pages = 1 + (RELAIS_EVENT_RUN_ENTRIES + 169) / 170 + 257;

    const GLogLevelFlags fatal = g_log_set_always_fatal (G_LOG_FATAL_MASK);

    append_many (bed, 0, RELAIS_EVENT_RUN_ENTRIES);
    append_many (bed, 100000, 1);
    settle (bed);
    for (guint page = 0; page < pages; page += 71) {
        const guint i = (guint)g_test_rand_int_range (0, RELAIS_EVENT_RUN_ENTRIES);

        relais_event_log_close (bed->log);
        damage (bed, page * RELAIS_EVENT_PAGE_BYTES + 4000, page % 2 == 0 ? 0 : page * 4096);
        open_log (bed);
        for (;;) {
            g_autofree char *queue_id = g_strdup_printf ("%013u", i);
            g_autoptr (GPtrArray) found =
                relais_event_log_find (bed->log, queue_id, i % 7, DAY_ONE, NULL);

            if (found == NULL) {
                settle (bed);
                continue;
            }
            g_assert_cmpuint (found->len, ==, 1);
            break;
        }
        relais_event_index_distrust (relais_event_log_get_index (bed->log), 20260621);
        settle (bed);
        assert_found (bed, i);
    }
    g_log_set_always_fatal (fatal);
}

/* What the index says is looked up in the log: if another line stands there, the index is wrong. */
static void
test_wrong_place (Bed *bed, gconstpointer data)
{
    g_autoptr (GArray) entries = g_array_new (FALSE, TRUE, sizeof (RelaisEventEntry));
    RelaisEventEntry entry = {.offset = 0};
    g_autoptr (GError) error = NULL;
    g_autofree char *path = g_build_filename (bed->dir, "events-20260621.jsonl", NULL);
    GStatBuf st;
    RelaisEventRun *run;
    int fd;

    append_many (bed, 0, 3);
    sync_log (bed);
    g_assert_true (relais_event_key_make (entry.key, "0000000000002", 2));
    g_array_append_val (entries, entry);
    relais_event_log_close (bed->log);
    g_assert_cmpint (g_stat (path, &st), ==, 0);
    fd = open (bed->dir, O_RDONLY | O_DIRECTORY);
    run = relais_event_run_write (fd, 20260621, 0, 0, (guint64)st.st_size, entries, &error);
    close (fd);
    g_assert_no_error (error);
    relais_event_run_unref (run);
    open_log (bed);
    g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "event index:*made anew");
    g_assert_null (relais_event_log_find (bed->log, "0000000000002", 2, DAY_ONE, &error));
    g_assert_nonnull (error);
    g_test_assert_expected_messages ();
    settle (bed);
    assert_found (bed, 2);
}

/* While its directory takes no file the index goes on in memory. */
static void
test_unwritable (Bed *bed, gconstpointer data)
{
    g_autofree char *blocker = g_build_filename (bed->dir, "events-20260621.0.idx.new", NULL);
    const GLogLevelFlags fatal = g_log_set_always_fatal (G_LOG_FATAL_MASK);

    g_assert_cmpint (g_mkdir (blocker, 0700), ==, 0);
    append_many (bed, 0, RELAIS_EVENT_RUN_ENTRIES + 1);
    sync_log (bed);
    assert_found (bed, 0);
    assert_found (bed, RELAIS_EVENT_RUN_ENTRIES);
    assert_absent (bed, "0000000099999", 0);
    relais_event_log_close (bed->log);
    g_rmdir (blocker);
    open_log (bed);
    settle (bed);
    assert_found (bed, 0);
    g_log_set_always_fatal (fatal);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add ("/index/lines", Bed, NULL, set_up, test_lines, tear_down);
    g_test_add ("/index/message-id", Bed, NULL, set_up, test_message_id, tear_down);
    g_test_add ("/index/places", Bed, NULL, set_up, test_places, tear_down);
    g_test_add ("/index/many-starts", Bed, NULL, set_up, test_many_starts, tear_down);
    g_test_add ("/index/deleted", Bed, NULL, set_up, test_deleted, tear_down);
    g_test_add ("/index/log-deleted", Bed, NULL, set_up, test_log_deleted, tear_down);
    g_test_add ("/index/old", Bed, NULL, set_up, test_old, tear_down);
    g_test_add ("/index/damaged", Bed, NULL, set_up, test_damaged, tear_down);
    g_test_add ("/index/wrong-place", Bed, NULL, set_up, test_wrong_place, tear_down);
    g_test_add ("/index/unwritable", Bed, NULL, set_up, test_unwritable, tear_down);
    return g_test_run ();
}
