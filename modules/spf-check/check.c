/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A check under way: has the evaluator's questions answered by the core's resolver, one after the other, and ends
 * it when its time is up. Where libspf2 is asked for it is asked first; whatever becomes of its process, the check
 * goes on with the evaluator of our own. Loop thread.
 */
#include "spf-check.h"

#include <relais/timer.h>

#include <string.h>

struct SpfCheck {
    SpfModule *spf;
    SpfLimits limits;
    SpfEval *eval;
    SpfGuard *guard;          /* libspf2 is at it, or has said what follows; or NULL */
    SpfVerdict *guarded;      /* its verdict */
    RelaisLookup *lookup;     /* under way, or NULL */
    RelaisModuleTimer *timer; /* the deadline; at once, if no question is left */
    SpfCheckFunc func;
    gpointer data;
};

/* --- Verdicts --------------------------------------------------------------------------------- */

void
spf_verdict_free (gpointer data)
{
    SpfVerdict *verdict = data;

    if (verdict == NULL)
        return;
    g_free (verdict->mechanism);
    g_free (verdict->problem);
    g_free (verdict->explanation);
    g_free (verdict->domain);
    g_ptr_array_unref (verdict->trace);
    g_free (verdict);
}

static SpfVerdict *
verdict_of (const SpfEval *eval, const SpfLimits *limits)
{
    SpfVerdict *verdict = g_new (SpfVerdict, 1);

    *verdict = (SpfVerdict){
        .result = spf_eval_get_result (eval),
        .mechanism = g_strdup (spf_eval_get_mechanism (eval)),
        .problem = g_strdup (spf_eval_get_problem (eval)),
        .explanation = g_strdup (spf_eval_get_explanation (eval)),
        .domain = g_strdup (spf_eval_get_domain (eval)),
        .is_helo = spf_eval_is_helo (eval),
        .n_terms = spf_eval_n_terms (eval),
        .n_voids = spf_eval_n_voids (eval),
        .n_questions = spf_eval_n_questions (eval),
        .limits = *limits,
        .trace = g_ptr_array_ref ((GPtrArray *)spf_eval_get_trace (eval)),
    };
    return verdict;
}

/* --- Questions -------------------------------------------------------------------------------- */

/* The best host first: what is found out must not depend on the order in which a server tells them. */
static void
add_hosts (const RelaisDnsAnswer *from, GPtrArray *records)
{
    g_autoptr (GArray) preferences = g_array_new (FALSE, FALSE, sizeof (guint32));

    for (guint32 i = 0; i < relais_dns_answer_n_records (from); i++) {
        const guint32 preference = relais_dns_answer_get_preference (from, i);
        const char *name = relais_dns_answer_get_name (from, i);
        guint at = 0;

        while (at < preferences->len && g_array_index (preferences, guint32, at) <= preference)
            at++;
        g_array_insert_val (preferences, at, preference);
        g_ptr_array_insert (records, (gint)at, g_bytes_new (name, strlen (name)));
    }
}

SpfAnswer
spf_check_read_answer (const RelaisDnsAnswer *from, SpfDnsType type, GPtrArray *records)
{
    SpfAnswer answer = {SPF_DNS_ERROR, relais_dns_answer_get_reason (from), records};

    switch (relais_dns_answer_get_outcome (from)) {
    case RELAIS_DNS_DATA: answer.outcome = SPF_DNS_DATA; break;
    case RELAIS_DNS_NODATA: answer.outcome = SPF_DNS_NODATA; break;
    case RELAIS_DNS_NXDOMAIN: answer.outcome = SPF_DNS_NXDOMAIN; break;
    default: return answer;
    }
    if (type == SPF_DNS_MX || type == SPF_DNS_PTR) {
        add_hosts (from, records);
        return answer;
    }
    for (guint32 i = 0; i < relais_dns_answer_n_records (from); i++) {
        guint64 size = 0;
        const guint8 *bytes = relais_dns_answer_get_bytes (from, i, &size);

        g_ptr_array_add (records, g_bytes_new (bytes, (gsize)size));
    }
    return answer;
}

static void go_on (SpfCheck *check);

