/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who may give commands: root, the daemon's own user, and the members of one group if the
 * configuration names it. The kernel says who the other end of a socket is; what it says is of the
 * moment of connect (). Loop thread.
 */
#include "config.h"

#include "control/access-private.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- The group -------------------------------------------------------------------------------- */

static bool
fail (GError **error, const char *path)
{
    g_set_error (error, G_IO_ERROR, (gint)g_io_error_from_errno (errno),
                 _ ("cannot open %s to the group control_group: %s"), path, g_strerror (errno));
    return false;
}

static bool
find_group (const char *name, gid_t *gid, GError **error)
{
    const struct group *group = getgrnam (name);

    if (group == NULL) {
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                     _ ("there is no group '%s', which control_group in [relais] names"), name);
        return false;
    }
    *gid = group->gr_gid;
    return true;
}

/* The path lets everybody reach the socket; who may speak there is asked of the kernel at each connection. */
static bool
open_path (const char *path, GError **error)
{
    g_autofree char *dir = g_path_get_dirname (path);
    struct stat status;

    if (stat (dir, &status) < 0 || chmod (dir, (status.st_mode & 07777) | S_IXGRP | S_IXOTH) < 0)
        return fail (error, dir);
    return chmod (path, 0666) == 0 || fail (error, path);
}

bool
relais_control_access_open (RelaisControlAccess *access, const char *group, const char *path,
                            GError **error)
{
    if (!find_group (group, &access->gid, error) || !open_path (path, error))
        return false;
    access->has_group = true;
    return true;
}

/* --- A peer ----------------------------------------------------------------------------------- */

/* Its supplementary groups; none if they cannot be had. */
static gid_t *
get_groups (int fd, guint *n)
{
    socklen_t size = 0;
    gid_t *groups = NULL;

    /* Asked with no room the kernel says how much it is, at most NGROUPS_MAX of them. */
    if (getsockopt (fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) < 0 && errno == ERANGE) {
        groups = g_malloc (size);
        if (getsockopt (fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
            size = 0;
    }
    *n = size / (guint)sizeof (gid_t);
    return groups;
}

static bool
is_member (int fd, gid_t primary, gid_t wanted)
{
    guint n = 0;
    g_autofree gid_t *groups = NULL;

    if (primary == wanted)
        return true;
    groups = get_groups (fd, &n);
    for (guint i = 0; i < n; i++)
        if (groups[i] == wanted)
            return true;
    return false;
}

bool
relais_control_access_allows (const RelaisControlAccess *access, int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || size != sizeof peer)
        return false;
    return peer.uid == 0 || peer.uid == geteuid () ||
           (access->has_group && is_member (fd, peer.gid, access->gid));
}
