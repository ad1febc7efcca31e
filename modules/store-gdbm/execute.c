/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The operations. Each reads what is there through the overlays, and what it changes goes into the
 * journal's buffer and the overlay `next` as a whole value, so that to read a journal again does no harm.
 * The owner's.
 */
#include "store-gdbm.h"

#include <stdlib.h>
#include <string.h>

/* --- What is there ---------------------------------------------------------------------------- */

static bool
is_expired (const SgStore *store, gint64 expires_us)
{
    return expires_us != 0 && expires_us <= store->options.now_us (store->options.data);
}

static bool
look_into (SgOverlay *overlay, const SgKey *key, SgFound *found, SgAnswer *answer)
{
    const SgEntry *entry = sg_overlay_find (overlay, key);

    if (entry == NULL)
        return false;
    *found = (SgFound){.value = entry->value,
                       .value_size = entry->value_size,
                       .expires_us = entry->expires_us,
                       .wait = entry->durable ? overlay : NULL};
    *answer = entry->value != NULL ? SG_FOUND : SG_ABSENT;
    return true;
}

SgAnswer
sg_lookup (SgStore *store, const SgKey *key, SgFound *found)
{
    SgAnswer answer = SG_ERROR_ANSWER;

    *found = (SgFound){0};
    if (!look_into (store->next, key, found, &answer) &&
        !look_into (store->syncing, key, found, &answer) &&
        !look_into (store->settled, key, found, &answer) && store->index != NULL) {
        answer = sg_index_get (store->index, key->bytes, key->size, &found->owned,
                               &found->value_size, &found->expires_us);
        found->value = found->owned;
    }
    if (answer == SG_FOUND && is_expired (store, found->expires_us)) {
        sg_found_clear (found);
        answer = SG_ABSENT;
    }
    return answer;
}

void
sg_found_clear (SgFound *found)
{
    free (found->owned);
    *found = (SgFound){.wait = found->wait};
}

/* --- Changes ---------------------------------------------------------------------------------- */

static void
change (SgStore *store, const SgKey *key, const guint8 *value, gsize value_size, gint64 expires_us,
        bool durable)
{
    SgRecord record = {.op = value != NULL ? SG_OP_PUT : SG_OP_REMOVE,
                       .expires_us = expires_us,
                       .key = key->bytes,
                       .key_size = key->size,
                       .value = value,
                       .value_size = value_size};

    sg_journal_add (&store->journal, &record);
    sg_overlay_set (store->next, key, value, value_size, expires_us, durable);
    store->next->last_seq = record.seq;
    if (value != NULL)
        sg_listing_note (store, key);
}

void
sg_conclude (RelaisStoreRequest *request, RelaisStoreResult result, SgOverlay *wait)
{
    const SgOutcome outcome = {request, result};

    if (wait != NULL)
        g_array_append_val (wait->outcomes, outcome);
    else
        relais_store_request_complete (request, result);
}

static void
tell_value (RelaisStoreRequest *request, const SgFound *found)
{
    relais_store_request_set_value (request, found->value, found->value_size, found->expires_us);
}

static void
get (SgStore *store, RelaisStoreRequest *request, const SgKey *key, SgAnswer answer, SgFound *found)
{
    if (answer == SG_FOUND)
        tell_value (request, found);
    sg_conclude (request, answer == SG_FOUND ? RELAIS_STORE_FOUND : RELAIS_STORE_ABSENT,
                 found->wait);
}

static void
put (SgStore *store, RelaisStoreRequest *request, const SgKey *key, SgAnswer answer, SgFound *found)
{
    gsize size;
    const guint8 *value = relais_store_request_get_value (request, &size);

    change (store, key, value, size, relais_store_request_get_expires_us (request), true);
    sg_conclude (request, RELAIS_STORE_FOUND, store->next);
}

static void
remove_key (SgStore *store, RelaisStoreRequest *request, const SgKey *key, SgAnswer answer,
            SgFound *found)
{
    if (answer == SG_ABSENT) {
        sg_conclude (request, RELAIS_STORE_ABSENT, found->wait);
        return;
    }
    change (store, key, NULL, 0, 0, true);
    sg_conclude (request, RELAIS_STORE_FOUND, store->next);
}

/* --- Numbers ---------------------------------------------------------------------------------- */

enum { NUMBER_BYTES = 20 }; /* "-9223372036854775808" */

static bool
parse_number (const SgFound *found, gint64 *number)
{
    char text[NUMBER_BYTES + 1] = {0};

    if (found->value_size > NUMBER_BYTES)
        return false;
    memcpy (text, found->value, found->value_size);
    return strlen (text) == found->value_size &&
           g_ascii_string_to_signed (text, 10, G_MININT64, G_MAXINT64, number, NULL);
}

/* NULL, or why the sum cannot be. */
static const char *
add (SgStore *store, const SgKey *key, SgAnswer answer, const SgFound *found, gint64 delta,
     gint64 expires_us, bool durable, gint64 *number)
{
    char text[NUMBER_BYTES + 1];

    *number = 0;
    if (answer == SG_FOUND && !parse_number (found, number))
        return "the value is no number";
    if (__builtin_add_overflow (*number, delta, number))
        return "the sum would not fit into 64 bits";
    g_snprintf (text, sizeof text, "%" G_GINT64_FORMAT, *number);
    change (store, key, (const guint8 *)text, strlen (text),
            answer == SG_FOUND ? found->expires_us : expires_us, durable);
    return NULL;
}

