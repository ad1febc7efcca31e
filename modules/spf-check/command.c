/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl spf eval`: a check as mail from there would get it, with what it cost and every answer of DNS that
 * it went by. Loop thread.
 */
#include "spf-check.h"

#include <glib/gi18n-lib.h>
#include <relais/timer.h>

#include "waiting.h"

/* A call that waits for its check. */
typedef struct {
    WaitingCall waiting;
    SpfCheck *check; /* NULL once it has told */
} Call;

static void
call_free (gpointer data)
{
    Call *call = data;

    spf_check_cancel (call->check);
    g_free (call);
}

/* --- Rows ------------------------------------------------------------------------------------- */

static void
put_verdict (RelaisCommandCall *call, const SpfVerdict *verdict)
{
    relais_command_put (call, "result", spf_result_to_string (verdict->result));
    relais_command_put (call, "identity", verdict->is_helo ? "helo" : "mailfrom");
    relais_command_put (call, "domain", verdict->domain);
    relais_command_put (call, "mechanism", verdict->mechanism);
    relais_command_put (call, "problem", verdict->problem);
    relais_command_put (call, "explanation", verdict->explanation);
    relais_command_put (call, "evaluator", verdict->libspf2 ? "libspf2" : "own");
    relais_command_end_row (call);
}

static void
put_costs (RelaisCommandCall *call, const SpfVerdict *verdict)
{
    relais_command_put_int (call, "terms", verdict->n_terms);
    relais_command_put_int (call, "terms_limit", verdict->limits.terms);
    relais_command_put_int (call, "void_lookups", verdict->n_voids);
    relais_command_put_int (call, "void_lookups_limit", verdict->limits.voids);
    relais_command_put_int (call, "questions", verdict->n_questions);
    relais_command_end_row (call);
}

static void
put_trace (RelaisCommandCall *call, const GPtrArray *trace)
{
    for (guint i = 0; i < trace->len; i++) {
        const SpfTraceRow *row = g_ptr_array_index (trace, i);

        relais_command_put_int (call, "question", i + 1);
        relais_command_put (call, "name", row->name);
        relais_command_put (call, "type", spf_dns_type_to_string (row->type));
        relais_command_put (call, "answer", row->text);
        relais_command_end_row (call);
    }
}

static void
tell (SpfVerdict *verdict, gpointer data)
{
    Call *waiting = data;
    RelaisCommandCall *call;

    waiting->check = NULL;
    call = waiting_call_end (&waiting->waiting);
    put_verdict (call, verdict);
    put_costs (call, verdict);
    put_trace (call, verdict->trace);
    spf_verdict_free (verdict);
    relais_command_finish (call);
}

/* --- The command ------------------------------------------------------------------------------ */

void
spf_command_eval (RelaisCommandCall *call, gpointer data)
{
    SpfModule *spf = relais_module_get_data (data);
    const SpfConfig *config = relais_module_get_config (data);
    const SpfIdentity identity = {relais_command_arg (call, 0), relais_command_arg (call, 1),
                                  relais_command_arg (call, 2), config->receiver,
                                  relais_module_wall_us (data) / G_USEC_PER_SEC};
    SpfIp ip;
    Call *waiting;

    if (relais_command_n_args (call) != 3 || !spf_ip_parse (identity.ip, &ip)) {
        relais_command_fail (
            call, RELAIS_EXIT_USAGE,
            _ ("three words are wanted: the client's address, the sender (\"\" for "
               "none) and the name of HELO"));
        return;
    }
    waiting = g_new0 (Call, 1);
    waiting_call_begin (&waiting->waiting, &spf->calls, call, call_free, waiting);
    waiting->check = spf_check_start (spf, config, &identity, true, tell, waiting);
}
