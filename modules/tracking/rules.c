/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The file of rules. Networks lie in an array sorted by address, each with the network around it, so that the longest
 * one that holds an address is found by one bisection and a walk outwards, which is as long as networks are nested.
 * Agents are looked for one after the other; there are at most TRACKING_RULES_MAX_AGENTS of them, in an agent of at
 * most TRACKING_AGENT_MAX octets. Immutable once read; any thread.
 */
#include "who.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <unistd.h>

enum { NO_PARENT = -1, ADDRESS_SIZE = 16, MAPPED_BITS = 96 };

typedef struct {
    TrackingRule rule;
    guint8 bytes[ADDRESS_SIZE]; /* IPv4 as ::ffff:a.b.c.d */
    guint bits;
    guint line;
    gint parent; /* index of the smallest network around it, or NO_PARENT */
} Net;

typedef struct {
    TrackingRule rule;
    char *part; /* in lower case; without anchors */
    gsize size;
    bool at_begin, at_end;
} Agent;

struct TrackingRules {
    GArray *nets;     /* of Net, by address, then by bits */
    GArray *agents;   /* of Agent */
    guint seconds[2]; /* of an open, of a click */
};

/* --- Lines ------------------------------------------------------------------------------------- */

typedef struct {
    TrackingRules *rules;
    const char *name;
    guint line;
    char *rest; /* of the line under way */
    GError **error;
} Reader;

G_GNUC_PRINTF (2, 3)
static bool
fail (const Reader *reader, const char *format, ...)
{
    g_autofree char *what = NULL;
    g_autofree char *clean = NULL;
    va_list arguments;

    va_start (arguments, format);
    what = g_strdup_vprintf (format, arguments);
    va_end (arguments);
    clean = g_utf8_make_valid (what, -1);
    g_set_error (reader->error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s:%u: %s", reader->name,
                 reader->line, clean);
    return false;
}

/* The next word, up to a blank; "" at the end or before a comment. */
static char *
next_word (Reader *reader)
{
    char *word = reader->rest + strspn (reader->rest, " \t");

    if (*word == '#')
        *word = '\0';
    reader->rest = word + strcspn (word, " \t");
    if (*reader->rest != '\0')
        *reader->rest++ = '\0';
    return word;
}

static bool
read_class (const char *word, gsize size, guint8 *klass)
{
    for (TrackingClass k = TRACKING_HUMAN; k <= TRACKING_MACHINE; k++) {
        const char *name = tracking_class_to_string (k);

        if (size == strlen (name) && memcmp (word, name, size) == 0) {
            *klass = (guint8)k;
            return true;
        }
    }
    return false;
}

/* "machine", or "machine/human": of an open, of a click. */
static bool
read_classes (Reader *reader, TrackingRule *rule)
{
    const char *word = next_word (reader), *slash = strchr (word, '/');
    const char *click = slash != NULL ? slash + 1 : word;
    const gsize n_open = slash != NULL ? (gsize)(slash - word) : strlen (word);

    if (read_class (word, n_open, &rule->klass[0]) &&
        read_class (click, strlen (click), &rule->klass[1]))
        return true;
    return fail (reader,
                 _ ("'%s' is no class; expected human, suspect, machine, or two of them as "
                    "OPEN/CLICK"),
                 word);
}

/* Of letters, digits, "." "-" "_" "+" alone: names stand in lists of reasons. */
static bool
read_name (Reader *reader, TrackingRule *rule)
{
    const char *word = next_word (reader);
    const gsize size = strlen (word);
    bool good = size > 0 && size <= TRACKING_RULES_MAX_NAME;

    for (gsize i = 0; good && i < size; i++)
        good = g_ascii_isalnum (word[i]) || strchr (".-_+", word[i]) != NULL;
    if (!good)
        return fail (reader, _ ("'%s' is no name; expected 1 to %u of A-Z a-z 0-9 . - _ +"), word,
                     (guint)TRACKING_RULES_MAX_NAME);
    memcpy (rule->name, word, size + 1);
    return true;
}

static bool
is_date (const char *word)
{
    guint part[3] = {0};

    if (strlen (word) != 10)
        return false;
    for (guint i = 0, n = 0; i < 10; i++) {
        if (i == 4 || i == 7) {
            n++;
            if (word[i] != '-')
                return false;
        } else if (g_ascii_isdigit (word[i]))
            part[n] = part[n] * 10 + (guint)g_ascii_digit_value (word[i]);
        else
            return false;
    }
    return g_date_valid_dmy ((GDateDay)part[2], (GDateMonth)part[1], (GDateYear)part[0]);
}

