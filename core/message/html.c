/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The HTML tokenizer, after WHATWG 13.2.5. It goes once over the text and keeps the spans it was
 * asked for; nothing is copied and no tree is built, so that no nesting costs anything. Pure; any
 * thread.
 *
 *     data  --<name, </name-->  tag: attributes up to '>'
 *           --<!---->           comment, up to "-->" or "--!>"; looked into if it is conditional
 *           --<!x, <?x, </1-->  bogus comment, up to '>' (a doctype ends there as well)
 *     tag   --style, title ..-> raw text, up to its own end tag
 *           --script--------->  the same, with the states that a script's "<!--" makes
 *           --plaintext------>  the rest
 *
 * A tree builder would tell the tokenizer where it is: inside svg and math there is no raw text. The
 * scanner only counts how deep it stands in them, and is doubtful where this would matter.
 */
#include "config.h"

#include "message/html-private.h"

#include <string.h>

enum { SPACE = 1, SLASH = 2, GREATER = 4, EQUALS = 8 };

static const guint8 classes[256] = {
    ['\t'] = SPACE, ['\n'] = SPACE, ['\f'] = SPACE,  ['\r'] = SPACE,
    [' '] = SPACE,  ['/'] = SLASH,  ['>'] = GREATER, ['='] = EQUALS,
};

typedef struct {
    const guint8 *text;
    gsize at, end;
    bool in_comment;
    guint foreign; /* svg and math elements that are open */
    RelaisHtmlSpans *spans;
} Scanner;

typedef struct {
    gsize offset; /* of its '<' */
    const guint8 *name;
    gsize name_size;
    bool is_end, self_closing;
    bool has_href;  /* later ones do not count, whatever the first says */
    bool has_value; /* of href; `link` has its span */
    RelaisHtmlLink link;
} Tag;

static void scan_range (Scanner *scanner);

/* --- Octets ------------------------------------------------------------------------------------- */

/* Goes to the next such octet, or to the end. */
static bool
find_octet (Scanner *scanner, guint8 octet)
{
    const gsize left = scanner->end - scanner->at;
    const guint8 *found = left > 0 ? memchr (scanner->text + scanner->at, octet, left) : NULL;
    const gsize passed = found != NULL ? (gsize)(found - scanner->text) - scanner->at : left;

    scanner->at += passed;
    scanner->spans->steps += passed + (found != NULL);
    return found != NULL;
}

static void
skip_until (Scanner *scanner, guint8 stops)
{
    gsize at = scanner->at;

    while (at < scanner->end && (classes[scanner->text[at]] & stops) == 0)
        at++;
    scanner->spans->steps += at - scanner->at;
    scanner->at = at;
}

static void
skip_all (Scanner *scanner, guint8 these)
{
    gsize at = scanner->at;

    while (at < scanner->end && (classes[scanner->text[at]] & these) != 0)
        at++;
    scanner->spans->steps += at - scanner->at;
    scanner->at = at;
}

static bool
is_at (const Scanner *scanner, gsize at, guint8 octet)
{
    return at < scanner->end && scanner->text[at] == octet;
}

static bool
starts_with (const Scanner *scanner, gsize at, const char *word)
{
    const gsize n = strlen (word);

    return scanner->end - at >= n &&
           g_ascii_strncasecmp ((const char *)scanner->text + at, word, n) == 0;
}

static bool
is_name (const guint8 *name, gsize size, const char *word, gsize word_size)
{
    return size == word_size && g_ascii_strncasecmp ((const char *)name, word, word_size) == 0;
}

/* Whether the name at `at` is this one, and ends there. */
static bool
is_whole_name (const Scanner *scanner, gsize at, const guint8 *name, gsize size)
{
    return scanner->end - at > size &&
           g_ascii_strncasecmp ((const char *)scanner->text + at, (const char *)name, size) == 0 &&
           (classes[scanner->text[at + size]] & (SPACE | SLASH | GREATER)) != 0;
}

/* At a '<'. */
static bool
is_end_tag_of (const Scanner *scanner, const guint8 *name, gsize size)
{
    return is_at (scanner, scanner->at + 1, '/') &&
           is_whole_name (scanner, scanner->at + 2, name, size);
}

/* --- Raw text ----------------------------------------------------------------------------------- */

/* Goes to the end tag of a raw text element; false if there is none. `*telling` if a reader who takes
 * the text for markup may find tags or comments in it. */
