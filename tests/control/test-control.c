/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/control over a real socket: a daemon's loop in a thread, relaisctl's side in the test's.
 * What a command yields arrives as table or JSON, with back-pressure and files; garbage, partial
 * lines and clients that go away harm nobody.
 */
#include "config.h"

#include "control/client-private.h"
#include "control/wire-private.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#ifdef RELAIS_SANITIZED
enum { GARBAGE_MESSAGES = 20000, MANY_ROWS = 20000 };
#else
enum { GARBAGE_MESSAGES = 100000, MANY_ROWS = 100000 };
#endif

/* --- Commands --------------------------------------------------------------------------------- */

static void
echo (RelaisCommandCall *call, gpointer data)
{
    GBytes *file = relais_command_file (call, "file");

    for (guint i = 0; i < relais_command_n_args (call); i++) {
        relais_command_put_int (call, "n", i);
        relais_command_put (call, "argument", relais_command_arg (call, i));
        relais_command_end_row (call);
    }
    g_assert_null (relais_command_arg (call, 1000));
    if (relais_command_option (call, "name") != NULL)
        relais_command_note (call, relais_command_option (call, "name"));
    if (relais_command_option (call, "flag") != NULL)
        relais_command_note (call, "flag");
    if (file != NULL) {
        g_autofree char *sum = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, file);

        relais_command_note (call, sum);
    }
    relais_command_finish (call);
}

/* Of the file that the first argument names. */
static void
sum (RelaisCommandCall *call, gpointer data)
{
    GBytes *file = relais_command_file (call, "");
    g_autofree char *text = NULL, *note = NULL;

    if (file == NULL) {
        relais_command_fail (call, RELAIS_EXIT_USAGE, "no file");
        return;
    }
    text = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, file);
    note = g_strdup_printf ("%s %u", text, relais_command_n_args (call));
    relais_command_note (call, note);
    relais_command_finish (call);
}

/* Of a file that comes in pieces; a row for each. */
typedef struct {
    GChecksum *sum;
    guint64 size;
} Pieces;

static gint pieces_lost; /* calls that were left in the middle of their file */

static void
take_piece (RelaisCommandCall *call, gpointer data)
{
    Pieces *pieces = data;
    GBytes *piece = relais_command_piece (call);
    gsize size = 0;
    gconstpointer bytes = piece != NULL ? g_bytes_get_data (piece, &size) : NULL;
    g_autofree char *text = NULL;

    if (piece != NULL) {
        g_checksum_update (pieces->sum, bytes, (gssize)size);
        pieces->size += size;
        relais_command_put_int (call, "size", (gint64)size);
        relais_command_end_row (call);
        relais_command_when_piece (call, take_piece, pieces);
        return;
    }
    g_atomic_int_add (&pieces_lost, relais_command_is_abandoned (call));
    text = g_strdup_printf ("%s %u\n", g_checksum_get_string (pieces->sum), (guint)pieces->size);
    relais_command_raw (call, text);
    relais_command_finish (call);
    g_checksum_free (pieces->sum);
    g_free (pieces);
}

static void
stream (RelaisCommandCall *call, gpointer data)
{
    Pieces *pieces = g_new0 (Pieces, 1);

    pieces->sum = g_checksum_new (G_CHECKSUM_SHA256);
    relais_command_when_piece (call, take_piece, pieces);
}

static void
types (RelaisCommandCall *call, gpointer data)
{
    relais_command_put (call, "id", "a1");
    relais_command_put_int (call, "size", 7);
    relais_command_put_bool (call, "held", TRUE);
    relais_command_put_time (call, "queued", G_GINT64_CONSTANT (1700000000123456));
    relais_command_put (call, "reply", "550 \x1b[31mred\nline \xff");
    relais_command_end_row (call);
    relais_command_put (call, "id", "b");
    relais_command_put_int (call, "size", 1234567);
    relais_command_put_bool (call, "held", FALSE);
    relais_command_put_time (call, "queued", -1);
    relais_command_put (call, "reply", NULL);
    relais_command_end_row (call);
    relais_command_put (call, "other", "table");
    relais_command_end_row (call);
    relais_command_progress (call, 1, 2);
    relais_command_note (call, "that\nwas all\x07");
    relais_command_finish (call);
}

/* What a listing may hold. */
static void
mails (RelaisCommandCall *call, gpointer data)
{
    relais_command_put (call, "id", "001j1dm5ks78m");
    relais_command_put (call, "sender", "somebody.with.a.long.name@subdomain.example.org");
    relais_command_put_time (call, "due", G_GINT64_CONSTANT (1700000000123456));
    relais_command_put_int (call, "size", 123456);
    relais_command_put (call, "reply", "451 4.7.1 come again later, we have never heard of you");
    relais_command_end_row (call);
    relais_command_put (call, "id", "001j1dm5ks78n");
    relais_command_put (call, "sender", "");
    relais_command_put_time (call, "due", G_GINT64_CONSTANT (1700000000123456));
    relais_command_put_int (call, "size", 7);
    relais_command_put (call, "reply", NULL);
    relais_command_end_row (call);
    relais_command_finish (call);
}