/* A lazy one waits for nothing but the write; if what it was added to waits for a sync, whoever reads
 * the sum does too. */
static void
increment (SgStore *store, RelaisStoreRequest *request, const SgKey *key, SgAnswer answer,
           SgFound *found)
{
    const bool lazy = (relais_store_request_get_flags (request) & RELAIS_STORE_LAZY) != 0;
    const SgOutcome outcome = {request, RELAIS_STORE_FOUND};
    const char *trouble;
    gint64 number;

    trouble =
        add (store, key, answer, found, relais_store_request_get_delta (request),
             relais_store_request_get_expires_us (request), !lazy || found->wait != NULL, &number);
    if (trouble != NULL) {
        relais_store_request_fail (request, trouble);
        return;
    }
    relais_store_request_set_number (request, number);
    g_array_append_val (lazy ? store->lazies : store->next->outcomes, outcome);
}

static void
pay (SgStore *store, const SgDebt *debt, SgAnswer answer, const SgFound *found)
{
    gint64 number;
    const char *trouble =
        add (store, &debt->key, answer, found, debt->delta, debt->expires_us, false, &number);

    if (trouble != NULL)
        sg_log (store, true, "a counter lost %" G_GINT64_FORMAT ": %s", debt->delta, trouble);
    else
        sg_overlay_owe (store->next->owed, &debt->key, debt->delta, debt->expires_us);
}

void
sg_pay (SgStore *store)
{
    GHashTableIter iter;
    gpointer next;

    g_hash_table_iter_init (&iter, store->owed);
    while (!store->unreadable && g_hash_table_iter_next (&iter, &next, NULL)) {
        const SgDebt *debt = next;
        SgFound found;
        SgAnswer answer = sg_lookup (store, &debt->key, &found);

        store->unreadable = answer == SG_ERROR_ANSWER;
        if (!store->unreadable) {
            pay (store, debt, answer, &found);
            g_hash_table_iter_remove (&iter);
        }
        sg_found_clear (&found);
    }
}

/* --- Compare and set -------------------------------------------------------------------------- */

static bool
is_expected (const RelaisStoreRequest *request, SgAnswer answer, const SgFound *found)
{
    gsize size;
    const guint8 *expected = relais_store_request_get_expected (request, &size);

    if (expected == NULL || answer == SG_ABSENT)
        return expected == NULL && answer == SG_ABSENT;
    return size == found->value_size && (size == 0 || memcmp (expected, found->value, size) == 0);
}

static void
compare_and_set (SgStore *store, RelaisStoreRequest *request, const SgKey *key, SgAnswer answer,
                 SgFound *found)
{
    gsize size;
    const guint8 *value = relais_store_request_get_value (request, &size);

    if (!is_expected (request, answer, found)) {
        if (answer == SG_FOUND)
            tell_value (request, found);
        sg_conclude (request, RELAIS_STORE_CONFLICT, found->wait);
        return;
    }
    if (value == NULL && answer == SG_ABSENT) {
        sg_conclude (request, RELAIS_STORE_FOUND, found->wait);
        return;
    }
    change (store, key, value, size,
            value != NULL ? relais_store_request_get_expires_us (request) : 0, true);
    sg_conclude (request, RELAIS_STORE_FOUND, store->next);
}

/* --- All of them ------------------------------------------------------------------------------ */

typedef void (*Operation) (SgStore *store, RelaisStoreRequest *request, const SgKey *key,
                           SgAnswer answer, SgFound *found);

static const struct {
    Operation func;
    bool writes;
} operations[] = {
    [RELAIS_STORE_GET] = {get, false},
    [RELAIS_STORE_PUT] = {put, true},
    [RELAIS_STORE_REMOVE] = {remove_key, true},
    [RELAIS_STORE_INCREMENT] = {increment, true},
    [RELAIS_STORE_COMPARE_AND_SET] = {compare_and_set, true},
};

void
sg_fail_unreadable (SgStore *store, RelaisStoreRequest *request)
{
    store->unreadable = true;
    relais_store_request_fail (request, sg_index_trouble (store->index));
}

void
sg_execute (SgStore *store, RelaisStoreRequest *request)
{
    const RelaisStoreOp op = relais_store_request_get_op (request);
    SgAnswer answer;
    SgFound found;
    SgKey key;

    if (store->index == NULL) {
        relais_store_request_fail (request, store->unloaded);
        return;
    }
    if (op == RELAIS_STORE_SCAN) {
        sg_scan (store, request);
        return;
    }
    if (operations[op].writes && store->refusal != NULL) {
        relais_store_request_fail (request, store->refusal);
        return;
    }
    key.bytes = relais_store_request_get_key (request, &key.size);
    /* A put need not know what is there. */
    answer = op == RELAIS_STORE_PUT ? SG_ABSENT : sg_lookup (store, &key, &found);
    if (op == RELAIS_STORE_PUT)
        found = (SgFound){0};
    if (answer == SG_ERROR_ANSWER)
        sg_fail_unreadable (store, request);
    else
        operations[op].func (store, request, &key, answer, &found);
    sg_found_clear (&found);
}
