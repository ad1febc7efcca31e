/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Domains of MTA-STS: one record each for those with a policy, those that are being asked for and those whose fetch
 * failed lately; nobody else's. Loop thread only.
 *
 *   IDLE -> RECORD (the TXT question) -> FETCH (HTTPS) -> IDLE; whoever asks meanwhile waits with the others
 */
#include "config.h"

#include "smtp/sts-private.h"

#include "smtp/state-file-private.h"

#include <string.h>

static const gint64 FETCH_US = RELAIS_USEC_PER_MIN;     /* RFC 8461 section 3.3 */
static const gint64 PAUSE_US = 5 * RELAIS_USEC_PER_MIN; /* after a failure, the same */
static const gint64 RENEW_US = RELAIS_USEC_PER_DAY;
static const gint64 LOOK_US =
    10 * RELAIS_USEC_PER_MIN; /* between looks for what is to be renewed */
static const gint64 UNUSED_US = 30 * RELAIS_USEC_PER_DAY; /* what nobody asks for is not renewed */
static const gint64 SAVE_US = 2 * RELAIS_USEC_PER_SEC;
enum { RENEWALS_AT_ONCE = 20, LINE_PIECES = 7 };

struct RelaisSts {
    RelaisStsOptions options;
    GHashTable *domains; /* name -> Domain */
    guint n_policies;
    RelaisStateFile *file;
    RelaisTimer renew_timer;
    bool stopped, in_use;
};

typedef struct {
    RelaisSts *sts;
    char *name;
    /* the policy, if there is one */
    RelaisStsPolicy *policy;
    char *id;
    gint64 fetched_us, expires_us, used_us; /* wall clock */
    /* the last failure */
    gint64 failed_us; /* monotonic; 0: none */
    RelaisStsTrouble trouble;
    char *failure;
    /* under way */
    RelaisDnsQuery *query;
    RelaisFetch *fetch;
    char *wanted_id; /* NULL while it is renewed */
    GQueue lookups;  /* RelaisStsLookup, by `place` */
} Domain;

struct RelaisStsLookup {
    Domain *domain;
    RelaisStsFunc func;
    gpointer data;
    GList place;
};

/* --- Domains ------------------------------------------------------------------------------------ */

static void
drop_policy (Domain *domain)
{
    if (domain->policy == NULL)
        return;
    g_clear_pointer (&domain->policy, relais_sts_policy_unref);
    g_clear_pointer (&domain->id, g_free);
    domain->sts->n_policies--;
}

static void
domain_free (gpointer data)
{
    Domain *domain = data;
    GList *link;

    while ((link = g_queue_pop_head_link (&domain->lookups)) != NULL)
        g_free (link->data);
    relais_dns_cancel (domain->query);
    relais_fetcher_drop (domain->fetch);
    drop_policy (domain);
    g_free (domain->wanted_id);
    g_free (domain->failure);
    g_free (domain->name);
    g_free (domain);
}

static Domain *
get_domain (RelaisSts *sts, const char *name)
{
    Domain *domain = g_hash_table_lookup (sts->domains, name);

    if (domain != NULL)
        return domain;
    domain = g_new0 (Domain, 1);
    domain->sts = sts;
    domain->name = g_strdup (name);
    g_hash_table_insert (sts->domains, domain->name, domain);
    return domain;
}

static bool
is_busy (const Domain *domain)
{
    return domain->query != NULL || domain->fetch != NULL || domain->lookups.length > 0;
}

static bool
failed_lately (const Domain *domain)
{
    return domain->failed_us != 0 &&
           relais_loop_now_us (domain->sts->options.loop) < domain->failed_us + PAUSE_US;
}

static void
forget_if_expired (Domain *domain)
{
    if (domain->policy == NULL ||
        relais_loop_wall_us (domain->sts->options.loop) < domain->expires_us)
        return;
    drop_policy (domain);
    relais_state_file_mark (domain->sts->file);
}