/* As many rows as the argument says, never ahead of the reader. */
typedef struct {
    guint left, waits;
} Many;

static void
many_on (RelaisCommandCall *call, gpointer data)
{
    Many *many = data;

    while (many->left > 0) {
        if (relais_command_is_full (call)) {
            many->waits++;
            relais_command_when_drained (call, many_on, many);
            return;
        }
        if (relais_command_is_abandoned (call))
            many->left = 1;
        relais_command_put_int (call, "left", --many->left);
        relais_command_put (call, "padding", "------------------------------------------------");
        relais_command_end_row (call);
    }
    relais_command_put_int (call, "waits", many->waits);
    relais_command_end_row (call);
    g_free (many);
    relais_command_finish (call);
}

static void
many (RelaisCommandCall *call, gpointer data)
{
    Many *state = g_new0 (Many, 1);

    state->left = (guint)g_ascii_strtoull (relais_command_arg (call, 0), NULL, 10);
    many_on (call, state);
}

/* Never looks at its reader. */
static void
flood (RelaisCommandCall *call, gpointer data)
{
    g_autofree char *text = g_strnfill (100000, 'x');

    for (int i = 0; i < 1500; i++) {
        relais_command_put (call, "text", text);
        relais_command_end_row (call);
    }
    relais_command_finish (call);
}

static void
refuse (RelaisCommandCall *call, gpointer data)
{
    relais_command_put (call, "done", "half");
    relais_command_end_row (call);
    relais_command_fail (call, RELAIS_EXIT_REFUSED, "there is no such thing");
}

static void
later_ends (gpointer data)
{
    relais_command_note (data, "later");
    relais_command_finish (data);
}

static void
later (RelaisCommandCall *call, gpointer data)
{
    relais_loop_post (*(RelaisLoop **)data, later_ends, call);
}

static const RelaisCommand commands[] = {
    {"echo", NULL, "[WORD]...", "name= file@ flag", "Say it again.", RELAIS_COMMAND_ONLINE, 0,
     echo},
    {"off", "echo", "[WORD]...", "name= file@ flag", "The same without a daemon.",
     RELAIS_COMMAND_OFFLINE, 0, echo},
    {"off", "types", "", "", "Values of all types.", RELAIS_COMMAND_OFFLINE, 0, types},
    {"off", "mails",
     "[ID] [--sender=ADDRESS] [--recipient=ADDRESS] [--tenant=NAME] [--all] [--limit=N]", "",
     "Show how a table fits that is wide in more than one column, and how a text that is long goes "
     "on below "
     "itself.",
     RELAIS_COMMAND_OFFLINE, 0, mails},
    {"on", "types", "", "", "The same from the daemon.", RELAIS_COMMAND_ONLINE, 0, types},
    {"many", NULL, "N", "", "Many rows.", RELAIS_COMMAND_ONLINE, 0, many},
    {"off", "many", "N", "", "Many rows.", RELAIS_COMMAND_OFFLINE, 0, many},
    {"flood", NULL, "", "", "Too many.", RELAIS_COMMAND_ONLINE, 0, flood},
    {"refuse", NULL, "", "", "Refuse.", RELAIS_COMMAND_ONLINE, 0, refuse},
    {"sum", NULL, "FILE [WORD]...", "flag @", "Sum up a file.", RELAIS_COMMAND_ONLINE, 0, sum},
    {"stdin", NULL, "[WORD]...", "-<", "Sum up standard input.", RELAIS_COMMAND_ONLINE, 0, stream},
    {"stream", NULL, "FILE", "<", "Sum up a file in pieces.", RELAIS_COMMAND_ONLINE, 0, stream},
    {"off", "sum", "FILE [WORD]...", "@", "The same.", RELAIS_COMMAND_OFFLINE, 0, sum},
    {"later", NULL, "", NULL, "End in a later turn.", RELAIS_COMMAND_ONLINE, 0, later},
};

static RelaisCommands *
new_registry (gpointer data)
{
    RelaisCommands *registry = relais_commands_new ();
    g_autoptr (GError) error = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
        g_assert_true (relais_commands_add (registry, &commands[i], data, NULL));
    g_assert_false (relais_commands_add (registry, &commands[1], NULL, &error));
    g_assert_cmpstr (error->message, ==, "command 'off echo' is declared twice");
    return registry;
}

/* --- The daemon's thread ---------------------------------------------------------------------- */

typedef struct {
    char *dir, *path;
    GThread *thread;
    GMutex mutex;
    GCond cond;
    bool ready;
    RelaisLoop *loop;
    RelaisControl *control;
} Daemon;

