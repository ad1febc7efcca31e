/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DKIM-Signature fields (modules/dkim/tags.c, signature.c) and header blocks that have some (scan.c). Properties: a
 * signature that is taken has all that verification needs, within its limits, and says the same again without its
 * blanks; no more signatures are looked at than may be, and each of them is settled or has a name to look up.
 *
 * Parsers: modules/dkim/names.c, modules/dkim/scan.c, modules/dkim/signature.c, modules/dkim/tags.c.
 */
#include "config.h"

#include "fuzz.h"
#include "verify.h"

static const char *const words[] = {"v=1",
                                    "a=rsa-sha256",
                                    "a=ed25519-sha256",
                                    "a=rsa-sha1",
                                    "c=relaxed/simple",
                                    "d=example.org",
                                    "s=s1",
                                    "h=from",
                                    "h=from:to:dkim-signature",
                                    "i=a@b.example.org",
                                    "l=10",
                                    "q=dns/txt",
                                    "t=1",
                                    "x=4000000000",
                                    "z=From:a",
                                    "b=AAAA",
                                    "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
                                    "; ",
                                    "\r\n ",
                                    "=",
                                    ":",
                                    "DKIM-Signature:",
                                    "From: a@example.org\r\n",
                                    "Date: now\r\n",
                                    "To:\r\n",
                                    NULL};
const FuzzTarget fuzz_target = {50000, words};

static void
check_good (const DkimSignature *signature)
{
    g_autofree char *name = dkim_signature_dup_key_name (signature);
    guint n = g_strv_length (signature->names);

    g_assert_cmpuint (strlen (name), <=, 253);
    g_assert_true (dkim_domain_is_good (signature->domain));
    g_assert_true (n > 0 && n <= DKIM_SIGNED_NAMES);
    for (guint i = 0; i < n; i++)
        g_assert_true (dkim_field_name_is_good (signature->names[i]));
    g_assert_true (strlen (signature->b) > 0 && strlen (signature->b) <= 8);
    g_assert_nonnull (strchr (signature->identity, '@'));
    g_assert_nonnull (signature->algorithm_name);
    g_assert_false (signature->has_time && signature->has_expires &&
                    signature->time >= signature->expires);
}

/* All blanks between tags may go. */
static void
check_without_blanks (const char *value, gsize size, const DkimSignature *signature)
{
    g_autoptr (GString) text = g_string_new (NULL);
    DkimSignature again;
    DkimTags tags;

    g_assert_true (dkim_tags_parse (&tags, value, size));
    for (guint i = 0; i < tags.n; i++) {
        g_string_append_len (text, tags.tags[i].name, (gssize)tags.tags[i].name_size);
        g_string_append_c (text, '=');
        g_string_append_len (text, tags.tags[i].value, (gssize)tags.tags[i].value_size);
        g_string_append_c (text, ';');
    }
    g_assert_null (dkim_signature_parse (&again, text->str, text->len));
    g_assert_cmpstr (again.domain, ==, signature->domain);
    g_assert_cmpstr (again.selector, ==, signature->selector);
    g_assert_cmpstr (again.b, ==, signature->b);
    g_assert_true (again.length == signature->length && again.expires == signature->expires);
    dkim_signature_clear (&again);
}

static void
check_block (const guint8 *bytes, gsize size)
{
    DkimScan scan;

    dkim_scan (&scan, bytes, size, 1000000000);
    g_assert_cmpuint (scan.verdicts->len, <=, DKIM_SIGNATURES);
    g_assert_true (scan.n_ignored == 0 || scan.verdicts->len == DKIM_SIGNATURES);
    for (guint i = 0; i < scan.verdicts->len; i++) {
        DkimVerdict *verdict = g_ptr_array_index (scan.verdicts, i);

        g_assert_true (verdict->offset < size && verdict->size <= size - verdict->offset);
        if (verdict->result == NULL) {
            check_good (&verdict->signature);
            dkim_verdict_settle (verdict, "pass", NULL);
        }
    }
    dkim_scan_sort (&scan, "example.org");
    dkim_scan_clear (&scan);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    guint8 *copy = fuzz_exact (bytes, size);
    DkimSignature signature;

    if (dkim_signature_parse (&signature, (const char *)copy, size) == NULL) {
        check_good (&signature);
        check_without_blanks ((const char *)copy, size, &signature);
    }
    dkim_signature_clear (&signature);
    check_block (copy, size);
    free (copy);
    return 0;
}
