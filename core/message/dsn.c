/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Delivery status notifications. Pure; any thread. Everything that came from outside (addresses,
 * replies, names of servers) is brought to printable ASCII before it is written, so nothing a
 * peer says can begin a field or a part; the boundary is looked for in the original first.
 */
#include "config.h"

#include "message/dsn-private.h"

#include <string.h>

#include "loop/clock-private.h"
#include "message/header-private.h"
#include "message/outgoing-private.h"
#include "message/release-private.h"
#include "message/sink-private.h"

enum {
    FOLD_COLUMNS = 76,
    TOKEN_COLUMNS = 900, /* a longer token is cut: no line may reach 998 */
    VALUE_BYTES = 4000   /* of one field; more is cut off */
};

static const struct {
    const char *name, *subject, *says;
} actions[] = {
    [RELAIS_DSN_FAILED] = {"failed", "Your message could not be delivered",
                           "could not be delivered and will not be tried again:"},
    [RELAIS_DSN_DELAYED] = {"delayed", "Your message is delayed",
                            "could not be delivered yet; we keep trying, you need not send the "
                            "message again:"},
    [RELAIS_DSN_RELAYED] = {"relayed", "Your message was passed on",
                            "was passed on to a server that does not send such notices:"},
    [RELAIS_DSN_DELIVERED] = {"delivered", "Your message was delivered", "was delivered:"},
};

/* What the sender can do, by the beginning of the status; the first that fits. */
static const struct {
    const char *status, *advice;
} advices[] = {
    {"5.1.8", "The other side does not accept your own address. Ask your administrator."},
    {"5.1.7", "The other side does not accept your own address. Ask your administrator."},
    {"5.1.10", "The domain takes no mail at all. Check the address."},
    {"5.1", "The address does not exist. Check its spelling, or ask the recipient for it."},
    {"5.2.1", "The mailbox is switched off. Reach the recipient in another way."},
    {"5.2.2", "The mailbox is full. Try again later, or reach the recipient in another way."},
    {"5.2.3", "The message is too large for the recipient. Send less at once."},
    {"5.3.4", "The message is too large for the recipient's server. Send less at once."},
    {"5.4.6", "The message went in circles. Tell the administrator of the recipient's domain."},
    {"5.4.7", "The recipient's server could not be reached in all this time. Try again later."},
    {"4.4.7", "The recipient's server could not be reached in all this time. Try again later."},
    {"5.4", "The recipient's server could not be found or reached. Check the address's domain."},
    {"5.6.7", "The recipient's server does not take addresses beyond ASCII. Use another address."},
    {"5.6", "The recipient's server cannot take the message in its form. Send it as plain text."},
    {"5.7", "The message was refused by a rule of the other side. Its words above may tell why."},
    {"5", "The words above may tell why. If not, ask your administrator."},
};

/* --- Text from outside ------------------------------------------------------------------------ */

