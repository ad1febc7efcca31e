/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The request head's parser. One pass over the octets that looks for controls and lines, and a step for
 * each whole line; its whole state is in the RelaisHttpHead, so that any split of the bytes gives the
 * same. Pure; any thread.
 *
 * Where the standards let a server be generous it is not: no bare LF, no blank lines before a request,
 * no folded fields, no chunked bodies, no list or sign in Content-Length, no body on GET, one Host.
 */
#include "config.h"

#include "http/head-private.h"

#include <arpa/inet.h>
#include <string.h>

enum { HOST_BYTES = 255, LENGTH_DIGITS = 18 };

static const char *const method_names[] = {"GET", "HEAD", "POST"};

static const struct {
    const char *name;
    bool may_repeat;
} known_fields[RELAIS_HTTP_N_KNOWN] = {
    [RELAIS_HTTP_HOST] = {"host", false},
    [RELAIS_HTTP_CONTENT_LENGTH] = {"content-length", false},
    [RELAIS_HTTP_TRANSFER_ENCODING] = {"transfer-encoding", false},
    [RELAIS_HTTP_EXPECT] = {"expect", false},
    [RELAIS_HTTP_CONTENT_TYPE] = {"content-type", false},
    [RELAIS_HTTP_AUTHORIZATION] = {"authorization", false},
    [RELAIS_HTTP_CONNECTION] = {"connection", true},
};

const char *
relais_http_method_to_string (RelaisHttpMethod method)
{
    return method_names[method];
}

void
relais_http_head_init (RelaisHttpHead *head, guint32 limit)
{
    memset (head, 0, sizeof *head);
    head->limit = limit;
}

static bool
bad (RelaisHttpHead *head, guint32 status, const char *text)
{
    head->status = status;
    head->text = text;
    return false;
}

/* --- Characters ------------------------------------------------------------------------------- */

static bool
is_token_char (guint8 c)
{
    return g_ascii_isalnum (c) || (c != '\0' && strchr ("!#$%&'*+-.^_`|~", c) != NULL);
}

bool
relais_http_is_token (const char *text, gsize size)
{
    for (gsize i = 0; i < size; i++)
        if (!is_token_char ((guint8)text[i]))
            return false;
    return size > 0;
}

static bool
is_text_char (guint8 c)
{
    return (c >= 0x20 && c != 0x7f) || c == '\t';
}

bool
relais_http_is_value (const char *text, gsize size)
{
    for (gsize i = 0; i < size; i++)
        if (!is_text_char ((guint8)text[i]))
            return false;
    return true;
}

static bool
span_is (const guint8 *bytes, RelaisHttpSpan span, const char *word)
{
    return span.size == strlen (word) &&
           g_ascii_strncasecmp ((const char *)bytes + span.at, word, span.size) == 0;
}

static bool
is_digits (const guint8 *bytes, gsize size)
{
    for (gsize i = 0; i < size; i++)
        if (!g_ascii_isdigit (bytes[i]))
            return false;
    return size > 0;
}

/* --- The request line ------------------------------------------------------------------------- */

static bool
take_method (RelaisHttpHead *head, const guint8 *bytes, gsize size)
{
    if (!relais_http_is_token ((const char *)bytes, size))
        return bad (head, 400, "malformed method");
    for (guint i = 0; i < G_N_ELEMENTS (method_names); i++)
        if (size == strlen (method_names[i]) && memcmp (bytes, method_names[i], size) == 0) {
            head->method = (RelaisHttpMethod)i;
            return true;
        }
    return bad (head, 501, "method not known here");
}

/* Origin form alone: a path of visible ASCII, and a query. */
static bool
take_target (RelaisHttpHead *head, const guint8 *bytes, guint32 at, guint32 end)
{
    const guint8 *mark;

    if (at == end || bytes[at] != '/')
        return bad (head, 400, "malformed target");
    for (guint32 i = at; i < end; i++)
        if (!g_ascii_isgraph (bytes[i]) || bytes[i] == '#')
            return bad (head, 400, "malformed target");
    mark = memchr (bytes + at, '?', end - at);
    head->path = (RelaisHttpSpan){at, (mark != NULL ? (guint32)(mark - bytes) : end) - at};
    head->has_query = mark != NULL;
    if (mark != NULL)
        head->query = (RelaisHttpSpan){head->path.at + head->path.size + 1,
                                       end - head->path.at - head->path.size - 1};
    return true;
}

