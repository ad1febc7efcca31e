/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The head of an HTTP/1 request: the parser that every octet goes through before anything else looks
 * at it. It takes what RFC 9110 and 9112 allow a client to send to a server like ours, in the one way
 * that leaves no two readings, and refuses the rest: what can be read in two ways is how one request
 * is smuggled inside another.
 *
 * Pure, bounded, resumable; any thread. What is found are offsets into the bytes.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Most fields of a head; one more is 431. */
enum { RELAIS_HTTP_FIELDS = 100 };

typedef enum {
    RELAIS_HTTP_HEAD_MORE,  /* not whole yet */
    RELAIS_HTTP_HEAD_WHOLE, /* `size` octets of it */
    RELAIS_HTTP_HEAD_BAD    /* `status` says how to answer; the connection must be closed */
} RelaisHttpHeadResult;

typedef enum {
    RELAIS_HTTP_METHOD_GET,
    RELAIS_HTTP_METHOD_HEAD,
    RELAIS_HTTP_METHOD_POST
} RelaisHttpMethod;
const char *relais_http_method_to_string (RelaisHttpMethod method);

/* A part of the bytes. */
typedef struct {
    guint32 at, size;
} RelaisHttpSpan;

typedef struct {
    RelaisHttpSpan name, value; /* the value without blanks around it */
} RelaisHttpField;

/* Fields that the framing or the handling depends on; of each but Connection one at most. */
typedef enum {
    RELAIS_HTTP_HOST,
    RELAIS_HTTP_CONTENT_LENGTH,
    RELAIS_HTTP_TRANSFER_ENCODING,
    RELAIS_HTTP_EXPECT,
    RELAIS_HTTP_CONTENT_TYPE,
    RELAIS_HTTP_AUTHORIZATION,
    RELAIS_HTTP_CONNECTION,
    RELAIS_HTTP_N_KNOWN
} RelaisHttpKnown;

typedef struct {
    guint32 limit;   /* octets of a head, its empty line included */
    guint32 scanned; /* how far the parser came, and where the line began that it is in */
    guint32 line;
    guint32 size;     /* of the whole head, once there */
    guint32 status;   /* of the refusal, once there: 400, 411, 414, 417, 431, 501, 505 */
    const char *text; /* why; static */

    bool in_fields; /* the request line is behind */
    RelaisHttpMethod method;
    guint minor;                /* HTTP/1.minor */
    RelaisHttpSpan path, query; /* as sent */
    bool has_query;
    RelaisHttpSpan host;       /* without port; size 0 if none was named */
    RelaisHttpSpan host_value; /* with port, as sent */
    guint64 content_length;    /* 0 without a body */
    bool close;                /* the connection ends with this request */
    bool keep_alive;           /* Connection says so */
    bool expects_continue;
    guint32 known[RELAIS_HTTP_N_KNOWN]; /* 1 + number of the field, or 0 */
    guint n_fields;
    RelaisHttpField fields[RELAIS_HTTP_FIELDS];
} RelaisHttpHead;

/* `limit` is at least 1. */
void relais_http_head_init (RelaisHttpHead *head, guint32 limit);
/* Looks at the bytes from the request's first octet on; what earlier calls saw must be there unchanged,
 * and is not looked at again. Octets behind the head are not looked at. */
RelaisHttpHeadResult relais_http_head_parse (RelaisHttpHead *head, const guint8 *bytes, gsize size);

/* Whether the octets are a token (RFC 9110 section 5.6.2), or a field's value: no control but HTAB. */
bool relais_http_is_token (const char *text, gsize size);
bool relais_http_is_value (const char *text, gsize size);
