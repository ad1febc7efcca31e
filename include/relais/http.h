/* SPDX-License-Identifier: MIT
 *
 * HTTP: a module answers requests below a path of its own. Listeners are set up by the administrator
 * ([http NAME]) and are of two kinds that share no route: trackers, which everybody's mail program
 * talks to, and the API. Every request was checked octet by octet before a handler sees it.
 *
 * A handler of an INLINE route runs on the HTTP thread and must not wait for anything; one of a POOL
 * route runs on one of a few threads of its own and may block. Neither runs on the main loop: what a
 * handler shares with the module's hooks it has to lock. Everything borrowed from a request is good
 * until the handler returns.
 */
#pragma once

#include <relais/types.h>

G_BEGIN_DECLS

typedef struct RelaisHttpRequest RelaisHttpRequest; /* one request, as its handler is handed it */

typedef guint32 RelaisHttpListenerKind;
enum { RELAIS_HTTP_TRACKER = 0, RELAIS_HTTP_API = 1 };

typedef guint32 RelaisHttpRouteKind;
enum {
    RELAIS_HTTP_INLINE = 0, /* answers within the call, on the HTTP thread */
    RELAIS_HTTP_POOL = 1    /* may wait, on a thread of a bounded pool; 503 when that is full */
};

typedef guint32 RelaisHttpMethods;
enum {
    RELAIS_HTTP_GET = 1 << 0, /* and HEAD, which is answered by the same handler without the body */
    RELAIS_HTTP_POST = 1 << 1
};

/* Must call relais_http_answer () before it returns. */
typedef void (*RelaisHttpFunc) (RelaisHttpRequest *request, gpointer data);

/* What a tracking host is asked for to see whether it leads here, and what must come back. */
typedef struct {
    guint32 struct_size;
    guint32 status;           /* of the answer: 200, 302 */
    gchar path[2048];         /* below the route's, with a query if there is one; NUL-terminated */
    const gchar *header_name; /* a field that the answer must have; static text, or NULL for none */
    gchar header_value[2048]; /* its value, octet for octet */
} RelaisHttpProbe;

/* Fills in `probe`, which comes zeroed but for its size, for the tracking host `host` (a name without
 * port). FALSE: there is nothing to ask for now. `data` is the route's. Worker thread; may block. */
typedef gboolean (*RelaisHttpProbeFunc) (RelaisModule *module, const gchar *host, gpointer data,
                                         RelaisHttpProbe *probe);

/* A route. Versioned. */
typedef struct {
    guint32 struct_size;
    RelaisHttpListenerKind listener;
    /* "/o/" with a slash at its end is everything below it, "/health" is this path alone. At most 255
     * octets of printable ASCII, without '?' and '#'; compared as sent, octet for octet. */
    const gchar *path;
    RelaisHttpMethods methods;
    RelaisHttpRouteKind kind;
    RelaisHttpFunc func;
    gpointer data;
    gint64 deadline_us; /* POOL: when 503 is answered in its place; 0 for the configured one */
    guint32 max_body;   /* octets of a POST's body; more is 413. At most RELAIS_HTTP_BODY_BYTES */
    guint32 reserved;   /* 0 */
    /* What `relaisctl track check` asks for; both or neither. The name ("pixel") is for people. */
    const gchar *probe_name;
    RelaisHttpProbeFunc probe;
} RelaisHttpRouteInfo;

enum { RELAIS_HTTP_BODY_BYTES = 16 << 20 };

/* In init only. The strings are copied. Fails, naming both modules, if a path on listeners of the same
 * kind is taken, or lies below one that is, or above. */
RELAIS_API gboolean relais_module_add_route (RelaisModule *module, const RelaisHttpRouteInfo *info,
                                             GError **error);

/* --- The request. For the thread that the handler runs on. */
RELAIS_API RelaisModule *relais_http_get_module (const RelaisHttpRequest *request);
/* The module's configuration object that is pinned for this request. */
RELAIS_API gpointer relais_http_get_config (const RelaisHttpRequest *request);
/* "GET", "HEAD" or "POST". */
RELAIS_API const gchar *relais_http_get_method (const RelaisHttpRequest *request);
/* As sent, not decoded, without the query. */
RELAIS_API const gchar *relais_http_get_path (const RelaisHttpRequest *request);
/* What follows the route's path; "" if nothing does. */
RELAIS_API const gchar *relais_http_get_rest (const RelaisHttpRequest *request);
/* What follows the '?', not decoded; NULL without one. */
RELAIS_API const gchar *relais_http_get_query (const RelaisHttpRequest *request);
/* The first field of that name, whatever its case; NULL if there is none. No control but HTAB; may
 * hold octets above 0x7f. */
RELAIS_API const gchar *
relais_http_get_header (const RelaisHttpRequest *request, const gchar *name);
/* The client's address in its canonical form, without port: of the connection, or what trusted proxies
 * say of it. */
RELAIS_API const gchar *relais_http_get_client (const RelaisHttpRequest *request);
/* The host asked for, in lower case, without port ("[2001:db8::1]" in brackets); NULL if an HTTP/1.0
 * client named none. */
RELAIS_API const gchar *relais_http_get_host (const RelaisHttpRequest *request);
/* Whether the client came by TLS, to us or to a trusted proxy that says so. */
RELAIS_API gboolean relais_http_get_tls (const RelaisHttpRequest *request);
/* The body of a POST, empty or not; NULL for other methods. May be kept by reference. */
RELAIS_API GBytes *relais_http_get_body (const RelaisHttpRequest *request);
/* When the request began: microseconds of the wall clock. */
RELAIS_API gint64 relais_http_get_wall_us (const RelaisHttpRequest *request);

/* --- The answer. */
/* A field of the answer, before it is given; at most 32, and 12 KiB of names and values in all. FALSE, and
 * nothing is set, beyond that, if it is not well-formed (a token; a value without controls but HTAB), or
 * if it is the core's to set: Connection, Content-Length, Content-Type, Date, Keep-Alive, Server, Trailer,
 * Transfer-Encoding, Upgrade. */
RELAIS_API gboolean relais_http_set_header (RelaisHttpRequest *request, const gchar *name,
                                            const gchar *value);
/* Gives the answer, once: `status` 200 to 599, `body` (referenced) and `content_type` both or neither,
 * NULL for an empty body. FALSE, and nothing is given, if one was given or this is not well-formed. A handler
 * that returns without an answer is a 500 and a line in the log. */
RELAIS_API gboolean relais_http_answer (RelaisHttpRequest *request, guint32 status,
                                        const gchar *content_type, GBytes *body);

G_END_DECLS
