/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Results of checks as modules add and read them (include/relais/hook.h). Loop thread.
 */
#include "config.h"

#include "module/module-private.h"

#include <string.h>

/* The first result of a method stays with the message. */
static void
keep (RelaisMessage *message, const char *method, const char *result)
{
    g_autofree char *name = g_strconcat (method, ".result", NULL);
    g_autoptr (GBytes) value = g_bytes_new (result, strlen (result));

    if (message != NULL && relais_message_find_attribute (message, name) == NULL)
        relais_message_set_attribute (message, name, value);
}

gboolean
relais_hook_add_auth_result (RelaisHook *hook, const gchar *method, const gchar *result,
                             const gchar *reason, const gchar *const *properties)
{
    RelaisSubject *subject = hook->subject;

    g_return_val_if_fail (method != NULL && result != NULL, FALSE);
    if (hook->id != RELAIS_HOOK_MESSAGE || subject->trace == NULL ||
        !relais_trace_add_result (subject->trace, method, result, reason, properties))
        return FALSE;
    keep (subject->message, method, result);
    return TRUE;
}

guint32
relais_hook_n_auth_results (const RelaisHook *hook)
{
    return hook->subject->trace != NULL ? relais_trace_n_results (hook->subject->trace) : 0;
}

static const RelaisAuthResult *
nth (const RelaisHook *hook, guint32 n)
{
    return hook->subject->trace != NULL ? relais_trace_nth_result (hook->subject->trace, n) : NULL;
}

const gchar *
relais_hook_get_auth_method (const RelaisHook *hook, guint32 n)
{
    const RelaisAuthResult *result = nth (hook, n);

    return result != NULL ? result->method : NULL;
}

const gchar *
relais_hook_get_auth_result (const RelaisHook *hook, guint32 n)
{
    const RelaisAuthResult *result = nth (hook, n);

    return result != NULL ? result->result : NULL;
}

const gchar *
relais_hook_get_auth_property (const RelaisHook *hook, guint32 n, const gchar *name)
{
    const RelaisAuthResult *result = nth (hook, n);

    return result != NULL ? relais_auth_result_get_property (result, name) : NULL;
}
