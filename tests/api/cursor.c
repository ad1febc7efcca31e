/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Cursors: each event in order, again until it was acknowledged, and a gap is told of.
 */
#include "stage.h"

#include <relais/cursor.h>
#include <string.h>

static RelaisTest *
begin (void)
{
    RelaisTest *test = stage_new_bare ();
    g_autoptr (GError) error = NULL;

    relais_test_use_event_log (test);
    relais_test_load (test, (const gchar *const[]){"puppet", NULL}, "", &error);
    g_assert_no_error (error);
    return test;
}

static RelaisCursor *
open_cursor (RelaisTest *test, const char *name, RelaisCursorStart start)
{
    RelaisCursor *cursor =
        relais_cursor_new (relais_test_find_module (test, "puppet"), name, start);

    g_assert_nonnull (cursor);
    return cursor;
}

static void
add (RelaisTest *test, guint first, guint n)
{
    for (guint i = first; i < first + n; i++) {
        g_autofree char *object = g_strdup_printf ("{\"n\":%u}", i);

        relais_test_add_event (test, object);
    }
}

typedef struct {
    gboolean told, gap;
    GString *numbers; /* of the events, with spaces */
    char *error;
} Told;

static void
on_events (RelaisCursor *cursor, const GPtrArray *events, gboolean gap, const gchar *error,
           gpointer data)
{
    Told *told = data;

    for (guint i = 0; i < events->len; i++) {
        gsize size;
        const char *bytes = g_bytes_get_data (events->pdata[i], &size);
        g_autofree char *line = g_strndup (bytes, size);
        const char *n = strstr (line, "\"n\":");

        g_assert_nonnull (n);
        g_string_append_printf (told->numbers, "%d ", (int)g_ascii_strtoll (n + 4, NULL, 10));
    }
    told->gap = gap;
    told->error = g_strdup (error);
    told->told = TRUE;
}

static void
assert_next (RelaisTest *test, RelaisCursor *cursor, guint max, gboolean gap, const char *numbers)
{
    Told told = {.numbers = g_string_new (NULL)};

    g_assert_true (relais_cursor_next (cursor, max, on_events, &told));
    g_assert_false (relais_cursor_next (cursor, max, on_events, &told));
    g_assert_false (relais_cursor_ack (cursor, NULL, NULL));
    stage_wait (test, &told.told);
    g_assert_null (told.error);
    g_assert_cmpstr (told.numbers->str, ==, numbers);
    g_assert_cmpint (told.gap, ==, gap);
    g_string_free (told.numbers, TRUE);
}

static void
on_acked (RelaisCursor *cursor, const gchar *error, gpointer data)
{
    g_assert_null (error);
    *(gboolean *)data = TRUE;
}

static void
ack (RelaisTest *test, RelaisCursor *cursor)
{
    gboolean acked = FALSE;

    g_assert_true (relais_cursor_ack (cursor, on_acked, &acked));
    g_assert_false (relais_cursor_ack (cursor, on_acked, &acked));
    stage_wait (test, &acked);
}

static void
test_order (void)
{
    RelaisTest *test = begin ();
    RelaisCursor *cursor;

    add (test, 0, 5);
    cursor = open_cursor (test, "all", RELAIS_CURSOR_FROM_OLDEST);
    g_assert_null (relais_cursor_new (relais_test_find_module (test, "puppet"), "all",
                                      RELAIS_CURSOR_FROM_OLDEST));
    assert_next (test, cursor, 3, FALSE, "0 1 2 ");
    ack (test, cursor);
    assert_next (test, cursor, 3, FALSE, "3 4 ");
    add (test, 5, 2);
    assert_next (test, cursor, RELAIS_CURSOR_EVENTS, FALSE, "5 6 ");
    /* What was not acknowledged comes again, what was does not. */
    relais_cursor_free (cursor);
    cursor = open_cursor (test, "all", RELAIS_CURSOR_FROM_NOW);
    assert_next (test, cursor, 100, FALSE, "3 4 5 6 ");
    ack (test, cursor);
    relais_cursor_free (cursor);
    cursor = open_cursor (test, "all", RELAIS_CURSOR_FROM_OLDEST);
    add (test, 7, 1);
    assert_next (test, cursor, 100, FALSE, "7 ");
    relais_cursor_free (cursor);
    stage_free (test);
}

