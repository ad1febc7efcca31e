/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Signing: chooses the header fields (RFC 6376 section 5.4), hashes the body once for each
 * canonicalisation, writes one signature field a key and signs exactly the bytes that it emits.
 * RSA is rsa-sha256, Ed25519 is ed25519-sha256 (RFC 8463). Worker threads, several at once on the
 * same keys.
 */
#include "dkim.h"

#include <openssl/rsa.h>
#include <string.h>

enum { READ_BYTES = 64 * 1024, HASH_BYTES = 32, SIGNATURE_BYTES = 1024, FOLD_COLUMN = 78 };

typedef enum { SIGN_WHEN_PRESENT, OVERSIGN_WHEN_PRESENT, OVERSIGN_ALWAYS } Rule;

/* What is signed unless the user lists fields. Oversigned means named once more than it stands there,
 * so that nobody can add another. Sender and list fields are never: lists add them rightly. */
static const struct {
    const char *name;
    Rule rule;
} default_fields[] = {
    {"From", OVERSIGN_ALWAYS},
    {"Reply-To", OVERSIGN_WHEN_PRESENT},
    {"To", OVERSIGN_WHEN_PRESENT},
    {"Cc", OVERSIGN_WHEN_PRESENT},
    {"Subject", OVERSIGN_WHEN_PRESENT},
    {"Date", OVERSIGN_WHEN_PRESENT},
    {"Message-ID", OVERSIGN_WHEN_PRESENT},
    {"MIME-Version", OVERSIGN_WHEN_PRESENT},
    {"Content-Type", OVERSIGN_WHEN_PRESENT},
    {"Content-Transfer-Encoding", OVERSIGN_WHEN_PRESENT},
    {"Content-Disposition", OVERSIGN_WHEN_PRESENT},
    {"Content-ID", OVERSIGN_WHEN_PRESENT},
    {"Content-Description", OVERSIGN_WHEN_PRESENT},
    {"List-Unsubscribe", SIGN_WHEN_PRESENT},
    {"List-Unsubscribe-Post", SIGN_WHEN_PRESENT},
};

typedef struct {
    const char *bytes;
    gsize size;
    const char *name;
    gsize name_size;
    bool taken;
} Field;

static bool
fail (GError **error, const char *what)
{
    g_set_error_literal (error, DKIM_ERROR, DKIM_ERROR_SIGN, what);
    return false;
}

/* --- The header ------------------------------------------------------------------------------- */

static GArray *
split_header (const guint8 *header, gsize size)
{
    GArray *fields = g_array_new (FALSE, FALSE, sizeof (Field));
    RelaisHeaderField found;
    guint64 position = 0;

    while (relais_header_next_field (header, size, &position, &found)) {
        Field field = {(const char *)header + found.offset, (gsize)found.size, found.name,
                       (gsize)found.name_size, false};

        g_array_append_val (fields, field);
    }
    return fields;
}

static bool
is_named (const Field *field, const char *name)
{
    return field->name_size == strlen (name) &&
           g_ascii_strncasecmp (field->name, name, field->name_size) == 0;
}

static guint
count_fields (const GArray *fields, const char *name)
{
    guint n = 0;

    for (guint i = 0; i < fields->len; i++)
        n += is_named (&g_array_index (fields, Field, i), name) ? 1 : 0;
    return n;
}

/* The names of h=, in order; borrowed strings. */
static GPtrArray *
choose_names (const DkimKey *key, const GArray *fields)
{
    GPtrArray *names = g_ptr_array_new ();

    for (guint i = 0; key->headers != NULL && key->headers[i] != NULL; i++)
        g_ptr_array_add (names, key->headers[i]);
    for (guint i = 0; key->headers == NULL && i < G_N_ELEMENTS (default_fields); i++) {
        guint n = count_fields (fields, default_fields[i].name);
        Rule rule = default_fields[i].rule;

        if (rule == OVERSIGN_ALWAYS || (rule == OVERSIGN_WHEN_PRESENT && n > 0))
            n++;
        for (; n > 0; n--)
            g_ptr_array_add (names, (gpointer)default_fields[i].name);
    }
    return names;
}

