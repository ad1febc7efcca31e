/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * milter as a module in the harness, against a milter of octets: every packet that it is told, with what
 * was agreed on; what each of its answers comes to at each step; changes of a header as they go out; and
 * milters that say nothing, too much, or what is not of the protocol, under a clock that stands still.
 */
#include <relais/test.h>
#include <relais/timer.h>

#include <stdbool.h>
#include <string.h>

#define ADDRESS "a.test:4000"
#define BASE "[relais]\nhostname = relais.test\n"
#define FILTER BASE "[milter-filter a]\naddress = " ADDRESS "\n"
#define START_US (G_GINT64_CONSTANT (1795000000) * G_USEC_PER_SEC)
#define SECOND ((gint64)G_USEC_PER_SEC)
#define CANNOT "A filter cannot be asked now"

enum {
    NR_ALL = 0xff080, /* it answers nothing but the end, as rspamd has it */
    PACKET_BYTES = 65536,
    PROGRESS_PACKETS = 1000 /* in a row that a milter is listened to */
};

static const char *module_dir;

/* --- A milter ----------------------------------------------------------------------------------- */

typedef struct {
    guint32 version, actions, steps; /* that it answers the negotiation with */
    GByteArray *answers[128];        /* packets by the letter they answer; NULL: it continues */
    char hang_up, silent;            /* at that letter */
    GString *told;                   /* a line for each packet; NUL as |, other octets as \xHH */
    GByteArray *body;
    gsize largest; /* piece of it */
    guint32 channel;
} Fake;

static void
fake_init (Fake *fake)
{
    *fake = (Fake){
        .version = 6, .actions = 0x31, .told = g_string_new (NULL), .body = g_byte_array_new ()};
}

static void
fake_clear (Fake *fake)
{
    for (guint i = 0; i < G_N_ELEMENTS (fake->answers); i++)
        g_clear_pointer (&fake->answers[i], g_byte_array_unref);
    g_string_free (fake->told, TRUE);
    g_byte_array_unref (fake->body);
}

static void
put_number (GByteArray *out, guint32 number)
{
    const guint32 big = GUINT32_TO_BE (number);

    g_byte_array_append (out, (const guint8 *)&big, sizeof big);
}

/* It answers that letter so, packet after packet. */
static void
say (Fake *fake, char letter, const char *bytes, gsize size)
{
    GByteArray **place = &fake->answers[(guint)letter];

    if (*place == NULL)
        *place = g_byte_array_new ();
    put_number (*place, (guint32)size);
    g_byte_array_append (*place, (const guint8 *)bytes, (guint)size);
}

#define SAY(fake, letter, bytes) say (fake, letter, bytes, sizeof (bytes) - 1)

static bool
answers (const Fake *fake, char letter)
{
    static const char letters[] = "LCHMRTUNB"; /* in the order of their flags, from 0x80 on */
    static const guint32 flags[] = {0x80,    0x1000,  0x2000,  0x4000, 0x8000,
                                    0x10000, 0x20000, 0x40000, 0x80000};
    const char *at = strchr (letters, letter);

    return strchr ("DAQ", letter) == NULL && letter != fake->silent &&
           (at == NULL || (fake->steps & flags[at - letters]) == 0);
}

static void
note (Fake *fake, const char *packet, gsize size)
{
    if (packet[0] == 'B') {
        fake->largest = MAX (fake->largest, size - 1);
        g_byte_array_append (fake->body, (const guint8 *)packet + 1, (guint)size - 1);
        size = 1;
    }
    for (gsize i = 0; i < size; i++)
        if (packet[i] == '\0')
            g_string_append_c (fake->told, '|');
        else if (g_ascii_isprint (packet[i]))
            g_string_append_c (fake->told, packet[i]);
        else
            g_string_append_printf (fake->told, "\\x%02x", (guint8)packet[i]);
    g_string_append_c (fake->told, '\n');
}

static void
answer_to (Fake *fake, char letter, GByteArray *out)
{
    if (!answers (fake, letter))
        return;
    if (fake->answers[(guint)letter] != NULL) {
        g_byte_array_append (out, fake->answers[(guint)letter]->data,
                             fake->answers[(guint)letter]->len);
    } else if (letter == 'O') {
        put_number (out, 13);
        g_byte_array_append (out, (const guint8 *)"O", 1);
        put_number (out, fake->version);
        put_number (out, fake->actions);
        put_number (out, fake->steps);
    } else {
        put_number (out, 1);
        g_byte_array_append (out, (const guint8 *)"c", 1);
    }
}