static bool
is_url (const char *word)
{
    const char *host = g_str_has_prefix (word, "https://")  ? word + 8
                       : g_str_has_prefix (word, "http://") ? word + 7
                                                            : "";

    return g_ascii_isalnum (host[0]) && strchr (host, '.') != NULL;
}

/* What is known from nowhere is not known: a line says from where and when, or that it is a guess. */
static bool
read_source (Reader *reader)
{
    const char *word = next_word (reader);

    if (strcmp (word, "guess") == 0 || (is_url (word) && is_date (next_word (reader))))
        return true;
    return fail (reader, _ ("the line has no source; expected a URL and a date (YYYY-MM-DD), or "
                            "the word guess"));
}

static bool
read_rule (Reader *reader, TrackingRule *rule)
{
    return read_classes (reader, rule) && read_name (reader, rule) && read_source (reader);
}

static bool
read_number (const char *word, guint most, guint *number)
{
    guint value = 0;

    if (word[0] == '\0' || (word[0] == '0' && word[1] != '\0'))
        return false;
    for (; *word != '\0'; word++) {
        if (!g_ascii_isdigit (*word))
            return false;
        value = value * 10 + (guint)g_ascii_digit_value (*word);
        if (value > most)
            return false;
    }
    *number = value;
    return true;
}

/* --- Networks ---------------------------------------------------------------------------------- */

static bool
read_address (const char *text, guint8 bytes[ADDRESS_SIZE], guint *family_bits)
{
    static const guint8 mapped[12] = {[10] = 0xff, [11] = 0xff};

    memcpy (bytes, mapped, sizeof mapped);
    *family_bits = 32;
    if (inet_pton (AF_INET, text, bytes + sizeof mapped) == 1)
        return true;
    *family_bits = 128;
    return inet_pton (AF_INET6, text, bytes) == 1;
}

/* Whether the first `bits` are the same. */
static bool
same_bits (const guint8 *a, const guint8 *b, guint bits)
{
    const guint whole = bits / 8, rest = bits % 8;

    return memcmp (a, b, whole) == 0 &&
           (rest == 0 || ((a[whole] ^ b[whole]) & (0xff00u >> rest) & 0xff) == 0);
}

static bool
has_host_bits (const Net *net)
{
    guint8 base[ADDRESS_SIZE] = {0};

    memcpy (base, net->bytes, net->bits / 8);
    if (net->bits % 8 != 0)
        base[net->bits / 8] = (guint8)(net->bytes[net->bits / 8] & (0xff00u >> (net->bits % 8)));
    return memcmp (base, net->bytes, ADDRESS_SIZE) != 0;
}

/* An IPv6 network around all of IPv4 would judge that too, which nobody means who writes it. */
static bool
holds_ipv4 (const Net *net)
{
    static const guint8 mapped[ADDRESS_SIZE] = {[10] = 0xff, [11] = 0xff};

    return net->bits < MAPPED_BITS && same_bits (net->bytes, mapped, net->bits);
}

static bool
read_cidr (char *word, Net *net)
{
    char *slash = strchr (word, '/');
    guint family_bits, length;

    if (slash != NULL)
        *slash++ = '\0';
    if (!read_address (word, net->bytes, &family_bits))
        return false;
    length = family_bits;
    if (slash != NULL && !read_number (slash, family_bits, &length))
        return false;
    net->bits = 128 - family_bits + length;
    return !has_host_bits (net) && !holds_ipv4 (net);
}

static bool
read_net (Reader *reader)
{
    Net net = {.line = reader->line, .parent = NO_PARENT};
    char *word = next_word (reader);
    g_autofree char *asked = g_strdup (word);

    if (!read_cidr (word, &net))
        return fail (reader,
                     _ ("'%s' is no network; expected ADDRESS/LENGTH such as "
                        "192.0.2.0/24 or 2001:db8::/32, with no bit set after the first "
                        "LENGTH"),
                     asked);
    if (!read_rule (reader, &net.rule))
        return false;
    g_array_append_val (reader->rules->nets, net);
    return true;
}