static gpointer
daemon_thread (gpointer data)
{
    Daemon *daemon = data;
    RelaisCommands *registry = new_registry (&daemon->loop);
    g_autoptr (GError) error = NULL;

    daemon->loop = relais_loop_new (NULL, &error);
    g_assert_no_error (error);
    daemon->control = relais_control_new (daemon->loop, daemon->path, registry, &error);
    g_assert_no_error (error);
    g_mutex_lock (&daemon->mutex);
    daemon->ready = true;
    g_cond_signal (&daemon->cond);
    g_mutex_unlock (&daemon->mutex);
    relais_loop_run (daemon->loop);
    relais_control_free (daemon->control);
    for (int i = 0; i < 100; i++) /* what was abandoned ends, what lingers is written */
        relais_loop_turn (daemon->loop, false);
    relais_commands_free (registry);
    relais_loop_free (daemon->loop);
    return NULL;
}

static void
daemon_init (Daemon *daemon)
{
    memset (daemon, 0, sizeof *daemon);
    daemon->dir = g_dir_make_tmp ("relais-control-XXXXXX", NULL);
    daemon->path = g_build_filename (daemon->dir, "control", NULL);
    g_mutex_init (&daemon->mutex);
    g_cond_init (&daemon->cond);
    daemon->thread = g_thread_new ("daemon", daemon_thread, daemon);
    g_mutex_lock (&daemon->mutex);
    while (!daemon->ready)
        g_cond_wait (&daemon->cond, &daemon->mutex);
    g_mutex_unlock (&daemon->mutex);
}

static void
quit (gpointer data)
{
    relais_loop_quit (data);
}

static void
daemon_clear (Daemon *daemon)
{
    relais_loop_post (daemon->loop, quit, daemon->loop);
    g_thread_join (daemon->thread);
    g_assert_false (g_file_test (daemon->path, G_FILE_TEST_EXISTS));
    g_assert_cmpint (g_rmdir (daemon->dir), ==, 0);
    g_free (daemon->path);
    g_free (daemon->dir);
    g_mutex_clear (&daemon->mutex);
    g_cond_clear (&daemon->cond);
}

/* --- relaisctl's side ------------------------------------------------------------------------- */

typedef struct {
    int status;
    char *out, *err;
} Result;

static Result
run_at (const char *path, int width, const char *line)
{
    RelaisCommands *registry = new_registry (NULL);
    g_auto (GStrv) argv = NULL;
    int argc = 0;
    Result result = {0};
    size_t out_size, err_size;
    RelaisTerminal terminal = {.width = width};

    if (!g_shell_parse_argv (line, &argc, &argv, NULL))
        argv = g_new0 (char *, 1);
    terminal.out = open_memstream (&result.out, &out_size);
    terminal.err = open_memstream (&result.err, &err_size);
    result.status = relais_commands_run (registry, path, NULL, argc, argv, &terminal);
    fclose (terminal.out);
    fclose (terminal.err);
    relais_commands_free (registry);
    return result;
}

static void
result_clear (Result *result)
{
    free (result->out);
    free (result->err);
}

static void
expect (const char *path, const char *line, int status, const char *out, const char *err)
{
    Result result = run_at (path, 0, line);

    g_test_message ("relaisctl %s", line);
    g_assert_cmpstr (result.err, ==, err);
    g_assert_cmpstr (result.out, ==, out);
    g_assert_cmpint (result.status, ==, status);
    result_clear (&result);
}

/* --- Rendering -------------------------------------------------------------------------------- */

static void
test_render (void)
{
    static const char table[] = "ID     SIZE  HELD  QUEUED               REPLY\n"
                                "a1        7  yes   2023-11-14 22:13:20  550 \\x1b[31mred\\nline "
                                "\xef\xbf\xbd\n"
                                "b   1234567  no    1969-12-31 23:59:59  \n"
                                "\n"
                                "OTHER\n"
                                "table\n"
                                "that\n"
                                "was all\\x07\n";
    static const char json[] =
        "{\"id\":\"a1\",\"size\":7,\"held\":true,\"queued\":\"2023-11-14T22:13:20.123456Z\","
        "\"reply\":\"550 \\u001b[31mred\\nline \xef\xbf\xbd\"}\n"
        "{\"id\":\"b\",\"size\":1234567,\"held\":false,\"queued\":\"1969-12-31T23:59:59.999999Z\","
        "\"reply\":null}\n"
        "{\"other\":\"table\"}\n"
        "{\"note\":\"that\\nwas all\\u0007\"}\n";

    expect ("/nonexistent", "off types", 0, table, "");
    expect ("/nonexistent", "off types --json", 0, json, "");
}

static void
test_width (void)
{
    Result narrow = run_at ("/nonexistent", 20, "off echo 'ein sehr langes Wort, größer' kurz");
    Result wide = run_at ("/nonexistent", 200, "off echo 'ein sehr langes Wort, größer' kurz");

    g_assert_cmpstr (narrow.out, ==,
                     "N  ARGUMENT\n"
                     "0  ein sehr langes …\n"
                     "1  kurz\n");
    g_assert_cmpstr (wide.out, ==,
                     "N  ARGUMENT\n"
                     "0  ein sehr langes Wort, größer\n"
                     "1  kurz\n");
    g_assert_cmpuint (relais_render_columns ("日本 a\xcc\x81"), ==, 6);
    result_clear (&narrow);
    result_clear (&wide);
}

