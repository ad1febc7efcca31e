/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The report reader: cuts the message, finds the parts that matter, and asks in turn who can read it. Owned by its
 * caller; any thread.
 */
#include <string.h>

#include "report-reading.h"
#include "report-words.h"

static void
recipient_free (gpointer data)
{
    BounceReportRecipient *recipient = data;

    g_free (recipient->recipient);
    g_free (recipient->original);
    g_free (recipient->status);
    g_free (recipient->diagnostic);
    g_free (recipient->remote_mta);
    g_free (recipient);
}

void
bounce_report_free (BounceReport *report)
{
    if (report == NULL)
        return;
    g_free (report->feedback_type);
    g_free (report->reporting_mta);
    g_free (report->from);
    g_ptr_array_unref (report->recipients);
    g_free (report->message_id);
    g_free (report->trace);
    g_free (report->sender);
    g_free (report);
}

const char *
bounce_report_kind_to_string (BounceReportKind kind)
{
    static const char *const names[] = {"other",    "dsn",       "freetext",
                                        "feedback", "autoreply", "challenge"};

    return names[kind];
}

const char *
bounce_report_action_to_string (BounceReportAction action)
{
    static const char *const names[] = {"unknown",   "failed",  "delayed",
                                        "delivered", "relayed", "expanded"};

    return names[action];
}

/* --- Recipients ------------------------------------------------------------------------------- */

BounceReportRecipient *
bounce_report_find (const BounceReading *reading, const char *recipient)
{
    g_autofree char *key = g_ascii_strdown (recipient, -1);

    return g_hash_table_lookup (reading->known, key);
}

BounceReportRecipient *
bounce_report_add (BounceReading *reading, char *address)
{
    GPtrArray *recipients = reading->report->recipients;
    g_autofree char *clean = bounce_text_clean (address, -1, false);
    BounceReportRecipient *recipient;

    g_free (address);
    if (recipients->len >= BOUNCE_REPORT_RECIPIENTS || bounce_report_find (reading, clean) != NULL)
        return NULL;
    recipient = g_new0 (BounceReportRecipient, 1);
    g_hash_table_insert (reading->known, g_ascii_strdown (clean, -1), recipient);
    recipient->recipient = g_steal_pointer (&clean);
    g_ptr_array_add (recipients, recipient);
    return recipient;
}

/* The enhanced code behind a reply's code. */
static char *
enhanced_of (const char *reply)
{
    const char *p = reply + 3 + strspn (reply + 3, " -:#(");
    const gsize size = bounce_status_size (p);

    return size > 0 && *p == *reply ? g_strndup (p, size) : NULL;
}

void
bounce_report_set_diagnostic (BounceReportRecipient *recipient, const char *text, gsize size,
                              bool is_smtp)
{
    g_autofree char *joined = bounce_reply_join (text, size);
    const char *reply;
    char *enhanced;
    guint code;

    if (*joined == '\0')
        return;
    g_free (recipient->diagnostic);
    recipient->diagnostic = bounce_text_clean (joined, -1, false);
    recipient->is_smtp = is_smtp;
    reply = bounce_reply_find (recipient->diagnostic, &code);
    if (code != 0)
        recipient->code = code;
    enhanced = reply != NULL ? enhanced_of (reply) : NULL;
    if (enhanced != NULL) {
        g_free (recipient->status);
        recipient->status = enhanced;
    } else if (recipient->status == NULL) {
        recipient->status = bounce_status_dup_first (recipient->diagnostic);
    }
}

/* --- Parts ------------------------------------------------------------------------------------ */

static bool
is_type (const BouncePart *part, const char *const *types)
{
    return g_strv_contains (types, part->type);
}

static void
append_text (BounceReading *reading, GString *to, const BouncePart *part, bool html)
{
    g_autofree char *text = html ? bounce_mail_dup_text_of_html (reading->mail, part)
                                 : bounce_mail_dup_text (reading->mail, part);

    if (to->len < BOUNCE_MAIL_TEXT_BYTES)
        g_string_append_len (to, text,
                             (gssize)MIN (strlen (text), BOUNCE_MAIL_TEXT_BYTES - to->len));
    g_string_append_c (to, '\n');
}

