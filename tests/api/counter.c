/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Counters, gauges and histograms: what is counted on many threads is all there, labels are bounded.
 */
#include "stage.h"

#include <relais/counter.h>

enum { THREADS = 4, ROUNDS = 20000 };

static RelaisCounter *counter;
static RelaisGauge *gauge;
static RelaisHistogram *histogram;
static const gint64 bounds[] = {-1, 10, 100};

static gboolean
make (RelaisModule *module, GError **error)
{
    static const gint64 bad[] = {1, 1};
    gint64 many[RELAIS_HISTOGRAM_BOUNDS + 1];

    for (guint i = 0; i < G_N_ELEMENTS (many); i++)
        many[i] = i;
    counter = relais_counter_new (module, "done", "reason");
    gauge = relais_gauge_new (module, "level", NULL);
    histogram = relais_histogram_new (module, "sizes", "kind", bounds, G_N_ELEMENTS (bounds));
    g_assert_nonnull (counter);
    g_assert_nonnull (gauge);
    g_assert_nonnull (histogram);
    g_assert_null (relais_gauge_new (module, "done", NULL));
    g_assert_null (relais_histogram_new (module, "bad", NULL, bad, 2));
    g_assert_null (relais_histogram_new (module, "none", NULL, bad, 0));
    g_assert_null (relais_histogram_new (module, "many", NULL, many, G_N_ELEMENTS (many)));
    g_assert_nonnull (relais_histogram_new (module, "many", NULL, many, G_N_ELEMENTS (many) - 1));
    return TRUE;
}

static gpointer
count (gpointer data)
{
    for (guint i = 0; i < ROUNDS; i++) {
        relais_counter_add (counter, i % 2 == 0 ? "even" : "odd", 1);
        relais_gauge_add (gauge, NULL, i % 2 == 0 ? 2 : -1);
        relais_histogram_add (histogram, "all", (gint64)i % 200);
    }
    return NULL;
}

static void
test_threads (void)
{
    GThread *threads[THREADS];
    RelaisTest *test;
    gint64 sum;

    puppet_on_init = make;
    test = stage_new ((const gchar *const[]){"puppet", NULL}, "");
    g_assert_null (relais_gauge_new (relais_test_find_module (test, "puppet"), "late", NULL));
    for (guint i = 0; i < THREADS; i++)
        threads[i] = g_thread_new ("count", count, NULL);
    for (guint i = 0; i < THREADS; i++)
        g_thread_join (threads[i]);
    g_assert_cmpuint (relais_test_get_count (test, "puppet", "done", "even"), ==,
                      THREADS * ROUNDS / 2);
    g_assert_cmpuint (relais_test_get_count (test, "puppet", "done", "odd"), ==,
                      THREADS * ROUNDS / 2);
    g_assert_cmpint (relais_test_get_gauge (test, "puppet", "level", ""), ==, THREADS * ROUNDS / 2);
    /* 0 to 10 are 11 of 200, and up to 100 are 101. */
    g_assert_cmpuint (relais_test_get_samples (test, "puppet", "sizes", "all", -1, &sum), ==, 0);
    g_assert_cmpuint (relais_test_get_samples (test, "puppet", "sizes", "all", 10, &sum), ==,
                      THREADS * ROUNDS / 200 * 11);
    g_assert_cmpuint (relais_test_get_samples (test, "puppet", "sizes", "all", 100, &sum), ==,
                      THREADS * ROUNDS / 200 * 101);
    g_assert_cmpuint (relais_test_get_samples (test, "puppet", "sizes", "all", G_MAXINT64, &sum),
                      ==, THREADS * ROUNDS);
    g_assert_cmpint (sum, ==, (gint64)THREADS * ROUNDS / 200 * (199 * 200 / 2));
    relais_gauge_set (gauge, NULL, -7);
    g_assert_cmpint (relais_test_get_gauge (test, "puppet", "level", ""), ==, -7);
    stage_free (test);
}

/* The 32nd value of a label has a count of its own, the 33rd and later ones share one. */
static void
test_labels (void)
{
    RelaisTest *test;

    puppet_on_init = make;
    test = stage_new ((const gchar *const[]){"puppet", NULL}, "");
    for (guint i = 0; i < RELAIS_COUNTER_LABELS + 2; i++) {
        g_autofree char *value = g_strdup_printf ("value%u", i);

        relais_counter_add (counter, value, i + 1);
    }
    g_assert_cmpuint (relais_test_get_count (test, "puppet", "done", "value31"), ==, 32);
    g_assert_cmpuint (relais_test_get_count (test, "puppet", "done", "value32"), ==, 0);
    g_assert_cmpuint (relais_test_get_count (test, "puppet", "done", "other"), ==, 33 + 34);
    stage_free (test);
}

void
counter_add_tests (void)
{
    g_test_add_func ("/api/counter/threads", test_threads);
    g_test_add_func ("/api/counter/labels", test_labels);
}
