/* SPDX-License-Identifier: MIT
 *
 * Hooks: the places where the core asks modules. A function is registered in init and called with a
 * RelaisHook, which is the call itself and lives until the function returns, or, when it returned
 * PENDING, until its ticket was completed or cancelled.
 *
 *   hook                 thread  PENDING  verdicts besides CONTINUE       may change
 *   connect helo auth
 *   mail rcpt            loop    yes      ACCEPT REJECT TEMPFAIL          reply, slots
 *   message              loop    yes      REJECT TEMPFAIL DISCARD         attributes, results,
 *                                         QUARANTINE                      trace fields
 *   route                loop    yes      REJECT DEFER                    attempt attributes
 *   lane                 loop    yes      WAIT                            limits (shaping.h)
 *   admit                loop    yes      WAIT REJECT                     limits (shaping.h)
 *   rewrite              worker  no       DEFER                           sender, text and header
 *                                                                         (edit.h)
 *   seal                 worker  no       DEFER                           prepends header lines
 *   result               loop    no       DEFER REJECT                    classification (bounce.h)
 *   event                loop    no       -                               -
 *
 * The first verdict that is not CONTINUE ends the chain; `event` calls all. ACCEPT says only that no
 * further function of this hook is asked: it gives nobody the right to relay. On the loop a
 * function must not block.
 */
#pragma once

#include <relais/message.h>
#include <relais/types.h>

G_BEGIN_DECLS

typedef RelaisVerdict (*RelaisHookFunc) (RelaisHook *hook, gpointer data);

/* Functions of a lower stage come first. Only `message` has more than one. */
typedef guint32 RelaisHookStage;
enum { RELAIS_STAGE_DECIDE = 0, RELAIS_STAGE_MODIFY = 1 };

typedef guint32 RelaisHookFlags;
enum {
    RELAIS_HOOK_PER_RECIPIENT =
        1 << 0 /* rewrite, seal: each recipient in a transaction of its own */
};

/* A registration. Versioned. */
typedef struct {
    guint32 struct_size;
    RelaisHookId hook;
    const gchar *name; /* [a-z0-9-]+; the function's full name is MODULE.NAME */
    RelaisHookStage stage;
    RelaisHookFlags flags;
    /* Names of modules, or MODULE.NAME, that it is called before or after, where they are loaded;
     * NULL-terminated, or NULL. Otherwise the order is that of the modules' names. */
    const gchar *const *before;
    const gchar *const *after;
    RelaisHookFunc func;
    gpointer data;
    RelaisVerdict on_timeout; /* 0: TEMPFAIL, or DEFER or WAIT where the hook takes no TEMPFAIL */
    guint32 reserved;         /* 0 */
} RelaisHookInfo;

/* In init only. The strings are copied. */
RELAIS_API gboolean relais_module_add_hook (RelaisModule *module, const RelaisHookInfo *info,
                                            GError **error);

/* --- The call. Strings are borrowed until the function returns, NULL where there is none. Those
 * marked [w] are for worker hooks too. */
RELAIS_API RelaisHookId relais_hook_get_id (const RelaisHook *hook);      /* [w] */
RELAIS_API RelaisModule *relais_hook_get_module (const RelaisHook *hook); /* [w] */
/* The module's configuration object that is pinned for this session or delivery. */
RELAIS_API gpointer relais_hook_get_config (const RelaisHook *hook); /* [w] */

RELAIS_API const gchar *relais_hook_get_client (const RelaisHook *hook);
RELAIS_API guint32 relais_hook_get_client_port (const RelaisHook *hook);
RELAIS_API const gchar *relais_hook_get_helo (const RelaisHook *hook);
RELAIS_API const gchar *relais_hook_get_user (const RelaisHook *hook);
RELAIS_API const gchar *relais_hook_get_tenant (const RelaisHook *hook); /* [w] */
RELAIS_API const gchar *relais_hook_get_listener (const RelaisHook *hook);
RELAIS_API gboolean relais_hook_get_tls (const RelaisHook *hook);
/* Whether the client may relay without AUTH. */
RELAIS_API gboolean relais_hook_get_trusted (const RelaisHook *hook);

