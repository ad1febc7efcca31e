/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What acceptance does to a header: refusals, the fields that are cut and added, and what the
 * envelope learns from it. Pure; the stored bytes stay as they came, only the overlay is made.
 *
 * Mail that is inbound (not submitted) is kept as it is as far as possible: a malformed header, a
 * missing field or an odd From is no reason for refusal there, too many fields, hops or (unless
 * the listener passes them) duplicates are.
 */
#include "config.h"

#include "message/header-private.h"
#include "message/trace-private.h"

#include <string.h>

#include "loop/clock-private.h"

enum {
    CAMPAIGN_BYTES = 128,
    OWN_FIELDS = 16, /* X-Relais- fields that modules may look at */
    OWN_NAME_BYTES = 64,
    OWN_FIELD_BYTES = 512,
    MESSAGE_ID_BYTES = 250,  /* a longer one is not kept in the envelope */
    CLIENT_TEXT_BYTES = 600, /* of the Received field's lines, so that each stays far under 998 */
    TLS_TEXT_BYTES = 100,
    AUTHOR_NAME_BYTES = 200,
    DATE_BYTES = 40
};

typedef enum {
    FIELD_OTHER = 0,
    FIELD_RECEIVED,
    FIELD_CUT, /* told to nobody */
    FIELD_AUTH_RESULTS,
    FIELD_LIST,
    FIELD_PRECEDENCE,
    /* From here on: at most one of each (RFC 5322 section 3.6, RFC 2045). */
    FIELD_DATE,
    FIELD_FROM,
    FIELD_SENDER,
    FIELD_REPLY_TO,
    FIELD_TO,
    FIELD_CC,
    FIELD_MESSAGE_ID,
    FIELD_IN_REPLY_TO,
    FIELD_REFERENCES,
    FIELD_SUBJECT,
    FIELD_MIME_VERSION,
    FIELD_CONTENT_TYPE,
    FIELD_CONTENT_TRANSFER_ENCODING,
    FIELD_CLASS,
    FIELD_CAMPAIGN,
    N_FIELDS
} FieldKind;

static const struct {
    const char *name;
    FieldKind kind;
} known_fields[] = {
    {"Received", FIELD_RECEIVED},
    {"Bcc", FIELD_CUT},
    {"Resent-Bcc", FIELD_CUT},
    {"Return-Path", FIELD_CUT},
    {"Authentication-Results", FIELD_AUTH_RESULTS},
    {"List-Unsubscribe", FIELD_LIST},
    {"List-Id", FIELD_LIST},
    {"Precedence", FIELD_PRECEDENCE},
    {"Date", FIELD_DATE},
    {"From", FIELD_FROM},
    {"Sender", FIELD_SENDER},
    {"Reply-To", FIELD_REPLY_TO},
    {"To", FIELD_TO},
    {"Cc", FIELD_CC},
    {"Message-ID", FIELD_MESSAGE_ID},
    {"In-Reply-To", FIELD_IN_REPLY_TO},
    {"References", FIELD_REFERENCES},
    {"Subject", FIELD_SUBJECT},
    {"MIME-Version", FIELD_MIME_VERSION},
    {"Content-Type", FIELD_CONTENT_TYPE},
    {"Content-Transfer-Encoding", FIELD_CONTENT_TRANSFER_ENCODING},
    {"X-Relais-Class", FIELD_CLASS},
    {"X-Relais-Campaign", FIELD_CAMPAIGN},
};

static const char own_prefix[] = "X-Relais-";

typedef struct {
    RelaisMessage *message;
    const RelaisHygieneOptions *options;
    bool klass_header_allowed;
    RelaisHeaderRefusal *refusal;
    guint n_fields, n_received;
    gsize duplicate; /* offset in known_fields of the first duplicate + 1; 0 none */
    bool looks_bulk;
    bool has_own;
    guint n_own;
    RelaisField first[N_FIELDS]; /* the first of each kind; name NULL if there is none */
} Hygiene;

static bool G_GNUC_PRINTF (4, 5)
    refuse (Hygiene *hygiene, guint16 code, const char *enhanced, const char *format, ...)
{
    va_list arguments;

    va_start (arguments, format);
    *hygiene->refusal = (RelaisHeaderRefusal){code, enhanced, g_strdup_vprintf (format, arguments)};
    va_end (arguments);
    return false;
}

