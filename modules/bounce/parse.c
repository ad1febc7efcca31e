/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl bounce parse`: reads files as the report reader would what came in by SMTP, and judges by the rules of the
 * configuration. Runs in relaisctl.
 */
#include "parse.h"

#include "report-judge.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <stdio.h>

/* As much of a file as is looked at; "-" is standard input. NULL with `errno`. */
static guint8 *
read_file (const char *path, gsize *size)
{
    const bool is_input = g_strcmp0 (path, "-") == 0;
    FILE *file = is_input ? stdin : fopen (path, "rbe");
    g_autofree guint8 *bytes = g_malloc (BOUNCE_REPORT_BYTES);
    int error;

    if (file == NULL)
        return NULL;
    *size = fread (bytes, 1, BOUNCE_REPORT_BYTES, file);
    error = ferror (file) != 0 ? errno : 0;
    if (!is_input)
        fclose (file);
    errno = error;
    return error == 0 ? g_steal_pointer (&bytes) : NULL;
}

static void
put_row (RelaisCommandCall *call, const BounceRules *rules, const char *path,
         const BounceReport *report, const BounceReportRecipient *recipient)
{
    const BounceReportRecipient none = {0};
    const BounceReportRecipient *row = recipient != NULL ? recipient : &none;
    BounceVerdict verdict;

    bounce_report_judge (rules, report, recipient, &verdict);
    relais_command_put (call, "file", path);
    relais_command_put (call, "kind", bounce_report_kind_to_string (report->kind));
    relais_command_put (call, "recipient", row->recipient);
    relais_command_put (call, "status", row->status);
    relais_command_put (call, "scope", relais_bounce_scope_to_string (verdict.scope));
    relais_command_put (call, "permanence",
                        relais_bounce_permanence_to_string (verdict.permanence));
    relais_command_put (call, "reason", verdict.reason);
    relais_command_put_bool (call, "suppress",
                             verdict.suppress != RELAIS_SUPPRESS_NONE &&
                                 verdict.suppress != RELAIS_SUPPRESS_SOFT);
    relais_command_put (call, "rule", verdict.rule);
    relais_command_put (call, "action", bounce_report_action_to_string (row->action));
    relais_command_put (call, "diagnostic", row->diagnostic);
    relais_command_put (call, "reporting_mta", report->reporting_mta);
    relais_command_put (call, "message_id", report->message_id);
    relais_command_end_row (call);
}

static bool
parse_file (RelaisCommandCall *call, const BounceRules *rules, const char *path)
{
    gsize size = 0;
    g_autofree guint8 *bytes = read_file (path, &size);
    g_autoptr (BounceReport) report = NULL;

    if (bytes == NULL) {
        g_autofree char *told = g_strdup_printf ("%s: %s", path, g_strerror (errno));

        relais_command_fail (call, RELAIS_EXIT_REFUSED, told);
        return false;
    }
    report = bounce_report_read (bytes, size);
    for (guint i = 0; i < report->recipients->len; i++)
        put_row (call, rules, path, report, g_ptr_array_index (report->recipients, i));
    if (report->recipients->len == 0)
        put_row (call, rules, path, report, NULL);
    return true;
}

void
bounce_command_parse (RelaisCommandCall *call, gpointer data)
{
    g_autoptr (GError) error = NULL;
    BounceRules *rules;
    bool going = true;

    if (relais_command_n_args (call) == 0) {
        relais_command_fail (call, RELAIS_EXIT_USAGE, _ ("expected the name of a FILE"));
        return;
    }
    rules = bounce_rules_new (relais_command_config (call), &error);
    if (rules == NULL) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED, error->message);
        return;
    }
    for (guint i = 0; going && i < relais_command_n_args (call); i++)
        going = parse_file (call, rules, relais_command_arg (call, i));
    bounce_rules_unref (rules);
    if (going)
        relais_command_finish (call);
}
