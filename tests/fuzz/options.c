/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The validator of a module's options (core/conf/declare.c). An input is a table, a line an option, its columns parted
 * by tabs: section, key, type, flags, default, minimum, maximum, choices, doc. Properties: a refusal names the
 * module; of what is taken each default can be read, as its type says, from a configuration that no file gives.
 *
 * Parsers: core/conf/declare.c.
 */
#include "config.h"

#include "conf/conf-private.h"
#include "fuzz.h"

static const char *const words[] = {"guest\ta\t5\t1\t\t0\t0\t\tD.\n",
                                    "guest\tb\t4\t1\ton\t0\t0\ton|off\tD.\n",
                                    "guest\tc\t3\t1\t5s\t0\t99\t\tD.\n",
                                    "tenant\td\t1\t4\t7\t0\t9\t\tD.\n",
                                    "guest-thing\te\t7\t8\ta, b\t0\t0\t\tD.\n",
                                    "module\tf\t0\t0\tyes\t0\t0\t\tD.\n",
                                    "queue\tg\t2\t0\t25M\t0\t0\t\tD.\n",
                                    "guest\th\t9\t0\t5m 10m\t0\t0\t\tD.\n",
                                    "\t10\t",
                                    "\t-1\t",
                                    "9223372036854775807",
                                    "|",
                                    NULL};
const FuzzTarget fuzz_target = {5000, words};

enum { COLUMNS = 9, ITEMS = 40 };

static const char *
or_null (const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

/* The options of a table; their strings are the columns'. */
static guint
read_table (char **lines, char ***columns, RelaisOption *options)
{
    guint n = 0;

    for (char **line = lines; *line != NULL && n < ITEMS; line++) {
        char **column = g_strsplit (*line, "\t", COLUMNS);

        if (g_strv_length (column) != COLUMNS) {
            g_strfreev (column);
            continue;
        }
        columns[n] = column;
        options[n++] = (RelaisOption){
            .section = column[0],
            .key = column[1],
            .type = (RelaisOptionType)strtoul (column[2], NULL, 10),
            .flags = (RelaisOptionFlags)strtoul (column[3], NULL, 10),
            .default_value = or_null (column[4]),
            .minimum = strtoll (column[5], NULL, 10),
            .maximum = strtoll (column[6], NULL, 10),
            .choices = or_null (column[7]),
            .doc = or_null (column[8]),
        };
    }
    return n;
}

static void
read_value (const RelaisSection *section, const RelaisOption *option)
{
    gsize n;

    switch (option->type) {
    case RELAIS_OPTION_BOOL: relais_section_get_bool (section, option->key); break;
    case RELAIS_OPTION_INT:
    case RELAIS_OPTION_SIZE:
    case RELAIS_OPTION_DURATION: relais_section_get_int (section, option->key); break;
    case RELAIS_OPTION_ENUM: relais_section_get_enum (section, option->key); break;
    case RELAIS_OPTION_LIST:
        g_assert_nonnull (relais_section_get_list (section, option->key));
        break;
    case RELAIS_OPTION_DURATIONS: relais_section_get_durations (section, option->key, &n); break;
    default: relais_section_get_string (section, option->key); break;
    }
    g_assert_false (relais_section_is_set (section, option->key));
}

static void
check_taken (const RelaisSchema *schema, const RelaisOption *options, guint n)
{
    static const char *const none[] = {NULL};
    g_autoptr (GPtrArray) findings = relais_config_findings_new ();
    RelaisConfig *config = relais_config_read (schema, none, findings);

    if (config == NULL) /* what is required is not there */
        return;
    for (guint i = 0; i < n; i++) {
        const RelaisSection *section = relais_config_find_section (config, "guest", NULL);

        if (strcmp (options[i].section, "guest") == 0)
            read_value (section, &options[i]);
    }
    relais_config_unref (config);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    g_autofree char *text = g_strndup ((const char *)bytes, size);
    g_auto (GStrv) lines = g_strsplit (text, "\n", ITEMS * 2);
    RelaisSchema *schema = relais_schema_new ();
    g_autoptr (GError) error = NULL;
    RelaisOption options[ITEMS];
    char **columns[ITEMS];
    const guint n = read_table (lines, columns, options);

    if (relais_schema_add_module (schema, "guest", options, n, sizeof options[0], &error))
        check_taken (schema, options, n);
    else
        g_assert_nonnull (strstr (error->message, "guest"));
    relais_schema_free (schema);
    for (guint i = 0; i < n; i++)
        g_strfreev (columns[i]);
    return 0;
}
