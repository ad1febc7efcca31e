/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What answers of DNS mean to the evaluator, in each state that waits for one. Pure; any thread.
 */
#include "eval.h"

#include <string.h>

bool
spf_eval_count_void (SpfEval *eval)
{
    SpfFrame *frame = spf_eval_top (eval);

    if (frame->void_counted)
        return true;
    frame->void_counted = true;
    if (++eval->n_voids <= eval->limits.voids)
        return true;
    spf_eval_fail (
        eval, SPF_PERMERROR,
        g_strdup_printf ("more than %u terms ask for what is not in DNS", eval->limits.voids));
    return false;
}

/* Goes on behind a term that did not match, where nothing was found. */
static void
take_void (SpfEval *eval)
{
    if (spf_eval_count_void (eval))
        spf_eval_next_term (eval);
}

/* RFC 7208 section 5: no answer is no basis for a verdict. */
static bool
is_error (SpfEval *eval, const SpfAnswer *answer)
{
    if (answer->outcome != SPF_DNS_ERROR)
        return false;
    spf_eval_fail (eval, SPF_TEMPERROR,
                   g_strdup_printf ("%s of %s: %s", spf_dns_type_to_string (eval->question.type),
                                    eval->question.name,
                                    answer->reason != NULL ? answer->reason : "no answer"));
    return true;
}

static guint
n_records (const SpfAnswer *answer)
{
    return answer->outcome == SPF_DNS_DATA && answer->records != NULL ? answer->records->len : 0;
}

static const guint8 *
nth_record (const SpfAnswer *answer, guint n, gsize *size)
{
    return g_bytes_get_data (g_ptr_array_index (answer->records, n), size);
}

/* --- A domain's record ------------------------------------------------------------------------ */

static void
take_text (SpfEval *eval, const guint8 *bytes, gsize size)
{
    SpfFrame *frame = spf_eval_top (eval);
    g_autofree char *problem = NULL;

    frame->record = spf_record_parse (bytes, size, &problem);
    if (frame->record != NULL)
        eval->state = STATE_TERM;
    else
        spf_eval_fail (eval, SPF_PERMERROR,
                       g_strdup_printf ("record of %s: %s", frame->domain, problem));
}

GBytes *
spf_answer_find_record (const SpfAnswer *answer, guint *n)
{
    GBytes *found = NULL;

    *n = 0;
    for (guint i = 0; i < n_records (answer); i++) {
        gsize size;
        const guint8 *bytes = nth_record (answer, i, &size);

        if (!spf_record_is_spf (bytes, size))
            continue;
        found = g_ptr_array_index (answer->records, i);
        ++*n;
    }
    return *n == 1 ? found : NULL;
}

static void
take_records (SpfEval *eval, const SpfAnswer *answer)
{
    GBytes *found;
    guint n;

    if (is_error (eval, answer))
        return;
    found = spf_answer_find_record (answer, &n);
    if (n == 0)
        spf_eval_return (eval, SPF_NONE);
    else if (n == 1)
        take_text (eval, g_bytes_get_data (found, NULL), g_bytes_get_size (found));
    else
        spf_eval_fail (eval, SPF_PERMERROR,
                       g_strdup_printf ("%s has %u SPF records", spf_eval_top (eval)->domain, n));
}

/* --- Terms ------------------------------------------------------------------------------------ */

static guint
prefix_of (SpfEval *eval)
{
    const SpfTerm *term = spf_eval_term (eval);

    return eval->ip.six ? term->prefix6 : term->prefix4;
}

static void
take_address (SpfEval *eval, const SpfAnswer *answer)
{
    if (is_error (eval, answer))
        return;
    if (n_records (answer) == 0)
        take_void (eval);
    else if (spf_eval_is_among (eval, answer, prefix_of (eval)))
        spf_eval_match (eval);
    else
        spf_eval_next_term (eval);
}

static void
take_exists (SpfEval *eval, const SpfAnswer *answer)
{
    if (is_error (eval, answer))
        return;
    if (n_records (answer) == 0)
        take_void (eval);
    else
        spf_eval_match (eval);
}

/* Asks for the addresses of the mx' next host; behind the last one, the term did not match. */
static void
next_host (SpfEval *eval)
{
    while (eval->host < eval->hosts->len) {
        const char *name = g_ptr_array_index (eval->hosts, eval->host);

        eval->host++;
        if (name[0] == '\0') /* the null MX of RFC 7505 */
            continue;
        spf_eval_ask (eval, STATE_MX_HOST, g_strdup (name),
                      eval->ip.six ? SPF_DNS_AAAA : SPF_DNS_A);
        return;
    }
    if (eval->any_address)
        spf_eval_next_term (eval);
    else
        take_void (eval);
}

static void
take_mx (SpfEval *eval, const SpfAnswer *answer)
{
    const guint n = n_records (answer);

    if (is_error (eval, answer))
        return;
    if (n > eval->limits.mx_names) {
        spf_eval_fail (eval, SPF_PERMERROR,
                       g_strdup_printf ("%s has more than %u MX hosts", eval->question.name,
                                        eval->limits.mx_names));
        return;
    }
    g_clear_pointer (&eval->hosts, g_ptr_array_unref);
    eval->hosts = g_ptr_array_new_with_free_func (g_free);
    eval->host = 0;
    eval->any_address = false;
    for (guint i = 0; i < n; i++) {
        gsize size;
        const guint8 *bytes = nth_record (answer, i, &size);

        g_ptr_array_add (eval->hosts, g_strndup (bytes != NULL ? (const char *)bytes : "", size));
    }
    next_host (eval);
}

static void
take_mx_host (SpfEval *eval, const SpfAnswer *answer)
{
    if (is_error (eval, answer))
        return;
    eval->any_address = eval->any_address || n_records (answer) > 0;
    if (spf_eval_is_among (eval, answer, prefix_of (eval)))
        spf_eval_match (eval);
    else
        next_host (eval);
}

/* --- The explanation -------------------------------------------------------------------------- */

static void
take_explanation (SpfEval *eval, const SpfAnswer *answer)
{
    gsize size = 0;
    const guint8 *bytes = n_records (answer) == 1 ? nth_record (answer, 0, &size) : NULL;

    eval->state = STATE_DONE;
    if (size == 0 || size > SPF_RECORD_BYTES ||
        !spf_macro_is_valid ((const char *)bytes, size, SPF_MACRO_EXPLANATION))
        return;
    eval->explanation = g_strndup ((const char *)bytes, size);
    eval->state = STATE_EXPLAINED;
}

void
spf_eval_take_answer (SpfEval *eval, const SpfAnswer *answer)
{
    switch (eval->state) {
    case STATE_RECORD: take_records (eval, answer); return;
    case STATE_ADDRESS: take_address (eval, answer); return;
    case STATE_MX: take_mx (eval, answer); return;
    case STATE_MX_HOST: take_mx_host (eval, answer); return;
    case STATE_EXISTS: take_exists (eval, answer); return;
    case STATE_PTR: spf_eval_take_ptr (eval, answer); return;
    case STATE_PTR_HOST: spf_eval_take_ptr_host (eval, answer); return;
    case STATE_EXPLANATION: take_explanation (eval, answer); return;
    default: return;
    }
}
