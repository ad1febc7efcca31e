/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Modules' submissions (include/relais/submit.h): copied on whichever thread they come from, and handed to the
 * queue on the loop. Each counts as a job of its module until it was told of, so that relais_host_stop () waits
 * for it.
 */
#include "config.h"

#include "module/module-private.h"

#include "message/address-private.h"

#include <string.h>

struct RelaisSubmission {
    RelaisHost *host;
    RelaisModule *submitter;
    const char *module;
    RelaisSubmitInfo info;
    char *sender, *tenant, *campaign;
    char **recipients;
    RelaisSubmitFunc done; /* or NULL */
    gpointer data;
};

const char *
relais_submission_get_module (const RelaisSubmission *submission)
{
    return submission->module;
}

const RelaisSubmitInfo *
relais_submission_get_info (const RelaisSubmission *submission)
{
    return &submission->info;
}

void
relais_submission_end (RelaisSubmission *submission, RelaisSubmitOutcome outcome, guint64 id,
                       const char *text)
{
    RelaisHost *host = submission->host;
    char id_text[RELAIS_ID_TEXT_BYTES];
    const RelaisSubmitResult result = {.struct_size = sizeof result,
                                       .outcome = outcome,
                                       .queue_id = outcome == RELAIS_SUBMIT_OK ? id_text : NULL,
                                       .text = text != NULL ? text : ""};

    relais_id_to_text (id, id_text);
    if (submission->done != NULL) {
        RelaisGuard outer;

        relais_guard_enter (&outer, submission->submitter, "submission", 0);
        submission->done (&result, submission->data);
        relais_guard_leave (&outer);
    }
    g_bytes_unref (submission->info.message);
    g_free (submission->sender);
    g_free (submission->tenant);
    g_free (submission->campaign);
    g_strfreev (submission->recipients);
    g_free (submission);
    g_atomic_int_add (&host->submissions, -1);
    g_atomic_int_add (&host->jobs, -1);
}

static void
hand_over (gpointer data)
{
    RelaisSubmission *submission = data;
    const RelaisHost *host = submission->host;

    if (host->intake != NULL)
        host->intake->submit (host->intake_data, submission);
    else
        relais_submission_end (submission, RELAIS_SUBMIT_FAILED, 0, "the daemon stops");
}

/* --- Form --------------------------------------------------------------------------------------- */

static bool
is_address (const char *text)
{
    g_autofree char *address = NULL;

    return relais_address_parse (text, strlen (text), false, &address, NULL) == RELAIS_ADDRESS_OK;
}

/* CRLF alone ends lines, the last one too. */
static bool
lines_are_whole (const guint8 *bytes, gsize size)
{
    const guint8 *at = bytes, *end = bytes + size;

    while (at < end) {
        const guint8 *lf = memchr (at, '\n', (gsize)(end - at));
        const guint8 *cr = memchr (at, '\r', (gsize)(end - at));

        if (lf == NULL || lf == at || cr != lf - 1)
            return false;
        at = lf + 1;
    }
    return size > 0;
}

char *
relais_submit_info_problem (const RelaisSubmitInfo *info, guint64 max_recipients, guint64 max_bytes)
{
    const guint n = g_strv_length ((gchar **)info->recipients);
    gsize size;
    const guint8 *bytes = g_bytes_get_data (info->message, &size);

    if (size > max_bytes)
        return g_strdup_printf ("found a message of %zu octets, wanted at most %" G_GUINT64_FORMAT
                                " (message_size of [limits])",
                                size, max_bytes);
    if (n == 0 || n > max_recipients)
        return g_strdup_printf ("found %u recipients, wanted 1 to %" G_GUINT64_FORMAT
                                " (recipients of [limits])",
                                n, max_recipients);
    if (info->sender[0] != '\0' && !is_address (info->sender))
        return g_strdup_printf ("found sender '%s', wanted an address or \"\"", info->sender);
    for (guint i = 0; i < n; i++)
        if (!is_address (info->recipients[i]))
            return g_strdup_printf ("found recipient '%s', wanted an address", info->recipients[i]);
    if (!lines_are_whole (bytes, size))
        return g_strdup ("found a CR or LF that stands alone, or no end of line at the end");
    return NULL;
}

/* --- Handing over ------------------------------------------------------------------------------- */

static RelaisSubmission *
submission_new (RelaisModule *module, const RelaisSubmitInfo *info)
{
    RelaisSubmission *submission = g_new0 (RelaisSubmission, 1);

    submission->host = module->host;
    submission->submitter = module;
    submission->module = module->descriptor.name;
    submission->sender = g_strdup (info->sender != NULL ? info->sender : "");
    submission->recipients = g_strdupv ((gchar **)info->recipients);
    submission->tenant = g_strdup (info->tenant);
    submission->campaign = g_strdup (info->campaign);
    submission->info =
        (RelaisSubmitInfo){.struct_size = sizeof submission->info,
                           .message_class = info->message_class,
                           .sender = submission->sender,
                           .recipients = (const gchar *const *)submission->recipients,
                           .message = g_bytes_ref (info->message),
                           .tenant = submission->tenant,
                           .campaign = submission->campaign};
    return submission;
}

gboolean
relais_submit (RelaisModule *module, const RelaisSubmitInfo *info, RelaisSubmitFunc done,
               gpointer data)
{
    RelaisHost *host;
    RelaisSubmission *submission;
    RelaisSubmitInfo known;

    g_return_val_if_fail (module != NULL && info != NULL, FALSE);
    host = module->host;
    if (!relais_copy_known (&known, sizeof known, info, info->struct_size) ||
        known.recipients == NULL || known.message == NULL ||
        known.message_class > RELAIS_MESSAGE_BULK)
        return FALSE;
    if (g_atomic_int_add (&host->submissions, 1) >= RELAIS_SUBMISSIONS) {
        g_atomic_int_add (&host->submissions, -1);
        return FALSE;
    }
    submission = submission_new (module, &known);
    submission->done = done;
    submission->data = data;
    g_atomic_int_inc (&host->jobs);
    relais_loop_post (host->loop, hand_over, submission);
    return TRUE;
}
