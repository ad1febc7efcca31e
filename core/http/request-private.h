/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One request: its checked head as handlers see it, its body, and the answer that the handler gives.
 * Made, read and freed by the HTTP thread; while the handler of a POOL route runs, all but what is marked
 * is that thread's alone. A request whose connection gave up waiting (deadline, disconnect)
 * lives until its handler returns, and its answer is dropped.
 */
#pragma once

#include "http/forwarded-private.h"
#include "http/head-private.h"
#include "module/host-private.h"

#include <relais/http.h>

typedef struct RelaisHttpConnection RelaisHttpConnection;
typedef struct RelaisHttpFront RelaisHttpFront;

/* A field of the answer; name and value stand in RelaisHttpAnswer.text, each with its NUL. */
typedef struct {
    guint name, value;
} RelaisHttpAnswerField;

/* `BYTES` of names and values together, the type's too. */
enum { RELAIS_HTTP_ANSWER_FIELDS = 32, RELAIS_HTTP_ANSWER_BYTES = 12 * 1024 };

typedef struct {
    guint status; /* 0: none was given */
    char *content_type;
    GBytes *body;
    GString *text;
    guint n_fields;
    RelaisHttpAnswerField fields[RELAIS_HTTP_ANSWER_FIELDS];
} RelaisHttpAnswer;

struct RelaisHttpRequest {
    /* HTTP thread only: */
    RelaisHttpFront *front;
    RelaisHttpConnection *connection; /* NULL once it does not wait any more */
    gsize reserved;                   /* of the front's memory for bodies */
    bool in_pool;                     /* a job has it */
    /* The handler's while it runs: */
    RelaisHttpHead head;
    GByteArray *bytes;     /* the head, each part that handlers see with a NUL behind it */
    GByteArray *collected; /* the body while it comes */
    GBytes *body;
    const RelaisHttpRoute *route;
    RelaisPin *pin;
    char client[INET6_ADDRSTRLEN];
    char *host; /* or NULL */
    bool tls;
    gint64 wall_us;
    gint64 deadline_us; /* of a POOL route */
    RelaisHttpAnswer answer;
};

RelaisHttpRequest *relais_http_request_new (void);
/* Accepts NULL. */
void relais_http_request_free (RelaisHttpRequest *request);
/* Makes it as good as new. */
void relais_http_request_reset (RelaisHttpRequest *request);

/* Takes the head, which must be whole, out of the bytes that it was read from. */
void relais_http_request_take_head (RelaisHttpRequest *request, const guint8 *bytes);
/* Sets client and tls by the connection's peer and what trusted proxies say. */
void relais_http_request_set_client (RelaisHttpRequest *request, const GArray *trusted,
                                     const RelaisHttpAddress *peer, bool tls);
/* Calls the route's handler; there is an answer afterwards. */
void relais_http_request_handle (RelaisHttpRequest *request);
