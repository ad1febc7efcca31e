/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl campaign list` and `campaign show NAME`: how campaigns do. Reads the event log itself, with or without a
 * daemon. relaisctl's thread.
 */
#include "config.h"

#include "commands-private.h"
#include "event/campaigns-private.h"

#include <glib/gi18n-lib.h>
#include <relais/option.h>

enum { MOST_PARTS = 20 };

static void
show_progress (gpointer data, guint64 done)
{
    relais_command_progress (data, done, 0);
}

/* NULL, and the call has ended, if the log cannot be read. */
static GPtrArray *
read_log (RelaisCommandCall *call, const char *campaign)
{
    RelaisConfig *config = relais_command_config (call);
    const char *dir =
        relais_section_get_string (relais_config_find_section (config, "relais", NULL), "log_dir");
    g_autoptr (GError) error = NULL;
    GPtrArray *found = relais_campaigns_read (dir, relais_command_option (call, "tenant"), campaign,
                                              show_progress, call, &error);

    if (found == NULL)
        relais_command_fail (call, RELAIS_EXIT_REFUSED, error->message);
    return found;
}

static const char *
tenant_of (const RelaisCampaign *campaign)
{
    return campaign->tenant[0] != '\0' ? campaign->tenant : NULL;
}

/* --- All of them ------------------------------------------------------------------------------ */

static void
put_campaign (RelaisCommandCall *call, const RelaisCampaign *campaign)
{
    relais_command_put (call, "tenant", tenant_of (campaign));
    relais_command_put (call, "campaign", campaign->campaign);
    relais_command_put_int (call, "accepted", (gint64)campaign->recipients);
    relais_command_put_int (call, "delivered", (gint64)campaign->delivered);
    relais_command_put_int (call, "failed", (gint64)(campaign->bounced + campaign->expired));
    relais_command_put_int (call, "returned", (gint64)campaign->returned);
    relais_command_put_int (call, "complained", (gint64)campaign->complained);
    relais_command_put_int (call, "opened", (gint64)campaign->opened);
    relais_command_put_int (call, "clicked", (gint64)campaign->clicked);
    relais_command_put_int (call, "unsubscribed", (gint64)campaign->unsubscribed);
    relais_command_end_row (call);
}

static void
campaign_list (RelaisCommandCall *call, gpointer data)
{
    g_autoptr (GPtrArray) found = NULL;

    if (relais_command_n_args (call) != 0) {
        relais_command_fail (call, RELAIS_EXIT_USAGE,
                             _ ("no word is wanted; campaign show NAME looks at one"));
        return;
    }
    found = read_log (call, NULL);
    if (found == NULL)
        return;
    for (guint i = 0; i < found->len; i++)
        put_campaign (call, g_ptr_array_index (found, i));
    relais_command_finish (call);
}

/* --- One -------------------------------------------------------------------------------------- */

/* `of` NULL: a share of nothing. */
static void
put_figure (RelaisCommandCall *call, const char *figure, guint64 n, const char *of, guint64 whole)
{
    g_autofree char *percent = of != NULL && whole > 0
                                   ? g_strdup_printf ("%.2f", 100.0 * (double)n / (double)whole)
                                   : NULL;

    relais_command_put (call, "figure", figure);
    relais_command_put_int (call, "count", (gint64)n);
    relais_command_put (call, "percent", percent);
    relais_command_put (call, "of", percent != NULL ? of : NULL);
    relais_command_end_row (call);
}

static void
put_outcomes (RelaisCommandCall *call, const RelaisCampaign *campaign)
{
    const guint64 all = campaign->recipients;

    put_figure (call, "messages", campaign->messages, NULL, 0);
    put_figure (call, "accepted", all, NULL, 0);
    put_figure (call, "waiting", relais_campaign_waiting (campaign), "accepted", all);
    put_figure (call, "delivered", campaign->delivered, "accepted", all);
    put_figure (call, "bounced", campaign->bounced, "accepted", all);
    put_figure (call, "expired", campaign->expired, "accepted", all);
    put_figure (call, "suppressed", campaign->suppressed, "accepted", all);
    put_figure (call, "deleted", campaign->deleted, "accepted", all);
    put_figure (call, "put off", campaign->deferred, NULL, 0);
}

static void
put_answers (RelaisCommandCall *call, const RelaisCampaign *campaign)
{
    const guint64 all = campaign->delivered;

    put_figure (call, "returned", campaign->returned, "delivered", all);
    put_figure (call, "complained", campaign->complained, "delivered", all);
    put_figure (call, "unsubscribed", campaign->unsubscribed, "delivered", all);
    put_figure (call, "opened", campaign->opened, "delivered", all);
    put_figure (call, "opened, suspect", campaign->opened_suspect, "delivered", all);
    put_figure (call, "clicked", campaign->clicked, "delivered", all);
    put_figure (call, "clicked, suspect", campaign->clicked_suspect, "delivered", all);
    put_figure (call, "opens", campaign->open_visits, NULL, 0);
    put_figure (call, "clicks", campaign->click_visits, NULL, 0);
}

static guint64
weight (const RelaisCampaignPart *part)
{
    return part->delivered + part->failed + part->deferred;
}

static gint
by_weight (gconstpointer a, gconstpointer b)
{
    const guint64 left = weight (a), right = weight (b);

    return left > right ? -1 : left < right;
}

static void
put_parts (RelaisCommandCall *call, const char *column, GHashTable *parts, bool has_delivered)
{
    g_autoptr (GList) sorted = g_list_sort (g_hash_table_get_values (parts), by_weight);
    guint n = 0;

    for (const GList *link = sorted; link != NULL && n < MOST_PARTS; link = link->next, n++) {
        const RelaisCampaignPart *part = link->data;

        relais_command_put (call, column, part->name);
        if (has_delivered)
            relais_command_put_int (call, "delivered", (gint64)part->delivered);
        relais_command_put_int (call, "failed", (gint64)part->failed);
        relais_command_put_int (call, "put off", (gint64)part->deferred);
        relais_command_end_row (call);
    }
}

static void
show (RelaisCommandCall *call, const RelaisCampaign *campaign)
{
    put_outcomes (call, campaign);
    put_answers (call, campaign);
    put_parts (call, "site", campaign->sites, true);
    put_parts (call, "reason", campaign->reasons, false);
}

static void
campaign_show (RelaisCommandCall *call, gpointer data)
{
    const char *name = relais_command_arg (call, 0);
    g_autoptr (GPtrArray) found = NULL;

    if (relais_command_n_args (call) != 1) {
        relais_command_fail (call, RELAIS_EXIT_USAGE, _ ("the name of one campaign is wanted"));
        return;
    }
    found = read_log (call, name);
    if (found == NULL)
        return;
    if (found->len == 1) {
        show (call, g_ptr_array_index (found, 0));
        relais_command_finish (call);
    } else if (found->len == 0) {
        relais_command_fail (
            call, RELAIS_EXIT_REFUSED,
            _ ("the log knows no such campaign; campaign list shows those it has"));
    } else {
        for (guint i = 0; i < found->len; i++)
            put_campaign (call, g_ptr_array_index (found, i));
        relais_command_fail (call, RELAIS_EXIT_REFUSED,
                             _ ("several tenants have one of that name: name a --tenant"));
    }
}

static const RelaisCommand commands[] = {
    {"campaign", "list", "[--tenant=NAME]",
     "tenant=", N_ ("Show how campaigns do: deliveries, bounces, complaints, opens, clicks."),
     RELAIS_COMMAND_OFFLINE, 0, campaign_list},
    {"campaign", "show", "NAME [--tenant=NAME]",
     "tenant=", N_ ("Show how one does, in shares, by provider, and why mail failed."),
     RELAIS_COMMAND_OFFLINE, 0, campaign_show},
};

const RelaisCommand *
relais_campaign_commands (gsize *n)
{
    *n = G_N_ELEMENTS (commands);
    return commands;
}