/* There is something to look after. */
static void
look_later (RelaisSts *sts)
{
    if (!sts->stopped && !relais_timer_is_set (&sts->renew_timer))
        relais_timer_set (&sts->renew_timer, LOOK_US);
}

/* Frees the record of a domain that nothing is known of. */
static void
release (Domain *domain)
{
    if (domain->policy == NULL && !is_busy (domain) && !failed_lately (domain))
        g_hash_table_remove (domain->sts->domains, domain->name);
}

/* --- Telling ------------------------------------------------------------------------------------ */

/* Those who wait now; who asks from inside waits for the next time. */
static void
tell_all (Domain *domain, const char *text)
{
    GQueue waiting = domain->lookups;
    g_autoptr (RelaisStsPolicy) policy = NULL;
    RelaisStsResult result = {.text = text};

    forget_if_expired (domain);
    if (domain->policy != NULL) {
        policy = relais_sts_policy_ref (domain->policy);
        domain->used_us = relais_loop_wall_us (domain->sts->options.loop);
        result.policy = policy;
        result.expires_us = domain->expires_us;
    }
    if (failed_lately (domain))
        result.trouble = domain->trouble;
    g_queue_init (&domain->lookups);
    for (guint n = waiting.length; n > 0; n--) {
        RelaisStsLookup *lookup = g_queue_pop_head_link (&waiting)->data;
        RelaisStsFunc func = lookup->func;
        gpointer data = lookup->data;

        g_free (lookup);
        func (data, &result);
    }
    release (domain);
}

/* What failed is told with what holds all the same. */
static void
tell_failure (Domain *domain)
{
    g_autofree char *text = g_strdup_printf (
        "%s%s", domain->failure, domain->policy != NULL ? "; the policy known before holds" : "");

    tell_all (domain, text);
}

static void
note_failure (Domain *domain, RelaisStsTrouble trouble, const char *text)
{
    domain->failed_us = relais_loop_now_us (domain->sts->options.loop);
    domain->trouble = trouble;
    g_free (domain->failure);
    domain->failure = g_strdup (text);
    look_later (domain->sts);
    tell_failure (domain);
}

/* --- The fetch ---------------------------------------------------------------------------------- */

static void
keep_policy (Domain *domain, RelaisStsPolicy *policy)
{
    RelaisSts *sts = domain->sts;
    const gint64 now = relais_loop_wall_us (sts->options.loop);
    const bool was_known = domain->policy != NULL;
    char *id = domain->wanted_id != NULL ? g_steal_pointer (&domain->wanted_id)
                                         : g_steal_pointer (&domain->id);

    drop_policy (domain);
    domain->policy = policy;
    domain->id = id != NULL ? id : g_strdup (""); /* it expired while it was renewed */
    domain->fetched_us = now;
    if (!was_known)
        domain->used_us = now;
    domain->expires_us = now + (gint64)policy->max_age_s * RELAIS_USEC_PER_SEC;
    domain->failed_us = 0;
    g_clear_pointer (&domain->failure, g_free);
    sts->n_policies++;
    look_later (sts);
    relais_state_file_mark (sts->file);
}

/* Section 3.2: text/plain, with or without parameters. */
static bool
is_plain_text (const RelaisFetchResult *result)
{
    static const char field[] = "content-type:", wanted[] = "text/plain";

    for (const char *const *line = result->headers; *line != NULL; line++) {
        const char *type = *line + strlen (field);

        if (g_ascii_strncasecmp (*line, field, strlen (field)) != 0)
            continue;
        type += strspn (type, " \t");
        return g_ascii_strncasecmp (type, wanted, strlen (wanted)) == 0 &&
               strchr ("; \t", type[strlen (wanted)]) != NULL;
    }
    return false;
}

static RelaisStsTrouble
trouble_of (RelaisFetchOutcome outcome)
{
    switch (outcome) {
    case RELAIS_FETCH_TLS: return RELAIS_STS_WEBPKI_INVALID;
    case RELAIS_FETCH_TOO_LARGE: return RELAIS_STS_INVALID;
    default: return RELAIS_STS_FETCH_ERROR;
    }
}

