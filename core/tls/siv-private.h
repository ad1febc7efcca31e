/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * AES-256-SIV (RFC 5297) as tokens use it: two associated strings, the purpose and a head of three octets. It
 * is deterministic, so that it needs no randomness a token and no nonce can ever repeat. For this room. Any
 * thread.
 */
#pragma once

#include <stdbool.h>

#include "tls/key-ring-private.h"

enum { RELAIS_SIV_HEAD_BYTES = 3, RELAIS_SIV_BYTES = 16 };

/* What is kept for a key; freed with it. */
RelaisSivStarts *relais_siv_starts_new (void);
void relais_siv_starts_free (RelaisSivStarts *starts);

/* Writes RELAIS_SIV_BYTES and then `size` octets of ciphertext to `to`. False if OpenSSL fails. */
bool relais_siv_seal (const RelaisKey *key, const char *purpose,
                      const guint8 head[RELAIS_SIV_HEAD_BYTES], const guint8 *plain, gsize size,
                      guint8 *to);
/* The way back; `size` is that of `plain`. False if it was not sealed with that key, purpose and head. */
bool relais_siv_open (const RelaisKey *key, const char *purpose,
                      const guint8 head[RELAIS_SIV_HEAD_BYTES], const guint8 *from, guint8 *plain,
                      gsize size);
