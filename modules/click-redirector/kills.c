/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The kill switches. Loop, but what says any thread in the header. A switch is in the store before the command
 * that set it ends, under "k/" and the SHA-256 of its name; the name is the value:
 *
 *   link URL          tenant NAME          campaign TENANT/NAME
 */
#include "click.h"

#include <glib/gi18n-lib.h>
#include <relais/log.h>
#include <relais/store.h>
#include <relais/timer.h>
#include <string.h>

#include "url.h"

enum { PAGE_ROWS = 500 };
#define RETRY_US (10 * G_USEC_PER_SEC)

struct ClickKills {
    RelaisModule *module;
    RelaisModuleTimer *retry; /* loop's, as the next */
    bool told;                /* that the store cannot be read */
    GRWLock lock;             /* over the rest */
    GHashTable *names;        /* a set */
    bool loaded;
};

ClickKills *
click_kills_new (RelaisModule *module)
{
    ClickKills *kills = g_new0 (ClickKills, 1);

    kills->module = module;
    g_rw_lock_init (&kills->lock);
    kills->names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    return kills;
}

void
click_kills_free (ClickKills *kills)
{
    if (kills == NULL)
        return;
    relais_module_timer_free (kills->retry);
    g_hash_table_unref (kills->names);
    g_rw_lock_clear (&kills->lock);
    g_free (kills);
}

void
click_kills_stop (ClickKills *kills)
{
    g_clear_pointer (&kills->retry, relais_module_timer_free);
}

/* --- Looking ---------------------------------------------------------------------------------- */

bool
click_kills_are_loaded (ClickKills *kills)
{
    bool loaded;

    g_rw_lock_reader_lock (&kills->lock);
    loaded = kills->loaded;
    g_rw_lock_reader_unlock (&kills->lock);
    return loaded;
}

/* Under the lock. */
static bool
has (const ClickKills *kills, const char *kind, const char *name, const char *more)
{
    g_autofree char *full = NULL;

    if (name == NULL)
        return false;
    full = g_strconcat (kind, name, more != NULL ? "/" : NULL, more, NULL);
    return g_hash_table_contains (kills->names, full);
}

bool
click_kills_match (ClickKills *kills, const char *tenant, const char *campaign, const char *url)
{
    bool found = false;

    g_rw_lock_reader_lock (&kills->lock);
    if (g_hash_table_size (kills->names) > 0)
        found = has (kills, "link ", url, NULL) || has (kills, "tenant ", tenant, NULL) ||
                (campaign != NULL && has (kills, "campaign ", tenant, campaign));
    g_rw_lock_reader_unlock (&kills->lock);
    return found;
}

/* --- Reading the store ------------------------------------------------------------------------ */

static void ask (ClickKills *kills, gconstpointer after, gsize after_size);

static void
retry (gpointer data)
{
    ask (data, NULL, 0);
}

static void
note_rows (ClickKills *kills, const RelaisStoreReply *reply, bool last)
{
    gconstpointer key, value;
    gsize key_size, value_size;

    g_rw_lock_writer_lock (&kills->lock);
    for (guint32 i = 0; relais_store_reply_get_row (reply, i, &key, &key_size, &value, &value_size);
         i++)
        g_hash_table_add (kills->names, g_strndup (value, value_size));
    kills->loaded |= last;
    g_rw_lock_writer_unlock (&kills->lock);
}

/* If the store cannot be read, links lead on: none of them is to be dead for that. */
static void
take_page (gpointer data, const RelaisStoreReply *reply)
{
    ClickKills *kills = data;
    const bool failed = relais_store_reply_get_result (reply) == RELAIS_STORE_ERROR;
    const bool more = !failed && relais_store_reply_get_more (reply);
    gconstpointer key, value;
    gsize key_size, value_size;

    note_rows (kills, reply, !more);
    if (failed) {
        if (!kills->told)
            relais_log (kills->module, RELAIS_LOG_WARNING, "what is switched off is not known: %s",
                        relais_store_reply_get_error (reply));
        kills->told = true;
        if (kills->retry != NULL)
            relais_module_timer_set (kills->retry, RETRY_US);
    } else if (more && relais_store_reply_get_row (reply, relais_store_reply_n_rows (reply) - 1,
                                                   &key, &key_size, &value, &value_size)) {
        ask (kills, key, key_size);
    }
}

static void
ask (ClickKills *kills, gconstpointer after, gsize after_size)
{
    relais_store_scan (kills->module, "k/", 2, after, after_size, PAGE_ROWS, take_page, kills);
}

