/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the server takes from the configuration, in the form sessions ask it: limits, listeners,
 * tenants, own domains, and the rule of who may send what to whom (design.md section 4). Immutable
 * once made.
 */
#pragma once

#include "conf/conf-private.h"
#include "conf/net-private.h"
#include "message/domain-set-private.h"
#include "tls/certificates-private.h"

typedef struct {
    gint64 message_size, future_release, recipients, command_line, auth_line, text_line,
        header_size, header_fields, hops, errors, temporary_errors, auth_failures,
        auth_failures_per_client, idle_commands, pipelined, sessions, sessions_per_client,
        sessions_per_net, connections_per_client, connections_per_net, transactions,
        greeting_timeout, command_timeout, stress_timeout, data_timeout, tls_timeout,
        ticket_key_age;
} RelaisServerLimits;

/* The order of the choices of listener.tls, .auth, .class and .bare_newline in schema.c. */
typedef enum {
    RELAIS_LISTENER_TLS_NONE,
    RELAIS_LISTENER_TLS_STARTTLS,
    RELAIS_LISTENER_TLS_REQUIRED,
    RELAIS_LISTENER_TLS_IMPLICIT
} RelaisListenerTls;
typedef enum {
    RELAIS_LISTENER_AUTH_NO,
    RELAIS_LISTENER_AUTH_TLS,
    RELAIS_LISTENER_AUTH_YES
} RelaisListenerAuth;
typedef enum {
    RELAIS_CLASS_CHOICE_AUTO,
    RELAIS_CLASS_CHOICE_TRANSACTIONAL,
    RELAIS_CLASS_CHOICE_BULK
} RelaisClassChoice;

typedef struct {
    char *name;
    char **addresses;
    guint16 port;
    RelaisListenerTls tls;
    RelaisCertificates *certificates; /* NULL: STARTTLS is not offered */
    RelaisListenerAuth auth;
    GArray *trusted_nets; /* RelaisNet */
    char *tenant;         /* or NULL */
    RelaisClassChoice class_choice;
    bool class_header;
    bool normalise; /* bare_newline = normalize */
    guint missing_headers, duplicate_headers;
    bool proxy;
    GArray *proxy_nets;   /* RelaisNet */
    GArray *xclient_nets; /* RelaisNet */
} RelaisServerListener;

/* Counted, any thread: each session keeps those that it began with. */
typedef struct {
    gatomicrefcount refs;
    RelaisServerLimits limits;
    GArray *exempt_nets; /* RelaisNet: of limits of a client or a network */
    char *hostname;
    char *authserv_id;
    char *postmaster; /* or NULL */
    char *users_file;
    gint64 certificate_interval_us;
    bool takes_suppressed;    /* at RCPT; the queue ends such mail */
    GPtrArray *listeners;     /* RelaisServerListener * */
    GHashTable *tenants;      /* name -> RelaisDomainSet */
    RelaisDomainSet *own;     /* of [domain] sections and tenants, "*" left out */
    RelaisDomainSet *inbound; /* of [domain] sections with a route */
} RelaisServerSettings;

/* Reads certificates: may block. */
RelaisServerSettings *relais_server_settings_new (RelaisConfig *config, GError **error);
/* Whether it could be made, certificates and keys left aside: those are the daemon's to read. Pure; any thread. */
bool relais_server_settings_check (RelaisConfig *config, GError **error);
RelaisServerSettings *relais_server_settings_ref (RelaisServerSettings *settings);
/* NULL ok. */
void relais_server_settings_unref (RelaisServerSettings *settings);
/* NULL if there is none of that name. */
const RelaisServerListener *
relais_server_settings_listener (const RelaisServerSettings *settings, const char *name);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisServerSettings, relais_server_settings_unref)

/* How a recipient stands to us. */
typedef enum {
    RELAIS_RELAY_INBOUND, /* of an own domain with a route: from anyone */
    RELAIS_RELAY_FORWARD, /* postmaster or abuse of an own domain: goes to settings->postmaster */
    RELAIS_RELAY_RIGHT,   /* by the client's right to relay; then the sender rules bind */
    RELAIS_RELAY_CLAIM,   /* only if a module claims it */
    RELAIS_RELAY_DENIED,  /* foreign, or of a form that asks another host to relay */
    RELAIS_RELAY_BAD_NAME /* no domain that mail could be sent to */
} RelaisRelay;
/* `address` as relais_command_parse_rcpt () gives it. */
RelaisRelay
relais_server_relay (const RelaisServerSettings *settings, bool may_relay, const char *address);
/* May the tenant (NULL: none) use this domain in MAIL FROM or From? */
bool relais_server_tenant_owns (const RelaisServerSettings *settings, const char *tenant,
                                const char *address);
/* The same by the configuration itself, for who has no settings. */
bool relais_server_config_tenant_owns (const RelaisConfig *config, const char *tenant,
                                       const char *address);
