/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A message to an address of ours: a worker reads it, the event log says of which delivery it tells, what it says
 * goes to the suppression list and its events to the log, and only when that is on disk the peer hears 250, and the
 * message is dropped. What cannot be known or kept now is put off. Nothing is ever sent about any of it.
 *
 * Loop thread, but for read_report () and what it calls: reading and judging, which may take long where a report names
 * a thousand recipients. Each step owns the Returned until the next; a transaction that ended
 * meanwhile is noticed at the next step.
 */
#include "link.h"

#include "report-judge.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum {
    EVENTS = 20,              /* of one report; it may name more recipients */
    LETTER_BYTES = 16 * 1024, /* of a letter that goes on to the postmaster */
    LETTERS = 10,             /* of them in an hour */
    DIAGNOSTIC_BYTES = 2048
};

#define PATIENCE_US (G_GINT64_CONSTANT (60) * G_USEC_PER_SEC)
#define HOUR_US (G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC)

typedef struct {
    BounceModule *bounce;
    RelaisTicket *ticket;
    bool ended; /* the ticket is of no use any more */
    RelaisOriginal *original;
    BounceClaim claim;
    bool from_nobody;   /* MAIL FROM:<> */
    char *address;      /* that it came to */
    BounceRules *rules; /* those in force when it came */
    BounceReport *report;
    BounceVerdict *verdicts; /* one for each recipient that it names, and one at least */
    char *letter;            /* its first octets, to be read by people */
    char *reporter;          /* domain of a check's result, of one who is believed; or NULL */
    BounceLinkKind link;
    RelaisDeliveries *deliveries; /* or NULL */
    guint32 nth;                  /* the one that it tells of */
    RelaisSuppressClass suppress; /* what it is evidence for */
    RelaisSuppressResult result;
} Returned;

static void
returned_free (Returned *returned)
{
    relais_ticket_unref (returned->ticket);
    relais_original_unref (returned->original);
    g_free (returned->address);
    if (returned->report != NULL)
        bounce_report_free (returned->report);
    g_free (returned->verdicts); /* their words are the rules' */
    bounce_rules_unref (returned->rules);
    g_free (returned->letter);
    g_free (returned->reporter);
    if (returned->deliveries != NULL)
        relais_deliveries_unref (returned->deliveries);
    g_free (returned);
}

/* The hook that waits; NULL, and it is all over, if nobody does. */
static RelaisHook *
waiting_hook (Returned *returned)
{
    RelaisHook *hook = returned->ended ? NULL : relais_ticket_get_hook (returned->ticket);

    if (hook == NULL)
        returned_free (returned);
    return hook;
}

static void
answer (Returned *returned, RelaisVerdict verdict)
{
    relais_ticket_complete (returned->ticket, verdict);
    returned_free (returned);
}

static void
put_off (Returned *returned, const char *why)
{
    RelaisHook *hook = waiting_hook (returned);

    if (hook == NULL)
        return;
    relais_counter_add (returned->bounce->reports, "put-off", 1);
    relais_log (returned->bounce->module, RELAIS_LOG_DEBUG, "a report is put off: %s", why);
    relais_hook_set_reply (hook, 451, "4.3.0", "this report cannot be taken now; try again later");
    answer (returned, RELAIS_VERDICT_TEMPFAIL);
}

/* --- Events --------------------------------------------------------------------------------------- */

static void
add_delivery (RelaisEvent *event, const Returned *returned)
{
    const RelaisDeliveries *deliveries = returned->deliveries;

    relais_event_add (event, "message_id",
                      relais_deliveries_get_message_id (deliveries, returned->nth));
    relais_event_add (event, "recipient",
                      relais_deliveries_get_recipient (deliveries, returned->nth));
    relais_event_add (event, "tenant", relais_deliveries_get_tenant (deliveries, returned->nth));
    relais_event_add (event, "campaign",
                      relais_deliveries_get_campaign (deliveries, returned->nth));
}

