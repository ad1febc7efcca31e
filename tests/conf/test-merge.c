/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/conf: what is in force after a configuration was read again. Each case is two texts, the changes
 * that are told, word for word, and values of the result.
 */
#include "config.h"

#include "conf/conf-private.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static const RelaisOption module_options[] = {
    {"noise", "rate", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE | RELAIS_OPTION_TENANT, "1", 0,
     100, NULL, "rate"},
    {"noise", "seed", RELAIS_OPTION_INT, 0, "1", 0, 100, NULL, "seed"},
    {"noise", "password", RELAIS_OPTION_SECRET, 0, NULL, 0, 0, NULL, "password"},
    {"noise-tone", "pitch", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, "1", 0, 100, NULL,
     "pitch"},
    {"noise-pipe", "length", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, "1", 0, 100, NULL,
     "length"},
    {"noise-pipe", "metal", RELAIS_OPTION_INT, 0, "1", 0, 100, NULL, "metal"},
};

static const RelaisOption other_option = {
    "tenant", "depth", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, "1", 0, 100, NULL, "depth"};

typedef struct {
    char *dir, *file;
    RelaisSchema *schema;
    GPtrArray *findings, *changes;
    RelaisConfig *old;
} Fixture;

static void
add_noise (RelaisSchema *schema)
{
    g_assert_true (relais_schema_add_module (schema, "noise", module_options,
                                             G_N_ELEMENTS (module_options),
                                             sizeof module_options[0], NULL));
}

static void
add_other (RelaisSchema *schema)
{
    g_assert_true (relais_schema_add_module (schema, "other-one", &other_option, 1,
                                             sizeof other_option, NULL));
}

static RelaisConfig *
read_text (Fixture *f, const char *text)
{
    const char *const dirs[] = {f->dir, NULL};
    RelaisConfig *config;

    g_remove (f->file);
    g_assert_true (g_file_set_contents (f->file, text, -1, NULL));
    config = relais_config_read (f->schema, dirs, f->findings);
    g_assert_cmpuint (f->findings->len, ==, 0);
    g_assert_nonnull (config);
    return config;
}

static void
fixture_init (Fixture *f, const char *text)
{
    *f = (Fixture){.dir = g_dir_make_tmp ("relais-merge-XXXXXX", NULL)};
    g_assert_nonnull (f->dir);
    f->file = g_build_filename (f->dir, "a.conf", NULL);
    f->schema = relais_schema_new ();
    f->findings = relais_config_findings_new ();
    f->changes = relais_config_changes_new ();
    add_noise (f->schema);
    add_other (f->schema);
    f->old = read_text (f, text);
}

static void
fixture_clear (Fixture *f)
{
    g_remove (f->file);
    g_assert_cmpint (g_rmdir (f->dir), ==, 0);
    g_free (f->file);
    g_free (f->dir);
    g_ptr_array_unref (f->findings);
    g_ptr_array_unref (f->changes);
    relais_config_unref (f->old);
    relais_schema_free (f->schema);
}

static char *
changes_text (const Fixture *f)
{
    g_autoptr (GString) text = g_string_new (NULL);
    g_autofree char *prefix = g_strconcat (f->dir, "/", NULL);

    for (guint i = 0; i < f->changes->len; i++) {
        const RelaisConfigChange *c = g_ptr_array_index (f->changes, i);

        g_string_append_printf (text, "%s %s %s %s>%s %s\n", c->applies ? "now" : "restart",
                                c->section, c->key != NULL ? c->key : "-",
                                c->old_value != NULL ? c->old_value : "-",
                                c->new_value != NULL ? c->new_value : "-", c->origin);
    }
    g_string_replace (text, prefix, "", 0);
    return g_string_free (g_steal_pointer (&text), FALSE);
}

static RelaisConfig *
merge (Fixture *f, const char *text)
{
    RelaisSchema *schema = relais_schema_new ();

    /* Of the second reading: what it knows stands in another order. */
    add_other (schema);
    add_noise (schema);
    relais_schema_free (f->schema);
    f->schema = schema;
    g_autoptr (RelaisConfig) fresh = read_text (f, text);

    return relais_config_merge (f->old, fresh, f->changes, f->findings);
}

/* Checks the changes; the result for the caller to look at. */
static RelaisConfig *
expect (Fixture *f, const char *text, const char *wanted)
{
    RelaisConfig *made = merge (f, text);
    g_autofree char *found = changes_text (f);

    g_assert_cmpstr (found, ==, wanted);
    g_assert_nonnull (made);
    return made;
}

static gint64
number (const RelaisConfig *config, const char *kind, const char *name, const char *key)
{
    const RelaisSection *section = relais_config_find_section (config, kind, name);

    g_assert_nonnull (section);
    return relais_section_get_int (section, key);
}

