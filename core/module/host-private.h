/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The module host as the rooms below it see it: run the chain of a hook over a subject, and get one
 * verdict. It loads modules, orders their functions, and hands out tickets; it knows nothing of SMTP
 * dialogue or queues.
 *
 * Loop thread only, but relais_host_run_worker () and what is marked. With no function on a hook a run costs one load
 * and a branch.
 */
#pragma once

#include "event/event-private.h"
#include "loop/pool-private.h"
#include "message/rope-private.h"
#include "message/trace-private.h"
#include "module/tracking-private.h"
#include "spool/spool-private.h"
#include "tls/tokens-private.h"
#include "store/store-private.h"

#include <relais/bounce.h>
#include <relais/command.h>
#include <relais/http.h>
#include <relais/option.h>
#include <relais/shaping.h>

typedef struct RelaisHost RelaisHost;

typedef struct {
    RelaisLoop *loop;
    RelaisPool *pool;
    const char *module_dir;
    bool module_dir_is_callers; /* --module-dir: may belong to the caller instead of root */
    const char *locale_dir;     /* of catalogues for relais_translate (); NULL: none */
    const char *program;        /* "relaisd", "relaisctl", "relais-inspect", "test" */
    /* Whether Relais itself has that command, so that no module may (`verb` may be NULL); NULL: it has none. */
    bool (*is_core_command) (const char *word, const char *verb);
} RelaisHostOptions;

RelaisHost *relais_host_new (const RelaisHostOptions *options);
/* The workers that modules' jobs run on, where they were started after the host was made. */
void relais_host_set_pool (RelaisHost *host, RelaisPool *pool);
/* stop of all modules in reverse order. Runs that are still suspended are cancelled; waits for the modules' jobs
 * and for the store, so the pool and the event log must still be there. Once; NULL ok. */
void relais_host_stop (RelaisHost *host);
/* The same if it was not done, and finalize; nothing is ever unmapped. NULL ok. */
void relais_host_free (RelaisHost *host);

/* What modules' tokens are sealed with, and where their events go; borrowed, set before the modules start. Where
 * there is none of them no token is made and none opens, and events go nowhere. */
void relais_host_set_tokens (RelaisHost *host, RelaisTokens *tokens);
void relais_host_set_events (RelaisHost *host, RelaisEventLog *events);
/* The resolver that modules ask; borrowed until relais_host_stop (), set before they start. */
struct RelaisDns;
void relais_host_set_dns (RelaisHost *host, struct RelaisDns *dns);
/* The suppression list that modules report to and ask; borrowed until relais_host_stop (), set before they
 * start. Where there is none reports fail and nothing is known. */
struct RelaisSuppression;
void relais_host_set_suppression (RelaisHost *host, struct RelaisSuppression *suppression);
/* The host's own commands (`relaisctl counters`); their data is the host. */
const RelaisCommand *relais_host_commands (gsize *n);

/* Another directory of catalogues; before relais_host_start (). */
void relais_host_set_locale_dir (RelaisHost *host, const char *dir);

/* --- Modules that are off. */
/* on_failure of [module NAME]. */
typedef enum {
    RELAIS_ON_FAILURE_UNSET,
    RELAIS_ON_FAILURE_TEMPFAIL,
    RELAIS_ON_FAILURE_BYPASS,
    RELAIS_ON_FAILURE_STOP
} RelaisOnFailure;
/* UNSET for NULL and what is none. */
RelaisOnFailure relais_on_failure_from_string (const char *text);
/* What the configuration in force says. Loop. */
RelaisOnFailure relais_module_on_failure (const RelaisModule *module);
/* Any thread. */
bool relais_module_is_off (const RelaisModule *module);
/* A module is not loaded; where TEMPFAIL is wanted, mail at its hooks is put off: those of `hooks`
 * (RelaisCrash.hooks), or, where they are not known, at RCPT and ROUTE. Before relais_host_init (). */
