/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Tables of codes. Many servers say 550 to anything, so a code that is used for more than one thing is about nobody:
 * it is better to ask once more than to give up a living address.
 */
#include "codes.h"

#define P RELAIS_PERMANENCE_PERMANENT
#define T RELAIS_PERMANENCE_TEMPORARY
#define CLASS RELAIS_PERMANENCE_UNKNOWN /* as the first digit has it */

/* Details of subjects; the first row of its subject and of `from` to `to` counts. */
static const struct {
    guint8 subject;
    guint16 from, to;
    RelaisBounceScope scope;
    RelaisBouncePermanence permanence;
    RelaisSuppressClass suppress; /* if it is permanent */
    const char *reason;
} ENHANCED[] = {
    {1, 1, 1, RELAIS_BOUNCE_RECIPIENT, CLASS, RELAIS_SUPPRESS_HARD, "no-such-user"},
    {1, 2, 2, RELAIS_BOUNCE_DOMAIN, CLASS, RELAIS_SUPPRESS_HARD, "no-such-domain"},
    {1, 3, 3, RELAIS_BOUNCE_RECIPIENT, CLASS, RELAIS_SUPPRESS_HARD, "bad-address"},
    {1, 4, 4, RELAIS_BOUNCE_RECIPIENT, CLASS, RELAIS_SUPPRESS_SOFT, "bad-address"},
    {1, 6, 6, RELAIS_BOUNCE_RECIPIENT, CLASS, RELAIS_SUPPRESS_HARD, "moved"},
    {1, 7, 9, RELAIS_BOUNCE_POLICY, CLASS, RELAIS_SUPPRESS_NONE, "sender-refused"},
    {1, 10, 10, RELAIS_BOUNCE_DOMAIN, CLASS, RELAIS_SUPPRESS_HARD, "no-mail-domain"},
    {2, 1, 1, RELAIS_BOUNCE_RECIPIENT, CLASS, RELAIS_SUPPRESS_HARD, "mailbox-disabled"},
    {2, 2, 2, RELAIS_BOUNCE_QUOTA, T, RELAIS_SUPPRESS_NONE, "mailbox-full"},
    {2, 3, 3, RELAIS_BOUNCE_CONTENT, CLASS, RELAIS_SUPPRESS_NONE, "too-large"},
    {2, 4, 4, RELAIS_BOUNCE_POLICY, CLASS, RELAIS_SUPPRESS_NONE, "server-trouble"},
    {3, 0, 2, RELAIS_BOUNCE_NETWORK, CLASS, RELAIS_SUPPRESS_NONE, "server-trouble"},
    {3, 3, 3, RELAIS_BOUNCE_NETWORK, CLASS, RELAIS_SUPPRESS_NONE, "protocol-error"},
    {3, 4, 4, RELAIS_BOUNCE_CONTENT, CLASS, RELAIS_SUPPRESS_NONE, "too-large"},
    {3, 5, 5, RELAIS_BOUNCE_NETWORK, CLASS, RELAIS_SUPPRESS_NONE, "server-trouble"},
    {4, 1, 2, RELAIS_BOUNCE_NETWORK, CLASS, RELAIS_SUPPRESS_NONE, "connection-failed"},
    {4, 3, 4, RELAIS_BOUNCE_NETWORK, CLASS, RELAIS_SUPPRESS_NONE, "dns-failure"},
    {4, 5, 5, RELAIS_BOUNCE_NETWORK, CLASS, RELAIS_SUPPRESS_NONE, "server-trouble"},
    {4, 6, 6, RELAIS_BOUNCE_NETWORK, CLASS, RELAIS_SUPPRESS_NONE, "loop"},
    {4, 7, 7, RELAIS_BOUNCE_NETWORK, T, RELAIS_SUPPRESS_NONE, "timeout"},
    {5, 1, 2, RELAIS_BOUNCE_NETWORK, CLASS, RELAIS_SUPPRESS_NONE, "protocol-error"},
    {5, 3, 3, RELAIS_BOUNCE_POLICY, T, RELAIS_SUPPRESS_NONE, "rate-limited"},
    {5, 4, 6, RELAIS_BOUNCE_NETWORK, CLASS, RELAIS_SUPPRESS_NONE, "protocol-error"},
    {6, 0, 999, RELAIS_BOUNCE_CONTENT, CLASS, RELAIS_SUPPRESS_NONE, "malformed"},
    {7, 7, 7, RELAIS_BOUNCE_CONTENT, CLASS, RELAIS_SUPPRESS_NONE, "malformed"},
    {7, 8, 9, RELAIS_BOUNCE_LOCAL, CLASS, RELAIS_SUPPRESS_NONE, "login-required"},
    {7, 10, 11, RELAIS_BOUNCE_LOCAL, CLASS, RELAIS_SUPPRESS_NONE, "tls-required"},
    {7, 17, 18, RELAIS_BOUNCE_RECIPIENT, CLASS, RELAIS_SUPPRESS_HARD, "moved"},
    {7, 20, 22, RELAIS_BOUNCE_AUTH, CLASS, RELAIS_SUPPRESS_NONE, "dkim"},
    {7, 23, 24, RELAIS_BOUNCE_AUTH, CLASS, RELAIS_SUPPRESS_NONE, "spf"},
    {7, 25, 25, RELAIS_BOUNCE_AUTH, CLASS, RELAIS_SUPPRESS_NONE, "no-ptr"},
    {7, 26, 26, RELAIS_BOUNCE_AUTH, CLASS, RELAIS_SUPPRESS_NONE, "unauthenticated"},
    {7, 27, 27, RELAIS_BOUNCE_POLICY, CLASS, RELAIS_SUPPRESS_NONE, "sender-refused"},
    {7, 28, 28, RELAIS_BOUNCE_POLICY, T, RELAIS_SUPPRESS_NONE, "rate-limited"},
    {7, 29, 29, RELAIS_BOUNCE_AUTH, CLASS, RELAIS_SUPPRESS_NONE, "unauthenticated"},
    {7, 30, 30, RELAIS_BOUNCE_POLICY, CLASS, RELAIS_SUPPRESS_NONE, "tls-required"},
    {7, 0, 999, RELAIS_BOUNCE_POLICY, CLASS, RELAIS_SUPPRESS_NONE, "policy"},
};