static guint64
serve (guint32 channel, const gchar *bytes, guint64 size, GByteArray *answer, gpointer data)
{
    Fake *fake = data;
    guint32 length;

    fake->channel = channel;
    if (size < sizeof length)
        return 0;
    memcpy (&length, bytes, sizeof length);
    length = GUINT32_FROM_BE (length);
    g_assert_cmpuint (length, >, 0);
    g_assert_cmpuint (length, <=, PACKET_BYTES); /* libmilter hangs up on more */
    if (size < sizeof length + length)
        return 0;
    note (fake, bytes + sizeof length, length);
    if (bytes[sizeof length] == fake->hang_up)
        return RELAIS_TEST_HANG_UP;
    answer_to (fake, bytes[sizeof length], answer);
    return sizeof length + length;
}

/* --- The stage ---------------------------------------------------------------------------------- */

#define MESSAGE                                                                                    \
    "From: Ann <a@b.test>\r\nSubject: one\r\n\ttwo\r\nX-Gone: stays\r\nX-Gone: "                   \
    "goes\r\n\r\nHello.\r\n"

static RelaisTest *
begin (Fake *fake, const char *config)
{
    static const gchar *const names[] = {"milter", NULL};
    RelaisTest *test = relais_test_new (module_dir);
    g_autoptr (GError) error = NULL;

    fake_init (fake);
    relais_test_use_clock (test, START_US);
    relais_test_answer_octets (test, ADDRESS, serve, fake);
    relais_test_load (test, names, config, &error);
    g_assert_no_error (error);
    relais_test_set_client (test, "192.0.2.1", "client.test");
    return test;
}

static void
end (RelaisTest *test, Fake *fake)
{
    relais_test_free (test);
    fake_clear (fake);
}

static void
settle (RelaisTest *test)
{
    relais_test_advance (test, 0);
}

static gint64
now_us (RelaisTest *test)
{
    return relais_module_now_us (relais_test_find_module (test, "milter"));
}

static guint64
failures (RelaisTest *test)
{
    return relais_test_get_count (test, "milter", "failures", "a");
}

/* The hooks of a mail, from `first` to `last` unless one is no CONTINUE: its verdict. */
static RelaisVerdict
run_bytes (RelaisTest *test, RelaisHookId first, RelaisHookId last, const char *bytes, gsize size)
{
    static const RelaisHookId order[] = {RELAIS_HOOK_CONNECT, RELAIS_HOOK_HELO, RELAIS_HOOK_MAIL,
                                         RELAIS_HOOK_RCPT, RELAIS_HOOK_MESSAGE};
    RelaisVerdict verdict = RELAIS_VERDICT_CONTINUE;

    relais_test_set_message (test, (const guint8 *)bytes, size);
    relais_test_set_sender (test, "a@b.test");
    relais_test_add_recipient (test, "x@own.test");
    for (guint i = 0; i < G_N_ELEMENTS (order) && verdict == RELAIS_VERDICT_CONTINUE; i++)
        if (order[i] >= first && order[i] <= last)
            verdict = relais_test_run (test, order[i]);
    g_assert_cmpuint (relais_test_n_tickets (test), ==, 0);
    return verdict;
}

static RelaisVerdict
run (RelaisTest *test, RelaisHookId first, RelaisHookId last)
{
    return run_bytes (test, first, last, MESSAGE, strlen (MESSAGE));
}

static void
assert_reply (RelaisTest *test, guint32 code, const char *enhanced, const char *text)
{
    g_assert_cmpuint (relais_test_get_reply_code (test), ==, code);
    g_assert_cmpstr (relais_test_get_reply_enhanced (test), ==, enhanced);
    g_assert_cmpstr (relais_test_get_reply_text (test), ==, text);
}

/* --- What it is told ---------------------------------------------------------------------------- */

#define OPENING "O|||\\x06|||1|\\x1f\\xf7\\xff\n"
#define NAMED(listener, client, name, ptr, resolve)                                                \
    "DCj|relais.test|{daemon_name}|" listener "|{client_addr}|" client "|{client_name}|" name      \
    "|{client_port}|0|{client_ptr}|" ptr "|{client_resolve}|" resolve "|\n"
#define MACROS(listener, client) NAMED (listener, client, "[" client "]", "[" client "]", "FAIL")
#define ENVELOPE                                                                                   \
    "DM{mail_addr}|a@b.test|\nM<a@b.test>|\nDR{rcpt_addr}|x@own.test|\nR<x@own.test>|\n"
#define HEADER "LFrom|Ann <a@b.test>|\nLSubject|one\\x0a\\x09two|\nLX-Gone|stays|\nLX-Gone|goes|\n"

