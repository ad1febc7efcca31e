/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the configuration says to the queue, read once into structs: sources and pools, static routes,
 * own domains, providers, tenants, schedules, limits. Immutable once read.
 */
#pragma once

#include "conf/quiet-private.h"
#include "smtp/client-private.h"

#include <relais/option.h>

typedef struct RelaisSourcePool RelaisSourcePool;

/* Which addresses of a host are used, and which come first. In the order of the option's choices. */
typedef enum {
    RELAIS_FAMILIES_IPV6_FIRST,
    RELAIS_FAMILIES_IPV4_FIRST,
    RELAIS_FAMILIES_IPV6,
    RELAIS_FAMILIES_IPV4
} RelaisFamilies;

/* What is known of a source's way out by one family, see reach.c. */
typedef struct {
    guint failed; /* connects, in a row */
    gint64 bad_until_us;
} RelaisFamilyState;

/* A source: what the other side sees of us. */
typedef struct {
    char *name, *helo;
    struct sockaddr_storage address4, address6;
    socklen_t size4, size6; /* 0: not set */
    guint32 hash;           /* of the name, never 0: what RelaisState.source holds */
    guint weight;
    guint place;                   /* in its pool */
    bool taken_out;                /* by a module */
    bool unbound4, unbound6;       /* this machine does not have the address */
    bool out;                      /* of use, for one of these: see relais_source_update () */
    RelaisFamilyState families[2]; /* IPv4, IPv6 */
    RelaisSourcePool *pool;
} RelaisSource;

struct RelaisSourcePool {
    char *name;
    GPtrArray *sources; /* RelaisSource, at least one */
};

/* What a section asks of TLS. */
typedef struct {
    bool is_set;
    RelaisTlsPolicy policy;
    char **names; /* for VERIFY; NULL: the host's */
} RelaisTlsWish;

/* A way that the configuration names, instead of the MX. Counted, one thread at a time. The way itself never
 * changes: who holds one has it to the end. What else its section says is exchanged by a reload. */
typedef struct {
    guint refs;
    char *name, *host;
    guint16 port;
    RelaisTlsWish tls;
    RelaisTlsContext *context; /* of its own; or NULL */
    bool lmtp, implicit_tls, auth_in_clear;
    RelaisCredentials *credentials; /* or NULL */
    char *way; /* equal for equal ways, what their files hold included; NULL before loading */

    guint connections, messages_per_connection;
    char **patterns;
    bool gone; /* the configuration in force has it no more, or another of its name */
} RelaisStaticRoute;

/* What is wanted of the MX hosts of some domains. */
typedef struct {
    char *name;
    char **patterns;
    RelaisTlsWish tls;
} RelaisDestinationRule;

typedef struct {
    char *name;
    char **suffixes;
    RelaisTlsWish tls;
    bool has_families;
    RelaisFamilies families;
} RelaisProvider;

/* When mail of a class, of one tenant or of all, is tried, told of and given up. */
typedef struct {
    gint64 *retry_us;
    gsize n_retry;
    gint64 lifetime_us;
    gint64 bounce_lifetime_us; /* of mail from the null sender */
    gint64 notices_us[7];      /* ages, ascending: RELAIS_SCHEDULE_NOTICES */
    guint n_notices;
    RelaisQuiet *quiet; /* NULL: at any time */
    gint64 quiet_spread_us;
} RelaisSchedule;

typedef struct {
    char *name; /* "" for mail without tenant */
    guint weight;
    RelaisSourcePool *pool;
    const RelaisSchedule *schedules[2]; /* by RelaisClass; of the settings in force */
} RelaisTenant;

