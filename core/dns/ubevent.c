/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The two method tables that libunbound wants (unbound-event.h), over our descriptors and timers.
 * Loop thread only. As in libevent: an event that does not persist is disarmed before it is called,
 * one that does has its timeout begun anew.
 */
#include "config.h"

#include "dns/ubevent-private.h"

#include <sys/epoll.h>
#include <sys/time.h>
#include <unbound.h>
#include <unbound-event.h>

typedef void (*UbFunc) (int fd, short bits, void *data);

typedef struct {
    struct ub_event_base super; /* first: libunbound knows only this */
    RelaisLoop *loop;
} Base;

typedef struct {
    struct ub_event super; /* first */
    RelaisLoop *loop;
    int fd;
    short bits;
    UbFunc func;
    void *data;
    RelaisIo *io;
    RelaisTimer timer;
    gint64 timeout_us; /* -1: none */
} Event;

static gint64
timeval_us (const struct timeval *value)
{
    return (gint64)value->tv_sec * RELAIS_USEC_PER_SEC + value->tv_usec;
}

static void
disarm (Event *event)
{
    g_clear_pointer (&event->io, relais_io_free);
    relais_timer_stop (&event->timer);
}

/* The function may free the event: nothing of it is touched afterwards. */
static void
fire (Event *event, short bits)
{
    if ((event->bits & UB_EV_PERSIST) == 0)
        disarm (event);
    else if (event->timeout_us >= 0)
        relais_timer_set (&event->timer, event->timeout_us);
    event->func (event->fd, bits, event->data);
}

static void
on_io (gpointer data, guint32 events)
{
    Event *event = data;
    const guint32 broken = EPOLLERR | EPOLLHUP;
    short bits = 0;

    if ((events & (EPOLLIN | broken)) != 0)
        bits |= (short)(event->bits & UB_EV_READ);
    if ((events & (EPOLLOUT | broken)) != 0)
        bits |= (short)(event->bits & UB_EV_WRITE);
    if (bits != 0)
        fire (event, bits);
}

static void
on_timer (gpointer data)
{
    fire (data, UB_EV_TIMEOUT);
}

static int
event_add (struct ub_event *super, struct timeval *timeout)
{
    Event *event = (Event *)super;
    guint32 events = 0;

    if ((event->bits & UB_EV_READ) != 0)
        events |= EPOLLIN;
    if ((event->bits & UB_EV_WRITE) != 0)
        events |= EPOLLOUT;
    event->timeout_us = timeout != NULL ? timeval_us (timeout) : -1;
    if (event->fd >= 0 && events != 0) {
        if (event->io != NULL)
            relais_io_set_events (event->io, events);
        else
            event->io = relais_io_new (event->loop, event->fd, events, on_io, event, NULL);
        if (event->io == NULL)
            return -1;
    }
    if (event->timeout_us >= 0)
        relais_timer_set (&event->timer, event->timeout_us);
    return 0;
}

static int
event_del (struct ub_event *super)
{
    disarm ((Event *)super);
    return 0;
}

static void
event_add_bits (struct ub_event *super, short bits)
{
    ((Event *)super)->bits |= bits;
}

static void
event_del_bits (struct ub_event *super, short bits)
{
    ((Event *)super)->bits &= (short)~bits;
}

static void
event_set_fd (struct ub_event *super, int fd)
{
    ((Event *)super)->fd = fd;
}

static void
event_free (struct ub_event *super)
{
    disarm ((Event *)super);
    g_free (super);
}

static int
event_add_timer (struct ub_event *super, struct ub_event_base *base,
                 void (*func) (int, short, void *), void *data, struct timeval *timeout)
{
    Event *event = (Event *)super;

    event->func = func;
    event->data = data;
    return event_add (super, timeout);
}

/* Signals and Windows: libunbound does not call these. */
static int
event_add_nothing (struct ub_event *super, struct timeval *timeout)
{
    return -1;
}

static int
event_del_nothing (struct ub_event *super)
{
    return -1;
}

static void
event_unregister_nothing (struct ub_event *super)
{
}

static void
event_would_block_nothing (struct ub_event *super, int bits)
{
}

static struct ub_event_vmt event_methods = {event_add_bits,
                                            event_del_bits,
                                            event_set_fd,
                                            event_free,
                                            event_add,
                                            event_del,
                                            event_add_timer,
                                            event_del,
                                            event_add_nothing,
                                            event_del_nothing,
                                            event_unregister_nothing,
                                            event_would_block_nothing};

static struct ub_event *
base_new_event (struct ub_event_base *super, int fd, short bits, void (*func) (int, short, void *),
                void *data)
{
    Event *event = g_new0 (Event, 1);

    event->super.magic = UB_EVENT_MAGIC;
    event->super.vmt = &event_methods;
    event->loop = ((Base *)super)->loop;
    event->fd = fd;
    event->bits = bits;
    event->func = func;
    event->data = data;
    event->timeout_us = -1;
    relais_timer_init (&event->timer, event->loop, on_timer, event);
    return &event->super;
}

static struct ub_event *
base_new_nothing (struct ub_event_base *super, int fd, void (*func) (int, short, void *),
                  void *data)
{
    return NULL;
}

static struct ub_event *
base_register_nothing (struct ub_event_base *super, void *wsaevent,
                       void (*func) (int, short, void *), void *data)
{
    return NULL;
}

/* The loop is ours to run, and the base ours to free. */
static void
base_free_nothing (struct ub_event_base *super)
{
}

static int
base_dispatch_nothing (struct ub_event_base *super)
{
    return -1;
}

static int
base_exit_nothing (struct ub_event_base *super, struct timeval *timeout)
{
    return -1;
}

static struct ub_event_base_vmt base_methods = {base_free_nothing, base_dispatch_nothing,
                                                base_exit_nothing, base_new_event,
                                                base_new_nothing,  base_register_nothing};

struct ub_event_base *
relais_ub_base_new (RelaisLoop *loop)
{
    Base *base = g_new0 (Base, 1);

    base->super.magic = UB_EVENT_MAGIC;
    base->super.vmt = &base_methods;
    base->loop = loop;
    return &base->super;
}

void
relais_ub_base_free (struct ub_event_base *base)
{
    g_free (base);
}
