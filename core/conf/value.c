/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Values by type, as one table of parsers and printers. Numbers are checked for overflow digit by
 * digit; the locale plays no part.
 */
#include "config.h"

#include "conf/value-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

typedef struct {
    const char *suffix;
    gint64 factor;
} Unit;

/* From the largest down: the printer takes the first that divides. */
static const Unit SIZE_UNITS[] = {
    {"T", G_GINT64_CONSTANT (1) << 40}, {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"", 1},
};
static const Unit TIME_UNITS[] = {
    {"d", G_GINT64_CONSTANT (86400) * 1000000},
    {"h", G_GINT64_CONSTANT (3600) * 1000000},
    {"m", 60 * 1000000},
    {"s", 1000000},
    {"ms", 1000},
};

/* --- Numbers ---------------------------------------------------------------------------------- */

/* Digits at the head of `text`; `end` is what follows them. */
static bool
parse_digits (const char *text, gint64 *number, const char **end)
{
    gint64 value = 0;

    if (!g_ascii_isdigit (text[0]))
        return false;
    for (; g_ascii_isdigit (*text); text++)
        if (__builtin_mul_overflow (value, (gint64)10, &value) ||
            __builtin_add_overflow (value, (gint64)g_ascii_digit_value (*text), &value))
            return false;
    *number = value;
    *end = text;
    return true;
}

static bool
parse_with_unit (const char *text, const Unit *units, gsize n, gint64 *number)
{
    const char *suffix;
    gint64 value;

    if (!parse_digits (text, &value, &suffix))
        return false;
    if (value == 0 && suffix[0] == '\0') {
        *number = 0;
        return true;
    }
    for (gsize i = 0; i < n; i++)
        if (strcmp (suffix, units[i].suffix) == 0)
            return !__builtin_mul_overflow (value, units[i].factor, number);
    return false;
}

static bool
in_range (const RelaisOption *option, gint64 number)
{
    if (option->minimum == 0 && option->maximum == 0)
        return number >= 0;
    return number >= option->minimum && number <= option->maximum;
}

static bool
parse_int (const RelaisOption *option, const char *text, RelaisValue *value)
{
    bool negative = text[0] == '-';
    const char *end;

    if (!parse_digits (text + negative, &value->number, &end) || *end != '\0')
        return false;
    if (negative)
        value->number = -value->number;
    return in_range (option, value->number);
}

static bool
parse_size (const RelaisOption *option, const char *text, RelaisValue *value)
{
    return parse_with_unit (text, SIZE_UNITS, G_N_ELEMENTS (SIZE_UNITS), &value->number) &&
           in_range (option, value->number);
}

static bool
parse_duration (const RelaisOption *option, const char *text, RelaisValue *value)
{
    return parse_with_unit (text, TIME_UNITS, G_N_ELEMENTS (TIME_UNITS), &value->number) &&
           value->number <= RELAIS_VALUE_LONGEST_US && in_range (option, value->number);
}

static char *
number_to_text (gint64 number, const Unit *units, gsize n)
{
    for (gsize i = 0; i < n && number != 0; i++)
        if (number % units[i].factor == 0)
            return g_strdup_printf ("%" G_GINT64_FORMAT "%s", number / units[i].factor,
                                    units[i].suffix);
    return g_strdup_printf ("%" G_GINT64_FORMAT, number);
}

static char *
int_to_text (const RelaisOption *option, const RelaisValue *value)
{
    return g_strdup_printf ("%" G_GINT64_FORMAT, value->number);
}

static char *
size_to_text (const RelaisOption *option, const RelaisValue *value)
{
    return number_to_text (value->number, SIZE_UNITS, G_N_ELEMENTS (SIZE_UNITS));
}

static char *
duration_to_text (const RelaisOption *option, const RelaisValue *value)
{
    return number_to_text (value->number, TIME_UNITS, G_N_ELEMENTS (TIME_UNITS));
}

/* --- Words ------------------------------------------------------------------------------------ */

static bool
parse_choice (const char *choices, const char *text, gint64 *index)
{
    g_auto (GStrv) words = g_strsplit (choices, "|", -1);

    for (gint64 i = 0; words[i] != NULL; i++)
        if (strcmp (words[i], text) == 0) {
            *index = i;
            return true;
        }
    return false;
}

static bool
parse_bool (const RelaisOption *option, const char *text, RelaisValue *value)
{
    return parse_choice ("no|yes", text, &value->number);
}

static bool
parse_enum (const RelaisOption *option, const char *text, RelaisValue *value)
{
    return parse_choice (option->choices, text, &value->number);
}

static char *
bool_to_text (const RelaisOption *option, const RelaisValue *value)
{
    return g_strdup (value->number != 0 ? "yes" : "no");
}

