/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The books about those who connect: sessions at once, connections in a minute, failed logins in ten
 * minutes; of each client (an IPv4 address, an IPv6 /64) and of the network it lies in (/24, /48), so
 * that who has many addresses has no more for it. Bounded: of as many clients as there are sessions,
 * and of RELAIS_CLIENTS_KEPT more.
 *
 * Loop thread only.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum { RELAIS_CLIENTS_KEPT = 16384 };

typedef struct {
    guint sessions_per_client, sessions_per_net;
    guint connections_per_client, connections_per_net; /* in a minute */
    guint login_failures;                              /* of a client in ten minutes */
} RelaisClientLimits;

typedef enum {
    RELAIS_CLIENT_ADMITTED,
    RELAIS_CLIENT_FULL,     /* it has too many sessions */
    RELAIS_CLIENT_NET_FULL, /* its network has */
    RELAIS_CLIENT_FAST,     /* it connects too often */
    RELAIS_CLIENT_NET_FAST
} RelaisClientVerdict;

typedef struct RelaisClients RelaisClients;
RelaisClients *relais_clients_new (void);
void relais_clients_free (RelaisClients *clients);

/* A client connects, by relais_client_key (). The connection counts whatever the verdict is, the
 * session only if it is admitted; then relais_clients_leave () must follow. */
RelaisClientVerdict relais_clients_enter (RelaisClients *clients, const guint8 key[16],
                                          const RelaisClientLimits *limits, gint64 now_us);
void relais_clients_leave (RelaisClients *clients, const guint8 key[16]);

void relais_clients_note_failed_login (RelaisClients *clients, const guint8 key[16], gint64 now_us);
bool relais_clients_may_log_in (RelaisClients *clients, const guint8 key[16],
                                const RelaisClientLimits *limits, gint64 now_us);
/* How many clients and networks are in the books. */
guint relais_clients_count (const RelaisClients *clients);
