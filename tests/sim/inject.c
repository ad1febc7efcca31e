/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The campaigns: messages handed to Relais by SMTP, over a few sessions for each tenant's listener. A session that
 * waits for an answer keeps the clock where it is, so all that goes in at a moment goes in at that moment.
 *
 * A message whose session broke is handed in once more: nobody knows its fate, so it may come twice.
 */
#include "config.h"

#include "internet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { INPUT_BYTES = 4096 };

typedef enum { CLOSED, BANNER, EHLO, READY, ENVELOPE, BODY } State;

typedef struct {
    SimCampaign *campaign;
    SimProvider *provider;
    gint64 number;
} Job;

typedef struct {
    SimWatch watch; /* first */
    SimTenant *tenant;
    State state;
    int fd;
    guint owed; /* replies */
    bool refused;
    Job job; /* campaign NULL: none */
    gsize filled;
    char input[INPUT_BYTES];
    GString *out;
} Session;

/* What is to be handed in once more. */
static GArray *again; /* Job */

/* --- What is next ----------------------------------------------------------------------------- */

static gint64
stream_due (const SimCampaign *campaign, gint64 at_us)
{
    const SimLimit *rate = &campaign->rate.limits[0];
    const gint64 passed = at_us - campaign->at_us;

    return MIN (campaign->messages,
                (gint64)((double)passed * (double)rate->n / (double)rate->period_us) + 1);
}

/* That is furthest behind its part of the stream. */
static SimProvider *
next_of_stream (const Sim *sim, const SimCampaign *campaign, const gint64 *given)
{
    SimProvider *best = NULL;
    double most = -1e18;

    for (guint i = 0; i < sim->scenario->providers->len; i++) {
        const double part = (double)campaign->of_provider[i] / (double)campaign->messages;
        const double behind = part * (double)(campaign->injected + 1) - (double)given[i];

        if (given[i] < campaign->of_provider[i] && behind > most) {
            most = behind;
            best = g_ptr_array_index (sim->scenario->providers, i);
        }
    }
    return best;
}

/* That has most room in Relais: it is filled up when half of its part is gone. */
static SimProvider *
next_of_queue (const Sim *sim, const SimCampaign *campaign, const gint64 *given, bool *filling)
{
    const gint64 bound = campaign->queue / (gint64)sim->scenario->providers->len;
    SimProvider *best = NULL;
    gint64 most = 0;

    for (guint i = 0; i < sim->scenario->providers->len; i++) {
        SimProvider *provider = g_ptr_array_index (sim->scenario->providers, i);
        const gint64 queued = provider->injected - provider->delivered - provider->refused;
        gint64 room = campaign->queue > 0 ? bound - queued : SIM_NEVER / 2 - given[i];

        if (given[i] >= campaign->of_provider[i])
            continue;
        if (queued <= bound / 2)
            filling[i] = true;
        else if (room <= 0 && campaign->queue > 0)
            filling[i] = false;
        if (filling[i] && room > most) {
            most = room;
            best = provider;
        }
    }
    return best;
}

/* What has been given of each campaign to each provider, and whether it is being filled up. */
typedef struct {
    gint64 *given;
    bool *filling;
} Progress;
static Progress *progress;

static bool
find_job (Sim *sim, Job *job)
{
    const gint64 at_us = sim_now_us (sim);

    if (again->len > 0) {
        *job = g_array_index (again, Job, again->len - 1);
        return true;
    }
    for (guint i = 0; i < sim->scenario->campaigns->len; i++) {
        SimCampaign *campaign = g_ptr_array_index (sim->scenario->campaigns, i);
        SimProvider *provider;

        if (at_us < campaign->at_us || campaign->injected >= campaign->messages)
            continue;
        if (campaign->rate.n > 0 && campaign->injected >= stream_due (campaign, at_us))
            continue;
        provider = campaign->rate.n > 0
                       ? next_of_stream (sim, campaign, progress[i].given)
                       : next_of_queue (sim, campaign, progress[i].given, progress[i].filling);
        if (provider == NULL)
            continue;
        *job = (Job){campaign, provider, provider->injected};
        return true;
    }
    return false;
}

