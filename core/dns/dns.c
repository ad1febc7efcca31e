/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The resolver: two libunbound contexts on our loop (the second to confirm absences with servers),
 * one question for all who ask the same at once, a deadline of our own for each, a bound on those
 * under way, fewer places for names whose servers were silent lately. Loop thread only. libunbound may
 * answer inside the call that asks and from its own events; both only mark a question as done, and a
 * timer tells who asked.
 */
#include "config.h"

#include "dns/resolver-private.h"

#include "dns/absences-private.h"
#include "dns/answer-private.h"
#include "dns/late-private.h"
#include "dns/ubevent-private.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unbound.h>
#include <unbound-event.h>

#define ROOT_HINTS "/usr/share/dns/root.hints"
#define ROOT_KEY "/usr/share/dns/root.key"

enum { CONTEXT_MAIN, CONTEXT_CONFIRM, N_CONTEXTS };
enum { TCP_SOCKETS = 20, CONFIRM_CACHE_BYTES = 1 << 20, SMALLEST_CACHE_BYTES = 1 << 20 };
/* What share of the cache a name that does not exist stands for: an eighth in all. */
enum { BYTES_PER_ABSENCE = 1024 };
enum { PULSE_US = 1000 * 1000, PULSES = 10 };
/* Of the places, one in so many may be taken by names that were late. Silent ones hold theirs for the whole deadline
 * and libunbound goes on with them, at two sockets a place, for some more: a quarter leaves sockets to the others. */
enum { PLACES_PER_LATE = 4, MOST_LATE = 100000 };
/* In how many deadlines a question has to get its place. */
enum { WAIT_DEADLINES = 4 };

/* What is heard of the servers that one context forwards to; see "Pulses" below. */
typedef struct {
    guint n_asked;
    guint n_pulses; /* that are still to be sent */
    bool heard;     /* an answer that was not in the cache, since the last beat */
} Silence;

struct RelaisDns {
    RelaisLoop *loop;
    struct ub_event_base *base;
    struct ub_ctx *contexts[N_CONTEXTS];
    gint64 timeout_us;
    guint max_queries;
    GHashTable *questions; /* those not told yet, by themselves */
    GQueue waiting;        /* of those: not asked yet, by `place` */
    GQueue late_waiting;   /* the same, of names that were late */
    GQueue done;           /* of those: answered, by `place` */
    guint n_asked, n_late_asked;
    bool asking; /* inside libunbound's call */
    bool forwarding;
    Silence silences[N_CONTEXTS];
    RelaisTimer pulse;
    guint n_sent; /* pulses */
    RelaisTimer tell;
    bool telling;
    RelaisAbsences *absences;
    RelaisLate *late;
    RelaisTargets *targets;
    GRand *rand;
    guint16 dane_port;
    char *anchor_owner; /* NULL: nothing is validated */
};

typedef enum { QUESTION_WAITING, QUESTION_ASKED, QUESTION_DONE } QuestionState;

typedef struct {
    RelaisDns *dns;
    char *text;
    RelaisDnsName name;
    RelaisDnsType type;
    int context;
    QuestionState state;
    bool is_late; /* the last one about the name timed out */
    int id;       /* libunbound's, while asked */
    RelaisTimer deadline;
    GQueue queries; /* RelaisDnsQuery, by `place` */
    RelaisDnsAnswer *answer;
    GList place;
} Question;

struct RelaisDnsQuery {
    Question *question;
    RelaisDnsFunc func;
    gpointer data;
    GList place;
};

/* --- Questions -------------------------------------------------------------------------------- */

static guint
question_hash (gconstpointer data)
{
    const Question *question = data;

    return g_str_hash (question->text) * 31 + (guint)question->type * 2 + (guint)question->context;
}

static gboolean
question_equal (gconstpointer a, gconstpointer b)
{
    const Question *one = a, *other = b;

    return one->type == other->type && one->context == other->context &&
           strcmp (one->text, other->text) == 0;
}