static void
test_told (void)
{
    Fake fake;
    RelaisTest *test = begin (&fake, FILTER);

    g_assert_cmpuint (run (test, RELAIS_HOOK_CONNECT, RELAIS_HOOK_MESSAGE), ==,
                      RELAIS_VERDICT_CONTINUE);
    g_assert_cmpstr (fake.told->str, ==,
                     OPENING MACROS ("test", "192.0.2.1") "C[192.0.2.1]|4||192.0.2.1|\n"
                                                          "Hclient.test|\n" ENVELOPE
                                                          "DTi|0000000000001|\nT\n" HEADER
                                                          "DNi|0000000000001|\nN\nB\n"
                                                          "DEi|0000000000001|\nE\n");
    g_assert_cmpuint (fake.body->len, ==, strlen ("Hello.\r\n"));
    g_assert_cmpuint (failures (test), ==, 0);
    end (test, &fake);
}

/* A header field that no packet can hold is told as far as one does, which the log says; the mail goes on. */
static void
test_long_field (void)
{
    g_autofree char *words = g_strnfill (70000, 'x');
    g_autofree char *bytes =
        g_strdup_printf ("X-Long: %s\r\nSubject: two\r\n\r\nHello.\r\n", words);
    Fake fake;
    RelaisTest *test = begin (&fake, FILTER);
    const char *told, *end_of_field;

    g_assert_cmpuint (
        run_bytes (test, RELAIS_HOOK_CONNECT, RELAIS_HOOK_MESSAGE, bytes, strlen (bytes)), ==,
        RELAIS_VERDICT_CONTINUE);
    told = strstr (fake.told->str, "\nLX-Long|");
    g_assert_nonnull (told);
    end_of_field = strchr (told + 1, '\n');
    g_assert_cmpuint ((guint)(end_of_field - told) - 2, ==, 65535);
    g_assert_true (g_str_has_prefix (end_of_field, "\nLSubject|two|\n"));
    g_assert_cmpuint (failures (test), ==, 0);
    end (test, &fake);
}

/* A session's mails go over one connection; one that ended early is aborted; a session's end is said. */
static void
test_session (void)
{
    Fake fake;
    RelaisTest *test = begin (&fake, FILTER);

    g_assert_cmpuint (run (test, RELAIS_HOOK_CONNECT, RELAIS_HOOK_MESSAGE), ==, 0);
    g_string_truncate (fake.told, 0);
    g_assert_cmpuint (run (test, RELAIS_HOOK_MAIL, RELAIS_HOOK_RCPT), ==, 0);
    g_assert_cmpstr (fake.told->str, ==, ENVELOPE);
    g_string_truncate (fake.told, 0);
    g_assert_cmpuint (run (test, RELAIS_HOOK_MAIL, RELAIS_HOOK_RCPT), ==, 0);
    g_assert_cmpstr (fake.told->str, ==, "A\n" ENVELOPE);
    g_assert_cmpuint (relais_test_n_channels (test, ADDRESS), ==, 1);
    g_string_truncate (fake.told, 0);
    relais_test_set_client (test, "2001:db8::1", "six.test");
    settle (test);
    g_assert_cmpstr (fake.told->str, ==, "A\nQ\n");
    g_assert_cmpuint (relais_test_n_channels (test, ADDRESS), ==, 0);
    g_string_truncate (fake.told, 0);
    relais_test_set_listener (test, "six");
    g_assert_cmpuint (run (test, RELAIS_HOOK_CONNECT, RELAIS_HOOK_HELO), ==, 0);
    g_assert_cmpstr (fake.told->str, ==,
                     OPENING MACROS ("six", "2001:db8::1") "C[2001:db8::1]|6||2001:db8::1|\n"
                                                           "Hsix.test|\n");
    g_assert_cmpuint (fake.channel, ==, 2);
    end (test, &fake);
}

/* --- The client's name -------------------------------------------------------------------------- */

#define FOUR "192.0.2.1"
#define FOUR_ARPA "1.2.0.192.in-addr.arpa"
#define SIX "2001:db8::1"
#define SIX_ARPA "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"

typedef struct {
    const char *client, *ptr, *forward; /* records; NULL: none, "?": not known now */
    const char *told;
} Named;

static void
add_record (RelaisTest *test, const char *name, const char *type, const char *text)
{
    if (text != NULL && strcmp (text, "?") == 0)
        relais_test_fail_lookup (test, name, "timeout");
    else if (text != NULL)
        g_assert_true (relais_test_add_record (test, name, type, text));
}

/* As Sendmail has it: the name that the DNS gives, whether it leads back, and only then as the client's
 * own. */
