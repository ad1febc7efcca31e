/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Configuration (core/conf/line.c, read.c, value.c, check.c). Properties: a file is taken or an error
 * says why, never both; each finding has a text, and a line that the file has; what is in force,
 * written out as a file, is read again without a finding of its own and gives the same values.
 *
 * Parsers: core/conf/check.c, core/conf/line.c, core/conf/read.c, core/conf/value.c.
 */
#include "config.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "conf/conf-private.h"
#include "conf/line-private.h"
#include "fuzz.h"

static const char *const words[] = {"[relais]\n",
                                    "[listener x]\n",
                                    "[tenant t]\n",
                                    "[route r.test]\n",
                                    "[limits]\n",
                                    "[class bulk]\n",
                                    "[module dkim]\n",
                                    "[source s]\n",
                                    "\nport = ",
                                    "\nhostname = ",
                                    "\nretry = 5m 1h\n",
                                    "\ndomains = a.test, b.test\n",
                                    "\nhost = 127.0.0.1\n",
                                    "\naddress = ::\n",
                                    "\nenable = yes\n",
                                    "= ",
                                    "#",
                                    ", ",
                                    "5m",
                                    "1G",
                                    "yes",
                                    "99999999999999999999",
                                    NULL};
const FuzzTarget fuzz_target = {3000, words};

static char *dir;

static void
remove_dir (void)
{
    g_autofree char *path = g_build_filename (dir, "site.conf", NULL);

    g_unlink (path);
    g_rmdir (dir);
}

static RelaisConfig *
read_as_file (const RelaisSchema *schema, const char *bytes, gsize size, GPtrArray *findings)
{
    const char *const dirs[] = {dir, NULL};
    g_autofree char *path = g_build_filename (dir, "site.conf", NULL);
    const int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    g_assert_true (fd >= 0 && write (fd, bytes, size) == (gssize)size);
    close (fd);
    return relais_config_read (schema, dirs, findings);
}

static void
check_findings (const GPtrArray *findings, bool taken, guint n_lines)
{
    bool has_error = false;

    for (guint i = 0; i < findings->len; i++) {
        const RelaisConfigFinding *finding = g_ptr_array_index (findings, i);
        g_autofree char *text = relais_config_finding_to_string (finding);

        has_error |= finding->is_error;
        g_assert_true (finding->text != NULL && finding->text[0] != '\0');
        g_assert_cmpuint (finding->line, <=, n_lines);
        for (const char *p = text; *p != '\0'; p++)
            g_assert_true (((guint8)*p >= 0x20 || *p == '\t') && *p != 0x7f);
    }
    g_assert_true (taken == !has_error);
}

static void
append_value (gpointer data, const RelaisConfigEntry *entry)
{
    g_string_append_printf (data, "%s %s = %s%s\n", entry->section, entry->key, entry->value,
                            entry->has_value ? "" : " (unset)");
}

static char *
values (const RelaisConfig *config)
{
    GString *text = g_string_new (NULL);

    relais_config_each_value (config, append_value, text);
    return g_string_free (text, FALSE);
}

static void
check_dump (const RelaisSchema *schema, const RelaisConfig *config)
{
    g_autoptr (GPtrArray) findings = relais_config_findings_new ();
    g_autofree char *dump = relais_config_dump (config);
    g_autoptr (RelaisConfig) again = read_as_file (schema, dump, strlen (dump), findings);
    g_autofree char *before = values (config), *after = NULL;

    if (findings->len > 0)
        g_printerr ("%s\n%s\n", ((RelaisConfigFinding *)g_ptr_array_index (findings, 0))->text,
                    dump);
    g_assert_nonnull (again);
    after = values (again);
    g_assert_cmpstr (before, ==, after);
}

static void
check_lines (const char *bytes, gsize size)
{
    while (size > 0) {
        const char *lf = memchr (bytes, '\n', size);
        const gsize n = lf != NULL ? (gsize)(lf - bytes) : size;
        RelaisConfLine line = {0};

        relais_conf_line_parse (bytes, n, &line);
        g_assert_true (line.type != RELAIS_CONF_LINE_SECTION || line.kind != NULL);
        g_assert_true (line.type != RELAIS_CONF_LINE_KEY ||
                       (line.key != NULL && line.value != NULL));
        g_assert_true ((line.type >= RELAIS_CONF_LINE_BAD_SECTION) == (line.problem != NULL));
        relais_conf_line_clear (&line);
        bytes += MIN (n + 1, size);
        size -= MIN (n + 1, size);
    }
}

/* What is looked up before there is a schema: a module that is on is mentioned; a value that is peeked at is the one
 * that is in force. */
static void
check_before (const RelaisConfig *config)
{
    const char *const dirs[] = {dir, NULL};
    g_auto (GStrv) enabled = relais_config_enabled_modules (dirs);
    g_auto (GStrv) mentioned = relais_config_mentioned_modules (dirs);
    g_autoptr (GPtrArray) mentions = relais_config_module_mentions (dirs);
    g_autofree char *hostname = relais_config_peek (dirs, "relais", "hostname");
    const RelaisSection *section;

    for (char **name = enabled; *name != NULL; name++) {
        g_assert_true (g_strv_contains ((const char *const *)mentioned, *name));
        g_assert_nonnull (relais_config_find_mention (mentions, *name));
    }
    section = config != NULL ? relais_config_find_section (config, "relais", NULL) : NULL;
    if (section != NULL && relais_section_is_set (section, "hostname"))
        g_assert_cmpstr (relais_section_get_string (section, "hostname"), ==, hostname);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    static RelaisSchema *schema;
    g_autoptr (GPtrArray) findings = relais_config_findings_new ();
    g_autoptr (RelaisConfig) config = NULL;
    guint n_lines = 1;

    if (schema == NULL) {
        fuzz_quiet ();
        schema = relais_schema_new ();
        dir = g_dir_make_tmp ("relais-conf-XXXXXX", NULL);
        atexit (remove_dir);
    }
    for (gsize i = 0; i < size; i++)
        n_lines += bytes[i] == '\n';
    check_lines ((const char *)bytes, size);
    config = read_as_file (schema, (const char *)bytes, size, findings);
    check_findings (findings, config != NULL, n_lines);
    check_before (config);
    if (config != NULL)
        check_dump (schema, config);
    return 0;
}
