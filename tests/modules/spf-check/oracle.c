/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Runs libspf2, as the helper program does, over the zones and cases of lines.h, and says for each: ID RESULT.
 */
#include "lines.h"

#include "spf2.h"

#include <stdio.h>

enum { ROUNDS_MOST = 200 };

static Spf2 *spf2;

static void
add_answers (const Zone *zone, const SpfWireReply *reply, SpfWireRequest *request)
{
    for (guint i = 0; i < reply->questions->len; i++) {
        const SpfWireAnswer *asked = g_ptr_array_index (reply->questions, i);
        const SpfQuestion question = {asked->name, asked->type};
        SpfAnswer answer = zone_ask (zone, &question);

        g_ptr_array_add (request->answers, spf_wire_answer_new (asked->name, asked->type, &answer));
        g_clear_pointer (&answer.records, g_ptr_array_unref);
    }
}

/* Answers what is asked until there is a verdict. */
static SpfResult
evaluate (const Zone *zone, const SpfIdentity *identity)
{
    SpfWireRequest request = {g_strdup (identity->ip), g_strdup (identity->sender),
                              g_strdup (identity->helo),
                              g_ptr_array_new_with_free_func (spf_wire_answer_free)};
    SpfResult result = SPF_TEMPERROR;
    bool open = true;

    for (guint round = 0; open && round < ROUNDS_MOST; round++) {
        SpfWireReply reply;

        spf2_evaluate (spf2, &request, &reply);
        open = reply.questions->len > 0;
        result = reply.result;
        add_answers (zone, &reply, &request);
        spf_wire_reply_clear (&reply);
    }
    spf_wire_request_clear (&request);
    return open ? SPF_TEMPERROR : result;
}

static void
run (const Zone *zone, const char *id, const SpfIdentity *identity)
{
    printf ("%s %s\n", id, spf_result_to_string (evaluate (zone, identity)));
}

int
main (void)
{
    int status;

    spf2 = spf2_new ();
    status = lines_run (run);
    spf2_free (spf2);
    return status;
}
