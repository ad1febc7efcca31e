/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Counts of campaigns from a log that the log itself wrote: outcomes, visits by who made them, recipients that do a
 * thing twice, names that are hostile, and a log whose beginning is gone.
 */
#include "config.h"

#include "event/campaigns-private.h"
#include "event/event-private.h"
#include "event/member-private.h"

#include <glib/gstdio.h>
#include <string.h>

#define DAY (24 * 3600 * G_GINT64_CONSTANT (1000000))
#define DAY_ONE (G_GINT64_CONSTANT (1782000000) * 1000000)
#define ID "001j1e4c0vif"

typedef struct {
    RelaisLoop *loop;
    RelaisEventLog *log;
    char *dir;
    guint64 seq;
    gint64 wall_us;
    const char *tenant, *campaign; /* of the lines to come */
} Bed;

static void
set_up (Bed *bed, gconstpointer data)
{
    g_autoptr (GError) error = NULL;

    *bed = (Bed){.wall_us = DAY_ONE, .tenant = "shop", .campaign = "may"};
    bed->loop = relais_loop_new (NULL, NULL);
    bed->dir = g_dir_make_tmp ("relais-campaigns-XXXXXX", NULL);
    bed->log = relais_event_log_open (bed->dir, bed->loop, &error);
    g_assert_no_error (error);
}

