/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Writing entries for others to read. Pure; any thread.
 */
#include "config.h"

#include "suppress/exchange-private.h"

#include <string.h>

static const char HEAD[] = "address,class,tenant,campaign,count,first,last,expires,reason,text\r\n";

void
relais_exchange_append_head (GString *out, RelaisExchangeFormat format, bool hashed)
{
    if (format == RELAIS_EXCHANGE_CSV)
        g_string_append (out, hashed ? "sha256\r\n" : HEAD);
}

/* --- CSV -------------------------------------------------------------------------------------- */

static void
append_cell (GString *out, const char *text)
{
    const bool guarded = text[0] != '\0' && strchr ("=+-@'\t\r", text[0]) != NULL;

    if (!guarded && text[strcspn (text, ",\"\r\n")] == '\0') {
        g_string_append (out, text);
        return;
    }
    g_string_append (out, guarded ? "\"'" : "\"");
    for (; *text != '\0'; text++) {
        if (*text == '"')
            g_string_append_c (out, '"');
        g_string_append_c (out, *text);
    }
    g_string_append_c (out, '"');
}

/* "never" for 0. */
static void
append_time (GString *out, gint64 wall_us)
{
    g_autoptr (GDateTime) moment =
        wall_us != 0 ? g_date_time_new_from_unix_utc (wall_us / G_USEC_PER_SEC) : NULL;
    g_autofree char *text =
        moment != NULL ? g_date_time_format (moment, "%Y-%m-%dT%H:%M:%S") : NULL;

    if (text != NULL)
        g_string_append_printf (out, "%s.%06dZ", text, (int)(wall_us % G_USEC_PER_SEC));
    else
        g_string_append (out, "never");
}

static void
append_csv (GString *out, const RelaisJournalLine *entry)
{
    append_cell (out, entry->address);
    g_string_append_printf (out, ",%s,", relais_suppress_class_to_string (entry->suppress_class));
    append_cell (out, entry->tenant);
    g_string_append_c (out, ',');
    append_cell (out, entry->campaign);
    g_string_append_printf (out, ",%u,", entry->count);
    append_time (out, entry->first_us);
    g_string_append_c (out, ',');
    append_time (out, entry->last_us);
    g_string_append_c (out, ',');
    append_time (out, entry->expires_us);
    g_string_append_c (out, ',');
    append_cell (out, entry->reason);
    g_string_append_c (out, ',');
    append_cell (out, entry->text);
    g_string_append (out, "\r\n");
}

/* --- NDJSON ----------------------------------------------------------------------------------- */

static void
append_string (GString *out, const char *name, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid (text, -1);

    g_string_append_printf (out, ",\"%s\":\"", name);
    for (const char *at = valid; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\')
            g_string_append_printf (out, "\\%c", *at);
        else if ((guint8)*at < 0x20)
            g_string_append_printf (out, "\\u%04x", *at);
        else
            g_string_append_c (out, *at);
    }
    g_string_append_c (out, '"');
}

static void
append_json_time (GString *out, const char *name, gint64 wall_us)
{
    g_string_append_printf (out, ",\"%s\":\"", name);
    append_time (out, wall_us);
    g_string_append_c (out, '"');
}

static void
append_json (GString *out, const RelaisJournalLine *entry)
{
    const gsize start = out->len;

    append_string (out, "address", entry->address);
    out->str[start] = '{';
    append_string (out, "class", relais_suppress_class_to_string (entry->suppress_class));
    if (entry->tenant[0] != '\0')
        append_string (out, "tenant", entry->tenant);
    if (entry->campaign[0] != '\0')
        append_string (out, "campaign", entry->campaign);
    g_string_append_printf (out, ",\"count\":%u", entry->count);
    append_json_time (out, "first", entry->first_us);
    append_json_time (out, "last", entry->last_us);
    append_json_time (out, "expires", entry->expires_us);
    if (entry->reason[0] != '\0')
        append_string (out, "reason", entry->reason);
    if (entry->text[0] != '\0')
        append_string (out, "text", entry->text);
    g_string_append (out, "}\n");
}

void
relais_exchange_append (GString *out, RelaisExchangeFormat format, const RelaisJournalLine *entry,
                        const char *hash)
{
    if (hash != NULL && format == RELAIS_EXCHANGE_CSV)
        g_string_append_printf (out, "%s\r\n", hash);
    else if (hash != NULL)
        g_string_append_printf (out, "{\"sha256\":\"%s\"}\n", hash);
    else if (format == RELAIS_EXCHANGE_CSV)
        append_csv (out, entry);
    else
        append_json (out, entry);
}