static void
take_job (Sim *sim, const Job *job)
{
    if (again->len > 0) {
        g_array_set_size (again, again->len - 1);
        return;
    }
    for (guint i = 0; i < sim->scenario->campaigns->len; i++)
        if (g_ptr_array_index (sim->scenario->campaigns, i) == job->campaign)
            progress[i].given[job->provider->index]++;
    job->campaign->injected++;
    job->provider->injected++;
    job->provider->states[job->number] = SIM_INJECTED;
}

/* Whose message it is. */
static SimTenant *
tenant_of (const Sim *sim, const Job *job)
{
    GPtrArray *tenants = sim->scenario->tenants;
    gint64 weights = 0, at;

    for (guint i = 0; i < tenants->len; i++)
        weights += ((SimTenant *)g_ptr_array_index (tenants, i))->weight;
    at = (gint64)(sim_hash ((guint64)sim->scenario->seed, 3, job->provider->index,
                            (guint64)job->number) %
                  (guint64)MAX (weights, 1));
    for (guint i = 0; i < tenants->len; i++) {
        at -= ((SimTenant *)g_ptr_array_index (tenants, i))->weight;
        if (at < 0)
            return g_ptr_array_index (tenants, i);
    }
    return g_ptr_array_index (tenants, 0);
}

/* --- Sessions --------------------------------------------------------------------------------- */

static void
put_recipient (GString *out, const Job *job)
{
    g_string_append_printf (out, "r%" G_GINT64_FORMAT "@d%" G_GINT64_FORMAT ".%s.test", job->number,
                            job->number % job->provider->domains, job->provider->name);
}

static void
write_envelope (Session *session)
{
    g_string_printf (session->out, "MAIL FROM:<news@%s.test>\r\nRCPT TO:<", session->tenant->name);
    put_recipient (session->out, &session->job);
    g_string_append (session->out, "> NOTIFY=NEVER\r\nDATA\r\n");
    session->owed = 3;
    session->refused = false;
    session->state = ENVELOPE;
}

static void
write_body (Session *session)
{
    static const char filler[] =
        "Whoever reads this far has more patience than the machine that counts it.\r\n";
    const SimCampaign *campaign = session->job.campaign;
    GString *out = session->out;

    g_string_printf (out, "From: <news@%s.test>\r\nTo: <", session->tenant->name);
    put_recipient (out, &session->job);
    g_string_append_printf (out,
                            ">\r\nSubject: %s %" G_GINT64_FORMAT "\r\nX-Relais-Campaign: %s\r\n"
                            "X-Relais-Class: %s\r\n\r\n",
                            campaign->name, session->job.number, campaign->name, campaign->class);
    while ((gint64)out->len < campaign->size)
        g_string_append_len (out, filler, sizeof filler - 1);
    g_string_append (out, ".\r\n");
    session->owed = 1;
    session->state = BODY;
}

static bool
flush (Session *session)
{
    const gssize n = send (session->fd, session->out->str, session->out->len, MSG_NOSIGNAL);

    return n == (gssize)session->out->len;
}

static void
lose (Sim *sim, Session *session)
{
    if (session->state != READY)
        sim->n_busy--;
    if (session->job.campaign != NULL) {
        sim->broken++;
        g_array_append_val (again, session->job);
        session->job = (Job){0};
    }
    close (session->fd);
    session->state = CLOSED;
}

static void
become_ready (Sim *sim, Session *session)
{
    session->state = READY;
    sim->n_busy--;
    if (!sim->stopped)
        sim_inject_go (sim);
}

static void
end_message (Sim *sim, Session *session, bool accepted)
{
    SimProvider *provider = session->job.provider;

    session->job = (Job){0};
    if (accepted) {
        sim->accepted++;
    } else {
        sim->refused_in++;
        provider->refused++;
        sim_message_done (sim, provider);
    }
    become_ready (sim, session);
}

/* False when the session is over. */
static bool
take_reply (Sim *sim, Session *session, const char *line)
{
    if (line[0] != '2' && line[0] != '3')
        session->refused = true;
    if (strncmp (line, "421", 3) == 0)
        return false;
    if (session->owed > 0)
        session->owed--;
    if (session->owed > 0)
        return true;
    switch (session->state) {
    case BANNER:
        g_string_assign (session->out, "EHLO campaign.test\r\n");
        session->state = EHLO;
        session->owed = 1;
        return flush (session);
    case EHLO: become_ready (sim, session); return true;
    case ENVELOPE:
        if (session->refused) {
            g_printerr ("Relais refused: %.60s\n", line);
            return false;
        }
        write_body (session);
        return flush (session);
    case BODY:
        if (session->refused)
            g_printerr ("Relais refused: %.60s\n", line);
        end_message (sim, session, !session->refused);
        return true;
    case CLOSED:
    case READY: return false;
    }
    return false;
}

