/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The harness: deliveries that lookups find, and the names of those that tokens are made for. The caller's
 * thread; lookups come from workers.
 */
#include "config.h"

#include "module/test-private.h"

#include <string.h>

static RelaisDelivered *
copy (const RelaisDelivered *delivered)
{
    RelaisDelivered *made = g_new (RelaisDelivered, 1);

    *made = (RelaisDelivered){.queue_id = g_strdup (delivered->queue_id),
                              .number = delivered->number,
                              .message_id = g_strdup (delivered->message_id),
                              .sender = g_strdup (delivered->sender),
                              .recipient = g_strdup (delivered->recipient),
                              .tenant = g_strdup (delivered->tenant),
                              .campaign = g_strdup (delivered->campaign),
                              .delivered_us = delivered->delivered_us};
    return made;
}

static bool
is_wanted (const RelaisDelivered *delivered, const char *queue_id, guint32 number,
           const char *message_id)
{
    return queue_id != NULL
               ? delivered->number == number && g_str_equal (delivered->queue_id, queue_id)
               : g_strcmp0 (delivered->message_id, message_id) == 0;
}

/* A worker. */
static GPtrArray *
find (gpointer data, const char *queue_id, guint32 number, const char *message_id, GError **error)
{
    RelaisTestDeliveries *deliveries = data;
    GPtrArray *found = NULL;

    g_mutex_lock (&deliveries->mutex);
    if (deliveries->error != NULL)
        g_set_error_literal (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_FILE,
                             deliveries->error);
    else
        found = g_ptr_array_new_with_free_func (relais_delivered_free);
    for (guint i = deliveries->all->len; found != NULL && i > 0; i--) {
        const RelaisDelivered *delivered = g_ptr_array_index (deliveries->all, i - 1);

        if (is_wanted (delivered, queue_id, number, message_id))
            g_ptr_array_add (found, copy (delivered));
    }
    g_mutex_unlock (&deliveries->mutex);
    return found;
}

void
relais_test_deliveries_init (RelaisTest *test)
{
    RelaisTestDeliveries *deliveries = &test->deliveries;

    g_mutex_init (&deliveries->mutex);
    deliveries->all = g_ptr_array_new_with_free_func (relais_delivered_free);
    test->host->find_deliveries = find;
    test->host->find_deliveries_data = deliveries;
}

void
relais_test_deliveries_clear (RelaisTest *test)
{
    g_ptr_array_unref (test->deliveries.all);
    g_free (test->deliveries.error);
    g_mutex_clear (&test->deliveries.mutex);
}

void
relais_test_add_delivery (RelaisTest *test, const gchar *queue_id, guint32 number,
                          const gchar *sender, const gchar *recipient, const gchar *tenant,
                          const gchar *campaign, const gchar *message_id, gint64 delivered_us)
{
    const RelaisDelivered delivered = {
        (char *)queue_id,  number,         (char *)message_id, (char *)sender,
        (char *)recipient, (char *)tenant, (char *)campaign,   delivered_us};

    g_return_if_fail (queue_id != NULL);
    g_mutex_lock (&test->deliveries.mutex);
    g_ptr_array_add (test->deliveries.all, copy (&delivered));
    g_mutex_unlock (&test->deliveries.mutex);
}

void
relais_test_fail_deliveries (RelaisTest *test, const gchar *error)
{
    g_mutex_lock (&test->deliveries.mutex);
    g_free (test->deliveries.error);
    test->deliveries.error = g_strdup (error);
    g_mutex_unlock (&test->deliveries.mutex);
}

void
relais_test_set_queue_id (RelaisTest *test, const gchar *queue_id)
{
    const bool good = relais_id_from_text (queue_id, &test->message->id);

    g_return_if_fail (good);
}

const gchar *
relais_test_get_sender (const RelaisTest *test)
{
    return test->new_sender != NULL ? test->new_sender : test->message->envelope.sender;
}