static void
test_names (void)
{
    static const Named rows[] = {
        {FOUR, "mx.test", FOUR,
         NAMED ("test", FOUR, "mx.test", "mx.test", "OK") "Cmx.test|4||" FOUR "|\n"},
        {SIX, "mx.test", SIX,
         NAMED ("test", SIX, "mx.test", "mx.test", "OK") "Cmx.test|6||" SIX "|\n"},
        {FOUR, "mx.test", "192.0.2.2",
         NAMED ("test", FOUR, "[" FOUR "]", "mx.test", "FORGED") "C[" FOUR "]|4||" FOUR "|\n"},
        {FOUR, "mx.test", NULL,
         NAMED ("test", FOUR, "[" FOUR "]", "mx.test", "FORGED") "C[" FOUR "]|4||" FOUR "|\n"},
        {FOUR, "mx.test", "?",
         NAMED ("test", FOUR, "[" FOUR "]", "mx.test", "TEMP") "C[" FOUR "]|4||" FOUR "|\n"},
        {FOUR, "?", NULL,
         NAMED ("test", FOUR, "[" FOUR "]", "[" FOUR "]", "TEMP") "C[" FOUR "]|4||" FOUR "|\n"},
        {FOUR, "a\\032b.test", NULL,
         NAMED ("test", FOUR, "[" FOUR "]", "[" FOUR "]", "FAIL") "C[" FOUR "]|4||" FOUR "|\n"},
        {FOUR, "192.0.2.9", NULL,
         NAMED ("test", FOUR, "[" FOUR "]", "[" FOUR "]", "FAIL") "C[" FOUR "]|4||" FOUR "|\n"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
        const Named *row = &rows[i];
        const bool six = strcmp (row->client, SIX) == 0;
        g_autofree char *told = g_strconcat (OPENING, row->told, NULL);
        Fake fake;
        RelaisTest *test = begin (&fake, FILTER);

        add_record (test, six ? SIX_ARPA : FOUR_ARPA, "PTR", row->ptr);
        add_record (test, "mx.test", six ? "AAAA" : "A", row->forward);
        relais_test_set_client (test, row->client, "client.test");
        g_assert_cmpuint (run (test, RELAIS_HOOK_CONNECT, RELAIS_HOOK_CONNECT), ==,
                          RELAIS_VERDICT_CONTINUE);
        g_assert_cmpstr (fake.told->str, ==, told);
        end (test, &fake);
    }
}

/* Nobody is asked, and nothing is told of it. */
static void
test_no_names (void)
{
    Fake fake;
    RelaisTest *test = begin (&fake, FILTER "[milter]\nreverse_names = no\n");
    const guint32 before = relais_test_n_lookups (test);

    g_assert_true (relais_test_add_record (test, FOUR_ARPA, "PTR", "mx.test"));
    g_assert_cmpuint (run (test, RELAIS_HOOK_CONNECT, RELAIS_HOOK_MESSAGE), ==,
                      RELAIS_VERDICT_CONTINUE);
    g_assert_nonnull (strstr (fake.told->str, "|{client_name}|[" FOUR "]|{client_port}|0|\n"));
    g_assert_null (strstr (fake.told->str, "{client_ptr}"));
    g_assert_cmpuint (relais_test_n_lookups (test), ==, before);
    end (test, &fake);
}

/* One that answers the end alone is shown all of a body all the same, however large. */
static void
test_unanswered (void)
{
    const gsize size = 3 * 1024 * 1024 + 1;
    g_autofree char *body = g_strnfill (size, 'a');
    g_autofree char *message = g_strconcat ("From: a@b.test\r\n\r\n", body, NULL);
    Fake fake;
    RelaisTest *test = begin (&fake, FILTER);

    fake.steps = NR_ALL;
    g_assert_cmpuint (
        run_bytes (test, RELAIS_HOOK_CONNECT, RELAIS_HOOK_MESSAGE, message, strlen (message)), ==,
        RELAIS_VERDICT_CONTINUE);
    g_assert_cmpuint (fake.body->len, ==, size);
    g_assert_cmpuint (fake.largest, ==, PACKET_BYTES - 1);
    g_assert_true (g_str_has_suffix (fake.told->str, "\nE\n"));
    SAY (&fake, 'E', "r");
    g_assert_cmpuint (run (test, RELAIS_HOOK_MAIL, RELAIS_HOOK_MESSAGE), ==, RELAIS_VERDICT_REJECT);
    end (test, &fake);
}

/* What it does without it is not told; and a blank in front of a value it gets if it wants it. */
static void
test_without (void)
{
    Fake fake;
    RelaisTest *test = begin (&fake, FILTER);

    fake.steps = 0x1 | 0x2 | 0x8 | 0x40 | 0x200 | 0x100000;
    g_assert_cmpuint (run (test, RELAIS_HOOK_CONNECT, RELAIS_HOOK_MESSAGE), ==, 0);
    g_assert_cmpstr (fake.told->str, ==,
                     OPENING "DM{mail_addr}|a@b.test|\nM<a@b.test>|\n"
                             "LFrom| Ann <a@b.test>|\nLSubject| one\\x0a\\x09two|\n"
                             "LX-Gone| stays|\nLX-Gone| goes|\nB\nDEi|0000000000001|\nE\n");
    end (test, &fake);
}

/* One of an older protocol cannot decline commands that came later: it is not sent them. */
static void
test_old (void)
{
    for (guint32 version = 2; version <= 6; version++) {
        Fake fake;
        RelaisTest *test = begin (&fake, FILTER);

        fake.version = version;
        fake.hang_up = version < 4 ? 'T' : '\0'; /* as libmilter does with what it does not know */
        g_assert_cmpuint (run (test, RELAIS_HOOK_CONNECT, RELAIS_HOOK_MESSAGE), ==,
                          RELAIS_VERDICT_CONTINUE);
        g_assert_true ((strstr (fake.told->str, "\nT\n") != NULL) == (version >= 4));
        g_assert_true (g_str_has_suffix (fake.told->str, "\nE\n"));
        end (test, &fake);
    }
}

/* --- What its answers come to ------------------------------------------------------------------- */

typedef struct {
    RelaisHookId hook; /* that they are given in, to `letter` */
    char letter;
    const char *packet;
    gsize size;
    RelaisVerdict verdict;
    guint32 code;
    const char *enhanced, *text;
} Case;

#define PACKET(bytes) bytes, sizeof (bytes) - 1
#define FAILS RELAIS_VERDICT_TEMPFAIL, 451, "4.3.0", CANNOT
#define REFUSES RELAIS_VERDICT_REJECT, 550, "5.7.1", "Refused by a filter"
#define LATER RELAIS_VERDICT_TEMPFAIL, 451, "4.7.1", "A filter says: try again later"

static const Case cases[] = {
    {RELAIS_HOOK_CONNECT, 'C', PACKET ("r"), REFUSES},
    {RELAIS_HOOK_CONNECT, 'C', PACKET ("a"), RELAIS_VERDICT_CONTINUE, 0, "", NULL},
    {RELAIS_HOOK_HELO, 'H', PACKET ("4"), LATER},
    {RELAIS_HOOK_HELO, 'H', PACKET ("f"), LATER},
    {RELAIS_HOOK_MAIL, 'M', PACKET ("r"), REFUSES},
    {RELAIS_HOOK_MAIL, 'M', PACKET ("t"), LATER},
    {RELAIS_HOOK_RCPT, 'R', PACKET ("y550 5.1.1 gone\0"), RELAIS_VERDICT_REJECT, 550, "5.1.1",
     "gone"},
    {RELAIS_HOOK_RCPT, 'R', PACKET ("y450 4.2.1 busy\0"), RELAIS_VERDICT_TEMPFAIL, 450, "4.2.1",
     "busy"},
    {RELAIS_HOOK_MESSAGE, 'T', PACKET ("r"), REFUSES},
    {RELAIS_HOOK_MESSAGE, 'L', PACKET ("t"), LATER},
    {RELAIS_HOOK_MESSAGE, 'N', PACKET ("r"), REFUSES},
    {RELAIS_HOOK_MESSAGE, 'B', PACKET ("d"), RELAIS_VERDICT_DISCARD, 0, "", NULL},
    {RELAIS_HOOK_MESSAGE, 'B', PACKET ("s"), RELAIS_VERDICT_CONTINUE, 0, "", NULL},
    {RELAIS_HOOK_MESSAGE, 'E', PACKET ("a"), RELAIS_VERDICT_CONTINUE, 0, "", NULL},
    {RELAIS_HOOK_MESSAGE, 'E', PACKET ("d"), RELAIS_VERDICT_DISCARD, 0, "", NULL},
    {RELAIS_HOOK_MESSAGE, 'E', PACKET ("y554 5.7.1 100%% spam\0"), RELAIS_VERDICT_REJECT, 554,
     "5.7.1", "100% spam"},
    /* What is not of the protocol, or not of this step. */
    {RELAIS_HOOK_CONNECT, 'C', PACKET ("d"), FAILS},
    {RELAIS_HOOK_CONNECT, 'O', PACKET ("c"), FAILS},
    {RELAIS_HOOK_CONNECT, 'O', PACKET ("O\0\0\0\6\0\0\0\61\0\0\10\0"), FAILS},
    {RELAIS_HOOK_CONNECT, 'O', PACKET ("O\0\0\0\1\0\0\0\61\0\0\0\0"), FAILS},
    {RELAIS_HOOK_MAIL, 'M', PACKET ("Z"), FAILS},
    {RELAIS_HOOK_MAIL, 'M', PACKET (""), FAILS},
    {RELAIS_HOOK_MAIL, 'M', PACKET ("s"), FAILS},
    {RELAIS_HOOK_MAIL, 'M', PACKET ("hX-A\0value\0"), FAILS},
    {RELAIS_HOOK_MAIL, 'M', PACKET ("y55"), FAILS},
    {RELAIS_HOOK_MESSAGE, 'N', PACKET ("qheld\0"), FAILS},
    {RELAIS_HOOK_MESSAGE, 'E', PACKET ("hX A\0value\0"), FAILS},
};

static void
assert_case (const Case *one)
{
    Fake fake;
    RelaisTest *test = begin (&fake, FILTER);
    const bool fails = g_strcmp0 (one->text, CANNOT) == 0;

    say (&fake, one->letter, one->packet, one->size);
    g_assert_cmpuint (run (test, RELAIS_HOOK_CONNECT, one->hook), ==, one->verdict);
    assert_reply (test, one->code, one->enhanced, one->text);
    g_assert_cmpuint (failures (test), ==, fails ? 1 : 0);
    settle (test);
    g_assert_cmpuint (relais_test_n_channels (test, ADDRESS), ==, fails ? 0 : 1);
    end (test, &fake);
}

static void
test_answers (void)
{
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
        assert_case (&cases[i]);
}

/* Of a mail that it accepts it hears no more; of a session likewise. */
static void
test_accepts (void)
{
    Fake fake;
    RelaisTest *test = begin (&fake, FILTER);

    SAY (&fake, 'M', "a");
    g_assert_cmpuint (run (test, RELAIS_HOOK_CONNECT, RELAIS_HOOK_MESSAGE), ==, 0);
    g_assert_true (g_str_has_suffix (fake.told->str, "M<a@b.test>|\n"));
    g_assert_cmpuint (run (test, RELAIS_HOOK_MAIL, RELAIS_HOOK_MAIL), ==, 0);
    g_assert_true (g_str_has_suffix (fake.told->str, "M<a@b.test>|\n"));
    relais_test_set_client (test, "192.0.2.2", "client.test");
    settle (test);
    SAY (&fake, 'H', "a");
    g_string_truncate (fake.told, 0);
    g_assert_cmpuint (run (test, RELAIS_HOOK_CONNECT, RELAIS_HOOK_MESSAGE), ==, 0);
    g_assert_true (g_str_has_suffix (fake.told->str, "Hclient.test|\n"));
    end (test, &fake);
}

static void
assert_ends (GBytes *bytes, const char *text)
{
    gsize size;
    const char *data = g_bytes_get_data (bytes, &size);
    g_autofree char *copy = g_strndup (data, size);

    g_assert_cmpstr (copy, ==, text);
}

/* Changes of the header are made when the message goes out; those of the rest are not. */
static void
test_edits (void)
{
    Fake fake;
    RelaisTest *test = begin (&fake, FILTER);
    g_autoptr (GBytes) rewritten = NULL, sealed = NULL;

    SAY (&fake, 'E', "hX-Added\0one\0");
    SAY (&fake, 'E', "i\0\0\0\0X-Top\0first\n\tsecond\0");
    SAY (&fake, 'E', "m\0\0\0\1subject\0new\0");
    SAY (&fake, 'E', "m\0\0\0\2X-Gone\0\0");
    SAY (&fake, 'E', "m\0\0\0\3X-Gone\0\0");
    SAY (&fake, 'E', "bother body");
    SAY (&fake, 'E', "+<b@c.test>\0");
    SAY (&fake, 'E', "qodd\0");
    SAY (&fake, 'E', "c");
    g_assert_cmpuint (run (test, RELAIS_HOOK_CONNECT, RELAIS_HOOK_MESSAGE), ==,
                      RELAIS_VERDICT_QUARANTINE);
    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_REWRITE), ==, RELAIS_VERDICT_CONTINUE);
    rewritten = relais_test_get_rewritten (test);
    assert_ends (rewritten, "From: Ann <a@b.test>\r\nsubject: new\r\nX-Gone: stays\r\n"
                            "X-Added: one\r\n\r\nHello.\r\n");
    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_SEAL), ==, RELAIS_VERDICT_CONTINUE);
    sealed = relais_test_get_sealed (test);
    assert_ends (sealed, "X-Top: first\r\n\tsecond\r\n");
    end (test, &fake);
}

