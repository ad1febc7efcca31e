/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * modules/tracking, who it was: hits as they are seen in logs, with the shipped rules; the boundaries of its limits;
 * what a file of rules may not hold, and on which line it is said; networks within networks.
 */
#include "who.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define SECOND ((gint64)G_USEC_PER_SEC)
#define MINUTE (60 * SECOND)

/* Browsers and mail programs of people. */
#define CHROME                                                                                     \
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "            \
    "Chrome/142.0.0.0 Safari/537.36"
#define FIREFOX "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
#define SAFARI                                                                                     \
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "    \
    "Version/18.1 Safari/605.1.15"
#define IPHONE                                                                                     \
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "    \
    "Gecko) Version/18.1 Mobile/15E148 Safari/604.1"
#define IPHONE_MAIL                                                                                \
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "    \
    "Gecko) Mobile/15E148"
#define MAC_MAIL                                                                                   \
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
#define ANDROID                                                                                    \
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 "  \
    "Mobile Safari/537.36"
#define OUTLOOK                                                                                    \
    "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/7.0; .NET4.0C; .NET4.0E; " \
    "Microsoft Outlook 16.0.17928; ms-office; MSOffice 16)"
#define GMAIL                                                                                      \
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
#define YAHOO "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"

#define HOME "203.0.113.7" /* of nobody known */

typedef enum { OPEN = 0, CLICK = 1, BY_HEAD = 2, TRAPPED = 4, BURSTING = 8, AHEAD = 16 } How;

