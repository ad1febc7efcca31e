/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The answers of AUTH PLAIN and LOGIN (core/smtp/sasl.c). Properties: bytes that were coded by
 * another are read as they are split by hand; what is accepted is a name and a password that are
 * not empty and within their limits, and says the same when it is coded and read again, or when it
 * comes as LOGIN has it, one by one; what is not accepted leaves nothing behind.
 *
 * Parsers: core/smtp/sasl.c.
 */
#include "config.h"

#include "fuzz.h"
#include "smtp/sasl-private.h"
#include "smtp/users-private.h"

static const char *const words[] = {
    "=", "==", "AGFubgBzZWNyZXQ=", "AA==", "AAAA", "AGEAYg==", "YQBhAGI=", "+/+/", "*", NULL};
const FuzzTarget fuzz_target = {50000, words};

static void
check_accepted (const RelaisPlain *plain)
{
    const gsize name = strlen (plain->name), password = strlen (plain->password);
    g_autoptr (GByteArray) bytes = g_byte_array_new ();
    g_autofree char *coded = NULL;
    RelaisPlain again = {0};

    g_assert_true (name > 0 && name <= RELAIS_USER_NAME_BYTES);
    g_assert_true (password > 0 && password <= RELAIS_PASSWORD_BYTES);
    g_byte_array_append (bytes, (const guint8 *)"", 1);
    g_byte_array_append (bytes, (const guint8 *)plain->name, (guint)name + 1);
    g_byte_array_append (bytes, (const guint8 *)plain->password, (guint)password);
    coded = g_base64_encode (bytes->data, bytes->len);
    g_assert_cmpint (relais_sasl_parse_plain (coded, strlen (coded), &again), ==, RELAIS_PLAIN_OK);
    g_assert_cmpstr (again.name, ==, plain->name);
    g_assert_cmpstr (again.password, ==, plain->password);
    relais_plain_clear (&again);
    g_assert_cmpint (relais_sasl_take_plain (plain->name, name, plain->password, password, &again),
                     ==, RELAIS_PLAIN_OK);
    g_assert_cmpstr (again.name, ==, plain->name);
    g_assert_cmpstr (again.password, ==, plain->password);
    relais_plain_clear (&again);
}

static RelaisPlainStatus
check (const char *text, gsize size)
{
    RelaisPlain plain = {0};
    const RelaisPlainStatus status = relais_sasl_parse_plain (text, size, &plain);

    if (status == RELAIS_PLAIN_OK)
        check_accepted (&plain);
    else
        g_assert_true (plain.name == NULL && plain.password == NULL);
    relais_plain_clear (&plain);
    return status;
}

/* As the lines of LOGIN: a name, a password, each in base64 or "=" for nothing. */
static void
check_login (const char *text, gsize size)
{
    const char *end = memchr (text, '\n', size);
    RelaisPlain plain = {0};
    char *name, *password;
    gsize name_size, password_size;

    if (end == NULL)
        return;
    name = relais_sasl_decode (text, (gsize)(end - text), &name_size);
    password = relais_sasl_decode (end + 1, size - (gsize)(end - text) - 1, &password_size);
    if (name != NULL && password != NULL &&
        relais_sasl_take_plain (name, name_size, password, password_size, &plain) ==
            RELAIS_PLAIN_OK) {
        fuzz_assert_same (plain.name, strlen (plain.name), name, name_size);
        fuzz_assert_same (plain.password, strlen (plain.password), password, password_size);
        check_accepted (&plain);
    }
    relais_plain_clear (&plain);
    g_free (name);
    g_free (password);
}

/* Whether the bytes have the form authzid NUL authcid NUL passwd, nothing empty but the first. */
static bool
has_form (const guint8 *bytes, gsize size)
{
    const guint8 *first = memchr (bytes, '\0', size), *end = bytes + size;
    const guint8 *second =
        first != NULL ? memchr (first + 1, '\0', (gsize)(end - first - 1)) : NULL;

    return second != NULL && second > first + 1 && second + 1 < end &&
           memchr (second + 1, '\0', (gsize)(end - second - 1)) == NULL;
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    g_autofree char *coded = g_base64_encode (bytes, size);
    RelaisPlainStatus status;

    check ((const char *)bytes, size);
    check_login ((const char *)bytes, size);
    if (size == 0)
        return 0;
    status = check (coded, strlen (coded));
    g_assert_cmpint (status, !=, RELAIS_PLAIN_NOT_BASE64);
    g_assert_true (status != RELAIS_PLAIN_OK || has_form (bytes, size));
    return 0;
}
