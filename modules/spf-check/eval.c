/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * check_host () of RFC 7208 section 4 as a state machine. Records that include each other lie on a stack of
 * ours, whose depth the number of terms bounds; each step looks at one term. Pure; any thread, one at a time.
 */
#include "eval.h"

#include <string.h>

enum { MECHANISM_BYTES = 400 };

static const char *const result_names[SPF_RESULTS] = {
    "none", "neutral", "pass", "fail", "softfail", "temperror", "permerror",
};

const char *
spf_result_to_string (SpfResult result)
{
    return result < SPF_RESULTS ? result_names[result] : "none";
}

/* --- Frames ----------------------------------------------------------------------------------- */

static void
frame_free (gpointer data)
{
    SpfFrame *frame = data;

    g_free (frame->domain);
    spf_record_free (frame->record);
    g_free (frame);
}

SpfFrame *
spf_eval_top (SpfEval *eval)
{
    return g_ptr_array_index (eval->frames, eval->frames->len - 1);
}

const SpfTerm *
spf_eval_term (SpfEval *eval)
{
    const SpfFrame *frame = spf_eval_top (eval);

    return &g_array_index (frame->record->terms, SpfTerm, frame->at);
}

/* Goes for the record of `domain`, which it takes over. */
static void
push_frame (SpfEval *eval, char *domain, bool required)
{
    SpfFrame *frame = g_new0 (SpfFrame, 1);

    frame->domain = domain;
    frame->required = required;
    g_ptr_array_add (eval->frames, frame);
    if (spf_name_is_domain (domain))
        spf_eval_ask (eval, STATE_RECORD, g_strdup (domain), SPF_DNS_TXT);
    else
        spf_eval_return (eval, SPF_NONE);
}

/* --- What the rest of the evaluator calls ----------------------------------------------------- */

void
spf_eval_ask (SpfEval *eval, SpfState state, char *name, SpfDnsType type)
{
    static const SpfAnswer absent = {SPF_DNS_NXDOMAIN, NULL, NULL};

    g_free (eval->name);
    eval->name = name;
    eval->question = (SpfQuestion){name, type};
    eval->state = state;
    if (spf_name_is_good (name))
        eval->n_questions++;
    else
        spf_eval_take_answer (eval, &absent);
}

void
spf_eval_next_term (SpfEval *eval)
{
    SpfFrame *frame = spf_eval_top (eval);

    frame->at++;
    frame->counted = frame->void_counted = false;
    eval->state = STATE_TERM;
}

void
spf_eval_return (SpfEval *eval, SpfResult result)
{
    eval->returned = result;
    eval->state = STATE_RETURN;
}

void
spf_eval_match (SpfEval *eval)
{
    const SpfTerm *term = spf_eval_term (eval);
    g_autofree char *inner = g_steal_pointer (&eval->mechanism);

    if (term->kind == SPF_INCLUDE && inner != NULL && strlen (inner) < MECHANISM_BYTES)
        eval->mechanism = g_strdup_printf ("%s > %s", term->text, inner);
    else
        eval->mechanism = g_strdup (term->text);
    spf_eval_return (eval, term->qualifier);
}

void
spf_eval_fail (SpfEval *eval, SpfResult result, char *problem)
{
    g_clear_pointer (&eval->mechanism, g_free);
    g_free (eval->problem);
    eval->problem = problem;
    eval->result = result;
    eval->state = STATE_DONE;
}

char *
spf_eval_expand (SpfEval *eval, const char *text, SpfMacroUse use)
{
    const SpfFrame *frame = spf_eval_top (eval);
    const SpfMacroValues values = {
        .sender = eval->sender,
        .local = eval->local,
        .sender_domain = eval->sender_domain,
        .domain = frame->domain,
        .helo = eval->helo,
        .receiver = eval->receiver,
        .validated = spf_eval_name_for (eval, frame->domain),
        .ip = &eval->ip,
        .now_s = eval->now_s,
    };

    return spf_macro_expand (text, use, &values);
}

/* --- Terms ------------------------------------------------------------------------------------ */

/* Counts what needs DNS, once; false if it is one too many. */
static bool
count_term (SpfEval *eval, SpfFrame *frame)
{
    if (frame->counted)
        return true;
    frame->counted = true;
    if (++eval->n_terms <= eval->limits.terms)
        return true;
    spf_eval_fail (eval, SPF_PERMERROR,
                   g_strdup_printf ("more than %u terms need DNS", eval->limits.terms));
    return false;
}

static void
look_up (SpfEval *eval, const SpfTerm *term, char *target)
{
    const SpfDnsType address = eval->ip.six ? SPF_DNS_AAAA : SPF_DNS_A;

    switch (term->kind) {
    case SPF_INCLUDE: push_frame (eval, target, true); return;
    case SPF_A: spf_eval_ask (eval, STATE_ADDRESS, target, address); return;
    case SPF_MX: spf_eval_ask (eval, STATE_MX, target, SPF_DNS_MX); return;
    default: spf_eval_ask (eval, STATE_EXISTS, target, SPF_DNS_A); return;
    }
}

