/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The dkim module's own contract: canonicalisation, keys, signatures. Built with the public headers and
 * OpenSSL alone.
 */
#pragma once

#include <relais/hook.h>
#include <relais/module.h>

#include <openssl/evp.h>
#include <stdbool.h>

#ifndef GETTEXT_PACKAGE
#define GETTEXT_PACKAGE "relais"
#endif

#ifndef DKIM_KEY_DIR
#define DKIM_KEY_DIR "/etc/relais/dkim"
#endif

/* --- canon.c: RFC 6376 section 3.4. Pure. ---------------------------------------------------------- */

typedef enum { DKIM_SIMPLE = 0, DKIM_RELAXED = 1 } DkimCanon;

typedef void (*DkimSink) (gpointer data, const guint8 *bytes, gsize size);

/* A body that comes in pieces, split anywhere. */
typedef struct {
    DkimCanon canon;
    DkimSink sink;
    gpointer data;
    guint64 lines; /* line ends held back: they count only if something follows */
    bool space;    /* white space held back, relaxed */
    bool cr;       /* a CR held back: is it a line end's? */
    bool any;      /* something has gone out */
    guint16 fill;
    guint8 out[2048];
} DkimBody;
void dkim_body_init (DkimBody *body, DkimCanon canon, DkimSink sink, gpointer data);
void dkim_body_feed (DkimBody *body, const guint8 *bytes, gsize size);
void dkim_body_end (DkimBody *body);

/* Appends one field (with its CRLF, folds and all) in canonical form, with CRLF. */
void dkim_canon_field (GString *to, DkimCanon canon, const char *field, gsize size);

/* --- names.c. Pure. --------------------------------------------------------------------------------- */

enum { DKIM_FIELD_NAME_BYTES = 70 };

bool dkim_is_made_of_labels (const char *text, gsize most);
bool dkim_domain_is_good (const char *domain);
bool dkim_selector_is_good (const char *selector);
bool dkim_field_name_is_good (const char *name);

/* --- keys.c: where keys come from, and who may use them. ---------------------------------------------- */

typedef struct {
    char *name; /* of the section */
    char *domain, *selector, *tenant;
    DkimCanon header, body;
    char **headers; /* h= as written by the user; NULL for the default */
    bool ed25519;
    EVP_PKEY *pkey; /* used by several threads at once, never changed */
} DkimKey;

/* The immutable object of one configuration. */
typedef struct {
    GPtrArray *keys;       /* DkimKey */
    GHashTable *by_domain; /* char * -> GPtrArray of the keys of that domain */
    bool send_unsigned;
    bool verify;              /* mail from outside */
    gint64 verify_timeout_us; /* for all of one message's signatures */
    EVP_MD *sha256;
    gint n_unsigned; /* atomic: messages sent without a signature */
} DkimConfig;

DkimConfig *dkim_config_new (RelaisConfig *config, RelaisModule *module, GError **error);
void dkim_config_free (gpointer config);
/* Appends (borrowed) the keys for mail of that tenant from that domain. */
void dkim_config_find (const DkimConfig *config, const char *tenant, const char *domain,
                       GPtrArray *keys);
/* Reads a private key: a file of root's, the caller's or `user`'s (nullable) that nobody else may
 * read. `weak` tells of an RSA key under 2048 bits. */
EVP_PKEY *dkim_key_read (const char *file, const char *user, bool *weak, GError **error);

#define DKIM_ERROR (g_quark_from_static_string ("relais-dkim-error"))
typedef enum { DKIM_ERROR_KEY, DKIM_ERROR_CONFIG, DKIM_ERROR_SIGN } DkimError;

/* --- sign.c: from a header block and a body to signature fields. Worker threads. ------------------- */

/* Reads a piece of the message; as relais_hook_read (). */
typedef gint64 (*DkimRead) (gpointer data, guint64 offset, gpointer buffer, guint64 size,
                            GError **error);
/* Appends one DKIM-Signature field for each of `keys`. The body is read once and hashed once for each
 * canonicalisation in use. */
bool dkim_sign_message (const DkimConfig *config, const GPtrArray *keys, const guint8 *header,
                        gsize header_size, DkimRead read, gpointer data, GString *fields,
                        GError **error);

/* --- keygen.c: `relaisctl dkim keygen`. ----------------------------------------------------------- */

typedef struct {
    const char *domain, *selector, *dir;
    const char *owner; /* user to own the file when we are root; NULL: the caller */
    bool ed25519, force;
    int bits;
} DkimKeygen;

/* Makes a key and writes its file; returns the DNS record in zone-file form (owned), the file's name
 * in `file` (owned). */
char *dkim_keygen (const DkimKeygen *options, char **file, GError **error);
void dkim_command_keygen (RelaisCommandCall *call, gpointer data);
