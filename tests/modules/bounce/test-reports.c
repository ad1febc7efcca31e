/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * modules/bounce, the reader of messages that came back: reports of tests/modules/bounce/reports against what is said of
 * them in expected.tsv, the limits, the work done, what hostile octets become.
 */
#include <string.h>

#include "report-mail.h"
#include "report-reading.h"
#include "report-words.h"

static char *
folder (void)
{
    const char *top = g_getenv ("RELAIS_SRCDIR");

    return g_build_filename (top != NULL ? top : ".", "tests/modules/bounce/reports", NULL);
}

static BounceReport *
read_text (const char *text)
{
    return bounce_report_read ((const guint8 *)text, strlen (text));
}

static const BounceReportRecipient *
recipient_at (const BounceReport *report, guint n)
{
    g_assert_cmpuint (n, <, report->recipients->len);
    return g_ptr_array_index (report->recipients, n);
}

static const char *
said (const char *text)
{
    return text != NULL ? text : "";
}

/* --- Files ------------------------------------------------------------------------------------- */

/* Rows as expected.tsv has them. */
static void
append_rows (GString *rows, const char *name, const BounceReport *report)
{
    const char *kind = bounce_report_kind_to_string (report->kind);
    const char *id = said (report->message_id);

    for (guint i = 0; i < report->recipients->len; i++) {
        const BounceReportRecipient *one = recipient_at (report, i);
        const char *action = one->action != BOUNCE_REPORT_UNKNOWN
                                 ? bounce_report_action_to_string (one->action)
                                 : "";
        g_autofree char *code = one->code != 0 ? g_strdup_printf ("%u", one->code) : g_strdup ("");

        g_string_append_printf (rows, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, kind, one->recipient,
                                action, said (one->status), code, id);
    }
    if (report->recipients->len == 0)
        g_string_append_printf (rows, "%s\t%s\t\t\t\t\t%s\n", name, kind, id);
}

/* With CRLF as they come by SMTP, and as the file has them. */
static char *
with_crlf (const char *text)
{
    g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

    return g_strjoinv ("\r\n", lines);
}

static void
check_file (const char *name, const char *path, const char *expected)
{
    g_autofree char *text = NULL, *crlf = NULL;
    gsize size;
    g_autoptr (GString) rows = g_string_new (NULL), same = g_string_new (NULL);
    g_autoptr (BounceReport) report = NULL, again = NULL;

    g_assert_true (g_file_get_contents (path, &text, &size, NULL));
    report = bounce_report_read ((const guint8 *)text, size);
    append_rows (rows, name, report);
    g_assert_cmpstr (rows->str, ==, expected);
    if (strchr (text, '\r') != NULL)
        return;
    crlf = with_crlf (text);
    again = read_text (crlf);
    append_rows (same, name, again);
    g_assert_cmpstr (same->str, ==, expected);
}

static void
test_files (void)
{
    g_autofree char *home = folder (), *list = g_build_filename (home, "expected.tsv", NULL),
                    *table = NULL;
    g_auto (GStrv) lines = NULL;
    g_autoptr (GDir) dir = NULL;
    guint checked = 0, there = 0;
    const char *name;

    g_assert_true (g_file_get_contents (list, &table, NULL, NULL));
    lines = g_strsplit (table, "\n", -1);
    for (guint i = 1; lines[i] != NULL && *lines[i] != '\0';) {
        g_autofree char *file = g_strndup (lines[i], strcspn (lines[i], "\t"));
        g_autofree char *path = g_build_filename (home, file, NULL),
                        *head = g_strconcat (file, "\t", NULL);
        g_autoptr (GString) expected = g_string_new (NULL);

        for (; lines[i] != NULL && g_str_has_prefix (lines[i], head); i++)
            g_string_append_printf (expected, "%s\n", lines[i]);
        check_file (file, path, expected->str);
        checked++;
    }
    dir = g_dir_open (home, 0, NULL);
    while ((name = g_dir_read_name (dir)) != NULL)
        there += g_str_has_suffix (name, ".eml");
    g_assert_cmpuint (checked, ==, there);
    g_assert_cmpuint (checked, >=, 60);
}

