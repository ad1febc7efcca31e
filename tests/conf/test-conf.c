/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/conf: every message that a wrong file gets, word for word; getters, defaults, the order in
 * which files override; what --dump prints, read again; random bytes.
 */
#include "config.h"

#include "conf/conf-private.h"
#include "conf/line-private.h"
#include "conf/nearest-private.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* --- A directory of files --------------------------------------------------------------------- */

typedef struct {
    char *path;
    GPtrArray *findings;
    RelaisSchema *schema;
} Fixture;

static void
put (const Fixture *f, const char *name, const char *text, gssize size)
{
    g_autofree char *path = g_build_filename (f->path, name, NULL);

    /* Made anew: an overwritten file would cost a sync each time. */
    g_remove (path);
    g_assert_true (g_file_set_contents (path, text, size, NULL));
}

static void
fixture_init (Fixture *f)
{
    f->path = g_dir_make_tmp ("relais-conf-XXXXXX", NULL);
    g_assert_nonnull (f->path);
    f->findings = relais_config_findings_new ();
    f->schema = relais_schema_new ();
}

static void
fixture_clear (Fixture *f)
{
    GDir *dir = g_dir_open (f->path, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *path = g_build_filename (f->path, name, NULL);

        g_remove (path);
    }
    g_dir_close (dir);
    g_assert_cmpint (g_rmdir (f->path), ==, 0);
    g_free (f->path);
    g_ptr_array_unref (f->findings);
    relais_schema_free (f->schema);
}

static RelaisConfig *
read_config (Fixture *f)
{
    const char *const dirs[] = {f->path, NULL};

    g_ptr_array_set_size (f->findings, 0);
    return relais_config_read (f->schema, dirs, f->findings);
}

/* The findings, a line each, without the directory. */
static char *
findings_text (const Fixture *f)
{
    g_autoptr (GString) text = g_string_new (NULL);
    g_autofree char *prefix = g_strconcat (f->path, "/", NULL);

    for (guint i = 0; i < f->findings->len; i++) {
        g_autofree char *one = relais_config_finding_to_string (g_ptr_array_index (f->findings, i));

        g_string_append_printf (text, "%s%s", i > 0 ? "\n" : "", one);
    }
    g_string_replace (text, prefix, "", 0);
    return g_string_free (g_steal_pointer (&text), FALSE);
}

static const RelaisSection *
section (const RelaisConfig *config, const char *kind, const char *name)
{
    const RelaisSection *found = relais_config_find_section (config, kind, name);

    g_assert_nonnull (found);
    return found;
}

/* --- Defaults --------------------------------------------------------------------------------- */

static void
test_empty (void)
{
    Fixture f;
    gsize n;

    fixture_init (&f);
    g_autoptr (RelaisConfig) config = read_config (&f);

    g_assert_nonnull (config);
    g_assert_cmpuint (f.findings->len, ==, 0);
    g_assert_cmpuint (relais_config_n_sections (config, "listener"), ==, 1);
    g_assert_cmpuint (relais_config_n_sections (config, "source"), ==, 1);
    g_assert_cmpuint (relais_config_n_sections (config, "class"), ==, 2);
    g_assert_cmpuint (relais_config_n_sections (config, "tenant"), ==, 0);
    g_assert_cmpuint (relais_config_n_sections (config, "nonsense"), ==, 0);
    g_assert_null (relais_config_find_section (config, "tenant", "x"));
    g_assert_null (relais_config_nth_section (config, "listener", 1));

    const RelaisSection *listener = relais_config_nth_section (config, "listener", 0);

    g_assert_cmpstr (relais_section_get_name (listener), ==, "default");
    g_assert_cmpint (relais_section_get_int (listener, "port"), ==, 25);
    g_assert_cmpstr (relais_section_get_list (listener, "address")[0], ==, "127.0.0.1");
    g_assert_null (relais_section_get_list (listener, "trusted_nets")[0]);
    g_assert_null (relais_section_get_string (listener, "tenant"));
    g_assert_cmpstr (relais_section_get_origin (listener, "port"), ==, "default");
    g_assert_false (relais_section_is_set (listener, "port"));
    g_assert_cmpint (relais_section_get_int (section (config, "spool", NULL), "segment_size"), ==,
                     64 << 20);
    g_assert_cmpint (relais_section_get_int (section (config, "limits", NULL), "message_size"), ==,
                     50 << 20);
    g_assert_cmpstr (relais_section_get_name (section (config, "relais", NULL)), ==, "");

    const gint64 *waits =
        relais_section_get_durations (section (config, "class", "transactional"), "retry", &n);

    g_assert_cmpuint (n, ==, 7);
    g_assert_cmpint (waits[0], ==, 60 * G_USEC_PER_SEC);
    g_assert_cmpint (waits[6], ==, 3600 * (gint64)G_USEC_PER_SEC);
    waits = relais_section_get_durations (section (config, "class", "bulk"), "retry", &n);
    g_assert_cmpint (waits[0], ==, 300 * G_USEC_PER_SEC);
    g_assert_cmpint (relais_section_get_int (section (config, "class", "bulk"), "lifetime"), ==,
                     5 * 86400 * (gint64)G_USEC_PER_SEC);
    fixture_clear (&f);
}

/* --- Override order --------------------------------------------------------------------------- */

