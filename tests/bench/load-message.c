/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What relais-load sends: envelope, header with the number that the sink knows a message by, and a
 * body that is the same for all: text, or a newsletter with links. Pure functions over the options.
 */
#include "config.h"

#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HEAD_BYTES = 768 };

size_t
load_message_room (const Load *load)
{
    return HEAD_BYTES + 2 * strlen (load->sender) +
           (size_t)load->recipients * (48 + strlen (load->domain)) + strlen (load->domain);
}

/* --- The body --------------------------------------------------------------------------------- */

static size_t
put (char *body, size_t at, const char *text)
{
    const size_t size = strlen (text);

    memcpy (body + at, text, size);
    return at + size;
}

/* A link, and what stands around it in a newsletter, until `end`; less than a line is left of that. */
static size_t
put_link (char *body, size_t at, size_t end, long number)
{
    static const char *const filler[] = {
        "<td width=\"24\" class=\"gap\" style=\"font-size:0;line-height:0\">&nbsp;</td>\r\n",
        "<p style=\"margin:0 0 12px 0\">It rains in the south, and the west is dry.\r\n",
        "<b>Three for two</b> &amp; more of what you looked at on Tuesday.</p>\r\n",
        "<img src=\"https://img.example.com/p/3.png\" width=\"96\" height=\"96\" alt=\"\">\r\n",
    };
    char link[LOAD_LINK_BYTES];

    snprintf (link, sizeof link,
              "<tr><td style=\"padding:12px 24px;font-family:Arial,sans-serif;color:#333333\">\r\n"
              "<a href=\"https://shop%ld.example.com/products/%ld?utm_source=letter&amp;"
              "utm_campaign=autumn&amp;item=%ld\"\r\nstyle=\"color:#0b57d0\">Offer %ld</a>\r\n",
              number % 7, number, number * 7919, number);
    at = put (body, at, link);
    for (size_t i = 0; at + strlen (filler[i % 4]) <= end; i++)
        at = put (body, at, filler[i % 4]);
    return at;
}

static void
put_html (const Load *load, char *body, size_t size)
{
    static const char before[] =
        "<!DOCTYPE html>\r\n<html lang=\"en\"><head><meta charset=\"utf-8\">\r\n"
        "<title>Offers</title><style>.gap { width: 24px }</style></head>\r\n"
        "<body><table role=\"presentation\" width=\"600\">\r\n";
    static const char after[] = "\r\n</table></body></html>\r\n";
    const size_t room = size - (sizeof before - 1) - (sizeof after - 1);
    size_t at = put (body, 0, before);

    for (long i = 0; i < load->links; i++)
        at = put_link (body, at, sizeof before - 1 + room * (size_t)(i + 1) / (size_t)load->links,
                       i);
    for (size_t i = 1; at < size - (sizeof after - 1); i++)
        body[at++] = i % 64 == 0 ? '\n' : i % 64 == 63 ? '\r' : ' ';
    put (body, at, after);
}

static void
put_text (char *body, size_t size)
{
    for (size_t i = 0; i < size; i++)
        body[i] = (char)(i % 76 == 74 ? '\r' : i % 76 == 75 ? '\n' : 'a' + (int)(i % 23));
    if (size >= 2)
        memcpy (body + size - 2, "\r\n", 2);
    if (size >= 3 && body[size - 3] == '\r')
        body[size - 3] = 'x';
}

char *
load_message_body (const Load *load, size_t *bytes)
{
    const size_t size = (size_t)load->size;
    char *body = malloc (size + 16);

    if (body == NULL)
        load_fail ("malloc");
    if (load->html)
        put_html (load, body, size);
    else
        put_text (body, size);
    memcpy (body + size, ".\r\n", 3);
    *bytes = size + 3;
    return body;
}

/* --- Envelope and header ---------------------------------------------------------------------- */

static void
put_recipient (const Load *load, long number, long recipient, char *to, size_t size)
{
    if (load->domains > 1)
        snprintf (to, size, "r%ld@d%ld.%s", recipient, (number + recipient) % load->domains,
                  load->domain);
    else
        snprintf (to, size, "r%ld@%s", recipient, load->domain);
}

size_t
load_message_envelope (const Load *load, long number, bool rset, char *head, size_t room)
{
    char recipient[320];
    size_t used =
        (size_t)snprintf (head, room, "%sMAIL FROM:<%s>\r\n", rset ? "RSET\r\n" : "", load->sender);

    for (long i = 0; i < load->recipients; i++) {
        put_recipient (load, number, i, recipient, sizeof recipient);
        used += (size_t)snprintf (head + used, room - used, "RCPT TO:<%s>\r\n", recipient);
    }
    return used + (size_t)snprintf (head + used, room - used, "DATA\r\n");
}

size_t
load_message_header (const Load *load, long number, char *head, size_t room)
{
    static const char html[] = "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n";
    char date[64], recipient[320];
    time_t now = time (NULL);
    struct tm tm;

    gmtime_r (&now, &tm);
    strftime (date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", &tm);
    put_recipient (load, number, 0, recipient, sizeof recipient);
    return (size_t)snprintf (
        head, room,
        "From: <%s>\r\nTo: <%s>\r\nDate: %s\r\nMessage-ID: <%s.%ld@load.test>\r\n%s"
        "%sSubject: message %ld\r\nX-Load: %s-%ld\r\n\r\n",
        load->sender, recipient, date, load->run, number,
        number < load->bulk ? "Precedence: bulk\r\n" : "", load->html ? html : "", number,
        load->run, number);
}
