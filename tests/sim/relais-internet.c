/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * relais-internet: the world around a laboratory's Relais, by a scenario, in virtual time. One thread, one epoll
 * descriptor. tests/sim/run brings up what it needs; README has the scenarios.
 *
 *   relais-internet SCENARIO --dump
 *   relais-internet SCENARIO --clock FILE --port N --tenant NAME=PORT... --out DIRECTORY [--scale X] [--without stall]
 *
 * Actions are the runner's: "action WORDS" is printed, and the clock stands until a line comes in.
 */
#include "config.h"

#include "internet.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, SPINS = 200, NAP_US = 50, PATIENCE_US = 20000000, PROGRESS_US = 2000000 };

static volatile sig_atomic_t told_to_stop;

void
sim_fail (const char *format, ...)
{
    va_list arguments;

    va_start (arguments, format);
    fprintf (stderr, "relais-internet: ");
    vfprintf (stderr, format, arguments);
    fprintf (stderr, "\n");
    va_end (arguments);
    exit (2);
}

void
sim_watch (Sim *sim, int fd, SimWatch *watch, int operation, guint32 events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    if (epoll_ctl (sim->epoll, operation, fd, &event) < 0)
        sim_fail ("epoll: %s", g_strerror (errno));
}

static guint64
mix (guint64 x)
{
    x += G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * G_GUINT64_CONSTANT (0x94d049bb133111eb);
    return x ^ (x >> 31);
}

guint64
sim_hash (guint64 seed, guint64 a, guint64 b, guint64 c)
{
    return mix (mix (mix (mix (seed) ^ a) ^ b) ^ c);
}

void
sim_message_done (Sim *sim, SimProvider *provider)
{
    sim->done++;
    if (sim->done == sim->total)
        sim->finished_us = sim_now_us (sim);
}

/* --- Actions ---------------------------------------------------------------------------------- */

static void
on_answer (Sim *sim, SimWatch *watch, guint32 events)
{
    char line[256];

    if (read (0, line, sizeof line) <= 0)
        told_to_stop = 1;
    sim->stopped = false;
}

static bool
is_due (const Sim *sim, const SimAction *action)
{
    if (action->done)
        return false;
    return action->percent >= 0 ? sim->done * 100 >= sim->total * action->percent
                                : sim_now_us (sim) >= action->at_us;
}

/* Begins the first that is due. What latency keeps back is said: an orderly end waits for it. */
static void
act (Sim *sim)
{
    for (guint i = 0; i < sim->scenario->actions->len && !sim->stopped; i++) {
        SimAction *action = g_ptr_array_index (sim->scenario->actions, i);

        if (!is_due (sim, action))
            continue;
        action->done = true;
        sim->stopped = true;
        printf ("action %s\n", action->words);
        fflush (stdout);
        sim_peer_release (sim, sim_now_us (sim) + SIM_MINUTE_US);
    }
}

static gint64
action_due_us (const Sim *sim)
{
    gint64 due_us = SIM_NEVER;

    for (guint i = 0; i < sim->scenario->actions->len; i++) {
        const SimAction *action = g_ptr_array_index (sim->scenario->actions, i);

        if (!action->done && action->percent < 0)
            due_us = MIN (due_us, action->at_us);
    }
    return due_us;
}

/* --- The loop --------------------------------------------------------------------------------- */

/* False: there was nothing. */
static bool
serve (Sim *sim, gint64 wait_us)
{
    struct epoll_event events[EVENTS];
    const struct timespec wait = {0, wait_us * 1000};
    const int n = epoll_pwait2 (sim->epoll, events, EVENTS, &wait, NULL);

    for (int i = 0; i < n; i++) {
        SimWatch *watch = events[i].data.ptr;

        watch->func (sim, watch, events[i].events);
    }
    return n > 0;
}

/* The clock, to where something happens next. */
static void
move_on (Sim *sim)
{
    const gint64 now_us = sim_now_us (sim);
    gint64 own_us = MIN (sim_peer_due_us (sim), sim_inject_due_us (sim));
    gint64 to_us;

    own_us = MIN (MIN (own_us, action_due_us (sim)), sim->scenario->limit_us);
    to_us = MIN (sim_clock_due_us (sim), own_us);
    /* What is due within a tick comes at its end, all of it. */
    to_us = MAX (to_us, now_us + MAX (sim->scenario->tick_us, 1));
    sim_clock_move (sim, to_us);
    sim_peer_release (sim, to_us);
    act (sim);
    sim_inject_go (sim);
}

static bool
is_over (const Sim *sim)
{
    return told_to_stop || (sim->done >= sim->total && !sim->stopped) ||
           sim_now_us (sim) >= sim->scenario->limit_us;
}

static bool
can_move (Sim *sim, gint64 quiet_us)
{
    if (sim->stopped || sim->n_busy > 0)
        return false;
    if (sim_clock_is_at_rest (sim))
        return true;
    if (quiet_us < PATIENCE_US || sim->page->sleeping != 1)
        return false;
    sim->impatient++;
    if (sim->impatient < 10)
        g_printerr ("not at rest: jobs %d, others %d, peers %d, held %" G_GINT64_FORMAT "\n",
                    sim->page->jobs, sim_clock_n_others (sim), sim->page->peers, sim->n_held);
    return true;
}