typedef struct RelaisQueueSettings {
    char *hostname;
    char *log_dir;
    GPtrArray *pools;             /* RelaisSourcePool; the first is the default */
    GPtrArray *routes;            /* RelaisStaticRoute */
    guint n_patterns;             /* of all of them */
    GHashTable *own_domains;      /* domain or *.DOMAIN -> RelaisStaticRoute, of inbound routes */
    GPtrArray *providers;         /* RelaisProvider */
    GPtrArray *destinations;      /* RelaisDestinationRule */
    RelaisSchedule schedules[2];  /* by RelaisClass */
    GHashTable *tenant_schedules; /* "CLASS/TENANT" -> RelaisSchedule */
    guint connections, first_connections, messages_per_connection, recipients_per_transaction;
    guint connections_total;
    gint64 idle_us, sleep_first_us, sleep_last_us;
    gint64 connect_us, fallback_us, reply_us;
    gint64 quarantine_lifetime_us; /* 0: for ever */
    RelaisFamilies families;
    guint16 smtp_port;
    RelaisTlsPolicy tls;
    guint tls_sessions;
    bool pass_long_lines, chunking;
} RelaisQueueSettings;

bool
relais_queue_settings_read (RelaisQueueSettings *settings, RelaisConfig *config, GError **error);
/* Loads the certificates and credentials that static routes name, once they were read. May block: at the start, or
 * on a worker before a reload. */
bool
relais_queue_settings_load (RelaisQueueSettings *settings, RelaisConfig *config, GError **error);
/* The part of both that settings-schedule.c does. */
bool relais_queue_settings_read_schedules (RelaisQueueSettings *settings, RelaisConfig *config,
                                           GError **error);
void relais_queue_settings_clear_schedules (RelaisQueueSettings *settings);
/* The part that settings-routes.c does. */
bool relais_queue_settings_read_routes (RelaisQueueSettings *settings, RelaisConfig *config,
                                        GError **error);
bool relais_queue_settings_adopt_routes (RelaisQueueSettings *settings, RelaisQueueSettings *fresh);
/* For settings-routes.c: a section's wishes, with the place of "none" among the choices; and how closely the
 * closest of some patterns fits: 0 none does, the name itself closest. */
void relais_tls_wish_read (RelaisTlsWish *wish, const RelaisSection *section, guint first);
void relais_tls_wish_clear (RelaisTlsWish *wish);
gsize relais_queue_settings_closest (char **patterns, const char *domain);
/* What the section's `domains` holds, in the form in which domains are compared; NULL with an error if some
 * item is no domain and no pattern. */
char **relais_queue_settings_read_patterns (const RelaisSection *section, GError **error);
/* Accepts settings of which nothing was read. */
void relais_queue_settings_clear (RelaisQueueSettings *settings);
/* Takes over from `fresh`, read and loaded, what a reload may change. Sources stay where they are: others point at
 * them; what is new of them needs a restart. Static routes whose way is the same stay the same objects; the others
 * are marked as gone. `fresh` is to be cleared after it. True if mail may have to go elsewhere now. */
bool relais_queue_settings_adopt (RelaisQueueSettings *settings, RelaisQueueSettings *fresh);

/* The port whose TLSA records count for it: where nobody said that any certificate will not do, or that TLS will not.
 * One that is shown a certificate of ours has terms of its own. 0: none. */
guint16 relais_static_route_dane_port (const RelaisStaticRoute *route);
/* Both NULL ok. */
RelaisStaticRoute *relais_static_route_ref (RelaisStaticRoute *route);
void relais_static_route_unref (RelaisStaticRoute *route);

/* The pool of that name, or the default one. */
RelaisSourcePool *
relais_queue_settings_pool (const RelaisQueueSettings *settings, const char *name);
/* The static route for a recipient's domain, NULL for its MX: our own domains' inbound route first, then the
 * most specific pattern (the name itself, the longest wildcard, "*"). */
RelaisStaticRoute *
relais_queue_settings_route (const RelaisQueueSettings *settings, const char *domain);
/* The rule for the MX hosts of a domain, by the most specific pattern; or NULL. */
const RelaisDestinationRule *
relais_queue_settings_destination (const RelaisQueueSettings *settings, const char *domain);
/* How mail of a class and a tenant ("" for none) is tried. */
const RelaisSchedule *relais_queue_settings_schedule (const RelaisQueueSettings *settings,
                                                      guint klass, const char *tenant);
/* A hash of a name that stays the same over restarts; never 0. */
guint32 relais_queue_name_hash (const char *name);
