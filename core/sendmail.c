/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The `sendmail` that programs call: relaisctl's `inject` and `queue list` under the options and exit
 * statuses that they expect. Runs as its caller, with no right of its own: where the daemon does not
 * take the message, it says so. One thread; blocks.
 */
#include "config.h"

#include "sendmail-private.h"

#include "conf/conf-private.h"
#include "control/client-private.h"
#include "mains-private.h"
#include "queue/queue-private.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static char *
find_socket (const char *conf_dir)
{
    const char *const given[] = {conf_dir, NULL};
    const char *const shipped[] = {RELAIS_VENDOR_CONF_DIR, RELAIS_ADMIN_CONF_DIR, NULL};
    g_autofree char *run_dir =
        relais_config_peek (conf_dir != NULL ? given : shipped, "relais", "run_dir");

    return g_build_filename (run_dir != NULL ? run_dir : RELAIS_RUN_DIR, "control", NULL);
}

static int
to_sysexits (int status)
{
    switch (status) {
    case RELAIS_EXIT_DONE: return EX_OK;
    case RELAIS_EXIT_USAGE: return EX_USAGE;
    case RELAIS_EXIT_NO_DAEMON: return EX_TEMPFAIL;
    default: return EX_UNAVAILABLE;
    }
}

/* The first line of what relaisctl would say, in our name: the others are about relaisctl. */
static void
print_error (const char *text)
{
    const char *name = "relaisctl: ";
    const gsize skip = g_str_has_prefix (text, name) ? strlen (name) : 0;

    if (text[0] != '\0')
        fprintf (stderr, "sendmail: %.*s\n", (int)strcspn (text + skip, "\n"), text + skip);
}

static int
run (const RelaisSendmail *sendmail, const char *socket)
{
    RelaisCommands *commands = relais_commands_new ();
    char **words = (char **)sendmail->words->pdata;
    const bool quiet = g_str_equal (words[0], "inject");
    gsize n, size = 0;
    const RelaisCommand *table = relais_queue_commands (&n);
    char *said = NULL;
    RelaisTerminal terminal = {.out = quiet ? fopen ("/dev/null", "we") : stdout,
                               .err = open_memstream (&said, &size)};
    int status = RELAIS_EXIT_NO_DAEMON;

    for (gsize i = 0; i < n; i++)
        (void)relais_commands_add (commands, &table[i], NULL, NULL);
    if (terminal.out != NULL && terminal.err != NULL)
        status = relais_commands_run (commands, socket, NULL, (int)g_strv_length (words), words,
                                      &terminal);
    if (quiet && terminal.out != NULL)
        fclose (terminal.out);
    if (terminal.err != NULL)
        fclose (terminal.err);
    print_error (said != NULL ? said : "");
    free (said);
    relais_commands_free (commands);
    if (status == RELAIS_EXIT_NO_DAEMON)
        fputs (_ ("sendmail: nothing was taken; try again later\n"), stderr);
    return to_sysexits (status);
}

/* Whether the socket may be opened; whether somebody listens there is seen then. */
static bool
may_open (const char *socket)
{
    if (access (socket, W_OK) == 0 || errno != EACCES)
        return true;
    fprintf (
        stderr,
        _ ("sendmail: %s: only root, the daemon's own user and the members of the group "
           "control_group may hand over mail here; others send it by SMTP to a listener of the "
           "daemon's\n"),
        socket);
    return false;
}

int
relais_sendmail_main (int argc, char **argv)
{
    RelaisSendmail sendmail = {0};
    g_autofree char *problem = NULL;
    g_autofree char *socket = NULL;
    int status;

    setlocale (LC_ALL, "");
    bindtextdomain (GETTEXT_PACKAGE, RELAIS_LOCALE_DIR);
    bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
    status = relais_sendmail_read (argc, argv, &sendmail, &problem);
    if (status != EX_OK) {
        fprintf (stderr, "sendmail: %s\n", problem);
        return status;
    }
    socket = find_socket (sendmail.conf_dir);
    status = may_open (socket) ? run (&sendmail, socket) : EX_NOPERM;
    relais_sendmail_clear (&sendmail);
    return status;
}
