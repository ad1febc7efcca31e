/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The serial form of a message's envelope, overlay, attributes and facts, and of its states, as the
 * spool keeps them. Pure; any thread. Reading never trusts a number: counts are bounded by the bytes
 * that are left, so a damaged record costs at most memory in proportion to its size.
 *
 * Both forms: one octet of version, then fields. Numbers are LEB128 varints in their shortest form,
 * signed ones zigzag; a string is its length plus one and its octets, 0 for NULL; strings hold no
 * NUL. Nothing may follow the last field.
 */
#include "config.h"

#include "message/message-private.h"

#include <gio/gio.h>
#include <string.h>

enum { MESSAGE_VERSION = 1, STATES_VERSION = 1 };

/* Bits of the message's flags. */
enum {
    FLAG_RET_MASK = 3,
    FLAG_SMTPUTF8 = 4,
    FLAG_BULK = 8,
    FLAG_EIGHT_BIT = 16,
    FLAG_EIGHT_BIT_HEADER = 32,
    FLAG_NUL = 64,
    FLAGS_ALL = 127
};

/* A recipient's flags: NOTIFY in the lower four. */
enum { RECIPIENT_NOTIFY_MASK = 15, RECIPIENT_CLAIMED = 16, RECIPIENT_FLAGS_ALL = 31 };

/* The least a recipient, cut, attribute or state takes, for bounding counts. */
enum { RECIPIENT_MIN_BYTES = 4, CUT_MIN_BYTES = 2, ATTRIBUTE_MIN_BYTES = 3, STATE_MIN_BYTES = 7 };

/* The optional strings of the envelope, in their order on disk. */
static const gsize optional_strings[] = {
    G_STRUCT_OFFSET (RelaisEnvelope, envid),      G_STRUCT_OFFSET (RelaisEnvelope, tenant),
    G_STRUCT_OFFSET (RelaisEnvelope, campaign),   G_STRUCT_OFFSET (RelaisEnvelope, user),
    G_STRUCT_OFFSET (RelaisEnvelope, listener),   G_STRUCT_OFFSET (RelaisEnvelope, client),
    G_STRUCT_OFFSET (RelaisEnvelope, helo),       G_STRUCT_OFFSET (RelaisEnvelope, message_id),
    G_STRUCT_OFFSET (RelaisEnvelope, header_from)};

/* --- Writing ---------------------------------------------------------------------------------- */

static void
put_octet (GByteArray *to, guint8 octet)
{
    g_byte_array_append (to, &octet, 1);
}

static void
put_number (GByteArray *to, guint64 number)
{
    guint8 octets[10];
    guint n = 0;

    while (number >= 0x80) {
        octets[n++] = (guint8)(number | 0x80);
        number >>= 7;
    }
    octets[n++] = (guint8)number;
    g_byte_array_append (to, octets, n);
}

static void
put_signed (GByteArray *to, gint64 number)
{
    put_number (to, ((guint64)number << 1) ^ (number < 0 ? G_MAXUINT64 : 0));
}

static void
put_bytes (GByteArray *to, gconstpointer bytes, gsize size)
{
    put_number (to, (guint64)size + 1);
    g_byte_array_append (to, bytes, (guint)size);
}

static void
put_string (GByteArray *to, const char *string)
{
    if (string == NULL)
        put_octet (to, 0);
    else
        put_bytes (to, string, strlen (string));
}

static void
put_gbytes (GByteArray *to, GBytes *bytes)
{
    gsize size;
    gconstpointer data;

    if (bytes == NULL) {
        put_octet (to, 0);
        return;
    }
    data = g_bytes_get_data (bytes, &size);
    put_bytes (to, data, size);
}

static guint8
message_flags (const RelaisEnvelope *envelope, const RelaisBodyFacts *facts)
{
    return (guint8)((envelope->ret & FLAG_RET_MASK) | (envelope->smtputf8 ? FLAG_SMTPUTF8 : 0) |
                    (envelope->klass == RELAIS_CLASS_BULK ? FLAG_BULK : 0) |
                    (facts->eight_bit ? FLAG_EIGHT_BIT : 0) |
                    (facts->eight_bit_header ? FLAG_EIGHT_BIT_HEADER : 0) |
                    (facts->has_nul ? FLAG_NUL : 0));
}

