/* SPDX-License-Identifier: MIT
 *
 * The harness for tests of modules: a core in the test's own process, without listeners, and without queue
 * and disk unless they are asked for. It loads modules from a directory, configures them from text, builds a
 * message from bytes, runs a hook and says what came of it. Not for modules themselves; its functions stand
 * in a symbol node of their own and may change with every release.
 *
 * One thread, which is the loop's while a hook runs. Everything returned is borrowed until the next
 * call that changes it.
 */
#pragma once

#include <relais/bounce.h>
#include <relais/channel.h>
#include <relais/command.h>
#include <relais/fetch.h>
#include <relais/helper.h>
#include <relais/hook.h>
#include <relais/http.h>
#include <relais/module.h>
#include <relais/queued.h>
#include <relais/service.h>
#include <relais/shaping.h>
#include <relais/submit.h>
#include <relais/suppress.h>

G_BEGIN_DECLS

typedef struct RelaisTest RelaisTest;

/* Modules are looked for in `module_dir`, which may be the caller's own. What they log goes to standard error;
 * warnings no longer end the test, as g_test_init () has it. */
RELAIS_API RelaisTest *relais_test_new (const gchar *module_dir);
RELAIS_API void relais_test_free (RelaisTest *test);

/* Loads the modules `names` (NULL-terminated), then reads `config` (the text of a conf.d file), and
 * brings them up. Once. */
RELAIS_API gboolean relais_test_load (RelaisTest *test, const gchar *const *names,
                                      const gchar *config, GError **error);
/* A new configuration; what was there stays if it is refused. */
RELAIS_API gboolean relais_test_reload (RelaisTest *test, const gchar *config, GError **error);

/* Catalogues for relais_translate () are read from DIR/LANGUAGE/LC_MESSAGES, those of a domain once in a process;
 * before relais_test_load (). */
RELAIS_API void relais_test_use_locale_dir (RelaisTest *test, const gchar *dir);

/* A store in memory, empty, gone with the test; before relais_test_load (), instead of a module that
 * provides one. Expiry goes by the machine's clock. */
RELAIS_API void relais_test_use_memory_store (RelaisTest *test);
/* From now on every call to that store ends with ERROR and `text`; NULL: no longer. */
RELAIS_API void relais_test_fail_store (RelaisTest *test, const gchar *text);
/* Turns the loop until no call to a store is under way and all callbacks were called. */
RELAIS_API void relais_test_settle_store (RelaisTest *test);
/* A loaded module, for the calls that want one. NULL if there is none of that name. */
RELAIS_API RelaisModule *relais_test_find_module (RelaisTest *test, const gchar *name);

/* Offers a table as relais_service_publish () does, in place of a module that is not there; before
 * relais_test_load (). Borrowed. */
RELAIS_API void relais_test_publish_service (RelaisTest *test, const gchar *name, guint32 major,
                                             guint32 minor, const RelaisServiceTable *table);

/* The subject of the next runs. A message is the bytes of header and body with CRLF line ends; its header
 * From is read from them. Setting one ends the transaction before. */
RELAIS_API void relais_test_set_client (RelaisTest *test, const gchar *address, const gchar *helo);
RELAIS_API void relais_test_set_tenant (RelaisTest *test, const gchar *tenant);
/* Where it came in, "test" unless it is set; NULL: Relais wrote it. */
RELAIS_API void relais_test_set_listener (RelaisTest *test, const gchar *listener);
RELAIS_API void relais_test_set_sender (RelaisTest *test, const gchar *sender);
RELAIS_API void relais_test_add_recipient (RelaisTest *test, const gchar *recipient);
RELAIS_API void relais_test_set_message (RelaisTest *test, const guint8 *bytes, gsize size);

/* An attribute of the message that was set last, by its full name: "x-relais.track". */
RELAIS_API void relais_test_set_attribute (RelaisTest *test, const gchar *name, const gchar *value);

/* What relais_hook_get_tracking_url () says for a domain and those below it: `url`, and whether its
 * checks are good ("good", "failing" or "unchecked"). NULL forgets the domain. */
