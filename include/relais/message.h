/* SPDX-License-Identifier: MIT
 *
 * An accepted message: who sent it, and its bytes by range. Read-only and counted; every function
 * here may be called on any thread once the message was accepted. Strings live as long as the
 * message.
 */
#pragma once

#include <relais/types.h>

G_BEGIN_DECLS

enum { RELAIS_READ_BYTES = 256 * 1024 }; /* the most that one call reads */

typedef guint32 RelaisMessageClass;
enum { RELAIS_MESSAGE_TRANSACTIONAL = 0, RELAIS_MESSAGE_BULK = 1 };

RELAIS_API RelaisMessage *relais_message_ref (RelaisMessage *message);
RELAIS_API void relais_message_unref (RelaisMessage *message);

/* Queue id as text: 13 characters. Owned. */
RELAIS_API gchar *relais_message_dup_id (const RelaisMessage *message);
RELAIS_API const gchar *relais_message_get_sender (const RelaisMessage *message); /* "" is <> */
RELAIS_API guint32 relais_message_n_recipients (const RelaisMessage *message);
RELAIS_API const gchar *relais_message_get_recipient (const RelaisMessage *message, guint32 n);
/* NULL for mail that came from outside; a report to a sender has the tenant of the message it is about. */
RELAIS_API const gchar *relais_message_get_tenant (const RelaisMessage *message);
RELAIS_API const gchar *relais_message_get_campaign (const RelaisMessage *message);
RELAIS_API RelaisMessageClass relais_message_get_class (const RelaisMessage *message);
RELAIS_API const gchar *relais_message_get_user (const RelaisMessage *message);
/* NULL for mail that Relais wrote: reports and notices. */
RELAIS_API const gchar *relais_message_get_listener (const RelaisMessage *message);
RELAIS_API const gchar *relais_message_get_client (const RelaisMessage *message);
/* With brackets. */
RELAIS_API const gchar *relais_message_get_message_id (const RelaisMessage *message);
/* Address of the one header From, its domain in lower case and A-labels; NULL if there is not one. */
RELAIS_API const gchar *relais_message_get_header_from (const RelaisMessage *message);
/* Wall clock, microseconds since 1970. */
RELAIS_API gint64 relais_message_get_received_us (const RelaisMessage *message);

/* An attribute by full name, "MODULE.name"; borrowed, NULL if there is none. A field X-Relais-NAME that the sender of
 * submitted mail gave, other than Class and Campaign, is the attribute "x-relais.name", the name in lower case
 * (at most 16 of them, names of 64 and values of 512 octets): "x-relais.consent" is what X-Relais-Consent said. */
RELAIS_API GBytes *relais_message_get_attribute (const RelaisMessage *message, const gchar *name);

/* The message as its readers see it (with what Relais put before it and without what it took out).
 * Copies up to `size` octets (at most RELAIS_READ_BYTES) from `offset`; returns how many, 0 at the end,
 * -1 with an error. May wait for the disk: never on the loop, but on a worker. Before the message was accepted, in the
 * hook message, its size is 0, and nothing can be read: relais_hook_read () is for that. */
RELAIS_API guint64 relais_message_get_size (const RelaisMessage *message);
RELAIS_API gint64 relais_message_read (const RelaisMessage *message, guint64 offset,
                                       gpointer buffer, guint64 size, GError **error);

G_END_DECLS
