/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A message as Relais keeps it: the envelope, an overlay over the header (what we put before it and
 * which ranges of it no later reader sees), and the body as it came, read by range.
 *
 * "Body" in this room is all the stored bytes: header block, empty line and content. The bytes were
 * accepted by SMTP and so hold CRLF line ends only, unless said otherwise, end in CRLF, and are
 * without dot-stuffing.
 *
 * A RelaisMessage is made on one thread and is immutable once it was handed to the spool, but for
 * `states`, which belong to the queue on the loop. It is counted; ref and unref may come from any
 * thread.
 */
#pragma once

#include <glib.h>
#include <relais/message.h>
#include <stdbool.h>

/* --- Body: bytes by range ------------------------------------------------------------------- */

typedef struct RelaisBody RelaisBody;

/* What was learnt while the bytes came in, so that no one need scan them again. */
typedef struct {
    guint64 size_bytes;
    guint64 header_bytes; /* header block with its empty line; size_bytes if there is no content */
    guint32 longest_line; /* octets without CRLF, in the whole */
    guint32 longest_header_line;
    bool eight_bit; /* an octet above 127 in the content */
    bool eight_bit_header;
    bool has_nul;
} RelaisBodyFacts;

/* A body in memory; takes a reference on `bytes`. */
RelaisBody *relais_body_new_bytes (GBytes *bytes, const RelaisBodyFacts *facts);

/* A body that lies elsewhere. `read` copies `size` bytes from `offset` to `to`; it may block, may
 * be called by several threads, and fails with a GError (the disk's, or a wrong checksum). */
typedef bool (*RelaisBodyRead) (gpointer data, guint64 offset, gpointer to, gsize size,
                                GError **error);
/* Points at the longest run of bytes at `offset` that lies in memory and will as long as the body is
 * there; returns its length, 0 if they must be read. All of a body or nothing of it is there. Never
 * blocks. */
typedef gsize (*RelaisBodyPeek) (gpointer data, guint64 offset, const guint8 **bytes);
/* `peek` is NULL where nothing is ever in memory. */
RelaisBody *relais_body_new_reader (RelaisBodyRead read, RelaisBodyPeek peek, gpointer data,
                                    GDestroyNotify destroy, const RelaisBodyFacts *facts);

RelaisBody *relais_body_ref (RelaisBody *body);
void relais_body_unref (RelaisBody *body);
const RelaisBodyFacts *relais_body_facts (const RelaisBody *body);

bool relais_body_in_memory (const RelaisBody *body);
/* As RelaisBodyPeek says. */
gsize relais_body_peek (const RelaisBody *body, guint64 offset, const guint8 **bytes);

/* Copies a range, which must lie inside. Blocks if the body is not in memory: worker only then. */
bool
relais_body_read (const RelaisBody *body, guint64 offset, gpointer to, gsize size, GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisBody, relais_body_unref)

/* Collects RelaisBodyFacts over bytes given in any pieces. Zero-initialised. Pure. */
typedef struct {
    RelaisBodyFacts facts;
    guint32 line; /* octets in the line under way */
    guint8 last;  /* last octet seen */
    bool in_content;
} RelaisBodyScanner;
void relais_body_scan (RelaisBodyScanner *scanner, const guint8 *bytes, gsize size);
/* To be called once after the last piece; returns the facts. */
const RelaisBodyFacts *relais_body_scan_end (RelaisBodyScanner *scanner);

/* --- Envelope ------------------------------------------------------------------------------- */

typedef enum { RELAIS_CLASS_TRANSACTIONAL = 0, RELAIS_CLASS_BULK = 1 } RelaisClass;
static inline const char *
relais_class_to_string (RelaisClass klass)
{
    return klass == RELAIS_CLASS_BULK ? "bulk" : "transactional";
}

/* NOTIFY of RFC 3461 section 4.1; 0 is "not given" (failure and delay at our choice). */
enum {
    RELAIS_NOTIFY_NEVER = 1,
    RELAIS_NOTIFY_SUCCESS = 2,
    RELAIS_NOTIFY_FAILURE = 4,
    RELAIS_NOTIFY_DELAY = 8
};
typedef enum { RELAIS_RET_NONE = 0, RELAIS_RET_FULL, RELAIS_RET_HDRS } RelaisRet;

typedef struct {
    char *address; /* local@domain, the domain in lower case and A-labels; never empty */
    char *orcpt;   /* RFC 3461 ORCPT as given (type;xtext), or NULL */
    guint8 notify;
    bool claimed; /* taken by relais_recipient_claim () or an inbound route, not relayed by right */
    guint number; /* its place in the envelope, from 0 */
} RelaisRecipient;

typedef struct {
    char *sender;          /* reverse path without brackets; "" is <> */
    GPtrArray *recipients; /* RelaisRecipient *, at least one */
    char *envid;           /* RFC 3461 ENVID as given (xtext), or NULL */
    RelaisRet ret;
    bool smtputf8;
    RelaisClass klass;
    char *tenant;       /* name, or NULL for inbound mail */
    char *campaign;     /* or NULL */
    char *user;         /* authenticated user, or NULL */
    char *listener;     /* name of the listener, or NULL for mail made here */
    char *client;       /* address of the client, or NULL */
    char *helo;         /* or NULL */
    char *message_id;   /* header's Message-ID with brackets, or NULL */
    char *header_from;  /* address of the one header From, domain as in `address`; or NULL */
    gint64 received_us; /* wall clock */
} RelaisEnvelope;

