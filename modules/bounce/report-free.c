/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reports in free text. No program's text is known by heart; what is looked for is how all of them tell of a recipient:
 *
 *     <address>: why                           the address leads a line, its block goes on to the next one
 *     Recipient: <address>                     a label stands before it
 *     550 <address>... why                     a transcript
 *     Your message to <address> could not ...  a sentence
 *
 * The strongest of these that is there says who the recipients are. Then each one's blocks are looked through for a
 * reply, which stands at the beginning of a line or is announced; where there is none, the first paragraph is what is
 * said. Pure, linear; any thread.
 */
#include <string.h>

#include "report-reading.h"
#include "report-words.h"

enum { BLOCK_BYTES = 8192 };

typedef enum { LEADS, LABELLED, TRANSCRIPT, SENTENCE } Strength;

/* An address in the text. */
typedef struct {
    char *address;
    Strength strength;
    gsize line; /* where its line begins */
    gsize from; /* what is said begins here */
} Mention;

typedef struct {
    BounceReading *reading;
    const char *text;
    GArray *mentions;
    GHashTable *wanted; /* lower case address -> GString of its blocks; NULL value: none yet */
    char *own, *to;     /* whom the report comes from and goes to */
    gsize first;        /* line of the first mention of a recipient */
    gsize peer;         /* while lines are read: the peer's last refusal in a transcript; 0: none */
} Reader;

static void
mention_clear (gpointer data)
{
    g_free (((Mention *)data)->address);
}

static void
block_free (gpointer data)
{
    if (data != NULL)
        g_string_free (data, TRUE);
}

/* --- Mentions --------------------------------------------------------------------------------- */

/* Bullets, quotes, brackets. */
static gsize
skip_marks (const char *line, gsize at, gsize end)
{
    while (at < end && (strchr (" \t<>*-+.'\"([:|#", line[at]) != NULL || (guchar)line[at] >= 0x80))
        at++;
    /* "1. ", "12) " */
    for (gsize digits = at; digits < end && digits < at + 3; digits++)
        if (digits > at && (line[digits] == '.' || line[digits] == ')')) {
            at = digits + 1;
            break;
        } else if (!g_ascii_isdigit (line[digits])) {
            break;
        }
    for (;;) {
        static const char *const schemes[] = {"smtp:", "mailto:", "rfc822;", "rfc822:", "to="};
        bool found = false;

        for (guint i = 0; i < G_N_ELEMENTS (schemes); i++)
            if (end - at >= strlen (schemes[i]) &&
                g_ascii_strncasecmp (line + at, schemes[i], strlen (schemes[i])) == 0) {
                at += strlen (schemes[i]);
                found = true;
            }
        while (at < end && strchr (" <'\"", line[at]) != NULL)
            at++;
        if (!found)
            return at;
    }
}

/* Whether UTF-8 letters stand before it: a sentence then, and no bullet. */
static bool
has_letters (const char *line, gsize end)
{
    g_autofree char *before = g_strndup (line, end);

    for (const char *p = before; *p != '\0'; p = g_utf8_next_char (p))
        if ((guchar)*p >= 0x80 && g_unichar_isalpha (g_utf8_get_char (p)))
            return true;
    return false;
}

/* "554 <address>... Host unknown", of old transcripts: a code and nothing else before, dots behind. */
static bool
is_transcript (const char *line, gsize size, const BounceAddress *address)
{
    gsize at = 0, behind = address->to;

    while (at < size && strchr (" \t<>", line[at]) != NULL)
        at++;
    if (address->from < at + 4 || !g_ascii_isdigit (line[at]) || !g_ascii_isdigit (line[at + 1]) ||
        !g_ascii_isdigit (line[at + 2]) || line[at] < '4' || line[at] > '5')
        return false;
    at += 3;
    while (at < address->from && strchr (" -.<0123456789", line[at]) != NULL)
        at++;
    if (behind < size && line[behind] == '>')
        behind++;
    return at == address->from && size - behind >= 3 && memcmp (line + behind, "...", 3) == 0;
}

