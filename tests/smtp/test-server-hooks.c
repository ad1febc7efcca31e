/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp, the receiving side: hooks. The module host is replaced by one of this file, which
 * records what it is asked and answers as a case says, at once or later.
 */
#include "config.h"

#include "server-bed.h"

#include "smtp/session-private.h"

#include <glib/gstdio.h>
#include <string.h>

/* --- The host ----------------------------------------------------------------------------------- */

typedef struct {
    bool has;
    bool suspend; /* until the test completes it */
    bool claim;   /* RCPT: as relais_recipient_claim () does */
    RelaisHookResult result;
} Answer;

struct RelaisHostTest {
    Answer answers[RELAIS_N_HOOKS];
    GString *asked; /* names and what the subject showed */
    RelaisHookRun *waiting;
    guint cancelled;
};

static struct RelaisHostTest *host_test;

struct RelaisHookRun {
    RelaisHookId hook;
    RelaisSubject *subject;
    RelaisHookDone done;
    gpointer data;
};

RelaisHost *
relais_host_new (const RelaisHostOptions *options)
{
    return (RelaisHost *)host_test;
}

void
relais_host_free (RelaisHost *host)
{
}

bool
relais_host_init (RelaisHost *host, RelaisConfig *config, GError **error)
{
    return true;
}

RelaisPin *
relais_host_pin (RelaisHost *host)
{
    return NULL;
}

void
relais_pin_unref (RelaisPin *pin)
{
}

bool
relais_host_has (const RelaisHost *host, RelaisHookId hook)
{
    return host_test->answers[hook].has;
}

void
relais_hook_result_clear (RelaisHookResult *result)
{
    g_free (result->text);
    *result = (RelaisHookResult){0};
}

static void
note (RelaisHookId hook, const RelaisSubject *subject)
{
    static const char *const names[] = {"connect", "helo", "auth", "mail", "rcpt", "message"};

    g_string_append_printf (host_test->asked, "%s(%s%s%s%s%s) ", names[hook],
                            subject->helo != NULL ? subject->helo : "-",
                            subject->envelope != NULL ? " from=" : "",
                            subject->envelope != NULL ? subject->envelope->sender : "",
                            subject->recipient != NULL ? " to=" : "",
                            subject->recipient != NULL ? subject->recipient->address : "");
    g_assert_cmpstr (subject->client, ==, "127.0.0.1");
    g_assert_cmpstr (subject->listener, ==, "main");
    g_assert_true ((hook == RELAIS_HOOK_MESSAGE) == (subject->draft != NULL));
    g_assert_true ((hook >= RELAIS_HOOK_MAIL) == (subject->transaction_slots != NULL));
}

static RelaisHookResult
answer_now (RelaisHookId hook, RelaisSubject *subject)
{
    const Answer *answer = &host_test->answers[hook];
    RelaisHookResult result = answer->result;

    result.text = g_strdup (answer->result.text);
    if (answer->claim)
        subject->recipient->claimed = true;
    return result;
}

RelaisHookRun *
relais_host_run (RelaisHost *host, RelaisHookId hook, RelaisSubject *subject,
                 RelaisHookResult *result, RelaisHookDone done, gpointer data)
{
    note (hook, subject);
    if (!host_test->answers[hook].suspend) {
        *result = answer_now (hook, subject);
        return NULL;
    }
    g_assert_null (host_test->waiting);
    host_test->waiting = g_new (RelaisHookRun, 1);
    *host_test->waiting = (RelaisHookRun){hook, subject, done, data};
    return host_test->waiting;
}

void
relais_host_cancel (RelaisHookRun *run)
{
    g_assert_true (run == host_test->waiting);
    host_test->cancelled++;
    g_clear_pointer (&host_test->waiting, g_free);
}

static void
complete (void)
{
    g_autofree RelaisHookRun *run = g_steal_pointer (&host_test->waiting);
    RelaisHookResult result;

    g_assert_nonnull (run);
    result = answer_now (run->hook, run->subject);
    run->done (run->data, &result);
    relais_hook_result_clear (&result);
}

/* --- Fixture ------------------------------------------------------------------------------------ */

static Bed *
begin (const char *conf)
{
    host_test = g_new0 (struct RelaisHostTest, 1);
    host_test->asked = g_string_new (NULL);
    return bed_new (conf);
}

static void
end (Bed *bed)
{
    bed_free (bed);
    g_assert_null (host_test->waiting);
    g_string_free (host_test->asked, TRUE);
    g_clear_pointer (&host_test, g_free);
}

