/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The queue that modules find in the harness: it takes what is submitted, and knows of what the test said. The
 * caller's thread.
 */
#include "config.h"

#include "module/test-private.h"

#include "conf/conf-private.h"

#include <string.h>

/* --- Submissions -------------------------------------------------------------------------------- */

static RelaisSubmitInfo *
info_copy (const RelaisSubmitInfo *info)
{
    RelaisSubmitInfo *copy = g_new (RelaisSubmitInfo, 1);

    *copy = *info;
    copy->sender = g_strdup (info->sender);
    copy->recipients = (const gchar *const *)g_strdupv ((gchar **)info->recipients);
    copy->message = g_bytes_ref (info->message);
    copy->tenant = g_strdup (info->tenant);
    copy->campaign = g_strdup (info->campaign);
    return copy;
}

static void
info_free (gpointer data)
{
    RelaisSubmitInfo *info = data;

    g_free ((char *)info->sender);
    g_strfreev ((gchar **)info->recipients);
    g_bytes_unref (info->message);
    g_free ((char *)info->tenant);
    g_free ((char *)info->campaign);
    g_free (info);
}

static void
submit (gpointer data, RelaisSubmission *submission)
{
    RelaisTest *test = data;
    const RelaisSection *limits = relais_config_find_section (test->host->config, "limits", NULL);
    const RelaisSubmitInfo *info = relais_submission_get_info (submission);
    g_autofree char *problem =
        relais_submit_info_problem (info, (guint64)relais_section_get_int (limits, "recipients"),
                                    (guint64)relais_section_get_int (limits, "message_size"));

    if (problem != NULL) {
        relais_submission_end (submission, RELAIS_SUBMIT_REFUSED, 0, problem);
    } else if (test->intake.outcome != RELAIS_SUBMIT_OK) {
        relais_submission_end (submission, test->intake.outcome, 0, test->intake.text);
    } else {
        g_queue_push_tail (&test->intake.submitted, info_copy (info));
        relais_submission_end (submission, RELAIS_SUBMIT_OK, ++test->intake.last_id, NULL);
    }
}

const RelaisSubmitInfo *
relais_test_take_submission (RelaisTest *test)
{
    g_clear_pointer (&test->intake.taken, info_free);
    test->intake.taken = g_queue_pop_head (&test->intake.submitted);
    return test->intake.taken;
}

void
relais_test_fail_submissions (RelaisTest *test, RelaisSubmitOutcome outcome, const gchar *text)
{
    test->intake.outcome = outcome;
    g_free (test->intake.text);
    test->intake.text = g_strdup (text);
}

/* --- What is queued ----------------------------------------------------------------------------- */

typedef struct {
    char *recipient, *reply;
    RelaisQueuedState state;
    guint attempts;
    gint64 next_us;
} Row;

static void
row_free (gpointer data)
{
    Row *row = data;

    g_free (row->recipient);
    g_free (row->reply);
    g_free (row);
}

static RelaisQueued *
describe (guint64 id, const GPtrArray *rows)
{
    g_autoptr (RelaisMessage) message = relais_message_new (id);
    RelaisQueued *queued;

    message->envelope.sender = g_strdup ("");
    for (guint i = 0; i < rows->len; i++)
        relais_envelope_add_recipient (&message->envelope,
                                       ((const Row *)rows->pdata[i])->recipient);
    queued = relais_queued_new (message);
    for (guint i = 0; i < rows->len; i++) {
        const Row *row = rows->pdata[i];

        relais_queued_set (queued, i, row->state, row->attempts, row->next_us, row->reply);
    }
    return queued;
}

static void
inquire (gpointer data, RelaisInquiry *inquiry)
{
    const RelaisTest *test = data;
    const guint64 id = relais_inquiry_get_id (inquiry);
    const GPtrArray *rows = g_hash_table_lookup (test->intake.queued, &id);

    if (test->intake.error != NULL)
        relais_inquiry_end (inquiry, NULL, test->intake.error);
    else
        relais_inquiry_end (inquiry, rows != NULL ? describe (id, rows) : NULL, NULL);
}

void
relais_test_add_queued (RelaisTest *test, const gchar *queue_id, const gchar *recipient,
                        RelaisQueuedState state, guint32 attempts, gint64 next_us,
                        const gchar *reply)
{
    GPtrArray *rows;
    Row *row;
    guint64 id;

    g_return_if_fail (relais_id_from_text (queue_id, &id));
    rows = g_hash_table_lookup (test->intake.queued, &id);
    if (rows == NULL) {
        rows = g_ptr_array_new_with_free_func (row_free);
        g_hash_table_insert (test->intake.queued, g_memdup2 (&id, sizeof id), rows);
    }
    row = g_new (Row, 1);
    *row = (Row){g_strdup (recipient), g_strdup (reply), state, attempts, next_us};
    g_ptr_array_add (rows, row);
}

void
relais_test_fail_queued (RelaisTest *test, const gchar *error)
{
    g_free (test->intake.error);
    test->intake.error = g_strdup (error);
}

/* --- Life --------------------------------------------------------------------------------------- */

static const RelaisIntake intake = {submit, inquire};

void
relais_test_intake_init (RelaisTest *test)
{
    g_queue_init (&test->intake.submitted);
    test->intake.queued = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free,
                                                 (GDestroyNotify)g_ptr_array_unref);
    relais_host_set_intake (test->host, &intake, test);
}

void
relais_test_intake_clear (RelaisTest *test)
{
    g_queue_clear_full (&test->intake.submitted, info_free);
    g_clear_pointer (&test->intake.taken, info_free);
    g_hash_table_unref (test->intake.queued);
    g_free (test->intake.text);
    g_free (test->intake.error);
}