static void
check_names (SpfEval *eval, const char *target)
{
    if (eval->names_void) {
        eval->names_void = false;
        if (!spf_eval_count_void (eval))
            return;
    }
    if (spf_eval_has_name_within (eval, target))
        spf_eval_match (eval);
    else
        spf_eval_next_term (eval);
}

static void
begin_lookup (SpfEval *eval, SpfFrame *frame, const SpfTerm *term)
{
    const bool names =
        term->kind == SPF_PTR || (term->domain != NULL && spf_macro_wants_names (term->domain));
    g_autofree char *target = NULL;

    if (!count_term (eval, frame) || (names && !spf_eval_need_names (eval, STATE_TERM)))
        return;
    target = term->domain != NULL ? spf_eval_expand (eval, term->domain, SPF_MACRO_DOMAIN)
                                  : g_strdup (frame->domain);
    if (term->kind == SPF_PTR)
        check_names (eval, target);
    else
        look_up (eval, term, g_steal_pointer (&target));
}

/* Another record takes the place of this one, which had no match. */
static void
redirect (SpfEval *eval, SpfFrame *frame)
{
    const char *spec = frame->record->redirect;
    char *target;

    if (!count_term (eval, frame) ||
        (spf_macro_wants_names (spec) && !spf_eval_need_names (eval, STATE_TERM)))
        return;
    target = spf_eval_expand (eval, spec, SPF_MACRO_DOMAIN);
    g_ptr_array_set_size (eval->frames, (gint)eval->frames->len - 1);
    push_frame (eval, target, true);
}

static void
look_at_term (SpfEval *eval)
{
    SpfFrame *frame = spf_eval_top (eval);
    const SpfTerm *term;

    if (frame->at == frame->record->terms->len) {
        if (frame->record->redirect != NULL) {
            redirect (eval, frame);
            return;
        }
        g_free (eval->mechanism);
        eval->mechanism = g_strdup ("default");
        spf_eval_return (eval, SPF_NEUTRAL);
        return;
    }
    term = spf_eval_term (eval);
    switch (term->kind) {
    case SPF_ALL: spf_eval_match (eval); return;
    case SPF_IP4:
    case SPF_IP6:
        if (eval->ip.six == (term->kind == SPF_IP6) &&
            spf_ip_is_in (&eval->ip, term->net, term->prefix4))
            spf_eval_match (eval);
        else
            spf_eval_next_term (eval);
        return;
    default: begin_lookup (eval, frame, term); return;
    }
}

/* --- Results ---------------------------------------------------------------------------------- */

static void
finish (SpfEval *eval)
{
    const SpfFrame *frame = spf_eval_top (eval);

    eval->result = eval->returned;
    if (eval->result == SPF_FAIL && eval->limits.explain && frame->record->explanation != NULL)
        eval->state = STATE_EXPLAIN;
    else
        eval->state = STATE_DONE;
}

/* RFC 7208 section 5.2: what an included record's result means for the one that includes it. */
static void
take_return (SpfEval *eval)
{
    const SpfFrame *frame = spf_eval_top (eval);

    if (eval->returned == SPF_NONE && frame->required) {
        spf_eval_fail (eval, SPF_PERMERROR,
                       g_strdup_printf ("%s has no SPF record", frame->domain));
        return;
    }
    if (eval->frames->len == 1) {
        finish (eval);
        return;
    }
    g_ptr_array_set_size (eval->frames, (gint)eval->frames->len - 1);
    if (eval->returned == SPF_PASS) {
        spf_eval_match (eval);
        return;
    }
    g_clear_pointer (&eval->mechanism, g_free);
    spf_eval_next_term (eval);
}

/* RFC 7208 section 6.2: whatever goes wrong on the way leaves the fail without explanation. */
static void
ask_for_explanation (SpfEval *eval)
{
    const char *spec = spf_eval_top (eval)->record->explanation;
    g_autofree char *target = NULL;

    if (spf_macro_wants_names (spec) && !spf_eval_need_names (eval, STATE_EXPLAIN))
        return;
    target = spf_eval_expand (eval, spec, SPF_MACRO_DOMAIN);
    spf_eval_ask (eval, STATE_EXPLANATION, g_steal_pointer (&target), SPF_DNS_TXT);
}

static void
expand_explanation (SpfEval *eval)
{
    g_autofree char *text = NULL;

    if (spf_macro_wants_names (eval->explanation) && !spf_eval_need_names (eval, STATE_EXPLAINED))
        return;
    text = g_steal_pointer (&eval->explanation);
    eval->explanation = spf_eval_expand (eval, text, SPF_MACRO_EXPLANATION);
    eval->state = STATE_DONE;
}

