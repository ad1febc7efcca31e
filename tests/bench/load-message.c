/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What relais-load sends: envelope, header with the number that the sink knows a message by, and a
 * body that is the same for all. Pure functions over the options.
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

char *
load_message_body (const Load *load, size_t *bytes)
{
    const size_t size = (size_t)load->size;
    char *body = malloc (size + 16);

    if (body == NULL)
        load_fail ("malloc");
    for (size_t i = 0; i < size; i++)
        body[i] = (char)(i % 76 == 74 ? '\r' : i % 76 == 75 ? '\n' : 'a' + (int)(i % 23));
    if (size >= 2)
        memcpy (body + size - 2, "\r\n", 2);
    if (size >= 3 && body[size - 3] == '\r')
        body[size - 3] = 'x';
    memcpy (body + size, ".\r\n", 3);
    *bytes = size + 3;
    return body;
}

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
    char date[64], recipient[320];
    time_t now = time (NULL);
    struct tm tm;

    gmtime_r (&now, &tm);
    strftime (date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", &tm);
    put_recipient (load, number, 0, recipient, sizeof recipient);
    return (size_t)snprintf (
        head, room,
        "From: <%s>\r\nTo: <%s>\r\nDate: %s\r\nMessage-ID: <%s.%ld@load.test>\r\n%s"
        "Subject: message %ld\r\nX-Load: %s-%ld\r\n\r\n",
        load->sender, recipient, date, load->run, number,
        number < load->bulk ? "Precedence: bulk\r\n" : "", number, load->run, number);
}
