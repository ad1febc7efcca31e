/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the HTTP server takes from the configuration: [http NAME] and its limits. Immutable once made;
 * the HTTP thread reads it.
 */
#pragma once

#include "conf/conf-private.h"
#include "tls/certificates-private.h"

#include <relais/http.h>

typedef struct {
    char *name;
    RelaisHttpListenerKind kind;
    char **addresses;
    guint16 port;
    RelaisCertificates *certificates; /* NULL: in clear */
    GArray *trusted_proxies;          /* RelaisNet */
    guint connections, connections_per_address;
    gint64 request_timeout_us, idle_timeout_us;
    guint32 max_head;
} RelaisHttpListener;

/* What a reload changes. */
typedef struct {
    gint64 certificate_interval_us, ticket_key_age_us;
} RelaisHttpTimes;

typedef struct {
    GPtrArray *listeners; /* RelaisHttpListener * */
    guint pool_threads, pool_queue;
    gint64 pool_deadline_us;
    RelaisHttpTimes times; /* at the start */
    gsize body_memory;
} RelaisHttpSettings;

/* Reads certificates: may block. */
RelaisHttpSettings *relais_http_settings_new (RelaisConfig *config, GError **error);
RelaisHttpTimes relais_http_times_read (const RelaisConfig *config);
void relais_http_settings_free (RelaisHttpSettings *settings);
bool
relais_http_settings_has_kind (const RelaisHttpSettings *settings, RelaisHttpListenerKind kind);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisHttpSettings, relais_http_settings_free)