static void
test_override (void)
{
    Fixture f;

    fixture_init (&f);
    put (&f, "10-b.conf",
         "[listener two]\n"
         "port = 2\n"
         "trusted_nets = 192.0.2.0/24\n"
         "trusted_nets = 198.51.100.1, 2001:db8::/32\n"
         "[listener one]\n"
         "port = 1\n",
         -1);
    put (&f, "20-a.conf",
         "[listener one]\n"
         "port = 11\n"
         "[domain Example.ORG]\n"
         "[relais]\n"
         "user =\n",
         -1);
    put (&f, "00-first.conf", "[relais]\nuser = nobody\nhostname = a.example\n", -1);
    put (&f, ".hidden.conf", "rubbish", -1);
    put (&f, "10-b.conf~", "rubbish", -1);
    put (&f, "10-b.conf.dpkg-new", "rubbish", -1);
    put (&f, "README", "rubbish", -1);
    g_autoptr (RelaisConfig) config = read_config (&f);
    g_autofree char *found = findings_text (&f);

    g_assert_cmpstr (found, ==, "README: warning: not read: its name does not end in .conf");
    g_assert_nonnull (config);
    g_assert_cmpuint (relais_config_n_sections (config, "listener"), ==, 2);
    g_assert_cmpstr (relais_section_get_name (relais_config_nth_section (config, "listener", 0)),
                     ==, "two");

    const RelaisSection *one = section (config, "listener", "one");
    const char *const *nets =
        relais_section_get_list (section (config, "listener", "two"), "trusted_nets");

    g_assert_cmpint (relais_section_get_int (one, "port"), ==, 11);
    g_assert_true (relais_section_is_set (one, "port"));
    g_assert_true (g_str_has_suffix (relais_section_get_origin (one, "port"), "/20-a.conf:2"));
    g_assert_cmpuint (g_strv_length ((char **)nets), ==, 3);
    g_assert_cmpstr (nets[2], ==, "2001:db8::/32");
    g_assert_cmpstr (relais_section_get_name (section (config, "domain", "example.ORG")), ==,
                     "example.org");
    g_assert_cmpstr (relais_section_get_string (section (config, "relais", NULL), "user"), ==,
                     "relais");
    g_assert_cmpstr (relais_section_get_string (section (config, "relais", NULL), "hostname"), ==,
                     "a.example");
    fixture_clear (&f);
}

/* --- Messages ---------------------------------------------------------------------------------- */

static const RelaisOption module_options[] = {
    {"module", "strict", RELAIS_OPTION_BOOL, RELAIS_OPTION_TENANT, "yes", 0, 0, NULL, "Doc."},
    {"throttle", "table", RELAIS_OPTION_PATH, 0, NULL, 0, 0, NULL, "Doc."},
    {"throttle-rule", "rate", RELAIS_OPTION_INT, RELAIS_OPTION_REQUIRED, NULL, 0, 0, NULL, "Doc."},
    {"throttle-rule", "token", RELAIS_OPTION_SECRET, 0, NULL, 0, 0, NULL, "Doc."},
    {"provider", "rate", RELAIS_OPTION_STRING, 0, "100/m", 0, 0, NULL, "Doc."},
};

static void
add_throttle (Fixture *f)
{
    g_autoptr (GError) error = NULL;

    relais_schema_add_module (f->schema, "throttle", module_options, G_N_ELEMENTS (module_options),
                              sizeof (RelaisOption), &error);
    relais_schema_add_off (f->schema, "idle");
    g_assert_no_error (error);
}