static void
question_free (Question *question)
{
    GList *link;

    while ((link = g_queue_pop_head_link (&question->queries)) != NULL)
        g_free (link->data);
    relais_timer_stop (&question->deadline);
    relais_dns_answer_free (question->answer);
    g_free (question->text);
    g_free (question);
}

/* Where it waits for its place. */
static GQueue *
line_of (Question *question)
{
    return question->is_late ? &question->dns->late_waiting : &question->dns->waiting;
}

/* From here on the question is only told: later, by the timer. */
static void
question_done (Question *question)
{
    RelaisDns *dns = question->dns;

    if (question->state == QUESTION_ASKED) {
        dns->n_asked--;
        dns->n_late_asked -= question->is_late ? 1 : 0;
        dns->silences[question->context].n_asked--;
    } else if (question->state == QUESTION_WAITING && question->place.data != NULL)
        g_queue_unlink (line_of (question), &question->place);
    question->state = QUESTION_DONE;
    relais_timer_stop (&question->deadline);
    question->place.data = question;
    g_queue_push_tail_link (&dns->done, &question->place);
    relais_timer_set (&dns->tell, 0);
}

static void
on_deadline (gpointer data)
{
    Question *question = data;
    RelaisDns *dns = question->dns;

    if (question->state == QUESTION_ASKED) {
        (void)ub_cancel (dns->contexts[question->context], question->id);
        relais_late_note (dns->late, question->text, relais_loop_now_us (dns->loop));
        relais_dns_answer_fail (question->answer, "timeout");
    } else
        relais_dns_answer_fail (question->answer, "too many other lookups");
    question_done (question);
}

/* A second opinion corrects what is kept as well. */
static void
keep_absence (const Question *question)
{
    RelaisDns *dns = question->dns;
    const RelaisDnsAnswer *answer = question->answer;

    if (answer->outcome == RELAIS_DNS_NODATA || answer->outcome == RELAIS_DNS_NXDOMAIN)
        relais_absences_note (dns->absences, question->text, question->type, answer,
                              relais_loop_now_us (dns->loop));
    else if (answer->outcome == RELAIS_DNS_DATA && question->context == CONTEXT_CONFIRM)
        relais_absences_forget (dns->absences, question->text, question->type);
}

static void
on_resolved (void *data, int rcode, void *packet, int size, int security, char *why_bogus,
             int rate_limited)
{
    Question *question = data;
    RelaisDnsAnswer *answer = question->answer;

    if (!question->dns->asking && packet != NULL && (rcode == 0 || rcode == 3))
        question->dns->silences[question->context].heard = true;
    if (security == 1) {
        relais_dns_answer_fail (answer, "DNSSEC validation failed");
        answer->outcome = RELAIS_DNS_BOGUS;
    } else if (rcode != 0 || packet == NULL || size < 0)
        relais_dns_answer_fail (answer, rcode == 5 ? "REFUSED" : "SERVFAIL");
    else
        relais_dns_answer_parse (answer, packet, (gsize)size, &question->name, question->type);
    answer->secure = security == 2;
    relais_late_forget (question->dns->late, question->text);
    keep_absence (question);
    question_done (question);
}

static void
ask (Question *question)
{
    RelaisDns *dns = question->dns;
    int id = 0, failed;

    question->state = QUESTION_ASKED;
    relais_timer_set (&question->deadline, dns->timeout_us);
    dns->n_asked++;
    dns->n_late_asked += question->is_late ? 1 : 0;
    dns->silences[question->context].n_asked++;
    if (dns->forwarding && !relais_timer_is_set (&dns->pulse))
        relais_timer_set (&dns->pulse, PULSE_US);
    dns->asking = true;
    failed = ub_resolve_event (dns->contexts[question->context], question->text,
                               (int)question->type, 1, question, on_resolved, &id);
    dns->asking = false;
    if (question->state == QUESTION_DONE)
        return; /* answered from the cache */
    question->id = id;
    if (failed != 0) {
        relais_dns_answer_fail (question->answer, "resolver failure");
        question_done (question);
    }
}

