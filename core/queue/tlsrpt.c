/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The counts over days and restarts, and the sending: some time after a day's end each domain's record is looked up;
 * without one its counts are dropped, with one its targets are tried in order until one has the report. What fails is
 * tried again each hour for a day. Loop thread.
 *
 *   (day over) -> RECORD -> target: mail into the queue | POST -> done, or the next target -> (an hour) RECORD
 */
#include "config.h"

#include "queue/tlsrpt-private.h"

#include "message/header-private.h"
#include "queue/keep-private.h"
#include "smtp/server-settings-private.h"
#include "smtp/state-file-private.h"

#include <string.h>

static const gint64 LOOK_US = 10 * RELAIS_USEC_PER_MIN;
static const gint64 RETRY_US = RELAIS_USEC_PER_HOUR;
static const gint64 SAVE_US = 30 * RELAIS_USEC_PER_SEC;
static const gint64 POST_US = RELAIS_USEC_PER_MIN;
enum { ATTEMPTS = 24, SENDINGS = 10, SPREAD_S = 3600 };

struct RelaisTlsrpt {
    RelaisTlsrptOptions options;
    RelaisTallySubmitter submitter;
    RelaisQueue *queue;
    RelaisTally *tally;
    RelaisStateFile *file;
    RelaisTimer timer;
    GQueue sendings; /* Sending */
    bool stopped;
};

typedef struct {
    RelaisTlsrpt *tlsrpt;
    RelaisTallyDay *day; /* it stays while it is under way */
    char **targets;
    guint next;
    GBytes *report;
    RelaisDnsQuery *query;
    RelaisFetch *fetch;
    bool keeping; /* the queue has it and will tell */
    GList place;
} Sending;

static void try_next (Sending *sending);

/* --- Counting ----------------------------------------------------------------------------------- */

static gint64
today (const RelaisTlsrpt *tlsrpt)
{
    return relais_loop_wall_us (tlsrpt->options.loop) / RELAIS_USEC_PER_DAY;
}

void
relais_tlsrpt_count (RelaisTlsrpt *tlsrpt, RelaisTallyNote *note)
{
    note->day = today (tlsrpt);
    relais_tally_note (tlsrpt->tally, note);
    relais_state_file_mark (tlsrpt->file);
}

const RelaisTally *
relais_tlsrpt_tally (const RelaisTlsrpt *tlsrpt)
{
    return tlsrpt->tally;
}

/* --- The end of a sending ----------------------------------------------------------------------- */

static void
sending_free (Sending *sending)
{
    g_queue_unlink (&sending->tlsrpt->sendings, &sending->place);
    relais_dns_cancel (sending->query);
    relais_fetcher_drop (sending->fetch);
    g_strfreev (sending->targets);
    g_clear_pointer (&sending->report, g_bytes_unref);
    g_free (sending);
}

static void
finish (Sending *sending)
{
    RelaisTlsrpt *tlsrpt = sending->tlsrpt;

    relais_tally_drop (tlsrpt->tally, sending->day);
    relais_state_file_mark (tlsrpt->file);
    sending_free (sending);
}

static void
fail (Sending *sending, const char *text)
{
    RelaisTlsrpt *tlsrpt = sending->tlsrpt;
    RelaisTallyDay *day = sending->day;

    day->under_way = false;
    day->next_us = relais_loop_wall_us (tlsrpt->options.loop) + RETRY_US;
    if (++day->attempts < ATTEMPTS) {
        relais_state_file_mark (tlsrpt->file);
        sending_free (sending);
        return;
    }
    g_message ("the TLS report for %s is given up: %s", day->domain, text);
    finish (sending);
}

/* --- By mail ------------------------------------------------------------------------------------ */

/* Whose mail is from that domain, so that it is signed as theirs is. */
static const char *
tenant_of (const RelaisTlsrpt *tlsrpt)
{
    const RelaisConfig *config = tlsrpt->queue->config;

    for (guint i = 0; i < relais_config_n_sections (tlsrpt->queue->config, "tenant"); i++) {
        const char *name = relais_section_get_name (
            relais_config_nth_section (tlsrpt->queue->config, "tenant", i));

        if (relais_server_config_tenant_owns (config, name, tlsrpt->options.contact))
            return name;
    }
    return NULL;
}

