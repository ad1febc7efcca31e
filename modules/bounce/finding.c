/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a report says of a delivery, and how much of it counts. Pure; any thread.
 */
#include "link.h"

const char *
bounce_link_to_string (BounceLinkKind link)
{
    switch (link) {
    case BOUNCE_LINK_TOKEN: return "token";
    case BOUNCE_LINK_TRACE: return "trace";
    case BOUNCE_LINK_MESSAGE_ID: return "message-id";
    case BOUNCE_LINK_NONE: break;
    }
    return "none";
}

const char *
bounce_finding_event (const BounceReport *report)
{
    switch (report->kind) {
    case BOUNCE_REPORT_DSN:
    case BOUNCE_REPORT_FREETEXT: return "bounce";
    case BOUNCE_REPORT_FEEDBACK: return "complaint";
    case BOUNCE_REPORT_AUTOREPLY:
    case BOUNCE_REPORT_CHALLENGE:
    case BOUNCE_REPORT_OTHER: break;
    }
    return "autoreply";
}

static bool
is_same (const char *address, const char *recipient)
{
    return address != NULL && g_ascii_strcasecmp (address, recipient) == 0;
}

/* What an address that the recipient forwards to refuses may be about that one alone. */
RelaisSuppressClass
bounce_finding_class (const BounceReportRecipient *said, const BounceVerdict *verdict,
                      const char *recipient)
{
    const bool names_another = said != NULL && said->recipient != NULL &&
                               !is_same (said->recipient, recipient) &&
                               !is_same (said->original, recipient);

    return names_another && verdict->suppress == RELAIS_SUPPRESS_HARD ? RELAIS_SUPPRESS_SOFT
                                                                      : verdict->suppress;
}

static bool
names (const BounceReport *report, const char *recipient)
{
    for (guint i = 0; i < report->recipients->len; i++) {
        const BounceReportRecipient *said = g_ptr_array_index (report->recipients, i);

        if (is_same (said->recipient, recipient) || is_same (said->original, recipient))
            return true;
    }
    return false;
}

bool
bounce_finding_choose (const BounceReport *report, const RelaisDeliveries *deliveries,
                       guint32 *found)
{
    const guint32 n = relais_deliveries_n (deliveries);

    *found = 0;
    if (n == 1)
        return relais_deliveries_get_recipient (deliveries, 0) != NULL;
    for (guint32 i = 0; i < n; i++) {
        const char *recipient = relais_deliveries_get_recipient (deliveries, i);

        if (recipient != NULL && names (report, recipient)) {
            *found = i;
            return true;
        }
    }
    return false;
}