static void
take_answer (Domain *domain, const RelaisFetchResult *result)
{
    gsize size;
    const guint8 *bytes = g_bytes_get_data (result->body, &size);
    const char *problem;
    RelaisStsPolicy *policy = relais_sts_policy_parse (bytes, size, &problem);
    g_autofree char *text = NULL;

    if (policy == NULL) {
        text = g_strdup_printf ("what was fetched is no policy: %s", problem);
        note_failure (domain, RELAIS_STS_INVALID, text);
    } else if (domain->policy == NULL && domain->sts->n_policies >= RELAIS_STS_DOMAINS) {
        relais_sts_policy_unref (policy);
        note_failure (domain, RELAIS_STS_FETCH_ERROR, "too many policies are kept already");
    } else {
        keep_policy (domain, policy);
        tell_all (domain, "policy fetched now");
    }
}

static void
on_fetched (const RelaisFetchResult *result, gpointer data)
{
    Domain *domain = data;
    g_autofree char *text = NULL;

    domain->fetch = NULL;
    if (domain->sts->stopped)
        return;
    if (result->outcome != RELAIS_FETCH_OK) {
        text = g_strdup_printf ("policy not fetched: %s", result->text);
        note_failure (domain, trouble_of (result->outcome), text);
    } else if (result->status != 200) { /* redirects too (section 3.3) */
        text = g_strdup_printf ("policy not fetched: HTTP status %u", result->status);
        note_failure (domain, RELAIS_STS_FETCH_ERROR, text);
    } else if (!is_plain_text (result))
        note_failure (domain, RELAIS_STS_INVALID, "what was fetched is not of type text/plain");
    else
        take_answer (domain, result);
}

static void
fetch (Domain *domain)
{
    RelaisSts *sts = domain->sts;
    g_autofree char *port =
        sts->options.port != 443 ? g_strdup_printf (":%u", sts->options.port) : g_strdup ("");
    g_autofree char *url =
        g_strdup_printf ("https://mta-sts.%s%s/.well-known/mta-sts.txt", domain->name, port);
    const RelaisFetchInfo info = {.struct_size = sizeof info,
                                  .url = url,
                                  .timeout_us = FETCH_US,
                                  .max_bytes = RELAIS_STS_POLICY_BYTES};

    domain->fetch = relais_fetcher_start (sts->options.fetcher, &info, on_fetched, domain);
    if (domain->fetch == NULL)
        note_failure (domain, RELAIS_STS_FETCH_ERROR, "policy not fetched: the daemon stops");
}

/* --- The record --------------------------------------------------------------------------------- */

/* The id of the one record; NULL if there is none, or more than one (section 3.1). */
static char *
find_id (const RelaisDnsAnswer *answer)
{
    const RelaisDnsRecord *found = relais_dns_answer_find_only (answer, relais_sts_record_is_meant);

    return found != NULL ? relais_sts_record_parse (found->bytes, found->size) : NULL;
}

/* An answer that gives no id: there is none, or nobody knows now. */
static void
tell_no_id (Domain *domain, const RelaisDnsAnswer *answer)
{
    const bool unknown =
        answer->outcome == RELAIS_DNS_TEMPORARY || answer->outcome == RELAIS_DNS_BOGUS;
    g_autofree char *text = g_strconcat (unknown ? "TXT record not known now: " : "no TXT record",
                                         unknown ? answer->reason : NULL, NULL);
    g_autofree char *known = g_strconcat (text, "; the policy known before holds", NULL);

    tell_all (domain, domain->policy != NULL ? known : text);
}