/* Each file and all that is said of it. */
static const struct {
    const char *text, *findings;
} messages[] = {
    /* lines */
    {"# c\n; c\n \t\n\n[relais]\nuser=a=b\n", ""},
    {"\xef\xbb\xbf[relais]\r\nuser = a\r\n", ""},
    {"[relais]\nuser = last line without end", ""},
    {"one-word\n", "a.conf:1: error: expected 'key = value', '[section]' or a comment"},
    {"user = a\n", "a.conf:1: error: key 'user' stands before the first [section]"},
    {"[relais\nuser = a\n",
     "a.conf:1: error: the section is not closed with ']' at the end of the line"},
    {"[relais] # c\n",
     "a.conf:1: error: the section is not closed with ']' at the end of the line"},
    {"[]\n[Relais]\n",
     "a.conf:1: error: expected a section as in [relais] or [listener NAME]: lower-case letters, "
     "digits and '-'\n"
     "a.conf:2: error: expected a section as in [relais] or [listener NAME]: lower-case letters, "
     "digits and '-'"},
    {"[relais]\nUser = a\n",
     "a.conf:2: error: 'User' is no key; expected 'key = value' with a key of lower-case letters, "
     "digits and '_'"},
    {"[relais]\n= a\n",
     "a.conf:2: error: '' is no key; expected 'key = value' with a key of lower-case letters, "
     "digits and '_'"},
    {"[relais]\nuser = \x01\n", "a.conf:2: error: control character 0x01"},
    {"[relais]\nuser = a\rb\n", "a.conf:2: error: control character 0x0d"},
    {"[relais]\nuser = \xff\n", "a.conf:2: error: the line is not UTF-8"},
    /* sections */
    {"[listner x]\nport = rubbish\n",
     "a.conf:1: error: unknown section [listner]; did you mean [listener]?"},
    {"[qwertyuiop]\n", "a.conf:1: error: unknown section [qwertyuiop]; a section of a module wants "
                       "a [module NAME] that speaks of it"},
    {"[listener]\n", "a.conf:1: error: section [listener] needs a name, as in [listener NAME]"},
    {"[queue x]\n", "a.conf:1: error: section [queue] takes no name"},
    {"[throttle x]\n", "a.conf:1: error: section [throttle] takes no name"},
    {"[throttle-rule]\n",
     "a.conf:1: error: section [throttle-rule] needs a name, as in [throttle-rule NAME]"},
    /* keys */
    {"[listener x]\nprot = 1\n",
     "a.conf:2: error: unknown key 'prot' in [listener x]; did you mean 'port'?"},
    {"[relais]\nqwertyuiop = 1\n", "a.conf:2: error: unknown key 'qwertyuiop' in [relais]"},
    {"[relais]\nuser = a\n[spool]\n[relais]\nuser = b\n",
     "a.conf:5: error: key 'user' stands twice in this file, first in line 2"},
    {"[listener x]\naddress = ::1\naddress = 127.0.0.1\n",
     "a.conf:3: error: key 'address' stands twice in this file, first in line 2"},
    {"[throttle-rule x]\n", "a.conf:1: error: key 'rate' is missing"},
    {"[route x]\nport = 1\n", "a.conf:1: error: key 'host' is missing"},
    {"[route x]\nhost = unix:lmtp\n",
     "a.conf:2: error: host: 'unix:lmtp': expected unix:/PATH of at most 107 octets"},
    {"[route x]\nhost = mx.test\ntls_certificate = /c\n",
     "a.conf:3: error: tls_certificate: tls_key must be set too"},
    {"[route x]\nhost = mx.test\ntls_key = /k\n",
     "a.conf:3: error: tls_key: tls_certificate must be set too"},
    {"[route x]\nhost = mx.test\ntls = none\ntls_start = connect\n",
     "a.conf:4: error: tls_start: connect, but tls is none"},
    {"[route x]\nhost = mx.test\ntls = require\ntls_names = a.test\n",
     "a.conf:4: error: tls_names: tls must be verify"},
    {"[destination x]\ntls_names = a.test\n", "a.conf:2: error: tls_names: tls must be verify"},
    {"[provider x]\nmx = a.test\ntls_names = a.test\n",
     "a.conf:3: error: tls_names: tls must be verify"},
    {"[destination x]\ntls = always\n", "a.conf:2: error: tls: 'always': expected one of default, "
                                        "none, opportunistic, require, verify"},
    {"[route x]\nhost =\n", "a.conf:2: error: key 'host' is missing"},
    {"[provider x]\nthrottle.rate = 1/s\n", ""},
    {"[provider x]\nthrottle.rat = 1/s\n",
     "a.conf:2: error: unknown key 'throttle.rat' in [provider x]; did you mean 'throttle.rate'?"},
    {"[provider x]\nrate = 1/s\n", "a.conf:2: error: unknown key 'rate' in [provider x]"},
    {"[tenant x]\nthrottle.strict = no\n[module throttle]\nstrict = no\nenable = no\n", ""},
    /* modules that are not there */
    {"[provider x]\nbounce.rate = 1/s\n",
     "a.conf:2: warning: key 'bounce.rate' is ignored: module 'bounce' is not installed"},
    {"[module bounce]\nenable = no\nrules = x\n[bounce]\na = b\n[bounce-rule x]\na = b\n",
     "a.conf:3: warning: key 'rules' is ignored: module 'bounce' is not installed\n"
     "a.conf:4: warning: section [bounce] is ignored: module 'bounce' is not installed\n"
     "a.conf:6: warning: section [bounce-rule] is ignored: module 'bounce' is not installed"},
    /* a module that is installed, but off */
    {"[provider x]\nidle.rate = 1/s\n[module idle]\nenable = no\nrules = x\n[idle]\na = "
     "b\n[idle-rule x]\na = b\n",
     ""},
    {"[idle-rule x]\na = b\n", ""},
    {"[idler x]\na = b\n", "a.conf:1: error: unknown section [idler]; a section of a module wants "
                           "a [module NAME] that speaks of it"},
    /* values */
    {"[module throttle]\nenable = on\n", "a.conf:2: error: enable: 'on': expected yes or no"},
    {"[listener x]\nport = 65536\n",
     "a.conf:2: error: port: '65536': expected a whole number from 0 to 65535"},
    {"[listener x]\nport = 1x\n",
     "a.conf:2: error: port: '1x': expected a whole number from 0 to 65535"},
    {"[listener x]\nport = -1\n",
     "a.conf:2: error: port: '-1': expected a whole number from 0 to 65535"},
    {"[listener x]\nport =\n",
     "a.conf:2: error: port: '': expected a whole number from 0 to 65535"},
    {"[throttle-rule x]\nrate = 99999999999999999999\n",
     "a.conf:2: error: rate: '99999999999999999999': expected a whole number"},
    {"[spool]\nhot_memory = 9999999999T\n",
     "a.conf:2: error: hot_memory: '9999999999T': expected a size such as 512, 64K, 25M or 2G"},
    {"[spool]\nsegment_size = 1K\n", "a.conf:2: error: segment_size: '1K': expected a size such as "
                                     "512, 64K, 25M or 2G from 1M to 1G"},
    {"[dns]\ntimeout = 5\n", "a.conf:2: error: timeout: '5': expected a duration such as 250ms, "
                             "30s, 5m, 2h or 4d from 100ms to 1m"},
    {"[queue]\nsleep_first = 0\n", "a.conf:2: error: sleep_first: '0': expected a duration such as "
                                   "250ms, 30s, 5m, 2h or 4d from 1ms to 1000000d"},
    {"[class bulk]\nretry = 5m, x\n", "a.conf:2: error: retry: '5m, x': expected durations such as "
                                      "5m 10m 1h, at most 64 from 1ms to 1000000d"},
    {"[class bulk]\nretry =\n", "a.conf:2: error: retry: '': expected durations such as 5m 10m 1h, "
                                "at most 64 from 1ms to 1000000d"},
    {"[queue]\ntls = verify\n",
     "a.conf:2: error: tls: 'verify': expected one of none, opportunistic, require"},
    {"[relais]\nspool_dir = spool\n",
     "a.conf:2: error: spool_dir: 'spool': expected an absolute path"},
    /* what hangs together */
    {"[tenant shop]\n[listener x]\ntenant = shpo\n",
     "a.conf:3: error: tenant: there is no [tenant shpo]; did you mean 'shop'?"},
    {"[domain x.example]\ninbound = sink\n", "a.conf:2: error: inbound: there is no [route sink]"},
    {"[tenant a]\npool = warm\n", "a.conf:2: error: pool: no [source NAME] belongs to pool 'warm'"},
    {"[source a]\npool = warm\n[tenant a]\n",
     "a.conf:3: error: pool: no [source NAME] belongs to pool 'default'"},
    {"[listener x]\naddress = localhost\n",
     "a.conf:2: error: address: 'localhost' is no IPv4 or IPv6 address"},
    {"[listener x]\naddress =\n", "a.conf:2: error: address: expected at least one address"},
    {"[listener x]\ncertificate = /c\n", "a.conf:2: error: certificate: key must be set too"},
    {"[listener x]\nkey = /k\n", "a.conf:2: error: key: certificate must be set too"},
    {"[listener x]\ntls = required\n",
     "a.conf:2: error: tls: required, but certificate is not set"},
    {"[listener x]\ntrusted_nets = 10.0.0.0/8 10.0.0.0/33\n",
     "a.conf:2: error: trusted_nets: '10.0.0.0/33' is no network; expected as in 192.0.2.0/24, "
     "2001:db8::/32 or 192.0.2.1"},
    {"[listener x]\nproxy_nets = x\n",
     "a.conf:2: error: proxy_nets: 'x' is no network; expected as "
     "in 192.0.2.0/24, 2001:db8::/32 or 192.0.2.1"},
    {"[dns]\nallow = x\n", "a.conf:2: error: allow: 'x' is no network; expected as in "
                           "192.0.2.0/24, 2001:db8::/32 or 192.0.2.1"},
    {"[dns]\nserver = 127.0.0.1@53, ::1, 127.0.0.1@0\n",
     "a.conf:2: error: server: '127.0.0.1@0': expected ADDRESS or ADDRESS@PORT"},
    {"[source x]\naddress4 = ::1\naddress6 = 127.0.0.1\n",
     "a.conf:2: error: address4: '::1' is no IPv4 address\n"
     "a.conf:3: error: address6: '127.0.0.1' is no IPv6 address"},
    {"[suppress bounce]\n",
     "a.conf:1: error: there is no class 'bounce' of evidence; the classes are hard, soft, "
     "complaint, unsubscribe and manual"},
    {"[class bluk]\n",
     "a.conf:1: error: there is no class 'bluk'; the classes are transactional and bulk"},
    {"[tenant shop]\n[class bluk/shop]\n",
     "a.conf:2: error: there is no class 'bluk'; the classes are transactional and bulk"},
    {"[tenant shop]\n[class bulk/shpo]\n",
     "a.conf:2: error: retry: there is no [tenant shpo]; did you mean 'shop'?"},
    {"[class bulk]\nlifetime = 0\n", "a.conf:2: error: lifetime: '0': expected a duration such as "
                                     "250ms, 30s, 5m, 2h or 4d from 1ms to 1000000d"},
    {"[class bulk]\nbounce_lifetime = -1d\n",
     "a.conf:2: error: bounce_lifetime: '-1d': expected a "
     "duration such as 250ms, 30s, 5m, 2h or 4d from 0 to 1000000d"},
    {"[class bulk]\nbounce_lifetim = 1d\n",
     "a.conf:2: error: unknown key 'bounce_lifetim' in [class bulk]; did you mean "
     "'bounce_lifetime'?"},
    {"[class bulk]\ndelay_notice = 4h soon\n",
     "a.conf:2: error: delay_notice: '4h soon': expected durations such as 5m 10m 1h, at most 64 "
     "from 0 to 1000000d"},
    {"[class bulk]\ndelay_notice = 4h 5d\n",
     "a.conf:2: warning: delay_notice: what is not below lifetime is never sent"},
    {"[class bulk]\ndelay_notice = 4h 5d\nlifetime = 6d\n", ""},
    {"[tenant shop]\n[class bulk]\ndelay_notice = 1d\n[class bulk/shop]\nlifetime = 1d\n",
     "a.conf:4: warning: delay_notice: what is not below lifetime is never sent"},
    {"[tenant shop]\n[class bulk]\ndelay_notice = 5d\n[class bulk/shop]\nretry = 1h\n",
     "a.conf:3: warning: delay_notice: what is not below lifetime is never sent"},
    /* sums with the time of day do not overflow */
    {"[tokens]\nkeep = 1000000d\nrotate = 0\n[class bulk]\nretry = 1s 1000000d\n", ""},
    {"[tokens]\nkeep = 1000001d\n[class bulk]\nlifetime = 86400000001s\n"
     "retry = 1s 106751991d\n[suppress hard]\nwindow = 99999999d\n",
     "a.conf:2: error: keep: '1000001d': expected a duration such as 250ms, 30s, 5m, 2h or 4d from "
     "366d to 1000000d\n"
     "a.conf:4: error: lifetime: '86400000001s': expected a duration such as 250ms, 30s, 5m, 2h or "
     "4d from 1ms to 1000000d\n"
     "a.conf:5: error: retry: '1s 106751991d': expected durations such as 5m 10m 1h, at most 64 "
     "from 1ms to 1000000d\n"
     "a.conf:7: error: window: '99999999d': expected a duration such as 250ms, 30s, 5m, 2h or 4d "
     "from 0 to 1000000d"},
    /* names */
    {"[relais]\nhostname = mail.example.org\nauthserv_id = example\n[source a]\nhelo = "
     "[192.0.2.1]\n"
     "[source b]\nhelo = [IPv6:2001:db8::1]\n[source c]\nhelo = a_b.Example\n",
     ""},
    {"[relais]\nhostname = mail example.org\nauthserv_id = mail;x\n[source a]\nhelo = "
     "b\303\274cher.test\n[source b]\nhelo = mail.example.org.\n[source c]\nhelo = [192.0.2.1\n",
     "a.conf:2: error: hostname: 'mail example.org' is no host name; expected as in "
     "mail.example.org\n"
     "a.conf:3: error: authserv_id: 'mail;x' is no host name; expected as in mail.example.org\n"
     "a.conf:5: error: helo: 'b\303\274cher.test' is no host name; expected as in "
     "mail.example.org\n"
     "a.conf:7: error: helo: 'mail.example.org.' is no host name; expected as in "
     "mail.example.org\n"
     "a.conf:9: error: helo: '[192.0.2.1' is no host name; expected as in mail.example.org"},
    {"[relais]\nhostname = [192.0.2.1]\n",
     "a.conf:2: error: hostname: '[192.0.2.1]' is no host name; expected as in mail.example.org"},
    {"[relais]\nhostname = mail\nauthserv_id = mail\n",
     "a.conf:2: warning: hostname: 'mail' is no full name; many hosts take no mail from one that "
     "greets them so"},
    {"[relais]\nwatchdog = 499ms\n", "a.conf:2: error: watchdog: expected 0 or at least 500ms"},
    {"[relais]\nwatchdog = 500ms\n", ""},
    {"[relais]\nwatchdog = 0\n", ""},
    /* networks and addresses */
    {"[listener a]\nxclient_nets = 10.0.0.0/33\n",
     "a.conf:2: error: xclient_nets: '10.0.0.0/33' is no network; expected as in 192.0.2.0/24, "
     "2001:db8::/32 or 192.0.2.1"},
    {"[limits]\nexempt_nets = 127.0.0.0/8 localhost\n",
     "a.conf:2: error: exempt_nets: 'localhost' is no network; expected as in 192.0.2.0/24, "
     "2001:db8::/32 or 192.0.2.1"},
    {"[http a]\naddress = localhost\ntrusted_proxies = proxy\nkey = /k\n",
     "a.conf:2: error: address: 'localhost' is no IPv4 or IPv6 address\n"
     "a.conf:3: error: trusted_proxies: 'proxy' is no network; expected as in 192.0.2.0/24, "
     "2001:db8::/32 or 192.0.2.1\n"
     "a.conf:4: error: key: certificate must be set too"},
    /* quiet hours */
    {"[class bulk]\nquiet_hour = 22:00-07:00\n",
     "a.conf:2: error: unknown key 'quiet_hour' in [class bulk]; did you mean 'quiet_hours'?"},
    {"[class bulk]\nquiet_hours = 22:00-07:00 fri\n",
     "a.conf:2: error: quiet_hours: 'fri' is no span of a day; expected as in mon-fri 22:00-07:00"},
    {"[class bulk]\nquiet_hours = mon-fry 22:00-07:00\n",
     "a.conf:2: error: quiet_hours: 'mon-fry' is no span of a day; expected as in mon-fri "
     "22:00-07:00"},
    {"[class bulk]\nquiet_hours = 22h-7h\n",
     "a.conf:2: error: quiet_hours: '22h-7h' is no span of a day; expected as in mon-fri "
     "22:00-07:00"},
    {"[class bulk]\nquiet_hours = 22:00-07:00\nquiet_zone = Europe/Pari\n",
     "a.conf:3: error: quiet_zone: there is no time zone 'Europe/Pari'; expected as in "
     "Europe/Paris"},
    {"[class bulk]\nquiet_zone = CET/CEST\n",
     "a.conf:2: error: quiet_zone: there is no time zone 'CET/CEST'; expected as in Europe/Paris"},
    {"[tenant shop]\n[class bulk]\nquiet_hours = 22:00-07:00\n[class bulk/shop]\nquiet_zone = "
     "Nowhere\n",
     "a.conf:5: error: quiet_zone: there is no time zone 'Nowhere'; expected as in Europe/Paris"},
    {"[class bulk]\nquiet_hours = 00:00-24:00\n",
     "a.conf:2: error: quiet_hours: mail would reach its lifetime before a quiet span of 168 hours "
     "ends"},
    {"[class bulk]\nquiet_hours = 22:00-07:00\nlifetime = 10h\n",
     "a.conf:2: error: quiet_hours: mail would reach its lifetime before a quiet span of 9 hours "
     "ends"},
    {"[class bulk]\nquiet_hours = 22:00-07:00\nlifetime = 611m\n", ""},
    {"[class bulk]\nquiet_hours = 22:00-07:00\nlifetime = 611m\nquiet_spread = 11m\n",
     "a.conf:2: error: quiet_hours: mail would reach its lifetime before a quiet span of 9 hours "
     "ends"},
    {"[class bulk]\nquiet_hours = 22:00-07:00\nbounce_lifetime = 8h\n",
     "a.conf:2: error: quiet_hours: mail would reach its lifetime before a quiet span of 9 hours "
     "ends"},
    {"[tenant shop]\n[class bulk]\nquiet_hours = 22:00-07:00\n[class bulk/shop]\nlifetime = 4h\n",
     "a.conf:4: error: quiet_hours: mail would reach its lifetime before a quiet span of 9 hours "
     "ends"},
    {"[class bulk]\nquiet_spread = 25h\n",
     "a.conf:2: error: quiet_spread: '25h': expected a duration such as 250ms, 30s, 5m, 2h or 4d "
     "from 0 to 1d"},
};

