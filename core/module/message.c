/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The public accessors of a message (include/relais/message.h). Reads what does not change once the
 * message was accepted; any thread.
 */
#include "config.h"

#include "module/module-private.h"

gchar *
relais_message_dup_id (const RelaisMessage *message)
{
    char text[RELAIS_ID_TEXT_BYTES];

    relais_id_to_text (message->id, text);
    return g_strdup (text);
}

const gchar *
relais_message_get_sender (const RelaisMessage *message)
{
    return message->envelope.sender;
}

guint32
relais_message_n_recipients (const RelaisMessage *message)
{
    return message->envelope.recipients->len;
}

const gchar *
relais_message_get_recipient (const RelaisMessage *message, guint32 n)
{
    if (n >= message->envelope.recipients->len)
        return NULL;
    return relais_envelope_recipient (&message->envelope, n)->address;
}

const gchar *
relais_message_get_tenant (const RelaisMessage *message)
{
    return message->envelope.tenant;
}

const gchar *
relais_message_get_campaign (const RelaisMessage *message)
{
    return message->envelope.campaign;
}

RelaisMessageClass
relais_message_get_class (const RelaisMessage *message)
{
    return message->envelope.klass == RELAIS_CLASS_BULK ? RELAIS_MESSAGE_BULK
                                                        : RELAIS_MESSAGE_TRANSACTIONAL;
}

const gchar *
relais_message_get_user (const RelaisMessage *message)
{
    return message->envelope.user;
}

const gchar *
relais_message_get_listener (const RelaisMessage *message)
{
    return message->envelope.listener;
}

const gchar *
relais_message_get_client (const RelaisMessage *message)
{
    return message->envelope.client;
}

const gchar *
relais_message_get_message_id (const RelaisMessage *message)
{
    return message->envelope.message_id;
}

const gchar *
relais_message_get_header_from (const RelaisMessage *message)
{
    return message->envelope.header_from;
}

gint64
relais_message_get_received_us (const RelaisMessage *message)
{
    return message->envelope.received_us;
}

GBytes *
relais_message_get_attribute (const RelaisMessage *message, const gchar *name)
{
    return relais_message_find_attribute (message, name);
}