void relais_host_stand_in (RelaisHost *host, const char *name, guint32 hooks,
                           RelaisOnFailure on_failure);
/* A module that was loaded is put off: its functions are not called any more, nor anything else of it. */
void relais_module_put_off (RelaisModule *module, RelaisOnFailure on_failure);
guint relais_host_n_off (const RelaisHost *host);
bool relais_host_is_off (const RelaisHost *host, const char *name);

/* Loads a module by name (never a path): file checks, dlopen, descriptor. init is called by
 * relais_host_init (). The error names file, field, found, wanted and remedy. */
bool relais_host_load (RelaisHost *host, const char *name, GError **error);
bool relais_host_has_module (const RelaisHost *host, const char *name);
/* The names of the modules (char *) whose files are in a directory, in no order; none where it cannot be read. Owned.
 * Reads the directory: at start-up, on a worker, or in relaisctl. */
GPtrArray *relais_module_names (const char *module_dir);
/* To check a configuration: from now on those that the files in `dirs` (NULL-terminated) let the daemon start without
 * (on_failure) load even if they cannot be: then they are not there, their sections are not looked at, and
 * relais_host_put_missing () tells. Reads the files. */
void relais_host_allow_missing (RelaisHost *host, const char *const *dirs);
/* Adds a warning (RelaisConfigFinding) for each of those. Any thread once all are loaded. */
void relais_host_put_missing (const RelaisHost *host, GPtrArray *findings);
/* Adds the loaded modules' options to the schema, and the names of those that are installed, but not loaded.
 * Reads the module directory: at start-up, or on a worker. */
struct RelaisSchema;
bool relais_host_add_options (RelaisHost *host, struct RelaisSchema *schema, GError **error);
/* init of every module in order of requires[], then prepare_config of all, then commit_config of all
 * (nothing is committed if one refuses). */
bool relais_host_init (RelaisHost *host, RelaisConfig *config, GError **error);
/* The same for a new configuration; on error the old one stays. */
bool relais_host_reload (RelaisHost *host, RelaisConfig *config, GError **error);
/* Its two halves, for a daemon that works meanwhile: prepare_config of all modules, which reads files, on a
 * worker; then commit_config of all on the loop, which cannot fail, or nothing of it. One at a time. */
bool relais_host_prepare (RelaisHost *host, RelaisConfig *config, GError **error);
void relais_host_commit (RelaisHost *host, RelaisConfig *config);
void relais_host_drop_prepared (RelaisHost *host);
/* start of every module, the store's backend first. */
bool relais_host_start (RelaisHost *host, GError **error);
/* The store, for the core's own calls (namespace RELAIS_STORE_CORE): between start and free. Borrowed. */
RelaisStore *relais_host_get_store (RelaisHost *host);
/* Reads of modules' channels that wait. */
guint relais_host_n_reading (const RelaisHost *host);
/* All commands of loaded modules: calls `func` for each. */
typedef void (*RelaisHostCommand) (gpointer data, const RelaisCommand *command,
                                   gpointer command_data);
void relais_host_each_command (RelaisHost *host, RelaisHostCommand func, gpointer data);

/* The HTTP routes of all modules, in order of registration. Init alone adds to them, so that later any
 * thread may look; they live as long as the host. */
typedef struct {
    RelaisModule *module;
    char *path;
    gsize path_size;
    bool below; /* the path ends in a slash: all that begins with it is meant */
    RelaisHttpListenerKind listener;
    RelaisHttpMethods methods;
    RelaisHttpRouteKind kind;
    RelaisHttpFunc func;
    gpointer data;
    gint64 deadline_us; /* 0: the configured one */
    gsize max_body;
    char *probe_name; /* NULL without a probe */
    RelaisHttpProbeFunc probe;
} RelaisHttpRoute;
guint relais_host_n_routes (const RelaisHost *host);
const RelaisHttpRoute *relais_host_nth_route (const RelaisHost *host, guint n);
/* The one that answers for `path`, or NULL. */
const RelaisHttpRoute *
relais_host_find_route (const RelaisHost *host, RelaisHttpListenerKind listener, const char *path,
                        gsize path_size);