/* "MAIL FROM:<address>", "From: address" and the like: a sender. */
static bool
is_sender (const char *before)
{
    static const char *const words[] = {
        "from:",   "from: ",   "from:<",    "from: <",    "from",       "from <",
        "sender",  "sender:",  "sender: ",  "sender <",   "reply-to: ", "return-path: <",
        "contact", "contact ", "kontakt ",  "contactez ", "by ",        "postmaster at ",
        "von: ",   "de : ",    "absender: "};

    for (guint i = 0; i < G_N_ELEMENTS (words); i++)
        if (g_str_has_suffix (before, words[i]))
            return true;
    return false;
}

/* The line of a report that repeats the original's To or Subject. */
static bool
is_of_original (const char *before)
{
    const char *p = before + strspn (before, " \t>*");
    static const char *const names[] = {"to",       "to ",        "cc",         "subject",
                                        "from",     "von",        "an",         "de",
                                        "à",        "para",       "betreff",    "sender",
                                        "reply-to", "message-id", "message id", "recipient list"};

    for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
        const gsize size = strlen (names[i]);

        if (strncmp (p, names[i], size) == 0 &&
            (p[size] == ':' || (p[size] == ' ' && p[size + 1] == ':')))
            return true;
    }
    return false;
}

/* Where to turn to. */
static bool
is_contact (const char *before)
{
    static const char *const words[] = {"contact",      "assistance",   "question",    "reply to",
                                        "send mail to", "forward this", "report this", "wenden",
                                        "kontakt",      "adressez",     "escriba a",   "contatt",
                                        "обратит",      "свяж",         "連絡",        "問い合わせ",
                                        "联系",         "聯絡",         "문의",        NULL};

    return bounce_text_has (before, words);
}

/* One to whom nobody writes newsletters but whom reports name. */
static bool
is_helper (const char *address)
{
    static const char *const names[] = {"support@", "helpdesk@", "abuse@"};

    for (guint i = 0; i < G_N_ELEMENTS (names); i++)
        if (g_ascii_strncasecmp (address, names[i], strlen (names[i])) == 0)
            return true;
    return false;
}

static bool
find_strength (const char *line, gsize size, const BounceAddress *address, bool first,
               Strength *strength)
{
    const gsize head = MIN (address->from, 200);
    g_autofree char *valid = g_utf8_make_valid (line + address->from - head, (gssize)head);
    g_autofree char *before = bounce_text_fold (valid);

    if (address->from > 0 && line[address->from - 1] == '@')
        return false;
    if (first && skip_marks (line, 0, address->from) >= address->from &&
        !has_letters (line, address->from))
        *strength = LEADS;
    else if (is_of_original (before) || is_sender (before) || is_contact (before))
        return false;
    else if (bounce_phrases_is_label (before))
        *strength = LABELLED;
    else if (first && is_transcript (line, size, address))
        *strength = TRANSCRIPT;
    else
        *strength = SENTENCE;
    return true;
}

static void
read_line (Reader *reader, gsize at, gsize size)
{
    const char *line = reader->text + at;
    BounceAddress address = {0};
    bool first = true;

    while (reader->mentions->len < 4 * BOUNCE_REPORT_RECIPIENTS &&
           bounce_address_find (line, size, address.to, &address)) {
        Mention mention = {.line = at, .from = at};

        if (find_strength (line, size, &address, first, &mention.strength)) {
            mention.address = bounce_address_dup (line, &address);
            if (mention.strength == LEADS)
                mention.from = at + address.to;
            if (mention.strength == TRANSCRIPT && reader->peer > 0)
                mention.from = reader->peer;
            if (mention.strength == SENTENCE && is_helper (mention.address))
                mention_clear (&mention);
            else
                g_array_append_val (reader->mentions, mention);
            if (mention.strength == LEADS || mention.strength == TRANSCRIPT)
                reader->peer = 0;
        }
        first = false;
    }
}