/* --- What the table does not say --------------------------------------------------------------- */

static BounceReport *
read_file (const char *name)
{
    g_autofree char *home = folder (), *path = g_build_filename (home, name, NULL), *text = NULL;
    gsize size;

    g_assert_true (g_file_get_contents (path, &text, &size, NULL));
    return bounce_report_read ((const guint8 *)text, size);
}

static void
test_fields (void)
{
    g_autoptr (BounceReport) two = read_file ("dsn-two.eml"),
                             lines = read_file ("dsn-multiline.eml");
    g_autoptr (BounceReport) unix_ = read_file ("dsn-odd-types.eml");
    g_autoptr (BounceReport) arf = read_file ("arf.eml"), not_spam = read_file ("arf-not-spam.eml");

    g_assert_cmpstr (two->reporting_mta, ==, "mx.example.net");
    g_assert_cmpstr (two->from, ==, "MAILER-DAEMON@mx.example.net");
    g_assert_cmpstr (two->trace, ==, "t0k3n-1");
    g_assert_cmpstr (two->sender, ==, "b-1@bounce.example.org");
    g_assert_cmpstr (recipient_at (two, 0)->original, ==, "ann@example.net");
    g_assert_cmpstr (recipient_at (two, 0)->remote_mta, ==, "in.example.net");
    g_assert_cmpstr (recipient_at (two, 0)->diagnostic, ==,
                     "550 5.1.1 <ann@example.net>: Recipient address rejected: User unknown in "
                     "virtual mailbox table");
    g_assert_true (recipient_at (two, 0)->is_smtp);
    g_assert_cmpstr (recipient_at (lines, 0)->diagnostic, ==,
                     "550 5.7.26 This mail has been blocked because it is unauthenticated. Set up "
                     "SPF or DKIM. See the manual.");
    g_assert_true (recipient_at (unix_, 0)->is_smtp);
    g_assert_false (recipient_at (unix_, 2)->is_smtp);
    g_assert_cmpstr (recipient_at (unix_, 2)->original, ==, "carl@example.net");
    g_assert_cmpstr (arf->feedback_type, ==, "abuse");
    g_assert_cmpstr (arf->reporting_mta, ==, "Isp-Loop/1");
    g_assert_cmpstr (arf->sender, ==, "b-1@bounce.example.org");
    g_assert_cmpstr (arf->trace, ==, "t0k3n-40");
    g_assert_cmpstr (not_spam->feedback_type, ==, "not-spam");
}

/* What was said in other charsets is there in UTF-8. */
static void
test_charsets (void)
{
    static const struct {
        const char *file, *words;
    } cases[] = {{"german.eml", "550 Das Postfach gibt es nicht"},
                 {"french.eml", "boîte aux lettres inconnue"},
                 {"russian.eml", "такого адреса нет"},
                 {"japanese.eml", "550 5.1.1 User unknown"},
                 {"spanish.eml", "552 5.2.2 over quota"},
                 {"italian.eml", "L'utente non esiste"}};

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autoptr (BounceReport) report = read_file (cases[i].file);
        const char *text = recipient_at (report, 0)->diagnostic;

        g_assert_true (g_utf8_validate (text, -1, NULL));
        if (strstr (text, cases[i].words) == NULL)
            g_error ("%s: %s", cases[i].file, text);
    }
}

/* --- Limits ------------------------------------------------------------------------------------ */

#define STATUS_HEAD                                                                                \
    "From: MAILER-DAEMON@mx.example.net\r\nContent-Type: multipart/report; "                       \
    "report-type=delivery-status; boundary=b\r\n"                                                  \
    "\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; "                 \
    "mx.example.net\r\n\r\n"

static GString *
status_of (guint n)
{
    GString *text = g_string_new (STATUS_HEAD);

    for (guint i = 0; i < n; i++)
        g_string_append_printf (
            text,
            "Final-Recipient: rfc822; r%u@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n",
            i);
    return text;
}

