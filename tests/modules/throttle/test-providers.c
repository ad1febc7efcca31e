/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The shipped file conf.d/throttle-providers.conf: whose MX hosts its providers are, that every figure says where it
 * comes from, that nothing in it is dead, and what recorded replies come to by its rules.
 */
#include "config.h"

#include "conf.h"
#include "offline.h"
#include "rule.h"

#include <string.h>

/* --- Providers ------------------------------------------------------------------------------------ */

/* Names of MX hosts at each provider, as public sources have them; parts that name a customer are made up. */
static const struct {
    const char *provider, *host;
} hosts[] = {
    {"google", "gmail-smtp-in.l.google.com"},
    {"google", "alt4.aspmx.l.google.com"},
    {"google", "smtp.google.com"},
    {"google", "aspmx2.googlemail.com"},
    {"microsoft-consumer", "outlook-com.olc.protection.outlook.com"},
    {"microsoft-consumer", "hotmail-com.olc.protection.outlook.com"},
    {"microsoft-consumer", "eur.olc.protection.outlook.com"},
    {"microsoft-365", "contoso-com.mail.protection.outlook.com"},
    {"microsoft-365", "contoso-com.mail.eo.outlook.com"},
    {"microsoft-365", "contoso-com.o-v1.mx.microsoft"},
    {"yahoo", "mta5.am0.yahoodns.net"},
    {"yahoo", "mx-aol.mail.gm0.yahoodns.net"},
    {"yahoo", "mx-eu.mail.am0.yahoodns.net"},
    {"yahoo-japan", "mx1.mail.yahoo.co.jp"},
    {"apple", "mx01.mail.icloud.com"},
    {"apple", "mx02.mail.icloud.com"},
    {"orange", "smtp-in.orange.fr"},
    {"free", "mx1.free.fr"},
    {"free", "mx2.free.fr"},
    {"sfr", "smtp-in.sfr.fr"},
    {"laposte", "smtpz4.laposte.net"},
    {"bouygues", "mx1.bbox.fr"},
    {"gmx", "mx00.gmx.net"},
    {"gmx", "mx00.emig.gmx.net"},
    {"gmx", "mx-ha02.web.de"},
    {"gmx", "mx00.mail.com"},
    {"ionos", "mx00.kundenserver.de"},
    {"ionos", "mx00.ionos.fr"},
    {"t-online", "mx00.t-online.de"},
    {"comcast", "mx1h1.comcast.net"},
    {"yandex", "mx.yandex.ru"},
    {"yandex", "mx.yandex.net"},
    {"mailru", "mxs.mail.ru"},
    {"mailru", "emx.mail.ru"},
    {"proton", "mail.protonmail.ch"},
    {"proton", "mailsec.protonmail.ch"},
    {"fastmail", "in1-smtp.messagingengine.com"},
    {"mimecast", "eu-smtp-inbound-1.mimecast.com"},
    {"mimecast", "za-smtp-inbound-1.mimecast.co.za"},
    {"proofpoint", "mx0a-00123401.pphosted.com"},
    {"proofpoint", "mx1-us1.ppe-hosted.com"},
    {"barracuda", "d12345a.ess.barracudanetworks.com"},
    {"barracuda", "d12345a.ess.uk.barracudanetworks.com"},
    {"ovh", "mx1.mail.ovh.net"},
    {"ovh", "mxb.ovh.net"},
    {"godaddy", "smtp.secureserver.net"},
    {"godaddy", "mailstore1.secureserver.net"},
    {"rackspace", "mx1.emailsrvr.com"},
    {"libero", "smtp-in.libero.it"},
    {"seznam", "mx1.seznam.cz"},
    {"qq", "mx3.qq.com"},
    {"qq", "mxbiz1.qq.com"},
    {"netease", "163mx01.mxmail.netease.com"},
    {NULL, "mx.example.com"},
    {NULL, "notgoogle.com"},
    {NULL, "perso.free.fr"},
    {NULL, "outlook.com"},
};

static bool
is_of (const char *host, const RelaisSection *section)
{
    const char *const *suffixes = relais_section_get_list (section, "mx");

    for (; *suffixes != NULL; suffixes++) {
        gsize size = strlen (*suffixes), host_size = strlen (host);

        if (size <= host_size && strcmp (host + host_size - size, *suffixes) == 0 &&
            (size == host_size || host[host_size - size - 1] == '.'))
            return true;
    }
    return false;
}

static const char *
provider_of (const RelaisConfig *config, const char *host)
{
    for (guint i = 0; i < relais_config_n_sections (config, "provider"); i++) {
        const RelaisSection *section = relais_config_nth_section (config, "provider", i);

        if (is_of (host, section))
            return relais_section_get_name (section);
    }
    return NULL;
}