static char *
enum_to_text (const RelaisOption *option, const RelaisValue *value)
{
    g_auto (GStrv) words = g_strsplit (option->choices, "|", -1);

    return g_strdup (words[value->number]);
}

static bool
parse_string (const RelaisOption *option, const char *text, RelaisValue *value)
{
    value->string = text[0] != '\0' ? g_strdup (text) : NULL;
    return true;
}

static bool
parse_path (const RelaisOption *option, const char *text, RelaisValue *value)
{
    return (text[0] == '/' || text[0] == '\0') && parse_string (option, text, value);
}

static char *
string_to_text (const RelaisOption *option, const RelaisValue *value)
{
    return g_strdup (value->string != NULL ? value->string : "");
}

static char *
secret_to_text (const RelaisOption *option, const RelaisValue *value)
{
    return g_strdup (value->string != NULL ? "(set)" : "");
}

/* --- Lists ------------------------------------------------------------------------------------ */

static char **
split (const char *text, gsize most)
{
    g_autoptr (GPtrArray) items = g_ptr_array_new_with_free_func (g_free);

    while (*(text += strspn (text, ", \t")) != '\0') {
        gsize size = strcspn (text, ", \t");

        if (items->len == most)
            return NULL;
        g_ptr_array_add (items, g_strndup (text, size));
        text += size;
    }
    g_ptr_array_add (items, NULL);
    return (char **)g_ptr_array_steal (items, NULL);
}

static bool
parse_list (const RelaisOption *option, const char *text, RelaisValue *value)
{
    value->list = split (text, RELAIS_VALUE_ITEMS);
    value->n_list = value->list != NULL ? g_strv_length (value->list) : 0;
    return value->list != NULL;
}

static bool
parse_durations (const RelaisOption *option, const char *text, RelaisValue *value)
{
    g_auto (GStrv) items = split (text, RELAIS_VALUE_DURATIONS);
    gsize n = items != NULL ? g_strv_length (items) : 0;
    g_autofree gint64 *durations = g_new0 (gint64, MAX (n, 1));
    RelaisValue one;

    if (n == 0)
        return false;
    for (gsize i = 0; i < n; i++) {
        if (!parse_duration (option, items[i], &one))
            return false;
        durations[i] = one.number;
    }
    value->durations = g_steal_pointer (&durations);
    value->n_durations = n;
    return true;
}

static char *
list_to_text (const RelaisOption *option, const RelaisValue *value)
{
    return g_strjoinv (", ", value->list);
}

static char *
durations_to_text (const RelaisOption *option, const RelaisValue *value)
{
    g_autoptr (GString) text = g_string_new (NULL);

    for (gsize i = 0; i < value->n_durations; i++) {
        g_autofree char *one =
            number_to_text (value->durations[i], TIME_UNITS, G_N_ELEMENTS (TIME_UNITS));

        g_string_append_printf (text, "%s%s", i > 0 ? " " : "", one);
    }
    return g_string_free (g_steal_pointer (&text), FALSE);
}

/* --- The table -------------------------------------------------------------------------------- */

typedef struct {
    bool (*parse) (const RelaisOption *option, const char *text, RelaisValue *value);
    char *(*to_text) (const RelaisOption *option, const RelaisValue *value);
    const char *expected; /* range and choices are added */
} Type;

static const Type TYPES[] = {
    [RELAIS_OPTION_BOOL] = {parse_bool, bool_to_text, N_ ("yes or no")},
    [RELAIS_OPTION_INT] = {parse_int, int_to_text, N_ ("a whole number")},
    [RELAIS_OPTION_SIZE] = {parse_size, size_to_text, N_ ("a size such as 512, 64K, 25M or 2G")},
    [RELAIS_OPTION_DURATION] = {parse_duration, duration_to_text,
                                N_ ("a duration such as 250ms, 30s, 5m, 2h or 4d")},
    [RELAIS_OPTION_ENUM] = {parse_enum, enum_to_text, N_ ("one of")},
    [RELAIS_OPTION_STRING] = {parse_string, string_to_text, N_ ("text")},
    [RELAIS_OPTION_PATH] = {parse_path, string_to_text, N_ ("an absolute path")},
    [RELAIS_OPTION_LIST] = {parse_list, list_to_text, N_ ("items separated by commas or blanks")},
    [RELAIS_OPTION_SECRET] = {parse_string, secret_to_text, N_ ("a secret")},
    [RELAIS_OPTION_DURATIONS] = {parse_durations, durations_to_text,
                                 N_ ("durations such as 5m 10m 1h, at most 64")},
};