/* In a transcript the peer's refusal stands before the line that says whom it cost. */
static void
read_peer (Reader *reader, gsize at)
{
    const char *line = reader->text + at;

    if (g_ascii_strncasecmp (line, "while talking", 13) == 0 ||
        g_ascii_strncasecmp (line, "... while talking", 17) == 0)
        reader->peer = 0;
    else if (g_str_has_prefix (line, "<<< 4") || g_str_has_prefix (line, "<<< 5"))
        reader->peer = at;
}

static void
read_mentions (Reader *reader)
{
    for (const char *p = reader->text; *p != '\0';) {
        const gsize size = strcspn (p, "\n");

        read_peer (reader, (gsize)(p - reader->text));
        read_line (reader, (gsize)(p - reader->text), size);
        p += size + (p[size] == '\n');
    }
    reader->reading->mail->steps += strlen (reader->text);
}

/* --- Who the recipients are ------------------------------------------------------------------- */

static bool
is_own (const Reader *reader, const char *address)
{
    return (reader->own != NULL && g_ascii_strcasecmp (address, reader->own) == 0) ||
           (reader->to != NULL && g_ascii_strcasecmp (address, reader->to) == 0);
}

static void
want (Reader *reader, const char *address)
{
    char *key = g_ascii_strdown (address, -1);

    if (g_hash_table_contains (reader->wanted, key) ||
        g_hash_table_size (reader->wanted) >= BOUNCE_REPORT_RECIPIENTS)
        g_free (key);
    else
        g_hash_table_insert (reader->wanted, key, NULL);
}

/* Those of a strength; with the report's own addresses and those of daemons only if `all`. Whether there are any. */
static bool
want_strength (Reader *reader, Strength strength, bool all)
{
    bool any = false;

    for (guint i = 0; i < reader->mentions->len; i++) {
        const Mention *mention = &g_array_index (reader->mentions, Mention, i);

        if (mention->strength != strength ||
            (!all &&
             (is_own (reader, mention->address) || bounce_address_is_daemon (mention->address))))
            continue;
        if (bounce_report_find (reader->reading, mention->address) == NULL)
            bounce_report_add (reader->reading, g_strdup (mention->address));
        want (reader, mention->address);
        any = true;
        if (strength == SENTENCE)
            break;
    }
    return any;
}

static void
choose_recipients (Reader *reader)
{
    for (guint all = 0; all < 2; all++) {
        bool any = want_strength (reader, LEADS, all != 0);

        if (!any) {
            any = want_strength (reader, LABELLED, all != 0);
            any |= want_strength (reader, TRANSCRIPT, all != 0);
        }
        if (any || want_strength (reader, SENTENCE, all != 0))
            return;
    }
}

/* The field that Exim, Gmail and others add. */
static bool
read_failed_field (Reader *reader)
{
    g_autofree char *value = bounce_mail_dup_field (reader->reading->mail, "X-Failed-Recipients");
    BounceAddress address = {0};

    while (value != NULL && bounce_address_find (value, strlen (value), address.to, &address)) {
        char *recipient = bounce_address_dup (value, &address);

        want (reader, recipient);
        if (bounce_report_add (reader->reading, recipient) == NULL)
            break;
    }
    return reader->reading->report->recipients->len > 0;
}

/* --- What is said of them --------------------------------------------------------------------- */