RELAIS_API void relais_test_set_tracking_url (RelaisTest *test, const gchar *domain,
                                              const gchar *url, const gchar *state);

/* The DNS that modules' lookups are answered from, as in a zone: type "A", "AAAA", "MX", "PTR" or "TXT", `text`
 * its data ("10 mx.example."; of TXT the very octets). A name without any record does not exist. FALSE for
 * data that is not of the type. */
RELAIS_API gboolean relais_test_add_record (RelaisTest *test, const gchar *name, const gchar *type,
                                            const gchar *text);
/* Whatever is asked of `name` is TEMPORARY from now on, because of `reason` ("timeout"). */
RELAIS_API void relais_test_fail_lookup (RelaisTest *test, const gchar *name, const gchar *reason);
/* Lookups until now. */
RELAIS_API guint32 relais_test_n_lookups (const RelaisTest *test);

/* A service at `address` (as in RelaisChannelInfo), in place of the network: to `line`, without its line end,
 * it writes `answer`, line ends included; "" keeps silent, NULL hangs up, and so does a line of which nothing
 * was said. With `line` NULL, what it writes when a channel comes. The first that fits counts. */
RELAIS_API void relais_test_add_answer (RelaisTest *test, const gchar *address, const gchar *line,
                                        const gchar *answer);

/* The same for a protocol that is not one of lines. What the service makes of the octets that wait of a
 * channel: it returns how many it takes, after which it is called with the rest, or 0 if it waits for more;
 * what it adds to `answer` is written. It is called with none when a channel comes. `channel` counts those
 * to the address, from 1. More than 200 000 octets never wait: of a longer piece it takes parts. */
typedef guint64 (*RelaisTestOctetsFunc) (guint32 channel, const gchar *bytes, guint64 size,
                                         GByteArray *answer, gpointer data);
/* Instead of how many: it hangs up, once the answer is written. */
#define RELAIS_TEST_HANG_UP G_MAXUINT64
RELAIS_API void relais_test_answer_octets (RelaisTest *test, const gchar *address,
                                           RelaisTestOctetsFunc func, gpointer data);
/* Channels to a service of the test's, of either kind, that are open. */
RELAIS_API guint32 relais_test_n_channels (const RelaisTest *test, const gchar *address);
/* From now on channels to `address` come to that instead of to a service; OK: no longer. Without it a
 * channel with TLS finds a service as one without does: as if its certificate were good. */
RELAIS_API void
relais_test_fail_channel (RelaisTest *test, const gchar *address, RelaisChannelOutcome outcome);

/* In place of the helper process `program`: `func` is called for each request, on the test's thread, and
 * the process has died where it returns NULL; before the module calls relais_helper_new (). */
RELAIS_API void relais_test_answer_helper (RelaisTest *test, const gchar *program,
                                           RelaisHelperServeFunc func, gpointer data);
/* From now on what it is asked comes to that, and `func` is not called; OK: no longer. */
RELAIS_API void
relais_test_fail_helper (RelaisTest *test, const gchar *program, RelaisHelperOutcome outcome);

/* Runs a command of a module: `words` (NULL-terminated) and the exit status are relaisctl's, and so is
 * `output` (owned; nullable), with what it writes to standard error in its place. Files that are named are
 * read. An ONLINE command runs on the loop, which turns until it has ended. */
RELAIS_API gint relais_test_command (RelaisTest *test, const gchar *const *words, gchar **output);

/* Asks a route of a module what a listener of that kind would: `head` is the request line and the fields,
 * each with CRLF, without the empty line; of a POST `body` (nullable) and its length are added. The client
 * is that of relais_test_set_client (), 192.0.2.1 unless it is set, without TLS. The handler runs on a
 * thread of its own, and the loop turns meanwhile. Returns the status, also of what the core refuses (400,
 * 404, 405, 413). `fields` (owned; nullable) is what the handler set, a line with CRLF for each, `answer`
 * (owned; nullable) the body, empty for a HEAD. */
