/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What modules say to the queue outside hooks: lanes are asked again, sources go and come, the postmaster is told.
 * Loop thread.
 */
#pragma once

#include "queue/state-private.h"

/* From now on modules' calls come to this queue; and no longer. */
void relais_queue_begin_shaping (RelaisQueue *queue);
void relais_queue_end_shaping (RelaisQueue *queue);
/* Mails the postmaster of the configuration: a message of our own in the spool and the queue. False if there is
 * no such address. */
bool relais_queue_notify_postmaster (RelaisQueue *queue, const char *module, const char *subject,
                                     const char *text);
