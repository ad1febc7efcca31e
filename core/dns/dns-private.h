/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The resolver: libunbound's event mode on our loop, our own bounded parser of its answers, and the
 * table that says what a DNS result means for mail (design.md 10, user-demands.md 7 and 22).
 *
 * Loop thread only. Queries for the same (name, type) are coalesced. A callback never comes from inside the call that
 * started the query. Every query ends within its deadline, whatever the servers do. The deadline begins when it is
 * asked; while too many are under way it waits for that, for four deadlines at most. Names whose last question timed
 * out share a quarter of the places.
 */
#pragma once

#include "loop/loop-private.h"
#include "tls/tlsa-private.h"

#include <relais/dns.h>

#include <sys/socket.h>

typedef struct RelaisDns RelaisDns;

typedef struct {
    const char *const
        *servers; /* NULL-terminated "ADDRESS" or "ADDRESS@PORT" to forward to; NULL: recursion */
    const char *trust_anchor_file; /* or NULL */
    const char *const *
        allow; /* NULL-terminated "ADDRESS/LEN" that mail may go to though private or loopback; or NULL */
    gint64 timeout_us; /* of one query, all retries included, from when it is asked; 5 s */
    guint64 cache_bytes;
    guint max_queries; /* under way at once; more wait */
} RelaisDnsOptions;

/* May block (reads files). */
RelaisDns *relais_dns_new (const RelaisDnsOptions *options, RelaisLoop *loop, GError **error);
void relais_dns_free (RelaisDns *dns);
/* Questions that are asked or wait to be. */
guint relais_dns_n_under_way (const RelaisDns *dns);
/* Those that are asked. */
guint relais_dns_n_asked (const RelaisDns *dns);

/* --- Plain queries ------------------------------------------------------------------------------ */

typedef struct {
    guint16 preference; /* MX */
    char *name;         /* MX, PTR: lower case, without trailing dot ("" is the root) */
    guint8 *bytes;      /* A: 4, AAAA: 16, TXT: the strings joined, TLSA: rdata */
    gsize size;
} RelaisDnsRecord;

/* Outcomes and types are the public ones (include/relais/dns.h). Of an NXDOMAIN mail lookups ask
 * again. */
struct RelaisDnsAnswer {
    RelaisDnsOutcome outcome;
    bool secure; /* validated */
    guint32 ttl_s;
    GArray *records; /* RelaisDnsRecord, bounded */
    char *
        canonical; /* what the name is an alias of, lower case; NULL: it is none, or is no host name */
    const char *reason; /* for TEMPORARY and BOGUS: "timeout", "SERVFAIL", ...; else NULL */
};

/* The one record of an answer that is meant; NULL if there is no data, none, or more than one. Borrowed. */
const RelaisDnsRecord *
relais_dns_answer_find_only (const RelaisDnsAnswer *answer,
                             bool (*is_meant) (const guint8 *bytes, gsize size));

typedef void (*RelaisDnsFunc) (gpointer data, const RelaisDnsAnswer *answer);
typedef struct RelaisDnsQuery RelaisDnsQuery;

/* Asks; `func` is called once, with an answer that is borrowed. The handle is valid until then.
 * `func` may ask and cancel, but not free the resolver. */
RelaisDnsQuery *relais_dns_query (RelaisDns *dns, const char *name, RelaisDnsType type,
                                  RelaisDnsFunc func, gpointer data);
/* `func` will not be called. Accepts NULL. */
void relais_dns_cancel (RelaisDnsQuery *query);

/* --- Mail routes: where mail for a domain goes ---------------------------------------------------- */

typedef enum {
    RELAIS_ROUTE_HOSTS, /* hosts to try; at least one has an address */
    RELAIS_ROUTE_TEMPORARY, /* 4.4.3 (DNS) or 4.4.4 (a static next hop that does not exist): try later */
    RELAIS_ROUTE_PERMANENT /* 5.1.2 no such domain, or it has neither MX nor address; 5.4.4 MX hosts, none with an address
                             (absences are confirmed); 5.1.10 null MX; 5.1.3 no address literal; 5.4.6 only
                             refused addresses (loop, private) */
} RelaisRouteOutcome;

typedef struct {
    struct sockaddr_storage address; /* port not set */
    socklen_t size;
} RelaisDnsAddress;

/* What DANE asks of a host (RFC 7672 section 2.1). */
typedef enum {
    RELAIS_DANE_NONE,     /* nothing: no records that DNSSEC vouches for */
    RELAIS_DANE_USABLE,   /* a certificate that matches one of `set` */
    RELAIS_DANE_UNUSABLE, /* TLS, with whatever certificate */
    RELAIS_DANE_FAILED    /* not known now, and no mail without knowing */
} RelaisDaneOutcome;
const char *relais_dane_outcome_to_string (RelaisDaneOutcome outcome);