/* Each one's blocks: from a mention of it to the next mention of any of them. */
static void
collect_blocks (Reader *reader)
{
    const gsize size = strlen (reader->text);
    const Mention *under_way = NULL;
    g_autofree char *key = NULL;

    reader->first = size;
    for (guint i = 0; i <= reader->mentions->len; i++) {
        const bool last = i == reader->mentions->len;
        const Mention *mention = last ? NULL : &g_array_index (reader->mentions, Mention, i);
        g_autofree char *next = last ? NULL : g_ascii_strdown (mention->address, -1);

        if (!last && (!g_hash_table_contains (reader->wanted, next) ||
                      (under_way != NULL && mention->line == under_way->line) ||
                      (under_way != NULL && strcmp (key, next) == 0)))
            continue;
        if (under_way != NULL) {
            GString *block = g_hash_table_lookup (reader->wanted, key);
            const gsize end = last ? size : mention->line;

            if (block == NULL) {
                block = g_string_new (NULL);
                g_hash_table_insert (reader->wanted, g_strdup (key), block);
            }
            if (block->len < BLOCK_BYTES && end > under_way->from)
                g_string_append_len (block, reader->text + under_way->from,
                                     (gssize)MIN (end - under_way->from, (gsize)BLOCK_BYTES));
            g_string_append_c (block, '\n');
        }
        if (!last && reader->first == size)
            reader->first = mention->line;
        under_way = mention;
        g_free (key);
        key = g_steal_pointer (&next);
    }
}

static bool
has_words (const char *text, gsize size)
{
    guint letters = 0;

    for (gsize i = 0; i < size; i++)
        letters += g_ascii_isalpha (text[i]) || (guchar)text[i] >= 0x80;
    return letters >= 8;
}

static bool
is_empty_line (const char *p)
{
    return p[strspn (p, " \t>*=-_#")] == '\n' || p[strspn (p, " \t>*=-_#")] == '\0';
}

static bool
begins_reply (const char *line)
{
    return line[0] >= '2' && line[0] <= '5' && g_ascii_isdigit (line[1]) &&
           g_ascii_isdigit (line[2]) && (line[3] == ' ' || line[3] == '-');
}

/* Where a reply that begins at `p` ends: with its paragraph; or before a line that begins another reply, unless it goes on
 * with the same code. */
static const char *
reply_end (const char *p)
{
    const char *end = p + strcspn (p, "\n");
    const char code[4] = {p[0], p[1], p[2], '\0'};

    while (*end == '\n' && !is_empty_line (end + 1) && (gsize)(end - p) < BOUNCE_DIAGNOSTIC_BYTES) {
        const char *line = end + 1 + strspn (end + 1, " \t");

        if (g_str_has_prefix (line, "<<<") || g_str_has_prefix (line, ">>>") ||
            g_str_has_prefix (line, "...") || g_str_has_prefix (line, "While talking") ||
            g_str_has_prefix (line, "Warning:"))
            break;
        if (begins_reply (line) && strncmp (line, code, 3) != 0)
            break;
        if (strncmp (line, code, 3) == 0 && line[3] == ' ' && p[3] == ' ')
            break;
        end += 1 + strcspn (end + 1, "\n");
    }
    return end;
}

/* "550 550 5.1.1 ..." and "(state 14)" of those who pass on what they were told. */
static const char *
skip_doubled (const char *p)
{
    if (strncmp (p, p + 4, 3) == 0 && p[3] == ' ' && (p[7] == ' ' || p[7] == '-'))
        return p + 4;
    return p;
}

/* The best reply of a text: one with an enhanced code, else the first. */
static const char *
find_reply (const char *text)
{
    const char *first = NULL, *p = text;
    guint code;

    for (guint n = 0; n < 16 && (p = bounce_reply_find (p, &code)) != NULL; n++, p += 3) {
        const char *rest = p + 3 + strspn (p + 3, " -:#(");

        if (bounce_status_size (rest) > 0 && *rest == *p)
            return p;
        if (first == NULL)
            first = p;
    }
    return first;
}

static bool
set_reply (BounceReportRecipient *recipient, const char *text)
{
    const char *p = find_reply (text);

    if (p == NULL)
        return false;
    p = skip_doubled (p);
    bounce_report_set_diagnostic (recipient, p, (gsize)(reply_end (p) - p), true);
    return true;
}