/* --- Milters that cannot be asked --------------------------------------------------------------- */

static void
assert_slow (char letter, RelaisHookId hook, gint64 after_us)
{
    Fake fake;
    RelaisTest *test = begin (&fake, FILTER);
    const gint64 begin_us = now_us (test);

    fake.silent = letter;
    g_assert_cmpuint (run (test, RELAIS_HOOK_CONNECT, hook), ==, RELAIS_VERDICT_TEMPFAIL);
    assert_reply (test, 451, "4.3.0", CANNOT);
    g_assert_cmpint (now_us (test) - begin_us, ==, after_us);
    settle (test);
    g_assert_cmpuint (relais_test_n_channels (test, ADDRESS), ==, 0);
    end (test, &fake);
}

static void
test_slow (void)
{
    assert_slow ('O', RELAIS_HOOK_CONNECT, 10 * SECOND);
    assert_slow ('C', RELAIS_HOOK_CONNECT, 30 * SECOND);
    assert_slow ('R', RELAIS_HOOK_RCPT, 30 * SECOND);
    assert_slow ('L', RELAIS_HOOK_MESSAGE, 30 * SECOND);
    assert_slow ('B', RELAIS_HOOK_MESSAGE, 30 * SECOND);
    assert_slow ('E', RELAIS_HOOK_MESSAGE, 120 * SECOND);
}

