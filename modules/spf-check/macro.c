/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Macros (RFC 7208 section 7): whether a text is well-formed, and what it expands to. Pure; the work and
 * the result are bounded by the text's size and the limits in spf.h. Any thread.
 */
#include "spf.h"

#include <string.h>

enum { PARTS_MOST = 1000, TAIL_BYTES = 4 * SPF_NAME_BYTES };

/* One macro: "%{" letter digits "r" delimiters "}", or "%%", "%_", "%-". */
typedef struct {
    char letter; /* in lower case; '%', '_' or '-' of the short ones */
    bool escape; /* a capital letter: as in an URL */
    bool reverse;
    guint parts; /* rightmost ones that are kept; 0: all */
    const char *delimiters;
    gsize n_delimiters;
} Macro;

/* --- Form ------------------------------------------------------------------------------------- */

static bool
is_one_of (char c, const char *set)
{
    return c != '\0' && strchr (set, c) != NULL;
}

static const char *
take_parts (const char *at, const char *end, Macro *macro)
{
    const char *start = at;

    for (; at < end && g_ascii_isdigit (*at); at++)
        macro->parts = MIN (macro->parts * 10 + (guint)(*at - '0'), PARTS_MOST);
    return at > start && macro->parts == 0 ? NULL : at;
}

/* What stands behind "%{". NULL if it is no macro, else where it ends. */
static const char *
take_braced (const char *at, const char *end, Macro *macro)
{
    if (at >= end || !is_one_of (g_ascii_tolower (*at), "slodiphvcrt"))
        return NULL;
    macro->letter = g_ascii_tolower (*at);
    macro->escape = g_ascii_isupper (*at);
    at = take_parts (at + 1, end, macro);
    if (at == NULL)
        return NULL;
    if (at < end && g_ascii_tolower (*at) == 'r') {
        macro->reverse = true;
        at++;
    }
    macro->delimiters = at;
    while (at < end && is_one_of (*at, ".-+,/_="))
        at++;
    macro->n_delimiters = (gsize)(at - macro->delimiters);
    return at < end && *at == '}' ? at + 1 : NULL;
}

/* At a "%". */
static const char *
take_macro (const char *at, const char *end, Macro *macro)
{
    *macro = (Macro){0};
    at++;
    if (at >= end)
        return NULL;
    if (*at == '{')
        return take_braced (at + 1, end, macro);
    macro->letter = *at;
    return is_one_of (*at, "%_-") ? at + 1 : NULL;
}

/* What stands behind the last macro of a domain-spec: ".toplabel", with a dot or without. */
static bool
ends_in_toplabel (const char *start, const char *end)
{
    const char *dot;

    if (end > start && end[-1] == '.')
        end--;
    dot = g_strrstr_len (start, end - start, ".");
    return dot != NULL && spf_is_toplabel (dot + 1, (gsize)(end - dot - 1));
}

bool
spf_macro_is_valid (const char *text, gsize size, SpfMacroUse use)
{
    const char *end = text + size, *literal = text;
    Macro macro;

    for (const char *at = text; at < end;) {
        if (*at == '%') {
            at = literal = take_macro (at, end, &macro);
            if (at == NULL || (use == SPF_MACRO_DOMAIN && is_one_of (macro.letter, "crt")))
                return false;
        } else if (g_ascii_isgraph (*at) || (*at == ' ' && use == SPF_MACRO_EXPLANATION))
            at++;
        else
            return false;
    }
    return use != SPF_MACRO_DOMAIN ||
           (size > 0 && (literal == end || ends_in_toplabel (literal, end)));
}

bool
spf_macro_wants_names (const char *text)
{
    const char *end = text + strlen (text);
    Macro macro;

    for (const char *at = strchr (text, '%'); at != NULL;
         at = memchr (at, '%', (gsize)(end - at))) {
        at = take_macro (at, end, &macro);
        if (at == NULL || macro.letter == 'p')
            return at != NULL;
    }
    return false;
}

