/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the harness asks of a module in the place of people and programs: commands as relaisctl runs them,
 * routes as clients ask for them; and what answers a module in the place of its helper.
 */
#include "stage.h"

#include <glib/gstdio.h>
#include <relais/timer.h>
#include <string.h>

#define WORDS(...) ((const gchar *const[]){__VA_ARGS__, NULL})
#define START_US (G_GINT64_CONSTANT (1795000000) * G_USEC_PER_SEC)
#define HOUR_US (3600 * (gint64)G_USEC_PER_SEC)

static RelaisTest *
begin (void)
{
    return stage_new (WORDS ("puppet"), "");
}

/* --- Commands ------------------------------------------------------------------------------------- */

static void
assert_command (RelaisTest *test, const gchar *const *words, gint status, const char *text)
{
    g_autofree char *output = NULL;

    g_assert_cmpint (relais_test_command (test, words, &output), ==, status);
    g_assert_cmpstr (output, ==, text);
}

static void
show (RelaisCommandCall *call)
{
    GBytes *script = relais_command_file (call, "script");
    gsize size = 0;

    g_assert_nonnull (relais_command_config (call));
    if (script != NULL)
        (void)g_bytes_get_data (script, &size);
    for (guint i = 0; i < relais_command_n_args (call); i++) {
        relais_command_put (call, "word", relais_command_arg (call, i));
        relais_command_put (call, "from", relais_command_option (call, "from"));
        relais_command_put_bool (call, "loud", relais_command_option (call, "loud") != NULL);
        relais_command_put_int (call, "script", (gint64)size);
        relais_command_end_row (call);
    }
    relais_command_note (call, "that was all");
    relais_command_finish (call);
}

static void
refuse (RelaisCommandCall *call)
{
    relais_command_fail (call, RELAIS_EXIT_REFUSED, "not today");
}

static void
test_commands (void)
{
    RelaisTest *test = begin ();

    puppet_on_command = show;
    assert_command (test, WORDS ("puppet", "play", "a", "--from=x", "b", "--json"), 0,
                    "{\"word\":\"a\",\"from\":\"x\",\"loud\":false,\"script\":0}\n"
                    "{\"word\":\"b\",\"from\":\"x\",\"loud\":false,\"script\":0}\n"
                    "{\"note\":\"that was all\"}\n");
    assert_command (test, WORDS ("puppet", "alone"), 0, "that was all\n");
    puppet_on_command = refuse;
    assert_command (test, WORDS ("puppet", "play"), RELAIS_EXIT_REFUSED, "relaisctl: not today\n");
    assert_command (test, WORDS ("puppet", "alone"), RELAIS_EXIT_REFUSED, "relaisctl: not today\n");
    assert_command (test, WORDS ("puppet", "play", "--lout"), RELAIS_EXIT_USAGE,
                    "relaisctl: unknown option --lout; did you mean --loud?\n"
                    "Usage: relaisctl puppet play WORD...\n");
    assert_command (test, WORDS ("puppet", "pay"), RELAIS_EXIT_USAGE,
                    "relaisctl: unknown command 'puppet pay'; did you mean 'puppet play'?\n");
    stage_free (test);
}

static guint64 n_read;
static guint n_pieces;

static void
count (RelaisCommandCall *call, gpointer data)
{
    GBytes *piece = relais_command_piece (call);

    if (piece == NULL) {
        relais_command_finish (call);
        return;
    }
    n_pieces++;
    n_read += g_bytes_get_size (piece);
    relais_command_when_piece (call, count, NULL);
}

static void
begin_to_read (RelaisCommandCall *call)
{
    relais_command_when_piece (call, count, NULL);
}

static void
test_files (void)
{
    const gsize size = 200000;
    g_autofree char *text = g_strnfill (size, 'a');
    g_autofree char *dir = g_dir_make_tmp ("ask-XXXXXX", NULL);
    g_autofree char *path = g_build_filename (dir, "file", NULL);
    g_autofree char *option = g_strconcat ("--script=", path, NULL);
    RelaisTest *test = begin ();

    g_assert_true (g_file_set_contents (path, text, (gssize)size, NULL));
    puppet_on_command = show;
    assert_command (test, WORDS ("puppet", "play", option, "--json", "a"), 0,
                    "{\"word\":\"a\",\"from\":null,\"loud\":false,\"script\":200000}\n"
                    "{\"note\":\"that was all\"}\n");
    puppet_on_command = begin_to_read;
    assert_command (test, WORDS ("puppet", "read", path), 0, "");
    g_assert_cmpuint (n_read, ==, size);
    g_assert_cmpuint (n_pieces, ==, 4);
    g_unlink (path);
    g_rmdir (dir);
    stage_free (test);
}