static void
test_hangs_up (void)
{
    for (const char *letter = "OCHMRTLNBE"; *letter != '\0'; letter++) {
        Fake fake;
        RelaisTest *test = begin (&fake, FILTER);

        fake.hang_up = *letter;
        g_assert_cmpuint (run (test, RELAIS_HOOK_CONNECT, RELAIS_HOOK_MESSAGE), ==,
                          RELAIS_VERDICT_TEMPFAIL);
        assert_reply (test, 451, "4.3.0", CANNOT);
        g_assert_cmpuint (failures (test), ==, 1);
        /* The next mail has another connection. */
        fake.hang_up = '\0';
        g_assert_cmpuint (run (test, RELAIS_HOOK_MAIL, RELAIS_HOOK_MESSAGE), ==, 0);
        g_assert_cmpuint (fake.channel, ==, 2);
        end (test, &fake);
    }
}

/* That it is at work a milter may say so often in a row, and no more often. */
static void
assert_progress (guint n, RelaisVerdict verdict)
{
    Fake fake;
    RelaisTest *test = begin (&fake, FILTER);

    for (guint i = 0; i < n; i++)
        SAY (&fake, 'E', "p");
    SAY (&fake, 'E', "c");
    g_assert_cmpuint (run (test, RELAIS_HOOK_CONNECT, RELAIS_HOOK_MESSAGE), ==, verdict);
    end (test, &fake);
}

