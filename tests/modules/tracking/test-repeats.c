/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Hits that come again and again: how many of a minute are told one by one, that those beyond are told with their
 * number, and that a full table loses none. Pure.
 */
#include "repeats.h"

#define MINUTE ((gint64)TRACKING_REPEATS_SECONDS * G_USEC_PER_SEC)

static guint64 told, n_tells;
static guint last_told, n_freed;

static void
tell (gpointer last, guint64 n)
{
    told += n;
    n_tells++;
    last_told = GPOINTER_TO_UINT (last);
}

static void
free_hit (gpointer hit)
{
    n_freed++;
}

static TrackingRepeats *
begin (void)
{
    told = n_tells = 0;
    last_told = n_freed = 0;
    return tracking_repeats_new (tell, free_hit);
}

static bool
pass (TrackingRepeats *repeats, const char *key, gint64 now_us, guint most, guint hit)
{
    return tracking_repeats_pass (repeats, g_strdup (key), now_us, most, GUINT_TO_POINTER (hit));
}

static void
test_bound (void)
{
    TrackingRepeats *repeats = begin ();

    for (guint i = 1; i <= 10; i++)
        g_assert_true (pass (repeats, "a", i, 10, i));
    for (guint i = 11; i <= 1000; i++)
        g_assert_false (pass (repeats, "a", i, 10, i));
    /* Another link is no repeat. */
    g_assert_true (pass (repeats, "b", 1001, 10, 1001));
    g_assert_cmpuint (n_tells, ==, 0);
    g_assert_cmpint (tracking_repeats_next_us (repeats), ==, 1 + MINUTE);
    tracking_repeats_end (repeats, MINUTE);
    g_assert_cmpuint (n_tells, ==, 0);
    tracking_repeats_end (repeats, 1 + MINUTE);
    g_assert_cmpuint (n_tells, ==, 1);
    g_assert_cmpuint (told, ==, 990);
    g_assert_cmpuint (last_told, ==, 1000);
    g_assert_cmpuint (n_freed, ==, 989);
    /* The next minute begins anew; what has no repeats is not told. */
    g_assert_true (pass (repeats, "a", 2 + MINUTE, 1, 1));
    g_assert_false (pass (repeats, "a", 3 + MINUTE, 1, 2));
    g_assert_true (pass (repeats, "a", 2 + 2 * MINUTE, 1, 3));
    g_assert_cmpuint (told, ==, 991);
    g_assert_cmpuint (n_tells, ==, 2);
    tracking_repeats_free (repeats);
    g_assert_cmpuint (n_tells, ==, 2);
}

static void
test_full (void)
{
    TrackingRepeats *repeats = begin ();

    for (guint round = 0; round < 2; round++)
        for (guint i = 0; i < TRACKING_REPEATS_KINDS; i++) {
            g_autofree char *key = g_strdup_printf ("%u", i);

            g_assert_true (pass (repeats, key, 1, 2, i));
        }
    g_assert_false (pass (repeats, "0", 2, 2, 7));
    g_assert_cmpuint (n_tells, ==, 0);
    /* One more: the first one goes, and nothing of it is lost; it passes again. */
    g_assert_true (pass (repeats, "more", 3, 2, 8));
    g_assert_cmpuint (told, ==, 1);
    g_assert_cmpuint (last_told, ==, 7);
    g_assert_true (pass (repeats, "0", 4, 2, 9));
    g_assert_false (pass (repeats, "2", 4, 2, 10));
    tracking_repeats_free (repeats);
    g_assert_cmpuint (told, ==, 2);
    g_assert_cmpuint (last_told, ==, 10);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/tracking/repeats/bound", test_bound);
    g_test_add_func ("/tracking/repeats/full", test_full);
    return g_test_run ();
}