/* Whether one more may be asked, about a name that was late or another. */
static bool
has_room (const RelaisDns *dns, bool is_late)
{
    return dns->n_asked < dns->max_queries &&
           (!is_late || dns->n_late_asked < MAX (dns->max_queries / PLACES_PER_LATE, 1));
}

static void
ask_line (RelaisDns *dns, GQueue *line, bool is_late)
{
    while (has_room (dns, is_late) && line->length > 0) {
        Question *question = g_queue_pop_head_link (line)->data;

        question->place.data = NULL;
        ask (question);
    }
}

/* Asks what waits as long as there is room. Never from inside libunbound. */
static void
ask_waiting (RelaisDns *dns)
{
    ask_line (dns, &dns->waiting, false);
    ask_line (dns, &dns->late_waiting, true);
}

static void
tell_one (Question *question)
{
    GList *link;

    g_hash_table_remove (question->dns->questions, question);
    while ((link = g_queue_pop_head_link (&question->queries)) != NULL) {
        g_autofree RelaisDnsQuery *query = link->data;

        query->func (query->data, question->answer);
    }
    question_free (question);
}

static void
tell_done (gpointer data)
{
    RelaisDns *dns = data;

    dns->telling = true;
    for (guint n = dns->done.length; n > 0; n--)
        tell_one (g_queue_pop_head_link (&dns->done)->data);
    dns->telling = false;
    ask_waiting (dns);
}

static Question *
question_new (RelaisDns *dns, const char *name, RelaisDnsType type, int context)
{
    Question *question = g_new0 (Question, 1);

    question->dns = dns;
    question->text = g_ascii_strdown (name, -1);
    question->type = type;
    question->context = context;
    question->answer = relais_dns_answer_new ();
    relais_timer_init (&question->deadline, dns->loop, on_deadline, question);
    return question;
}

static void
begin (Question *question)
{
    RelaisDns *dns = question->dns;

    if (!relais_dns_name_from_text (question->text, &question->name)) {
        /* What cannot be a name does not exist; nobody needs to be asked. */
        relais_dns_answer_fail (question->answer, NULL);
        question->answer->outcome = RELAIS_DNS_NXDOMAIN;
        question_done (question);
        return;
    }
    if (question->context == CONTEXT_MAIN &&
        relais_absences_find (dns->absences, question->text, question->type,
                              relais_loop_now_us (dns->loop), question->answer)) {
        question_done (question);
        return;
    }
    question->is_late = relais_late_has (dns->late, question->text, relais_loop_now_us (dns->loop));
    if (has_room (dns, question->is_late))
        ask (question);
    else {
        relais_timer_set (&question->deadline, WAIT_DEADLINES * dns->timeout_us);
        question->place.data = question;
        g_queue_push_tail_link (line_of (question), &question->place);
    }
}

RelaisDnsQuery *
relais_dns_ask (RelaisDns *dns, bool confirm, const char *name, RelaisDnsType type,
                RelaisDnsFunc func, gpointer data)
{
    int context = confirm ? CONTEXT_CONFIRM : CONTEXT_MAIN;
    Question *fresh = question_new (dns, name, type, context);
    Question *question = g_hash_table_lookup (dns->questions, fresh);
    RelaisDnsQuery *query = g_new0 (RelaisDnsQuery, 1);

    relais_loop_assert_owner (dns->loop);
    *query = (RelaisDnsQuery){.func = func, .data = data, .place.data = query};
    if (question != NULL)
        question_free (fresh);
    else {
        question = fresh;
        g_hash_table_add (dns->questions, question);
    }
    query->question = question;
    g_queue_push_tail_link (&question->queries, &query->place);
    if (question == fresh)
        begin (question);
    return query;
}

