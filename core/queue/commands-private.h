/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of relaisctl's queue commands share.
 */
#pragma once

#include "queue/verbs-private.h"

/* `why ID`. */
void relais_queue_command_why (RelaisCommandCall *call, gpointer queue);

/* `queue ages`. */
void relais_queue_command_ages (RelaisCommandCall *call, gpointer queue);

/* `tls show DOMAIN`: see terms-show.c. */
void relais_queue_command_tls (RelaisCommandCall *call, gpointer queue);
/* Ends those under way: the queue goes. */
void relais_queue_end_tls_commands (RelaisQueue *queue);

/* `quarantine list`'s row of a message; false if none of its deliveries is selected. */
bool relais_queue_command_put_held (RelaisCommandCall *call, const RelaisQueue *queue,
                                    const RelaisSelection *selection, const RelaisMessage *message);
/* `quarantine show ID`: its header, or all of it with --body, up to 256 KiB. */
void relais_queue_command_held_show (RelaisCommandCall *call, gpointer queue);

/* `inject`. */
void relais_queue_command_inject (RelaisCommandCall *call, gpointer queue);
/* Ends those whose message still comes: the queue goes. */
void relais_queue_end_injects (RelaisQueue *queue);

/* The queue id that is the call's one argument; false after the call was failed. */
bool relais_queue_command_id (RelaisCommandCall *call, guint64 *id);
/* Puts what a delivery waits for, and until when, into the row. */
void
relais_queue_command_put_wait (RelaisCommandCall *call, const RelaisQueue *queue, guint32 delivery);
/* "queued", "held", ... of a state. */
const char *relais_state_name (guint8 kind);
