/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/conf: every message that a wrong file gets, word for word; getters, defaults, the order in
 * which files override; what --dump prints, read again; random bytes.
 */
#include "config.h"

#include "conf/conf-private.h"
#include "conf/line-private.h"
#include "conf/nearest-private.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* --- A directory of files --------------------------------------------------------------------- */

typedef struct {
    char *path;
    GPtrArray *findings;
    RelaisSchema *schema;
} Fixture;

static void
put (const Fixture *f, const char *name, const char *text, gssize size)
{
    g_autofree char *path = g_build_filename (f->path, name, NULL);

    g_assert_true (g_file_set_contents (path, text, size, NULL));
}

static void
fixture_init (Fixture *f)
{
    f->path = g_dir_make_tmp ("relais-conf-XXXXXX", NULL);
    g_assert_nonnull (f->path);
    f->findings = relais_config_findings_new ();
    f->schema = relais_schema_new ();
}

static void
fixture_clear (Fixture *f)
{
    GDir *dir = g_dir_open (f->path, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *path = g_build_filename (f->path, name, NULL);

        g_remove (path);
    }
    g_dir_close (dir);
    g_assert_cmpint (g_rmdir (f->path), ==, 0);
    g_free (f->path);
    g_ptr_array_unref (f->findings);
    relais_schema_free (f->schema);
}

static RelaisConfig *
read_config (Fixture *f)
{
    const char *const dirs[] = {f->path, NULL};

    g_ptr_array_set_size (f->findings, 0);
    return relais_config_read (f->schema, dirs, f->findings);
}

/* The findings, a line each, without the directory. */
static char *
findings_text (const Fixture *f)
{
    g_autoptr (GString) text = g_string_new (NULL);
    g_autofree char *prefix = g_strconcat (f->path, "/", NULL);

    for (guint i = 0; i < f->findings->len; i++) {
        g_autofree char *one = relais_config_finding_to_string (g_ptr_array_index (f->findings, i));

        g_string_append_printf (text, "%s%s", i > 0 ? "\n" : "", one);
    }
    g_string_replace (text, prefix, "", 0);
    return g_string_free (g_steal_pointer (&text), FALSE);
}

static const RelaisSection *
section (const RelaisConfig *config, const char *kind, const char *name)
{
    const RelaisSection *found = relais_config_find_section (config, kind, name);

    g_assert_nonnull (found);
    return found;
}

/* --- Defaults --------------------------------------------------------------------------------- */

static void
test_empty (void)
{
    Fixture f;
    gsize n;

    fixture_init (&f);
    g_autoptr (RelaisConfig) config = read_config (&f);

    g_assert_nonnull (config);
    g_assert_cmpuint (f.findings->len, ==, 0);
    g_assert_cmpuint (relais_config_n_sections (config, "listener"), ==, 1);
    g_assert_cmpuint (relais_config_n_sections (config, "source"), ==, 1);
    g_assert_cmpuint (relais_config_n_sections (config, "class"), ==, 2);
    g_assert_cmpuint (relais_config_n_sections (config, "tenant"), ==, 0);
    g_assert_cmpuint (relais_config_n_sections (config, "nonsense"), ==, 0);
    g_assert_null (relais_config_find_section (config, "tenant", "x"));
    g_assert_null (relais_config_nth_section (config, "listener", 1));

    const RelaisSection *listener = relais_config_nth_section (config, "listener", 0);

    g_assert_cmpstr (relais_section_get_name (listener), ==, "default");
    g_assert_cmpint (relais_section_get_int (listener, "port"), ==, 25);
    g_assert_cmpstr (relais_section_get_list (listener, "address")[0], ==, "127.0.0.1");
    g_assert_null (relais_section_get_list (listener, "trusted_nets")[0]);
    g_assert_null (relais_section_get_string (listener, "tenant"));
    g_assert_cmpstr (relais_section_get_origin (listener, "port"), ==, "default");
    g_assert_false (relais_section_is_set (listener, "port"));
    g_assert_cmpint (relais_section_get_int (section (config, "spool", NULL), "segment_size"), ==,
                     64 << 20);
    g_assert_cmpint (relais_section_get_int (section (config, "limits", NULL), "message_size"), ==,
                     50 << 20);
    g_assert_cmpstr (relais_section_get_name (section (config, "relais", NULL)), ==, "");

    const gint64 *waits =
        relais_section_get_durations (section (config, "class", "transactional"), "retry", &n);

    g_assert_cmpuint (n, ==, 7);
    g_assert_cmpint (waits[0], ==, 60 * G_USEC_PER_SEC);
    g_assert_cmpint (waits[6], ==, 3600 * (gint64)G_USEC_PER_SEC);
    waits = relais_section_get_durations (section (config, "class", "bulk"), "retry", &n);
    g_assert_cmpint (waits[0], ==, 300 * G_USEC_PER_SEC);
    g_assert_cmpint (relais_section_get_int (section (config, "class", "bulk"), "lifetime"), ==,
                     5 * 86400 * (gint64)G_USEC_PER_SEC);
    fixture_clear (&f);
}

/* --- Override order --------------------------------------------------------------------------- */

static void
test_override (void)
{
    Fixture f;

    fixture_init (&f);
    put (&f, "10-b.conf",
         "[listener two]\n"
         "port = 2\n"
         "trusted_nets = 192.0.2.0/24\n"
         "trusted_nets = 198.51.100.1, 2001:db8::/32\n"
         "[listener one]\n"
         "port = 1\n",
         -1);
    put (&f, "20-a.conf",
         "[listener one]\n"
         "port = 11\n"
         "[domain Example.ORG]\n"
         "[relais]\n"
         "user =\n",
         -1);
    put (&f, "00-first.conf", "[relais]\nuser = nobody\nhostname = a.example\n", -1);
    put (&f, ".hidden.conf", "rubbish", -1);
    put (&f, "10-b.conf~", "rubbish", -1);
    put (&f, "10-b.conf.dpkg-new", "rubbish", -1);
    put (&f, "README", "rubbish", -1);
    g_autoptr (RelaisConfig) config = read_config (&f);
    g_autofree char *found = findings_text (&f);

    g_assert_cmpstr (found, ==, "README: warning: not read: its name does not end in .conf");
    g_assert_nonnull (config);
    g_assert_cmpuint (relais_config_n_sections (config, "listener"), ==, 2);
    g_assert_cmpstr (relais_section_get_name (relais_config_nth_section (config, "listener", 0)),
                     ==, "two");

    const RelaisSection *one = section (config, "listener", "one");
    const char *const *nets =
        relais_section_get_list (section (config, "listener", "two"), "trusted_nets");

    g_assert_cmpint (relais_section_get_int (one, "port"), ==, 11);
    g_assert_true (relais_section_is_set (one, "port"));
    g_assert_true (g_str_has_suffix (relais_section_get_origin (one, "port"), "/20-a.conf:2"));
    g_assert_cmpuint (g_strv_length ((char **)nets), ==, 3);
    g_assert_cmpstr (nets[2], ==, "2001:db8::/32");
    g_assert_cmpstr (relais_section_get_name (section (config, "domain", "example.ORG")), ==,
                     "example.org");
    g_assert_cmpstr (relais_section_get_string (section (config, "relais", NULL), "user"), ==,
                     "relais");
    g_assert_cmpstr (relais_section_get_string (section (config, "relais", NULL), "hostname"), ==,
                     "a.example");
    fixture_clear (&f);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/conf/empty", test_empty);
    g_test_add_func ("/conf/override", test_override);
    return g_test_run ();
}