/* --- The outside ------------------------------------------------------------------------------ */

/* Local part without quotes and escapes: what it is, not how it is written. */
static char *
plain_local_part (const char *text, gsize size)
{
    GString *plain;

    if (size == 0)
        return g_strdup ("postmaster");
    if (size < 2 || text[0] != '"' || text[size - 1] != '"')
        return g_strndup (text, size);
    plain = g_string_sized_new (size);
    for (gsize i = 1; i + 1 < size; i++) {
        if (text[i] == '\\' && i + 2 < size)
            i++;
        g_string_append_c (plain, text[i]);
    }
    return g_string_free (plain, FALSE);
}

static void
take_sender (SpfEval *eval, const char *sender)
{
    const char *at;

    eval->is_helo = sender == NULL || sender[0] == '\0';
    at = eval->is_helo ? NULL : strrchr (sender, '@');
    eval->local = plain_local_part (sender, at != NULL ? (gsize)(at - sender) : 0);
    eval->sender_domain = g_strdup (eval->is_helo ? eval->helo : at != NULL ? at + 1 : sender);
    eval->sender = g_strconcat (eval->local, "@", eval->sender_domain, NULL);
}

SpfEval *
spf_eval_new (const SpfIdentity *identity, const SpfLimits *limits)
{
    SpfEval *eval = g_new0 (SpfEval, 1);

    eval->limits = *limits;
    eval->frames = g_ptr_array_new_with_free_func (frame_free);
    eval->trace = g_ptr_array_new_with_free_func (spf_trace_row_free);
    eval->helo = g_strdup (identity->helo != NULL ? identity->helo : "");
    eval->receiver = g_strdup (identity->receiver != NULL ? identity->receiver : "unknown");
    eval->now_s = identity->now_s;
    take_sender (eval, identity->sender);
    if (spf_ip_parse (identity->ip, &eval->ip))
        push_frame (eval, g_strdup (eval->sender_domain), false);
    else
        spf_eval_fail (eval, SPF_PERMERROR, g_strdup ("the client has no address"));
    return eval;
}

void
spf_eval_free (SpfEval *eval)
{
    if (eval == NULL)
        return;
    g_ptr_array_unref (eval->frames);
    g_ptr_array_unref (eval->trace);
    g_clear_pointer (&eval->hosts, g_ptr_array_unref);
    g_clear_pointer (&eval->names, g_ptr_array_unref);
    g_free (eval->sender);
    g_free (eval->local);
    g_free (eval->sender_domain);
    g_free (eval->helo);
    g_free (eval->receiver);
    g_free (eval->name);
    g_free (eval->mechanism);
    g_free (eval->problem);
    g_free (eval->explanation);
    g_free (eval);
}

const SpfQuestion *
spf_eval_next (SpfEval *eval)
{
    for (;;)
        switch (eval->state) {
        case STATE_TERM: look_at_term (eval); break;
        case STATE_RETURN: take_return (eval); break;
        case STATE_EXPLAIN: ask_for_explanation (eval); break;
        case STATE_EXPLAINED: expand_explanation (eval); break;
        case STATE_DONE: return NULL;
        default: return &eval->question;
        }
}

void
spf_eval_answer (SpfEval *eval, const SpfAnswer *answer)
{
    if (spf_eval_next (eval) == NULL)
        return;
    spf_eval_trace (eval, answer);
    spf_eval_take_answer (eval, answer);
}

void
spf_eval_stop (SpfEval *eval, SpfResult result, const char *problem)
{
    if (spf_eval_next (eval) == NULL)
        return;
    if (eval->result == SPF_FAIL) { /* it is the explanation alone that is late */
        g_clear_pointer (&eval->explanation, g_free);
        eval->state = STATE_DONE;
    } else
        spf_eval_fail (eval, result, g_strdup (problem));
}

SpfResult
spf_eval_get_result (const SpfEval *eval)
{
    return eval->result;
}

const char *
spf_eval_get_mechanism (const SpfEval *eval)
{
    return eval->mechanism;
}

const char *
spf_eval_get_problem (const SpfEval *eval)
{
    return eval->problem;
}

const char *
spf_eval_get_explanation (const SpfEval *eval)
{
    return eval->explanation;
}

const char *
spf_eval_get_domain (const SpfEval *eval)
{
    return eval->sender_domain;
}

bool
spf_eval_is_helo (const SpfEval *eval)
{
    return eval->is_helo;
}

guint
spf_eval_n_terms (const SpfEval *eval)
{
    return eval->n_terms;
}

guint
spf_eval_n_voids (const SpfEval *eval)
{
    return eval->n_voids;
}

guint
spf_eval_n_questions (const SpfEval *eval)
{
    return eval->n_questions;
}

const GPtrArray *
spf_eval_get_trace (const SpfEval *eval)
{
    return eval->trace;
}