static void
test_messages (void)
{
    Fixture f;

    fixture_init (&f);
    add_throttle (&f);
    for (gsize i = 0; i < G_N_ELEMENTS (messages); i++) {
        put (&f, "a.conf", messages[i].text, -1);
        g_autoptr (RelaisConfig) config = read_config (&f);
        g_autofree char *found = findings_text (&f);

        g_assert_cmpstr (found, ==, messages[i].findings);
        g_assert_true ((config == NULL) == (strstr (found, ": error: ") != NULL));
    }
    fixture_clear (&f);
}

static void
test_bounds (void)
{
    Fixture f;
    g_autoptr (GString) text = g_string_new ("[relais]\n");
    g_autofree char *found = NULL;

    fixture_init (&f);
    for (int i = 0; i < RELAIS_CONF_LINE_BYTES; i++)
        g_string_append_c (text, '#');
    put (&f, "a.conf", text->str, (gssize)text->len);
    g_autoptr (RelaisConfig) longest = read_config (&f);

    g_assert_nonnull (longest);
    g_string_append_c (text, '#');
    put (&f, "a.conf", text->str, (gssize)text->len);
    g_assert_null (read_config (&f));
    found = findings_text (&f);
    g_assert_cmpstr (found, ==, "a.conf:2: error: the line is longer than 65536 octets");
    g_clear_pointer (&found, g_free);

    /* NUL, and far more errors than anyone reads. */
    put (&f, "a.conf", "[relais]\nuser = a\0b\n", 20);
    g_assert_null (read_config (&f));
    found = findings_text (&f);
    g_assert_cmpstr (found, ==, "a.conf:2: error: control character 0x00");
    g_string_truncate (text, 0);
    for (int i = 0; i < 100000; i++)
        g_string_append (text, "x\n");
    put (&f, "a.conf", text->str, -1);
    g_assert_null (read_config (&f));
    g_assert_cmpuint (f.findings->len, <=, 501);

    const char *const nowhere[] = {"/nonexistent/a", "/nonexistent/b", NULL};
    const char *const half[] = {"/nonexistent/a", f.path, NULL};

    g_ptr_array_set_size (f.findings, 0);
    g_assert_null (relais_config_read (f.schema, nowhere, f.findings));
    g_assert_cmpuint (f.findings->len, ==, 3);
    put (&f, "a.conf", "", 0);
    g_ptr_array_set_size (f.findings, 0);
    g_autoptr (RelaisConfig) config = relais_config_read (f.schema, half, f.findings);

    g_assert_nonnull (config);
    g_assert_cmpuint (f.findings->len, ==, 1);
    fixture_clear (&f);
}