/* --- State of each recipient ---------------------------------------------------------------- */

typedef enum {
    RELAIS_STATE_QUEUED = 0, /* no attempt ended yet, or the last one was deferred */
    RELAIS_STATE_DELIVERED,
    RELAIS_STATE_BOUNCED,
    RELAIS_STATE_EXPIRED,
    RELAIS_STATE_DELETED,
    RELAIS_STATE_HELD
} RelaisStateKind;

typedef enum {
    RELAIS_STATE_QUARANTINED = 8 /* HELD, and not by an operator: it goes when its time is over */
} RelaisStateFlag;

typedef struct {
    guint8 kind; /* RelaisStateKind */
    /* RelaisStateFlag; the lowest three bits count the delay notices that were sent. */
    guint8 flags;
    guint16 attempts;
    guint32 source; /* hash of the source's name that served last; 0 none */
    gint64 due_us;  /* wall clock, of the next attempt; quarantined: since when it is */
    gint64
        age_us; /* time in the queue that counts against the lifetime (a clock that steps do not move) */
    char *reply; /* last reply or reason, one escaped line of at most 512 octets, or NULL */
} RelaisState;

static inline bool
relais_state_is_final (guint8 kind)
{
    return kind != RELAIS_STATE_QUEUED && kind != RELAIS_STATE_HELD;
}

/* --- The message ---------------------------------------------------------------------------- */

typedef struct {
    guint64 offset, size;
} RelaisRange;

typedef struct RelaisMessage {
    gatomicrefcount refs;
    guint64 id;
    RelaisEnvelope envelope;
    GBytes *prepend;        /* whole header lines that stand before the stored header; or NULL */
    GArray *cuts;           /* RelaisRange into the stored header, ascending, disjoint; or NULL */
    GHashTable *attributes; /* char * "module.name" -> GBytes *; or NULL */
    RelaisBody *body;
    RelaisState *states; /* one a recipient; loop only */
} RelaisMessage;

/* A message with empty envelope, no body and no states; the maker fills it in. */
RelaisMessage *relais_message_new (guint64 id);
RelaisMessage *relais_message_ref (RelaisMessage *message);
void relais_message_unref (RelaisMessage *message);
/* Gives the message one state a recipient, all queued. */
void relais_message_init_states (RelaisMessage *message);
/* Copies the reply, control characters escaped as \xNN, cut at 512 octets; NULL forgets it. */
void relais_message_set_state_reply (RelaisState *state, const char *reply);
/* Holds a recipient by a verdict, from `wall_us` on. */
void relais_message_quarantine_state (RelaisState *state, const char *reason, gint64 wall_us);
/* Frees an array of `n` states; NULL ok. For this room. */
void relais_states_free (RelaisState *states, guint n);
RelaisRecipient *relais_envelope_add_recipient (RelaisEnvelope *envelope, const char *address);
/* Adds one that was made before; takes it. */
void relais_envelope_take_recipient (RelaisEnvelope *envelope, RelaisRecipient *recipient);
static inline RelaisRecipient *
relais_envelope_recipient (const RelaisEnvelope *envelope, guint i)
{
    return g_ptr_array_index (envelope->recipients, i);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisMessage, relais_message_unref)

/* Sets, or with NULL removes, an attribute by its full name. False, and nothing is set, if the message's attributes
 * would be more than RELAIS_ATTRIBUTES_BYTES, names included. While nobody else has the message. */
enum { RELAIS_ATTRIBUTES_BYTES = 64 * 1024 };
bool relais_message_set_attribute (RelaisMessage *message, const char *name, GBytes *value);
/* Borrowed; NULL if there is none. */
GBytes *relais_message_find_attribute (const RelaisMessage *message, const char *name);
/* The attribute that has each recipient served in a transaction of its own. */
#define RELAIS_ATTRIBUTE_ALONE "core.alone"
/* Before the lower-case NAME of a field X-Relais-NAME that the sender gave: see relais_hygiene_apply (). */
#define RELAIS_ATTRIBUTE_FIELD "x-relais."

/* Queue ids as text: 13 lower-case base32 characters (0-9a-v), whose order is the ids'. */
enum { RELAIS_ID_TEXT_BYTES = 14 };
void relais_id_to_text (guint64 id, char text[RELAIS_ID_TEXT_BYTES]);
bool relais_id_from_text (const char *text, guint64 *id);

/* --- Serial form of the spool (envelope, overlay, attributes, facts; states) ------------------ */

/* Appends everything but body and states (the body's facts included) in a versioned form whose end
 * is known from within; nothing may follow it when it is read. */
void relais_message_encode (const RelaisMessage *message, GByteArray *to);
/* Reads it back; bounded, pure, fails on anything odd. The body is the caller's to set; its facts
 * come in `facts`. */
RelaisMessage *relais_message_decode (guint64 id, const guint8 *bytes, gsize size,
                                      RelaisBodyFacts *facts, GError **error);
void relais_states_encode (const RelaisMessage *message, GByteArray *to);
/* Sets message->states from the bytes; fails if the number of recipients differs. */
bool relais_states_decode (RelaisMessage *message, const guint8 *bytes, gsize size, GError **error);