static void
on_kept (gpointer data, const RelaisMessage *message, const GError *error)
{
    Sending *sending = data;

    sending->keeping = false;
    if (sending->tlsrpt->stopped) {
        sending->day->under_way = false;
        if (error == NULL)
            finish (sending);
        else
            sending_free (sending);
    } else if (error == NULL)
        finish (sending);
    else
        try_next (sending);
}

static void
send_mail (Sending *sending, const char *to)
{
    RelaisTlsrpt *tlsrpt = sending->tlsrpt;
    g_autofree char *date = relais_date_to_string (relais_loop_wall_us (tlsrpt->options.loop));
    g_autofree char *message_id = NULL;
    g_autoptr (GBytes) bytes = NULL;
    const RelaisOwnMail mail = {.id = relais_spool_new_id (tlsrpt->queue->spool),
                                .to = to,
                                .from = tlsrpt->options.contact,
                                .tenant = tenant_of (tlsrpt),
                                .about_key = "tls_report_of",
                                .about = sending->day->domain};
    char text[RELAIS_ID_TEXT_BYTES];

    relais_id_to_text (mail.id, text);
    message_id = g_strdup_printf ("<%s.tlsrpt@%s>", text, tlsrpt->options.hostname);
    bytes =
        relais_tally_mail (sending->day, &tlsrpt->submitter, sending->report, to, date, message_id);
    sending->keeping = true;
    relais_queue_keep_own (tlsrpt->queue, &mail, bytes, on_kept, sending);
}

/* --- By HTTPS ----------------------------------------------------------------------------------- */

static void
on_posted (const RelaisFetchResult *result, gpointer data)
{
    Sending *sending = data;

    sending->fetch = NULL;
    if (sending->tlsrpt->stopped)
        return;
    if (result->outcome == RELAIS_FETCH_OK && result->status >= 200 && result->status < 300)
        finish (sending);
    else
        try_next (sending);
}

static void
post (Sending *sending, const char *url)
{
    static const char *const headers[] = {"Content-Type: application/tlsrpt+gzip", NULL};
    const RelaisFetchInfo info = {.struct_size = sizeof info,
                                  .url = url,
                                  .headers = headers,
                                  .body = sending->report,
                                  .timeout_us = POST_US};

    sending->fetch =
        relais_fetcher_start (sending->tlsrpt->options.fetcher, &info, on_posted, sending);
    if (sending->fetch == NULL)
        try_next (sending);
}

/* --- Sending ------------------------------------------------------------------------------------ */

static void
try_next (Sending *sending)
{
    const char *target = sending->targets[sending->next];

    if (target == NULL || sending->tlsrpt->queue == NULL) {
        fail (sending, "no target takes it");
        return;
    }
    sending->next++;
    if (g_ascii_strncasecmp (target, "mailto:", 7) == 0)
        send_mail (sending, target + 7);
    else
        post (sending, target);
}

static void
on_record (gpointer data, const RelaisDnsAnswer *answer)
{
    Sending *sending = data;

    sending->query = NULL;
    if (answer->outcome == RELAIS_DNS_TEMPORARY || answer->outcome == RELAIS_DNS_BOGUS) {
        fail (sending, "its record cannot be looked up");
        return;
    }
    sending->targets = relais_tlsrpt_answer_targets (answer);
    if (sending->targets == NULL) { /* nobody wants one */
        finish (sending);
        return;
    }
    sending->report = relais_tally_report (sending->day, &sending->tlsrpt->submitter);
    try_next (sending);
}

static void
begin (RelaisTlsrpt *tlsrpt, RelaisTallyDay *day)
{
    Sending *sending = g_new0 (Sending, 1);
    g_autofree char *name = g_strdup_printf ("_smtp._tls.%s", day->domain);

    sending->tlsrpt = tlsrpt;
    sending->day = day;
    sending->place.data = sending;
    day->under_way = true;
    g_queue_push_tail_link (&tlsrpt->sendings, &sending->place);
    sending->query =
        relais_dns_query (tlsrpt->options.dns, name, RELAIS_DNS_TXT, on_record, sending);
}

/* Not all at midnight (section 4.1): each domain has its own time in the hour behind it. */
static bool
is_due (const RelaisTlsrpt *tlsrpt, const RelaisTallyDay *day)
{
    const gint64 now = relais_loop_wall_us (tlsrpt->options.loop);
    const gint64 own_us = (gint64)(g_str_hash (day->domain) % SPREAD_S) * RELAIS_USEC_PER_SEC;

    return !day->under_way && now >= (day->day + 1) * RELAIS_USEC_PER_DAY + own_us &&
           now >= day->next_us;
}