/* --- Modules ----------------------------------------------------------------------------------- */

static void
test_modules (void)
{
    Fixture f;
    const char *dirs[] = {NULL, NULL};

    fixture_init (&f);
    add_throttle (&f);
    dirs[0] = f.path;
    put (&f, "10.conf",
         "[module bounce]\nenable = yes\n[module throttle]\nenable = yes\n[module dkim]\n", -1);
    put (&f, "20.conf",
         "[module bounce]\nenable = no\n[relais]\nenable = yes\n[module throttle]\nstrict = no\n"
         "[throttle-rule a]\nrate = 7\ntoken = hidden\n[provider p]\n[tenant t]\n",
         -1);
    g_auto (GStrv) enabled = relais_config_enabled_modules (dirs);
    g_auto (GStrv) mentioned = relais_config_mentioned_modules (dirs);
    g_autofree char *names = g_strjoinv (" ", mentioned);

    g_assert_cmpuint (g_strv_length (enabled), ==, 1);
    g_assert_cmpstr (enabled[0], ==, "throttle");
    g_assert_cmpstr (names, ==, "bounce throttle dkim");
    put (&f, "20.conf",
         "[module throttle]\nstrict = no\n[throttle-rule a]\nrate = 7\ntoken = hidden\n"
         "[provider p]\n[tenant t]\n",
         -1);

    g_autoptr (RelaisConfig) config = read_config (&f);
    g_autofree char *dump = NULL;

    g_assert_nonnull (config);
    g_assert_false (relais_section_get_bool (section (config, "module", "throttle"), "strict"));
    g_assert_true (relais_section_get_bool (section (config, "module", "throttle"), "enable"));
    g_assert_cmpint (relais_section_get_int (section (config, "throttle-rule", "a"), "rate"), ==,
                     7);
    g_assert_null (relais_section_get_string (section (config, "throttle", NULL), "table"));
    g_assert_cmpstr (relais_section_get_string (section (config, "provider", "p"), "throttle.rate"),
                     ==, "100/m");
    g_assert_false (relais_section_is_set (section (config, "tenant", "t"), "throttle.strict"));
    g_assert_cmpuint (relais_config_n_sections (config, "module"), ==, 3);
    dump = relais_config_dump (config);
    g_assert_null (strstr (dump, "hidden"));
    g_assert_nonnull (strstr (dump, "token = (set)\n"));
    fixture_clear (&f);
}

