/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl dkim keygen`: makes a key pair, writes the private key where only the daemon can read it,
 * and says which record to publish where. Runs in relaisctl, as its caller; blocks.
 */
#include "verify.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_BYTES = 250, LEAST_BITS = 2048, MOST_BITS = 4096 };

static bool
fail_path (GError **error, const char *path)
{
    int saved = errno;

    g_set_error (error, DKIM_ERROR, DKIM_ERROR_KEY, "%s: %s", path, g_strerror (saved));
    return false;
}

/* --- The record ------------------------------------------------------------------------------- */

/* The record in zone-file form: strings of at most 255 octets, one a line. */
static char *
record_text (const DkimKeygen *options, EVP_PKEY *pkey)
{
    g_autofree char *p = dkim_public_text (pkey, options->ed25519);
    g_autofree char *value = NULL;
    GString *record;
    gsize size;

    if (p == NULL)
        return NULL;
    value = g_strdup_printf ("v=DKIM1; k=%s; p=%s", options->ed25519 ? "ed25519" : "rsa", p);
    size = strlen (value);
    record = g_string_new (NULL);
    g_string_printf (record, "%s._domainkey.%s. IN TXT (", options->selector, options->domain);
    for (gsize at = 0; at < size; at += CHUNK_BYTES)
        g_string_append_printf (record, "\n    \"%.*s\"", (int)MIN (CHUNK_BYTES, size - at),
                                value + at);
    g_string_append (record, " )");
    return g_string_free (record, FALSE);
}

/* --- The file --------------------------------------------------------------------------------- */

static bool
write_all (int fd, const char *bytes, gsize size)
{
    gsize done = 0;

    while (done < size) {
        gssize n = write (fd, bytes + done, size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        done += (gsize)n;
    }
    return true;
}

/* As root the key becomes the daemon's; a user that does not exist yet leaves it root's. */
static bool
give_to (int fd, const char *owner)
{
    const struct passwd *entry = geteuid () == 0 && owner != NULL ? getpwnam (owner) : NULL;

    return entry == NULL || fchown (fd, entry->pw_uid, entry->pw_gid) == 0;
}

static bool
make_dir (const char *dir, const char *owner, GError **error)
{
    bool made = mkdir (dir, 0700) == 0;
    bool good;
    int fd;

    if (!made && errno != EEXIST)
        return fail_path (error, dir);
    if (!made)
        return true;
    fd = open (dir, O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW);
    good = fd >= 0 && give_to (fd, owner);
    if (!good)
        fail_path (error, dir);
    if (fd >= 0)
        close (fd);
    return good;
}

static bool
fill_file (int fd, const char *pem, gsize size, const char *owner)
{
    bool good = fchmod (fd, 0600) == 0 && give_to (fd, owner) && write_all (fd, pem, size) &&
                fsync (fd) == 0;

    return close (fd) == 0 && good;
}

static void
sync_dir (const char *dir)
{
    int fd = open (dir, O_RDONLY | O_CLOEXEC | O_DIRECTORY);

    if (fd >= 0) {
        (void)fsync (fd);
        close (fd);
    }
}

/* Written under another name first, so that the file is whole or not there; without `force` a file that
 * is there stays (link (2) does not replace). */
static bool
write_key (const DkimKeygen *options, const char *file, const char *pem, gsize size, GError **error)
{
    g_autofree char *part = g_strdup_printf ("%s.%ld.part", file, (long)getpid ());
    int fd = open (part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool good;

    if (fd < 0)
        return fail_path (error, part);
    if (!fill_file (fd, pem, size, options->owner)) {
        fail_path (error, part);
        unlink (part);
        return false;
    }
    good = (options->force ? rename (part, file) : link (part, file)) == 0;
    if (!good && errno == EEXIST)
        g_set_error (error, DKIM_ERROR, DKIM_ERROR_KEY,
                     _ ("%s: there is a key already; choose another --selector, or --force"), file);
    else if (!good)
        fail_path (error, file);
    unlink (part);
    sync_dir (options->dir);
    return good;
}

static bool
save_key (const DkimKeygen *options, EVP_PKEY *pkey, const char *file, GError **error)
{
    BIO *bio = BIO_new (BIO_s_secmem ());
    char *pem = NULL;
    long size = 0;
    bool good = false;

    if (bio != NULL && PEM_write_bio_PrivateKey (bio, pkey, NULL, NULL, 0, NULL, NULL) == 1)
        size = BIO_get_mem_data (bio, &pem);
    if (size <= 0)
        g_set_error (error, DKIM_ERROR, DKIM_ERROR_KEY, _ ("OpenSSL could not write the key"));
    else
        good = make_dir (options->dir, options->owner, error) &&
               write_key (options, file, pem, (gsize)size, error);
    BIO_free (bio);
    return good;
}

char *
dkim_keygen (const DkimKeygen *options, char **file, GError **error)
{
    g_autofree char *base = g_strdup_printf ("%s.%s.key", options->domain, options->selector);
    g_autofree char *path = g_build_filename (options->dir, base, NULL);
    EVP_PKEY *pkey = options->ed25519
                         ? EVP_PKEY_Q_keygen (NULL, NULL, "ED25519")
                         : EVP_PKEY_Q_keygen (NULL, NULL, "RSA", (size_t)options->bits);
    char *record = pkey != NULL ? record_text (options, pkey) : NULL;

    if (record == NULL)
        g_set_error (error, DKIM_ERROR, DKIM_ERROR_KEY, _ ("OpenSSL could not make a key"));
    else if (!save_key (options, pkey, path, error))
        g_clear_pointer (&record, g_free);
    else
        *file = g_steal_pointer (&path);
    EVP_PKEY_free (pkey);
    return record;
}

/* --- The command ------------------------------------------------------------------------------ */

static bool
covers (const char *pattern, const char *domain)
{
    if (g_str_has_prefix (pattern, "*."))
        return g_str_has_suffix (domain, pattern + 1);
    return g_ascii_strcasecmp (pattern, domain) == 0;
}

/* The tenant that may send from the domain, for the lines to be added; NULL if none is known. */
static const char *
find_tenant (RelaisConfig *config, const char *domain)
{
    guint n = relais_config_n_sections (config, "tenant");

    for (guint i = 0; i < n; i++) {
        const RelaisSection *section = relais_config_nth_section (config, "tenant", i);
        const gchar *const *domains = relais_section_get_list (section, "domains");

        for (guint k = 0; domains[k] != NULL; k++)
            if (covers (domains[k], domain))
                return relais_section_get_name (section);
    }
    return NULL;
}

static const char *
option_or (RelaisCommandCall *call, const char *name, const char *otherwise)
{
    const char *value = relais_command_option (call, name);

    return value != NULL ? value : otherwise;
}

static bool
parse_bits (const char *text, int *bits)
{
    guint64 value;

    if (!g_ascii_string_to_unsigned (text, 10, LEAST_BITS, MOST_BITS, &value, NULL))
        return false;
    *bits = (int)value;
    return true;
}

/* NULL, or what is wrong with the arguments. */
static const char *
read_arguments (RelaisCommandCall *call, DkimKeygen *options)
{
    const char *type = option_or (call, "type", "rsa");

    if (relais_command_n_args (call) != 1)
        return _ ("wanted one DOMAIN");
    options->ed25519 = g_str_equal (type, "ed25519");
    if (!options->ed25519 && !g_str_equal (type, "rsa"))
        return _ ("--type: wanted rsa or ed25519");
    if (!parse_bits (option_or (call, "bits", "2048"), &options->bits))
        return _ ("--bits: wanted a number from 2048 to 4096");
    options->selector = option_or (call, "selector", options->ed25519 ? "e1" : "s1");
    options->force = relais_command_option (call, "force") != NULL;
    if (!dkim_domain_is_good (options->domain))
        return _ ("no domain name; write it in ASCII (A-labels)");
    if (!dkim_selector_is_good (options->selector))
        return _ ("--selector: no selector");
    return NULL;
}

static void
tell (RelaisCommandCall *call, const DkimKeygen *options, const char *file, const char *record,
      RelaisConfig *config)
{
    const char *tenant = find_tenant (config, options->domain);
    g_auto (GStrv) parts = g_strsplit (record, "\n    ", -1);
    g_autofree char *one_line = g_strjoinv (" ", parts);
    g_autofree char *publish = g_strdup_printf (
        _ ("Publish this in the zone that holds %s, at the name %s._domainkey.%s:"),
        options->domain, options->selector, options->domain);
    g_autofree char *lines =
        g_strdup_printf ("[dkim-key %s-%s]\ndomain = %s\nselector = %s\ntenant = %s\nfile = %s",
                         options->domain, options->selector, options->domain, options->selector,
                         tenant != NULL ? tenant : "TENANT", file);

    relais_command_put (call, "file", file);
    relais_command_put (call, "name", options->domain);
    relais_command_put (call, "selector", options->selector);
    relais_command_put (call, "record", one_line);
    relais_command_end_row (call);
    relais_command_note (call, publish);
    relais_command_note (call, record);
    relais_command_note (
        call, _ ("Once the record can be looked up, add to a file in conf.d and reload:"));
    relais_command_note (call, lines);
    if (tenant == NULL)
        relais_command_note (
            call, _ ("No tenant has this domain yet: name the one whose mail is to be signed."));
    relais_command_finish (call);
}

void
dkim_command_keygen (RelaisCommandCall *call, gpointer data)
{
    RelaisConfig *config = relais_command_config (call);
    const RelaisSection *relais = relais_config_find_section (config, "relais", NULL);
    const RelaisSection *dkim = relais_config_find_section (config, "dkim", NULL);
    g_autofree char *domain = NULL, *file = NULL, *record = NULL;
    g_autoptr (GError) error = NULL;
    DkimKeygen options = {0};
    const char *problem;

    if (relais_command_n_args (call) > 0)
        domain = g_ascii_strdown (relais_command_arg (call, 0), -1);
    options.domain = domain;
    options.dir = option_or (call, "dir", relais_section_get_string (dkim, "key_dir"));
    options.owner = relais_section_get_string (relais, "user");
    problem = read_arguments (call, &options);
    if (problem != NULL) {
        relais_command_fail (call, RELAIS_EXIT_USAGE, problem);
        return;
    }
    record = dkim_keygen (&options, &file, &error);
    if (record == NULL)
        relais_command_fail (call, RELAIS_EXIT_REFUSED, error->message);
    else
        tell (call, &options, file, record, config);
}