static bool
skip_raw_text (Scanner *scanner, const Tag *tag, bool *telling)
{
    while (find_octet (scanner, '<')) {
        if (is_end_tag_of (scanner, tag->name, tag->name_size))
            return true;
        *telling = true;
        scanner->at++;
    }
    return false;
}

typedef enum {
    SCRIPT_PLAIN,
    SCRIPT_ESCAPED, /* behind "<!--", up to "-->" */
    SCRIPT_DOUBLE   /* and behind a "<script" in it: a "</script" ends only that */
} ScriptState;

/* What a '<' in a script does to its state (13.2.5.15 to 13.2.5.31); false if it is the end tag. */
static bool
take_script_less (Scanner *scanner, ScriptState *state, guint *dashes)
{
    static const guint8 name[] = {'s', 'c', 'r', 'i', 'p', 't'};

    if (is_end_tag_of (scanner, name, sizeof name)) {
        if (*state != SCRIPT_DOUBLE)
            return false;
        *state = SCRIPT_ESCAPED;
        scanner->at += 2 + sizeof name; /* what ends the name belongs to it */
    } else if (*state == SCRIPT_PLAIN && starts_with (scanner, scanner->at, "<!--")) {
        *state = SCRIPT_ESCAPED;
        *dashes = 2; /* "<!-->" is closed at once */
        scanner->at += 3;
    } else if (*state == SCRIPT_ESCAPED &&
               is_whole_name (scanner, scanner->at + 1, name, sizeof name)) {
        *state = SCRIPT_DOUBLE;
        scanner->at += 1 + sizeof name;
    }
    scanner->at++;
    return true;
}

static bool
skip_script (Scanner *scanner)
{
    ScriptState state = SCRIPT_PLAIN;
    guint dashes = 0; /* in a row; more than two are like two */

    while (scanner->at < scanner->end) {
        const guint8 octet = scanner->text[scanner->at];

        scanner->spans->steps++;
        if (octet == '<') {
            dashes = 0;
            if (!take_script_less (scanner, &state, &dashes))
                return true;
            continue;
        }
        if (octet == '>' && dashes >= 2)
            state = SCRIPT_PLAIN;
        dashes = octet == '-' ? MIN (dashes + 1, 2) : 0;
        scanner->at++;
    }
    return false;
}

/* --- Tags --------------------------------------------------------------------------------------- */

typedef enum {
    ROLE_NONE,
    ROLE_LINK,
    ROLE_BODY,
    ROLE_FOREIGN,
    ROLE_RAW,
    ROLE_SCRIPT,
    ROLE_PLAIN
} Role;

/* RCDATA (title, textarea) is raw text here: references in it make no tags. What noscript holds is
 * markup, as no reader of mail runs scripts. */
static Role
find_role (const Tag *tag, RelaisHtmlElement *element)
{
    static const struct {
        char name[10];
        guint8 size, role, element;
    } roles[] = {
        {"a", 1, ROLE_LINK, RELAIS_HTML_A},
        {"area", 4, ROLE_LINK, RELAIS_HTML_AREA},
        {"body", 4, ROLE_BODY, 0},
        {"svg", 3, ROLE_FOREIGN, 0},
        {"math", 4, ROLE_FOREIGN, 0},
        {"style", 5, ROLE_RAW, 0},
        {"title", 5, ROLE_RAW, 0},
        {"textarea", 8, ROLE_RAW, 0},
        {"xmp", 3, ROLE_RAW, 0},
        {"iframe", 6, ROLE_RAW, 0},
        {"noembed", 7, ROLE_RAW, 0},
        {"noframes", 8, ROLE_RAW, 0},
        {"script", 6, ROLE_SCRIPT, 0},
        {"plaintext", 9, ROLE_PLAIN, 0},
    };
    /* By a name's length, the letters that those of that length begin with: most elements end here. */
    static const char initials[][4] = {[1] = "a",  [3] = "sx", [4] = "abm", [5] = "st",
                                       [6] = "is", [7] = "n",  [8] = "tn",  [9] = "p"};
    const char initial = g_ascii_tolower ((char)tag->name[0]);

    if (tag->name_size > 2 && initial == 'v' && tag->name[1] == ':') {
        *element = RELAIS_HTML_VML;
        return ROLE_LINK;
    }
    if (tag->name_size >= G_N_ELEMENTS (initials) ||
        strchr (initials[tag->name_size], initial) == NULL)
        return ROLE_NONE;
    for (guint i = 0; i < G_N_ELEMENTS (roles); i++) {
        if (!is_name (tag->name, tag->name_size, roles[i].name, roles[i].size))
            continue;
        *element = (RelaisHtmlElement)roles[i].element;
        return (Role)roles[i].role;
    }
    return ROLE_NONE;
}

