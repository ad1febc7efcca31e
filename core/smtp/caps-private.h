/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a peer of the SMTP client offers. Pure; any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* What the peer said it can, after the last EHLO (RFC 5321 section 4.1.1.1). */
typedef struct {
    bool pipelining, size, eight_bit, enhanced, starttls, dsn, smtputf8, chunking;
    bool auth_scram_sha_256, auth_plain, auth_login;
    guint64 max_size;     /* 0: no limit said */
    guint limits_rcptmax; /* RFC 9422, 0: none */
    guint limits_mailmax;
    guint limits_rcptdomainmax;
} RelaisSmtpCaps;

/* Takes in one line of the answer, without code and line end, but for the first (the peer's name). */
void relais_smtp_caps_add_line (RelaisSmtpCaps *caps, const char *line);