static bool
is_blank (const GString *text)
{
    return text->str[strspn (text->str, " \t\n")] == '\0';
}

/* What people are meant to read: plain text; HTML where there is none. */
static void
find_parts (BounceReading *reading, GString *plain, GString *html)
{
    static const char *const statuses[] = {"message/delivery-status",
                                           "message/global-delivery-status", NULL};
    static const char *const feedbacks[] = {"message/feedback-report", NULL};
    static const char *const messages[] = {"message/rfc822",
                                           "message/global",
                                           "text/rfc822-headers",
                                           "text/rfc822-header",
                                           "message/rfc822-headers",
                                           "message/global-headers",
                                           NULL};
    const GPtrArray *parts = reading->mail->parts;

    for (guint i = 0; i < parts->len; i++) {
        const BouncePart *part = bounce_mail_part (reading->mail, i);

        if (is_type (part, statuses))
            reading->status = part;
        else if (is_type (part, feedbacks))
            reading->feedback = part;
        else if (is_type (part, messages))
            reading->returned = part;
        else if (strcmp (part->type, "text/html") == 0)
            append_text (reading, html, part, true);
        else if (g_str_has_prefix (part->type, "text/") || (part->container && parts->len == 1))
            append_text (reading, plain, part, false);
    }
}

static void
find_text (BounceReading *reading)
{
    g_autoptr (GString) plain = g_string_new (NULL), html = g_string_new (NULL);
    const GString *text;
    const char *original, *end = NULL;

    find_parts (reading, plain, html);
    text = is_blank (plain) ? html : plain;
    original = bounce_kind_find_original (text->str, &end);
    reading->tail = original != NULL ? bounce_text_clean (original, -1, true) : NULL;
    reading->text = original != NULL ? g_utf8_make_valid (text->str, end - text->str)
                                     : g_utf8_make_valid (text->str, -1);
    reading->folded = bounce_text_fold (reading->text);
    reading->mail->steps += 2 * text->len;
}

static void
find_header (BounceReading *reading)
{
    g_autofree char *subject = bounce_mail_dup_field (reading->mail, "Subject");
    g_autofree char *from = bounce_mail_dup_field (reading->mail, "From");
    g_autofree char *type = bounce_mail_dup_field (reading->mail, "Content-Type");
    g_autofree char *report =
        type != NULL ? bounce_header_dup_parameter (type, "report-type") : NULL;

    reading->subject = bounce_text_fold (subject != NULL ? subject : "");
    reading->from = bounce_text_fold (from != NULL ? from : "");
    reading->report->from = from != NULL ? bounce_address_dup_first (from) : NULL;
    reading->is_report =
        reading->status != NULL ||
        (g_str_has_prefix (bounce_mail_part (reading->mail, 0)->type, "multipart/report") &&
         (report == NULL || g_ascii_strcasecmp (report, "delivery-status") == 0));
}

static void
reading_init (BounceReading *reading, const guint8 *bytes, gsize size)
{
    *reading =
        (BounceReading){.report = g_new0 (BounceReport, 1),
                        .mail = bounce_mail_new (bytes, size, BOUNCE_REPORT_BYTES),
                        .known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL)};
    reading->report->recipients = g_ptr_array_new_with_free_func (recipient_free);
    find_text (reading);
    find_header (reading);
}

/* All but the report. */
static void
reading_clear (BounceReading *reading)
{
    g_free (reading->subject);
    g_free (reading->from);
    g_free (reading->text);
    g_free (reading->tail);
    g_free (reading->folded);
    g_hash_table_unref (reading->known);
    bounce_mail_free (reading->mail);
}

/* --- Kinds ------------------------------------------------------------------------------------ */

static void read_kinds (BounceReading *reading);

