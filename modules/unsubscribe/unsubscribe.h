/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the parts of the module share: its configuration, what a link says of its delivery, the fields, the page, and
 * how an address comes to the suppression list.
 */
#pragma once

#include <relais/counter.h>
#include <relais/delivery.h>
#include <relais/http.h>
#include <relais/module.h>
#include <relais/timer.h>

#include <stdbool.h>

#include "repeats.h"

/* The build system's; for whoever builds the module by hand. */
#ifndef GETTEXT_PACKAGE
#define GETTEXT_PACKAGE "relais"
#endif

#define UNSUBSCRIBE_DAY_US (G_GINT64_CONSTANT (24) * 3600 * G_USEC_PER_SEC)
/* What the local part of our addresses begins with, and what their tokens are made for. */
#define UNSUBSCRIBE_PREFIX "u-"
#define UNSUBSCRIBE_PURPOSE "unsubscribe"

/* --- Configuration (config.c): an immutable object, pinned like any module's. */
typedef enum { UNSUBSCRIBE_OFF = 0, UNSUBSCRIBE_BULK = 1, UNSUBSCRIBE_ALL = 2 } UnsubscribeMode;

typedef struct {
    UnsubscribeMode mode;
    const char *domain; /* of addresses; in `domains`, or NULL */
} UnsubscribeTenant;

typedef struct {
    UnsubscribeTenant common;
    GHashTable *tenants; /* name -> UnsubscribeTenant, of all that there are */
    GHashTable *domains; /* a set: where our addresses may be, in lower case */
    gint64 life_us;      /* of links */
    gint64 mail_life_us; /* of addresses */
    bool plain_http;     /* links may lead to a host without TLS */
} UnsubscribeConfig;

gboolean unsubscribe_prepare_config (RelaisModule *module, RelaisConfig *config, gpointer *object,
                                     GError **error);
void unsubscribe_free_config (gpointer object);
/* What goes for a tenant; `name` may be NULL. */
const UnsubscribeTenant *
unsubscribe_config_find (const UnsubscribeConfig *config, const char *name);

/* --- The module's own, from init to finalize. */
typedef struct {
    RelaisModule *module;
    RelaisCounter *unsubscribed; /* by how */
    RelaisCounter *failed;       /* the same, where it could not be kept */
    RelaisCounter *skipped;      /* why a message went without a field or a half of it */
    RelaisCounter *refused;      /* why a link or an address was of no use */
    RelaisSlot *transaction;
    char *policy;             /* Content-Security-Policy of the page */
    TrackingRepeats *repeats; /* loop's, as the next: wishes that come again and again (act.c) */
    RelaisModuleTimer *timer;
} Unsubscribe;

/* --- What a link says (identity.c). Strings are owned. */
enum { UNSUBSCRIBE_NAME_BYTES = 255, UNSUBSCRIBE_ADDRESS_BYTES = 320, UNSUBSCRIBE_ID_BYTES = 13 };
typedef struct {
    bool probe; /* of no message: what `relaisctl track check` fetches */
    char queue_id[UNSUBSCRIBE_ID_BYTES + 1]; /* "": not known */
    guint32 recipient;                       /* its number in the message */
    char *address;                           /* who wants no more; "" in a probe */
    char *sender;                            /* of the header From; NULL: none */
    char *tenant, *campaign;                 /* NULL: none */
} UnsubscribeIdentity;

void unsubscribe_identity_clear (UnsubscribeIdentity *identity);
/* NULL where a string is longer than it may be. */
GByteArray *unsubscribe_identity_encode (const UnsubscribeIdentity *identity);
/* False, and nothing to clear, for what encode never wrote. */
bool unsubscribe_identity_decode (UnsubscribeIdentity *identity, const guint8 *bytes, gsize size);

/* --- The fields (fields.c). */
enum { UNSUBSCRIBE_LINE_BYTES = 998 };
/* Header lines for a link and an address, of which either may be NULL; NULL for neither. Those of a link that is
 * too long for a line are none: see unsubscribe_link_fits (). Owned. */