static void
test_declarations (void)
{
    static const RelaisOption bad[] = {
        {"relais", "Upper", RELAIS_OPTION_BOOL, 0, "no", 0, 0, NULL, "Doc."},
        {"relais", "a", 99, 0, NULL, 0, 0, NULL, "Doc."},
        {"relais", "a", RELAIS_OPTION_INT, 0, "x", 0, 0, NULL, "Doc."},
        {"relais", "a", RELAIS_OPTION_INT, 0, "5", 6, 7, NULL, "Doc."},
        {"relais", "a", RELAIS_OPTION_INT, 0, "5", 7, 6, NULL, "Doc."},
        {"relais", "a", RELAIS_OPTION_ENUM, 0, "a", 0, 0, NULL, "Doc."},
        {"relais", "a", RELAIS_OPTION_ENUM, 0, NULL, 0, 0, "a|b", "Doc."},
        {"relais", "a", RELAIS_OPTION_INT, RELAIS_OPTION_REPEAT, "1", 0, 0, NULL, "Doc."},
        {"relais", "a", RELAIS_OPTION_INT, 0, "1", 0, 0, NULL, NULL},
        {"nonsense", "a", RELAIS_OPTION_INT, 0, "1", 0, 0, NULL, "Doc."},
        {"other-thing", "a", RELAIS_OPTION_INT, 0, "1", 0, 0, NULL, "Doc."},
        {NULL, NULL, RELAIS_OPTION_INT, 0, "1", 0, 0, NULL, "Doc."},
    };
    RelaisSchema *schema;

    for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
        g_autoptr (GError) error = NULL;

        schema = relais_schema_new ();
        g_assert_false (
            relais_schema_add_module (schema, "mod", &bad[i], 1, sizeof bad[i], &error));
        g_assert_error (error, RELAIS_CONFIG_ERROR, RELAIS_CONFIG_ERROR_DECLARATION);
        g_assert_true (g_str_has_prefix (error->message, "mod: option '"));
        relais_schema_free (schema);
    }
    schema = relais_schema_new ();
    g_assert_false (relais_schema_add_module (schema, "queue", NULL, 0, 8, NULL));
    g_assert_true (relais_schema_add_module (schema, "mod", NULL, 0, 8, NULL));
    g_assert_false (relais_schema_add_module (schema, "mod", NULL, 0, 8, NULL));
    relais_schema_free (schema);

    /* Another release's longer struct: the stride is the module's. */
    struct {
        RelaisOption option;
        gint64 later;
    } wide[2] = {{module_options[1], 1}, {module_options[2], 2}};

    schema = relais_schema_new ();
    g_assert_true (
        relais_schema_add_module (schema, "throttle", &wide[0].option, 2, sizeof wide[0], NULL));
    g_autofree char *document = relais_schema_document (schema, "throttle-rule");

    g_assert_cmpstr (document, ==, "#[throttle-rule NAME]\n# Doc.\n# (a whole number)\n#rate =\n");
    relais_schema_free (schema);
}

/* --- Round trips ------------------------------------------------------------------------------- */

/* The dump without its origins. */
static char *
values_of (const RelaisConfig *config)
{
    g_autofree char *dump = relais_config_dump (config);
    g_autoptr (GRegex) origins = g_regex_new ("^# .*\n", G_REGEX_MULTILINE, 0, NULL);

    return g_regex_replace_literal (origins, dump, -1, 0, "", 0, NULL);
}

