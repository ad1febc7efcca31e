/* SPDX-License-Identifier: MIT
 *
 * header-policy: refuses or holds mail by the fields of its header, and adds, removes and replaces fields of what
 * goes out, as [header-policy-rule NAME] and [header-policy-edit NAME] say. `message` decides (loop), `rewrite` edits
 * (worker). Both read the immutable Policy that is pinned for their message and keep nothing.
 */
#include <relais/edit.h>
#include <relais/hook.h>
#include <relais/log.h>
#include <relais/module.h>

#include <string.h>

#define RULE "header-policy-rule"
#define EDIT "header-policy-edit"
#define RELOADABLE RELAIS_OPTION_RELOADABLE
#define NEEDED (RELAIS_OPTION_RELOADABLE | RELAIS_OPTION_REQUIRED)

typedef struct {
    const char *name, *header, *contains, *reply;
    RelaisVerdict verdict;
} Rule;

typedef struct {
    const char *header, *value;
    guint action;
} Edit;
enum { ADD = 0, REMOVE = 1, REPLACE = 2 }; /* as the choices stand */

typedef struct {
    RelaisConfig *config; /* whose strings the rest borrows */
    GArray *rules;        /* Rule */
    GArray *edits;        /* Edit */
} Policy;

static const RelaisVerdict verdicts[] = {RELAIS_VERDICT_REJECT, RELAIS_VERDICT_TEMPFAIL,
                                         RELAIS_VERDICT_QUARANTINE, RELAIS_VERDICT_DISCARD};
static const RelaisOption options[] = {
    {RULE, "header", RELAIS_OPTION_STRING, NEEDED, NULL, 0, 0, NULL,
     "Name of the field that the rule looks at."},
    {RULE, "contains", RELAIS_OPTION_STRING, RELOADABLE, NULL, 0, 0, NULL,
     "What its value contains, in either case; unset: the field is there."},
    {RULE, "action", RELAIS_OPTION_ENUM, RELOADABLE, "quarantine", 0, 0,
     "reject|tempfail|quarantine|discard", "What becomes of the message."},
    {RULE, "reply", RELAIS_OPTION_STRING, RELOADABLE, "Refused by policy", 0, 0, NULL,
     "Text of the reply that goes with reject and tempfail."},
    {EDIT, "header", RELAIS_OPTION_STRING, NEEDED, NULL, 0, 0, NULL, "Name of the field."},
    {EDIT, "action", RELAIS_OPTION_ENUM, RELOADABLE, "add", 0, 0, "add|remove|replace",
     "What is done with it; remove and replace: with each of that name."},
    {EDIT, "value", RELAIS_OPTION_STRING, RELOADABLE, NULL, 0, 0, NULL,
     "What add and replace put there: printable ASCII."},
};

/* --- Configuration ---------------------------------------------------------------------------- */

static void
free_config (gpointer object)
{
    Policy *policy = object;

    g_array_unref (policy->rules);
    g_array_unref (policy->edits);
    relais_config_unref (policy->config);
    g_free (policy);
}

static void
read_rule (Policy *policy, const RelaisSection *section)
{
    const Rule rule = {
        .name = relais_section_get_name (section),
        .header = relais_section_get_string (section, "header"),
        .contains = relais_section_get_string (section, "contains"),
        .reply = relais_section_get_string (section, "reply"),
        .verdict = verdicts[relais_section_get_enum (section, "action")],
    };

    g_array_append_val (policy->rules, rule);
}

static gboolean
read_edit (Policy *policy, const RelaisSection *section, GError **error)
{
    const Edit edit = {
        .header = relais_section_get_string (section, "header"),
        .value = relais_section_get_string (section, "value"),
        .action = relais_section_get_enum (section, "action"),
    };

    g_array_append_val (policy->edits, edit);
    if (edit.value != NULL || edit.action == REMOVE)
        return TRUE;
    g_set_error (error, g_quark_from_static_string ("header-policy"), 0,
                 "%s: add and replace want a value", relais_section_get_origin (section, "header"));
    return FALSE;
}

static gboolean
prepare_config (RelaisModule *module, RelaisConfig *config, gpointer *object, GError **error)
{
    Policy *policy = g_new (Policy, 1);

    policy->config = relais_config_ref (config);
    policy->rules = g_array_new (FALSE, FALSE, sizeof (Rule));
    policy->edits = g_array_new (FALSE, FALSE, sizeof (Edit));
    for (guint i = 0; i < relais_config_n_sections (config, RULE); i++)
        read_rule (policy, relais_config_nth_section (config, RULE, i));
    for (guint i = 0; i < relais_config_n_sections (config, EDIT); i++)
        if (!read_edit (policy, relais_config_nth_section (config, EDIT, i), error)) {
            free_config (policy);
            return FALSE;
        }
    *object = policy;
    return TRUE;
}

