/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The memory of one target in one zone: what is confirmed, what waits to be confirmed, and the last changes. What
 * nobody knows changes nothing. Pure; any thread.
 */
#include "zone.h"

#include <string.h>

/* As it is kept: a version, then the fields of DnsblRecord in their order, little-endian. */
#define FORMAT "(yyxyxsssyuxxba(xyys))"
enum { VERSION = 1 };

static void
change_free (gpointer data)
{
    DnsblChange *change = data;

    g_free (change->answer);
    g_free (change);
}

DnsblRecord *
dnsbl_record_new (void)
{
    DnsblRecord *record = g_new0 (DnsblRecord, 1);

    record->answer = g_strdup ("");
    record->codes = g_strdup ("");
    record->text = g_strdup ("");
    g_queue_init (&record->changes);
    return record;
}

void
dnsbl_record_free (gpointer data)
{
    DnsblRecord *record = data;

    if (record == NULL)
        return;
    g_queue_clear_full (&record->changes, change_free);
    g_free (record->answer);
    g_free (record->codes);
    g_free (record->text);
    g_free (record);
}

bool
dnsbl_record_is_pending (const DnsblRecord *record)
{
    return record->n_pending > 0;
}

/* --- Feeding ---------------------------------------------------------------------------------- */

static void
set_text (char **text, const char *value)
{
    g_free (*text);
    *text = g_strndup (value != NULL ? value : "", DNSBL_ANSWER);
}

static void
add_change (DnsblRecord *record, gint64 at_us, DnsblVerdict from, DnsblVerdict to,
            const char *answer)
{
    DnsblChange *change = g_new (DnsblChange, 1);

    *change = (DnsblChange){at_us, from, to, g_strndup (answer, DNSBL_ANSWER)};
    g_queue_push_tail (&record->changes, change);
    while (record->changes.length > DNSBL_CHANGES)
        change_free (g_queue_pop_head (&record->changes));
}

static DnsblNews
feed_unknown (DnsblRecord *record, gint64 at_us, gint64 unknown_after_us)
{
    if (record->unknown_us == 0)
        record->unknown_us = at_us;
    if (record->unknown_told || at_us - record->unknown_us < unknown_after_us)
        return DNSBL_NEWS_NONE;
    record->unknown_told = true;
    return DNSBL_NEWS_UNKNOWN;
}

static void
confirm_now (DnsblRecord *record, DnsblVerdict verdict, gint64 since_us, const DnsblAnswer *answer)
{
    add_change (record, answer->at_us, record->confirmed, verdict, answer->answer);
    record->confirmed = verdict;
    record->since_us = since_us;
    record->n_pending = 0;
}

static DnsblNews
feed_known (DnsblRecord *record, const DnsblAnswer *answer, guint confirm)
{
    if (answer->verdict == record->confirmed) {
        record->n_pending = 0;
        return DNSBL_NEWS_NONE;
    }
    if (record->confirmed == DNSBL_UNKNOWN && answer->verdict == DNSBL_CLEAN) {
        confirm_now (record, DNSBL_CLEAN, answer->at_us, answer);
        return DNSBL_NEWS_NONE;
    }
    if (record->n_pending == 0 || record->pending != answer->verdict) {
        record->pending = answer->verdict;
        record->n_pending = 0;
        record->pending_us = answer->at_us;
    }
    if (++record->n_pending < confirm)
        return DNSBL_NEWS_NONE;
    confirm_now (record, answer->verdict, record->pending_us, answer);
    return DNSBL_NEWS_CHANGE;
}

DnsblNews
dnsbl_record_feed (DnsblRecord *record, const DnsblAnswer *answer, guint confirm,
                   gint64 unknown_after_us)
{
    record->last = answer->verdict;
    record->checked_us = answer->at_us;
    set_text (&record->answer, answer->answer);
    if (answer->verdict == DNSBL_UNKNOWN)
        return feed_unknown (record, answer->at_us, unknown_after_us);
    record->unknown_us = 0;
    record->unknown_told = false;
    if (answer->verdict == DNSBL_LISTED) {
        set_text (&record->codes, answer->codes);
        set_text (&record->text, answer->text);
    }
    return feed_known (record, answer, confirm);
}

/* --- Keeping ---------------------------------------------------------------------------------- */

static GVariant *
pack_changes (const DnsblRecord *record)
{
    GVariantBuilder builder;

    g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(xyys)"));
    for (const GList *link = record->changes.head; link != NULL; link = link->next) {
        const DnsblChange *change = link->data;

        g_variant_builder_add (&builder, "(xyys)", change->at_us, (guint8)change->from,
                               (guint8)change->to, change->answer);
    }
    return g_variant_builder_end (&builder);
}

static GVariant *
little_endian (GVariant *value)
{
    GVariant *swapped;

    if (G_BYTE_ORDER == G_LITTLE_ENDIAN)
        return value;
    swapped = g_variant_byteswap (value);
    g_variant_unref (value);
    return swapped;
}

GBytes *
dnsbl_record_pack (const DnsblRecord *record)
{
    g_autofree char *answer = g_utf8_make_valid (record->answer, -1);
    g_autofree char *codes = g_utf8_make_valid (record->codes, -1);
    g_autofree char *text = g_utf8_make_valid (record->text, -1);
    GVariant *value = g_variant_ref_sink (
        g_variant_new ("(yyxyxsssyuxxb@a(xyys))", (guint8)VERSION, (guint8)record->confirmed,
                       record->since_us, (guint8)record->last, record->checked_us, answer, codes,
                       text, (guint8)record->pending, record->n_pending, record->pending_us,
                       record->unknown_us, (gboolean)record->unknown_told, pack_changes (record)));
    g_autoptr (GVariant) packed = little_endian (value);

    return g_variant_get_data_as_bytes (packed);
}

static bool
is_verdict (guint8 value)
{
    return value < DNSBL_VERDICTS;
}

static bool
unpack_changes (DnsblRecord *record, GVariantIter *changes)
{
    gint64 at_us;
    guint8 from, to;
    const char *answer;

    while (g_variant_iter_next (changes, "(xyy&s)", &at_us, &from, &to, &answer)) {
        if (!is_verdict (from) || !is_verdict (to))
            return false;
        add_change (record, at_us, from, to, answer);
    }
    return true;
}

DnsblRecord *
dnsbl_record_unpack (gconstpointer data, gsize size)
{
    g_autoptr (GBytes) bytes = g_bytes_new (data, size);
    g_autoptr (GVariant) value = little_endian (
        g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (FORMAT), bytes, FALSE)));
    g_autoptr (GVariantIter) changes = NULL;
    const char *answer, *codes, *text;
    guint8 version, confirmed, last, pending;
    gboolean unknown_told;
    DnsblRecord *record;

    if (!g_variant_is_normal_form (value))
        return NULL;
    record = dnsbl_record_new ();
    g_variant_get (value, "(yyxyx&s&s&syuxxba(xyys))", &version, &confirmed, &record->since_us,
                   &last, &record->checked_us, &answer, &codes, &text, &pending, &record->n_pending,
                   &record->pending_us, &record->unknown_us, &unknown_told, &changes);
    if (version != VERSION || !is_verdict (confirmed) || !is_verdict (last) ||
        !is_verdict (pending) || !unpack_changes (record, changes)) {
        dnsbl_record_free (record);
        return NULL;
    }
    record->confirmed = confirmed;
    record->last = last;
    record->pending = pending;
    record->unknown_told = unknown_told;
    set_text (&record->answer, answer);
    set_text (&record->codes, codes);
    set_text (&record->text, text);
    return record;
}
