/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A report: the delivery status notification about some recipients of one message, from the first of
 * them to its own place in the queue. Made by a worker, since the original's header may have to be
 * read from disk; everything else on the loop.
 */
#pragma once

#include "queue/live-private.h"

#include "message/dsn-private.h"

typedef struct RelaisReport RelaisReport;

RelaisReport *relais_report_new (RelaisQueue *queue, RelaisLive *live);
void relais_report_free (RelaisReport *report);
/* `reply` is the diagnostic (NULL for none), of SMTP if `is_smtp`. `attempted`: just now. */
void relais_report_add (RelaisReport *report, guint recipient, RelaisDsnAction action,
                        const guint16 status[3], const char *reply, bool is_smtp, const char *host,
                        bool attempted, gint64 retry_until_us);
/* On a worker. Its header says whether the original is to be reported on at all. */
void relais_report_make (RelaisReport *report);
/* Made, and nothing is to be said. */
bool relais_report_is_empty (const RelaisReport *report);
/* Adds the message to the group of the outcome. */
void relais_report_add_to_group (RelaisReport *report, RelaisGroup *group);
/* Whether it fits in a segment, where the group of the outcome is sure to be written in the end. */
bool relais_report_is_small (const RelaisReport *report);
/* The group failed: it may be added to another one. */
void relais_report_drop (RelaisReport *report);
/* Queues it, once the group was written. */
void relais_report_deliver (RelaisReport *report);
/* Whether a state's reply is a peer's ("550 ...") or our own words. */
bool relais_reply_is_remote (const char *reply);
