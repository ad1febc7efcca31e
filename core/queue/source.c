/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Addresses of sources, tried by binding a socket that is closed again: no packet leaves.
 */
#include "config.h"

#include "queue/source-private.h"

#include "conf/net-private.h"
#include "queue/lane-private.h"

#include <errno.h>
#include <unistd.h>

static const gint64 AGAIN_US = RELAIS_USEC_PER_MIN;

/* 0, or the system's error. */
static int
try_address (const struct sockaddr_storage *address, socklen_t size)
{
    const int fd = socket (address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = 0;

    if (fd < 0)
        return 0; /* nothing is known of the address */
    if (bind (fd, (const struct sockaddr *)address, size) != 0)
        error = errno;
    close (fd);
    return error;
}

void
relais_source_update (RelaisSource *source)
{
    const bool named = source->size4 > 0 || source->size6 > 0;
    const bool has4 = source->size4 > 0 && !source->unbound4;
    const bool has6 = source->size6 > 0 && !source->unbound6;

    source->out = source->taken_out || (named && !has4 && !has6);
}

void
relais_source_check (RelaisQueue *queue, RelaisSource *source, sa_family_t family)
{
    const bool is6 = family == AF_INET6;
    const struct sockaddr_storage *address = is6 ? &source->address6 : &source->address4;
    const socklen_t size = is6 ? source->size6 : source->size4;
    bool *unbound = is6 ? &source->unbound6 : &source->unbound4;
    g_autofree char *text = NULL;
    int error;

    error = *unbound || size == 0 ? 0 : try_address (address, size);
    if (error == 0)
        return;
    *unbound = true;
    relais_source_update (source);
    text = relais_address_to_text ((const struct sockaddr *)address);
    g_warning (
        "source %s: %s cannot be used as local address: %s; nothing leaves by it until it can; "
        "what to do: give this machine the address, or correct %s in [source %s]",
        source->name, text, g_strerror (error), is6 ? "address6" : "address4", source->name);
    if (!relais_timer_is_set (&queue->sources_timer))
        relais_timer_set (&queue->sources_timer, AGAIN_US);
}

/* True if it can be bound to again. */
static bool
look_again (RelaisSource *source, bool *unbound, const struct sockaddr_storage *address,
            socklen_t size)
{
    g_autofree char *text = NULL;

    if (!*unbound || try_address (address, size) != 0)
        return false;
    *unbound = false;
    relais_source_update (source);
    text = relais_address_to_text ((const struct sockaddr *)address);
    g_message ("source %s: %s can be used again", source->name, text);
    return true;
}

static void
on_timer (gpointer data)
{
    RelaisQueue *queue = data;
    bool any = false, back = false;

    for (guint i = 0; i < queue->settings.pools->len; i++) {
        const RelaisSourcePool *pool = g_ptr_array_index (queue->settings.pools, i);

        for (guint n = 0; n < pool->sources->len; n++) {
            RelaisSource *source = g_ptr_array_index (pool->sources, n);

            back |= look_again (source, &source->unbound4, &source->address4, source->size4);
            back |= look_again (source, &source->unbound6, &source->address6, source->size6);
            any |= source->unbound4 || source->unbound6;
        }
    }
    if (any)
        relais_timer_set (&queue->sources_timer, AGAIN_US);
    if (back)
        relais_lanes_use_sources (queue);
}

void
relais_sources_init (RelaisQueue *queue)
{
    relais_timer_init (&queue->sources_timer, queue->loop, on_timer, queue);
}

void
relais_sources_stop (RelaisQueue *queue)
{
    relais_timer_stop (&queue->sources_timer);
}

void
relais_sources_each (const RelaisQueue *queue,
                     void (*func) (gpointer data, const RelaisSource *source), gpointer data)
{
    for (guint i = 0; i < queue->settings.pools->len; i++) {
        const RelaisSourcePool *pool = g_ptr_array_index (queue->settings.pools, i);

        for (guint n = 0; n < pool->sources->len; n++)
            func (data, g_ptr_array_index (pool->sources, n));
    }
}