/* --- Keys ------------------------------------------------------------------------------------- */

static void
test_same (void)
{
    const char *text = "[listener a]\nport = 2525\n[tenant t]\nweight = 3\n";
    Fixture f;

    fixture_init (&f, text);
    g_autoptr (RelaisConfig) made = expect (&f, text, "");

    g_assert_cmpint (number (made, "listener", "a", "port"), ==, 2525);
    g_assert_cmpint (number (made, "tenant", "t", "weight"), ==, 3);
    g_clear_pointer (&made, relais_config_unref);
    fixture_clear (&f);
}

static void
test_keys (void)
{
    Fixture f;

    fixture_init (&f, "[queue]\nconnections = 10\nidle_time = 5s\n[relais]\nworkers = 2\n"
                      "[noise]\nseed = 4\npassword = old\n");
    g_autoptr (RelaisConfig) made = expect (&f,
                                            "[queue]\nconnections = 20\n[relais]\nworkers = 4\n"
                                            "[noise]\nrate = 9\npassword = new\n",
                                            "now [queue] connections 10>20 a.conf:2\n"
                                            "now [queue] idle_time 5s>2s a.conf:3\n"
                                            "restart [relais] workers 2>4 a.conf:4\n"
                                            "now [noise] rate 1>9 a.conf:6\n"
                                            "restart [noise] seed 4>1 a.conf:7\n"
                                            "restart [noise] password (set)>(set) a.conf:7\n");

    g_assert_cmpint (number (made, "queue", NULL, "connections"), ==, 20);
    g_assert_cmpint (number (made, "queue", NULL, "idle_time"), ==, 2 * G_USEC_PER_SEC);
    g_assert_cmpint (number (made, "relais", NULL, "workers"), ==, 2);
    g_assert_cmpint (number (made, "noise", NULL, "seed"), ==, 4);
    g_assert_cmpstr (
        relais_section_get_string (relais_config_find_section (made, "noise", NULL), "password"),
        ==, "old");
    g_clear_pointer (&made, relais_config_unref);
    fixture_clear (&f);
}

/* Lists, durations, and an origin that moved without a change of value. */
static void
test_values (void)
{
    Fixture f;

    fixture_init (&f, "[tenant t]\ndomains = a.test b.test\n[class bulk]\nretry = 1m 2m\n");
    g_autoptr (RelaisConfig) made =
        expect (&f, "\n[tenant t]\ndomains = b.test, a.test\n[class bulk]\nretry = 1m 2m\n",
                "now [tenant t] domains a.test, b.test>b.test, a.test a.conf:3\n");
    const RelaisSection *bulk = relais_config_find_section (made, "class", "bulk");
    gsize n;

    g_assert_true (g_str_has_suffix (relais_section_get_origin (bulk, "retry"), "a.conf:5"));
    g_assert_cmpint (relais_section_get_durations (bulk, "retry", &n)[1], ==, 120 * G_USEC_PER_SEC);
    g_assert_cmpuint (n, ==, 2);
    g_clear_pointer (&made, relais_config_unref);
    fixture_clear (&f);
}

/* --- Sections --------------------------------------------------------------------------------- */

static void
test_sections (void)
{
    Fixture f;

    fixture_init (&f, "[tenant old]\nweight = 3\n[listener a]\nport = 1\n[listener b]\nport = 2\n"
                      "[noise-tone x]\npitch = 5\n[noise-pipe y]\nlength = 5\n");
    g_autoptr (RelaisConfig) made =
        expect (&f,
                "[tenant fresh]\nnoise.rate = 3\n[listener a]\nport = 1\n[listener c]\nport = 3\n"
                "[noise-tone z]\n[noise-pipe z]\n",
                "now [tenant fresh] - absent>there a.conf:1\n"
                "restart [listener c] - absent>there a.conf:5\n"
                "now [noise-tone z] - absent>there a.conf:7\n"
                "restart [noise-pipe z] - absent>there a.conf:8\n"
                "now [tenant old] - there>absent a.conf:1\n"
                "restart [listener b] - there>absent a.conf:5\n"
                "now [noise-tone x] - there>absent a.conf:7\n"
                "restart [noise-pipe y] - there>absent a.conf:9\n");

    g_assert_cmpuint (relais_config_n_sections (made, "tenant"), ==, 1);
    g_assert_cmpint (number (made, "tenant", "fresh", "noise.rate"), ==, 3);
    g_assert_cmpuint (relais_config_n_sections (made, "listener"), ==, 2);
    g_assert_cmpint (number (made, "listener", "b", "port"), ==, 2);
    g_assert_cmpuint (relais_config_n_sections (made, "noise-tone"), ==, 1);
    g_assert_cmpint (number (made, "noise-pipe", "y", "length"), ==, 5);
    g_clear_pointer (&made, relais_config_unref);
    fixture_clear (&f);
}

