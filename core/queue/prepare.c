/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Preparation of a message for one peer: REWRITE, what the peer's capabilities ask for, SEAL. Runs on
 * a worker while the attempt is in the step PREPARING, when nobody else touches it; or inline on
 * the loop when there is nothing to do.
 */
#include "config.h"

#include "queue/attempt-private.h"

#include "message/outgoing-private.h"

#include <string.h>

enum { LINE_OCTETS = 998 /* RFC 5322 section 2.1.1 */ };

static bool
fits (const RelaisAttempt *attempt, const RelaisBodyFacts *facts)
{
    return facts->longest_line <= LINE_OCTETS && facts->longest_header_line <= LINE_OCTETS &&
           (attempt->limits.eight_bit_allowed || (!facts->eight_bit && !facts->eight_bit_header));
}

bool
relais_prepare_inline (RelaisAttempt *attempt)
{
    RelaisQueue *queue = attempt->queue;
    const RelaisMessage *message = attempt->live->message;
    const RelaisBodyFacts *facts = relais_body_facts (message->body);
    RelaisRope *rope;

    if (queue->host != NULL && (relais_host_has (queue->host, RELAIS_HOOK_REWRITE) ||
                                relais_host_has (queue->host, RELAIS_HOOK_SEAL)))
        return false;
    if (!fits (attempt, facts) || !relais_body_in_memory (message->body))
        return false;
    rope = relais_rope_new_message (message);
    g_clear_pointer (&attempt->rope, relais_rope_unref);
    attempt->rope = rope;
    attempt->ends_a_line = false; /* in memory: seen there */
    attempt->eight_bit = facts->eight_bit || facts->eight_bit_header;
    return true;
}

static void
say (RelaisAttempt *attempt, RelaisPrepared prepared, const char *enhanced, const char *text)
{
    attempt->prepared = prepared;
    g_strlcpy (attempt->enhanced, enhanced, sizeof attempt->enhanced);
    g_free (attempt->text);
    attempt->text = g_strdup (text);
}

static bool
note_error (RelaisAttempt *attempt, const GError *error)
{
    bool damaged = g_error_matches (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_DAMAGED);

    say (attempt, damaged ? RELAIS_PREPARED_DAMAGED : RELAIS_PREPARED_BROKEN, "4.3.0",
         error != NULL ? error->message : "read error");
    return false;
}

/* Runs one of the two hooks; false if it does not want the message out now. */
static bool
run_hook (RelaisAttempt *attempt, RelaisHookId hook)
{
    RelaisHost *host = attempt->queue->host;
    RelaisHookResult result = {0};
    bool ok;

    if (host == NULL || !relais_host_has (host, hook))
        return true;
    attempt->subject.rope = attempt->rope;
    relais_host_run_worker (host, hook, &attempt->subject, &result);
    attempt->rope = attempt->subject.rope;
    ok = result.verdict == RELAIS_VERDICT_CONTINUE || result.verdict == RELAIS_VERDICT_ACCEPT;
    if (!ok)
        say (attempt, RELAIS_PREPARED_DEFER, result.enhanced[0] == '4' ? result.enhanced : "4.7.0",
             result.text != NULL ? result.text : "held back by a module");
    relais_hook_result_clear (&result);
    return ok;
}

static bool
fit (RelaisAttempt *attempt, bool edited)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (RelaisRope) before = g_steal_pointer (&attempt->rope);
    const RelaisSubject *subject = &attempt->subject;
    /* What was learnt of the stored bytes says nothing of bytes that a module rewrote. */
    const RelaisBodyFacts *facts = !edited ? relais_body_facts (attempt->live->message->body)
                                   : subject->has_facts ? &subject->facts
                                                        : NULL;

    switch (relais_outgoing_fit (before, facts, &attempt->limits, &attempt->rope,
                                 &attempt->eight_bit, &error)) {
    case RELAIS_TRANSPORT_AS_IS:
    case RELAIS_TRANSPORT_CHANGED: return true;
    case RELAIS_TRANSPORT_REFUSED:
        say (attempt, RELAIS_PREPARED_REFUSE, "5.6.3",
             "a signed or encrypted part would have to be changed for the next host");
        return false;
    case RELAIS_TRANSPORT_ERROR: break;
    }
    return note_error (attempt, error);
}

static bool
seal (RelaisAttempt *attempt)
{
    g_autoptr (GByteArray) lines = g_byte_array_new ();
    bool ok;

    attempt->subject.sealed = lines;
    ok = run_hook (attempt, RELAIS_HOOK_SEAL);
    attempt->subject.sealed = NULL;
    if (ok && lines->len > 0)
        relais_rope_prepend_copy (attempt->rope, lines->data, lines->len);
    return ok;
}

/* What is on disk cannot be looked at by the connection, which has to know whether BDAT may send it. */
static void
look_at_end (RelaisAttempt *attempt)
{
    guint64 size = relais_rope_size (attempt->rope);
    guint8 end[2];

    attempt->ends_a_line = size >= sizeof end &&
                           relais_rope_read (attempt->rope, size - 2, end, 2, NULL) == 2 &&
                           end[0] == '\r' && end[1] == '\n';
}

void
relais_prepare_work (gpointer data)
{
    RelaisAttempt *attempt = data;
    g_autoptr (RelaisRope) stored = NULL;
    g_autoptr (GError) error = NULL;
    guint8 first;

    attempt->prepared = RELAIS_PREPARED_OK;
    attempt->ends_a_line = false;
    g_clear_pointer (&attempt->rope, relais_rope_unref);
    stored = relais_rope_new_message (attempt->live->message);
    attempt->rope = relais_rope_ref (stored);
    attempt->subject.new_sender = &attempt->sender;
    attempt->subject.has_facts = false;
    /* The first read of a body that lies on disk checks the whole. */
    if (relais_body_facts (attempt->live->message->body)->size_bytes > 0 &&
        !relais_body_read (attempt->live->message->body, 0, &first, 1, &error)) {
        note_error (attempt, error);
        return;
    }
    if (run_hook (attempt, RELAIS_HOOK_REWRITE) && fit (attempt, attempt->rope != stored) &&
        seal (attempt))
        look_at_end (attempt);
}
