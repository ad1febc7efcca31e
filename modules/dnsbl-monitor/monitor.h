/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The module's own contract: what is configured, what is watched, and how a change is told. Loop thread, but for
 * config.c, which is pure.
 */
#pragma once

#include <relais/command.h>
#include <relais/counter.h>
#include <relais/dns.h>
#include <relais/module.h>
#include <relais/timer.h>

#include "zone.h"

/* --- config.c: an immutable, counted object of each configuration. ---------------------------------- */

typedef enum { DNSBL_RULE_AUTO, DNSBL_RULE_NONE, DNSBL_RULE_TAKE_OUT } DnsblRule;

typedef struct {
    char *name;   /* of its section */
    char *suffix; /* with the key: never shown */
    char *shown;  /* without */
    guint kinds;  /* DnsblKind, or'ed */
    GArray *listed, *ignored, *errors;
    DnsblCodes codes; /* the same */
    bool refuses_public;
    bool blocks; /* severity */
    DnsblRule rule;
    gint64 interval_us;
    char *url;         /* nullable */
    char *test_listed; /* nullable: as RFC 5782 says */
    char *test_clean;  /* the same */
    char *fingerprint; /* of what the test points depend on */
} DnsblZone;

typedef struct {
    DnsblSubject subject;
    char *what;         /* what it is of ours, for people */
    GPtrArray *sources; /* char *, names */
} DnsblTarget;

typedef struct {
    char *name, *pool;
    gint64 weight;
} DnsblSource;

typedef struct {
    gatomicrefcount refs;
    GPtrArray *zones, *targets, *sources;
    char *
        public_server; /* the resolver that is public, "8.8.8.8 (Google)", unless that was allowed; NULL */
    gint64 confirm_us, spread_us, unknown_us;
    guint confirm, parallel, mails_per_day;
    bool log, mail, take_last;
} DnsblConfig;

DnsblConfig *dnsbl_config_new (RelaisConfig *config, GError **error);
DnsblConfig *dnsbl_config_ref (DnsblConfig *config);
void dnsbl_config_unref (gpointer config);
/* "https://.../192.0.2.1" for people; NULL if there is none. Owned. */
char *dnsbl_zone_url (const DnsblZone *zone, const char *target);

/* --- poll.c: one question to one zone. -------------------------------------------------------------- */

typedef struct {
    DnsblVerdict verdict;
    char *answer; /* as it came: "127.0.0.2", "NXDOMAIN", "timeout" */
    char *codes;  /* listed: names of the codes; else NULL */
    char *text;   /* listed: the reason, printable, at most DNSBL_ANSWER octets; nullable */
    guint32 ttl_s;
} DnsblResult;

typedef struct DnsblPoll DnsblPoll;
typedef void (*DnsblPollFunc) (const DnsblResult *result, gpointer data);
/* Asks and calls `func` once, from a later turn. `zone` is borrowed until then. With `reason` the text of a listing is
 * fetched too. */
DnsblPoll *dnsbl_poll_start (RelaisModule *module, const DnsblZone *zone, const char *name,
                             bool reason, DnsblPollFunc func, gpointer data);
/* `func` will not be called. Accepts NULL. */
void dnsbl_poll_cancel (DnsblPoll *poll);

/* --- The module, as long as it is loaded. ----------------------------------------------------------- */

typedef struct DnsblMonitor DnsblMonitor;
typedef struct DnsblEntry DnsblEntry;

/* Whether a zone is what it should be: it lists the one test point of RFC 5782, and not the other. */
typedef enum {
    DNSBL_PROBE_UNTESTED,
    DNSBL_PROBE_PASSED,
    DNSBL_PROBE_BROKEN, /* it lists the wrong one */
    DNSBL_PROBE_SILENT  /* no answer says either */
} DnsblProbeState;

