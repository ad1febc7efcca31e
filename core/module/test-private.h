/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of the harness (include/relais/test.h) share. The caller's thread owns all of it.
 */
#pragma once

#include "module/module-private.h"

#include "conf/conf-private.h"
#include "tls/tokens-private.h"

#include <relais/test.h>

/* The machine's clock, until it is made to stand still. */
typedef struct {
    RelaisClock clock;
    gint64 wall_us, mono_us; /* atomic: workers ask too */
    gboolean still;
} RelaisTestClock;
void relais_test_clock_init (RelaisTestClock *clock);
/* A turn of the loop for a run that is not over yet. */
void relais_test_wait (RelaisTest *test);
/* Until nothing is under way that does not wait for the clock. */
void relais_test_rest (RelaisTest *test);
/* Class and campaign, as the test set them, into the envelope. */
void relais_test_name_message (RelaisTest *test);

/* What lane, admit and result are told, and what they said; see test-shaping.c. */
typedef struct {
    char *source, *pool, *site, *provider, *klass, *campaign;
    guint n_connections;
    RelaisOutcome outcome;
    char *phase, *text;
    guint32 code;
    guint16 enhanced[3];
    RelaisGrant *grant; /* of the last run, while it is open */
    RelaisLaneLimits limits;
    guint max_recipients;
    guint n_wakes;
    char *notice; /* subject and text; or NULL */
} RelaisTestShaping;

/* What lookups of deliveries find; see test-delivery.c. */
typedef struct {
    GMutex mutex;
    GPtrArray *all; /* RelaisDelivered */
    char *error;    /* or NULL */
} RelaisTestDeliveries;

/* Services that channels find; see test-channel.c. */
typedef struct {
    GPtrArray *answers;  /* what they say */
    GHashTable *octets;  /* address -> what one of octets does */
    GHashTable *failing; /* address -> RelaisChannelOutcome */
    GQueue streams;      /* their sides of channels */
} RelaisTestServices;

/* Helper programs that the test answers for: name -> what it does; see test-program.c. */
typedef GHashTable RelaisTestPrograms;

/* What is submitted, fetched and asked about; see test-intake.c and test-fetch.c. */
typedef struct {
    GQueue submitted; /* RelaisSubmitInfo, copies */
    RelaisSubmitInfo *taken;
    RelaisSubmitOutcome outcome;
    char *text;
    guint64 last_id;
    GHashTable *queued; /* id -> GPtrArray of what was added */
    char *error;
} RelaisTestIntake;
typedef struct {
    GHashTable *pages; /* url -> what comes */
    GMutex mutex;      /* over the rest */
    GQueue requests;
    GHashTable *open; /* number -> Fetch */
    guint64 last_number;
    bool stopping;
} RelaisTestPages;

/* What rooms below add to a harness that asks for it (core/test-queue.c). All get `data`. */
typedef struct {
    /* Text of a conf.d file that is read before the test's own. Owned. */
    char *(*configuration) (gpointer data);
    /* Between the modules' init and their start; after it; with a new configuration; before their stop; at the end. */
    bool (*open) (gpointer data, RelaisConfig *config, GError **error);
    void (*start) (gpointer data);
    void (*reload) (gpointer data, RelaisConfig *config);
    void (*stop) (gpointer data);
    void (*free) (gpointer data);
    /* Whether something is under way that does not wait for the clock. */
    bool (*is_busy) (gpointer data);
} RelaisTestParts;

struct RelaisTest {
    RelaisTestClock clock;
    RelaisLoop *loop;
    RelaisPool *pool;
    RelaisHost *host;
    RelaisStoreMemory *memory;
    RelaisSchema *schema;
    RelaisMessage *message;
    RelaisSubject subject;
    GHashTable *session_slots, *transaction_slots;
    GPtrArray *attempt_attributes;
    char *client, *helo, *tenant, *listener, *new_sender;
    GByteArray *sealed;
    RelaisTrace *trace;
    char *auth_results;   /* of the last run of message */
    GHashTable *tracking; /* domain -> TrackingUrl */
    RelaisHookResult result;
    RelaisHookId hook;
    bool done;
    char *state_dir;
    RelaisTokens *tokens;
    char *log_dir; /* of `log`; or NULL */
    RelaisEventLog *log;
    GMutex events_mutex;
    GQueue events; /* GBytes */
    RelaisTestShaping shaping;
    RelaisTestDeliveries deliveries;
    RelaisTestServices services;
    RelaisTestPrograms *programs;
    RelaisTestIntake intake;
    RelaisTestPages pages;
    const RelaisTestParts *parts; /* or NULL */
    gpointer parts_data;
    RelaisMeaning meaning; /* of the last run of result */
    RelaisClassification classification;
};

void relais_test_shaping_init (RelaisTest *test);
void relais_test_shaping_clear (RelaisTest *test);
/* Ends what the last run reserved, and fills in what this one is told. */
void relais_test_shaping_begin (RelaisTest *test, RelaisHookId hook);
/* Takes what the functions set. */
void relais_test_shaping_end (RelaisTest *test);

void relais_test_deliveries_init (RelaisTest *test);
void relais_test_deliveries_clear (RelaisTest *test);

/* Ends the event log, if there is one. */
void relais_test_log_clear (RelaisTest *test);
void relais_test_intake_init (RelaisTest *test);
void relais_test_intake_clear (RelaisTest *test);
void relais_test_pages_init (RelaisTest *test);
/* Ends what was asked and not answered, as a daemon that stops does. */
void relais_test_pages_stop (RelaisTest *test);
void relais_test_pages_clear (RelaisTest *test);
void relais_test_programs_init (RelaisTest *test);
void relais_test_programs_clear (RelaisTest *test);
void relais_test_services_init (RelaisTest *test);
void relais_test_services_clear (RelaisTest *test);