/* The sections that are there without any file. */
static void
test_implied (void)
{
    Fixture f;

    fixture_init (&f, "");
    g_autoptr (RelaisConfig) made = expect (&f, "[listener a]\nport = 1\n",
                                            "restart [listener a] - absent>there a.conf:1\n"
                                            "restart [listener default] - there>absent default\n");

    g_assert_cmpuint (relais_config_n_sections (made, "listener"), ==, 1);
    g_assert_cmpint (number (made, "listener", "default", "port"), ==, 25);
    g_clear_pointer (&made, relais_config_unref);
    fixture_clear (&f);
}

static void
test_modules (void)
{
    Fixture f;

    fixture_init (&f, "[module noise]\nenable = yes\n[module gone]\nenable = yes\n[module off]\n");
    g_autoptr (RelaisConfig) made =
        expect (&f, "[module noise]\nenable = no\n[module other]\nenable = yes\n[module idle]\n",
                "restart [module noise] enable yes>no a.conf:2\n"
                "restart [module other] enable no>yes a.conf:4\n"
                "restart [module gone] enable yes>no a.conf:4\n");

    g_assert_true (
        relais_section_get_bool (relais_config_find_section (made, "module", "noise"), "enable"));
    g_assert_true (
        relais_section_get_bool (relais_config_find_section (made, "module", "gone"), "enable"));
    g_assert_false (
        relais_section_get_bool (relais_config_find_section (made, "module", "other"), "enable"));
    g_clear_pointer (&made, relais_config_unref);
    fixture_clear (&f);
}

/* A listener that stays names a tenant that goes. */
static void
test_unfit (void)
{
    Fixture f;

    fixture_init (&f, "[tenant t]\n[listener a]\ntenant = t\n[listener b]\n");
    g_assert_null (merge (&f, "[listener b]\n"));
    g_assert_cmpuint (f.findings->len, ==, 1);
    g_assert_cmpstr (((RelaisConfigFinding *)g_ptr_array_index (f.findings, 0))->text, ==,
                     "tenant: there is no [tenant t]");
    fixture_clear (&f);
}

/* What only warns, and was told when the files were read, refuses nothing and is told once. */
static void
test_warning (void)
{
    static const char *const text = "[class bulk]\ndelay_notice = 5d\n[queue]\nconnections = 20\n";
    Fixture f;

    fixture_init (&f, "");
    const char *const dirs[] = {f.dir, NULL};

    g_remove (f.file);
    g_assert_true (g_file_set_contents (f.file, text, -1, NULL));
    g_autoptr (RelaisConfig) fresh = relais_config_read (f.schema, dirs, f.findings);

    g_assert_nonnull (fresh);
    g_assert_cmpuint (f.findings->len, ==, 1);
    g_autoptr (RelaisConfig) made = relais_config_merge (f.old, fresh, f.changes, f.findings);

    g_assert_nonnull (made);
    g_assert_cmpuint (f.findings->len, ==, 1);
    g_assert_cmpint (number (made, "queue", NULL, "connections"), ==, 20);
    g_clear_pointer (&fresh, relais_config_unref);
    g_clear_pointer (&made, relais_config_unref);
    fixture_clear (&f);
}

static void
test_peek (void)
{
    Fixture f;

    fixture_init (&f, "");
    const char *const dirs[] = {f.dir, NULL};
    const char *text = "[nonsense\n[relais]\nrun_dir = /a\nrun_dir = /b\n[relais x]\nrun_dir = /c\n"
                       "nonsense\n[queue]\nrun_dir = /d\n";
    g_autofree char *none = relais_config_peek (dirs, "relais", "run_dir");

    g_assert_null (none);
    g_remove (f.file);
    g_assert_true (g_file_set_contents (f.file, text, -1, NULL));
    g_autofree char *found = relais_config_peek (dirs, "relais", "run_dir");

    g_assert_cmpstr (found, ==, "/b");
    fixture_clear (&f);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/conf/merge/same", test_same);
    g_test_add_func ("/conf/merge/keys", test_keys);
    g_test_add_func ("/conf/merge/values", test_values);
    g_test_add_func ("/conf/merge/sections", test_sections);
    g_test_add_func ("/conf/merge/implied", test_implied);
    g_test_add_func ("/conf/merge/modules", test_modules);
    g_test_add_func ("/conf/merge/unfit", test_unfit);
    g_test_add_func ("/conf/merge/warning", test_warning);
    g_test_add_func ("/conf/peek", test_peek);
    return g_test_run ();
}
