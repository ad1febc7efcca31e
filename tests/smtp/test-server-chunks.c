/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp/session-chunks: BDAT as scripts over loopback. What a chunk announces is never taken for
 * commands, whatever becomes of it; what is accepted is what was sent, at whatever octets chunks and
 * segments are cut.
 */
#include "config.h"

#include "server-bed.h"

#include <malloc.h>
#include <string.h>

#define HEAD "< 220 *\n> EHLO c\n< 250-*250-CHUNKING*\n"
#define ENVELOPE "> MAIL FROM:<a@one.test>\n< 250 *\n> RCPT TO:<b@far.test>\n< 250 *\n"
#define MESSAGE "From: a@one.test\\r\\n\\r\\n" /* 20 octets */

/* The body of the n-th accepted message. */
static char *
body_of (Bed *bed, guint n)
{
    g_autofree char *text = bed_text (bed, n);
    const char *empty = strstr (text, "\r\n\r\n");

    g_assert_nonnull (empty);
    return g_strdup (empty + 4);
}

static void
check_bodies (Bed *bed, const char *const *bodies)
{
    g_assert_cmpuint (bed->accepted->len, ==, g_strv_length ((char **)bodies));
    for (guint i = 0; bodies[i] != NULL; i++) {
        g_autofree char *body = body_of (bed, i);

        g_assert_cmpstr (body, ==, bodies[i]);
    }
    g_ptr_array_set_size (bed->accepted, 0);
}

static void
test_accepts (void)
{
    static const char *const bodies[] = {"", ".\r\n..x\r\n", "no end\r\n", "cut\r\nhere\r\n", NULL};
    Bed *bed = bed_new (BED_TRUSTED);

    bed_run (bed,
             HEAD ENVELOPE ">> BDAT 20 LAST\\r\\n" MESSAGE "\n< 250 2.0.0 queued as *\n" /**/
             ENVELOPE ">> BDAT 20\\r\\n" MESSAGE "\n< 250 2.0.0 chunk taken\n"
                           ">> bdat 8 last\\r\\n.\\r\\n..x\\r\\n\n< 250 2.0.0 queued as *\n" /**/
             ENVELOPE ">> BDAT 26\\r\\n" MESSAGE "no end\n< 250 2.0.0 chunk taken\n"
                           "> BDAT 0 LAST\n< 250 2.0.0 queued as *\n" /**/
             ENVELOPE ">> BDAT 24\\r\\n" MESSAGE "cut\\r\n< 250 2.0.0 chunk taken\n"
                           "> BDAT 0\n< 250 2.0.0 chunk taken\n> NOOP\n< 250 *\n"
                           ">> BDAT 7   LAST\\r\\n\\nhere\\r\\n\n< 250 2.0.0 queued as *\n"
                           "> QUIT\n< 221 *\n<CLOSED\n");
    check_bodies (bed, bodies);
    bed_free (bed);
}

/* Two messages and a refused one in one segment; and the same octet by octet. */
static void
test_pipelining (void)
{
    static const char all[] = "EHLO c\r\nMAIL FROM:<a@one.test>\r\nRCPT TO:<b@far.test>\r\n"
                              "BDAT 20\r\nFrom: a@one.test\r\n\r\nBDAT 3\r\n1\r\nBDAT 0 LAST\r\n"
                              "BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\n"
                              "MAIL FROM:<>\r\nRCPT TO:<d@in.test>\r\n"
                              "BDAT 23 LAST\r\nFrom: x@y.test\r\n\r\n.\r\n\r\nQUIT\r\n";
    static const char answers[] = "< 220 *\n< 250-*\n< 250 *\n< 250 *\n< 250 2.0.0 chunk*\n"
                                  "< 250 2.0.0 chunk*\n< 250 2.0.0 queued*\n< 503 *\n< 503 *\n"
                                  "< 250 *\n< 250 *\n< 250 2.0.0 queued*\n< 221 *\n<CLOSED\n";
    static const char *const bodies[] = {"1\r\n", ".\r\n\r\n", "1\r\n", ".\r\n\r\n", NULL};
    Bed *bed = bed_new (BED_TRUSTED);

    for (int split = 0; split < 2; split++) {
        Peer *peer = peer_new (bed, 0);

        for (gsize at = 0; split == 1 && at < sizeof all - 1; at++) {
            peer_send (peer, all + at, 1);
            relais_loop_turn (bed->loop, false);
        }
        if (split == 0)
            peer_send (peer, all, sizeof all - 1);
        peer_run (peer, answers);
        peer_free (peer);
    }
    check_bodies (bed, bodies);
    bed_free (bed);
}

