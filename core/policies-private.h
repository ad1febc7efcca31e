/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the daemon keeps of other domains' TLS policies: MTA-STS, the counts for TLS reports, the self-test of DNSSEC.
 * It owns their lifetimes and [tls-policy]; what they do stands in their rooms. Main thread.
 */
#pragma once

#include "queue/queue-private.h"

typedef struct {
    RelaisLoop *loop;
    RelaisPool *pool;
    RelaisDns *dns;
    RelaisFetcher *fetcher;
} RelaisPoliciesParts;

typedef struct RelaisPolicies RelaisPolicies;

/* Whether [tls-policy] can be used: report_contact is an address. Pure; any thread. */
bool relais_policies_check (const RelaisConfig *config, GError **error);
/* Reads files; begins the self-test. NULL if it cannot be used. May block. */
RelaisPolicies *
relais_policies_new (const RelaisPoliciesParts *parts, RelaisConfig *config, GError **error);
/* The configuration was read again, and checked: DANE and MTA-STS are as it says before the next connection, and what
 * is counted for reports. */
void
relais_policies_reload (RelaisPolicies *policies, const RelaisConfig *config, RelaisQueue *queue);
/* For the queue; NULL: switched off. */
RelaisSts *relais_policies_sts (const RelaisPolicies *policies);
RelaisTlsrpt *relais_policies_tlsrpt (const RelaisPolicies *policies);
/* The queue has gone; resolver and fetcher will. NULL ok. */
void relais_policies_stop (RelaisPolicies *policies);
/* Pools and spool have gone. May block. NULL ok. */
void relais_policies_free (RelaisPolicies *policies);
