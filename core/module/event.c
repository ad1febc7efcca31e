/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A module's own events (include/relais/event.h): lines handed to the event log. Any thread.
 */
#include "config.h"

#include "module/module-private.h"

#include <relais/event.h>

#include "event/event-private.h"

struct RelaisEvent {
    RelaisHost *host;
    RelaisModule *module;
    RelaisEventLine *line;
};

void
relais_host_set_events (RelaisHost *host, RelaisEventLog *events)
{
    host->events = events;
}

RelaisEvent *
relais_event_new (RelaisModule *module, const gchar *type, gint64 wall_us, const gchar *queue_id,
                  gint32 recipient)
{
    RelaisHost *host = module->host;
    RelaisEvent *event;

    g_return_val_if_fail (type != NULL && relais_module_name_is_good (type), NULL);
    if (wall_us == 0)
        wall_us = relais_clock_wall_us (relais_loop_clock (host->loop));
    event = g_new (RelaisEvent, 1);
    event->host = host;
    event->module = module;
    event->line =
        relais_event_line_new_module (module->descriptor.name, type, wall_us, queue_id, recipient);
    return event;
}

void
relais_event_add (RelaisEvent *event, const gchar *key, const gchar *value)
{
    g_return_if_fail (event != NULL && key != NULL);
    relais_event_line_add (event->line, key, value);
}

void
relais_event_add_int (RelaisEvent *event, const gchar *key, gint64 value)
{
    g_return_if_fail (event != NULL && key != NULL);
    relais_event_line_add_int (event->line, key, value);
}

void
relais_event_add_bool (RelaisEvent *event, const gchar *key, gboolean value)
{
    g_return_if_fail (event != NULL && key != NULL);
    relais_event_line_add_bool (event->line, key, value);
}

typedef struct {
    RelaisHost *host;
    RelaisModule *module;
    RelaisEventFunc done;
    gpointer data;
    bool synced; /* where there is no log */
} Waiting;

static void
on_synced (gpointer data, bool synced)
{
    Waiting *waiting = data;
    RelaisGuard outer;

    relais_guard_enter (&outer, waiting->module, "event-synced", 0);
    waiting->done (waiting->data, synced);
    relais_guard_leave (&outer);
    g_atomic_int_add (&waiting->host->jobs, -1);
    g_free (waiting);
}

static void
without_log (gpointer data)
{
    on_synced (data, ((Waiting *)data)->synced);
}

static void
emit (RelaisEvent *event, Waiting *waiting)
{
    RelaisHost *host = event->host;
    g_autoptr (GBytes) line = relais_event_line_end (event->line);

    g_free (event);
    if (host->events != NULL) {
        relais_event_log_append_now (host->events, line, waiting != NULL ? on_synced : NULL,
                                     waiting);
        return;
    }
    if (host->event_sink != NULL)
        host->event_sink (host->event_sink_data, line);
    if (waiting == NULL)
        return;
    waiting->synced = host->event_sink != NULL;
    relais_loop_post (host->loop, without_log, waiting);
}

void
relais_event_emit (RelaisEvent *event)
{
    g_return_if_fail (event != NULL);
    emit (event, NULL);
}

void
relais_event_emit_synced (RelaisEvent *event, RelaisEventFunc done, gpointer data)
{
    Waiting *waiting;

    g_return_if_fail (event != NULL && done != NULL);
    waiting = g_new (Waiting, 1);
    *waiting = (Waiting){event->host, event->module, done, data, false};
    g_atomic_int_inc (&event->host->jobs);
    emit (event, waiting);
}
