/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SASL's messages. See the header. Pure; any thread.
 */
#include "config.h"

#include "smtp/sasl-private.h"

#include <openssl/crypto.h>
#include <string.h>

#include "smtp/scram-private.h"
#include "smtp/users-private.h"

/* --- PLAIN and LOGIN -------------------------------------------------------------------------- */

static void
wipe (char *text)
{
    if (text != NULL)
        OPENSSL_cleanse (text, strlen (text));
    g_free (text);
}

void
relais_plain_clear (RelaisPlain *plain)
{
    g_free (plain->name);
    wipe (plain->password);
    *plain = (RelaisPlain){0};
}

RelaisPlainStatus
relais_sasl_take_plain (const char *name, gsize name_size, const char *password,
                        gsize password_size, RelaisPlain *plain)
{
    if (name_size == 0 || name_size > RELAIS_USER_NAME_BYTES || password_size == 0 ||
        password_size > RELAIS_PASSWORD_BYTES || memchr (name, '\0', name_size) != NULL ||
        memchr (password, '\0', password_size) != NULL)
        return RELAIS_PLAIN_REFUSED;
    plain->name = g_strndup (name, name_size);
    plain->password = g_strndup (password, password_size);
    return RELAIS_PLAIN_OK;
}

/* authzid NUL authcid NUL passwd; nobody acts for another. */
RelaisPlainStatus
relais_sasl_split_plain (const char *bytes, gsize size, RelaisPlain *plain)
{
    const char *end = bytes + size;
    const char *name = memchr (bytes, '\0', size);
    const char *password = name != NULL ? memchr (name + 1, '\0', (gsize)(end - name - 1)) : NULL;
    gsize name_size;

    if (password == NULL)
        return RELAIS_PLAIN_REFUSED;
    name_size = (gsize)(password - name - 1);
    if (name > bytes &&
        ((gsize)(name - bytes) != name_size || memcmp (bytes, name + 1, name_size) != 0))
        return RELAIS_PLAIN_REFUSED;
    return relais_sasl_take_plain (name + 1, name_size, password + 1, (gsize)(end - password - 1),
                                   plain);
}

char *
relais_sasl_decode (const char *text, gsize size, gsize *n)
{
    g_autofree char *coded = NULL;
    guchar *bytes;
    char *copy;

    *n = 0;
    if (size == 1 && text[0] == '=')
        return g_strdup ("");
    if (!relais_base64_is_good (text, size))
        return NULL;
    coded = g_strndup (text, size);
    bytes = g_base64_decode (coded, n);
    copy = g_malloc (*n + 1);
    memcpy (copy, bytes, *n);
    copy[*n] = '\0';
    OPENSSL_cleanse (bytes, *n);
    OPENSSL_cleanse (coded, size);
    g_free (bytes);
    return copy;
}

RelaisPlainStatus
relais_sasl_parse_plain (const char *text, gsize size, RelaisPlain *plain)
{
    gsize n;
    char *bytes = relais_sasl_decode (text, size, &n);
    RelaisPlainStatus status;

    if (bytes == NULL)
        return RELAIS_PLAIN_NOT_BASE64;
    status = relais_sasl_split_plain (bytes, n, plain);
    OPENSSL_cleanse (bytes, n);
    g_free (bytes);
    return status;
}

/* --- SCRAM, what a server asks of us ------------------------------------------------------------ */

/* A number, up to the end or to an extension. */
static bool
counts_iterations (const char *text)
{
    char *end;
    guint64 n = g_ascii_strtoull (text, &end, 10);

    return g_ascii_isdigit (text[0]) && (*end == '\0' || *end == ',') && n >= 1 &&
           n <= RELAIS_SASL_ITERATIONS;
}

/* RFC 5802 section 5.1: "i=" of the server's first message. */
bool
relais_sasl_challenge_is_sane (const char *challenge)
{
    gsize size;
    g_autofree guchar *bytes = g_base64_decode (challenge, &size);
    g_autofree char *text = g_strndup ((const char *)bytes, size);
    const char *at = strstr (text, ",i=");

    return strlen (challenge) <= RELAIS_SASL_CHALLENGE_BYTES && at != NULL &&
           counts_iterations (at + strlen (",i="));
}
