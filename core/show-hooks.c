/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The chains of hook functions as the administrator sees them; see show-hooks-private.h.
 */
#include "config.h"

#include "show-hooks-private.h"

#include "control/render-private.h"
#include "module/module-private.h"

#include <glib/gi18n-lib.h>

static void
put_names (JsonObject *row, const char *column, char **names)
{
    g_autofree char *text = names != NULL ? g_strjoinv (" ", names) : NULL;

    json_object_set_string_member (row, column, text != NULL ? text : "");
}

static const char *
on_timeout_of (RelaisHookId hook, const HookFunction *function)
{
    const HookKind *kind = &relais_hook_kinds[hook];

    if (!kind->may_suspend)
        return "";
    return relais_verdict_to_string (function->on_timeout != 0 ? function->on_timeout
                                                               : kind->fallback);
}

static JsonObject *
make_row (RelaisHookId hook, guint place, const HookFunction *function)
{
    const char *stage = relais_hook_stage_to_string (hook, function->stage);
    JsonObject *row = json_object_new ();

    json_object_set_string_member (row, "hook", relais_hook_kinds[hook].name);
    json_object_set_int_member (row, "place", place);
    json_object_set_string_member (row, "function", function->name);
    json_object_set_string_member (row, "thread",
                                   relais_hook_kinds[hook].worker ? "worker" : "loop");
    json_object_set_string_member (row, "stage", stage != NULL ? stage : "");
    json_object_set_string_member (
        row, "flags", (function->flags & RELAIS_HOOK_PER_RECIPIENT) != 0 ? "per-recipient" : "");
    put_names (row, "before", function->before);
    put_names (row, "after", function->after);
    json_object_set_string_member (row, "on_timeout", on_timeout_of (hook, function));
    return row;
}

static void
render_row (RelaisRender *render, JsonObject *row)
{
    g_autoptr (JsonObject) object = json_object_new ();

    json_object_set_object_member (object, "row", row);
    relais_render_object (render, object);
}

void
relais_show_hooks (const RelaisHost *host, bool json)
{
    RelaisRender *render =
        relais_render_new (&(RelaisRenderOptions){.out = stdout, .err = stderr, .json = json});
    guint n = 0;

    for (RelaisHookId hook = 0; hook < RELAIS_N_HOOKS; hook++)
        for (guint i = 0; i < host->chains[hook].n; i++, n++)
            render_row (render, make_row (hook, i + 1, host->chains[hook].functions[i]));
    relais_render_end (render);
    relais_render_free (render);
    if (n == 0 && !json)
        puts (_ ("No module is asked on any hook."));
}