/* It waits until something comes; what came before it was made is not given. */
static void
test_from_now (void)
{
    RelaisTest *test = begin ();
    Told told = {.numbers = g_string_new (NULL)};
    RelaisCursor *cursor, *other;

    add (test, 0, 3);
    cursor = open_cursor (test, "new", RELAIS_CURSOR_FROM_NOW);
    other = open_cursor (test, "other", RELAIS_CURSOR_FROM_OLDEST);
    g_assert_true (relais_cursor_next (cursor, 10, on_events, &told));
    assert_next (test, other, 10, FALSE, "0 1 2 ");
    g_assert_false (told.told);
    add (test, 3, 1);
    stage_wait (test, &told.told);
    g_assert_cmpstr (told.numbers->str, ==, "3 ");
    g_string_free (told.numbers, TRUE);
    relais_cursor_free (cursor);
    relais_cursor_free (other);
    stage_free (test);
}

/* The log's files went before they were read: the module is told, and goes on with what there is. */
static void
test_gap (void)
{
    RelaisTest *test = stage_new_bare ();
    g_autoptr (GError) error = NULL;
    RelaisCursor *cursor;

    relais_test_use_clock (test, 1800000000 * (gint64)G_USEC_PER_SEC);
    relais_test_use_event_log (test);
    g_assert_true (relais_test_load (test, (const gchar *const[]){"puppet", NULL}, "", &error));
    add (test, 0, 3);
    cursor = open_cursor (test, "slow", RELAIS_CURSOR_FROM_OLDEST);
    assert_next (test, cursor, 1, FALSE, "0 ");
    relais_test_advance (test, 24 * 3600 * (gint64)G_USEC_PER_SEC);
    relais_test_cut_events (test);
    add (test, 9, 1);
    assert_next (test, cursor, 10, TRUE, "9 ");
    add (test, 10, 1);
    assert_next (test, cursor, 10, FALSE, "10 ");
    relais_cursor_free (cursor);
    stage_free (test);
}

/* The same within a day: there is a file of that name again, longer or shorter than where the cursor was. All of it is
 * new. */
static void
test_other_file (void)
{
    RelaisTest *test = begin ();
    RelaisCursor *cursor = open_cursor (test, "slow", RELAIS_CURSOR_FROM_OLDEST);

    add (test, 0, 3);
    assert_next (test, cursor, 1, FALSE, "0 ");
    relais_test_cut_events (test);
    add (test, 1000000, 3);
    assert_next (test, cursor, 10, TRUE, "1000000 1000001 1000002 ");
    relais_test_cut_events (test);
    add (test, 7, 1);
    assert_next (test, cursor, 10, TRUE, "7 ");
    add (test, 8, 1);
    assert_next (test, cursor, 10, FALSE, "8 ");
    relais_cursor_free (cursor);
    stage_free (test);
}

static void
free_it (RelaisCursor *cursor, const GPtrArray *events, gboolean gap, const gchar *error,
         gpointer data)
{
    g_assert_cmpuint (events->len, ==, 1);
    relais_cursor_free (cursor);
    *(gboolean *)data = TRUE;
}

static void
never (RelaisCursor *cursor, const GPtrArray *events, gboolean gap, const gchar *error,
       gpointer data)
{
    g_assert_not_reached ();
}

/* It may go at any time: in its callback, while a job is under way, while it waits. */
static void
test_free (void)
{
    RelaisTest *test = begin ();
    gboolean told = FALSE;
    RelaisCursor *cursor;

    add (test, 0, 1);
    g_assert_true (
        relais_cursor_next (open_cursor (test, "a", RELAIS_CURSOR_FROM_OLDEST), 1, free_it, &told));
    stage_wait (test, &told);
    cursor = open_cursor (test, "a", RELAIS_CURSOR_FROM_OLDEST);
    g_assert_true (relais_cursor_next (cursor, 1, never, NULL));
    relais_test_turn (test);
    relais_cursor_free (cursor);
    cursor = open_cursor (test, "b", RELAIS_CURSOR_FROM_NOW);
    g_assert_true (relais_cursor_next (cursor, 1, never, NULL));
    relais_cursor_free (cursor);
    stage_free (test);
}

void
cursor_add_tests (void)
{
    g_test_add_func ("/api/cursor/order", test_order);
    g_test_add_func ("/api/cursor/from-now", test_from_now);
    g_test_add_func ("/api/cursor/gap", test_gap);
    g_test_add_func ("/api/cursor/other-file", test_other_file);
    g_test_add_func ("/api/cursor/free", test_free);
}
