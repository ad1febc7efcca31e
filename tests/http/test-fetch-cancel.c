/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/http, the client: fetches that are given up, in every state and from any thread; nobody is told of them.
 */
#include "config.h"

#include "http/fetch-bed.h"

/* Whom nobody may call back any more. */
static void
on_never (const RelaisFetchResult *result, gpointer data)
{
    g_assert_not_reached ();
}

static guint64
begin_never (Fixture *fixture, const char *url)
{
    const RelaisFetchInfo info = {
        .struct_size = sizeof info, .url = url, .timeout_us = 50 * G_USEC_PER_SEC};
    const guint64 number = relais_fetcher_submit (fixture->fetcher, &info, on_never, fixture, NULL);

    g_assert_cmpuint (number, !=, 0);
    return number;
}

static void
assert_cancelled (Fixture *fixture, guint64 number)
{
    RelaisFetcherFigures figures;

    g_assert_true (relais_fetcher_cancel (fixture->fetcher, number));
    g_assert_false (relais_fetcher_cancel (fixture->fetcher, number));
    do {
        while (relais_loop_turn (fixture->loop, false))
            continue;
        relais_fetcher_figures (fixture->fetcher, &figures);
    } while (figures.active + figures.waiting > 0);
}

static void
turn_until_active (Fixture *fixture, guint n)
{
    RelaisFetcherFigures figures;

    do {
        relais_loop_turn (fixture->loop, true);
        relais_fetcher_figures (fixture->fetcher, &figures);
    } while (figures.active < n);
}

typedef struct {
    Fixture *fixture;
    guint64 second;
    bool told;
} Pair;

/* The outcome of the second is noted by now, and not told. */
static void
on_first (const RelaisFetchResult *result, gpointer data)
{
    Pair *pair = data;

    pair->told = true;
    g_assert_true (relais_fetcher_cancel (pair->fixture->fetcher, pair->second));
}

static void
cancel_settled (Fixture *fixture)
{
    const RelaisFetchInfo info = {.struct_size = sizeof info, .url = "ftp://localhost.test/"};
    Pair pair = {fixture, 0, false};

    g_assert_cmpuint (relais_fetcher_submit (fixture->fetcher, &info, on_first, &pair, NULL), !=,
                      0);
    pair.second = begin_never (fixture, info.url);
    while (!pair.told)
        relais_loop_turn (fixture->loop, true);
}

/* Before the loop has it, while it looks up, while it is connected, when its outcome is noted and not told. */
static void
test_cancel (Fixture *fixture, gconstpointer data)
{
    g_autofree char *never = url_of (fixture->peer, "http", "localhost.test", "/never");
    guint64 number;

    assert_cancelled (fixture, begin_never (fixture, never));
    number = begin_never (fixture, "http://drop.test/");
    turn_until_active (fixture, 1);
    assert_cancelled (fixture, number);
    number = begin_never (fixture, never);
    while (test_peer_requests (fixture->peer) < 1)
        relais_loop_turn (fixture->loop, false);
    assert_cancelled (fixture, number);
    cancel_settled (fixture);
    g_assert_false (relais_fetcher_cancel (fixture->fetcher, 0));
    g_assert_false (relais_fetcher_cancel (fixture->fetcher, number + 1));
}

/* While others have all turns; who waits behind it gets his. */
static void
test_cancel_waiting (Fixture *fixture, gconstpointer data)
{
    g_autofree char *never = url_of (fixture->peer, "http", "localhost.test", "/never");
    g_autofree char *hello = url_of (fixture->peer, "http", "localhost.test", "/hello");
    const RelaisFetchInfo info = {
        .struct_size = sizeof info, .url = hello, .timeout_us = 50 * G_USEC_PER_SEC};
    guint64 numbers[3];
    g_auto (Got) got = {0};

    for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
        numbers[i] = begin_never (fixture, never);
    g_assert_cmpuint (relais_fetcher_submit (fixture->fetcher, &info, on_done, &got, NULL), !=, 0);
    turn_until_active (fixture, 2);
    g_assert_true (relais_fetcher_cancel (fixture->fetcher, numbers[2]));
    g_assert_true (relais_fetcher_cancel (fixture->fetcher, numbers[0]));
    wait_for (fixture, &got);
    assert_outcome (&got, RELAIS_FETCH_OK, NULL);
    g_assert_true (relais_fetcher_cancel (fixture->fetcher, numbers[1]));
}

