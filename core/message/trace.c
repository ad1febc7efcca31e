/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Results of checks and how they are written and recognised (RFC 8601). One thread.
 */
#include "config.h"

#include "message/trace-private.h"

#include <string.h>

enum { LINE_BYTES = 76 };

struct RelaisTrace {
    GPtrArray *results; /* RelaisAuthResult */
    GByteArray *lines;
};

static void
result_free (gpointer data)
{
    RelaisAuthResult *result = data;

    g_free (result->method);
    g_free (result->result);
    g_free (result->reason);
    g_strfreev (result->properties);
    g_free (result);
}

RelaisTrace *
relais_trace_new (void)
{
    RelaisTrace *trace = g_new (RelaisTrace, 1);

    *trace = (RelaisTrace){g_ptr_array_new_with_free_func (result_free), g_byte_array_new ()};
    return trace;
}

void
relais_trace_free (RelaisTrace *trace)
{
    if (trace == NULL)
        return;
    g_ptr_array_unref (trace->results);
    g_byte_array_unref (trace->lines);
    g_free (trace);
}

/* --- Results ---------------------------------------------------------------------------------- */

static bool
is_keyword (const char *text, gsize size, const char *also)
{
    for (gsize i = 0; i < size; i++)
        if (!g_ascii_islower (text[i]) && !g_ascii_isdigit (text[i]) &&
            (text[i] == '\0' || strchr (also, text[i]) == NULL))
            return false;
    return size > 0 && size <= TRACE_MAX_TEXT_BYTES;
}

static bool
is_property (const char *text)
{
    const char *equals = strchr (text, '=');
    const char *dot = equals != NULL ? memchr (text, '.', (gsize)(equals - text)) : NULL;

    return dot != NULL && strlen (text) <= TRACE_MAX_TEXT_BYTES &&
           is_keyword (text, (gsize)(dot - text), "-") &&
           is_keyword (dot + 1, (gsize)(equals - dot - 1), "-_");
}

static bool
are_properties (const char *const *properties)
{
    guint n = 0;

    for (; properties != NULL && properties[n] != NULL; n++)
        if (n == TRACE_MAX_PROPERTIES || !is_property (properties[n]))
            return false;
    return true;
}

bool
relais_trace_add_result (RelaisTrace *trace, const char *method, const char *result,
                         const char *reason, const char *const *properties)
{
    static const char *const none[] = {NULL};
    RelaisAuthResult *added;

    if (trace->results->len == TRACE_MAX_RESULTS || !is_keyword (method, strlen (method), "-") ||
        !is_keyword (result, strlen (result), "") || !are_properties (properties) ||
        (reason != NULL && strlen (reason) > TRACE_MAX_TEXT_BYTES))
        return false;
    added = g_new (RelaisAuthResult, 1);
    *added = (RelaisAuthResult){g_strdup (method), g_strdup (result), g_strdup (reason),
                                g_strdupv ((char **)(properties != NULL ? properties : none))};
    g_ptr_array_add (trace->results, added);
    return true;
}

guint
relais_trace_n_results (const RelaisTrace *trace)
{
    return trace->results->len;
}

const RelaisAuthResult *
relais_trace_nth_result (const RelaisTrace *trace, guint n)
{
    return n < trace->results->len ? g_ptr_array_index (trace->results, n) : NULL;
}

const char *
relais_auth_result_get_property (const RelaisAuthResult *result, const char *name)
{
    const gsize size = strlen (name);

    for (char **property = result->properties; *property != NULL; property++)
        if (strncmp (*property, name, size) == 0 && (*property)[size] == '=')
            return *property + size + 1;
    return NULL;
}

static bool
is_first_of_method (const RelaisTrace *trace, guint n)
{
    const char *method = relais_trace_nth_result (trace, n)->method;

    for (guint i = 0; i < n; i++)
        if (g_str_equal (relais_trace_nth_result (trace, i)->method, method))
            return false;
    return true;
}

char *
relais_trace_summary (const RelaisTrace *trace)
{
    g_autoptr (GString) text = g_string_new (NULL);

    for (guint i = 0; i < trace->results->len; i++) {
        const RelaisAuthResult *result = relais_trace_nth_result (trace, i);

        if (is_first_of_method (trace, i))
            g_string_append_printf (text, "%s%s=%s", text->len > 0 ? " " : "", result->method,
                                    result->result);
    }
    return text->len > 0 ? g_string_free (g_steal_pointer (&text), FALSE) : NULL;
}

bool
relais_trace_add_lines (RelaisTrace *trace, const char *bytes, gsize size)
{
    if (size > TRACE_MAX_LINES_BYTES - trace->lines->len)
        return false;
    g_byte_array_prepend (trace->lines, (const guint8 *)bytes, (guint)size);
    return true;
}

const GByteArray *
relais_trace_lines (const RelaisTrace *trace)
{
    return trace->lines;
}

/* --- Writing ---------------------------------------------------------------------------------- */

static bool
is_token_char (char c)
{
    return c > ' ' && c < 0x7f && strchr ("()<>@,;:\\\"/[]?=", c) == NULL;
}

