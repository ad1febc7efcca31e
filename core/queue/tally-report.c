/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TLSRPT's texts: the record that says where reports go, the report, the mail around it. Pure; any thread.
 */
#include "config.h"

#include "queue/tally-private.h"

#include "control/wire-private.h"
#include "message/address-private.h"

#include <gio/gio.h>
#include <string.h>

#define BEGIN "v=TLSRPTv1;"

enum { DAY_SECONDS = 86400, BASE64_LINE_BYTES = 57 };

/* --- The record --------------------------------------------------------------------------------- */

static bool
is_target (const char *target)
{
    g_autofree char *address = NULL;

    if (g_ascii_strncasecmp (target, "https://", 8) == 0)
        return target[8] != '\0';
    if (g_ascii_strncasecmp (target, "mailto:", 7) != 0 || strpbrk (target, "?%") != NULL)
        return false;
    return relais_address_parse (target + 7, strlen (target + 7), false, &address, NULL) ==
           RELAIS_ADDRESS_OK;
}

/* What cannot be used is passed over: other schemes may come (section 3). */
static char **
read_targets (const char *value)
{
    g_auto (GStrv) all = g_strsplit (value, ",", -1);
    g_autoptr (GPtrArray) targets = g_ptr_array_new_with_free_func (g_free);

    for (char **each = all; *each != NULL && targets->len < RELAIS_TLSRPT_TARGETS; each++) {
        g_strstrip (*each);
        if (is_target (*each))
            g_ptr_array_add (targets, g_strdup (*each));
    }
    if (targets->len == 0)
        return NULL;
    g_ptr_array_add (targets, NULL);
    return (char **)g_ptr_array_free (g_steal_pointer (&targets), FALSE);
}

/* Whether a TXT record is meant for TLSRPT at all. */
static bool
is_meant (const guint8 *bytes, gsize size)
{
    return size >= strlen (BEGIN) && memcmp (bytes, BEGIN, strlen (BEGIN)) == 0;
}

char **
relais_tlsrpt_record_parse (const guint8 *bytes, gsize size)
{
    g_autofree char *text = NULL;
    g_auto (GStrv) fields = NULL;

    if (!is_meant (bytes, size))
        return NULL;
    for (gsize i = 0; i < size; i++)
        if (bytes[i] < ' ' || bytes[i] > '~')
            return NULL;
    text = g_strndup ((const char *)bytes + strlen (BEGIN), size - strlen (BEGIN));
    fields = g_strsplit (text, ";", -1);
    for (char **field = fields; *field != NULL; field++) {
        g_strstrip (*field);
        if (strncmp (*field, "rua=", 4) == 0)
            return read_targets (*field + 4);
    }
    return NULL;
}

char **
relais_tlsrpt_answer_targets (const RelaisDnsAnswer *answer)
{
    const RelaisDnsRecord *found = relais_dns_answer_find_only (answer, is_meant);

    return found != NULL ? relais_tlsrpt_record_parse (found->bytes, found->size) : NULL;
}

/* --- The report --------------------------------------------------------------------------------- */

static char *
time_of (gint64 seconds)
{
    g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (seconds);

    return time != NULL ? g_date_time_format (time, "%Y-%m-%dT%H:%M:%SZ") : g_strdup ("");
}

static void
append_member (GString *json, const char *name, const char *value)
{
    relais_wire_append_string (json, name);
    g_string_append_c (json, ':');
    relais_wire_append_string (json, value);
}

static void
append_list (GString *json, const char *name, char **list)
{
    if (list[0] == NULL)
        return;
    g_string_append_printf (json, ",\"%s\":[", name);
    for (char **each = list; *each != NULL; each++) {
        if (each != list)
            g_string_append_c (json, ',');
        relais_wire_append_string (json, *each);
    }
    g_string_append_c (json, ']');
}

static void
append_failure (GString *json, const RelaisTallyFailure *failure)
{
    const struct {
        const char *name, *value;
    } optional[] = {{"sending-mta-ip", failure->source},
                    {"receiving-mx-hostname", failure->host},
                    {"receiving-ip", failure->address},
                    {"failure-reason-code", failure->reason}};

    g_string_append_c (json, '{');
    append_member (json, "result-type", failure->result);
    for (gsize i = 0; i < G_N_ELEMENTS (optional); i++)
        if (optional[i].value[0] != '\0') {
            g_string_append_c (json, ',');
            append_member (json, optional[i].name, optional[i].value);
        }
    g_string_append_printf (json, ",\"failed-session-count\":%" G_GUINT64_FORMAT "}", failure->n);
}

static void
append_policy (GString *json, const RelaisTallyDay *day, const RelaisTallyPolicy *policy)
{
    g_string_append (json, "{\"policy\":{");
    append_member (json, "policy-type", relais_tally_type_to_string (policy->type));
    append_list (json, "policy-string", policy->policy);
    g_string_append_c (json, ',');
    append_member (json, "policy-domain", day->domain);
    append_list (json, "mx-host", policy->mx);
    g_string_append_printf (json,
                            "},\"summary\":{\"total-successful-session-count\":%" G_GUINT64_FORMAT
                            ",\"total-failure-session-count\":%" G_GUINT64_FORMAT "}",
                            policy->successes, policy->failures);
    if (policy->details->len > 0)
        g_string_append (json, ",\"failure-details\":[");
    for (guint i = 0; i < policy->details->len; i++) {
        if (i > 0)
            g_string_append_c (json, ',');
        append_failure (json, g_ptr_array_index (policy->details, i));
    }
    g_string_append (json, policy->details->len > 0 ? "]}" : "}");
}