/* Whether a paragraph with words ends with a colon, or is one line that names an address. */
static bool
announces (const char *p, const char *end)
{
    gsize size;

    while (end > p && strchr (" \t\n", end[-1]) != NULL)
        end--;
    size = (gsize)(end - p);
    if (size == 0 || !has_words (p, size))
        return false;
    return end[-1] == ':' || (memchr (p, '@', size) != NULL && memchr (p, '\n', size) == NULL);
}

/* The first paragraph with words. */
static bool
set_paragraph (BounceReportRecipient *recipient, const char *text)
{
    for (const char *p = text; *p != '\0';) {
        const char *end = p;

        while (*end != '\0' && !is_empty_line (end))
            end += strcspn (end, "\n") + (end[strcspn (end, "\n")] == '\n');
        /* "For the following reason:" goes on. */
        if (announces (p, end) && *end != '\0') {
            end += strspn (end, " \t\n");
            while (*end != '\0' && !is_empty_line (end))
                end += strcspn (end, "\n") + (end[strcspn (end, "\n")] == '\n');
        }
        if (has_words (p, (gsize)(end - p))) {
            p += strspn (p, " \t\n:;,.>)-]\"'*");
            bounce_report_set_diagnostic (recipient, p, (gsize)(end - p), false);
            return true;
        }
        p = end + strcspn (end, "\n");
        p += *p == '\n';
    }
    return false;
}

/* Where the paragraph before the end of a text begins. */
static const char *
last_paragraph (const char *text)
{
    const char *from = text;

    for (const char *p = text; *p != '\0'; p += strcspn (p, "\n"), p += *p == '\n')
        if (is_empty_line (p) && has_words (p, strlen (p)))
            from = p;
    return from;
}

/* Where nobody is mentioned: the paragraph that tells of a failure. */
static const char *
failing_paragraph (const char *text)
{
    for (const char *p = text; *p != '\0';) {
        const char *end = p;
        g_autofree char *paragraph = NULL, *folded = NULL;

        while (*end != '\0' && (end == p || !is_empty_line (end)))
            end += strcspn (end, "\n") + (end[strcspn (end, "\n")] == '\n');
        paragraph = g_strndup (p, (gsize)(end - p));
        folded = bounce_text_fold (paragraph);
        if (bounce_phrases_text_fails (folded) || bounce_phrases_text_delays (folded))
            return p;
        p = end;
    }
    return NULL;
}

/* In a language that nobody here knows, all of it. */
static void
set_from_before (BounceReportRecipient *recipient, const char *before, bool mentioned)
{
    const char *from = mentioned ? last_paragraph (before) : failing_paragraph (before);

    if (from == NULL)
        bounce_report_set_diagnostic (recipient, before, strlen (before), false);
    else
        set_paragraph (recipient, from);
}

/* Whether what a part for machines says of a recipient says nothing: a number, as programs give their exit status. */
static bool
is_wordless (const BounceReportRecipient *recipient)
{
    for (const char *p = recipient->diagnostic; p != NULL && *p != '\0'; p++)
        if (g_ascii_isalpha (*p) || (guchar)*p >= 0x80)
            return false;
    return true;
}

static const char *
find_phase (const Reader *reader, const char *block)
{
    g_autofree char *folded = bounce_text_fold (block);

    reader->reading->mail->steps += strlen (folded);
    return bounce_phase_find (folded);
}

static void
set_diagnostics (Reader *reader)
{
    GPtrArray *recipients = reader->reading->report->recipients;
    g_autofree char *before = g_strndup (reader->text, MIN (reader->first, (gsize)BLOCK_BYTES));
    const bool mentioned = reader->text[reader->first] != '\0';
    const char *shared = NULL, *looked_at = NULL, *phase = NULL;

    /* Of several in a row, the last has what is said of all of them. */
    for (guint i = recipients->len; i > 0; i--) {
        BounceReportRecipient *recipient = g_ptr_array_index (recipients, i - 1);
        g_autofree char *key = g_ascii_strdown (recipient->recipient, -1);
        const GString *block = g_hash_table_lookup (reader->wanted, key);
        const char *text = block != NULL ? block->str : "";

        if (block != NULL && has_words (block->str, block->len))
            shared = block->str;
        else if (shared != NULL)
            text = shared;
        /* One text of many is looked at once. */
        if (text != looked_at)
            phase = find_phase (reader, text);
        looked_at = text;
        recipient->phase = phase;
        if (is_wordless (recipient) && !set_reply (recipient, text) &&
            !set_reply (recipient, before) && !set_paragraph (recipient, text))
            set_from_before (recipient, before, mentioned);
    }
}

