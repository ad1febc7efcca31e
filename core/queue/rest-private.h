/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Quiet hours of flows. A flow whose class (and tenant) is to be quiet now rests: what is due stays in its lists, in
 * no lane's order, under one timer a flow however much waits. Nothing is attempted, no destination looked up, and
 * ages go on. At the end each flow goes on at its own moment within the spread that is set, so that a night's mail
 * does not ask for all destinations at once; within a flow the limits of its lanes hold as ever. Loop thread.
 *
 * What an operator has tried all the same leaves its flow for one that is the same but never rests, until it was
 * attempted: what is deferred then waits for the end of quiet hours again.
 */
#pragma once

#include "queue/flow-private.h"

void relais_rest_init (RelaisFlow *flow);
/* Whether it rests; begins to if it is to. Cheap: the answer is kept until the next change. */
bool relais_rest_begins (RelaisFlow *flow);
/* The configuration was read again: quiet hours that are new begin, those that went end. */
void relais_rest_reload (RelaisQueue *queue);
/* When it goes on, monotonic; it rests. */
gint64 relais_rest_until_us (const RelaisFlow *flow);