/* Envelope; "" is the sender <>. In rcpt relais_hook_get_recipient () with 0 is the one asked about;
 * from message on the recipients are those of the message, on the way out of this transaction; in result it is one. */
RELAIS_API const gchar *relais_hook_get_sender (const RelaisHook *hook);               /* [w] */
RELAIS_API guint32 relais_hook_n_recipients (const RelaisHook *hook);                  /* [w] */
RELAIS_API const gchar *relais_hook_get_recipient (const RelaisHook *hook, guint32 n); /* [w] */
/* The n-th one's number in the message, which outlives attempts: events name it. */
RELAIS_API guint32 relais_hook_get_recipient_number (const RelaisHook *hook, guint32 n); /* [w] */
/* The message, from `message` on; borrowed. */
RELAIS_API RelaisMessage *relais_hook_get_message (const RelaisHook *hook); /* [w] */
/* route to result: domain or name of the route. */
RELAIS_API const gchar *relais_hook_get_destination (const RelaisHook *hook); /* [w] */
/* result: what the peer said; code 0 if it said nothing. More of it in shaping.h. */
RELAIS_API guint32 relais_hook_get_reply_code (const RelaisHook *hook);
RELAIS_API const gchar *relais_hook_get_reply_text (const RelaisHook *hook);

/* event: the line (a JSON object, without line end) and its number, which grows. Borrowed. */
RELAIS_API GBytes *relais_hook_get_event (const RelaisHook *hook, guint64 *seq);

/* rcpt: the recipient is one of ours (VERP, unsubscribe): it is accepted although it has no route.
 * FALSE unless its domain has a section [domain NAME]. */
RELAIS_API gboolean relais_recipient_claim (RelaisHook *hook);

/* Reply to go with REJECT (code 5xx), TEMPFAIL or DEFER (4xx): `enhanced` as "5.7.1" with the code's
 * class, or NULL; `text` one line of printable ASCII or UTF-8 of at most 400 octets. FALSE, and nothing
 * is set, for anything else. [w] */
RELAIS_API gboolean relais_hook_set_reply (RelaisHook *hook, guint32 code, const gchar *enhanced,
                                           const gchar *text);
/* The monotonic clock, as it was when this turn of the loop began. */
RELAIS_API gint64 relais_hook_now_us (const RelaisHook *hook);
/* rewrite: another envelope sender. FALSE if it is no address or the hook is another. [w] */
RELAIS_API gboolean relais_hook_set_sender (RelaisHook *hook, const gchar *sender);

/* Where links and pixels of this message may point to: "https://track.example.com", without "/" at the
 * end, of its sender's domain ([domain NAME] tracking: of the header From if there is one, else of the
 * envelope sender; the domain itself, else the nearest one above that has a tracking host). NULL if
 * there is none that works; `reason` (nullable, static) is then "no-tracking-host", "host-unchecked"
 * (the daemon has just started) or "host-failing" (the last checks failed), else NULL. [w] */
RELAIS_API const gchar *relais_hook_get_tracking_url (RelaisHook *hook, const gchar **reason);

/* --- Bytes. From `message` on: the message as its readers see it; in rewrite and seal the bytes as
 * they stand at that point. */

/* Size in octets. [w] */
RELAIS_API guint64 relais_hook_get_size (RelaisHook *hook);
/* Copies up to `size` octets (at most RELAIS_READ_BYTES) from `offset`; returns how many, 0 at the end,
 * -1 with an error. On the loop it fails where the disk would have to be waited for. [w] */
RELAIS_API gint64 relais_hook_read (RelaisHook *hook, guint64 offset, gpointer buffer, guint64 size,
                                    GError **error);
/* The header block with its empty line; until the function returns. NULL with an error. [w] */
RELAIS_API const guint8 *relais_hook_get_header (RelaisHook *hook, guint64 *size, GError **error);

