/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The suppression list before each attempt. Loop thread.
 */
#pragma once

#include "queue/attempt-private.h"

/* How long a delivery is held back while the list cannot be read, before it is asked for again. */
#define RELAIS_SUPPRESSED_RETRY_US RELAIS_USEC_PER_MIN

/* Whether the list has a say about this recipient: not for mail that came in for an address of ours, nor for mail
 * that Relais writes itself. */
bool relais_suppressed_applies (const RelaisEnvelope *envelope, const RelaisRecipient *recipient);
/* Whether a delivery, of a message that was just taken in or found, can end at once. */
bool relais_suppressed_is_listed (const RelaisQueue *queue, const RelaisMessage *message,
                                  guint recipient);
/* Takes out of an attempt to whom nothing may go now. Returns how many are left. */
guint relais_suppressed_sift (RelaisAttempt *attempt);
/* Ends a delivery that is in no place; has it go after all if it is no longer on the list. */
void
relais_suppressed_settle (RelaisSettlement *settlement, const RelaisLive *live, guint32 delivery);
/* Why nothing is known, for people. Owned. */
char *relais_suppressed_describe (const RelaisQueue *queue);
