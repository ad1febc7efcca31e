/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Mail that comes back: the addresses that it comes to, the tokens that say of which delivery it tells, and what
 * is made of it. Hooks on the loop, but rewrite and seal, which run on workers; configurations are
 * immutable.
 */
#pragma once

#include <relais/delivery.h>
#include <relais/event.h>
#include <relais/log.h>
#include <relais/timer.h>

#include "bounce.h"
#include "report.h"

/* --- link-config.c: which domains, addresses and reporters. ------------------------------------------------ */

/* The error says FILE:LINE, what is wrong and what was expected. */
BounceLinkConfig *bounce_link_config_new (RelaisConfig *config, GError **error);
void bounce_link_config_free (BounceLinkConfig *config);

/* Where what cannot be delivered of a message from `from` (header From, nullable) and of that tenant comes
 * back to; NULL if there is no such domain. */
const char *
bounce_link_domain (const BounceLinkConfig *config, const char *from, const char *tenant);
gint64 bounce_link_lifetime_us (const BounceLinkConfig *config);
/* Whether a letter to an address of a token is refused: nobody reads it. */
bool bounce_link_refuses_replies (const BounceLinkConfig *config);

typedef enum {
    BOUNCE_ADDRESS_FOREIGN,
    BOUNCE_ADDRESS_TOKEN, /* of one of our bounce domains; `*token` is set, owned */
    BOUNCE_ADDRESS_FEEDBACK
} BounceAddress;
BounceAddress
bounce_link_read_address (const BounceLinkConfig *config, const char *address, char **token);
/* Whether a reporter is believed what needs no token: a result of a check names its domain, and if the
 * configured item is an address, the report's header From is that. */
bool bounce_link_is_reporter (const BounceLinkConfig *config, const char *domain, const char *from);

/* --- outgoing.c: tokens for what goes out. ----------------------------------------------------------------- */

#define BOUNCE_PURPOSE_SENDER "bounce"
#define BOUNCE_PURPOSE_TRACE "trace"
/* Mail on its way in that will go out: has each recipient served alone where tokens are put in. */
void bounce_outgoing_message (RelaisHook *hook);
/* Hooks rewrite and seal. */
RelaisVerdict bounce_rewrite (RelaisHook *hook, gpointer data);
RelaisVerdict bounce_seal (RelaisHook *hook, gpointer data);

/* --- claim.c: who may write to these addresses. ------------------------------------------------------------ */

/* Of one transaction. */
typedef struct {
    BounceAddress address;   /* FOREIGN: there are recipients, none of them ours */
    RelaisDeliveryName name; /* TOKEN */
} BounceClaim;
/* Hook rcpt. */
RelaisVerdict bounce_rcpt (RelaisHook *hook, gpointer data);
/* NULL if the transaction's recipients are not ours. */
const BounceClaim *bounce_claim_get (RelaisHook *hook, const BounceModule *bounce);

/* --- finding.c: what a report says of a delivery. Pure. ---------------------------------------------------- */

/* How it was found. */
typedef enum {
    BOUNCE_LINK_NONE,
    BOUNCE_LINK_TOKEN, /* it came to the delivery's own address */
    BOUNCE_LINK_TRACE, /* it has the field that went out with it */
    BOUNCE_LINK_MESSAGE_ID
} BounceLinkKind;
const char *bounce_link_to_string (BounceLinkKind link);

/* What is evidence against the delivery's recipient of a verdict about what the report says (NULL: it names
 * nobody). */
RelaisSuppressClass bounce_finding_class (const BounceReportRecipient *said,
                                          const BounceVerdict *verdict, const char *recipient);
/* The delivery that a report without token tells of, among those with its Message-ID. */
bool bounce_finding_choose (const BounceReport *report, const RelaisDeliveries *deliveries,
                            guint32 *found);
/* Type of its event: "bounce", "complaint", "autoreply". */
const char *bounce_finding_event (const BounceReport *report);

