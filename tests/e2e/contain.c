/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A module that does everything wrong, by the local part of the recipient: what comes of it is what
 * tests/e2e/quick-contain.py and full-contain.py are about. `route` does it on the loop, `rewrite` on a worker, `rcpt`
 * completes tickets when it must not.
 */
#include <relais/hook.h>
#include <relais/log.h>
#include <relais/module.h>
#include <relais/timer.h>

#include <stdlib.h>
#include <string.h>

enum { LEAK_STEPS = 64, LEAK_BYTES = 16 << 20 }; /* 1 GiB */

static const RelaisOption options[] = {
    {"contain", "start", RELAIS_OPTION_BOOL, 0, "yes", 0, 0, NULL, "Whether it starts."},
};

/* --- What ends the process -------------------------------------------------------------------- */

static void
do_abort (void)
{
    abort ();
}

static void
do_spin (void)
{
    for (volatile guint i = 0;; i++)
        continue;
}

static void
do_leak (void)
{
    for (guint i = 0; i < LEAK_STEPS; i++)
        memset (g_malloc (LEAK_BYTES), 1, LEAK_BYTES);
}

static void
do_const (void)
{
    static const char text[4096] = "these octets cannot be written";
    volatile char *bytes = (volatile char *)text;

    bytes[0] = 'T';
}

static void
do_slow (void)
{
    g_usleep (120000);
}

static const struct {
    const char *word;
    void (*deed) (void);
} deeds[] = {{"abort", do_abort},
             {"spin", do_spin},
             {"leak", do_leak},
             {"const", do_const},
             {"slow", do_slow}};

static void
misbehave (const RelaisHook *hook, const char *place)
{
    const char *recipient = relais_hook_get_recipient (hook, 0);
    gsize size = strlen (place);

    if (recipient == NULL || strncmp (recipient, place, size) != 0)
        return;
    for (gsize i = 0; i < G_N_ELEMENTS (deeds); i++)
        if (g_str_has_prefix (recipient + size, deeds[i].word))
            deeds[i].deed ();
}

static RelaisVerdict
route (RelaisHook *hook, gpointer data)
{
    misbehave (hook, "loop-");
    return RELAIS_VERDICT_CONTINUE;
}

static RelaisVerdict
rewrite (RelaisHook *hook, gpointer data)
{
    misbehave (hook, "worker-");
    return RELAIS_VERDICT_CONTINUE;
}

/* --- Tickets ---------------------------------------------------------------------------------- */

typedef struct {
    RelaisTicket *ticket;
    RelaisModuleTimer *timer;
    guint n;
} Waiting;

static void
on_timer (gpointer data)
{
    Waiting *waiting = data;

    for (guint i = 0; i < waiting->n; i++)
        relais_ticket_complete (waiting->ticket, RELAIS_VERDICT_CONTINUE);
    relais_ticket_unref (waiting->ticket);
    relais_module_timer_free (waiting->timer);
    g_free (waiting);
}

static RelaisVerdict
wait_for (RelaisHook *hook, gint64 timeout_us, gint64 answer_us, guint n)
{
    Waiting *waiting = g_new0 (Waiting, 1);

    waiting->ticket = relais_hook_suspend (hook, "test", timeout_us, NULL, NULL);
    waiting->timer = relais_module_timer_new (relais_hook_get_module (hook), on_timer, waiting);
    waiting->n = n;
    relais_module_timer_set (waiting->timer, answer_us);
    return RELAIS_VERDICT_PENDING;
}

static RelaisVerdict
rcpt (RelaisHook *hook, gpointer data)
{
    const char *recipient = relais_hook_get_recipient (hook, 0);

    if (g_str_has_prefix (recipient, "twice"))
        return wait_for (hook, 5000000, 10000, 2);
    if (g_str_has_prefix (recipient, "late"))
        return wait_for (hook, 50000, 150000, 1);
    return RELAIS_VERDICT_CONTINUE;
}

/* --- The module ------------------------------------------------------------------------------- */

static gboolean
prepare_config (RelaisModule *module, RelaisConfig *config, gpointer *object, GError **error)
{
    *object = GUINT_TO_POINTER (
        relais_section_get_bool (relais_config_find_section (config, "contain", NULL), "start") +
        1);
    return TRUE;
}

static gboolean
start (RelaisModule *module, GError **error)
{
    if (GPOINTER_TO_UINT (relais_module_get_config (module)) == TRUE + 1)
        return TRUE;
    g_set_error (error, g_quark_from_static_string ("contain"), 0, "it was told not to start");
    return FALSE;
}

static gboolean
init (RelaisModule *module, GError **error)
{
    const RelaisHookInfo infos[] = {
        {.struct_size = sizeof infos[0], .hook = RELAIS_HOOK_RCPT, .name = "rcpt", .func = rcpt},
        {.struct_size = sizeof infos[0], .hook = RELAIS_HOOK_ROUTE, .name = "route", .func = route},
        {.struct_size = sizeof infos[0],
         .hook = RELAIS_HOOK_REWRITE,
         .name = "rewrite",
         .func = rewrite},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (infos); i++)
        if (!relais_module_add_hook (module, &infos[i], error))
            return FALSE;
    return TRUE;
}

static const RelaisModuleOps ops = {
    .struct_size = sizeof ops, .init = init, .prepare_config = prepare_config, .start = start};

RELAIS_MODULE_DEFINE (contain, .name = "contain", .version = "1.0",
                      .summary = "does everything wrong", .license = "GPL-3.0-or-later",
                      .options = options, .n_options = G_N_ELEMENTS (options), .ops = &ops);
