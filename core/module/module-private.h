/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of this room share: a loaded module, the chains of hook functions, a run, a ticket.
 * Nothing outside core/module includes it.
 */
#pragma once

#include "dns/dns-private.h"
#include "module/guard-private.h"
#include "module/host-private.h"
#include "module/intake-private.h"

#include <relais/channel.h>
#include <relais/fetch.h>
#include <relais/helper.h>
#include <relais/hook.h>
#include <relais/log.h>
#include <relais/module.h>
#include <relais/service.h>
#include <relais/store.h>

/* test-zone.c: what the harness answers lookups with. */
typedef struct RelaisTestZone RelaisTestZone;
RelaisTestZone *relais_test_zone_new (void);
void relais_test_zone_free (RelaisTestZone *zone);
/* A record, type and data as in a zone file; FALSE if it is none. */
bool
relais_test_zone_add (RelaisTestZone *zone, const char *name, const char *type, const char *text);
/* From now on nothing is known of that name. */
void relais_test_zone_fail (RelaisTestZone *zone, const char *name, const char *reason);
guint relais_test_zone_n_lookups (const RelaisTestZone *zone);
/* Owned. */
RelaisDnsAnswer *
relais_test_zone_answer (RelaisTestZone *zone, const char *name, RelaisDnsType type);

/* test-suppress.c: what the harness has in place of the suppression list. */
typedef struct RelaisTestSuppression RelaisTestSuppression;
RelaisTestSuppression *relais_test_suppression_new (RelaisLoop *loop);
void relais_test_suppression_free (RelaisTestSuppression *fake);
/* As relais_suppression_report () and relais_suppression_check (). */
void relais_test_suppression_report (RelaisTestSuppression *fake, const RelaisEvidence *evidence,
                                     RelaisSuppressFunc done, gpointer data);
RelaisSuppressAnswer
relais_test_suppression_check (RelaisTestSuppression *fake, const char *address, const char *tenant,
                               const char *campaign);

/* A module's configuration object with its count: pins and the module itself hold it. */
typedef struct {
    gatomicrefcount refs;
    RelaisModule *module;
    gpointer object; /* what prepare_config made; may be NULL */
    GDestroyNotify free_object;
} ConfigObject;
void relais_config_object_unref (ConfigObject *config);

struct RelaisModule {
    RelaisHost *host;
    guint index; /* in host->modules: the place of its object in a pin */
    char *file;
    RelaisModuleDescriptor descriptor; /* the known part, zeroed where the module has less */
    RelaisModuleOps ops;
    RelaisOption *options;   /* copies with our stride */
    RelaisCommand *commands; /* the same */
    ConfigObject *config;    /* in force; NULL before the first commit */
    ConfigObject *prepared;  /* of a commit that is under way */
    gpointer data;           /* the module's own */
    bool initialised, started;
    guint32 hooks;              /* that it has functions on: RelaisCrash.hooks */
    struct RelaisCounter *slow; /* its callbacks over their budget; or NULL */
    bool off;                   /* it was put off: nothing of it is called any more */
};

/* A module that is on, may be missing, and could not be loaded; see missing.c. */
typedef struct {
    char *name, *why;
} RelaisMissing;
void relais_missing_free (gpointer missing);
/* Whether to go on without a module that could not be loaded; then it is noted, and the error freed. */
bool relais_host_take_missing (RelaisHost *host, const char *name, GError **error);
/* Adds to what is wrong with a module the line that enables it, if the files were read, and the name that was probably
 * meant. */
void relais_host_add_hint (const RelaisHost *host, const char *name, GError *problem);

struct RelaisPin {
    gatomicrefcount refs;
    guint n;
    ConfigObject *objects[];
};

/* One function on a hook. */
typedef struct {
    RelaisModule *module;
    char *name; /* "MODULE.NAME" */
    RelaisHookStage stage;
    RelaisHookFlags flags;
    char **before, **after;
    RelaisHookFunc func;
    gpointer data;
    RelaisVerdict on_timeout;
} HookFunction;
void relais_hook_function_free (gpointer function);
void relais_source_word_free (gpointer word);
void relais_http_route_free (gpointer route);

enum { RELAIS_GRANT_RESERVATIONS = 8 }; /* in one run */
typedef struct {
    const HookFunction *function;
    RelaisReservationFunc func;
    gpointer data;
} RelaisReservation;

struct RelaisGrant {
    guint n;
    RelaisReservation reservations[RELAIS_GRANT_RESERVATIONS];
    RelaisLaneLimits limits;
    bool has_limits;
    guint max_recipients; /* 0: not set */
};

typedef struct {
    HookFunction **functions; /* in calling order; NULL until relais_chain_order () */
    guint n;
    bool per_recipient;
} Chain;