static void
on_timer (gpointer data)
{
    RelaisTlsrpt *tlsrpt = data;
    g_autoptr (GList) days = relais_tally_days (tlsrpt->tally);

    for (GList *link = days; link != NULL && tlsrpt->queue != NULL; link = link->next)
        if (tlsrpt->sendings.length < SENDINGS && is_due (tlsrpt, link->data))
            begin (tlsrpt, link->data);
    relais_timer_set (&tlsrpt->timer,
                      tlsrpt->sendings.length < SENDINGS ? LOOK_US : RELAIS_USEC_PER_SEC);
}

/* --- Life --------------------------------------------------------------------------------------- */

static GString *
make_text (gpointer data)
{
    return relais_tally_to_text (((RelaisTlsrpt *)data)->tally);
}

static void
read_kept (RelaisTlsrpt *tlsrpt)
{
    g_autofree char *text = relais_state_file_read (tlsrpt->file);
    const guint n_bad = text != NULL ? relais_tally_add_text (tlsrpt->tally, text) : 0;

    if (n_bad > 0)
        g_warning ("%u lines of what was counted for TLS reports cannot be read", n_bad);
}

RelaisTlsrpt *
relais_tlsrpt_new (const RelaisTlsrptOptions *options)
{
    RelaisTlsrpt *tlsrpt = g_new0 (RelaisTlsrpt, 1);
    const RelaisStateFileOptions file = {
        .loop = options->loop,
        .pool = options->pool,
        .path = options->path,
        .first_line = "relais-tls-reports 1",
        .lost = "what was counted for TLS reports is lost",
        .delay_us = SAVE_US,
        .text = make_text,
        .data = tlsrpt,
    };

    tlsrpt->options = *options;
    tlsrpt->options.path = g_strdup (options->path);
    tlsrpt->options.hostname = g_strdup (options->hostname);
    tlsrpt->options.contact = tlsrpt->options.organization = NULL;
    relais_tlsrpt_use (tlsrpt, options->contact, options->organization);
    tlsrpt->tally = relais_tally_new ();
    tlsrpt->file = relais_state_file_new (&file);
    relais_timer_init (&tlsrpt->timer, options->loop, on_timer, tlsrpt);
    read_kept (tlsrpt);
    relais_timer_set (&tlsrpt->timer, LOOK_US);
    return tlsrpt;
}

void
relais_tlsrpt_use (RelaisTlsrpt *tlsrpt, const char *contact, const char *organization)
{
    RelaisTlsrptOptions *options = &tlsrpt->options;

    g_free ((gpointer)options->contact);
    g_free ((gpointer)options->organization);
    options->contact = g_strdup (contact);
    options->organization = g_strdup (organization != NULL ? organization : options->hostname);
    tlsrpt->submitter =
        (RelaisTallySubmitter){options->organization, options->contact, options->hostname};
}

void
relais_tlsrpt_set_queue (RelaisTlsrpt *tlsrpt, RelaisQueue *queue)
{
    tlsrpt->queue = queue;
}

/* What the queue is keeping ends when that does. */
void
relais_tlsrpt_stop (RelaisTlsrpt *tlsrpt)
{
    tlsrpt->stopped = true;
    relais_timer_stop (&tlsrpt->timer);
    for (GList *link = tlsrpt->sendings.head, *next; link != NULL; link = next) {
        Sending *sending = link->data;

        next = link->next;
        if (!sending->keeping) {
            sending->day->under_way = false;
            sending_free (sending);
        }
    }
}

void
relais_tlsrpt_free (RelaisTlsrpt *tlsrpt)
{
    if (tlsrpt == NULL)
        return;
    relais_tlsrpt_stop (tlsrpt);
    g_assert (tlsrpt->sendings.length == 0);
    relais_state_file_free (tlsrpt->file);
    relais_tally_free (tlsrpt->tally);
    g_free ((gpointer)tlsrpt->options.path);
    g_free ((gpointer)tlsrpt->options.contact);
    g_free ((gpointer)tlsrpt->options.organization);
    g_free ((gpointer)tlsrpt->options.hostname);
    g_free (tlsrpt);
}
