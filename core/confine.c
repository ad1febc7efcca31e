/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How far the daemon is confined: what the configuration wants, what an earlier program has left, what the kernel can.
 * See the header. Main thread at start; later only what is const.
 */
#include "config.h"

#include "confine-private.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <link.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

enum { ABI_REFER = 2 /* before it nothing is moved between two directories, as the spool does */ };

/* As the choices of the option stand. */
typedef enum { FULL, REQUIRED, BASIC, OFF } Wanted;

struct RelaisConfinement {
    GPtrArray *rules; /* that hold; empty: files are not confined */
    int abi;          /* of landlock, 0: not in force */
    bool calls_refused;
    bool inherited;
    char *files, *calls;
};

/* --- What an earlier program left ------------------------------------------------------------- */

static bool
is_refused_top (void)
{
    const int fd = open ("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0)
        close (fd);
    return fd < 0 && errno == EACCES;
}

/* It does nothing, which the kernel by itself refuses nobody. A container's filter may: believed with the
 * variable alone. */
static bool
is_refused_call (void)
{
    return unshare (0) < 0 && errno == EPERM;
}

static void
inherit (RelaisConfinement *confinement, const char *text)
{
    g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
    g_autoptr (GPtrArray) rules = NULL;
    guint64 abi;

    if (lines[0] == NULL || !g_ascii_string_to_unsigned (lines[0], 10, 0, G_MAXINT, &abi, NULL))
        return;
    rules = relais_confine_rules_parse (lines + 1);
    if (abi > 0 && is_refused_top ()) {
        confinement->abi = (int)abi;
        g_ptr_array_unref (confinement->rules);
        confinement->rules = g_steal_pointer (&rules);
    }
    confinement->calls_refused = is_refused_call ();
    confinement->inherited = confinement->abi > 0 || confinement->calls_refused;
}

RelaisConfinement *
relais_confinement_new (void)
{
    RelaisConfinement *confinement = g_new0 (RelaisConfinement, 1);
    const char *text = g_getenv (RELAIS_CONFINEMENT_VARIABLE);

    confinement->rules = relais_confine_rules_new ();
    if (text != NULL)
        inherit (confinement, text);
    g_unsetenv (RELAIS_CONFINEMENT_VARIABLE);
    confinement->files = g_strdup ("off");
    confinement->calls = g_strdup ("off");
    return confinement;
}

char *
relais_confinement_to_text (const RelaisConfinement *confinement)
{
    g_autofree char *rules = relais_confine_rules_to_text (confinement->rules);

    return g_strdup_printf ("%d\n%s", confinement->abi, rules);
}

void
relais_confinement_free (RelaisConfinement *confinement)
{
    if (confinement == NULL)
        return;
    g_ptr_array_unref (confinement->rules);
    g_free (confinement->calls);
    g_free (confinement->files);
    g_free (confinement);
}

/* --- Which files ------------------------------------------------------------------------------ */

/* /etc: names, certificates, time zone, what the administrator has of ours; secrets there are kept by their modes.
 * /proc as a whole, since the inode of /proc/self is another one after each look. /sys: how many processors, how much memory. */
static const RelaisConfineRule system_rules[] = {
    {(char *)"/etc", RELAIS_CONFINE_READ},
    {(char *)"/usr", RELAIS_CONFINE_READ},
    {(char *)"/lib", RELAIS_CONFINE_READ},
    {(char *)"/lib64", RELAIS_CONFINE_READ},
    {(char *)"/var/lib/ca-certificates", RELAIS_CONFINE_READ},
    {(char *)"/proc", RELAIS_CONFINE_READ},
    {(char *)"/sys/devices/system/cpu", RELAIS_CONFINE_READ},
    {(char *)"/sys/fs/cgroup", RELAIS_CONFINE_READ},
    {(char *)"/dev/urandom", RELAIS_CONFINE_READ},
    {(char *)"/dev/random", RELAIS_CONFINE_READ},
    {(char *)"/dev/null", RELAIS_CONFINE_READ | RELAIS_CONFINE_WRITE},
};

/* The path of the loader as the program names it: what execve () opens besides. */
static int
find_loader (struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    for (guint i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_INTERP)
            *(char **)data =
                g_strdup ((const char *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr));
    return 1; /* the first one is the program */
}

/* By directories, as an upgrade puts new files at the old names. No shell and no interpreter lies there. */
static void
add_programs (GPtrArray *rules)
{
    const guint rights = RELAIS_CONFINE_READ | RELAIS_CONFINE_RUN;
    g_autofree char *loader = NULL;
    g_autofree char *program = g_file_read_link ("/proc/self/exe", NULL);
    Dl_info library;

    dl_iterate_phdr (find_loader, &loader);
    if (program != NULL)
        relais_confine_rules_add_named (rules, program, rights);
    if (loader != NULL)
        relais_confine_rules_add_named (rules, loader, rights);
    if (dladdr ((gpointer)relais_confinement_new, &library) != 0)
        relais_confine_rules_add_named (rules, library.dli_fname, RELAIS_CONFINE_READ);
}

static void
add_value (gpointer data, const RelaisConfigEntry *entry)
{
    if (!entry->has_value || !entry->is_path)
        return;
    if (entry->is_written)
        relais_confine_rules_add (data, entry->value, RELAIS_CONFINE_READ | RELAIS_CONFINE_WRITE);
    else
        relais_confine_rules_add_named (data, entry->value, RELAIS_CONFINE_READ);
}

static GPtrArray *
gather_rules (const RelaisConfinePlaces *places, const RelaisConfig *config)
{
    GPtrArray *rules = relais_confine_rules_new ();

    for (gsize i = 0; i < G_N_ELEMENTS (system_rules); i++)
        relais_confine_rules_add (rules, system_rules[i].path, system_rules[i].rights);
    relais_confine_rules_add_named (rules, "/etc/resolv.conf", RELAIS_CONFINE_READ);
    add_programs (rules);
    for (gsize i = 0; places->conf_dirs[i] != NULL; i++)
        relais_confine_rules_add (rules, places->conf_dirs[i], RELAIS_CONFINE_READ);
    relais_confine_rules_add (rules, places->module_dir, RELAIS_CONFINE_READ | RELAIS_CONFINE_RUN);
    relais_confine_rules_add (rules, places->locale_dir, RELAIS_CONFINE_READ);
    if (places->clock != NULL)
        relais_confine_rules_add_named (rules, places->clock,
                                        RELAIS_CONFINE_READ | RELAIS_CONFINE_WRITE);
    relais_config_each_value (config, add_value, rules);
    return rules;
}

/* --- Entering --------------------------------------------------------------------------------- */

G_GNUC_PRINTF (2, 3)
static void
say (char **word, const char *format, ...)
{
    va_list arguments;

    va_start (arguments, format);
    g_free (*word);
    *word = g_strdup_vprintf (format, arguments);
    va_end (arguments);
}

static guint
count_threads (void)
{
    GDir *dir = g_dir_open ("/proc/self/task", 0, NULL);
    guint n = 0;

    while (dir != NULL && g_dir_read_name (dir) != NULL)
        n++;
    if (dir != NULL)
        g_dir_close (dir);
    return n;
}

/* What libraries and we lay aside for a moment must go where writing is allowed. */
static void
move_temporary_files (const RelaisConfig *config)
{
    const RelaisSection *relais = relais_config_find_section (config, "relais", NULL);

    g_setenv ("TMPDIR", relais_section_get_string (relais, "state_dir"), TRUE);
}

static void
confine_files (RelaisConfinement *confinement, const RelaisConfinePlaces *places,
               const RelaisConfig *config)
{
    const int abi = relais_landlock_abi ();
    g_autoptr (GPtrArray) rules = NULL;

#ifdef RELAIS_SANITIZED
    say (&confinement->files, "off: this build watches itself and writes where it likes");
    return;
#endif
    if (abi < ABI_REFER) {
        say (&confinement->files, "off: the kernel has no landlock, or one that is too old");
        return;
    }
    if (count_threads () > 1) { /* a domain would bind this one alone */
        say (&confinement->files, "off: a module has started a thread before the daemon serves");
        return;
    }
    rules = gather_rules (places, config);
    if (!relais_landlock_enter (rules, abi)) {
        say (&confinement->files, "off: landlock: %s", g_strerror (errno));
        return;
    }
    confinement->abi = abi;
    g_ptr_array_unref (confinement->rules);
    confinement->rules = g_steal_pointer (&rules);
}

static void
refuse_calls (RelaisConfinement *confinement)
{
    confinement->calls_refused = relais_refuse_calls ();
    if (!confinement->calls_refused)
        say (&confinement->calls, "off: seccomp: %s", g_strerror (errno));
}

static void
tell (RelaisConfinement *confinement, const RelaisConfig *config)
{
    const char *from = confinement->inherited ? " since an earlier program" : "";
    g_autoptr (GPtrArray) findings = relais_config_findings_new ();

    if (confinement->abi > 0)
        say (&confinement->files, "landlock ABI %d%s", confinement->abi, from);
    if (confinement->calls_refused)
        say (&confinement->calls, "seccomp%s", from);
    g_message ("confined: files: %s; system calls: %s%s", confinement->files, confinement->calls,
               confinement->calls_refused
                   ? " (what no mail server needs is answered with EPERM, and not logged each time)"
                   : "");
    relais_confinement_check (confinement, config, findings);
    for (guint i = 0; i < findings->len; i++)
        g_warning ("%s", ((RelaisConfigFinding *)g_ptr_array_index (findings, i))->text);
}

bool
relais_confinement_enter (RelaisConfinement *confinement, const RelaisConfinePlaces *places,
                          const RelaisConfig *config, GError **error)
{
    const RelaisSection *relais = relais_config_find_section (config, "relais", NULL);
    const Wanted wanted = (Wanted)relais_section_get_enum (relais, "confine");

    if ((wanted == FULL || wanted == REQUIRED) && confinement->abi == 0)
        confine_files (confinement, places, config);
    if (wanted != OFF && !confinement->calls_refused)
        refuse_calls (confinement);
    if (confinement->abi > 0)
        move_temporary_files (config);
    tell (confinement, config);
    if (wanted != REQUIRED || (confinement->abi > 0 && confinement->calls_refused))
        return true;
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                 _ ("confine = required in [relais], but files: %s; system calls: %s"),
                 confinement->files, confinement->calls);
    return false;
}

