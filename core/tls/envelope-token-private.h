/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Envelope tokens: name one delivery in an address or a header field, for a purpose and a time, sealed with
 * the ring that web tokens are sealed with. They survive a change of case on the way and, with two letters
 * before them, fit a local part of 64 octets.
 *
 *   base32, in the digits of queue ids (0-9a-v), of  KEY ID (2)  SIV (16)  CIPHERTEXT (19)
 *   the plain text being  QUEUE ID (8)  RECIPIENT (3)  MADE (4: minutes since 1970)  EXPIRY (4: hours), big-endian
 *
 * As web tokens they are deterministic and nothing is stored of them; what is associated tells the two kinds
 * apart. Pure; any thread.
 */
#pragma once

#include "tls/token-private.h"

enum {
    RELAIS_ENVELOPE_TOKEN_TEXT_BYTES = 60,     /* that every one has, without the terminating NUL */
    RELAIS_ENVELOPE_TOKEN_RECIPIENTS = 1 << 24 /* a recipient's number is below */
};

typedef struct {
    guint64 id;        /* queue id */
    guint32 recipient; /* number in the message */
    gint64 made_us;    /* wall clock; what is read is rounded down to the minute */
} RelaisEnvelopeName;

/* Seals with the newest key. `expires_us` (wall clock) is rounded up to the hour. NULL for a recipient's number
 * that has no room. */
char *relais_envelope_token_make (const RelaisKeyRing *ring, const char *purpose,
                                  const RelaisEnvelopeName *name, gint64 expires_us);
/* Opens a text, letters in either case; `name` is set if it is GOOD. */
RelaisTokenState
relais_envelope_token_read (const RelaisKeyRing *ring, const char *purpose, const char *text,
                            gint64 wall_us, RelaisEnvelopeName *name);