RelaisDnsQuery *
relais_dns_query (RelaisDns *dns, const char *name, RelaisDnsType type, RelaisDnsFunc func,
                  gpointer data)
{
    return relais_dns_ask (dns, false, name, type, func, data);
}

/* The question itself goes on: its answer will be in the cache for the next who asks. */
void
relais_dns_cancel (RelaisDnsQuery *query)
{
    if (query == NULL)
        return;
    g_queue_unlink (&query->question->queries, &query->place);
    g_free (query);
}

/* --- Pulses --------------------------------------------------------------------------------------
 *
 * A forwarder that does not answer in time where a domain's own servers are dead is taken by
 * libunbound for dead itself after some such questions, and then nobody's are asked any more. One
 * answer to anything mends that. So while questions wait and nothing comes, and for a while after
 * (libunbound goes on with what our deadline has ended), it is asked each second about what every
 * resolver knows by itself: a name below "invalid." (RFC 6761 section 6.4), another one each time,
 * for libunbound keeps a refusal for some seconds.
 */

static void
ignore_answer (void *data, int rcode, void *packet, int size, int security, char *why_bogus,
               int rate_limited)
{
}

static void
send_pulse (RelaisDns *dns, int context)
{
    char name[32];

    g_snprintf (name, sizeof name, "p%u.invalid.", dns->n_sent++);
    (void)ub_resolve_event (dns->contexts[context], name, RELAIS_DNS_MX, 1, NULL, ignore_answer,
                            NULL);
}

/* Whether it is to go on. */
static bool
beat (RelaisDns *dns, int context)
{
    Silence *silence = &dns->silences[context];

    if (silence->n_asked > 0 && !silence->heard)
        silence->n_pulses = PULSES;
    if (silence->n_pulses > 0) {
        silence->n_pulses--;
        if (!silence->heard)
            send_pulse (dns, context);
    }
    silence->heard = false;
    return silence->n_asked > 0 || silence->n_pulses > 0;
}

static void
on_pulse (gpointer data)
{
    RelaisDns *dns = data;
    bool more = false;

    for (int i = 0; i < N_CONTEXTS; i++)
        more |= beat (dns, i);
    if (more)
        relais_timer_set (&dns->pulse, PULSE_US);
}

/* --- The contexts ----------------------------------------------------------------------------- */

typedef struct {
    struct ub_ctx *context;
    GError **error;
} Setup;