static void
answer (RelaisHookId hook, RelaisVerdict verdict, guint16 code, const char *enhanced, char *text)
{
    Answer *one = &host_test->answers[hook];

    *one = (Answer){.has = true, .result = {.verdict = verdict, .code = code, .text = text}};
    g_strlcpy (one->result.enhanced, enhanced, sizeof one->result.enhanced);
}

/* --- Cases -------------------------------------------------------------------------------------- */

/* Each hook is asked once for each command that passed its check, and sees what is known by then. */
static void
test_order (void)
{
    Bed *bed = begin (BED_TRUSTED);

    for (guint i = RELAIS_HOOK_CONNECT; i <= RELAIS_HOOK_MESSAGE; i++)
        answer (i, RELAIS_VERDICT_CONTINUE, 0, "", NULL);
    bed_run (bed,
             "< 220 *\n> EHLO a b\n< 501 *\n> EHLO c\n< 250-*\n> MAIL FROM:<a@one.test>\n< 250 *\n"
             "> RCPT TO:<b@far.test>\n< 250 *\n> RCPT TO:<@x:y@z>\n< 501 *\n"
             "> RCPT TO:<d@in.test>\n< 250 *\n> DATA\n< 354 *\n" BED_MESSAGE "< 250 2.0.0 *\n");
    g_assert_cmpstr (host_test->asked->str, ==,
                     "connect(-) helo(c) mail(c from=a@one.test) rcpt(c from=a@one.test "
                     "to=b@far.test) rcpt(c from=a@one.test to=d@in.test) message(c "
                     "from=a@one.test) ");
    end (bed);
}

/* A module that accepts everything opens nothing. A claim opens own domains alone. */
static void
test_accept_relays_nothing (void)
{
    Bed *bed = begin (BED_STRANGER);

    for (guint i = RELAIS_HOOK_CONNECT; i <= RELAIS_HOOK_MESSAGE; i++)
        answer (i, RELAIS_VERDICT_ACCEPT, 250, "2.0.0", NULL);
    bed_run (bed, "< 220 *\n> EHLO c\n< 250-*\n> MAIL FROM:<a@one.test>\n< 250 *\n"
                  "> RCPT TO:<v@far.test>\n< 550 5.7.1 *\n> RCPT TO:<v@one.test>\n< 550 5.1.1 *\n"
                  "> RCPT TO:<v%far.test@bare.test>\n< 550 5.7.1 *\n> DATA\n< 554 *\n");
    host_test->answers[RELAIS_HOOK_RCPT].claim = true;
    bed_run (bed, "< 220 *\n> EHLO c\n< 250-*\n> MAIL FROM:<x@y.test>\n< 250 *\n"
                  "> RCPT TO:<v@far.test>\n< 550 5.7.1 *\n> RCPT TO:<token@bare.test>\n< 250 *\n"
                  "> DATA\n< 354 *\n" BED_MESSAGE "< 250 2.0.0 *\n");
    g_assert_true (relais_envelope_recipient (&bed_message (bed, 0)->envelope, 0)->claimed);
    g_assert_null (bed_message (bed, 0)->envelope.tenant);
    end (bed);

    /* Nor does a claim of a foreign address free a sender from the tenant's rules. */
    bed = begin (BED_TRUSTED);
    answer (RELAIS_HOOK_RCPT, RELAIS_VERDICT_ACCEPT, 0, "", NULL);
    host_test->answers[RELAIS_HOOK_RCPT].claim = true;
    bed_run (bed, "< 220 *\n> EHLO c\n< 250-*\n> MAIL FROM:<a@two.test>\n< 250 *\n"
                  "> RCPT TO:<v@far.test>\n< 550 5.7.1 *\n> RCPT TO:<token@bare.test>\n< 250 *\n");
    end (bed);
}

