/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A message from its bytes to its verdicts: a job reads the signatures, the loop looks up their keys, all at
 * once, and a second job verifies. While the DNS is waited for nothing is held but what the signatures say.
 * One timer stands over all of it: what is not there then counts as a temporary failure. Loop thread, but
 * for what the jobs do.
 */
#include "verify.h"

#include <relais/timer.h>
#include <string.h>

struct DkimChecks {
    RelaisModule *module;
    DkimVerifier *verifier;
    GQueue live; /* DkimCheck */
    bool stopped;
};

typedef struct {
    DkimCheck *check;
    DkimAnswer *answer;
    RelaisLookup *lookup;
} Question;

struct DkimCheck {
    DkimChecks *checks;
    GList link; /* in checks->live */
    DkimSource source;
    GDestroyNotify free_source;
    RelaisModuleTimer *deadline;
    DkimCheckDone done; /* NULL once called or cancelled */
    gpointer data;
    gint stopped;         /* atomic: nobody wants the verdicts */
    bool in_job;          /* a job has the rest; the loop keeps off it */
    bool verified;        /* the second job was begun */
    gint64 now_s;         /* wall clock */
    DkimScan scan;        /* verdicts NULL until the first job ended well */
    GPtrArray *answers;   /* DkimAnswer */
    GPtrArray *questions; /* Question, those not answered */
};

/* --- Life ----------------------------------------------------------------------------------------- */

DkimChecks *
dkim_checks_new (RelaisModule *module)
{
    DkimVerifier *verifier = dkim_verifier_new ();
    DkimChecks *checks;

    if (verifier == NULL)
        return NULL;
    checks = g_new0 (DkimChecks, 1);
    checks->module = module;
    checks->verifier = verifier;
    g_queue_init (&checks->live);
    return checks;
}

void
dkim_checks_free (DkimChecks *checks)
{
    if (checks == NULL)
        return;
    dkim_verifier_free (checks->verifier);
    g_free (checks);
}

static void
question_free (gpointer data)
{
    Question *question = data;

    relais_lookup_cancel (question->lookup);
    g_free (question);
}

static void
check_free (DkimCheck *check)
{
    g_queue_unlink (&check->checks->live, &check->link);
    relais_module_timer_free (check->deadline);
    g_ptr_array_unref (check->questions);
    dkim_scan_clear (&check->scan);
    g_ptr_array_unref (check->answers);
    check->free_source (check->source.data);
    g_free (check);
}

/* Hands the verdicts over and frees the check. */
static void
finish (DkimCheck *check)
{
    DkimCheckDone done = g_steal_pointer (&check->done);

    if (check->scan.verdicts == NULL)
        check->scan.verdicts = g_ptr_array_new ();
    if (done != NULL)
        done (&check->scan, check->answers, check->data);
    check_free (check);
}

static void
finish_without (DkimCheck *check, const char *reason)
{
    for (guint i = 0; check->scan.verdicts != NULL && i < check->scan.verdicts->len; i++) {
        DkimVerdict *verdict = g_ptr_array_index (check->scan.verdicts, i);

        if (verdict->result == NULL)
            dkim_verdict_settle (verdict, "temperror", reason);
    }
    if (check->scan.verdicts == NULL)
        check->scan.failure = reason;
    finish (check);
}

/* --- Verifying ------------------------------------------------------------------------------------ */

static void
verify_job (gpointer data)
{
    DkimCheck *check = data;

    dkim_verifier_run (check->checks->verifier, &check->source, &check->scan);
}

static void
verify_done (gpointer data)
{
    DkimCheck *check = data;

    check->in_job = false;
    finish (check);
}

static void
verify (DkimCheck *check)
{
    check->verified = check->in_job = true;
    if (relais_worker_run (check->checks->module, verify_job, verify_done, check))
        return;
    check->in_job = false;
    finish_without (check, "too much waits to be verified");
}

/* --- Looking up ----------------------------------------------------------------------------------- */

static void
take_answer (const RelaisDnsAnswer *found, gpointer data)
{
    Question *question = data;
    DkimCheck *check = question->check;

    question->lookup = NULL;
    dkim_answer_take (question->answer, found);
    g_ptr_array_remove_fast (check->questions, question);
    if (check->questions->len == 0)
        verify (check);
}