static void
test_dump (void)
{
    Fixture f;

    fixture_init (&f);
    put (&f, "a.conf",
         "[listener x]\naddress = 127.0.0.1, ::1\nport = 2525\ntrusted_nets = 10.0.0.0/8\n"
         "trusted_nets = ::1\n[class bulk]\nretry = 90s 1h 36h\nlifetime = 1500ms\n"
         "[limits]\nmessage_size = 1536K\n[tenant t]\ndomains = a.example b.example\n"
         "[module m]\nenable = no\n",
         -1);
    g_autoptr (RelaisConfig) first = read_config (&f);
    g_assert_nonnull (first);
    g_autofree char *dump = relais_config_dump (first);
    g_autofree char *values = values_of (first);

    g_assert_nonnull (strstr (dump, "/a.conf:3\nport = 2525\n"));
    g_assert_nonnull (strstr (dump, "# default\nuser = relais\n"));
    g_assert_nonnull (strstr (dump, "# default\n#hostname =\n"));
    g_assert_nonnull (strstr (dump, "\nretry = 90s 1h 36h\n"));
    g_assert_nonnull (strstr (dump, "\nmessage_size = 1536K\n"));
    put (&f, "a.conf", dump, -1);

    g_autoptr (RelaisConfig) second = read_config (&f);
    g_autofree char *found = findings_text (&f);

    g_assert_cmpstr (found, ==, "");
    for (guint i = 0; i < relais_config_n_sections (first, "listener"); i++)
        g_assert_cmpstr (
            relais_section_get_name (relais_config_nth_section (second, "listener", i)), ==,
            relais_section_get_name (relais_config_nth_section (first, "listener", i)));

    g_autofree char *again = values_of (second);

    g_assert_cmpstr (again, ==, values);
    fixture_clear (&f);
}

/* Every option as documented, uncommented: what has a default must be taken. */
static void
test_document (void)
{
    Fixture f;
    g_autofree char *document = NULL;
    g_autoptr (GString) text = g_string_new (NULL);
    g_auto (GStrv) lines = NULL;

    fixture_init (&f);
    document = relais_schema_document (f.schema, NULL);
    lines = g_strsplit (document, "\n", -1);
    for (char **line = lines; *line != NULL; line++)
        if ((*line)[0] == '#' && (*line)[1] != ' ' && !g_str_has_suffix (*line, "="))
            g_string_append_printf (text, "%s\n", *line + 1);
    g_string_replace (text, "[class NAME]", "[class bulk]", 0);
    g_string_replace (text, "[suppress NAME]", "[suppress soft]", 0);
    g_string_replace (text, "[route NAME]", "[route NAME]\nhost = a.example", 0);
    put (&f, "a.conf", text->str, -1);
    g_autoptr (RelaisConfig) config = read_config (&f);
    g_autofree char *found = findings_text (&f);

    g_assert_cmpstr (found, ==, "");
    g_assert_cmpint (relais_section_get_int (section (config, "route", "NAME"), "connections"), ==,
                     50);
    fixture_clear (&f);
}

/* --- What is shipped --------------------------------------------------------------------------- */

static bool
is_example (const char *line)
{
    return line[0] == '#' && line[1] != ' ' && line[1] != '\0';
}

/* conf.d as it is, and with every example in it uncommented: nothing may be said of either. */
static void
check_shipped (Fixture *f, const char *dir, bool uncommented)
{
    g_autoptr (GDir) listing = g_dir_open (dir, 0, NULL);
    const char *name;
    guint n = 0;

    g_assert_nonnull (listing);
    while ((name = g_dir_read_name (listing)) != NULL) {
        g_autofree char *path = g_build_filename (dir, name, NULL);
        g_autoptr (GString) text = g_string_new (NULL);
        g_autofree char *content = NULL;
        g_auto (GStrv) lines = NULL;

        if (!g_str_has_suffix (name, ".conf"))
            continue;
        g_assert_true (g_file_get_contents (path, &content, NULL, NULL));
        lines = g_strsplit (content, "\n", -1);
        for (char **line = lines; *line != NULL; line++)
            g_string_append_printf (text, "%s\n",
                                    uncommented && is_example (*line) ? *line + 1 : *line);
        put (f, name, text->str, -1);
        path[strlen (path) - strlen (".conf")] = '\0';
        relais_schema_add_off (f->schema, strrchr (path, '/') + 1); /* named as their modules */
        n++;
    }
    g_assert_cmpuint (n, >, 0);
    g_autoptr (RelaisConfig) config = read_config (f);
    g_autofree char *found = findings_text (f);

    /* The modules' own sections are the modules' tests to check. */
    g_assert_cmpstr (found, ==, "");
    g_assert_nonnull (config);
    if (uncommented)
        g_assert_cmpuint (relais_config_n_sections (config, "listener"), ==, 3);
    else
        g_assert_cmpuint (relais_config_n_sections (config, "tenant"), ==, 0);
}

static void
test_shipped (void)
{
    const char *source = g_getenv ("RELAIS_SRCDIR");
    g_autofree char *dir = NULL;
    Fixture f;

    if (source == NULL) {
        g_test_skip ("RELAIS_SRCDIR is not set");
        return;
    }
    dir = g_build_filename (source, "conf.d", NULL);
    fixture_init (&f);
    check_shipped (&f, dir, false);
    check_shipped (&f, dir, true);
    fixture_clear (&f);
}

/* relais.conf(5) names every option of the core and every default. */
static void
test_manual (void)
{
    const char *source = g_getenv ("RELAIS_SRCDIR");
    g_autofree char *path = NULL;
    g_autofree char *page = NULL;
    g_autofree char *expected = NULL;
    RelaisSchema *schema;

    if (source == NULL) {
        g_test_skip ("RELAIS_SRCDIR is not set");
        return;
    }
    schema = relais_schema_new ();
    expected = relais_schema_manual (schema);
    relais_schema_free (schema);
    path = g_build_filename (source, "man", "relais.conf.5", NULL);
    g_assert_true (g_file_get_contents (path, &page, NULL, NULL));

    const char *begin = strstr (page, expected);

    if (begin == NULL && g_getenv ("RELAIS_REGENERATE") != NULL) {
        const char *from = strstr (page, ".\\\" BEGIN OPTIONS\n");
        const char *to = strstr (page, ".\\\" END OPTIONS\n");

        g_assert_true (from != NULL && to != NULL);
        from = strchr (from, '\n') + 1;

        g_autofree char *head = g_strndup (page, (gsize)(from - page));
        g_autofree char *whole = g_strconcat (head, expected, to, NULL);

        g_assert_true (g_file_set_contents (path, whole, -1, NULL));
        return;
    }
    g_assert_nonnull (begin); /* else: run this test with RELAIS_REGENERATE=1 */
    g_assert_true (g_str_has_prefix (begin + strlen (expected), ".\\\" END OPTIONS\n"));
}

