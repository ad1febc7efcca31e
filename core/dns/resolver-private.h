/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What mail.c and the HTTP client need of the resolver beyond its public face: a second opinion on an
 * absence, which addresses are not gone to, the dice. Loop thread only.
 */
#pragma once

#include "dns/dns-private.h"
#include "dns/targets-private.h"

/* As relais_dns_query (); `confirm` asks past the cache of absences, so that a negative answer is
 * one that a server gave now. */
RelaisDnsQuery *relais_dns_ask (RelaisDns *dns, bool confirm, const char *name, RelaisDnsType type,
                                RelaisDnsFunc func, gpointer data);
RelaisLoop *relais_dns_loop (const RelaisDns *dns);
const RelaisTargets *relais_dns_targets (const RelaisDns *dns);
GRand *relais_dns_rand (const RelaisDns *dns);
guint16 relais_dns_dane_port (const RelaisDns *dns);
/* The name whose keys are trusted; NULL: nothing is validated. */
const char *relais_dns_get_anchor_owner (const RelaisDns *dns);

/* validation.c: the owner of the first record of a trust anchor file, without the last dot; "" is the root. May
 * block. */
char *relais_dns_anchor_owner (const char *file);