/* The modules' configuration objects of this moment, pinned: what a session or delivery that began
 * now keeps using. */
typedef struct RelaisPin RelaisPin;
/* Any thread. */
RelaisPin *relais_host_pin (RelaisHost *host);
/* The pinned object of a module. Any thread. */
gpointer relais_pin_get_config (const RelaisPin *pin, const RelaisModule *module);
RelaisPin *relais_pin_ref (RelaisPin *pin);
void relais_pin_unref (RelaisPin *pin);

/* What functions of RESULT say that an answer means (relais_hook_set_classification ()). */
enum { RELAIS_MEANING_NAME_BYTES = 64 };
typedef struct {
    bool is_set;
    RelaisBounceScope scope;
    RelaisBouncePermanence permanence;
    RelaisSuppressClass suppress;
    char reason[RELAIS_MEANING_NAME_BYTES + 1], rule[RELAIS_MEANING_NAME_BYTES + 1]; /* "": none */
} RelaisMeaning;

/* What a hook looks at. The caller fills in what exists at that point; the public accessors
 * (include/relais/hook.h) read from here. All borrowed for the run. */
typedef struct {
    RelaisPin *pin;
    GHashTable **session_slots; /* see slots in hook.h; NULL where there are none */
    /* session */
    const char *client, *helo, *user, *tenant, *listener;
    guint16 client_port;
    bool tls, trusted; /* trusted: may relay without AUTH */
    /* transaction */
    RelaisEnvelope *envelope;   /* from MAIL on */
    RelaisRecipient *recipient; /* RCPT: the one asked about */
    /* message */
    RelaisMessage *message; /* MESSAGE, and everything on the way out */
    RelaisDraft *draft;     /* MESSAGE: to read the bytes */
    RelaisTrace *trace;     /* MESSAGE: what modules find, and add above it */
    /* delivery */
    const RelaisRecipient *const *recipients; /* of this transaction */
    guint n_recipients;
    RelaisRope *rope;      /* REWRITE, SEAL: the bytes as they stand now */
    RelaisBodyFacts facts; /* of that rope, if it is known what edits made of it */
    bool has_facts;
    struct RelaisEdits *edits;              /* REWRITE: made and settled within the run */
    struct RelaisHeaderEdits *header_edits; /* the same */
    GByteArray *sealed;                     /* SEAL: header lines to stand before the rope */
    GPtrArray *attempt_attributes;          /* owned by the delivery; see hook.h */
    char **new_sender;                      /* REWRITE: envelope sender, may be replaced */
    const char *destination;                /* domain or route name */
    /* lane, admit and what follows */
    const char *source, *pool, *site, *provider;
    const char *klass, *campaign; /* NULL in LANE */
    guint n_connections;          /* of the lane; LANE, ADMIT */
    struct RelaisGrant *grant;    /* LANE, ADMIT: what the functions allow */
    /* result */
    RelaisOutcome outcome;
    const char *phase, *host;
    bool internal;
    guint16 reply_code;
    const guint16 *reply_enhanced;
    const char *reply_text;
    RelaisMeaning *meaning;         /* RESULT: where they put it */
    GHashTable **transaction_slots; /* as session_slots, dropped with the transaction */
    /* event: filled in by relais_host_notify_event () */
    guint64 event_seq;
    GBytes *event_line;
} RelaisSubject;

/* Slots are made by the host in `*session_slots`, which starts as NULL; the owner drops them with
 * g_clear_pointer (&slots, g_hash_table_unref) when the session (transaction) ends.
 * attempt_attributes come from here and are dropped with g_ptr_array_unref (). */
GPtrArray *relais_attempt_attributes_new (void);