static void
on_record (gpointer data, const RelaisDnsAnswer *answer)
{
    Domain *domain = data;
    g_autofree char *id = find_id (answer);

    domain->query = NULL;
    forget_if_expired (domain);
    if (domain->fetch != NULL)
        return; /* it is being renewed: its end tells */
    if (id == NULL)
        tell_no_id (domain, answer);
    else if (domain->policy != NULL && g_strcmp0 (id, domain->id) == 0)
        tell_all (domain, "policy known before");
    else if (failed_lately (domain))
        tell_failure (domain);
    else {
        g_free (domain->wanted_id);
        domain->wanted_id = g_steal_pointer (&id);
        fetch (domain);
    }
}

RelaisStsLookup *
relais_sts_lookup (RelaisSts *sts, const char *name, RelaisStsFunc func, gpointer data)
{
    Domain *domain = get_domain (sts, name);
    RelaisStsLookup *lookup = g_new0 (RelaisStsLookup, 1);
    g_autofree char *question = g_strdup_printf ("_mta-sts.%s", name);

    *lookup = (RelaisStsLookup){domain, func, data, {.data = lookup}};
    g_queue_push_tail_link (&domain->lookups, &lookup->place);
    if (domain->query == NULL && domain->fetch == NULL)
        domain->query =
            relais_dns_query (sts->options.dns, question, RELAIS_DNS_TXT, on_record, domain);
    return lookup;
}

void
relais_sts_cancel (RelaisStsLookup *lookup)
{
    if (lookup == NULL)
        return;
    g_queue_unlink (&lookup->domain->lookups, &lookup->place);
    g_free (lookup);
}

/* --- Renewal ------------------------------------------------------------------------------------ */

static bool
wants_renewal (const Domain *domain, gint64 now)
{
    gint64 age_us = (gint64)domain->policy->max_age_s * RELAIS_USEC_PER_SEC;

    return domain->policy->mode != RELAIS_STS_MODE_NONE && !is_busy (domain) &&
           !failed_lately (domain) && now - domain->used_us < UNUSED_US &&
           now - domain->fetched_us >= MIN (RENEW_US, age_us / 2);
}

static void
on_renew (gpointer data)
{
    RelaisSts *sts = data;
    const gint64 now = relais_loop_wall_us (sts->options.loop);
    g_autoptr (GList) all = g_hash_table_get_values (sts->domains);
    guint n = 0;

    for (GList *link = all; link != NULL; link = link->next) {
        Domain *domain = link->data;

        forget_if_expired (domain);
        if (domain->policy == NULL)
            release (domain);
        else if (sts->in_use && n < RENEWALS_AT_ONCE && wants_renewal (domain, now)) {
            g_clear_pointer (&domain->wanted_id, g_free);
            fetch (domain);
            n++;
        }
    }
    if (n == RENEWALS_AT_ONCE)
        relais_timer_set (&sts->renew_timer, FETCH_US);
    else if (g_hash_table_size (sts->domains) > 0)
        look_later (sts);
}

/* --- Keeping ------------------------------------------------------------------------------------ */

static GString *
make_text (gpointer data)
{
    RelaisSts *sts = data;
    GString *text = g_string_new (NULL);
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init (&iter, sts->domains);
    while (g_hash_table_iter_next (&iter, NULL, &value)) {
        const Domain *domain = value;
        g_auto (GStrv) lines = NULL;
        g_autofree char *policy = NULL;

        if (domain->policy == NULL)
            continue;
        lines = relais_sts_policy_to_lines (domain->policy);
        policy = g_strjoinv ("|", lines);
        g_string_append_printf (
            text, "%s\t%s\t%" G_GINT64_FORMAT "\t%" G_GINT64_FORMAT "\t%" G_GINT64_FORMAT "\t%s\n",
            domain->name, domain->id, domain->fetched_us, domain->expires_us, domain->used_us,
            policy);
    }
    return text;
}

