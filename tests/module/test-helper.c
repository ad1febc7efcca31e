/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/module: helper processes answer in order, cannot get out of their sandbox, and when one dies or
 * hangs only the call that it was at is lost.
 */
#include "config.h"

#include "module/helper-private.h"
#include "module/module-private.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    RelaisLoop *loop;
    RelaisPool *pool;
    RelaisHost *host;
    RelaisModule module;
    RelaisHelper *helper;
} Fixture;

static char *
fixture_dir (void)
{
    const char *build = g_getenv ("RELAIS_BUILDDIR");

    return g_build_filename (build != NULL ? build : ".", "tests", "module", NULL);
}

static void
make_helper (Fixture *fixture, guint32 max_waiting)
{
    g_autoptr (GError) error = NULL;

    fixture->helper = relais_helper_new (
        &fixture->module,
        &(RelaisHelperInfo){sizeof (RelaisHelperInfo), max_waiting, "helper-fixture", 0}, &error);
    g_assert_no_error (error);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
    g_autofree char *dir = fixture_dir ();

    fixture->loop = relais_loop_new (NULL, NULL);
    fixture->pool = relais_pool_new (fixture->loop, "test", 1, 16);
    fixture->host = relais_host_new (&(RelaisHostOptions){.loop = fixture->loop,
                                                          .pool = fixture->pool,
                                                          .module_dir = dir,
                                                          .module_dir_is_callers = true,
                                                          .program = "test"});
    fixture->module.host = fixture->host;
    fixture->module.descriptor.name = "fixture";
    make_helper (fixture, 0);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
    relais_helper_free (fixture->helper);
    relais_host_free (fixture->host);
    relais_pool_free (fixture->pool);
    relais_loop_free (fixture->loop);
}

/* --- Calls ------------------------------------------------------------------------------------ */

typedef struct {
    bool done;
    guint order;
    RelaisHelperOutcome outcome;
    char *text;
    gsize size;
    RelaisHelper *to_free;
} Reply;

static guint n_replies;

static void
note (RelaisHelperOutcome outcome, GBytes *reply, gpointer data)
{
    Reply *to = data;

    g_assert_false (to->done);
    g_assert_cmpint (reply != NULL, ==, outcome == RELAIS_HELPER_OK);
    to->done = true;
    to->order = n_replies++;
    to->outcome = outcome;
    if (reply != NULL) {
        to->size = g_bytes_get_size (reply);
        to->text = to->size > 0 ? g_strndup (g_bytes_get_data (reply, NULL), MIN (to->size, 64))
                                : g_strdup ("");
    }
    relais_helper_free (to->to_free);
}

static void
call (Fixture *fixture, const char *text, gint64 timeout_us, Reply *reply)
{
    g_autoptr (GBytes) request = g_bytes_new (text, strlen (text));

    relais_helper_call (fixture->helper, request, timeout_us, note, reply);
    g_assert_false (reply->done);
}

static void
wait_for (Fixture *fixture, const Reply *reply)
{
    while (!reply->done)
        relais_loop_turn (fixture->loop, true);
}

static const gint64 LONG_US = 60 * RELAIS_USEC_PER_SEC;

static RelaisHelperOutcome
ask (Fixture *fixture, const char *text, char **answer)
{
    Reply reply = {0};

    call (fixture, text, LONG_US, &reply);
    wait_for (fixture, &reply);
    if (answer != NULL)
        *answer = g_steal_pointer (&reply.text);
    g_free (reply.text);
    return reply.outcome;
}

static void
assert_answer (Fixture *fixture, const char *request, const char *answer)
{
    g_autofree char *text = NULL;

    g_assert_cmpuint (ask (fixture, request, &text), ==, RELAIS_HELPER_OK);
    g_assert_cmpstr (text, ==, answer);
}

/* --- Tests ------------------------------------------------------------------------------------ */

