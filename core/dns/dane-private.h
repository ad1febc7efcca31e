/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DANE for one mail host (RFC 7672 section 2): its TLSA records looked up, and what they ask for. Called for
 * hosts whose MX and addresses DNSSEC vouches for; for others there is no DANE. Loop thread only.
 */
#pragma once

#include "dns/dns-private.h"

/* What an answer to _PORT._tcp.BASE asks for. `set` and `reason` are the caller's; see RelaisDane. */
void relais_dane_judge (const RelaisDnsAnswer *answer, const char *base, RelaisDane *dane);

typedef struct RelaisDaneLookup RelaisDaneLookup;
/* `dane` becomes the caller's (relais_dane_clear ()); `ttl_s` is how long it may be kept. */
typedef void (*RelaisDaneFunc) (gpointer data, RelaisDane *dane, guint32 ttl_s);

/* Looks up the records of `canonical` (what `host` is an alias of; or NULL), then, if it has none, those of
 * `host`. With addresses that DNSSEC does not vouch for (`secure` false), those of `host` alone, if it
 * vouches for its being an alias (section 2.2.2). `func` is called once, from a later turn. */
RelaisDaneLookup *
relais_dane_lookup (RelaisDns *dns, const char *host, const char *canonical, bool secure,
                    guint16 port, RelaisDaneFunc func, gpointer data);
/* `func` will not be called. Accepts NULL. */
void relais_dane_cancel (RelaisDaneLookup *lookup);
