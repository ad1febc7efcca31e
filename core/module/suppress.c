/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The suppression list as modules use it (include/relais/suppress.h). A report counts as a job of its module until
 * it was called back, so that relais_host_stop () waits for it. Loop thread, but for reports and names.
 */
#include "config.h"

#include "module/module-private.h"

#include "suppress/suppress-private.h"

void
relais_host_set_suppression (RelaisHost *host, RelaisSuppression *suppression)
{
    host->suppression = suppression;
}

typedef struct {
    RelaisHost *host;
    RelaisModule *module;
    RelaisSuppressFunc done; /* or NULL */
    gpointer data;
} Report;

static void
on_done (gpointer data, RelaisSuppressResult result)
{
    Report *report = data;

    if (report->done != NULL) {
        RelaisGuard outer;

        relais_guard_enter (&outer, report->module, "suppress", 0);
        report->done (report->data, result);
        relais_guard_leave (&outer);
    }
    g_atomic_int_add (&report->host->jobs, -1);
    g_free (report);
}

static void
fail (gpointer data)
{
    on_done (data, RELAIS_SUPPRESS_FAILED);
}

void
relais_suppress_report (RelaisModule *module, const RelaisEvidence *evidence,
                        RelaisSuppressFunc done, gpointer data)
{
    RelaisHost *host = module->host;
    RelaisEvidence known;
    Report *report;

    g_return_if_fail (evidence != NULL);
    report = g_new (Report, 1);
    *report = (Report){host, module, done, data};
    g_atomic_int_inc (&host->jobs);
    if (!relais_copy_known (&known, sizeof known, evidence, evidence->struct_size)) {
        relais_log (module, RELAIS_LOG_ERROR,
                    "relais_suppress_report: evidence that this release does not know");
        relais_loop_post (host->loop, fail, report);
        return;
    }
    known.struct_size = sizeof known;
    if (host->test_suppression != NULL)
        relais_test_suppression_report (host->test_suppression, &known, on_done, report);
    else if (host->suppression != NULL)
        relais_suppression_report (host->suppression, &known, on_done, report);
    else
        relais_loop_post (host->loop, fail, report);
}

RelaisSuppressAnswer
relais_suppress_check (RelaisModule *module, const gchar *address, const gchar *tenant,
                       const gchar *campaign)
{
    const RelaisHost *host = module->host;

    relais_loop_assert_owner (host->loop);
    g_return_val_if_fail (address != NULL, RELAIS_SUPPRESS_UNKNOWN);
    if (host->test_suppression != NULL)
        return relais_test_suppression_check (host->test_suppression, address, tenant, campaign);
    if (host->suppression == NULL)
        return RELAIS_SUPPRESS_UNKNOWN;
    return relais_suppression_check (host->suppression, address, tenant, campaign, NULL);
}
