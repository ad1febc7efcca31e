/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Tokens as modules see them (include/relais/token.h): each purpose is the module's own. Any thread.
 */
#include "config.h"

#include "module/module-private.h"

#include <relais/token.h>
#include <string.h>

#include "tls/token-private.h"
#include "tls/tokens-private.h"

_Static_assert((int)RELAIS_TOKEN_MAX_PAYLOAD == (int)RELAIS_TOKEN_PAYLOAD_BYTES,
               "the public limit is the token's");

void
relais_host_set_tokens (RelaisHost *host, RelaisTokens *tokens)
{
    host->tokens = tokens;
}

/* "MODULE/PURPOSE": no module can have a "/" in its name. */
static char *
full_purpose (const RelaisModule *module, const char *purpose)
{
    return g_strconcat (module->descriptor.name, "/", purpose, NULL);
}

gchar *
relais_token_seal (RelaisModule *module, const gchar *purpose, const guint8 *payload, guint32 size,
                   gint64 expires_us)
{
    g_autoptr (RelaisKeyRing) ring = NULL;
    g_autofree char *full = NULL;

    g_return_val_if_fail (purpose != NULL && relais_module_name_is_good (purpose), NULL);
    g_return_val_if_fail (payload != NULL || size == 0, NULL);
    if (module->host->tokens == NULL)
        return NULL;
    ring = relais_tokens_ring (module->host->tokens);
    full = full_purpose (module, purpose);
    return relais_token_make (ring, full, payload, size, expires_us);
}

RelaisTokenResult
relais_token_open (RelaisModule *module, const gchar *purpose, const gchar *token, guint8 **payload,
                   guint32 *size)
{
    const gint64 wall_us = relais_clock_wall_us (relais_loop_clock (module->host->loop));
    g_autoptr (RelaisKeyRing) ring = NULL;
    g_autofree char *full = NULL;
    RelaisTokenState state;
    gsize n = 0;

    g_return_val_if_fail (purpose != NULL && relais_module_name_is_good (purpose),
                          RELAIS_TOKEN_FORGED);
    g_return_val_if_fail (token != NULL && payload != NULL && size != NULL, RELAIS_TOKEN_FORGED);
    *payload = NULL;
    *size = 0;
    if (module->host->tokens == NULL)
        return RELAIS_TOKEN_FORGED;
    ring = relais_tokens_ring (module->host->tokens);
    full = full_purpose (module, purpose);
    state = relais_token_read (ring, full, token, strlen (token), wall_us, payload, &n);
    *size = (guint32)n;
    switch (state) {
    case RELAIS_TOKEN_STATE_GOOD: return RELAIS_TOKEN_GOOD;
    case RELAIS_TOKEN_STATE_EXPIRED: return RELAIS_TOKEN_EXPIRED;
    case RELAIS_TOKEN_STATE_FORGED: break;
    }
    return RELAIS_TOKEN_FORGED;
}
