/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Header blocks: stepping through hostile ones, lists of mailboxes, and what hygiene refuses, cuts,
 * adds and learns.
 */
#include "config.h"

#include "message/header-private.h"

#include <string.h>

#include "message/rope-private.h"

/* --- Fields ------------------------------------------------------------------------------------- */

/* "name=value|name=value" of all fields, values unfolded; from a copy of exactly the size. */
static char *
all_fields (const char *block, gsize size, gsize *position)
{
    g_autofree guint8 *copy = g_memdup2 (block, size);
    GString *text = g_string_new (NULL);
    RelaisField field;

    *position = 0;
    while (relais_header_next (copy, size, position, &field)) {
        g_autofree char *value = relais_field_unfold (&field);

        g_assert_cmpuint (field.offset + field.size, ==, *position);
        g_string_append_len (text, field.name, (gssize)field.name_size);
        g_string_append_printf (text, "=%s|", value);
    }
    return g_string_free (text, FALSE);
}

static void
test_fields (void)
{
    static const struct {
        const char *block, *fields;
        gsize end;
        bool good;
    } blocks[] = {
        {"", "", 0, true},
        {"\r\n", "", 0, true},
        {"A: b\r\n", "A=b|", 6, true},
        {"A: b\r\n\r\n", "A=b|", 6, true},
        {"A:\r\nB:x\r\n\r\n", "A=|B=x|", 9, true},
        {"A: b\r\n c\r\n\td\r\nE: f\r\n", "A=b c\td|E=f|", 20, true},
        {"A: b\r\n \r\nC: d\r\n", "A=b|C=d|", 15, true},
        {"A: b", "A=b|", 4, true},
        {"A : b\r\n", "", 0, false},
        {": b\r\n", "", 0, false},
        {" A: b\r\n", "", 0, false},
        {"A: b\r\nhello\r\nC: d\r\n", "A=b|", 6, false},
        {"A\xc3\xbc: b\r\n", "", 0, false},
        {"A: b\r\n\r\nC: d\r\n", "A=b|", 6, false}, /* more than a header block */
        {"A: b\nC: d\r\n", "A=b\nC: d|", 11, false},
        {"A: b\rC\r\n", "A=b\rC|", 8, false},
        {"A: b\r", "A=b|", 5, false},
    };

    for (guint i = 0; i < G_N_ELEMENTS (blocks); i++) {
        gsize position;
        g_autofree char *fields = all_fields (blocks[i].block, strlen (blocks[i].block), &position);

        g_assert_cmpstr (fields, ==, blocks[i].fields);
        g_assert_cmpuint (position, ==, blocks[i].end);
        g_assert_cmpint (relais_header_is_well_formed ((const guint8 *)blocks[i].block,
                                                       strlen (blocks[i].block)),
                         ==, blocks[i].good);
    }
    g_assert_false (relais_header_is_well_formed ((const guint8 *)"A: b\0\r\n", 7));
}

static void
test_find (void)
{
    static const char block[] = "Subject: one\r\nX: y\r\nsubject: two\r\n\r\n";
    RelaisField field;

    g_assert_true (relais_header_find ((const guint8 *)block, sizeof block - 1, "SUBJECT", &field));
    g_assert_cmpuint (field.offset, ==, 0);
    g_assert_false (relais_header_find ((const guint8 *)block, sizeof block - 1, "Sub", &field));
}

/* --- Mailboxes ---------------------------------------------------------------------------------- */

static char *
mailboxes (const char *value, guint limit)
{
    gsize size = strlen (value);
    g_autofree char *copy = g_memdup2 (value, size);
    g_autoptr (GPtrArray) to = g_ptr_array_new_with_free_func (g_free);
    bool good = relais_header_parse_mailboxes (copy, size, limit, to);

    g_ptr_array_add (to, NULL);
    return good ? g_strjoinv (" ", (char **)to->pdata) : NULL;
}

