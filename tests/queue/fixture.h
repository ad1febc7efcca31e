/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the queue's tests share: a queue on a real spool and event log in a directory of its own, with
 * a clock that the test moves, and a resolver that answers what the test wrote down.
 */
#pragma once

#include "queue/state-private.h"
#include "sink.h"

typedef struct {
    RelaisClock clock;
    gint64 mono_us, wall_us;
} TestClock;

typedef struct {
    TestClock clock;
    char *dir, *log_dir;
    RelaisLoop *loop;
    RelaisPool *pool;
    RelaisEventLog *log;
    RelaisSpool *spool;
    RelaisConfig *config;
    RelaisQueue *queue;
    GPtrArray *events; /* char *, JSON */
} Fixture;

/* What the spool of the next fixture keeps in memory, octets. */
extern guint64 fixture_hot_memory;

/* Opens everything; `conf` is the text of a conf.d file. The queue is started unless `wait`. */
void fixture_open (Fixture *fixture, const char *conf);
/* Ends the queue and the spool as an end of the daemon would, and starts them again on the same
 * directory, `away_us` later. */
void fixture_restart (Fixture *fixture, const char *conf, gint64 away_us);
/* From now on the configuration is what it was at first and `more`, which overrides it. */
void fixture_reload (Fixture *fixture, const char *more);
/* What is said of `more` where a reload is refused for it. Owned. */
char *fixture_refusal (Fixture *fixture, const char *more);
void fixture_close (Fixture *fixture);

typedef struct {
    const char *sender;
    const char *const *recipients; /* NULL-terminated */
    const char *tenant, *campaign;
    RelaisClass klass;
    guint8 notify;
    const char *body; /* NULL for a short one */
    RelaisRet ret;
    bool alone;              /* each recipient in a transaction of its own */
    bool claimed;            /* its recipients are ours */
    const char *quarantined; /* by a verdict: the reason */
    const char *release;     /* future release, as in message/release-private.h */
} Mail;

/* Accepts a message as the server would, and returns its id once it was given to the queue. */
guint64 fixture_submit (Fixture *fixture, const Mail *mail);
/* The same for `n` alike, accepted in one group. */
void fixture_submit_many (Fixture *fixture, guint n, const Mail *mail);
/* The same for one recipient, from a@sender.test. */
guint64 fixture_mail (Fixture *fixture, const char *recipient);

/* Turns the loop until `done (data)`; fails the test after 10 s of the machine's time. */
void fixture_until (Fixture *fixture, bool (*done) (gpointer data), gpointer data);
/* Until the sink has `n` messages; until nothing is under way and nothing happens. */
void fixture_until_messages (Fixture *fixture, Sink *sink, guint n);
void fixture_settle (Fixture *fixture);
/* Moves both clocks. */
void fixture_advance (Fixture *fixture, gint64 us);
void fixture_check (Fixture *fixture);
/* Number of events of a type; the last of them as text, or NULL. */
guint fixture_count (const Fixture *fixture, const char *type);
const char *fixture_last (const Fixture *fixture, const char *type);

/* The module host of the next fixture_open (); NULL for none. */
extern RelaisHost *fixture_host;
/* Whether the queue of the next one asks the suppression list of fake-suppression.h. */
extern bool fixture_suppresses;

/* --- The resolver of these tests, in place of core/dns. */
/* What a lookup of this domain (or host) answers: "HOST=ADDRESS[,ADDRESS] HOST=..." by preference,
 * "4.4.3 text" or "5.1.2 text". Valid for a minute. */
void fake_dns_set (const char *name, const char *answer);
void fake_dns_clear (void);
extern guint fake_dns_lookups;