void
relais_header_refusal_clear (RelaisHeaderRefusal *refusal)
{
    g_clear_pointer (&refusal->text, g_free);
}

/* --- Looking through the fields --------------------------------------------------------------- */

static gsize
find_known (const RelaisField *field)
{
    const char first = g_ascii_toupper (field->name[0]);

    for (gsize i = 0; i < G_N_ELEMENTS (known_fields); i++)
        if (known_fields[i].name[0] == first && relais_field_is (field, known_fields[i].name))
            return i;
    return G_N_ELEMENTS (known_fields);
}

static bool
is_own (const RelaisField *field)
{
    return field->name_size >= sizeof own_prefix - 1 &&
           g_ascii_strncasecmp (field->name, own_prefix, sizeof own_prefix - 1) == 0;
}

static void
cut (RelaisMessage *message, gsize offset, gsize size)
{
    RelaisRange range = {offset, size};

    if (message->cuts == NULL)
        message->cuts = g_array_new (FALSE, FALSE, sizeof (RelaisRange));
    if (message->cuts->len > 0) {
        RelaisRange *last = &g_array_index (message->cuts, RelaisRange, message->cuts->len - 1);

        if (last->offset + last->size == offset) {
            last->size += size;
            return;
        }
    }
    g_array_append_val (message->cuts, range);
}

static bool
value_is (const RelaisField *field, const char *wanted)
{
    g_autofree char *value = relais_field_unfold (field);

    return g_ascii_strcasecmp (value, wanted) == 0;
}

static bool
is_empty (const RelaisField *field)
{
    for (gsize i = 0; i < field->value_size; i++)
        if (!g_ascii_isspace (field->value[i]))
            return false;
    return true;
}

/* Whether the field is one that will be replaced because it says nothing. */
static bool
is_to_be_replaced (const Hygiene *hygiene, FieldKind kind, const RelaisField *field)
{
    return (kind == FIELD_DATE || kind == FIELD_MESSAGE_ID) && hygiene->options->submission &&
           hygiene->options->missing == 0 && is_empty (field);
}

/* Results that were not found here, in our name. */
static bool
is_forged (const Hygiene *hygiene, FieldKind kind, const RelaisField *field)
{
    const char *authserv_id = hygiene->options->authserv_id;

    return kind == FIELD_AUTH_RESULTS && authserv_id != NULL &&
           relais_authserv_id_is (field->value, field->value_size, authserv_id);
}

static void
note_field (Hygiene *hygiene, const RelaisField *field)
{
    const gsize known = find_known (field);
    const FieldKind kind =
        known < G_N_ELEMENTS (known_fields) ? known_fields[known].kind : FIELD_OTHER;

    hygiene->n_fields++;
    if (kind == FIELD_RECEIVED)
        hygiene->n_received++;
    if (kind == FIELD_LIST || (kind == FIELD_PRECEDENCE && value_is (field, "bulk")))
        hygiene->looks_bulk = true;
    hygiene->has_own |= is_own (field);
    if (kind == FIELD_CUT || is_own (field) || is_to_be_replaced (hygiene, kind, field) ||
        is_forged (hygiene, kind, field))
        cut (hygiene->message, field->offset, field->size);
    if (hygiene->first[kind].name == NULL)
        hygiene->first[kind] = *field;
    else if (kind >= FIELD_DATE && hygiene->duplicate == 0)
        hygiene->duplicate = known + 1;
}

/* What stands behind a line that is no field is content here, and a header to many others: what they would
 * take for results in our name goes too. */
static void
cut_forged_behind (Hygiene *hygiene, const guint8 *block, gsize size, gsize position)
{
    RelaisField field;

    while (relais_header_next_lenient (block, size, &position, &field))
        if (relais_field_is (&field, "Authentication-Results") &&
            is_forged (hygiene, FIELD_AUTH_RESULTS, &field))
            cut (hygiene->message, field.offset, field.size);
}

