/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Complaints: ARF (RFC 5965) and those that are made like it but for a part or two. A complaint may name the one
 * who complained, or hide him; then only the original tells. Pure, linear; any thread.
 */
#include <string.h>

#include "report-reading.h"
#include "report-words.h"

static void
take_field (BounceReading *reading, const char *name, const char *value)
{
    BounceReport *report = reading->report;

    if (g_ascii_strcasecmp (name, "Feedback-Type") == 0 && report->feedback_type == NULL) {
        const gsize size = strcspn (value, " \t;(");

        report->feedback_type =
            size > 0 && size <= 64 ? g_ascii_strdown (value, (gssize)size) : NULL;
    } else if (g_ascii_strcasecmp (name, "Reporting-MTA") == 0) {
        const char *p = strchr (value, ';');

        g_free (report->reporting_mta);
        report->reporting_mta = g_strstrip (g_strdup (p != NULL ? p + 1 : value));
    } else if (g_ascii_strcasecmp (name, "User-Agent") == 0 && report->reporting_mta == NULL) {
        report->reporting_mta = g_strdup (value);
    } else if (g_ascii_strcasecmp (name, "Original-Mail-From") == 0 && report->sender == NULL) {
        report->sender = bounce_address_dup_first (value);
    } else if (g_ascii_strcasecmp (name, "Original-Rcpt-To") == 0 ||
               g_ascii_strcasecmp (name, "Removal-Recipient") == 0) {
        char *address = bounce_address_dup_first (value);

        if (address != NULL)
            bounce_report_add (reading, address);
    }
}

static void
read_fields (BounceReading *reading)
{
    g_autofree char *text = bounce_mail_dup_text (reading->mail, reading->feedback);
    const char *at = text + strspn (text, "\n \t"), *end = at + strlen (at);
    char *name, *value;

    while (at < end) {
        if (bounce_header_next (&at, end, &name, &value)) {
            take_field (reading, name, value);
            g_free (name);
            g_free (value);
        } else {
            at += strcspn (at, "\n");
            at += *at == '\n';
        }
    }
}

/* Those of providers who send the message back and nothing else, or say it in words. */
static bool
is_complaint_in_words (BounceReading *reading)
{
    static const char *const subjects[] = {"complaint about message from",
                                           "[feedback loop]",
                                           "feedback loop:",
                                           "abuse report",
                                           "spam complaint",
                                           "email feedback report",
                                           "feedback report",
                                           NULL};
    static const char *const texts[] = {"this is an email abuse report",
                                        "this is a spam complaint",
                                        "abuse report for an email message",
                                        "email abuse report for",
                                        "feedback loop",
                                        "marked as spam by",
                                        "reported as spam",
                                        "complaint about message",
                                        NULL};
    g_autofree char *hotmail = NULL;

    if (reading->returned == NULL)
        return false;
    hotmail = bounce_mail_dup_text (reading->mail, reading->returned);
    if (g_ascii_strncasecmp (hotmail, "X-HmXmrOriginalRecipient:", 25) == 0 ||
        strstr (hotmail, "\nX-HmXmrOriginalRecipient:") != NULL)
        return true;
    return bounce_text_has (reading->subject, subjects) &&
           (bounce_text_starts (reading->subject, subjects) ||
            bounce_text_has (reading->folded, texts));
}

static void
add_recipient_of_original (BounceReading *reading)
{
    char *address = bounce_original_dup_recipient (reading);

    if (address != NULL)
        bounce_report_add (reading, address);
}

bool
bounce_feedback_read (BounceReading *reading)
{
    BounceReport *report = reading->report;

    if (reading->feedback != NULL)
        read_fields (reading);
    else if (!is_complaint_in_words (reading))
        return false;
    report->kind = BOUNCE_REPORT_FEEDBACK;
    if (report->feedback_type == NULL)
        report->feedback_type = g_strdup ("abuse");
    if (report->recipients->len == 0)
        add_recipient_of_original (reading);
    return true;
}