/* A token, or an address whose parts are tokens (RFC 8601 section 2.2, pvalue). */
static bool
is_bare (const char *value)
{
    guint ats = 0;

    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '@')
            ats++;
        else if (!is_token_char (*c))
            return false;
    }
    return value[0] != '\0' && ats <= 1;
}

static void
append_value (GString *to, const char *value)
{
    if (is_bare (value)) {
        g_string_append (to, value);
        return;
    }
    g_string_append_c (to, '"');
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            g_string_append_c (to, '\\');
        g_string_append_c (to, *c >= ' ' && *c < 0x7f ? *c : '?');
    }
    g_string_append_c (to, '"');
}

/* One more piece, on a line of its own where this one would get long. `line` is where this one begins. */
static void
append_piece (GString *to, gsize *line, const GString *piece)
{
    if (to->len - *line + 1 + piece->len > LINE_BYTES) {
        g_string_append (to, "\r\n\t");
        *line = to->len - 1;
    } else {
        g_string_append_c (to, ' ');
    }
    g_string_append_len (to, piece->str, (gssize)piece->len);
}

static void
append_property (GString *to, gsize *line, const char *property)
{
    g_autoptr (GString) piece = g_string_new (NULL);
    const char *value = strchr (property, '=') + 1;

    g_string_append_len (piece, property, value - property);
    append_value (piece, value);
    append_piece (to, line, piece);
}

static void
append_result (GString *to, const RelaisAuthResult *result)
{
    gsize line;

    g_string_append (to, ";\r\n\t");
    line = to->len - 1;
    g_string_append_printf (to, "%s=%s", result->method, result->result);
    if (result->reason != NULL) {
        g_autofree char *reason = g_strconcat ("reason=", result->reason, NULL);

        append_property (to, &line, reason);
    }
    for (char **property = result->properties; *property != NULL; property++)
        append_property (to, &line, *property);
}

char *
relais_trace_to_field (const RelaisTrace *trace, const char *authserv_id)
{
    GString *field;

    if (trace->results->len == 0)
        return NULL;
    field = g_string_new ("Authentication-Results: ");
    append_value (field, authserv_id);
    for (guint i = 0; i < trace->results->len; i++)
        append_result (field, relais_trace_nth_result (trace, i));
    g_string_append (field, "\r\n");
    return g_string_free (field, FALSE);
}

void
relais_trace_apply (const RelaisTrace *trace, RelaisMessage *message, const char *authserv_id)
{
    g_autofree char *field = relais_trace_to_field (trace, authserv_id);
    GByteArray *all;

    if (field == NULL && trace->lines->len == 0)
        return;
    all = g_byte_array_new ();
    if (field != NULL)
        g_byte_array_append (all, (const guint8 *)field, (guint)strlen (field));
    g_byte_array_append (all, trace->lines->data, trace->lines->len);
    if (message->prepend != NULL) {
        gsize size;
        const guint8 *bytes = g_bytes_get_data (message->prepend, &size);

        g_byte_array_append (all, bytes, (guint)size);
        g_bytes_unref (message->prepend);
    }
    message->prepend = g_byte_array_free_to_bytes (all);
}

/* --- Recognising ------------------------------------------------------------------------------ */

/* After white space and comments, which nest (RFC 5322 section 3.2.2); `size` if they do not end. */
static gsize
skip_comments (const char *value, gsize size)
{
    guint depth = 0;
    gsize at = 0;

    for (; at < size; at++) {
        if (value[at] == '(')
            depth++;
        else if (depth > 0 && value[at] == ')')
            depth--;
        else if (depth > 0 && value[at] == '\\')
            at++;
        else if (depth == 0 && !g_ascii_isspace (value[at]))
            return at;
    }
    return size;
}

/* The name that the value begins with, without quotes; NULL if there is none to be read. */
static char *
read_id (const char *value, gsize size)
{
    gsize at = skip_comments (value, size);
    GString *id = g_string_new (NULL);
    const bool quoted = at < size && value[at] == '"';

    if (quoted)
        at++;
    for (; at < size; at++) {
        if (quoted ? value[at] == '"' : !is_token_char (value[at]))
            break;
        if (quoted && value[at] == '\\' && at + 1 < size)
            at++;
        g_string_append_c (id, value[at]);
    }
    if (id->len > 0 && (!quoted || at < size))
        return g_string_free (id, FALSE);
    g_string_free (id, TRUE);
    return NULL;
}

static bool
stands_in (const char *value, gsize size, const char *text)
{
    const gsize length = strlen (text);

    for (gsize at = 0; at + length <= size; at++)
        if (g_ascii_strncasecmp (value + at, text, length) == 0)
            return true;
    return false;
}

bool
relais_authserv_id_is (const char *value, gsize size, const char *authserv_id)
{
    g_autofree char *id = read_id (value, size);
    gsize length;

    if (id == NULL)
        return stands_in (value, size, authserv_id);
    length = strlen (id);
    if (length > 1 && id[length - 1] == '.')
        id[length - 1] = '\0';
    return g_ascii_strcasecmp (id, authserv_id) == 0;
}