typedef struct {
    Fixture *fixture;
    guint64 number;
    guint told;
} Own;

static void
on_own (const RelaisFetchResult *result, gpointer data)
{
    Own *own = data;

    own->told++;
    g_assert_false (relais_fetcher_cancel (own->fixture->fetcher, own->number));
}

/* From inside the callback it is too late; and so it is after the end. */
static void
test_cancel_own (Fixture *fixture, gconstpointer data)
{
    g_autofree char *hello = url_of (fixture->peer, "http", "localhost.test", "/hello");
    const RelaisFetchInfo info = {
        .struct_size = sizeof info, .url = hello, .timeout_us = 50 * G_USEC_PER_SEC};
    Own own = {fixture, 0, 0};
    guint64 late;

    own.number = relais_fetcher_submit (fixture->fetcher, &info, on_own, &own, NULL);
    while (own.told == 0)
        relais_loop_turn (fixture->loop, true);
    g_assert_false (relais_fetcher_cancel (fixture->fetcher, own.number));
    late = begin_never (fixture, hello);
    g_assert_true (relais_fetcher_cancel (fixture->fetcher, late));
    relais_fetcher_stop (fixture->fetcher); /* it is on its way to the loop */
    g_assert_false (relais_fetcher_cancel (fixture->fetcher, late));
    g_assert_cmpuint (own.told, ==, 1);
}

typedef struct {
    Fixture *fixture;
    const char *url;
    gint told, cancelled, done; /* atomic */
} Race;

static void
on_raced (const RelaisFetchResult *result, gpointer data)
{
    g_atomic_int_inc (&((Race *)data)->told);
}

static gpointer
race (gpointer data)
{
    Race *race = data;
    const RelaisFetchInfo info = {
        .struct_size = sizeof info, .url = race->url, .timeout_us = 50 * G_USEC_PER_SEC};

    for (guint i = 0; i < 200; i++) {
        const guint64 number =
            relais_fetcher_submit (race->fixture->fetcher, &info, on_raced, race, NULL);

        if (i % 4 == 0)
            g_thread_yield ();
        if (relais_fetcher_cancel (race->fixture->fetcher, number))
            g_atomic_int_inc (&race->cancelled);
    }
    g_atomic_int_inc (&race->done);
    return NULL;
}

/* Other threads cancel while the loop tells: each fetch is one or the other. */
static void
test_cancel_threads (Fixture *fixture, gconstpointer data)
{
    Race shared = {fixture, "ftp://localhost.test/", 0, 0, 0};
    GThread *threads[2];

    for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
        threads[i] = g_thread_new ("cancels", race, &shared);
    while (g_atomic_int_get (&shared.done) < 2 ||
           g_atomic_int_get (&shared.told) + g_atomic_int_get (&shared.cancelled) < 400)
        relais_loop_turn (fixture->loop, false);
    for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
        g_thread_join (threads[i]);
    while (relais_loop_turn (fixture->loop, false))
        continue;
    g_assert_cmpint (shared.told + shared.cancelled, ==, 400);
}

int
main (int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*func) (Fixture *fixture, gconstpointer data);
    } cases[] = {
        {"/http/fetch/cancel/states", test_cancel},
        {"/http/fetch/cancel/waiting", test_cancel_waiting},
        {"/http/fetch/cancel/own", test_cancel_own},
        {"/http/fetch/cancel/threads", test_cancel_threads},
    };

    g_test_init (&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
        g_test_add (cases[i].name, Fixture, "", fixture_set_up, cases[i].func, fixture_tear_down);
    return g_test_run ();
}
