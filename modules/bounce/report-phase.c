/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * At which command of the dialogue a report says that it was refused: what is said to MAIL is about the
 * sender and never about the recipient, whatever its words. Where a text tells of several commands nothing is
 * known. Pure; any thread.
 */
#include <string.h>

#include "report-reading.h"

/* As Postfix, Exim, Sendmail, qmail, dma, hMailServer, Yahoo and GMX write it; Sendmail's ">>> DATA" is no proof, as
 * it sends its commands in one go. */
static const struct {
    const char *phrase, *phase;
} PHRASES[] = {
    {"refused to talk to me", "banner"},
    {"initial server greeting", "banner"},
    {"after initial connection", "banner"},
    {"but greeting failed", "banner"},
    {"[greeting]", "banner"},
    {"in reply to helo", "ehlo"},
    {"in reply to ehlo", "ehlo"},
    {"after helo", "ehlo"},
    {"after ehlo", "ehlo"},
    {"like our helo", "ehlo"},
    {"like our ehlo", "ehlo"},
    {"but my name was rejected", "ehlo"},
    {"in reply to mail from", "mail"},
    {"after mail from", "mail"},
    {"after pipelined mail from", "mail"},
    {"like our mail from", "mail"},
    {"but sender was rejected", "mail"},
    {"server sent: mail from", "mail"},
    {">>> mail from", "mail"},
    {"[mail_from]", "mail"},
    {"in reply to rcpt to", "rcpt"},
    {"after rcpt to", "rcpt"},
    {"after pipelined rcpt to", "rcpt"},
    {"like our rcpt to", "rcpt"},
    {"does not like recipient", "rcpt"},
    {"server sent: rcpt to", "rcpt"},
    {">>> rcpt to", "rcpt"},
    {"[rcpt_to]", "rcpt"},
    {"in reply to data", "data"},
    {"after data", "data"},
    {"after pipelined data", "data"},
    {"failed on data command", "data"},
    {"in reply to end of data", "body"},
    {"after end of data", "body"},
    {"after pipelined end of data", "body"},
    {"failed after i sent the message", "body"},
    {"like our final data", "body"},
    {"[body]", "body"},
    {"server for ehlo command", "ehlo"},
    {"server for mail from command", "mail"},
    {"server for rcpt to command", "rcpt"},
    {"server for data command", "data"},
    {"server for text command", "body"},
};

const char *
bounce_phase_find (const char *folded)
{
    const char *found = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS (PHRASES); i++) {
        if (strstr (folded, PHRASES[i].phrase) == NULL)
            continue;
        if (found != NULL && strcmp (found, PHRASES[i].phase) != 0)
            return NULL;
        found = PHRASES[i].phase;
    }
    return found;
}
