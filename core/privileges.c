/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Giving up root. See the header.
 */
#include "config.h"

#include "privileges-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool
fail (GError **error, const char *what, const char *subject)
{
    int saved = errno;

    g_set_error (error, G_IO_ERROR, (gint)g_io_error_from_errno (saved), "%s '%s': %s", what,
                 subject, g_strerror (saved));
    return false;
}

/* Makes one directory and its parents; an existing one must be a directory, not a link. */
static bool
make_dir (const char *dir, uid_t uid, gid_t gid, bool give, GError **error)
{
    g_autofree char *parent = g_path_get_dirname (dir);
    struct stat st;

    if (g_mkdir_with_parents (parent, 0755) < 0)
        return fail (error, _ ("cannot make the directory"), parent);
    if (mkdir (dir, 0700) < 0 && errno != EEXIST)
        return fail (error, _ ("cannot make the directory"), dir);
    if (lstat (dir, &st) < 0)
        return fail (error, _ ("cannot look at the directory"), dir);
    if (!S_ISDIR (st.st_mode)) {
        errno = ENOTDIR;
        return fail (error, _ ("cannot use"), dir);
    }
    if (give && st.st_uid != uid && lchown (dir, uid, gid) < 0)
        return fail (error, _ ("cannot give away the directory"), dir);
    return true;
}

static bool
make_dirs (const char *const *dirs, uid_t uid, gid_t gid, bool give, GError **error)
{
    for (gsize i = 0; dirs[i] != NULL; i++)
        if (!make_dir (dirs[i], uid, gid, give, error))
            return false;
    return true;
}

/* Leaves none, and has no program that is started later give any back. */
static bool
drop_capabilities (void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    const struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};

    return syscall (SYS_capset, &header, none) == 0 && prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

/* The user's other groups are kept: that is how keys of certificates are read. */
static bool
become (uid_t uid, gid_t gid, const char *user, GError **error)
{
    if (initgroups (user, gid) < 0 || setresgid (gid, gid, gid) < 0 ||
        setresuid (uid, uid, uid) < 0)
        return fail (error, _ ("cannot become the user"), user);
    return true;
}

static bool
drop_rest (GError **error)
{
    if (!drop_capabilities ())
        return fail (error, _ ("cannot give up the capability"), "CAP_NET_BIND_SERVICE");
    if (setuid (0) == 0) {
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                     _ ("root could be taken back; not going on"));
        return false;
    }
    return true;
}

/* `group` NULL: the user's own. */
static bool
find_ids (const char *user, const char *group, uid_t *uid, gid_t *gid, GError **error)
{
    const struct passwd *pw = getpwnam (user);
    const struct group *gr;

    if (pw == NULL) {
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                     _ ("there is no user '%s': make it (adduser --system --group %s), or name "
                        "another one as user in [relais]"),
                     user, user);
        return false;
    }
    *uid = pw->pw_uid;
    *gid = pw->pw_gid;
    if (group == NULL)
        return true;
    gr = getgrnam (group);
    if (gr == NULL) {
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                     _ ("there is no group '%s': make it (addgroup --system %s), or name another "
                        "one as group in [relais]"),
                     group, group);
        return false;
    }
    *gid = gr->gr_gid;
    return true;
}

bool
relais_privileges_drop (const char *user, const char *group, const char *const *dirs,
                        GError **error)
{
    uid_t uid;
    gid_t gid;

    if (geteuid () != 0)
        return make_dirs (dirs, 0, 0, false, error) && drop_rest (error);
    if (g_str_equal (user, "root"))
        return make_dirs (dirs, 0, 0, false, error);
    return find_ids (user, group, &uid, &gid, error) && make_dirs (dirs, uid, gid, true, error) &&
           become (uid, gid, user, error) && drop_rest (error);
}

/* Keys and passwords are in it: no core dump, and no look at it by another process of this user. A sanitizer has to look
 * at its own process from outside. */
static bool
hide_memory (GError **error)
{
#ifndef RELAIS_SANITIZED
    if (prctl (PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return fail (error, _ ("cannot hide the memory of"), "relaisd");
#endif
    return true;
}

/* The group that nobody named is taken where the machine has it. */
static const char *
group_of (const RelaisSection *relais)
{
    const char *group = relais_section_get_string (relais, "group");

    return relais_section_is_set (relais, "group") || getgrnam (group) != NULL ? group : NULL;
}

bool
relais_privileges_check (const RelaisConfig *config, GError **error)
{
    const RelaisSection *relais = relais_config_find_section (config, "relais", NULL);
    const char *user = relais_section_get_string (relais, "user");
    uid_t uid;
    gid_t gid;

    return g_str_equal (user, "root") || find_ids (user, group_of (relais), &uid, &gid, error);
}

bool
relais_privileges_drop_by (const RelaisConfig *config, GError **error)
{
    const RelaisSection *relais = relais_config_find_section (config, "relais", NULL);
    const char *dirs[] = {relais_section_get_string (relais, "spool_dir"),
                          relais_section_get_string (relais, "log_dir"),
                          relais_section_get_string (relais, "run_dir"),
                          relais_section_get_string (relais, "state_dir"), NULL};

    return relais_privileges_drop (relais_section_get_string (relais, "user"), group_of (relais),
                                   dirs, error) &&
           hide_memory (error);
}