static void
on_session (Sim *sim, SimWatch *watch, guint32 events)
{
    Session *session = (Session *)(gpointer)watch;
    const gssize n = recv (session->fd, session->input + session->filled,
                           sizeof session->input - session->filled, 0);
    char *at = session->input, *end, *lf;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        lose (sim, session);
        return;
    }
    end = at + session->filled + n;
    while ((lf = memchr (at, '\n', (gsize)(end - at))) != NULL) {
        const bool last = lf - at >= 4 && at[3] != '-';

        if (last && !take_reply (sim, session, at)) {
            lose (sim, session);
            return;
        }
        at = lf + 1;
    }
    session->filled = (gsize)(end - at);
    memmove (session->input, at, session->filled);
    if (session->filled == sizeof session->input)
        lose (sim, session);
}

/* False: Relais is not there. */
static bool
dial (Sim *sim, Session *session)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons (session->tenant->port),
                                  .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    const int on = 1;

    session->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt (session->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect (session->fd, (struct sockaddr *)&address, sizeof address) < 0) {
        close (session->fd);
        return false;
    }
    session->filled = 0;
    session->owed = 1;
    session->state = BANNER;
    sim->n_busy++;
    sim_watch (sim, session->fd, &session->watch, EPOLL_CTL_ADD, EPOLLIN);
    return true;
}

/* One of the tenant's that is free; or NULL, and perhaps another one is opened. */
static Session *
find_session (Sim *sim, const SimTenant *tenant)
{
    Session *closed = NULL;

    for (guint i = 0; i < sim->sessions->len; i++) {
        Session *session = g_ptr_array_index (sim->sessions, i);

        if (session->tenant != tenant)
            continue;
        if (session->state == READY)
            return session;
        if (session->state == CLOSED && closed == NULL)
            closed = session;
    }
    if (closed != NULL && !dial (sim, closed))
        sim_fail ("Relais takes no connections on port %u", tenant->port);
    return NULL;
}

void
sim_inject_go (Sim *sim)
{
    Job job;

    while (!sim->stopped && find_job (sim, &job)) {
        Session *session = find_session (sim, tenant_of (sim, &job));

        if (session == NULL)
            return;
        take_job (sim, &job);
        session->job = job;
        sim->n_busy++;
        write_envelope (session);
        if (!flush (session))
            lose (sim, session);
    }
}

gint64
sim_inject_due_us (const Sim *sim)
{
    const gint64 at_us = sim_now_us (sim);
    gint64 due_us = SIM_NEVER;

    for (guint i = 0; i < sim->scenario->campaigns->len; i++) {
        const SimCampaign *campaign = g_ptr_array_index (sim->scenario->campaigns, i);
        const SimLimit *rate = &campaign->rate.limits[0];

        if (campaign->injected >= campaign->messages)
            continue;
        if (at_us < campaign->at_us)
            due_us = MIN (due_us, campaign->at_us);
        else if (campaign->rate.n > 0)
            due_us = MIN (due_us, campaign->at_us +
                                      (gint64)((double)campaign->injected *
                                               (double)rate->period_us / (double)rate->n) +
                                      1);
    }
    return due_us;
}

void
sim_inject_open (Sim *sim)
{
    const guint n_providers = sim->scenario->providers->len;

    again = g_array_new (FALSE, FALSE, sizeof (Job));
    progress = g_new0 (Progress, sim->scenario->campaigns->len);
    for (guint i = 0; i < sim->scenario->campaigns->len; i++)
        progress[i] = (Progress){g_new0 (gint64, n_providers), g_new0 (bool, n_providers)};
    sim->sessions = g_ptr_array_new ();
    for (guint i = 0; i < sim->scenario->tenants->len; i++)
        for (guint j = 0; j < SIM_SESSIONS; j++) {
            Session *session = g_new0 (Session, 1);

            session->watch.func = on_session;
            session->tenant = g_ptr_array_index (sim->scenario->tenants, i);
            session->out = g_string_new (NULL);
            g_ptr_array_add (sim->sessions, session);
        }
}