RELAIS_API guint32 relais_test_request (RelaisTest *test, RelaisHttpListenerKind listener,
                                        const gchar *head, GBytes *body, gchar **fields,
                                        GBytes **answer);

/* What relais_fetch () gets for a URL, in place of the network: a status, "Name: value" (nullable) and a body; or the
 * outcome that it ends with. The last word on a URL counts; one of which nothing was said ends with CONNECT. */
RELAIS_API void relais_test_add_page (RelaisTest *test, const gchar *url, guint32 status,
                                      const gchar *header, const gchar *body);
RELAIS_API void
relais_test_fail_page (RelaisTest *test, const gchar *url, RelaisFetchOutcome outcome);
/* From now on a request for it gets no answer: it waits for its time to be over, or until it is cancelled. */
RELAIS_API void relais_test_hold_page (RelaisTest *test, const gchar *url);
/* Fetches that were begun, and not ended or cancelled. */
RELAIS_API guint32 relais_test_n_fetches (RelaisTest *test);
/* The oldest request that was made and not taken yet: "METHOD URL", and its body; NULL if there is none. Owned,
 * both; `body` may be NULL. */
RELAIS_API gchar *relais_test_take_request (RelaisTest *test, GBytes **body);

/* The oldest message that was submitted and not taken yet; NULL if there is none. Borrowed until the next call. Its
 * queue ids are those of the ids 1, 2, and so on; [limits] hold. */
RELAIS_API const RelaisSubmitInfo *relais_test_take_submission (RelaisTest *test);
/* From now on submissions that are well-formed end with that outcome and text; OK: no longer. */
RELAIS_API void
relais_test_fail_submissions (RelaisTest *test, RelaisSubmitOutcome outcome, const gchar *text);
/* Adds a recipient to the queued message of that id (13 characters), which is there from then on. */
RELAIS_API void relais_test_add_queued (RelaisTest *test, const gchar *queue_id,
                                        const gchar *recipient, RelaisQueuedState state,
                                        guint32 attempts, gint64 next_us, const gchar *reply);
/* From now on nobody can be told what is queued, for that reason; NULL: they can. */
RELAIS_API void relais_test_fail_queued (RelaisTest *test, const gchar *error);

/* The daemon's own queue, with a spool in a directory of the test's and an event log
 * (relais_test_use_event_log ()), and one SMTP peer on loopback, without TLS, to which mail for every domain
 * goes; before relais_test_load (). Nobody is suppressed, and no DNS is asked. What modules submit is
 * checked, synced and delivered there, through route, lane, admit, rewrite, seal and result, and
 * relais_test_take_submission () has nothing. */
RELAIS_API void relais_test_use_queue (RelaisTest *test);
/* Queues the message that is set, with sender, recipients, tenant, class, campaign, attributes and edits of
 * its header, as if it had just been accepted, and settles. It needs a recipient. Returns its queue id;
 * borrowed until the next call. */
RELAIS_API const gchar *relais_test_deliver (RelaisTest *test);
/* Turns the loop until nothing is under way but what waits for the clock: deliveries that are due later, and
 * peers that keep silent. A clock that stands still stays where it is. */
RELAIS_API void relais_test_settle_queue (RelaisTest *test);
/* What comes next, in this order, in what the peer is told: to a command that begins with `command` (in
 * either case; "" for a connection, "." for the end of a message) it answers `reply`, lines with LF between
 * them ("450 4.2.1 later"); "" keeps silent, NULL hangs up. Whatever else it is told on the way it answers as
 * one who takes all mail. */
RELAIS_API void relais_test_expect (RelaisTest *test, const gchar *command, const gchar *reply);
/* How much of that has not come yet. */
RELAIS_API guint32 relais_test_n_expected (const RelaisTest *test);
/* The oldest command that the peer got ("MAIL FROM:<a@b.test> BODY=8BITMIME"; "." for the end of a message)
 * and that was not taken yet; NULL if there is none. Owned. */
RELAIS_API gchar *relais_test_take_command (RelaisTest *test);
/* The oldest message that the peer took, as it was before dots were doubled, and that was not taken yet; NULL
 * if there is none. Owned. */