static void
test_verdicts (void)
{
    static const struct {
        RelaisVerdict verdict;
        guint16 code;
        const char *enhanced;
        const char *text;
        const char *reply;
    } cases[] = {
        {RELAIS_VERDICT_REJECT, 0, "", NULL, "550 5.7.1 refused"},
        {RELAIS_VERDICT_REJECT, 554, "5.7.26", "no", "554 5.7.26 no"},
        {RELAIS_VERDICT_REJECT, 450, "4.7.1", "odd", "550 5.7.1 odd"},
        {RELAIS_VERDICT_REJECT, 550, "", "two\r\nlines\xff", "550 5.7.1 two??lines?"},
        {RELAIS_VERDICT_TEMPFAIL, 0, "", NULL, "451 4.7.1 come again later"},
        {RELAIS_VERDICT_TEMPFAIL, 450, "4.2.0", "grey", "450 4.2.0 grey"},
        {RELAIS_VERDICT_DISCARD, 0, "", NULL, "451 4.7.1 *"},
        {RELAIS_VERDICT_WAIT, 0, "", NULL, "451 4.7.1 *"},
        {4711, 0, "", NULL, "451 4.7.1 *"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        Bed *bed = begin (BED_TRUSTED);
        g_autofree char *script =
            g_strdup_printf ("< 220 *\n> EHLO c\n< 250-*\n> MAIL FROM:<>\n< 250 *\n"
                             "> RCPT TO:<b@far.test>\n< %s\n> DATA\n< 554 *\n",
                             cases[i].reply);

        answer (RELAIS_HOOK_RCPT, cases[i].verdict, cases[i].code, cases[i].enhanced,
                (char *)cases[i].text);
        bed_run (bed, script);
        end (bed);
    }
}

/* Who is told to come again and does so at once ends; a message begins the count anew, and whom we send
 * for may have any number of recipients put off. */
static void
test_temporary_errors (void)
{
    Bed *bed = begin (BED_STRANGER "[limits]\ntemporary_errors = 3\n");
    Peer *peer = peer_new (bed, 0);

#define RCPT(reply) "> RCPT TO:<b@in.test>\n< " reply "\n"
    peer_run (peer, "< 220 *\n> EHLO c\n< 250-*\n> MAIL FROM:<>\n< 250 *\n" RCPT ("250 *"));
    answer (RELAIS_HOOK_RCPT, RELAIS_VERDICT_TEMPFAIL, 450, "", NULL);
    peer_run (peer, RCPT ("450 *") RCPT ("450 *") "> DATA\n< 354 *\n" BED_MESSAGE "< 250 *\n");
    peer_run (peer, "> MAIL FROM:<>\n< 250 *\n" RCPT ("450 *") RCPT ("450 *")
                        RCPT ("450 *") "< 421 4.7.0 too many errors\n<CLOSED\n");
    peer_free (peer);
    end (bed);
    bed = begin (BED_TRUSTED "[limits]\ntemporary_errors = 1\n");
    answer (RELAIS_HOOK_RCPT, RELAIS_VERDICT_TEMPFAIL, 450, "", NULL);
    bed_run (bed, "< 220 *\n> EHLO c\n< 250-*\n> MAIL FROM:<>\n< 250 *\n" RCPT ("450 *")
                      RCPT ("450 *") "> RSET\n< 250 *\n");
#undef RCPT
    end (bed);
}

static void
test_connect_verdicts (void)
{
    Bed *bed = begin (BED_TRUSTED);

    answer (RELAIS_HOOK_CONNECT, RELAIS_VERDICT_REJECT, 0, "", NULL);
    bed_run (bed, "< 554 5.7.1 refused\n<CLOSED\n");
    answer (RELAIS_HOOK_CONNECT, RELAIS_VERDICT_TEMPFAIL, 0, "", NULL);
    bed_run (bed, "< 421 4.7.1 *\n<CLOSED\n");
    end (bed);
}

/* A refused message leaves no transaction; a discarded one looks accepted; a held one is kept. */
static void
test_message_verdicts (void)
{
    Bed *bed = begin (BED_TRUSTED);
    const RelaisMessage *held;

    answer (RELAIS_HOOK_MESSAGE, RELAIS_VERDICT_REJECT, 0, "", NULL);
    bed_run (bed, BED_BEGIN BED_MESSAGE "< 550 5.7.1 *\n> RCPT TO:<b@far.test>\n< 503 *\n");
    answer (RELAIS_HOOK_MESSAGE, RELAIS_VERDICT_DISCARD, 0, "", NULL);
    bed_run (bed, BED_BEGIN BED_MESSAGE "< 250 2.0.0 queued as *\n> DATA\n< 503 *\n");
    g_assert_cmpuint (bed->accepted->len, ==, 0);
    answer (RELAIS_HOOK_MESSAGE, RELAIS_VERDICT_QUARANTINE, 0, "", NULL);
    host_test->answers[RELAIS_HOOK_MESSAGE].result.module = "tester";
    bed_run (bed, BED_BEGIN BED_MESSAGE "< 250 2.0.0 *\n");
    held = bed_message (bed, 0);
    g_assert_cmpuint (held->states[0].kind, ==, RELAIS_STATE_HELD);
    g_assert_cmpstr (held->states[0].reply, ==, "quarantined by tester");
    end (bed);
}

/* What comes while a hook is under way waits its turn, and no more of it than the limit. */
static void
test_suspended (RelaisHookId hook, const char *before, const char *command, const char *reply,
                const char *after)
{
    Bed *bed = begin (BED_TRUSTED);
    Peer *peer;

    answer (hook, RELAIS_VERDICT_CONTINUE, 0, "", NULL);
    host_test->answers[hook].suspend = true;
    peer = peer_new (bed, 0);
    peer_run (peer, before);
    peer_run (peer, command);
    peer_run (peer, "> NOOP\n");
    bed_settle (bed);
    g_assert_nonnull (host_test->waiting);
    /* An hour is no matter: it is not the client who is slow. */
    bed->skew_us += 3600 * RELAIS_USEC_PER_SEC;
    bed_settle (bed);
    complete ();
    peer_run (peer, reply);
    peer_run (peer, after);
    peer_free (peer);
    bed_settle (bed);
    end (bed);
}

static void
test_suspends (void)
{
    test_suspended (RELAIS_HOOK_CONNECT, "", "", "< 220 *\n", "< 250 2.0.0 ok\n");
    test_suspended (RELAIS_HOOK_HELO, "< 220 *\n", "> EHLO c\n", "< 250-*\n", "< 250 2.0.0 ok\n");
    test_suspended (RELAIS_HOOK_MAIL, "< 220 *\n> EHLO c\n< 250-*\n", "> MAIL FROM:<a@one.test>\n",
                    "< 250 2.1.0 *\n", "< 250 2.0.0 ok\n> RCPT TO:<b@far.test>\n< 250 *\n");
    test_suspended (RELAIS_HOOK_RCPT,
                    "< 220 *\n> EHLO c\n< 250-*\n> MAIL FROM:<a@one.test>\n< 250 *\n",
                    "> RCPT TO:<b@far.test>\n", "< 250 2.1.5 *\n", "< 250 2.0.0 ok\n");
    test_suspended (RELAIS_HOOK_MESSAGE, BED_BEGIN, BED_MESSAGE, "< 250 2.0.0 queued*\n",
                    "< 250 2.0.0 ok\n");
}

/* The client goes while a hook is under way: it is cancelled, and nothing is kept. */
static void
test_cancelled (void)
{
    Bed *bed = begin (BED_TRUSTED);
    Peer *peer = peer_new (bed, 0);

    answer (RELAIS_HOOK_MESSAGE, RELAIS_VERDICT_CONTINUE, 0, "", NULL);
    host_test->answers[RELAIS_HOOK_MESSAGE].suspend = true;
    peer_run (peer, BED_BEGIN BED_MESSAGE);
    bed_settle (bed);
    g_assert_nonnull (host_test->waiting);
    peer_free (peer);
    bed_settle (bed);
    g_assert_null (host_test->waiting);
    g_assert_cmpuint (host_test->cancelled, ==, 1);
    g_assert_cmpuint (bed->accepted->len, ==, 0);

    /* So does the server's end. */
    peer = peer_new (bed, 0);
    peer_run (peer, BED_BEGIN BED_MESSAGE);
    bed_settle (bed);
    g_clear_pointer (&bed->server, relais_smtp_server_free);
    g_assert_cmpuint (host_test->cancelled, ==, 2);
    peer_free (peer);
    end (bed);
}

/* The body's file fails while a hook is asked. The hook sees no more of it, and the client is told to come again. */
static void
test_file_fails_meanwhile (void)
{
    Bed *bed = begin (BED_TRUSTED);
    g_autofree char *bodies = g_build_filename (bed->dir, "spool", "bodies", NULL);
    g_autofree char *part = g_strnfill (10 * 1024, 'x');
    g_autofree char *end_of_data = NULL;
    Peer *peer = peer_new (bed, 0);
    const RelaisSession *session;
    RelaisBody *read;
    const GLogLevelFlags fatal = g_log_set_always_fatal (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);

    answer (RELAIS_HOOK_MESSAGE, RELAIS_VERDICT_CONTINUE, 0, "", NULL);
    host_test->answers[RELAIS_HOOK_MESSAGE].suspend = true;
    for (gsize i = 80; i < 10 * 1024; i += 80)
        memcpy (part + i, "\r\n", 2);
    end_of_data = g_strconcat (part, "\r\n.\r\n", NULL);
    peer_run (peer, BED_BEGIN ">> From: a@one.test\\r\\n\\r\\n\n");
    for (int i = 0; i < 25; i++)
        peer_send (peer, part, strlen (part));
    session = g_ptr_array_index (bed->server->sessions, 0);
    for (int i = 0; i < 1000 && session->tx->received_bytes < 250 * 1024; i++)
        bed_settle (bed);
    g_assert_cmpuint (session->tx->received_bytes, <, 256 * 1024);
    /* The file begins with the octets that end the message. */
    g_assert_cmpint (g_rmdir (bodies), ==, 0);
    peer_send (peer, end_of_data, strlen (end_of_data));
    for (int i = 0; i < 1000 && host_test->waiting == NULL; i++)
        bed_settle (bed);
    g_assert_nonnull (host_test->waiting);
    bed_settle (bed);
    read = relais_draft_body (host_test->waiting->subject->draft);
    g_assert_false (relais_body_in_memory (read));
    relais_body_unref (read);
    complete ();
    peer_run (peer, "< 451 4.3.0 *\n> MAIL FROM:<a@one.test>\n< 250 *\n");
    g_assert_cmpuint (bed->accepted->len, ==, 0);
    peer_free (peer);
    end (bed);
    g_log_set_always_fatal (fatal);
}

/* A client that says QUIT behind its message and closes its side, as Exim does, waits for both answers; one that is not
 * there any more has had its message taken, and leaves nothing else. */
static void
test_half_close (void)
{
    for (int i = 0; i < 2; i++) {
        Bed *bed = begin (BED_TRUSTED);
        Peer *peer = peer_new (bed, 0);

        answer (RELAIS_HOOK_MESSAGE, RELAIS_VERDICT_CONTINUE, 0, "", NULL);
        host_test->answers[RELAIS_HOOK_MESSAGE].suspend = true;
        peer_run (peer, BED_BEGIN BED_MESSAGE "> QUIT\n");
        peer_shut (peer);
        if (i == 1)
            peer_free (peer);
        bed_settle (bed);
        g_assert_nonnull (host_test->waiting);
        complete ();
        if (i == 0) {
            peer_run (peer, "< 250 2.0.0 queued*\n< 221 2.0.0 *\n<CLOSED\n");
            peer_free (peer);
        }
        bed_settle (bed);
        g_assert_cmpuint (bed->accepted->len, ==, 1);
        g_assert_cmpuint (bed->server->sessions->len, ==, 0);
        end (bed);
    }
}

static void
test_pipelined_is_bounded (void)
{
    Bed *bed = begin (BED_TRUSTED "[limits]\npipelined = 4096\nidle_commands = 100000\n");
    const RelaisSession *session;
    Peer *peer;
    g_autoptr (GString) noops = g_string_new (NULL);
    guint sent = 0;

    for (int i = 0; i < 1000; i++)
        g_string_append (noops, "NOOP\r\n");
    answer (RELAIS_HOOK_CONNECT, RELAIS_VERDICT_CONTINUE, 0, "", NULL);
    host_test->answers[RELAIS_HOOK_CONNECT].suspend = true;
    peer = peer_new (bed, 0);
    bed_settle (bed);
    for (; sent < 20000; sent += 1000)
        peer_send (peer, noops->str, noops->len);
    bed_settle (bed);
    session = g_ptr_array_index (bed->server->sessions, 0);
    g_assert_true (session->paused);
    g_assert_cmpuint (relais_stream_bytes_in (session->stream), <, sent * 6);
    complete ();
    peer_run (peer, "< 220 *\n");
    for (guint i = 0; i < sent; i++)
        peer_run (peer, "< 250 2.0.0 ok\n");
    peer_free (peer);
    end (bed);
}

/* The deadlines that a wait of ours stopped begin anew when it is over. */
static void
test_deadline_after_wait (void)
{
    Bed *bed = begin (BED_TRUSTED);
    Peer *peer;

    answer (RELAIS_HOOK_CONNECT, RELAIS_VERDICT_CONTINUE, 0, "", NULL);
    host_test->answers[RELAIS_HOOK_CONNECT].suspend = true;
    peer = peer_new (bed, 0);
    bed_settle (bed);
    complete ();
    peer_run (peer, "< 220 *\n");
    bed->skew_us += 61 * RELAIS_USEC_PER_SEC;
    bed_settle (bed);
    peer_run (peer, "< 421 4.4.2 *\n<CLOSED\n");
    peer_free (peer);
    end (bed);
}

/* So does that of a message's data, where what was refused comes between two chunks. And what is asked of HELO's
 * hook there is the host alone: no message that is not whole yet. */
static void
test_refused_between_chunks (void)
{
    Bed *bed = begin (BED_TRUSTED);
    Peer *peer = peer_new (bed, 0);

    peer_run (peer, "< 220 *\n> EHLO c\n< 250-*\n> MAIL FROM:<a@one.test>\n< 250 *\n"
                    "> RCPT TO:<b@far.test>\n< 250 *\n> BDAT 6\n>> From: \n< 250 2.0.0 *\n");
    answer (RELAIS_HOOK_HELO, RELAIS_VERDICT_REJECT, 0, "", NULL);
    host_test->answers[RELAIS_HOOK_HELO].suspend = true;
    peer_run (peer, "> EHLO d\n");
    bed_settle (bed);
    complete ();
    peer_run (peer, "< 550 5.7.1 *\n");
    bed->skew_us += 3600 * RELAIS_USEC_PER_SEC;
    bed_settle (bed);
    peer_run (peer, "< 421 4.4.2 *\n<CLOSED\n");
    peer_free (peer);
    end (bed);
}

/* A client that sends and never reads is not listened to, and goes when its time is up. */
static void
test_never_reads (void)
{
    Bed *bed = begin (BED_TRUSTED "[limits]\nidle_commands = 1000000\n");
    Peer *peer;
    g_autoptr (GString) lines = g_string_new (NULL);
    const RelaisSession *session;

    for (int i = 0; i < 1000; i++)
        g_string_append (lines, "EHLO c\r\n");
    answer (RELAIS_HOOK_CONNECT, RELAIS_VERDICT_CONTINUE, 0, "", NULL);
    host_test->answers[RELAIS_HOOK_CONNECT].suspend = true;
    peer = peer_new (bed, 0);
    bed_settle (bed);
    complete ();
    session = g_ptr_array_index (bed->server->sessions, 0);
    /* The system's own buffers fill first. */
    for (int i = 0;
         i < 1000 && relais_stream_unwritten (session->stream) < RELAIS_STREAM_HIGH_BYTES; i++) {
        peer_send (peer, lines->str, lines->len);
        bed_settle (bed);
    }
    g_assert_cmpuint (relais_stream_unwritten (session->stream), <, 2 * RELAIS_STREAM_HIGH_BYTES);
    g_assert_cmpuint (relais_stream_unwritten (session->stream), >=, RELAIS_STREAM_HIGH_BYTES);
    g_assert_true (relais_timer_is_set (&session->deadline));
    bed->skew_us += 301 * RELAIS_USEC_PER_SEC;
    bed_settle (bed);
    g_assert_cmpuint (bed->server->sessions->len, ==, 0);
    peer_free (peer);
    end (bed);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/smtp/hooks/order", test_order);
    g_test_add_func ("/smtp/hooks/accept-relays-nothing", test_accept_relays_nothing);
    g_test_add_func ("/smtp/hooks/verdicts", test_verdicts);
    g_test_add_func ("/smtp/hooks/temporary-errors", test_temporary_errors);
    g_test_add_func ("/smtp/hooks/connect-verdicts", test_connect_verdicts);
    g_test_add_func ("/smtp/hooks/message-verdicts", test_message_verdicts);
    g_test_add_func ("/smtp/hooks/suspends", test_suspends);
    g_test_add_func ("/smtp/hooks/cancelled", test_cancelled);
    g_test_add_func ("/smtp/hooks/file-fails-meanwhile", test_file_fails_meanwhile);
    g_test_add_func ("/smtp/hooks/half-close", test_half_close);
    g_test_add_func ("/smtp/hooks/pipelined-is-bounded", test_pipelined_is_bounded);
    g_test_add_func ("/smtp/hooks/deadline-after-wait", test_deadline_after_wait);
    g_test_add_func ("/smtp/hooks/refused-between-chunks", test_refused_between_chunks);
    g_test_add_func ("/smtp/hooks/never-reads", test_never_reads);
    return g_test_run ();
}