static void
add_report (RelaisEvent *event, const Returned *returned)
{
    const BounceReport *report = returned->report;

    relais_event_add (event, "kind", bounce_report_kind_to_string (report->kind));
    relais_event_add (event, "link", bounce_link_to_string (returned->link));
    relais_event_add (event, "feedback_type", report->feedback_type);
    relais_event_add (event, "reporter", report->reporting_mta);
    relais_event_add (event, "reporter_address", report->from);
    relais_event_add (event, "reporter_domain", returned->reporter);
    if (returned->link == BOUNCE_LINK_NONE)
        relais_event_add (event, "message_id", report->message_id);
}

static void
add_recipient (RelaisEvent *event, const BounceReportRecipient *said)
{
    g_autofree char *diagnostic =
        said->diagnostic != NULL
            ? g_utf8_make_valid (said->diagnostic,
                                 (gssize)MIN (strlen (said->diagnostic), (gsize)DIAGNOSTIC_BYTES))
            : NULL;

    relais_event_add (event, "reported", said->recipient);
    relais_event_add (event, "reported_original", said->original);
    relais_event_add (event, "action", bounce_report_action_to_string (said->action));
    relais_event_add (event, "status", said->status);
    if (said->code != 0)
        relais_event_add_int (event, "code", said->code);
    relais_event_add (event, "diagnostic", diagnostic);
    relais_event_add (event, "remote_mta", said->remote_mta);
}

static void
add_verdict (RelaisEvent *event, const BounceVerdict *verdict)
{
    relais_event_add (event, "bounce_scope", relais_bounce_scope_to_string (verdict->scope));
    relais_event_add (event, "bounce_permanence",
                      relais_bounce_permanence_to_string (verdict->permanence));
    relais_event_add (event, "bounce_reason", verdict->reason);
    relais_event_add (event, "bounce_rule", verdict->rule);
}

static void
add_evidence (RelaisEvent *event, const Returned *returned)
{
    if (returned->suppress == RELAIS_SUPPRESS_NONE)
        return;
    relais_event_add (event, "suppress", relais_suppress_class_to_string (returned->suppress));
    relais_event_add_bool (event, "suppressed", returned->result == RELAIS_SUPPRESS_SUPPRESSED);
}

/* What the report says of its recipient `n`; NULL where it names none. */
static const BounceReportRecipient *
nth_recipient (const BounceReport *report, guint n)
{
    return n < report->recipients->len ? g_ptr_array_index (report->recipients, n) : NULL;
}

static RelaisEvent *
make_event (const Returned *returned, guint n)
{
    const BounceReport *report = returned->report;
    const BounceReportRecipient *said = nth_recipient (report, n);
    const char *type = bounce_finding_event (report);
    const bool is_linked = returned->deliveries != NULL;
    RelaisEvent *event = relais_event_new (
        returned->bounce->module, type, 0,
        is_linked ? relais_deliveries_get_queue_id (returned->deliveries, returned->nth) : NULL,
        is_linked ? (gint32)relais_deliveries_get_number (returned->deliveries, returned->nth)
                  : -1);

    if (is_linked)
        add_delivery (event, returned);
    add_report (event, returned);
    if (said != NULL)
        add_recipient (event, said);
    if (!g_str_equal (type, "autoreply"))
        add_verdict (event, &returned->verdicts[n]);
    add_evidence (event, returned);
    return event;
}

/* --- The end -------------------------------------------------------------------------------------- */

static void
on_told (gpointer data, gboolean synced)
{
    Returned *returned = data;

    if (!synced) {
        put_off (returned, "the event log cannot be written");
        return;
    }
    if (waiting_hook (returned) == NULL)
        return;
    relais_counter_add (returned->bounce->reports,
                        bounce_report_kind_to_string (returned->report->kind), 1);
    relais_counter_add (returned->bounce->links, bounce_link_to_string (returned->link), 1);
    answer (returned, RELAIS_VERDICT_DISCARD);
}

/* An event for each recipient that it names, and one at least. What nobody is known to have been sent gets one, however
 * long it is. Events come to the disk in their order: the last one is waited for. */
