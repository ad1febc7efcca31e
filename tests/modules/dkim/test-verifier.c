/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The verifier from inside (modules/dkim/verify.c), with the published example of RFC 8463: on several threads at once,
 * with bodies that come in pieces of any size, with reads that fail, and when nobody wants to know any more.
 */
#include "verify.h"

#include <string.h>

#define SIGNED " d=football.example.com; i=@football.example.com;\r\n q=dns/txt; s="
#define FIELDS                                                                                     \
    " subject : date : message-id : from : subject : date;\r\n"                                    \
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"

static const char message[] = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n" SIGNED
                              "brisbane; t=1528637909; h=from : to :\r\n" FIELDS
                              " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"
                              " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
                              "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n" SIGNED
                              "test; t=1528637909; h=from : to : subject :\r\n"
                              " date : message-id : from : subject : date;\r\n"
                              " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
                              " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n"
                              " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n"
                              " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n"
                              "From: Joe SixPack <joe@football.example.com>\r\n"
                              "To: Suzie Q <suzie@shopping.example.net>\r\n"
                              "Subject: Is dinner ready?\r\n"
                              "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
                              "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\r\n"
                              "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";
static const char *const records[] = {
    "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "v=DKIM1; k=rsa; "
    "p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/"
    "J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/"
    "8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2Ee"
    "C3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"};

/* A message that is read `step` octets at most at a time, and fails from `fails_at` on. */
typedef struct {
    guint64 step, fails_at;
    gint *stop_at; /* set once the body is read from */
} Reader;

static gint64
read_message (gpointer data, guint64 offset, gpointer buffer, guint64 size, GError **error)
{
    const Reader *reader = data;
    guint64 all = sizeof message - 1;

    if (offset >= reader->fails_at) {
        g_set_error_literal (error, DKIM_ERROR, DKIM_ERROR_SIGN, "no disk");
        return -1;
    }
    if (offset >= all)
        return 0;
    if (reader->stop_at != NULL && offset > all - 50)
        g_atomic_int_set (reader->stop_at, 1);
    size = MIN (MIN (size, reader->step), all - offset);
    memcpy (buffer, message + offset, size);
    return (gint64)size;
}

static DkimAnswer *
answer (const char *record)
{
    DkimAnswer *found = dkim_answer_new (g_strdup ("name"));

    found->answered = true;
    if (record != NULL)
        g_ptr_array_add (found->records, g_bytes_new_static (record, strlen (record)));
    return found;
}

/* The two results, with their reasons: "pass pass". Owned. */
static char *
verify (DkimVerifier *verifier, const Reader *reader, gint *stopped)
{
    const DkimSource source = {read_message, (gpointer)reader, stopped};
    const Reader whole = {G_MAXUINT64, G_MAXUINT64, NULL};
    const DkimSource first = {read_message, (gpointer)&whole, stopped};
    g_autoptr (GByteArray) header = dkim_read_header (&first, NULL);
    GString *text = g_string_new (NULL);
    DkimAnswer *answers[2];
    DkimScan scan;

    dkim_scan (&scan, header->data, header->len, 1700000000);
    g_assert_cmpuint (scan.verdicts->len, ==, 2);
    for (guint i = 0; i < 2; i++)
        ((DkimVerdict *)g_ptr_array_index (scan.verdicts, i))->answer = answers[i] =
            answer (records[i]);
    dkim_verifier_run (verifier, &source, &scan);
    for (guint i = 0; i < 2; i++) {
        const DkimVerdict *verdict = g_ptr_array_index (scan.verdicts, i);

        g_string_append_printf (text, "%s%s%s%s", i > 0 ? " " : "", verdict->result,
                                verdict->reason != NULL ? ": " : "",
                                verdict->reason != NULL ? verdict->reason : "");
        dkim_answer_free (answers[i]);
    }
    dkim_scan_clear (&scan);
    return g_string_free (text, FALSE);
}

static void
test_pieces (void)
{
    DkimVerifier *verifier = dkim_verifier_new ();

    for (guint64 step = 1; step < sizeof message; step += step < 80 ? 1 : 97) {
        const Reader reader = {step, G_MAXUINT64, NULL};
        gint stopped = 0;
        g_autofree char *text = verify (verifier, &reader, &stopped);

        g_assert_cmpstr (text, ==, "pass pass");
    }
    dkim_verifier_free (verifier);
}

static void
test_unreadable (void)
{
    DkimVerifier *verifier = dkim_verifier_new ();
    static const guint64 places[] = {0, 100, sizeof message - 60, sizeof message - 1};

    for (guint i = 0; i < G_N_ELEMENTS (places); i++) {
        const Reader reader = {64, places[i], NULL};
        gint stopped = 0;
        g_autofree char *text = verify (verifier, &reader, &stopped);

        g_assert_cmpstr (text, ==,
                         "temperror: the message could not be read "
                         "temperror: the message could not be read");
    }
    dkim_verifier_free (verifier);
}

static void
test_stopped (void)
{
    DkimVerifier *verifier = dkim_verifier_new ();

    for (gint early = 0; early < 2; early++) {
        gint stopped = early;
        const Reader reader = {16, G_MAXUINT64, &stopped};
        g_autofree char *text = verify (verifier, &reader, &stopped);

        g_assert_cmpstr (text, ==, "temperror: it took too long temperror: it took too long");
    }
    dkim_verifier_free (verifier);
}

static gpointer
verify_often (gpointer data)
{
    for (guint i = 0; i < 50; i++) {
        const Reader reader = {1 + i * 7, G_MAXUINT64, NULL};
        gint stopped = 0;
        g_autofree char *text = verify (data, &reader, &stopped);

        g_assert_cmpstr (text, ==, "pass pass");
    }
    return NULL;
}

static void
test_threads (void)
{
    DkimVerifier *verifier = dkim_verifier_new ();
    GThread *threads[4];

    for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
        threads[i] = g_thread_new ("verify", verify_often, verifier);
    for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
        g_thread_join (threads[i]);
    dkim_verifier_free (verifier);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/dkim/verifier/pieces", test_pieces);
    g_test_add_func ("/dkim/verifier/unreadable", test_unreadable);
    g_test_add_func ("/dkim/verifier/stopped", test_stopped);
    g_test_add_func ("/dkim/verifier/threads", test_threads);
    return g_test_run ();
}
