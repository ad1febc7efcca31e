/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Settlements: what happened to some deliveries of one message becomes states, event lines and, if
 * due, one report to the sender, all in one group of the spool.
 */
#pragma once

#include "queue/live-private.h"

#include "smtp/client-private.h"

typedef enum {
    RELAIS_RESULT_DELIVERED,
    RELAIS_RESULT_DEFERRED,
    RELAIS_RESULT_BOUNCED,
    RELAIS_RESULT_EXPIRED,
    RELAIS_RESULT_DELETED,
    RELAIS_RESULT_HELD,
    RELAIS_RESULT_RELEASED,
    RELAIS_RESULT_NOTICED,
    RELAIS_RESULT_SUPPRESSED
} RelaisResultKind;

typedef struct {
    RelaisResultKind kind;
    bool attempted; /* counts as an attempt */
    bool internal;  /* our own words: no rule about remote replies may match them */
    bool shared;    /* one reply to several recipients: of which it tells nobody knows */
    guint16 code;
    guint16 enhanced[3];
    const char *text;
    const char *stage;
    RelaisSuppressClass suppress_class; /* SUPPRESSED: of the list's entry */
    const char *suppress_reason;
} RelaisResult;

/* Where it happened; NULL for what is not known. */
typedef struct {
    const char *source, *pool, *host, *address, *site, *provider;
    const char *tls_version, *tls_cipher, *tls_verify;
    const char *tls_policy; /* what was asked for */
    guint32 source_hash;    /* kept for the retry; 0: any source may take it */
    RelaisPin *pin;
    guint64 size;
    bool peer_reports; /* it took over the DSN parameters, and reports to the sender */
} RelaisResultFacts;

/* Takes the reference on `live`. `facts` must stay until the commit. */
RelaisSettlement *relais_settlement_new (RelaisLive *live, const RelaisResultFacts *facts);
/* Says what became of a delivery, which is in no place: its record ends, waits, or is held. */
void
relais_settlement_add (RelaisSettlement *settlement, guint32 delivery, const RelaisResult *result);
/* Says it of a delivery that stays where it is: NOTICED; or DELETED, BOUNCED, HELD of one that is under way. */
void
relais_settlement_note (RelaisSettlement *settlement, guint32 delivery, const RelaisResult *result);
/* Hands the group to the spool, after those of the same message that were committed before, and once the suppression
 * list has what it proves; `written` (nullable) is called when it was written, or when that will take long. */
void relais_settlement_commit (RelaisSettlement *settlement, RelaisLoopFunc written, gpointer data);
/* Tries again what failed. A timer's. */
void relais_settlement_retry_parked (gpointer queue);
/* Lets go, unwritten, what waits: the queue ends. */
void relais_settlement_abandon_all (RelaisQueue *queue);
/* "5.1.1" to numbers; false if it is no such thing. */
bool relais_enhanced_parse (const char *text, guint16 enhanced[3]);