static void
test_mailboxes (void)
{
    static const struct {
        const char *value, *found; /* NULL: refused */
    } lists[] = {
        {" a@b.c", "a@b.c"},
        {"<a@B.c>", "a@b.c"},
        {"A B <a@b>", "a@b"},
        {"John Q. Public <a@b>", "a@b"},
        {"\"x, y <z@w>\" <a@b>", "a@b"},
        {"=?utf-8?q?J=C3=BCrgen?= <a@b>", "a@b"},
        {"J\xc3\xbcrgen <a@b>", "a@b"},
        {"a@b (comment (nested \\) ) here)", "a@b"},
        {"(c) A (c) <(c) a@b (c)> (c)", "a@b"},
        {"A\r\n B\r\n\t<a@b>\r\n ", "a@b"},
        {"\"quoted\r\n fold\" <a@b>", "a@b"},
        {"a@b, C <c@d>,e@f", "a@b c@d e@f"},
        {"G: a@b, C <c@d>;", "a@b c@d"},
        {"undisclosed-recipients:;", ""},
        {"G: a@b;, c@d", "a@b c@d"},
        {"\"a b\"@c", "\"a b\"@c"},
        {"u@[192.0.2.1]", "u@[192.0.2.1]"},
        {"", NULL},
        {" ", NULL},
        {",", NULL},
        {"a@b,", NULL},
        {",a@b", NULL},
        {"a@b,,c@d", NULL},
        {"a@b c@d", NULL},
        {"<a@b> <c@d>", NULL},
        {"<a@b>c@d", NULL},
        {"a@b <c@d>", NULL}, /* two readers would find two authors */
        {"<>", NULL},
        {"A <>", NULL},
        {"A", NULL},
        {"<@x,@y:a@b>", NULL},
        {"a @ b", NULL},
        {"a(c)@b", NULL},
        {"<a@b", NULL},
        {"a@b>", NULL},
        {"A <a@b (unclosed>", NULL},
        {"\"unclosed <a@b>", NULL},
        {"(unclosed", NULL},
        {"[x] <a@b>", NULL},
        {"G: a@b", NULL},
        {"G: H: a@b;;", NULL},
        {": a@b;", NULL},
        {"a@b;", NULL},
        {"A\r\nBcc: x <a@b>", NULL},
        {"A\n <a@b>", NULL},
        {"A\x01 <a@b>", NULL},
        {"\"\x01\" <a@b>", NULL},
        {"(\x7f) a@b", NULL},
    };

    for (guint i = 0; i < G_N_ELEMENTS (lists); i++) {
        g_autofree char *found = mailboxes (lists[i].value, 10);

        g_test_message ("list %u", i);
        g_assert_cmpstr (found, ==, lists[i].found);
    }
}

static char *
nested_comment (gsize depth)
{
    g_autofree char *open = g_strnfill (depth, '('), *close = g_strnfill (depth, ')');

    return g_strconcat (open, "x", close, " a@b", NULL);
}

static void
test_mailbox_limits (void)
{
    g_autofree char *fifty = nested_comment (50), *more = nested_comment (51);
    g_autofree char *bomb = g_strnfill (1 << 20, '('), *ten = NULL, *nine = NULL, *found = NULL;
    GString *list = g_string_new ("a@b");

    for (int i = 1; i < 10; i++)
        g_string_append (list, ",a@b");
    ten = g_string_free (list, FALSE);
    g_assert_null (mailboxes (ten, 9));
    found = mailboxes (ten, 10);
    g_assert_nonnull (found);
    nine = mailboxes (fifty, 1);
    g_assert_cmpstr (nine, ==, "a@b");
    g_assert_null (mailboxes (more, 1));
    g_assert_null (mailboxes (bomb, 1));
}

static void
test_author (void)
{
    static const char *const bad[] = {"a@b, c@d", "G: a@b;", "G:;", "", "A"};
    char *address = NULL;

    for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
        g_assert_false (relais_header_parse_author (bad[i], strlen (bad[i]), &address));
    g_assert_true (relais_header_parse_author ("A <A@B.c>", 9, &address));
    g_assert_cmpstr (address, ==, "A@b.c");
    g_free (address);
}

/* --- Hygiene ------------------------------------------------------------------------------------ */

static const RelaisHygieneOptions submission = {.submission = true,
                                                .max_hops = 50,
                                                .max_fields = 1000,
                                                .hostname = "mx.relais.test",
                                                .received_with = "ESMTPS",
                                                .client_name_and_address = "h (192.0.2.1)",
                                                .tls = "TLSv1.3 with cipher X",
                                                .wall_us = G_GINT64_CONSTANT (1782000000000000)};