static void
run (Sim *sim)
{
    gint64 progress_us = 0, quiet_us = sim_real_us ();
    guint spins = 0;

    sim_inject_go (sim);
    while (!is_over (sim)) {
        const gint64 now_us = sim_real_us ();

        if (now_us - progress_us > PROGRESS_US) {
            progress_us = now_us;
            sim_report_progress (sim);
        }
        if (serve (sim, spins < SPINS ? 0 : NAP_US)) {
            spins = 0;
            quiet_us = now_us;
            act (sim);
        } else if (can_move (sim, now_us - quiet_us)) {
            move_on (sim);
            spins = 0;
            quiet_us = now_us;
        } else {
            spins++;
            sched_yield ();
        }
    }
}

/* --- Options ---------------------------------------------------------------------------------- */

static void
set_port (const SimScenario *scenario, const char *text)
{
    g_auto (GStrv) words = g_strsplit (text, "=", 2);

    for (guint i = 0; words[0] != NULL && words[1] != NULL && i < scenario->tenants->len; i++) {
        SimTenant *tenant = g_ptr_array_index (scenario->tenants, i);

        if (g_str_equal (tenant->name, words[0])) {
            tenant->port = (guint16)g_ascii_strtoull (words[1], NULL, 10);
            return;
        }
    }
    sim_fail ("there is no tenant \"%s\"", text);
}

static FILE *
open_table (const Sim *sim, const char *name, const char *head)
{
    g_autofree char *path = g_build_filename (sim->out, name, NULL);
    FILE *file = fopen (path, "w");

    if (file == NULL)
        sim_fail ("cannot write %s", path);
    fprintf (file, "%s\n", head);
    return file;
}

static void
open_sim (Sim *sim, const char *clock)
{
    static SimWatch answers = {on_answer};
    struct rlimit files;

    if (getrlimit (RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit (RLIMIT_NOFILE, &files);
    }
    sim->epoll = epoll_create1 (EPOLL_CLOEXEC);
    sim->minutes = open_table (
        sim, "minutes.tsv",
        "minute\tprovider\tsource\taccepted\tdeferred\trefused\tviolations\tconnections");
    sim->violations = open_table (sim, "violations.tsv", "second\tprovider\tsource\tkind");
    sim->finished_us = -1;
    sim_clock_open (sim, clock);
    sim_watch (sim, 0, &answers, EPOLL_CTL_ADD, EPOLLIN);
    sim_peer_listen (sim);
    sim_inject_open (sim);
    for (guint i = 0; i < sim->scenario->providers->len; i++) {
        SimProvider *provider = g_ptr_array_index (sim->scenario->providers, i);

        sim->total += provider->total;
        provider->ideal_us = sim_ideal_us (sim->scenario, provider);
    }
    sim->began_real_us = sim_real_us ();
}

static void
on_term (int number)
{
    told_to_stop = 1;
}

int
main (int argc, char **argv)
{
    static char *clock, *out, *without;
    static char **tenants;
    static int port;
    static double scale = 1;
    static gboolean dump;
    static const GOptionEntry ENTRIES[] = {
        {"clock", 0, 0, G_OPTION_ARG_FILENAME, &clock, "The laboratory's clock", "FILE"},
        {"port", 0, 0, G_OPTION_ARG_INT, &port, "Port of all providers", "N"},
        {"tenant", 0, 0, G_OPTION_ARG_STRING_ARRAY, &tenants, "Port of a listener", "NAME=PORT"},
        {"out", 0, 0, G_OPTION_ARG_FILENAME, &out, "Where the results go", "DIRECTORY"},
        {"scale", 0, 0, G_OPTION_ARG_DOUBLE, &scale, "Of the numbers of messages", "X"},
        {"without", 0, 0, G_OPTION_ARG_STRING, &without, "stall", "WHAT"},
        {"dump", 0, 0, G_OPTION_ARG_NONE, &dump, "Tells what the scenario says, as JSON", NULL},
        {0}};
    g_autoptr (GOptionContext) context = g_option_context_new ("SCENARIO");
    g_autoptr (GError) error = NULL;
    static Sim sim; /* for as long as the process lives */

    g_option_context_add_main_entries (context, ENTRIES, NULL);
    if (!g_option_context_parse (context, &argc, &argv, &error))
        sim_fail ("%s", error->message);
    if (argc != 2)
        sim_fail ("one scenario is wanted");
    sim.scenario = sim_scenario_read (argv[1], scale);
    if (dump) {
        sim_scenario_dump (sim.scenario);
        return 0;
    }
    if (clock == NULL || out == NULL || port == 0)
        sim_fail ("--clock, --port and --out are wanted");
    for (guint i = 0; tenants != NULL && tenants[i] != NULL; i++)
        set_port (sim.scenario, tenants[i]);
    signal (SIGTERM, on_term);
    signal (SIGINT, on_term);
    sim.port = (guint16)port;
    sim.out = out;
    sim.no_stall = without != NULL && g_str_equal (without, "stall");
    open_sim (&sim, clock);
    run (&sim);
    sim_report (&sim, told_to_stop ? "stopped" : sim.done >= sim.total ? "done" : "limit");
    return 0;
}
