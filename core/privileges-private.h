/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Giving up root: once its ports are open the daemon becomes its own user, before it reads a byte from a peer or
 * touches the spool, and keeps no right that this user has not. Start-up only, before any thread exists.
 */
#pragma once

#include "conf/conf-private.h"

#include <glib.h>
#include <stdbool.h>

/* If we are root: makes `dirs` (NULL-terminated) with mode 0700 where they are missing, gives them to `user`, then
 * becomes that user and group. Not root: makes the directories. Either way no capability is left (those that a
 * service manager gave for the ports neither), programs started later gain none, and that root does not come back
 * is proved. `user` "root" keeps all of it (laboratories). `group` NULL: the user's own. */
bool relais_privileges_drop (const char *user, const char *group, const char *const *dirs,
                             GError **error);
/* Whether this machine has the user and the group that [relais] names; changes nothing. */
bool relais_privileges_check (const RelaisConfig *config, GError **error);
/* The same as relais_privileges_drop () for the user, the group and the directories that [relais] names. */
bool relais_privileges_drop_by (const RelaisConfig *config, GError **error);
