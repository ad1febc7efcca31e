/* SPDX-License-Identifier: MIT
 *
 * Fetching: one HTTP/1.1 request to a server elsewhere (webhooks, policies, checks of tracking hosts),
 * made by the core on its loop, and one result that tells kinds of failure apart.
 *
 * What a customer may name must not reach into the machine's own network: only http and https, no
 * user name in the URL, ports 80, 443 and those above 1023, names resolved by the core's own resolver,
 * each address they have looked at (loopback, private, link-local and the like are refused), and the
 * connection made to the very address that was looked at. Redirects are not followed: a 302 is a
 * result like any other. Certificates are always verified. The administrator's own hosts ([domain NAME]
 * tracking) and networks ([http-client] allow) are exempt.
 */
#pragma once

#include <relais/types.h>

G_BEGIN_DECLS

/* How a fetch ended. */
typedef guint32 RelaisFetchOutcome;
enum {
    RELAIS_FETCH_OK = 0,         /* a whole answer came; its status says what the server thinks */
    RELAIS_FETCH_BAD_URL = 1,    /* not a URL that is fetched; nobody was asked */
    RELAIS_FETCH_BUSY = 2,       /* too many wait already; nobody was asked */
    RELAIS_FETCH_STOPPED = 3,    /* the daemon stops */
    RELAIS_FETCH_DNS_ABSENT = 4, /* the name has no address, for sure */
    RELAIS_FETCH_DNS_TEMPORARY = 5,   /* the name could not be looked up now */
    RELAIS_FETCH_REFUSED_ADDRESS = 6, /* it is, or has, an address that is not fetched from */
    RELAIS_FETCH_CONNECT = 7,         /* no address took the connection */
    RELAIS_FETCH_TLS = 8,             /* handshake or certificate; `text` says which */
    RELAIS_FETCH_TIMEOUT = 9,         /* not done within timeout_us; `reached` says where it was */
    RELAIS_FETCH_TOO_LARGE = 10,      /* more than max_bytes, or more than 64 KiB of header */
    RELAIS_FETCH_PROTOCOL = 11        /* no answer, half an answer, or no HTTP */
};

/* The last thing that was begun. Unless it is REQUEST, the server did not see the request. */
typedef guint32 RelaisFetchStep;
enum {
    RELAIS_FETCH_STEP_DNS = 0,
    RELAIS_FETCH_STEP_CONNECT = 1,
    RELAIS_FETCH_STEP_TLS = 2,
    RELAIS_FETCH_STEP_REQUEST = 3
};

typedef guint32 RelaisFetchFlags;
enum {
    RELAIS_FETCH_FRESH = 1 << 0 /* a connection of its own; the result has certificate_expires_us */
};

/* A request. Versioned; everything is copied, the body counted. */
typedef struct {
    guint32 struct_size;
    RelaisFetchFlags flags;
    const gchar *method; /* NULL: "GET", or "POST" with a body; HEAD, PUT, PATCH, DELETE */
    const gchar *url;    /* ASCII, at most 8 192 octets */
    /* "Name: value", NULL-terminated, or NULL. Not Host, Content-Length, Transfer-Encoding, Connection,
     * Expect, Upgrade, TE, Trailer, nor Proxy-*: they are the core's. */
    const gchar *const *headers;
    GBytes *body;      /* nullable */
    gint64 timeout_us; /* of all of it, the wait for its turn included; 0: 10 s */
    guint64 max_bytes; /* of the answer's body; 0: 64 KiB */
} RelaisFetchInfo;

/* What came of it. Borrowed for the call; fields may be added at the end. */
typedef struct {
    guint32 struct_size;
    RelaisFetchOutcome outcome;
    RelaisFetchStep reached;
    guint32 status;              /* 0 unless OK */
    const gchar *const *headers; /* "Name: value", as sent; never NULL; empty unless OK */
    GBytes *body;                /* never NULL; empty unless OK */
    const gchar
        *text; /* one line of English: what went wrong, for a log; "" with OK. Not trusted. */
    const gchar *address;          /* that was connected to last, or refused; "" if none */
    gint64 certificate_expires_us; /* wall clock; 0 without FRESH or TLS */
} RelaisFetchResult;

/* Called once, on the loop, never inside the call that started the fetch. It must not block. */
typedef void (*RelaisFetchFunc) (const RelaisFetchResult *result, gpointer data);

/* Starts a fetch. Any thread, from the module's start on. Returns its number, which no other one gets. 0, and
 * `done` is not called: the daemon stops (or has not started), or `info` is not well-formed (method, headers,
 * a struct of another Relais); what is wrong with the URL comes as a result. */
RELAIS_API guint64 relais_fetch (RelaisModule *module, const RelaisFetchInfo *info,
                                 RelaisFetchFunc done, gpointer data);
/* Gives the fetch of that number up, however far it is; the server may have seen the request all the same.
 * TRUE: `done` will not be called, and `data` is the caller's again. FALSE: it was called already, or is
 * being called, or there never was such a fetch. Any thread. */
RELAIS_API gboolean relais_fetch_cancel (RelaisModule *module, guint64 fetch);

/* Value of the first header of that name (in either case), without the spaces around it; NULL if there
 * is none. Borrowed from the result. Any thread. */
RELAIS_API const gchar *
relais_fetch_result_get_header (const RelaisFetchResult *result, const gchar *name);
/* "ok", "bad-url", "busy", "stopped", "dns-absent", "dns-temporary", "refused-address", "connect", "tls",
 * "timeout", "too-large", "protocol". Static. */
RELAIS_API const gchar *relais_fetch_outcome_to_string (RelaisFetchOutcome outcome);

G_END_DECLS
