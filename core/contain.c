/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What crashes lead to. See the header. The file of records is opened before the modules are loaded, since that is
 * where they first run, and stays open: what the handler writes then needs no right and no memory.
 * Main thread; reads and writes files at start alone, never once the loop runs.
 */
#include "config.h"

#include "contain-private.h"

#include "conf/conf-private.h"
#include "module/crash-private.h"
#include "module/fatal-private.h"
#include "module/module-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct RelaisContainment {
    char *path;
    GPtrArray *mentions; /* RelaisModuleMention */
    GArray *crashes;     /* RelaisCrash */
    GPtrArray *aside;    /* RelaisMessage, put aside and not written down yet */
    RelaisWatchdog *watchdog;
    int fd; /* of the records, -1: not recorded */
};

typedef struct {
    RelaisContainment *containment;
    guint64 id;
} Aside;

char *
relais_crashes_path (const char *const *dirs)
{
    g_autofree char *dir = relais_config_peek (dirs, "relais", "state_dir");

    return g_build_filename (dir != NULL ? dir : RELAIS_STATE_DIR, "module-crashes", NULL);
}

/* --- The file --------------------------------------------------------------------------------- */

/* Root makes it for the user that the directory is given to. */
static void
give_away (int fd, const char *path)
{
    g_autofree char *dir = g_path_get_dirname (path);
    struct stat info;

    if (geteuid () == 0 && stat (dir, &info) == 0 && fchown (fd, info.st_uid, info.st_gid) < 0)
        g_warning ("%s: %s", path, g_strerror (errno));
}

