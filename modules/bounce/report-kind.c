/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What kind of message it is, where no part says so: a bounce, the reply of a machine, a challenge, a letter.
 * A letter that quotes a bounce is a letter: words alone make none, who sent it must fit. Pure; any thread.
 */
#include <string.h>

#include "report-reading.h"
#include "report-words.h"

/* --- The original in a text ------------------------------------------------------------------- */

static bool
is_field (const char *line)
{
    const char *p = line + strspn (line, " \t>");
    const gsize size = strcspn (p, ": \t\n");

    return (p[size] == ':' && size > 1 && size <= 40 && strchr (" \t\n", p[size + 1]) != NULL) ||
           g_str_has_prefix (p, "From ");
}

/* Fields that every message has on its way and no report writes of its own. */
static bool
is_transport_field (const char *line)
{
    static const char *const names[] = {
        "Received:", "Return-Path:",         "DKIM-Signature:", "X-Received:",
        "ARC-Seal:", "DomainKey-Signature:", "X-Relais-Trace:"};
    const char *p = line + strspn (line, " \t>");

    for (guint i = 0; i < G_N_ELEMENTS (names); i++)
        if (g_ascii_strncasecmp (p, names[i], strlen (names[i])) == 0)
            return true;
    return false;
}

static bool
is_separator (const char *line, gsize size, const char *next)
{
    g_autofree char *copy = g_strndup (line, MIN (size, (gsize)200));
    g_autofree char *valid = g_utf8_make_valid (copy, -1);
    g_autofree char *folded = bounce_text_fold (valid);

    if (!bounce_phrases_is_separator (folded))
        return false;
    next += strspn (next, " \t\n>-=*_");
    return strchr ("-=*_", folded[strspn (folded, " >")]) != NULL || is_field (next);
}

const char *
bounce_kind_find_original (const char *text, const char **end)
{
    for (const char *p = text; *p != '\0';) {
        const gsize size = strcspn (p, "\n");
        const char *next = p + size + (p[size] == '\n');

        *end = p;
        if (is_transport_field (p))
            return p;
        if (is_separator (p, size, next))
            return next + strspn (next, "\n");
        p = next;
    }
    return NULL;
}

/* --- Bounces ---------------------------------------------------------------------------------- */

static bool
has_field (const BounceReading *reading, const char *name)
{
    g_autofree char *value = bounce_mail_dup_field (reading->mail, name);

    return value != NULL;
}

static bool
field_has (const BounceReading *reading, const char *name, const char *const *words)
{
    g_autofree char *value = bounce_mail_dup_field (reading->mail, name);
    g_autofree char *folded = value != NULL ? bounce_text_fold (value) : NULL;

    return folded != NULL && bounce_text_has (folded, words);
}

static bool
is_from_daemon (const BounceReading *reading)
{
    static const char *const names[] = {"mailer-daemon",        "mail delivery",
                                        "mail system",          "mailer daemon",
                                        "maildelivery",         "delivery subsystem",
                                        "delivery system",      "postmaster",
                                        "system administrator", "microsoft outlook <",
                                        "mail administrator",   "interscan",
                                        "ndr administrator",    NULL};
    const char *address = reading->report->from;

    return (address != NULL && bounce_address_is_daemon (address)) ||
           bounce_text_has (reading->from, names);
}

static bool
is_from_nobody (const BounceReading *reading)
{
    g_autofree char *path = bounce_mail_dup_field (reading->mail, "Return-Path");

    return path != NULL && (strcmp (path, "<>") == 0 || *path == '\0' ||
                            g_ascii_strncasecmp (path, "<mailer-daemon", 14) == 0);
}

/* Most of the lines are quoted: somebody writes about something. */
static bool
is_quoted (const char *text)
{
    guint lines = 0, quoted = 0;

    for (const char *p = text; *p != '\0'; p += strcspn (p, "\n"), p += *p == '\n') {
        const char *first = p + strspn (p, " \t");

        lines += *first != '\n' && *first != '\0';
        quoted += *first == '>' && first[1] != '>';
    }
    return quoted > 0 && quoted * 3 >= lines;
}

static bool
has_reply (const BounceReading *reading)
{
    g_autofree char *status = bounce_status_dup_first (reading->text);
    guint code;

    return status != NULL || bounce_reply_find (reading->text, &code) != NULL;
}

/* A subject is anybody's: a bounce that neither a daemon nor a part shows comes from nobody or brings the original,
 * and not through a list. */
static bool
is_machine_made (const BounceReading *reading)
{
    if (has_field (reading, "List-Unsubscribe") || has_field (reading, "List-Id"))
        return false;
    return reading->returned != NULL || reading->tail != NULL || is_from_nobody (reading) ||
           has_field (reading, "Auto-Submitted");
}

