/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl module new`: writes a module to begin with, from the templates that are installed with the headers
 * (modules/skeleton). Every file of it is new: a directory that is there already is left alone, and what was
 * written is taken away again if not all of it can be. Runs in relaisctl, as the user who calls it.
 */
#include "config.h"

#include "ctl-new-private.h"

#include "loop/loop-private.h"
#include "message/header-private.h"
#include "module/module-private.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>

/* What is written, by template; @MODULE_NAME@ in the name is the module's. Directories first. */
static const struct {
    const char *template, *name;
    int mode;
} files[] = {
    {NULL, "debian", 0755},
    {NULL, "debian/source", 0755},
    {"README", "README", 0644},
    {"configure.ac", "configure.ac", 0644},
    {"Makefile.am", "Makefile.am", 0644},
    {"module.c", "@MODULE_NAME@.c", 0644},
    {"module.conf", "@MODULE_NAME@.conf", 0644},
    {"test-module.c", "test-@MODULE_NAME@.c", 0644},
    {"debian/changelog", "debian/changelog", 0644},
    {"debian/control", "debian/control", 0644},
    {"debian/copyright", "debian/copyright", 0644},
    {"debian/rules", "debian/rules", 0755},
    {"debian/source/format", "debian/source/format", 0644},
};

enum { WORDS = 6 };
typedef struct {
    const char *templates, *dir;
    const char *marks[WORDS];
    char *words[WORDS];
} Skeleton;

/* --- What stands for the marks ---------------------------------------------------------------- */

/* "Name <address>", as Debian's tools take it from the environment. */
static char *
maintainer (const char *name)
{
    const char *full = g_getenv ("DEBFULLNAME"), *address = g_getenv ("DEBEMAIL");

    if (full != NULL && address != NULL && strpbrk (full, "<>\n") == NULL &&
        strpbrk (address, "<>\n ") == NULL)
        return g_strdup_printf ("%s <%s>", full, address);
    return g_strdup_printf ("The authors of %s <%s@localhost>", name, name);
}

static void
fill (Skeleton *skeleton, const char *name, gint64 wall_us)
{
    static const char *const marks[WORDS] = {"@MODULE_NAME@",       "@MODULE_IDENT@",
                                             "@MODULE_API@",        "@MODULE_DATE@",
                                             "@MODULE_MAINTAINER@", "@MODULE_YEAR@"};
    g_autoptr (GDateTime) now = g_date_time_new_from_unix_utc (wall_us / G_USEC_PER_SEC);
    char *words[WORDS] = {
        g_strdup (name),
        g_strdelimit (g_strdup (name), "-", '_'),
        g_strdup_printf ("%d.%d", RELAIS_API_MAJOR, RELAIS_API_MINOR),
        relais_date_to_string (wall_us),
        maintainer (name),
        g_strdup_printf ("%d", g_date_time_get_year (now)),
    };

    memcpy (skeleton->marks, marks, sizeof marks);
    memcpy (skeleton->words, words, sizeof words);
}

static char *
expand (const Skeleton *skeleton, const char *text)
{
    GString *expanded = g_string_new (text);

    for (guint i = 0; i < WORDS; i++)
        g_string_replace (expanded, skeleton->marks[i], skeleton->words[i], 0);
    return g_string_free (expanded, FALSE);
}

/* --- Files ------------------------------------------------------------------------------------ */

static char *
target_of (const Skeleton *skeleton, guint i)
{
    g_autofree char *name = expand (skeleton, files[i].name);

    return g_build_filename (skeleton->dir, name, NULL);
}

static bool
fail_errno (GError **error, const char *path)
{
    g_set_error (error, G_FILE_ERROR, (gint)g_file_error_from_errno (errno), "%s: %s", path,
                 g_strerror (errno));
    return false;
}

static bool
write_one (const Skeleton *skeleton, guint i, GError **error)
{
    g_autofree char *target = target_of (skeleton, i);
    g_autofree char *from = NULL, *text = NULL, *expanded = NULL;

    if (files[i].template == NULL)
        return g_mkdir (target, files[i].mode) == 0 || fail_errno (error, target);
    from = g_build_filename (skeleton->templates, files[i].template, NULL);
    if (!g_file_get_contents (from, &text, NULL, error)) {
        g_prefix_error (error, "%s",
                        _ ("a template cannot be read (install librelais-dev, or name their "
                           "directory with --templates): "));
        return false;
    }
    expanded = expand (skeleton, text);
    return g_file_set_contents_full (target, expanded, -1, G_FILE_SET_CONTENTS_NONE, files[i].mode,
                                     error);
}

/* The first `n`, and the directory. */
static void
take_away (const Skeleton *skeleton, guint n)
{
    for (; n > 0; n--) {
        g_autofree char *target = target_of (skeleton, n - 1);

        g_remove (target);
    }
    g_rmdir (skeleton->dir);
}

static bool
write_all (const Skeleton *skeleton, GError **error)
{
    if (g_mkdir (skeleton->dir, 0755) != 0) {
        if (errno != EEXIST)
            return fail_errno (error, skeleton->dir);
        g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_EXIST,
                     _ ("%s is there already, and is left as it is; name another directory"),
                     skeleton->dir);
        return false;
    }
    for (guint i = 0; i < G_N_ELEMENTS (files); i++)
        if (!write_one (skeleton, i, error)) {
            take_away (skeleton, i);
            return false;
        }
    return true;
}

/* --- The command ------------------------------------------------------------------------------ */

static void
tell (RelaisCommandCall *call, const Skeleton *skeleton)
{
    g_autofree char *note = g_strdup_printf (
        _ ("To build and test it: cd %s && autoreconf -i && ./configure && make check\n"
           "README says what is what; relais-module-tutorial(7) goes on from here."),
        skeleton->dir);

    for (guint i = 0; i < G_N_ELEMENTS (files); i++)
        if (files[i].template != NULL) {
            g_autofree char *target = target_of (skeleton, i);

            relais_command_put (call, "file", target);
            relais_command_end_row (call);
        }
    relais_command_note (call, note);
    relais_command_finish (call);
}

static bool
check_name (RelaisCommandCall *call, const char *name)
{
    g_autofree char *text = NULL;

    if (relais_module_name_is_good (name) && !g_str_equal (name, RELAIS_STORE_CORE))
        return true;
    text = g_strdup_printf (_ ("'%s' is no name for a module: expected at most 64 of a-z, 0-9 and "
                               "\"-\", not beginning with \"-\", and not '%s'"),
                            name, RELAIS_STORE_CORE);
    relais_command_fail (call, RELAIS_EXIT_REFUSED, text);
    return false;
}

static void
module_new (RelaisCommandCall *call, gpointer data)
{
    const guint n = relais_command_n_args (call);
    const char *templates = relais_command_option (call, "templates");
    const char *name = n > 0 ? relais_command_arg (call, 0) : NULL;
    Skeleton skeleton = {.templates = templates != NULL ? templates : RELAIS_SKELETON_DIR,
                         .dir = n > 1 ? relais_command_arg (call, 1) : name};
    g_autoptr (GError) error = NULL;

    if (n < 1 || n > 2) {
        relais_command_fail (call, RELAIS_EXIT_USAGE,
                             _ ("expected the module's NAME, and a directory at most"));
        return;
    }
    if (!check_name (call, name))
        return;
    fill (&skeleton, name, relais_clock_wall_us (relais_clock_system ()));
    if (write_all (&skeleton, &error))
        tell (call, &skeleton);
    else
        relais_command_fail (call, RELAIS_EXIT_REFUSED, error->message);
    for (guint i = 0; i < WORDS; i++)
        g_free (skeleton.words[i]);
}

static const RelaisCommand commands[] = {
    {"module", "new", "NAME [DIR]",
     "templates=", N_ ("Write a module to begin with: source, test, build, Debian package."),
     RELAIS_COMMAND_OFFLINE, 0, module_new},
};

const RelaisCommand *
relais_new_commands (gsize *n)
{
    *n = G_N_ELEMENTS (commands);
    return commands;
}