/* RFC 3030 section 2: no chunk without a recipient, none mixed with DATA; a refused chunk is read. */
static void
test_order (void)
{
    static const char *const bodies[] = {"x\r\n", NULL};
    Bed *bed = bed_new (BED_TRUSTED);

    bed_run (bed, "< 220 *\n>> BDAT 6\\r\\nQUIT\\r\\n\n< 503 5.5.1 *\n> EHLO c\n< 250-*\n"
                  ">> BDAT 6 LAST\\r\\nQUIT\\r\\n\n< 503 5.5.1 *\n"
                  "> MAIL FROM:<a@one.test>\n< 250 *\n"
                  ">> BDAT 6\\r\\nQUIT\\r\\n\n< 554 5.5.1 no valid recipients\n"
                  "> RCPT TO:<b@far.test>\n< 503 *\n" /**/
             ENVELOPE ">> BDAT 6\\r\\nQUIT\\r\\n\n< 250 *\n> DATA\n< 503 5.5.1 *\n"
                  "> MAIL FROM:<a@one.test>\n< 503 *\n> RCPT TO:<c@far.test>\n< 503 *\n"
                  "> AUTH PLAIN\n< 503 *\n> STARTTLS\n< 503 *\n> VRFY a\n< 252 *\n"
                  "> RSET\n< 250 *\n> BDAT 0 LAST\n< 503 *\n" /**/
             ENVELOPE ">> BDAT 6\\r\\nQUIT\\r\\n\n< 250 *\n> EHLO d\n< 250-*\n"
                  "> BDAT 0 LAST\n< 503 *\n" /**/
             ENVELOPE ">> BDAT 23 LAST\\r\\n" MESSAGE "x\\r\\n\n< 250 2.0.0 queued*\n");
    check_bodies (bed, bodies);
    bed_free (bed);
}

/* After what announces no size nobody knows where commands begin. */
static void
test_sizes (void)
{
    static const char *const bad[] = {
        "",     "-1", "x",    "1 2",   "5 LASTS",     "18446744073709551616",
        "0x10", "+5", "LAST", "1LAST", "5 LAST LAST", "999999999999999999999999"};
    static const char *const huge[] = {"2147483647", "2147483649", "4294967296",
                                       "9223372036854775808", "18446744073709551615 LAST"};
    Bed *bed = bed_new (BED_TRUSTED);

    for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
        g_autofree char *script =
            g_strdup_printf (HEAD ENVELOPE "> BDAT %s\n< 501 5.5.4 *\n<CLOSED\n", bad[i]);

        bed_run (bed, script);
    }
    for (guint i = 0; i < G_N_ELEMENTS (huge); i++) {
        g_autofree char *script =
            g_strdup_printf (HEAD ENVELOPE "> BDAT %s\n< 552 5.3.4 *\n<CLOSED\n", huge[i]);
        g_autofree char *early =
            g_strdup_printf ("< 220 *\n> BDAT %s\n< 552 *\n<CLOSED\n", huge[i]);

        bed_run (bed, script);
        bed_run (bed, early);
    }
    g_assert_cmpuint (bed->accepted->len, ==, 0);
    bed_free (bed);
}