static void
test_recipients (void)
{
    for (guint n = BOUNCE_REPORT_RECIPIENTS - 1; n <= BOUNCE_REPORT_RECIPIENTS + 1; n++) {
        g_autoptr (GString) text = status_of (n);
        g_autoptr (BounceReport) report = read_text (text->str);

        g_assert_cmpint (report->kind, ==, BOUNCE_REPORT_DSN);
        g_assert_cmpuint (report->recipients->len, ==, MIN (n, (guint)BOUNCE_REPORT_RECIPIENTS));
    }
}

#define MIXED                                                                                      \
    "From: MAILER-DAEMON@mx.example.net\r\nContent-Type: multipart/report; boundary=b\r\n\r\n"
#define STATUS_PART "\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
#define STATUS_LAST "Final-Recipient: rfc822; ann@example.net\r\nAction: failed\r\nStatus: 5.1.1"

/* The status that the report gives whose last octet is the "1" of "5.1.1". */
static char *
status_behind (const char *head, gsize filler, const char *tail)
{
    g_autofree char *text = g_strnfill (filler, 'x');
    g_autofree char *whole = g_strconcat (head, text, tail, NULL);
    g_autoptr (BounceReport) report = read_text (whole);

    g_assert_cmpuint (report->recipients->len, ==, 1);
    return g_strdup (recipient_at (report, 0)->status);
}

/* What stands behind the last octet that is looked at is not there, of a message and of a part. */
static void
test_bytes (void)
{
    const char *tail = STATUS_PART STATUS_LAST, *in_part = "\r\n" STATUS_LAST;

    for (guint over = 0; over <= 1; over++) {
        g_autofree char *message = status_behind (
            MIXED, BOUNCE_REPORT_BYTES - strlen (MIXED) - strlen (tail) + over, tail);
        g_autofree char *part = status_behind (
            MIXED STATUS_PART "X: ", BOUNCE_MAIL_TEXT_BYTES - 3 - (strlen (in_part) - 3) + over,
            in_part);

        g_assert_cmpstr (message, ==, over == 0 ? "5.1.1" : NULL);
        g_assert_cmpstr (part, ==, over == 0 ? "5.1.1" : NULL);
    }
}

/* The status part stands in `depth` multiparts. */
static BounceReport *
read_nested (guint depth)
{
    g_autoptr (GString) text = g_string_new ("From: MAILER-DAEMON@mx.example.net\r\n");

    for (guint i = 0; i < depth; i++)
        g_string_append_printf (
            text, "Content-Type: multipart/mixed; boundary=b%u\r\n\r\n--b%u\r\n", i, i);
    g_string_append (text, "Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; "
                           "ann@example.net\r\n");
    return read_text (text->str);
}

static void
test_depth (void)
{
    g_autoptr (BounceReport) in = read_nested (BOUNCE_MAIL_DEPTH),
                             out = read_nested (BOUNCE_MAIL_DEPTH + 1);

    g_assert_cmpuint (in->recipients->len, ==, 1);
    g_assert_cmpuint (out->recipients->len, ==, 0);
}

/* The message itself is a part as well. */
static BounceReport *
read_parts (guint n)
{
    g_autoptr (GString) text = g_string_new (
        "From: MAILER-DAEMON@mx.example.net\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n");

    for (guint i = 0; i + 2 < n; i++)
        g_string_append (text, "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n");
    g_string_append (text, "--b\r\nContent-Type: message/delivery-status\r\n\r\nFinal-Recipient: "
                           "rfc822; ann@example.net\r\n");
    return read_text (text->str);
}

static void
test_parts (void)
{
    g_autoptr (BounceReport) in = read_parts (BOUNCE_MAIL_PARTS),
                             out = read_parts (BOUNCE_MAIL_PARTS + 1);

    g_assert_cmpuint (in->recipients->len, ==, 1);
    g_assert_cmpuint (out->recipients->len, ==, 0);
}

static char *
find_address (guint local, guint domain)
{
    g_autofree char *left = g_strnfill (local, 'l'), *right = g_strnfill (domain, 'd');
    g_autofree char *text = g_strdup_printf ("<%s@%s>", left, right);

    return bounce_address_dup_first (text);
}

