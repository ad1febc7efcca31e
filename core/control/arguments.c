/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * relaisctl's words: which command is meant, what it was given, and the help that names them all.
 * Every refusal says what would have been right.
 */
#include "config.h"

#include "conf/nearest-private.h"
#include "control/client-private.h"
#include "control/wire-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

typedef struct {
    RelaisCommands *commands;
    const char *socket_path;
    RelaisConfig *config;
    RelaisTerminal terminal;
    const RelaisOnline *online; /* or NULL: the daemon behind the socket */
} Run;

/* --- Help ------------------------------------------------------------------------------------- */

enum { USUAL_WIDTH = 80, LEAST_TEXT = 20 };

typedef struct {
    FILE *out;
    const char *word; /* NULL: all */
    gsize width;      /* of a line */
    gsize left;       /* of the left column */
    guint n;
} Help;

static char *
synopsis (const RelaisCommand *command)
{
    const char *usage =
        command->usage != NULL && command->usage[0] != '\0' ? _ (command->usage) : "";

    return g_strconcat (command->word, command->verb != NULL ? " " : "",
                        command->verb != NULL ? command->verb : "", usage[0] != '\0' ? " " : "",
                        usage, NULL);
}

static void
measure (gpointer data, const RelaisCommand *command)
{
    Help *help = data;
    g_autofree char *left = synopsis (command);

    if (help->word == NULL || strcmp (help->word, command->word) == 0)
        help->left = MAX (help->left, MIN (relais_render_columns (left), help->width * 2 / 5));
}

static void
print_command (gpointer data, const RelaisCommand *command)
{
    Help *help = data;
    g_autofree char *left = synopsis (command);
    const gsize columns = relais_render_columns (left), indent = help->left + 4;

    if (help->word != NULL && strcmp (help->word, command->word) != 0)
        return;
    help->n++;
    fputs ("  ", help->out);
    if (columns > help->left) {
        relais_render_words (help->out, left, 2, 6, help->width);
        fprintf (help->out, "%*s", (int)indent, "");
    } else {
        fprintf (help->out, "%s%*s", left, (int)(help->left - columns + 2), "");
    }
    relais_render_words (help->out, _ (command->doc), indent, indent,
                         MAX (help->width, indent + LEAST_TEXT));
}

static void
print_usage (FILE *out, gsize width)
{
    g_autofree char *usage =
        g_strdup (_ ("Usage: relaisctl [--conf DIR]... [--socket PATH] [--module-dir DIR] [--json] "
                     "COMMAND [ARGUMENTS]\n\n"));

    relais_render_words (out, g_strchomp (usage), 0, 8, width);
    fputc ('\n', out);
}

/* Prints the commands of `word`, or all of them. Returns how many there are. */
static guint
print_help (Run *run, FILE *out, const char *word)
{
    const int width = run->terminal.width > 0 ? run->terminal.width : USUAL_WIDTH;
    Help help = {.out = out, .word = word, .width = (gsize)width};

    if (word == NULL)
        print_usage (out, help.width);
    relais_commands_each (run->commands, measure, &help);
    relais_commands_each (run->commands, print_command, &help);
    return help.n;
}

static void
add_word (gpointer data, const RelaisCommand *command)
{
    g_ptr_array_add (data, (gpointer)command->word);
}

typedef struct {
    GPtrArray *verbs;
    const char *word;
} Verbs;

static void
add_verb (gpointer data, const RelaisCommand *command)
{
    Verbs *verbs = data;

    if (command->verb != NULL && strcmp (command->word, verbs->word) == 0)
        g_ptr_array_add (verbs->verbs, (gpointer)command->verb);
}

static int
unknown_word (Run *run, const char *word)
{
    g_autoptr (GPtrArray) words = g_ptr_array_new ();
    const char *nearest;

    relais_commands_each (run->commands, add_word, words);
    nearest = relais_nearest_name (word, words);
    if (nearest != NULL)
        fprintf (run->terminal.err, _ ("relaisctl: unknown command '%s'; did you mean '%s'?\n"),
                 word, nearest);
    else
        fprintf (run->terminal.err,
                 _ ("relaisctl: unknown command '%s'; relaisctl help lists them\n"), word);
    return RELAIS_EXIT_USAGE;
}

