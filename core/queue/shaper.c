/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Modules' calls, as the host hands them on. Loop thread.
 */
#include "config.h"

#include "queue/shaper-private.h"

#include "queue/lane-private.h"
#include "queue/source-private.h"

#include <string.h>

static void
wake (gpointer queue, const char *source, const char *site)
{
    relais_lanes_end_waits (queue, source, site);
}

static void
source_changed (gpointer data, const char *name, const char *reason)
{
    RelaisQueue *queue = data;

    for (guint i = 0; i < queue->settings.pools->len; i++) {
        const RelaisSourcePool *pool = queue->settings.pools->pdata[i];

        for (guint n = 0; n < pool->sources->len; n++) {
            RelaisSource *source = pool->sources->pdata[n];

            if (strcmp (source->name, name) != 0)
                continue;
            source->taken_out = reason != NULL;
            relais_source_update (source);
        }
    }
    relais_lanes_use_sources (queue);
}

static bool
notify (gpointer queue, const char *module, const char *subject, const char *text)
{
    return relais_queue_notify_postmaster (queue, module, subject, text);
}

static const RelaisShaper shaper = {wake, source_changed, notify};

void
relais_queue_begin_shaping (RelaisQueue *queue)
{
    if (queue->host != NULL)
        relais_host_set_shaper (queue->host, &shaper, queue);
}

void
relais_queue_end_shaping (RelaisQueue *queue)
{
    if (queue->host != NULL)
        relais_host_set_shaper (queue->host, NULL, NULL);
}