static void
take (Returned *returned)
{
    const guint named =
        returned->deliveries != NULL ? MIN (returned->report->recipients->len, (guint)EVENTS) : 1;
    const guint last = MAX (named, 1) - 1;

    if (waiting_hook (returned) == NULL)
        return;
    for (guint i = 0; i < last; i++)
        relais_event_emit (make_event (returned, i));
    relais_event_emit_synced (make_event (returned, last), on_told, returned);
}

static void
on_evidence (gpointer data, RelaisSuppressResult result)
{
    Returned *returned = data;

    returned->result = result;
    if (result == RELAIS_SUPPRESS_FAILED)
        put_off (returned, "what it says cannot be kept");
    else
        take (returned);
}

/* The strongest of what it says, if it says anything; a report counts once, whatever it repeats. */
static guint
find_strongest (Returned *returned)
{
    const BounceReport *report = returned->report;
    const char *recipient = relais_deliveries_get_recipient (returned->deliveries, returned->nth);
    guint found = 0;

    for (guint i = 0; i < MAX (report->recipients->len, 1u); i++) {
        const RelaisSuppressClass suppress =
            bounce_finding_class (nth_recipient (report, i), &returned->verdicts[i], recipient);

        if (suppress == RELAIS_SUPPRESS_NONE ||
            (returned->suppress != RELAIS_SUPPRESS_NONE && suppress >= returned->suppress))
            continue;
        returned->suppress = suppress;
        found = i;
    }
    return found;
}

static void
report_evidence (Returned *returned, guint n)
{
    const RelaisDeliveries *deliveries = returned->deliveries;
    const BounceReport *report = returned->report;
    const BounceReportRecipient *said = nth_recipient (report, n);
    g_autofree char *id = g_strdup_printf (
        "%s-%u-returned-%s", relais_deliveries_get_queue_id (deliveries, returned->nth),
        relais_deliveries_get_number (deliveries, returned->nth),
        relais_suppress_class_to_string (returned->suppress));
    const RelaisEvidence evidence = {
        .struct_size = sizeof evidence,
        .suppress_class = returned->suppress,
        .address = relais_deliveries_get_recipient (deliveries, returned->nth),
        .tenant = relais_deliveries_get_tenant (deliveries, returned->nth),
        .campaign = relais_deliveries_get_campaign (deliveries, returned->nth),
        .reason = returned->verdicts[n].reason,
        .text = said != NULL && said->diagnostic != NULL ? said->diagnostic : report->reporting_mta,
        .id = id};

    relais_suppress_report (returned->bounce->module, &evidence, on_evidence, returned);
}

/* --- Linking -------------------------------------------------------------------------------------- */

static void
settle (Returned *returned)
{
    guint n;

    if (waiting_hook (returned) == NULL)
        return;
    if (returned->deliveries == NULL ||
        relais_deliveries_get_recipient (returned->deliveries, returned->nth) == NULL) {
        take (returned);
        return;
    }
    n = find_strongest (returned);
    if (returned->suppress == RELAIS_SUPPRESS_NONE)
        take (returned);
    else
        report_evidence (returned, n);
}

static void
keep (Returned *returned, BounceLinkKind link, RelaisDeliveries *deliveries, guint32 nth)
{
    returned->link = link;
    returned->deliveries = relais_deliveries_ref (deliveries);
    returned->nth = nth;
}

static void
on_message_id (gpointer data, RelaisDeliveries *deliveries, const gchar *error)
{
    Returned *returned = data;
    guint32 nth;

    if (deliveries == NULL) {
        put_off (returned, error);
        return;
    }
    if (bounce_finding_choose (returned->report, deliveries, &nth))
        keep (returned, BOUNCE_LINK_MESSAGE_ID, deliveries, nth);
    settle (returned);
}

/* Anybody may know, or guess, a Message-ID: it counts from those alone who are believed. */
static void
link_by_message_id (Returned *returned)
{
    if (returned->reporter != NULL && returned->report->message_id != NULL)
        relais_delivery_find_by_message_id (returned->bounce->module, returned->report->message_id,
                                            on_message_id, returned);
    else
        settle (returned);
}

