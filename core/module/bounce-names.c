/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Names of what an answer can mean (include/relais/bounce.h). Pure; any thread.
 */
#include "config.h"

#include <relais/bounce.h>

static const char *const scopes[] = {
    [RELAIS_BOUNCE_UNKNOWN] = "unknown", [RELAIS_BOUNCE_RECIPIENT] = "recipient",
    [RELAIS_BOUNCE_DOMAIN] = "domain",   [RELAIS_BOUNCE_CONTENT] = "content",
    [RELAIS_BOUNCE_IP] = "ip",           [RELAIS_BOUNCE_AUTH] = "auth",
    [RELAIS_BOUNCE_POLICY] = "policy",   [RELAIS_BOUNCE_QUOTA] = "quota",
    [RELAIS_BOUNCE_NETWORK] = "network", [RELAIS_BOUNCE_LOCAL] = "local"};

static const char *const permanences[] = {[RELAIS_PERMANENCE_UNKNOWN] = "unknown",
                                          [RELAIS_PERMANENCE_PERMANENT] = "permanent",
                                          [RELAIS_PERMANENCE_TEMPORARY] = "temporary"};

const gchar *
relais_bounce_scope_to_string (RelaisBounceScope scope)
{
    return scopes[scope < G_N_ELEMENTS (scopes) ? scope : RELAIS_BOUNCE_UNKNOWN];
}

const gchar *
relais_bounce_permanence_to_string (RelaisBouncePermanence permanence)
{
    return permanences[permanence < G_N_ELEMENTS (permanences) ? permanence
                                                               : RELAIS_PERMANENCE_UNKNOWN];
}