static DkimAnswer *
find_answer (const DkimCheck *check, const char *name)
{
    for (guint i = 0; i < check->answers->len; i++) {
        DkimAnswer *answer = g_ptr_array_index (check->answers, i);

        if (g_str_equal (answer->name, name))
            return answer;
    }
    return NULL;
}

static void
ask (DkimCheck *check)
{
    for (guint i = 0; i < check->scan.verdicts->len; i++) {
        DkimVerdict *verdict = g_ptr_array_index (check->scan.verdicts, i);
        g_autofree char *name = NULL;
        Question *question;

        if (verdict->result != NULL)
            continue;
        name = dkim_signature_dup_key_name (&verdict->signature);
        verdict->answer = find_answer (check, name);
        if (verdict->answer != NULL)
            continue;
        verdict->answer = dkim_answer_new (g_steal_pointer (&name));
        g_ptr_array_add (check->answers, verdict->answer);
        question = g_new0 (Question, 1);
        question->check = check;
        question->answer = verdict->answer;
        g_ptr_array_add (check->questions, question);
        question->lookup = relais_lookup (check->checks->module, verdict->answer->name,
                                          RELAIS_DNS_TXT, take_answer, question);
    }
}

/* --- Reading the signatures ------------------------------------------------------------------------- */

static void
scan_job (gpointer data)
{
    DkimCheck *check = data;
    g_autoptr (GByteArray) header = dkim_read_header (&check->source, NULL);

    if (header != NULL)
        dkim_scan (&check->scan, header->data, header->len, check->now_s);
}

static void
scan_done (gpointer data)
{
    DkimCheck *check = data;

    check->in_job = false;
    if (check->done == NULL)
        check_free (check);
    else if (check->scan.verdicts == NULL)
        finish_without (check, "the message could not be read");
    else if (check->checks->stopped || g_atomic_int_get (&check->stopped) != 0)
        finish_without (check, "it took too long");
    else {
        ask (check);
        if (check->questions->len == 0)
            finish (check); /* all settled: nothing needs a key */
    }
}

static void
on_deadline (gpointer data)
{
    DkimCheck *check = data;

    if (check->in_job) {
        g_atomic_int_set (&check->stopped, 1);
        return;
    }
    for (guint i = 0; i < check->questions->len; i++)
        dkim_answer_fail (((Question *)g_ptr_array_index (check->questions, i))->answer,
                          "the key was not found in time");
    g_ptr_array_set_size (check->questions, 0);
    verify (check);
}

/* --- The check ------------------------------------------------------------------------------------- */

DkimCheck *
dkim_check_start (DkimChecks *checks, DkimRead read, gpointer source, GDestroyNotify free_source,
                  gint64 timeout_us, DkimCheckDone done, gpointer data)
{
    DkimCheck *check = g_new0 (DkimCheck, 1);

    check->checks = checks;
    check->link.data = check;
    g_queue_push_tail_link (&checks->live, &check->link);
    check->source = (DkimSource){.read = read, .data = source, .stopped = &check->stopped};
    check->free_source = free_source;
    check->done = done;
    check->data = data;
    check->now_s = relais_module_wall_us (checks->module) / G_USEC_PER_SEC;
    check->answers = g_ptr_array_new_with_free_func (dkim_answer_free);
    check->questions = g_ptr_array_new_with_free_func (question_free);
    check->deadline = relais_module_timer_new (checks->module, on_deadline, check);
    relais_module_timer_set (check->deadline, timeout_us);
    check->in_job = true;
    if (!checks->stopped && relais_worker_run (checks->module, scan_job, scan_done, check))
        return check;
    check->in_job = false;
    finish_without (check, checks->stopped ? "the daemon stops" : "too much waits to be verified");
    return NULL;
}

void
dkim_check_cancel (DkimCheck *check)
{
    check->done = NULL;
    g_atomic_int_set (&check->stopped, 1);
    if (!check->in_job)
        check_free (check);
}

void
dkim_checks_stop (DkimChecks *checks)
{
    GList *next;

    checks->stopped = true;
    for (GList *link = checks->live.head; link != NULL; link = next) {
        DkimCheck *check = link->data;

        next = link->next;
        g_clear_pointer (&check->deadline, relais_module_timer_free);
        g_atomic_int_set (&check->stopped, 1);
        if (!check->in_job)
            finish_without (check, "the daemon stops");
    }
}