/* Behind the '=' of an attribute and the blanks after it: its value's span, without quotes. False if
 * the text ends first. */
static bool
take_value (Scanner *scanner, RelaisHtmlLink *value)
{
    const guint8 first = scanner->text[scanner->at];
    const bool quoted = first == '"' || first == '\'';

    if (quoted)
        scanner->at++;
    value->quote = quoted ? first : 0;
    value->offset = scanner->at;
    if (!quoted)
        skip_until (scanner, SPACE | GREATER);
    else if (!find_octet (scanner, first))
        return false;
    value->size = scanner->at - value->offset;
    if (quoted)
        scanner->at++;
    return true;
}

/* An attribute, from the first octet of its name, which may be a '='. */
static bool
take_attribute (Scanner *scanner, Tag *tag)
{
    const guint8 *name = scanner->text + scanner->at;
    RelaisHtmlLink value = {0};
    bool has_value = false;
    gsize size;

    scanner->at++;
    skip_until (scanner, SPACE | SLASH | GREATER | EQUALS);
    size = (gsize)(scanner->text + scanner->at - name);
    skip_all (scanner, SPACE);
    if (is_at (scanner, scanner->at, '=')) {
        scanner->at++;
        skip_all (scanner, SPACE);
        has_value = scanner->at < scanner->end && scanner->text[scanner->at] != '>';
        if (has_value && !take_value (scanner, &value))
            return false;
    }
    if (is_name (name, size, "data-no-track", strlen ("data-no-track")))
        tag->link.no_track = true;
    if (tag->has_href || !is_name (name, size, "href", strlen ("href")))
        return true;
    tag->has_href = true;
    tag->has_value = has_value;
    tag->link.offset = value.offset;
    tag->link.size = value.size;
    tag->link.quote = value.quote;
    return true;
}

/* From behind the tag's name to behind its '>'; false if the text ends first. */
static bool
take_attributes (Scanner *scanner, Tag *tag)
{
    for (;;) {
        const gsize from = scanner->at;

        skip_all (scanner, SPACE | SLASH);
        if (is_at (scanner, scanner->at, '>')) {
            tag->self_closing = scanner->at > from && scanner->text[scanner->at - 1] == '/';
            scanner->at++;
            return true;
        }
        if (scanner->at == scanner->end || !take_attribute (scanner, tag))
            return false;
    }
}

static void
start_element (Scanner *scanner, Tag *tag)
{
    RelaisHtmlElement element = RELAIS_HTML_A;
    const Role role = find_role (tag, &element);
    bool closed = true, telling = tag->self_closing;

    if (role == ROLE_LINK && tag->has_value) {
        tag->link.element = (guint8)element;
        tag->link.in_comment = scanner->in_comment;
        g_array_append_val (scanner->spans->links, tag->link);
    } else if (role == ROLE_FOREIGN && !tag->self_closing) {
        scanner->foreign++;
    } else if (role == ROLE_RAW) {
        closed = skip_raw_text (scanner, tag, &telling);
    } else if (role == ROLE_SCRIPT) {
        closed = skip_script (scanner);
        telling = true;
    } else if (role == ROLE_PLAIN) {
        scanner->at = scanner->end;
        closed = false;
    }
    if (!closed || (role >= ROLE_RAW && scanner->foreign > 0 && telling))
        scanner->spans->doubtful = true;
}

static void
end_element (Scanner *scanner, const Tag *tag)
{
    RelaisHtmlElement element;
    const Role role = find_role (tag, &element);

    if (role == ROLE_FOREIGN && scanner->foreign > 0) {
        scanner->foreign--;
    } else if (role == ROLE_BODY && !scanner->in_comment) {
        scanner->spans->body_end = tag->offset;
        scanner->spans->has_body_end = true;
    }
}

/* At a '<' or "</" that a letter follows. A tag that does not end is none: readers drop it. */
static void
take_tag (Scanner *scanner)
{
    Tag tag = {.offset = scanner->at, .is_end = is_at (scanner, scanner->at + 1, '/')};

    scanner->at += tag.is_end ? 2 : 1;
    tag.name = scanner->text + scanner->at;
    skip_until (scanner, SPACE | SLASH | GREATER);
    tag.name_size = (gsize)(scanner->text + scanner->at - tag.name);
    if (!take_attributes (scanner, &tag)) {
        scanner->at = scanner->end;
        scanner->spans->doubtful = true;
        return;
    }
    if (tag.is_end)
        end_element (scanner, &tag);
    else
        start_element (scanner, &tag);
}

