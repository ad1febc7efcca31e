/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is said of a verdict: the trace field Received-SPF (RFC 7208 section 9.1) and the answer to who is
 * refused. Names and records are strangers' words: they are cut, quoted and kept to printable ASCII. Pure.
 */
#include "spf-check.h"

#include <string.h>

enum { VALUE_BYTES = 300, PART_BYTES = 120, REPLY_BYTES = 380 };

/* --- Templates -------------------------------------------------------------------------------- */

static void
append_clean (GString *to, const char *text, gsize most, const char *escaped)
{
    for (gsize i = 0; i < most && text[i] != '\0'; i++) {
        if (strchr (escaped, text[i]) != NULL)
            g_string_append_c (to, '\\');
        g_string_append_c (to, g_ascii_isprint (text[i]) ? text[i] : '?');
    }
}

/* %i the client, %d the domain, %p what was wrong. */
static void
append_template (GString *to, const char *form, const SpfVerdict *verdict,
                 const SpfSubject *subject, const char *escaped)
{
    const char *problem = verdict->problem != NULL ? verdict->problem : "no reason known";

    for (; *form != '\0'; form++) {
        if (*form != '%') {
            g_string_append_c (to, *form);
            continue;
        }
        form++;
        append_clean (to,
                      *form == 'i'   ? subject->ip
                      : *form == 'd' ? verdict->domain
                                     : problem,
                      PART_BYTES, escaped);
    }
}

/* --- Received-SPF ----------------------------------------------------------------------------- */

static const char *const comments[SPF_RESULTS] = {
    [SPF_NONE] = "%d publishes no SPF record",
    [SPF_NEUTRAL] = "%d does not say whether %i may send its mail",
    [SPF_PASS] = "%d lets %i send its mail",
    [SPF_FAIL] = "%d does not let %i send its mail",
    [SPF_SOFTFAIL] = "%d rather does not let %i send its mail",
    [SPF_TEMPERROR] = "the SPF record of %d cannot be evaluated now",
    [SPF_PERMERROR] = "the SPF record of %d is in error",
};

static void
append_pair (GString *to, const char *fold, const char *key, const char *value)
{
    if (value == NULL)
        return;
    g_string_append_printf (to, "%s%s=\"", fold, key);
    append_clean (to, value, VALUE_BYTES, "\"\\");
    g_string_append (to, "\";");
}

char *
spf_report_field (const SpfVerdict *verdict, const SpfSubject *subject)
{
    GString *field = g_string_new ("Received-SPF: ");

    g_string_append_printf (field, "%s\r\n\t(", spf_result_to_string (verdict->result));
    append_clean (field, subject->receiver, PART_BYTES, "()\\");
    g_string_append (field, ": ");
    append_template (field, comments[verdict->result], verdict, subject, "()\\");
    g_string_append_c (field, ')');
    append_pair (field, "\r\n\t", "receiver", subject->receiver);
    append_pair (field, " ", "client-ip", subject->ip);
    append_pair (field, "\r\n\t", "envelope-from", subject->sender);
    append_pair (field, "\r\n\t", "helo", subject->helo);
    append_pair (field, " ", "identity", verdict->is_helo ? "helo" : "mailfrom");
    append_pair (field, "\r\n\t", "mechanism", verdict->mechanism);
    append_pair (field, "\r\n\t", "problem", verdict->problem);
    g_string_append (field, "\r\n");
    return g_string_free (field, FALSE);
}

/* --- The answer ------------------------------------------------------------------------------- */

static const char *const replies[SPF_RESULTS] = {
    [SPF_NONE] = "%d has no SPF record, which is required here; publish one that names %i",
    [SPF_NEUTRAL] = "the SPF record of %d does not say whether %i may send its mail; name it there",
    [SPF_PASS] = "mail from %d is not taken from %i",
    [SPF_FAIL] =
        "the SPF record of %d does not let %i send its mail; send it through a server that "
        "the record names, or have %i put into it",
    [SPF_SOFTFAIL] = "the SPF record of %d rather does not let %i send its mail; send it through a "
                     "server that the record names, or have %i put into it",
    [SPF_TEMPERROR] = "the SPF record of %d cannot be evaluated now (%p); try again later",
    [SPF_PERMERROR] = "the SPF record of %d is in error (%p); whoever keeps it has to mend it",
};

char *
spf_report_reply (const SpfVerdict *verdict, const SpfSubject *subject)
{
    GString *text = g_string_new (NULL);

    append_template (text, replies[verdict->result], verdict, subject, "");
    if (verdict->explanation != NULL) {
        g_string_append (text, "; ");
        append_clean (text, verdict->domain, PART_BYTES, "");
        g_string_append (text, " says: ");
        append_clean (text, verdict->explanation, REPLY_BYTES, "");
    }
    g_string_truncate (text, MIN (text->len, REPLY_BYTES));
    return g_string_free (text, FALSE);
}