static void
send_filler (Peer *peer, gsize size)
{
    g_autofree char *filler = g_malloc (size);

    for (gsize i = 0; i < size; i++)
        filler[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'a';
    peer_send (peer, filler, size);
}

/* message_size holds for all chunks together: 64 KiB are taken, an octet more is refused. */
static void
test_limit_message_size (void)
{
    Bed *bed = bed_new (BED_TRUSTED "[limits]\nmessage_size = 64K\n");
    Peer *peer = peer_new (bed, 0);

    peer_run (peer, HEAD ENVELOPE ">> BDAT 20\\r\\n" MESSAGE "\n< 250 *\n> BDAT 65516 LAST\n");
    send_filler (peer, 65514);
    peer_run (peer, ">> \\r\\n\n< 250 2.0.0 queued *\n" /**/
              ENVELOPE ">> BDAT 20\\r\\n" MESSAGE "\n< 250 *\n> BDAT 65517\n");
    send_filler (peer, 65517);
    peer_run (peer, "< 552 5.3.4 *\n>> BDAT 6 LAST\\r\\nQUIT\\r\\n\n< 503 *\n> NOOP\n< 250 *\n" /**/
              ENVELOPE "> BDAT 65537 LAST\n");
    send_filler (peer, 65537);
    peer_run (peer, "< 552 5.3.4 *\n> NOOP\n< 250 *\n" /**/
              ENVELOPE ">> BDAT 20\\r\\n" MESSAGE "\n< 250 *\n> BDAT 131053\n< 552 *\n<CLOSED\n");
    peer_free (peer);
    g_assert_cmpuint (bed->accepted->len, ==, 1);
    bed_free (bed);
}

/* --- Line ends ---------------------------------------------------------------------------------- */

static const struct {
    const char *bytes;
    guint size;
} ends[] = {{"\r", 1}, {"\n", 1}, {"\r\n", 2}, {"\0", 1}, {"\r\r", 2}, {"", 0}};

/* The dot of DATA in a chunk, cut into two at every octet: no message but the one, and none with a CR
 * or LF alone. */
static void
test_smuggling (void)
{
    static const char tail[] = "MAIL FROM:<smuggled@one.test>\r\n";
    Bed *bed = bed_new (BED_TRUSTED);
    guint taken = 0;

    for (guint i = 0; i < 36; i++) {
        const guint before = i / 6, after = i % 6;
        const bool bare = before < 2 || before == 4 || after < 2 || after == 4;
        g_autoptr (GString) data = g_string_new ("From: a@one.test\r\n\r\nbody");
        const gsize point = data->len;

        g_string_append_len (data, ends[before].bytes, ends[before].size);
        g_string_append_c (data, '.');
        g_string_append_len (data, ends[after].bytes, ends[after].size);
        g_string_append (data, tail);
        for (gsize cut = point; cut <= point + 4; cut++) {
            Peer *peer = peer_new (bed, 0);
            g_autofree char *first = g_strdup_printf ("BDAT %" G_GSIZE_FORMAT "\r\n", cut);
            g_autofree char *second =
                g_strdup_printf ("BDAT %" G_GSIZE_FORMAT " LAST\r\n", data->len - cut);
            g_autoptr (GString) wire = g_string_new (first);

            peer_run (peer, HEAD ENVELOPE);
            g_string_append_len (wire, data->str, (gssize)cut);
            g_string_append (wire, second);
            g_string_append_len (wire, data->str + cut, (gssize)(data->len - cut));
            g_string_append (wire, "QUIT\r\n");
            peer_send (peer, wire->str, wire->len);
            for (char *reply = peer_reply (peer); reply != NULL; reply = peer_reply (peer)) {
                const bool last = g_str_has_prefix (reply, "221");

                g_assert_true (!g_str_has_prefix (reply, "5") ||
                               g_str_has_prefix (reply, bare ? "550 5.5.2" : "550 5.6.0"));
                g_free (reply);
                if (last)
                    break;
            }
            peer_free (peer);
            g_assert_cmpuint (bed->accepted->len, ==, !bare && before != 3 && after != 3);
            taken += bed->accepted->len;
            g_ptr_array_set_size (bed->accepted, 0);
        }
    }
    g_assert_cmpuint (taken, ==, 4 * 5);
    bed_free (bed);
}

static void
test_bare_newlines (void)
{
    static const char *const bodies[] = {"a\r\nb\r\nc\r\n", NULL};
    Bed *bed = bed_new (BED_DOMAINS "[listener main]\nport = 0\ntrusted_nets = 127.0.0.0/8\n"
                                    "tenant = one\nauth = no\nbare_newline = normalize\n");

    bed_run (bed, HEAD ENVELOPE ">> BDAT 24\\r\\n" MESSAGE "a\\nb\\r\n< 250 *\n"
                                ">> BDAT 2 LAST\\r\\nc\\r\n< 250 2.0.0 queued*\n");
    check_bodies (bed, bodies);
    bed_free (bed);
    bed_run_alone (BED_TRUSTED,
                   HEAD ENVELOPE ">> BDAT 22 LAST\\r\\n" MESSAGE "a\\r\n< 550 5.5.2 *\n<CLOSED\n");
}

/* --- Time and memory ---------------------------------------------------------------------------- */

/* As in DATA, octets buy time; announcing more chunks does not. */
static void
test_deadlines (void)
{
    Bed *bed = bed_new (BED_TRUSTED "[limits]\ndata_timeout = 1m\ncommand_timeout = 10m\n");
    Peer *peer = peer_new (bed, 0);

    peer_run (peer, HEAD ENVELOPE ">> BDAT 20\\r\\n" MESSAGE "\n< 250 *\n");
    bed->skew_us += 30 * RELAIS_USEC_PER_SEC;
    peer_run (peer, ">> BDAT 1\\r\\na\n< 250 *\n> NOOP\n< 250 *\n");
    bed->skew_us += 31 * RELAIS_USEC_PER_SEC;
    peer_run (peer, "< 421 4.4.2 *\n<CLOSED\n");
    peer_free (peer);
    peer = peer_new (bed, 0);
    peer_run (peer, "< 220 *\n>> BDAT 100\\r\\nabc\n");
    bed_settle (bed);
    bed->skew_us += 61 * RELAIS_USEC_PER_SEC;
    peer_run (peer, "< 421 4.4.2 *\n<CLOSED\n");
    peer_free (peer);
    bed_free (bed);
}

/* A chunk for every octet costs no memory but that of the message. */
static void
test_tiny_chunks (void)
{
    enum { CHUNKS = 200000, ROUND = 1000 };
    Bed *bed = bed_new (BED_TRUSTED "[limits]\nheader_size = 16M\n");
    Peer *peer = peer_new (bed, 0);
    g_autoptr (GString) round = g_string_new (NULL);
    gsize before = 0;

    for (int i = 0; i < ROUND; i++)
        g_string_append_printf (round, "BDAT 1\r\n%c",
                                i % 50 == 48   ? '\r'
                                : i % 50 == 49 ? '\n'
                                               : 'a');
    peer_run (peer, HEAD ENVELOPE ">> BDAT 20\\r\\n" MESSAGE "\n< 250 *\n");
    for (int i = 0; i < CHUNKS / ROUND; i++) {
        peer_send (peer, round->str, round->len);
        for (int k = 0; k < ROUND; k++) {
            g_autofree char *reply = peer_reply (peer);

            g_assert_cmpstr (reply, ==, "250 2.0.0 chunk taken");
        }
        if (i == 0)
            before = mallinfo2 ().uordblks;
    }
    /* The draft's block, of at most 256 KiB, and what the test itself holds. */
    g_assert_cmpuint (mallinfo2 ().uordblks, <, before + (1 << 20));
    peer_run (peer, "> BDAT 0 LAST\n< 250 2.0.0 queued *\n");
    g_assert_cmpuint (relais_body_facts (bed_message (bed, 0)->body)->size_bytes, ==, CHUNKS + 20);
    peer_free (peer);
    bed_free (bed);
}

/* A client that leaves within a chunk, or between two, leaves nothing behind. */
static void
test_half_close (void)
{
    Bed *bed = bed_new (BED_TRUSTED);
    RelaisSmtpServerFigures figures;

    for (int i = 0; i < 2; i++) {
        Peer *peer = peer_new (bed, 0);

        peer_run (peer, HEAD ENVELOPE ">> BDAT 20\\r\\n" MESSAGE "\n< 250 *\n");
        if (i == 1)
            peer_run (peer, ">> BDAT 10 LAST\\r\\nabc\n");
        peer_shut (peer);
        peer_run (peer, "<CLOSED\n");
        peer_free (peer);
    }
    bed_settle (bed);
    relais_smtp_server_figures (bed->server, &figures);
    g_assert_cmpuint (figures.sessions, ==, 0);
    g_assert_cmpuint (figures.in_transaction, ==, 0);
    g_assert_cmpuint (bed->accepted->len, ==, 0);
    bed_free (bed);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/smtp/server/chunks/accepts", test_accepts);
    g_test_add_func ("/smtp/server/chunks/pipelining", test_pipelining);
    g_test_add_func ("/smtp/server/chunks/order", test_order);
    g_test_add_func ("/smtp/server/chunks/sizes", test_sizes);
    g_test_add_func ("/smtp/server/chunks/limits/message-size", test_limit_message_size);
    g_test_add_func ("/smtp/server/chunks/smuggling", test_smuggling);
    g_test_add_func ("/smtp/server/chunks/bare-newlines", test_bare_newlines);
    g_test_add_func ("/smtp/server/chunks/deadlines", test_deadlines);
    g_test_add_func ("/smtp/server/chunks/tiny-chunks", test_tiny_chunks);
    g_test_add_func ("/smtp/server/chunks/half-close", test_half_close);
    return g_test_run ();
}
