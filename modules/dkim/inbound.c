/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Mail from outside, at the end of its data (MESSAGE): the verdicts about its signatures become results in
 * the one Authentication-Results field, the one that decides first. Mail of users and of trusted clients is
 * not looked at: it is ours to sign. No verdict refuses a message here. Loop thread.
 */
#include "verify.h"

#include <relais/log.h>
#include <string.h>

/* The ticket must outlive the check's own time, in which all of it ends. */
#define MARGIN_US (60 * G_USEC_PER_SEC)

typedef struct {
    RelaisTicket *ticket;
    DkimCheck *check; /* NULL until it was begun */
    DkimModule *dkim;
} Inbound;

static void
inbound_free (Inbound *inbound)
{
    relais_ticket_unref (inbound->ticket);
    g_free (inbound);
}

/* --- Results -------------------------------------------------------------------------------------- */

static void
add (RelaisHook *hook, DkimModule *dkim, const char *result, const char *reason,
     const char *const *properties)
{
    relais_counter_add (dkim->results, result, 1);
    if (!relais_hook_add_auth_result (hook, "dkim", result, reason, properties))
        relais_log (relais_hook_get_module (hook), RELAIS_LOG_WARNING, "dkim=%s was not taken",
                    result);
}

static void
add_verdict (RelaisHook *hook, DkimModule *dkim, const DkimVerdict *verdict)
{
    const DkimSignature *signature = &verdict->signature;
    const struct {
        const char *name, *value;
    } known[] = {{"header.d", signature->domain},
                 {"header.i", signature->identity},
                 {"header.s", signature->selector},
                 {"header.a", signature->algorithm_name},
                 {"header.b", signature->b}};
    g_autoptr (GPtrArray) properties = g_ptr_array_new_with_free_func (g_free);

    for (guint i = 0; i < G_N_ELEMENTS (known); i++)
        if (known[i].value != NULL)
            g_ptr_array_add (properties, g_strconcat (known[i].name, "=", known[i].value, NULL));
    g_ptr_array_add (properties, NULL);
    add (hook, dkim, verdict->result, verdict->reason, (const char *const *)properties->pdata);
}

static const char *
domain_of_from (RelaisHook *hook)
{
    const char *from = relais_message_get_header_from (relais_hook_get_message (hook));
    const char *at = from != NULL ? strrchr (from, '@') : NULL;

    return at != NULL ? at + 1 : NULL;
}

static void
add_all (RelaisHook *hook, DkimModule *dkim, DkimScan *scan)
{
    g_autofree char *ignored = NULL;

    if (scan->failure != NULL) {
        add (hook, dkim, "temperror", scan->failure, NULL);
        return;
    }
    if (scan->verdicts->len == 0)
        add (hook, dkim, "none", NULL, NULL);
    dkim_scan_sort (scan, domain_of_from (hook));
    for (guint i = 0; i < scan->verdicts->len; i++)
        add_verdict (hook, dkim, g_ptr_array_index (scan->verdicts, i));
    if (scan->n_ignored == 0)
        return;
    ignored = g_strdup_printf ("%u signatures more were not looked at", scan->n_ignored);
    add (hook, dkim, "policy", ignored, NULL);
}

/* --- The hook ------------------------------------------------------------------------------------- */

static void
verified (DkimScan *scan, const GPtrArray *answers, gpointer data)
{
    Inbound *inbound = data;
    RelaisHook *hook = relais_ticket_get_hook (inbound->ticket);

    if (hook != NULL)
        add_all (hook, inbound->dkim, scan);
    relais_ticket_complete (inbound->ticket, RELAIS_VERDICT_CONTINUE);
    inbound_free (inbound);
}

static void
cancelled (gpointer data)
{
    Inbound *inbound = data;

    dkim_check_cancel (inbound->check);
    inbound_free (inbound);
}

static gint64
read_original (gpointer data, guint64 offset, gpointer buffer, guint64 size, GError **error)
{
    return relais_original_read (data, offset, buffer, size, error);
}

static void
free_original (gpointer data)
{
    relais_original_unref (data);
}

/* Whether there is anything to do; a header that is not in memory is for a worker to look at. */
static bool
may_be_signed (RelaisHook *hook)
{
    guint64 size = 0, position = 0;
    const guint8 *header = relais_hook_get_header (hook, &size, NULL);
    RelaisHeaderField field;

    if (header == NULL)
        return true;
    while (relais_header_next_field (header, size, &position, &field))
        if (field.name_size == 14 &&
            g_ascii_strncasecmp (field.name, "DKIM-Signature", field.name_size) == 0)
            return true;
    return false;
}

static RelaisVerdict
check_message (RelaisHook *hook, gpointer data)
{
    DkimModule *dkim = data;
    const DkimConfig *config = relais_hook_get_config (hook);
    RelaisOriginal *original;
    Inbound *inbound;

    if (!config->verify || relais_hook_get_user (hook) != NULL || relais_hook_get_trusted (hook))
        return RELAIS_VERDICT_CONTINUE;
    if (!may_be_signed (hook)) {
        add (hook, dkim, "none", NULL, NULL);
        return RELAIS_VERDICT_CONTINUE;
    }
    original = relais_hook_dup_original (hook);
    inbound = g_new0 (Inbound, 1);
    inbound->dkim = dkim;
    inbound->ticket =
        original != NULL ? relais_hook_suspend (hook, "dkim", config->verify_timeout_us + MARGIN_US,
                                                cancelled, inbound)
                         : NULL;
    if (inbound->ticket == NULL) {
        relais_original_unref (original);
        g_free (inbound);
        add (hook, dkim, "temperror", "the message could not be read", NULL);
        return RELAIS_VERDICT_CONTINUE;
    }
    /* It may be over at once, and `inbound` gone; then nothing can be cancelled either. */
    DkimCheck *check = dkim_check_start (dkim->checks, read_original, original, free_original,
                                         config->verify_timeout_us, verified, inbound);
    if (check != NULL)
        inbound->check = check;
    return RELAIS_VERDICT_PENDING;
}

/* --- The module's part ------------------------------------------------------------------------------ */

gboolean
dkim_inbound_init (RelaisModule *module, GError **error)
{
    DkimModule *dkim = relais_module_get_data (module);
    const RelaisHookInfo info = {
        .struct_size = sizeof info,
        .hook = RELAIS_HOOK_MESSAGE,
        .name = "verify",
        .func = check_message,
        .data = dkim,
    };

    dkim->results = relais_counter_new (module, "dkim_results", "result");
    return relais_module_add_hook (module, &info, error);
}
