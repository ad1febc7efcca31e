/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a module registers in its init: hook functions and slots. Loop thread, start-up.
 */
#include "config.h"

#include "module/module-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

static gboolean
refuse (GError **error, const RelaisHookInfo *info, const char *what)
{
    g_set_error (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_HOOK, _ ("hook function '%s': %s"),
                 info->name != NULL ? info->name : "", what);
    return FALSE;
}

static bool
timeout_is_good (const RelaisHookInfo *info)
{
    return info->on_timeout < 32 &&
           (info->on_timeout == 0 ||
            (relais_hook_kinds[info->hook].verdicts & (1u << info->on_timeout)) != 0);
}

static bool
name_is_taken (const GPtrArray *registered, const char *name)
{
    for (guint i = 0; i < registered->len; i++)
        if (g_str_equal (((HookFunction *)g_ptr_array_index (registered, i))->name, name))
            return true;
    return false;
}

static gboolean
check_info (const RelaisModule *module, const RelaisHookInfo *info, GError **error)
{
    if (!module->host->in_init)
        return refuse (error, info, _ ("hooks are registered in init only"));
    if (info->hook >= RELAIS_N_HOOKS)
        return refuse (error, info, _ ("this Relais does not have that hook"));
    if (info->name == NULL || !relais_module_name_is_good (info->name) || info->func == NULL)
        return refuse (error, info, _ ("a name of a-z, 0-9 and -, and a function are needed"));
    if (info->stage >
        (info->hook == RELAIS_HOOK_MESSAGE ? RELAIS_STAGE_MODIFY : RELAIS_STAGE_DECIDE))
        return refuse (error, info, _ ("this hook does not have that stage"));
    if ((info->flags & ~(guint32)RELAIS_HOOK_PER_RECIPIENT) != 0 || info->reserved != 0)
        return refuse (error, info, _ ("a flag is not known to this Relais"));
    if (!timeout_is_good (info))
        return refuse (error, info, _ ("on_timeout is no verdict of this hook"));
    return TRUE;
}

gboolean
relais_module_add_hook (RelaisModule *module, const RelaisHookInfo *info, GError **error)
{
    RelaisHookInfo known;
    HookFunction *function;
    GPtrArray *registered;
    g_autofree char *name = NULL;

    g_return_val_if_fail (module != NULL && info != NULL, FALSE);
    if (info->struct_size < sizeof known ||
        !relais_copy_known (&known, sizeof known, info, info->struct_size))
        return refuse (error, info, _ ("its RelaisHookInfo is not of this Relais"));
    if (!check_info (module, &known, error))
        return FALSE;
    registered = module->host->registered[known.hook];
    name = g_strdup_printf ("%s.%s", module->descriptor.name, known.name);
    if (name_is_taken (registered, name))
        return refuse (error, &known, _ ("registered twice on the same hook"));
    function = g_new0 (HookFunction, 1);
    *function = (HookFunction){.module = module,
                               .name = g_steal_pointer (&name),
                               .stage = known.stage,
                               .flags = known.flags,
                               .before = g_strdupv ((gchar **)known.before),
                               .after = g_strdupv ((gchar **)known.after),
                               .func = known.func,
                               .data = known.data,
                               .on_timeout = known.on_timeout};
    g_ptr_array_add (registered, function);
    module->hooks |= 1u << known.hook;
    return TRUE;
}

/* --- Slots ------------------------------------------------------------------------------------ */

/* All slots of one session or transaction: the one value of its hash table. */
typedef struct {
    guint n;
    struct {
        gpointer value;
        const RelaisSlot *slot;
    } slots[];
} SlotTable;

static void
destroy_value (const RelaisSlot *slot, gpointer value)
{
    RelaisGuard outer;

    if (value == NULL || slot->destroy == NULL)
        return;
    relais_guard_enter (&outer, slot->module, "slot", 0);
    slot->destroy (value);
    relais_guard_leave (&outer);
}

static void
slot_table_free (gpointer data)
{
    SlotTable *table = data;

    for (guint i = table->n; i > 0; i--)
        destroy_value (table->slots[i - 1].slot, table->slots[i - 1].value);
    g_free (table);
}

RelaisSlot *
relais_slot_new (RelaisModule *module, RelaisSlotScope scope, GDestroyNotify destroy)
{
    RelaisHost *host = module->host;
    RelaisSlot *slot;

    if (!host->in_init || scope > RELAIS_SCOPE_TRANSACTION)
        return NULL;
    slot = g_new (RelaisSlot, 1);
    *slot = (RelaisSlot){module, scope, host->slots->len, destroy};
    g_ptr_array_add (host->slots, slot);
    return slot;
}

static GHashTable **
slots_of (const RelaisHook *hook, const RelaisSlot *slot)
{
    return slot->scope == RELAIS_SCOPE_SESSION ? hook->subject->session_slots
                                               : hook->subject->transaction_slots;
}

gboolean
relais_hook_set_slot (RelaisHook *hook, RelaisSlot *slot, gpointer value)
{
    GHashTable **slots = slots_of (hook, slot);
    SlotTable *table;
    gpointer old;

    if (slots == NULL || hook->run == NULL)
        return FALSE;
    if (*slots == NULL)
        *slots = g_hash_table_new_full (NULL, NULL, NULL, slot_table_free);
    table = g_hash_table_lookup (*slots, NULL);
    if (table == NULL) {
        guint n = hook->host->slots->len;

        table = g_malloc0 (sizeof *table + n * sizeof table->slots[0]);
        table->n = n;
        g_hash_table_insert (*slots, NULL, table);
    }
    old = table->slots[slot->number].value;
    table->slots[slot->number].value = value;
    table->slots[slot->number].slot = slot;
    if (old != value)
        destroy_value (slot, old);
    return TRUE;
}

gpointer
relais_hook_get_slot (const RelaisHook *hook, const RelaisSlot *slot)
{
    GHashTable **slots = slots_of (hook, slot);
    const SlotTable *table;

    if (slots == NULL || *slots == NULL)
        return NULL;
    table = g_hash_table_lookup (*slots, NULL);
    return table != NULL ? table->slots[slot->number].value : NULL;
}