typedef struct {
    RelaisMessage *message;
    RelaisHeaderRefusal refusal;
    bool taken;
    char *text; /* what readers see */
} Result;

static Result
apply (const char *block, const RelaisHygieneOptions *options, bool klass_allowed, bool klass_fixed)
{
    Result result = {.message = relais_message_new (1)};
    gsize size = strlen (block);
    g_autoptr (GBytes) bytes = g_bytes_new (block, size);
    const RelaisBodyFacts facts = {.size_bytes = size, .header_bytes = size};
    g_autoptr (RelaisRope) rope = NULL;
    gsize seen;

    relais_envelope_add_recipient (&result.message->envelope, "one@rcpt.test");
    result.message->body = relais_body_new_bytes (bytes, &facts);
    result.taken = relais_hygiene_apply (result.message, g_bytes_get_data (bytes, NULL), size,
                                         options, klass_allowed, klass_fixed, &result.refusal);
    if (!result.taken)
        return result;
    rope = relais_rope_new_message (result.message);
    seen = (gsize)relais_rope_size (rope);
    result.text = g_malloc0 (seen + 1);
    relais_rope_read (rope, 0, result.text, seen, NULL);
    return result;
}

static void
result_clear (Result *result)
{
    relais_message_unref (result->message);
    relais_header_refusal_clear (&result->refusal);
    g_free (result->text);
}

#define RECEIVED                                                                                   \
    "Received: from h (192.0.2.1)\r\n\tby mx.relais.test with ESMTPS\r\n"                          \
    "\t(TLSv1.3 with cipher X)\r\n\tid 0000000000001\r\n\tfor <one@rcpt.test>;\r\n"                \
    "\tSun, 21 Jun 2026 00:00:00 +0000\r\n"
#define DATE "Date: Sun, 21 Jun 2026 00:00:00 +0000\r\n"
#define GOOD "From: A <a@Sender.Test>\r\nDate: x\r\nMessage-ID: <i@d>\r\n"

static void
check_seen (const char *block, const char *seen)
{
    Result result = apply (block, &submission, true, false);

    g_assert_cmpstr (result.refusal.text, ==, NULL);
    g_assert_cmpstr (result.text, ==, seen);
    result_clear (&result);
}

static void
test_overlay (void)
{
    g_autofree char *id = NULL;
    Result result = apply ("From: a@b\r\n\r\n", &submission, true, false);

    id = g_strdup_printf ("Message-ID: %s\r\n", result.message->envelope.message_id);
    g_assert_true (g_str_has_prefix (result.text, RECEIVED DATE "Message-ID: <"));
    g_assert_nonnull (strstr (result.text, id));
    g_assert_true (g_str_has_suffix (id, ".0000000000001@mx.relais.test>\r\n"));
    result_clear (&result);
    check_seen (GOOD "\r\n", RECEIVED GOOD "\r\n");
    check_seen ("Bcc: x@y\r\n" GOOD
                "BCC: a\r\n b\r\nReturn-Path: <z>\r\nresent-bcc: x\r\nTo: t\r\n",
                RECEIVED GOOD "To: t\r\n");
    check_seen (GOOD "X-Relais-Class: bulk\r\nX-Other: 1\r\nx-relais-Future: 2\r\n\r\n",
                RECEIVED GOOD "X-Other: 1\r\n\r\n");
    check_seen ("From: a@b\r\nDate: \r\n \r\nMessage-ID: <i@d>\r\n\r\n",
                RECEIVED DATE "From: a@b\r\nMessage-ID: <i@d>\r\n\r\n");
}

static void
test_adjacent_cuts_are_one (void)
{
    Result result = apply ("Bcc: x\r\nReturn-Path: <z>\r\n" GOOD "\r\n", &submission, true, false);

    g_assert_cmpuint (result.message->cuts->len, ==, 1);
    result_clear (&result);
}