static void
put_envelope (GByteArray *to, const RelaisEnvelope *envelope)
{
    put_string (to, envelope->sender != NULL ? envelope->sender : "");
    put_number (to, envelope->recipients->len);
    for (guint i = 0; i < envelope->recipients->len; i++) {
        const RelaisRecipient *recipient = relais_envelope_recipient (envelope, i);

        put_string (to, recipient->address);
        put_string (to, recipient->orcpt);
        put_octet (to, (guint8)((recipient->notify & RECIPIENT_NOTIFY_MASK) |
                                (recipient->claimed ? RECIPIENT_CLAIMED : 0)));
    }
    for (guint i = 0; i < G_N_ELEMENTS (optional_strings); i++)
        put_string (to, G_STRUCT_MEMBER (char *, envelope, optional_strings[i]));
    put_signed (to, envelope->received_us);
}

/* Cuts as (gap since the last one's end, size): ascending and disjoint by construction. */
static void
put_cuts (GByteArray *to, const GArray *cuts)
{
    guint64 end = 0;

    put_number (to, cuts != NULL ? cuts->len : 0);
    for (guint i = 0; cuts != NULL && i < cuts->len; i++) {
        const RelaisRange *cut = &g_array_index (cuts, RelaisRange, i);

        g_assert (cut->offset >= end);
        put_number (to, cut->offset - end);
        put_number (to, cut->size);
        end = cut->offset + cut->size;
    }
}

static void
put_attributes (GByteArray *to, GHashTable *attributes)
{
    GList *names = attributes != NULL ? g_hash_table_get_keys (attributes) : NULL;

    put_number (to, attributes != NULL ? g_hash_table_size (attributes) : 0);
    names = g_list_sort (names, (GCompareFunc)strcmp); /* the same message, the same bytes */
    for (const GList *l = names; l != NULL; l = l->next) {
        put_string (to, l->data);
        put_gbytes (to, g_hash_table_lookup (attributes, l->data));
    }
    g_list_free (names);
}

void
relais_message_encode (const RelaisMessage *message, GByteArray *to)
{
    static const RelaisBodyFacts none = {0};
    const RelaisBodyFacts *facts =
        message->body != NULL ? relais_body_facts (message->body) : &none;

    put_octet (to, MESSAGE_VERSION);
    put_octet (to, message_flags (&message->envelope, facts));
    put_number (to, facts->size_bytes);
    put_number (to, facts->header_bytes);
    put_number (to, facts->longest_line);
    put_number (to, facts->longest_header_line);
    put_envelope (to, &message->envelope);
    put_gbytes (to, message->prepend);
    put_cuts (to, message->cuts);
    put_attributes (to, message->attributes);
}

