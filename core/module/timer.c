/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Modules' clocks, timers and posts (include/relais/timer.h). Loop thread, but the clocks and
 * relais_module_post ().
 */
#include "config.h"

#include "module/module-private.h"

#include <relais/timer.h>

struct RelaisModuleTimer {
    RelaisTimer timer;
    RelaisModule *module;
    RelaisTimerCallback func;
    gpointer data;
    GList link; /* in host->timers */
    bool over;  /* its module was stopped */
};

typedef struct {
    RelaisModule *module;
    guint64 id; /* of the message that it was posted for, or 0 */
    RelaisTimerCallback func;
    gpointer data;
} Post;

gint64
relais_module_now_us (const RelaisModule *module)
{
    return relais_clock_mono_us (relais_loop_clock (module->host->loop));
}

gint64
relais_module_wall_us (const RelaisModule *module)
{
    return relais_clock_wall_us (relais_loop_clock (module->host->loop));
}

static void
call_posted (gpointer data)
{
    Post *post = data;
    RelaisGuard outer;

    relais_guard_enter (&outer, post->module, "post", post->id);
    post->func (post->data);
    relais_guard_leave (&outer);
    g_atomic_int_add (&post->module->host->jobs, -1);
    g_free (post);
}

void
relais_module_post (RelaisModule *module, RelaisTimerCallback func, gpointer data)
{
    Post *post;

    g_return_if_fail (func != NULL);
    post = g_new (Post, 1);
    *post = (Post){module, relais_guard_id (), func, data};
    g_atomic_int_inc (&module->host->jobs);
    relais_loop_post (module->host->loop, call_posted, post);
}

/* The callback may free its timer. */
static void
on_timer (gpointer data)
{
    const RelaisModuleTimer *timer = data;
    RelaisGuard outer;

    relais_guard_enter (&outer, timer->module, "timer", 0);
    timer->func (timer->data);
    relais_guard_leave (&outer);
}

RelaisModuleTimer *
relais_module_timer_new (RelaisModule *module, RelaisTimerCallback func, gpointer data)
{
    RelaisModuleTimer *timer;

    g_return_val_if_fail (func != NULL, NULL);
    timer = g_new0 (RelaisModuleTimer, 1);
    timer->module = module;
    timer->func = func;
    timer->data = data;
    timer->link.data = timer;
    g_queue_push_tail_link (&module->host->timers, &timer->link);
    relais_timer_init (&timer->timer, module->host->loop, on_timer, timer);
    return timer;
}

void
relais_module_timer_set (RelaisModuleTimer *timer, gint64 delay_us)
{
    if (!timer->over)
        relais_timer_set (&timer->timer, MAX (delay_us, 0));
}

gboolean
relais_module_timer_is_set (const RelaisModuleTimer *timer)
{
    return relais_timer_is_set (&timer->timer);
}

void
relais_module_timer_stop (RelaisModuleTimer *timer)
{
    relais_timer_stop (&timer->timer);
}

void
relais_module_timer_free (RelaisModuleTimer *timer)
{
    if (timer == NULL)
        return;
    relais_timer_stop (&timer->timer);
    g_queue_unlink (&timer->module->host->timers, &timer->link);
    g_free (timer);
}

void
relais_module_end_timers (RelaisModule *module)
{
    guint n = 0;

    for (const GList *l = module->host->timers.head; l != NULL; l = l->next) {
        RelaisModuleTimer *timer = l->data;

        if (timer->module != module)
            continue;
        n += relais_timer_is_set (&timer->timer);
        relais_timer_stop (&timer->timer);
        timer->over = true;
    }
    if (n > 0)
        relais_log (module, RELAIS_LOG_WARNING,
                    "%u timers were still set when it had stopped; they do not fire", n);
}
