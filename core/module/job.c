/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Jobs of suspended calls (relais_hook_run_job ()): a ticket, work on a worker, and the answer from the loop. The
 * job outlives its call where that was cancelled meanwhile. Made and ended on the loop.
 */
#include "config.h"

#include "module/module-private.h"

typedef struct {
    RelaisHookJob info;
    RelaisTicket *ticket;
    RelaisVerdict verdict;
} Job;

static void
job_free (Job *job)
{
    if (job->info.destroy != NULL)
        job->info.destroy (job->info.data);
    relais_ticket_unref (job->ticket);
    g_free (job);
}

/* Nobody waits any more: the work is not begun, or ends for nothing. */
static void
work (gpointer data)
{
    Job *job = data;

    relais_guard_allow (job->info.timeout_us);
    if (relais_ticket_is_open (job->ticket))
        job->verdict = job->info.work (job->ticket, job->info.data);
}

static void
done (gpointer data)
{
    Job *job = data;
    RelaisHook *hook = relais_ticket_get_hook (job->ticket);

    if (hook != NULL && job->info.done != NULL)
        job->verdict = job->info.done (hook, job->verdict, job->info.data);
    if (hook != NULL)
        relais_ticket_complete (job->ticket, job->verdict);
    job_free (job);
}

static RelaisVerdict
refuse (const RelaisHook *hook, Job *job, const char *why)
{
    relais_log (hook->function->module, RELAIS_LOG_WARNING, "hook %s, function %s: %s",
                relais_hook_kinds[hook->id].name, hook->function->name, why);
    job_free (job);
    return relais_hook_kinds[hook->id].fallback;
}

RelaisVerdict
relais_hook_run_job (RelaisHook *hook, const RelaisHookJob *info)
{
    Job *job;

    g_return_val_if_fail (hook != NULL && info != NULL, RELAIS_VERDICT_TEMPFAIL);
    job = g_new0 (Job, 1);
    if (!relais_copy_known (&job->info, sizeof job->info, info, info->struct_size) ||
        job->info.work == NULL || job->info.label == NULL || job->info.timeout_us <= 0)
        return refuse (hook, job, "a job that is not well-formed");
    job->ticket = relais_hook_suspend (hook, job->info.label, job->info.timeout_us, NULL, NULL);
    if (job->ticket == NULL)
        return refuse (hook, job, "this hook cannot wait for a job");
    if (relais_worker_run (hook->function->module, work, done, job))
        return RELAIS_VERDICT_PENDING;
    relais_hook_give_up_ticket (hook);
    return refuse (hook, job, "too many jobs wait");
}