void
click_kills_load (ClickKills *kills)
{
    kills->retry = relais_module_timer_new (kills->module, retry, kills);
    ask (kills, NULL, 0);
}

/* --- Commands --------------------------------------------------------------------------------- */

typedef struct {
    RelaisCommandCall *call;
    ClickKills *kills;
    char *name;
    bool on;
} Switch;

/* A token holds the URL that a browser makes of a link, so that is what a switch is compared with; NULL, and the call
 * has failed, for what no token ever holds. */
static char *
named_link (RelaisCommandCall *call, const char *url)
{
    g_autofree char *serial = click_url_serialize (url, strlen (url), true);

    if (serial != NULL)
        return g_strconcat ("link ", serial, NULL);
    relais_command_fail (call, RELAIS_EXIT_USAGE,
                         _ ("no link to that is ever tracked; expected an URL as in "
                            "https://example.com/page?x=1"));
    return NULL;
}

/* What the command names; NULL, and the call has failed, if it names nothing or too much. */
static char *
named (RelaisCommandCall *call)
{
    const char *url = relais_command_option (call, "link");
    const char *tenant = relais_command_option (call, "tenant");
    const char *campaign = relais_command_option (call, "campaign");
    char *name = NULL;

    if (url != NULL && tenant == NULL && campaign == NULL)
        name = named_link (call, url);
    else if (url == NULL && tenant != NULL && campaign != NULL)
        name = g_strconcat ("campaign ", tenant, "/", campaign, NULL);
    else if (url == NULL && tenant != NULL)
        name = g_strconcat ("tenant ", tenant, NULL);
    else
        relais_command_fail (call, RELAIS_EXIT_USAGE,
                             _ ("name one: --link=URL, --tenant=NAME, or --tenant=NAME "
                                "--campaign=NAME"));
    return name;
}

static void
switched (gpointer data, const RelaisStoreReply *reply)
{
    Switch *one = data;
    const RelaisStoreResult result = relais_store_reply_get_result (reply);

    if (result == RELAIS_STORE_ERROR) {
        relais_command_fail (one->call, RELAIS_EXIT_REFUSED, relais_store_reply_get_error (reply));
    } else if (result == RELAIS_STORE_ABSENT) {
        relais_command_fail (one->call, RELAIS_EXIT_REFUSED,
                             _ ("it is not switched off; `relaisctl clicks killed` shows what is"));
    } else {
        g_rw_lock_writer_lock (&one->kills->lock);
        if (one->on)
            g_hash_table_add (one->kills->names, g_strdup (one->name));
        else
            g_hash_table_remove (one->kills->names, one->name);
        g_rw_lock_writer_unlock (&one->kills->lock);
        relais_command_finish (one->call);
    }
    g_free (one->name);
    g_free (one);
}

static void
turn (RelaisCommandCall *call, RelaisModule *module, bool on)
{
    g_autofree char *name = named (call);
    g_autofree char *sum = NULL;
    g_autofree char *key = NULL;
    Switch *one;

    if (name == NULL)
        return;
    sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, name, -1);
    key = g_strconcat ("k/", sum, NULL);
    one = g_new (Switch, 1);
    *one = (Switch){call, click_kills_of (module), g_strdup (name), on};
    if (on)
        relais_store_put (module, key, strlen (key), name, strlen (name), 0, switched, one);
    else
        relais_store_remove (module, key, strlen (key), switched, one);
}

void
click_command_kill (RelaisCommandCall *call, gpointer module)
{
    turn (call, module, true);
}

void
click_command_revive (RelaisCommandCall *call, gpointer module)
{
    turn (call, module, false);
}

void
click_command_killed (RelaisCommandCall *call, gpointer module)
{
    ClickKills *kills = click_kills_of (module);
    GList *names;

    g_rw_lock_reader_lock (&kills->lock);
    names = g_list_sort (g_hash_table_get_keys (kills->names), (GCompareFunc)strcmp);
    for (const GList *l = names; l != NULL; l = l->next) {
        const char *name = l->data, *blank = strchr (name, ' ');
        g_autofree char *kind = g_strndup (name, (gsize)(blank - name));

        relais_command_put (call, "kind", kind);
        relais_command_put (call, "name", blank + 1);
        relais_command_end_row (call);
    }
    g_list_free (names);
    g_rw_lock_reader_unlock (&kills->lock);
    relais_command_finish (call);
}