char *unsubscribe_fields (const char *link, const char *address);
bool unsubscribe_link_fits (const char *link);
/* Whether a header block has a field of these already. */
bool unsubscribe_has_fields (const guint8 *header, guint64 size);
/* Whether a header block is of mail that no person wrote (RFC 3834 section 5). */
bool unsubscribe_is_automatic (const guint8 *header, guint64 size);

/* --- On the way out (seal.c). message: which mail; seal: the fields. */
RelaisVerdict unsubscribe_decide (RelaisHook *hook, gpointer data);
RelaisVerdict unsubscribe_seal (RelaisHook *hook, gpointer data);

/* --- Mail to our addresses (mail.c). */
RelaisVerdict unsubscribe_rcpt (RelaisHook *hook, gpointer data);
RelaisVerdict unsubscribe_message (RelaisHook *hook, gpointer data);
void unsubscribe_transaction_free (gpointer transaction);

/* --- Acting (act.c). */
enum { UNSUBSCRIBE_REPEATS = 3 /* of a delivery's wishes in a minute that have an event each */ };
typedef enum { UNSUBSCRIBE_ONE_CLICK, UNSUBSCRIBE_PAGE, UNSUBSCRIBE_MAIL } UnsubscribeHow;
/* Once, on the loop; `kept`: it is on disk. */
typedef void (*UnsubscribeDone) (gpointer data, bool kept);
/* Puts the address on the suppression list, counts it and tells the event log. Any thread. */
void unsubscribe_act (Unsubscribe *self, const UnsubscribeIdentity *identity, UnsubscribeHow how,
                      UnsubscribeDone done, gpointer data);
/* In init; in stop and finalize: what waits is told. */
void unsubscribe_repeats_init (Unsubscribe *self);
void unsubscribe_repeats_flush (Unsubscribe *self);

/* --- The form that is posted (form.c): pure. */
enum { UNSUBSCRIBE_FORM_BYTES = 8192, UNSUBSCRIBE_FORM_FIELDS = 16 };
typedef struct {
    bool one_click; /* List-Unsubscribe=One-Click, RFC 8058 */
    bool page;      /* it is our page's */
} UnsubscribeForm;
/* `content_type` may be NULL, and is hostile like the rest. */
UnsubscribeForm unsubscribe_form_parse (const char *content_type, const guint8 *body, gsize size);

/* --- The page (page.c): pure but for the translations. */
typedef enum {
    UNSUBSCRIBE_PAGE_ASK,
    UNSUBSCRIBE_PAGE_DONE,
    UNSUBSCRIBE_PAGE_FAILED,
    UNSUBSCRIBE_PAGE_BAD,
    UNSUBSCRIBE_PAGE_EXPIRED,
    UNSUBSCRIBE_PAGE_UNKNOWN
} UnsubscribePage;
/* HTML in the language that serves `accept` (of a request, may be NULL). `identity` is NULL for those that know no
 * delivery. Owned. */
char *
unsubscribe_page (UnsubscribePage page, const char *accept, const UnsubscribeIdentity *identity);
/* For the page's style, and nothing else. Owned. */
char *unsubscribe_page_policy (void);
/* "j...@example.com": enough for its owner, and for no one else. Owned. */
char *unsubscribe_mask (const char *address);

/* --- The route /u/ (answer.c). HTTP pool. */
void unsubscribe_answer (RelaisHttpRequest *request, gpointer data);
gboolean
unsubscribe_probe (RelaisModule *module, const gchar *host, gpointer data, RelaisHttpProbe *probe);
/* The token of a link. Owned; NULL where this program keeps no keys, or a string is too long. Any thread. */
char *unsubscribe_seal_token (RelaisModule *module, const UnsubscribeIdentity *identity,
                              gint64 expires_us);
