/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Delivery status notifications (RFC 3461, 3464, 6522): the report as bytes. Pure but for reading
 * the original's header (given by the caller). Any thread.
 */
#pragma once

#include "message/message-private.h"

typedef enum {
    RELAIS_DSN_FAILED,
    RELAIS_DSN_DELAYED,
    RELAIS_DSN_RELAYED,
    RELAIS_DSN_DELIVERED
} RelaisDsnAction;

typedef struct {
    guint recipient; /* index in the original's envelope */
    RelaisDsnAction action;
    const char *status;     /* "5.1.1" */
    const char *remote_mta; /* or NULL */
    const char *diagnostic; /* "smtp; 550 5.1.1 ..." text without type, or NULL */
    bool diagnostic_is_smtp;
    gint64 last_attempt_us; /* wall, 0 none */
    gint64 will_retry_until_us;
} RelaisDsnRecipient;

typedef struct {
    const RelaisMessage *original;
    const guint8 *header; /* the original's header block as readers see it; RET=HDRS */
    gsize header_size;
    GBytes *full; /* the original whole, or NULL for the header alone */
    const RelaisDsnRecipient *recipients;
    guint n_recipients;
    const char *hostname; /* ours */
    guint64 id;           /* of the report, for its Message-ID */
    gint64 wall_us;
} RelaisDsnOptions;

/* The whole report, CRLF lines under 998, 7bit, header first: From mailer-daemon@hostname, To the original's
 * sender, Auto-Submitted: auto-replied, Message-ID, Date. */
GBytes *relais_dsn_build (const RelaisDsnOptions *options);
/* Which recipients the sender wants to hear of (NOTIFY), given what happened. Never for <>; for a recipient that is
 * there for everybody, where no user or tenant answers for the sender, only if SPF or DMARC passed. */
bool relais_dsn_wanted (const RelaisMessage *original, guint recipient, RelaisDsnAction action);
/* False for mail from outside that a machine or a list sent, which is never reported on (RFC 3834 sections 2 and 5,
 * RFC 2919); `header` is its header block. */
bool relais_dsn_is_answerable (const RelaisMessage *original, guint recipient, const guint8 *header,
                               gsize size);