char *
relais_tally_report_id (const RelaisTallyDay *day, const RelaisTallySubmitter *submitter)
{
    return g_strdup_printf ("%" G_GINT64_FORMAT ".%s@%s", day->day * DAY_SECONDS, day->domain,
                            submitter->hostname);
}

static GString *
make_json (const RelaisTallyDay *day, const RelaisTallySubmitter *submitter)
{
    g_autofree char *id = relais_tally_report_id (day, submitter);
    g_autofree char *begin = time_of (day->day * DAY_SECONDS);
    g_autofree char *end = time_of (day->day * DAY_SECONDS + DAY_SECONDS - 1);
    GString *json = g_string_new ("{");

    append_member (json, "organization-name", submitter->organization);
    g_string_append (json, ",\"date-range\":{");
    append_member (json, "start-datetime", begin);
    g_string_append_c (json, ',');
    append_member (json, "end-datetime", end);
    g_string_append (json, "},");
    append_member (json, "contact-info", submitter->contact);
    g_string_append_c (json, ',');
    append_member (json, "report-id", id);
    g_string_append (json, ",\"policies\":[");
    for (guint i = 0; i < day->policies->len; i++) {
        if (i > 0)
            g_string_append_c (json, ',');
        append_policy (json, day, g_ptr_array_index (day->policies, i));
    }
    g_string_append (json, "]}");
    return json;
}

static GBytes *
compress (const GString *text)
{
    g_autoptr (GZlibCompressor) zip = g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP, -1);
    g_autoptr (GOutputStream) memory = g_memory_output_stream_new_resizable ();
    g_autoptr (GOutputStream) stream = g_converter_output_stream_new (memory, G_CONVERTER (zip));

    /* Into memory, where nothing fails. */
    (void)g_output_stream_write_all (stream, text->str, text->len, NULL, NULL, NULL);
    (void)g_output_stream_close (stream, NULL, NULL);
    return g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (memory));
}

GBytes *
relais_tally_report (const RelaisTallyDay *day, const RelaisTallySubmitter *submitter)
{
    g_autoptr (GString) json = make_json (day, submitter);

    return compress (json);
}

/* --- The mail ----------------------------------------------------------------------------------- */

/* ASCII that may stand in a header and in a file's name. */
static char *
plain (const char *text)
{
    char *made = g_strdup (text);

    for (char *c = made; *c != '\0'; c++)
        if (!g_ascii_isalnum (*c) && strchr (".-_@", *c) == NULL)
            *c = '-';
    return made;
}

char *
relais_tally_report_name (const RelaisTallyDay *day, const RelaisTallySubmitter *submitter)
{
    g_autofree char *organization = plain (submitter->hostname);
    g_autofree char *domain = plain (day->domain);

    return g_strdup_printf ("%s!%s!%" G_GINT64_FORMAT "!%" G_GINT64_FORMAT ".json.gz", organization,
                            domain, day->day * DAY_SECONDS,
                            day->day * DAY_SECONDS + DAY_SECONDS - 1);
}

static void
append_base64 (GString *to, GBytes *bytes)
{
    gsize size;
    const guint8 *at = g_bytes_get_data (bytes, &size);

    for (gsize n; size > 0; at += n, size -= n) {
        g_autofree char *line = NULL;

        n = MIN (size, BASE64_LINE_BYTES);
        line = g_base64_encode (at, n);
        g_string_append_printf (to, "%s\r\n", line);
    }
}

GBytes *
relais_tally_mail (const RelaisTallyDay *day, const RelaisTallySubmitter *submitter, GBytes *report,
                   const char *to, const char *date, const char *message_id)
{
    g_autofree char *id = relais_tally_report_id (day, submitter);
    g_autofree char *name = relais_tally_report_name (day, submitter);
    g_autofree char *boundary = g_strdup_printf ("tlsrpt-%" G_GINT64_FORMAT, day->day);
    GString *mail = g_string_new (NULL);

    g_string_append_printf (
        mail,
        "From: <%s>\r\nTo: <%s>\r\nSubject: Report Domain: %s\r\n Submitter: %s\r\n"
        " Report-ID: <%s>\r\nDate: %s\r\nMessage-ID: %s\r\n"
        "TLS-Report-Domain: %s\r\nTLS-Report-Submitter: %s\r\n"
        "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n"
        " boundary=\"%s\"\r\n\r\n",
        submitter->contact, to, day->domain, submitter->hostname, id, date, message_id, day->domain,
        submitter->hostname, boundary);
    g_string_append_printf (mail,
                            "--%s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
                            "This is an aggregate TLS report from %s (RFC 8460).\r\n"
                            "--%s\r\nContent-Type: application/tlsrpt+gzip\r\n"
                            "Content-Transfer-Encoding: base64\r\n"
                            "Content-Disposition: attachment;\r\n filename=\"%s\"\r\n\r\n",
                            boundary, submitter->hostname, boundary, name);
    append_base64 (mail, report);
    g_string_append_printf (mail, "--%s--\r\n", boundary);
    return g_string_free_to_bytes (mail);
}