static gint
compare_nets (gconstpointer a, gconstpointer b)
{
    const Net *x = a, *y = b;
    const int order = memcmp (x->bytes, y->bytes, ADDRESS_SIZE);

    if (order != 0)
        return order;
    if (x->bits != y->bits)
        return x->bits < y->bits ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

static const Net *
nth_net (const TrackingRules *rules, gint i)
{
    return &g_array_index (rules->nets, Net, i);
}

static bool
net_holds (const Net *net, const guint8 *bytes)
{
    return same_bits (net->bytes, bytes, net->bits);
}

/* From `at` outwards, the first network that holds the address. */
static gint
walk_out (const TrackingRules *rules, gint at, const guint8 *bytes)
{
    while (at != NO_PARENT && !net_holds (nth_net (rules, at), bytes))
        at = nth_net (rules, at)->parent;
    return at;
}

/* Two networks are apart or one holds the other; what holds one lies before it. */
static bool
sort_nets (Reader *reader)
{
    GArray *nets = reader->rules->nets;

    g_array_sort (nets, compare_nets);
    for (guint i = 1; i < nets->len; i++) {
        Net *net = &g_array_index (nets, Net, i);
        const Net *before = nth_net (reader->rules, (gint)i - 1);

        if (before->bits == net->bits && net_holds (before, net->bytes)) {
            reader->line = net->line;
            return fail (reader, _ ("the network stands on line %u already; expected each once"),
                         before->line);
        }
        net->parent = walk_out (reader->rules, (gint)i - 1, net->bytes);
    }
    return true;
}

const TrackingRule *
tracking_rules_find_net (const TrackingRules *rules, const char *address)
{
    guint8 bytes[ADDRESS_SIZE];
    guint family_bits, low = 0, high = rules != NULL ? rules->nets->len : 0;
    gint found;

    if (address == NULL || !read_address (address, bytes, &family_bits))
        return NULL;
    while (low < high) { /* the first that begins after the address */
        const guint middle = low + (high - low) / 2;

        if (memcmp (nth_net (rules, (gint)middle)->bytes, bytes, ADDRESS_SIZE) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    found = walk_out (rules, (gint)low - 1, bytes);
    return found != NO_PARENT ? &nth_net (rules, found)->rule : NULL;
}

/* --- Agents ------------------------------------------------------------------------------------ */

static void
clear_agent (gpointer data)
{
    Agent *agent = data;

    g_clear_pointer (&agent->part, g_free);
}

/* "SUBSTRING": up to the next quote, which no agent has a use for. */
static bool
read_quoted (Reader *reader, const char **begin, gsize *size)
{
    char *first = reader->rest + strspn (reader->rest, " \t");
    char *last = *first == '"' ? strchr (first + 1, '"') : NULL;

    if (last == NULL)
        return false;
    *begin = first + 1;
    *size = (gsize)(last - first - 1);
    reader->rest = last + 1;
    return *reader->rest == '\0' || *reader->rest == ' ' || *reader->rest == '\t';
}

static bool
read_agent (Reader *reader)
{
    GArray *agents = reader->rules->agents;
    Agent agent = {0};
    const char *begin = "";
    gsize size = 0;
    bool good = read_quoted (reader, &begin, &size);

    agent.at_begin = good && size > 0 && begin[0] == '^';
    agent.at_end = good && size > agent.at_begin && begin[size - 1] == '$';
    agent.size = size - agent.at_begin - agent.at_end;
    if (!good || agent.size == 0)
        return fail (reader, _ ("there is no part of an agent; expected \"SUBSTRING\" in quotes, "
                                "such as \"GoogleImageProxy\" or \"^curl/\""));
    if (agents->len >= TRACKING_RULES_MAX_AGENTS)
        return fail (reader, _ ("there are too many agents; expected at most %u"),
                     (guint)TRACKING_RULES_MAX_AGENTS);
    begin += agent.at_begin;
    if (!read_rule (reader, &agent.rule))
        return false;
    agent.part = g_ascii_strdown (begin, (gssize)agent.size);
    g_array_append_val (agents, agent);
    return true;
}

static bool
agent_fits (const Agent *rule, const char *agent, gsize size)
{
    if (rule->size > size)
        return false;
    if (rule->at_begin && rule->at_end && rule->size != size)
        return false;
    if (rule->at_begin)
        return memcmp (agent, rule->part, rule->size) == 0;
    if (rule->at_end)
        return memcmp (agent + size - rule->size, rule->part, rule->size) == 0;
    return strstr (agent, rule->part) != NULL;
}

const TrackingRule *
tracking_rules_find_agent (const TrackingRules *rules, const char *agent, bool click)
{
    const gsize size = strlen (agent);
    const Agent *found = NULL;

    for (guint i = 0; rules != NULL && i < rules->agents->len; i++) {
        const Agent *next = &g_array_index (rules->agents, Agent, i);

        if (found != NULL &&
            (next->rule.klass[click] < found->rule.klass[click] ||
             (next->rule.klass[click] == found->rule.klass[click] && next->size <= found->size)))
            continue;
        if (agent_fits (next, agent, size))
            found = next;
    }
    return found != NULL ? &found->rule : NULL;
}

/* --- Files ------------------------------------------------------------------------------------- */

gint64
tracking_rules_seconds (const TrackingRules *rules, bool click)
{
    if (rules == NULL)
        return click ? TRACKING_CLICK_SECONDS : TRACKING_OPEN_SECONDS;
    return rules->seconds[click];
}

static bool
read_seconds (Reader *reader)
{
    const char *what = next_word (reader);
    const bool click = strcmp (what, "click") == 0;

    if (!click && strcmp (what, "open") != 0)
        return fail (reader, _ ("'%s' cannot be timed; expected open or click"), what);
    what = next_word (reader);
    if (!read_number (what, TRACKING_RULES_MAX_SECONDS, &reader->rules->seconds[click]))
        return fail (reader, _ ("'%s' is no number of seconds; expected 0 to %u"), what,
                     (guint)TRACKING_RULES_MAX_SECONDS);
    what = next_word (reader);
    return what[0] == '\0' || fail (reader,
                                    _ ("'%s' is one word too many; expected the end of the "
                                       "line"),
                                    what);
}

static bool
read_line (Reader *reader)
{
    const char *word = next_word (reader);

    if (word[0] == '\0')
        return true;
    if (strcmp (word, "net") == 0)
        return read_net (reader);
    if (strcmp (word, "agent") == 0)
        return read_agent (reader);
    if (strcmp (word, "seconds") == 0)
        return read_seconds (reader);
    return fail (reader, _ ("'%s' is no rule; expected net, agent or seconds"), word);
}

static bool
read_bytes (Reader *reader, const char *bytes, gsize size)
{
    char line[TRACKING_RULES_MAX_LINE + 1];

    if (size > 0 && bytes[size - 1] == '\r')
        size--;
    if (size > TRACKING_RULES_MAX_LINE)
        return fail (reader, _ ("the line has %zu octets; expected at most %u"), size,
                     (guint)TRACKING_RULES_MAX_LINE);
    for (gsize i = 0; i < size; i++)
        if (((guint8)bytes[i] < 0x20 && bytes[i] != '\t') || bytes[i] == 0x7f)
            return fail (reader, _ ("there is a control character; expected plain text"));
    if (size > 0)
        memcpy (line, bytes, size);
    line[size] = '\0';
    reader->rest = line;
    return read_line (reader);
}

static bool
read_text (Reader *reader, const char *text, gsize size)
{
    if (size > TRACKING_RULES_MAX_SIZE)
        return fail (reader, _ ("the file has %zu octets; expected at most %u"), size,
                     (guint)TRACKING_RULES_MAX_SIZE);
    while (size > 0) {
        const char *lf = memchr (text, '\n', size);
        const gsize n = lf != NULL ? (gsize)(lf - text) : size;

        if (!read_bytes (reader, text, n))
            return false;
        reader->line++;
        text += MIN (n + 1, size);
        size -= MIN (n + 1, size);
    }
    return sort_nets (reader);
}

TrackingRules *
tracking_rules_parse (const char *text, gsize size, const char *name, GError **error)
{
    TrackingRules *rules = g_new (TrackingRules, 1);
    Reader reader = {.rules = rules, .name = name, .line = 1, .error = error};

    *rules = (TrackingRules){.nets = g_array_new (FALSE, FALSE, sizeof (Net)),
                             .agents = g_array_new (FALSE, FALSE, sizeof (Agent)),
                             .seconds = {TRACKING_OPEN_SECONDS, TRACKING_CLICK_SECONDS}};
    g_array_set_clear_func (rules->agents, clear_agent);
    if (!read_text (&reader, text, size))
        g_clear_pointer (&rules, tracking_rules_free);
    return rules;
}

TrackingRules *
tracking_rules_load (const char *path, GError **error)
{
    g_autofree char *text = g_malloc (TRACKING_RULES_MAX_SIZE + 1);
    const int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    gsize size = 0;
    gssize n = 0;

    if (fd >= 0) /* no more than is taken is ever read, whatever the file is */
        while (size <= TRACKING_RULES_MAX_SIZE &&
               (n = read (fd, text + size, TRACKING_RULES_MAX_SIZE + 1 - size)) > 0)
            size += (gsize)n;
    if (fd < 0 || n < 0) {
        const int saved = errno;

        g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (saved), "%s: %s", path,
                     g_strerror (saved));
        if (fd >= 0)
            close (fd);
        return NULL;
    }
    close (fd);
    return tracking_rules_parse (text, size, path, error);
}

void
tracking_rules_free (TrackingRules *rules)
{
    if (rules == NULL)
        return;
    g_array_unref (rules->nets);
    g_array_unref (rules->agents);
    g_free (rules);
}