static bool
look_through (Hygiene *hygiene, const guint8 *block, gsize size)
{
    const RelaisHygieneOptions *options = hygiene->options;
    RelaisField field;
    gsize position = 0;

    while (relais_header_next (block, size, &position, &field)) {
        note_field (hygiene, &field);
        if (hygiene->n_fields > options->max_fields)
            return refuse (hygiene, 550, "5.6.0", "the header has more than %u fields",
                           options->max_fields);
    }
    if (options->submission && !relais_header_is_well_formed (block, size))
        return refuse (
            hygiene, 550, "5.6.0",
            "the header is malformed after field %u: a line is no \"Name: value\" and no "
            "empty line ends the header before it",
            hygiene->n_fields);
    if (hygiene->n_received > options->max_hops)
        return refuse (hygiene, 554, "5.4.6",
                       "mail loop: %u Received fields, more than %u are not taken",
                       hygiene->n_received, options->max_hops);
    if (hygiene->duplicate != 0 && options->duplicate == 0)
        return refuse (hygiene, 550, "5.6.0", "the header has more than one %s field",
                       known_fields[hygiene->duplicate - 1].name);
    cut_forged_behind (hygiene, block, size, position);
    return true;
}

/* --- What the envelope learns ----------------------------------------------------------------- */

/* Exactly one From with exactly one mailbox: the rule that who may send what rests on. */
static bool
take_author (Hygiene *hygiene, const guint8 *block, gsize size)
{
    RelaisEnvelope *envelope = &hygiene->message->envelope;
    const RelaisField *from = &hygiene->first[FIELD_FROM];
    gsize position = from->name != NULL ? from->offset + from->size : 0;
    RelaisField other;
    bool good = false;

    if (from->name == NULL && hygiene->options->author != NULL &&
        hygiene->options->author[0] != '\0') {
        envelope->header_from = g_strdup (hygiene->options->author);
        return true;
    }
    if (from->name == NULL)
        return !hygiene->options->submission ||
               refuse (hygiene, 550, "5.7.1", "the header has no From field; it needs exactly one");
    while (relais_header_next (block, size, &position, &other))
        if (relais_field_is (&other, "From"))
            return !hygiene->options->submission ||
                   refuse (hygiene, 550, "5.7.1", "the header has more than one From field");
    good = relais_header_parse_author (from->value, from->value_size, &envelope->header_from);
    return good || !hygiene->options->submission ||
           refuse (hygiene, 550, "5.7.1",
                   "the From field must hold exactly one well-formed mailbox (no group, no list)");
}

static bool
take_class (Hygiene *hygiene, bool klass_fixed)
{
    RelaisEnvelope *envelope = &hygiene->message->envelope;
    const RelaisField *field = &hygiene->first[FIELD_CLASS];

    if (!klass_fixed)
        envelope->klass = hygiene->looks_bulk ? RELAIS_CLASS_BULK : RELAIS_CLASS_TRANSACTIONAL;
    if (field->name == NULL || !hygiene->klass_header_allowed)
        return true;
    if (value_is (field, "bulk"))
        envelope->klass = RELAIS_CLASS_BULK;
    else if (value_is (field, "transactional"))
        envelope->klass = RELAIS_CLASS_TRANSACTIONAL;
    else
        return refuse (hygiene, 550, "5.6.0",
                       "X-Relais-Class must be \"bulk\" or \"transactional\"");
    return true;
}

bool
relais_campaign_is_valid (const char *text)
{
    const gsize size = strlen (text);

    for (gsize i = 0; i < size; i++)
        if (!g_ascii_isalnum (text[i]) && strchr ("._:-", text[i]) == NULL)
            return false;
    return size > 0 && size <= CAMPAIGN_BYTES;
}

static bool
take_campaign (Hygiene *hygiene)
{
    const RelaisField *field = &hygiene->first[FIELD_CAMPAIGN];
    g_autofree char *value = NULL;

    if (field->name == NULL || !hygiene->options->submission)
        return true;
    value = relais_field_unfold (field);
    if (!relais_campaign_is_valid (value))
        return refuse (
            hygiene, 550, "5.6.0",
            "X-Relais-Campaign must be 1 to %d letters, digits, \".\", \"_\", \":\" or \"-\"",
            CAMPAIGN_BYTES);
    g_free (hygiene->message->envelope.campaign);
    hygiene->message->envelope.campaign = g_steal_pointer (&value);
    return true;
}