static void
test_learns (void)
{
    Result result = apply (GOOD "X-Relais-Campaign: spring-26\r\nList-Id: <l>\r\n\r\n", &submission,
                           true, false);

    g_assert_cmpstr (result.message->envelope.header_from, ==, "a@sender.test");
    g_assert_cmpstr (result.message->envelope.message_id, ==, "<i@d>");
    g_assert_cmpstr (result.message->envelope.campaign, ==, "spring-26");
    g_assert_cmpint (result.message->envelope.klass, ==, RELAIS_CLASS_BULK);
    result_clear (&result);
}

static void
check_class (const char *fields, bool allowed, bool fixed, RelaisClass before, RelaisClass wanted)
{
    g_autofree char *block = g_strconcat (GOOD, fields, "\r\n", NULL);
    g_autoptr (RelaisMessage) message = relais_message_new (1);
    RelaisHeaderRefusal refusal = {0};

    message->envelope.klass = before;
    relais_envelope_add_recipient (&message->envelope, "a@b");
    g_assert_true (relais_hygiene_apply (message, (const guint8 *)block, strlen (block),
                                         &submission, allowed, fixed, &refusal));
    g_assert_cmpint (message->envelope.klass, ==, wanted);
}

static void
test_class (void)
{
    const RelaisClass bulk = RELAIS_CLASS_BULK, one = RELAIS_CLASS_TRANSACTIONAL;

    check_class ("", true, false, bulk, one);
    check_class ("Precedence: Bulk\r\n", true, false, one, bulk);
    check_class ("Precedence: first-class\r\n", true, false, one, one);
    check_class ("List-Unsubscribe: <x>\r\n", true, false, one, bulk);
    check_class ("List-Unsubscribe: <x>\r\n", true, true, one, one);
    check_class ("List-Id: <x>\r\nX-Relais-Class: transactional\r\n", true, false, one, one);
    check_class ("X-Relais-Class: bulk\r\n", true, true, one, bulk);
    check_class ("X-Relais-Class: bulk\r\n", false, true, one, one);
    check_class ("X-Relais-Class: nonsense\r\n", false, false, one, one);
}

