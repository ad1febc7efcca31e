/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * libspf2 under guard: its process is told what is known of DNS, says which answer it lacks, and is asked again with
 * it. It counts no lookups over includes and no void ones, so that is done here. Loop thread.
 */
#include "spf-check.h"

#include "wire.h"

/* A request is answered within microseconds; this is for a process that is stuck. */
#define CALL_US (2 * G_USEC_PER_SEC)

enum { LOOKUPS_PER_TERM = 4 };

/* A call cannot be taken back: it outlives the guard that made it. */
typedef struct {
    SpfGuard *guard; /* NULL once it was freed */
} Call;

struct SpfGuard {
    SpfModule *spf;
    SpfLimits limits;
    SpfWireRequest request;
    SpfWireReply reply; /* the last one; its questions are being answered */
    Call *call;         /* under way, or NULL */
    RelaisLookup *lookup;
    guint n_voids;
    SpfGuardFunc func;
    gpointer data;
};

static void ask_library (SpfGuard *guard);

/* --- DNS -------------------------------------------------------------------------------------- */

static const SpfWireAnswer *
question_of (const SpfGuard *guard)
{
    return g_ptr_array_index (guard->reply.questions, 0);
}

static void
fail (SpfGuard *guard, SpfResult result, const char *problem)
{
    guard->func (result, problem, NULL, guard->data);
}

static void
take_answer (SpfGuard *guard, const SpfAnswer *answer)
{
    const SpfWireAnswer *question = question_of (guard);
    const bool none = answer->outcome == SPF_DNS_NODATA || answer->outcome == SPF_DNS_NXDOMAIN;

    g_ptr_array_add (guard->request.answers,
                     spf_wire_answer_new (question->name, question->type, answer));
    if (none && question->type != SPF_DNS_TXT && ++guard->n_voids > guard->limits.voids)
        fail (guard, SPF_PERMERROR, "too many terms ask for what is not in DNS");
    else
        ask_library (guard);
}

static void
on_answer (const RelaisDnsAnswer *from, gpointer data)
{
    SpfGuard *guard = data;
    g_autoptr (GPtrArray) records = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
    const SpfAnswer answer = spf_check_read_answer (from, question_of (guard)->type, records);

    guard->lookup = NULL;
    take_answer (guard, &answer);
}

static void
look_up (SpfGuard *guard)
{
    static const SpfAnswer absent = {SPF_DNS_NXDOMAIN, NULL, NULL};
    const SpfWireAnswer *question = question_of (guard);
    g_autofree char *name = spf_name_to_text (question->name);

    if (guard->request.answers->len >= guard->limits.terms * LOOKUPS_PER_TERM)
        fail (guard, SPF_PERMERROR, "too many lookups");
    else if (spf_name_is_good (question->name))
        guard->lookup = relais_lookup (guard->spf->module, name, (RelaisDnsType)question->type,
                                       on_answer, guard);
    else
        take_answer (guard, &absent);
}

/* --- The library ------------------------------------------------------------------------------ */

static void
take_reply (SpfGuard *guard, GBytes *bytes)
{
    spf_wire_reply_clear (&guard->reply);
    guard->reply = (SpfWireReply){0};
    if (!spf_wire_unpack_reply (bytes, &guard->reply))
        guard->func (SPF_TEMPERROR, NULL, "malformed", guard->data);
    else if (guard->reply.questions->len > 0)
        look_up (guard);
    else
        guard->func (guard->reply.result, guard->reply.problem, NULL, guard->data);
}

static void
on_reply (RelaisHelperOutcome outcome, GBytes *reply, gpointer data)
{
    static const char *const failures[] = {[RELAIS_HELPER_DIED] = "died",
                                           [RELAIS_HELPER_TIMEOUT] = "timeout",
                                           [RELAIS_HELPER_BUSY] = "busy",
                                           [RELAIS_HELPER_STOPPED] = "stopped",
                                           [RELAIS_HELPER_FAILED] = "not-there"};
    Call *call = data;
    SpfGuard *guard = call->guard;

    g_free (call);
    if (guard == NULL)
        return;
    guard->call = NULL;
    if (outcome == RELAIS_HELPER_OK)
        take_reply (guard, reply);
    else
        guard->func (SPF_TEMPERROR, NULL,
                     outcome < G_N_ELEMENTS (failures) ? failures[outcome] : "failed", guard->data);
}

static void
ask_library (SpfGuard *guard)
{
    g_autoptr (GBytes) request = spf_wire_pack_request (&guard->request);

    guard->call = g_new (Call, 1);
    guard->call->guard = guard;
    relais_helper_call (guard->spf->libspf2, request, CALL_US, on_reply, guard->call);
}

/* --- The outside ------------------------------------------------------------------------------ */

SpfGuard *
spf_guard_start (SpfModule *spf, const SpfIdentity *identity, const SpfLimits *limits,
                 SpfGuardFunc func, gpointer data)
{
    SpfGuard *guard = g_new0 (SpfGuard, 1);

    guard->spf = spf;
    guard->limits = *limits;
    guard->request = (SpfWireRequest){g_strdup (identity->ip),
                                      g_strdup (identity->sender != NULL ? identity->sender : ""),
                                      g_strdup (identity->helo != NULL ? identity->helo : ""),
                                      g_ptr_array_new_with_free_func (spf_wire_answer_free)};
    guard->func = func;
    guard->data = data;
    ask_library (guard);
    return guard;
}

void
spf_guard_free (SpfGuard *guard)
{
    if (guard == NULL)
        return;
    if (guard->call != NULL)
        guard->call->guard = NULL;
    relais_lookup_cancel (guard->lookup);
    spf_wire_request_clear (&guard->request);
    spf_wire_reply_clear (&guard->reply);
    g_free (guard);
}

guint
spf_guard_n_questions (const SpfGuard *guard)
{
    return guard->request.answers->len;
}

guint
spf_guard_n_voids (const SpfGuard *guard)
{
    return guard->n_voids;
}

GPtrArray *
spf_guard_dup_trace (const SpfGuard *guard)
{
    GPtrArray *trace = g_ptr_array_new_with_free_func (spf_trace_row_free);

    for (guint i = 0; i < guard->request.answers->len; i++) {
        const SpfWireAnswer *from = g_ptr_array_index (guard->request.answers, i);
        const SpfAnswer answer = {from->outcome, NULL, from->records};

        g_ptr_array_add (trace, spf_trace_row_new (from->name, from->type, &answer));
    }
    return trace;
}