static RelaisModuleTimer *timer;

static void
on_time (gpointer data)
{
    g_clear_pointer (&timer, relais_module_timer_free);
    relais_command_finish (data);
}

static void
wait_an_hour (RelaisCommandCall *call)
{
    timer = relais_module_timer_new (puppet_data, on_time, call);
    relais_module_timer_set (timer, HOUR_US);
}

/* A command that waits for an hour takes none under a clock that stands still. */
static void
test_time (void)
{
    RelaisTest *test = stage_new_bare ();
    gint64 before_us;

    relais_test_use_clock (test, START_US);
    g_assert_true (relais_test_load (test, WORDS ("puppet"), "", NULL));
    puppet_data = relais_test_find_module (test, "puppet");
    before_us = relais_module_now_us (puppet_data);
    puppet_on_command = wait_an_hour;
    assert_command (test, WORDS ("puppet", "play"), 0, "");
    g_assert_cmpint (relais_module_now_us (puppet_data) - before_us, ==, HOUR_US);
    stage_free (test);
}

/* --- Routes --------------------------------------------------------------------------------------- */

static GThread *here;

static void
answer (RelaisHttpRequest *request, gpointer data)
{
    GBytes *body = relais_http_get_body (request);
    g_autofree char *text = g_strdup_printf (
        "%s %s %s %s %s %s %" G_GSIZE_FORMAT, relais_http_get_method (request),
        relais_http_get_rest (request), relais_http_get_query (request),
        relais_http_get_host (request), relais_http_get_client (request),
        relais_http_get_header (request, "x-test"), body != NULL ? g_bytes_get_size (body) : 0);
    g_autoptr (GBytes) said = g_bytes_new (text, strlen (text));

    g_assert_true (g_thread_self () != here);
    if (g_str_equal (relais_http_get_rest (request), "silent"))
        return;
    g_assert_true (relais_http_set_header (request, "X-Said", "yes"));
    g_assert_true (relais_http_answer (request, 201, "text/plain", said));
}

static gboolean
add_routes (RelaisModule *module, GError **error)
{
    const RelaisHttpRouteInfo both = {.struct_size = sizeof both,
                                      .listener = RELAIS_HTTP_API,
                                      .path = "/p/",
                                      .methods = RELAIS_HTTP_GET | RELAIS_HTTP_POST,
                                      .func = answer,
                                      .max_body = 5};
    const RelaisHttpRouteInfo get = {.struct_size = sizeof get,
                                     .listener = RELAIS_HTTP_TRACKER,
                                     .path = "/g",
                                     .methods = RELAIS_HTTP_GET,
                                     .kind = RELAIS_HTTP_POOL,
                                     .func = answer};

    return relais_module_add_route (module, &both, error) &&
           relais_module_add_route (module, &get, error);
}

static void
assert_asked (RelaisTest *test, RelaisHttpListenerKind listener, const char *head, const char *body,
              guint32 status, const char *text)
{
    g_autoptr (GBytes) sent = body != NULL ? g_bytes_new (body, strlen (body)) : NULL;
    g_autoptr (GBytes) got = NULL;
    g_autofree char *fields = NULL, *said = NULL;
    gsize size;
    const char *bytes;

    g_assert_cmpuint (relais_test_request (test, listener, head, sent, &fields, &got), ==, status);
    bytes = g_bytes_get_data (got, &size);
    said = g_strndup (bytes, size);
    g_assert_cmpstr (said, ==, text);
    g_assert_cmpstr (fields, ==,
                     status == 201 ? "Content-Type: text/plain\r\nX-Said: yes\r\n" : "");
}

#define HOST "Host: T.test:80\r\n"