struct RelaisHost {
    RelaisLoop *loop;
    RelaisPool *pool;
    RelaisDns *dns;                          /* or NULL */
    RelaisTestZone *zone;                    /* the harness's, instead of a resolver; or NULL */
    GQueue lookups;                          /* RelaisLookup, of modules */
    struct RelaisSuppression *suppression;   /* or NULL */
    RelaisTestSuppression *test_suppression; /* the harness's, instead of a list; or NULL */
    char *module_dir;
    bool module_dir_is_callers;
    char *locale_dir; /* or NULL */
    char *program;
    bool (*is_core_command) (const char *word, const char *verb); /* or NULL */
    GPtrArray *mentions; /* RelaisModuleMention, of modules that may be missing; or NULL */
    GPtrArray *missing;  /* RelaisMissing */
    GPtrArray *modules;  /* RelaisModule; in order of requires once initialised */
    GPtrArray *registered[RELAIS_N_HOOKS]; /* HookFunction, in order of registration */
    Chain chains[RELAIS_N_HOOKS];
    RelaisConfig *config;
    GMutex pin_mutex;
    RelaisPin *pin;                /* under pin_mutex */
    GPtrArray *routes;             /* RelaisHttpRoute */
    struct RelaisFetcher *fetcher; /* or NULL */
    GMutex tracking_mutex;
    RelaisTrackingTable *tracking;        /* or NULL; under tracking_mutex */
    GQueue runs;                          /* RelaisHookRun that are suspended */
    GQueue channels;                      /* RelaisChannel */
    struct RelaisTlsContext *channel_tls; /* of those with TLS; or NULL */
    /* The harness's, or NULL: a socket to the service of that address, -1 where it has none; or how it
     * fails. */
    RelaisChannelOutcome (*channel_peer) (gpointer data, const char *address, int *fd);
    gpointer channel_peer_data;
    /* The harness's, or NULL: what the helper of that name comes to, with its reply; whether it has one
     * (OK), where there is no request. */
    RelaisHelperOutcome (*helper_peer) (gpointer data, const char *program, GBytes *request,
                                        GBytes **reply);
    gpointer helper_peer_data;
    const RelaisIntake *intake; /* or NULL */
    gpointer intake_data;
    guint submissions; /* atomic: not told of yet */
    GPtrArray *off;    /* RelaisModule, stand-ins for those that are not loaded; see off.c */
    GQueue cursors;    /* RelaisEventCursor */
    GQueue timers;     /* RelaisModuleTimer */
    char *state_dir;   /* of what is kept over restarts; or NULL */
    /* The harness's: takes a fetch in place of the HTTP client; or NULL. */
    guint64 (*fetch) (gpointer data, const RelaisFetchInfo *info, RelaisFetchFunc done,
                      gpointer done_data);
    bool (*fetch_cancel) (gpointer data, guint64 number); /* set with it */
    gpointer fetch_data;
    const RelaisShaper *shaper; /* or NULL */
    gpointer shaper_data;
    GPtrArray *source_words; /* what modules say of sources that are out; see shaping.c */
    GPtrArray *slots;        /* RelaisSlot */
    GPtrArray *services;     /* RelaisService */
    GPtrArray *metrics;      /* RelaisMetric: counters, gauges, histograms */
    struct RelaisCounter *edits_left_out;
    RelaisTokens *tokens;
    RelaisEventLog *events;
    void (*event_sink) (gpointer data, GBytes *line); /* the harness's, where there is no log */
    gpointer event_sink_data;
    /* The harness's again: RelaisDelivered by queue id, or by Message-ID; NULL with an error. A worker. */
    GPtrArray *(*find_deliveries) (gpointer data, const char *queue_id, guint32 number,
                                   const char *message_id, GError **error);
    gpointer find_deliveries_data;
    guint jobs; /* of modules, under way */
    bool stopped;
    bool in_init; /* init functions run: the time to register */
    RelaisStore *store;
    RelaisModule *store_module; /* the one that is its backend, or NULL */
    RelaisStoreBackend store_backend;
    gpointer store_backend_data;
};

/* What a hook takes and where it runs (the table of design.md section 2). */
typedef struct {
    const char *name;
    guint32 verdicts; /* bit of each verdict besides CONTINUE */
    bool worker;
    bool may_suspend;
    bool observe;           /* verdicts have no meaning */
    RelaisVerdict fallback; /* for a verdict that the hook does not take */
} HookKind;
extern const HookKind relais_hook_kinds[RELAIS_N_HOOKS];
/* "decide" or "modify"; NULL on hooks that have but one stage. */
const char *relais_hook_stage_to_string (RelaisHookId hook, RelaisHookStage stage);
const char *relais_verdict_to_string (RelaisVerdict verdict);

/* Orders the registered functions of all hooks; fails on a cycle, naming it. */
bool relais_chains_order (RelaisHost *host, GError **error);
/* Orders modules so that each comes after those it requires; fails on cycles, conflicts and what is
 * missing. */
bool relais_modules_order (RelaisHost *host, GError **error);