typedef struct {
    RelaisDaneOutcome outcome;
    bool bogus;         /* FAILED: by validation */
    RelaisTlsaSet *set; /* USABLE */
    char *reason;       /* FAILED: one line */
} RelaisDane;
void relais_dane_clear (RelaisDane *dane);
void relais_dane_copy (RelaisDane *to, const RelaisDane *from);

typedef struct {
    char *name; /* MX host; or the domain itself, or the literal */
    guint16 preference;
    GArray *
        addresses; /* RelaisDnsAddress, IPv6 and IPv4 as found; may be empty if its lookup failed */
    bool temporary; /* its address lookup failed for now */
    bool secure;    /* DNSSEC vouches for the addresses */
    RelaisDane dane;
} RelaisRouteHost;

typedef struct {
    RelaisRouteOutcome outcome;
    const char *enhanced; /* "4.4.3", ... when not HOSTS */
    char *text;           /* one line for reply, log and DSN, when not HOSTS */
    bool implicit_mx;     /* no MX: the domain's own addresses */
    bool secure;          /* DNSSEC vouches for the MX, or for there being none */
    GPtrArray *hosts;     /* RelaisRouteHost *, by preference, equal ones shuffled; at most 20 */
    gint64 expires_us;    /* loop's monotonic clock: when to look again (bounded 30 s .. 1 h) */
} RelaisMailRoute;

typedef void (*RelaisMailRouteFunc) (gpointer data, RelaisMailRoute *route);
typedef struct RelaisMailLookup RelaisMailLookup;

/* Looks up MX and addresses of `domain` (A-labels, lower case, or an address literal "[192.0.2.1]",
 * "[IPv6:...]"). `func` gets the route, which becomes its own (relais_mail_route_free ()). */
RelaisMailLookup *relais_dns_lookup_mail (RelaisDns *dns, const char *domain,
                                          RelaisMailRouteFunc func, gpointer data);
/* `func` will not be called. Accepts NULL. */
void relais_dns_cancel_mail (RelaisMailLookup *lookup);

/* Addresses of one named host or address (a static next hop): a route of one host, no MX. The
 * administrator named it, so no address is refused; and since a slip of his is no reason to bounce
 * his mail, a host that does not exist is TEMPORARY (4.4.4), never PERMANENT. TLSA records of `dane_port` are asked
 * for as those of MX hosts are (RFC 7672 section 2.2.2); 0, or while those are not: not. */
RelaisMailLookup *relais_dns_lookup_host (RelaisDns *dns, const char *host, guint16 dane_port,
                                          RelaisMailRouteFunc func, gpointer data);
void relais_mail_route_free (RelaisMailRoute *route);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisMailRoute, relais_mail_route_free)

/* Addresses that this daemon listens on; mail to them is a loop (5.4.6) unless allowed. "0.0.0.0"
 * and "::" stand for all addresses of the machine. */
void relais_dns_set_own_addresses (RelaisDns *dns, const char *const *addresses);
/* Mail lookups ask for TLSA records of this port where DNSSEC vouches for MX and addresses (RFC 7672 section
 * 2.2); 0, as at first: for none. A host whose TLSA records cannot be looked up has no addresses then, and is
 * `temporary`. */
void relais_dns_set_dane_port (RelaisDns *dns, guint16 port);
/* Whether answers are validated: there is a trust anchor. */
bool relais_dns_validates (const RelaisDns *dns);

/* Whether validation works: asks for what stands at the trust anchor itself. */
typedef enum {
    RELAIS_VALIDATION_OFF,   /* no trust anchor */
    RELAIS_VALIDATION_WORKS, /* an answer that DNSSEC vouches for */
    RELAIS_VALIDATION_BROKEN, /* an answer without signatures that fit: the servers strip them, or the anchor is old */
    RELAIS_VALIDATION_UNKNOWN /* no answer */
} RelaisValidation;
const char *relais_validation_to_string (RelaisValidation validation);
typedef void (*RelaisValidationFunc) (gpointer data, RelaisValidation validation);
typedef struct RelaisValidationTest RelaisValidationTest;
/* The handle is valid until `func`, which comes from a later turn. */
RelaisValidationTest *
relais_dns_test_validation (RelaisDns *dns, RelaisValidationFunc func, gpointer data);
/* `func` will not be called. Accepts NULL. */
void relais_validation_test_cancel (RelaisValidationTest *test);

/* Makes the order of equal MX hosts repeatable. For tests. */
void relais_dns_set_seed (RelaisDns *dns, guint32 seed);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisDns, relais_dns_free)