/* Who looks at a terminal is told; programs get nothing. */
static void
test_empty (void)
{
    Result terminal = run_at ("/nonexistent", 80, "off echo");

    g_assert_cmpstr (terminal.out, ==, "Done; there is nothing to show.\n");
    result_clear (&terminal);
    expect ("/nonexistent", "off echo", 0, "", "");
    expect ("/nonexistent", "off echo --json", 0, "", "");
}

static gsize
longest_line (const char *text)
{
    g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
    gsize longest = 0;

    for (char **line = lines; *line != NULL; line++)
        longest = MAX (longest, relais_render_columns (*line));
    return longest;
}

/* Texts are cut to one width while they can still be read, else rows are folded; numbers, times and what is short
 * stay whole. */
static void
test_wide_columns (void)
{
    Result cut = run_at ("/nonexistent", 80, "off mails");
    Result folded = run_at ("/nonexistent", 60, "off mails");

    g_assert_cmpstr (
        cut.out, ==,
        "ID             SENDER             DUE                    SIZE  REPLY\n"
        "001j1dm5ks78m  somebody.with.a.…  2023-11-14 22:13:20  123456  451 4.7.1 come a…\n"
        "001j1dm5ks78n                     2023-11-14 22:13:20       7  \n");
    g_assert_cmpstr (folded.out, ==,
                     "ID\n"
                     "    SENDER\n"
                     "    DUE                    SIZE\n"
                     "    REPLY\n"
                     "001j1dm5ks78m\n"
                     "    somebody.with.a.long.name@subdomain.example.org\n"
                     "    2023-11-14 22:13:20  123456\n"
                     "    451 4.7.1 come again later, we have never heard of you\n"
                     "001j1dm5ks78n\n"
                     "    2023-11-14 22:13:20       7\n");
    result_clear (&cut);
    result_clear (&folded);
    for (int width = 24; width < 160; width++) {
        Result result = run_at ("/nonexistent", width, "off mails");

        g_assert_cmpuint (longest_line (result.out), <=, MAX (width, 31));
        g_assert_nonnull (strstr (result.out, "2023-11-14 22:13:20"));
        g_assert_nonnull (strstr (result.out, "001j1dm5ks78m"));
        result_clear (&result);
    }
}

/* --- Arguments -------------------------------------------------------------------------------- */