static char *
range_to_text (const RelaisOption *option)
{
    bool has_least = option->minimum > 0 || (option->minimum == 0 && option->maximum != 0);
    bool is_durations = option->type == RELAIS_OPTION_DURATIONS;
    gint64 maximum = is_durations || option->type == RELAIS_OPTION_DURATION
                         ? MIN (option->maximum, RELAIS_VALUE_LONGEST_US)
                         : option->maximum;
    RelaisValue least = {.number = option->minimum}, most = {.number = maximum};
    const Type *type = &TYPES[is_durations ? RELAIS_OPTION_DURATION : option->type];
    g_autofree char *from = type->to_text (option, &least);
    g_autofree char *to = type->to_text (option, &most);

    if (!has_least && option->maximum == 0)
        return g_strdup ("");
    if (maximum == G_MAXINT64)
        return option->minimum > 0 ? g_strdup_printf (_ (" from %s"), from) : g_strdup ("");
    return g_strdup_printf (_ (" from %s to %s"), from, to);
}

char *
relais_value_expected (const RelaisOption *option)
{
    const char *expected = _ (TYPES[option->type].expected);
    g_autofree char *range = NULL;

    if (option->type == RELAIS_OPTION_ENUM) {
        g_auto (GStrv) words = g_strsplit (option->choices, "|", -1);
        g_autofree char *choices = g_strjoinv (", ", words);

        return g_strdup_printf ("%s %s", expected, choices);
    }
    if (option->type != RELAIS_OPTION_INT && option->type != RELAIS_OPTION_SIZE &&
        option->type != RELAIS_OPTION_DURATION && option->type != RELAIS_OPTION_DURATIONS)
        return g_strdup (expected);
    range = range_to_text (option);
    return g_strconcat (expected, range, NULL);
}

bool
relais_value_parse (const RelaisOption *option, const char *text, RelaisValue *value,
                    char **problem)
{
    RelaisValue parsed = {0};

    if (TYPES[option->type].parse (option, text, &parsed)) {
        *value = parsed;
        return true;
    }
    g_autofree char *expected = relais_value_expected (option);

    *problem = option->type == RELAIS_OPTION_SECRET
                   ? g_strdup_printf (_ ("expected %s"), expected)
                   : g_strdup_printf (_ ("'%.80s': expected %s"), text, expected);
    return false;
}

void
relais_value_init_unset (const RelaisOption *option, RelaisValue *value)
{
    memset (value, 0, sizeof *value);
    if (option->type == RELAIS_OPTION_LIST)
        value->list = g_new0 (char *, 1);
}

void
relais_value_clear (RelaisValue *value)
{
    g_free (value->string);
    g_strfreev (value->list);
    g_free (value->durations);
    memset (value, 0, sizeof *value);
}

bool
relais_value_append (RelaisValue *value, RelaisValue *more)
{
    gsize n = value->n_list, m = more->n_list;
    bool fits = n + m <= RELAIS_VALUE_ITEMS;

    if (fits) {
        value->list = g_renew (char *, value->list, n + m + 1);
        memcpy (value->list + n, more->list, (m + 1) * sizeof (char *));
        value->n_list = n + m;
        g_clear_pointer (&more->list, g_free);
    }
    relais_value_clear (more);
    return fits;
}

void
relais_value_copy (const RelaisValue *from, RelaisValue *to)
{
    *to = (RelaisValue){
        .number = from->number,
        .string = g_strdup (from->string),
        .list = g_strdupv (from->list),
        .n_list = from->n_list,
        .durations = g_memdup2 (from->durations, from->n_durations * sizeof from->durations[0]),
        .n_durations = from->n_durations,
    };
}

bool
relais_value_equal (const RelaisValue *a, const RelaisValue *b)
{
    if (a->number != b->number || g_strcmp0 (a->string, b->string) != 0 ||
        a->n_durations != b->n_durations || (a->list == NULL) != (b->list == NULL))
        return false;
    for (gsize i = 0; i < a->n_durations; i++)
        if (a->durations[i] != b->durations[i])
            return false;
    return a->list == NULL ||
           g_strv_equal ((const char *const *)a->list, (const char *const *)b->list);
}

bool
relais_value_is_unset (const RelaisOption *option, const RelaisValue *value)
{
    switch (option->type) {
    case RELAIS_OPTION_STRING:
    case RELAIS_OPTION_PATH:
    case RELAIS_OPTION_SECRET: return value->string == NULL;
    case RELAIS_OPTION_LIST: return value->list[0] == NULL;
    case RELAIS_OPTION_DURATIONS: return value->n_durations == 0;
    default: return false;
    }
}

char *
relais_value_to_text (const RelaisOption *option, const RelaisValue *value)
{
    return TYPES[option->type].to_text (option, value);
}