/* --- Value ------------------------------------------------------------------------------------ */

static char *
value_of (char letter, const SpfMacroValues *values)
{
    switch (letter) {
    case 's': return g_strdup (values->sender);
    case 'l': return g_strdup (values->local);
    case 'o': return g_strdup (values->sender_domain);
    case 'd': return g_strdup (values->domain);
    case 'i': return spf_ip_to_dots (values->ip);
    case 'p': return g_strdup (values->validated);
    case 'h': return g_strdup (values->helo);
    case 'v': return g_strdup (values->ip->six ? "ip6" : "in-addr");
    case 'c': return spf_ip_to_text (values->ip);
    case 'r': return g_strdup (values->receiver);
    case 't': return g_strdup_printf ("%" G_GINT64_FORMAT, values->now_s);
    case '_': return g_strdup (" ");
    case '-': return g_strdup ("%20");
    default: return g_strdup ("%");
    }
}

/* Cut at the delimiters (a dot, if none is given), turned round, the last ones, joined by dots. */
static char *
transform (const Macro *macro, char *value)
{
    g_autoptr (GPtrArray) parts = g_ptr_array_new ();
    GString *joined = g_string_new (NULL);
    guint first;

    g_ptr_array_add (parts, value);
    for (char *at = value; *at != '\0'; at++) {
        if (macro->n_delimiters > 0 ? memchr (macro->delimiters, *at, macro->n_delimiters) == NULL
                                    : *at != '.')
            continue;
        *at = '\0';
        g_ptr_array_add (parts, at + 1);
    }
    first = macro->parts > 0 && macro->parts < parts->len ? parts->len - macro->parts : 0;
    for (guint i = first; i < parts->len; i++) {
        const guint n = macro->reverse ? parts->len - 1 - i : i;

        if (i > first)
            g_string_append_c (joined, '.');
        g_string_append (joined, g_ptr_array_index (parts, n));
    }
    g_free (value);
    return g_string_free (joined, FALSE);
}

static void
append_escaped (GString *to, const char *text)
{
    for (; *text != '\0'; text++) {
        if (g_ascii_isalnum (*text) || is_one_of (*text, "-._~"))
            g_string_append_c (to, *text);
        else
            g_string_append_printf (to, "%%%02X", (guint8)*text);
    }
}

static void
append_macro (GString *to, const Macro *macro, const SpfMacroValues *values)
{
    g_autofree char *value = value_of (macro->letter, values);

    if (macro->parts > 0 || macro->reverse || macro->n_delimiters > 0)
        value = transform (macro, g_steal_pointer (&value));
    if (macro->escape)
        append_escaped (to, value);
    else
        g_string_append (to, value);
}

/* Of a domain only the end counts: what cannot be part of it goes while it grows. */
static bool
keep_bounds (GString *text, SpfMacroUse use)
{
    if (use != SPF_MACRO_DOMAIN)
        return text->len <= SPF_EXPLANATION_BYTES;
    if (text->len > 2 * TAIL_BYTES)
        g_string_erase (text, 0, (gssize)(text->len - TAIL_BYTES));
    return true;
}

char *
spf_macro_expand (const char *text, SpfMacroUse use, const SpfMacroValues *values)
{
    g_autoptr (GString) out = g_string_new (NULL);
    const char *end = text + strlen (text);
    Macro macro;

    for (const char *at = text; at < end;) {
        const char *next = *at == '%' ? take_macro (at, end, &macro) : at + 1;

        if (next == NULL)
            return NULL;
        if (*at == '%')
            append_macro (out, &macro, values);
        else
            g_string_append_c (out, *at);
        if (!keep_bounds (out, use))
            return NULL;
        at = next;
    }
    if (use == SPF_MACRO_DOMAIN)
        spf_name_fit (out);
    return g_string_free (g_steal_pointer (&out), FALSE);
}