/* --- Afterwards ------------------------------------------------------------------------------- */

typedef struct {
    const RelaisConfinement *confinement;
    GPtrArray *findings;
} Check;

static void
check_value (gpointer data, const RelaisConfigEntry *entry)
{
    const Check *check = data;
    const guint rights = RELAIS_CONFINE_READ | (entry->is_written ? RELAIS_CONFINE_WRITE : 0);
    RelaisConfigFinding *finding;

    if (!entry->has_value || !entry->is_path || !g_file_test (entry->value, G_FILE_TEST_EXISTS) ||
        relais_confine_rules_cover (check->confinement->rules, entry->value, rights))
        return;
    finding = g_new0 (RelaisConfigFinding, 1);
    finding->text = g_strdup_printf (
        _ ("%s: %s %s: the daemon has been confined to what was configured when it was started, "
           "and '%s' lies outside: it needs a restart"),
        entry->origin, entry->section, entry->key, entry->value);
    g_ptr_array_add (check->findings, finding);
}

void
relais_confinement_check (const RelaisConfinement *confinement, const RelaisConfig *config,
                          GPtrArray *findings)
{
    Check check = {confinement, findings};

    if (confinement->abi > 0)
        relais_config_each_value (config, check_value, &check);
}

const char *
relais_confinement_files (const RelaisConfinement *confinement)
{
    return confinement->files;
}

const char *
relais_confinement_calls (const RelaisConfinement *confinement)
{
    return confinement->calls;
}