static void
on_answer (const RelaisDnsAnswer *from, gpointer data)
{
    SpfCheck *check = data;
    const SpfQuestion *question = spf_eval_next (check->eval);
    g_autoptr (GPtrArray) records = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
    const SpfAnswer answer = spf_check_read_answer (from, question->type, records);

    check->lookup = NULL;
    spf_eval_answer (check->eval, &answer);
    go_on (check);
}

static void
go_on (SpfCheck *check)
{
    const SpfQuestion *question = spf_eval_next (check->eval);
    g_autofree char *name = NULL;

    if (question == NULL) {
        relais_module_timer_set (check->timer, 0);
        return;
    }
    name = spf_name_to_text (question->name);
    check->lookup =
        relais_lookup (check->spf->module, name, (RelaisDnsType)question->type, on_answer, check);
}

static void
check_free (SpfCheck *check)
{
    relais_lookup_cancel (check->lookup);
    relais_module_timer_free (check->timer);
    spf_guard_free (check->guard);
    spf_verdict_free (check->guarded);
    spf_eval_free (check->eval);
    g_free (check);
}

/* --- libspf2 ---------------------------------------------------------------------------------- */

static void
on_guard (SpfResult result, const char *problem, const char *failure, gpointer data)
{
    SpfCheck *check = data;
    SpfVerdict *verdict;

    if (failure != NULL) {
        relais_counter_add (check->spf->failures, failure, 1);
        spf_guard_free (g_steal_pointer (&check->guard));
        go_on (check);
        return;
    }
    verdict = verdict_of (check->eval, &check->limits);
    g_ptr_array_unref (verdict->trace);
    verdict->trace = spf_guard_dup_trace (check->guard);
    verdict->result = result;
    verdict->problem = g_strdup (problem);
    verdict->libspf2 = true;
    verdict->n_questions = spf_guard_n_questions (check->guard);
    verdict->n_voids = spf_guard_n_voids (check->guard);
    check->guarded = verdict;
    relais_module_timer_set (check->timer, 0);
}

/* It takes loopback addresses for friends, and names that are none for domains. */
static bool
is_for_libspf2 (const SpfCheck *check, const SpfConfig *config, const char *ip)
{
    static const guint8 loopback[16] = {[15] = 1};
    SpfIp address;

    return config->libspf2 && check->spf->libspf2 != NULL && spf_ip_parse (ip, &address) &&
           !(address.six ? spf_ip_is_in (&address, loopback, 128)
                         : spf_ip_is_in (&address, (const guint8 *)"\177", 8)) &&
           spf_name_is_domain (spf_eval_get_domain (check->eval));
}

/* --- The check -------------------------------------------------------------------------------- */

static void
on_timer (gpointer data)
{
    SpfCheck *check = data;
    const SpfCheckFunc func = check->func;
    gpointer func_data = check->data;
    SpfVerdict *verdict = g_steal_pointer (&check->guarded);

    if (verdict == NULL) {
        spf_eval_stop (check->eval, SPF_TEMPERROR, "the check took too long");
        verdict = verdict_of (check->eval, &check->limits);
    }
    check_free (check);
    func (verdict, func_data);
}

SpfCheck *
spf_check_start (SpfModule *spf, const SpfConfig *config, const SpfIdentity *identity, bool trace,
                 SpfCheckFunc func, gpointer data)
{
    SpfCheck *check = g_new0 (SpfCheck, 1);

    check->spf = spf;
    check->limits = config->limits;
    check->limits.trace = trace;
    check->limits.explain = check->limits.explain || trace;
    check->eval = spf_eval_new (identity, &check->limits);
    check->timer = relais_module_timer_new (spf->module, on_timer, check);
    check->func = func;
    check->data = data;
    relais_module_timer_set (check->timer, config->deadline_us);
    if (is_for_libspf2 (check, config, identity->ip))
        check->guard = spf_guard_start (spf, identity, &check->limits, on_guard, check);
    else
        go_on (check);
    return check;
}

void
spf_check_cancel (SpfCheck *check)
{
    if (check != NULL)
        check_free (check);
}
