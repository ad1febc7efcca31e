/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sockets to listen on, as all our servers open them. The loop's thread at start-up, before root is given up; keeps
 * nothing and accepts nothing.
 */
#pragma once

#include <glib.h>
#include <sys/socket.h>

/* Opens a non-blocking socket that listens on `address` (text of either family, IPv6 without IPv4) and `port` (0: any
 * free one). `*name` (owned) is what it is bound to, "192.0.2.1:25" or "[2001:db8::1]:25". -1 with an error that
 * begins with `section`, "listener NAME". */
int
relais_listen (const char *section, const char *address, guint16 port, char **name, GError **error);
/* What a socket is bound to, and how an address and its port are written in that manner. Owned. */
char *relais_listen_name (int fd);
char *relais_address_name (const struct sockaddr *address);
