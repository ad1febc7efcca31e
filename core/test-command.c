/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Commands of modules in the harness (include/relais/test.h): words are taken as relaisctl takes them, and
 * what is said is what it prints; an ONLINE command runs on the test's loop, without a socket between. The
 * caller's thread.
 */
#include "config.h"

#include "control/client-private.h"
#include "control/wire-private.h"
#include "module/test-private.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { PIECE_BYTES = 64 * 1024 };

/* An ONLINE call. */
typedef struct {
    RelaisTest *test;
    RelaisCommandCall *call;
    RelaisModule *module; /* whose it is */
    RelaisRender *render;
    FILE *err;
    int status;
} Online;

static void
on_line (gpointer data, const char *line, gsize size)
{
    JsonObject *object = relais_wire_parse (line, size - 1);

    g_assert (object != NULL);
    relais_render_object (((Online *)data)->render, object);
    json_object_unref (object);
}

static bool
is_full (gpointer data)
{
    return false;
}

static void
on_wait (gpointer data)
{
    relais_call_resume_later (((Online *)data)->call);
}

static void
give_piece (gpointer data)
{
    RelaisCommandCall *call = data;
    guint8 block[PIECE_BYTES];
    g_autoptr (GBytes) piece = NULL;
    gssize n;

    do
        n = read (relais_call_get_stream (call), block, sizeof block);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        piece = g_bytes_new (block, (gsize)n);
    relais_call_give_piece (call, piece);
    relais_call_unref (call);
}

static void
on_want (gpointer data)
{
    Online *online = data;

    relais_loop_post (online->test->loop, give_piece, relais_call_ref (online->call));
}

static void
on_ended (gpointer data, int status, const char *text)
{
    Online *online = data;

    online->status = status;
    relais_render_end (online->render);
    if (text != NULL)
        fprintf (online->err, "relaisctl: %s\n", text);
    online->test->done = true;
}

static const RelaisCallSink sink = {on_line, is_full, on_wait, on_ended, on_want};

static void
begin (gpointer data)
{
    Online *online = data;

    relais_call_set_owner (online->call, online->module);
    relais_call_run (online->call, online->module, &sink, online);
}

static int
run_online (gpointer data, RelaisCommandCall *call, gpointer command_data, RelaisRender *render,
            FILE *err)
{
    RelaisTest *test = data;
    Online online = {test, call, command_data, render, err, RELAIS_EXIT_REFUSED};

    test->hook = RELAIS_HOOK_CONNECT; /* its time, when the clock stands still, is the loop's */
    test->done = false;
    relais_loop_post (test->loop, begin, &online);
    while (!test->done)
        relais_test_wait (test);
    return online.status;
}

static void
add_command (gpointer data, const RelaisCommand *command, gpointer command_data)
{
    const bool added = relais_commands_add_module (data, command, command_data, NULL);

    g_assert (added); /* loading would have refused two of a name */
}

gint
relais_test_command (RelaisTest *test, const gchar *const *words, gchar **output)
{
    const RelaisOnline online = {test->loop, run_online, test};
    g_auto (GStrv) argv = g_strdupv ((gchar **)words);
    RelaisCommands *commands = relais_commands_new ();
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream (&text, &size);
    const RelaisTerminal terminal = {.out = out, .err = out};
    int status;

    g_assert (out != NULL);
    relais_host_each_command (test->host, add_command, commands);
    status = relais_commands_run_here (commands, &online, test->host->config,
                                       (int)g_strv_length (argv), argv, &terminal);
    fclose (out);
    if (output != NULL)
        *output = g_strdup (text);
    free (text);
    relais_commands_free (commands);
    return status;
}