/* --- Comments ----------------------------------------------------------------------------------- */

/* Whether "<!..." at `at`, which does not end, is how a conditional comment ends: with "<![endif]",
 * or, where it lets all readers see what follows, with "<!" or "<!-- " (before its "-->"). */
static bool
ends_condition (const Scanner *scanner, gsize at)
{
    if (!scanner->in_comment)
        return false;
    if (starts_with (scanner, at, "<![endif]"))
        return true;
    for (at += 2; at < scanner->end; at++) {
        scanner->spans->steps++;
        if (scanner->text[at] != '-' && (classes[scanner->text[at]] & SPACE) == 0)
            return false;
    }
    return true;
}

/* Looks through what an "[if ...]>" at the start of a comment makes conditional. */
static void
look_inside (Scanner *scanner, gsize from, gsize end)
{
    Scanner inside = {scanner->text, from, end, true, 0, scanner->spans};

    if (scanner->in_comment || !starts_with (&inside, from, "[if") || !find_octet (&inside, ']'))
        return;
    if (!is_at (&inside, ++inside.at, '>'))
        return;
    inside.at++;
    scan_range (&inside);
}

/* How many of the `n` octets before this '>' end a comment with it; 0 if it does not end here. */
static gsize
dashes_before (const guint8 *gt, gsize n)
{
    if (n >= 2 && memcmp (gt - 2, "--", 2) == 0)
        return 2;
    return n >= 3 && memcmp (gt - 3, "--!", 3) == 0 ? 3 : 0;
}

/* At "<!--". Ends at the first "-->" or "--!>"; of "<!-->" and "<!--->" the first dashes count. */
static void
take_comment (Scanner *scanner)
{
    const gsize start = scanner->at, from = start + strlen ("<!--");

    scanner->at = from;
    while (find_octet (scanner, '>')) {
        const gsize n = scanner->at - from;
        const guint8 *gt = scanner->text + scanner->at;
        const gsize dashes = dashes_before (gt, n);

        scanner->at++;
        if (n == 0 || (n == 1 && gt[-1] == '-'))
            return;
        if (dashes > 0) {
            look_inside (scanner, from, from + n - dashes);
            return;
        }
    }
    if (!ends_condition (scanner, start))
        scanner->spans->doubtful = true;
}

/* A doctype as well, which ends at the first '>' even inside quotes. */
static void
take_bogus_comment (Scanner *scanner)
{
    const gsize start = scanner->at;

    /* Inside svg and math it holds text, and '>' does not end it. */
    if (scanner->foreign > 0 && starts_with (scanner, start, "<![CDATA["))
        scanner->spans->doubtful = true;
    scanner->at++;
    if (find_octet (scanner, '>'))
        scanner->at++;
    else if (!ends_condition (scanner, start))
        scanner->spans->doubtful = true;
}

/* --- Data --------------------------------------------------------------------------------------- */

/* At a '<'. */
static void
take_markup (Scanner *scanner)
{
    const gsize at = scanner->at;
    const guint8 next = at + 1 < scanner->end ? scanner->text[at + 1] : 0;
    const guint8 third = at + 2 < scanner->end ? scanner->text[at + 2] : 0;

    if (g_ascii_isalpha ((char)next) || (next == '/' && g_ascii_isalpha ((char)third)))
        take_tag (scanner);
    else if (next == '/' && third == '>')
        scanner->at += 3; /* nothing */
    else if (starts_with (scanner, at, "<!--"))
        take_comment (scanner);
    else if (next == '!' || next == '?' || (next == '/' && at + 2 < scanner->end))
        take_bogus_comment (scanner);
    else
        scanner->at++; /* text */
}

static void
scan_range (Scanner *scanner)
{
    while (find_octet (scanner, '<'))
        take_markup (scanner);
}

void
relais_html_scan (const guint8 *text, gsize size, RelaisHtmlSpans *spans)
{
    Scanner scanner = {.text = text, .end = size, .spans = spans};

    *spans = (RelaisHtmlSpans){.body_end = size};
    spans->links = g_array_new (FALSE, FALSE, sizeof (RelaisHtmlLink));
    if (size > 0 && memchr (text, '\0', size) != NULL)
        spans->doubtful = true;
    spans->steps = size;
    scan_range (&scanner);
}

void
relais_html_spans_clear (RelaisHtmlSpans *spans)
{
    g_clear_pointer (&spans->links, g_array_unref);
}
