/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Life of a RelaisMessage and its envelope, states and the text form of queue ids. Any thread; what
 * may be changed when is said in the header.
 */
#include "config.h"

#include "message/message-private.h"

#include <string.h>

enum { REPLY_BYTES = 512, ID_BITS_PER_CHARACTER = 5 };

static const char id_digits[] = "0123456789abcdefghijklmnopqrstuv";
static const char hex_digits[] = "0123456789abcdef";

static void
recipient_free (gpointer data)
{
    RelaisRecipient *recipient = data;

    g_free (recipient->address);
    g_free (recipient->orcpt);
    g_free (recipient);
}

static void
envelope_clear (RelaisEnvelope *envelope)
{
    g_free (envelope->sender);
    g_ptr_array_unref (envelope->recipients);
    g_free (envelope->envid);
    g_free (envelope->tenant);
    g_free (envelope->campaign);
    g_free (envelope->user);
    g_free (envelope->listener);
    g_free (envelope->client);
    g_free (envelope->helo);
    g_free (envelope->message_id);
    g_free (envelope->header_from);
}

RelaisMessage *
relais_message_new (guint64 id)
{
    RelaisMessage *message = g_new0 (RelaisMessage, 1);

    g_atomic_ref_count_init (&message->refs);
    message->id = id;
    message->envelope.recipients = g_ptr_array_new_with_free_func (recipient_free);
    return message;
}

RelaisMessage *
relais_message_ref (RelaisMessage *message)
{
    g_atomic_ref_count_inc (&message->refs);
    return message;
}

void
relais_states_free (RelaisState *states, guint n)
{
    if (states == NULL)
        return;
    for (guint i = 0; i < n; i++)
        g_free (states[i].reply);
    g_free (states);
}

void
relais_message_unref (RelaisMessage *message)
{
    if (message == NULL || !g_atomic_ref_count_dec (&message->refs))
        return;
    relais_states_free (message->states, message->envelope.recipients->len);
    envelope_clear (&message->envelope);
    g_clear_pointer (&message->prepend, g_bytes_unref);
    g_clear_pointer (&message->cuts, g_array_unref);
    g_clear_pointer (&message->attributes, g_hash_table_unref);
    g_clear_pointer (&message->body, relais_body_unref);
    g_free (message);
}

void
relais_message_init_states (RelaisMessage *message)
{
    g_assert (message->states == NULL);
    message->states = g_new0 (RelaisState, message->envelope.recipients->len);
}

void
relais_message_set_state_reply (RelaisState *state, const char *reply)
{
    GString *line = NULL;

    if (reply != NULL) {
        line = g_string_new (NULL);
        for (const char *p = reply; *p != '\0'; p++) {
            const guint8 c = (guint8)*p;

            if (line->len + 4 > REPLY_BYTES)
                break;
            if (c >= 0x20 && c != 0x7f)
                g_string_append_c (line, *p);
            else
                g_string_append_printf (line, "\\x%c%c", hex_digits[c >> 4], hex_digits[c & 15]);
        }
    }
    g_free (state->reply);
    state->reply = line != NULL ? g_string_free (line, FALSE) : NULL;
}

void
relais_message_quarantine_state (RelaisState *state, const char *reason, gint64 wall_us)
{
    state->kind = RELAIS_STATE_HELD;
    state->flags |= RELAIS_STATE_QUARANTINED;
    state->due_us = wall_us;
    relais_message_set_state_reply (state, reason);
}

RelaisRecipient *
relais_envelope_add_recipient (RelaisEnvelope *envelope, const char *address)
{
    RelaisRecipient *recipient = g_new0 (RelaisRecipient, 1);

    recipient->address = g_strdup (address);
    relais_envelope_take_recipient (envelope, recipient);
    return recipient;
}

void
relais_envelope_take_recipient (RelaisEnvelope *envelope, RelaisRecipient *recipient)
{
    recipient->number = envelope->recipients->len;
    g_ptr_array_add (envelope->recipients, recipient);
}

/* --- Attributes ------------------------------------------------------------------------------- */

static gsize
attributes_size (GHashTable *attributes)
{
    GHashTableIter iter;
    gpointer name, value;
    gsize size = 0;

    g_hash_table_iter_init (&iter, attributes);
    while (g_hash_table_iter_next (&iter, &name, &value))
        size += strlen (name) + g_bytes_get_size (value);
    return size;
}

bool
relais_message_set_attribute (RelaisMessage *message, const char *name, GBytes *value)
{
    gsize size;

    if (message->attributes == NULL)
        message->attributes =
            g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
    if (value == NULL) {
        g_hash_table_remove (message->attributes, name);
        return true;
    }
    size = g_bytes_get_size (value);
    if (size > RELAIS_ATTRIBUTES_BYTES ||
        attributes_size (message->attributes) + strlen (name) + size > RELAIS_ATTRIBUTES_BYTES)
        return false;
    g_hash_table_replace (message->attributes, g_strdup (name), g_bytes_ref (value));
    return true;
}

GBytes *
relais_message_find_attribute (const RelaisMessage *message, const char *name)
{
    return message->attributes != NULL ? g_hash_table_lookup (message->attributes, name) : NULL;
}

/* --- Queue ids as text ------------------------------------------------------------------------ */

void
relais_id_to_text (guint64 id, char text[RELAIS_ID_TEXT_BYTES])
{
    for (int i = RELAIS_ID_TEXT_BYTES - 2; i >= 0; i--) {
        text[i] = id_digits[id & 31];
        id >>= ID_BITS_PER_CHARACTER;
    }
    text[RELAIS_ID_TEXT_BYTES - 1] = '\0';
}

bool
relais_id_from_text (const char *text, guint64 *id)
{
    guint64 value = 0;

    for (int i = 0; i < RELAIS_ID_TEXT_BYTES - 1; i++) {
        const char *digit = text[i] != '\0' ? strchr (id_digits, text[i]) : NULL;

        /* 13 characters hold 65 bits: the first one has but four. */
        if (digit == NULL || (i == 0 && digit - id_digits > 15))
            return false;
        value = value << ID_BITS_PER_CHARACTER | (guint64)(digit - id_digits);
    }
    if (text[RELAIS_ID_TEXT_BYTES - 1] != '\0')
        return false;
    *id = value;
    return true;
}