static void
test_addresses (void)
{
    static const char *const found[][2] = {
        {"<ann@Example.NET>:", "ann@example.net"},
        {"mailto:ann@example.net.", "ann@example.net"},
        {"to=ann@example.net, relay=x", "ann@example.net"},
        {"\"ann smith\"@example.net", "\"ann smith\"@example.net"},
        {"'ann@example.net'", "ann@example.net"},
        {"收件人：ann@example.cn退信", "ann@example.cn"},
        {"邮箱ann@example.cn", "ann@example.cn"},
        {"josé@exämple.net", "josé@exämple.net"},
        {"用户@例子.公司", "用户@例子.公司"},
        {"ann@[192.0.2.1]", "ann@[192.0.2.1]"},
        {"x @ y, @z, ann@, a@b", "a@b"},
        {"nobody here", NULL},
    };

    for (guint i = 0; i < G_N_ELEMENTS (found); i++) {
        g_autofree char *address = bounce_address_dup_first (found[i][0]);

        g_assert_cmpstr (address, ==, found[i][1]);
    }
    for (guint over = 0; over <= 1; over++) {
        g_autofree char *local = find_address (64 + over, 9),
                        *domain = find_address (9, 255 + over);

        g_assert_cmpint (local == NULL, ==, over == 1);
        g_assert_cmpint (domain == NULL, ==, over == 1);
    }
}

static void
test_replies (void)
{
    static const struct {
        const char *text;
        guint code;
    } cases[] = {{"550 no", 550},
                 {"Remote host said: 451 later", 451},
                 {"host x [192.0.2.1]: 550 5.1.1 <a@b>", 550},
                 {"(reason: 550-5.7.1 no)", 550},
                 {"error 554 5.7.1", 554},
                 {"<<< 552 full", 552},
                 {"waited 480 minutes", 0},
                 {"192.0.2.450 is there", 0},
                 {"gave up after 432000 seconds", 0},
                 {"port 587", 0},
                 {"id 550-ABC", 0},
                 {"5501 no", 0}};

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        guint code;

        bounce_reply_find (cases[i].text, &code);
        if (code != cases[i].code)
            g_error ("%s: %u", cases[i].text, code);
    }
}

/* What is said to MAIL is not about the recipient; where several commands are told of, nothing is known. */
static void
test_phases (void)
{
    static const struct {
        const char *text, *phase;
    } cases[] = {
        {"host x said: 550 no (in reply to MAIL FROM command)", "mail"},
        {"host x said: 550 no (in reply\n    to RCPT TO command)", "rcpt"},
        {"host x refused to talk to me: 554 no", "banner"},
        {"SMTP error from remote mail server after pipelined end of data:\n550 no", "body"},
        {">>> MAIL From:<news@example.org>\n<<< 550 no", "mail"},
        {">>> MAIL From:<news@example.org>\n>>> RCPT To:<ann@example.net>\n<<< 550 no", NULL},
        {">>> DATA\n<<< 550 5.1.1 no", NULL},
        {"Connected to 192.0.2.2 but my name was rejected.\nRemote host said: 550 no", "ehlo"},
        {"550 no", NULL}};

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *text = g_strdup_printf ("From: MAILER-DAEMON@mx.example.net\nSubject: "
                                                 "failure notice\n\n<ann@example.net>:\n%s\n",
                                                 cases[i].text);
        g_autoptr (BounceReport) report = read_text (text);

        g_assert_cmpstr (recipient_at (report, 0)->phase, ==, cases[i].phase);
    }
}

/* --- Hostile octets ---------------------------------------------------------------------------- */

static void
test_controls (void)
{
    static const char text[] =
        "From: MAILER-DAEMON@mx.example.net\r\nContent-Type: multipart/report; "
        "boundary=b\r\n\r\n--b\r\n"
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; \033[2Jmx\r\n\r\n"
        "Final-Recipient: rfc822; ann@example.net\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 a\0b\001c\033]0;d\007e\302\205f\342\200\256g\r\n";
    g_autoptr (BounceReport) report = bounce_report_read ((const guint8 *)text, sizeof text - 1);

    g_assert_cmpstr (recipient_at (report, 0)->diagnostic, ==, "550 a b c ]0;d e f g");
    g_assert_cmpstr (report->reporting_mta, ==, "[2Jmx");
}

static void
test_empty (void)
{
    static const char *const texts[] = {
        "",
        "\n",
        "\r\n\r\n",
        "From:",
        "Content-Type: multipart/report\n\n--\n--x--\n",
        "Content-Type: message/delivery-status\n\nFinal-Recipient:\n",
        "--b",
        ": x\n\n"};

    for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
        g_autoptr (BounceReport) report = read_text (texts[i]);

        g_assert_cmpint (report->kind, ==, BOUNCE_REPORT_OTHER);
        g_assert_cmpuint (report->recipients->len, ==, 0);
    }
}

