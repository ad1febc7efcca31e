/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who may give commands over the control socket. A record inside its owner, zeroed at first; loop thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct {
    bool has_group;
    gid_t gid; /* whose members may, too */
} RelaisControlAccess;

/* Lets the members of `group` in, by any of their groups, and everybody reach the socket at `path`, which is
 * there: its mode becomes 0666, and its directory may be passed. May block (the group's name is looked up):
 * start-up only. Fails if the group is not there or the modes cannot be changed (G_IO_ERROR). */
bool relais_control_access_open (RelaisControlAccess *access, const char *group, const char *path,
                                 GError **error);
/* Whether the peer of a connected unix socket may speak. */
bool relais_control_access_allows (const RelaisControlAccess *access, int fd);
