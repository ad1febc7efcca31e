/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SCRAM on libgsasl. Each exchange has a library context of its own, so that nothing of a failed one
 * is there for the next. The library asks for what it needs through a callback, which hands out the
 * keys of the exchange and nothing else: no password is ever known here but in relais_scram_hash ().
 * An exchange belongs to one thread at a time; relais_scram_hash () takes its time and is not for the loop.
 */
#include "config.h"

#include "smtp/scram-private.h"

#include "loop/loop-private.h"
#include "smtp/users-private.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <gsasl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

enum { PARTS = 4, MIN_ITERATIONS = 4096, MAX_ITERATIONS = 10000000, MAX_SALT_BYTES = 64 };

struct RelaisScram {
    Gsasl *context;
    Gsasl_session *session;
    char **keys; /* iterations, salt, StoredKey, ServerKey */
    char *binding;
};

/* --- Keys ------------------------------------------------------------------------------------- */

char *
relais_scram_hash (const char *password, GError **error)
{
    guint8 salt[RELAIS_SCRAM_SALT_BYTES];
    char salted[RELAIS_SCRAM_KEY_BYTES], client[RELAIS_SCRAM_KEY_BYTES];
    char server[RELAIS_SCRAM_KEY_BYTES], stored[RELAIS_SCRAM_KEY_BYTES];
    g_autofree char *salt_text = NULL, *stored_text = NULL, *server_text = NULL;
    char *prepared = NULL;
    int rc;

    relais_assert_may_block ();
    if (RAND_bytes (salt, sizeof salt) != 1)
        g_error ("the system gives no random bytes");
    rc = gsasl_saslprep (password, 0, &prepared, NULL);
    if (rc == GSASL_OK)
        rc = gsasl_scram_secrets_from_password (GSASL_HASH_SHA256, prepared,
                                                RELAIS_SCRAM_ITERATIONS, (const char *)salt,
                                                sizeof salt, salted, client, server, stored);
    if (prepared != NULL)
        OPENSSL_cleanse (prepared, strlen (prepared));
    gsasl_free (prepared);
    OPENSSL_cleanse (salted, sizeof salted);
    OPENSSL_cleanse (client, sizeof client);
    if (rc != GSASL_OK) {
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                     _ ("cannot hash the password: %s"), gsasl_strerror (rc));
        return NULL;
    }
    salt_text = g_base64_encode (salt, sizeof salt);
    stored_text = g_base64_encode ((const guchar *)stored, sizeof stored);
    server_text = g_base64_encode ((const guchar *)server, sizeof server);
    return g_strdup_printf ("%d,%s,%s,%s", RELAIS_SCRAM_ITERATIONS, salt_text, stored_text,
                            server_text);
}

bool
relais_base64_is_good (const char *text, gsize size)
{
    gsize padding = 0;

    if (size == 0 || size % 4 != 0)
        return false;
    while (padding < 2 && text[size - padding - 1] == '=')
        padding++;
    for (gsize i = 0; i < size - padding; i++)
        if (!g_ascii_isalnum (text[i]) && text[i] != '+' && text[i] != '/')
            return false;
    return true;
}

/* Whether the text is base64 of `least` to `most` octets. */
static bool
is_coded (const char *text, gsize least, gsize most)
{
    g_autofree guchar *bytes = NULL;
    gsize size = 0;

    if (!relais_base64_is_good (text, strlen (text)))
        return false;
    bytes = g_base64_decode (text, &size);
    return size >= least && size <= most;
}

bool
relais_scram_keys_are_good (const char *keys)
{
    g_auto (GStrv) parts = g_strsplit (keys, ",", PARTS + 1);
    guint64 iterations;

    return g_strv_length (parts) == PARTS &&
           g_ascii_string_to_unsigned (parts[0], 10, MIN_ITERATIONS, MAX_ITERATIONS, &iterations,
                                       NULL) &&
           is_coded (parts[1], 1, MAX_SALT_BYTES) &&
           is_coded (parts[2], RELAIS_SCRAM_KEY_BYTES, RELAIS_SCRAM_KEY_BYTES) &&
           is_coded (parts[3], RELAIS_SCRAM_KEY_BYTES, RELAIS_SCRAM_KEY_BYTES);
}

char *
relais_scram_keys_of_nobody (const guint8 salt[RELAIS_SCRAM_SALT_BYTES])
{
    guint8 key[RELAIS_SCRAM_KEY_BYTES];
    g_autofree char *salt_text = g_base64_encode (salt, RELAIS_SCRAM_SALT_BYTES);
    g_autofree char *key_text = NULL;

    if (RAND_bytes (key, sizeof key) != 1)
        g_error ("the system gives no random bytes");
    key_text = g_base64_encode (key, sizeof key);
    return g_strdup_printf ("%d,%s,%s,%s", RELAIS_SCRAM_ITERATIONS, salt_text, key_text, key_text);
}