/* Relays wrap the report that they got in one of their own, which names nobody: then the inner one is it. */
static bool
read_inner (BounceReading *reading)
{
    g_autofree char *text = NULL;
    BounceReading inner = {0};

    if (reading->is_inner || (reading->returned == NULL && reading->tail == NULL))
        return false;
    text = reading->returned != NULL ? bounce_mail_dup_text (reading->mail, reading->returned)
                                     : g_strdup (reading->tail);
    reading_init (&inner, (const guint8 *)text, strlen (text));
    inner.is_inner = true;
    read_kinds (&inner);
    reading->mail->steps += inner.mail->steps;
    if ((inner.report->kind == BOUNCE_REPORT_DSN || inner.report->kind == BOUNCE_REPORT_FREETEXT) &&
        inner.report->recipients->len > 0) {
        BounceReport *outer = reading->report;

        reading->report = inner.report;
        inner.report = outer;
    }
    reading_clear (&inner);
    bounce_report_free (inner.report);
    return reading->report->recipients->len > 0;
}

static bool
read_status (BounceReading *reading)
{
    g_autofree char *text = NULL;

    if (reading->status == NULL)
        return false;
    text = bounce_mail_dup_text (reading->mail, reading->status);
    if (bounce_status_read (reading, text) == 0)
        return false;
    reading->report->kind = BOUNCE_REPORT_DSN;
    bounce_free_complete (reading);
    bounce_free_set_actions (reading);
    return true;
}

static bool
read_free (BounceReading *reading)
{
    BounceReport *report = reading->report;

    if (!bounce_kind_is_bounce (reading))
        return false;
    /* A status part that names nobody tells at least who reports. */
    report->kind = report->reporting_mta != NULL ? BOUNCE_REPORT_DSN : BOUNCE_REPORT_FREETEXT;
    if (bounce_status_read (reading, reading->text) > 0)
        bounce_free_complete (reading);
    else
        bounce_free_read (reading);
    if (report->recipients->len == 0 && read_inner (reading))
        return true;
    if (report->recipients->len == 0)
        bounce_free_read_unnamed (reading);
    bounce_free_set_actions (reading);
    return true;
}

/* The one who answers is the recipient. */
static bool
take_answer (BounceReading *reading, BounceReportKind kind)
{
    reading->report->kind = kind;
    if (reading->report->from != NULL)
        bounce_report_add (reading, g_strdup (reading->report->from));
    return true;
}

static void
find_kind (BounceReading *reading)
{
    if (bounce_feedback_read (reading) || read_status (reading) || bounce_notice_read (reading))
        return;
    if (bounce_kind_is_autoreply (reading, true))
        take_answer (reading, BOUNCE_REPORT_AUTOREPLY);
    else if (bounce_kind_is_challenge (reading))
        take_answer (reading, BOUNCE_REPORT_CHALLENGE);
    else if (!read_free (reading) && bounce_kind_is_autoreply (reading, false))
        take_answer (reading, BOUNCE_REPORT_AUTOREPLY);
}

/* Whatever file told it: no tabs, no line ends. */
static void
clean (char **text)
{
    char *cleaned = *text != NULL ? bounce_text_clean (*text, -1, false) : NULL;

    g_free (*text);
    *text = cleaned;
}

static void
clean_report (BounceReport *report)
{
    for (guint i = 0; i < report->recipients->len; i++) {
        BounceReportRecipient *recipient = g_ptr_array_index (report->recipients, i);

        clean (&recipient->original);
        clean (&recipient->remote_mta);
    }
    clean (&report->feedback_type);
    clean (&report->reporting_mta);
    clean (&report->from);
    clean (&report->sender);
}

static void
read_kinds (BounceReading *reading)
{
    find_kind (reading);
    if (reading->report->kind != BOUNCE_REPORT_OTHER)
        bounce_original_read (reading);
    clean_report (reading->report);
}

BounceReport *
bounce_report_read_counted (const guint8 *bytes, gsize size, guint64 *steps)
{
    BounceReading reading;

    reading_init (&reading, bytes, size);
    read_kinds (&reading);
    *steps = reading.mail->steps;
    reading_clear (&reading);
    return reading.report;
}

BounceReport *
bounce_report_read (const guint8 *bytes, gsize size)
{
    guint64 steps;

    return bounce_report_read_counted (bytes, size, &steps);
}
