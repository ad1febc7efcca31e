/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Tokens: a few octets of payload, a purpose and an expiry, sealed into text that fits a URL. Whoever holds no
 * key of the ring can neither read, change nor make one; a token for one purpose is no token for another.
 * Nothing is stored: what a token says is in it.
 *
 *   base64url, without padding, of  VERSION (1 octet)  KEY ID (2)  SIV (16)  CIPHERTEXT
 *   the plain text being            EXPIRY (4: hours since 1970, big-endian)  PAYLOAD
 *
 * AES-256-SIV (RFC 5297) with two associated strings: the purpose, and the first three octets. It is
 * deterministic, so that it needs no randomness a token and no nonce can ever repeat; the same payload gives
 * the same token. Pure; any thread.
 */
#pragma once

#include "tls/key-ring-private.h"

enum {
    RELAIS_TOKEN_PAYLOAD_BYTES = 12 * 1024, /* the most that one carries */
    RELAIS_TOKEN_HEAD_BYTES = 3,
    RELAIS_TOKEN_SIV_BYTES = 16,
    RELAIS_TOKEN_EXPIRY_BYTES = 4,
    /* Of the text, without the terminating NUL. */
    RELAIS_TOKEN_TEXT_BYTES = (RELAIS_TOKEN_HEAD_BYTES + RELAIS_TOKEN_SIV_BYTES +
                               RELAIS_TOKEN_EXPIRY_BYTES + RELAIS_TOKEN_PAYLOAD_BYTES + 2) /
                              3 * 4
};

typedef enum {
    RELAIS_TOKEN_STATE_GOOD,
    RELAIS_TOKEN_STATE_EXPIRED, /* ours, but its time is over */
    RELAIS_TOKEN_STATE_FORGED /* not ours: altered, of another purpose, of a key that is gone, or no token */
} RelaisTokenState;

/* Seals with the newest key. `expires_us` (wall clock) is rounded up to the hour. NULL for a payload that is
 * too long. */
char *relais_token_make (const RelaisKeyRing *ring, const char *purpose, const guint8 *payload,
                         gsize size, gint64 expires_us);
/* Opens `size` octets of text; `*payload` (owned, NUL behind it) and `*n` are set if it is GOOD. */
RelaisTokenState
relais_token_read (const RelaisKeyRing *ring, const char *purpose, const char *text, gsize size,
                   gint64 wall_us, guint8 **payload, gsize *n);