void
relais_states_encode (const RelaisMessage *message, GByteArray *to)
{
    const guint n = message->envelope.recipients->len;

    g_assert (message->states != NULL || n == 0);
    put_octet (to, STATES_VERSION);
    put_number (to, n);
    for (guint i = 0; i < n; i++) {
        const RelaisState *state = &message->states[i];

        put_octet (to, state->kind);
        put_octet (to, state->flags);
        put_number (to, state->attempts);
        put_number (to, state->source);
        put_signed (to, state->due_us);
        put_signed (to, state->age_us);
        put_string (to, state->reply);
    }
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* Once `bad` is set everything reads as 0 or NULL; the caller looks at it at the end. */
typedef struct {
    const guint8 *at, *end;
    bool bad;
} Cursor;

static guint8
get_octet (Cursor *cursor)
{
    if (cursor->bad || cursor->at == cursor->end) {
        cursor->bad = true;
        return 0;
    }
    return *cursor->at++;
}

static guint64
get_number (Cursor *cursor)
{
    guint64 number = 0;

    for (guint shift = 0; shift < 64; shift += 7) {
        const guint8 octet = get_octet (cursor);

        if (cursor->bad || (shift == 63 && octet > 1) || (shift > 0 && octet == 0))
            break;
        number |= (guint64)(octet & 0x7f) << shift;
        if (octet < 0x80)
            return number;
    }
    cursor->bad = true;
    return 0;
}

static guint64
get_number_to (Cursor *cursor, guint64 limit)
{
    guint64 number = get_number (cursor);

    if (number > limit) {
        cursor->bad = true;
        return 0;
    }
    return number;
}

static gint64
get_signed (Cursor *cursor)
{
    guint64 number = get_number (cursor);

    return (gint64)((number >> 1) ^ (0 - (number & 1)));
}

/* A count of things that take at least `least` octets each. */
static guint
get_count (Cursor *cursor, guint least)
{
    guint64 limit = (guint64)(cursor->end - cursor->at) / least;

    return (guint)get_number_to (cursor, MIN (limit, G_MAXINT));
}

/* Points at the octets of a string or bytes; NULL if it is NULL or bad. */
static const guint8 *
get_span (Cursor *cursor, gsize *size)
{
    guint64 n = get_number (cursor);
    const guint8 *span = cursor->at;

    if (n == 0)
        return NULL;
    if (n - 1 > (guint64)(cursor->end - cursor->at)) {
        cursor->bad = true;
        return NULL;
    }
    *size = (gsize)(n - 1);
    cursor->at += *size;
    return span;
}

static char *
get_string (Cursor *cursor)
{
    gsize size = 0;
    const guint8 *span = get_span (cursor, &size);
    char *string;

    if (span == NULL)
        return NULL;
    if (memchr (span, '\0', size) != NULL) {
        cursor->bad = true;
        return NULL;
    }
    string = g_malloc (size + 1);
    memcpy (string, span, size);
    string[size] = '\0';
    return string;
}

static GBytes *
get_gbytes (Cursor *cursor)
{
    gsize size = 0;
    const guint8 *span = get_span (cursor, &size);

    return span != NULL ? g_bytes_new (span, size) : NULL;
}

static void
get_recipients (Cursor *cursor, RelaisEnvelope *envelope)
{
    guint n = get_count (cursor, RECIPIENT_MIN_BYTES);

    if (n == 0)
        cursor->bad = true;
    for (guint i = 0; i < n && !cursor->bad; i++) {
        RelaisRecipient *recipient = relais_envelope_add_recipient (envelope, NULL);
        guint8 flags;

        recipient->address = get_string (cursor);
        recipient->orcpt = get_string (cursor);
        flags = get_octet (cursor);
        recipient->notify = flags & RECIPIENT_NOTIFY_MASK;
        recipient->claimed = (flags & RECIPIENT_CLAIMED) != 0;
        if (recipient->address == NULL || recipient->address[0] == '\0' ||
            flags > RECIPIENT_FLAGS_ALL)
            cursor->bad = true;
    }
}

static void
get_envelope (Cursor *cursor, guint8 flags, RelaisEnvelope *envelope)
{
    const guint8 ret = flags & FLAG_RET_MASK;

    envelope->ret = (RelaisRet)ret;
    envelope->smtputf8 = (flags & FLAG_SMTPUTF8) != 0;
    envelope->klass = (flags & FLAG_BULK) != 0 ? RELAIS_CLASS_BULK : RELAIS_CLASS_TRANSACTIONAL;
    envelope->sender = get_string (cursor);
    if (ret > RELAIS_RET_HDRS || envelope->sender == NULL)
        cursor->bad = true;
    get_recipients (cursor, envelope);
    for (guint i = 0; i < G_N_ELEMENTS (optional_strings); i++)
        G_STRUCT_MEMBER (char *, envelope, optional_strings[i]) = get_string (cursor);
    envelope->received_us = get_signed (cursor);
}

static void
get_facts (Cursor *cursor, guint8 flags, RelaisBodyFacts *facts)
{
    facts->size_bytes = get_number_to (cursor, G_MAXINT64);
    facts->header_bytes = get_number_to (cursor, facts->size_bytes);
    facts->longest_line = (guint32)get_number_to (cursor, G_MAXUINT32);
    facts->longest_header_line = (guint32)get_number_to (cursor, facts->longest_line);
    facts->eight_bit = (flags & FLAG_EIGHT_BIT) != 0;
    facts->eight_bit_header = (flags & FLAG_EIGHT_BIT_HEADER) != 0;
    facts->has_nul = (flags & FLAG_NUL) != 0;
}

/* Cuts lie inside the stored header. */
static void
get_cuts (Cursor *cursor, guint64 header_bytes, RelaisMessage *message)
{
    guint n = get_count (cursor, CUT_MIN_BYTES);
    guint64 end = 0;

    if (n == 0)
        return;
    message->cuts = g_array_sized_new (FALSE, FALSE, sizeof (RelaisRange), n);
    for (guint i = 0; i < n && !cursor->bad; i++) {
        RelaisRange cut;

        cut.offset = end + get_number_to (cursor, header_bytes - end);
        cut.size = get_number_to (cursor, header_bytes - cut.offset);
        end = cut.offset + cut.size;
        g_array_append_val (message->cuts, cut);
    }
}

static void
get_attributes (Cursor *cursor, RelaisMessage *message)
{
    guint n = get_count (cursor, ATTRIBUTE_MIN_BYTES);

    if (n == 0)
        return;
    message->attributes =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
    for (guint i = 0; i < n && !cursor->bad; i++) {
        g_autofree char *name = get_string (cursor);
        GBytes *value = get_gbytes (cursor);

        if (name == NULL || value == NULL || g_hash_table_contains (message->attributes, name)) {
            cursor->bad = true;
            g_clear_pointer (&value, g_bytes_unref);
            return;
        }
        g_hash_table_insert (message->attributes, g_steal_pointer (&name), value);
    }
}

static bool
check_version (Cursor *cursor, guint8 known, const char *what, GError **error)
{
    const guint8 version = get_octet (cursor);

    if (cursor->bad || version == 0)
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the record of %s is damaged",
                     what);
    else if (version > known)
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                     "the record of %s is of version %u, written by a newer release", what,
                     version);
    else
        return true;
    return false;
}