/* Codes that mean one thing wherever they come. */
static const struct {
    guint code;
    RelaisBounceScope scope;
    RelaisBouncePermanence permanence;
    RelaisSuppressClass suppress;
    const char *reason;
} CODES[] = {
    {421, RELAIS_BOUNCE_NETWORK, T, RELAIS_SUPPRESS_NONE, "server-trouble"},
    {500, RELAIS_BOUNCE_NETWORK, P, RELAIS_SUPPRESS_NONE, "protocol-error"},
    {501, RELAIS_BOUNCE_NETWORK, P, RELAIS_SUPPRESS_NONE, "protocol-error"},
    {502, RELAIS_BOUNCE_NETWORK, P, RELAIS_SUPPRESS_NONE, "protocol-error"},
    {503, RELAIS_BOUNCE_NETWORK, P, RELAIS_SUPPRESS_NONE, "protocol-error"},
    {504, RELAIS_BOUNCE_NETWORK, P, RELAIS_SUPPRESS_NONE, "protocol-error"},
    {521, RELAIS_BOUNCE_NETWORK, P, RELAIS_SUPPRESS_NONE, "no-mail-domain"},
    {523, RELAIS_BOUNCE_CONTENT, P, RELAIS_SUPPRESS_NONE, "too-large"},
    {530, RELAIS_BOUNCE_LOCAL, P, RELAIS_SUPPRESS_NONE, "login-required"},
    {534, RELAIS_BOUNCE_LOCAL, P, RELAIS_SUPPRESS_NONE, "login-required"},
    {535, RELAIS_BOUNCE_LOCAL, P, RELAIS_SUPPRESS_NONE, "login-required"},
    {538, RELAIS_BOUNCE_LOCAL, P, RELAIS_SUPPRESS_NONE, "tls-required"},
    {555, RELAIS_BOUNCE_NETWORK, P, RELAIS_SUPPRESS_NONE, "protocol-error"},
    {556, RELAIS_BOUNCE_DOMAIN, P, RELAIS_SUPPRESS_HARD, "no-mail-domain"},
};