RELAIS_API GBytes *relais_test_take_delivered (RelaisTest *test);
/* Where the spool lies, for a test that looks at it (`relaisctl spool dump DIR`); NULL without a queue. Borrowed. */
RELAIS_API const gchar *relais_test_get_spool_dir (const RelaisTest *test);

/* A result as if a module before had added it; for the next run of message alone. See
 * relais_hook_add_auth_result (). */
RELAIS_API gboolean relais_test_add_auth_result (RelaisTest *test, const gchar *method,
                                                 const gchar *result,
                                                 const gchar *const *properties);
/* The Authentication-Results field after a run of message, unfolded and without its name: what is told under the
 * name "test.invalid". NULL if there is none. Owned. */
RELAIS_API gchar *relais_test_get_auth_results (const RelaisTest *test);

/* The lane that lane, admit and result are about; provider may be NULL. "default", "default" and "site.test"
 * unless set. */
RELAIS_API void relais_test_set_lane (RelaisTest *test, const gchar *source, const gchar *pool,
                                      const gchar *site, const gchar *provider);
RELAIS_API void relais_test_set_connections (RelaisTest *test, guint32 n);
/* Of the message, for whatever hook: "transactional" (unless set) or "bulk"; NULL for no campaign. */
RELAIS_API void relais_test_set_class (RelaisTest *test, const gchar *name);
RELAIS_API void relais_test_set_campaign (RelaisTest *test, const gchar *campaign);
/* What result is told: all as its accessors give it. `enhanced` may be NULL. */
RELAIS_API void
relais_test_set_outcome (RelaisTest *test, RelaisOutcome outcome, const gchar *phase, guint32 code,
                         const gchar *enhanced, const gchar *text);
/* After a WAIT: until when, what is held back, and the words. */
RELAIS_API gint64 relais_test_get_wait (const RelaisTest *test, RelaisWaitScope *scope,
                                        const gchar **reason);
/* What the last run of lane or admit set; zero where it set nothing. */
RELAIS_API void relais_test_get_lane_limits (const RelaisTest *test, RelaisLaneLimits *limits);
RELAIS_API guint32 relais_test_get_max_recipients (const RelaisTest *test);
/* Tells the reservations of the last run of lane or admit what became of it; FALSE if there are none. Those
 * that were not ended are RETURNED by the next run. */
RELAIS_API gboolean relais_test_step_reservation (RelaisTest *test, RelaisReservationStep step,
                                                  guint32 n);
/* How often relais_lanes_wake () was called, and whether a source is out (its reason, or NULL). */
RELAIS_API guint32 relais_test_n_wakes (const RelaisTest *test);
RELAIS_API const gchar *relais_test_get_source_reason (const RelaisTest *test, const gchar *source);
/* The last mail to the postmaster, subject and text with an empty line between; NULL. Owned. */
RELAIS_API gchar *relais_test_take_notice (RelaisTest *test);
/* A clock that stands still but for relais_test_advance (); before relais_test_load (). `wall_us` is where it
 * begins. */
RELAIS_API void relais_test_use_clock (RelaisTest *test, gint64 wall_us);
/* One turn of the loop, which waits until there is something to do: for tests of what is called back later. */
RELAIS_API void relais_test_turn (RelaisTest *test);
/* Puts it forward, from timer to timer: what is due on the way happens at its time. */
RELAIS_API void relais_test_advance (RelaisTest *test, gint64 delta_us);

/* The suppression list: one in memory, empty at first. Evidence suppresses at once but for SOFT, of which no
 * amount does; addresses are compared without regard to case; the same id twice counts once. */
/* The oldest evidence that was reported, kept, and not taken yet; NULL if there is none. Borrowed until the
 * next call. */
RELAIS_API const RelaisEvidence *relais_test_take_evidence (RelaisTest *test);
/* Whether the list can be read, and written: else checks end with UNKNOWN, and reports with FAILED. */
RELAIS_API void
relais_test_set_suppression (RelaisTest *test, gboolean readable, gboolean writable);
/* Turns the loop until every report was called back. */
RELAIS_API void relais_test_settle_suppression (RelaisTest *test);