static void
test_refusals (void)
{
    static const struct {
        const char *block;
        guint code;
        const char *enhanced, *text;
    } refused[] = {
        {GOOD "hello\r\n\r\n", 550, "5.6.0", "malformed"},
        {GOOD "Subject : x\r\n\r\n", 550, "5.6.0", "malformed"},
        {" " GOOD, 550, "5.6.0", "malformed"},
        {"Date: x\r\n\r\n", 550, "5.7.1", "no From"},
        {"", 550, "5.7.1", "no From"},
        {"From: a@b, c@d\r\n\r\n", 550, "5.7.1", "one well-formed mailbox"},
        {"From: G: a@b;\r\n\r\n", 550, "5.7.1", "one well-formed mailbox"},
        {"From:\r\n\r\n", 550, "5.7.1", "one well-formed mailbox"},
        {"From: a@b <c@d>\r\n\r\n", 550, "5.7.1", "one well-formed mailbox"},
        {GOOD "X-Relais-Class: urgent\r\n\r\n", 550, "5.6.0", "X-Relais-Class"},
        {GOOD "X-Relais-Campaign: a b\r\n\r\n", 550, "5.6.0", "X-Relais-Campaign"},
        {GOOD "X-Relais-Campaign: ../x\r\n\r\n", 550, "5.6.0", "X-Relais-Campaign"},
        {GOOD "X-Relais-Campaign:\r\n\r\n", 550, "5.6.0", "X-Relais-Campaign"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (refused); i++) {
        Result result = apply (refused[i].block, &submission, true, false);

        g_test_message ("refusal %u", i);
        g_assert_false (result.taken);
        g_assert_cmpuint (result.refusal.code, ==, refused[i].code);
        g_assert_cmpstr (result.refusal.enhanced, ==, refused[i].enhanced);
        g_assert_nonnull (strstr (result.refusal.text, refused[i].text));
        result_clear (&result);
    }
}

static void
test_duplicates (void)
{
    static const char *const single[] = {"Date",
                                         "From",
                                         "Sender",
                                         "Reply-To",
                                         "To",
                                         "Cc",
                                         "Message-ID",
                                         "In-Reply-To",
                                         "References",
                                         "Subject",
                                         "MIME-Version",
                                         "Content-Type",
                                         "Content-Transfer-Encoding",
                                         "X-Relais-Class",
                                         "X-Relais-Campaign"};
    RelaisHygieneOptions pass = submission;

    pass.duplicate = 1;
    for (guint i = 0; i < G_N_ELEMENTS (single); i++) {
        g_autofree char *lower = g_ascii_strdown (single[i], -1);
        g_autofree char *block = g_strdup_printf ("%s: bulk\r\n%s: bulk\r\n\r\n", single[i], lower);
        Result result = apply (block, &submission, true, false);

        g_assert_false (result.taken);
        g_assert_nonnull (strstr (result.refusal.text, single[i]));
        result_clear (&result);
    }
    check_seen (GOOD "Comments: a\r\nComments: b\r\n\r\n",
                RECEIVED GOOD "Comments: a\r\nComments: b\r\n\r\n");
    Result result = apply (GOOD "Subject: 1\r\nSubject: 2\r\n\r\n", &pass, true, false);

    g_assert_true (result.taken);
    result_clear (&result);
    result = apply (GOOD "From: c@d\r\n\r\n", &pass, true, false);
    g_assert_false (result.taken);
    g_assert_cmpstr (result.refusal.enhanced, ==, "5.7.1");
    result_clear (&result);
}

static char *
repeated (const char *field, guint n)
{
    GString *block = g_string_new (GOOD);

    for (guint i = 0; i < n; i++)
        g_string_append (block, field);
    g_string_append (block, "\r\n");
    return g_string_free (block, FALSE);
}

static void
check_repeated (const char *field, guint n, const char *enhanced)
{
    g_autofree char *block = repeated (field, n);
    Result result = apply (block, &submission, true, false);

    g_assert_cmpstr (result.refusal.enhanced, ==, enhanced);
    result_clear (&result);
}

static void
test_limits (void)
{
    g_autofree char *campaign = g_strnfill (129, 'c');
    g_autofree char *block = g_strconcat (GOOD, "X-Relais-Campaign: ", campaign, "\r\n", NULL);
    Result result = apply (block, &submission, true, false);

    g_assert_false (result.taken);
    result_clear (&result);
    block[strlen (block) - 3] = '\r'; /* 128 */
    block[strlen (block) - 2] = '\n';
    block[strlen (block) - 1] = '\0';
    result = apply (block, &submission, true, false);
    g_assert_true (result.taken);
    result_clear (&result);
    check_repeated ("Received: x\r\n", 49, NULL);
    check_repeated ("Received: x\r\n", 50, NULL);
    check_repeated ("Received: x\r\n", 51, "5.4.6");
    check_repeated ("X: y\r\n", 996, NULL); /* and 3 others */
    check_repeated ("X: y\r\n", 997, NULL);
    check_repeated ("X: y\r\n", 998, "5.6.0");
}

static void
test_missing (void)
{
    RelaisHygieneOptions options = submission;
    Result result;

    options.missing = 1;
    result = apply ("From: a@b\r\nMessage-ID: <x>\r\n\r\n", &options, true, false);
    g_assert_nonnull (strstr (result.refusal.text, "no Date"));
    result_clear (&result);
    result = apply ("From: a@b\r\nDate: d\r\nMessage-ID: \r\n\r\n", &options, true, false);
    g_assert_nonnull (strstr (result.refusal.text, "no Message-ID"));
    result_clear (&result);
    options.submission = false; /* mail from outside is no submission, and kept as it is */
    result = apply ("From: a@b\r\n\r\n", &options, false, false);
    g_assert_true (result.taken);
    g_assert_cmpstr (result.text, ==, RECEIVED "From: a@b\r\n\r\n");
    result_clear (&result);
    options.submission = true;
    options.missing = 2;
    result = apply ("From: a@b\r\nDate:\r\n\r\n", &options, true, false);
    g_assert_cmpstr (result.text, ==, RECEIVED "From: a@b\r\nDate:\r\n\r\n");
    g_assert_null (result.message->envelope.message_id);
    result_clear (&result);
}

/* Local mail without From is given one of its sender; what has one keeps it, and <> is nobody's. */
static void
test_given_author (void)
{
    RelaisHygieneOptions options = submission;
    Result result;

    options.author = "ann@sender.test";
    options.author_name = "A \"B\\C\"\r\n\xc3\xa9";
    result = apply ("Date: d\r\nMessage-ID: <x@y>\r\n\r\n", &options, true, false);
    g_assert_true (result.taken);
    g_assert_cmpstr (result.text, ==,
                     RECEIVED "From: \"A \\\"B\\\\C\\\"????\" <ann@sender.test>\r\n"
                              "Date: d\r\nMessage-ID: <x@y>\r\n\r\n");
    g_assert_cmpstr (result.message->envelope.header_from, ==, "ann@sender.test");
    result_clear (&result);
    options.author_name = NULL;
    result = apply ("Date: d\r\nMessage-ID: <x@y>\r\n\r\n", &options, true, false);
    g_assert_nonnull (strstr (result.text, "From: <ann@sender.test>\r\n"));
    result_clear (&result);
    result = apply ("From: b@c\r\nDate: d\r\nMessage-ID: <x@y>\r\n\r\n", &options, true, false);
    g_assert_null (strstr (result.text, "ann@"));
    result_clear (&result);
    options.author = "";
    result = apply ("Date: d\r\n\r\n", &options, true, false);
    g_assert_nonnull (strstr (result.refusal.text, "no From"));
    result_clear (&result);
}

static void
test_inbound (void)
{
    RelaisHygieneOptions options = submission;
    Result result;

    options.submission = false;
    result = apply ("From: a@b, c@d\r\nX-Relais-Campaign: evil\r\nnot a field\r\n\r\n", &options,
                    false, false);
    g_assert_true (result.taken);
    g_assert_cmpstr (result.text, ==, RECEIVED "From: a@b, c@d\r\nnot a field\r\n\r\n");
    g_assert_null (result.message->envelope.header_from);
    g_assert_null (result.message->envelope.campaign);
    result_clear (&result);
}

/* Nothing a client says may start a line of its own or make one too long. */
static void
test_received_is_safe (void)
{
    RelaisHygieneOptions options = submission;
    g_autofree char *long_name = g_strnfill (5000, 'h');
    const char *hostile[] = {"a\r\nBcc: x@y (1)", "\x01\x7f\x80\xff\t", long_name};

    for (guint i = 0; i < G_N_ELEMENTS (hostile); i++) {
        g_auto (GStrv) parts = NULL;
        Result result;

        options.client_name_and_address = options.tls = hostile[i];
        result = apply (GOOD "\r\n", &options, true, false);
        parts = g_strsplit (result.text, "\r\n", -1);
        for (guint j = 0; parts[j] != NULL; j++) {
            g_assert_cmpuint (strlen (parts[j]), <, 998);
            g_assert_false (g_str_has_prefix (parts[j], "Bcc"));
            for (const char *p = parts[j]; *p != '\0'; p++)
                g_assert_true ((*p >= ' ' && *p < 0x7f) || (*p == '\t' && p == parts[j]));
        }
        result_clear (&result);
    }
}

static void
test_received_names_one_only (void)
{
    g_autoptr (RelaisMessage) message = relais_message_new (1);
    RelaisHeaderRefusal refusal = {0};
    gsize size;
    const char *text;

    relais_envelope_add_recipient (&message->envelope, "one@rcpt.test");
    relais_envelope_add_recipient (&message->envelope, "two@rcpt.test");
    g_assert_true (relais_hygiene_apply (message, (const guint8 *)GOOD, sizeof GOOD - 1,
                                         &submission, true, false, &refusal));
    text = g_bytes_get_data (message->prepend, &size);
    g_assert_null (g_strstr_len (text, (gssize)size, "rcpt.test"));
}

static void
test_date (void)
{
    g_autofree char *date = relais_date_to_string (G_GINT64_CONSTANT (951782399000000));

    g_assert_cmpstr (date, ==, "Mon, 28 Feb 2000 23:59:59 +0000");
}

/* Random blocks: nothing is read beyond the end, and what is accepted stays well-formed. */
static void
test_random (void)
{
    static const char *const pieces[] = {"From:",       " a@b",  "\r\n",     "\r",   "\n", ":",
                                         " ",           "\t",    "Bcc: x",   "A: b", "\"", "(",
                                         "Message-ID:", "<i@d>", "\r\n\r\n", "\xff", "\\", ";"};
    g_autoptr (GRand) rand = g_rand_new_with_seed (9);
    guint taken = 0;

    for (int i = 0; i < 50000; i++) {
        g_autoptr (GString) block = g_string_new (NULL);
        int n = g_rand_int_range (rand, 0, 14);
        Result result;

        for (int j = 0; j < n; j++)
            g_string_append (block, pieces[g_rand_int_range (rand, 0, G_N_ELEMENTS (pieces))]);
        result = apply (block->str, &submission, true, false);
        if (result.taken) {
            taken++;
            g_assert_true (
                relais_header_is_well_formed ((const guint8 *)result.text, strlen (result.text)));
            g_assert_nonnull (result.message->envelope.header_from);
        }
        result_clear (&result);
    }
    g_assert_cmpuint (taken, >, 10);
}

/* What a sender asks of modules reaches them, and nobody else. */
static void
test_own_fields (void)
{
    Result result = apply (GOOD "X-Relais-Track: opens,\r\n clicks\r\nx-relais-CONSENT: yes\r\n"
                                "X-Relais-Campaign: c\r\n\r\n",
                           &submission, true, false);
    GBytes *value;

    g_assert_true (result.taken);
    value = relais_message_find_attribute (result.message, "x-relais.track");
    g_assert_cmpmem (g_bytes_get_data (value, NULL), (int)g_bytes_get_size (value), "opens, clicks",
                     13);
    g_assert_nonnull (relais_message_find_attribute (result.message, "x-relais.consent"));
    g_assert_null (relais_message_find_attribute (result.message, "x-relais.campaign"));
    result_clear (&result);
}

static void
test_own_field_limits (void)
{
    static const struct {
        guint fields, name, value;
        bool good;
    } cases[] = {{16, 64, 512, true}, {17, 64, 1, false}, {1, 65, 1, false}, {1, 64, 513, false}};

    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autoptr (GString) block = g_string_new (GOOD);
        g_autofree char *value = g_strnfill (cases[i].value, 'v');
        Result result;

        for (guint k = 0; k < cases[i].fields; k++) {
            g_autofree char *name = g_strnfill (cases[i].name - 2, 'n');

            g_string_append_printf (block, "X-Relais-%s%02u: %s\r\n", name, k, value);
        }
        g_string_append (block, "\r\n");
        result = apply (block->str, &submission, true, false);
        g_assert_cmpint (result.taken, ==, cases[i].good);
        result_clear (&result);
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/message/header/fields", test_fields);
    g_test_add_func ("/message/header/find", test_find);
    g_test_add_func ("/message/mailboxes/lists", test_mailboxes);
    g_test_add_func ("/message/mailboxes/limits", test_mailbox_limits);
    g_test_add_func ("/message/mailboxes/author", test_author);
    g_test_add_func ("/message/hygiene/overlay", test_overlay);
    g_test_add_func ("/message/hygiene/adjacent-cuts", test_adjacent_cuts_are_one);
    g_test_add_func ("/message/hygiene/learns", test_learns);
    g_test_add_func ("/message/hygiene/own-fields", test_own_fields);
    g_test_add_func ("/message/hygiene/own-field-limits", test_own_field_limits);
    g_test_add_func ("/message/hygiene/class", test_class);
    g_test_add_func ("/message/hygiene/refusals", test_refusals);
    g_test_add_func ("/message/hygiene/duplicates", test_duplicates);
    g_test_add_func ("/message/hygiene/limits", test_limits);
    g_test_add_func ("/message/hygiene/missing", test_missing);
    g_test_add_func ("/message/hygiene/inbound", test_inbound);
    g_test_add_func ("/message/hygiene/received-is-safe", test_received_is_safe);
    g_test_add_func ("/message/hygiene/received-names-one", test_received_names_one_only);
    g_test_add_func ("/message/hygiene/given-author", test_given_author);
    g_test_add_func ("/message/hygiene/date", test_date);
    g_test_add_func ("/message/hygiene/random", test_random);
    return g_test_run ();
}