static const struct {
    How how;
    gint64 after_us;
    const char *address, *agent;
    const char *klass, *reasons, *client, *platform, *proxy;
} hits[] = {
    /* People. */
    {CLICK, MINUTE, HOME, CHROME, "human", "", "Chrome", "Windows", NULL},
    {OPEN, MINUTE, HOME, CHROME, "human", "", "Chrome", "Windows", NULL},
    {CLICK, MINUTE, HOME, FIREFOX, "human", "", "Firefox", "Linux", NULL},
    {CLICK, MINUTE, HOME, SAFARI, "human", "", "Safari", "macOS", NULL},
    {CLICK, MINUTE, HOME, IPHONE, "human", "", "Safari", "iOS", NULL},
    {CLICK, MINUTE, HOME, ANDROID, "human", "", "Chrome", "Android", NULL},
    {CLICK, MINUTE, "2001:db8::7", CHROME, "human", "", "Chrome", "Windows", NULL},
    {CLICK, MINUTE, NULL, CHROME, "human", "", "Chrome", "Windows", NULL},
    {CLICK, MINUTE, "not an address", CHROME, "human", "", "Chrome", "Windows", NULL},
    {CLICK, MINUTE, HOME,
     "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
     "human", "", "Edge", "Windows", NULL},
    {CLICK, MINUTE, HOME,
     "Mozilla/5.0 (Linux; Android 10; HD1913) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/142.0.0.0 Mobile Safari/537.36 EdgA/142.0.0.0",
     "human", "", "Edge", "Android", NULL},
    {CLICK, MINUTE, HOME,
     "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
     "Gecko) Version/18.0 EdgiOS/142.0 Mobile/15E148 Safari/605.1.15",
     "human", "", "Edge", "iOS", NULL},
    {CLICK, MINUTE, HOME,
     "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/141.0.0.0 Safari/537.36 OPR/124.0.0.0",
     "human", "", "Opera", "Windows", NULL},
    {CLICK, MINUTE, HOME, "Opera/9.80 (Windows NT 6.1; U; de) Presto/2.12.388 Version/12.16",
     "human", "", "Opera", "Windows", NULL},
    {CLICK, MINUTE, HOME,
     "Mozilla/5.0 (iPhone; CPU iPhone OS 16_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
     "Gecko) Version/16.0 Mobile/15E148 Safari/604.1 OPT/3.4.0",
     "human", "", "Opera", "iOS", NULL},
    {CLICK, MINUTE, HOME,
     "Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) "
     "SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
     "human", "", "Samsung Internet", "Android", NULL},
    {CLICK, MINUTE, HOME,
     "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
     "Safari/537.36 Vivaldi/7.6",
     "human", "", "Vivaldi", "Linux", NULL},
    {CLICK, MINUTE, HOME,
     "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
     "Gecko) FxiOS/145.0 Mobile/15E148 Safari/605.1.15",
     "human", "", "Firefox", "iOS", NULL},
    {CLICK, MINUTE, HOME, "Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0",
     "human", "", "Firefox", "Android", NULL},
    {CLICK, MINUTE, HOME,
     "Mozilla/5.0 (iPad; CPU OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
     "CriOS/142.0 Mobile/15E148 Safari/604.1",
     "human", "", "Chrome", "iOS", NULL},
    {CLICK, MINUTE, HOME,
     "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/142.0.0.0 Safari/537.36",
     "human", "", "Chrome", "ChromeOS", NULL},
    {CLICK, MINUTE, HOME,
     "Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/UD1A; wv) AppleWebKit/537.36 (KHTML, like "
     "Gecko) Version/4.0 Chrome/142.0.0.0 Mobile Safari/537.36",
     "human", "", "WebView", "Android", NULL},
    {CLICK, MINUTE, HOME, "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko", "human",
     "", "Internet Explorer", "Windows", NULL},
    {CLICK, MINUTE, HOME, "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.0)", "human", "",
     "Internet Explorer", "Windows", NULL},
    {CLICK, MINUTE, HOME, "Mozilla/5.0 (PlayStation 5)", "human", "", "unknown", "unknown", NULL},
    {CLICK, MINUTE, HOME, "Mozilla/5.0 (Linux; Android 7.0; CUBOT_NOTE_S) Chrome/60.0 Mobile",
     "human", "", "Chrome", "Android", NULL},
    /* Their mail programs. */
    {OPEN, MINUTE, HOME,
     "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.4.0", "human", "",
     "Thunderbird", "Linux", NULL},
    {OPEN, MINUTE, HOME, OUTLOOK, "human", "", "Outlook", "Windows", NULL},
    {OPEN, MINUTE, HOME,
     "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17928; Pro)", "human", "",
     "Outlook", "Windows", NULL},
    {OPEN, MINUTE, HOME,
     "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 6.1; Trident/7.0; ms-office; MSOffice 15)",
     "human", "", "Outlook", "Windows", NULL},
    {OPEN, MINUTE, HOME, "MacOutlook/16.91.24111020 (Intelx64 Mac OS X Version 14.7)", "human", "",
     "Outlook", "macOS", NULL},
    {OPEN, MINUTE, HOME, "Outlook-iOS/723.4023", "human", "", "Outlook", "iOS", NULL},
    {OPEN, MINUTE, HOME, "Outlook-Android/2.0", "human", "", "Outlook", "Android", NULL},
    {OPEN, MINUTE, HOME, MAC_MAIL, "human", "", "Apple Mail", "macOS", NULL},
    {OPEN, MINUTE, HOME, IPHONE_MAIL, "human", "", "iPhone Mail", "iOS", NULL},
    {OPEN, MINUTE, HOME,
     "Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
     "Mobile/15E148",
     "human", "", "iPad Mail", "iOS", NULL},
    /* The same agent on a click is some program's own page. */
    {CLICK, MINUTE, HOME, IPHONE_MAIL, "human", "", "unknown", "iOS", NULL},
    /* Proxies that fetch when somebody opens. */
    {OPEN, MINUTE, "66.249.84.12", GMAIL, "human", "", "Gmail", "unknown", "GoogleImageProxy"},
    {OPEN, MINUTE, "::ffff:66.249.84.12", GMAIL, "human", "", "Gmail", "unknown",
     "GoogleImageProxy"},
    {OPEN, MINUTE, HOME, GMAIL, "human", "", "Gmail", "unknown", "GoogleImageProxy"},
    {OPEN, SECOND, "66.249.84.12", GMAIL, "suspect", "soon", "Gmail", "unknown",
     "GoogleImageProxy"},
    {OPEN | BY_HEAD, MINUTE, "66.249.84.12", GMAIL, "machine", "head", "Gmail", "unknown",
     "GoogleImageProxy"},
    {CLICK, MINUTE, "66.249.84.12", CHROME, "suspect", "net:Google", "Chrome", "Windows", "Google"},
    {OPEN, MINUTE, "34.65.1.1", GMAIL, "suspect", "net:GCP", "Gmail", "unknown", "GCP"},
    {OPEN, MINUTE, HOME, YAHOO, "human", "", "Yahoo Mail", "unknown", "YahooMailProxy"},
    /* Proxies that fetch whether or not somebody does; who clicks through them is a person. */
    {OPEN, MINUTE, "104.28.30.9", "Mozilla/5.0", "machine",
     "net:Apple-Private-Relay,agent:Apple-Mail-Privacy", "unknown", "unknown",
     "Apple-Mail-Privacy"},
    {OPEN, MINUTE, HOME, "Mozilla/5.0", "machine", "agent:Apple-Mail-Privacy", "unknown", "unknown",
     "Apple-Mail-Privacy"},
    {OPEN, MINUTE, "172.226.34.2", MAC_MAIL, "machine", "net:Apple-Private-Relay", "Apple Mail",
     "macOS", "Apple-Private-Relay"},
    {OPEN, MINUTE, "2a02:26f7:b3c0:4000::1", MAC_MAIL, "machine", "net:Apple-Private-Relay",
     "Apple Mail", "macOS", "Apple-Private-Relay"},
    {CLICK, MINUTE, "172.226.34.2", IPHONE, "human", "", "Safari", "iOS", "Apple-Private-Relay"},
    /* Gateways. */
    {CLICK, MINUTE, "40.107.22.1", CHROME, "machine", "net:Microsoft-EOP", "Chrome", "Windows",
     "Microsoft-EOP"},
    {CLICK, MINUTE, "2a01:111:f403::1", CHROME, "machine", "net:Microsoft-EOP", "Chrome", "Windows",
     "Microsoft-EOP"},
    {CLICK, MINUTE, "40.94.31.7", CHROME, "suspect", "net:Microsoft-SafeLinks", "Chrome", "Windows",
     "Microsoft-SafeLinks"},
    {CLICK, MINUTE, "67.231.152.9", SAFARI, "machine", "net:Proofpoint", "Safari", "macOS",
     "Proofpoint"},
    {CLICK, MINUTE, "205.139.110.61", CHROME, "machine", "net:Mimecast", "Chrome", "Windows",
     "Mimecast"},
    {CLICK, MINUTE, "209.222.82.3", CHROME, "machine", "net:Barracuda", "Chrome", "Windows",
     "Barracuda"},
    {CLICK, MINUTE, HOME, "BarracudaCentral/1.0", "machine", "agent:Barracuda", "unknown",
     "unknown", "Barracuda"},
    {CLICK, MINUTE, "68.232.130.1", CHROME, "machine", "net:Cisco-IronPort", "Chrome", "Windows",
     "Cisco-IronPort"},
    {CLICK, MINUTE, "67.219.250.5", CHROME, "machine", "net:MessageLabs", "Chrome", "Windows",
     "MessageLabs"},
    {CLICK, MINUTE, "150.70.1.1", CHROME, "machine", "net:Trend-Micro", "Chrome", "Windows",
     "Trend-Micro"},
    {CLICK, MINUTE, "208.91.112.5", CHROME, "machine", "net:Fortinet", "Chrome", "Windows",
     "Fortinet"},
    {CLICK, MINUTE, HOME, "Microsoft Office Existence Discovery", "machine",
     "agent:Office-Existence", "unknown", "unknown", "Office-Existence"},
    /* Data centres: doubt, no more. */
    {CLICK, MINUTE, "3.70.1.2", CHROME, "suspect", "net:AWS", "Chrome", "Windows", "AWS"},
    {CLICK, MINUTE, "20.120.5.5", CHROME, "suspect", "net:Azure", "Chrome", "Windows", "Azure"},
    {CLICK, MINUTE, "35.200.1.1", CHROME, "suspect", "net:GCP", "Chrome", "Windows", "GCP"},
    {CLICK, MINUTE, "46.101.9.9", CHROME, "suspect", "net:DigitalOcean", "Chrome", "Windows",
     "DigitalOcean"},
    {CLICK, MINUTE, "2a01:4f8:10:1::2", CHROME, "suspect", "net:Hetzner", "Chrome", "Windows",
     "Hetzner"},
    {CLICK, MINUTE, "51.75.3.3", CHROME, "suspect", "net:OVH", "Chrome", "Windows", "OVH"},
    {CLICK, MINUTE, "3.70.1.2", "python-requests/2.32.3", "machine",
     "net:AWS,agent:python-requests", "unknown", "unknown", "python-requests"},
    /* Robots, previews, watchers, libraries. */
    {CLICK, MINUTE, "66.249.66.1",
     "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Googlebot/2.1; "
     "+http://www.google.com/bot.html) Chrome/142.0.0.0 Safari/537.36",
     "machine", "net:Googlebot,agent:Googlebot", "Chrome", "unknown", "Googlebot"},
    {CLICK, MINUTE, HOME, "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "machine",
     "agent:Slackbot", "unknown", "unknown", "Slackbot"},
    {CLICK, MINUTE, HOME, "Twitterbot/1.0", "machine", "agent:Twitterbot", "unknown", "unknown",
     "Twitterbot"},
    {CLICK, MINUTE, HOME,
     "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "machine",
     "agent:Facebook", "unknown", "unknown", "Facebook"},
    {CLICK, MINUTE, HOME, "WhatsApp/2.24.20.89 A", "machine", "agent:WhatsApp", "unknown",
     "unknown", "WhatsApp"},
    {CLICK, MINUTE, HOME, "TelegramBot (like TwitterBot)", "machine", "agent:TelegramBot",
     "unknown", "unknown", "TelegramBot"},
    {CLICK, MINUTE, HOME,
     "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
     "machine", "agent:Apache-HttpClient", "unknown", "unknown", "Apache-HttpClient"},
    {CLICK, MINUTE, HOME, "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
     "machine", "agent:Discordbot", "unknown", "unknown", "Discordbot"},
    {CLICK, MINUTE, HOME, "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
     "machine", "agent:SkypeUriPreview", "unknown", "Windows", "SkypeUriPreview"},
    {CLICK, MINUTE, "157.55.39.8",
     "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "machine",
     "net:bingbot,agent:bingbot", "unknown", "unknown", "bingbot"},
    {CLICK, MINUTE, HOME, "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
     "machine", "agent:UptimeRobot", "unknown", "unknown", "UptimeRobot"},
    {CLICK, MINUTE, HOME, "Mozilla/5.0 (compatible; Some-Thing/1.0; +https://thing.example)",
     "machine", "agent:robot", "unknown", "unknown", "robot"},
    {CLICK, MINUTE, HOME, "curl/8.5.0", "machine", "agent:curl", "unknown", "unknown", "curl"},
    {CLICK, MINUTE, HOME, "CURL/8.5.0", "machine", "agent:curl", "unknown", "unknown", "curl"},
    {CLICK, MINUTE, HOME, "Wget/1.21.4", "machine", "agent:Wget", "unknown", "unknown", "Wget"},
    {CLICK, MINUTE, HOME, "Go-http-client/2.0", "machine", "agent:Go-http-client", "unknown",
     "unknown", "Go-http-client"},
    {CLICK, MINUTE, HOME, "Java/17.0.9", "machine", "agent:Java", "unknown", "unknown", "Java"},
    {CLICK, MINUTE, HOME, "okhttp/4.12.0", "machine", "agent:okhttp", "unknown", "unknown",
     "okhttp"},
    {CLICK, MINUTE, HOME,
     "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
     "HeadlessChrome/142.0.0.0 Safari/537.36",
     "machine", "agent:HeadlessChrome", "Chrome", "Linux", "HeadlessChrome"},
    /* Signs of the hit itself. */
    {CLICK, MINUTE, HOME, NULL, "machine", "no-agent", "unknown", "unknown", NULL},
    {CLICK, MINUTE, HOME, "", "machine", "no-agent", "unknown", "unknown", NULL},
    {CLICK, MINUTE, HOME, " \t ", "machine", "no-agent", "unknown", "unknown", NULL},
    {OPEN, MINUTE, HOME, "-", "machine", "no-agent", "unknown", "unknown", NULL},
    {CLICK | BY_HEAD, MINUTE, HOME, CHROME, "machine", "head", "Chrome", "Windows", NULL},
    {CLICK | TRAPPED, MINUTE, HOME, CHROME, "machine", "trap", "Chrome", "Windows", NULL},
    {CLICK | BURSTING, MINUTE, HOME, CHROME, "machine", "burst", "Chrome", "Windows", NULL},
    {CLICK, SECOND, HOME, CHROME, "suspect", "soon", "Chrome", "Windows", NULL},
    {CLICK, 0, HOME, CHROME, "suspect", "soon", "Chrome", "Windows", NULL},
    {CLICK, -1, HOME, CHROME, "human", "", "Chrome", "Windows", NULL},
    {CLICK, -3600 * SECOND, HOME, CHROME, "human", "", "Chrome", "Windows", NULL},
    {CLICK, G_MININT64, HOME, CHROME, "human", "", "Chrome", "Windows", NULL},
    {CLICK, G_MAXINT64, HOME, CHROME, "human", "", "Chrome", "Windows", NULL},
    {CLICK | BURSTING, SECOND, HOME, CHROME, "machine", "burst,soon", "Chrome", "Windows", NULL},
    {CLICK | AHEAD, MINUTE, HOME, CHROME, "suspect", "prefetch", "Chrome", "Windows", NULL},
    {OPEN | BY_HEAD | TRAPPED | BURSTING | AHEAD, 0, "40.107.22.1", "curl/8.5.0", "machine",
     "head,trap,burst,prefetch,soon,net:Microsoft-EOP,agent:curl", "unknown", "unknown", "curl"},
};
G_STATIC_ASSERT (G_N_ELEMENTS (hits) >= 80);

