/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl spool verify|dump|damaged|export`, which read a spool without owning it, in relaisctl, whether
 * a daemon runs on it or not; and `spool delete`, which the daemon does, on its loop.
 */
#include "config.h"

#include "commands-private.h"
#include "conf/conf-private.h"
#include "spool/spool-private.h"

#include <glib/gi18n-lib.h>
#include <json-glib/json-glib.h>

/* --- Rows ------------------------------------------------------------------------------------- */

/* A list as "a, b". */
static void
put_array (RelaisCommandCall *call, const char *name, JsonArray *array)
{
    g_autoptr (GString) text = g_string_new (NULL);

    for (guint i = 0; i < json_array_get_length (array); i++) {
        JsonNode *node = json_array_get_element (array, i);
        g_autofree char *item = json_node_get_value_type (node) == G_TYPE_STRING
                                    ? g_strdup (json_node_get_string (node))
                                    : json_to_string (node, FALSE);

        g_string_append_printf (text, "%s%s", i > 0 ? ", " : "", item);
    }
    relais_command_put (call, name, text->str);
}

static void
put_member (JsonObject *object, const gchar *name, JsonNode *node, gpointer data)
{
    RelaisCommandCall *call = data;
    GType type = json_node_get_value_type (node);

    if (JSON_NODE_HOLDS_ARRAY (node))
        put_array (call, name, json_node_get_array (node));
    else if (type == G_TYPE_STRING)
        relais_command_put (call, name, json_node_get_string (node));
    else if (type == G_TYPE_INT64)
        relais_command_put_int (call, name, json_node_get_int (node));
    else if (type == G_TYPE_BOOLEAN)
        relais_command_put_bool (call, name, json_node_get_boolean (node));
    else if (JSON_NODE_HOLDS_NULL (node))
        relais_command_put (call, name, NULL);
    else {
        g_autofree char *text = json_to_string (node, FALSE);

        relais_command_put (call, name, text);
    }
}

static void
spool_row (gpointer data, const char *json)
{
    g_autoptr (JsonParser) parser = json_parser_new ();
    JsonNode *root;

    if (!json_parser_load_from_data (parser, json, -1, NULL))
        return;
    root = json_parser_get_root (parser);
    if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
        return;
    json_object_foreach_member (json_node_get_object (root), put_member, data);
    relais_command_end_row (data);
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* The directory that the n-th argument names, if there is one; else the configuration's. */
static const char *
spool_dir (RelaisCommandCall *call, guint n)
{
    const RelaisSection *relais =
        relais_config_find_section (relais_command_config (call), "relais", NULL);

    return relais_command_n_args (call) > n ? relais_command_arg (call, n)
                                            : relais_section_get_string (relais, "spool_dir");
}

static void
end (RelaisCommandCall *call, bool good, const GError *error)
{
    if (good)
        relais_command_finish (call);
    else
        relais_command_fail (call, RELAIS_EXIT_REFUSED,
                             error != NULL ? error->message : _ ("the spool is damaged"));
}

typedef bool (*SpoolLook) (const char *dir, RelaisSpoolRow row, gpointer data, GError **error);

static void
look_at_spool (RelaisCommandCall *call, SpoolLook look)
{
    g_autoptr (GError) error = NULL;

    if (relais_command_n_args (call) > 1) {
        relais_command_fail (call, RELAIS_EXIT_USAGE, _ ("expected one directory at most"));
        return;
    }
    end (call, look (spool_dir (call, 0), spool_row, call, &error), error);
}

static void
spool_verify (RelaisCommandCall *call, gpointer data)
{
    look_at_spool (call, relais_spool_verify);
}

static void
spool_dump (RelaisCommandCall *call, gpointer data)
{
    look_at_spool (call, relais_spool_dump);
}

static void
spool_damaged (RelaisCommandCall *call, gpointer data)
{
    look_at_spool (call, relais_spool_damaged);
}

static void
spool_export (RelaisCommandCall *call, gpointer data)
{
    g_autoptr (GError) error = NULL;

    if (relais_command_n_args (call) < 2 || relais_command_n_args (call) > 3) {
        relais_command_fail (call, RELAIS_EXIT_USAGE,
                             _ ("say what, and the directory that it is to go to"));
        return;
    }
    end (call,
         relais_spool_export (spool_dir (call, 2), relais_command_arg (call, 0),
                              relais_command_arg (call, 1), spool_row, call, &error),
         error);
}

/* --- Deleting --------------------------------------------------------------------------------- */

static void
on_discarded (gpointer data, guint64 bytes, const GError *error)
{
    RelaisCommandCall *call = data;

    if (error != NULL) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED, error->message);
        return;
    }
    relais_command_put_int (call, "bytes", (gint64)bytes);
    relais_command_end_row (call);
    relais_command_finish (call);
}

static void
spool_delete (RelaisCommandCall *call, gpointer spool)
{
    if (relais_command_n_args (call) != 1 ||
        !relais_spool_is_damage (relais_command_arg (call, 0))) {
        relais_command_fail (call, RELAIS_EXIT_USAGE,
                             _ ("the name of one file is needed, as `spool damaged` tells it"));
        return;
    }
    relais_spool_discard (spool, relais_command_arg (call, 0), on_discarded, call);
}

static const RelaisCommand commands[] = {
    {"spool", "verify", "[DIR]", "", N_ ("Check every record of a spool."), RELAIS_COMMAND_OFFLINE,
     0, spool_verify},
    {"spool", "dump", "[DIR]", "", N_ ("Show every record of a spool."), RELAIS_COMMAND_OFFLINE, 0,
     spool_dump},
    {"spool", "damaged", "[DIR]", "", N_ ("List what was put aside as damaged."),
     RELAIS_COMMAND_OFFLINE, 0, spool_damaged},
    {"spool", "export", "ID|SEGMENT:OFFSET|FILE TO [DIR]", "",
     N_ ("Save what can be read of a message, or of what is damaged, in a directory."),
     RELAIS_COMMAND_OFFLINE, 0, spool_export},
    {"spool", "delete", "FILE", "", N_ ("Delete what was put aside as damaged, by its exact name."),
     RELAIS_COMMAND_ONLINE, 0, spool_delete},
};

const RelaisCommand *
relais_spool_commands (gsize *n)
{
    *n = G_N_ELEMENTS (commands);
    return commands;
}