/* "DOMAIN ID FETCHED EXPIRES USED POLICY", with tabs between, the policy's lines with "|". */
static bool
take_kept (RelaisSts *sts, const char *line)
{
    g_auto (GStrv) pieces = g_strsplit (line, "\t", LINE_PIECES);
    g_autoptr (RelaisStsPolicy) policy = NULL;
    const char *problem;
    gint64 times[3];
    Domain *domain;

    if (g_strv_length (pieces) != LINE_PIECES - 1 || sts->n_policies >= RELAIS_STS_DOMAINS ||
        pieces[0][0] == '\0' || g_hash_table_contains (sts->domains, pieces[0]))
        return false;
    for (int i = 0; i < 3; i++)
        if (!g_ascii_string_to_signed (pieces[2 + i], 10, 0, G_MAXINT64, &times[i], NULL))
            return false;
    g_strdelimit (pieces[5], "|", '\n');
    policy = relais_sts_policy_parse ((const guint8 *)pieces[5], strlen (pieces[5]), &problem);
    if (policy == NULL)
        return false;
    domain = get_domain (sts, pieces[0]);
    domain->policy = g_steal_pointer (&policy);
    domain->id = g_strdup (pieces[1]);
    domain->fetched_us = times[0];
    domain->expires_us = times[1];
    domain->used_us = times[2];
    sts->n_policies++;
    return true;
}

static void
read_kept (RelaisSts *sts)
{
    g_autofree char *text = relais_state_file_read (sts->file);
    g_auto (GStrv) lines = NULL;
    guint n_bad = 0;

    if (text == NULL)
        return;
    lines = g_strsplit (text, "\n", -1);
    for (char **line = lines; *line != NULL; line++)
        n_bad += (*line)[0] != '\0' && !take_kept (sts, *line) ? 1 : 0;
    if (n_bad > 0)
        g_warning ("%u MTA-STS policies known before cannot be read", n_bad);
}

/* --- The whole ---------------------------------------------------------------------------------- */

RelaisSts *
relais_sts_new (const RelaisStsOptions *options)
{
    RelaisSts *sts = g_new0 (RelaisSts, 1);
    const RelaisStateFileOptions file = {
        .loop = options->loop,
        .pool = options->pool,
        .path = options->path,
        .first_line = "relais-mta-sts 1",
        .lost = "MTA-STS policies known before are lost",
        .delay_us = SAVE_US,
        .text = make_text,
        .data = sts,
    };

    sts->options = *options;
    sts->in_use = true;
    sts->options.path = g_strdup (options->path);
    sts->domains = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, domain_free);
    sts->file = relais_state_file_new (&file);
    relais_timer_init (&sts->renew_timer, options->loop, on_renew, sts);
    read_kept (sts);
    if (sts->n_policies > 0)
        look_later (sts);
    return sts;
}

void
relais_sts_use (RelaisSts *sts, bool in_use, guint16 port)
{
    sts->in_use = in_use;
    sts->options.port = port;
}

void
relais_sts_stop (RelaisSts *sts)
{
    GHashTableIter iter;
    gpointer value;

    sts->stopped = true;
    relais_timer_stop (&sts->renew_timer);
    g_hash_table_iter_init (&iter, sts->domains);
    while (g_hash_table_iter_next (&iter, NULL, &value)) {
        Domain *domain = value;

        g_clear_pointer (&domain->query, relais_dns_cancel);
        g_clear_pointer (&domain->fetch, relais_fetcher_drop);
    }
}

void
relais_sts_free (RelaisSts *sts)
{
    if (sts == NULL)
        return;
    relais_sts_stop (sts);
    relais_state_file_free (sts->file);
    g_hash_table_unref (sts->domains);
    g_free ((gpointer)sts->options.path);
    g_free (sts);
}

guint
relais_sts_n_policies (const RelaisSts *sts)
{
    return sts->n_policies;
}

void
relais_sts_each (const RelaisSts *sts, RelaisStsEach func, gpointer data)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init (&iter, sts->domains);
    while (g_hash_table_iter_next (&iter, NULL, &value)) {
        const Domain *domain = value;

        if (domain->policy != NULL)
            func (data, domain->name, domain->id, domain->policy, domain->fetched_us,
                  domain->expires_us);
    }
}
