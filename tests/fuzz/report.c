/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Messages that came back (modules/bounce, report.h). Properties: what is told is UTF-8 without controls and within its
 * limits, a recipient is named once and has an address, a status is one, a code is one of SMTP; line ends do not
 * matter; the work is in proportion to the size; octets behind the limit do not count.
 *
 * Parsers: modules/bounce/report.c, modules/bounce/report-charset.c, modules/bounce/report-feedback.c,
 * modules/bounce/report-free.c, modules/bounce/report-kind.c, modules/bounce/report-mail.c,
 * modules/bounce/report-notice.c, modules/bounce/report-original.c, modules/bounce/report-phase.c,
 * modules/bounce/report-phrases.c, modules/bounce/report-status.c, modules/bounce/report-words.c.
 */
#include "config.h"

#include "fuzz.h"
#include "report-reading.h"
#include "report-words.h"

static const char *const words[] = {
    "From: MAILER-DAEMON@a.b\n",
    "Subject: failure notice\n",
    "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n",
    "Content-Type: message/delivery-status\n\n",
    "Content-Type: message/feedback-report\n\n",
    "Content-Type: message/rfc822\n\n",
    "Content-Type: text/html\n\n",
    "Content-Transfer-Encoding: base64\n",
    "Content-Transfer-Encoding: quoted-printable\n",
    "\n--b\n",
    "\n--b--\n",
    "Final-Recipient: rfc822; ",
    "Original-Recipient: rfc822;",
    "Diagnostic-Code: smtp; 550-5.1.1 ",
    "Status: 5.1.1\n",
    "Action: failed\n",
    "Original-Rcpt-To: ",
    "Feedback-Type: abuse\n",
    "Message-ID: <x@y>\n",
    "X-Failed-Recipients: ",
    "<ann@example.net>:\n",
    "RCPT TO:<a@b>\n",
    "550 5.1.1 ",
    " (in reply to MAIL FROM command)",
    "<<< 550 5.1.1 no\n554 <a@b>... no\n",
    "--- Below this line is a copy\n",
    "=?utf-8?q?",
    "\n\n",
    "\n\t",
    "{\"notificationType\":\"Bounce\",\"bounce\":{\"bouncedRecipients\":[{\"emailAddress\":\"a@b\"}"
    "]}}",
    NULL};
const FuzzTarget fuzz_target = {2000, words};

/* Looked at: a few times for parts, texts, folding; a report in the report once more. */
enum { STEPS_AN_OCTET = 24, STEPS = 4096 };

static void
check_text (const char *text, gsize limit)
{
    if (text == NULL)
        return;
    g_assert_cmpuint (strlen (text), <=, limit);
    g_assert_true (g_utf8_validate (text, -1, NULL));
    for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
        g_assert_false (g_unichar_iscntrl (g_utf8_get_char (p)));
}

static void
check_recipient (const BounceReportRecipient *recipient, GHashTable *seen)
{
    /* A character may grow when it is cleaned. */
    check_text (recipient->recipient, 3 * BOUNCE_ADDRESS_BYTES);
    check_text (recipient->original, 3 * BOUNCE_ADDRESS_BYTES);
    check_text (recipient->diagnostic, 3 * BOUNCE_DIAGNOSTIC_BYTES);
    check_text (recipient->remote_mta, 3 * BOUNCE_MAIL_FIELD_BYTES);
    g_assert_nonnull (strchr (recipient->recipient, '@'));
    g_assert_true (g_hash_table_add (seen, g_ascii_strdown (recipient->recipient, -1)));
    g_assert_true (recipient->code == 0 || (recipient->code >= 400 && recipient->code < 600));
    if (recipient->status != NULL)
        g_assert_cmpuint (bounce_status_size (recipient->status), ==, strlen (recipient->status));
}

static void
check_report (const BounceReport *report)
{
    g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

    g_assert_cmpuint (report->recipients->len, <=, BOUNCE_REPORT_RECIPIENTS);
    for (guint i = 0; i < report->recipients->len; i++)
        check_recipient (g_ptr_array_index (report->recipients, i), seen);
    check_text (report->feedback_type, 3 * BOUNCE_MAIL_FIELD_BYTES);
    check_text (report->reporting_mta, 3 * BOUNCE_MAIL_FIELD_BYTES);
    check_text (report->from, 3 * BOUNCE_ADDRESS_BYTES);
    check_text (report->message_id, 3 * BOUNCE_MAIL_FIELD_BYTES);
    check_text (report->trace, 3 * BOUNCE_MAIL_FIELD_BYTES);
    check_text (report->sender, 3 * BOUNCE_MAIL_FIELD_BYTES);
    g_assert_true ((report->kind == BOUNCE_REPORT_FEEDBACK) <= (report->feedback_type != NULL));
    if (report->kind == BOUNCE_REPORT_OTHER)
        g_assert_cmpuint (report->recipients->len, ==, 0);
}

static void
check_same (const BounceReport *a, const BounceReport *b)
{
    g_assert_cmpint (a->kind, ==, b->kind);
    g_assert_cmpuint (a->recipients->len, ==, b->recipients->len);
    for (guint i = 0; i < a->recipients->len; i++) {
        const BounceReportRecipient *one = g_ptr_array_index (a->recipients, i);
        const BounceReportRecipient *other = g_ptr_array_index (b->recipients, i);

        g_assert_cmpstr (one->recipient, ==, other->recipient);
        g_assert_cmpstr (one->status, ==, other->status);
        g_assert_cmpstr (one->diagnostic, ==, other->diagnostic);
    }
    g_assert_cmpstr (a->message_id, ==, b->message_id);
}

/* Each line end that is one octet as two; NULL if some are two already. */
static GByteArray *
with_crlf (const guint8 *bytes, gsize size)
{
    GByteArray *crlf = g_byte_array_new ();

    for (gsize i = 0; i < size; i++) {
        if (bytes[i] == '\r') {
            g_byte_array_unref (crlf);
            return NULL;
        }
        if (bytes[i] == '\n')
            g_byte_array_append (crlf, (const guint8 *)"\r", 1);
        g_byte_array_append (crlf, bytes + i, 1);
    }
    return crlf;
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    guint8 *exact = fuzz_exact (bytes, size);
    g_autoptr (GByteArray) crlf = NULL;
    g_autoptr (BounceReport) report = NULL;
    guint64 steps;

    report = bounce_report_read_counted (exact, size, &steps);
    check_report (report);
    g_assert_cmpuint (steps, <=, STEPS_AN_OCTET * size + STEPS);
    crlf = with_crlf (bytes, size);
    if (crlf != NULL && crlf->len <= BOUNCE_REPORT_BYTES) {
        g_autoptr (BounceReport) same = bounce_report_read (crlf->data, crlf->len);

        check_same (report, same);
    }
    free (exact);
    return 0;
}