static void
test_hosts (void)
{
    g_autoptr (RelaisConfig) config = test_conf_shipped ();
    guint n = relais_config_n_sections (config, "provider");

    g_assert_cmpuint (n, >=, 16);
    for (guint i = 0; i < G_N_ELEMENTS (hosts); i++) {
        g_test_message ("%s", hosts[i].host);
        g_assert_cmpstr (provider_of (config, hosts[i].host), ==, hosts[i].provider);
    }
    for (guint i = 0; i < n; i++) { /* each has a host in the table */
        const char *name =
            relais_section_get_name (relais_config_nth_section (config, "provider", i));
        bool found = false;

        for (guint k = 0; k < G_N_ELEMENTS (hosts) && !found; k++)
            found = g_strcmp0 (hosts[k].provider, name) == 0;
        g_test_message ("%s", name);
        g_assert_true (found);
    }
}

/* Above each figure: a year, as it is when a source is dated, or the words guess or undated. */
static bool
says_whence (const char *comment)
{
    if (strstr (comment, "guess") != NULL || strstr (comment, "undated") != NULL)
        return true;
    for (const char *at = comment; (at = strstr (at, "20")) != NULL; at++)
        if (g_ascii_isdigit (at[2]) && g_ascii_isdigit (at[3]) && !g_ascii_isdigit (at[4]))
            return true;
    return false;
}

static void
test_sources (void)
{
    g_autofree char *path =
        g_build_filename (g_getenv ("RELAIS_SRCDIR"), "conf.d", "throttle-providers.conf", NULL);
    g_autofree char *content = NULL;
    g_auto (GStrv) lines = NULL;
    g_autoptr (GString) comment = g_string_new (NULL);
    guint n = 0;

    g_assert_true (g_file_get_contents (path, &content, NULL, NULL));
    lines = g_strsplit (content, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        if ((*line)[0] == '#') {
            g_string_append_printf (comment, "%s\n", *line);
            continue;
        }
        if (g_str_has_prefix (*line, "throttle.")) {
            g_test_message ("%s", *line);
            g_assert_true (says_whence (comment->str));
            n++;
        }
        g_string_truncate (comment, 0);
    }
    g_assert_cmpuint (n, >=, 14 * 3);
}

static void
test_lint (void)
{
    g_autoptr (RelaisConfig) config = test_conf_shipped ();
    g_autoptr (GPtrArray) findings = throttle_lint (config);

    for (guint i = 0; i < findings->len; i++) {
        const RepliesFinding *finding = g_ptr_array_index (findings, i);

        g_test_message ("%s: %s: %s", finding->place, finding->what, finding->mend);
    }
    g_assert_cmpuint (findings->len, ==, 0);
}

/* --- Recorded replies ------------------------------------------------------------------------------ */

typedef struct {
    RelaisConfig *config;
    ThrottleRules *rules;
} Shipped;

static void
shipped_init (Shipped *shipped)
{
    g_autoptr (GError) error = NULL;

    shipped->config = test_conf_shipped ();
    shipped->rules = throttle_rules_new (shipped->config, &error);
    g_assert_no_error (error);
}

static void
shipped_clear (Shipped *shipped)
{
    throttle_rules_free (shipped->rules);
    relais_config_unref (shipped->config);
}

/* A line of replies-NAME.tsv: rule, action, and then as throttle replay takes it. */
static void
check_reply (const Shipped *shipped, const char *text)
{
    g_auto (GStrv) columns = g_strsplit (text, "\t", 3);
    const ThrottleRule *rule;
    RepliesLine line;

    g_test_message ("%s", text);
    g_assert_cmpuint (g_strv_length (columns), ==, 3);
    replies_line_parse (columns[2], strlen (columns[2]), &line);
    g_assert_cmpint (line.type, ==, REPLIES_LINE_REPLY);
    g_assert_true (line.phase == NULL || replies_phase_parse (line.phase) >= 0);
    g_assert_true (line.provider == NULL ||
                   relais_config_find_section (shipped->config, "provider", line.provider) != NULL);
    rule = throttle_rules_find (
        shipped->rules, line.provider,
        &(ThrottleReply){.phase = line.phase, .code = line.code, .text = line.text});
    g_assert_cmpstr (rule != NULL ? rule->selector.name : "-", ==, columns[0]);
    g_assert_cmpstr (rule != NULL ? throttle_action_to_string (rule->kind) : "-", ==, columns[1]);
    replies_line_clear (&line);
}

static void
test_replies (gconstpointer data)
{
    const char *name = data;
    g_autofree char *path =
        g_build_filename (g_getenv ("RELAIS_SRCDIR"), "tests", "modules", "throttle", name, NULL);
    g_autofree char *content = NULL;
    g_auto (GStrv) lines = NULL;
    Shipped shipped;
    guint n = 0;

    g_assert_true (g_file_get_contents (path, &content, NULL, NULL));
    lines = g_strsplit (content, "\n", -1);
    shipped_init (&shipped);
    for (char **line = lines; *line != NULL; line++)
        if (**line != '\0' && **line != '#') {
            check_reply (&shipped, *line);
            n++;
        }
    g_assert_cmpuint (n, >=, 10);
    g_assert_cmpuint (throttle_rules_n_limited (shipped.rules), ==, 0);
    shipped_clear (&shipped);
}