/* What else the sender asks of modules: X-Relais-NAME becomes the attribute "x-relais.name". */
static bool
take_own_field (Hygiene *hygiene, const RelaisField *field)
{
    g_autofree char *name = g_ascii_strdown (field->name + sizeof own_prefix - 1,
                                             (gssize)(field->name_size - (sizeof own_prefix - 1)));
    g_autofree char *full = g_strconcat (RELAIS_ATTRIBUTE_FIELD, name, NULL);
    g_autofree char *value = relais_field_unfold (field);
    g_autoptr (GBytes) bytes = g_bytes_new (value, strlen (value));

    if (++hygiene->n_own > OWN_FIELDS)
        return refuse (hygiene, 550, "5.6.0", "the header has more than %d X-Relais- fields",
                       OWN_FIELDS);
    if (strlen (value) > OWN_FIELD_BYTES || strlen (name) > OWN_NAME_BYTES)
        return refuse (hygiene, 550, "5.6.0",
                       "an X-Relais- field may have a name of %d and a value of %d octets",
                       OWN_NAME_BYTES, OWN_FIELD_BYTES);
    if (relais_message_find_attribute (hygiene->message, full) != NULL)
        return refuse (hygiene, 550, "5.6.0", "the header has more than one X-Relais-%s field",
                       name);
    return relais_message_set_attribute (hygiene->message, full, bytes);
}

static bool
take_own_fields (Hygiene *hygiene, const guint8 *block, gsize size)
{
    RelaisField field;
    gsize position = 0;

    if (!hygiene->options->submission || !hygiene->has_own)
        return true;
    while (relais_header_next (block, size, &position, &field))
        if (is_own (&field) && find_known (&field) == G_N_ELEMENTS (known_fields) &&
            !take_own_field (hygiene, &field))
            return false;
    return true;
}

/* "<left@right>" out of a Message-ID value; NULL if it is not one that can be told on. */
static char *
find_message_id (const RelaisField *field)
{
    g_autofree char *value = relais_field_unfold (field);
    const char *open = strchr (value, '<');
    const char *close = open != NULL ? strchr (open, '>') : NULL;

    if (close == NULL || close - open >= MESSAGE_ID_BYTES)
        return NULL;
    for (const char *p = open; p < close; p++)
        if ((guint8)*p <= ' ' || (guint8)*p >= 0x7f)
            return NULL;
    return g_strndup (open, (gsize)(close - open) + 1);
}

/* --- What is added ---------------------------------------------------------------------------- */

