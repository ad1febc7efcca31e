/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The two texts of MTA-STS and what they mean. Pure; every loop is bounded by the size of what is read.
 */
#include "config.h"

#include "smtp/sts-policy-private.h"

#include <string.h>

#define VERSION "STSv1"

/* A piece of what is read. */
typedef struct {
    const char *at;
    gsize size;
} Piece;

static bool
is_blank (char c)
{
    return c == ' ' || c == '\t';
}

static Piece
trim (Piece piece)
{
    while (piece.size > 0 && is_blank (piece.at[0])) {
        piece.at++;
        piece.size--;
    }
    while (piece.size > 0 && is_blank (piece.at[piece.size - 1]))
        piece.size--;
    return piece;
}

/* Takes what stands before the next `end`, or all that is left. */
static Piece
take_until (Piece *rest, char end)
{
    const char *found = memchr (rest->at, end, rest->size);
    Piece taken = {rest->at, found != NULL ? (gsize)(found - rest->at) : rest->size};
    gsize gone = taken.size + (found != NULL ? 1 : 0);

    rest->at += gone;
    rest->size -= gone;
    return taken;
}

static bool
is (Piece piece, const char *word)
{
    return piece.size == strlen (word) && memcmp (piece.at, word, piece.size) == 0;
}

/* --- The TXT record ----------------------------------------------------------------------------- */

bool
relais_sts_record_is_meant (const guint8 *bytes, gsize size)
{
    static const char begin[] = "v=" VERSION ";";

    return size >= sizeof begin - 1 && memcmp (bytes, begin, sizeof begin - 1) == 0;
}

static bool
is_id (Piece id)
{
    if (id.size == 0 || id.size > RELAIS_STS_ID_BYTES)
        return false;
    for (gsize i = 0; i < id.size; i++)
        if (!g_ascii_isalnum (id.at[i]))
            return false;
    return true;
}

char *
relais_sts_record_parse (const guint8 *bytes, gsize size)
{
    Piece rest = {(const char *)bytes, size};

    if (!relais_sts_record_is_meant (bytes, size))
        return NULL;
    (void)take_until (&rest, ';');
    while (rest.size > 0) {
        Piece value = trim (take_until (&rest, ';'));
        Piece name = trim (take_until (&value, '='));

        value = trim (value);
        if (is (name, "id"))
            return is_id (value) ? g_strndup (value.at, value.size) : NULL;
    }
    return NULL;
}

/* --- The policy file ---------------------------------------------------------------------------- */

typedef struct {
    Piece version, mode, max_age; /* the first of each; `at` NULL: none */
    GPtrArray *mx;
    const char *problem;
} Fields;

static bool
is_label (Piece label)
{
    if (label.size == 0 || label.size > 63)
        return false;
    for (gsize i = 0; i < label.size; i++)
        if (!g_ascii_isalnum (label.at[i]) && label.at[i] != '-' && label.at[i] != '_')
            return false;
    return true;
}

/* "*." alone may stand before a domain name. */
static bool
is_pattern (Piece pattern)
{
    if (pattern.size > 253 || pattern.size == 0)
        return false;
    if (pattern.size >= 2 && memcmp (pattern.at, "*.", 2) == 0) {
        pattern.at += 2;
        pattern.size -= 2;
    }
    if (pattern.size == 0 || pattern.at[pattern.size - 1] == '.')
        return false;
    while (pattern.size > 0)
        if (!is_label (take_until (&pattern, '.')))
            return false;
    return true;
}

static void
take_mx (Fields *fields, Piece value)
{
    if (!is_pattern (value))
        fields->problem = "an mx that is neither a host name nor a pattern of one";
    else if (fields->mx->len >= RELAIS_STS_PATTERNS)
        fields->problem = "too many mx";
    else
        g_ptr_array_add (fields->mx, g_ascii_strdown (value.at, (gssize)value.size));
}

static void
take_line (Fields *fields, Piece line)
{
    Piece value = line, name = take_until (&value, ':');
    const struct {
        const char *name;
        Piece *field;
    } single[] = {
        {"version", &fields->version}, {"mode", &fields->mode}, {"max_age", &fields->max_age}};

    value = trim (value);
    name = trim (name);
    if (is (name, "mx"))
        take_mx (fields, value);
    /* Of a field that is there twice the first one counts; unknown ones are passed over (section 3.2). */
    for (gsize i = 0; i < G_N_ELEMENTS (single); i++)
        if (is (name, single[i].name) && single[i].field->at == NULL)
            *single[i].field = value;
}

