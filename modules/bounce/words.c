/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How a reply came down to us differs: our own client has taken the codes away, a report has them still, and where
 * lines were joined those of each line stand among the words. Pure, any thread.
 */
#include "words.h"

#include <string.h>

static bool
is_blank (char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Blanks squeezed; what is too long is cut off. */
static gsize
squeeze (const char *text, char *to)
{
    gsize n = 0;

    for (; *text != '\0' && n < REPLIES_TEXT_BYTES; text++) {
        if (!is_blank (*text))
            to[n++] = *text;
        else if (n > 0 && to[n - 1] != ' ')
            to[n++] = ' ';
    }
    while (n > 0 && to[n - 1] == ' ')
        n--;
    to[n] = '\0';
    return n;
}

/* "550 ", "550-": octets of it, 0: none. */
static gsize
take_code (const char *text, guint *code)
{
    if (text[0] < '4' || text[0] > '5' || !g_ascii_isdigit (text[1]) ||
        !g_ascii_isdigit (text[2]) || (text[3] != ' ' && text[3] != '-' && text[3] != '\0'))
        return 0;
    *code = (guint)((text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0'));
    return text[3] != '\0' ? 4 : 3;
}

/* "5.1.1 " and, as some write it, "#5.1.1 ", "5.1.1: ", "(5.1.1) ". */
static gsize
take_enhanced (const char *text, RepliesView *view)
{
    const gsize before = text[0] == '#' || text[0] == '(' || text[0] == '[' ? 1 : 0;
    char number[16];
    gsize n = strspn (text + before, "0123456789."), after;
    guint klass, subject, detail;

    if (n < 5 || n >= sizeof number)
        return 0;
    memcpy (number, text + before, n);
    number[n] = '\0';
    if (replies_enhanced_take (number, &klass, &subject, &detail) == 0 || klass < 4 || klass > 5)
        return 0;
    after = strspn (text + before + n, ")]:,-");
    if (text[before + n + after] != ' ' && text[before + n + after] != '\0')
        return 0;
    if (!view->has_enhanced) {
        view->has_enhanced = true;
        view->klass = klass;
        view->subject = subject;
        view->detail = detail;
    }
    return before + n + after + (text[before + n + after] == ' ' ? 1 : 0);
}

/* Codes at the head, those of the reply or written once more. */
static gsize
take_head (const char *text, RepliesView *view)
{
    gsize at = 0;
    guint code;

    for (guint i = 0; i < 2; i++) {
        gsize n = take_code (text + at, &code);

        if (n > 0 && view->code != 0 && view->code != code)
            n = 0;
        if (n > 0)
            view->code = code;
        at += n;
        at += take_enhanced (text + at, view);
    }
    return at;
}

/* The reply's own code again, with or without the enhanced one: the head of a further line. */
static gsize
skip_line_head (const char *text, const RepliesView *view)
{
    RepliesView scratch = {.has_enhanced = true};
    guint code;
    gsize n = take_code (text, &code);

    if (n == 0 || code != view->code)
        return 0;
    return n + take_enhanced (text + n, &scratch);
}

static void
drop_line_heads (BounceWords *words, char *text)
{
    char *to = text, *from = text;

    while (*from != '\0') {
        gsize n = from > text && from[-1] == ' ' ? skip_line_head (from, &words->view) : 0;

        from += n;
        if (n == 0)
            *to++ = *from++;
    }
    *to = '\0';
    words->view.size = (gsize)(to - text);
}

/* "host mx.example said: 550 5.1.1 no (in reply to RCPT TO command)": what was said there is what counts. */
static char *
take_quoted (char *text)
{
    char *last = NULL, *tail;
    guint code;

    for (char *at = text; (at = strstr (at, " said: ")) != NULL; at += 7) {
        gsize n = take_code (at + 7, &code);

        if (n > 0)
            last = at + 7 + n;
    }
    if (last == NULL)
        return text;
    tail = strstr (last, " (in reply to ");
    if (tail != NULL)
        *tail = '\0';
    return last;
}

void
bounce_words_of (const BounceReply *reply, BounceWords *words)
{
    RepliesView *view = &words->view;
    char *text;

    replies_view_of (reply->phase, reply->code, reply->enhanced, NULL, view);
    (void)squeeze (reply->text != NULL ? reply->text : "", words->bytes);
    text = words->bytes + take_head (words->bytes, view);
    text = take_quoted (text);
    text += take_head (text, view);
    view->text = text;
    drop_line_heads (words, text);
}
