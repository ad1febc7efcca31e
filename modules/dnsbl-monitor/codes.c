/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a zone's answers mean: the codes of its options, read and matched. Pure; any thread.
 *
 * Three addresses never mean a listing, whatever a zone's codes say: those outside 127.0.0.0/8 (a domain that was
 * sold, a captive portal), 127.0.0.1, and 127.255.255.0/24 (the query was refused).
 */
#include "zone.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#define LOOPBACK 0x7f000000u
#define REFUSED 0x7fffff00u

const char *
dnsbl_verdict_to_string (DnsblVerdict verdict)
{
    switch (verdict) {
    case DNSBL_CLEAN: return "clean";
    case DNSBL_LISTED: return "listed";
    case DNSBL_UNKNOWN: break;
    }
    return "unknown";
}

static bool
never_lists (guint32 address)
{
    return (address & 0xff000000u) != LOOPBACK || address == (LOOPBACK | 1) ||
           (address & 0xffffff00u) == REFUSED;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static void
code_clear (gpointer data)
{
    g_free (((DnsblCode *)data)->name);
}

static bool
parse_number (const char *text, gsize size, guint most, guint *number)
{
    guint value = 0;

    if (size == 0 || size > 3)
        return false;
    for (gsize i = 0; i < size; i++) {
        if (!g_ascii_isdigit (text[i]))
            return false;
        value = value * 10 + (guint)(text[i] - '0');
    }
    *number = value;
    return value <= most;
}

static bool
parse_address (const char *text, guint32 *address)
{
    g_auto (GStrv) parts = g_strsplit (text, ".", 5);

    if (g_strv_length (parts) != 4)
        return false;
    *address = 0;
    for (guint i = 0; i < 4; i++) {
        guint octet;

        if (!parse_number (parts[i], strlen (parts[i]), 255, &octet))
            return false;
        *address = *address << 8 | octet;
    }
    return true;
}

static bool
parse_range (const char *text, DnsblCode *code)
{
    g_auto (GStrv) ends = g_strsplit (text, "-", 2);

    g_strstrip (ends[0]);
    if (!parse_address (ends[0], &code->first))
        return false;
    code->last = code->first;
    return ends[1] == NULL || parse_address (g_strstrip (ends[1]), &code->last);
}

static bool
parse_bit (const char *text, bool errors, DnsblCode *code)
{
    g_autofree char *number = g_strstrip (g_strdup (text));
    guint bit;

    if (!parse_number (number, strlen (number), 128, &bit) || bit == 0 || (bit & (bit - 1)) != 0)
        return false;
    code->bit = (guint8)bit;
    return errors || bit != 1;
}

static bool
is_name (const char *text)
{
    const gsize size = strlen (text);

    for (gsize i = 0; i < size; i++)
        if (!g_ascii_isalnum (text[i]) && strchr (" -_.+/", text[i]) == NULL)
            return false;
    return size > 0 && size <= DNSBL_CODE_NAME;
}

/* What is wrong with a range: NULL if nothing is. */
static const char *
range_problem (const DnsblCode *code, bool errors)
{
    if (code->first > code->last)
        return _ ("the range ends before it begins");
    if (errors)
        return NULL;
    if (never_lists (code->first) || never_lists (code->last) ||
        (code->first <= (LOOPBACK | 1) && code->last >= (LOOPBACK | 1)) ||
        (code->first < REFUSED && code->last > REFUSED))
        return _ ("127.0.0.1, 127.255.255.0/24 and what is outside 127.0.0.0/8 never list");
    return NULL;
}

static const char *
parse_item (const char *item, bool errors, DnsblCode *code)
{
    g_auto (GStrv) sides = g_strsplit (item, "=", 2);
    const char *what = sides[0] != NULL ? g_strstrip (sides[0]) : "";
    const char *name = sides[0] != NULL && sides[1] != NULL ? g_strstrip (sides[1]) : what;

    if (what[0] == '\0')
        return _ ("a code is missing");
    if (!is_name (name))
        return _ ("a name has letters, digits and -_.+/, at most 32 of them");
    code->name = g_strdup (name);
    if (g_str_has_prefix (what, "bit"))
        return parse_bit (what + 3, errors, code)
                   ? NULL
                   : _ ("a bit is 2, 4, 8, 16, 32, 64 or 128 (1 in errors)");
    if (!parse_range (what, code))
        return _ ("expected 127.0.0.2, 127.0.0.2-127.0.0.11 or bit 8, each with = NAME or without");
    return range_problem (code, errors);
}

static const char *
parse_items (char **items, bool errors, GArray *codes, const char **item)
{
    for (guint i = 0; items[i] != NULL; i++) {
        DnsblCode code = {0};
        const char *wrong;

        *item = g_strstrip (items[i]);
        if (codes->len == DNSBL_CODES)
            return _ ("more than 64 codes");
        wrong = parse_item (*item, errors, &code);
        g_array_append_val (codes, code);
        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

GArray *
dnsbl_codes_parse (const char *text, bool errors, char **problem)
{
    g_autoptr (GArray) codes = g_array_new (FALSE, FALSE, sizeof (DnsblCode));
    g_auto (GStrv) items = NULL;
    const char *item = NULL, *wrong;

    g_array_set_clear_func (codes, code_clear);
    *problem = NULL;
    if (text == NULL || text[strspn (text, " \t")] == '\0')
        return g_steal_pointer (&codes);
    items = g_strsplit (text, ",", DNSBL_CODES + 2);
    wrong = parse_items (items, errors, codes, &item);
    if (wrong == NULL)
        return g_steal_pointer (&codes);
    *problem = g_strdup_printf ("\"%s\": %s", item, wrong);
    return NULL;
}

/* --- Matching --------------------------------------------------------------------------------- */

static bool
code_fits (const DnsblCode *code, guint32 address)
{
    if (code->bit != 0)
        return (address & 0xff000000u) == LOOPBACK && (address & code->bit) != 0;
    return address >= code->first && address <= code->last;
}

/* The next code from `*at` on that an address has; NULL. */
static const DnsblCode *
next_code (const GArray *codes, guint32 address, guint *at)
{
    while (codes != NULL && *at < codes->len) {
        const DnsblCode *code = &g_array_index (codes, DnsblCode, (*at)++);

        if (code_fits (code, address))
            return code;
    }
    return NULL;
}

static bool
has_code (const GArray *codes, guint32 address)
{
    guint at = 0;

    return next_code (codes, address, &at) != NULL;
}

/* Whether what was matched is to be passed over: a bit if that bit is, a range if its address is. */
static bool
is_ignored (const GArray *ignored, const DnsblCode *code, guint32 address)
{
    for (guint i = 0; ignored != NULL && i < ignored->len; i++) {
        const DnsblCode *other = &g_array_index (ignored, DnsblCode, i);

        if (other->bit != 0 ? other->bit == code->bit : code_fits (other, address))
            return true;
    }
    return false;
}

static void
add_name (GPtrArray *names, char *name)
{
    for (guint i = 0; i < names->len; i++)
        if (g_str_equal (g_ptr_array_index (names, i), name))
            return;
    g_ptr_array_add (names, name);
}

static DnsblVerdict
judge_one (const DnsblCodes *codes, guint32 address, GPtrArray *names)
{
    const DnsblCode *code;
    bool listed = false, known = has_code (codes->ignored, address);
    guint at = 0;

    if (never_lists (address) || has_code (codes->errors, address))
        return DNSBL_UNKNOWN;
    while ((code = next_code (codes->listed, address, &at)) != NULL) {
        known = true;
        if (is_ignored (codes->ignored, code, address))
            continue;
        listed = true;
        add_name (names, code->name);
    }
    if (listed)
        return DNSBL_LISTED;
    return known ? DNSBL_CLEAN : DNSBL_UNKNOWN;
}

static char *
join (GPtrArray *names)
{
    g_ptr_array_add (names, NULL);
    return g_strjoinv (", ", (char **)names->pdata);
}

DnsblVerdict
dnsbl_codes_judge (const DnsblCodes *codes, const guint32 *records, guint n, char **names)
{
    g_autoptr (GPtrArray) found = g_ptr_array_new ();
    bool listed = false, unknown = n == 0;

    for (guint i = 0; i < n; i++) {
        const DnsblVerdict verdict = judge_one (codes, records[i], found);

        listed = listed || verdict == DNSBL_LISTED;
        unknown = unknown || verdict == DNSBL_UNKNOWN;
    }
    *names = listed ? join (found) : NULL;
    if (listed)
        return DNSBL_LISTED;
    return unknown ? DNSBL_UNKNOWN : DNSBL_CLEAN;
}

char *
dnsbl_codes_raw (const guint32 *records, guint n)
{
    g_autoptr (GString) text = g_string_new (NULL);

    for (guint i = 0; i < MIN (n, DNSBL_RECORDS); i++)
        g_string_append_printf (text, "%s%u.%u.%u.%u", i > 0 ? " " : "", records[i] >> 24,
                                records[i] >> 16 & 255, records[i] >> 8 & 255, records[i] & 255);
    if (n > DNSBL_RECORDS)
        g_string_append_printf (text, " and %u more", n - DNSBL_RECORDS);
    return g_string_free (g_steal_pointer (&text), FALSE);
}