static bool
check_end (const Cursor *cursor, const char *what, GError **error)
{
    if (!cursor->bad && cursor->at == cursor->end)
        return true;
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the record of %s is damaged", what);
    return false;
}

RelaisMessage *
relais_message_decode (guint64 id, const guint8 *bytes, gsize size, RelaisBodyFacts *facts,
                       GError **error)
{
    Cursor cursor = {bytes, bytes + size, false};
    RelaisBodyFacts read = {0};
    g_autoptr (RelaisMessage) message = NULL;
    guint8 flags;

    if (!check_version (&cursor, MESSAGE_VERSION, "a message", error))
        return NULL;
    message = relais_message_new (id);
    flags = get_octet (&cursor);
    if (flags > FLAGS_ALL)
        cursor.bad = true;
    get_facts (&cursor, flags, &read);
    get_envelope (&cursor, flags, &message->envelope);
    message->prepend = get_gbytes (&cursor);
    get_cuts (&cursor, read.header_bytes, message);
    get_attributes (&cursor, message);
    if (!check_end (&cursor, "a message", error))
        return NULL;
    if (facts != NULL)
        *facts = read;
    return g_steal_pointer (&message);
}

bool
relais_states_decode (RelaisMessage *message, const guint8 *bytes, gsize size, GError **error)
{
    const guint n = message->envelope.recipients->len;
    Cursor cursor = {bytes, bytes + size, false};
    RelaisState *states;

    if (!check_version (&cursor, STATES_VERSION, "delivery states", error))
        return false;
    if (get_count (&cursor, STATE_MIN_BYTES) != n)
        cursor.bad = true;
    states = g_new0 (RelaisState, n);
    for (guint i = 0; i < n && !cursor.bad; i++) {
        states[i].kind = get_octet (&cursor);
        states[i].flags = get_octet (&cursor);
        states[i].attempts = (guint16)get_number_to (&cursor, G_MAXUINT16);
        states[i].source = (guint32)get_number_to (&cursor, G_MAXUINT32);
        states[i].due_us = get_signed (&cursor);
        states[i].age_us = get_signed (&cursor);
        states[i].reply = get_string (&cursor);
        if (states[i].kind > RELAIS_STATE_HELD)
            cursor.bad = true;
    }
    if (!check_end (&cursor, "delivery states", error)) {
        relais_states_free (states, n);
        return false;
    }
    relais_states_free (message->states, n);
    message->states = states;
    return true;
}