static void
test_order (Fixture *fixture, gconstpointer data)
{
    Reply replies[20] = {{0}};

    n_replies = 0;
    for (guint i = 0; i < G_N_ELEMENTS (replies); i++) {
        g_autofree char *text = g_strdup_printf ("request %u", i);

        call (fixture, text, LONG_US, &replies[i]);
    }
    for (guint i = 0; i < G_N_ELEMENTS (replies); i++) {
        g_autofree char *text = g_strdup_printf ("request %u", i);

        wait_for (fixture, &replies[i]);
        g_assert_cmpuint (replies[i].outcome, ==, RELAIS_HELPER_OK);
        g_assert_cmpstr (replies[i].text, ==, text);
        g_assert_cmpuint (replies[i].order, ==, i);
        g_free (replies[i].text);
    }
    assert_answer (fixture, "", "");
}

static void
test_sandbox (Fixture *fixture, gconstpointer data)
{
    static const char *const deadly[] = {"exec", "socket", "code"};

    assert_answer (fixture, "open", g_strerror (EACCES));
#ifndef __SANITIZE_ADDRESS__
    assert_answer (fixture, "memory", "refused");
#endif
    for (guint i = 0; i < G_N_ELEMENTS (deadly); i++) {
        g_test_message ("%s", deadly[i]);
        g_assert_cmpuint (ask (fixture, deadly[i], NULL), ==, RELAIS_HELPER_DIED);
        assert_answer (fixture, "still there", "still there");
    }
}

/* The process has its socket, nowhere to write to, and our errors: no descriptor of the daemon's. */
static void
test_descriptors (Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = NULL;
    g_autoptr (GDir) dir = NULL;
    const char *name;

    assert_answer (fixture, "x", "x");
    path = g_strdup_printf ("/proc/%d/fd", (int)relais_helper_pid (fixture->helper));
    dir = g_dir_open (path, 0, NULL);
    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
        g_assert_cmpint (g_ascii_strtoll (name, NULL, 10), <=, STDERR_FILENO);
}

/* Whoever dies takes one call along. */
static void
test_deaths (Fixture *fixture, gconstpointer data)
{
    static const char *const ends[] = {"abort", "exit", "twice", "larger"};

    for (guint i = 0; i < G_N_ELEMENTS (ends); i++) {
        Reply before = {0}, fatal = {0}, after = {0};

        g_test_message ("%s", ends[i]);
        call (fixture, "before", LONG_US, &before);
        call (fixture, ends[i], LONG_US, &fatal);
        call (fixture, "after", LONG_US, &after);
        wait_for (fixture, &after);
        g_assert_cmpuint (before.outcome, ==, RELAIS_HELPER_OK);
        g_assert_cmpuint (after.outcome, ==, RELAIS_HELPER_OK);
        g_assert_cmpstr (after.text, ==, "after");
        g_assert_cmpuint (fatal.outcome, ==, RELAIS_HELPER_DIED);
        g_free (before.text);
        g_free (fatal.text);
        g_free (after.text);
    }
}

static void
test_killed (Fixture *fixture, gconstpointer data)
{
    for (guint i = 0; i < 20; i++) {
        assert_answer (fixture, "x", "x");
        kill (relais_helper_pid (fixture->helper), SIGKILL);
        if (ask (fixture, "y", NULL) != RELAIS_HELPER_OK)
            assert_answer (fixture, "z", "z");
    }
}

static void
test_timeout (Fixture *fixture, gconstpointer data)
{
    Reply late = {0};

    assert_answer (fixture, "x", "x");
    call (fixture, "hang", 50 * 1000, &late);
    wait_for (fixture, &late);
    g_assert_cmpuint (late.outcome, ==, RELAIS_HELPER_TIMEOUT);
    assert_answer (fixture, "x", "x");
}

