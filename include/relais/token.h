/* SPDX-License-Identifier: MIT
 *
 * Tokens for URLs: a module's few octets, sealed so that nobody else can read, change or make them.
 * Nothing is kept of a token: it is good on every machine that has the key ring, until it expires, and whatever
 * was purged meanwhile. A token opens for the module and the purpose that sealed it alone. Any thread.
 */
#pragma once

#include <relais/types.h>

G_BEGIN_DECLS

enum { RELAIS_TOKEN_MAX_PAYLOAD = 12 * 1024 };

typedef guint32 RelaisTokenResult;
enum {
    RELAIS_TOKEN_GOOD = 0,
    RELAIS_TOKEN_FORGED =
        1, /* altered, sealed for something else or by a key that is gone, or no token */
    RELAIS_TOKEN_EXPIRED = 2
};

/* The token, letters, digits, "-" and "_": 4 characters for 3 octets, and 31 more. The same payload gives the
 * same token while the same key is in use. `purpose` is [a-z0-9-]+; `expires_us` is wall clock, microseconds
 * since 1970, rounded up to the hour. Owned; NULL for a payload that is too long, or where this program keeps no
 * keys. */
RELAIS_API gchar *relais_token_seal (RelaisModule *module, const gchar *purpose,
                                     const guint8 *payload, guint32 size, gint64 expires_us);
/* `*payload` (owned, with a NUL behind it) and `*size` are set if it is GOOD. */
RELAIS_API RelaisTokenResult relais_token_open (RelaisModule *module, const gchar *purpose,
                                                const gchar *token, guint8 **payload,
                                                guint32 *size);

G_END_DECLS