/* --- The first message ------------------------------------------------------------------------ */

/* gs2-cbind-flag "," [authzid] "," "n=" saslname "," ... (RFC 5802 section 7). The names of our users
 * hold nothing that would have to be escaped in a saslname. */
char *
relais_scram_find_name (const char *first, gsize size)
{
    const char *end = first + size;
    const char *authzid = size > 0 ? memchr (first, ',', size) : NULL;
    const char *bare, *name_end;
    g_autofree char *name = NULL, *other = NULL;

    if (authzid == NULL)
        return NULL;
    authzid++;
    bare = memchr (authzid, ',', (gsize)(end - authzid));
    if (bare == NULL || end - ++bare < 2 || bare[0] != 'n' || bare[1] != '=')
        return NULL;
    name_end = memchr (bare, ',', (gsize)(end - bare));
    if (name_end == NULL || name_end - bare - 2 > RELAIS_USER_NAME_BYTES)
        return NULL;
    name = g_strndup (bare + 2, (gsize)(name_end - bare) - 2);
    if (!relais_user_name_is_good (name) || strlen (name) != (gsize)(name_end - bare) - 2)
        return NULL;
    other = g_strconcat ("a=", name, NULL);
    if (bare - 1 > authzid && ((gsize)(bare - 1 - authzid) != strlen (other) ||
                               memcmp (authzid, other, strlen (other)) != 0))
        return NULL;
    return g_steal_pointer (&name);
}

bool
relais_scram_misses_binding (const char *first, gsize size)
{
    return size > 0 && first[0] == 'y';
}

/* --- Exchanges -------------------------------------------------------------------------------- */

static int
set_property (Gsasl_session *session, Gsasl_property property, const char *value)
{
    if (value == NULL)
        return GSASL_NO_CALLBACK;
    return gsasl_property_set (session, property, value);
}

static int
answer_library (Gsasl *context, Gsasl_session *session, Gsasl_property property)
{
    const RelaisScram *scram = gsasl_callback_hook_get (context);

    switch ((int)property) {
    case GSASL_SCRAM_ITER: return set_property (session, property, scram->keys[0]);
    case GSASL_SCRAM_SALT: return set_property (session, property, scram->keys[1]);
    case GSASL_SCRAM_STOREDKEY: return set_property (session, property, scram->keys[2]);
    case GSASL_SCRAM_SERVERKEY: return set_property (session, property, scram->keys[3]);
    case GSASL_CB_TLS_EXPORTER: return set_property (session, property, scram->binding);
    default: return GSASL_NO_CALLBACK;
    }
}

RelaisScram *
relais_scram_new (const char *keys, const guint8 binding[RELAIS_SCRAM_BINDING_BYTES])
{
    RelaisScram *scram = g_new0 (RelaisScram, 1);

    scram->keys = g_strsplit (keys, ",", PARTS);
    scram->binding = binding != NULL ? g_base64_encode (binding, RELAIS_SCRAM_BINDING_BYTES) : NULL;
    if (gsasl_init (&scram->context) != GSASL_OK)
        g_error ("libgsasl does not start");
    gsasl_callback_hook_set (scram->context, scram);
    gsasl_callback_set (scram->context, answer_library);
    if (gsasl_server_start (scram->context,
                            binding != NULL ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256",
                            &scram->session) != GSASL_OK)
        scram->session = NULL;
    return scram;
}

void
relais_scram_free (RelaisScram *scram)
{
    if (scram == NULL)
        return;
    if (scram->session != NULL)
        gsasl_finish (scram->session);
    gsasl_done (scram->context);
    g_strfreev (scram->keys);
    g_free (scram->binding);
    g_free (scram);
}

RelaisScramStatus
relais_scram_step (RelaisScram *scram, const char *message, gsize size, char **answer)
{
    char *out = NULL;
    gsize out_size = 0;
    int rc = GSASL_AUTHENTICATION_ERROR;

    if (scram->session != NULL && memchr (message, '\0', size) == NULL)
        rc = gsasl_step (scram->session, message, size, &out, &out_size);
    if (rc == GSASL_OK || rc == GSASL_NEEDS_MORE)
        *answer = g_strndup (out != NULL ? out : "", out_size);
    gsasl_free (out);
    if (rc == GSASL_NEEDS_MORE)
        return RELAIS_SCRAM_MORE;
    return rc == GSASL_OK ? RELAIS_SCRAM_DONE : RELAIS_SCRAM_FAILED;
}