static char *
shipped_path (void)
{
    return g_build_filename (g_getenv ("RELAIS_SRCDIR"), "modules", "tracking", "tracking-rules",
                             NULL);
}

static TrackingRules *
load_shipped (void)
{
    g_autofree char *path = shipped_path ();
    g_autoptr (GError) error = NULL;
    TrackingRules *rules = tracking_rules_load (path, &error);

    g_assert_no_error (error);
    g_assert_nonnull (rules);
    return rules;
}

static void
test_hits (void)
{
    g_autoptr (TrackingRules) rules = load_shipped ();

    for (guint i = 0; i < G_N_ELEMENTS (hits); i++) {
        const How how = hits[i].how;
        const TrackingSigns signs = {.head = (how & BY_HEAD) != 0,
                                     .click = (how & CLICK) != 0,
                                     .trap = (how & TRAPPED) != 0,
                                     .burst = (how & BURSTING) != 0,
                                     .prefetch = (how & AHEAD) != 0,
                                     .after_us = hits[i].after_us,
                                     .address = hits[i].address,
                                     .agent = hits[i].agent};
        TrackingVerdict verdict;

        g_test_message ("%u: %s %s", i, hits[i].address, hits[i].agent);
        tracking_who (rules, &signs, &verdict);
        g_assert_cmpstr (verdict.reasons, ==, hits[i].reasons);
        g_assert_cmpstr (tracking_class_to_string (verdict.klass), ==, hits[i].klass);
        g_assert_cmpstr (verdict.client, ==, hits[i].client);
        g_assert_cmpstr (verdict.platform, ==, hits[i].platform);
        g_assert_cmpstr (verdict.proxy, ==, hits[i].proxy);
    }
}

