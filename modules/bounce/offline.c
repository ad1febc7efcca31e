/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl bounce explain`: a row of what a reply means. Runs in relaisctl.
 */
#include "offline.h"

#include <glib/gi18n-lib.h>
#include <string.h>

/* "550 5.1.1 no such user": a code, if there is one; the rest is text. */
static const char *
take_code (const char *text, guint *code)
{
    *code = 0;
    for (guint i = 0; i < 3; i++)
        if (!g_ascii_isdigit (text[i]))
            return text;
    if (text[0] < '2' || text[0] > '5' || (text[3] != '\0' && text[3] != ' ' && text[3] != '-'))
        return text;
    *code = (guint)((text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0'));
    return text[3] != '\0' ? text + 4 : text + 3;
}

void
bounce_command_explain (RelaisCommandCall *call, gpointer data)
{
    BounceReply reply = {.provider = relais_command_option (call, "provider"),
                         .phase = relais_command_option (call, "phase")};
    BounceRules *rules;
    BounceVerdict verdict;
    g_autoptr (GError) error = NULL;

    if (relais_command_n_args (call) != 1) {
        relais_command_fail (call, RELAIS_EXIT_USAGE, _ ("expected one REPLY, in quotes"));
        return;
    }
    rules = bounce_rules_new (relais_command_config (call), &error);
    if (rules == NULL) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED, error->message);
        return;
    }
    reply.text = take_code (relais_command_arg (call, 0), &reply.code);
    bounce_judge (rules, &reply, &verdict);
    relais_command_put (call, "scope", bounce_scope_to_string (verdict.scope));
    relais_command_put (call, "permanence", bounce_permanence_to_string (verdict.permanence));
    relais_command_put (call, "reason", verdict.reason);
    relais_command_put_bool (call, "suppress", verdict.suppress == RELAIS_SUPPRESS_HARD);
    relais_command_put (call, "rule", verdict.rule);
    relais_command_end_row (call);
    bounce_rules_free (rules);
    relais_command_finish (call);
}