bool
bounce_kind_is_bounce (const BounceReading *reading)
{
    static const char *const automatic[] = {"auto-replied", "auto-generated", "auto-notified",
                                            NULL};
    const bool answers = bounce_phrases_subject_answers (reading->subject);
    const bool daemon = is_from_daemon (reading);
    const bool is_reply =
        answers && (is_quoted (reading->text) || (!daemon && has_field (reading, "In-Reply-To")));
    const bool failed = has_field (reading, "X-Failed-Recipients");
    const bool subject = !answers && (bounce_phrases_subject_fails (reading->subject) ||
                                      bounce_phrases_subject_delays (reading->subject) ||
                                      bounce_phrases_subject_succeeds (reading->subject));
    guint proof = 0;

    if (!daemon && !failed && !reading->is_report &&
        (!subject || is_quoted (reading->text) || !is_machine_made (reading)))
        return false;
    if (is_reply && !failed && !reading->is_report)
        return false;
    proof += daemon ? 2 : 0;
    proof += failed || reading->is_report ? 3 : 0;
    proof += subject ? 2 : 0;
    proof += bounce_phrases_text_fails (reading->folded) ||
             bounce_phrases_text_delays (reading->folded) ||
             bounce_phrases_text_succeeds (reading->folded);
    proof += reading->returned != NULL || reading->tail != NULL;
    proof += has_reply (reading);
    proof += is_from_nobody (reading) || field_has (reading, "Auto-Submitted", automatic);
    return proof >= 4;
}

/* --- Machines that answer --------------------------------------------------------------------- */

static bool
subject_is_autoreply (const BounceReading *reading)
{
    static const char *const anywhere[] = {"out of office",
                                           "out of the office",
                                           "out-of-office",
                                           "automatic reply",
                                           "automated reply",
                                           "auto reply",
                                           "auto-reply",
                                           "autoreply",
                                           "auto response",
                                           "auto-response",
                                           "autoresponse",
                                           "automatic response",
                                           "automated response",
                                           "autoresponder",
                                           "vacation reply",
                                           "vacation message",
                                           "vacation notice",
                                           "on vacation",
                                           "on holiday",
                                           "away from my mail",
                                           "away from the office",
                                           "on leave",
                                           "abwesenheit",
                                           "automatische antwort",
                                           "automatische rückantwort",
                                           "nicht im büro",
                                           "réponse automatique",
                                           "absence du bureau",
                                           "absent du bureau",
                                           "message d'absence",
                                           "notification d'absence",
                                           "respuesta automática",
                                           "respuesta automatica",
                                           "fuera de la oficina",
                                           "fuera de oficina",
                                           "ausencia",
                                           "resposta automática",
                                           "resposta automatica",
                                           "fora do escritório",
                                           "ausência",
                                           "risposta automatica",
                                           "fuori sede",
                                           "fuori ufficio",
                                           "automatisch antwoord",
                                           "afwezig",
                                           "autosvar",
                                           "automatiskt svar",
                                           "automatisk svar",
                                           "frånvaro",
                                           "fravær",
                                           "automaattinen vastaus",
                                           "poissa",
                                           "odpowiedź automatyczna",
                                           "autoodpowiedź",
                                           "nieobecno",
                                           "automatická odpověď",
                                           "automatikus válasz",
                                           "automatyczna odpowied",
                                           "răspuns automat",
                                           "otomatik yanıt",
                                           "автоответ",
                                           "автоматический ответ",
                                           "отсутств",
                                           "自動返信",
                                           "自動応答",
                                           "不在",
                                           "自动回复",
                                           "自動回覆",
                                           "自动答复",
                                           "자동 응답",
                                           "자동 회신",
                                           "부재중",
                                           "αυτόματη απάντηση",
                                           "автоматична відповідь",
                                           "автоматичен отговор",
                                           "аутоматски одговор",
                                           "automatski odgovor",
                                           "samodejni odgovor",
                                           "automatická odpoveď",
                                           "automatinis atsakymas",
                                           "automātiskā atbilde",
                                           "automaatvastus",
                                           "resposta automàtica",
                                           "תשובה אוטומטית",
                                           "מענה אוטומטי",
                                           "رد تلقائي",
                                           "الرد التلقائي",
                                           "trả lời tự động",
                                           "balasan otomatis",
                                           "balasan automatik",
                                           "ตอบกลับอัตโนมัติ",
                                           "स्वचालित उत्तर",
                                           NULL};
    static const char *const first[] = {"auto:",  "autoreply", "auto re:", "absence",
                                        "absent", "ooo",       "[auto",    NULL};

    return bounce_text_has (reading->subject, anywhere) ||
           bounce_text_starts (reading->subject, first);
}