static void
take_lines (Fields *fields, Piece rest)
{
    while (rest.size > 0 && fields->problem == NULL) {
        Piece line = take_until (&rest, '\n');

        if (line.size > 0 && line.at[line.size - 1] == '\r')
            line.size--;
        if (trim (line).size > 0)
            take_line (fields, line);
    }
}

static bool
read_mode (Piece text, RelaisStsMode *mode)
{
    for (RelaisStsMode each = RELAIS_STS_MODE_NONE; each <= RELAIS_STS_MODE_ENFORCE; each++)
        if (is (text, relais_sts_mode_to_string (each))) {
            *mode = each;
            return true;
        }
    return false;
}

static bool
read_age (Piece text, guint32 *age)
{
    guint64 value = 0;

    if (text.size == 0 || text.size > 10)
        return false;
    for (gsize i = 0; i < text.size; i++) {
        if (!g_ascii_isdigit (text.at[i]))
            return false;
        value = value * 10 + (guint64)g_ascii_digit_value (text.at[i]);
    }
    *age = (guint32)MIN (value, RELAIS_STS_MAX_AGE_S);
    return true;
}

static const char *
judge (const Fields *fields, RelaisStsPolicy *policy)
{
    if (fields->problem != NULL)
        return fields->problem;
    if (fields->version.at == NULL || !is (fields->version, VERSION))
        return "no version: " VERSION;
    if (fields->mode.at == NULL || !read_mode (fields->mode, &policy->mode))
        return "no mode that is known";
    if (fields->max_age.at == NULL || !read_age (fields->max_age, &policy->max_age_s))
        return "no max_age that is a number";
    if (fields->mx->len == 0 && policy->mode != RELAIS_STS_MODE_NONE)
        return "no mx";
    return NULL;
}

RelaisStsPolicy *
relais_sts_policy_parse (const guint8 *bytes, gsize size, const char **problem)
{
    g_autoptr (RelaisStsPolicy) policy = g_new0 (RelaisStsPolicy, 1);
    Fields fields = {.mx = g_ptr_array_new_with_free_func (g_free)};

    policy->refs = 1;
    if (size > RELAIS_STS_POLICY_BYTES)
        fields.problem = "it is too large";
    else
        take_lines (&fields, (Piece){(const char *)bytes, size});
    *problem = judge (&fields, policy);
    g_ptr_array_add (fields.mx, NULL);
    policy->mx = (char **)g_ptr_array_free (fields.mx, FALSE);
    return *problem == NULL ? g_steal_pointer (&policy) : NULL;
}

/* --- Policies ----------------------------------------------------------------------------------- */

const char *
relais_sts_mode_to_string (RelaisStsMode mode)
{
    switch (mode) {
    case RELAIS_STS_MODE_NONE: return "none";
    case RELAIS_STS_MODE_TESTING: return "testing";
    case RELAIS_STS_MODE_ENFORCE: return "enforce";
    }
    g_assert_not_reached ();
}

RelaisStsPolicy *
relais_sts_policy_ref (RelaisStsPolicy *policy)
{
    policy->refs++;
    return policy;
}

void
relais_sts_policy_unref (RelaisStsPolicy *policy)
{
    if (policy == NULL || --policy->refs > 0)
        return;
    g_strfreev (policy->mx);
    g_free (policy);
}

/* "*" stands for the leftmost label and no more (section 4.1). */
static bool
matches (const char *pattern, const char *host, gsize size)
{
    if (g_str_has_prefix (pattern, "*.")) {
        const char *dot = memchr (host, '.', size);

        if (dot == NULL || dot == host)
            return false;
        pattern++;
        size -= (gsize)(dot - host);
        host = dot;
    }
    return strlen (pattern) == size && g_ascii_strncasecmp (pattern, host, size) == 0;
}

bool
relais_sts_policy_allows (const RelaisStsPolicy *policy, const char *host)
{
    gsize size = strlen (host);

    if (size > 0 && host[size - 1] == '.')
        size--;
    for (char **pattern = policy->mx; *pattern != NULL; pattern++)
        if (matches (*pattern, host, size))
            return true;
    return false;
}

char **
relais_sts_policy_to_lines (const RelaisStsPolicy *policy)
{
    GPtrArray *lines = g_ptr_array_new ();

    g_ptr_array_add (lines, g_strdup ("version: " VERSION));
    g_ptr_array_add (lines, g_strdup_printf ("mode: %s", relais_sts_mode_to_string (policy->mode)));
    for (char **mx = policy->mx; *mx != NULL; mx++)
        g_ptr_array_add (lines, g_strdup_printf ("mx: %s", *mx));
    g_ptr_array_add (lines, g_strdup_printf ("max_age: %u", policy->max_age_s));
    g_ptr_array_add (lines, NULL);
    return (char **)g_ptr_array_free (lines, FALSE);
}
