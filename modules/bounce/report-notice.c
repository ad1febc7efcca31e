/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Notices of Amazon SES as SNS sends them by mail: one JSON object, which is the whole text but for a footer. Read in one
 * pass that knows where it is and keeps nothing else. Pure, linear, bounded; any thread.
 */
#include <string.h>

#include "report-reading.h"
#include "report-words.h"

enum { DEPTH = 16, STRING_BYTES = 4096 };

typedef struct {
    BounceReading *reading;
    const char *p;
    char *keys[DEPTH];    /* of the objects that are open; NULL in an array */
    bool in_array[DEPTH]; /* which of them are arrays */
    guint depth;
    BounceReportRecipient *recipient; /* the last one */
    char *response;                   /* of a delivery */
    char *name;                       /* of a header field whose value comes next */
} Notice;

/* --- JSON ------------------------------------------------------------------------------------- */

static gunichar
take_escape (const char **at)
{
    static const char from[] = "nrtbf\"\\/", to[] = "\n\r\t  \"\\/";
    const char *p = *at, *found = *p != '\0' ? strchr (from, *p) : NULL;
    gunichar c = 0;

    if (*p == '\0')
        return 0;
    *at = p + 1;
    if (found != NULL)
        return (gunichar)to[found - from];
    if (*p != 'u')
        return '?';
    for (guint i = 1; i <= 4; i++) {
        if (!g_ascii_isxdigit (p[i]))
            return '?';
        c = c << 4 | (gunichar)g_ascii_xdigit_value (p[i]);
    }
    *at = p + 5;
    return c != 0 && g_unichar_validate (c) ? c : '?';
}

/* The string whose quote is at `*at`; lines that were broken for the mail's sake go on. */
static char *
take_string (const char **at)
{
    GString *text = g_string_new (NULL);
    const char *p = *at + 1;

    while (*p != '\0' && *p != '"') {
        if (*p == '\\') {
            gunichar c;

            p++;
            c = take_escape (&p);
            if (c != 0 && text->len < STRING_BYTES)
                g_string_append_unichar (text, c);
            continue;
        }
        if (*p != '\n' && text->len < STRING_BYTES)
            g_string_append_c (text, *p);
        p++;
    }
    *at = *p == '"' ? p + 1 : p;
    return g_string_free (text, FALSE);
}

/* Whether the object's key at `up` levels above the value is `key`; arrays between count as levels. */
static bool
is_key (const Notice *notice, guint up, const char *key)
{
    return notice->depth > up && g_strcmp0 (notice->keys[notice->depth - 1 - up], key) == 0;
}

/* --- What is told ----------------------------------------------------------------------------- */

static void
take_kind (Notice *notice, const char *value)
{
    BounceReport *report = notice->reading->report;

    if (g_ascii_strcasecmp (value, "Complaint") == 0)
        report->kind = BOUNCE_REPORT_FEEDBACK;
    else if (g_ascii_strcasecmp (value, "Bounce") == 0 ||
             g_ascii_strcasecmp (value, "Delivery") == 0 ||
             g_ascii_strcasecmp (value, "DeliveryDelay") == 0)
        report->kind = BOUNCE_REPORT_FREETEXT;
}

static void
take_recipient (Notice *notice, const char *value, BounceReportAction action)
{
    char *address = bounce_address_dup_first (value);

    if (address == NULL)
        return;
    notice->recipient = bounce_report_add (notice->reading, address);
    if (notice->recipient != NULL)
        notice->recipient->action = action;
}

/* "dsn; name" */
static const char *
behind_type (const char *value)
{
    const gsize size = strcspn (value, "; ");

    return value[size] == ';' && size < 10 ? value + size + 1 + strspn (value + size + 1, " ")
                                           : value;
}

static void
set_diagnostic (BounceReportRecipient *recipient, const char *value)
{
    const char *text = behind_type (value);
    guint code;

    bounce_report_set_diagnostic (recipient, text, strlen (text),
                                  bounce_reply_find (text, &code) == text);
}

static void
take_of_recipient (Notice *notice, const char *value)
{
    BounceReportRecipient *recipient = notice->recipient;

    if (is_key (notice, 0, "emailAddress"))
        take_recipient (notice, value, BOUNCE_REPORT_FAILED);
    else if (recipient == NULL)
        return;
    else if (is_key (notice, 0, "status") && recipient->status == NULL &&
             bounce_status_size (value) > 0)
        recipient->status = g_strndup (value, bounce_status_size (value));
    else if (is_key (notice, 0, "action") && g_ascii_strcasecmp (value, "delayed") == 0)
        recipient->action = BOUNCE_REPORT_DELAYED;
    else if (is_key (notice, 0, "diagnosticCode"))
        set_diagnostic (recipient, value);
}

