/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Keys: the configuration's [dkim-key NAME] sections as an immutable object, each key parsed once. A
 * private key is taken only from a file that nobody but root, the daemon's user or the caller owns
 * or can read, below directories that nobody else can write. May block: start-up or a worker.
 */
#include "dkim.h"

#include <relais/log.h>

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/err.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PASSWD_BYTES = 4096, /* of a user of the system */
    KEY_FILE_BYTES = 64 * 1024,
    RSA_LEAST_BITS = 1024,
    RSA_GOOD_BITS = 2048,
    RSA_MOST_BITS = 8192
};

static bool G_GNUC_PRINTF (3, 4) fail (GError **error, DkimError code, const char *format, ...)
{
    va_list args;

    va_start (args, format);
    if (error != NULL)
        *error = g_error_new_valist (DKIM_ERROR, (gint)code, format, args);
    va_end (args);
    return false;
}

/* --- The file --------------------------------------------------------------------------------- */

static bool
owner_is_trusted (uid_t uid, const char *user)
{
    char text[PASSWD_BYTES];
    struct passwd space, *entry = NULL;

    if (uid == 0 || uid == geteuid ())
        return true;
    if (user != NULL)
        (void)getpwnam_r (user, &space, text, sizeof text, &entry);
    return entry != NULL && entry->pw_uid == uid;
}

/* Every directory on the way: it must be there, and only trusted users may put files into it (a
 * sticky one like /tmp is good: nobody can replace what is not theirs). */
static bool
check_component (const char *path, const char *user, GError **error)
{
    struct stat info;

    if (stat (path, &info) < 0)
        return fail (error, DKIM_ERROR_KEY, "%s: %s", path, g_strerror (errno));
    if (!S_ISDIR (info.st_mode))
        return fail (error, DKIM_ERROR_KEY, _ ("%s: not a directory"), path);
    if (!owner_is_trusted (info.st_uid, user))
        return fail (error, DKIM_ERROR_KEY,
                     _ ("%s: the directory belongs to user %u; wanted root or the daemon's user"),
                     path, (guint)info.st_uid);
    if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (info.st_mode & S_ISVTX) == 0)
        return fail (error, DKIM_ERROR_KEY,
                     _ ("%s: the directory has mode %04o, so that others may put keys there; "
                        "chmod go-w it"),
                     path, (guint)info.st_mode & 07777);
    return true;
}

static bool
check_directories (const char *file, const char *user, GError **error)
{
    for (const char *slash = strchr (file, '/'); slash != NULL; slash = strchr (slash + 1, '/')) {
        g_autofree char *path = g_strndup (file, MAX (1, (gsize)(slash - file)));

        if (!check_component (path, user, error))
            return false;
    }
    return true;
}

static bool
check_file (const char *file, const struct stat *info, const char *user, GError **error)
{
    if (!S_ISREG (info->st_mode))
        return fail (error, DKIM_ERROR_KEY, _ ("%s: not a regular file"), file);
    if (!owner_is_trusted (info->st_uid, user))
        return fail (error, DKIM_ERROR_KEY,
                     _ ("%s: the key belongs to user %u; wanted root or the daemon's user"), file,
                     (guint)info->st_uid);
    if ((info->st_mode & 07777 & ~0600u) != 0)
        return fail (error, DKIM_ERROR_KEY,
                     _ ("%s: the key has mode %04o; wanted 0600 or 0400: chmod 0600 it"), file,
                     (guint)info->st_mode & 07777);
    if (info->st_size > KEY_FILE_BYTES)
        return fail (error, DKIM_ERROR_KEY, _ ("%s: too large for a key"), file);
    return true;
}

static int
open_key (const char *file, const char *user, GError **error)
{
    struct stat info;
    int fd;

    if (!check_directories (file, user, error))
        return -1;
    fd = open (file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat (fd, &info) < 0) {
        fail (error, DKIM_ERROR_KEY, "%s: %s", file,
              errno == ELOOP ? _ ("a symbolic link; name the file itself") : g_strerror (errno));
    } else if (check_file (file, &info, user, error)) {
        return fd;
    }
    if (fd >= 0)
        close (fd);
    return -1;
}

