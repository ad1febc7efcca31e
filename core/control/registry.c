/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which commands there are, by word and verb. The tables that declare them live as long as the
 * process; the registry borrows them.
 */
#include "config.h"

#include "control/call-private.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>

typedef struct {
    const RelaisCommand *command;
    gpointer data;
    RelaisModule *module; /* whose command it is; or NULL */
} Entry;

struct RelaisCommands {
    GArray *entries;     /* Entry, in order of addition */
    GHashTable *by_name; /* "word verb" -> index + 1 */
};

RelaisCommands *
relais_commands_new (void)
{
    RelaisCommands *commands = g_new0 (RelaisCommands, 1);

    commands->entries = g_array_new (FALSE, FALSE, sizeof (Entry));
    commands->by_name = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    return commands;
}

void
relais_commands_free (RelaisCommands *commands)
{
    if (commands == NULL)
        return;
    g_hash_table_unref (commands->by_name);
    g_array_unref (commands->entries);
    g_free (commands);
}

static char *
full_name (const char *word, const char *verb)
{
    return g_strconcat (word, " ", verb, NULL);
}

bool
relais_commands_add (RelaisCommands *commands, const RelaisCommand *command, gpointer data,
                     GError **error)
{
    g_autofree char *name = NULL;
    Entry entry = {command, data, NULL};

    if (command->word == NULL || command->word[0] == '\0' || command->func == NULL ||
        command->doc == NULL) {
        g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                             _ ("a command needs a word, a function and a line of documentation"));
        return false;
    }
    name = full_name (command->word, command->verb);
    if (g_hash_table_contains (commands->by_name, name)) {
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS, _ ("command '%s' is declared twice"),
                     name);
        return false;
    }
    g_array_append_val (commands->entries, entry);
    g_hash_table_insert (commands->by_name, g_steal_pointer (&name),
                         GUINT_TO_POINTER (commands->entries->len));
    return true;
}

void
relais_commands_each (RelaisCommands *commands,
                      void (*func) (gpointer data, const RelaisCommand *command), gpointer data)
{
    for (guint i = 0; i < commands->entries->len; i++)
        func (data, g_array_index (commands->entries, Entry, i).command);
}

bool
relais_commands_add_module (RelaisCommands *commands, const RelaisCommand *command,
                            RelaisModule *module, GError **error)
{
    if (!relais_commands_add (commands, command, module, error))
        return false;
    g_array_index (commands->entries, Entry, commands->entries->len - 1).module = module;
    return true;
}

RelaisModule *
relais_commands_owner (const RelaisCommands *commands, const RelaisCommand *command)
{
    for (guint i = 0; i < commands->entries->len; i++) {
        const Entry *entry = &g_array_index (commands->entries, Entry, i);

        if (entry->command == command)
            return entry->module;
    }
    return NULL;
}

const RelaisCommand *
relais_commands_find (RelaisCommands *commands, const char *word, const char *verb, gpointer *data)
{
    g_autofree char *name = full_name (word, verb);
    guint index = GPOINTER_TO_UINT (g_hash_table_lookup (commands->by_name, name));
    const Entry *entry;

    if (index == 0)
        return NULL;
    entry = &g_array_index (commands->entries, Entry, index - 1);
    if (data != NULL)
        *data = entry->data;
    return entry->command;
}

/* --- Options ---------------------------------------------------------------------------------- */

static RelaisCommandTakes
option_takes (const char *word, gsize size)
{
    switch (size > 0 ? word[size - 1] : '\0') {
    case '=': return RELAIS_COMMAND_TAKES_VALUE;
    case '@': return RELAIS_COMMAND_TAKES_FILE;
    case '<': return RELAIS_COMMAND_TAKES_STREAM;
    default: return RELAIS_COMMAND_TAKES_NOTHING;
    }
}

bool
relais_command_find_option (const RelaisCommand *command, const char *name,
                            RelaisCommandTakes *takes)
{
    const char *words = command->options != NULL ? command->options : "";
    gsize length = strlen (name);

    while (*(words += strspn (words, " ")) != '\0') {
        gsize size = strcspn (words, " ");
        RelaisCommandTakes this_takes = option_takes (words, size);
        gsize name_size = size - (this_takes != RELAIS_COMMAND_TAKES_NOTHING);

        if (name_size == length && memcmp (words, name, length) == 0) {
            *takes = this_takes;
            return true;
        }
        words += size;
    }
    return false;
}

GPtrArray *
relais_command_option_names (const RelaisCommand *command)
{
    GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
    const char *words = command->options != NULL ? command->options : "";

    while (*(words += strspn (words, " ")) != '\0') {
        gsize size = strcspn (words, " ");
        bool marked = option_takes (words, size) != RELAIS_COMMAND_TAKES_NOTHING;

        if (size > marked && words[0] != '-')
            g_ptr_array_add (names, g_strndup (words, size - marked));
        words += size;
    }
    g_ptr_array_add (names, g_strdup ("json"));
    return names;
}