/* One field of a header block; pointers into the block. */
typedef struct {
    const gchar *name;
    guint64 name_size;
    const gchar *value; /* raw: after the colon to before the final CRLF, folds included */
    guint64 value_size;
    guint64 offset, size; /* of the whole field with its CRLF */
} RelaisHeaderField;
/* Steps through the fields; `*position` starts at 0. FALSE at the end. Pure; any thread. */
RELAIS_API gboolean relais_header_next_field (const guint8 *block, guint64 size, guint64 *position,
                                              RelaisHeaderField *field);

/* message, seal: puts whole header lines (each with CRLF, at most 998 octets, folds allowed) before the
 * message; in message, where they must be trace fields, above our Received once it is accepted, at most
 * 64 KiB. FALSE if they are not well-formed or too many, or the hook is another. [w] */
RELAIS_API gboolean relais_hook_prepend_header (RelaisHook *hook, const gchar *bytes, guint64 size);

/* The message as the client sent it, before anything was cut or added: what a signature was made over.
 * Counted; it may outlive the call. */
typedef struct RelaisOriginal RelaisOriginal;
/* message: a new reference; NULL on another hook. */
RELAIS_API RelaisOriginal *relais_hook_dup_original (RelaisHook *hook);
/* Any thread, as all that follows. Octets. */
RELAIS_API guint64 relais_original_get_size (const RelaisOriginal *original);
/* Copies up to `size` octets (at most RELAIS_READ_BYTES) from `offset`; returns how many, 0 at the end,
 * -1 with an error. May wait for the disk: on a worker. */
RELAIS_API gint64 relais_original_read (const RelaisOriginal *original, guint64 offset,
                                        gpointer buffer, guint64 size, GError **error);
RELAIS_API RelaisOriginal *relais_original_ref (RelaisOriginal *original);
/* Accepts NULL. */
RELAIS_API void relais_original_unref (RelaisOriginal *original);

/* --- Results of checks (RFC 8601). The core writes one Authentication-Results field of them, under the name of
 * [relais] authserv_id, and removes what came in under that name. */
/* message: adds a result. `method` ("spf", "dkim", [a-z0-9-]+) and `result` ("pass", [a-z]+) from the registry
 * of RFC 8601; `reason` (nullable) for people; `properties` (nullable) "ptype.property=value",
 * NULL-terminated; the core quotes. The first result of a method becomes the attribute "METHOD.result": give
 * the decisive one first. FALSE, and nothing is added, on another hook, for more than 64 results or 8
 * properties, or where a text is not well-formed or longer than 512 octets. */
RELAIS_API gboolean relais_hook_add_auth_result (RelaisHook *hook, const gchar *method,
                                                 const gchar *result, const gchar *reason,
                                                 const gchar *const *properties);
/* message: what the functions before this one found. Borrowed; NULL and 0 where there is none. */
RELAIS_API guint32 relais_hook_n_auth_results (const RelaisHook *hook);
RELAIS_API const gchar *relais_hook_get_auth_method (const RelaisHook *hook, guint32 n);
RELAIS_API const gchar *relais_hook_get_auth_result (const RelaisHook *hook, guint32 n);
/* Value of a property by name, "header.d". */
RELAIS_API const gchar *
relais_hook_get_auth_property (const RelaisHook *hook, guint32 n, const gchar *name);

/* --- Slots: a pointer of the module's at a session or transaction. In memory only: what must outlive
 * the transaction is an attribute. */
typedef struct RelaisSlot RelaisSlot;
typedef guint32 RelaisSlotScope;
enum { RELAIS_SCOPE_SESSION = 0, RELAIS_SCOPE_TRANSACTION = 1 };
/* In init only; NULL later. Lives as long as the module. Values are destroyed once, in reverse order
 * of the slots, when their session or transaction ends. */
RELAIS_API RelaisSlot *
relais_slot_new (RelaisModule *module, RelaisSlotScope scope, GDestroyNotify destroy);
/* FALSE where there is no such scope; the value stays the caller's then. Loop only. */
RELAIS_API gboolean relais_hook_set_slot (RelaisHook *hook, RelaisSlot *slot, gpointer value);
RELAIS_API gpointer relais_hook_get_slot (const RelaisHook *hook, const RelaisSlot *slot);