/* --- Doubt ------------------------------------------------------------------------------------- */

static TrackingRules *
parse (const char *text)
{
    g_autoptr (GError) error = NULL;
    TrackingRules *rules = tracking_rules_parse (text, strlen (text), "t", &error);

    g_assert_no_error (error);
    g_assert_nonnull (rules);
    return rules;
}

/* One sign more never makes a hit less doubtful. */
static void
test_doubt (void)
{
    g_autoptr (TrackingRules) rules = load_shipped ();
    static const char *const addresses[] = {HOME, "66.249.84.12", "3.70.1.2", "40.107.22.1"};
    static const char *const agents[] = {CHROME, GMAIL, "curl/8.5.0", ""};

    for (guint i = 0; i < 4 * 4 * 32; i++) {
        const TrackingSigns signs = {.head = (i & 1) != 0,
                                     .click = (i & 2) != 0,
                                     .trap = (i & 4) != 0,
                                     .burst = (i & 8) != 0,
                                     .after_us = (i & 16) != 0 ? SECOND : MINUTE,
                                     .address = addresses[(i >> 5) & 3],
                                     .agent = agents[(i >> 7) & 3]};
        TrackingVerdict all, alone;
        TrackingClass most = TRACKING_HUMAN;

        for (guint j = 0; j < 6; j++) {
            TrackingSigns one = {.click = signs.click,
                                 .after_us = j == 3 ? signs.after_us : MINUTE,
                                 .address = j == 4 ? signs.address : HOME,
                                 .agent = j == 5 ? signs.agent : CHROME};

            one.head = j == 0 && signs.head;
            one.trap = j == 1 && signs.trap;
            one.burst = j == 2 && signs.burst;
            tracking_who (rules, &one, &alone);
            most = MAX (most, alone.klass);
        }
        tracking_who (rules, &signs, &all);
        g_assert_cmpint (all.klass, ==, most);
        g_assert_true ((all.klass == TRACKING_HUMAN) == (all.reasons[0] == '\0'));
    }
}

