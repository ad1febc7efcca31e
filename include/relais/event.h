/* SPDX-License-Identifier: MIT
 *
 * Events of a module's own: lines of the event log that tell what came of a message after it was delivered, such as a
 * hit. They are written soon and in the order in which they were emitted, and synced within a second or so; a crash
 * may take those of the last second, but none that was waited for. Observers (the event hook) see them like all
 * others.
 */
#pragma once

#include <relais/types.h>

G_BEGIN_DECLS

typedef struct RelaisEvent RelaisEvent;

/* Begins an event of `type` ([a-z0-9-]+) that happened at `wall_us` (microseconds since 1970; 0: now). `queue_id` may
 * be NULL, `recipient` (its number in the message) -1, where it is of no one message or recipient. The line has an
 * "id" of its own and the "module". Any thread; owned. */
RELAIS_API RelaisEvent *relais_event_new (RelaisModule *module, const gchar *type, gint64 wall_us,
                                          const gchar *queue_id, gint32 recipient);
/* Adds a member. Values may be hostile and are cut at 8 KiB; NULL ones are left out. */
RELAIS_API void relais_event_add (RelaisEvent *event, const gchar *key, const gchar *value);
RELAIS_API void relais_event_add_int (RelaisEvent *event, const gchar *key, gint64 value);
RELAIS_API void relais_event_add_bool (RelaisEvent *event, const gchar *key, gboolean value);
/* Hands it to the log and frees it. Any thread. */
RELAIS_API void relais_event_emit (RelaisEvent *event);

/* `synced`: the event is on disk. Else the disk failed: it is tried again, and the event may come after all. */
typedef void (*RelaisEventFunc) (gpointer data, gboolean synced);
/* The same, and tells when it is done: what a peer is answered because of an event should not be lost with it. A sync
 * begins at once. `done` is called once, on the loop, from a later turn. Any thread. */
RELAIS_API void relais_event_emit_synced (RelaisEvent *event, RelaisEventFunc done, gpointer data);

G_END_DECLS
