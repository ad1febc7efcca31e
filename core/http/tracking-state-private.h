/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What tracking.c and its commands share. Loop thread only.
 */
#pragma once

#include "http/tracking-private.h"

typedef struct {
    RelaisTracking *tracking;
    RelaisOrigin origin;
    GPtrArray *domains; /* char *, whose mail points here */
    RelaisTrackingHealth health;
    RelaisTrackingStep *failed; /* of the last check; or NULL */
    bool expiring;              /* the certificate's end is near, and that was logged */
    RelaisTimer timer;
    RelaisTrackingCheck *check;
} RelaisTrackingHost;

struct RelaisTracking {
    RelaisTrackingOptions options;
    gint64 check_us, retry_us, timeout_us;
    char *hostname;
    GPtrArray *hosts;  /* RelaisTrackingHost */
    GArray *probes;    /* RelaisTrackingProbe */
    GPtrArray *visits; /* Visit: checks by command that are under way */
    bool started;
};

/* Finds a configured host by URL, "HOST" or "HOST:PORT". */
RelaisTrackingHost *relais_tracking_find (const RelaisTracking *tracking, const char *text);
/* A check of a configured host came to a verdict. */
void relais_tracking_note (RelaisTrackingHost *host, const GPtrArray *steps);
RelaisTrackingCheckOptions relais_tracking_check_options (const RelaisTracking *tracking);
/* Commands that wait end here. */
void relais_tracking_end_visits (RelaisTracking *tracking);
