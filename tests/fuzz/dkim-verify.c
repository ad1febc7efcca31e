/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whole messages through the verifier (modules/dkim/verify.c) and libopendkim behind it, with the keys that RFC 6376 and
 * RFC 8463 publish. Properties: every signature gets a verdict, the same whatever the pieces in which the message is
 * read; and nothing passes whose From is not signed or whose key was not given.
 *
 * Parsers: modules/dkim/verify.c.
 */
#include "config.h"

#include "fuzz.h"
#include "verify.h"

/* The RSA key of RFC 8463. */
#define RSA                                                                                        \
    "p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/" \
    "J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/"                                                     \
    "8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2"                                       \
    "EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"

static const char *const words[] = {"DKIM-Signature: v=1; a=rsa-sha256; ",
                                    "DKIM-Signature: v=1; a=ed25519-sha256; ",
                                    "From: Joe SixPack <joe@football.example.com>\r\n",
                                    "Date: now\r\n",
                                    "h=from:dkim-signature:",
                                    ":to:subject:date:message-id:from",
                                    "dkim-signature",
                                    "c=simple/simple",
                                    "c=relaxed/relaxed",
                                    "i=@football.example.com",
                                    "i=a=3Db@football.example.com",
                                    "l=10; ",
                                    "t=1; ",
                                    "x=4000000000; ",
                                    "z=From:a|To:b; ",
                                    "; ",
                                    "\r\n ",
                                    "\r\n\r\n",
                                    "\r",
                                    "\n",
                                    "=",
                                    "<",
                                    "\"",
                                    "(",
                                    "\\",
                                    "@",
                                    ",",
                                    NULL};
const FuzzTarget fuzz_target = {10000, words};

static const struct {
    const char *name, *record;
} keys[] = {
    {"brisbane._domainkey.football.example.com",
     "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="},
    {"test._domainkey.football.example.com", "v=DKIM1; k=rsa; " RSA},
    /* The same for tests alone, not for subdomains, as one of two, and one that is too weak. */
    {"testing._domainkey.football.example.com", "v=DKIM1; t=y; " RSA},
    {"strict._domainkey.football.example.com", "v=DKIM1; t=s; " RSA},
    {"two._domainkey.football.example.com", "v=DKIM1; p=AAAA"},
    {"two._domainkey.football.example.com", "v=DKIM1; " RSA},
    {"weak._domainkey.football.example.com",
     "v=DKIM1; "
     "p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKuPrj2S4jrturV0QR7KO9+"
     "Jg1E8D2xe7F0PeY8CYGeIA8Pxe7meXrLconrTloQpx5pSMlQmrNyXkFwJZUZE6FsCAwEAAQ=="},
    {"brisbane._domainkey.example.com",
     "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/"
     "UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/"
     "RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"},
};

typedef struct {
    const guint8 *bytes;
    gsize size, step;
} Reader;

static gint64
read_message (gpointer data, guint64 offset, gpointer buffer, guint64 size, GError **error)
{
    const Reader *reader = data;

    if (offset >= reader->size)
        return 0;
    size = MIN (MIN (size, reader->step), reader->size - offset);
    memcpy (buffer, reader->bytes + offset, (gsize)size);
    return (gint64)size;
}

static DkimAnswer *
find_key (const DkimSignature *signature)
{
    DkimAnswer *answer = dkim_answer_new (dkim_signature_dup_key_name (signature));

    answer->answered = true;
    answer->temporary = g_str_has_prefix (answer->name, "lost.");
    for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
        if (g_str_equal (keys[i].name, answer->name))
            g_ptr_array_add (answer->records,
                             g_bytes_new_static (keys[i].record, strlen (keys[i].record)));
    return answer;
}

static void
check_verdict (const DkimVerdict *verdict, GString *text)
{
    g_assert_nonnull (verdict->result);
    g_string_append_printf (text, "%s %s\n", verdict->result, verdict->reason);
    if (!g_str_equal (verdict->result, "pass"))
        return;
    g_assert_cmpuint (dkim_signature_count_name (&verdict->signature, "from"), >, 0);
    g_assert_cmpuint (verdict->answer->records->len, >, 0);
}

/* All verdicts as text. */
static GString *
verify (DkimVerifier *verifier, const guint8 *bytes, gsize size, gsize step)
{
    Reader reader = {bytes, size, step};
    gint stopped = 0;
    const DkimSource source = {read_message, &reader, &stopped};
    g_autoptr (GByteArray) header = dkim_read_header (&source, NULL);
    g_autoptr (GPtrArray) answers = g_ptr_array_new_with_free_func (dkim_answer_free);
    GString *text = g_string_new (NULL);
    DkimScan scan;

    dkim_scan (&scan, header->data, header->len, 1700000000);
    for (guint i = 0; i < scan.verdicts->len; i++) {
        DkimVerdict *verdict = g_ptr_array_index (scan.verdicts, i);

        if (verdict->result != NULL)
            continue;
        verdict->answer = find_key (&verdict->signature);
        g_ptr_array_add (answers, verdict->answer);
    }
    dkim_verifier_run (verifier, &source, &scan);
    for (guint i = 0; i < scan.verdicts->len; i++)
        check_verdict (g_ptr_array_index (scan.verdicts, i), text);
    dkim_scan_clear (&scan);
    return text;
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    static DkimVerifier *verifier; /* the library's, for the whole run */
    guint8 *copy = fuzz_exact (bytes, size);
    FuzzRandom random = fuzz_random_from (bytes, size);
    g_autoptr (GString) whole = NULL, pieces = NULL;

    if (verifier == NULL)
        verifier = dkim_verifier_new ();
    whole = verify (verifier, copy, size, G_MAXSIZE);
    pieces = verify (verifier, copy, size, 1 + fuzz_random_below (&random, 100));
    g_assert_cmpstr (whole->str, ==, pieces->str);
    free (copy);
    return 0;
}