static void
on_trace (gpointer data, RelaisDeliveries *deliveries, const gchar *error)
{
    Returned *returned = data;

    if (deliveries == NULL) {
        put_off (returned, error);
    } else if (relais_deliveries_n (deliveries) > 0) {
        keep (returned, BOUNCE_LINK_TRACE, deliveries, 0);
        settle (returned);
    } else {
        link_by_message_id (returned);
    }
}

static void
link_by_trace (Returned *returned)
{
    RelaisDeliveryName name = {.struct_size = sizeof name};

    if (returned->report->trace != NULL &&
        relais_envelope_token_open (returned->bounce->module, BOUNCE_PURPOSE_TRACE,
                                    returned->report->trace, &name) == RELAIS_TOKEN_GOOD)
        relais_delivery_find (returned->bounce->module, &name, on_trace, returned);
    else
        link_by_message_id (returned);
}

static void
on_token (gpointer data, RelaisDeliveries *deliveries, const gchar *error)
{
    Returned *returned = data;

    if (deliveries == NULL) {
        put_off (returned, error);
    } else if (relais_deliveries_n (deliveries) > 0) {
        keep (returned, BOUNCE_LINK_TOKEN, deliveries, 0);
        settle (returned);
    } else {
        link_by_trace (returned);
    }
}

static void
link_report (Returned *returned)
{
    if (returned->claim.address == BOUNCE_ADDRESS_TOKEN)
        relais_delivery_find (returned->bounce->module, &returned->claim.name, on_token, returned);
    else
        link_by_trace (returned);
}

/* --- Letters -------------------------------------------------------------------------------------- */

/* Whether the postmaster gets one more now. */
static bool
may_pass_on (BounceModule *bounce)
{
    const gint64 now_us = relais_module_now_us (bounce->module);

    if (bounce->letters == 0 || now_us - bounce->letters_us >= HOUR_US) {
        bounce->letters_us = now_us;
        bounce->letters = 0;
    }
    return bounce->letters < LETTERS;
}

/* What comes to an address for complaints and is none may be the provider's question whether it is ours. */
static void
pass_on (Returned *returned)
{
    BounceModule *bounce = returned->bounce;
    RelaisHook *hook;
    g_autofree char *subject = NULL;

    if (!may_pass_on (bounce)) {
        put_off (returned, "too many letters came to an address for complaints");
        return;
    }
    subject = g_strdup_printf (_ ("A letter came to %s"), returned->address);
    if (relais_notify_postmaster (bounce->module, subject, returned->letter)) {
        bounce->letters++;
        take (returned);
        return;
    }
    hook = waiting_hook (returned);
    if (hook == NULL)
        return;
    relais_hook_set_reply (hook, 550, "5.7.1", "this address takes complaints in ARF alone");
    answer (returned, RELAIS_VERDICT_REJECT);
}

static void
read_letter (Returned *returned, RelaisHook *hook)
{
    const BounceConfig *config = relais_hook_get_config (hook);

    if (returned->claim.address == BOUNCE_ADDRESS_FEEDBACK) {
        pass_on (returned);
    } else if (!returned->from_nobody && bounce_link_refuses_replies (config->link)) {
        relais_counter_add (returned->bounce->reports, "refused", 1);
        relais_hook_set_reply (hook, 550, "5.7.1",
                               "nobody reads this address; it takes reports about mail alone");
        answer (returned, RELAIS_VERDICT_REJECT);
    } else {
        link_report (returned);
    }
}

/* --- Reading -------------------------------------------------------------------------------------- */

/* The domain that a result of a check names, NULL if it is no pass. */
static const char *
passed_domain (RelaisHook *hook, guint32 n)
{
    static const char *const properties[][2] = {
        {"dkim", "header.d"}, {"dmarc", "header.from"}, {"spf", "smtp.mailfrom"}};
    const char *method = relais_hook_get_auth_method (hook, n), *value = NULL;

    if (g_strcmp0 (relais_hook_get_auth_result (hook, n), "pass") != 0)
        return NULL;
    for (guint i = 0; i < G_N_ELEMENTS (properties) && value == NULL; i++)
        if (g_str_equal (method, properties[i][0]))
            value = relais_hook_get_auth_property (hook, n, properties[i][1]);
    return value != NULL && strrchr (value, '@') != NULL ? strrchr (value, '@') + 1 : value;
}