RelaisBouncePermanence
bounce_codes_permanence (const RepliesView *view)
{
    const guint klass = view->code != 0 ? view->code / 100 : view->has_enhanced ? view->klass : 0;

    return klass == 5 ? P : klass == 4 ? T : RELAIS_PERMANENCE_UNKNOWN;
}

bool
bounce_codes_names_recipient (const RepliesView *view)
{
    return view->phase < 0 || view->phase >= REPLIES_PHASE_RCPT;
}

/* What a refusal is about by its place alone: before a name was said it is about who came, then about the sender, and
 * once all recipients were taken about the mail. A refusal of a recipient may have any cause. */
static void
judge_phase (const RepliesView *view, BounceVerdict *verdict)
{
    if (verdict->permanence != P)
        return;
    if (view->phase == REPLIES_PHASE_CONNECT || view->phase == REPLIES_PHASE_BANNER)
        verdict->scope = RELAIS_BOUNCE_IP;
    else if (view->phase == REPLIES_PHASE_EHLO || view->phase == REPLIES_PHASE_MAIL)
        verdict->scope = RELAIS_BOUNCE_POLICY;
    else if (view->phase == REPLIES_PHASE_BODY)
        verdict->scope = RELAIS_BOUNCE_CONTENT;
}

/* Only what is certain for ever is evidence, and only where there is a recipient. */
static void
settle (const RepliesView *view, BounceVerdict *verdict)
{
    const bool about_recipient = verdict->scope == RELAIS_BOUNCE_RECIPIENT ||
                                 verdict->scope == RELAIS_BOUNCE_DOMAIN ||
                                 verdict->scope == RELAIS_BOUNCE_QUOTA;

    if (about_recipient && !bounce_codes_names_recipient (view)) {
        verdict->scope = RELAIS_BOUNCE_UNKNOWN;
        verdict->reason = "unknown";
    }
    if (verdict->scope == RELAIS_BOUNCE_UNKNOWN || verdict->permanence != P)
        verdict->suppress = RELAIS_SUPPRESS_NONE;
}

static bool
judge_enhanced (const RepliesView *view, BounceVerdict *verdict)
{
    for (guint i = 0; view->has_enhanced && i < G_N_ELEMENTS (ENHANCED); i++) {
        if (ENHANCED[i].subject != view->subject || view->detail < ENHANCED[i].from ||
            view->detail > ENHANCED[i].to)
            continue;
        verdict->scope = ENHANCED[i].scope;
        verdict->reason = ENHANCED[i].reason;
        verdict->suppress = ENHANCED[i].suppress;
        verdict->rule = "enhanced";
        if (ENHANCED[i].permanence != CLASS)
            verdict->permanence = ENHANCED[i].permanence;
        return true;
    }
    return false;
}

static void
judge_code (const RepliesView *view, BounceVerdict *verdict)
{
    for (guint i = 0; i < G_N_ELEMENTS (CODES); i++) {
        if (CODES[i].code != view->code)
            continue;
        verdict->scope = CODES[i].scope;
        verdict->permanence = CODES[i].permanence;
        verdict->suppress = CODES[i].suppress;
        verdict->reason = CODES[i].reason;
    }
}

void
bounce_codes_judge (const RepliesView *view, BounceVerdict *verdict)
{
    *verdict = (BounceVerdict){.permanence = bounce_codes_permanence (view),
                               .suppress = RELAIS_SUPPRESS_NONE,
                               .action = BOUNCE_ACTION_KEEP,
                               .reason = "unknown",
                               .rule = "code"};
    if (!judge_enhanced (view, verdict))
        judge_code (view, verdict);
    settle (view, verdict);
    if (verdict->scope == RELAIS_BOUNCE_UNKNOWN)
        judge_phase (view, verdict);
}
