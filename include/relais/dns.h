/* SPDX-License-Identifier: MIT
 *
 * Looking names up in the DNS, by the core's own resolver: cached, validated where there is a trust
 * anchor, never blocking. What could not be found out is told apart from what is not there. Loop only.
 */
#pragma once

#include <relais/types.h>

G_BEGIN_DECLS

/* Record types, by their numbers (RFC 1035 section 3.2.2, RFC 3596, RFC 6698). */
typedef guint32 RelaisDnsType;
enum {
    RELAIS_DNS_A = 1,
    RELAIS_DNS_PTR = 12,
    RELAIS_DNS_MX = 15,
    RELAIS_DNS_TXT = 16,
    RELAIS_DNS_AAAA = 28,
    RELAIS_DNS_TLSA = 52
};

/* What is known now. */
typedef guint32 RelaisDnsOutcome;
enum {
    RELAIS_DNS_DATA = 0,      /* at least one record of the type */
    RELAIS_DNS_NODATA = 1,    /* the name exists, the type does not */
    RELAIS_DNS_NXDOMAIN = 2,  /* the name does not exist, as one answer says */
    RELAIS_DNS_TEMPORARY = 3, /* timeout, SERVFAIL, REFUSED, malformed answer: nothing is known */
    RELAIS_DNS_BOGUS = 4      /* DNSSEC validation failed: as good as TEMPORARY */
};

typedef struct RelaisDnsAnswer RelaisDnsAnswer; /* borrowed for the call that hands it over */
typedef struct RelaisLookup RelaisLookup;       /* a question under way */

typedef void (*RelaisLookupFunc) (const RelaisDnsAnswer *answer, gpointer data);

/* Asks for the records of `name` (A-labels; with or without the last dot; an octet that is no visible ASCII as
 * in zone files, "\032") and calls `func` once, from a later turn, whatever the servers do: by default within 5 s
 * ([dns] timeout), or within five times that while more are under way than [dns] max_queries. The handle is valid
 * until then. The same question asked by several is sent once. A name that cannot be one is NXDOMAIN. From the
 * module's start on; when the daemon stops, what is under way ends as TEMPORARY. */
RELAIS_API RelaisLookup *relais_lookup (RelaisModule *module, const gchar *name, RelaisDnsType type,
                                        RelaisLookupFunc func, gpointer data);
/* `func` will not be called. Accepts NULL. */
RELAIS_API void relais_lookup_cancel (RelaisLookup *lookup);

RELAIS_API RelaisDnsOutcome relais_dns_answer_get_outcome (const RelaisDnsAnswer *answer);
/* Whether DNSSEC vouches for it. */
RELAIS_API gboolean relais_dns_answer_get_secure (const RelaisDnsAnswer *answer);
/* Seconds that it may be kept. */
RELAIS_API guint32 relais_dns_answer_get_ttl (const RelaisDnsAnswer *answer);
/* TEMPORARY, BOGUS: why, as "timeout" or "SERVFAIL", for a log; else NULL. */
RELAIS_API const gchar *relais_dns_answer_get_reason (const RelaisDnsAnswer *answer);
/* Records of the type that was asked for; 0 unless DATA. At most 200 of an answer are looked at. */
RELAIS_API guint32 relais_dns_answer_n_records (const RelaisDnsAnswer *answer);
/* MX: preference; else 0. */
RELAIS_API guint32 relais_dns_answer_get_preference (const RelaisDnsAnswer *answer, guint32 n);
/* MX, PTR: the host, in lower case, without the last dot; "" is the root. Else NULL. */
RELAIS_API const gchar *relais_dns_answer_get_name (const RelaisDnsAnswer *answer, guint32 n);
/* A: 4 octets, AAAA: 16, TXT: the record's strings, joined, which may hold any octet; TLSA: rdata. Else
 * NULL and 0. */
RELAIS_API const guint8 *
relais_dns_answer_get_bytes (const RelaisDnsAnswer *answer, guint32 n, guint64 *size);

G_END_DECLS
