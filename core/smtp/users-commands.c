/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * relaisctl's `user add|list|remove|password`. They run in relaisctl, as whoever called it, and touch
 * the file alone: the daemon sees the change at the next login. A password comes from a prompt, or
 * from the first line of standard input when that is no terminal; never from an argument, which
 * other users could see.
 */
#include "config.h"

#include "smtp/scram-private.h"
#include "smtp/users-private.h"

#include <relais/option.h>

#include <glib/gi18n-lib.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static const char *
users_file (RelaisCommandCall *call)
{
    return relais_section_get_string (
        relais_config_find_section (relais_command_config (call), "relais", NULL), "users_file");
}

static const char *
daemon_user (RelaisCommandCall *call)
{
    return relais_section_get_string (
        relais_config_find_section (relais_command_config (call), "relais", NULL), "user");
}

/* --- Passwords -------------------------------------------------------------------------------- */

/* A line without its end into `to`; false at the end of input or when it is too long. */
static bool
read_line (char *to, gsize size)
{
    if (fgets (to, (int)size, stdin) == NULL || strchr (to, '\n') == NULL)
        return false;
    to[strcspn (to, "\r\n")] = '\0';
    return true;
}

static bool
prompt (const char *text, char *to, gsize size)
{
    struct termios before, silent;
    bool got;

    if (tcgetattr (STDIN_FILENO, &before) < 0)
        return false;
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    fputs (text, stderr);
    (void)tcsetattr (STDIN_FILENO, TCSAFLUSH, &silent);
    got = read_line (to, size);
    (void)tcsetattr (STDIN_FILENO, TCSAFLUSH, &before);
    fputc ('\n', stderr);
    return got;
}

/* Returns NULL and what is wrong in `problem`. */
static const char *
get_password (char *first, char *second, gsize size)
{
    const bool asks = isatty (STDIN_FILENO) == 1;

    if (!(asks ? prompt (_ ("Password: "), first, size) : read_line (first, size)))
        return _ ("no password was given, or one that is too long");
    if (first[0] == '\0')
        return _ ("the password is empty");
    if (!asks)
        return NULL;
    if (!prompt (_ ("The same again: "), second, size) || strcmp (first, second) != 0)
        return _ ("the two passwords differ");
    return NULL;
}

/* Asks for a password; `*scram` is set if it is wanted. False after the call was failed. */
static bool
ask_hash (RelaisCommandCall *call, bool wants_scram, char **hash, char **scram)
{
    char first[RELAIS_PASSWORD_BYTES] = "", second[RELAIS_PASSWORD_BYTES] = "";
    g_autoptr (GError) error = NULL;
    const char *problem = get_password (first, second, sizeof first);

    *hash = problem == NULL ? relais_users_hash (first, &error) : NULL;
    if (*hash != NULL && wants_scram)
        *scram = relais_scram_hash (first, &error);
    OPENSSL_cleanse (first, sizeof first);
    OPENSSL_cleanse (second, sizeof second);
    if (*hash != NULL && (*scram != NULL || !wants_scram))
        return true;
    relais_command_fail (call, RELAIS_EXIT_REFUSED, problem != NULL ? problem : error->message);
    return false;
}

/* --- Commands --------------------------------------------------------------------------------- */

/* The one argument, a user's name; NULL after the call was failed. */
static const char *
name_argument (RelaisCommandCall *call)
{
    const char *name = relais_command_arg (call, 0);

    if (relais_command_n_args (call) != 1) {
        relais_command_fail (call, RELAIS_EXIT_USAGE, _ ("the name of one user is needed"));
        return NULL;
    }
    if (!relais_user_name_is_good (name)) {
        relais_command_fail (call, RELAIS_EXIT_USAGE,
                             _ ("a user's name is of letters, digits and \"._@+-\""));
        return NULL;
    }
    return name;
}

static void
change (RelaisCommandCall *call, RelaisUsersChange what, const char *name, const RelaisUser *user)
{
    g_autoptr (GError) error = NULL;

    if (relais_users_change (users_file (call), what, name, user, daemon_user (call), &error))
        relais_command_finish (call);
    else
        relais_command_fail (call, RELAIS_EXIT_REFUSED, error->message);
}

