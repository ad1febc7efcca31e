/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Notices of Amazon SES as SNS sends them by mail: one JSON object, which is the whole text but for a footer. Pure,
 * linear, bounded; any thread.
 */
#include <string.h>

#include "json.h"
#include "report-reading.h"
#include "report-words.h"

/* Which notices there are, and in which of their members the recipients stand. */
static const struct {
    const char *type, *object, *recipients;
    BounceReportKind kind;
    BounceReportAction action;
} NOTICES[] = {
    {"Bounce", "bounce", "bouncedRecipients", BOUNCE_REPORT_FREETEXT, BOUNCE_REPORT_FAILED},
    {"Complaint", "complaint", "complainedRecipients", BOUNCE_REPORT_FEEDBACK,
     BOUNCE_REPORT_FAILED},
    {"DeliveryDelay", "deliveryDelay", "delayedRecipients", BOUNCE_REPORT_FREETEXT,
     BOUNCE_REPORT_DELAYED},
    {"Delivery", "delivery", "recipients", BOUNCE_REPORT_FREETEXT, BOUNCE_REPORT_DELIVERED},
};

/* "dsn; name" */
static const char *
behind_type (const char *value)
{
    const gsize size = strcspn (value, "; ");

    return size < 10 && value[size] == ';' ? value + size + 1 + strspn (value + size + 1, " ")
                                           : value;
}

static void
set_diagnostic (BounceReportRecipient *recipient, const char *value)
{
    const char *text = behind_type (value);
    guint code;

    bounce_report_set_diagnostic (recipient, text, strlen (text),
                                  bounce_reply_find (text, &code) == text);
}

static void
replace (char **to, const char *value)
{
    if (*to == NULL && value != NULL && *value != '\0')
        *to = bounce_text_clean (value, -1, false);
}

/* --- Recipients ------------------------------------------------------------------------------- */

static BounceReportRecipient *
add_address (BounceReading *reading, const char *text, BounceReportAction action)
{
    char *address = text != NULL ? bounce_address_dup_first (text) : NULL;
    BounceReportRecipient *recipient =
        address != NULL ? bounce_report_add (reading, address) : NULL;

    if (recipient != NULL)
        recipient->action = action;
    return recipient;
}

static void
add_recipient (BounceReading *reading, JsonObject *said, BounceReportAction action)
{
    const char *status = replies_json_string (said, "status");
    const char *diagnostic = replies_json_string (said, "diagnosticCode");
    const char *word = replies_json_string (said, "action");
    BounceReportRecipient *recipient =
        add_address (reading, replies_json_string (said, "emailAddress"), action);

    if (recipient == NULL)
        return;
    if (status != NULL && recipient->status == NULL && bounce_status_size (status) > 0)
        recipient->status = g_strndup (status, bounce_status_size (status));
    if (word != NULL && g_ascii_strcasecmp (word, "delayed") == 0)
        recipient->action = BOUNCE_REPORT_DELAYED;
    if (diagnostic != NULL)
        set_diagnostic (recipient, diagnostic);
}

static void
add_recipients (BounceReading *reading, JsonArray *array, BounceReportAction action)
{
    for (guint i = 0; array != NULL && i < json_array_get_length (array); i++) {
        JsonNode *node = json_array_get_element (array, i);

        if (JSON_NODE_HOLDS_OBJECT (node))
            add_recipient (reading, json_node_get_object (node), action);
        else if (JSON_NODE_HOLDS_VALUE (node))
            add_address (reading, json_node_get_string (node), action);
    }
}

/* A bounce's type is all that is said where nobody's reply is passed on: "Transient MailboxFull". */
static void
add_type (BounceReport *report, JsonObject *said)
{
    const char *type = replies_json_string (said, "bounceType");
    const char *kind = replies_json_string (said, "bounceSubType");
    g_autofree char *words =
        type != NULL && kind != NULL ? g_strdup_printf ("%s %s", type, kind) : NULL;

    for (guint i = 0; words != NULL && i < report->recipients->len; i++) {
        BounceReportRecipient *recipient = g_ptr_array_index (report->recipients, i);

        if (recipient->diagnostic != NULL)
            continue;
        bounce_report_set_diagnostic (recipient, words, strlen (words), false);
        if (recipient->status == NULL && g_ascii_strcasecmp (type, "Transient") == 0)
            recipient->status = g_strdup ("4.0.0");
    }
}

/* A delivery has one reply for all. */
static void
add_response (BounceReport *report, const char *response)
{
    for (guint i = 0; response != NULL && i < report->recipients->len; i++) {
        BounceReportRecipient *recipient = g_ptr_array_index (report->recipients, i);

        if (recipient->diagnostic == NULL)
            bounce_report_set_diagnostic (recipient, response, strlen (response), true);
    }
}

/* --- The original ----------------------------------------------------------------------------- */

static void
take_mail (BounceReport *report, JsonObject *mail)
{
    JsonArray *headers = replies_json_array (mail, "headers");

    replace (&report->sender, replies_json_string (mail, "source"));
    for (guint i = 0; headers != NULL && i < json_array_get_length (headers); i++) {
        JsonNode *node = json_array_get_element (headers, i);
        JsonObject *field = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
        const char *name = replies_json_string (field, "name");

        if (name == NULL)
            continue;
        if (g_ascii_strcasecmp (name, "Message-ID") == 0)
            replace (&report->message_id, replies_json_string (field, "value"));
        else if (g_ascii_strcasecmp (name, "X-Relais-Trace") == 0)
            replace (&report->trace, replies_json_string (field, "value"));
    }
}

/* --- The notice ------------------------------------------------------------------------------- */

static void
take_notice (BounceReading *reading, JsonObject *notice, gsize which)
{
    BounceReport *report = reading->report;
    JsonObject *said = replies_json_object (notice, NOTICES[which].object);
    const char *mta = replies_json_string (said, "reportingMTA");
    const char *type = replies_json_string (said, "complaintFeedbackType");

    report->kind = NOTICES[which].kind;
    if (report->kind == BOUNCE_REPORT_FEEDBACK)
        report->feedback_type = g_ascii_strdown (type != NULL ? type : "abuse", -1);
    replace (&report->reporting_mta, mta != NULL ? behind_type (mta) : NULL);
    add_recipients (reading, replies_json_array (said, NOTICES[which].recipients),
                    NOTICES[which].action);
    add_type (report, said);
    add_response (report, replies_json_string (said, "smtpResponse"));
    take_mail (report, replies_json_object (notice, "mail"));
}

/* Notices of other kinds (sends, opens) are letters. */
bool
bounce_notice_read (BounceReading *reading)
{
    g_autoptr (JsonNode) root =
        replies_json_read (reading->text + strspn (reading->text, " \t\n"), NULL);
    JsonObject *notice = root != NULL ? json_node_get_object (root) : NULL;
    const char *type = replies_json_string (notice, "notificationType");

    if (type == NULL)
        type = replies_json_string (notice, "eventType");
    for (gsize i = 0; type != NULL && i < G_N_ELEMENTS (NOTICES); i++)
        if (g_ascii_strcasecmp (type, NOTICES[i].type) == 0) {
            take_notice (reading, notice, i);
            return true;
        }
    return false;
}
