/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lists of paths with rights. See confine-private.h. Any thread; looks at files.
 */
#include "config.h"

#include "confine-private.h"

#include <stdlib.h>
#include <string.h>

static void
rule_free (gpointer data)
{
    RelaisConfineRule *rule = data;

    g_free (rule->path);
    g_free (rule);
}

GPtrArray *
relais_confine_rules_new (void)
{
    return g_ptr_array_new_with_free_func (rule_free);
}

static void
add (GPtrArray *rules, const char *path, guint rights)
{
    RelaisConfineRule *rule;

    for (guint i = 0; i < rules->len; i++) {
        rule = g_ptr_array_index (rules, i);
        if (g_str_equal (rule->path, path)) {
            rule->rights |= rights;
            return;
        }
    }
    rule = g_new (RelaisConfineRule, 1);
    *rule = (RelaisConfineRule){g_strdup (path), rights};
    g_ptr_array_add (rules, rule);
}

void
relais_confine_rules_add (GPtrArray *rules, const char *path, guint rights)
{
    char *real = realpath (path, NULL);

    if (real != NULL)
        add (rules, real, rights);
    free (real);
}

static bool
is_top (const char *dir)
{
    return g_str_equal (dir, "/") || g_str_equal (dir, ".");
}

static void
add_parent (GPtrArray *rules, const char *path, guint rights)
{
    g_autofree char *dir = g_path_get_dirname (path);

    if (!is_top (dir))
        relais_confine_rules_add (rules, dir, rights);
}

void
relais_confine_rules_add_named (GPtrArray *rules, const char *path, guint rights)
{
    char *real = realpath (path, NULL);

    if (real != NULL && !is_top (real))
        add (rules, real, rights);
    if (real == NULL || !g_file_test (real, G_FILE_TEST_IS_DIR)) {
        add_parent (rules, path, rights);
        if (real != NULL)
            add_parent (rules, real, rights);
    }
    free (real);
}

static bool
is_below (const char *path, const char *top)
{
    const gsize size = strlen (top);

    return strncmp (path, top, size) == 0 && (path[size] == '\0' || path[size] == '/');
}

bool
relais_confine_rules_cover (const GPtrArray *rules, const char *path, guint rights)
{
    g_autofree char *there = g_strdup (path);
    char *real;
    guint held = 0;

    while ((real = realpath (there, NULL)) == NULL && !is_top (there)) {
        char *parent = g_path_get_dirname (there);

        g_free (there);
        there = parent;
    }
    for (guint i = 0; real != NULL && i < rules->len; i++) {
        const RelaisConfineRule *rule = g_ptr_array_index (rules, i);

        if (is_below (real, rule->path))
            held |= rule->rights;
    }
    free (real);
    return (held & rights) == rights;
}

char *
relais_confine_rules_to_text (const GPtrArray *rules)
{
    GString *text = g_string_new (NULL);

    for (guint i = 0; i < rules->len; i++) {
        const RelaisConfineRule *rule = g_ptr_array_index (rules, i);

        if (strchr (rule->path, '\n') == NULL)
            g_string_append_printf (text, "%u %s\n", rule->rights, rule->path);
    }
    return g_string_free (text, FALSE);
}

GPtrArray *
relais_confine_rules_parse (char **lines)
{
    GPtrArray *rules = relais_confine_rules_new ();

    for (; *lines != NULL; lines++)
        if ((*lines)[0] >= '1' && (*lines)[0] <= '7' && g_str_has_prefix (*lines + 1, " /"))
            add (rules, *lines + 2, (guint)g_ascii_digit_value ((*lines)[0]));
    return rules;
}