/* --- Deciding --------------------------------------------------------------------------------- */

/* Whether a value contains the text, its folds taken out. */
static gboolean
contains (const RelaisHeaderField *field, const char *text)
{
    g_autofree char *value = g_malloc (field->value_size + 1), *low = NULL, *sought = NULL;
    gsize n = 0;

    for (gsize i = 0; i < field->value_size; i++)
        if (field->value[i] != '\r' && field->value[i] != '\n' && field->value[i] != '\0')
            value[n++] = field->value[i];
    value[n] = '\0';
    low = g_ascii_strdown (value, -1);
    sought = g_ascii_strdown (text, -1);
    return strstr (low, sought) != NULL;
}

/* Fields of that name whose value contains the text, if there is one. */
static guint
count (const guint8 *block, guint64 size, const char *name, const char *text)
{
    RelaisHeaderField field;
    guint64 position = 0;
    guint n = 0;

    while (relais_header_next_field (block, size, &position, &field))
        if (field.name_size == strlen (name) &&
            g_ascii_strncasecmp (field.name, name, field.name_size) == 0 &&
            (text == NULL || contains (&field, text)))
            n++;
    return n;
}

static RelaisVerdict
decide (RelaisHook *hook, gpointer data)
{
    RelaisModule *module = relais_hook_get_module (hook);
    const Policy *policy = relais_hook_get_config (hook);
    g_autoptr (GError) error = NULL;
    guint64 size;
    const guint8 *block = relais_hook_get_header (hook, &size, &error);

    if (block == NULL) { /* nobody knows what it would have said: later */
        relais_log (module, RELAIS_LOG_WARNING, "cannot read the header: %s", error->message);
        return RELAIS_VERDICT_TEMPFAIL;
    }
    for (guint i = 0; i < policy->rules->len; i++) {
        const Rule *rule = &g_array_index (policy->rules, Rule, i);

        if (count (block, size, rule->header, rule->contains) == 0)
            continue;
        relais_log (module, RELAIS_LOG_NOTICE, "rule %s applies to mail of %s", rule->name,
                    relais_hook_get_sender (hook));
        if (rule->verdict == RELAIS_VERDICT_REJECT)
            relais_hook_set_reply (hook, 550, "5.7.1", rule->reply);
        if (rule->verdict == RELAIS_VERDICT_TEMPFAIL)
            relais_hook_set_reply (hook, 451, "4.7.1", rule->reply);
        return rule->verdict;
    }
    return RELAIS_VERDICT_CONTINUE;
}

/* --- Editing ---------------------------------------------------------------------------------- */

static gboolean
apply (RelaisHook *hook, const Edit *edit, guint n)
{
    if (edit->action == ADD)
        return relais_hook_add_header (hook, edit->header, edit->value);
    if (edit->action == REMOVE)
        return relais_hook_remove_header (hook, edit->header, n);
    return relais_hook_replace_header (hook, edit->header, n, edit->value);
}

/* What cannot be done to a message is told, and the message goes out without it. */
static RelaisVerdict
rewrite (RelaisHook *hook, gpointer data)
{
    const Policy *policy = relais_hook_get_config (hook);
    guint64 size = 0;
    const guint8 *block = relais_hook_get_header (hook, &size, NULL);

    for (guint i = 0; block != NULL && i < policy->edits->len; i++) {
        const Edit *edit = &g_array_index (policy->edits, Edit, i);
        const guint n = edit->action == ADD ? 1 : count (block, size, edit->header, NULL);

        for (guint k = 0; k < n; k++)
            if (!apply (hook, edit, k))
                relais_log (relais_hook_get_module (hook), RELAIS_LOG_WARNING,
                            "field %s cannot be changed", edit->header);
    }
    return RELAIS_VERDICT_CONTINUE;
}

/* --- The module ------------------------------------------------------------------------------- */

static gboolean
init (RelaisModule *module, GError **error)
{
    const RelaisHookInfo infos[] = {
        {.struct_size = sizeof infos[0],
         .hook = RELAIS_HOOK_MESSAGE,
         .name = "decide",
         .func = decide},
        {.struct_size = sizeof infos[0],
         .hook = RELAIS_HOOK_REWRITE,
         .name = "edit",
         .func = rewrite},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (infos); i++)
        if (!relais_module_add_hook (module, &infos[i], error))
            return FALSE;
    return TRUE;
}

static const RelaisModuleOps ops = {
    .struct_size = sizeof ops,
    .init = init,
    .prepare_config = prepare_config,
    .free_config = free_config,
};

RELAIS_MODULE_DEFINE (header_policy, .name = "header-policy", .version = "1.0",
                      .summary = "refuses, holds and changes mail by its header", .license = "MIT",
                      .options = options, .n_options = G_N_ELEMENTS (options), .ops = &ops);
