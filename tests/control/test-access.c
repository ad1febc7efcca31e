/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/control/access: peers with one identity or another, each a child process that connects. Only root
 * can be somebody else.
 */
#include "config.h"

#include "control/access-private.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534, WANTED = 8, OTHER = 9, MANY = 1000 };

static char *dir;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static int listener;

static void
set_up (void)
{
    dir = g_dir_make_tmp ("relais-access-XXXXXX", NULL);
    g_snprintf (address.sun_path, sizeof address.sun_path, "%s/control", dir);
    listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint (fchmod (listener, 0600), ==, 0);
    g_assert_cmpint (bind (listener, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint (listen (listener, 4), ==, 0);
}

static void
clean_up (void)
{
    close (listener);
    g_unlink (address.sun_path);
    g_rmdir (dir);
    g_free (dir);
}

/* In the child: 0 once the other side closed, 1 where the socket is out of reach. */
static int
call_as (uid_t uid, gid_t gid, const gid_t *groups, gsize n)
{
    char octet;
    int fd;

    if (setgroups (n, groups) < 0 || setresgid (gid, gid, gid) < 0 || setresuid (uid, uid, uid) < 0)
        return 2;
    fd = socket (AF_UNIX, SOCK_STREAM, 0);
    if (connect (fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return 1;
    return read (fd, &octet, 1) == 0 ? 0 : 2;
}

static bool
is_allowed (const RelaisControlAccess *access, uid_t uid, gid_t gid, const gid_t *groups, gsize n)
{
    const pid_t child = fork ();
    int fd, status;
    bool allowed;

    if (child == 0)
        _exit (call_as (uid, gid, groups, n));
    fd = accept (listener, NULL, NULL);
    g_assert_cmpint (fd, >=, 0);
    allowed = relais_control_access_allows (access, fd);
    close (fd);
    g_assert_cmpint (waitpid (child, &status, 0), ==, child);
    g_assert_cmpint (status, ==, 0);
    return allowed;
}

static void
test_group (void)
{
    RelaisControlAccess access = {0};
    const struct group *group = getgrgid (WANTED);
    const gid_t two[] = {OTHER, WANTED};
    g_autofree gid_t *many = g_new (gid_t, MANY);
    g_autoptr (GError) error = NULL;

    if (geteuid () != 0 || group == NULL) {
        g_test_skip ("only root can be somebody else");
        return;
    }
    set_up ();
    g_assert_true (is_allowed (&access, 0, 0, NULL, 0));
    g_assert_false (
        relais_control_access_open (&access, "no-such-group", address.sun_path, &error));
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
    g_assert_false (access.has_group);
    g_clear_error (&error);
    g_assert_true (relais_control_access_open (&access, group->gr_name, address.sun_path, &error));
    g_assert_no_error (error);
    g_assert_true (is_allowed (&access, NOBODY, WANTED, NULL, 0));
    g_assert_true (is_allowed (&access, NOBODY, NOBODY, two, 2));
    g_assert_false (is_allowed (&access, NOBODY, NOBODY, two, 1));
    g_assert_false (is_allowed (&access, NOBODY, NOBODY, NULL, 0));
    g_assert_true (is_allowed (&access, 0, 0, NULL, 0));
    for (guint i = 0; i < MANY; i++)
        many[i] = 10000 + i;
    g_assert_false (is_allowed (&access, NOBODY, NOBODY, many, MANY));
    many[MANY - 1] = WANTED;
    g_assert_true (is_allowed (&access, NOBODY, NOBODY, many, MANY));
    /* Without the option its members are nobody. */
    access.has_group = false;
    g_assert_false (is_allowed (&access, NOBODY, WANTED, two, 2));
    clean_up ();
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/control/access/group", test_group);
    return g_test_run ();
}
