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

void
relais_event_emit (RelaisEvent *event)
{
    g_autoptr (GBytes) line = NULL;

    g_return_if_fail (event != NULL);
    line = relais_event_line_end (event->line);
    if (event->host->events != NULL)
        relais_event_log_append_now (event->host->events, line);
    else if (event->host->event_sink != NULL)
        event->host->event_sink (event->host->event_sink_data, line);
    g_free (event);
}