static TrackingClass
class_after (const TrackingRules *rules, bool click, gint64 after_us)
{
    const TrackingSigns signs = {
        .click = click, .after_us = after_us, .address = HOME, .agent = CHROME};
    TrackingVerdict verdict;

    tracking_who (rules, &signs, &verdict);
    return verdict.klass;
}

static void
test_seconds (void)
{
    g_autoptr (TrackingRules) own = parse ("seconds open 0\nseconds click 3600\n");
    g_autoptr (TrackingRules) none = parse ("");
    const struct {
        const TrackingRules *rules;
        gint64 open_us, click_us;
    } rows[] = {
        {NULL, TRACKING_OPEN_SECONDS * SECOND, TRACKING_CLICK_SECONDS * SECOND},
        {none, TRACKING_OPEN_SECONDS * SECOND, TRACKING_CLICK_SECONDS * SECOND},
        {own, 0, TRACKING_RULES_MAX_SECONDS * SECOND},
    };

    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        g_assert_cmpint (class_after (rows[i].rules, false, rows[i].open_us), ==, TRACKING_SUSPECT);
        g_assert_cmpint (class_after (rows[i].rules, false, rows[i].open_us + 1), ==,
                         TRACKING_HUMAN);
        g_assert_cmpint (class_after (rows[i].rules, true, rows[i].click_us), ==, TRACKING_SUSPECT);
        g_assert_cmpint (class_after (rows[i].rules, true, rows[i].click_us + 1), ==,
                         TRACKING_HUMAN);
    }
}

/* --- Rules ------------------------------------------------------------------------------------- */

#define G " guess\n"