/* --- returned.c ---------------------------------------------------------------------------------------------- */

/* Hook message. */
RelaisVerdict bounce_message (RelaisHook *hook, gpointer data);

/* --- The module's. --------------------------------------------------------------------------------------------- */

/* Hooks, counters and the slot of a transaction. */
bool bounce_link_init (BounceModule *bounce, GError **error);

/* A part of the module's one table of options; its user includes <glib/gi18n-lib.h>. */
#define BOUNCE_LINK_OPTIONS                                                                        \
    {"bounce",                                                                                     \
     "domain",                                                                                     \
     RELAIS_OPTION_STRING,                                                                         \
     RELAIS_OPTION_RELOADABLE | RELAIS_OPTION_TENANT,                                              \
     NULL,                                                                                         \
     0,                                                                                            \
     0,                                                                                            \
     NULL,                                                                                         \
     N_ ("Domain that undeliverable mail comes back to, one [domain NAME] of ours: the envelope "  \
         "sender of each recipient's mail becomes an address there. Unset: senders stay as they "  \
         "are.")},                                                                                 \
        {"domain",                                                                                 \
         "domain",                                                                                 \
         RELAIS_OPTION_STRING,                                                                     \
         RELAIS_OPTION_RELOADABLE,                                                                 \
         NULL,                                                                                     \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         N_ ("The same for mail whose header From is of this domain or below it, before the "      \
             "tenant's: below it, SPF stays aligned for DMARC.")},                                 \
        {"bounce",                                                                                 \
         "token_lifetime",                                                                         \
         RELAIS_OPTION_DURATION,                                                                   \
         RELAIS_OPTION_RELOADABLE,                                                                 \
         "30d",                                                                                    \
         G_GINT64_CONSTANT (3600000000),                                                           \
         G_GINT64_CONSTANT (2592000000000),                                                        \
         NULL,                                                                                     \
         N_ ("How long such an address takes mail.")},                                             \
        {"bounce",                                                                                 \
         "replies",                                                                                \
         RELAIS_OPTION_ENUM,                                                                       \
         RELAIS_OPTION_RELOADABLE,                                                                 \
         "refuse",                                                                                 \
         0,                                                                                        \
         0,                                                                                        \
         "refuse|discard",                                                                         \
         N_ ("What becomes of a letter from a person to such an address, which nobody reads: "     \
             "refuse tells the writer; discard takes it and drops it, with an event.")},           \
        {"bounce",                                                                                 \
         "feedback",                                                                               \
         RELAIS_OPTION_LIST,                                                                       \
         RELAIS_OPTION_RELOADABLE | RELAIS_OPTION_REPEAT,                                          \
         NULL,                                                                                     \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         N_ ("Addresses, of domains of ours, that complaints come to (feedback loops). Letters "   \
             "that are none, such as an enrolment, go on to the postmaster.")},                    \
    {                                                                                              \
        "bounce", "reporters", RELAIS_OPTION_LIST,                                                 \
            RELAIS_OPTION_RELOADABLE | RELAIS_OPTION_REPEAT, BOUNCE_REPORTERS, 0, 0, NULL,         \
            N_ ("Domains, or addresses, whose reports are believed by Message-ID alone where a "   \
                "check (spf, dkim, dmarc) shows that they are theirs. Others need a token of "     \
                "ours.")                                                                           \
    }

/* Those who send complaints; conf.d/bounce.conf says who they are. */
#define BOUNCE_REPORTERS                                                                           \
    "arf.mail.yahoo.com, staff@hotmail.com, comcastfbl.senderscore.net, fbl.cox.net, "             \
    "fbl.fastmail.com, fbl.hostedemail.com, fbl.apps.rackspace.com, fbl.synacor.com, "             \
    "fbl.usa.net, fbl.zoho.com, feedback.bluetie.com, feedback.postmaster.rr.com"