/* --- The corpus ------------------------------------------------------------------------------------ */

static char *
find_corpus (void)
{
    g_autofree char *beside =
        g_build_filename (g_getenv ("RELAIS_SRCDIR"), "..", "shared", "corpora", NULL);
    const char *folders[] = {g_getenv ("RELAIS_CORPORA"), beside, "/work/shared/corpora"};

    for (guint i = 0; i < G_N_ELEMENTS (folders); i++) {
        g_autofree char *path = NULL;

        if (folders[i] == NULL)
            continue;
        path = g_build_filename (folders[i], "replies", "replies.tsv", NULL);
        if (g_file_test (path, G_FILE_TEST_EXISTS))
            return g_steal_pointer (&path);
    }
    return NULL;
}

/* A field as Python's csv writes it: in quotes, with quotes doubled, where it has quotes. */
static char *
unquote (const char *field)
{
    g_autoptr (GString) text = g_string_new (NULL);

    if (field[0] != '"')
        return g_strdup (field);
    for (field++; *field != '\0'; field++) {
        if (*field == '"' && field[1] != '"')
            break;
        field += *field == '"';
        g_string_append_c (text, *field);
    }
    return g_strdup (text->str);
}

typedef struct {
    const char *klass;
    guint n, acting, about_lane;
} Coverage;

static void
count_reply (const Shipped *shipped, Coverage *coverage, const char *reply)
{
    const ThrottleRule *rule;
    RepliesLine line;

    replies_line_parse (reply, strlen (reply), &line);
    if (line.type != REPLIES_LINE_REPLY)
        return;
    rule = throttle_rules_find (shipped->rules, NULL,
                                &(ThrottleReply){.code = line.code, .text = line.text});
    coverage->n++;
    coverage->acting += rule != NULL && rule->kind != THROTTLE_ACTION_NONE;
    if (rule != NULL && throttle_rule_is_about_lane (rule))
        coverage->about_lane++;
    g_test_message ("%s\t%s\t%s", coverage->klass, rule != NULL ? rule->selector.name : "-", reply);
    replies_line_clear (&line);
}

static void
test_corpus (void)
{
    g_autofree char *path = find_corpus ();
    g_autofree char *content = NULL;
    g_auto (GStrv) lines = NULL;
    Coverage coverage[] = {{"throttle"}, {"block"}, {"hard"}, {"quota"}, {"disabled"}};
    Shipped shipped;

    if (path == NULL) {
        g_test_skip ("no corpus of replies here");
        return;
    }
    g_assert_true (g_file_get_contents (path, &content, NULL, NULL));
    lines = g_strsplit (content, "\n", -1);
    shipped_init (&shipped);
    for (char **line = lines; *line != NULL; line++) {
        g_auto (GStrv) columns = g_strsplit (*line, "\t", -1);

        /* "too many connections, slow down" is called quota there */
        if (g_strv_length (columns) < 6 || strcmp (columns[0], "r0346") == 0)
            continue;
        for (guint i = 0; i < G_N_ELEMENTS (coverage); i++)
            if (strcmp (columns[5], coverage[i].klass) == 0) {
                g_autofree char *reply = unquote (columns[2]);

                count_reply (&shipped, &coverage[i], reply);
            }
    }
    for (guint i = 0; i < G_N_ELEMENTS (coverage); i++)
        g_print ("# %s: %u of %u replies reach a rule that acts, %u one about a lane\n",
                 coverage[i].klass, coverage[i].acting, coverage[i].n, coverage[i].about_lane);
    for (guint i = 0; i < G_N_ELEMENTS (coverage); i++)
        g_assert_cmpuint (coverage[i].n, >, 0);
    for (guint i = 2; i < G_N_ELEMENTS (coverage); i++)
        g_assert_cmpuint (coverage[i].about_lane, ==, 0);
    g_assert_cmpuint (coverage[0].acting * 100, >=, 60 * coverage[0].n);
    g_assert_cmpuint (coverage[1].acting * 100, >=, 60 * coverage[1].n);
    g_assert_cmpuint (throttle_rules_n_limited (shipped.rules), ==, 0);
    shipped_clear (&shipped);
}

int
main (int argc, char **argv)
{
    static const char *const files[] = {"replies-google.tsv", "replies-microsoft.tsv",
                                        "replies-yahoo.tsv", "replies-orange.tsv",
                                        "replies-others.tsv"};

    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/throttle-providers/hosts", test_hosts);
    g_test_add_func ("/throttle-providers/sources", test_sources);
    g_test_add_func ("/throttle-providers/lint", test_lint);
    for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
        g_autofree char *path = g_strdup_printf ("/throttle-providers/%s", files[i]);

        g_test_add_data_func (path, files[i], test_replies);
    }
    g_test_add_func ("/throttle-providers/corpus", test_corpus);
    return g_test_run ();
}
