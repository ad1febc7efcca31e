/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A zone in memory: names and what stands at them, aliases followed as a resolver does.
 */
#include "zone.h"

#include <arpa/inet.h>
#include <string.h>

enum { CNAME = 5, ALIASES_MOST = 10 };

typedef struct {
    guint type;
    GBytes *data; /* NULL: not answered */
} Record;

struct Zone {
    GHashTable *names; /* in lower case -> GArray of Record */
};

static void
record_clear (gpointer data)
{
    Record *record = data;

    g_clear_pointer (&record->data, g_bytes_unref);
}

static void
records_free (gpointer data)
{
    g_array_unref (data);
}

Zone *
zone_new (void)
{
    Zone *zone = g_new (Zone, 1);

    zone->names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, records_free);
    return zone;
}

void
zone_free (Zone *zone)
{
    if (zone == NULL)
        return;
    g_hash_table_unref (zone->names);
    g_free (zone);
}

/* In lower case, without the dot at the end. */
static char *
key_of (const char *name)
{
    char *key = g_ascii_strdown (name, -1);
    const gsize size = strlen (key);

    if (size > 0 && key[size - 1] == '.')
        key[size - 1] = '\0';
    return key;
}

static void
put (Zone *zone, const char *name, guint type, GBytes *data)
{
    g_autofree char *key = key_of (name);
    GArray *records = g_hash_table_lookup (zone->names, key);
    const Record record = {type, data};

    if (records == NULL) {
        records = g_array_new (FALSE, FALSE, sizeof (Record));
        g_array_set_clear_func (records, record_clear);
        g_hash_table_insert (zone->names, g_steal_pointer (&key), records);
    }
    g_array_append_val (records, record);
}

void
zone_add (Zone *zone, const char *name, guint type, const guint8 *bytes, gsize size)
{
    put (zone, name, type, g_bytes_new (bytes, size));
}

void
zone_fail (Zone *zone, const char *name, guint type)
{
    put (zone, name, type, NULL);
}

void
zone_add_text (Zone *zone, const char *name, guint type, const char *text)
{
    guint8 address[16];

    if (type == SPF_DNS_A && inet_pton (AF_INET, text, address) == 1)
        zone_add (zone, name, type, address, 4);
    else if (type == SPF_DNS_AAAA && inet_pton (AF_INET6, text, address) == 1)
        zone_add (zone, name, type, address, 16);
    else
        zone_add (zone, name, type, (const guint8 *)text, strlen (text));
}

static SpfAnswer
fail (const char *reason)
{
    return (SpfAnswer){SPF_DNS_ERROR, reason, NULL};
}

/* What stands at one name; `*alias` is set where that is another name. */
static SpfAnswer
look (const GArray *records, guint type, GBytes **alias)
{
    SpfAnswer answer = {SPF_DNS_NODATA, NULL,
                        g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref)};
    bool lost = false;

    for (guint i = 0; i < records->len; i++) {
        const Record *record = &g_array_index (records, Record, i);

        if (record->data == NULL)
            lost = lost || record->type == 0 || record->type == type;
        else if (record->type == CNAME)
            *alias = record->data;
        else if (record->type == type)
            g_ptr_array_add (answer.records, g_bytes_ref (record->data));
    }
    if (answer.records->len > 0) {
        answer.outcome = SPF_DNS_DATA;
        return answer;
    }
    g_ptr_array_unref (answer.records);
    answer.records = NULL;
    return lost ? fail ("timeout") : answer;
}

SpfAnswer
zone_ask (const Zone *zone, const SpfQuestion *question)
{
    g_autofree char *name = key_of (question->name);

    for (guint n = 0; n <= ALIASES_MOST; n++) {
        const GArray *records = g_hash_table_lookup (zone->names, name);
        GBytes *alias = NULL;
        SpfAnswer answer;
        g_autofree char *other = NULL;

        if (records == NULL)
            return (SpfAnswer){SPF_DNS_NXDOMAIN, NULL, NULL};
        answer = look (records, question->type, &alias);
        if (alias == NULL)
            return answer;
        other = g_strndup (g_bytes_get_data (alias, NULL), g_bytes_get_size (alias));
        g_free (name);
        name = key_of (other);
    }
    return fail ("too many aliases");
}

void
zone_run (const Zone *zone, SpfEval *eval)
{
    const SpfQuestion *question;

    while ((question = spf_eval_next (eval)) != NULL) {
        SpfAnswer answer = zone_ask (zone, question);

        spf_eval_answer (eval, &answer);
        g_clear_pointer (&answer.records, g_ptr_array_unref);
    }
}