static char *
find_reporter (RelaisHook *hook, const BounceReport *report)
{
    const BounceConfig *config = relais_hook_get_config (hook);

    for (guint32 i = 0; i < relais_hook_n_auth_results (hook); i++) {
        const char *domain = passed_domain (hook, i);

        if (domain != NULL && bounce_link_is_reporter (config->link, domain, report->from))
            return g_strdup (domain);
    }
    return NULL;
}

static void
judge (Returned *returned)
{
    const guint n = MAX (returned->report->recipients->len, 1u);

    returned->verdicts = g_new (BounceVerdict, n);
    for (guint i = 0; i < n; i++)
        bounce_report_judge (returned->rules, returned->report, nth_recipient (returned->report, i),
                             &returned->verdicts[i]);
}

/* A worker. */
static void
read_report (gpointer data)
{
    Returned *returned = data;
    const guint64 size =
        MIN (relais_original_get_size (returned->original), (guint64)BOUNCE_REPORT_BYTES);
    g_autofree guint8 *bytes = g_malloc (MAX (size, 1));
    g_autoptr (GError) error = NULL;
    guint64 held = 0;

    while (held < size) {
        const gint64 n =
            relais_original_read (returned->original, held, bytes + held,
                                  MIN (size - held, (guint64)RELAIS_READ_BYTES), &error);

        if (n <= 0)
            return;
        held += (guint64)n;
    }
    returned->report = bounce_report_read (bytes, held);
    /* What came to a token's address is about mail from it. */
    if (returned->report->sender == NULL && returned->claim.address == BOUNCE_ADDRESS_TOKEN)
        returned->report->sender = g_strdup (returned->address);
    judge (returned);
    if (returned->report->kind == BOUNCE_REPORT_OTHER)
        returned->letter =
            g_utf8_make_valid ((const char *)bytes, (gssize)MIN (held, (guint64)LETTER_BYTES));
}

static void
on_read (gpointer data)
{
    Returned *returned = data;
    RelaisHook *hook;

    if (returned->report == NULL) {
        put_off (returned, "it cannot be read back");
        return;
    }
    hook = waiting_hook (returned);
    if (hook == NULL)
        return;
    returned->reporter = find_reporter (hook, returned->report);
    if (returned->report->kind == BOUNCE_REPORT_OTHER)
        read_letter (returned, hook);
    else
        link_report (returned);
}

static void
on_cancelled (gpointer data)
{
    ((Returned *)data)->ended = true;
}

RelaisVerdict
bounce_message (RelaisHook *hook, gpointer data)
{
    BounceModule *bounce = data;
    const BounceClaim *claim = bounce_claim_get (hook, bounce);
    const BounceConfig *config = relais_hook_get_config (hook);
    Returned *returned;

    if (claim == NULL) {
        bounce_outgoing_message (hook);
        return RELAIS_VERDICT_CONTINUE;
    }
    returned = g_new0 (Returned, 1);
    returned->bounce = bounce;
    returned->claim = *claim;
    returned->rules = bounce_rules_ref (config->rules);
    returned->from_nobody = relais_hook_get_sender (hook)[0] == '\0';
    returned->address = g_strdup (relais_hook_get_recipient (hook, 0));
    returned->original = relais_hook_dup_original (hook);
    returned->ticket = relais_hook_suspend (hook, "a report", PATIENCE_US, on_cancelled, returned);
    if (returned->ticket != NULL &&
        relais_worker_run (bounce->module, read_report, on_read, returned))
        return RELAIS_VERDICT_PENDING;
    if (returned->ticket == NULL) {
        returned_free (returned);
        return RELAIS_VERDICT_TEMPFAIL;
    }
    put_off (returned, "too much is waiting for a worker");
    return RELAIS_VERDICT_PENDING;
}