/* Of one kind of target in one zone. */
typedef struct {
    DnsblMonitor *monitor;
    char *key; /* "ZONE KIND" */
    DnsblKind kind;
    DnsblProbeState state;
    char *reason;      /* BROKEN, SILENT */
    gint64 silent_us;  /* wall clock since when it is SILENT; 0 */
    bool told;         /* that it is broken, or was silent for too long */
    gint64 next_us;    /* monotonic: due again; 0 at once */
    char *fingerprint; /* of the zone that was tested; nullable */
    /* While it runs. */
    const DnsblZone *zone;
    DnsblPoll *poll;
    bool second;    /* the clean point */
    GQueue waiting; /* DnsblEntry */
} DnsblProbe;

/* One target in one zone, as the configuration in force has it. */
struct DnsblEntry {
    DnsblMonitor *monitor;
    const DnsblTarget *target;
    const DnsblZone *zone;
    DnsblProbe *probe;
    DnsblRecord *record; /* the monitor's */
    char *key;           /* of the record: "TARGET ZONE" */
    char *name;          /* to ask for; NULL if it is too long for one */
    RelaisModuleTimer *timer;
    DnsblPoll *poll;
    gint64 saved_us; /* wall clock */
};

struct DnsblMonitor {
    RelaisModule *module;
    DnsblConfig *config;  /* in force; NULL before start and after stop */
    bool loaded, stopped; /* what was kept is here; nothing more is to begin */
    GPtrArray *entries;   /* DnsblEntry */
    GQueue ready;         /* DnsblEntry, due and not begun */
    guint running;        /* questions of the schedule */
    GHashTable *records;  /* key -> DnsblRecord; also those of targets that are gone */
    GHashTable *probes;   /* key -> DnsblProbe */
    GHashTable *out;      /* sources that are out because of us */
    GQueue checks;        /* of `relaisctl dnsbl check` */
    gint64 day_us;        /* wall clock: when the day of mails began */
    guint mails;          /* in it */
    bool store_told, public_told;
    RelaisCounter *polls, *changes, *notices;
};

/* schedule.c: who is asked when. */
/* The configuration in force is the one that counts from now on. */
void dnsbl_schedule_apply (DnsblMonitor *monitor);
/* No configuration counts any more, and nothing is asked. */
void dnsbl_schedule_stop (DnsblMonitor *monitor);
void dnsbl_schedule_free_entry (gpointer entry);
void dnsbl_schedule_pump (DnsblMonitor *monitor);
/* Its probe has ended. */
void dnsbl_schedule_resume (DnsblEntry *entry);
const char *dnsbl_kind_to_string (DnsblKind kind);

/* probe.c */
DnsblProbe *dnsbl_probe_get (DnsblMonitor *monitor, const DnsblZone *zone, DnsblKind kind);
void dnsbl_probe_free (gpointer probe);
bool dnsbl_probe_is_due (const DnsblProbe *probe, const DnsblZone *zone);
/* Counts as one that runs until it ends, and resumes those that wait then. */
void dnsbl_probe_start (DnsblProbe *probe, const DnsblZone *zone);
void dnsbl_probe_cancel (DnsblProbe *probe);

/* keep.c: records and probes in the store. */
void dnsbl_keep_load (DnsblMonitor *monitor);
void dnsbl_keep_record (DnsblEntry *entry);
void dnsbl_keep_probe (DnsblProbe *probe);

/* alert.c: what people are told. */
void dnsbl_alert_change (const DnsblEntry *entry);
void dnsbl_alert_unknown (const DnsblEntry *entry);
/* A zone is broken, was silent for too long, or is well again. */
void dnsbl_alert_probe (const DnsblProbe *probe, const DnsblZone *zone);

/* rule.c: takes listed sources out, and back. */
void dnsbl_rule_apply (DnsblMonitor *monitor);

/* command.c and check.c */
void dnsbl_command_status (RelaisCommandCall *call, gpointer data);
void dnsbl_command_history (RelaisCommandCall *call, gpointer data);
void dnsbl_command_check (RelaisCommandCall *call, gpointer data);
void dnsbl_check_end_all (DnsblMonitor *monitor);