/* Each mention of a name takes the lowest field that is left; a mention too many takes none. */
static void
append_fields (GString *to, DkimCanon canon, GArray *fields, const GPtrArray *names)
{
    for (guint i = 0; i < fields->len; i++)
        g_array_index (fields, Field, i).taken = false;
    for (guint k = 0; k < names->len; k++)
        for (guint i = fields->len; i > 0; i--) {
            Field *field = &g_array_index (fields, Field, i - 1);

            if (field->taken || !is_named (field, g_ptr_array_index (names, k)))
                continue;
            field->taken = true;
            dkim_canon_field (to, canon, field->bytes, field->size);
            break;
        }
}

/* --- The body --------------------------------------------------------------------------------- */

typedef struct {
    bool wanted;
    EVP_MD_CTX *context;
    DkimBody body;
    char *hash; /* base64 */
} BodyHash;

static void
update_hash (gpointer data, const guint8 *bytes, gsize size)
{
    EVP_DigestUpdate (data, bytes, size);
}

static bool
start_hashes (const DkimConfig *config, const GPtrArray *keys, BodyHash hashes[2])
{
    for (guint i = 0; i < keys->len; i++)
        hashes[((const DkimKey *)g_ptr_array_index (keys, i))->body].wanted = true;
    for (guint canon = 0; canon < 2; canon++) {
        BodyHash *hash = &hashes[canon];

        if (!hash->wanted)
            continue;
        hash->context = EVP_MD_CTX_new ();
        if (hash->context == NULL || EVP_DigestInit_ex2 (hash->context, config->sha256, NULL) != 1)
            return false;
        dkim_body_init (&hash->body, canon, update_hash, hash->context);
    }
    return true;
}

static bool
feed_hashes (BodyHash hashes[2], guint64 offset, DkimRead read, gpointer data, GError **error)
{
    g_autofree guint8 *buffer = g_malloc (READ_BYTES);
    gint64 n;

    while ((n = read (data, offset, buffer, READ_BYTES, error)) > 0) {
        for (guint canon = 0; canon < 2; canon++)
            if (hashes[canon].wanted)
                dkim_body_feed (&hashes[canon].body, buffer, (gsize)n);
        offset += (guint64)n;
    }
    return n == 0;
}

static bool
end_hashes (BodyHash hashes[2])
{
    for (guint canon = 0; canon < 2; canon++) {
        guint8 digest[EVP_MAX_MD_SIZE];

        if (!hashes[canon].wanted)
            continue;
        dkim_body_end (&hashes[canon].body);
        if (EVP_DigestFinal_ex (hashes[canon].context, digest, NULL) != 1)
            return false;
        hashes[canon].hash = g_base64_encode (digest, HASH_BYTES);
    }
    return true;
}

/* --- The signature field ---------------------------------------------------------------------- */

/* Text with the column it has reached, to fold where a line would pass 78 octets. */
typedef struct {
    GString *text;
    gsize column;
} Folded;

/* `glue` stands before the piece on the same line, `fold` instead of it on a new one. */
static void
put (Folded *folded, const char *glue, const char *fold, const char *piece, gsize size)
{
    bool same = folded->column + strlen (glue) + size <= FOLD_COLUMN;

    if (!same) {
        g_string_append (folded->text, "\r\n");
        folded->column = 0;
    }
    g_string_append (folded->text, same ? glue : fold);
    g_string_append_len (folded->text, piece, (gssize)size);
    folded->column += strlen (same ? glue : fold) + size;
}

static void
put_tag (Folded *folded, const char *tag, const char *value)
{
    g_autofree char *piece = g_strdup_printf ("%s=%s;", tag, value);

    put (folded, " ", "\t", piece, strlen (piece));
}

static void
put_names (Folded *folded, const GPtrArray *names)
{
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *piece =
            g_strdup_printf ("%s%s%s", i == 0 ? "h=" : "", (char *)g_ptr_array_index (names, i),
                             i + 1 < names->len ? ":" : ";");

        put (folded, i == 0 ? " " : "", i == 0 ? "\t" : "\t ", piece, strlen (piece));
    }
}

/* The field up to "b=", without its line end: what the signature covers of itself. */
static void
put_unsigned (Folded *folded, const DkimKey *key, const GPtrArray *names, const char *body_hash)
{
    static const char *const forms[] = {"simple", "relaxed"};
    g_autofree char *canon = g_strdup_printf ("%s/%s", forms[key->header], forms[key->body]);

    g_string_append (folded->text, "DKIM-Signature: v=1;");
    folded->column = folded->text->len;
    put_tag (folded, "a", key->ed25519 ? "ed25519-sha256" : "rsa-sha256");
    put_tag (folded, "c", canon);
    put_tag (folded, "d", key->domain);
    put_tag (folded, "s", key->selector);
    put_names (folded, names);
    put_tag (folded, "bh", body_hash);
    put (folded, " ", "\t", "b=", 2);
}

