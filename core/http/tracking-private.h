/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Tracking hosts: the web servers that links and pixels in mail point to ([domain NAME] tracking). Each is
 * checked at start and then periodically, as a recipient would reach it; mail is tracked only while its
 * host works, since a link that leads nowhere is worse than one that is not counted.
 *
 * One failed check does not untrack mail from a host that worked: two in a row do. Loop thread only;
 * workers read the table in core/module.
 */
#pragma once

#include "http/tracking-check-private.h"
#include "module/host-private.h"

#include <relais/command.h>

/* --- The state of one host. Pure. */
enum { RELAIS_TRACKING_FAILURES = 2 /* in a row, that turn a good host into a failing one */ };

typedef struct {
    RelaisTrackingState state;
    guint failures;  /* in a row */
    bool was_good;   /* ever */
    gint64 since_us; /* wall clock, of the state */
} RelaisTrackingHealth;
/* True if the state changed. */
bool relais_tracking_health_note (RelaisTrackingHealth *health, bool good, gint64 wall_us);
const char *relais_tracking_state_to_string (RelaisTrackingState state);

/* --- All of them. */
typedef struct RelaisTracking RelaisTracking;

typedef struct {
    RelaisLoop *loop;
    RelaisPool *pool;
    RelaisFetcher *fetcher;
    RelaisHost *host; /* whose modules ask for the table; or NULL */
} RelaisTrackingOptions;

/* Reads [domain NAME] tracking and [tracking]; the hosts are exempt from the fetcher's guard from
 * now on. */
RelaisTracking *relais_tracking_new (const RelaisTrackingOptions *options, RelaisConfig *config);
/* What routes are asked for, in this order; copied, the names borrowed. Before the start. */
void
relais_tracking_set_probes (RelaisTracking *tracking, const RelaisTrackingProbe *probes, guint n);
/* The probes of the modules' routes; the host outlives the checks. Before the start. */
void relais_tracking_use_routes (RelaisTracking *tracking, const RelaisHost *host);
/* Checks begin, spread over the first second. */
void relais_tracking_start (RelaisTracking *tracking);
/* Commands that wait are failed. To be called before control socket and fetcher go. NULL ok. */
void relais_tracking_free (RelaisTracking *tracking);

guint relais_tracking_n_hosts (const RelaisTracking *tracking);
/* The health of the host with that URL; NULL if it is not configured. Borrowed. */
const RelaisTrackingHealth *
relais_tracking_health (const RelaisTracking *tracking, const char *url);

/* `track check` and `track hosts`; their data is the RelaisTracking. */
const RelaisCommand *relais_tracking_commands (gsize *n);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisTracking, relais_tracking_free)
