/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DKIM key records (modules/dkim/record.c). Properties: a record that is taken has a key of the kind that it names, and
 * the record that is made of that key is taken, too, and is of the same key.
 *
 * Parsers: modules/dkim/record.c.
 */
#include "config.h"

#include "fuzz.h"
#include "verify.h"

#define RSA_KEY                                                                                    \
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/"   \
    "J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLz"   \
    "BfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"

static const char *const words[] = {"v=DKIM1; ",
                                    "k=rsa; ",
                                    "k=ed25519; ",
                                    "h=sha256",
                                    "h=sha1:sha256",
                                    "s=email",
                                    "s=*",
                                    "t=y:s",
                                    "n=note",
                                    "p=" RSA_KEY,
                                    "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
                                    "p=;",
                                    ";",
                                    ":",
                                    "=",
                                    " ",
                                    NULL};
const FuzzTarget fuzz_target = {30000, words};

static void
check_again (const DkimRecord *record)
{
    g_autofree char *text = g_strdup_printf (
        "v=DKIM1; k=%s; p=%s", record->ed25519 ? "ed25519" : "rsa", record->public_64);
    DkimRecord again;

    /* A key may be larger than a record. */
    if (strlen (text) > DKIM_RECORD_BYTES)
        return;
    g_assert_null (dkim_record_parse (&again, text, strlen (text)));
    g_assert_cmpuint (again.bits, ==, record->bits);
    g_assert_cmpstr (again.public_64, ==, record->public_64);
    g_assert_cmpint (EVP_PKEY_eq (again.pkey, record->pkey), ==, 1);
    dkim_record_clear (&again);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    guint8 *copy = fuzz_exact (bytes, size);
    DkimRecord record;

    if (dkim_record_parse (&record, (const char *)copy, size) == NULL) {
        g_assert_true (EVP_PKEY_is_a (record.pkey, record.ed25519 ? "ED25519" : "RSA"));
        check_again (&record);
    }
    dkim_record_clear (&record);
    free (copy);
    return 0;
}