/* --- What happened ---------------------------------------------------------------------------- */

static BounceReportAction
find_action (const BounceReading *reading)
{
    static const char *const final[] = {"permanent", "giving up",        "given up",
                                        "gave up",   "not going to try", NULL};

    if (bounce_phrases_subject_delays (reading->subject))
        return BOUNCE_REPORT_DELAYED;
    if (bounce_phrases_subject_succeeds (reading->subject) ||
        (bounce_phrases_text_succeeds (reading->folded) &&
         !bounce_phrases_text_fails (reading->folded)))
        return BOUNCE_REPORT_DELIVERED;
    if (bounce_phrases_text_delays (reading->folded) && !bounce_text_has (reading->folded, final))
        return BOUNCE_REPORT_DELAYED;
    return BOUNCE_REPORT_FAILED;
}

void
bounce_free_set_actions (BounceReading *reading)
{
    const BounceReportAction action = find_action (reading);

    for (guint i = 0; i < reading->report->recipients->len; i++) {
        BounceReportRecipient *recipient = g_ptr_array_index (reading->report->recipients, i);

        if (recipient->action == BOUNCE_REPORT_UNKNOWN)
            recipient->action = action;
        /* Time passes and nothing else is said (RFC 3463 section 3.5). */
        if (recipient->action == BOUNCE_REPORT_DELAYED && recipient->status == NULL &&
            recipient->code == 0)
            recipient->status = g_strdup ("4.4.7");
    }
}

static void
reader_init (Reader *reader, BounceReading *reading)
{
    g_autofree char *to = bounce_mail_dup_field (reading->mail, "To");

    *reader =
        (Reader){.reading = reading,
                 .text = reading->text,
                 .mentions = g_array_new (FALSE, TRUE, sizeof (Mention)),
                 .wanted = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, block_free),
                 .own = g_strdup (reading->report->from),
                 .to = to != NULL ? bounce_address_dup_first (to) : NULL};
    g_array_set_clear_func (reader->mentions, mention_clear);
    read_mentions (reader);
}

static void
reader_clear (Reader *reader)
{
    g_array_unref (reader->mentions);
    g_hash_table_unref (reader->wanted);
    g_free (reader->own);
    g_free (reader->to);
}

void
bounce_free_read (BounceReading *reading)
{
    Reader reader;

    reader_init (&reader, reading);
    if (!read_failed_field (&reader))
        choose_recipients (&reader);
    collect_blocks (&reader);
    set_diagnostics (&reader);
    reader_clear (&reader);
}

/* Nobody is named: the one to whom the original went. */
void
bounce_free_read_unnamed (BounceReading *reading)
{
    char *address = bounce_original_dup_recipient (reading);
    Reader reader;

    if (address == NULL || bounce_report_add (reading, address) == NULL)
        return;
    reader_init (&reader, reading);
    collect_blocks (&reader);
    set_diagnostics (&reader);
    reader_clear (&reader);
}

void
bounce_free_complete (BounceReading *reading)
{
    GPtrArray *recipients = reading->report->recipients;
    Reader reader;

    reader_init (&reader, reading);
    for (guint i = 0; i < recipients->len; i++) {
        const BounceReportRecipient *recipient = g_ptr_array_index (recipients, i);

        want (&reader, recipient->recipient);
    }
    collect_blocks (&reader);
    set_diagnostics (&reader);
    reader_clear (&reader);
}