/* --- Attributes: small named values that are spooled with the message. */
/* message: sets (or with NULL removes) MODULE.name; at most 64 KiB a message. FALSE beyond, on
 * another hook, or for a name that is not [a-z0-9-]+. */
RELAIS_API gboolean relais_hook_set_attribute (RelaisHook *hook, const gchar *name, GBytes *value);
/* message: has each recipient served in a transaction of its own, so that rewrite may make the message each one's
 * own (VERP, tracking). FALSE on another hook. */
RELAIS_API gboolean relais_hook_set_alone (RelaisHook *hook);
/* route: the same for the attempt alone, in memory. */
RELAIS_API gboolean relais_hook_set_attempt_attribute (RelaisHook *hook, const gchar *name,
                                                       GBytes *value);
/* By full name, "MODULE.name"; borrowed, NULL if there is none. [w] */
RELAIS_API GBytes *relais_hook_get_attempt_attribute (const RelaisHook *hook, const gchar *name);

/* --- Suspension. A function that has to wait takes a ticket and returns PENDING. */
/* Called once if the ticket ends without being completed: disconnect, RSET, timeout, shutdown. Loop
 * thread; not inside any call of the module's. */
typedef void (*RelaisCancelFunc) (gpointer data);
/* A new reference; NULL where the hook cannot wait, or a ticket was taken already. `label` says
 * what is waited for and is copied. `timeout_us` must be positive. */
RELAIS_API RelaisTicket *
relais_hook_suspend (RelaisHook *hook, const gchar *label, gint64 timeout_us,
                     RelaisCancelFunc cancel, gpointer data);
/* Gives the answer, once, from any thread; the chain goes on from the loop, never inside this call.
 * FALSE, without effect, if it is late or was given before. */
RELAIS_API gboolean relais_ticket_complete (RelaisTicket *ticket, RelaisVerdict verdict);
/* Whether an answer would still have an effect, for long work to end early. Any thread. */
RELAIS_API gboolean relais_ticket_is_open (RelaisTicket *ticket);
/* The call that waits, to set reply and attributes before completing; NULL once it is over. Loop
 * only; good until the loop is returned to. */
RELAIS_API RelaisHook *relais_ticket_get_hook (RelaisTicket *ticket);
/* Any thread. */
RELAIS_API RelaisTicket *relais_ticket_ref (RelaisTicket *ticket);
RELAIS_API void relais_ticket_unref (RelaisTicket *ticket);

/* --- Work that may block, and the answer that comes of it. Versioned; the label is copied. */
typedef struct {
    guint32 struct_size;
    guint32 reserved;   /* 0 */
    const gchar *label; /* what is waited for */
    gint64 timeout_us;  /* of the wait; positive */
    /* On a worker; what it returns is the answer. Not called if nobody waits any more when its turn has come. */
    RelaisVerdict (*work) (RelaisTicket *ticket, gpointer data);
    /* Nullable. On the loop, after the work and while the call still waits: may set reply and attributes, and returns
     * the answer in its stead. */
    RelaisVerdict (*done) (RelaisHook *hook, RelaisVerdict verdict, gpointer data);
    GDestroyNotify destroy; /* nullable; once, on the loop, whatever happens */
    gpointer data;
} RelaisHookJob;
/* Takes a ticket, runs the work, and completes the ticket with its answer. A hook function returns what this returns:
 * PENDING; or TEMPFAIL (DEFER, WAIT where the hook takes no TEMPFAIL), and `destroy` was called, where the hook
 * cannot wait or too many jobs wait. Where the wait ends before, by disconnect or timeout, the work is let run to
 * its end and `done` is not called. Loop. */
RELAIS_API RelaisVerdict relais_hook_run_job (RelaisHook *hook, const RelaisHookJob *job);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisOriginal, relais_original_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisTicket, relais_ticket_unref)

G_END_DECLS
