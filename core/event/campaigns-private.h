/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How campaigns do, by what the event log has of them: exact for as long as the log is kept, whatever was restarted or
 * switched on meanwhile. Blocks: relaisctl, or a worker.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

/* What stands of a site or a reason. */
typedef struct {
    char *name;
    guint64 delivered, deferred, failed;
} RelaisCampaignPart;

/* Recipients are counted, each once, but for `messages`, `deferred` and the visits. Of visits a machine's are no person's,
 * and where nobody can say, that is said. */
typedef struct {
    char *tenant, *campaign; /* tenant: "" for none */
    guint64 messages;
    guint64 recipients; /* taken in */
    guint64 delivered, bounced, expired, suppressed, deleted;
    guint64 deferred;                 /* attempts that were put off */
    guint64 returned;                 /* came back after delivery, as undeliverable */
    guint64 complained;               /* by feedback loops */
    guint64 opened, opened_suspect;   /* by persons; by who knows, and by no person for sure */
    guint64 clicked, clicked_suspect; /* the same */
    guint64 unsubscribed;
    guint64 open_visits, click_visits; /* all but machines', those of nobody in particular too */
    GHashTable *sites,
        *reasons;     /* name -> RelaisCampaignPart; NULL unless one campaign was asked for */
    GHashTable *seen; /* what each recipient did: see campaigns.c */
} RelaisCampaign;

/* Those that have not come to an end: 0 where the log's beginning is gone, so that more ended than were taken in. */
guint64 relais_campaign_waiting (const RelaisCampaign *campaign);

/* `done` lines were looked at. */
typedef void (*RelaisCampaignsProgress) (gpointer data, guint64 done);

/* Reads the log below `dir`: RelaisCampaign, by tenant and campaign, owned. `tenant` and `campaign` are nullable, for all;
 * for one campaign there is what each site and reason did, too. */
GPtrArray *relais_campaigns_read (const char *dir, const char *tenant, const char *campaign,
                                  RelaisCampaignsProgress progress, gpointer data, GError **error);