/* On a first start the directory may not be there yet. */
static void
open_records (RelaisContainment *containment, bool complain)
{
    struct stat info;

    if (containment->fd >= 0)
        return;
    containment->fd =
        open (containment->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (containment->fd >= 0 && (fstat (containment->fd, &info) < 0 || !S_ISREG (info.st_mode))) {
        close (containment->fd);
        containment->fd = -1;
        errno = EINVAL;
    }
    if (containment->fd >= 0) {
        give_away (containment->fd, containment->path);
        relais_fatal_set_file (containment->fd, relais_crashes_next (containment->crashes));
    } else if (complain) {
        g_warning ("%s: %s: crashes will not be recorded", containment->path, g_strerror (errno));
    }
}

RelaisContainment *
relais_containment_new (const char *const *dirs, bool recording)
{
    RelaisContainment *containment = g_new0 (RelaisContainment, 1);
    g_autoptr (GError) error = NULL;

    containment->path = relais_crashes_path (dirs);
    containment->mentions = relais_config_module_mentions (dirs);
    containment->aside = g_ptr_array_new_with_free_func ((GDestroyNotify)relais_message_unref);
    containment->fd = -1;
    containment->crashes = relais_crashes_load (containment->path, &error);
    if (containment->crashes == NULL) {
        g_warning ("%s: earlier crashes are not known", error->message);
        containment->crashes = g_array_new (FALSE, FALSE, sizeof (RelaisCrash));
    }
    if (recording) {
        relais_fatal_install ();
        open_records (containment, false);
    }
    return containment;
}

void
relais_containment_disarm (RelaisContainment *containment)
{
    if (containment != NULL)
        g_clear_pointer (&containment->watchdog, relais_watchdog_free);
}

void
relais_containment_free (RelaisContainment *containment)
{
    if (containment == NULL)
        return;
    relais_containment_disarm (containment);
    relais_fatal_set_file (-1, 0);
    if (containment->fd >= 0)
        close (containment->fd);
    g_ptr_array_unref (containment->aside);
    g_array_unref (containment->crashes);
    g_ptr_array_unref (containment->mentions);
    g_free (containment->path);
    g_free (containment);
}

/* --- Modules ---------------------------------------------------------------------------------- */

static RelaisOnFailure
policy_of (const RelaisContainment *containment, const char *name)
{
    const RelaisModuleMention *mention = relais_config_find_mention (containment->mentions, name);

    return relais_on_failure_from_string (mention != NULL ? mention->on_failure : NULL);
}

static const char *
meaning_of (RelaisOnFailure policy)
{
    return policy == RELAIS_ON_FAILURE_BYPASS ? "mail goes as if it were not there"
                                              : "mail that it should treat is put off";
}

/* After crashes. True if it is off, or must not start. */
static bool
is_off_by_crashes (const RelaisContainment *containment, RelaisHost *host, const char *name,
                   GError **error)
{
    const RelaisCrash *crash = relais_crashes_against_module (containment->crashes, name);
    const RelaisOnFailure policy = policy_of (containment, name);

    if (crash == NULL)
        return false;
    if (policy == RELAIS_ON_FAILURE_STOP) {
        g_set_error (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_FILE,
                     _ ("module %s: %d crashes within 5 minutes, the last in %s, and on_failure = "
                        "stop; put it right, then: relaisctl module trust %s"),
                     name, RELAIS_CRASH_MODULE, crash->what, name);
        return true;
    }
    relais_host_stand_in (host, name, relais_crashes_hooks (containment->crashes, name), policy);
    g_warning ("module %s is OFF after %d crashes within 5 minutes, the last in %s: %s; once it is "
               "put right: relaisctl module trust %s",
               name, RELAIS_CRASH_MODULE, crash->what, meaning_of (policy), name);
    return true;
}

static bool
load (const RelaisContainment *containment, RelaisHost *host, const char *name, GError **error)
{
    const RelaisOnFailure policy = policy_of (containment, name);
    g_autoptr (GError) problem = NULL;

    if (relais_host_load (host, name, &problem))
        return true;
    if (policy != RELAIS_ON_FAILURE_TEMPFAIL && policy != RELAIS_ON_FAILURE_BYPASS) {
        g_propagate_error (error, g_steal_pointer (&problem));
        return false;
    }
    relais_host_stand_in (host, name, 0, policy);
    g_warning ("%s; it is OFF: %s", problem->message, meaning_of (policy));
    return true;
}

/* What a module requires and is off. */
static const char *
missing (const RelaisHost *host, const RelaisModule *module)
{
    const gchar *const *required = module->descriptor.requires_modules;

    for (; required != NULL && *required != NULL; required++)
        if (relais_host_is_off (host, *required))
            return *required;
    return NULL;
}

/* Those that need one that is off are off with it, and so on. */
static bool
put_off_dependents (const RelaisContainment *containment, RelaisHost *host, GError **error)
{
    for (guint i = 0; i < host->modules->len; i++) {
        const RelaisModule *module = g_ptr_array_index (host->modules, i);
        const char *name = module->descriptor.name, *other = missing (host, module);
        const RelaisOnFailure policy = policy_of (containment, name);

        if (other == NULL)
            continue;
        if (policy == RELAIS_ON_FAILURE_STOP) {
            g_set_error (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_RELATION,
                         _ ("module %s: it needs %s, which is off, and on_failure = stop"), name,
                         other);
            return false;
        }
        relais_host_stand_in (host, name, 0, policy);
        g_warning ("module %s is OFF: it needs %s, which is off: %s", name, other,
                   meaning_of (policy));
        g_ptr_array_remove_index (host->modules, i);
        i = G_MAXUINT; /* from the first one again */
    }
    return true;
}

bool
relais_containment_load (RelaisContainment *containment, RelaisHost *host, char **names,
                         GError **error)
{
    for (char **name = names; *name != NULL; name++) {
        GError *problem = NULL;

        if (!is_off_by_crashes (containment, host, *name, &problem))
            (void)load (containment, host, *name, &problem);
        if (problem != NULL) {
            g_propagate_error (error, problem);
            return false;
        }
    }
    return put_off_dependents (containment, host, error);
}

/* --- Messages --------------------------------------------------------------------------------- */

static bool
put_aside (RelaisMessage *message, const RelaisCrash *crash)
{
    g_autofree char *reason =
        g_strdup_printf ("put aside: present at %d crashes, the last of module %s in %s",
                         RELAIS_CRASH_MESSAGE, crash->module, crash->what);
    bool any = false;

    for (guint i = 0; i < message->envelope.recipients->len; i++) {
        if (message->states[i].kind != RELAIS_STATE_QUEUED)
            continue;
        relais_message_quarantine_state (&message->states[i], reason, g_get_real_time ());
        any = true;
    }
    if (any)
        g_warning ("a message was %s", reason);
    return any;
}

void
relais_containment_found (RelaisContainment *containment, RelaisMessage *message)
{
    const RelaisCrash *crash = relais_crashes_against_message (containment->crashes, message->id);

    if (crash != NULL && put_aside (message, crash))
        g_ptr_array_add (containment->aside, relais_message_ref (message));
}

/* From now on an operator may release it: only further crashes count. */
static void
on_synced (gpointer data, const GError *failure)
{
    const Aside *aside = data;
    RelaisContainment *containment = aside->containment;

    for (guint i = 0; failure == NULL && i < containment->crashes->len; i++) {
        RelaisCrash *crash = &g_array_index (containment->crashes, RelaisCrash, i);
        g_autoptr (GError) error = NULL;

        if (crash->id == aside->id && containment->fd >= 0 &&
            !relais_crash_flag (containment->fd, crash, RELAIS_CRASH_SETTLED, &error))
            g_warning ("%s: %s", containment->path, error->message);
    }
    g_free (data);
}

static GBytes *
event_of (const RelaisMessage *message, gint64 wall_us)
{
    char id[RELAIS_ID_TEXT_BYTES];
    RelaisEventLine *line;

    relais_id_to_text (message->id, id);
    line = relais_event_line_new ("quarantined", wall_us, id, -1, 0);
    for (guint i = 0; i < message->envelope.recipients->len; i++)
        if (message->states[i].kind == RELAIS_STATE_HELD) {
            relais_event_line_add (line, "reason", message->states[i].reply);
            break;
        }
    return relais_event_line_end (line);
}

void
relais_containment_recovered (RelaisContainment *containment, RelaisSpool *spool)
{
    for (guint i = 0; i < containment->aside->len; i++) {
        const RelaisMessage *message = g_ptr_array_index (containment->aside, i);
        RelaisGroup *group = relais_group_new (spool);
        g_autoptr (GBytes) event = event_of (message, g_get_real_time ());
        Aside *aside = g_new (Aside, 1);

        *aside = (Aside){containment, message->id};
        relais_group_add_state (group, message);
        relais_group_add_event (group, event);
        relais_group_submit (group, RELAIS_GROUP_LAZY, NULL, on_synced, aside);
    }
    g_ptr_array_set_size (containment->aside, 0);
}

/* --- At run time ------------------------------------------------------------------------------ */

void
relais_containment_arm (RelaisContainment *containment, RelaisLoop *loop,
                        const RelaisConfig *config)
{
    const RelaisSection *limits = relais_config_find_section (config, "limits", NULL);
    const gint64 limit_us =
        relais_section_get_int (relais_config_find_section (config, "relais", NULL), "watchdog");

    open_records (containment, true);
    relais_guard_set_budgets (relais_section_get_int (limits, "loop_callback"),
                              relais_section_get_int (limits, "worker_callback"));
    if (limit_us > 0)
        containment->watchdog = relais_watchdog_new (loop, limit_us);
}