/* How a run ended. */
typedef struct {
    RelaisVerdict verdict;
    guint16 code;         /* with REJECT, TEMPFAIL: reply, or 0 for the caller's default */
    char enhanced[12];    /* "5.7.1", "" for the default */
    char *text;           /* or NULL */
    const char *module;   /* who decided; NULL nobody */
    gint64 wait_until_us; /* WAIT */
    RelaisWaitScope wait_scope;
    char *wait_reason; /* or NULL */
} RelaisHookResult;
void relais_hook_result_clear (RelaisHookResult *result);

typedef struct RelaisHookRun RelaisHookRun;
typedef void (*RelaisHookDone) (gpointer data, RelaisHookResult *result);

bool relais_host_has (const RelaisHost *host, RelaisHookId hook);
/* Whether a function on that hook wants each recipient in a transaction of its own. */
bool relais_host_is_per_recipient (const RelaisHost *host, RelaisHookId hook);
/* Runs the chain. Returns NULL if it ended within the call, with the outcome in `result`; else a run
 * that ends by one call of `done`, from a later turn, unless cancelled (disconnect, RSET). The
 * subject must live until then. */
RelaisHookRun *relais_host_run (RelaisHost *host, RelaisHookId hook, RelaisSubject *subject,
                                RelaisHookResult *result, RelaisHookDone done, gpointer data);
void relais_host_cancel (RelaisHookRun *run);
/* REWRITE and SEAL: on a worker, no suspension. What functions of REWRITE edited is in `subject->rope`
 * then, unless one of them put the message off. */
void relais_host_run_worker (RelaisHost *host, RelaisHookId hook, RelaisSubject *subject,
                             RelaisHookResult *result);
/* EVENT: tells the observers. */
void relais_host_notify_event (RelaisHost *host, guint64 seq, GBytes *line);

/* --- Shaping. */
/* What functions of LANE or ADMIT allow in one run, and set. The caller makes it for the run and ends it. */
typedef struct RelaisGrant RelaisGrant;
RelaisGrant *relais_grant_new (void);
/* Tells all who reserved; NULL ok. */
void relais_grant_tell (RelaisGrant *grant, RelaisReservationStep step, guint n);
/* The last step; frees it. NULL ok. */
void relais_grant_end (RelaisGrant *grant, RelaisReservationStep step, guint n);
/* What was set: false if no limits were; 0 if there is no highest number. */
bool relais_grant_get_limits (const RelaisGrant *grant, RelaisLaneLimits *limits);
guint relais_grant_get_max_recipients (const RelaisGrant *grant);

/* What modules' calls come to; borrowed, set before they start, NULL when the queue goes. */
typedef struct {
    void (*wake) (gpointer data, const char *source, const char *site);
    /* `reason` NULL: it is in use again. */
    void (*source_changed) (gpointer data, const char *source, const char *reason);
    bool (*notify) (gpointer data, const char *module, const char *subject, const char *text);
} RelaisShaper;
void relais_host_set_shaper (RelaisHost *host, const RelaisShaper *shaper, gpointer data);
/* Why a source is out; NULL while it is in. */
const char *relais_host_source_reason (const RelaisHost *host, const char *source);

/* --- For rooms below whose functions modules call. */
/* Copies the part of a versioned struct that both sides know into `to`, zero-filled; false if the
 * tail that only the other side knows is not all zero. Pure. */
bool relais_copy_known (gpointer to, gsize to_size, gconstpointer from, gsize from_size);
/* The HTTP client (core/http) that relais_fetch () hands over to. Set once, before
 * relais_host_start (); borrowed, must outlive the workers. */
struct RelaisFetcher;
void relais_host_set_fetcher (RelaisHost *host, struct RelaisFetcher *fetcher);
/* NULL before. Any thread, from the module's start on. */
struct RelaisFetcher *relais_module_fetcher (const RelaisModule *module);
/* The tracking hosts of this moment; taken; NULL for none. Any thread. */
void relais_host_set_tracking (RelaisHost *host, RelaisTrackingTable *table);