static bool
take_version (RelaisHttpHead *head, const guint8 *bytes, gsize size)
{
    if (size != 8 || memcmp (bytes, "HTTP/", 5) != 0 || !g_ascii_isdigit (bytes[5]) ||
        bytes[6] != '.' || !g_ascii_isdigit (bytes[7]))
        return bad (head, 400, "malformed version");
    if (bytes[5] != '1' || bytes[7] > '1')
        return bad (head, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    head->minor = (guint)(bytes[7] - '0');
    return true;
}

static bool
take_request_line (RelaisHttpHead *head, const guint8 *bytes, guint32 at, guint32 end)
{
    const guint8 *first = memchr (bytes + at, ' ', end - at);
    const guint8 *second;

    if (first == NULL)
        return bad (head, 400, "malformed request line");
    second = memchr (first + 1, ' ', (gsize)(bytes + end - first - 1));
    if (second == NULL)
        return bad (head, 400, "malformed request line");
    head->in_fields = true;
    return take_method (head, bytes + at, (gsize)(first - bytes) - at) &&
           take_version (head, second + 1, (gsize)(bytes + end - second - 1)) &&
           take_target (head, bytes, (guint32)(first + 1 - bytes), (guint32)(second - bytes));
}

/* --- Fields ----------------------------------------------------------------------------------- */

static bool
host_is_address (const guint8 *bytes, gsize size)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (size < 2 || size - 2 >= sizeof text || bytes[size - 1] != ']')
        return false;
    memcpy (text, bytes + 1, size - 2);
    text[size - 2] = '\0';
    return inet_pton (AF_INET6, text, &address) == 1;
}

static bool
host_is_name (const guint8 *bytes, gsize size)
{
    for (gsize i = 0; i < size; i++)
        if (!g_ascii_isalnum (bytes[i]) && bytes[i] != '.' && bytes[i] != '-' && bytes[i] != '_')
            return false;
    return size > 0 && bytes[0] != '.';
}

static bool
port_is_good (const guint8 *bytes, gsize size)
{
    guint value = 0;

    if (!is_digits (bytes, size) || size > 5)
        return false;
    for (gsize i = 0; i < size; i++)
        value = value * 10 + (guint)(bytes[i] - '0');
    return value <= G_MAXUINT16;
}

/* A name or a literal, and a port; of a literal the colon is sought behind the bracket. */
static bool
take_host (RelaisHttpHead *head, const guint8 *bytes, RelaisHttpSpan value)
{
    const guint8 *text = bytes + value.at;
    const guint8 *close = value.size > 0 && text[0] == '[' ? memchr (text, ']', value.size) : NULL;
    const guint8 *from = close != NULL ? close : text;
    const guint8 *colon = memchr (from, ':', value.size - (gsize)(from - text));
    const gsize size = colon != NULL ? (gsize)(colon - text) : value.size;

    head->host_value = value;
    head->host = (RelaisHttpSpan){value.at, (guint32)size};
    if (size > HOST_BYTES || (colon != NULL && !port_is_good (colon + 1, value.size - size - 1)) ||
        !(close != NULL ? host_is_address (text, size) : host_is_name (text, size)))
        return bad (head, 400, "malformed Host");
    return true;
}

static bool
take_content_length (RelaisHttpHead *head, const guint8 *bytes, RelaisHttpSpan value)
{
    const guint8 *text = bytes + value.at;

    if (!is_digits (text, value.size) || (text[0] == '0' && value.size > 1) ||
        value.size > LENGTH_DIGITS)
        return bad (head, 400, "malformed Content-Length");
    for (guint32 i = 0; i < value.size; i++)
        head->content_length = head->content_length * 10 + (guint64)(text[i] - '0');
    return true;
}

static bool
is_blank (guint8 c)
{
    return c == ' ' || c == '\t';
}

static RelaisHttpSpan
trim (const guint8 *bytes, guint32 at, guint32 end)
{
    while (at < end && is_blank (bytes[at]))
        at++;
    while (end > at && is_blank (bytes[end - 1]))
        end--;
    return (RelaisHttpSpan){at, end - at};
}

static void
take_connection (RelaisHttpHead *head, const guint8 *bytes, RelaisHttpSpan value)
{
    const guint32 end = value.at + value.size;
    guint32 at = value.at;

    while (at < end) {
        const guint8 *comma = memchr (bytes + at, ',', end - at);
        const guint32 stop = comma != NULL ? (guint32)(comma - bytes) : end;
        const RelaisHttpSpan word = trim (bytes, at, stop);

        head->close |= span_is (bytes, word, "close");
        head->keep_alive |= span_is (bytes, word, "keep-alive");
        at = stop + 1;
    }
}

static bool
take_expect (RelaisHttpHead *head, const guint8 *bytes, RelaisHttpSpan value)
{
    if (!span_is (bytes, value, "100-continue"))
        return bad (head, 417, "expectation not known here");
    head->expects_continue = true;
    return true;
}