/* MDNs (RFC 8098) are acknowledgements too. */
static bool
is_receipt (const BounceReading *reading)
{
    const GPtrArray *parts = reading->mail->parts;

    for (guint i = 0; i < parts->len; i++)
        if (strcmp (bounce_mail_part (reading->mail, i)->type,
                    "message/disposition-notification") == 0)
            return true;
    return false;
}

bool
bounce_kind_is_autoreply (const BounceReading *reading, bool surely)
{
    static const char *const replied[] = {"auto-replied", NULL};
    static const char *const precedences[] = {"auto_reply", "auto-reply", "autoreply", NULL};
    static const char *const mailers[] = {"vacation", "autoresponder", "auto-reply", NULL};
    static const char *const names[] = {
        "X-Autoreply",      "X-Autorespond",         "X-Autoresponder",
        "X-Auto-Reply",     "X-Auto-Reply-From",     "X-Vacation",
        "X-Mail-Autoreply", "X-Autogenerated-Reply", "X-AutoReply-From"};
    const bool bounces =
        bounce_phrases_subject_fails (reading->subject) && is_from_daemon (reading);

    if (is_receipt (reading))
        return true;
    if (!surely)
        return field_has (reading, "Auto-Submitted", replied);
    if (reading->is_report || bounces || has_field (reading, "X-Failed-Recipients"))
        return false;
    for (guint i = 0; i < G_N_ELEMENTS (names); i++)
        if (has_field (reading, names[i]))
            return true;
    return subject_is_autoreply (reading) || field_has (reading, "Precedence", precedences) ||
           field_has (reading, "X-Mailer", mailers);
}

bool
bounce_kind_is_challenge (const BounceReading *reading)
{
    static const char *const agents[] = {"tmda", NULL};
    static const char *const froms[] = {"boxbe",  "spamarrest",  "spam arrest",  "bluebottle",
                                        "sendio", "mailinblack", "uol antispam", "antispam uol",
                                        "tmda",   NULL};
    static const char *const subjects[] = {"please confirm your message",
                                           "confirm your e-mail",
                                           "confirm your email",
                                           "confirm your message",
                                           "confirmation required",
                                           "verification required",
                                           "verify your message",
                                           "verify your e-mail",
                                           "verify your email",
                                           "sender verification",
                                           "action required to deliver",
                                           "(verification)",
                                           "[boxbe]",
                                           "boxbe",
                                           "message delivery confirmation",
                                           "please authenticate",
                                           "authentification requise",
                                           "veuillez confirmer",
                                           "veuillez vous authentifier",
                                           "bitte bestätigen",
                                           "confirme su mensaje",
                                           "confirme seu e-mail",
                                           "antispam uol",
                                           "conferma il tuo messaggio",
                                           "подтвердите",
                                           "requires verification",
                                           "bevestig uw",
                                           "potwierdź",
                                           "waiting for your confirmation",
                                           "送信者確認",
                                           "送信者の確認",
                                           "認証のお願い",
                                           "请确认",
                                           NULL};
    static const char *const texts[] = {"boxbe",
                                        "tmda",
                                        "spam arrest",
                                        "challenge",
                                        "reply to this message",
                                        "reply to this email",
                                        "click the link below",
                                        "click on the link",
                                        "to confirm",
                                        "to verify",
                                        "prove that you",
                                        "are a human",
                                        "are human",
                                        "not a robot",
                                        "whitelist",
                                        "guest list",
                                        "approved sender",
                                        "authenticate",
                                        "verify yourself",
                                        "one-time",
                                        "cliquez",
                                        "cliquer",
                                        "klicken",
                                        "haga clic",
                                        "clique",
                                        "нажмите",
                                        "fai clic",
                                        "klik op",
                                        "kliknij",
                                        "clicca",
                                        "クリック",
                                        "点击",
                                        NULL};

    if (reading->is_report || has_field (reading, "X-Failed-Recipients"))
        return false;
    if (has_field (reading, "X-TMDA-Fingerprint") || has_field (reading, "X-TMDA-Released") ||
        field_has (reading, "X-Delivery-Agent", agents) || field_has (reading, "X-Mailer", agents))
        return bounce_text_has (reading->folded, texts);
    return (bounce_text_has (reading->subject, subjects) ||
            bounce_text_has (reading->from, froms)) &&
           bounce_text_has (reading->folded, texts);
}
