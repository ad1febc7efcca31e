/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where it is decided how much TLS a connection to a host must have. Loop thread.
 */
#pragma once

#include "queue/route-private.h"

/* The terms for one host of a route, by the settings in force and what its domain publishes; see terms.c. The
 * caller owns the reference. */
RelaisTlsTerms *
relais_terms_decide (const RelaisQueue *queue, const RelaisRoute *route, const char *host);
/* The name of the route's set of hosts and what is asked of them: a host that does not meet the terms of
 * one domain is not asleep for others. Owned by the caller. */
char *relais_terms_name_path (const RelaisQueue *queue, const RelaisRoute *route);
/* The TLS context that a connection under these terms uses; NULL for none. Borrowed. */
RelaisTlsContext *relais_terms_context (const RelaisQueue *queue, const RelaisTlsTerms *terms,
                                        RelaisTlsPolicy policy);
