/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the DNS says of one address that mail leaves from: the name that it has (PTR), whether the name leads back to
 * it, as Gmail and others demand, and whether EHLO gives a name that leads there too (RFC 5321 section 4.1.4).
 * Loop thread.
 */
#pragma once

#include "dns-finding-private.h"
#include "dns/dns-private.h"

typedef struct RelaisPtrCheck RelaisPtrCheck;

/* Called for each finding, and last with NULL, after which the check is gone. */
typedef void (*RelaisPtrCheckFunc) (gpointer data, const RelaisDnsFinding *finding);

/* `source` and `helo` are copied. */
RelaisPtrCheck *
relais_ptr_check_new (RelaisDns *dns, const char *source, const char *helo,
                      const struct sockaddr *address, RelaisPtrCheckFunc func, gpointer data);
/* Ends it without another call. Accepts NULL. */
void relais_ptr_check_free (RelaisPtrCheck *check);

/* The name whose PTR records tell of an address of 4 or 16 octets (RFC 1035 section 3.5, RFC 3596 section 2.5): owned.
 * Pure; any thread. */
char *relais_reverse_name (const guint8 *bytes, gsize n);
