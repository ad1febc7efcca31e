/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The zone of the harness: what lookups of modules under test are answered with (include/relais/test.h).
 * Loop thread.
 */
#include "config.h"

#include "module/module-private.h"

#include "dns/answer-private.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

struct RelaisTestZone {
    GHashTable *names;   /* char * in lower case -> GArray of Entry */
    GHashTable *failing; /* char * in lower case -> char * */
    guint n_lookups;
};

typedef struct {
    RelaisDnsType type;
    RelaisDnsRecord record;
} Entry;

enum { TTL_S = 300 };

static void
entry_clear (gpointer data)
{
    Entry *entry = data;

    g_free (entry->record.name);
    g_free (entry->record.bytes);
}

RelaisTestZone *
relais_test_zone_new (void)
{
    RelaisTestZone *zone = g_new (RelaisTestZone, 1);

    *zone = (RelaisTestZone){
        .names =
            g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_array_unref),
        .failing = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free)};
    return zone;
}

void
relais_test_zone_free (RelaisTestZone *zone)
{
    if (zone == NULL)
        return;
    g_hash_table_unref (zone->names);
    g_hash_table_unref (zone->failing);
    g_free (zone);
}

/* As the resolver compares names. */
static char *
key_of (const char *name)
{
    char *key = g_ascii_strdown (name, -1);
    const gsize size = strlen (key);

    if (size > 0 && key[size - 1] == '.')
        key[size - 1] = '\0';
    return key;
}

/* --- Filling it ------------------------------------------------------------------------------- */

static bool
read_address (int family, gsize size, const char *text, RelaisDnsRecord *record)
{
    record->bytes = g_malloc (size);
    record->size = size;
    return inet_pton (family, text, record->bytes) == 1;
}

static bool
read_mx (const char *text, RelaisDnsRecord *record)
{
    char *end;
    const unsigned long preference = strtoul (text, &end, 10);

    if (end == text || *end != ' ' || preference > G_MAXUINT16)
        return false;
    record->preference = (guint16)preference;
    record->name = key_of (end + 1);
    return true;
}

static bool
read_record (const char *type, const char *text, Entry *entry)
{
    RelaisDnsRecord *record = &entry->record;

    if (g_str_equal (type, "TXT")) {
        entry->type = RELAIS_DNS_TXT;
        record->bytes = (guint8 *)g_strdup (text);
        record->size = strlen (text);
        return true;
    }
    if (g_str_equal (type, "PTR")) {
        entry->type = RELAIS_DNS_PTR;
        record->name = key_of (text);
        return true;
    }
    if (g_str_equal (type, "MX")) {
        entry->type = RELAIS_DNS_MX;
        return read_mx (text, record);
    }
    if (g_str_equal (type, "A")) {
        entry->type = RELAIS_DNS_A;
        return read_address (AF_INET, 4, text, record);
    }
    entry->type = RELAIS_DNS_AAAA;
    return g_str_equal (type, "AAAA") && read_address (AF_INET6, 16, text, record);
}

bool
relais_test_zone_add (RelaisTestZone *zone, const char *name, const char *type, const char *text)
{
    g_autofree char *key = key_of (name);
    GArray *entries = g_hash_table_lookup (zone->names, key);
    Entry entry = {0};

    if (!read_record (type, text, &entry)) {
        entry_clear (&entry);
        return false;
    }
    if (entries == NULL) {
        entries = g_array_new (FALSE, FALSE, sizeof (Entry));
        g_array_set_clear_func (entries, entry_clear);
        g_hash_table_insert (zone->names, g_steal_pointer (&key), entries);
    }
    g_array_append_val (entries, entry);
    return true;
}

void
relais_test_zone_fail (RelaisTestZone *zone, const char *name, const char *reason)
{
    g_hash_table_replace (zone->failing, key_of (name), g_strdup (reason));
}

guint
relais_test_zone_n_lookups (const RelaisTestZone *zone)
{
    return zone->n_lookups;
}

/* --- Asking it -------------------------------------------------------------------------------- */

static void
add_copy (RelaisDnsAnswer *answer, const RelaisDnsRecord *from)
{
    const RelaisDnsRecord copy = {from->preference, g_strdup (from->name),
                                  g_memdup2 (from->bytes, from->size), from->size};

    answer->outcome = RELAIS_DNS_DATA;
    g_array_append_val (answer->records, copy);
}

RelaisDnsAnswer *
relais_test_zone_answer (RelaisTestZone *zone, const char *name, RelaisDnsType type)
{
    g_autofree char *key = key_of (name);
    RelaisDnsAnswer *answer = relais_dns_answer_new ();
    const GArray *entries = g_hash_table_lookup (zone->names, key);
    const char *reason = g_hash_table_lookup (zone->failing, key);

    zone->n_lookups++;
    relais_dns_answer_fail (answer, reason != NULL ? g_intern_string (reason) : NULL);
    if (reason != NULL)
        return answer;
    answer->ttl_s = TTL_S;
    answer->outcome = entries != NULL ? RELAIS_DNS_NODATA : RELAIS_DNS_NXDOMAIN;
    for (guint i = 0; entries != NULL && i < entries->len; i++) {
        const Entry *entry = &g_array_index (entries, Entry, i);

        if (entry->type == type)
            add_copy (answer, &entry->record);
    }
    return answer;
}
