/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The stage of the puppets; see stage.h.
 */
#include "stage.h"

#include <string.h>

RelaisHookFunc puppet_hooks[RELAIS_N_HOOKS];
gpointer puppet_data;
gboolean (*puppet_on_init) (RelaisModule *module, GError **error);
void (*puppet_on_command) (RelaisCommandCall *call);
guint puppet_calls;

/* Found by the puppets by their names. */
__attribute__ ((visibility ("default"))) gboolean
puppet_init (RelaisModule *module, GError **error);
__attribute__ ((visibility ("default"))) void
puppet_command (RelaisCommandCall *call, gpointer data);

static RelaisVerdict
on_hook (RelaisHook *hook, gpointer data)
{
    const RelaisHookFunc func = puppet_hooks[relais_hook_get_id (hook)];

    if (func == NULL)
        return RELAIS_VERDICT_CONTINUE;
    puppet_calls++;
    return func (hook, puppet_data);
}

gboolean
puppet_init (RelaisModule *module, GError **error)
{
    for (RelaisHookId hook = 0; hook < RELAIS_N_HOOKS; hook++) {
        const RelaisHookInfo info = {
            .struct_size = sizeof info, .hook = hook, .name = "act", .func = on_hook};

        if (!relais_module_add_hook (module, &info, error))
            return FALSE;
    }
    return puppet_on_init == NULL || puppet_on_init (module, error);
}

void
puppet_command (RelaisCommandCall *call, gpointer data)
{
    puppet_on_command (call);
}

RelaisTest *
stage_new_bare (void)
{
    const char *build = g_getenv ("RELAIS_BUILDDIR");
    g_autofree char *dir =
        g_build_filename (build != NULL ? build : ".", "tests", "api", ".libs", NULL);

    return relais_test_new (dir);
}

RelaisTest *
stage_new (const gchar *const *names, const gchar *config)
{
    RelaisTest *test = stage_new_bare ();
    g_autoptr (GError) error = NULL;

    relais_test_load (test, names, config, &error);
    g_assert_no_error (error);
    return test;
}

void
stage_free (RelaisTest *test)
{
    relais_test_free (test);
    memset (puppet_hooks, 0, sizeof puppet_hooks);
    puppet_data = NULL;
    puppet_on_init = NULL;
    puppet_on_command = NULL;
    puppet_calls = 0;
}

void
stage_wait (RelaisTest *test, const gboolean *flag)
{
    while (!g_atomic_int_get (flag))
        relais_test_turn (test);
}
