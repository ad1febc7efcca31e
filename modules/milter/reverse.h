/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The name that the DNS gives a client's address, and whether that name leads back to it: what Sendmail
 * tells milters as {client_ptr} and {client_resolve}. Loop.
 */
#pragma once

#include <relais/types.h>

#include <glib.h>
#include <stdbool.h>

enum { MILTER_NAME_BYTES = 255, MILTER_REVERSE_S = 8 /* for all of it */ };

typedef enum {
    MILTER_RESOLVE_OK,
    MILTER_RESOLVE_FAIL,   /* it has no name, or none that could be a host's */
    MILTER_RESOLVE_FORGED, /* it has one that is not of this address */
    MILTER_RESOLVE_TEMP    /* that could not be found out now */
} MilterResolve;

typedef struct MilterReverse MilterReverse;
/* Asks; `done` is called once, from a later turn. NULL if the address is none that has a name. */
MilterReverse *milter_reverse_new (RelaisModule *module, const char *address,
                                   void (*done) (gpointer data), gpointer data);
/* `done` is not called any more. NULL ok. */
void milter_reverse_free (MilterReverse *reverse);
bool milter_reverse_is_done (const MilterReverse *reverse);
bool milter_reverse_is_of (const MilterReverse *reverse, const char *address);
/* The name, or NULL. Borrowed, as all of it; NULL ok. */
const char *milter_reverse_get_ptr (const MilterReverse *reverse);
/* The same if it leads back. */
const char *milter_reverse_get_name (const MilterReverse *reverse);
/* "OK", "FAIL", "FORGED", "TEMP"; NULL: nobody asked. */
const char *milter_reverse_get_resolve (const MilterReverse *reverse);

/* "4.3.2.1.in-addr.arpa" (RFC 1035, section 3.5), or below ip6.arpa (RFC 3596, section 2.5). NULL if it is
 * no address. Owned. Pure, as the next one. */
char *milter_reverse_query (const char *address);
/* Letters, digits, "-", "_" and dots, and no address: what a PTR record says may be anything. */
bool milter_reverse_is_host (const char *name);