static void
test_routes (void)
{
    RelaisTest *test;

    here = g_thread_self ();
    puppet_on_init = add_routes;
    test = begin ();
    assert_asked (test, RELAIS_HTTP_API, "GET /p/a?b HTTP/1.1\r\n" HOST "X-Test: c\r\n", NULL, 201,
                  "GET a b t.test 192.0.2.1 c 0");
    relais_test_set_client (test, "2001:db8::1", NULL);
    assert_asked (test, RELAIS_HTTP_API, "POST /p/ HTTP/1.1\r\n" HOST, "12345", 201,
                  "POST  (null) t.test 2001:db8::1 (null) 5");
    assert_asked (test, RELAIS_HTTP_API, "HEAD /p/ HTTP/1.1\r\n" HOST, NULL, 201, "");
    assert_asked (test, RELAIS_HTTP_TRACKER, "GET /g HTTP/1.1\r\n" HOST, NULL, 201,
                  "GET  (null) t.test 2001:db8::1 (null) 0");
    assert_asked (test, RELAIS_HTTP_API, "POST /p/ HTTP/1.1\r\n" HOST, "123456", 413, "");
    assert_asked (test, RELAIS_HTTP_TRACKER, "POST /g HTTP/1.1\r\n" HOST, "", 405, "");
    assert_asked (test, RELAIS_HTTP_TRACKER, "GET /p/ HTTP/1.1\r\n" HOST, NULL, 404, "");
    assert_asked (test, RELAIS_HTTP_API, "GET /p/ HTTP/1.1\n", NULL, 400, "");
    assert_asked (test, RELAIS_HTTP_API, "GET /p/silent HTTP/1.1\r\n" HOST, NULL, 500, "");
    stage_free (test);
}

/* --- Helpers -------------------------------------------------------------------------------------- */

typedef struct {
    gboolean called;
    RelaisHelperOutcome outcome;
    char *text; /* of the reply; or NULL */
} Told;

static void
on_reply (RelaisHelperOutcome outcome, GBytes *reply, gpointer data)
{
    Told *told = data;
    gsize size = 0;
    const char *bytes = reply != NULL ? g_bytes_get_data (reply, &size) : NULL;

    g_assert_true ((reply != NULL) == (outcome == RELAIS_HELPER_OK));
    *told = (Told){TRUE, outcome, g_strndup (bytes, size)};
}

static void
assert_helped (RelaisTest *test, RelaisHelper *helper, const char *request,
               RelaisHelperOutcome outcome, const char *reply)
{
    g_autoptr (GBytes) bytes = g_bytes_new (request, strlen (request));
    Told told = {0};

    relais_helper_call (helper, bytes, HOUR_US, on_reply, &told);
    g_assert_false (told.called);
    stage_wait (test, &told.called);
    g_assert_cmpuint (told.outcome, ==, outcome);
    if (reply != NULL)
        g_assert_cmpstr (told.text, ==, reply);
    g_free (told.text);
}

static GBytes *
twice (GBytes *request, gpointer data)
{
    gsize size;
    const char *bytes = g_bytes_get_data (request, &size);
    g_autofree char *text = g_strdup_printf ("%.*s%.*s", (int)size, bytes, (int)size, bytes);
    guint *calls = data;

    ++*calls;
    if (strcmp (text, "longlong") == 0)
        return g_bytes_new_take (g_malloc0 (RELAIS_HELPER_BYTES + 1), RELAIS_HELPER_BYTES + 1);
    return size > 0 ? g_bytes_new (text, strlen (text)) : NULL;
}

static void
test_helpers (void)
{
    const RelaisHelperInfo info = {.struct_size = sizeof info, .program = "none-such"};
    RelaisTest *test = begin ();
    RelaisModule *module = relais_test_find_module (test, "puppet");
    g_autoptr (GError) error = NULL;
    RelaisHelper *helper;
    guint calls = 0;

    g_assert_null (relais_helper_new (module, &info, &error));
    g_assert_nonnull (error);
    relais_test_answer_helper (test, "none-such", twice, &calls);
    helper = relais_helper_new (module, &info, NULL);
    g_assert_nonnull (helper);
    assert_helped (test, helper, "ab", RELAIS_HELPER_OK, "abab");
    assert_helped (test, helper, "", RELAIS_HELPER_DIED, NULL);
    assert_helped (test, helper, "long", RELAIS_HELPER_DIED, NULL);
    g_assert_cmpuint (calls, ==, 3);
    relais_test_fail_helper (test, "none-such", RELAIS_HELPER_TIMEOUT);
    assert_helped (test, helper, "ab", RELAIS_HELPER_TIMEOUT, NULL);
    g_assert_cmpuint (calls, ==, 3);
    relais_test_fail_helper (test, "none-such", RELAIS_HELPER_OK);
    assert_helped (test, helper, "b", RELAIS_HELPER_OK, "bb");
    relais_helper_free (helper);
    stage_free (test);
}

void
ask_add_tests (void)
{
    g_test_add_func ("/api/ask/commands", test_commands);
    g_test_add_func ("/api/ask/files", test_files);
    g_test_add_func ("/api/ask/time", test_time);
    g_test_add_func ("/api/ask/routes", test_routes);
    g_test_add_func ("/api/ask/helpers", test_helpers);
}
