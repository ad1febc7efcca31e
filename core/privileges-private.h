/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Giving up root: the daemon becomes its own user before it reads a byte from a peer or touches the
 * spool, keeps one capability until its listeners are bound, then none. Start-up only, before any
 * thread exists.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* If we are root: makes `dirs` (NULL-terminated) with mode 0700 where they are missing, gives them to
 * `user`, then becomes that user and group, keeping CAP_NET_BIND_SERVICE alone. Not root: makes the
 * directories. `user` "root" keeps root (laboratories). */
bool relais_privileges_drop (const char *user, const char *group, const char *const *dirs,
                             GError **error);
/* Gives up the last capability, and proves that root does not come back. */
bool relais_privileges_drop_rest (GError **error);