static void
append_clean (GString *to, const char *text, gsize limit)
{
    for (gsize i = 0; i < limit && text[i] != '\0'; i++)
        g_string_append_c (to, text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?');
}

static char *
clean (const char *text)
{
    GString *to = g_string_new (NULL);

    append_clean (to, text, VALUE_BYTES);
    return g_strstrip (g_string_free (to, FALSE));
}

/* xtext of RFC 3461 section 4 decoded; what is no xtext stays. */
static char *
decode_xtext (const char *text)
{
    GString *to = g_string_new (NULL);

    for (; *text != '\0'; text++) {
        if (*text == '+' && g_ascii_isxdigit (text[1]) && g_ascii_isxdigit (text[2])) {
            g_string_append_c (
                to, (char)(g_ascii_xdigit_value (text[1]) * 16 + g_ascii_xdigit_value (text[2])));
            text += 2;
        } else {
            g_string_append_c (to, *text);
        }
    }
    return g_string_free (to, FALSE);
}

/* An address beyond ASCII in the ASCII form of RFC 6533 section 3 (utf-8-addr-xtext). */
static char *
encode_utf8_address (const char *address)
{
    GString *to = g_string_new (NULL);

    if (!g_utf8_validate (address, -1, NULL)) {
        append_clean (to, address, VALUE_BYTES);
        return g_string_free (to, FALSE);
    }
    for (; *address != '\0'; address = g_utf8_next_char (address)) {
        gunichar c = g_utf8_get_char (address);

        if (c > ' ' && c < 0x7f && c != '+' && c != '=' && c != '\\')
            g_string_append_unichar (to, c);
        else
            g_string_append_printf (to, "\\x{%02X}", c);
    }
    return g_string_free (to, FALSE);
}

/* --- Fields and paragraphs -------------------------------------------------------------------- */

/* Appends words, beginning a new line with `indent` where one would pass the columns. `column` is where
 * the text starts. */
static void
append_wrapped (GString *to, const char *text, gsize column, const char *indent)
{
    while (*text != '\0') {
        const gsize blanks = strspn (text, " ");
        const gsize word = MIN (strcspn (text + blanks, " "), (gsize)TOKEN_COLUMNS);

        if (word == 0)
            return;
        if (column + blanks + word > FOLD_COLUMNS || blanks > FOLD_COLUMNS ||
            (blanks == 0 && column > strlen (indent))) {
            g_string_append (to, "\r\n");
            g_string_append (to, indent);
            column = strlen (indent);
        } else {
            g_string_append_len (to, text, (gssize)blanks);
            column += blanks;
        }
        g_string_append_len (to, text + blanks, (gssize)word);
        column += word;
        text += blanks + word;
    }
}

static void
    G_GNUC_PRINTF (3, 4) append_field (GString *to, const char *name, const char *format, ...)
{
    g_autofree char *raw = NULL, *value = NULL;
    va_list arguments;

    va_start (arguments, format);
    raw = g_strdup_vprintf (format, arguments);
    va_end (arguments);
    value = clean (raw);
    g_string_append_printf (to, "%s:", name);
    /* Led by a blank, so that a first word too long for the line is folded like any other. */
    g_autofree char *led = g_strconcat (" ", value, NULL);

    append_wrapped (to, led, strlen (name) + 1, " ");
    g_string_append (to, "\r\n");
}

static void
append_date_field (GString *to, const char *name, gint64 wall_us)
{
    g_autofree char *date = NULL;

    if (wall_us == 0)
        return;
    date = relais_date_to_string (wall_us);
    append_field (to, name, "%s", date);
}

static void
append_paragraph (GString *to, const char *indent, const char *text)
{
    g_autofree char *value = clean (text);

    g_string_append (to, indent);
    append_wrapped (to, value, strlen (indent), indent);
    g_string_append (to, "\r\n");
}

/* --- The three parts -------------------------------------------------------------------------- */

static const RelaisRecipient *
recipient_of (const RelaisDsnOptions *options, const RelaisDsnRecipient *recipient)
{
    return relais_envelope_recipient (&options->original->envelope, recipient->recipient);
}

/* A status as RFC 3463 writes them; else the one that says least. */
static const char *
status_of (const RelaisDsnRecipient *recipient)
{
    static const char *const least[] = {
        [RELAIS_DSN_FAILED] = "5.0.0",
        [RELAIS_DSN_DELAYED] = "4.0.0",
        [RELAIS_DSN_RELAYED] = "2.0.0",
        [RELAIS_DSN_DELIVERED] = "2.0.0",
    };
    const char *status = recipient->status;
    guint dots = 0;

    if (status == NULL || strchr ("245", status[0]) == NULL || status[1] != '.')
        return least[recipient->action];
    for (const char *p = status; *p != '\0'; p++) {
        if (*p == '.')
            dots++;
        else if (!g_ascii_isdigit (*p))
            return least[recipient->action];
    }
    return dots == 2 && strlen (status) <= 9 ? status : least[recipient->action];
}

static void
append_advice (GString *to, const RelaisDsnRecipient *recipient)
{
    const char *status = status_of (recipient);

    if (recipient->action != RELAIS_DSN_FAILED)
        return;
    if (!recipient->diagnostic_is_smtp && g_str_has_prefix (status, "5.7.")) {
        append_paragraph (to, "    ",
                          "Our own rules keep the message from going out. Ask your administrator.");
        return;
    }
    for (guint i = 0; i < G_N_ELEMENTS (advices); i++) {
        const gsize size = strlen (advices[i].status);

        if (strncmp (status, advices[i].status, size) == 0 &&
            (status[size] == '\0' || status[size] == '.')) {
            append_paragraph (to, "    ", advices[i].advice);
            return;
        }
    }
}

static void
append_story (GString *to, const RelaisDsnOptions *options, const RelaisDsnRecipient *recipient)
{
    g_autofree char *address = g_strdup_printf ("<%s>", recipient_of (options, recipient)->address);

    append_paragraph (to, "  ", address);
    if (recipient->diagnostic != NULL) {
        g_autofree char *said =
            recipient->remote_mta != NULL && recipient->diagnostic_is_smtp
                ? g_strdup_printf ("%s said: %s", recipient->remote_mta, recipient->diagnostic)
                : g_strdup (recipient->diagnostic);

        append_paragraph (to, "    ", said);
    }
    append_advice (to, recipient);
    if (recipient->action == RELAIS_DSN_DELAYED && recipient->will_retry_until_us != 0) {
        g_autofree char *date = relais_date_to_string (recipient->will_retry_until_us);
        g_autofree char *text = g_strdup_printf ("We keep trying until %s.", date);

        append_paragraph (to, "    ", text);
    }
    g_string_append (to, "\r\n");
}

static void
append_text_part (GString *to, const RelaisDsnOptions *options)
{
    g_autofree char *date = relais_date_to_string (options->original->envelope.received_us);
    g_autofree char *opening =
        g_strdup_printf ("This is the mail server %s. It writes about the message that it took "
                         "from you on %s.",
                         options->hostname, date);

    g_string_append (to, "Content-Type: text/plain; charset=us-ascii\r\n\r\n");
    append_paragraph (to, "", opening);
    for (guint action = 0; action < G_N_ELEMENTS (actions); action++) {
        guint n = 0;

        for (guint i = 0; i < options->n_recipients; i++) {
            if (options->recipients[i].action != action)
                continue;
            if (n++ == 0) {
                g_autofree char *says =
                    g_strdup_printf ("For these recipients the message %s", actions[action].says);

                g_string_append (to, "\r\n");
                append_paragraph (to, "", says);
                g_string_append (to, "\r\n");
            }
            append_story (to, options, &options->recipients[i]);
        }
    }
    append_paragraph (to, "",
                      "The next part says the same for programs, the last one holds "
                      "the message or its header.");
}

/* "type; address" of the recipient as the envelope has it. */
static void
append_final_recipient (GString *to, const char *address)
{
    g_autofree char *encoded = NULL;

    if (g_str_is_ascii (address)) {
        append_field (to, "Final-Recipient", "rfc822; %s", address);
        return;
    }
    encoded = encode_utf8_address (address);
    append_field (to, "Final-Recipient", "utf-8; %s", encoded);
}

static void
append_original_recipient (GString *to, const char *orcpt)
{
    const char *semicolon = orcpt != NULL ? strchr (orcpt, ';') : NULL;
    g_autofree char *type = NULL, *address = NULL;

    if (semicolon == NULL)
        return;
    type = g_strndup (orcpt, (gsize)(semicolon - orcpt));
    address = decode_xtext (semicolon + 1);
    append_field (to, "Original-Recipient", "%s; %s", type, address);
}

static void
append_recipient_fields (GString *to, const RelaisDsnOptions *options,
                         const RelaisDsnRecipient *recipient)
{
    const RelaisRecipient *known = recipient_of (options, recipient);

    g_string_append (to, "\r\n");
    append_original_recipient (to, known->orcpt);
    append_final_recipient (to, known->address);
    append_field (to, "Action", "%s", actions[recipient->action].name);
    append_field (to, "Status", "%s", status_of (recipient));
    if (recipient->remote_mta != NULL)
        append_field (to, "Remote-MTA", "dns; %s", recipient->remote_mta);
    if (recipient->diagnostic != NULL)
        append_field (to, "Diagnostic-Code", "%s; %s",
                      recipient->diagnostic_is_smtp ? "smtp" : "x-relais", recipient->diagnostic);
    append_date_field (to, "Last-Attempt-Date", recipient->last_attempt_us);
    if (recipient->action == RELAIS_DSN_DELAYED)
        append_date_field (to, "Will-Retry-Until", recipient->will_retry_until_us);
}

static void
append_status_part (GString *to, const RelaisDsnOptions *options)
{
    const RelaisEnvelope *envelope = &options->original->envelope;
    g_autofree char *release = relais_message_release_text (options->original);

    g_string_append (to, "Content-Type: message/delivery-status\r\n\r\n");
    if (envelope->envid != NULL) {
        g_autofree char *envid = decode_xtext (envelope->envid);

        append_field (to, "Original-Envelope-Id", "%s", envid);
    }
    append_field (to, "Reporting-MTA", "dns; %s", options->hostname);
    append_date_field (to, "Arrival-Date", envelope->received_us);
    if (release != NULL) /* RFC 4865 */
        append_field (to, "Future-Release-Request", "%s", release);
    for (guint i = 0; i < options->n_recipients; i++)
        append_recipient_fields (to, options, &options->recipients[i]);
}

/* Reads a rope of which the caller knows that it is small enough. */
static void
append_rope (GString *to, const RelaisRope *rope)
{
    guint8 buffer[8192];
    guint64 at = 0;
    gssize n;

    while ((n = relais_rope_read (rope, at, buffer, sizeof buffer, NULL)) > 0) {
        g_string_append_len (to, (const char *)buffer, n);
        at += (guint64)n;
    }
}

/* The whole original, made fit for 7bit; false if that cannot be done without harm. */
static bool
append_whole (GString *to, GBytes *full)
{
    const RelaisTransportLimits limits = {false, false};
    g_autoptr (RelaisRope) rope = relais_rope_new ();
    g_autoptr (RelaisRope) fitted = NULL;
    g_autoptr (GError) error = NULL;
    bool eight_bit = false;
    RelaisTransportResult result;

    relais_rope_append_bytes (rope, full);
    result = relais_outgoing_fit (rope, NULL, &limits, &fitted, &eight_bit, &error);
    if (fitted == NULL || eight_bit || result == RELAIS_TRANSPORT_ERROR)
        return false;
    g_string_append (to, "Content-Type: message/rfc822\r\n\r\n");
    append_rope (to, fitted);
    return true;
}

static void
append_header_part (GString *to, const guint8 *header, gsize size)
{
    RelaisBodyScanner scanner = {0};
    const RelaisBodyFacts *facts;
    g_autoptr (RelaisRope) rope = relais_rope_new ();
    RelaisSink sink;
    RelaisQp qp = {.sink = &sink};

    if (size >= 4 && memcmp (header + size - 4, "\r\n\r\n", 4) == 0)
        size -= 2;
    relais_body_scan (&scanner, header, size);
    facts = relais_body_scan_end (&scanner);
    g_string_append (to, "Content-Type: text/rfc822-headers\r\n");
    if (!facts->eight_bit_header && !facts->eight_bit && facts->longest_line <= 998) {
        g_string_append (to, "\r\n");
        g_string_append_len (to, (const char *)header, (gssize)size);
        return;
    }
    g_string_append (to, "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
    relais_sink_init (&sink, rope);
    relais_qp_put (&qp, header, size);
    relais_qp_end (&qp);
    relais_sink_flush (&sink);
    append_rope (to, rope);
    relais_sink_clear (&sink);
}

/* --- The whole -------------------------------------------------------------------------------- */

/* A boundary that stands nowhere in the parts. */
static char *
make_boundary (const RelaisDsnOptions *options, const GString *parts[], guint n_parts)
{
    char id[RELAIS_ID_TEXT_BYTES];

    relais_id_to_text (options->id, id);
    for (guint attempt = 0;; attempt++) {
        char *boundary = g_strdup_printf ("=_%s_%u", id, attempt);
        bool found = false;

        for (guint i = 0; i < n_parts; i++)
            found |= memmem (parts[i]->str, parts[i]->len, boundary, strlen (boundary)) != NULL;
        if (!found)
            return boundary;
        g_free (boundary);
    }
}

/* The gravest action names the report. */
static RelaisDsnAction
gravest (const RelaisDsnOptions *options)
{
    RelaisDsnAction action = RELAIS_DSN_DELIVERED;

    for (guint i = 0; i < options->n_recipients; i++)
        action = MIN (action, options->recipients[i].action);
    return action;
}

static void
append_head (GString *to, const RelaisDsnOptions *options, const char *boundary)
{
    const RelaisEnvelope *envelope = &options->original->envelope;
    char id[RELAIS_ID_TEXT_BYTES], moment[RELAIS_ID_TEXT_BYTES];

    relais_id_to_text (options->id, id);
    relais_id_to_text ((guint64)options->wall_us, moment);
    append_field (to, "From", "Mail Delivery Service <mailer-daemon@%s>", options->hostname);
    /* An address beyond ASCII cannot stand in a header that every server takes. */
    if (g_str_is_ascii (envelope->sender))
        append_field (to, "To", "<%s>", envelope->sender);
    else
        append_field (to, "To", "undisclosed-recipients:;");
    append_field (to, "Subject", "%s", actions[gravest (options)].subject);
    append_date_field (to, "Date", options->wall_us);
    append_field (to, "Message-ID", "<%s.%s@%s>", moment, id, options->hostname);
    if (envelope->message_id != NULL)
        append_field (to, "References", "%s", envelope->message_id);
    g_string_append (to, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
    g_string_append_printf (to,
                            "Content-Type: multipart/report; report-type=delivery-status;\r\n"
                            " boundary=\"%s\"\r\n\r\n",
                            boundary);
}

GBytes *
relais_dsn_build (const RelaisDsnOptions *options)
{
    g_autoptr (GString) text = g_string_new (NULL);
    g_autoptr (GString) status = g_string_new (NULL);
    g_autoptr (GString) original = g_string_new (NULL);
    const GString *parts[] = {text, status, original};
    g_autofree char *boundary = NULL;
    GString *report = g_string_new (NULL);

    append_text_part (text, options);
    append_status_part (status, options);
    if (options->full == NULL || !append_whole (original, options->full))
        append_header_part (original, options->header, options->header_size);
    boundary = make_boundary (options, parts, G_N_ELEMENTS (parts));
    append_head (report, options, boundary);
    for (guint i = 0; i < G_N_ELEMENTS (parts); i++) {
        g_string_append_printf (report, "--%s\r\n", boundary);
        g_string_append_len (report, parts[i]->str, (gssize)parts[i]->len);
        g_string_append (report, "\r\n");
    }
    g_string_append_printf (report, "--%s--\r\n", boundary);
    return g_string_free_to_bytes (report);
}

/* --- Who is told ------------------------------------------------------------------------------ */

static bool
has_passed (const RelaisMessage *message, const char *attribute)
{
    GBytes *value = relais_message_find_attribute (message, attribute);
    gsize size = 0;
    const char *text = value != NULL ? g_bytes_get_data (value, &size) : NULL;

    return size == strlen ("pass") && memcmp (text, "pass", size) == 0;
}

static bool
is_of_the_authors_domain (const RelaisEnvelope *envelope)
{
    const char *sender = strrchr (envelope->sender, '@');
    const char *author =
        envelope->header_from != NULL ? strrchr (envelope->header_from, '@') : NULL;

    return sender != NULL && author != NULL && g_ascii_strcasecmp (sender, author) == 0;
}

/* Whoever sends mail to one of our own domains may claim any sender, and a report would go to whom he named. */
static bool
is_from_outside (const RelaisEnvelope *envelope, const RelaisRecipient *recipient)
{
    return recipient->claimed && envelope->tenant == NULL && envelope->user == NULL;
}

/* SPF speaks of MAIL FROM itself, DMARC of the header's From. */
static bool
sender_is_proven (const RelaisMessage *original)
{
    const RelaisEnvelope *envelope = &original->envelope;

    return has_passed (original, "spf.result") ||
           (has_passed (original, "dmarc.result") && is_of_the_authors_domain (envelope));
}

bool
relais_dsn_wanted (const RelaisMessage *original, guint recipient, RelaisDsnAction action)
{
    static const guint8 wanted_by[] = {
        [RELAIS_DSN_FAILED] = RELAIS_NOTIFY_FAILURE,
        [RELAIS_DSN_DELAYED] = RELAIS_NOTIFY_DELAY,
        [RELAIS_DSN_RELAYED] = RELAIS_NOTIFY_SUCCESS,
        [RELAIS_DSN_DELIVERED] = RELAIS_NOTIFY_SUCCESS,
    };
    const RelaisRecipient *known = relais_envelope_recipient (&original->envelope, recipient);
    const guint8 notify = known->notify;

    if (original->envelope.sender == NULL || original->envelope.sender[0] == '\0' ||
        (notify & RELAIS_NOTIFY_NEVER) != 0)
        return false;
    if (is_from_outside (&original->envelope, known) && !sender_is_proven (original))
        return false;
    if (notify == 0)
        return action == RELAIS_DSN_FAILED || action == RELAIS_DSN_DELAYED;
    return (notify & wanted_by[action]) != 0;
}

bool
relais_dsn_is_answerable (const RelaisMessage *original, guint recipient, const guint8 *header,
                          gsize size)
{
    static const char *const lists[] = {"list", "bulk", "junk"};
    const RelaisEnvelope *envelope = &original->envelope;
    RelaisField field;

    if (!is_from_outside (envelope, relais_envelope_recipient (envelope, recipient)))
        return true;
    if (relais_header_find (header, size, "List-Id", &field) ||
        relais_header_find (header, size, "List-Unsubscribe", &field))
        return false;
    if (relais_header_find (header, size, "Precedence", &field)) {
        g_autofree char *value = g_strstrip (relais_field_unfold (&field));

        for (gsize i = 0; i < G_N_ELEMENTS (lists); i++)
            if (g_ascii_strcasecmp (value, lists[i]) == 0)
                return false;
    }
    if (relais_header_find (header, size, "Auto-Submitted", &field)) {
        g_autofree char *value = g_strchug (relais_field_unfold (&field));
        const gsize word = strcspn (value, " \t;(");

        return word == 2 && g_ascii_strncasecmp (value, "no", word) == 0;
    }
    return true;
}