static void
test_usage (void)
{
    static const struct {
        const char *line, *err;
    } rows[] = {
        {"ecko", "relaisctl: unknown command 'ecko'; did you mean 'echo'?\n"},
        {"zzzzzz", "relaisctl: unknown command 'zzzzzz'; relaisctl help lists them\n"},
        {"off tipes", "relaisctl: unknown command 'off tipes'; did you mean 'off types'?\n"},
        {"on", "relaisctl: 'on' wants a verb; there are:\n"
               "  on types  The same from the daemon.\n"},
        {"on zzzzzz", "relaisctl: unknown command 'on zzzzzz'; there are:\n"
                      "  on types  The same from the daemon.\n"},
        {"off echo --nam=x", "relaisctl: unknown option --nam; did you mean --name?\n"
                             "Usage: relaisctl off echo [WORD]...\n"},
        {"off echo --zzzzzz", "relaisctl: unknown option --zzzzzz\n"
                              "Usage: relaisctl off echo [WORD]...\n"},
        {"off echo -x", "relaisctl: unknown option --x\nUsage: relaisctl off echo [WORD]...\n"},
        {"off echo --name", "relaisctl: option --name wants a value\n"
                            "Usage: relaisctl off echo [WORD]...\n"},
        {"off echo --flag=1", "relaisctl: option --flag takes no value\n"
                              "Usage: relaisctl off echo [WORD]...\n"},
        {"help zzzzzz", "relaisctl: unknown command 'zzzzzz'; relaisctl help lists them\n"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
        expect ("/nonexistent", rows[i].line, RELAIS_EXIT_USAGE, "", rows[i].err);
    expect ("/nonexistent", "off echo a --name=n --flag -- --json", 0,
            "N  ARGUMENT\n0  a\n1  --json\nn\nflag\n", "");
    expect ("/nonexistent", "off echo --name n - --json", 0,
            "{\"n\":0,\"argument\":\"-\"}\n{\"note\":\"n\"}\n", "");
    expect ("/nonexistent", "help on", 0, "  on types  The same from the daemon.\n", "");
    expect ("/nonexistent", "on --help", 0, "  on types  The same from the daemon.\n", "");
    expect ("/nonexistent", "on types --help", 0, "  on types  The same from the daemon.\n", "");
}

static void
test_help (void)
{
    Result help = run_at ("/nonexistent", 0, "--help");
    Result none = run_at ("/nonexistent", 0, "");

    g_assert_cmpint (help.status, ==, RELAIS_EXIT_DONE);
    g_assert_true (g_str_has_prefix (help.out, "Usage: relaisctl "));
    for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
        g_assert_nonnull (
            strstr (help.out, commands[i].verb != NULL ? commands[i].verb : commands[i].doc));
    g_assert_nonnull (strstr (
        help.out, "\n  off mails [ID] [--sender=ADDRESS] [--recipient=ADDRESS] [--tenant=NAME]\n"
                  "      [--all] [--limit=N]\n"));
    g_assert_cmpuint (longest_line (help.out), <=, 80);
    for (int width = 40; width <= 120; width += 20) {
        Result fitted = run_at ("/nonexistent", width, "help");

        g_assert_cmpuint (longest_line (fitted.out), <=, width);
        result_clear (&fitted);
    }
    g_assert_cmpint (none.status, ==, RELAIS_EXIT_USAGE);
    g_assert_cmpstr (none.err, ==, help.out);
    result_clear (&help);
    result_clear (&none);
}

static void
test_no_daemon (void)
{
    expect ("/nonexistent/control", "echo", RELAIS_EXIT_NO_DAEMON, "",
            "relaisctl: no daemon answers at /nonexistent/control (No such file or directory)\n"
            "Is relaisd running? If it runs with another configuration, name that with --conf DIR, "
            "or its socket with --socket PATH.\n");
}

/* --- Online ----------------------------------------------------------------------------------- */

static void
test_online (void)
{
    Daemon daemon;
    struct stat status;

    daemon_init (&daemon);
    g_assert_cmpint (stat (daemon.path, &status), ==, 0);
    g_assert_cmpint (status.st_mode & 0777, ==, 0600);
    expect (daemon.path, "echo a 'b \"c\\' é --name='x y' --flag", 0,
            "N  ARGUMENT\n0  a\n1  b \"c\\\n2  é\nx y\nflag\n", "");
    expect (daemon.path, "echo", 0, "", "");
    expect (daemon.path, "refuse", RELAIS_EXIT_REFUSED, "DONE\nhalf\n",
            "relaisctl: there is no such thing\n");
    expect (daemon.path, "later", 0, "later\n", "");
    Result online = run_at (daemon.path, 0, "on types");
    Result offline = run_at (daemon.path, 0, "off types");

    g_assert_cmpstr (online.out, ==, offline.out);
    result_clear (&online);
    result_clear (&offline);
    daemon_clear (&daemon);
}

static void
test_file (void)
{
    Daemon daemon;
    g_autofree char *content = g_malloc (300000);
    g_autofree char *path = NULL;
    g_autofree char *sum = NULL;
    g_autofree char *line = NULL;
    g_autofree char *off_line = NULL;
    g_autofree char *expected = NULL;

    daemon_init (&daemon);
    for (int i = 0; i < 300000; i++)
        content[i] = (char)(i * 31 + i / 251);
    path = g_build_filename (daemon.dir, "file", NULL);
    line = g_strdup_printf ("echo --file=%s", path);
    off_line = g_strdup_printf ("off echo --file %s", path);
    g_assert_true (g_file_set_contents (path, content, 300000, NULL));
    sum = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *)content, 300000);
    expected = g_strconcat (sum, "\n", NULL);
    expect (daemon.path, line, 0, expected, "");
    expect (daemon.path, off_line, 0, expected, "");
    g_assert_true (g_file_set_contents (path, "", 0, NULL));
    expect (daemon.path, line, 0,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n", "");
    g_assert_cmpint (truncate (path, RELAIS_WIRE_FILE_BYTES + 1), ==, 0);
    Result large = run_at (daemon.path, 0, line);

    g_assert_cmpint (large.status, ==, RELAIS_EXIT_REFUSED);
    g_assert_nonnull (strstr (large.err, "File too large (at most 16 MiB are read)"));
    result_clear (&large);
    g_remove (path);
    daemon_clear (&daemon);
}

/* A lone @ among the options: the first argument names a file, whatever stands around it. */
static void
test_first_argument (void)
{
    Daemon daemon;
    g_autofree char *path = NULL, *line = NULL, *more = NULL, *off = NULL, *odd = NULL;

    daemon_init (&daemon);
    path = g_build_filename (daemon.dir, "file", NULL);
    g_assert_true (g_file_set_contents (path, "", 0, NULL));
    line = g_strdup_printf ("sum %s", path);
    more = g_strdup_printf ("sum --flag -- %s /nonexistent", path);
    off = g_strdup_printf ("off sum %s", path);
    odd = g_strdup_printf ("sum --=%s", path);
    expect (daemon.path, line, 0,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 1\n", "");
    expect (daemon.path, off, 0,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 1\n", "");
    expect (daemon.path, more, 0,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 2\n", "");
    expect (daemon.path, "sum", RELAIS_EXIT_USAGE, "", "relaisctl: no file\n");
    expect (daemon.path, "sum /nonexistent", RELAIS_EXIT_REFUSED, "",
            "relaisctl: /nonexistent: No such file or directory (at most 16 MiB are read)\n");
    Result result = run_at (daemon.path, 0, odd);

    g_assert_cmpint (result.status, ==, RELAIS_EXIT_USAGE);
    g_assert_true (g_str_has_prefix (result.err, "relaisctl: unknown option --"));
    result_clear (&result);
    g_remove (path);
    daemon_clear (&daemon);
}

static void
test_many (void)
{
    Daemon daemon;
    g_autofree char *line = g_strdup_printf ("many %d --json", MANY_ROWS);
    g_autofree char *off_line = g_strdup_printf ("off many %d --json", 1000);
    guint n = 0;

    daemon_init (&daemon);
    Result result = run_at (daemon.path, 0, line);

    g_assert_cmpstr (result.err, ==, "");
    for (const char *p = result.out; (p = strchr (p, '\n')) != NULL; p++)
        n++;
    g_assert_cmpuint (n, ==, MANY_ROWS + 1);
    g_assert_null (strstr (result.out, "{\"waits\":0}"));
    result_clear (&result);
    result = run_at (daemon.path, 0, off_line);
    g_assert_nonnull (strstr (result.out, "{\"waits\":0}"));
    result_clear (&result);
    result = run_at (daemon.path, 0, "flood --json");
    g_assert_cmpint (result.status, ==, RELAIS_EXIT_REFUSED);
    g_assert_cmpstr (result.err, ==,
                     "relaisctl: the output was cut off: it came faster than it was read\n");
    result_clear (&result);
    daemon_clear (&daemon);
}

/* --- Hostile clients -------------------------------------------------------------------------- */

static int
raw_connect (const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {10, 0};
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_strlcpy (address.sun_path, path, sizeof address.sun_path);
    g_assert_cmpint (connect (fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint (setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), ==, 0);
    g_assert_cmpint (setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), ==, 0);
    return fd;
}

/* What the daemon says to `bytes` until it closes or `end` stands in it. */
static char *
raw_talk (const char *path, const char *bytes, gsize size)
{
    g_autoptr (GString) answer = g_string_new (NULL);
    char block[4096];
    int fd = raw_connect (path);
    gsize sent = 0;
    ssize_t n;

    while (sent < size && (n = send (fd, bytes + sent, size - sent, MSG_NOSIGNAL)) > 0)
        sent += (gsize)n;
    shutdown (fd, SHUT_WR);
    while ((n = recv (fd, block, sizeof block, 0)) > 0)
        g_string_append_len (answer, block, n);
    close (fd);
    return g_string_free (g_steal_pointer (&answer), FALSE);
}

static void
test_refusals (void)
{
    static const struct {
        const char *request, *answer;
    } rows[] = {
        {"rubbish\n", "the request is not understood"},
        {"{}\n", "the daemon has no such command"},
        {"[]\n", "the request is not understood"},
        {"{'word':'echo'}\n", "the request is not understood"},
        {"/**/{}\n", "the request is not understood"},
        {"{\"word\":\"none\"}\n", "the daemon has no such command"},
        {"{\"word\":7}\n", "the daemon has no such command"},
        {"{\"word\":\"off\",\"verb\":\"types\"}\n", "the daemon has no such command"},
        {"{\"word\":\"echo\",\"args\":[1]}\n", "the command takes no such arguments"},
        {"{\"word\":\"echo\",\"options\":{\"name\":null}}\n",
         "the command takes no such arguments"},
        {"{\"word\":\"echo\",\"options\":{\"x\":\"\"}}\n", "the command takes no such arguments"},
        {"{\"word\":\"echo\"}\n{\"file\":\"name\",\"data\":\"\"}\n",
         "the command takes no such file"},
        {"{\"word\":\"echo\"}\n{\"x\":1}\n", "the request is not understood"},
        {"{\"word\":\"\xff\"}\n", "the request is not understood"},
    };
    Daemon daemon;

    daemon_init (&daemon);
    for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
        g_autofree char *expected =
            g_strdup_printf ("{\"end\":2,\"error\":\"%s\"}\n", rows[i].answer);
        g_autofree char *answer = raw_talk (daemon.path, rows[i].request, strlen (rows[i].request));

        g_test_message ("%s", rows[i].request);
        g_assert_cmpstr (answer, ==, expected);
    }

    /* A line that never ends, and one that is nested too deep for any parser. */
    g_autofree char *endless = g_strnfill (100000, ' ');
    g_autofree char *answer = raw_talk (daemon.path, endless, 100000);

    g_assert_cmpstr (answer, ==, "{\"end\":2,\"error\":\"the request's line is too long\"}\n");
    memset (endless, '[', 60000);
    memcpy (endless, "{\"a\":", 5);
    endless[60000] = '\n';
    g_clear_pointer (&answer, g_free);
    answer = raw_talk (daemon.path, endless, 60001);
    g_assert_cmpstr (answer, ==, "{\"end\":2,\"error\":\"the request is not understood\"}\n");

    /* A request cut at every octet. */
    static const char request[] = "{\"word\":\"echo\",\"args\":[\"a\"]}\n{\"run\":true}\n";

    for (gsize i = 0; i < strlen (request); i++) {
        g_autofree char *cut = raw_talk (daemon.path, request, i);

        g_assert_cmpstr (cut, ==, "");
    }
    g_clear_pointer (&answer, g_free);
    answer = raw_talk (daemon.path, request, strlen (request));
    expect (daemon.path, "later", 0, "later\n", "");
    daemon_clear (&daemon);
}

/* A line of random octets, or of pieces of what the protocol knows. */
static void
append_garbage (GString *out, GRand *random)
{
    static const char *const pieces[] = {
        "{\"word\":\"echo\"}",
        "{\"run\":true}",
        "{\"file\":\"file\",\"data\":\"AAAA\"}",
        "{",
        "}",
        "\"",
        "[",
        "]",
        ":",
        ",",
        "\\u0000",
        "\\",
        "1e999",
        "null",
        "\"word\"",
        "\"args\"",
        "\xc3",
    };
    int n = g_rand_int_range (random, 0, 8);
    bool words = g_rand_boolean (random);

    for (int i = 0; i < n; i++) {
        if (words)
            g_string_append (out, pieces[g_rand_int_range (random, 0, G_N_ELEMENTS (pieces))]);
        else
            g_string_append_c (out, (char)g_rand_int_range (random, 0, 256));
    }
    g_string_append_c (out, '\n');
}

static void
test_garbage (void)
{
    g_autoptr (GRand) random = g_rand_new_with_seed (31);
    g_autoptr (GString) line = g_string_new (NULL);
    g_autoptr (GString) batch = g_string_new (NULL);
    Daemon daemon;

    daemon_init (&daemon);
    /* The parser sees all of them; the socket sees connections of 100. */
    for (int i = 0; i < GARBAGE_MESSAGES; i++) {
        JsonObject *object;

        g_string_truncate (line, 0);
        append_garbage (line, random);
        object = relais_wire_parse (line->str, line->len - 1);
        g_clear_pointer (&object, json_object_unref);
        g_string_append_len (batch, line->str, (gssize)line->len);
        if (i % 100 == 99) {
            g_autofree char *answer = raw_talk (daemon.path, batch->str, batch->len);

            g_string_truncate (batch, 0);
        }
    }
    expect (daemon.path, "later", 0, "later\n", "");
    daemon_clear (&daemon);
}

/* Standard input in pieces, whatever the arguments are; no option is called "-". */
static void
test_stdin (void)
{
    Daemon daemon;
    const int kept = dup (STDIN_FILENO);
    FILE *file = tmpfile ();

    daemon_init (&daemon);
    g_assert_nonnull (file);
    g_assert_cmpint (dup2 (fileno (file), STDIN_FILENO), ==, STDIN_FILENO);
    expect (daemon.path, "stdin some words", 0,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0\n", "");
    expect (daemon.path, "stdin", 0,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0\n", "");
    expect (daemon.path, "stdin ---", RELAIS_EXIT_USAGE, "",
            "relaisctl: unknown option ---\nUsage: relaisctl stdin [WORD]...\n");
    g_assert_cmpint (dup2 (kept, STDIN_FILENO), ==, STDIN_FILENO);
    close (kept);
    fclose (file);
    daemon_clear (&daemon);
}

/* Of any size, with rows coming while it goes; and a client that leaves in the middle of it. */
static void
test_stream (void)
{
    static const char part[] = "{\"word\":\"stream\",\"args\":[\"x\"]}\n{\"run\":true}\n"
                               "{\"data\":\"AAAA\"}\n";
    const gsize size = RELAIS_WIRE_FILE_BYTES + 100001;
    Daemon daemon;
    g_autofree char *content = g_malloc0 (size);
    g_autofree char *path = NULL, *sum = NULL, *line = NULL, *expected = NULL;

    daemon_init (&daemon);
    for (gsize i = 0; i < size; i += 97)
        content[i] = (char)(i / 97);
    path = g_build_filename (daemon.dir, "file", NULL);
    line = g_strdup_printf ("stream %s", path);
    g_assert_true (g_file_set_contents (path, content, (gssize)size, NULL));
    sum = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *)content, size);
    expected = g_strdup_printf ("%s %u\n", sum, (guint)size);
    Result whole = run_at (daemon.path, 0, line);

    g_assert_cmpint (whole.status, ==, 0);
    g_assert_nonnull (strstr (whole.out, expected));
    g_assert_nonnull (strstr (whole.out, "45000"));
    result_clear (&whole);
    g_assert_true (g_file_set_contents (path, "", 0, NULL));
    expect (daemon.path, line, 0,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0\n", "");
    expect (daemon.path, "stream /nonexistent", RELAIS_EXIT_REFUSED, "",
            "relaisctl: /nonexistent: No such file or directory\n");
    int fd = raw_connect (daemon.path);
    char block[256];

    g_assert_cmpint (send (fd, part, sizeof part - 1, MSG_NOSIGNAL), ==, sizeof part - 1);
    g_assert_cmpint (recv (fd, block, sizeof block, 0), >, 0); /* the row of its piece */
    close (fd);
    for (int tries = 0; tries < 2000 && g_atomic_int_get (&pieces_lost) == 0; tries++)
        g_usleep (10000);
    g_assert_cmpint (g_atomic_int_get (&pieces_lost), ==, 1);
    g_remove (path);
    daemon_clear (&daemon);
}

/* Clients that leave while their command runs, and more of them than there is room for. */
static void
test_gone (void)
{
    static const char request[] = "{\"word\":\"many\",\"args\":[\"1000000\"]}\n{\"run\":true}\n";
    Daemon daemon;
    int fds[40];
    char block[256];
    guint refused = 0;

    daemon_init (&daemon);
    for (gsize i = 0; i < G_N_ELEMENTS (fds); i++) {
        fds[i] = raw_connect (daemon.path);
        (void)!send (fds[i], request, sizeof request - 1, MSG_NOSIGNAL);
    }
    for (gsize i = 0; i < G_N_ELEMENTS (fds); i++) {
        ssize_t n = recv (fds[i], block, sizeof block - 1, 0);

        g_assert_cmpint (n, >, 0);
        block[n] = '\0';
        if (strstr (block, "too many commands at once") == NULL)
            continue;
        /* and nobody waits for it to go */
        refused++;
        g_assert_cmpint (recv (fds[i], block, sizeof block, 0), <=, 0);
        g_assert_cmpint (send (fds[i], request, 1, MSG_NOSIGNAL), <, 0);
    }
    g_assert_cmpuint (refused, ==, 8);
    for (gsize i = 0; i < G_N_ELEMENTS (fds); i++)
        close (fds[i]);
    for (int tries = 0; tries < 100; tries++) {
        Result result = run_at (daemon.path, 0, "later");
        int status = result.status;

        result_clear (&result);
        if (status == 0)
            break;
        g_usleep (10000);
    }
    expect (daemon.path, "later", 0, "later\n", "");

    /* One that is still running when the daemon stops. */
    int last = raw_connect (daemon.path);

    (void)!send (last, request, sizeof request - 1, MSG_NOSIGNAL);
    g_assert_cmpint (recv (last, block, sizeof block, 0), >, 0);
    daemon_clear (&daemon);
    close (last);
}

/* A socket that nobody answers is replaced, a living one is not, and neither is a file. */
static void
test_stale (void)
{
    Daemon daemon;
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    RelaisCommands *registry = relais_commands_new ();
    g_autoptr (GError) error = NULL;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    RelaisControl *control;
    int fd;

    daemon_init (&daemon);
    g_assert_null (relais_control_new (loop, daemon.path, registry, &error));
    g_assert_nonnull (strstr (error->message, "another relaisd answers there"));
    g_clear_error (&error);
    expect (daemon.path, "later", 0, "later\n", "");

    g_autofree char *stale = g_build_filename (daemon.dir, "stale", NULL);
    g_autofree char *file = g_build_filename (daemon.dir, "file", NULL);

    fd = socket (AF_UNIX, SOCK_STREAM, 0);
    g_strlcpy (address.sun_path, stale, sizeof address.sun_path);
    g_assert_cmpint (bind (fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    close (fd);
    control = relais_control_new (loop, stale, registry, &error);
    g_assert_no_error (error);
    relais_control_free (control);

    g_assert_true (g_file_set_contents (file, "precious", -1, NULL));
    g_assert_null (relais_control_new (loop, file, registry, &error));
    g_assert_nonnull (strstr (error->message, "it is no socket"));
    g_assert_true (g_file_test (file, G_FILE_TEST_IS_REGULAR));
    g_remove (file);
    relais_commands_free (registry);
    daemon_clear (&daemon);
}

int
main (int argc, char **argv)
{
    g_setenv ("TZ", "UTC", TRUE);
    signal (SIGPIPE, SIG_IGN);
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/control/render", test_render);
    g_test_add_func ("/control/render/empty", test_empty);
    g_test_add_func ("/control/width", test_width);
    g_test_add_func ("/control/wide-columns", test_wide_columns);
    g_test_add_func ("/control/usage", test_usage);
    g_test_add_func ("/control/help", test_help);
    g_test_add_func ("/control/no-daemon", test_no_daemon);
    g_test_add_func ("/control/online", test_online);
    g_test_add_func ("/control/file", test_file);
    g_test_add_func ("/control/stdin", test_stdin);
    g_test_add_func ("/control/stream", test_stream);
    g_test_add_func ("/control/first-argument", test_first_argument);
    g_test_add_func ("/control/many", test_many);
    g_test_add_func ("/control/refusals", test_refusals);
    g_test_add_func ("/control/garbage", test_garbage);
    g_test_add_func ("/control/gone", test_gone);
    g_test_add_func ("/control/stale", test_stale);
    return g_test_run ();
}
