/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * MTA-STS policies of other domains (RFC 8461): found by TXT record and HTTPS, kept over restarts, renewed daily.
 * Loop thread only. A policy of one domain that is broken troubles that domain's mail alone.
 *
 *   TXT record        known policy, not expired    what holds
 *   none, malformed   yes                          the known one (section 5.1: taking away the record is no way out)
 *   none, malformed   no                           none
 *   not known now     yes / no                     the known one / none
 *   id as known       yes                          the known one
 *   id, another       –                            the one fetched now; if that fails the known one, or none
 *
 * A fetch that failed is not tried again for five minutes.
 */
#pragma once

#include "dns/dns-private.h"
#include "http/fetch-private.h"
#include "loop/pool-private.h"
#include "smtp/sts-policy-private.h"

typedef struct RelaisSts RelaisSts;
typedef struct RelaisStsLookup RelaisStsLookup;

enum { RELAIS_STS_DOMAINS = 10000 /* whose policies are kept; those of more are not */ };

/* How a policy was not had, for reports (RFC 8460 section 4.3.2.2). */
typedef enum {
    RELAIS_STS_FINE,
    RELAIS_STS_FETCH_ERROR,   /* sts-policy-fetch-error */
    RELAIS_STS_INVALID,       /* sts-policy-invalid */
    RELAIS_STS_WEBPKI_INVALID /* sts-webpki-invalid */
} RelaisStsTrouble;

typedef struct {
    RelaisStsPolicy *policy; /* borrowed; NULL: none. Its mode may be NONE. */
    gint64 expires_us;       /* wall clock; 0 without policy */
    RelaisStsTrouble trouble;
    const char *text; /* one line, English: where it comes from, or why there is none */
} RelaisStsResult;
typedef void (*RelaisStsFunc) (gpointer data, const RelaisStsResult *result);

typedef struct {
    RelaisLoop *loop;
    RelaisPool *pool;
    RelaisDns *dns;
    RelaisFetcher *fetcher;
    const char *path; /* of the file that policies are kept in */
    guint16 port;     /* of HTTPS: 443 */
} RelaisStsOptions;

/* Reads the file; what cannot be read is warned of and passed over. May block. */
RelaisSts *relais_sts_new (const RelaisStsOptions *options);
/* Whether policies are in use at all: only then those that nobody asks for just now are renewed; and the port of
 * HTTPS they are fetched from. */
void relais_sts_use (RelaisSts *sts, bool in_use, guint16 port);
/* Ends what is under way without telling. Before the fetcher and the resolver go. */
void relais_sts_stop (RelaisSts *sts);
/* Writes what is not written. The pool must be gone or idle. May block. NULL ok. */
void relais_sts_free (RelaisSts *sts);

/* Looks up the policy of a domain (A-labels, lower case). `func` is called once, from a later turn; it may take
 * a minute. */
RelaisStsLookup *
relais_sts_lookup (RelaisSts *sts, const char *domain, RelaisStsFunc func, gpointer data);
/* `func` will not be called. Accepts NULL. */
void relais_sts_cancel (RelaisStsLookup *lookup);
/* Policies that are kept. */
guint relais_sts_n_policies (const RelaisSts *sts);
/* Kept policies: for each the domain, the id, when it was fetched and when it expires (wall clock). */
typedef void (*RelaisStsEach) (gpointer data, const char *domain, const char *id,
                               const RelaisStsPolicy *policy, gint64 fetched_us, gint64 expires_us);
void relais_sts_each (const RelaisSts *sts, RelaisStsEach func, gpointer data);
