/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which tracking host mail from a domain may point to, as relais_hook_get_tracking_url () answers it:
 * a table that is filled once, then read-only and counted; any thread reads it. A change is a new
 * table (relais_host_set_tracking ()).
 */
#pragma once

#include <glib.h>

typedef struct RelaisTrackingTable RelaisTrackingTable;

typedef enum {
    RELAIS_TRACKING_UNKNOWN, /* not checked yet */
    RELAIS_TRACKING_GOOD,
    RELAIS_TRACKING_FAILING
} RelaisTrackingState;

RelaisTrackingTable *relais_tracking_table_new (void);
RelaisTrackingTable *relais_tracking_table_ref (RelaisTrackingTable *table);
void relais_tracking_table_unref (RelaisTrackingTable *table);
/* `domain` or *.DOMAIN, lower case; `url` as "https://track.example.com". */
void relais_tracking_table_add (RelaisTrackingTable *table, const char *domain, const char *url,
                                RelaisTrackingState state);
/* URL for mail from `domain` (in either case): of itself, else of the nearest domain above that has
 * one; *.DOMAIN, which is of those below it, goes before DOMAIN. NULL with a static `reason`. */
const char *relais_tracking_table_find (const RelaisTrackingTable *table, const char *domain,
                                        const char **reason);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisTrackingTable, relais_tracking_table_unref)
