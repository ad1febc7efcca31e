/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Tickets: the right to answer a suspended call once, from any thread. Either the ticket is completed,
 * and its run goes on from the loop, or it is abandoned, and cancel is called; never both. A ticket
 * outlives its run as long as someone holds a reference, and is then without effect.
 */
#include "config.h"

#include "module/module-private.h"

typedef enum { TICKET_OPEN, TICKET_COMPLETED, TICKET_ABANDONED } TicketState;

struct RelaisTicket {
    gatomicrefcount refs;
    char *label;
    RelaisModule *module; /* good while the ticket is open; its name for ever */
    const char *name;
    guint64 id; /* of the message, or 0 */
    RelaisCancelFunc cancel;
    gpointer data;
    RelaisHookRun *run; /* loop only; NULL once abandoned or resumed */
    GMutex mutex;
    TicketState state;     /* under mutex */
    RelaisVerdict verdict; /* set once, by the one who completes */
    RelaisLoop *loop;      /* good while state is TICKET_OPEN */
};

RelaisTicket *
relais_ticket_ref (RelaisTicket *ticket)
{
    g_atomic_ref_count_inc (&ticket->refs);
    return ticket;
}

void
relais_ticket_unref (RelaisTicket *ticket)
{
    if (ticket == NULL || !g_atomic_ref_count_dec (&ticket->refs))
        return;
    g_mutex_clear (&ticket->mutex);
    g_free (ticket->label);
    g_free (ticket);
}

RelaisTicket *
relais_hook_suspend (RelaisHook *hook, const gchar *label, gint64 timeout_us,
                     RelaisCancelFunc cancel, gpointer data)
{
    RelaisTicket *ticket;

    g_return_val_if_fail (hook != NULL && label != NULL && timeout_us > 0, NULL);
    if (hook->run == NULL || hook->ticket != NULL || !relais_hook_kinds[hook->id].may_suspend)
        return NULL;
    ticket = g_new0 (RelaisTicket, 1);
    g_atomic_ref_count_init (&ticket->refs);
    g_mutex_init (&ticket->mutex);
    ticket->label = g_strdup (label);
    ticket->module = hook->function->module;
    ticket->name = hook->function->module->descriptor.name;
    ticket->id = hook->subject->message != NULL ? hook->subject->message->id : 0;
    ticket->cancel = cancel;
    ticket->data = data;
    ticket->run = hook->run;
    ticket->loop = hook->host->loop;
    hook->ticket = ticket;
    relais_timer_set (&hook->run->timer, timeout_us);
    return relais_ticket_ref (ticket);
}

/* Holds the reference that relais_ticket_complete () took. */
static void
resume (gpointer data)
{
    RelaisTicket *ticket = data;
    RelaisHookRun *run = g_steal_pointer (&ticket->run);

    if (run != NULL)
        relais_hook_run_resume (run, ticket->verdict);
    relais_ticket_unref (ticket);
}

/* Without effect, and its module's mistake if it comes a second time; after the end of the call it may only
 * be late. The module's record may be gone by now. */
static void
tell_vain (const RelaisTicket *ticket, bool twice)
{
    g_autofree char *line = g_strdup_printf (
        "%s: ticket '%s' was completed %s; that has no effect", ticket->name, ticket->label,
        twice ? "twice" : "after its call was cancelled or timed out");
    const GLogField fields[] = {
        {"MESSAGE", line, -1},
        {"PRIORITY", twice ? "4" : "5", -1},
        {"GLIB_DOMAIN", G_LOG_DOMAIN, -1},
        {"RELAIS_MODULE", ticket->name, -1},
    };

    g_log_structured_array (twice ? G_LOG_LEVEL_WARNING : G_LOG_LEVEL_MESSAGE, fields,
                            G_N_ELEMENTS (fields));
}

gboolean
relais_ticket_complete (RelaisTicket *ticket, RelaisVerdict verdict)
{
    bool mine, twice;

    g_return_val_if_fail (ticket != NULL, FALSE);
    g_mutex_lock (&ticket->mutex);
    twice = ticket->state == TICKET_COMPLETED;
    mine = ticket->state == TICKET_OPEN;
    if (mine) {
        ticket->state = TICKET_COMPLETED;
        ticket->verdict = verdict;
        /* Under the mutex: the loop may be gone once the ticket is abandoned. */
        relais_loop_post (ticket->loop, resume, relais_ticket_ref (ticket));
    }
    g_mutex_unlock (&ticket->mutex);
    if (!mine)
        tell_vain (ticket, twice);
    return mine;
}

bool
relais_ticket_is_completed (RelaisTicket *ticket)
{
    bool completed;

    g_mutex_lock (&ticket->mutex);
    completed = ticket->state == TICKET_COMPLETED;
    g_mutex_unlock (&ticket->mutex);
    return completed;
}

gboolean
relais_ticket_is_open (RelaisTicket *ticket)
{
    bool open;

    g_return_val_if_fail (ticket != NULL, FALSE);
    g_mutex_lock (&ticket->mutex);
    open = ticket->state == TICKET_OPEN;
    g_mutex_unlock (&ticket->mutex);
    return open;
}

RelaisHook *
relais_ticket_get_hook (RelaisTicket *ticket)
{
    g_return_val_if_fail (ticket != NULL, NULL);
    return ticket->run != NULL ? &ticket->run->hook : NULL;
}

void
relais_hook_give_up_ticket (RelaisHook *hook)
{
    relais_timer_stop (&hook->run->timer);
    relais_ticket_abandon (g_steal_pointer (&hook->ticket));
}

void
relais_ticket_abandon (RelaisTicket *ticket)
{
    bool cancel;

    g_mutex_lock (&ticket->mutex);
    cancel = ticket->state == TICKET_OPEN;
    if (cancel)
        ticket->state = TICKET_ABANDONED;
    g_mutex_unlock (&ticket->mutex);
    ticket->run = NULL;
    if (cancel && ticket->cancel != NULL) {
        RelaisGuard outer;

        relais_guard_enter (&outer, ticket->module, "cancel", ticket->id);
        ticket->cancel (ticket->data);
        relais_guard_leave (&outer);
    }
    relais_ticket_unref (ticket);
}
