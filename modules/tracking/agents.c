/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Client and platform from a user agent in lower case. Agents claim to be each other (Edge is also Chrome, Chrome is
 * also Safari, all are Mozilla), so the tables go from the particular to the general and the first line that fits
 * holds. Pure; any thread.
 */
#include "who.h"

#include <string.h>

typedef enum {
    ANY = 0,
    FEIGNED = 1 << 0,   /* fetches for somebody else: the platform it names is nobody's */
    NO_SAFARI = 1 << 1, /* and does not call itself Safari */
    OPENS = 1 << 2      /* and only an open */
} Terms;

typedef struct {
    const char *part, *also; /* both must be there; also may be NULL */
    const char *client;
    Terms terms;
} Client;

static const Client clients[] = {
    {"googleimageproxy", NULL, "Gmail", FEIGNED},
    {"yahoomailproxy", NULL, "Yahoo Mail", FEIGNED},
    {"thunderbird/", NULL, "Thunderbird", ANY},
    /* Outlook shows mail by Word, Internet Explorer's engine or a web view, and says so first. */
    {"microsoft outlook", NULL, "Outlook", ANY},
    {"msoffice", NULL, "Outlook", ANY},
    {"ms-office", NULL, "Outlook", ANY},
    {"macoutlook", NULL, "Outlook", ANY},
    {"oneoutlook", NULL, "Outlook", ANY},
    {"outlook-ios", NULL, "Outlook", ANY},
    {"outlook-android", NULL, "Outlook", ANY},
    /* Browsers made of Chrome, then Chrome. */
    {"edg/", NULL, "Edge", ANY},
    {"edga/", NULL, "Edge", ANY},
    {"edgios/", NULL, "Edge", ANY},
    {"edge/", NULL, "Edge", ANY},
    {"opr/", NULL, "Opera", ANY},
    {"opt/", "safari/", "Opera", ANY},
    {"opios/", NULL, "Opera", ANY},
    {"opera", NULL, "Opera", ANY},
    {"samsungbrowser/", NULL, "Samsung Internet", ANY},
    {"vivaldi/", NULL, "Vivaldi", ANY},
    {"fxios/", NULL, "Firefox", ANY},
    {"firefox/", NULL, "Firefox", ANY},
    {"crios/", NULL, "Chrome", ANY},
    /* A program of Android that shows a page itself: mail programs do, and many others. */
    {"; wv)", "android", "WebView", ANY},
    {"chrome/", NULL, "Chrome", ANY},
    {"chromium/", NULL, "Chrome", ANY},
    {"trident/", NULL, "Internet Explorer", ANY},
    {"msie ", NULL, "Internet Explorer", ANY},
    {"safari/", "version/", "Safari", ANY},
    /* Apple's Mail is its engine without a browser's name; a click from it arrives by a browser, so that a click that
     * looks like this comes from some other program. */
    {"applewebkit/", "macintosh;", "Apple Mail", NO_SAFARI | OPENS},
    {"applewebkit/", "iphone;", "iPhone Mail", NO_SAFARI | OPENS},
    {"applewebkit/", "ipad;", "iPad Mail", NO_SAFARI | OPENS},
};

static const struct {
    const char *part, *platform;
} platforms[] = {
    /* iOS calls itself "like Mac OS X", Android is also Linux, Windows Phone was also Android. */
    {"windows", "Windows"}, {"iphone", "iOS"},       {"ipad", "iOS"},       {"ipod", "iOS"},
    {"outlook-ios", "iOS"}, {"android", "Android"},  {"cros ", "ChromeOS"}, {"macintosh", "macOS"},
    {"mac os x", "macOS"},  {"macoutlook", "macOS"}, {"linux", "Linux"},    {"x11;", "Linux"},
};

static bool
client_fits (const Client *client, const char *agent, bool click)
{
    if (strstr (agent, client->part) == NULL ||
        (client->also != NULL && strstr (agent, client->also) == NULL))
        return false;
    if ((client->terms & OPENS) != 0 && click)
        return false;
    return (client->terms & NO_SAFARI) == 0 || strstr (agent, "safari/") == NULL;
}

void
tracking_agent_read (const char *agent, bool click, const char **client, const char **platform)
{
    *client = "unknown";
    *platform = "unknown";
    for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
        if (client_fits (&clients[i], agent, click)) {
            *client = clients[i].client;
            if ((clients[i].terms & FEIGNED) != 0)
                return;
            break;
        }
    for (guint i = 0; i < G_N_ELEMENTS (platforms); i++)
        if (strstr (agent, platforms[i].part) != NULL) {
            *platform = platforms[i].platform;
            return;
        }
}
