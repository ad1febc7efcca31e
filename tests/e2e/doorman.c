/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * doorman: a module for quick-walk.py and full-walk.py alone. What it says of a client's name, a user, a sender, a
 * recipient or a message stands in their own text: "door-" and a verdict; with "-slow" behind it takes a
 * millisecond to say so. Loop.
 */
#include <relais/hook.h>
#include <relais/message.h>
#include <relais/module.h>
#include <relais/timer.h>

#include <string.h>

enum { SLOW_US = 1000, LONGEST_US = 10 * 1000 * 1000 };

typedef struct {
    RelaisTicket *ticket;
    RelaisModuleTimer *timer;
    RelaisVerdict verdict;
} Waiting;

static void
waiting_free (gpointer data)
{
    Waiting *waiting = data;

    relais_module_timer_free (waiting->timer);
    relais_ticket_unref (waiting->ticket);
    g_free (waiting);
}

static void
on_time (gpointer data)
{
    Waiting *waiting = data;

    (void)relais_ticket_complete (waiting->ticket, waiting->verdict);
    waiting_free (waiting);
}

static RelaisVerdict
take_time (RelaisHook *hook, RelaisVerdict verdict)
{
    Waiting *waiting = g_new0 (Waiting, 1);

    waiting->verdict = verdict;
    waiting->ticket = relais_hook_suspend (hook, "the door", LONGEST_US, waiting_free, waiting);
    if (waiting->ticket == NULL) {
        g_free (waiting);
        return RELAIS_VERDICT_TEMPFAIL;
    }
    waiting->timer = relais_module_timer_new (relais_hook_get_module (hook), on_time, waiting);
    relais_module_timer_set (waiting->timer, SLOW_US);
    return RELAIS_VERDICT_PENDING;
}

static RelaisVerdict
say (RelaisHook *hook, const gchar *text)
{
    static const struct {
        const gchar *word;
        RelaisVerdict verdict;
    } words[] = {
        {"reject", RELAIS_VERDICT_REJECT},   {"later", RELAIS_VERDICT_TEMPFAIL},
        {"accept", RELAIS_VERDICT_ACCEPT},   {"discard", RELAIS_VERDICT_DISCARD},
        {"hold", RELAIS_VERDICT_QUARANTINE}, {"pass", RELAIS_VERDICT_CONTINUE},
    };
    const gchar *door = text != NULL ? strstr (text, "door-") : NULL;

    for (guint i = 0; door != NULL && i < G_N_ELEMENTS (words); i++)
        if (g_str_has_prefix (door + strlen ("door-"), words[i].word))
            return g_str_has_prefix (door + strlen ("door-") + strlen (words[i].word), "-slow")
                       ? take_time (hook, words[i].verdict)
                       : words[i].verdict;
    return RELAIS_VERDICT_CONTINUE;
}

static RelaisVerdict
on_helo (RelaisHook *hook, gpointer data)
{
    return say (hook, relais_hook_get_helo (hook));
}

static RelaisVerdict
on_auth (RelaisHook *hook, gpointer data)
{
    return say (hook, relais_hook_get_user (hook));
}

static RelaisVerdict
on_mail (RelaisHook *hook, gpointer data)
{
    return say (hook, relais_hook_get_sender (hook));
}

static RelaisVerdict
on_rcpt (RelaisHook *hook, gpointer data)
{
    return say (hook, relais_hook_get_recipient (hook, 0));
}

static RelaisVerdict
on_message (RelaisHook *hook, gpointer data)
{
    guint64 size = 0, position = 0;
    const guint8 *block = relais_hook_get_header (hook, &size, NULL);
    RelaisHeaderField field;

    while (block != NULL && relais_header_next_field (block, size, &position, &field)) {
        g_autofree gchar *value = NULL;

        if (field.name_size != strlen ("X-Door") || memcmp (field.name, "X-Door", 6) != 0)
            continue;
        value = g_strndup ((const gchar *)field.value, field.value_size);
        return say (hook, value);
    }
    return RELAIS_VERDICT_CONTINUE;
}

static gboolean
init (RelaisModule *module, GError **error)
{
    static const struct {
        RelaisHookId hook;
        RelaisHookFunc func;
    } hooks[] = {{RELAIS_HOOK_HELO, on_helo},
                 {RELAIS_HOOK_AUTH, on_auth},
                 {RELAIS_HOOK_MAIL, on_mail},
                 {RELAIS_HOOK_RCPT, on_rcpt},
                 {RELAIS_HOOK_MESSAGE, on_message}};

    for (guint i = 0; i < G_N_ELEMENTS (hooks); i++) {
        const RelaisHookInfo info = {.struct_size = sizeof info,
                                     .hook = hooks[i].hook,
                                     .name = "door",
                                     .func = hooks[i].func};

        if (!relais_module_add_hook (module, &info, error))
            return FALSE;
    }
    return TRUE;
}

static const RelaisModuleOps ops = {.struct_size = sizeof ops, .init = init};

RELAIS_MODULE_DEFINE (doorman, .name = "doorman", .version = "1", .summary = "a doorman for a test",
                      .license = "GPL-3.0-or-later", .ops = &ops);