/* The word is known, what follows is not. */
static int
unknown_verb (Run *run, const char *word, const char *verb)
{
    g_autoptr (GPtrArray) names = g_ptr_array_new ();
    Verbs verbs = {names, word};
    const char *nearest;

    relais_commands_each (run->commands, add_verb, &verbs);
    nearest = verb != NULL ? relais_nearest_name (verb, names) : NULL;
    if (nearest != NULL)
        fprintf (run->terminal.err,
                 _ ("relaisctl: unknown command '%s %s'; did you mean '%s %s'?\n"), word, verb,
                 word, nearest);
    else if (verb != NULL)
        fprintf (run->terminal.err, _ ("relaisctl: unknown command '%s %s'; there are:\n"), word,
                 verb);
    else
        fprintf (run->terminal.err, _ ("relaisctl: '%s' wants a verb; there are:\n"), word);
    if (nearest == NULL)
        print_help (run, run->terminal.err, word);
    return RELAIS_EXIT_USAGE;
}

static bool
is_word (RelaisCommands *commands, const char *word)
{
    g_autoptr (GPtrArray) words = g_ptr_array_new ();

    relais_commands_each (commands, add_word, words);
    return g_ptr_array_find_with_equal_func (words, word, g_str_equal, NULL);
}

static int
help_main (Run *run, const char *word)
{
    if (word != NULL && !is_word (run->commands, word))
        return unknown_word (run, word);
    print_help (run, run->terminal.out, word);
    return RELAIS_EXIT_DONE;
}

/* --- Arguments -------------------------------------------------------------------------------- */