static bool
add_options (RelaisCommandCall *call, const char **tenant, guint *klass)
{
    const char *class_name = relais_command_option (call, "class");

    *klass = 0;
    *tenant = relais_command_option (call, "tenant");
    if (*tenant != NULL &&
        relais_config_find_section (relais_command_config (call), "tenant", *tenant) == NULL) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED,
                             _ ("there is no [tenant] section of that name"));
        return false;
    }
    if (class_name != NULL && !relais_user_class_from_string (class_name, klass)) {
        relais_command_fail (call, RELAIS_EXIT_USAGE, _ ("a class is auto, transactional or bulk"));
        return false;
    }
    return true;
}

static void
user_add (RelaisCommandCall *call, gpointer data)
{
    const char *name = name_argument (call);
    g_autofree char *hash = NULL, *scram = NULL;
    g_autoptr (RelaisUser) user = NULL;
    const char *tenant;
    guint klass;

    if (name == NULL || !add_options (call, &tenant, &klass) ||
        !ask_hash (call, relais_command_option (call, "scram") != NULL, &hash, &scram))
        return;
    user = relais_user_new (name, hash, tenant, klass, scram);
    change (call, RELAIS_USERS_ADD, name, user);
}

static void
user_password (RelaisCommandCall *call, gpointer data)
{
    const char *name = name_argument (call);
    g_autoptr (RelaisUsers) users = NULL;
    g_autoptr (RelaisUser) user = NULL;
    g_autoptr (GError) error = NULL;
    g_autofree char *hash = NULL, *scram = NULL;
    const RelaisUser *old;

    if (name == NULL)
        return;
    users = relais_users_load (users_file (call), &error);
    if (users == NULL) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED, error->message);
        return;
    }
    old = relais_users_find (users, name);
    if (old == NULL) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED, _ ("there is no such user"));
        return;
    }
    if (!ask_hash (call, old->scram != NULL || relais_command_option (call, "scram") != NULL, &hash,
                   &scram))
        return;
    user = relais_user_new (name, hash, old->tenant, old->klass, scram);
    change (call, RELAIS_USERS_REPLACE, name, user);
}

static void
user_remove (RelaisCommandCall *call, gpointer data)
{
    const char *name = name_argument (call);

    if (name != NULL)
        change (call, RELAIS_USERS_REMOVE, name, NULL);
}

static void
user_list (RelaisCommandCall *call, gpointer data)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (RelaisUsers) users = relais_users_load (users_file (call), &error);

    if (users == NULL) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED, error->message);
        return;
    }
    for (guint i = 0; i < relais_users_count (users); i++) {
        const RelaisUser *user = relais_users_nth (users, i);

        relais_command_put (call, "user", user->name);
        relais_command_put (call, "tenant", user->tenant != NULL ? user->tenant : "");
        relais_command_put (call, "class", relais_user_class_to_string (user->klass));
        relais_command_put (call, "scram", user->scram != NULL ? "yes" : "no");
        relais_command_end_row (call);
    }
    relais_command_finish (call);
}

static const RelaisCommand commands[] = {
    {"user", "add", N_ ("NAME [--tenant=TENANT] [--class=CLASS] [--scram]"), "tenant= class= scram",
     N_ ("Let a user log in; the password is asked for, or read from standard input. --scram: by "
         "SCRAM-SHA-256 too, which is offered once all users have it."),
     RELAIS_COMMAND_OFFLINE, 0, user_add},
    {"user", "list", "", "", N_ ("Show who may log in."), RELAIS_COMMAND_OFFLINE, 0, user_list},
    {"user", "password", N_ ("NAME [--scram]"), "scram",
     N_ ("Change a user's password. --scram: as for add; who has it keeps it."),
     RELAIS_COMMAND_OFFLINE, 0, user_password},
    {"user", "remove", N_ ("NAME"), "", N_ ("Let a user log in no more."), RELAIS_COMMAND_OFFLINE,
     0, user_remove},
};

const RelaisCommand *
relais_users_commands (gsize *n)
{
    *n = G_N_ELEMENTS (commands);
    return commands;
}