static void
test_progress (void)
{
    assert_progress (PROGRESS_PACKETS - 1, RELAIS_VERDICT_CONTINUE);
    assert_progress (PROGRESS_PACKETS, RELAIS_VERDICT_TEMPFAIL);
}

/* The largest packet that is taken, and one more octet. */
static void
assert_packet (gsize size, RelaisVerdict verdict)
{
    g_autofree char *text = g_strnfill (size, 'a');
    Fake fake;
    RelaisTest *test = begin (&fake, FILTER);

    text[0] = 'b';
    say (&fake, 'E', text, size);
    SAY (&fake, 'E', "c");
    g_assert_cmpuint (run (test, RELAIS_HOOK_CONNECT, RELAIS_HOOK_MESSAGE), ==, verdict);
    end (test, &fake);
}

static void
test_packet (void)
{
    assert_packet (PACKET_BYTES, RELAIS_VERDICT_CONTINUE);
    assert_packet (PACKET_BYTES + 1, RELAIS_VERDICT_TEMPFAIL);
}

static void
assert_policy (const char *policy, RelaisVerdict verdict, guint32 code)
{
    g_autofree char *config = g_strconcat (FILTER, "on_failure = ", policy, "\n", NULL);
    Fake fake;
    RelaisTest *test = begin (&fake, config);

    relais_test_fail_channel (test, ADDRESS, RELAIS_CHANNEL_CONNECT);
    g_assert_cmpuint (run (test, RELAIS_HOOK_CONNECT, RELAIS_HOOK_MESSAGE), ==, verdict);
    g_assert_cmpuint (relais_test_get_reply_code (test), ==, code);
    g_assert_cmpstr (fake.told->str, ==, "");
    end (test, &fake);
}

static void
test_policy (void)
{
    assert_policy ("tempfail", RELAIS_VERDICT_TEMPFAIL, 451);
    assert_policy ("reject", RELAIS_VERDICT_REJECT, 554);
    assert_policy ("accept", RELAIS_VERDICT_CONTINUE, 0);
}

/* --- Configuration ------------------------------------------------------------------------------ */