/* The file's bytes, "-" for stdin; NULL with errno set if it cannot be read or is too large. */
static GBytes *
read_file (const char *path)
{
    bool is_stdin = strcmp (path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open (path, O_RDONLY | O_CLOEXEC);
    g_autoptr (GByteArray) bytes = g_byte_array_new ();
    guint8 block[65536];
    int cause = fd < 0 ? errno : 0;

    while (cause == 0) {
        ssize_t n = read (fd, block, sizeof block);

        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            cause = errno;
        else if (bytes->len + (gsize)n > RELAIS_WIRE_FILE_BYTES)
            cause = EFBIG;
        else
            g_byte_array_append (bytes, block, (guint)n);
    }
    if (fd >= 0 && !is_stdin)
        close (fd);
    errno = cause;
    return cause == 0 ? g_byte_array_free_to_bytes (g_steal_pointer (&bytes)) : NULL;
}

static int
usage_error (Run *run, const RelaisCommand *command)
{
    g_autofree char *usage = synopsis (command);

    fprintf (run->terminal.err, _ ("Usage: relaisctl %s\n"), usage);
    return RELAIS_EXIT_USAGE;
}

static int
unknown_option (Run *run, const RelaisCommand *command, const char *name)
{
    g_autoptr (GPtrArray) names = relais_command_option_names (command);
    const char *nearest = relais_nearest_name (name, names);

    if (nearest != NULL)
        fprintf (run->terminal.err, _ ("relaisctl: unknown option --%s; did you mean --%s?\n"),
                 name, nearest);
    else
        fprintf (run->terminal.err, _ ("relaisctl: unknown option --%s\n"), name);
    return usage_error (run, command);
}

/* A file that is sent in pieces is only opened here. */
static int
take_stream (Run *run, RelaisCommandCall *call, const char *path)
{
    int fd = strcmp (path, "-") == 0 ? fcntl (STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                     : open (path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        fprintf (run->terminal.err, "relaisctl: %s: %s\n", path, g_strerror (errno));
        return RELAIS_EXIT_REFUSED;
    }
    relais_call_set_stream (call, fd);
    return 0;
}

static int
take_file (Run *run, RelaisCommandCall *call, const char *name, const char *path)
{
    GBytes *bytes = read_file (path);

    if (bytes == NULL) {
        fprintf (run->terminal.err, _ ("relaisctl: %s: %s (at most 16 MiB are read)\n"), path,
                 g_strerror (errno));
        return RELAIS_EXIT_REFUSED;
    }
    relais_call_set_file (call, name, bytes);
    return 0;
}

/* One "--name", "--name=value", or "--name value" (`next`; used is set). 0 or the exit status. */
static int
take_option (Run *run, RelaisCommandCall *call, const char *text, const char *next, bool *used)
{
    const RelaisCommand *command = relais_call_command (call);
    const char *equals = strchr (text, '=');
    g_autofree char *name =
        equals != NULL ? g_strndup (text, (gsize)(equals - text)) : g_strdup (text);
    const char *value = equals != NULL ? equals + 1 : "";
    RelaisCommandTakes takes;

    if (name[0] == '\0' || g_str_equal (name, "-") ||
        !relais_command_find_option (command, name, &takes))
        return unknown_option (run, command, name);
    if (takes != RELAIS_COMMAND_TAKES_NOTHING && equals == NULL) {
        if (next == NULL) {
            fprintf (run->terminal.err, _ ("relaisctl: option --%s wants a value\n"), name);
            return usage_error (run, command);
        }
        value = next;
        *used = true;
    }
    if (!relais_call_set_option (call, name, value)) {
        fprintf (run->terminal.err, _ ("relaisctl: option --%s takes no value\n"), name);
        return usage_error (run, command);
    }
    return takes == RELAIS_COMMAND_TAKES_FILE ? take_file (run, call, name, value) : 0;
}

/* A word that is no option; the first may name a file. 0 or the exit status. */
static int
take_word (Run *run, RelaisCommandCall *call, const char *word)
{
    bool is_first = relais_command_n_args (call) == 0;
    RelaisCommandTakes takes;

    relais_call_add_arg (call, word);
    if (is_first && relais_call_has_stream (call) && !relais_call_streams_stdin (call))
        return take_stream (run, call, word);
    return is_first && relais_command_find_option (relais_call_command (call), "", &takes)
               ? take_file (run, call, "", word)
               : 0;
}

/* 0 or the exit status. */
static int
take_arguments (Run *run, RelaisCommandCall *call, int argc, char **argv)
{
    bool only_args = false;
    int status = 0;

    for (int i = 0; i < argc && status == 0; i++) {
        bool used = false;

        if (only_args || argv[i][0] != '-' || argv[i][1] == '\0')
            status = take_word (run, call, argv[i]);
        else if (strcmp (argv[i], "--") == 0)
            only_args = true;
        else if (argv[i][1] == '-')
            status = take_option (run, call, argv[i] + 2, i + 1 < argc ? argv[i + 1] : NULL, &used);
        else
            status = unknown_option (run, relais_call_command (call), argv[i] + 1);
        i += used;
    }
    if (status == 0 && relais_call_streams_stdin (call))
        status = take_stream (run, call, "-");
    return status;
}

/* --- Running ---------------------------------------------------------------------------------- */

typedef struct {
    Run *run;
    RelaisRender *render;
    int status;
} Offline;

static void
offline_line (gpointer data, const char *line, gsize size)
{
    JsonObject *object = relais_wire_parse (line, size - 1);

    if (object == NULL)
        return;
    relais_render_object (((Offline *)data)->render, object);
    json_object_unref (object);
}

static bool
offline_is_full (gpointer data)
{
    return false;
}

/* relais_command_when_drained () is answered by run_offline (). */
static void
offline_wait (gpointer data)
{
}

static void
offline_ended (gpointer data, int status, const char *text)
{
    Offline *offline = data;

    offline->status = status;
    relais_render_end (offline->render);
    if (text != NULL)
        fprintf (offline->run->terminal.err, "relaisctl: %s\n", text);
}

/* No OFFLINE command has pieces: it reads what it is told to. */
static const RelaisCallSink offline_sink = {offline_line, offline_is_full, offline_wait,
                                            offline_ended, NULL};

static int
run_offline (Run *run, RelaisCommandCall *call, gpointer data, RelaisRender *render)
{
    Offline offline = {run, render, RELAIS_EXIT_REFUSED};

    relais_call_run (call, data, &offline_sink, &offline);
    while (!relais_call_has_ended (call) && relais_call_resume (call))
        continue;
    if (!relais_call_has_ended (call)) {
        relais_render_end (render);
        fputs (_ ("relaisctl: the command returned without an end\n"), run->terminal.err);
        relais_call_abandon (call);
    }
    return offline.status;
}

static int
run_online (Run *run, RelaisCommandCall *call, gpointer data, RelaisRender *render)
{
    const RelaisOnline *online = run->online;

    return online != NULL ? online->run (online->data, call, data, render, run->terminal.err)
                          : relais_client_run (call, run->socket_path, render, run->terminal.err);
}

static int
run_command (Run *run, const RelaisCommand *command, gpointer data, int argc, char **argv)
{
    const bool is_online = command->kind == RELAIS_COMMAND_ONLINE;
    RelaisLoop *loop = is_online && run->online != NULL ? run->online->loop : NULL;
    RelaisCommandCall *call = relais_call_new (command, run->config, loop);
    RelaisRender *render = relais_render_new (&run->terminal);
    int status = take_arguments (run, call, argc, argv);

    if (status == 0)
        status = is_online ? run_online (run, call, data, render)
                           : run_offline (run, call, data, render);
    if (status == RELAIS_EXIT_DONE)
        relais_render_tell_empty (render);
    relais_render_free (render);
    relais_call_unref (call);
    return status;
}

const RelaisCommand *
relais_commands_match (RelaisCommands *commands, int argc, char **argv, int *skip, gpointer *data)
{
    const RelaisCommand *command = NULL;

    *skip = 2;
    if (argc >= 2 && argv[1][0] != '-')
        command = relais_commands_find (commands, argv[0], argv[1], data);
    if (command == NULL && argc >= 1) {
        *skip = 1;
        command = relais_commands_find (commands, argv[0], NULL, data);
    }
    return command;
}

/* Takes --json out of the words before "--", wherever it stands. */
static int
take_json (int argc, char **argv, bool *json)
{
    int n = 0, i = 0;

    for (; i < argc && strcmp (argv[i], "--") != 0; i++) {
        if (strcmp (argv[i], "--json") == 0)
            *json = true;
        else
            argv[n++] = argv[i];
    }
    while (i < argc)
        argv[n++] = argv[i++];
    return n;
}

static bool
asks_for_help (const char *word)
{
    return strcmp (word, "help") == 0 || strcmp (word, "--help") == 0 || strcmp (word, "-h") == 0;
}

static int
run_words (Run run, int argc, char **argv)
{
    RelaisCommands *commands = run.commands;
    g_autofree char **words = g_memdup2 (argv, sizeof (char *) * (gsize)(argc + 1));
    const RelaisCommand *command;
    gpointer data = NULL;
    int skip;

    argc = take_json (argc, words, &run.terminal.json);
    if (argc == 0) {
        print_help (&run, run.terminal.err, NULL);
        return RELAIS_EXIT_USAGE;
    }
    if (asks_for_help (words[0]))
        return help_main (&run, argc > 1 ? words[1] : NULL);
    command = relais_commands_match (commands, argc, words, &skip, &data);
    if (argc > skip && command != NULL && asks_for_help (words[skip]) && words[skip][0] == '-')
        return help_main (&run, words[0]);
    if (command != NULL)
        return run_command (&run, command, data, argc - skip, words + skip);
    if (!is_word (commands, words[0]))
        return unknown_word (&run, words[0]);
    if (argc > 1 && asks_for_help (words[1]))
        return help_main (&run, words[0]);
    return unknown_verb (&run, words[0], argc > 1 ? words[1] : NULL);
}

int
relais_commands_run (RelaisCommands *commands, const char *socket_path, RelaisConfig *config,
                     int argc, char **argv, const RelaisTerminal *terminal)
{
    return run_words ((Run){commands, socket_path, config, *terminal, NULL}, argc, argv);
}

int
relais_commands_run_here (RelaisCommands *commands, const RelaisOnline *online,
                          RelaisConfig *config, int argc, char **argv,
                          const RelaisTerminal *terminal)
{
    return run_words ((Run){commands, NULL, config, *terminal, online}, argc, argv);
}

int
relais_commands_main (RelaisCommands *commands, const char *socket_path, RelaisConfig *config,
                      int argc, char **argv)
{
    RelaisTerminal terminal = {.out = stdout, .err = stderr};
    struct winsize size;

    if (isatty (STDOUT_FILENO) && ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        terminal.width = size.ws_col;
    terminal.show_progress = isatty (STDERR_FILENO);
    return relais_commands_run (commands, socket_path, config, argc, argv, &terminal);
}
