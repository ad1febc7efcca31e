/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Going on as a new program: after an upgrade the daemon ends as it would, and then becomes what lies at its
 * path now, with the same process id, the arguments and the environment that it was started with, and the
 * sockets that it listens on. These never close: who connects meanwhile waits in the backlog. Main thread.
 */
#pragma once

#include "loop/loop-private.h"
#include "tls/ports-private.h"

typedef struct RelaisReexec RelaisReexec;

/* Notes path, arguments and environment; before anything of these changes. */
RelaisReexec *relais_reexec_new (char **argv);
/* NULL ok. */
void relais_reexec_free (RelaisReexec *reexec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisReexec, relais_reexec_free)

/* Keeps a descriptor of each socket; before the servers take them. */
void relais_reexec_keep (RelaisReexec *reexec, const RelaisPorts *ports);

/* Gives those up: no new program will take over. */
void relais_reexec_let_go (RelaisReexec *reexec);

/* Has the program at the path look at the configuration (--check) and calls `good` on the loop if it is good
 * and may take over; else says in the log why not, and nothing changes. Does nothing while one looks. */
void
relais_reexec_begin (RelaisReexec *reexec, RelaisLoop *loop, RelaisLoopFunc good, gpointer data);

/* Sets a variable of the environment that the new program gets. */
void relais_reexec_set_variable (RelaisReexec *reexec, const char *name, const char *value);
/* Becomes the new program. Everything must have been taken down. Returns only if that fails, after saying why. */
void relais_reexec_go (RelaisReexec *reexec);