/* A session that began is asked about to its end, whatever the configuration says by then. */
static void
test_reload (void)
{
    Fake fake;
    RelaisTest *test = begin (&fake, FILTER);

    g_assert_cmpuint (run (test, RELAIS_HOOK_CONNECT, RELAIS_HOOK_HELO), ==, 0);
    g_assert_true (relais_test_reload (test, BASE, NULL));
    g_string_truncate (fake.told, 0);
    g_assert_cmpuint (run (test, RELAIS_HOOK_MAIL, RELAIS_HOOK_RCPT), ==, 0);
    g_assert_cmpstr (fake.told->str, ==, ENVELOPE);
    relais_test_set_client (test, "192.0.2.2", "client.test");
    settle (test);
    g_assert_cmpuint (run (test, RELAIS_HOOK_CONNECT, RELAIS_HOOK_MESSAGE), ==, 0);
    g_assert_cmpuint (relais_test_n_channels (test, ADDRESS), ==, 0);
    end (test, &fake);
}

static void
test_whose (void)
{
    Fake fake;
    RelaisTest *test = begin (&fake, FILTER "listeners = other\n");

    g_assert_cmpuint (run (test, RELAIS_HOOK_CONNECT, RELAIS_HOOK_MESSAGE), ==, 0);
    g_assert_cmpuint (fake.channel, ==, 0);
    relais_test_set_client (test, "192.0.2.2", "client.test");
    relais_test_set_listener (test, "other");
    g_assert_cmpuint (run (test, RELAIS_HOOK_CONNECT, RELAIS_HOOK_CONNECT), ==, 0);
    g_assert_cmpuint (fake.channel, ==, 1);
    g_assert_true (relais_test_reload (test, FILTER "tenants = shop\n", NULL));
    relais_test_set_client (test, "192.0.2.3", "client.test");
    g_assert_cmpuint (run (test, RELAIS_HOOK_CONNECT, RELAIS_HOOK_MESSAGE), ==, 0);
    g_assert_cmpuint (fake.channel, ==, 1);
    relais_test_set_tenant (test, "shop");
    g_assert_cmpuint (run (test, RELAIS_HOOK_MAIL, RELAIS_HOOK_MESSAGE), ==, 0);
    g_assert_cmpuint (fake.channel, ==, 2);
    end (test, &fake);
}

/* Sixteen sections, and one more. */
static void
test_most (void)
{
    g_autoptr (GString) config = g_string_new (FILTER);
    g_autoptr (GError) error = NULL;
    Fake fake;
    RelaisTest *test;

    for (guint i = 0; i < 15; i++)
        g_string_append_printf (config, "[milter-filter b%u]\naddress = " ADDRESS "\n", i);
    test = begin (&fake, config->str);
    g_assert_cmpuint (run (test, RELAIS_HOOK_CONNECT, RELAIS_HOOK_CONNECT), ==, 0);
    g_assert_cmpuint (fake.channel, ==, 16);
    g_string_append (config, "[milter-filter c]\naddress = " ADDRESS "\n");
    g_assert_false (relais_test_reload (test, config->str, &error));
    g_assert_nonnull (strstr (error->message, "17 sections"));
    end (test, &fake);
}

int
main (int argc, char **argv)
{
    const char *build = g_getenv ("RELAIS_BUILDDIR");
    g_autofree char *dir =
        g_build_filename (build != NULL ? build : ".", "modules", "milter", ".libs", NULL);

    g_test_init (&argc, &argv, NULL);
    g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
    module_dir = dir;
    g_test_add_func ("/milter/told", test_told);
    g_test_add_func ("/milter/long-field", test_long_field);
    g_test_add_func ("/milter/names", test_names);
    g_test_add_func ("/milter/no-names", test_no_names);
    g_test_add_func ("/milter/session", test_session);
    g_test_add_func ("/milter/unanswered", test_unanswered);
    g_test_add_func ("/milter/without", test_without);
    g_test_add_func ("/milter/old", test_old);
    g_test_add_func ("/milter/answers", test_answers);
    g_test_add_func ("/milter/accepts", test_accepts);
    g_test_add_func ("/milter/edits", test_edits);
    g_test_add_func ("/milter/slow", test_slow);
    g_test_add_func ("/milter/hangs-up", test_hangs_up);
    g_test_add_func ("/milter/progress", test_progress);
    g_test_add_func ("/milter/packet", test_packet);
    g_test_add_func ("/milter/policy", test_policy);
    g_test_add_func ("/milter/reload", test_reload);
    g_test_add_func ("/milter/whose", test_whose);
    g_test_add_func ("/milter/most", test_most);
    return g_test_run ();
}
