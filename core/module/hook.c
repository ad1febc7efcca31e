/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Running a chain: calls the functions of a hook in order until one gives a final verdict, suspends
 * where a function took a ticket, and goes on when it is completed. Loop thread, but for
 * relais_host_run_worker ().
 *
 * A run whose chain ends within the call never leaves it; only a suspended one is handed to the
 * caller, and lives until its `done` or relais_host_cancel ().
 */
#include "config.h"

#include "module/module-private.h"

#include <string.h>

/* What WAIT means when the module did not say until when. */
static const gint64 DEFAULT_WAIT_US = 60 * RELAIS_USEC_PER_SEC;

void
relais_hook_result_clear (RelaisHookResult *result)
{
    g_free (result->text);
    g_free (result->wait_reason);
    *result = (RelaisHookResult){0};
}

bool
relais_host_has (const RelaisHost *host, RelaisHookId hook)
{
    return host->chains[hook].n > 0;
}

bool
relais_host_is_per_recipient (const RelaisHost *host, RelaisHookId hook)
{
    return host->chains[hook].per_recipient;
}

void
relais_hook_clear (RelaisHook *hook)
{
    g_clear_pointer (&hook->header, g_byte_array_unref);
    g_clear_pointer (&hook->rope, relais_rope_unref);
    g_clear_pointer (&hook->tracking, relais_tracking_table_unref);
}

/* --- What a function answered ----------------------------------------------------------------- */

static void
complain (const RelaisHook *hook, const char *what)
{
    relais_log (hook->function->module, RELAIS_LOG_ERROR, "hook %s, function %s: %s",
                relais_hook_kinds[hook->id].name, hook->function->name, what);
}

/* The verdict as the hook's table allows it. */
static RelaisVerdict
admissible (const RelaisHook *hook, RelaisVerdict verdict)
{
    const HookKind *kind = &relais_hook_kinds[hook->id];
    g_autofree char *what = NULL;

    if (verdict == RELAIS_VERDICT_CONTINUE || kind->observe)
        return RELAIS_VERDICT_CONTINUE;
    if (verdict < 32 && (kind->verdicts & (1u << verdict)) != 0)
        return verdict;
    what = g_strdup_printf ("%s is no answer here, taken as %s",
                            verdict == RELAIS_VERDICT_PENDING ? "PENDING without a ticket"
                                                              : relais_verdict_to_string (verdict),
                            relais_verdict_to_string (kind->fallback));
    complain (hook, what);
    return kind->fallback;
}

static void
drop_reply (RelaisHookResult *result)
{
    result->code = 0;
    result->enhanced[0] = '\0';
    g_clear_pointer (&result->text, g_free);
}

/* A reply goes with a refusal of its own class, else it is dropped. */
static void
settle_reply (const RelaisHook *hook, RelaisVerdict verdict)
{
    RelaisHookResult *result = hook->result;
    guint wanted = verdict == RELAIS_VERDICT_REJECT                                        ? 5
                   : verdict == RELAIS_VERDICT_TEMPFAIL || verdict == RELAIS_VERDICT_DEFER ? 4
                                                                                           : 0;

    if (result->code == 0 || result->code / 100 == wanted)
        return;
    if (wanted != 0)
        complain (hook, "the reply's code does not fit its verdict; the default is used");
    drop_reply (result);
}

static void
drop_wait (RelaisHookResult *result)
{
    result->wait_until_us = 0;
    result->wait_scope = RELAIS_WAIT_LANE;
    g_clear_pointer (&result->wait_reason, g_free);
}

/* Notes what one function answered; true if it ends the chain. */
static bool
conclude (RelaisHook *hook, RelaisVerdict answered)
{
    RelaisVerdict verdict = admissible (hook, answered);

    settle_reply (hook, verdict);
    hook->result->verdict = verdict;
    if (verdict != RELAIS_VERDICT_WAIT)
        drop_wait (hook->result);
    if (verdict == RELAIS_VERDICT_CONTINUE)
        return false;
    hook->result->module = hook->function->module->descriptor.name;
    if (verdict == RELAIS_VERDICT_WAIT && hook->result->wait_until_us == 0)
        hook->result->wait_until_us = relais_loop_now_us (hook->host->loop) + DEFAULT_WAIT_US;
    return true;
}

static guint64
id_of (const RelaisHook *hook)
{
    return hook->subject->message != NULL ? hook->subject->message->id : 0;
}

static RelaisVerdict
call (RelaisHook *hook)
{
    const HookFunction *function = hook->function;
    RelaisGuard outer;
    RelaisVerdict verdict;

    relais_guard_enter (&outer, function->module, relais_hook_kinds[hook->id].name, id_of (hook));
    verdict = function->func (hook, function->data);
    relais_guard_leave (&outer);
    return verdict;
}

/* --- Workers ---------------------------------------------------------------------------------- */

void
relais_host_run_worker (RelaisHost *host, RelaisHookId id, RelaisSubject *subject,
                        RelaisHookResult *result)
{
    const Chain *chain = &host->chains[id];
    RelaisHook hook = {.host = host, .id = id, .subject = subject, .result = result};

    *result = (RelaisHookResult){0};
    for (guint i = 0; i < chain->n; i++) {
        bool ended;

        hook.function = chain->functions[i];
        hook.sealed = subject->sealed != NULL ? subject->sealed->len : 0;
        ended = conclude (&hook, call (&hook));
        relais_hook_clear (&hook);
        if (ended)
            break;
    }
    relais_subject_settle_edits (host, subject, result->verdict != RELAIS_VERDICT_DEFER);
}

