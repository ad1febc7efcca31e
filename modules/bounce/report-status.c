/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The fields of a delivery status notification (RFC 3464, RFC 6533). They need not stand as they should: groups without
 * an empty line between them or with one inside, types that are missing, fields in a part for people. Pure, linear; any
 * thread.
 */
#include <string.h>

#include "report-reading.h"
#include "report-words.h"

typedef struct {
    char *final, *original, *action, *status, *diagnostic, *remote;
} Group;

typedef struct {
    BounceReading *reading;
    Group group;
    BounceReportRecipient *last; /* of the group before */
    guint n;
} Reader;

static void
group_clear (Group *group)
{
    g_free (group->final);
    g_free (group->original);
    g_free (group->action);
    g_free (group->status);
    g_free (group->diagnostic);
    g_free (group->remote);
    *group = (Group){0};
}

/* Behind "rfc822;", if it is one. */
static const char *
skip_type (const char *value)
{
    const char *p = value;

    while (g_ascii_isalnum (*p) || *p == '-' || *p == '_')
        p++;
    while (*p == ' ')
        p++;
    return *p == ';' && p > value ? p + 1 + strspn (p + 1, " \t") : value;
}

static bool
is_type (const char *value, const char *type)
{
    return g_ascii_strncasecmp (value, type, strlen (type)) == 0;
}

/* utf-8-addr-xtext and utf-8-addr-unitext (RFC 6533 section 3), xtext (RFC 3461 section 4). */
static char *
decode_address (const char *value)
{
    const bool xtext = strchr (value, '@') == NULL;
    GString *text = g_string_new (NULL);

    for (const char *p = value; *p != '\0';) {
        char *end = NULL;
        gunichar c = 0;

        if (p[0] == '\\' && p[1] == 'x' && p[2] == '{')
            c = (gunichar)g_ascii_strtoull (p + 3, &end, 16);
        if (end != NULL && *end == '}' && g_unichar_validate (c) && c > 0x20) {
            g_string_append_unichar (text, c);
            p = end + 1;
        } else if (xtext && p[0] == '+' && g_ascii_isxdigit (p[1]) && g_ascii_isxdigit (p[2])) {
            g_string_append_c (
                text, (char)(g_ascii_xdigit_value (p[1]) << 4 | g_ascii_xdigit_value (p[2])));
            p += 3;
        } else {
            g_string_append_c (text, *p++);
        }
    }
    return g_string_free (text, FALSE);
}

/* The address of a field; NULL if it has none. One without a domain is none that anyone wrote to. */
static char *
take_address (const char *value)
{
    g_autofree char *decoded = value != NULL ? decode_address (skip_type (value)) : NULL;

    return decoded != NULL ? bounce_address_dup_first (decoded) : NULL;
}

static bool
has_dot (const char *address)
{
    return strchr (strrchr (address, '@'), '.') != NULL || strchr (address, '[') != NULL;
}

static BounceReportAction
action_of (const char *value, const char *status)
{
    static const struct {
        const char *word;
        BounceReportAction action;
    } words[] = {{"fail", BOUNCE_REPORT_FAILED},           {"delay", BOUNCE_REPORT_DELAYED},
                 {"deliverable", BOUNCE_REPORT_DELIVERED}, {"delivered", BOUNCE_REPORT_DELIVERED},
                 {"relay", BOUNCE_REPORT_RELAYED},         {"expand", BOUNCE_REPORT_EXPANDED},
                 {"expired", BOUNCE_REPORT_FAILED},        {"undeliver", BOUNCE_REPORT_FAILED},
                 {"bounce", BOUNCE_REPORT_FAILED},         {"success", BOUNCE_REPORT_DELIVERED},
                 {"transient", BOUNCE_REPORT_DELAYED},     {"warn", BOUNCE_REPORT_DELAYED}};

    for (guint i = 0; value != NULL && i < G_N_ELEMENTS (words); i++)
        if (is_type (value, words[i].word))
            return words[i].action;
    if (status == NULL)
        return BOUNCE_REPORT_UNKNOWN;
    return *status == '5'   ? BOUNCE_REPORT_FAILED
           : *status == '4' ? BOUNCE_REPORT_DELAYED
                            : BOUNCE_REPORT_DELIVERED;
}

/* The status of a field, whatever stands around it. */
static char *
take_status (const char *value)
{
    for (const char *p = value; p != NULL && *p != '\0'; p++) {
        const gsize size = bounce_status_size (p);

        if (size > 0)
            return g_strndup (p, size);
    }
    return NULL;
}

static void
set_diagnostic (BounceReportRecipient *recipient, const char *value)
{
    const char *text = skip_type (value);
    bool is_smtp = is_type (value, "smtp") || is_type (value, "lmtp");
    guint code;

    if (text == value)
        is_smtp = bounce_reply_find (text, &code) == text;
    bounce_report_set_diagnostic (recipient, text, strlen (text), is_smtp);
}

