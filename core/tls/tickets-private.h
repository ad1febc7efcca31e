/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The keys that a server seals its session tickets with (RFC 5077, RFC 8446 section 4.6.1). Who gets hold of
 * one can read what was said in the sessions of TLS 1.2 that its tickets stand for, so none lives for long: a
 * new one takes over after a while, the one before still opens tickets for as long again, and is wiped. On the
 * loop of the contexts that use them, but for the making.
 */
#pragma once

#include <glib.h>
#include <openssl/ssl.h>
#include <stdbool.h>

typedef struct RelaisTicketKeys RelaisTicketKeys;

/* NULL if there is no randomness to be had. */
RelaisTicketKeys *relais_ticket_keys_new (void);
/* NULL ok. */
void relais_ticket_keys_free (RelaisTicketKeys *keys);
/* Has `native` seal and open its tickets with `keys`, which outlive it and may serve several. */
void relais_ticket_keys_install (RelaisTicketKeys *keys, SSL_CTX *native);
/* A new key if the newest is `age_us` old at `now_us`, which is monotonic; it counts from the first call. True:
 * there is one. */
bool relais_ticket_keys_turn (RelaisTicketKeys *keys, gint64 now_us, gint64 age_us);