static void
test_errors (void)
{
    static const struct {
        const char *text, *error; /* a part of it */
    } rows[] = {
        {"nets 192.0.2.0/24 machine A" G, "t:1: 'nets' is no rule; expected net, agent or seconds"},
        {"# one\n\nnet\n", "t:3: '' is no network"},
        {"net 192.0.2.0/33 machine A" G, "t:1: '192.0.2.0/33' is no network"},
        {"net 192.0.2.0/024 machine A" G, "is no network"},
        {"net 192.0.2.0/ machine A" G, "is no network"},
        {"net 192.0.2.0/-1 machine A" G, "is no network"},
        {"net 192.0.2.1/24 machine A" G, "no bit set after the first LENGTH"},
        {"net 2001:db8::1/64 machine A" G, "is no network"},
        {"net 2001:db8::/129 machine A" G, "is no network"},
        {"net ::/0 machine A" G, "is no network"},
        {"net ::/80 machine A" G, "is no network"},
        {"net example.test machine A" G, "is no network"},
        {"net 192.0.2.0/24\n", "t:1: '' is no class; expected human, suspect, machine"},
        {"net 192.0.2.0/24 robot A" G, "'robot' is no class"},
        {"net 192.0.2.0/24 Machine A" G, "'Machine' is no class"},
        {"net 192.0.2.0/24 machine/ A" G, "'machine/' is no class"},
        {"net 192.0.2.0/24 /machine A" G, "'/machine' is no class"},
        {"net 192.0.2.0/24 machine/human/human A" G, "is no class"},
        {"net 192.0.2.0/24 machine\n", "t:1: '' is no name; expected 1 to 32"},
        {"net 192.0.2.0/24 machine a,b" G, "'a,b' is no name"},
        {"net 192.0.2.0/24 machine 123456789012345678901234567890123" G, "is no name"},
        {"net 192.0.2.0/24 machine A\n", "t:1: the line has no source; expected a URL and a date"},
        {"net 192.0.2.0/24 machine A # guess\n", "has no source"},
        {"net 192.0.2.0/24 machine A guessed\n", "has no source"},
        {"net 192.0.2.0/24 machine A https://a.test/\n", "has no source"},
        {"net 192.0.2.0/24 machine A https://a.test/ 2026-02-30\n", "has no source"},
        {"net 192.0.2.0/24 machine A https://a.test/ 2026-11-2\n", "has no source"},
        {"net 192.0.2.0/24 machine A https://a.test/ 28-11-2026\n", "has no source"},
        {"net 192.0.2.0/24 machine A https://a.test/ 2026-11+28\n", "has no source"},
        {"net 192.0.2.0/24 machine A 2026-11-28 https://a.test/\n", "has no source"},
        {"net 192.0.2.0/24 machine A https:// 2026-11-28\n", "has no source"},
        {"net 192.0.2.0/24 machine A ftp://a.test/ 2026-11-28\n", "has no source"},
        {"agent curl machine A" G, "t:1: there is no part of an agent; expected \"SUBSTRING\""},
        {"agent \"curl machine A" G, "no part of an agent"},
        {"agent \"\" machine A" G, "no part of an agent"},
        {"agent \"^\" machine A" G, "no part of an agent"},
        {"agent \"^$\" machine A" G, "no part of an agent"},
        {"agent \"a\"machine A" G, "no part of an agent"},
        {"agent \"a\" machine A\n", "has no source"},
        {"seconds read 2\n", "t:1: 'read' cannot be timed; expected open or click"},
        {"seconds open\n", "t:1: '' is no number of seconds; expected 0 to 3600"},
        {"seconds open 3601\n", "'3601' is no number"},
        {"seconds open 99999999999999999999\n", "is no number"},
        {"seconds open 2s\n", "'2s' is no number"},
        {"seconds open 02\n", "'02' is no number"},
        {"seconds open 2 3\n", "'3' is one word too many; expected the end of the line"},
        {"net 192.0.2.0/24 human A" G "net 192.0.2.7 human B" G "net 192.0.2.0/24 machine C" G,
         "t:3: the network stands on line 1 already; expected each once"},
        {"net 192.0.2.0/24 human A" G "net ::ffff:192.0.2.0/120 machine C" G,
         "t:2: the network stands on line 1 already"},
        {"# \x01\n", "t:1: there is a control character; expected plain text"},
        {"\n\xff\xfe is no rule\n", "t:2: '\xef\xbf\xbd"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        g_autoptr (GError) error = NULL;

        g_test_message ("%s", rows[i].error);
        g_assert_null (tracking_rules_parse (rows[i].text, strlen (rows[i].text), "t", &error));
        g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
        g_test_message ("%s", error->message);
        g_assert_nonnull (strstr (error->message, rows[i].error));
        g_assert_true (g_utf8_validate (error->message, -1, NULL));
    }
}

static void
test_taken (void)
{
    static const char *const rows[] = {
        "",
        "\n\n",
        "# only a comment",
        "\t net\t192.0.2.0/24  machine/human A.b-c_d+1 https://a.test/x#y 2026-11-28 and why # "
        "z\r\n",
        "net 192.0.2.7 human 12345678901234567890123456789012 guess",
        "net ::ffff:0.0.0.0/96 suspect everything guess\nnet 0.0.0.0/1 human half guess\n",
        "agent \"a # b\" machine A http://a.test/ 2024-02-29\n",
        "seconds open 2 # comment\nseconds open 3\n",
    };

    for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
        tracking_rules_free (parse (rows[i]));
}

static const char *
net_name (const TrackingRules *rules, const char *address)
{
    const TrackingRule *rule = tracking_rules_find_net (rules, address);

    return rule != NULL ? rule->name : "none";
}

static void
test_longest (void)
{
    g_autoptr (TrackingRules) rules = parse (
        "net 10.1.2.128/25 human quarter" G "net 10.0.0.0/8 suspect ten" G
        "net 10.1.0.0/16 machine one" G "net 10.1.2.3 human host" G "net 10.3.0.0/16 human three" G
        "net 2001:db8::/32 machine doc" G "net 2001:db8:1::/48 human site" G
        "net 255.255.255.255 machine last" G "net 0.0.0.0 machine first" G);
    static const struct {
        const char *address, *name;
    } rows[] = {
        {"10.0.0.0", "ten"},
        {"10.255.255.255", "ten"},
        {"9.255.255.255", "none"},
        {"11.0.0.0", "none"},
        {"10.1.0.0", "one"},
        {"10.1.2.2", "one"},
        {"10.1.2.3", "host"},
        {"10.1.2.4", "one"},
        {"10.1.2.127", "one"},
        {"10.1.2.128", "quarter"},
        {"10.1.2.255", "quarter"},
        {"10.1.3.0", "one"},
        {"10.1.255.255", "one"},
        {"10.2.0.0", "ten"},
        {"10.3.9.9", "three"},
        {"10.4.0.0", "ten"},
        {"::ffff:10.1.2.3", "host"},
        {"::ffff:a01:203", "host"},
        {"2001:db8::", "doc"},
        {"2001:db8:1::", "site"},
        {"2001:db8:1:ffff::1", "site"},
        {"2001:db8:2::", "doc"},
        {"2001:db9::", "none"},
        {"2001:db7:ffff::", "none"},
        {"::", "none"},
        {"::10.1.2.3", "none"},
        {"0.0.0.0", "first"},
        {"255.255.255.255", "last"},
        {"ffff::", "none"},
        {"10.1.2", "none"},
        {"10.1.2.3 ", "none"},
        {"", "none"},
        {"fe80::1%eth0", "none"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        g_test_message ("%s", rows[i].address);
        g_assert_cmpstr (net_name (rules, rows[i].address), ==, rows[i].name);
    }
    g_assert_cmpstr (net_name (NULL, "10.0.0.0"), ==, "none");
    g_assert_cmpstr (net_name (rules, NULL), ==, "none");
}

/* Nested and neighbouring networks by chance, against a look at each. */
static void
test_against_scan (void)
{
    for (guint round = 0; round < 50; round++) {
        g_autoptr (GString) text = g_string_new (NULL);
        g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr (TrackingRules) rules = NULL;
        guint32 base[64];
        guint bits[64];
        guint n = 0;

        while (n < G_N_ELEMENTS (base)) {
            char *net;

            bits[n] = (guint)g_test_rand_int_range (24, 33);
            base[n] = 0xc0000200u | (guint32)g_test_rand_int_range (0, 256);
            base[n] &= (guint32)(0xffffffffull << (32 - bits[n]));
            net = g_strdup_printf ("192.0.%u.%u/%u", base[n] >> 8 & 255, base[n] & 255, bits[n]);
            if (!g_hash_table_contains (seen, net)) {
                g_string_append_printf (text, "net %s human n%u guess\n", net, n);
                n++;
            }
            g_hash_table_add (seen, net);
        }
        rules = parse (text->str);
        for (guint host = 0; host < 256; host++) {
            g_autofree char *address = g_strdup_printf ("192.0.2.%u", host);
            g_autofree char *name = g_strdup ("none");
            guint longest = 0;

            for (guint i = 0; i < n; i++)
                if (((base[i] ^ (0xc0000200u | host)) >> (32 - bits[i])) == 0 &&
                    bits[i] > longest) {
                    longest = bits[i];
                    g_free (name);
                    name = g_strdup_printf ("n%u", i);
                }
            g_assert_cmpstr (net_name (rules, address), ==, name);
        }
    }
}

static const char *
agent_name (const TrackingRules *rules, const char *agent, bool click)
{
    const TrackingRule *rule = tracking_rules_find_agent (rules, agent, click);

    return rule != NULL ? rule->name : "none";
}

static void
test_agents (void)
{
    g_autoptr (TrackingRules) rules =
        parse ("agent \"Proxy\" human proxy" G "agent \"^Begin\" machine begin" G
               "agent \"End$\" machine end" G "agent \"^All$\" machine all" G
               "agent \"Long Proxy\" human long" G "agent \"Open\" machine/human open" G
               "agent \"a^b\" machine caret" G);
    static const struct {
        const char *agent;
        bool click;
        const char *name;
    } rows[] = {
        {"a proxy b", false, "proxy"},
        {"a long proxy b", false, "long"},
        {"begin proxy", false, "begin"},
        {"no begin", false, "none"},
        {"the end", false, "end"},
        {"the end.", false, "none"},
        {"all", false, "all"},
        {"all ", false, "none"},
        {"a all", false, "none"},
        {"al", false, "none"},
        {"open proxy", false, "open"},
        {"open proxy", true, "proxy"},
        {"xa^by", false, "caret"},
        {"", false, "none"},
        {"long proxy open", true, "long"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        g_test_message ("%s", rows[i].agent);
        g_assert_cmpstr (agent_name (rules, rows[i].agent, rows[i].click), ==, rows[i].name);
    }
}

/* --- Limits ------------------------------------------------------------------------------------ */

static bool
is_taken (const char *text, gsize size, const char *why)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (TrackingRules) rules = tracking_rules_parse (text, size, "t", &error);

    g_assert_true ((rules == NULL) == (error != NULL));
    if (error != NULL)
        g_assert_nonnull (strstr (error->message, why));
    return rules != NULL;
}

static void
test_limits (void)
{
    g_autofree char *big = g_malloc (TRACKING_RULES_MAX_SIZE + 1);
    g_autoptr (GString) line = g_string_new ("#");
    g_autoptr (GString) agents = g_string_new (NULL);

    memset (big, '\n', TRACKING_RULES_MAX_SIZE + 1);
    g_assert_true (is_taken (big, TRACKING_RULES_MAX_SIZE, ""));
    g_assert_false (is_taken (big, TRACKING_RULES_MAX_SIZE + 1, "1048577 octets"));
    while (line->len < TRACKING_RULES_MAX_LINE)
        g_string_append_c (line, 'x');
    g_assert_true (is_taken (line->str, line->len, ""));
    g_string_append (line, "\r\n");
    g_assert_true (is_taken (line->str, line->len, ""));
    g_string_insert_c (line, 1, 'x');
    g_assert_false (is_taken (line->str, line->len, "t:1: the line has 1025 octets"));
    for (guint i = 0; i < TRACKING_RULES_MAX_AGENTS; i++)
        g_string_append_printf (agents, "agent \"x%u\" machine A" G, i);
    g_assert_true (is_taken (agents->str, agents->len, ""));
    g_string_append (agents, "agent \"y\" machine A" G);
    g_assert_false (is_taken (agents->str, agents->len, "t:1025: there are too many agents"));
    g_assert_false (is_taken ("#\0#", 3, "t:1: there is a control character"));
}

static void
test_agent_limit (void)
{
    g_autoptr (TrackingRules) rules = parse ("agent \"robot\" machine R" G);
    g_autoptr (GString) agent = g_string_new (NULL);
    TrackingSigns signs = {.after_us = MINUTE, .address = HOME};
    TrackingVerdict verdict;

    while (agent->len < TRACKING_AGENT_MAX - strlen ("robot"))
        g_string_append_c (agent, 'x');
    g_string_append (agent, "robot");
    signs.agent = agent->str;
    tracking_who (rules, &signs, &verdict);
    g_assert_cmpint (verdict.klass, ==, TRACKING_MACHINE);
    g_string_prepend_c (agent, 'x');
    signs.agent = agent->str;
    tracking_who (rules, &signs, &verdict);
    g_assert_cmpint (verdict.klass, ==, TRACKING_HUMAN);
}

static void
test_reasons (void)
{
    g_autoptr (TrackingRules) rules =
        parse ("net 192.0.2.0/24 machine NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN" G
               "agent \"-\" machine AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" G);
    const TrackingSigns signs = {.head = true,
                                 .trap = true,
                                 .burst = true,
                                 .after_us = 0,
                                 .address = "192.0.2.1",
                                 .agent = "-"};
    TrackingVerdict verdict;

    tracking_who (rules, &signs, &verdict);
    g_assert_cmpstr (verdict.reasons, ==,
                     "head,trap,burst,soon,no-agent,net:NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN,"
                     "agent:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
}

static void
test_chance (void)
{
    g_autoptr (TrackingRules) rules = load_shipped ();

    for (guint i = 0; i < 20000; i++) {
        char address[64], agent[1024];
        const guint n_address = (guint)g_test_rand_int_range (0, sizeof address);
        const guint n_agent = (guint)g_test_rand_int_range (0, sizeof agent);
        const TrackingSigns signs = {.head = g_test_rand_bit (),
                                     .click = g_test_rand_bit (),
                                     .trap = g_test_rand_bit (),
                                     .burst = g_test_rand_bit (),
                                     .after_us = g_test_rand_int (),
                                     .address = address,
                                     .agent = agent};
        TrackingVerdict verdict;

        for (guint j = 0; j < n_address; j++)
            address[j] = "0123456789abcdef.:/%"[g_test_rand_int_range (0, 20)];
        address[n_address] = '\0';
        for (guint j = 0; j < n_agent; j++)
            agent[j] = (char)g_test_rand_int_range (1, 256);
        agent[n_agent] = '\0';
        tracking_who (rules, &signs, &verdict);
        g_assert_cmpint (verdict.klass, <=, TRACKING_MACHINE);
        g_assert_nonnull (memchr (verdict.reasons, '\0', sizeof verdict.reasons));
        g_assert_true (verdict.client != NULL && verdict.platform != NULL);
    }
}

/* --- Files ------------------------------------------------------------------------------------- */

static void
test_shipped (void)
{
    g_autofree char *path = shipped_path ();
    g_autofree char *text = NULL;
    g_auto (GStrv) lines = NULL;
    guint n_nets = 0, n_agents = 0;

    tracking_rules_free (load_shipped ());
    g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
    lines = g_strsplit (text, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        const bool net = g_str_has_prefix (*line, "net "),
                   agent = g_str_has_prefix (*line, "agent ");

        n_nets += net;
        n_agents += agent;
        if ((net || agent) && !g_str_has_suffix (*line, " guess") &&
            !g_regex_match_simple (" https?://[a-z0-9.-]+/?\\S* 20\\d\\d-\\d\\d-\\d\\d( #|$)",
                                   *line, 0, 0))
            g_error ("no source: %s", *line);
    }
    g_assert_cmpuint (n_nets, >=, 30);
    g_assert_cmpuint (n_agents, >=, 30);
}

static void
test_load (void)
{
    g_autofree char *dir = g_dir_make_tmp ("relais-who-XXXXXX", NULL);
    g_autofree char *path = g_build_filename (dir, "rules", NULL);
    g_autofree char *big = g_strnfill (TRACKING_RULES_MAX_SIZE + 1, '\n');
    g_autofree char *wanted = g_strdup_printf ("%s:2: 'x' is no rule", path);
    g_autoptr (GError) error = NULL;

    g_assert_null (tracking_rules_load (path, &error));
    g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    g_assert_true (g_str_has_prefix (error->message, path));
    g_clear_error (&error);
    g_assert_null (tracking_rules_load (dir, &error));
    g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_ISDIR);
    g_clear_error (&error);
    g_assert_true (g_file_set_contents (path, "\nx", 2, NULL));
    g_assert_null (tracking_rules_load (path, &error));
    g_assert_true (g_str_has_prefix (error->message, wanted));
    g_clear_error (&error);
    g_assert_true (g_file_set_contents (path, big, TRACKING_RULES_MAX_SIZE + 1, NULL));
    g_assert_null (tracking_rules_load (path, &error));
    g_assert_nonnull (strstr (error->message, "octets; expected at most 1048576"));
    g_unlink (path);
    g_rmdir (dir);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/tracking/who/hits", test_hits);
    g_test_add_func ("/tracking/who/doubt", test_doubt);
    g_test_add_func ("/tracking/who/seconds", test_seconds);
    g_test_add_func ("/tracking/rules/errors", test_errors);
    g_test_add_func ("/tracking/rules/taken", test_taken);
    g_test_add_func ("/tracking/rules/longest", test_longest);
    g_test_add_func ("/tracking/rules/against-scan", test_against_scan);
    g_test_add_func ("/tracking/rules/agents", test_agents);
    g_test_add_func ("/tracking/rules/limits", test_limits);
    g_test_add_func ("/tracking/who/agent-limit", test_agent_limit);
    g_test_add_func ("/tracking/who/reasons", test_reasons);
    g_test_add_func ("/tracking/who/chance", test_chance);
    g_test_add_func ("/tracking/rules/shipped", test_shipped);
    g_test_add_func ("/tracking/rules/load", test_load);
    return g_test_run ();
}