static gssize
read_all (int fd, guint8 *to, gsize size)
{
    gsize done = 0;

    while (done < size) {
        gssize n = read (fd, to + done, size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (gsize)n;
    }
    return (gssize)done;
}

/* A key with a passphrase is an error, never a question at the terminal. */
static int
no_passphrase (char *buffer, int size, int writing, void *data)
{
    return -1;
}

static EVP_PKEY *
parse_key (const guint8 *bytes, gsize size)
{
    BIO *bio = BIO_new_mem_buf (bytes, (int)size);
    EVP_PKEY *pkey = bio != NULL ? PEM_read_bio_PrivateKey (bio, NULL, no_passphrase, NULL) : NULL;

    BIO_free (bio);
    ERR_clear_error ();
    return pkey;
}

static bool
check_pkey (const char *file, EVP_PKEY *pkey, bool *weak, GError **error)
{
    int bits = EVP_PKEY_get_bits (pkey);

    *weak = false;
    if (EVP_PKEY_is_a (pkey, "ED25519"))
        return true;
    if (!EVP_PKEY_is_a (pkey, "RSA"))
        return fail (error, DKIM_ERROR_KEY, _ ("%s: wanted an RSA or Ed25519 key"), file);
    if (bits < RSA_LEAST_BITS || bits > RSA_MOST_BITS)
        return fail (error, DKIM_ERROR_KEY,
                     _ ("%s: an RSA key of %d bits; wanted 2048 (verifiers take 1024 to 8192)"),
                     file, bits);
    *weak = bits < RSA_GOOD_BITS;
    return true;
}

EVP_PKEY *
dkim_key_read (const char *file, const char *user, bool *weak, GError **error)
{
    g_autofree guint8 *bytes = NULL;
    EVP_PKEY *pkey = NULL;
    gssize size;
    int fd = open_key (file, user, error);

    if (fd < 0)
        return NULL;
    bytes = g_malloc (KEY_FILE_BYTES);
    size = read_all (fd, bytes, KEY_FILE_BYTES);
    close (fd);
    if (size < 0) {
        fail (error, DKIM_ERROR_KEY, "%s: %s", file, g_strerror (errno));
    } else {
        pkey = parse_key (bytes, (gsize)size);
        if (pkey == NULL)
            fail (error, DKIM_ERROR_KEY,
                  _ ("%s: no private key in PEM form without passphrase was found in it"), file);
    }
    OPENSSL_cleanse (bytes, KEY_FILE_BYTES);
    if (pkey != NULL && !check_pkey (file, pkey, weak, error))
        g_clear_pointer (&pkey, EVP_PKEY_free);
    return pkey;
}

/* --- Sections --------------------------------------------------------------------------------- */

static void
key_free (gpointer data)
{
    DkimKey *key = data;

    g_free (key->name);
    g_free (key->domain);
    g_free (key->selector);
    g_free (key->tenant);
    g_strfreev (key->headers);
    EVP_PKEY_free (key->pkey);
    g_free (key);
}

static char *
normalise_domain (const char *text)
{
    char *domain = g_ascii_strdown (text, -1);
    gsize size = strlen (domain);

    if (size > 0 && domain[size - 1] == '.')
        domain[size - 1] = '\0';
    return domain;
}

static bool
read_headers (DkimKey *key, const RelaisSection *section, GError **error)
{
    const gchar *const *list = relais_section_get_list (section, "headers");
    bool from = false;

    if (list[0] == NULL)
        return true;
    for (guint i = 0; list[i] != NULL; i++) {
        if (!dkim_field_name_is_good (list[i]))
            return fail (error, DKIM_ERROR_CONFIG, _ ("headers: '%s' is no field name"), list[i]);
        from |= g_ascii_strcasecmp (list[i], "From") == 0;
    }
    if (!from)
        return fail (error, DKIM_ERROR_CONFIG,
                     _ ("headers: From is missing; a signature must cover it"));
    key->headers = g_strdupv ((gchar **)list);
    return true;
}

static bool
read_names (DkimKey *key, const RelaisSection *section, GError **error)
{
    key->domain = normalise_domain (relais_section_get_string (section, "domain"));
    key->selector = g_strdup (relais_section_get_string (section, "selector"));
    key->tenant = g_strdup (relais_section_get_string (section, "tenant"));
    if (!dkim_domain_is_good (key->domain))
        return fail (error, DKIM_ERROR_CONFIG,
                     _ ("domain: '%s' is no domain name; write it in ASCII (A-labels)"),
                     key->domain);
    if (!dkim_selector_is_good (key->selector))
        return fail (error, DKIM_ERROR_CONFIG, _ ("selector: '%s' is no selector"), key->selector);
    return true;
}

static DkimKey *
key_new (const RelaisSection *section, const char *user, RelaisModule *module, GError **error)
{
    DkimKey *key = g_new0 (DkimKey, 1);
    guint32 canon = relais_section_get_enum (section, "canonicalization");
    const char *file = relais_section_get_string (section, "file");
    bool weak = false;

    key->name = g_strdup (relais_section_get_name (section));
    key->header = canon < 2 ? DKIM_RELAXED : DKIM_SIMPLE;
    key->body = canon % 2 == 0 ? DKIM_RELAXED : DKIM_SIMPLE;
    if (!read_names (key, section, error) || !read_headers (key, section, error) ||
        (key->pkey = dkim_key_read (file, user, &weak, error)) == NULL) {
        g_prefix_error (error, "[dkim-key %s] ", key->name);
        key_free (key);
        return NULL;
    }
    key->ed25519 = EVP_PKEY_is_a (key->pkey, "ED25519");
    if (weak)
        relais_log (module, RELAIS_LOG_WARNING, "[dkim-key %s]: RSA key of less than 2048 bits",
                    key->name);
    return key;
}

/* Two keys at one selector of one domain could not both be published. */
static bool
check_twins (const DkimConfig *config, const DkimKey *key, GError **error)
{
    const GPtrArray *same = g_hash_table_lookup (config->by_domain, key->domain);

    for (guint i = 0; same != NULL && i < same->len; i++) {
        const DkimKey *other = g_ptr_array_index (same, i);

        if (g_ascii_strcasecmp (other->selector, key->selector) == 0)
            return fail (error, DKIM_ERROR_CONFIG,
                         _ ("[dkim-key %s] and [dkim-key %s] have the same domain and selector; "
                            "give each its own selector"),
                         other->name, key->name);
    }
    return true;
}

static void
add_key (DkimConfig *config, DkimKey *key)
{
    GPtrArray *same = g_hash_table_lookup (config->by_domain, key->domain);

    if (same == NULL) {
        same = g_ptr_array_new ();
        g_hash_table_insert (config->by_domain, key->domain, same);
    }
    g_ptr_array_add (same, key);
    g_ptr_array_add (config->keys, key);
}

DkimConfig *
dkim_config_new (RelaisConfig *config, RelaisModule *module, GError **error)
{
    const RelaisSection *relais = relais_config_find_section (config, "relais", NULL);
    const RelaisSection *dkim = relais_config_find_section (config, "dkim", NULL);
    const char *user = relais_section_get_string (relais, "user");
    DkimConfig *result = g_new0 (DkimConfig, 1);

    result->keys = g_ptr_array_new_with_free_func (key_free);
    result->by_domain =
        g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_ptr_array_unref);
    result->send_unsigned = relais_section_get_enum (dkim, "missing_key") == 1;
    result->verify = relais_section_get_bool (dkim, "verify");
    result->verify_timeout_us = relais_section_get_int (dkim, "verify_timeout");
    result->sha256 = EVP_MD_fetch (NULL, "SHA256", NULL);
    if (result->sha256 == NULL) {
        fail (error, DKIM_ERROR_CONFIG, _ ("OpenSSL offers no SHA-256"));
        dkim_config_free (result);
        return NULL;
    }
    for (guint i = 0; i < relais_config_n_sections (config, "dkim-key"); i++) {
        DkimKey *key =
            key_new (relais_config_nth_section (config, "dkim-key", i), user, module, error);

        if (key == NULL || !check_twins (result, key, error)) {
            g_clear_pointer (&key, key_free);
            dkim_config_free (result);
            return NULL;
        }
        add_key (result, key);
    }
    return result;
}

void
dkim_config_free (gpointer data)
{
    DkimConfig *config = data;

    g_hash_table_unref (config->by_domain);
    g_ptr_array_unref (config->keys);
    EVP_MD_free (config->sha256);
    g_free (config);
}

void
dkim_config_find (const DkimConfig *config, const char *tenant, const char *domain, GPtrArray *keys)
{
    const GPtrArray *same = g_hash_table_lookup (config->by_domain, domain);

    for (guint i = 0; same != NULL && i < same->len; i++) {
        DkimKey *key = g_ptr_array_index (same, i);

        if (g_str_equal (key->tenant, tenant))
            g_ptr_array_add (keys, key);
    }
}