static bool
set_failed (const Setup *setup, const char *what, int code)
{
    if (code == 0)
        return true;
    g_set_error (setup->error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: %s", what, ub_strerror (code));
    return false;
}

static bool
set_option (const Setup *setup, const char *name, const char *value)
{
    return set_failed (setup, name, ub_ctx_set_option (setup->context, name, value));
}

static bool
set_number (const Setup *setup, const char *name, guint64 value)
{
    char text[32];

    g_snprintf (text, sizeof text, "%" G_GUINT64_FORMAT, value);
    return set_option (setup, name, text);
}

/* Names that libunbound answers itself with "no such domain": to a server of the administrator's
 * they may well exist. */
static bool
open_built_in_zones (const Setup *setup)
{
    static const char *const zones[] = {"test.", "invalid.", "home.arpa.", "127.in-addr.arpa."};

    /* The reverse zones of private nets; first, for options are settled by what follows. */
    if (!set_option (setup, "unblock-lan-zones:", "yes"))
        return false;
    for (gsize i = 0; i < G_N_ELEMENTS (zones); i++)
        if (!set_failed (setup, zones[i], ub_ctx_zone_remove (setup->context, zones[i])))
            return false;
    return true;
}

static bool
set_servers (const Setup *setup, const char *const *servers)
{
    for (gsize i = 0; servers[i] != NULL; i++) {
        int code = ub_ctx_set_fwd (setup->context, servers[i]);

        if (code != 0) {
            g_set_error (setup->error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                         _ ("\"%s\" is not the address of a DNS server"), servers[i]);
            return false;
        }
    }
    return set_option (setup, "do-not-query-localhost:", "no") &&
           set_option (setup, "unblock-lan-zones:", "yes") &&
           set_option (setup, "insecure-lan-zones:", "yes");
}

/* Validation needs an anchor: the one that is configured; else, when we recurse ourselves, the
 * system's root key. Behind a forwarder nobody can say what it passes on, so it is off there. */
static const char *
trust_anchor (const RelaisDnsOptions *options, bool forwarding)
{
    if (options->trust_anchor_file == NULL && !forwarding && g_access (ROOT_KEY, R_OK) == 0)
        return ROOT_KEY;
    return options->trust_anchor_file;
}

static bool
set_validation (const Setup *setup, const char *anchor)
{
    if (anchor == NULL)
        return set_option (setup, "module-config:", "iterator");
    if (g_access (anchor, R_OK) != 0) {
        g_set_error (setup->error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                     _ ("cannot read the trust anchor \"%s\""), anchor);
        return false;
    }
    return set_option (setup, "module-config:", "validator iterator") &&
           set_failed (setup, anchor, ub_ctx_add_ta_file (setup->context, anchor));
}

static bool
set_sizes (const Setup *setup, const RelaisDnsOptions *options, int which)
{
    guint64 bytes = which == CONTEXT_CONFIRM ? CONFIRM_CACHE_BYTES
                                             : MAX (options->cache_bytes, SMALLEST_CACHE_BYTES);
    guint queries = CLAMP (options->max_queries, 64u, 4096u);

    return set_number (setup, "msg-cache-size:", bytes / 3) &&
           set_number (setup, "rrset-cache-size:", bytes / 3 * 2) &&
           set_number (setup, "num-queries-per-thread:", queries) &&
           /* The library's own numbers are 16 and 2: a few dead servers would hold everybody up.
            * Twice, since it goes on for a while with what our deadline has ended. */
           set_number (setup, "outgoing-range:", queries * 2) &&
           set_number (setup, "outgoing-num-tcp:", TCP_SOCKETS) &&
           /* One variable for the whole process, whichever context sets it: absences are kept by
            * absences.c instead, where a second opinion can pass them by. */
           set_number (setup, "cache-max-negative-ttl:", 0) &&
           /* A server that was down is looked at again soon, and a dead one holds a question no
            * longer than a few of its deadlines. */
           set_number (setup, "infra-host-ttl:", 60) &&
           set_option (setup, "infra-keep-probing:", "yes") &&
           set_number (setup, "infra-cache-max-rtt:", 4000);
}

/* libunbound reads its files when first asked: here, where that may block, and not on the loop. */
static bool
settle (const Setup *setup)
{
    return set_failed (setup, "localhost",
                       ub_resolve_event (setup->context, "localhost.", RELAIS_DNS_A, 1, NULL,
                                         ignore_answer, NULL));
}

static bool
open_context (RelaisDns *dns, const RelaisDnsOptions *options, int which, GError **error)
{
    const bool forwarding = dns->forwarding;
    const char *anchor = trust_anchor (options, forwarding);
    Setup setup = {ub_ctx_create_ub_event (dns->base), error};

    if (setup.context == NULL) {
        g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot make a DNS context");
        return false;
    }
    dns->contexts[which] = setup.context;
    (void)ub_ctx_debugout (setup.context, NULL);
    if (!set_sizes (&setup, options, which) || !set_validation (&setup, anchor))
        return false;
    if (dns->anchor_owner == NULL && anchor != NULL)
        dns->anchor_owner = relais_dns_anchor_owner (anchor);
    if (!forwarding && g_access (ROOT_HINTS, R_OK) == 0 &&
        !set_option (&setup, "root-hints:", ROOT_HINTS))
        return false;
    if (forwarding && (!set_servers (&setup, options->servers) || !open_built_in_zones (&setup)))
        return false;
    return settle (&setup);
}

RelaisDns *
relais_dns_new (const RelaisDnsOptions *options, RelaisLoop *loop, GError **error)
{
    RelaisDns *dns = g_new0 (RelaisDns, 1);
    const char *bad = NULL;

    relais_assert_may_block ();
    dns->loop = loop;
    dns->timeout_us = options->timeout_us;
    dns->max_queries = MAX (options->max_queries, 1);
    dns->questions = g_hash_table_new (question_hash, question_equal);
    dns->forwarding = options->servers != NULL && options->servers[0] != NULL;
    relais_timer_init (&dns->pulse, loop, on_pulse, dns);
    relais_timer_init (&dns->tell, loop, tell_done, dns);
    dns->rand = g_rand_new ();
    dns->absences = relais_absences_new (
        (guint)CLAMP (options->cache_bytes / BYTES_PER_ABSENCE, 1000u, 1000000u));
    dns->late = relais_late_new (MOST_LATE);
    dns->base = relais_ub_base_new (loop);
    dns->targets = relais_targets_new (options->allow, &bad);
    if (dns->targets == NULL)
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, _ ("\"%s\" is not a network"),
                     bad);
    if (dns->targets == NULL || !open_context (dns, options, CONTEXT_MAIN, error) ||
        !open_context (dns, options, CONTEXT_CONFIRM, error))
        g_clear_pointer (&dns, relais_dns_free);
    return dns;
}

