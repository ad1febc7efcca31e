/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The daemon's ports: sockets that listen from before root is given up until the servers take them. Clients that
 * come meanwhile, while a large spool is read, wait in the backlog. A service manager may have opened some
 * (LISTEN_FDS, sd_listen_fds(3)). Main thread, start-up.
 */
#pragma once

#include <relais/option.h>
#include <stdbool.h>

typedef struct RelaisPorts RelaisPorts;

/* The label of sockets that the program before us kept: they go by their addresses, and what fits none is closed. */
#define RELAIS_PORTS_KEPT "."

/* One socket that listens; `name` is what it is bound to, "192.0.2.1:25" or "[2001:db8::1]:25". */
typedef struct {
    int fd; /* whoever has the record closes it, unless it is -1 */
    char *name;
} RelaisPort;
void relais_port_free (RelaisPort *port);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisPort, relais_port_free)

/* Where a section of the configuration wants to listen; borrowed for the calls. */
typedef struct {
    const char *kind, *name;      /* [KIND NAME] */
    const char *const *addresses; /* NULL-terminated text of either family */
    guint16 port;                 /* 0: any free one */
} RelaisPortWish;

RelaisPorts *relais_ports_new (void);
/* Closes what nobody took. NULL ok. */
void relais_ports_free (RelaisPorts *ports);

/* Takes what the service manager handed over to this process, and clears it from the environment, so that no
 * helper process believes that it was meant. Fails if one of them is no TCP socket that listens. */
bool relais_ports_inherit (RelaisPorts *ports, GError **error);

/* Opens the sockets of one section. Inherited ones that have its name (FileDescriptorName=) are its sockets, in
 * place of its addresses; else each address takes the inherited socket bound to just that, or a new one. */
bool relais_ports_open (RelaisPorts *ports, const RelaisPortWish *wish, GError **error);
/* The same of all sections of a kind. */
bool
relais_ports_open_all (RelaisPorts *ports, RelaisConfig *config, const char *kind, GError **error);
/* After the last section: fails, and says what to do, if a socket of the service manager's fits none. */
bool relais_ports_all_used (const RelaisPorts *ports, GError **error);

/* Each socket that nobody took yet. */
void
relais_ports_each (const RelaisPorts *ports, void (*func) (gpointer data, int fd), gpointer data);

/* The sockets of that section (RelaisPort, owned by the array, which is the caller's). Where it was not opened
 * before, or `ports` is NULL, that is done now. NULL on error. */
GPtrArray *relais_ports_take (RelaisPorts *ports, const RelaisPortWish *wish, GError **error);
