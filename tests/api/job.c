/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Jobs of suspended calls: the worker's answer is the hook's; one that nobody waits for any more changes
 * nothing and is ended all the same.
 */
#include "stage.h"

#include <string.h>

static struct {
    gint begun, saw_end; /* atomic; saw_end: the work saw that nobody waits */
    guint destroyed, done;
    RelaisVerdict answer;
} scene;

static void
destroy (gpointer data)
{
    g_assert_true (data == &scene);
    scene.destroyed++;
}

static RelaisVerdict
answer (RelaisTicket *ticket, gpointer data)
{
    g_assert_true (relais_ticket_is_open (ticket));
    return scene.answer;
}

static RelaisVerdict
set_reply (RelaisHook *hook, RelaisVerdict verdict, gpointer data)
{
    scene.done++;
    g_assert_cmpuint (verdict, ==, scene.answer);
    g_assert_true (relais_hook_set_reply (hook, 550, "5.1.1", "no such user"));
    return RELAIS_VERDICT_REJECT;
}

static RelaisVerdict
run_answer (RelaisHook *hook, gpointer data)
{
    const RelaisHookJob job = {.struct_size = sizeof job,
                               .label = "asks",
                               .timeout_us = G_USEC_PER_SEC * 60,
                               .work = answer,
                               .done = data,
                               .destroy = destroy,
                               .data = &scene};

    return relais_hook_run_job (hook, &job);
}

static RelaisTest *
begin (RelaisHookFunc func, gpointer data)
{
    RelaisTest *test = stage_new ((const gchar *const[]){"puppet", NULL}, "");

    memset (&scene, 0, sizeof scene);
    puppet_hooks[RELAIS_HOOK_RCPT] = func;
    puppet_data = data;
    relais_test_add_recipient (test, "bob@b.test");
    return test;
}

static void
test_answer (void)
{
    RelaisTest *test = begin (run_answer, NULL);

    scene.answer = RELAIS_VERDICT_REJECT;
    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_RCPT), ==, RELAIS_VERDICT_REJECT);
    g_assert_cmpuint (relais_test_get_reply_code (test), ==, 0);
    scene.answer = RELAIS_VERDICT_CONTINUE;
    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_RCPT), ==, RELAIS_VERDICT_CONTINUE);
    g_assert_cmpuint (scene.destroyed, ==, 2);
    g_assert_cmpuint (relais_test_n_tickets (test), ==, 0);
    stage_free (test);
}

static void
test_done (void)
{
    RelaisTest *test = begin (run_answer, set_reply);

    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_RCPT), ==, RELAIS_VERDICT_REJECT);
    g_assert_cmpuint (relais_test_get_reply_code (test), ==, 550);
    g_assert_cmpuint (scene.done, ==, 1);
    g_assert_cmpuint (scene.destroyed, ==, 1);
    stage_free (test);
}

/* Works until it is seen that the call timed out. */
static RelaisVerdict
work_for_ever (RelaisTicket *ticket, gpointer data)
{
    g_atomic_int_set (&scene.begun, 1);
    while (relais_ticket_is_open (ticket))
        g_usleep (1000);
    g_atomic_int_set (&scene.saw_end, 1);
    return RELAIS_VERDICT_CONTINUE;
}

static RelaisVerdict
run_for_ever (RelaisHook *hook, gpointer data)
{
    const RelaisHookJob job = {.struct_size = sizeof job,
                               .label = "asks",
                               .timeout_us = 1000,
                               .work = work_for_ever,
                               .done = set_reply,
                               .destroy = destroy,
                               .data = &scene};

    return relais_hook_run_job (hook, &job);
}

static void
test_timeout (void)
{
    RelaisTest *test = begin (run_for_ever, NULL);

    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_RCPT), ==, RELAIS_VERDICT_TEMPFAIL);
    while (scene.destroyed == 0)
        relais_test_turn (test);
    /* A job whose call was over before its turn is not begun; one that was, saw it. */
    g_assert_cmpint (scene.begun, ==, scene.saw_end);
    g_assert_cmpuint (scene.done, ==, 0);
    g_assert_cmpuint (scene.destroyed, ==, 1);
    stage_free (test);
}

static RelaisVerdict
run_badly (RelaisHook *hook, gpointer data)
{
    RelaisHookJob job = {.struct_size = sizeof job,
                         .label = "asks",
                         .timeout_us = 0,
                         .work = answer,
                         .destroy = destroy,
                         .data = &scene};

    g_assert_cmpuint (relais_hook_run_job (hook, &job), ==, RELAIS_VERDICT_TEMPFAIL);
    g_assert_cmpuint (scene.destroyed, ==, 1);
    job.timeout_us = 1;
    job.work = NULL;
    g_assert_cmpuint (relais_hook_run_job (hook, &job), ==, RELAIS_VERDICT_TEMPFAIL);
    return RELAIS_VERDICT_ACCEPT;
}

/* What cannot be run is refused, and nothing of it is left. */
static void
test_refused (void)
{
    RelaisTest *test = begin (run_badly, NULL);

    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_RCPT), ==, RELAIS_VERDICT_ACCEPT);
    g_assert_cmpuint (scene.destroyed, ==, 2);
    puppet_hooks[RELAIS_HOOK_SEAL] = run_answer;
    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_SEAL), ==, RELAIS_VERDICT_DEFER);
    g_assert_cmpuint (scene.destroyed, ==, 3);
    g_assert_cmpuint (relais_test_n_tickets (test), ==, 0);
    stage_free (test);
}

static GMutex gate; /* held while the workers are to get nowhere */

static void
pass_gate (gpointer data)
{
    g_mutex_lock (&gate);
    g_mutex_unlock (&gate);
}

/* More than the workers take: the call goes on at once, as if the answer had not come. */
static RelaisVerdict
run_when_full (RelaisHook *hook, gpointer data)
{
    RelaisModule *module = relais_hook_get_module (hook);
    RelaisVerdict verdict;

    g_mutex_lock (&gate);
    while (relais_worker_run (module, pass_gate, NULL, NULL))
        continue;
    /* The workers may have taken their first ones since. */
    g_usleep (100 * 1000);
    while (relais_worker_run (module, pass_gate, NULL, NULL))
        continue;
    verdict = run_answer (hook, NULL);
    g_mutex_unlock (&gate);
    g_assert_cmpuint (verdict, ==, RELAIS_VERDICT_TEMPFAIL);
    g_assert_cmpuint (scene.destroyed, ==, 1);
    return verdict;
}

static void
test_full (void)
{
    RelaisTest *test = begin (run_when_full, NULL);

    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_RCPT), ==, RELAIS_VERDICT_TEMPFAIL);
    g_assert_cmpuint (relais_test_n_tickets (test), ==, 0);
    stage_free (test);
}

void
job_add_tests (void)
{
    g_test_add_func ("/api/job/answer", test_answer);
    g_test_add_func ("/api/job/done", test_done);
    g_test_add_func ("/api/job/timeout", test_timeout);
    g_test_add_func ("/api/job/refused", test_refused);
    g_test_add_func ("/api/job/full", test_full);
}