/* Runs a hook to its end; the loop turns while a ticket is open, and a clock that stands still is put forward to
 * what is due next when nothing else is under way. Worker hooks run on a worker. */
RELAIS_API RelaisVerdict relais_test_run (RelaisTest *test, RelaisHookId hook);
/* Of the last run: reply (0, "" and NULL: none) and the module that decided (NULL: none). */
RELAIS_API guint32 relais_test_get_reply_code (const RelaisTest *test);
RELAIS_API const gchar *relais_test_get_reply_enhanced (const RelaisTest *test);
RELAIS_API const gchar *relais_test_get_reply_text (const RelaisTest *test);
RELAIS_API const gchar *relais_test_get_module (const RelaisTest *test);
/* After a run of result: what was set by relais_hook_set_classification (); NULL if nothing was. */
RELAIS_API const RelaisClassification *relais_test_get_classification (RelaisTest *test);
/* Header lines that seal or message put before the message, in the order in which they would stand. Owned. */
RELAIS_API GBytes *relais_test_get_sealed (const RelaisTest *test);
/* The message as rewrite left it, after a run of that hook; NULL else. Owned. */
RELAIS_API GBytes *relais_test_get_rewritten (const RelaisTest *test);
/* Whether the last recipient was claimed. */
RELAIS_API gboolean relais_test_get_claimed (const RelaisTest *test);
/* What a counter of a module stands at under a label's value ("" without label); 0 if it never counted it. */
RELAIS_API guint64 relais_test_get_count (const RelaisTest *test, const gchar *module,
                                          const gchar *counter, const gchar *value);
RELAIS_API gint64 relais_test_get_gauge (const RelaisTest *test, const gchar *module,
                                         const gchar *gauge, const gchar *value);
/* How many samples a histogram of a module got that are at most `bound`, one of those that it was made with
 * (G_MAXINT64: all), and the sum of all. */
RELAIS_API guint64 relais_test_get_samples (const RelaisTest *test, const gchar *module,
                                            const gchar *histogram, const gchar *value,
                                            gint64 bound, gint64 *sum);
/* The oldest event (a JSON object) that modules emitted and that was not taken yet; NULL if there is none.
 * Owned. */
RELAIS_API GBytes *relais_test_take_event (RelaisTest *test);
/* A real event log, in a directory of the test's own; before relais_test_load (). What modules emit goes
 * there, and not to relais_test_take_event (); cursors read it. */
RELAIS_API void relais_test_use_event_log (RelaisTest *test);
/* Appends an event (a JSON object with at least one member) to that log, synced when this returns. */
RELAIS_API void relais_test_add_event (RelaisTest *test, const gchar *object);
/* Removes all files of that log, as whoever makes room on the disk does; the next event begins a new one. */
RELAIS_API void relais_test_cut_events (RelaisTest *test);
/* A line of the event log that relais_delivery_find () and relais_delivery_find_by_message_id () find. Of the
 * strings only `queue_id` (13 characters) must be there. */
RELAIS_API void
relais_test_add_delivery (RelaisTest *test, const gchar *queue_id, guint32 number,
                          const gchar *sender, const gchar *recipient, const gchar *tenant,
                          const gchar *campaign, const gchar *message_id, gint64 delivered_us);
/* From now on the log cannot be read, for that reason; NULL: it can. */
RELAIS_API void relais_test_fail_deliveries (RelaisTest *test, const gchar *error);
/* The envelope sender after a run of rewrite. */
RELAIS_API const gchar *relais_test_get_sender (const RelaisTest *test);
/* Queue id of the message that is set, 13 characters: what its tokens name. */
RELAIS_API void relais_test_set_queue_id (RelaisTest *test, const gchar *queue_id);
/* Calls that wait now; 0 after every run unless something is wrong. */
RELAIS_API guint32 relais_test_n_tickets (const RelaisTest *test);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisTest, relais_test_free)

G_END_DECLS