static bool
take_known (RelaisHttpHead *head, const guint8 *bytes, RelaisHttpKnown which, RelaisHttpSpan value)
{
    if (head->known[which] != 0 && !known_fields[which].may_repeat)
        return bad (head, 400, "a field that may stand once stands twice");
    head->known[which] = head->n_fields;
    switch (which) {
    case RELAIS_HTTP_HOST: return take_host (head, bytes, value);
    case RELAIS_HTTP_CONTENT_LENGTH: return take_content_length (head, bytes, value);
    case RELAIS_HTTP_EXPECT: return take_expect (head, bytes, value);
    case RELAIS_HTTP_CONNECTION: take_connection (head, bytes, value); return true;
    case RELAIS_HTTP_TRANSFER_ENCODING:
    case RELAIS_HTTP_CONTENT_TYPE:
    case RELAIS_HTTP_AUTHORIZATION:
    case RELAIS_HTTP_N_KNOWN: break;
    }
    return true;
}

static bool
take_field (RelaisHttpHead *head, const guint8 *bytes, guint32 at, guint32 end)
{
    const guint8 *colon = memchr (bytes + at, ':', end - at);
    RelaisHttpField *field;

    /* The blank of a fold, or before the colon, is no character of a token either. */
    if (colon == NULL ||
        !relais_http_is_token ((const char *)bytes + at, (gsize)(colon - bytes) - at))
        return bad (head, 400, "malformed field");
    if (head->n_fields == RELAIS_HTTP_FIELDS)
        return bad (head, 431, "too many fields");
    field = &head->fields[head->n_fields++];
    field->name = (RelaisHttpSpan){at, (guint32)(colon - bytes) - at};
    field->value = trim (bytes, (guint32)(colon - bytes) + 1, end);
    for (guint i = 0; i < RELAIS_HTTP_N_KNOWN; i++)
        if (span_is (bytes, field->name, known_fields[i].name))
            return take_known (head, bytes, (RelaisHttpKnown)i, field->value);
    return true;
}

/* --- The whole -------------------------------------------------------------------------------- */

static bool
finish (RelaisHttpHead *head, guint32 size)
{
    const bool has_length = head->known[RELAIS_HTTP_CONTENT_LENGTH] != 0;

    if (head->minor == 1 && head->known[RELAIS_HTTP_HOST] == 0)
        return bad (head, 400, "no Host");
    if (head->known[RELAIS_HTTP_TRANSFER_ENCODING] != 0)
        return has_length || head->minor == 0
                   ? bad (head, 400, "Transfer-Encoding where it must not be")
                   : bad (head, 501, "Transfer-Encoding is not taken here");
    if (head->method != RELAIS_HTTP_METHOD_POST && head->content_length > 0)
        return bad (head, 400, "a body where none belongs");
    if (head->method == RELAIS_HTTP_METHOD_POST && !has_length)
        return bad (head, 411, "Content-Length is needed");
    if (head->minor == 0) {
        head->expects_continue = false;
        head->close |= !head->keep_alive;
    }
    head->size = size;
    return true;
}

static bool
take_line (RelaisHttpHead *head, const guint8 *bytes, guint32 at, guint32 end)
{
    if (!head->in_fields)
        return take_request_line (head, bytes, at, end);
    if (at == end)
        return finish (head, end + 2);
    return take_field (head, bytes, at, end);
}

/* One octet, with what came before it in its line. */
static bool
take_octet (RelaisHttpHead *head, const guint8 *bytes)
{
    const guint32 at = head->scanned;
    const guint8 c = bytes[at];
    const bool after_cr = at > head->line && bytes[at - 1] == '\r';

    if (after_cr != (c == '\n'))
        return bad (head, 400, "lines end in CRLF and nothing else");
    if (c == '\n') {
        if (!take_line (head, bytes, head->line, at - 1))
            return false;
        head->line = at + 1;
    } else if (!is_text_char (c) && c != '\r')
        return bad (head, 400, "control characters have no place here");
    head->scanned++;
    return true;
}

RelaisHttpHeadResult
relais_http_head_parse (RelaisHttpHead *head, const guint8 *bytes, gsize size)
{
    const guint32 end = (guint32)MIN (size, head->limit);

    while (head->scanned < end && head->size == 0 && head->status == 0)
        take_octet (head, bytes);
    if (head->size == 0 && head->status == 0 && head->scanned == head->limit)
        (void)(head->in_fields ? bad (head, 431, "head too large")
                               : bad (head, 414, "request line too long"));
    if (head->status != 0)
        return RELAIS_HTTP_HEAD_BAD;
    return head->size > 0 ? RELAIS_HTTP_HEAD_WHOLE : RELAIS_HTTP_HEAD_MORE;
}
