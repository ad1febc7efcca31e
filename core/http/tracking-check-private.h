/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One check of a tracking host, step by step: dns, connect, certificate (https), then what each
 * route that has a probe answers. It sees the host as a recipient's mail program would. Loop thread only.
 */
#pragma once

#include "conf/origin-private.h"
#include "http/fetch-private.h"
#include "loop/pool-private.h"

enum { RELAIS_TRACKING_WARN_DAYS = 14 /* of a certificate's life that are left */ };

/* What a route is asked for. `make` runs on a worker and may wait; its results are owned by the
 * caller, `header_name` may stay NULL. False: nothing to ask for now. */
typedef struct {
    const char *name; /* "pixel"; the name of the step */
    bool (*make) (gpointer data, const char *host, char **path, guint *status, char **header_name,
                  char **header_value);
    gpointer data;
} RelaisTrackingProbe;

typedef enum {
    RELAIS_STEP_OK,
    RELAIS_STEP_WARNING, /* good, but not for long */
    RELAIS_STEP_FAILED,
    RELAIS_STEP_SKIPPED /* an earlier one failed */
} RelaisStepResult;
const char *relais_step_result_to_string (RelaisStepResult result);

/* Texts are for people, one line, translated; "" where there is nothing to say. */
typedef struct {
    char *name;
    RelaisStepResult result;
    char *found, *expected, *advice;
} RelaisTrackingStep;
RelaisTrackingStep *
relais_tracking_step_new (const char *name, RelaisStepResult result, const char *found,
                          const char *expected, const char *advice);
void relais_tracking_step_free (gpointer step); /* NULL ok */
/* Of RelaisTrackingStep, owned by the array. */
GPtrArray *relais_tracking_steps_new (void);
/* The first that failed; NULL if none did. */
const RelaisTrackingStep *relais_tracking_steps_failed (const GPtrArray *steps);

typedef struct {
    RelaisLoop *loop;
    RelaisPool *pool;
    RelaisFetcher *fetcher;
    const RelaisTrackingProbe *probes; /* borrowed until the end */
    guint n_probes;
    gint64 timeout_us;    /* of each request */
    const char *hostname; /* of this machine, for advice */
} RelaisTrackingCheckOptions;

typedef struct RelaisTrackingCheck RelaisTrackingCheck;

/* `steps` are borrowed. `known`: the check came to a verdict; else it could not be made. */
typedef void (*RelaisTrackingCheckFunc) (gpointer data, const GPtrArray *steps, bool known);

/* Starts; the handle is valid until `func`, which comes from a later turn. */
RelaisTrackingCheck *
relais_tracking_check_new (const RelaisTrackingCheckOptions *options, const RelaisOrigin *origin,
                           RelaisTrackingCheckFunc func, gpointer data);
/* `func` will not be called. Waits for a worker that makes the probes: shutdown only. NULL ok. */
void relais_tracking_check_cancel (RelaisTrackingCheck *check);
