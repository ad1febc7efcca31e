/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What open-tracker and click-redirector have in common: their options, which mail is tracked and how, what a
 * token says of a message, and what becomes of a hit. Compiled into both; each has its own.
 */
#pragma once

#include <relais/counter.h>
#include <relais/hook.h>
#include <relais/http.h>
#include <relais/module.h>

#include <stdbool.h>

#include "repeats.h"
#include "who.h"

/* The build system's; for whoever builds the module by hand. */
#ifndef TRACKING_RULES_FILE
#define TRACKING_RULES_FILE "/usr/share/relais/tracking-rules"
#endif

/* --- Configuration (config.c): an immutable object, pinned like any module's. */
typedef enum { TRACKING_OFF = 0, TRACKING_AGGREGATE = 1, TRACKING_INDIVIDUAL = 2 } TrackingMode;
typedef enum {
    TRACKING_ADDRESS_FULL,
    TRACKING_ADDRESS_TRUNCATED,
    TRACKING_ADDRESS_NONE
} TrackingAddress;

typedef struct {
    TrackingMode mode;
    bool consent; /* the tenant says that its recipients agreed to be told apart */
} TrackingTenant;

typedef struct {
    TrackingTenant common;
    GHashTable *tenants; /* name -> TrackingTenant, of those that differ */
    gint64 life_us;      /* of a token */
    gint64 window_us;    /* hits of one delivery within it are looked at together */
    guint repeats;       /* hits of a kind within a minute that have an event each */
    TrackingAddress address;
    TrackingRules *rules;
} TrackingConfig;

#define TRACKING_DAY_US (G_GINT64_CONSTANT (24) * 3600 * G_USEC_PER_SEC)

/* The options of a module `name`, for its table. */
#define TRACKING_OPTIONS(name)                                                                     \
    {name,                                                                                         \
     "mode",                                                                                       \
     RELAIS_OPTION_ENUM,                                                                           \
     RELAIS_OPTION_RELOADABLE | RELAIS_OPTION_TENANT,                                              \
     "off",                                                                                        \
     0,                                                                                            \
     0,                                                                                            \
     "off|aggregate|individual",                                                                   \
     N_ ("off; aggregate counts for tenant and campaign alone, and tells of a link its place in "  \
         "the message and not its URL; individual tells recipients apart, if they agreed to it "   \
         "(consent), and is aggregate otherwise.")},                                               \
        {name,                                                                                     \
         "consent",                                                                                \
         RELAIS_OPTION_BOOL,                                                                       \
         RELAIS_OPTION_RELOADABLE | RELAIS_OPTION_TENANT,                                          \
         "no",                                                                                     \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         N_ ("Recipients agreed to be told apart; a message's X-Relais-Consent (yes, no) "         \
             "says it for that message.")},                                                        \
        {name,                                                                                     \
         "life",                                                                                   \
         RELAIS_OPTION_DURATION,                                                                   \
         RELAIS_OPTION_RELOADABLE,                                                                 \
         "400d",                                                                                   \
         366 * TRACKING_DAY_US,                                                                    \
         G_MAXINT64,                                                                               \
         NULL,                                                                                     \
         N_ ("How long what was sent leads somewhere and is counted; [tokens] keep must be "       \
             "longer.")},                                                                          \
        {name,                                                                                     \
         "window",                                                                                 \
         RELAIS_OPTION_DURATION,                                                                   \
         RELAIS_OPTION_RELOADABLE,                                                                 \
         "3s",                                                                                     \
         0,                                                                                        \
         60 * G_USEC_PER_SEC,                                                                      \
         NULL,                                                                                     \
         N_ ("Hits of one recipient within this time are looked at together before it is said "    \
             "who it was; the event comes so much later.")},                                       \
        {name,                                                                                     \
         "repeats",                                                                                \
         RELAIS_OPTION_INT,                                                                        \
         RELAIS_OPTION_RELOADABLE,                                                                 \
         "10",                                                                                     \
         1,                                                                                        \
         1000000,                                                                                  \
         NULL,                                                                                     \
         N_ ("Hits of one link or pixel within a minute that have an event each, of persons, of "  \
             "machines and of who knows; more are told in one event, with their number.")},        \
        {name,                                                                                     \
         "address",                                                                                \
         RELAIS_OPTION_ENUM,                                                                       \
         RELAIS_OPTION_RELOADABLE,                                                                 \
         "truncated",                                                                              \
         0,                                                                                        \
         0,                                                                                        \
         "full|truncated|none",                                                                    \
         N_ ("What is kept of a reader's address: all of it, its network (/24, /48), or "          \
             "nothing.")},                                                                         \
    {                                                                                              \
        name, "rules", RELAIS_OPTION_PATH, RELAIS_OPTION_RELOADABLE, TRACKING_RULES_FILE, 0, 0,    \
            NULL, N_ ("File of networks and programs that are no persons; read again on reload.")  \
    }

/* Fills in the part that both modules have; what prepare_config makes begins with it. */
gboolean tracking_config_read (TrackingConfig *own, RelaisModule *module, RelaisConfig *config,
                               GError **error);
void tracking_config_clear (TrackingConfig *own);

/* --- Which mail (mode.c). */
/* MESSAGE: decides once, when the message is accepted, how it is tracked, and keeps that with it. `word` is what
 * X-Relais-Track calls it ("opens", "clicks"). */
void tracking_decide (RelaisHook *hook, const char *word);
/* REWRITE: what was decided. */
TrackingMode tracking_mode_of (RelaisHook *hook);

/* --- What a token says (identity.c). */
typedef struct {
    bool individual;
    bool trap;  /* a link that nobody sees */
    bool probe; /* of no message: a check's, which is counted nowhere */
    guint32 recipient;
    char queue_id[16]; /* "" unless individual */
    gint64 sent_us;    /* wall clock; the day alone unless individual */
    guint32 link, n_links;
    char *tenant, *campaign; /* NULL: none; owned */
    char *url;               /* "" for pixels; owned */
} TrackingIdentity;
/* What a message says of itself; of its recipient, if individual. */
void tracking_identity_init (TrackingIdentity *identity, RelaisHook *hook, TrackingMode mode);
void tracking_identity_clear (TrackingIdentity *identity);
GByteArray *tracking_identity_encode (const TrackingIdentity *identity);
/* False for octets that tracking_identity_encode () did not make. */
bool tracking_identity_decode (TrackingIdentity *identity, const guint8 *bytes, gsize size);

/* --- Hits (hits.c). */
typedef struct TrackingHits TrackingHits;
/* In init. Its event type ("opened"), what it counts, what it stores. */
TrackingHits *tracking_hits_new (RelaisModule *module, const char *event_type);
/* In finalize. */
void tracking_hits_free (TrackingHits *hits);
/* In stop: what waits is told at once. */
void tracking_hits_flush (TrackingHits *hits);
/* Any thread. Notes that `request` came with a token that says `identity`, which it takes over. */
void tracking_hits_add (TrackingHits *hits, RelaisHttpRequest *request, TrackingIdentity *identity);

/* --- `relaisctl WORD show` (show.c): rows of tenant, campaign and how many hits of whom. */
void tracking_command_show (RelaisCommandCall *call, gpointer data);

/* --- Pages (answer.c). */
/* For people, never kept: a heading and a sentence, both N_ (), in the language that the request asks for. */
void tracking_answer_page (RelaisHttpRequest *request, guint32 status, const char *title,
                           const char *text);
