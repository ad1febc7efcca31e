/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From a header block to the signatures that are worth a key: which fields there are, which rules of ours
 * settle a signature before anything is looked up. Pure.
 */
#include "verify.h"

#include <string.h>

static bool
is_named (const RelaisHeaderField *field, const char *name)
{
    return field->name_size == strlen (name) &&
           g_ascii_strncasecmp (field->name, name, field->name_size) == 0;
}

/* --- The header as a whole ---------------------------------------------------------------------- */

/* What libopendkim calls strict, over all fields: a second one of these shows a reader what nobody signed. */
static const char *const singles[] = {"From",        "Date",       "Sender", "Reply-To",
                                      "To",          "Cc",         "Bcc",    "Message-ID",
                                      "In-Reply-To", "References", "Subject"};
enum { NEEDED_SINGLES = 2 };

static char *
find_header_problem (const guint8 *header, gsize size)
{
    guint counts[G_N_ELEMENTS (singles)] = {0};
    RelaisHeaderField field;
    guint64 position = 0;

    while (relais_header_next_field (header, size, &position, &field))
        for (guint i = 0; i < G_N_ELEMENTS (singles); i++)
            counts[i] += is_named (&field, singles[i]) ? 1 : 0;
    if (position != size && (size - position != 2 || memcmp (header + position, "\r\n", 2) != 0))
        return g_strdup ("the header has a line that is no field");
    for (guint i = 0; i < G_N_ELEMENTS (singles); i++) {
        if (counts[i] > 1)
            return g_strdup_printf ("the message has %u fields %s", counts[i], singles[i]);
        if (counts[i] == 0 && i < NEEDED_SINGLES)
            return g_strdup_printf ("the message has no field %s", singles[i]);
    }
    return NULL;
}

/* --- One signature -------------------------------------------------------------------------------- */

void
dkim_verdict_settle (DkimVerdict *verdict, const char *result, const char *reason)
{
    g_return_if_fail (verdict->result == NULL);
    verdict->result = result;
    verdict->reason = g_strdup (reason);
}

static void
verdict_free (gpointer data)
{
    DkimVerdict *verdict = data;

    dkim_signature_clear (&verdict->signature);
    g_free (verdict->reason);
    g_free (verdict);
}

static void
apply_rules (DkimVerdict *verdict, gint64 now_s)
{
    const DkimSignature *signature = &verdict->signature;

    if (signature->algorithm == DKIM_RSA_SHA1)
        dkim_verdict_settle (verdict, "policy", "rsa-sha1 proves nothing any more");
    else if (dkim_signature_count_name (signature, "from") == 0)
        dkim_verdict_settle (verdict, "policy", "From is not signed");
    else if (signature->has_expires && signature->expires < now_s)
        dkim_verdict_settle (verdict, "policy", "the signature has expired");
    else if (signature->has_time && signature->time > now_s + DKIM_FUTURE_SECONDS)
        dkim_verdict_settle (verdict, "policy", "the signature is from the future");
}

static void
add_verdict (DkimScan *scan, const RelaisHeaderField *field, const char *header_problem,
             gint64 now_s)
{
    DkimVerdict *verdict = g_new0 (DkimVerdict, 1);
    const char *problem =
        dkim_signature_parse (&verdict->signature, field->value, (gsize)field->value_size);

    g_ptr_array_add (scan->verdicts, verdict);
    verdict->number = scan->verdicts->len;
    verdict->offset = field->offset;
    verdict->size = field->size;
    if (problem != NULL)
        dkim_verdict_settle (verdict, "neutral", problem);
    else if (header_problem != NULL)
        dkim_verdict_settle (verdict, "permerror", header_problem);
    else
        apply_rules (verdict, now_s);
}

/* --- All ------------------------------------------------------------------------------------------ */

/* With signatures that are left out, what one says of other signatures cannot be looked at. */
static void
settle_for_ignored (DkimScan *scan)
{
    for (guint i = 0; scan->n_ignored > 0 && i < scan->verdicts->len; i++) {
        DkimVerdict *verdict = g_ptr_array_index (scan->verdicts, i);

        if (verdict->result == NULL &&
            dkim_signature_count_name (&verdict->signature, "dkim-signature") > 0)
            dkim_verdict_settle (verdict, "policy",
                                 "it signs other signatures, of which there are too many");
    }
}

void
dkim_scan (DkimScan *scan, const guint8 *header, gsize size, gint64 now_s)
{
    RelaisHeaderField field;
    guint64 position = 0;
    g_autofree char *problem = NULL;

    scan->verdicts = g_ptr_array_new_with_free_func (verdict_free);
    scan->n_ignored = 0;
    scan->failure = NULL;
    while (relais_header_next_field (header, size, &position, &field)) {
        if (!is_named (&field, "DKIM-Signature"))
            continue;
        if (scan->verdicts->len == DKIM_SIGNATURES) {
            scan->n_ignored++;
            continue;
        }
        if (scan->verdicts->len == 0)
            problem = find_header_problem (header, size);
        add_verdict (scan, &field, problem, now_s);
    }
    settle_for_ignored (scan);
}

void
dkim_scan_clear (DkimScan *scan)
{
    g_clear_pointer (&scan->verdicts, g_ptr_array_unref);
}

/* --- Order ---------------------------------------------------------------------------------------- */

static bool
is_below (const char *domain, const char *above)
{
    gsize size = strlen (domain), above_size = strlen (above);

    return size >= above_size && g_ascii_strcasecmp (domain + size - above_size, above) == 0 &&
           (size == above_size || domain[size - above_size - 1] == '.');
}

static guint
rank (const DkimVerdict *verdict, const char *from_domain)
{
    const char *domain = verdict->signature.domain;

    if (g_str_equal (verdict->result, "pass")) {
        if (from_domain == NULL)
            return 2;
        if (g_ascii_strcasecmp (domain, from_domain) == 0)
            return 0;
        return is_below (from_domain, domain) || is_below (domain, from_domain) ? 1 : 2;
    }
    return g_str_equal (verdict->result, "temperror") ? 3 : 4;
}

static gint
compare (gconstpointer a, gconstpointer b, gpointer from_domain)
{
    const DkimVerdict *one = *(const DkimVerdict *const *)a,
                      *other = *(const DkimVerdict *const *)b;
    guint one_rank = rank (one, from_domain), other_rank = rank (other, from_domain);

    return one_rank != other_rank ? (gint)one_rank - (gint)other_rank
                                  : (gint)one->number - (gint)other->number;
}

void
dkim_scan_sort (DkimScan *scan, const char *from_domain)
{
    g_ptr_array_sort_with_data (scan->verdicts, compare, (gpointer)from_domain);
}