static void
test_sizes (Fixture *fixture, gconstpointer data)
{
    g_autofree char *largest = g_strnfill (RELAIS_HELPER_BYTES, 'a');
    g_autofree char *larger = g_strnfill (RELAIS_HELPER_BYTES + 1, 'a');
    Reply reply = {0};

    call (fixture, largest, LONG_US, &reply);
    wait_for (fixture, &reply);
    g_assert_cmpuint (reply.size, ==, RELAIS_HELPER_BYTES);
    g_free (reply.text);
    g_assert_cmpuint (ask (fixture, larger, NULL), ==, RELAIS_HELPER_BUSY);
    reply = (Reply){0};
    call (fixture, "largest", LONG_US, &reply);
    wait_for (fixture, &reply);
    g_assert_cmpuint (reply.size, ==, RELAIS_HELPER_BYTES);
    g_free (reply.text);
}

static void
test_busy (Fixture *fixture, gconstpointer data)
{
    Reply replies[4] = {{0}};

    relais_helper_free (fixture->helper);
    make_helper (fixture, 2);
    for (guint i = 0; i < G_N_ELEMENTS (replies); i++)
        call (fixture, "x", LONG_US, &replies[i]);
    for (guint i = 0; i < G_N_ELEMENTS (replies); i++) {
        wait_for (fixture, &replies[i]);
        g_free (replies[i].text);
    }
    g_assert_cmpuint (replies[1].outcome, ==, RELAIS_HELPER_OK);
    g_assert_cmpuint (replies[2].outcome, ==, RELAIS_HELPER_BUSY);
    g_assert_cmpuint (replies[3].outcome, ==, RELAIS_HELPER_BUSY);
}

/* While it starts, while it works, from within its callback, with no process. */
static void
test_free (Fixture *fixture, gconstpointer data)
{
    Reply starting = {0}, hanging = {0}, waiting = {0}, last = {0};

    call (fixture, "x", LONG_US, &starting);
    relais_helper_free (fixture->helper);
    wait_for (fixture, &starting);
    g_assert_cmpuint (starting.outcome, ==, RELAIS_HELPER_STOPPED);
    make_helper (fixture, 0);
    assert_answer (fixture, "x", "x");
    call (fixture, "hang", LONG_US, &hanging);
    call (fixture, "x", LONG_US, &waiting);
    relais_helper_free (fixture->helper);
    wait_for (fixture, &waiting);
    g_assert_cmpuint (hanging.outcome, ==, RELAIS_HELPER_STOPPED);
    g_assert_cmpuint (waiting.outcome, ==, RELAIS_HELPER_STOPPED);
    make_helper (fixture, 0);
    last.to_free = fixture->helper;
    call (fixture, "x", LONG_US, &last);
    fixture->helper = NULL;
    wait_for (fixture, &last);
    g_assert_cmpuint (last.outcome, ==, RELAIS_HELPER_OK);
    g_free (last.text);
    make_helper (fixture, 0);
}

static void
test_program (Fixture *fixture, gconstpointer data)
{
    static const char *const bad[] = {NULL, "", "../helper-fixture", "not-there"};

    for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
        g_autoptr (GError) error = NULL;
        const RelaisHelperInfo info = {sizeof info, 0, bad[i], 0};

        g_assert_null (relais_helper_new (&fixture->module, &info, &error));
        g_assert_nonnull (error);
    }
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL |
                            G_LOG_LEVEL_ERROR); /* ends are told of as warnings */
    ADD ("/helper/order", test_order);
    ADD ("/helper/sandbox", test_sandbox);
    ADD ("/helper/descriptors", test_descriptors);
    ADD ("/helper/deaths", test_deaths);
    ADD ("/helper/killed", test_killed);
    ADD ("/helper/timeout", test_timeout);
    ADD ("/helper/sizes", test_sizes);
    ADD ("/helper/busy", test_busy);
    ADD ("/helper/free", test_free);
    ADD ("/helper/program", test_program);
    return g_test_run ();
}