/* The call of a hook as modules see it; lives inside a run, or on a worker's stack. */
struct RelaisHook {
    RelaisHost *host;
    RelaisHookId id;
    RelaisSubject *subject;
    RelaisHookResult *result;
    const HookFunction *function; /* the one that is called now */
    RelaisHookRun *run;           /* NULL on a worker */
    GByteArray *header;           /* cache of relais_hook_get_header () */
    RelaisRope *rope; /* MESSAGE, SEAL: what relais_hook_read () reads, made when asked for */
    guint sealed; /* SEAL: octets of lines that functions before this one put before the message */
    RelaisTrackingTable *tracking; /* that was asked, held until the function returns; or NULL */
    RelaisTicket *ticket;          /* the one that was handed out and is open */
    char enhanced[20];             /* what relais_hook_get_reply_enhanced () returned */
};
void relais_hook_clear (RelaisHook *hook);
/* edit.c: puts staged edits into the rope, or drops them; those that would have harmed the message are counted. */
void relais_subject_settle_edits (RelaisHost *host, RelaisSubject *subject, bool wanted);

struct RelaisHookRun {
    RelaisHook hook;
    guint next; /* place in the chain of the function to be called next */
    RelaisHookDone done;
    gpointer data;
    RelaisHookResult result; /* of a run that was suspended */
    RelaisTimer timer;
    GList link; /* in host->runs while suspended */
    bool calling, cancelled;
};

/* Modules' lookups that are under way end as temporary. */
void relais_host_end_lookups (RelaisHost *host);

/* Timers of a module that was stopped: those that are still set are not any more. */
void relais_module_end_timers (RelaisModule *module);

/* Modules' channels are over. */
void relais_host_end_channels (RelaisHost *host);

/* translate.c: reads what there is of a gettext domain for relais_translate (), once; at start-up. */
void relais_translations_load (const char *dir, const char *domain);

typedef struct RelaisMetric RelaisMetric;
void relais_metric_free (gpointer metric);
/* The core's counter of what a module does, told apart by `label`. */
struct RelaisCounter *
relais_module_add_counter (RelaisModule *module, const char *name, const char *label);
/* A counter of the core's own. */
struct RelaisCounter *relais_host_add_counter (RelaisHost *host, const char *name);
/* What a counter or gauge stands at; 0 if it never counted that value. */
guint64
relais_host_count (const RelaisHost *host, const char *module, const char *name, const char *value);
/* Samples of a histogram up to one of its bounds (G_MAXINT64: all), and the sum of all. */
guint64 relais_host_count_samples (const RelaisHost *host, const char *module, const char *name,
                                   const char *value, gint64 bound, gint64 *sum);

/* Ends the wait of a run without an answer: cancel_cb is called unless the ticket was completed. */
void relais_ticket_abandon (RelaisTicket *ticket);
/* The same for the one that a call took, and its time-out: the call goes on as if it had taken none. */
void relais_hook_give_up_ticket (RelaisHook *hook);
bool relais_ticket_is_completed (RelaisTicket *ticket);
/* Goes on with a run after its ticket was completed; loop. */
void relais_hook_run_resume (RelaisHookRun *run, RelaisVerdict verdict);

/* A service that is offered, and the modules that were given it. */
typedef struct {
    RelaisModule *module; /* NULL: the harness */
    char *name;
    guint32 major, minor;
    const RelaisServiceTable *table;
    GPtrArray *users; /* RelaisModule, borrowed */
} RelaisService;
void relais_service_free (gpointer service);
const char *relais_service_owner (const RelaisService *service);
void relais_host_add_service (RelaisHost *host, RelaisModule *module, const char *name,
                              guint32 major, guint32 minor, const RelaisServiceTable *table);

/* `relaisctl services`; its data is the host. */
void relais_host_list_services (RelaisCommandCall *call, gpointer host);

/* The loader: checks the file, opens it, finds and checks its descriptor. The module is not in
 * host->modules yet. */
RelaisModule *relais_module_load (RelaisHost *host, const char *name, GError **error);
/* Whether the file, and the directory of modules, are ones that only root (or whoever named the directory) can
 * write. May block. */
bool relais_module_check_file (const RelaisHost *host, const char *file, GError **error);
RelaisModule *relais_module_new (RelaisHost *host, const RelaisModuleDescriptor *descriptor,
                                 const char *file, GError **error);
/* Calls its init, the time to register. */
bool relais_module_init (RelaisModule *module, GError **error);
void relais_module_free (gpointer module);
bool relais_module_name_is_good (const char *name);

struct RelaisSlot {
    RelaisModule *module;
    RelaisSlotScope scope;
    guint number;
    GDestroyNotify destroy;
};

#define RELAIS_MODULE_ERROR (relais_module_error_quark ())
GQuark relais_module_error_quark (void);
typedef enum {
    RELAIS_MODULE_ERROR_FILE,       /* not there, or not to be trusted */
    RELAIS_MODULE_ERROR_DESCRIPTOR, /* what relais_module_check () found */
    RELAIS_MODULE_ERROR_RELATION,   /* requires, conflicts, cycles */
    RELAIS_MODULE_ERROR_HOOK,       /* a bad registration, of a hook or a route */
    RELAIS_MODULE_ERROR_CONFIG
} RelaisModuleError;