void
relais_dns_free (RelaisDns *dns)
{
    GHashTableIter iter;
    gpointer question;

    if (dns == NULL)
        return;
    g_assert (!dns->telling);
    for (int i = 0; i < N_CONTEXTS; i++)
        if (dns->contexts[i] != NULL)
            ub_ctx_delete (dns->contexts[i]);
    relais_ub_base_free (dns->base);
    relais_timer_stop (&dns->pulse);
    relais_timer_stop (&dns->tell);
    g_hash_table_iter_init (&iter, dns->questions);
    while (g_hash_table_iter_next (&iter, &question, NULL))
        question_free (question);
    g_hash_table_unref (dns->questions);
    relais_absences_free (dns->absences);
    relais_late_free (dns->late);
    relais_targets_free (dns->targets);
    g_rand_free (dns->rand);
    g_free (dns->anchor_owner);
    g_free (dns);
}

void
relais_dns_set_own_addresses (RelaisDns *dns, const char *const *addresses)
{
    relais_targets_set_own (dns->targets, addresses);
}

void
relais_dns_set_seed (RelaisDns *dns, guint32 seed)
{
    g_rand_set_seed (dns->rand, seed);
}

RelaisLoop *
relais_dns_loop (const RelaisDns *dns)
{
    return dns->loop;
}

const RelaisTargets *
relais_dns_targets (const RelaisDns *dns)
{
    return dns->targets;
}

GRand *
relais_dns_rand (const RelaisDns *dns)
{
    return dns->rand;
}

void
relais_dns_set_dane_port (RelaisDns *dns, guint16 port)
{
    dns->dane_port = port;
}

guint16
relais_dns_dane_port (const RelaisDns *dns)
{
    return dns->dane_port;
}

bool
relais_dns_validates (const RelaisDns *dns)
{
    return dns->anchor_owner != NULL;
}

const char *
relais_dns_get_anchor_owner (const RelaisDns *dns)
{
    return dns->anchor_owner;
}

guint
relais_dns_n_under_way (const RelaisDns *dns)
{
    return dns->n_asked + dns->waiting.length + dns->late_waiting.length;
}

guint
relais_dns_n_asked (const RelaisDns *dns)
{
    return dns->n_asked;
}
