/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A settlement as outcome.c fills it and settlement.c brings it into the spool. For these two alone. Loop thread, but
 * for the making of its report.
 */
#pragma once

#include "queue/evidence-private.h"
#include "queue/outcome-private.h"
#include "queue/report-private.h"

typedef enum {
    RELAIS_SETTLEMENT_OPEN,    /* outcome.c adds to it */
    RELAIS_SETTLEMENT_PROVING, /* the suppression list writes its evidence */
    RELAIS_SETTLEMENT_MAKING,  /* a worker makes its report */
    RELAIS_SETTLEMENT_KEEPING, /* the spool writes its report */
    RELAIS_SETTLEMENT_PARKED,  /* one of these failed; see queue->parked */
    RELAIS_SETTLEMENT_READY    /* goes when those before it went */
} RelaisSettlementStep;

struct RelaisSettlement {
    RelaisQueue *queue;
    RelaisLive *live;
    const RelaisResultFacts *facts;
    RelaisGroup *group;
    gsize state_bytes;      /* of the states in the group; 0: the message is done */
    RelaisDossier *dossier; /* NULL: nothing speaks against anyone */
    RelaisReport *report;   /* NULL: none is due */
    bool attempted;
    RelaisSettlementStep step;
    bool report_is_made;
    bool stalled;     /* it, or one before it, is parked: not counted as settling */
    gint64 parked_us; /* when it was parked first; 0: never */
    RelaisLoopFunc written;
    gpointer data;
    GList link, parked_link; /* in live->settlements or a parcel's, in queue->parked */
};