static void
put_signature (Folded *folded, const guint8 *signature, gsize size)
{
    g_autofree char *text = g_base64_encode (signature, size);
    gsize length = strlen (text), at = 0;

    while (at < length) {
        gsize room = folded->column < FOLD_COLUMN ? FOLD_COLUMN - folded->column : 0;
        gsize n = MIN (room, length - at);

        g_string_append_len (folded->text, text + at, (gssize)n);
        at += n;
        if (at < length) {
            g_string_append (folded->text, "\r\n\t ");
            folded->column = 2;
        }
    }
    g_string_append (folded->text, "\r\n");
}

/* --- The signature ---------------------------------------------------------------------------- */

static bool
sign_rsa (const DkimConfig *config, const DkimKey *key, const guint8 *hash, guint8 *signature,
          gsize *size)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey (NULL, key->pkey, NULL);
    bool good = context != NULL && EVP_PKEY_sign_init (context) == 1 &&
                EVP_PKEY_CTX_set_rsa_padding (context, RSA_PKCS1_PADDING) == 1 &&
                EVP_PKEY_CTX_set_signature_md (context, config->sha256) == 1 &&
                EVP_PKEY_sign (context, signature, size, hash, HASH_BYTES) == 1;

    EVP_PKEY_CTX_free (context);
    return good;
}

static bool
sign_ed25519 (const DkimKey *key, const guint8 *hash, guint8 *signature, gsize *size)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new ();
    bool good = context != NULL &&
                EVP_DigestSignInit_ex (context, NULL, NULL, NULL, NULL, key->pkey, NULL) == 1 &&
                EVP_DigestSign (context, signature, size, hash, HASH_BYTES) == 1;

    EVP_MD_CTX_free (context);
    return good;
}

static bool
sign_one (const DkimConfig *config, const DkimKey *key, GArray *fields, const char *body_hash,
          GString *to, GError **error)
{
    g_autoptr (GPtrArray) names = choose_names (key, fields);
    g_autoptr (GString) field = g_string_new (NULL);
    g_autoptr (GString) covered = g_string_sized_new (4096);
    guint8 hash[EVP_MAX_MD_SIZE], signature[SIGNATURE_BYTES];
    Folded folded = {field, 0};
    gsize size = sizeof signature;

    put_unsigned (&folded, key, names, body_hash);
    append_fields (covered, key->header, fields, names);
    dkim_canon_field (covered, key->header, field->str, field->len);
    if (key->header == DKIM_RELAXED)
        g_string_truncate (covered, covered->len - 2);
    if (EVP_Digest (covered->str, covered->len, hash, NULL, config->sha256, NULL) != 1 ||
        !(key->ed25519 ? sign_ed25519 (key, hash, signature, &size)
                       : sign_rsa (config, key, hash, signature, &size)))
        return fail (error, "OpenSSL could not sign");
    put_signature (&folded, signature, size);
    g_string_append_len (to, field->str, (gssize)field->len);
    return true;
}

bool
dkim_sign_message (const DkimConfig *config, const GPtrArray *keys, const guint8 *header,
                   gsize header_size, DkimRead read, gpointer data, GString *to, GError **error)
{
    g_autoptr (GArray) fields = split_header (header, header_size);
    BodyHash hashes[2] = {0};
    bool good = start_hashes (config, keys, hashes);

    if (!good)
        fail (error, "OpenSSL could not begin a hash");
    good = good && feed_hashes (hashes, header_size, read, data, error);
    if (good && !end_hashes (hashes))
        good = fail (error, "OpenSSL could not end a hash");
    for (guint i = 0; good && i < keys->len; i++) {
        const DkimKey *key = g_ptr_array_index (keys, i);

        good = sign_one (config, key, fields, hashes[key->body].hash, to, error);
    }
    for (guint canon = 0; canon < 2; canon++) {
        EVP_MD_CTX_free (hashes[canon].context);
        g_free (hashes[canon].hash);
    }
    return good;
}