/* --- Names and numbers ------------------------------------------------------------------------- */

static void
test_nearest (void)
{
    static const char *const known[] = {"port", "proxy", "trusted_nets", "tls", "address"};
    static const struct {
        const char *text, *nearest;
    } rows[] = {
        {"prot", "port"},     {"poort", "port"},     {"trustednets", "trusted_nets"},
        {"tsl", "tls"},       {"adress", "address"}, {"proxi", "proxy"},
        {"qwertyuiop", NULL}, {"x", NULL},           {"", NULL},
        {"tls", "tls"},
    };
    g_autoptr (GPtrArray) names = g_ptr_array_new ();
    g_autofree char *longest = g_strnfill (100000, 'a');

    for (gsize i = 0; i < G_N_ELEMENTS (known); i++)
        g_ptr_array_add (names, (gpointer)known[i]);
    for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
        g_assert_cmpstr (relais_nearest_name (rows[i].text, names), ==, rows[i].nearest);
    g_assert_null (relais_nearest_name (longest, names));
    g_assert_cmpuint (relais_edit_distance ("abcd", "acbd"), ==, 1);
    g_assert_cmpuint (relais_edit_distance ("", "abc"), ==, 3);
    g_assert_cmpuint (relais_edit_distance ("kitten", "sitting"), ==, 3);
}

static void
test_getters (void)
{
    Fixture f;

    fixture_init (&f);
    put (&f, "a.conf",
         "[spool]\nsegment_size = 2M\n[queue]\nidle_time = 250ms\ntls = require\n[dns]\n"
         "timeout = 1m\n[listener x]\nproxy_nets =\nproxy = yes\n",
         -1);
    g_autoptr (RelaisConfig) config = read_config (&f);

    g_assert_cmpint (relais_section_get_int (section (config, "spool", NULL), "segment_size"), ==,
                     2 << 20);
    g_assert_cmpint (relais_section_get_int (section (config, "queue", NULL), "idle_time"), ==,
                     250000);
    g_assert_cmpint (relais_section_get_int (section (config, "dns", NULL), "timeout"), ==,
                     60000000);
    g_assert_cmpuint (relais_section_get_enum (section (config, "queue", NULL), "tls"), ==, 2);
    g_assert_null (relais_section_get_list (section (config, "listener", "x"), "proxy_nets")[0]);
    g_assert_true (relais_section_get_bool (section (config, "listener", "x"), "proxy"));

    g_test_expect_message ("relais", G_LOG_LEVEL_CRITICAL, "*'prot' of section 'listener'*");
    g_assert_cmpint (relais_section_get_int (section (config, "listener", "x"), "prot"), ==, 0);
    g_test_assert_expected_messages ();
    g_test_expect_message ("relais", G_LOG_LEVEL_CRITICAL, "*another type*");
    g_assert_null (relais_section_get_string (section (config, "listener", "x"), "port"));
    g_test_assert_expected_messages ();

    /* The configuration outlives the schema. */
    g_autoptr (RelaisConfig) second = relais_config_ref (config);

    g_clear_pointer (&f.schema, relais_schema_free);
    g_assert_cmpint (relais_section_get_int (section (second, "listener", "x"), "port"), ==, 25);
    fixture_clear (&f);
}

/* --- Random bytes ------------------------------------------------------------------------------ */

static void
test_random (void)
{
    static const char *const pieces[] = {
        "[relais]\n",
        "[listener ",
        "x",
        "]",
        "\n",
        "[",
        "=",
        "port",
        " = ",
        "25",
        "address",
        ",",
        "throttle.",
        "[module throttle]\n",
        "[throttle-rule a]\n",
        "rate",
        "\xff",
        "\r",
        "#",
        "-",
        "retry",
        "[class bulk]\n",
        "1m ",
        "99999999999999999999",
        "K",
        "trusted_nets = ",
        "::/0 ",
    };
    g_autoptr (GRand) random = g_rand_new_with_seed (42);
    g_autoptr (GString) text = g_string_new (NULL);
    Fixture f;

    fixture_init (&f);
    add_throttle (&f);
    for (int i = 0; i < 2000; i++) {
        int n = g_rand_int_range (random, 0, 200);

        g_string_truncate (text, 0);
        for (int j = 0; j < n; j++) {
            if (i % 4 == 0)
                g_string_append_c (text, (char)g_rand_int_range (random, 0, 256));
            else
                g_string_append (text, pieces[g_rand_int_range (random, 0, G_N_ELEMENTS (pieces))]);
        }
        put (&f, "a.conf", text->str, (gssize)text->len);
        RelaisConfig *config = read_config (&f);

        g_clear_pointer (&config, relais_config_unref);
    }
    fixture_clear (&f);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/conf/empty", test_empty);
    g_test_add_func ("/conf/override", test_override);
    g_test_add_func ("/conf/messages", test_messages);
    g_test_add_func ("/conf/bounds", test_bounds);
    g_test_add_func ("/conf/modules", test_modules);
    g_test_add_func ("/conf/declarations", test_declarations);
    g_test_add_func ("/conf/dump", test_dump);
    g_test_add_func ("/conf/document", test_document);
    g_test_add_func ("/conf/shipped", test_shipped);
    g_test_add_func ("/conf/manual", test_manual);
    g_test_add_func ("/conf/nearest", test_nearest);
    g_test_add_func ("/conf/getters", test_getters);
    g_test_add_func ("/conf/random", test_random);
    return g_test_run ();
}