/* --- Loop ------------------------------------------------------------------------------------- */

static void
run_free (RelaisHookRun *run)
{
    relais_timer_stop (&run->timer);
    if (run->hook.ticket != NULL)
        relais_ticket_abandon (g_steal_pointer (&run->hook.ticket));
    relais_hook_clear (&run->hook);
    relais_hook_result_clear (&run->result);
    g_free (run);
}

/* Calls from `run->next` on. True when the chain has ended, false when it is suspended. */
static bool
run_chain (RelaisHookRun *run)
{
    RelaisHook *hook = &run->hook;
    const Chain *chain = &hook->host->chains[hook->id];

    while (run->next < chain->n) {
        RelaisVerdict verdict;

        hook->function = chain->functions[run->next++];
        run->calling = true;
        verdict = call (hook);
        run->calling = false;
        if (verdict == RELAIS_VERDICT_PENDING && hook->ticket != NULL)
            return false;
        if (hook->ticket != NULL) {
            complain (hook, "a ticket was taken, but the answer was not PENDING");
            relais_hook_give_up_ticket (hook);
        }
        if (run->cancelled || conclude (hook, verdict))
            return true;
    }
    return true;
}

static void
park (RelaisHookRun *run)
{
    run->link.data = run;
    g_queue_push_tail_link (&run->hook.host->runs, &run->link);
}

static void
unpark (RelaisHookRun *run)
{
    g_queue_unlink (&run->hook.host->runs, &run->link);
}

/* The administrator's word goes before the module's. */
static RelaisVerdict
timeout_verdict (const RelaisHook *hook)
{
    switch (relais_module_on_failure (hook->function->module)) {
    case RELAIS_ON_FAILURE_TEMPFAIL: return relais_hook_kinds[hook->id].fallback;
    case RELAIS_ON_FAILURE_BYPASS: return RELAIS_VERDICT_CONTINUE;
    case RELAIS_ON_FAILURE_UNSET:
    case RELAIS_ON_FAILURE_STOP: break;
    }
    return hook->function->on_timeout != 0 ? hook->function->on_timeout
                                           : relais_hook_kinds[hook->id].fallback;
}

static void
finish (RelaisHookRun *run)
{
    RelaisHookResult result = run->result;
    RelaisHookDone done = run->done;
    gpointer data = run->data;

    run->result = (RelaisHookResult){0};
    run_free (run);
    done (data, &result);
    relais_hook_result_clear (&result);
}

/* The function that waited has answered. */
static void
go_on (RelaisHookRun *run, RelaisVerdict verdict)
{
    unpark (run);
    if (!conclude (&run->hook, verdict) && !run_chain (run)) {
        park (run);
        return;
    }
    if (run->cancelled)
        run_free (run);
    else
        finish (run);
}

void
relais_hook_run_resume (RelaisHookRun *run, RelaisVerdict verdict)
{
    relais_timer_stop (&run->timer);
    relais_ticket_unref (g_steal_pointer (&run->hook.ticket));
    go_on (run, verdict);
}

static void
on_timeout (gpointer data)
{
    RelaisHookRun *run = data;

    /* The answer came first and is on its way through the loop. */
    if (relais_ticket_is_completed (run->hook.ticket))
        return;
    complain (&run->hook, "no answer in time");
    relais_ticket_abandon (g_steal_pointer (&run->hook.ticket));
    drop_reply (run->hook.result);
    go_on (run, timeout_verdict (&run->hook));
}

RelaisHookRun *
relais_host_run (RelaisHost *host, RelaisHookId id, RelaisSubject *subject,
                 RelaisHookResult *result, RelaisHookDone done, gpointer data)
{
    RelaisHookRun *run;

    *result = (RelaisHookResult){0};
    if (G_LIKELY (host->chains[id].n == 0))
        return NULL;
    relais_loop_assert_owner (host->loop);
    run = g_new0 (RelaisHookRun, 1);
    run->hook = (RelaisHook){
        .host = host, .id = id, .subject = subject, .result = &run->result, .run = run};
    run->done = done;
    run->data = data;
    relais_timer_init (&run->timer, host->loop, on_timeout, run);
    if (!run_chain (run)) {
        park (run);
        return run;
    }
    *result = run->result;
    run->result = (RelaisHookResult){0};
    run_free (run);
    return NULL;
}

void
relais_host_cancel (RelaisHookRun *run)
{
    if (run == NULL)
        return;
    if (run->calling) {
        run->cancelled = true;
        return;
    }
    unpark (run);
    run_free (run);
}

void
relais_host_notify_event (RelaisHost *host, guint64 seq, GBytes *line)
{
    RelaisSubject subject = {.pin = host->pin, .event_seq = seq, .event_line = line};
    RelaisHookResult result;

    relais_host_run (host, RELAIS_HOOK_EVENT, &subject, &result, NULL, NULL);
}
