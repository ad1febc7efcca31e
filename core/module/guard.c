/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Guards: the calling thread's record of which module it is in. The thread alone writes it; the watchdog
 * reads it from another one, field by field, and acts only on what stood still for long. Records are made at
 * a thread's first guard, with a stack for signal handlers, and go with the thread.
 */
#include "config.h"

#include "module/guard-private.h"

#include <signal.h>
#include <sys/mman.h>
#include <time.h>

enum { SIGNAL_STACK_BYTES = 65536 };

typedef struct {
    RelaisGuard now;
    guint64 number;
    bool is_loop;
    void *stack; /* of signal handlers; NULL: the thread has another */
    GList link;
} Thread;

/* Initial-exec: reading it never allocates, so a signal handler may. */
static __thread Thread *self __attribute__ ((tls_model ("initial-exec")));

static GMutex mutex;
static GQueue threads = G_QUEUE_INIT; /* Thread, under mutex */
static guint64 last_number;           /* under mutex */
static gint64 loop_budget_us = 50000, worker_budget_us = 5 * RELAIS_USEC_PER_SEC;
static RelaisGuardSlowFunc slow_func; /* NULL: nobody is told */

gint64
relais_guard_now_us (void)
{
    struct timespec now;

    clock_gettime (CLOCK_MONOTONIC_COARSE, &now);
    return now.tv_sec * RELAIS_USEC_PER_SEC + now.tv_nsec / 1000;
}

void
relais_guard_set_budgets (gint64 loop_us, gint64 worker_us)
{
    loop_budget_us = loop_us;
    worker_budget_us = worker_us;
}

void
relais_guard_set_slow_func (RelaisGuardSlowFunc func)
{
    slow_func = func;
}

/* --- Threads ---------------------------------------------------------------------------------- */

/* A handler cannot run on a stack that has overflown. */
static void
give_stack (Thread *thread)
{
    stack_t old, stack = {.ss_size = SIGNAL_STACK_BYTES};

    if (sigaltstack (NULL, &old) != 0 || (old.ss_flags & SS_DISABLE) == 0)
        return;
    stack.ss_sp = mmap (NULL, SIGNAL_STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack.ss_sp == MAP_FAILED)
        return;
    thread->stack = stack.ss_sp;
    (void)sigaltstack (&stack, NULL);
}

static void
thread_free (gpointer data)
{
    Thread *thread = data;
    const stack_t none = {.ss_flags = SS_DISABLE};

    self = NULL;
    g_mutex_lock (&mutex);
    g_queue_unlink (&threads, &thread->link);
    g_mutex_unlock (&mutex);
    if (thread->stack != NULL) {
        (void)sigaltstack (&none, NULL);
        (void)munmap (thread->stack, SIGNAL_STACK_BYTES);
    }
    g_free (thread);
}

static GPrivate own = G_PRIVATE_INIT (thread_free);

static Thread *
thread_new (void)
{
    Thread *thread = g_new0 (Thread, 1);

    thread->link.data = thread;
    give_stack (thread);
    g_mutex_lock (&mutex);
    thread->number = ++last_number;
    g_queue_push_tail_link (&threads, &thread->link);
    g_mutex_unlock (&mutex);
    g_private_set (&own, thread);
    self = thread;
    return thread;
}

static Thread *
this_thread (void)
{
    return G_LIKELY (self != NULL) ? self : thread_new ();
}

void
relais_guard_set_loop_thread (void)
{
    this_thread ()->is_loop = true;
}

/* The watchdog may read while this writes: single fields are whole, and it looks twice. */
static void
set (RelaisGuard *to, const RelaisGuard *from)
{
    __atomic_store_n (&to->module, from->module, __ATOMIC_RELAXED);
    __atomic_store_n (&to->what, from->what, __ATOMIC_RELAXED);
    __atomic_store_n (&to->id, from->id, __ATOMIC_RELAXED);
    __atomic_store_n (&to->spent_us, from->spent_us, __ATOMIC_RELAXED);
    __atomic_store_n (&to->allowed_us, from->allowed_us, __ATOMIC_RELAXED);
    __atomic_store_n (&to->began_us, from->began_us, __ATOMIC_RELAXED);
}

/* --- Guards ----------------------------------------------------------------------------------- */

void
relais_guard_enter (RelaisGuard *outer, RelaisModule *module, const char *what, guint64 id)
{
    Thread *thread = this_thread ();
    const RelaisGuard guard = {.module = module,
                               .what = what,
                               .id = id != 0 ? id : thread->now.id,
                               .began_us = relais_guard_now_us ()};

    *outer = thread->now;
    set (&thread->now, &guard);
}

void
relais_guard_leave (const RelaisGuard *outer)
{
    Thread *thread = self;
    const RelaisGuard *guard = &thread->now;
    const gint64 took = relais_guard_now_us () - guard->began_us + guard->spent_us;
    const gint64 budget = thread->is_loop ? loop_budget_us : worker_budget_us;

    if (G_UNLIKELY (took > budget && took > guard->allowed_us && guard->module != NULL &&
                    slow_func != NULL))
        slow_func (guard, took);
    set (&thread->now, outer);
}

void
relais_guard_allow (gint64 allowed_us)
{
    if (self != NULL)
        __atomic_store_n (&self->now.allowed_us, allowed_us, __ATOMIC_RELAXED);
}

bool
relais_guard_is_free (void)
{
    return self != NULL && self->now.allowed_us == RELAIS_GUARD_FREE;
}

guint64
relais_guard_id (void)
{
    return self != NULL ? self->now.id : 0;
}

gint64
relais_guard_pause (void)
{
    Thread *thread = self;
    gint64 began;

    if (thread == NULL || thread->now.began_us == 0)
        return 0;
    began = thread->now.began_us;
    __atomic_store_n (&thread->now.spent_us, thread->now.spent_us + relais_guard_now_us () - began,
                      __ATOMIC_RELAXED);
    __atomic_store_n (&thread->now.began_us, 0, __ATOMIC_RELAXED);
    return began;
}

void
relais_guard_resume (gint64 paused)
{
    if (paused != 0)
        __atomic_store_n (&self->now.began_us, relais_guard_now_us (), __ATOMIC_RELAXED);
}

const RelaisGuard *
relais_guard_current (void)
{
    return self != NULL ? &self->now : NULL;
}

void
relais_guard_each (RelaisGuardFunc func, gpointer data)
{
    g_mutex_lock (&mutex);
    for (const GList *link = threads.head; link != NULL; link = link->next) {
        const Thread *thread = link->data;
        RelaisGuard guard;

        guard.began_us = __atomic_load_n (&thread->now.began_us, __ATOMIC_RELAXED);
        guard.module = __atomic_load_n (&thread->now.module, __ATOMIC_RELAXED);
        guard.what = __atomic_load_n (&thread->now.what, __ATOMIC_RELAXED);
        guard.id = __atomic_load_n (&thread->now.id, __ATOMIC_RELAXED);
        guard.spent_us = __atomic_load_n (&thread->now.spent_us, __ATOMIC_RELAXED);
        guard.allowed_us = __atomic_load_n (&thread->now.allowed_us, __ATOMIC_RELAXED);
        if (guard.module != NULL)
            func (data, thread->number, thread->is_loop, &guard);
    }
    g_mutex_unlock (&mutex);
}
