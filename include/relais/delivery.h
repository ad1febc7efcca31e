/* SPDX-License-Identifier: MIT
 *
 * Deliveries by name: envelope tokens that name one (a message of ours and one recipient of it) and nothing
 * else, for the envelope sender or a header field; and what became of it, found again by that name or by
 * Message-ID for 30 days, if the event log is kept as long.
 */
#pragma once

#include <relais/hook.h>
#include <relais/token.h>

G_BEGIN_DECLS

/* A delivery. Versioned where it is passed in. */
typedef struct {
    guint32 struct_size;
    gchar queue_id[16]; /* 13 characters, NUL-terminated */
    guint32 recipient;  /* number of the recipient in the message */
    gint64 made_us;     /* wall clock, whole minutes: when the token was made */
} RelaisDeliveryName;

enum { RELAIS_ENVELOPE_TOKEN_BYTES = 60 }; /* the most that one has, letters and digits */

/* rewrite, seal: a token for recipient `n` of this transaction, made for the module's `purpose` ([a-z0-9-]+):
 * lower-case letters and digits, which a peer may fold to upper case. It is good for `lifetime_us` from
 * now. Owned; NULL where this program keeps no keys, or on another hook. [w] */
RELAIS_API gchar *relais_hook_make_envelope_token (RelaisHook *hook, guint32 n,
                                                   const gchar *purpose, gint64 lifetime_us);
/* Opens one of the module and purpose, in any case of letters; `name`, whose struct_size is set, is filled in if it
 * is GOOD. Any thread. */
RELAIS_API RelaisTokenResult relais_envelope_token_open (RelaisModule *module, const gchar *purpose,
                                                         const gchar *token,
                                                         RelaisDeliveryName *name);

/* What the event log tells of deliveries that were made; counted, immutable, any thread. */
typedef struct RelaisDeliveries RelaisDeliveries;
/* Once for each call, on the loop, from a later turn. `deliveries` is borrowed; NULL with `error` set
 * if the log could not be read, or not all of it yet: nothing is known then, and to be asked again later. */
typedef void (*RelaisDeliveriesFunc) (gpointer data, RelaisDeliveries *deliveries,
                                      const gchar *error);
/* Finds the delivery of that name: one or none. A peer may return a message before our own line about its delivery is
 * written: where nothing is found and the name was made within the last hour, that is an error. Any thread. */
RELAIS_API void relais_delivery_find (RelaisModule *module, const RelaisDeliveryName *name,
                                      RelaisDeliveriesFunc func, gpointer data);
/* Finds the deliveries of messages with that Message-ID (with brackets), the newest first, at most 1000; those of the
 * last second or so may be missing. Any thread. */
RELAIS_API void relais_delivery_find_by_message_id (RelaisModule *module, const gchar *message_id,
                                                    RelaisDeliveriesFunc func, gpointer data);

RELAIS_API RelaisDeliveries *relais_deliveries_ref (RelaisDeliveries *deliveries);
RELAIS_API void relais_deliveries_unref (RelaisDeliveries *deliveries);
RELAIS_API guint32 relais_deliveries_n (const RelaisDeliveries *deliveries);
/* Borrowed; NULL where there is none. */
RELAIS_API const gchar *
relais_deliveries_get_queue_id (const RelaisDeliveries *deliveries, guint32 n);
RELAIS_API guint32 relais_deliveries_get_number (const RelaisDeliveries *deliveries, guint32 n);
RELAIS_API const gchar *
relais_deliveries_get_sender (const RelaisDeliveries *deliveries, guint32 n);
RELAIS_API const gchar *
relais_deliveries_get_recipient (const RelaisDeliveries *deliveries, guint32 n);
RELAIS_API const gchar *
relais_deliveries_get_tenant (const RelaisDeliveries *deliveries, guint32 n);
RELAIS_API const gchar *
relais_deliveries_get_campaign (const RelaisDeliveries *deliveries, guint32 n);
RELAIS_API const gchar *
relais_deliveries_get_message_id (const RelaisDeliveries *deliveries, guint32 n);
/* When it was delivered, wall clock. */
RELAIS_API gint64 relais_deliveries_get_delivered_us (const RelaisDeliveries *deliveries,
                                                      guint32 n);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisDeliveries, relais_deliveries_unref)

G_END_DECLS