/* Text that came from outside, fit for a line of ours: printable ASCII and of bounded length. */
static void
append_outside (GString *to, const char *text, gsize limit)
{
    for (gsize i = 0; i < limit && text[i] != '\0'; i++)
        g_string_append_c (to, text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?');
}

/* Each of the texts up to a NULL. */
static void G_GNUC_NULL_TERMINATED
append_all (GString *to, ...)
{
    va_list texts;
    const char *text;

    va_start (texts, to);
    while ((text = va_arg (texts, const char *)) != NULL)
        g_string_append (to, text);
    va_end (texts);
}

static void
append_received (GString *to, const Hygiene *hygiene)
{
    const RelaisHygieneOptions *options = hygiene->options;
    const RelaisEnvelope *envelope = &hygiene->message->envelope;
    g_autofree char *date = relais_date_to_string (options->wall_us);
    char id[RELAIS_ID_TEXT_BYTES];

    relais_id_to_text (hygiene->message->id, id);
    g_string_append (to, "Received: ");
    if (options->client_name_and_address != NULL) {
        g_string_append (to, "from ");
        append_outside (to, options->client_name_and_address, CLIENT_TEXT_BYTES);
        g_string_append (to, "\r\n\t");
    }
    append_all (to, "by ", options->hostname, NULL);
    if (options->received_with != NULL)
        append_all (to, " with ", options->received_with, NULL);
    if (options->tls != NULL) {
        g_string_append (to, "\r\n\t(");
        append_outside (to, options->tls, TLS_TEXT_BYTES);
        g_string_append_c (to, ')');
    }
    append_all (to, "\r\n\tid ", id, NULL);
    /* Told only when it can give away nobody. */
    if (envelope->recipients->len == 1) {
        g_string_append (to, "\r\n\tfor <");
        append_outside (to, relais_envelope_recipient (envelope, 0)->address, CLIENT_TEXT_BYTES);
        g_string_append_c (to, '>');
    }
    append_all (to, ";\r\n\t", date, "\r\n", NULL);
}

/* Unique even if a spool was begun anew: the id and the moment. */
static char *
make_message_id (const Hygiene *hygiene)
{
    char id[RELAIS_ID_TEXT_BYTES], moment[RELAIS_ID_TEXT_BYTES];

    relais_id_to_text (hygiene->message->id, id);
    relais_id_to_text ((guint64)hygiene->options->wall_us, moment);
    return g_strdup_printf ("<%s.%s@%s>", moment, id, hygiene->options->hostname);
}

static bool
is_missing (const Hygiene *hygiene, FieldKind kind)
{
    return hygiene->first[kind].name == NULL || is_empty (&hygiene->first[kind]);
}

/* The display name quoted (RFC 5322 section 3.2.4), what is not printable ASCII as '?'. */
static void
append_author (GString *to, const RelaisHygieneOptions *options)
{
    const char *name = options->author_name != NULL ? options->author_name : "";

    g_string_append (to, "From: ");
    if (name[0] != '\0')
        g_string_append_c (to, '"');
    for (gsize i = 0; i < AUTHOR_NAME_BYTES && name[i] != '\0'; i++) {
        if (name[i] == '"' || name[i] == '\\')
            g_string_append_c (to, '\\');
        append_outside (to, name + i, 1);
    }
    append_all (to, name[0] != '\0' ? "\" <" : "<", options->author, ">\r\n", NULL);
}

static bool
add_missing (Hygiene *hygiene, GString *prepend)
{
    const RelaisHygieneOptions *options = hygiene->options;
    RelaisEnvelope *envelope = &hygiene->message->envelope;
    const bool no_date = is_missing (hygiene, FIELD_DATE);
    const bool no_id = is_missing (hygiene, FIELD_MESSAGE_ID);
    const bool fix = options->submission && options->missing == 0;

    if ((no_date || no_id) && options->submission && options->missing == 1)
        return refuse (hygiene, 550, "5.6.0", "the header has no %s field",
                       no_date ? "Date" : "Message-ID");
    if (hygiene->first[FIELD_FROM].name == NULL && options->submission && options->author != NULL)
        append_author (prepend, options);
    if (no_date && fix) {
        g_autofree char *date = relais_date_to_string (options->wall_us);

        append_all (prepend, "Date: ", date, "\r\n", NULL);
    }
    g_free (envelope->message_id);
    envelope->message_id = no_id ? NULL : find_message_id (&hygiene->first[FIELD_MESSAGE_ID]);
    if (no_id && fix) {
        envelope->message_id = make_message_id (hygiene);
        append_all (prepend, "Message-ID: ", envelope->message_id, "\r\n", NULL);
    }
    return true;
}

bool
relais_hygiene_apply (RelaisMessage *message, const guint8 *block, gsize size,
                      const RelaisHygieneOptions *options, bool klass_header_allowed,
                      bool klass_fixed, RelaisHeaderRefusal *refusal)
{
    Hygiene hygiene = {.message = message,
                       .options = options,
                       .klass_header_allowed = klass_header_allowed,
                       .refusal = refusal};
    g_autoptr (GString) prepend = g_string_sized_new (512);

    g_clear_pointer (&message->cuts, g_array_unref);
    g_clear_pointer (&message->prepend, g_bytes_unref);
    g_clear_pointer (&message->envelope.header_from, g_free);
    append_received (prepend, &hygiene);
    if (!look_through (&hygiene, block, size) || !take_author (&hygiene, block, size) ||
        !take_class (&hygiene, klass_fixed) || !take_campaign (&hygiene) ||
        !take_own_fields (&hygiene, block, size) || !add_missing (&hygiene, prepend))
        return false;
    message->prepend = g_string_free_to_bytes (g_steal_pointer (&prepend));
    return true;
}

static char *
format_date (gint64 second)
{
    static const char days[] = "MonTueWedThuFriSatSun";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (second);

    return g_strdup_printf (
        "%.3s, %02d %.3s %04d %02d:%02d:%02d +0000",
        days + 3 * (g_date_time_get_day_of_week (time) - 1), g_date_time_get_day_of_month (time),
        months + 3 * (g_date_time_get_month (time) - 1), g_date_time_get_year (time),
        g_date_time_get_hour (time), g_date_time_get_minute (time), g_date_time_get_second (time));
}

/* The messages of one second share one date; it is made anew for the next. */
char *
relais_date_to_string (gint64 wall_us)
{
    static __thread gint64 known = -1;
    static __thread char text[DATE_BYTES];
    const gint64 second = MAX (wall_us, 0) / RELAIS_USEC_PER_SEC;

    if (second != known) {
        g_autofree char *date = format_date (second);

        g_strlcpy (text, date, sizeof text);
        known = second;
    }
    return g_strdup (text);
}