static void
tear_down (Bed *bed, gconstpointer data)
{
    GDir *dir = g_dir_open (bed->dir, 0, NULL);
    const char *name;

    g_clear_pointer (&bed->log, relais_event_log_close);
    while ((name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *path = g_build_filename (bed->dir, name, NULL);

        g_unlink (path);
    }
    g_dir_close (dir);
    g_rmdir (bed->dir);
    g_free (bed->dir);
    relais_loop_free (bed->loop);
}

/* Ends a line with what all have, and `key` = `value` (nullable). */
static void
end_line (Bed *bed, RelaisEventLine *line, const char *key, const char *value)
{
    g_autoptr (GBytes) bytes = NULL;

    relais_event_line_add (line, "tenant", bed->tenant);
    relais_event_line_add (line, "campaign", bed->campaign);
    if (key != NULL)
        relais_event_line_add (line, key, value);
    bytes = relais_event_line_end (line);
    relais_event_log_append (bed->log, ++bed->seq, bytes);
}

static void
accept (Bed *bed, const char *id, gint64 recipients)
{
    RelaisEventLine *line = relais_event_line_new ("accepted", bed->wall_us, id, -1, 0);

    relais_event_line_add_int (line, "recipients", recipients);
    end_line (bed, line, NULL, NULL);
}

static void
outcome (Bed *bed, const char *type, int recipient, const char *site, const char *reason)
{
    RelaisEventLine *line = relais_event_line_new (type, bed->wall_us, ID "1", recipient, 1);

    relais_event_line_add (line, "site", site);
    end_line (bed, line, "bounce_reason", reason);
}

/* `id` NULL: of no one delivery. */
static void
answer (Bed *bed, const char *type, const char *id, int recipient, const char *key,
        const char *value)
{
    end_line (bed, relais_event_line_new_module ("m", type, bed->wall_us, id, recipient), key,
              value);
}

static GPtrArray *
read_all (Bed *bed, const char *tenant, const char *campaign)
{
    g_autoptr (GError) error = NULL;
    GPtrArray *found;

    g_clear_pointer (&bed->log, relais_event_log_close);
    found = relais_campaigns_read (bed->dir, tenant, campaign, NULL, NULL, &error);
    g_assert_no_error (error);
    return found;
}

static void
test_outcomes (Bed *bed, gconstpointer data)
{
    g_autoptr (GPtrArray) found = NULL;
    RelaisEventLine *line;
    const RelaisCampaign *may;
    const RelaisCampaignPart *site, *reason;

    accept (bed, ID "1", 7);
    accept (bed, ID "2", 1);
    outcome (bed, "delivered", 0, "mx.a.test", NULL);
    outcome (bed, "deferred", 1, "mx.a.test", "greylist");
    bed->wall_us += DAY; /* another file */
    outcome (bed, "deferred", 1, "mx.a.test", "greylist");
    outcome (bed, "delivered", 1, "mx.a.test", NULL);
    outcome (bed, "bounced", 2, "mx.b.test", "no-such-user");
    outcome (bed, "expired", 3, "mx.b.test", "greylist");
    outcome (bed, "suppressed", 4, NULL, NULL);
    outcome (bed, "deleted", 5, NULL, NULL);
    outcome (bed, "held", 6, NULL, NULL); /* no end */
    line = relais_event_line_new ("delivered", bed->wall_us, ID "9", 0, 1);
    relais_event_line_add (line, "sender", ""); /* the notice of what bounced */
    end_line (bed, line, "site", "mx.a.test");
    found = read_all (bed, NULL, "may");
    g_assert_cmpuint (found->len, ==, 1);
    may = found->pdata[0];
    g_assert_cmpstr (may->tenant, ==, "shop");
    g_assert_cmpuint (may->messages, ==, 2);
    g_assert_cmpuint (may->recipients, ==, 8);
    g_assert_cmpuint (may->delivered, ==, 2);
    g_assert_cmpuint (may->deferred, ==, 2);
    g_assert_cmpuint (may->bounced + may->expired + may->suppressed + may->deleted, ==, 4);
    g_assert_cmpuint (relais_campaign_waiting (may), ==, 2);
    site = g_hash_table_lookup (may->sites, "mx.b.test");
    g_assert_cmpuint (site->failed, ==, 2);
    g_assert_cmpuint (site->delivered + site->deferred, ==, 0);
    reason = g_hash_table_lookup (may->reasons, "greylist");
    g_assert_cmpuint (reason->deferred, ==, 2);
    g_assert_cmpuint (reason->failed, ==, 1);
}

/* Persons, who knows, and machines are three; who comes again is one. */
static void
test_answers (Bed *bed, gconstpointer data)
{
    g_autoptr (GPtrArray) found = NULL;
    RelaisEventLine *line;
    const RelaisCampaign *may;

    answer (bed, "opened", ID "1", 0, "who", "suspect");
    answer (bed, "opened", ID "1", 0, "who", "human");
    answer (bed, "opened", ID "1", 0, "who", "human");
    answer (bed, "opened", ID "1", 1, "who", "suspect");
    answer (bed, "opened", ID "1", 2, "who", "machine");
    answer (bed, "opened", ID "2", 0, "who", "human"); /* another message's first */
    answer (bed, "opened", NULL, -1, "who", "human");  /* mode = aggregate */
    line = relais_event_line_new_module ("m", "clicked", bed->wall_us, ID "1", 0);
    relais_event_line_add_int (line, "repeats", 40);
    end_line (bed, line, "who", "human");
    answer (bed, "clicked", ID "1", 3, "who", "suspect");
    answer (bed, "bounce", ID "1", 4, "action", "failed");
    answer (bed, "bounce", ID "1", 4, "action", "failed");
    answer (bed, "bounce", ID "1", 5, "action", "delayed");
    answer (bed, "complaint", ID "1", 6, "feedback_type", "abuse");
    answer (bed, "unsubscribe", ID "1", 6, "how", "one-click");
    answer (bed, "unsubscribe", ID "1", 6, "how", "page");
    found = read_all (bed, "shop", NULL);
    g_assert_cmpuint (found->len, ==, 1);
    may = found->pdata[0];
    g_assert_cmpuint (may->opened, ==, 2);
    g_assert_cmpuint (may->opened_suspect, ==, 1);
    g_assert_cmpuint (may->open_visits, ==, 6);
    g_assert_cmpuint (may->clicked, ==, 1);
    g_assert_cmpuint (may->clicked_suspect, ==, 1);
    g_assert_cmpuint (may->click_visits, ==, 41);
    g_assert_cmpuint (may->returned, ==, 1);
    g_assert_cmpuint (may->complained, ==, 1);
    g_assert_cmpuint (may->unsubscribed, ==, 1);
    g_assert_null (may->sites);
    g_assert_cmpuint (relais_campaign_waiting (may), ==, 0);
}

/* Each tenant's own, in order; a value that looks like a member is none. */
static void
test_names (Bed *bed, gconstpointer data)
{
    static const char hostile[] = "\",\"campaign\":\"may\",\"x\":\"\\";
    g_autoptr (GPtrArray) found = NULL, mine = NULL, named = NULL, none = NULL;

    accept (bed, ID "1", 1);
    bed->tenant = "press";
    accept (bed, ID "2", 2);
    bed->campaign = hostile;
    accept (bed, ID "3", 3);
    bed->tenant = NULL;
    bed->campaign = "caf\303\251";
    accept (bed, ID "4", 4);
    bed->campaign = NULL;
    accept (bed, ID "5", 5);
    found = read_all (bed, NULL, NULL);
    g_assert_cmpuint (found->len, ==, 4);
    g_assert_cmpstr (((RelaisCampaign *)found->pdata[0])->campaign, ==, "caf\303\251");
    g_assert_cmpstr (((RelaisCampaign *)found->pdata[0])->tenant, ==, "");
    g_assert_cmpstr (((RelaisCampaign *)found->pdata[1])->campaign, ==, hostile);
    g_assert_cmpuint (((RelaisCampaign *)found->pdata[1])->recipients, ==, 3);
    g_assert_cmpstr (((RelaisCampaign *)found->pdata[3])->tenant, ==, "shop");
    mine = relais_campaigns_read (bed->dir, "press", "may", NULL, NULL, NULL);
    g_assert_cmpuint (mine->len, ==, 1);
    g_assert_cmpuint (((RelaisCampaign *)mine->pdata[0])->recipients, ==, 2);
    named = relais_campaigns_read (bed->dir, NULL, hostile, NULL, NULL, NULL);
    g_assert_cmpuint (named->len, ==, 1);
    none = relais_campaigns_read (bed->dir, NULL, "ma", NULL, NULL, NULL);
    g_assert_cmpuint (none->len, ==, 0);
}

static void
test_unreadable (void)
{
    g_autoptr (GError) error = NULL;

    g_assert_null (relais_campaigns_read ("/nowhere", NULL, NULL, NULL, NULL, &error));
    g_assert_nonnull (strstr (error->message, "/nowhere"));
}

static void
test_members (void)
{
    static const char line[] = "{\"seq\":1,\"type\":\"a\",\"text\":\"x\\\"y\",\"n\":12,\"m\":-1";
    RelaisEventText text;
    g_autofree char *value = NULL;

    g_assert_true (relais_event_find_text (line, strlen (line), "text", &text));
    value = relais_event_unescape (&text);
    g_assert_cmpstr (value, ==, "x\"y");
    g_assert_cmpint (relais_event_find_int (line, strlen (line), "n", 7), ==, 12);
    g_assert_cmpint (relais_event_find_int (line, strlen (line), "m", 7), ==, 7);
    g_assert_cmpint (relais_event_find_int (line, strlen (line), "o", 7), ==, 7);
    for (gsize size = 0; size < sizeof ",\"text\":\"x\\\"y"; size++) /* cut off anywhere */
        g_assert_false (relais_event_find_text (",\"text\":\"x\\\"y\"", size, "text", &text));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add ("/event/campaigns/outcomes", Bed, NULL, set_up, test_outcomes, tear_down);
    g_test_add ("/event/campaigns/answers", Bed, NULL, set_up, test_answers, tear_down);
    g_test_add ("/event/campaigns/names", Bed, NULL, set_up, test_names, tear_down);
    g_test_add_func ("/event/campaigns/unreadable", test_unreadable);
    g_test_add_func ("/event/campaigns/members", test_members);
    return g_test_run ();
}
