/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A route as the queue uses it: the hosts of a destination in order, their addresses as stops to try
 * one after the other, the name of the set of hosts, and the site that it belongs to. Immutable,
 * counted, loop thread.
 */
#pragma once

#include "queue/state-private.h"
#include "smtp/sts-policy-private.h"

typedef struct {
    guint host;                      /* in hosts */
    struct sockaddr_storage address; /* with port */
    socklen_t size;
} RelaisStop;

struct RelaisRoute {
    guint refs;
    guint64 serial;       /* no two routes of a queue share it */
    guint settings;       /* of the queue's settings that it was made by */
    GPtrArray *hosts;     /* char *, by preference */
    GArray *danes;        /* RelaisDane, one a host */
    RelaisStsPolicy *sts; /* of the domain; or NULL */
    GArray *stops;        /* RelaisStop: by host, IPv6 before IPv4 */
    char *set;            /* the hosts' names sorted, or the domain, or the static route's name */
    char *site;           /* provider, or `set` */
    bool is_provider;     /* the site is one */
    guint16 port;
    char *domain; /* whose MX it is; NULL for a static route */
    bool implicit_mx;
    RelaisStaticRoute *fixed; /* or NULL */
};

/* From the resolver's answer, which must have hosts. `fixed` is NULL for MX routes. `sts`
 * (nullable) is referenced. */
RelaisRoute *relais_route_new (RelaisQueue *queue, const RelaisMailRoute *mail, const char *name,
                               RelaisStaticRoute *fixed, RelaisStsPolicy *sts);
/* Of a static route whose host is an address or a socket of this machine; NULL if it is a name. */
RelaisRoute *relais_route_new_literal (RelaisQueue *queue, RelaisStaticRoute *fixed);
/* The same hosts, by the settings that are in force now. */
RelaisRoute *relais_route_renew (RelaisQueue *queue, const RelaisRoute *route);
RelaisRoute *relais_route_ref (RelaisRoute *route);
void relais_route_unref (RelaisRoute *route);
/* What DANE asks of a host of the route. */
const RelaisDane *relais_route_dane (const RelaisRoute *route, const char *host);
/* The provider whose site it is, by the settings in force; or NULL. */
const RelaisProvider *relais_route_provider (const RelaisQueue *queue, const RelaisRoute *route);
bool relais_route_has_host (const RelaisRoute *route, const char *host);
