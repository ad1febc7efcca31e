/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl opens show` and `clicks show`: the counts that hits.c keeps in the store, a row for each tenant and
 * campaign. What persons did, what nobody can say, and what machines did stand in columns of their own. Loop.
 */
#include "tracking.h"

#include <relais/store.h>
#include <string.h>

enum { WHO = TRACKING_MACHINE + 1, PAGE_ROWS = 500 };

typedef struct {
    gint64 all[WHO], first[WHO];
} Row;

typedef struct {
    RelaisCommandCall *call;
    RelaisModule *module;
    const char *kind; /* prefix of what is read now: "n/", then "u/" */
    GTree *rows;      /* "TENANT/CAMPAIGN" -> Row */
} Show;

static gint
compare_names (gconstpointer a, gconstpointer b, gpointer data)
{
    return strcmp (a, b);
}

static void
show_free (Show *show)
{
    g_tree_unref (show->rows);
    g_free (show);
}

static Row *
row_of (Show *show, const char *name)
{
    Row *row = g_tree_lookup (show->rows, name);

    if (row == NULL) {
        row = g_new0 (Row, 1);
        g_tree_insert (show->rows, g_strdup (name), row);
    }
    return row;
}

/* "n/TENANT/CAMPAIGN/WHO" */
static void
take_count (Show *show, const char *key, gint64 count)
{
    const char *wanted_tenant = relais_command_option (show->call, "tenant");
    const char *wanted_campaign = relais_command_option (show->call, "campaign");
    g_auto (GStrv) words = g_strsplit (key, "/", 5);
    g_autofree char *name = NULL;
    Row *row;

    if (g_strv_length (words) != 4 ||
        (wanted_tenant != NULL && !g_str_equal (words[1], wanted_tenant)) ||
        (wanted_campaign != NULL && !g_str_equal (words[2], wanted_campaign)))
        return;
    name = g_strconcat (words[1], "/", words[2], NULL);
    row = row_of (show, name);
    for (int i = 0; i < WHO; i++)
        if (g_str_equal (words[3], tracking_class_to_string ((TrackingClass)i)))
            (words[0][0] == 'n' ? row->all : row->first)[i] += count;
}

static gboolean
put_row (gpointer name, gpointer value, gpointer data)
{
    RelaisCommandCall *call = data;
    const Row *row = value;
    g_auto (GStrv) words = g_strsplit (name, "/", 2);

    relais_command_put (call, "tenant", words[0]);
    relais_command_put (call, "campaign", words[1]);
    relais_command_put_int (call, "human first", row->first[TRACKING_HUMAN]);
    relais_command_put_int (call, "human", row->all[TRACKING_HUMAN]);
    relais_command_put_int (call, "suspect", row->all[TRACKING_SUSPECT]);
    relais_command_put_int (call, "machine", row->all[TRACKING_MACHINE]);
    relais_command_end_row (call);
    return FALSE;
}

static void ask (Show *show, gconstpointer after, gsize after_size);

static void
take_rows (Show *show, const RelaisStoreReply *reply)
{
    gconstpointer key, value;
    gsize key_size, value_size;

    for (guint32 i = 0; relais_store_reply_get_row (reply, i, &key, &key_size, &value, &value_size);
         i++) {
        g_autofree char *name = g_strndup (key, key_size);
        g_autofree char *number = g_strndup (value, value_size);

        take_count (show, name, g_ascii_strtoll (number, NULL, 10));
    }
}

/* A page came: the next one, then the other kind, then the table. */
static void
take_page (gpointer data, const RelaisStoreReply *reply)
{
    Show *show = data;
    const guint32 n = relais_store_reply_n_rows (reply);
    gconstpointer key = NULL, value;
    gsize key_size = 0, value_size;

    if (relais_store_reply_get_result (reply) == RELAIS_STORE_ERROR) {
        relais_command_fail (show->call, RELAIS_EXIT_REFUSED, relais_store_reply_get_error (reply));
        show_free (show);
        return;
    }
    take_rows (show, reply);
    if (relais_store_reply_get_more (reply) &&
        relais_store_reply_get_row (reply, n - 1, &key, &key_size, &value, &value_size)) {
        ask (show, key, key_size);
        return;
    }
    if (show->kind[0] == 'n') {
        show->kind = "u/";
        ask (show, NULL, 0);
        return;
    }
    g_tree_foreach (show->rows, put_row, show->call);
    relais_command_finish (show->call);
    show_free (show);
}

static void
ask (Show *show, gconstpointer after, gsize after_size)
{
    relais_store_scan (show->module, show->kind, strlen (show->kind), after, after_size, PAGE_ROWS,
                       take_page, show);
}

void
tracking_command_show (RelaisCommandCall *call, gpointer data)
{
    Show *show = g_new0 (Show, 1);

    show->call = call;
    show->module = data;
    show->kind = "n/";
    show->rows = g_tree_new_full (compare_names, NULL, g_free, g_free);
    ask (show, NULL, 0);
}
