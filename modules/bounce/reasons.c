/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The list of reasons. Sentences say what a person would do about it, so that a few words are enough. Any thread.
 */
#include "reasons.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#ifndef GETTEXT_PACKAGE
#define GETTEXT_PACKAGE "relais"
#endif

static const struct {
    const char *name, *meaning;
} REASONS[] = {
    {"no-such-user", N_ ("there is no such mailbox")},
    {"no-such-domain", N_ ("there is no such domain, or the server knows none of that name")},
    {"no-mail-domain", N_ ("the domain takes no mail")},
    {"mailbox-disabled", N_ ("the mailbox is there, but closed")},
    {"mailbox-full", N_ ("the mailbox is full")},
    {"mailbox-unavailable", N_ ("the mailbox takes no mail now, and it is not said why")},
    {"moved", N_ ("the address belongs to somebody else now, or has moved")},
    {"bad-address", N_ ("the address is not well-formed")},
    {"restricted", N_ ("the recipient takes mail of some senders alone")},
    {"blocklisted", N_ ("our address or domain is on a list")},
    {"reputation", N_ ("our address or domain has a bad name there")},
    {"rate-limited", N_ ("too much at once: mail, connections or recipients")},
    {"greylisted", N_ ("to be tried again after a while")},
    {"spf", N_ ("SPF does not allow our address")},
    {"dkim", N_ ("there is no DKIM signature that holds")},
    {"dmarc", N_ ("the author's domain is not vouched for (DMARC)")},
    {"unauthenticated",
     N_ ("nobody vouches for the sender, and it is not said which check failed")},
    {"no-ptr", N_ ("our address has no name, or a wrong one")},
    {"helo", N_ ("our name in EHLO is not liked")},
    {"sender-refused", N_ ("the envelope sender is not liked")},
    {"spam-content", N_ ("the mail was taken for spam")},
    {"virus", N_ ("the mail was taken for malware, or has an attachment that is not allowed")},
    {"too-large", N_ ("the mail is too large")},
    {"malformed", N_ ("the mail is not well-formed, or cannot be taken as it is")},
    {"policy", N_ ("a rule of the receiver's, not said which")},
    {"relaying-denied",
     N_ ("the server does not relay for us: it does not know the recipient's domain")},
    {"login-required", N_ ("the server wants a login")},
    {"tls-required", N_ ("TLS is wanted, or failed")},
    {"protocol-error", N_ ("a command was not understood")},
    {"server-trouble", N_ ("the server has trouble of its own: load, disk, configuration")},
    {"dns-failure", N_ ("a name could not be looked up")},
    {"connection-failed", N_ ("no connection, or it broke")},
    {"timeout", N_ ("it took too long: no answer, or the queue's time is over")},
    {"loop", N_ ("the mail goes round in circles")},
    {"unknown", N_ ("the reply does not tell")},
};

const char *
bounce_reason_nth (guint n, const char **meaning)
{
    *meaning = n < G_N_ELEMENTS (REASONS) ? _ (REASONS[n].meaning) : NULL;
    return n < G_N_ELEMENTS (REASONS) ? REASONS[n].name : NULL;
}

const char *
bounce_reason_find (const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS (REASONS); i++)
        if (strcmp (name, REASONS[i].name) == 0)
            return REASONS[i].name;
    return NULL;
}