/* --- Work -------------------------------------------------------------------------------------- */

/* The unit with a number for each "%u". */
static void
append_numbered (GString *text, const char *unit, guint number)
{
    const char *p;

    while ((p = strstr (unit, "%u")) != NULL) {
        g_string_append_len (text, unit, p - unit);
        g_string_append_printf (text, "%u", number);
        unit = p + 2;
    }
    g_string_append (text, unit);
}

static guint64
work_of (const char *head, const char *unit, guint n)
{
    g_autoptr (GString) text = g_string_new (head);
    guint64 steps;

    for (guint i = 0; i < n; i++)
        append_numbered (text, unit, i);
    bounce_report_free (bounce_report_read_counted ((const guint8 *)text->str, text->len, &steps));
    return steps;
}

/* Twice as much takes twice as long, counted in octets looked at. */
static void
test_work (void)
{
#define FREE_HEAD "From: MAILER-DAEMON@mx.example.net\nSubject: failure notice\n\n"
    static const struct {
        const char *head, *unit;
    } cases[] = {
        {STATUS_HEAD, "Final-Recipient: rfc822; r%u@example.net\nStatus: 5.1.1\n\n"},
        {STATUS_HEAD, "Final-Recipient: rfc822; r%u@example.net\n  x\n  x\n"},
        {FREE_HEAD, "<r%u@example.net>:\n550 5.1.1 no\n\n"},
        {FREE_HEAD, "<r%u@"},
        {FREE_HEAD, "@@%u@@"},
        {FREE_HEAD, "r%u@example.net "},
        {FREE_HEAD, "550 450 5.1.%u "},
        {FREE_HEAD, "%u\n"},
        {FREE_HEAD, "--- original message %u ---\n"},
        {"From: MAILER-DAEMON@x\nContent-Type: text/html\n\n", "<p%u<script<a@b>&#%u;"},
        {"From: MAILER-DAEMON@x\nContent-Type: multipart/mixed; boundary=b\n\n",
         "--b\nX: %u\n\nx\n"},
        {"From: MAILER-DAEMON@x\n", "Content-Type: multipart/mixed; boundary=b%u\n\n--b%u\n"},
        {"", "X-%u: =?utf-8?q?x\n"},
        {"Subject: ", "=?utf-8?q?%u =?"},
        {"From: x@sns\n\n{\"notificationType\":\"Bounce\",\"bounce\":{\"bouncedRecipients\":[",
         "{\"emailAddress\":\"r%u@example.net\"},"}};

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        const guint64 once = work_of (cases[i].head, cases[i].unit, 4000);
        const guint64 twice = work_of (cases[i].head, cases[i].unit, 8000);

        if ((double)twice > 2.3 * (double)once)
            g_error ("case %u: %" G_GUINT64_FORMAT ", then %" G_GUINT64_FORMAT, i, once, twice);
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/report/files", test_files);
    g_test_add_func ("/report/fields", test_fields);
    g_test_add_func ("/report/charsets", test_charsets);
    g_test_add_func ("/report/recipients", test_recipients);
    g_test_add_func ("/report/bytes", test_bytes);
    g_test_add_func ("/report/depth", test_depth);
    g_test_add_func ("/report/parts", test_parts);
    g_test_add_func ("/report/addresses", test_addresses);
    g_test_add_func ("/report/replies", test_replies);
    g_test_add_func ("/report/phases", test_phases);
    g_test_add_func ("/report/controls", test_controls);
    g_test_add_func ("/report/empty", test_empty);
    g_test_add_func ("/report/work", test_work);
    return g_test_run ();
}
