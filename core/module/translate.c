/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Text by request language: the catalogues of the modules' gettext domains, read when the modules start, kept for ever,
 * looked into by any thread. The one table is the process's, as a gettext domain is.
 */
#include "config.h"

#include "module/catalogue-private.h"
#include "module/language-private.h"
#include "module/module-private.h"

#include <relais/translate.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LANGUAGES = 256 }; /* that a domain may have; the first by name */

/* All of it immutable once it is in the table. */
typedef struct {
    char **tags; /* NULL-terminated, sorted */
    guint n;
    RelaisCatalogue *catalogues; /* of the same order */
} Domain;

static GRWLock lock;
static GHashTable *domains; /* name -> Domain; under lock */

/* --- Reading ---------------------------------------------------------------------------------- */

/* "pt_BR" -> "pt-BR"; NULL for names that are none of a language and a country ("sr@latin"). Owned. */
static char *
tag_from_locale (const char *locale)
{
    const gsize size = strlen (locale);
    char *tag;

    if (size > RELAIS_LANGUAGE_TAG_BYTES)
        return NULL;
    for (gsize i = 0; i < size; i++)
        if (!g_ascii_isalnum (locale[i]) && locale[i] != '_')
            return NULL;
    tag = g_strdup (locale);
    return g_strdelimit (tag, "_", '-');
}

static bool
read_all (int fd, guint8 *bytes, gsize size)
{
    gsize done = 0;

    while (done < size) {
        const gssize n = read (fd, bytes + done, size - done);

        if (n <= 0)
            return false;
        done += (gsize)n;
    }
    return true;
}

/* What it reads is never freed. */
static const char *
read_catalogue (int fd, RelaisCatalogue *catalogue)
{
    struct stat info;
    guint8 *bytes;
    const char *why;

    if (fstat (fd, &info) != 0 || !S_ISREG (info.st_mode))
        return "it is no regular file";
    if (info.st_size > RELAIS_CATALOGUE_BYTES)
        return "it is too large";
    bytes = g_malloc ((gsize)info.st_size + 1);
    why = read_all (fd, bytes, (gsize)info.st_size)
              ? relais_catalogue_open (catalogue, bytes, (gsize)info.st_size)
              : "it cannot be read";
    if (why != NULL)
        g_free (bytes);
    return why;
}

/* False if there is none; one that is of no use is told of. */
static bool
load_catalogue (const char *dir, const char *locale, const char *domain, RelaisCatalogue *catalogue)
{
    g_autofree char *file = g_strconcat (domain, ".mo", NULL);
    g_autofree char *path = g_build_filename (dir, locale, "LC_MESSAGES", file, NULL);
    const int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const char *why;

    if (fd < 0)
        return false;
    why = read_catalogue (fd, catalogue);
    close (fd);
    if (why != NULL)
        g_warning ("translation %s is not used: %s", path, why);
    return why == NULL;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
    return strcmp (*(char *const *)a, *(char *const *)b);
}

/* Names of what lies in the directory, sorted. */
static GPtrArray *
list (const char *path)
{
    GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
    GDir *dir = g_dir_open (path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
        g_ptr_array_add (names, g_strdup (name));
    if (dir != NULL)
        g_dir_close (dir);
    g_ptr_array_sort (names, compare_names);
    return names;
}

static Domain *
load_domain (const char *dir, const char *name)
{
    g_autoptr (GPtrArray) locales = list (dir);
    g_autoptr (GPtrArray) tags = g_ptr_array_new ();
    g_autoptr (GArray) catalogues = g_array_new (FALSE, FALSE, sizeof (RelaisCatalogue));
    Domain *domain = g_new (Domain, 1);

    for (guint i = 0; i < locales->len && tags->len < LANGUAGES; i++) {
        g_autofree char *tag = tag_from_locale (g_ptr_array_index (locales, i));
        RelaisCatalogue catalogue;

        if (tag == NULL || !load_catalogue (dir, g_ptr_array_index (locales, i), name, &catalogue))
            continue;
        g_ptr_array_add (tags, g_steal_pointer (&tag));
        g_array_append_val (catalogues, catalogue);
    }
    domain->n = tags->len;
    g_ptr_array_add (tags, NULL);
    domain->tags = (char **)g_ptr_array_free (g_steal_pointer (&tags), FALSE);
    domain->catalogues =
        (RelaisCatalogue *)(gpointer)g_array_free (g_steal_pointer (&catalogues), FALSE);
    return domain;
}

void
relais_translations_load (const char *dir, const char *name)
{
    g_rw_lock_writer_lock (&lock);
    if (domains == NULL)
        domains = g_hash_table_new (g_str_hash, g_str_equal);
    if (!g_hash_table_contains (domains, name))
        g_hash_table_insert (domains, g_strdup (name), load_domain (dir, name));
    g_rw_lock_writer_unlock (&lock);
}

/* --- Looking up ------------------------------------------------------------------------------- */

static const Domain *
find_domain (const char *name)
{
    const Domain *domain;

    g_rw_lock_reader_lock (&lock);
    domain = domains != NULL ? g_hash_table_lookup (domains, name) : NULL;
    g_rw_lock_reader_unlock (&lock);
    return domain;
}

static int
choose (const Domain *domain, const char *accept)
{
    return domain != NULL
               ? relais_language_choose (accept, (const char *const *)domain->tags, domain->n)
               : -1;
}

const gchar *
relais_translate (const gchar *domain_name, const gchar *accept, const gchar *text)
{
    const Domain *domain = find_domain (domain_name);
    const int chosen = choose (domain, accept);
    const char *translation = chosen >= 0 && text[0] != '\0'
                                  ? relais_catalogue_find (&domain->catalogues[chosen], text)
                                  : NULL;

    /* one that msgfmt left empty is none */
    return translation != NULL && translation[0] != '\0' ? translation : text;
}

const gchar *
relais_translate_language (const gchar *domain_name, const gchar *accept)
{
    const Domain *domain = find_domain (domain_name);
    const int chosen = choose (domain, accept);

    return chosen >= 0 ? domain->tags[chosen] : "en";
}
