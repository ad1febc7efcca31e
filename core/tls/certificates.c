/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The certificates of a listener. Owns the names of the files, how they looked when they were last
 * read, and the context made of them, which the loop alone swaps. A worker compares and reads; it sees
 * names that never change and stamps that wait for it, since there is one check at a time.
 */
#include "config.h"

#include "tls/certificates-private.h"

#include "loop/loop-private.h"

#include <sys/stat.h>

/* What tells one state of a file from another. */
typedef struct {
    guint64 device, inode, size;
    gint64 changed_ns;
} Stamp;

struct RelaisCertificates {
    gatomicrefcount refs;
    char **files; /* certificate, key, then those with both */
    guint n;
    RelaisTlsUse use;
    Stamp *stamps; /* of the files as last read, for better or worse */
    RelaisTlsContext *context;
    bool checking;
};

typedef struct {
    RelaisCertificates *certificates;
    Stamp *stamps;
    RelaisTlsContext *context;
    GError *error;
} Check;

/* --- Reading ---------------------------------------------------------------------------------- */

static Stamp *
look (const RelaisCertificates *certificates)
{
    Stamp *stamps = g_new0 (Stamp, certificates->n);

    for (guint i = 0; i < certificates->n; i++) {
        struct stat facts;

        if (stat (certificates->files[i], &facts) == 0)
            stamps[i] =
                (Stamp){(guint64)facts.st_dev, (guint64)facts.st_ino, (guint64)facts.st_size,
                        (gint64)facts.st_mtim.tv_sec * 1000000000 + facts.st_mtim.tv_nsec};
    }
    return stamps;
}

static bool
are_same (const Stamp *a, const Stamp *b, guint n)
{
    for (guint i = 0; i < n; i++)
        if (a[i].device != b[i].device || a[i].inode != b[i].inode || a[i].size != b[i].size ||
            a[i].changed_ns != b[i].changed_ns)
            return false;
    return true;
}

/* For every name alike: from the client's hello on OpenSSL asks the name's own context for ciphers and ALPN. */
static RelaisTlsContext *
read_context (const RelaisCertificates *certificates, const char *certificate, const char *key,
              GError **error)
{
    g_autoptr (RelaisTlsContext) context = relais_tls_context_new_server (certificate, key, error);

    if (context != NULL && certificates->use == RELAIS_TLS_USE_HTTP)
        relais_tls_context_serve_http (context);
    if (context != NULL && certificates->use == RELAIS_TLS_USE_OLD_SMTP &&
        !relais_tls_context_serve_old (context, error))
        return NULL;
    return g_steal_pointer (&context);
}

static RelaisTlsContext *
read_files (const RelaisCertificates *certificates, GError **error)
{
    char *const *files = certificates->files;
    g_autoptr (RelaisTlsContext) context = read_context (certificates, files[0], files[1], error);

    for (guint i = 2; context != NULL && i < certificates->n; i++) {
        RelaisTlsContext *other = read_context (certificates, files[i], files[i], error);

        if (other == NULL)
            return NULL;
        relais_tls_context_add_names (context, other);
    }
    return g_steal_pointer (&context);
}

/* --- Life ------------------------------------------------------------------------------------- */

RelaisCertificates *
relais_certificates_new (const char *certificate, const char *key, const char *const *more,
                         RelaisTlsUse use, GError **error)
{
    g_autoptr (RelaisCertificates) certificates = g_new0 (RelaisCertificates, 1);
    g_autoptr (GStrvBuilder) files = g_strv_builder_new ();

    relais_assert_may_block ();
    g_strv_builder_add_many (files, certificate, key != NULL ? key : certificate, NULL);
    if (more != NULL)
        g_strv_builder_addv (files, (const char **)more);
    g_atomic_ref_count_init (&certificates->refs);
    certificates->files = g_strv_builder_end (files);
    certificates->n = g_strv_length (certificates->files);
    certificates->use = use;
    certificates->stamps = look (certificates);
    certificates->context = read_files (certificates, error);
    return certificates->context != NULL ? g_steal_pointer (&certificates) : NULL;
}

RelaisCertificates *
relais_certificates_ref (RelaisCertificates *certificates)
{
    g_atomic_ref_count_inc (&certificates->refs);
    return certificates;
}

void
relais_certificates_unref (RelaisCertificates *certificates)
{
    if (certificates == NULL || !g_atomic_ref_count_dec (&certificates->refs))
        return;
    relais_tls_context_unref (certificates->context);
    g_strfreev (certificates->files);
    g_free (certificates->stamps);
    g_free (certificates);
}

RelaisTlsContext *
relais_certificates_context (const RelaisCertificates *certificates)
{
    return certificates->context;
}

void
relais_certificates_turn_tickets (RelaisCertificates *certificates, gint64 now_us, gint64 age_us)
{
    (void)relais_tls_context_turn_tickets (certificates->context, now_us, age_us);
}

/* --- Checks ----------------------------------------------------------------------------------- */

static void
work (gpointer data)
{
    Check *check = data;
    const RelaisCertificates *certificates = check->certificates;

    check->stamps = look (certificates);
    if (are_same (check->stamps, certificates->stamps, certificates->n))
        g_clear_pointer (&check->stamps, g_free);
    else
        check->context = read_files (certificates, &check->error);
}

static void
finish (gpointer data)
{
    Check *check = data;
    RelaisCertificates *certificates = check->certificates;

    certificates->checking = false;
    if (check->stamps != NULL) {
        g_free (certificates->stamps);
        certificates->stamps = check->stamps;
    }
    if (check->context != NULL) {
        relais_tls_context_unref (certificates->context);
        certificates->context = check->context;
        g_message ("the certificate \"%s\" was read anew", certificates->files[0]);
    }
    if (check->error != NULL)
        g_warning ("the certificate stays as it was: %s", check->error->message);
    g_clear_error (&check->error);
    relais_certificates_unref (certificates);
    g_free (check);
}

void
relais_certificates_check (RelaisCertificates *certificates, RelaisPool *pool)
{
    Check *check;

    if (certificates->checking)
        return;
    check = g_new0 (Check, 1);
    check->certificates = relais_certificates_ref (certificates);
    certificates->checking = relais_pool_run (pool, work, finish, check);
    if (certificates->checking)
        return;
    relais_certificates_unref (certificates);
    g_free (check);
}
