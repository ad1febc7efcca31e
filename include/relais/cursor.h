/* SPDX-License-Identifier: MIT
 *
 * Cursors: the event log read at a module's own pace. What a module acknowledged it is not given again, whatever
 * happens; what it was given and did not acknowledge it is given again after a restart: each event at least once,
 * with the same "id". Only events that are synced are given. All functions here on the loop, from the module's
 * start on.
 */
#pragma once

#include <relais/types.h>

G_BEGIN_DECLS

enum { RELAIS_CURSOR_EVENTS = 1000 /* the most that are given at once */ };

typedef guint32 RelaisCursorStart;
enum {
    RELAIS_CURSOR_FROM_NOW = 0,   /* with what comes after it was made for the first time */
    RELAIS_CURSOR_FROM_OLDEST = 1 /* with the oldest event that there is */
};

typedef struct RelaisCursor RelaisCursor;

/* Events in the order of the log, each a JSON object without line end: GBytes, borrowed for the call. None, with
 * `error`, if the log could not be read: to be asked for again later. `gap`: the log was cut off, by whoever removes its
 * old files, before this cursor had read it; some events between the last ones and these are lost. The log
 * warns of it, too. */
typedef void (*RelaisCursorFunc) (RelaisCursor *cursor, const GPtrArray *events, gboolean gap,
                                  const gchar *error, gpointer data);
/* NULL: it is on the disk that what was given is done with. */
typedef void (*RelaisCursorAckFunc) (RelaisCursor *cursor, const gchar *error, gpointer data);

/* A cursor of the module under `name` ([a-z0-9-]+), of which there may be one at a time; NULL else. `start` counts
 * if there was none of that name before. Owned; to be freed in stop at the latest. */
RELAIS_API RelaisCursor *
relais_cursor_new (RelaisModule *module, const gchar *name, RelaisCursorStart start);
/* Has `func` called once, from a later turn, with the next events, 1 to `max`, as soon as there are any. FALSE while
 * another call waits. `max` is at most RELAIS_CURSOR_EVENTS. */
RELAIS_API gboolean relais_cursor_next (RelaisCursor *cursor, guint32 max, RelaisCursorFunc func,
                                        gpointer data);
/* Says that all events that were given are done with. `done` (nullable) is called once, from a later turn. FALSE
 * while another acknowledgement, or a call for the next events, waits. */
RELAIS_API gboolean relais_cursor_ack (RelaisCursor *cursor, RelaisCursorAckFunc done,
                                       gpointer data);
/* What waits is not called back. Accepts NULL. */
RELAIS_API void relais_cursor_free (RelaisCursor *cursor);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisCursor, relais_cursor_free)

G_END_DECLS