static void
fill (BounceReportRecipient *recipient, Group *group)
{
    if (recipient->status == NULL)
        recipient->status = take_status (group->status);
    if (recipient->remote_mta == NULL && group->remote != NULL)
        recipient->remote_mta = g_strdup (skip_type (group->remote));
    if (recipient->diagnostic == NULL && group->diagnostic != NULL)
        set_diagnostic (recipient, group->diagnostic);
    if (recipient->action == BOUNCE_REPORT_UNKNOWN)
        recipient->action = action_of (group->action, recipient->status);
}

static void
add (Reader *reader, char *recipient, char *original)
{
    BounceReportRecipient *known = bounce_report_find (reader->reading, recipient);
    BounceReportRecipient *to = known;

    if (to == NULL)
        to = bounce_report_add (reader->reading, recipient);
    else
        g_free (recipient);
    if (to == NULL) {
        g_free (original);
        return;
    }
    if (to->original == NULL)
        to->original = original;
    else
        g_free (original);
    fill (to, &reader->group);
    reader->last = to;
    reader->n++;
}

/* Ends a group. One without a recipient says more of the one before, if that said little, or is kept for the next. */
static void
end_group (Reader *reader)
{
    Group *group = &reader->group;
    char *final = take_address (group->final), *original = take_address (group->original);

    if (final != NULL && original != NULL && !has_dot (final)) {
        g_free (final);
        final = g_strdup (original);
    }
    if (final == NULL && original != NULL)
        final = g_strdup (original);
    if (final != NULL) {
        add (reader, final, original);
        group_clear (group);
    } else if (reader->last != NULL && (reader->last->action == BOUNCE_REPORT_UNKNOWN ||
                                        reader->last->diagnostic == NULL)) {
        fill (reader->last, group);
        group_clear (group);
    }
}

static void
take (char **to, const char *value)
{
    g_free (*to);
    *to = g_strdup (value);
}

/* Of the recipient before nothing is said yet. */
static bool
belongs_to_last (const Reader *reader)
{
    const BounceReportRecipient *last = reader->last;
    const Group *group = &reader->group;

    return last != NULL && last->action == BOUNCE_REPORT_UNKNOWN && last->diagnostic == NULL &&
           group->final == NULL && group->original == NULL;
}

/* Behind the group of a recipient: a field that it has already begins another. */
static void
take_field (Reader *reader, const char *name, const char *value)
{
    Group *group = &reader->group;
    const struct {
        const char *name;
        char **to;
        bool begins;
    } fields[] = {{"Final-Recipient", &group->final, true},
                  {"Original-Recipient", &group->original, group->original != NULL},
                  {"Action", &group->action, false},
                  {"Status", &group->status, false},
                  {"Diagnostic-Code", &group->diagnostic, false},
                  {"Remote-MTA", &group->remote, false}};

    if (g_ascii_strcasecmp (name, "Reporting-MTA") == 0 &&
        reader->reading->report->reporting_mta == NULL)
        reader->reading->report->reporting_mta = g_strdup (skip_type (value));
    for (guint i = 0; i < G_N_ELEMENTS (fields); i++) {
        if (g_ascii_strcasecmp (name, fields[i].name) != 0)
            continue;
        if (fields[i].begins && (*fields[i].to != NULL || belongs_to_last (reader)))
            end_group (reader);
        if (*value != '\0')
            take (fields[i].to, value);
    }
}

static gsize
indentation (const char *line)
{
    return strspn (line, " \t>");
}

static const char *
next_line (const char *at)
{
    const char *lf = strchr (at, '\n');

    return lf != NULL ? lf + 1 : at + strlen (at);
}

/* The field whose line begins at `*at`, and the lines that are further in. */
static void
take_line (Reader *reader, const char **at)
{
    const gsize in = indentation (*at);
    const char *from = *at + in, *end = next_line (*at);
    g_autofree char *name = NULL, *value = NULL;

    if (!bounce_header_next (&from, end, &name, &value)) {
        *at = end;
        return;
    }
    for (*at = end; **at != '\0' && indentation (*at) > in; *at = next_line (*at)) {
        const char *more = *at + indentation (*at);
        g_autofree char *line = g_strndup (more, strcspn (more, "\n"));
        char *longer;

        if (*line == '\0' || strlen (value) > BOUNCE_DIAGNOSTIC_BYTES)
            break;
        longer = g_strconcat (value, " ", line, NULL);
        g_free (value);
        value = longer;
    }
    take_field (reader, name, value);
}

guint
bounce_status_read (BounceReading *reading, const char *text)
{
    Reader reader = {.reading = reading};

    for (const char *at = text; *at != '\0';) {
        const char *first = at + indentation (at);

        if (*first == '\n' || *first == '\0') {
            end_group (&reader);
            at = next_line (at);
        } else {
            take_line (&reader, &at);
        }
    }
    end_group (&reader);
    group_clear (&reader.group);
    return reader.n;
}
