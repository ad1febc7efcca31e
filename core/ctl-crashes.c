/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl module crashes|trust`. See the header. A record is forgiven where it stands: the daemon, if it runs, has
 * the same file open and only writes behind the last one. relaisctl's thread; blocks.
 */
#include "config.h"

#include "ctl-crashes-private.h"

#include "contain-private.h"
#include "ctl-module-private.h"
#include "module/crash-private.h"
#include "module/module-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <unistd.h>

/* NULL after the call was ended. */
static GArray *
load (RelaisCommandCall *call, const char *path)
{
    g_autoptr (GError) error = NULL;
    GArray *crashes = relais_crashes_load (path, &error);

    if (crashes == NULL)
        relais_command_fail (call, RELAIS_EXIT_REFUSED, error->message);
    return crashes;
}

static const char *
state_of (const GArray *crashes, const RelaisCrash *crash)
{
    if (crash->module[0] == '\0')
        return "core";
    if ((crash->flags & RELAIS_CRASH_FORGIVEN) != 0)
        return "forgiven";
    return relais_crashes_against_module (crashes, crash->module) != NULL ? "off" : "counts";
}

static void
put_crash (RelaisCommandCall *call, const GArray *crashes, const RelaisCrash *crash)
{
    const char *signal_name = sigabbrev_np ((int)MIN (crash->signal, 64));
    char id[RELAIS_ID_TEXT_BYTES];

    relais_id_to_text (crash->id, id);
    relais_command_put_time (call, "time", crash->wall_us);
    relais_command_put (call, "module", crash->module[0] != '\0' ? crash->module : NULL);
    relais_command_put (call, "hook", crash->what[0] != '\0' ? crash->what : NULL);
    relais_command_put (call, "message", crash->id != 0 ? id : NULL);
    relais_command_put (call, "signal",
                        (crash->flags & RELAIS_CRASH_STUCK) != 0 ? "watchdog" : signal_name);
    relais_command_put (call, "state", state_of (crashes, crash));
    relais_command_end_row (call);
}

static void
list_crashes (RelaisCommandCall *call, gpointer data)
{
    const RelaisCtlModules *modules = data;
    g_autofree char *path = relais_crashes_path (modules->conf_dirs);
    g_autoptr (GArray) crashes = load (call, path);

    if (crashes == NULL)
        return;
    for (guint i = 0; i < crashes->len; i++)
        put_crash (call, crashes, &g_array_index (crashes, RelaisCrash, i));
    relais_command_finish (call);
}

static bool
forgive (const char *path, GArray *crashes, const char *name, guint *n, GError **error)
{
    int fd = open (path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    bool done = true;

    if (fd < 0) {
        g_set_error (error, G_FILE_ERROR, (gint)g_file_error_from_errno (errno), "%s: %s", path,
                     g_strerror (errno));
        return false;
    }
    for (guint i = 0; done && i < crashes->len; i++) {
        RelaisCrash *crash = &g_array_index (crashes, RelaisCrash, i);

        if (strcmp (crash->module, name) != 0 || (crash->flags & RELAIS_CRASH_FORGIVEN) != 0)
            continue;
        done = relais_crash_flag (fd, crash, RELAIS_CRASH_FORGIVEN, error);
        *n += done;
    }
    close (fd);
    return done;
}

static void
trust_module (RelaisCommandCall *call, gpointer data)
{
    const RelaisCtlModules *modules = data;
    const char *name = relais_command_n_args (call) == 1 ? relais_command_arg (call, 0) : NULL;
    g_autofree char *path = relais_crashes_path (modules->conf_dirs);
    g_autoptr (GArray) crashes = NULL;
    g_autoptr (GError) error = NULL;
    g_autofree char *text = NULL;
    guint n = 0;

    if (name == NULL || !relais_module_name_is_good (name)) {
        relais_command_fail (call, RELAIS_EXIT_USAGE,
                             _ ("expected the name of one module (relaisctl module list)"));
        return;
    }
    crashes = load (call, path);
    if (crashes == NULL)
        return;
    if (crashes->len > 0 && !forgive (path, crashes, name, &n, &error)) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED, error->message);
        return;
    }
    text = n > 0
               ? g_strdup_printf (_ ("%u crashes of %s are forgiven; if it was off, it is on from "
                                     "the daemon's next start."),
                                  n, name)
               : g_strdup_printf (_ ("No crash counts against %s."), name);
    relais_command_note (call, text);
    relais_command_finish (call);
}

static const RelaisCommand commands[] = {
    {"module", "crashes", "", "", N_ ("List what the daemon's crashes are laid to."),
     RELAIS_COMMAND_OFFLINE, 0, list_crashes},
    {"module", "trust", "NAME", "",
     N_ ("Forgive a module its crashes: it is on again from the daemon's next start."),
     RELAIS_COMMAND_OFFLINE, 0, trust_module},
};

const RelaisCommand *
relais_ctl_crash_commands (gsize *n)
{
    *n = G_N_ELEMENTS (commands);
    return commands;
}