static void
replace (char **to, const char *value)
{
    if (*to == NULL && *value != '\0')
        *to = bounce_text_clean (value, -1, false);
}

static void
take_of_mail (Notice *notice, const char *value)
{
    BounceReport *report = notice->reading->report;

    if (is_key (notice, 0, "name") && is_key (notice, 2, "headers")) {
        g_free (notice->name);
        notice->name = g_strdup (value);
    } else if (is_key (notice, 0, "value") && notice->name != NULL) {
        if (g_ascii_strcasecmp (notice->name, "Message-ID") == 0)
            replace (&report->message_id, value);
        else if (g_ascii_strcasecmp (notice->name, "X-Relais-Trace") == 0)
            replace (&report->trace, value);
    } else if (is_key (notice, 0, "source")) {
        replace (&report->sender, value);
    }
}

static void
take_value (Notice *notice, const char *value)
{
    BounceReport *report = notice->reading->report;

    if (notice->depth == 1 &&
        (is_key (notice, 0, "notificationType") || is_key (notice, 0, "eventType")))
        take_kind (notice, value);
    else if (is_key (notice, 2, "bouncedRecipients") ||
             is_key (notice, 2, "complainedRecipients") || is_key (notice, 2, "delayedRecipients"))
        take_of_recipient (notice, value);
    else if (is_key (notice, 1, "recipients") && is_key (notice, 2, "delivery"))
        take_recipient (notice, value, BOUNCE_REPORT_DELIVERED);
    else if (is_key (notice, 0, "smtpResponse"))
        replace (&notice->response, value);
    else if (is_key (notice, 0, "reportingMTA"))
        replace (&report->reporting_mta, behind_type (value));
    else if (is_key (notice, 0, "complaintFeedbackType"))
        report->feedback_type =
            report->feedback_type != NULL ? report->feedback_type : g_ascii_strdown (value, -1);
    else if (notice->depth > 1 && g_strcmp0 (notice->keys[0], "mail") == 0)
        take_of_mail (notice, value);
}

/* A string is a key if a colon follows in an object. */
static void
take_word (Notice *notice)
{
    g_autofree char *word = take_string (&notice->p);
    const char *p = notice->p + strspn (notice->p, " \t\n");
    const guint top = notice->depth - 1;

    if (*p == ':' && !notice->in_array[top]) {
        g_free (notice->keys[top]);
        notice->keys[top] = g_steal_pointer (&word);
        notice->p = p + 1;
    } else {
        take_value (notice, word);
    }
}

/* False at the end of the outermost object, or where it is too deep. */
static bool
step (Notice *notice)
{
    const char c = *notice->p;

    if (c == '"') {
        take_word (notice);
        return true;
    }
    notice->p++;
    if (c == '{' || c == '[') {
        if (notice->depth == DEPTH)
            return false;
        notice->in_array[notice->depth++] = c == '[';
    } else if (c == '}' || c == ']') {
        notice->depth--;
        g_clear_pointer (&notice->keys[notice->depth], g_free);
    }
    return notice->depth > 0;
}

/* Notices of other kinds (sends, opens) are letters. */
static void
finish (Notice *notice)
{
    BounceReport *report = notice->reading->report;
    GPtrArray *recipients = report->recipients;

    if (report->kind == BOUNCE_REPORT_OTHER) {
        g_hash_table_remove_all (notice->reading->known);
        g_ptr_array_set_size (recipients, 0);
    }
    if (report->kind == BOUNCE_REPORT_FEEDBACK && report->feedback_type == NULL)
        report->feedback_type = g_strdup ("abuse");
    for (guint i = 0; i < recipients->len; i++) {
        BounceReportRecipient *recipient = g_ptr_array_index (recipients, i);

        if (notice->response != NULL && recipient->diagnostic == NULL)
            bounce_report_set_diagnostic (recipient, notice->response, strlen (notice->response),
                                          true);
    }
    for (guint i = 0; i < DEPTH; i++)
        g_free (notice->keys[i]);
    g_free (notice->response);
    g_free (notice->name);
}

bool
bounce_notice_read (BounceReading *reading)
{
    Notice notice = {
        .reading = reading, .p = reading->text + strspn (reading->text, " \t\n"), .depth = 1};

    if (*notice.p != '{' || (strstr (notice.p, "\"notificationType\"") == NULL &&
                             strstr (notice.p, "\"eventType\"") == NULL))
        return false;
    notice.p++;
    while (*notice.p != '\0' && step (&notice))
        continue;
    finish (&notice);
    return reading->report->kind != BOUNCE_REPORT_OTHER;
}
